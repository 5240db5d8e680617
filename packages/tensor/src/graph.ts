/**
 * The graph, for sibling packages: backends, transforms and tools. Applications do not need this entry.
 */
export * from "./core/factorization.ts";
export * from "./core/primitives.ts";
export * from "./core/shape.ts";
export * from "./lower/program.ts";
export * from "./run/backend.ts";
export * from "./run/buffers.ts";
export {
  type StoredArray,
  allocate,
  bytesOf,
  computedIn,
  dtypes,
  isFloat,
  isInteger,
  roundTo,
  storedView,
  toStored,
  viewOf,
} from "./core/dtype.ts";
export { float16Bits, float16Value } from "./core/float16.ts";
export {
  Tensor,
  captureOrigin,
  device,
  deviceOf,
  forgetSources,
  isTracing,
  spend,
  spentError,
  traced,
  tracker,
} from "./core/tensor.ts";
export { Device, type DeviceStatistics } from "./run/device.ts";
export { DeviceStorage, HostStorage } from "./run/storage.ts";
export { kernelKey } from "./lower/finish.ts";
export { partsOf } from "./linalg/parts.ts";
export { valuesOf } from "./lower/ir.ts";
export { lower } from "./lower/lower.ts";
export type { Value } from "./lower/value.ts";
