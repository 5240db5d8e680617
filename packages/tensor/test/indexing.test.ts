/** Parts of tensors, order, scans: against values written out or computed by plain loops. */
import { beforeAll, describe, expect, it } from "vitest";
import * as t from "../src/index.ts";
import type { Range, Tensor } from "../src/index.ts";
import { expectValues, useReference, valuesOf } from "./reference-device.ts";

beforeAll(useReference);
const grid = (rows: number, columns: number): Tensor =>
  t.reshape(t.arange(rows * columns, { dtype: "float32" }), [rows, columns]);
const ints = (data: readonly number[] | readonly (readonly number[])[]): Tensor => t.tensor(data, { dtype: "int32" });

describe("slice", () => {
  const x = () => grid(4, 5);
  it.each<[Range[], number[], number[]]>([
    [[[1, 3], [null, null, 2]], [2, 3], [5, 7, 9, 10, 12, 14]],
    [[-1], [5], [15, 16, 17, 18, 19]],
    [["...", -1], [4], [4, 9, 14, 19]],
    [[2, 3], [], [13]],
    [[null, [null, null, -2]], [4, 3], [4, 2, 0, 9, 7, 5, 14, 12, 10, 19, 17, 15]],
    [[[3, 0, -2]], [2, 5], [15, 16, 17, 18, 19, 5, 6, 7, 8, 9]],
    [[[2, 2]], [0, 5], []],
    [[[-2, 100], 0], [2], [10, 15]],
    [[[-100, 1], [3]], [1, 2], [3, 4]],
    [[[1, null, -1], 0], [2], [5, 0]],
  ])("takes %j", async (ranges, shape, values) => {
    const y = t.slice(x(), ranges);
    expect(y.shape).toEqual(shape);
    expect(await valuesOf(y)).toEqual(values);
  });

  it("says what is wrong", () => {
    expect(() => t.slice(x(), [4])).toThrow("slice: index 4 is out of range for axis 0 of shape [4, 5]; use -4..3");
    expect(() => t.slice(x(), [0, 0, 0])).toThrow("slice: 3 ranges for shape [4, 5]");
    expect(() => t.slice(x(), [[0, 1, 0]])).toThrow("slice: step 0 of axis 0");
    expect(() => t.select(x(), 0, { axis: 2 })).toThrow("select: axis 2 is out of range for shape [4, 5]; use -2..1");
  });
});

describe("index ops", () => {
  it("take rows, columns and whole shapes of indices, negative ones from the end", async () => {
    const y = t.take(grid(3, 2), ints([[2, 0], [-1, 1]]));
    expect(y.shape).toEqual([2, 2, 2]);
    expect(await valuesOf(y)).toEqual([4, 5, 0, 1, 4, 5, 2, 3]);
    expect(await valuesOf(t.take(grid(2, 3), [2, 2, -3], { axis: 1 }))).toEqual([2, 2, 0, 5, 5, 3]);
    expect(await valuesOf(t.take(grid(2, 3), 1))).toEqual([3, 4, 5]);
    expect(t.take(grid(3, 2), ints([]), { axis: 0 }).shape).toEqual([0, 2]);
  });

  it("refuse indices known to be out of range, with their place", () => {
    expect(() => t.take(grid(3, 2), ints([[0, 1], [3, 0]]))).toThrow(
      "take: index 3 at [1, 0] is out of range for 3 elements; use -3..2",
    );
    expect(() => t.takeAlongAxis(grid(2, 2), t.tensor([[0.5, 1]]))).toThrow("takeAlongAxis: indices are float32");
    expect(() => t.takeAlongAxis(grid(2, 2), ints([[0], [1], [0]]))).toThrow("do not fit shape [2, 2] along axis 1");
  });

  it("clamp computed reads and drop computed writes", async () => {
    const index = t.add(ints([[0, 5]]), ints([[0, 0]]));
    expect(await valuesOf(t.takeAlongAxis(grid(1, 3), index))).toEqual([0, 2]);
    const far = t.add(ints([[1, 5]]), ints([[0, 0]]));
    expect(await valuesOf(t.scatterAdd(grid(2, 3), far, t.tensor([[10, 20]])))).toEqual([0, 11, 2, 3, 4, 5]);
  });

  it("gather and scatter along an axis", async () => {
    expect(await valuesOf(t.takeAlongAxis(grid(2, 3), ints([[2, 0], [1, -1]])))).toEqual([2, 0, 4, 5]);
    expect(await valuesOf(t.takeAlongAxis(grid(3, 2), ints([[2, 0]]), { axis: 0 }))).toEqual([4, 1]);
    const sums = t.scatterAdd(grid(2, 3), ints([[1, 1], [0, -1]]), t.tensor([[10, 20], [30, 40]]));
    expect(await valuesOf(sums)).toEqual([0, 31, 2, 33, 4, 45]);
    const written = t.scatter(t.tensor([[NaN, 1, 2]]), ints([[0, 2]]), t.tensor([[7, 0]]));
    expect(await valuesOf(written)).toEqual([7, 1, 0]);
    const added = t.indexAdd(t.zeros([2, 3]), [2, 0, 2], grid(2, 3), { axis: 1 });
    expect(await valuesOf(added)).toEqual([1, 0, 2, 4, 0, 8]);
    const elements = t.takeNd(grid(3, 4), [ints([[0], [2]]), ints([1, -1])]);
    expect(elements.shape).toEqual([2, 2]);
    expect(await valuesOf(elements)).toEqual([1, 3, 9, 11]);
  });

  it("fill by mask, with broadcasting", async () => {
    expect(await valuesOf(t.maskedFill(grid(2, 2), t.tensor([true, false]), -1))).toEqual([-1, 1, -1, 3]);
    expect(() => t.maskedFill(grid(2, 2), t.tensor([1, 0]), 0)).toThrow("maskedFill: the mask is float32");
  });

  it("find what depends on values", async () => {
    const x = t.tensor([[0, 3], [NaN, 0], [3, -1]]);
    const places = await t.nonzero(x);
    expect(places.shape).toEqual([4, 2]);
    expect(await valuesOf(places)).toEqual([0, 1, 1, 0, 2, 0, 2, 1]);
    expect(await valuesOf(await t.maskedSelect(x, t.greater(x, 0)))).toEqual([3, 3]);
    const { values, inverse, counts } = await t.unique(x);
    expect(await valuesOf(values)).toEqual([-1, 0, 3, NaN]);
    expect(await valuesOf(inverse)).toEqual([1, 2, 3, 1, 2, 0]);
    expect(await valuesOf(counts)).toEqual([1, 2, 2, 1]);
    expect((await t.nonzero(t.zeros([0, 3]))).shape).toEqual([0, 2]);
  });
});

describe("order", () => {
  it("sorts stably with NaN as the largest", async () => {
    const x = t.tensor([[2, NaN, -Infinity, 2, Infinity]]);
    const up = t.sort(x);
    expect(await valuesOf(up.values)).toEqual([-Infinity, 2, 2, Infinity, NaN]);
    expect(await valuesOf(up.indices)).toEqual([2, 0, 3, 4, 1]);
    const down = t.sort(x, { descending: true });
    expect(await valuesOf(down.indices)).toEqual([1, 4, 0, 3, 2]);
    const top = t.topK(t.tensor([[1, 5, 3], [4, 2, 6]]), 2, { axis: 0, largest: false });
    expect(await valuesOf(top.values)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(() => t.topK(x, 6)).toThrow("topK: k is 6 and axis 1 of shape [1, 5] has 5 elements");
  });

  it("finds medians and quantiles", async () => {
    await expectValues(t.median(t.tensor([4, 1, 3, 2])), [2]);
    await expectValues(t.median(t.tensor([[1, NaN, 2], [3, 1, 2]]), { axis: 1, keepDims: true }), [NaN, 2]);
    await expectValues(t.quantile(t.tensor([4, 1, 3, 2]), [0, 0.25, 0.5, 1]), [1, 1.75, 2.5, 4], 1e-7);
    await expectValues(t.quantile(grid(3, 2), 0.5, { axis: 0 }), [2, 3]);
    expect(() => t.quantile(t.tensor([1]), 1.5)).toThrow("quantile: q is 1.5");
    expect(() => t.median(t.zeros([0]))).toThrow("median: no elements");
  });

  it.each([1, 2, 5, 8, 13])("finds places among %i sorted elements", async (length) => {
    const sorted = Array.from({ length }, (_, i) => Math.floor(i / 2));
    const values = [-1, 0, 0.5, 1, 2, 3, 6, 100, NaN];
    const left = values.map((v) => (Number.isNaN(v) ? length : sorted.filter((s) => s < v).length));
    const right = values.map((v) => (Number.isNaN(v) ? length : sorted.filter((s) => s <= v).length));
    await expectValues(t.searchSorted(t.tensor(sorted), t.tensor(values)), left);
    await expectValues(t.searchSorted(t.tensor(sorted), t.tensor(values), { side: "right" }), right);
  });

  it("searches rows in rows", async () => {
    await expectValues(t.searchSorted(t.tensor([[0, 2, 4], [1, 1, 1]]), t.tensor([[3, 4], [1, 2]])), [2, 2, 0, 3]);
  });

  it("counts", async () => {
    await expectValues(t.bincount(ints([1, 3, 1, 7, -1]), 4), [0, 2, 0, 1]);
    await expectValues(t.bincount(ints([1, 0, 1]), 2, { weights: t.tensor([0.5, 1, 2]) }), [1, 2.5]);
    const { counts, edges } = t.histogram(t.tensor([0, 1, 2, 2, 4, 9, NaN]), 4, { min: 0, max: 4 });
    await expectValues(counts, [1, 1, 2, 1]);
    await expectValues(edges, [0, 1, 2, 3, 4]);
    await expectValues(t.histogram(t.tensor([3, 3]), 2).counts, [2, 0]);
  });
});

describe("scans and diagonals", () => {
  it.each([0, 1, 2, 3, 7, 8, 17])("run over %i elements", async (length) => {
    const data = Array.from({ length }, (_, i) => ((i * 7) % 5) - 2 + 0.25);
    const scan = (join: (a: number, b: number) => number): number[] =>
      data.map((_, i) => data.slice(0, i + 1).reduce(join));
    const x = t.tensor(data, { dtype: "float64", shape: [length] });
    await expectValues(t.cumsum(x), scan((a, b) => a + b), 1e-12);
    await expectValues(t.cumprod(x), scan((a, b) => a * b), 1e-12);
    await expectValues(t.cummax(x), scan((a, b) => Math.max(a, b)));
    await expectValues(t.cummin(x), scan((a, b) => Math.min(a, b)));
    await expectValues(t.logcumsumexp(x), scan((a, b) => Math.log(Math.exp(a) + Math.exp(b))), 1e-12);
    const backwards = data.map((_, i) => data.slice(i).reduce((a, b) => a * b));
    await expectValues(t.cumprod(x, { reverse: true }), backwards, 1e-12);
  });

  it("do not overflow", async () => {
    const x = t.tensor([-Infinity, -Infinity, 1e4, -1e4, 1e4], { dtype: "float64" });
    await expectValues(t.logcumsumexp(x), [-Infinity, -Infinity, 1e4, 1e4, 1e4 + Math.log(2)], 1e-15);
    await expectValues(t.logcumsumexp(t.tensor([0, Infinity, 1, NaN])), [0, Infinity, Infinity, NaN]);
  });

  it("take and make diagonals", async () => {
    await expectValues(t.diagonal(grid(3, 4)), [0, 5, 10]);
    await expectValues(t.diagonal(grid(3, 4), { offset: 2 }), [2, 7]);
    await expectValues(t.diagonal(grid(3, 4), { offset: -1, axes: [0, 1] }), [4, 9]);
    expect(t.diagonal(grid(3, 4), { offset: 5 }).shape).toEqual([0]);
    await expectValues(t.trace(grid(3, 3)), [12]);
    await expectValues(t.diagEmbed(t.tensor([1, 2]), { offset: -1 }), [0, 0, 0, 1, 0, 0, 0, 2, 0]);
    await expectValues(t.diagEmbed(t.tensor([1, 2])), [1, 0, 0, 2]);
    await expectValues(t.diff(t.tensor([1, 4, 9, 16]), { order: 2 }), [2, 2]);
    expect(() => t.diagonal(grid(2, 2), { axes: [0, -2] })).toThrow("name axis 0 of shape [2, 2] twice");
  });
});

describe("format", () => {
  it("aligns, elides and names", async () => {
    expect(await t.format(t.tensor([[1.5, 2], [30, -4]]))).toBe(
      "tensor([[ 1.5000,  2.0000],\n        [30.0000, -4.0000]], float32 [2, 2])",
    );
    expect(await t.format(t.tensor(2))).toBe("tensor(2., float32 [])");
    expect(await t.format(t.tensor([true, false]))).toBe("tensor([ true, false], bool [2])");
    expect(await t.format(t.arange(2000, { dtype: "int32" }))).toBe(
      "tensor([   0,    1,    2, …, 1997, 1998, 1999], int32 [2000])",
    );
    expect(await t.format(t.tensor([1e-9, NaN]), { precision: 2 })).toBe("tensor([1.00e-9,     NaN], float32 [2])");
    expect(await t.format(t.zeros([0, 2]))).toBe("tensor([], float32 [0, 2])");
  });
});
