/**
 * Dense linear algebra of the reference backend: one literal algorithm for each factorization, in float64 whatever the
 * dtype, rounded when it is stored. The algorithms are those of Golub and Van Loan, "Matrix Computations" (4th ed.);
 * sections are named where they are used.
 */
import { type FactorRoutine, type TriangularSolveRoutine, factorLength } from "@dormouse/tensor/graph";
import type { TypedArray } from "@dormouse/tensor";

/** Rows of numbers. */
type Matrix = number[][];

const matrix = (rows: number, columns: number, element: (i: number, j: number) => number): Matrix =>
  Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => element(i, j)));
const identity = (n: number): Matrix => matrix(n, n, (i, j) => (i === j ? 1 : 0));
const transposed = (a: Matrix, columns: number): Matrix => matrix(columns, a.length, (i, j) => a[j]![i]!);
const inner = (x: readonly number[], y: readonly number[]): number => x.reduce((sum, each, i) => sum + each * y[i]!, 0);

/** Runs a factorization or a triangular solve on every matrix of the batch. */
export function runMatrixRoutine(kernel: FactorRoutine | TriangularSolveRoutine, views: readonly TypedArray[]): void {
  const { batch, rows, columns } = kernel;
  const read = (view: TypedArray, at: number, m: number, n: number): Matrix =>
    matrix(m, n, (i, j) => view[(at * m + i) * n + j]!);
  for (let at = 0; at < batch; at++) {
    if (kernel.name === "triangularSolve") {
      const x = triangularSolve(kernel, read(views[0]!, at, rows, rows), read(views[1]!, at, rows, columns));
      views[2]!.set(x.flat(), at * rows * columns);
    } else {
      const a = read(views[0]!, at, rows, columns);
      views[1]!.set(factorizations[kernel.name](a, columns), at * factorLength(kernel.name, rows, columns));
    }
  }
}

/** Substitution (3.1). */
function triangularSolve({ lower, unit }: TriangularSolveRoutine, a: Matrix, x: Matrix): Matrix {
  const order = [...x.keys()];
  if (!lower) order.reverse();
  order.forEach((i, done) => {
    for (const j of order.slice(0, done)) x[i]!.forEach((_, k) => (x[i]![k]! -= a[i]![j]! * x[j]![k]!));
    if (!unit) x[i]!.forEach((_, k) => (x[i]![k]! /= a[i]![i]!));
  });
  return x;
}

const factorizations: { readonly [N in FactorRoutine["name"]]: (a: Matrix, columns: number) => number[] } = {
  /** By rows (4.2). */
  cholesky(a) {
    const n = a.length;
    const l = matrix(n, n, () => 0);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j <= i; j++) {
        const rest = (a[i]![j]! + a[j]![i]!) / 2 - inner(l[i]!.slice(0, j), l[j]!.slice(0, j));
        l[i]![j] = j < i ? rest / l[j]![j]! : rest > 0 ? Math.sqrt(rest) : Number.NaN;
      }
    }
    return l.flat();
  },

  /** Gaussian elimination with partial pivoting (3.4). */
  lu(a) {
    const rows = [...a.keys()];
    for (let k = 0; k < a.length; k++) {
      let pivot = k;
      for (let i = k + 1; i < a.length; i++) if (Math.abs(a[i]![k]!) > Math.abs(a[pivot]![k]!)) pivot = i;
      [a[k], a[pivot]] = [a[pivot]!, a[k]!];
      [rows[k], rows[pivot]] = [rows[pivot]!, rows[k]!];
      if (a[k]![k] === 0) continue;
      for (let i = k + 1; i < a.length; i++) {
        const factor = (a[i]![k]! /= a[k]![k]!);
        for (let j = k + 1; j < a.length; j++) a[i]![j]! -= factor * a[k]![j]!;
      }
    }
    return [...a.flat(), ...rows];
  },

  /** Householder reflections (5.2), then the signs of the rows of r turned. */
  qr(a, n) {
    const scale = scaleOf(a);
    const columns = transposed(a, n).map((column) => column.map((x) => x / scale));
    const m = a.length;
    const reflections = columns.map((column, k) => {
      const v = column.map((x, i) => (i < k ? 0 : x));
      const length = Math.sqrt(inner(v, v));
      const diagonal = v[k]! > 0 ? -length : length;
      v[k]! -= diagonal;
      const square = inner(v, v);
      const reflect = (x: number[]): void => {
        if (square === 0) return;
        const factor = (2 * inner(v, x)) / square;
        v.forEach((each, i) => (x[i]! -= factor * each));
      };
      columns.slice(k + 1).forEach(reflect);
      column.fill(0, k + 1);
      column[k] = diagonal;
      return reflect;
    });
    const q = identity(m).slice(0, n);
    for (const reflect of reflections.reverse()) q.forEach(reflect);
    const sign = columns.map((column, i) => (column[i]! < 0 ? -1 : 1));
    return [
      ...matrix(m, n, (i, j) => q[j]![i]! * sign[j]!).flat(),
      ...matrix(n, n, (i, j) => (i <= j ? columns[j]![i]! * sign[i]! * scale : 0)).flat(),
    ];
  },

  /** Cyclic Jacobi (8.5). */
  eigh(given) {
    const n = given.length;
    const scale = scaleOf(given);
    const a = matrix(n, n, (i, j) => (given[i]![j]! / scale + given[j]![i]! / scale) / 2);
    const vectors = identity(n);
    sweep(n, (p, q) => {
      const coupling = a[p]![q]!;
      const size = Math.max(Math.abs(a[p]![p]! * a[q]![q]!), EPSILON ** 2);
      if (!(coupling ** 2 > EPSILON ** 2 * size)) return false;
      const turn = rotation(a[p]![p]!, coupling, a[q]![q]!);
      rotate(turn, a[p]!, a[q]!);
      for (const row of a) {
        const [x, y] = [row[p]!, row[q]!];
        row[p] = turn.cos * x - turn.sin * y;
        row[q] = turn.sin * x + turn.cos * y;
      }
      a[p]![q] = 0;
      a[q]![p] = 0;
      rotate(turn, vectors[p]!, vectors[q]!);
      return true;
    });
    const order = [...vectors.keys()].sort((i, j) => a[i]![i]! - a[j]![j]!);
    return [
      ...order.map((i) => a[i]![i]! * scale),
      ...matrix(n, n, (i, j) => vectors[order[j]!]![i]!).flat(),
    ].map(orNaN(given));
  },

  /** One-sided Jacobi (8.6.3): rotates columns until they are orthogonal. */
  svd(given, n) {
    const m = given.length;
    const scale = scaleOf(given);
    const images = transposed(given, n).map((column) => column.map((x) => x / scale));
    const vectors = identity(n);
    const tolerance = EPSILON * Math.sqrt(m);
    sweep(n, (p, q) => {
      const [alpha, beta] = [inner(images[p]!, images[p]!), inner(images[q]!, images[q]!)];
      const coupling = inner(images[p]!, images[q]!);
      if (alpha < NOTHING || beta < NOTHING || !(Math.abs(coupling) > tolerance * Math.sqrt(alpha * beta))) return false;
      const turn = rotation(alpha, coupling, beta);
      rotate(turn, images[p]!, images[q]!);
      rotate(turn, vectors[p]!, vectors[q]!);
      return true;
    });
    const squares = images.map((image) => inner(image, image));
    const order = [...images.keys()].sort((i, j) => squares[j]! - squares[i]!);
    const values = order.map((i) => (squares[i]! < NOTHING ? 0 : Math.sqrt(squares[i]!)));
    const left: Matrix = [];
    order.forEach((i, j) => left.push(values[j] === 0 ? complement(left, m) : images[i]!.map((x) => x / values[j]!)));
    return [
      ...matrix(m, n, (i, j) => left[j]![i]!).flat(),
      ...values.map((value) => value * scale),
      ...matrix(n, n, (i, j) => vectors[order[j]!]![i]!).flat(),
    ].map(orNaN(given));
  },
};

const EPSILON = 2 ** -52;
/** The square of a scaled length that counts as 0: below, squares lose digits to underflow. */
const NOTHING = 1e-290;
/** Jacobi's method needs 6 to 10 sweeps; the bound is there to end rounding that goes in circles. */
const MOST_SWEEPS = 40;

/** The largest power of two that is at most the largest magnitude: dividing by it is exact and keeps squares in range. */
function scaleOf(a: Matrix): number {
  const largest = a.flat().reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const scale = largest < 2 ** -1022 ? 1 : 2 ** Math.floor(Math.log2(largest));
  return Number.isFinite(scale) && scale > 0 ? scale : 1;
}

/** A result, or NaN where the matrix has elements that are not finite. */
const orNaN = (a: Matrix): ((x: number) => number) =>
  a.flat().every(Number.isFinite) ? (x) => x : () => Number.NaN;

function sweep(n: number, turn: (p: number, q: number) => boolean): void {
  for (let count = 0; count < MOST_SWEEPS; count++) {
    let turned = false;
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) turned = turn(p, q) || turned;
    if (!turned) return;
  }
}

/** The rotation that makes the off-diagonal element `coupling` of [[a, coupling], [coupling, b]] vanish. */
function rotation(a: number, coupling: number, b: number): { readonly cos: number; readonly sin: number } {
  const theta = (b - a) / (2 * coupling);
  const tan = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const cos = 1 / Math.sqrt(tan * tan + 1);
  return { cos, sin: tan * cos };
}

function rotate({ cos, sin }: { readonly cos: number; readonly sin: number }, x: number[], y: number[]): void {
  x.forEach((each, i) => {
    const other = y[i]!;
    x[i] = cos * each - sin * other;
    y[i] = sin * each + cos * other;
  });
}

/** A unit vector at right angles to `others`, from the coordinate axis that they cover least. */
function complement(others: Matrix, m: number): number[] {
  const covered = Array.from({ length: m }, (_, i) => others.reduce((sum, other) => sum + other[i]! ** 2, 0));
  const axis = covered.indexOf(Math.min(...covered));
  const vector = covered.map((_, i) => (i === axis ? 1 : 0));
  // Twice is enough (Kahan and Parlett).
  for (let pass = 0; pass < 2; pass++) {
    for (const other of others) {
      const share = inner(other, vector);
      other.forEach((x, i) => (vector[i]! -= share * x));
    }
  }
  const length = Math.sqrt(inner(vector, vector));
  return vector.map((x) => x / length);
}
