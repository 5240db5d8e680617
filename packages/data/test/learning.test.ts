/** What learning without labels, or with few or bad ones, takes from data: masks, mixtures, pseudo-labels, errors. */
import { cpu } from "@dormouse/backend-cpu";
import { type Tensor, cast, setDevice, tensor } from "@dormouse/tensor";
import { beforeAll, describe, expect, test } from "vitest";
import {
  Random,
  corruptLabels,
  cutmix,
  dataset,
  digits,
  maskPatches,
  maskRandom,
  mixup,
  pseudoLabels,
  weightedSample,
} from "../src/index.ts";
import { valuesOf } from "./values.ts";

beforeAll(async () => {
  setDevice(await cpu());
});

const range = (length: number): number[] => Array.from({ length }, (_, i) => i);
const numbers = async (x: Tensor): Promise<number[]> => [...(await x.data())];
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

describe("gamma and beta", () => {
  test.each([0.2, 0.5, 1, 3.5])("moments of shape %f", (shape) => {
    const random = new Random(4, Math.round(shape * 10));
    const n = 40_000;
    const draws = range(n).map(() => random.gamma(shape));
    const center = mean(draws);
    // Mean and variance of Gamma(shape, 1) are both the shape; the fourth central moment is 3 shape² + 6 shape.
    expect(Math.abs(center - shape)).toBeLessThan(5 * Math.sqrt(shape / n));
    const variance = mean(draws.map((value) => (value - shape) ** 2));
    expect(Math.abs(variance - shape)).toBeLessThan(5 * Math.sqrt((2 * shape ** 2 + 6 * shape) / n));
  });
  test.each([
    [0.2, 0.2],
    [1, 1],
    [2, 5],
    [1e-4, 1e-4],
  ])("beta(%f, %f)", (a, b) => {
    const random = new Random(5);
    const n = 40_000;
    const draws = range(n).map(() => random.beta(a, b));
    expect(draws.every((value) => value >= 0 && value <= 1)).toBe(true);
    const variance = (a * b) / ((a + b) ** 2 * (a + b + 1));
    expect(Math.abs(mean(draws) - a / (a + b))).toBeLessThan(5 * Math.sqrt(variance / n));
  });
});

describe("masks", () => {
  const x = dataset({ x: { data: Float32Array.from({ length: 6 * 20 }, (_, i) => 1 + i), shape: [6, 4, 5] } });
  test.each([0, 0.15, 0.5, 0.975, 1])("a share of %f of the values of each example is hidden", async (rate) => {
    const { x: shown, target, mask } = maskRandom(x.batch(range(6)).x, { rate, fill: -1, seed: 3 });
    const [hidden, values, before] = [await numbers(mask), await numbers(shown), await numbers(target)];
    expect(mask.dtype).toBe("bool");
    for (const i of range(6)) {
      expect(hidden.slice(20 * i, 20 * i + 20).reduce((sum, bit) => sum + bit, 0)).toBe(Math.round(rate * 20));
    }
    values.forEach((value, i) => expect(value).toBe(hidden[i] === 1 ? -1 : before[i]));
    expect(before).toEqual(range(120).map((i) => i + 1));
  });
  test("every place is equally likely", () => {
    const counts = new Array<number>(20).fill(0);
    for (let epoch = 0; epoch < 500; epoch++) {
      const { mask } = maskRandom(x.batch([0]).x, { rate: 0.25 }, { epoch, rows: Uint32Array.of(0) });
      valuesOf(mask).forEach((bit, place) => (counts[place]! += bit));
    }
    // Each is binomial(500, 1/4): standard deviation 9.7.
    for (const count of counts) expect(Math.abs(count - 125)).toBeLessThan(45);
  });
  test("a mask depends on seed, epoch and row, not on the batch", () => {
    const of = (rows: number[], epoch: number, seed: number): string[] => {
      const context = { epoch, rows: Uint32Array.from(rows) };
      const mask = valuesOf(maskRandom(x.batch(rows).x, { rate: 0.5, seed }, context).mask);
      return rows.map((_, i) => mask.slice(20 * i, 20 * i + 20).join(""));
    };
    expect(of([4, 2, 5], 1, 0)[1]).toBe(of([2], 1, 0)[0]);
    expect(of([2], 2, 0)).not.toEqual(of([2], 1, 0));
    expect(of([2], 1, 1)).not.toEqual(of([2], 1, 0));
  });
  test("whole positions of a sequence", () => {
    const { mask } = maskRandom(x.batch(range(6)).x, { rate: 0.5, axes: 1 });
    const hidden = valuesOf(mask);
    for (const position of range(24)) {
      expect(new Set(hidden.slice(5 * position, 5 * position + 5)).size).toBe(1);
    }
    expect(hidden.reduce((sum, bit) => sum + bit, 0)).toBe(6 * 2 * 5);
  });
  test.each([
    [[3, 8, 8], 4, 0.75, 3 * 48],
    [[2, 3, 6, 6], 3, 0.5, 2 * 3 * 18],
    [[1, 28, 28], 7, 0.75, 12 * 49],
  ])("patches of %j", (shape, patch, rate, hidden) => {
    const [height, width] = shape.slice(-2) as [number, number];
    const data = new Float32Array(shape.reduce((product, length) => product * length, 1));
    const { x: batch } = dataset({ x: { data, shape } }).batch(range(shape[0]!));
    const mask = valuesOf(maskPatches(batch, { patch, rate, seed: 1 }).mask);
    expect(mask.reduce((sum, bit) => sum + bit, 0)).toBe(hidden);
    const channels = shape.length === 4 ? shape[1]! : 1;
    mask.forEach((bit, i) => {
      const [y, column] = [Math.floor(i / width) % height, i % width];
      const corner = i - (y % patch) * width - (column % patch);
      expect(bit).toBe(mask[corner]);
      const plane = Math.floor(i / (height * width));
      if (plane % channels > 0) expect(bit).toBe(mask[i - height * width]);
    });
  });
  test("patches that stick out are cut off; all hidden is all hidden", () => {
    const { x: batch } = dataset({ x: { data: new Float32Array(35), shape: [1, 5, 7] } }).batch([0]);
    expect(new Set(valuesOf(maskPatches(batch, { patch: 3, rate: 1 }).mask))).toEqual(new Set([1]));
    expect(valuesOf(maskPatches(batch, { patch: 9, rate: 0.4 }).mask).includes(1)).toBe(false);
  });
  test("errors", () => {
    const { x: batch } = x.batch([0]);
    expect(() => maskRandom(batch, { rate: 1.5 })).toThrow(/maskRandom: rate 1.5; use a share from 0 to 1/);
    expect(() => maskRandom(batch, { rate: 0.5, axes: 3 })).toThrow(/3 axes after the first of shape \[1, 4, 5\]/);
    expect(() => maskPatches(batch, { rate: 0.5, patch: 0 })).toThrow(/patch 0/);
    expect(() => maskPatches(tensor([[1, 2]]), { rate: 0.5, patch: 1 })).toThrow(/\[1, 2\] is none of images/);
    expect(() => maskRandom(batch, { rate: 0.5 }, { epoch: 0, rows: Uint32Array.of(1, 2) })).toThrow(/rows of 2/);
  });
});

describe("mixup and cutmix", () => {
  const n = 40;
  const points = dataset({ x: range(n).map((i) => [i, i * i]), y: Int32Array.from({ length: n }, (_, i) => i % 3) });
  test("inputs and labels are mixed in the same proportion, labels stay probabilities", async () => {
    const { x, y } = mixup(points.batch(range(n)), { classes: 3, alpha: 1, seed: 2 });
    const [xs, ys] = [await numbers(x), await numbers(y)];
    let mixed = 0;
    for (const i of range(n)) {
      const label = ys.slice(3 * i, 3 * i + 3);
      expect(label.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
      // x = λ i + (1 − λ) j for the partner j whose square fits as well.
      const fits = range(n).some((j) => {
        const share = j === i ? 1 : (xs[2 * i]! - j) / (i - j);
        const other = share * i * i + (1 - share) * j * j;
        const expected = [0, 0, 0];
        expected[i % 3]! += share;
        expected[j % 3]! += 1 - share;
        const near = label.every((value, c) => Math.abs(value - expected[c]!) < 1e-3);
        return share > -1e-3 && share < 1.001 && Math.abs(other - xs[2 * i + 1]!) < 0.05 && near;
      });
      expect(fits, `example ${i}`).toBe(true);
      if (Math.abs(xs[2 * i]! - i) > 1e-6) mixed++;
    }
    expect(mixed).toBeGreaterThan(n / 2);
  });
  test("a function of seed, epoch and rows; float labels stay what they are", async () => {
    const draw = async (seed: number, epoch: number): Promise<number[]> =>
      numbers(mixup(points.batch(range(5)), { classes: 3, seed }, { epoch, rows: Uint32Array.from(range(5)) }).x);
    expect(await draw(1, 0)).toEqual(await draw(1, 0));
    expect(await draw(1, 0)).not.toEqual(await draw(1, 1));
    expect(await draw(2, 0)).not.toEqual(await draw(1, 0));
    const values = mixup({ x: tensor([[1], [3]]), y: tensor([[10], [30]]) }, { alpha: 1 });
    const [xs, ys] = [await numbers(values.x), await numbers(values.y)];
    xs.forEach((value, i) => expect(ys[i]).toBeCloseTo(10 * value, 4));
  });
  test("a rectangle of another image, and labels by the area that it covers", async () => {
    const [height, width] = [6, 7];
    const size = 2 * height * width;
    const images = dataset({
      x: {
        data: Float32Array.from({ length: 8 * size }, (_, i) => Math.floor(i / size)),
        shape: [8, 2, height, width],
      },
      y: Int32Array.from({ length: 8 }, (_, i) => i),
    });
    const { x, y } = cutmix(images.batch(range(8)), { classes: 8, seed: 5 });
    const [pixels, labels] = [await numbers(x), await numbers(y)];
    let covered = 0;
    for (const i of range(8)) {
      const image = pixels.slice(i * size, (i + 1) * size);
      expect(image.slice(0, size / 2)).toEqual(image.slice(size / 2));
      range(8).forEach((label) => {
        const share = image.filter((value) => value === label).length / size;
        expect(labels[8 * i + label]).toBeCloseTo(share, 5);
      });
      const places = range(height * width).filter((place) => image[place] !== i);
      if (places.length === 0) continue;
      covered++;
      expect(new Set(places.map((place) => image[place])).size).toBe(1);
      const rows = places.map((place) => Math.floor(place / width));
      const columns = places.map((place) => place % width);
      const area = (Math.max(...rows) - Math.min(...rows) + 1) * (Math.max(...columns) - Math.min(...columns) + 1);
      expect(places.length).toBe(area);
    }
    expect(covered).toBeGreaterThan(2);
  });
  test("in a dataset, with gray images", () => {
    const train = digits({ count: 9 })
      .map(({ x, y }) => ({ x: cast(x, "float32"), y }))
      .map((batch, context) => cutmix(mixup(batch, { classes: 10 }, context), {}, context));
    expect([train.batch([1, 2, 3]).x.shape, train.batch([1, 2, 3]).y.shape]).toEqual([[3, 28, 28], [3, 10]]);
  });
  test("errors", () => {
    const batch = points.batch([0, 1]);
    expect(() => mixup(batch)).toThrow(/labels are int32 of shape \[2\]; for class numbers \[n\] give \{ classes \}/);
    expect(() => mixup(batch, { classes: 3, alpha: 0 })).toThrow(/alpha 0; use a number above 0/);
    expect(() => mixup({ ...batch, x: cast(batch.x, "int32") }, { classes: 3 })).toThrow(/int32 values cannot be mixed/);
    expect(() => cutmix(batch, { classes: 3 })).toThrow(/cutmix: the shape \[2, 2\] is none of images/);
    expect(() => mixup({ x: batch.x, y: tensor([1]) })).toThrow(/2 inputs, 1 labels and 2 rows/);
  });
});

describe("pseudoLabels", () => {
  const probabilities = [[0.97, 0.03, 0], [0.4, 0.35, 0.25], [0.01, 0.04, 0.95], [0, 0.94, 0.06]];
  test("rows at or above the threshold, with class and confidence", async () => {
    for (const given of [probabilities, tensor(probabilities, { dtype: "float64" })]) {
      const { indices, labels, weights } = await pseudoLabels(given, { threshold: 0.94 });
      expect([[...indices], [...labels]]).toEqual([[0, 2, 3], [0, 2, 1]]);
      [0.97, 0.95, 0.94].forEach((value, i) => expect(weights[i]).toBeCloseTo(value, 6));
    }
    expect([...(await pseudoLabels(probabilities, { threshold: 0, weights: "equal" })).weights]).toEqual([1, 1, 1, 1]);
    expect((await pseudoLabels(probabilities, { threshold: 1 })).indices.length).toBe(0);
  });
  test("errors", async () => {
    await expect(pseudoLabels([[2, -1]])).rejects.toThrow(/row 0 holds no probabilities .*; pass softmax\(logits\)/);
    await expect(pseudoLabels([[0.5, 0.5], [3, 1]])).rejects.toThrow(/row 1 holds no probabilities \(sum 4\)/);
    await expect(pseudoLabels([[1]], { threshold: 95 })).rejects.toThrow(/threshold 95; use 0 to 1/);
  });
});

describe("corruptLabels", () => {
  const n = 6000;
  const labels = dataset({ y: Int32Array.from({ length: n }, (_, i) => i % 3) });
  test("a share of the labels is another class, each equally often, the same in every epoch", () => {
    const noisy = labels.augment("y", corruptLabels({ rate: 0.3, classes: 3, seed: 1 }));
    const values = valuesOf(noisy.batch(range(n)).y);
    const steps = [0, 0, 0];
    values.forEach((value, i) => steps[(value - (i % 3) + 3) % 3]!++);
    // Binomial(6000, 0.15): standard deviation 28.
    for (const step of steps.slice(1)) expect(Math.abs(step - 900)).toBeLessThan(140);
    expect(valuesOf(noisy.batch([17, 4], 5).y)).toEqual([values[17], values[4]]);
    expect(valuesOf(labels.augment("y", corruptLabels({ rate: 0, classes: 3 })).batch([2]).y)).toEqual([2]);
  });
  test("by a matrix of transitions", () => {
    const noisy = labels.augment("y", corruptLabels({ transition: [[1, 0, 0], [0.5, 0.5, 0], [0, 0, 1]], seed: 2 }));
    const values = valuesOf(noisy.batch(range(n)).y);
    expect(values.every((value, i) => (i % 3 === 1 ? value < 2 : value === i % 3))).toBe(true);
    expect(Math.abs(values.filter((value) => value === 1).length - 1000)).toBeLessThan(120);
  });
  test("errors", () => {
    expect(() => corruptLabels({ rate: 2, classes: 3 })).toThrow(/corruptLabels: rate 2/);
    expect(() => corruptLabels({ rate: 0.1, classes: 1 })).toThrow(/classes 1 is not a whole number from 2/);
    expect(() => corruptLabels({ transition: [[0.5, 0.4], [0, 1]] })).toThrow(/probabilities of class 0 are 0.5, 0.4/);
    const noisy = labels.augment("y", corruptLabels({ rate: 0.1, classes: 2 }));
    expect(() => noisy.batch([2])).toThrow(/label 2 at row 2 is not below the 2 classes/);
    expect(() => dataset({ y: [0.5] }).augment("y", corruptLabels({ rate: 0, classes: 2 })).batch([0])).toThrow(/float32/);
  });
});

describe("weightedSample without replacement", () => {
  test("every row once; the first two of three follow the probabilities of successive draws", () => {
    const weights = [1, 2, 3];
    const counts = new Map<string, number>();
    const draws = 6000;
    for (let seed = 0; seed < draws; seed++) {
      const key = weightedSample(weights, { count: 2, replace: false, seed }).join("");
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    for (const first of range(3)) {
      for (const second of range(3)) {
        if (first === second) continue;
        const probability = (weights[first]! / 6) * (weights[second]! / (6 - weights[first]!));
        const deviation = Math.sqrt(draws * probability * (1 - probability));
        expect(Math.abs((counts.get(`${first}${second}`) ?? 0) - draws * probability)).toBeLessThan(5 * deviation);
      }
    }
    expect([...weightedSample([1, 1, 5, 2], { replace: false, seed: 3 })].toSorted()).toEqual([0, 1, 2, 3]);
    expect(() => weightedSample([0, 1, 2], { count: 3, replace: false })).toThrow(
      /weightedSample: 3 different rows of 2 with a weight above 0; draw at most 2/,
    );
  });
});
