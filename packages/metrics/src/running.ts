/**
 * The machine behind metrics over batches: a few tensors that stand for all examples so far, put together batch by batch
 * on the device. No sum is read before `compute`. Which numbers a metric needs, and what it makes of them, is said in
 * `streaming.ts`.
 */
import { type Tensor, abs, add, equal, evaluate, greaterEqual, scope, sub, where, zerosLike } from "@dormouse/tensor";
import { isFloat } from "@dormouse/tensor/graph";

/** Tensors by name: what is known of all examples so far. */
export type State = Readonly<Record<string, Tensor>>;

/** The elements of a state on the host, in float64. */
export type Known<Names extends string = string> = Readonly<Record<Names, Float64Array>>;

/** How a metric is put together from batches. */
export interface RunningPlan<Batch extends readonly unknown[], Names extends string, Value> {
  /** How many examples a batch holds. One of none is left out. */
  count(...batch: Batch): number;
  /** The state of one batch. */
  measure(...batch: Batch): Readonly<Record<Names, Tensor>>;
  /** The state of two parts as one. Default: sums, of floats with what rounding lost kept apart. */
  combine?(a: Readonly<Record<Names, Tensor>>, b: Readonly<Record<Names, Tensor>>): Readonly<Record<Names, Tensor>>;
  /** The value of a state of that many examples; the state of none has no numbers. */
  finish(known: Known<Names> | null, count: number): Value;
}

/**
 * A metric over batches. `update` and `merge` only queue work for the device; `compute` reads, and can be called at any
 * time and again. What is known lives on until the metric is forgotten, so update it outside of `scope`.
 */
export class Running<Batch extends readonly unknown[], Names extends string, Value> {
  readonly #plan: RunningPlan<Batch, Names, Value>;
  #state: State | null = null;
  /** Whether nobody else holds the tensors of the state. */
  #isOwn = false;
  #count = 0;

  constructor(plan: RunningPlan<Batch, Names, Value>) {
    this.#plan = plan;
  }

  /**
   * Adds a batch. Returns at once. Of the numbers only the verdict of a check of labels is read, and where the device
   * cannot be read without waiting, that is left to the next read, which then throws.
   */
  update(...batch: Batch): void {
    const count = this.#plan.count(...batch);
    if (count === 0) return;
    this.#grow(() => {
      const measured = this.#plan.measure(...batch);
      return this.#plan.combine ? measured : withLoss(measured);
    }, count);
    this.#isOwn = true;
  }

  /** Adds what another metric of the same kind and options has seen; that one stays as it is. */
  merge(other: Running<Batch, Names, Value>): void {
    const theirs = other.#state;
    if (!theirs) return;
    if (this.#state) {
      this.#grow(() => theirs, other.#count);
      this.#isOwn = true;
    } else {
      [this.#state, this.#count, this.#isOwn] = [theirs, other.#count, false];
      other.#isOwn = false;
    }
  }

  /** The value over everything so far. */
  async compute(): Promise<Value> {
    const [state, count] = [this.#state, this.#count];
    if (!state) return this.#plan.finish(null, 0);
    const read = Object.entries(state).map(async ([name, x]) => [name, Float64Array.from(await x.data())] as const);
    const known = Object.fromEntries(await Promise.all(read));
    return this.#plan.finish((this.#plan.combine ? known : withoutLoss(known)) as Known<Names>, count);
  }

  /** Number of examples so far. */
  get count(): number {
    return this.#count;
  }

  #grow(measure: () => State, count: number): void {
    const before = this.#state;
    const combine = (this.#plan.combine ?? sumOf) as (a: State, b: State) => State;
    const after = scope(() => {
      const state = before ? combine(before, measure()) : measure();
      // Otherwise the graph, and with it every batch, would be kept until somebody reads.
      evaluate(state);
      return state;
    });
    if (before && this.#isOwn) for (const x of Object.values(before)) x.dispose();
    this.#state = after;
    this.#count += count;
  }
}

/** What rounding has taken from the sum of this name. */
const lossOf = (name: string): string => `${name}:lost`;
const isLoss = (name: string): boolean => name.endsWith(":lost");

const withLoss = (state: State): State => ({
  ...state,
  ...Object.fromEntries(Object.entries(state).filter(([, x]) => isFloat(x.dtype)).map(([name, x]) => [lossOf(name), zerosLike(x)])),
});

const withoutLoss = (known: Known): Known =>
  Object.fromEntries(Object.entries(known).filter(([name]) => !isLoss(name)).map(([name, sum]) => {
    const lost = known[lossOf(name)];
    return [name, lost ? sum.map((value, i) => value + lost[i]!) : sum];
  }));

/**
 * Sums two states. A float32 sum of a million batches would lose three digits: what each addition rounds away is summed
 * beside it. Neumaier, 1974.
 */
function sumOf(a: State, b: State): State {
  return Object.fromEntries(Object.entries(a).filter(([name]) => !isLoss(name)).flatMap(([name, x]) => {
    const y = b[name]!;
    const total = add(x, y);
    const [lostA, lostB] = [a[lossOf(name)], b[lossOf(name)]];
    if (!lostA || !lostB) return [[name, total]];
    const rest = where(greaterEqual(abs(x), abs(y)), add(sub(x, total), y), add(sub(y, total), x));
    // Of an infinite sum nothing is known to be lost: inf − inf would make it NaN.
    const isKnown = equal(sub(rest, rest), 0);
    return [[name, total], [lossOf(name), add(where(isKnown, rest, 0), add(lostA, lostB))]];
  }));
}
