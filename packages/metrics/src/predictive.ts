/**
 * Scores of predicted distributions of real values: how likely, how near and how well calibrated. Tensors in, tensors
 * out. A normal prediction is a mean and a standard deviation per example, both of the shape and dtype of the targets:
 * [N], or [N, D] whose columns are scored apart. Standard deviations must be positive; others give NaN or infinity.
 */
import {
  DTypeError, ShapeError, abs, add, cast, div, erf, exp, expandDims, greaterEqual, lessEqual, log, logicalAnd, mean, mul,
  square, sub, tensor,
} from "@dormouse/tensor";
import { type Tensor, isFloat, sameShape, showShape } from "@dormouse/tensor/graph";
import type { Interval } from "./intervals.ts";
import { type WeightsOption, averageRows, requireAlike } from "./weights.ts";

/**
 * Mean negative log-likelihood of a normal prediction: log σ + ½ z² + ½ log 2π with z = (target − mean) / σ.
 *
 * ```ts
 * gaussianLogScore(tensor([0]), tensor([1]), tensor([0]));   // 0.9189, which is ½ log 2π
 * ```
 */
export function gaussianLogScore(
  prediction: Tensor,
  deviation: Tensor,
  target: Tensor,
  { weights }: WeightsOption = {},
): Tensor {
  const z = standardized("gaussianLogScore", prediction, deviation, target);
  const scores = add(add(log(deviation), mul(square(z), 0.5)), 0.5 * Math.log(2 * Math.PI));
  return averageRows("gaussianLogScore", scores, weights);
}

/**
 * Mean continuous ranked probability score of a normal prediction, in the unit of the targets:
 * σ (z (2 Φ(z) − 1) + 2 φ(z) − 1/√π). For a σ near 0 it is the absolute error. Gneiting and Raftery, 2007, section 4.2.
 *
 * ```ts
 * gaussianCrps(tensor([0]), tensor([1]), tensor([0]));   // 0.2337, which is (√2 − 1) / √π
 * ```
 */
export function gaussianCrps(
  prediction: Tensor,
  deviation: Tensor,
  target: Tensor,
  { weights }: WeightsOption = {},
): Tensor {
  const z = standardized("gaussianCrps", prediction, deviation, target);
  const density = mul(exp(mul(square(z), -0.5)), 1 / Math.sqrt(2 * Math.PI));
  // 2 Φ(z) − 1 is erf(z / √2).
  const spread = add(mul(z, erf(mul(z, Math.SQRT1_2))), sub(mul(density, 2), 1 / Math.sqrt(Math.PI)));
  return averageRows("gaussianCrps", mul(deviation, spread), weights);
}

/**
 * Probability integral transform of a normal prediction: Φ((target − mean) / σ) for every example, of the shape of the
 * targets. Uniform on [0, 1] where predictions are calibrated. Dawid, 1984.
 */
export function gaussianPit(prediction: Tensor, deviation: Tensor, target: Tensor): Tensor {
  const z = standardized("gaussianPit", prediction, deviation, target);
  return mul(add(erf(mul(z, Math.SQRT1_2)), 1), 0.5);
}

/** Levels at which quantiles are judged. */
export interface LevelsOption {
  /** Default 0.1, 0.2, … 0.9. */
  readonly levels?: readonly number[];
}

const tenths = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9] as const;

/**
 * How many of the probability integral transforms [N] are at or below each level, as shares [L]. Calibrated predictions
 * give the levels themselves.
 *
 * ```ts
 * quantileCoverage(tensor([0.05, 0.3, 0.6, 0.9]), { levels: [0.25, 0.5] });   // 0.25, 0.5
 * ```
 */
export function quantileCoverage(
  transforms: Tensor,
  { levels = tenths, weights }: LevelsOption & WeightsOption = {},
): Tensor {
  const op = "quantileCoverage";
  if (!isFloat(transforms.dtype)) {
    throw new DTypeError(op, `transforms are ${transforms.dtype}`, {
      expected: "float32 or float64", received: transforms.dtype, hint: "give what gaussianPit returns",
    });
  }
  if (transforms.rank !== 1) {
    throw new ShapeError(op, `transforms have shape ${showShape(transforms.shape)}`, {
      expected: "[N]", received: transforms.shape, hint: "reshape them, or judge one column at a time",
    });
  }
  const below = lessEqual(expandDims(transforms, 1), tensor([...levels], { dtype: transforms.dtype }));
  return averageRows(op, cast(below, transforms.dtype), weights);
}

/** Mean |coverage − level| of `quantileCoverage` over the levels. Kuleshov, Fenner and Ermon, 2018, by absolute gaps. */
export function quantileCalibrationError(
  transforms: Tensor,
  { levels = tenths, weights }: LevelsOption & WeightsOption = {},
): Tensor {
  const coverage = quantileCoverage(transforms, { levels, weights });
  return mean(abs(sub(coverage, tensor([...levels], { dtype: transforms.dtype as "float32" }))));
}

/** Share of targets in their intervals, ends included. */
export function intervalCoverage({ lower, upper }: Interval, target: Tensor, { weights }: WeightsOption = {}): Tensor {
  requireAlike("intervalCoverage", lower, target);
  requireAlike("intervalCoverage", upper, target);
  const isInside = logicalAnd(greaterEqual(target, lower), lessEqual(target, upper));
  return averageRows("intervalCoverage", cast(isInside, target.dtype), weights);
}

function standardized(op: string, prediction: Tensor, deviation: Tensor, target: Tensor): Tensor {
  requireAlike(op, prediction, target);
  if (deviation.dtype !== target.dtype) {
    throw new DTypeError(op, `the standard deviation is ${deviation.dtype} and the target ${target.dtype}`, {
      expected: target.dtype, received: deviation.dtype, hint: `cast one: cast(deviation, "${target.dtype}")`,
    });
  }
  if (!sameShape(deviation.shape, target.shape)) {
    throw new ShapeError(op, `the standard deviation has shape ${showShape(deviation.shape)} and the target ${showShape(target.shape)}`, {
      expected: target.shape, received: deviation.shape, hint: "give one standard deviation per target",
    });
  }
  return div(sub(target, prediction), deviation);
}
