import { cpu } from "@dormouse/backend-cpu";
import { reference } from "@dormouse/backend-cpu/reference";
import { dataset } from "@dormouse/data";
import { mse } from "@dormouse/losses";
import { BatchNorm, Linear, Sequential } from "@dormouse/nn";
import { sgd } from "@dormouse/optim";
import { ValueError, key, matmul, setDevice, tensor } from "@dormouse/tensor";
import type { Device } from "@dormouse/tensor/graph";
import { type Callback, DivergedError, type StepReport, evaluateModel, fit, predict } from "@dormouse/train";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type SmallModel, scoresOf, small, smallModel } from "./support.ts";

describe.each([
  ["cpu", () => cpu({ threads: 1 })],
  ["reference", () => reference()],
])("fit on %s", (_, open) => {
  let device: Device;
  beforeAll(async () => setDevice((device = await open())));
  afterAll(() => device[Symbol.asyncDispose]());

  it("lowers the loss and reports every epoch", async () => {
    const { history, reason, model } = await fit(smallModel(), small());
    expect(reason).toBe("finished");
    expect(history.map(({ epoch }) => epoch)).toEqual([0, 1, 2, 3]);
    expect(history[3]!.train["loss"]!).toBeLessThan(0.5 * history[0]!.train["loss"]!);
    const scores = await evaluateModel(model, small().data.validation!, small());
    expect(scores["loss"]).toBeCloseTo(history[3]!.validation!["loss"]!, 6);
    expect(scores["accuracy"]).toBe(history[3]!.validation!["accuracy"]);
  });

  it("follows gradient descent by hand", async () => {
    // y = 2x by least squares from w = 0: w ← w + rate · 2 mean(x (2x - w x)), a closed form in float64.
    const x = Float32Array.of(1, -2, 0.5, 3);
    const data = dataset({ x: { data: x, shape: [4, 1] }, y: { data: x.map((value) => 2 * value), shape: [4, 1] } });
    const model = { weight: tensor([[0]]) };
    const run = await fit(model, {
      data: { train: data }, loss: mse, optimizer: sgd({ learningRate: 0.01 }), epochs: 3, batch: 4,
      forward: ({ weight }, input) => matmul(input, weight),
    });
    let w = 0;
    const square = (1 + 4 + 0.25 + 9) / 4;
    for (let epoch = 0; epoch < 3; epoch++) w += 0.01 * 2 * square * (2 - w);
    expect((await run.model.weight.data())[0]).toBeCloseTo(w, 5);
    expect(run.history[0]!.train["loss"]).toBeCloseTo(4 * square, 4);
  });

  it("is the same run twice, and another with another seed", async () => {
    const runs = [await fit(smallModel(), small()), await fit(smallModel(), small()), await fit(smallModel(), small({ seed: 2 }))];
    expect(scoresOf(runs[1]!.history)).toEqual(scoresOf(runs[0]!.history));
    expect(scoresOf(runs[2]!.history)).not.toEqual(scoresOf(runs[0]!.history));
  });

  it("names the step at which the loss is no longer finite", async () => {
    const x = Float32Array.from({ length: 12 }, (_, i) => (i < 8 ? 1 : 1e30));
    const data = dataset({ x: { data: x, shape: [12, 1] }, y: { data: new Float32Array(12), shape: [12, 1] } });
    const options = { data: { train: data }, loss: mse, optimizer: sgd({ learningRate: 0 }), epochs: 2, batch: 12 };
    const failure = await fit(new Linear(1, 1, { key: key(0) }), options).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(DivergedError);
    expect(failure).toMatchObject({ step: 0, epoch: 0 });
    expect((failure as Error).message).toMatch(/^fit: the loss is not finite at step 0 of epoch 0; lower the learning rate/);
  });

  it("keeps running statistics in training and uses them in evaluation", async () => {
    const model = new Sequential(new BatchNorm(2), new Linear(2, 3, { key: key(0) }));
    const before = await model.layers[0].runningMean!.data();
    const run = await fit(model, small({ epochs: 2, batch: 20 }) as never);
    const after = await (run.model as typeof model).layers[0].runningMean!.data();
    expect(Array.from(after)).not.toEqual(Array.from(before));
  });

  it("predicts every row in order, with a last batch that is not full", async () => {
    const model = new Linear(1, 2, { key: key(4) });
    const x = Float32Array.from({ length: 7 }, (_, i) => i);
    const { data, shape } = await predict(model, dataset({ x: { data: x, shape: [7, 1] } }), { batch: 3 });
    const [weight, bias] = [await model.weight.data(), await model.bias!.data()];
    expect(shape).toEqual([7, 2]);
    for (let i = 0; i < 14; i++) expect(data[i]).toBeCloseTo(weight[i % 2]! * Math.floor(i / 2) + bias[i % 2]!, 5);
  });
});

describe("fit", () => {
  let device: Device;
  beforeAll(async () => setDevice((device = await cpu({ threads: 1 }))));
  afterAll(() => device[Symbol.asyncDispose]());

  it.each([
    ["epochs", { epochs: 1.5 }, /^fit: epochs 1.5 is not a whole number from 0/],
    ["batch", { batch: 0 }, /batch/],
  ])("refuses %s out of range", async (_, options, message) => {
    await expect(fit(smallModel(), small(options))).rejects.toThrow(message);
  });

  it("refuses an empty dataset and a model without tensors", async () => {
    const empty = { length: 0, batch: small().data.train.batch };
    await expect(fit(smallModel(), small({ data: { train: empty } }))).rejects.toThrow("the dataset is empty");
    await expect(fit({} as SmallModel, small())).rejects.toThrow(ValueError);
  });

  it("holds as much memory after twelve epochs as after two", async () => {
    const held: number[] = [];
    const watch: Callback<SmallModel> = { epoch: () => void held.push(device.statistics.buffers) };
    await fit(smallModel(), small({ epochs: 12, callbacks: [watch] }));
    expect(held[11]).toBe(held[1]);
  });

  it("takes inputs for targets, as an autoencoder does", async () => {
    const same = dataset({ x: [[1, 2], [3, 4], [5, 6]] }).map(({ x }) => ({ x, y: x }));
    const run = await fit(new Linear(2, 2, { key: key(1) }), { data: { train: same }, loss: mse, optimizer: sgd({ learningRate: 0.01 }), epochs: 2 });
    expect(run.history[1]!.train["loss"]!).toBeLessThan(run.history[0]!.train["loss"]!);
  });

  it("stops after the step that is going on", async () => {
    const stop = new AbortController();
    const source = small().data.train;
    let drawn = 0;
    const counted = { length: source.length, batch: (rows: Uint32Array, epoch: number) => (++drawn === 10 && stop.abort(), source.batch(rows, epoch)) };
    // 97 examples make 7 batches: the tenth is the third of epoch 1.
    const run = await fit(smallModel(), small({ data: { train: counted as never }, signal: stop.signal }));
    expect(run).toMatchObject({ reason: "aborted", step: 3 });
    expect(run.history).toHaveLength(1);
  });

  it("reports within an epoch how far it is and how long it will take", async () => {
    const reports: StepReport[] = [];
    const source = small().data.train;
    const slow = { length: source.length, batch: (rows: Uint32Array, epoch: number) => (wait(60), source.batch(rows, epoch)) };
    await fit(smallModel(), small({ data: { train: slow as never }, epochs: 2, callbacks: [{ step: (report) => void reports.push(report) }] }));
    const [first] = reports;
    expect(first).toMatchObject({ epoch: 0, steps: 7, epochs: 2 });
    const perStep = first!.secondsLeft / (14 - first!.step);
    expect(perStep).toBeGreaterThan(0.055);
    expect(first!.examplesPerSecond).toBeCloseTo(16 / perStep, 6);
  });
});

/** Keeps the thread busy. */
function wait(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}
