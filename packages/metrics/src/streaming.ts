/** Metrics over more data than fits into one batch: `update` with each, `merge` what was counted apart, `compute`. */
import type { Tensor } from "@dormouse/tensor";
import { type AccuracyOptions, accuracy } from "./accuracy.ts";

/**
 * Mean of numbers that stand for different numbers of examples, summed in float64.
 *
 * ```ts
 * const loss = new RunningMean();
 * for await (const { x, y } of batches) await loss.update(crossEntropy(model.forward(x), y), y.size);
 * loss.compute();
 * ```
 */
export class RunningMean {
  #sum = 0;
  #count = 0;

  /** Adds a mean over `count` examples: a number, or a tensor of one element, which is read. */
  async update(value: Tensor | number, count = 1): Promise<void> {
    const known = typeof value === "number" ? value : await value.item();
    // An empty batch has a mean of NaN and says nothing.
    if (count === 0) return;
    this.#sum += known * count;
    this.#count += count;
  }

  merge(other: RunningMean): void {
    this.#sum += other.#sum;
    this.#count += other.#count;
  }

  /** The mean so far; NaN of nothing. */
  compute(): number {
    return this.#sum / this.#count;
  }

  /** Number of examples so far. */
  get count(): number {
    return this.#count;
  }
}

/** Accuracy over batches; see `accuracy` for what a batch may be. */
export class RunningAccuracy {
  readonly #mean = new RunningMean();
  readonly #options: Pick<AccuracyOptions, "threshold">;

  constructor(options: Pick<AccuracyOptions, "threshold"> = {}) {
    this.#options = options;
  }

  /** Adds a batch. */
  async update(outputs: Tensor, targets: Tensor): Promise<void> {
    if (targets.size > 0) await this.#mean.update(accuracy(outputs, targets, this.#options), targets.size);
  }

  merge(other: RunningAccuracy): void {
    this.#mean.merge(other.#mean);
  }

  /** The share of right predictions so far; NaN of nothing. */
  compute(): number {
    return this.#mean.compute();
  }
}
