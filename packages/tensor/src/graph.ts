/**
 * The graph, for sibling packages: backends, transforms and tools. Applications do not need this entry.
 */
export * from "./core/primitives.ts";
export * from "./core/shape.ts";
export * from "./lower/program.ts";
export * from "./run/backend.ts";
export { allocate, bytesOf, dtypes, isFloat, isInteger, roundTo, viewOf } from "./core/dtype.ts";
export { Tensor, forgetSources, tracker, spend, deviceOf, device } from "./core/tensor.ts";
