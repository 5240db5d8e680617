/**
 * Systems without an exact solution or with many: the pseudoinverse and least squares, by singular values. Singular
 * values up to `rcond` times the largest count as zero; the derivative is that of matrices of the same rank.
 */
import { ValueError } from "../core/errors.ts";
import { type CallRule, primitive } from "../core/primitives.ts";
import type { Shape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { filledLike } from "../ops/operands.ts";
import { minus } from "../ops/pieces.ts";
import { singularValues, svd } from "./factorizations.ts";
import { epsilon, identityLike, requireMatrix, ruled, swapLast, systemOf } from "./matrices.ts";

const { add, dot, mul } = primitive;

/** What counts as zero. */
export interface RankOptions {
  /**
   * Singular values up to this part of the largest one count as zero. Default max(m, n)·ε, with ε of the dtype (2.2e-16
   * or 1.2e-7), as in NumPy.
   */
  readonly rcond?: number;
}

/** The `rcond` asked for, or the default for the shape and dtype of `a`. */
function rcondOf(op: string, a: Tensor, rcond: number | undefined): number {
  if (rcond === undefined) return Math.max(...a.shape.slice(-2)) * epsilon(a);
  if (rcond >= 0) return rcond;
  throw new ValueError(op, `rcond is ${rcond}`, { received: rcond, hint: "give a number that is not negative" });
}

/** Flags of the singular values [.., k] that count. */
function counts(s: Tensor, rcond: number): Tensor {
  const k = s.shape.at(-1)!;
  if (k === 0) return primitive.constant(0, s.shape, "bool");
  const lead = s.shape.slice(0, -1).map((_, axis) => axis);
  const largest = primitive.broadcast(primitive.reduce(s, "max", [s.rank - 1]), s.shape, lead);
  return primitive.less(mul(largest, filledLike(s, rcond)), s);
}

const rankOf = (s: Tensor, rcond: number): Tensor =>
  primitive.reduce(primitive.cast(counts(s, rcond), "int32"), "sum", [s.rank - 1]);

/** [.., k] along the columns of a matrix of the given shape. */
const alongColumns = (x: Tensor, shape: Shape): Tensor =>
  primitive.broadcast(x, shape, x.shape.map((_, axis) => axis));

/** a⁺·b, or (aᵀ)⁺·b. */
function pseudoQuotient(a: Tensor, b: Tensor, rcond: number, transposed = false): Tensor {
  const compute = (matrix: Tensor, right: Tensor): Tensor => {
    const { u, s, vt } = svd(matrix);
    const one = filledLike(s, 1);
    const chosen = counts(s, rcond);
    // A singular value that is NaN is not dropped.
    const kept = primitive.where(primitive.equal(s, s), chosen, primitive.constant(1, s.shape, "bool"));
    const inverse = primitive.where(kept, primitive.div(one, primitive.where(kept, s, one)), filledLike(s, 0));
    const [left, back] = transposed ? [vt, u] : [swapLast(u), swapLast(vt)];
    const shares = dot(left, right);
    return dot(back, mul(shares, alongColumns(inverse, shares.shape)));
  };
  // Golub and Pereyra (1973), for m = a or aᵀ and r = b − m·x:
  // dx = m⁺·db − m⁺·dm·x + m⁺·m⁺ᵀ·dmᵀ·r + (1 − m⁺·m)·dmᵀ·m⁺ᵀ·x.
  const rule: CallRule = ([matrix, right], x) => {
    const m = transposed ? swapLast(matrix!) : matrix!;
    const turn = (t: Tensor): Tensor => (transposed ? swapLast(t) : t);
    const solve = (y: Tensor): Tensor => pseudoQuotient(matrix!, y, rcond, transposed);
    const back = (y: Tensor): Tensor => pseudoQuotient(matrix!, y, rcond, !transposed);
    const outside = (y: Tensor): Tensor => minus(y, solve(dot(m, y)));
    const rest = (): Tensor => minus(right!, dot(m, x));
    return [
      {
        apply(t) {
          const change = turn(t);
          const within = minus(solve(back(dot(swapLast(change), rest()))), solve(dot(change, x)));
          return add(within, outside(dot(swapLast(change), back(x))));
        },
        transpose(ct) {
          const pulled = back(ct);
          const within = minus(dot(rest(), swapLast(solve(pulled))), dot(pulled, swapLast(x)));
          return turn(add(within, dot(back(x), swapLast(outside(ct)))));
        },
      },
      { apply: solve, transpose: back },
    ];
  };
  return ruled("linalg.lstsq", [a, b], compute, rule);
}

/**
 * The pseudoinverse (Moore, Penrose) of matrices [.., m, n]: [.., n, m]. Of a regular square matrix it is the inverse; of
 * one without full rank, the inverse between its row space and its column space, and zero elsewhere. Its derivative is
 * that of matrices of the same rank.
 */
export function pinv(a: Tensor, { rcond }: RankOptions = {}): Tensor {
  const limit = rcondOf("linalg.pinv", requireMatrix("linalg.pinv", a), rcond);
  const m = a.shape.at(-2)!;
  const square = primitive.constant(0, [...a.shape.slice(0, -1), m], a.dtype);
  return pseudoQuotient(a, identityLike(square), limit);
}

/** What `lstsq` finds. */
export interface LeastSquares {
  /** [.., n, k], or [.., n] for a right side of one axis. */
  readonly x: Tensor;
  /** Σ (b − a·x)² of each right side: [.., k], or [..batch]. */
  readonly residuals: Tensor;
  /** How many singular values count: int32 [..batch]. */
  readonly rank: Tensor;
  /** Singular values of `a`, descending. */
  readonly singularValues: Tensor;
}

/**
 * The x of least ‖b − a·x‖, and among those the one of least ‖x‖, for matrices [.., m, n] and a right side [m], or right
 * sides [.., m, k]. Leading axes broadcast.
 *
 * Example: a line through (0, 1), (1, 3), (2, 5): `lstsq(tensor([[0, 1], [1, 1], [2, 1]]), tensor([1, 3, 5])).x` is `[2, 1]`.
 */
export function lstsq(a: Tensor, b: Tensor, { rcond }: RankOptions = {}): LeastSquares {
  const op = "linalg.lstsq";
  const limit = rcondOf(op, requireMatrix(op, a), rcond);
  const system = systemOf(op, a, b);
  const x = pseudoQuotient(system.a, system.b, limit);
  const error = minus(system.b, dot(system.a, x));
  const residuals = primitive.reduce(mul(error, error), "sum", [error.rank - 2]);
  const values = singularValues(a);
  return { x: system.restore(x), residuals: system.restore(residuals), rank: rankOf(values, limit), singularValues: values };
}

/** How many singular values of matrices [.., m, n] count: int32 [..batch]. */
export function matrixRank(a: Tensor, { rcond }: RankOptions = {}): Tensor {
  const limit = rcondOf("linalg.matrixRank", requireMatrix("linalg.matrixRank", a), rcond);
  return rankOf(singularValues(a), limit);
}
