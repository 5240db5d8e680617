/** The curriculum holds: names are exported, tests are there, pages have every row, and the table says so. */
import { describe, expect, test } from "vitest";
import { anchorsIn, problemsOf, problemsOfIds, titlesIn } from "../src/check.ts";
import { describeCurriculum } from "../src/document.ts";
import type { Section } from "../src/row.ts";
import { curriculum } from "../src/table.ts";

test("docs/curriculum/README.md is up to date; `npm run docs:curriculum` writes it", async () => {
  await expect(describeCurriculum(curriculum)).toMatchFileSnapshot("../../../docs/curriculum/README.md");
});

test("every row of every table is there once", () => {
  expect(problemsOfIds(curriculum)).toEqual([]);
});

test.each(curriculum)("section $number, $title: names, tests and pages exist", async (section) => {
  expect(await problemsOf(section)).toEqual([]);
});

describe("the check", () => {
  const section: Section = {
    number: 9, title: "Nine", page: "page.md", test: "nine.test.ts", count: 2,
    rows: [
      { id: "9.1", idea: "one", names: { tensor: "add linalg.solve" } },
      { id: "9.list-of", idea: "many", names: { tensor: "sub" }, tests: [{ file: "other.test.ts", id: "9.2" }] },
    ],
  };
  const files: Record<string, string> = {
    "page.md": `<a id="9.1"></a>\n## add, solve\n<a id="9.list-of"></a> sub`,
    "nine.test.ts": `test("9.1 one: it is", () => { add(linalg.solve(a, b), 1); });`,
    "other.test.ts": `describe("9.2 many", () => { test.each([1])("some %s", () => { sub(1, 2); }); });`,
  };
  const read = (path: string): string => files[path] ?? "";
  const all = { add: 1, sub: 2, linalg: { solve: 3 } };
  const exports = (): Promise<Record<string, unknown>> => Promise.resolve(all);

  test("passes what is there", async () => {
    expect(await problemsOf(section, { exports, read })).toEqual([]);
  });

  test("names what is not exported, in namespaces too", async () => {
    const fewer = (): Promise<Record<string, unknown>> => Promise.resolve({ add: 1, linalg: {} });
    expect(await problemsOf(section, { exports: fewer, read })).toEqual([
      "9.1: @dormouse/tensor does not export linalg.solve",
      "9.list-of: @dormouse/tensor does not export sub",
    ]);
  });

  test("names tests and anchors that are missing, and anchors that are no rows", async () => {
    const other: Record<string, string> = {
      "page.md": `<a id="9.3"></a> add solve sub`,
      "nine.test.ts": `test("9.10 ten", f); f("9.1 no"); add; solve`,
      "other.test.ts": "sub",
    };
    expect(await problemsOf(section, { exports, read: (path) => other[path] ?? "" })).toEqual([
      "9.1: no test of nine.test.ts begins with 9.1",
      `9.1: page.md has no <a id="9.1"></a>`,
      "9.list-of: no test of other.test.ts begins with 9.2",
      `9.list-of: page.md has no <a id="9.list-of"></a>`,
      "page.md: the anchor 9.3 is no row",
    ]);
  });

  test("names what neither page nor test says", async () => {
    const silent = (path: string): string => read(path).replace("solve", "solved").replace("sub", "subs");
    expect(await problemsOf(section, { exports, read: silent })).toEqual([
      "9.1: page.md does not say linalg.solve",
      "9.1: nine.test.ts does not say linalg.solve",
      "9.list-of: page.md does not say sub",
      "9.list-of: other.test.ts does not say sub",
    ]);
  });

  test("counts rows", () => {
    const rows = [...section.rows, section.rows[0]!, { id: "8.1", idea: "", names: {} }];
    expect(problemsOfIds([{ ...section, rows }])).toEqual([
      "9.2 has no row", "9.1 is there twice", "8.1 is no id of section 9",
    ]);
  });

  test("reads titles of tests, groups and tables, and anchors", () => {
    const source = 'test("a", f); it.each([1])("b %s", f); describe.skip(`c`, f); test(`d ${x}`, f); expect("e");';
    expect(titlesIn(source)).toEqual(["a", "b %s", "c", "d "]);
    expect(anchorsIn(`<a id="1.1"></a><a id="1.x"></a> [a](#1.2)`)).toEqual(["1.1", "1.x"]);
  });
});
