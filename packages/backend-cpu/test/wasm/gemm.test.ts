import { describe, expect, test } from "vitest";
import type { DType, TypedArray } from "@dormouse/tensor";
import { allocate } from "@dormouse/tensor/graph";
import type { Condition, ContractKernel, KernelArgument, Scalar } from "@dormouse/tensor/graph";
import { fusedMultiplyAdd, naiveContract, rowMajor, runContract } from "./contract-support.ts";

/** Reproducible numbers: floats in [-1, 1), or integers that overflow in products. */
function numbers(dtype: DType, length: number, seed: number): TypedArray {
  const array = allocate(dtype, length);
  let state = seed >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    array[i] = dtype.startsWith("float") ? state / 2 ** 31 - 1 : state >> 8;
  }
  return array;
}

const result = (dtype: DType): Scalar => ({ op: "result", dtype, stage: 0 });
const load = (
  arg: number,
  dtype: DType,
  strides: readonly number[],
  offset = 0,
  more: Partial<Extract<Scalar, { op: "load" }>> = {},
): Scalar => ({ op: "load", dtype, arg, at: { offset, strides }, ...more });

function argumentsOf(
  buffers: readonly TypedArray[],
  dtypes: readonly DType[],
  written: readonly number[],
): KernelArgument[] {
  return buffers.map(({ length }, i) => ({
    dtype: dtypes[i]!,
    length,
    access: written.includes(i) ? "write" : "read",
  }));
}

/** Fails unless every buffer agrees with the naive loop; `scale` is the size of a sum's terms. */
function check(
  kernel: ContractKernel,
  buffers: readonly TypedArray[],
  { threads = 1, scale = 1, fma = fusedMultiplyAdd, last = 2, wide = false } = {},
): void {
  const [got, expected] = [runContract(kernel, buffers, threads, fma, last, wide), naiveContract(kernel, buffers)];
  const depth = kernel.k.reduce((product, size) => product * size, 1);
  const unit = kernel.dtype === "float32" ? 2 ** -23 : kernel.dtype === "float64" ? 2 ** -52 : 0;
  const tolerance = unit * scale * (4 + depth);
  got.forEach((buffer, b) =>
    buffer.forEach((value, i) => {
      const want = expected[b]![i]!;
      if (Object.is(value, want) || Math.abs(value - want) <= tolerance || value === want) return;
      expect.fail(`argument ${b}, element ${i}: ${value}, not ${want}`);
    }),
  );
}

type Layout = "nn" | "nt" | "tn" | "tt";

/** batch × (m, k) · (k, n), with either operand stored transposed. */
function matmul(
  dtype: DType,
  b: number,
  m: number,
  n: number,
  k: number,
  layout: Layout = "nn",
): [ContractKernel, TypedArray[]] {
  const buffers = [numbers(dtype, b * m * k, 1), numbers(dtype, b * k * n, 2), numbers(dtype, b * m * n, 3)];
  const [left, right] = [layout[0] === "n" ? [k, 1] : [1, m], layout[1] === "n" ? [n, 1] : [1, k]];
  return [
    {
      kind: "contract",
      dtype,
      args: argumentsOf(buffers, [dtype, dtype, dtype], [2]),
      batch: [b],
      m: [m],
      n: [n],
      k: [k],
      lhs: load(0, dtype, [m * k, left[0]!, 0, left[1]!]),
      rhs: load(1, dtype, [k * n, 0, right[1]!, right[0]!]),
      stores: [{ arg: 2, at: { offset: 0, strides: [m * n, n, 1, 0] }, body: result(dtype) }],
    },
    buffers,
  ];
}

const dtypes = ["float32", "float64", "int32"] as const;
const layouts: readonly Layout[] = ["nn", "nt", "tn", "tt"];

describe.each(dtypes)("%s", (dtype) => {
  const sizes: readonly (readonly [number, number, number])[] = [
    [1, 1, 1],
    [1, 7, 3],
    [5, 1, 4],
    [6, 8, 8],
    [7, 9, 5],
    [3, 12, 1],
    [12, 16, 17],
    [13, 11, 31],
    [4, 10, 128],
    [37, 41, 43],
    [65, 33, 257],
    [1, 1, 19],
    [1, 67, 41],
    [67, 1, 41],
    [1, 4, 8],
  ];
  test.each(sizes.flatMap(([m, n, k]) => layouts.map((layout) => [m, n, k, layout] as const)))(
    "%i x %i x %i %s",
    (m, n, k, layout) => {
      check(...matmul(dtype, 1, m, n, k, layout));
    },
  );

  test("depth of several blocks", () => check(...matmul(dtype, 1, 9, 13, 1031)));
  test("depth beyond the resident limit", () => check(...matmul(dtype, 1, 5, 11, 40007)));
  test("rows of several blocks", () => check(...matmul(dtype, 1, 397, 17, 5)));
  test("columns of several blocks", () => check(...matmul(dtype, 1, 7, 4099, 3)));
  test("batches", () => check(...matmul(dtype, 5, 7, 9, 11, "nt")));
  test.each([0, 1, 2])("empty along axis %i", (axis) => {
    const [m, n, k] = [0, 1, 2].map((i) => (i === axis ? 0 : 3)) as [number, number, number];
    check(...matmul(dtype, 2, m, n, k));
  });
  test.each([0, 1, 2])("nothing is read far beyond argument %i", (last) => {
    for (const layout of layouts)
      for (const [m, n] of [
        [7, 100],
        [100, 7],
        [1, 99],
        [99, 1],
      ] as const) {
        check(...matmul(dtype, 1, m, n, 101, layout), { last });
      }
  });
  test("without relaxed multiply-add", () => check(...matmul(dtype, 1, 37, 41, 43), { fma: false }));
  test("in the tiles of wide mode", () => check(...matmul(dtype, 2, 37, 41, 43), { wide: true }));
  test.each([2, 3, 16])("%i threads", (threads) => {
    check(...matmul(dtype, 3, 41, 37, 29), { threads });
    check(...matmul(dtype, 1, 131, 17, 33), { threads });
    check(...matmul(dtype, 1, 2, 5, 7), { threads });
    check(...matmul(dtype, 2, 1, 37, 23), { threads });
    check(...matmul(dtype, 1, 1, 71, 23, "nt"), { threads });
  });
});

test("NaN and infinities stay in their rows and columns", () => {
  const [kernel, buffers] = matmul("float32", 1, 7, 11, 5);
  buffers[0]![2 * 5 + 3] = Number.NaN;
  buffers[1]![1 * 11 + 10] = Infinity;
  buffers[0]![6 * 5 + 1] = -Infinity;
  check(kernel, buffers, { scale: 4 });
});

test("a row or column shared by all batches", () => {
  const [b, m, n, k] = [3, 5, 9, 7];
  const buffers = [numbers("float32", m * k, 1), numbers("float32", b * k * n, 2), numbers("float32", b * m * n, 3)];
  for (const output of [
    [m * n, n, 1, 0],
    [n, b * n, 1, 0],
  ]) {
    check(
      {
        kind: "contract",
        dtype: "float32",
        args: argumentsOf(buffers, ["float32", "float32", "float32"], [2]),
        batch: [b],
        m: [m],
        n: [n],
        k: [k],
        lhs: load(0, "float32", [0, k, 0, 1]),
        rhs: load(1, "float32", [k * n, 0, 1, n]),
        stores: [{ arg: 2, at: { offset: 0, strides: output }, body: result("float32") }],
      },
      buffers,
    );
    const swapped = [buffers[1]!, buffers[0]!, buffers[2]!];
    check(
      {
        kind: "contract",
        dtype: "float32",
        args: argumentsOf(swapped, ["float32", "float32", "float32"], [2]),
        batch: [b],
        m: [n],
        n: [m],
        k: [k],
        lhs: load(0, "float32", [k * n, 1, 0, n]),
        rhs: load(1, "float32", [0, 0, k, 1]),
        stores: [{ arg: 2, at: { offset: 0, strides: [output[0]!, 1, output[1]!, 0] }, body: result("float32") }],
      },
      swapped,
    );
  }
});

describe("several axes in a group, and stores that are not rows", () => {
  const [b, m0, m1, n0, n1, k0, k1] = [2, 3, 5, 4, 3, 2, 7];
  test.each<[string, DType]>([
    ["float32", "float32"],
    ["float64", "float64"],
    ["int32", "int32"],
  ])("%s", (_, dtype) => {
    const left = rowMajor([k0, m0, b, k1, m1]);
    const right = rowMajor([n0, k1, n1, b, k0]);
    const out = rowMajor([n1, m0, b, n0, m1]);
    const length = b * m0 * m1 * n0 * n1;
    const buffers = [
      numbers(dtype, b * m0 * m1 * k0 * k1, 4),
      numbers(dtype, b * n0 * n1 * k0 * k1, 5),
      numbers(dtype, length + 3, 6),
    ];
    check(
      {
        kind: "contract",
        dtype,
        args: argumentsOf(buffers, [dtype, dtype, dtype], [2]),
        batch: [b],
        m: [m0, m1],
        n: [n0, n1],
        k: [k0, k1],
        lhs: load(0, dtype, [left[2]!, left[1]!, left[4]!, 0, 0, left[0]!, left[3]!]),
        rhs: load(1, dtype, [right[3]!, 0, 0, right[0]!, right[2]!, right[4]!, right[1]!]),
        stores: [
          {
            arg: 2,
            at: { offset: 3, strides: [out[2]!, out[1]!, out[4]!, out[3]!, out[0]!, 0, 0] },
            body: result(dtype),
          },
        ],
      },
      buffers,
    );
  });
});

/** x [b, c, h, w] * kernel [o, c, kh, kw]: windows of a padded image as an operand. */
function convolution(
  dtype: DType,
  {
    b = 2,
    c = 3,
    h = 7,
    w = 9,
    o = 5,
    kernel = 3,
    stride = 1,
    padding = 1,
    dilation = 1,
    fill = 0,
    windowsLeft = false,
    last = false,
  } = {},
): [ContractKernel, TypedArray[]] {
  const out = (size: number): number => Math.floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;
  const [oh, ow] = [out(h), out(w)];
  const x = last ? [h * w * c, 1, w * c, c] : rowMajor([b, c, h, w]);
  const y = last ? [oh * ow * o, 1, ow * o, o] : rowMajor([b, o, oh, ow]);
  const weights = rowMajor([o, c, kernel, kernel]);
  const buffers = [
    numbers(dtype, b * c * h * w, 7),
    numbers(dtype, o * c * kernel ** 2, 8),
    numbers(dtype, b * o * oh * ow, 9),
  ];
  const conditions: Condition[] = [
    [h, 0],
    [w, 1],
  ].map(([below, axis]) => ({
    offset: -padding,
    below: below!,
    strides: [
      0,
      ...(windowsLeft ? [] : [0]),
      axis === 0 ? stride : 0,
      axis === 1 ? stride : 0,
      ...(windowsLeft ? [0] : []),
      0,
      axis === 0 ? dilation : 0,
      axis === 1 ? dilation : 0,
    ],
  }));
  const along = (image: readonly number[], channel: number): number[] =>
    windowsLeft ? [image[0]!, image[2]!, image[3]!, channel] : [image[0]!, channel, image[2]!, image[3]!];
  const windows = load(
    0,
    dtype,
    [...along([x[0]!, 0, x[2]! * stride, x[3]! * stride], 0), x[1]!, x[2]! * dilation, x[3]! * dilation],
    -padding * (x[2]! + x[3]!),
    { valid: conditions, fill },
  );
  const filters = load(1, dtype, [...along([0, 0, 0, 0], weights[0]!), ...weights.slice(1)]);
  return [
    {
      kind: "contract",
      dtype,
      args: argumentsOf(buffers, [dtype, dtype, dtype], [2]),
      batch: [b],
      m: windowsLeft ? [oh, ow] : [o],
      n: windowsLeft ? [o] : [oh, ow],
      k: [c, kernel, kernel],
      lhs: windowsLeft ? windows : filters,
      rhs: windowsLeft ? filters : windows,
      stores: [{ arg: 2, at: { offset: 0, strides: [...along(y, y[1]!), 0, 0, 0] }, body: result(dtype) }],
    },
    buffers,
  ];
}

describe("convolution as a product of windows", () => {
  test.each<[string, Parameters<typeof convolution>[1]]>([
    ["same padding", {}],
    ["valid", { padding: 0 }],
    ["stride 2", { stride: 2 }],
    ["dilation 2", { dilation: 2, padding: 2 }],
    ["padding wider than the window", { padding: 5 }],
    ["filled with 3", { fill: 3 }],
    ["windows on the left", { windowsLeft: true }],
    ["channels last", { last: true, windowsLeft: true }],
    ["channels last, exchanged", { last: true }],
    ["one pixel", { h: 1, w: 1 }],
    ["wide", { b: 1, c: 1, h: 28, w: 28, o: 16 }],
    ["channels cut by blocks of the depth", { b: 1, c: 71, h: 5, w: 5 }],
    ["channels cut by blocks of the depth, windows on the left", { b: 1, c: 71, h: 5, w: 5, windowsLeft: true }],
  ])("%s", (_, shape) => {
    for (const dtype of dtypes) check(...convolution(dtype, shape), { threads: 2, scale: 4 });
  });
});

/** The gradient of the filters: windows of all images, over positions. */
function filterGradient(
  dtype: DType,
  { b = 2, c = 3, h = 7, w = 9, o = 5, kernel = 3, stride = 1, padding = 1, fill = 0, exchanged = false } = {},
): [ContractKernel, TypedArray[]] {
  const out = (size: number): number => Math.floor((size + 2 * padding - kernel) / stride) + 1;
  const [oh, ow] = [out(h), out(w)];
  const lengths = [b * c * h * w, b * o * oh * ow, o * c * kernel ** 2];
  const buffers = lengths.map((length, i) => numbers(dtype, length, 7 + i));
  // Axes [o, c, kh, kw, b, oh, ow], or [c, kh, kw, o, b, oh, ow].
  const strides = (filter: number, [channel, u, v]: readonly number[], positions: readonly number[]): number[] => [
    ...(exchanged ? [channel!, u!, v!, filter] : [filter, channel!, u!, v!]),
    ...positions,
  ];
  const valid = [h, w].map((below, axis): Condition => {
    const on = (value: number, at: number): number => (at === axis ? value : 0);
    return { offset: -padding, below, strides: strides(0, [0, on(1, 0), on(1, 1)], [0, on(stride, 0), on(stride, 1)]) };
  });
  const positions = [c * h * w, w * stride, stride];
  const windows = load(0, dtype, strides(0, [h * w, w, 1], positions), -padding * (w + 1), { valid, fill });
  const cotangent = load(1, dtype, strides(oh * ow, [0, 0, 0], [o * oh * ow, ow, 1]));
  const at = { offset: 0, strides: strides(c * kernel ** 2, [kernel ** 2, kernel, 1], [0, 0, 0]) };
  return [
    {
      kind: "contract",
      dtype,
      args: argumentsOf(buffers, [dtype, dtype, dtype], [2]),
      batch: [],
      m: exchanged ? [c, kernel, kernel] : [o],
      n: exchanged ? [o] : [c, kernel, kernel],
      k: [b, oh, ow],
      lhs: exchanged ? windows : cotangent,
      rhs: exchanged ? cotangent : windows,
      stores: [{ arg: 2, at, body: result(dtype) }],
    },
    buffers,
  ];
}

describe("gradient of a filter as a product of windows", () => {
  test.each<[string, Parameters<typeof filterGradient>[1]]>([
    ["same padding", {}],
    ["valid", { padding: 0 }],
    ["stride 2", { stride: 2 }],
    ["padding wider than the window", { padding: 5 }],
    ["filled with 3", { fill: 3 }],
    ["exchanged", { exchanged: true }],
    ["one pixel", { h: 1, w: 1 }],
    ["rows of two", { h: 5, w: 2 }],
    ["positions cut by blocks of the depth", { b: 7, c: 1, h: 14, w: 14, o: 16 }],
    ["windows cut by blocks of rows", { b: 9, c: 47, h: 6, w: 6, exchanged: true }],
    ["windows cut by blocks of rows, in images of odd size", { b: 9, c: 47, h: 7, w: 5, exchanged: true }],
    ["every position a kind of its own", { b: 1, c: 2, h: 13, w: 13, kernel: 12, padding: 6 }],
  ])("%s", (_, shape) => {
    for (const dtype of dtypes) check(...filterGradient(dtype, shape), { threads: 2, scale: 4 });
  });
});

test("the product is refused for dtypes that have none", () => {
  const [kernel, buffers] = matmul("float32", 1, 2, 2, 2);
  expect(() => runContract({ ...kernel, dtype: "bool" }, buffers)).toThrow(
    "contract: products of bool are not defined; cast to int32 or a float type",
  );
});
