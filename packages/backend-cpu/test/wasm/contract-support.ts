/** Runs one contract kernel alone, and the loop that says what it should give. */
import { allocate } from "@dormouse/tensor/graph";
import type { Affine, ContractKernel, Scalar } from "@dormouse/tensor/graph";
import type { TypedArray } from "@dormouse/tensor";
import { generateContract } from "../../src/wasm/gemm.ts";
import { ModuleBuilder } from "../../src/wasm/module.ts";

export const fusedMultiplyAdd = WebAssembly.validate(
  new Uint8Array([
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15,
    65, 3, 253, 15, 253, 133, 2, 11,
  ]),
);

/** Row-major strides. */
export function rowMajor(sizes: readonly number[]): number[] {
  const strides = sizes.map(() => 1);
  for (let axis = sizes.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * sizes[axis + 1]!;
  return strides;
}

/** What a kernel may read beyond a buffer. */
const slack = 64;

/**
 * Compiles and runs `kernel` on copies of `buffers` as `threads` threads, one after the other; returns the buffers after
 * it. Memory ends `slack` bytes (rounded to alignment) after argument `last`, so that reading further traps.
 */
export function runContract(
  kernel: ContractKernel,
  buffers: readonly TypedArray[],
  threads = 1,
  fma = fusedMultiplyAdd,
  last = buffers.length - 1,
  wide = false,
): TypedArray[] {
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", { initial: 1, maximum: 65536, shared: true });
  const barrier = module.importFunction("env", "barrier", ["i32"]);
  const { scratchBytes } = generateContract(module, kernel, { fma, wide, barrier });
  const aligned = (bytes: number): number => Math.ceil(bytes / 64) * 64;
  const scratch = 4096;
  const sizes = buffers.map(({ byteLength }) => aligned(byteLength + slack));
  const total = sizes.reduce((sum, size) => sum + size, scratch + aligned(scratchBytes(threads)));
  const memory = new WebAssembly.Memory({ initial: Math.ceil(total / 65536), maximum: 65536, shared: true });
  new Uint8Array(memory.buffer).fill(0xff, scratch);
  let end = memory.buffer.byteLength;
  const addresses: number[] = [];
  for (const i of [last, ...buffers.keys()]) addresses[i] ??= end -= sizes[i]!;
  new Int32Array(memory.buffer).set(addresses, 16);
  buffers.forEach((buffer, i) => {
    const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    new Uint8Array(memory.buffer).set(bytes, addresses[i]!);
  });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.bytes()), {
    env: { memory, barrier: () => atBarrier() },
  });
  const run = instance.exports["kernel"] as (args: number, scratch: number, thread: number, threads: number) => void;
  // Threads take turns from barrier to barrier. A thread starts anew every time, and finds what all threads have left at
  // the barrier where its turn begins.
  const bytes = new Uint8Array(memory.buffer);
  const stop = new Error("barrier");
  let atBarrier = (): void => {};
  for (let turn = 0, running = true; running; turn++) {
    running = false;
    for (let thread = threads - 1; thread >= 0; thread--) {
      const before = turn > 0 ? bytes.slice() : bytes;
      let passed = 0;
      atBarrier = (): void => {
        if (passed === turn) throw stop;
        if (++passed === turn) bytes.set(before);
      };
      try {
        run(64, scratch, thread, threads);
      } catch (error) {
        if (error !== stop) throw error;
        running = true;
      }
    }
  }
  return buffers.map((buffer, i) => {
    const copy = allocate(kernel.args[i]!.dtype, buffer.length);
    new Uint8Array(copy.buffer).set(new Uint8Array(memory.buffer, addresses[i]!, buffer.byteLength));
    return copy;
  });
}

const at = ({ offset, strides }: Affine, index: readonly number[]): number =>
  strides.reduce((sum, stride, axis) => sum + stride * index[axis]!, offset);

/** The value of a body in plain JavaScript numbers, for the operations these tests use. */
function evaluate(body: Scalar, buffers: readonly TypedArray[], index: readonly number[], product: number): number {
  const inside = (conditions: readonly (Affine & { below: number })[] = []): boolean =>
    conditions.every((condition) => at(condition, index) >= 0 && at(condition, index) < condition.below);
  const value = (node: Scalar): number => evaluate(node, buffers, index, product);
  switch (body.op) {
    case "const":
      return body.value;
    case "result":
      return product;
    case "index":
      return at(body.at, index);
    case "valid":
      return Number(inside(body.conditions));
    case "load": {
      if (!inside(body.valid)) return body.fill ?? 0;
      const hops = (body.indirect ?? []).map(
        (hop) => hop.stride * Math.min(hop.size - 1, Math.max(0, value(hop.index))),
      );
      return buffers[body.arg]![hops.reduce((sum, hop) => sum + hop, at(body.at, index))]!;
    }
    case "add":
      return value(body.sources[0]!) + value(body.sources[1]!);
    case "mul":
      return value(body.sources[0]!) * value(body.sources[1]!);
    case "max":
      return Math.max(value(body.sources[0]!), value(body.sources[1]!));
    case "neg":
      return -value(body.sources[0]!);
    case "exp":
      return Math.exp(value(body.sources[0]!));
    case "cast":
      return value(body.sources[0]!);
    case "less":
      return Number(value(body.sources[0]!) < value(body.sources[1]!));
    case "where":
      return value(body.sources[0]!) ? value(body.sources[1]!) : value(body.sources[2]!);
    default:
      throw new Error(`the naive loop has no ${body.op}`);
  }
}

function* indices(sizes: readonly number[]): Generator<number[]> {
  const total = sizes.reduce((product, size) => product * size, 1);
  for (let flat = 0; flat < total; flat++) {
    let rest = flat;
    yield sizes.map((_, axis) => {
      const below = sizes.slice(axis + 1).reduce((product, size) => product * size, 1);
      const index = Math.floor(rest / below);
      rest %= below;
      return index;
    });
  }
}

/** The kernel as nested loops in float64 (integers wrap). */
export function naiveContract(kernel: ContractKernel, buffers: readonly TypedArray[]): TypedArray[] {
  const out = buffers.map((buffer, i) => {
    const copy = allocate(kernel.args[i]!.dtype === "float32" ? "float64" : kernel.args[i]!.dtype, buffer.length);
    copy.set(buffer as never);
    return copy;
  });
  const integer = kernel.dtype === "int32" || kernel.dtype === "uint32";
  for (const outer of indices([...kernel.batch, ...kernel.m, ...kernel.n])) {
    let sum = 0;
    for (const inner of indices(kernel.k)) {
      const index = [...outer, ...inner];
      const [a, b] = [evaluate(kernel.lhs, buffers, index, 0), evaluate(kernel.rhs, buffers, index, 0)];
      sum = integer ? (sum + Math.imul(a, b)) | 0 : sum + a * b;
    }
    const index = [...outer, ...kernel.k.map(() => 0)];
    const values = kernel.stores.map(({ body }) => evaluate(body, buffers, index, sum));
    kernel.stores.forEach((store, i) => (out[store.arg]![at(store.at, index)] = values[i]!));
  }
  return out;
}
