/**
 * A device: a backend with a memory of compiled programs, an ordered queue and the bookkeeping of buffers. Evaluation
 * (`evaluate.ts`) and compiled functions (`compile.ts`) run through it; it knows nothing about graphs.
 */
import { type DType, type TypedArray, allocate, bytesOf, toStored, viewOf } from "../core/dtype.ts";
import { DeviceError } from "../core/errors.ts";
import { NumericalWarning, warn } from "../core/warnings.ts";
import type { Tensor } from "../core/tensor.ts";
import type { BufferSpec, Program } from "../lower/program.ts";
import type { Backend, BackendBuffer, Executable } from "./backend.ts";
import type { StandingChecks } from "./checks.ts";
import { evaluateOn } from "./evaluate.ts";
import { type BufferOwner, DeviceStorage, HostStorage } from "./storage.ts";

/** What a device has in hand; a training loop's figures are flat. */
export interface DeviceStatistics {
  /** Buffers that are alive, and their bytes. */
  readonly buffers: number;
  readonly bytes: number;
  /** Programs compiled and runs enqueued so far. */
  readonly compiled: number;
  readonly runs: number;
}

/** Compiled programs a device remembers; the one unused for longest goes first. */
const REMEMBERED_PROGRAMS = 512;

/** Computes tensors with a backend. Make one with `cpu()` or `reference()`, choose it with `setDevice`. */
export class Device implements BufferOwner, AsyncDisposable {
  readonly backend: Backend;
  readonly #programs = new Map<string, { readonly lowered: unknown; readonly program: Program }>();
  readonly #executables = new Map<Program, Executable | Promise<Executable>>();
  /** Set while a compilation is not done: everything later waits behind it, in order. */
  #queue: Promise<void> | null = null;
  #failure: unknown = null;
  /** Checks of data that a device without synchronous reads reports with the next read; those that passed are gone. */
  readonly #checks = new Set<Promise<void>>();
  /** Checks of compiled functions that ran since a value was read. */
  readonly #standing = new Set<StandingChecks>();
  #buffers = 0;
  #bytes = 0;
  #compiled = 0;
  #runs = 0;

  constructor(backend: Backend) {
    this.backend = backend;
  }

  get name(): string {
    return this.backend.capabilities.name;
  }

  get statistics(): DeviceStatistics {
    return { buffers: this.#buffers, bytes: this.#bytes, compiled: this.#compiled, runs: this.#runs };
  }

  /** The elements of a tensor, computed if need be. */
  async read(tensor: Tensor): Promise<TypedArray> {
    const host = this.#onHost(tensor);
    if (host) return host;
    const { storage, bytes } = this.#stored(tensor);
    // The tensor may be disposed of while the read is under way.
    storage.hold();
    try {
      while (this.#queue) await this.#queue;
      // Asked for together, so that checks cost no way to the device and back of their own.
      const settled = this.#settled();
      const read = this.backend.read(storage.buffer, 0, bytes);
      read.catch(() => undefined);
      await settled;
      return viewOf(tensor.dtype, await read);
    } finally {
      storage.drop();
    }
  }

  readSync(tensor: Tensor): TypedArray {
    const host = this.#onHost(tensor);
    if (host) return host;
    if (!this.backend.readSync || this.#queue) {
      throw new DeviceError("dataSync", `${this.name} cannot be read at once`, { hint: "await data() instead" });
    }
    const { storage, bytes } = this.#stored(tensor);
    return viewOf(tensor.dtype, this.backend.readSync(storage.buffer, 0, bytes));
  }

  #onHost(tensor: Tensor): TypedArray | null {
    if (!tensor.storage) evaluateOn(this, [tensor]);
    return tensor.storage instanceof HostStorage ? tensor.storage.data.slice() : null;
  }

  #stored(tensor: Tensor): { storage: DeviceStorage; bytes: number } {
    return { storage: tensor.storage as DeviceStorage, bytes: tensor.size * bytesOf(tensor.dtype) };
  }

  /** Waits for compilations and checks; throws what went wrong in the background. */
  async #settled(): Promise<void> {
    while (this.#queue) await this.#queue;
    const checks = [...this.#checks, ...[...this.#standing].map((standing) => standing.examine())];
    this.#checks.clear();
    this.#standing.clear();
    await Promise.all(checks);
    if (this.#failure) {
      const failure = this.#failure;
      this.#failure = null;
      throw failure;
    }
  }

  /** Memory for `length` elements. */
  allocate(dtype: DType, length: number): BackendBuffer {
    const buffer = this.backend.alloc(length * bytesOf(dtype));
    this.#buffers++;
    this.#bytes += buffer.bytes;
    return buffer;
  }

  release(buffer: BackendBuffer): void {
    this.#buffers--;
    this.#bytes -= buffer.bytes;
    if (this.#queue) void this.#queue.then(() => this.backend.free(buffer));
    else this.backend.free(buffer);
  }

  /** Copies elements to the device. */
  upload(dtype: DType, data: TypedArray): BackendBuffer {
    this.#requireDType(dtype);
    const buffer = this.allocate(dtype, data.length);
    try {
      this.backend.write(buffer, toStored(dtype, data));
    } catch (failure) {
      this.release(buffer);
      throw failure;
    }
    return buffer;
  }

  #requireDType(dtype: DType): void {
    const { dtypes } = this.backend.capabilities;
    if (dtypes.has(dtype)) return;
    throw new DeviceError("evaluate", `${this.name} has no ${dtype}`, {
      expected: [...dtypes],
      received: dtype,
      hint: "cast to float32, or use the CPU",
    });
  }

  /** Frees a buffer of a few elements and returns them, if the device can be read at once. */
  takeOut({ dtype, length }: BufferSpec, buffer: BackendBuffer): TypedArray | null {
    if (!this.backend.readSync || this.#queue) return null;
    let elements: TypedArray;
    if (this.backend.readInto && dtype !== "float16") {
      elements = allocate(dtype, length);
      this.backend.readInto(buffer, elements);
    } else {
      elements = viewOf(dtype, this.backend.readSync(buffer, 0, length * bytesOf(dtype)));
    }
    this.release(buffer);
    return elements;
  }

  /** Moves a host tensor here; later reads find it on the device. */
  uploadTensor(tensor: Tensor): DeviceStorage {
    const { data } = tensor.storage as HostStorage;
    const storage = new DeviceStorage(this, this.upload(tensor.dtype, data));
    storage.attach(tensor);
    return storage;
  }

  /** The program remembered under `key`, or a new one. */
  remembered<L extends { readonly program: Program }>(key: string, make: () => L): L {
    const known = this.#programs.get(key);
    if (known) {
      // Move to the young end: a Map iterates in insertion order.
      this.#programs.delete(key);
      this.#programs.set(key, known);
      return known.lowered as L;
    }
    const lowered = make();
    this.#programs.set(key, { lowered, program: lowered.program });
    if (this.#programs.size > REMEMBERED_PROGRAMS) {
      const [oldest, { program }] = this.#programs.entries().next().value!;
      this.#programs.delete(oldest);
      this.forget(program);
    }
    return lowered;
  }

  /** Frees what a compiled program holds. */
  forget(program: Program): void {
    const executable = this.#executables.get(program);
    this.#executables.delete(program);
    void Promise.resolve(executable).then((compiled) => compiled?.dispose?.());
  }

  /** Enqueues a run; the buffers are the program's inputs, then its outputs, in a list that stays the caller's. */
  run(program: Program, buffers: readonly BackendBuffer[]): void {
    const executable = this.#executable(program);
    this.#runs++;
    if (!this.#queue && !(executable instanceof Promise)) {
      this.backend.run(executable, buffers);
      return;
    }
    // The caller's list may be another run's by then.
    const kept = [...buffers];
    const before = this.#queue ?? Promise.resolve();
    const after = before
      .then(async () => this.backend.run(await executable, kept))
      .catch((failure: unknown) => void (this.#failure ??= failure))
      .then(() => void (this.#queue === after && (this.#queue = null)));
    this.#queue = after;
  }

  #executable(program: Program): Executable | Promise<Executable> {
    let executable = this.#executables.get(program);
    if (!executable) {
      for (const { dtype } of [...program.inputs, ...program.outputs]) this.#requireDType(dtype);
      this.#compiled++;
      executable = this.backend.compile(program);
      this.#executables.set(program, executable);
      if (executable instanceof Promise) {
        executable.then(
          (compiled) => this.#executables.set(program, compiled),
          () => this.#executables.delete(program),
        );
      }
    }
    return executable;
  }

  /**
   * Reads int32 flags and throws the error of the first that is not negative; at once if the device can. Warnings are
   * told, not thrown.
   */
  check(flags: readonly BackendBuffer[], fail: readonly ((at: number) => Error)[]): void {
    if (this.backend.readSync && !this.#queue) {
      this.report(flags.map((flag) => positionOf(this.backend.readSync!(flag, 0, 4))), fail);
      return;
    }
    // The reads start before whatever is released after this call: buffers given back wait for the queue, too.
    const read = (): Promise<number[]> => this.positionsOf(flags);
    const check = (this.#queue ? this.#queue.then(read) : read()).then((positions) => this.report(positions, fail));
    this.#checks.add(check);
    check.then(
      () => this.#checks.delete(check),
      () => undefined,
    );
  }

  /** Looks at the checks of a compiled function when the next value is read. */
  watch(checks: StandingChecks): void {
    this.#standing.add(checks);
  }

  /** The numbers in int32 flags, after the work queued so far. */
  positionsOf(flags: readonly BackendBuffer[]): Promise<number[]> {
    return Promise.all(flags.map(async (flag) => positionOf(await this.backend.read(flag, 0, 4))));
  }

  /** Throws the error of the first position that is not negative; a warning is told. */
  report(positions: readonly number[], fail: readonly ((at: number) => Error)[]): void {
    positions.forEach((at, i) => {
      if (at < 0) return;
      const problem = fail[i]!(at);
      if (!(problem instanceof NumericalWarning)) throw problem;
      warn(problem);
    });
  }

  /** Resolves when all work so far is done. */
  async idle(): Promise<void> {
    await this.#settled();
    await this.backend.idle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#settled();
    await this.backend[Symbol.asyncDispose]();
  }
}

const positionOf = (flag: ArrayBuffer): number => new Int32Array(flag)[0]!;
