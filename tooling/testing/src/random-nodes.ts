/**
 * Makers of nodes that compute: elementwise, reductions, products, rows taken and added, integers and casts. A smooth
 * pool leaves out whatever lets a rounding error or a kink decide.
 */
import type { DType, Tensor } from "@dormouse/tensor";
import { axesOf, isFloat, otherAxes, primitive as p } from "@dormouse/tensor/graph";
import type { Maker, Pool } from "./random-graph.ts";

const constantLike = (x: Tensor, value: number): Tensor => p.constant(value, x.shape, x.dtype);
/** x² + ½: in the domain of every function. */
const positive = (x: Tensor): Tensor => p.add(p.mul(x, x), constantLike(x, 0.5));
/** Keeps sums and products within one unit. Not by tanh: where it saturates, all elements are nearly equal. */
const bounded = (x: Tensor): Tensor => p.sin(x);
const swapLast = (x: Tensor): Tensor => p.permute(x, [...axesOf(x.rank - 2), x.rank - 1, x.rank - 2]);

const elementwise: readonly Maker[] = [
  ({ float, smooth, random }) =>
    random.pick([p.neg, p.sin, p.cos, p.tanh, p.atan, p.erf, ...(smooth ? [] : [p.floor])])(float()),
  ({ float, random }) => random.pick([p.exp, p.expm1])(bounded(float())),
  ({ float, random }) => random.pick([p.log, p.sqrt, p.log1p])(positive(float())),
  ({ float, like }) => {
    const x = float();
    return p.add(x, like(x));
  },
  ({ float, like }) => {
    const x = float();
    return bounded(p.mul(x, like(x)));
  },
  ({ float, like, smooth }) => {
    const x = float();
    return smooth ? p.add(like(x), x) : p.max(x, like(x));
  },
  ({ float, like }) => {
    const x = float();
    return p.div(x, positive(like(x)));
  },
  ({ float, like }) => {
    const x = float();
    return bounded(p.pow(positive(x), bounded(like(x))));
  },
  ({ float, like, truth }) => {
    const x = float();
    return p.where(truth(x.shape), like(x), x);
  },
  ({ float, like, smooth, random }) => {
    if (smooth) return null;
    const x = float();
    return p.where(random.pick([p.less, p.lessEqual, p.equal])(x, like(x)), like(x), x);
  },
  // Through another precision and back: only where its rounding is within the tolerance.
  ({ float, dtype, random }) =>
    dtype === "float64"
      ? null
      : p.cast(random.pick([p.sin, p.atan, p.neg])(p.cast(float(), dtype === "float16" ? "float32" : "float64")), dtype),
];

const reductions: readonly Maker[] = [
  ({ float, smooth, random }) => {
    const x = float();
    const axes = axesOf(x.rank).filter(() => random.chance(0.5));
    if (!smooth && x.size > 0 && random.chance(0.3)) return p.reduce(x, "max", axes);
    return bounded(p.reduce(x, "sum", axes));
  },
  // The shape of softmax: a reduction, used along its own row.
  ({ float, random }) => {
    const x = float(1);
    const axes = axesOf(x.rank).filter((axis) => axis === x.rank - 1 || random.chance(0.3));
    const along = (y: Tensor) => p.broadcast(y, x.shape, otherAxes(x.rank, axes));
    const e = p.exp(p.add(x, p.neg(along(p.reduce(x, "max", axes)))));
    return p.div(e, along(p.reduce(e, "sum", axes)));
  },
  // The shape of normalization: two reductions, the second over what the first gives.
  ({ float, random }) => {
    const x = float(1);
    const axes = axesOf(x.rank).filter((axis) => axis === x.rank - 1 || random.chance(0.3));
    const count = axes.reduce((product, axis) => product * x.shape[axis]!, 1);
    const mean = (y: Tensor) => {
      const sum = p.reduce(y, "sum", axes);
      return p.broadcast(p.div(sum, constantLike(sum, count)), x.shape, otherAxes(x.rank, axes));
    };
    const centered = p.add(x, p.neg(mean(x)));
    const variance = mean(p.mul(centered, centered));
    return p.div(centered, p.sqrt(p.add(variance, constantLike(x, 0.1))));
  },
  ({ float, random }) => {
    const x = float(1);
    return bounded(p.cumsum(x, random.below(x.rank), random.chance(0.5)));
  },
  ({ float, smooth, random }) => {
    if (smooth) return null;
    const x = float(1);
    return p.argmax(x, random.below(x.rank));
  },
  ({ float, smooth, random }) => {
    if (smooth) return null;
    const x = float(1);
    return p.argsort(x, random.below(x.rank), random.chance(0.5));
  },
];

/** Lengths around the vectors, register tiles and cache blocks of products. */
const tiles = [1, 3, 16, 17, 31, 33, 64, 65];

const products: readonly Maker[] = [
  ({ float, input, random }) => {
    const a = float(2);
    const b = input([...a.shape.slice(0, -2), a.shape.at(-1)!, 1 + random.below(6)]);
    const product = p.dot(a, random.chance(0.3) ? swapLast(swapLast(b)) : b);
    const bias = p.broadcast(input([product.shape.at(-1)!]), product.shape, [product.rank - 1]);
    return bounded(random.chance(0.6) ? p.add(product, bias) : product);
  },
  ({ float }) => {
    const a = float(2);
    return bounded(p.dot(swapLast(a), a));
  },
  // Operands computed while they are packed, and a sum over the product right after it.
  ({ float, input, random }) => {
    const a = float(2);
    const weight = input([...a.shape.slice(0, -2), 1 + random.below(6), a.shape.at(-1)!]);
    const product = p.dot(p.sin(a), swapLast(random.chance(0.5) ? p.neg(weight) : weight));
    return bounded(p.reduce(product, "sum", [random.below(product.rank)]));
  },
  ({ input, wide, random: { pick, chance } }) => {
    const [m, k, n] = [pick(tiles), pick(tiles), pick(tiles)];
    if (!wide || m * k * n > 40_000) return null;
    const a = chance(0.5) ? input([m, k]) : swapLast(input([k, m]));
    const b = chance(0.5) ? input([k, n]) : swapLast(input([n, k]));
    return bounded(p.dot(a, b));
  },
  // A convolution as windows and one product; padded, with steps and dilation.
  ({ input, random: { below, chance } }) => {
    const [batch, channels, features] = [1 + below(2), 1 + below(3), 1 + below(4)];
    const size = [1 + below(3), 1 + below(3)];
    const dilation = [1 + below(2), 1 + below(2)];
    const x = input([batch, channels, 3 + below(4), 3 + below(5)].map((d, i) => d + (i > 1 ? 2 * (dilation[i - 2]! - 1) : 0)));
    const margin = chance(0.5) ? [0, 0, 1, 1] : [0, 0, 0, 0];
    const windows = p.window(p.pad(x, margin, margin, [0, 0, 0, 0]), size, [1 + below(2), 1 + below(2)], dilation);
    const [height, width] = [windows.shape[2]!, windows.shape[3]!];
    const depth = channels * size[0]! * size[1]!;
    const patches = p.reshape(p.permute(windows, [0, 2, 3, 1, 4, 5]), [batch * height * width, depth]);
    const product = p.dot(patches, swapLast(input([features, depth])));
    return bounded(p.permute(p.reshape(product, [batch, height, width, features]), [0, 3, 1, 2]));
  },
  ({ integer, input, random }) => {
    const a = integer(2, ["int32", "uint32"]);
    return p.dot(a, input([...a.shape.slice(0, -2), a.shape.at(-1)!, 1 + random.below(6)], a.dtype));
  },
];

/** An index into `rows` rows, a little outside now and then. */
function indexInto(rows: number, pool: Pool, elements: number): Tensor | null {
  const { random, input, integer, float, smooth } = pool;
  const { below, chance } = random;
  if (chance(0.4)) {
    const index = integer(0, ["int32"]);
    return index.size * elements > 2000 ? null : index;
  }
  if (!smooth && chance(0.3)) {
    const x = float();
    const index = p.cast(p.mul(x, constantLike(x, rows)), "int32");
    return index.size * elements > 2000 ? null : index;
  }
  const shape = pool.shape().slice(0, 2);
  const index = input(shape, "int32", () => (chance(0.9) ? below(rows) : below(3 * rows) - rows));
  return index.size * elements > 2000 ? null : index;
}

const rows: readonly Maker[] = [
  (pool) => {
    const x = pool.any(1);
    const index = indexInto(x.shape[0]!, pool, x.size / x.shape[0]!);
    return index && p.gather(x, index);
  },
  ({ float, integer, input, random: { below, chance } }) => {
    const x = chance(0.7) ? float(1) : integer(1, ["int32", "uint32"]);
    const count = 1 + below(5);
    const index = input(x.shape.slice(0, 1 + below(Math.min(2, x.rank))), "int32", () => below(count + 2) - 1);
    const sum = p.scatterAdd(x, index, count);
    return isFloat(x.dtype) ? bounded(sum) : sum;
  },
  ({ float, integer, random: { below, chance } }) => {
    const x = chance(0.7) ? float(2) : integer(2, ["int32", "uint32"]);
    if (x.size > 200) return null;
    const [size, step, dilation] = [1 + below(3), 1 + below(3), 1 + below(2)];
    const reach = (x.shape.at(-1)! - 1) * step + (size - 1) * dilation + 1;
    const windows = p.broadcast(x, [...x.shape, size], axesOf(x.rank));
    return p.fold(windows, [size], [step], [dilation], [reach + below(2)]);
  },
];

const wrapping: readonly DType[] = ["int32", "uint32"];

const integers: readonly Maker[] = [
  ({ integer, like, random }) => {
    const x = integer();
    return random.pick([p.add, p.mul, p.max])(x, like(x));
  },
  ({ integer, like }) => {
    const x = integer(0, wrapping);
    return p.div(x, like(x));
  },
  ({ integer, random }) => {
    const x = integer(0, wrapping);
    return random.chance(0.5) ? p.neg(x) : p.pow(x, constantLike(x, random.below(6)));
  },
  ({ integer, like, random }) => {
    const x = integer();
    return random.pick([p.less, p.lessEqual, p.equal])(x, like(x));
  },
  ({ integer, like, truth }) => {
    const x = integer();
    return p.where(truth(x.shape), like(x), x);
  },
  ({ integer, random }) => {
    const x = integer(0, wrapping);
    const axes = axesOf(x.rank).filter(() => random.chance(0.5));
    return p.reduce(x, x.size > 0 ? random.pick(["sum", "max"] as const) : "sum", axes);
  },
  ({ integer, random }) => {
    const x = integer(1);
    const axis = random.below(x.rank);
    return random.chance(0.5) ? p.argmax(x, axis) : p.argsort(x, axis, random.chance(0.5));
  },
  ({ integer, random }) => {
    const x = integer(1, wrapping);
    return p.cumsum(x, random.below(x.rank), random.chance(0.5));
  },
  ({ any, random }) => {
    const x = any();
    return isFloat(x.dtype) ? null : p.cast(x, random.pick(["int32", "uint32", "uint8", "bool"] as const));
  },
  ({ float, smooth, random }) => {
    if (smooth) return null;
    const x = float();
    return p.cast(p.mul(x, constantLike(x, 3)), random.pick(["int32", "uint32", "uint8", "bool"] as const));
  },
  ({ integer, dtype }) => {
    // Integers are as large as they get, and sin has no meaning there.
    const x = p.cast(integer(), dtype);
    return p.tanh(p.mul(x, constantLike(x, 0.1)));
  },
  ({ random, dtype }) => p.iota(1 + random.below(9), random.chance(0.5) ? dtype : "int32"),
  ({ input, shape, dtype, random: { next, below, chance } }) => {
    const key = input(chance(0.7) ? [2] : [1 + below(3), 2], "uint32", () => Math.floor(next() * 2 ** 32));
    const bits = p.random(key, shape(), below(3));
    if (chance(0.3)) return bits;
    // A word is beyond the largest float16.
    const x = p.cast(bits, dtype === "float16" ? "float32" : dtype);
    return p.cast(p.mul(x, constantLike(x, 2 ** -32)), dtype);
  },
];

/** Every maker; what is listed twice is drawn twice as often. */
export const nodes: readonly Maker[] = [
  ...elementwise,
  ...elementwise,
  ...reductions,
  ...products,
  ...rows,
  ...integers,
];
