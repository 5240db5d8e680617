/**
 * What the error of a regressor is made of, and how it differs between seen and unseen examples. Decompositions are
 * tensors in, tensors out; curves are numbers on the host. Fitting is done elsewhere.
 */
import { ShapeError, type Tensor, add, mean, square, sub, variance } from "@dormouse/tensor";
import { primitive, sameShape, showShape } from "@dormouse/tensor/graph";
import { type Values, numbersOf, requireCount } from "./values.ts";

/** Parts of an expected squared error: scalars, and for every input. */
export interface BiasVariance {
  /** Mean of (average prediction − truth)²: what no amount of data would take away. */
  readonly biasSquared: Tensor;
  /** Mean variance of the predictions over fits: what depends on the sample that happened to be drawn. */
  readonly variance: Tensor;
  /** σ²: what no model can take away. */
  readonly noise: Tensor;
  /** biasSquared + variance + noise: the expected squared error on new noisy targets. */
  readonly error: Tensor;
  /** Average prediction for every input, [N]. */
  readonly meanPrediction: Tensor;
  /** Squared bias for every input, [N]. */
  readonly biasSquaredAt: Tensor;
  /** Variance over fits for every input, [N]. */
  readonly varianceAt: Tensor;
}

/**
 * Splits the expected squared error of a learner into bias², variance and noise: E(y − f(x))² = bias² + variance + σ².
 * `predictions` is [R, N]: row r what the fit to the r-th training set says at N inputs; `truth` [N] is the noiseless
 * function there, `noise` the variance σ² of targets around it (default 0). The variance is that of the R fits
 * themselves (divided by R), so that bias² + variance is exactly the mean of (f − truth)² over fits and inputs. With
 * noisy targets in place of the truth, bias² holds their noise, too. Geman, Bienenstock and Doursat, 1992.
 *
 * ```ts
 * const { biasSquared, variance, error } = biasVariance(predictions, sin(x), { noise: 0.04 });
 * ```
 */
export function biasVariance(
  predictions: Tensor,
  truth: Tensor,
  { noise = 0 }: { readonly noise?: number | Tensor } = {},
): BiasVariance {
  if (predictions.rank !== 2 || !sameShape(truth.shape, predictions.shape.slice(1)) || predictions.shape[0] === 0) {
    throw new ShapeError("biasVariance", `predictions ${showShape(predictions.shape)} and truth ${showShape(truth.shape)} do not fit`, {
      expected: "[R, N] and [N]", received: [predictions.shape, truth.shape], hint: "stack the predictions of R fits",
    });
  }
  const meanPrediction = mean(predictions, { axis: 0 });
  const biasSquaredAt = square(sub(meanPrediction, truth));
  const varianceAt = variance(predictions, { axis: 0, correction: 0 });
  const [bias, spread] = [mean(biasSquaredAt), mean(varianceAt)];
  const floor = typeof noise === "number" ? primitive.constant(noise, [], predictions.dtype) : noise;
  return {
    biasSquared: bias,
    variance: spread,
    noise: floor,
    error: add(add(bias, spread), floor),
    meanPrediction,
    biasSquaredAt,
    varianceAt,
  };
}

/** Errors on seen and unseen examples, side by side. */
export interface GeneralizationGap {
  /** Test less training error at every point. */
  readonly gap: Float64Array;
  /** Where the test error is least, the first of equals; −1 of no points. */
  readonly best: number;
  /** Whether the training error is lower at the end than at `best`, while the test error is higher: overfitting. */
  readonly overfits: boolean;
}

/**
 * Compares curves of training and test error over epochs, model sizes or numbers of examples: [T] each, lower being
 * better.
 *
 * ```ts
 * await generalizationGap([0.9, 0.4, 0.1], [1.0, 0.6, 0.8]);   // gap 0.1, 0.2, 0.7; best 1; overfits
 * ```
 */
export async function generalizationGap(trainErrors: Values, testErrors: Values): Promise<GeneralizationGap> {
  const [{ data: train }, { data: test }] = await Promise.all([numbersOf(trainErrors), numbersOf(testErrors)]);
  requireCount("generalizationGap", "training errors", train.length, test.length);
  const best = test.reduce((least, error, i) => (least < 0 || error < test[least]! ? i : least), -1);
  const last = test.length - 1;
  return {
    gap: test.map((error, i) => error - train[i]!),
    best,
    overfits: best >= 0 && test[last]! > test[best]! && train[last]! < train[best]!,
  };
}

/**
 * By how much the mean squared training error is expected to be below the error on new noisy targets at the same
 * inputs: 2 σ² df / n, with `degreesOfFreedom` df of the fit, the variance `noise` σ² of the targets, and `count` n
 * examples. Training error plus this is Mallows' Cp. Mallows, 1973; Efron, 2004.
 *
 * ```ts
 * expectedOptimism({ degreesOfFreedom: 3, noise: 0.5, count: 30 });   // 0.1
 * ```
 */
export const expectedOptimism = ({ degreesOfFreedom, noise, count }: {
  readonly degreesOfFreedom: number; readonly noise: number; readonly count: number;
}): number => (2 * noise * degreesOfFreedom) / count;
