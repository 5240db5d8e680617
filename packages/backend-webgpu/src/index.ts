/**
 * `@dormouse/backend-webgpu`: runs Dormouse on the GPU, with WGSL generated for the kernels at hand.
 */
import { DeviceError } from "@dormouse/tensor";
import { Device } from "@dormouse/tensor/graph";
import { type AdapterOptions, findAdapter, nameOf, requestDevice } from "./adapter.ts";
import { type WebGpuBackend, createWebGpuBackend } from "./backend.ts";
import type { CompileProgress } from "./pipelines.ts";
import type { KernelTime } from "./profile.ts";
import type { TuningStorage } from "./tuner.ts";

export { type AdapterDescription, type AdapterOptions, type LimitName, describeAdapter } from "./adapter.ts";
export { DeviceLostError, OutOfMemoryError } from "./errors.ts";
export type { CompileProgress } from "./pipelines.ts";
export type { KernelTime } from "./profile.ts";
export type { TuningStorage } from "./tuner.ts";

export interface WebGpuOptions extends AdapterOptions {
  /** An adapter to use instead of looking for one. */
  readonly adapter?: GPUAdapter;
  /** A device to share with other code; it is not destroyed with Dormouse's. */
  readonly device?: GPUDevice;
  /** Called whenever a shader is compiled: the first steps of a program wait for its shaders. */
  readonly onCompile?: (progress: CompileProgress) => void;
  /** Times every kernel with the clock of the GPU, for `kernelTimes`; needs its feature `timestamp-query`. */
  readonly profile?: boolean;
  /**
   * Measures which tiles of products are fastest, once for each class of shapes, when a program is compiled. A storage,
   * `localStorage` for example, keeps the choices for the next time. Without it tiles are chosen by size.
   */
  readonly tune?: boolean | TuningStorage;
}

/**
 * A device that computes on the GPU: in browsers and Deno through `navigator.gpu`, in Node through the optional package
 * `webgpu`. Values are read with `await data()`; there is no `dataSync`. float64 is not supported;
 * float16 is where the GPU has `shader-f16`.
 *
 * @param options `powerPreference`, an `adapter` or a `device` of your own, `onCompile` for a progress bar,
 *   `profile` to time kernels, `tune` to measure tiles.
 * @returns the device; disposing of it frees all of its memory.
 * @throws DeviceError where there is no GPU; the message says what is missing. There is no fallback.
 *
 * @example
 * setDevice(await webgpu());
 * await using device = await webgpu({ powerPreference: "high-performance" });
 */
export async function webgpu(options: WebGpuOptions = {}): Promise<Device> {
  const { onCompile, profile, tune } = options;
  if (options.device) {
    if (profile) requireClock(options.device.features);
    const name = `webgpu:${nameOf(options.device.adapterInfo)}`;
    return new Device(createWebGpuBackend(options.device, { name, ownsDevice: false, onCompile, profile, tune }));
  }
  const adapter = options.adapter ?? (await findAdapter(options));
  if (typeof adapter === "string") throw new DeviceError("webgpu", adapter);
  if (profile) requireClock(adapter.features);
  const device = await requestDevice(adapter, profile ? [CLOCK] : []);
  const name = `webgpu:${nameOf(adapter.info)}`;
  return new Device(createWebGpuBackend(device, { name, ownsDevice: true, onCompile, profile, tune }));
}

const CLOCK = "timestamp-query";

function requireClock(features: ReadonlySet<string>): void {
  if (features.has(CLOCK)) return;
  throw new DeviceError("webgpu", `kernels cannot be timed: the GPU has no ${CLOCK}`, {
    expected: CLOCK,
    received: [...features],
    hint: "leave profile out, or give a device that was requested with this feature",
  });
}

/**
 * How long each kernel took on the GPU, over all runs so far, the longest first; kernels that do the same share a row.
 * Each dispatch has a pass of its own then, so that a step takes longer than without `profile`. Browsers round times,
 * often to 0.1 ms: sum over many runs.
 *
 * @param device from `webgpu({ profile: true })`.
 * @returns `{ kernel, dispatches, milliseconds }` for each.
 * @throws DeviceError where kernels are not timed.
 *
 * @example
 * const device = await webgpu({ profile: true });
 * setDevice(device);
 * await matmul(a, b).data();
 * console.table(await kernelTimes(device));
 */
export async function kernelTimes(device: Device): Promise<readonly KernelTime[]> {
  const backend: Partial<WebGpuBackend> = device.backend;
  const times = await backend.kernelTimes?.();
  if (times) return times;
  throw new DeviceError("kernelTimes", `kernels are not timed on ${device.name}`, {
    hint: "make the device with webgpu({ profile: true })",
  });
}
