/**
 * Arithmetic, elementwise and broadcasting. An operand may be a number, which takes the dtype of the tensor it meets;
 * dtypes never mix silently and bool has no arithmetic.
 */
import { isFloat } from "../core/dtype.ts";
import { DTypeError, ValueError } from "../core/errors.ts";
import { primitive } from "../core/primitives.ts";
import type { Shape } from "../core/shape.ts";
import { Tensor } from "../core/tensor.ts";
import type { Combined, CombineCheck, Operand } from "../types/index.ts";
import {
  absolute, commonShape, filledLike, floatPair, numericPair, requireFloat, requireNumeric, requireSameDType, scalarLike,
  stretch, toTensor, typed, withPartials,
} from "./operands.ts";
import { minus } from "./pieces.ts";

/** `a + b`. `add(tensor([1, 2]), 1)` is `[2, 3]`. */
export const add = <A extends Operand, B extends Operand>(
  a: A,
  b: B & CombineCheck<"add", A, B>,
): Combined<A, B> => typed(primitive.add(...numericPair("add", a, b)));

/** `a - b`. */
export function sub<A extends Operand, B extends Operand>(
  a: A,
  b: B & CombineCheck<"sub", A, B>,
): Combined<A, B> {
  const [left, right] = numericPair("sub", a, b);
  return typed(minus(left, right));
}

/** `a · b`, elementwise. For products of matrices see `matmul`. */
export const mul = <A extends Operand, B extends Operand>(
  a: A,
  b: B & CombineCheck<"mul", A, B>,
): Combined<A, B> => typed(primitive.mul(...numericPair("mul", a, b)));

/** `a / b` of floats; integers are refused, since their quotient is not one. */
export function div<A extends Operand, B extends Operand>(
  a: A,
  b: B & CombineCheck<"div", A, B>,
): Combined<A, B> {
  const [left, right] = numericPair("div", a, b);
  if (!isFloat(left.dtype)) {
    throw new DTypeError("div", `the quotient of ${left.dtype} is not ${left.dtype}`, {
      received: left.dtype,
      hint: `use floorDiv, or cast both: cast(x, "float32")`,
    });
  }
  return typed(primitive.div(left, right));
}

/** ⌊a / b⌋. An integer divided by 0 gives 0. */
export function floorDiv<A extends Operand, B extends Operand>(
  a: A,
  b: B & CombineCheck<"floorDiv", A, B>,
): Combined<A, B> {
  const [left, right] = numericPair("floorDiv", a, b);
  const quotient = primitive.div(left, right);
  if (isFloat(left.dtype)) return typed(primitive.floor(quotient));
  if (left.dtype !== "int32") return typed(quotient);
  const rest = minus(left, primitive.mul(quotient, right));
  return typed(primitive.where(opposed(rest, right), minus(quotient, filledLike(quotient, 1)), quotient));
}

/** `-x`. Unsigned integers wrap. */
export const neg = <S extends Shape>(x: Tensor<S>): Tensor<S> =>
  typed(primitive.neg(requireNumeric("neg", x)));

/** |x|. The derivative at 0 is 0. */
export const abs = <S extends Shape>(x: Tensor<S>): Tensor<S> => typed(magnitude(requireNumeric("abs", x)));

/** -1, 0 or 1 as `x` is negative, zero or positive; 0 for NaN, as PyTorch. */
export function sign<S extends Shape>(x: Tensor<S>): Tensor<S> {
  const zero = filledLike(requireNumeric("sign", x), 0);
  const positive = primitive.cast(primitive.less(zero, x), x.dtype);
  return typed(minus(positive, primitive.cast(primitive.less(x, zero), x.dtype)));
}

/** x². */
export const square = <S extends Shape>(x: Tensor<S>): Tensor<S> =>
  typed(primitive.mul(requireNumeric("square", x), x));

/** √x; NaN below 0. The derivative at 0 is Infinity. */
export const sqrt = <S extends Shape>(x: Tensor<S>): Tensor<S> => typed(primitive.sqrt(requireFloat("sqrt", x)));

/** 1/√x. */
export const rsqrt = <S extends Shape>(x: Tensor<S>): Tensor<S> =>
  typed(primitive.div(filledLike(requireFloat("rsqrt", x), 1), primitive.sqrt(x)));

/** 1/x. */
export const reciprocal = <S extends Shape>(x: Tensor<S>): Tensor<S> =>
  typed(primitive.div(filledLike(requireFloat("reciprocal", x), 1), x));

/**
 * aᵇ, with the conventions of C: x⁰ = 1 for every x and 1ʸ = 1 for every y, NaN included. A constant exponent that is
 * a small whole number multiplies, so negative bases are exact and integers are allowed.
 */
export function pow<A extends Operand, B extends Operand>(
  a: A,
  b: B & CombineCheck<"pow", A, B>,
): Combined<A, B> {
  if (a instanceof Tensor && !(b instanceof Tensor)) {
    const power = powerBy(requireNumeric("pow", a), Number(b));
    if (power) return typed(power);
  }
  return typed(primitive.pow(...floatPair("pow", a, b)));
}

/** Exponents up to which repeated multiplication is used: four products lose at most 3 ulp. */
const LARGEST_UNROLLED = 4;

function powerBy(x: Tensor, exponent: number): Tensor | null {
  const integral = !isFloat(x.dtype);
  if (exponent === 0.5 && !integral) return primitive.sqrt(x);
  if (exponent === -1 && !integral) return primitive.div(filledLike(x, 1), x);
  if (!Number.isInteger(exponent) || exponent < 0 || (exponent > LARGEST_UNROLLED && !integral)) {
    if (!integral) return null;
    throw new ValueError("pow", `${x.dtype} to the power ${exponent} is not ${x.dtype}`, {
      received: exponent,
      hint: `use a whole exponent >= 0, or cast: cast(x, "float32")`,
    });
  }
  if (exponent === 0) return filledLike(x, 1);
  let result: Tensor | null = null;
  let base = x;
  for (let rest = exponent; ; base = primitive.mul(base, base)) {
    if (rest % 2 === 1) result = result ? primitive.mul(result, base) : base;
    rest = Math.floor(rest / 2);
    if (rest === 0) return result!;
  }
}

/** The larger of both; NaN if either is. Where they are equal each gets half of the derivative. */
export const maximum = <A extends Operand, B extends Operand>(
  a: A,
  b: B & CombineCheck<"maximum", A, B>,
): Combined<A, B> => typed(primitive.max(...numericPair("maximum", a, b)));

/** The smaller of both; NaN if either is. Where they are equal each gets half of the derivative. */
export function minimum<A extends Operand, B extends Operand>(
  a: A,
  b: B & CombineCheck<"minimum", A, B>,
): Combined<A, B> {
  const [left, right] = numericPair("minimum", a, b);
  return typed(smaller(left, right));
}

/**
 * `x` kept within `min` and `max` (either may be left out); where they cross, `max` wins. The derivative is 1 inside
 * and on the bounds, 0 outside.
 */
export function clamp<S extends Shape>(
  x: Tensor<S>,
  { min, max }: { readonly min?: Operand | undefined; readonly max?: Operand | undefined },
): Tensor<S> {
  if (min === undefined && max === undefined) {
    throw new ValueError("clamp", "neither min nor max is given", { hint: "give at least one" });
  }
  let result: Tensor = requireNumeric("clamp", x);
  if (min !== undefined) {
    const [value, low] = numericPair("clamp", result, min);
    result = primitive.where(primitive.less(value, low), low, value);
  }
  if (max !== undefined) {
    const [value, high] = numericPair("clamp", result, max);
    result = primitive.where(primitive.less(high, value), high, value);
  }
  return typed(result);
}

/** a + weight·(b - a). */
export function lerp<A extends Operand, B extends Operand>(
  a: A,
  b: B & CombineCheck<"lerp", A, B>,
  weight: Operand,
): Combined<A, B> {
  const [start, end] = floatPair("lerp", a, b);
  const [step, scale] = floatPair("lerp", minus(end, start), weight);
  return typed(primitive.add(stretch(start, step.shape), primitive.mul(step, scale)));
}

/** x + value·a·b, all broadcast. */
export function addcmul<X extends Tensor, A extends Operand>(
  x: X,
  a: A & CombineCheck<"addcmul", X, A>,
  b: Operand,
  { value = 1 }: { readonly value?: number } = {},
): Combined<X, A> {
  const [left, right] = [toTensor("addcmul", a, x.dtype), toTensor("addcmul", b, x.dtype)];
  requireSameDType("addcmul", requireNumeric("addcmul", x), left, "a");
  requireSameDType("addcmul", x, right);
  const shape = commonShape("addcmul", [x.shape, left.shape, right.shape]);
  const product = primitive.mul(stretch(left, shape), stretch(right, shape));
  const scaled = value === 1 ? product : primitive.mul(stretch(scalarLike(x, value), shape), product);
  return typed(primitive.add(stretch(x, shape), scaled));
}

/**
 * The remainder of `a / b` truncated toward zero: it has the sign of `a`, as `%` in JavaScript. For floats the
 * absolute error is that of rounding `a` itself, so large quotients leave few digits.
 */
export function fmod<A extends Operand, B extends Operand>(
  a: A,
  b: B & CombineCheck<"fmod", A, B>,
): Combined<A, B> {
  const [left, right] = numericPair("fmod", a, b);
  return typed(truncatedRest(left, right));
}

/** The remainder of `a / b` rounded down: it has the sign of `b`, as in Python. See `fmod` for the error. */
export function remainder<A extends Operand, B extends Operand>(
  a: A,
  b: B & CombineCheck<"remainder", A, B>,
): Combined<A, B> {
  const [left, right] = numericPair("remainder", a, b);
  const rest = truncatedRest(left, right);
  if (left.dtype !== "int32" && !isFloat(left.dtype)) return typed(rest);
  return typed(primitive.where(opposed(rest, right), primitive.add(rest, right), rest));
}

/** √(a² + b²) without overflow on the way. The derivative at (0, 0) is 0. */
export function hypot<A extends Operand, B extends Operand>(
  a: A,
  b: B & CombineCheck<"hypot", A, B>,
): Combined<A, B> {
  const share = (side: 0 | 1) => (sources: readonly Tensor[], length: Tensor): Tensor => {
    const zero = primitive.equal(length, filledLike(length, 0));
    return primitive.div(sources[side]!, primitive.where(zero, filledLike(length, 1), length));
  };
  return typed(withPartials("hypot", floatPair("hypot", a, b), lengthOf, [share(0), share(1)]));
}

function lengthOf(a: Tensor, b: Tensor): Tensor {
  const [x, y] = [magnitude(a), magnitude(b)];
  const long = primitive.max(x, y);
  const short = smaller(x, y);
  const one = filledLike(long, 1);
  const flat = primitive.equal(long, filledLike(long, 0));
  const ratio = primitive.div(short, primitive.where(flat, one, long));
  const length = primitive.mul(long, primitive.sqrt(primitive.add(one, primitive.mul(ratio, ratio))));
  return primitive.where(primitive.equal(long, filledLike(long, Infinity)), long, length);
}

const magnitude = (x: Tensor): Tensor => (isFloat(x.dtype) || x.dtype === "int32" ? absolute(x) : x);

/** -max(-a, -b) shares ties as `max` does; for integers negation could overflow, so they choose. */
const smaller = (a: Tensor, b: Tensor): Tensor =>
  isFloat(a.dtype)
    ? primitive.neg(primitive.max(primitive.neg(a), primitive.neg(b)))
    : primitive.where(primitive.less(a, b), a, b);

/** Where `rest` is not 0 and has the other sign than `divisor`. */
function opposed(rest: Tensor, divisor: Tensor): Tensor {
  const zero = filledLike(rest, 0);
  const negative = primitive.less(rest, zero);
  const positive = primitive.less(zero, rest);
  const none = filledLike(negative, 0);
  return primitive.where(
    primitive.less(divisor, zero),
    positive,
    primitive.where(primitive.less(zero, divisor), negative, none),
  );
}

function truncatedRest(a: Tensor, b: Tensor): Tensor {
  const quotient = primitive.div(a, b);
  if (!isFloat(a.dtype)) return minus(a, primitive.mul(quotient, b));
  const zero = filledLike(a, 0);
  const down = primitive.floor(quotient);
  const whole = primitive.where(
    primitive.less(quotient, zero),
    primitive.neg(primitive.floor(primitive.neg(quotient))),
    down,
  );
  // Rounding the quotient may carry it over a whole number: then the rest has the wrong sign, by one divisor.
  const rest = minus(a, primitive.mul(whole, b));
  const size = magnitude(b);
  const fixed = primitive.where(
    primitive.less(a, zero),
    primitive.where(primitive.less(zero, rest), minus(rest, size), rest),
    primitive.where(primitive.less(rest, zero), primitive.add(rest, size), rest),
  );
  // x mod ±∞ is x; the formula above has 0·∞ there.
  const infinite = primitive.equal(size, filledLike(size, Infinity));
  const finite = primitive.less(magnitude(a), filledLike(a, Infinity));
  const keep = primitive.where(infinite, finite, filledLike(infinite, 0));
  return primitive.where(keep, a, fixed);
}
