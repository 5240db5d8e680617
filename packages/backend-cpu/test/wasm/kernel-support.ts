/**
 * Runs one kernel twice: as generated code on a memory of its own, thread after thread, and by the reference backend.
 */
import { expect } from "vitest";
import { allocate, bytesOf, isFloat } from "@dormouse/tensor/graph";
import type { DType, TypedArray } from "@dormouse/tensor";
import type { Affine, Kernel, Program, Scalar, ScalarOp } from "@dormouse/tensor/graph";
import { detectFeatures } from "../../src/features.ts";
import { createReferenceBackend } from "../../src/reference.ts";
import { kernelExport } from "../../src/wasm/generator.ts";
import type { KernelGenerator } from "../../src/wasm/generator.ts";
import { ModuleBuilder } from "../../src/wasm/module.ts";

/** Whether this engine has relaxed multiply-add. */
export const { fma: hasFma } = detectFeatures(true);

/** A small generator of numbers in [0, 1). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Values of `dtype` that are typical, with a special one now and then where `specials` are wanted. */
export function sample(dtype: DType, length: number, seed: number, specials = false): TypedArray {
  const next = random(seed);
  const array = allocate(dtype, length);
  const odd = isFloat(dtype) ? [NaN, Infinity, -Infinity, -0, 1e-40] : dtype === "int32" ? [-2147483648, 2147483647] : [4294967295];
  for (let i = 0; i < length; i++) {
    const plain = isFloat(dtype) ? 4 * next() - 2 : dtype === "bool" ? Math.floor(2 * next()) : Math.floor(40 * next()) - (dtype === "int32" ? 20 : 0);
    array[i] = specials && next() < 0.1 && dtype !== "bool" ? odd[Math.floor(next() * odd.length)]! : plain;
  }
  return array;
}

/** Runs generated code; `threads` calls, in an order that no kernel may depend on. Bytes around every argument must survive. */
export function runGenerated<K extends Kernel>(
  generate: KernelGenerator<K>, kernel: K, inputs: readonly TypedArray[], threads = 1, fma = false, wide = false,
): TypedArray[] {
  const guard = 64;
  const offsets: number[] = [];
  let end = 4096;
  for (const array of inputs) {
    offsets.push((end += guard));
    end = Math.ceil((end + array.byteLength) / 64) * 64;
  }
  end += guard;
  const module = new ModuleBuilder();
  const limits = { initial: 1, maximum: 4096, shared: false };
  module.importMemory("env", "memory", limits);
  const barrier = module.importFunction("env", "barrier", ["i32"]);
  const { scratchBytes } = generate(module, kernel, { fma, wide, barrier });
  const pages = Math.ceil((end + scratchBytes(threads)) / 65536);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: 4096 });
  const bytes = new Uint8Array(memory.buffer).fill(0xa5);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.bytes()), { env: { memory, barrier: () => atBarrier() } });
  new Uint32Array(memory.buffer, 0, offsets.length).set(offsets);
  inputs.forEach((array, i) => bytes.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), offsets[i]));
  const run = instance.exports[kernelExport] as (table: number, scratch: number, thread: number, threads: number) => void;
  // Before a barrier and after it all threads take turns: up to the barrier first, then again with the memory of the
  // first pass put back where the barrier is.
  const stop = new Error("barrier");
  let atBarrier = (): void => {
    throw stop;
  };
  const eachThread = (call: (thread: number) => void): void => {
    for (let thread = threads - 1; thread >= 0; thread--) call(thread);
  };
  let stopped = false;
  eachThread((thread) => {
    try {
      run(0, end, thread, threads);
    } catch (error) {
      if (error !== stop) throw error;
      stopped = true;
    }
  });
  if (stopped) {
    eachThread((thread) => {
      const before = bytes.slice();
      atBarrier = () => bytes.set(before);
      run(0, end, thread, threads);
    });
  }
  inputs.forEach((array, i) => {
    const after = bytes.subarray(offsets[i]! + array.byteLength, (offsets[i + 1] ?? end) - (i + 1 < inputs.length ? guard : 0));
    expect(after.every((byte) => byte === 0xa5), `bytes after argument ${i}`).toBe(true);
    expect(bytes.subarray(offsets[i]! - guard, offsets[i]).every((byte) => byte === 0xa5), `bytes before argument ${i}`).toBe(true);
  });
  return kernel.args.map(({ dtype, length }, i) => {
    const array = allocate(dtype, length);
    new Uint8Array(array.buffer as ArrayBuffer).set(bytes.subarray(offsets[i], offsets[i]! + length * bytesOf(dtype)));
    return array;
  });
}

/** The arguments after the reference backend has run the kernel. */
export function runReference(kernel: Kernel, inputs: readonly TypedArray[]): TypedArray[] {
  const backend = createReferenceBackend();
  const specs = kernel.args.map(({ dtype, length }) => ({ dtype, length }));
  const program: Program = {
    key: "test", inputs: specs, outputs: [], kernels: [kernel],
    steps: [{ kernel: 0, slots: specs.map((_, index) => ({ space: "input", index })) }], temporaryBytes: 0,
  };
  const buffers = inputs.map((array) => {
    const buffer = backend.alloc(array.byteLength);
    backend.write(buffer, array);
    return buffer;
  });
  const executable = backend.compile(program);
  if (executable instanceof Promise) throw new Error("the reference backend compiles at once");
  backend.run(executable, buffers);
  return specs.map(({ dtype, length }, i) => {
    const array = allocate(dtype, length);
    new Uint8Array(array.buffer as ArrayBuffer).set(new Uint8Array(backend.readSync!(buffers[i]!, 0, length * bytesOf(dtype))));
    return array;
  });
}

/** Compares every written argument; floats to `tolerance` relative to 1 + |want|. */
export function compare(kernel: Kernel, got: readonly TypedArray[], want: readonly TypedArray[], tolerance: number): void {
  kernel.args.forEach(({ access, dtype }, arg) => {
    if (access === "read") return;
    want[arg]!.forEach((value, i) => {
      const actual = got[arg]![i]!;
      const close = isFloat(dtype)
        ? Object.is(actual, value) || actual === value || Math.abs(actual - value) <= tolerance * (1 + Math.abs(value))
        : actual === value;
      if (!close) expect.fail(`argument ${arg}[${i}]: ${actual}, not ${value}`);
    });
  });
}

/** Runs and compares on one thread and on three, with and without fused multiply-add where the engine has it. */
export function check<K extends Kernel>(generate: KernelGenerator<K>, kernel: K, inputs: readonly TypedArray[], tolerance = 2e-6): void {
  const want = runReference(kernel, inputs);
  for (const threads of [1, 3]) compare(kernel, runGenerated(generate, kernel, inputs, threads), want, tolerance);
  if (hasFma) compare(kernel, runGenerated(generate, kernel, inputs, 2, true), want, tolerance);
}

export const affine = (offset: number, ...strides: number[]): Affine => ({ offset, strides });
export const load = (dtype: DType, arg: number, at: Affine, rest: Partial<Extract<Scalar, { op: "load" }>> = {}): Scalar =>
  ({ op: "load", dtype, arg, at, ...rest }) as Scalar;
export const constant = (dtype: DType, value: number): Scalar => ({ op: "const", dtype, value });
export const op = (name: ScalarOp, dtype: DType, ...sources: Scalar[]): Scalar => ({ op: name, dtype, sources });
export const result = (dtype: DType, stage: number): Scalar => ({ op: "result", dtype, stage });
export const index = (at: Affine): Scalar => ({ op: "index", dtype: "int32", at });
export const read = (dtype: DType, length: number) => ({ dtype, length, access: "read" }) as const;
export const write = (dtype: DType, length: number) => ({ dtype, length, access: "write" }) as const;
