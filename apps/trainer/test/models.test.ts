import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Random } from "@dormouse/data";
import { readSafetensors } from "@dormouse/formats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Workplace, flowers, idxFolder } from "./support.ts";

let work: Workplace;
let csv: string;
let line: string;
let idx: string;
beforeAll(async () => {
  work = new Workplace();
  csv = work.write("flowers.csv", flowers());
  // y = 3a − 2b + 5 without noise: what least squares must find.
  const random = new Random(3);
  const rows = Array.from({ length: 60 }, () => [random.normal(), random.normal()] as const);
  line = work.write("line.csv", `a,b,y\n${rows.map(([a, b]) => `${a},${b},${3 * a - 2 * b + 5}`).join("\n")}\n`);
  idx = await idxFolder(work, "stripes");
});
afterAll(() => work.remove());

interface Result {
  readonly runDir: string;
  readonly metrics: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

async function train(...words: string[]): Promise<Result> {
  const { code, out, error } = await work.run(["train", ...words, "--threads", "1", "--json"]);
  expect(error).not.toContain("bug");
  expect(code, error).toBe(0);
  return JSON.parse(out) as Result;
}

const epochsOf = ({ runDir }: Result): unknown[] => readFileSync(join(runDir, "metrics.jsonl"), "utf8").trim().split("\n").map((text) => JSON.parse(text) as unknown);

describe("models that a formula solves", () => {
  it("finds a line exactly, in one epoch", async () => {
    const result = await train(line, "--target", "y", "--model", "linear");
    expect(result.metrics["test"]!["r2"]).toBeCloseTo(1, 9);
    expect(epochsOf(result)).toHaveLength(1);
  });

  it("does not average what it found with the weights of the beginning, nor changes it by rates", async () => {
    const words = ["--ema", "0.9", "--schedule", "plateau", "--weight-decay", "0.1", "--clip", "1"];
    expect((await train(line, "--target", "y", "--model", "linear", ...words)).metrics["test"]!["r2"]).toBeCloseTo(1, 9);
  });

  it("shrinks the weights of ridge by the penalty, as its formula says", async () => {
    const weights = async (penalty: string): Promise<number[]> => {
      const { runDir } = await train(line, "--target", "y", "--model", "ridge", "--penalty", penalty);
      const { tensors } = readSafetensors(readFileSync(join(runDir, "checkpoints/best.safetensors")));
      return Array.from(tensors.get("model.members.0.layers.layers.0.weight")!.data as Float32Array);
    };
    const [none, large] = [await weights("0"), await weights("1e6")];
    expect(Math.hypot(...large)).toBeLessThan(Math.hypot(...none) * 1e-3);
    // Where λ is far above the eigenvalues of xᵀx, the weights are xᵀy / λ.
    expect(Math.hypot(...(await weights("1e7"))) / Math.hypot(...large)).toBeCloseTo(0.1, 3);
  });

  it("finds the weights of logistic regression by Newton's method", async () => {
    const result = await train(csv, "--target", "thorns", "--model", "logistic");
    expect(result.metrics["test"]!["accuracy"]).toBe(1);
    expect(epochsOf(result)).toHaveLength(1);
  });

  it("says what to do where a plane separates the classes and there is no penalty", async () => {
    const outcome = await work.run(["train", csv, "--target", "thorns", "--model", "logistic", "--penalty", "0"]);
    expect(outcome).toMatchObject({ code: 2, error: expect.stringContaining("a plane separates the classes") as string });
    expect(outcome.error).toContain("--penalty");
  });

  it("stops a perceptron after an epoch without a mistake", async () => {
    const result = await train(csv, "--target", "thorns", "--model", "perceptron");
    expect(result.metrics["train"]!["accuracy"]).toBe(1);
    expect(epochsOf(result).length).toBeLessThan(200);
  });
});

describe("a perceptron that is interrupted", () => {
  // The loop asks after every step, and there are two in an epoch.
  it.each([1, 2, 4, 7])("at the %i. time that it looks goes on to the same weights", async (time) => {
    const words = ["train", csv, "--target", "thorns", "--model", "perceptron", "--exclude", "kind,length,price", "--epochs", "6", "--threads", "1", "--json"];
    const whole = JSON.parse((await work.run(words)).out) as Result;
    expect(epochsOf(whole)).toHaveLength(6);
    const { signal } = new AbortController();
    let looks = 0;
    Object.defineProperty(signal, "aborted", { get: () => ++looks >= time });
    const { code, error } = await work.run(words, signal);
    expect(code, error).toBe(130);
    const [, run] = /--resume (\S+)\n$/.exec(error)!;
    const rest = await work.run(["train", "--resume", run!, "--json"]);
    expect((JSON.parse(rest.out) as Result).metrics).toEqual(whole.metrics);
  });
});

describe("models that learn by gradients", () => {
  it.each([
    ["softmax"],
    ["mlp", "--activation", "gelu", "--norm", "batch", "--dropout", "0.1"],
    ["mlp", "--activation", "tanh", "--norm", "layer", "--hidden", "16,8"],
  ])("learns kinds of flowers with %s %s %s", async (...words) => {
    const result = await train(csv, "--target", "kind", "--epochs", "40", "--learning-rate", "0.02", "--model", ...words);
    expect(result.metrics["test"]!["accuracy"]).toBeGreaterThan(0.85);
  });

  it.each(["batch", "layer"])("learns images with a CNN of %s norm", async (norm) => {
    const words = ["idx", "--data", idx, "--model", "cnn", "--norm", norm, "--hidden", "8", "--batch", "16", "--epochs", "8", "--learning-rate", "0.02"];
    expect((await train(...words)).metrics["test"]!["accuracy"]).toBeGreaterThan(0.9);
  });

  it("learns where one example would be alone in the last batch of batch norm", async () => {
    const result = await train(line, "--target", "y", "--norm", "batch", "--batch", "41", "--epochs", "2");
    expect(epochsOf(result)).toHaveLength(2);
  });
});

describe("ensembles", () => {
  it.each([
    ["kind", "mlp"], ["thorns", "mlp"], ["price", "mlp"], ["price", "ridge"], ["thorns", "perceptron"],
  ])("averages three models of %s of kind %s", async (target, model) => {
    const words = [csv, "--target", target, "--model", model, "--epochs", "30", "--learning-rate", "0.01"];
    const [one, three] = [await train(...words), await train(...words, "--members", "3")];
    const score = target === "price" ? "r2" : "accuracy";
    expect(three.metrics["test"]![score]).toBeGreaterThan(0.8);
    const sizes = [one, three].map(({ runDir }) => readSafetensors(readFileSync(join(runDir, "checkpoints/best.safetensors"))).tensors.size);
    expect(sizes[1]).toBe(3 * sizes[0]!);
  });

  it("trains each member as if it were alone", async () => {
    // The first member begins with the weights of the only one, sees the same batches and has the same gradients.
    const words = [csv, "--target", "kind", "--epochs", "3", "--optimizer", "sgd", "--patience", "100"];
    const weights = async (...more: string[]): Promise<Float32Array> => {
      const { runDir } = await train(...words, ...more);
      return readSafetensors(readFileSync(join(runDir, "checkpoints/last.safetensors"))).tensors.get("model.members.0.layers.layers.0.weight")!.data as Float32Array;
    };
    const [alone, among] = [await weights(), await weights("--members", "2")];
    alone.forEach((weight, i) => expect(among[i]).toBeCloseTo(weight, 5));
  });
});

describe("models that do not suit", () => {
  it.each([
    ["logistic", "kind", "tells two classes apart, and kind has 3; use softmax"],
    ["perceptron", "price", "tells two classes apart, and price is a number; use linear or ridge"],
    ["softmax", "price", "tells classes apart, and price is a number; use linear or ridge"],
    ["ridge", "kind", "predicts numbers, and kind is a class; use softmax"],
    ["ridge", "thorns", "predicts numbers, and thorns is a class; use logistic"],
    ["cnn", "kind", "needs images; use mlp or linear for tables"],
  ])("refuses %s for %s", async (model, target, message) => {
    expect(await work.run(["train", csv, "--target", target, "--model", model])).toMatchObject({ code: 2, out: "", error: `dormouse: --model ${model}: ${message}\n` });
  });
});
