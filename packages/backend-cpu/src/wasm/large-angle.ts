/**
 * The remainder of large angles modulo π/2, exact to the last bit of every float64 (Payne and Hanek, "Radian reduction
 * for trigonometric functions", 1983): 192 bits of 2/π, from where a product stops being a multiple of 4, times the
 * 53 bits of the angle, in integers. Owns three functions that a module gets once, when it has sines; angles that fit
 * the quick reduction of `angle.ts` never come here.
 */
import { choose, f64, i32, i64, i64x2 } from "./encoder.ts";
import type { Expression } from "./encoder.ts";
import { type FunctionReference, type ModuleBuilder, call } from "./module.ts";

type Word = Expression<"i64">;

/** 64 zeros, then the bits of 2/π behind the point. */
const twoOverPi = [
  0n, 0xa2f9836e4e441529n, 0xfc2757d1f534ddc0n, 0xdb6295993c439041n, 0xfe5163abdebbc561n, 0xb7246e3a424dd2e0n,
  0x06492eea09d1921cn, 0xfe1deb1cb129a73en, 0xe88235f52ebb4484n, 0xe99c7026b45f7e41n, 0x3991d639835339f4n,
  0x9c845f8bbdf9283bn, 0x1ff897ffde05980fn, 0xef2f118b5a0a6d1fn, 0x6d367ecf27cb09b7n, 0x4f463f669e5fea2dn,
  0x7527bac7ebe5f17bn, 0x3d0739f78a5292ean, 0x6bfb5fb11f8d5d08n, 0x56033046fc7b6babn,
];
/** π/2 with 63 bits behind the point. */
const halfPi = 0xc90fdaa22168c234n;

const constant = (value: bigint): Word => i64.const(value);
const shift = (bits: number): Word => i64.const(BigInt(bits));

/** The upper 64 bits of a product of unsigned words. */
const mulHigh = (module: ModuleBuilder): FunctionReference<"i64"> =>
  module.shared("mulHigh", () =>
    module.function({ name: "mulHigh", parameters: { a: "i64", b: "i64" }, result: "i64" }, (f, { a, b }) => {
      const low = (x: Word): Word => i64.and(x, constant(0xffffffffn));
      const high = (x: Word): Word => i64.shr_u(x, shift(32));
      const [a0, a1, b0, b1] = [f.let(low(a)), f.let(high(a)), f.let(low(b)), f.let(high(b))];
      const middle = f.let(i64.add(i64.mul(a1, b0), high(i64.mul(a0, b0))));
      const other = f.let(i64.add(i64.mul(a0, b1), low(middle)));
      return i64.add(i64.mul(a1, b1), i64.add(high(middle), high(other)));
    }),
  );

/** A word of `twoOverPi`: a tree of choices, because a module has no memory of its own for a table. */
const wordAt = (module: ModuleBuilder): FunctionReference<"i64"> =>
  module.shared("twoOverPi", () =>
    module.function({ name: "twoOverPi", parameters: { index: "i32" }, result: "i64" }, (_, { index }) => {
      const find = (from: number, to: number): Word => {
        if (to - from === 1) return constant(twoOverPi[from]!);
        const middle = (from + to) >> 1;
        return choose(i32.lt_s(index, i32.const(middle)), find(from, middle), find(middle, to));
      };
      return find(0, twoOverPi.length);
    }),
  );

/**
 * A function of one angle of at least 2^20 that returns two lanes: the rest in [-π/4, π/4] as a float64, and an
 * integer that is the quadrant modulo 4. Other angles, infinities and NaN give anything.
 */
export const largeAngle = (module: ModuleBuilder): FunctionReference<"v128"> => {
  const [product, word] = [mulHigh(module), wordAt(module)];
  return module.shared("largeAngle", () =>
    module.function({ name: "largeAngle", parameters: { x: "f64" }, result: "v128" }, (f, { x }) => {
      const bits = f.let(i64.reinterpret_f64(x));
      const mantissa = f.let(i64.or(i64.and(bits, constant((1n << 52n) - 1n)), constant(1n << 52n)));
      // x = mantissa·2^e. Bits of 2/π up to the e - 2nd only add multiples of 4 turns; they are skipped.
      const e = i32.sub(i32.wrap_i64(i64.and(i64.shr_u(bits, shift(52)), constant(2047n))), i32.const(1075));
      const position = f.let(i32.add(e, i32.const(62)));
      const index = f.let(i32.shr_s(position, i32.const(6)));
      const skip = f.let(i64.extend_i32_u(i32.and(position, i32.const(63))));
      const back = f.let(i64.sub(shift(63), skip));
      const next = (k: number): Word => f.let(call(word, i32.add(index, i32.const(k))));
      const [w0, w1, w2, w3] = [next(0), next(1), next(2), next(3)];
      const joined = (high: Word, low: Word, left: Word, right: Word): Word =>
        i64.or(i64.shl(high, left), i64.shr_u(i64.shr_u(low, shift(1)), right));
      const first = f.let(joined(w0, w1, skip, back));
      const second = f.let(joined(w1, w2, skip, back));
      const third = f.let(joined(w2, w3, skip, back));

      // Turns modulo 4, with 2 bits before the point and 126 behind it.
      const upper = f.let(i64.mul(mantissa, second));
      const low = f.let(i64.add(upper, call(product, mantissa, third)));
      const carry = i64.extend_i32_u(i64.lt_u(low, upper));
      const high = f.let(i64.add(i64.mul(mantissa, first), i64.add(call(product, mantissa, second), carry)));
      const turns = f.let(i64.shr_u(i64.add(high, constant(1n << 61n)), shift(62)));

      // What is left of the nearest turn, its sign apart, and shifted until the highest bit is set.
      const rest = f.let(i64.or(i64.shl(high, shift(2)), i64.shr_u(low, shift(62))));
      const sign = f.let(i64.shr_s(rest, shift(63)));
      const size = f.let(i64.xor(rest, sign));
      const zeros = f.let(i64.clz(size));
      const digits = joined(size, i64.xor(i64.shl(low, shift(2)), sign), zeros, i64.sub(shift(63), zeros));
      // One rounding: the product with π/2 as a float64.
      const angle = f64.convert_i64_u(call(product, digits, constant(halfPi)));
      const scale = f64.reinterpret_i64(i64.shl(i64.sub(constant(1023n - 63n), zeros), shift(52)));
      const negative = f.let(i64.shr_s(bits, shift(63)));
      const flip = i64.and(i64.xor(sign, negative), constant(1n << 63n));
      const signed = i64.xor(i64.reinterpret_f64(f64.mul(angle, scale)), flip);
      const quadrant = i64.sub(i64.xor(turns, negative), negative);
      return i64x2.replace_lane(i64x2.splat(signed), quadrant, 1);
    }),
  );
};
