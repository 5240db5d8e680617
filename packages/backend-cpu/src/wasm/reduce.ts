/**
 * Accumulators of reductions, four lanes at a time: sums, largest values with NaN, and positions of the first largest.
 * Long float32 sums go through float64 totals every few dozen additions, so that their error does not grow with the
 * length. Owns the meaning of each combination; refuses loops.
 */
import { isFloat } from "@dormouse/tensor/graph";
import type { DType } from "@dormouse/tensor";
import type { ReduceStage } from "@dormouse/tensor/graph";
import { f32x4, f64x2, i32x4, i64x2, v128 } from "./encoder.ts";
import type { Local } from "./encoder.ts";
import type { Vector } from "./math.ts";
import { partsOf } from "./values.ts";
import type { Value, Values } from "./values.ts";

/** What one lane of a reduction knows so far, as lists of vectors. */
export type State = readonly Value[];
export type Variables = readonly (readonly Local<"v128">[])[];

/** One kind of reduction. `mask`, where given, tells which lanes of the value exist. */
export interface Reducer {
  /** The state before any value; `positions`: where each lane begins. */
  start(positions: Vector): State;
  /** The state after `value` at `positions`. Every vector of the result may use its operands once more. */
  step(state: State, value: Value, positions: () => Vector, mask: Vector | undefined): State;
  merge(a: State, b: State): State;
  result(state: State): Value;
  /** Whether `step` must be given a value that it may use several times. */
  readonly reuses: boolean;
}

export function reducerOf(values: Values, stage: ReduceStage): Reducer {
  switch (stage.combine) {
    case "sum":
      return sum(values, stage.dtype);
    case "max":
      return max(values, stage.dtype);
    case "argmax":
      return argmax(values, stage.body.dtype);
  }
}

function sum(values: Values, dtype: DType): Reducer {
  const add = (a: Value, b: Value): Value => values.operation("add", dtype, dtype, [a, b]);
  return {
    reuses: false,
    start: () => [values.constant(dtype, 0)],
    step([total], value, _positions, mask) {
      const inside = mask ? values.select(mask, value, values.constant(dtype, 0)) : value;
      const [part] = inside as readonly [Vector];
      if (dtype === "float32" && values.nest.fma && part.name === "f32x4.mul") {
        const [a, b] = part.sources as readonly [Vector, Vector];
        return [values.multiplyAdd([a], [b], total!, false)];
      }
      return [add(total!, inside)];
    },
    merge: ([a], [b]) => [add(a!, b!)],
    result: ([total]) => total!,
  };
}

function max(values: Values, dtype: DType): Reducer {
  if (!isFloat(dtype)) {
    const larger = (a: Value, b: Value): Value => values.operation("max", dtype, dtype, [a, b]);
    const lowest = (): Value => values.constant(dtype, dtype === "int32" ? -2147483648 : 0);
    return {
      reuses: false,
      start: () => [lowest()],
      step: ([best], value, _positions, mask) => [larger(best!, mask ? values.select(mask, value, lowest()) : value)],
      merge: ([a], [b]) => [larger(a!, b!)],
      result: ([best]) => best!,
    };
  }
  // pmax and a mask of NaN seen are three instructions; max, which keeps NaN itself, is seven.
  const float = dtype === "float32" ? f32x4 : f64x2;
  const larger = (a: Value, b: Value): Value => a.map((part, i) => float.pmax(part, b[i]!));
  const either = (a: Value, b: Value): Value => a.map((part, i) => v128.or(part, b[i]!));
  const nothing = (): Value => Array.from({ length: partsOf(dtype) }, () => values.nest.hold(i32x4.const(0)));
  return {
    reuses: true,
    start: () => [values.constant(dtype, -Infinity), nothing()],
    step([best, broken], value, _positions, mask) {
      const inside = mask ? values.hold(values.select(mask, value, values.constant(dtype, -Infinity))) : value;
      return [larger(best!, inside), either(broken!, inside.map((part) => float.ne(part, part)))];
    },
    merge: ([a, brokenA], [b, brokenB]) => [larger(a!, b!), either(brokenA!, brokenB!)],
    // A mask of all bits is a NaN.
    result: ([best, broken]) => either(best!, broken!),
  };
}

function argmax(values: Values, dtype: DType): Reducer {
  const lowest = isFloat(dtype) ? -Infinity : dtype === "int32" ? -2147483648 : 0;
  const hold = (mask: Vector): Vector => values.nest.here(mask);
  const beats = (value: Value, best: Value): Vector => {
    if (!isFloat(dtype)) return values.less(dtype, best, value);
    // Neither is less than or equal to a NaN; the first NaN stays.
    return v128.andnot(values.equal(dtype, best, best), values.lessEqual(dtype, value, best));
  };
  const choose = (mask: Vector, [a, at]: State, [b, bt]: State): State => [
    values.select(mask, a!, b!),
    [v128.bitselect(at![0]!, bt![0]!, mask)],
  ];
  return {
    reuses: true,
    start: (positions) => [values.constant(dtype, lowest), [positions]],
    step(state, value, positions, mask) {
      const better = beats(value, state[0]!);
      return choose(hold(mask ? v128.and(better, mask) : better), [value, [positions()]], state);
    },
    merge(a, b) {
      const tied = v128.andnot(v128.not(beats(b[0]!, a[0]!)), beats(a[0]!, b[0]!));
      const earlier = v128.and(tied, i32x4.lt_s(b[1]![0]!, a[1]![0]!));
      return choose(hold(v128.or(beats(b[0]!, a[0]!), earlier)), b, a);
    },
    result: ([, at]) => at!,
  };
}

/** All lanes merged: the result has the same state in every lane. */
export function mergeLanes(values: Values, reducer: Reducer, state: State): State {
  return [0, 1].reduce<State>((merged, turn) => {
    const other = merged.map((value) => value.map((_, i) => turned(value, i, turn)));
    return reducer.merge(merged, other).map((value) => value.map((part) => values.nest.here(part)));
  }, state);
}

/** Lanes exchanged with those two away (turn 0) or next to them (turn 1). */
function turned(value: Value, part: number, turn: number): Vector {
  if (value.length === 1) return i32x4.shuffle(value[0]!, value[0]!, turn === 0 ? [2, 3, 0, 1] : [1, 0, 3, 2]);
  return turn === 0 ? value[1 - part]! : i64x2.shuffle(value[part]!, value[part]!, [1, 0]);
}
