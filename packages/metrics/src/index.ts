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
export {
  type BinOptions, type BrierDecomposition, type CalibrationErrorOptions, type Reliability, brierDecomposition,
  classwiseCalibrationError, expectedCalibrationError, kolmogorovSmirnovError, maximumCalibrationError, reliability,
} from "./calibration.ts";
export { RunningAccuracy, RunningMean } from "./streaming.ts";
export {
  type HistogramBinning, type IsotonicOptions, type IsotonicRegression, type PlattOptions, type PlattScaling,
  type TemperatureScaling, histogramBinning, isotonicRegression, plattScaling, temperatureScaling,
} from "./recalibration.ts";
export {
  type ConformalQuantiles, type ConformalRegression, type ConformalRegressionOptions, type ConformalScore, type Interval,
  type RandomOptions, type SplitConformal, type SplitConformalOptions, conformalQuantiles, conformalRegression, decide,
  splitConformal,
} from "./conformal.ts";
