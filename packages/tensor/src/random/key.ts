/**
 * Keys: where randomness comes from. A key is two 32-bit words in a tensor, never used up and never changed: the same
 * key gives the same numbers, on every backend, and new keys are made with `split` and `foldIn`. Under all of it is
 * Threefry-2x32 with 20 rounds (Salmon et al. 2011): a word is Threefry(key, [stream, position]), its two halves
 * xored. Each way of using a key reads a stream of its own, so that no two uses ever see one word.
 */
import { isInteger } from "../core/dtype.ts";
import { DTypeError, ShapeError, ValueError } from "../core/errors.ts";
import { primitive } from "../core/primitives.ts";
import { type Shape, showShape, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { fromHost, requireCount } from "../ops/pieces.ts";

/** Two 32-bit words, uint32. */
export type Key = Tensor<[2]>;

/**
 * Which words of a key a use reads. Samplers of one key share `bits`, so a key is for one sample: split it for more.
 */
export const streams = {
  /** What samplers turn into numbers. */
  bits: 0,
  /** The lower half, where 32 bits are too few. */
  lowBits: 1,
  /** Keys made by `split`. */
  split: 2,
  /** The first hash of `foldIn`, and the second. */
  fold: 3,
  folded: 4,
  /** The second pass of `permutation`. */
  shuffle: 5,
} as const;

/** The words of a seed, low word first. Throws `ValueError` for a number that is not an integer. */
export function seedWords(seed: number | bigint): Uint32Array {
  if (typeof seed === "number" && !Number.isSafeInteger(seed)) {
    throw new ValueError("key", `seed ${seed} is not a safe integer`, {
      received: seed,
      hint: "use an integer, or a bigint of up to 64 bits",
    });
  }
  const bits = BigInt.asUintN(64, BigInt(seed));
  return Uint32Array.of(Number(bits & 0xffffffffn), Number(bits >> 32n));
}

/**
 * A key from a seed. Equal seeds give equal keys. A bigint counts modulo 2⁶⁴.
 *
 * ```ts
 * const [k1, k2] = split(key(0));
 * const x = normal(k1, [3, 4]);
 * ```
 */
export const key = (seed: number | bigint): Key => fromHost(seedWords(seed), [2], "uint32") as Key;

/** Throws unless `key` is uint32 of shape [2]. */
export function requireKey(op: string, key: Tensor): void {
  if (key === undefined || key === null) {
    throw new DTypeError(op, "there is no key", { expected: "a key", received: key, hint: "make one: key(0)" });
  }
  if (typeof key === "number" || typeof key === "bigint") {
    throw new DTypeError(op, `the key is the number ${String(key)}`, { expected: "a key", received: key, hint: `make one of it: key(${String(key)})` });
  }
  if (key.dtype !== "uint32") {
    throw new DTypeError(op, `the key is ${key.dtype}`, { expected: "uint32", received: key.dtype, hint: "make one with key(seed)" });
  }
  if (key.rank !== 1 || key.shape[0] !== 2) {
    throw new ShapeError(op, `the key has shape ${showShape(key.shape)}`, {
      expected: [2],
      received: key.shape,
      hint: "give one key of shape [2]",
    });
  }
}

/** N keys as a tuple, so that destructuring `split(key, 3)` gives keys and not `undefined`. */
export type Keys<N extends number, Out extends Key[] = []> = number extends N
  ? Key[]
  : Out["length"] extends N
    ? Out
    : Out["length"] extends 64
      ? Key[]
      : Keys<N, [...Out, Key]>;

/** `count` new keys (default 2), independent of each other and of what else `key` is used for. */
export function split<N extends number = 2>(key: Key, count: N = 2 as N): Keys<N> {
  requireKey("split", key);
  requireCount("split", "count", count, 1);
  const words = primitive.random(key, [count, 2], streams.split);
  const each = (i: number): Tensor =>
    primitive.reshape(primitive.slice(words, [i, 0], [1, 1], [1, 2]), [2]);
  return Array.from({ length: count }, (_, i) => each(i)) as Keys<N>;
}

/**
 * A key for one of many things that are counted, a step or a layer: `foldIn(key, step)`. `data` is a number or a
 * scalar integer tensor (so that a compiled step can fold in its own count), not negative.
 */
export function foldIn(key: Key, data: number | Tensor): Key {
  requireKey("foldIn", key);
  // Hashed first: the words of neighboring keys plus small numbers would meet, hashes plus small numbers do not.
  const hashed = primitive.random(key, [2], streams.fold);
  const word = primitive.broadcast(foldedWord(data), [1], []);
  const added = primitive.add(hashed, primitive.pad(word, [0], [1], [0]));
  return primitive.random(added, [2], streams.folded) as Key;
}

function foldedWord(data: number | Tensor): Tensor {
  if (typeof data === "number") {
    requireCount("foldIn", "data", data, 0);
    return primitive.constant(data % 2 ** 32, [], "uint32");
  }
  if (!isInteger(data.dtype) || data.rank !== 0) {
    throw new ShapeError("foldIn", `data is ${data.dtype}${showShape(data.shape)}`, {
      expected: "an integer scalar",
      received: data.shape,
      hint: "give a number or a scalar tensor of integers",
    });
  }
  return primitive.cast(data, "uint32");
}

/** Random words: uint32, every value equally likely. */
export function bits<const S extends Shape>(key: Key, shape: S): Tensor<S> {
  requireKey("bits", key);
  requireShape("bits", shape);
  return primitive.random(key, shape, streams.bits) as Tensor<S>;
}

/** Throws unless every length is a count. Positions are 32-bit, which bounds the size. */
export function requireShape(op: string, shape: Shape): void {
  if (shape.every((length) => Number.isInteger(length) && length >= 0) && sizeOf(shape) <= 2 ** 31) return;
  throw new ShapeError(op, `shape ${showShape(shape)} cannot be`, {
    received: shape,
    hint: "give lengths that are integers of at least 0, at most 2³¹ elements",
  });
}
