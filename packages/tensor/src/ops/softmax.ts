/**
 * Softmax and its kin, and the few activations that losses and layers cannot do without, each in a form that neither
 * overflows nor loses its slope.
 */
import { ShapeError, ValueError } from "../core/errors.ts";
import { primitive } from "../core/primitives.ts";
import { type Shape, sameShape, showShape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import type { AxisOption } from "./indexing.ts";
import { minus, scaled, stopped, stretched } from "./pieces.ts";
import { positionOf } from "./axes.ts";
import { filledLike, requireFloat, widely } from "./operands.ts";

export interface SoftmaxOptions extends AxisOption {
  /** Divides `x` first: above 1 flattens, below 1 sharpens. Default 1. */
  readonly temperature?: number;
}

/** `x / temperature` less its maximum along the axis, which the result does not depend on. */
function centered(
  op: string,
  x: Tensor,
  { axis = -1, temperature = 1 }: SoftmaxOptions,
): { logits: Tensor; at: number } {
  if (!(temperature > 0)) {
    throw new ValueError(op, `temperature is ${temperature}`, { received: temperature, hint: "use a positive number" });
  }
  const at = positionOf(op, axis, x.shape);
  const logits = scaled(x, 1 / temperature);
  const greatest = stopped(primitive.reduce(logits, "max", [at]));
  return { logits: minus(logits, stretched(greatest, x.shape, [at])), at };
}

/** `exp(x / T) / Σ exp(x / T)` along `axis` (default -1): probabilities that sum to one. */
export function softmax<S extends Shape>(x: Tensor<S>, options: SoftmaxOptions = {}): Tensor<S> {
  return widely(requireFloat("softmax", x), (wide) => {
    const { logits, at } = centered("softmax", wide, options);
    const shares = primitive.exp(logits);
    const total = primitive.reduce(shares, "sum", [at]);
    // A division for each row instead of each element; the total is at least 1, so nothing overflows.
    const share = primitive.div(filledLike(total, 1), total);
    return primitive.mul(shares, stretched(share, x.shape, [at]));
  }) as Tensor<S>;
}

/** `log(softmax(x))` along `axis` (default -1), finite where softmax underflows. */
export function logSoftmax<S extends Shape>(x: Tensor<S>, options: SoftmaxOptions = {}): Tensor<S> {
  return widely(requireFloat("logSoftmax", x), (wide) => {
    const { logits, at } = centered("logSoftmax", wide, options);
    const total = primitive.reduce(primitive.exp(logits), "sum", [at]);
    return minus(logits, stretched(primitive.log(total), x.shape, [at]));
  }) as Tensor<S>;
}

/** `softmax(-x)` along `axis` (default -1). */
export const softmin = <S extends Shape>(x: Tensor<S>, options: SoftmaxOptions = {}): Tensor<S> =>
  softmax(primitive.neg(x) as Tensor<S>, options);

/** `max(x, 0)`, with slope 0 at 0; NaN stays NaN. */
export const relu = <S extends Shape>(x: Tensor<S>): Tensor<S> => {
  const zero = filledLike(x, 0);
  return primitive.where(primitive.lessEqual(x, zero), zero, x) as Tensor<S>;
};

export interface SoftplusOptions {
  /** Sharpness: `log(1 + exp(beta·x)) / beta`. Default 1. */
  readonly beta?: number;
}

/** `log(1 + exp(x))`, a smooth relu: exact to the last digits on both sides, with slope `sigmoid(x)` everywhere. */
export function softplus<S extends Shape>(x: Tensor<S>, { beta = 1 }: SoftplusOptions = {}): Tensor<S> {
  requireFloat("softplus", x);
  const z = scaled(x, beta);
  const zero = filledLike(z, 0);
  const isPositive = primitive.less(zero, z);
  // Both choices by one condition: at 0 the slopes are 0 + sigmoid(0), not those of |x| and max.
  const tail = primitive.log1p(primitive.exp(primitive.where(isPositive, primitive.neg(z), z)));
  const sum = primitive.add(primitive.where(isPositive, z, zero), tail);
  return scaled(sum, 1 / beta) as Tensor<S>;
}

/** `log(sigmoid(x)) = -softplus(-x)`. */
export const logSigmoid = <S extends Shape>(x: Tensor<S>): Tensor<S> =>
  primitive.neg(softplus(primitive.neg(x))) as Tensor<S>;

export interface NormalizeOptions extends AxisOption {
  /** The norm is at least this. Default 1e-12. */
  readonly eps?: number;
}

/**
 * `x / max(‖x‖₂, eps)` along `axis` (default -1): vectors of length one. A zero vector stays zero, with slope
 * 1/eps.
 */
export function normalize<S extends Shape>(x: Tensor<S>, { axis = -1, eps = 1e-12 }: NormalizeOptions = {}): Tensor<S> {
  requireFloat("normalize", x);
  const at = positionOf("normalize", axis, x.shape);
  return widely(x, (wide) => unitVectors(wide, at, eps)) as Tensor<S>;
}

function unitVectors(x: Tensor, at: number, eps: number): Tensor {
  const squares = primitive.reduce(primitive.mul(x, x), "sum", [at]);
  const isLong = primitive.less(filledLike(squares, eps * eps), squares);
  // sqrt sees 1 where it is not wanted, because its slope at 0 is infinite.
  const root = primitive.sqrt(primitive.where(isLong, squares, filledLike(squares, 1)));
  const length = primitive.where(isLong, root, filledLike(squares, eps));
  return primitive.div(x, stretched(length, x.shape, [at]));
}

/** `a·b / (‖a‖ ‖b‖)` along `axis` (default -1), each norm at least `eps` (default 1e-8). */
export function cosineSimilarity(a: Tensor, b: Tensor, { axis = -1, eps = 1e-8 }: NormalizeOptions = {}): Tensor {
  if (!sameShape(a.shape, b.shape)) {
    throw new ShapeError("cosineSimilarity", `shapes ${showShape(a.shape)} and ${showShape(b.shape)} differ`, {
      expected: a.shape,
      received: b.shape,
      hint: "give two tensors of one shape",
    });
  }
  const at = positionOf("cosineSimilarity", axis, a.shape);
  const product = primitive.mul(normalize(a, { axis: at, eps }), normalize(b, { axis: at, eps }));
  return primitive.reduce(product, "sum", [at]);
}
