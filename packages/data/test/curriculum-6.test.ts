/**
 * Section 6 of the curriculum, data: the two known answers, and every item of its list by its public name with the
 * options that the list names. Details of each item are tested in the file of its source.
 */
import { valueAndGrad } from "@dormouse/autograd";
import { cpu } from "@dormouse/backend-cpu";
import {
  gunzip,
  gzip,
  readIdx,
  readImage,
  readNpy,
  readNpz,
  readSafetensors,
  writeIdx,
  writeNpy,
  writeNpz,
  writePng,
  writeSafetensors,
} from "@dormouse/formats";
import { crossEntropy } from "@dormouse/losses";
import { Linear } from "@dormouse/nn";
import { type State, adam } from "@dormouse/optim";
import { type Tensor, cast, compile, div, key, relu, reshape, setDevice, split } from "@dormouse/tensor";
import { parquetWriteBuffer } from "hyparquet-writer";
import { beforeAll, describe, expect, test } from "vitest";
import {
  type Dataset,
  type Gate,
  blobs,
  bootstrap,
  circles,
  dataset,
  digits,
  examples,
  fitFeatures,
  gate,
  imageAugmentation,
  inWorkers,
  kFold,
  kMeans,
  linearSamples,
  loader,
  maskPatches,
  maskRandom,
  mixup,
  moons,
  nearestNeighbors,
  polynomialSamples,
  pseudoLabels,
  readCsv,
  readJsonLines,
  readParquet,
  samples,
  sineSamples,
  spirals,
  splitIndices,
  stream,
  streamCsv,
  streamJsonLines,
  weightedSample,
} from "../src/index.ts";
import { valuesOf } from "./values.ts";

beforeAll(async () => {
  setDevice(await cpu());
});

const range = (length: number): number[] => Array.from({ length }, (_, i) => i);
const sorted = (values: Iterable<number>): number[] => [...values].sort((a, b) => a - b);
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

describe("6.1 epoch arithmetic", () => {
  const cases = [1, 2, 7, 32, 33, 97, 100].flatMap((n) => [1, 2, 3, 10, 32, 100, 128].map((r) => [n, r] as const));
  test.each(cases)("6.1 n = %i in batches of r = %i: ⌈n/r⌉ updates, every example exactly once", async (n, r) => {
    const data = dataset({ x: range(n) });
    const batches = loader(data, { batch: r, shuffle: 3 });
    expect(batches.length).toBe(Math.ceil(n / r));
    for (const epoch of [0, 1]) {
      const seen: number[] = [];
      let updates = 0;
      for await (const { x } of batches.epoch(epoch)) {
        updates++;
        seen.push(...valuesOf(x));
      }
      expect(updates).toBe(Math.ceil(n / r));
      expect(sorted(seen)).toEqual(range(n));
    }
    // Drop-last leaves only full batches: ⌊n/r⌋ of them.
    const full = [...loader(data, { batch: r, dropLast: true })];
    expect(full.length).toBe(Math.floor(n / r));
    expect(full.every(({ x }) => x.shape[0] === r)).toBe(true);
    // A stream counts in the same way.
    const stacks = await stream(range(n)).map((x) => ({ x })).shuffle({ buffer: 16, seed: 1 }).batch(r).toArray();
    expect(stacks.length).toBe(Math.ceil(n / r));
    expect(sorted(stacks.flatMap(({ x }) => valuesOf(x)))).toEqual(range(n));
  });
});

describe("6.2 bootstrap", () => {
  test("6.2 bootstrap: ≈ 36.8 % of examples left out", () => {
    const n = 10_000;
    const shares = range(20).map((seed) => bootstrap(n, { seed }).outOfBag.length / n);
    expect(Math.abs(mean(shares) - 0.368)).toBeLessThan(0.001);
    for (const share of shares) expect(Math.abs(share - 0.368)).toBeLessThan(0.015);
  });
  test("6.2 bootstrap: exactly (1 − 1/n)ⁿ of few examples on average", () => {
    for (const n of [2, 3, 5]) {
      const share = mean(range(4000).map((seed) => bootstrap(n, { seed }).outOfBag.length / n));
      expect(Math.abs(share - (1 - 1 / n) ** n)).toBeLessThan(0.015);
    }
  });
});

describe("6.list datasets and epochs", () => {
  test("6.list indexable sources: the order of an epoch is a function of (seed, epoch), and any batch of it can be drawn", () => {
    const batches = loader(dataset({ x: range(50) }), { batch: 8, shuffle: 11 });
    const order = (epoch: number, start = 0): number[][] =>
      [...batches.epoch(epoch, start)].map(({ x }) => valuesOf(x));
    expect(order(0)).not.toEqual(order(1));
    expect(order(1, 3)).toEqual(order(1).slice(3));
    expect(sorted(order(5).flat())).toEqual(range(50));
  });
  test("6.list async-iterable sources: shuffled, mapped, batched, made ahead; resumed by skipping", async () => {
    const batches = stream(async function* () {
      for (const x of range(50)) yield await Promise.resolve({ x });
    })
      .shuffle({ buffer: 20, seed: 2 })
      .map(({ x }) => ({ x, square: x * x }))
      .batch(8)
      .prefetch(2);
    const order = async (epoch: number, start = 0): Promise<number[][]> => {
      const all: number[][] = [];
      for await (const { square } of batches.epoch(epoch, start)) all.push(valuesOf(square));
      return all;
    };
    const first = await order(0);
    expect(await order(0)).toEqual(first);
    expect(await order(1)).not.toEqual(first);
    expect(await order(0, 4)).toEqual(first.slice(4));
    expect(sorted(first.flat())).toEqual(range(50).map((x) => x * x));
  });
  test("6.list prefetch and workers: the same batches, in the same order", async () => {
    const square = inWorkers<number, number>(new URL("./fixtures/worker.mjs", import.meta.url), "square", { workers: 2 });
    const source = examples(13, async (position) => ({ x: await square(position) }));
    const order: number[] = [];
    for await (const { x } of loader(source, { batch: 4, prefetch: 2 })) order.push(...valuesOf(x));
    expect(order).toEqual(range(13).map((x) => x * x));
    expect(await stream(range(13)).map(square).toArray()).toEqual(order);
    await square.close();
  });
});

describe("6.list splits and samples", () => {
  const labels = range(90).map((i) => (i % 9 === 0 ? "rare" : "usual"));
  test("6.list stratified, group and time splits", () => {
    const { train, test: rest } = splitIndices(90, { fractions: { test: 0.3 }, stratify: labels, seed: 1 });
    expect([train, rest].map((rows) => [...rows].filter((row) => labels[row] === "rare").length)).toEqual([7, 3]);
    const groups = range(90).map((i) => i % 10);
    const parts = splitIndices(90, { fractions: { validation: 0.2, test: 0.2 }, groups });
    const groupsOf = (rows: Uint32Array): Set<number> => new Set([...rows].map((row) => groups[row]!));
    for (const group of groupsOf(parts.test)) expect(groupsOf(parts.train).has(group)).toBe(false);
    expect(sorted([...parts.train, ...parts.validation, ...parts.test])).toEqual(range(90));
    const time = range(90).map((i) => (i * 37) % 90);
    const byTime = splitIndices(90, { time });
    const times = (rows: Uint32Array): number[] => [...rows].map((row) => time[row]!);
    expect(Math.max(...times(byTime.train))).toBeLessThan(Math.min(...times(byTime.test)));
  });
  test("6.list k-fold: every row in exactly one test part; stratified; by group", () => {
    const groups = range(90).map((i) => i % 8);
    for (const options of [{ folds: 5 }, { folds: 3, stratify: labels }, { folds: 4, groups }]) {
      const folds = kFold(90, { ...options, seed: 2 });
      expect(sorted(folds.flatMap(({ test: rows }) => [...rows]))).toEqual(range(90));
      for (const { train, test: rows } of folds) expect(sorted([...train, ...rows])).toEqual(range(90));
    }
    for (const { test: rows } of kFold(90, { folds: 5, stratify: labels })) {
      expect([...rows].filter((row) => labels[row] === "rare").length).toBe(2);
    }
  });
  test("6.list weighted sampling, with and without replacement", () => {
    const drawn = weightedSample([1, 3], { count: 4000, seed: 1 });
    expect(Math.abs(drawn.filter((row) => row === 1).length / 4000 - 0.75)).toBeLessThan(0.035);
    expect(sorted(weightedSample([1, 3, 0.1, 0], { count: 3, replace: false }))).toEqual([0, 1, 2]);
  });
});

describe("6.list readers", () => {
  const csv = "size,color,price\n1,red,10\nNA,blue,20\n4,red,45\n100,green,60\n";
  test("6.list CSV: types, missing values, categories; standardize, min-max, robust and one-hot from the training rows", () => {
    const table = readCsv(csv, { types: { color: "category" } });
    const train = table.subset([0, 1, 2]);
    const column = (scale: "standardize" | "minMax" | "robust" | "none", name: string): number[] => {
      const { data, shape, names } = fitFeatures(train, { target: "price", scale }).transform(table);
      return range(4).map((row) => data[row * shape[1] + names.indexOf(name)]!);
    };
    // Training values 1 and 4, the gap filled with their median 2.5: mean 2.5, deviation √1.5.
    column("standardize", "size").forEach((value, row) =>
      expect(value).toBeCloseTo(([1, 2.5, 4, 100][row]! - 2.5) / Math.sqrt(1.5), 5),
    );
    column("minMax", "size").forEach((value, row) => expect(value).toBeCloseTo(([1, 2.5, 4, 100][row]! - 1) / 3, 5));
    // Quartiles of 1 and 4 are 1.75 and 3.25.
    column("robust", "size").forEach((value, row) => expect(value).toBeCloseTo(([1, 2.5, 4, 100][row]! - 2.5) / 1.5, 5));
    expect(column("none", "size")).toEqual([1, 2.5, 4, 100]);
    expect(column("none", "size is missing")).toEqual([0, 1, 0, 0]);
    expect(column("none", "color=red")).toEqual([1, 0, 1, 0]);
    // Green was not seen in training: it has no column of its own.
    expect(column("none", "color is unknown")).toEqual([0, 0, 0, 1]);
    // A constant column and a number that is too large stay finite.
    const odd = fitFeatures(readCsv("a,b\n1,5\n2,5\n3,5\n", { types: { b: "number" } }), { scale: "robust" });
    expect([...odd.transform(readCsv("a,b\n2,5\n")).data]).toEqual([0, 0]);
    expect(() => odd.transform(readCsv("a,b\n1e999,5\n2,5\n"))).toThrow(/column a has "1e999" at row 0/);
  });
  test("6.list IDX in gzip, npy, npz and safetensors become datasets", async () => {
    const x = { data: Float32Array.of(1, 2, 3, 4, 5, 6), shape: [3, 2] };
    const y = { data: Uint8Array.of(7, 8, 9), shape: [3] };
    const idx = dataset({ x: readIdx(await gunzip(await gzip(writeIdx(x)))), y: readIdx(writeIdx(y)) });
    const sets: Dataset<object>[] = [
      idx,
      dataset({ x: readNpy(writeNpy(x)), y: readNpy(writeNpy(y)) }),
      dataset(await readNpz(await writeNpz({ x, y }))),
      dataset(readSafetensors(writeSafetensors({ x, y })).tensors),
    ];
    for (const data of sets) {
      const batch = data.batch([2, 0]) as { readonly x: Tensor; readonly y: Tensor };
      expect([valuesOf(batch.x), valuesOf(batch.y)]).toEqual([[5, 6, 1, 2], [9, 7]]);
    }
  });
  test("6.list JSONL, Parquet and images", async () => {
    expect(readJsonLines('{"a":1}\n{"a":2}\n').column("a").cells).toEqual(["1", "2"]);
    expect(await streamJsonLines('{"a":[1]}\n').toArray()).toEqual([{ a: [1] }]);
    expect((await streamCsv(csv).toArray())[1]).toEqual({ size: null, color: "blue", price: "20" });
    const parquet = parquetWriteBuffer({ columnData: [{ name: "a", data: [1.5, 2.5], type: "DOUBLE" }] });
    expect([...(await readParquet(parquet)).numbers("a")]).toEqual([1.5, 2.5]);
    const png = await writePng({ data: Uint8Array.of(1, 2, 3, 4), shape: [2, 2, 1] });
    expect([...(await readImage(png)).data]).toEqual([1, 2, 3, 4]);
  });
});

describe("6.list generators", () => {
  type Made = Dataset<{ readonly x: Tensor; readonly y: Tensor }>;
  const makers: Record<string, (options: { count: number; seed: number }) => Made> = {
    moons,
    circles: (options) => circles({ ...options, factor: 0.3 }),
    spirals: (options) => spirals({ ...options, classes: 3, turns: 2 }),
    blobs: (options) => blobs({ ...options, classes: 4, axes: 3 }),
    gate: (options) => gate("xor", { ...options, noise: 0.1 }),
    linearSamples: (options) => linearSamples({ ...options, weights: [1, -2], bias: 0.5, noise: 0.2 }),
    sineSamples: (options) => sineSamples({ ...options, frequency: 2, range: [0, 1] }),
    polynomialSamples: (options) => polynomialSamples({ ...options, coefficients: [1, 2, 3] }),
    samples: (options) => samples((a, b) => a * b, { ...options, axes: 2 }),
    digits: (options) => digits({ ...options, size: 12 }),
  };
  test.each(Object.entries(makers))("6.list %s: the seed alone decides", (_, make) => {
    const fields = (seed: number) => [make({ count: 60, seed }).field("x"), make({ count: 60, seed }).field("y")];
    expect(fields(1)).toEqual(fields(1));
    expect(fields(1)[0]).not.toEqual(fields(2)[0]);
    expect(make({ count: 60, seed: 1 }).length).toBe(60);
  });
  test.each<[Gate, number[]]>([
    ["and", [0, 0, 0, 1]],
    ["or", [0, 1, 1, 1]],
    ["xor", [0, 1, 1, 0]],
    ["nand", [1, 1, 1, 0]],
    ["nor", [1, 0, 0, 0]],
    ["xnor", [1, 0, 0, 1]],
  ])("6.list gate %s", (name, outputs) => {
    expect([...gate(name).field("y").data]).toEqual(outputs);
  });
  test("6.list without noise the samples are the function: linear, sine, polynomial", () => {
    const at = (data: Made, f: (x: number) => number): void => {
      const [x, y] = [data.field("x").data, data.field("y").data];
      x.forEach((value, i) => expect(y[i]).toBeCloseTo(f(value), 5));
    };
    at(linearSamples({ noise: 0, weights: [3], bias: -1 }), (x) => 3 * x - 1);
    at(sineSamples({ noise: 0, frequency: 0.5 }), (x) => Math.sin(Math.PI * x));
    at(polynomialSamples({ noise: 0, coefficients: [1, 0, -2, 4] }), (x) => 1 - 2 * x ** 2 + 4 * x ** 3);
  });
});

describe("6.list augmentation, masks and labels", () => {
  test("6.list shift, rotate, flip, noise, cutout: a function of seed, epoch and row", () => {
    for (const change of [{ shift: 2 }, { rotate: 0.4 }, { flip: true }, { noise: 20 }, { cutout: 8 }]) {
      const data = digits({ count: 8, seed: 1 }).augment("x", imageAugmentation({ ...change, seed: 4 }));
      const draw = (epoch: number): number[] => valuesOf(data.batch(range(8), epoch).x);
      expect(draw(1)).toEqual(draw(1));
      expect(draw(1)).not.toEqual(draw(2));
    }
  });
  test("6.list mixup: a convex mixture of inputs and of one-hot labels", async () => {
    const { x, y } = mixup(moons({ count: 20 }).batch(range(20)), { classes: 2, seed: 1 });
    expect([x.shape, y.shape]).toEqual([[20, 2], [20, 2]]);
    const shares = [...(await y.data())];
    for (const row of range(20)) expect(shares[2 * row]! + shares[2 * row + 1]!).toBeCloseTo(1, 6);
  });
  test("6.list masking for self-supervised reconstruction: 75 % of patches, 15 % of values", async () => {
    const { x } = digits({ count: 2 }).batch([0, 1]);
    const hidden = async ({ mask }: { readonly mask: Tensor }): Promise<number> => mean([...(await mask.data())]);
    expect(await hidden(maskPatches(x, { patch: 7, rate: 0.75 }))).toBe(0.75);
    expect(await hidden(maskRandom(x, { rate: 0.15 }))).toBeCloseTo(0.15, 2);
  });
  test("6.list pseudo-labels: only what the model is sure of", async () => {
    const { indices, labels, weights } = await pseudoLabels([[0.9, 0.1], [0.5, 0.5], [0.05, 0.95]], { threshold: 0.9 });
    expect([[...indices], [...labels]]).toEqual([[0, 2], [0, 1]]);
    expect(weights[1]).toBeCloseTo(0.95, 6);
  });
});

describe("6.list k-means and retrieval over the embeddings of a trained model", () => {
  class Classifier {
    readonly hidden;
    readonly output;
    constructor() {
      const [first, second] = split(key(1));
      this.hidden = new Linear(256, 32, { key: first });
      this.output = new Linear(32, 10, { key: second });
    }
    embed(x: Tensor): Tensor {
      return relu(this.hidden.forward(x as Tensor<[number, 256]>));
    }
    forward(x: Tensor): Tensor {
      return this.output.forward(this.embed(x) as Tensor<[number, 32]>);
    }
  }

  test("6.list neighbors in the embedding share their class more often than in pixels, and clusters are purer", async () => {
    const all = digits({ count: 1200, seed: 5, size: 16 }).map(({ x, y }) => ({
      x: reshape(div(cast(x, "float32"), 255), [-1, 256]),
      y,
    }));
    const [train, rest] = [all.slice(0, 900), all.slice(900)];
    let model = new Classifier();
    const optimizer = adam({ learningRate: 0.005 });
    let state = optimizer.init(model);
    const step = compile((model: Classifier, state: State, x: Tensor, y: Tensor) => {
      const [, gradient] = valueAndGrad((m: Classifier) => crossEntropy(m.forward(x), y))(model);
      return optimizer.update(gradient, state, model);
    });
    for (let epoch = 0; epoch < 20; epoch++) {
      const batches = loader(train, { batch: 100, shuffle: 2 }).epoch(epoch);
      for (const { x, y } of batches) [model, state] = step(model, state, x, y);
    }
    const [known, unknown] = [train.batch(range(900)), rest.batch(range(300))];
    const labels = (data: typeof all): number[] => [...data.field("y").data];
    const agreement = async (query: Tensor, items: Tensor): Promise<number> => {
      const { indices } = await nearestNeighbors(query, items, { k: 5, metric: "cosine" });
      const [asked, found] = [labels(rest), labels(train)];
      return mean([...indices].map((item, i) => Number(found[item] === asked[Math.floor(i / 5)])));
    };
    const purity = async (x: Tensor): Promise<number> => {
      const { labels: clusters } = await kMeans(x, { clusters: 10, seed: 1, starts: 3 });
      const own = labels(train);
      const largest = range(10).map((cluster) => {
        const members = own.filter((_, i) => clusters[i] === cluster);
        return Math.max(...range(10).map((digit) => members.filter((label) => label === digit).length));
      });
      return largest.reduce((sum, count) => sum + count, 0) / own.length;
    };
    const embedded = await agreement(model.embed(unknown.x), model.embed(known.x));
    expect(embedded).toBeGreaterThan((await agreement(unknown.x, known.x)) + 0.05);
    expect(await purity(model.embed(known.x))).toBeGreaterThan((await purity(known.x)) + 0.1);
  });
});
