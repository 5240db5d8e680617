import { describe, expect, test } from "vitest";
import { Random, bootstrap, dataset, kFold, splitDataset, splitIndices, weightedSample } from "../src/index.ts";

const count = <T>(items: Iterable<T>): Map<T, number> => {
  const counts = new Map<T, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return counts;
};
const sorted = (rows: Iterable<number>): number[] => [...rows].sort((a, b) => a - b);
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe("random", () => {
  test("uniform moments and bits", () => {
    const random = new Random(1);
    const n = 100_000;
    let [sum, squares, fourth, low] = [0, 0, 0, 1];
    const bits = new Array<number>(32).fill(0);
    for (let i = 0; i < n; i++) {
      const value = random.normal();
      sum += value;
      squares += value ** 2;
      fourth += value ** 4;
      low = Math.min(low, random.uniform());
      const word = random.bits();
      for (let bit = 0; bit < 32; bit++) bits[bit]! += (word >>> bit) & 1;
    }
    // Five standard errors of the mean, variance and fourth moment of a normal sample, and of fair coins.
    expect(Math.abs(sum / n)).toBeLessThan(5 / Math.sqrt(n));
    expect(Math.abs(squares / n - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
    expect(Math.abs(fourth / n - 3)).toBeLessThan(5 * Math.sqrt(96 / n));
    for (const ones of bits) expect(Math.abs(ones / n - 0.5)).toBeLessThan(2.5 / Math.sqrt(n));
    expect(low).toBeGreaterThanOrEqual(0);
  });
  test("permutations of three are equally likely", () => {
    const counts = count(range(6000).map((seed) => new Random(seed).permutation(3).join("")));
    expect(counts.size).toBe(6);
    // Chi-squared with 5 degrees of freedom: 20.5 has probability 0.001.
    expect([...counts.values()].reduce((sum, seen) => sum + (seen - 1000) ** 2 / 1000, 0)).toBeLessThan(20.5);
  });
  test("streams differ by name and by order of names, below has its bounds", () => {
    const first = (...names: number[]): number => new Random(...names).bits();
    expect(
      new Set([first(), first(0), first(1), first(0, 0), first(0, 1), first(1, 0), first(2 ** 32), first(-1)]).size,
    ).toBe(8);
    const random = new Random(3);
    expect(new Set(range(1000).map(() => random.below(7)))).toEqual(new Set(range(7)));
    expect(() => new Random(0.5)).toThrow(/seed 0.5 is not a whole number/);
  });
});

describe("splitIndices", () => {
  test.each([
    [5, 1],
    [10, 2],
    [97, 19],
    [150, 30],
    [1000, 200],
  ])("%i rows leave %i for the test", (n, expected) => {
    const { train, test } = splitIndices(n);
    expect(test.length).toBe(expected);
    expect(sorted([...train, ...test])).toEqual(range(n));
    expect([...test]).toEqual(sorted(test));
    expect(splitIndices(n).test).toEqual(test);
    if (n > 10) expect(splitIndices(n, { seed: 1 }).test).not.toEqual(test);
  });
  test("four parts by largest remainder", () => {
    const parts = splitIndices(1003, { fractions: { train: 0.7, validation: 0.1, calibration: 0.1, test: 0.1 } });
    expect(Object.values(parts).map(({ length }) => length)).toEqual([702, 101, 100, 100]);
    expect(sorted(Object.values(parts).flatMap((rows) => [...rows]))).toEqual(range(1003));
  });
  test("stratified: every label within one row of its share", () => {
    const labels = range(503).map((i) => (i % 10 < 6 ? "a" : i % 10 < 9 ? "b" : "c"));
    const parts = splitIndices(503, { fractions: { validation: 0.15, test: 0.25 }, stratify: labels, seed: 4 });
    const whole = count(labels);
    for (const [name, share] of [
      ["train", 0.6],
      ["validation", 0.15],
      ["test", 0.25],
    ] as const) {
      const seen = count([...parts[name]].map((row) => labels[row]));
      for (const [label, total] of whole) expect(Math.abs(seen.get(label)! - share * total)).toBeLessThan(2);
    }
  });
  test("groups stay together", () => {
    const groups = range(300).map((i) => `patient ${(i * 7) % 41}`);
    const { train, test } = splitIndices(300, { fractions: { test: 0.3 }, groups });
    const testGroups = new Set([...test].map((row) => groups[row]));
    for (const row of train) expect(testGroups.has(groups[row]!)).toBe(false);
    expect(Math.abs(test.length - 90)).toBeLessThan(8);
  });
  test("hash: labels stay where they are when others come", () => {
    const labels = range(4000).map((i) => `patient ${i % 1000}`);
    const fractions = { train: 0.7, validation: 0.1, calibration: 0.1, test: 0.1 };
    const parts = splitIndices(4000, { fractions, hash: labels });
    const partOf = new Map(Object.entries(parts).flatMap(([name, rows]) => [...rows].map((row) => [labels[row], name])));
    for (const [name, rows] of Object.entries(parts)) for (const row of rows) expect(partOf.get(labels[row])).toBe(name);
    // 1000 patients: four standard deviations of a binomial count.
    for (const [name, share] of Object.entries(fractions)) {
      const count = [...partOf.values()].filter((part) => part === name).length;
      expect(Math.abs(count - 1000 * share)).toBeLessThan(4 * Math.sqrt(1000 * share * (1 - share)));
    }
    const some = labels.filter((_, row) => row % 3 > 0).reverse();
    for (const [name, rows] of Object.entries(splitIndices(some.length, { fractions, hash: some }))) {
      for (const row of rows) expect(partOf.get(some[row])).toBe(name);
    }
    expect(splitIndices(4000, { fractions, hash: labels, seed: 1 }).test).not.toEqual(parts.test);
  });
  test("time: everything in the test is later", () => {
    const time = range(20).map((i) => (i * 7) % 20);
    const { train, test } = splitIndices(20, { fractions: { test: 0.25 }, time });
    expect(Math.max(...[...train].map((row) => time[row]!))).toBeLessThan(
      Math.min(...[...test].map((row) => time[row]!)),
    );
    expect(test.length).toBe(5);
  });
  test.each([
    [0, {}, /data is empty/],
    [2, {}, /part test \(0.2\) of 2 examples is empty/],
    [10, { fractions: { test: 1 } }, /leave nothing for train/],
    [10, { fractions: { test: -0.1 } }, /each is above 0/],
    [10, { fractions: { train: 0.5, test: 0.4 } }, /add up to 0.9/],
    [10, { stratify: [1] }, /stratify has 1 entries for 10 examples/],
    [10, { stratify: new Array(10).fill(1), groups: new Array(10).fill(1) }, /does not go with groups/],
    [10, { hash: new Array(10).fill(1), groups: new Array(10).fill(1) }, /hash does not go with stratify or groups/],
    [10, { hash: [1] }, /hash has 1 entries for 10 examples/],
    [10, { hash: new Array(10).fill(1) }, /is empty; use more groups or a larger fraction/],
  ])("%i rows with %o is an error", (n, options, message) => {
    expect(() => splitIndices(n, options)).toThrow(message);
  });
  test("datasets are split by the name of a field", () => {
    const data = dataset({ x: range(30), y: Int32Array.from(range(30), (i) => i % 3) });
    const { train, test } = splitDataset(data, { fractions: { test: 0.5 }, stratify: "y" });
    expect(count(test.field("y").data)).toEqual(
      new Map([
        [0, 5],
        [1, 5],
        [2, 5],
      ]),
    );
    expect(sorted([...train.field("x").data, ...test.field("x").data])).toEqual(range(30));
  });
});

describe("kFold", () => {
  test.each([
    [5, 5],
    [10, 3],
    [101, 7],
  ])("%i rows in %i folds: each row tests once", (n, folds) => {
    const turns = kFold(n, { folds, seed: 2 });
    expect(turns.length).toBe(folds);
    expect(sorted(turns.flatMap(({ test }) => [...test]))).toEqual(range(n));
    for (const { train, test } of turns) {
      expect(sorted([...train, ...test])).toEqual(range(n));
      expect([Math.floor(n / folds), Math.ceil(n / folds)]).toContain(test.length);
    }
  });
  test("stratified: every fold has its share of each label", () => {
    const labels = range(60).map((i) => (i % 6 === 0 ? "rare" : "usual"));
    for (const { test } of kFold(60, { folds: 5, stratify: labels })) {
      expect(count([...test].map((row) => labels[row]))).toEqual(new Map([["rare", 2], ["usual", 10]]));
    }
  });
  test("errors", () => {
    expect(() => kFold(3, { folds: 4 })).toThrow(/4 folds of 3 examples; use 2 to 3/);
    expect(() => kFold(6, { folds: 3, groups: [1, 1, 1, 2, 2, 2] })).toThrow(/too few groups/);
  });
});

describe("with replacement", () => {
  test("a bootstrap sample leaves out a share of 1/e", () => {
    const n = 2000;
    const shares = range(50).map((seed) => bootstrap(n, { seed }).outOfBag.length / n);
    const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
    // The share has standard deviation sqrt((1/e - 2/e²) / n) (Weiss 1958: occupancy), 5 standard errors of 50 samples.
    expect(Math.abs(mean - Math.exp(-1))).toBeLessThan(5 * Math.sqrt((Math.exp(-1) - 2 * Math.exp(-2)) / n / 50));
    const { sample, outOfBag } = bootstrap(37, { seed: 1 });
    expect(sample.length).toBe(37);
    expect(sorted(new Set([...sample, ...outOfBag]))).toEqual(range(37));
    for (const row of outOfBag) expect(sample.includes(row)).toBe(false);
  });
  test("weights are probabilities", () => {
    const drawn = count(weightedSample([1, 0, 3, 4], { count: 8000, seed: 5 }));
    expect(drawn.has(1)).toBe(false);
    expect(Math.abs(drawn.get(0)! - 1000)).toBeLessThan(150);
    expect(Math.abs(drawn.get(2)! - 3000)).toBeLessThan(220);
    expect(() => weightedSample([0, 0])).toThrow(/all weights are 0/);
    expect(() => weightedSample([1, NaN])).toThrow(/weight NaN at row 1/);
  });
});
