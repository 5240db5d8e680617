import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { format } from "node:util";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { root } from "../../scripts/setup.mjs";
import { compile } from "../../types/program.mjs";
import { blocks, describes, prepare } from "../blocks.mjs";

const generated = join(root, "tooling/examples/generated");
afterAll(() => rmSync(generated, { recursive: true, force: true }));

/**
 * Compiles an example, runs it on a CPU device, and compares what it prints with its comments.
 * @param {string} code
 * @param {string} path of the file to write
 */
async function check(code, path) {
  mkdirSync(dirname(path), { recursive: true });
  const plain = path.replace(/\.ts$/, ".check.ts");
  const run = path.replace(/\.ts$/, ".run.ts");
  const prepared = prepare(code);
  /** @type {Map<number, string>} */
  const printed = new Map();
  try {
    writeFileSync(plain, `${code}\nexport {};\n`);
    expect(compile(plain).problems).toEqual([]);
    writeFileSync(run, `${prepared.code}\nexport {};\n`);
    vi.stubGlobal("printed", (/** @type {number} */ line, /** @type {unknown[]} */ ...values) => {
      printed.set(line, format(...values));
    });
    await import(/* @vite-ignore */ run);
  } finally {
    vi.unstubAllGlobals();
    rmSync(plain, { force: true });
    rmSync(run, { force: true });
  }
  for (const [line, comment] of prepared.expected) {
    const text = printed.get(line);
    if (text === undefined || !describes(comment, text)) {
      expect(`line ${line}: ${text ?? "nothing printed"}`).toBe(`line ${line}: ${comment}`);
    }
  }
}

describe("examples", () => {
  beforeEach(async () => {
    const { setDevice } = await import("@dormouse/tensor");
    const { cpu } = await import("@dormouse/backend-cpu");
    setDevice(await cpu());
  }, 60_000);

  const pages = [
    "README.md",
    ...readdirSync(join(root, "packages")).map((name) => `packages/${name}/README.md`),
    ...readdirSync(join(root, "docs/curriculum")).map((name) => `docs/curriculum/${name}`),
  ];
  for (const page of pages.filter((path) => existsSync(join(root, path)))) {
    for (const { line, code } of blocks(readFileSync(join(root, page), "utf8"))) {
      // Blank lines before the code give its lines the numbers they have on the page.
      const padded = "\n".repeat(line - 1) + code;
      test(`${page}:${line}`, () => check(padded, join(generated, `${page.replaceAll("/", "-")}-${line}.ts`)));
    }
  }

  const folder = join(root, "examples");
  for (const name of existsSync(folder) ? readdirSync(folder).sort() : []) {
    if (!/^[^.]+\.ts$/.test(name)) continue;
    test(`examples/${name}`, () => check(readFileSync(join(folder, name), "utf8"), join(folder, name)));
  }
});

describe("the runner of examples", () => {
  afterEach(() => vi.unstubAllGlobals());

  test("finds the blocks that run", () => {
    const page = ["# Title", "```ts", "const a = 1;", "```", "```sh", "ls", "```", "```ts no-run", "x", "```", "```ts", "b;", "```"];
    expect(blocks(page.join("\n"))).toEqual([
      { line: 3, code: "const a = 1;" },
      { line: 12, code: "b;" },
    ]);
    expect(() => blocks("```ts\nopen")).toThrow("never closed");
  });

  test("reads the comment behind a call", () => {
    const { code, expected } = prepare("console.log(1, f(2)); // 1 3\n[1].forEach((x) => {\n  console.log(x);\n}); // no");
    expect(code).toBe("printed(1, 1, f(2)); // 1 3\n[1].forEach((x) => {\n  printed(3, x);\n}); // no");
    expect([...expected]).toEqual([[1, "1 3"]]);
  });

  test.each([
    ["1 2", "1   2", true],
    ["[[1], [2]]", "[[1],\n [2]]", true],
    ["0.693…", "0.69314718", true],
    ["0.693…", "0.7", false],
    ["1", "12", false],
  ])("compares %j with %j", (comment, text, same) => expect(describes(comment, text)).toBe(same));

  test("passes an example that prints what it says", async () => {
    await check("const x: number = 2;\nconsole.log(x * x); // 4", join(generated, "right.ts"));
  });

  test.each([
    ["prints something else", "console.log(2 * 2); // 5"],
    ["prints nothing", "if (Math.random() > 2) console.log(1); // 1"],
    ["does not compile", "const x: string = 1;"],
    ["throws", "throw new Error('no');"],
  ])("fails an example that %s", async (name, code) => {
    await expect(check(code, join(generated, `${name.replaceAll(" ", "-")}.ts`))).rejects.toThrow();
  });
});
