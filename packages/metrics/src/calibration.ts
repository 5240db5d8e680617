/**
 * Do predicted probabilities mean what they say? Predictions are put into bins by confidence, and in each the mean
 * confidence is compared with the observed frequency. Probabilities are [N, C] with labels [N], judged by their
 * greatest entry, or [N] of "yes" with targets 0 or 1. They are read once and binned on the host in float64. The
 * conventions of bins are those of `BinOptions`; the README compares them with other libraries.
 */
import { ShapeError, type Tensor, ValueError } from "@dormouse/tensor";
import { showShape } from "@dormouse/tensor/graph";
import { type BinOptions, type BinSums, ascending, binned, requireProbabilities } from "./bins.ts";
import { erf } from "./special.ts";
import { type Values, bestOf, numbersOf, probabilitiesOf, requireCount, requireLabels } from "./values.ts";

/** A reliability diagram and the errors that can be read off it. Empty bins are 0 and count for nothing. */
export interface Reliability {
  /** Ends of the bins, from 0 to 1: one more than there are bins. */
  readonly edges: Float64Array;
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
 * The reliability diagram of probabilities: for every bin how many examples it holds, what they say on average and how
 * often they are right. DeGroot and Fienberg, 1983; Niculescu-Mizil and Caruana, 2005.
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
  return diagramOf(binned("reliability", confidence, hit, options));
}

/** How sure predictions are, and how often they are right. */
export interface ConfidenceHistogram {
  /** Ends of the bins, from 0 to 1: one more than there are bins. */
  readonly edges: Float64Array;
  /** Examples in each bin. */
  readonly count: Float64Array;
  /** Share of the examples in each bin. */
  readonly share: Float64Array;
  /** Mean confidence of all examples. */
  readonly meanConfidence: number;
  /** Share of right predictions, or of "yes", of all examples. Calibrated predictions have it at `meanConfidence`. */
  readonly accuracy: number;
}

/**
 * The histogram of confidence that is drawn above a reliability diagram, with its two vertical lines: mean confidence
 * and accuracy. Bins are as in `reliability`. Guo et al., 2017, figure 1.
 *
 * ```ts
 * const { share, meanConfidence, accuracy } = await confidenceHistogram(softmax(logits), labels, { bins: 20 });
 * ```
 */
export async function confidenceHistogram(
  probabilities: Values,
  targets: Values,
  options: BinOptions = {},
): Promise<ConfidenceHistogram> {
  const op = "confidenceHistogram";
  const { confidence, hit } = await topOf(op, probabilities, targets);
  const { edges, count, ...sums } = binned(op, confidence, hit, options);
  const rows = confidence.length;
  return {
    edges,
    count,
    share: count.map((n) => n / rows),
    meanConfidence: total(sums.confidence) / rows,
    accuracy: total(sums.hits) / rows,
  };
}

/** Options of `expectedCalibrationError`. */
export interface CalibrationErrorOptions extends BinOptions {
  /** Judges every column of [N, C] as a probability of its own and averages. Default false: the greatest entry only. */
  readonly classwise?: boolean;
  /**
   * Judges the greatest entry of [N, C], in bins of its own for every predicted class, so that one class that is too
   * sure cannot make up for another that is not sure enough. Default false: one set of bins.
   */
  readonly topLabel?: boolean;
  /**
   * What is taken of the gaps: `l1` their mean, `l2` the root of their mean square, `max` the greatest; means are by
   * the number of examples, and for `classwise` over classes. Default `l1`.
   */
  readonly norm?: "l1" | "l2" | "max";
  /**
   * Takes off what the noise of a finite sample adds to gaps: even perfect predictions have an error above 0. `l2`:
   * acc (1 − acc) / (n − 1) off every squared gap, which makes the squared error unbiased for the binned predictions
   * (Bröcker, 2012; Ferro and Fricker, 2012; Kumar, Liang and Ma, 2019, section 4); `l1`: the difference of the mean
   * of |gap + noise| and of |gap|, with normal noise of variance acc (1 − acc) / n (Kumar et al., appendix). At least
   * 0; bins of a single example count as 0. Not for `max`. Default false.
   */
  readonly debiased?: boolean;
}

/**
 * Expected calibration error: Σ nₖ/N · |accuracyₖ − confidenceₖ| over bins, or another norm of the gaps. Naeini, Cooper
 * and Hauskrecht, 2015; by class: Kull et al., 2019; by predicted class: Gupta and Ramdas, 2022. Throws `ValueError`
 * for what is no probability and for options that exclude each other.
 *
 * ```ts
 * await expectedCalibrationError(softmax(logits), labels, { bins: 15 });
 * await expectedCalibrationError(softmax(logits), labels, { binning: "mass", norm: "l2", debiased: true });
 * ```
 */
export async function expectedCalibrationError(
  probabilities: Values,
  targets: Values,
  { classwise = false, topLabel = false, norm = "l1", debiased = false, ...options }: CalibrationErrorOptions = {},
): Promise<number> {
  const op = "expectedCalibrationError";
  if (classwise && topLabel) {
    throw new ValueError(op, "classwise and topLabel exclude each other", { hint: "judge every column, or the greatest entry" });
  }
  if (debiased && norm === "max") {
    throw new ValueError(op, "the greatest gap cannot be debiased", { received: norm, hint: `use norm "l1" or "l2"` });
  }
  const groups = await (classwise ? columnsOf : topLabel ? labelGroupsOf : singleGroupOf)(op, probabilities, targets);
  const all = groups.reduce((sum, { p }) => sum + p.length, 0);
  const cells = groups.flatMap(({ p, hit }) => cellsOf(binned(op, p, hit, options), all));
  return errorOf(cells, norm, debiased);
}

/** The expected calibration error of every column of [N, C], as a probability of its own. */
export async function classwiseCalibrationError(
  probabilities: Tensor,
  targets: Values,
  options: BinOptions = {},
): Promise<Float64Array> {
  const op = "classwiseCalibrationError";
  const groups = await columnsOf(op, probabilities, targets);
  return Float64Array.from(groups, ({ p, hit }) => diagramOf(binned(op, p, hit, options)).expectedError);
}

/** The largest |accuracy − confidence| of any bin. Naeini, Cooper and Hauskrecht, 2015. */
export const maximumCalibrationError = async (
  probabilities: Values,
  targets: Values,
  options: BinOptions = {},
): Promise<number> =>
  (await reliability(probabilities, targets, options)).maximumError;

/** Options of `adaptiveCalibrationError`. */
export interface AdaptiveErrorOptions {
  /** Number of ranges of equally many predictions, for each class. Default 15. */
  readonly ranges?: number;
  /** Leaves out predictions of at most this, which would fill most ranges where classes are many. Default: keeps all. */
  readonly threshold?: number;
}

/**
 * Adaptive calibration error: the plain mean of |accuracy − confidence| over all classes and, for each, ranges of
 * equally many predictions: 1/(K R) Σₖ Σᵣ. With `threshold` it is the thresholded one (TACE). Ranges that hold nothing
 * are left out of the mean. Nixon et al., 2019. (Others call the plain mean over the bins of the greatest entry by the
 * same three letters.)
 *
 * ```ts
 * await adaptiveCalibrationError(softmax(logits), labels, { ranges: 10, threshold: 0.01 });
 * ```
 */
export async function adaptiveCalibrationError(
  probabilities: Values,
  targets: Values,
  { ranges = 15, threshold }: AdaptiveErrorOptions = {},
): Promise<number> {
  const op = "adaptiveCalibrationError";
  const isMatrix = "shape" in probabilities && probabilities.rank === 2;
  const groups = await (isMatrix ? columnsOf : singleGroupOf)(op, probabilities, targets);
  const cells = groups.flatMap(({ p, hit }) => {
    requireProbabilities(op, p);
    const kept = Array.from(p.keys()).filter((row) => threshold === undefined || p[row]! > threshold);
    const pick = (values: Float64Array): Float64Array => Float64Array.from(kept, (row) => values[row]!);
    return cellsOf(binned(op, pick(p), pick(hit), { bins: ranges, binning: "mass" }), kept.length);
  });
  return cells.reduce((sum, { gap }) => sum + Math.abs(gap), 0) / cells.length;
}

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

/** The parts of a Brier score of yes or no: reliability − resolution + uncertainty + within. */
export interface BrierDecomposition {
  /** Σ nₖ/N · (confidenceₖ − accuracyₖ)²: what calibration costs. */
  readonly reliability: number;
  /** Σ nₖ/N · (accuracyₖ − ȳ)²: what telling examples apart gains. */
  readonly resolution: number;
  /** ȳ (1 − ȳ): what the question costs. */
  readonly uncertainty: number;
  /**
   * Variance of the probabilities within bins, less twice their covariance with the outcomes: 0 where all
   * probabilities of a bin are equal. Stephenson, Coelho and Jolliffe, 2008.
   */
  readonly within: number;
}

/** Options of `brierDecomposition`. */
export interface BrierDecompositionOptions extends BinOptions {
  /**
   * Takes the bias of a finite sample off each part; their sum stays. Reliability and resolution can become negative.
   * Bins of a single example are left as they are. Ferro and Fricker, 2012; see also Bröcker, 2012. Default false.
   */
  readonly debiased?: boolean;
}

/**
 * Splits the Brier score of "yes" probabilities [N] into reliability − resolution + uncertainty + within, exactly.
 * Murphy, 1973.
 *
 * ```ts
 * const { reliability, resolution, uncertainty } = await brierDecomposition([0.1, 0.1, 0.9], [0, 1, 1]);
 * ```
 */
export async function brierDecomposition(
  probabilities: Values,
  targets: Values,
  { debiased = false, ...options }: BrierDecompositionOptions = {},
): Promise<BrierDecomposition> {
  const op = "brierDecomposition";
  const top = await topOf(op, probabilities, targets);
  const { count, confidence, accuracy } = diagramOf(binned(op, top.confidence, top.hit, options));
  const rows = total(count);
  const average = (f: (bin: number) => number): number => count.reduce((sum, n, bin) => sum + n * f(bin), 0) / rows;
  const rate = average((bin) => accuracy[bin]!);
  const parts = {
    reliability: average((bin) => (confidence[bin]! - accuracy[bin]!) ** 2),
    resolution: average((bin) => (accuracy[bin]! - rate) ** 2),
    uncertainty: rate * (1 - rate),
  };
  const brier = top.confidence.reduce((sum, p, row) => sum + (p - top.hit[row]!) ** 2, 0) / rows;
  const within = brier - (parts.reliability - parts.resolution + parts.uncertainty);
  if (!debiased) return { ...parts, within };
  const noise = average((bin) => noiseOf(accuracy[bin]!, count[bin]!));
  const whole = noiseOf(rate, rows);
  return {
    reliability: parts.reliability - noise,
    resolution: parts.resolution - noise + whole,
    uncertainty: parts.uncertainty + whole,
    within,
  };
}

/** An unbiased estimate of the variance of the frequency of n outcomes; 0 where one outcome says nothing about it. */
const noiseOf = (frequency: number, n: number): number => (n > 1 ? (frequency * (1 - frequency)) / (n - 1) : 0);

/** What one bin adds to an error. */
interface Cell {
  readonly share: number;
  readonly count: number;
  readonly accuracy: number;
  readonly gap: number;
}

/** The bins that hold anything, their shares being of `all` examples. */
function cellsOf({ count, confidence, hits }: BinSums, all: number): Cell[] {
  return Array.from(count.keys()).filter((bin) => count[bin]! > 0).map((bin) => {
    const n = count[bin]!;
    return { share: n / all, count: n, accuracy: hits[bin]! / n, gap: (hits[bin]! - confidence[bin]!) / n };
  });
}

function errorOf(cells: readonly Cell[], norm: "l1" | "l2" | "max", debiased: boolean): number {
  const average = (f: (cell: Cell) => number): number => cells.reduce((sum, cell) => sum + cell.share * f(cell), 0);
  switch (norm) {
    case "max":
      return cells.reduce((most, { gap }) => Math.max(most, Math.abs(gap)), 0);
    case "l2":
      return Math.sqrt(Math.max(0, average(({ gap, accuracy, count }) => {
        if (!debiased) return gap * gap;
        return count > 1 ? gap * gap - noiseOf(accuracy, count) : 0;
      })));
    case "l1":
      return Math.max(0, average(({ gap, accuracy, count }) => {
        if (!debiased) return Math.abs(gap);
        return count > 1 ? 2 * Math.abs(gap) - foldedMean(gap, Math.sqrt((accuracy * (1 - accuracy)) / count)) : 0;
      }));
    default:
      throw new ValueError("expectedCalibrationError", `norm is "${String(norm)}"`, {
        expected: ["l1", "l2", "max"], received: norm, hint: `use "l1", "l2" or "max"`,
      });
  }
}

/** Mean of |x| for a normal x of this mean and standard deviation. */
function foldedMean(mean: number, deviation: number): number {
  if (deviation === 0) return Math.abs(mean);
  const z = mean / (deviation * Math.SQRT2);
  return deviation * Math.sqrt(2 / Math.PI) * Math.exp(-z * z) + mean * erf(z);
}

/** Means and errors of what was counted. */
export function diagramOf({ edges, count, ...sums }: BinSums): Reliability {
  const rows = total(count);
  const accuracy = sums.hits.map((sum, bin) => (count[bin] === 0 ? 0 : sum / count[bin]!));
  const confidence = sums.confidence.map((sum, bin) => (count[bin] === 0 ? 0 : sum / count[bin]!));
  const gaps = accuracy.map((a, bin) => a - confidence[bin]!);
  const average = (f: (gap: number) => number): number =>
    gaps.reduce((sum, gap, bin) => sum + (count[bin]! / rows) * f(gap), 0);
  return {
    edges,
    count,
    confidence,
    accuracy,
    expectedError: average(Math.abs),
    maximumError: gaps.reduce((most, gap) => Math.max(most, Math.abs(gap)), 0),
    rootMeanSquareError: Math.sqrt(average((gap) => gap * gap)),
    overconfidence: average((gap) => Math.max(-gap, 0)),
  };
}

const total = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0);

/** Probabilities and outcomes that are put into bins together. */
interface Group {
  readonly p: Float64Array;
  readonly hit: Float64Array;
}

async function singleGroupOf(op: string, probabilities: Values, targets: Values): Promise<Group[]> {
  const { confidence, hit } = await topOf(op, probabilities, targets);
  return [{ p: confidence, hit }];
}

/** Every column of [N, C] on its own. */
async function columnsOf(op: string, probabilities: Values, targets: Values): Promise<Group[]> {
  const { scores: { data }, labels, rows, classes } = await probabilitiesOf(op, probabilities, targets);
  return Array.from({ length: classes }, (_, k) => ({
    p: Float64Array.from({ length: rows }, (_, row) => data[row * classes + k]!),
    hit: labels.map((label) => (label === k ? 1 : 0)),
  }));
}

/** The greatest entries of [N, C] by the class they speak for. */
async function labelGroupsOf(op: string, probabilities: Values, targets: Values): Promise<Group[]> {
  const { scores, labels, classes } = await probabilitiesOf(op, probabilities, targets);
  const best = bestOf(scores);
  return Array.from({ length: classes }, (_, k) => {
    const own = Array.from(best.keys()).filter((row) => best[row] === k);
    return {
      p: Float64Array.from(own, (row) => scores.data[row * classes + k]!),
      hit: Float64Array.from(own, (row) => (labels[row] === k ? 1 : 0)),
    };
  });
}

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
