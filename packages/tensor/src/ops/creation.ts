/**
 * Tensors from nothing or from JavaScript data. Data is copied once, here; what can be computed (zeros, ranges,
 * identities) stays a formula and costs no memory. The default dtype is float32.
 */
import type { DType } from "../core/dtype.ts";
import { DTypeError, ShapeError, ValueError } from "../core/errors.ts";
import { primitive } from "../core/primitives.ts";
import { type Shape, showShape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Mutable } from "../types/index.ts";
import { positionOf } from "./axes.ts";
import { checkLengths, cut } from "./movement.ts";
import { filledLike, requireDType, stretch, toTensor, typed } from "./operands.ts";

/** Which dtype to make. */
export interface DTypeOption {
  readonly dtype?: DType | undefined;
}

/** A tensor of `shape` with `value` everywhere. */
export const full = <const S extends Shape>(
  shape: S,
  value: number | boolean,
  { dtype = typeof value === "boolean" ? "bool" : "float32" }: DTypeOption = {},
): Tensor<Mutable<S>> => typed(stretch(toTensor("full", value, requireDType("full", dtype)), checkLengths("full", shape)));

/** A tensor of `shape` with 0 everywhere. */
export const zeros = <const S extends Shape>(shape: S, { dtype = "float32" }: DTypeOption = {}): Tensor<Mutable<S>> =>
  typed(primitive.constant(0, checkLengths("zeros", shape), requireDType("zeros", dtype)));

/** A tensor of `shape` with 1 everywhere. */
export const ones = <const S extends Shape>(shape: S, { dtype = "float32" }: DTypeOption = {}): Tensor<Mutable<S>> =>
  typed(primitive.constant(1, checkLengths("ones", shape), requireDType("ones", dtype)));

/** `value` everywhere, in the shape and (unless given) dtype of `x`. */
export const fullLike = <S extends Shape>(
  x: Tensor<S>,
  value: number | boolean,
  { dtype = x.dtype }: DTypeOption = {},
): Tensor<S> => typed(stretch(toTensor("fullLike", value, dtype), x.shape));

/** Zeros in the shape and (unless given) dtype of `x`. */
export const zerosLike = <S extends Shape>(x: Tensor<S>, { dtype = x.dtype }: DTypeOption = {}): Tensor<S> =>
  typed(primitive.constant(0, x.shape, dtype));

/** Ones in the shape and (unless given) dtype of `x`. */
export const onesLike = <S extends Shape>(x: Tensor<S>, { dtype = x.dtype }: DTypeOption = {}): Tensor<S> =>
  typed(primitive.constant(1, x.shape, dtype));

/** How far a range goes and in which steps. */
export interface RangeOptions extends DTypeOption {
  /** Distance of neighbors, may be negative. Default: 1. */
  readonly step?: number;
}

/** `arange(stop)` counts from 0, `arange(start, stop)` from `start`; `stop` is excluded. float32 unless told. */
export function arange(stop: number, options?: RangeOptions): Tensor<[number]>;
export function arange(start: number, stop: number, options?: RangeOptions): Tensor<[number]>;
export function arange(first: number, second?: number | RangeOptions, third?: RangeOptions): Tensor<[number]> {
  const [start, stop] = typeof second === "number" ? [first, second] : [0, first];
  const { step = 1, dtype = "float32" } = (typeof second === "number" ? third : second) ?? {};
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (!Number.isSafeInteger(length)) {
    throw new ValueError("arange", `from ${start} to ${stop} in steps of ${step} does not end`, {
      received: { start, stop, step },
      hint: "use finite bounds and a step other than 0",
    });
  }
  return typed(ramp("arange", length, start, step, dtype));
}

/** `count` numbers from `start` to `stop`, both met exactly, at equal distances. */
export function linspace(start: number, stop: number, count: number, { dtype = "float32" }: DTypeOption = {}): Tensor<[number]> {
  checkLengths("linspace", [count]);
  if (count < 2) return typed(ramp("linspace", count, start, 0, dtype));
  // start + i·step may miss the end by a rounding: the last element is set.
  const up = ramp("linspace", count, start, (stop - start) / (count - 1), dtype);
  const index = primitive.iota(count);
  const isLast = primitive.equal(index, filledLike(index, count - 1));
  return typed(primitive.where(isLast, stretch(toTensor("linspace", stop, dtype), up.shape), up));
}

function ramp(op: string, length: number, start: number, step: number, dtype: DType): Tensor {
  const index = primitive.iota(length, dtype);
  const scaled = step === 1 ? index : primitive.mul(index, stretch(toTensor(op, step, dtype), index.shape));
  return start === 0 ? scaled : primitive.add(scaled, stretch(toTensor(op, start, dtype), index.shape));
}

/** The identity matrix of `rows` rows (and as many `columns` unless given). */
export const eye = (
  rows: number,
  { columns = rows, dtype = "float32" }: DTypeOption & { readonly columns?: number } = {},
): Tensor<[number, number]> =>
  typed(primitive.cast(compareIndices("eye", rows, columns, 0, primitive.equal), dtype));

/** True where `compare(column - offset, row)`. */
function compareIndices(
  op: string,
  rows: number,
  columns: number,
  offset: number,
  compare: (column: Tensor, row: Tensor) => Tensor,
): Tensor {
  const shape = checkLengths(op, [rows, columns]);
  const row = primitive.iota(rows);
  const shifted = offset === 0 ? row : primitive.add(row, stretch(toTensor(op, offset, "int32"), row.shape));
  return compare(
    primitive.broadcast(primitive.iota(columns), shape, [1]),
    primitive.broadcast(shifted, shape, [0]),
  );
}

/** Which diagonal: 0 the main one, positive above, negative below. */
export interface OffsetOption {
  readonly offset?: number;
}

/** Ones on and below a diagonal, zeros above. */
export const tri = (
  rows: number,
  { columns = rows, offset = 0, dtype = "float32" }: DTypeOption & OffsetOption & { readonly columns?: number } = {},
): Tensor<[number, number]> =>
  typed(primitive.cast(compareIndices("tri", rows, columns, offset, primitive.lessEqual), dtype));

/** The lower triangle of the matrices in the last two axes; zeros above the diagonal `offset`. */
export const tril = <S extends Shape>(x: Tensor<S>, { offset = 0 }: OffsetOption = {}): Tensor<S> =>
  typed(keepTriangle("tril", x, offset, true));

/** The upper triangle of the matrices in the last two axes; zeros below the diagonal `offset`. */
export const triu = <S extends Shape>(x: Tensor<S>, { offset = 0 }: OffsetOption = {}): Tensor<S> =>
  typed(keepTriangle("triu", x, offset, false));

function keepTriangle(op: string, x: Tensor, offset: number, lower: boolean): Tensor {
  requireMatrix(op, x);
  const [rows, columns] = x.shape.slice(-2) as [number, number];
  const mask = compareIndices(op, rows, columns, offset, (column, row) =>
    lower ? primitive.lessEqual(column, row) : primitive.lessEqual(row, column),
  );
  return primitive.where(stretch(mask, x.shape), x, filledLike(x, 0));
}

function requireMatrix(op: string, x: Tensor): void {
  if (x.rank >= 2) return;
  throw new ShapeError(op, `${showShape(x.shape)} has no rows and columns`, {
    received: x.shape,
    hint: "expandDims or reshape it to a matrix first",
  });
}

/** Of a vector: the square matrix with it on a diagonal. Of a matrix (or a batch of them): that diagonal. */
export function diag(x: Tensor, { offset = 0 }: OffsetOption = {}): Tensor {
  if (x.rank !== 1) return diagonalOf(x, offset);
  const size = x.size + Math.abs(offset);
  // Laid out row-major, neighbors on a diagonal are size + 1 apart.
  const gaps = primitive.pad(x, [0], [0], [size]);
  const before = offset > 0 ? offset : -offset * size;
  const after = Math.max(0, size * size - before - gaps.size);
  return primitive.reshape(primitive.pad(gaps, [before], [after], [0]), [size, size]);
}

function diagonalOf(x: Tensor, offset: number): Tensor {
  requireMatrix("diag", x);
  const [rows, columns] = x.shape.slice(-2) as [number, number];
  const [top, left] = [Math.max(0, -offset), Math.max(0, offset)];
  const length = Math.max(0, Math.min(rows - top, columns - left));
  const [row, column] = [Math.min(top, rows), Math.min(left, columns)];
  const band = cut(x, x.rank - 2, row, row + length);
  return diagonalOfSquare(cut(band, x.rank - 1, column, column + length));
}

/** The diagonal of the last two axes, which have one length: every (n + 1)-th element of them laid flat. */
export function diagonalOfSquare(x: Tensor): Tensor {
  const length = x.shape.at(-1)!;
  const batch = x.shape.slice(0, -2);
  const flat = primitive.reshape(x, [...batch, length * length]);
  const step = [...batch.map(() => 1), length + 1];
  return primitive.slice(flat, flat.shape.map(() => 0), step, [...batch, length]);
}

/** 1 at the position each element of `index` (integers) names along a new last axis of `classes`, 0 elsewhere. */
export function oneHot(
  index: Tensor,
  classes: number,
  { dtype = "float32" }: DTypeOption = {},
): Tensor {
  checkLengths("oneHot", [classes]);
  if (index.dtype !== "int32" && index.dtype !== "uint32" && index.dtype !== "uint8") {
    throw new DTypeError("oneHot", `the index is ${index.dtype}`, {
      expected: "int32",
      received: index.dtype,
      hint: `cast it: cast(index, "int32")`,
    });
  }
  const shape = [...index.shape, classes];
  const wanted = primitive.broadcast(primitive.cast(index, "int32"), shape, index.shape.map((_, axis) => axis));
  const position = primitive.broadcast(primitive.iota(classes), shape, [index.rank]);
  return primitive.cast(primitive.equal(wanted, position), dtype);
}

/**
 * Coordinates of a grid: for vectors of lengths n₀, n₁ … one tensor of shape [n₀, n₁, …] each. `indexing: "xy"` swaps
 * the first two axes, as plots want it.
 */
export function meshgrid(
  vectors: readonly Tensor[],
  { indexing = "ij" }: { readonly indexing?: "ij" | "xy" } = {},
): Tensor[] {
  const lengths = vectors.map((vector) => vector.shape[positionOf("meshgrid", 0, vector.shape)]!);
  const order = lengths.map((_, axis) => (indexing === "xy" && axis < 2 && lengths.length > 1 ? 1 - axis : axis));
  const shape = order.map((axis) => lengths[axis]!);
  return vectors.map((vector, i) => {
    if (vector.rank === 1) return primitive.broadcast(vector, shape, [order.indexOf(i)]);
    throw new ShapeError("meshgrid", `${showShape(vector.shape)} is not a vector`, {
      received: vector.shape,
      hint: "ravel it",
    });
  });
}

