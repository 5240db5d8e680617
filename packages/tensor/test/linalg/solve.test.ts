/** Systems, inverses, determinants, least squares: against reconstruction, closed forms and each other. */
import { describe, expect, test } from "vitest";
import {
  type Tensor, add, compile, concat, exp, linalg, log, matmul, mul, prod, reshape, slice, squeeze, sub, sum, tensor, transpose,
  tril, triu,
} from "../../src/index.ts";
import { type Float, expectSame, identity, onDevices, positive, random, sizes, tolerances, use } from "./matrices.ts";

const f64 = (elements: number[] | number[][]): Tensor => tensor(elements, { dtype: "float64" });
/** Random matrices, far from singular. */
const regular = (shape: number[], dtype: Float): Tensor =>
  add(random(shape, dtype), mul(identity(shape, dtype), shape.at(-1)!));

onDevices((device) => {
  for (const dtype of ["float64", "float32"] as const) {
    const tolerance = tolerances[dtype];
    test(`solve and inv, ${dtype}`, async () => {
      use(device);
      for (const n of sizes) {
        for (const batch of [[], [2, 3]]) {
          const a = regular([...batch, n, n], dtype);
          const b = random([...batch, n, 3], dtype);
          await expectSame(matmul(a, linalg.solve(a, b)), b, tolerance);
          await expectSame(matmul(linalg.inv(a), a), identity([...batch, n, n], dtype), tolerance);
          const vector = random([n], dtype, 5);
          const x = linalg.solve(a, vector);
          expect(x.shape).toEqual([...batch, n]);
          await expectSame(squeeze(matmul(a, reshape(x, [...batch, n, 1])), { axis: -1 }), add(vector, mul(x, 0)), tolerance);
        }
      }
    });
    test(`solve broadcasts leading axes, ${dtype}`, async () => {
      use(device);
      const a = regular([3, 1, 5, 5], dtype);
      const b = random([2, 5, 2], dtype);
      const x = linalg.solve(a, b);
      expect(x.shape).toEqual([3, 2, 5, 2]);
      await expectSame(matmul(a, x), add(b, mul(x, 0)), tolerance);
    });
    test(`solveTriangular, ${dtype}`, async () => {
      use(device);
      for (const n of sizes) {
        const a = regular([2, n, n], dtype);
        const b = random([2, n, 4], dtype);
        await expectSame(matmul(tril(a), linalg.solveTriangular(a, b)), b, tolerance);
        await expectSame(matmul(triu(a), linalg.solveTriangular(a, b, { lower: false })), b, tolerance);
        const small = mul(random([2, n, n], dtype), 1 / Math.max(n, 1));
        const unit = add(tril(small, { offset: -1 }), identity([2, n, n], dtype));
        await expectSame(matmul(unit, linalg.solveTriangular(small, b, { unitDiagonal: true })), b, tolerance);
      }
    });
    test(`det and slogdet against eigenvalues, ${dtype}`, async () => {
      use(device);
      for (const n of sizes) {
        const a = positive([2, n, n], dtype);
        const { sign, logAbsDet } = linalg.slogdet(a);
        const values = linalg.eigh(a).values;
        await expectSame(sign, tensor([1, 1], { dtype }), 0);
        const wanted = sum(log(values), { axis: -1 });
        await expectSame(logAbsDet, wanted, 10 * tolerance);
        if (n < 6) await expectSame(linalg.det(a), prod(values, { axis: -1 }), tolerance);
        if (n < 6) await expectSame(linalg.det(a), exp(logAbsDet), 10 * tolerance);
      }
    });
    test(`least squares of tall and wide matrices, ${dtype}`, async () => {
      use(device);
      for (const [m, n] of [[7, 3], [3, 7], [33, 5], [5, 5], [1, 4], [4, 1]] as const) {
        const a = random([2, m, n], dtype);
        const b = random([2, m, 2], dtype);
        const { x, residuals, rank } = linalg.lstsq(a, b);
        const error = sub(b, matmul(a, x));
        await expectSame(matmul(transpose(a), error), mul(x, 0), 4 * tolerance);
        await expectSame(residuals, sum(mul(error, error), { axis: -2 }), tolerance);
        expect(await rank.array()).toEqual([Math.min(m, n), Math.min(m, n)]);
        // Penrose's four conditions.
        const p = linalg.pinv(a);
        await expectSame(matmul(matmul(a, p), a), a, 4 * tolerance);
        await expectSame(matmul(matmul(p, a), p), p, 4 * tolerance);
        await expectSame(matmul(a, p), transpose(matmul(a, p)), 4 * tolerance);
        await expectSame(matmul(p, a), transpose(matmul(p, a)), 4 * tolerance);
      }
    });
  }

  test("closed forms", async () => {
    use(device);
    expect(await linalg.solve(f64([[3, 1], [1, 2]]), f64([9, 8])).array()).toEqual([2, 3]);
    expect(await linalg.solveTriangular(f64([[2, 0], [1, 4]]), f64([2, 9])).array()).toEqual([1, 2]);
    await expectSame(linalg.lstsq(f64([[0, 1], [1, 1], [2, 1]]), f64([1, 3, 5])).x, f64([2, 1]), 1e-14);
    expect(await linalg.det(f64([[0, 1], [1, 0]])).item()).toBe(-1);
    expect(await linalg.det(f64([[0, 0, 2], [3, 0, 0], [0, 4, 0]])).item()).toBe(24);
    expect(await linalg.det(f64([[1, 2], [2, 4]])).item()).toBeCloseTo(0, 300);
    // Vandermonde's determinant is the product of the differences.
    const nodes = [1, 2, 4, 7, 11];
    const rows = nodes.map((x) => nodes.map((_, k) => x ** k));
    const wanted = nodes.flatMap((x, i) => nodes.slice(i + 1).map((y) => y - x)).reduce((product, d) => product * d, 1);
    expect((await linalg.det(f64(rows)).item()) / wanted).toBeCloseTo(1, 11);
    const { sign, logAbsDet } = linalg.slogdet(f64([[1, 2], [2, 4]]));
    expect([Math.abs(await sign.item()), await logAbsDet.item()]).toEqual([0, -Infinity]);
  });

  describe("singular matrices", () => {
    const singular = [[1, 2, 3], [2, 4, 6], [1, 0, 1]];
    test("are refused with the pivot", async () => {
      use(device);
      await expect(linalg.solve(f64(singular), f64([1, 2, 3])).array()).rejects.toThrow(
        "linalg.solve: the matrix is singular at pivot 2; use lstsq or pinv, or add a small multiple of the identity",
      );
      await expect(linalg.inv(f64([[0, 0], [0, 0]])).array()).rejects.toThrow("linalg.inv: the matrix is singular at pivot 0");
      const triangle = f64([[1, 0], [5, 0]]);
      await expect(linalg.solveTriangular(triangle, f64([1, 2])).array()).rejects.toThrow("singular at pivot 1");
      expect(await linalg.solveTriangular(triangle, f64([1, 7]), { unitDiagonal: true }).array()).toEqual([1, 2]);
    });
    test("are named in a batch, and in a compiled function", async () => {
      use(device);
      const batch = concat([identity([2, 2, 3, 3]), reshape(f64(singular), [1, 1, 3, 3]), identity([1, 1, 3, 3])].map((x) => reshape(x, [-1, 3, 3])), { axis: 0 });
      const error = await linalg.inv(reshape(batch, [3, 2, 3, 3])).data().catch((reason: unknown) => reason);
      expect(String(error)).toContain("linalg.inv: matrix [2, 0] of [3, 2] is singular at pivot 2");
      const step = compile((a: Tensor, b: Tensor) => linalg.solve(a, b));
      expect(() => step(f64(singular), f64([1, 2, 3]))).toThrow("the matrix is singular at pivot 2");
      await expectSame(step(positive([3, 3]), f64([1, 2, 3])), linalg.solve(positive([3, 3]), f64([1, 2, 3])), 1e-14);
    });
    test("have a pseudoinverse, a rank and a solution of least norm", async () => {
      use(device);
      const a = f64(singular);
      expect(await linalg.matrixRank(a).item()).toBe(2);
      const { x, rank } = linalg.lstsq(a, f64([14, 28, 4]));
      expect(await rank.item()).toBe(2);
      // All solutions are (4, 5, 0) + t·(1, 1, −1); the shortest is at right angles to that direction.
      await expectSame(x, f64([1, 2, 3]), 1e-13);
      await expectSame(linalg.pinv(f64([[1, 1], [1, 1]])), f64([[0.25, 0.25], [0.25, 0.25]]), 1e-15);
      expect(await linalg.pinv(f64([[0, 0, 0], [0, 0, 0]])).array()).toEqual([[0, 0], [0, 0], [0, 0]]);
    });
    test("of float32, where rounding hides it, by rcond", async () => {
      use(device);
      const thirds = tensor([[1 / 3, 2 / 3], [1, 2.0000002]]);
      expect(await linalg.matrixRank(thirds).item()).toBe(1);
      expect(await linalg.matrixRank(thirds, { rcond: 0 }).item()).toBe(2);
      expect(() => linalg.pinv(thirds, { rcond: -1 })).toThrow("linalg.pinv: rcond is -1; give a number that is not negative");
    });
  });

  test("normal equations, pinv and qr agree", async () => {
    use(device);
    const [a, b] = [random([33, 5]), random([33, 2], "float64", 9)];
    const { q, r } = linalg.qr(a);
    const { x } = linalg.lstsq(a, b);
    await expectSame(linalg.solve(matmul(transpose(a), a), matmul(transpose(a), b)), x, 1e-12);
    await expectSame(matmul(linalg.pinv(a), b), x, 1e-12);
    await expectSame(linalg.solveTriangular(r, matmul(transpose(q), b), { lower: false }), x, 1e-12);
    const l = linalg.cholesky(matmul(transpose(a), a));
    const y = linalg.solveTriangular(l, matmul(transpose(a), b));
    await expectSame(linalg.solveTriangular(transpose(l), y, { lower: false }), x, 1e-12);
  });

  test("ridge regression stays solvable when a column is there twice", async () => {
    use(device);
    const a = random([17, 3]);
    const twice = concat([a, slice(a, [null, [0, 1]])], { axis: 1 });
    const b = random([17], "float64", 2);
    const gram = matmul(transpose(twice), twice);
    const ridge = (alpha: number): Tensor => linalg.solve(add(gram, mul(identity([4, 4]), alpha)), matmul(transpose(twice), b));
    const x = ridge(1e-3);
    await expectSame(slice(x, [[0, 1]]), slice(x, [[3, 4]]), 1e-9);
    // As the penalty vanishes, the solution of least norm is left.
    await expectSame(ridge(1e-7), linalg.lstsq(twice, b).x, 1e-6);
    await expectSame(linalg.matrixRank(twice), tensor(3, { dtype: "int32" }), 0);
  });

  test("nearly singular systems say so by their condition", async () => {
    use(device);
    const hilbert = f64(Array.from({ length: 8 }, (_, i) => Array.from({ length: 8 }, (_, j) => 1 / (i + j + 1))));
    // MATLAB: cond(hilb(8)) = 1.5258e10.
    expect((await linalg.cond(hilbert).item()) / 1.5258e10).toBeCloseTo(1, 4);
    const ones = f64(Array.from({ length: 8 }, () => 1));
    const x = linalg.solve(hilbert, matmul(hilbert, ones));
    await expectSame(x, ones, 1.5e10 * 2 ** -52);
  });

  test("norms, conditions, powers, traces", async () => {
    use(device);
    const a = f64([[1, -2], [3, 4]]);
    const norm = (p: linalg.MatrixNorm): Promise<number> => linalg.matrixNorm(a, { p }).item();
    expect(await norm(1)).toBe(6);
    expect(await norm(-1)).toBe(4);
    expect(await norm(Infinity)).toBe(7);
    expect(await norm(-Infinity)).toBe(3);
    expect(await linalg.matrixNorm(a).item()).toBeCloseTo(Math.sqrt(30), 14);
    // s² are the roots of t² − 30t + 100.
    const [s, t] = [Math.sqrt(15 + Math.sqrt(125)), Math.sqrt(15 - Math.sqrt(125))];
    expect(await norm(2)).toBeCloseTo(s, 14);
    expect(await norm(-2)).toBeCloseTo(t, 14);
    expect(await norm("nuc")).toBeCloseTo(s + t, 14);
    expect(() => linalg.matrixNorm(a, { p: 3 as 2 })).toThrow('linalg.matrixNorm: p is 3; use "fro", "nuc", 1, 2 or Infinity');
    expect(await linalg.cond(a).item()).toBeCloseTo(s / t, 13);
    expect(await linalg.cond(a, { p: -2 }).item()).toBeCloseTo(t / s, 13);
    // The inverse is [[4, 2], [−3, 1]] / 10.
    expect(await linalg.cond(a, { p: 1 }).item()).toBeCloseTo(6 * 0.7, 14);
    expect(await linalg.cond(a, { p: Infinity }).item()).toBeCloseTo(7 * 0.6, 14);
    expect(await linalg.cond(f64([[1, 2], [2, 4]]), { p: 1 }).item()).toBe(Infinity);
    expect(await linalg.cond(f64([[1, 0], [0, 0]])).item()).toBe(Infinity);

    const fibonacci = f64([[1, 1], [1, 0]]);
    expect(await linalg.matrixPower(fibonacci, 11).array()).toEqual([[144, 89], [89, 55]]);
    expect(await linalg.matrixPower(fibonacci, 0).array()).toEqual([[1, 0], [0, 1]]);
    expect(await linalg.matrixPower(fibonacci, -3).array()).toEqual([[-1, 2], [2, -3]]);
    expect(() => linalg.matrixPower(fibonacci, 0.5)).toThrow("linalg.matrixPower: the exponent is 0.5");
    expect(await linalg.trace(tensor([[[1, 2], [3, 4]], [[5, 6], [7, 8]]])).array()).toEqual([5, 13]);
  });

  test("nothing", async () => {
    use(device);
    expect(await linalg.det(random([0, 0])).item()).toBe(1);
    expect(await linalg.det(random([0, 3, 3])).array()).toEqual([]);
    expect(await linalg.solve(random([0, 0]), random([0])).array()).toEqual([]);
    for (const shape of [[0, 3], [3, 0]]) {
      expect(linalg.pinv(random(shape)).shape).toEqual(shape.toReversed());
      expect(await linalg.matrixRank(random(shape)).item()).toBe(0);
    }
    expect(await linalg.lstsq(random([0, 2]), random([0])).x.array()).toEqual([0, 0]);
  });

  test("shapes that do not fit", () => {
    use(device);
    expect(() => linalg.solve(random([3, 3]), random([2]))).toThrow(
      "linalg.solve: a [3, 3] has 3 rows, b [2] has 2; give b [m], or [.., m, k] for several right sides",
    );
    expect(() => linalg.solve(random([2, 3, 3]), random([4, 3, 1]))).toThrow("linalg.solve: [2] and [4] do not broadcast");
    expect(() => linalg.solve(random([3, 3]), random([3], "float32"))).toThrow("float64 and float32 do not mix");
    expect(() => linalg.inv(random([2, 3]))).toThrow("linalg.inv: a has shape [2, 3], which is not square");
  });
});
