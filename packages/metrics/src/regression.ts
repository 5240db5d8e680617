/**
 * Metrics of real-valued predictions [N] or [N, D]: tensors in, a tensor out, on the device and inside compiled
 * functions. Several columns are averaged evenly.
 */
import {
  abs, div, equal, greater, max, maximum, mean, mul, quantile as quantileOf, sqrt, square, sub, sum, where,
} from "@dormouse/tensor";
import { type Tensor, primitive } from "@dormouse/tensor/graph";
import { type WeightsOption, averageRows, requireAlike } from "./weights.ts";

/** Mean of (prediction − target)². */
export const meanSquaredError = (prediction: Tensor, target: Tensor, { weights }: WeightsOption = {}): Tensor =>
  average("meanSquaredError", prediction, target, weights, (error) => square(error));

/** Mean of |prediction − target|. */
export const meanAbsoluteError = (prediction: Tensor, target: Tensor, { weights }: WeightsOption = {}): Tensor =>
  average("meanAbsoluteError", prediction, target, weights, (error) => abs(error));

/** Root of the mean squared error over all columns, in the unit of the target. */
export const rootMeanSquaredError = (prediction: Tensor, target: Tensor, { weights }: WeightsOption = {}): Tensor =>
  sqrt(average("rootMeanSquaredError", prediction, target, weights, (error) => square(error)));

/** Mean of |prediction − target| / max(|target|, 2⁻⁵²): 0.1 is ten percent. */
export const meanAbsolutePercentageError = (
  prediction: Tensor,
  target: Tensor,
  { weights }: WeightsOption = {},
): Tensor =>
  average("meanAbsolutePercentageError", prediction, target, weights, (error) =>
    div(abs(error), maximum(abs(target), Number.EPSILON)));

/** Largest |prediction − target|. */
export function maxError(prediction: Tensor, target: Tensor): Tensor {
  requireAlike("maxError", prediction, target);
  return max(abs(sub(prediction, target)));
}

/** Median of |prediction − target| along the first axis: the mean of the middle two of an even number. */
export function medianAbsoluteError(prediction: Tensor, target: Tensor): Tensor {
  requireAlike("medianAbsoluteError", prediction, target);
  return mean(quantileOf(abs(sub(prediction, target)), 0.5, { axis: 0 }));
}

export interface PinballErrorOptions extends WeightsOption {
  /** The quantile that was predicted. Default 0.5. */
  readonly quantile?: number;
}

/** Mean pinball loss of predicted quantiles: q · (t − x) where the target is above, (1 − q) · (x − t) below. */
export const meanPinballError = (
  prediction: Tensor,
  target: Tensor,
  { weights, quantile = 0.5 }: PinballErrorOptions = {},
): Tensor =>
  average("meanPinballError", prediction, target, weights, (error) =>
    maximum(mul(error, 1 - quantile), mul(error, -quantile)));

export interface ExplainedOptions extends WeightsOption {
  /**
   * What becomes of several columns: their even mean (default), their mean by the variance of the targets, or `none`:
   * one value for each, [D].
   */
  readonly columns?: "mean" | "variance" | "none";
}

/**
 * Coefficient of determination 1 − Σ(t − x)² / Σ(t − t̄)²: 1 is perfect, 0 as good as the mean of the targets. Where
 * the targets are constant it is 1 for perfect predictions and 0 for others.
 */
export function r2(prediction: Tensor, target: Tensor, { weights, columns }: ExplainedOptions = {}): Tensor {
  const op = "r2";
  requireAlike(op, prediction, target);
  return explained(averageRows(op, square(sub(target, prediction)), weights), varianceOf(op, target, weights), columns);
}

/** 1 − Var(t − x) / Var(t): as `r2`, but blind to a constant offset. */
export function explainedVariance(
  prediction: Tensor,
  target: Tensor,
  { weights, columns }: ExplainedOptions = {},
): Tensor {
  const op = "explainedVariance";
  requireAlike(op, prediction, target);
  return explained(varianceOf(op, sub(target, prediction), weights), varianceOf(op, target, weights), columns);
}

function explained(rest: Tensor, whole: Tensor, columns: ExplainedOptions["columns"] = "mean"): Tensor {
  const isConstant = equal(whole, 0);
  const missing = div(rest, where(isConstant, 1, whole));
  const each = sub(1, where(isConstant, where(greater(rest, 0), 1, rest), missing));
  if (columns === "none") return each;
  if (columns === "mean") return mean(each);
  const total = sum(whole);
  // Of constant columns only: every one counts the same.
  const isFlat = equal(total, 0);
  return where(isFlat, mean(each), div(sum(mul(each, whole)), where(isFlat, 1, total)));
}

function varianceOf(op: string, x: Tensor, weights: Tensor | undefined): Tensor {
  const center = averageRows(op, x, weights);
  const spread = primitive.broadcast(center, x.shape, x.shape.slice(1).map((_, axis) => axis + 1));
  return averageRows(op, square(sub(x, spread)), weights);
}

function average(
  op: string,
  prediction: Tensor,
  target: Tensor,
  weights: Tensor | undefined,
  of: (error: Tensor) => Tensor,
): Tensor {
  requireAlike(op, prediction, target);
  return mean(averageRows(op, of(sub(prediction, target)), weights));
}
