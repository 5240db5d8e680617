/**
 * Half precision in four lanes: the 16-bit patterns, each in the low half of an i32x4 lane, to f32x4 and back. Nine and
 * eighteen instructions, no tables, no branches; both are exact inverses where a pattern is not NaN. Owns the two
 * conversions; memory is scalar.ts.
 *
 * Float32 keeps ten of its fraction bits where float16 has them, thirteen places further left, and its exponents are
 * biased by 112 more. Shifted into place a pattern is therefore the number times 2⁻¹¹², subnormal ones included, and
 * one product by a power of two makes it right.
 */
import { f32x4, i32, i32x4, v128 } from "./encoder.ts";
import type { Vector } from "./math.ts";
import type { Nest } from "./nest.ts";

/** Patterns of float32 numbers. */
const sign = 0x80000000 | 0;
const infinity = 0x7f800000;
/** The smallest number that is normal in float16. */
const leastNormal = 0x38800000;
/** 65536, the first that has the exponent of infinity; what rounds to it has it from there on. */
const overflow = 0x47800000;
/** ½: adding it to a number below 2⁻¹⁴ leaves multiples of 2⁻²⁴, rounded to even, in the lowest bits. */
const half = 0x3f000000;

/** The numbers that 16-bit patterns stand for. */
export function widenHalves(nest: Nest, patterns: Vector): Vector {
  const int = (value: number): Vector => nest.hold(i32x4.const(value));
  const top = nest.hold(i32x4.shl(patterns, i32.const(16)));
  const size = i32x4.shr_u(i32x4.shl(top, i32.const(1)), i32.const(4));
  const scaled = nest.hold(f32x4.mul(size, nest.hold(f32x4.const(2 ** 112))));
  // 65536 and up stand for infinity and NaN: all exponent bits set.
  const special = v128.and(i32x4.ge_s(scaled, int(overflow)), int(infinity));
  return v128.or(v128.or(scaled, special), v128.and(top, int(sign)));
}

/** The patterns of the float16 numbers nearest to four numbers, ties to even. NaN stays NaN, with its sign. */
export function narrowToHalves(nest: Nest, values: Vector): Vector {
  const int = (value: number): Vector => nest.hold(i32x4.const(value));
  const held = nest.hold(values);
  const signs = nest.hold(v128.and(held, int(sign)));
  const size = nest.hold(v128.xor(held, signs));
  const finite = nest.hold(i32x4.min_s(size, int(overflow)));
  // The bias, and half of the last place less one bit, plus that bit where the place is odd.
  const odd = v128.and(i32x4.shr_u(finite, i32.const(13)), int(1));
  const normal = i32x4.shr_u(i32x4.add(i32x4.add(finite, int((-112 << 23) + 0xfff)), odd), i32.const(13));
  const subnormal = i32x4.sub(f32x4.add(size, int(half)), int(half));
  const number = v128.bitselect(subnormal, normal, i32x4.lt_s(size, int(leastNormal)));
  const quiet = v128.and(i32x4.gt_s(size, int(infinity)), int(0x7e00));
  return v128.or(v128.or(number, quiet), i32x4.shr_u(signs, i32.const(16)));
}
