/**
 * The public API as text: for every entry of every package one committed file, `packages/NAME/etc/ENTRY.api.md`, that
 * lists each export with its declaration as the built `.d.ts` has it. A change of the API is then a change of a file
 * that a reviewer sees. Declarations are printed without comments and bodies; private members are left out, names are
 * sorted, so that moving code between files changes nothing here.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { workspacePackages } from "../scripts/build.mjs";
import { root } from "../scripts/setup.mjs";

/**
 * @typedef {object} Entry
 * @property {string} specifier `@dormouse/tensor/graph`
 * @property {string} declarations path of the built `.d.ts`
 * @property {string} report path of the committed text
 */

/**
 * The public entries of the published packages.
 * @returns {Entry[]}
 */
function entries() {
  return [...workspacePackages().values()]
    .filter(({ manifest }) => !manifest.private)
    .flatMap(({ name, folder, manifest }) =>
      Object.entries(manifest.exports).map(([subpath, target]) => ({
        specifier: join(name, subpath),
        declarations: join(root, folder, target.types),
        report: join(root, folder, "etc", `${subpath === "." ? "index" : subpath.slice(2).replaceAll("/", "-")}.api.md`),
      })),
    );
}

const printer = ts.createPrinter({ removeComments: true, newLine: ts.NewLineKind.LineFeed });

/** @param {ts.ClassElement | ts.TypeElement} member */
function isPrivate(member) {
  const hasKeyword =
    ts.canHaveModifiers(member) && ts.getModifiers(member)?.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword);
  return hasKeyword || (member.name && ts.isPrivateIdentifier(member.name));
}

/**
 * The text of one declaration, without private members and the words that only a `.d.ts` needs.
 * @param {ts.Declaration} declaration
 */
function print(declaration) {
  /** @type {ts.Node} */
  let node = declaration;
  if (ts.isVariableDeclaration(node)) node = node.parent.parent;
  if (ts.isClassDeclaration(node)) {
    const { modifiers, name, typeParameters, heritageClauses, members } = node;
    const visible = members.filter((member) => !isPrivate(member));
    node = ts.factory.updateClassDeclaration(node, modifiers, name, typeParameters, heritageClauses, visible);
  }
  return printer
    .printNode(ts.EmitHint.Unspecified, node, declaration.getSourceFile())
    .replace(/^(export )?(default )?(declare )?/, "")
    .replace(/import\("[^"]*"\)\./g, "");
}

/**
 * The report of one entry.
 * @param {ts.Program} program
 * @param {Pick<Entry, "specifier" | "declarations">} entry
 */
export function describe(program, { specifier, declarations }) {
  const checker = program.getTypeChecker();
  const file = program.getSourceFile(declarations);
  const module = file && checker.getSymbolAtLocation(file);
  const lines = [];
  for (const exported of module ? checker.getExportsOfModule(module) : []) {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
    const own = (symbol.declarations ?? []).map((declaration) => {
      const from = declaration.getSourceFile().fileName;
      if (ts.isSourceFile(declaration)) return `namespace ${exported.name}`;
      // What a sibling declares is in the sibling's own report.
      const sibling = /\/packages\/([^/]+)\/dist\//.exec(from)?.[1];
      if (sibling && !declarations.includes(`/packages/${sibling}/dist/`)) return `re-export @dormouse/${sibling}`;
      return print(declaration);
    });
    const renamed = symbol.name === exported.name ? "" : `// exported as ${exported.name}\n`;
    lines.push({ name: exported.name, text: renamed + [...new Set(own)].join("\n") });
  }
  lines.sort((a, b) => (a.name < b.name ? -1 : 1));
  // Fluent methods are not exports: they are added to a type of another module.
  for (const statement of file?.statements ?? []) {
    if (ts.isModuleDeclaration(statement)) lines.push({ name: statement.name.text, text: print(statement) });
  }
  const body = lines.map(({ name, text }) => {
    return text.startsWith("re-export") ? `${name}: ${text}` : text;
  });
  return `# ${specifier}\n\n\`\`\`ts\n${body.join("\n\n")}\n\`\`\`\n`;
}

/**
 * A program over declarations, resolved as a user's compiler would.
 * @param {string[]} declarations
 */
export function read(declarations) {
  return ts.createProgram(declarations, {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    skipLibCheck: true,
    types: [],
  });
}

/**
 * Compares the committed reports with the built declarations, or rewrites them.
 * @param {{ update?: boolean }} options
 * @returns {string[]} problems
 */
export function checkApi({ update = false } = {}) {
  const all = entries();
  const problems = [];
  const program = read(all.map(({ declarations }) => declarations));
  for (const entry of all) {
    if (!existsSync(entry.declarations)) {
      problems.push(`${entry.specifier} has no declarations; run \`npm run build\``);
      continue;
    }
    const text = describe(program, entry);
    if (update) {
      mkdirSync(join(entry.report, ".."), { recursive: true });
      writeFileSync(entry.report, text);
      continue;
    }
    const committed = existsSync(entry.report) ? readFileSync(entry.report, "utf8") : "";
    if (committed !== text) problems.push(`the API of ${entry.specifier} changed: ${firstDifference(committed, text)}`);
  }
  const known = new Set(all.map(({ report }) => report));
  for (const { folder } of workspacePackages().values()) {
    const etc = join(root, folder, "etc");
    for (const name of existsSync(etc) ? readdirSync(etc) : []) {
      if (!name.endsWith(".api.md") || known.has(join(etc, name))) continue;
      if (update) rmSync(join(etc, name));
      else problems.push(`${folder}/etc/${name} belongs to no entry`);
    }
  }
  if (problems.length > 0 && !update) problems.push("if that is meant, run `npm run api:update` and commit the result");
  return problems;
}

/** @param {string} before @param {string} after */
function firstDifference(before, after) {
  const [old, now] = [before.split("\n"), after.split("\n")];
  const index = now.findIndex((line, at) => line !== old[at]);
  if (before === "") return "there is no report yet";
  return `line ${index + 1} was \`${old[index] ?? ""}\` and is \`${now[index] ?? ""}\``;
}
