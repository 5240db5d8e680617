/**
 * Wide mode: V8's revectorizer fuses pairs of neighboring 128-bit operations into 256-bit ones, behind a flag that a
 * process may set at any time before it compiles. Owns the flag and the check, at start, that fused code is both right
 * and faster; refuses to let anybody use it where it is not. How code is written for it is the generators' business:
 * pairs of stores to neighboring addresses, with nothing but arithmetic and loads between them.
 */
import { DeviceError } from "@dormouse/tensor";
import { builtin, nodeMajor } from "./host.ts";
import { i32 } from "./wasm/encoder.ts";
import { ModuleBuilder, call } from "./wasm/module.ts";
import { arithmeticOf, runningEngine, sweepFunction, tileOf } from "./wasm/tile.ts";

const flag = "experimental-wasm-revectorize";
/** The first Node whose V8 can switch the revectorizer on. */
const firstNode = 24;
/** 6×16 tiles take 1.9 times the rate of 6×8 where the fusion works, 0.7 where it does not. */
const leastGain = 1.25;
/** V8 replaces the quick first code of a function after some use; a loaded machine needs patience. */
const patience = 400;

/** The block of the trial: a few tiles of either width, small enough for the second cache. */
const block = { rows: 96, columns: 32, depth: 512 };
const leftAt = 4096;
const rightAt = leftAt + 4 * block.rows * block.depth;
const resultAt = rightAt + 4 * block.columns * block.depth;
const spareAt = resultAt + 4 * block.rows * block.columns;

/** Rows of the trial whose values are not ordinary. */
const oddities = [NaN, Infinity, -Infinity, -0, 1e-40, 3e38];

interface Trial {
  /** Multiplies the block once. */
  readonly product: () => void;
  readonly result: () => Float32Array;
}

/** A product of one block by the tile for the given mode. */
function trial(wide: boolean): Trial {
  const engine = runningEngine({ fma: true, wide });
  const tile = tileOf("float32", engine);
  const width = 4 * tile.vectors;
  const module = new ModuleBuilder();
  const pages = Math.ceil((spareAt + 4096) / 65536);
  module.importMemory("trial", "memory", { initial: pages, maximum: pages, shared: false });
  const sweep = sweepFunction(module, arithmeticOf("float32", engine), tile);
  module.function({ name: "product", parameters: {}, export: true }, (f) => {
    const { rows, columns, depth } = block;
    const numbers = [rows, columns, depth, leftAt, rightAt, resultAt, 4 * columns, 0, spareAt];
    f.do(call(sweep, ...numbers.map((number) => i32.const(number))));
  });
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const left = new Float32Array(memory.buffer, leftAt, block.rows * block.depth);
  // Panels of either width hold the same elements, so that the results can be compared.
  for (let row = 0; row < block.rows; row++)
    for (let k = 0; k < block.depth; k++) {
      const panel = Math.floor(row / tile.rows) * tile.rows * block.depth;
      const odd = k === 7 * row ? oddities[row % oddities.length] : undefined;
      left[panel + k * tile.rows + (row % tile.rows)] = odd ?? Math.sin(row + 3 * k);
    }
  const right = new Float32Array(memory.buffer, rightAt, block.columns * block.depth);
  for (let column = 0; column < block.columns; column++)
    for (let k = 0; k < block.depth; k++) {
      const panel = Math.floor(column / width) * width * block.depth;
      right[panel + k * width + (column % width)] = Math.cos(2 * column + k);
    }
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.bytes()), { trial: { memory } });
  return {
    product: instance.exports["product"] as () => void,
    result: () => new Float32Array(memory.buffer, resultAt, block.rows * block.columns),
  };
}

/** Milliseconds of a fast call of `product`. */
function pace(product: () => void): number {
  let best = Infinity;
  for (let i = 0; i < 20; i++) {
    const start = performance.now();
    product();
    best = Math.min(best, performance.now() - start);
  }
  return best;
}

/** Lets V8 finish its better code, which it compiles on other threads. */
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

/** Why wide mode cannot be used in this process; undefined where it can. Leaves the flag set only then. */
async function trouble(fma: boolean): Promise<string | undefined> {
  const node = nodeMajor();
  if (node === undefined) return "only Node can switch it on";
  if (node < firstNode) return `Node ${node} cannot switch it on; Node ${firstNode} can`;
  if (!fma) return "it needs fused multiply-add";
  const v8 = builtin("node:v8");
  if (!v8) return "this process has no node:v8";
  const narrow = trial(false);
  let narrowPace = pace(narrow.product);
  const until = performance.now() + patience / 4;
  for (let settled = 0; settled < 3 && performance.now() < until; ) {
    await pause();
    const next = pace(narrow.product);
    settled = next < 0.9 * narrowPace ? 0 : settled + 1;
    narrowPace = Math.min(next, narrowPace);
  }
  v8.setFlagsFromString(`--${flag}`);
  const wide = trial(true);
  let widePace = Infinity;
  for (const end = performance.now() + patience; performance.now() < end && widePace * leastGain > narrowPace; ) {
    widePace = Math.min(widePace, pace(wide.product));
    await pause();
  }
  // Which of several NaN an operation passes on is open in WebAssembly, and does differ.
  const expected = narrow.result();
  const reason =
    widePace * leastGain > narrowPace
      ? `wide tiles run at ${(narrowPace / widePace).toFixed(2)} times the ordinary rate, less than ${leastGain}`
      : !wide.result().every((value, i) => Object.is(value, expected[i]))
        ? "its results differ from the ordinary ones"
        : undefined;
  if (reason) v8.setFlagsFromString(`--no-${flag}`);
  return reason;
}

let verdict: Promise<string | undefined> | undefined;

/**
 * Switches wide mode on for everything that this process compiles from now on. The check takes about 30 ms, once.
 *
 * @throws DeviceError with the reason where it cannot work or does not pay.
 */
export async function enableWide(fma: boolean): Promise<void> {
  const reason = await (fma ? (verdict ??= trouble(true)) : trouble(false));
  if (reason === undefined) return;
  throw new DeviceError("cpu", `wide mode is not available here: ${reason}`, { hint: "leave out `wide`" });
}
