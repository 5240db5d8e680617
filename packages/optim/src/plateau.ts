/**
 * Lowering the rate when a metric stops improving. The decision is made on the host, from a number that was read, so
 * its state is a plain object; `withLearningRate` takes the rate to the optimizer.
 */
import { requireWhole, requireWithin } from "./options.ts";

export interface PlateauOptions {
  /** What the rate is multiplied by. Default 0.1. */
  readonly factor?: number;
  /** Reports without improvement that are borne. Default 10. */
  readonly patience?: number;
  /** Whether lower or higher is better. Default "min". */
  readonly mode?: "min" | "max";
  /** What counts as an improvement. Default 1e-4. */
  readonly threshold?: number;
  /** Whether the threshold is a share of the best value. Default "relative". */
  readonly thresholdMode?: "relative" | "absolute";
  /** Reports after a reduction that are not counted. Default 0. */
  readonly cooldown?: number;
  /** The rate never falls below this. Default 0. */
  readonly least?: number;
  /** A reduction by less is not made. Default 1e-8. */
  readonly eps?: number;
}

/** The rate, and what was seen so far. */
export interface PlateauState {
  readonly rate: number;
  readonly best: number;
  readonly badReports: number;
  readonly cooldown: number;
}

/** What `reduceOnPlateau` makes. */
export interface Plateau {
  readonly init: (rate: number) => PlateauState;
  /** The state after a report of the metric; the rate falls when more than `patience` reports were no better. */
  readonly update: (state: PlateauState, metric: number) => PlateauState;
}

/**
 * Multiplies the rate by `factor` when a metric has not improved for more than `patience` reports in a row. NaN is no
 * improvement.
 *
 * ```ts
 * const plateau = reduceOnPlateau({ factor: 0.5, patience: 2 });
 * let seen = plateau.init(1e-3);
 * seen = plateau.update(seen, await validationLoss.item());
 * state = withLearningRate(state, seen.rate);
 * ```
 */
export function reduceOnPlateau(options: PlateauOptions = {}): Plateau {
  const { factor = 0.1, patience = 10, mode = "min", threshold = 1e-4, thresholdMode = "relative" } = options;
  const { cooldown = 0, least = 0, eps = 1e-8 } = options;
  requireWithin("reduceOnPlateau", "factor", factor, 0, 1);
  requireWhole("reduceOnPlateau", "patience", patience, 0);
  const direction = mode === "min" ? -1 : 1;
  const isBetter = (metric: number, best: number): boolean => {
    if (!Number.isFinite(best)) return direction * (metric - best) > 0;
    const bar = best + direction * (thresholdMode === "relative" ? threshold * best : threshold);
    return direction * (metric - bar) > 0;
  };
  return {
    init: (rate) => ({ rate, best: -direction * Infinity, badReports: 0, cooldown: 0 }),
    update(state, metric) {
      const better = isBetter(metric, state.best);
      const best = better ? metric : state.best;
      const waiting = state.cooldown > 0;
      const badReports = better || waiting ? 0 : state.badReports + 1;
      const rest = waiting ? state.cooldown - 1 : 0;
      if (badReports <= patience) return { rate: state.rate, best, badReports, cooldown: rest };
      const lower = Math.max(state.rate * factor, least);
      const rate = state.rate - lower > eps ? lower : state.rate;
      return { rate, best, badReports: 0, cooldown };
    },
  };
}
