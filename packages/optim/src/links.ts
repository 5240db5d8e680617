/**
 * Transforms that are not an optimizer by themselves: the sign, weight decay, clipping, and the learning rate, which
 * is the last link of almost every chain.
 */
import {
  type DType, type Tensor, ValueError, abs, add, cast, clamp, div, full, max, maximum, minimum, mul, neg, pow, sqrt, square,
  sum, treeLeaves,
} from "@dormouse/tensor";
import { requireWithin } from "./options.ts";
import { type Rate, type Schedule, toSchedule } from "./schedules.ts";
import {
  type ByPath, type Moment, type State, type Transform, erased, isFloat, isNested, mapUpdates, perDType, sharedDType, widened,
} from "./transform.ts";

/** A transform without state. */
export const stateless = (f: (updates: ByPath, at: Moment) => ByPath): Transform =>
  erased<null>({ init: () => null, update: (updates, state, at) => [f(updates, at), state] });

/** Turns every update round: what follows climbs instead of descending. */
export const negate = (): Transform => stateless((updates) => mapUpdates(updates, neg));

export interface DecayOptions {
  /** Which parameters decay. Default: all but running statistics, whose names begin with `running`. */
  readonly decays?: (path: string, parameter: Tensor) => boolean;
}

/** Statistics that a layer keeps among its tensors have no gradient, and must not shrink either. */
export const isLearned = (path: string): boolean => !/(^|\.)running[A-Z]\w*$/.test(path);

/**
 * Adds `decay · parameter` to every update: before the scaling of an optimizer this is the L2 penalty
 * `½·decay·‖p‖²`, after it the decoupled decay of AdamW (Loshchilov and Hutter 2019).
 *
 * ```ts
 * addDecayedWeights(1e-4, { decays: (path) => !path.endsWith("bias") })
 * ```
 */
export function addDecayedWeights(decay: number, { decays = isLearned }: DecayOptions = {}): Transform {
  requireWithin("addDecayedWeights", "decay", decay, 0, Infinity);
  return stateless((updates, { params }) =>
    mapUpdates(updates, (update, path) => {
      const parameter = params[path]!;
      return decay > 0 && decays(path, parameter) ? add(update, mul(parameter, decay)) : update;
    }),
  );
}

/** Keeps every element of every update within `[-limit, limit]`. */
export function clipByValue(limit: number): Transform {
  requireWithin("clipByValue", "limit", limit, 0, Infinity);
  return stateless((updates) => mapUpdates(updates, (update) => clamp(update, { min: -limit, max: limit })));
}

export interface NormOptions {
  /** Which norm: 2 (default), 1, another positive number, or Infinity for the largest element. */
  readonly p?: number;
}

/**
 * The norm of all float tensors of a tree taken as one vector: `(Σ |x|ᵖ)^(1/p)`. 0 for a tree without any.
 */
export function globalNorm(tree: unknown, { p = 2 }: NormOptions = {}): Tensor<[]> {
  if (!(p > 0)) throw new ValueError("globalNorm", `p is ${p}`, { received: p, hint: "use a positive number or Infinity" });
  const tensors = treeLeaves(tree).filter((tensor) => isFloat(tensor) && tensor.size > 0);
  const dtype = sharedDType(Object.fromEntries(tensors.entries()));
  const parts = tensors.map((tensor) => cast(partOf(widened(tensor), p), dtype));
  const join = p === Infinity ? maximum : add;
  const total = parts.reduce<Tensor<[]>>((a, b) => join(a, b), full([], 0, { dtype }));
  return rootOf(total, p);
}

function partOf(x: Tensor, p: number): Tensor<[]> {
  if (p === 2) return sum(square(x));
  const size = abs(x);
  if (p === Infinity) return max(size);
  return sum(p === 1 ? size : pow(size, p));
}

const rootOf = (total: Tensor<[]>, p: number): Tensor<[]> =>
  p === 2 ? sqrt(total) : p === 1 || p === Infinity ? total : pow(total, 1 / p);

/**
 * Scales all updates by one factor so that their joint norm is at most `limit`: `min(1, limit / (norm + 1e-6))`, as
 * `clip_grad_norm_` of PyTorch (Pascanu et al. 2013). A norm that is NaN makes every update NaN.
 */
export function clipByGlobalNorm(limit: number, { p = 2 }: NormOptions = {}): Transform {
  requireWithin("clipByGlobalNorm", "limit", limit, 0, Infinity);
  return stateless((updates) => {
    const factor = minimum(div(limit, add(globalNorm(updates, { p }), 1e-6)), 1);
    const scale = perDType((dtype) => cast(factor, dtype));
    return mapUpdates(updates, (update) => mul(update, scale(update.dtype)));
  });
}

/** What the learning rate keeps: the rate of the next update. */
class RateState {
  readonly rate: Tensor<[]>;
  readonly isScheduled: boolean;
  constructor(rate: Tensor<[]>, isScheduled: boolean) {
    this.rate = rate;
    this.isScheduled = isScheduled;
  }
}

/**
 * Multiplies every update by the learning rate. The rate is a tensor in the state, for the step that comes next, so
 * neither a schedule nor `withLearningRate` traces a compiled step again.
 */
export function scaleByLearningRate(rate: Rate): Transform {
  const schedule: Schedule = toSchedule("scaleByLearningRate", rate);
  const isScheduled = typeof rate === "function";
  const zero = (dtype: DType): Tensor<[]> => full([], 0, { dtype });
  return erased<RateState>({
    init: (params) => new RateState(schedule(zero(sharedDType(params))), isScheduled),
    update(updates, state, at) {
      const scale = perDType((dtype) => cast(state.rate, dtype));
      const next = isScheduled ? schedule(add(at.step(at.dtype), 1)) : state.rate;
      return [mapUpdates(updates, (update) => mul(update, scale(update.dtype))), new RateState(next, isScheduled)];
    },
  });
}

export interface GroupOption {
  /** The group of `byPath`, by its pattern; needed where several groups have rates. */
  readonly group?: string;
}

interface GroupRate {
  readonly state: RateState;
  /** The pattern of the group it belongs to. */
  readonly group: string | undefined;
}

/** The states of all learning rates. */
function ratesIn(links: readonly unknown[], group?: string): GroupRate[] {
  return links.flatMap((link) => {
    if (link instanceof RateState) return [{ state: link, group }];
    const found: GroupRate[] = [];
    if (isNested(link)) link.mapLinks((inner, name = group) => (found.push(...ratesIn(inner, name)), inner));
    return found;
  });
}

/** The rates that are asked for: of one group, or of an optimizer without groups. */
function chosenRates(op: string, state: State, { group }: GroupOption): readonly RateState[] {
  const rates = ratesIn(state.links);
  if (rates.length === 0) {
    throw new ValueError(op, "the optimizer has no learning rate", { hint: "chain it with scaleByLearningRate" });
  }
  const names = [...new Set(rates.map((each) => each.group))];
  const chosen = group === undefined && names.length === 1 ? rates : rates.filter((each) => each.group === group);
  if (chosen.length > 0) return chosen.map((each) => each.state);
  const known = names.map((name) => JSON.stringify(name)).join(", ");
  const problem =
    group === undefined ? "several groups have rates of their own" : `no group ${JSON.stringify(group)} has a rate`;
  throw new ValueError(op, problem, { expected: names, received: group, hint: `give { group } as one of ${known}` });
}

/**
 * The learning rate of the next update. Throws `ValueError` for an optimizer that has none, such as `rprop`, and where
 * groups have rates of their own and none is named.
 */
export const learningRateOf = (state: State, options: GroupOption = {}): Tensor<[]> =>
  chosenRates("learningRateOf", state, options)[0]!.rate;

/**
 * The state with another learning rate, for rates that are decided on the host (`reduceOnPlateau`). Throws
 * `ValueError` where a schedule decides the rate, since it would overrule the new one after a step, and where groups
 * have rates of their own and none is named.
 *
 * ```ts
 * seen = plateau.update(seen, validationLoss);
 * state = withLearningRate(state, seen.rate);
 * ```
 */
export function withLearningRate(state: State, rate: number, options: GroupOption = {}): State {
  requireWithin("withLearningRate", "rate", rate, 0, Infinity);
  const chosen = chosenRates("withLearningRate", state, options);
  if (chosen.some(({ isScheduled }) => isScheduled)) {
    throw new ValueError("withLearningRate", "a schedule decides the rate", { hint: "give the optimizer a number as learningRate" });
  }
  const replace = (links: readonly unknown[]): readonly unknown[] =>
    links.map((link) => {
      if (isNested(link)) return link.mapLinks(replace);
      if (!(link instanceof RateState) || !chosen.includes(link)) return link;
      return new RateState(full([], rate, { dtype: link.rate.dtype }), false);
    });
  return { step: state.step, links: replace(state.links) };
}
