/** `@dormouse/train`: the training loop, its callbacks, and files of tensors. */
export {
  type Callback,
  type EpochReport,
  type Example,
  type FitOptions,
  type Forward,
  type ForwardContext,
  type Progress,
  type Run,
  type Score,
  type Scores,
  type StepReport,
  type StopReason,
  type Totals,
  evaluateModel,
  fit,
  predict,
} from "./fit.ts";
export {
  type CheckpointOptions,
  type EarlyStoppingOptions,
  type ProgressOptions,
  checkpoint,
  earlyStopping,
  progress,
} from "./callbacks.ts";
export { type RateCurve, type RateFinderOptions, findLearningRate } from "./rate-finder.ts";
export { DivergedError } from "./errors.ts";
export { decode, encode, load, loadWithMetadata, save, writeSafely } from "./save.ts";
