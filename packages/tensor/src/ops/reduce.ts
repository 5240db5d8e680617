/**
 * Reductions along axes: `axis` is one axis, a list, or left out for all; `keepDims` leaves length 1 where an axis
 * was. Sums of bool and uint8 are int32.
 */
import { isFloat } from "../core/dtype.ts";
import { ShapeError, ValueError } from "../core/errors.ts";
import { primitive } from "../core/primitives.ts";
import { type Shape, axesOf, otherAxes, showShape, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Axes, AxisCheck, ReducedShape } from "../types/index.ts";
import { positionOf, positionsOf } from "./axes.ts";
import { cut } from "./movement.ts";
import { absolute, filledLike, requireFloat, stretch, typed, widely } from "./operands.ts";
import { minus } from "./pieces.ts";

/** Where to reduce and what to leave. */
export interface ReduceAxes<A, K extends boolean> {
  /** One axis or several, negative from the end. Default: all. */
  readonly axis?: A | undefined;
  /** Leave length 1 in place of each reduced axis. Default: false. */
  readonly keepDims?: K | undefined;
}

/** `ReduceAxes`, with literal axes checked against the shape. */
export type ReduceOptions<Op extends string, S extends Shape, A, K extends boolean> = ReduceAxes<A, K> &
  AxisCheck<Op, S, A>;

type MaybeAxes = Axes | undefined;

/** Σ x. Of nothing: 0. Example: `sum(tensor([[1, 2], [3, 4]]), { axis: 0 })` is `[4, 6]`. */
export function sum<S extends Shape, const A extends MaybeAxes = undefined, K extends boolean = false>(
  x: Tensor<S>,
  options?: ReduceOptions<"sum", S, A, K>,
): Tensor<ReducedShape<S, A, K>> {
  const axes = positionsOf("sum", options?.axis, x.shape);
  return typed(finish(primitive.reduce(countable(x), "sum", axes), x, axes, options?.keepDims));
}

/** Σ x / n. Of nothing: NaN. */
export function mean<S extends Shape, const A extends MaybeAxes = undefined, K extends boolean = false>(
  x: Tensor<S>,
  options?: ReduceOptions<"mean", S, A, K>,
): Tensor<ReducedShape<S, A, K>> {
  const axes = positionsOf("mean", options?.axis, requireFloat("mean", x).shape);
  return typed(finish(widely(x, (wide) => average(wide, axes)), x, axes, options?.keepDims));
}

/**
 * Π x. Of nothing: 1. Multiplies halves with halves, so the derivative of a zero factor is the exact product of the
 * others.
 */
export function prod<S extends Shape, const A extends MaybeAxes = undefined, K extends boolean = false>(
  x: Tensor<S>,
  options?: ReduceOptions<"prod", S, A, K>,
): Tensor<ReducedShape<S, A, K>> {
  const axes = positionsOf("prod", options?.axis, x.shape);
  const rest = otherAxes(x.rank, axes);
  const outer = rest.map((axis) => x.shape[axis]!);
  const length = sizeOf(axes.map((axis) => x.shape[axis]!));
  const result = widely(countable(x), (wide) => {
    let factors = primitive.reshape(primitive.permute(wide, [...rest, ...axes]), [...outer, length]);
    const last = rest.length;
    for (let n = length; n > 1; n = Math.ceil(n / 2)) {
      const half = n >> 1;
      const product = primitive.mul(cut(factors, last, 0, half), cut(factors, last, half, 2 * half));
      factors = n % 2 === 0 ? product : primitive.concat([product, cut(factors, last, n - 1, n)], last);
    }
    return length === 0 ? primitive.constant(1, outer, factors.dtype) : primitive.reshape(factors, outer);
  });
  return typed(finish(result, x, axes, options?.keepDims));
}

/** The largest element; NaN if one is. Equal largest elements share the derivative evenly. */
export function max<S extends Shape, const A extends MaybeAxes = undefined, K extends boolean = false>(
  x: Tensor<S>,
  options?: ReduceOptions<"max", S, A, K>,
): Tensor<ReducedShape<S, A, K>> {
  const axes = positionsOf("max", options?.axis, x.shape);
  refuseEmpty("max", x, axes);
  return typed(finish(largest(x, axes), x, axes, options?.keepDims));
}

/** The smallest element; NaN if one is. Equal smallest elements share the derivative evenly. */
export function min<S extends Shape, const A extends MaybeAxes = undefined, K extends boolean = false>(
  x: Tensor<S>,
  options?: ReduceOptions<"min", S, A, K>,
): Tensor<ReducedShape<S, A, K>> {
  const axes = positionsOf("min", options?.axis, x.shape);
  refuseEmpty("min", x, axes);
  return typed(finish(reversed(largest(reversed(x), axes)), x, axes, options?.keepDims));
}

/** Position (int32) of the largest element along one axis, or in row-major order; the first of equals, NaN first. */
export function argmax<S extends Shape, const A extends number | undefined = undefined, K extends boolean = false>(
  x: Tensor<S>,
  options?: ReduceOptions<"argmax", S, A, K>,
): Tensor<ReducedShape<S, A, K>> {
  return typed(argument("argmax", x, x, options?.axis, options?.keepDims));
}

/** Position (int32) of the smallest element along one axis, or in row-major order; the first of equals, NaN first. */
export function argmin<S extends Shape, const A extends number | undefined = undefined, K extends boolean = false>(
  x: Tensor<S>,
  options?: ReduceOptions<"argmin", S, A, K>,
): Tensor<ReducedShape<S, A, K>> {
  return typed(argument("argmin", x, reversed(x), options?.axis, options?.keepDims));
}

/**
 * Σ (x - mean)² / (n - correction), from the mean in a second pass. `correction` is 1 as in PyTorch (the unbiased
 * estimate of a sample); 0 gives the variance of a population, as in NumPy.
 */
export function variance<S extends Shape, const A extends MaybeAxes = undefined, K extends boolean = false>(
  x: Tensor<S>,
  options?: ReduceOptions<"variance", S, A, K> & { readonly correction?: number },
): Tensor<ReducedShape<S, A, K>> {
  const axes = positionsOf("variance", options?.axis, requireFloat("variance", x).shape);
  return typed(finish(widely(x, (wide) => spread(wide, axes, options?.correction)), x, axes, options?.keepDims));
}

/** √variance; its derivative is 0 where the variance is 0. `correction` as for `variance` (1). */
export function std<S extends Shape, const A extends MaybeAxes = undefined, K extends boolean = false>(
  x: Tensor<S>,
  options?: ReduceOptions<"std", S, A, K> & { readonly correction?: number },
): Tensor<ReducedShape<S, A, K>> {
  const axes = positionsOf("std", options?.axis, requireFloat("std", x).shape);
  const deviation = widely(x, (wide) => flatRoot(spread(wide, axes, options?.correction)));
  return typed(finish(deviation, x, axes, options?.keepDims));
}

/** log Σ exp x, without overflow. Of nothing, or of nothing but -Infinity: -Infinity. */
export function logsumexp<S extends Shape, const A extends MaybeAxes = undefined, K extends boolean = false>(
  x: Tensor<S>,
  options?: ReduceOptions<"logsumexp", S, A, K>,
): Tensor<ReducedShape<S, A, K>> {
  const axes = positionsOf("logsumexp", options?.axis, requireFloat("logsumexp", x).shape);
  if (sizeOf(axes.map((axis) => x.shape[axis]!)) === 0) {
    const shape = otherAxes(x.rank, axes).map((axis) => x.shape[axis]!);
    return typed(finish(primitive.constant(-Infinity, shape, x.dtype), x, axes, options?.keepDims));
  }
  return typed(finish(widely(x, (wide) => logOfSum(wide, axes)), x, axes, options?.keepDims));
}

function logOfSum(x: Tensor, axes: Shape): Tensor {
  const top = primitive.identity(primitive.reduce(x, "max", axes), "stop");
  // Any shift gives the same sum; an infinite one would give ∞ - ∞.
  const finite = primitive.less(absolute(top), filledLike(top, Infinity));
  const shift = primitive.where(finite, top, filledLike(top, 0));
  const shifted = minus(x, spreadBack(shift, x, axes));
  const total = primitive.reduce(primitive.exp(shifted), "sum", axes);
  // A row of -∞ has the total 0: its logarithm is chosen, not computed, so that the derivative is 0 and not 0/0.
  const none = primitive.equal(total, filledLike(total, 0));
  const log = primitive.log(primitive.where(none, filledLike(total, 1), total));
  return primitive.where(none, filledLike(total, -Infinity), primitive.add(log, shift));
}

/**
 * The p-norm (Σ |x|ᵖ)^(1/p) of the elements, `p` 2 by default: 0 counts what is not 0, Infinity takes the largest
 * magnitude, -Infinity the smallest. The derivative at the zero vector is 0.
 */
export function norm<S extends Shape, const A extends MaybeAxes = undefined, K extends boolean = false>(
  x: Tensor<S>,
  options?: ReduceOptions<"norm", S, A, K> & { readonly p?: number },
): Tensor<ReducedShape<S, A, K>> {
  const axes = positionsOf("norm", options?.axis, requireFloat("norm", x).shape);
  if (!Number.isFinite(options?.p ?? 2)) refuseEmpty("norm", x, axes);
  return typed(finish(widely(x, (wide) => lengthOf(wide, options?.p ?? 2, axes)), x, axes, options?.keepDims));
}

/** Whether all elements are true (not 0). Of nothing: true. */
export function all<S extends Shape, const A extends MaybeAxes = undefined, K extends boolean = false>(
  x: Tensor<S>,
  options?: ReduceOptions<"all", S, A, K>,
): Tensor<ReducedShape<S, A, K>> {
  const axes = positionsOf("all", options?.axis, x.shape);
  const zeros = count(primitive.equal(x, filledLike(x, 0)), axes);
  return typed(finish(primitive.equal(zeros, filledLike(zeros, 0)), x, axes, options?.keepDims));
}

/** Whether any element is true (not 0). Of nothing: false. */
export function any<S extends Shape, const A extends MaybeAxes = undefined, K extends boolean = false>(
  x: Tensor<S>,
  options?: ReduceOptions<"any", S, A, K>,
): Tensor<ReducedShape<S, A, K>> {
  const axes = positionsOf("any", options?.axis, x.shape);
  return typed(finish(primitive.cast(count(x, axes), "bool"), x, axes, options?.keepDims));
}

/** How many elements are not 0 (int32). */
export function countNonzero<S extends Shape, const A extends MaybeAxes = undefined, K extends boolean = false>(
  x: Tensor<S>,
  options?: ReduceOptions<"countNonzero", S, A, K>,
): Tensor<ReducedShape<S, A, K>> {
  const axes = positionsOf("countNonzero", options?.axis, x.shape);
  return typed(finish(count(x, axes), x, axes, options?.keepDims));
}

/** Gives a reduced tensor its kept axes back. */
const finish = (reduced: Tensor, x: Tensor, axes: Shape, keepDims: boolean | undefined): Tensor =>
  keepDims
    ? primitive.reshape(reduced, x.shape.map((length, axis) => (axes.includes(axis) ? 1 : length)))
    : reduced;

/** Repeats a reduced tensor along the axes that were reduced. */
const spreadBack = (reduced: Tensor, x: Tensor, axes: Shape): Tensor =>
  stretch(finish(reduced, x, axes, true), x.shape);

const countable = (x: Tensor): Tensor =>
  x.dtype === "bool" || x.dtype === "uint8" ? primitive.cast(x, "int32") : x;

const count = (x: Tensor, axes: Shape): Tensor =>
  primitive.reduce(primitive.cast(primitive.cast(x, "bool"), "int32"), "sum", axes);

function average(x: Tensor, axes: Shape): Tensor {
  const total = primitive.reduce(x, "sum", axes);
  return primitive.div(total, filledLike(total, sizeOf(axes.map((axis) => x.shape[axis]!))));
}

function spread(x: Tensor, axes: Shape, correction = 1): Tensor {
  const deviation = minus(x, spreadBack(average(x, axes), x, axes));
  const total = primitive.reduce(primitive.mul(deviation, deviation), "sum", axes);
  const degrees = sizeOf(axes.map((axis) => x.shape[axis]!)) - correction;
  return primitive.div(total, filledLike(total, Math.max(0, degrees)));
}

/** √x with the derivative 0 at 0. */
function flatRoot(x: Tensor): Tensor {
  const zero = primitive.equal(x, filledLike(x, 0));
  return primitive.where(zero, filledLike(x, 0), primitive.sqrt(primitive.where(zero, filledLike(x, 1), x)));
}

/** Reduces bytes and truth values as int32 and returns them as they were. */
const largest = (x: Tensor, axes: Shape): Tensor =>
  primitive.cast(primitive.reduce(countable(x), "max", axes), x.dtype);

/**
 * A map that turns the order round and is its own inverse: -x for floats, -1 - x for integers (where -x would
 * overflow for the smallest), the opposite for truth values.
 */
function reversed(x: Tensor): Tensor {
  if (isFloat(x.dtype)) return primitive.neg(x);
  if (x.dtype === "bool") return primitive.equal(x, filledLike(x, 0));
  if (x.dtype === "uint8") return primitive.cast(reversed(primitive.cast(x, "int32")), "int32");
  const minusOne = x.dtype === "uint32" ? 4294967295 : -1;
  return primitive.add(primitive.neg(x), filledLike(x, minusOne));
}

function argument(
  op: string,
  x: Tensor,
  values: Tensor,
  axis: number | undefined,
  keepDims: boolean | undefined,
): Tensor {
  const axes = axis === undefined ? axesOf(x.rank) : [positionOf(op, axis, x.shape)];
  refuseEmpty(op, x, axes);
  const flat = axis === undefined ? primitive.reshape(values, [x.size]) : values;
  return finish(primitive.argmax(countable(flat), axis === undefined ? 0 : axes[0]!), x, axes, keepDims);
}

function refuseEmpty(op: string, x: Tensor, axes: Shape): void {
  const empty = axes.find((axis) => x.shape[axis] === 0);
  if (empty === undefined) return;
  throw new ShapeError(op, `axis ${empty} of ${showShape(x.shape)} is empty, and nothing has no ${op}`, {
    received: x.shape,
    hint: "check the size first",
  });
}

function lengthOf(x: Tensor, p: number, axes: Shape): Tensor {
  if (Number.isNaN(p)) {
    throw new ValueError("norm", "p is NaN", { received: p, hint: "use a number, Infinity or -Infinity" });
  }
  const size = absolute(x);
  if (p === Infinity) return primitive.reduce(size, "max", axes);
  if (p === -Infinity) return primitive.neg(primitive.reduce(primitive.neg(size), "max", axes));
  if (p === 0) return primitive.cast(count(x, axes), x.dtype);
  if (p === 1) return primitive.reduce(size, "sum", axes);
  if (p === 2) return flatRoot(primitive.reduce(primitive.mul(x, x), "sum", axes));
  // 0 to a negative power, which the derivative of |x|ᵖ or of the root may need, is infinite: step round it.
  const total = primitive.reduce(flatPower(size, p), "sum", axes);
  return flatPower(total, 1 / p);
}

/** xᵖ for x >= 0, with the derivative 0 at 0. */
function flatPower(x: Tensor, p: number): Tensor {
  const zero = primitive.equal(x, filledLike(x, 0));
  const power = primitive.pow(primitive.where(zero, filledLike(x, 1), x), filledLike(x, p));
  return primitive.where(zero, filledLike(x, p > 0 ? 0 : Infinity), power);
}
