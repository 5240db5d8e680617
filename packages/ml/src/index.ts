/**
 * `@dormouse/ml`: everything in one import. Re-exports the packages, adds ops as methods to tensors, and chooses a
 * device when it is imported. Owns the choice and the names where packages clash; it computes nothing itself.
 *
 * Where two packages use one name, one of them has another here: `checkpoint` is the callback of `fit` that writes
 * files, and what `@dormouse/autograd` calls `checkpoint` (compute again in the backward pass instead of keeping) is
 * `rematerialize`. Of types, `NormOptions` of optim is `GlobalNormOptions`, `TopKOptions` of metrics is
 * `TopKAccuracyOptions`.
 */
import "@dormouse/tensor/fluent";
import { choose } from "./device.ts";

export * from "@dormouse/tensor";
export * from "@dormouse/autograd";
export * from "@dormouse/nn";
export * from "@dormouse/losses";
export * from "@dormouse/optim";
export * from "@dormouse/data";
export * from "@dormouse/metrics";
export * from "@dormouse/formats";
export * from "@dormouse/train";
export { cpu, type CpuOptions } from "@dormouse/backend-cpu";
export * from "@dormouse/backend-webgpu";

export { checkpoint as rematerialize } from "@dormouse/autograd";
export { checkpoint, type ForwardContext } from "@dormouse/train";
export type { NormOptions } from "@dormouse/nn";
export type { NormOptions as GlobalNormOptions } from "@dormouse/optim";
export type { TopKOptions } from "@dormouse/tensor";
export type { TopKOptions as TopKAccuracyOptions } from "@dormouse/metrics";

export { type PickedDevice, pickDevice } from "./device.ts";

/** The device that was set when this package was imported, and why that one. */
export const picked = await choose();
