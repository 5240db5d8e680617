/**
 * Which block of results an invocation of a product makes, measured on the GPU at hand: once for each class of shapes,
 * when a program first needs it. Owns candidates, classes and what is remembered; without it `chooseBlock` decides.
 */
import type { ContractKernel, Program, Scalar, Slot } from "@dormouse/tensor/graph";
import { bytesOf, sizeOf } from "@dormouse/tensor/graph";
import type { PooledBuffer } from "./pool.ts";
import type { GpuExecutable } from "./queue.ts";
import { type Block, SIDE, blockOf, isTiled } from "./wgsl/contract.ts";

/** Where measured choices outlive a page or a process; `localStorage` is one. */
export interface TuningStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

/** What the tuner needs of a backend. */
export interface TuningBench {
  /** Part of every key: what was measured on one GPU says nothing about another. */
  readonly adapter: string;
  compile(program: Program, block: Block): Promise<GpuExecutable>;
  run(executable: GpuExecutable, buffers: readonly PooledBuffer[]): void;
  idle(): Promise<void>;
  take(bytes: number): PooledBuffer;
  give(buffer: PooledBuffer): void;
}

/** Larger blocks need more workgroup memory than every adapter has. */
const candidates: readonly Block[] = [[1, 1], [2, 1], [1, 2], [2, 2], [4, 2], [2, 4], [4, 4], [8, 4], [4, 8]];
/** A candidate that takes so many times as long as the best so far is not measured again. */
const HOPELESS = 1.5;
/** Measurements of a candidate, and runs of each: the fastest counts, since other work only adds time. */
const [MEASUREMENTS, RUNS] = [3, 4];

export class Tuner {
  readonly #bench: TuningBench;
  readonly #storage: TuningStorage | null;
  readonly #known = new Map<string, Block>();
  readonly #pending = new Map<string, Promise<void>>();

  constructor(bench: TuningBench, storage: TuningStorage | null) {
    this.#bench = bench;
    this.#storage = storage;
  }

  /** The block measured for a product, or null where none was. */
  blockFor(kernel: ContractKernel): Block | null {
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
    const block = candidatesFor(kernel).find((each) => each.join("x") === stored);
    if (block) this.#known.set(key, block);
    return block !== undefined;
  }

  async #measure(key: string, kernel: ContractKernel): Promise<void> {
    const program = programOf(kernel);
    const specs = [...program.inputs, ...program.outputs.filter(({ alias }) => alias === undefined)];
    const taken = specs.map(({ dtype, length }) => this.#bench.take(length * bytesOf(dtype)));
    let rest = program.inputs.length;
    const outputs = program.outputs.map(({ alias }) => (alias === undefined ? taken[rest++]! : taken[alias]!));
    const buffers = [...taken.slice(0, program.inputs.length), ...outputs];
    try {
      let best: { readonly block: Block; readonly time: number } | null = null;
      for (const block of candidatesFor(kernel)) {
        const executable = await this.#bench.compile(program, block);
        // The first run may still prepare the shader.
        await this.#time(executable, buffers, 1);
        let time = await this.#time(executable, buffers, 1);
        for (let i = 0; i < MEASUREMENTS && !(best && time > HOPELESS * best.time); i++) {
          time = Math.min(time, await this.#time(executable, buffers, RUNS));
        }
        if (!best || time < best.time) best = { block, time };
      }
      this.#known.set(key, best!.block);
      this.#storage?.setItem(key, best!.block.join("x"));
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

/** The candidates that are not mostly outside of the result, and the one that would be taken unmeasured. */
export function candidatesFor(kernel: ContractKernel): readonly Block[] {
  const [m, n] = [sizeOf(kernel.m), sizeOf(kernel.n)];
  const fits = (count: number, length: number): boolean => count === 1 || (count / 2) * SIDE < length;
  const usual = blockOf(kernel).join();
  return candidates.filter((block) => (fits(block[0], m) && fits(block[1], n)) || block.join() === usual);
}

/** The product alone, every argument in a buffer of its own. */
function programOf(kernel: ContractKernel): Program {
  const inputs: { dtype: ContractKernel["dtype"]; length: number }[] = [];
  const outputs: { dtype: ContractKernel["dtype"]; length: number; alias?: number }[] = [];
  const slots = kernel.args.map(({ dtype, length, access }): Slot => {
    if (access === "read") return { space: "input", index: inputs.push({ dtype, length }) - 1 };
    if (access === "write") return { space: "output", index: outputs.push({ dtype, length }) - 1 };
    const alias = inputs.push({ dtype, length }) - 1;
    return { space: "output", index: outputs.push({ dtype, length, alias }) - 1 };
  });
  return { key: "tuning", inputs, outputs, kernels: [kernel], steps: [{ kernel: 0, slots }], temporaryBytes: 0 };
}
