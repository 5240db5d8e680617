/** Learning-rate schedules (`schedules`): the rate of every step, and the momentum where a schedule also drives one. */
import {
  type Schedule, constant, cosineDecay, cyclical, exponentialDecay, inverseTimeDecay, join, linearWarmup, multiStep,
  noam, oneCycle, polynomialDecay, reduceOnPlateau, stepDecay, warmRestarts, warmupCosine,
} from "@dormouse/optim";
import { full, stack } from "@dormouse/tensor";
import type { Case, Number64 } from "../case.ts";
import { Checks, specOf } from "../checks.ts";
import type { Tolerance } from "../compare.ts";
import { refuseUnread, watch } from "../watch.ts";

/** Options as the cases name them, which is as PyTorch does. */
interface Configuration {
  readonly [name: string]: unknown;
  readonly step_size: number;
  readonly gamma: number;
  readonly milestones: readonly number[];
  readonly T_max: number;
  readonly T_0: number;
  readonly T_mult: number;
  readonly eta_min: number;
  readonly base_lr: number;
  readonly max_lr: number;
  readonly base_momentum: number;
  readonly max_momentum: number;
  readonly step_size_up: number;
  readonly step_size_down: number;
  readonly mode: string;
  readonly total_steps: number;
  readonly pct_start: number;
  readonly anneal_strategy: "cos" | "linear";
  readonly div_factor: number;
  readonly final_div_factor: number;
  readonly three_phase: boolean;
  readonly factor: number;
  readonly patience: number;
  readonly threshold: number;
  readonly threshold_mode: "rel" | "abs";
  readonly cooldown: number;
  readonly min_lr: number;
  readonly eps: number;
  readonly start_factor: number;
  readonly end_factor?: number;
  readonly total_iters: number;
  readonly power: number;
  readonly decay: number;
  readonly d_model: number;
  readonly warmup: number;
  readonly total: number;
}

/** A case of a schedule. */
export interface ScheduleCase extends Omit<Case, "tol"> {
  readonly base_lr: number;
  readonly config: Configuration;
  readonly lr: readonly number[];
  readonly momentum?: readonly number[];
  readonly metrics?: readonly Number64[];
  readonly tol: Tolerance;
}

const cycleOf = ({ step_size_up, step_size_down, mode, gamma }: Configuration) => ({
  up: step_size_up,
  down: step_size_down,
  mode: ({ triangular: "triangular", triangular2: "triangular2", exp_range: "exponential" } as const)[mode]!,
  factor: gamma,
});
const phasesOf = ({ pct_start, anneal_strategy, three_phase }: Configuration) => ({
  warmup: pct_start,
  anneal: anneal_strategy === "cos" ? ("cosine" as const) : ("linear" as const),
  threePhase: three_phase,
});

/** Schedules by the names of the cases. */
const schedules: Readonly<Record<string, (rate: number, config: Configuration) => Schedule>> = {
  step: (rate, { step_size, gamma }) => stepDecay(rate, { every: step_size, factor: gamma }),
  multistep: (rate, { milestones, gamma }) => multiStep(rate, milestones, { factor: gamma }),
  exponential: (rate, { gamma }) => exponentialDecay(rate, { factor: gamma }),
  cosine: (rate, { T_max, eta_min }) => cosineDecay(rate, T_max, { final: eta_min, periodic: true }),
  cosine_warm_restarts: (rate, { T_0, T_mult, eta_min }) =>
    warmRestarts(rate, T_0, { multiplier: T_mult, final: eta_min }),
  cyclical: (_, config) => cyclical(config.base_lr, config.max_lr, cycleOf(config)),
  one_cycle: (_, config) =>
    oneCycle(config.max_lr, config.total_steps, {
      ...phasesOf(config), divide: config.div_factor, finalDivide: config.final_div_factor,
    }),
  linear_warmup: (rate, { total_iters, start_factor, end_factor = 1 }) =>
    linearWarmup(rate * end_factor, total_iters, { start: start_factor / end_factor }),
  constant: (rate, { factor, total_iters }) => join([constant(rate * factor), constant(rate)], [total_iters]),
  polynomial: (rate, { total_iters, power }) => polynomialDecay(rate, total_iters, { power }),
  inverse_time: (rate, { decay }) => inverseTimeDecay(rate, { decay }),
  noam: (rate, { d_model, warmup }) => noam({ width: d_model, warmup, factor: rate }),
  warmup_cosine: (rate, { warmup, total, start_factor }) =>
    warmupCosine(rate, { warmup, steps: total, start: start_factor }),
};

/** Momenta run the other way: from the largest down to the smallest and back. */
const momenta: Readonly<Record<string, (config: Configuration) => Schedule>> = {
  cyclical: (config) => cyclical(config.max_momentum, config.base_momentum, cycleOf(config)),
  one_cycle: (config) =>
    oneCycle(config.base_momentum, config.total_steps, {
      ...phasesOf(config), divide: config.base_momentum / config.max_momentum, finalDivide: 1,
    }),
};

/** Checks a case, or returns null for a schedule that there is not. */
export function checkSchedule(each: ScheduleCase): Promise<readonly string[]> | null {
  const checks = new Checks({ f64: each.tol }, "float64");
  const { last_epoch: _, verbose: __, ...given } = each.config;
  const config = watch(given as Configuration);
  const add = (what: string, schedule: Schedule, wanted: readonly number[]): void => {
    const rates = wanted.map((_, step) => schedule(full([], step, { dtype: "float64" })));
    checks.add(what, "out", stack(rates), specOf(wanted));
  };
  if (each.op === "reduce_on_plateau") {
    checks.addNumbers("rate", plateauRates({ ...each, config: config.object }), specOf(each.lr));
    refuseUnread(config);
    return checks.settle();
  }
  const make = schedules[each.op];
  if (!make) return null;
  checks.attempt("rate", () => add("rate", make(each.base_lr, config.object), each.lr));
  const momentum = momenta[each.op];
  if (each.momentum && momentum) {
    checks.attempt("momentum", () => add("momentum", momentum(config.object), each.momentum!));
  }
  refuseUnread(config);
  return checks.settle();
}

function plateauRates({ base_lr, config, metrics }: ScheduleCase): number[] {
  const plateau = reduceOnPlateau({
    factor: config.factor,
    patience: config.patience,
    mode: config.mode as "min" | "max",
    threshold: config.threshold,
    thresholdMode: config.threshold_mode === "rel" ? "relative" : "absolute",
    cooldown: config.cooldown,
    least: config.min_lr,
    eps: config.eps,
  });
  let state = plateau.init(base_lr);
  return metrics!.map((metric) => {
    const { rate } = state;
    state = plateau.update(state, Number(metric));
    return rate;
  });
}
