/**
 * A browser's `Worker` for jax-js, which computes on several threads only where there is one; Node has
 * `worker_threads` instead. Owns just what jax-js uses of it: a module from a blob, messages both ways, errors.
 */
import { resolveObjectURL } from "node:buffer";
import { Worker as NodeWorker } from "node:worker_threads";

/** Gives the blob's code a browser's names, then runs it. Messages wait until somebody listens. */
const bootstrap = `
  const { parentPort, workerData } = require("node:worker_threads");
  globalThis.self = globalThis;
  globalThis.postMessage = (message) => parentPort.postMessage(message);
  workerData.text().then((code) => {
    (0, eval)(code);
    parentPort.on("message", (data) => self.onmessage({ data }));
  });
`;

class BlobWorker {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onerror: ((event: { message: string }) => void) | null = null;
  readonly #worker: NodeWorker;

  constructor(url: string) {
    this.#worker = new NodeWorker(bootstrap, { eval: true, workerData: resolveObjectURL(url) });
    this.#worker.on("message", (data: unknown) => this.onmessage?.({ data }));
    this.#worker.on("error", ({ message }: Error) => this.onerror?.({ message }));
    this.#worker.unref();
  }

  postMessage(message: unknown): void {
    this.#worker.postMessage(message);
  }

  terminate(): void {
    void this.#worker.terminate();
  }
}

/** To be called before jax-js is imported: as many workers start as it believes there are processors. */
export function provideWorkers(threads: number): void {
  Object.defineProperty(globalThis, "Worker", { value: BlobWorker, configurable: true });
  Object.defineProperty(globalThis, "navigator", { value: { hardwareConcurrency: threads }, configurable: true });
}
