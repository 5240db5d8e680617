/**
 * Factorizations and triangular solves on the GPU: against the reference where a result is unique, else against what
 * the parts promise.
 */
import { createReferenceBackend } from "@dormouse/backend-cpu/reference";
import {
  type Backend, type Factorization, type FactorRoutine, type TriangularSolveRoutine, factorLength,
} from "@dormouse/tensor/graph";
import { expect, test } from "vitest";
import { argument, execute, singleKernel } from "../../backend-cpu/test/support.ts";
import { backend, describeOnGpu } from "./gpu.ts";

type Sizes = readonly [batch: number, rows: number, columns: number];
type Numbers = ArrayLike<number>;

const oracle = createReferenceBackend();

type MatrixRoutine = FactorRoutine | TriangularSolveRoutine;

const factor = (name: Factorization, [batch, rows, columns]: Sizes): FactorRoutine => ({
  kind: "routine", name, batch, rows, columns,
  args: [argument(batch * rows * columns), argument(batch * factorLength(name, rows, columns), "write")],
});

/** Random matrices with `diagonal · (1 + i/n)` added to element (i, i). */
function matrices([batch, m, n]: Sizes, diagonal: number): Float32Array {
  let state = (m * 100 + n) | 1;
  return Float32Array.from({ length: batch * m * n }, (_, at) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const [i, j] = [Math.floor(at / n) % m, at % n];
    return (2 * state) / 2 ** 32 - 1 + (i === j ? diagonal * (1 + i / n) : 0);
  });
}

async function runOn(on: Backend, kernel: MatrixRoutine, inputs: readonly Float32Array[]): Promise<Numbers> {
  return (await execute(on, singleKernel(kernel), inputs))[0]!;
}

/** Errors are relative to the largest element. */
async function expectLikeReference(
  kernel: MatrixRoutine,
  inputs: readonly Float32Array[],
  tolerance: number,
): Promise<void> {
  const wanted = await runOn(oracle, kernel, inputs);
  const got = await runOn(backend, kernel, inputs);
  const most = Math.max(1, ...Array.from(wanted, Math.abs));
  expect(got.length).toBe(wanted.length);
  const errors = Array.from(wanted, (w, i) => Math.abs(w - got[i]!) / most);
  expect(errors.filter((error) => !(error <= tolerance)), `${kernel.batch} × ${kernel.rows} × ${kernel.columns}`).toEqual([]);
}

/** Largest element of `left·diagonal·rightᵀ - wanted`, both [rows, inner] and [columns, inner]. */
function distance(
  left: Numbers,
  diagonal: Numbers | null,
  right: Numbers,
  wanted: (i: number, j: number) => number,
  rows: number,
  columns: number,
  inner: number,
): number {
  let most = 0;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      let sum = 0;
      for (let k = 0; k < inner; k++) sum += left[i * inner + k]! * (diagonal?.[k] ?? 1) * right[j * inner + k]!;
      const error = Math.abs(sum - wanted(i, j));
      if (!(error <= most)) most = error;
    }
  }
  return most;
}

function transposed(a: Numbers, rows: number, columns: number): Float64Array {
  return Float64Array.from({ length: rows * columns }, (_, at) => a[(at % rows) * columns + Math.floor(at / rows)]!);
}

const identity = (i: number, j: number): number => Number(i === j);
const squares: readonly Sizes[] = [[1, 1, 1], [5, 2, 2], [3, 3, 3], [2, 5, 5], [1, 17, 17], [2, 33, 33], [0, 3, 3], [1, 0, 0]];
const tall: readonly Sizes[] = [...squares, [2, 3, 1], [3, 7, 2], [1, 34, 5]];

describeOnGpu("matrices", () => {
  test.each(["cholesky", "lu", "eigh"] as const)("%s of a matrix with a large diagonal is the reference's", async (name) => {
    for (const sizes of squares) {
      // Eigenvectors of neighboring eigenvalues magnify rounding by the inverse of the gap.
      await expectLikeReference(factor(name, sizes), [matrices(sizes, name === "lu" ? 0 : 3 * sizes[1])], 2e-5);
    }
  });

  test.each(["qr", "svd"] as const)("%s of a matrix with a large diagonal is the reference's", async (name) => {
    for (const sizes of tall) await expectLikeReference(factor(name, sizes), [matrices(sizes, 3 * sizes[1])], 2e-5);
  });

  test.each([[1, 1, 1], [3, 2, 3], [2, 5, 1], [1, 17, 40], [2, 33, 1], [0, 2, 2]] as const)("triangular solves %i × %i, %i sides", async (batch, rows, columns) => {
    for (const lower of [true, false]) {
      for (const unit of [true, false]) {
        const kernel: TriangularSolveRoutine = {
          kind: "routine", name: "triangularSolve", batch, rows, columns, lower, unit,
          args: [argument(batch * rows * rows), argument(batch * rows * columns), argument(batch * rows * columns, "write")],
        };
        const a = matrices([batch, rows, rows], unit ? 0 : 4 * rows).map((x) => (unit ? x / rows : x));
        await expectLikeReference(kernel, [a, matrices([batch, rows, columns], 0)], 2e-6);
      }
    }
  });

  test.each([[2, 2], [7, 7], [40, 40], [65, 64], [300, 3]])("random %i × %i: a = q·r, q orthogonal", async (m, n) => {
    const a = matrices([1, m, n], 0);
    const out = await runOn(backend, factor("qr", [1, m, n]), [a]);
    const [q, r] = [Array.from(out).slice(0, m * n), Array.from(out).slice(m * n)];
    expect(distance(q, null, transposed(r, n, n), (i, j) => a[i * n + j]!, m, n, n)).toBeLessThan(1e-5);
    expect(distance(transposed(q, m, n), null, transposed(q, m, n), identity, n, n, m)).toBeLessThan(1e-5);
    for (let i = 0; i < n; i++) {
      expect(r[i * n + i]).toBeGreaterThanOrEqual(0);
      expect(r.slice(i * n, i * n + i).every((x) => x === 0)).toBe(true);
    }
  });

  test.each([1, 2, 7, 40, 65])("random symmetric, %i rows: a·v = v·w, ascending", async (n) => {
    const a = matrices([1, n, n], 0);
    const out = Array.from(await runOn(backend, factor("eigh", [1, n, n]), [a]));
    const [w, v] = [out.slice(0, n), out.slice(n)];
    expect(distance(v, w, v, (i, j) => (a[i * n + j]! + a[j * n + i]!) / 2, n, n, n)).toBeLessThan(2e-5);
    expect(distance(v, null, v, identity, n, n, n)).toBeLessThan(1e-5);
    expect(w).toEqual(w.toSorted((x, y) => x - y));
    const wanted = await runOn(oracle, factor("eigh", [1, n, n]), [a]);
    w.forEach((value, i) => expect(value).toBeCloseTo(wanted[i]!, 4));
  });

  test.each([[1, 1], [2, 2], [9, 4], [24, 24], [65, 9], [100, 2]])("random %i × %i: a = u·s·vᵀ, descending", async (m, n) => {
    const a = matrices([1, m, n], 0);
    const out = Array.from(await runOn(backend, factor("svd", [1, m, n]), [a]));
    const [u, s, v] = [out.slice(0, m * n), out.slice(m * n, m * n + n), out.slice(m * n + n)];
    expect(distance(u, s, v, (i, j) => a[i * n + j]!, m, n, n)).toBeLessThan(2e-5);
    expect(distance(v, null, v, identity, n, n, n)).toBeLessThan(1e-5);
    expect(distance(transposed(u, m, n), null, transposed(u, m, n), identity, n, n, m)).toBeLessThan(1e-5);
    expect(s).toEqual(s.toSorted((x, y) => y - x));
    const wanted = await runOn(oracle, factor("svd", [1, m, n]), [a]);
    s.forEach((value, i) => expect(value).toBeCloseTo(wanted[m * n + i]!, 4));
  });

  const run = async (name: Factorization, rows: number, columns: number, elements: readonly number[]): Promise<number[]> =>
    Array.from(await runOn(backend, factor(name, [1, rows, columns]), [Float32Array.from(elements)]));

  test("cholesky is NaN from the first pivot that is not positive", async () => {
    expect(await run("cholesky", 3, 3, [4, 2, 0, 2, 1, 5, 0, 5, 9])).toEqual([2, 0, 0, 1, NaN, 0, 0, NaN, NaN]);
  });

  test("lu leaves a zero pivot where a column has nothing else", async () => {
    expect(await run("lu", 3, 3, [1, 2, 3, 2, 4, 7, 1, 2, 9])).toEqual([2, 4, 7, 0.5, 0, -0.5, 0.5, 0, 5.5, 1, 0, 2]);
  });

  test.each([[3, 2], [7, 7], [40, 6]])("svd completes the left vectors of a %i × %i matrix of rank 1 and 0", async (m, n) => {
    for (const value of [1, 0]) {
      const out = await run("svd", m, n, Array<number>(m * n).fill(value));
      const u = transposed(out.slice(0, m * n), m, n);
      expect(out[m * n]).toBeCloseTo(value * Math.sqrt(m * n), 4);
      for (const s of out.slice(m * n + 1, m * n + n)) expect(Math.abs(s)).toBeLessThan(1e-6);
      expect(distance(u, null, u, identity, n, n, m)).toBeLessThan(1e-5);
    }
  });

  test("zero, huge and tiny matrices", async () => {
    expect((await run("svd", 2, 2, [3e38, 0, 0, 2e38])).slice(4, 6)).toEqual([3e38, 2e38].map(Math.fround));
    expect((await run("svd", 2, 2, [3e-30, 0, 0, 4e-30])).slice(4, 6)).toEqual([4e-30, 3e-30].map(Math.fround));
    expect((await run("eigh", 2, 2, [2e38, 0, 0, -3e38])).slice(0, 2)).toEqual([-3e38, 2e38].map(Math.fround));
    expect((await run("qr", 2, 1, [3e37, 4e37]))[2]! / 5e37).toBeCloseTo(1, 6);
    expect(await run("qr", 2, 2, [0, 0, 0, 0])).toEqual([1, 0, 0, 1, 0, 0, 0, 0]);
  });

  test("NaN stays NaN and ends", async () => {
    for (const odd of [NaN, Infinity]) {
      expect(await run("eigh", 2, 2, [1, odd, odd, 2])).toEqual(Array(6).fill(NaN));
      expect(await run("svd", 3, 2, [1, odd, 1, 2, 3, 4])).toEqual(Array(12).fill(NaN));
    }
    expect(await run("lu", 2, 2, [NaN, 1, 1, 2])).toEqual([NaN, 1, NaN, NaN, 0, 1]);
  });
});
