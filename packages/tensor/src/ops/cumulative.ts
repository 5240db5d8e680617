/**
 * Running results along an axis, differences, diagonals. Sums have a primitive of their own; products, maxima and
 * log-sums double the reach of every element ⌈log2 n⌉ times, so that they differentiate like any other composite.
 */
import { AxisError, ShapeError } from "../core/errors.ts";
import { primitive } from "../core/primitives.ts";
import { type Shape, otherAxes, showShape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import type { AxisOption } from "./indexing.ts";
import { minus, padded, requireCount, stopped } from "./pieces.ts";
import { positionOf } from "./axes.ts";
import { cut } from "./movement.ts";
import { filledLike, requireFloat, widely } from "./operands.ts";

export interface CumulativeOptions extends AxisOption {
  /** Runs from the far end. Default false. */
  readonly reverse?: boolean;
}

/** Running sum along `axis` (default -1): `y[i] = x[0] + … + x[i]`. */
export const cumsum = <S extends Shape>(
  x: Tensor<S>,
  { axis = -1, reverse = false }: CumulativeOptions = {},
): Tensor<S> => primitive.cumsum(x, positionOf("cumsum", axis, x.shape), reverse) as Tensor<S>;

/**
 * Every element joined with the one `distance` before it, for distances 1, 2, 4 …; `neutral` stands before the
 * first.
 */
function doubling<S extends Shape>(
  op: string,
  x: Tensor<S>,
  { axis = -1, reverse = false }: CumulativeOptions,
  neutral: number,
  join: (a: Tensor, b: Tensor) => Tensor,
): Tensor<S> {
  const at = positionOf(op, axis, x.shape);
  const length = x.shape[at]!;
  return widely(x, (wide) => {
    let result = wide;
    for (let distance = 1; distance < length; distance *= 2) {
      const earlier = reverse
        ? padded(cut(result, at, distance, length), at, 0, distance, neutral)
        : padded(cut(result, at, 0, length - distance), at, distance, 0, neutral);
      result = join(result, earlier);
    }
    return result;
  }) as Tensor<S>;
}

/** Running product along `axis` (default -1). Its derivative is right where elements are zero. */
export const cumprod = <S extends Shape>(x: Tensor<S>, options: CumulativeOptions = {}): Tensor<S> =>
  doubling("cumprod", x, options, 1, primitive.mul);

/** Running maximum along `axis` (default -1); NaN from the first NaN on. */
export function cummax<S extends Shape>(x: Tensor<S>, options: CumulativeOptions = {}): Tensor<S> {
  requireFloat("cummax", x);
  return doubling("cummax", x, options, -Infinity, primitive.max);
}

/** Running minimum along `axis` (default -1); NaN from the first NaN on. */
export const cummin = <S extends Shape>(x: Tensor<S>, options: CumulativeOptions = {}): Tensor<S> => {
  requireFloat("cummin", x);
  return primitive.neg(
    doubling("cummin", primitive.neg(x) as Tensor<S>, options, -Infinity, primitive.max),
  ) as Tensor<S>;
};

/** `log(cumsum(exp(x)))` along `axis` (default -1), computed without overflow. */
export function logcumsumexp<S extends Shape>(x: Tensor<S>, options: CumulativeOptions = {}): Tensor<S> {
  requireFloat("logcumsumexp", x);
  return doubling("logcumsumexp", x, options, -Infinity, logAddExp);
}

/** log(eᵃ + eᵇ), with -Infinity as the zero: no NaN there, in the value or in the slope. */
function logAddExp(a: Tensor, b: Tensor): Tensor {
  const nothing = filledLike(a, -Infinity);
  const greater = stopped(primitive.max(a, b));
  const isNothing = primitive.equal(greater, nothing);
  const isInfinite = primitive.equal(greater, filledLike(a, Infinity));
  const zero = filledLike(a, 0);
  const shift = primitive.where(isNothing, zero, primitive.where(isInfinite, zero, greater));
  const share = (x: Tensor): Tensor => primitive.exp(minus(x, shift));
  const sum = primitive.add(share(a), share(b));
  const safe = primitive.where(isNothing, filledLike(a, 1), sum);
  return primitive.where(isNothing, nothing, primitive.add(primitive.log(safe), shift));
}

export interface DiffOptions extends AxisOption {
  /** How often. Default 1. */
  readonly order?: number;
}

/** Differences of neighbors along `axis` (default -1): `y[i] = x[i + 1] - x[i]`, `order` times. */
export function diff(x: Tensor, { axis = -1, order = 1 }: DiffOptions = {}): Tensor {
  const at = positionOf("diff", axis, x.shape);
  requireCount("diff", "order", order, 0);
  let result = x;
  for (let round = 0; round < order; round++) {
    const length = result.shape[at]!;
    if (length === 0) break;
    result = minus(cut(result, at, 1, length), cut(result, at, 0, length - 1));
  }
  return result;
}

export interface DiagonalOptions {
  /** Which diagonal: above the main one where positive, below where negative. Default 0. */
  readonly offset?: number;
  /** The rows and the columns. Default [0, 1]. */
  readonly axes?: readonly [number, number];
}

/**
 * A diagonal of the matrices along two axes, put last: `[.., n, m]` gives `[.., length]`. A strided view of the
 * matrix laid out flat.
 */
export function diagonal(x: Tensor, { offset = 0, axes = [0, 1] }: DiagonalOptions = {}): Tensor {
  const rowAxis = positionOf("diagonal", axes[0], x.shape);
  const columnAxis = positionOf("diagonal", axes[1], x.shape);
  if (rowAxis === columnAxis) {
    throw new AxisError(
      "diagonal",
      `axes [${axes.join(", ")}] name axis ${rowAxis} of shape ${showShape(x.shape)} twice`,
      {
        received: axes,
        hint: "name two axes",
      },
    );
  }
  const lead = otherAxes(x.rank, [rowAxis, columnAxis]);
  const rows = x.shape[rowAxis]!;
  const columns = x.shape[columnAxis]!;
  const leadShape = lead.map((axis) => x.shape[axis]!);
  const down = Math.max(0, -offset);
  const right = Math.max(0, offset);
  const length = Math.max(0, Math.min(rows - down, columns - right));
  const flat = primitive.reshape(primitive.permute(x, [...lead, rowAxis, columnAxis]), [...leadShape, rows * columns]);
  const zeros = leadShape.map(() => 0);
  const ones = leadShape.map(() => 1);
  const start = length === 0 ? 0 : down * columns + right;
  return primitive.slice(flat, [...zeros, start], [...ones, columns + 1], [...leadShape, length]);
}

/** Sum of the main diagonal of the matrices along two axes (default the first two). */
export const trace = (x: Tensor, options: DiagonalOptions = {}): Tensor => {
  const elements = diagonal(x, options);
  return primitive.reduce(elements, "sum", [elements.rank - 1]);
};

/**
 * Square matrices with the last axis of `x` on a diagonal and zeros elsewhere: `[.., n]` gives `[.., m, m]`, m = n
 * + |offset|.
 */
export function diagEmbed(x: Tensor, { offset = 0 }: Pick<DiagonalOptions, "offset"> = {}): Tensor {
  if (x.rank === 0) {
    throw new ShapeError("diagEmbed", "a scalar has no diagonal", {
      received: x.shape,
      hint: "give at least one axis",
    });
  }
  const length = x.shape.at(-1)!;
  const size = length + Math.abs(offset);
  const shape = [...x.shape.slice(0, -1), size, size];
  if (length === 0) return primitive.constant(0, shape, x.dtype);
  const before = offset < 0 ? -offset * size : offset;
  const covered = length + (length - 1) * size;
  const zeros = x.shape.slice(1).map(() => 0);
  const flat = primitive.pad(x, [...zeros, before], [...zeros, size * size - before - covered], [...zeros, size]);
  return primitive.reshape(flat, shape);
}
