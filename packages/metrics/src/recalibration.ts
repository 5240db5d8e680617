/**
 * Maps of one or two numbers, or of none, that make probabilities mean what they say, fitted on held-out predictions:
 * temperature and Platt scaling, isotonic regression, histogram binning. Maps of more numbers are in `scaling.ts` and
 * `beta.ts`; maps of yes-or-no become maps of many classes by `one-vs-rest.ts`. Fitting reads its data once and works on the host in float64; the fitted map
 * takes tensors to tensors, lazily, on any device.
 */
import {
  type Tensor, ValueError, add, cast, ceil, clamp, div, equal, mul, searchSorted, sigmoid, sub, take, tensor, where,
} from "@dormouse/tensor";
import { requireBins, widthBin } from "./bins.ts";
import { type Values, bestOf, numbersOf, probabilitiesOf, requireCount, requireLabels, weightsOf } from "./values.ts";

/** Logits divided by a temperature. */
export interface TemperatureScaling {
  /** Above 1 where the logits were too sure of themselves. */
  readonly temperature: number;
  /** `logits / temperature`: the order of classes stays. */
  transform(logits: Tensor): Tensor;
}

/**
 * Temperature scaling: the T for which softmax(logits / T) has the least mean negative log-likelihood. `logits` is [N,
 * C], labels are [N]. Guo et al., On Calibration of Modern Neural Networks, 2017. Throws `ValueError` where no
 * positive, finite temperature is best: every label has the greatest logit, or logits say less than nothing about
 * labels.
 *
 * ```ts
 * const scaled = await temperatureScaling(validationLogits, validationLabels);
 * const probabilities = softmax(scaled.transform(logits));
 * ```
 */
export async function temperatureScaling(logits: Tensor, labels: Values): Promise<TemperatureScaling> {
  const op = "temperatureScaling";
  const { scores, labels: targets, rows, classes } = await probabilitiesOf(op, logits, labels);
  const { data } = scores;
  // In β = 1/T the loss is convex: its slope is the mean of E[x] − x[label], its curvature that of Var[x].
  const slopeAt = (beta: number): { slope: number; curvature: number } => {
    let [slope, curvature] = [0, 0];
    for (let row = 0; row < rows; row++) {
      const own = data.subarray(row * classes, (row + 1) * classes);
      const greatest = own.reduce((a, b) => Math.max(a, b), -Infinity);
      let [total, first, second] = [0, 0, 0];
      for (const x of own) {
        const share = Math.exp(beta * (x - greatest));
        total += share;
        first += share * (x - greatest);
        second += share * (x - greatest) ** 2;
      }
      const mean = first / total;
      slope += mean + greatest - own[targets[row]!]!;
      curvature += second / total - mean * mean;
    }
    return { slope: slope / rows, curvature: curvature / rows };
  };
  if (bestOf(scores).every((best, row) => data[row * classes + best] === data[row * classes + targets[row]!])) {
    throw new ValueError(op, "every label has the greatest logit, so the best temperature is 0", {
      hint: "fit on held-out examples, among them some that are predicted wrongly",
    });
  }
  const beta = rootOf(op, slopeAt);
  return temperatureScalingOf({ temperature: 1 / beta });
}

/** The map with a temperature that was fitted before. Throws `ValueError` unless it is positive and finite. */
export function temperatureScalingOf({ temperature }: Pick<TemperatureScaling, "temperature">): TemperatureScaling {
  if (!(temperature > 0 && temperature < Infinity)) {
    throw new ValueError("temperatureScalingOf", `the temperature is ${temperature}`, { received: temperature, hint: "give a positive number" });
  }
  return { temperature, transform: (x) => mul(x, 1 / temperature) };
}

/** Where a growing function of β crosses 0: Newton's steps, halved intervals where they leave the bracket. */
function rootOf(op: string, slopeAt: (beta: number) => { slope: number; curvature: number }): number {
  let [low, high] = [0, 1];
  if (!(slopeAt(0).slope < 0)) {
    throw new ValueError(op, "the logits say nothing about the labels, or the opposite", { hint: "check that labels belong to these logits" });
  }
  while (slopeAt(high).slope < 0) {
    low = high;
    high *= 2;
  }
  let beta = (low + high) / 2;
  for (let step = 0; step < 200 && high - low > 1e-15 * high; step++) {
    const { slope, curvature } = slopeAt(beta);
    if (slope === 0) return beta;
    if (slope < 0) low = beta;
    else high = beta;
    const next = beta - slope / curvature;
    const isInside = next > low && next < high;
    if (isInside && Math.abs(next - beta) <= 1e-15 * beta) return next;
    beta = isInside ? next : (low + high) / 2;
  }
  return beta;
}

/** A logistic curve through scores. */
export interface PlattScaling {
  readonly slope: number;
  readonly offset: number;
  /** `sigmoid(slope · scores + offset)`: probabilities of yes. */
  transform(scores: Tensor): Tensor;
}

export interface PlattOptions {
  /** Fits to (N₊ + 1)/(N₊ + 2) and 1/(N₋ + 2) instead of 1 and 0, as Platt does against overfitting. Default false. */
  readonly smoothTargets?: boolean;
}

/**
 * Platt scaling of yes-or-no scores [N] to targets 0 or 1: maximum likelihood of σ(slope · score + offset). Platt,
 * 1999. Throws `ValueError` where scores separate the targets, so that no finite slope is best; `smoothTargets` always
 * has one.
 */
export async function plattScaling(
  scores: Values,
  targets: Values,
  { smoothTargets = false }: PlattOptions = {},
): Promise<PlattScaling> {
  const op = "plattScaling";
  const [{ data: x }, { data: labels }] = await Promise.all([numbersOf(scores), numbersOf(targets)]);
  requireCount(op, "targets", labels.length, x.length);
  requireLabels(op, labels, 2);
  const positives = labels.reduce((sum, label) => sum + label, 0);
  const [yes, no] = smoothTargets ? [(positives + 1) / (positives + 2), 1 / (labels.length - positives + 2)] : [1, 0];
  const { slope, offset } = logisticFit(op, x, labels.map((label) => (label === 1 ? yes : no)));
  return plattScalingOf({ slope, offset });
}

/** The curve with a slope and an offset that were fitted before. */
export const plattScalingOf = ({ slope, offset }: Pick<PlattScaling, "slope" | "offset">): PlattScaling => ({
  slope,
  offset,
  transform: (z) => sigmoid(add(mul(z, slope), offset)),
});

/** Newton's method with halved steps on the convex loss of a line through log-odds. */
function logisticFit(op: string, x: Float64Array, targets: Float64Array): { slope: number; offset: number } {
  const loss = (a: number, b: number): number =>
    x.reduce((sum, score, i) => {
      const z = a * score + b;
      return sum + Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))) - targets[i]! * z;
    }, 0);
  let [a, b] = [0, 0];
  for (let step = 0; step < 100; step++) {
    let [ga, gb, haa, hab, hbb] = [0, 0, 0, 0, 0];
    x.forEach((score, i) => {
      const p = 1 / (1 + Math.exp(-(a * score + b)));
      const w = p * (1 - p);
      ga += (p - targets[i]!) * score;
      gb += p - targets[i]!;
      haa += w * score * score;
      hab += w * score;
      hbb += w;
    });
    const determinant = haa * hbb - hab * hab;
    const [da, db] = [(hbb * ga - hab * gb) / determinant, (haa * gb - hab * ga) / determinant];
    if (!Number.isFinite(da) || !Number.isFinite(db)) break;
    // Newton's steps square their error: after one of 1e-8 only rounding is left, which a comparison of losses would see.
    if (Math.hypot(da, db) <= 1e-8 * (1 + Math.hypot(a, b))) return { slope: a - da, offset: b - db };
    const before = loss(a, b);
    let length = 1;
    while (length > 1e-10 && !(loss(a - length * da, b - length * db) <= before)) length /= 2;
    [a, b] = [a - length * da, b - length * db];
  }
  throw new ValueError(op, "the scores separate the targets, or do not vary, so that no finite curve fits best", {
    hint: "use { smoothTargets: true } or more examples",
  });
}

/** A growing curve through points. */
export interface IsotonicRegression {
  /** Where the curve has corners, ascending. */
  readonly thresholds: Float64Array;
  /** Its value at each, not descending. */
  readonly values: Float64Array;
  /** The curve at every element: linear between corners, level outside. */
  transform(x: Tensor): Tensor;
}

export interface IsotonicOptions {
  /** One weight per example. Default: all 1. */
  readonly weights?: Values;
}

/**
 * Isotonic regression: the growing function with the least squared error through points (x, y), by pooling adjacent
 * violators. Equal x are averaged first. Barlow et al., 1972; as a calibration map: Zadrozny and Elkan, 2002.
 */
export async function isotonicRegression(
  x: Values,
  y: Values,
  { weights }: IsotonicOptions = {},
): Promise<IsotonicRegression> {
  const op = "isotonicRegression";
  const [{ data: xs }, { data: ys }] = await Promise.all([numbersOf(x), numbersOf(y)]);
  requireCount(op, "targets", ys.length, xs.length);
  if (xs.length === 0) throw new ValueError(op, "there are no points", { hint: "give at least one" });
  const share = await weightsOf(op, weights, xs.length);
  const points: { x: number; value: number; weight: number }[] = [];
  for (const row of Array.from(xs.keys()).sort((a, b) => xs[a]! - xs[b]!)) {
    const last = points.at(-1);
    if (last && last.x === xs[row]) pool(last, ys[row]!, share[row]!);
    else points.push({ x: xs[row]!, value: ys[row]!, weight: share[row]! });
  }
  const blocks: { value: number; weight: number; count: number }[] = [];
  for (const { value, weight } of points) {
    blocks.push({ value, weight, count: 1 });
    while (blocks.length > 1 && blocks.at(-2)!.value >= blocks.at(-1)!.value) {
      const { value: later, weight: more, count } = blocks.pop()!;
      pool(blocks.at(-1)!, later, more);
      blocks.at(-1)!.count += count;
    }
  }
  const thresholds = Float64Array.from(points, (point) => point.x);
  const values = Float64Array.from(blocks.flatMap(({ value, count }) => new Array<number>(count).fill(value)));
  return isotonicRegressionOf({ thresholds, values });
}

/** The curve through corners that were fitted before. */
export const isotonicRegressionOf = ({ thresholds, values }: Pick<IsotonicRegression, "thresholds" | "values">): IsotonicRegression => ({
  thresholds,
  values,
  transform: (z) => interpolated(z, thresholds, values),
});

function pool(into: { value: number; weight: number }, value: number, weight: number): void {
  const total = into.weight + weight;
  into.value = total === 0 ? into.value : (into.value * into.weight + value * weight) / total;
  into.weight = total;
}

function interpolated(z: Tensor, thresholds: Float64Array, values: Float64Array): Tensor {
  const { dtype } = z;
  const [corners, heights] = [tensor(thresholds, { dtype }), tensor(values, { dtype })];
  const last = thresholds.length - 1;
  const inside = clamp(z, { min: thresholds[0]!, max: thresholds[last]! });
  const right = clamp(searchSorted(corners, inside), { min: Math.min(1, last), max: last });
  const left = clamp(sub(right, 1), { min: 0 });
  const [x0, x1] = [take(corners, left), take(corners, right)];
  const [y0, y1] = [take(heights, left), take(heights, right)];
  const width = sub(x1, x0);
  const share = where(equal(width, 0), 0, div(sub(inside, x0), where(equal(width, 0), 1, width)));
  return add(mul(y0, sub(1, share)), mul(y1, share));
}

/** Probabilities replaced by what was observed of their bin. */
export interface HistogramBinning {
  /** Observed frequency of each bin; its middle where it was empty. */
  readonly values: Float64Array;
  readonly count: Float64Array;
  transform(probabilities: Tensor): Tensor;
}

/**
 * Histogram binning of yes-or-no probabilities [N]: every bin (b/M, (b+1)/M] answers with the frequency of yes
 * observed in it. Zadrozny and Elkan, 2001.
 */
export async function histogramBinning(
  probabilities: Values,
  targets: Values,
  { bins = 15 }: { readonly bins?: number } = {},
): Promise<HistogramBinning> {
  const op = "histogramBinning";
  requireBins(op, bins);
  const [{ data: p }, { data: labels }] = await Promise.all([numbersOf(probabilities), numbersOf(targets)]);
  requireCount(op, "targets", labels.length, p.length);
  requireLabels(op, labels, 2);
  const [count, hits] = [new Float64Array(bins), new Float64Array(bins)];
  p.forEach((value, row) => {
    const bin = widthBin(value, bins);
    count[bin]!++;
    hits[bin]! += labels[row]!;
  });
  const values = hits.map((hit, bin) => (count[bin] === 0 ? (bin + 0.5) / bins : hit / count[bin]!));
  const binOf = (x: Tensor): Tensor => cast(clamp(sub(ceil(mul(x, bins)), 1), { min: 0, max: bins - 1 }), "int32");
  return { values, count, transform: (x) => take(tensor(values, { dtype: x.dtype }), binOf(x)) };
}
