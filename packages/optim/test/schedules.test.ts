/** Schedules against PyTorch's, in float64 to the tolerance of the fixture and in float32; plateau, boundaries, options. */
import { beforeAll, describe, expect, it } from "vitest";
import { reference } from "@dormouse/backend-cpu/reference";
import { type DType, full, setDevice, stack } from "@dormouse/tensor";
import {
  type Schedule, constant, cosineDecay, cyclical, exponentialDecay, inverseTimeDecay, join, linearWarmup, multiStep, noam, oneCycle,
  polynomialDecay, reduceOnPlateau, stepDecay, warmRestarts, warmupCosine,
} from "../src/index.ts";
import { type Tolerance, expectClose, fixture } from "./expect.ts";

interface Case {
  readonly id: string;
  readonly op: string;
  readonly base_lr: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- options of 13 schedules, by PyTorch's names
  readonly config: Readonly<Record<string, any>>;
  readonly lr: readonly number[];
  readonly momentum?: readonly number[];
  readonly metrics?: readonly number[];
  readonly tol: Tolerance;
}
const { cases } = fixture<{ readonly cases: readonly Case[] }>("schedules");

beforeAll(async () => {
  setDevice(await reference());
});

const modes = { triangular: "triangular", triangular2: "triangular2", exp_range: "exponential" } as const;

/** The schedules of the fixture, with PyTorch's options. */
const makers: Readonly<Record<string, (rate: number, config: Case["config"]) => Schedule>> = {
  step: (rate, { step_size, gamma }) => stepDecay(rate, { every: step_size, factor: gamma }),
  multistep: (rate, { milestones, gamma }) => multiStep(rate, milestones, { factor: gamma }),
  exponential: (rate, { gamma }) => exponentialDecay(rate, { factor: gamma }),
  cosine: (rate, { T_max, eta_min }) => cosineDecay(rate, T_max, { final: eta_min, periodic: true }),
  cosine_warm_restarts: (rate, { T_0, T_mult, eta_min }) => warmRestarts(rate, T_0, { multiplier: T_mult, final: eta_min }),
  cyclical: (_, { base_lr, max_lr, step_size_up, step_size_down, mode, gamma }) =>
    cyclical(base_lr, max_lr, { up: step_size_up, down: step_size_down, mode: modes[mode as keyof typeof modes], factor: gamma }),
  one_cycle: (_, { max_lr, total_steps, pct_start, anneal_strategy, three_phase, div_factor, final_div_factor }) =>
    oneCycle(max_lr, total_steps, {
      warmup: pct_start, anneal: anneal_strategy === "cos" ? "cosine" : "linear", threePhase: three_phase,
      divide: div_factor, finalDivide: final_div_factor,
    }),
  linear_warmup: (rate, { start_factor, total_iters }) => linearWarmup(rate, total_iters, { start: start_factor }),
  constant: (rate, { factor, total_iters }) => join([rate * factor, rate], [total_iters]),
  polynomial: (rate, { power, total_iters }) => polynomialDecay(rate, total_iters, { power }),
  inverse_time: (rate, { decay }) => inverseTimeDecay(rate, { decay }),
  noam: (rate, { d_model, warmup }) => noam({ width: d_model, warmup, factor: rate }),
  warmup_cosine: (rate, { warmup, total, start_factor }) => warmupCosine(rate, { warmup, steps: total, start: start_factor }),
};

const ratesOf = async (schedule: Schedule, count: number, dtype: DType = "float64", from = 0): Promise<ArrayLike<number>> =>
  stack(Array.from({ length: count }, (_, t) => schedule(full([], from + t, { dtype })))).data();

const graphs = cases.filter(({ op }) => op !== "reduce_on_plateau");

it("covers every schedule", () => {
  expect(new Set(graphs.map(({ op }) => op))).toEqual(new Set(Object.keys(makers)));
});

describe("rates", () => {
  it.each(graphs)("$id", async (each) => {
    const schedule = makers[each.op]!(each.base_lr, each.config);
    expectClose(await ratesOf(schedule, each.lr.length), each.lr, each.tol, each.id);
    expectClose(await ratesOf(schedule, each.lr.length, "float32"), each.lr, { rtol: 1e-5, atol: 1e-7 }, `${each.id} in float32`);
  });

  it.each(cases.filter(({ op }) => op === "cyclical"))("$id: momentum runs the other way", async ({ config, momentum, tol }) => {
    const { base_momentum, max_momentum, step_size_up: up, step_size_down: down, mode, gamma } = config;
    const schedule = cyclical(max_momentum, base_momentum, { up, down, mode: modes[mode as keyof typeof modes], factor: gamma });
    expectClose(await ratesOf(schedule, momentum!.length), momentum!, tol, "momentum");
  });
});

describe("after the end, and far away", () => {
  it("cosineDecay holds its final rate", async () => {
    expectClose(await ratesOf(cosineDecay(1, 4, { final: 0.25 }), 3, "float64", 4), [0.25, 0.25, 0.25], { rtol: 1e-12, atol: 0 }, "final");
  });

  it("restarts fall on the step, in float32 too", async () => {
    // Cycles of 3, 9, 27, … begin at 3(3ⁿ - 1)/2: at 0, 3, 12, 39, 120, 363, 1092, 3279, 9840, 29523.
    const schedule = warmRestarts(1, 3, { multiplier: 3 });
    for (const start of [0, 3, 12, 39, 120, 363, 1092, 3279, 9840, 29_523]) {
      const [before, at] = Array.from(await ratesOf(schedule, 2, "float32", Math.max(0, start - 1)));
      expect(start === 0 ? before : at, `step ${start}`).toBe(1);
      if (start > 0) expect(before).toBeLessThan(0.26);
    }
  });

  it("stepDecay falls on the step at a million", async () => {
    const [before, at] = Array.from(await ratesOf(stepDecay(1, { every: 100_000, factor: 0.5 }), 2, "float32", 999_999));
    expect([before, at]).toEqual([2 ** -9, 2 ** -10]);
  });

  it("oneCycle without a warm-up begins at the top", async () => {
    expectClose(await ratesOf(oneCycle(1, 10, { warmup: 0 }), 1), [1], { rtol: 1e-12, atol: 0 }, "first");
  });
});

describe("reduceOnPlateau", () => {
  it.each(cases.filter(({ op }) => op === "reduce_on_plateau"))("$id", ({ base_lr, config, lr, metrics, tol }) => {
    const { mode, factor, patience, threshold, threshold_mode, cooldown, min_lr, eps } = config;
    const plateau = reduceOnPlateau({
      mode, factor, patience, threshold, thresholdMode: threshold_mode === "rel" ? "relative" : "absolute", cooldown, least: min_lr, eps,
    });
    let state = plateau.init(base_lr);
    const rates = metrics!.map((metric) => {
      const { rate } = state;
      state = plateau.update(state, metric);
      return rate;
    });
    expectClose(rates, lr, tol, "rates");
  });

  it("takes NaN for no improvement", () => {
    const plateau = reduceOnPlateau({ patience: 0, factor: 0.5 });
    expect(plateau.update(plateau.init(1), NaN).rate).toBe(0.5);
  });
});

describe("options are checked where they are written", () => {
  it.each<[string, () => unknown, RegExp]>([
    ["a negative rate", () => constant(-1), /constant: the rate is -1; use a finite number of at least 0/],
    ["no steps", () => cosineDecay(1, 0), /cosineDecay: steps is 0; use a whole number of at least 1/],
    ["a missing boundary", () => join([1, 2], []), /join: 2 schedules and 0 boundaries/],
    ["boundaries out of order", () => join([1, 2, 3], [5, 4]), /join: boundary 1 is 4/],
    ["a fraction as multiplier", () => warmRestarts(1, 5, { multiplier: 1.5 }), /warmRestarts: multiplier is 1.5/],
  ])("%s", (_, make, message) => {
    expect(make).toThrow(message);
  });
});
