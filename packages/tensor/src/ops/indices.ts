/**
 * Index tensors: what may be one, how negative ones count, and which are out of range. Elements are looked at only
 * where they are on the host already; an index that is computed is clamped by reads and dropped by writes, since
 * checking it would wait for the device.
 */
import { isInteger } from "../core/dtype.ts";
import { DTypeError, ValueError } from "../core/errors.ts";
import { primitive } from "../core/primitives.ts";
import { type Shape, sizeOf, showShape, stridesOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { coordinates, fromHost, hostDataOf, shifted } from "./pieces.ts";
import { filledLike } from "./operands.ts";

/** Positions along an axis: an integer tensor, or numbers. */
export type Indices = Tensor | readonly number[] | number;

/**
 * `indices` as an int32 tensor of positions from the front in an axis of `length`. Throws `DTypeError` for a
 * tensor that is not of integers and `ValueError` for an index known to be out of range.
 */
export function indexTensor(op: string, indices: Indices, length: number): Tensor {
  if (typeof indices === "number") return indexTensor(op, fromHost(Int32Array.of(indices), [], "int32"), length);
  if (isList(indices)) {
    return indexTensor(op, fromHost(Int32Array.from(indices), [indices.length], "int32"), length);
  }
  if (!isInteger(indices.dtype)) {
    throw new DTypeError(op, `indices are ${indices.dtype}`, {
      expected: "int32",
      received: indices.dtype,
      hint: `cast them: cast(indices, "int32")`,
    });
  }
  const known = hostDataOf(indices);
  if (known) checkRange(op, known, indices.shape, length);
  if (indices.dtype !== "int32") return primitive.cast(indices, "int32");
  if (known && !known.some((index) => index < 0)) return indices;
  const negative = primitive.less(indices, filledLike(indices, 0));
  return primitive.where(negative, shifted(indices, length), indices);
}

const isList = (indices: Indices): indices is readonly number[] => Array.isArray(indices);

function checkRange(op: string, indices: ArrayLike<number>, shape: Shape, length: number): void {
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!;
    if (index >= -length && index < length) continue;
    throw new ValueError(op, `index ${index}${placeOf(i, shape)} is out of range for ${length} elements`, {
      expected: `${-length}..${length - 1}`,
      received: index,
      hint: length === 0 ? "the axis is empty" : `use -${length}..${length - 1}`,
    });
  }
}

/** ` at [1, 2]` for element `flat` of `shape`; nothing for a scalar. */
function placeOf(flat: number, shape: Shape): string {
  if (shape.length === 0) return "";
  const place = stridesOf(shape).map((stride, axis) => Math.floor(flat / stride) % shape[axis]!);
  return ` at ${showShape(place)}`;
}

/**
 * For an index along `axis` at every place of its own shape: the row-major position in a tensor of `shape` whose
 * other coordinates are those of the place.
 */
export function flatPositions(index: Tensor, axis: number, shape: Shape): Tensor {
  const strides = stridesOf(shape);
  let position = primitive.mul(index, filledLike(index, strides[axis]!));
  for (let other = 0; other < shape.length; other++) {
    if (other === axis) continue;
    const along = coordinates(index.shape, other);
    position = primitive.add(position, primitive.mul(along, filledLike(along, strides[other]!)));
  }
  return position;
}

/** `index` where it is inside [0, length), else a position that no tensor has. */
export function orNowhere(index: Tensor, position: Tensor, length: number): Tensor {
  const nowhere = filledLike(position, -1);
  const notBelow = primitive.where(primitive.less(index, filledLike(index, 0)), nowhere, position);
  return primitive.where(primitive.less(index, filledLike(index, length)), notBelow, nowhere);
}

/** `index` clamped into [0, length). */
export function clampedIndex(index: Tensor, length: number): Tensor {
  const atLeast = primitive.max(index, filledLike(index, 0));
  const last = filledLike(index, Math.max(0, length - 1));
  return primitive.where(primitive.less(atLeast, last), atLeast, last);
}

/** The elements of a tensor along one axis. */
export const flat = (x: Tensor): Tensor => primitive.reshape(x, [sizeOf(x.shape)]);
