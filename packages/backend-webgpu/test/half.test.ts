/**
 * Half precision on a GPU that has it. Mesa's software GPU does, which only Deno finds: what Node runs on does not, and
 * says so. Without Deno or Mesa these tests are skipped by name.
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { exp, setDevice, tensor } from "@dormouse/tensor";
import { runOnHalfGpu, whyNoHalfGpu } from "@dormouse/testing/deno";
import { beforeAll, describe, expect, test } from "vitest";
import { backend, describeOnGpu, device } from "./gpu.ts";
import type { HalfReport } from "./half-program.ts";

const program = `import { halfProgram } from "./half-program.ts"; console.log(JSON.stringify(await halfProgram(), (_, x) => typeof x === "number" && !Number.isFinite(x) ? String(x) : x));`;

describe.skipIf(whyNoHalfGpu)(`half precision${whyNoHalfGpu ? ` (skipped: ${whyNoHalfGpu})` : ""}`, () => {
  let report: HalfReport;
  beforeAll(async () => {
    report = await runOnHalfGpu(dirname(fileURLToPath(import.meta.url)), program);
  }, 180_000);

  test("is a dtype of a GPU that has it", () => {
    expect(report.adapter).toMatch(/llvmpipe/);
    expect(report.dtypes).toContain("float16");
    expect(report.computed.length).toBeGreaterThan(20);
  });

  test("gives what the reference gives", () => {
    for (const { name, got, wanted, tolerance } of report.computed) {
      expect(got, name).toHaveLength(wanted.length);
      wanted.forEach((value, i) => {
        const [a, b] = [Number(got[i]), Number(value)];
        const isClose = Object.is(a, b) || Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b));
        if (!isClose) expect.fail(`${name}: element ${i} is ${a} and should be ${b}`);
      });
    }
  });
});

describeOnGpu("half precision", () => {
  test("is refused by a GPU that does not have it", async ({ skip }) => {
    if (backend.capabilities.dtypes.has("float16")) return skip("this GPU has it");
    setDevice(device);
    await expect(async () => exp(tensor([1, 2], { dtype: "float16" })).data()).rejects.toThrow(/has no float16; cast to float32/);
  });
});
