/**
 * The learning-rate range test: training for a moment while the rate grows from far too small to far too large, and
 * watching the loss. Owns the sweep and the reading of its curve; a step is one of `fit`, with the rate as a tensor.
 */
import { valueAndGrad } from "@dormouse/autograd";
import { type Source, loader } from "@dormouse/data";
import { type LossScaleOptions, type Optimizer, type State, sgd, withLearningRate } from "@dormouse/optim";
import { type Key, type Tensor, ValueError, compile, foldIn, key, treeLeaves } from "@dormouse/tensor";
import {
  type Example, type Forward, defaultForward, isPair, outputsOf, release, requireExample, requireScalar,
} from "./forward.ts";
import { breathe } from "./pace.ts";
import { type Arithmetic, type Precision, arithmeticOf } from "./precision.ts";
import type { Score } from "./totals.ts";

export interface RateFinderOptions<M> {
  readonly data: Source<Example>;
  readonly loss: Score;
  /** What will train the model; its own rate is not used. Default `sgd()`. A schedule as its rate is refused. */
  readonly optimizer?: Optimizer;
  /** The first rate and the last. Default 1e-7 and 10. */
  readonly from?: number;
  readonly to?: number;
  /** Rates tried, one batch each, evenly spaced in their logarithm. Default 100. */
  readonly steps?: number;
  /** Examples in a batch; batches that are not full are left out. Default 32, or all the data where there is less. */
  readonly batch?: number;
  /** Share of the average of losses that stays from rate to rate. Default 0.9. */
  readonly smoothing?: number;
  /** Stops where the smoothed loss exceeds its least value this many times. Default 4. */
  readonly divergence?: number;
  /** Decides the order of the examples and every random number. Default 0. */
  readonly seed?: number;
  /** Default: `model.forward(x, context)`. */
  readonly forward?: Forward<M>;
  /** As `fit` takes it. Default "float32". */
  readonly precision?: Precision;
  readonly lossScale?: LossScaleOptions;
}

/** What a sweep over rates saw. */
export interface RateCurve {
  /** The rates tried, ascending. */
  readonly rates: readonly number[];
  /** The loss of the batch at each rate, before its step. */
  readonly losses: readonly number[];
  /** Their moving average, corrected for its start. */
  readonly smoothed: readonly number[];
  /** The rate at which the smoothed loss falls fastest over the logarithm of the rate; null where it never falls. */
  readonly suggestion: number | null;
  /** The rate of the least smoothed loss: training at it is about to fail. */
  readonly lowest: number;
  /** Whether the sweep ended because the loss grew out of bounds. */
  readonly diverged: boolean;
}

/**
 * Finds a learning rate by the range test (Smith 2017): one step per rate, from `from` to `to`. The model given stays as
 * it is. All rates run through one compiled step. Ends early where the loss diverges.
 *
 * Throws `ValueError` for options out of range, for an empty dataset, for an optimizer whose rate is a schedule and
 * where the very first loss is not finite.
 *
 * @example
 * const { suggestion } = await findLearningRate(model, { data: train, loss: crossEntropy, optimizer: adam() });
 * const run = await fit(model, { data: { train }, loss: crossEntropy, optimizer: adam({ learningRate: suggestion! }) });
 */
export async function findLearningRate<M extends object>(model: M, options: RateFinderOptions<M>): Promise<RateCurve> {
  const { data, loss, from = 1e-7, to = 10, steps = 100, seed = 0 } = options;
  const { smoothing = 0.9, divergence = 4 } = options;
  requireWithin("from", from, Number.MIN_VALUE, Infinity);
  requireWithin("to", to, from, Infinity);
  requireWithin("steps", Number.isInteger(steps) ? steps : NaN, 2, Infinity);
  requireWithin("smoothing", smoothing, 0, 1);
  requireWithin("divergence", divergence, 1, Infinity);
  const examples = batchesOf(data, Math.min(options.batch ?? 32, Math.max(1, data.length)), seed);
  const { precision = "float32", optimizer: given = sgd() } = options;
  const arithmetic = arithmeticOf("findLearningRate", precision, given, options.lossScale);
  const { optimizer } = arithmetic;
  const step = sweepStep(options.forward ?? defaultForward<M>, loss, arithmetic);

  const original = new Set(treeLeaves(model));
  const runKey = key(seed);
  let current = { model, state: optimizer.init(model) };
  const rates: number[] = [];
  const losses: number[] = [];
  const smoothed: number[] = [];
  let [average, least, diverged] = [0, Infinity, false];
  for (let i = 0; i < steps && !diverged; i++) {
    const rate = i === steps - 1 ? to : from * (to / from) ** (i / (steps - 1));
    const { x, y } = examples.next().value;
    const stepKey = foldIn(runKey, i);
    const rated = withLearningRate(current.state, rate);
    const [next, state, value] = step(current.model, rated, x, y, stepKey);
    const seen = await value.item();
    if (i === 0 && !Number.isFinite(seen)) {
      throw new ValueError("findLearningRate", `the loss is ${seen} before the first step`, {
        expected: "a finite number", received: seen, hint: "look at the data and the initial weights",
      });
    }
    const kept = new Set([...treeLeaves({ next, state }), ...original]);
    release(...treeLeaves([current, rated, x, y, stepKey, value]).filter((leaf) => !kept.has(leaf)));
    current = { model: next, state };
    average = smoothing * average + (1 - smoothing) * seen;
    const mean = average / (1 - smoothing ** (i + 1));
    diverged = !Number.isFinite(mean) || (least > 0 && mean > divergence * least);
    // What is not finite ends the curve and is no point of it.
    if (!Number.isFinite(mean)) break;
    rates.push(rate);
    losses.push(seen);
    smoothed.push(mean);
    least = Math.min(least, mean);
    await breathe();
  }
  release(runKey, ...treeLeaves(current).filter((leaf) => !original.has(leaf)));
  const lowest = smoothed.indexOf(least);
  return { rates, losses, smoothed, suggestion: steepest(rates, smoothed, lowest), lowest: rates[lowest]!, diverged };
}

/** Full batches for ever, in a new order every epoch. */
function* batchesOf(data: Source<Example>, batch: number, seed: number): Generator<Example, never> {
  const batches = loader(data, { batch, shuffle: seed, dropLast: true });
  for (let epoch = 0; ; epoch++) {
    for (const example of batches.epoch(epoch)) {
      requireExample(example, "findLearningRate");
      yield example;
    }
  }
}

/** A step of training whose state has the rate; the memory of its arguments is left alone. */
const sweepStep = <M extends object>(forward: Forward<M>, loss: Score, { optimizer, inStep }: Arithmetic) =>
  compile(
    (model: M, state: State, x: Tensor, y: Tensor, stepKey: Key) => {
      const through = inStep(forward, stepKey, state);
      const lossOf = (m: M) => {
        const result = through(m, x);
        const objective = loss(outputsOf(result), y);
        requireScalar(objective, "findLearningRate");
        return [objective, isPair(result) ? result[1] : m] as const;
      };
      const [value, gradient, next] = valueAndGrad(lossOf, { hasAux: true })(model);
      const [updated, nextState] = optimizer.update(gradient, state, next);
      return [updated, nextState, value] as const;
    },
    { name: "findLearningRate" },
  );

/** The rate before the lowest point with the steepest fall, by central differences; the spacing is even. */
function steepest(rates: readonly number[], smoothed: readonly number[], lowest: number): number | null {
  let [best, at] = [0, -1];
  for (let i = 1; i < lowest; i++) {
    const slope = smoothed[i + 1]! - smoothed[i - 1]!;
    if (slope < best) [best, at] = [slope, i];
  }
  return at < 0 ? null : rates[at]!;
}

function requireWithin(name: string, value: number, least: number, below: number): void {
  if (value >= least && value < below) return;
  throw new ValueError("findLearningRate", `${name} is ${value}`, {
    expected: [least, below], received: value,
    hint: `use a ${below === Infinity ? "finite " : ""}number of at least ${least}${below === Infinity ? "" : ` and below ${below}`}`,
  });
}
