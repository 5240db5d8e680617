/**
 * The source of a worker thread, as text: a string survives every bundler, minifier and test runner, needs no file
 * beside the bundle and no loader in the worker. It does little: instantiate what is posted, then serve inside
 * WebAssembly (`defineServe` in wasm/driver.ts) until something else is posted.
 */
import { control, environmentImport } from "./wasm/driver.ts";

/** First message to a worker. */
export interface WorkerSetup {
  readonly memory: WebAssembly.Memory;
  readonly driver: WebAssembly.Module;
  readonly threadIndex: number;
}

/** Every later message: which table entries to fill with which export, or to clear where there is no module. */
export type WorkerUpdate = readonly (readonly [slot: number, module: WebAssembly.Module | null, name: string])[];

const at = (address: number): number => address / 4;

/** `port` is made by `startWorker`. A failure is marked in the control block, because the others may be waiting. */
export const workerSource = `
let memory, words, table, driver, threadIndex, handled = 0;
const setUp = (setup) => {
  ({ memory, threadIndex } = setup);
  words = new Int32Array(memory.buffer);
  table = new WebAssembly.Table({ element: "anyfunc", initial: 64 });
  driver = new WebAssembly.Instance(setup.driver, { ${environmentImport}: { memory, kernels: table } }).exports;
  port.postMessage("ready");
};
const update = (entries) => {
  const imports = { ${environmentImport}: { memory, barrier: driver.barrier } };
  const instances = new Map();
  for (const [slot, module, name] of entries) {
    if (slot >= table.length) table.grow(slot);
    if (module && !instances.has(module)) instances.set(module, new WebAssembly.Instance(module, imports));
    table.set(slot, module && instances.get(module).exports[name]);
  }
  handled++;
};
port.onmessage = (message) => {
  try {
    if (memory) update(message);
    else setUp(message);
    Atomics.store(words, ${at(control.handled)} + threadIndex, handled);
    Atomics.notify(words, ${at(control.handled)} + threadIndex);
    driver.serve(threadIndex, handled);
  } catch (error) {
    Atomics.store(words, ${at(control.failed)}, 1);
    throw error;
  }
};
`;
