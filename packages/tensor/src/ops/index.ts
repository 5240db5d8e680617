/** Every op, one file of a family per line. */
export {
  arange, diag, eye, full, fullLike, linspace, meshgrid, oneHot, ones, onesLike, tri, tril, triu, zeros, zerosLike,
  type DTypeOption, type OffsetOption, type RangeOptions,
} from "./creation.ts";
export { tensor, type ShapedOptions, type TensorOptions } from "./data.ts";
export * from "./arithmetic.ts";
export * from "./math.ts";
export * from "./trigonometry.ts";
export * from "./compare.ts";
export * from "./reduce.ts";
export {
  broadcastTo, chunk, concat, expandDims, flatten, flip, moveAxis, permute, ravel, repeat, reshape, roll, splitAlong,
  squeeze, stack, swapAxes, tile, transpose, unstack,
} from "./movement.ts";
export * from "./pad.ts";
export * from "./matmul.ts";
export * from "./einsum.ts";
export {
  type AxisOption, type Range, indexAdd, maskedFill, scatter, scatterAdd, select, slice, take, takeAlongAxis, takeNd,
} from "./indexing.ts";
export type { Indices } from "./indices.ts";
export * from "./sort.ts";
export * from "./cumulative.ts";
export * from "./softmax.ts";
export {
  type Padding, type PerAxis, type UnfoldOptions, type WindowsOptions, unfold, windows,
} from "./window.ts";
export * from "./conv.ts";
export * from "./pool.ts";
export { digamma, erfinv, lgamma } from "./special.ts";
export * from "./dynamic.ts";
export * from "./print.ts";
