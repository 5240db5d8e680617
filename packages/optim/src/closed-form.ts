/**
 * Linear models that one formula fits: least squares and ridge, as graphs over `linalg`, so that they can be compiled,
 * batched and differentiated. Rows of `x` are examples. It iterates nothing; see `logisticRegression` for what does.
 */
import { type Tensor, ShapeError, concat, eye, linalg, matmul, mean, mul, sub, transpose, zeros } from "@dormouse/tensor";
import { requireWithin } from "./options.ts";

/** A fitted linear model: predictions are `x·weights + intercept`. */
export interface LinearFit {
  /** [d], or [d, k] for targets [n, k]. */
  readonly weights: Tensor;
  /** Scalar, or [k]; zeros without the option `intercept`. */
  readonly intercept: Tensor;
}

export interface LinearFitOptions {
  /** Fits a constant beside the weights. Default false: `x·weights` alone. */
  readonly intercept?: boolean;
}

export interface RidgeOptions extends LinearFitOptions {
  /** λ, weight of the penalty. */
  readonly lambda: number;
}

/**
 * Least squares: the weights of least `‖y - x·w‖²` for examples x [n, d] and targets y [n] or [n, k], and where many are
 * (columns that depend on each other, fewer examples than columns) the shortest of them. For columns that are
 * independent it is `(xᵀx)⁻¹xᵀy`, computed by singular values, which square no condition number. With an intercept,
 * means are taken off first, which is the same as a column of ones and better conditioned.
 *
 * Throws `ShapeError` where examples and targets do not fit.
 *
 * @example
 * const { weights, intercept } = leastSquares(tensor([[0], [1], [2]]), tensor([1, 3, 5]), { intercept: true });
 * console.log(await weights.array(), await intercept.item()); // [ 2 ] 1
 */
export function leastSquares(x: Tensor, y: Tensor, options: LinearFitOptions = {}): LinearFit {
  requireExamples("leastSquares", x, y);
  return centered(x, y, options, (a, b) => linalg.lstsq(a, b).x);
}

/**
 * Ridge regression: the weights of least `‖y - x·w‖² + λ‖w‖²`, which are `(xᵀx + λI)⁻¹xᵀy`; the intercept is not
 * penalized. For λ > 0 there is one answer, for columns that are duplicates too, which then share their weight.
 * Computed by a QR factorization of x on top of `√λ·I`; λ = 0 is `leastSquares`. It is the most probable w under
 * Gaussian noise of variance σ² and a Gaussian prior of variance σ²/λ.
 *
 * Throws `ShapeError` where examples and targets do not fit, `ValueError` for a λ below 0.
 *
 * @example
 * const { weights } = ridge(tensor([[1, 1], [2, 2]]), tensor([1, 2]), { lambda: 10 });
 * console.log(await weights.array()); // [ 0.25…, 0.25… ]
 */
export function ridge(x: Tensor, y: Tensor, { lambda, ...options }: RidgeOptions): LinearFit {
  requireWithin("ridge", "lambda", lambda, 0, Infinity);
  if (lambda === 0) return leastSquares(x, y, options);
  requireExamples("ridge", x, y);
  const size = x.shape[1]!;
  return centered(x, y, options, (a, b) => {
    if (size === 0) return zeros([0, ...b.shape.slice(1)], { dtype: a.dtype });
    const { q, r } = linalg.qr(concat([a, mul(eye(size, { dtype: a.dtype }), Math.sqrt(lambda))], { axis: 0 }));
    const targets = concat([b, zeros([size, ...b.shape.slice(1)], { dtype: b.dtype })], { axis: 0 });
    return linalg.solveTriangular(r, matmul(transpose(q), targets), { lower: false });
  });
}

/** Fits weights to x and y less their means, and the intercept to the means. */
function centered(
  x: Tensor,
  y: Tensor,
  { intercept = false }: LinearFitOptions,
  fit: (x: Tensor, y: Tensor) => Tensor,
): LinearFit {
  if (!intercept) return { weights: fit(x, y), intercept: zeros(y.shape.slice(1), { dtype: y.dtype }) };
  const [xMean, yMean] = [mean(x, { axis: 0 }) as Tensor, mean(y, { axis: 0 }) as Tensor];
  const weights = fit(sub(x, xMean), sub(y, yMean));
  return { weights, intercept: sub(yMean, matmul(xMean, weights)) };
}

/** Refuses anything but examples [n, d] and one row of targets for each. */
export function requireExamples(op: string, x: Tensor, y: Tensor): void {
  const [count] = x.shape;
  if (x.rank === 2 && (y.rank === 1 || y.rank === 2) && y.shape[0] === count && count! > 0) return;
  throw new ShapeError(op, `x has shape [${x.shape.join(", ")}] and y [${y.shape.join(", ")}]`, {
    expected: ["[n, d]", "[n] or [n, k]"],
    received: [x.shape, y.shape],
    hint: "give a row of x and an element of y for each of at least one example",
  });
}
