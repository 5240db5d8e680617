/** Factorizations: the parts have their structure, and multiply to the matrix. */
import { describe, expect, test } from "vitest";
import { type Tensor, add, compile, diag, linalg, matmul, mul, take, tensor, transpose, tril, triu } from "../../src/index.ts";
import { diagEmbed } from "../../src/ops/cumulative.ts";
import { expectOrthonormal, expectSame, onDevices, positive, random, sizes, tolerances, use } from "./matrices.ts";

const f64 = (elements: number[][]): Tensor => tensor(elements, { dtype: "float64" });
const rectangles = [[3, 5, 5], [2, 7, 3], [2, 3, 7], [33, 1], [1, 33], [17, 5], [5, 17], [2, 0, 3], [2, 3, 0]];
const batches = sizes.flatMap((n) => [[n, n], [2, 3, n, n]]);

onDevices((device) => {
  for (const dtype of ["float64", "float32"] as const) {
    const tolerance = tolerances[dtype];
    describe(dtype, () => {
      test.each(batches)("cholesky %j %j %j %j", async (...given) => {
        use(device);
        const shape = given.filter((length) => typeof length === "number");
        const a = positive(shape, dtype);
        const l = linalg.cholesky(a);
        await expectSame(matmul(l, transpose(l)), a, tolerance);
        await expectSame(l, tril(l), 0);
      });
      test("lu", async () => {
        use(device);
        for (const shape of batches) {
          const a = random(shape, dtype);
          const { l, u, rows } = linalg.lu(a);
          await expectSame(u, triu(u), 0);
          expect(rows.dtype).toBe("int32");
          if (shape.length === 2 && shape[0]! > 0) await expectSame(matmul(l, u), take(a, rows), tolerance);
          const largest = Math.max(0, ...(await l.data()).map(Math.abs));
          expect(largest).toBeLessThanOrEqual(1);
        }
      });
      test.each([...batches, ...rectangles])("qr and svd %j %j %j %j", async (...given) => {
        use(device);
        const shape = given.filter((length) => typeof length === "number");
        const a = random(shape, dtype);
        const k = Math.min(...shape.slice(-2));
        const { q, r } = linalg.qr(a);
        expect([q.shape, r.shape]).toEqual([[...shape.slice(0, -1), k], [...shape.slice(0, -2), k, shape.at(-1)]]);
        await expectOrthonormal(q, tolerance);
        await expectSame(r, triu(r), 0);
        await expectSame(matmul(q, r), a, tolerance);

        const { u, s, vt } = linalg.svd(a);
        expect([u.shape, s.shape, vt.shape]).toEqual([q.shape, [...shape.slice(0, -2), k], r.shape]);
        await expectOrthonormal(u, tolerance);
        await expectOrthonormal(transpose(vt), tolerance);
        await expectSame(matmul(matmul(u, diagEmbed(s)), vt), a, tolerance);
        const values = await s.data();
        values.forEach((value, i) => i % Math.max(k, 1) > 0 && expect(value).toBeLessThanOrEqual(values[i - 1]!));
      });
      test.each(batches)("eigh %j %j %j %j", async (...given) => {
        use(device);
        const shape = given.filter((length) => typeof length === "number");
        const x = random(shape, dtype);
        const a = add(x, transpose(x));
        const { values, vectors } = linalg.eigh(a);
        await expectOrthonormal(vectors, tolerance);
        await expectSame(matmul(matmul(vectors, diagEmbed(values)), transpose(vectors)), a, tolerance);
        const list = await values.data();
        const n = Math.max(shape.at(-1)!, 1);
        list.forEach((value, i) => i % n > 0 && expect(value).toBeGreaterThanOrEqual(list[i - 1]!));
      });
    });
  }

  test("closed forms", async () => {
    use(device);
    // The second difference has the eigenvalues 2 − 2·cos(kπ/(n+1)).
    const n = 17;
    const rows = Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => (i === j ? 2 : Math.abs(i - j) === 1 ? -1 : 0)));
    const wanted = rows.map((_, k) => 2 - 2 * Math.cos(((k + 1) * Math.PI) / (n + 1)));
    await expectSame(linalg.eigh(f64(rows)).values, tensor(wanted, { dtype: "float64" }), 5e-15);
    await expectSame(linalg.svd(f64(rows)).s, tensor(wanted.toReversed(), { dtype: "float64" }), 5e-15);
    // Hilbert's matrix of 4 rows: the smallest value to all its digits (MATLAB, svd(hilb(4)), 5 digits shown).
    const hilbert = Array.from({ length: 4 }, (_, i) => Array.from({ length: 4 }, (_, j) => 1 / (i + j + 1)));
    const [largest, , , smallest] = await linalg.svd(f64(hilbert)).s.data();
    expect(largest).toBeCloseTo(1.5002, 4);
    expect(smallest! * 1e5).toBeCloseTo(9.6702, 4);
  });

  test("matrices without full rank have orthonormal vectors all the same", async () => {
    use(device);
    const low = matmul(random([2, 7, 2]), random([2, 2, 5], "float64", 4));
    for (const a of [low, transpose(low), mul(low, 0), diag(tensor([1, 0, 1e-170, 0], { dtype: "float64" }))]) {
      const { u, s, vt } = linalg.svd(a);
      await expectOrthonormal(u, 1e-12);
      await expectOrthonormal(transpose(vt), 1e-12);
      await expectSame(matmul(matmul(u, diagEmbed(s)), vt), a, 1e-12);
    }
    const { q, r } = linalg.qr(low);
    await expectOrthonormal(q, 1e-12);
    await expectSame(matmul(q, r), low, 1e-12);
  });

  test("cholesky names the pivot and the matrix that is not positive definite", async () => {
    use(device);
    await expect(linalg.cholesky(f64([[1, 2], [2, 1]])).array()).rejects.toThrow(
      "linalg.cholesky: the matrix is not positive definite at pivot 1; add a small multiple of the identity, or use eigh",
    );
    const batch = tensor([[[1, 0], [0, 1]], [[1, 0], [0, -1]], [[-1, 0], [0, 1]]], { dtype: "float64" });
    await expect(linalg.cholesky(batch).array()).rejects.toThrow("matrix [1] of [3] is not positive definite at pivot 1");
    const step = compile((a: Tensor) => linalg.cholesky(a));
    expect(await step(f64([[4, 2], [2, 5]])).array()).toEqual([[2, 0], [1, 2]]);
    expect(() => step(f64([[0, 2], [2, 5]]))).toThrow("not positive definite at pivot 0");
  });

  test("only the symmetric part is read", async () => {
    use(device);
    expect(await linalg.cholesky(f64([[4, 4], [0, 5]])).array()).toEqual([[2, 0], [1, 2]]);
    await expectSame(linalg.eigh(f64([[0, 4], [0, 0]])).values, tensor([-2, 2], { dtype: "float64" }), 5e-15);
  });

  test("shapes and dtypes that cannot be factored", () => {
    use(device);
    expect(() => linalg.cholesky(random([2, 3]))).toThrow("linalg.cholesky: a has shape [2, 3], which is not square; give square matrices, or use lstsq or pinv");
    expect(() => linalg.svd(random([3]))).toThrow("linalg.svd: a has shape [3]; reshape it to a matrix first");
    expect(() => linalg.qr(tensor([[1, 2]], { dtype: "int32" }))).toThrow("linalg.qr: int32 is not a float dtype");
  });
});
