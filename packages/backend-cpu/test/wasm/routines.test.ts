import { describe, expect, test } from "vitest";
import { allocate, computedIn, dtypes } from "@dormouse/tensor/graph";
import type { DType } from "@dormouse/tensor";
import type { AxisRoutine } from "@dormouse/tensor/graph";
import { generateRoutine } from "../../src/wasm/routines.ts";
import { check, read, runGenerated, sample, write } from "./kernel-support.ts";

/** The dtypes that kernels compute with. */
const computed = dtypes.filter((dtype) => computedIn(dtype) === dtype);

const shapes = [[1, 1, 1], [1, 5, 1], [3, 8, 1], [2, 17, 1], [2, 7, 3], [1, 9, 4], [3, 6, 13], [1, 5, 67], [0, 3, 2], [2, 0, 3], [2, 3, 0], [1, 300, 2]] as const;

function routine(name: AxisRoutine["name"], from: DType, to: DType, [outer, length, inner]: readonly [number, number, number], reverse: boolean): AxisRoutine {
  const size = outer * length * inner;
  return { kind: "routine", name, args: [read(from, size), write(to, size)], outer, length, inner, reverse };
}

describe("routines", () => {
  for (const dtype of computed) {
    for (const reverse of [false, true]) {
      test(`cumsum ${dtype}${reverse ? " reversed" : ""}`, () => {
        for (const shape of shapes) {
          const kernel = routine("cumsum", dtype, dtype === "bool" ? "int32" : dtype, shape, reverse);
          check(generateRoutine, kernel, kernel.args.map(({ dtype: type, length }, i) => sample(type, length, i + 1)), dtype === "float64" ? 1e-13 : 1e-6);
        }
      });
      test(`argsort ${dtype}${reverse ? " descending" : ""}`, () => {
        for (const shape of shapes) {
          for (const specials of [false, true]) {
            const kernel = routine("argsort", dtype, "int32", shape, reverse);
            check(generateRoutine, kernel, kernel.args.map(({ dtype: type, length }, i) => sample(type, length, i + 1, specials)));
          }
        }
      });
    }
  }
  test("argsort keeps the order of equal elements, zeros of both signs among them", () => {
    for (const dtype of ["float32", "float64"] as const) {
      const data = allocate(dtype, 7);
      data.set([0, -0, NaN, -1, 0, NaN, -0]);
      const up = routine("argsort", dtype, "int32", [1, 7, 1], false);
      const down = routine("argsort", dtype, "int32", [1, 7, 1], true);
      expect(Array.from(runGenerated(generateRoutine, up, [data, new Int32Array(7)])[1]!)).toEqual([3, 0, 1, 4, 6, 2, 5]);
      expect(Array.from(runGenerated(generateRoutine, down, [data, new Int32Array(7)])[1]!)).toEqual([2, 5, 0, 1, 4, 6, 3]);
    }
  });
});
