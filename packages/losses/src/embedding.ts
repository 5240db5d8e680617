/** Losses that shape a space: which embeddings should be near each other and which far. */
import { DTypeError, ShapeError, add, cosineSimilarity, equal, mul, norm, square, sub, where } from "@dormouse/tensor";
import { type Tensor, sameShape, showShape } from "@dormouse/tensor/graph";
import { type ReductionOption, positivePart, reduced, requireAlike, requireValue, widened } from "./reduction.ts";

export interface CosineEmbeddingOptions extends ReductionOption {
  /** Cosine below which unlike pairs cost nothing, from −1 to 1. Default 0. */
  readonly margin?: number;
}

/**
 * 1 − cos(a, b) for pairs of target 1 and max(0, cos(a, b) − margin) for pairs of target −1. `a` and `b` are [N, D] (or
 * [D]), the cosine is along the last axis, `target` is [N] of any dtype.
 */
export function cosineEmbedding(
  a: Tensor,
  b: Tensor,
  target: Tensor,
  { margin = 0, reduction }: CosineEmbeddingOptions = {},
): Tensor {
  const op = "cosineEmbedding";
  [a, b] = widened(a, b);
  requireAlike(op, a, b, ["a", "b"]);
  requireRows(op, a, target);
  requireValue(op, "margin", margin, (x) => x >= -1 && x <= 1, "use a number from -1 to 1");
  const cosine = cosineSimilarity(a, b);
  const losses = where(equal(target, 1), sub(1, cosine), positivePart(sub(cosine, margin)));
  return reduced(op, losses, reduction);
}

export interface TripletMarginOptions extends ReductionOption {
  /** By how much the negative should be farther away than the positive. Default 1. */
  readonly margin?: number;
  /** Which norm is the distance. Default 2. */
  readonly p?: number;
  /** Added to every difference, so that equal embeddings have a slope. Default 1e-6. */
  readonly eps?: number;
}

/**
 * max(0, ‖anchor − positive + eps‖ₚ − ‖anchor − negative + eps‖ₚ + margin) for embeddings [N, D] (or [D]) of one shape
 * and dtype. Balntas et al., 2016.
 */
export function tripletMargin(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  { margin = 1, p = 2, eps = 1e-6, reduction }: TripletMarginOptions = {},
): Tensor {
  const op = "tripletMargin";
  [anchor, positive, negative] = widened(anchor, positive, negative);
  requireAlike(op, anchor, positive, ["anchor", "positive"]);
  requireAlike(op, anchor, negative, ["anchor", "negative"]);
  requireEmbeddings(op, anchor);
  requireValue(op, "margin", margin, (x) => x > 0, "use a positive number");
  const distanceTo = (other: Tensor): Tensor => norm(add(sub(anchor, other), eps), { axis: -1, p });
  const excess = sub(distanceTo(positive), distanceTo(negative));
  return reduced(op, positivePart(add(excess, margin)), reduction);
}

export interface ContrastiveOptions extends ReductionOption {
  /** Distance from which unlike pairs cost nothing. Default 1. */
  readonly margin?: number;
}

/**
 * ½d² for pairs of target 1 and ½ max(0, margin − d)² for the others, d = ‖a − b‖₂. `a` and `b` are [N, D] (or [D]),
 * `target` is [N] of any dtype. Hadsell, Chopra and LeCun, 2006.
 */
export function contrastive(
  a: Tensor,
  b: Tensor,
  target: Tensor,
  { margin = 1, reduction }: ContrastiveOptions = {},
): Tensor {
  const op = "contrastive";
  [a, b] = widened(a, b);
  requireAlike(op, a, b, ["a", "b"]);
  requireRows(op, a, target);
  requireValue(op, "margin", margin, (x) => x > 0, "use a positive number");
  const distance = norm(sub(a, b), { axis: -1 });
  const losses = where(equal(target, 1), square(distance), square(positivePart(sub(margin, distance))));
  return reduced(op, mul(losses, 0.5), reduction);
}

function requireRows(op: string, a: Tensor, target: Tensor): void {
  requireEmbeddings(op, a);
  if (target.dtype === "bool") {
    throw new DTypeError(op, "target is bool", { received: "bool", hint: `cast it: cast(target, "int32")` });
  }
  if (sameShape(target.shape, a.shape.slice(0, -1))) return;
  throw new ShapeError(op, `embeddings ${showShape(a.shape)} and target ${showShape(target.shape)} do not fit`, {
    expected: a.shape.slice(0, -1),
    received: target.shape,
    hint: "give one target per pair",
  });
}

function requireEmbeddings(op: string, x: Tensor): void {
  if (x.rank > 0) return;
  throw new ShapeError(op, "embeddings are scalars", { expected: "[N, D]", received: x.shape, hint: "give vectors" });
}
