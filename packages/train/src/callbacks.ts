/** Ready-made callbacks of `fit`: progress lines, early stopping, checkpoints. */
import { ValueError, add, mapTree } from "@dormouse/tensor";
import type { Callback, EpochReport, Progress, Scores, StepReport } from "./fit.ts";
import { loadWithMetadata, save } from "./save.ts";

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
export function progress(options: ProgressOptions = {}): Callback {
  const terminal = (globalThis as { readonly process?: Terminal }).process?.stderr;
  const live = options.live ?? terminal?.isTTY === true;
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

function liveLine({ epoch, step, steps, scores, examplesPerSecond }: StepReport): string {
  const filled = Math.round((20 * step) / steps);
  return `epoch ${epoch + 1}  ${"█".repeat(filled)}${"░".repeat(20 - filled)} ${step}/${steps}  ${show(scores)}  ${Math.round(examplesPerSecond)}/s`;
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

/** Stops when a validation score has not improved for some epochs. */
export function earlyStopping<M extends object>(options: EarlyStoppingOptions = {}): Callback<M> {
  const { patience = 5, monitor = "loss", minDelta = 0, restoreBest = true } = options;
  const improved = better(monitor, options.mode, minDelta);
  let best: { readonly score: number; readonly epoch: number; readonly model: M | null } | null = null;
  return {
    epoch(report, { model }) {
      const score = scoreOf("earlyStopping", monitor, report);
      if (!best || improved(score, best.score)) {
        best = { score, epoch: report.epoch, model: restoreBest ? copyTree(model) : null };
      }
      return report.epoch - best.epoch >= patience ? "stop" : undefined;
    },
    end: () => best?.model ?? undefined,
  };
}

/** A tree with memory of its own, which later donations do not touch. */
const copyTree = <M extends object>(tree: M): M =>
  mapTree((leaf) => (leaf.dtype === "bool" ? leaf : add(leaf, 0)), tree) as M;

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
}

/**
 * Writes `last.safetensors` after every epoch and `best.safetensors` after every best one: the model, the state of
 * the optimizer and the history, from which a run goes on bit for bit. Needs a file system.
 */
export function checkpoint<M extends object>(folder: string, options: CheckpointOptions = {}): Callback<M> {
  const { monitor = "loss", resume = false } = options;
  const improved = better(monitor, options.mode);
  let best: number | null = null;
  const write = (name: string, { model, state, history }: Progress<M>): Promise<void> =>
    save(`${folder}/${name}.safetensors`, { model, state }, { history: JSON.stringify(history) });
  return {
    async start(progress) {
      if (!resume) return undefined;
      const path = `${folder}/last.safetensors`;
      const { existsSync } = await import("node:fs");
      if (!existsSync(path)) return undefined;
      const { tree, metadata } = await loadWithMetadata(path, { model: progress.model, state: progress.state });
      const history = JSON.parse(metadata.history ?? "[]") as EpochReport[];
      for (const report of history) {
        const score = scoreOf("checkpoint", monitor, report);
        if (best === null || improved(score, best)) best = score;
      }
      return { ...tree, history };
    },
    async epoch(report, progress) {
      await write("last", progress);
      const score = scoreOf("checkpoint", monitor, report);
      if (best !== null && !improved(score, best)) return;
      best = score;
      await write("best", progress);
    },
  };
}
