/**
 * Ops that move elements and compute nothing: reshaping, reordering, joining, cutting. Padding that repeats elements
 * is in `pad.ts`.
 */
import { AxisError, ShapeError, ValueError } from "../core/errors.ts";
import { primitive } from "../core/primitives.ts";
import { type Shape, axesOf, broadcastShapes, sameShape, showShape, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import type {
  Axes, ConcatCheck, ConcatenatedShape, ExpandedShape, Mutable, PermutationCheck, PermutedShape,
  ReshapedShape, SameRank, SqueezedShape, StackCheck, StackedShape, TransposedShape,
} from "../types/index.ts";
import { positionOf, positionsOf } from "./axes.ts";
import { requireSameDType, stretch, typed } from "./operands.ts";

/** The same elements in row-major order under another shape; one length may be -1 and is found. */
export function reshape<const S extends Shape>(x: Tensor, shape: S): Tensor<ReshapedShape<S>> {
  const open = shape.indexOf(-1);
  if (open < 0) return typed(primitive.reshape(x, checkLengths("reshape", shape)));
  if (shape.indexOf(-1, open + 1) >= 0) {
    throw new ShapeError("reshape", `${showShape(shape)} leaves more than one length open`, {
      expected: "at most one -1",
      received: shape,
      hint: "give all lengths but one",
    });
  }
  checkLengths("reshape", shape.toSpliced(open, 1));
  const known = sizeOf(shape.toSpliced(open, 1));
  if (known === 0 || x.size % known !== 0) {
    throw new ShapeError("reshape", `${showShape(x.shape)} has ${x.size} elements, not a multiple of ${known}`, {
      expected: shape,
      received: x.shape,
      hint: `choose lengths whose product divides ${x.size}`,
    });
  }
  return typed(primitive.reshape(x, shape.with(open, x.size / known)));
}

/** Refuses lengths that are not whole numbers from 0. */
export function checkLengths(op: string, shape: Shape): Shape {
  if (!Array.isArray(shape)) {
    throw new ShapeError(op, `${String(shape)} is not a shape`, { received: shape, hint: "write a list of lengths: [2, 3]" });
  }
  const bad = shape.find((length) => !Number.isInteger(length) || length < 0);
  if (bad === undefined) return shape;
  throw new ShapeError(op, `${bad} in ${showShape(shape)} is not a length`, {
    received: shape,
    hint: "use whole numbers from 0",
  });
}

/** Joins the axes from `start` to `end` (both included) into one: by default all of them. */
export function flatten(
  x: Tensor,
  { start = 0, end = -1 }: { readonly start?: number; readonly end?: number } = {},
): Tensor {
  if (x.rank === 0) return primitive.reshape(x, [1]);
  const first = positionOf("flatten", start, x.shape, "start");
  const last = positionOf("flatten", end, x.shape, "end");
  if (first > last) {
    throw new AxisError("flatten", `start ${start} is behind end ${end}`, { hint: "swap them" });
  }
  const joined = sizeOf(x.shape.slice(first, last + 1));
  return primitive.reshape(x, [...x.shape.slice(0, first), joined, ...x.shape.slice(last + 1)]);
}

/** All elements along one axis. */
export const ravel = (x: Tensor): Tensor<[number]> => typed(primitive.reshape(x, [x.size]));

/** The matrix with rows and columns swapped; leading axes are a batch. See `permute` for other orders. */
export function transpose<S extends Shape>(x: Tensor<S>): Tensor<TransposedShape<S>> {
  if (x.rank < 2) {
    throw new ShapeError("transpose", `${showShape(x.shape)} has no rows and columns`, {
      received: x.shape,
      hint: "expandDims or reshape it to a matrix first",
    });
  }
  return typed(swap(x, x.rank - 2, x.rank - 1));
}

/** Axis i of the result is axis `axes[i]` of `x`: `permute(x, [1, 0])` transposes a matrix. */
export function permute<S extends Shape, const P extends Shape>(
  x: Tensor<S>,
  axes: P & PermutationCheck<S, P>,
): Tensor<PermutedShape<S, P>> {
  const order = axes.map((axis) => positionOf("permute", axis, x.shape));
  if (order.length !== x.rank || new Set(order).size !== x.rank) {
    throw new AxisError(
      "permute",
      `axes ${showShape(axes)} do not name each axis of shape ${showShape(x.shape)} once`,
      { expected: x.rank, received: axes, hint: `list all ${x.rank} axes` },
    );
  }
  return typed(primitive.permute(x, order));
}

/** Exchanges two axes. */
export const swapAxes = <S extends Shape>(x: Tensor<S>, a: number, b: number): Tensor<SameRank<S>> =>
  typed(swap(x, positionOf("swapAxes", a, x.shape), positionOf("swapAxes", b, x.shape)));

function swap(x: Tensor, a: number, b: number): Tensor {
  const order = axesOf(x.rank);
  [order[a], order[b]] = [order[b]!, order[a]!];
  return primitive.permute(x, order);
}

/** Moves axis `from` to position `to`; the others keep their order. */
export function moveAxis<S extends Shape>(x: Tensor<S>, from: number, to: number): Tensor<SameRank<S>> {
  const source = positionOf("moveAxis", from, x.shape, "from");
  const target = positionOf("moveAxis", to, x.shape, "to");
  const order = axesOf(x.rank).toSpliced(source, 1).toSpliced(target, 0, source);
  return typed(primitive.permute(x, order));
}

/** Drops `axis` (one or several), which must have length 1; without it, every axis of length 1. */
export function squeeze<S extends Shape>(x: Tensor<S>): Tensor<SqueezedShape<S>>;
export function squeeze<S extends Shape>(x: Tensor<S>, options: { readonly axis?: Axes }): Tensor;
export function squeeze(x: Tensor, { axis }: { readonly axis?: Axes } = {}): Tensor {
  if (axis === undefined) return primitive.reshape(x, x.shape.filter((length) => length !== 1));
  const drop = positionsOf("squeeze", axis, x.shape);
  const long = drop.find((position) => x.shape[position] !== 1);
  if (long !== undefined) {
    throw new ShapeError("squeeze", `axis ${long} of ${showShape(x.shape)} has length ${x.shape[long]!}`, {
      expected: 1,
      received: x.shape[long],
      hint: "squeeze drops only axes of length 1",
    });
  }
  return primitive.reshape(x, x.shape.filter((_, position) => !drop.includes(position)));
}

/** A new axis of length 1 at position `axis` of the result: `expandDims(x, -1)` makes a column of a vector. */
export function expandDims<S extends Shape, const A extends number>(
  x: Tensor<S>,
  axis: A,
): Tensor<ExpandedShape<S, A>> {
  const at = positionOf("expandDims", axis, [...x.shape, 1]);
  return typed(primitive.reshape(x, x.shape.toSpliced(at, 0, 1)));
}

/** Repeats `x` along new axes and axes of length 1 until it has `shape`. */
export function broadcastTo<const S extends Shape>(x: Tensor, shape: S): Tensor<Mutable<S>> {
  const common = broadcastShapes(x.shape, checkLengths("broadcastTo", shape));
  if (!common || !sameShape(common, shape)) {
    throw new ShapeError("broadcastTo", `${showShape(x.shape)} does not broadcast to ${showShape(shape)}`, {
      expected: shape,
      received: x.shape,
      hint: "align shapes from the right, with equal lengths or 1",
    });
  }
  return typed(stretch(x, shape));
}

/** Joins tensors end to end along `axis` (0): the other lengths and the dtypes are equal. */
export function concat<const T extends readonly Tensor[], const A extends number = 0>(
  tensors: T & ConcatCheck<T, A>,
  { axis }: { readonly axis?: A } = {},
): Tensor<ConcatenatedShape<T, A>> {
  const first = firstOf("concat", tensors);
  const at = positionOf("concat", axis ?? 0, first.shape);
  for (const x of tensors) {
    requireSameDType("concat", first, x, "x");
    if (x.rank === first.rank && sameShape(x.shape.with(at, 0), first.shape.with(at, 0))) continue;
    throw new ShapeError(
      "concat",
      `${showShape(first.shape)} and ${showShape(x.shape)} differ outside axis ${axis ?? 0}`,
      { expected: first.shape, received: x.shape, hint: "make the other lengths equal" },
    );
  }
  return typed(primitive.concat(tensors, at));
}

/** Joins tensors of one shape along a new axis at position `axis` (0) of the result. */
export function stack<const T extends readonly Tensor[], const A extends number = 0>(
  tensors: T & StackCheck<T>,
  { axis }: { readonly axis?: A } = {},
): Tensor<StackedShape<T, A>> {
  const first = firstOf("stack", tensors);
  const at = positionOf("stack", axis ?? 0, [...first.shape, 1]);
  for (const x of tensors) {
    requireSameDType("stack", first, x, "x");
    if (sameShape(x.shape, first.shape)) continue;
    throw new ShapeError("stack", `${showShape(first.shape)} and ${showShape(x.shape)} differ`, {
      expected: first.shape,
      received: x.shape,
      hint: "stack takes equal shapes",
    });
  }
  const shape = first.shape.toSpliced(at, 0, 1);
  return typed(primitive.concat(tensors.map((x) => primitive.reshape(x, shape)), at));
}

function firstOf(op: string, tensors: readonly Tensor[]): Tensor {
  if (tensors[0]) return tensors[0];
  throw new ValueError(op, "the list is empty", { hint: "give at least one tensor" });
}

/** Elements `from` to `to` (excluded) of one axis. */
export function cut(x: Tensor, axis: number, from: number, to: number): Tensor {
  const start = x.shape.map((_, i) => (i === axis ? from : 0));
  return primitive.slice(x, start, x.shape.map(() => 1), x.shape.with(axis, to - from));
}

/** Cuts `axis` (0) into pieces of the given lengths, which add up to it: the inverse of `concat`. */
export function splitAlong<S extends Shape>(
  x: Tensor<S>,
  lengths: readonly number[],
  { axis = 0 }: { readonly axis?: number } = {},
): Tensor<SameRank<S>>[] {
  const at = positionOf("splitAlong", axis, x.shape);
  const total = checkLengths("splitAlong", lengths).reduce((sum, length) => sum + length, 0);
  if (total !== x.shape[at]) {
    throw new ShapeError("splitAlong", `lengths ${showShape(lengths)} add up to ${total}, axis ${axis} has ${x.shape[at]!}`, {
      expected: x.shape[at],
      received: total,
      hint: "make them add up to the axis",
    });
  }
  let from = 0;
  return lengths.map((length) => typed(cut(x, at, from, (from += length))));
}

/** Cuts `axis` (0) into `count` pieces of equal length, the last ones shorter where it does not divide. */
export function chunk<S extends Shape>(
  x: Tensor<S>,
  count: number,
  { axis = 0 }: { readonly axis?: number } = {},
): Tensor<SameRank<S>>[] {
  const at = positionOf("chunk", axis, x.shape);
  if (!Number.isInteger(count) || count < 1) {
    throw new ValueError("chunk", `${count} is not a number of pieces`, { received: count, hint: "use 1 or more" });
  }
  const length = x.shape[at]!;
  const piece = Math.max(1, Math.ceil(length / count));
  const pieces = Math.max(1, Math.ceil(length / piece));
  return Array.from({ length: pieces }, (_, i) => typed(cut(x, at, i * piece, Math.min(length, (i + 1) * piece))));
}

/** The slices along `axis` (0), without that axis: the inverse of `stack`. */
export function unstack(x: Tensor, { axis = 0 }: { readonly axis?: number } = {}): Tensor[] {
  const at = positionOf("unstack", axis, x.shape);
  const shape = x.shape.toSpliced(at, 1);
  return Array.from({ length: x.shape[at]! }, (_, i) => primitive.reshape(cut(x, at, i, i + 1), shape));
}

/** `x` repeated `counts[i]` times along axis i; missing leading counts are 1, missing leading axes are added. */
export function tile(x: Tensor, counts: readonly number[]): Tensor {
  checkLengths("tile", counts);
  const rank = Math.max(counts.length, x.rank);
  const shape = [...new Array<number>(rank - x.rank).fill(1), ...x.shape];
  const times = [...new Array<number>(rank - counts.length).fill(1), ...counts];
  const wide = shape.flatMap((length, axis) => [times[axis]!, length]);
  const repeated = primitive.broadcast(primitive.reshape(x, shape), wide, shape.map((_, axis) => 2 * axis + 1));
  return primitive.reshape(repeated, shape.map((length, axis) => times[axis]! * length));
}

/** Every element repeated `count` times in place along `axis`: [1, 2] becomes [1, 1, 2, 2]. */
export function repeat<S extends Shape>(
  x: Tensor<S>,
  count: number,
  { axis = 0 }: { readonly axis?: number } = {},
): Tensor<SameRank<S>> {
  checkLengths("repeat", [count]);
  const at = positionOf("repeat", axis, x.shape);
  const wide = x.shape.toSpliced(at + 1, 0, count);
  const axes = x.shape.map((_, i) => (i <= at ? i : i + 1));
  return typed(primitive.reshape(primitive.broadcast(x, wide, axes), x.shape.with(at, x.shape[at]! * count)));
}

/** Reverses the order along `axis` (every axis by default). */
export function flip<S extends Shape>(x: Tensor<S>, { axis }: { readonly axis?: Axes } = {}): Tensor<S> {
  const turned = positionsOf("flip", axis, x.shape).filter((position) => x.shape[position]! > 1);
  const start = x.shape.map((length, i) => (turned.includes(i) ? length - 1 : 0));
  const step = x.shape.map((_, i) => (turned.includes(i) ? -1 : 1));
  return typed(primitive.slice(x, start, step, x.shape));
}

/** Moves elements by `shift` along `axis` (0); what leaves one end enters at the other. */
export function roll<S extends Shape>(
  x: Tensor<S>,
  shift: number,
  { axis = 0 }: { readonly axis?: number } = {},
): Tensor<S> {
  const at = positionOf("roll", axis, x.shape);
  if (!Number.isInteger(shift)) {
    throw new ValueError("roll", `shift ${shift} is not an integer`, { received: shift, hint: "use a whole number" });
  }
  const length = x.shape[at]!;
  const by = length === 0 ? 0 : ((shift % length) + length) % length;
  if (by === 0) return x;
  return typed(primitive.concat([cut(x, at, length - by, length), cut(x, at, 0, length - by)], at));
}
