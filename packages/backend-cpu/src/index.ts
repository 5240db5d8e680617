/**
 * `@dormouse/backend-cpu`: runs Dormouse on the processor, with WebAssembly SIMD generated for the kernels at hand.
 */
import { Device } from "@dormouse/tensor/graph";
import { type CpuOptions, createCpuBackend } from "./backend.ts";
import { generateContract } from "./wasm/gemm.ts";
import { generateLoop } from "./wasm/loop.ts";
import { generateRoutine } from "./wasm/routines.ts";
import { generateScatter } from "./wasm/scatter.ts";

export type { CpuOptions } from "./backend.ts";

/**
 * A device that computes on the processor: SIMD code made at run time, on one thread or several. Works in Node, Deno,
 * Bun and pages; a page needs cross-origin isolation for more than one thread.
 *
 * Runs are synchronous, so values can be read at once (`dataSync`). Worker threads do not keep a process alive;
 * disposing of the device ends them.
 *
 * @param options `threads` (default: as many as there are processors, at most 8) `fma` (default: true)
 *   and `wide` (default: false; 256-bit vectors in Node 24).
 * @throws DeviceError where WebAssembly SIMD is missing or a thread cannot start; ValueError for a bad `threads`.
 *
 * @example
 * setDevice(await cpu());
 * await using device = await cpu({ threads: 1 });
 */
export async function cpu(options: CpuOptions = {}): Promise<Device> {
  const generators = {
    loop: generateLoop,
    contract: generateContract,
    scatter: generateScatter,
    routine: generateRoutine,
  };
  return new Device(await createCpuBackend(generators, options));
}
