/** Generated code of factorizations and triangular solves against the reference, and against what the parts promise. */
import { describe, expect, test } from "vitest";
import { type Factorization, type RoutineKernel, allocate, factorLength } from "@dormouse/tensor/graph";
import type { TypedArray } from "@dormouse/tensor";
import { generateRoutine } from "../../src/wasm/routines.ts";
import { check, random, read, runGenerated, write } from "./kernel-support.ts";

type Float = "float32" | "float64";

const factor = (name: Factorization, dtype: Float, [batch, rows, columns]: readonly [number, number, number]): RoutineKernel => ({
  kind: "routine",
  name,
  args: [read(dtype, batch * rows * columns), write(dtype, batch * factorLength(name, rows, columns))],
  batch, rows, columns,
});

/** Random matrices with `diagonal · (1 + i/n)` added to element (i, i). */
function matrices(dtype: Float, [batch, m, n]: readonly [number, number, number], diagonal: number): TypedArray {
  const next = random(m * 100 + n);
  const array = allocate(dtype, batch * m * n);
  array.forEach((_, at) => {
    const [i, j] = [Math.floor(at / n) % m, at % n];
    array[at] = 2 * next() - 1 + (i === j ? diagonal * (1 + i / n) : 0);
  });
  return array;
}

const square = [[1, 1, 1], [5, 2, 2], [3, 3, 3], [2, 5, 5], [1, 17, 17], [2, 33, 33], [0, 3, 3]] as const;
const tall = [...square, [2, 3, 1], [3, 7, 2], [1, 34, 5]] as const;

describe("factorizations", () => {
  for (const dtype of ["float32", "float64"] as const) {
    // Eigenvectors of neighboring eigenvalues magnify rounding by the inverse of the gap, which is at least 0.01 here.
    const tolerance = dtype === "float64" ? 1e-11 : 3e-6;
    test.each(["cholesky", "lu", "eigh"] as const)(`%s ${dtype}`, (name) => {
      for (const shape of square) {
        const kernel = factor(name, dtype, shape);
        const out = allocate(dtype, kernel.args[1]!.length);
        check(generateRoutine, kernel, [matrices(dtype, shape, name === "lu" ? 0 : 3 * shape[1]), out], tolerance);
      }
    });
    test.each(["qr", "svd"] as const)(`%s ${dtype}`, (name) => {
      for (const shape of tall) {
        const kernel = factor(name, dtype, shape);
        const out = allocate(dtype, kernel.args[1]!.length);
        check(generateRoutine, kernel, [matrices(dtype, shape, 3 * shape[1]), out], tolerance);
      }
    });
    test(`triangular solve ${dtype}`, () => {
      for (const [batch, rows, columns] of [[1, 1, 1], [3, 2, 3], [2, 5, 1], [1, 17, 4], [2, 33, 1]] as const) {
        for (const lower of [true, false]) {
          for (const unit of [true, false]) {
            const kernel: RoutineKernel = {
              kind: "routine", name: "triangularSolve", batch, rows, columns, lower, unit,
              args: [read(dtype, batch * rows * rows), read(dtype, batch * rows * columns), write(dtype, batch * rows * columns)],
            };
            const scale = unit ? 0 : 4 * rows;
            const a = matrices(dtype, [batch, rows, rows], scale).map((x) => (unit ? x / rows : x));
            const b = matrices(dtype, [batch, rows, columns], 0);
            check(generateRoutine, kernel, [a, b, allocate(dtype, b.length)], tolerance);
          }
        }
      }
    });
  }

  const run = (name: Factorization, rows: number, columns: number, elements: readonly number[]): number[] => {
    const kernel = factor(name, "float64", [1, rows, columns]);
    return [...runGenerated(generateRoutine, kernel, [Float64Array.from(elements), new Float64Array(kernel.args[1]!.length)])[1]!];
  };

  test("cholesky is NaN from the first pivot that is not positive", () => {
    expect(run("cholesky", 3, 3, [4, 2, 0, 2, 1, 5, 0, 5, 9])).toEqual([2, 0, 0, 1, NaN, 0, 0, NaN, NaN]);
  });
  test("lu leaves a zero pivot where a column has nothing else", () => {
    expect(run("lu", 3, 3, [1, 2, 3, 2, 4, 7, 1, 2, 9])).toEqual([2, 4, 7, 0.5, 0, -0.5, 0.5, 0, 5.5, 1, 0, 2]);
  });
  test("svd completes the left vectors of a matrix without full rank", () => {
    const out = run("svd", 3, 2, [1, 1, 1, 1, 1, 1]);
    const u = out.slice(0, 6);
    expect(out[6]).toBeCloseTo(Math.sqrt(6), 14);
    expect(Math.abs(out[7]!)).toBeLessThan(1e-15);
    for (const [i, j] of [[0, 0], [0, 1], [1, 1]] as const) {
      expect([0, 1, 2].reduce((sum, row) => sum + u[2 * row + i]! * u[2 * row + j]!, 0)).toBeCloseTo(i === j ? 1 : 0, 14);
    }
  });
  test("zero, huge and tiny matrices", () => {
    expect(run("svd", 2, 2, [0, 0, 0, 0]).slice(4, 6)).toEqual([0, 0]);
    expect(run("svd", 2, 2, [3e200, 0, 0, 4e200]).slice(4, 6)).toEqual([4e200, 3e200]);
    expect(run("svd", 2, 2, [3e-200, 0, 0, 4e-200]).slice(4, 6)).toEqual([4e-200, 3e-200]);
    expect(run("eigh", 2, 2, [2e300, 0, 0, -3e300]).slice(0, 2)).toEqual([-3e300, 2e300]);
    expect(run("qr", 2, 1, [3e200, 4e200])[2]! / 5e200).toBeCloseTo(1, 15);
    expect(run("qr", 2, 2, [0, 0, 0, 0])).toEqual([1, 0, 0, 1, 0, 0, 0, 0]);
  });
  test("NaN stays NaN and ends", () => {
    for (const odd of [NaN, Infinity]) {
      expect(run("eigh", 2, 2, [1, odd, odd, 2])).toEqual(Array(6).fill(NaN));
      expect(run("svd", 3, 2, [1, odd, 1, 2, 3, 4])).toEqual(Array(12).fill(NaN));
    }
    expect(run("lu", 2, 2, [NaN, 1, 1, 2])).toEqual([NaN, 1, NaN, NaN, 0, 1]);
  });
});
