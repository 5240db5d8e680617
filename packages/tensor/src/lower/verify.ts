/**
 * Checks a program before any backend sees it: every address is inside its buffer, every temporary is read only while
 * it holds what was written for it. A failure is a bug in `lower`, and the message says where.
 */
import { type DType, bytesOf } from "../core/dtype.ts";
import { factorLength } from "../core/factorization.ts";
import { type Draft, bodiesOf, operandsOf, scalarsOf } from "./draft.ts";
import type { Affine, Kernel, Program, RoutineKernel, Scalar, Slot } from "./program.ts";
import { rangeOf } from "./views.ts";

/** Throws where a program is malformed. */
export function verify(program: Program): void {
  program.kernels.forEach(verifyKernel);
  const holds: { readonly slot: Extract<Slot, { space: "temporary" }>; readonly step: number }[] = [];
  program.steps.forEach((step, at) => {
    const kernel = program.kernels[step.kernel];
    if (!kernel) fail(`step ${at} runs kernel ${step.kernel}, which does not exist`);
    if (step.slots.length !== kernel!.args.length) fail(`step ${at} binds ${step.slots.length} of ${kernel!.args.length} arguments`);
    step.slots.forEach((slot, arg) => verifySlot(program, kernel!, slot, arg, at, holds));
    step.slots.forEach((slot, arg) => {
      if (slot.space !== "temporary" || kernel!.args[arg]!.access === "read") return;
      for (let i = holds.length - 1; i >= 0; i--) if (overlap(holds[i]!.slot, slot)) holds.splice(i, 1);
      holds.push({ slot, step: at });
    });
  });
}

type Temporary = Extract<Slot, { space: "temporary" }>;

const overlap = (a: Temporary, b: Temporary): boolean => a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;

function verifySlot(
  program: Program,
  kernel: Kernel,
  slot: Slot,
  arg: number,
  step: number,
  holds: readonly { readonly slot: Temporary }[],
): void {
  const { dtype, length, access } = kernel.args[arg]!;
  if (slot.space === "temporary") {
    if (slot.offset + slot.bytes > program.temporaryBytes) fail(`step ${step}: temporary ${arg} ends outside the scratch space`);
    if (length * bytesOf(dtype) > slot.bytes) fail(`step ${step}: argument ${arg} is longer than its temporary`);
    const whole = holds.some((held) => held.slot.offset === slot.offset && held.slot.bytes === slot.bytes);
    if (access === "read" && !whole && length > 0) fail(`step ${step} reads temporary ${arg} before it is written`);
    return;
  }
  const spec = (slot.space === "input" ? program.inputs : program.outputs)[slot.index];
  if (!spec) fail(`step ${step}: ${slot.space} ${slot.index} does not exist`);
  if (length * bytesOf(dtype) > spec!.length * bytesOf(spec!.dtype)) fail(`step ${step}: argument ${arg} is longer than its buffer`);
  if (slot.space === "input" && access !== "read") fail(`step ${step} writes input ${slot.index}`);
}

function verifyKernel(kernel: Kernel): void {
  verifyHalves(kernel);
  if (kernel.kind === "routine") return verifyRoutine(kernel);
  const lengths = kernelLengths(kernel);
  if (lengths.some((length) => length === 0)) return;
  const inside = (at: Affine, arg: number, what: string): void => {
    if (at.strides.length !== lengths.length) fail(`${what} has ${at.strides.length} strides for ${lengths.length} loops`);
    const [low, high] = rangeOf(at, lengths);
    const { length } = kernel.args[arg]!;
    if (low < 0 || high >= length) fail(`${what} of argument ${arg} covers ${low}..${high} of ${length} elements`);
  };
  const visit = (scalar: Scalar): void => {
    if (scalar.op === "load" && !scalar.valid && !scalar.indirect) inside(scalar.at, scalar.arg, "a load");
    if (scalar.op === "result" && kernel.kind === "loop" && kernel.stages[scalar.stage]?.kind !== "reduce") {
      fail(`a result refers to stage ${scalar.stage}, which does not reduce`);
    }
  };
  scalarsOf(bodiesOf(kernel as unknown as Draft)).forEach(visit);
  const stores = kernel.kind === "contract" ? kernel.stores : kernel.kind === "loop" ? kernel.stages : [];
  for (const store of stores) if (!("kind" in store) || store.kind === "store") inside(store.at, store.arg, "a store");
}

/** Nothing computes in float16: see `Scalar`. */
function verifyHalves(kernel: Kernel): void {
  const isHalf = ({ dtype }: { readonly dtype: DType }): boolean => dtype === "float16";
  const summed = kernel.kind === "routine" ? kernel.args : kernel.kind === "scatter" ? [kernel.args[kernel.arg]!] : [];
  if (summed.some(isHalf)) fail(`a ${kernel.kind} adds up in float16`);
  if (kernel.kind === "routine") return;
  if (kernel.kind === "contract" && isHalf(kernel)) fail("a product is computed in float16");
  if (kernel.kind === "loop" && kernel.stages.some((stage) => stage.kind === "reduce" && isHalf(stage))) {
    fail("a reduction is computed in float16");
  }
  for (const scalar of scalarsOf(bodiesOf(kernel as unknown as Draft))) {
    const operands = operandsOf(scalar);
    const converts = scalar.op === "cast" && operands[0]!.dtype === (isHalf(scalar) ? "float32" : "float16");
    if (isHalf(scalar) && scalar.op !== "load" && !(converts && scalar.dtype === "float16")) fail(`${scalar.op} is computed in float16`);
    if (operands.some(isHalf) && !(converts && scalar.dtype === "float32")) fail(`${scalar.op} takes a float16`);
  }
}

/** A routine walks over whole buffers: they have the lengths that its numbers say. */
function verifyRoutine(kernel: RoutineKernel): void {
  const lengths = ((): number[] => {
    if ("outer" in kernel) {
      const length = kernel.outer * kernel.length * kernel.inner;
      return [length, length];
    }
    const { name, batch, rows, columns } = kernel;
    if (name === "triangularSolve") return [batch * rows * rows, batch * rows * columns, batch * rows * columns];
    return [batch * rows * columns, batch * factorLength(name, rows, columns)];
  })();
  if (kernel.args.length !== lengths.length) fail(`${kernel.name} has ${kernel.args.length} arguments, not ${lengths.length}`);
  kernel.args.forEach(({ length, access }, arg) => {
    if (length < lengths[arg]!) fail(`${kernel.name} needs ${lengths[arg]} elements of argument ${arg}, which has ${length}`);
    const wanted = arg < lengths.length - 1 ? "read" : "write";
    if (access !== wanted) fail(`${kernel.name} has access ${access} to argument ${arg}, not ${wanted}`);
  });
}

const kernelLengths = (kernel: Exclude<Kernel, { kind: "routine" }>): readonly number[] =>
  kernel.kind === "loop"
    ? [...kernel.outer, ...kernel.inner]
    : kernel.kind === "contract"
      ? [...kernel.batch, ...kernel.m, ...kernel.n, ...kernel.k]
      : kernel.axes;

function fail(problem: string): never {
  throw new Error(`lower: malformed program: ${problem}; this is a bug in Dormouse, please report it`);
}
