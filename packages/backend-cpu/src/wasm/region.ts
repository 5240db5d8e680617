/**
 * Walks over part of a group of axes given by flattened indices, for the computed operands and stores of products. Owns
 * the way from a flattened index to one index per axis; refuses to know what is computed there.
 */
import { i32, select } from "./encoder.ts";
import { integer, plus, times } from "./nest.ts";
import type { Integer, Nest } from "./nest.ts";

/** One index per axis for a flattened row-major index. */
export function indicesAt(nest: Nest, sizes: readonly number[], flat: Integer): Integer[] {
  let below = 1;
  const outermost = sizes.findIndex((size) => size > 1);
  return sizes
    .map((_, fromEnd) => sizes.length - 1 - fromEnd)
    .map((axis) => {
      const size = sizes[axis]!;
      if (size === 1) return integer(0);
      const quotient = below === 1 ? flat : i32.div_u(flat, i32.const(below));
      below *= size;
      return nest.hold(axis === outermost ? quotient : i32.rem_u(quotient, i32.const(size)));
    })
    .reverse();
}

/** Groups of up to four neighbors along the last axis that has any. */
export interface Neighbors {
  /** Of the first one. */
  readonly indices: readonly Integer[];
  /** The axis, or -1 if every axis has size 1. */
  readonly lane: number;
  readonly active: 4 | 1;
  /** Where each group starts, counted from the first one. */
  readonly shifts: readonly number[];
  /** Flattened index of the first one, counted from the start of the part. */
  readonly position: Integer;
}

/**
 * Calls `body` for the flattened indices from `start`, `count` of them: `together` groups of four at a time where an axis
 * holds as many more.
 */
export function eachNeighbors(
  nest: Nest,
  sizes: readonly number[],
  start: Integer,
  count: Integer,
  together: number,
  body: (place: Neighbors) => void,
): void {
  const lane = sizes.findLastIndex((size) => size > 1);
  if (lane < 0) return body({ indices: sizes.map(() => integer(0)), lane, active: 1, shifts: [0], position: integer(0) });
  const size = sizes[lane]!;
  const end = nest.hold(plus(start, count));
  const run = (outer: readonly Integer[], from: Integer, to: Integer, before: Integer): void => {
    const upTo = (step: number): Integer => nest.hold(i32.add(from, i32.and(i32.sub(to, from), i32.const(-step))));
    const visit =
      (active: 4 | 1, shifts: readonly number[]) =>
      (i: Integer): void => {
        const indices = outer.map((index, axis) => (axis === lane ? i : index));
        body({ indices, lane, active, shifts, position: plus(before, i) });
      };
    const whole = upTo(4);
    if (together === 1) {
      nest.loop(from, whole, 4, visit(4, [0]));
    } else {
      const unrolled = upTo(4 * together);
      nest.loop(from, unrolled, 4 * together, visit(4, Array.from({ length: together }, (_, group) => 4 * group)));
      nest.loop(unrolled, whole, 4, visit(4, [0]));
    }
    nest.loop(whole, to, 1, visit(1, [0]));
  };
  const negative = (value: Integer): Integer => i32.sub(i32.const(0), value);
  if (sizes.findIndex((other) => other > 1) === lane) {
    return run(
      sizes.map(() => integer(0)),
      start,
      end,
      nest.hold(negative(start)),
    );
  }
  const first = nest.hold(i32.div_u(start, i32.const(size)));
  const last = nest.hold(i32.div_u(i32.add(end, i32.const(size - 1)), i32.const(size)));
  nest.loop(first, last, 1, (line) => {
    const outer = [...indicesAt(nest, sizes.slice(0, lane), line), ...sizes.slice(lane).map(() => integer(0))];
    const lineStart = nest.hold(times(line, size));
    const least = (a: Integer, b: Integer): Integer => select(i32.lt_s(a, b), a, b);
    const from = nest.hold(i32.sub(start, least(start, lineStart)));
    const to = nest.hold(least(i32.sub(end, lineStart), i32.const(size)));
    run(outer, from, to, nest.hold(i32.sub(lineStart, start)));
  });
}
