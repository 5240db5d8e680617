/**
 * Work for the GPU: one encoder and one submission for each run, and copies back to the host. Owns what is encoded and
 * the reading buffers; refuses to know what a program means.
 */
import type { Program } from "@dormouse/tensor/graph";
import type { Executable } from "@dormouse/tensor/graph";
import type { Range } from "./bindings.ts";
import type { Plan } from "./kernels.ts";
import type { Pipeline } from "./pipelines.ts";
import type { BufferPool, PooledBuffer } from "./pool.ts";
import type { Profiler } from "./profile.ts";
import { MOST_GROUPS } from "./wgsl/shader.ts";

/** Sets of buffers whose bind groups a program remembers; a training loop goes round through a few. */
const REMEMBERED_GROUPS = 16;

/** A program whose shaders are compiled. */
export class GpuExecutable implements Executable {
  readonly program: Program;
  readonly plan: Plan;
  /** One for each dispatch of the plan, in order. */
  readonly pipelines: readonly Pipeline[];
  /** Bind groups of the dispatches, by the buffers of a run. */
  readonly groups = new Map<string, readonly GPUBindGroup[]>();

  constructor(program: Program, plan: Plan, pipelines: readonly Pipeline[]) {
    this.program = program;
    this.plan = plan;
    this.pipelines = pipelines;
  }

  dispose(): void {
    this.groups.clear();
  }
}

/** What was submitted so far. */
export interface QueueStatistics {
  /** Submissions of programs. */
  readonly submits: number;
  readonly dispatches: number;
}

const MAP_READ = 1;

export class GpuQueue {
  readonly #device: GPUDevice;
  readonly #storage: BufferPool;
  readonly #staging: BufferPool;
  readonly #profiler: Profiler | null;
  #submits = 0;
  #dispatches = 0;

  constructor(device: GPUDevice, storage: BufferPool, staging: BufferPool, profiler: Profiler | null = null) {
    this.#device = device;
    this.#storage = storage;
    this.#staging = staging;
    this.#profiler = profiler;
  }

  get statistics(): QueueStatistics {
    return { submits: this.#submits, dispatches: this.#dispatches };
  }

  /** Encodes and submits one run. */
  run(executable: GpuExecutable, buffers: readonly PooledBuffer[]): void {
    const { plan, program, pipelines } = executable;
    if (plan.actions.length === 0) return;
    const temporaries = program.temporaryBytes > 0 ? this.#storage.take(program.temporaryBytes) : null;
    const scratch = plan.scratchBytes > 0 ? this.#storage.take(plan.scratchBytes) : null;
    const bufferOf = ({ buffer }: Range): PooledBuffer =>
      buffer === "temporaries" ? temporaries! : buffer === "scratch" ? scratch! : buffers[buffer]!;
    const groups = this.#groupsOf(executable, [...buffers, temporaries, scratch], bufferOf);

    const encoder = this.#device.createCommandEncoder();
    const profile = pipelines.length > 0 ? this.#profiler?.start(pipelines.length) : null;
    let pass: GPUComputePassEncoder | null = null;
    let next = 0;
    for (const action of plan.actions) {
      if (profile || action.kind !== "dispatch") {
        pass?.end();
        pass = null;
      }
      if (action.kind === "clear") {
        encoder.clearBuffer(bufferOf(action.range).gpu, action.range.offset, action.range.bytes);
        continue;
      }
      pass ??= encoder.beginComputePass(profile ? { timestampWrites: profile.writes(next) } : {});
      pass.setPipeline(pipelines[next]!.gpu);
      pass.setBindGroup(0, groups[next]!);
      const { groups: count } = action.dispatch;
      if (count <= MOST_GROUPS) pass.dispatchWorkgroups(count);
      else pass.dispatchWorkgroups(MOST_GROUPS, Math.ceil(count / MOST_GROUPS));
      next++;
    }
    pass?.end();
    profile?.resolve(encoder);
    this.#device.queue.submit([encoder.finish()]);
    profile?.collect(plan.actions.flatMap((action) => (action.kind === "dispatch" ? [action.what] : [])));
    this.#submits++;
    this.#dispatches += next;
    // Later work reuses them only after this run.
    if (temporaries) this.#storage.give(temporaries);
    if (scratch) this.#storage.give(scratch);
  }

  #groupsOf(
    { plan, pipelines, groups }: GpuExecutable,
    buffers: readonly (PooledBuffer | null)[],
    bufferOf: (range: Range) => PooledBuffer,
  ): readonly GPUBindGroup[] {
    const key = buffers.map((buffer) => buffer?.id).join();
    let made = groups.get(key);
    groups.delete(key);
    made ??= plan.actions
      .filter((action) => action.kind === "dispatch")
      .map(({ ranges }, i) =>
        this.#device.createBindGroup({
          layout: pipelines[i]!.layout,
          entries: ranges.map((range, binding) => ({
            binding,
            resource: { buffer: bufferOf(range).gpu, offset: range.offset, size: range.bytes },
          })),
        }),
      );
    // A Map iterates in insertion order: the first is the one unused for longest.
    groups.set(key, made);
    if (groups.size > REMEMBERED_GROUPS) groups.delete(groups.keys().next().value!);
    return made;
  }

  /** Copies bytes to a buffer; the offset is a multiple of 4, and so is the length unless the buffer ends with them. */
  write(buffer: PooledBuffer, offset: number, data: Uint8Array): void {
    // Deno 2.9 cannot write nothing.
    if (data.byteLength === 0) return;
    const isPlain = data.buffer instanceof ArrayBuffer && data.byteLength % 4 === 0;
    const bytes = isPlain ? (data as Uint8Array<ArrayBuffer>) : new Uint8Array(Math.ceil(data.byteLength / 4) * 4);
    if (!isPlain) bytes.set(data);
    this.#device.queue.writeBuffer(buffer.gpu, offset, bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes of a buffer after the work submitted so far. The copy is on its way when this returns. */
  async read(buffer: PooledBuffer, offset: number, bytes: number): Promise<ArrayBuffer> {
    const start = Math.floor(offset / 4) * 4;
    const size = Math.ceil((offset + bytes) / 4) * 4 - start;
    const staging = this.#staging.take(size);
    const encoder = this.#device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer.gpu, start, staging.gpu, 0, size);
    this.#device.queue.submit([encoder.finish()]);
    await staging.gpu.mapAsync(MAP_READ, 0, size);
    const copy = staging.gpu.getMappedRange(0, size).slice(offset - start, offset - start + bytes);
    staging.gpu.unmap();
    this.#staging.give(staging);
    return copy;
  }

  idle(): Promise<void> {
    return this.#device.queue.onSubmittedWorkDone().then(() => undefined);
  }
}
