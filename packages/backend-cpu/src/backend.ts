/**
 * The WebAssembly backend: buffers are blocks of one memory, a program becomes a record in that memory (the layout is
 * `recordWords` in wasm/driver.ts), a run is one call. Runs are synchronous: when `run` returns, the work is done, so
 * reads need no queue and freed memory can be reused at once. Owns program records and the decision how many
 * threads run a program; code generation, memory, barriers and threads are rooms of their own.
 */
import type { Backend, BackendBuffer, Capabilities, Executable, Program, StoredArray } from "@dormouse/tensor/graph";
import { bytesOf, checkBuffers, checkRange, dtypes, foreignBufferError, freedBufferError } from "@dormouse/tensor/graph";
import { DeviceError, ValueError } from "@dormouse/tensor";
import { Arena, type ArenaBlock, type ArenaStatistics } from "./arena.ts";
import { barriersOf, baseOf } from "./barriers.ts";
import { detectFeatures } from "./features.ts";
import { processors } from "./host.ts";
import { ThreadTeam } from "./threads.ts";
import { enableWide } from "./wide.ts";
import type { WorkerUpdate } from "./worker.ts";
import {
  type DriverExports,
  control,
  driverModule,
  environmentImport,
  maximumThreads,
  recordWords,
  stepFlags,
  stepWords,
} from "./wasm/driver.ts";
import { type CompiledKernel, type Generators, KernelTable } from "./wasm/kernel.ts";

/** Options of `cpu()`. */
export interface CpuOptions {
  /**
   * Threads that run a program, the calling one included. Default: as many as the host has processors, at most 8; one
   * where memory cannot be shared. 1 starts no worker.
   */
  readonly threads?: number;
  /** Whether a multiply and an add may be fused, with one rounding. Default: true, where the engine can. */
  readonly fma?: boolean;
  /**
   * Whether pairs of 128-bit vectors are fused into 256 bits: products run 1.7 to 1.9 times as fast, with the same bits.
   * Node 24 and newer, on processors with AVX2; sets a V8 flag for the whole process. Checked for speed and results
   * at the start (about 30 ms). Default: false.
   */
  readonly wide?: boolean;
}

/** The backend and what only tests and tools ask of it. */
export interface CpuBackend extends Backend {
  readonly statistics: ArenaStatistics;
  /** Runs that other threads were woken for so far. */
  readonly sharedRuns: number;
}

/** More threads than this have not paid on any machine measured, and each holds a stack and an isolate. */
const defaultThreads = 8;
/** Work for which waking sleeping threads pays: it takes some tens of microseconds. */
const programNanoseconds = 40_000;
/** Turns of a waiting loop, about a nanosecond each, before a thread sleeps. */
const spinTurns = 20_000;

/** Kernels compare addresses as signed integers, so the memory ends below 2 GiB. Smaller where that is refused. */
const maximumPages = [32767, 16384, 8192, 4096];

class CpuBuffer implements BackendBuffer {
  readonly bytes: number;
  /** null once freed. */
  block: ArenaBlock | null;

  constructor(bytes: number, block: ArenaBlock) {
    this.bytes = bytes;
    this.block = block;
  }
}

class CpuExecutable implements Executable {
  readonly program: Program;
  readonly record: ArenaBlock;
  readonly kernels: readonly CompiledKernel[];
  readonly threads: number;
  /** Bytes of temporaries and of scratch behind them. */
  readonly workspaceBytes: number;
  /** Bytes that each buffer of a run must have. */
  readonly bufferBytes: readonly number[];
  disposed = false;
  readonly #release: (executable: CpuExecutable) => void;

  constructor(
    program: Program,
    record: ArenaBlock,
    kernels: readonly CompiledKernel[],
    threads: number,
    scratchBytes: number,
    release: (executable: CpuExecutable) => void,
  ) {
    this.program = program;
    this.record = record;
    this.kernels = kernels;
    this.threads = threads;
    this.workspaceBytes = scratchOffset(program) + scratchBytes;
    this.bufferBytes = [...program.inputs, ...program.outputs].map(({ dtype, length }) => length * bytesOf(dtype));
    this.#release = release;
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.#release(this);
  }
}

/** Where scratch memory starts in the workspace of a run. */
const scratchOffset = ({ temporaryBytes }: Program): number => Math.ceil(temporaryBytes / 64) * 64;

function makeMemory(shared: boolean): { memory: WebAssembly.Memory; pages: number } {
  let refusal: unknown;
  for (const pages of maximumPages) {
    try {
      return { memory: new WebAssembly.Memory({ initial: 16, maximum: pages, shared }), pages };
    } catch (error) {
      // A RangeError where that much address space cannot be reserved; the next size is smaller.
      refusal = error;
    }
  }
  throw new DeviceError("cpu", `no memory could be reserved (${String(refusal)})`, {
    hint: "close other programs or pages",
  });
}

function checkThreads(threads: number | undefined): void {
  if (threads === undefined || (Number.isInteger(threads) && threads >= 1 && threads <= maximumThreads)) return;
  throw new ValueError("cpu", `threads is ${threads}`, {
    expected: `1 to ${maximumThreads}`,
    received: threads,
    hint: `use an integer from 1 to ${maximumThreads}`,
  });
}

/** Makes the backend with the given code generators. Applications call `cpu()`. */
export async function createCpuBackend(generators: Generators, options: CpuOptions = {}): Promise<CpuBackend> {
  checkThreads(options.threads);
  const features = detectFeatures(options.fma ?? true);
  const wide = options.wide ?? false;
  if (wide) await enableWide(features.fma);
  const wanted = options.threads ?? Math.min(processors(), defaultThreads);
  const size = features.sharedMemory ? wanted : 1;
  const shared = size > 1;
  const { memory, pages } = makeMemory(shared);
  const limits = { initial: 1, maximum: pages, shared };
  const kernels = new KernelTable(generators, memory, limits, { fma: features.fma, wide });
  const driver = new WebAssembly.Module(driverModule(limits));
  const imports = { [environmentImport]: { memory, kernels: kernels.table } };
  const instance = new WebAssembly.Instance(driver, imports);
  const words = new Int32Array(memory.buffer, 0, control.end / 4);
  words[control.spin / 4] = spinTurns;
  words[control.neverSleep / 4] = Number(!features.maySleep);
  const team = shared ? await ThreadTeam.start(size, memory, driver, features.maySleep) : null;
  return new WasmBackend(
    {
      name: `cpu-simd${wide ? "256" : "128"}${features.fma ? "-fma" : ""}:${size}`,
      dtypes: new Set(dtypes),
      maxBindings: 1024,
      maxBufferBytes: pages * 65536 - 2 * control.end,
      syncRead: true,
    },
    new Arena(memory, pages, control.end),
    kernels,
    instance.exports as unknown as DriverExports,
    team,
  );
}

class WasmBackend implements CpuBackend {
  readonly capabilities: Capabilities;
  readonly #arena: Arena;
  readonly #kernels: KernelTable;
  readonly #driver: DriverExports;
  readonly #team: ThreadTeam | null;
  #disposed = false;
  /** Set when a program trapped: what it left in memory, and where its threads are, is unknown. */
  #failed = false;
  /** Views of the memory; made anew when it has grown. */
  #growths = -1;
  #bytes = new Uint8Array(0);
  #words = new Int32Array(0);
  #floats = new Float32Array(0);

  constructor(
    capabilities: Capabilities,
    arena: Arena,
    kernels: KernelTable,
    driver: DriverExports,
    team: ThreadTeam | null,
  ) {
    this.capabilities = capabilities;
    this.#arena = arena;
    this.#kernels = kernels;
    this.#driver = driver;
    this.#team = team;
  }

  get statistics(): ArenaStatistics {
    return this.#arena.statistics;
  }

  get sharedRuns(): number {
    return this.#team?.announced ?? 0;
  }

  alloc(bytes: number): BackendBuffer {
    this.#requireAlive("alloc");
    return new CpuBuffer(bytes, this.#arena.allocate(bytes));
  }

  free(buffer: BackendBuffer): void {
    // Buffers may outlive their device; there is nothing left to give back then.
    if (this.#disposed) return;
    this.#arena.free(blockOf("free", buffer));
    (buffer as CpuBuffer).block = null;
  }

  write(buffer: BackendBuffer, data: ArrayBufferView, offset = 0): void {
    this.#requireAlive("write");
    const { address } = blockOf("write", buffer);
    checkRange("write", buffer, offset, data.byteLength);
    this.#refresh();
    // A batch of every step: what is copied as it is needs no view of its own.
    if (data instanceof Float32Array && offset % 4 === 0) this.#floats.set(data, (address + offset) / 4);
    else this.#bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), address + offset);
  }

  // An async function, so that a bad range rejects rather than throws.
  async read(buffer: BackendBuffer, offset: number, bytes: number): Promise<ArrayBuffer> {
    return this.readSync(buffer, offset, bytes);
  }

  readSync(buffer: BackendBuffer, offset: number, bytes: number): ArrayBuffer {
    this.#requireAlive("read");
    const { address } = blockOf("read", buffer);
    checkRange("read", buffer, offset, bytes);
    this.#refresh();
    // Of shared memory too, a slice is a copy that is not shared.
    return this.#bytes.slice(address + offset, address + offset + bytes).buffer;
  }

  readInto(buffer: BackendBuffer, target: StoredArray): void {
    this.#requireAlive("read");
    const { address } = blockOf("read", buffer);
    checkRange("read", buffer, 0, target.byteLength);
    this.#refresh();
    const memory = this.#memoryAs(target);
    const start = address / target.BYTES_PER_ELEMENT;
    for (let i = 0; i < target.length; i++) target[i] = memory[start + i]!;
  }

  compile(program: Program): Executable {
    this.#requireAlive("compile");
    const update: WorkerUpdate[number][] = [];
    const kernels = this.#kernels.take(program.kernels, this.#driver.barrier, update);
    this.#team?.update(update);
    const work = program.steps.reduce((sum, { kernel }) => {
      const { parallel, nanoseconds } = kernels[kernel]!;
      return parallel ? sum + nanoseconds : sum;
    }, 0);
    const threads = this.#team && work >= programNanoseconds ? this.#team.size : 1;
    const scratchBytes = Math.max(
      0,
      ...kernels.map((kernel) => kernel.scratchBytes(kernel.parallel ? threads : 1)),
    );
    const record = this.#writeRecord(program, kernels);
    return new CpuExecutable(program, record, kernels, threads, scratchBytes, (executable) => this.#forget(executable));
  }

  run(executable: Executable, buffers: readonly BackendBuffer[]): void {
    this.#requireAlive("run");
    if (!(executable instanceof CpuExecutable) || executable.disposed) {
      throw new DeviceError("run", "the executable was disposed of or belongs to another backend", {
        hint: "compile the program again",
      });
    }
    const { program, record, threads, workspaceBytes, bufferBytes } = executable;
    // Kernels trust their addresses, so a run with wrong buffers must not start.
    if (buffers.length !== bufferBytes.length) checkBuffers(program, buffers);
    this.#refresh();
    const header = record.address / 4;
    const bases = this.#words[header + recordWords.bases]! / 4;
    for (let i = 0; i < buffers.length; i++) {
      const buffer = buffers[i]!;
      const { address } = blockOf("run", buffer);
      if (buffer.bytes < bufferBytes[i]!) checkBuffers(program, buffers);
      this.#words[bases + i] = address;
    }
    const workspace = workspaceBytes > 0 ? this.#arena.allocate(workspaceBytes) : null;
    if (workspace) {
      this.#refresh();
      this.#words[bases + buffers.length] = workspace.address;
      this.#words[header + recordWords.scratch] = workspace.address + scratchOffset(program);
    }
    if (threads > 1) this.#team!.settle();
    try {
      this.#driver.run(record.address, threads);
    } catch (cause) {
      this.#failed = true;
      this.#team?.fail();
      throw new DeviceError("run", `the program trapped (${String(cause)})`, { hint: "make a new device" });
    }
    if (workspace) this.#arena.free(workspace);
  }

  flush(): void {}

  idle(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (!this.#disposed) this.#team?.dispose();
    this.#disposed = true;
    return Promise.resolve();
  }

  #requireAlive(op: string): void {
    if (this.#disposed) throw new DeviceError(op, "the device was disposed of", { hint: "make a new one with cpu()" });
    if (this.#failed || this.#team?.failed) {
      throw new DeviceError(op, "a program trapped or a thread of the device failed", { hint: "make a new one with cpu()" });
    }
  }

  #refresh(): void {
    // Asking a memory for its buffer takes 15 ns, a shared one 40, and a step asks several times.
    if (this.#growths === this.#arena.growths) return;
    this.#growths = this.#arena.growths;
    const { buffer } = this.#arena.memory;
    this.#bytes = new Uint8Array(buffer);
    this.#words = new Int32Array(buffer);
    this.#floats = new Float32Array(buffer);
  }

  /** The memory as an array of the same type. */
  #memoryAs(array: StoredArray): StoredArray {
    if (array instanceof Float32Array) return this.#floats;
    if (array instanceof Int32Array) return this.#words;
    return new (array.constructor as new (buffer: ArrayBufferLike) => StoredArray)(this.#words.buffer);
  }

  #forget({ record, kernels }: CpuExecutable): void {
    if (this.#disposed) return;
    this.#arena.free(record);
    const update: WorkerUpdate[number][] = [];
    this.#kernels.release(kernels, update);
    this.#team?.update(update);
  }

  /** Lays a program out as the driver walks it. */
  #writeRecord(program: Program, kernels: readonly CompiledKernel[]): ArenaBlock {
    const { steps } = program;
    const bindings = steps.reduce((sum, { slots }) => sum + slots.length, 0);
    const baseCount = program.inputs.length + program.outputs.length + 1;
    const stepsAt = recordWords.length;
    const bindingsAt = stepsAt + stepWords.length * steps.length;
    const resolvedAt = bindingsAt + 2 * bindings;
    const basesAt = resolvedAt + bindings;
    const record = this.#arena.allocate(4 * (basesAt + baseCount));
    this.#refresh();
    const start = record.address / 4;
    const words = this.#words.subarray(start, start + basesAt + baseCount);
    const addressOf = (word: number): number => record.address + 4 * word;
    words[recordWords.stepCount] = steps.length;
    words[recordWords.steps] = addressOf(stepsAt);
    words[recordWords.bindingCount] = bindings;
    words[recordWords.bindings] = addressOf(bindingsAt);
    words[recordWords.resolved] = addressOf(resolvedAt);
    words[recordWords.bases] = addressOf(basesAt);
    words[recordWords.scratch] = 0;
    const barriers = barriersOf(program, kernels);
    let binding = 0;
    steps.forEach(({ kernel, slots }, i) => {
      const { slot, parallel } = kernels[kernel]!;
      const step = stepsAt + stepWords.length * i;
      words[step + stepWords.kernel] = slot;
      words[step + stepWords.arguments] = addressOf(resolvedAt + binding);
      words[step + stepWords.flags] =
        (barriers[i] ? stepFlags.barrier : 0) | (parallel ? stepFlags.parallel : 0);
      for (const slot of slots) {
        words[bindingsAt + 2 * binding] = baseOf(program, slot);
        words[bindingsAt + 2 * binding + 1] = slot.space === "temporary" ? slot.offset : 0;
        binding++;
      }
    });
    return record;
  }
}

function blockOf(op: string, buffer: BackendBuffer): ArenaBlock {
  if (!(buffer instanceof CpuBuffer)) {
    throw foreignBufferError(op);
  }
  if (!buffer.block) {
    throw freedBufferError(op, buffer);
  }
  return buffer.block;
}
