/** Section 1 of the curriculum, the mathematics below: one known answer or more for each row. */
import { beforeAll, describe, expect, test } from "vitest";
import { cpu } from "@dormouse/backend-cpu";
import { reference } from "@dormouse/backend-cpu/reference";
import {
  type Tensor, add, argmax, bernoulli, bits, broadcastTo, categorical, concat, cosineSimilarity, div, dot, expm1, eye,
  format, key, linalg, log1p, logSoftmax, logsumexp, maskedFill, matmul, mul, norm, normal, normalize, oneHot,
  permutation, reshape, round, select, setDevice, sigmoid, slice, softmax, softplus, split, square, sub, sum, take,
  tensor, transpose, truncatedNormal, uniform, where,
} from "../src/index.ts";
import { broadcastShapes, stridesOf } from "../src/graph.ts";
import { expectValues, valuesOf } from "./reference-device.ts";

beforeAll(async () => {
  setDevice(await reference());
});

const f64 = (values: readonly number[] | readonly (readonly number[])[]): Tensor => tensor(values, { dtype: "float64" });
const expectSame = async (got: Tensor, wanted: Tensor, tolerance = 1e-12): Promise<void> => {
  expect(got.shape).toEqual(wanted.shape);
  await expectValues(got, await valuesOf(wanted), tolerance);
};

describe("1.1 arrays", () => {
  test("have one shape and one type", async () => {
    const x = tensor([[1, 2, 3], [4, 5, 6]]);
    expect([x.shape, x.rank, x.size, x.dtype]).toEqual([[2, 3], 2, 6, "float32"]);
    expect(stridesOf([2, 3, 4])).toEqual([12, 4, 1]);
    expect(tensor([1, 2], { dtype: "int32" }).dtype).toBe("int32");
    expect(() => add(x, tensor([1], { dtype: "int32" }))).toThrow("float32 and int32 do not mix");
    expect(() => tensor([[1, 2], [3]] as never)).toThrow();
    expect(await x.array()).toEqual([[1, 2, 3], [4, 5, 6]]);
  });

  test("are seen in other orders without a copy in mind: transpose, slice, reshape", async () => {
    const x = tensor([[1, 2, 3], [4, 5, 6]]);
    expect(await slice(transpose(x), [[1, null]]).array()).toEqual([[2, 5], [3, 6]]);
    expect(await reshape(x, [3, 2]).array()).toEqual([[1, 2], [3, 4], [5, 6]]);
    expect(await select(x, -1).array()).toEqual([4, 5, 6]);
    expect(await take(x, tensor([2, 0], { dtype: "int32" }), { axis: 1 }).array()).toEqual([[3, 1], [6, 4]]);
  });

  test("broadcast along lengths of one, from the right", async () => {
    expect(broadcastShapes([3, 1], [4])).toEqual([3, 4]);
    expect(broadcastShapes([2, 3], [2])).toBe(null);
    expect(await add(tensor([[0], [10]]), tensor([1, 2, 3])).array()).toEqual([[1, 2, 3], [11, 12, 13]]);
    expect(await broadcastTo(tensor([[0], [10]]), [2, 3]).array()).toEqual([[0, 0, 0], [10, 10, 10]]);
    expect(() => add(tensor([[1, 2, 3], [4, 5, 6]]), tensor([1, 2]) as Tensor)).toThrow(/add: .*\[2, 3\].*\[2\]/);
  });

  test("print with their type and shape", async () => {
    expect(await format(tensor([[1.5, 2], [3, 4]]))).toBe(
      "tensor([[1.5000, 2.0000],\n        [3.0000, 4.0000]], float32 [2, 2])",
    );
  });
});

describe("1.2 dot, norm and cosine: template matching", () => {
  test("among unit vectors x·w is largest at w = x", async () => {
    const x = normalize(normal(key(0), [5], { dtype: "float64" }));
    const others = normalize(normal(key(1), [500, 5], { dtype: "float64" }));
    const scores = await valuesOf(matmul(concat([others, reshape(x, [1, 5])]), x));
    expect(scores.indexOf(Math.max(...scores))).toBe(500);
    expect(scores[500]).toBeCloseTo(1, 14);
    expect(Math.min(...await valuesOf(matmul(others, x)))).toBeGreaterThan(-1);
  });

  test("x·w = ‖x‖ ‖w‖ cos, and the cosine forgets lengths", async () => {
    const [x, w] = [f64([3, 4]), f64([4, 3])];
    expect(await dot(x, w).item()).toBe(24);
    expect(await cosineSimilarity(x, w).item()).toBeCloseTo(24 / 25, 15);
    expect(await cosineSimilarity(mul(x, 7), mul(w, 0.1)).item()).toBeCloseTo(24 / 25, 14);
    expect(await cosineSimilarity(f64([1, 0]), f64([0, 2])).item()).toBe(0);
  });

  test("norms of every order", async () => {
    const x = f64([3, -4, 0]);
    for (const [p, wanted] of [[1, 7], [2, 5], [Infinity, 4], [0, 2], [3, 91 ** (1 / 3)]] as const) {
      expect(await norm(x, { p }).item(), `p ${p}`).toBeCloseTo(wanted, 14);
    }
    await expectValues(norm(f64([[3, 4], [6, 8]]), { axis: 1 }), [5, 10], 1e-15);
  });
});

describe("1.3 products", () => {
  test("(n, a, b) · (n, b, c) → (n, a, c), and one matrix serves a whole batch", async () => {
    const [a, b] = [normal(key(2), [4, 2, 3], { dtype: "float64" }), normal(key(3), [4, 3, 5], { dtype: "float64" })];
    const product = matmul(a, b);
    expect(product.shape).toEqual([4, 2, 5]);
    for (let i = 0; i < 4; i++) await expectSame(select(product, i), matmul(select(a, i), select(b, i)));
    const shared = matmul(a, select(b, 0) as Tensor);
    expect(shared.shape).toEqual([4, 2, 5]);
    await expectSame(select(shared, 3), matmul(select(a, 3), select(b, 0)));
    expect(() => matmul(a, transpose(select(b, 0)) as Tensor)).toThrow("inner dimensions differ (3 and 5)");
  });

  test("Hadamard's product masks by multiplication", async () => {
    const x = tensor([[1, 2, 3], [4, 5, 6]]);
    const mask = tensor([[1, 0, 1], [0, 1, 0]]);
    expect(await mul(x, mask).array()).toEqual([[1, 0, 3], [0, 5, 0]]);
    // A mask keeps what is not a number; a choice does not.
    const holes = tensor([NaN, 2]);
    expect(await mul(holes, tensor([0, 1])).array()).toEqual([NaN, 2]);
    expect(await where(tensor([false, true]), holes, 0).array()).toEqual([0, 2]);
    expect(await maskedFill(holes, tensor([true, false]), 0).array()).toEqual([0, 2]);
  });
});

describe("1.4 closed forms", () => {
  const x = normal(key(4), [23, 4], { dtype: "float64" });
  const y = add(matmul(x, f64([1, -2, 0.5, 3])), mul(normal(key(5), [23], { dtype: "float64" }), 0.1));

  test("normal equations, pseudoinverse and QR agree on well-conditioned data", async () => {
    const byNormal = linalg.solve(matmul(transpose(x), x), matmul(transpose(x), y));
    const { q, r } = linalg.qr(x);
    await expectSame(matmul(linalg.pinv(x), y), byNormal);
    await expectSame(linalg.solveTriangular(r, matmul(transpose(q), y), { lower: false }), byNormal);
    await expectSame(linalg.lstsq(x, y).x, byNormal);
    // The residual is at right angles to the columns.
    await expectValues(matmul(transpose(x), sub(y, matmul(x, byNormal))), [0, 0, 0, 0], 1e-12);
  });

  test("factorizations give their matrix back", async () => {
    const gram = matmul(transpose(x), x);
    const l = linalg.cholesky(gram);
    await expectSame(matmul(l, transpose(l)), gram, 1e-13);
    const { u, s, vt } = linalg.svd(x);
    await expectSame(matmul(mul(u, s), vt), x, 1e-13);
    const { values, vectors } = linalg.eigh(gram);
    await expectSame(matmul(mul(vectors, values), transpose(vectors)), gram, 1e-13);
    await expectSame(values, linalg.eigh(gram).values);
    await expectSame(matmul(linalg.inv(gram), gram), eye(4, { dtype: "float64" }));
    expect(await linalg.det(f64([[1, 2], [3, 4]])).item()).toBeCloseTo(-2, 14);
  });

  test("ridge stays solvable when a column is duplicated; without it the system says so", async () => {
    // Small integers, so that the normal matrix is singular to the last bit.
    const doubled = f64([[1, 1, 2], [2, 2, 0], [0, 0, 1], [3, 3, 1]]);
    const gram = matmul(transpose(doubled), doubled);
    const right = matmul(transpose(doubled), f64([1, 2, 3, 4]));
    await expect(linalg.solve(gram, right).data()).rejects.toThrow(/solve: .*singular.*lstsq/);
    await expect(linalg.cholesky(gram).data()).rejects.toThrow(/not positive definite/);
    expect(await linalg.matrixRank(doubled).item()).toBe(2);
    expect(await linalg.cond(doubled).item()).toBeGreaterThan(1e15);
    const w = await valuesOf(linalg.solve(add(gram, mul(eye(3, { dtype: "float64" }), 0.1)), right));
    expect(w[0]).toBeCloseTo(w[1]!, 12);
    expect(await linalg.cond(add(gram, mul(eye(3, { dtype: "float64" }), 0.1))).item()).toBeLessThan(1e3);
  });

  test("the condition number says how many digits are lost", async () => {
    const hilbert = f64(Array.from({ length: 8 }, (_, i) => Array.from({ length: 8 }, (__, j) => 1 / (i + j + 1))));
    expect(Math.log10(await linalg.cond(hilbert).item())).toBeCloseTo(Math.log10(1.525757556663e10), 6);
    expect(await linalg.cond(eye(3, { dtype: "float64" })).item()).toBe(1);
  });
});

describe("1.5 stable functions", () => {
  const points = [-1e4, -750, -100, -20, -1, -1e-4, 0, 1e-4, 1, 20, 100, 750, 1e4];
  const log1pExp = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
  const logistic = (x: number): number => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x)));

  test.each(["float32", "float64"] as const)("are finite and accurate for |x| ≤ 1e4 in %s", async (dtype) => {
    const x = tensor(points, { dtype });
    const exact = await valuesOf(x);
    const tolerance = dtype === "float32" ? 1e-6 : 1e-14;
    const least = dtype === "float32" ? 1e-37 : 1e-300;
    const check = async (got: Tensor, wanted: readonly number[], absolute = least): Promise<void> => {
      (await valuesOf(got)).forEach((value, i) => {
        const allowed = absolute + tolerance * Math.abs(wanted[i]!);
        expect(Math.abs(value - wanted[i]!), `at ${exact[i]}`).toBeLessThanOrEqual(allowed);
      });
    };
    await check(softplus(x), exact.map(log1pExp));
    await check(sigmoid(x), exact.map(logistic));
    const gentle = exact.filter((each) => each > -1 && each < 80);
    await check(log1p(tensor(gentle, { dtype })), gentle.map(Math.log1p));
    await check(expm1(tensor(gentle, { dtype })), gentle.map(Math.expm1));
    const rows = tensor(points.map((at) => [at, 0]), { dtype });
    await check(select(softmax(rows), 0, { axis: 1 }), exact.map(logistic));
    // Where the largest term is 1, a sum of terms knows its logarithm to the rounding of 1.
    await check(logsumexp(rows, { axis: 1 }), exact.map(log1pExp), tolerance);
    await check(select(logSoftmax(rows), 0, { axis: 1 }), exact.map((at) => -log1pExp(-at)), tolerance);
  });

  test("softmax does not change when all logits are moved", async () => {
    await expectSame(softmax(f64([1, 2, 3])), softmax(f64([9001, 9002, 9003])));
    await expectValues(sum(softmax(f64([1e4, -1e4, 3]))), [1], 1e-15);
  });

  test("softmax at temperature τ → ∞ is uniform, 1/c; at τ → 0 it is the one-hot arg max", async () => {
    const logits = f64([2, -1, 0.5, 1.9]);
    await expectValues(softmax(logits, { temperature: 1e12 }), [0.25, 0.25, 0.25, 0.25], 1e-11);
    expect(await valuesOf(softmax(logits, { temperature: 1e-4 }))).toEqual([1, 0, 0, 0]);
    await expectSame(softmax(logits, { temperature: 2 }), softmax(div(logits, 2)));
    const greatest = async (temperature: number): Promise<number> =>
      Math.max(...await valuesOf(softmax(logits, { temperature })));
    const peaks = await Promise.all([0.1, 0.5, 1, 2, 10].map(greatest));
    expect(peaks).toEqual([...peaks].sort((a, b) => b - a));
    expect(() => softmax(logits, { temperature: 0 })).toThrow("softmax: temperature is 0; use a positive number");
  });
});

test("1.6 one-hot, arg max, rounding: one-hots are 0 or √2 apart", async () => {
  const labels = tensor([2, 0, 2, 1], { dtype: "int32" });
  const hot = oneHot(labels, 3, { dtype: "float64" });
  expect(await hot.array()).toEqual([[0, 0, 1], [1, 0, 0], [0, 0, 1], [0, 1, 0]]);
  expect(await valuesOf(argmax(hot, { axis: 1 }))).toEqual([2, 0, 2, 1]);
  const [classes, rows] = [[2, 0, 2, 1], (await hot.array()) as number[][]];
  for (let i = 0; i < 4; i++) {
    for (let j = 0; j < 4; j++) {
      const distance = await norm(sub(f64(rows[i]!), f64(rows[j]!))).item();
      expect(distance).toBe(classes[i] === classes[j] ? 0 : Math.SQRT2);
    }
  }
  // Halves go to the even neighbor; the rounded probability is the decision at one half.
  expect(await valuesOf(round(tensor([0.5, 1.5, 2.5, -1.2])))).toEqual([0, 2, 2, -1]);
  expect(await valuesOf(argmax(tensor([1, 3, 3])))).toEqual([1]);
});

describe("1.7 seeded randomness", () => {
  const draw = (): Record<string, Tensor> => {
    const [a, b, c, d] = split(key(42), 4);
    return {
      bits: bits(a, [64]),
      unit: uniform(a, [1000]),
      uniform: uniform(a, [1000], { low: -2, high: 3 }),
      bernoulli: bernoulli(b, 0.3, [1000]),
      categorical: categorical(c, tensor([0, Math.LN2, -Infinity]), { shape: [1000] }),
      permutation: permutation(d, 31),
      normal: normal(a, [1000]),
      truncated: truncatedNormal(b, [1000]),
    };
  };

  test("the same key gives the same numbers on every backend, another key gives others", async () => {
    const devices = [await reference(), await cpu({ threads: 1 })];
    const drawn = [];
    for (const device of devices) {
      setDevice(device);
      const samples = draw();
      drawn.push(Object.fromEntries(await Promise.all(
        Object.entries(samples).map(async ([name, sample]) => [name, await valuesOf(sample)] as const))));
    }
    setDevice(await reference());
    for (const name of ["bits", "unit", "bernoulli", "categorical", "permutation"]) {
      expect(drawn[1]![name], name).toEqual(drawn[0]![name]);
    }
    // What is scaled or transformed differs in the last bit where a backend fuses multiplication and addition.
    for (const name of ["uniform", "normal", "truncated"]) {
      await expectValues(tensor(drawn[1]![name]!), drawn[0]![name]!, 1e-6);
    }
    expect(await valuesOf(uniform(key(1), [8]))).not.toEqual(await valuesOf(uniform(key(2), [8])));
    expect(await valuesOf(uniform(key(1), [8]))).toEqual(await valuesOf(uniform(key(1), [8])));
    const [left, right] = split(key(1));
    expect(await valuesOf(uniform(left, [8]))).not.toEqual(await valuesOf(uniform(right, [8])));
  });

  test("samples follow their distributions", async () => {
    const { uniform: u, bernoulli: b, categorical: c, permutation: p, normal: z, truncated: t } = draw();
    const average = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    const within = (values: readonly number[], mean: number, deviation: number): void =>
      expect(Math.abs(average(values) - mean)).toBeLessThan((4 * deviation) / Math.sqrt(values.length));
    const flat = await valuesOf(u!);
    within(flat, 0.5, 5 / Math.sqrt(12));
    expect(Math.min(...flat)).toBeGreaterThanOrEqual(-2);
    expect(Math.max(...flat)).toBeLessThan(3);
    within((await valuesOf(b!)).map(Number), 0.3, Math.sqrt(0.21));
    const classes = await valuesOf(c!);
    expect(new Set(classes)).toEqual(new Set([0, 1]));
    within(classes, 2 / 3, Math.sqrt(2 / 9));
    expect([...await valuesOf(p!)].sort((x, y) => x - y)).toEqual(Array.from({ length: 31 }, (_, i) => i));
    within(await valuesOf(z!), 0, 1);
    within(await valuesOf(square(z!)), 1, Math.SQRT2);
    expect(Math.max(...(await valuesOf(t!)).map(Math.abs))).toBeLessThanOrEqual(2);
  });
});
