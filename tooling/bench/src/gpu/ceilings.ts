/**
 * What a GPU can do at all, in WGSL written by hand so that nothing of ours is in between: multiply-adds on registers,
 * bytes copied by a command and by a kernel. Every other figure of the suite is judged against these.
 */
import type { Prepared } from "../systems/system.ts";
import type { Copy, MultiplyAdds } from "../works/work.ts";
import { requestGpuDevice } from "./provide.ts";

/** Independent sums of four lanes in every invocation: enough to hide the latency of a multiply-add. */
export const SUMS = 8;
const WORKGROUP = 256;
/** `GPUBufferUsage`. */
const usage = { copySource: 4, copyTarget: 8, storage: 128 } as const;
const COMPUTE_STAGE = 4;

/** Workgroups of a grid of two dimensions, of which each has at most 65 535. */
function gridOf(count: number): readonly [number, number] {
  const rows = Math.ceil(count / 65_535);
  return [Math.ceil(count / rows), rows];
}

function multiplyAdds({ turns }: MultiplyAdds): string {
  const sums = Array.from({ length: SUMS }, (_, i) => `s${i}`);
  return `
@group(0) @binding(0) var<storage, read> given: array<f32>;
@group(0) @binding(1) var<storage, read_write> taken: array<f32>;
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let factor = vec4f(given[id.x % 64u]);
  let term = vec4f(given[(id.x + 1u) % 64u]);
  ${sums.map((sum, i) => `var ${sum} = term + ${i}.0;`).join("\n  ")}
  for (var turn = 0u; turn < ${turns}u; turn++) {
    ${sums.map((sum) => `${sum} = fma(${sum}, factor, term);`).join("\n    ")}
  }
  let total = dot(${sums.join(" + ")}, vec4f(1.0));
  // Never so, but the compiler cannot know.
  if (total == 0.5) { taken[id.x % 64u] = total; }
}`;
}

const copying = `
@group(0) @binding(0) var<storage, read> given: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> taken: array<vec4f>;
@compute @workgroup_size(${WORKGROUP})
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = (group.y * groups.x + group.x) * ${WORKGROUP}u + lane;
  if (at < arrayLength(&given)) { taken[at] = given[at]; }
}`;

/** Prepares a ceiling on a device of its own. */
export async function ofCeiling(task: MultiplyAdds | Copy): Promise<Prepared> {
  const device = await requestGpuDevice();
  const bytes = task.kind === "copy" ? task.bytes : 256;
  const make = (): GPUBuffer => device.createBuffer({ size: bytes, usage: usage.storage | usage.copySource | usage.copyTarget });
  const [given, taken] = [make(), make()];
  device.queue.writeBuffer(given, 0, new Float32Array(Math.min(bytes / 4, 64)).fill(0.999));
  const invocations = task.kind === "copy" ? task.bytes / 16 : task.invocations;
  const pipeline = await pipelineOf(device, task.kind === "copy" ? copying : multiplyAdds(task));
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [given, taken].map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  const settle = async (): Promise<void> => void (await device.queue.onSubmittedWorkDone());
  return {
    check: async () => {
      await settle();
      return [[0]];
    },
    run() {
      const encoder = device.createCommandEncoder();
      if (task.kind === "copy" && task.by === "command") encoder.copyBufferToBuffer(given, 0, taken, 0, bytes);
      else {
        const pass = encoder.beginComputePass();
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(...gridOf(Math.ceil(invocations / WORKGROUP)));
        pass.end();
      }
      device.queue.submit([encoder.finish()]);
    },
    settle,
    dispose: () => device.destroy(),
  };
}

async function pipelineOf(device: GPUDevice, code: string): Promise<GPUComputePipeline> {
  const entries = (["read-only-storage", "storage"] as const).map((type, binding) => ({
    binding, visibility: COMPUTE_STAGE, buffer: { type },
  }));
  return device.createComputePipelineAsync({
    layout: device.createPipelineLayout({ bindGroupLayouts: [device.createBindGroupLayout({ entries })] }),
    compute: { module: device.createShaderModule({ code }), entryPoint: "main" },
  });
}
