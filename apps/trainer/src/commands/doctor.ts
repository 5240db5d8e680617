/**
 * `dormouse doctor`: what this machine offers: the engine, threads, SIMD, a GPU or why there is none, and whether each
 * device calculates.
 */
import { arch, availableParallelism, cpus, freemem, platform, release, totalmem } from "node:os";
import { cpu } from "@dormouse/backend-cpu";
import { describeAdapter, webgpu } from "@dormouse/backend-webgpu";
import { matmul, scope, setDevice, tensor } from "@dormouse/tensor";
import type { Device } from "@dormouse/tensor/graph";
import { type ExitCode, exitCodes } from "../failure.ts";
import type { Context } from "./context.ts";
import { aligned } from "./inspect.ts";

/** One thing that was looked at. */
interface Finding {
  readonly what: string;
  readonly found: string;
  /** False where something that commands need does not work; a GPU is not needed. */
  readonly works: boolean;
}

/** Runs the command; ends with the status for devices where the processor cannot be used. */
export async function doctor(json: boolean, { terminal }: Context): Promise<ExitCode> {
  const findings = [...machine(), ...(await processor()), ...(await gpu())];
  if (json) terminal.out(`${JSON.stringify(findings)}\n`);
  else terminal.out(`${aligned(findings.map(({ what, found, works }) => [what, works ? found : `${found}  <- does not work`])).join("\n")}\n`);
  return findings.every(({ works }) => works) ? exitCodes.ok : exitCodes.device;
}

function machine(): Finding[] {
  const { bun, deno } = process.versions as { readonly bun?: string; readonly deno?: string };
  const engine = bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node ${process.version.slice(1)}`;
  return [
    { what: "engine", found: `${engine}, V8 ${process.versions.v8}`, works: true },
    { what: "system", found: `${platform()} ${release()} ${arch()}`, works: true },
    { what: "processor", found: `${cpus()[0]?.model.trim() ?? "unknown"}, ${availableParallelism()} available`, works: true },
    { what: "memory", found: `${gigabytes(totalmem())}, ${gigabytes(freemem())} free`, works: true },
    {
      what: "shared memory",
      found: typeof SharedArrayBuffer === "undefined" ? "no: one thread" : "yes: threads can be used",
      works: true,
    },
  ];
}

/** The device cpu as commands open it: its name tells SIMD, fused multiply-add and threads. */
async function processor(): Promise<Finding[]> {
  try {
    const device = await cpu();
    const [, simd, fma, threads] = /^cpu-(\w+?)(-fma)?:(\d+)$/.exec(device.name) ?? [];
    const result = await check(device);
    await device[Symbol.asyncDispose]();
    return [
      { what: "SIMD", found: simd ?? device.name, works: true },
      { what: "fused multiply-add", found: fma ? "yes: relaxed_madd" : "no: multiply, then add", works: true },
      { what: "threads", found: threads ?? "1", works: true },
      { what: "device cpu", found: `${device.name}: ${result.found}`, works: result.works },
    ];
  } catch (error) {
    return [{ what: "device cpu", found: (error as Error).message, works: false }];
  }
}

/** What a GPU may have beyond the least that WebGPU asks for, and kernels or profiles use. */
const extras = ["shader-f16", "subgroups", "timestamp-query"] as const;

/** The GPU, what it has and how much it allows; or why there is none. */
async function gpu(): Promise<Finding[]> {
  const what = "device webgpu";
  const adapter = await describeAdapter();
  if (!adapter.available) return [{ what, found: `none: ${adapter.reason}`, works: true }];
  const { description, features, limits, name, software } = adapter;
  const label = `${description || name}${software ? " (software on the processor)" : ""}`;
  const rest: Finding[] = [
    {
      what: "GPU features",
      found: extras.map((extra) => `${extra} ${features.includes(extra) ? "yes" : "no"}`).join(", "),
      works: true,
    },
    {
      what: "GPU limits",
      found:
        `tensors up to ${gigabytes(Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize))}, ` +
        `${limits.maxStorageBuffersPerShaderStage} buffers for a kernel, ` +
        `${limits.maxComputeWorkgroupStorageSize / 1024} KiB for a workgroup`,
      works: true,
    },
  ];
  try {
    const device = await webgpu();
    const { found, works } = await check(device);
    await device[Symbol.asyncDispose]();
    return [{ what, found: `${label}: ${found}`, works }, ...rest];
  } catch (error) {
    return [{ what, found: `${label}: ${(error as Error).message}`, works: false }, ...rest];
  }
}

const gigabytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/** Multiplies two matrices of small whole numbers, for which every order of summation gives the same result. */
async function check(device: Device): Promise<{ found: string; works: boolean }> {
  const n = 67;
  const [a, b] = [1, 2].map((factor) => Float32Array.from({ length: n * n }, (_, i) => ((i * factor) % 13) - 6));
  const expected = Float32Array.from({ length: n * n }, (_, at) => {
    let sum = 0;
    for (let k = 0; k < n; k++) sum += a![Math.floor(at / n) * n + k]! * b![k * n + (at % n)]!;
    return sum;
  });
  setDevice(device);
  const product = scope(() => matmul(tensor(a!, { shape: [n, n] }), tensor(b!, { shape: [n, n] })));
  const values = await product.data();
  product.dispose();
  const wrong = expected.findIndex((value, i) => value !== values[i]);
  if (wrong < 0) return { found: `multiplies ${n} x ${n} matrices exactly`, works: true };
  return { found: `wrong product: ${values[wrong]} instead of ${expected[wrong]} at ${wrong}`, works: false };
}
