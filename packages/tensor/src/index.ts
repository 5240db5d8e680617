/** `@dormouse/tensor`: lazy n-dimensional arrays. */
export { Tensor, setDevice, device, type NestedArray } from "./core/tensor.ts";
export type { DType, Float16Elements, FloatType, TypedArray } from "./core/dtype.ts";
export type { Shape } from "./core/shape.ts";
export * from "./core/errors.ts";
export { NumericalWarning, type WarningHandler, onWarning } from "./core/warnings.ts";
export * from "./ops/index.ts";
export * as linalg from "./linalg/index.ts";
export * from "./random/index.ts";
export * from "./tree/index.ts";
export { type CompileOptions, type Compiled, compile } from "./run/compile.ts";
export { evaluate } from "./run/evaluate.ts";
export { scope, scopeAsync } from "./run/scope.ts";
