/**
 * Where the threads of a program have to wait for each other, decided once per program from what its steps read and
 * write. Knows nothing about how they wait.
 */
import type { Program, Slot, Step } from "@dormouse/tensor/graph";
import { maximumThreads } from "./wasm/driver.ts";
import type { CompiledKernel } from "./wasm/kernel.ts";

/** Index of the base address of a slot: inputs, outputs, then the temporaries. */
export function baseOf({ inputs, outputs }: Program, slot: Slot): number {
  switch (slot.space) {
    case "input":
      return slot.index;
    case "output":
      return inputs.length + slot.index;
    case "temporary":
      return inputs.length + outputs.length;
  }
}

/** Memory that a step reads or writes: a range of one base. */
interface Touch {
  readonly base: number;
  readonly from: number;
  readonly to: number;
  readonly writes: boolean;
}

function touchesOf(program: Program, { kernel, slots }: Step): Touch[] {
  const { args } = program.kernels[kernel]!;
  return slots.map((slot, i) => {
    const writes = args[i]!.access !== "read";
    const alias = slot.space === "output" ? program.outputs[slot.index]!.alias : undefined;
    const base = alias ?? baseOf(program, slot);
    if (slot.space !== "temporary") return { base, from: 0, to: Infinity, writes };
    return { base, from: slot.offset, to: slot.offset + slot.bytes, writes };
  });
}

const conflict = (a: Touch, b: Touch): boolean =>
  (a.writes || b.writes) && a.base === b.base && a.from < b.to && b.from < a.to;

/**
 * Which steps must wait for all threads: those that touch what a step since the last barrier writes, or write what it
 * touches, unless thread 0 runs both. Kernels that use scratch memory conflict too, since they are given the same.
 */
export function barriersOf(
  program: Program,
  kernels: readonly Pick<CompiledKernel, "parallel" | "scratchBytes">[],
): boolean[] {
  let since: { readonly touches: readonly Touch[]; readonly parallel: boolean; readonly scratch: boolean }[] = [];
  return program.steps.map((step) => {
    const { parallel, scratchBytes } = kernels[step.kernel]!;
    const touches = touchesOf(program, step);
    const scratch = scratchBytes(maximumThreads) > 0;
    const waits = since.some(
      (earlier) =>
        (parallel || earlier.parallel) &&
        ((scratch && earlier.scratch) ||
          earlier.touches.some((theirs) => touches.some((ours) => conflict(theirs, ours)))),
    );
    if (waits) since = [];
    since.push({ touches, parallel, scratch });
    return waits;
  });
}
