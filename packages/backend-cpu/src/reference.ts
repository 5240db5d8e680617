/**
 * The reference backend: every kernel kind of a program by literal loops over JavaScript numbers. It is the oracle
 * that other backends are tested against and a way to debug a program, so it prefers clarity to speed, checks every
 * address and fills fresh memory with a pattern that shows when it is read before it is written. It shares no
 * arithmetic with the WebAssembly backend.
 */
import type {
  AxisRoutine,
  Backend,
  BackendBuffer,
  ContractKernel,
  Executable,
  Kernel,
  LoopKernel,
  Program,
  ScatterKernel,
  Slot,
  StoredArray,
  StoreStage,
} from "@dormouse/tensor/graph";
import {
  Device, bytesOf, checkRange, dtypes, float16Bits, foreignBufferError, freedBufferError, isFloat, roundTo, sizeOf,
  storedView,
} from "@dormouse/tensor/graph";
import type { DType, TypedArray } from "@dormouse/tensor";
import { runMatrixRoutine } from "./reference-matrix.ts";
import {
  type Environment,
  compileAffine,
  compileScalar,
  compileScalars,
  outside,
  wrapTo,
} from "./reference-scalar.ts";

class HostBuffer implements BackendBuffer {
  readonly bytes: number;
  data: ArrayBuffer | null;

  constructor(bytes: number) {
    this.bytes = bytes;
    this.data = poisoned(bytes);
  }
}

/** Memory of `bytes` rounded up to whole float64 elements. All bits set: NaN as a float, −1 as an integer. */
function poisoned(bytes: number): ArrayBuffer {
  const data = new ArrayBuffer(Math.ceil(bytes / 8) * 8);
  new Uint8Array(data).fill(255);
  return data;
}

/**
 * A `Backend` that interprets programs one element at a time. Sums are accumulated in float64 and rounded once.
 *
 * @example
 * const backend = createReferenceBackend();
 * const buffer = backend.alloc(8);
 * backend.write(buffer, Float32Array.of(1, 2));
 */
export function createReferenceBackend(): Backend {
  const dataOf = (buffer: BackendBuffer, op: string): ArrayBuffer => {
    if (!(buffer instanceof HostBuffer)) {
      throw foreignBufferError(op);
    }
    if (buffer.data === null) {
      throw freedBufferError(op, buffer);
    }
    return buffer.data;
  };
  const copyOut = (buffer: BackendBuffer, offset: number, bytes: number): ArrayBuffer => {
    const data = dataOf(buffer, "read");
    checkRange("read", buffer, offset, bytes);
    return data.slice(offset, offset + bytes);
  };
  return {
    capabilities: {
      name: "reference",
      dtypes: new Set(dtypes),
      maxBindings: 256,
      maxBufferBytes: 2 ** 31 - 1,
      syncRead: true,
    },
    alloc: (bytes) => new HostBuffer(bytes),
    free(buffer) {
      dataOf(buffer, "free");
      (buffer as HostBuffer).data = null;
    },
    write(buffer, source, offset = 0) {
      const data = dataOf(buffer, "write");
      checkRange("write", buffer, offset, source.byteLength);
      const bytes = new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
      new Uint8Array(data).set(bytes, offset);
    },
    // An async function, so that a bad range rejects rather than throws.
    read: async (buffer, offset, bytes) => copyOut(buffer, offset, bytes),
    readSync: copyOut,
    compile: (program): Executable => ({ program }),
    run({ program }, buffers) {
      runProgram(
        program,
        buffers.map((buffer) => dataOf(buffer, "run")),
      );
    },
    flush() {},
    idle: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/**
 * A device that interprets programs: slow, checked and independent of WebAssembly.
 *
 * @example
 * setDevice(await reference());
 */
export const reference = (): Promise<Device> => Promise.resolve(new Device(createReferenceBackend()));

function runProgram(program: Program, buffers: readonly ArrayBuffer[]): void {
  const temporaries = poisoned(program.temporaryBytes);
  const viewSlot = (slot: Slot, dtype: DType, length: number): StoredArray => {
    const inTemporaries = slot.space === "temporary";
    const data = inTemporaries
      ? temporaries
      : buffers[slot.space === "input" ? slot.index : program.inputs.length + slot.index]!;
    const start = inTemporaries ? slot.offset / bytesOf(dtype) : 0;
    const view = storedView(dtype, data).subarray(start, start + length);
    if (view.length < length) throw outside(slot.space, start + length, view.length);
    return view;
  };
  for (const { kernel: index, slots } of program.steps) {
    const kernel = program.kernels[index]!;
    const views = kernel.args.map((arg, i) => viewSlot(slots[i]!, arg.dtype, arg.length));
    runKernel(kernel, views);
  }
}

function runKernel(kernel: Kernel, views: readonly StoredArray[]): void {
  switch (kernel.kind) {
    case "loop":
      return runLoop(kernel, views);
    case "contract":
      return runContract(kernel, views);
    case "scatter":
      return runScatter(kernel, views);
    case "routine":
      // No routine has float16 arguments, the only ones whose stored elements are not values.
      return "outer" in kernel
        ? runAlongAxis(kernel, views as readonly TypedArray[])
        : runMatrixRoutine(kernel, views as readonly TypedArray[]);
  }
}

const environmentOf = (
  views: readonly StoredArray[],
  axes: readonly number[],
  results: number,
): Environment => ({
  views,
  index: new Int32Array(axes.length),
  results: new Float64Array(results),
});

/** Visits every index of `lengths` in row-major order, writing it to index[first …]; leaves zeros behind. */
function forEachIndex(
  index: Int32Array,
  first: number,
  lengths: readonly number[],
  visit: () => void,
): void {
  const size = sizeOf(lengths);
  for (let count = 0; count < size; count++) {
    visit();
    for (let axis = lengths.length - 1; axis >= 0; axis--) {
      const next = index[first + axis]! + 1;
      index[first + axis] = next === lengths[axis] ? 0 : next;
      if (next !== lengths[axis]) break;
    }
  }
}

function put(view: StoredArray, address: number, value: number): void {
  if (address < 0 || address >= view.length) throw outside("store", address, view.length);
  view[address] = value;
}

/** Adds in float64 for the caller to round, or modulo 2³² where `dtype` is an integer. */
const adderOf = (dtype: DType): ((sum: number, value: number) => number) =>
  isFloat(dtype) ? (sum, value) => sum + value : (sum, value) => wrapTo(dtype, sum + value);

const lowest: Record<DType, number> = {
  float16: -Infinity,
  float32: -Infinity,
  float64: -Infinity,
  int32: -2147483648,
  uint32: 0,
  uint8: 0,
  bool: 0,
};

function runLoop(kernel: LoopKernel, views: readonly StoredArray[]): void {
  const environment = environmentOf(views, [...kernel.outer, ...kernel.inner], kernel.stages.length);
  const { index, results } = environment;
  const forEachInner = (visit: () => void): void =>
    forEachIndex(index, kernel.outer.length, kernel.inner, visit);
  const stages = kernel.stages.map((stage, number): (() => void) => {
    if (stage.kind === "store") {
      const before = kernel.stages[number - 1];
      // Neighbors of one level belong to the first of them.
      if (before?.kind === "store" && before.level === stage.level) return () => undefined;
      const end = kernel.stages.findIndex((next, i) => i > number && !(next.kind === "store" && next.level === stage.level));
      const store = storeTogether(kernel.stages.slice(number, end < 0 ? undefined : end) as StoreStage[], views, environment);
      return stage.level === "outer" ? store : () => forEachInner(store);
    }
    const body = compileScalar(stage.body, environment);
    switch (stage.combine) {
      case "sum": {
        const add = adderOf(stage.dtype);
        return () => {
          let sum = 0;
          forEachInner(() => (sum = add(sum, body())));
          results[number] = roundTo(stage.dtype, sum);
        };
      }
      case "max":
        return () => {
          let largest = lowest[stage.dtype];
          forEachInner(() => (largest = Math.max(largest, body())));
          results[number] = largest;
        };
      case "argmax":
        return () => {
          let largest = Number.NaN;
          let best = 0;
          let position = 0;
          forEachInner(() => {
            const value = body();
            const beats = value > largest || (Number.isNaN(value) && !Number.isNaN(largest));
            if (position === 0 || beats) {
              largest = value;
              best = position;
            }
            position++;
          });
          results[number] = best;
        };
    }
  });
  forEachIndex(index, 0, kernel.outer, () => stages.forEach((stage) => stage()));
}

/** A float16 is stored as its bit pattern. */
const inPatterns = (body: () => number) => (): number => float16Bits(body());

/** Every body before the first store: outputs may share memory with inputs, which the bodies of other outputs read. */
function storeTogether(stages: readonly Omit<StoreStage, "kind" | "level">[], views: readonly StoredArray[], environment: Environment): () => void {
  const stores = stages.map(({ arg, at, body }) => ({
    view: views[arg]!,
    at: compileAffine(at, environment),
    body: body.dtype === "float16" ? inPatterns(compileScalar(body, environment)) : compileScalar(body, environment),
  }));
  const values = new Float64Array(stores.length);
  return () => {
    stores.forEach(({ body }, i) => (values[i] = body()));
    stores.forEach(({ view, at }, i) => put(view, at(), values[i]!));
  };
}

function runContract(kernel: ContractKernel, views: readonly StoredArray[]): void {
  const { batch, m, n, k, dtype } = kernel;
  const environment = environmentOf(views, [...batch, ...m, ...n, ...k], 1);
  const { index, results } = environment;
  const lhs = compileScalar(kernel.lhs, environment);
  const rhs = compileScalar(kernel.rhs, environment);
  const add = adderOf(dtype);
  const multiply = isFloat(dtype) ? (x: number, y: number) => x * y : Math.imul;
  const store = storeTogether(kernel.stores, views, environment);
  const outer = [...batch, ...m, ...n];
  forEachIndex(index, 0, outer, () => {
    let sum = 0;
    forEachIndex(index, outer.length, k, () => (sum = add(sum, multiply(lhs(), rhs()))));
    results[0] = roundTo(dtype, sum);
    store();
  });
}

function runScatter(kernel: ScatterKernel, views: readonly StoredArray[]): void {
  const environment = environmentOf(views, kernel.axes, 0);
  const target = views[kernel.arg]!;
  const { dtype } = kernel.args[kernel.arg]!;
  const add = adderOf(dtype);
  const at = compileAffine(kernel.at, environment);
  const evaluate = compileScalars(
    [kernel.body, ...kernel.indirect.map(({ index }) => index)],
    environment,
  );
  const sums = new Float64Array(target.length);
  forEachIndex(environment.index, 0, kernel.axes, () => {
    const values = evaluate();
    let address = at();
    for (const [i, { stride, size }] of kernel.indirect.entries()) {
      const position = values[i + 1]!;
      if (position < 0 || position >= size) return;
      address += position * stride;
    }
    const sum = sums[address];
    if (sum === undefined) throw outside("scatter", address, target.length);
    sums[address] = add(sum, values[0]!);
  });
  sums.forEach((sum, address) => (target[address] = roundTo(dtype, sum)));
}

function runAlongAxis(kernel: AxisRoutine, views: readonly TypedArray[]): void {
  const { outer, length, inner, reverse } = kernel;
  const [source, target] = views as readonly [TypedArray, TypedArray];
  for (let row = 0; row < outer; row++) {
    for (let column = 0; column < inner; column++) {
      const addressOf = (position: number): number => (row * length + position) * inner + column;
      const positions = Array.from({ length }, (_, position) => position);
      if (kernel.name === "cumsum") {
        const { dtype } = kernel.args[1]!;
        const add = adderOf(dtype);
        let sum = 0;
        for (const position of reverse ? positions.reverse() : positions) {
          sum = add(sum, source[addressOf(position)]!);
          target[addressOf(position)] = roundTo(dtype, sum);
        }
      } else {
        const valueOf = (position: number): number => source[addressOf(position)]!;
        const sorted = positions.toSorted((a, b) =>
          reverse ? compareNumbers(valueOf(b), valueOf(a)) : compareNumbers(valueOf(a), valueOf(b)),
        );
        sorted.forEach((position, rank) => (target[addressOf(rank)] = position));
      }
    }
  }
}

/** Orders numbers with NaN above all others; zeros of either sign are equal. */
function compareNumbers(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return a < b ? -1 : a > b ? 1 : 0;
}
