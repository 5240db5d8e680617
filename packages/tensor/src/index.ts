/** `@dormouse/tensor`: lazy n-dimensional arrays. */
export { Tensor, setDevice, device, type NestedArray } from "./core/tensor.ts";
export type { DType, TypedArray } from "./core/dtype.ts";
export type { Shape } from "./core/shape.ts";
export * from "./core/errors.ts";
export * from "./tree/index.ts";
