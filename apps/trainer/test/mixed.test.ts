/** Runs in mixed precision: as good as float32, resumed bit for bit with their scale, and refused where they cannot be. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { cpu } from "@dormouse/backend-cpu";
import { readSafetensors } from "@dormouse/formats";
import type { EpochReport } from "@dormouse/train";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asFailure } from "../src/failure.ts";
import { resolveSettings } from "../src/settings.ts";
import { requirePrecision } from "../src/training.ts";
import { Workplace, flowers, idxFolder } from "./support.ts";

let work: Workplace;
let csv: string;
let idx: string;
beforeAll(async () => {
  work = new Workplace();
  csv = work.write("flowers.csv", flowers());
  idx = await idxFolder(work, "stripes");
});
afterAll(() => work.remove());

interface Result {
  readonly runDir: string;
  readonly metrics: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

async function train(...words: string[]): Promise<Result> {
  const { code, out, error } = await work.run(["train", ...words, "--threads", "1", "--json"]);
  expect(code, error).toBe(0);
  return JSON.parse(out) as Result;
}

const historyOf = ({ runDir }: Result): EpochReport[] =>
  readFileSync(join(runDir, "metrics.jsonl"), "utf8").trim().split("\n").map((line) => JSON.parse(line) as EpochReport);

describe("--precision mixed", () => {
  it.each([
    ["a classifier", "kind", "accuracy", ["--norm", "layer"]],
    ["a regression", "price", "r2", []],
    ["an ensemble with batch statistics", "thorns", "accuracy", ["--norm", "batch", "--members", "2"]],
  ])("trains %s as well as float32", async (_, target, score, more) => {
    const words = [csv, "--target", target, ...more, "--epochs", "60", "--learning-rate", "0.01", "--batch", "16"];
    const [wide, mixed] = [await train(...words), await train(...words, "--precision", "mixed")];
    expect(mixed.metrics["test"]![score]).toBeGreaterThan(0.85);
    // Nine rows: one of them may fall on the other side.
    expect(Math.abs(mixed.metrics["test"]![score]! - wide.metrics["test"]![score]!)).toBeLessThan(0.12);
    expect(historyOf(mixed)[0]!.train).not.toEqual(historyOf(wide)[0]!.train);
  });

  it("trains images with a convolutional network, and writes down what it did", async () => {
    const words = ["idx", "--data", idx, "--model", "cnn", "--hidden", "16", "--batch", "16", "--epochs", "8", "--learning-rate", "0.02"];
    const result = await train(...words, "--precision", "mixed");
    expect(result.metrics["test"]!["accuracy"]).toBeGreaterThan(0.9);
    const [config, log, header, ...rows] = [
      ...["config.resolved.yaml", "log.txt"].map((name) => readFileSync(join(result.runDir, name), "utf8")),
      ...readFileSync(join(result.runDir, "metrics.csv"), "utf8").trim().split("\n"),
    ];
    expect(config).toContain("precision: mixed\n");
    expect(log).toContain(", in mixed precision\n");
    expect(header).toContain(",gradientNorm,lossScale,skippedSteps,train.loss");
    const at = header!.split(",").indexOf("lossScale");
    historyOf(result).forEach(({ lossScale, skippedSteps }, i) => {
      expect(rows[i]!.split(",").slice(at, at + 2).map(Number)).toEqual([lossScale, skippedSteps]);
    });
  });

  it("goes on to the same result with the same scale", async () => {
    const words = [csv, "--target", "kind", "--epochs", "5", "--precision", "mixed"];
    const whole = await train(...words);
    const stop = new AbortController();
    stop.abort("SIGINT");
    const { code, error } = await work.run(["train", ...words, "--threads", "1"], stop.signal);
    expect(code).toBe(130);
    const [, run] = /go on with: dormouse train --resume (\S+)\n$/.exec(error)!;
    const rest = await train("--resume", run!);
    expect(rest.metrics).toEqual(whole.metrics);
    const numbers = (history: readonly EpochReport[]) => history.map(({ train, lossScale, skippedSteps }) => ({ train, lossScale, skippedSteps }));
    expect(numbers(historyOf(rest))).toEqual(numbers(historyOf(whole)));
    // The scale is among the tensors: state.links.0.scale.
    const tensorsOf = ({ runDir }: Result) => readSafetensors(readFileSync(join(runDir, "checkpoints", "last.safetensors"))).tensors;
    expect([...tensorsOf(rest).keys()]).toContain("state.links.0.scale");
    expect(tensorsOf(rest)).toEqual(tensorsOf(whole));
    const refused = await work.run(["train", "--resume", run!, "--precision", "float32"]);
    expect(refused).toMatchObject({ code: 2, error: expect.stringContaining("--resume cannot change training.precision") as string });
  });

  it("finds a learning rate in that precision", async () => {
    const { code, out } = await work.run(["lr-find", csv, "--target", "kind", "--precision", "mixed", "--steps", "20", "--json"]);
    expect(code).toBe(0);
    expect((JSON.parse(out) as { readonly losses: number[] }).losses.every((loss) => Number.isFinite(loss))).toBe(true);
  });

  it.each([
    [["--precision", "half"], "--precision half: must be one of float32, mixed\n"],
    [["--precision", "mixed", "--model", "ridge"], "--precision mixed: --model ridge is found without gradients, in float64; leave it out\n"],
    [["--precision", "mixed", "--model", "linear"], "--precision mixed: --model linear is found without gradients, in float64; leave it out\n"],
  ])("is refused as %j", async (words, message) => {
    const { code, error } = await work.run(["train", csv, "--target", "price", ...words]);
    expect([code, error]).toEqual([2, expect.stringMatching(message) as string]);
  });

  it("ends with 6 on a device without float16", async () => {
    await using device = await cpu({ threads: 1 });
    const { capabilities } = device.backend;
    const dtypes = new Set([...capabilities.dtypes].filter((dtype) => dtype !== "float16"));
    const without = Object.create(device, { backend: { value: { capabilities: { ...capabilities, dtypes } } }, name: { value: "webgpu:old" } }) as typeof device;
    const settings = resolveSettings("digits", { training: { precision: "mixed" } });
    const task = { kind: "multiclass", classes: ["0", "1", "2"], name: "digit" } as Parameters<typeof requirePrecision>[1];
    let failure: unknown = null;
    try {
      requirePrecision(settings, task, without);
    } catch (error) {
      failure = error;
    }
    expect(asFailure(failure)).toMatchObject({
      code: 6, message: "--precision mixed: webgpu:old has no float16; leave it out, or name another --device",
    });
    expect(requirePrecision(settings, task, device)).toBeUndefined();
  });
});
