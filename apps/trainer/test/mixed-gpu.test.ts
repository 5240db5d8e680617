/**
 * Mixed precision on a GPU that has float16. Mesa's software GPU does, which only Deno finds; without Deno or Mesa these
 * tests are skipped by name.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { env } from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { beforeAll, describe, expect, test } from "vitest";
import type { MixedReport } from "./mixed-program.ts";

const here = dirname(fileURLToPath(import.meta.url));
/** Deno comes with the umbrella package; `DENO` may name another. */
const deno = [env["DENO"] ?? "", join(here, "../../../packages/ml/node_modules/.bin/deno")].find((path) => path !== "" && existsSync(path));
const driver = ["x86_64", "aarch64"].map((machine) => `/usr/share/vulkan/icd.d/lvp_icd.${machine}.json`).find((path) => existsSync(path));

async function runInDeno(): Promise<MixedReport> {
  const folder = await mkdtemp(join(tmpdir(), "dormouse-mixed-"));
  try {
    const script = join(folder, "program.mjs");
    const contents = `import { mixedProgram } from "./mixed-program.ts"; console.log(JSON.stringify(await mixedProgram()));`;
    const { outputFiles } = await build({
      stdin: { contents, resolveDir: here, loader: "ts" },
      bundle: true, write: false, format: "esm", platform: "node", target: "es2023", conditions: ["@dormouse/source"],
      external: ["node:*", "webgpu"], logLevel: "silent",
    });
    await writeFile(script, outputFiles[0]!.contents);
    const environment = { ...env, VK_DRIVER_FILES: driver, XDG_RUNTIME_DIR: folder };
    const flags = ["run", "--unstable-webgpu", "--allow-all", "--no-config", "--no-remote"];
    const { stdout } = await promisify(execFile)(deno!, [...flags, script], { env: environment, timeout: 170_000, maxBuffer: 2 ** 26 });
    return JSON.parse(stdout.trim().split("\n").at(-1)!) as MixedReport;
  } finally {
    await rm(folder, { recursive: true });
  }
}

const missing = !deno ? "there is no deno on this machine" : !driver ? "there is no software GPU of Mesa on this machine" : null;
describe.skipIf(missing)(`mixed precision on a GPU${missing ? ` (skipped: ${missing})` : ""}`, () => {
  let report: MixedReport;
  beforeAll(async () => {
    report = await runInDeno();
  }, 180_000);

  test("trains as well as float32 on the processor", () => {
    expect([report.adapter, report.hasFloat16]).toEqual([expect.stringMatching(/llvmpipe/) as string, true]);
    expect(report.runs.map(({ name }) => name)).toEqual(["mlp", "cnn"]);
    for (const { name, mixed, wide } of report.runs) {
      const [one, other] = [mixed, wide].map(({ history }) => history.at(-1)!);
      expect(other!.validation!["accuracy"], name).toBeGreaterThan(0.7);
      expect(one!.validation!["accuracy"], name).toBeGreaterThan(other!.validation!["accuracy"]! - 0.05);
      expect(one!.train["loss"], name).toBeLessThan(other!.train["loss"]! + 0.05);
      expect(one!.train["loss"], name).not.toBe(other!.train["loss"]);
      expect(new Set(mixed.dtypes)).toEqual(new Set(["float32"]));
      // 96 steps in all, those that were left out among them.
      expect(mixed.steps + mixed.skipped, name).toBe(96);
      expect(mixed.scale, name).toBe(2 ** (16 - mixed.skipped));
    }
  });

  test("leaves steps out until the scale fits", () => {
    const { history, scale, steps, skipped } = report.steep!;
    expect(history[0]!.skippedSteps).toBeGreaterThan(3);
    expect(history.reduce((sum, { skippedSteps }) => sum + skippedSteps!, 0)).toBe(skipped);
    expect(steps + skipped).toBe(96);
    expect(scale).toBe(history.at(-1)!.lossScale);
    expect(history.at(-1)!.train["loss"]).toBeLessThan(history[0]!.train["loss"]! / 2);
  });
});
