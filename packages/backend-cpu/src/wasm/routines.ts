/**
 * Code for routines along an axis: cumulative sums, and stable sorting by merging. Rows are independent and shared among
 * the threads; one row is the work of one thread. Routines on matrices are in matrices.ts.
 */
import { bytesOf, isFloat } from "@dormouse/tensor/graph";
import type { DType } from "@dormouse/tensor";
import type { AxisRoutine, RoutineKernel, Scalar } from "@dormouse/tensor/graph";
import { f32, f64, i32, i64, select } from "./encoder.ts";
import type { Local } from "./encoder.ts";
import { kernelExport, kernelParameters } from "./generator.ts";
import type { GeneratedKernel, GeneratorOptions } from "./generator.ts";
import { generateMatrixRoutine } from "./matrices.ts";
import type { FunctionBuilder, ModuleBuilder, ParameterLocals } from "./module.ts";
import { Nest, integer } from "./nest.ts";
import type { Integer } from "./nest.ts";
import { ScalarCode } from "./scalar.ts";
import type { Place } from "./scalar.ts";

type Parameters = ParameterLocals<typeof kernelParameters>;

/** Writes a routine kernel into `module`. */
export function generateRoutine(module: ModuleBuilder, kernel: RoutineKernel, options: GeneratorOptions): GeneratedKernel {
  if (!("outer" in kernel)) return generateMatrixRoutine(module, kernel);
  const empty = kernel.outer * kernel.length * kernel.inner === 0;
  const sort = kernel.name === "argsort";
  module.function({ name: kernelExport, parameters: kernelParameters, export: true }, (f, parameters) => {
    if (empty) return;
    if (sort) return argsort(f, kernel, parameters);
    const nest = new Nest(f, options.fma);
    cumulativeSum(nest, kernel, parameters);
    nest.finish();
  });
  const record = recordBytes(kernel.args[0]!.dtype);
  return { scratchBytes: (threads) => (sort && !empty ? threads * 2 * kernel.length * record : 0) };
}

/** This thread's part of [0, count). */
function share(count: number, { threadIndex, threadCount }: Parameters): [from: Integer, to: Integer] {
  const each = i32.div_u(i32.add(threadCount, i32.const(count - 1)), threadCount);
  const bound = (thread: Integer): Integer => {
    const value = i32.mul(thread, each);
    return select(i32.lt_u(value, i32.const(count)), value, i32.const(count));
  };
  return [bound(threadIndex), bound(i32.add(threadIndex, i32.const(1)))];
}

/** Lanes lie along the inner axis. float32 is added up in float64, so that a long sum does not drift. */
function cumulativeSum(nest: Nest, { args, outer, length, inner, reverse }: AxisRoutine, parameters: Parameters): void {
  const [from, to] = [args[0]!.dtype, args[1]!.dtype];
  const step = reverse ? -inner : inner;
  const at = { offset: reverse ? (length - 1) * inner : 0, strides: [length * inner, step, 1] };
  const element: Scalar = { op: "load", dtype: from, arg: 0, at };
  const code = new ScalarCode(nest, args, parameters.arguments, [element]);
  const total = isFloat(to) ? "float64" : to;
  const columns = (row: Integer, column: Integer, active: number): void => {
    const sum = code.values.constant(total, 0).map((part) => nest.variable(part));
    nest.loop(integer(0), integer(length), 1, (i) => {
      const place: Place = { index: [row, i, column], lane: inner === 1 ? -1 : 2, shift: 0, active, values: new Map() };
      const value = code.values.cast(from, total, code.value(element, place).map((part) => nest.here(part)));
      const next = code.values.operation("add", total, total, [sum, value]);
      sum.forEach((part, half) => nest.set(part, next[half]!));
      code.store(1, at, code.values.cast(total, to, sum), place);
    });
  };
  const groups = Math.floor(inner / 4);
  const byRows = outer > 1 || groups < 2;
  const part = share(byRows ? outer : groups, parameters).map((bound) => nest.hold(bound)) as [Integer, Integer];
  const columnsOf = (row: Integer): void => {
    const [start, end] = byRows ? [integer(0), integer(groups)] : part;
    nest.loop(start, end, 1, (group) => columns(row, nest.hold(i32.shl(group, i32.const(2))), 4));
    const rest = (): void => {
      if (inner % 4 !== 0) columns(row, integer(4 * groups), inner % 4);
    };
    if (byRows) rest();
    else nest.when(i32.eqz(parameters.threadIndex), rest);
  };
  if (byRows) nest.loop(...part, 1, columnsOf);
  else columnsOf(integer(0));
}

/** A sort record: key and position in one i64, or side by side where the key needs 64 bits. */
const recordBytes = (dtype: DType): 8 | 16 => (dtype === "float64" ? 16 : 8);

/** Bottom-up merging of runs in two buffers of records. */
function argsort(f: FunctionBuilder, kernel: AxisRoutine, parameters: Parameters): void {
  const { args, outer, length, inner, reverse } = kernel;
  const { dtype } = args[0]!;
  const record = recordBytes(dtype);
  const size = length * record;
  const input = f.let(i32.load(parameters.arguments));
  const output = f.let(i32.load(parameters.arguments, 4));
  const home = f.let(i32.add(parameters.scratch, i32.mul(parameters.threadIndex, i32.const(2 * size))));
  const source = f.local("i32");
  const target = f.local("i32");
  const swap = f.local("i32");
  const width = f.local("i32");
  const position = f.local("i32");
  const address = f.local("i32");
  const first = f.local("i32");
  const [from, to] = share(outer * inner, parameters);
  const row = f.let(from);
  const end = f.let(to);
  const elements = (bytes: number): Integer => {
    const start = i32.mul(i32.div_u(row, i32.const(inner)), i32.const(length * inner));
    return i32.mul(i32.add(start, i32.rem_u(row, i32.const(inner))), i32.const(bytes));
  };
  f.count(row, end, 1, () => {
    f.set(first, i32.add(input, elements(bytesOf(dtype))));
    f.set(source, home);
    f.set(target, i32.add(home, i32.const(size)));
    f.set(position, i32.const(0));
    f.set(address, source);
    f.count(position, i32.const(length), 1, () => {
      writeRecord(f, dtype, first, address, position, reverse);
      f.increase(first, inner * bytesOf(dtype));
      f.increase(address, record);
    });
    f.set(width, i32.const(record));
    f.count(width, i32.const(size), width, () => {
      mergeRuns(f, source, target, width, size, record);
      f.set(swap, source);
      f.set(source, target);
      f.set(target, swap);
    });
    f.set(first, i32.add(output, elements(4)));
    f.set(position, i32.const(0));
    f.count(position, i32.const(length), 1, () => {
      f.do(i32.store(first, i32.load(source, record === 16 ? 8 : 0)));
      f.increase(first, 4 * inner);
      f.increase(source, record);
    });
  });
}

/** The record of the element at `from`: a signed integer that orders as the elements do, NaN largest, zeros equal. */
function writeRecord(f: FunctionBuilder, dtype: DType, from: Integer, to: Integer, position: Integer, reverse: boolean): void {
  if (dtype === "float64") {
    const value = f.let(f64.add(f64.load(from), f64.const(0)));
    const bits = f.let(i64.reinterpret_f64(value));
    const ordered = i64.xor(bits, i64.shr_u(i64.shr_s(bits, i64.const(63n)), i64.const(1n)));
    const key = select(f64.eq(value, value), ordered, i64.const(2n ** 63n - 1n));
    f.do(i64.store(to, reverse ? i64.xor(key, i64.const(-1n)) : key), i32.store(to, position, 8));
    return;
  }
  const key = key32(f, dtype, from);
  const ordered = reverse ? i32.xor(key, i32.const(-1)) : key;
  // The position in the low half keeps equal elements in order.
  f.do(i64.store(to, i64.or(i64.shl(i64.extend_i32_s(ordered), i64.const(32n)), i64.extend_i32_u(position))));
}

function key32(f: FunctionBuilder, dtype: DType, from: Integer): Integer {
  switch (dtype) {
    case "float32": {
      const value = f.let(f32.add(f32.load(from), f32.const(0)));
      const bits = f.let(i32.reinterpret_f32(value));
      const ordered = i32.xor(bits, i32.shr_u(i32.shr_s(bits, i32.const(31)), i32.const(1)));
      return select(f32.eq(value, value), ordered, i32.const(0x7fffffff));
    }
    case "uint32":
      return i32.xor(i32.load(from), i32.const(-0x80000000));
    case "int32":
      return i32.load(from);
    default:
      return i32.load8_u(from);
  }
}

/** Merges neighboring sorted runs of `width` bytes from `source` into `target`. */
function mergeRuns(f: FunctionBuilder, source: Local<"i32">, target: Local<"i32">, width: Local<"i32">, size: number, record: number): void {
  const start = f.local("i32");
  const left = f.local("i32");
  const right = f.local("i32");
  const middle = f.local("i32");
  const last = f.local("i32");
  const out = f.local("i32");
  const taken = f.local("i32");
  const takeLeft = f.local("i32");
  const least = (a: Integer, b: Integer): Integer => select(i32.lt_u(a, b), a, b);
  const copy = (from: Integer): void => {
    for (let word = 0; word < record; word += 8) f.do(i64.store(out, i64.load(from, word), word));
    f.increase(out, record);
  };
  f.set(start, i32.const(0));
  f.count(start, i32.const(size), i32.shl(width, i32.const(1)), () => {
    f.set(left, i32.add(source, start));
    f.set(middle, i32.add(source, least(i32.add(start, width), i32.const(size))));
    f.set(right, middle);
    f.set(last, i32.add(source, least(i32.add(start, i32.shl(width, i32.const(1))), i32.const(size))));
    f.set(out, i32.add(target, start));
    f.block((done) => {
      f.branchIf(done, i32.ge_u(right, last));
      f.loop((again) => {
        // Selecting the side is faster than branching on it: the outcome cannot be predicted.
        f.set(takeLeft, i64.le_s(i64.load(left), i64.load(right)));
        f.set(taken, select(takeLeft, left, right));
        copy(taken);
        f.set(takeLeft, i32.mul(takeLeft, i32.const(record)));
        f.increase(left, takeLeft);
        f.increase(right, i32.sub(i32.const(record), takeLeft));
        f.branchIf(again, i32.and(i32.lt_u(left, middle), i32.lt_u(right, last)));
      });
    });
    f.count(left, middle, record, () => copy(left));
    f.count(right, last, record, () => copy(right));
  });
}
