/**
 * The worker threads of a device: starts them, gives them kernels and ends them. Running a program involves none of
 * this: threads meet in shared memory, inside WebAssembly (wasm/driver.ts).
 *
 * Giving kernels cannot race with running: the number of messages posted is counted in shared memory, a worker notices
 * a count it has not handled and leaves the serving loop for its event loop, and `settle` waits until all have handled
 * all. The caller settles before it runs a program that needs new kernels.
 */
import { DeviceError } from "@dormouse/tensor";
import { type HostWorker, nodeMajor, startWorker } from "./host.ts";
import { type WorkerSetup, type WorkerUpdate, workerSource } from "./worker.ts";
import { control, maximumThreads } from "./wasm/driver.ts";

/** Longest that `settle` waits for a worker to instantiate kernels. */
const patienceMilliseconds = 30_000;

const at = (address: number): number => address / 4;

/** The serving threads 1 … `size` − 1; the caller is thread 0. */
export class ThreadTeam {
  /** Threads that run a program, the caller included. */
  readonly size: number;
  readonly #workers: readonly HostWorker[];
  readonly #words: Int32Array;
  readonly #maySleep: boolean;
  #posted = 0;
  /** Messages that all workers are known to have handled; −1 until they serve. */
  #settled = -1;

  private constructor(workers: readonly HostWorker[], words: Int32Array, maySleep: boolean) {
    this.size = workers.length + 1;
    this.#workers = workers;
    this.#words = words;
    this.#maySleep = maySleep;
  }

  /**
   * Starts `size` − 1 workers on a shared memory. Waits until they serve, except in Node, where a worker starts while
   * its parent computes (or sleeps in `settle`), which hides the tens of milliseconds that takes.
   * @throws DeviceError where the host refuses to start one.
   */
  static async start(
    size: number,
    memory: WebAssembly.Memory,
    driver: WebAssembly.Module,
    maySleep: boolean,
  ): Promise<ThreadTeam> {
    const words = new Int32Array(memory.buffer, 0, at(control.end));
    const workers: HostWorker[] = [];
    const starts = Array.from({ length: Math.min(size, maximumThreads) - 1 }, (_, i) => {
      const threadIndex = i + 1;
      Atomics.store(words, at(control.handled) + threadIndex, -1);
      return new Promise<void>((resolve, reject) => {
        const worker = startWorker(workerSource, `dormouse ${threadIndex}`, {
          message: () => resolve(),
          error(reason) {
            // Thread 0 may be waiting for this worker; the mark ends that.
            Atomics.store(words, at(control.failed), 1);
            reject(reason instanceof Error ? reason : new Error(String(reason)));
          },
        });
        workers.push(worker);
        worker.post({ memory, driver, threadIndex } satisfies WorkerSetup);
      });
    });
    const started = Promise.all(starts);
    if (nodeMajor() !== undefined) {
      // A later failure is marked in the control block, where whoever waits finds it.
      started.catch(() => undefined);
      for (const worker of workers) worker.unref();
      return new ThreadTeam(workers, words, maySleep);
    }
    try {
      await started;
    } catch (cause) {
      for (const worker of workers) worker.terminate();
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new DeviceError("cpu", `a worker thread did not start (${reason})`, {
        hint: "use cpu({ threads: 1 })",
      });
    }
    for (const worker of workers) worker.unref();
    return new ThreadTeam(workers, words, maySleep);
  }

  /** Programs that all threads were called to so far. */
  get announced(): number {
    return Atomics.load(this.#words, at(control.runs));
  }

  /** Whether a thread failed: then no program may run any more. */
  get failed(): boolean {
    // Asked before everything, so not atomic, which takes 8 ns more: to see a failure one call later is as good.
    return this.#words[at(control.failed)] !== 0;
  }

  /** Releases threads that wait for one that failed. */
  fail(): void {
    Atomics.store(this.#words, at(control.failed), 1);
  }

  /** Sends table entries to every worker. Does not wait. */
  update(entries: WorkerUpdate): void {
    if (entries.length === 0) return;
    this.#posted++;
    // Counted first: a worker that handled a message never sees a smaller count and goes back to serve.
    Atomics.add(this.#words, at(control.posted), 1);
    for (const worker of this.#workers) worker.post(entries);
    this.#wake();
  }

  /**
   * Waits until every worker has handled every message.
   * @throws DeviceError when one failed or takes longer than 30 seconds.
   */
  settle(): void {
    if (this.#settled === this.#posted) return;
    const deadline = Date.now() + patienceMilliseconds;
    for (let thread = 1; thread < this.size; thread++) {
      const word = at(control.handled) + thread;
      for (;;) {
        const handled = Atomics.load(this.#words, word);
        if (handled === this.#posted) break;
        if (this.failed || Date.now() > deadline) {
          throw new DeviceError("run", `worker thread ${thread} did not take the kernels it was sent`, {
            expected: this.#posted,
            received: handled,
            hint: "make a new device",
          });
        }
        if (this.#maySleep) Atomics.wait(this.#words, word, handled, 100);
      }
    }
    this.#settled = this.#posted;
  }

  /** Ends the workers. */
  dispose(): void {
    Atomics.store(this.#words, at(control.stop), 1);
    this.#wake();
    for (const worker of this.#workers) worker.terminate();
  }

  #wake(): void {
    Atomics.add(this.#words, at(control.wake), 1);
    Atomics.notify(this.#words, at(control.wake));
  }
}
