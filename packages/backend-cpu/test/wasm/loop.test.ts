import { describe, expect, test } from "vitest";
import { computedIn, dtypes, isFloat, sizeOf, stridesOf } from "@dormouse/tensor/graph";
import type { DType, TypedArray } from "@dormouse/tensor";
import type { LoopKernel, ReduceStage, Scalar, ScalarOp, StoreStage } from "@dormouse/tensor/graph";
import { generateLoop } from "../../src/wasm/loop.ts";
import { affine, check, constant, index, load, op, random, read, result, runGenerated, sample, write } from "./kernel-support.ts";

/** The dtypes that kernels compute with. */
const computed = dtypes.filter((dtype) => computedIn(dtype) === dtype);

const store = (arg: number, strides: readonly number[], body: Scalar, level: "outer" | "inner" = "inner"): StoreStage =>
  ({ kind: "store", level, arg, at: affine(0, ...strides), body });
const reduce = (combine: ReduceStage["combine"], body: Scalar): ReduceStage =>
  ({ kind: "reduce", combine, dtype: combine === "argmax" ? "int32" : body.dtype, body });

/** A map over `shape` of contiguous arguments of the given dtypes. */
function map(shape: readonly number[], inputs: readonly DType[], body: (...loads: Scalar[]) => Scalar): LoopKernel {
  const strides = stridesOf(shape);
  const length = sizeOf(shape);
  const stored = body(...inputs.map((dtype, arg) => load(dtype, arg, affine(0, ...strides))));
  return {
    kind: "loop", outer: shape, inner: [], args: [...inputs.map((dtype) => read(dtype, length)), write(stored.dtype, length)],
    stages: [store(inputs.length, strides, stored)],
  };
}

const inputsOf = (kernel: LoopKernel, specials = false): TypedArray[] =>
  kernel.args.map(({ dtype, length }, i) => sample(dtype, length, i + 1, specials));

const operators: Record<"float" | "integer" | "bool", readonly (readonly [ScalarOp, number])[]> = {
  float: [
    ["neg", 1], ["exp", 1], ["expm1", 1], ["log", 1], ["log1p", 1], ["sin", 1], ["cos", 1], ["tanh", 1], ["atan", 1], ["erf", 1],
    ["sqrt", 1], ["floor", 1], ["round", 1], ["abs", 1], ["add", 2], ["sub", 2], ["mul", 2], ["div", 2], ["max", 2], ["min", 2], ["pow", 2],
  ],
  integer: [["neg", 1], ["abs", 1], ["not", 1], ["add", 2], ["sub", 2], ["mul", 2], ["div", 2], ["max", 2], ["min", 2], ["pow", 2], ["and", 2], ["or", 2]],
  bool: [["not", 1], ["and", 2], ["or", 2]],
};

describe("operations", () => {
  for (const dtype of computed) {
    const kind = isFloat(dtype) ? "float" : dtype === "bool" ? "bool" : "integer";
    for (const [name, arity] of operators[kind]) {
      test(`${name} ${dtype}`, () => {
        const kernel = map([103], arity === 1 ? [dtype] : [dtype, dtype], (...loads) => op(name, dtype, ...loads));
        check(generateLoop, kernel, inputsOf(kernel, true), dtype === "float64" ? 1e-14 : 2e-6);
      });
    }
    for (const name of ["less", "lessEqual", "equal"] as const) {
      test(`${name} ${dtype}`, () => {
        const kernel = map([103], [dtype, dtype], (a, b) => op(name, "bool", a!, b!));
        check(generateLoop, kernel, inputsOf(kernel, true));
      });
    }
    test(`where ${dtype}`, () => {
      const kernel = map([103], ["bool", dtype, dtype], (mask, a, b) => op("where", dtype, mask!, a!, b!));
      check(generateLoop, kernel, inputsOf(kernel, true));
    });
    for (const to of computed) {
      test(`cast ${dtype} to ${to}`, () => {
        const kernel = map([103], [dtype], (a) => op("cast", to, a!));
        check(generateLoop, kernel, inputsOf(kernel, true), 0);
      });
    }
  }
  test("max and min with a constant keep NaN", () => {
    const kernel = map([50], ["float32"], (a) => op("min", "float32", op("max", "float32", a!, constant("float32", 0)), constant("float32", 1)));
    check(generateLoop, kernel, inputsOf(kernel, true));
  });
  test("threefry", () => {
    const kernel = map([37], ["uint32"], (a) =>
      op("threefry", "uint32", constant("uint32", 17), constant("uint32", 0xdeadbeef), a!, op("cast", "uint32", index(affine(3, 1)))));
    check(generateLoop, kernel, inputsOf(kernel));
  });
  test("values used twice, invariants and fused products", () => {
    const kernel = map([5, 33], ["float32", "float32"], (a, b) => {
      const product = op("mul", "float32", a!, b!);
      const both = op("add", "float32", product, op("mul", "float32", a!, constant("float32", 0.25)));
      return op("sub", "float32", op("tanh", "float32", both), op("mul", "float32", both, op("exp", "float32", constant("float32", 0.5))));
    });
    check(generateLoop, kernel, inputsOf(kernel));
  });
});

describe("shapes of maps", () => {
  const shapes = [[], [1], [2], [3], [4], [5], [7], [8], [16], [17], [31], [64], [67], [0], [3, 0], [2, 3], [3, 3, 3], [1, 9], [13, 1], [5, 8], [129, 3]];
  for (const shape of shapes) {
    for (const dtype of ["float32", "float64", "uint8"] as const) {
      test(`${dtype} [${shape.join()}], by rows and by columns`, () => {
        const strides = stridesOf(shape);
        const turned = shape.map((_, axis) => shape.slice(0, axis).reduce((a, b) => a * b, 1));
        const length = sizeOf(shape);
        const kernel: LoopKernel = {
          kind: "loop", outer: shape, inner: [], args: [read(dtype, length), read(dtype, length), read(dtype, shape.at(-1) ?? 1), write(dtype, length)],
          stages: [store(3, strides, op("add", dtype,
            op("add", dtype, load(dtype, 0, affine(0, ...strides)), load(dtype, 1, affine(0, ...turned))),
            load(dtype, 2, affine(0, ...shape.map((_, axis) => (axis === shape.length - 1 ? 1 : 0))))))],
        };
        check(generateLoop, kernel, inputsOf(kernel), 0);
      });
    }
  }
  for (const [rows, columns] of [[5, 7], [8, 12], [1, 30], [40, 3]] as const) {
    test(`flip, step, pad and window [${rows}, ${columns}]`, () => {
      for (const dtype of ["float32", "float64", "bool", "int32"] as const) {
        const padded = load(dtype, 0, affine(-2 * columns - 3, columns, 1), {
          valid: [{ ...affine(-2, 1, 0), below: rows }, { ...affine(-3, 0, 1), below: columns }], fill: 1,
        });
        const shape = [rows + 4, columns + 5];
        const flipped = load(dtype, 1, affine(sizeOf(shape) - 1, -(columns + 5), -1));
        const stepped = load(dtype, 2, affine(0, 2 * (columns + 5), 2));
        const every = dtype === "bool"
          ? op("and", dtype, op("or", dtype, padded, flipped), stepped)
          : op("add", dtype, op("add", dtype, padded, flipped), stepped);
        const kernel: LoopKernel = {
          kind: "loop", outer: shape, inner: [],
          args: [read(dtype, rows * columns), read(dtype, sizeOf(shape)), read(dtype, 4 * sizeOf(shape)), write(dtype, sizeOf(shape)), write("bool", sizeOf(shape))],
          stages: [
            store(3, stridesOf(shape), every),
            store(4, stridesOf(shape), { op: "valid", dtype: "bool", conditions: [{ ...affine(-1, 1, 1), below: columns }, { ...affine(4, 0, -1), below: 3 }] }),
          ],
        };
        check(generateLoop, kernel, inputsOf(kernel), 0);
      }
    });
  }
  // Four vectors side by side from 2^11 positions for each instruction on, two or one below.
  for (const [dtype, rows, columns] of [["float32", 13, 71], ["float64", 13, 71], ["float32", 269, 271]] as const) {
    test(`costly functions of padded and shared views, ${dtype} [${rows}, ${columns}], one result to four`, () => {
      const length = rows * columns;
      const padded = load(dtype, 0, affine(-columns - 2, columns, 1), {
        valid: [{ ...affine(-1, 1, 0), below: rows - 2 }, { ...affine(-2, 0, 1), below: columns - 5 }], fill: 0.5,
      });
      const bias = load(dtype, 1, affine(0, 1, 0));
      const power = op("exp", dtype, op("mul", dtype, padded, bias));
      const bodies = [
        op("div", dtype, power, op("add", dtype, power, constant(dtype, 1))), op("sub", dtype, power, bias),
        op("exp", dtype, bias), op("max", dtype, op("exp", dtype, op("neg", dtype, padded)), constant(dtype, 1)),
      ];
      for (let count = 1; count <= bodies.length; count++) {
        for (const strides of [[columns, 1], [1, rows]]) {
          const kernel: LoopKernel = {
            kind: "loop", outer: [rows, columns], inner: [],
            args: [read(dtype, length), read(dtype, rows), ...bodies.slice(0, count).map(() => write(dtype, length))],
            stages: bodies.slice(0, count).map((body, i) => store(i + 2, strides, body)),
          };
          check(generateLoop, kernel, inputsOf(kernel), dtype === "float32" ? 2e-6 : 1e-14);
        }
      }
    });
  }
  test("gather of rows and of single elements, clamped", () => {
    for (const [rows, columns] of [[9, 4], [9, 10], [6, 3]] as const) {
      const indices = load("int32", 0, affine(0, 1, 0));
      const single = load("int32", 1, affine(0, columns, 1));
      const kernel: LoopKernel = {
        kind: "loop", outer: [rows, columns], inner: [],
        args: [read("int32", rows), read("int32", rows * columns), read("float32", 5 * columns), read("float64", 7), write("float32", rows * columns), write("float64", rows * columns)],
        stages: [
          store(4, [columns, 1], load("float32", 2, affine(0, 0, 1), { indirect: [{ index: indices, stride: columns, size: 5 }] })),
          store(5, [columns, 1], load("float64", 3, affine(0, 0, 0), { indirect: [{ index: single, stride: 1, size: 7 }] })),
        ],
      };
      check(generateLoop, kernel, inputsOf(kernel), 0);
    }
  });
  test("updates in place touch every element once", () => {
    for (const length of [1, 3, 6, 29]) {
      const x = load("float32", 0, affine(0, 1));
      const kernel: LoopKernel = {
        kind: "loop", outer: [length], inner: [],
        args: [{ dtype: "float32", length, access: "readwrite" }, { dtype: "float32", length, access: "readwrite" }],
        stages: [
          store(0, [1], op("add", "float32", x, load("float32", 1, affine(0, 1)))),
          store(1, [1], op("mul", "float32", x, constant("float32", 2))),
        ],
      };
      const inputs = inputsOf(kernel);
      for (const threads of [1, 3]) {
        const [sum, twice] = runGenerated(generateLoop, kernel, inputs, threads);
        inputs[0]!.forEach((value, i) => {
          expect(sum![i]).toBe(Math.fround(value + inputs[1]![i]!));
          expect(twice![i]).toBe(Math.fround(2 * value));
        });
      }
    }
  });
});

describe("reductions", () => {
  const sizes = [[4, 5], [1, 1], [3, 1], [1, 3], [7, 64], [64, 7], [2, 67], [67, 2], [5, 130], [130, 5], [0, 3], [3, 0], [9, 300], [300, 9]] as const;
  for (const dtype of computed) {
    for (const combine of ["sum", "max", "argmax"] as const) {
      if (combine === "sum" && dtype === "bool") continue;
      test(`${combine} ${dtype} of rows, columns and everything`, () => {
        for (const [rows, columns] of sizes) {
          for (const specials of combine === "sum" ? [false] : [false, true]) {
            const to = combine === "argmax" ? "int32" : dtype;
            const one = (outer: number[], inner: number[], input: number[], output: number[]): LoopKernel => ({
              kind: "loop", outer, inner, args: [read(dtype, rows * columns), write(to, sizeOf(outer))],
              stages: [reduce(combine, load(dtype, 0, affine(0, ...input))), store(1, output, result(to, 0), "outer")],
            });
            for (const kernel of [
              one([rows], [columns], [columns, 1], [1, 0]), one([columns], [rows], [1, columns], [1, 0]), one([], [rows, columns], [columns, 1], [0, 0]),
              one([], [columns, rows], [1, columns], [0, 0]),
            ]) check(generateLoop, kernel, inputsOf(kernel, specials), dtype === "float64" ? 1e-13 : 2e-5);
          }
        }
      });
    }
  }
  for (const dtype of ["float32", "float64", "int32"] as const) {
    // Above 128 columns and 2^16 elements: a few rows at a time.
    test.each([[521, 131], [512, 128], [70, 1001]])(`${dtype} of long columns [%i, %i], with an axis around them`, (rows, columns) => {
      const length = 2 * rows * columns;
      for (const combine of ["sum", "max", "argmax"] as const) {
        const to = combine === "argmax" ? "int32" : dtype;
        const x = load(dtype, 0, affine(0, rows * columns, 1, columns));
        const padded = load(dtype, 0, affine(-columns, rows * columns, 1, columns), { valid: [{ ...affine(-1, 0, 0, 1), below: rows - 1 }], fill: 2 });
        for (const body of [x, op("mul", dtype, padded, x)]) {
          const kernel: LoopKernel = {
            kind: "loop", outer: [2, columns], inner: [rows],
            args: [read(dtype, length), write(to, 2 * columns), write(to, 2 * columns)],
            stages: [
              reduce(combine, body), store(1, [columns, 1, 0], result(to, 0), "outer"),
              store(2, [columns, 1, 0], op("mul", to, result(to, 0), constant(to, 2)), "outer"),
            ],
          };
          check(generateLoop, kernel, inputsOf(kernel, combine !== "sum"), dtype === "float64" ? 1e-13 : 2e-5);
        }
      }
    });
  }
  test("argmax of rows: the first of equals, the first NaN, infinities, and elements computed on the way", () => {
    const columns = 131;
    const rowsOf: ((i: number) => number)[] = [
      () => -Infinity, () => NaN, (i) => (i === 130 ? -Infinity : NaN), (i) => (i === 77 || i === 129 ? NaN : i === 3 ? Infinity : i),
      (i) => (i < 40 ? -0 : 0), (i) => -i, (i) => i, (i) => (i % 50 === 49 ? 5 : -5), (i) => (i === 130 ? NaN : -1), (i) => (i === 64 ? Infinity : i),
    ];
    for (const dtype of ["float32", "float64"] as const) {
      const x = load(dtype, 0, affine(0, columns, 1));
      const bias = load(dtype, 1, affine(0, 0, 1));
      for (const body of [x, op("sub", dtype, x, bias), op("neg", dtype, op("abs", dtype, x))]) {
        const kernel: LoopKernel = {
          kind: "loop", outer: [rowsOf.length], inner: [columns],
          args: [read(dtype, rowsOf.length * columns), read(dtype, columns), write("int32", rowsOf.length)],
          stages: [reduce("argmax", body), store(2, [1, 0], result("int32", 0), "outer")],
        };
        const inputs = inputsOf(kernel);
        rowsOf.forEach((value, row) => {
          for (let i = 0; i < columns; i++) inputs[0]![row * columns + i] = value(i);
        });
        check(generateLoop, kernel, inputs);
      }
    }
  });
  test("over several axes of many", () => {
    for (const shape of [[3, 4, 5, 6], [2, 1, 9, 8], [5, 3, 2, 2], [2, 40, 3, 50]]) {
      const [a, b, c, d] = stridesOf(shape) as [number, number, number, number];
      const kernel: LoopKernel = {
        kind: "loop", outer: [shape[1]!, shape[3]!], inner: [shape[0]!, shape[2]!],
        args: [read("float32", sizeOf(shape)), write("float32", shape[1]! * shape[3]!), write("int32", shape[1]! * shape[3]!)],
        stages: [
          reduce("sum", op("mul", "float32", load("float32", 0, affine(0, b, d, a, c)), constant("float32", 0.5))),
          reduce("argmax", load("float32", 0, affine(0, b, d, a, c))),
          store(1, [shape[3]!, 1, 0, 0], result("float32", 0), "outer"), store(2, [shape[3]!, 1, 0, 0], result("int32", 1), "outer"),
        ],
      };
      check(generateLoop, kernel, inputsOf(kernel));
    }
  });
  test("the sum of a million float32 is right to a few ulp", () => {
    const length = 1_000_003;
    const next = random(5);
    for (const value of [() => Math.fround(0.1), () => Math.fround(next())]) {
      const data = Float32Array.from({ length }, value);
      const want = data.reduce((sum, x) => sum + x, 0);
      for (const shape of [[length], [1, length]]) {
        const kernel: LoopKernel = {
          kind: "loop", outer: shape.slice(0, -1), inner: [length], args: [read("float32", length), write("float32", 1)],
          stages: [reduce("sum", load("float32", 0, affine(0, ...shape.slice(1).map(() => 0), 1))), store(1, shape.map(() => 0), result("float32", 0), "outer")],
        };
        const [, sum] = runGenerated(generateLoop, kernel, [data, new Float32Array(1)]);
        expect(Math.abs(sum![0]! - want) / want).toBeLessThan(8e-7);
      }
      const rows = 100_000;
      const columns: LoopKernel = {
        kind: "loop", outer: [10], inner: [rows], args: [read("float32", length), write("float32", 10)],
        stages: [reduce("sum", load("float32", 0, affine(0, 1, 10))), store(1, [1, 0], result("float32", 0), "outer")],
      };
      const [, sums] = runGenerated(generateLoop, columns, [data, new Float32Array(10)]);
      for (let column = 0; column < 10; column++) {
        let exact = 0;
        for (let row = 0; row < rows; row++) exact += data[row * 10 + column]!;
        expect(Math.abs(sums![column]! - exact) / exact).toBeLessThan(8e-7);
      }
    }
  });
});

describe("rows", () => {
  test("a costly value shared by stages over two inner axes, with an outer store between", () => {
    for (const [rows, a, b] of [[3, 5, 9], [1, 2, 40], [6, 3, 4]] as const) {
      const x = load("float32", 0, affine(0, a * b, b, 1));
      const bias = load("float32", 1, affine(0, 0, 1, 0));
      const value = op("tanh", "float32", op("add", "float32", x, bias));
      const kernel: LoopKernel = {
        kind: "loop", outer: [rows], inner: [a, b],
        args: [read("float32", rows * a * b), read("float32", a), write("float32", rows), write("float32", rows * a * b), write("int32", rows)],
        stages: [
          reduce("sum", value), store(2, [1, 0, 0], result("float32", 0), "outer"),
          reduce("argmax", op("mul", "float32", value, value)), store(4, [1, 0, 0], result("int32", 2), "outer"),
          store(3, [a * b, b, 1], op("sub", "float32", value, result("float32", 0))),
        ],
      };
      check(generateLoop, kernel, inputsOf(kernel));
    }
  });
  const softmax = (rows: number, columns: number, row: number, column: number, dtype: DType): LoopKernel => {
    const x = load(dtype, 0, affine(0, row, column));
    const power = op("exp", dtype, op("sub", dtype, x, result(dtype, 0)));
    return {
      kind: "loop", outer: [rows], inner: [columns], args: [read(dtype, rows * columns), write(dtype, rows * columns), write(dtype, rows)],
      stages: [
        reduce("max", x), reduce("sum", power), store(1, [row, column], op("div", dtype, power, result(dtype, 1))),
        store(2, [1, 0], op("add", dtype, result(dtype, 0), op("log", dtype, result(dtype, 1))), "outer"),
      ],
    };
  };
  for (const [rows, columns] of [[1, 1], [3, 10], [4, 1000], [128, 10], [7, 33], [33, 7], [5, 4], [2, 3], [1103, 67], [67, 1103]] as const) {
    test(`softmax and logsumexp of [${rows}, ${columns}]`, () => {
      for (const dtype of ["float32", "float64"] as const) {
        for (const kernel of [softmax(rows, columns, columns, 1, dtype), softmax(rows, columns, 1, rows, dtype)]) {
          check(generateLoop, kernel, inputsOf(kernel), dtype === "float32" ? 2e-6 : 1e-14);
        }
      }
    });
  }
});
