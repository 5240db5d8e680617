/**
 * Checkpoints: a run as two files from which it goes on bit for bit. At any moment the files on the disk are whole and
 * belong together, also if the process is killed or the power fails.
 */
import { ValueError } from "@dormouse/tensor";
import { type EarlyStoppingOptions, better, scoreOf, validated } from "./callbacks.ts";
import { builtin, removeLeftovers } from "./files.ts";
import type { Callback, EpochReport, Progress } from "./fit.ts";
import { load, loadWithMetadata, save } from "./save.ts";

export interface CheckpointOptions extends Pick<EarlyStoppingOptions, "monitor" | "mode"> {
  /** Go on from the last checkpoint of the folder, if there is one. Default false. */
  readonly resume?: boolean;
  /** Give the model of the best epoch back at the end, unless the run was aborted. Default false. */
  readonly restoreBest?: boolean;
  /** Seconds after which the state within an epoch is written as well. Default: only after epochs. */
  readonly every?: number;
  /** What a run must have in common with the one it goes on with, by name: the seed, a hash of the data. */
  readonly identity?: Readonly<Record<string, string>>;
}

/**
 * Writes `last.safetensors` after every epoch, and when a run is aborted, and `best.safetensors` after every best
 * epoch. `last` holds the model, the state of the optimizer, the average of the weights, the position in the data and
 * the history, from which a run goes on bit for bit; `best` the weights that were validated. Needs a file system.
 *
 * Throws `ValueError` where the folder has a run of another `identity`.
 */
export function checkpoint<M extends object>(folder: string, options: CheckpointOptions = {}): Callback<M> {
  const { monitor = "loss", resume = false, restoreBest = false, every = Infinity, identity = {} } = options;
  const improved = better(monitor, options.mode);
  const path = (name: "last" | "best"): string => `${folder}/${name}.safetensors`;
  let best: number | null = null;
  let written = 0;
  const isBest = (report: EpochReport): boolean => {
    const score = scoreOf("checkpoint", monitor, report);
    if (best !== null && !improved(score, best)) return false;
    best = score;
    return true;
  };
  const writeLast = async ({ model, state, average, totals, step, seconds, history }: Progress<M>): Promise<void> => {
    const metadata = { format, step: String(step), seconds: String(seconds), history: toJson(history), identity: toJson(identity) };
    await save(path("last"), { model, state, average, totals }, metadata);
    written = performance.now();
  };
  return {
    async start({ model, state, average, totals }) {
      best = null;
      written = performance.now();
      if (!resume) return undefined;
      await removeLeftovers(folder);
      if (!builtin("checkpoint", "node:fs").existsSync(path("last"))) return undefined;
      const { tree, metadata } = await loadWithMetadata(path("last"), { model, state, average, totals });
      requireSame(path("last"), metadata, identity);
      const history = fromJson(metadata["history"]!) as EpochReport[];
      history.forEach(isBest);
      return { ...tree, history, step: Number(metadata["step"]), seconds: Number(metadata["seconds"]) };
    },
    async step(_report, progress) {
      if (performance.now() - written >= every * 1000) await writeLast(progress);
    },
    async epoch(report, progress) {
      // The best one first: the last one, which says which epoch was best, must not be ahead of it.
      if (isBest(report)) await save(path("best"), { model: validated(progress) }, { format, epoch: String(report.epoch) });
      await writeLast(progress);
    },
    async end(run) {
      if (run.reason === "aborted") await writeLast(run);
      else if (restoreBest && best !== null) return (await load(path("best"), { model: run.model })).model;
      return undefined;
    },
  };
}

const format = "dormouse-checkpoint/1";

function requireSame(path: string, metadata: Readonly<Record<string, string>>, identity: Readonly<Record<string, string>>): void {
  if (metadata["format"] !== format) {
    throw new ValueError("checkpoint", `${path} is no checkpoint of this version`, {
      expected: format, received: metadata["format"], hint: "begin in a new folder",
    });
  }
  const before = fromJson(metadata["identity"]!) as Readonly<Record<string, string>>;
  for (const [name, value] of Object.entries(identity)) {
    if (before[name] === value) continue;
    throw new ValueError("checkpoint", `${path} is of a run with another ${name}`, {
      expected: value, received: before[name], hint: "go on with what the run began with, or begin in a new folder",
    });
  }
}

/** JSON has no NaN and no infinities, and a validation loss may be any of them. */
const toJson = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) => (typeof each === "number" && !Number.isFinite(each) ? String(each) : each));

const fromJson = (text: string): unknown =>
  JSON.parse(text, (_, each: unknown) => (typeof each === "string" && /^(NaN|-?Infinity)$/.test(each) ? Number(each) : each));
