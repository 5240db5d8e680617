/** Means over examples, weighted or not: what tensor metrics end in. */
import { DTypeError, ShapeError, cast, div, mean, mul, sum } from "@dormouse/tensor";
import { type Tensor, primitive, sameShape, showShape, isFloat } from "@dormouse/tensor/graph";

/** Weights of examples. */
export interface WeightsOption {
  /** One weight per example. Default: all 1. */
  readonly weights?: Tensor | undefined;
}

/** Σ w · x / Σ w along the first axis of [N, ..], with w of [N]; the plain mean without weights. */
export function averageRows(op: string, x: Tensor, weights: Tensor | undefined): Tensor {
  if (!weights) return mean(x, { axis: 0 });
  const share = weightsLike(op, x, weights);
  return div(sum(mul(x, share), { axis: 0 }), sum(share, { axis: 0 }));
}

/** Weights [N] as floats of the shape and dtype of `x` [N, ..]. */
export function weightsLike(op: string, x: Tensor, weights: Tensor): Tensor {
  if (weights.rank === 1 && weights.shape[0] === x.shape[0]) {
    return primitive.broadcast(cast(weights, x.dtype), x.shape, [0]);
  }
  throw new ShapeError(op, `weights ${showShape(weights.shape)} for examples ${showShape(x.shape)}`, {
    expected: [x.shape[0]],
    received: weights.shape,
    hint: "give one weight per example",
  });
}

/** Throws unless both are floats of one dtype and one shape with at least one axis. */
export function requireAlike(op: string, prediction: Tensor, target: Tensor): void {
  if (!isFloat(prediction.dtype) || prediction.dtype !== target.dtype) {
    throw new DTypeError(op, `prediction is ${prediction.dtype} and target is ${target.dtype}`, {
      expected: "two of float32 or two of float64",
      received: [prediction.dtype, target.dtype],
      hint: `cast one: cast(target, "float32")`,
    });
  }
  if (prediction.rank > 0 && sameShape(prediction.shape, target.shape)) return;
  throw new ShapeError(op, `prediction ${showShape(prediction.shape)} and target ${showShape(target.shape)} do not fit`, {
    expected: prediction.shape,
    received: target.shape,
    hint: "give two tensors [N] or [N, D] of one shape",
  });
}
