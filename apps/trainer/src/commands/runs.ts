/** `dormouse runs`: what has been trained: a list, a comparison, and an end to runs that nobody needs. */
import { existsSync, lstatSync, readFileSync, readdirSync, readlinkSync, realpathSync, rmSync, statSync, symlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type ExitCode, Failure, exitCodes } from "../failure.ts";
import { readSettings } from "../layers.ts";
import { type RunFolder, openRunFolder } from "../runFolder.ts";
import type { SplitScores } from "../scores.ts";
import { type Settings, changedSettings, valueAt } from "../settings.ts";
import type { Context } from "./context.ts";
import { aligned } from "./inspect.ts";

/** What is known of a run without its model. */
interface RunSummary {
  readonly name: string;
  readonly path: string;
  readonly state: "finished" | "unfinished";
  readonly started: string;
  readonly task: string | null;
  readonly seconds: number | null;
  readonly test: SplitScores | null;
}

/** `runs list`: every run of a folder, the oldest first. */
export function listRuns(runs: string, json: boolean, { terminal }: Context): ExitCode {
  const list = runsIn(runs).map(summaryOf).sort((a, b) => (a.started < b.started ? -1 : 1));
  if (json) terminal.out(`${JSON.stringify(list)}\n`);
  else if (list.length === 0) terminal.error(`${runs}: there are no runs\n`);
  else {
    const lines = list.map(({ name, state, task, seconds, test }) => [
      name, state, task ?? "", seconds === null ? "" : `${seconds.toFixed(1)} s`, ...["loss", "accuracy", "r2"].map((score) => shown(test?.[score])),
    ]);
    terminal.out(`${aligned([["run", "state", "task", "time", "test loss", "accuracy", "r2"], ...lines], [3, 4, 5, 6]).join("\n")}\n`);
  }
  return exitCodes.ok;
}

/** `runs compare`: settings in which runs differ, and their scores side by side. */
export function compareRuns(paths: readonly string[], json: boolean, { terminal }: Context): ExitCode {
  if (paths.length < 2) throw new Failure("usage", "runs compare: name two runs or more");
  const folders = paths.map(openRunFolder);
  const settings = folders.map((folder) => readSettings(folder.at("config.resolved.yaml")));
  const summaries = folders.map(summaryOf);
  const different = [...new Set(settings.flatMap((each) => changedSettings(settings[0]!, each)))];
  const scores = [...new Set(summaries.flatMap(({ test }) => Object.keys(test ?? {})))];
  if (json) {
    const differences = (each: Settings) => Object.fromEntries(different.map((path) => [path, settingOf(each, path)]));
    const runs = summaries.map((run, i) => ({ ...run, settings: differences(settings[i]!) }));
    terminal.out(`${JSON.stringify(runs)}\n`);
    return exitCodes.ok;
  }
  const right = paths.map((_, i) => i + 1);
  const lines = [
    ["", ...summaries.map(({ name }) => name)],
    ...different.map((path) => [path, ...settings.map((each) => brief(JSON.stringify(settingOf(each, path))))]),
    ["state", ...summaries.map(({ state }) => state)],
    ["seconds", ...summaries.map(({ seconds }) => seconds?.toFixed(1) ?? "")],
    ...scores.map((score) => [`test ${score}`, ...summaries.map(({ test }) => shown(test?.[score]))]),
  ];
  terminal.out(`${aligned(lines, right).join("\n")}\n`);
  return exitCodes.ok;
}

/** `runs rm`: deletes runs, and nothing that is none. */
export function removeRuns(paths: readonly string[], { terminal }: Context): ExitCode {
  // All are looked at before the first is gone; `latest` means the run that it points at.
  const folders = [...new Set(paths.map((path) => realpathSync(openRunFolder(path).path)))];
  for (const folder of folders) {
    rmSync(folder, { recursive: true });
    pointLatestElsewhere(dirname(folder), basename(folder));
    terminal.error(`deleted ${folder}\n`);
  }
  return exitCodes.ok;
}

/** Lets `latest` point at the newest run that is left, where it pointed at the one that is gone. */
function pointLatestElsewhere(runs: string, gone: string): void {
  const link = join(runs, "latest");
  if (!lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink() || basename(readlinkSync(link)) !== gone) return;
  rmSync(link);
  const newest = runsIn(runs).map(summaryOf).sort((a, b) => (a.started < b.started ? 1 : -1))[0];
  if (newest) symlinkSync(process.platform === "win32" ? newest.path : newest.name, link, process.platform === "win32" ? "junction" : null);
}

/** The run folders in a folder; everything else in it is left out. */
function runsIn(runs: string): RunFolder[] {
  if (!existsSync(runs)) throw new Failure("usage", `${runs}: there is no such folder; --runs <folder> names another`);
  if (!statSync(runs).isDirectory()) throw new Failure("usage", `${runs} is no folder`);
  return readdirSync(runs, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith(".") && existsSync(join(runs, entry.name, "config.resolved.yaml")))
    .map(({ name }) => openRunFolder(join(runs, name)));
}

function summaryOf(folder: RunFolder): RunSummary {
  const scores = read<{ task: string; seconds: number; metrics: Record<string, SplitScores> }>(folder, "scores.json");
  const environment = read<{ started: string }>(folder, "env.json");
  return {
    name: basename(realpathSync(folder.path)),
    path: folder.path,
    state: scores ? "finished" : "unfinished",
    started: environment?.started ?? "",
    task: scores?.task ?? null,
    seconds: scores?.seconds ?? null,
    test: scores?.metrics["test"] ?? null,
  };
}

/** A JSON file of a run; null where there is none yet. */
function read<T>(folder: RunFolder, name: string): T | null {
  if (!existsSync(folder.at(name))) return null;
  try {
    return JSON.parse(readFileSync(folder.at(name), "utf8")) as T;
  } catch (error) {
    throw new Failure("usage", `${folder.at(name)} cannot be read: ${(error as Error).message}`);
  }
}

const settingOf = (settings: Settings, path: string): unknown => valueAt(settings, path.split("."));

const brief = (text: string): string => (text.length > 40 ? `${text.slice(0, 39)}…` : text);

const shown = (score: number | null | undefined): string => (typeof score === "number" ? score.toFixed(4) : "");
