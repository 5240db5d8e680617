/** The shell of a report: one HTML file without scripts or links, readable in light, in dark and on paper. */

/** Text as it may stand in HTML and in attributes. */
export const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** A section with a heading; the word names it in the contents. */
export interface Section {
  readonly word: string;
  readonly heading: string;
  readonly content: string;
}

const idOf = ({ word }: Section): string => word.toLowerCase().replace(/\W+/g, "-");

/** Links to the sections. */
export const contents = (sections: readonly Section[]): string =>
  `<nav aria-label="Contents">${sections.map((each) => `<a href="#${idOf(each)}">${escape(each.word)}</a>`).join(" ")}</nav>\n`;

/** A section as HTML. */
export const section = (each: Section): string =>
  `<section aria-labelledby="${idOf(each)}"><h2 id="${idOf(each)}">${escape(each.heading)}</h2>\n${each.content}</section>\n`;

/** A list of plain text. */
export const list = (lines: readonly string[]): string => `<ul>${lines.map((line) => `<li>${escape(line)}</li>`).join("")}</ul>\n`;

/** Text as it was written. */
export const verbatim = (text: string): string =>
  `<pre>${escape(text.trimEnd())}</pre>\n`;

/** Something long that is folded until asked for. */
export const folded = (summary: string, content: string): string => `<details><summary>${escape(summary)}</summary>\n${content}</details>\n`;

/** A cell: text, or a bar of a share from 0 to 1 with its text. */
export type Cell = string | { readonly share: number; readonly text: string };

/**
 * A table; the first cell of a row is its heading. Cells are numbers, aligned right, but for the columns of words;
 * the row that matters most may be marked.
 */
export function table(
  label: string,
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
  { words = [], marked }: { readonly words?: readonly number[]; readonly marked?: number } = {},
): string {
  const kind = (column: number): string => (words.includes(column) ? ' class="word"' : "");
  const cell = (content: Cell, column: number): string => {
    if (column === 0) return `<th scope="row">${escape(content as string)}</th>`;
    if (typeof content === "string") return `<td${kind(column)}>${escape(content)}</td>`;
    const percent = (100 * Math.min(1, Math.max(0, content.share))).toFixed(1);
    return `<td class="bar"><span class="track"><span style="width:${percent}%"></span></span><span class="number">${escape(content.text)}</span></td>`;
  };
  const heads = head.map((name, column) => (name === "" ? "<td></td>" : `<th scope="col"${kind(column)}>${escape(name)}</th>`)).join("");
  const lines = rows.map((row, i) => `<tr${i === marked ? ' class="marked"' : ""}>${row.map(cell).join("")}</tr>`).join("\n");
  return `<div class="scroll" tabindex="0" role="region" aria-label="${escape(label)}"><table><thead><tr>${heads}</tr></thead><tbody>\n${lines}\n</tbody></table></div>\n`;
}

/** The numbers that matter most, large. */
export const tiles = (entries: readonly { readonly name: string; readonly value: string; readonly hint: string }[]): string =>
  `<dl class="tiles">${entries
    .map(({ name, value, hint }) => `<div><dt>${escape(name)}</dt><dd class="value">${escape(value)}</dd><dd class="hint">${escape(hint)}</dd></div>`)
    .join("")}</dl>\n`;

/** A score for a person to read. */
export const show = (value: number): string => {
  if (Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  const rounded = Number(value.toPrecision(4));
  const text = size >= 1e4 ? rounded.toLocaleString("en-US") : String(rounded);
  return text.replace("-", "−");
};

/** A share as a percentage. */
export const percent = (share: number, digits = 1): string => (Number.isNaN(share) ? "–" : `${(100 * share).toFixed(digits)} %`);

/** A whole number with its thousands apart. */
export const count = (value: number): string => value.toLocaleString("en-US");

// Blue and orange are told apart by people who see red and green alike; every ink has a contrast of at least 4.5 : 1
// on its ground.
const style = `
:root { color-scheme: light dark; --ground: #fff; --raised: #f6f7f9; --ink: #18202b; --quiet: #566173; --line: #dfe3e9; --track: #e9ecf1; --mark: #eaf2fd; --a: #1b64c4; --b: #b4500a; --c: #4b7a1f; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #12161c; --raised: #1a2028; --ink: #e6eaf0; --quiet: #a2adbd; --line: #2e3743; --track: #2a333f; --mark: #1a2b42; --a: #71b1ff; --b: #ffa263; --c: #a5d46a; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2.5rem 1.25rem 4rem; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0; letter-spacing: -.01em; overflow-wrap: anywhere; } h2 { font-size: 1.3rem; margin: 0 0 .5rem; letter-spacing: -.005em; } h3 { font-size: 1rem; margin: 1.5rem 0 .4rem; }
p { margin: .4rem 0; max-width: 46rem; text-wrap: pretty; } a { color: var(--a); } ul { margin: .4rem 0; padding-left: 1.2rem; } code { font-size: .9em; }
.quiet, figcaption, .hint { color: var(--quiet); } figcaption, .hint { font-size: .85rem; line-height: 1.4; }
nav { display: flex; flex-wrap: wrap; gap: .15rem 1.1rem; margin: 1.25rem 0 0; padding: .6rem 0; border: solid var(--line); border-width: 1px 0; font-size: .9rem; }
nav a { text-decoration: none; padding: .1rem 0; } nav a:hover, nav a:focus-visible { text-decoration: underline; }
section { margin-top: 2.75rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 1.5rem 0 0; }
.tiles div { background: var(--raised); border-radius: .6rem; padding: .8rem 1rem .7rem; } dt { font-size: .85rem; color: var(--quiet); } dd { margin: 0; }
dd.value { font-size: 1.65rem; font-weight: 600; line-height: 1.3; font-variant-numeric: tabular-nums; letter-spacing: -.01em; }
.pair { display: flex; flex-wrap: wrap; gap: 1rem 3rem; align-items: start; margin: 1rem 0; } .pair > * { flex: 0 1 auto; min-width: 0; } .pair figcaption { max-width: 20rem; } .figures > div > h3:first-child { margin-top: 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 1rem 2rem; margin: 1rem 0; }
figure { margin: 0; min-width: 0; } .title { font-weight: 600; font-size: .95rem; margin: 0 0 .3rem; } figcaption { margin-top: .2rem; }
.scroll { overflow-x: auto; margin: .8rem -.6rem; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .93rem; }
th, td { padding: .32rem .9rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; font-weight: 400; } thead th { color: var(--quiet); font-size: .85rem; }
th:first-child, td:first-child, .word { text-align: left; } th:first-child, td:first-child { padding-left: .6rem; } td.word { white-space: normal; min-width: 14rem; } tr.marked th, tr.marked td { background: var(--mark); }
.number { display: inline-block; min-width: 4.2rem; } .track { display: inline-block; width: 7rem; height: .55rem; border-radius: .3rem; background: var(--track); vertical-align: middle; overflow: hidden; } .track span { display: block; height: 100%; background: var(--a); }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .6rem 0; padding: .8rem 1rem; background: var(--raised); border-radius: .6rem; font: .85rem/1.5 ui-monospace, monospace; }
details { margin: .6rem 0; } summary { cursor: pointer; } :focus-visible { outline: 2px solid var(--a); outline-offset: 2px; }
svg { display: block; width: 100%; height: auto; font: 11.5px system-ui, sans-serif; } svg text { fill: var(--quiet); } svg text.name { font-size: 12px; }
.grid { stroke: var(--line); } .tick { stroke: var(--quiet); stroke-opacity: .6; } .guide { stroke: var(--quiet); stroke-dasharray: 4 4; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; } .line.faint { stroke-width: 1.25; stroke-opacity: .55; } .a { stroke: var(--a); } .b { stroke: var(--b); } .c { stroke: var(--c); }
.dot { stroke: var(--ground); stroke-width: 1; } .dot.a, .fill.a { fill: var(--a); } .dot.b, .fill.b { fill: var(--b); } .dot.c { fill: var(--c); } .dot.small { fill: var(--a); fill-opacity: .4; stroke: none; }
.fill { stroke: none; fill-opacity: .35; } .cell { fill: var(--a); } svg text.count { fill: var(--ink); }
.legend .a { color: var(--a); } .legend .b { color: var(--b); }
.legend { display: flex; gap: 1.2rem; font-size: .9rem; font-weight: 600; } .legend span::before { content: ""; display: inline-block; width: 1.1rem; height: 3px; border-radius: 2px; margin-right: .4rem; vertical-align: middle; background: currentColor; }
@media print {
  :root { --ground: #fff; --raised: #f3f4f6; --ink: #000; --quiet: #444; --line: #ccc; --track: #e4e6ea; --mark: #e8f0fb; --a: #1b64c4; --b: #b4500a; --c: #4b7a1f; }
  body { max-width: none; padding: 0; font-size: 11pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; } nav { display: none; }
  figure, tr, .tiles div { break-inside: avoid; } h2, h3, .title { break-after: avoid; } .figures { grid-template-columns: 1fr 1fr; } .scroll { margin: .8rem 0; overflow: visible; } details::details-content { content-visibility: visible; block-size: auto; } summary { list-style: none; }
}
`;

/** The whole page. */
export const page = (title: string, content: string): string =>
  `<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>${escape(title)}</title>\n<style>${style}</style>\n</head>\n<body>\n<main>\n${content}</main>\n</body>\n</html>\n`;
