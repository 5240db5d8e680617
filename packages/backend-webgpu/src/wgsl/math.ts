/**
 * The functions that kernels call, as WGSL: elementary functions of float32, arithmetic whose corner cases WGSL leaves
 * open, and the random bits. Owns formulas; refuses memory and loops.
 *
 * WGSL lets an implementation assume that no operand is NaN or infinite, and asks little of its own `exp` or `sin`. So
 * nothing here relies on a comparison with NaN: bits decide. Infinities and NaN are made of bits that are known only when
 * the shader runs, because an expression that the compiler evaluates to one is an error. Coefficients are minimax, those
 * of the CPU backend.
 */

interface Definition {
  readonly needs?: readonly string[];
  readonly text: string;
}

/** Σ coefficients[i]·x^i by Horner's rule. */
const polynomial = (x: string, coefficients: readonly number[]): string =>
  coefficients
    .slice(0, -1)
    .reduceRight((sum, c) => `fma(${sum}, ${x}, ${c}f)`, `${coefficients.at(-1)!}f`);

const expTail = [0.4999999403953552, 0.16666509211063385, 0.04166852682828903, 0.00837013404816389, 0.0013811702374368906];
const logTail = [0.3333333134651184, -0.250008225440979, 0.20001228153705597, -0.1662335842847824, 0.14201730489730835, -0.1316015124320984, 0.12761735916137695, -0.07634765654802322];
const sinTail = [-0.16666653752326965, 0.008332112804055214, -0.0001950874284375459];
const cosTail = [0.04166664555668831, -0.0013887251261621714, 2.4425684387097135e-5];
const atanTail = [-0.333332359790802, 0.19994240999221802, -0.14175046980381012, 0.10159504413604736, -0.051306478679180145];
const erfNear = [0.12837916625122, -0.37612631916999817, 0.11283688992261887, -0.02685900405049324, 0.0052000246942043304, -0.0008131092763505876, 8.320590131916106e-5];
/** log(erfc(x)) on [0.9, 4]. */
const erfcLog = [0.0001705541362753138, -1.1294951438903809, -0.6333866119384766, -0.1082366406917572, 0.025091513991355896, -0.004160533659160137, 0.00043230445589870214, -2.090968882839661e-5];
/** (log((1 + s)/(1 - s))/s - 2)/s² in powers of s²: 2/3, 2/5 …, the series of the inverse hyperbolic tangent. */
const logSeries = [2 / 3, 2 / 5, 2 / 7, 2 / 9, 2 / 11].map(Math.fround);
/** log(2)^k/k!, the series of 2^x; on [-½, ½] its rest is below 1e-8. */
const exp2Series = [1, 2, 3, 4, 5, 6, 7].map((k) => {
  let term = 1;
  for (let i = 1; i <= k; i++) term *= Math.LN2 / i;
  return Math.fround(term);
});

const rotations = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
] as const;

/** The five groups of four rounds, written out. */
const threefryRounds = [0, 1, 2, 3, 4]
  .flatMap((group) => [
    ...rotations[group % 2]!.map((r) => `  x += y; y = ((y << ${r}u) | (y >> ${32 - r}u)) ^ x;`),
    `  x += k${(group + 1) % 3}; y += k${(group + 2) % 3} + ${group + 1}u;`,
  ])
  .join("\n");

/** A variable that is 0 in every run, which no compiler can know: a shader that declares it sets it first. */
export const OPAQUE_ZERO = "opaque_zero";

/** By name. A function is in a shader only if something calls it. */
const definitions: Readonly<Record<string, Definition>> = {
  opaque: { text: `var<private> ${OPAQUE_ZERO}: u32;
/** x, about which a compiler knows nothing. */
fn opaque(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) | ${OPAQUE_ZERO}); }` },
  infinity: { needs: ["opaque"], text: `fn infinity() -> f32 { return bitcast<f32>(0x7f800000u | ${OPAQUE_ZERO}); }` },
  not_a_number: { needs: ["opaque"], text: `fn not_a_number() -> f32 { return bitcast<f32>(0x7fc00000u | ${OPAQUE_ZERO}); }` },
  is_nan: { text: `fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }` },
  with_sign: { text: `fn with_sign(size: f32, x: f32) -> f32 {
  return bitcast<f32>((bitcast<u32>(size) & 0x7fffffffu) | (bitcast<u32>(x) & 0x80000000u));
}` },

  less_f32: { needs: ["is_nan"], text: `fn less_f32(x: f32, y: f32) -> bool { return x < y && !is_nan(x) && !is_nan(y); }` },
  less_equal_f32: { needs: ["is_nan"], text: `fn less_equal_f32(x: f32, y: f32) -> bool { return x <= y && !is_nan(x) && !is_nan(y); }` },
  equal_f32: { needs: ["is_nan"], text: `fn equal_f32(x: f32, y: f32) -> bool { return x == y && !is_nan(x) && !is_nan(y); }` },
  max_f32: { needs: ["is_nan"], text: `fn max_f32(x: f32, y: f32) -> f32 {
  if (is_nan(x) || x > y) { return x; }
  return select(y, bitcast<f32>(bitcast<u32>(x) & bitcast<u32>(y)), x == y && !is_nan(y));
}` },
  min_f32: { needs: ["is_nan"], text: `fn min_f32(x: f32, y: f32) -> f32 {
  if (is_nan(x) || x < y) { return x; }
  return select(y, bitcast<f32>(bitcast<u32>(x) | bitcast<u32>(y)), x == y && !is_nan(y));
}` },

  power_of_two: { text: `/** 2^n where that is a normal number. */
fn power_of_two(n: i32) -> f32 { return bitcast<f32>(u32(n + 127) << 23u); }` },
  exp_tail: { text: `/** e^r - 1 for |r| at most log(2)/2. */
fn exp_tail(r: f32) -> f32 { return fma(r * r, ${polynomial("r", expTail)}, r); }` },
  exp_fraction: { text: `/** x - n·log 2, the first factor short enough that its product is exact. */
fn exp_fraction(x: f32, n: f32) -> f32 { return fma(n, 0.00021219444f, fma(n, -0.693359375f, x)); }` },
  exp_f32: { needs: ["is_nan", "exp_tail", "exp_fraction", "power_of_two"], text: `fn exp_f32(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  let bounded = clamp(x, -104.0f, 89.0f);
  let n = round(bounded * 1.4426950408889634f);
  let first = i32(n) >> 1u;
  let value = 1.0f + exp_tail(exp_fraction(bounded, n));
  return value * power_of_two(first) * power_of_two(i32(n) - first);
}` },
  expm1_f32: { needs: ["is_nan", "exp_tail", "exp_fraction", "power_of_two", "with_sign"], text: `fn expm1_f32(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  let bounded = clamp(x, -18.0f, 89.0f);
  let n = round(bounded * 1.4426950408889634f);
  let near = exp_tail(exp_fraction(bounded, n));
  // Half of the result, so that 2^n does not overflow before the result does.
  let half = power_of_two(i32(n) - 1);
  let scaled = near * half + (half - 0.5f);
  return with_sign(select(scaled + scaled, near, n == 0.0f), x);
}` },
  log_parts: { text: `struct LogParts { fraction: f32, exponent: f32 }
/** x = 2^exponent·(1 + fraction) with 1 + fraction between √½ and √2, for a normal x. */
fn log_parts(x: f32) -> LogParts {
  let bits = bitcast<i32>(x);
  let exponent = (bits - 0x3f3504f3) >> 23u;
  return LogParts(bitcast<f32>(bits - (exponent << 23u)) - 1.0f, f32(exponent));
}` },
  log_reduced: { text: `/** log(1 + f) + k·log 2. */
fn log_reduced(f: f32, k: f32) -> f32 {
  let square = f * f;
  let tail = fma(-0.5f, square, fma(k, -0.00021219444f, f * square * ${polynomial("f", logTail)}));
  return fma(k, 0.693359375f, f + tail);
}` },
  log_f32: { needs: ["is_nan", "infinity", "not_a_number", "log_parts", "log_reduced"], text: `fn log_f32(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  if (is_nan(x) || bits == 0x7f800000u) { return x; }
  if ((bits & 0x7fffffffu) == 0u) { return -infinity(); }
  if (bits >= 0x80000000u) { return not_a_number(); }
  let tiny = bits < 0x00800000u;
  let parts = log_parts(select(x, x * 8388608.0f, tiny));
  return log_reduced(parts.fraction, parts.exponent - select(0.0f, 23.0f, tiny));
}` },
  log1p_f32: { needs: ["is_nan", "infinity", "not_a_number", "log_parts", "log_reduced", "power_of_two", "with_sign"], text: `fn log1p_f32(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  if (is_nan(x) || bits == 0x7f800000u || (bits & 0x7fffffffu) == 0u) { return x; }
  if (bits == 0xbf800000u) { return -infinity(); }
  if (bits > 0xbf800000u) { return not_a_number(); }
  // 1 + x = 2^k·(1 + f) for an f that is rounded once: compilers may not be trusted with a compensated sum.
  let k = log_parts(1.0f + x).exponent;
  let first = i32(k) >> 1u;
  let half = power_of_two(-first);
  let rest = power_of_two(first - i32(k));
  return with_sign(log_reduced(x * half * rest + (half * rest - 1.0f), k), x);
}` },
  tanh_f32: { needs: ["is_nan", "exp_tail", "exp_fraction", "power_of_two", "with_sign"], text: `fn tanh_f32(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  let size = 2.0f * min(abs(x), 9.02f);
  let n = round(size * 1.4426950408889634f);
  let power = power_of_two(i32(n));
  let grown = fma(exp_tail(exp_fraction(size, n)), power, power - 1.0f);
  return with_sign(grown / (grown + 2.0f), x);
}` },
  atan_f32: { needs: ["is_nan", "with_sign"], text: `fn atan_f32(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  // The addition theorem brings the argument to ½ and below; 1e30 has the arc tangent of infinity.
  let size = min(abs(x), 1e30f);
  let far = size > 2.414213562373095f;
  let middle = size > 0.5f;
  let numerator = select(select(size, size - 1.0f, middle), -1.0f, far);
  let denominator = select(select(1.0f, size + 1.0f, middle), size, far);
  let t = numerator / denominator;
  let square = t * t;
  let reduced = fma(t * square, ${polynomial("square", atanTail)}, t);
  let start = select(select(0.0f, 0.7853981633974483f, middle), 1.5707963267948966f, far);
  let rest = select(select(0.0f, ${Math.PI / 4 - Math.fround(Math.PI / 4)}f, middle), ${2 * (Math.PI / 4 - Math.fround(Math.PI / 4))}f, far);
  return with_sign(start + (reduced + rest), x);
}` },
  erf_f32: { needs: ["is_nan", "exp_f32", "with_sign"], text: `fn erf_f32(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  let size = min(abs(x), 4.0f);
  if (size < 0.92f) { let square = size * size; return with_sign(fma(size, ${polynomial("square", erfNear)}, size), x); }
  return with_sign(1.0f - exp_f32(${polynomial("size", erfcLog)}), x);
}` },

  multiply_high: { text: `/** The high word of a product. */
fn multiply_high(a: u32, b: u32) -> u32 {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let cross = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let other = (a & 0xffffu) * (b >> 16u) + (cross & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (cross >> 16u) + (other >> 16u);
}` },
  reduce_angle: { needs: ["multiply_high", "with_sign"], text: `struct Angle { rest: f32, quadrant: u32 }
/** The bits of 2/π behind a word of zeros. */
const two_over_pi = array<u32, 8>(0u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu);
fn two_over_pi_at(bit: u32) -> u32 {
  var words = two_over_pi;
  let word = bit >> 5u;
  let shift = bit & 31u;
  if (shift == 0u) { return words[word]; }
  return (words[word] << shift) | (words[min(word + 1u, 7u)] >> (32u - shift));
}
/** x less a multiple of π/2, for a finite x. */
fn reduce_angle(x: f32) -> Angle {
  let size = abs(x);
  var rest: f32;
  var quadrant: i32;
  if (size < 1600.0f) {
    // Cody and Waite: the first three parts of π/2 have 11 bits, so that their products with up to 2^10 are exact.
    let n = round(x * 0.6366197723675814f);
    let first = fma(n, -1.5703125f, x);
    let second = fma(n, -0.0004837512969970703f, first);
    rest = fma(n, -7.549533620476723e-08f, second);
    rest = fma(n, -2.563344151594519e-12f, rest);
    return Angle(rest, bitcast<u32>(i32(n)));
  }
  // Payne and Hanek: the mantissa times those bits of 2/π that matter modulo 4.
  let bits = bitcast<u32>(size);
  let mantissa = (bits & 0x7fffffu) | 0x800000u;
  let start = (bits >> 23u) - 150u + 30u;
  let w0 = two_over_pi_at(start);
  let w1 = two_over_pi_at(start + 32u);
  let w2 = two_over_pi_at(start + 64u);
  let middle = mantissa * w1;
  let low = multiply_high(mantissa, w2);
  let r1 = middle + low;
  let r0 = mantissa * w0 + multiply_high(mantissa, w1) + select(0u, 1u, r1 < middle);
  quadrant = i32(r0 >> 30u);
  // What is left is a signed fraction of a quadrant.
  let high = bitcast<i32>((r0 << 2u) | (r1 >> 30u));
  if (high < 0) { quadrant += 1; }
  rest = (f32(high) * 2.3283064365386963e-10f + f32(r1 << 2u) * 5.421010862427522e-20f) * 1.5707963267948966f;
  if (x < 0.0f) { rest = -rest; quadrant = -quadrant; }
  return Angle(rest, bitcast<u32>(quadrant));
}` },
  sine_of: { text: `/** Sine of an angle in the first octants, turned by quadrants. */
fn sine_of(angle: f32, quadrant: u32) -> f32 {
  let square = angle * angle;
  let sine = fma(angle * square, ${polynomial("square", sinTail)}, angle);
  let cosine = fma(fma(${polynomial("square", cosTail)}, square, -0.5f), square, 1.0f);
  let value = select(sine, cosine, (quadrant & 1u) == 1u);
  return select(value, -value, (quadrant & 2u) == 2u);
}` },
  sin_f32: { needs: ["reduce_angle", "sine_of", "not_a_number"], text: `fn sin_f32(x: f32) -> f32 {
  if ((bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u) { return not_a_number(); }
  if ((bitcast<u32>(x) & 0x7fffffffu) == 0u) { return x; }
  let angle = reduce_angle(x);
  return sine_of(angle.rest, angle.quadrant);
}` },
  cos_f32: { needs: ["reduce_angle", "sine_of", "not_a_number"], text: `fn cos_f32(x: f32) -> f32 {
  if ((bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u) { return not_a_number(); }
  let angle = reduce_angle(x);
  return sine_of(angle.rest, angle.quadrant + 1u);
}` },
  sqrt_f32: { needs: ["is_nan", "not_a_number"], text: `fn sqrt_f32(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  if (is_nan(x) || (bits & 0x7fffffffu) == 0u || bits == 0x7f800000u) { return x; }
  if (bits > 0x80000000u) { return not_a_number(); }
  return sqrt(x);
}` },

  upper_bits: { text: `/** The first 12 bits of x: products of two such numbers are exact. */
fn upper_bits(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) & 0xfffff000u); }` },
  power_of_positive: { needs: ["upper_bits", "log_parts", "power_of_two"], text: `/** x^y for a positive finite x and a finite y: 2^(y·log2 x), the logarithm as a sum of two numbers. */
fn power_of_positive(x: f32, y: f32) -> f32 {
  let tiny = bitcast<u32>(x) < 0x00800000u;
  let parts = log_parts(select(x, x * 8388608.0f, tiny));
  let k = parts.exponent - select(0.0f, 23.0f, tiny);
  let f = parts.fraction;
  // s = f/(2 + f), then what is missing from the upper bits of it.
  let d = 2.0f + f;
  let s = f / d;
  let s_high = upper_bits(s);
  let d_high = upper_bits(d);
  let d_low = f - (d_high - 2.0f);
  let s_low = ((f - s_high * d_high) - s_high * d_low) / d;
  let z = s * s;
  let tail = 2.0f * s_low + s * z * ${polynomial("z", logSeries)};
  // log(1 + f) = sum + rest, in base 2 with log2 e = 1.4423828125 + 0.0003122283889634.
  let sum = upper_bits(2.0f * s_high + tail);
  let rest = (2.0f * s_high - sum) + tail;
  let part = sum * 1.4423828125f;
  let low = sum * 0.0003122283889634f + rest * 1.4426950408889634f;
  let whole = k + part;
  let lost = (part - (whole - k)) + low;
  let high = upper_bits(whole + lost);
  let log_low = (whole - high) + lost;
  let bounded = clamp(y, -1e12f, 1e12f);
  let y_high = upper_bits(bounded);
  let y_low = bounded - y_high;
  let product = y_high * high;
  let remainder = fma(y_low, high, bounded * log_low);
  let n = round(clamp(product + remainder, -160.0f, 160.0f));
  let r = clamp((product - n) + remainder, -1.0f, 1.0f);
  let value = fma(r, ${polynomial("r", exp2Series)}, 1.0f);
  let first = i32(n) >> 1u;
  return value * power_of_two(first) * power_of_two(i32(n) - first);
}` },
  pow_f32: { needs: ["is_nan", "infinity", "not_a_number", "power_of_positive"], text: `/** As C has it: 1 for y = 0 and x = 1, NaN for a negative base and a broken exponent, the sign of odd powers. */
fn pow_f32(x: f32, y: f32) -> f32 {
  let size_bits = bitcast<u32>(x) & 0x7fffffffu;
  let size = bitcast<f32>(size_bits);
  let y_bits = bitcast<u32>(y) & 0x7fffffffu;
  if (y_bits == 0u || bitcast<u32>(x) == 0x3f800000u) { return 1.0f; }
  if (is_nan(x)) { return x; }
  if (is_nan(y)) { return y; }
  let negative_y = bitcast<u32>(y) >= 0x80000000u;
  if (y_bits == 0x7f800000u) {
    if (size_bits == 0x3f800000u) { return 1.0f; }
    return select(0.0f, infinity(), (size_bits > 0x3f800000u) != negative_y);
  }
  let whole = floor(y) == y;
  let odd = whole && floor(0.5f * y) != 0.5f * y;
  let negative = bitcast<u32>(x) >= 0x80000000u;
  var result: f32;
  if (size_bits == 0u) { result = select(0.0f, infinity(), negative_y); }
  else if (size_bits == 0x7f800000u) { result = select(infinity(), 0.0f, negative_y); }
  else if (negative && !whole) { return not_a_number(); }
  else if (size_bits == 0x3f800000u) { result = 1.0f; }
  else { result = power_of_positive(size, y); }
  return select(result, -result, negative && odd);
}` },

  round_half: { needs: ["is_nan", "with_sign"], text: `/** The nearest number that float16 has, ties to even: what a conversion by itself does with them is open. */
fn round_half(x: f32) -> f32 {
  let size = bitcast<u32>(x) & 0x7fffffffu;
  if (is_nan(x)) { return x; }
  // Subnormal halves are multiples of 2^-24.
  if (size < 0x38800000u) { return with_sign(round(abs(x) * 16777216.0f) * 5.9604644775390625e-8f, x); }
  let rounded = (size + 0xfffu + ((size >> 13u) & 1u)) & 0xffffe000u;
  return with_sign(bitcast<f32>(select(rounded, 0x7f800000u, rounded >= 0x47800000u)), x);
}` },

  div_i32: { text: `fn div_i32(x: i32, y: i32) -> i32 {
  if (y == 0) { return 0; }
  if (y == -1) { return bitcast<i32>(~bitcast<u32>(x) + 1u); }
  return x / y;
}` },
  div_u32: { text: `fn div_u32(x: u32, y: u32) -> u32 {
  if (y == 0u) { return 0u; }
  return x / y;
}` },
  pow_u32: { text: `fn pow_u32(x: u32, y: u32) -> u32 {
  var result = 1u;
  var factor = x;
  for (var rest = y; rest != 0u; rest >>= 1u) {
    if ((rest & 1u) == 1u) { result *= factor; }
    factor *= factor;
  }
  return result;
}` },
  pow_i32: { needs: ["pow_u32"], text: `/** A negative power is the truncated quotient 1/xⁿ, and 0 for x = 0. */
fn pow_i32(x: i32, y: i32) -> i32 {
  if (y < 0) {
    if (x == 1) { return 1; }
    if (x == -1) { return select(-1, 1, (y & 1) == 0); }
    return 0;
  }
  return bitcast<i32>(pow_u32(bitcast<u32>(x), u32(y)));
}` },
  f32_to_i32: { needs: ["is_nan"], text: `fn f32_to_i32(x: f32) -> i32 {
  if (is_nan(x)) { return 0; }
  if (x >= 2147483648.0f) { return 2147483647; }
  if (x <= -2147483648.0f) { return i32(-2147483648); }
  return i32(x);
}` },
  f32_to_u32: { needs: ["is_nan"], text: `fn f32_to_u32(x: f32) -> u32 {
  if (is_nan(x) || x <= 0.0f) { return 0u; }
  if (x >= 4294967296.0f) { return 4294967295u; }
  return u32(x);
}` },

  threefry: { text: `/** Threefry-2x32, 20 rounds; the xor of both words. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011. */
fn threefry(k0: u32, k1: u32, c0: u32, c1: u32) -> u32 {
  let k2 = 0x1bd11bdau ^ k0 ^ k1;
  var x = c0 + k0;
  var y = c1 + k1;
${threefryRounds}
  return x ^ y;
}` },
};

/** The text of the named functions and of what they call, each once, callees first. */
export function functionsFor(names: Iterable<string>): string {
  const texts: string[] = [];
  const seen = new Set<string>();
  const add = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    const { needs = [], text } = definitions[name]!;
    needs.forEach(add);
    texts.push(text);
  };
  for (const name of names) add(name);
  return texts.join("\n");
}
