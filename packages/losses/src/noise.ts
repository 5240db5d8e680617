/**
 * Regularization by noise: inputs and labels that are a little different every time they are seen. Randomness comes in
 * as a key, so that both work inside compiled steps.
 */
import {
  type Key, ValueError, add, bernoulli, greaterEqual, less, logicalAnd, mul, normal, randint, remainder, split, where,
} from "@dormouse/tensor";
import { type Tensor, primitive } from "@dormouse/tensor/graph";
import { requireFloat, requireValue } from "./reduction.ts";

/** Options of `inputNoise`. */
export interface InputNoiseOptions {
  /** Standard deviation of the noise, in the unit of the input. Default 0.1. */
  readonly scale?: number;
}

/**
 * x + scale · ε with ε from a standard normal distribution: shape and dtype of `x`. For a linear model and squared
 * error the expected loss gains scale² · ‖w‖²: noise on the input is an L2 penalty (Bishop, 1995).
 *
 * @example
 * ```ts
 * mse(model.forward(inputNoise(key(step), x, { scale: 0.05 })), y);
 * ```
 */
export function inputNoise(key: Key, x: Tensor, { scale = 0.1 }: InputNoiseOptions = {}): Tensor {
  requireFloat("inputNoise", "x", x);
  requireValue("inputNoise", "scale", scale, (value) => value >= 0, "use a number of at least 0");
  return add(x, mul(normal(key, x.shape, { dtype: x.dtype as "float32" | "float64" }), scale));
}

/** Options of `labelNoise`. */
export interface LabelNoiseOptions {
  /** How many classes there are. */
  readonly classes: number;
  /** Probability of a label to become another one. Default 0.1. */
  readonly rate?: number;
}

/**
 * Integer labels of which each is, with probability `rate`, another class, all others being equally likely; a label
 * that is no class (an ignored one) stays. The result is int32. The expected cross-entropy is that with label smoothing
 * of rate · C / (C − 1) (Szegedy et al., 2016).
 *
 * @example
 * ```ts
 * crossEntropy(logits, labelNoise(key(step), labels, { classes: 10, rate: 0.05 }));
 * ```
 */
export function labelNoise(key: Key, labels: Tensor, { classes, rate = 0.1 }: LabelNoiseOptions): Tensor {
  const op = "labelNoise";
  requireValue(op, "rate", rate, (value) => value >= 0 && value <= 1, "use a number from 0 to 1");
  if (!Number.isInteger(classes) || classes < 2) {
    throw new ValueError(op, `classes is ${classes}`, { received: classes, hint: "use an integer of at least 2" });
  }
  const [whether, which] = split(key);
  const index = primitive.cast(labels, "int32");
  const other = remainder(add(index, randint(which, labels.shape, 1, classes)), classes);
  const isClass = logicalAnd(greaterEqual(index, 0), less(index, classes));
  return where(logicalAnd(isClass, bernoulli(whether, rate, labels.shape)), other, index);
}
