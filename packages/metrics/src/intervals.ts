/**
 * Conformal prediction of real values: intervals that hold the target with a chosen probability, whatever the model, as
 * long as calibration examples and new ones are exchangeable. Residuals are computed as tensors; the one quantile is
 * taken on the host.
 */
import { type Tensor, ValueError, abs, add, div, maximum, mul, sub, tensor } from "@dormouse/tensor";
import { quantileOf } from "./conformal.ts";

/** Ends of intervals, of the shape of the predictions. */
export interface Interval {
  readonly lower: Tensor;
  readonly upper: Tensor;
}

export interface ConformalRegressionOptions {
  /** How often the truth may be missed. Default 0.1. */
  readonly alpha?: number;
  /** How uncertain each prediction is: residuals are measured in it. Default: all alike. */
  readonly scale?: Tensor;
}

/** Intervals around predictions. */
export interface ConformalRegression {
  /** Half the width of an interval, in units of the scale. */
  readonly threshold: number;
  interval(prediction: Tensor, options?: { readonly scale?: Tensor }): Interval;
}

/**
 * Intervals prediction ± threshold (· scale) that hold the target of a new example with probability at least 1 − alpha,
 * calibrated on held-out predictions and targets [N]: the threshold is the `conformalQuantile` of |target − prediction|,
 * or with a `scale` [N], as a predicted standard deviation, of |target − prediction| / scale, so that intervals are
 * wide where predictions are unsure. With N < 1/alpha − 1 it is Infinity. Lei et al., 2018.
 *
 * ```ts
 * const conformal = await conformalRegression(calibrationPrediction, calibrationTarget, { alpha: 0.1 });
 * const { lower, upper } = conformal.interval(prediction);
 * ```
 */
export async function conformalRegression(
  prediction: Tensor,
  target: Tensor,
  { alpha = 0.1, scale }: ConformalRegressionOptions = {},
): Promise<ConformalRegression> {
  const residual = abs(sub(target, prediction));
  const threshold = quantileOf("conformalRegression", await (scale ? div(residual, scale) : residual).data(), alpha);
  return conformalRegressionOf({ threshold, scaled: scale !== undefined });
}

/** The intervals of a threshold that was calibrated before, in units of a scale if `scaled` (default false). */
export function conformalRegressionOf({ threshold, scaled = false }: { readonly threshold: number; readonly scaled?: boolean }): ConformalRegression {
  return {
    threshold,
    interval(x, options = {}) {
      if (scaled !== (options.scale !== undefined)) {
        throw new ValueError("conformalRegression", `calibrated ${scaled ? "with" : "without"} a scale`, {
          hint: scaled ? "give the scale of these predictions, too" : "give a scale to conformalRegression, too",
        });
      }
      // As a tensor, not as a number: another threshold needs no other program.
      const width = tensor(threshold, { dtype: x.dtype });
      const reach = options.scale ? mul(options.scale, width) : width;
      return { lower: sub(x, reach), upper: add(x, reach) };
    },
  };
}

/** Quantiles moved apart, or together. */
export interface ConformalQuantiles {
  /** By how much each end moves outwards; negative where intervals were too wide. */
  readonly threshold: number;
  interval(lower: Tensor, upper: Tensor): Interval;
}

/**
 * Conformalized quantile regression: predicted quantiles [N], each moved outwards by the `conformalQuantile` of
 * max(lower − target, target − upper), so that they hold the target of a new example with probability at least
 * 1 − alpha. Where that is negative, intervals shrink, and can be empty. With N < 1/alpha − 1 it is Infinity. Romano,
 * Patterson and Candès, 2019.
 *
 * ```ts
 * const conformal = await conformalQuantiles(calibrationLower, calibrationUpper, calibrationTarget, { alpha: 0.1 });
 * const { lower, upper } = conformal.interval(predictedLower, predictedUpper);
 * ```
 */
export async function conformalQuantiles(
  lower: Tensor,
  upper: Tensor,
  target: Tensor,
  { alpha = 0.1 }: Pick<ConformalRegressionOptions, "alpha"> = {},
): Promise<ConformalQuantiles> {
  const outside = maximum(sub(lower, target), sub(target, upper));
  const threshold = quantileOf("conformalQuantiles", await outside.data(), alpha);
  return {
    threshold,
    interval(low, high) {
      const reach = tensor(threshold, { dtype: low.dtype });
      return { lower: sub(low, reach), upper: add(high, reach) };
    },
  };
}
