/**
 * Examples in prose: finds the ```ts blocks of a Markdown file, and prepares TypeScript so that each `console.log` says
 * on which line it stands, to compare what it prints with the comment behind it.
 *
 *     console.log(sum(x).item()); // 6
 *
 * A block marked ```ts no-run is left alone. White space is compared as one blank, so that a comment can hold a matrix;
 * `…` in a comment stands for any text. A line that prints several times is compared with the last.
 */
import ts from "typescript";

/**
 * @typedef {object} Block
 * @property {number} line of its first line in the file, from 1
 * @property {string} code
 */

/**
 * @param {string} markdown
 * @returns {Block[]}
 */
export function blocks(markdown) {
  const found = [];
  const lines = markdown.split("\n");
  for (let start = 0; start < lines.length; start += 1) {
    const fence = /^(`{3,})(.*)$/.exec(lines[start] ?? "");
    if (!fence) continue;
    const end = lines.findIndex((line, index) => index > start && line.trimEnd() === fence[1]);
    if (end < 0) throw new Error(`examples: the block that opens on line ${start + 1} is never closed`);
    const words = (fence[2] ?? "").trim().split(/\s+/);
    if (words[0] === "ts" && !words.includes("no-run")) {
      found.push({ line: start + 2, code: lines.slice(start + 1, end).join("\n") });
    }
    start = end;
  }
  return found;
}

/**
 * @typedef {object} Prepared
 * @property {string} code that calls `globalThis.printed(line, …)` in place of `console.log(…)`
 * @property {Map<number, string>} expected what the comment behind the call on a line says
 */

/**
 * @param {string} code
 * @returns {Prepared}
 */
export function prepare(code) {
  const file = ts.createSourceFile("example.ts", code, ts.ScriptTarget.Latest, true);
  /** @type {{ from: number, to: number, text: string }[]} */
  const edits = [];
  /** @type {Map<number, string>} */
  const expected = new Map();
  /** @param {ts.Node} node */
  const visit = (node) => {
    if (ts.isCallExpression(node) && node.expression.getText(file) === "console.log") {
      const line = file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1;
      const separator = node.arguments.length > 0 ? ", " : "";
      edits.push({ from: node.expression.getStart(file), to: node.arguments.pos, text: `printed(${line}${separator}` });
      const comment = /^[^\n]*?\/\/\s?(.*)/.exec(code.slice(node.end));
      if (comment && /^\s*;?\s*}*\s*$/.test(code.slice(node.end).split("//")[0] ?? "")) {
        expected.set(line, comment[1] ?? "");
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  let prepared = code;
  for (const { from, to, text } of edits.sort((a, b) => b.from - a.from)) {
    prepared = prepared.slice(0, from) + text + prepared.slice(to);
  }
  return { code: prepared, expected };
}

/**
 * Whether a comment describes what was printed.
 * @param {string} comment
 * @param {string} text
 */
export function describes(comment, text) {
  const squeeze = (/** @type {string} */ part) => part.replace(/\s+/g, " ").trim();
  const literal = (/** @type {string} */ part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const pattern = squeeze(comment).split("…").map(literal).join(".*");
  return new RegExp(`^${pattern}$`, "s").test(squeeze(text));
}
