/**
 * Which class was taken for which: the confusion matrix, updated batch by batch, and everything that can be read off
 * it.
 */
import { ShapeError, ValueError } from "@dormouse/tensor";
import { type Values, labelsOf, numbersOf, requireCount, requireLabels, weightsOf } from "./values.ts";

/**
 * How values of classes become one: their mean (`macro`), their mean by the number of targets (`weighted`), or the
 * value of all decisions taken together (`micro`).
 */
export type Average = "macro" | "micro" | "weighted";

/** Values of single classes, in order. */
export interface PerClass {
  readonly precision: Float64Array;
  readonly recall: Float64Array;
  readonly f1: Float64Array;
  /** Targets of each class. */
  readonly support: Float64Array;
}

/**
 * Counts of (target, prediction), to which batches are added. A quotient of nothing is 0.
 *
 * ```ts
 * const confusion = new ConfusionMatrix(10);
 * for await (const { x, y } of batches) await confusion.update(model.forward(x), y);
 * confusion.accuracy;   confusion.f1("macro");
 * ```
 */
export class ConfusionMatrix {
  readonly classes: number;
  /** Row-major: `counts[target · classes + prediction]`. */
  readonly counts: Float64Array;

  constructor(classes: number) {
    if (!Number.isInteger(classes) || classes < 1) {
      throw new ValueError("ConfusionMatrix", `classes is ${classes}`, { received: classes, hint: "give a positive integer" });
    }
    this.classes = classes;
    this.counts = new Float64Array(classes * classes);
  }

  /** Adds a batch: scores [N, C] or predicted labels [N], labels [N], weights [N]. */
  async update(outputs: Values, targets: Values, { weights }: { readonly weights?: Values | undefined } = {}): Promise<void> {
    const op = "confusionMatrix";
    const [predicted, { data: labels }] = await Promise.all([labelsOf(outputs), numbersOf(targets)]);
    requireCount(op, "targets", labels.length, predicted.length);
    requireLabels(op, labels, this.classes);
    requireLabels(op, predicted, this.classes);
    const share = await weightsOf(op, weights, labels.length);
    labels.forEach((label, row) => (this.counts[label * this.classes + predicted[row]!]! += share[row]!));
  }

  /** Adds the counts of another matrix. */
  merge(other: ConfusionMatrix): void {
    if (other.classes !== this.classes) {
      throw new ShapeError("confusionMatrix", `${this.classes} and ${other.classes} classes do not merge`, {
        expected: this.classes,
        received: other.classes,
      });
    }
    other.counts.forEach((count, i) => (this.counts[i]! += count));
  }

  /** The counts as rows, one for each target class. */
  rows(): number[][] {
    return Array.from({ length: this.classes }, (_, row) => [...this.counts.subarray(row * this.classes, (row + 1) * this.classes)]);
  }

  /** Sum of all counts. */
  get total(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }

  /** Share of right predictions. */
  get accuracy(): number {
    return ratio(total(this.#hits()), this.total);
  }

  /** Mean recall of the classes that occur among the targets. */
  get balancedAccuracy(): number {
    const { recall, support } = this.perClass;
    const present = recall.filter((_, k) => support[k]! > 0);
    return ratio(total(present), present.length);
  }

  /** Precision, recall, F1 and support of every class. */
  get perClass(): PerClass {
    const [hits, predicted, support] = [this.#hits(), this.#predicted(), this.#support()];
    return {
      precision: hits.map((hit, k) => ratio(hit, predicted[k]!)),
      recall: hits.map((hit, k) => ratio(hit, support[k]!)),
      f1: hits.map((hit, k) => ratio(2 * hit, predicted[k]! + support[k]!)),
      support,
    };
  }

  /** Share of predictions of a class that are right. */
  precision(average: Average = "macro"): number {
    return average === "micro" ? this.accuracy : this.#average(this.perClass.precision, average);
  }

  /** Share of targets of a class that are found. */
  recall(average: Average = "macro"): number {
    return average === "micro" ? this.accuracy : this.#average(this.perClass.recall, average);
  }

  /** Harmonic mean of precision and recall. */
  f1(average: Average = "macro"): number {
    return this.fBeta(1, average);
  }

  /** (1 + β²) · precision · recall / (β² · precision + recall): recall counts β times as much as precision. */
  fBeta(beta: number, average: Average = "macro"): number {
    if (average === "micro") return this.accuracy;
    const [hits, predicted, support] = [this.#hits(), this.#predicted(), this.#support()];
    const square = beta * beta;
    return this.#average(hits.map((hit, k) => ratio((1 + square) * hit, predicted[k]! + square * support[k]!)), average);
  }

  /**
   * Matthews' correlation of targets and predictions, from −1 to 1; 0 where one of them is constant. Gorodkin, 2004.
   */
  get matthews(): number {
    const [predicted, support, sum] = [this.#predicted(), this.#support(), this.total];
    const covariance = (a: Float64Array, b: Float64Array): number => sum * sum - total(a.map((x, k) => x * b[k]!));
    const joint = total(this.#hits()) * sum - total(predicted.map((x, k) => x * support[k]!));
    return ratio(joint, Math.sqrt(covariance(predicted, predicted) * covariance(support, support)));
  }

  /** Cohen's kappa: agreement beyond that of chance; NaN where chance agrees always. */
  get cohenKappa(): number {
    const [predicted, support, sum] = [this.#predicted(), this.#support(), this.total];
    const chance = total(predicted.map((x, k) => x * support[k]!)) / (sum * sum);
    return (this.accuracy - chance) / (1 - chance);
  }

  #hits(): Float64Array {
    return Float64Array.from({ length: this.classes }, (_, k) => this.counts[k * this.classes + k]!);
  }

  #support(): Float64Array {
    return Float64Array.from({ length: this.classes }, (_, k) => total(this.counts.subarray(k * this.classes, (k + 1) * this.classes)));
  }

  #predicted(): Float64Array {
    const sums = new Float64Array(this.classes);
    this.counts.forEach((count, i) => (sums[i % this.classes]! += count));
    return sums;
  }

  #average(values: Float64Array, average: Exclude<Average, "micro">): number {
    if (average === "macro") return total(values) / this.classes;
    if (average === "weighted") {
      const support = this.#support();
      return ratio(total(values.map((value, k) => value * support[k]!)), total(support));
    }
    throw new ValueError("confusionMatrix", `average is "${String(average)}"`, {
      expected: ["macro", "micro", "weighted"],
      received: average,
      hint: `use "macro", "micro" or "weighted"`,
    });
  }
}

const total = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0);
const ratio = (a: number, b: number): number => (b === 0 ? 0 : a / b);

export interface ConfusionOptions {
  /** Number of classes. Default: the columns of [N, C] scores, or one more than the greatest label. */
  readonly classes?: number;
  /** One weight per example. Default: all 1. */
  readonly weights?: Values;
}

export interface AverageOptions extends ConfusionOptions {
  /** Default `macro`. */
  readonly average?: Average;
}

/** The confusion matrix of predictions (scores [N, C] or labels [N]) and targets [N]. */
export async function confusionMatrix(
  outputs: Values,
  targets: Values,
  { classes, weights }: ConfusionOptions = {},
): Promise<ConfusionMatrix> {
  const [predicted, { data: labels }] = await Promise.all([labelsOf(outputs), numbersOf(targets)]);
  const columns = "shape" in outputs && outputs.shape.length === 2 ? outputs.shape[1] : undefined;
  const most = (values: Float64Array): number => values.reduce((a, b) => Math.max(a, b), 0);
  const matrix = new ConfusionMatrix(classes ?? columns ?? 1 + Math.max(most(predicted), most(labels)));
  await matrix.update(predicted, labels, { weights });
  return matrix;
}

/**
 * Share of the predictions of a class that are right; averaged over classes as `average` says. 0 where none was
 * predicted.
 */
export const precision = async (
  outputs: Values,
  targets: Values,
  { average, ...options }: AverageOptions = {},
): Promise<number> =>
  (await confusionMatrix(outputs, targets, options)).precision(average);

/** Share of the targets of a class that are found; averaged over classes as `average` says. 0 where there are none. */
export const recall = async (
  outputs: Values,
  targets: Values,
  { average, ...options }: AverageOptions = {},
): Promise<number> =>
  (await confusionMatrix(outputs, targets, options)).recall(average);

/** Harmonic mean of precision and recall of a class; averaged over classes as `average` says. 0 where both are. */
export const f1 = async (
  outputs: Values,
  targets: Values,
  { average, ...options }: AverageOptions = {},
): Promise<number> =>
  (await confusionMatrix(outputs, targets, options)).f1(average);

/** Mean recall of the classes that occur among the targets. */
export const balancedAccuracy = async (
  outputs: Values,
  targets: Values,
  options: ConfusionOptions = {},
): Promise<number> =>
  (await confusionMatrix(outputs, targets, options)).balancedAccuracy;
