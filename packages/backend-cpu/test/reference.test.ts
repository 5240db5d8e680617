/** Every kernel kind and every documented rule of arithmetic on the reference evaluator, against closed forms. */
import type { Kernel, Program, Scalar, ScalarOp } from "@dormouse/tensor/graph";
import { DormouseError, type DType, type TypedArray } from "@dormouse/tensor";
import { describe, expect, test } from "vitest";
import { createReferenceBackend } from "../src/reference.ts";
import { erf, power, threefry } from "../src/reference-math.ts";
import {
  affine,
  apply,
  argument,
  constant,
  dense,
  execute,
  indexAt,
  indirect,
  load,
  mapKernel,
  singleKernel,
} from "./support.ts";

const backend = createReferenceBackend();
const run = async (kernel: Kernel, ...inputs: TypedArray[]): Promise<number[]> =>
  [...(await execute(backend, singleKernel(kernel), inputs))[0]!];

/** Applies `op` elementwise to literals. */
const compute = async (
  op: ScalarOp,
  from: DType,
  to: DType,
  ...operands: readonly number[]
): Promise<number> => {
  const sources = operands.map((value) => constant(value, from));
  const [value] = await run(mapKernel([argument(1, "write", to)], [1], apply(op, sources, to)));
  return value!;
};

describe("arithmetic", () => {
  test.each<[ScalarOp, DType, DType, number[], number]>([
    ["add", "float32", "float32", [1, 2 ** -24], 1],
    ["add", "float64", "float64", [1, 2 ** -24], 1 + 2 ** -24],
    ["add", "int32", "int32", [2147483647, 1], -2147483648],
    ["sub", "uint32", "uint32", [0, 1], 4294967295],
    ["mul", "int32", "int32", [65537, 65537], 131073],
    ["mul", "uint32", "uint32", [4294967295, 4294967295], 1],
    ["div", "int32", "int32", [-7, 2], -3],
    ["div", "int32", "int32", [7, 0], 0],
    ["div", "int32", "int32", [-2147483648, -1], -2147483648],
    ["div", "uint32", "uint32", [4294967295, 2], 2147483647],
    ["div", "float32", "float32", [1, 3], Math.fround(1 / 3)],
    ["max", "float32", "float32", [1, NaN], NaN],
    ["min", "float32", "float32", [NaN, 1], NaN],
    ["max", "uint32", "uint32", [4294967295, 1], 4294967295],
    ["less", "uint32", "bool", [4294967295, 1], 0],
    ["less", "float32", "bool", [NaN, 1], 0],
    ["lessEqual", "int32", "bool", [-1, -1], 1],
    ["equal", "float32", "bool", [NaN, NaN], 0],
    ["equal", "float32", "bool", [0, -0], 1],
    ["neg", "int32", "int32", [-2147483648], -2147483648],
    ["abs", "float32", "float32", [-0], 0],
    ["not", "bool", "bool", [1], 0],
    ["and", "bool", "bool", [1, 0], 0],
    ["or", "bool", "bool", [1, 0], 1],
    ["round", "float32", "float32", [2.5], 2],
    ["round", "float32", "float32", [-3.5], -4],
    ["round", "float32", "float32", [-0.25], -0],
    ["floor", "float64", "float64", [-0.5], -1],
    ["pow", "float32", "float32", [NaN, 0], 1],
    ["pow", "float32", "float32", [1, NaN], 1],
    ["pow", "int32", "int32", [-3, 3], -27],
    ["pow", "uint32", "uint32", [3, 21], 10460353203 % 2 ** 32],
    ["exp", "float32", "float32", [1], Math.fround(Math.E)],
    ["log", "float32", "float32", [0], -Infinity],
    ["cast", "float32", "int32", [-1.9], -1],
    ["cast", "float32", "int32", [3e9], 2147483647],
    ["cast", "float32", "int32", [NaN], 0],
    ["cast", "float32", "uint32", [-5], 0],
    ["cast", "float64", "uint32", [4294967295.5], 4294967295],
    ["cast", "int32", "uint8", [-1], 255],
    ["cast", "int32", "uint32", [-1], 4294967295],
    ["cast", "uint32", "int32", [4294967295], -1],
    ["cast", "int32", "float32", [16777217], 16777216],
    ["cast", "float32", "bool", [NaN], 1],
    ["cast", "float32", "bool", [-0], 0],
    ["cast", "uint32", "float64", [4294967295], 4294967295],
  ])("%s %s → %s %j = %d", async (op, from, to, operands, expected) => {
    expect(await compute(op, from, to, ...operands)).toBe(expected);
  });

  test("where picks by the condition and keeps NaN out", async () => {
    const body = apply("where", [constant(0, "bool"), constant(NaN), constant(3)]);
    expect(await run(mapKernel([argument(1, "write")], [1], body))).toEqual([3]);
  });

  // DLMF 7.2.1 evaluated to 30 digits and rounded.
  test.each([
    [0, 0],
    [1e-300, 1.1283791670955126e-300],
    [0.5, 0.5204998778130465],
    [1, 0.8427007929497149],
    [2, 0.9953222650189527],
    [3, 0.9999779095030014],
    [6, 1],
    [Infinity, 1],
  ])("erf(%d)", (x, expected) => {
    expect(Math.abs(erf(x) - expected)).toBeLessThanOrEqual(1e-15 * expected);
    expect(erf(-x)).toBe(-erf(x));
  });

  test("erf of NaN is NaN and pow follows C", () => {
    expect(erf(NaN)).toBeNaN();
    expect(power(-1, -Infinity)).toBe(1);
    expect(power(2, NaN)).toBeNaN();
  });

  // Known answers of Threefry-2x32-20 from the authors' Random123 distribution (kat_vectors).
  test.each([
    [[0, 0, 0, 0], 0x6b200159, 0x99ba4efe],
    [[0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff], 0x1cb996fc, 0xbb002be7],
    [[0x13198a2e, 0x03707344, 0x243f6a88, 0x85a308d3], 0xc4923a9c, 0x483df7a0],
  ])("threefry %j", (words, first, second) => {
    const [key0, key1, counter0, counter1] = words as [number, number, number, number];
    expect(threefry(key0, key1, counter0, counter1)).toBe((first ^ second) >>> 0);
  });
});

describe("loads", () => {
  const input = Float32Array.of(10, 11, 12, 13, 14);

  test("strided, negative and padded", async () => {
    const body = load(0, affine([-2], 5), "float32", {
      valid: [{ offset: 5, strides: [-2], below: 5 }],
      fill: -1,
    });
    expect(await run(mapKernel([argument(5), argument(4, "write")], [4], body), input)).toEqual([
      -1, 13, 11, -1,
    ]);
  });

  test("gather clamps", async () => {
    const at = load(1, affine([1]), "int32");
    const body = load(0, affine([0]), "float32", { indirect: [indirect(at, 1, 5)] });
    const args = [argument(5), argument(3, "read", "int32"), argument(3, "write")];
    expect(await run(mapKernel(args, [3], body), input, Int32Array.of(-4, 3, 9))).toEqual([
      10, 13, 14,
    ]);
  });

  test("valid is a value too", async () => {
    const body: Scalar = {
      op: "valid",
      dtype: "bool",
      conditions: [{ offset: -1, strides: [1], below: 2 }],
    };
    expect(await run(mapKernel([argument(4, "write", "bool")], [4], body))).toEqual([0, 1, 1, 0]);
  });

  test("an address outside the argument is an error", async () => {
    const kernel = mapKernel([argument(5), argument(6, "write")], [6], load(0, affine([1])));
    await expect(run(kernel, input)).rejects.toThrow(DormouseError);
  });

  test("a shared node is evaluated once: 60 doublings are 60 additions", async () => {
    let body = constant(1, "float64");
    for (let i = 0; i < 60; i++) body = apply("add", [body, body]);
    expect(await run(mapKernel([argument(1, "write", "float64")], [1], body))).toEqual([2 ** 60]);
  });
});

describe("kernels", () => {
  test("softmax rows: three reductions and an inner store", async () => {
    const x = load(0, dense(2, 3));
    const shifted = apply("exp", [apply("sub", [x, { op: "result", dtype: "float32", stage: 0 }])]);
    const total: Scalar = { op: "result", dtype: "float32", stage: 1 };
    const kernel: Kernel = {
      kind: "loop",
      args: [argument(6), argument(6, "write"), argument(2, "write", "int32")],
      outer: [2],
      inner: [3],
      stages: [
        { kind: "reduce", combine: "max", dtype: "float32", body: x },
        { kind: "reduce", combine: "sum", dtype: "float32", body: shifted },
        { kind: "reduce", combine: "argmax", dtype: "int32", body: x },
        { kind: "store", level: "inner", arg: 1, at: dense(2, 3), body: apply("div", [shifted, total]) },
        {
          kind: "store",
          level: "outer",
          arg: 2,
          at: affine([1, 0]),
          body: { op: "result", dtype: "int32", stage: 2 },
        },
      ],
    };
    const input = Float32Array.of(1, 2, 3, 5, 5, NaN);
    const [probabilities, best] = await execute(backend, singleKernel(kernel), [input]);
    const total0 = Math.exp(-2) + Math.exp(-1) + 1;
    [Math.exp(-2), Math.exp(-1), 1].forEach((e, i) =>
      expect(probabilities![i]).toBeCloseTo(e / total0, 6),
    );
    expect([...probabilities!.subarray(3)]).toEqual([NaN, NaN, NaN]);
    expect([...best!]).toEqual([2, 2]);
  });

  test.each([
    ["sum", [0]],
    ["max", [-Infinity]],
    ["argmax", [0]],
  ] as const)("%s over nothing", async (combine, expected) => {
    const dtype = combine === "argmax" ? "int32" : "float32";
    const kernel: Kernel = {
      kind: "loop",
      args: [argument(0), argument(1, "write", dtype)],
      outer: [],
      inner: [0],
      stages: [
        { kind: "reduce", combine, dtype, body: load(0, affine([1])) },
        { kind: "store", level: "outer", arg: 1, at: affine([0]), body: { op: "result", dtype, stage: 0 } },
      ],
    };
    expect(await run(kernel, new Float32Array(0))).toEqual(expected);
  });

  test("sums are exact in float64 before they are rounded", async () => {
    const kernel: Kernel = {
      kind: "loop",
      args: [argument(3), argument(1, "write")],
      outer: [],
      inner: [3],
      stages: [
        { kind: "reduce", combine: "sum", dtype: "float32", body: load(0, affine([1])) },
        { kind: "store", level: "outer", arg: 1, at: affine([0]), body: { op: "result", dtype: "float32", stage: 0 } },
      ],
    };
    expect(await run(kernel, Float32Array.of(2 ** 24, 1, 1))).toEqual([2 ** 24 + 2]);
  });

  test("contract: batched product with a bias added in the store", async () => {
    const kernel: Kernel = {
      kind: "contract",
      args: [argument(4), argument(4), argument(2), argument(4, "write")],
      dtype: "float32",
      batch: [1],
      m: [2],
      n: [2],
      k: [2],
      lhs: load(0, affine([0, 2, 0, 1])),
      rhs: load(1, affine([0, 0, 1, 2])),
      stores: [
        {
          arg: 3,
          at: affine([4, 2, 1, 0]),
          body: apply("add", [{ op: "result", dtype: "float32", stage: 0 }, load(2, affine([0, 0, 1, 0]))]),
        },
      ],
    };
    expect(
      await run(kernel, Float32Array.of(1, 2, 3, 4), Float32Array.of(1, 2, 3, 4), Float32Array.of(10, 20)),
    ).toEqual([17, 30, 25, 42]);
  });

  test("scatter adds rows and drops what is outside", async () => {
    const kernel: Kernel = {
      kind: "scatter",
      args: [argument(4, "read", "int32"), argument(6, "write")],
      axes: [4, 2],
      arg: 1,
      at: affine([0, 1]),
      indirect: [indirect(load(0, affine([1, 0]), "int32"), 2, 3)],
      body: apply("cast", [indexAt(affine([10, 1]))], "float32"),
    };
    expect(await run(kernel, Int32Array.of(2, -1, 2, 0))).toEqual([30, 31, 0, 0, 20, 22]);
  });

  const routine = (name: "cumsum" | "argsort", reverse: boolean, inner = 1): Kernel => ({
    kind: "routine",
    name,
    args: [argument(4), argument(4, "write", name === "cumsum" ? "float32" : "int32")],
    outer: 1,
    length: 4 / inner,
    inner,
    reverse,
  });
  test.each<[Kernel, number[], number[]]>([
    [routine("cumsum", false), [1, 2, 3, 4], [1, 3, 6, 10]],
    [routine("cumsum", true), [1, 2, 3, 4], [10, 9, 7, 4]],
    [routine("cumsum", false, 2), [1, 2, 3, 4], [1, 2, 4, 6]],
    [routine("argsort", false), [NaN, 2, 1, 2], [2, 1, 3, 0]],
    [routine("argsort", true), [2, NaN, 1, 2], [1, 0, 3, 2]],
  ])("%o of %j", async (kernel, input, expected) => {
    expect(await run(kernel, Float32Array.from(input))).toEqual(expected);
  });
});

describe("programs", () => {
  test("temporaries and an output that aliases its input", async () => {
    const double = apply("add", [load(0, affine([1])), load(0, affine([1]))]);
    const kernel = mapKernel([argument(3), argument(3, "write")], [3], double);
    const program: Program = {
      key: "quadruple",
      inputs: [{ dtype: "float32", length: 3 }],
      outputs: [{ dtype: "float32", length: 3, alias: 0 }],
      kernels: [kernel],
      steps: [
        { kernel: 0, slots: [{ space: "input", index: 0 }, { space: "temporary", offset: 256, bytes: 12 }] },
        { kernel: 0, slots: [{ space: "temporary", offset: 256, bytes: 12 }, { space: "output", index: 0 }] },
      ],
      temporaryBytes: 268,
    };
    expect([...(await execute(backend, program, [Float32Array.of(1, 2, 3)]))[0]!]).toEqual([4, 8, 12]);
  });

  test("a freed buffer and a range outside are refused", async () => {
    const buffer = backend.alloc(4);
    expect(() => backend.write(buffer, new Float32Array(2))).toThrow(
      "write: bytes 0 to 8 of a buffer of 4; stay inside the buffer",
    );
    backend.free(buffer);
    await expect(backend.read(buffer, 0, 4)).rejects.toThrow("was freed");
    expect(() => backend.free(buffer)).toThrow("was freed");
  });
});
