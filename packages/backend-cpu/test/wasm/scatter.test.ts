import { describe, test } from "vitest";
import { computedIn, dtypes, isFloat, sizeOf, stridesOf } from "@dormouse/tensor/graph";
import type { DType, TypedArray } from "@dormouse/tensor";
import type { ScatterKernel } from "@dormouse/tensor/graph";
import { generateScatter } from "../../src/wasm/scatter.ts";
import { affine, check, load, op, read, sample, write } from "./kernel-support.ts";

/** The dtypes that kernels compute with. */
const computed = dtypes.filter((dtype) => computedIn(dtype) === dtype);

const tolerance = (dtype: DType): number => (dtype === "float64" ? 1e-13 : 1e-5);

/** Rows of `body` added to rows of the target chosen by indices that may be outside. */
function addRows(dtype: DType, indexType: "int32" | "uint32", rows: number, columns: number, size: number): ScatterKernel {
  return {
    kind: "scatter", axes: [rows, columns], arg: 2, at: affine(0, 0, 1), body: load(dtype, 1, affine(0, columns, 1)),
    indirect: [{ index: load(indexType, 0, affine(0, 1, 0)), stride: columns, size }],
    args: [read(indexType, rows), read(dtype, rows * columns), write(dtype, size * columns)],
  };
}

function inputsOf(kernel: ScatterKernel, indices: number): TypedArray[] {
  const arrays = kernel.args.map(({ dtype, length }, i) => sample(dtype, length, i + 1));
  const [index] = arrays as [TypedArray];
  index.forEach((_, i) => (index[i] = ((i * 7) % (indices + 3)) - 1));
  return arrays;
}

describe("scatter", () => {
  for (const dtype of computed) {
    test(`rows of ${dtype}, dropping what is outside`, () => {
      for (const [rows, columns, size] of [[5, 8, 4], [9, 3, 5], [20, 13, 6], [3, 1, 3], [0, 4, 3], [3, 0, 2], [4, 6, 1]] as const) {
        for (const indexType of ["int32", "uint32"] as const) {
          const kernel = addRows(dtype, indexType, rows, columns, size);
          check(generateScatter, kernel, inputsOf(kernel, size), tolerance(dtype));
        }
      }
    });
    test(`single elements of ${dtype}`, () => {
      for (const length of [1, 4, 7, 33]) {
        const kernel: ScatterKernel = {
          kind: "scatter", axes: [length], arg: 2, at: affine(1, 0), body: load(dtype, 1, affine(0, 1)),
          indirect: [{ index: load("int32", 0, affine(0, 1)), stride: 2, size: 5 }],
          args: [read("int32", length), read(dtype, length), write(dtype, 12)],
        };
        check(generateScatter, kernel, inputsOf(kernel, 5), tolerance(dtype));
      }
    });
    if (!isFloat(dtype)) continue;
    test(`overlapping windows of ${dtype}`, () => {
      for (const [batch, windows, size, step] of [[1, 5, 3, 1], [2, 4, 5, 2], [3, 3, 2, 3]] as const) {
        const width = (windows - 1) * step + size;
        const body = load(dtype, 0, affine(0, ...stridesOf([batch, windows, size])));
        const kernel: ScatterKernel = {
          kind: "scatter", axes: [batch, windows, size], arg: 1, at: affine(0, width, step, 1), body: op("mul", dtype, body, body), indirect: [],
          args: [read(dtype, batch * windows * size), write(dtype, batch * width)],
        };
        check(generateScatter, kernel, kernel.args.map(({ length }, i) => sample(dtype, length, i + 3)), tolerance(dtype));
      }
    });
  }
  test("two indices for every element of a batch", () => {
    const axes = [3, 6];
    const kernel: ScatterKernel = {
      kind: "scatter", axes, arg: 2, at: affine(0, 20, 0), body: load("float32", 1, affine(0, 6, 1)),
      indirect: [
        { index: load("int32", 0, affine(0, 6, 1)), stride: 5, size: 4 }, { index: load("int32", 0, affine(17, -6, -1)), stride: 1, size: 5 },
      ],
      args: [read("int32", sizeOf(axes)), read("float32", sizeOf(axes)), write("float32", 60)],
    };
    check(generateScatter, kernel, inputsOf(kernel, 5), 1e-5);
  });
});
