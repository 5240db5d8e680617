/**
 * Reading and writing parts of a tensor: slices, rows, elements by index. Reading is `slice` and `gather`, writing
 * is `scatterAdd` or a choice by mask; nothing is changed in place. Indices may be negative and count from the end.
 */
import { DTypeError, ShapeError, ValueError } from "../core/errors.ts";
import { primitive } from "../core/primitives.ts";
import { type Shape, broadcastShapes, showShape, sizeOf, stridesOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import {
  type Indices,
  clampedIndex,
  flat,
  flatPositions,
  indexTensor,
  orNowhere,
} from "./indices.ts";
import { axisFirst, scaled } from "./pieces.ts";
import { positionOf } from "./axes.ts";
import { filledLike, stretch } from "./operands.ts";

/**
 * What `slice` takes of one axis: `[start, stop]` or `[start, stop, step]` with null for an end, null for the whole
 * axis, a number for one element (the axis is dropped), `"..."` for as many whole axes as are not named.
 */
export type Range =
  | number
  | null
  | "..."
  | readonly [start: number | null, stop?: number | null, step?: number | null];

/** Which axis an op works along. */
export interface AxisOption<A extends number = number> {
  /** Counted from the front, or from the end where negative. */
  readonly axis?: A;
}

/**
 * Part of a tensor: one range per axis, the rest whole. Ends outside the axis are moved to its end, as in Python; a
 * single element outside throws `ValueError`, more ranges than axes `ShapeError`.
 *
 * ```ts
 * slice(x, [[1, 3], [null, null, 2]]);   // x[1:3, ::2]
 * slice(x, ["...", -1]);                 // the last element of the last axis
 * ```
 */
export function slice(x: Tensor, ranges: readonly Range[]): Tensor {
  const start: number[] = [];
  const step: number[] = [];
  const lengths: number[] = [];
  const kept: number[] = [];
  expandRanges(x.shape, ranges).forEach((range, axis) => {
    const bounds = boundsOf(range, axis, x.shape);
    start.push(bounds.start);
    step.push(bounds.step);
    lengths.push(bounds.length);
    if (typeof range !== "number") kept.push(bounds.length);
  });
  return primitive.reshape(primitive.slice(x, start, step, lengths), kept);
}

type AxisRange = Exclude<Range, "...">;

function expandRanges(shape: Shape, ranges: readonly Range[]): AxisRange[] {
  const isDots = (range: Range): range is "..." => range === "...";
  const named = ranges.filter((range): range is AxisRange => !isDots(range));
  if (named.length > shape.length || ranges.length - named.length > 1) {
    throw new ShapeError("slice", `${ranges.length} ranges for shape ${showShape(shape)}`, {
      expected: `at most ${shape.length} ranges and one "..."`,
      received: ranges.length,
      hint: `give at most one range per axis and one "..."`,
    });
  }
  const whole = new Array<null>(shape.length - named.length).fill(null);
  const dots = ranges.findIndex(isDots);
  const at = dots < 0 ? named.length : dots;
  return [...named.slice(0, at), ...whole, ...named.slice(at)];
}

function boundsOf(range: AxisRange, axis: number, shape: Shape): { start: number; step: number; length: number } {
  const size = shape[axis]!;
  if (range === null) return { start: 0, step: 1, length: size };
  if (typeof range === "number") return { start: position("slice", range, axis, shape), step: 1, length: 1 };
  const step = range[2] ?? 1;
  if (!Number.isInteger(step) || step === 0) {
    throw new ValueError("slice", `step ${step} of axis ${axis}`, {
      received: step,
      hint: "a step is a positive or negative integer",
    });
  }
  const lowest = step > 0 ? 0 : -1;
  const highest = step > 0 ? size : size - 1;
  const end = (value: number | null | undefined, otherwise: number): number =>
    value === null || value === undefined
      ? otherwise
      : Math.min(highest, Math.max(lowest, value < 0 ? value + size : value));
  const start = end(range[0], step > 0 ? lowest : highest);
  const stop = end(range[1], step > 0 ? highest : lowest);
  const length = Math.max(0, Math.ceil((stop - start) / step));
  return { start: length === 0 ? 0 : start, step, length };
}

function position(op: string, index: number, axis: number, shape: Shape): number {
  const size = shape[axis]!;
  if (!Number.isInteger(index) || index < -size || index >= size) {
    throw new ValueError(op, `index ${index} is out of range for axis ${axis} of shape ${showShape(shape)}`, {
      expected: `${-size}..${size - 1}`,
      received: index,
      hint: size === 0 ? "the axis is empty" : `use -${size}..${size - 1}`,
    });
  }
  return index < 0 ? index + size : index;
}

/**
 * One element of an axis (default the first axis), which is dropped: `x[index]`. Throws `AxisError` or `ValueError`
 * where it is out of range.
 */
export function select(x: Tensor, index: number, { axis = 0 }: AxisOption = {}): Tensor {
  const at = positionOf("select", axis, x.shape);
  const start = x.shape.map(() => 0).with(at, position("select", index, at, x.shape));
  const one = primitive.slice(x, start, x.shape.map(() => 1), x.shape.with(at, 1));
  return primitive.reshape(one, x.shape.toSpliced(at, 1));
}

/**
 * Entries of an axis (default 0) by position, in any order and any number of times. The axis is replaced by the
 * shape of `indices`: `[.., n, ..]` with indices `[a, b]` gives `[.., a, b, ..]`. This is the lookup of an
 * embedding: `take(table, tokens)` is `[..tokens.shape, width]`. Known indices out of range throw `ValueError`,
 * computed ones are clamped.
 */
export function take(x: Tensor, indices: Indices, { axis = 0 }: AxisOption = {}): Tensor {
  const at = positionOf("take", axis, x.shape);
  const index = indexTensor("take", indices, x.shape[at]!);
  requireElements("take", x.shape[at]!, index);
  const { to } = axisFirst(x.rank, at);
  const rows = primitive.gather(primitive.permute(x, to), index);
  const back = [
    ...Array.from({ length: at }, (_, i) => index.rank + i),
    ...Array.from({ length: index.rank }, (_, i) => i),
    ...Array.from({ length: x.rank - 1 - at }, (_, i) => index.rank + at + i),
  ];
  return primitive.permute(rows, back);
}

function requireElements(op: string, length: number, index: Tensor): void {
  if (length > 0 || sizeOf(index.shape) === 0) return;
  throw new ValueError(op, `the axis is empty and ${sizeOf(index.shape)} elements are asked of it`, {
    received: index.shape,
    hint: "give an axis that has elements",
  });
}

/**
 * For every place of `indices` the element of `x` at that position along `axis` (default -1), the other coordinates
 * being those of the place: `y[i][j] = x[i][indices[i][j]]`. PyTorch's `gather`. The other axes of `indices` may be
 * shorter than those of `x`, or 1 in `x`. Undoes a sort: `takeAlongAxis(x, argsort(x))`.
 */
export function takeAlongAxis(x: Tensor, indices: Tensor, { axis = -1 }: AxisOption = {}): Tensor {
  const at = positionOf("takeAlongAxis", axis, x.shape);
  requireLanes("takeAlongAxis", indices, x.shape, at);
  const index = indexTensor("takeAlongAxis", indices, x.shape[at]!);
  requireElements("takeAlongAxis", sizeOf(x.shape), index);
  const positions = flatPositions(clampedIndex(index, x.shape[at]!), at, x.shape);
  return primitive.gather(flat(x), positions);
}

function requireLanes(op: string, indices: Tensor, shape: Shape, axis: number): void {
  const fits =
    indices.rank === shape.length &&
    indices.shape.every((length, i) => i === axis || length <= shape[i]!);
  if (fits) return;
  throw new ShapeError(
    op,
    `indices ${showShape(indices.shape)} do not fit shape ${showShape(shape)} along axis ${axis}`,
    {
      expected: shape,
      received: indices.shape,
      hint: "give indices of the same rank, no longer than the tensor outside that axis",
    },
  );
}

/**
 * Elements at integer coordinates: `takeNd(x, [i, j])` is `x[i, j]`, where the index tensors (or arrays, or numbers)
 * broadcast together and name the leading axes. Result: `[..broadcast, ..remaining axes]`.
 */
export function takeNd(x: Tensor, indices: readonly Indices[]): Tensor {
  const count = indices.length;
  if (count > x.rank) {
    throw new ShapeError("takeNd", `${count} index tensors for shape ${showShape(x.shape)}`, {
      expected: x.rank,
      received: count,
      hint: "give at most one per axis",
    });
  }
  if (count === 0) return x;
  const lead = x.shape.slice(0, count);
  const each = indices.map((index, axis) => {
    const checked = indexTensor("takeNd", index, lead[axis]!);
    requireElements("takeNd", lead[axis]!, checked);
    return clampedIndex(checked, lead[axis]!);
  });
  const shape = each.reduce<Shape>((known, index) => {
    const joined = broadcastShapes(known, index.shape);
    if (joined) return joined;
    throw new ShapeError("takeNd", `index shapes ${showShape(known)} and ${showShape(index.shape)} do not broadcast`, {
      expected: known,
      received: index.shape,
      hint: "make the lengths equal or 1",
    });
  }, []);
  const strides = stridesOf(lead);
  const position = each
    .map((index, axis) => scaled(stretch(index, shape), strides[axis]!))
    .reduce((sum, next) => primitive.add(sum, next));
  const rows = primitive.reshape(x, [sizeOf(lead), ...x.shape.slice(count)]);
  return primitive.gather(rows, position);
}

/**
 * `x` plus `source` added at positions along `axis` (default -1): for every place of `indices`,
 * `y[i][indices[i][j]] += source[i][j]`. Repeated positions add up; computed indices out of range are dropped.
 */
export function scatterAdd(
  x: Tensor,
  indices: Tensor,
  source: Tensor,
  { axis = -1 }: AxisOption = {},
): Tensor {
  const { position, values } = scatterParts("scatterAdd", x, indices, source, axis);
  return primitive.add(x, scatteredSum(x, position, values));
}

/**
 * `x` with the elements at positions along `axis` (default -1) replaced by those of `source`. The positions of one
 * lane must differ: where two are equal the result is the sum of their sources.
 */
export function scatter(
  x: Tensor,
  indices: Tensor,
  source: Tensor,
  { axis = -1 }: AxisOption = {},
): Tensor {
  const { position, values } = scatterParts("scatter", x, indices, source, axis);
  const written = primitive.scatterAdd(primitive.constant(1, position.shape, "int32"), position, sizeOf(x.shape));
  const isWritten = primitive.less(filledLike(written, 0), written);
  return primitive.where(
    primitive.reshape(isWritten, x.shape),
    scatteredSum(x, position, values),
    x,
  );
}

const scatteredSum = (x: Tensor, position: Tensor, values: Tensor): Tensor =>
  primitive.reshape(primitive.scatterAdd(values, position, sizeOf(x.shape)), x.shape);

function scatterParts(
  op: string,
  x: Tensor,
  indices: Tensor,
  source: Tensor,
  axis: number,
): { position: Tensor; values: Tensor } {
  const at = positionOf(op, axis, x.shape);
  requireSame(op, x, source);
  requireLanes(op, indices, x.shape, at);
  const covered =
    source.rank === indices.rank && indices.shape.every((length, i) => length <= source.shape[i]!);
  if (!covered) {
    throw new ShapeError(op, `indices ${showShape(indices.shape)} do not fit source ${showShape(source.shape)}`, {
      expected: source.shape,
      received: indices.shape,
      hint: "give one index per element of the source",
    });
  }
  const index = indexTensor(op, indices, x.shape[at]!);
  const position = orNowhere(index, flatPositions(index, at, x.shape), x.shape[at]!);
  const zeros = source.shape.map(() => 0);
  const ones = source.shape.map(() => 1);
  const values = primitive.slice(source, zeros, ones, indices.shape);
  return { position: flat(position), values: flat(values) };
}

function requireSame(op: string, x: Tensor, source: Tensor): void {
  if (x.dtype === source.dtype) return;
  throw new DTypeError(op, `${x.dtype} and ${source.dtype} do not mix`, {
    expected: x.dtype,
    received: source.dtype,
    hint: `cast one: cast(source, "${x.dtype}")`,
  });
}

/**
 * `x` plus whole entries along `axis` (default 0): entry `indices[k]` gains entry k of `source`. Repeated indices
 * add up; computed indices out of range are dropped. The transpose of `take`.
 */
export function indexAdd(
  x: Tensor,
  indices: Indices,
  source: Tensor,
  { axis = 0 }: AxisOption = {},
): Tensor {
  const at = positionOf("indexAdd", axis, x.shape);
  requireSame("indexAdd", x, source);
  const index = indexTensor("indexAdd", indices, x.shape[at]!);
  const expected = x.shape.with(at, sizeOf(index.shape));
  if (index.rank !== 1 || source.rank !== x.rank || expected.some((length, i) => length !== source.shape[i])) {
    throw new ShapeError(
      "indexAdd",
      `source ${showShape(source.shape)} with indices ${showShape(index.shape)} does not fit shape ${showShape(x.shape)} along axis ${at}`,
      {
        expected,
        received: source.shape,
        hint: `give a source of shape ${showShape(expected)} and indices of one axis`,
      },
    );
  }
  const { to, back } = axisFirst(x.rank, at);
  const rows = primitive.scatterAdd(primitive.permute(source, to), index, x.shape[at]!);
  return primitive.add(x, primitive.permute(rows, back));
}

/** `x` with `value` wherever `mask` (bool, broadcast to the shape of `x`) is true. */
export function maskedFill<S extends Shape>(x: Tensor<S>, mask: Tensor, value: number): Tensor<S> {
  if (mask.dtype !== "bool") {
    throw new DTypeError("maskedFill", `the mask is ${mask.dtype}`, {
      expected: "bool",
      received: mask.dtype,
      hint: "compare first: notEqual(mask, 0)",
    });
  }
  const shape = broadcastShapes(mask.shape, x.shape);
  if (!shape || shape.length !== x.rank || shape.some((length, axis) => length !== x.shape[axis])) {
    throw new ShapeError("maskedFill", `mask ${showShape(mask.shape)} does not broadcast to ${showShape(x.shape)}`, {
      expected: x.shape,
      received: mask.shape,
      hint: "give the mask the shape of x, or lengths 1",
    });
  }
  return primitive.where(stretch(mask, x.shape), filledLike(x, value), x) as Tensor<S>;
}
