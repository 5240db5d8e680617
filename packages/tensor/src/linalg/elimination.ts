/**
 * Elimination with partial pivoting, and the solution of systems by it, with the derivative of the exact solution. Knows
 * nothing of what the user gave: shapes are those of one batch, and a singular matrix gives what is not finite.
 */
import { type CallRule, primitive } from "../core/primitives.ts";
import { sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { ruled, swapLast } from "./matrices.ts";
import { partsOf } from "./parts.ts";

const { dot, mul, neg } = primitive;

/** lu and rows of the factorization of square matrices. */
export const eliminate = (a: Tensor): [Tensor, Tensor] =>
  partsOf(primitive.factor(a, "lu"), "lu", a.shape.at(-1)!, a.shape.at(-1)!) as [Tensor, Tensor];

/** Positions of the rows of a batch of matrices in one list of all rows. */
function rowPositions(rows: Tensor): Tensor {
  const [n, count] = [rows.shape.at(-1)!, sizeOf(rows.shape.slice(0, -1))];
  const flat = primitive.reshape(primitive.cast(rows, "int32"), [count, n]);
  const start = mul(primitive.iota(count), primitive.constant(n, [count], "int32"));
  return primitive.reshape(primitive.add(flat, primitive.broadcast(start, [count, n], [0])), [count * n]);
}

/** a⁻¹·b, or a⁻ᵀ·b; not finite where `a` is singular. */
export function quotient(a: Tensor, b: Tensor, transposed = false): Tensor {
  const compute = (matrix: Tensor, right: Tensor): Tensor => {
    const [factors, rows] = eliminate(matrix);
    const k = right.shape.at(-1)!;
    const count = sizeOf(right.shape.slice(0, -1));
    if (count * k === 0) return right;
    const positions = rowPositions(rows);
    const list = (x: Tensor): Tensor => primitive.reshape(x, [count, k]);
    if (!transposed) {
      const permuted = primitive.reshape(primitive.gather(list(right), positions), right.shape);
      return primitive.triangularSolve(factors, primitive.triangularSolve(factors, permuted, true, true), false);
    }
    const turned = swapLast(factors);
    const inner = primitive.triangularSolve(turned, primitive.triangularSolve(turned, right, true), false, true);
    return primitive.reshape(primitive.scatterAdd(list(inner), positions, count), right.shape);
  };
  // m·dx = db − dm·x, where m is a or aᵀ.
  const rule: CallRule = ([matrix], x) => {
    const solve = (right: Tensor): Tensor => quotient(matrix!, right, transposed);
    const back = (ct: Tensor): Tensor => quotient(matrix!, ct, !transposed);
    return [
      {
        apply: (t) => neg(solve(dot(transposed ? swapLast(t) : t, x))),
        transpose: (ct) => neg(transposed ? dot(x, swapLast(back(ct))) : dot(back(ct), swapLast(x))),
      },
      { apply: solve, transpose: back },
    ];
  };
  return ruled("linalg.solve", [a, b], compute, rule);
}
