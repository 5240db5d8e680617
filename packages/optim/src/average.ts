/** Averages of weights over steps: models that are better than the last one. */
import {
  type Tensor, add, cast, div, equal, greaterEqual, less, logicalAnd, logicalOr, mapTree, mul, remainder, sub, where, zeros,
} from "@dormouse/tensor";
import { requireWhole, requireWithin } from "./options.ts";
import { isFloat, widened } from "./transform.ts";

/**
 * One step of an exponential moving average of parameters: `decay · average + (1 - decay) · params` at every float
 * tensor; other tensors are those of `params`. Start with the parameters themselves, `average = model`.
 *
 * ```ts
 * average = ema(average, model, { decay: 0.999 });
 * ```
 */
export function ema<P>(average: P, params: P, { decay = 0.999 }: { readonly decay?: number } = {}): P {
  requireWithin("ema", "decay", decay, 0, 1);
  const mix = (a: Tensor, p: Tensor): Tensor => cast(add(mul(widened(a), decay), mul(widened(p), 1 - decay)), a.dtype);
  return mapTree((a, p) => (isFloat(a) ? mix(a, p!) : p!), average, params);
}

/** Which weights enter an average. */
export interface AveragingOptions {
  /** Calls of `update` before the first weights that enter. Default 0. */
  readonly start?: number;
  /** Calls from one that enters to the next. Default 1. */
  readonly every?: number;
}

/** An average of weights while it is made: a tree of tensors. */
export interface AveragedWeights<P> {
  /** The averaged parameters; before the start, those of the last call. */
  readonly value: P;
  /** Calls of `update`, int32. */
  readonly calls: Tensor<[]>;
  /** Weights that entered, int32. */
  readonly count: Tensor<[]>;
}

/** What `swa` and `weightEma` make. Both functions are pure and can be part of a compiled step. */
export interface WeightAverage {
  init<P>(params: P): AveragedWeights<P>;
  /** The average after a step of the optimizer that led to `params`. */
  update<P>(average: AveragedWeights<P>, params: P): AveragedWeights<P>;
}

/** Folds the next weights into the average of `count` before them, which are one at least. */
type Fold = (average: Tensor, next: Tensor, count: Tensor<[]>) => Tensor;

function averageBy(op: string, { start = 0, every = 1 }: AveragingOptions, fold: Fold): WeightAverage {
  requireWhole(op, "start", start, 0);
  requireWhole(op, "every", every, 1);
  const zero = (): Tensor<[]> => zeros([], { dtype: "int32" });
  return {
    init: (params) => ({ value: mapTree(copyOf, params), calls: zero(), count: zero() }),
    update({ value, calls, count }, params) {
      const since = sub(calls, start);
      const enters = logicalAnd(greaterEqual(since, 0), equal(remainder(since, every), 0));
      const isFirst = equal(count, 0);
      const follows = logicalOr(less(since, 0), logicalAnd(enters, isFirst));
      const next = mapTree(
        (average, p) => where(follows, p!, where(enters, isFloat(p!) ? fold(average, p!, count) : p!, average)),
        value,
        params,
      );
      return { value: next, calls: add(calls, 1), count: where(enters, add(count, 1), count) };
    },
  };
}

/** A tensor of its own, so that an average outlives a model whose memory is donated. */
const copyOf = (x: Tensor): Tensor => (x.dtype === "bool" ? logicalOr(x, x) : add(x, 0));

/**
 * Stochastic weight averaging (Izmailov et al. 2018): the plain mean of the weights at every `every`-th step from `start`
 * on. It wants weights that stay apart: a rate that is constant and high, or one that cycles, of which the weights at the
 * low points enter. Other tensors than floats are those of the weights that entered last. Statistics of batch
 * normalization are averaged like weights.
 *
 * @example
 * const rate = cyclical(1e-3, 1e-2, { up: 1, down: 99 });
 * const averaging = swa({ start: 99, every: 100 }); // the last step of every cycle
 * let average = averaging.init(model);
 * average = averaging.update(average, model);       // after every step
 * const better = average.value;
 */
export const swa = (options: AveragingOptions = {}): WeightAverage =>
  averageBy("swa", options, (average, next, count) => add(average, div(sub(next, average), cast(add(count, 1), next.dtype))));

export interface WeightEmaOptions extends AveragingOptions {
  /** Share of the average that stays. Default 0.999. */
  readonly decay?: number;
}

/**
 * The exponential moving average of weights, `decay · average + (1 - decay) · weights`, at every `every`-th step from
 * `start` on, when it begins with the weights themselves. `ema` is one step of it.
 *
 * @example
 * const averaging = weightEma({ decay: 0.99, start: 500 });
 */
export function weightEma({ decay = 0.999, ...options }: WeightEmaOptions = {}): WeightAverage {
  requireWithin("weightEma", "decay", decay, 0, 1);
  return averageBy("weightEma", options, (average, next) => ema(average, next, { decay }));
}
