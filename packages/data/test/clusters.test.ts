import { cpu } from "@dormouse/backend-cpu";
import { setDevice, tensor } from "@dormouse/tensor";
import { beforeAll, describe, expect, test } from "vitest";
import { Random, blobs, dataset, kMeans, nearestNeighbors } from "../src/index.ts";

beforeAll(async () => {
  setDevice(await cpu());
});

const normal = (seed: number, n: number, d: number, offset = 0): number[][] => {
  const random = new Random(seed);
  return Array.from({ length: n }, () => Array.from({ length: d }, () => Math.fround(offset + random.normal())));
};
const square = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return sum;
};
const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
const rowsOf = (data: ArrayLike<number>, d: number): number[][] =>
  Array.from({ length: data.length / d }, (_, i) => Array.from({ length: d }, (__, j) => data[i * d + j]!));

describe("nearestNeighbors", () => {
  const metrics = {
    euclidean: (a: number[], b: number[]) => Math.sqrt(square(a, b)),
    cosine: (a: number[], b: number[]) => 1 - dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)),
  };
  test.each([
    ["euclidean", 1, 1, 1, 1],
    ["euclidean", 7, 40, 3, 5],
    ["euclidean", 33, 257, 17, 12],
    ["euclidean", 3, 5, 64, 5],
    ["cosine", 7, 40, 3, 5],
    ["cosine", 13, 131, 31, 40],
  ] as const)("%s: %i queries, %i items of %i numbers, k = %i, against all pairs in float64", async (metric, n, m, d, k) => {
    const [queries, items] = [normal(1, n, d), normal(2, m, d)];
    const found = await nearestNeighbors(queries, items, { k, metric });
    expect(found.shape).toEqual([n, k]);
    queries.forEach((query, row) => {
      const all = items
        .map((item, i) => ({ i, distance: metrics[metric](query, item) }))
        .sort((a, b) => a.distance - b.distance)
        .slice(0, k);
      expect([...found.indices.subarray(row * k, (row + 1) * k)]).toEqual(all.map(({ i }) => i));
      all.forEach(({ distance }, i) => expect(found.distances[row * k + i]).toBeCloseTo(distance, 12));
    });
  });
  test("far from the origin, where float32 products alone would lose the order", async () => {
    const items = normal(3, 200, 4, 5000);
    const queries = normal(4, 20, 4, 5000);
    const { indices } = await nearestNeighbors(queries, items, { k: 2 });
    queries.forEach((query, row) => {
      const order = items.map((item, i) => [square(query, item), i] as const).sort((a, b) => a[0] - b[0]);
      expect([...indices.subarray(2 * row, 2 * row + 2)]).toEqual([order[0]![1], order[1]![1]]);
    });
  });
  test("more pairs than one block, tensors and fields", async () => {
    const items = normal(5, 3001, 2);
    const { data } = dataset({ x: items }).field("x");
    const all = await nearestNeighbors(tensor(items), { data, shape: [3001, 2] });
    expect(all.indices).toEqual(Uint32Array.from(items, (_, i) => i));
    expect(Math.max(...all.distances)).toBe(0);
  });
  test("equal distances in order of row, zeros under cosine, float64 beside float32", async () => {
    const same = await nearestNeighbors([[0, 0]], [[1, 0], [0, 1], [-1, 0], [0.5, 0]], { k: 3 });
    expect([...same.indices]).toEqual([3, 0, 1]);
    const zero = await nearestNeighbors([[0, 0], [1, 0]], [[0, 0], [2, 0], [-1, 0]], { k: 3, metric: "cosine" });
    expect([...zero.distances]).toEqual([1, 1, 1, 0, 1, 2]);
    const wide = await nearestNeighbors({ data: Float64Array.of(1), shape: [1, 1] }, [[0], [3]]);
    expect([wide.indices[0], wide.distances[0]]).toEqual([0, 1]);
  });
  test("errors", async () => {
    await expect(nearestNeighbors([[1, 2]], [[1]])).rejects.toThrow(/queries have 2 numbers and items 1; use/);
    await expect(nearestNeighbors([[1]], [[1]], { k: 2 })).rejects.toThrow(/2 neighbors of 1 items; use a k of/);
    await expect(nearestNeighbors([[1]], [[1]], { k: 0 })).rejects.toThrow(/k 0 is not a whole number from 1/);
    await expect(nearestNeighbors([[NaN]], [[1]])).rejects.toThrow(/NaN in field query at row 0/);
    await expect(nearestNeighbors({ data: [], shape: [0, 2] }, [[1, 2]])).rejects.toThrow(/query has no rows/);
  });
});

describe("kMeans", () => {
  test.each([
    [50, 1, 3],
    [211, 2, 5],
    [97, 13, 7],
    [20, 3, 20],
    [9, 4, 1],
  ])("%i points of %i numbers, %i clusters: nearest centers, and means of their points", async (n, d, clusters) => {
    const points = normal(n, n, d, 3);
    const { centers, labels, inertia, converged } = await kMeans(points, { clusters, seed: 1 });
    expect(converged).toBe(true);
    const rows = rowsOf(centers.data, d);
    let sum = 0;
    points.forEach((point, i) => {
      const distances = rows.map((center) => square(point, center));
      // Two centers can be equally near, as far as float32 can tell.
      expect(distances[labels[i]!]! - Math.min(...distances)).toBeLessThan(1e-5);
      sum += distances[labels[i]!]!;
    });
    expect(Math.abs(inertia - sum)).toBeLessThan(1e-9 * Math.max(1, sum));
    rows.forEach((center, cluster) => {
      const own = points.filter((_, i) => labels[i] === cluster);
      expect(own.length).toBeGreaterThan(0);
      center.forEach((value, j) => {
        expect(value).toBeCloseTo(own.reduce((total, point) => total + point[j]!, 0) / own.length, 5);
      });
    });
  });
  test("clouds that stand apart are found, by the seed alone", async () => {
    const truth = [[0, 0], [40, 0], [0, 40], [40, 40], [90, 90]];
    const data = blobs({ count: 500, centers: truth, noise: 1, seed: 3 });
    const found = await kMeans(data.field("x"), { clusters: 5, seed: 2, starts: 4 });
    const order = await nearestNeighbors(truth, { ...found.centers });
    expect(new Set(order.indices).size).toBe(5);
    expect(Math.max(...order.distances)).toBeLessThan(0.5);
    const y = data.field("y").data;
    found.labels.forEach((label, i) => expect(label).toBe(order.indices[y[i]!]));
    expect(await kMeans(data.field("x"), { clusters: 5, seed: 2, starts: 4 })).toEqual(found);
    const assigned = await nearestNeighbors(data.field("x"), { ...found.centers });
    expect([...assigned.indices]).toEqual([...found.labels]);
  });
  test("given centers; more steps never raise the inertia", async () => {
    const points = normal(11, 300, 2);
    const centers = points.slice(0, 6);
    let before = Infinity;
    for (let iterations = 1; iterations < 12; iterations++) {
      const found = await kMeans(points, { clusters: 6, centers, iterations });
      expect(found.inertia).toBeLessThanOrEqual(before + 1e-6);
      expect(found.iterations).toBeLessThanOrEqual(iterations);
      before = found.inertia;
    }
    expect((await kMeans(points, { clusters: 6, centers, iterations: 1 })).converged).toBe(false);
  });
  test("a center without points takes the farthest one", async () => {
    const { labels, centers, inertia } = await kMeans([[0], [1], [10]], { clusters: 2, centers: [[0.4], [1000]] });
    expect([...labels]).toEqual([0, 0, 1]);
    expect([...centers.data]).toEqual([0.5, 10]);
    expect(inertia).toBeCloseTo(0.5, 12);
  });
  test("fewer different points than clusters", async () => {
    const { inertia, converged } = await kMeans([[1, 1], [1, 1], [2, 2], [1, 1]], { clusters: 3, seed: 4 });
    expect(inertia).toBeLessThan(1e-12);
    expect(converged).toBe(true);
  });
  test("k-means++ starts where points are: the far cloud gets a center in each of 20 seeds", async () => {
    const points = [...normal(1, 99, 2).map(([x, y]) => [x!, y!]), [1000, 1000]];
    for (let seed = 0; seed < 20; seed++) {
      const { labels } = await kMeans(points, { clusters: 2, seed, iterations: 1 });
      expect(labels.filter((label) => label === labels[99]).length).toBe(1);
    }
  });
  test("errors", async () => {
    await expect(kMeans([[1]], { clusters: 2 })).rejects.toThrow(/kMeans: 2 clusters of 1 points; use at most 1/);
    await expect(kMeans([[1]], { clusters: 0 })).rejects.toThrow(/clusters 0 is not a whole number from 1/);
    await expect(kMeans([[1]], { clusters: 1, centers: [[1, 2]] })).rejects.toThrow(/centers have the shape \[1, 2\]/);
  });
});
