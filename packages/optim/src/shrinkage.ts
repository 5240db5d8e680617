/**
 * What a penalty and early stopping do to the minimum of a quadratic: both shrink it along the eigenvectors of the
 * Hessian, most where the loss is flat (Goodfellow et al. 2016, sections 7.1.1 and 7.8). Graphs over `linalg.eigh`.
 */
import {
  type Tensor, abs, add, div, equal, expm1, less, linalg, log1p, matmul, mul, neg, onesLike, pow, sub, transpose, where,
  zerosLike,
} from "@dormouse/tensor";
import { requireWhole, requireWithin } from "./options.ts";

/** A penalty, or a descent from 0 that stops. */
export type ShrinkageOptions =
  | {
      /** α of the penalty `½·α·‖w‖²`. */
      readonly l2: number;
    }
  | {
      /** η of gradient descent that starts at 0. */
      readonly learningRate: number;
      /** After how many steps it stops. */
      readonly steps: number;
    };

/** How a quadratic's minimum shrinks. */
export interface Shrinkage {
  /** Curvatures λᵢ, ascending: [n]. */
  readonly eigenvalues: Tensor;
  /** Q: column i is the direction of curvature i: [n, n]. */
  readonly directions: Tensor;
  /** What is left of the minimum along each direction: [n]. */
  readonly factors: Tensor;
  /** `Q·diag(factors)·Qᵀ·w*`: where the penalty or the descent ends, for the minimum w* [n] without. */
  readonly apply: (minimum: Tensor) => Tensor;
}

/**
 * For the loss `½(w - w*)ᵀH(w - w*)` with a symmetric Hessian H [n, n]. A penalty `½α‖w‖²` moves the minimum to
 * `w̃ = Q·diag(λᵢ/(λᵢ + α))·Qᵀ·w*`; t steps of gradient descent from 0 at rate η reach the same with the factors
 * `1 - (1 - ηλᵢ)ᵗ`. Both shrink in the same directions, and nearly as much where `α ≈ 1/(ηt)`.
 *
 * Throws `ValueError` for a penalty, a rate or a number of steps out of range, `ShapeError` for a Hessian that is not
 * square. A curvature of 0 without a penalty has the factor 0.
 *
 * @example
 * const { factors, apply } = shrinkage(tensor([[1, 0], [0, 9]]), { l2: 1 });
 * console.log(await factors.array());                   // [ 0.5, 0.9… ]
 * console.log(await apply(tensor([2, 10])).array());    // [ 1, 9 ]
 */
export function shrinkage(hessian: Tensor, options: ShrinkageOptions): Shrinkage {
  const { values: eigenvalues, vectors: directions } = linalg.eigh(hessian);
  const factors = factorsOf(eigenvalues, options);
  const apply = (minimum: Tensor): Tensor => matmul(directions, mul(factors, matmul(transpose(directions), minimum)));
  return { eigenvalues, directions, factors, apply };
}

function factorsOf(curvatures: Tensor, options: ShrinkageOptions): Tensor {
  if ("l2" in options) {
    const l2 = requireWithin("shrinkage", "l2", options.l2, 0, Infinity);
    const whole = add(curvatures, l2);
    const isFlat = equal(whole, 0);
    return where(isFlat, 0, div(curvatures, where(isFlat, 1, whole)));
  }
  const { learningRate, steps } = options;
  requireWithin("shrinkage", "learningRate", learningRate, 0, Infinity);
  requireWhole("shrinkage", "steps", steps, 0);
  if (steps === 0) return zerosLike(curvatures);
  const moved = mul(curvatures, learningRate);
  const rest = sub(1, moved);
  // For a slow direction 1 - (1 - ηλ)ᵗ would lose the digits of ηλ.
  const isSlow = less(abs(moved), 0.5);
  const slow = neg(expm1(mul(log1p(neg(where(isSlow, moved, 0))), steps)));
  const sign = steps % 2 === 1 ? where(less(rest, 0), -1, onesLike(rest)) : 1;
  return where(isSlow, slow, sub(1, mul(pow(abs(rest), steps), sign)));
}
