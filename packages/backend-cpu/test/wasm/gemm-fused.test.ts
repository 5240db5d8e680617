import { describe, expect, test } from "vitest";
import type { DType, TypedArray } from "@dormouse/tensor";
import { allocate } from "@dormouse/tensor/graph";
import type { Affine, ContractKernel, Scalar, ScalarOp } from "@dormouse/tensor/graph";
import { naiveContract, rowMajor, runContract } from "./contract-support.ts";

function numbers(dtype: DType, length: number, seed: number, below = 100): TypedArray {
  const array = allocate(dtype, length);
  let state = seed >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    array[i] = dtype.startsWith("float") ? state / 2 ** 31 - 1 : (state >>> 8) % below;
  }
  return array;
}

const apply = (op: ScalarOp, dtype: DType, ...sources: readonly Scalar[]): Scalar => ({ op, dtype, sources });
const constant = (dtype: DType, value: number): Scalar => ({ op: "const", dtype, value });

interface Sizes {
  readonly b?: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** A batched row-major product with room for five more arguments; `change` says what is fused into it. */
function fused(
  dtype: DType,
  { b = 1, m, n, k }: Sizes,
  change: (at: {
    left: Affine;
    right: Affine;
    out: Affine;
    result: Scalar;
    load: (arg: number, at: Affine, dtype?: DType) => Scalar;
  }) => Partial<ContractKernel>,
  extra: readonly TypedArray[] = [],
  extraDTypes: readonly DType[] = [],
): [ContractKernel, TypedArray[]] {
  const buffers = [numbers(dtype, b * m * k, 1), numbers(dtype, b * k * n, 2), numbers(dtype, b * m * n, 3), ...extra];
  const dtypes = [dtype, dtype, dtype, ...extraDTypes];
  const load = (arg: number, at: Affine, of: DType = dtype): Scalar => ({ op: "load", dtype: of, arg, at });
  const left = { offset: 0, strides: [m * k, k, 0, 1] };
  const right = { offset: 0, strides: [k * n, 0, 1, n] };
  const out = { offset: 0, strides: [m * n, n, 1, 0] };
  const result: Scalar = { op: "result", dtype, stage: 0 };
  return [
    {
      kind: "contract",
      dtype,
      batch: [b],
      m: [m],
      n: [n],
      k: [k],
      args: buffers.map(({ length }, i) => ({ dtype: dtypes[i]!, length, access: i === 2 ? "readwrite" : "read" })),
      lhs: load(0, left),
      rhs: load(1, right),
      stores: [{ arg: 2, at: out, body: result }],
      ...change({ left, right, out, result, load }),
    },
    buffers,
  ];
}

function check([kernel, buffers]: [ContractKernel, TypedArray[]], threads = 1): void {
  const [got, expected] = [runContract(kernel, buffers, threads), naiveContract(kernel, buffers)];
  const depth = kernel.k.reduce((product, size) => product * size, 1);
  got.forEach((buffer, b) =>
    buffer.forEach((value, i) => {
      const want = expected[b]![i]!;
      const unit = kernel.args[b]!.dtype === "float32" ? 2 ** -23 : kernel.args[b]!.dtype === "float64" ? 2 ** -51 : 0;
      if (value === want || Math.abs(value - want) <= unit * (8 + depth) * Math.max(1, Math.abs(want))) return;
      expect.fail(`argument ${b}, element ${i}: ${value}, not ${want}`);
    }),
  );
}

const shapes: readonly Sizes[] = [
  { m: 1, n: 1, k: 1 },
  { m: 7, n: 9, k: 5 },
  { m: 1, n: 37, k: 11 },
  { m: 19, n: 1, k: 8 },
  { b: 3, m: 13, n: 17, k: 29 },
  { m: 200, n: 5, k: 3 },
  { m: 5, n: 531, k: 7 },
  { m: 9, n: 10, k: 300 },
  { b: 2, m: 3, n: 4, k: 0 },
];

describe.each(["float32", "float64", "int32"] as const)("fused stores, %s", (dtype) => {
  describe.each(shapes)("$b x $m x $n x $k", (sizes) => {
    const { b = 1, m, n } = sizes;
    const bias = numbers(dtype, Math.max(b * m, n), 4);

    test("bias along columns, then a maximum with zero", () =>
      check(
        fused(
          dtype,
          sizes,
          ({ out, result, load }) => ({
            stores: [
              {
                arg: 2,
                at: out,
                body: apply(
                  "max",
                  dtype,
                  apply("add", dtype, result, load(3, { offset: 0, strides: [0, 0, 1, 0] })),
                  constant(dtype, 0),
                ),
              },
            ],
          }),
          [bias],
          [dtype],
        ),
        2,
      ));

    test("bias along rows and batches", () =>
      check(
        fused(
          dtype,
          sizes,
          ({ out, result, load }) => ({
            stores: [
              { arg: 2, at: out, body: apply("add", dtype, load(3, { offset: 0, strides: [m, 1, 0, 0] }), result) },
            ],
          }),
          [bias],
          [dtype],
        ),
      ));

    test("added to what was there", () =>
      check(
        fused(dtype, sizes, ({ out, result, load }) => ({
          stores: [{ arg: 2, at: out, body: apply("add", dtype, load(2, out), result) }],
        })),
      ));

    test("two stores, one of them transposed and of another dtype", () => {
      const other: DType = dtype === "int32" ? "float32" : "int32";
      const position: Scalar = { op: "index", dtype: "int32", at: { offset: 5, strides: [7, 3, 1, 0] } };
      check(
        fused(
          dtype,
          sizes,
          ({ out, result }) => ({
            args: [dtype, dtype, dtype, other].map((each, i) => ({
              dtype: each,
              length: b * m * n + b * (m + n) * sizes.k,
              access: i < 2 ? "read" : "write",
            })),
            stores: [
              { arg: 2, at: out, body: apply("neg", dtype, result) },
              { arg: 3, at: { offset: 0, strides: [m * n, 1, m, 0] }, body: apply("cast", other, position) },
            ],
          }),
          [allocate(other, b * m * n)],
          [other],
        ),
      );
    });

    test("a computed left operand", () =>
      check(
        fused(dtype, sizes, ({ left, load }) => ({
          lhs: apply(
            "where",
            dtype,
            apply("less", "bool", load(0, left), constant(dtype, 0)),
            constant(dtype, 2),
            apply("mul", dtype, load(0, left), load(0, left)),
          ),
        })),
        2,
      ));

    test("a computed right operand", () =>
      check(
        fused(dtype, sizes, ({ right, load }) => ({
          rhs: apply("add", dtype, load(1, right), constant(dtype, 1)),
        })),
        3,
      ));

    test("a transposed computed right operand", () =>
      check(
        fused(dtype, sizes, ({ load }) => ({
          rhs: apply("neg", dtype, load(1, { offset: 0, strides: [sizes.k * n, 0, sizes.k, 1] })),
        })),
      ));

    test("a constant operand: row sums", () => check(fused(dtype, sizes, () => ({ rhs: constant(dtype, 1) }))));
  });
});

test("rows gathered by an index operand", () => {
  const [m, n, k, rows] = [11, 13, 9, 4];
  const index = numbers("int32", m, 9, rows);
  check(
    fused(
      "float32",
      { m, n, k },
      ({ out, result, load }) => ({
        lhs: {
          op: "load",
          dtype: "float32",
          arg: 4,
          at: { offset: 0, strides: [0, 0, 0, 1] },
          indirect: [{ index: load(3, { offset: 0, strides: [0, 1, 0, 0] }, "int32"), stride: k, size: rows }],
        },
        stores: [{ arg: 2, at: out, body: result }],
      }),
      [index, numbers("float32", rows * k, 10)],
      ["int32", "float32"],
    ),
  );
});

test("computed operands and stores over several axes in every group", () => {
  const [b, m0, m1, n0, n1, k0, k1] = [2, 3, 5, 4, 7, 2, 9];
  for (const dtype of ["float32", "float64"] as const) {
    const left = rowMajor([k0, m0, b, k1, m1]);
    const right = rowMajor([n0, k1, n1, b, k0]);
    const out = rowMajor([n1, m0, b, n0, m1]);
    const bias = rowMajor([n0, m1, n1]);
    const buffers = [
      numbers(dtype, b * m0 * m1 * k0 * k1, 4),
      numbers(dtype, b * n0 * n1 * k0 * k1, 5),
      numbers(dtype, b * m0 * m1 * n0 * n1, 6),
      numbers(dtype, n0 * m1 * n1, 7),
    ];
    const load = (arg: number, strides: readonly number[]): Scalar => ({
      op: "load",
      dtype,
      arg,
      at: { offset: 0, strides },
    });
    check(
      [
        {
          kind: "contract",
          dtype,
          batch: [b],
          m: [m0, m1],
          n: [n0, n1],
          k: [k0, k1],
          args: buffers.map(({ length }, i) => ({ dtype, length, access: i === 2 ? "write" : "read" })),
          lhs: apply(
            "mul",
            dtype,
            load(0, [left[2]!, left[1]!, left[4]!, 0, 0, left[0]!, left[3]!]),
            constant(dtype, 0.5),
          ),
          rhs: apply("neg", dtype, load(1, [right[3]!, 0, 0, right[0]!, right[2]!, right[4]!, right[1]!])),
          stores: [
            {
              arg: 2,
              at: { offset: 0, strides: [out[2]!, out[1]!, out[4]!, out[3]!, out[0]!, 0, 0] },
              body: apply(
                "add",
                dtype,
                { op: "result", dtype, stage: 0 },
                load(3, [0, 0, bias[1]!, bias[0]!, bias[2]!, 0, 0]),
              ),
            },
          ],
        },
        buffers,
      ],
      2,
    );
  }
});

test("a padded computed operand reads nothing outside", () => {
  const [m, n, k] = [9, 6, 8];
  const strides = [0, 1, 0, 1];
  const body: Scalar = {
    op: "load",
    dtype: "float32",
    arg: 3,
    at: { offset: -3, strides },
    valid: [{ offset: -3, strides, below: 7 }],
    fill: 2,
  };
  check(
    fused(
      "float32",
      { m, n, k },
      () => ({ lhs: apply("mul", "float32", body, body) }),
      [numbers("float32", 7, 3)],
      ["float32"],
    ),
  );
});
