/** `@dormouse/losses`: functions `(prediction, target, options) -> Tensor`, averaged unless told otherwise. */
export type { ElementwiseOptions, Reduction, ReductionOption } from "./reduction.ts";
export type { ClassWeightOption } from "./class-weights.ts";
export type { LabelOptions } from "./labels.ts";
export {
  type GaussianNllOptions, type HuberOptions, type PinballOptions, type PoissonNllOptions, type SmoothL1Options,
  gaussianNll, huber, logCosh, mae, mse, pinball, poissonNll, smoothL1,
} from "./regression.ts";
export {
  type CrossEntropyOptions, type FocalOptions, type KlDivergenceOptions, type NllOptions,
  crossEntropy, focal, klDivergence, nll,
} from "./cross-entropy.ts";
export {
  type BinaryCrossEntropyOptions, type BinaryCrossEntropyWithLogitsOptions,
  binaryCrossEntropy, binaryCrossEntropyWithLogits,
} from "./binary.ts";
export { type MultiMarginOptions, hinge, margin, multiMargin, softMargin, squaredHinge } from "./margin.ts";
export {
  type ContrastiveOptions, type CosineEmbeddingOptions, type TripletMarginOptions, contrastive, cosineEmbedding, tripletMargin,
} from "./embedding.ts";
export { type ElasticNetOptions, type PenaltyOptions, elasticNet, l1Penalty, l2Penalty } from "./penalty.ts";
export { zeroOneLoss } from "./zero-one.ts";
export { bernoulliLikelihood, multinomialLikelihood } from "./likelihood.ts";
export { type InputNoiseOptions, type LabelNoiseOptions, inputNoise, labelNoise } from "./noise.ts";
