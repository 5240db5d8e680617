/**
 * The process of one system. Takes one command at a time from its parent and answers it; or, started with `cold`, takes
 * the first steps of a network at once. Arguments: system, threads, and perhaps `cold`.
 */
import { performance } from "node:perf_hooks";
import { argv, exit, resourceUsage, versions } from "node:process";
import { type GpuCounts, gpuCounts } from "./gpu/provide.ts";
import { type Fingerprint, fingerprint } from "./statistics.ts";
import { loadSystem } from "./systems/index.ts";
import type { NativeName, Prepared, SystemName } from "./systems/system.ts";
import { type Work } from "./works/work.ts";
import { coldWork } from "./works/suites.ts";

export type Command =
  | { readonly name: "prepare"; readonly work: Work }
  | { readonly name: "warm"; readonly milliseconds: number }
  | { readonly name: "measure"; readonly repetitions: number }
  | { readonly name: "count" }
  | { readonly name: "dispose" };

/** What the worker says when it is ready. */
export interface Greeting {
  readonly version: string;
  readonly threads: number;
  readonly engine: string;
}

/** The answer of each command: results, milliseconds per run, milliseconds per run, what a run submits, nothing. */
export interface Answers {
  readonly prepare: readonly Fingerprint[];
  readonly warm: number;
  readonly measure: number;
  readonly count: GpuCounts;
  readonly dispose: null;
}

export interface ColdReport {
  /** Of the first finished step, on the clock that processes share. */
  readonly firstStepAt: number;
  readonly peakMebibytes: number;
}

export type Reply<T> = { readonly value: T } | { readonly error: string };

const [name, threads, mode, coldTask, steps] = argv.slice(2);
const system = name as Exclude<SystemName, NativeName>;
const send = (message: unknown): void => void process.send?.(message);

/** A loss is read as often as a training loop would show it. jax-js needs it: what it queues, it holds in memory. */
const runsPerSettling = 10;

async function measure(prepared: Prepared, repetitions: number): Promise<number> {
  const start = performance.now();
  for (let i = 1; i <= repetitions; i++) {
    const pending = prepared.run();
    if (pending) await pending;
    if (i % runsPerSettling === 0 || i === repetitions) await prepared.settle();
  }
  return (performance.now() - start) / repetitions;
}

/** Runs until the time is over, at least twice: the first run compiles. Returns the time of the last one. */
async function warm(prepared: Prepared, milliseconds: number): Promise<number> {
  const end = performance.now() + milliseconds;
  await measure(prepared, 1);
  let last: number;
  do last = await measure(prepared, 1);
  while (performance.now() < end);
  return last;
}

/** What a run gives to the GPU, of as many as are waited for together. */
async function countRuns(prepared: Prepared): Promise<GpuCounts> {
  const before = gpuCounts();
  await measure(prepared, runsPerSettling);
  const { submits, dispatches } = gpuCounts();
  return {
    submits: (submits - before.submits) / runsPerSettling,
    dispatches: (dispatches - before.dispatches) / runsPerSettling,
  };
}

async function serve(): Promise<void> {
  const loaded = await loadSystem(system, { threads: Number(threads) });
  let prepared: Prepared | null = null;
  const obey = async (command: Command): Promise<unknown> => {
    if (command.name === "prepare") {
      prepared = await loaded.prepare(command.work);
      return (await prepared.check()).map(fingerprint);
    }
    if (!prepared) throw new Error(`worker: ${command.name} before prepare`);
    switch (command.name) {
      case "warm":
        return warm(prepared, command.milliseconds);
      case "measure":
        return measure(prepared, command.repetitions);
      case "count":
        return countRuns(prepared);
      case "dispose":
        prepared.dispose();
        prepared = null;
        return null;
    }
  };
  process.on("message", (command: Command) => {
    obey(command).then(
      (value) => send({ value }),
      (error: unknown) => send({ error: error instanceof Error ? error.message : String(error) }),
    );
  });
  process.on("disconnect", () => exit(0));
  send({ value: { version: loaded.version, threads: loaded.threads, engine: versions.node } satisfies Greeting });
}

async function startCold(): Promise<void> {
  const task = JSON.parse(coldTask!) as Work["task"];
  const prepared = await (await loadSystem(system, { threads: Number(threads) })).prepare({ ...coldWork, task });
  await measure(prepared, 1);
  const firstStepAt = performance.timeOrigin + performance.now();
  await measure(prepared, Number(steps) - 1);
  // maxRSS is in KiB on every platform Node runs on.
  send({ value: { firstStepAt, peakMebibytes: resourceUsage().maxRSS / 1024 } satisfies ColdReport });
  process.disconnect();
}

try {
  await (mode === "cold" ? startCold() : serve());
} catch (error) {
  send({ error: error instanceof Error ? error.message : String(error) });
}
