/** Losses that ask for a margin: of a score against its sign, of a class against the others. */
import { add, mul, neg, relu, softplus, square, sub, sum, where } from "@dormouse/tensor";
import { type Tensor, primitive } from "@dormouse/tensor/graph";
import { type ClassWeightOption, classWeights } from "./class-weights.ts";
import { type LabelOptions, classAxis, labelsFor, picked } from "./labels.ts";
import {
  type ElementwiseOptions, type ReductionOption, finished, positivePart, reduced, requireAlike, requireFloat,
  requireValue, widened,
} from "./reduction.ts";

/**
 * y · s for scores s and targets y of −1 or 1, of one shape and dtype: positive where the sign is right, and the
 * larger the safer. What the other losses of this kind are functions of; it has no least value itself, and is to be
 * made large, not small.
 *
 * @example
 * ```ts
 * margin(tensor([2, -1]), tensor([1, 1]), { reduction: "none" });           // [2, -1]
 * ```
 */
export function margin(prediction: Tensor, target: Tensor, options: ElementwiseOptions = {}): Tensor {
  [prediction, target] = widened(prediction, target);
  requireAlike("margin", prediction, target);
  return finished("margin", mul(target, prediction), options);
}

/**
 * max(0, 1 − y · s) for scores s and targets y of −1 or 1, of one shape and dtype. At the margin the slope is −y, as
 * PyTorch's `clamp` has it. Cortes and Vapnik, 1995.
 */
export function hinge(prediction: Tensor, target: Tensor, options: ElementwiseOptions = {}): Tensor {
  [prediction, target] = widened(prediction, target);
  requireAlike("hinge", prediction, target);
  return finished("hinge", shortfall(prediction, target), options);
}

/** max(0, 1 − y · s)², as `hinge` with a smooth margin. */
export function squaredHinge(prediction: Tensor, target: Tensor, options: ElementwiseOptions = {}): Tensor {
  [prediction, target] = widened(prediction, target);
  requireAlike("squaredHinge", prediction, target);
  return finished("squaredHinge", square(shortfall(prediction, target)), options);
}

/**
 * log(1 + e^(−y·s)) for scores s and targets y of −1 or 1: logistic loss, finite and with a slope for scores of any
 * size.
 */
export function softMargin(prediction: Tensor, target: Tensor, options: ElementwiseOptions = {}): Tensor {
  [prediction, target] = widened(prediction, target);
  requireAlike("softMargin", prediction, target);
  return finished("softMargin", softplus(neg(mul(target, prediction))), options);
}

const shortfall = (score: Tensor, target: Tensor): Tensor => positivePart(sub(1, mul(target, score)));

export interface MultiMarginOptions extends ReductionOption, Pick<LabelOptions, "axis">, ClassWeightOption {
  /** 1, or 2 to square what is missing. Default 1. */
  readonly p?: 1 | 2;
  /** By how much the score of the label should lead. Default 1. */
  readonly margin?: number;
}

/**
 * w[t] · Σ max(0, margin − x[t] + x[c])ᵖ / C over the classes c other than the label t. `prediction` is scores [N, C],
 * [C] or [N, C, ..], `target` is integer labels, checked as for `crossEntropy`. The mean is over examples, whatever
 * their weights. Crammer and Singer, 2001.
 */
export function multiMargin(prediction: Tensor, target: Tensor, options: MultiMarginOptions = {}): Tensor {
  const op = "multiMargin";
  const { p = 1, margin = 1, reduction } = options;
  [prediction, target] = widened(prediction, target);
  requireFloat(op, "prediction", prediction);
  requireValue(op, "p", p, (x) => x === 1 || x === 2, "use 1 or 2");
  const { shape } = prediction;
  const axis = classAxis(op, shape, options.axis);
  const weight = classWeights(op, options.weight, prediction, axis);
  const { mask } = labelsFor(op, target, shape, axis);
  const others = shape.flatMap((_, at) => (at === axis ? [] : [at]));
  const own = primitive.broadcast(picked(prediction, mask, axis), shape, others);
  const missing = relu(sub(add(prediction, margin), own));
  const terms = where(mask, 0, p === 1 ? missing : square(missing));
  const total = mul(sum(terms, { axis }), 1 / shape[axis]!);
  return reduced(op, weight ? mul(total, picked(weight, mask, axis)) : total, reduction);
}
