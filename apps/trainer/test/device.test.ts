/**
 * Runs on a GPU: a real one where a driver finds it, else the software that comes with Chromium. A machine with neither
 * skips these tests, and their name says why.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describeAdapter } from "@dormouse/backend-webgpu";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Dormouse } from "./process.ts";
import { Workplace, flowers, idxFolder } from "./support.ts";

/** Chromium's software renderer, which the Vulkan loader finds through this variable. */
const software = "/usr/lib/chromium/vk_swiftshader_icd.json";
if (!process.env["VK_DRIVER_FILES"] && existsSync(software)) process.env["VK_DRIVER_FILES"] = software;
const adapter = await describeAdapter();

let work: Workplace;
beforeAll(() => (work = new Workplace()));
afterAll(() => work.remove());

interface Result {
  readonly runDir: string;
  readonly metrics: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

async function train(...words: string[]): Promise<Result> {
  const { code, out, error } = await work.run(["train", ...words, "--json"]);
  expect(code, error).toBe(0);
  return JSON.parse(out) as Result;
}

describe.runIf(adapter.available)(`webgpu on ${adapter.available ? adapter.name : `no GPU (${adapter.reason})`}`, () => {
  it.each([
    ["kind", "mlp", "--norm", "batch"], ["price", "mlp", "--members", "2"], ["price", "ridge", "--penalty", "1"], ["thorns", "logistic", "--penalty", "1"],
  ])("trains %s with %s %s %s as the processor does", async (target, model, ...more) => {
    const csv = work.write("flowers.csv", flowers());
    const words = [csv, "--target", target, "--model", model, ...more, "--epochs", "2", "--hidden", "12"];
    const [gpu, cpu] = [await train(...words, "--device", "webgpu"), await train(...words, "--threads", "1")];
    expect(readFileSync(join(gpu.runDir, "env.json"), "utf8")).toContain(`"webgpu:${(adapter as { readonly name: string }).name}"`);
    for (const [part, scores] of Object.entries(cpu.metrics)) {
      // Other scores jump where a probability is near a border.
      for (const name of ["loss", "r2"]) {
        if (scores[name] !== undefined) expect(gpu.metrics[part]![name], `${part} ${name}`).toBeCloseTo(scores[name], 3);
      }
    }
  });

  it("goes on, predicts and evaluates on either device", async () => {
    const idx = await idxFolder(work, "stripes");
    const words = ["idx", "--data", idx, "--hidden", "8", "--batch", "54"];
    const { runDir } = await train(...words, "--epochs", "2", "--device", "webgpu");
    const outputs = [await work.run(["predict", runDir, idx]), await work.run(["predict", runDir, idx, "--device", "cpu"])];
    const [gpu, cpu] = outputs.map(({ out }) => out.trim().split("\n").slice(1).map((row) => row.split(",").slice(1, 4).map(Number)));
    expect(gpu).toHaveLength(31);
    gpu!.forEach((row, i) => row.forEach((p, k) => expect(p).toBeCloseTo(cpu![i]![k]!, 4)));
    expect((await work.run(["evaluate", runDir, idx, "--device", "webgpu"])).code).toBe(0);
    const more = await work.run(["train", "--resume", runDir, "--epochs", "3", "--device", "cpu", "--json"]);
    expect(more.code, more.error).toBe(0);
  });
});

describe("a device that is not there", () => {
  it("ends with 6 and says why, without a run folder", async () => {
    // The command alone in a folder, from where no package for a GPU is found.
    const command = await new Dormouse().build();
    try {
      const runs = work.at("other-runs");
      const { code, out, error } = await command.start(["train", "--device", "webgpu", "--limit", "50", "--runs", runs]).ended;
      expect([code, out]).toEqual([6, ""]);
      expect(error).toMatch(/^dormouse: webgpu: there is no navigator.gpu \([^\n]+\); in Node install the optional package webgpu and a Vulkan driver\n$/);
      expect(existsSync(runs)).toBe(false);
    } finally {
      command.remove();
    }
  });
});
