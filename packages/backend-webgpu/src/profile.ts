/**
 * How long kernels take on the GPU, by its own clock (`timestamp-query`): every dispatch gets a pass of its own, whose
 * beginning and end are written down. Owns the queries and the sums; reading them waits for no run.
 */

/** What one kernel took, over all of its runs. */
export interface KernelTime {
  /** Its kind and lengths, and what it computes: `contract [] [64] [10] [784]`. */
  readonly kernel: string;
  /** Dispatches; a kernel may need several for a run. */
  readonly dispatches: number;
  /** Of all dispatches together. */
  readonly milliseconds: number;
}

/** The queries of one run. */
export interface RunProfile {
  /** What the pass of dispatch `index` writes. */
  writes(index: number): GPUComputePassTimestampWrites;
  /** Encodes the copy of all times, after the passes. */
  resolve(encoder: GPUCommandEncoder): void;
  /** Reads the times, after the submission. */
  collect(kernels: readonly string[]): void;
}

/** `GPUBufferUsage`, which only browsers have as a global. */
const usage = { mapRead: 1, copySource: 4, copyTarget: 8, queryResolve: 512 } as const;
/** Of a query set; two queries are of one dispatch. */
const MOST_QUERIES = 4096;
const BYTES_OF_TIME = 8;
const MAP_READ = 1;

export class Profiler {
  readonly #device: GPUDevice;
  readonly #times = new Map<string, { dispatches: number; nanoseconds: number }>();
  readonly #pending = new Set<Promise<void>>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Queries for a run of so many dispatches. */
  start(dispatches: number): RunProfile {
    const device = this.#device;
    const sets = Array.from({ length: Math.ceil((2 * dispatches) / MOST_QUERIES) }, (_, i) =>
      device.createQuerySet({ type: "timestamp", count: Math.min(MOST_QUERIES, 2 * dispatches - i * MOST_QUERIES) }),
    );
    const size = 2 * dispatches * BYTES_OF_TIME;
    const resolved = device.createBuffer({ size, usage: usage.queryResolve | usage.copySource });
    const staging = device.createBuffer({ size, usage: usage.mapRead | usage.copyTarget });
    const free = (): void => [...sets, resolved, staging].forEach((each) => each.destroy());
    return {
      writes: (index) => ({
        querySet: sets[Math.floor((2 * index) / MOST_QUERIES)]!,
        beginningOfPassWriteIndex: (2 * index) % MOST_QUERIES,
        endOfPassWriteIndex: (2 * index + 1) % MOST_QUERIES,
      }),
      resolve: (encoder) => {
        sets.forEach((set, i) => {
          encoder.resolveQuerySet(set, 0, set.count, resolved, i * MOST_QUERIES * BYTES_OF_TIME);
        });
        encoder.copyBufferToBuffer(resolved, 0, staging, 0, size);
      },
      collect: (kernels) => {
        const read = staging.mapAsync(MAP_READ).then(
          () => this.#add(kernels, new BigUint64Array(staging.getMappedRange())),
          // A lost device has no times left to give; that it is lost is reported elsewhere.
          () => undefined,
        );
        const pending = read.finally(() => {
          free();
          this.#pending.delete(pending);
        });
        this.#pending.add(pending);
      },
    };
  }

  /** Times of the runs so far, the longest first. */
  async times(): Promise<KernelTime[]> {
    await Promise.all(this.#pending);
    return [...this.#times]
      .map(([kernel, { dispatches, nanoseconds }]) => ({ kernel, dispatches, milliseconds: nanoseconds / 1e6 }))
      .sort((a, b) => b.milliseconds - a.milliseconds);
  }

  #add(kernels: readonly string[], times: BigUint64Array): void {
    kernels.forEach((kernel, i) => {
      const sum = this.#times.get(kernel) ?? { dispatches: 0, nanoseconds: 0 };
      sum.dispatches++;
      // A clock that was reset in between says nothing.
      sum.nanoseconds += Math.max(0, Number(times[2 * i + 1]! - times[2 * i]!));
      this.#times.set(kernel, sum);
    });
  }
}
