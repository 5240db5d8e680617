/**
 * From a program to shaders: which memory every argument of every step lives in, which arguments share a binding, and
 * which generator makes the shader. Owns no device.
 */
import { DeviceError, type DType } from "@dormouse/tensor";
import type { Kernel, Program, Scalar, Slot } from "@dormouse/tensor/graph";
import { bytesOf } from "@dormouse/tensor/graph";
import { generateContract } from "./wgsl/contract.ts";
import { generateLoop } from "./wgsl/loop.ts";
import { generateRoutine } from "./wgsl/routines.ts";
import { scalarOrder } from "./wgsl/scalar.ts";
import { generateScatter } from "./wgsl/scatter.ts";
import type { Dispatch, GeneratedKernel, Layout } from "./wgsl/shader.ts";

/** A range of the memory of a run. */
export interface Range {
  /** A buffer of the run by position, the temporaries, or the scratch memory of a kernel. */
  readonly buffer: number | "temporaries" | "scratch";
  readonly offset: number;
  /** A multiple of 4. */
  readonly bytes: number;
}

/** One thing that a run encodes. */
export type Action =
  | { readonly kind: "clear"; readonly range: Range }
  | { readonly kind: "dispatch"; readonly dispatch: Dispatch; readonly ranges: readonly Range[]; readonly what: string };

/** What a run of a program encodes, in order. */
export interface Plan {
  readonly actions: readonly Action[];
  readonly scratchBytes: number;
}

/**
 * Plans the runs of a program.
 * @throws DeviceError where a kernel needs float64, which WGSL does not have.
 */
export function planProgram(program: Program): Plan {
  program.kernels.forEach(requireWords);
  const actions: Action[] = [];
  let scratchBytes = 0;
  for (const { kernel: index, slots } of program.steps) {
    const kernel = program.kernels[index]!;
    const { layout, ranges } = bind(program, kernel, slots);
    const what = describeKernel(kernel);
    const generated = generate(kernel, layout);
    scratchBytes = Math.max(scratchBytes, generated.scratchBytes);
    for (const arg of generated.clears) {
      const binding = layout.bindingOf[arg]!;
      if (binding !== null) actions.push({ kind: "clear", range: ranges[binding]! });
    }
    for (const dispatch of generated.dispatches) {
      const bound = dispatch.bindings.map(({ memory }): Range =>
        memory === "scratch"
          ? { buffer: "scratch", offset: 0, bytes: generated.scratchBytes }
          : ranges[layout.bindingOf[memory]!]!,
      );
      actions.push({ kind: "dispatch", dispatch, ranges: bound, what });
    }
  }
  return { actions, scratchBytes };
}

/** Makes the shaders of a kernel. */
export function generate(kernel: Kernel, layout: Layout): GeneratedKernel {
  switch (kernel.kind) {
    case "loop":
      return generateLoop(kernel, layout);
    case "contract":
      return generateContract(kernel, layout);
    case "scatter":
      return generateScatter(kernel, layout);
    case "routine":
      return generateRoutine(kernel, layout);
  }
}

/**
 * Bindings of a step. Arguments in the same place share one. Within a dispatch a buffer is either only read or may be
 * written through all of its bindings, so temporaries, which live in one buffer, are writable together.
 */
function bind(program: Program, kernel: Kernel, slots: readonly Slot[]): { layout: Layout; ranges: readonly Range[] } {
  const ranges: Range[] = [];
  const keys: string[] = [];
  const writable: boolean[] = [];
  const bindingOf = kernel.args.map(({ dtype, length, access }, arg): number | null => {
    if (length === 0) return null;
    const place = placeOf(program, slots[arg]!);
    const bytes = Math.ceil((length * bytesOf(dtype)) / 4) * 4;
    const key = `${place.buffer} ${place.offset}`;
    let binding = keys.indexOf(key);
    if (binding < 0) {
      binding = keys.push(key) - 1;
      ranges.push({ ...place, bytes });
      writable.push(false);
    }
    if (bytes > ranges[binding]!.bytes) ranges[binding] = { ...place, bytes };
    if (access !== "read") writable[binding] = true;
    return binding;
  });
  const inTemporaries = ranges.map(({ buffer }) => buffer === "temporaries");
  if (inTemporaries.some((yes, binding) => yes && writable[binding])) {
    inTemporaries.forEach((yes, binding) => yes && (writable[binding] = true));
  }
  return { layout: { bindingOf, writable }, ranges };
}

function placeOf(program: Program, slot: Slot): { readonly buffer: number | "temporaries"; readonly offset: number } {
  if (slot.space === "temporary") return { buffer: "temporaries", offset: slot.offset };
  if (slot.space === "input") return { buffer: slot.index, offset: 0 };
  return { buffer: program.outputs[slot.index]!.alias ?? program.inputs.length + slot.index, offset: 0 };
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
