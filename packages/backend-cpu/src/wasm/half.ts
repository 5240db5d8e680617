/**
 * Half precision in four lanes: the 16-bit patterns, sign-extended to i32x4, to f32x4 and back. Seven and fifteen
 * instructions, no tables, no branches; exact inverses of each other but for the digits of a NaN. Owns the two
 * conversions; memory is scalar.ts.
 *
 * float32 keeps ten of its fraction bits where float16 has all of them, thirteen places further left, and its exponents
 * are biased by 112 more. Shifted into place a pattern is therefore the number times 2⁻¹¹², subnormal ones included,
 * and one product by a power of two makes it right.
 */
import { f32x4, i32, i32x4, v128 } from "./encoder.ts";
import type { Vector } from "./math.ts";
import type { Nest } from "./nest.ts";

/** Bits of float32: the exponents, +∞. */
const exponents = 0x7f800000;
/** 2⁻¹⁴, the smallest number that is normal in float16. */
const leastNormal = 0x38800000;
/** 2¹⁶, the first number that has the exponent of infinity there. */
const overflow = 0x47800000;
/** What takes a power of two to the one whose last place is that of the float16 numbers beside the first: 2¹³. */
const thirteen = 13 << 23;

/** The numbers that sign-extended 16-bit patterns stand for. */
export function widenHalves(nest: Nest, patterns: Vector): Vector {
  const int = (value: number): Vector => nest.hold(i32x4.const(value));
  // The sign has been extended over the three exponent bits that float16 does not have.
  const placed = nest.hold(v128.and(i32x4.shl(patterns, i32.const(13)), int(0x8fffe000 | 0)));
  const scaled = nest.hold(f32x4.mul(placed, nest.hold(f32x4.const(2 ** 112))));
  // Infinity and NaN have come out as 2¹⁶ and up: all exponent bits set.
  const special = f32x4.ge(f32x4.abs(scaled), int(overflow));
  return v128.or(scaled, v128.and(special, int(exponents)));
}

/** The sign-extended patterns of the float16 numbers nearest to four numbers, ties to even. NaN stays NaN. */
export function narrowToHalves(nest: Nest, values: Vector): Vector {
  const int = (value: number): Vector => nest.hold(i32x4.const(value));
  const held = nest.hold(values);
  const size = nest.hold(f32x4.abs(held));
  const finite = nest.hold(i32x4.min_s(size, int(overflow)));
  const power = nest.hold(i32x4.max_s(v128.and(finite, int(exponents)), int(leastNormal)));
  // Added to 2¹³ times its power of two, a number is rounded to a whole count of its last places: the lowest bits.
  const large = nest.hold(i32x4.add(power, int(thirteen)));
  const units = i32x4.sub(f32x4.add(finite, large), large);
  // A normal number counts from 1024, which is one in the exponent field.
  const number = i32x4.add(units, i32x4.shr_u(i32x4.sub(power, int(leastNormal)), i32.const(13)));
  const quiet = v128.and(i32x4.gt_s(size, int(exponents)), int(0x7e00));
  return v128.bitselect(i32x4.shr_s(held, i32.const(16)), v128.or(number, quiet), int(0xffff8000 | 0));
}
