import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpu } from "@dormouse/backend-cpu";
import { setDevice, tensor, treeLeaves } from "@dormouse/tensor";
import type { Device } from "@dormouse/tensor/graph";
import { type Callback, checkpoint, earlyStopping, evaluateModel, fit, load, progress, save } from "@dormouse/train";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type SmallModel, scoresOf, small, smallModel } from "./support.ts";

let device: Device;
let folder: string;
beforeAll(async () => setDevice((device = await cpu({ threads: 2 }))));
afterAll(() => device[Symbol.asyncDispose]());
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "dormouse-train-"))));
afterEach(() => rmSync(folder, { recursive: true }));

const bits = async (tree: unknown): Promise<string[]> =>
  Promise.all(treeLeaves(tree).map(async (leaf) => Buffer.from((await leaf.data()).slice().buffer).toString("hex")));

/** Makes the validation loss whatever the test wants, epoch by epoch. */
const losses = (values: readonly number[]): Callback<SmallModel> => ({
  epoch(report) {
    (report as { validation: unknown }).validation = { loss: values[report.epoch]! };
  },
});

describe("checkpoint", () => {
  it("goes on bit for bit after an end between two epochs", async () => {
    const whole = await fit(smallModel(), small({ epochs: 5 }));
    await fit(smallModel(), small({ epochs: 2, callbacks: [checkpoint(folder)] }));
    const rest = await fit(smallModel(9), small({ epochs: 5, callbacks: [checkpoint(folder, { resume: true })] }));
    expect(scoresOf(rest.history)).toEqual(scoresOf(whole.history));
    expect(await bits([rest.model, rest.state])).toEqual(await bits([whole.model, whole.state]));
  });

  it("goes on bit for bit after an end within an epoch", async () => {
    const whole = await fit(smallModel(), small({ epochs: 3 }));
    const stop = new AbortController();
    const source = small().data.train;
    let drawn = 0;
    const train = { length: source.length, batch: (rows: Uint32Array, epoch: number) => (++drawn === 11 && stop.abort(), source.batch(rows, epoch)) };
    const data = { ...small().data, train: train as never };
    const first = await fit(smallModel(), small({ epochs: 3, data, signal: stop.signal, callbacks: [checkpoint(folder), earlyStopping()] }));
    expect(first).toMatchObject({ reason: "aborted", step: 4 });
    const rest = await fit(smallModel(9), small({ epochs: 3, callbacks: [checkpoint(folder, { resume: true })] }));
    expect(scoresOf(rest.history)).toEqual(scoresOf(whole.history));
    expect(await bits([rest.model, rest.state])).toEqual(await bits([whole.model, whole.state]));
  });

  it("keeps the best epoch apart and gives it back", async () => {
    const models: string[][] = [];
    const remember: Callback<SmallModel> = { epoch: async (_, { model }) => void models.push(await bits(model)) };
    const run = await fit(smallModel(), small({ callbacks: [losses([3, 1, 2, 4]), remember, checkpoint(folder, { restoreBest: true })] }));
    expect(await bits(run.model)).toEqual(models[1]);
    expect(await bits((await load(join(folder, "last.safetensors"), { model: smallModel() })).model)).toEqual(models[3]);
    expect(readdirSync(folder).sort()).toEqual(["best.safetensors", "last.safetensors"]);
  });

  it("begins anew where there is nothing to go on from", async () => {
    const run = await fit(smallModel(), small({ epochs: 1, callbacks: [checkpoint(folder, { resume: true })] }));
    expect(run.history).toHaveLength(1);
  });
});

describe("earlyStopping", () => {
  it("stops when patience is at an end and restores the best", async () => {
    const models: string[][] = [];
    const remember: Callback<SmallModel> = { epoch: async (_, { model }) => void models.push(await bits(model)) };
    const run = await fit(smallModel(), small({ epochs: 20, callbacks: [losses([5, 4, 4, 6, 9, 1]), remember, earlyStopping({ patience: 3 })] }));
    expect(run.reason).toBe("stopped early");
    expect(run.history).toHaveLength(5);
    expect(await bits(run.model)).toEqual(models[1]);
  });

  it.each([
    ["patience counts epochs after the best", [3, 2, 2.5, 2.4, 1], 2, 0, 4],
    ["a change below minDelta does not count", [3, 2.99, 2.98, 2.97], 2, 0.1, 3],
    ["not a number is no improvement", [3, NaN, NaN, NaN], 2, 0, 3],
  ])("%s", async (_, values, patience, minDelta, epochs) => {
    const run = await fit(smallModel(), small({ epochs: values.length, callbacks: [losses(values), earlyStopping({ patience, minDelta })] }));
    expect(run.history).toHaveLength(epochs);
  });

  it("counts the epochs before a resume", async () => {
    await fit(smallModel(), small({ epochs: 2, callbacks: [losses([1, 2]), checkpoint(folder)] }));
    const callbacks = [losses([1, 2, 3, 4, 5]), checkpoint<SmallModel>(folder, { resume: true }), earlyStopping<SmallModel>({ patience: 2 })];
    const run = await fit(smallModel(), small({ epochs: 5, callbacks }));
    expect(run.history).toHaveLength(3);
  });

  it("names the scores there are", async () => {
    const run = fit(smallModel(), small({ callbacks: [earlyStopping({ monitor: "f1" })] }));
    await expect(run).rejects.toThrow("earlyStopping: there is no score f1; name the loss or one of the metrics");
  });
});

describe("progress", () => {
  it("writes a line per epoch", async () => {
    const lines: string[] = [];
    await fit(smallModel(), small({ epochs: 2, callbacks: [progress({ write: (text) => void lines.push(text), live: false })] }));
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(/^epoch 2\/2 {2}loss \d\.\d{4} {2}accuracy \d\.\d{4} {3}validation loss \d\.\d{4} {2}accuracy \d\.\d{4} {3}\d+\.\d s\n$/);
  });

  it.each([
    [41.2, "42 s left"],
    [187, "3:07 left"],
    [3765, "1:02:45 left"],
  ])("rewrites a line on a terminal, %s seconds before the end", (secondsLeft, left) => {
    let text = "";
    const { step } = progress({ write: (part) => void (text += part), live: true });
    void step!({ epoch: 1, step: 25, steps: 100, epochs: 3, scores: { loss: 0.5 }, examplesPerSecond: 1234.4, secondsLeft, learningRate: 0.1, gradientNorm: 1 }, null as never);
    expect(text).toBe(`\r\x1b[Kepoch 2/3  █████${"░".repeat(15)} 25/100  loss 0.5000  1234/s  ${left}`);
  });
});

describe("save and load", () => {
  it("brings every dtype back", async () => {
    const tree = { a: tensor([[1.5, NaN], [-0, Infinity]]), b: [tensor([1, 2], { dtype: "int32" }), tensor([true, false])], c: tensor([0.1], { dtype: "float64" }), d: tensor([0.1, Infinity, 2 ** -24], { dtype: "float16" }) };
    const path = join(folder, "deep", "tree.safetensors");
    await save(path, tree, { note: "kept" });
    expect(readFileSync(path).toString("latin1")).toContain("kept");
    expect(readFileSync(path).toString("latin1")).toContain('"d":{"dtype":"F16","shape":[3]');
    expect(await bits(await load(path, tree))).toEqual(await bits(tree));
    expect(readdirSync(join(folder, "deep"))).toEqual(["tree.safetensors"]);
  });

  it("refuses another shape and a missing tensor by name", async () => {
    const path = join(folder, "tree.safetensors");
    await save(path, { w: tensor([1, 2]) });
    await expect(load(path, { w: tensor([1, 2, 3]) })).rejects.toThrow("load: w is F32[2] in the file and F32[3] in the model; load it into the model it was saved from");
    await expect(load(path, { v: tensor([1, 2]) })).rejects.toThrow("load: the file has no tensor v");
  });

  it("evaluates as before when loaded", async () => {
    const run = await fit(smallModel(), small({ epochs: 1 }));
    const path = join(folder, "model.safetensors");
    await save(path, run.model);
    const scores = await evaluateModel(await load(path, smallModel(8)), small().data.validation!, small());
    expect(scores).toEqual(run.history[0]!.validation);
    expect(existsSync(`${path}.${process.pid}.tmp`)).toBe(false);
  });
});
