/**
 * Short phrases over primitives that several op files share: constants of a tensor's shape, a reduction stretched
 * back, coordinates along an axis, host data, and the checks of axes and element types with their messages.
 */
import type { DType, TypedArray } from "../core/dtype.ts";
import { ShapeError, ValueError } from "../core/errors.ts";
import { primitive } from "../core/primitives.ts";
import { type Shape, otherAxes, showShape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { HostStorage } from "../run/storage.ts";
import { filledLike } from "./operands.ts";

/** Throws `ShapeError` unless the rank is `rank`. `layout` names the axes: `[N, C, H, W]`. */
export function requireRank(op: string, name: string, x: Tensor, rank: number, layout: string): void {
  if (x.rank === rank) return;
  throw new ShapeError(op, `${name} has shape ${showShape(x.shape)}`, {
    expected: layout,
    received: x.shape,
    hint: `give it ${rank} axes ${layout}`,
  });
}

/** Throws `ValueError` unless `value` is an integer of at least `least`. */
export function requireCount(op: string, name: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new ValueError(op, `${name} is ${value}`, {
    expected: `an integer of at least ${least}`,
    received: value,
    hint: `give an integer of at least ${least}`,
  });
}

/** x · factor, for a number. */
export const scaled = (x: Tensor, factor: number): Tensor =>
  factor === 1 ? x : primitive.mul(x, filledLike(x, factor));

/** x + term, for a number. */
export const shifted = (x: Tensor, term: number): Tensor =>
  term === 0 ? x : primitive.add(x, filledLike(x, term));

/** a − b. */
export const minus = (a: Tensor, b: Tensor): Tensor => primitive.add(a, primitive.neg(b));

/** min(a, b) as −max(−a, −b). */
export const lesser = (a: Tensor, b: Tensor): Tensor =>
  primitive.neg(primitive.max(primitive.neg(a), primitive.neg(b)));

/** |x|, with slope 1 at zero. */
export const magnitude = (x: Tensor): Tensor =>
  primitive.where(primitive.less(x, filledLike(x, 0)), primitive.neg(x), x);

/** `x` as a value that has no derivative. */
export const stopped = (x: Tensor): Tensor => primitive.identity(x, "stop");

/** A tensor reduced over `axes`, stretched to the shape it was reduced from. */
export const stretched = (reduced: Tensor, shape: Shape, axes: Shape): Tensor =>
  primitive.broadcast(reduced, shape, otherAxes(shape.length, axes));

/** The coordinate along `axis` at every place of `shape`. */
export const coordinates = (shape: Shape, axis: number, dtype: DType = "int32"): Tensor =>
  primitive.broadcast(primitive.iota(shape[axis]!, dtype), shape, [axis]);

/** Adds `low` and `high` elements of `value` at the ends of one axis. */
export function padded(x: Tensor, axis: number, low: number, high: number, value: number): Tensor {
  const zeros = x.shape.map(() => 0);
  return primitive.pad(x, zeros.with(axis, low), zeros.with(axis, high), zeros, value);
}

/** With `axis` moved to the front, and the function that moves it back. */
export function axisFirst(rank: number, axis: number): { to: number[]; back: number[] } {
  const to = [axis, ...otherAxes(rank, [axis])];
  const back = new Array<number>(rank);
  to.forEach((from, at) => (back[from] = at));
  return { to, back };
}

/** A stored tensor of elements that are on the host. */
export function fromHost(data: TypedArray, shape: Shape, dtype: DType): Tensor {
  const tensor = primitive.buffer(shape, dtype);
  tensor.storage = new HostStorage(data);
  return tensor;
}

/** The elements of a tensor where they can be had without asking a device. */
export const hostDataOf = (tensor: Tensor): TypedArray | null =>
  tensor.storage instanceof HostStorage ? tensor.storage.data : null;
