/**
 * Tables of an affine function over part of a group of axes: one word for each flattened index. Owns how they are
 * filled; what the words mean is the business of those who read them.
 */
import { i32, i32x4, select, v128 } from "./encoder.ts";
import type { Expression } from "./encoder.ts";
import type { FunctionBuilder } from "./module.ts";
import { offsetAt } from "./views.ts";
import type { Linear } from "./views.ts";

type I32 = Expression<"i32">;

/** Words that a table needs beyond its entries: four at a time are written. */
export const tableSlack = 4;

/** `scale` times `linear`, plus `add`. */
export interface TableColumn {
  readonly linear: Linear;
  readonly scale: number;
  readonly add?: I32;
}

const least = (a: I32, b: I32): I32 => select(i32.lt_s(a, b), a, b);

/** Indices that follow each other before a digit carries in some column: a divisor of the period of every other. */
const runOf = (columns: readonly TableColumn[]): number =>
  Math.min(...columns.map(({ linear: { sizes } }) => sizes.at(-1) ?? Infinity));

const strideOf = ({ linear, scale }: TableColumn): number => (linear.strides.at(-1) ?? 0) * scale;

/**
 * Fills one table per column, each `length` words long, for the indices from `start`, `count` of them, then repeating
 * the last up to `padded`. Divides once per run of neighbors: division for every word took a sixth of the time of a
 * convolution of one channel.
 */
export function fillTables(
  f: FunctionBuilder,
  to: I32,
  length: number,
  columns: readonly TableColumn[],
  start: I32,
  count: I32,
  padded: I32,
): void {
  const [i, entry, end] = [f.local("i32"), f.local("i32"), f.local("i32")];
  const sums = columns.map(({ add }) => add && f.let(add));
  const at = (column: number): number => 4 * length * column;
  const valueAt = (column: number, index: I32): I32 => {
    const { linear, scale } = columns[column]!;
    const value = offsetAt(linear, index, scale);
    const sum = sums[column];
    return sum ? i32.add(sum, value) : value;
  };
  f.set(i, start);
  f.set(end, i32.add(start, count));
  f.set(entry, to);
  const run = runOf(columns);
  if (run < 4) {
    f.count(i, end, 1, () => {
      f.do(...columns.map((_, column) => i32.store(entry, valueAt(column, i), at(column))));
      f.increase(entry, 4);
    });
  } else {
    const whole = columns.every(({ linear }) => linear.sizes.length < 2);
    const [turn, rest] = [f.local("i32"), f.local("i32")];
    const values = columns.map(() => f.local("v128"));
    f.count(i, end, turn, () => {
      f.set(turn, i32.sub(end, i));
      if (!whole) f.set(turn, least(turn, i32.sub(i32.const(run), i32.rem_u(i, i32.const(run)))));
      columns.forEach((column, c) => {
        const stride = strideOf(column);
        const steps = f.constant(i32x4.const(0, stride, 2 * stride, 3 * stride));
        f.set(values[c]!, i32x4.add(i32x4.splat(valueAt(c, i)), steps));
      });
      f.set(rest, turn);
      f.loop((again) => {
        columns.forEach((column, c) => {
          f.do(v128.store(entry, values[c]!, at(c)));
          f.set(values[c]!, i32x4.add(values[c]!, f.constant(i32x4.const(4 * strideOf(column)))));
        });
        f.increase(entry, 16);
        f.increase(rest, -4);
        f.branchIf(again, i32.gt_s(rest, i32.const(0)));
      });
      f.increase(entry, i32.shl(rest, i32.const(2)));
    });
  }
  f.set(i, count);
  f.count(i, padded, 1, () => {
    const before = i32.sub(entry, i32.const(4));
    f.do(...columns.map((_, column) => i32.store(entry, i32.load(before, at(column)), at(column))));
    f.increase(entry, 4);
  });
}
