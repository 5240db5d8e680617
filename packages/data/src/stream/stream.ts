/**
 * Examples that come one after another from somewhere that need not fit in memory. A stream is a recipe: it opens its
 * source anew for every epoch, and its steps (map, filter, shuffle, batch, …) each hold only what their option says.
 * Everything random is a function of seed and epoch. Datasets that can be asked for row 17 belong to `loader`, which
 * resumes without reading what came before; a stream has to read past it.
 */
import { ValueError } from "@dormouse/tensor";
import type { Batch } from "../dataset.ts";
import type { ValueCheck } from "../field.ts";
import { Random } from "../random.ts";
import { requireWhole } from "../whole.ts";
import { type StreamExample, stack } from "./stack.ts";

/** Items in order, at once or one by one as they arrive. */
export type Items<T> = Iterable<T> | AsyncIterable<T>;

/** Where the items of a stream come from: something to iterate over, or what opens it for an epoch. */
export type StreamSource<T> = Items<T> | ((epoch: number) => Items<T> | Promise<Items<T>>);

/** Where an item stands in its epoch. A change that is a function of these is the same when a run is resumed. */
export interface StreamContext {
  readonly epoch: number;
  /** Number of the item among those that reach this step, from 0. */
  readonly index: number;
}

/** How `Stream.map` applies its function. */
export interface StreamMapOptions {
  /**
   * Calls of an asynchronous function under way at once. Default 1, or twice the number of workers of a function made
   * by `inWorkers`. Results keep their order.
   */
  readonly concurrency?: number;
}

/** The items of one epoch from item `skip` on. */
type Open<T> = (epoch: number, skip: number) => AsyncGenerator<T, void, undefined>;

/** A sequence of items that can be gone through once per epoch; made by `stream` and its relatives. */
export class Stream<T> implements AsyncIterable<T> {
  readonly #open: Open<T>;
  #epoch = 0;

  /** @internal Use `stream()`. */
  constructor(open: Open<T>) {
    this.#open = open;
  }

  /**
   * The items of epoch `number`, from item `start` on (of a stream of batches: batch `start`). What is skipped is read
   * and shuffled again, but functions given to `map` after the last `filter` and `shuffle` are not called for it.
   */
  epoch(number: number, start = 0): AsyncIterable<T> {
    requireWhole("stream", "epoch", number, 0);
    requireWhole("stream", "start", start, 0);
    return { [Symbol.asyncIterator]: () => this.#open(number, start) };
  }

  /** Each iteration over the stream itself is the next epoch, from 0. */
  [Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    return this.#open(this.#epoch++, 0);
  }

  /** The stream of `f` of every item; `f` may be asynchronous. An error tells the number of its item. */
  map<U>(f: (item: T, context: StreamContext) => U | Promise<U>, options: StreamMapOptions = {}): Stream<U> {
    const { concurrency = (f as { readonly concurrency?: number }).concurrency ?? 1 } = options;
    requireWhole("stream", "concurrency", concurrency, 1);
    const apply = async (item: T, context: StreamContext): Promise<U> => {
      try {
        return await f(item, context);
      } catch (cause) {
        throw failureAt("map", context, cause);
      }
    };
    const upstream = this.#open;
    return new Stream(async function* (epoch, skip) {
      let index = skip;
      const results = transformed(upstream(epoch, skip), (item) => apply(item, { epoch, index: index++ }));
      yield* ahead(results, concurrency - 1);
    });
  }

  /** The stream of the items for which `keep` holds. */
  filter(keep: (item: T, context: StreamContext) => boolean): Stream<T> {
    const upstream = this.#open;
    return new Stream((epoch, skip) => {
      let index = 0;
      return dropped(
        (async function* () {
          for await (const item of upstream(epoch, 0)) if (keep(item, { epoch, index: index++ })) yield item;
        })(),
        skip,
      );
    });
  }

  /**
   * The stream in random order, another one every epoch, as far as a buffer of that many items allows: each item that
   * leaves is drawn from the buffer, and the next one takes its place. An item can come any number of places later
   * and at most `buffer − 1` places earlier; a buffer as long as the stream gives every order the same chance.
   */
  shuffle(options: { readonly buffer: number; readonly seed?: number }): Stream<T> {
    const { buffer, seed = 0 } = options;
    requireWhole("stream", "buffer", buffer, 1);
    const upstream = this.#open;
    return new Stream((epoch, skip) =>
      dropped(
        (async function* () {
          const random = new Random(seed, epoch);
          const held: T[] = [];
          for await (const item of upstream(epoch, 0)) {
            if (held.length < buffer) {
              held.push(item);
              continue;
            }
            const at = random.below(buffer);
            const drawn = held[at]!;
            held[at] = item;
            yield drawn;
          }
          while (held.length > 0) {
            const at = random.below(held.length);
            const drawn = held[at]!;
            held[at] = held.at(-1)!;
            held.pop();
            yield drawn;
          }
        })(),
        skip,
      ),
    );
  }

  /** The stream without its first `count` items. */
  skip(count: number): Stream<T> {
    requireWhole("stream", "skip", count, 0);
    const upstream = this.#open;
    return new Stream((epoch, skip) => upstream(epoch, skip + count));
  }

  /** The first `count` items; the source is closed after them. */
  take(count: number): Stream<T> {
    requireWhole("stream", "take", count, 0);
    const upstream = this.#open;
    return new Stream(async function* (epoch, skip) {
      let left = count - skip;
      if (left <= 0) return;
      for await (const item of upstream(epoch, skip)) {
        yield item;
        if (--left === 0) return;
      }
    });
  }

  /** The stream of arrays of `size` items, of which the last may be shorter (or is left out with `dropLast`). */
  chunk(size: number, options: { readonly dropLast?: boolean } = {}): Stream<T[]> {
    requireWhole("stream", "chunk", size, 1);
    const { dropLast = false } = options;
    const upstream = this.#open;
    return new Stream(async function* (epoch, skip) {
      let chunk: T[] = [];
      for await (const item of upstream(epoch, skip * size)) {
        chunk.push(item);
        if (chunk.length < size) continue;
        yield chunk;
        chunk = [];
      }
      if (chunk.length > 0 && !dropLast) yield chunk;
    });
  }

  /**
   * The stream of batches of `size` examples (default 32): fields of the same name stacked to one tensor. Example:
   * `{ x: Float32Array(4), y: 2 }` becomes `x` of shape [32, 4] and `y` of shape [32]. Numbers become float32, whole
   * numbers int32 where `dtypes` says so.
   *
   * @throws ShapeError for examples that differ in shape; ValueError for those that differ in names, and for NaN and
   * infinities unless `check` is `"none"`.
   */
  batch<E extends StreamExample>(
    this: Stream<E>,
    size = 32,
    options: BatchOptions = {},
  ): Stream<Batch & { readonly [K in keyof E]: Batch[string] }> {
    const chunks = this.chunk(size, { dropLast: options.dropLast ?? false });
    return new Stream(async function* (epoch, skip) {
      for await (const examples of chunks.epoch(epoch, skip)) {
        yield stack(examples, options) as Batch & { readonly [K in keyof E]: Batch[string] };
      }
    });
  }

  /** The same stream, with up to `count` items made ahead while the program waits for something else. */
  prefetch(count: number): Stream<T> {
    requireWhole("stream", "prefetch", count, 0);
    const upstream = this.#open;
    return new Stream((epoch, skip) => ahead(settled(upstream(epoch, skip)), count));
  }

  /** All items of epoch `epoch` in an array: for streams that do fit in memory. */
  async toArray(epoch = 0): Promise<T[]> {
    const items: T[] = [];
    for await (const item of this.epoch(epoch)) items.push(item);
    return items;
  }
}

/** How `Stream.batch` stacks. */
export interface BatchOptions {
  /** Leave out a last batch that is not full. Default false. */
  readonly dropLast?: boolean;
  /** Types of fields by name: `{ y: "int32" }` for class numbers. */
  readonly dtypes?: Readonly<Record<string, Batch[string]["dtype"]>>;
  readonly check?: ValueCheck;
}

/**
 * A stream of the items of `source`. A function is called with the number of the epoch, to open a file anew or draw
 * other examples; arrays and other things that can be iterated over more than once may be given as they are.
 *
 * ```ts
 * const numbers = stream([1, 2, 3, 4, 5]).map((n) => ({ x: n })).shuffle({ buffer: 3, seed: 1 }).batch(2);
 * for await (const { x } of numbers) console.log(x.shape); // [ 1 ]
 * ```
 * @throws ValueError when a source that can be read only once is asked for a second epoch.
 */
export function stream<T>(source: StreamSource<T>): Stream<T> {
  let spent = false;
  return new Stream(async function* (epoch, skip) {
    if (spent) {
      throw new ValueError("stream", `the source has been read and can be read only once; epoch ${epoch} cannot begin`, {
        received: epoch,
        hint: "pass a function that opens it: stream((epoch) => open())",
      });
    }
    const items = typeof source === "function" ? await source(epoch) : source;
    // A generator is its own iterator, and a stream of bytes is locked: neither begins again.
    spent = typeof source !== "function" && isReadOnce(source);
    let left = skip;
    for await (const item of items) if (left-- <= 0) yield item;
  });
}

function isReadOnce(source: Items<unknown>): boolean {
  if (typeof ReadableStream !== "undefined" && source instanceof ReadableStream) return true;
  return typeof source === "object" && ("next" in source || "readable" in source);
}

async function* dropped<T>(items: AsyncIterable<T>, count: number): AsyncGenerator<T, void, undefined> {
  let left = count;
  for await (const item of items) if (left-- <= 0) yield item;
}

/** A result that is under way, in a box that `for await` does not open. */
interface Pending<T> {
  readonly result: Promise<T>;
}

async function* transformed<T, U>(
  items: AsyncIterable<T>,
  apply: (item: T) => Promise<U>,
): AsyncGenerator<Pending<U>, void, undefined> {
  for await (const item of items) yield { result: apply(item) };
}

async function* settled<T>(items: AsyncIterable<T>): AsyncGenerator<Pending<T>, void, undefined> {
  for await (const item of items) yield { result: Promise.resolve(item) };
}

/**
 * The results in order, with up to `count` more asked for before they are needed. An error is thrown in its place,
 * after the results before it. Ends the source when the consumer stops early.
 */
async function* ahead<T>(
  source: AsyncGenerator<Pending<T>, void, undefined>,
  count: number,
): AsyncGenerator<T, void, undefined> {
  const asked: Promise<{ done: boolean; value?: T }>[] = [];
  let ended = false;
  const ask = (): void => {
    const next = source.next().then(
      async ({ done, value }) => {
        if (done) ended = true;
        return done ? { done: true } : { done: false, value: await (value as Pending<T>).result };
      },
      (failure: unknown) => {
        ended = true;
        throw failure;
      },
    );
    // Reported when its turn comes; a consumer that stops early never gets there.
    next.catch(() => undefined);
    asked.push(next);
  };
  try {
    for (;;) {
      while (!ended && asked.length <= count) ask();
      const next = asked.shift();
      if (!next) return;
      const { done, value } = await next;
      if (done) return;
      yield value as T;
    }
  } finally {
    await source.return();
  }
}

function failureAt(step: string, { epoch, index }: StreamContext, cause: unknown): ValueError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const failure = new ValueError("stream", `${step} failed at item ${index} of epoch ${epoch} (${reason})`, {
    received: index,
    hint: "the cause is in `cause`",
  });
  failure.cause = cause;
  return failure;
}
