/**
 * Learning-rate schedules: pure functions from the number of steps done (0 at the first, a float scalar) to a rate of
 * the same dtype. They are graphs, so a compiled step computes its own rate; everything that depends only on the
 * options is computed once, here. Steps count optimizer updates, not epochs. In float32 they are exact to 2²⁴.
 */
import {
  type Tensor, ValueError, add, cos, div, exp, floor, fullLike, greaterEqual, less, log, minimum, mul, pow, round, sub, where,
} from "@dormouse/tensor";
import { requireWhole, requireWithin } from "./options.ts";

/** A rate for every step. */
export type Schedule = (step: Tensor<[]>) => Tensor<[]>;

/** A number is a constant schedule. */
export type Rate = number | Schedule;

/** Makes a schedule of a rate; refuses negative and infinite numbers. */
export function toSchedule(op: string, rate: Rate): Schedule {
  if (typeof rate === "function") return rate;
  requireWithin(op, "the rate", rate, 0, Infinity);
  return (step) => fullLike(step, rate);
}

/** The same rate at every step. */
export const constant = (rate: number): Schedule => toSchedule("constant", rate);

/** How often `every` fits into `step`. Half a step more keeps an inexact quotient on the right side of a whole. */
const wholes = (step: Tensor<[]>, every: number): Tensor<[]> => floor(div(add(step, 0.5), every));

export interface StepDecayOptions {
  /** Steps between two decays. */
  readonly every: number;
  /** What a decay multiplies by. Default 0.1. */
  readonly factor?: number;
}

/** `rate · factor^⌊step / every⌋`. */
export function stepDecay(rate: number, { every, factor = 0.1 }: StepDecayOptions): Schedule {
  requireWhole("stepDecay", "every", every, 1);
  return (step) => mul(rate, pow(requireWithin("stepDecay", "factor", factor, 0, Infinity), wholes(step, every)));
}

/** Multiplies the rate by `factor` (default 0.1) at each of `milestones`; one named twice counts twice. */
export function multiStep(rate: number, milestones: readonly number[], { factor = 0.1 }: { readonly factor?: number } = {}): Schedule {
  return (step) =>
    milestones.reduce<Tensor<[]>>(
      (current, milestone) => where(less(step, milestone), current, mul(current, factor)),
      fullLike(step, rate),
    );
}

/** How fast an exponential falls: a factor of every step, or k of `e^(-k·step)`. */
export type ExponentialOptions = { readonly factor: number } | { readonly decay: number };

/** `rate · factorˢᵗᵉᵖ`, or `rate · e^(-decay·step)`. */
export function exponentialDecay(rate: number, options: ExponentialOptions): Schedule {
  if ("decay" in options) {
    const decay = requireWithin("exponentialDecay", "decay", options.decay, 0, Infinity);
    return (step) => mul(rate, exp(mul(step, -decay)));
  }
  const factor = requireWithin("exponentialDecay", "factor", options.factor, 0, Infinity);
  return (step) => mul(rate, pow(factor, step));
}

/** `rate / (1 + decay · step)`. */
export const inverseTimeDecay = (rate: number, { decay }: { readonly decay: number }): Schedule => {
  requireWithin("inverseTimeDecay", "decay", decay, 0, Infinity);
  return (step) => div(rate, add(mul(step, decay), 1));
};

/** The share of `steps` that is done, 1 from the end on. */
const progress = (step: Tensor<[]>, steps: number): Tensor<[]> => minimum(div(step, steps), 1);

/** From `from` (share 0) to `to` (share 1) along half a cosine. */
const halfCosine = (from: number, to: number, share: Tensor<[]>): Tensor<[]> =>
  add(mul(add(cos(mul(share, Math.PI)), 1), (from - to) / 2), to);

export interface DecayToOptions {
  /** The rate at the end and after it. Default 0. */
  readonly final?: number;
}

/** From `rate` to `final` as `(1 - step / steps)^power`, which is linear by default. */
export function polynomialDecay(
  rate: number,
  steps: number,
  { power = 1, final = 0 }: DecayToOptions & { readonly power?: number } = {},
): Schedule {
  requireWhole("polynomialDecay", "steps", steps, 1);
  return (step) => add(mul(pow(sub(1, progress(step, steps)), power), rate - final), final);
}

/**
 * From `rate` to `final` along half a cosine, in `steps` steps (Loshchilov and Hutter 2017). Holds `final` from then
 * on; with `periodic` it climbs back, as PyTorch's `CosineAnnealingLR` does.
 */
export function cosineDecay(
  rate: number,
  steps: number,
  { final = 0, periodic = false }: DecayToOptions & { readonly periodic?: boolean } = {},
): Schedule {
  requireWhole("cosineDecay", "steps", steps, 1);
  return (step) => halfCosine(rate, final, periodic ? div(step, steps) : progress(step, steps));
}

/**
 * Cosine decays one after another (SGDR, Loshchilov and Hutter 2017): the first takes `period` steps, each next one
 * `multiplier` (a whole number, default 1) times as many.
 */
export function warmRestarts(
  rate: number,
  period: number,
  { multiplier = 1, final = 0 }: DecayToOptions & { readonly multiplier?: number } = {},
): Schedule {
  requireWhole("warmRestarts", "period", period, 1);
  requireWhole("warmRestarts", "multiplier", multiplier, 1);
  return (step) => {
    if (multiplier === 1) return halfCosine(rate, final, div(sub(step, mul(wholes(step, period), period)), period));
    const growth = (cycle: Tensor<[]>): Tensor<[]> => round(pow(multiplier, cycle));
    const startOf = (cycle: Tensor<[]>): Tensor<[]> => round(mul(sub(growth(cycle), 1), period / (multiplier - 1)));
    // The logarithm may be off by a rounding at a restart: half a step moves it to the right side.
    const done = div(log(add(mul(add(step, 0.5), (multiplier - 1) / period), 1)), Math.log(multiplier));
    const cycle = floor(done);
    return halfCosine(rate, final, div(sub(step, startOf(cycle)), mul(growth(cycle), period)));
  };
}

export interface CyclicalOptions {
  /** Steps from low to high. Default 2000. */
  readonly up?: number;
  /** Steps back. Default: as many as up. */
  readonly down?: number;
  /** The height of a cycle: the same, half of the one before, or `factor^step`. Default "triangular". */
  readonly mode?: "triangular" | "triangular2" | "exponential";
  /** For the mode "exponential". Default 1. */
  readonly factor?: number;
}

/** Up and down between two rates along straight lines (Smith 2017). `cyclical(0.95, 0.8, …)` cycles a momentum. */
export function cyclical(
  low: number,
  high: number,
  { up = 2000, down = up, mode = "triangular", factor = 1 }: CyclicalOptions = {},
): Schedule {
  requireWhole("cyclical", "up", up, 1);
  requireWhole("cyclical", "down", down, 1);
  return (step) => {
    const cycle = wholes(step, up + down);
    const within = sub(step, mul(cycle, up + down));
    const height = minimum(div(within, up), div(sub(up + down, within), down));
    const scale = { triangular: 1, triangular2: pow(0.5, cycle), exponential: pow(factor, step) }[mode];
    return add(mul(mul(height, high - low), scale), low);
  };
}

export interface OneCycleOptions {
  /** Share of the steps that climb. Default 0.3. */
  readonly warmup?: number;
  /** Default "cosine". */
  readonly anneal?: "cosine" | "linear";
  /** The first rate is the highest divided by this. Default 25. */
  readonly divide?: number;
  /** The last rate is the first divided by this. Default 1e4. */
  readonly finalDivide?: number;
  /** Falls back to the first rate as fast as it climbed, then to the last. Default false. */
  readonly threePhase?: boolean;
}

/** Up to `highest` and down again to almost nothing, once, in `steps` steps (Smith and Topin 2018). */
export function oneCycle(
  highest: number,
  steps: number,
  { warmup = 0.3, anneal = "cosine", divide = 25, finalDivide = 1e4, threePhase = false }: OneCycleOptions = {},
): Schedule {
  requireWhole("oneCycle", "steps", steps, 2);
  requireWithin("oneCycle", "warmup", warmup, 0, 1);
  const first = highest / divide;
  const last = first / finalDivide;
  const top = warmup * steps - 1;
  const ends: readonly (readonly [end: number, start: number, stop: number])[] = threePhase
    ? [[top, first, highest], [2 * warmup * steps - 2, highest, first], [steps - 1, first, last]]
    : [[top, first, highest], [steps - 1, highest, last]];
  // Without a warm-up the first phase has no length.
  const phases = ends
    .map(([end, start, stop], i) => ({ from: Math.max(0, ends[i - 1]?.[0] ?? 0), end, start, stop }))
    .filter(({ from, end }) => end > from);
  return (step) => {
    const rates = phases.map(({ from, end, start, stop }) => {
      const share = minimum(div(sub(step, from), end - from), 1);
      return anneal === "cosine" ? halfCosine(start, stop, share) : add(mul(share, stop - start), start);
    });
    return rates.reduceRight((later, rate, i) => where(greaterEqual(phases[i]!.end, step), rate, later));
  };
}

/** From `start · rate` to `rate` in a straight line of `steps` steps, then `rate`. `start` is a share, default 0. */
export function linearWarmup(rate: number, steps: number, { start = 0 }: { readonly start?: number } = {}): Schedule {
  requireWhole("linearWarmup", "steps", steps, 1);
  return (step) => mul(add(mul(progress(step, steps), 1 - start), start), rate);
}

/**
 * One schedule after another: the next takes over at each of `boundaries`, and counts its steps from there.
 *
 * ```ts
 * join([linearWarmup(1e-3, 500), constant(1e-3), cosineDecay(1e-3, 4_500)], [500, 5_500])
 * ```
 */
export function join(schedules: readonly Rate[], boundaries: readonly number[]): Schedule {
  if (schedules.length !== boundaries.length + 1) {
    throw new ValueError("join", `${schedules.length} schedules and ${boundaries.length} boundaries`, {
      expected: schedules.length - 1,
      received: boundaries.length,
      hint: "give one boundary between each two schedules",
    });
  }
  boundaries.forEach((boundary, i) => requireWhole("join", `boundary ${i}`, boundary, i === 0 ? 0 : boundaries[i - 1]!));
  const parts = schedules.map((each) => toSchedule("join", each));
  return (step) =>
    boundaries.reduce<Tensor<[]>>(
      (before, boundary, i) => where(less(step, boundary), before, parts[i + 1]!(sub(step, boundary))),
      parts[0]!(step),
    );
}

export interface WarmupCosineOptions extends DecayToOptions {
  /** Steps of the warm-up. */
  readonly warmup: number;
  /** Steps altogether. */
  readonly steps: number;
  /** Share of the rate to start from. Default 0. */
  readonly start?: number;
}

/** A linear warm-up, then a cosine decay. */
export const warmupCosine = (rate: number, { warmup, steps, start = 0, final = 0 }: WarmupCosineOptions): Schedule =>
  join([linearWarmup(rate, warmup, { start }), cosineDecay(rate, steps - warmup, { final })], [warmup]);

export interface NoamOptions {
  /** Width of the model. */
  readonly width: number;
  /** Steps of the warm-up. */
  readonly warmup: number;
  /** Multiplies the whole. Default 1. */
  readonly factor?: number;
}

/** `factor · width^-½ · min(n^-½, n · warmup^-1½)` with n = step + 1 (Vaswani et al. 2017). */
export function noam({ width, warmup, factor = 1 }: NoamOptions): Schedule {
  requireWhole("noam", "warmup", warmup, 1);
  return (step) => {
    const n = add(step, 1);
    return mul(minimum(pow(n, -0.5), mul(n, warmup ** -1.5)), factor * width ** -0.5);
  };
}
