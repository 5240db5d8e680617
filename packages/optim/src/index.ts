/** `@dormouse/optim`: optimizers as short chains of transforms, and learning-rate schedules, and L-BFGS for full batches. */
export { type ByPath, type Moment, type Optimizer, type Rule, type State, type Transform, chain, perParameter } from "./transform.ts";
export {
  type DecayOptions, type NormOptions, addDecayedWeights, clipByGlobalNorm, clipByValue, globalNorm, learningRateOf, negate,
  scaleByLearningRate, withLearningRate,
} from "./links.ts";
export * from "./rules.ts";
export * from "./optimizers.ts";
export {
  type CyclicalOptions, type DecayToOptions, type NoamOptions, type OneCycleOptions, type Rate, type Schedule,
  type StepDecayOptions, type WarmupCosineOptions, constant, cosineDecay, cyclical, exponentialDecay, inverseTimeDecay, join,
  linearWarmup, multiStep, noam, oneCycle, polynomialDecay, stepDecay, warmRestarts, warmupCosine,
} from "./schedules.ts";
export { type Plateau, type PlateauOptions, type PlateauState, reduceOnPlateau } from "./plateau.ts";
export { ema } from "./average.ts";
export { type MinimizeOptions, type Minimum, minimize } from "./minimize.ts";
