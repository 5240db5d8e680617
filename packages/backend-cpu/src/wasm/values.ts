/**
 * Arithmetic on four lanes of any dtype. A value is a list of vectors: one i32x4 or f32x4, two f64x2 for float64, a mask
 * of -1 and 0 in i32x4 for bool, 0..255 in i32x4 for uint8, and sign-extended 16-bit patterns for float16, which is
 * only cast. Owns what each scalar operation means; refuses addresses and loops.
 */
import { float16Bits } from "@dormouse/tensor/graph";
import { ValueError } from "@dormouse/tensor";
import type { DType } from "@dormouse/tensor";
import type { ScalarOp } from "@dormouse/tensor/graph";
import { f32x4, f64x2, i32, i32x4, i64x2, v128 } from "./encoder.ts";
import { narrowToHalves, widenHalves } from "./half.ts";
import { Lanes } from "./math.ts";
import type { Vector } from "./math.ts";
import { sine32, sine64 } from "./angle.ts";
import type { Nest } from "./nest.ts";
import { pow32, pow64 } from "./pow.ts";

/** Four lanes: two vectors for float64, else one. */
export type Value = readonly Vector[];

/** Vectors that make up four lanes of `dtype`. */
export const partsOf = (dtype: DType): 1 | 2 => (dtype === "float64" ? 2 : 1);

const lowHalf = [0, 1] as const;
const swap = (x: Vector): Vector => i32x4.shuffle(x, x, [2, 3, 2, 3]);
/** Lanes 0 and 1 of each, side by side. */
const join = (low: Vector, high: Vector): Vector => i32x4.shuffle(low, high, [0, 1, 4, 5]);
/** A mask of two f64x2 as a mask of i32x4. */
const narrowMask = ([low, high]: Value): Vector => i32x4.shuffle(low!, high!, [0, 2, 4, 6]);
const widenMask = (mask: Vector): Value => [i64x2.extend_low_i32x4_s(mask), i64x2.extend_high_i32x4_s(mask)];

export class Values {
  readonly nest: Nest;
  readonly #lanes32: Lanes;
  readonly #lanes64: Lanes;

  constructor(nest: Nest) {
    this.nest = nest;
    this.#lanes32 = new Lanes(nest, 32);
    this.#lanes64 = new Lanes(nest, 64);
  }

  hold(value: Value): Value {
    return value.map((part) => this.nest.hold(part));
  }

  /** The number `value` in every lane, as `dtype` stores it. */
  constant(dtype: DType, value: number): Value {
    if (dtype === "float32") return [this.nest.hold(f32x4.const(value))];
    if (dtype === "float64") {
      const part = this.nest.hold(f64x2.const(value));
      return [part, part];
    }
    if (dtype === "float16") return [this.nest.hold(i32x4.const((float16Bits(value) << 16) >> 16))];
    if (dtype === "bool") return [this.nest.hold(i32x4.const(value === 0 ? 0 : -1))];
    const integer = Number.isFinite(value) ? Math.trunc(value) : value > 0 ? 2147483647 : value < 0 ? -2147483648 : 0;
    return [this.nest.hold(i32x4.const(dtype === "uint8" ? integer & 255 : integer))];
  }

  /** Lane-wise `mask ? a : b` of values of one dtype. */
  select(mask: Vector, a: Value, b: Value): Value {
    const masks = a.length === 2 ? widenMask(mask) : [mask];
    return a.map((part, i) => v128.bitselect(part, b[i]!, masks[i]!));
  }

  /** The mask of lanes that are not numbers. */
  isNaN(dtype: DType, value: Value): Vector {
    if (dtype === "float32") return f32x4.ne(value[0]!, value[0]!);
    return narrowMask(value.map((part) => f64x2.ne(part, part)));
  }

  /** Lane-wise a < b, as a mask. */
  less(dtype: DType, a: Value, b: Value): Vector {
    switch (dtype) {
      case "float32":
        return f32x4.lt(a[0]!, b[0]!);
      case "float64":
        return narrowMask(a.map((part, i) => f64x2.lt(part, b[i]!)));
      case "uint32":
        return i32x4.lt_u(a[0]!, b[0]!);
      case "bool":
        return v128.andnot(b[0]!, a[0]!);
      default:
        return i32x4.lt_s(a[0]!, b[0]!);
    }
  }

  equal(dtype: DType, a: Value, b: Value): Vector {
    if (dtype === "float32") return f32x4.eq(a[0]!, b[0]!);
    if (dtype === "float64") return narrowMask(a.map((part, i) => f64x2.eq(part, b[i]!)));
    return i32x4.eq(a[0]!, b[0]!);
  }

  lessEqual(dtype: DType, a: Value, b: Value): Vector {
    if (dtype === "float32") return f32x4.le(a[0]!, b[0]!);
    if (dtype === "float64") return narrowMask(a.map((part, i) => f64x2.le(part, b[i]!)));
    return v128.not(this.less(dtype, b, a));
  }

  /** One operation. Operands are held values; `from` is the dtype of the first (of the second for `where`). */
  operation(op: ScalarOp, dtype: DType, from: DType, operands: readonly Value[]): Value {
    const [a, b] = operands as readonly [Value, Value];
    switch (op) {
      case "cast":
        return this.cast(from, dtype, a);
      case "where":
        return this.select(a[0]!, b, operands[2]!);
      case "less":
        return [this.less(from, a, b)];
      case "lessEqual":
        return [this.lessEqual(from, a, b)];
      case "equal":
        return [this.equal(from, a, b)];
      case "threefry":
        return [this.#threefry(operands.map(([part]) => part!))];
      case "sin":
      case "cos": {
        const turn = op === "sin" ? 0 : 1;
        return dtype === "float32" ? [sine32(this.nest, a[0]!, turn)] : a.map((part) => sine64(this.nest, part, turn));
      }
      case "pow":
        if (dtype === "float32") return [pow32(this.nest, a[0]!, b[0]!)];
        if (dtype === "float64") return a.map((part, i) => pow64(this.nest, part, b[i]!));
        return [this.#integerPower(dtype, a[0]!, b[0]!)];
      case "exp":
      case "expm1":
      case "log":
      case "log1p":
      case "tanh":
      case "atan":
      case "erf":
        return a.map((part) => (dtype === "float32" ? this.#lanes32 : this.#lanes64)[op](part));
      default:
        return dtype === "float32" || dtype === "float64" ? this.#floating(op, dtype, a, b) : [this.#integral(op, dtype, a[0]!, b?.[0])];
    }
  }

  /** a·b + c, or c - a·b, in float32. */
  multiplyAdd(a: Value, b: Value, c: Value, negate: boolean): Value {
    return [negate ? this.#lanes32.nmadd(a[0]!, b[0]!, c[0]!) : this.#lanes32.madd(a[0]!, b[0]!, c[0]!)];
  }

  #floating(op: ScalarOp, dtype: "float32" | "float64", a: Value, b: Value): Value {
    const float = dtype === "float32" ? f32x4 : f64x2;
    const both = (f: (x: Vector, y: Vector) => Vector): Value => a.map((part, i) => f(part, b[i]!));
    switch (op) {
      case "neg":
      case "sqrt":
      case "floor":
      case "abs":
        return a.map(float[op]);
      case "round":
        return a.map(float.nearest);
      case "add":
      case "sub":
      case "mul":
      case "div":
      case "max":
      case "min":
        return both(float[op]);
      default:
        throw new ValueError(op, `has no meaning for ${dtype}`);
    }
  }

  #integral(op: ScalarOp, dtype: DType, a: Vector, b: Vector | undefined): Vector {
    const unsigned = dtype === "uint32";
    if (dtype === "bool") return this.#logical(op, a, b);
    const wrap = (x: Vector): Vector => (dtype === "uint8" ? v128.and(x, this.nest.hold(i32x4.const(255))) : x);
    switch (op) {
      case "neg":
        return wrap(i32x4.neg(a));
      case "abs":
        return unsigned ? a : wrap(i32x4.abs(a));
      case "not":
        return wrap(v128.not(a));
      case "floor":
      case "round":
        return a;
      case "add":
      case "sub":
      case "mul":
        return wrap(i32x4[op](a, b!));
      case "max":
        return (unsigned ? i32x4.max_u : i32x4.max_s)(a, b!);
      case "min":
        return (unsigned ? i32x4.min_u : i32x4.min_s)(a, b!);
      case "and":
      case "or":
        return v128[op](a, b!);
      case "div":
        return this.#quotient(a, b!, unsigned);
      default:
        throw new ValueError(op, `has no meaning for ${dtype}`);
    }
  }

  #logical(op: ScalarOp, a: Vector, b: Vector | undefined): Vector {
    switch (op) {
      case "not":
        return v128.not(a);
      case "and":
      case "mul":
      case "min":
        return v128.and(a, b!);
      case "or":
      case "add":
      case "max":
        return v128.or(a, b!);
      case "sub":
        return v128.xor(a, b!);
      case "neg":
      case "abs":
        return a;
      default:
        throw new ValueError(op, "has no meaning for bool");
    }
  }

  /** Truncated division through float64, which is exact for 32 bits; x/0 is 0 and -2^31/-1 wraps. */
  #quotient(a: Vector, b: Vector, unsigned: boolean): Vector {
    const wide = (x: Vector): Vector => (unsigned ? f64x2.convert_low_i32x4_u : f64x2.convert_low_i32x4_s)(x);
    const narrow = unsigned ? i32x4.trunc_sat_f64x2_u_zero : i32x4.trunc_sat_f64x2_s_zero;
    const low = narrow(f64x2.div(wide(a), wide(b)));
    const high = narrow(f64x2.div(wide(swap(a)), wide(swap(b))));
    const zero = this.nest.hold(i32x4.const(0));
    const quotient = v128.andnot(join(low, high), i32x4.eq(b, zero));
    if (unsigned) return quotient;
    const minusOne = i32x4.eq(b, this.nest.hold(i32x4.const(-1)));
    return v128.bitselect(i32x4.neg(a), quotient, minusOne);
  }

  /** Integer power by squaring over all 32 bits; a negative exponent gives 0 except for bases 1 and -1. */
  #integerPower(dtype: DType, base: Vector, exponent: Vector): Vector {
    const one = this.nest.hold(i32x4.const(1));
    const zero = this.nest.hold(i32x4.const(0));
    let power = base;
    let result: Vector = one;
    for (let bit = 0; bit < 32; bit++) {
      const rest = this.nest.hold(i32x4.shr_u(exponent, i32.const(bit)));
      const set = i32x4.eq(v128.and(rest, one), one);
      result = this.nest.hold(v128.bitselect(i32x4.mul(result, power), result, set));
      if (bit < 31) power = this.nest.hold(i32x4.mul(power, power));
    }
    if (dtype === "uint8") return v128.and(result, this.nest.hold(i32x4.const(255)));
    if (dtype === "uint32") return result;
    // The parity of a negative exponent is that of its two's complement, so ±1 come out right as they are.
    const unit = i32x4.eq(i32x4.abs(base), one);
    return v128.bitselect(result, zero, v128.or(i32x4.ge_s(exponent, zero), unit));
  }

  /** Threefry-2x32 with 20 rounds (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), xor of both words. */
  #threefry([key0, key1, counter0, counter1]: readonly Vector[]): Vector {
    const hold = (x: Vector): Vector => this.nest.hold(x);
    const parity = hold(i32x4.const(0x1bd11bda));
    const keys = [key0!, key1!, hold(v128.xor(v128.xor(key0!, key1!), parity))];
    const rotations = [[13, 15, 26, 6], [17, 29, 16, 24]] as const;
    let x = hold(i32x4.add(counter0!, keys[0]!));
    let y = hold(i32x4.add(counter1!, keys[1]!));
    for (let round = 0; round < 20; round++) {
      const rotation = rotations[(round >> 2) % 2]![round % 4]!;
      x = hold(i32x4.add(x, y));
      const turned = v128.or(i32x4.shl(y, i32.const(rotation)), i32x4.shr_u(y, i32.const(32 - rotation)));
      y = hold(v128.xor(turned, x));
      if (round % 4 !== 3) continue;
      const injection = (round + 1) / 4;
      x = hold(i32x4.add(x, keys[injection % 3]!));
      const key = hold(i32x4.add(keys[(injection + 1) % 3]!, hold(i32x4.const(injection))));
      y = hold(i32x4.add(y, key));
    }
    return v128.xor(x, y);
  }

  /** Float to integer saturates; integers keep their low bits. float16 meets float32 only. */
  cast(from: DType, to: DType, value: Value): Value {
    if (from === to) return value;
    const [a] = value as readonly [Vector];
    if (from === "float16") return [widenHalves(this.nest, a)];
    if (to === "float16") return [narrowToHalves(this.nest, a)];
    if (to === "bool") {
      const zero = this.constant(from, 0);
      return [v128.not(this.equal(from, value, zero))];
    }
    if (from === "bool") return this.#truth(to, a);
    if (from === "float32") {
      if (to === "float64") return [f64x2.promote_low_f32x4(a), f64x2.promote_low_f32x4(swap(a))];
      return [this.#toByte(to, (to === "uint32" ? i32x4.trunc_sat_f32x4_u : i32x4.trunc_sat_f32x4_s)(a))];
    }
    if (from === "float64") {
      const narrow = to === "float32" ? f32x4.demote_f64x2_zero : to === "uint32" ? i32x4.trunc_sat_f64x2_u_zero : i32x4.trunc_sat_f64x2_s_zero;
      return [this.#toByte(to, join(narrow(a), narrow(value[1]!)))];
    }
    const unsigned = from === "uint32";
    if (to === "float32") return [(unsigned ? f32x4.convert_i32x4_u : f32x4.convert_i32x4_s)(a)];
    if (to === "float64") return lowHalf.map((half) => (unsigned ? f64x2.convert_low_i32x4_u : f64x2.convert_low_i32x4_s)(half === 0 ? a : swap(a)));
    return [this.#toByte(to, a)];
  }

  #toByte(to: DType, value: Vector): Vector {
    return to === "uint8" ? v128.and(value, this.nest.hold(i32x4.const(255))) : value;
  }

  #truth(to: DType, mask: Vector): Value {
    const one = this.constant(to, 1);
    return (to === "float64" ? widenMask(mask) : [mask]).map((part, i) => v128.and(part, one[i]!));
  }
}
