/**
 * Likelihoods: how probable a model finds what was observed. What cross-entropy is the negative logarithm of; to be
 * read and taught, not to be descended: products of many underflow where sums of logarithms do not.
 */
import { add, exp, lgamma, mul, pow, prod, sub, sum } from "@dormouse/tensor";
import { type Tensor, isFloat } from "@dormouse/tensor/graph";
import { classAxis, labelsFor, picked } from "./labels.ts";
import { requireAlike, requireFloat, widened } from "./reduction.ts";

/**
 * pʸ (1 − p)¹⁻ʸ for the probability p of an outcome 1 and outcomes y of 0 or 1, elementwise: p where it happened, 1 − p
 * where it did not. Both have one shape and dtype. `binaryCrossEntropy` is its negative logarithm.
 *
 * @example
 * ```ts
 * prod(bernoulliLikelihood(tensor([0.9, 0.2]), tensor([1, 0])));            // 0.72
 * ```
 */
export function bernoulliLikelihood(probability: Tensor, outcome: Tensor): Tensor {
  [probability, outcome] = widened(probability, outcome);
  requireAlike("bernoulliLikelihood", probability, outcome, ["probability", "outcome"]);
  return mul(pow(probability, outcome), pow(sub(1, probability), sub(1, outcome)));
}

/**
 * The likelihood of classes under probabilities [N, C], [C] or [N, C, ..] (classes on axis 1), one for each example:
 * the probability of the label for integer labels [N, ..], checked as for `crossEntropy`; for counts x of the shape and
 * dtype of the probabilities the multinomial n! / Πxᵢ! · Π pᵢ^xᵢ with n = Σxᵢ, of which a one-hot row is the case of one
 * draw.
 *
 * @example
 * ```ts
 * multinomialLikelihood(tensor([0.2, 0.5, 0.3]), tensor(1, { dtype: "int32" }));      // 0.5
 * multinomialLikelihood(tensor([0.5, 0.5]), tensor([1, 1]));                          // 0.5: one head of two tosses
 * ```
 */
export function multinomialLikelihood(probabilities: Tensor, target: Tensor): Tensor {
  const op = "multinomialLikelihood";
  [probabilities, target] = widened(probabilities, target);
  requireFloat(op, "probabilities", probabilities);
  const axis = classAxis(op, probabilities.shape);
  if (!isFloat(target.dtype)) {
    return picked(probabilities, labelsFor(op, target, probabilities.shape, axis).mask, axis);
  }
  requireAlike(op, probabilities, target, ["probabilities", "counts"]);
  const orders = sub(lgamma(add(sum(target, { axis }), 1)), sum(lgamma(add(target, 1)), { axis }));
  return mul(exp(orders), prod(pow(probabilities, target), { axis }));
}
