/**
 * Where a GPU comes from: `navigator.gpu` in browsers and Deno, the optional package `webgpu` in Node. Owns the search
 * and its reasons; there is no silent second best.
 */
import { DeviceError } from "@dormouse/tensor";

/** Which GPU to ask for. */
export interface AdapterOptions {
  /** Where there are several: the one that saves power, or the faster one. */
  readonly powerPreference?: GPUPowerPreference;
}

/** What an adapter is and can do, or why there is none. */
export type AdapterDescription =
  | {
      readonly available: true;
      /** As in the name of the device: `nvidia-ampere`. */
      readonly name: string;
      readonly vendor: string;
      readonly architecture: string;
      readonly device: string;
      readonly description: string;
      /** Whether it is software that runs on the processor. */
      readonly software: boolean;
      readonly features: readonly string[];
      readonly limits: Readonly<Record<LimitName, number>>;
    }
  | { readonly available: false; readonly reason: string };

/** Limits that matter to programs; a device is asked for as much as its adapter has. */
const limitNames = [
  "maxStorageBuffersPerShaderStage",
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxComputeWorkgroupStorageSize",
] as const;
export type LimitName = (typeof limitNames)[number];

/** Node's GPU, kept for the life of the process: the package crashes if it is collected. */
let ofNode: GPU | null = null;

async function findGpu(): Promise<GPU | string> {
  const { navigator } = globalThis as { readonly navigator?: { readonly gpu?: GPU } };
  if (navigator?.gpu) return navigator.gpu;
  const { process } = globalThis as { readonly process?: { readonly versions?: { readonly node?: string } } };
  if (!process?.versions?.node) return "there is no navigator.gpu; use a browser with WebGPU, over https or on localhost";
  if (ofNode) return ofNode;
  // Not a literal, so that a bundler for the browser does not look for the package.
  const name = "webgpu";
  let module: { create(flags: readonly string[]): GPU };
  try {
    module = (await import(/* @vite-ignore */ name)) as typeof module;
  } catch (error) {
    const message = error instanceof Error ? error.message.split("\n")[0] : String(error);
    return `there is no navigator.gpu (${message}); in Node install the optional package webgpu and a Vulkan driver`;
  }
  ofNode = module.create([]);
  return ofNode;
}

/** An adapter, or why there is none. */
export async function findAdapter({ powerPreference }: AdapterOptions = {}): Promise<GPUAdapter | string> {
  const gpu = await findGpu();
  if (typeof gpu === "string") return gpu;
  const adapter = await gpu.requestAdapter(powerPreference ? { powerPreference } : {});
  return adapter ?? "no GPU was found; install a driver for Vulkan, Metal or Direct3D 12, or VK_DRIVER_FILES must name one";
}

/** `vendor-architecture` as far as they are known; where the vendor is only a number (Deno), what the driver says. */
export function nameOf({ vendor, architecture, description }: NamedAdapter): string {
  const known = [/^\d*$/.test(vendor) ? "" : vendor, architecture].filter(Boolean).join("-");
  return known || description.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "unknown";
}

type NamedAdapter = Pick<GPUAdapterInfo, "vendor" | "architecture" | "description">;

/**
 * Says which GPU `webgpu()` would use and what it can do, or why there is none. Starts nothing.
 *
 * @returns `{ available: true, name, vendor, architecture, …, features, limits }`, or `{ available: false, reason }`.
 *
 * @example
 * const found = await describeAdapter();
 * console.log(found.available ? found.name : found.reason);
 */
export async function describeAdapter(options: AdapterOptions = {}): Promise<AdapterDescription> {
  const adapter = await findAdapter(options);
  if (typeof adapter === "string") return { available: false, reason: adapter };
  const { info, features, limits } = adapter;
  return {
    available: true,
    name: nameOf(info),
    vendor: info.vendor,
    architecture: info.architecture,
    device: info.device,
    description: info.description,
    software: info.isFallbackAdapter || /swiftshader|llvmpipe|warp/i.test(`${info.architecture} ${info.description}`),
    features: [...features].sort(),
    limits: limitsOf(limits),
  };
}

const limitsOf = (limits: GPUSupportedLimits): Record<LimitName, number> =>
  Object.fromEntries(limitNames.map((name) => [name, limits[name]])) as Record<LimitName, number>;

/** Features that shaders use where the adapter has them: storage of halves, and operations on subgroups. */
const usefulFeatures: readonly GPUFeatureName[] = ["shader-f16", "subgroups"];

/**
 * A device with all that its adapter allows of what programs need, and the `features` that are asked for.
 * @throws DeviceError where the adapter gives none.
 */
export async function requestDevice(adapter: GPUAdapter, features: readonly GPUFeatureName[] = []): Promise<GPUDevice> {
  const requiredLimits = limitsOf(adapter.limits);
  const useful = usefulFeatures.filter((feature) => adapter.features.has(feature));
  try {
    return await adapter.requestDevice({ label: "dormouse", requiredLimits, requiredFeatures: [...features, ...useful] });
  } catch (cause) {
    throw new DeviceError("webgpu", `the adapter gives no device (${String(cause)})`, { hint: "use the CPU" });
  }
}
