import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { root } from "../../scripts/setup.mjs";
import { badArrows, cycles, importCycles, importsOf } from "../graph.mjs";

describe("this repository", () => {
  test("has no arrow between packages that is not allowed", () => expect(badArrows(root)).toEqual([]));
  test("has no import cycle", () => expect(importCycles(root)).toEqual([]));
});

describe("the checker", () => {
  /** @type {string} */
  let folder;
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** @param {Record<string, string>} files */
  function repository(files) {
    folder = mkdtempSync(join(tmpdir(), "edges-"));
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(join(folder, dirname(path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    return folder;
  }
  /** @param {string} name @param {string[]} dependencies */
  const manifest = (name, dependencies = []) =>
    JSON.stringify({ name: `@dormouse/${name}`, dependencies: Object.fromEntries(dependencies.map((d) => [d, "*"])) });
  const arrows = { tensor: [], nn: ["tensor"] };

  test.each([
    ["a dependency", { "packages/tensor/package.json": manifest("tensor", ["@dormouse/nn"]) }, /depends on @dormouse\/nn/],
    [
      "an import",
      {
        "packages/tensor/package.json": manifest("tensor"),
        "packages/tensor/src/a.ts": 'export type { Linear } from "@dormouse/nn";',
      },
      /src\/a.ts:1 imports @dormouse\/nn; tensor may use no sibling/,
    ],
    [
      "an import that is not declared",
      { "packages/nn/package.json": manifest("nn"), "packages/nn/src/a.ts": '\nawait import("@dormouse/tensor/graph");' },
      /src\/a.ts:2 imports @dormouse\/tensor, which its package.json does not name/,
    ],
    [
      "a path out of the package",
      { "packages/nn/package.json": manifest("nn"), "packages/nn/src/a.ts": 'import "../../tensor/src/index.ts";' },
      /leaves its package/,
    ],
    [
      "its own name",
      { "packages/nn/package.json": manifest("nn"), "packages/nn/src/a.ts": 'import "@dormouse/nn";' },
      /imports its own package/,
    ],
    ["an unknown package", { "packages/other/package.json": manifest("other") }, /in no row/],
  ])("refuses %s", (_, files, problem) => {
    expect(badArrows(repository(files), arrows)).toEqual([expect.stringMatching(problem)]);
  });

  test("accepts what is declared and allowed", () => {
    const files = {
      "packages/nn/package.json": manifest("nn", ["@dormouse/tensor"]),
      "packages/nn/src/a.ts": 'import { Tensor } from "@dormouse/tensor"; import "node:fs"; import "./b.ts";',
    };
    expect(badArrows(repository(files), arrows)).toEqual([]);
  });

  test("finds cycles of imports that exist at run time only", () => {
    const files = {
      "packages/nn/src/a.ts": 'import { b } from "./b.ts";',
      "packages/nn/src/b.ts": 'export * from "./deep/c.ts";',
      "packages/nn/src/deep/c.ts": 'import { type A } from "../a.ts";',
      "packages/nn/src/d.ts": 'import type { E } from "./e.ts";',
      "packages/nn/src/e.ts": 'import type { D } from "./d.ts";',
    };
    const file = (/** @type {string} */ name) => `packages/nn/src/${name}.ts`;
    expect(importCycles(repository(files))).toEqual([["a", "b", "deep/c", "a"].map(file)]);
  });

  test("finds two cycles that share a file, and none in a diamond", () => {
    expect(cycles(new Map([["a", ["b", "c"]], ["b", ["a"]], ["c", ["a"]]]))).toHaveLength(2);
    expect(cycles(new Map([["a", ["b", "c"]], ["b", ["d"]], ["c", ["d"]], ["d", []]]))).toEqual([]);
  });

  test("reads every form of import", () => {
    const text = [
      'import a from "a";',
      'import type { B } from "b";',
      'export { c } from "c";',
      'const d: import("d").D = await import("e");',
      'import "f";',
    ].join("\n");
    expect(importsOf(text).map(({ specifier, typeOnly, line }) => [specifier, typeOnly, line])).toEqual([
      ["a", false, 1],
      ["b", true, 2],
      ["c", false, 3],
      ["d", true, 4],
      ["e", false, 4],
      ["f", false, 5],
    ]);
  });
});
