/**
 * Elementary functions to more than 200 bits, in BigInt fixed point: the truth that float64 functions are measured
 * against. A value is mantissa·2^exponent.
 */
export interface Exact {
  readonly mantissa: bigint;
  readonly exponent: number;
}

const P = 256;
const one = 1n << BigInt(P);
/** Toward zero: a shift of a negative product would never reach 0. */
const mul = (a: bigint, b: bigint): bigint => {
  const product = a * b;
  return product < 0n ? -(-product >> BigInt(P)) : product >> BigInt(P);
};
const div = (a: bigint, b: bigint): bigint => (a << BigInt(P)) / b;
const abs = (a: bigint): bigint => (a < 0n ? -a : a);

const view = new DataView(new ArrayBuffer(8));

/** The finite float64 `x` exactly. */
export function exactly(x: number): Exact {
  view.setFloat64(0, x);
  const bits = view.getBigUint64(0);
  const raw = Number((bits >> 52n) & 2047n);
  const fraction = bits & ((1n << 52n) - 1n);
  const mantissa = raw === 0 ? fraction : fraction | (1n << 52n);
  return { mantissa: bits >> 63n ? -mantissa : mantissa, exponent: Math.max(raw, 1) - 1075 };
}

/** x as a fixed-point number with P bits behind the point; what is below is dropped. */
const fixed = ({ mantissa, exponent }: Exact): bigint =>
  exponent + P >= 0 ? mantissa << BigInt(exponent + P) : mantissa >> BigInt(-exponent - P);

const logSeries = (ratio: bigint): bigint => {
  // log((1 + s)/(1 - s)) = 2(s + s³/3 + …)
  const square = mul(ratio, ratio);
  let sum = 0n;
  for (let term = ratio, k = 1n; term !== 0n; k += 2n, term = mul(term, square)) sum += term / k;
  return 2n * sum;
};
const ln2 = logSeries(one / 3n);
const arctanSeries = (x: bigint): bigint => {
  const square = mul(x, x);
  let sum = 0n;
  for (let term = x, k = 1n; term !== 0n; k += 2n, term = -mul(term, square)) sum += term / k;
  return sum;
};
/** arctan(1/n) with `bits` behind the point. */
function arctanOfInverse(n: bigint, bits: bigint): bigint {
  let sum = 0n;
  for (let term = (1n << bits) / n, k = 1n; term !== 0n; k += 2n, term = -term / (n * n)) sum += term / k;
  return sum;
}
/** Bits behind the point that leave P of them right in the remainder of the largest float64. */
const wideBits = BigInt(P + 1100);
const widePi = 16n * arctanOfInverse(5n, wideBits) - 4n * arctanOfInverse(239n, wideBits);
const pi = widePi >> (wideBits - BigInt(P));

/** e^x of a fixed-point x, as mantissa·2^exponent. */
function expFixed(x: bigint): Exact {
  const n = x / ln2;
  const r = (x - n * ln2) >> 8n;
  let sum = 0n;
  for (let term = one, k = 1n; term !== 0n; term = mul(term, r) / k, k++) sum += term;
  for (let i = 0; i < 8; i++) sum = mul(sum, sum);
  return { mantissa: sum, exponent: Number(n) - P };
}

/** log of mantissa·2^exponent, in fixed point. */
function logFixed({ mantissa, exponent }: Exact): bigint {
  const bits = mantissa.toString(2).length;
  const shift = P - bits;
  let m = shift >= 0 ? mantissa << BigInt(shift) : mantissa >> BigInt(-shift);
  let k = exponent + bits;
  if (m < (one * 7n) / 10n) (m *= 2n), k--;
  return BigInt(k) * ln2 + logSeries(div(m - one, m + one));
}

const scaled = (value: bigint): Exact => ({ mantissa: value, exponent: -P });
/** The odd function x - c·x³ for |x| so small that fixed point has too few digits of it. */
const tiny = (x: number): boolean => Math.abs(x) < 2 ** -90;
const oddSeries = (f: (x: bigint) => bigint) => (x: number): Exact => (tiny(x) ? exactly(x) : scaled(f(fixed(exactly(x)))));

function sinFixed({ mantissa, exponent }: Exact, turn: number): bigint {
  const shift = BigInt(exponent) + wideBits;
  const x = shift >= 0n ? mantissa << shift : mantissa >> -shift;
  const half = widePi / 2n;
  let n = (2n * x + half) / widePi;
  if (2n * x + half < 0n) n--;
  const r = (x - n * half) >> (wideBits - BigInt(P));
  const quadrant = Number((((n + BigInt(turn)) % 4n) + 4n) % 4n);
  const square = mul(r, r);
  let term = quadrant % 2 === 0 ? r : one;
  let sum = 0n;
  for (let k = quadrant % 2 === 0 ? 1n : 0n; term !== 0n; k += 2n) {
    sum += term;
    term = -mul(term, square) / ((k + 1n) * (k + 2n));
  }
  return quadrant >= 2 ? -sum : sum;
}

function atanFixed(x: bigint): bigint {
  if (x < 0n) return -atanFixed(-x);
  if (x > one) return pi / 2n - atanFixed(div(one, x));
  if (x > one / 4n) {
    // atan x = atan(1/2) + atan((x - 1/2)/(1 + x/2))
    return arctanSeries(one / 2n) + arctanSeries(div(x - one / 2n, one + x / 2n));
  }
  return arctanSeries(x);
}

function sqrtFixed(x: bigint): bigint {
  let r = 1n << BigInt(Math.ceil((x << BigInt(P)).toString(2).length / 2));
  for (;;) {
    const next = (r + (x << BigInt(P)) / r) >> 1n;
    if (next >= r) return r;
    r = next;
  }
}
const twoOverRootPi = div(2n * one, sqrtFixed(pi));

function erfFixed(x: bigint): bigint {
  // 2/√π·e^-x²·Σ 2^n x^(2n+1)/(2n+1)!!
  const square = mul(x, x);
  let sum = 0n;
  for (let term = x, k = 1n; term !== 0n; term = (2n * mul(term, square)) / (k + 2n), k += 2n) sum += term;
  const { mantissa, exponent } = expFixed(-square);
  return mul(mul(twoOverRootPi, sum), mantissa >> BigInt(-exponent - P));
}

/** Beyond this e^x is out of range all the same. */
const bounded = (x: number): number => Math.max(-2000, Math.min(2000, x));

/** x below 2^1024 as fixed point may be long; functions of large arguments are exact all the same. */
export const exact = {
  exp: (x: number): Exact => expFixed(fixed(exactly(bounded(x)))),
  expm1: (x: number): Exact => {
    if (tiny(x)) return exactly(x);
    const { mantissa, exponent } = expFixed(fixed(exactly(bounded(x))));
    const grow = exponent + P;
    if (grow >= 0) return { mantissa: mantissa - (one >> BigInt(grow)), exponent };
    return scaled((mantissa >> BigInt(-grow)) - one);
  },
  log: (x: number): Exact => scaled(logFixed(exactly(x))),
  log1p: (x: number): Exact => (tiny(x) ? exactly(x) : scaled(logFixed(scaled(fixed(exactly(x)) + one)))),
  sin: (x: number): Exact => (tiny(x) ? exactly(x) : scaled(sinFixed(exactly(x), 0))),
  cos: (x: number): Exact => scaled(sinFixed(exactly(x), 1)),
  tanh: oddSeries((x) => {
    if (abs(x) > 60n * one) return x > 0n ? one : -one;
    const { mantissa, exponent } = expFixed(2n * x);
    const grown = exponent + P >= 0 ? mantissa << BigInt(exponent + P) : mantissa >> BigInt(-exponent - P);
    return div(grown - one, grown + one);
  }),
  atan: oddSeries(atanFixed),
  erf: (x: number): Exact => {
    if (Math.abs(x) > 8) return exactly(Math.sign(x));
    if (!tiny(x)) return scaled(erfFixed(fixed(exactly(x))));
    const { mantissa, exponent } = exactly(x);
    return { mantissa: mantissa * twoOverRootPi, exponent: exponent - P };
  },
  sigmoid: (x: number): Exact => {
    const small = expFixed(-abs(fixed(exactly(bounded(x)))));
    const ratio = small.mantissa >> BigInt(-small.exponent - P);
    return x > 0 ? scaled(div(one, one + ratio)) : { mantissa: div(small.mantissa, one + ratio), exponent: small.exponent };
  },
  softplus: (x: number): Exact => {
    const small = expFixed(-abs(fixed(exactly(bounded(x)))));
    const ratio = small.mantissa >> BigInt(-small.exponent - P);
    // log(1 + t) is t(1 - t/2) to twice the digits of t.
    const tail = scaled(logFixed(scaled(one + ratio)));
    if (x > 0) return scaled(fixed(exactly(x)) + tail.mantissa);
    return ratio >> BigInt(P - 90) === 0n ? { mantissa: mul(small.mantissa, one - ratio / 2n), exponent: small.exponent } : tail;
  },
  pow: (x: number, y: number): Exact => {
    const { mantissa, exponent } = exactly(y);
    const log = logFixed(exactly(Math.abs(x)));
    const product = log * mantissa;
    return expFixed(exponent >= 0 ? product << BigInt(exponent) : product >> BigInt(-exponent));
  },
};

/** |got - want| in units in the last place of the format at `want` (the spacing of its denormals below them). */
export function ulps(got: number, want: Exact, bits: 32 | 64): number {
  const [mantissaBits, lowest, highest] = bits === 32 ? [24, -149, 128] : [53, -1074, 1024];
  const size = abs(want.mantissa).toString(2).length;
  const top = want.exponent + size;
  if (want.mantissa !== 0n && top > highest) return Math.abs(got) === Infinity ? 0 : Infinity;
  if (!Number.isFinite(got)) return top === highest && Math.abs(got) === Infinity ? 1 : Infinity;
  const spacing = want.mantissa === 0n ? lowest : Math.max(top - mantissaBits, lowest);
  const value = exactly(got);
  const common = Math.min(value.exponent, want.exponent, spacing);
  const difference = (value.mantissa << BigInt(value.exponent - common)) - (want.mantissa << BigInt(want.exponent - common));
  return Number((abs(difference) << 20n) / (1n << BigInt(spacing - common))) / 2 ** 20;
}
