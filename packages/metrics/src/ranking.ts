/**
 * Metrics of order: what a yes-or-no score is worth at every threshold. Scores and targets are read and sorted on the
 * host in float64; targets are 0 or 1.
 */
import { Tensor, ValueError } from "@dormouse/tensor";
import { type Values, numbersOf, probabilitiesOf, requireCount, requireLabels, weightsOf } from "./values.ts";

export interface RankingOptions {
  /** One weight per example. Default: all 1. */
  readonly weights?: Values;
}

/** Points of a receiver operating characteristic. */
export interface RocCurve {
  readonly falsePositiveRate: Float64Array;
  readonly truePositiveRate: Float64Array;
  /** A score of at least this says yes; descending from Infinity. */
  readonly thresholds: Float64Array;
}

/** Points of a curve of precision over recall. */
export interface PrCurve {
  readonly precision: Float64Array;
  readonly recall: Float64Array;
  /**
   * A score of at least this says yes; ascending. One less than there are points: the last, (1, 0), says yes to none.
   */
  readonly thresholds: Float64Array;
}

/** True and false positives where scores of at least each distinct score, descending, say yes. */
export interface Steps {
  readonly thresholds: Float64Array;
  readonly hits: Float64Array;
  readonly alarms: Float64Array;
}

/** One point for every distinct score, and (0, 0). Throws `ValueError` where targets have one class only. */
export async function rocCurve(scores: Values, targets: Values, options: RankingOptions = {}): Promise<RocCurve> {
  return rocOf(await decisionSteps("rocCurve", scores, targets, options));
}

function rocOf({ thresholds, hits, alarms }: Steps): RocCurve {
  const [positives, negatives] = [hits.at(-1)!, alarms.at(-1)!];
  return {
    falsePositiveRate: Float64Array.from([0, ...alarms], (count) => count / negatives),
    truePositiveRate: Float64Array.from([0, ...hits], (count) => count / positives),
    thresholds: Float64Array.from([Infinity, ...thresholds]),
  };
}

/** One point for every distinct score by ascending threshold, and precision 1 at recall 0. */
export async function prCurve(scores: Values, targets: Values, options: RankingOptions = {}): Promise<PrCurve> {
  const { thresholds, hits, alarms } = await decisionSteps("prCurve", scores, targets, options);
  const positives = hits.at(-1)!;
  return {
    precision: Float64Array.from([...hits.map((hit, i) => hit / (hit + alarms[i]!)).reverse(), 1]),
    recall: Float64Array.from([...hits.map((hit) => hit / positives).reverse(), 0]),
    thresholds: Float64Array.from(thresholds).reverse(),
  };
}

/** Σ (Rₙ − Rₙ₋₁) · Pₙ over descending thresholds: the area under the curve of precision over recall, in steps. */
export async function averagePrecision(scores: Values, targets: Values, options: RankingOptions = {}): Promise<number> {
  const { hits, alarms } = await decisionSteps("averagePrecision", scores, targets, options);
  return hits.reduce((sum, hit, i) => sum + (hit - (hits[i - 1] ?? 0)) * (hit / (hit + alarms[i]!)), 0) / hits.at(-1)!;
}

export interface RocAucOptions extends RankingOptions {
  /** For [N, C] scores: each class against the rest (default), or each pair of classes. */
  readonly multiclass?: "one-vs-rest" | "one-vs-one";
  /** For [N, C] scores: the even mean (default), or by the number of targets. */
  readonly average?: "macro" | "weighted";
}

/**
 * Area under the receiver operating characteristic: the chance that a positive example scores above a negative one,
 * ties counting half. For [N, C] scores with labels [N], the mean over classes or pairs of classes (Hand and Till,
 * 2001). Throws `ValueError` where a class has no example or every example.
 */
export async function rocAuc(scores: Values, targets: Values, options: RocAucOptions = {}): Promise<number> {
  const op = "rocAuc";
  if (!(scores instanceof Tensor) || scores.rank !== 2) return aucOf(await decisionSteps(op, scores, targets, options));
  const { multiclass = "one-vs-rest", average = "macro" } = options;
  const { scores: { data }, labels, rows, classes } = await probabilitiesOf(op, scores, targets);
  const weights = await weightsOf(op, options.weights, rows);
  const share = (k: number): number => labels.reduce((sum, label, row) => sum + (label === k ? weights[row]! : 0), 0);
  /** The area for class `k` among the examples that are of it or of a class for which `against` holds. */
  const area = (k: number, against: (label: number) => boolean): number => {
    const chosen = Array.from(labels.keys()).filter((row) => labels[row] === k || against(labels[row]!));
    const pick = (f: (row: number) => number): Float64Array => Float64Array.from(chosen, f);
    const own = pick((row) => data[row * classes + k]!);
    return aucOf(steps(op, own, pick((row) => (labels[row] === k ? 1 : 0)), pick((row) => weights[row]!)));
  };
  const areas: { area: number; share: number }[] = [];
  for (let k = 0; k < classes; k++) {
    if (multiclass === "one-vs-rest") areas.push({ area: area(k, () => true), share: share(k) });
    for (let other = 0; multiclass === "one-vs-one" && other < k; other++) {
      const both = (area(k, (label) => label === other) + area(other, (label) => label === k)) / 2;
      areas.push({ area: both, share: share(k) + share(other) });
    }
  }
  const factor = (each: { share: number }): number => (average === "macro" ? 1 : each.share);
  return areas.reduce((sum, each) => sum + each.area * factor(each), 0) / areas.reduce((sum, each) => sum + factor(each), 0);
}

/** Area under a curve of points in order, by trapezoids. */
export function areaUnder(x: ArrayLike<number>, y: ArrayLike<number>): number {
  let area = 0;
  for (let i = 1; i < x.length; i++) area += ((x[i]! - x[i - 1]!) * (y[i]! + y[i - 1]!)) / 2;
  return area;
}

function aucOf(found: Steps): number {
  const { falsePositiveRate, truePositiveRate } = rocOf(found);
  return areaUnder(falsePositiveRate, truePositiveRate);
}

/** True and false positives at every distinct score, read and checked. */
export async function decisionSteps(op: string, scores: Values, targets: Values, { weights }: RankingOptions): Promise<Steps> {
  const [{ data: values }, { data: labels }] = await Promise.all([numbersOf(scores), numbersOf(targets)]);
  requireCount(op, "targets", labels.length, values.length);
  requireLabels(op, labels, 2);
  return steps(op, values, labels, await weightsOf(op, weights, values.length));
}

function steps(op: string, scores: Float64Array, targets: Float64Array, weights: Float64Array): Steps {
  const bad = scores.findIndex((score) => Number.isNaN(score));
  if (bad >= 0) throw new ValueError(op, `the score at row ${bad} is NaN`, { received: NaN, hint: "NaN has no rank" });
  if (!targets.includes(0) || !targets.includes(1)) {
    throw new ValueError(op, `all ${targets.length} targets are of one class`, { hint: "give examples of both classes" });
  }
  const order = Array.from(scores.keys()).sort((a, b) => compareDescending(scores[a]!, scores[b]!));
  const [thresholds, hits, alarms] = [[] as number[], [] as number[], [] as number[]];
  let [hit, alarm] = [0, 0];
  order.forEach((row, i) => {
    if (targets[row] === 1) hit += weights[row]!;
    else alarm += weights[row]!;
    if (i + 1 < order.length && scores[order[i + 1]!] === scores[row]) return;
    thresholds.push(scores[row]!);
    hits.push(hit);
    alarms.push(alarm);
  });
  return { thresholds: Float64Array.from(thresholds), hits: Float64Array.from(hits), alarms: Float64Array.from(alarms) };
}

/** Differences would make NaN of two infinities. */
const compareDescending = (a: number, b: number): number => (a > b ? -1 : a < b ? 1 : 0);
