/**
 * `@dormouse/backend-webgpu`: runs Dormouse on the GPU, with WGSL generated for the kernels at hand.
 */
import { DeviceError } from "@dormouse/tensor";
import { Device } from "@dormouse/tensor/graph";
import { type AdapterOptions, findAdapter, nameOf, requestDevice } from "./adapter.ts";
import { createWebGpuBackend } from "./backend.ts";
import type { CompileProgress } from "./pipelines.ts";

export { type AdapterDescription, type AdapterOptions, type LimitName, describeAdapter } from "./adapter.ts";
export { DeviceLostError, OutOfMemoryError } from "./errors.ts";
export type { CompileProgress } from "./pipelines.ts";

export interface WebGpuOptions extends AdapterOptions {
  /** An adapter to use instead of looking for one. */
  readonly adapter?: GPUAdapter;
  /** A device to share with other code; it is not destroyed with Dormouse's. */
  readonly device?: GPUDevice;
  /** Called whenever a shader is compiled: the first steps of a program wait for its shaders. */
  readonly onCompile?: (progress: CompileProgress) => void;
}

/**
 * A device that computes on the GPU: in browsers and Deno through `navigator.gpu`, in Node through the optional package
 * `webgpu`. Values are read with `await data()`; there is no `dataSync`. float64 is not supported.
 *
 * @param options `powerPreference`, an `adapter` or a `device` of your own, and `onCompile` for a progress bar.
 * @returns the device; disposing of it frees all of its memory.
 * @throws DeviceError where there is no GPU; the message says what is missing. There is no fallback.
 *
 * @example
 * setDevice(await webgpu());
 * await using device = await webgpu({ powerPreference: "high-performance" });
 */
export async function webgpu(options: WebGpuOptions = {}): Promise<Device> {
  const { onCompile } = options;
  if (options.device) {
    const name = nameOf(options.device.adapterInfo);
    return new Device(createWebGpuBackend(options.device, { name: `webgpu:${name}`, ownsDevice: false, onCompile }));
  }
  const adapter = options.adapter ?? (await findAdapter(options));
  if (typeof adapter === "string") throw new DeviceError("webgpu", adapter);
  const device = await requestDevice(adapter);
  return new Device(createWebGpuBackend(device, { name: `webgpu:${nameOf(adapter.info)}`, ownsDevice: true, onCompile }));
}
