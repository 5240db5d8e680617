/** Weights of classes: the option and its check. */
import { DTypeError, ShapeError, tensor } from "@dormouse/tensor";
import { type Tensor, primitive, showShape } from "@dormouse/tensor/graph";
import { widened } from "./reduction.ts";

/** Weights of classes. */
export interface ClassWeightOption {
  /** One weight per class, [C]. A weighted mean divides by the weights of the labels. Default: all 1. */
  readonly weight?: Tensor | readonly number[];
}

/** Weights of classes stretched to the shape of the prediction. */
export function classWeights(
  op: string,
  weight: Tensor | readonly number[] | undefined,
  { shape, dtype }: Tensor,
  axis: number,
): Tensor | null {
  if (weight === undefined) return null;
  const [each] = widened(isList(weight) ? tensor(weight, { dtype }) : weight);
  if (each.rank !== 1 || each.shape[0] !== shape[axis]) {
    throw new ShapeError(op, `weight ${showShape(each.shape)} for prediction ${showShape(shape)}`, {
      expected: [shape[axis]],
      received: each.shape,
      hint: `give one weight for each of the ${shape[axis]} classes`,
    });
  }
  if (each.dtype !== dtype) {
    throw new DTypeError(op, `weight is ${each.dtype} and prediction is ${dtype}`, {
      expected: dtype,
      received: each.dtype,
      hint: `cast one: cast(weight, "${dtype}")`,
    });
  }
  return primitive.broadcast(each, shape, [axis]);
}

const isList = (weight: Tensor | readonly number[]): weight is readonly number[] => Array.isArray(weight);
