/**
 * Activation functions that are not in `@dormouse/tensor` already (`relu`, `sigmoid`, `tanh`, `softplus`,
 * `logSigmoid`, `softmax` are). Elementwise unless said; at kinks the slope is PyTorch's. All differentiate twice.
 */
import {
  type Tensor, ShapeError, abs, add, cast, div, erf, expm1, greater, greaterEqual, less, lessEqual, logicalAnd, max, mul, pow,
  reshape, sigmoid, softplus, splitAlong, sub, tanh, where,
} from "@dormouse/tensor";

type Shape = readonly number[];

/** `x`. */
export const identity = <S extends Shape>(x: Tensor<S>): Tensor<S> => x;

/** 1 where `x ≥ 0`, else 0; the slope is 0 everywhere. The unit of McCulloch and Pitts. */
export const step = <S extends Shape>(x: Tensor<S>): Tensor<S> => cast(greaterEqual(x, 0) as Tensor, x.dtype) as Tensor<S>;

/**
 * `1 / (1 + e^(-slope·x))`, the sigmoid of a given steepness (default 1): as the slope grows it becomes `step`, except
 * at 0, where it stays ½.
 */
export const logistic = <S extends Shape>(x: Tensor<S>, { slope = 1 }: { readonly slope?: number } = {}): Tensor<S> =>
  sigmoid(slope === 1 ? x : mul(x as Tensor, slope)) as Tensor<S>;

/** `xᵖ`: NaN for a negative x where p is not a whole number. */
export const power = <S extends Shape>(x: Tensor<S>, exponent: number): Tensor<S> => pow(x as Tensor, exponent) as Tensor<S>;

/** `x` inside the open interval, the bounds outside. The slope at the bounds is 0. */
function within<S extends Shape>(x: Tensor<S>, low: number, high: number): Tensor<S> {
  return where(lessEqual(x as Tensor, low), low, where(greaterEqual(x as Tensor, high), high, x as Tensor)) as Tensor<S>;
}

/** `min(max(x, 0), 6)`. */
export const relu6 = <S extends Shape>(x: Tensor<S>): Tensor<S> => within(x, 0, 6);

/** `x` within `[min, max]`, by default [-1, 1]. */
export const hardtanh = <S extends Shape>(
  x: Tensor<S>,
  { min = -1, max: most = 1 }: { readonly min?: number; readonly max?: number } = {},
): Tensor<S> => within(x, min, most);

/** `relu6(x + 3) / 6`, a sigmoid of straight lines. */
export const hardsigmoid = <S extends Shape>(x: Tensor<S>): Tensor<S> =>
  div(relu6(add(x as Tensor, 3)), 6) as Tensor<S>;

/** `x · relu6(x + 3) / 6` (Howard et al. 2019). */
export const hardswish = <S extends Shape>(x: Tensor<S>): Tensor<S> =>
  where(
    less(x as Tensor, -3),
    0,
    where(greater(x as Tensor, 3), x as Tensor, div(mul(x as Tensor, add(x as Tensor, 3)), 6)),
  ) as Tensor<S>;

/** `x` where positive, else `slope · x` (default 0.01). */
export const leakyRelu = <S extends Shape>(x: Tensor<S>, { slope = 0.01 }: { readonly slope?: number } = {}): Tensor<S> =>
  where(greater(x as Tensor, 0), x as Tensor, mul(x as Tensor, slope)) as Tensor<S>;

/** `leakyRelu` with a learned slope: one for all, or one per channel (axis 1) (He et al. 2015). See `PRelu`. */
export function prelu<S extends Shape>(x: Tensor<S>, slope: Tensor): Tensor<S> {
  const isShared = slope.size === 1;
  if (!isShared && slope.size !== x.shape[1]) {
    throw new ShapeError("prelu", `${slope.size} slopes for shape [${x.shape.join(", ")}]`, {
      expected: x.shape[1] ?? 1,
      received: slope.shape,
      hint: "give one slope, or one per channel (axis 1)",
    });
  }
  const factor = reshape(slope, isShared ? [] : [slope.size, ...x.shape.slice(2).map(() => 1)]);
  return where(greater(x as Tensor, 0), x as Tensor, mul(x as Tensor, factor)) as Tensor<S>;
}

/** `x` where positive, else `scale · (e^(x / width) - 1)`. The other branch sees 0, so that it cannot overflow. */
function exponentialBelow(x: Tensor, scale: number, width: number): Tensor {
  const isPositive = greater(x, 0);
  return where(isPositive, x, mul(expm1(div(where(isPositive, 0, x), width)), scale));
}

/** `x` where positive, else `α(eˣ - 1)` (Clevert et al. 2016); α is 1 by default. */
export const elu = <S extends Shape>(x: Tensor<S>, { alpha = 1 }: { readonly alpha?: number } = {}): Tensor<S> =>
  exponentialBelow(x, alpha, 1) as Tensor<S>;

/** `x` where positive, else `α(e^(x/α) - 1)`, smooth for every α (Barron 2017); α is 1 by default. */
export const celu = <S extends Shape>(x: Tensor<S>, { alpha = 1 }: { readonly alpha?: number } = {}): Tensor<S> =>
  exponentialBelow(x, alpha, alpha) as Tensor<S>;

/** The scaled `elu` that keeps mean 0 and variance 1 (Klambauer et al. 2017). */
export const selu = <S extends Shape>(x: Tensor<S>): Tensor<S> =>
  mul(exponentialBelow(x, 1.6732632423543772, 1), 1.0507009873554805) as Tensor<S>;

/** How `gelu` is computed: with the error function, or one of two approximations. */
export type GeluKind = "exact" | "tanh" | "sigmoid";

/**
 * `x · Φ(x)` (Hendrycks and Gimpel 2016). "exact" uses erf, "tanh" is
 * `½x(1 + tanh(√(2/π)(x + 0.044715x³)))`, "sigmoid" is `x · sigmoid(1.702x)`.
 */
export function gelu<S extends Shape>(x: Tensor<S>, { kind = "exact" }: { readonly kind?: GeluKind } = {}): Tensor<S> {
  const z: Tensor = x;
  switch (kind) {
    case "exact":
      return mul(mul(z, 0.5), add(erf(mul(z, Math.SQRT1_2)), 1)) as Tensor<S>;
    case "tanh": {
      const inner = mul(add(z, mul(mul(mul(z, z), z), 0.044715)), Math.sqrt(2 / Math.PI));
      return mul(mul(z, 0.5), add(tanh(inner), 1)) as Tensor<S>;
    }
    case "sigmoid":
      return silu(x, { beta: 1.702 });
  }
}

/** `x · sigmoid(βx)` (Ramachandran et al. 2017); β is 1 by default, and may be a tensor that is learned. */
export const silu = <S extends Shape>(x: Tensor<S>, { beta = 1 }: { readonly beta?: number | Tensor } = {}): Tensor<S> =>
  mul(x as Tensor, sigmoid(beta === 1 ? (x as Tensor) : mul(x as Tensor, beta))) as Tensor<S>;

/** Another name of `silu`. */
export const swish = silu;

/** `x · tanh(softplus(x))` (Misra 2019). */
export const mish = <S extends Shape>(x: Tensor<S>): Tensor<S> => mul(x as Tensor, tanh(softplus(x as Tensor))) as Tensor<S>;

/** `x / (1 + |x|)`. */
export const softsign = <S extends Shape>(x: Tensor<S>): Tensor<S> => div(x as Tensor, add(abs(x as Tensor), 1)) as Tensor<S>;

/** `x - tanh(x)`. */
export const tanhshrink = <S extends Shape>(x: Tensor<S>): Tensor<S> => sub(x as Tensor, tanh(x as Tensor)) as Tensor<S>;

export interface ShrinkOptions {
  /** Half the width of the dead zone. Default 0.5. */
  readonly width?: number;
}

/** `x` moved toward 0 by `width`; 0 where `|x| ≤ width`. */
export const softshrink = <S extends Shape>(x: Tensor<S>, { width = 0.5 }: ShrinkOptions = {}): Tensor<S> =>
  where(
    greater(x as Tensor, width),
    sub(x as Tensor, width),
    where(less(x as Tensor, -width), add(x as Tensor, width), 0),
  ) as Tensor<S>;

/** `x` outside of the dead zone, 0 where `|x| ≤ width`. */
export const hardshrink = <S extends Shape>(x: Tensor<S>, { width = 0.5 }: ShrinkOptions = {}): Tensor<S> =>
  where(logicalAnd(lessEqual(x as Tensor, width), greaterEqual(x as Tensor, -width)), 0, x as Tensor) as Tensor<S>;

/** `x` above `limit`, else `value`. */
export const threshold = <S extends Shape>(x: Tensor<S>, limit: number, value: number): Tensor<S> =>
  where(greater(x as Tensor, limit), x as Tensor, value) as Tensor<S>;

/** `a · sigmoid(b)` of the two halves along `axis` (default -1) (Dauphin et al. 2017). Throws `ShapeError` for an odd length. */
export function glu(x: Tensor, { axis = -1 }: { readonly axis?: number } = {}): Tensor {
  const length = x.shape.at(axis) ?? 0;
  if (length % 2 !== 0) {
    throw new ShapeError("glu", `axis ${axis} of [${x.shape.join(", ")}] has an odd length`, {
      received: x.shape,
      hint: "gate an even number of features",
    });
  }
  const [value, gate] = splitAlong(x, [length / 2, length / 2], { axis }) as [Tensor, Tensor];
  return mul(value, sigmoid(gate));
}

/** The largest of each `pieces` neighbors along the last axis: `[.., n]` to `[.., n / pieces]` (Goodfellow et al. 2013). */
export function maxout(x: Tensor, pieces: number): Tensor {
  const length = x.shape.at(-1) ?? 0;
  if (!Number.isInteger(pieces) || pieces < 1 || length % pieces !== 0) {
    throw new ShapeError("maxout", `${length} features in pieces of ${pieces}`, {
      received: pieces,
      hint: "use a divisor of the number of features",
    });
  }
  return max(reshape(x, [...x.shape.slice(0, -1), length / pieces, pieces]), { axis: -1 });
}
