import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { root } from "../../scripts/setup.mjs";
import { compile, typeTests } from "../program.mjs";

for (const path of typeTests()) {
  test(path, () => expect(compile(join(root, path)).problems).toEqual([]));
}

describe("the compiler of type tests", () => {
  const folder = mkdtempSync(join(root, "tooling/types/test/tmp-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** @param {string} text */
  function problems(text) {
    const path = join(folder, `${Math.random()}.ts`);
    writeFileSync(path, `import { expectType } from "../../expect.ts";\n${text}`);
    return compile(path).problems;
  }

  test("accepts equal types and refused lines", () => {
    expect(problems('expectType<"a" | 1>()(1 as 1 | "a");\n// @ts-expect-error a string is not a number\n"a" * 2;')).toEqual([]);
  });

  test.each([
    ["a wider type", "expectType<string | number>()(1 as number);"],
    ["a narrower type", "expectType<1>()(2 as number);"],
    ["any", "expectType<number>()(JSON.parse(''));"],
    ["a line that should have been refused", "// @ts-expect-error fine\n1 * 2;"],
    ["a missing import", 'import "./nowhere.ts";'],
  ])("refuses %s", (_, text) => {
    expect(problems(text)).toHaveLength(1);
  });

  test("counts what a type costs", () => {
    const [few, many] = [5, 50].map((length) => {
      const path = join(folder, `cost-${length}.ts`);
      const type = "type Count<N, L extends 0[] = []> = L['length'] extends N ? L : Count<N, [...L, 0]>;";
      writeFileSync(path, `${type}\nexport const list = null as unknown as Count<${length}>;\nlist[0];`);
      return compile(path).instantiations;
    });
    expect(many).toBeGreaterThan(/** @type {number} */ (few) + 45);
  });
});
