/**
 * Linear systems and what follows from elimination: solutions, inverses, determinants. Derivatives are those of the
 * exact solution, written with solutions of the same system, and not of the steps of elimination: one more
 * substitution instead of a walk through the factorization.
 */
import { primitive } from "../core/primitives.ts";
import { type Shape, axesOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { filledLike, typed } from "../ops/operands.ts";
import { stopped } from "../ops/pieces.ts";
import { prod } from "../ops/reduce.ts";
import { doubted } from "./condition.ts";
import { eliminate, quotient } from "./elimination.ts";
import { guarded, identityLike, isZero, mainDiagonal, requireSquare, ruled, systemOf } from "./matrices.ts";

const { mul, neg } = primitive;
const singularHint = "use lstsq or pinv, or add a small multiple of the identity";

/** `x`, refused where elimination of `a` meets a zero pivot, and with a warning where `a` is nearly singular. */
const whereRegular = (op: string, x: Tensor, a: Tensor, { checkCondition = true }: SolveOptions): Tensor => {
  const regular = guarded(x, isZero(mainDiagonal(eliminate(a)[0])), op, "singular", singularHint);
  return checkCondition ? doubted(regular, a, op) : regular;
};

/** Options of `solve` and `inv`. */
export interface SolveOptions {
  /**
   * Warn of a matrix that is nearly singular. It costs three more solutions, O(n²) beside the O(n³) of elimination, which
   * shows only for many tiny matrices. Default true.
   */
  readonly checkCondition?: boolean;
}

/**
 * x of a·x = b, by elimination with partial pivoting: square matrices [.., n, n] and a right side [n], or right sides
 * [.., n, k]. Leading axes broadcast.
 *
 * Where a matrix is exactly singular, reading the result throws `ValueError` with the pivot that is zero. Where its
 * estimated reciprocal condition is below ε of the dtype, so that no digit of x need be right, reading it tells a
 * `NumericalWarning` (see `onWarning`), as SciPy does; the exact condition says `cond`. Throws `ShapeError` where the
 * shapes do not fit.
 *
 * Example: `solve(tensor([[3, 1], [1, 2]]), tensor([9, 8]))` is `[2, 3]`.
 */
export function solve(a: Tensor, b: Tensor, options: SolveOptions): Tensor;
export function solve(a: Tensor, b: Tensor): Tensor;
export function solve(a: Tensor, b: Tensor, options: SolveOptions = {}): Tensor {
  const system = systemOf("linalg.solve", requireSquare("linalg.solve", a), b);
  return system.restore(whereRegular("linalg.solve", quotient(system.a, system.b), system.a, options));
}

/** Options of `solveTriangular`. */
export interface TriangularOptions {
  /** Which triangle of `a` is read; the other one counts as zeros. Default true. */
  readonly lower?: boolean;
  /** The diagonal counts as ones and is not read. Default false. */
  readonly unitDiagonal?: boolean;
}

/**
 * x of a·x = b for triangular matrices [.., n, n], by substitution; b as in `solve`. Where a diagonal has a zero, reading
 * the result throws `ValueError`.
 *
 * Example: `solveTriangular(tensor([[2, 0], [1, 4]]), tensor([2, 9]))` is `[1, 2]`.
 */
export function solveTriangular(
  a: Tensor,
  b: Tensor,
  { lower = true, unitDiagonal = false }: TriangularOptions = {},
): Tensor {
  const op = "linalg.solveTriangular";
  const system = systemOf(op, requireSquare(op, a), b);
  const x = primitive.triangularSolve(system.a, system.b, lower, unitDiagonal);
  const checked = unitDiagonal ? x : guarded(x, isZero(mainDiagonal(system.a)), op, "singular", singularHint);
  return system.restore(checked);
}

/**
 * The inverse of square matrices [.., n, n]. To solve a system, `solve` is faster and more accurate. Errors and warnings
 * of singular and nearly singular matrices are those of `solve`.
 */
export function inv<S extends Shape>(a: Tensor<S>, options: SolveOptions): Tensor<S>;
export function inv<S extends Shape>(a: Tensor<S>): Tensor<S>;
export function inv<S extends Shape>(a: Tensor<S>, options: SolveOptions = {}): Tensor<S> {
  requireSquare("linalg.inv", a);
  return typed(whereRegular("linalg.inv", quotient(a, identityLike(a)), a, options));
}

/** +1 or −1 for each permutation [.., n], by counting the pairs that are out of order. */
function permutationSign(rows: Tensor): Tensor {
  const n = rows.shape.at(-1)!;
  const lead = axesOf(rows.rank - 1);
  const shape = [...rows.shape, n];
  const spread = (x: Tensor, axis: number): Tensor =>
    primitive.broadcast(x, shape, x.rank === 1 ? [rows.rank - 1 + axis] : [...lead, rows.rank - 1 + axis]);
  const index = primitive.iota(n);
  const later = primitive.cast(primitive.less(spread(index, 0), spread(index, 1)), "int32");
  const smaller = primitive.cast(primitive.less(spread(rows, 1), spread(rows, 0)), "int32");
  const count = primitive.reduce(mul(later, smaller), "sum", [rows.rank - 1, rows.rank]);
  const pairs = mul(primitive.div(count, filledLike(count, 2)), filledLike(count, 2));
  const odd = primitive.cast(primitive.add(count, neg(pairs)), rows.dtype);
  return primitive.add(filledLike(odd, 1), mul(odd, filledLike(odd, -2)));
}

/** Σ x·y of matrices: [..batch]. */
const matrixInner = (x: Tensor, y: Tensor): Tensor => primitive.reduce(mul(x, y), "sum", [x.rank - 2, x.rank - 1]);

/** Numbers [..batch] as matrices of one element everywhere. */
const spreadOver = (x: Tensor, shape: Shape): Tensor => primitive.broadcast(x, shape, axesOf(x.rank));

/**
 * The determinant of square matrices [.., n, n], 0 where one is singular: [..batch]. d det = det·tr(a⁻¹·da), which is not
 * finite for a singular matrix. The product of many pivots overflows; `slogdet` does not.
 */
export function det(a: Tensor): Tensor {
  requireSquare("linalg.det", a);
  const compute = (matrix: Tensor): Tensor => {
    const [factors, rows] = eliminate(matrix);
    return mul(permutationSign(rows), prod(mainDiagonal(factors), { axis: -1 }));
  };
  return ruled("linalg.det", [a], compute, ([matrix], y) => {
    const inverse = quotient(matrix!, identityLike(matrix!), true);
    return [
      {
        apply: (t) => mul(y, matrixInner(inverse, t)),
        transpose: (ct) => mul(spreadOver(mul(ct, y), inverse.shape), inverse),
      },
    ];
  });
}

/** Parts of `slogdet`. */
export interface SignedLogDeterminant {
  /** 1, −1, or 0 for a singular matrix. It has no derivative. */
  readonly sign: Tensor;
  /** log |det|, −Infinity for a singular matrix. */
  readonly logAbsDet: Tensor;
}

/** The determinant of square matrices [.., n, n] as sign·exp(logAbsDet), which does not overflow. d log|det| = tr(a⁻¹·da). */
export function slogdet(a: Tensor): SignedLogDeterminant {
  requireSquare("linalg.slogdet", a);
  const [factors, rows] = eliminate(stopped(a));
  const pivots = mainDiagonal(factors);
  const zero = filledLike(pivots, 0);
  // What is neither positive nor negative, 0 or NaN, is its own sign.
  const signs = primitive.where(
    primitive.less(pivots, zero),
    filledLike(pivots, -1),
    primitive.where(primitive.less(zero, pivots), filledLike(pivots, 1), pivots),
  );
  const logAbsDet = ruled(
    "linalg.slogdet",
    [a],
    (matrix) => {
      const [packed] = eliminate(matrix);
      const diagonal = mainDiagonal(packed);
      const size = primitive.max(diagonal, neg(diagonal));
      return primitive.reduce(primitive.log(size), "sum", [size.rank - 1]);
    },
    ([matrix]) => {
      const inverse = quotient(matrix!, identityLike(matrix!), true);
      return [
        {
          apply: (t) => matrixInner(inverse, t),
          transpose: (ct) => mul(spreadOver(ct, inverse.shape), inverse),
        },
      ];
    },
  );
  return { sign: mul(permutationSign(rows), prod(signs, { axis: -1 })), logAbsDet };
}
