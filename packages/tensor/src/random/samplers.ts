/**
 * Distributions: what samplers make of the random words of a key. Integer work is exact and equal on every backend;
 * what floating point adds agrees to rounding. One key, one sample: two samplers given one key see the same words.
 */
import { type DType, type FloatType, computedIn, isFloat, roundTo } from "../core/dtype.ts";
import { DTypeError, ShapeError, ValueError } from "../core/errors.ts";
import { primitive } from "../core/primitives.ts";
import { type Shape, broadcastShapes, sameShape, showShape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { type AxisOption, take } from "../ops/indexing.ts";
import { lesser, minus, requireCount, scaled, shifted } from "../ops/pieces.ts";
import { erfinv, normalQuantile } from "../ops/special.ts";
import { longestSinglePass } from "./host.ts";
import { type Key, requireKey, requireShape, streams } from "./key.ts";
import { positionOf } from "../ops/axes.ts";
import { filledLike, requireFloat, stretch } from "../ops/operands.ts";

export interface FloatOptions {
  /** Default float32. float16 is float32, rounded. */
  readonly dtype?: FloatType;
}

function requireSampler(op: string, key: Key, shape: Shape, dtype: DType): void {
  requireKey(op, key);
  requireShape(op, shape);
  if (isFloat(dtype)) return;
  throw new DTypeError(op, `${String(dtype)} is not supported`, {
    expected: "float16, float32 or float64",
    received: dtype,
    hint: 'use dtype: "float32" and cast the result',
  });
}

/** What is computed with: float16 samples are float32 ones, rounded. */
type WideType = "float32" | "float64";

/** A sample in `dtype`, drawn in a dtype with enough digits. */
const drawn = (dtype: FloatType, draw: (wide: WideType) => Tensor): Tensor =>
  dtype === "float16" ? primitive.cast(draw("float32"), dtype) : draw(dtype);

/** Of float16 the float32 tensor of the same numbers, so that a sample is compared with what it was drawn for. */
const exact = (x: Tensor): Tensor => primitive.cast(x, computedIn(x.dtype));

const words = (key: Key, shape: Shape, stream: number = streams.bits): Tensor =>
  primitive.random(key, shape, stream);

/** The highest `count` bits of words. Integer division, since a cast may round up to a whole. */
const highest = (x: Tensor, count: number): Tensor => primitive.div(x, filledLike(x, 2 ** (32 - count)));

/** Multiples of 2⁻²⁴ (float32) or 2⁻⁵³ (float64) in [0, 1), equally likely. */
function unit(key: Key, shape: Shape, dtype: WideType): Tensor {
  if (dtype === "float32") {
    return scaled(primitive.cast(highest(words(key, shape), 24), dtype), 2 ** -24);
  }
  const high = primitive.cast(highest(words(key, shape), 27), dtype);
  const low = primitive.cast(highest(words(key, shape, streams.lowBits), 26), dtype);
  return scaled(primitive.add(scaled(high, 2 ** 26), low), 2 ** -53);
}

/**
 * Numbers in (0, 1) whose small ones are fine: (word + ½)·2⁻³² keeps 24 digits down to 2⁻³³ (float64: 53 digits down
 * to 2⁻⁶⁵), where multiples of 2⁻²⁴ would cut a tail off. At most 1 - 2⁻²⁴ (1 - 2⁻⁵³), so that no logarithm is of 0.
 */
function fine(key: Key, shape: Shape, dtype: WideType): Tensor {
  const high = primitive.cast(words(key, shape), dtype);
  const value =
    dtype === "float32"
      ? scaled(shifted(high, 0.5), 2 ** -32)
      : primitive.add(
          scaled(high, 2 ** -32),
          scaled(shifted(primitive.cast(words(key, shape, streams.lowBits), dtype), 0.5), 2 ** -64),
        );
  return lesser(value, filledLike(value, 1 - (dtype === "float32" ? 2 ** -24 : 2 ** -53)));
}

export interface UniformOptions extends FloatOptions {
  /** Least value. Default 0. */
  readonly low?: number;
  /** All values are below this. Default 1. */
  readonly high?: number;
}

/** Numbers in [low, high), with 24 random bits in float32 and 53 in float64; float16 rounds those of float32. */
export function uniform<const S extends Shape>(
  key: Key,
  shape: S,
  { low = 0, high = 1, dtype = "float32" }: UniformOptions = {},
): Tensor<S> {
  requireSampler("uniform", key, shape, dtype);
  if (!(low < high)) {
    throw new ValueError("uniform", `low ${low} is not below high ${high}`, {
      received: [low, high],
      hint: "give a low below the high",
    });
  }
  const isUnit = low === 0 && high === 1;
  const value = drawn(dtype, (wide) => {
    const share = unit(key, shape, wide);
    return isUnit ? share : shifted(scaled(share, high - low), low);
  });
  if (isUnit && dtype !== "float16") return value as Tensor<S>;
  // Rounding may reach `high`; the number before it is the greatest allowed.
  return lesser(value, filledLike(value, below(high, dtype))) as Tensor<S>;
}

/** The distance from 1 to the next number, and the smallest positive one. */
const spacings: Readonly<Record<FloatType, { readonly ulp: number; readonly smallest: number }>> = {
  float16: { ulp: 2 ** -10, smallest: 2 ** -24 },
  float32: { ulp: 2 ** -23, smallest: 2 ** -149 },
  float64: { ulp: 2 ** -52, smallest: 2 ** -1074 },
};

/** The greatest number of the dtype that is less than `value`. */
function below(value: number, dtype: FloatType): number {
  const { ulp, smallest } = spacings[dtype];
  const round = (x: number): number => roundTo(dtype, x);
  const top = round(value);
  if (top < value) return top;
  const step = Math.max(smallest, Math.abs(top) * ulp * 0.5);
  const next = round(top - step);
  return next < top ? next : round(top - 2 * step);
}

export interface NormalOptions extends FloatOptions {
  /** Default 0. */
  readonly mean?: number;
  /** Standard deviation. Default 1. */
  readonly std?: number;
}

/**
 * Normally distributed numbers, by the inverse of the distribution function. One bit of a word is the sign and the
 * others are a tail probability down to 2⁻³³, so that float32 reaches 6.3 standard deviations (float64: 9).
 */
export function normal<const S extends Shape>(
  key: Key,
  shape: S,
  { mean = 0, std = 1, dtype = "float32" }: NormalOptions = {},
): Tensor<S> {
  requireSampler("normal", key, shape, dtype);
  if (!(std >= 0)) {
    throw new ValueError("normal", `std is ${std}`, { received: std, hint: "use a number of at least 0" });
  }
  return drawn(dtype, (wide) => normalIn(wide, key, shape, mean, std)) as Tensor<S>;
}

function normalIn(dtype: WideType, key: Key, shape: Shape, mean: number, std: number): Tensor {
  const word = words(key, shape);
  const isUpper = primitive.less(word, filledLike(word, 2 ** 31));
  // Doubling drops the sign bit: (2·word + 1)·2⁻³³ is in (0, ½).
  const doubled = primitive.cast(shifted(scaled(word, 2), 1), dtype);
  const high = scaled(doubled, 2 ** -33);
  const tail =
    dtype === "float32"
      ? high
      : // The word of the other stream fills in what lies between two neighbors of the first.
        primitive.add(
          scaled(shifted(doubled, -1), 2 ** -33),
          scaled(shifted(primitive.cast(words(key, shape, streams.lowBits), dtype), 0.5), 2 ** -64),
        );
  const distance = shifted(primitive.neg(tail), 0.5);
  const q = primitive.where(isUpper, distance, primitive.neg(distance));
  return shifted(scaled(normalQuantile(q, tail), std), mean);
}

export interface TruncatedNormalOptions extends NormalOptions {
  /** Least value, in standard deviations from the mean. Default -2. */
  readonly low?: number;
  /** Greatest value, in standard deviations from the mean. Default 2. */
  readonly high?: number;
}

/** Normal numbers of which only those between two bounds are kept: `mean + std·z`, z in [low, high]. */
export function truncatedNormal<const S extends Shape>(
  key: Key,
  shape: S,
  { low = -2, high = 2, mean = 0, std = 1, dtype = "float32" }: TruncatedNormalOptions = {},
): Tensor<S> {
  requireSampler("truncatedNormal", key, shape, dtype);
  if (!(low < high)) {
    throw new ValueError("truncatedNormal", `low ${low} is not below high ${high}`, {
      received: [low, high],
      hint: "give a low below the high",
    });
  }
  return drawn(dtype, (wide) => {
    const edge = (bound: number): Tensor => primitive.erf(primitive.constant(bound * Math.SQRT1_2, shape, wide));
    const from = edge(low);
    const place = primitive.add(from, primitive.mul(fine(key, shape, wide), minus(edge(high), from)));
    const z = scaled(erfinv(place), Math.SQRT2);
    const kept = lesser(primitive.max(z, filledLike(z, low)), filledLike(z, high));
    return shifted(scaled(kept, std), mean);
  }) as Tensor<S>;
}

/**
 * True with probability `p`, a number or a float tensor that broadcasts to `shape` (default: its own shape).
 */
export function bernoulli<const S extends Shape>(key: Key, p: number | Tensor, shape: S): Tensor<S>;
export function bernoulli<S extends Shape>(key: Key, p: Tensor<S>): Tensor<S>;
export function bernoulli(key: Key, p: number | Tensor, shape?: Shape): Tensor {
  if (typeof p === "number") {
    if (!(p >= 0 && p <= 1)) {
      throw new ValueError("bernoulli", `p is ${p}`, {
        expected: "0..1",
        received: p,
        hint: "use a probability from 0 to 1",
      });
    }
    const share = uniform(key, shape ?? []);
    return primitive.less(share, filledLike(share, p));
  }
  requireFloat("bernoulli", p);
  const whole = shape ?? p.shape;
  const joined = broadcastShapes(p.shape, whole);
  if (!joined || !sameShape(joined, whole)) {
    throw new ShapeError("bernoulli", `p ${showShape(p.shape)} does not broadcast to ${showShape(whole)}`, {
      expected: whole,
      received: p.shape,
      hint: "give one probability per element, or lengths 1",
    });
  }
  const wide = exact(p);
  const share = uniform(key, whole, { dtype: wide.dtype as WideType });
  return primitive.less(share, stretch(wide, whole));
}

/** Exponentially distributed numbers of rate 1: `-log u`. */
export function exponential<const S extends Shape>(
  key: Key,
  shape: S,
  { dtype = "float32" }: FloatOptions = {},
): Tensor<S> {
  requireSampler("exponential", key, shape, dtype);
  return drawn(dtype, (wide) => primitive.neg(primitive.log(fine(key, shape, wide)))) as Tensor<S>;
}

/** Standard Gumbel numbers, `-log(-log u)`; their long upper tail comes from the fine end of the words. */
export function gumbel<const S extends Shape>(key: Key, shape: S, { dtype = "float32" }: FloatOptions = {}): Tensor<S> {
  requireSampler("gumbel", key, shape, dtype);
  return drawn(dtype, (wide) => {
    const waiting = primitive.neg(primitive.log1p(primitive.neg(fine(key, shape, wide))));
    return primitive.neg(primitive.log(waiting));
  }) as Tensor<S>;
}

export interface CategoricalOptions extends AxisOption {
  /** Draws so many for each row: leading axes of the result. Default `[]`. */
  readonly shape?: Shape;
}

/**
 * Class numbers (int32) with probabilities `softmax(logits)` along `axis` (default -1), which goes away: the largest
 * of logits plus Gumbel noise (Gumbel 1954; Maddison et al. 2014).
 */
export function categorical(key: Key, logits: Tensor, { axis = -1, shape = [] }: CategoricalOptions = {}): Tensor {
  requireFloat("categorical", logits);
  const at = positionOf("categorical", axis, logits.shape);
  if (logits.shape[at] === 0) {
    throw new ShapeError("categorical", `no classes along axis ${at} of shape ${showShape(logits.shape)}`, {
      received: logits.shape,
      hint: "give at least one class",
    });
  }
  const wide = exact(logits);
  const noise = gumbel(key, [...shape, ...wide.shape], { dtype: wide.dtype as WideType });
  const noisy = primitive.add(stretch(wide, noise.shape), noise);
  return primitive.argmax(noisy, shape.length + at);
}

/**
 * Integers in [low, high), int32. Exactly uniform for powers of two; else a value is likelier than another by less
 * than one part in 2⁴⁸ where high - low is at most 2¹⁶, and in 2³² / (high - low) beyond.
 */
export function randint<const S extends Shape>(key: Key, shape: S, low: number, high: number): Tensor<S> {
  requireKey("randint", key);
  requireShape("randint", shape);
  const span = high - low;
  const inside = low >= -(2 ** 31) && high <= 2 ** 31;
  const fits = Number.isInteger(low) && Number.isInteger(high) && inside && span >= 1 && span <= 2 ** 31;
  if (!fits) {
    throw new ValueError("randint", `[${low}, ${high}) is not a range of int32`, {
      received: [low, high],
      hint: "give integers, low below high and at most 2³¹ apart",
    });
  }
  const rest = (x: Tensor): Tensor => {
    const divisor = filledLike(x, span);
    return minus(x, primitive.mul(primitive.div(x, divisor), divisor));
  };
  // (high word · 2³² + low word) mod span, from the rests of its parts.
  const upper = scaled(rest(words(key, shape)), 2 ** 32 % span);
  const offset = rest(primitive.add(upper, rest(words(key, shape, streams.lowBits))));
  return shifted(primitive.cast(offset, "int32"), low) as Tensor<S>;
}

/**
 * 0 … n - 1 in random order, or the entries of a tensor along `axis` (default 0) in random order. Sorts random words;
 * long ones twice, so that equal words do not show.
 */
export function permutation(key: Key, n: number): Tensor<[number]>;
export function permutation<S extends Shape>(key: Key, x: Tensor<S>, options?: AxisOption): Tensor<S>;
export function permutation(key: Key, x: number | Tensor, { axis = 0 }: AxisOption = {}): Tensor {
  requireKey("permutation", key);
  if (typeof x === "number") {
    requireCount("permutation", "n", x, 0);
    return shuffledOrder(key, x);
  }
  const at = positionOf("permutation", axis, x.shape);
  return take(x, shuffledOrder(key, x.shape[at]!), { axis: at });
}

function shuffledOrder(key: Key, length: number): Tensor {
  const first = primitive.argsort(words(key, [length]), 0);
  if (length <= longestSinglePass) return first;
  const second = primitive.argsort(words(key, [length], streams.shuffle), 0);
  return primitive.gather(first, second);
}
