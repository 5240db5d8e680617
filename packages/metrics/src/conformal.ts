/**
 * Conformal prediction of classes: sets that hold the label with a chosen probability, whatever the model, as long as
 * calibration examples and new ones are exchangeable. Scores are computed as tensors; the one quantile is taken on the
 * host. Intervals for real values are in `intervals.ts`.
 */
import {
  type Key, type Tensor, ValueError, add, argsort, cast, clamp, cumsum, equal, expandDims, greater, lessEqual, logicalAnd,
  mean, minimum, mul, split, sub, sum, takeAlongAxis, tensor, uniform, where,
} from "@dormouse/tensor";
import { labelMask } from "./labels.ts";
import { type Values, numbersOf } from "./values.ts";

/**
 * How surprising a label is. `lac`: 1 − p. `aps`: the probability of all labels that rank at or above it. `raps`:
 * `aps` with a penalty on rank.
 */
export type ConformalScore = "lac" | "aps" | "raps";

export interface RandomOptions {
  /**
   * Takes u · p off `aps` and `raps` scores, u uniform from this key: smaller sets, of coverage that is exact up to
   * 1/(n + 1) instead of above it. Default: not.
   */
  readonly key?: Key;
  /** The uniform numbers themselves, [N], instead of a key. */
  readonly draws?: Tensor;
}

export interface SplitConformalOptions extends RandomOptions {
  /** How often the truth may be missed. Default 0.1. */
  readonly alpha?: number;
  /** Default `aps`. */
  readonly score?: ConformalScore;
  /** λ of `raps`: the penalty for each rank beyond `freeRanks`. Default 0.01. */
  readonly penalty?: number;
  /** k_reg of `raps`: ranks without a penalty. Default 1. */
  readonly freeRanks?: number;
}

/** Sets of labels. */
export interface SplitConformal {
  /** Labels of at most this score are in the set; Infinity where the calibration set is too small for `alpha`. */
  readonly threshold: number;
  /**
   * bool [N, C]: which labels are in the set of each row. Sets can be empty. Calibrated with a key, it draws from a
   * second key made of that one, the same numbers for every call of equally many rows; give a key or draws for others.
   */
  sets(probabilities: Tensor, options?: RandomOptions): Tensor;
}

/** Sets of labels by a threshold for each class. */
export interface ClassConditionalConformal {
  /** [C]; Infinity for a class with too few calibration examples for `alpha`: it is in every set. */
  readonly thresholds: Float64Array;
  /** Calibration examples of each class, [C]. */
  readonly count: Float64Array;
  /** As of `SplitConformal`. */
  sets(probabilities: Tensor, options?: RandomOptions): Tensor;
}

/**
 * The quantile that gives conformal prediction its guarantee: the ⌈(n + 1)(1 − alpha)⌉-th least of n scores, which a
 * further exchangeable score exceeds with probability at most alpha. Infinity where n < 1/alpha − 1, as then no score
 * is large enough: 9 scores are the fewest for alpha = 0.1, 19 for 0.05, 99 for 0.01. Throws `ValueError` for an alpha
 * outside (0, 1) and for a score that is NaN. Vovk, Gammerman and Shafer, 2005; Angelopoulos and Bates, 2023.
 *
 * ```ts
 * await conformalQuantile([1, 2, 3, 4, 5, 6, 7, 8, 9], { alpha: 0.1 });   // 9
 * await conformalQuantile([1, 2, 3, 4, 5, 6, 7, 8], { alpha: 0.1 });   // Infinity
 * ```
 */
export async function conformalQuantile(
  scores: Values,
  { alpha = 0.1 }: { readonly alpha?: number } = {},
): Promise<number> {
  return quantileOf("conformalQuantile", (await numbersOf(scores)).data, alpha);
}

/** As `conformalQuantile`, of numbers on the host, in the name of `op`. */
export function quantileOf(op: string, scores: ArrayLike<number>, alpha: number): number {
  if (!(alpha > 0 && alpha < 1)) throw new ValueError(op, `alpha is ${alpha}`, { received: alpha, hint: "use a number between 0 and 1" });
  const sorted = Float64Array.from(scores).sort();
  if (Number.isNaN(sorted.at(-1))) throw new ValueError(op, "a calibration score is NaN", { received: NaN, hint: "NaN has no rank" });
  // Products such as 100 · (1 − 0.1) may be an ulp above the integer they mean.
  const rank = Math.ceil((sorted.length + 1) * (1 - alpha) - 1e-9);
  return sorted[rank - 1] ?? Infinity;
}

/**
 * Split conformal prediction of classes: calibrated on held-out probabilities [N, C] and labels [N], the sets hold the
 * label of a new example with probability at least 1 − alpha, and at most 1 − alpha + 1/(N + 1) where scores have no
 * ties. The threshold is the `conformalQuantile` of the scores of the labels; with N < 1/alpha − 1 it is Infinity and
 * sets hold every class. Vovk, Gammerman and Shafer, 2005; `lac`: Sadinle, Lei and Wasserman, 2019; `aps`: Romano,
 * Sesia and Candès, 2020; `raps`: Angelopoulos et al., 2021.
 *
 * ```ts
 * const conformal = await splitConformal(calibrationProbabilities, calibrationLabels, { alpha: 0.1, score: "aps" });
 * conformal.sets(probabilities);
 * ```
 */
export async function splitConformal(
  probabilities: Tensor,
  labels: Tensor,
  { alpha = 0.1, ...options }: SplitConformalOptions = {},
): Promise<SplitConformal> {
  const op = "splitConformal";
  const { own, scoresOf } = calibration(op, probabilities, labels, options);
  const threshold = quantileOf(op, await own.data(), alpha);
  return setsBelow(threshold, scoresOf);
}

/** Options of `splitConformalOf`: those that the threshold was calibrated with. */
export interface SplitConformalParameters extends Omit<SplitConformalOptions, "alpha" | "draws"> {
  readonly threshold: number;
}

/**
 * The sets of a threshold that was calibrated before, given the score and the key it was calibrated with.
 *
 * ```ts
 * splitConformalOf({ threshold: 0.7, score: "lac" }).sets(probabilities);   // p of at least 0.3
 * ```
 */
export const splitConformalOf = ({ threshold, ...options }: SplitConformalParameters): SplitConformal =>
  setsBelow(threshold, scoring("splitConformalOf", options).scoresOf);

const setsBelow = (threshold: number, scoresOf: Scoring["scoresOf"]): SplitConformal => ({
  threshold,
  // As a tensor, not as a number: another threshold needs no other program.
  sets: (p, random = {}) => lessEqual(scoresOf(p, random), tensor(threshold, { dtype: p.dtype })),
});

/**
 * Split conformal prediction with a threshold for each class, so that coverage holds for the examples of every class,
 * not only on average: the `conformalQuantile` of the scores of the calibration examples with that label. A class of
 * fewer than 1/alpha − 1 examples is in every set. Options and scores are those of `splitConformal`. Vovk, 2012
 * (Mondrian conformal predictors); Sadinle, Lei and Wasserman, 2019.
 *
 * ```ts
 * const conformal = await classConditionalConformal(calibrationProbabilities, calibrationLabels, { alpha: 0.1 });
 * conformal.sets(probabilities);
 * ```
 */
export async function classConditionalConformal(
  probabilities: Tensor,
  labels: Tensor,
  { alpha = 0.1, ...options }: SplitConformalOptions = {},
): Promise<ClassConditionalConformal> {
  const op = "classConditionalConformal";
  const { own, scoresOf } = calibration(op, probabilities, labels, options);
  const [scores, { data: label }] = await Promise.all([own.data(), numbersOf(labels)]);
  const classes = Array.from({ length: probabilities.shape[1]! }, (_, k) => scores.filter((_score, row) => label[row] === k));
  const thresholds = Float64Array.from(classes, (each) => quantileOf(op, each, alpha));
  return {
    thresholds,
    count: Float64Array.from(classes, (each) => each.length),
    sets: (p, random = {}) => lessEqual(scoresOf(p, random), tensor(thresholds, { dtype: p.dtype })),
  };
}

/**
 * Sets of the labels whose probability is above a fixed threshold: bool [N, C], {i : pᵢ > γ}. They promise nothing: how
 * often they hold the label depends on how well the probabilities are calibrated, and with γ at 1 − coverage they
 * cover what they seem to only by luck. For a guarantee take the threshold from held-out examples:
 * `splitConformal(…, { score: "lac" })` has sets of this very form with γ = 1 − its threshold.
 *
 * ```ts
 * await thresholdSets(tensor([[0.6, 0.3, 0.1]]), 0.2).array();   // [[true, true, false]]
 * ```
 */
export const thresholdSets = (probabilities: Tensor, threshold: number): Tensor => greater(probabilities, threshold);

/**
 * Share of rows whose set [N, C] holds the label [N]: a float32 scalar on the device. Throws as `splitConformal` for
 * labels that do not fit.
 *
 * ```ts
 * await setCoverage(conformal.sets(probabilities), labels).item();   // at least 0.9 or so
 * ```
 */
export const setCoverage = (sets: Tensor, labels: Tensor): Tensor =>
  mean(cast(sum(cast(logicalAnd(cast(sets, "bool"), labelMask("setCoverage", sets, labels)), "int32"), { axis: 1 }), "float32"));

/** Mean number of labels in sets [N, C]: a float32 scalar on the device. The smaller, the more sets of one coverage say. */
export const meanSetSize = (sets: Tensor): Tensor => mean(sum(cast(sets, "float32"), { axis: 1 }));

interface Scoring {
  /** Scores of calibration examples, with the random numbers of the options. */
  readonly calibrationScores: (p: Tensor) => Tensor;
  /** Scores of new examples. */
  readonly scoresOf: (p: Tensor, random: RandomOptions) => Tensor;
}

/** The score of the label of every calibration example, and how new examples are scored. */
function calibration(op: string, probabilities: Tensor, labels: Tensor, options: Omit<SplitConformalOptions, "alpha">) {
  const { calibrationScores, scoresOf } = scoring(op, options);
  const mask = labelMask(op, probabilities, labels);
  return { own: sum(where(mask, calibrationScores(probabilities), 0), { axis: 1 }), scoresOf };
}

function scoring(op: string, { score = "aps", penalty = 0.01, freeRanks = 1, key, draws }: Omit<SplitConformalOptions, "alpha">): Scoring {
  const isRandom = score !== "lac" && (key !== undefined || draws !== undefined);
  const [first, second] = key ? split(key) : [];
  const scoresOf = (p: Tensor, random: RandomOptions): Tensor => {
    if (score === "lac") return sub(1, p);
    const ranked = rankedScores(p, score === "raps" ? penalty : 0, freeRanks);
    const shares = random.draws ?? (random.key && uniform(random.key, [p.shape[0]!], { dtype: p.dtype as "float32" }));
    // A threshold from scores with u · p taken off is too low for scores without.
    if (isRandom !== (shares !== undefined)) {
      throw new ValueError(op, `calibrated ${isRandom ? "with" : "without"} random numbers`, {
        hint: isRandom ? "give sets a key or draws, too" : `give ${op} a key, too, or sets none`,
      });
    }
    return shares ? sub(ranked, mul(p, expandDims(shares, 1))) : ranked;
  };
  const drawn = draws ? { draws } : first ? { key: first } : {};
  return {
    calibrationScores: (p) => scoresOf(p, drawn),
    scoresOf: (p, random) => scoresOf(p, random.key || random.draws || !second ? random : { key: second }),
  };
}

/** Sum of the probabilities of all labels that rank at or above each, plus what its rank costs. */
function rankedScores(p: Tensor, penalty: number, freeRanks: number): Tensor {
  const order = argsort(p, { axis: 1, descending: true });
  const rank = argsort(order, { axis: 1 });
  const sums = takeAlongAxis(cumsum(takeAlongAxis(p, order, { axis: 1 }), { axis: 1 }), rank, { axis: 1 });
  // All labels together have 1: rounding must not set one example's 1 above another's.
  const total = where(equal(rank, p.shape[1]! - 1), 1, minimum(sums, 1));
  if (penalty === 0) return total;
  const excess = clamp(sub(add(rank, 1), freeRanks), { min: 0 });
  return add(total, mul(cast(excess, p.dtype), penalty));
}
