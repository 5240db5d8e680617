/**
 * Losses of real-valued predictions: errors, robust errors, quantiles, and likelihoods of Gaussian and Poisson models.
 */
import {
  abs, add, div, exp, greater, less, lessEqual, log, log1p, maximum, mul, neg, square, sub, tanh, where,
} from "@dormouse/tensor";
import type { Tensor } from "@dormouse/tensor/graph";
import {
  type ElementwiseOptions, finished, requireAlike, requireBroadcast, requireValue, stopped, widened, withPartials,
} from "./reduction.ts";

/**
 * Squared error (prediction − target)², averaged by default. Both have one shape and dtype.
 *
 * ```ts
 * mse(tensor([1, 2]), tensor([1, 4]));   // 2
 * ```
 */
export function mse(prediction: Tensor, target: Tensor, options: ElementwiseOptions = {}): Tensor {
  [prediction, target] = widened(prediction, target);
  requireAlike("mse", prediction, target);
  return finished("mse", square(sub(prediction, target)), options);
}

/** Absolute error |prediction − target|, averaged by default; slope 0 where both are equal. */
export function mae(prediction: Tensor, target: Tensor, options: ElementwiseOptions = {}): Tensor {
  [prediction, target] = widened(prediction, target);
  requireAlike("mae", prediction, target);
  return finished("mae", distance(prediction, target), options);
}

export interface HuberOptions extends ElementwiseOptions {
  /** Error up to which the loss is a square. Default 1. */
  readonly delta?: number;
}

/** ½d² for |d| ≤ δ, else δ · (|d| − ½δ), with d = prediction − target. Huber, 1964. */
export function huber(prediction: Tensor, target: Tensor, { delta = 1, ...options }: HuberOptions = {}): Tensor {
  [prediction, target] = widened(prediction, target);
  requireAlike("huber", prediction, target);
  requireValue("huber", "delta", delta, (x) => x > 0, "use a positive number");
  const d = distance(prediction, target);
  const losses = where(lessEqual(d, delta), mul(square(d), 0.5), mul(sub(d, delta / 2), delta));
  return finished("huber", losses, options);
}

export interface SmoothL1Options extends ElementwiseOptions {
  /** Error up to which the loss is a square; 0 makes it `mae`. Default 1. */
  readonly beta?: number;
}

/** ½d² / β for |d| < β, else |d| − ½β, with d = prediction − target: the Huber loss divided by β. */
export function smoothL1(prediction: Tensor, target: Tensor, { beta = 1, ...options }: SmoothL1Options = {}): Tensor {
  [prediction, target] = widened(prediction, target);
  requireAlike("smoothL1", prediction, target);
  requireValue("smoothL1", "beta", beta, (x) => x >= 0, "use a number of at least 0");
  const d = distance(prediction, target);
  const losses = beta === 0 ? d : where(less(d, beta), mul(square(d), 0.5 / beta), sub(d, beta / 2));
  return finished("smoothL1", losses, options);
}

/** log cosh(prediction − target): ½d² near 0 and |d| − log 2 far from it, with slope tanh d everywhere. */
export function logCosh(prediction: Tensor, target: Tensor, options: ElementwiseOptions = {}): Tensor {
  [prediction, target] = widened(prediction, target);
  requireAlike("logCosh", prediction, target);
  const compute = (d: Tensor): Tensor => {
    const size = abs(d);
    // Near 0 the second form is a difference of numbers near log 2; far from 0 the first is log 0.
    const near = mul(log1p(neg(square(tanh(d)))), -0.5);
    const far = add(size, sub(log1p(exp(mul(size, -2))), Math.LN2));
    return where(less(size, 1), near, far);
  };
  const losses = withPartials("logCosh", [sub(prediction, target)], (d) => compute(d!), [([d]) => tanh(d!)]);
  return finished("logCosh", losses, options);
}

export interface PinballOptions extends ElementwiseOptions {
  /** The quantile that the prediction should be, between 0 and 1. Default 0.5: half the absolute error. */
  readonly quantile?: number;
}

/**
 * max(q · (t − x), (q − 1) · (t − x)): least when the prediction x is the q-quantile of the target t. Koenker, 1978.
 */
export function pinball(
  prediction: Tensor,
  target: Tensor,
  { quantile = 0.5, ...options }: PinballOptions = {},
): Tensor {
  [prediction, target] = widened(prediction, target);
  requireAlike("pinball", prediction, target);
  requireValue("pinball", "quantile", quantile, (x) => x >= 0 && x <= 1, "use a number from 0 to 1");
  const excess = sub(target, prediction);
  return finished("pinball", maximum(mul(excess, quantile), mul(excess, quantile - 1)), options);
}

export interface GaussianNllOptions extends ElementwiseOptions {
  /** Adds the constant ½ log 2π. Default false. */
  readonly full?: boolean;
  /** The variance counts as at least this. Default 1e-6. */
  readonly eps?: number;
}

/**
 * Negative log-likelihood of a normal distribution: ½ (log v + (prediction − target)² / v), v = max(variance, eps). The
 * variance that makes it least is the mean squared error. `variance` broadcasts to the prediction; below `eps` its
 * slope is that at `eps`, so that it can recover. Nix and Weigend, 1994.
 */
export function gaussianNll(
  prediction: Tensor,
  target: Tensor,
  variance: Tensor,
  { full = false, eps = 1e-6, ...options }: GaussianNllOptions = {},
): Tensor {
  const op = "gaussianNll";
  [prediction, target, variance] = widened(prediction, target, variance);
  requireAlike(op, prediction, target);
  requireBroadcast(op, "variance", variance, prediction);
  requireValue(op, "eps", eps, (x) => x > 0, "use a positive number");
  const v = add(variance, stopped(sub(maximum(variance, eps), variance)));
  const losses = mul(add(log(v), div(square(sub(prediction, target)), v)), 0.5);
  return finished(op, full ? add(losses, 0.5 * Math.log(2 * Math.PI)) : losses, options);
}

export interface PoissonNllOptions extends ElementwiseOptions {
  /** The prediction is the logarithm of the rate. Default true. */
  readonly logInput?: boolean;
  /** Adds Stirling's approximation of log target!, for targets above 1. Default false. */
  readonly full?: boolean;
  /** Added to a rate before its logarithm is taken. Default 1e-8. */
  readonly eps?: number;
}

/** Negative log-likelihood of counts: eˣ − t·x for a log-rate x, or x − t · log(x + eps) for a rate. */
export function poissonNll(
  prediction: Tensor,
  target: Tensor,
  { logInput = true, full = false, eps = 1e-8, ...options }: PoissonNllOptions = {},
): Tensor {
  const op = "poissonNll";
  [prediction, target] = widened(prediction, target);
  requireAlike(op, prediction, target);
  const losses = logInput
    ? sub(exp(prediction), mul(target, prediction))
    : sub(prediction, mul(target, log(add(prediction, eps))));
  return finished(op, full ? add(losses, logFactorial(target)) : losses, options);
}

/** Stirling's t log t − t + ½ log 2πt for t > 1, and 0 up to there. */
function logFactorial(count: Tensor): Tensor {
  const isLarge = greater(count, 1);
  const t = where(isLarge, count, 1);
  const logs = log(t);
  const sum = add(sub(mul(t, logs), t), mul(add(logs, Math.log(2 * Math.PI)), 0.5));
  return where(isLarge, sum, 0);
}

const distance = (a: Tensor, b: Tensor): Tensor => abs(sub(a, b));
