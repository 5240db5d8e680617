/**
 * Names of the factorizations of a matrix, and how the parts of each lie in memory: a primitive has one result, so the
 * parts of a factorization are stored one after the other. Knows nothing of graphs.
 */
import { type Shape, sizeOf } from "./shape.ts";

/**
 * Factorizations of a matrix a [m, n], and the parts each consists of:
 *
 * - `cholesky` l [n, n]: l·lᵀ = (a + aᵀ)/2, lower; NaN from the row on where that is not positive definite
 * - `lu` lu [n, n], rows [n]: a[rows] = l·u, by partial pivoting; l (unit diagonal, not stored) below u
 * - `qr` q [m, n], r [n, n], m ≥ n: a = q·r, the diagonal of r not negative
 * - `eigh` w [n], v [n, n]: (a + aᵀ)/2 = v·diag(w)·vᵀ, ascending
 * - `svd` u [m, n], s [n], v [n, n], m ≥ n: a = u·diag(s)·vᵀ, descending
 */
export type Factorization = "cholesky" | "lu" | "qr" | "eigh" | "svd";

/** Shapes of the parts of a factorization of an [m, n] matrix, in the order in which they are stored. */
export function factorParts(name: Factorization, m: number, n: number): Shape[] {
  switch (name) {
    case "cholesky":
      return [[n, n]];
    case "lu":
      return [[n, n], [n]];
    case "qr":
      return [[m, n], [n, n]];
    case "eigh":
      return [[n], [n, n]];
    case "svd":
      return [[m, n], [n], [n, n]];
  }
}

/** Elements of all parts together. */
export const factorLength = (name: Factorization, m: number, n: number): number =>
  factorParts(name, m, n).reduce((sum, part) => sum + sizeOf(part), 0);
