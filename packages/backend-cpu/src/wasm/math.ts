/**
 * Elementary functions on f32x4 and f64x2 without branches or tables. Each is written once over `Lanes`, with one row
 * of minimax coefficients per width (fitted by the Remez exchange in 70-digit arithmetic, then rounded). Specials are
 * those of C: NaN, infinities, signed zeros, denormals, overflow and underflow. Errors in ulp are measured by
 * test/wasm/math.test.ts and recorded in docs/numerics.md. Owns formulas; refuses dtypes and memory.
 */
import { f32x4, f64x2, i32, i32x4, i64x2, v128 } from "./encoder.ts";
import type { Expression } from "./encoder.ts";

export type Vector = Expression<"v128">;

/** Where a function keeps the values that it needs twice. */
export interface MathContext {
  /** A local with the value of an expression that is pure. */
  hold(value: Vector): Vector;
  /** Use `relaxed_madd` and `relaxed_nmadd`; the engine may or may not fuse them. */
  readonly fma: boolean;
}

const tables32 = {
  exp: [0.4999999403953552, 0.16666509211063385, 0.04166852682828903, 0.00837013404816389, 0.0013811702374368906],
  log: [0.3333333134651184, -0.250008225440979, 0.20001228153705597, -0.1662335842847824, 0.14201730489730835, -0.1316015124320984, 0.12761735916137695, -0.07634765654802322],
  sin: [-0.16666653752326965, 0.008332112804055214, -0.0001950874284375459],
  cos: [0.04166664555668831, -0.0013887251261621714, 2.4425684387097135e-5],
  atan: [-0.333332359790802, 0.19994240999221802, -0.14175046980381012, 0.10159504413604736, -0.051306478679180145],
  erf: [0.12837916612625122, -0.37612631916999817, 0.11283688992261887, -0.02685900405049324, 0.0052000246942043304, -0.0008131092763505876, 8.320590131916106e-5],
  /** log(erfc(x)) on [0.9, 4]. */
  erfc: [0.0001705541362753138, -1.1294951438903809, -0.6333866119384766, -0.1082366406917572, 0.025091513991355896, -0.004160533659160137, 0.00043230445589870214, -2.090968882839661e-5],
};
const tables64 = {
  exp: [0.5, 0.16666666666666688, 0.04166666666666597, 0.008333333333314265, 0.001388888888915432, 0.00019841269903271918, 2.480158687957618e-5, 2.755722796736157e-6, 2.755760340691501e-7, 2.5114439400306305e-8, 2.0824601876635883e-9],
  /** (log((1 + s)/(1 - s))/s - 2)/z with z = s². */
  log: [0.6666666666666666, 0.4000000000000719, 0.2857142856878532, 0.22222222691885424, 0.18181772072828847, 0.15387247162147882, 0.1324660708377226, 0.13283112463592878],
  sin: [-0.16666666666666627, 0.008333333333321286, -0.00019841269828869973, 2.755731335593755e-6, -2.5050704025690396e-8, 1.5893583043626737e-10],
  cos: [0.04166666666666659, -0.0013888888888872598, 2.4801587288491735e-5, -2.7557314056471515e-7, 2.0875681864901776e-9, -1.135744788532356e-11],
  atan: [-0.33333333333333326, 0.1999999999999745, -0.14285714285360632, 0.11111111086470522, -0.09090908082941598, 0.0769228136705991, -0.0666620622820479, 0.05876821008888478, -0.05217113533452513, 0.04498307490713589, -0.03335258145456472, 0.015071536908946952],
  erf: [0.1283791670955126, -0.3761263890318375, 0.112837916709548, -0.026866170645061423, 0.005223977624663664, -0.0008548326971738679, 0.00012055330773042533, -1.4925586988846666e-5, 1.6460865737080504e-6, -1.6348866264146685e-7, 1.4649942285232497e-8, -1.1334495277037791e-9, 5.891797926276107e-11],
  /** erfc(x)·exp(x²) on [1, 6] in (x - 2)/(x + 2). */
  erfc: [0.25539567631050575, -0.4271858474139584, 0.24165819424246635, -0.07897858101573307, 0.003732892404344312, 0.006997461739285988, -0.0008471432519620624, -0.0009819770296900067, 4.3555636697236545e-5, 0.00017436121661741516, 2.7524799653259122e-5, -2.7580233198151826e-5, -1.3959847881613933e-5, 1.394277557271804e-6, 3.733121930439846e-6, 1.1597016245926182e-6, -3.698989762575174e-7, -3.1218857739034155e-7],
};

/** What differs between the two widths. */
interface Width {
  readonly bits: 32 | 64;
  readonly mantissa: 23 | 52;
  readonly bias: 127 | 1023;
  readonly tables: typeof tables32;
  /** Adding it leaves the nearest integer in the low bits: 1.5·2^mantissa. */
  readonly magic: number;
  /** log 2 in two parts, the first short enough that multiples by an exponent are exact. */
  readonly ln2: readonly [number, number];
  readonly exp: { readonly low: number; readonly high: number };
  /** From here on tanh rounds to 1. */
  readonly tanhLimit: number;
  readonly erfSplit: number;
  readonly erfLimit: number;
  readonly smallestNormal: number;
  /** Up to here atan is a polynomial of x itself; 1/2 where x - 1 has to be exact. */
  readonly atanSplit: number;
  /** π/4 less its nearest value. */
  readonly quarterPiRest: number;
}
const single: Width = {
  bits: 32, mantissa: 23, bias: 127, tables: tables32, magic: 1.5 * 2 ** 23,
  ln2: [0.693359375, Math.LN2 - 0.693359375], exp: { low: -104, high: 89 },
  tanhLimit: 9.02, erfSplit: 0.92, erfLimit: 4, smallestNormal: 2 ** -126, atanSplit: 0.5, quarterPiRest: Math.PI / 4 - Math.fround(Math.PI / 4),
};
const double: Width = {
  bits: 64, mantissa: 52, bias: 1023, tables: tables64, magic: 1.5 * 2 ** 52,
  ln2: [0.6931471803691238, 1.9082149292705877e-10], exp: { low: -746, high: 710 },
  tanhLimit: 19.1, erfSplit: 1, erfLimit: 6, smallestNormal: 2 ** -1022, atanSplit: Math.SQRT2 - 1, quarterPiRest: 3.061616997868383e-17,
};

/** Arithmetic on the lanes of one width, and the functions built from it. */
export class Lanes {
  readonly #context: MathContext;
  readonly #width: Width;
  /** The instructions of this width. */
  readonly float: typeof f32x4 | typeof f64x2;
  readonly #integer: typeof i32x4 | typeof i64x2;

  constructor(context: MathContext, bits: 32 | 64) {
    this.#context = context;
    this.#width = bits === 32 ? single : double;
    this.float = bits === 32 ? f32x4 : f64x2;
    this.#integer = bits === 32 ? i32x4 : i64x2;
  }

  get bits(): 32 | 64 {
    return this.#width.bits;
  }
  constant(value: number): Vector {
    return this.hold(this.float.const(value));
  }
  hold(value: Vector): Vector {
    return this.#context.hold(value);
  }
  /** a·b + c. */
  madd(a: Vector, b: Vector, c: Vector): Vector {
    return this.#context.fma ? this.float.relaxed_madd(a, b, c) : this.float.add(this.float.mul(a, b), c);
  }
  /** c - a·b. */
  nmadd(a: Vector, b: Vector, c: Vector): Vector {
    return this.#context.fma ? this.float.relaxed_nmadd(a, b, c) : this.float.sub(c, this.float.mul(a, b));
  }
  /** Σ coefficients[i]·x^i, each step by itself so that several polynomials can be interleaved. */
  polynomial(x: Vector, coefficients: readonly number[]): Vector {
    const last = this.constant(coefficients.at(-1)!);
    return coefficients.slice(0, -1).reduceRight<Vector>((sum, c) => this.hold(this.madd(sum, x, this.constant(c))), last);
  }
  /** Lane-wise `mask ? a : b`. */
  select(mask: Vector, a: Vector, b: Vector): Vector {
    return v128.bitselect(a, b, mask);
  }
  /** The magnitude of `value` with the sign of `x`, for a value that is not negative. */
  withSign(value: Vector, x: Vector): Vector {
    return v128.or(value, v128.and(x, this.constant(-0)));
  }

  /** e^x. */
  exp(x: Vector): Vector {
    const { low, high } = this.#width.exp;
    const clamped = this.hold(this.float.pmin(this.float.pmax(x, this.constant(low)), this.constant(high)));
    const { fraction, bits } = this.#splitExponent(clamped, 2 * this.#width.bias);
    return this.#scaleInTwoSteps(this.#expm1Reduced(fraction), bits);
  }

  /** e^(high + low) where low is small beside high. */
  expPair(high: Vector, low: Vector): Vector {
    const limits = this.#width.exp;
    const clamped = this.hold(this.float.pmin(this.float.pmax(high, this.constant(limits.low)), this.constant(limits.high)));
    const { fraction, bits } = this.#splitExponent(clamped, 2 * this.#width.bias);
    const inside = this.float.eq(clamped, high);
    const reduced = this.hold(this.float.add(fraction, v128.and(low, inside)));
    return this.#scaleInTwoSteps(this.#expm1Reduced(reduced), bits);
  }

  /** e^x - 1 without cancellation. */
  expm1(x: Vector): Vector {
    const { add, sub, mul, pmax, pmin, eq } = this.float;
    const { bias, exp } = this.#width;
    const low = this.#width.bits === 32 ? -18 : -39;
    const held = this.hold(x);
    const clamped = this.hold(pmin(pmax(held, this.constant(low)), this.constant(exp.high)));
    // Half of the result, so that 2^n does not overflow before the result does.
    const { fraction, bits, exponent } = this.#splitExponent(clamped, bias - 1);
    const near = this.hold(this.#expm1Reduced(fraction));
    const half = this.hold(this.#powerOfTwo(bits));
    const scaled = this.hold(add(mul(near, half), sub(half, this.constant(0.5))));
    const result = this.select(eq(exponent, this.constant(0)), near, add(scaled, scaled));
    return this.withSign(result, held);
  }

  /** Natural logarithm. */
  log(x: Vector): Vector {
    const { gt, lt, eq, mul, sub } = this.float;
    const { mantissa, smallestNormal } = this.#width;
    const held = this.hold(x);
    const tiny = this.hold(lt(held, this.constant(smallestNormal)));
    const normal = this.hold(this.select(tiny, mul(held, this.constant(2 ** mantissa)), held));
    const { fraction, exponent } = this.splitMantissa(normal);
    const whole = sub(this.exponentAsFloat(exponent), v128.and(tiny, this.constant(mantissa)));
    const result = this.#logReduced(this.hold(fraction), this.hold(whole));
    const regular = v128.and(gt(held, this.constant(0)), lt(held, this.constant(Infinity)));
    const special = this.select(eq(held, this.constant(0)), this.constant(-Infinity), v128.or(held, lt(held, this.constant(0))));
    return this.select(regular, result, special);
  }

  /** log(1 + x) without cancellation. */
  log1p(x: Vector): Vector {
    const { add, sub, mul, gt, lt, eq } = this.float;
    const { bias, mantissa } = this.#width;
    const held = this.hold(x);
    const one = this.constant(1);
    const sum = this.hold(add(held, one));
    // What rounding took from 1 + x (Møller's two-sum), brought to the scale of the fraction.
    const back = this.hold(sub(sum, one));
    const lost = add(sub(held, back), sub(one, sub(sum, back)));
    const { fraction, exponent } = this.splitMantissa(sum);
    const scale = this.#integer.sub(this.#bits(bias * 2 ** mantissa), this.#integer.shl(exponent, shift(mantissa)));
    // Nothing is lost of a large sum, and the scale of the largest does not exist.
    const small = lt(sum, this.constant(2 ** (mantissa + 2)));
    const exact = this.hold(add(fraction, mul(lost, v128.and(scale, small))));
    const result = this.withSign(this.#logReduced(exact, this.hold(this.exponentAsFloat(exponent))), held);
    const regular = v128.and(gt(held, this.constant(-1)), lt(held, this.constant(Infinity)));
    const special = this.select(eq(held, this.constant(-1)), this.constant(-Infinity), v128.or(held, lt(held, this.constant(-1))));
    // A negative x has a negative logarithm, so the sign may be set; a positive one never has a sign to lose.
    return this.select(regular, this.select(eq(held, this.constant(0)), held, result), special);
  }

  /**
   * Hyperbolic tangent: (1 - p)/(1 + p) with p = e^-2|x|. Twice as fast as a polynomial near 0 beside an exponential
   * elsewhere. The power is taken of the negative side, where p ≤ 1 keeps the rounding of both sums small, and both are
   * made of p's two parts: 1 - p from 1 + p, or e^2|x| in place of p, costs half an ulp more.
   */
  tanh(x: Vector): Vector {
    const { add, sub, div, pmax } = this.float;
    const held = this.hold(x);
    const one = this.constant(1);
    const twice = v128.or(add(held, held), this.constant(-0));
    const clamped = this.hold(pmax(twice, this.constant(-2 * this.#width.tanhLimit)));
    const { fraction, bits } = this.#splitExponent(clamped, this.#width.bias);
    const near = this.hold(this.#expm1Reduced(fraction));
    const power = this.hold(this.#powerOfTwo(bits));
    const below = this.nmadd(near, power, sub(one, power));
    const above = this.madd(near, power, add(one, power));
    return this.withSign(div(below, above), held);
  }

  /** Arc tangent: reduced to |t| ≤ 1/2 by the addition theorem. */
  atan(x: Vector): Vector {
    const { abs, add, sub, mul, div, gt } = this.float;
    const { quarterPiRest: piRest, atanSplit } = this.#width;
    const held = this.hold(x);
    const size = this.hold(abs(held));
    const one = this.constant(1);
    const far = this.hold(gt(size, this.constant(Math.SQRT2 + 1)));
    const middle = this.hold(gt(size, this.constant(atanSplit)));
    const numerator = this.select(far, this.constant(-1), this.select(middle, sub(size, one), size));
    const denominator = this.select(far, size, this.select(middle, add(size, one), one));
    const t = this.hold(div(numerator, denominator));
    const start = this.select(far, this.constant(Math.PI / 2), v128.and(middle, this.constant(Math.PI / 4)));
    const square = this.hold(mul(t, t));
    const reduced = this.madd(mul(t, square), this.polynomial(square, this.#width.tables.atan), t);
    const rest = this.select(far, this.constant(2 * piRest), v128.and(middle, this.constant(piRest)));
    return this.withSign(add(start, add(reduced, rest)), held);
  }

  /** The error function 2/√π ∫ e^-t² dt. */
  erf(x: Vector): Vector {
    const { abs, add, sub, mul, div, lt, pmin, neg } = this.float;
    const { tables, bits, erfLimit, erfSplit } = this.#width;
    const held = this.hold(x);
    const size = this.hold(pmin(abs(held), this.constant(erfLimit)));
    const square = this.hold(mul(size, size));
    const small = this.madd(held, this.polynomial(square, tables.erf), held);
    let complement: Vector;
    if (bits === 32) {
      complement = this.#expModerate(this.hold(this.polynomial(size, tables.erfc)));
    } else {
      const t = this.hold(div(sub(size, this.constant(2)), add(size, this.constant(2))));
      complement = mul(this.#expModerate(this.hold(neg(square))), this.polynomial(t, tables.erfc));
    }
    return this.select(lt(size, this.constant(erfSplit)), small, this.withSign(sub(this.constant(1), complement), held));
  }

  /** Sine (shift 0) or cosine (shift 1) of an angle reduced to [-π/4, π/4] in quadrant `quadrant` (low bits of each lane). */
  sinOfReduced(angle: Vector, quadrant: Vector, turn: 0 | 1): Vector {
    const { mul } = this.float;
    const { tables, bits } = this.#width;
    const square = this.hold(mul(angle, angle));
    const sine = this.madd(mul(angle, square), this.polynomial(square, tables.sin), angle);
    const tail = this.madd(this.polynomial(square, tables.cos), square, this.constant(-0.5));
    const cosine = this.madd(tail, square, this.constant(1));
    const turned = this.hold(turn === 0 ? quadrant : this.#integer.add(quadrant, this.#bits(1)));
    const odd = this.#integer.shr_s(this.#integer.shl(turned, shift(bits - 1)), shift(bits - 1));
    const sign = v128.and(this.#integer.shl(turned, shift(bits - 2)), this.constant(-0));
    return v128.xor(this.select(odd, cosine, sine), sign);
  }

  /**
   * Corrects `magnitude` = |x|^y to C's `pow`: 1 for y = 0 and x = 1, NaN for a negative base and a broken exponent,
   * the sign of odd powers.
   */
  powSpecials(magnitude: Vector, x: Vector, y: Vector): Vector {
    const { abs, eq, ne, lt, gt, mul, floor } = this.float;
    const one = this.constant(1);
    const half = this.hold(mul(y, this.constant(0.5)));
    const whole = this.hold(eq(floor(y), y));
    const odd = v128.and(whole, ne(floor(half), half));
    const unit = v128.and(eq(abs(x), one), eq(y, y));
    const ones = v128.or(v128.or(eq(y, this.constant(0)), eq(x, one)), unit);
    const broken = v128.andnot(v128.and(lt(x, this.constant(0)), gt(x, this.constant(-Infinity))), whole);
    const positive = v128.or(this.select(ones, one, magnitude), v128.andnot(broken, eq(y, this.constant(0))));
    return v128.or(positive, v128.and(v128.and(x, odd), this.constant(-0)));
  }

  /**
   * n = round(x/log 2) as a float, n + `bias` in the low bits of an integer, and x - n·log 2. With the bias of an exponent
   * those bits are a power of two but for a shift.
   */
  #splitExponent(x: Vector, bias: number): { exponent: Vector; bits: Vector; fraction: Vector } {
    const magic = this.constant(this.#width.magic + bias);
    const bits = this.hold(this.madd(x, this.constant(Math.LOG2E), magic));
    const exponent = this.hold(this.float.sub(bits, magic));
    const [high, low] = this.#width.ln2;
    const nearly = this.hold(this.nmadd(exponent, this.constant(high), x));
    const fraction = this.hold(this.nmadd(exponent, this.constant(low), nearly));
    return { exponent, bits, fraction };
  }

  /** e^r - 1 for |r| ≤ log(2)/2. */
  #expm1Reduced(r: Vector): Vector {
    return this.madd(this.float.mul(r, r), this.polynomial(r, this.#width.tables.exp), r);
  }

  /** e^x where the result is neither infinite nor denormal: one scaling step. */
  #expModerate(x: Vector): Vector {
    const { fraction, bits } = this.#splitExponent(x, this.#width.bias);
    const near = this.hold(this.#expm1Reduced(fraction));
    const power = this.hold(this.#powerOfTwo(bits));
    return this.madd(near, power, power);
  }

  /**
   * (1 + near)·2^n for n beyond the range of one factor: over- and underflow happen in the last multiplication. The low
   * bits of `bits` hold n and twice the bias, half of it for each factor.
   */
  #scaleInTwoSteps(near: Vector, bits: Vector): Vector {
    const held = this.hold(near);
    const half = this.hold(this.#integer.shr_u(bits, shift(1)));
    const first = this.hold(this.#powerOfTwo(half));
    const scaled = this.hold(this.madd(held, first, first));
    return this.float.mul(scaled, this.#powerOfTwo(this.#integer.sub(bits, half)));
  }

  /** 2^n for n + bias in the low bits of each lane, as long as it is a normal number. */
  #powerOfTwo(bits: Vector): Vector {
    return this.#integer.shl(bits, shift(this.#width.mantissa));
  }

  /** x = 2^exponent·(1 + fraction) with 1 + fraction in [√½, √2). */
  splitMantissa(x: Vector): { fraction: Vector; exponent: Vector } {
    const { mantissa } = this.#width;
    const root = this.constant(Math.SQRT1_2);
    const exponent = this.hold(this.#integer.shr_s(this.#integer.sub(x, root), shift(mantissa)));
    const mantissaOnly = this.#integer.sub(x, this.#integer.shl(exponent, shift(mantissa)));
    return { fraction: this.float.sub(mantissaOnly, this.constant(1)), exponent };
  }

  /** A small integer in integer lanes as floats: through the mantissa of 1.5·2^mantissa. */
  exponentAsFloat(exponent: Vector): Vector {
    const magic = this.constant(this.#width.magic);
    return this.float.sub(this.#integer.add(exponent, magic), magic);
  }

  /** log(1 + f) + k·log 2. */
  #logReduced(f: Vector, k: Vector): Vector {
    const { add, sub, mul, div } = this.float;
    const { bits, tables, ln2 } = this.#width;
    const square = this.hold(mul(f, f));
    if (bits === 32) {
      const cubic = mul(mul(f, square), this.polynomial(f, tables.log));
      const tail = this.nmadd(this.constant(0.5), square, this.madd(k, this.constant(ln2[1]), cubic));
      return this.madd(k, this.constant(ln2[0]), add(f, tail));
    }
    const s = this.hold(div(f, add(f, this.constant(2))));
    const z = this.hold(mul(s, s));
    const halfSquare = this.hold(mul(square, this.constant(0.5)));
    const series = mul(z, this.polynomial(z, tables.log));
    const tail = add(mul(s, add(halfSquare, series)), mul(k, this.constant(ln2[1])));
    return add(mul(k, this.constant(ln2[0])), sub(f, sub(halfSquare, tail)));
  }

  /** An integer constant given as its value in one lane. */
  #bits(value: number): Vector {
    return this.hold(this.#width.bits === 32 ? i32x4.const(value) : i64x2.const(BigInt(value)));
  }
}

const shift = (bits: number): Expression<"i32"> => i32.const(bits);
