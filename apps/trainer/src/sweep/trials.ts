/**
 * Trials of a search as processes of their own, several at a time. What a trial came to is kept in a file, so that a
 * search that was stopped, however, does nothing twice: a trial that has a run goes on with it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { argv, env, execPath } from "node:process";
import { exitCodes } from "../failure.ts";
import type { RunFolder } from "../runFolder.ts";
import type { SplitScores } from "../scores.ts";
import type { Assignments } from "./space.ts";

/** What a trial came to. */
export interface TrialResult {
  /** Counted from 1. */
  readonly trial: number;
  readonly assignments: Assignments;
  /** Epochs that it was allowed. */
  readonly epochs: number;
  /** Null where it failed. */
  readonly runDir: string | null;
  readonly metrics: Readonly<Record<string, SplitScores>> | null;
  readonly seconds: number;
  /** Why it failed: the last line of its messages. */
  readonly problem: string | null;
}

export interface TrialRequest {
  readonly trial: number;
  readonly assignments: Assignments;
  readonly epochs: number;
}

/** The words that every trial of a search has in common. */
export interface Common {
  readonly folder: RunFolder;
  /** Data, as typed. */
  readonly source: string | null;
  readonly threads: number;
}

const resultFile = ({ trial, epochs }: TrialRequest): string => `trial-${trial}-epochs-${epochs}.json`;

/** Runs trials, `workers` at a time, and gives their results in order. Ends early where the signal says so. */
export async function runTrials(
  requests: readonly TrialRequest[], common: Common, workers: number, signal: AbortSignal,
  report: (result: TrialResult) => void,
): Promise<TrialResult[]> {
  const results = new Array<TrialResult>(requests.length);
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < requests.length && !signal.aborted) {
      const at = next++;
      const result = await runTrial(requests[at]!, common, signal);
      if (result === null) return;
      results[at] = result;
      report(result);
    }
  };
  await Promise.all(Array.from({ length: Math.min(workers, requests.length) }, work));
  return results;
}

/** The result of a trial, from its file if it is there; null where the signal ended it. */
async function runTrial(request: TrialRequest, { folder, source, threads }: Common, signal: AbortSignal): Promise<TrialResult | null> {
  const file = resultFile(request);
  if (folder.has(file)) return JSON.parse(readFileSync(folder.at(file), "utf8")) as TrialResult;
  const { trial, assignments, epochs } = request;
  const runs = folder.at(`trial-${trial}`);
  // The link appears after the folder of the run is complete.
  const begun = existsSync(join(runs, "latest"));
  const budget = ["--set", `training.epochs=${epochs}`, "--threads", String(threads), "--json"];
  const words = begun
    ? ["train", "--resume", realpathSync(join(runs, "latest")), ...budget]
    : [
        "train", ...(source === null ? [] : [source]), "--config", folder.at("base.yaml"),
        ...assignments.flatMap((each) => ["--set", each]), ...budget, "--runs", runs,
      ];
  const { code, out, error } = await ended(startSelf(words), signal);
  if (signal.aborted) return null;
  const result = code === exitCodes.ok ? succeeded(request, out) : failed(request, error);
  folder.write(file, result);
  return result;
}

/** This command with other words. Settings of the environment are in the file of common settings already. */
function startSelf(words: readonly string[]): ChildProcess {
  const inherited = Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("DORMOUSE_")));
  // A group of its own, so that Ctrl-C reaches it once, through this process; the channel ends it if this one is killed.
  return spawn(execPath, [argv[1]!, ...words], { env: inherited, detached: true, stdio: ["ignore", "pipe", "pipe", "ipc"] });
}

function ended(child: ChildProcess, signal: AbortSignal): Promise<{ code: number | null; out: string; error: string }> {
  return new Promise((resolve, reject) => {
    let [out, error] = ["", ""];
    child.stdout!.on("data", (part: Buffer) => (out += part.toString()));
    child.stderr!.on("data", (part: Buffer) => (error += part.toString()));
    const stop = (): void => void child.kill(signal.reason === "SIGINT" ? "SIGINT" : "SIGTERM");
    signal.addEventListener("abort", stop, { once: true });
    child.on("error", reject);
    child.on("close", (code) => {
      signal.removeEventListener("abort", stop);
      resolve({ code, out, error });
    });
  });
}

function succeeded({ trial, assignments, epochs }: TrialRequest, out: string): TrialResult {
  const { runDir, seconds, metrics } = JSON.parse(out) as Pick<TrialResult, "runDir" | "seconds" | "metrics">;
  return { trial, assignments, epochs, runDir, seconds, metrics, problem: null };
}

const failed = ({ trial, assignments, epochs }: TrialRequest, error: string): TrialResult => ({
  trial, assignments, epochs, runDir: null, metrics: null, seconds: 0,
  problem: error.trimEnd().split("\n").at(-1)!.replace(/^dormouse: /, ""),
});
