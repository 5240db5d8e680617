/**
 * One row of cases for every primitive: how to build a node of it and from which inputs. A mapped type, so that a
 * primitive without a case does not compile. Sizes are small, odd and unequal on purpose.
 */
import type { DType } from "@dormouse/tensor";
import { type Body, type Primitive, type Shape, type Tensor, primitive, sizeOf } from "@dormouse/tensor/graph";

/** A source of the node under test, with elements drawn from [low, high). */
export interface Input {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly low: number;
  readonly high: number;
}

/** A way to make a node of the primitive. */
export interface Case {
  readonly name: string;
  readonly inputs: readonly Input[];
  readonly build: (...inputs: Tensor[]) => Tensor;
  /** False where central differences mean nothing. Default true. */
  readonly smooth?: boolean;
}

const float = (shape: Shape, low = -2, high = 2, dtype: DType = "float64"): Input => ({ shape, dtype, low, high });
const int = (shape: Shape, low: number, high: number): Input => ({ shape, dtype: "int32", low, high });
const bool = (shape: Shape): Input => ({ shape, dtype: "bool", low: 0, high: 2 });

/** A reproducible stream of numbers in [0, 1). */
export function stream(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Elements for an input; integers and bools are whole. */
export function draw({ shape, dtype, low, high }: Input, next: () => number): Float64Array {
  const whole = dtype !== "float64" && dtype !== "float32";
  return Float64Array.from({ length: sizeOf(shape) }, () => {
    const x = low + (high - low) * next();
    return whole ? Math.floor(x) : x;
  });
}

const unary = (build: (x: Tensor) => Tensor, low = -2, high = 2, smooth = true): Case[] => [
  { name: "vector", inputs: [float([5], low, high)], build, smooth },
  { name: "empty", inputs: [float([0, 3], low, high)], build, smooth },
];
const binary = (build: (a: Tensor, b: Tensor) => Tensor, low = -2, high = 2, smooth = true): Case[] => [
  { name: "matrix", inputs: [float([2, 3], low, high), float([2, 3], low, high)], build, smooth },
  { name: "integers", inputs: [int([3], 1, 4), int([3], 1, 4)], build, smooth: false },
];
const one = (name: string, input: Input | readonly Input[], build: Case["build"], smooth = true): Case => ({
  name,
  inputs: Array.isArray(input) ? (input as Input[]) : [input as Input],
  build,
  smooth,
});

/** `x` with `values` (repeated if need be) added to the diagonal of each matrix, so that it can be factored. */
function plusDiagonal(x: Tensor, values: readonly number[]): Tensor {
  const [m, n] = x.shape.slice(-2) as [number, number];
  return Array.from({ length: n }, (_, i) => i).reduce((sum, i) => {
    const one = primitive.constant(values[i % values.length]!, [1, 1], x.dtype);
    const matrix = primitive.pad(one, [i, i], [m - 1 - i, n - 1 - i], [0, 0]);
    return primitive.add(sum, primitive.broadcast(matrix, x.shape, [x.rank - 2, x.rank - 1]));
  }, x);
}

/** 2 on the other diagonal: elimination has to swap rows. */
const offDiagonal = (n: number): Tensor =>
  primitive.slice(plusDiagonal(primitive.constant(0, [n, n], "float64"), [2, 3, 4]), [n - 1, 0], [-1, 1], [n, n]);

/** The body x·sin(y), for calls. */
function body(shape: Shape): Body {
  const inputs = [primitive.placeholder(shape, "float64"), primitive.placeholder(shape, "float64")] as const;
  return { inputs, output: primitive.mul(inputs[0], primitive.sin(inputs[1])) };
}

export const cases: { readonly [P in Primitive]: readonly Case[] } = {
  constant: [one("scalar", [], () => primitive.constant(3, [], "float64"))],
  buffer: [one("vector", [], () => primitive.buffer([2], "float64"), false)],
  placeholder: [one("vector", [], () => primitive.placeholder([2], "float64"), false)],
  iota: [one("five", [], () => primitive.iota(5))],
  random: [
    one("one key", { ...int([2], 0, 1 << 30), dtype: "uint32" }, (key) => primitive.random(key, [2, 3], 1)),
    one("keys", { ...int([3, 2], 0, 1 << 30), dtype: "uint32" }, (key) => primitive.random(key, [4])),
  ],

  neg: unary(primitive.neg),
  exp: unary(primitive.exp),
  expm1: unary(primitive.expm1),
  log: unary(primitive.log, 0.3, 3),
  log1p: unary(primitive.log1p, -0.7, 3),
  sin: unary(primitive.sin),
  cos: unary(primitive.cos),
  tanh: unary(primitive.tanh),
  atan: unary(primitive.atan),
  erf: unary(primitive.erf),
  sqrt: unary(primitive.sqrt, 0.3, 3),
  floor: unary(primitive.floor, -2, 2, false),
  cast: [
    one("wider", float([3], -2, 2, "float32"), (x) => primitive.cast(x, "float64")),
    one("narrower", float([3]), (x) => primitive.cast(x, "float32")),
    one("to integers", float([3]), (x) => primitive.cast(x, "int32"), false),
    one("from integers", int([3], -5, 5), (x) => primitive.cast(x, "float64"), false),
  ],

  add: binary(primitive.add),
  mul: binary(primitive.mul),
  div: binary(primitive.div, 0.5, 2),
  max: binary(primitive.max),
  pow: binary(primitive.pow, 0.3, 2),
  less: binary(primitive.less, -2, 2, false),
  lessEqual: binary(primitive.lessEqual, -2, 2, false),
  equal: binary(primitive.equal, -2, 2, false),
  where: [
    one("floats", [bool([2, 3]), float([2, 3]), float([2, 3])], primitive.where),
    one("integers", [bool([3]), int([3], 0, 9), int([3], 0, 9)], primitive.where, false),
  ],

  reshape: [one("split", float([6]), (x) => primitive.reshape(x, [2, 3]))],
  permute: [one("rotate", float([2, 3, 4]), (x) => primitive.permute(x, [2, 0, 1]))],
  broadcast: [
    one("new axes", float([3]), (x) => primitive.broadcast(x, [2, 3, 4], [1])),
    one("scalar", float([]), (x) => primitive.broadcast(x, [2, 3], [])),
    one("swapped axes", float([2, 3]), (x) => primitive.broadcast(x, [3, 4, 2], [2, 0])),
  ],
  slice: [
    one("step", float([7, 4]), (x) => primitive.slice(x, [1, 2], [2, 1], [3, 2])),
    one("backwards", float([7, 4]), (x) => primitive.slice(x, [6, 2], [-3, -1], [2, 3])),
    one("nothing", float([7, 4]), (x) => primitive.slice(x, [3, 0], [-2, 1], [0, 4])),
    one("one, backwards", float([7]), (x) => primitive.slice(x, [4], [-2], [1])),
  ],
  pad: [
    one("everywhere", float([3, 2]), (x) => primitive.pad(x, [1, 0], [2, 1], [2, 1], 7)),
    one("nothing", float([0, 2]), (x) => primitive.pad(x, [1, 0], [2, 0], [3, 1])),
  ],
  concat: [
    one("three", [float([2, 1]), float([2, 3]), float([2, 0])], (...xs) => primitive.concat(xs, 1)),
    one("integers", [int([1], 0, 9), int([2], 0, 9)], (...xs) => primitive.concat(xs, 0), false),
  ],
  window: [
    one("1-d", float([2, 7]), (x) => primitive.window(x, [3], [2])),
    one("not covering", float([8]), (x) => primitive.window(x, [2], [3], [2])),
    one("2-d, dilated", float([2, 7, 6]), (x) => primitive.window(x, [2, 3], [1, 2], [3, 1])),
  ],
  fold: [
    one("1-d", float([2, 3, 3]), (x) => primitive.fold(x, [3], [2], [1], [7])),
    one("room for more", float([2, 2]), (x) => primitive.fold(x, [2], [3], [2], [13])),
    one("2-d, dilated", float([3, 2, 2, 3]), (x) => primitive.fold(x, [2, 3], [1, 2], [2, 1], [5, 6])),
  ],

  reduce: [
    one("sum", float([2, 3, 4]), (x) => primitive.reduce(x, "sum", [0, 2])),
    one("sum of all", float([2, 3]), (x) => primitive.reduce(x, "sum", [0, 1])),
    one("sum of nothing", float([2, 0]), (x) => primitive.reduce(x, "sum", [1])),
    one("max", float([3, 5]), (x) => primitive.reduce(x, "max", [1])),
    one("max of all", float([3, 5]), (x) => primitive.reduce(x, "max", [0, 1])),
    one("integers", int([3, 5], -9, 9), (x) => primitive.reduce(x, "max", [0]), false),
  ],
  argmax: [one("rows", float([3, 5]), (x) => primitive.argmax(x, 1), false)],
  cumsum: [
    one("rows", float([3, 5]), (x) => primitive.cumsum(x, 1)),
    one("columns, reversed", float([3, 5]), (x) => primitive.cumsum(x, 0, true)),
  ],
  argsort: [one("columns", float([5, 3]), (x) => primitive.argsort(x, 0, true), false)],

  dot: [
    one("matrices", [float([2, 3]), float([3, 4])], primitive.dot),
    one("batches", [float([2, 1, 3]), float([2, 3, 5])], primitive.dot),
    one("nothing to sum", [float([2, 0]), float([0, 3])], primitive.dot),
  ],
  gather: [
    one("repeated rows", [float([4, 2]), int([5], 0, 4)], primitive.gather),
    one("rows outside", [float([3]), int([2, 4], -3, 6)], primitive.gather),
  ],
  scatterAdd: [
    one("repeated rows", [float([5, 2]), int([5], 0, 3)], (u, i) => primitive.scatterAdd(u, i, 4)),
    one("rows outside", [float([2, 4]), int([2, 4], -3, 6)], (u, i) => primitive.scatterAdd(u, i, 3)),
  ],

  factor: [
    one("cholesky", float([3, 3], -1, 1), (x) => primitive.factor(plusDiagonal(x, [4]), "cholesky")),
    one("lu", float([2, 3, 3]), (x) => primitive.factor(plusDiagonal(x, [5]), "lu")),
    one("lu with pivots", float([4, 4], -0.4, 0.4), (x) => primitive.factor(primitive.add(x, offDiagonal(4)), "lu")),
    one("qr", float([3, 3]), (x) => primitive.factor(plusDiagonal(x, [6]), "qr")),
    one("qr of a tall matrix", float([2, 5, 2]), (x) => primitive.factor(plusDiagonal(x, [6]), "qr")),
    one("eigh", float([4, 4], -0.5, 0.5), (x) => primitive.factor(plusDiagonal(x, [1, 3, 5, 8]), "eigh")),
    one("svd", float([3, 3], -0.5, 0.5), (x) => primitive.factor(plusDiagonal(x, [2, 4, 7]), "svd")),
    one("svd of a tall matrix", float([2, 5, 3], -0.5, 0.5), (x) => primitive.factor(plusDiagonal(x, [2, 4, 7]), "svd")),
    one("one element", float([1, 1], 1, 2), (x) => primitive.factor(x, "svd")),
    one("empty", float([2, 0, 0]), (x) => primitive.factor(x, "eigh")),
  ],
  triangularSolve: [true, false].flatMap((lower) =>
    [true, false].map((unit) =>
      one(
        `${lower ? "lower" : "upper"}${unit ? ", unit diagonal" : ""}`,
        [float([2, 3, 3], 0.5, 2), float([2, 3, 4])],
        (a, b) => primitive.triangularSolve(a, b, lower, unit),
      ),
    ),
  ),

  identity: [
    one("tracer", float([3]), (x) => primitive.identity(x, "tracer")),
    one("barrier", float([3]), (x) => primitive.identity(x, "barrier")),
    one("stop", float([3]), (x) => primitive.identity(x, "stop"), false),
  ],
  call: [
    one("body", [float([3]), float([3])], (x, y) => primitive.call([x, y], { name: "f", body: body([3]) })),
    one("one tensor twice", float([3]), (x) => primitive.call([x, x], { name: "f", body: body([3]) })),
    one("recomputed", [float([3]), float([3])], (x, y) =>
      primitive.call([x, y], { name: "f", body: body([3]), recompute: {} }),
    ),
    one("own rule", [float([3]), float([3])], (x, y) =>
      primitive.call([x, y], {
        name: "f",
        body: body([3]),
        rule: ([a, b]) => {
          const scale = (factor: Tensor) => {
            const map = (t: Tensor): Tensor => primitive.mul(t, factor);
            return { apply: map, transpose: map };
          };
          return [scale(primitive.sin(b!)), scale(primitive.mul(a!, primitive.cos(b!)))];
        },
      }),
    ),
  ],
  check: [
    one("passes", [float([3]), int([], -3, 0)], (x, at) =>
      primitive.check(x, at, () => new Error("the check failed")),
    ),
  ],
};
