/**
 * A table of programs written by hand, with inputs: what one backend computes, every other must too. Sizes are odd on
 * purpose: empty, one, primes, one past a tile.
 */
import type { Kernel, Program, Scalar, ScalarOp, Stage } from "@dormouse/tensor/graph";
import { allocate, isFloat, sizeOf } from "@dormouse/tensor/graph";
import type { DType, TypedArray } from "@dormouse/tensor";
import { affine, apply, argument, constant, dense, indexAt, indirect, load, mapKernel, singleKernel, values } from "./support.ts";

export interface Case {
  readonly name: string;
  readonly program: Program;
  readonly inputs: readonly TypedArray[];
  /** Largest difference allowed, relative to the larger of 1 and the expected value; 0 means equal bits. */
  readonly tolerance: number;
}

const one = (name: string, kernel: Kernel, inputs: readonly TypedArray[], tolerance: number): Case => ({
  name,
  program: singleKernel(kernel),
  inputs,
  tolerance,
});

/** Reproducible elements: floats in [-2, 2), integers of every size, both truth values. */
export function sample(dtype: DType, length: number, seed = 1): TypedArray {
  const array = allocate(dtype, length);
  values(length, seed).forEach((value, i) => {
    if (isFloat(dtype)) array[i] = value;
    else if (dtype === "bool") array[i] = Number(value > 0);
    else array[i] = i % 3 === 0 ? value * 2 ** 30 : value * 4;
  });
  return array;
}

const lengths = [0, 1, 3, 4, 5, 67, 4099];
const precision: Record<DType, number> = {
  float16: 2 ** -11, float32: 2e-6, float64: 2e-14, int32: 0, uint32: 0, uint8: 0, bool: 0,
};
const numbers: DType[] = ["float32", "float64", "int32", "uint32"];
const all: DType[] = [...numbers, "uint8", "bool"];

function elementwise(): Case[] {
  const cases: Case[] = [];
  const add = (name: string, from: readonly DType[], to: DType, shape: readonly number[], body: Scalar): void => {
    const length = sizeOf(shape);
    const args = [...from.map((dtype) => argument(length, "read", dtype)), argument(length, "write", to)];
    const inputs = from.map((dtype, i) => sample(dtype, length, i + 1));
    cases.push(one(`${name} ${from.join()} [${shape.join()}]`, mapKernel(args, shape, body), inputs, precision[to]));
  };
  const flat = affine([1]);
  for (const dtype of numbers) {
    const [x, y] = [load(0, flat, dtype), load(1, flat, dtype)];
    const binary: ScalarOp[] = ["add", "sub", "mul", "div", "max", "min"];
    for (const op of binary) add(op, [dtype, dtype], dtype, [67], apply(op, [x, y]));
    for (const op of ["less", "lessEqual", "equal"] as const) add(op, [dtype, dtype], "bool", [67], apply(op, [x, y], "bool"));
    for (const op of ["neg", "abs"] as const) add(op, [dtype], dtype, [67], apply(op, [x]));
    const condition = apply("less", [x, y], "bool");
    add("where", [dtype, dtype], dtype, [67], apply("where", [condition, y, x]));
  }
  for (const dtype of ["float32", "float64"] as const) {
    const x = load(0, flat, dtype);
    const unary: ScalarOp[] = ["exp", "expm1", "sin", "cos", "tanh", "atan", "erf", "floor", "round"];
    for (const op of unary) add(op, [dtype], dtype, [67], apply(op, [x]));
    for (const op of ["log", "sqrt", "log1p"] as const) add(op, [dtype], dtype, [67], apply(op, [apply("abs", [x])]));
    add("pow", [dtype, dtype], dtype, [67], apply("pow", [apply("abs", [x]), load(1, flat, dtype)]));
  }
  for (const from of all) {
    for (const to of all) {
      if (from !== to) add(`cast to ${to}`, [from], to, [67], apply("cast", [load(0, flat, from)], to));
    }
  }
  for (const op of ["and", "or"] as const) {
    add(op, ["bool", "bool"], "bool", [67], apply(op, [load(0, flat, "bool"), load(1, flat, "bool")]));
  }
  add("not", ["bool"], "bool", [67], apply("not", [load(0, flat, "bool")]));
  for (const length of lengths) {
    add("add", ["float32", "float32"], "float32", [length], apply("add", [load(0, flat), load(1, flat)]));
  }
  const counter = apply("cast", [indexAt(affine([7, 1]))], "uint32");
  const key = [constant(42, "uint32"), load(0, affine([1, 7]), "uint32")];
  add("threefry", ["uint32"], "uint32", [7, 11], apply("threefry", [...key, counter, constant(1, "uint32")]));
  return cases;
}

function views(): Case[] {
  const map = (
    name: string,
    length: number,
    shape: readonly number[],
    body: Scalar,
    inputs: readonly TypedArray[] = [],
  ): Case => {
    const extra = inputs.map((array) => argument(array.length, "read", "int32"));
    const args = [argument(length), ...extra, argument(sizeOf(shape), "write")];
    return one(`${name} [${shape.join()}]`, mapKernel(args, shape, body), [sample("float32", length), ...inputs], 0);
  };
  const positions = Int32Array.from({ length: 13 }, (_, i) => ((i * 5) % 11) - 2);
  return [
    map("transpose", 35 * 67, [67, 35], load(0, affine([1, 67]))),
    map("transpose 3-d", 5 * 6 * 7, [7, 5, 6], load(0, affine([1, 42, 7]))),
    map("broadcast column", 67, [67, 35], load(0, affine([1, 0]))),
    map("broadcast row", 35, [67, 35], load(0, affine([0, 1]))),
    map("reversed", 67, [67], load(0, affine([-1], 66))),
    map("every third", 67, [22], load(0, affine([3], 1))),
    map("padded", 67, [5, 80], load(0, affine([0, 1], -6), "float32", { valid: [{ offset: -6, strides: [0, 1], below: 67 }], fill: 3 })),
    map("padded in two axes", 35, [7, 9], load(0, affine([7, 1], -8), "float32", {
      valid: [{ offset: -1, strides: [1, 0], below: 5 }, { offset: -1, strides: [0, 1], below: 7 }],
    })),
    map("gathered rows", 9 * 35, [13, 35], load(0, affine([0, 1]), "float32", {
      indirect: [indirect(load(1, affine([1, 0]), "int32"), 35, 9)],
    }), [positions]),
    map("gathered elements", 9, [13], load(0, affine([0]), "float32", {
      indirect: [indirect(load(1, affine([1]), "int32"), 1, 9)],
    }), [positions]),
    map("valid", 1, [9, 13], apply("where", [
      { op: "valid", dtype: "bool", conditions: [{ offset: -3, strides: [1, 1], below: 9 }] },
      constant(1), load(0, affine([0, 0])),
    ])),
    map("index", 1, [9, 13], apply("cast", [indexAt(affine([-4, 3], 5))], "float32")),
  ];
}

const result = (stage: number, dtype: DType = "float32"): Scalar => ({ op: "result", dtype, stage });

function reductions(): Case[] {
  const cases: Case[] = [];
  const reduce = (combine: "sum" | "max" | "argmax", dtype: DType, rows: number, columns: number, strides: readonly number[]): void => {
    const to = combine === "argmax" ? "int32" : dtype;
    const stages: Stage[] = [
      { kind: "reduce", combine, dtype: to, body: load(0, affine(strides), dtype) },
      { kind: "store", level: "outer", arg: 1, at: affine([1, 0]), body: result(0, to) },
    ];
    const args = [argument(rows * columns, "read", dtype), argument(rows, "write", to)];
    const kernel: Kernel = { kind: "loop", args, outer: [rows], inner: [columns], stages };
    const tolerance = combine === "sum" ? precision[dtype] * Math.sqrt(columns + 1) : 0;
    cases.push(one(`${combine} ${dtype} ${rows}x${columns} by ${strides.join()}`, kernel, [sample(dtype, rows * columns)], tolerance));
  };
  for (const combine of ["sum", "max", "argmax"] as const) {
    for (const dtype of numbers) reduce(combine, dtype, 5, 67, [67, 1]);
    for (const columns of [0, 1, 3, 4, 17, 1031]) reduce(combine, "float32", 3, columns, [columns, 1]);
    reduce(combine, "float32", 67, 19, [1, 67]);
    reduce(combine, "float32", 1, 40_009, [40_009, 1]);
    reduce(combine, "float32", 997, 61, [61, 1]);
  }
  for (const [rows, columns] of [[1, 1], [3, 67], [401, 129]] as const) {
    const x = load(0, dense(rows, columns));
    const shifted = apply("exp", [apply("sub", [x, result(0)])]);
    cases.push(one(`softmax ${rows}x${columns}`, {
      kind: "loop",
      args: [argument(rows * columns), argument(rows * columns, "write"), argument(rows, "write")],
      outer: [rows],
      inner: [columns],
      stages: [
        { kind: "reduce", combine: "max", dtype: "float32", body: x },
        { kind: "reduce", combine: "sum", dtype: "float32", body: shifted },
        { kind: "store", level: "inner", arg: 1, at: dense(rows, columns), body: apply("div", [shifted, result(1)]) },
        { kind: "store", level: "outer", arg: 2, at: affine([1, 0]), body: apply("add", [result(0), apply("log", [result(1)])]) },
      ],
    }, [sample("float32", rows * columns)], 4e-6));
  }
  return cases;
}

function products(): Case[] {
  const cases: Case[] = [];
  const product = (dtype: DType, [b, m, n, k]: readonly [number, number, number, number], layout: "nn" | "tn" | "nt"): void => {
    const lhs = layout === "tn" ? [m * k, 1, 0, m] : [m * k, k, 0, 1];
    const rhs = layout === "nt" ? [n * k, 0, k, 1] : [n * k, 0, 1, n];
    const kernel: Kernel = {
      kind: "contract",
      args: [argument(b * m * k, "read", dtype), argument(b * n * k, "read", dtype), argument(n, "read", dtype), argument(b * m * n, "write", dtype)],
      dtype, batch: [b], m: [m], n: [n], k: [k],
      lhs: load(0, affine(lhs), dtype),
      rhs: load(1, affine(rhs), dtype),
      stores: [{ arg: 3, at: affine([m * n, n, 1, 0]), body: apply("add", [result(0, dtype), load(2, affine([0, 0, 1, 0]), dtype)]) }],
    };
    const inputs = [sample(dtype, b * m * k, 1), sample(dtype, b * n * k, 2), sample(dtype, n, 3)];
    cases.push(one(`product ${dtype} ${layout} ${b}x${m}x${n}x${k}`, kernel, inputs, precision[dtype] * (4 + Math.sqrt(k))));
  };
  for (const layout of ["nn", "tn", "nt"] as const) {
    product("float32", [1, 67, 45, 31], layout);
    product("float32", [3, 7, 9, 5], layout);
    product("float64", [2, 13, 9, 11], layout);
  }
  product("int32", [2, 13, 9, 11], "nn");
  product("float32", [1, 1, 1, 1], "nn");
  product("float32", [1, 5, 7, 0], "nn");
  product("float32", [1, 0, 7, 3], "nn");
  product("float32", [1, 131, 129, 301], "nn");

  // A 3×3 convolution of a padded 6×7 image with 3 channels: 2 images, 4 filters.
  const [images, channels, height, width, filters] = [2, 3, 6, 7, 4];
  // Axes: image | row, column | filter | channel, dy, dx.
  const pixels = (row: number, column: number): number[] => [0, row, column, 0, 0, row, column];
  const kernel: Kernel = {
    kind: "contract",
    args: [
      argument(images * channels * height * width),
      argument(filters * channels * 9),
      argument(images * filters * height * width, "write"),
    ],
    dtype: "float32",
    batch: [images], m: [height, width], n: [filters], k: [channels, 3, 3],
    lhs: load(0, affine([channels * height * width, width, 1, 0, height * width, width, 1], -width - 1), "float32", {
      valid: [
        { offset: -1, strides: pixels(1, 0), below: height },
        { offset: -1, strides: pixels(0, 1), below: width },
      ],
    }),
    rhs: load(1, affine([0, 0, 0, channels * 9, 9, 3, 1])),
    stores: [{
      arg: 2,
      at: affine([filters * height * width, width, 1, height * width, 0, 0, 0]),
      body: apply("max", [result(0), constant(0)]),
    }],
  };
  const inputs = [sample("float32", images * channels * height * width), sample("float32", filters * channels * 9, 2)];
  cases.push(one("convolution 3x3, padded, relu", kernel, inputs, 2e-5));
  return cases;
}

function scatters(): Case[] {
  return (["float32", "float64", "int32", "uint32"] as const).flatMap((dtype) =>
    [[13, 35, 9], [997, 3, 31], [1, 1, 1], [0, 3, 4]].map(([updates, columns, rows]) => {
      const index = Int32Array.from({ length: updates! }, (_, i) => ((i * 7) % (rows! + 3)) - 1);
      const kernel: Kernel = {
        kind: "scatter",
        args: [argument(updates! * columns!, "read", dtype), argument(updates!, "read", "int32"), argument(rows! * columns!, "write", dtype)],
        axes: [updates!, columns!],
        arg: 2,
        at: affine([0, 1]),
        indirect: [indirect(load(1, affine([1, 0]), "int32"), columns!, rows!)],
        body: load(0, dense(updates!, columns!), dtype),
      };
      const inputs = [sample(dtype, updates! * columns!), index];
      return one(`scatter ${dtype} ${updates}x${columns} to ${rows}`, kernel, inputs, 10 * precision[dtype]);
    }),
  );
}

function routines(): Case[] {
  return (["cumsum", "argsort"] as const).flatMap((name) =>
    numbers.flatMap((dtype) =>
      [[1, 67, 1], [5, 17, 3], [2, 1, 1], [3, 0, 2], [1, 5003, 1]].flatMap(([outer, length, inner]) =>
        [false, true].map((reverse) => {
          const elements = outer! * length! * inner!;
          const to = name === "cumsum" ? dtype : "int32";
          const args = [argument(elements, "read", dtype), argument(elements, "write", to)];
          const kernel: Kernel = { kind: "routine", name, args, outer: outer!, length: length!, inner: inner!, reverse };
          const input = sample(dtype, elements);
          if (isFloat(dtype) && elements > 10) [input[3], input[7], input[8]] = name === "argsort" ? [NaN, input[5]!, NaN] : [0, 1, 2];
          const tolerance = precision[to] * Math.sqrt(length! + 1);
          return one(`${name} ${dtype} [${outer}, ${length}, ${inner}]${reverse ? " reverse" : ""}`, kernel, [input], tolerance);
        }),
      ),
    ),
  );
}

/** A hidden layer and its loss: a product, rows and a sum through temporaries, then an update in place. */
function network(): Case {
  const [batch, width, classes] = [64, 300, 130];
  const bytes = 4 * batch * classes;
  const logits = { space: "temporary", offset: 0, bytes } as const;
  const losses = { space: "temporary", offset: Math.ceil(bytes / 256) * 256, bytes: 4 * batch } as const;
  const x = load(0, affine([classes, 1]));
  const program: Program = {
    key: "network",
    inputs: [
      { dtype: "float32", length: batch * width },
      { dtype: "float32", length: width * classes },
    ],
    outputs: [
      { dtype: "float32", length: 1 },
      { dtype: "float32", length: width * classes, alias: 1 },
    ],
    kernels: [
      {
        kind: "contract",
        args: [argument(batch * width), argument(width * classes), argument(batch * classes, "write")],
        dtype: "float32",
        batch: [], m: [batch], n: [classes], k: [width],
        lhs: load(0, affine([width, 0, 1])),
        rhs: load(1, affine([0, 1, classes])),
        stores: [{ arg: 2, at: affine([classes, 1, 0]), body: apply("tanh", [result(0)]) }],
      },
      {
        kind: "loop",
        args: [argument(batch * classes), argument(batch, "write")],
        outer: [batch], inner: [classes],
        stages: [
          { kind: "reduce", combine: "max", dtype: "float32", body: x },
          { kind: "reduce", combine: "sum", dtype: "float32", body: apply("exp", [apply("sub", [x, result(0)])]) },
          { kind: "store", level: "outer", arg: 1, at: affine([1, 0]), body: apply("add", [result(0), apply("log", [result(1)])]) },
        ],
      },
      {
        kind: "loop",
        args: [argument(batch), argument(1, "write")],
        outer: [], inner: [batch],
        stages: [
          { kind: "reduce", combine: "sum", dtype: "float32", body: load(0, affine([1])) },
          { kind: "store", level: "outer", arg: 1, at: affine([0]), body: result(0) },
        ],
      },
      {
        kind: "loop",
        args: [argument(width * classes, "readwrite"), argument(1)],
        outer: [width * classes], inner: [],
        stages: [{
          kind: "store", level: "outer", arg: 0, at: affine([1]),
          body: apply("sub", [load(0, affine([1])), apply("mul", [constant(0.001), load(1, affine([0]))])]),
        }],
      },
    ],
    steps: [
      { kernel: 0, slots: [{ space: "input", index: 0 }, { space: "input", index: 1 }, logits] },
      { kernel: 1, slots: [logits, losses] },
      { kernel: 2, slots: [losses, { space: "output", index: 0 }] },
      { kernel: 3, slots: [{ space: "output", index: 1 }, { space: "output", index: 0 }] },
    ],
    temporaryBytes: losses.offset + losses.bytes,
  };
  const inputs = [sample("float32", batch * width), sample("float32", width * classes, 2)];
  return { name: "network", program, inputs, tolerance: 1e-5 };
}

/** Every case. */
export const cases: readonly Case[] = [
  ...elementwise(), ...views(), ...reductions(), ...products(), ...scatters(), ...routines(), network(),
];
