/** Ready-made callbacks of `fit`: progress lines, early stopping, checkpoints. */
import { ValueError, add, evaluate, mapTree } from "@dormouse/tensor";
import type { Callback, EpochReport, Progress, Scores, StepReport } from "./fit.ts";
import { builtin } from "./files.ts";
import { load, loadWithMetadata, save } from "./save.ts";

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

/** `42 s`, `3:07` or `1:02:45`. */
function duration(seconds: number): string {
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
  const consider = (report: EpochReport, model: M | null): void => {
    const score = scoreOf("earlyStopping", monitor, report);
    if (best && !improved(score, best.score)) return;
    best = { score, epoch: report.epoch, model: restoreBest && model ? copyTree(model) : null };
  };
  return {
    start({ history, model }) {
      best = null;
      for (const report of history) consider(report, report === history.at(-1) ? model : null);
    },
    epoch(report, { model }) {
      consider(report, model);
      return report.epoch - best!.epoch >= patience ? "stop" : undefined;
    },
    end: ({ reason }) => (reason === "aborted" ? undefined : (best?.model ?? undefined)),
  };
}

/** A tree with memory of its own, which later donations do not touch. */
function copyTree<M extends object>(tree: M): M {
  const copy = mapTree((leaf) => (leaf.dtype === "bool" ? leaf : add(leaf, 0)), tree);
  evaluate(copy);
  return copy;
}

const better =
  (monitor: string, mode: "min" | "max" = /loss|error|mse|mae/i.test(monitor) ? "min" : "max", minDelta = 0) =>
  (score: number, best: number): boolean =>
    Number.isNaN(best) || (mode === "min" ? score < best - minDelta : score > best + minDelta);

function scoreOf(op: string, monitor: string, { train, validation }: EpochReport): number {
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

export interface CheckpointOptions extends Pick<EarlyStoppingOptions, "monitor" | "mode"> {
  /** Go on from the last checkpoint of the folder, if there is one. Default false. */
  readonly resume?: boolean;
  /** Give the model of the best epoch back at the end, unless the run was aborted. Default false. */
  readonly restoreBest?: boolean;
}

/**
 * Writes `last.safetensors` after every epoch, and when a run is aborted, and `best.safetensors` after every best
 * epoch: the model, the state of the optimizer, the position in the data and the history, from which a run goes on bit
 * for bit. Needs a file system.
 */
export function checkpoint<M extends object>(folder: string, options: CheckpointOptions = {}): Callback<M> {
  const { monitor = "loss", resume = false, restoreBest = false } = options;
  const improved = better(monitor, options.mode);
  let best: number | null = null;
  const path = (name: "last" | "best"): string => `${folder}/${name}.safetensors`;
  const write = (name: "last" | "best", { model, state, totals, step, history }: Progress<M>): Promise<void> =>
    save(path(name), { model, state, totals }, { step: String(step), history: JSON.stringify(history) });
  const isBest = (report: EpochReport): boolean => {
    const score = scoreOf("checkpoint", monitor, report);
    if (best !== null && !improved(score, best)) return false;
    best = score;
    return true;
  };
  return {
    async start({ model, state, totals }) {
      best = null;
      if (!resume) return undefined;
      if (!builtin("checkpoint", "node:fs").existsSync(path("last"))) return undefined;
      const { tree, metadata } = await loadWithMetadata(path("last"), { model, state, totals });
      const history = JSON.parse(metadata.history!) as EpochReport[];
      for (const report of history) isBest(report);
      return { ...tree, history, step: Number(metadata.step) };
    },
    async epoch(report, progress) {
      await write("last", progress);
      if (isBest(report)) await write("best", progress);
    },
    async end(run) {
      if (run.reason === "aborted") await write("last", run);
      else if (restoreBest && best !== null) return (await load(path("best"), { model: run.model })).model;
      return undefined;
    },
  };
}
