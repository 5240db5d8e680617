/**
 * x^y as exp(y·log|x|). float32 takes the logarithm in float64; float64 takes it in double-double arithmetic, because
 * an error of the logarithm is multiplied by up to 709 before it reaches the result.
 */
import { f32x4, f64x2, i32x4, v128 } from "./encoder.ts";
import { Lanes } from "./math.ts";
import type { MathContext, Vector } from "./math.ts";

/** The unevaluated sum high + low. */
interface Pair {
  readonly high: Vector;
  readonly low: Vector;
}

/** x^y of float32 lanes. */
export function pow32(context: MathContext, x: Vector, y: Vector): Vector {
  const wide = new Lanes(context, 64);
  const narrow = new Lanes(context, 32);
  const base = narrow.hold(x);
  const exponent = narrow.hold(y);
  const half = (lanes: readonly number[]): Vector => {
    const part = (value: Vector): Vector => f64x2.promote_low_f32x4(lanes[0] === 0 ? value : i32x4.shuffle(value, value, lanes));
    const log = wide.log(f64x2.abs(part(base)));
    return f32x4.demote_f64x2_zero(wide.exp(wide.hold(f64x2.mul(part(exponent), log))));
  };
  const magnitude = i32x4.shuffle(half([0, 1, 0, 1]), half([2, 3, 2, 3]), [0, 1, 4, 5]);
  return narrow.powSpecials(narrow.hold(magnitude), base, exponent);
}

/** x^y of float64 lanes. */
export function pow64(context: MathContext, x: Vector, y: Vector): Vector {
  const lanes = new Lanes(context, 64);
  const base = lanes.hold(x);
  const exponent = lanes.hold(y);
  const size = lanes.hold(f64x2.abs(base));
  const log = logPair(lanes, size);
  // Beyond 2^64 every power is 0, 1 or infinite, and the products below stay finite.
  const bounded = lanes.hold(f64x2.pmin(f64x2.pmax(exponent, lanes.constant(-(2 ** 64))), lanes.constant(2 ** 64)));
  const product = times(lanes, bounded, log.high);
  const low = f64x2.add(product.low, f64x2.mul(bounded, log.low));
  const regular = lanes.expPair(product.high, lanes.hold(low));
  // log 0 and log ∞ are infinite: the low parts are NaN, the plain product is right.
  const edge = v128.or(f64x2.eq(size, lanes.constant(0)), f64x2.eq(size, lanes.constant(Infinity)));
  const atEdge = lanes.select(
    lanes.hold(f64x2.lt(f64x2.mul(exponent, f64x2.sub(size, lanes.constant(1))), lanes.constant(0))),
    lanes.constant(0), lanes.constant(Infinity),
  );
  const guarded = v128.or(lanes.select(edge, atEdge, regular), v128.or(f64x2.ne(base, base), f64x2.ne(exponent, exponent)));
  return lanes.powSpecials(lanes.hold(guarded), base, exponent);
}

/** log x for positive finite x, to about 2^-65. */
function logPair(lanes: Lanes, x: Vector): Pair {
  const { add, sub, mul, div, lt } = f64x2;
  const tiny = lanes.hold(lt(x, lanes.constant(2 ** -1022)));
  const { fraction, exponent } = lanes.splitMantissa(lanes.hold(lanes.select(tiny, mul(x, lanes.constant(2 ** 52)), x)));
  const k = lanes.hold(sub(lanes.exponentAsFloat(exponent), v128.and(tiny, lanes.constant(52))));
  const f = lanes.hold(fraction);
  // s = f/(2 + f): the quotient, then what is missing from it.
  const denominator = sum(lanes, lanes.constant(2), f);
  const s = lanes.hold(div(f, denominator.high));
  const back = times(lanes, s, denominator.high);
  const missing = sub(sub(sub(f, back.high), back.low), mul(s, denominator.low));
  const ratio: Pair = { high: s, low: lanes.hold(div(missing, denominator.high)) };
  const square = product(lanes, ratio, ratio);
  const tail = lanes.hold(mul(square.high, lanes.polynomial(square.high, logTail)));
  const lead = sum(lanes, lanes.constant(2 / 3), tail);
  const series: Pair = { high: lead.high, low: lanes.hold(add(lead.low, lanes.constant(twoThirdsRest))) };
  const cubic = product(lanes, product(lanes, ratio, square), series);
  // k·log 2 + 2s + s·z·series, largest first where k ≠ 0.
  const whole = lanes.hold(mul(k, lanes.constant(log2[0])));
  const first = sum(lanes, whole, lanes.hold(add(ratio.high, ratio.high)));
  const second = sum(lanes, first.high, cubic.high);
  const low = add(add(first.low, second.low), add(add(ratio.low, ratio.low), add(cubic.low, mul(k, lanes.constant(log2[1])))));
  return sum(lanes, second.high, lanes.hold(low));
}

/** ((log((1 + s)/(1 - s))/s - 2)/z - 2/3)/z with z = s². */
const logTail = [0.4, 0.2857142857142834, 0.22222222222300977, 0.18181818167626482, 0.15384616899924092, 0.13333232505860224, 0.11768927365512384, 0.1041848210073954, 0.11045722141707782];
/** 2/3 less its nearest float64. */
const twoThirdsRest = 3.700743415417188e-17;
/** log 2: 41 bits, so that multiples by an exponent are exact, and the rest. */
const log2 = [0.693147180559663, 2.8235290563031577e-13] as const;

/** a + b exactly (Møller, Knuth). */
function sum(lanes: Lanes, a: Vector, b: Vector): Pair {
  const { add, sub } = f64x2;
  const high = lanes.hold(add(a, b));
  const back = lanes.hold(sub(high, a));
  return { high, low: lanes.hold(add(sub(a, sub(high, back)), sub(b, back))) };
}

/** a·b exactly (Dekker): relaxed multiply-add need not be fused, so it cannot be used here. */
function times(lanes: Lanes, a: Vector, b: Vector): Pair {
  const { add, sub, mul } = f64x2;
  const high = lanes.hold(mul(a, b));
  const [aHigh, aLow] = halves(lanes, a);
  const [bHigh, bLow] = halves(lanes, b);
  const low = add(add(add(sub(mul(aHigh, bHigh), high), mul(aHigh, bLow)), mul(aLow, bHigh)), mul(aLow, bLow));
  return { high, low: lanes.hold(low) };
}

/** a as the sum of two numbers of 26 bits. */
function halves(lanes: Lanes, a: Vector): [Vector, Vector] {
  const { sub, mul } = f64x2;
  const scaled = lanes.hold(mul(a, lanes.constant(2 ** 27 + 1)));
  const high = lanes.hold(sub(scaled, sub(scaled, a)));
  return [high, lanes.hold(sub(a, high))];
}

/** a·b to the precision of a pair. */
function product(lanes: Lanes, a: Pair, b: Pair): Pair {
  const { add, mul } = f64x2;
  const main = times(lanes, a.high, b.high);
  const cross = add(mul(a.high, b.low), mul(a.low, b.high));
  return { high: main.high, low: lanes.hold(add(main.low, cross)) };
}
