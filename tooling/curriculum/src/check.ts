/** The curriculum against the repository: which names are not exported, which tests and anchors are not there. */
import { existsSync, readFileSync } from "node:fs";
import ts from "typescript";
import { type PackageName, type Section, namesOf, testsOf } from "./row.ts";

const root = new URL("../../../", import.meta.url);
const textOf = (path: string): string => {
  const url = new URL(path, root);
  return existsSync(url) ? readFileSync(url, "utf8") : "";
};

/** Everything that a package exports, by name. */
export type Exports = (from: PackageName) => Promise<Readonly<Record<string, unknown>>>;

/** The packages as they are in this repository. */
export const workspace: Exports = (from) =>
  import(/* @vite-ignore */ `@dormouse/${from}`) as Promise<Readonly<Record<string, unknown>>>;

/** Whether a dotted name leads to something. */
const isIn = (exports: object, name: string): boolean => {
  const step = (place: unknown, key: string): unknown => (place as Record<string, unknown> | undefined)?.[key];
  return name.split(".").reduce(step, exports) !== undefined;
};

/** Titles of tests and groups of tests in a file: the first argument of `test`, `it`, `describe` and their `each`. */
export function titlesIn(source: string): readonly string[] {
  const file = ts.createSourceFile("x.test.ts", source, ts.ScriptTarget.Latest, true);
  const titles: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && /^(test|it|describe)\b/.test(node.expression.getText(file))) {
      const [first] = node.arguments;
      if (first && ts.isStringLiteralLike(first)) titles.push(first.text);
      else if (first && ts.isTemplateExpression(first)) titles.push(first.head.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return titles;
}

/** The anchors `<a id="…"></a>` of a page. */
export const anchorsIn = (page: string): readonly string[] =>
  [...page.matchAll(/<a id="([^"]+)"><\/a>/g)].map(([, id]) => id!);

/** What is wrong with the ids of the sections: missing rows, and ids that are twice there or belong elsewhere. */
export function problemsOfIds(sections: readonly Section[]): readonly string[] {
  return sections.flatMap(({ number, count, rows }) => {
    const ids = rows.map(({ id }) => id);
    const wanted = Array.from({ length: count }, (_, i) => `${number}.${i + 1}`);
    const missing = wanted.filter((id) => !ids.includes(id)).map((id) => `${id} has no row`);
    const twice = ids.filter((id, i) => ids.indexOf(id) < i).map((id) => `${id} is there twice`);
    const foreign = ids
      .filter((id) => (/^\d+\.\d+$/.test(id) ? !wanted.includes(id) : !new RegExp(`^${number}\\.[a-z][a-z-]*$`).test(id)))
      .map((id) => `${id} is no id of section ${number}`);
    return [...missing, ...twice, ...foreign];
  });
}

/** Whether a text says the last part of a dotted name, as a word. */
const says = (text: string, name: string): boolean => new RegExp(`\\b${name.split(".").at(-1)}\\b`).test(text);

/** What a section names that is not there, one line for each: names, tests, anchors; and names that those leave out. */
export async function problemsOf(
  section: Section,
  { exports = workspace, read = textOf }: { readonly exports?: Exports; readonly read?: (path: string) => string } = {},
): Promise<readonly string[]> {
  const problems: string[] = [];
  const titles = new Map<string, readonly string[]>();
  const page = read(section.page);
  const anchors = anchorsIn(page);
  for (const row of section.rows) {
    for (const [from, name] of namesOf(row)) {
      if (!isIn(await exports(from), name)) problems.push(`${row.id}: @dormouse/${from} does not export ${name}`);
      if (!says(page, name)) problems.push(`${row.id}: ${section.page} does not say ${name}`);
      const files = testsOf(section, row).map(({ file }) => file);
      if (!files.some((file) => says(read(file), name))) problems.push(`${row.id}: ${files.join(", ")} does not say ${name}`);
    }
    if (namesOf(row).length === 0) problems.push(`${row.id}: no public name`);
    for (const { file, id } of testsOf(section, row)) {
      if (!titles.has(file)) titles.set(file, titlesIn(read(file)));
      const begins = new RegExp(`^${id.replaceAll(".", "\\.")}(?![\\w.-])`);
      if (titles.get(file)!.some((title) => begins.test(title))) continue;
      problems.push(`${row.id}: no test of ${file} begins with ${id}`);
    }
    if (!anchors.includes(row.id)) problems.push(`${row.id}: ${section.page} has no <a id="${row.id}"></a>`);
  }
  const known = new Set(section.rows.map(({ id }) => id));
  for (const id of anchors) if (!known.has(id)) problems.push(`${section.page}: the anchor ${id} is no row`);
  return problems;
}
