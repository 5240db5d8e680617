/**
 * Compiling a program: its kernels are planned and their shaders handed to the GPU a few milliseconds at a time, so
 * that a page stays alive meanwhile; the GPU compiles them beside the thread. Owns the turns; what a kernel becomes is
 * decided in `kernels.ts`, and which shaders are known in `pipelines.ts`.
 */
import type { DType } from "@dormouse/tensor";
import type { Program } from "@dormouse/tensor/graph";
import { type Plan, type TileFor, checkDTypes, joinPlans, planStep } from "./kernels.ts";
import type { Pipeline, PipelineCache } from "./pipelines.ts";
import { GpuExecutable } from "./queue.ts";
import type { Target } from "./wgsl/shader.ts";

/** How long the thread is held: half of what a page that draws 60 times a second has for a frame. */
const SLICE_MILLISECONDS = 8;

/**
 * Compiles a program for a GPU; at once if all of its shaders are known.
 * @throws DeviceError where a kernel needs what WGSL does not have, or a shader does not compile.
 */
export function compileProgram(
  program: Program,
  target: Target,
  tileFor: TileFor,
  cache: PipelineCache,
  dtypes: ReadonlySet<DType>,
): GpuExecutable | Promise<GpuExecutable> {
  checkDTypes(program, dtypes);
  const plans: Plan[] = [];
  const pipelines: (Pipeline | Promise<Pipeline>)[] = [];
  const isLeft = (): boolean => plans.length < program.steps.length;
  /** Plans steps while `goesOn` allows it. */
  const advance = (goesOn: () => boolean): void => {
    while (isLeft() && goesOn()) {
      const plan = planStep(program, program.steps[plans.length]!, target, tileFor);
      plans.push(plan);
      for (const action of plan.actions) {
        if (action.kind !== "dispatch") continue;
        const { dispatch, what } = action;
        pipelines.push(cache.get(dispatch.wgsl, dispatch.bindings.map(({ writable }) => writable), what));
      }
    }
  };
  const finish = (): GpuExecutable | Promise<GpuExecutable> => {
    const plan = joinPlans(plans);
    const ready = pipelines.filter((pipeline): pipeline is Pipeline => !(pipeline instanceof Promise));
    if (ready.length === pipelines.length) return new GpuExecutable(program, plan, ready);
    const whenReady = pipelines.map(async (pipeline) => await pipeline);
    return Promise.all(whenReady).then((all) => new GpuExecutable(program, plan, all));
  };
  // Who waits for one shader, or behind another program, can wait for the plans too.
  if (cache.isSettled) advance(() => !(pipelines.at(-1) instanceof Promise));
  if (!isLeft()) return finish();
  const inTurns = async (): Promise<GpuExecutable> => {
    while (isLeft()) {
      await nextTurn();
      const end = performance.now() + SLICE_MILLISECONDS;
      advance(() => performance.now() < end);
    }
    return finish();
  };
  return inTurns();
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));
