/**
 * The GPU of Node, as a browser has it: `navigator.gpu` and its names, from the package `webgpu`, so that every library
 * finds the same adapter. Counts what all of them submit and dispatch. Owns no library.
 */
import { existsSync } from "node:fs";
import { env, versions } from "node:process";

/** What was given to the GPU so far, by whichever library. */
export interface GpuCounts {
  readonly submits: number;
  readonly dispatches: number;
}

/** Debian's chromium brings this software renderer; it is asked only where no driver has a GPU. */
const software = "/usr/lib/chromium/vk_swiftshader_icd.json";

const advice = "install a driver for Vulkan, Metal or Direct3D 12, or name one in VK_DRIVER_FILES";

interface WebGpuModule {
  create(flags: readonly string[]): GPU;
  readonly globals: Record<string, unknown>;
}

/** Instances for the life of the process: the package crashes if one is collected. */
const instances: GPU[] = [];
const counts = { submits: 0, dispatches: 0 };

export const gpuCounts = (): GpuCounts => ({ ...counts });

const best: GPURequestAdapterOptions = { powerPreference: "high-performance" };
let provided: GPU | null = null;

/**
 * Where adapters come from; there is at least one.
 * @throws where there is none; the message says what to install.
 */
export async function provideGpu(): Promise<GPU> {
  if (provided) return provided;
  // Not a literal: the package is optional, and a bundler must not look for it.
  const name = "webgpu";
  const module = (await import(name)) as WebGpuModule;
  Object.assign(globalThis, module.globals);
  let gpu = await find(module);
  if (!gpu && !env["VK_DRIVER_FILES"] && existsSync(software)) {
    env["VK_DRIVER_FILES"] = software;
    gpu = await find(module);
  }
  if (!gpu) throw new Error(`no GPU was found; ${advice}`);
  // Node has a navigator from version 21 on, with this name.
  const { navigator = { userAgent: `Node.js/${versions.node}` } } = globalThis as { readonly navigator?: object };
  Object.defineProperty(navigator, "gpu", { value: gpu, configurable: true });
  Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
  count();
  provided = gpu;
  return gpu;
}

async function find({ create }: WebGpuModule): Promise<GPU | null> {
  const gpu = create([]);
  instances.push(gpu);
  return (await gpu.requestAdapter(best)) && gpu;
}

/** A device of the adapter that everything is measured on; an adapter gives only one. */
export async function requestGpuDevice(): Promise<GPUDevice> {
  const adapter = (await (await provideGpu()).requestAdapter(best))!;
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
  return adapter.requestDevice({ requiredLimits: { maxBufferSize, maxStorageBufferBindingSize } });
}

/** Counts at the two doors that all work goes through. */
function count(): void {
  const { submit } = GPUQueue.prototype;
  GPUQueue.prototype.submit = function counted(this: GPUQueue, buffers) {
    counts.submits++;
    return submit.call(this, buffers);
  };
  const { dispatchWorkgroups } = GPUComputePassEncoder.prototype;
  GPUComputePassEncoder.prototype.dispatchWorkgroups = function counted(this: GPUComputePassEncoder, ...size) {
    counts.dispatches++;
    return dispatchWorkgroups.call(this, ...size);
  };
}
