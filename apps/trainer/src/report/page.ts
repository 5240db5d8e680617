/** The shell of a report: one HTML file without scripts or links, readable in light, in dark and on paper. */

/** Text as it may stand in HTML and in attributes. */
export const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** A section with a heading. */
export const section = (heading: string, content: string): string => `<section><h2>${escape(heading)}</h2>\n${content}</section>\n`;

/** A table; the first cell of a row is its heading. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = ([first = "", ...rest]: readonly string[], of: "th" | "td"): string =>
    `<tr><th>${escape(first)}</th>${rest.map((cell) => `<${of}>${escape(cell)}</${of}>`).join("")}</tr>`;
  return `<table><thead>${line(head, "th")}</thead><tbody>${rows.map((row) => line(row, "td")).join("\n")}</tbody></table>\n`;
}

/** A score for a person to read. */
export const show = (value: number): string => (Number.isFinite(value) ? String(Number(value.toPrecision(4))) : String(value));

// Colors are told apart by people who see red and green alike, and are legible on both grounds.
const style = `
:root { color-scheme: light dark; --ground: #fff; --ink: #1c2430; --quiet: #667085; --line: #d5dae1; --a: #1f6fd1; --b: #c2570c; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14181f; --ink: #e4e8ee; --quiet: #98a2b3; --line: #343c49; --a: #6cb0ff; --b: #ff9e5e; }
}
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p.quiet, figcaption { color: var(--quiet); } figure { margin: 0; display: inline-block; vertical-align: top; max-width: 100%; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; } th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child { text-align: left; } pre { overflow-x: auto; padding: .8rem; border: 1px solid var(--line); border-radius: .4rem; }
svg { max-width: 100%; height: auto; font: 12px system-ui, sans-serif; } svg text { fill: var(--quiet); }
.axis { stroke: var(--line); } .a { stroke: var(--a); } .b { stroke: var(--b); } .curve { fill: none; stroke-width: 2; }
.bar { fill: var(--a); fill-opacity: .75; } .dot { fill: var(--a); fill-opacity: .5; } .guide { stroke: var(--quiet); stroke-dasharray: 4 4; }
.cell { fill: var(--a); } .key-a { color: var(--a); } .key-b { color: var(--b); } svg text.count { fill: var(--ink); }
@media print { body { margin: 0; max-width: none; } section { break-inside: avoid; } }
`;

/** The whole page. */
export const page = (title: string, content: string): string =>
  `<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>${escape(title)}</title>\n<style>${style}</style>\n</head>\n<body>\n${content}</body>\n</html>\n`;
