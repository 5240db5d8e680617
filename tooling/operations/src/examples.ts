/**
 * One small call for every public operation that takes tensors: what its inputs are and how it is spelled. Float
 * inputs are float64 and stay away from kinks and poles, so that central differences mean something; sizes are small,
 * odd and unequal on purpose. What is measured on these calls is in `measure.ts`.
 */
import type { DType } from "@dormouse/tensor";
import * as t from "@dormouse/tensor";
import type { Tensor } from "@dormouse/tensor";

/** An input, with elements drawn from [low, high); those of integers and bools are whole. */
export interface Input {
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly low: number;
  readonly high: number;
}

/** A call of an operation. The result is a tensor or a tree of them. */
export interface Example {
  readonly inputs: readonly Input[];
  readonly call: (...inputs: Tensor[]) => unknown;
}

const float = (shape: readonly number[], low = -2, high = 2): Input => ({ shape, dtype: "float64", low, high });
const positive = (shape: readonly number[]): Input => float(shape, 0.4, 2);
const inside = (shape: readonly number[]): Input => float(shape, -0.9, 0.9);
const int = (shape: readonly number[], high: number, low = 0): Input => ({ shape, dtype: "int32", low, high });
const bool = (shape: readonly number[]): Input => ({ shape, dtype: "bool", low: 0, high: 2 });
const keys: Input = { shape: [2], dtype: "uint32", low: 0, high: 2 ** 32 };

type F<N extends number> = N extends 1 ? (x: Tensor) => unknown : (a: Tensor, b: Tensor) => unknown;

const on = (inputs: readonly Input[], call: Example["call"]): Example => ({ inputs, call });
/** Each of these functions on the same inputs. */
const each = (inputs: readonly Input[], functions: Readonly<Record<string, Example["call"]>>): Record<string, Example> =>
  Object.fromEntries(Object.entries(functions).map(([name, call]) => [name, { inputs, call }]));
const one = (f: F<1>) => (x: Tensor): unknown => f(x);
const two = (f: F<2>) => (a: Tensor, b: Tensor): unknown => f(a, b);
const unary = (input: Input, functions: Readonly<Record<string, F<1>>>): Record<string, Example> =>
  each([input], Object.fromEntries(Object.entries(functions).map(([name, f]) => [name, one(f)])));
const binary = (a: Input, b: Input, functions: Readonly<Record<string, F<2>>>): Record<string, Example> =>
  each([a, b], Object.fromEntries(Object.entries(functions).map(([name, f]) => [name, two(f)])));

const {
  abs, acos, acosh, add, asin, asinh, atan, atan2, atanh, ceil, cos, cosh, digamma, div, equal, erf, erfc, erfinv, exp,
  exp2, expm1, floor, floorDiv, fmod, frac, greater, greaterEqual, hypot, isFinite, isInf, isNaN, less, lessEqual,
  lgamma, log, log10, log1p, log2, logSigmoid, logaddexp, logicalAnd, logicalNot, logicalOr, logicalXor, logit, maximum,
  minimum, mul, neg, notEqual, pow, reciprocal, relu, remainder, round, rsqrt, sigmoid, sign, sin, sinh, softplus, sqrt,
  square, sub, tan, tanh, trunc,
} = t;

const elementwise: Readonly<Record<string, Example>> = {
  ...unary(float([2, 3]), {
    abs, asinh, atan, ceil, cos, cosh, erf, erfc, exp, exp2, expm1, floor, frac, isFinite, isInf, isNaN, logSigmoid,
    logicalNot: (x) => logicalNot(t.greater(x, 0)), neg, reciprocal, relu, round, sigmoid, sign, sin, sinh, square,
    tanh, trunc, zerosLike: t.zerosLike, onesLike: t.onesLike, fullLike: (x) => t.fullLike(x, 3),
    softplus: (x) => softplus(x, { beta: 2 }), cast: (x) => t.cast(x, "float32"),
    clamp: (x) => t.clamp(x, { min: -1, max: 0.7 }),
  }),
  ...unary(positive([2, 3]), { digamma, lgamma, log, log10, log1p, log2, rsqrt, sqrt }),
  ...unary(inside([2, 3]), { acos, asin, atanh, erfinv, tan }),
  ...unary(float([2, 3], 1.1, 3), { acosh }),
  ...unary(float([2, 3], 0.1, 0.9), { logit }),
  ...binary(float([2, 3]), float([3]), {
    add, sub, mul, atan2, equal, greater, greaterEqual, hypot, less, lessEqual, logaddexp, maximum, minimum, notEqual,
  }),
  ...binary(float([2, 3]), positive([3]), { div, floorDiv, fmod, remainder }),
  ...binary(positive([2, 3]), float([3]), { pow }),
  ...binary(bool([2, 3]), bool([3]), { logicalAnd, logicalOr, logicalXor }),
  where: on([bool([2, 3]), float([2, 3]), float([3])], (c, a, b) => t.where(c!, a!, b!)),
  lerp: on([float([2, 3]), float([3]), float([2, 3])], (a, b, w) => t.lerp(a!, b!, w!)),
  addcmul: on([float([2, 3]), float([3]), float([2, 1])], (x, a, b) => t.addcmul(x!, a!, b!, { value: 0.5 })),
};

const rows = { axis: 1 } as const;
const reductions: Readonly<Record<string, Example>> = unary(float([3, 5]), {
  all: (x) => t.all(t.greater(x, -1), rows), any: (x) => t.any(t.greater(x, 1), rows), argmax: (x) => t.argmax(x, rows),
  argmin: (x) => t.argmin(x, rows), argsort: (x) => t.argsort(x, { axis: 0 }),
  countNonzero: (x) => t.countNonzero(x, rows), cummax: (x) => t.cummax(x, { axis: 0 }), cummin: t.cummin,
  cumprod: t.cumprod, cumsum: (x) => t.cumsum(x, { reverse: true }), diff: (x) => t.diff(x),
  histogram: (x) => t.histogram(x, 4, { min: -2, max: 2 }), logcumsumexp: t.logcumsumexp,
  logSoftmax: (x) => t.logSoftmax(x),
  logsumexp: (x) => t.logsumexp(x, rows), max: (x) => t.max(x, rows), mean: (x) => t.mean(x, rows),
  median: (x) => t.median(x, rows), min: (x) => t.min(x, rows), norm: (x) => t.norm(x, rows),
  normalize: (x) => t.normalize(x), prod: (x) => t.prod(x, rows), quantile: (x) => t.quantile(x, [0.3, 0.5], rows),
  softmax: (x) => t.softmax(x, { axis: 0 }), softmin: (x) => t.softmin(x), sort: (x) => t.sort(x, { descending: true }),
  std: (x) => t.std(x, rows), sum: (x) => t.sum(x, rows), topK: (x) => t.topK(x, 2, { axis: 0 }),
  variance: (x) => t.variance(x, rows),
});

const movement: Readonly<Record<string, Example>> = {
  ...unary(float([3, 4]), {
    broadcastTo: (x) => t.broadcastTo(x, [2, 3, 4]), chunk: (x) => t.chunk(x, 2), diag: t.diag,
    diagEmbed: (x) => t.diagEmbed(x), diagonal: (x) => t.diagonal(x, { offset: 1 }),
    expandDims: (x) => t.expandDims(x, 1), flatten: (x) => t.flatten(x), flip: (x) => t.flip(x, rows),
    moveAxis: (x) => t.moveAxis(x, 0, 1), pad: (x) => t.pad(x, [[1, 2], [0, 1]], { mode: "reflect" }),
    permute: (x) => t.permute(x, [1, 0]), ravel: t.ravel, repeat: (x) => t.repeat(x, 2, rows),
    reshape: (x) => t.reshape(x, [2, -1]), roll: (x) => t.roll(x, 2, rows), select: (x) => t.select(x, -1, rows),
    slice: (x) => t.slice(x, [[null, null, -2], [1, 3]]), splitAlong: (x) => t.splitAlong(x, [1, 2]),
    squeeze: (x) => t.squeeze(t.expandDims(x, 0)), swapAxes: (x) => t.swapAxes(x, 0, 1),
    tile: (x) => t.tile(x, [2, 1]), trace: t.trace, transpose: t.transpose, tril: (x) => t.tril(x),
    triu: (x) => t.triu(x, { offset: 1 }), unstack: (x) => t.unstack(x), windows: (x) => t.windows(x, 2, { axes: [1] }),
  }),
  concat: on([float([2, 3]), float([1, 3])], (a, b) => t.concat([a!, b!])),
  stack: on([float([2, 3]), float([2, 3])], (a, b) => t.stack([a!, b!], rows)),
  meshgrid: on([float([2]), float([3])], (a, b) => t.meshgrid([a!, b!])),
  oneHot: on([int([3], 4)], (index) => t.oneHot(index!, 4, { dtype: "float64" })),
};

const indexing: Readonly<Record<string, Example>> = {
  take: on([float([4, 3]), int([2, 2], 4)], (x, i) => t.take(x!, i!)),
  takeAlongAxis: on([float([3, 4]), int([3, 2], 4)], (x, i) => t.takeAlongAxis(x!, i!)),
  takeNd: on([float([3, 4, 2]), int([2], 3), int([2], 4)], (x, i, j) => t.takeNd(x!, [i!, j!])),
  scatterAdd: on([float([3, 4]), int([3, 2], 4), float([3, 2])], (x, i, s) => t.scatterAdd(x!, i!, s!)),
  // One place per lane, since equal places are not defined to be written once.
  scatter: on([float([3, 4]), int([3, 1], 4), float([3, 1])], (x, i, s) => t.scatter(x!, i!, s!)),
  indexAdd: on([float([4, 2]), int([3], 4), float([3, 2])], (x, i, s) => t.indexAdd(x!, i!, s!)),
  maskedFill: on([float([2, 3]), bool([3])], (x, mask) => t.maskedFill(x!, mask!, 7)),
  searchSorted: on([float([5]), float([3])], (x, values) => t.searchSorted(t.sort(x!).values, values!)),
  bincount: on([int([5], 4), float([5])], (x, weights) => t.bincount(x!, 4, { weights: weights! })),
};

const products: Readonly<Record<string, Example>> = {
  matmul: on([float([2, 3, 4]), float([4, 2])], (a, b) => t.matmul(a!, b!)),
  dot: on([float([4]), float([4])], (a, b) => t.dot(a!, b!)),
  outer: on([float([3]), float([2])], (a, b) => t.outer(a!, b!)),
  linear: on([float([2, 3]), float([4, 3]), float([4])], (x, w, b) => t.linear(x!, w!, b!)),
  einsum: on([float([2, 3]), float([3, 4])], (a, b) => t.einsum("ij,jk->ki", a!, b!)),
  cosineSimilarity: on([float([2, 3]), float([2, 3])], (a, b) => t.cosineSimilarity(a!, b!)),
};

const images: Readonly<Record<string, Example>> = {
  conv1d: on([float([2, 2, 7]), float([4, 1, 3]), float([4])], (x, w, bias) =>
    t.conv1d(x!, w!, { bias: bias!, stride: 2, padding: 1, groups: 2 })),
  conv2d: on([float([2, 2, 5, 4]), float([3, 2, 3, 2]), float([3])], (x, w, bias) =>
    t.conv2d(x!, w!, { bias: bias!, stride: [2, 1], padding: 1, dilation: [1, 2] })),
  convTranspose2d: on([float([2, 2, 3, 2]), float([2, 3, 2, 2]), float([3])], (x, w, bias) =>
    t.convTranspose2d(x!, w!, { bias: bias!, stride: 2, outputPadding: 1 })),
  unfold: on([float([1, 2, 4, 5])], (x) => t.unfold(x!, 2, { stride: 2, padding: 1 })),
  maxPool1d: on([float([2, 2, 7])], (x) => t.maxPool1d(x!, 3, { stride: 2, padding: 1, ceilMode: true })),
  maxPool2d: on([float([2, 2, 5, 6])], (x) => t.maxPool2d(x!, [3, 2], { stride: [1, 2], padding: [1, 0] })),
  avgPool1d: on([float([2, 2, 7])], (x) => t.avgPool1d(x!, 3, { stride: 2, padding: 1, countIncludePad: false })),
  avgPool2d: on([float([2, 2, 5, 6])], (x) => t.avgPool2d(x!, [3, 2], { stride: 2, padding: 1 })),
  adaptiveAvgPool2d: on([float([1, 2, 5, 4])], (x) => t.adaptiveAvgPool2d(x!, [2, 3])),
  upsampleNearest2d: on([float([1, 2, 2, 3])], (x) => t.upsampleNearest2d(x!, [2, 3])),
};

const { linalg } = t;
/** a·aᵀ + 1: symmetric with positive eigenvalues. */
const gram = (a: Tensor): Tensor => t.add(t.matmul(a, t.transpose(a)), t.eye(3, { dtype: a.dtype }));
/** Far from singular, with singular values apart. */
const regular = (a: Tensor): Tensor => t.add(a, t.diag(t.tensor([3, 5, 8], { dtype: a.dtype })));
const matrix = float([3, 3], -0.7, 0.7);

const algebra: Readonly<Record<string, Example>> = {
  ...unary(matrix, {
    "linalg.cholesky": (a) => linalg.cholesky(gram(a)),
    "linalg.eigh": (a) => linalg.eigh(t.add(regular(a), t.transpose(regular(a)))),
    "linalg.lu": (a) => linalg.lu(regular(a)), "linalg.qr": (a) => linalg.qr(regular(a)),
    "linalg.svd": (a) => linalg.svd(regular(a)), "linalg.singularValues": (a) => linalg.singularValues(regular(a)),
    "linalg.inv": (a) => linalg.inv(regular(a)), "linalg.det": (a) => linalg.det(regular(a)),
    "linalg.slogdet": (a) => linalg.slogdet(regular(a)), "linalg.cond": (a) => linalg.cond(regular(a)),
    "linalg.matrixNorm": (a) => linalg.matrixNorm(regular(a), { p: 2 }),
    "linalg.matrixPower": (a) => linalg.matrixPower(regular(a), -2), "linalg.trace": (a) => linalg.trace(a),
    "linalg.pinv": (a) => linalg.pinv(regular(a)), "linalg.matrixRank": (a) => linalg.matrixRank(regular(a)),
  }),
  ...binary(matrix, float([3, 2]), {
    "linalg.solve": (a, b) => linalg.solve(regular(a), b), "linalg.lstsq": (a, b) => linalg.lstsq(regular(a), b),
    "linalg.solveTriangular": (a, b) => linalg.solveTriangular(regular(a), b, { lower: true }),
  }),
};

const wide = { dtype: "float64" } as const;
const random: Readonly<Record<string, Example>> = {
  ...each([keys], {
    bits: (k) => t.bits(k as t.Key, [3]), split: (k) => t.split(k as t.Key), foldIn: (k) => t.foldIn(k as t.Key, 3),
    uniform: (k) => t.uniform(k as t.Key, [3], wide), normal: (k) => t.normal(k as t.Key, [3], wide),
    truncatedNormal: (k) => t.truncatedNormal(k as t.Key, [3], wide), gumbel: (k) => t.gumbel(k as t.Key, [3], wide),
    exponential: (k) => t.exponential(k as t.Key, [3], wide), randint: (k) => t.randint(k as t.Key, [3], 0, 9),
  }),
  bernoulli: on([keys, float([3], 0, 1)], (k, p) => t.bernoulli(k as t.Key, p!)),
  categorical: on([keys, float([2, 4])], (k, logits) => t.categorical(k as t.Key, logits!)),
  permutation: on([keys, float([5])], (k, x) => t.permutation(k as t.Key, x!)),
};

/** Examples by the public name of the operation. */
export const examples: Readonly<Record<string, Example>> = {
  ...elementwise, ...reductions, ...movement, ...indexing, ...products, ...images, ...algebra, ...random,
};

/** Known indices outside are refused; computed ones are clamped or dropped. */
const computed = (index: Tensor): Tensor => t.add(index, 0);

/** Other ways through the operations that have several: options, edges, indices outside. The name says which. */
export const variants: Readonly<Record<string, Example>> = {
  ...unary(float([2, 2, 7]), {
    "maxPool1d, dilated": (x) => t.maxPool1d(x, 2, { dilation: 3, stride: 2 }),
    "avgPool1d, ceilMode": (x) => t.avgPool1d(x, 3, { stride: 3, padding: 1, ceilMode: true }),
  }),
  ...unary(float([2, 2, 4, 6]), {
    "maxPool2d, ceilMode and dilated": (x) =>
      t.maxPool2d(x, 2, { stride: 2, padding: 1, dilation: [1, 2], ceilMode: true }),
    "maxPool2d, gaps between windows": (x) => t.maxPool2d(x, [1, 2], { stride: [2, 4] }),
    "avgPool2d, padding not counted": (x) => t.avgPool2d(x, 3, { stride: 2, padding: 1, countIncludePad: false }),
    "adaptiveAvgPool2d, whole cells": (x) => t.adaptiveAvgPool2d(x, [2, 3]),
    "unfold, dilated": (x) => t.unfold(x, 2, { dilation: 2, stride: 3 }),
  }),
  "conv1d, same": on([float([2, 2, 5]), float([3, 2, 2])], (x, w) => t.conv1d(x!, w!, { padding: "same" })),
  "conv2d, groups": on([float([1, 4, 4, 3]), float([6, 2, 2, 2]), float([6])], (x, w, bias) =>
    t.conv2d(x!, w!, { bias: bias!, groups: 2, padding: [[1, 0], [0, 2]] })),
  "convTranspose2d, groups and padding": on([float([1, 4, 3, 2]), float([4, 1, 2, 3])], (x, w) =>
    t.convTranspose2d(x!, w!, { groups: 2, stride: [1, 2], padding: [0, 1], dilation: [2, 1] })),
  ...unary(float([3, 4]), {
    "pad, edge": (x) => t.pad(x, [[2, 1], [0, 3]], { mode: "edge" }),
    "pad, constant": (x) => t.pad(x, [[1, 0], [0, 2]], { value: 5 }),
    "slice, nothing": (x) => t.slice(x, [[2, 2]]), "slice, backwards": (x) => t.slice(x, ["...", [null, null, -3]]),
    "norm, p 1": (x) => t.norm(x, { p: 1 }), "norm, p 3": (x) => t.norm(x, { p: 3, axis: 0 }),
    "norm, p Infinity": (x) => t.norm(x, { p: Infinity, axis: 1 }),
    "variance, population": (x) => t.variance(x, { correction: 0, keepDims: true }),
    "cumsum, first axis": (x) => t.cumsum(x, { axis: 0 }), "cumprod, reverse": (x) => t.cumprod(x, { reverse: true }),
    "cummax, reverse": (x) => t.cummax(x, { reverse: true }),
    "logcumsumexp, reverse": (x) => t.logcumsumexp(x, { axis: 0, reverse: true }),
    "sort, first axis": (x) => t.sort(x, { axis: 0 }), "topK, smallest": (x) => t.topK(x, 3, { largest: false }),
    "topK, none": (x) => t.topK(x, 0), "median, of all": (x) => t.median(x), "quantile, of all": (x) => t.quantile(x, 0.4),
    "max, of all": (x) => t.max(x), "prod, of all": (x) => t.prod(x), "argmax, of all": (x) => t.argmax(x),
    "diagonal, below": (x) => t.diagonal(x, { offset: -1 }), "diff, first axis": (x) => t.diff(x, { axis: 0 }),
    "windows, both axes": (x) => t.windows(x, [2, 2], { stride: [1, 2] }), "flip, all axes": (x) => t.flip(x),
    "histogram, own ends": (x) => t.histogram(x, 3).counts,
  }),
  "take, outside": on([float([3, 4]), int([5], 7, -6)], (x, i) => t.take(x!, computed(i!), rows)),
  "takeAlongAxis, outside": on([float([3, 4]), int([2, 3], 7, -6)], (x, i) => t.takeAlongAxis(x!, computed(i!))),
  "takeAlongAxis, first axis": on([float([3, 4]), int([5, 2], 3)], (x, i) => t.takeAlongAxis(x!, i!, { axis: 0 })),
  "takeNd, broadcast": on([float([3, 4]), int([2, 1], 3), int([3], 4)], (x, i, j) => t.takeNd(x!, [i!, j!])),
  "scatterAdd, outside": on([float([3, 4]), int([5, 2], 5, -5), float([5, 4])], (x, i, s) =>
    t.scatterAdd(x!, computed(i!), s!, { axis: 0 })),
  "scatter, outside": on([float([3, 4]), int([3, 1], 9, -9), float([3, 2])], (x, i, s) => t.scatter(x!, computed(i!), s!)),
  "indexAdd, outside": on([float([2, 3]), int([4], 6, -6), float([2, 4])], (x, i, s) => t.indexAdd(x!, computed(i!), s!, rows)),
  "bincount, outside": on([int([6], 7, -3), float([6])], (x, weights) => t.bincount(x!, 3, { weights: weights! })),
  "searchSorted, rows": on([float([2, 5]), float([2, 3])], (x, values) =>
    t.searchSorted(t.sort(x!).values, values!, { side: "right" })),
  "matmul, vectors": on([float([3]), float([2, 3, 4])], (a, b) => t.matmul(a!, b!)),
  "einsum, diagonal": on([float([3, 3]), float([3])], (a, b) => t.einsum("ii,i->i", a!, b!)),
  "einsum, three": on([float([2, 3]), float([3, 4]), float([4])], (a, b, c) => t.einsum("ij,jk,k->i", a!, b!, c!)),
};
