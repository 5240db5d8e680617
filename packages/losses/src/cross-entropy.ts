/**
 * Losses between scores of classes and a label or a distribution over classes: cross-entropy from logits, negative
 * log-likelihood, focal loss, Kullback–Leibler divergence.
 */
import {
  ShapeError, add, div, equal, exp, expm1, log, logSoftmax, mul, neg, pow, sub, sum, where,
} from "@dormouse/tensor";
import { type Shape, type Tensor, isFloat, primitive, sameShape, showShape } from "@dormouse/tensor/graph";
import { type ClassWeightOption, classWeights } from "./class-weights.ts";
import { type LabelOptions, type Labels, classAxis, labelsFor, picked } from "./labels.ts";
import {
  type Reduction, type ReductionOption, reduced, reducedByWeight, requireAlike, requireFloat, requireValue, widened,
} from "./reduction.ts";

export interface NllOptions extends ReductionOption, LabelOptions, ClassWeightOption {}

export interface CrossEntropyOptions extends NllOptions {
  /** Moves this part of each target's probability to all classes evenly. Default 0. */
  readonly labelSmoothing?: number;
}

/**
 * Cross-entropy of logits: −log softmax(prediction)[label], or −Σ q · log softmax(prediction) for probabilities q.
 *
 * `prediction` is [N, C], [C], or [N, C, ..] (see `axis`); `target` is integer labels [N, ..] or probabilities of the
 * shape and dtype of the prediction. With label smoothing ε and weights w the loss of an example is
 * (1 − ε) · w[t] · −log p[t] + ε/C · Σ w[c] · −log p[c]. The mean divides by Σ w[t] over the examples that are not
 * ignored, for probabilities by the number of examples. The gradient is softmax − target, for logits of any size.
 *
 * Throws `ShapeError` or `DTypeError` where the two do not fit and `ValueError` for a label that is no class: at the
 * call where labels are on the host, when the graph runs where they are computed or arguments of a compiled function.
 * Probabilities are taken as they are: they need not sum to one.
 *
 * ```ts
 * const loss = crossEntropy(logits, tensor([3, 0, 7], { dtype: "int32" }), { labelSmoothing: 0.1 });
 * ```
 */
export function crossEntropy(prediction: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const op = "crossEntropy";
  const { labelSmoothing = 0, reduction } = options;
  [prediction, target] = widened(prediction, target);
  requireFloat(op, "prediction", prediction);
  requireValue(op, "labelSmoothing", labelSmoothing, (x) => x >= 0 && x <= 1, "use a number from 0 to 1");
  const axis = classAxis(op, prediction.shape, options.axis);
  const weight = classWeights(op, options.weight, prediction, axis);
  if (isFloat(target.dtype) && sameShape(target.shape, prediction.shape)) {
    requireAlike(op, prediction, target);
    const logs = logSoftmax(prediction, { axis });
    return reduced(op, ofDistribution(logs, target, weight, labelSmoothing, axis), reduction);
  }
  if (isFloat(target.dtype) && target.rank === prediction.rank) throw unfit(op, prediction.shape, target.shape);
  const labels = labelsFor(op, target, prediction.shape, axis, options);
  const logs = logSoftmax(prediction, { axis });
  const sharp = ofLabels(logs, labels, weight, axis);
  if (labelSmoothing === 0) return finish(op, sharp, labels, reduction);
  const all = sum(weight ? mul(logs, weight) : logs, { axis });
  const flat = neg(mul(all, labelSmoothing / prediction.shape[axis]!));
  const losses = add(mul(sharp.losses, 1 - labelSmoothing), flat);
  return finish(op, { losses, weights: sharp.weights }, labels, reduction);
}

/**
 * Negative log-likelihood of labels under log-probabilities: −w[t] · prediction[t]. As `crossEntropy` after
 * `logSoftmax`; shapes, options and errors are the same.
 *
 * ```ts
 * nll(logSoftmax(logits, { axis: 1 }), labels);
 * ```
 */
export function nll(prediction: Tensor, target: Tensor, options: NllOptions = {}): Tensor {
  const op = "nll";
  [prediction, target] = widened(prediction, target);
  requireFloat(op, "prediction", prediction);
  const axis = classAxis(op, prediction.shape, options.axis);
  const weight = classWeights(op, options.weight, prediction, axis);
  const labels = labelsFor(op, target, prediction.shape, axis, options);
  return finish(op, ofLabels(prediction, labels, weight, axis), labels, options.reduction);
}

export interface FocalOptions extends NllOptions {
  /** How much examples that are right already are played down; 0 is cross-entropy. Default 2. */
  readonly gamma?: number;
}

/**
 * Focal loss of logits: −w[t] · (1 − p[t])^γ · log p[t], p = softmax(prediction). The mean is over the examples that
 * are not ignored, whatever their weights. Labels, shapes and errors as for `crossEntropy`.
 * Lin et al., Focal Loss for Dense Object Detection, 2017.
 */
export function focal(prediction: Tensor, target: Tensor, options: FocalOptions = {}): Tensor {
  const op = "focal";
  const { gamma = 2 } = options;
  [prediction, target] = widened(prediction, target);
  requireFloat(op, "prediction", prediction);
  requireValue(op, "gamma", gamma, (x) => x >= 0, "use a number of at least 0");
  const axis = classAxis(op, prediction.shape, options.axis);
  const weight = classWeights(op, options.weight, prediction, axis);
  const labels = labelsFor(op, target, prediction.shape, axis, options);
  const logs = picked(logSoftmax(prediction, { axis }), labels.mask, axis);
  const doubt = neg(expm1(logs));
  // 0^γ has an infinite slope for γ < 1; the loss is 0 there, and so is its slope.
  const isSure = equal(doubt, 0);
  const scale = where(isSure, 0, pow(where(isSure, 1, doubt), gamma));
  const plain = neg(mul(scale, logs));
  const losses = weight ? mul(plain, picked(weight, labels.mask, axis)) : plain;
  return finish(op, { losses, weights: null }, labels, options.reduction);
}

export interface KlDivergenceOptions {
  /** The target is log-probabilities too. Default false. */
  readonly logTarget?: boolean;
  /** `batchmean` divides the sum by the length of the first axis: the divergence as it is defined. Default `mean`. */
  readonly reduction?: Reduction | "batchmean";
}

/**
 * Kullback–Leibler divergence, elementwise: target · (log target − prediction), with prediction as log-probabilities. A
 * target of 0 adds 0. Both have one shape and dtype.
 *
 * ```ts
 * klDivergence(logSoftmax(logits), probabilities, { reduction: "batchmean" });
 * ```
 */
export function klDivergence(
  prediction: Tensor,
  target: Tensor,
  { logTarget = false, reduction }: KlDivergenceOptions = {},
): Tensor {
  const op = "klDivergence";
  [prediction, target] = widened(prediction, target);
  requireAlike(op, prediction, target);
  const share = logTarget ? exp(target) : target;
  const isZero = equal(share, 0);
  const logs = logTarget ? where(isZero, 0, target) : log(where(isZero, 1, target));
  const losses = where(isZero, 0, mul(share, sub(logs, prediction)));
  if (reduction !== "batchmean") return reduced(op, losses, reduction);
  if (prediction.rank === 0) {
    throw new ShapeError(op, "a scalar has no batch axis", { received: prediction.shape, hint: `use reduction "sum"` });
  }
  return div(sum(losses), prediction.shape[0]!);
}

/** Losses of examples and what each counts in a mean; null for 1. */
interface Weighed {
  readonly losses: Tensor;
  readonly weights: Tensor | null;
}

function ofLabels(logs: Tensor, { mask }: Labels, weight: Tensor | null, axis: number): Weighed {
  const losses = neg(picked(logs, mask, axis));
  if (!weight) return { losses, weights: null };
  const weights = picked(weight, mask, axis);
  return { losses: mul(losses, weights), weights };
}

/** Takes ignored examples out and reduces. */
function finish(
  op: string,
  { losses, weights }: Weighed,
  { counted }: Labels,
  reduction: Reduction | undefined,
): Tensor {
  if (!counted) return weights ? reducedByWeight(op, losses, weights, reduction) : reduced(op, losses, reduction);
  const kept = where(counted, losses, 0);
  const share = weights ? where(counted, weights, 0) : primitive.cast(counted, losses.dtype);
  return reducedByWeight(op, kept, share, reduction);
}

function ofDistribution(logs: Tensor, target: Tensor, weight: Tensor | null, smoothing: number, axis: number): Tensor {
  const share = smoothing === 0 ? target : add(mul(target, 1 - smoothing), smoothing / target.shape[axis]!);
  const terms = mul(share, logs);
  return neg(sum(weight ? mul(terms, weight) : terms, { axis }));
}

const unfit = (op: string, prediction: Shape, target: Shape): ShapeError =>
  new ShapeError(op, `prediction ${showShape(prediction)} and target ${showShape(target)} differ`, {
    expected: prediction,
    received: target,
    hint: "give probabilities of the shape of the prediction, or integer labels",
  });
