/** `@dormouse/metrics`: how good predictions are, and how far to trust them. */
export { type AccuracyOptions, type TopKOptions, accuracy, topKAccuracy } from "./accuracy.ts";
export type { WeightsOption } from "./weights.ts";
export type { Values } from "./values.ts";
export {
  type ExplainedOptions, type PinballErrorOptions, explainedVariance, maxError, meanAbsoluteError,
  meanAbsolutePercentageError, meanPinballError, meanSquaredError, medianAbsoluteError, r2, rootMeanSquaredError,
} from "./regression.ts";
export { brierScore, logLoss } from "./probability.ts";
export {
  type LevelsOption, gaussianCrps, gaussianLogScore, gaussianPit, intervalCoverage, quantileCalibrationError,
  quantileCoverage,
} from "./predictive.ts";
export {
  type Average, type AverageOptions, type ConfusionOptions, type PerClass, ConfusionMatrix, balancedAccuracy,
  confusionMatrix, f1, precision, recall,
} from "./confusion.ts";
export {
  type PrCurve, type RankingOptions, type RocAucOptions, type RocCurve, areaUnder, averagePrecision, prCurve, rocAuc,
  rocCurve,
} from "./ranking.ts";
export type { BinOptions } from "./bins.ts";
export {
  type AdaptiveErrorOptions, type BrierDecomposition, type BrierDecompositionOptions, type CalibrationErrorOptions,
  type ConfidenceHistogram, type Reliability, adaptiveCalibrationError, brierDecomposition, classwiseCalibrationError,
  confidenceHistogram, expectedCalibrationError, kolmogorovSmirnovError, maximumCalibrationError, reliability,
} from "./calibration.ts";
export { type RunningPlan, Running } from "./running.ts";
export {
  type RegressionSummary, type RunningRocAucOptions, RunningAccuracy, RunningAverage, RunningConfusion, RunningMean,
  RunningRegression, RunningReliability, RunningRocAuc,
} from "./streaming.ts";
export {
  type HistogramBinning, type IsotonicOptions, type IsotonicRegression, type PlattOptions, type PlattScaling,
  type TemperatureScaling, histogramBinning, isotonicRegression, isotonicRegressionOf, plattScaling, plattScalingOf,
  temperatureScaling, temperatureScalingOf,
} from "./recalibration.ts";
export {
  type MatrixScaling, type MatrixScalingOptions, type VectorScaling, matrixScaling, vectorScaling,
} from "./scaling.ts";
export { type BetaCalibration, betaCalibration, betaCalibrationOf } from "./beta.ts";
export { type BinaryMap, type OneVsRest, oneVsRest, oneVsRestOf } from "./one-vs-rest.ts";
export {
  type ClassConditionalConformal, type ConformalScore, type RandomOptions, type SplitConformal,
  type SplitConformalOptions, type SplitConformalParameters, classConditionalConformal, conformalQuantile, meanSetSize,
  setCoverage, splitConformal, splitConformalOf, thresholdSets,
} from "./conformal.ts";
export {
  type ConformalQuantiles, type ConformalRegression, type ConformalRegressionOptions, type Interval, conformalQuantiles,
  conformalRegression, conformalRegressionOf,
} from "./intervals.ts";
export {
  type BestThreshold, type BestThresholdOptions, bestThreshold, costThreshold, decide, expectedCosts, meanCost,
} from "./decisions.ts";
export {
  type EnsembleError, type MemberWeights, type PredictiveUncertainty, ensembleAverage, ensembleError, ensembleVote,
  expectedEnsembleError, posteriorWeights, predictiveUncertainty,
} from "./ensembles.ts";
export {
  type BiasVariance, type GeneralizationGap, biasVariance, expectedOptimism, generalizationGap,
} from "./bias-variance.ts";
export {
  type DegreesOfFreedom, type DegreesOfFreedomOptions, effectiveDegreesOfFreedom, estimateDegreesOfFreedom, hatMatrix,
  ridgeDegreesOfFreedom,
} from "./degrees-of-freedom.ts";
