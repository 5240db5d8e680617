/** Every program of the table of kernels, against the reference. What needs float64 is refused instead. */
import { createReferenceBackend } from "@dormouse/backend-cpu/reference";
import { cast, matmul, ones, relu, setDevice } from "@dormouse/tensor";
import type { Kernel, Program } from "@dormouse/tensor/graph";
import { expect, test } from "vitest";
import { type Case, cases, sample } from "../../backend-cpu/test/programs.ts";
import { affine, apply, argument, execute, load, singleKernel } from "../../backend-cpu/test/support.ts";
import { backend, describeOnGpu, device } from "./gpu.ts";

const oracle = createReferenceBackend();
const needsFloat64 = ({ program }: Case): boolean => JSON.stringify(program).includes("float64");

/** The first element that differs by more than the case allows, or null. NaN equals NaN. */
function difference({ tolerance }: Case, actual: ArrayLike<number>, expected: ArrayLike<number>): object | null {
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!];
    const close = a === e || (a !== a && e !== e) || Math.abs(a - e) <= tolerance * Math.max(1, Math.abs(e));
    if (!close) return { at: i, actual: a, expected: e };
  }
  return null;
}

/** Rows that are shared by several workgroups: sums and maxima, of rows and of columns, and what is computed from both. */
const long: Case[] = [[1, 100_003, 1], [3, 20_011, 1], [5, 20_011, 0]].map(([rows, columns, along]): Case => {
  const x = load(0, along ? affine([columns!, 1]) : affine([1, rows!]));
  const [largest, total] = [0, 1].map((stage) => ({ op: "result", dtype: "float32", stage }) as const);
  const kernel: Kernel = {
    kind: "loop",
    args: [argument(rows! * columns!), argument(rows!, "write"), argument(rows!, "write")],
    outer: [rows!], inner: [columns!],
    stages: [
      { kind: "reduce", combine: "max", dtype: "float32", body: x },
      { kind: "reduce", combine: "sum", dtype: "float32", body: apply("mul", [x, x]) },
      { kind: "store", level: "outer", arg: 1, at: affine([1, 0]), body: apply("add", [total!, largest!]) },
      { kind: "store", level: "outer", arg: 2, at: affine([1, 0]), body: largest! },
    ],
  };
  const inputs = [sample("float32", rows! * columns!)];
  return { name: `long ${along ? "rows" : "columns"} ${rows}x${columns}`, program: singleKernel(kernel), inputs, tolerance: 1e-5 };
});

describeOnGpu("programs", () => {
  test.each([...cases.filter((each) => !needsFloat64(each)), ...long])("$name", async (given) => {
    const expected = await execute(oracle, given.program, given.inputs);
    const actual = await execute(backend, given.program, given.inputs);
    expected.forEach((output, i) => expect(difference(given, actual[i]!, output)).toBeNull());
  });

  test("float64 is refused by name", () => {
    const program: Program = cases.find(needsFloat64)!.program;
    expect(() => backend.compile(program)).toThrow(/^webgpu: float64 is not supported \(in loop/);
  });

  test("float16 between two kernels is refused by name where the GPU has none", async () => {
    if (backend.capabilities.dtypes.has("float16")) return;
    setDevice(device!);
    const x = cast(ones([33, 33]), "float16");
    const wanted = /webgpu: float16 is not supported \(in contract \[\] \[33\] \[33\] \[33\]\); cast to float32, or use the CPU/;
    await expect((async () => cast(matmul(relu(matmul(x, x)), x), "float32").data())()).rejects.toThrow(wanted);
  });
});
