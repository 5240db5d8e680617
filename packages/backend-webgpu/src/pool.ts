/**
 * Buffers by size class. A freed buffer is given out again at once, even while the GPU still uses it: the queue runs
 * everything in order, so what is submitted later meets the buffer after the earlier work is done with it. Owns
 * creation, reuse and destruction; refuses to know what is stored.
 */
import { OutOfMemoryError } from "./errors.ts";

/** `GPUBufferUsage`, which only browsers have as a global. */
export const usage = { mapRead: 1, copySource: 4, copyTarget: 8, storage: 128 } as const;

/** A buffer with a number of its own, for keys. */
export interface PooledBuffer {
  readonly id: number;
  readonly gpu: GPUBuffer;
  /** Its capacity. */
  readonly size: number;
}

/** What a pool has in hand. */
export interface PoolStatistics {
  /** Buffers given out, and their capacities together. */
  readonly used: number;
  readonly usedBytes: number;
  /** Buffers waiting to be given out. */
  readonly free: number;
  readonly freeBytes: number;
  /** Buffers created so far. */
  readonly created: number;
}

/** Largest single sizes of the device. */
export interface MemoryLimits {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
}

const SMALLEST = 256;
/** Freed memory beyond this goes back to the system. */
const MOST_FREE_BYTES = 2 ** 29;

/** The capacity for `bytes`: four sizes for every power of two, so that at most a quarter is wasted. */
export function sizeClass(bytes: number): number {
  if (bytes <= SMALLEST) return SMALLEST;
  const step = 2 ** (Math.floor(Math.log2(bytes - 1)) - 2);
  return Math.ceil(bytes / step) * step;
}

let serial = 0;

/** Buffers of one usage. `watch` is given what is still unknown about a creation: null, or why it failed. */
export class BufferPool {
  readonly #device: GPUDevice;
  readonly #usage: number;
  readonly #limits: MemoryLimits;
  readonly #watch: (outcome: Promise<GPUError | null>, bytes: number) => void;
  readonly #free = new Map<number, PooledBuffer[]>();
  readonly #used = new Set<PooledBuffer>();
  #usedBytes = 0;
  #freeBytes = 0;
  #created = 0;

  constructor(
    device: GPUDevice,
    usage: number,
    limits: MemoryLimits,
    watch: (outcome: Promise<GPUError | null>, bytes: number) => void,
  ) {
    this.#device = device;
    this.#usage = usage;
    this.#limits = limits;
    this.#watch = watch;
  }

  get statistics(): PoolStatistics {
    const free = [...this.#free.values()].reduce((sum, buffers) => sum + buffers.length, 0);
    return { used: this.#used.size, usedBytes: this.#usedBytes, free, freeBytes: this.#freeBytes, created: this.#created };
  }

  /** @throws OutOfMemoryError where no buffer may be that large. */
  take(bytes: number): PooledBuffer {
    for (const limit of ["maxBufferSize", "maxStorageBufferBindingSize"] as const) {
      if (bytes <= this.#limits[limit]) continue;
      throw new OutOfMemoryError("webgpu", `a buffer of ${bytes} bytes is above ${limit}, ${this.#limits[limit]}`, {
        expected: this.#limits[limit],
        received: bytes,
        hint: "use smaller tensors, or a smaller batch",
      });
    }
    const size = Math.min(sizeClass(bytes), this.#limits.maxBufferSize - (this.#limits.maxBufferSize % 4));
    const known = this.#free.get(size)?.pop();
    if (known) this.#freeBytes -= size;
    const buffer = known ?? this.#create(size);
    this.#used.add(buffer);
    this.#usedBytes += size;
    return buffer;
  }

  give(buffer: PooledBuffer): void {
    this.#used.delete(buffer);
    this.#usedBytes -= buffer.size;
    if (this.#freeBytes + buffer.size > MOST_FREE_BYTES) return buffer.gpu.destroy();
    const same = this.#free.get(buffer.size);
    if (same) same.push(buffer);
    else this.#free.set(buffer.size, [buffer]);
    this.#freeBytes += buffer.size;
  }

  /** Destroys everything. */
  dispose(): void {
    for (const { gpu } of [...this.#used, ...[...this.#free.values()].flat()]) gpu.destroy();
    this.#used.clear();
    this.#free.clear();
    this.#usedBytes = 0;
    this.#freeBytes = 0;
  }

  #create(size: number): PooledBuffer {
    this.#device.pushErrorScope("out-of-memory");
    const gpu = this.#device.createBuffer({ size, usage: this.#usage });
    this.#watch(this.#device.popErrorScope(), size);
    this.#created++;
    return { id: serial++, gpu, size };
  }
}
