/**
 * The float64 functions that JavaScript's `Math` lacks or defines differently from C, and the integer arithmetic of
 * programs. Pure functions of numbers; knows nothing about kernels.
 */

const twoOverRootPi = 2 / Math.sqrt(Math.PI);

/**
 * Error function, erf(x) = 2/√π ∫₀ˣ exp(−t²) dt, to about 1e-15 relative.
 *
 * Below 2: Σ 2ⁿx²ⁿ⁺¹/(2n+1)!!, scaled by exp(−x²), whose terms are all positive, so nothing cancels. From 2 on: one
 * minus the continued fraction of erfc (Abramowitz & Stegun 7.1.6 and 7.1.14).
 */
export function erf(x: number): number {
  if (Number.isNaN(x)) return Number.NaN;
  const magnitude = Math.abs(x);
  if (magnitude >= 6) return Math.sign(x);
  const square = x * x;
  if (magnitude < 2) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (2 * square) / (2 * n + 1);
      sum += term;
    }
    return twoOverRootPi * Math.exp(-square) * sum;
  }
  let fraction = magnitude;
  for (let n = 120; n > 0; n--) fraction = magnitude + n / 2 / fraction;
  const complement = Math.exp(-square) / (Math.sqrt(Math.PI) * fraction);
  return Math.sign(x) * (1 - complement);
}

/** x to the y as C's `pow` (C17 F.10.4.4): 1 to any power is 1, even NaN, and (−1)^±∞ is 1. */
export function power(x: number, y: number): number {
  if (x === 1 || (x === -1 && Math.abs(y) === Infinity)) return 1;
  return Math.pow(x, y);
}

/** x to the y modulo 2³² by squaring. A negative power is the truncated quotient 1/xⁿ, and 0 for x = 0. */
export function integerPower(x: number, y: number, signed: boolean): number {
  if (signed && y < 0) return x === 1 ? 1 : x === -1 ? (y % 2 === 0 ? 1 : -1) : 0;
  let result = 1;
  let factor = x;
  for (let rest = y >>> 0; rest !== 0; rest >>>= 1) {
    if (rest & 1) result = Math.imul(result, factor);
    factor = Math.imul(factor, factor);
  }
  return result;
}

/** Nearest integer, halves to even, keeping the sign of zero. */
export function roundHalfEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  const rounded = rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : below + 1;
  return Number.isFinite(x) ? (rounded === 0 && (x < 0 || Object.is(x, -0)) ? -0 : rounded) : x;
}

const rotations = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
] as const;

/**
 * Threefry-2x32 with 20 rounds; the xor of its two output words.
 * Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 */
export function threefry(key0: number, key1: number, counter0: number, counter1: number): number {
  const schedule = [key0 | 0, key1 | 0, 0x1bd11bda ^ key0 ^ key1];
  let x = (counter0 + schedule[0]!) | 0;
  let y = (counter1 + schedule[1]!) | 0;
  for (let group = 0; group < 5; group++) {
    for (const distance of rotations[group & 1]!) {
      x = (x + y) | 0;
      y = ((y << distance) | (y >>> (32 - distance))) ^ x;
    }
    x = (x + schedule[(group + 1) % 3]!) | 0;
    y = (y + schedule[(group + 2) % 3]! + group + 1) | 0;
  }
  return (x ^ y) >>> 0;
}
