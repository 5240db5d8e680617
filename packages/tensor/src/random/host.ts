/**
 * The random words of `key.ts` computed in JavaScript, for code that shuffles on the host. Bit for bit what every
 * device computes: a shuffle of the data does not depend on where the model runs.
 */
import { ValueError } from "../core/errors.ts";
import { streams } from "./key.ts";

/** A key on the host: its two words. */
export type HostKey = ArrayLike<number>;

const rotations = [13, 15, 26, 6, 17, 29, 16, 24] as const;

/**
 * Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011):
 * the two words that `key` makes of `counter`.
 */
export function threefry(
  key: readonly [number, number],
  counter: readonly [number, number],
): [number, number] {
  const words = [key[0], key[1], 0x1bd11bda ^ key[0] ^ key[1]];
  let x = (counter[0] + key[0]) | 0;
  let y = (counter[1] + key[1]) | 0;
  for (let round = 0; round < 20; round++) {
    const turn = rotations[round % 8]!;
    x = (x + y) | 0;
    y = ((y << turn) | (y >>> (32 - turn))) ^ x;
    if (round % 4 === 3) {
      const injection = (round + 1) / 4;
      x = (x + words[injection % 3]!) | 0;
      y = (y + words[(injection + 1) % 3]! + injection) | 0;
    }
  }
  return [x >>> 0, y >>> 0];
}

/** `count` words of a stream: element i is the xor of the two words of Threefry(key, [stream, i]). */
export function hostBits(key: HostKey, count: number, stream: number = streams.bits): Uint32Array {
  const words = keyWords("hostBits", key);
  return Uint32Array.from({ length: count }, (_, i) => {
    const [x, y] = threefry(words, [stream, i]);
    return x ^ y;
  });
}

function keyWords(op: string, key: HostKey): [number, number] {
  if (key.length === 2) return [key[0]!, key[1]!];
  throw new ValueError(op, `a key of ${key.length} words`, { expected: 2, received: key.length, hint: "use seedWords(seed)" });
}

/** `split` on the host. */
export const hostSplit = (key: HostKey, count = 2): Uint32Array[] => {
  const words = hostBits(key, 2 * count, streams.split);
  return Array.from({ length: count }, (_, i) => words.slice(2 * i, 2 * i + 2));
};

/** `foldIn` on the host. */
export function hostFoldIn(key: HostKey, data: number): Uint32Array {
  const hashed = hostBits(key, 2, streams.fold);
  hashed[0] = hashed[0]! + (data % 2 ** 32);
  return hostBits(hashed, 2, streams.folded);
}

/** Above this length, one pass of 32-bit sort keys has ties often enough (n²/2³³) to be sorted again. */
export const longestSinglePass = 2048;

/** 0 … length - 1 in the order that `permutation(key, length)` gives. */
export function hostPermutation(key: HostKey, length: number): Int32Array {
  const first = sortingOrder(hostBits(key, length));
  if (length <= longestSinglePass) return first;
  const second = sortingOrder(hostBits(key, length, streams.shuffle));
  return second.map((place) => first[place]!);
}

/** Positions that sort `words`, equal ones in their order. */
function sortingOrder(words: Uint32Array): Int32Array {
  const positions = new Int32Array(words.length).map((_, i) => i);
  return positions.sort((a, b) => words[a]! - words[b]! || a - b);
}
