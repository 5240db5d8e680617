/**
 * Small products, which have loops of their own: the same bits as the rows of a product that is packed, at sizes around
 * those of a tile, for operands stored either way, and where neighbors of the result belong to somebody else. Their
 * values are checked with all other products in gemm.test.ts.
 */
import type { DType, TypedArray } from "@dormouse/tensor";
import { allocate } from "@dormouse/tensor/graph";
import type { ContractKernel } from "@dormouse/tensor/graph";
import { describe, expect, test } from "vitest";
import { naiveContract, runContract } from "./contract-support.ts";
import { affine, load, random } from "./kernel-support.ts";

const layouts = ["nn", "nt", "tn", "tt"] as const;
/** Rows of the product that is packed. */
const manyRows = 700;

/** Rows, columns and depth. */
const sizes = [
  [2, 2, 1], [4, 8, 4], [5, 3, 7], [7, 9, 5], [13, 17, 31], [32, 16, 2], [32, 32, 32], [3, 128, 17],
] as const;

const sample = (dtype: DType, length: number, seed: number): TypedArray => {
  const next = random(seed);
  const array = allocate(dtype, length);
  for (let i = 0; i < length; i++) array[i] = dtype === "int32" ? (next() - 0.5) * 2 ** 32 : next() - 0.5;
  return array;
};

/** The products of the first `m` rows of `b` matrices of `manyRows`; rows of the results are `pitch` apart. */
function product(dtype: DType, b: number, m: number, n: number, k: number, layout: string, pitch = n): ContractKernel {
  const [leftRow, leftStep] = layout[0] === "n" ? [k, 1] : [1, manyRows];
  const [rightStep, rightColumn] = layout[1] === "n" ? [n, 1] : [1, k];
  return {
    kind: "contract",
    dtype,
    args: [
      { dtype, length: b * manyRows * k, access: "read" },
      { dtype, length: b * k * n, access: "read" },
      { dtype, length: b * manyRows * pitch, access: "write" },
    ],
    batch: [b], m: [m], n: [n], k: [k],
    lhs: load(dtype, 0, affine(0, manyRows * k, leftRow, 0, leftStep)),
    rhs: load(dtype, 1, affine(0, k * n, 0, rightColumn, rightStep)),
    stores: [
      { arg: 2, at: affine(0, manyRows * pitch, pitch, 1, 0), body: { op: "result", dtype, stage: 0 } },
    ],
  };
}

describe.each(["float32", "float64", "int32"] as const)("%s", (dtype) => {
  test.each(layouts)("%s: the bits of a packed product", (layout) => {
    for (const [m, n, k] of sizes) {
      const buffers = [sample(dtype, manyRows * k, 1), sample(dtype, k * n, 2), allocate(dtype, manyRows * n).fill(7)];
      const small = runContract(product(dtype, 1, m, n, k, layout), buffers)[2]!;
      const large = runContract(product(dtype, 1, manyRows, n, k, layout), buffers)[2]!;
      expect(small.subarray(0, m * n), `${m}x${n}x${k}`).toEqual(large.subarray(0, m * n));
      // Nothing behind the last row is touched.
      expect(small.subarray(m * n).every((value) => value === 7)).toBe(true);
    }
  });

  test.each(layouts)("%s: what lies between the rows of the result stays", (layout) => {
    const [b, m, n, k, pitch] = [5, 6, 7, 9, 10];
    const buffers = [
      sample(dtype, b * manyRows * k, 3), sample(dtype, b * k * n, 4), allocate(dtype, b * manyRows * pitch).fill(7),
    ];
    const kernel = product(dtype, b, m, n, k, layout, pitch);
    const [one, three] = [1, 3].map((threads) => runContract(kernel, buffers, threads)[2]!);
    expect(one).toEqual(three);
    const want = naiveContract(kernel, buffers)[2]!;
    one!.forEach((value, i) => {
      const isClose = Math.abs(value - want[i]!) <= (dtype === "float32" ? 1e-6 : dtype === "float64" ? 1e-14 : 0);
      if (!isClose) expect.fail(`element ${i}: ${value}, not ${want[i]}`);
    });
  });
});
