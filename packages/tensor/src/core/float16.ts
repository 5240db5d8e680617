/**
 * Half precision on the host, where JavaScript has no array of it everywhere yet: numbers to 16-bit patterns and back.
 * A pattern is one sign bit, five of the exponent (bias 15) and ten of the fraction; below 2⁻¹⁴ numbers are multiples
 * of 2⁻²⁴, the largest is 65504. Owns rounding: to nearest, ties to even, once, from float64.
 * Source: IEEE 754-2019, binary16.
 */

/** The pattern of +∞; larger ones (without the sign) are NaN. */
const infinity = 0x7c00;
const quietNaN = 0x7e00;
/** Half way from 65504 to 65536: from here on numbers round to infinity. */
const overflow = 65520;
/** Adding and subtracting it rounds a number below 2⁵² to a whole one, ties to even. */
const wholes = 2 ** 52;
/** Exponent of the smallest normal number. */
const leastExponent = -14;

/** Numbers and their bits. Powers of two are made there: with `**` encoding takes three times as long, decoding seven. */
const double = new Float64Array(1);
const doubleWords = new Uint32Array(double.buffer);
const single = new Float32Array(1);
const singleWord = new Uint32Array(single.buffer);

/** ⌊log₂ size⌋ of a normal number, from its exponent field. Assumes a little-endian host, as all formats here do. */
function exponentOf(size: number): number {
  double[0] = size;
  return (doubleWords[1]! >>> 20) - 1023;
}

/** 2 to a whole exponent of a normal number. */
function powerOfTwo(exponent: number): number {
  doubleWords[0] = 0;
  doubleWords[1] = (exponent + 1023) << 20;
  return double[0]!;
}

/** The 16-bit pattern of the float16 nearest to `value`. Every NaN becomes one quiet NaN. */
export function float16Bits(value: number): number {
  if (Number.isNaN(value)) return quietNaN;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size >= overflow) return sign | infinity;
  const exponent = Math.max(exponentOf(size), leastExponent);
  const units = size * powerOfTwo(10 - exponent) + wholes - wholes;
  // Normal numbers have the leading one among their units, so that the sum carries into the exponent field.
  return sign | (units + (exponent - leastExponent) * 1024);
}

/** The number that a 16-bit pattern stands for. */
export function float16Value(bits: number): number {
  const size = bits & 0x7fff;
  const sign = bits & 0x8000 ? -1 : 1;
  if (size >= infinity) return size === infinity ? sign * Infinity : NaN;
  // In the places of float32, whose exponents are biased by 112 more, it is the number times 2⁻¹¹².
  singleWord[0] = size << 13;
  return sign * single[0]! * 2 ** 112;
}

/** The float16 nearest to `value`, as a number. */
export const roundToFloat16 = (value: number): number => float16Value(float16Bits(value));

/** The patterns of `values`, each rounded once. */
export function encodeFloat16(values: ArrayLike<number>): Uint16Array {
  const patterns = new Uint16Array(values.length);
  for (let i = 0; i < patterns.length; i++) patterns[i] = float16Bits(values[i]!);
  return patterns;
}

/** The numbers that patterns stand for, exactly. */
export function decodeFloat16(patterns: Uint16Array): Float32Array {
  const values = new Float32Array(patterns.length);
  for (let i = 0; i < values.length; i++) values[i] = float16Value(patterns[i]!);
  return values;
}
