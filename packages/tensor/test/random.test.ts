/** Random numbers: the generator against published vectors, the device against the host, samplers against theory. */
import { beforeAll, describe, expect, it } from "vitest";
import {
  type Key,
  type Tensor,
  bernoulli,
  bits,
  categorical,
  exponential,
  foldIn,
  gumbel,
  hostBits,
  hostFoldIn,
  hostPermutation,
  hostSplit,
  key,
  normal,
  permutation,
  randint,
  seedWords,
  split,
  tensor,
  threefry,
  truncatedNormal,
  uniform,
} from "../src/index.ts";
import { useReference, valuesOf } from "./reference-device.ts";

beforeAll(useReference);
const n = 20_000;
const moments = (values: readonly number[]): { mean: number; variance: number } => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length };
};

describe("threefry", () => {
  it.each([
    [[0, 0], [0, 0], [0x6b200159, 0x99ba4efe]],
    [[0xffffffff, 0xffffffff], [0xffffffff, 0xffffffff], [0x1cb996fc, 0xbb002be7]],
    [[0x13198a2e, 0x03707344], [0x243f6a88, 0x85a308d3], [0xc4923a9c, 0x483df7a0]],
  ] as const)("gives the published words for key %j and counter %j", (words, counter, expected) => {
    expect(threefry(words, counter)).toEqual(expected);
  });
});

describe("keys", () => {
  it("come from 64-bit seeds", () => {
    expect([...seedWords(1)]).toEqual([1, 0]);
    expect([...seedWords(2n ** 32n + 5n)]).toEqual([5, 1]);
    expect([...seedWords(-1)]).toEqual([0xffffffff, 0xffffffff]);
    expect(() => key(0.5)).toThrow("key: seed 0.5 is not a safe integer");
  });

  it("give the same words on the device and on the host", async () => {
    const words = seedWords(7n << 30n);
    const k = key(7n << 30n);
    expect(await valuesOf(bits(k, [5, 3]))).toEqual([...hostBits(words, 15)]);
    const [, second, third] = split(k, 3);
    expect(await valuesOf(third)).toEqual([...hostSplit(words, 3)[2]!]);
    expect(await valuesOf(bits(second, [4]))).toEqual([...hostBits(hostSplit(words, 3)[1]!, 4)]);
    for (const step of [0, 1, 2 ** 31]) {
      expect(await valuesOf(foldIn(k, step))).toEqual([...hostFoldIn(words, step)]);
    }
    expect(await valuesOf(foldIn(k, tensor(9, { dtype: "int32" })))).toEqual([...hostFoldIn(words, 9)]);
  });

  it.each([1, 7, 64, 2049])("permute %i alike on the device and on the host", async (length) => {
    const order = hostPermutation(seedWords(3), length);
    expect(await valuesOf(permutation(key(3), length))).toEqual([...order]);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length }, (_, i) => i));
  });

  it("do not collide where seeds and counts are neighbors", () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 20; seed++) {
      for (let step = 0; step < 20; step++) seen.add(hostFoldIn(seedWords(seed), step).join());
      for (const child of hostSplit(seedWords(seed), 20)) seen.add(child.join());
    }
    expect(seen.size).toBe(800);
  });

  it("are refused where they are no keys", () => {
    expect(() => uniform(tensor([1, 2]) as unknown as Key, [2])).toThrow("uniform: the key is float32");
    expect(() => normal(key(0), [-1])).toThrow("normal: shape [-1] cannot be");
  });
});

describe("samplers", () => {
  const sampled = async (x: Tensor): Promise<number[]> => valuesOf(x);
  // Each limit is about five standard errors at n = 20 000.
  it.each(["float32", "float64"] as const)("have the moments of theory in %s", async (dtype) => {
    const u = moments(await sampled(uniform(key(1), [n], { dtype })));
    expect(Math.abs(u.mean - 0.5)).toBeLessThan(0.0103);
    expect(Math.abs(u.variance - 1 / 12)).toBeLessThan(0.0027);
    const z = moments(await sampled(normal(key(2), [n], { dtype, mean: 3, std: 2 })));
    expect(Math.abs(z.mean - 3)).toBeLessThan(0.071);
    expect(Math.abs(z.variance - 4)).toBeLessThan(0.2);
    const e = moments(await sampled(exponential(key(3), [n], { dtype })));
    expect(Math.abs(e.mean - 1)).toBeLessThan(0.036);
    expect(Math.abs(e.variance - 1)).toBeLessThan(0.11);
    const g = moments(await sampled(gumbel(key(4), [n], { dtype })));
    expect(Math.abs(g.mean - 0.5772156649)).toBeLessThan(0.046);
    expect(Math.abs(g.variance - Math.PI ** 2 / 6)).toBeLessThan(0.14);
    const t = await sampled(truncatedNormal(key(5), [n], { dtype }));
    expect(Math.abs(moments(t).variance - 0.7737413035)).toBeLessThan(0.029);
    expect(Math.max(...t.map(Math.abs))).toBeLessThanOrEqual(2);
  });

  it("are uniform in [low, high) and never high", async () => {
    const values = await sampled(uniform(key(6), [n], { low: 1, high: Math.fround(1 + 2 ** -22) }));
    expect(new Set(values)).toEqual(new Set([1, 1 + 2 ** -23]));
  });

  it("follow the normal distribution into its tails", async () => {
    const values = (await sampled(normal(key(8), [n]))).sort((a, b) => a - b);
    // Kolmogorov–Smirnov distance from Φ; 1.95 is its 0.1 % quantile.
    const distance = Math.max(...values.map((z, i) => Math.abs(phi(z) - (i + 0.5) / n)));
    expect(distance).toBeLessThan(1.95 / Math.sqrt(n));
    expect(Math.max(-values[0]!, values.at(-1)!)).toBeGreaterThan(3.5);
  });

  it("draw classes and truths with their probabilities", async () => {
    const p = [0.5, 0.25, 0.125, 0.125];
    const classes = await sampled(categorical(key(9), tensor(p.map(Math.log)), { shape: [n] }));
    const chi = p.reduce((sum, share, c) => sum + (classes.filter((k) => k === c).length - n * share) ** 2 / (n * share), 0);
    expect(chi).toBeLessThan(30.66);
    const truths = await sampled(bernoulli(key(10), 0.1, [n]));
    expect(Math.abs(moments(truths).mean - 0.1)).toBeLessThan(0.0107);
    expect(await sampled(bernoulli(key(10), tensor([0, 1]), [3, 2]))).toEqual([0, 1, 0, 1, 0, 1]);
  });

  it("draw integers of every value equally", async () => {
    const values = await sampled(randint(key(11), [n], -3, 4));
    const counts = [-3, -2, -1, 0, 1, 2, 3].map((value) => values.filter((each) => each === value).length);
    expect(counts.reduce((a, b) => a + b)).toBe(n);
    expect(counts.reduce((sum, count) => sum + (count - n / 7) ** 2 / (n / 7), 0)).toBeLessThan(35);
    const wide = await sampled(randint(key(12), [1000], -(2 ** 31), 0));
    expect(Math.min(...wide)).toBeLessThan(-(2 ** 31) * 0.99);
    expect(Math.max(...wide)).toBeLessThan(0);
    expect(() => randint(key(0), [1], 2, 2)).toThrow("randint: [2, 2) is not a range of int32");
  });

  it("permute the rows of a tensor", async () => {
    const rows = await valuesOf(permutation(key(13), tensor([[1, 2], [3, 4], [5, 6]])));
    expect(rows.filter((_, i) => i % 2 === 0).sort()).toEqual([1, 3, 5]);
    rows.forEach((value, i) => i % 2 === 1 && expect(value).toBe(rows[i - 1]! + 1));
  });
});

/** Φ by its Taylor series, exact to 1e-12 for |z| < 6. */
function phi(z: number): number {
  let term = z;
  let sum = z;
  for (let k = 1; Math.abs(term) > 1e-17 && k < 400; k++) sum += (term = (term * z * z) / (2 * k + 1));
  return 0.5 + sum * Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
}
