/**
 * Which package may use which, and which file uses which: the allowed arrows between packages, compared with the
 * dependencies in every `package.json` and with the imports that sources really contain; and import cycles between
 * files. It reads text only: it neither builds nor resolves anything beyond `@dormouse/*` and relative paths.
 *
 * Only imports that exist at run time make a cycle. `import type` is erased, and types may refer to each other freely.
 */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, normalize } from "node:path";
import ts from "typescript";

const middle = ["autograd", "backend-cpu", "backend-webgpu", "nn", "losses", "optim", "data", "metrics"];

/**
 * The arrows: for each package of `packages/`, what it may use. A package that is not listed may use nothing.
 * @type {Readonly<Record<string, readonly string[]>>}
 */
export const allowed = {
  tensor: [],
  formats: [],
  ...Object.fromEntries(middle.map((name) => [name, ["tensor"]])),
  train: ["tensor", "formats", ...middle],
  ml: ["tensor", "formats", ...middle, "train"],
};

/**
 * @typedef {object} Import
 * @property {string} specifier as written
 * @property {boolean} typeOnly erased by the compiler
 * @property {number} line from 1
 */

/**
 * The imports of one file, static and dynamic, re-exports included.
 * @param {string} text
 * @returns {Import[]}
 */
export function importsOf(text) {
  const file = ts.createSourceFile("file.ts", text, ts.ScriptTarget.Latest, false);
  /** @type {Import[]} */
  const imports = [];
  /** @param {ts.Node | undefined} specifier @param {boolean} typeOnly */
  const add = (specifier, typeOnly) => {
    if (!specifier || !ts.isStringLiteral(specifier)) return;
    const line = file.getLineAndCharacterOfPosition(specifier.end).line + 1;
    imports.push({ specifier: specifier.text, typeOnly, line });
  };
  /** @param {ts.Node} node */
  const visit = (node) => {
    if (ts.isImportDeclaration(node)) {
      add(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword);
    } else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0], false);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return imports;
}

/**
 * The files of a folder with one of the extensions, relative to it, sorted.
 * @param {string} folder
 * @param {RegExp} pattern
 */
export function filesOf(folder, pattern = /\.m?ts$/) {
  if (!existsSync(folder)) return [];
  const names = /** @type {string[]} */ (readdirSync(folder, { recursive: true }));
  return names.filter((name) => pattern.test(name) && !name.includes("node_modules")).sort();
}

/** @param {string} specifier */
const packageOf = (specifier) => specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/");

/**
 * What is wrong with the arrows of the repository at `root`, one sentence each.
 * @param {string} root
 * @param {Readonly<Record<string, readonly string[]>>} arrows
 * @returns {string[]}
 */
export function badArrows(root, arrows = allowed) {
  const problems = [];
  for (const name of readdirSync(join(root, "packages")).sort()) {
    const folder = join(root, "packages", name);
    if (!existsSync(join(folder, "package.json"))) continue;
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const declared = new Set(
      ["dependencies", "peerDependencies", "optionalDependencies"].flatMap((key) => Object.keys(manifest[key] ?? {})),
    );
    const may = arrows[name];
    if (!may) {
      problems.push(`packages/${name} is in no row of the arrows; add it to tooling/edges/graph.mjs`);
      continue;
    }
    const isAllowed = (/** @type {string} */ used) =>
      !used.startsWith("@dormouse/") || used === manifest.name || may.includes(used.slice("@dormouse/".length));

    for (const used of declared) {
      if (!isAllowed(used)) problems.push(`packages/${name}/package.json depends on ${used}; it may use ${list(may)}`);
    }
    for (const file of filesOf(join(folder, "src"))) {
      for (const { specifier, line } of importsOf(readFileSync(join(folder, "src", file), "utf8"))) {
        if (specifier.startsWith(".")) {
          if (!normalize(join(folder, "src", dirname(file), specifier)).startsWith(join(folder, "src"))) {
            problems.push(`packages/${name}/src/${file}:${line} leaves its package with ${specifier}`);
          }
          continue;
        }
        const used = packageOf(specifier);
        if (used.startsWith("node:") || builtinModules.includes(used)) continue;
        const place = `packages/${name}/src/${file}:${line}`;
        if (!isAllowed(used)) problems.push(`${place} imports ${used}; ${name} may use ${list(may)}`);
        else if (used === manifest.name) problems.push(`${place} imports its own package; use a relative path`);
        else if (!declared.has(used)) problems.push(`${place} imports ${used}, which its package.json does not name`);
      }
    }
  }
  return problems;
}

/** @param {readonly string[]} names */
const list = (names) => (names.length > 0 ? names.join(", ") : "no sibling");

/**
 * The import cycles among the sources of every package and app: each a list of files that closes on itself.
 * @param {string} root
 * @returns {string[][]}
 */
export function importCycles(root) {
  /** @type {Map<string, string[]>} */
  const graph = new Map();
  for (const group of ["packages", "apps", "tooling"]) {
    for (const file of filesOf(join(root, group), /^[^/]+\/src\/.*\.m?ts$/)) {
      const from = join(group, file);
      const targets = importsOf(readFileSync(join(root, from), "utf8"))
        .filter(({ specifier, typeOnly }) => specifier.startsWith(".") && !typeOnly)
        .map(({ specifier }) => normalize(join(dirname(from), specifier)));
      graph.set(from, targets);
    }
  }
  return cycles(graph);
}

/**
 * One cycle for every strongly connected group of a graph that has one.
 * @param {ReadonlyMap<string, readonly string[]>} graph
 * @returns {string[][]}
 */
export function cycles(graph) {
  /** @type {string[][]} */
  const found = [];
  /** @type {Map<string, "open" | "done">} */
  const state = new Map();
  /** @type {string[]} */
  const path = [];
  /** @param {string} node */
  const visit = (node) => {
    state.set(node, "open");
    path.push(node);
    for (const next of graph.get(node) ?? []) {
      if (state.get(next) === "open") found.push([...path.slice(path.indexOf(next)), next]);
      else if (!state.has(next)) visit(next);
    }
    path.pop();
    state.set(node, "done");
  };
  for (const node of graph.keys()) if (!state.has(node)) visit(node);
  return found;
}
