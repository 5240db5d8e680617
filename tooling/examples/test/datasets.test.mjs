/**
 * Examples of data sets, run as a user runs them: each reaches what the same kind of model reached in PyTorch or
 * scikit-learn on the same rows, and each says what it needs where there is no data. DORMOUSE_DATA names the folder of
 * data sets; those that are not in it are skipped by name.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env, execPath } from "node:process";
import { describe, expect, test } from "vitest";
import { root } from "../../scripts/setup.mjs";

/** What others reached, to the digits given (docs/datasets.md). @type {Record<string, Record<string, string>>} */
const references = {
  "adult": { accuracy: "0.853", AUC: "0.9054" },
  "auto-mpg": { R2: "0.87" },
  "breast-cancer": { accuracy: "0.982" },
  "california-housing": { R2: "0.755" },
  "diabetes": { R2: "0.428" },
  "fashion-mnist": { accuracy: "0.883" },
  "iris": { accuracy: "0.967" },
  "mnist": { accuracy: "0.984" },
  "optdigits": { accuracy: "0.956" },
  "penguins": { accuracy: "0.986" },
  "wine": { accuracy: "0.972" },
};
const names = Object.keys(references);
const data = env["DORMOUSE_DATA"] ?? "";
const folder = join(root, "examples/datasets");

/**
 * Runs `examples/datasets/run.mjs`, without an environment variable that names a folder.
 * @param {string[]} parameters
 * @returns {Promise<{ status: number, stdout: string, stderr: string }>}
 */
function run(...parameters) {
  const { DORMOUSE_DATA: _, ...rest } = env;
  return new Promise((resolve) => {
    execFile(execPath, [join(folder, "run.mjs"), ...parameters], { env: rest }, (error, stdout, stderr) =>
      resolve({ status: Number(error?.code ?? 0), stdout, stderr }),
    );
  });
}

describe("examples of data sets (DORMOUSE_DATA)", () => {
  for (const [name, reference] of Object.entries(references)) {
    test.skipIf(data === "" || !existsSync(join(data, name)))(name, { timeout: 900_000 }, async () => {
      const { status, stdout, stderr } = await run("--data", data, name);
      expect(status, stderr).toBe(0);
      expect(stdout).toMatch(new RegExp(`^${name} .* in [0-9.]+ s\n$`));
      const scores = [...stdout.matchAll(/(\w+) (-?[0-9.]+) \(reference ([0-9.]+)\)/g)];
      expect(Object.fromEntries(scores.map(([, metric, , value]) => [metric, value]))).toEqual(reference);
      for (const [text, , found, value = ""] of scores) {
        const digits = value.split(".")[1]?.length ?? 0;
        expect(Number(Number(found).toFixed(digits)), text).toBeGreaterThanOrEqual(Number(value));
      }
    });
  }
});

describe("examples without data", () => {
  test("there is one for each reference, on the page, too", () => {
    const files = readdirSync(folder).filter((file) => file.endsWith(".ts") && file !== "data.ts");
    expect(files.sort()).toEqual(names.map((name) => `${name}.ts`));
    const rows = readFileSync(join(root, "docs/datasets.md"), "utf8").split("\n");
    for (const [name, reference] of Object.entries(references)) {
      const row = rows.find((line) => line.startsWith(`| [${name}](../examples/datasets/${name}.ts) |`));
      for (const [metric, value] of Object.entries(reference)) expect(row, name).toContain(`${metric} ${value}`);
    }
  });

  test("each says what it needs, and fails", { timeout: 240_000 }, async () => {
    const { status, stdout, stderr } = await run();
    expect([status, stdout]).toEqual([1, ""]);
    const sentence = /^datasets: ([\w-]+)\/\S+ is needed, and no folder of data is given; use --data/gm;
    const needed = [...stderr.matchAll(sentence)];
    expect(needed.map(([, name]) => name)).toEqual(names);
  });

  test("a folder without the file, and an example that is not there, are named", { timeout: 60_000 }, async () => {
    const empty = mkdtempSync(join(tmpdir(), "dormouse-datasets-"));
    try {
      const missing = await run("--data", empty, "iris");
      expect(missing.status).toBe(1);
      expect(missing.stderr).toContain(`datasets: iris/iris.csv is not in ${empty}; use --data FOLDER or set DORMOUSE_DATA`);
    } finally {
      rmSync(empty, { recursive: true });
    }
    const unknown = await run("irises");
    expect(unknown.status).toBe(2);
    expect(unknown.stderr).toContain("there is no example irises; there is adult, auto-mpg, ");
  });
});
