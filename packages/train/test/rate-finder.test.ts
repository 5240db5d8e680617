/** The learning-rate range test on a quadratic whose curve is known, and on a small network with everything in it. */
import { cpu } from "@dormouse/backend-cpu";
import { dataset } from "@dormouse/data";
import { crossEntropy, mse } from "@dormouse/losses";
import { BatchNorm, Dropout, Linear, Sequential } from "@dormouse/nn";
import { adam, byPath, cosineDecay, frozen, sgd } from "@dormouse/optim";
import { foldIn, key, matmul, relu, setDevice, tensor } from "@dormouse/tensor";
import type { Device } from "@dormouse/tensor/graph";
import { type RateFinderOptions, findLearningRate, fit } from "@dormouse/train";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { small, smallModel } from "./support.ts";

let device: Device;
beforeAll(async () => setDevice((device = await cpu({ threads: 1 }))));
afterAll(() => device[Symbol.asyncDispose]());

const data = small().data.train;

describe("on a line", () => {
  // y = 2x from w = 0 with x² = 1: the loss is (w - 2)², the step w ← w + 2·rate·(2 - w).
  const line = dataset({ x: { data: Float32Array.of(1, -1, 1, -1), shape: [4, 1] }, y: { data: Float32Array.of(2, -2, 2, -2), shape: [4, 1] } });
  const options: RateFinderOptions<{ weight: ReturnType<typeof weight> }> = {
    data: line, loss: mse, from: 1e-3, to: 10, steps: 41, smoothing: 0,
    forward: ({ weight }, input) => matmul(input, weight),
  };
  const weight = () => tensor([[0]]);

  it("5.list range finder: sees the losses of gradient descent at growing rates, until they diverge", async () => {
    const { rates, losses, smoothed, suggestion, lowest, diverged } = await findLearningRate({ weight: weight() }, options);
    let error = 2;
    const wanted = Array.from({ length: 41 }, (_, i) => {
      const loss = error ** 2;
      error *= 1 - 2 * 1e-3 * 1e4 ** (i / 40);
      return loss;
    });
    expect(rates[0]).toBe(1e-3);
    expect(rates[10]).toBeCloseTo(1e-2, 12);
    losses.forEach((loss, i) => expect(Math.abs(loss - wanted[i]!)).toBeLessThan(1e-4 * (wanted[i]! + 1e-2)));
    expect(smoothed).toEqual(losses);
    expect(diverged).toBe(true);
    expect(rates.length).toBeLessThan(41);
    // Steepest by central differences, from the closed form.
    const slopes = wanted.slice(0, rates.length).map((_, i) => (i === 0 ? 0 : wanted[i + 1]! - wanted[i - 1]!));
    expect(suggestion).toBe(rates[slopes.indexOf(Math.min(...slopes))]);
    expect(suggestion!).toBeLessThan(lowest);
    // Up to the rate 1 every step shrinks the error |1 - 2·rate| ≤ 1.
    expect(lowest).toBeCloseTo(1, 12);
  });

  it("corrects the moving average for its start", async () => {
    const plain = await findLearningRate({ weight: weight() }, { ...options, to: 1e-2 });
    const { smoothed, diverged } = await findLearningRate({ weight: weight() }, { ...options, to: 1e-2, smoothing: 0.5 });
    expect(diverged).toBe(false);
    expect(smoothed[0]).toBe(plain.losses[0]);
    expect(smoothed[1]).toBeCloseTo((plain.losses[0]! + 2 * plain.losses[1]!) / 3, 5);
  });

  it("suggests nothing where the loss never falls", async () => {
    const uphill = await findLearningRate({ weight: weight() }, { ...options, optimizer: sgd({ maximize: true }) });
    expect(uphill.suggestion).toBeNull();
    expect(uphill.lowest).toBe(1e-3);
  });

  it("ends at a loss that is not finite, which is no point of the curve", async () => {
    const found = await findLearningRate({ weight: weight() }, { ...options, from: 1, to: 1e30, steps: 9, divergence: 1e300 });
    expect(found.diverged).toBe(true);
    expect(found.rates.length).toBeLessThan(9);
    expect(found.losses.every(Number.isFinite)).toBe(true);
  });
});

describe("on a network", () => {
  const model = () =>
    new Sequential(new Linear(2, 7, { key: foldIn(key(3), 0) }), new BatchNorm(7), relu, new Dropout(0.1), new Linear(7, 3, { key: foldIn(key(3), 1) }));

  it("leaves the model as it is, is the same twice, and holds no memory", async () => {
    const start = model();
    const before = await Promise.all([start.layers[0].weight.array(), start.layers[1].runningMean!.array()]);
    const options = { data, loss: crossEntropy, optimizer: adam(), batch: 16, steps: 40, to: 1 };
    const first = await findLearningRate(start, options as never);
    expect(await findLearningRate(start, options as never)).toEqual(first);
    // By now the model itself is on the device.
    const held = device.statistics.buffers;
    for (let i = 0; i < 3; i++) await findLearningRate(start, options as never);
    expect(device.statistics.buffers).toBeLessThanOrEqual(held);
    expect(await Promise.all([start.layers[0].weight.array(), start.layers[1].runningMean!.array()])).toEqual(before);
  });

  it("finds a rate that trains", async () => {
    const options = { loss: crossEntropy, batch: 16 };
    const { suggestion } = await findLearningRate(smallModel(), { ...options, data, optimizer: adam(), from: 1e-5, to: 10 });
    expect(suggestion).toBeGreaterThan(1e-3);
    expect(suggestion).toBeLessThan(1);
    const rated = await fit(smallModel(), small({ optimizer: adam({ learningRate: suggestion! }) }));
    const slow = await fit(smallModel(), small({ optimizer: adam({ learningRate: 1e-5 }) }));
    expect(rated.history.at(-1)!.train["loss"]!).toBeLessThan(0.5 * slow.history.at(-1)!.train["loss"]!);
  });

  it("runs all rates through one trace", async () => {
    let forwards = 0;
    await findLearningRate(smallModel(), {
      data, loss: crossEntropy, steps: 20, batch: 16,
      forward: (m, x, context) => (forwards++, m.forward(x, context)),
    });
    expect(forwards).toBe(1);
  });

  it("takes a group's rate where only one has one", async () => {
    const optimizer = byPath({ "layers.0.*": frozen(), "*": sgd() });
    expect((await findLearningRate(smallModel(), { data, loss: crossEntropy, optimizer, steps: 5 })).rates).toHaveLength(5);
  });
});

it.each<[string, Partial<RateFinderOptions<ReturnType<typeof smallModel>>>, RegExp]>([
  ["rates the wrong way round", { from: 1, to: 0.1 }, /findLearningRate: to is 0.1; use a finite number of at least 1/],
  ["one step", { steps: 1 }, /findLearningRate: steps is 1/],
  ["half a step", { steps: 2.5 }, /findLearningRate: steps/],
  ["all of the average", { smoothing: 1 }, /findLearningRate: smoothing is 1/],
  ["a schedule", { optimizer: sgd({ learningRate: cosineDecay(1, 5) }) }, /a schedule decides the rate/],
  ["no examples", { data: { length: 0, batch: data.batch } }, /the dataset is empty/],
  ["a loss that is not finite", { loss: () => tensor(NaN) }, /findLearningRate: the loss is NaN before the first step/],
  ["a loss of every example", { loss: (outputs) => outputs }, /findLearningRate: the loss has shape \[32, 3\]/],
  ["data without targets", { data: dataset({ x: [[1, 2]] }) as never }, /findLearningRate: the dataset has the fields x and no y/],
])("refuses %s", async (_, options, message) => {
  await expect(findLearningRate(smallModel(), { data, loss: crossEntropy, ...options })).rejects.toThrow(message);
});
