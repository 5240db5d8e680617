/** Every op, one file of a family per line. */
export {
  arange, diag, eye, full, fullLike, linspace, meshgrid, oneHot, ones, onesLike, tri, tril, triu, zeros, zerosLike,
  type DTypeOption, type OffsetOption, type RangeOptions,
} from "./creation.ts";
export { tensor, type ShapedOptions, type TensorOptions } from "./data.ts";
export * from "./arithmetic.ts";
export * from "./compare.ts";
export * from "./reduce.ts";
export {
  broadcastTo, chunk, concat, expandDims, flatten, flip, moveAxis, permute, ravel, repeat, reshape, roll, splitAlong,
  squeeze, stack, swapAxes, tile, transpose, unstack,
} from "./movement.ts";
export * from "./matmul.ts";
