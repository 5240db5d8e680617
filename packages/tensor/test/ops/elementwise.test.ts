/** Elementwise functions against JavaScript's float64 functions and closed forms, at ordinary and extreme points. */
import { grad } from "@dormouse/autograd";
import { reference } from "@dormouse/backend-cpu/reference";
import { beforeAll, describe, expect, test } from "vitest";
import * as t from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";
import { expectClose, expectMessage } from "./expect.ts";

beforeAll(async () => void t.setDevice(await reference()));

const wide = [
  0, -0, 1, -1, 0.5, -0.5, 0.3, -0.7, 2.5, -3.5, 7.25, -20, 21.9, 22.1, 1e-3, -1e-8, 1e-30, 88, -104, 700, -709, 1e4, -1e4,
  1e30, Infinity, -Infinity, NaN,
];
const unit = [0, 1, -1, 0.5, -0.5, 0.999999, -0.999999, 1 - 2 ** -53, 1e-9, -1e-30, 1.5, -2, Infinity, NaN];
const positive = [0, 1, 0.5, 1e-300, 1e300, 3, 10, 1000, -1, Infinity, NaN];
const above = [1, 1 + 2 ** -52, 1.000001, 1.5, 2, 100, 1e4, 3e8, 1e300, 0.5, -1, -5, Infinity, NaN];

const halfEven = (x: number): number => {
  const low = Math.floor(x);
  if (x - low !== 0.5) return Math.round(x);
  return low % 2 === 0 ? low : low + 1;
};

/** Op, points, the function in float64, and its derivative where it is not tested elsewhere. */
const unary: [string, (x: Tensor) => Tensor, number[], (x: number) => number, ((x: number) => number)?][] = [
  ["neg", t.neg, wide, (x) => -x, () => -1],
  ["abs", t.abs, wide, Math.abs],
  ["square", t.square, wide, (x) => x * x, (x) => 2 * x],
  ["sqrt", t.sqrt, positive, Math.sqrt],
  ["rsqrt", t.rsqrt, positive, (x) => 1 / Math.sqrt(x)],
  ["reciprocal", t.reciprocal, wide, (x) => 1 / x],
  ["exp", t.exp, wide, Math.exp, Math.exp],
  ["exp2", t.exp2, wide, (x) => 2 ** x],
  ["expm1", t.expm1, wide, Math.expm1],
  ["log", t.log, positive, Math.log],
  ["log2", t.log2, positive, Math.log2],
  ["log10", t.log10, positive, Math.log10],
  ["log1p", t.log1p, above, Math.log1p],
  ["tan", t.tan, [0, 0.5, -1.5, 3, 1e4, NaN], Math.tan, (x) => 1 + Math.tan(x) ** 2],
  ["asin", t.asin, unit, Math.asin, (x) => 1 / Math.sqrt((1 - x) * (1 + x))],
  ["acos", t.acos, unit, Math.acos, (x) => -1 / Math.sqrt((1 - x) * (1 + x))],
  ["atan", t.atan, wide, Math.atan],
  ["sinh", t.sinh, [...wide, 710, -710.4], Math.sinh, Math.cosh],
  ["cosh", t.cosh, [...wide, 710, -710.4], Math.cosh, Math.sinh],
  ["asinh", t.asinh, [...wide, 2 ** 28, 3e8, -1e300], Math.asinh, (x) => 1 / Math.hypot(1, x)],
  ["acosh", t.acosh, above, Math.acosh, (x) => (x < 1 ? NaN : 1 / (Math.sqrt(x - 1) * Math.sqrt(x + 1)))],
  ["atanh", t.atanh, unit, Math.atanh],
  ["sigmoid", t.sigmoid, wide, (x) => 1 / (1 + Math.exp(-x)), (x) => 1 / (1 + Math.exp(-x)) / (1 + Math.exp(x))],
  ["floor", t.floor, wide, Math.floor, () => 0],
  ["ceil", t.ceil, wide, Math.ceil, () => 0],
  ["trunc", t.trunc, wide, Math.trunc, () => 0],
  ["round", t.round, [...wide, 1.5, -2.5, 0.49999999999999994, 2 ** 53 - 1], halfEven, () => 0],
  ["frac", t.frac, wide, (x) => x - Math.trunc(x), () => 1],
];

describe.each(unary)("%s", (_, op, points, exact, slope) => {
  test("agrees with float64 functions", () => expectClose(op(t.tensor(points, { dtype: "float64" })), points.map(exact)));

  test("agrees in float32 where the result is a float32 number", async () => {
    const rounded = points.map(Math.fround).filter((x) => {
      const size = Math.abs(exact(x));
      return !(size > 0 && (size < 1.2e-38 || size > 3.4e38)) && !(Math.abs(x) > 1e6 && size > 0 && size < 1);
    });
    await expectClose(op(t.tensor(rounded)), rounded.map(exact).map(Math.fround), { relative: 4e-6, absolute: 1e-9 });
  });

  if (slope) {
    test("has the derivative of the textbook", async () => {
      const finite = points.filter((x) => Number.isFinite(x) && !Number.isNaN(slope(x)));
      const gradient = grad((x: Tensor) => t.sum(op(x)));
      await expectClose(gradient(t.tensor(finite, { dtype: "float64" })), finite.map(slope), { absolute: 1e-290 });
    });
  }
});

/** Values to 17 digits from 40-digit arithmetic. */
test("erfc keeps its digits in both tails", () =>
  expectClose(
    t.erfc(t.tensor([0, 0.1, 0.5, 1, 3, 10, 26, 27.5, 1e4, Infinity, -0.5, -6, -Infinity, NaN], { dtype: "float64" })),
    [
      1, 0.88753708398171511, 0.47950012218695346, 0.15729920705028513, 2.2090496998585441e-5, 2.0884875837625448e-45,
      5.6631924088561428e-296, 0, 0, 0, 1.5204998778130465, 2, 2, NaN,
    ],
    { relative: 1e-13, absolute: 1e-310 },
  ));

test("logit keeps its digits at 0, ½ and 1", async () => {
  const points = [0, 1e-300, 0.25, 0.5, 0.5 + 2 ** -40, 0.75, 0.9999999, 1, 2, NaN];
  const wanted = [-Infinity, -690.77552789821368, -Math.log(3), 0, 2 ** -38, Math.log(3), 16.11809555148467, Infinity, NaN, NaN];
  await expectClose(t.logit(t.tensor(points, { dtype: "float64" })), wanted, { relative: 1e-9 });
  await expectClose(t.logit(t.tensor([0, 0.5, 1], { dtype: "float64" }), { eps: 0.25 }), [-Math.log(3), 0, Math.log(3)]);
});

const pairs: [number, number][] = [
  [3, 4], [-3, 4], [3, -4], [-3, -4], [0, 0], [0, 2], [0, -2], [5, 0], [-5, 0], [1e300, 1e300], [1e-300, 1e-300],
  [Infinity, 1], [1, -Infinity], [Infinity, Infinity], [-Infinity, -Infinity], [NaN, 1], [1, NaN], [7.5, 2.5], [-7.25, 2], [0.3, 0.1],
];
const logaddexp = (a: number, b: number): number =>
  a === b ? a + Math.LN2 : Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));
const binary: [string, (a: Tensor, b: Tensor) => Tensor, (a: number, b: number) => number][] = [
  ["sub", t.sub, (a, b) => a - b],
  ["div", t.div, (a, b) => a / b],
  ["maximum", t.maximum, Math.max],
  ["minimum", t.minimum, Math.min],
  ["atan2", t.atan2, Math.atan2],
  ["hypot", t.hypot, (a, b) => (Number.isNaN(a) || Number.isNaN(b) ? NaN : Math.hypot(a, b))],
  ["logaddexp", t.logaddexp, logaddexp],
  ["fmod", t.fmod, (a, b) => a % b],
  ["remainder", t.remainder, (a, b) => (a % b !== 0 && a % b < 0 !== b < 0 ? (a % b) + b : a % b)],
  ["floorDiv", t.floorDiv, (a, b) => Math.floor(a / b)],
];
test.each(binary)("%s agrees with float64 functions", async (_, op, exact) => {
  const [a, b] = [0, 1].map((side) => t.tensor(pairs.map((pair) => pair[side]!), { dtype: "float64" }));
  await expectClose(op(a!, b!), pairs.map(([x, y]) => exact(x, y)));
});

describe("integers", () => {
  const a = t.tensor([7, -7, 7, -7, 5, -2147483648], { dtype: "int32" });
  const b = t.tensor([2, 2, -2, -2, 0, 1], { dtype: "int32" });
  test.each([
    ["floorDiv", t.floorDiv(a, b), [3, -4, -4, 3, 0, -2147483648]],
    ["fmod", t.fmod(a, b), [1, -1, 1, -1, 5, 0]],
    ["minimum", t.minimum(a, b), [2, -7, -2, -7, 0, -2147483648]],
    ["pow", t.pow(a, 3), [343, -343, 343, -343, 125, 0]],
    ["sign", t.sign(a), [1, -1, 1, -1, 1, -1]],
    ["min", t.min(a), [-2147483648]],
    ["argmin", t.argmin(a), [5]],
    ["unsigned min", t.min(t.tensor([3, 4294967295, 1], { dtype: "uint32" })), [1]],
    ["byte min", t.min(t.tensor([3, 255, 1], { dtype: "uint8" })), [1]],
    ["byte sum", t.sum(t.tensor([200, 200], { dtype: "uint8" })), [400]],
  ] as [string, Tensor, number[]][])("%s", (_, result, wanted) => expectClose(result, wanted));
});

describe("choices at points without a derivative", () => {
  const at = (f: (x: Tensor) => Tensor, x: number): Promise<number> =>
    grad((y: Tensor) => t.sum(f(y)))(t.tensor(x, { dtype: "float64" })).item();
  test.each([
    ["abs at 0", t.abs, 0, 0],
    ["maximum of equals", (x: Tensor) => t.maximum(x, 2), 2, 0.5],
    ["minimum of equals", (x: Tensor) => t.minimum(x, 2), 2, 0.5],
    ["clamp on a bound", (x: Tensor) => t.clamp(x, { min: -1, max: 2 }), 2, 1],
    ["clamp outside", (x: Tensor) => t.clamp(x, { min: -1, max: 2 }), 2.5, 0],
    ["sqrt at 0", t.sqrt, 0, Infinity],
    ["pow(x, 0) at 0", (x: Tensor) => t.pow(x, 0), 0, 0],
    ["hypot at the origin", (x: Tensor) => t.hypot(x, 0), 0, 0],
    ["atan2 at the origin", (x: Tensor) => t.atan2(x, 0), 0, 0],
    ["norm at 0", (x: Tensor) => t.norm(x), 0, 0],
    ["2.5-norm at 0", (x: Tensor) => t.norm(x, { p: 2.5 }), 0, 0],
    ["std of equals", (x: Tensor) => t.std(t.stack([x, x])), 3, 0],
    ["the branch where does not take", (x: Tensor) => t.where(t.greater(x, 0), t.log(t.where(t.greater(x, 0), x, 1)), 0), 0, 0],
    ["logsumexp of nothing but -Infinity", (x: Tensor) => t.logsumexp(t.stack([x, x])), -Infinity, 0],
  ] as [string, (x: Tensor) => Tensor, number, number][])("%s", async (_, f, x, wanted) => {
    expect(await at(f, x)).toBe(wanted);
  });
});

test("logic and comparisons of special values", async () => {
  const x = t.tensor([NaN, 1, -Infinity, 0]);
  expect(await t.equal(x, x).array()).toEqual([false, true, true, true]);
  expect(await t.notEqual(x, x).array()).toEqual([true, false, false, false]);
  expect(await t.greaterEqual(x, 0).array()).toEqual([false, true, false, true]);
  expect(await t.isNaN(x).array()).toEqual([true, false, false, false]);
  expect(await t.isInf(x).array()).toEqual([false, false, true, false]);
  expect(await t.isFinite(x).array()).toEqual([false, true, false, true]);
  expect(await t.logicalXor(x, t.tensor([true, true, false, false])).array()).toEqual([false, false, true, false]);
  expect(await t.logicalNot(x).array()).toEqual([false, false, false, true]);
  expect(await t.where(t.tensor([[true], [false]]), t.tensor([1, 2]), 0).array()).toEqual([[1, 2], [0, 0]]);
});

test("broadcasting stretches either operand", async () => {
  const column = t.tensor([[1], [2]]);
  const row = t.tensor([10, 20, 30]);
  expect(await t.add(column, row).array()).toEqual([[11, 21, 31], [12, 22, 32]]);
  expect(await t.addcmul(row, column, 2, { value: 0.5 }).array()).toEqual([[11, 21, 31], [12, 22, 32]]);
  expect(await t.lerp(row, column, 0.5).array()).toEqual([[5.5, 10.5, 15.5], [6, 11, 16]]);
  expect(t.add(t.zeros([2, 0, 3]), t.ones([1, 3])).shape).toEqual([2, 0, 3]);
});

const f32 = t.tensor([1, 2]);
const i32 = t.tensor([1, 2], { dtype: "int32" });
const shapeless = (shape: number[]): Tensor => t.zeros(shape);
test.each([
  [() => t.add(f32, i32), 'add: float32 and int32 do not mix; cast one: cast(b, "float32")'],
  [() => t.add(i32, f32), 'add: int32 and float32 do not mix; cast one: cast(a, "float32")'],
  [() => t.mul(i32, 1.5), 'mul: 1.5 is not a value of int32; cast the tensor first: cast(x, "float32")'],
  [() => t.div(i32, 2), 'div: the quotient of int32 is not int32; use floorDiv, or cast both: cast(x, "float32")'],
  [() => t.exp(i32), 'exp: int32 is not a float dtype; cast it: cast(x, "float32")'],
  [() => t.neg(t.tensor([true])), 'neg: bool has no arithmetic; cast it: cast(x, "float32"), or use logicalAnd, logicalOr'],
  [() => t.pow(i32, -1), 'pow: int32 to the power -1 is not int32; use a whole exponent >= 0, or cast: cast(x, "float32")'],
  [
    () => t.add(shapeless([2, 3]), shapeless([4])),
    "add: [2, 3] and [4] do not broadcast; align shapes from the right, with equal lengths or 1",
  ],
  [() => t.where(f32 as Tensor, 1, 2), "where: the condition is float32; compare it: notEqual(condition, 0)"],
  [() => t.clamp(f32, {}), "clamp: neither min nor max is given; give at least one"],
] as [() => unknown, string][])("%# says what is wrong", expectMessage);
