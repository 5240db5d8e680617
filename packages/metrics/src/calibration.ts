/**
 * Do predicted probabilities mean what they say? Predictions are put into bins by confidence, and in each the mean
 * confidence is compared with the observed frequency. Probabilities are [N, C] with labels [N], judged by their
 * greatest entry, or [N] of "yes" with targets 0 or 1. They are read once and binned on the host in float64.
 */
import { ShapeError, type Tensor, ValueError } from "@dormouse/tensor";
import { showShape } from "@dormouse/tensor/graph";
import { type Values, bestOf, numbersOf, probabilitiesOf, requireCount, requireLabels } from "./values.ts";

export interface BinOptions {
  /** Number of bins. Default 15. */
  readonly bins?: number;
  /**
   * `width`: bins of equal width, bin b holding (b/M, (b+1)/M], the first one 0 too. `mass`: bins of equally many
   * examples, the first ones one more where the number does not divide. Default `width`.
   */
  readonly binning?: "width" | "mass";
}

/** A reliability diagram and the errors that can be read off it. Empty bins are 0 and count for nothing. */
export interface Reliability {
  /** Examples in each bin. */
  readonly count: Float64Array;
  /** Mean confidence in each bin. */
  readonly confidence: Float64Array;
  /** Observed frequency in each bin: of a right guess, or of "yes". */
  readonly accuracy: Float64Array;
  /** Mean gap |accuracy − confidence|, by the number of examples. */
  readonly expectedError: number;
  /** Largest gap. */
  readonly maximumError: number;
  /** Root of the mean squared gap. */
  readonly rootMeanSquareError: number;
  /** Mean of confidence − accuracy where that is positive. */
  readonly overconfidence: number;
}

/**
 * The reliability diagram of probabilities.
 *
 * ```ts
 * const { confidence, accuracy } = await reliability(softmax(logits), labels, { bins: 10 });
 * ```
 */
export async function reliability(
  probabilities: Values,
  targets: Values,
  options: BinOptions = {},
): Promise<Reliability> {
  const { confidence, hit } = await topOf("reliability", probabilities, targets);
  return diagram("reliability", confidence, hit, options);
}

/** Options of `expectedCalibrationError`. */
export interface CalibrationErrorOptions extends BinOptions {
  /** Judges every column of [N, C] as a probability of its own and averages. Default false: the greatest entry only. */
  readonly classwise?: boolean;
}

/**
 * Expected calibration error: Σ nₖ/N · |accuracyₖ − confidenceₖ| over bins. Naeini, Cooper and Hauskrecht, 2015; by
 * class: Kull et al., 2019.
 *
 * ```ts
 * await expectedCalibrationError(softmax(logits), labels, { bins: 15 });
 * ```
 */
export async function expectedCalibrationError(
  probabilities: Values,
  targets: Values,
  { classwise = false, ...options }: CalibrationErrorOptions = {},
): Promise<number> {
  if (!classwise) return (await reliability(probabilities, targets, options)).expectedError;
  const each = await classwiseCalibrationError(probabilities as Tensor, targets, options);
  return each.reduce((sum, error) => sum + error, 0) / each.length;
}

/** The expected calibration error of every column of [N, C], as a probability of its own. */
export async function classwiseCalibrationError(
  probabilities: Tensor,
  targets: Values,
  options: BinOptions = {},
): Promise<Float64Array> {
  const op = "classwiseCalibrationError";
  const { scores: { data }, labels, rows, classes } = await probabilitiesOf(op, probabilities, targets);
  return Float64Array.from({ length: classes }, (_, k) => {
    const confidence = Float64Array.from({ length: rows }, (_, row) => data[row * classes + k]!);
    return diagram(op, confidence, labels.map((label) => (label === k ? 1 : 0)), options).expectedError;
  });
}

/** The largest |accuracy − confidence| of any bin. */
export const maximumCalibrationError = async (
  probabilities: Values,
  targets: Values,
  options: BinOptions = {},
): Promise<number> =>
  (await reliability(probabilities, targets, options)).maximumError;

/**
 * Largest |Σ (confidence − hit)| / N over examples up to any confidence: a calibration error without bins.
 * Gupta et al., 2021.
 */
export async function kolmogorovSmirnovError(probabilities: Values, targets: Values): Promise<number> {
  const { confidence, hit } = await topOf("kolmogorovSmirnovError", probabilities, targets);
  let [gap, largest] = [0, 0];
  for (const row of ascending(confidence)) {
    gap += confidence[row]! - hit[row]!;
    largest = Math.max(largest, Math.abs(gap));
  }
  return largest / confidence.length;
}

/** The parts of a Brier score of yes or no. */
export interface BrierDecomposition {
  /** Σ nₖ/N · (confidenceₖ − accuracyₖ)²: what calibration costs. */
  readonly reliability: number;
  /** Σ nₖ/N · (accuracyₖ − ȳ)²: what telling examples apart gains. */
  readonly resolution: number;
  /** ȳ (1 − ȳ): what the question costs. */
  readonly uncertainty: number;
}

/**
 * Splits the Brier score of "yes" probabilities [N] into reliability − resolution + uncertainty: exactly where all
 * probabilities of a bin are equal, up to their spread within bins otherwise. Murphy, 1973.
 */
export async function brierDecomposition(
  probabilities: Values,
  targets: Values,
  options: BinOptions = {},
): Promise<BrierDecomposition> {
  const { count, confidence, accuracy } = await reliability(probabilities, targets, options);
  const total = count.reduce((sum, n) => sum + n, 0);
  const average = (f: (bin: number) => number): number => count.reduce((sum, n, bin) => sum + n * f(bin), 0) / total;
  const rate = average((bin) => accuracy[bin]!);
  return {
    reliability: average((bin) => (confidence[bin]! - accuracy[bin]!) ** 2),
    resolution: average((bin) => (accuracy[bin]! - rate) ** 2),
    uncertainty: rate * (1 - rate),
  };
}

/** Bin of equal width, closed on the right; 0 goes to the first. */
export const widthBin = (p: number, bins: number): number => Math.min(bins - 1, Math.max(0, Math.ceil(p * bins) - 1));

/** Confidence of the best guess and whether it is right, or probability of "yes" and whether it is so. */
async function topOf(
  op: string,
  probabilities: Values,
  targets: Values,
): Promise<{ confidence: Float64Array; hit: Float64Array }> {
  if ("shape" in probabilities && probabilities.rank === 2) {
    const { scores, labels, classes } = await probabilitiesOf(op, probabilities, targets);
    const best = bestOf(scores);
    return {
      confidence: best.map((column, row) => scores.data[row * classes + column]!),
      hit: labels.map((label, row) => (best[row] === label ? 1 : 0)),
    };
  }
  const [{ data: confidence, shape }, { data: hit }] = await Promise.all([numbersOf(probabilities), numbersOf(targets)]);
  if (shape.length !== 1) {
    throw new ShapeError(op, `probabilities have shape ${showShape(shape)}`, {
      expected: "[N, C] or [N]",
      received: shape,
      hint: "reshape them",
    });
  }
  requireCount(op, "targets", hit.length, confidence.length);
  requireLabels(op, hit, 2);
  return { confidence, hit };
}

function diagram(
  op: string,
  p: Float64Array,
  hit: Float64Array,
  { bins = 15, binning = "width" }: BinOptions,
): Reliability {
  if (!Number.isInteger(bins) || bins < 1) {
    throw new ValueError(op, `bins is ${bins}`, { expected: "a positive integer", received: bins, hint: "give a positive integer" });
  }
  const bad = p.findIndex((value) => !(value >= 0 && value <= 1 + 1e-6));
  if (bad >= 0) {
    throw new ValueError(op, `probability ${p[bad]} at row ${bad} is not between 0 and 1`, {
      received: p[bad],
      hint: "give probabilities: softmax(logits) or sigmoid(logits)",
    });
  }
  const [count, confidence, accuracy] = [new Float64Array(bins), new Float64Array(bins), new Float64Array(bins)];
  const binOf = binning === "width" ? p.map((value) => widthBin(value, bins)) : massBins(p, bins);
  binOf.forEach((bin, row) => {
    count[bin]!++;
    confidence[bin]! += p[row]!;
    accuracy[bin]! += hit[row]!;
  });
  count.forEach((n, bin) => {
    if (n === 0) return;
    confidence[bin]! /= n;
    accuracy[bin]! /= n;
  });
  const gaps = accuracy.map((a, bin) => a - confidence[bin]!);
  const average = (f: (gap: number) => number): number =>
    gaps.reduce((sum, gap, bin) => sum + (count[bin]! / p.length) * f(gap), 0);
  return {
    count,
    confidence,
    accuracy,
    expectedError: average(Math.abs),
    maximumError: gaps.reduce((most, gap) => Math.max(most, Math.abs(gap)), 0),
    rootMeanSquareError: Math.sqrt(average((gap) => gap * gap)),
    overconfidence: average((gap) => Math.max(-gap, 0)),
  };
}

/** Bin of every row where bins hold equally many rows in ascending order, equal ones in the order given. */
function massBins(p: Float64Array, bins: number): Float64Array {
  const result = new Float64Array(p.length);
  const [least, extra] = [Math.floor(p.length / bins), p.length % bins];
  const inLarger = extra * (least + 1);
  ascending(p).forEach((row, rank) => {
    result[row] = rank < inLarger ? Math.floor(rank / (least + 1)) : extra + Math.floor((rank - inLarger) / least);
  });
  return result;
}

const ascending = (values: Float64Array): number[] =>
  Array.from(values.keys()).sort((a, b) => values[a]! - values[b]!);
