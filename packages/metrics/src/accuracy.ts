/**
 * How often the best guess is the label: tensors in, a scalar tensor out, computed on the device and inside compiled
 * functions. Accuracy has no useful derivative, and differentiating it is an error that says so.
 */
import {
  type DType, DTypeError, ShapeError, TransformError, ValueError, argmax, cast, div, equal, greater, logicalAnd, logicalOr, less, mean,
  mul, reshape, sum, where,
} from "@dormouse/tensor";
import { type Tensor, isFloat, isInteger, primitive, sameShape, showShape } from "@dormouse/tensor/graph";

export interface AccuracyOptions {
  /** Weights of the examples, of the shape of the targets. Default: all 1. */
  readonly weights?: Tensor;
  /**
   * For one score per example: scores above it say yes. Default 0, which is right for logits; 0.5 for probabilities.
   */
  readonly threshold?: number;
}

/**
 * Share of examples whose prediction is the target: a scalar. `outputs` is one of
 *
 * - scores [N, C] or [N, C, ..]: the class of the greatest score on axis 1 is compared with integer targets [N, ..];
 * - scores [N] or [N, 1] of yes or no: above `threshold` (default 0, as logits want) is 1; targets are 0 or 1, of the
 * same
 *   number of elements and any dtype;
 * - integers or bools of the shape of the targets: predicted labels.
 *
 * Throws `ShapeError` where outputs and targets do not fit, `DTypeError` for targets that are floats beside [N, C]
 * scores, and `TransformError` where it is differentiated.
 *
 * ```ts
 * accuracy(tensor([[2, 1], [0, 3]]), tensor([0, 0], { dtype: "int32" }));   // 0.5
 * ```
 */
export function accuracy(outputs: Tensor, targets: Tensor, { weights, threshold = 0 }: AccuracyOptions = {}): Tensor {
  const dtype = isFloat(outputs.dtype) ? outputs.dtype : "float32";
  return flat("accuracy", [outputs, targets, ...(weights ? [weights] : [])], (scores, labels, weight) => {
    const hits = cast(hitsOf(scores!, labels!, threshold), dtype);
    return average("accuracy", hits, weight, dtype);
  });
}

/** bool, one for each example: whether the prediction is the target. */
function hitsOf(outputs: Tensor, targets: Tensor, threshold: number): Tensor {
  if (!isFloat(outputs.dtype)) {
    if (!sameShape(outputs.shape, targets.shape)) throw unfit("accuracy", outputs, targets);
    return equal(cast(outputs, "int32"), cast(targets, "int32"));
  }
  const isBinary = outputs.rank < 2 || (outputs.rank === 2 && outputs.shape[1] === 1);
  if (isBinary) {
    if (outputs.size !== targets.size || targets.rank > 2) throw unfit("accuracy", outputs, targets);
    const scores = reshape(outputs, [outputs.size]);
    return equal(cast(greater(scores, threshold), "int32"), reshape(cast(targets, "int32"), [targets.size]));
  }
  requireLabels("accuracy", outputs, targets);
  return equal(argmax(outputs, { axis: 1 }), cast(targets, "int32"));
}

export interface TopKOptions {
  /** How many guesses are allowed. Default 5. */
  readonly k?: number;
  /** Weights of the examples, of the shape of the targets. Default: all 1. */
  readonly weights?: Tensor;
}

/**
 * Share of examples whose label is among the `k` greatest scores: a scalar. `outputs` is scores [N, C] or [N, C, ..],
 * targets are integers [N, ..]. Of equal scores the one of the lower class ranks first. Throws as `accuracy` does, and
 * `ValueError` for a `k` that is not 1..C.
 */
export function topKAccuracy(outputs: Tensor, targets: Tensor, { k = 5, weights }: TopKOptions = {}): Tensor {
  const op = "topKAccuracy";
  if (!isFloat(outputs.dtype) || outputs.rank < 2) throw unfit(op, outputs, targets);
  requireLabels(op, outputs, targets);
  const classes = outputs.shape[1]!;
  if (!Number.isInteger(k) || k < 1 || k > classes) {
    throw new ValueError(op, `k is ${k} for ${classes} classes`, { expected: `1..${classes}`, received: k, hint: `use 1..${classes}` });
  }
  return flat(op, [outputs, targets, ...(weights ? [weights] : [])], (scores, labels, weight) => {
    const { shape } = scores!;
    const others = shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));
    const classOf = primitive.broadcast(primitive.iota(classes), shape, [1]);
    const label = primitive.broadcast(cast(labels!, "int32"), shape, others);
    const isLabel = equal(classOf, label);
    const own = primitive.broadcast(sum(where(isLabel, scores!, 0), { axis: 1 }), shape, others);
    const isAhead = logicalOr(greater(scores!, own), logicalAnd(equal(scores!, own), less(classOf, label)));
    const rank = sum(cast(isAhead, "int32"), { axis: 1 });
    const isClass = sum(cast(isLabel, "int32"), { axis: 1 });
    const hits = cast(logicalAnd(less(rank, k), greater(isClass, 0)), scores!.dtype);
    return average(op, hits, weight, scores!.dtype);
  });
}

function average(op: string, hits: Tensor, weight: Tensor | undefined, dtype: DType): Tensor {
  if (!weight) return mean(hits);
  if (weight.size !== hits.size) {
    throw new ShapeError(op, `weights ${showShape(weight.shape)} for ${hits.size} examples`, {
      expected: hits.shape,
      received: weight.shape,
      hint: "give one weight per example",
    });
  }
  const share = cast(reshape(weight, hits.shape), dtype);
  return div(sum(mul(hits, share)), sum(share));
}

/** A function of tensors that refuses to be differentiated. */
function flat(op: string, inputs: readonly Tensor[], compute: (...inputs: Tensor[]) => Tensor): Tensor {
  const holes = inputs.map(({ shape, dtype }) => primitive.placeholder(shape, dtype));
  const refuse = (): never => {
    throw new TransformError(op, "it is constant almost everywhere and has no useful derivative", {
      hint: "train with a loss, such as crossEntropy, and watch this as a metric",
    });
  };
  return primitive.call(inputs, {
    name: op,
    body: { inputs: holes, output: compute(...holes) },
    rule: (sources) => sources.map(() => ({ apply: refuse, transpose: refuse })),
  });
}

function requireLabels(op: string, outputs: Tensor, targets: Tensor): void {
  const rows = [outputs.shape[0]!, ...outputs.shape.slice(2)];
  if (!sameShape(targets.shape, rows)) throw unfit(op, outputs, targets);
  if (isInteger(targets.dtype) || targets.dtype === "bool") return;
  throw new DTypeError(op, `targets are ${targets.dtype}`, {
    expected: "int32",
    received: targets.dtype,
    hint: `make them integers: cast(targets, "int32")`,
  });
}

const unfit = (op: string, outputs: Tensor, targets: Tensor): ShapeError =>
  new ShapeError(op, `outputs ${showShape(outputs.shape)} and targets ${showShape(targets.shape)} do not fit`, {
    expected: "[N, C] and [N], or [N] and [N]",
    received: [outputs.shape, targets.shape],
    hint: "give scores [N, C] with integer targets [N], or as many yes-or-no scores as targets",
  });
