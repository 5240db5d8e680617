/**
 * From a program to what its runs encode: which generator makes the shader of a kernel, and what is cleared
 * before it. Owns no device; which memory is bound where is decided by `bindings.ts`.
 */
import { DeviceError, type DType } from "@dormouse/tensor";
import type { ContractKernel, Kernel, Program, Scalar, Step } from "@dormouse/tensor/graph";
import { bytesOf } from "@dormouse/tensor/graph";
import { generateContract } from "./wgsl/contract.ts";
import { generateLoop } from "./wgsl/loop.ts";
import { generateRoutine } from "./wgsl/routines.ts";
import { scalarOrder } from "./wgsl/scalar.ts";
import { generateScatter } from "./wgsl/scatter.ts";
import { type Dispatch, type GeneratedKernel, type Layout, type Target, plainTarget } from "./wgsl/shader.ts";
import type { TileName } from "./wgsl/tiles.ts";
import { type Range, bindStep, wordsOf } from "./bindings.ts";

/** One thing that a run encodes. */
export type Action =
  | { readonly kind: "clear"; readonly range: Range }
  | { readonly kind: "dispatch"; readonly dispatch: Dispatch; readonly ranges: readonly Range[]; readonly what: string };

/** What a run of a program encodes, in order. */
export interface Plan {
  readonly actions: readonly Action[];
  readonly scratchBytes: number;
}

/** The tile of a product that was measured, or null. */
export type TileFor = (kernel: ContractKernel) => TileName | null;

/** Plans one step of a program for a GPU. */
export function planStep(
  program: Program,
  { kernel: index, slots }: Step,
  target: Target,
  tileFor: TileFor = () => null,
): Plan {
  const kernel = program.kernels[index]!;
  const { layout, ranges } = bindStep(program, kernel, slots, target.maxBindings);
  const { clears, dispatches, scratchBytes } = generate(kernel, layout, target, tileFor);
  const actions: Action[] = [];
  for (const arg of clears) {
    const { dtype, length } = kernel.args[arg]!;
    const binding = layout.bindingOf[arg]!;
    if (binding === null) continue;
    const { buffer, offset } = ranges[binding]!;
    const base = layout.baseOf[arg]! * bytesOf(dtype);
    actions.push({ kind: "clear", range: { buffer, offset: offset + base, bytes: wordsOf(length, dtype) } });
  }
  const what = describeKernel(kernel);
  const scratch: Range = { buffer: "scratch", offset: 0, bytes: scratchBytes };
  for (const dispatch of dispatches) {
    const bound = dispatch.bindings.map(({ memory }): Range =>
      memory === "scratch" ? scratch : ranges[layout.bindingOf[memory]!]!,
    );
    actions.push({ kind: "dispatch", dispatch, ranges: bound, what });
  }
  return { actions, scratchBytes };
}

/** The plans of steps that follow each other; they use the same scratch memory. */
export const joinPlans = (plans: readonly Plan[]): Plan => ({
  actions: plans.flatMap(({ actions }) => actions),
  scratchBytes: Math.max(0, ...plans.map(({ scratchBytes }) => scratchBytes)),
});

/** Makes the shaders of a kernel. */
export function generate(
  kernel: Kernel,
  layout: Layout,
  target: Target = plainTarget,
  tileFor: TileFor = () => null,
): GeneratedKernel {
  switch (kernel.kind) {
    case "loop":
      return generateLoop(kernel, layout, target);
    case "contract":
      return generateContract(kernel, layout, tileFor(kernel), target);
    case "scatter":
      return generateScatter(kernel, layout);
    case "routine":
      return generateRoutine(kernel, layout);
  }
}

/** What people call a kernel in an error: its kind and lengths, and what it computes. */
export function describeKernel(kernel: Kernel): string {
  const lengths = (...parts: (readonly number[])[]): string => parts.map((part) => `[${part.join(", ")}]`).join(" ");
  switch (kernel.kind) {
    case "loop": {
      const ops = new Set(scalarOrder(kernel.stages.map(({ body }) => body)).map(({ op }) => op));
      const reduces = kernel.stages.flatMap((stage) => (stage.kind === "reduce" ? [stage.combine] : []));
      const work = [...reduces, ...[...ops].filter((op) => !["const", "load", "result", "index", "valid"].includes(op))];
      return `loop ${lengths(kernel.outer, kernel.inner)}: ${work.join(", ") || "copy"}`;
    }
    case "contract":
      return `contract ${lengths(kernel.batch, kernel.m, kernel.n, kernel.k)}`;
    case "scatter":
      return `scatter ${lengths(kernel.axes)}`;
    case "routine":
      return "outer" in kernel
        ? `${kernel.name} ${lengths([kernel.outer, kernel.length, kernel.inner])}`
        : `${kernel.name} ${lengths([kernel.batch, kernel.rows, kernel.columns])}`;
  }
}

/**
 * Refuses a program of numbers that the GPU does not have: the caller hears of it before anything runs. WGSL has no
 * float64; float16 in memory needs a feature of the GPU, a rounding to it within a kernel does not.
 * @throws DeviceError that names the kernel.
 */
export const checkDTypes = ({ kernels }: Program, supported: ReadonlySet<DType>): void =>
  kernels.forEach((kernel) => requireWords(kernel, supported));

function requireWords(kernel: Kernel, supported: ReadonlySet<DType>): void {
  const stored = kernel.args.map(({ dtype }) => dtype);
  const computed = scalarOrder(rootsOf(kernel)).map(({ dtype }) => dtype);
  const missing = stored.find((dtype) => !supported.has(dtype)) ?? computed.find((dtype) => dtype === "float64");
  if (missing === undefined) return;
  throw new DeviceError("webgpu", `${missing} is not supported (in ${describeKernel(kernel)})`, {
    expected: "float32",
    received: missing,
    hint: "cast to float32, or use the CPU",
  });
}

function rootsOf(kernel: Kernel): readonly Scalar[] {
  switch (kernel.kind) {
    case "loop":
      return kernel.stages.map(({ body }) => body);
    case "contract":
      return [kernel.lhs, kernel.rhs, ...kernel.stores.map(({ body }) => body)];
    case "scatter":
      return [kernel.body, ...kernel.indirect.map(({ index }) => index)];
    case "routine":
      return [];
  }
}
