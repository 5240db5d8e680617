/** Short spellings of programs for tests, and one way to run them on any backend. */
import type {
  Affine,
  Backend,
  Indirect,
  Kernel,
  KernelArgument,
  Program,
  Scalar,
  ScalarOp,
  Slot,
} from "@dormouse/tensor/graph";
import { bytesOf, stridesOf, viewOf } from "@dormouse/tensor/graph";
import type { DType, TypedArray } from "@dormouse/tensor";

export const constant = (value: number, dtype: DType = "float32"): Scalar => ({
  op: "const",
  dtype,
  value,
});

export const affine = (strides: readonly number[], offset = 0): Affine => ({ offset, strides });

/** A contiguous row-major address over all of `axes`. */
export const dense = (...axes: readonly number[]): Affine => affine(stridesOf(axes));

export const load = (
  arg: number,
  at: Affine,
  dtype: DType = "float32",
  rest: Partial<Extract<Scalar, { op: "load" }>> = {},
): Scalar => ({ op: "load", dtype, arg, at, ...rest });

export const indexAt = (at: Affine): Scalar => ({ op: "index", dtype: "int32", at });

/** An operation whose dtype is that of its last source unless given. */
export const apply = (op: ScalarOp, sources: readonly Scalar[], dtype?: DType): Scalar => ({
  op,
  dtype: dtype ?? sources.at(-1)!.dtype,
  sources,
});

export const argument = (
  length: number,
  access: KernelArgument["access"] = "read",
  dtype: DType = "float32",
): KernelArgument => ({ dtype, length, access });

export const indirect = (index: Scalar, stride: number, size: number): Indirect => ({
  index,
  stride,
  size,
});

/** An elementwise loop over `shape` whose last argument receives `body`. */
export const mapKernel = (
  args: readonly KernelArgument[],
  shape: readonly number[],
  body: Scalar,
): Kernel => ({
  kind: "loop",
  args,
  outer: shape,
  inner: [],
  stages: [{ kind: "store", level: "outer", arg: args.length - 1, at: dense(...shape), body }],
});

let serial = 0;

/** A program of one kernel: read arguments are inputs, the others outputs, in order. */
export function singleKernel(kernel: Kernel): Program {
  const inputs = kernel.args.filter((arg) => arg.access === "read");
  const outputs = kernel.args.filter((arg) => arg.access !== "read");
  let nextInput = 0;
  let nextOutput = 0;
  const slots = kernel.args.map(
    (arg): Slot =>
      arg.access === "read"
        ? { space: "input", index: nextInput++ }
        : { space: "output", index: nextOutput++ },
  );
  return {
    key: `test ${serial++}`,
    inputs: inputs.map(({ dtype, length }) => ({ dtype, length })),
    outputs: outputs.map(({ dtype, length }) => ({ dtype, length })),
    kernels: [kernel],
    steps: [{ kernel: 0, slots }],
    temporaryBytes: 0,
  };
}

/** Runs `program` on fresh buffers and reads its outputs back. */
export async function execute(
  backend: Backend,
  program: Program,
  inputs: readonly TypedArray[],
): Promise<TypedArray[]> {
  const executable = await backend.compile(program);
  const given = program.inputs.map(({ dtype, length }, i) => {
    const buffer = backend.alloc(length * bytesOf(dtype));
    backend.write(buffer, inputs[i]!);
    return buffer;
  });
  const made = program.outputs.map(({ dtype, length, alias }) =>
    alias === undefined ? backend.alloc(length * bytesOf(dtype)) : given[alias]!,
  );
  backend.run(executable, [...given, ...made]);
  const results = await Promise.all(
    program.outputs.map(async ({ dtype, length }, i) =>
      viewOf(dtype, await backend.read(made[i]!, 0, length * bytesOf(dtype))),
    ),
  );
  for (const buffer of new Set([...given, ...made])) backend.free(buffer);
  executable.dispose?.();
  return results;
}

/** Reproducible float32 values in [-2, 2) (a multiplicative congruential sequence). */
export function values(length: number, seed = 1): Float32Array {
  let state = seed * 2654435761;
  return Float32Array.from({ length }, () => {
    state = Math.imul(state | 1, 1597334677) + 12345;
    return ((state >>> 8) / 2 ** 24) * 4 - 2;
  });
}
