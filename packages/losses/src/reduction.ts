/**
 * What every loss shares: the check that prediction and target fit, the dtype that it is computed in, the reduction of
 * one loss per example to a scalar, and three small functions with chosen slopes. Knows no loss.
 */
import { DTypeError, ShapeError, ValueError, div, less, mean, mul, sum, where } from "@dormouse/tensor";
import {
  type Body, type LinearMap, type Tensor, broadcastShapes, computedIn, isFloat, primitive, sameShape, showShape,
} from "@dormouse/tensor/graph";

/** How losses of examples become one number. */
export type Reduction = "none" | "sum" | "mean";

/** The option that every loss takes. */
export interface ReductionOption {
  /** `mean` over all examples (default), their `sum`, or `none`: one loss for each. */
  readonly reduction?: Reduction;
}

/** The options of losses with one number for each element. */
export interface ElementwiseOptions extends ReductionOption {
  /** Weights of the elements; broadcasts to their shape. The mean divides by their number all the same. */
  readonly weight?: Tensor;
}

/** Applies a reduction. The mean of nothing is NaN, as in PyTorch. */
export function reduced(op: string, losses: Tensor, reduction: Reduction = "mean"): Tensor {
  switch (reduction) {
    case "none":
      return losses;
    case "sum":
      return sum(losses);
    case "mean":
      return mean(losses);
    default:
      throw unknownReduction(op, reduction);
  }
}

/** As `reduced`, where the mean divides by the sum of `weights` instead of the number of losses. */
export function reducedByWeight(op: string, losses: Tensor, weights: Tensor, reduction: Reduction = "mean"): Tensor {
  return reduction === "mean" ? div(sum(losses), sum(weights)) : reduced(op, losses, reduction);
}

const unknownReduction = (op: string, received: string): ValueError =>
  new ValueError(op, `reduction is "${received}"`, {
    expected: ["none", "sum", "mean"],
    received,
    hint: `use "none", "sum" or "mean"`,
  });

/**
 * float16 tensors as float32, others as they are: logarithms, squares and sums of a loss leave the range of float16, and
 * its eps is 0 there. So the loss of float16 predictions is float32.
 */
export function widened<T extends readonly (Tensor | undefined)[]>(...tensors: T): T {
  return tensors.map((x) => x && primitive.cast(x, computedIn(x.dtype))) as unknown as T;
}

/** Throws `DTypeError` unless `x` is of floats. */
export function requireFloat(op: string, name: string, x: Tensor): void {
  if (isFloat(x.dtype)) return;
  throw new DTypeError(op, `${name} is ${x.dtype}`, {
    expected: ["float32", "float64"],
    received: x.dtype,
    hint: `cast it: cast(${name}, "float32")`,
  });
}

/**
 * Throws unless both tensors are floats of one dtype and one shape. Broadcasting is refused on purpose: [N, 1] against
 * [N] would compare every prediction with every target.
 */
export function requireAlike(
  op: string,
  prediction: Tensor,
  target: Tensor,
  [first, second]: readonly [string, string] = ["prediction", "target"],
): void {
  requireFloat(op, first, prediction);
  if (prediction.dtype !== target.dtype) {
    throw new DTypeError(op, `${first} is ${prediction.dtype} and ${second} is ${target.dtype}`, {
      expected: prediction.dtype,
      received: target.dtype,
      hint: `cast one: cast(${second}, "${prediction.dtype}")`,
    });
  }
  if (sameShape(prediction.shape, target.shape)) return;
  throw new ShapeError(op, `${first} ${showShape(prediction.shape)} and ${second} ${showShape(target.shape)} differ`, {
    expected: prediction.shape,
    received: target.shape,
    hint: "give both one shape: reshape or squeeze one",
  });
}

/** Losses of elements, weighted and reduced. */
export const finished = (op: string, losses: Tensor, { weight, reduction }: ElementwiseOptions): Tensor =>
  reduced(op, weighted(op, losses, ...widened(weight)), reduction);

/** losses · weight, where `weight` broadcasts to the shape of the losses. */
function weighted(op: string, losses: Tensor, weight: Tensor | undefined): Tensor {
  if (!weight) return losses;
  requireBroadcast(op, "weight", weight, losses);
  return mul(losses, weight);
}

/** Throws `ShapeError` unless `x` broadcasts to the shape of `like`, `DTypeError` unless their dtypes agree. */
export function requireBroadcast(op: string, name: string, x: Tensor, like: Tensor): void {
  if (x.dtype !== like.dtype) {
    throw new DTypeError(op, `${name} is ${x.dtype} and the loss is ${like.dtype}`, {
      expected: like.dtype,
      received: x.dtype,
      hint: `cast one: cast(${name}, "${like.dtype}")`,
    });
  }
  const shape = broadcastShapes(x.shape, like.shape);
  if (shape && sameShape(shape, like.shape)) return;
  throw new ShapeError(op, `${name} ${showShape(x.shape)} does not broadcast to ${showShape(like.shape)}`, {
    expected: like.shape,
    received: x.shape,
    hint: "align shapes from the right, with equal lengths or 1",
  });
}

/** Throws `ValueError` unless `value` is a number for which `isGood` holds. */
export function requireValue(
  op: string,
  name: string,
  value: number,
  isGood: (value: number) => boolean, hint: string,
): void {
  if (isGood(value)) return;
  throw new ValueError(op, `${name} is ${value}`, { received: value, hint });
}

/** max(x, 0) with slope 1 at 0, as `clamp` has it in PyTorch. */
export const positivePart = (x: Tensor): Tensor => where(less(x, 0), 0, x);

/** `x` as a value without a derivative. */
export const stopped = (x: Tensor): Tensor => primitive.identity(x, "stop");

/** ∂output/∂source, elementwise. */
export type Partial = (sources: readonly Tensor[]) => Tensor;

/** An elementwise function of tensors of one shape, with its partial derivatives. */
export function withPartials(
  name: string,
  inputs: readonly Tensor[],
  compute: (...inputs: Tensor[]) => Tensor,
  partials: readonly Partial[],
): Tensor {
  const holes = inputs.map(({ shape, dtype }) => primitive.placeholder(shape, dtype));
  const body: Body = { inputs: holes, output: compute(...holes) };
  const rule = (sources: readonly Tensor[]): LinearMap[] =>
    partials.map((partial) => {
      const scale = (direction: Tensor): Tensor => mul(direction, partial(sources));
      return { apply: scale, transpose: scale };
    });
  return primitive.call(inputs, { name, body, rule });
}
