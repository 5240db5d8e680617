/**
 * The backend: buffers, compiled programs and runs on one `GPUDevice`, and what goes wrong with it. A failure that the
 * GPU reports later (no memory, a lost device) is thrown by the next call, and rejects reads that wait.
 */
import { DeviceError, type DType } from "@dormouse/tensor";
import {
  type Backend, type BackendBuffer, type Capabilities, type Executable, type Program, checkBuffers, checkRange, dtypes,
  foreignBufferError, freedBufferError,
} from "@dormouse/tensor/graph";
import { compileProgram } from "./compilation.ts";
import { DeviceLostError, OutOfMemoryError } from "./errors.ts";
import type { TileFor } from "./kernels.ts";
import { type CompileProgress, PipelineCache } from "./pipelines.ts";
import { BufferPool, type PoolStatistics, type PooledBuffer, usage } from "./pool.ts";
import { type KernelTime, Profiler } from "./profile.ts";
import { GpuExecutable, GpuQueue, type QueueStatistics } from "./queue.ts";
import { Tuner, type TuningStorage } from "./tuner.ts";
import type { Target } from "./wgsl/shader.ts";

/** What a backend on the GPU counts, for tests and tools. */
export interface WebGpuStatistics extends PoolStatistics, QueueStatistics {
  /** Shaders compiled. */
  readonly pipelines: number;
}

/** The backend and what only tests and tools ask of it. */
export interface WebGpuBackend extends Backend {
  readonly statistics: WebGpuStatistics;
  /** Times of kernels so far, or null where they are not measured. */
  kernelTimes(): Promise<KernelTime[] | null>;
}

export interface BackendOptions {
  /** Part of the capabilities' name. */
  readonly name: string;
  /** Whether disposing of the backend destroys the device. */
  readonly ownsDevice: boolean;
  readonly onCompile?: ((progress: CompileProgress) => void) | undefined;
  /** Whether kernels are timed; the device has `timestamp-query` then. */
  readonly profile?: boolean | undefined;
  /** Whether tiles of products are measured, and where the choices are kept. */
  readonly tune?: boolean | TuningStorage | undefined;
}

class GpuBuffer implements BackendBuffer {
  readonly bytes: number;
  /** null once freed. */
  pooled: PooledBuffer | null;

  constructor(bytes: number, pooled: PooledBuffer) {
    this.bytes = bytes;
    this.pooled = pooled;
  }
}

/** Every dtype that shaders of a device can load, compute with and store. */
const supportedBy = ({ features }: GPUDevice): ReadonlySet<DType> =>
  new Set(dtypes.filter((dtype) => dtype !== "float64" && (dtype !== "float16" || features.has("shader-f16"))));

/** The smallest subgroups of a device that does not say how small its own are. */
const SMALLEST_SUBGROUP = 4;

/** Makes the backend of a device. Applications call `webgpu()`. */
export const createWebGpuBackend = (device: GPUDevice, options: BackendOptions): WebGpuBackend =>
  new Gpu(device, options);

class Gpu implements WebGpuBackend {
  readonly capabilities: Capabilities;
  readonly #device: GPUDevice;
  readonly #target: Target;
  readonly #ownsDevice: boolean;
  readonly #storage: BufferPool;
  readonly #staging: BufferPool;
  readonly #queue: GpuQueue;
  readonly #pipelines: PipelineCache;
  readonly #profiler: Profiler | null;
  readonly #tuner: Tuner | null;
  /** Outcomes of allocations that are not known yet. */
  readonly #pending = new Set<Promise<unknown>>();
  #disposed = false;
  #lost: DeviceLostError | null = null;
  /** Reported by the next call. */
  #failure: DeviceError | null = null;

  constructor(device: GPUDevice, { name, ownsDevice, onCompile, profile, tune }: BackendOptions) {
    this.#device = device;
    this.#ownsDevice = ownsDevice;
    const { limits } = device;
    this.capabilities = {
      name,
      dtypes: supportedBy(device),
      // One is for the memory that a kernel of several dispatches asks for.
      maxBindings: limits.maxStorageBuffersPerShaderStage - 1,
      maxBufferBytes: Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize),
      syncRead: false,
    };
    const { subgroupMinSize = SMALLEST_SUBGROUP } = device.adapterInfo ?? {};
    this.#target = {
      maxBindings: this.capabilities.maxBindings,
      subgroups: device.features.has("subgroups") ? subgroupMinSize : 0,
      workgroupBytes: limits.maxComputeWorkgroupStorageSize,
    };
    const watch = (outcome: Promise<GPUError | null>, bytes: number): void => this.#watch(outcome, bytes);
    this.#storage = new BufferPool(device, usage.storage | usage.copySource | usage.copyTarget, limits, watch);
    this.#staging = new BufferPool(device, usage.mapRead | usage.copyTarget, limits, watch);
    this.#profiler = profile ? new Profiler(device) : null;
    this.#queue = new GpuQueue(device, this.#storage, this.#staging, this.#profiler);
    this.#pipelines = new PipelineCache(device, onCompile);
    this.#tuner = tune ? new Tuner(this.#tuningBench(name), tune === true ? null : tune) : null;
    device.addEventListener("uncapturederror", ({ error }) => {
      this.#failure ??= new DeviceError("webgpu", `the GPU reported an error (${error.message})`, {
        hint: "this is a bug in Dormouse or in the driver, please report it",
      });
    });
    void device.lost.then(({ reason, message }) => {
      if (this.#disposed) return;
      this.#lost = new DeviceLostError("webgpu", `the GPU device was lost (${message || reason})`, {
        received: reason,
        hint: "make a new device with webgpu() and restore from a checkpoint",
      });
    });
  }

  get statistics(): WebGpuStatistics {
    return { ...this.#storage.statistics, ...this.#queue.statistics, pipelines: this.#pipelines.compiled };
  }

  alloc(bytes: number): BackendBuffer {
    this.#requireAlive("alloc");
    return new GpuBuffer(bytes, this.#storage.take(bytes));
  }

  free(buffer: BackendBuffer): void {
    // Buffers may outlive their device; there is nothing left to give back then.
    if (this.#disposed) return;
    this.#storage.give(pooledOf("free", buffer));
    (buffer as GpuBuffer).pooled = null;
  }

  write(buffer: BackendBuffer, data: ArrayBufferView, offset = 0): void {
    this.#requireAlive("write");
    const pooled = pooledOf("write", buffer);
    checkRange("write", buffer, offset, data.byteLength);
    const end = offset + data.byteLength;
    if (offset % 4 !== 0 || (end % 4 !== 0 && end !== buffer.bytes)) {
      throw new DeviceError("write", `bytes ${offset} to ${end} are not whole words`, {
        received: [offset, end],
        hint: "start at a multiple of 4, and end at one or at the end of the buffer",
      });
    }
    this.#queue.write(pooled, offset, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  async read(buffer: BackendBuffer, offset: number, bytes: number): Promise<ArrayBuffer> {
    this.#requireAlive("read");
    const pooled = pooledOf("read", buffer);
    checkRange("read", buffer, offset, bytes);
    if (bytes === 0) return new ArrayBuffer(0);
    return this.#settle("read", this.#queue.read(pooled, offset, bytes));
  }

  compile(program: Program): Executable | Promise<Executable> {
    this.#requireAlive("compile");
    const tuned = this.#tuner?.prepare(program);
    const tileFor: TileFor = (kernel) => this.#tuner?.tileFor(kernel) ?? null;
    return tuned ? tuned.then(() => this.#compile(program, tileFor)) : this.#compile(program, tileFor);
  }

  #compile(program: Program, tileFor: TileFor): GpuExecutable | Promise<GpuExecutable> {
    return compileProgram(program, this.#target, tileFor, this.#pipelines, this.capabilities.dtypes);
  }

  run(executable: Executable, buffers: readonly BackendBuffer[]): void {
    this.#requireAlive("run");
    if (!(executable instanceof GpuExecutable)) {
      throw new DeviceError("run", "the executable belongs to another backend", { hint: "compile the program here" });
    }
    // A binding larger than its buffer would be an error of the GPU, reported late and without a name.
    checkBuffers(executable.program, buffers);
    this.#queue.run(executable, buffers.map((buffer) => pooledOf("run", buffer)));
  }

  async kernelTimes(): Promise<KernelTime[] | null> {
    this.#requireAlive("kernelTimes");
    return this.#profiler ? this.#settle("kernelTimes", this.#profiler.times()) : null;
  }

  #tuningBench(adapter: string): ConstructorParameters<typeof Tuner>[0] {
    return {
      adapter,
      maxBindings: this.capabilities.maxBindings,
      compile: async (program, tile) => this.#compile(program, () => tile),
      run: (executable, buffers) => this.#queue.run(executable, buffers),
      idle: () => this.#settle("compile", this.#queue.idle()),
      take: (bytes) => this.#storage.take(bytes),
      give: (buffer) => this.#storage.give(buffer),
    };
  }

  /** Every run is submitted at once. */
  flush(): void {}

  async idle(): Promise<void> {
    this.#requireAlive("idle");
    await this.#settle("idle", this.#queue.idle());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#storage.dispose();
    this.#staging.dispose();
    if (this.#ownsDevice) this.#device.destroy();
  }

  /** Waits for work and for what is known only afterwards. */
  async #settle<T>(op: string, work: Promise<T>): Promise<T> {
    let result: T;
    try {
      result = await work;
      await Promise.all(this.#pending);
    } catch (cause) {
      // Buffers are unmapped when a device is lost, and the promise of the loss settles after that.
      await Promise.race([this.#device.lost, new Promise((resolve) => setTimeout(resolve, 100))]);
      this.#requireAlive(op);
      throw new DeviceError(op, `the GPU gave no answer (${String(cause)})`, { hint: "make a new device with webgpu()" });
    }
    this.#requireAlive(op);
    return result;
  }

  #watch(outcome: Promise<GPUError | null>, bytes: number): void {
    const watched = outcome.then(
      (error) => {
        if (!error) return;
        this.#failure ??= new OutOfMemoryError("webgpu", `the GPU has no ${bytes} bytes left (${error.message})`, {
          received: bytes,
          hint: "use a smaller batch, or dispose of tensors earlier",
        });
      },
      // A lost device answers nothing; that it is lost is known elsewhere.
      () => undefined,
    );
    this.#pending.add(watched);
    void watched.then(() => this.#pending.delete(watched));
  }

  #requireAlive(op: string): void {
    if (this.#disposed) throw new DeviceError(op, "the device was disposed of", { hint: "make a new one with webgpu()" });
    if (this.#lost) throw this.#lost;
    if (this.#failure) {
      const failure = this.#failure;
      this.#failure = null;
      throw failure;
    }
  }
}

function pooledOf(op: string, buffer: BackendBuffer): PooledBuffer {
  if (!(buffer instanceof GpuBuffer)) {
    throw foreignBufferError(op);
  }
  if (!buffer.pooled) {
    throw freedBufferError(op, buffer);
  }
  return buffer.pooled;
}
