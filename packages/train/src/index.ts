/** `@dormouse/train`: the training loop, its callbacks, and files of tensors. */
export {
  type Callback,
  type Change,
  type EpochReport,
  type FitOptions,
  type Progress,
  type Run,
  type StepReport,
  type StopReason,
  evaluateModel,
  fit,
  predict,
} from "./fit.ts";
export type { Example, Forward, ForwardContext } from "./forward.ts";
export {
  type EarlyStoppingOptions,
  type ProgressOptions,
  type ReduceRateOptions,
  earlyStopping,
  progress,
  reduceRate,
} from "./callbacks.ts";
export type { Precision } from "./precision.ts";
export { type CheckpointOptions, checkpoint } from "./checkpoint.ts";
export { type RateCurve, type RateFinderOptions, findLearningRate } from "./rate-finder.ts";
export { type Metrics, type Score, type Scores, type Sums, type Totals, emptyTotals } from "./totals.ts";
export { DivergedError } from "./errors.ts";
export { decode, encode, load, loadWithMetadata, save, writeSafely } from "./save.ts";
