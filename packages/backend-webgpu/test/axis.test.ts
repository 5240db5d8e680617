/** Long axes: cumulative sums that a workgroup shares, and sorting by merging runs. */
import { createReferenceBackend } from "@dormouse/backend-cpu/reference";
import type { DType } from "@dormouse/tensor";
import type { RoutineKernel } from "@dormouse/tensor/graph";
import { expectClose } from "@dormouse/testing";
import { expect, test } from "vitest";
import { sample } from "../../backend-cpu/test/programs.ts";
import { argument, execute, singleKernel } from "../../backend-cpu/test/support.ts";
import { backend, describeOnGpu } from "./gpu.ts";

const oracle = createReferenceBackend();
const routine = (name: "cumsum" | "argsort", dtype: DType, [outer, length, inner]: readonly [number, number, number], reverse: boolean): RoutineKernel => {
  const elements = outer * length * inner;
  return {
    kind: "routine", name, outer, length, inner, reverse,
    args: [argument(elements, "read", dtype), argument(elements, "write", name === "argsort" ? "int32" : dtype)],
  };
};
const shapes = [[1, 1024, 1], [2, 1031, 3], [1, 4097, 1], [1, 8193, 2], [1, 20_011, 1]] as const;
const both = [false, true] as const;

describeOnGpu("long axes", () => {
  test.each(shapes.flatMap((shape) => both.map((reverse) => [shape, reverse] as const)))(
    "argsort of %j, descending %s",
    async (shape, reverse) => {
      for (const dtype of ["float32", "int32", "uint8", "bool"] as const) {
        const program = singleKernel(routine("argsort", dtype, shape, reverse));
        // Few distinct values, so that many are equal.
        const input = sample(dtype, shape[0] * shape[1] * shape[2]).map((x) => (dtype === "float32" ? Math.round(x * 40) : x));
        if (dtype === "float32") for (let i = 0; i < input.length; i += 97) input[i] = [NaN, Infinity, -Infinity, -0][(i / 97) % 4]!;
        const [[got], [wanted]] = await Promise.all([execute(backend, program, [input]), execute(oracle, program, [input])]);
        const wrong = got!.findIndex((value, i) => value !== wanted![i]);
        expect(wrong, `${dtype}: ${got![wrong]} and not ${wanted![wrong]} at ${wrong}`).toBe(-1);
      }
    },
    60_000,
  );

  test.each(shapes.flatMap((shape) => both.map((reverse) => [shape, reverse] as const)))(
    "cumsum of %j, reverse %s",
    async (shape, reverse) => {
      for (const dtype of ["float32", "int32", "uint32"] as const) {
        const program = singleKernel(routine("cumsum", dtype, shape, reverse));
        const input = sample(dtype, shape[0] * shape[1] * shape[2]);
        const [[got], [wanted]] = await Promise.all([execute(backend, program, [input]), execute(oracle, program, [input])]);
        expectClose(got!, wanted!, dtype === "float32" ? { relative: 1e-4, absolute: 1e-3 } : { relative: 0, absolute: 0.5 }, dtype);
      }
    },
    60_000,
  );
});
