/** The loss that everybody means and nobody can descend: 1 where the prediction is wrong. */
import { TransformError, argmax, cast, notEqual } from "@dormouse/tensor";
import { type Tensor, primitive } from "@dormouse/tensor/graph";
import { classAxis, labelsFor } from "./labels.ts";
import { type ReductionOption, reduced, requireFloat, widened } from "./reduction.ts";

/**
 * 1 where the class of the greatest score is not the label, else 0; the mean is 1 − accuracy. `prediction` is [N, C],
 * [C] or [N, C, ..], `target` is integer labels, checked as for `crossEntropy`. It is constant almost everywhere:
 * differentiating it throws `TransformError`.
 */
export function zeroOneLoss(prediction: Tensor, target: Tensor, { reduction }: ReductionOption = {}): Tensor {
  const op = "zeroOneLoss";
  [prediction] = widened(prediction);
  requireFloat(op, "prediction", prediction);
  const axis = classAxis(op, prediction.shape);
  const { index } = labelsFor(op, target, prediction.shape, axis);
  const scores = primitive.placeholder(prediction.shape, prediction.dtype);
  const labels = primitive.placeholder(index.shape, index.dtype);
  const wrong = cast(notEqual(argmax(scores, { axis }), labels), prediction.dtype);
  const refuse = (): never => {
    throw new TransformError(op, "it is constant almost everywhere and has no useful derivative", {
      hint: "train with crossEntropy, hinge or multiMargin, which bound it from above",
    });
  };
  const losses = primitive.call([prediction, index], {
    name: op,
    body: { inputs: [scores, labels], output: wrong },
    rule: () => [{ apply: refuse, transpose: refuse }, null],
  });
  return reduced(op, losses, reduction);
}
