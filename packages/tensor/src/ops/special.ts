/**
 * Functions that have no primitive: the gamma family and the inverse of erf. Each is one expression of primitives
 * good to the last digits of float64 (checked against SciPy), so derivatives of any order follow from the table.
 */
import { primitive } from "../core/primitives.ts";
import type { Shape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { lesser, magnitude, minus, scaled, shifted } from "./pieces.ts";
import { filledLike, requireFloat } from "./operands.ts";

/** c₀ + c₁x + c₂x² + …, by Horner's rule. */
export function polynomial(x: Tensor, coefficients: readonly number[]): Tensor {
  const last = filledLike(x, coefficients.at(-1)!);
  return coefficients
    .slice(0, -1)
    .reduceRight((sum, coefficient) => shifted(primitive.mul(sum, x), coefficient), last);
}

/** Bernoulli numbers B₂ₖ for k = 1 … 8; the terms they give at x ≥ 8 fall below 1e-15. */
const bernoulli = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510] as const;

/** Where the asymptotic series starts; below, the recurrence takes this many steps up. */
const seriesFrom = 8;

/** What both functions make of an argument. Every value stays harmless where it is not the one chosen. */
interface GammaArguments {
  /** x < 1/2, where the reflection formula applies. */
  readonly isReflected: Tensor;
  /** x, or 1 - x where reflected: at least 1/2. */
  readonly right: Tensor;
  /** `right` < 8. */
  readonly isSmall: Tensor;
  /** `right`, or `right` + 8 where small. */
  readonly large: Tensor;
  /** Distance of x from the nearest integer, in [0, 1/2], and whether that integer is above. */
  readonly distance: Tensor;
  readonly isAbove: Tensor;
}

function gammaArguments(x: Tensor): GammaArguments {
  const isReflected = primitive.less(x, filledLike(x, 0.5));
  const right = primitive.where(isReflected, shifted(primitive.neg(x), 1), x);
  const isSmall = primitive.less(right, filledLike(x, seriesFrom));
  const large = primitive.where(isSmall, shifted(right, seriesFrom), right);
  const fraction = minus(x, primitive.floor(x));
  const isAbove = primitive.less(filledLike(x, 0.5), fraction);
  const distance = primitive.where(isAbove, shifted(primitive.neg(fraction), 1), fraction);
  return { isReflected, right, isSmall, large, distance, isAbove };
}

/** `right` where it is small, else 1: the recurrence must not overflow where it is not wanted. */
const smallOnly = ({ isSmall, right }: GammaArguments): Tensor =>
  primitive.where(isSmall, right, filledLike(right, 1));

/**
 * `log |Γ(x)|`. Stirling's series from 8 up, the recurrence below, the reflection formula left of 1/2; +Infinity at
 * 0, -1, -2 … and at ±Infinity. float64: relative error below 1e-12 except next to its zeros (Abramowitz and Stegun
 * 6.1.17, 6.1.41).
 */
export function lgamma<S extends Shape>(x: Tensor<S>): Tensor<S> {
  requireFloat("lgamma", x);
  const parts = gammaArguments(x);
  const { isReflected, isSmall, large, distance } = parts;
  const inverse = primitive.div(filledLike(x, 1), large);
  const series = primitive.mul(
    inverse,
    polynomial(primitive.mul(inverse, inverse), bernoulli.map((b, i) => b / ((2 * i + 2) * (2 * i + 1)))),
  );
  // (x - ½)(log x - 1) - ½ is (x - ½) log x - x without ∞ - ∞.
  const leading = primitive.mul(shifted(large, -0.5), shifted(primitive.log(large), -1));
  const stirling = primitive.add(shifted(leading, Math.log(2 * Math.PI) / 2 - 0.5), series);
  const product = risingProduct(smallOnly(parts));
  const right = minus(stirling, primitive.where(isSmall, primitive.log(product), filledLike(x, 0)));
  // Γ(x) Γ(1 - x) = π / sin πx
  const sine = primitive.sin(scaled(primitive.where(isReflected, distance, filledLike(x, 0.5)), Math.PI));
  const reflected = minus(filledLike(x, Math.log(Math.PI)), primitive.add(primitive.log(sine), right));
  const finite = primitive.where(isReflected, reflected, right);
  const lowest = filledLike(x, -Infinity);
  return primitive.where(primitive.equal(x, lowest), filledLike(x, Infinity), finite) as Tensor<S>;
}

/** x (x + 1) … (x + 7). */
const risingProduct = (x: Tensor): Tensor =>
  Array.from({ length: seriesFrom }, (_, i) => shifted(x, i)).reduce((a, b) => primitive.mul(a, b));

/**
 * The slope of `lgamma`, `Γ′(x) / Γ(x)`. Series from 8 up, the recurrence below, the reflection formula left of 1/2;
 * -Infinity at 0 and NaN at -1, -2 …, where the two sides disagree. float64: relative error below 1e-12 except next
 * to its zeros (Abramowitz and Stegun 6.3.5, 6.3.7, 6.3.18).
 */
export function digamma<S extends Shape>(x: Tensor<S>): Tensor<S> {
  requireFloat("digamma", x);
  const parts = gammaArguments(x);
  const { isReflected, isSmall, large, distance, isAbove } = parts;
  const zero = filledLike(x, 0);
  const one = filledLike(x, 1);
  const inverse = primitive.div(one, large);
  const square = primitive.mul(inverse, inverse);
  const series = primitive.mul(square, polynomial(square, bernoulli.map((b, i) => b / (2 * i + 2))));
  const asymptotic = minus(minus(primitive.log(large), scaled(inverse, 0.5)), series);
  const small = smallOnly(parts);
  const steps = Array.from({ length: seriesFrom }, (_, i) => primitive.div(one, shifted(small, i)))
    .reduce((a, b) => primitive.add(a, b));
  const right = minus(asymptotic, primitive.where(isSmall, steps, zero));
  // ψ(x) = ψ(1 - x) - π / tan πx; the tangent takes its sign from the side of the nearest integer.
  const angle = scaled(primitive.where(isReflected, distance, filledLike(x, 0.25)), Math.PI);
  const cotangent = primitive.div(primitive.cos(angle), primitive.sin(angle));
  const signed = primitive.where(isAbove, primitive.neg(cotangent), cotangent);
  const reflected = minus(right, scaled(signed, Math.PI));
  const value = primitive.where(isReflected, reflected, right);
  const isPole = primitive.where(
    primitive.less(x, zero),
    primitive.equal(distance, zero),
    primitive.constant(0, x.shape, "bool"),
  );
  return primitive.where(isPole, filledLike(x, NaN), value) as Tensor<S>;
}

/**
 * Rational approximations of the normal quantile (Wichura 1988, algorithm AS 241, PPND16; relative error 1e-16):
 * [numerator, denominator] around the median, in the tail, in the far tail.
 */
const central = [
  [
    3.3871328727963665, 133.14166789178438, 1971.5909503065513, 13731.69376550946,
    45921.95393154987, 67265.7709270087, 33430.57558358813, 2509.0809287301227,
  ],
  [
    1, 42.31333070160091, 687.1870074920579, 5394.196021424751,
    21213.794301586597, 39307.89580009271, 28729.085735721943, 5226.495278852854,
  ],
] as const;
const tail = [
  [
    1.4234371107496835, 4.630337846156546, 5.769497221460691, 3.6478483247632045,
    1.2704582524523684, 0.2417807251774506, 0.022723844989269184, 0.0007745450142783414,
  ],
  [
    1, 2.053191626637759, 1.6763848301838038, 0.6897673349851,
    0.14810397642748008, 0.015198666563616457, 0.0005475938084995345, 1.0507500716444169e-9,
  ],
] as const;
const farTail = [
  [
    6.657904643501103, 5.463784911164114, 1.7848265399172913, 0.29656057182850487,
    0.026532189526576124, 0.0012426609473880784, 2.7115555687434876e-5, 2.0103343992922881e-7,
  ],
  [
    1, 0.599832206555888, 0.1369298809227358, 0.014875361290850615,
    0.0007868691311456133, 1.8463183175100548e-5, 1.421511758316446e-7, 2.0442631033899397e-15,
  ],
] as const;

const ratio = (x: Tensor, [numerator, denominator]: readonly [readonly number[], readonly number[]]): Tensor =>
  primitive.div(polynomial(x, numerator), polynomial(x, denominator));

/**
 * The standard normal quantile of a probability given as its distance `q` from 1/2 and the smaller of it and its
 * complement, `p = 1/2 - |q|`: two views of one number, so that neither end loses digits.
 */
export function normalQuantile(q: Tensor, p: Tensor): Tensor {
  const isCentral = primitive.lessEqual(magnitude(q), filledLike(q, 0.425));
  const middle = primitive.where(isCentral, q, filledLike(q, 0));
  const near = primitive.mul(middle, ratio(shifted(primitive.neg(primitive.mul(middle, middle)), 0.180625), central));
  const outer = primitive.where(isCentral, filledLike(p, 0.05), p);
  const root = primitive.sqrt(primitive.neg(primitive.log(outer)));
  const isTail = primitive.lessEqual(root, filledLike(root, 5));
  const moderate = lesser(root, filledLike(root, 5));
  const extreme = primitive.max(root, filledLike(root, 5));
  const size = primitive.where(isTail, ratio(shifted(moderate, -1.6), tail), ratio(shifted(extreme, -5), farTail));
  const signed = primitive.where(primitive.less(q, filledLike(q, 0)), primitive.neg(size), size);
  return primitive.where(isCentral, near, signed);
}

/**
 * The inverse of erf on (-1, 1); ±Infinity at ±1, NaN outside. Wichura's AS 241, whose relative error is 1e-16 in
 * float64.
 */
export function erfinv<S extends Shape>(x: Tensor<S>): Tensor<S> {
  requireFloat("erfinv", x);
  const one = filledLike(x, 1);
  const size = magnitude(x);
  const isEdge = primitive.equal(size, one);
  const inside = primitive.where(isEdge, filledLike(x, 0), x);
  const complement = scaled(minus(one, magnitude(inside)), 0.5);
  const finite = scaled(normalQuantile(scaled(inside, 0.5), complement), Math.SQRT1_2);
  const edge = primitive.where(primitive.less(x, filledLike(x, 0)), filledLike(x, -Infinity), filledLike(x, Infinity));
  return primitive.where(isEdge, edge, finite) as Tensor<S>;
}
