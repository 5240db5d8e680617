/**
 * Metrics over more data than fits into one batch: `update` with each, `merge` what was counted apart, `compute` when
 * the value is wanted. What is counted stays on the device of the batches until then. Each is the metric of the same
 * name over all examples at once, up to rounding; examples count alike (weights are for the functions).
 */
import {
  type Tensor, ShapeError, ValueError, abs, add, argmax, bincount, cast, ceil, clamp, div, equal, evaluate, expandDims, greaterEqual,
  lessEqual, logicalAnd, logicalNot, max, maximum, mean, mul, reshape, round, square, sub, sum, tensor, where,
} from "@dormouse/tensor";
import { isFloat, primitive, showShape } from "@dormouse/tensor/graph";
import { type AccuracyOptions, accuracy } from "./accuracy.ts";
import { requireBins, widthEdges } from "./bins.ts";
import { type Reliability, diagramOf } from "./calibration.ts";
import { ConfusionMatrix } from "./confusion.ts";
import { inRange } from "./labels.ts";
import { areaUnder, rocAuc } from "./ranking.ts";
import { Running } from "./running.ts";
import { requireAlike } from "./weights.ts";

/**
 * Mean of numbers that stand for different numbers of examples. Those on the host are summed there, in float64; tensors
 * of one element on their device, with compensation.
 *
 * ```ts
 * const loss = new RunningMean();
 * for await (const { x, y } of batches) loss.update(crossEntropy(model.forward(x), y), y.size);
 * await loss.compute();
 * ```
 */
export class RunningMean {
  readonly #tensors = new Running<[value: Tensor, count: number], "sum", number>({
    count: (_value, count) => count,
    measure: (value, count) => ({ sum: mul(reshape(value, []), count) }),
    finish: (known) => known?.sum[0] ?? 0,
  });
  #sum = 0;
  #count = 0;

  /** Adds a mean over `count` examples: a number, or a tensor of one element, which is not read. */
  update(value: Tensor | number, count = 1): void {
    // An empty batch has a mean of NaN and says nothing.
    if (count === 0) return;
    if (typeof value !== "number") {
      this.#tensors.update(value, count);
      return;
    }
    this.#sum += value * count;
    this.#count += count;
  }

  /** Adds what another has seen. */
  merge(other: RunningMean): void {
    this.#tensors.merge(other.#tensors);
    this.#sum += other.#sum;
    this.#count += other.#count;
  }

  /** The mean so far; NaN of nothing. */
  async compute(): Promise<number> {
    return (this.#sum + (await this.#tensors.compute())) / this.count;
  }

  /** Number of examples so far. */
  get count(): number {
    return this.#count + this.#tensors.count;
  }
}

/**
 * Any metric that is a mean over examples, over batches: `accuracy`, `topKAccuracy`, `logLoss`, `brierScore`,
 * `meanSquaredError` … or a loss. A batch counts as many examples as it has targets. NaN of nothing.
 *
 * ```ts
 * const score = new RunningAverage(logLoss);
 * const topThree = new RunningAverage((scores, labels) => topKAccuracy(scores, labels, { k: 3 }));
 * for await (const { x, y } of batches) score.update(softmax(model.forward(x)), y);
 * await score.compute();
 * ```
 */
export class RunningAverage extends Running<[outputs: Tensor, targets: Tensor], "sum", number> {
  constructor(metric: (outputs: Tensor, targets: Tensor) => Tensor) {
    super({
      count: (_outputs, targets) => targets.size,
      measure: (outputs, targets) => ({ sum: mul(metric(outputs, targets), targets.size) }),
      finish: (known, count) => (known ? known.sum[0]! / count : NaN),
    });
  }
}

/** Accuracy over batches, exactly; see `accuracy` for what a batch may be. NaN of nothing. */
export class RunningAccuracy extends Running<[outputs: Tensor, targets: Tensor], "hits", number> {
  constructor(options: Pick<AccuracyOptions, "threshold"> = {}) {
    super({
      count: (_outputs, targets) => targets.size,
      // The mean of fewer than 2²² hits times their number rounds to the number of hits.
      measure: (outputs, targets) => ({ hits: cast(round(mul(accuracy(outputs, targets, options), targets.size)), "int32") }),
      finish: (known, count) => (known ? known.hits[0]! / count : NaN),
    });
  }
}

/**
 * The confusion matrix over batches, and with it precision, recall, F1 and whatever else a `ConfusionMatrix` knows. A
 * batch is scores [N, C] or predicted labels [N], and labels [N], all tensors; `ConfusionMatrix` itself takes numbers on
 * the host, too, but reads every batch. Counts are int32: up to 2³¹ examples in a cell. A prediction or label that is no
 * class is an error that names its row.
 *
 * ```ts
 * const confusion = new RunningConfusion(10);
 * for await (const { x, y } of batches) confusion.update(model.forward(x), y);
 * (await confusion.compute()).f1("macro");
 * ```
 */
export class RunningConfusion extends Running<[outputs: Tensor, targets: Tensor], "counts", ConfusionMatrix> {
  constructor(classes: number) {
    const empty = new ConfusionMatrix(classes);
    super({
      count: (_outputs, targets) => targets.size,
      measure(outputs, targets) {
        const op = "RunningConfusion";
        const isScores = isFloat(outputs.dtype);
        if (targets.rank !== 1 || outputs.rank !== (isScores ? 2 : 1) || outputs.shape[0] !== targets.shape[0]) {
          throw unfit(op, outputs, targets, isScores ? "[N, C] and [N]" : "[N] and [N]");
        }
        const predicted = inRange(op, isScores ? argmax(outputs, { axis: 1 }) : outputs, classes);
        const cell = add(mul(inRange(op, targets, classes), classes), predicted);
        return { counts: bincount(cell, classes * classes) };
      },
      finish(known) {
        const matrix = new ConfusionMatrix(empty.classes);
        if (known) matrix.counts.set(known.counts);
        return matrix;
      },
    });
  }
}

/** Errors of real values; those of several columns are averaged evenly. All are NaN of nothing. */
export interface RegressionSummary {
  readonly meanSquaredError: number;
  readonly rootMeanSquaredError: number;
  readonly meanAbsoluteError: number;
  /** Largest |prediction − target|. */
  readonly maxError: number;
  /** As `r2`. */
  readonly r2: number;
  /** As `explainedVariance`. */
  readonly explainedVariance: number;
}

/**
 * Errors of predictions [N] or [N, D] over batches, all in one pass. Variances are put together from means and sums of
 * squares around them, which keeps them where targets are far from 0. Chan, Golub and LeVeque, 1983.
 *
 * ```ts
 * const errors = new RunningRegression();
 * for await (const { x, y } of batches) errors.update(model.forward(x), y);
 * (await errors.compute()).r2;
 * ```
 */
export class RunningRegression extends Running<[prediction: Tensor, target: Tensor], RegressionPart, RegressionSummary> {
  constructor() {
    super({ count: (_prediction, target) => target.shape[0] ?? 0, measure: regressionOf, combine: joined, finish: summaryOf });
  }
}

type RegressionPart = "count" | "center" | "spread" | "offset" | "errorSpread" | "absolute" | "greatest";
type RegressionState = Readonly<Record<RegressionPart, Tensor>>;

/** Means, and sums of squares around them, of targets and of errors, for every column. */
function regressionOf(prediction: Tensor, target: Tensor): RegressionState {
  requireAlike("RunningRegression", prediction, target);
  const rows = target.shape[0]!;
  const error = sub(prediction, target);
  const [center, offset] = [mean(target, { axis: 0 }), mean(error, { axis: 0 })];
  const around = (x: Tensor, middle: Tensor): Tensor => sum(square(sub(x, expandDims(middle, 0))), { axis: 0 });
  return {
    count: tensor(rows, { dtype: target.dtype }),
    center,
    spread: around(target, center),
    offset,
    errorSpread: around(error, offset),
    absolute: mean(abs(error), { axis: 0 }),
    greatest: max(abs(error)),
  };
}

function joined(a: RegressionState, b: RegressionState): RegressionState {
  const count = add(a.count, b.count);
  const share = div(b.count, count);
  const between = mul(a.count, share);
  const middle = (x: Tensor, y: Tensor): Tensor => add(x, mul(sub(y, x), share));
  const spread = (x: Tensor, y: Tensor, gap: Tensor): Tensor => add(add(x, y), mul(square(gap), between));
  return {
    count,
    center: middle(a.center, b.center),
    spread: spread(a.spread, b.spread, sub(b.center, a.center)),
    offset: middle(a.offset, b.offset),
    errorSpread: spread(a.errorSpread, b.errorSpread, sub(b.offset, a.offset)),
    absolute: middle(a.absolute, b.absolute),
    greatest: maximum(a.greatest, b.greatest),
  };
}

function summaryOf(known: Readonly<Record<RegressionPart, Float64Array>> | null, count: number): RegressionSummary {
  const average = (of: (column: number) => number): number =>
    known ? known.spread.reduce((total, _, column) => total + of(column), 0) / known.spread.length : NaN;
  const squared = (column: number): number => known!.errorSpread[column]! / count + known!.offset[column]! ** 2;
  // Of constant targets: 1 for perfect predictions, 0 for others, as `r2` has it.
  const explained = (rest: number, whole: number): number => (whole === 0 ? (rest > 0 ? 0 : 1 - rest) : 1 - rest / whole);
  const meanSquaredError = average(squared);
  return {
    meanSquaredError,
    rootMeanSquaredError: Math.sqrt(meanSquaredError),
    meanAbsoluteError: average((column) => known!.absolute[column]!),
    maxError: known?.greatest[0] ?? NaN,
    r2: average((column) => explained(squared(column), known!.spread[column]! / count)),
    explainedVariance: average((column) => explained(known!.errorSpread[column]!, known!.spread[column]!)),
  };
}

/**
 * The reliability diagram over batches, and with it the expected and the maximum calibration error: bins of equal width,
 * as `reliability` has them (bins of equal mass would need every probability). A batch is probabilities [N, C] and
 * labels [N], or probabilities of yes [N] and targets 0 or 1. Edges are compared in the dtype of the probabilities, so
 * that a float32 probability within rounding of an edge may fall on the other side of it than in float64.
 *
 * ```ts
 * const calibration = new RunningReliability({ bins: 15 });
 * for await (const { x, y } of batches) calibration.update(softmax(model.forward(x)), y);
 * (await calibration.compute()).expectedError;
 * ```
 */
export class RunningReliability
  extends Running<[probabilities: Tensor, targets: Tensor], "count" | "confidence" | "hits", Reliability> {
  constructor({ bins = 15 }: { readonly bins?: number } = {}) {
    const op = "RunningReliability";
    requireBins(op, bins);
    super({
      count: (_probabilities, targets) => targets.size,
      measure(probabilities, targets) {
        const isMatrix = probabilities.rank === 2;
        if (targets.rank !== 1 || targets.shape[0] !== probabilities.shape[0] || probabilities.rank > 2) {
          throw unfit(op, probabilities, targets, "[N, C] and [N], or [N] and [N]");
        }
        const labels = inRange(op, targets, isMatrix ? probabilities.shape[1]! : 2);
        const p = requireProbability(op, isMatrix ? max(probabilities, { axis: 1 }) : probabilities);
        const hit = isMatrix ? cast(equal(argmax(probabilities, { axis: 1 }), labels), "int32") : labels;
        const bin = cast(clamp(sub(ceil(mul(p, bins)), 1), { min: 0, max: bins - 1 }), "int32");
        return {
          count: bincount(bin, bins),
          hits: bincount(bin, bins, { weights: hit }),
          confidence: bincount(bin, bins, { weights: p }),
        };
      },
      finish(known) {
        const [edges, nothing] = [widthEdges(bins), new Float64Array(bins)];
        return diagramOf({ edges, ...(known ?? { count: nothing, hits: nothing, confidence: nothing }) });
      },
    });
  }
}

/** The probabilities [N], with an error for one that is none. */
function requireProbability(op: string, p: Tensor): Tensor {
  const isGood = logicalAnd(greaterEqual(p, 0), lessEqual(p, 1 + 1e-6));
  const bad = cast(logicalNot(isGood), "int32");
  return primitive.check(p, where(equal(max(bad), 1), argmax(bad, { axis: 0 }), -1), (row) =>
    new ValueError(op, `the probability at row ${row} is not between 0 and 1`, {
      hint: "give probabilities: softmax(logits) or sigmoid(logits)",
    }));
}

/** Options of `RunningRocAuc`. */
export interface RunningRocAucOptions {
  /**
   * Keeps counts in this many bins of equal width between 0 and 1 instead of the scores, which must then be
   * probabilities of yes [N]: memory that does not grow, and an area that is off by at most half of the pairs of a yes
   * and a no in one bin. Default: keeps every score, for the exact area.
   */
  readonly bins?: number;
}

/**
 * Area under the receiver operating characteristic over batches. By default exact: scores and targets of all batches
 * are kept where they are, and read and sorted by `compute`, as `rocAuc` does; a batch is scores [N] with targets 0 or
 * 1, or scores [N, C] with labels [N]. With `bins` approximate, in constant memory. Throws at `compute` where targets
 * are of one class.
 *
 * ```ts
 * const area = new RunningRocAuc();
 * for await (const { x, y } of batches) area.update(model.forward(x), y);
 * await area.compute();
 * ```
 */
export class RunningRocAuc {
  readonly #bins: number | undefined;
  readonly #counts: Running<[scores: Tensor, targets: Tensor], "counts", Float64Array>;
  readonly #batches: { readonly scores: Tensor; readonly targets: Tensor }[] = [];

  constructor({ bins }: RunningRocAucOptions = {}) {
    const op = "RunningRocAuc";
    if (bins !== undefined) requireBins(op, bins);
    this.#bins = bins;
    const cells = 2 * (bins ?? 1);
    this.#counts = new Running({
      count: (_scores, targets) => targets.size,
      measure(scores, targets) {
        const p = requireProbability(op, scores);
        const bin = cast(clamp(sub(ceil(mul(p, cells / 2)), 1), { min: 0, max: cells / 2 - 1 }), "int32");
        return { counts: bincount(add(mul(bin, 2), inRange(op, targets, 2)), cells) };
      },
      finish: (known) => known?.counts ?? new Float64Array(cells),
    });
  }

  /** Adds a batch. Returns at once. */
  update(scores: Tensor, targets: Tensor): void {
    const isFit = targets.rank === 1 && scores.shape[0] === targets.shape[0] && scores.rank <= (this.#bins ? 1 : 2);
    if (!isFit) throw unfit("RunningRocAuc", scores, targets, this.#bins ? "[N] and [N]" : "[N] and [N], or [N, C] and [N]");
    if (this.#bins) {
      this.#counts.update(scores, targets);
      return;
    }
    evaluate(scores, targets);
    this.#batches.push({ scores, targets });
  }

  /** Adds what another with the same options has seen. */
  merge(other: RunningRocAuc): void {
    if (other.#bins !== this.#bins) {
      throw new ValueError("RunningRocAuc", `${this.#bins ?? "no"} and ${other.#bins ?? "no"} bins do not merge`, {
        expected: this.#bins, received: other.#bins, hint: "give both the same options",
      });
    }
    this.#counts.merge(other.#counts);
    this.#batches.push(...other.#batches);
  }

  /** The area over everything so far. */
  async compute(): Promise<number> {
    if (this.#bins) return areaOf(await this.#counts.compute());
    const [scores, targets] = await Promise.all((["scores", "targets"] as const).map(async (name) => {
      const read = await Promise.all(this.#batches.map((batch) => batch[name].data()));
      return Float64Array.from(read.flatMap((data) => Array.from(data)));
    }));
    const columns = this.#batches[0]?.scores.shape[1];
    return rocAuc(columns === undefined ? scores! : tensor(scores!, { shape: [targets!.length, columns] }), targets!);
  }
}

/** The area under a curve of counts of no and yes, alternating, in bins of ascending scores. */
function areaOf(counts: Float64Array): number {
  const [alarms, hits] = [[0], [0]];
  for (let bin = counts.length / 2 - 1; bin >= 0; bin--) {
    alarms.push(alarms.at(-1)! + counts[2 * bin]!);
    hits.push(hits.at(-1)! + counts[2 * bin + 1]!);
  }
  const pairs = alarms.at(-1)! * hits.at(-1)!;
  if (pairs > 0) return areaUnder(alarms, hits) / pairs;
  throw new ValueError("RunningRocAuc", "all targets are of one class", { hint: "give examples of both classes" });
}

const unfit = (op: string, outputs: Tensor, targets: Tensor, expected: string): ShapeError =>
  new ShapeError(op, `outputs ${showShape(outputs.shape)} and targets ${showShape(targets.shape)} do not fit`, {
    expected, received: [outputs.shape, targets.shape], hint: `give tensors ${expected}`,
  });
