/**
 * Random numbers on the host, for orders, splits and generators: small, fast and the same in every engine. A stream is
 * named by whole numbers (a seed, an epoch, a row), so that any part of it can be drawn again without the rest.
 * Not for cryptography. The generator is sfc32 (C. Doty-Humphrey, PractRand; 128 bits of state, one of them a counter),
 * seeded through the 32-bit finalizer of MurmurHash3 (A. Appleby).
 */
import { ValueError } from "@dormouse/tensor";

export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;
  #spare: number | null = null;

  /** The stream named by `names`; other names, or another order, give an unrelated stream. */
  constructor(...names: readonly number[]) {
    let a = 0x9e3779b9;
    let b = 0x243f6a88;
    let c = 0xb7e15162;
    for (const name of names) {
      if (!Number.isSafeInteger(name)) {
        throw new ValueError("random", `seed ${name} is not a whole number`, {
          received: name,
          hint: "use a seed such as 0",
        });
      }
      const high = Math.floor(name / 4294967296);
      a = mix(a ^ (name | 0));
      b = mix(b + a + high);
      c = mix(c ^ b);
    }
    this.#a = a;
    this.#b = b;
    this.#c = c;
    for (let i = 0; i < 12; i++) this.bits();
  }

  /** 32 random bits as a whole number from 0. */
  bits(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }

  /** Uniform in [low, high). */
  uniform(low = 0, high = 1): number {
    return low + (high - low) * (this.bits() * 2 ** -32);
  }

  /** Uniform whole number in [0, limit), without bias (rejection; limit up to 2^32). */
  below(limit: number): number {
    const end = 4294967296 - (4294967296 % limit);
    for (;;) {
      const bits = this.bits();
      if (bits < end) return bits % limit;
    }
  }

  /** Standard normal (polar method of Marsaglia and Bray 1964). */
  normal(): number {
    if (this.#spare !== null) {
      const spare = this.#spare;
      this.#spare = null;
      return spare;
    }
    for (;;) {
      const x = this.uniform(-1, 1);
      const y = this.uniform(-1, 1);
      const square = x * x + y * y;
      if (square >= 1 || square === 0) continue;
      const factor = Math.sqrt((-2 * Math.log(square)) / square);
      this.#spare = y * factor;
      return x * factor;
    }
  }

  /** Gamma with this shape and scale 1 (G. Marsaglia and W. W. Tsang 2000). */
  gamma(shape: number): number {
    // A shape below 1 is one above it, times a power of a uniform number.
    if (shape < 1) return this.gamma(shape + 1) * (1 - this.uniform()) ** (1 / shape);
    const d = shape - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = this.normal();
      const v = (1 + c * x) ** 3;
      if (v > 0 && Math.log(1 - this.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
    }
  }

  /** Beta with these shapes: between 0 and 1, 1/2 on average where they are equal. */
  beta(a: number, b: number): number {
    const [left, right] = [this.gamma(a), this.gamma(b)];
    // Both can be too small for a number where the shapes are; the outcome is then 0 or 1.
    return left + right > 0 ? left / (left + right) : this.uniform() < a / (a + b) ? 1 : 0;
  }

  /** Puts `items` in random order, in place (Fisher–Yates). */
  shuffle<A extends { [index: number]: number; readonly length: number }>(items: A): A {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const item = items[i]!;
      items[i] = items[j]!;
      items[j] = item;
    }
    return items;
  }

  /** The whole numbers below `length` in random order. */
  permutation(length: number): Uint32Array<ArrayBuffer> {
    return this.shuffle(rangeOf(length));
  }
}

/** `[0, 1, …, length - 1]`. */
export function rangeOf(length: number): Uint32Array<ArrayBuffer> {
  const range = new Uint32Array(length);
  for (let i = 0; i < length; i++) range[i] = i;
  return range;
}

function mix(word: number): number {
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return (word ^ (word >>> 16)) | 0;
}
