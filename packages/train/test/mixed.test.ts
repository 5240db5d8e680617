/** Runs in mixed precision: as good as float32, with a loss scale that falls, rises, is saved and gives up. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpu } from "@dormouse/backend-cpu";
import { reference } from "@dormouse/backend-cpu/reference";
import { dataset, digits } from "@dormouse/data";
import { crossEntropy, mse } from "@dormouse/losses";
import { accuracy } from "@dormouse/metrics";
import { BatchNorm, Conv2d, Flatten, Linear, MaxPool2d, Sequential } from "@dormouse/nn";
import { type State, adam, cosineDecay, lossScaleOf, sgd, skippedStepsOf, weightEma } from "@dormouse/optim";
import { type Tensor, cast, div, foldIn, full, key, mul, relu, reshape, setDevice, tensor, treeLeaves } from "@dormouse/tensor";
import { type Backend, Device } from "@dormouse/tensor/graph";
import { type Callback, DivergedError, type FitOptions, checkpoint, findLearningRate, fit, reduceRate } from "@dormouse/train";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type SmallModel, small, smallModel } from "./support.ts";

const devices: Record<string, Device> = {};
let folder: string;
beforeAll(async () => Object.assign(devices, { reference: await reference(), cpu: await cpu({ threads: 1 }) }));
afterAll(() => Promise.all(Object.values(devices).map((device) => device[Symbol.asyncDispose]())));
beforeEach(() => {
  setDevice(devices["cpu"]!);
  folder = mkdtempSync(join(tmpdir(), "dormouse-mixed-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const bits = async (tree: unknown): Promise<string[]> =>
  Promise.all(treeLeaves(tree).map(async (leaf) => Buffer.from((await leaf.data()).slice().buffer).toString("hex")));

const mixed = (changes: Partial<FitOptions<SmallModel>> = {}) => small({ precision: "mixed", ...changes });

describe.each(["reference", "cpu"])("on %s", (name) => {
  beforeEach(() => void setDevice(devices[name]!));

  it("learns what float32 learns, and keeps weights and moments in float32", async () => {
    const dtypes = new Set<string>();
    const watch = (m: SmallModel, x: Tensor, context: object) => {
      dtypes.add(`${m.layers[0].weight.dtype} ${x.dtype} ${"key" in context ? "training" : "validation"}`);
      return m.forward(x, context);
    };
    const wide = await fit(smallModel(), small({ epochs: 12 }));
    const run = await fit(smallModel(), mixed({ epochs: 12, forward: watch }));
    expect([...dtypes].toSorted()).toEqual(["float16 float16 training", "float32 float32 validation"]);
    expect(new Set(treeLeaves({ model: run.model, state: run.state }).map(({ dtype }) => dtype))).toEqual(new Set(["float32", "int32"]));
    const [last, wideLast] = [run.history.at(-1)!, wide.history.at(-1)!];
    expect(last.validation!["accuracy"]).toBeGreaterThan(0.85);
    expect(Math.abs(last.validation!["loss"]! - wideLast.validation!["loss"]!)).toBeLessThan(0.02);
    expect(last.train["loss"]).not.toBe(wideLast.train["loss"]);
    // The scale begins where gradients of this problem fit; no step of 84 reaches the interval after which it grows.
    expect(run.history.map(({ lossScale, skippedSteps }) => [lossScale, skippedSteps])).toEqual(run.history.map(() => [65536, 0]));
    expect(wide.history.every((report) => !("lossScale" in report))).toBe(true);
  });

  it("leaves steps out whose gradient overflows, lowers the scale, and raises it again", async () => {
    const run = await fit(smallModel(), mixed({ lossScale: { initial: 2 ** 24, growthInterval: 10 } }));
    const [first, ...rest] = run.history;
    expect(first!.skippedSteps).toBeGreaterThan(2);
    const skipped = run.history.reduce((sum, report) => sum + report.skippedSteps!, 0);
    const state = run.state as State;
    expect(await skippedStepsOf(state).item()).toBe(skipped);
    expect(await state.step.item()).toBe(4 * 7 - skipped);
    expect(await lossScaleOf(state).item()).toBe(run.history.at(-1)!.lossScale);
    // It grew at least once, as ten steps in a row were fine.
    expect(run.history.at(-1)!.lossScale!).toBeGreaterThan(2 ** (24 - skipped));
    expect(rest.at(-1)!.train["loss"]).toBeLessThan(first!.train["loss"]!);
    // Null where every step of an epoch was left out.
    run.history.forEach(({ gradientNorm, skippedSteps }) => expect(Number.isFinite(gradientNorm)).toBe(skippedSteps !== 7));
  });

  it("moves weights by gradients below 6e-8 only with a scale", async () => {
    const x = Float32Array.from({ length: 64 }, (_, i) => (i % 8) / 8);
    const data = { train: dataset({ x: { data: x, shape: [64, 1] }, y: { data: x, shape: [64, 1] } }) };
    const tiny = async (lossScale: FitOptions<Linear>["lossScale"]) => {
      const loss: FitOptions<Linear>["loss"] = (outputs, targets) => mul(mse(outputs, targets), 2 ** -28);
      const model = Object.assign(new Linear(1, 1, { key: key(0) }), { weight: tensor([[0]]), bias: tensor([0]) });
      const run = await fit(model, { data, loss, optimizer: sgd({ learningRate: 2 ** 26 }), epochs: 4, batch: 64, precision: "mixed", lossScale: lossScale! });
      return run.model.weight.item();
    };
    expect(await tiny({ initial: 1, greatest: 1 })).toBe(0);
    expect(await tiny({})).toBeGreaterThan(0.1);
  });
});

/** Two convolutions with batch statistics for 28 × 28 pixels. */
const cnn = () => {
  const part = (n: number) => ({ key: foldIn(key(2), n) });
  return new Sequential(
    new Conv2d(1, 4, 3, { padding: 1, ...part(0) }), new BatchNorm(4), relu, new MaxPool2d(4),
    new Conv2d(4, 8, 3, { padding: 1, ...part(1) }), new BatchNorm(8), relu, new MaxPool2d(2),
    new Flatten(), new Linear(72, 10, part(2)),
  );
};

it("trains a convolutional network with batch normalization as float32 does", async () => {
  const examples = digits({ count: 600, seed: 0 }).map(({ x, y }) => ({ x: reshape(div(cast(x, "float32"), 255), [-1, 1, 28, 28]), y }));
  const options: FitOptions<ReturnType<typeof cnn>> = {
    data: { train: examples.slice(0, 400), validation: examples.slice(400) }, loss: crossEntropy, metrics: { accuracy },
    optimizer: adam({ learningRate: cosineDecay(0.02, 128) }), epochs: 8, batch: 25,
  };
  const wide = await fit(cnn(), options);
  const run = await fit(cnn(), { ...options, precision: "mixed" });
  const [one, other] = [wide, run].map(({ history }) => history.at(-1)!);
  expect(one!.validation!["accuracy"]).toBeGreaterThan(0.85);
  expect(other!.validation!["accuracy"]).toBeGreaterThan(one!.validation!["accuracy"]! - 0.05);
  expect(other!.train["loss"]).toBeLessThan(one!.train["loss"]! + 0.05);
  const norm = run.model.layers[1];
  expect([norm.runningVariance.dtype, run.model.layers[0].weight.dtype]).toEqual(["float32", "float32"]);
  for (const each of await norm.runningVariance.data()) expect(each > 0 && each < 10).toBe(true);
});

describe("a run that was stopped", () => {
  const scale = { initial: 2 ** 22, growthInterval: 5 };
  const averaging = weightEma({ decay: 0.9 });

  it("goes on bit for bit, with its scale and the count of its steps", async () => {
    const whole = await fit(smallModel(), mixed({ epochs: 4, lossScale: scale, averaging }));
    await fit(smallModel(), mixed({ epochs: 2, lossScale: scale, averaging, callbacks: [checkpoint(folder)] }));
    const rest = await fit(smallModel(9), mixed({ epochs: 4, lossScale: scale, averaging, callbacks: [checkpoint(folder, { resume: true })] }));
    expect(await bits([rest.model, rest.state])).toEqual(await bits([whole.model, whole.state]));
    expect(rest.history.map(({ lossScale, skippedSteps }) => [lossScale, skippedSteps])).toEqual(
      whole.history.map(({ lossScale, skippedSteps }) => [lossScale, skippedSteps]),
    );
  });

  it("goes on bit for bit within an epoch", async () => {
    const whole = await fit(smallModel(), mixed({ epochs: 2, lossScale: scale }));
    const stop = new AbortController();
    stop.abort();
    const first = await fit(smallModel(), mixed({ epochs: 2, lossScale: scale, signal: stop.signal, callbacks: [checkpoint(folder)] }));
    expect(first).toMatchObject({ reason: "aborted", step: 1 });
    const rest = await fit(smallModel(9), mixed({ epochs: 2, lossScale: scale, callbacks: [checkpoint(folder, { resume: true })] }));
    expect(await bits([rest.model, rest.state])).toEqual(await bits([whole.model, whole.state]));
    expect(rest.history[0]!.skippedSteps).toBe(whole.history[0]!.skippedSteps);
  });

  it("is no run of float32", async () => {
    await fit(smallModel(), small({ epochs: 1, callbacks: [checkpoint(folder)] }));
    const run = fit(smallModel(), mixed({ epochs: 2, callbacks: [checkpoint(folder, { resume: true })] }));
    await expect(run).rejects.toThrow("load: the file has no tensor state.links.0.scale; load it into the model it was saved from");
  });
});

it("holds as much memory after eight epochs as after two, whatever is left out", async () => {
  const device = devices["cpu"]!;
  const held: number[] = [];
  const watch: Callback<SmallModel> = { epoch: () => void held.push(device.statistics.buffers) };
  const run = await fit(smallModel(), mixed({ epochs: 8, lossScale: { initial: 2 ** 24, growthInterval: 10 }, callbacks: [watch] }));
  expect(run.history.slice(2).some(({ skippedSteps }) => skippedSteps! > 0)).toBe(true);
  expect(held[7]).toBe(held[1]);
});

it("finds a learning rate, without touching the model", async () => {
  const model = smallModel();
  const before = await bits(model);
  const { loss, data } = small();
  const find = (precision: "mixed" | "float32") => findLearningRate(model, { data: data.train, loss, batch: 16, steps: 30, to: 0.1, precision });
  const [curve, wide] = [await find("mixed"), await find("float32")];
  expect(curve.rates).toEqual(wide.rates);
  expect(curve.losses).not.toEqual(wide.losses);
  curve.losses.forEach((each, i) => expect(Math.abs(each - wide.losses[i]!)).toBeLessThan(0.02));
  expect(await bits(model)).toEqual(before);
});

it("lowers a rate inside the scale", async () => {
  const worse: Callback<SmallModel> = { epoch: (report) => void ((report as { validation: unknown }).validation = { loss: 1 + report.epoch }) };
  const run = await fit(smallModel(), mixed({ epochs: 3, callbacks: [worse, reduceRate<SmallModel>({ factor: 0.5, patience: 0 })] }));
  expect(run.history.map(({ learningRate }) => learningRate)).toEqual([0.02, 0.02, 0.01].map(Math.fround));
});

describe("what cannot be trained", () => {
  const failureOf = async (run: Promise<unknown>): Promise<DivergedError> => {
    const error = await run.then(() => null, (reason: unknown) => reason);
    expect(error).toBeInstanceOf(DivergedError);
    return error as DivergedError;
  };
  /** Four rows of 64 equal inputs; targets 0. */
  const rows = (value: number) =>
    dataset({ x: { data: new Float32Array(256).fill(value), shape: [4, 64] }, y: { data: new Float32Array(256), shape: [4, 64] } });
  /** 64 inputs and outputs, all weights equal. */
  const layer = (weight: number) => Linear.of(full([64, 64], weight), full([64], 0));
  const options = { optimizer: sgd({ learningRate: 0 }), precision: "mixed" } as const;

  it("names an output beyond 65504, which float32 would bear", async () => {
    const model = () => new Sequential(layer(3), relu, layer(1e-3));
    const more = { ...options, loss: mse, data: { train: rows(500) }, epochs: 1 };
    expect(await failureOf(fit(model(), more))).toMatchObject({ tensor: "the output of layers.0 in float16", step: 0, epoch: 0 });
    expect((await fit(model(), { ...more, precision: "float32" })).reason).toBe("finished");
  });

  it("names the gradient that overflows though the scale is at its least", async () => {
    // Outputs are 64 · 500 = 32000, and the slopes of the loss there 2 · 100 / 64 of that: 10⁵.
    const loss: FitOptions<Linear>["loss"] = (outputs, targets) => mul(mse(outputs, targets), 100);
    const error = await failureOf(fit(layer(1), { ...options, loss, data: { train: rows(500) }, batch: 1, epochs: 9 }));
    expect(error.tensor).toBe("the gradient of weight in float16");
    // From 2¹⁶ to 1 in sixteen steps, four an epoch; the next one finds no room.
    expect([error.epoch, error.step]).toEqual([4, 0]);
  });

  it("refuses a device without float16, and a precision that there is not", async () => {
    const { backend } = devices["reference"]!;
    const dtypes = new Set([...backend.capabilities.dtypes].filter((dtype) => dtype !== "float16"));
    const without: Backend = Object.create(backend, { capabilities: { value: { ...backend.capabilities, name: "old", dtypes } } });
    setDevice(new Device(without));
    await expect(fit(smallModel(), mixed())).rejects.toThrow(
      'fit: old has no float16, which the precision "mixed" needs; leave { precision: "mixed" } out, or use a device that has it',
    );
    const wrong = { ...small(), precision: "float16" } as unknown as FitOptions<SmallModel>;
    await expect(fit(smallModel(), wrong)).rejects.toThrow('fit: precision is "float16"; use "float32" or "mixed"');
  });
});
