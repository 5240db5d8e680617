/**
 * What a backend is: memory and programs, on one screen. Nothing above `lower` knows which one runs.
 */
import type { DType, StoredArray } from "../core/dtype.ts";
import type { Program } from "../lower/program.ts";

/** What a backend can do, as plain data: part of every cache key. */
export interface Capabilities {
  /** `cpu-simd128-fma:2`, `webgpu:nvidia:f16` … */
  readonly name: string;
  readonly dtypes: ReadonlySet<DType>;
  /** Buffers one kernel may take; the scratch memory of a run is one. */
  readonly maxBindings: number;
  readonly maxBufferBytes: number;
  /** Whether `readSync` exists. */
  readonly syncRead: boolean;
}

/** Device memory. Only the backend that made it looks inside. */
export interface BackendBuffer {
  readonly bytes: number;
}

/** A compiled program. */
export interface Executable {
  readonly program: Program;
  /** Frees what the compilation holds. */
  dispose?(): void;
}

export interface Backend extends AsyncDisposable {
  readonly capabilities: Capabilities;
  /** Contents are unspecified. Zero bytes is allowed. */
  alloc(bytes: number): BackendBuffer;
  /** Safe while queued work still uses the buffer. */
  free(buffer: BackendBuffer): void;
  write(buffer: BackendBuffer, data: ArrayBufferView, offset?: number): void;
  /** A copy of `bytes` bytes from `offset`, after the work queued so far. */
  read(buffer: BackendBuffer, offset: number, bytes: number): Promise<ArrayBuffer>;
  readSync?(buffer: BackendBuffer, offset: number, bytes: number): ArrayBuffer;
  /** As `readSync`, of the elements from the first on, into an array that exists: for a few, where a copy costs more. */
  readInto?(buffer: BackendBuffer, target: StoredArray): void;
  compile(program: Program): Executable | Promise<Executable>;
  /** Enqueued, in call order. `buffers` are the program's inputs, then its outputs; the list is the caller's again afterwards. */
  run(executable: Executable, buffers: readonly BackendBuffer[]): void;
  /** Hands queued work to the device. */
  flush(): void;
  /** Resolves when the work queued so far is done. */
  idle(): Promise<void>;
}
