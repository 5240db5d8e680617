/**
 * Scores of predicted probabilities, proper ones: least in expectation for the true probabilities. Tensors in, a scalar
 * tensor out. Probabilities are [N, C] with integer labels [N], or [N] of "yes" with targets 0 or 1.
 */
import { ShapeError, add, cast, clamp, log, mul, neg, square, sub, sum, where } from "@dormouse/tensor";
import { type Tensor, sameShape, showShape } from "@dormouse/tensor/graph";
import { labelMask } from "./labels.ts";
import { type WeightsOption, averageRows } from "./weights.ts";

/**
 * Mean of −log p[label]. Probabilities count as at least the distance from 1 to the next number of their dtype, so
 * that a certain error costs 36 (float64) or 16 (float32) instead of everything.
 *
 * ```ts
 * logLoss(tensor([[0.2, 0.8]]), tensor([1], { dtype: "int32" }));   // 0.2231
 * ```
 */
export function logLoss(probabilities: Tensor, targets: Tensor, { weights }: WeightsOption = {}): Tensor {
  const op = "logLoss";
  const eps = probabilities.dtype === "float64" ? 2 ** -52 : 2 ** -23;
  const logs = log(clamp(probabilities, { min: eps, max: 1 - eps }));
  if (probabilities.rank === 1) {
    const yes = binaryTargets(op, probabilities, targets);
    const inverse = log(clamp(sub(1, probabilities), { min: eps, max: 1 - eps }));
    return averageRows(op, neg(add(mul(yes, logs), mul(sub(1, yes), inverse))), weights);
  }
  const mask = labelMask(op, probabilities, targets);
  return averageRows(op, neg(sum(where(mask, logs, 0), { axis: 1 })), weights);
}

/**
 * Brier score: the mean of Σ (p[c] − [c = label])², from 0 to 2, for [N, C]; of (p − y)², from 0 to 1, for [N].
 * Brier, 1950.
 */
export function brierScore(probabilities: Tensor, targets: Tensor, { weights }: WeightsOption = {}): Tensor {
  const op = "brierScore";
  if (probabilities.rank === 1) {
    return averageRows(op, square(sub(probabilities, binaryTargets(op, probabilities, targets))), weights);
  }
  const hits = cast(labelMask(op, probabilities, targets), probabilities.dtype);
  return averageRows(op, sum(square(sub(probabilities, hits)), { axis: 1 }), weights);
}

function binaryTargets(op: string, probabilities: Tensor, targets: Tensor): Tensor {
  if (sameShape(probabilities.shape, targets.shape)) return cast(targets, probabilities.dtype);
  throw new ShapeError(op, `probabilities ${showShape(probabilities.shape)} and targets ${showShape(targets.shape)} differ`, {
    expected: probabilities.shape,
    received: targets.shape,
    hint: "give one target per probability",
  });
}
