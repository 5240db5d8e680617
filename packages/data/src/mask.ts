/**
 * Hiding parts of examples, for models that learn to fill them in: single values (BERT: J. Devlin et al. 2019) or
 * patches of images (MAE: K. He et al. 2022). What is hidden is a function of seed, epoch and row.
 */
import { ShapeError, type Tensor, ValueError, where } from "@dormouse/tensor";
import type { BatchContext } from "./dataset.ts";
import { tensorOf } from "./host.ts";
import { Random, rangeOf } from "./random.ts";
import { requireWhole } from "./whole.ts";

/** How much is hidden, and what stands there instead. */
export interface MaskOptions {
  /** Share that is hidden of each example, from 0 to 1; its number of values (or patches) is rounded. */
  readonly rate: number;
  /** What stands in hidden places. Default 0. */
  readonly fill?: number;
  /** Default 0. */
  readonly seed?: number;
}

/** An example to reconstruct: a loss compares the model's output for `x` with `target` where `mask` is true. */
export interface Masked {
  /** The batch with hidden places filled. */
  readonly x: Tensor;
  /** The batch as it was. */
  readonly target: Tensor;
  /** bool, of the shape of `x`: true where hidden. */
  readonly mask: Tensor;
}

/**
 * Hides single values of each example of a batch `[n, …]`. With `axes: 1` whole positions of `[n, length, features]`.
 *
 * ```ts
 * const hidden = digits({ count: 10 }).map(({ x }, context) => maskRandom(x, { rate: 0.5, seed: 1 }, context));
 * console.log(hidden.batch([0, 1]).mask.shape); // [ 2, 28, 28 ]
 * ```
 * @throws ValueError for a rate outside [0, 1]; ShapeError for a tensor of one axis.
 */
export function maskRandom(
  x: Tensor,
  options: MaskOptions & {
    /** Axes after the first along which places are drawn; all values along the others are hidden together. */
    readonly axes?: number;
  },
  context: BatchContext = { epoch: 0, rows: rangeOf(x.shape[0] ?? 0) },
): Masked {
  const { axes = x.rank - 1 } = options;
  requireWhole("maskRandom", "axes", axes, 1);
  const places = x.shape.slice(1, 1 + axes);
  if (x.rank < 2 || axes >= x.rank) {
    throw new ShapeError("maskRandom", `${axes} axes after the first of shape [${x.shape.join(", ")}]`, {
      received: x.shape,
      hint: "give a batch [n, …] with that many axes",
    });
  }
  const count = places.reduce((product, length) => product * length, 1);
  const inner = x.shape.slice(1 + axes).reduce((product, length) => product * length, 1);
  return masked("maskRandom", x, options, context, count, (hidden, offset, data) => {
    for (const place of hidden) data.fill(1, offset + place * inner, offset + (place + 1) * inner);
  });
}

/**
 * Hides square patches of images `[n, height, width]` or `[n, channels, height, width]`, the same in all channels. The
 * patches tile the image from its upper left corner; those at the right and at the bottom may be cut off.
 *
 * ```ts
 * const hidden = digits({ count: 4 }).map(({ x }, context) => maskPatches(x, { patch: 7, rate: 0.75 }, context));
 * console.log(hidden.batch([0]).x.shape); // [ 1, 28, 28 ]
 * ```
 * @throws ValueError for a rate outside [0, 1] or a patch below 1; ShapeError for what is no batch of images.
 */
export function maskPatches(
  x: Tensor,
  options: MaskOptions & {
    /** Height and width of a patch in pixels. */
    readonly patch: number;
  },
  context: BatchContext = { epoch: 0, rows: rangeOf(x.shape[0] ?? 0) },
): Masked {
  const { patch } = options;
  requireWhole("maskPatches", "patch", patch, 1);
  if (x.rank !== 3 && x.rank !== 4) {
    throw new ShapeError("maskPatches", `the shape [${x.shape.join(", ")}] is none of images`, {
      expected: "[n, height, width] or [n, channels, height, width]",
      received: x.shape,
      hint: "give a batch of images",
    });
  }
  const [height, width] = x.shape.slice(-2) as [number, number];
  const channels = x.rank === 4 ? x.shape[1]! : 1;
  const across = Math.ceil(width / patch);
  return masked("maskPatches", x, options, context, across * Math.ceil(height / patch), (hidden, offset, data) => {
    for (const place of hidden) {
      const [top, left] = [Math.floor(place / across) * patch, (place % across) * patch];
      for (let channel = 0; channel < channels; channel++) {
        for (let y = top; y < Math.min(top + patch, height); y++) {
          const row = offset + (channel * height + y) * width;
          data.fill(1, row + left, row + Math.min(left + patch, width));
        }
      }
    }
  });
}

function masked(
  op: string,
  x: Tensor,
  { rate, fill = 0, seed = 0 }: MaskOptions,
  { epoch, rows }: BatchContext,
  places: number,
  hide: (hidden: Uint32Array, offset: number, data: Uint8Array) => void,
): Masked {
  if (!(rate >= 0 && rate <= 1)) {
    throw new ValueError(op, `rate ${rate}`, { expected: "0 to 1", received: rate, hint: "use a share from 0 to 1" });
  }
  const [n = 0] = x.shape;
  if (rows.length !== n) {
    throw new ShapeError(op, `${n} examples and the rows of ${rows.length}`, {
      expected: n,
      received: rows.length,
      hint: "pass the context of the same batch",
    });
  }
  const count = Math.round(rate * places);
  const size = x.shape.slice(1).reduce((product, length) => product * length, 1);
  const data = new Uint8Array(n * size);
  for (let i = 0; i < n; i++) {
    const hidden = new Random(seed, epoch, rows[i]!).permutation(places).subarray(0, count);
    hide(hidden, i * size, data);
  }
  const mask = tensorOf({ data, shape: x.shape, dtype: "bool" });
  return { x: where(mask, fill, x) as Tensor, target: x, mask };
}
