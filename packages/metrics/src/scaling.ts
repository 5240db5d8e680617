/**
 * Vector and matrix scaling: linear maps of logits, fitted on held-out predictions by maximum likelihood. Fitting reads
 * its data once and works on the host in float64; the fitted map takes tensors to tensors, lazily, on any device.
 */
import { type Tensor, ValueError, add, matmul, mul, tensor, transpose } from "@dormouse/tensor";
import { minimize, solver } from "./minimize.ts";
import { type Values, probabilitiesOf } from "./values.ts";

/** Logits scaled and shifted class by class. */
export interface VectorScaling {
  /** One factor for each class, [C]. */
  readonly weight: Float64Array;
  /** One offset for each class, [C]; they sum to 0. */
  readonly bias: Float64Array;
  /** `weight · logits + bias` of logits [N, C]. */
  transform(logits: Tensor): Tensor;
}

/** Logits mixed by a matrix. */
export interface MatrixScaling {
  /** Row-major [C, C], (out, in). */
  readonly weight: Float64Array;
  /** One offset for each class, [C]; they sum to 0. */
  readonly bias: Float64Array;
  /** `logits · weightᵀ + bias` of logits [N, C]. */
  transform(logits: Tensor): Tensor;
}

/** Options of `matrixScaling`. All penalties are added to the mean negative log-likelihood. */
export interface MatrixScalingOptions {
  /** λ of Σ (w − 1)² over the diagonal + Σ w² off it + Σ b²: pulls towards what the logits were. Default 0. */
  readonly ridge?: number;
  /** λ of λ / (C (C − 1)) · Σ w² over entries off the diagonal (ODIR, Kull et al., 2019). Default 0. */
  readonly offDiagonal?: number;
  /** μ of μ / C · Σ b² (ODIR). Default 0. */
  readonly intercept?: number;
}

/**
 * Vector scaling: the factors and offsets, one for each class, for which softmax(weight · logits + bias) has the least
 * mean negative log-likelihood. `logits` is [N, C], labels are [N]. Can change the order of classes, unlike
 * `temperatureScaling`. Guo et al., 2017, section 4.2. Throws `ValueError` where no finite map is best, as where every
 * label has the greatest logit.
 *
 * ```ts
 * const scaled = await vectorScaling(validationLogits, validationLabels);
 * const probabilities = softmax(scaled.transform(logits));
 * ```
 */
export async function vectorScaling(logits: Tensor, labels: Values): Promise<VectorScaling> {
  const op = "vectorScaling";
  const data = await readOf(op, logits, labels);
  const { classes } = data;
  const x = fitOf(op, data, (parameters, scores, own) => {
    for (let k = 0; k < classes; k++) scores[k] = parameters[k]! * own[k]! + parameters[classes + k]!;
  }, (gradient, errors, own) => {
    for (let k = 0; k < classes; k++) {
      gradient[k]! += errors[k]! * own[k]!;
      gradient[classes + k]! += errors[k]!;
    }
  }, Float64Array.from({ length: 2 * classes }, (_, i) => (i < classes ? 1 : 0)));
  const [weight, bias] = [x.slice(0, classes), x.slice(classes)];
  return {
    weight,
    bias,
    transform: (z) => add(mul(z, tensor(weight, { dtype: z.dtype })), tensor(bias, { dtype: z.dtype })),
  };
}

/**
 * Matrix scaling: the matrix and offsets for which softmax(weight · logits + bias) has the least mean negative
 * log-likelihood plus penalties: C² + C numbers, which overfit where examples are few, so that a penalty is usual. Of
 * log-probabilities with `offDiagonal` and `intercept` it is Dirichlet calibration. `logits` is [N, C], labels are [N].
 * Guo et al., 2017, section 4.2; penalties: Kull et al., 2019. What likelihood does not determine (a vector added to all
 * rows) stays as in the identity. Throws `ValueError` where no finite map is best, and for a negative penalty.
 *
 * ```ts
 * const scaled = await matrixScaling(validationLogits, validationLabels, { offDiagonal: 0.1, intercept: 0.1 });
 * const probabilities = softmax(scaled.transform(logits));
 * ```
 */
export async function matrixScaling(
  logits: Tensor,
  labels: Values,
  { ridge = 0, offDiagonal = 0, intercept = 0 }: MatrixScalingOptions = {},
): Promise<MatrixScaling> {
  const op = "matrixScaling";
  for (const [name, value] of Object.entries({ ridge, offDiagonal, intercept })) {
    if (!(value >= 0)) throw new ValueError(op, `${name} is ${value}`, { received: value, hint: "give 0 or more" });
  }
  const data = await readOf(op, logits, labels);
  const { classes } = data;
  const size = classes * classes;
  const isDiagonal = (i: number): boolean => i < size && i % (classes + 1) === 0;
  const start = Float64Array.from({ length: size + classes }, (_, i) => (isDiagonal(i) ? 1 : 0));
  // Every number has a factor of its own, and is pulled towards where it starts: 1 on the diagonal, 0 elsewhere.
  const pull = start.map((_, i) => {
    if (i >= size) return ridge + intercept / classes;
    return isDiagonal(i) || classes === 1 ? ridge : ridge + offDiagonal / (classes * (classes - 1));
  });
  const x = fitOf(op, data, (parameters, scores, own) => {
    for (let k = 0; k < classes; k++) {
      let sum = parameters[size + k]!;
      for (let j = 0; j < classes; j++) sum += parameters[k * classes + j]! * own[j]!;
      scores[k] = sum;
    }
  }, (gradient, errors, own) => {
    for (let k = 0; k < classes; k++) {
      for (let j = 0; j < classes; j++) gradient[k * classes + j]! += errors[k]! * own[j]!;
      gradient[size + k]! += errors[k]!;
    }
  }, start, pull, classes <= mostPreconditioned ? rowSolver(data, pull) : undefined);
  // A vector added to all rows, and a number to all offsets, change no probability: they go back to where they started.
  const drift = new Float64Array(classes + 1);
  const columnOf = (i: number): number => (i < size ? i % classes : classes);
  x.forEach((value, i) => (drift[columnOf(i)]! += (value - start[i]!) / classes));
  const isFree = ridge === 0 && offDiagonal === 0;
  const settled = x.map((value, i) => (i >= size || isFree ? value - drift[columnOf(i)]! : value));
  const [weight, bias] = [settled.slice(0, size), settled.slice(size)];
  return {
    weight,
    bias,
    transform(z) {
      const matrix = tensor(weight, { shape: [classes, classes], dtype: z.dtype });
      return add(matmul(z, transpose(matrix)), tensor(bias, { dtype: z.dtype }));
    },
  };
}

/** Beyond, the matrices of `rowSolver` cost more than the steps they save. */
const mostPreconditioned = 32;

interface Examples {
  readonly data: Float64Array;
  readonly labels: Float64Array;
  readonly rows: number;
  readonly classes: number;
}

async function readOf(op: string, logits: Tensor, labels: Values): Promise<Examples> {
  const { scores: { data }, labels: targets, rows, classes } = await probabilitiesOf(op, logits, labels);
  const bad = data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new ValueError(op, `the logit ${data[bad]} at row ${Math.floor(bad / classes)} is not finite`, {
      received: data[bad], hint: "bound probabilities away from 0 before taking their logarithm",
    });
  }
  if (rows === 0) throw new ValueError(op, "there are no examples", { hint: "give at least one" });
  return { data, labels: targets, rows, classes };
}

/** The parameters of least mean negative log-likelihood of softmax scores, plus Σ pull · (parameter − start)². */
function fitOf(
  op: string,
  { data, labels, rows, classes }: Examples,
  score: (parameters: Float64Array, scores: Float64Array, own: Float64Array) => void,
  collect: (gradient: Float64Array, errors: Float64Array, own: Float64Array) => void,
  start: Float64Array,
  pull?: Float64Array,
  precondition?: (gradient: Float64Array) => Float64Array,
): Float64Array {
  const scores = new Float64Array(classes);
  // The total surprise at all labels. While one of them does not have the greatest score it is at least ln 2.
  let surprise = Infinity;
  const { x, converged } = minimize((parameters, gradient) => {
    gradient.fill(0);
    let loss = 0;
    for (let row = 0; row < rows; row++) {
      const own = data.subarray(row * classes, (row + 1) * classes);
      score(parameters, scores, own);
      const greatest = scores.reduce((a, b) => Math.max(a, b), -Infinity);
      const label = labels[row]!;
      const margin = scores[label]! - greatest;
      let total = 0;
      for (let k = 0; k < classes; k++) total += scores[k] = Math.exp(scores[k]! - greatest);
      loss += Math.log(total) - margin;
      for (let k = 0; k < classes; k++) scores[k]! /= total;
      scores[label]! -= 1;
      collect(gradient, scores, own);
    }
    for (let i = 0; i < gradient.length; i++) gradient[i]! /= rows;
    surprise = loss;
    loss /= rows;
    pull?.forEach((factor, i) => {
      const gap = parameters[i]! - start[i]!;
      loss += factor * gap * gap;
      gradient[i]! += 2 * factor * gap;
    });
    return loss;
  }, start, precondition && { precondition });
  // Where all have it and nothing pulls back, doubling all numbers would be better still.
  const isEndless = surprise < Math.LN2 && !pull?.some((factor) => factor > 0);
  if (converged && !isEndless) return x;
  throw new ValueError(op, "no finite map fits best: it could be as sure as one likes of every label", {
    hint: "fit on held-out examples, among them some that are predicted wrongly, or give matrixScaling a ridge",
  });
}

/**
 * Divides the gradient of a row of the matrix, and of its offset, by their second derivatives where the search starts:
 * the moments of logits and 1, weighted by p (1 − p), and what the penalties add. Logits of a network depend on each
 * other so much that without this the fit of 10 classes took 1632 steps instead of 65.
 */
function rowSolver({ data, rows, classes }: Examples, pull: Float64Array): (gradient: Float64Array) => Float64Array {
  const n = classes + 1;
  const size = classes * classes;
  const moments = Array.from({ length: classes }, () => new Float64Array(n * n));
  const x = new Float64Array(n).fill(1);
  for (let row = 0; row < rows; row++) {
    x.set(data.subarray(row * classes, (row + 1) * classes));
    const greatest = x.subarray(0, classes).reduce((a, b) => Math.max(a, b), -Infinity);
    const shares = x.subarray(0, classes).map((score) => Math.exp(score - greatest));
    const total = shares.reduce((a, b) => a + b, 0);
    moments.forEach((own, k) => {
      const p = shares[k]! / total;
      // Examples the network is sure of may be those it learns from: none counts for nothing.
      const weight = Math.max(p * (1 - p), 1e-3) / rows;
      for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) own[i * n + j]! += weight * x[i]! * x[j]!;
    });
  }
  const solvers = moments.map((own, k) => {
    for (let i = 0; i < n; i++) own[i * n + i]! += 2 * pull[i < classes ? k * classes + i : size + k]!;
    return solver(own, n);
  });
  return (gradient) => {
    const result = new Float64Array(gradient.length);
    solvers.forEach((solve, k) => {
      const step = solve([...gradient.subarray(k * classes, (k + 1) * classes), gradient[size + k]!]);
      result.set(step.subarray(0, classes), k * classes);
      result[size + k] = step[classes]!;
    });
    return result;
  };
}
