/**
 * `@dormouse/optim`: optimizers as short chains of transforms, learning-rate schedules, averages of weights, and what solves
 * whole problems: L-BFGS, Newton's method, closed forms.
 */
export { type ByPath, type Moment, type Optimizer, type Rule, type State, type Transform, chain, perParameter } from "./transform.ts";
export {
  type DecayOptions, type GroupOption, type NormOptions, addDecayedWeights, clipByGlobalNorm, clipByValue, globalNorm,
  learningRateOf, negate, scaleByLearningRate, withLearningRate,
} from "./links.ts";
export * from "./rules.ts";
export * from "./optimizers.ts";
export {
  type CyclicalOptions, type DecayToOptions, type ExponentialOptions, type NoamOptions, type OneCycleOptions, type Rate,
  type Schedule, type StepDecayOptions, type WarmupCosineOptions, constant, cosineDecay, cyclical, exponentialDecay, inverseTimeDecay, join,
  linearWarmup, multiStep, noam, oneCycle, polynomialDecay, stepDecay, warmRestarts, warmupCosine,
} from "./schedules.ts";
export { type Plateau, type PlateauOptions, type PlateauState, reduceOnPlateau } from "./plateau.ts";
export { type Groups, byPath, frozen } from "./groups.ts";
export { type AccumulateOptions, accumulate } from "./accumulate.ts";
export { type LossScaleOptions, dynamicLossScale, lossScaleOf, skippedStepsOf } from "./loss-scale.ts";
export { type MixedPrecisionOptions, mixedPrecision } from "./mixed-precision.ts";
export {
  type AveragedWeights, type AveragingOptions, type WeightAverage, type WeightEmaOptions, ema, swa, weightEma,
} from "./average.ts";
export {
  type Along, type LineSearchOptions, type LogSearch, type LogSearchOptions, type PlaceAlong, type SearchPoint,
  type WolfeOptions, along, backtracking, logSearch, strongWolfe,
} from "./line-search.ts";
export { type StepSeen, type Stopping, type StoppingOptions, type StoppingState, stepNorm, stopWhen } from "./stopping.ts";
export { type LinearFit, type LinearFitOptions, type RidgeOptions, leastSquares, ridge } from "./closed-form.ts";
export { type LogisticFit, type LogisticOptions, logisticRegression } from "./logistic.ts";
export { type NewtonOptions, type SecondOrder, newton } from "./newton.ts";
export { type Shrinkage, type ShrinkageOptions, shrinkage } from "./shrinkage.ts";
export { type MinimizeOptions, type Minimum, minimize } from "./minimize.ts";
