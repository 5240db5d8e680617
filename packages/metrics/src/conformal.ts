/**
 * Conformal prediction: sets and intervals that hold the truth with a chosen probability, whatever the model, as long
 * as calibration examples and new ones are exchangeable. Scores are computed as tensors; the one quantile is taken on
 * the host.
 */
import {
  type Key, ShapeError, type Tensor, ValueError, abs, add, argmin, argsort, cumsum, div, expandDims, lessEqual, matmul, maximum, mul, sub,
  sum, takeAlongAxis, transpose, uniform, where, cast, clamp,
} from "@dormouse/tensor";
import { showShape } from "@dormouse/tensor/graph";
import { labelMask } from "./labels.ts";

/**
 * How surprising a label is. `lac`: 1 − p. `aps`: the probability of all labels that rank at or above it. `raps`:
 * `aps` with a penalty on rank.
 */
export type ConformalScore = "lac" | "aps" | "raps";

export interface RandomOptions {
  /** Takes u · p off `aps` and `raps` scores, u uniform from this key: smaller sets of exact coverage. Default: not. */
  readonly key?: Key;
  /** The uniform numbers themselves, [N], instead of a key. */
  readonly draws?: Tensor;
}

export interface SplitConformalOptions extends RandomOptions {
  /** How often the truth may be missed. Default 0.1. */
  readonly alpha?: number;
  /** Default `aps`. */
  readonly score?: ConformalScore;
  /** Penalty of `raps` for each rank beyond `freeRanks`. Default 0.01. */
  readonly penalty?: number;
  /** Ranks without a penalty in `raps`. Default 1. */
  readonly freeRanks?: number;
}

/** Sets of labels. */
export interface SplitConformal {
  /** Labels of at most this score are in the set; Infinity where the calibration set is too small for `alpha`. */
  readonly threshold: number;
  /** bool [N, C]: which labels are in the set of each row. Sets can be empty. */
  sets(probabilities: Tensor, options?: RandomOptions): Tensor;
}

/**
 * Split conformal prediction of classes: calibrated on held-out probabilities [N, C] and labels [N], the sets hold the
 * label of a new example with probability at least 1 − alpha. The threshold is the ⌈(N + 1)(1 − alpha)⌉-th least
 * score. Vovk, Gammerman and Shafer, 2005; `lac`: Sadinle, Lei and Wasserman, 2019; `aps`: Romano, Sesia and Candès,
 * 2020; `raps`: Angelopoulos et al., 2021.
 *
 * ```ts
 * const conformal = await splitConformal(calibrationProbabilities, calibrationLabels, { alpha: 0.1, score: "aps" });
 * conformal.sets(probabilities);
 * ```
 */
export async function splitConformal(
  probabilities: Tensor,
  labels: Tensor,
  { alpha = 0.1, score = "aps", penalty = 0.01, freeRanks = 1, ...random }: SplitConformalOptions = {},
): Promise<SplitConformal> {
  const op = "splitConformal";
  const scoresOf = (p: Tensor, options: RandomOptions): Tensor => {
    if (score === "lac") return sub(1, p);
    const ranked = rankedScores(p, score === "raps" ? penalty : 0, freeRanks);
    const draws = options.draws ?? (options.key ? uniform(options.key, [p.shape[0]!], { dtype: p.dtype as "float32" }) : null);
    return draws ? sub(ranked, mul(p, expandDims(draws, 1))) : ranked;
  };
  const mask = labelMask(op, probabilities, labels);
  const own = sum(where(mask, scoresOf(probabilities, random), 0), { axis: 1 });
  const threshold = thresholdOf(op, await own.data(), alpha);
  return { threshold, sets: (p, options = {}) => lessEqual(scoresOf(p, options), threshold) };
}

/** Sum of the probabilities of all labels that rank at or above each, plus what its rank costs. */
function rankedScores(p: Tensor, penalty: number, freeRanks: number): Tensor {
  const order = argsort(p, { axis: 1, descending: true });
  const rank = argsort(order, { axis: 1 });
  const total = takeAlongAxis(cumsum(takeAlongAxis(p, order, { axis: 1 }), { axis: 1 }), rank, { axis: 1 });
  if (penalty === 0) return total;
  const excess = clamp(sub(add(rank, 1), freeRanks), { min: 0 });
  return add(total, mul(cast(excess, p.dtype), penalty));
}

/** The ⌈(n + 1)(1 − α)⌉-th least score; Infinity where there are fewer. */
function thresholdOf(op: string, scores: ArrayLike<number>, alpha: number): number {
  if (!(alpha > 0 && alpha < 1)) throw new ValueError(op, `alpha is ${alpha}`, { received: alpha, hint: "use a number between 0 and 1" });
  const sorted = Float64Array.from(scores).sort();
  // Products such as 100 · (1 − 0.1) may be an ulp above the integer they mean.
  const rank = Math.ceil((sorted.length + 1) * (1 - alpha) - 1e-9);
  return sorted[rank - 1] ?? Infinity;
}

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
 * calibrated on held-out predictions and targets [N]. Lei et al., 2018.
 */
export async function conformalRegression(
  prediction: Tensor,
  target: Tensor,
  { alpha = 0.1, scale }: ConformalRegressionOptions = {},
): Promise<ConformalRegression> {
  const residual = abs(sub(target, prediction));
  const threshold = thresholdOf("conformalRegression", await (scale ? div(residual, scale) : residual).data(), alpha);
  return {
    threshold,
    interval(x, options = {}) {
      if ((scale === undefined) !== (options.scale === undefined)) {
        throw new ValueError("conformalRegression", `calibrated ${scale ? "with" : "without"} a scale`, {
          hint: scale ? "give the scale of these predictions, too" : "give a scale to conformalRegression, too",
        });
      }
      const reach = options.scale ? mul(options.scale, threshold) : threshold;
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

/** Conformalized quantile regression: predicted quantiles, moved so that they hold the target. Romano et al., 2019. */
export async function conformalQuantiles(
  lower: Tensor,
  upper: Tensor,
  target: Tensor,
  { alpha = 0.1 }: Pick<ConformalRegressionOptions, "alpha"> = {},
): Promise<ConformalQuantiles> {
  const outside = maximum(sub(lower, target), sub(target, upper));
  const threshold = thresholdOf("conformalQuantiles", await outside.data(), alpha);
  return { threshold, interval: (low, high) => ({ lower: sub(low, threshold), upper: add(high, threshold) }) };
}

/**
 * The decision of least expected cost for each row of probabilities [N, C]: int32 [N]. `costs` is [D, C]: row i is what
 * decision i costs for each class.
 *
 * ```ts
 * decide(probabilities, tensor([[0, 10], [1, 0]]));   // says 1 once p(1) > 1/11
 * ```
 */
export function decide(probabilities: Tensor, costs: Tensor): Tensor {
  if (costs.rank !== 2 || probabilities.rank !== 2 || costs.shape[1] !== probabilities.shape[1]) {
    throw new ShapeError("decide", `costs ${showShape(costs.shape)} for probabilities ${showShape(probabilities.shape)}`, {
      expected: ["D", probabilities.shape[1]],
      received: costs.shape,
      hint: "give one row per decision and one column per class",
    });
  }
  return argmin(matmul(probabilities, transpose(costs)), { axis: 1 });
}
