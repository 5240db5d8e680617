/**
 * Which tile of results a workgroup makes of a product, measured on the GPU at hand: once for each class of shapes,
 * when a program first needs it. Owns candidates, classes and what is remembered; without it `chooseTile` decides.
 */
import type { ContractKernel, Program, Scalar, Slot } from "@dormouse/tensor/graph";
import { bytesOf, sizeOf } from "@dormouse/tensor/graph";
import type { PooledBuffer } from "./pool.ts";
import type { GpuExecutable } from "./queue.ts";
import { isTiled, sizesOf } from "./wgsl/contract.ts";
import { type TileName, fits, tileNames, tiles } from "./wgsl/tiles.ts";

/** Where measured choices outlive a page or a process; `localStorage` is one. */
export interface TuningStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

/** What the tuner needs of a backend. */
export interface TuningBench {
  /** Part of every key: what was measured on one GPU says nothing about another. */
  readonly adapter: string;
  /** Buffers one kernel may take. */
  readonly maxBindings: number;
  compile(program: Program, tile: TileName): Promise<GpuExecutable>;
  run(executable: GpuExecutable, buffers: readonly PooledBuffer[]): void;
  idle(): Promise<void>;
  take(bytes: number): PooledBuffer;
  give(buffer: PooledBuffer): void;
}

/** A candidate that takes so many times as long as the best so far is not measured again. */
const HOPELESS = 1.5;
/** Measurements of a candidate, and runs of each: the fastest counts, since other work only adds time. */
const [MEASUREMENTS, RUNS] = [3, 4];

export class Tuner {
  readonly #bench: TuningBench;
  readonly #storage: TuningStorage | null;
  readonly #known = new Map<string, TileName>();
  readonly #pending = new Map<string, Promise<void>>();

  constructor(bench: TuningBench, storage: TuningStorage | null) {
    this.#bench = bench;
    this.#storage = storage;
  }

  /** The tile measured for a product, or null where none was. */
  tileFor(kernel: ContractKernel): TileName | null {
    return this.#known.get(this.#keyOf(kernel)) ?? null;
  }

  /** Measures what is not known yet of the products of a program; null if there is nothing to wait for. */
  prepare(program: Program): Promise<void> | null {
    const waits: Promise<void>[] = [];
    for (const kernel of program.kernels) {
      if (kernel.kind !== "contract" || !isTiled(kernel)) continue;
      const key = this.#keyOf(kernel);
      if (this.#known.has(key) || this.#recall(key, kernel)) continue;
      let pending = this.#pending.get(key);
      if (!pending) {
        pending = this.#measure(key, kernel).finally(() => this.#pending.delete(key));
        this.#pending.set(key, pending);
      }
      waits.push(pending);
    }
    return waits.length === 0 ? null : Promise.all(waits).then(() => undefined);
  }

  #keyOf(kernel: ContractKernel): string {
    return `dormouse tile ${this.#bench.adapter} ${shapeClass(kernel)}`;
  }

  /** Takes over a stored choice; one that this version would not make is measured anew. */
  #recall(key: string, kernel: ContractKernel): boolean {
    const stored = this.#storage?.getItem(key);
    const tile = candidatesFor(kernel).find((name) => name === stored);
    if (tile) this.#known.set(key, tile);
    return tile !== undefined;
  }

  async #measure(key: string, kernel: ContractKernel): Promise<void> {
    const program = programOf(kernel, this.#bench.maxBindings);
    const specs = [...program.inputs, ...program.outputs.filter(({ alias }) => alias === undefined)];
    const taken = specs.map(({ dtype, length }) => this.#bench.take(length * bytesOf(dtype)));
    let rest = program.inputs.length;
    const outputs = program.outputs.map(({ alias }) => (alias === undefined ? taken[rest++]! : taken[alias]!));
    const buffers = [...taken.slice(0, program.inputs.length), ...outputs];
    try {
      let best: { readonly tile: TileName; readonly time: number } | null = null;
      for (const tile of candidatesFor(kernel)) {
        const executable = await this.#bench.compile(program, tile);
        // The first run may still prepare the shader.
        await this.#time(executable, buffers, 1);
        let time = await this.#time(executable, buffers, 1);
        for (let i = 0; i < MEASUREMENTS && !(best && time > HOPELESS * best.time); i++) {
          time = Math.min(time, await this.#time(executable, buffers, RUNS));
        }
        if (!best || time < best.time) best = { tile, time };
      }
      this.#known.set(key, best!.tile);
      this.#storage?.setItem(key, best!.tile);
    } finally {
      taken.forEach((buffer) => this.#bench.give(buffer));
    }
  }

  /** Milliseconds of one of `runs` runs. */
  async #time(executable: GpuExecutable, buffers: readonly PooledBuffer[], runs: number): Promise<number> {
    const start = performance.now();
    for (let i = 0; i < runs; i++) this.#bench.run(executable, buffers);
    await this.#bench.idle();
    return (performance.now() - start) / runs;
  }
}

/** Products of one class run alike: the dtype, lengths within a factor of two, and the kinds of the operands. */
export function shapeClass({ dtype, batch, m, n, k, lhs, rhs }: ContractKernel): string {
  const lengths = [batch, m, n, k].map((axes) => Math.ceil(Math.log2(Math.max(1, sizeOf(axes)))));
  return [dtype, ...lengths, kindOf(lhs), kindOf(rhs)].join(" ");
}

const kindOf = (operand: Scalar): string =>
  operand.op !== "load" ? "computed" : operand.valid || operand.indirect ? "windowed" : "plain";

/** The tiles that are not mostly outside of a product; the one that would be taken unmeasured is among them. */
export function candidatesFor(kernel: ContractKernel): readonly TileName[] {
  const sizes = sizesOf(kernel);
  return tileNames.filter((name) => fits(sizes, tiles[name]));
}

/** The product alone, every argument in a buffer of its own; in scratch memory where those are too many. */
function programOf(kernel: ContractKernel, maxBindings: number): Program {
  const alone = { key: "tuning", kernels: [kernel] };
  if (kernel.args.length > maxBindings) {
    let end = 0;
    const slots = kernel.args.map(({ dtype, length }): Slot => {
      const offset = end;
      end += Math.ceil((length * bytesOf(dtype)) / 256) * 256;
      return { space: "temporary", offset, bytes: end - offset };
    });
    return { ...alone, inputs: [], outputs: [], steps: [{ kernel: 0, slots }], temporaryBytes: end };
  }
  const inputs: { dtype: ContractKernel["dtype"]; length: number }[] = [];
  const outputs: { dtype: ContractKernel["dtype"]; length: number; alias?: number }[] = [];
  const slots = kernel.args.map(({ dtype, length, access }): Slot => {
    if (access === "read") return { space: "input", index: inputs.push({ dtype, length }) - 1 };
    if (access === "write") return { space: "output", index: outputs.push({ dtype, length }) - 1 };
    const alias = inputs.push({ dtype, length }) - 1;
    return { space: "output", index: outputs.push({ dtype, length, alias }) - 1 };
  });
  return { ...alone, inputs, outputs, steps: [{ kernel: 0, slots }], temporaryBytes: 0 };
}
