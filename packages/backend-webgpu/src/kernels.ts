/**
 * From a program to what its runs encode: which generator makes the shader of a kernel, and what is cleared
 * before it. Owns no device; which memory is bound where is decided by `bindings.ts`.
 */
import { DeviceError, type DType } from "@dormouse/tensor";
import type { ContractKernel, Kernel, Program, Scalar } from "@dormouse/tensor/graph";
import { bytesOf } from "@dormouse/tensor/graph";
import { type Block, generateContract } from "./wgsl/contract.ts";
import { generateLoop } from "./wgsl/loop.ts";
import { generateRoutine } from "./wgsl/routines.ts";
import { scalarOrder } from "./wgsl/scalar.ts";
import { generateScatter } from "./wgsl/scatter.ts";
import type { Dispatch, GeneratedKernel, Layout } from "./wgsl/shader.ts";
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

/** The block of a product that was measured, or null. */
export type BlockFor = (kernel: ContractKernel) => Block | null;

/**
 * Plans the runs of a program whose kernels have at most `maxBindings` bindings.
 * @throws DeviceError where a kernel needs float64, which WGSL does not have.
 */
export function planProgram(program: Program, maxBindings: number, blockFor: BlockFor = () => null): Plan {
  program.kernels.forEach(requireWords);
  const actions: Action[] = [];
  let scratchBytes = 0;
  for (const { kernel: index, slots } of program.steps) {
    const kernel = program.kernels[index]!;
    const { layout, ranges } = bindStep(program, kernel, slots, maxBindings);
    const what = describeKernel(kernel);
    const generated = generate(kernel, layout, blockFor);
    const own: Range = { buffer: "scratch", offset: 0, bytes: generated.scratchBytes };
    scratchBytes = Math.max(scratchBytes, own.bytes);
    for (const arg of generated.clears) {
      const { dtype, length } = kernel.args[arg]!;
      const binding = layout.bindingOf[arg]!;
      if (binding === null) continue;
      const { buffer, offset } = ranges[binding]!;
      const base = layout.baseOf[arg]! * bytesOf(dtype);
      actions.push({ kind: "clear", range: { buffer, offset: offset + base, bytes: wordsOf(length, dtype) } });
    }
    for (const dispatch of generated.dispatches) {
      const bound = dispatch.bindings.map(({ memory }): Range =>
        memory === "scratch" ? own : ranges[layout.bindingOf[memory]!]!,
      );
      actions.push({ kind: "dispatch", dispatch, ranges: bound, what });
    }
  }
  return { actions, scratchBytes };
}

/** Makes the shaders of a kernel. */
export function generate(kernel: Kernel, layout: Layout, blockFor: BlockFor = () => null): GeneratedKernel {
  switch (kernel.kind) {
    case "loop":
      return generateLoop(kernel, layout);
    case "contract":
      return generateContract(kernel, layout, blockFor(kernel));
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

/** WGSL has no float64, and there is no second best: the caller hears of it before anything runs. */
function requireWords(kernel: Kernel): void {
  const dtypes = new Set<DType>(kernel.args.map(({ dtype }) => dtype));
  for (const scalar of scalarOrder(rootsOf(kernel))) dtypes.add(scalar.dtype);
  if (!dtypes.has("float64")) return;
  throw new DeviceError("webgpu", `float64 is not supported (in ${describeKernel(kernel)})`, {
    expected: "float32",
    received: "float64",
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
