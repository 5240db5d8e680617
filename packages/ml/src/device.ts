/**
 * Which device computes, and why: the choice that `@dormouse/ml` makes so that a first program needs none. There is no
 * silent second best: the reason is kept beside the device, and a machine that can run nothing is an error.
 */
import { setDevice } from "@dormouse/tensor";
import type { Device } from "@dormouse/tensor/graph";

/** A device by its name, and the reason for it. */
export interface PickedDevice {
  /** As `device().name` says it: `webgpu:nvidia-ampere`, or `cpu-simd128-fma:4` for the processor with 4 threads. */
  readonly name: string;
  /** One sentence for people. */
  readonly reason: string;
}

/** What a page must be for its threads to share memory; true in Node, where nothing says otherwise. */
const mayShareMemory = (): boolean =>
  typeof SharedArrayBuffer === "function" &&
  (globalThis as { readonly crossOriginIsolated?: boolean }).crossOriginIsolated !== false;

/** Whether the host offers WebGPU by itself, as browsers and Deno do. */
const offersGpu = (): boolean =>
  Boolean((globalThis as { readonly navigator?: { readonly gpu?: unknown } }).navigator?.gpu);

/**
 * Makes the best device that this host offers and sets it as the default: the GPU where `navigator.gpu` has one, else
 * the processor. Software that only imitates a GPU counts as none. In Node, where a GPU takes another package, the
 * program asks for it: `setDevice(await webgpu())`. On a page that is not cross-origin isolated the processor has one
 * thread, and the reason says so.
 *
 * @returns its name and why it was chosen.
 * @throws DeviceError where the processor cannot be used either: WebAssembly SIMD is missing.
 *
 * @example
 * const { name, reason } = await pickDevice();
 */
export async function pickDevice(): Promise<PickedDevice> {
  const missing = await whyNoGpu();
  const device = missing === null ? await gpuDevice() : await processorDevice();
  setDevice(device);
  const reason = missing === null ? "the GPU computes: the host offers WebGPU" : reasonFor(device.name, missing);
  return { name: device.name, reason };
}

// A page loads the code of the backend that it uses, and not of the other one.
const gpuDevice = async (): Promise<Device> => (await import("@dormouse/backend-webgpu")).webgpu();
const processorDevice = async (): Promise<Device> => (await import("@dormouse/backend-cpu")).cpu();

/** What speaks against the GPU, or null. */
async function whyNoGpu(): Promise<string | null> {
  if (!offersGpu()) return "the host offers no GPU (no navigator.gpu)";
  const { describeAdapter } = await import("@dormouse/backend-webgpu");
  const adapter = await describeAdapter();
  if (!adapter.available) return adapter.reason;
  return adapter.software ? `the only GPU is software (${adapter.name})` : null;
}

function reasonFor(name: string, missing: string): string {
  const threads = Number(name.slice(name.lastIndexOf(":") + 1));
  if (threads > 1) return `the processor computes, on ${threads} threads: ${missing}`;
  const single = mayShareMemory()
    ? "the host has one processor to give"
    : "the page is not cross-origin isolated (serve it with COOP and COEP headers)";
  return `the processor computes, on one thread: ${missing}, and ${single}`;
}

/** Keeps a device that the program has set already, else picks one. */
export async function choose(): Promise<PickedDevice> {
  const before = setDevice(null);
  if (!before) return pickDevice();
  setDevice(before);
  return { name: before.name, reason: "the program had set it before @dormouse/ml was imported" };
}
