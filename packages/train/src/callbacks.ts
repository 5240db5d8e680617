/** Ready-made callbacks of `fit` that need no files: progress lines, early stopping, a rate that falls on a plateau. */
import { type PlateauOptions, type State, learningRateOf, reduceOnPlateau, withLearningRate } from "@dormouse/optim";
import { ValueError, add, evaluate, mapTree } from "@dormouse/tensor";
import type { Callback, EpochReport, Progress, StepReport } from "./fit.ts";
import type { Scores } from "./totals.ts";

export interface ProgressOptions {
  /** Receives every line, and every rewrite of the current line. Default: standard error, or the console. */
  readonly write?: (text: string) => void;
  /** Rewrite one line while an epoch goes on. Default: where standard error is a terminal. */
  readonly live?: boolean;
}

interface Terminal {
  readonly stderr?: { readonly isTTY?: boolean; write(text: string): unknown };
}

/** Prints one line per epoch, and a live line with a bar while the epoch goes on. */
export function progress<M extends object>(options: ProgressOptions = {}): Callback<M> {
  const terminal = (globalThis as { readonly process?: Terminal }).process?.stderr;
  const live = options.live ?? terminal?.isTTY === true;
  // eslint-disable-next-line no-console -- where there is no standard error, as in a page, progress is what the console is for
  const write = options.write ?? ((text: string) => (terminal ? terminal.write(text) : console.error(text.trimEnd())));
  const erase = live ? "\r\x1b[K" : "";
  return {
    step(report) {
      if (live) write(`${erase}${liveLine(report)}`);
    },
    epoch(report, { epochs }) {
      write(`${erase}${epochLine(report, epochs)}\n`);
    },
  };
}

const show = (scores: Scores): string =>
  Object.entries(scores).map(([name, value]) => `${name} ${value.toFixed(4)}`).join("  ");

function epochLine({ epoch, train, validation, seconds }: EpochReport, epochs: number): string {
  const width = String(epochs).length;
  const rest = validation ? `   validation ${show(validation)}` : "";
  return `epoch ${String(epoch + 1).padStart(width)}/${epochs}  ${show(train)}${rest}   ${seconds.toFixed(1)} s`;
}

function liveLine({ epoch, step, steps, epochs, scores, examplesPerSecond, secondsLeft }: StepReport): string {
  const filled = Math.round((20 * step) / steps);
  const bar = "█".repeat(filled) + "░".repeat(20 - filled);
  return `epoch ${epoch + 1}/${epochs}  ${bar} ${step}/${steps}  ${show(scores)}  ${Math.round(examplesPerSecond)}/s  ${duration(secondsLeft)} left`;
}

/** `42 s`, `3:07` or `1:02:45`; `?` where nothing can be said yet. */
function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  const two = (value: number): string => String(value % 60).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes}:${two(whole)}` : `${Math.floor(minutes / 60)}:${two(minutes)}:${two(whole)}`;
}

export interface EarlyStoppingOptions {
  /** Epochs without improvement before the run stops. Default 5. */
  readonly patience?: number;
  /** Which score: `loss`, or the name of a metric. Default `loss`. */
  readonly monitor?: string;
  /** Whether the score should fall or rise. Default: a loss or error falls, everything else rises. */
  readonly mode?: "min" | "max";
  /** Smallest change that counts. Default 0. */
  readonly minDelta?: number;
  /** Give the model of the best epoch back at the end. Default true. */
  readonly restoreBest?: boolean;
}

/**
 * Stops when a validation score has not improved for some epochs. A run that is resumed counts the epochs before it;
 * the model of an epoch before it is not in memory, so that only `checkpoint({ restoreBest })` can give it back. An
 * aborted run keeps the model it has.
 */
export function earlyStopping<M extends object>(options: EarlyStoppingOptions = {}): Callback<M> {
  const { patience = 5, monitor = "loss", minDelta = 0, restoreBest = true } = options;
  const improved = better(monitor, options.mode, minDelta);
  let best: { readonly score: number; readonly epoch: number; readonly model: M | null } | null = null;
  const consider = (report: EpochReport, progress: Progress<M> | null): "stop" | undefined => {
    const score = scoreOf("earlyStopping", monitor, report);
    if (best && !improved(score, best.score)) return report.epoch - best.epoch >= patience ? "stop" : undefined;
    best = { score, epoch: report.epoch, model: restoreBest && progress ? copyTree(validated(progress)) : null };
    return undefined;
  };
  return {
    start(progress) {
      best = null;
      let last: "stop" | undefined;
      // Within an epoch the weights are no longer those that were validated.
      for (const report of progress.history) {
        last = consider(report, progress.step === 0 && report === progress.history.at(-1) ? progress : null);
      }
      return last;
    },
    epoch: consider,
    end: ({ reason }) => (reason === "aborted" ? undefined : (best?.model ?? undefined)),
  };
}

/** A tree with memory of its own, which later donations do not touch. */
function copyTree<M extends object>(tree: M): M {
  const copy = mapTree((leaf) => (leaf.dtype === "bool" ? leaf : add(leaf, 0)), tree);
  evaluate(copy);
  return copy;
}

/** The weights that the validation scores are of. */
export const validated = <M>({ average, model }: Progress<M>): M => average?.value ?? model;

const direction = (monitor: string): "min" | "max" => (/loss|error|mse|mae/i.test(monitor) ? "min" : "max");

/** Whether a score is better than the best so far. */
export const better =
  (monitor: string, mode: "min" | "max" = direction(monitor), minDelta = 0) =>
  (score: number, best: number): boolean =>
    Number.isNaN(best) || (mode === "min" ? score < best - minDelta : score > best + minDelta);

/** The score that is monitored: of the validation data, or of the training data where there is no other. */
export function scoreOf(op: string, monitor: string, { train, validation }: EpochReport): number {
  const score = (validation ?? train)[monitor];
  if (score === undefined) {
    throw new ValueError(op, `there is no score ${monitor}`, {
      expected: Object.keys(train),
      received: monitor,
      hint: "name the loss or one of the metrics",
    });
  }
  return score;
}

export interface ReduceRateOptions extends Omit<PlateauOptions, "mode"> {
  /** Which score: `loss`, or the name of a metric. Default `loss`. */
  readonly monitor?: string;
  /** Whether the score should fall or rise. Default: a loss or error falls, everything else rises. */
  readonly mode?: "min" | "max";
}

/**
 * Lowers the learning rate when a validation score has not improved for more than `patience` epochs, as
 * `reduceOnPlateau` decides it. A resumed run counts the epochs before it. Put it behind `checkpoint`, which reads them.
 *
 * Throws `ValueError` where a schedule decides the rate, or the optimizer has none.
 *
 * @example
 * const callbacks = [checkpoint("runs/a", { resume: true }), reduceRate({ factor: 0.5, patience: 3 })];
 */
export function reduceRate<M extends object>({ monitor = "loss", ...options }: ReduceRateOptions = {}): Callback<M> {
  const plateau = reduceOnPlateau({ ...options, mode: options.mode ?? direction(monitor) });
  let seen = plateau.init(0);
  const consider = (report: EpochReport): void => {
    seen = plateau.update(seen, scoreOf("reduceRate", monitor, report));
  };
  return {
    async start({ history, state }) {
      // The history knows the rate of its first epoch, and so all that followed from it.
      seen = plateau.init(history[0]?.learningRate ?? (await learningRateOf(state as State).item()));
      history.forEach(consider);
      return { state: withLearningRate(state as State, seen.rate) };
    },
    epoch(report, { state }) {
      const { rate } = seen;
      consider(report);
      return seen.rate === rate ? undefined : { state: withLearningRate(state as State, seen.rate) };
    },
  };
}
