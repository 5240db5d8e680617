/**
 * Layers that are random in training, that is with a key, and do nothing without one: dropout and additive noise.
 */
import { type Key, type Tensor, ValueError, add, bernoulli, full, mul, normal, where } from "@dormouse/tensor";
import type { FloatType } from "./initializers.ts";
import type { ForwardContext } from "./module.ts";

type Shape = readonly number[];

/**
 * `x` with elements set to 0 at random with probability `rate`, and the others divided by `1 - rate`, so that the mean
 * stays (Srivastava et al. 2014). Only with a key: without one it is the identity. One key drops one way:
 * Monte-Carlo dropout predicts with a key per sample.
 */
export function dropout<S extends Shape>(key: Key, x: Tensor<S>, rate: number): Tensor<S> {
  if (!(rate >= 0 && rate <= 1)) {
    throw new ValueError("dropout", `rate is ${rate}`, { received: rate, hint: "use a probability from 0 to 1" });
  }
  if (rate === 0) return x;
  const kept = rate === 1 ? full(x.shape, false) : bernoulli(key, 1 - rate, x.shape);
  return where(kept, mul(x, rate === 1 ? 0 : 1 / (1 - rate)), 0) as Tensor<S>;
}

/** `dropout` as a layer: `forward(x, { key })` drops, `forward(x)` does nothing. */
export class Dropout {
  readonly rate: number;

  constructor(rate = 0.5) {
    if (!(rate >= 0 && rate <= 1)) {
      throw new ValueError("Dropout", `rate is ${rate}`, { received: rate, hint: "use a probability from 0 to 1" });
    }
    this.rate = rate;
  }

  forward<S extends Shape>(x: Tensor<S>, { key }: ForwardContext = {}): Tensor<S> {
    return key ? dropout(key, x, this.rate) : x;
  }
}

/** Refuses a standard deviation below 0. */
function requireDeviation(op: string, std: number): void {
  if (std >= 0 && Number.isFinite(std)) return;
  throw new ValueError(op, `std is ${std}`, { received: std, hint: "use a finite number of at least 0" });
}

/**
 * `x + std·z` with z standard normal. On the inputs of a model it is a regularizer: to first order the same as a
 * penalty of `std²` on the squared gradient with respect to the input, for a linear model as weight decay
 * (Bishop 1995).
 */
export function gaussianNoise<S extends Shape>(key: Key, x: Tensor<S>, std: number): Tensor<S> {
  requireDeviation("gaussianNoise", std);
  return (std === 0 ? x : add(x, normal(key, x.shape, { std, dtype: x.dtype as FloatType }))) as Tensor<S>;
}

/** `gaussianNoise` as a layer: `forward(x, { key })` adds noise, `forward(x)` does nothing. `std` is 0.1 by default. */
export class GaussianNoise {
  readonly std: number;

  constructor(std = 0.1) {
    requireDeviation("GaussianNoise", std);
    this.std = std;
  }

  forward<S extends Shape>(x: Tensor<S>, { key }: ForwardContext = {}): Tensor<S> {
    return key ? gaussianNoise(key, x, this.std) : x;
  }
}
