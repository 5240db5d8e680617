/** Every program of the table of kernels, against the reference. What needs float64 is refused instead. */
import { createReferenceBackend } from "@dormouse/backend-cpu/reference";
import { cast, matmul, ones, relu, setDevice } from "@dormouse/tensor";
import type { Kernel, Program, Scalar } from "@dormouse/tensor/graph";
import { expect, test } from "vitest";
import { type Case, cases, sample } from "../../backend-cpu/test/programs.ts";
import { affine, apply, argument, constant, execute, load, singleKernel } from "../../backend-cpu/test/support.ts";
import { findAdapter } from "../src/adapter.ts";
import { createWebGpuBackend } from "../src/backend.ts";
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

/** Rows whose elements are taken four at a time: what is largest, where, the sum around it, and the row in terms of both. */
const quads: Case[] = [[5, 64], [3, 1024], [300, 132], [2, 20_012]].map(([rows, columns]): Case => {
  const x = load(0, affine([columns!, 1]));
  const result = (stage: number, dtype: "float32" | "int32" = "float32"): Scalar => ({ op: "result", dtype, stage });
  const shifted = apply("sub", [x, result(0)]);
  const kernel: Kernel = {
    kind: "loop",
    args: [argument(rows! * columns!), argument(rows! * columns!, "write"), argument(rows! * columns!, "write", "bool"), argument(rows!, "write", "int32")],
    outer: [rows!], inner: [columns!],
    stages: [
      { kind: "reduce", combine: "max", dtype: "float32", body: x },
      { kind: "reduce", combine: "sum", dtype: "float32", body: apply("exp", [shifted]) },
      { kind: "reduce", combine: "argmax", dtype: "int32", body: apply("neg", [x]) },
      { kind: "store", level: "inner", arg: 1, at: affine([columns!, 1]), body: apply("div", [apply("exp", [shifted]), result(1)]) },
      { kind: "store", level: "inner", arg: 2, at: affine([columns!, 1]), body: apply("equal", [x, result(0)], "bool") },
      { kind: "store", level: "outer", arg: 3, at: affine([1, 0]), body: result(2, "int32") },
    ],
  };
  return { name: `rows of quads ${rows}x${columns}`, program: singleKernel(kernel), inputs: [sample("float32", rows! * columns!)], tolerance: 2e-6 };
});

/** Maps of quads: rows and columns that are repeated, bytes in and out, at lengths of whole quads and others. */
const maps: Case[] = [[6, 8], [7, 67], [67, 12], [1, 4099]].map(([rows, columns]): Case => {
  const length = rows! * columns!;
  const row = apply("add", [load(1, affine([0, 1])), load(2, affine([1, 0]))]);
  const body = apply("where", [load(3, affine([columns!, 1]), "bool"), apply("mul", [load(0, affine([columns!, 1])), row]), load(0, affine([columns!, 1]))]);
  const kernel: Kernel = {
    kind: "loop",
    args: [argument(length), argument(columns!), argument(rows!), argument(length, "read", "bool"), argument(length, "write"), argument(length, "write", "uint8")],
    outer: [rows!, columns!], inner: [],
    stages: [
      { kind: "store", level: "outer", arg: 4, at: affine([columns!, 1]), body },
      { kind: "store", level: "outer", arg: 5, at: affine([columns!, 1]), body: apply("cast", [apply("mul", [body, constant(50)])], "uint8") },
    ],
  };
  const inputs = [sample("float32", length), sample("float32", columns!, 2), sample("float32", rows!, 3), sample("bool", length)];
  return { name: `a map of quads ${rows}x${columns}`, program: singleKernel(kernel), inputs, tolerance: 2e-6 };
});

describeOnGpu("programs", () => {
  test.each([...cases.filter((each) => !needsFloat64(each)), ...long, ...quads, ...maps])("$name", async (given) => {
    const expected = await execute(oracle, given.program, given.inputs);
    const actual = await execute(backend, given.program, given.inputs);
    expected.forEach((output, i) => expect(difference(given, actual[i]!, output)).toBeNull());
  });

  test("rows are reduced without operations on subgroups, too", async () => {
    const gpu = await ((await findAdapter()) as GPUAdapter).requestDevice();
    expect(gpu.features.has("subgroups")).toBe(false);
    const plain = createWebGpuBackend(gpu, { name: "webgpu:plain", ownsDevice: true });
    for (const given of [...quads, long[0]!]) {
      const expected = await execute(oracle, given.program, given.inputs);
      const actual = await execute(plain, given.program, given.inputs);
      expected.forEach((output, i) => expect(difference(given, actual[i]!, output)).toBeNull());
    }
    await plain[Symbol.asyncDispose]();
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
