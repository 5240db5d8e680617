/**
 * Code for scatter kernels: the target is zeroed by all threads, then bodies are added in loop order. Threads share the
 * adding where some axis keeps their addresses apart, so that every element is still added up in order; otherwise
 * thread 0 adds alone.
 */
import { bytesOf, sizeOf } from "@dormouse/tensor/graph";
import type { DType } from "@dormouse/tensor";
import type { ScatterKernel } from "@dormouse/tensor/graph";
import { f32, f32x4, f64, f64x2, i32, i32x4, memory, select, v128 } from "./encoder.ts";
import { kernelExport, kernelParameters } from "./generator.ts";
import type { GeneratedKernel, GeneratorOptions } from "./generator.ts";
import type { Vector } from "./math.ts";
import { call } from "./module.ts";
import type { ModuleBuilder, ParameterLocals } from "./module.ts";
import { Nest, integer, plus, times } from "./nest.ts";
import type { Integer } from "./nest.ts";
import { ScalarCode } from "./scalar.ts";
import type { Place } from "./scalar.ts";
import type { Value } from "./values.ts";

type Parameters = ParameterLocals<typeof kernelParameters>;

/** Writes a scatter kernel into `module`. */
export function generateScatter(module: ModuleBuilder, kernel: ScatterKernel, options: GeneratorOptions): GeneratedKernel {
  module.function({ name: kernelExport, parameters: kernelParameters, export: true }, (f, parameters) => {
    const nest = new Nest(f, options.fma);
    const writer = new ScatterWriter(nest, kernel, parameters);
    writer.zero();
    nest.do(call(options.barrier, parameters.threadCount));
    if (writer.cut >= 0) writer.add();
    else nest.when(i32.eqz(parameters.threadIndex), () => writer.add());
    nest.finish();
  });
  return { scratchBytes: () => 0 };
}

const gcd = (a: number, b: number): number => (b === 0 ? Math.abs(a) : gcd(b, a % b));

class ScatterWriter {
  /** The axis cut among the threads, or -1. */
  readonly cut: number;
  readonly #nest: Nest;
  readonly #kernel: ScatterKernel;
  readonly #code: ScalarCode;
  readonly #parameters: Parameters;
  readonly #dtype: DType;
  readonly #lane: number;
  /** Whether four lanes meet four neighbors of the target. */
  readonly #together: boolean;

  constructor(nest: Nest, kernel: ScatterKernel, parameters: Parameters) {
    this.#nest = nest;
    this.#kernel = kernel;
    this.#parameters = parameters;
    this.#dtype = kernel.args[kernel.arg]!.dtype;
    this.#code = new ScalarCode(nest, kernel.args, parameters.arguments, [kernel.body, ...kernel.indirect.map(({ index }) => index)]);
    this.#lane = kernel.axes.findLastIndex((extent) => extent > 1);
    const place = this.#place(kernel.axes.map(() => integer(0)), 4);
    const moves = kernel.indirect.some(({ index }) => this.#code.varies(index, place));
    this.#together = this.#lane >= 0 && kernel.at.strides[this.#lane] === 1 && !moves && bytesOf(this.#dtype) > 1;
    this.cut = kernel.axes.findIndex((extent, axis) => extent > 1 && this.#separates(axis));
  }

  /** Zeroes this thread's part of the target. */
  zero(): void {
    const { args, arg } = this.#kernel;
    const { threadIndex, threadCount } = this.#parameters;
    const [from, to] = this.#share(args[arg]!.length, threadIndex, threadCount);
    const bytes = bytesOf(this.#dtype);
    const start = plus(this.#code.baseOf(arg), 0);
    this.#nest.do(memory.fill(i32.add(start, times(from, bytes)), i32.const(0), times(i32.sub(to, from), bytes)));
  }

  add(): void {
    const { axes } = this.#kernel;
    if (sizeOf(axes) === 0) return;
    const index = axes.map((): Integer => integer(0));
    const walk = (axis: number): void => {
      if (axis === axes.length) return this.#group(this.#place(index, this.#lane < 0 ? 1 : 4));
      if (axis === this.#lane) return this.#lanes(index, walk);
      const [from, to] = this.#range(axis);
      this.#nest.loop(from, to, 1, (i) => {
        index[axis] = i;
        walk(axis + 1);
        index[axis] = integer(0);
      });
    };
    walk(0);
  }

  /** Four at a time along the last axis; its remainder lane by lane. */
  #lanes(index: Integer[], walk: (axis: number) => void): void {
    const lane = this.#lane;
    const extent = this.#kernel.axes[lane]!;
    const [from, to] = this.#range(lane);
    const whole = this.cut === lane
      ? this.#nest.hold(plus(from, i32.and(i32.sub(to, from), i32.const(-4))))
      : integer(extent - (extent % 4));
    this.#nest.loop(from, whole, 4, (i) => {
      index[lane] = i;
      walk(this.#kernel.axes.length);
    });
    this.#nest.loop(whole, to, 1, (i) => {
      index[lane] = i;
      this.#group(this.#place(index, 1));
    });
    index[lane] = integer(0);
  }

  #place(index: readonly Integer[], active: number): Place {
    return { index: [...index], lane: active === 1 ? -1 : this.#lane, shift: 0, active, values: new Map() };
  }

  /** Adds up to four bodies. */
  #group(place: Place): void {
    const nest = this.#nest;
    const { at, arg, indirect, body } = this.#kernel;
    const bytes = bytesOf(this.#dtype);
    const value = this.#code.value(body, place).map((part) => nest.here(part));
    const moves = indirect.map(({ index, stride, size }) => {
      const position = nest.here(this.#code.value(index, place)[0]!);
      // A negative index is a large unsigned one.
      return { inside: i32x4.lt_u(position, nest.hold(i32x4.const(size))), bytes: i32x4.mul(position, nest.hold(i32x4.const(stride * bytes))) };
    });
    const inside = moves.length > 0 ? nest.here(moves.map((move) => move.inside).reduce((a, b) => v128.and(a, b))) : undefined;
    const moved = moves.length > 0 ? nest.here(moves.map((move) => move.bytes).reduce((a, b) => i32x4.add(a, b))) : undefined;
    const first = nest.hold(i32.add(this.#code.baseOf(arg), times(this.#code.integerAt(at, place), bytes)));
    const when = (lane: number, add: (address: Integer) => void): void => {
      const step = place.lane < 0 ? 0 : lane * at.strides[place.lane]! * bytes;
      if (!inside || !moved) return add(nest.here(plus(first, step)));
      nest.when(i32x4.extract_lane(inside, lane), () =>
        add(nest.here(i32.add(plus(first, step), i32x4.extract_lane(moved, lane)))));
    };
    if (this.#together && place.active === 4) return when(0, (address) => this.#addVector(address, value));
    for (let lane = 0; lane < place.active; lane++) when(lane, (address) => this.#addLane(address, value, lane));
  }

  #addVector(address: Integer, value: Value): void {
    const old = value.map((_, part) => v128.load(address, 16 * part));
    const sum = this.#code.values.operation("add", this.#dtype, this.#dtype, [old, value]);
    sum.forEach((part, i) => this.#nest.do(v128.store(address, part, 16 * i)));
  }

  #addLane(address: Integer, value: Value, lane: number): void {
    const [vector] = value as readonly [Vector];
    const integerLane = i32x4.extract_lane(vector, lane);
    switch (this.#dtype) {
      case "float32":
        return this.#nest.do(f32.store(address, f32.add(f32.load(address), f32x4.extract_lane(vector, lane))));
      case "float64":
        return this.#nest.do(f64.store(address, f64.add(f64.load(address), f64x2.extract_lane(value[lane >> 1]!, lane & 1))));
      case "bool":
        return this.#nest.do(i32.store8(address, i32.or(i32.load8_u(address), i32.and(integerLane, i32.const(1)))));
      case "uint8":
        return this.#nest.do(i32.store8(address, i32.add(i32.load8_u(address), integerLane)));
      default:
        return this.#nest.do(i32.store(address, i32.add(i32.load(address), integerLane)));
    }
  }

  /** Whether different indices along `axis` never meet in one element. */
  #separates(axis: number): boolean {
    const { at, axes, indirect } = this.#kernel;
    const own = Math.abs(at.strides[axis]!);
    if (own === 0) return false;
    const others = [
      ...axes.flatMap((extent, other) => (other === axis || extent <= 1 ? [] : [{ stride: Math.abs(at.strides[other]!), reach: extent - 1 }])),
      ...indirect.map(({ stride, size }) => ({ stride: Math.abs(stride), reach: size - 1 })),
    ];
    // Either the others never reach the next index, or this axis stays below every step of theirs.
    const span = others.reduce((sum, { stride, reach }) => sum + stride * Math.max(reach, 0), 0);
    const common = others.reduce((divisor, { stride }) => gcd(divisor, stride), 0);
    const below = own * (axes[axis]! - 1) < common || common === 0;
    return span < own || below;
  }

  #range(axis: number): [from: Integer, to: Integer] {
    const extent = this.#kernel.axes[axis]!;
    if (axis !== this.cut) return [integer(0), integer(extent)];
    return this.#share(extent, this.#parameters.threadIndex, this.#parameters.threadCount);
  }

  /** This thread's part of [0, count). */
  #share(count: number, thread: Integer, threads: Integer): [from: Integer, to: Integer] {
    const each = this.#nest.hold(i32.div_u(i32.add(threads, i32.const(count - 1)), threads));
    const bound = (index: Integer): Integer => {
      const value = this.#nest.hold(i32.mul(index, each));
      return this.#nest.hold(select(i32.lt_u(value, i32.const(count)), value, i32.const(count)));
    };
    return [bound(thread), bound(plus(thread, 1))];
  }
}
