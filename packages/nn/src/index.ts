/** `@dormouse/nn`: layers as plain classes with tensors in them, activations and initializers. */
export * from "./activations.ts";
export * as initializers from "./initializers.ts";
export type { FloatType, GainOptions, Initializer, KaimingOptions, Nonlinearity } from "./initializers.ts";
export { type ForwardContext, type Layer, type Module, advance, isParameter, parameterCount, replace } from "./module.ts";
export { type EmbeddingOptions, type FeatureCheck, type WeightOptions, type WithLast, Bilinear, Embedding, Linear } from "./linear.ts";
export { type ConvLayerOptions, Conv1d, Conv2d } from "./conv.ts";
export { AvgPool1d, AvgPool2d, Flatten, GlobalAvgPool, GlobalMaxPool, MaxPool1d, MaxPool2d } from "./pool.ts";
export {
  type BatchNormOptions, type InstanceNormOptions, type NormOptions, BatchNorm, GroupNorm, InstanceNorm, LayerNorm,
  RMSNorm,
} from "./normalization.ts";
export { type MaxoutOptions, type PReluOptions, Maxout, PRelu, Residual, Sequential } from "./layers.ts";
export { Dropout, GaussianNoise, dropout, gaussianNoise } from "./noise.ts";
export {
  type AttentionContext, type AttentionOptions, type MultiHeadAttentionOptions, type SinusoidalOptions,
  MultiHeadAttention, SinusoidalPositions, attentionWeights, causalMask, scaledDotProductAttention, sinusoidalEncoding,
} from "./attention.ts";
export {
  type Bit, type BooleanUnit, type McCullochPittsOptions, type TruthRow, McCullochPitts, logicGates, mcCullochPitts,
  truthTable,
} from "./neurons.ts";
export {
  type HalfSpace, type PerceptronFitOptions, type PerceptronOptions, Perceptron, perceptron,
} from "./perceptron.ts";
export { type SigmoidNeuronOptions, SigmoidNeuron, sigmoidNeuron } from "./sigmoid-neuron.ts";
export { type Interval1d, type Interval2d, type Towers, type TowersOptions, towers, truthTableNetwork } from "./universal.ts";
export { foldLinear } from "./fold.ts";
export { type Paths, freeze, unfreeze } from "./freeze.ts";
export { type LoraOptions, LoraLinear, isLora, lora, mergeLora } from "./lora.ts";
export { type MonteCarloOptions, type MonteCarloPrediction, monteCarlo } from "./monte-carlo.ts";
export {
  type Activation, type LayerStatistics, type LayerStatisticsOptions, type LayerStatisticsRow, type RecordOptions,
  type Recording, gradientNorms, layerStatistics, recordActivations,
} from "./statistics.ts";
export { type Report as LayerReport, observed } from "./observe.ts";
export { type Summary, type SummaryOptions, type SummaryRow, summary } from "./summary.ts";
