/** Cross-entropy of yes-or-no predictions, from probabilities or from logits. */
import { add, div, exp, less, log, log1p, maximum, mul, neg, sub, where } from "@dormouse/tensor";
import type { Tensor } from "@dormouse/tensor/graph";
import {
  type ElementwiseOptions, finished, requireAlike, requireBroadcast, widened, withPartials,
} from "./reduction.ts";

export type BinaryCrossEntropyOptions = ElementwiseOptions;

/**
 * −t · log p − (1 − t) · log(1 − p) for probabilities p and targets t in [0, 1], of one shape and dtype. Logarithms
 * are at least −100 and the slope (p − t) / (p (1 − p)) has a denominator of at least 1e-12, so that p = 0 and p = 1
 * give numbers. From logits use `binaryCrossEntropyWithLogits`, which loses nothing.
 */
export function binaryCrossEntropy(
  prediction: Tensor,
  target: Tensor,
  options: BinaryCrossEntropyOptions = {},
): Tensor {
  const op = "binaryCrossEntropy";
  [prediction, target] = widened(prediction, target);
  requireAlike(op, prediction, target);
  const [yes, no] = [(p: Tensor) => maximum(log(p), -100), (p: Tensor) => maximum(log1p(neg(p)), -100)];
  const losses = withPartials(
    op,
    [prediction, target],
    (p, t) => neg(add(mul(t!, yes(p!)), mul(sub(1, t!), no(p!)))),
    [
      ([p, t]) => div(sub(p!, t!), maximum(mul(p!, sub(1, p!)), 1e-12)),
      ([p]) => sub(no(p!), yes(p!)),
    ],
  );
  return finished(op, losses, options);
}

export interface BinaryCrossEntropyWithLogitsOptions extends BinaryCrossEntropyOptions {
  /** What a positive target counts, against 1 for a negative one; broadcasts to the shape of the prediction. */
  readonly posWeight?: Tensor;
}

/**
 * Binary cross-entropy of logits: w · (−pw · t · log σ(x) − (1 − t) · log σ(−x)), exact to the last digits for logits
 * of any size, with gradient w · (−pw · t · σ(−x) + (1 − t) · σ(x)): σ(x) − t without weights. Prediction and target,
 * in [0, 1], have one shape and dtype.
 *
 * ```ts
 * binaryCrossEntropyWithLogits(tensor([2, -1]), tensor([1, 0]));   // 0.2201
 * ```
 */
export function binaryCrossEntropyWithLogits(
  prediction: Tensor,
  target: Tensor,
  { posWeight, ...options }: BinaryCrossEntropyWithLogitsOptions = {},
): Tensor {
  const op = "binaryCrossEntropyWithLogits";
  [prediction, target] = widened(prediction, target);
  requireAlike(op, prediction, target);
  [posWeight] = widened(posWeight);
  if (posWeight) requireBroadcast(op, "posWeight", posWeight, prediction);
  // log(1 + eˣ) is max(x, 0) + tail and log(1 + e⁻ˣ) is max(−x, 0) + tail. One condition chooses all branches, so that at
  // 0 the slopes add up to ± 1/2.
  const isNegative = less(prediction, 0);
  const tail = log1p(exp(where(isNegative, prediction, neg(prediction))));
  const positive = posWeight ? mul(target, posWeight) : target;
  const negative = sub(1, target);
  const wrong = where(isNegative, neg(mul(positive, prediction)), mul(negative, prediction));
  const losses = add(wrong, mul(add(positive, negative), tail));
  return finished(op, losses, options);
}
