/**
 * Batches of mixed examples: weighted means of pairs (mixup: H. Zhang et al. 2018) and images with a piece of another
 * one (CutMix: S. Yun et al. 2019), with labels mixed in the same proportion. Everything random is a function of seed,
 * epoch and the rows of the batch.
 */
import {
  DTypeError,
  ShapeError,
  type Tensor,
  ValueError,
  add,
  cast,
  mul,
  oneHot,
  reshape,
  sub,
  take,
  where,
} from "@dormouse/tensor";
import { isFloat } from "@dormouse/tensor/graph";
import type { BatchContext } from "./dataset.ts";
import { tensorOf } from "./host.ts";
import { Random, rangeOf } from "./random.ts";
import { requireWhole } from "./whole.ts";

/** How examples are mixed. */
export interface MixOptions {
  /** The share λ of the first example is Beta(alpha, alpha). Default 0.2 for `mixup`, 1 for `cutmix`. */
  readonly alpha?: number;
  /** Number of classes, where labels are class numbers. */
  readonly classes?: number;
  /** Default 0. */
  readonly seed?: number;
}

/** Inputs and labels: class numbers [n], or floats (probabilities [n, classes], values [n, 1]). */
export interface LabeledBatch {
  readonly x: Tensor;
  readonly y: Tensor;
}

/**
 * x = λ x + (1 − λ) x′ and y = λ y + (1 − λ) y′, each example with another λ and another partner from its batch. Class
 * numbers become probabilities [n, classes].
 *
 * ```ts
 * const train = moons({ count: 8 }).map((batch, context) => mixup(batch, { classes: 2, seed: 1 }, context));
 * console.log(train.batch([0, 1, 2]).y.shape); // [ 3, 2 ]
 * ```
 * @throws DTypeError for inputs that are not floats; ValueError for class numbers without `classes`.
 */
export function mixup({ x, y }: LabeledBatch, options: MixOptions = {}, context = contextOf(x)): LabeledBatch {
  const { shares, partners } = draw("mixup", { x, y }, { alpha: 0.2, ...options }, context);
  return {
    x: blended(x, partners, shares),
    y: blended(probabilities("mixup", x, y, options), partners, shares),
  };
}

/**
 * Puts a rectangle of another image of the batch into each image [n, height, width] or [n, channels, height, width].
 * The rectangle has the share 1 − λ of the area and may be cut off by the border; labels are mixed by the share that is
 * really covered.
 *
 * ```ts
 * const train = digits({ count: 8 }).map((batch, context) => cutmix(batch, { classes: 10, seed: 1 }, context));
 * console.log(train.batch([0, 1, 2]).y.shape); // [ 3, 10 ]
 * ```
 * @throws ShapeError for what is no batch of images; ValueError for class numbers without `classes`.
 */
export function cutmix({ x, y }: LabeledBatch, options: MixOptions = {}, context = contextOf(x)): LabeledBatch {
  if (x.rank !== 3 && x.rank !== 4) {
    throw new ShapeError("cutmix", `the shape [${x.shape.join(", ")}] is none of images`, {
      expected: "[n, height, width] or [n, channels, height, width]",
      received: x.shape,
      hint: "give a batch of images, or use mixup",
    });
  }
  const { shares, partners, randoms } = draw("cutmix", { x, y }, { alpha: 1, ...options }, context);
  const [height, width] = x.shape.slice(-2) as [number, number];
  const data = new Uint8Array(shares.length * height * width);
  const kept = shares.map((share, i) => {
    const side = Math.sqrt(1 - share);
    const [boxHeight, boxWidth] = [Math.round(side * height), Math.round(side * width)];
    const random = randoms[i]!;
    const top = random.below(height) - (boxHeight >> 1);
    const left = random.below(width) - (boxWidth >> 1);
    const [from, to] = [Math.max(0, left), Math.min(width, left + boxWidth)];
    let covered = 0;
    for (let row = Math.max(0, top); row < Math.min(height, top + boxHeight); row++) {
      data.fill(1, (i * height + row) * width + from, (i * height + row) * width + to);
      covered += to - from;
    }
    return 1 - covered / (height * width);
  });
  const inner = x.rank === 4 ? [1, height, width] : [height, width];
  const box = tensorOf({ data, shape: [shares.length, ...inner], dtype: "bool" });
  return {
    x: where(box, take(x, partners), x) as Tensor,
    y: blended(probabilities("cutmix", x, y, options), partners, kept),
  };
}

const contextOf = (x: Tensor): BatchContext => ({ epoch: 0, rows: rangeOf(x.shape[0] ?? 0) });

/** For each example its share, its partner's place in the batch, and more random numbers. */
function draw(
  op: string,
  { x, y }: LabeledBatch,
  { alpha, seed = 0 }: MixOptions & { readonly alpha: number },
  { epoch, rows }: BatchContext,
): { shares: number[]; partners: Tensor; randoms: Random[] } {
  if (!(alpha > 0 && alpha < Infinity)) {
    throw new ValueError(op, `alpha ${alpha}`, { received: alpha, hint: "use a number above 0" });
  }
  const [n = 0] = x.shape;
  if (y.shape[0] !== n || rows.length !== n) {
    throw new ShapeError(op, `${n} inputs, ${y.shape[0] ?? "no"} labels and ${rows.length} rows`, {
      expected: n,
      received: [y.shape[0], rows.length],
      hint: "pass inputs, labels and context of the same batch",
    });
  }
  const randoms = Array.from(rows, (row) => new Random(seed, epoch, row));
  const data = Int32Array.from(new Random(seed, epoch, ...rows).permutation(n));
  return {
    shares: randoms.map((random) => random.beta(alpha, alpha)),
    partners: tensorOf({ data, shape: [n], dtype: "int32" }),
    randoms,
  };
}

/** λ a + (1 − λ) a′. */
function blended(a: Tensor, partners: Tensor, shares: readonly number[]): Tensor {
  if (!isFloat(a.dtype)) {
    throw new DTypeError("mixup", `${a.dtype} values cannot be mixed`, {
      received: a.dtype,
      hint: 'cast them first: cast(x, "float32")',
    });
  }
  const data = Float32Array.from(shares);
  const column = tensorOf({ data, shape: [shares.length], dtype: "float32" });
  const share = cast(reshape(column, [shares.length, ...new Array<number>(a.rank - 1).fill(1)]), a.dtype);
  const other = take(a, partners);
  return add(other, mul(share, sub(a, other))) as Tensor;
}

function probabilities(op: string, x: Tensor, y: Tensor, { classes }: MixOptions): Tensor {
  if (isFloat(y.dtype)) return y;
  if (classes === undefined || y.rank !== 1) {
    throw new ValueError(op, `labels are ${y.dtype} of shape [${y.shape.join(", ")}]`, {
      received: y.shape,
      hint: "for class numbers [n] give { classes }; else pass probabilities [n, classes]",
    });
  }
  requireWhole(op, "classes", classes, 1);
  return oneHot(y, classes, { dtype: isFloat(x.dtype) ? x.dtype : "float32" });
}
