/** Penalties on the size of parameters, chosen by path: to be added to a loss. */
import { ValueError, abs, add, mul, namedLeaves, square, sum } from "@dormouse/tensor";
import { type Tensor, isFloat } from "@dormouse/tensor/graph";
import { requireValue, widened } from "./reduction.ts";

/** How strong a penalty is and what it is on. */
export interface PenaltyOptions {
  /** Factor of the penalty. Default 1. */
  readonly strength?: number;
  /** Which parameters count, by path such as `hidden.weight`. Default: all of floats. */
  readonly include?: (path: string, parameter: Tensor) => boolean;
}

/**
 * strength · Σ |w| over the float tensors of a tree: drives parameters to exactly 0. It is the negative logarithm of a
 * Laplace prior.
 *
 * ```ts
 * add(mse(model.forward(x), y), l1Penalty(model, { strength: 1e-4, include: (path) => path.endsWith("weight") }));
 * ```
 */
export const l1Penalty = (tree: unknown, { strength = 1, include }: PenaltyOptions = {}): Tensor =>
  penalty("l1Penalty", tree, strength, include, (w) => mul(sum(abs(w)), strength));

/**
 * ½ · strength · Σ w² over the float tensors of a tree: its gradient is strength · w. It is the negative logarithm of a
 * Gaussian prior of variance 1/strength.
 */
export const l2Penalty = (tree: unknown, { strength = 1, include }: PenaltyOptions = {}): Tensor =>
  penalty("l2Penalty", tree, strength, include, (w) => mul(sum(square(w)), strength / 2));

export interface ElasticNetOptions extends PenaltyOptions {
  /** Part of the L1 penalty, from 0 (all L2) to 1 (all L1). Default 0.5. */
  readonly ratio?: number;
}

/** strength · (ratio · Σ |w| + ½ (1 − ratio) · Σ w²) over the float tensors of a tree. Zou and Hastie, 2005. */
export function elasticNet(tree: unknown, { strength = 1, ratio = 0.5, include }: ElasticNetOptions = {}): Tensor {
  requireValue("elasticNet", "ratio", ratio, (x) => x >= 0 && x <= 1, "use a number from 0 to 1");
  const term = (w: Tensor): Tensor =>
    add(mul(sum(abs(w)), strength * ratio), mul(sum(square(w)), (strength * (1 - ratio)) / 2));
  return penalty("elasticNet", tree, strength, include, term);
}

function penalty(
  op: string,
  tree: unknown,
  strength: number,
  include: PenaltyOptions["include"],
  term: (parameter: Tensor) => Tensor,
): Tensor {
  requireValue(op, "strength", strength, (x) => x >= 0, "use a number of at least 0");
  const parameters = namedLeaves(tree).filter(([path, leaf]) => isFloat(leaf.dtype) && (include?.(path, leaf) ?? true));
  const terms = parameters.map(([, leaf]) => term(...widened(leaf)));
  if (terms.length > 0) return terms.reduce((total, next) => add(total, next));
  throw new ValueError(op, "no parameter is included", {
    received: namedLeaves(tree).map(([path]) => path),
    hint: "check `include` against the paths of namedLeaves(tree)",
  });
}
