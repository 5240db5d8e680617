/** Factorizations of matrices, as functions with named results. Each is one primitive, cut into its parts. */
import { primitive } from "../core/primitives.ts";
import type { Shape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { tril, triu } from "../ops/creation.ts";
import { typed } from "../ops/operands.ts";
import {
  alongRows, guarded, identityLike, mainDiagonal, requireMatrix, requireSquare, ruled, swapLast,
} from "./matrices.ts";
import { partsOf } from "./parts.ts";

/**
 * The lower triangular l with l·lᵀ = a, for symmetric positive definite matrices [.., n, n]. The symmetric part
 * (a + aᵀ)/2 is read, and the derivative is symmetric.
 *
 * Where a matrix is not positive definite, reading the result throws `ValueError` with the pivot that is not positive.
 *
 * Example: `cholesky(tensor([[4, 2], [2, 5]]))` is `[[2, 0], [1, 2]]`.
 */
export function cholesky<S extends Shape>(a: Tensor<S>): Tensor<S> {
  const n = requireSquare("linalg.cholesky", a).shape.at(-1)!;
  const [l] = partsOf(primitive.factor(a, "cholesky"), "cholesky", n, n) as [Tensor];
  const pivots = mainDiagonal(l);
  const flag = (value: number): Tensor => primitive.constant(value, pivots.shape, "bool");
  const isBad = primitive.where(primitive.equal(pivots, pivots), flag(0), flag(1));
  const hint = "add a small multiple of the identity, or use eigh";
  return typed(guarded(l, isBad, "linalg.cholesky", "not positive definite", hint));
}

/** Parts of `lu`. */
export interface LU {
  /** Lower triangular, with ones on the diagonal. */
  readonly l: Tensor;
  /** Upper triangular. */
  readonly u: Tensor;
  /** Row i of l·u is row `rows[i]` of the matrix: int32 [.., n]. */
  readonly rows: Tensor;
}

/**
 * l·u = a[rows] for square matrices [.., n, n], by elimination with partial pivoting. A singular matrix has a zero on
 * the diagonal of u, and no derivative.
 */
export function lu(a: Tensor): LU {
  const n = requireSquare("linalg.lu", a).shape.at(-1)!;
  const [packed, rows] = partsOf(primitive.factor(a, "lu"), "lu", n, n) as [Tensor, Tensor];
  return {
    l: primitive.add(tril(packed, { offset: -1 }), identityLike(packed)),
    u: triu(packed),
    rows: primitive.cast(rows, "int32"),
  };
}

/** Parts of `qr`. */
export interface QR {
  /** [.., m, k], k = min(m, n); its columns are orthonormal. */
  readonly q: Tensor;
  /** [.., k, n], upper triangular; its diagonal is not negative, which makes the factors unique. */
  readonly r: Tensor;
}

/**
 * q·r = a for matrices [.., m, n], by Householder reflections. The derivative exists where the first min(m, n) columns
 * are linearly independent and is not finite elsewhere.
 */
export function qr(a: Tensor): QR {
  const [m, n] = requireMatrix("linalg.qr", a).shape.slice(-2) as [number, number];
  if (m >= n) {
    const [q, r] = partsOf(primitive.factor(a, "qr"), "qr", m, n) as [Tensor, Tensor];
    return { q, r };
  }
  // The first m columns decide q; the others only turn with it.
  const cut = (from: number, length: number): Tensor => {
    const start = a.shape.map(() => 0).with(-1, from);
    return primitive.slice(a, start, a.shape.map(() => 1), a.shape.with(-1, length));
  };
  const [q, r] = partsOf(primitive.factor(cut(0, m), "qr"), "qr", m, m) as [Tensor, Tensor];
  return { q, r: primitive.concat([r, primitive.dot(swapLast(q), cut(m, n - m))], a.rank - 1) };
}

/** Parts of `eigh`. */
export interface Eigh {
  /** Eigenvalues, ascending: [.., n]. */
  readonly values: Tensor;
  /** Column j belongs to value j; columns are orthonormal, their signs free: [.., n, n]. */
  readonly vectors: Tensor;
}

/**
 * Eigenvalues and eigenvectors of symmetric matrices [.., n, n], by Jacobi's rotations: a = vectors·diag(values)·vectorsᵀ.
 * The symmetric part (a + aᵀ)/2 is read, and the derivative is symmetric: that of the values is vᵀ·da·v, equal ones
 * too; that of the vectors divides by the differences of values and is not finite where two are equal. A matrix with
 * elements that are not finite has NaN only.
 */
export function eigh(a: Tensor): Eigh {
  const n = requireSquare("linalg.eigh", a).shape.at(-1)!;
  const parts = (x: Tensor): [Tensor, Tensor] =>
    partsOf(primitive.factor(x, "eigh"), "eigh", n, n) as [Tensor, Tensor];
  const values = ruled("linalg.eigh", [a], (x) => parts(x)[0], ([x]) => {
    const [, v] = parts(x!);
    return [
      {
        apply: (t) => primitive.reduce(primitive.mul(primitive.dot(t, v), v), "sum", [t.rank - 2]),
        transpose: (ct) => primitive.dot(primitive.mul(v, alongRows(ct, n)), swapLast(v)),
      },
    ];
  });
  return { values, vectors: parts(a)[1] };
}

/** Parts of `svd`. */
export interface SVD {
  /** [.., m, k], k = min(m, n); columns are orthonormal. */
  readonly u: Tensor;
  /** Singular values, descending: [.., k]. */
  readonly s: Tensor;
  /** [.., k, n]; rows are orthonormal. */
  readonly vt: Tensor;
}

/**
 * The singular value decomposition u·diag(s)·vt = a of matrices [.., m, n], by one-sided Jacobi rotations. Pairs of
 * vectors have a free sign. The derivative of the values is diag(uᵀ·da·v), equal ones too; that of the vectors is not
 * finite where two values are equal, or one is 0. A matrix with elements that are not finite has NaN only.
 */
export function svd(a: Tensor): SVD {
  const [m, n] = requireMatrix("linalg.svd", a).shape.slice(-2) as [number, number];
  const [u, , vt] = singularParts(a, m, n);
  return { u, s: singularValues(a), vt };
}

/** u, s and vt, cut from one factorization: of aᵀ, where `a` is wide. */
function singularParts(a: Tensor, m: number, n: number): [u: Tensor, s: Tensor, vt: Tensor] {
  const x = m >= n ? a : swapLast(a);
  const parts = partsOf(primitive.factor(x, "svd"), "svd", Math.max(m, n), Math.min(m, n));
  const [left, s, right] = parts as [Tensor, Tensor, Tensor];
  return m >= n ? [left, s, swapLast(right)] : [right, s, swapLast(left)];
}

/** The singular values of matrices [.., m, n], descending: [.., min(m, n)]. */
export function singularValues(a: Tensor): Tensor {
  const [m, n] = requireMatrix("linalg.singularValues", a).shape.slice(-2) as [number, number];
  return ruled("linalg.singularValues", [a], (x) => singularParts(x, m, n)[1], ([x]) => {
    const [u, , vt] = singularParts(x!, m, n);
    return [
      {
        apply: (t) => primitive.reduce(primitive.mul(primitive.dot(swapLast(u), t), vt), "sum", [t.rank - 1]),
        transpose: (ct) => primitive.dot(primitive.mul(u, alongRows(ct, m)), vt),
      },
    ];
  });
}
