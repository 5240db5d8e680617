/**
 * Examples made one by one when they are drawn: files to decode, rows of a data base, rendered scenes. They have
 * positions, so that a loader shuffles and resumes without reading anything that it does not draw.
 */
import { ValueError } from "@dormouse/tensor";
import type { Batch, Source } from "./dataset.ts";
import type { BatchOptions } from "./stream/stream.ts";
import { type StreamExample, stack } from "./stream/stack.ts";
import { requireWhole } from "./whole.ts";

/**
 * A source of `length` examples for `loader`; `make` gives the one at a position and may be asynchronous, in workers
 * (`inWorkers`) or not. All examples of a batch are asked for at once. Changes that are a function of position and
 * epoch are the same when a run is resumed.
 *
 * ```ts
 * const squares = examples(5, (position) => ({ x: [position, 1], y: position ** 2 }));
 * for await (const { x, y } of loader(squares, { batch: 5 })) console.log(x.shape, y.shape); // [ 5, 2 ] [ 5 ]
 * ```
 * @throws ValueError (from `batch`) with the position, where `make` fails.
 */
export function examples<E extends StreamExample>(
  length: number,
  make: (position: number, epoch: number) => E | Promise<E>,
  options: Omit<BatchOptions, "dropLast"> = {},
): Source<{ readonly [K in keyof E]: Batch[string] }> {
  requireWhole("examples", "length", length, 0);
  const at = async (position: number, epoch: number): Promise<E> => {
    try {
      return await make(position, epoch);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const failure = new ValueError("examples", `example ${position} of epoch ${epoch} failed (${reason})`, {
        received: position,
        hint: "the cause is in `cause`",
      });
      failure.cause = cause;
      throw failure;
    }
  };
  return {
    length,
    async batch(positions, epoch) {
      const made = await Promise.all(Array.from(positions, (position) => at(position, epoch)));
      return stack(made, options) as { readonly [K in keyof E]: Batch[string] };
    },
  };
}
