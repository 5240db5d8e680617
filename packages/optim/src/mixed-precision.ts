/**
 * Functions computed in float16 inside a program that is otherwise float32: where numbers are rounded, and where the
 * loss scale enters and leaves the backward pass. Trains nothing; what becomes of a step that overflows is decided in
 * `loss-scale.ts`.
 */
import { type Tensor, cast, div, full, mapTree, mapTreeWithPath, mul } from "@dormouse/tensor";
import { primitive } from "@dormouse/tensor/graph";
import { isLearned } from "./links.ts";
import { isFloat, perDType, widened } from "./transform.ts";

export interface MixedPrecisionOptions {
  /** Factor on the gradient inside the function, such as `lossScaleOf(state)`. Default 1. */
  readonly scale?: number | Tensor<[]>;
  /** Which float tensors are rounded. Default: all but running statistics, whose names begin with `running`. */
  readonly casts?: (path: string, tensor: Tensor) => boolean;
}

/**
 * The same function computed in float16: float tensors of its arguments (trees, such as a model and a batch) are
 * rounded on the way in, float16 tensors of its result become float32 on the way out. A tensor that is handed through
 * comes back as it was given. Give it the forward pass, and compute the loss of what it returns: softmax, logarithms
 * and means of the loss are then float32.
 *
 * The derivative is that of the function: gradients have the dtype of the arguments, float32 for float32 weights, and
 * no scale. In between they are float16 and multiplied by `scale`, so that those below 6e-8, the least float16, do not
 * vanish; where one grows beyond 65504 it is infinite, and `dynamicLossScale` leaves the step out. What is
 * differentiated must be an argument: a tensor that the function closes over gets a gradient with the scale.
 *
 * @example
 * const optimizer = dynamicLossScale(adamW({ learningRate: 1e-3 }));
 * const step = compile((model: Linear, state: State, x: Tensor, y: Tensor) => {
 *   const forward = mixedPrecision((m: Linear, x: Tensor) => m.forward(x), { scale: lossScaleOf(state) });
 *   const [loss, gradient] = valueAndGrad((m: Linear) => crossEntropy(forward(m, x), y))(model);
 *   const [next, nextState] = optimizer.update(gradient, state, model);
 *   return [next, nextState, loss] as const;
 * }, { donate: [0, 1] });
 */
export function mixedPrecision<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  { scale = 1, casts = isLearned }: MixedPrecisionOptions = {},
): (...args: A) => R {
  return (...args) => {
    const given = new Map<Tensor, Tensor>();
    const inside = new Map<Tensor, Tensor>();
    const factor = perDType((dtype) => (typeof scale === "number" ? full([], scale, { dtype }) : cast(scale, dtype)));
    const inverse = perDType((dtype) => div(1, factor(dtype)));
    const enter = (path: string, x: Tensor): Tensor => {
      if (!isFloat(x)) return x;
      let inner = inside.get(x);
      if (!inner) {
        const plain = withCotangent(x, inverse(x.dtype));
        inner = casts(path, x) ? cast(plain, "float16") : plain;
        inside.set(x, inner);
        given.set(inner, x);
      }
      return inner;
    };
    const leave = (y: Tensor): Tensor => {
      const same = given.get(y);
      if (same || !isFloat(y)) return same ?? y;
      const wide = widened(y);
      return withCotangent(wide, factor(wide.dtype));
    };
    return mapTree(leave, f(...(args.map((arg) => mapTreeWithPath(enter, arg)) as unknown as A)));
  };
}

/** `x`, whose cotangent is multiplied by a number on its way back. */
function withCotangent(x: Tensor, factor: Tensor<[]>): Tensor {
  const holes = [x, factor].map(({ shape, dtype }) => primitive.placeholder(shape, dtype));
  return primitive.call([x, factor], {
    name: "scaleCotangent",
    body: { inputs: holes, output: holes[0]! },
    rule: ([, by]) => {
      const scaled = (direction: Tensor): Tensor => mul(direction, by!);
      return [{ apply: scaled, transpose: scaled }, null];
    },
  });
}
