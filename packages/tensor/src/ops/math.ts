/**
 * Exponentials, logarithms, the error function and rounding, elementwise on floats. Functions whose derivative, taken
 * through their formula, would lose digits or give NaN carry partial derivatives of their own.
 */
import { isFloat } from "../core/dtype.ts";
import { ValueError } from "../core/errors.ts";
import { primitive } from "../core/primitives.ts";
import type { Shape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Combined, CombineCheck, Operand } from "../types/index.ts";
import { absolute, filledLike, floatPair, requireFloat, requireNumeric, typed, withPartials } from "./operands.ts";
import { minus } from "./pieces.ts";

/** eˣ. */
export const exp = <S extends Shape>(x: Tensor<S>): Tensor<S> => typed(primitive.exp(requireFloat("exp", x)));

/** 2ˣ. */
export const exp2 = <S extends Shape>(x: Tensor<S>): Tensor<S> =>
  typed(primitive.pow(filledLike(requireFloat("exp2", x), 2), x));

/** eˣ - 1, exact near 0. */
export const expm1 = <S extends Shape>(x: Tensor<S>): Tensor<S> => typed(primitive.expm1(requireFloat("expm1", x)));

/** The natural logarithm; -Infinity at 0, NaN below. */
export const log = <S extends Shape>(x: Tensor<S>): Tensor<S> => typed(primitive.log(requireFloat("log", x)));

/** The logarithm to base 2. */
export const log2 = <S extends Shape>(x: Tensor<S>): Tensor<S> => typed(logBase("log2", x, Math.LN2));

/** The logarithm to base 10. */
export const log10 = <S extends Shape>(x: Tensor<S>): Tensor<S> => typed(logBase("log10", x, Math.LN10));

const logBase = (op: string, x: Tensor, scale: number): Tensor =>
  primitive.div(primitive.log(requireFloat(op, x)), filledLike(x, scale));

/** log(1 + x), exact near 0. */
export const log1p = <S extends Shape>(x: Tensor<S>): Tensor<S> => typed(primitive.log1p(requireFloat("log1p", x)));

/** The error function 2/√π · ∫₀ˣ exp(-t²) dt. */
export const erf = <S extends Shape>(x: Tensor<S>): Tensor<S> => typed(primitive.erf(requireFloat("erf", x)));

/** 1 - erf x, with full relative precision in the right tail. */
export const erfc = <S extends Shape>(x: Tensor<S>): Tensor<S> =>
  typed(
    withPartials("erfc", [requireFloat("erfc", x)], complement, [
      ([source]) => {
        const bell = primitive.exp(primitive.neg(primitive.mul(source!, source!)));
        return primitive.mul(bell, filledLike(bell, -2 / Math.sqrt(Math.PI)));
      },
    ]),
  );

/**
 * Chebyshev coefficients of erfc(z)·exp(z²)·(2 + z)/2 in (2 - z)/(2 + z), which runs over (-1, 1] for z >= 0. Computed
 * to 40 digits from the function's values; the first one left out is 3.6e-17.
 */
const TAIL = [
  0.57703373861646969, 0.35543692127049849, 0.065095158828786525, 0.0036711423958366392, -0.0011128447433526325,
  -0.0001607582991537808, 3.2780315741731371e-5, 5.4424416455050161e-6, -1.5154665553171481e-6, -1.4297608181169865e-7,
  8.2346088274194934e-8, -1.2962846852306562e-9, -4.1547216310151983e-9, 6.3470582783628112e-10, 1.4320822712256224e-10,
  -6.1603901052045855e-11, 2.0612138554721696e-12, 3.5714931488477045e-12, -8.5864228432517965e-13, -6.1456002137906306e-14,
  7.4187257485966171e-14, -1.2895042755032326e-14, -2.3587263857106324e-15, 1.5729349381685911e-15, -2.2782966239546465e-16,
  -6.3123304507564298e-17,
] as const;

/** From here on erfc is 0 even in float64 (its smallest value is reached at 27.3). */
const TAIL_END = 40;

function complement(x: Tensor): Tensor {
  const of = (value: number): Tensor => filledLike(x, value);
  const size = absolute(x);
  const z = primitive.where(primitive.less(of(TAIL_END), size), of(TAIL_END), size);
  const y = primitive.div(minus(of(2), z), primitive.add(of(2), z));
  const twice = primitive.add(y, y);
  let [last, before] = [of(0), of(0)];
  for (let i = TAIL.length - 1; i > 0; i--) {
    [last, before] = [primitive.add(of(TAIL[i]!), minus(primitive.mul(twice, last), before)), last];
  }
  const series = primitive.add(of(TAIL[0]), minus(primitive.mul(y, last), before));
  // exp(-z²) with z² split at sixteenths, whose squares are exact: else the error of z² grows with z².
  const coarse = primitive.div(primitive.floor(primitive.mul(z, of(16))), of(16));
  const fine = primitive.mul(minus(coarse, z), primitive.add(coarse, z));
  const bell = primitive.mul(primitive.exp(primitive.neg(primitive.mul(coarse, coarse))), primitive.exp(fine));
  const right = primitive.mul(bell, primitive.div(primitive.add(series, series), primitive.add(of(2), z)));
  return primitive.where(primitive.less(x, of(0)), minus(of(2), right), right);
}

/** 1/(1 + e⁻ˣ). */
export const sigmoid = <S extends Shape>(x: Tensor<S>): Tensor<S> => typed(logistic(requireFloat("sigmoid", x)));

/** The derivative is σ(x)·σ(-x): 1 - σ(x) would lose every digit for large x. */
const logistic = (x: Tensor): Tensor =>
  withPartials("sigmoid", [x], logisticFormula, [
    ([source], output) => primitive.mul(output, logistic(primitive.neg(source!))),
  ]);

const logisticFormula = (x: Tensor): Tensor => {
  const one = filledLike(x, 1);
  return primitive.div(one, primitive.add(one, primitive.exp(primitive.neg(x))));
};

/** log(x/(1 - x)), the inverse of sigmoid; `eps` first keeps x within [eps, 1 - eps]. */
export function logit<S extends Shape>(x: Tensor<S>, { eps }: { readonly eps?: number } = {}): Tensor<S> {
  requireFloat("logit", x);
  if (eps === undefined) return typed(logOdds(x));
  if (!(eps >= 0 && eps <= 0.5)) {
    throw new ValueError("logit", `eps ${eps} is not in 0..0.5`, { received: eps, hint: "use a small number like 1e-6" });
  }
  const [low, high] = [filledLike(x, eps), filledLike(x, 1 - eps)];
  const raised = primitive.where(primitive.less(x, low), low, x);
  return typed(logOdds(primitive.where(primitive.less(high, raised), high, raised)));
}

const logOdds = (x: Tensor): Tensor =>
  withPartials("logit", [x], logOddsFormula, [
    ([source]) => {
      const one = filledLike(source!, 1);
      return primitive.div(one, primitive.mul(source!, minus(one, source!)));
    },
  ]);

/** Around ½, where the quotient is near 1, log1p of the quotient less 1 keeps the digits. */
function logOddsFormula(x: Tensor): Tensor {
  const of = (value: number): Tensor => filledLike(x, value);
  const rest = minus(of(1), x);
  const nearHalf = primitive.log1p(primitive.div(minus(x, rest), rest));
  const outside = primitive.log(primitive.div(x, rest));
  const inside = primitive.less(absolute(minus(x, of(0.5))), of(0.25));
  return primitive.where(inside, nearHalf, outside);
}

/** log(eᵃ + eᵇ) without overflow. */
export function logaddexp<A extends Operand, B extends Operand>(
  a: A,
  b: B & CombineCheck<"logaddexp", A, B>,
): Combined<A, B> {
  const share = (mine: 0 | 1) => (sources: readonly Tensor[]): Tensor =>
    logistic(distance(sources[mine]!, sources[1 - mine]!));
  return typed(
    withPartials("logaddexp", floatPair("logaddexp", a, b), logSumOfTwo, [share(0), share(1)]),
  );
}

const logSumOfTwo = (a: Tensor, b: Tensor): Tensor =>
  primitive.add(
    primitive.max(a, b),
    primitive.log1p(primitive.exp(primitive.neg(absolute(distance(a, b))))),
  );

/** a - b, but 0 for equal infinities. */
const distance = (a: Tensor, b: Tensor): Tensor =>
  primitive.where(primitive.equal(a, b), filledLike(a, 0), minus(a, b));

/** The largest whole number not above x. Integers stay as they are, in all four kinds of rounding. */
export const floor = <S extends Shape>(x: Tensor<S>): Tensor<S> => typed(rounded("floor", x, primitive.floor));

/** The smallest whole number not below x. */
export const ceil = <S extends Shape>(x: Tensor<S>): Tensor<S> => typed(rounded("ceil", x, up));

/** x without its fraction: rounded toward 0. */
export const trunc = <S extends Shape>(x: Tensor<S>): Tensor<S> => typed(rounded("trunc", x, towardZero));

/** The nearest whole number; halves go to the even one, as in IEEE 754. */
export const round = <S extends Shape>(x: Tensor<S>): Tensor<S> => typed(rounded("round", x, nearest));

/** x - trunc(x), which has the sign of x. */
export const frac = <S extends Shape>(x: Tensor<S>): Tensor<S> =>
  typed(minus(requireFloat("frac", x), towardZero(x)));

const rounded = (op: string, x: Tensor, how: (x: Tensor) => Tensor): Tensor =>
  isFloat(requireNumeric(op, x).dtype) ? how(x) : x;

const up = (x: Tensor): Tensor => primitive.neg(primitive.floor(primitive.neg(x)));

const towardZero = (x: Tensor): Tensor =>
  primitive.where(primitive.less(x, filledLike(x, 0)), up(x), primitive.floor(x));

function nearest(x: Tensor): Tensor {
  const of = (value: number): Tensor => filledLike(x, value);
  const low = primitive.floor(x);
  const high = primitive.add(low, of(1));
  const rest = minus(x, low);
  const half = primitive.mul(low, of(0.5));
  const even = primitive.where(primitive.equal(half, primitive.floor(half)), low, high);
  const tie = primitive.where(primitive.equal(rest, of(0.5)), even, low);
  return primitive.where(primitive.less(of(0.5), rest), high, tie);
}
