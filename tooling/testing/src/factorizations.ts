/**
 * Factorizations of small well-conditioned matrices by the shortest way there is from the definition: Gram and Schmidt
 * for qr, eigenvalues by Jacobi's rotations of the whole matrix, singular values as roots of the eigenvalues of aᵀa.
 */
import type { Factorization } from "@dormouse/tensor/graph";

type Matrix = number[][];

const sum = (xs: readonly number[]): number => xs.reduce((total, x) => total + x, 0);
const inner = (x: readonly number[], y: readonly number[]): number => sum(x.map((each, i) => each * y[i]!));
const matrix = (m: number, n: number, element: (i: number, j: number) => number): Matrix =>
  Array.from({ length: m }, (_, i) => Array.from({ length: n }, (_, j) => element(i, j)));
const times = (a: Matrix, b: Matrix, n: number): Matrix =>
  matrix(a.length, n, (i, j) => sum(b.map((row, k) => a[i]![k]! * row[j]!)));
const transposed = (a: Matrix, n: number): Matrix => matrix(n, a.length, (i, j) => a[j]![i]!);
const symmetric = (a: Matrix): Matrix => matrix(a.length, a.length, (i, j) => (a[i]![j]! + a[j]![i]!) / 2);

/** Eigenvalues, ascending, and eigenvectors as rows. */
function eigen(a: Matrix): { readonly values: number[]; readonly vectors: Matrix } {
  const n = a.length;
  let d = a;
  let vectors = matrix(n, n, (i, j) => (i === j ? 1 : 0));
  for (let sweep = 0; sweep < 30; sweep++) {
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        const angle = Math.atan2(2 * d[p]![q]!, d[q]![q]! - d[p]![p]!) / 2;
        const turn = matrix(n, n, (i, j) => (i === j ? 1 : 0));
        turn[p]![p] = turn[q]![q] = Math.cos(angle);
        turn[p]![q] = -Math.sin(angle);
        turn[q]![p] = Math.sin(angle);
        d = times(times(turn, d, n), transposed(turn, n), n);
        vectors = times(turn, vectors, n);
      }
    }
  }
  const order = [...vectors.keys()].sort((i, j) => d[i]![i]! - d[j]![j]!);
  return { values: order.map((i) => d[i]![i]!), vectors: order.map((i) => vectors[i]!) };
}

/** Elements of the parts, one part after the other, from the rows of a matrix with `n` columns. */
export const factorizations: { readonly [N in Factorization]: (a: Matrix, n: number) => number[] } = {
  cholesky(given, n) {
    const a = symmetric(given);
    const l = matrix(n, n, () => 0);
    for (let j = 0; j < n; j++) {
      for (let i = j; i < n; i++) {
        const rest = a[i]![j]! - inner(l[i]!.slice(0, j), l[j]!.slice(0, j));
        l[i]![j] = i === j ? (rest > 0 ? Math.sqrt(rest) : Number.NaN) : rest / l[j]![j]!;
      }
    }
    return l.flat();
  },
  lu(a, n) {
    const rows = [...a.keys()];
    for (let k = 0; k < n; k++) {
      const best = Math.max(...a.slice(k).map((row) => Math.abs(row[k]!)));
      const pivot = a.findIndex((row, i) => i >= k && Math.abs(row[k]!) === best);
      [a[k], a[pivot], rows[k], rows[pivot]] = [a[pivot]!, a[k]!, rows[pivot]!, rows[k]!];
      for (const row of a.slice(k + 1)) {
        const factor = row[k]! / (a[k]![k]! || 1);
        row.forEach((_, j) => (row[j] = j < k ? row[j]! : j === k ? factor : row[j]! - factor * a[k]![j]!));
      }
    }
    return [...a.flat(), ...rows];
  },
  qr(a, n) {
    const columns: Matrix = [];
    for (const column of transposed(a, n)) {
      let rest = column;
      for (let pass = 0; pass < 2; pass++) {
        for (const q of columns) {
          const share = inner(q, rest);
          rest = rest.map((x, i) => x - share * q[i]!);
        }
      }
      const length = Math.hypot(...rest);
      columns.push(rest.map((x) => x / length));
    }
    const r = times(columns, a, n);
    return [...transposed(columns, a.length).flat(), ...r.flatMap((row, i) => row.map((x, j) => (j < i ? 0 : x)))];
  },
  eigh(a, n) {
    const { values, vectors } = eigen(symmetric(a));
    return [...values, ...transposed(vectors, n).flat()];
  },
  svd(a, n) {
    const { values, vectors } = eigen(times(transposed(a, n), a, n));
    const s = values.toReversed().map(Math.sqrt);
    const v = transposed(vectors.toReversed(), n);
    const image = times(a, v, n);
    return [...image.flatMap((row) => row.map((x, j) => x / s[j]!)), ...s, ...v.flat()];
  },
};
