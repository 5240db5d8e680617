/**
 * Code for loop kernels: maps, reductions and rows of several stages. The outer iteration space is cut among the threads
 * along one axis; within it four (or `unroll` times four) positions advance together, either along an outer axis, so
 * that each lane reduces for itself, or along an inner axis, whose lanes are merged at the end of a row. A costly value
 * that several stages of a row need is kept in scratch memory (softmax over 1000 columns: 4.7 instead of 7.6 ms), and so
 * is what long columns have come to, a few rows at a time. Owns the stages; the loops are loop-walk.ts.
 */
import { bytesOf, isFloat, sizeOf } from "@dormouse/tensor/graph";
import type { LoopKernel, ReduceStage, Scalar, StoreStage } from "@dormouse/tensor/graph";
import { f32x4, f64x2, i16x8, i32, i32x4, i8x16, v128 } from "./encoder.ts";
import type { Local } from "./encoder.ts";
import { scalarOrder } from "../scalar-order.ts";
import { kernelExport, kernelParameters } from "./generator.ts";
import type { GeneratedKernel, GeneratorOptions } from "./generator.ts";
import { planLoop, searches } from "./loop-plan.ts";
import type { LoopPlan } from "./loop-plan.ts";
import { LoopWalk } from "./loop-walk.ts";
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

/** Writes a loop kernel into `module`. */
export function generateLoop(module: ModuleBuilder, kernel: LoopKernel, options: GeneratorOptions): GeneratedKernel {
  const plan = planLoop(kernel, options.wide);
  module.function({ name: kernelExport, parameters: kernelParameters, export: true }, (f, parameters) => {
    if (sizeOf(kernel.outer) === 0) return;
    const nest = new Nest(f, options.fma);
    new LoopWriter(nest, kernel, plan, parameters, options.wide).write();
    nest.finish();
  });
  return { scratchBytes: (threads) => threads * scratchBytes(plan) };
}

/** Scratch memory of one thread: values of a row, or two vectors for every four columns. */
const scratchBytes = ({ kept, rowLength, inRowBlocks, lane }: LoopPlan): number =>
  inRowBlocks ? columnBytes * Math.ceil(lane.extent / 4) : 4 * kept.length * rowLength;
/** What four columns have come to: two float64 vectors, or a value and what goes with it (see reduce.ts). */
const columnBytes = 64;

/** Whether float32 `stage` is added up in float64 now and then. */
const isLongSum = ({ combine, dtype }: ReduceStage): boolean => combine === "sum" && dtype === "float32";

class LoopWriter {
  readonly #nest: Nest;
  readonly #kernel: LoopKernel;
  readonly #plan: LoopPlan;
  readonly #wide: boolean;
  readonly #code: ScalarCode;
  readonly #parameters: ParameterLocals<typeof kernelParameters>;
  readonly #walk: LoopWalk;
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
    this.#walk = new LoopWalk(nest, kernel, plan, parameters);
  }

  write(): void {
    this.#walk.outer((strips) => {
      if (this.#plan.inRowBlocks) this.#columns(strips);
      else strips((places) => this.#stages(places));
    });
  }

  /** The stages at one outer position, or at neighboring groups of them. */
  #stages(places: readonly Place[], first = 0): void {
    const { stages } = this.#kernel;
    for (let number = first; number < stages.length; ) {
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
      else this.#walk.inner(places, (inside) => this.#store(batch, inside));
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

  /**
   * The first position of the largest value: that value, then a search for it. 0.5 ms for 4096 x 1000 elements, where
   * positions kept beside the values take 1.4 ms.
   */
  #search(stage: ReduceStage, number: number, row: Place): void {
    const nest = this.#nest;
    const { values } = this.#code;
    const { axis, extent } = this.#plan.lane;
    const { dtype } = stage.body;
    this.#reduce({ ...stage, combine: "max", dtype }, number, [row]);
    const largest = row.values.get(number)!;
    // Lanes beyond the row come after every lane of it, and up to 64 bytes may be read beyond a buffer.
    const groups = scalarOrder([stage.body]).some((node) => node.op === "load" && bytesOf(node.dtype) === 8) ? 2 : 4;
    const position = nest.variable(integer(0));
    const first = (isHit: (value: Value) => Vector): void => {
      const found = nest.variable(integer(0));
      const start = nest.search(integer(0), integer(extent), 4 * groups, (i) => {
        this.#walk.at(axis, i, () => {
          const masks = [0, 1, 2, 3].map((group) => {
            const place = this.#walk.place(axis, 4 * (group % groups), 4, row);
            return isHit(values.hold(this.#code.value(stage.body, place)));
          });
          nest.set(found, bitsOf(masks));
        });
        return found;
      });
      nest.set(position, i32.add(start, i32.ctz(found)));
    };
    if (isFloat(dtype)) {
      const broken = nest.here(v128.any_true(values.isNaN(dtype, largest)));
      nest.when(i32.eqz(broken), () => first((value) => values.equal(dtype, value, largest)));
      nest.when(broken, () => first((value) => values.isNaN(dtype, value)));
    } else {
      first((value) => values.equal(dtype, value, largest));
    }
    row.values.set(number, [nest.here(i32x4.splat(position))]);
  }

  #reduce(stage: ReduceStage, number: number, places: readonly Place[]): void {
    if (searches(stage, this.#plan)) return this.#search(stage, number, places[0]!);
    const nest = this.#nest;
    const { values } = this.#code;
    const { horizontal, unroll } = this.#plan;
    const reducer = reducerOf(values, stage);
    const count = horizontal ? unroll : places.length;
    const blocked = isLongSum(stage) && this.#walk.turns() > 2 * sumBlock;
    const starts = Array.from({ length: count }, (_, group) => reducer.start(this.#walk.firstPositions(group)));
    const partial = starts.map((state) => variables(nest, state));
    const totals = blocked ? partial.map(() => variables(nest, [values.constant("float64", 0)])) : [];
    const reset = (): void => partial.forEach((state, group) => assign(nest, state, starts[group]!));
    const flush = (): void => {
      partial.forEach(([lanes], group) => {
        const [low, high] = widened(lanes![0]!);
        totals[group]![0]!.forEach((total, half) => nest.set(total, f64x2.add(total, half === 0 ? low : high)));
      });
      reset();
    };
    const body = (inside: readonly Place[]): void => this.#steps(stage, reducer, partial, inside);
    if (blocked) this.#walk.blocks(places, sumBlock, body, flush);
    else this.#walk.inner(places, body);
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

  /**
   * One reduction over long columns that lie side by side, some rows at a time, then stores of what they have come to.
   * A strip of columns over all rows at once would touch more pages than the processor remembers: the sum over axis 0
   * of 4096 x 1000 takes 0.3 instead of 0.6 ms.
   */
  #columns(strips: (each: (places: readonly Place[]) => void) => void): void {
    const nest = this.#nest;
    const { values } = this.#code;
    const [stage] = this.#kernel.stages as readonly [ReduceStage];
    const long = isLongSum(stage);
    const reducer = reducerOf(values, stage);
    const carried = long ? reducerOf(values, { ...stage, dtype: "float64" }) : reducer;
    const start = (): State => carried.start(this.#walk.firstPositions(0));
    const write = (place: Place, state: State): void => {
      const to = this.#columnState(place);
      state.flat().forEach((part, i) => nest.do(v128.store(to, part, 16 * i)));
    };
    const read = (place: Place): State => {
      const from = this.#columnState(place);
      let next = 0;
      return start().map((value) => value.map(() => nest.here(v128.load(from, 16 * next++))));
    };
    strips((places) => places.forEach((place) => write(place, start())));
    this.#walk.rowBlocks((inner) =>
      strips((places) => {
        const states = places.map((place) =>
          variables(nest, long ? reducer.start(this.#walk.firstPositions(0)) : read(place)));
        inner(places, (inside) => this.#steps(stage, reducer, states, inside));
        places.forEach((place, group) => {
          if (!long) return write(place, states[group]!);
          const halves = widened(states[group]![0]![0]!);
          const [total] = read(place) as readonly [Value];
          write(place, [total.map((part, half) => f64x2.add(part, halves[half]!))]);
        });
      }),
    );
    strips((places) => {
      places.forEach((place) => {
        const result = carried.result(read(place));
        const narrow = long ? values.cast("float64", "float32", result) : result;
        place.values.set(0, narrow.map((part) => nest.here(part)));
      });
      this.#stages(places, 1);
    });
  }

  /** Where the state of four columns is kept. */
  #columnState(place: Place): Integer {
    const { scratch, threadIndex } = this.#parameters;
    const base = this.#nest.hold(i32.add(scratch, times(threadIndex, scratchBytes(this.#plan))));
    const column = plus(place.index[place.lane]!, place.shift);
    return this.#nest.here(i32.add(base, times(column, columnBytes / 4)));
  }

  /** Takes in one value for each state. */
  #steps(stage: ReduceStage, reducer: Reducer, states: readonly Variables[], places: readonly Place[]): void {
    for (let first = 0; first < places.length; first += together) {
      const group = places.slice(first, first + together);
      this.#nest.interleave(group.map((place, i) => () => this.#step(stage, reducer, states[first + i]!, place)));
    }
  }

  #step(stage: ReduceStage, reducer: Reducer, state: Variables, place: Place): void {
    const value = this.#rowValue(stage.body, place);
    const known = reducer.reuses || place.active < 4 ? value.map((part) => this.#nest.here(part)) : value;
    // Lanes of a vertical walk that do not exist are not stored; those of a horizontal one must not count.
    const partial = this.#plan.horizontal && place.active < 4;
    const mask = partial ? this.#nest.hold(i32x4.const(...[0, 1, 2, 3].map((lane) => (lane < place.active ? -1 : 0)))) : undefined;
    assign(this.#nest, state, reducer.step(state, known, () => this.#walk.positions(place), mask));
  }

  /** A body within a row: kept values are read where a stage before has written them, and written where not. */
  #rowValue(body: Scalar, place: Place): Value {
    const { kept, rowLength } = this.#plan;
    const nodes = kept.length > 0 ? new Set(scalarOrder([body])) : undefined;
    const addressOf = (): Integer => {
      const { scratch, threadIndex } = this.#parameters;
      const row = this.#nest.hold(i32.add(scratch, times(threadIndex, scratchBytes(this.#plan))));
      return i32.add(row, times(this.#walk.position(place), 4));
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
}

/** One bit for each lane of four masks. */
const bitsOf = ([a, b, c, d]: readonly Vector[]): Integer =>
  i8x16.bitmask(i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a!, b!), i16x8.narrow_i32x4_s(c!, d!)));

/** Four float32 as float64. */
const widened = (x: Vector): readonly [Vector, Vector] =>
  [f64x2.promote_low_f32x4(x), f64x2.promote_low_f32x4(i32x4.shuffle(x, x, [2, 3, 2, 3]))];

const variables = (nest: Nest, state: State): Variables => state.map((value) => value.map((part) => nest.variable(part)));

function assign(nest: Nest, variables: Variables, state: State): void {
  state.forEach((value, i) => value.forEach((part, j) => {
    const variable: Local<"v128"> = variables[i]![j]!;
    if (variable !== part) nest.set(variable, part);
  }));
}
