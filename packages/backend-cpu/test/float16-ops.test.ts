/**
 * Half precision on both backends against JavaScript's float64: functions of every one of the 65 536 patterns, and
 * operations at sizes that no vector or tile divides. A result may be one unit in the last place from the exact one,
 * which is half a unit of rounding and what float32 adds to it.
 */
import {
  type Tensor, add, argmax, argsort, cast, concat, conv2d, convTranspose2d, cumsum, div, equal, erf, exp, expm1, floor,
  less, linear, log, log1p, logSoftmax, logsumexp, matmul, max, maxPool2d, maximum, mean, mul, normal, norm, pad, permute,
  pow, prod, relu, reshape, scatterAdd, setDevice, sigmoid, sin, slice, softmax, sort, sqrt, sub, sum, take, tanh, tensor,
  uniform, variance, where, atan, cos, key, linalg, bernoulli, full, equal as same, maximum as greater, DTypeError,
} from "@dormouse/tensor";
import { float16Bits, float16Value, roundTo } from "@dormouse/tensor/graph";
import { beforeAll, describe, expect, test } from "vitest";
import { cpu } from "../src/index.ts";
import { erf as exactErf } from "../src/reference-math.ts";
import { reference } from "../src/reference.ts";
import { random } from "./wasm/kernel-support.ts";

const half = (values: readonly number[] | Float32Array, shape: readonly number[] = [values.length]): Tensor =>
  tensor(Array.from(values), { shape: [...shape], dtype: "float16" });
const numbers = async (x: Tensor): Promise<number[]> => Array.from(await x.data());

/** The number of every pattern; those of NaN become one. */
const every = Array.from({ length: 65536 }, (_, bits) => float16Value(bits));

/** Distance from a number to the next of float16. */
const unitOf = (x: number): number => 2 ** (Math.max(-14, Math.floor(Math.log2(Math.abs(x)))) - 10);

/** Fails with the first element further than `units` from what is wanted; what rounds to infinity has to be infinite. */
function expectUnits(got: readonly number[], wanted: readonly number[], units: number, slack = 0): void {
  expect(got.length).toBe(wanted.length);
  for (const [i, value] of got.entries()) {
    const exact = wanted[i]!;
    const rounded = roundTo("float16", exact);
    if (Object.is(value, rounded) || value === rounded) continue;
    const finite = Number.isFinite(rounded) || Number.isFinite(value) ? Math.min(Math.abs(exact), 65504) : NaN;
    const error = Math.abs(Math.min(65536, Math.max(-65536, value)) - exact);
    if (error <= units * unitOf(finite) + slack) continue;
    expect.fail(`element ${i} is ${value} and should be ${exact}, which rounds to ${rounded}`);
  }
}

const unary: Readonly<Record<string, readonly [(x: Tensor) => Tensor, (x: number) => number]>> = {
  exp: [exp, Math.exp], expm1: [expm1, Math.expm1], log: [log, Math.log], log1p: [log1p, Math.log1p], sin: [sin, Math.sin],
  cos: [cos, Math.cos], tanh: [tanh, Math.tanh], atan: [atan, Math.atan], erf: [erf, exactErf], sqrt: [sqrt, Math.sqrt],
  floor: [floor, Math.floor], sigmoid: [sigmoid, (x) => 1 / (1 + Math.exp(-x))],
  relu: [relu, (x) => (x <= 0 ? 0 : x)], "x + 1 - 1": [(x) => sub(add(x, 1), 1), (x) => Math.fround(x + 1) - 1],
  "1e-7 · x": [(x) => mul(x, 1e-7), (x) => x * 1e-7],
};

const binary: Readonly<Record<string, readonly [(a: Tensor, b: Tensor) => Tensor, (a: number, b: number) => number]>> = {
  add: [add, (a, b) => a + b], sub: [sub, (a, b) => a - b], mul: [mul, (a, b) => a * b], div: [div, (a, b) => a / b],
  maximum: [maximum, Math.max], less: [less, (a, b) => Number(a < b)], equal: [equal, (a, b) => Number(a === b)],
  pow: [(a, b) => pow(a, b), (a, b) => (a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b)],
};

/** Numbers of a few units, as float16 has them. */
function draw(size: number, seed: number, low = -2, high = 2): number[] {
  const next = random(seed);
  return Array.from({ length: size }, () => roundTo("float16", low + (high - low) * next()));
}

describe.each([["reference", reference], ["cpu", () => cpu({ threads: 2 })]] as const)("on %s", (_, device) => {
  beforeAll(async () => void setDevice(await device()));

  test.each(Object.entries(unary))("%s of every float16", async (_name, [apply, exactly]) => {
    expectUnits(await numbers(apply(half(every))), every.map(exactly), 1);
  });

  test.each(Object.entries(binary))("%s of pairs of all magnitudes", async (_name, [apply, exactly]) => {
    const next = random(3);
    const others = every.map(() => every[Math.floor(65536 * next())]!);
    const wanted = every.map((a, i) => exactly(a, others[i]!));
    expectUnits(await numbers(apply(half(every), half(others))), wanted, 1);
  });

  test("casts from and to every dtype", async () => {
    const all = half(every);
    expect(await numbers(cast(all, "float32"))).toEqual(every);
    expect(await numbers(cast(all, "float64"))).toEqual(every);
    const whole = (low: number, high: number) => every.map((x) => (Number.isNaN(x) ? 0 : Math.min(high, Math.max(low, Math.trunc(x)))) + 0);
    expect(await numbers(cast(all, "int32"))).toEqual(whole(-(2 ** 31), 2 ** 31 - 1));
    expect(await numbers(cast(all, "uint32"))).toEqual(whole(0, 2 ** 32 - 1));
    expect(await numbers(cast(all, "uint8"))).toEqual(whole(-(2 ** 31), 2 ** 31 - 1).map((x) => x & 255));
    expect(await numbers(cast(all, "bool"))).toEqual(every.map((x) => Number(x !== 0)));
    const integers = [0, 1, -1, 2049, 65519, 65520, -70000, 2 ** 31 - 1];
    expectUnits(await numbers(cast(tensor(integers, { dtype: "int32" }), "float16")), integers, 0.5);
    expect(await numbers(cast(tensor([4294967295, 7], { dtype: "uint32" }), "float16"))).toEqual([Infinity, 7]);
    expect(await numbers(cast(tensor([255, 7], { dtype: "uint8" }), "float16"))).toEqual([255, 7]);
    expect(await numbers(cast(tensor([true, false]), "float16"))).toEqual([1, 0]);
    const doubles = [0.1, 65519.99999, 1 / 3, 2 ** -25 * 1.5, -1e300];
    expect(await numbers(cast(tensor(doubles, { dtype: "float64" }), "float16"))).toEqual(doubles.map((x) => roundTo("float16", Math.fround(x))));
    const singles = new Float32Array(4099).map((__, i) => Math.sin(i) * 2 ** ((i % 40) - 26));
    expect(await numbers(cast(tensor(singles), "float16"))).toEqual(Array.from(singles, (x) => roundTo("float16", x)));
  });

  test("what only moves elements keeps their bits, at odd places and lengths", async () => {
    const patterns = every.filter((x) => !Number.isNaN(x)).slice(0, 3 * 7 * 11 * 13);
    const x = half(patterns, [3, 7, 11, 13]);
    const at = (index: readonly number[]) => patterns[((index[0]! * 7 + index[1]!) * 11 + index[2]!) * 13 + index[3]!]!;
    const list = (shape: readonly number[], element: (index: number[]) => number) =>
      Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (__, flat) => {
        const index: number[] = [];
        for (let axis = shape.length - 1, rest = flat; axis >= 0; rest = Math.floor(rest / shape[axis--]!)) index.unshift(rest % shape[axis]!);
        return element(index);
      });
    expect(await numbers(permute(x, [3, 1, 0, 2]))).toEqual(list([13, 7, 3, 11], ([d, b, a, c]) => at([a!, b!, c!, d!])));
    expect(await numbers(slice(x, [[1, 3], [2, 7], [3, 10], [5, 12]]))).toEqual(
      list([2, 5, 7, 7], ([a, b, c, d]) => at([a! + 1, b! + 2, c! + 3, d! + 5])),
    );
    const flat = reshape(x, [patterns.length]);
    expect(await numbers(concat([flat, half([]), flat]))).toEqual([...patterns, ...patterns]);
    expect(await numbers(take(flat, tensor([5, 0, 3002, 5], { dtype: "int32" })))).toEqual([5, 0, 3002, 5].map((i) => patterns[i]));
    expect(await numbers(pad(half([1, 2, 3]), [[2, 1]]))).toEqual([0, 0, 1, 2, 3, 0]);
    expect((await numbers(x)).map(float16Bits)).toEqual(patterns.map(float16Bits));
  });

  const lengths = [1, 2, 3, 4, 5, 7, 17, 67, 1031];
  test.each(lengths)("reductions of %i elements", async (length) => {
    const values = draw(3 * length, length, 0.5, 2);
    const x = half(values, [3, length]);
    const rows = [0, 1, 2].map((row) => values.slice(row * length, (row + 1) * length));
    const over = (f: (row: number[]) => number) => rows.map(f);
    const total = (row: readonly number[]) => row.reduce((a, b) => a + b, 0);
    const slack = 2 ** -20;
    expectUnits(await numbers(sum(x, { axis: 1 })), over(total), 1);
    expectUnits(await numbers(sum(x, { axis: 0 })), rows[0]!.map((__, i) => rows[0]![i]! + rows[1]![i]! + rows[2]![i]!), 1);
    expectUnits(await numbers(mean(x, { axis: 1 })), over((row) => total(row) / length), 1);
    expect(await numbers(max(x, { axis: 1 }))).toEqual(over((row) => Math.max(...row)));
    expect(await numbers(argmax(x, { axis: 1 }))).toEqual(over((row) => row.indexOf(Math.max(...row))));
    expectUnits(await numbers(norm(x, { axis: 1 })), over((row) => Math.hypot(...row)), 1);
    expectUnits(await numbers(logsumexp(x, { axis: 1 })), over((row) => Math.log(total(row.map(Math.exp)))), 1);
    const squared = (row: number[]) => total(row.map((v) => (v - total(row) / length) ** 2)) / length;
    expectUnits(await numbers(variance(x, { axis: 1, correction: 0 })), over(squared), 1, slack);
    const shares = rows.flatMap((row) => row.map((v) => Math.exp(v) / total(row.map(Math.exp))));
    expectUnits(await numbers(softmax(x)), shares, 1);
    expectUnits(await numbers(logSoftmax(x)), shares.map(Math.log), 1);
    let running = 0;
    expectUnits(await numbers(cumsum(half(rows[0]!))), rows[0]!.map((v) => (running += v)), 1);
    expect(await numbers(sort(half(rows[0]!)).values)).toEqual(rows[0]!.toSorted((a, b) => a - b));
    expect(await numbers(argsort(half([3, NaN, 1, -Infinity])))).toEqual([3, 2, 0, 1]);
    if (length < 20) expectUnits(await numbers(prod(x, { axis: 1 })), over((row) => row.reduce((a, b) => a * b, 1)), 1);
  });

  test("a product of many factors and a long sum stay in float32 until the end", async () => {
    const factors = Array.from({ length: 40 }, (__, i) => (i % 2 ? 2 : 0.5)).toSorted();
    // Halves first: 2⁻²⁰ on the way, and 2²⁰, neither of which float16 holds.
    expect(await numbers(prod(half(factors)))).toEqual([1]);
    const many = half(Array<number>(5000).fill(20));
    expect(await numbers(mean(many))).toEqual([20]);
    expect(await numbers(sum(many))).toEqual([Infinity]);
  });

  test.each([[1, 1, 1], [3, 5, 7], [1, 67, 33], [33, 67, 1], [17, 129, 33], [65, 17, 70]])(
    "a product of %i×%i by %i columns, in all layouts",
    async (m, k, n) => {
      const [left, right, bias] = [draw(m * k, 1), draw(k * n, 2), draw(n, 3)];
      const exact = Array.from({ length: m * n }, (__, i) => {
        let total = 0;
        for (let p = 0; p < k; p++) total += left[Math.floor(i / n) * k + p]! * right[p * n + (i % n)]!;
        return total;
      });
      const flipped = <T>(values: readonly T[], rows: number, columns: number) =>
        values.map((__, i) => values[(i % rows) * columns + Math.floor(i / rows)]!);
      const [a, b] = [half(left, [m, k]), half(right, [k, n])];
      const [at, bt] = [half(flipped(left, m, k), [k, m]), half(flipped(right, k, n), [n, k])];
      const slack = k * 2 ** -21;
      for (const product of [matmul(a, b), matmul(permute(at, [1, 0]), b), matmul(a, permute(bt, [1, 0])), linear(a, bt)]) {
        expect(product.dtype).toBe("float16");
        expectUnits(await numbers(product), exact, 1, slack);
      }
      // The bias and the activation are added to the sum in float32.
      const layer = linear(a, bt, half(bias));
      expectUnits(await numbers(relu(layer)), exact.map((v, i) => Math.max(0, v + bias[i % n]!)), 1, slack);
    },
  );

  test("convolutions, their transposes and pools", async () => {
    const [image, kernel] = [draw(2 * 3 * 9 * 7, 4), draw(5 * 3 * 3 * 2, 5)];
    const wide = (dtype: "float16" | "float64") => {
      const x = tensor(image, { shape: [2, 3, 9, 7], dtype });
      const w = tensor(kernel, { shape: [5, 3, 3, 2], dtype });
      return [
        conv2d(x, w, { stride: [2, 1], padding: 1 }),
        convTranspose2d(conv2d(x, w), w, { stride: 2 }),
        maxPool2d(x, 2, { stride: 1 }),
      ] as const;
    };
    for (const [i, result] of wide("float16").entries()) {
      const exact = wide("float64")[i]!;
      // The second is two products, with a rounding between them.
      expectUnits(await numbers(result), await numbers(exact), 1, i === 1 ? 0.05 : 2 ** -16);
    }
  });

  test("rows added up are added in float32", async () => {
    const updates = half([...Array<number>(300).fill(1), 2048, 0.5], [302]);
    const index = tensor(Int32Array.from({ length: 302 }, (__, i) => (i < 300 ? 0 : i === 300 ? 0 : 2)));
    expect(await numbers(scatterAdd(full([3], 0, { dtype: "float16" }), index, updates))).toEqual([2348, 0, 0.5]);
  });

  test("random numbers are those of float32, rounded, and stay below the bound", async () => {
    const [seed, shape] = [key(3), [4099]];
    const rounded = async (x: Tensor) => (await numbers(x)).map((v) => roundTo("float16", v));
    expect(await numbers(normal(seed, shape, { dtype: "float16" }))).toEqual(await rounded(normal(seed, shape)));
    const shares = await numbers(uniform(seed, [20011], { dtype: "float16" }));
    expect(Math.max(...shares)).toBeLessThan(1);
    const wide = await numbers(uniform(seed, [20011], { low: -3, high: 0.1, dtype: "float16" }));
    expect(Math.min(...wide)).toBeGreaterThanOrEqual(-3);
    expect(Math.max(...wide)).toBeLessThan(0.1);
    const coins = await numbers(bernoulli(seed, full([20000], 0.25, { dtype: "float16" })));
    expect(coins.reduce((a, b) => a + b, 0) / 20000).toBeCloseTo(0.25, 1);
  });

  test("a choice and a constant that float16 cannot hold", async () => {
    const x = half([1, 2, 60000]);
    expect(await numbers(where(less(x, 1e9), x, -1e9))).toEqual([1, 2, 60000]);
    // A number operand has the digits of float32, as every value within a kernel; what is stored is rounded.
    expect(await numbers(same(half([0.1]), 0.1))).toEqual([0]);
    expect(await numbers(same(half([0.1]), full([1], 0.1, { dtype: "float16" })))).toEqual([0]);
    expect(await numbers(same(half([0.1]), half([0.1])))).toEqual([1]);
    expect(await numbers(greater(half([0]), 1e-7))).toEqual([roundTo("float16", 1e-7)]);
  });

  test("dtypes do not mix, and factorizations ask for float32", () => {
    const x = half([1, 2, 3, 4], [2, 2]);
    expect(() => add(x, tensor([[1, 2], [3, 4]]))).toThrow(/float16 and float32 do not mix; cast one: cast\(b, "float16"\)/);
    expect(() => linalg.cholesky(x)).toThrow(DTypeError);
    expect(() => linalg.cholesky(x)).toThrow(/float16 .*float32/);
    expect(() => linalg.solve(x, x)).toThrow(/float16 .*float32/);
  });
});
