/** Nearly singular systems: what is warned of, against the estimates of LAPACK's gecon, and who is told. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  NumericalWarning, type Tensor, compile, concat, linalg, matmul, mul, onWarning, reshape, tensor, transpose,
} from "../../src/index.ts";
import { reciprocalCondition } from "../../src/linalg/condition.ts";
import { type Float, identity, onDevices, random, use } from "./matrices.ts";

const hilbert = (n: number, dtype: Float): Tensor =>
  tensor(Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => 1 / (i + j + 1))), { dtype });
const ones = (n: number, dtype: Float): Tensor => tensor(Array.from({ length: n }, () => 1), { dtype });

let told: NumericalWarning[] = [];
beforeEach(() => {
  told = [];
  onWarning((warning) => void told.push(warning));
});
afterEach(() => void onWarning(null));

/** scipy.linalg.lapack.dgecon of scipy.linalg.hilbert(n), SciPy 1.10. */
const gecon = [
  [2, 0.03703703703703702], [3, 0.0013368983957219205], [4, 3.5242290748901835e-5], [5, 1.0597081987484613e-6],
  [6, 3.439939464113213e-8], [7, 1.0150275946610676e-9], [8, 2.952222021563572e-11], [9, 9.093762726294072e-13],
  [10, 2.8285088376745304e-14],
] as const;

onDevices((device) => {
  beforeEach(() => use(device));

  test.each(gecon)("the estimate of a Hilbert matrix of %i is that of LAPACK", async (n, wanted) => {
    const found = await reciprocalCondition(hilbert(n, "float64")).item();
    expect(found / wanted).toBeGreaterThan(0.99);
    expect(found / wanted).toBeLessThan(1.5);
  });

  test("the estimate is never below the reciprocal condition, nor far above", async () => {
    for (const n of [2, 3, 5, 17, 33]) {
      const a = random([6, n, n], "float64", n);
      const [estimates, exact] = [await reciprocalCondition(a).data(), await linalg.cond(a, { p: 1 }).data()];
      estimates.forEach((estimate, i) => {
        expect(estimate * exact[i]!).toBeGreaterThan(1 - 1e-9);
        expect(estimate * exact[i]!).toBeLessThan(3);
      });
    }
  });

  // SciPy warns from 12 on in float64; gecon falls below 2^-23 at 6 in float32.
  test.each([["float64", 12], ["float32", 6]] as const)("warns of Hilbert matrices in %s from %i on", async (dtype, first) => {
    for (let n = 2; n <= 14; n++) {
      for (const run of [() => linalg.solve(hilbert(n, dtype), ones(n, dtype)), () => linalg.inv(hilbert(n, dtype))]) {
        told = [];
        const values = await run().data();
        expect(values.every(Number.isFinite)).toBe(true);
        expect(told.length, `${n}`).toBe(n >= first ? 1 : 0);
      }
    }
    expect(told[0]).toBeInstanceOf(NumericalWarning);
    expect(told[0]!.message).toMatch(/^linalg\.inv: the matrix is nearly singular: its reciprocal condition is about 1e-\d+, below the ε of float(32|64), so no digit of the result need be right; use lstsq or pinv/);
    expect(told[0]!.op).toBe("linalg.inv");
  });

  test("what is well or exactly conditioned passes in silence, and what is singular throws", async () => {
    const scales = tensor([[1e-160, 0], [0, 1e160]], { dtype: "float64" });
    await linalg.solve(identity([4, 4]), ones(4, "float64")).data();
    await linalg.solve(tensor([[1e-300]], { dtype: "float64" }), ones(1, "float64")).data();
    await linalg.solve(tensor(new Float64Array(0), { shape: [0, 0] }), ones(0, "float64")).data();
    await expect(linalg.inv(mul(identity([2, 2]), 0)).data()).rejects.toThrow("the matrix is singular at pivot 0");
    expect(told).toEqual([]);
    // Scaling alone is a condition, too.
    await linalg.inv(scales).data();
    expect(told).toHaveLength(1);
  });

  test("names the matrix of a batch, and follows transforms of the graph", async () => {
    const batch = concat([identity([1, 12, 12]), reshape(hilbert(12, "float64"), [1, 12, 12])], { axis: 0 });
    await linalg.inv(batch).data();
    expect(told.at(-1)!.message).toContain("linalg.inv: matrix [1] of [2] is nearly singular");
    expect(told.at(-1)!.received).toMatchObject({ matrix: [1] });
  });

  test("compiled functions warn at every call, without another run", async () => {
    const solve = compile((a: Tensor, b: Tensor) => linalg.solve(a, b));
    const [near, far] = [hilbert(12, "float64"), identity([12, 12])];
    for (const [a, count] of [[far, 0], [near, 1], [far, 1], [near, 2]] as const) {
      await solve(a, ones(12, "float64")).data();
      expect(told).toHaveLength(count);
    }
    expect(solve.traces).toBe(1);
  });

  test("a handler that throws makes an error of it; an option leaves the check out", async () => {
    onWarning((warning) => {
      throw warning;
    });
    const near = hilbert(13, "float64");
    await expect(linalg.inv(near).data()).rejects.toThrow(NumericalWarning);
    await linalg.inv(near, { checkCondition: false }).data();
    await linalg.solve(near, ones(13, "float64"), { checkCondition: false }).data();
  });
});

describe("least squares of Hilbert matrices", () => {
  test("say by their rank what counts", async () => {
    for (const [dtype, n] of [["float64", 14], ["float32", 8]] as const) {
      const rank = await linalg.lstsq(hilbert(n, dtype), ones(n, dtype)).rank.item();
      expect(rank).toBeLessThan(n);
      expect(rank).toBeGreaterThan(n / 3);
    }
    const full = matmul(transpose(random([5, 3])), random([5, 3]));
    expect(await linalg.matrixRank(full).item()).toBe(3);
    expect(told).toEqual([]);
  });
});

test("by default the console says a thing once", async () => {
  expect(onWarning(null)).not.toBeNull();
  expect(onWarning(null)).toBeNull();
  const said = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  for (let i = 0; i < 3; i++) await linalg.inv(hilbert(12, "float64")).data();
  expect(said).toHaveBeenCalledTimes(1);
  expect(said.mock.calls[0]![0]).toMatch(/^NumericalWarning: linalg\.inv: the matrix is nearly singular/);
  said.mockRestore();
});
