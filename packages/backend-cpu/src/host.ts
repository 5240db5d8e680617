/**
 * What the JavaScript host offers beyond the language: Node's built-in modules (in Node, Deno and Bun) and workers.
 * The few types are spelled out here, because the package must compile for pages too.
 */

interface NodeModules {
  "node:os": { availableParallelism(): number };
  "node:v8": { setFlagsFromString(flags: string): void };
  "node:worker_threads": {
    Worker: new (source: string, options: { eval: boolean; name: string }) => NodeWorker;
  };
}

interface NodeWorker {
  postMessage(message: unknown): void;
  on(event: "message" | "error", listener: (value: unknown) => void): void;
  unref(): void;
  terminate(): Promise<number>;
}

interface NodeProcess {
  readonly versions?: { readonly node?: string; readonly deno?: string; readonly bun?: string };
  getBuiltinModule?<M extends keyof NodeModules>(name: M): NodeModules[M] | undefined;
}

const nodeProcess = (globalThis as { process?: NodeProcess }).process;

/** A built-in module of Node where there is one. Not an `import`, so that bundles for pages need no shim. */
export const builtin = <M extends keyof NodeModules>(name: M): NodeModules[M] | undefined =>
  nodeProcess?.getBuiltinModule?.(name);

/** Major version of Node itself; undefined in Deno, Bun and pages. */
export function nodeMajor(): number | undefined {
  const { node, deno, bun } = nodeProcess?.versions ?? {};
  return node && !deno && !bun ? Number.parseInt(node, 10) : undefined;
}

/** Processors that the host lets this process use. */
export const processors = (): number =>
  builtin("node:os")?.availableParallelism() ??
  (globalThis as { navigator?: { hardwareConcurrency?: number } }).navigator?.hardwareConcurrency ??
  1;

/** A worker of any host. */
export interface HostWorker {
  post(message: unknown): void;
  /** From now on the worker does not keep the process alive. Until then it does, so that its start can be awaited. */
  unref(): void;
  terminate(): void;
}

/** What a worker reports. */
export interface WorkerEvents {
  message(value: unknown): void;
  error(reason: unknown): void;
}

/**
 * Starts a worker from its source, which finds `port`: an object with `postMessage` and an assignable `onmessage` that
 * receives the message itself.
 */
export function startWorker(source: string, name: string, events: WorkerEvents): HostWorker {
  const threads = builtin("node:worker_threads");
  if (threads) {
    const prelude = `const { parentPort } = require("node:worker_threads");
const port = {
  postMessage: (message) => parentPort.postMessage(message),
  set onmessage(listener) { parentPort.on("message", listener); },
};
`;
    const worker = new threads.Worker(prelude + source, { eval: true, name });
    worker.on("message", (value) => events.message(value));
    worker.on("error", (reason) => events.error(reason));
    return {
      post: (message) => worker.postMessage(message),
      unref: () => worker.unref(),
      terminate: () => void worker.terminate(),
    };
  }
  const prelude = `const port = {
  postMessage: (message) => self.postMessage(message),
  set onmessage(listener) { self.onmessage = ({ data }) => listener(data); },
};
`;
  const url = URL.createObjectURL(new Blob([prelude + source], { type: "text/javascript" }));
  const worker = new Worker(url, { name, type: "module" });
  worker.onmessage = ({ data }) => events.message(data);
  worker.onerror = (event) => events.error(event.message);
  return {
    post: (message) => worker.postMessage(message),
    // A page lives as long as it is open, whatever its workers do.
    unref() {},
    terminate() {
      worker.terminate();
      URL.revokeObjectURL(url);
    },
  };
}
