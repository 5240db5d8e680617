/**
 * When a descent has gone far enough. The decision is made on the host, from numbers that were read, so its state is a
 * plain object as that of `reduceOnPlateau`. It stops nothing by itself.
 */
import { type Tensor, ValueError, mapTree, sub } from "@dormouse/tensor";
import { globalNorm } from "./links.ts";
import { requireWhole, requireWithin } from "./options.ts";
import { isFloat } from "./transform.ts";

export interface StoppingOptions {
  /** Reports at most. Default Infinity. */
  readonly maxSteps?: number;
  /** Stop once ‖Δw‖ is below this. Default 0: never. */
  readonly stepTolerance?: number;
  /** Reports in a row without a better loss before it stops. Default Infinity. */
  readonly patience?: number;
  /** Smallest fall of the loss that counts. Default 0. */
  readonly minDelta?: number;
}

/** What was seen so far. */
export interface StoppingState {
  readonly steps: number;
  readonly best: number;
  readonly badReports: number;
  /** Why to stop, null to go on. `diverged`: a number was not finite. */
  readonly reason: "step" | "steps" | "patience" | "diverged" | null;
}

/** One step, as it is reported. */
export interface StepSeen {
  /** The loss, wanted for `patience`. */
  readonly loss?: number;
  /** ‖Δw‖, wanted for `stepTolerance`; see `stepNorm`. */
  readonly stepNorm?: number;
}

/** What `stopWhen` makes. */
export interface Stopping {
  readonly init: () => StoppingState;
  readonly update: (state: StoppingState, seen: StepSeen) => StoppingState;
}

/**
 * Stops at the first of: a step shorter than `stepTolerance`, `patience` reports in a row without a better loss, `maxSteps`
 * reports, a number that is not finite.
 *
 * @example
 * const stopping = stopWhen({ stepTolerance: 1e-6, maxSteps: 1000, patience: 20 });
 * let seen = stopping.init();
 * for (let loss = 8; seen.reason === null; loss /= 2) seen = stopping.update(seen, { loss, stepNorm: loss / 10 });
 * console.log(seen.reason); // step
 */
export function stopWhen(options: StoppingOptions = {}): Stopping {
  const { maxSteps = Infinity, stepTolerance = 0, patience = Infinity, minDelta = 0 } = options;
  if (maxSteps !== Infinity) requireWhole("stopWhen", "maxSteps", maxSteps, 1);
  if (patience !== Infinity) requireWhole("stopWhen", "patience", patience, 1);
  requireWithin("stopWhen", "stepTolerance", stepTolerance, 0, Infinity);
  requireWithin("stopWhen", "minDelta", minDelta, 0, Infinity);
  const requireNumber = (name: string, option: string, value: number | undefined): number => {
    if (value !== undefined) return value;
    throw new ValueError("stopWhen", `the report has no ${name}, which ${option} needs`, {
      expected: name, received: undefined, hint: `report { ${name} }, or leave ${option} out`,
    });
  };
  return {
    init: () => ({ steps: 0, best: Infinity, badReports: 0, reason: null }),
    update(state, { loss, stepNorm }) {
      const steps = state.steps + 1;
      const length = stepTolerance > 0 ? requireNumber("stepNorm", "stepTolerance", stepNorm) : (stepNorm ?? Infinity);
      const value = patience < Infinity ? requireNumber("loss", "patience", loss) : (loss ?? state.best);
      const isBetter = value < state.best - minDelta;
      const badReports = isBetter ? 0 : state.badReports + 1;
      const isBroken = [loss, stepNorm].some((number) => number !== undefined && !Number.isFinite(number));
      const reason = isBroken ? "diverged"
        : length < stepTolerance ? "step"
        : badReports >= patience ? "patience"
        : steps >= maxSteps ? "steps"
        : null;
      return { steps, best: isBetter ? value : state.best, badReports, reason };
    },
  };
}

/** ‖Δw‖, the Euclidean distance between two trees of parameters: the length of a step. Float tensors count. */
export const stepNorm = <P>(before: P, after: P): Tensor<[]> =>
  globalNorm(mapTree((a, b) => (isFloat(a) ? sub(b!, a) : a), before, after));
