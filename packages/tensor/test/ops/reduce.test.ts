/** Reductions against plain loops over every choice of axes, at odd sizes, and at the special values. */
import { grad } from "@dormouse/autograd";
import { reference } from "@dormouse/backend-cpu/reference";
import { beforeAll, describe, expect, test } from "vitest";
import * as t from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";
import { expectClose, expectMessage } from "./expect.ts";

beforeAll(async () => void t.setDevice(await reference()));

const shape = [3, 1, 5];
const values = Array.from({ length: 15 }, (_, i) => ((i * 7) % 11) / 4 - 1.25);
const x = t.tensor(values, { shape, dtype: "float64" });

/** The elements that each element of the reduced shape is made of. */
function groups(axes: readonly number[]): number[][] {
  const strides = [5, 5, 1];
  const made = new Map<number, number[]>();
  values.forEach((value, at) => {
    const key = strides.reduce((sum, stride, axis) => {
      const index = Math.floor(at / stride) % shape[axis]!;
      return axes.includes(axis) ? sum : sum * shape[axis]! + index;
    }, 0);
    made.set(key, [...(made.get(key) ?? []), value]);
  });
  return [...made.values()];
}

const total = (xs: number[]): number => xs.reduce((a, b) => a + b, 0);
const spread = (xs: number[], correction: number): number => {
  const mean = total(xs) / xs.length;
  return total(xs.map((value) => (value - mean) ** 2)) / Math.max(0, xs.length - correction);
};
type Options = { axis?: number | readonly number[]; keepDims?: boolean };
const rows: [string, (x: Tensor, options: Options) => Tensor, (xs: number[]) => number][] = [
  ["sum", t.sum, total],
  ["mean", t.mean, (xs) => total(xs) / xs.length],
  ["prod", t.prod, (xs) => xs.reduce((a, b) => a * b, 1)],
  ["max", t.max, (xs) => Math.max(...xs)],
  ["min", t.min, (xs) => Math.min(...xs)],
  ["variance", t.variance, (xs) => spread(xs, 1)],
  ["variance of a population", (a, o) => t.variance(a, { ...o, correction: 0 }), (xs) => spread(xs, 0)],
  ["std", t.std, (xs) => Math.sqrt(spread(xs, 1))],
  ["logsumexp", t.logsumexp, (xs) => Math.log(total(xs.map(Math.exp)))],
  ["norm", t.norm, (xs) => Math.hypot(...xs)],
  ["1-norm", (a, o) => t.norm(a, { ...o, p: 1 }), (xs) => total(xs.map(Math.abs))],
  ["3.5-norm", (a, o) => t.norm(a, { ...o, p: 3.5 }), (xs) => total(xs.map((v) => Math.abs(v) ** 3.5)) ** (1 / 3.5)],
  ["∞-norm", (a, o) => t.norm(a, { ...o, p: Infinity }), (xs) => Math.max(...xs.map(Math.abs))],
  ["-∞-norm", (a, o) => t.norm(a, { ...o, p: -Infinity }), (xs) => Math.min(...xs.map(Math.abs))],
  ["0-norm", (a, o) => t.norm(a, { ...o, p: 0 }), (xs) => xs.filter((v) => v !== 0).length],
  ["all", (a, o) => t.all(a, o), (xs) => Number(xs.every((v) => v !== 0))],
  ["any", (a, o) => t.any(t.less(a, -1.2), o), (xs) => Number(xs.some((v) => v < -1.2))],
  ["countNonzero", t.countNonzero, (xs) => xs.filter((v) => v !== 0).length],
];
const choices = [undefined, 0, 1, -1, [0, 2], [-1, 1], [0, 1, 2], []];
describe.each(rows)("%s", (_, op, exact) => {
  test.each(choices)("along %j", async (axis) => {
    const axes = axis === undefined ? [0, 1, 2] : [axis].flat().map((a) => (a < 0 ? a + 3 : a));
    const kept = op(x, axis === undefined ? { keepDims: true } : { axis, keepDims: true });
    expect(kept.shape).toEqual(shape.map((length, i) => (axes.includes(i) ? 1 : length)));
    const reduced = op(x, axis === undefined ? {} : { axis });
    expect(reduced.shape).toEqual(shape.filter((_length, i) => !axes.includes(i)));
    await expectClose(reduced, groups(axes).map(exact), { absolute: 1e-13 });
  });
});

test("argmax and argmin name the first of equals, and NaN before all", async () => {
  const ties = t.tensor([[1, 3, 3], [2, NaN, NaN], [5, 5, 5]]);
  expect(await t.argmax(ties, { axis: 1 }).array()).toEqual([1, 1, 0]);
  expect(await t.argmin(ties, { axis: -1, keepDims: true }).array()).toEqual([[0], [1], [0]]);
  expect(await t.argmax(t.tensor([[1, 2], [7, 3]])).array()).toBe(2);
  expect(t.argmax(ties).dtype).toBe("int32");
});

test("of nothing", async () => {
  const none = t.zeros([2, 0]);
  expect(await t.sum(none, { axis: 1 }).array()).toEqual([0, 0]);
  expect(await t.prod(none, { axis: 1 }).array()).toEqual([1, 1]);
  expect(await t.mean(none, { axis: 1 }).array()).toEqual([NaN, NaN]);
  expect(await t.logsumexp(none, { axis: 1 }).array()).toEqual([-Infinity, -Infinity]);
  expect(await t.all(none).array()).toBe(true);
  expect(await t.any(none).array()).toBe(false);
  expect(t.max(none, { axis: 0 }).shape).toEqual([0]);
});

test("logsumexp of large and infinite rows", () =>
  expectClose(
    t.logsumexp(
      t.tensor([[1000, 1000], [-1000, -1001], [-Infinity, 3], [-Infinity, -Infinity], [Infinity, 1], [NaN, 1]], { dtype: "float64" }),
      { axis: 1 },
    ),
    [1000 + Math.LN2, -1000 + Math.log1p(Math.exp(-1)), 3, -Infinity, Infinity, NaN],
  ));

test("variance does not cancel for a large mean in float32", () =>
  expectClose(t.variance(t.tensor([10000, 10001, 10002, 10003, 10004])), [2.5], { relative: 1e-6 }));

test("the derivative of prod at zeros is the product of the others", async () => {
  const slope = grad((v: Tensor) => t.prod(v));
  expect(await slope(t.tensor([2, 0, 3, 5, 7])).array()).toEqual([0, 210, 0, 0, 0]);
  expect(await slope(t.tensor([2, 0, 0])).array()).toEqual([0, 0, 0]);
});

test("equal extremes share the derivative", async () => {
  const ties = t.tensor([[1, 3, 3], [2, 2, 2]]);
  expect(await grad((v: Tensor) => t.sum(t.max(v, { axis: 1 })))(ties).array()).toEqual([[0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3].map(Math.fround)]);
  expect(await grad((v: Tensor) => t.max(v))(t.tensor([0, 1, 1, -5])).array()).toEqual([0, 0.5, 0.5, 0]);
  await expectClose(grad((v: Tensor) => t.min(v))(t.tensor([4, 1, 1, 5])), [0, 0.5, 0.5, 0]);
});

const named: Tensor = t.zeros([32, 784]);
test.each([
  [() => t.mean(named, { axis: 3 }), "mean: axis 3 is out of range for shape [32, 784]; use -2..1"],
  [() => t.sum(named, { axis: [0, -2] }), "sum: axis -2 is named twice in [0, -2]; name each axis once"],
  [() => t.sum(named, { axis: 0.5 }), "sum: axis 0.5 is not an integer; use a whole number"],
  [() => t.sum(t.zeros([]) as Tensor, { axis: 0 }), "sum: axis 0 is out of range for shape []; a scalar has no axes"],
  [() => t.max(t.zeros([2, 0])), "max: axis 1 of [2, 0] is empty, and nothing has no max; check the size first"],
  [() => t.mean(t.zeros([2], { dtype: "int32" })), 'mean: int32 is not a float dtype; cast it: cast(x, "float32")'],
] as [() => unknown, string][])("%# says what is wrong", expectMessage);
