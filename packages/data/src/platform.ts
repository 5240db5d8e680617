/**
 * What the JavaScript host offers beyond the language: Node's built-in modules (in Node, Deno and Bun) and workers. The
 * few types are spelled out here, because the package must compile for pages too.
 */
import { DeviceError, ValueError } from "@dormouse/tensor";

interface DirectoryEntry {
  readonly name: string;
  isDirectory(): boolean;
  isFile(): boolean;
}

interface NodeModules {
  "node:fs/promises": {
    readdir(path: string, options: { readonly withFileTypes: true }): Promise<DirectoryEntry[]>;
  };
  "node:os": { availableParallelism(): number };
  "node:path": { join(...parts: readonly string[]): string };
  "node:worker_threads": {
    Worker: new (source: string, options: { readonly eval: true; readonly name: string }) => NodeWorker;
  };
}

interface NodeWorker {
  postMessage(message: unknown): void;
  on(event: "message" | "error" | "exit" | "messageerror", listener: (value: unknown) => void): void;
  ref(): void;
  unref(): void;
  terminate(): Promise<number>;
}

const host = globalThis as {
  process?: { getBuiltinModule?<M extends keyof NodeModules>(name: M): NodeModules[M] | undefined };
  navigator?: { hardwareConcurrency?: number };
};

/** A built-in module of Node where there is one. Not an `import`, so that bundles for pages need no shim. */
const found = <M extends keyof NodeModules>(name: M): NodeModules[M] | undefined =>
  host.process?.getBuiltinModule?.(name);

/** A built-in module of Node; throws where there is none. */
export function builtin<M extends keyof NodeModules>(op: string, name: M): NodeModules[M] {
  const module = found(name);
  if (module) return module;
  throw new ValueError(op, `this host has no ${name}`, { expected: name, hint: "run it in Node, Deno or Bun" });
}

/** Processors that the host lets this process use. */
export const processors = (): number =>
  found("node:os")?.availableParallelism() ?? host.navigator?.hardwareConcurrency ?? 1;

/** A worker of any host. */
export interface HostWorker {
  post(message: unknown): void;
  /** Whether the worker keeps the process alive; it does when it starts. */
  holdProcess(hold: boolean): void;
  terminate(): void;
}

/** What a worker reports. */
export interface WorkerEvents {
  message(value: unknown): void;
  /** The worker failed and is gone. */
  error(reason: unknown): void;
}

/**
 * Starts a worker from its source, which finds `port`: an object with `postMessage` and an assignable `onmessage` that
 * receives the message itself.
 * @throws DeviceError where the host has no workers.
 */
export function startWorker(op: string, source: string, name: string, events: WorkerEvents): HostWorker {
  const threads = found("node:worker_threads");
  if (threads) {
    const prelude = `const { parentPort } = require("node:worker_threads");
const port = {
  postMessage: (message) => parentPort.postMessage(message),
  set onmessage(listener) { parentPort.on("message", listener); },
};
`;
    const worker = new threads.Worker(prelude + source, { eval: true, name });
    worker.on("message", (value) => events.message(value));
    worker.on("messageerror", (reason) => events.error(reason));
    worker.on("error", (reason) => events.error(reason));
    worker.on("exit", (code) => events.error(new Error(`the worker ended with code ${String(code)}`)));
    return {
      post: (message) => worker.postMessage(message),
      holdProcess: (hold) => (hold ? worker.ref() : worker.unref()),
      terminate: () => void worker.terminate(),
    };
  }
  if (typeof Worker === "undefined") {
    throw new DeviceError(op, "this host has no workers", { hint: "call the function itself in place of inWorkers" });
  }
  const prelude = `const port = {
  postMessage: (message) => self.postMessage(message),
  set onmessage(listener) { self.onmessage = ({ data }) => listener(data); },
};
`;
  const url = URL.createObjectURL(new Blob([prelude + source], { type: "text/javascript" }));
  const worker = new Worker(url, { name, type: "module" });
  worker.onmessage = ({ data }) => events.message(data);
  worker.onmessageerror = () => events.error(new Error("a message could not be read"));
  worker.onerror = (event) => events.error(new Error(event.message));
  return {
    post: (message) => worker.postMessage(message),
    // A page lives as long as it is open, whatever its workers do.
    holdProcess() {},
    terminate() {
      worker.terminate();
      URL.revokeObjectURL(url);
    },
  };
}
