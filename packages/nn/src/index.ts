/** `@dormouse/nn`: layers as plain classes with tensors in them, activations and initializers. */
export * from "./activations.ts";
export * as initializers from "./initializers.ts";
export type { FloatType, GainOptions, Initializer, KaimingOptions, Nonlinearity } from "./initializers.ts";
export { type ForwardContext, type Layer, type Module, advance, isParameter, parameterCount, replace } from "./module.ts";
export { type EmbeddingOptions, type FeatureCheck, type WeightOptions, type WithLast, Bilinear, Embedding, Linear } from "./linear.ts";
export { type ConvLayerOptions, AvgPool2d, Conv1d, Conv2d, Flatten, MaxPool2d } from "./conv.ts";
export { type BatchNormOptions, type NormOptions, BatchNorm, GroupNorm, LayerNorm, RMSNorm } from "./normalization.ts";
export { type PReluOptions, Dropout, PRelu, Residual, Sequential, dropout } from "./layers.ts";
export { type Summary, type SummaryOptions, type SummaryRow, summary } from "./summary.ts";
