/**
 * Predictions of several models, or of one model with random parts, taken together: averages, votes, and how much the
 * members disagree. The first axis of what comes in is the member. Tensors in, tensors out. Where members come from
 * (seeds, bootstrap samples, dropout left on) is not decided here.
 */
import {
  ShapeError, type Tensor, ValueError, add, argmax, cast, div, equal, expandDims, log, maximum, mean, mul, neg, softmax, square, sub,
  sum, variance, where,
} from "@dormouse/tensor";
import { isFloat, primitive, showShape } from "@dormouse/tensor/graph";

/** Weights of members. */
export interface MemberWeights {
  /** One weight for each member, [K]; only their ratios count. Default: all 1. */
  readonly weights?: Tensor | undefined;
}

/**
 * Mean of the members' predictions [K, ..], by weight: [..]. Of probabilities it is the linear opinion pool, with
 * `posteriorWeights` it is Bayesian model averaging, Σₖ p(k | data) · p(y | x, k); of real values the averaged
 * regressor, whose squared error is at most the members' mean one.
 *
 * ```ts
 * await ensembleAverage(tensor([[1, 2], [3, 6]])).array();   // [2, 4]
 * ```
 */
export function ensembleAverage(predictions: Tensor, { weights }: MemberWeights = {}): Tensor {
  const op = "ensembleAverage";
  requireMembers(op, predictions, 1);
  if (!weights) return mean(predictions, { axis: 0 });
  return sum(mul(predictions, sharesOf(op, weights, predictions)), { axis: 0 });
}

/**
 * Shares of the votes [N, C]: every member gives its vote, or its weight, to its class of greatest score, the first of
 * equals. `predictions` is scores [K, N, C], or class labels [K, N] with `classes`. The elected class is
 * `argmax(shares, { axis: 1 })`, of equal ones the lowest. Condorcet, 1785; Hansen and Salamon, 1990.
 *
 * ```ts
 * const labels = tensor([[0, 1], [0, 2], [1, 2]], { dtype: "int32" });
 * await ensembleVote(labels, { classes: 3 }).array();   // [[0.667, 0.333, 0], [0, 0.333, 0.667]]
 * ```
 */
export function ensembleVote(
  predictions: Tensor,
  { weights, classes }: MemberWeights & { readonly classes?: number } = {},
): Tensor {
  const op = "ensembleVote";
  const isScores = isFloat(predictions.dtype);
  requireMembers(op, predictions, isScores ? 3 : 2);
  const count = isScores ? predictions.shape[2]! : classes;
  if (count === undefined) {
    throw new ValueError(op, "the number of classes is not known from labels", { hint: "give { classes }, or scores [K, N, C]" });
  }
  const labels = isScores ? argmax(predictions, { axis: 2 }) : cast(predictions, "int32");
  const shape = [...labels.shape, count];
  const votes = equal(primitive.broadcast(labels, shape, [0, 1]), primitive.broadcast(primitive.iota(count), shape, [2]));
  return ensembleAverage(cast(votes, isScores ? predictions.dtype : weights?.dtype ?? "float32"), { weights });
}

/**
 * Posterior probabilities of models, p(k | data) ∝ p(data | k) · p(k): the weights of Bayesian model averaging. Takes
 * the log-likelihood, or better the log marginal likelihood, that each of K models gives the same data: [K]; for models
 * that were fitted, −½ BIC stands for it. Raftery, 1995; Hoeting et al., 1999.
 *
 * ```ts
 * await posteriorWeights(tensor([-10, -10 + Math.log(3)])).array();   // [0.25, 0.75]
 * ```
 */
export const posteriorWeights = (
  logLikelihoods: Tensor,
  { logPrior }: {
    /** Logarithms of the prior probabilities, [K]. Default: all alike. */
    readonly logPrior?: Tensor;
  } = {},
): Tensor => softmax(logPrior ? add(logLikelihoods, logPrior) : logLikelihoods, { axis: 0 });

/** What samples of probabilities say, and how sure they are of it: entropies in nats, one for each example. */
export interface PredictiveUncertainty {
  /** Mean probabilities, [N, C]. */
  readonly mean: Tensor;
  /** Variance of the probabilities over samples, [N, C]. */
  readonly variance: Tensor;
  /** H of the mean probabilities, [N]: all uncertainty, from 0 to ln C. */
  readonly predictiveEntropy: Tensor;
  /** Mean H of the samples, [N]: what is left when the model is known (aleatoric). */
  readonly expectedEntropy: Tensor;
  /**
   * Predictive less expected entropy, [N]: what samples disagree about (epistemic), the information that the label
   * would give about the model. Houlsby et al., 2011 (BALD).
   */
  readonly mutualInformation: Tensor;
  /** Share of samples whose best class is not the class most of them have, [N]. Freeman, 1965. */
  readonly variationRatio: Tensor;
}

/**
 * Takes together the probabilities [S, N, C] of S samples: forward passes with dropout left on (Gal and Ghahramani,
 * 2016), members of an ensemble (Lakshminarayanan et al., 2017), or draws from a posterior.
 *
 * ```ts
 * const samples = stack(split(key(0), 50).map((each) => softmax(model.forward(x, { key: each }))));
 * const { mean, mutualInformation } = predictiveUncertainty(samples);
 * ```
 */
export function predictiveUncertainty(samples: Tensor, { weights }: MemberWeights = {}): PredictiveUncertainty {
  const op = "predictiveUncertainty";
  requireMembers(op, samples, 3);
  const average = ensembleAverage(samples, { weights });
  const predictiveEntropy = entropyOf(average);
  const expectedEntropy = ensembleAverage(entropyOf(samples), { weights });
  const spread = weights
    ? ensembleAverage(square(sub(samples, expandDims(average, 0))), { weights })
    : variance(samples, { axis: 0, correction: 0 });
  const votes = ensembleVote(samples, { weights });
  const most = primitive.reduce(votes, "max", [1]);
  return {
    mean: average,
    variance: spread,
    predictiveEntropy,
    expectedEntropy,
    // Never negative but for rounding (Jensen's inequality).
    mutualInformation: maximum(sub(predictiveEntropy, expectedEntropy), 0),
    variationRatio: sub(1, most),
  };
}

/** −Σ p ln p over the last axis, 0 ln 0 being 0. */
function entropyOf(p: Tensor): Tensor {
  const isZero = equal(p, 0);
  return neg(sum(mul(p, log(where(isZero, 1, p))), { axis: -1 }));
}

/** Second moments of the members' errors, and what they make of the ensemble's. */
export interface EnsembleError {
  /** V: the members' mean squared error, a scalar. */
  readonly variance: Tensor;
  /** C: the mean product of the errors of two different members, a scalar. */
  readonly covariance: Tensor;
  /** V / k + (k − 1) / k · C, which is the mean squared error of the even average of the members, exactly. */
  readonly error: Tensor;
}

/**
 * Why ensembles help: with errors of mean square V and mean product C, the average of k members has the mean squared
 * error V / k + (k − 1) / k · C: V / k where errors are independent, V where they are the same. `predictions` is
 * [K, N], `target` [N]. Of one member C is 0 by convention. Perrone and Cooper, 1993; Goodfellow et al., 2016, section
 * 7.11.
 *
 * ```ts
 * const { error } = ensembleError(tensor([[1, 3], [3, 3]]), tensor([2, 2]));   // V = 1, C = 0: error 0.5
 * ```
 */
export function ensembleError(predictions: Tensor, target: Tensor): EnsembleError {
  const op = "ensembleError";
  requireMembers(op, predictions, 2);
  if (target.rank !== 1 || target.shape[0] !== predictions.shape[1]) {
    throw new ShapeError(op, `target ${showShape(target.shape)} for predictions ${showShape(predictions.shape)}`, {
      expected: [predictions.shape[1]], received: target.shape, hint: "give one target for each column",
    });
  }
  const members = predictions.shape[0]!;
  const errors = sub(predictions, expandDims(target, 0));
  const own = mean(square(errors));
  // (Σ e)² holds every pair twice and every square once.
  const pairs = sub(mean(square(sum(errors, { axis: 0 }))), mul(own, members));
  const covariance = div(pairs, Math.max(1, members * (members - 1)));
  return { variance: own, covariance, error: expectedEnsembleError(own, covariance, members) };
}

/**
 * V / k + (k − 1) / k · C for k members: the expected squared error of their average. Takes and gives tensors.
 *
 * ```ts
 * await expectedEnsembleError(tensor(1), tensor(0.2), 5).item();   // 0.36
 * ```
 */
export const expectedEnsembleError = (errorVariance: Tensor, covariance: Tensor, members: number): Tensor =>
  add(div(errorVariance, members), mul(covariance, (members - 1) / members));

function requireMembers(op: string, predictions: Tensor, rank: number): void {
  if (predictions.rank >= rank && (rank === 1 || predictions.rank === rank) && predictions.shape[0]! > 0) return;
  throw new ShapeError(op, `predictions have shape ${showShape(predictions.shape)}`, {
    expected: ["[K, ..]", "[K, N]", "[K, N, C]"][rank - 1],
    received: predictions.shape,
    hint: "stack the members' predictions on the first axis: stack(predictions)",
  });
}

/** Weights that sum to 1, of the shape of the predictions. */
function sharesOf(op: string, weights: Tensor, predictions: Tensor): Tensor {
  if (weights.rank !== 1 || weights.shape[0] !== predictions.shape[0]) {
    throw new ShapeError(op, `weights ${showShape(weights.shape)} for members ${showShape(predictions.shape)}`, {
      expected: [predictions.shape[0]], received: weights.shape, hint: "give one weight for each member",
    });
  }
  const known = cast(weights, predictions.dtype);
  return primitive.broadcast(div(known, sum(known)), predictions.shape, [0]);
}
