/**
 * Mixed precision on a GPU that has float16. Mesa's software GPU does, which only Deno finds; without Deno or Mesa these
 * tests are skipped by name.
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { runOnHalfGpu, whyNoHalfGpu } from "@dormouse/testing/deno";
import { beforeAll, describe, expect, test } from "vitest";
import type { MixedReport } from "./mixed-program.ts";

const program = `import { mixedProgram } from "./mixed-program.ts"; console.log(JSON.stringify(await mixedProgram()));`;

describe.skipIf(whyNoHalfGpu)(`mixed precision on a GPU${whyNoHalfGpu ? ` (skipped: ${whyNoHalfGpu})` : ""}`, () => {
  let report: MixedReport;
  beforeAll(async () => {
    report = await runOnHalfGpu(dirname(fileURLToPath(import.meta.url)), program);
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
