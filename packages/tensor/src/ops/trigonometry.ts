/**
 * Circular and hyperbolic functions and their inverses, elementwise on floats. The inverses carry their textbook
 * derivatives, since the formulas that are exact at the ends of the domain do not differentiate well there.
 */
import type { DType } from "../core/dtype.ts";
import { primitive } from "../core/primitives.ts";
import type { Shape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Combined, CombineCheck, Operand } from "../types/index.ts";
import { absolute, filledLike, floatPair, requireFloat, typed, withPartials } from "./operands.ts";
import { minus } from "./pieces.ts";

/** The sine of x radians. */
export const sin = <S extends Shape>(x: Tensor<S>): Tensor<S> => typed(primitive.sin(requireFloat("sin", x)));

/** The cosine of x radians. */
export const cos = <S extends Shape>(x: Tensor<S>): Tensor<S> => typed(primitive.cos(requireFloat("cos", x)));

/** sin x / cos x. */
export const tan = <S extends Shape>(x: Tensor<S>): Tensor<S> =>
  typed(primitive.div(primitive.sin(requireFloat("tan", x)), primitive.cos(x)));

/** The angle in [-π/2, π/2] with sine x; NaN outside [-1, 1]. */
export const asin = <S extends Shape>(x: Tensor<S>): Tensor<S> =>
  typed(
    withPartials("asin", [requireFloat("asin", x)], (s) => primitive.atan(primitive.div(s, cosineOf(s))), [
      ([s]) => inverse(cosineOf(s!)),
    ]),
  );

/** The angle in [0, π] with cosine x; NaN outside [-1, 1]. */
export const acos = <S extends Shape>(x: Tensor<S>): Tensor<S> =>
  typed(
    withPartials("acos", [requireFloat("acos", x)], halfAngle, [([s]) => primitive.neg(inverse(cosineOf(s!)))]),
  );

/** 2·atan √((1 - x)/(1 + x)), which keeps its digits near x = 1. */
function halfAngle(x: Tensor): Tensor {
  const one = filledLike(x, 1);
  const half = primitive.atan(primitive.sqrt(primitive.div(minus(one, x), primitive.add(one, x))));
  return primitive.add(half, half);
}

/** √(1 - s²) as √((1 - s)(1 + s)), whose factors are exact near ±1. */
function cosineOf(s: Tensor): Tensor {
  const one = filledLike(s, 1);
  return primitive.sqrt(primitive.mul(minus(one, s), primitive.add(one, s)));
}

/** The angle in (-π/2, π/2) with tangent x. */
export const atan = <S extends Shape>(x: Tensor<S>): Tensor<S> => typed(primitive.atan(requireFloat("atan", x)));

/** The angle in [-π, π] of the point (x, y) seen from the origin: y comes first. The derivative at (0, 0) is 0. */
export function atan2<A extends Operand, B extends Operand>(
  y: A,
  x: B & CombineCheck<"atan2", A, B>,
): Combined<A, B> {
  const partial = (mine: 0 | 1) => ([p, q]: readonly Tensor[]): Tensor => {
    const slope = slopeOf(p!, q!);
    return mine === 0 ? slope(q!) : primitive.neg(slope(p!));
  };
  return typed(withPartials("atan2", floatPair("atan2", y, x), angle, [partial(0), partial(1)]));
}

/** v ↦ v/(x² + y²), scaled by the larger of both so that the squares neither overflow nor vanish. */
function slopeOf(y: Tensor, x: Tensor): (v: Tensor) => Tensor {
  const large = primitive.max(absolute(x), absolute(y));
  const origin = primitive.equal(large, filledLike(large, 0));
  const scale = primitive.where(origin, filledLike(large, 1), large);
  const [u, w] = [primitive.div(x, scale), primitive.div(y, scale)];
  const sum = primitive.add(primitive.mul(u, u), primitive.mul(w, w));
  const safe = primitive.where(origin, filledLike(sum, 1), sum);
  return (v) => primitive.div(primitive.div(primitive.div(v, scale), safe), scale);
}

/** The angle of the first octant by the smaller over the larger, then reflected into its own. */
function angle(y: Tensor, x: Tensor): Tensor {
  const of = (value: number): Tensor => filledLike(x, value);
  const [height, width] = [absolute(y), absolute(x)];
  const steep = primitive.less(width, height);
  const small = primitive.where(steep, width, height);
  const large = primitive.max(width, height);
  // Equal sides are 45°, even where both are infinite; at the origin the angle is 0.
  const diagonal = primitive.where(primitive.equal(large, of(0)), of(0), of(1));
  const ratio = primitive.where(primitive.equal(width, height), diagonal, primitive.div(small, large));
  const octant = primitive.atan(ratio);
  const quadrant = primitive.where(steep, minus(of(Math.PI / 2), octant), octant);
  const half = primitive.where(isNegative(x), minus(of(Math.PI), quadrant), quadrant);
  return primitive.where(isNegative(y), primitive.neg(half), half);
}

/** x < 0, or x = -0. */
function isNegative(x: Tensor): Tensor {
  const zero = filledLike(x, 0);
  const inverted = primitive.div(filledLike(x, 1), x);
  return primitive.less(primitive.where(primitive.equal(x, zero), inverted, x), zero);
}

/** Beyond this eˣ + e⁻ˣ is eˣ in float64 too. */
const ONE_SIDED = 22;

/** (eˣ - e⁻ˣ)/2. */
export const sinh = <S extends Shape>(x: Tensor<S>): Tensor<S> => typed(hyperbolicSine(requireFloat("sinh", x)));

const hyperbolicSine = (x: Tensor): Tensor =>
  withPartials("sinh", [x], sinhFormula, [([s]) => hyperbolicCosine(s!)]);

const hyperbolicCosine = (x: Tensor): Tensor =>
  withPartials("cosh", [x], coshFormula, [([s]) => hyperbolicSine(s!)]);

/** With e = exp(x) - 1, sinh is (e + e/(e + 1))/2, exact near 0; far out it is half an exponential. */
function sinhFormula(x: Tensor): Tensor {
  const size = absolute(x);
  const near = primitive.expm1(below(size, ONE_SIDED));
  const both = primitive.add(near, primitive.div(near, primitive.add(near, filledLike(x, 1))));
  return withSign(x, chooseBelow(size, ONE_SIDED, primitive.mul(both, filledLike(x, 0.5)), halfExp(size)));
}

/** (eˣ + e⁻ˣ)/2. */
export const cosh = <S extends Shape>(x: Tensor<S>): Tensor<S> => typed(hyperbolicCosine(requireFloat("cosh", x)));

function coshFormula(x: Tensor): Tensor {
  const size = absolute(x);
  const near = primitive.exp(below(size, ONE_SIDED));
  const both = primitive.add(near, inverse(near));
  return chooseBelow(size, ONE_SIDED, primitive.mul(both, filledLike(x, 0.5)), halfExp(size));
}

/** eˣ/2 in two factors, so that it overflows only where the result does. */
function halfExp(x: Tensor): Tensor {
  const root = primitive.exp(primitive.mul(x, filledLike(x, 0.5)));
  return primitive.mul(primitive.mul(root, filledLike(x, 0.5)), root);
}

/** sinh x / cosh x. */
export const tanh = <S extends Shape>(x: Tensor<S>): Tensor<S> => typed(primitive.tanh(requireFloat("tanh", x)));

/** Where √(x² ± 1) is x to the last bit. */
const farOut = (dtype: DType): number => (dtype === "float64" ? 2 ** 28 : 2 ** 13);

/** The inverse of sinh. */
export const asinh = <S extends Shape>(x: Tensor<S>): Tensor<S> =>
  typed(
    withPartials("asinh", [requireFloat("asinh", x)], asinhFormula, [
      ([s]) => {
        const size = absolute(s!);
        const near = below(size, farOut(s!.dtype));
        const one = filledLike(size, 1);
        const root = primitive.sqrt(primitive.add(primitive.mul(near, near), one));
        return inverse(chooseBelow(size, farOut(s!.dtype), root, size));
      },
    ]),
  );

function asinhFormula(x: Tensor): Tensor {
  const one = filledLike(x, 1);
  const size = absolute(x);
  const near = below(size, farOut(x.dtype));
  const squared = primitive.mul(near, near);
  const root = primitive.sqrt(primitive.add(squared, one));
  const inner = primitive.log1p(primitive.add(near, primitive.div(squared, primitive.add(one, root))));
  return withSign(x, chooseBelow(size, farOut(x.dtype), inner, logOfTwice(size)));
}

/** The inverse of cosh for x >= 1; NaN below. */
export const acosh = <S extends Shape>(x: Tensor<S>): Tensor<S> =>
  typed(
    withPartials("acosh", [requireFloat("acosh", x)], acoshFormula, [
      ([s]) => {
        const one = filledLike(s!, 1);
        return inverse(primitive.mul(primitive.sqrt(minus(s!, one)), primitive.sqrt(primitive.add(s!, one))));
      },
    ]),
  );

function acoshFormula(x: Tensor): Tensor {
  const excess = minus(below(x, farOut(x.dtype)), filledLike(x, 1));
  const root = primitive.mul(
    primitive.sqrt(excess),
    primitive.sqrt(primitive.add(excess, filledLike(x, 2))),
  );
  return chooseBelow(x, farOut(x.dtype), primitive.log1p(primitive.add(excess, root)), logOfTwice(x));
}

const logOfTwice = (x: Tensor): Tensor => primitive.add(primitive.log(x), filledLike(x, Math.LN2));

/** The inverse of tanh for |x| <= 1, infinite at the ends; NaN outside. */
export const atanh = <S extends Shape>(x: Tensor<S>): Tensor<S> =>
  typed(
    withPartials("atanh", [requireFloat("atanh", x)], atanhFormula, [
      ([s]) => {
        const one = filledLike(s!, 1);
        return inverse(primitive.mul(minus(one, s!), primitive.add(one, s!)));
      },
    ]),
  );

function atanhFormula(x: Tensor): Tensor {
  const size = absolute(x);
  const quotient = primitive.div(primitive.add(size, size), minus(filledLike(x, 1), size));
  return withSign(x, primitive.mul(primitive.log1p(quotient), filledLike(x, 0.5)));
}

const inverse = (x: Tensor): Tensor => primitive.div(filledLike(x, 1), x);

/** x, but `bound` where it is larger; NaN stays. */
const below = (x: Tensor, bound: number): Tensor =>
  primitive.where(primitive.less(filledLike(x, bound), x), filledLike(x, bound), x);

const chooseBelow = (x: Tensor, bound: number, near: Tensor, far: Tensor): Tensor =>
  primitive.where(primitive.less(filledLike(x, bound), x), far, near);

/** `size` with the sign of `x`. */
const withSign = (x: Tensor, size: Tensor): Tensor =>
  primitive.where(primitive.less(x, filledLike(x, 0)), primitive.neg(size), size);
