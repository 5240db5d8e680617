/**
 * Batches of a dataset, epoch by epoch. The order of an epoch is a pure function of the seed and the number of the
 * epoch: a run can be resumed in the middle of one. Every example is drawn exactly once per epoch, in ⌈n / batch⌉
 * batches of which only the last may be smaller.
 */
import { type Tensor, ValueError } from "@dormouse/tensor";
import type { Source } from "./dataset.ts";
import { hostWords } from "./host.ts";
import { Random, rangeOf } from "./random.ts";
import { requireWhole } from "./whole.ts";

/** How a loader draws. */
export interface LoaderOptions {
  /** Examples in a batch. Default 32. */
  readonly batch?: number;
  /** A seed or a random key: draw in another random order every epoch. Default: in the order of the data. */
  readonly shuffle?: number | Tensor;
  /** Number of the first epoch. Default 0. */
  readonly epoch?: number;
  /** Leave out a last batch that is not full. Default false. */
  readonly dropLast?: boolean;
  /** Batches made ahead, while the program waits for something else (`for await` only). Default 0. */
  readonly prefetch?: number;
}

/** A batch, and the positions of its examples in the dataset. */
export type Loaded<B extends object> = B & { readonly indices: Uint32Array };

/** The batches of one epoch after another. */
export interface Loader<B extends object> extends Iterable<Loaded<B>>, AsyncIterable<Loaded<B>> {
  /** Batches in an epoch. */
  readonly length: number;
  /** The batches of epoch `number`, from batch `start` on. Unlike the loader itself it does not count epochs. */
  epoch(number: number, start?: number): Iterable<Loaded<B>> & AsyncIterable<Loaded<B>>;
}

/**
 * Iterates over the batches of `source`. Each iteration over the loader is one epoch; the next has the next number and
 * with `shuffle` another order. `indices` of a batch is not enumerable, so that a batch is a tree of tensors.
 *
 * ```ts
 * for await (const { x, indices } of loader(moons({ count: 5 }), { batch: 3 })) {
 *   console.log(x.shape, indices); // [ 2, 2 ] Uint32Array(2) [ 3, 4 ]
 * }
 * ```
 * @throws ValueError for an empty dataset, and for options that are not whole numbers in their range.
 */
export function loader<B extends object>(source: Source<B>, options: LoaderOptions = {}): Loader<B> {
  const { batch = 32, shuffle, epoch: first = 0, dropLast = false, prefetch = 0 } = options;
  requireWhole("loader", "batch", batch, 1);
  requireWhole("loader", "epoch", first, 0);
  requireWhole("loader", "prefetch", prefetch, 0);
  if (typeof shuffle === "number") requireWhole("loader", "shuffle", shuffle, Number.MIN_SAFE_INTEGER);
  if (source.length === 0) {
    throw new ValueError("loader", "the dataset is empty", {
      received: 0,
      hint: "check the split or the file it came from",
    });
  }
  const length = dropLast ? Math.floor(source.length / batch) : Math.ceil(source.length / batch);

  const orderOf = (words: ArrayLike<number> | null, epoch: number): Uint32Array =>
    words ? new Random(...Array.from(words), epoch).permutation(source.length) : rangeOf(source.length);
  const positions = (order: Uint32Array, index: number): Uint32Array =>
    order.slice(index * batch, Math.min((index + 1) * batch, order.length));

  function* walk(epoch: number, start: number): Generator<Loaded<B>, undefined> {
    const order = orderOf(wordsNow(shuffle), epoch);
    for (let index = start; index < length; index++) {
      const rows = positions(order, index);
      const made = source.batch(rows, epoch);
      if (made instanceof Promise) {
        throw new ValueError("loader", "the source makes its batches asynchronously", { hint: "use for await" });
      }
      yield withIndices(made, rows);
    }
    return undefined;
  }

  async function* walkAhead(epoch: number, start: number): AsyncGenerator<Loaded<B>, undefined> {
    const order = orderOf(wordsNow(shuffle, true) ?? (shuffle ? await (shuffle as Tensor).data() : null), epoch);
    const ahead: Later<Loaded<B>>[] = [];
    let next = start;
    const make = async (index: number): Promise<Loaded<B>> => {
      const rows = positions(order, index);
      return withIndices(await source.batch(rows, epoch), rows);
    };
    try {
      for (let index = start; index < length; index++) {
        while (next < length && next <= index + prefetch) {
          const at = next++;
          ahead.push(later(() => make(at)));
        }
        yield await ahead.shift()!.take();
      }
    } finally {
      for (const { cancel } of ahead) cancel();
    }
    return undefined;
  }

  const epochOf = (number: number, start = 0): Iterable<Loaded<B>> & AsyncIterable<Loaded<B>> => {
    requireWhole("loader", "epoch", number, 0);
    requireWhole("loader", "start", start, 0);
    return { [Symbol.iterator]: () => walk(number, start), [Symbol.asyncIterator]: () => walkAhead(number, start) };
  };
  let current = first;
  return {
    length,
    epoch: epochOf,
    [Symbol.iterator]: () => walk(current++, 0),
    [Symbol.asyncIterator]: () => walkAhead(current++, 0),
  };
}

/** The words that name the order: of a seed, of a key on the host or (unless `hostOnly`) of one on a device. */
function wordsNow(shuffle: number | Tensor | undefined, hostOnly = false): ArrayLike<number> | null {
  if (shuffle === undefined) return null;
  // The words that key(seed) holds, so that a seed and its key mean the same order.
  if (typeof shuffle === "number") return [shuffle >>> 0, Math.floor(shuffle / 2 ** 32) >>> 0];
  return hostWords(shuffle) ?? (hostOnly ? null : shuffle.dataSync());
}

/** Work that is done when the event loop is free or when its result is taken, whichever comes first. */
interface Later<T> {
  take(): Promise<T>;
  cancel(): void;
}

function later<T>(work: () => Promise<T>): Later<T> {
  let result: Promise<T> | undefined;
  const timer = setTimeout(() => {
    result = work();
    // Reported when the result is asked for; a consumer that stops early never does.
    result.catch(() => undefined);
  }, 0);
  const cancel = (): void => clearTimeout(timer);
  return {
    cancel,
    take: () => {
      cancel();
      return (result ??= work());
    },
  };
}

const withIndices = <B extends object>(batch: B, indices: Uint32Array): Loaded<B> =>
  Object.defineProperty({ ...batch }, "indices", { value: indices, enumerable: false }) as Loaded<B>;
