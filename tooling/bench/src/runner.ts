/**
 * Measures works on several systems side by side: rounds go from system to system, so that a busy or slow minute of
 * the machine hits all of them. Results are compared before anything is timed. Where the processes come from is the
 * caller's business.
 */
import { disagreement, median, repetitions } from "./statistics.ts";
import { type SystemName, isOnGpu, isOurs } from "./systems/system.ts";
import type { Answers, Command, Greeting } from "./worker.ts";
import { type Suite, type Unit, type Work, inUnit, moreIsBetter } from "./works/work.ts";

/** A process that obeys commands. */
export interface Worker {
  readonly system: SystemName;
  readonly greeting: Greeting;
  ask<C extends Command>(command: C): Promise<Answers[C["name"]]>;
}

/** One system's number for one work. */
export interface Row {
  readonly suite: Suite;
  readonly work: string;
  readonly system: SystemName;
  readonly threads: number;
  /** Node's version, or Python's. */
  readonly engine: string;
  /** null where the system cannot do the work, or its results are not confirmed. */
  readonly median: number | null;
  readonly unit: Unit;
  /** Above 1: Dormouse is that many times faster (or smaller). null where one of the two has no number. */
  readonly vsUs: number | null;
  /** Of what this machine was measured to do at most: 0.8 is 80 %. null where no peak has the unit. */
  readonly ofPeak: number | null;
}

export interface RunOptions {
  /** Rounds over all systems. */
  readonly rounds: number;
  /** About how long one sample takes; a run that takes longer is sampled alone. */
  readonly sampleMilliseconds: number;
  readonly warmMilliseconds: number;
  /** Whether to count what a step gives to the GPU, too. */
  readonly counts?: boolean;
  /** Told why a system has no number. */
  readonly complain: (message: string) => void;
}

/** Rows of medians, each compared with Dormouse's. */
export function rowsOf(
  { suite, name, unit }: Pick<Work, "suite" | "name" | "unit">,
  measured: readonly { readonly worker: Pick<Worker, "system" | "greeting">; readonly median: number | null }[],
): Row[] {
  const ours = measured.find(({ worker }) => isOurs(worker.system))?.median ?? null;
  return measured.map(({ worker: { system, greeting }, median: value }) => ({
    suite,
    work: name,
    system,
    threads: greeting.threads,
    engine: greeting.engine,
    median: value,
    unit,
    vsUs: ours === null || value === null ? null : moreIsBetter(unit) ? ours / value : value / ours,
    ofPeak: null,
  }));
}

/** What went wrong, whatever was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Measures one work; a system that fails gets a row without a number. */
export async function runWork(work: Work, workers: readonly Worker[], options: RunOptions): Promise<Row[]> {
  const complain = (system: string, reason: string): void =>
    options.complain(`${work.suite} ${work.name}: ${system}: ${reason}`);
  const times = new Map<Worker, number[]>();
  const failed = new Set<Worker>();
  /** Asks one system; a failure takes it out of the work. */
  const ask = async <C extends Command>(worker: Worker, command: C): Promise<Answers[C["name"]] | null> => {
    if (failed.has(worker)) return null;
    try {
      return await worker.ask(command);
    } catch (error) {
      failed.add(worker);
      complain(worker.system, messageOf(error));
      return null;
    }
  };

  const results = new Map<Worker, Answers["prepare"]>();
  for (const worker of workers) {
    const result = await ask(worker, { name: "prepare", work });
    if (result) results.set(worker, result);
  }
  for (const [worker, reason] of unconfirmed(results, work.tolerance)) {
    failed.add(worker);
    complain(worker.system, `not timed: ${reason}`);
  }

  const counts = new Map<Worker, number>();
  for (const worker of workers) {
    const once = await ask(worker, { name: "warm", milliseconds: options.warmMilliseconds });
    if (once !== null) counts.set(worker, repetitions(once, options.sampleMilliseconds));
  }
  for (let round = 0; round < options.rounds; round++) {
    for (const worker of workers) {
      const count = counts.get(worker);
      if (count === undefined) continue;
      const time = await ask(worker, { name: "measure", repetitions: count });
      if (time !== null) times.set(worker, [...(times.get(worker) ?? []), time]);
    }
  }
  const given = new Map<Worker, Answers["count"]>();
  for (const worker of options.counts ? counts.keys() : []) {
    const count = isOnGpu(worker.system) ? await ask(worker, { name: "count" }) : null;
    if (count) given.set(worker, count);
  }
  for (const worker of results.keys()) {
    failed.delete(worker);
    await ask(worker, { name: "dispose" });
    if (times.get(worker)?.length !== options.rounds) times.delete(worker);
  }
  const timed = rowsOf(
    work,
    workers.map((worker) => {
      const own = times.get(worker);
      return { worker, median: own ? inUnit(median(own), work) : null };
    }),
  );
  const counted = (["dispatches", "submits"] as const).flatMap((what) =>
    rowsOf(
      { ...work, name: `${what}, ${work.name}`, unit: "per step" },
      [...given].map(([worker, count]) => ({ worker, median: count[what] })),
    ),
  );
  return [...timed, ...counted];
}

/** The rows with their shares of the peaks among them: our own rows of the works that `peaks` names. */
export function withPeaks(rows: readonly Row[], peaks: readonly string[]): Row[] {
  const found = rows.filter(({ work, system }) => isOurs(system) && peaks.includes(work));
  return rows.map((row) => {
    const peak = found.find(({ unit }) => unit === row.unit)?.median ?? null;
    return { ...row, ofPeak: peak === null || row.median === null ? null : row.median / peak };
  });
}

/**
 * The systems whose results no other system confirms, with what differs. A system that is alone has nobody to confirm
 * it, and is timed.
 */
export function unconfirmed<W extends { readonly system: string }>(
  results: ReadonlyMap<W, Answers["prepare"]>,
  tolerance: number,
): Map<W, string> {
  const found = new Map<W, string>();
  if (results.size < 2) return found;
  for (const [worker, own] of results) {
    const differences = [...results]
      .filter(([other]) => other !== worker)
      .map(([other, theirs]) => ({ other, difference: disagreement(own, theirs, tolerance) }));
    if (differences.some(({ difference }) => difference === null)) continue;
    found.set(worker, differences.map(({ other, difference }) => `differs from ${other.system}: ${difference}`).join("; "));
  }
  return found;
}
