/** `dormouse sweep`: many runs with different settings, the best of them, and an ensemble of the best. */
import { existsSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { availableParallelism } from "node:os";
import { relative, resolve } from "node:path";
import { parse as parseYaml, stringify } from "yaml";
import { resultsOf } from "../results.ts";
import { onDevice } from "../device.ts";
import { type ExitCode, Failure, exitCodes } from "../failure.ts";
import { RunFolder, createFolder } from "../runFolder.ts";
import type { SplitScores } from "../scores.ts";
import { type PartialSettings, resolveSettings } from "../settings.ts";
import { readProblem, sourceOf } from "../sources/source.ts";
import { ensembleOf } from "../sweep/ensemble.ts";
import { type Assignments, draws, grid, parseAxis, rungs } from "../sweep/space.ts";
import { type Common, type TrialResult, runTrials } from "../sweep/trials.ts";
import type { Context } from "./context.ts";

const searches = ["grid", "random", "halving"] as const;

/** What a search is, as kept in `sweep.json`. */
export interface Search {
  /** Data, as typed. */
  readonly source: string | null;
  /** Settings and their values, as typed. */
  readonly axes: readonly string[];
  readonly search: string;
  /** Draws; null for all combinations. */
  readonly trials: number | null;
  /** Which score decides: a part and a score, as validation.loss. */
  readonly monitor: string;
  /** Runs in the ensemble; 0 for none. */
  readonly ensemble: number;
}

export interface SweepRequest extends Search {
  readonly given: PartialSettings;
  readonly runs: string;
  readonly resume: string | null;
  readonly workers: number | null;
  readonly json: boolean;
}

/** One in so many goes on to the next round of halving. */
const eta = 3;

/** Runs the command. */
export async function sweep(request: SweepRequest, context: Context): Promise<ExitCode> {
  const folder = request.resume === null ? await newSweep(request) : oldSweep(request);
  const search = request.resume === null ? request : (JSON.parse(readFileSync(folder.at("sweep.json"), "utf8")) as Search);
  const given = (parseYaml(readFileSync(folder.at("base.yaml"), "utf8")) ?? {}) as PartialSettings;
  const settings = settingsOf(search, given);
  const candidates = candidatesOf(search, settings.seed);
  const processors = availableParallelism();
  const workers = request.workers ?? Math.max(1, Math.min(candidates.length, Math.floor(processors / 2)));
  const common = { folder, source: search.source, threads: settings.threads ?? Math.max(1, Math.floor(processors / workers)) };
  const { terminal } = context;
  terminal.error(`${search.search} search over ${search.axes.length} settings: ${candidates.length} trials, ${workers} at a time\n`);

  const results = await runAll(search, candidates, settings.training.epochs, common, workers, context);
  if (context.signal.aborted) {
    const reason = context.signal.reason === "SIGTERM" ? "terminated" : "interrupted";
    throw new Failure(reason, `${reason}; everything so far is saved, go on with: dormouse sweep --resume ${folder.path}`);
  }
  const ranked = rank(results, search.monitor);
  folder.write("results.csv", resultsCsv(ranked, search.monitor));
  const good = ranked.filter(({ runDir, metrics }) => runDir !== null && !Number.isNaN(scoreOf(metrics!, search.monitor)));
  if (good.length === 0) {
    const problem = ranked[0]!.problem ?? `${search.monitor} is not a number`;
    throw new Failure("diverged", `no trial came to an end; the first: ${problem}`);
  }
  const best = good[0]!;
  linkTo(folder, best.runDir!);
  const members = good.slice(0, search.ensemble).map(({ runDir }) => runDir!);
  const ensemble = members.length < 2 ? null : await onDevice(settings, async () => {
    const made = await ensembleOf(members, folder.at("ensemble"));
    return resultsOf(made.folder, await readProblem(settings), made.conclusion);
  });
  if (request.json) {
    const results = { sweepDir: folder.path, search: search.search, monitor: search.monitor };
    terminal.out(`${JSON.stringify({ ...results, trials: ranked, best: best.runDir, ensemble })}\n`);
  } else {
    terminal.out(resultTable(ranked, search.monitor));
    terminal.out(`\nbest        ${best.runDir!}\n`);
    if (ensemble) {
      const score = scoreOf(ensemble.metrics, search.monitor).toFixed(4);
      terminal.out(`ensemble    ${ensemble.runDir}  ${search.monitor} ${score}\n`);
    }
  }
  return exitCodes.ok;
}

const settingsOf = ({ source }: Search, given: PartialSettings) => {
  const data = sourceOf(source ?? undefined, given);
  return resolveSettings(data.source!, given, { data });
};

/** Checks everything that can be wrong before the first trial, and writes it down. */
async function newSweep(request: SweepRequest): Promise<RunFolder> {
  const { given, runs, axes, search, trials, monitor, ensemble } = request;
  const source = request.source !== null && existsSync(request.source) ? resolve(request.source) : request.source;
  const kept: Search = { source, axes, search, trials, monitor, ensemble };
  const settings = settingsOf(kept, given);
  if (candidatesOf(kept, settings.seed).length === 0) throw new Failure("usage", "there are no trials; give values with --try");
  const apart = axes.find((text) => /^(data|split)\.|^seed=/.test(text));
  if (apart !== undefined && ensemble > 1) {
    throw new Failure("usage", `--try ${apart}: changes the rows or columns of a run, and an ensemble needs the same; add --ensemble 0`);
  }
  const { schema } = await readProblem(settings);
  const known = schema.task.kind === "regression" ? ["loss", "r2", "rmse", "mae"] : ["loss", "accuracy", "ece", "rocAuc"];
  const [part, score] = monitor.split(".");
  if (!["train", "validation", "calibration", "test"].includes(part ?? "") || !known.includes(score ?? "")) {
    throw new Failure("usage", `--monitor ${monitor}: must be a part and a score, as validation.${known.join(", validation.")}`);
  }
  return createFolder(runs, `sweep-${settings.data.name}`, new Date(), { "base.yaml": stringify(given), "sweep.json": kept });
}

function oldSweep({ resume, source, axes }: SweepRequest): RunFolder {
  if (source !== null || axes.length > 0) {
    throw new Failure("usage", "--resume goes on with the data and the settings of the search; leave out others");
  }
  const folder = new RunFolder(resume!);
  if (!folder.has("sweep.json")) throw new Failure("usage", `${resume!} is not the folder of a search: it has no sweep.json`);
  return folder;
}

function candidatesOf({ axes, search, trials }: Search, seed: number): Assignments[] {
  if (!searches.includes(search as never)) throw new Failure("usage", `--search ${search}: must be one of ${searches.join(", ")}`);
  if (axes.length === 0) {
    throw new Failure("usage", "what is to be tried? --try <setting=values>, as training.learningRate=1e-3,1e-2");
  }
  const parsed = axes.map(parseAxis);
  if (search === "random" && trials === null) throw new Failure("usage", "--search random: how many trials? --trials <count>");
  if (search === "grid" && trials !== null) {
    throw new Failure("usage", "--trials: goes with --search random or halving; a grid has all combinations");
  }
  return trials === null ? grid(parsed) : draws(parsed, trials, seed);
}

async function runAll(
  { search, monitor }: Search, candidates: readonly Assignments[], epochs: number, common: Common, workers: number,
  { terminal, signal }: Context,
): Promise<TrialResult[]> {
  const rounds = search === "halving" ? rungs(candidates.length, epochs, eta) : [{ trials: candidates.length, epochs }];
  let contenders = candidates.map((assignments, i) => ({ trial: i + 1, assignments }));
  const latest = new Map<number, TrialResult>();
  for (const round of rounds) {
    const requests = contenders.slice(0, round.trials).map((each) => ({ ...each, epochs: round.epochs }));
    const report = (result: TrialResult): void => terminal.error(`${lineOf(result, monitor)}\n`);
    const results = await runTrials(requests, common, workers, signal, report);
    if (signal.aborted) return [];
    for (const result of results) latest.set(result.trial, result);
    contenders = rank(results, monitor);
  }
  return [...latest.values()];
}

const lineOf = ({ trial, assignments, epochs, metrics, problem }: TrialResult, monitor: string): string => {
  const outcome = metrics ? `${monitor} ${scoreOf(metrics, monitor).toFixed(4)}` : `failed: ${problem!}`;
  return `trial ${trial}  ${assignments.join(" ")}  ${epochs} epochs  ${outcome}`;
};

/** The score that decides; JSON knows it as null where it is not a number. */
function scoreOf(metrics: Readonly<Record<string, SplitScores>>, monitor: string): number {
  const [part, score] = monitor.split(".") as [string, string];
  return (metrics[part]?.[score] as number | null | undefined) ?? NaN;
}

/** Of errors less is better, of all else more. Trials of more epochs come first, those without a score last. */
function rank<T extends TrialResult>(results: readonly T[], monitor: string): T[] {
  const sign = /\.(loss|ece|rmse|mae)$/.test(monitor) ? 1 : -1;
  const key = ({ metrics }: T): number => {
    const score = metrics ? scoreOf(metrics, monitor) : NaN;
    return Number.isNaN(score) ? Infinity : sign * score;
  };
  return results.toSorted((a, b) => b.epochs - a.epochs || compare(key(a), key(b)) || a.trial - b.trial);
}

/** As a difference, also of infinities. */
const compare = (a: number, b: number): number => (a < b ? -1 : a > b ? 1 : 0);

function linkTo(folder: RunFolder, run: string): void {
  rmSync(folder.at("best"), { force: true });
  symlinkSync(relative(resolve(folder.path), resolve(run)), folder.at("best"), "dir");
}

const settingsIn = (assignments: Assignments): [string, string][] =>
  assignments.map((each) => [each.slice(0, each.indexOf("=")), each.slice(each.indexOf("=") + 1)]);

function resultsCsv(results: readonly TrialResult[], monitor: string): string {
  const names = settingsIn(results[0]!.assignments).map(([name]) => name);
  const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = results.map(({ trial, epochs, assignments, metrics, runDir, problem }) =>
    [
      String(trial), String(epochs), ...settingsIn(assignments).map(([, value]) => value),
      metrics ? String(scoreOf(metrics, monitor)) : "", runDir ?? "", problem ?? "",
    ].map(quoted).join(","));
  return `${["trial", "epochs", ...names, monitor, "run", "problem"].map(quoted).join(",")}\n${lines.map((line) => `${line}\n`).join("")}`;
}

function resultTable(results: readonly TrialResult[], monitor: string): string {
  const rows = results.map(({ trial, epochs, assignments, metrics, problem }) =>
    [
      String(trial), String(epochs), metrics ? scoreOf(metrics, monitor).toFixed(4) : "failed",
      problem ?? assignments.join("  "),
    ]);
  const width = Math.max(10, monitor.length);
  return [["trial", "epochs", monitor, ""], ...rows]
    .map(([trial, epochs, score, text]) =>
      `${`${trial!.padEnd(6)} ${epochs!.padStart(6)} ${score!.padStart(width)}  ${text!}`.trimEnd()}\n`)
    .join("");
}
