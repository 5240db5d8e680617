/**
 * Logistic regression by iteratively reweighted least squares, which is Newton's method with the Hessian
 * `xᵀ·diag(p(1-p))·x`. Owns the loss, its derivatives in closed form and the question whether it has a minimum; steps
 * are those of `newton`.
 */
import {
  type Tensor, ShapeError, ValueError, add, cast, concat, diag, expandDims, full, matmul, min, mul, ones, sigmoid, slice,
  softplus, square, sub, sum, transpose, zeros,
} from "@dormouse/tensor";
import { type LinearFit, type LinearFitOptions, requireExamples } from "./closed-form.ts";
import type { Minimum } from "./minimize.ts";
import { type NewtonOptions, newton } from "./newton.ts";
import { requireWithin } from "./options.ts";
import { isFloat } from "./transform.ts";

export interface LogisticOptions extends LinearFitOptions, NewtonOptions {
  /** Weight of the penalty `½·l2·‖w‖²`, which the intercept is free of. Default 0. */
  readonly l2?: number;
}

/** A fitted model, whose class probabilities are `sigmoid(x·weights + intercept)`, and how it was found. */
export interface LogisticFit extends LinearFit, Omit<Minimum<Tensor>, "params"> {}

/**
 * Logistic regression for examples x [n, d] and labels y [n] of 0 and 1, of any dtype: the weights of least
 * `Σ log(1 + e^z) - y·z + ½·l2·‖w‖²`, z = x·w + intercept, summed over examples. The loss is convex, and a few steps reach
 * its minimum to rounding.
 *
 * Without a penalty there is no minimum where a plane separates the classes: the weights would grow for ever. That throws
 * `ValueError`, as labels other than 0 and 1 do; `ShapeError` where examples and labels do not fit.
 *
 * @example
 * const x = tensor([[0], [1], [2], [3]], { dtype: "float64" });
 * const { weights, intercept } = await logisticRegression(x, tensor([0, 1, 0, 1]), { intercept: true });
 */
export async function logisticRegression(
  x: Tensor,
  y: Tensor,
  { l2 = 0, intercept = false, ...options }: LogisticOptions = {},
): Promise<LogisticFit> {
  requireWithin("logisticRegression", "l2", l2, 0, Infinity);
  requireExamples("logisticRegression", x, y);
  if (y.rank !== 1 || !isFloat(x)) {
    throw new ShapeError("logisticRegression", `x is ${x.dtype} and y has shape [${y.shape.join(", ")}]`, {
      expected: ["float", "[n]"], received: [x.dtype, y.shape], hint: "give floats as x and one label for each example",
    });
  }
  const labels = await y.data();
  const odd = Array.from(labels, Number).findIndex((label) => label !== 0 && label !== 1);
  if (odd >= 0) {
    throw new ValueError("logisticRegression", `label ${labels[odd]} at row ${odd} is neither 0 nor 1`, {
      expected: [0, 1], received: labels[odd], hint: "give labels of 0 and 1",
    });
  }
  const { dtype } = x;
  const [count, size] = x.shape as [number, number];
  const design = intercept ? concat([x, ones([count, 1], { dtype })], { axis: 1 }) : x;
  const targets = cast(y, dtype);
  const width = design.shape[1]!;
  const penalty = concat([full([size], l2, { dtype }), zeros([width - size], { dtype })], { axis: 0 });
  const found = await newton((w) => {
    const z = matmul(design, w);
    const p = sigmoid(z);
    const value = add(sum(sub(softplus(z), mul(targets, z))), mul(sum(mul(penalty, square(w))), 0.5));
    const gradient = add(matmul(transpose(design), sub(p, targets)), mul(penalty, w));
    const curvature = mul(p, sub(1, p));
    const hessian = matmul(transpose(design), mul(design, expandDims(curvature, 1)));
    return [value, gradient, add(hessian, diag(penalty))];
  }, zeros([width], { dtype }), options);
  const margin = min(mul(matmul(design, found.params), sub(mul(targets, 2), 1)));
  if (l2 === 0 && (await margin.item()) > 0) {
    throw new ValueError("logisticRegression", "a plane separates the classes, so that no weights are best", {
      expected: "l2 above 0", received: l2, hint: "give a penalty, such as { l2: 1 }",
    });
  }
  const { params, ...report } = found;
  return {
    ...report,
    weights: slice(params, [[0, size]]),
    intercept: intercept ? slice(params, [size]) : zeros([], { dtype }),
  };
}
