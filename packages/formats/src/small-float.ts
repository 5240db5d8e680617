/**
 * Floating-point numbers of 8 and 16 bits, which JavaScript has no arrays for: half precision, bfloat16 and the two
 * 8-bit formats of machine learning. Decoding is exact; encoding rounds to nearest, ties to even.
 * Sources: IEEE 754-2019 (binary16); Micikevicius et al. 2022, "FP8 Formats for Deep Learning" (E5M2, E4M3).
 */

/** Layout of a small float: one sign bit, then `exponent` bits, then `mantissa` bits. */
export interface SmallFloat {
  readonly exponent: number;
  readonly mantissa: number;
  /** False for E4M3: no infinities, and only the all-ones pattern is NaN. */
  readonly infinities: boolean;
}

/** Decodes bit patterns to float32. */
export function decodeSmallFloats(bits: Uint16Array | Uint8Array, format: SmallFloat): Float32Array {
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) values[i] = decode(bits[i]!, format);
  return values;
}

/** Encodes numbers as bit patterns. What is too large becomes infinity, or NaN in a format that has none. */
export function encodeSmallFloats(values: ArrayLike<number>, format: SmallFloat): Uint16Array | Uint8Array {
  const wide = 1 + format.exponent + format.mantissa > 8;
  const bits = wide ? new Uint16Array(values.length) : new Uint8Array(values.length);
  for (let i = 0; i < bits.length; i++) bits[i] = encode(values[i]!, format);
  return bits;
}

function decode(bits: number, { exponent, mantissa, infinities }: SmallFloat): number {
  const top = (1 << exponent) - 1;
  const ones = (1 << mantissa) - 1;
  const sign = bits >> (exponent + mantissa) === 0 ? 1 : -1;
  const power = (bits >> mantissa) & top;
  const fraction = bits & ones;
  if (power === top && infinities) return fraction === 0 ? sign * Infinity : NaN;
  if (power === top && fraction === ones) return NaN;
  const bias = top >> 1;
  return power === 0
    ? sign * fraction * 2 ** (1 - bias - mantissa)
    : sign * (fraction + 2 ** mantissa) * 2 ** (power - bias - mantissa);
}

function encode(value: number, { exponent, mantissa, infinities }: SmallFloat): number {
  const top = (1 << exponent) - 1;
  const bias = top >> 1;
  const sign = (value < 0 || Object.is(value, -0) ? 1 : 0) << (exponent + mantissa);
  const nan = (top << mantissa) | (infinities ? 1 << (mantissa - 1) : (1 << mantissa) - 1);
  if (Number.isNaN(value)) return nan;
  const overflow = infinities ? top << mantissa : nan;
  const size = Math.abs(value);
  if (size === Infinity) return sign | overflow;
  if (size === 0) return sign;
  // The unit of the last place of `size`, no finer than that of subnormal numbers. Powers of two are exact in float64.
  const power = Math.max(exponentOf(size), 1 - bias);
  const units = roundTiesToEven(size / 2 ** (power - mantissa));
  // `units` has the leading one where the number is normal, so adding carries into the exponent field by itself.
  const pattern = units + (power + bias - 1) * 2 ** mantissa;
  const limit = infinities ? top << mantissa : nan;
  return sign | (pattern >= limit ? overflow : pattern);
}

/** ⌊log₂ size⌋ of a positive number, exact also beside powers of two. */
function exponentOf(size: number): number {
  const guess = Math.floor(Math.log2(size));
  if (2 ** guess > size) return guess - 1;
  return 2 ** (guess + 1) <= size ? guess + 1 : guess;
}

function roundTiesToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest > 0.5 ? floor + 1 : floor;
  return floor % 2 === 0 ? floor : floor + 1;
}
