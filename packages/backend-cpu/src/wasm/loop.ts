/**
 * Code for loop kernels: maps, reductions and rows of several stages. The outer iteration space is cut among the threads
 * along one axis; within it four (or `unroll` times four) positions advance together, either along an outer axis, so
 * that each lane reduces for itself, or along an inner axis, whose lanes are merged at the end of a row. A costly value
 * that several stages of a row need is kept in scratch memory (softmax over 1000 columns: 4.7 instead of 7.6 ms).
 */
import { sizeOf } from "@dormouse/tensor/graph";
import type { LoopKernel, ReduceStage, Scalar, StoreStage } from "@dormouse/tensor/graph";
import { f32x4, f64x2, i32, i32x4, select, v128 } from "./encoder.ts";
import type { Local } from "./encoder.ts";
import { scalarOrder } from "../scalar-order.ts";
import { kernelExport, kernelParameters } from "./generator.ts";
import type { GeneratedKernel, GeneratorOptions } from "./generator.ts";
import { planLoop } from "./loop-plan.ts";
import type { LoopAxis, LoopPlan } from "./loop-plan.ts";
import type { Vector } from "./math.ts";
import type { ModuleBuilder, ParameterLocals } from "./module.ts";
import { Nest, integer, plus, times } from "./nest.ts";
import type { Integer } from "./nest.ts";
import { mergeLanes, reducerOf } from "./reduce.ts";
import type { Reducer, State, Variables } from "./reduce.ts";
import { ScalarCode } from "./scalar.ts";
import type { Place } from "./scalar.ts";
import type { Value } from "./values.ts";

/** float32 additions in a row before a sum moves to float64. */
const sumBlock = 64;
/**
 * Neighboring groups computed side by side. On one thread of an AMD EPYC an element of `gelu` takes 1.10 instead of
 * 1.48 ns, of `exp` 0.51 instead of 0.58, of `erf` 1.29 instead of 1.93; eight need more registers than there are.
 */
const together = 4;
/** Below this many pieces another axis is cut among the threads if one has more. */
const enoughPieces = 8;

/** Writes a loop kernel into `module`. */
export function generateLoop(module: ModuleBuilder, kernel: LoopKernel, options: GeneratorOptions): GeneratedKernel {
  const plan = planLoop(kernel, options.wide);
  module.function({ name: kernelExport, parameters: kernelParameters, export: true }, (f, parameters) => {
    if (sizeOf(kernel.outer) === 0) return;
    const nest = new Nest(f, options.fma);
    new LoopWriter(nest, kernel, plan, parameters, options.wide).write();
    nest.finish();
  });
  return { scratchBytes: (threads) => threads * keptBytes(plan) };
}

/** Scratch memory of one thread. */
const keptBytes = ({ kept, rowLength }: LoopPlan): number => 4 * kept.length * rowLength;

class LoopWriter {
  readonly #nest: Nest;
  readonly #kernel: LoopKernel;
  readonly #plan: LoopPlan;
  readonly #wide: boolean;
  readonly #code: ScalarCode;
  readonly #parameters: ParameterLocals<typeof kernelParameters>;
  /** The axis cut among the threads. */
  readonly #cut: LoopAxis | undefined;
  readonly #index: Integer[];
  /** Kept values that an earlier stage has written. */
  readonly #written = new Set<Scalar>();

  constructor(
    nest: Nest,
    kernel: LoopKernel,
    plan: LoopPlan,
    parameters: ParameterLocals<typeof kernelParameters>,
    wide: boolean,
  ) {
    this.#nest = nest;
    this.#kernel = kernel;
    this.#plan = plan;
    this.#wide = wide;
    this.#parameters = parameters;
    this.#code = new ScalarCode(nest, kernel.args, parameters.arguments, kernel.stages.map(({ body }) => body));
    this.#index = [...kernel.outer, ...kernel.inner].map(() => integer(0));
    this.#cut = this.#chooseCut();
  }

  write(): void {
    if (!this.#cut) return this.#nest.when(i32.eqz(this.#parameters.threadIndex), () => this.#outer(0));
    this.#outer(0);
  }

  /** How many pieces an axis can be cut into. */
  #pieces(loop: LoopAxis): number {
    return loop === this.#plan.lane ? Math.floor(loop.extent / (4 * this.#plan.unroll)) : loop.extent;
  }

  #chooseCut(): LoopAxis | undefined {
    const loops = this.#plan.outer.filter((loop) => this.#pieces(loop) > 1);
    return loops.find((loop) => this.#pieces(loop) >= enoughPieces)
      ?? loops.toSorted((a, b) => this.#pieces(b) - this.#pieces(a))[0];
  }

  /** The part of [0, pieces) that belongs to this thread, in units of `size`. */
  #share(pieces: number, size: number): [from: Integer, to: Integer] {
    const { threadIndex, threadCount } = this.#parameters;
    const nest = this.#nest;
    const each = nest.hold(i32.div_u(i32.add(threadCount, i32.const(pieces - 1)), threadCount));
    const bound = (thread: Integer): Integer => {
      const piece = nest.hold(i32.mul(thread, each));
      return nest.hold(times(select(i32.lt_u(piece, i32.const(pieces)), piece, i32.const(pieces)), size));
    };
    return [bound(threadIndex), bound(plus(threadIndex, 1))];
  }

  #outer(depth: number): void {
    const { outer, lane, horizontal } = this.#plan;
    const loops = outer.filter((loop) => loop !== lane);
    const loop = loops[depth];
    if (loop) {
      const [from, to] = loop === this.#cut ? this.#share(loop.extent, 1) : [integer(0), integer(loop.extent)];
      return this.#nest.loop(from, to, 1, (i) => this.#at(loop.axis, i, () => this.#outer(depth + 1)));
    }
    if (horizontal || lane.axis < 0) return this.#stages([this.#place(-1, 0, 1)]);
    this.#lanes(lane === this.#cut, (places) => this.#stages(places));
  }

  #at(axis: number, index: Integer, body: () => void): void {
    const before = this.#index[axis]!;
    this.#index[axis] = index;
    body();
    this.#index[axis] = before;
  }

  #place(lane: number, shift: number, active: number, results?: Place): Place {
    const known = [...(results?.values ?? [])].filter(([key]) => typeof key === "number");
    return { index: [...this.#index], lane, shift, active, values: new Map(known), resultsVary: !this.#plan.horizontal };
  }

  /** Walks the lane axis: unrolled groups, single groups, then the lanes that are left. */
  #lanes(cut: boolean, body: (places: readonly Place[]) => void, main?: (walk: MainWalk) => void): void {
    const { lane: { axis, extent }, unroll } = this.#plan;
    const step = 4 * unroll;
    const unrolled = extent - (extent % step);
    const whole = extent - (extent % 4);
    const groups = (from: Integer, to: Integer, count: number): void =>
      this.#nest.loop(from, to, 4 * count, (i) =>
        this.#at(axis, i, () => body(Array.from({ length: count }, (_, group) => this.#place(axis, 4 * group, 4)))),
      );
    if (cut) groups(...this.#share(unrolled / step, step), unroll);
    else if (main) main({ extent: unrolled, step, groups: (from, to) => groups(from, to, unroll) });
    else groups(integer(0), integer(unrolled), unroll);
    const rest = (): void => {
      const quads = unroll > 4 ? extent - (extent % 16) : unrolled;
      groups(integer(unrolled), integer(quads), 4);
      if (unroll > 1) groups(integer(quads), integer(whole), 1);
      if (whole < extent) this.#at(axis, integer(whole), () => body([this.#place(axis, 0, extent - whole)]));
    };
    if (!cut) return rest();
    const { threadIndex, threadCount } = this.#parameters;
    this.#nest.when(i32.eq(plus(threadIndex, 1), threadCount), rest);
  }

  /** The stages at one outer position, or at neighboring groups of them. */
  #stages(places: readonly Place[]): void {
    const { stages } = this.#kernel;
    for (let number = 0; number < stages.length; ) {
      const stage = stages[number]!;
      const rows = stages.slice(0, number).filter((earlier) => earlier.kind === "reduce" || earlier.level === "inner");
      const met = new Set(scalarOrder(rows.map(({ body }) => body)));
      this.#plan.kept.forEach((scalar) => met.has(scalar) && this.#written.add(scalar));
      if (stage.kind === "reduce") {
        this.#reduce(stage, number++, places);
        continue;
      }
      const batch: StoreStage[] = [];
      for (let next = stages[number]; next?.kind === "store" && next.level === stage.level; next = stages[++number]) batch.push(next);
      if (stage.level === "outer") this.#store(batch, places);
      else this.#inner(places, (inside) => this.#store(batch, inside));
    }
  }

  /** Every body before the first store: a store may overwrite what the next body reads. */
  #store(batch: readonly StoreStage[], places: readonly Place[]): void {
    // Every result waits in a register for the last one. Pairs are what wide mode fuses.
    const count = Math.max(this.#wide ? 2 : 1, Math.floor(together / batch.length));
    for (let first = 0; first < places.length; first += count) {
      const group = places.slice(first, first + count);
      const bodies = this.#nest.interleave(group.map((place) => () => batch.map(({ body, level }) => {
        const value = level === "inner" ? this.#rowValue(body, place) : this.#code.value(body, place);
        return batch.length * group.length === 1 ? value : value.map((part) => this.#nest.here(part));
      })));
      batch.forEach(({ arg, at }, i) =>
        group.forEach((place, g) => this.#code.store(arg, at, bodies[g]![i]!, place)));
    }
  }

  /** Walks the inner axes for the given outer places. */
  #inner(places: readonly Place[], body: (inside: readonly Place[], outer: readonly Place[]) => void): void {
    const { inner, lane, horizontal } = this.#plan;
    const loops = horizontal ? inner.filter((loop) => loop !== lane) : inner;
    const walk = (depth: number): void => {
      const loop = loops[depth];
      if (loop) return this.#nest.loop(integer(0), integer(loop.extent), 1, (i) => this.#at(loop.axis, i, () => walk(depth + 1)));
      this.#innermost(places, body);
    };
    walk(0);
  }

  /** The body at the current inner position, or along the lanes of a horizontal walk. */
  #innermost(places: readonly Place[], body: (inside: readonly Place[], outer: readonly Place[]) => void, main?: (walk: MainWalk) => void): void {
    if (!this.#plan.horizontal) return body(places.map((place) => this.#inside(place)), places);
    const [row] = places as readonly [Place];
    this.#lanes(false, (groups) => body(groups.map((group) => ({ ...group, values: results(row) })), places), main);
  }

  /** An outer place at the current inner position. */
  #inside(place: Place): Place {
    const index = place.index.map((outer, axis) => (axis < this.#kernel.outer.length ? outer : this.#index[axis]!));
    return { ...place, index, values: results(place) };
  }

  #reduce(stage: ReduceStage, number: number, places: readonly Place[]): void {
    const nest = this.#nest;
    const { values } = this.#code;
    const { horizontal, unroll } = this.#plan;
    const reducer = reducerOf(values, stage);
    const count = horizontal ? unroll : places.length;
    const blocked = stage.combine === "sum" && stage.dtype === "float32" && this.#turns() > 2 * sumBlock;
    const starts = Array.from({ length: count }, (_, group) => reducer.start(this.#firstPositions(group)));
    const partial = starts.map((state) => variables(nest, state));
    const totals = blocked ? partial.map(() => variables(nest, [values.constant("float64", 0)])) : [];
    const reset = (): void => partial.forEach((state, group) => assign(nest, state, starts[group]!));
    const flush = (): void => {
      partial.forEach(([lanes], group) => {
        const sum = lanes![0]!;
        totals[group]![0]!.forEach((total, half) => nest.set(total, f64x2.add(total, f64x2.promote_low_f32x4(half === 0 ? sum : high(sum)))));
      });
      reset();
    };
    const body = (inside: readonly Place[]): void => {
      for (let first = 0; first < inside.length; first += together) {
        const steps = inside.slice(first, first + together).map((place, i) =>
          () => this.#step(stage, reducer, partial[first + i]!, place));
        nest.interleave(steps);
      }
    };
    if (blocked) this.#blocks(places, body, flush);
    else this.#inner(places, body);
    const states: State[] = blocked ? totals : partial;
    const finish = blocked ? reducerOf(values, { ...stage, dtype: "float64" }) : reducer;
    const narrow = (value: Value): Value => (blocked ? values.cast("float64", "float32", value) : value);
    if (horizontal) {
      const merged = states.reduce((a, b) => finish.merge(a, b).map((value) => value.map((part) => nest.here(part))));
      const result = narrow(finish.result(mergeLanes(values, finish, merged)));
      // The lanes are equal. V8 fuses pairs of a splat, but not of anything else: softmax takes 2.2 instead of 3.2 ms.
      const splat = this.#wide && stage.dtype === "float32";
      places[0]!.values.set(number, result.map((part) => nest.here(splat ? f32x4.splat(f32x4.extract_lane(part, 0)) : part)));
    } else {
      places.forEach((place, group) =>
        place.values.set(number, narrow(finish.result(states[group]!)).map((part) => nest.here(part))));
    }
  }

  #step(stage: ReduceStage, reducer: Reducer, state: Variables, place: Place): void {
    const value = this.#rowValue(stage.body, place);
    const known = reducer.reuses || place.active < 4 ? value.map((part) => this.#nest.here(part)) : value;
    // Lanes of a vertical walk that do not exist are not stored; those of a horizontal one must not count.
    const partial = this.#plan.horizontal && place.active < 4;
    const mask = partial ? this.#nest.hold(i32x4.const(...[0, 1, 2, 3].map((lane) => (lane < place.active ? -1 : 0)))) : undefined;
    assign(this.#nest, state, reducer.step(state, known, () => this.#positions(place), mask));
  }

  /** A body within a row: kept values are read where a stage before has written them, and written where not. */
  #rowValue(body: Scalar, place: Place): Value {
    const { kept, rowLength } = this.#plan;
    const nodes = kept.length > 0 ? new Set(scalarOrder([body])) : undefined;
    const addressOf = (): Integer => {
      const { scratch, threadIndex } = this.#parameters;
      const row = this.#nest.hold(i32.add(scratch, times(threadIndex, keptBytes(this.#plan))));
      return i32.add(row, times(this.#position(place), 4));
    };
    const offset = (scalar: Scalar): number => 4 * (kept.indexOf(scalar) * rowLength + place.shift);
    for (const scalar of kept) {
      if (!nodes?.has(scalar) || place.values.has(scalar)) continue;
      if (this.#written.has(scalar)) {
        place.values.set(scalar, [this.#nest.here(v128.load(addressOf(), offset(scalar)))]);
      } else {
        this.#nest.do(v128.store(addressOf(), this.#code.value(scalar, place)[0]!, offset(scalar)));
      }
    }
    return this.#code.value(body, place);
  }

  /** Row-major stride of each inner loop, in positions. */
  #rowStrides(): Map<LoopAxis, number> {
    let stride = 1;
    return new Map(this.#plan.inner.toReversed().map((loop) => {
      const own = stride;
      stride *= loop.extent;
      return [loop, own];
    }));
  }

  /** Row-major position of every lane within the inner axes. */
  #positions(place: Place): Vector {
    const first = plus(this.#position(place), place.shift * this.#laneStride());
    return i32x4.add(i32x4.splat(first), this.#lanePositions(0));
  }

  /** Row-major position of lane 0 of the first group of an unrolled loop. */
  #position(place: Place): Integer {
    let sum: Integer = integer(0);
    for (const [loop, stride] of this.#rowStrides()) sum = plus(sum, times(place.index[loop.axis]!, stride));
    return sum;
  }

  #laneStride(): number {
    return this.#plan.horizontal ? this.#rowStrides().get(this.#plan.lane)! : 0;
  }

  #lanePositions(first: number): Vector {
    const stride = this.#laneStride();
    return this.#nest.hold(i32x4.const(...[0, 1, 2, 3].map((lane) => (first + lane) * stride)));
  }

  #firstPositions(group: number): Vector {
    return this.#lanePositions(4 * group);
  }

  /** Values that each accumulator takes in. */
  #turns(): number {
    const { inner, lane, horizontal, unroll } = this.#plan;
    return inner.reduce((count, loop) => count * (horizontal && loop === lane ? Math.ceil(loop.extent / (4 * unroll)) : loop.extent), 1);
  }

  /** Walks the inner axes, with `flush` after about every `sumBlock` turns. */
  #blocks(places: readonly Place[], body: (inside: readonly Place[]) => void, flush: () => void): void {
    const { inner, lane, horizontal, unroll } = this.#plan;
    const loops = horizontal ? inner.filter((loop) => loop !== lane) : inner;
    const turns = [...loops.map(({ extent }) => extent), ...(horizontal ? [Math.ceil(lane.extent / (4 * unroll))] : [])];
    const within = turns.map((_, depth) => turns.slice(depth + 1).reduce((a, b) => a * b, 1));
    // The innermost loop of at least a block: it is cut into blocks.
    const level = within.findLastIndex((below, depth) => below * turns[depth]! >= sumBlock);
    const block = Math.max(1, Math.floor(sumBlock / within[level]!));
    const cut = (extent: Integer, size: number, step: number, visit: (from: Integer, to: Integer) => void): void =>
      this.#nest.loop(integer(0), extent, size * step, (from) => {
        const end = plus(from, size * step);
        const to = this.#nest.here(select(i32.lt_s(end, extent), end, extent));
        visit(from, to);
        flush();
      });
    const walk = (depth: number): void => {
      const loop = loops[depth];
      if (!loop) {
        const main = ({ extent, step, groups }: MainWalk): void => cut(integer(extent), block, step, groups);
        this.#innermost(places, body, depth === level ? main : undefined);
        if (depth === level) flush();
        return;
      }
      const visit = (i: Integer): void => this.#at(loop.axis, i, () => walk(depth + 1));
      if (depth !== level) return this.#nest.loop(integer(0), integer(loop.extent), 1, visit);
      cut(integer(loop.extent), block, 1, (from, to) => this.#nest.loop(from, to, 1, visit));
    };
    walk(0);
  }
}

/** The unrolled part of a walk along the lanes, to be cut into blocks. */
interface MainWalk {
  readonly extent: number;
  readonly step: number;
  readonly groups: (from: Integer, to: Integer) => void;
}

/** The results of earlier stages that a place knows. */
const results = (place: Place): Place["values"] => new Map([...place.values].filter(([key]) => typeof key === "number"));

const high = (x: Vector): Vector => i32x4.shuffle(x, x, [2, 3, 2, 3]);

const variables = (nest: Nest, state: State): Variables => state.map((value) => value.map((part) => nest.variable(part)));

function assign(nest: Nest, variables: Variables, state: State): void {
  state.forEach((value, i) => value.forEach((part, j) => {
    const variable: Local<"v128"> = variables[i]![j]!;
    if (variable !== part) nest.set(variable, part);
  }));
}
