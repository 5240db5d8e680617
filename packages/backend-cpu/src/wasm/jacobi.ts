/**
 * Code for eigenvalues and singular values by Jacobi's rotations (Golub and Van Loan, 8.5 and 8.6.3): the most accurate
 * of the dense methods, and fast enough to a few hundred rows. Vectors lie one after the other and are rotated whole.
 */
import { bytesOf } from "@dormouse/tensor/graph";
import { f64, i32, select } from "./encoder.ts";
import type { Local } from "./encoder.ts";
import type { FunctionBuilder } from "./module.ts";
import type { Problem } from "./matrices.ts";
import { type Integer, integer } from "./nest.ts";
import {
  type Float, each, element, loadMatrix, storeFloat, storeIdentity, storeMatrix, writeSymmetricPart,
} from "./vectors.ts";

const EPSILON = 2 ** -52;
/** The square of a scaled length that counts as 0: below, squares lose digits to underflow. */
const NOTHING = 1e-290;
/** 6 to 10 sweeps are enough; the bound is there to end rounding that goes in circles. */
const MOST_SWEEPS = 40;

/** Every pair p < q, again and again until a sweep does not call `turned`. */
function sweeps(f: FunctionBuilder, n: number, pair: (p: Local<"i32">, q: Local<"i32">, turned: () => void) => void): void {
  const active = f.local("i32");
  const sweep = f.let(i32.const(0));
  f.count(sweep, i32.const(MOST_SWEEPS), 1, (exit) => {
    f.set(active, i32.const(0));
    each(f, 0, n, (p) => each(f, i32.add(p, i32.const(1)), n, (q) => pair(p, q, () => f.set(active, i32.const(1)))));
    f.branchIf(exit, i32.eqz(active));
  });
}

interface Rotation {
  readonly cos: Local<"f64">;
  readonly sin: Local<"f64">;
  readonly tan: Local<"f64">;
  /** Computes the rotation that makes the coupling of [[a, coupling], [coupling, b]] vanish. */
  readonly set: (a: Float, coupling: Float, b: Float) => void;
}

function rotationOf(f: FunctionBuilder): Rotation {
  const [cos, sin, tan] = f.locals("f64", 3) as [Local<"f64">, Local<"f64">, Local<"f64">];
  const theta = f.local("f64");
  const one = f64.const(1);
  return {
    cos, sin, tan,
    set(a, coupling, b) {
      f.set(theta, f64.div(f64.sub(b, a), f64.add(coupling, coupling)));
      const steep = f64.add(f64.abs(theta), f64.sqrt(f64.add(f64.mul(theta, theta), one)));
      f.set(tan, f64.div(select(f64.lt(theta, f64.const(0)), f64.const(-1), one), steep));
      f.set(cos, f64.div(one, f64.sqrt(f64.add(f64.mul(tan, tan), one))));
      f.set(sin, f64.mul(tan, cos));
    },
  };
}

/** Selection sort of `n` keys; `swap` exchanges what belongs to two of them. */
function sortBy(
  f: FunctionBuilder,
  n: number,
  comesFirst: (i: Local<"i32">, j: Local<"i32">) => Integer,
  swap: (i: Local<"i32">, j: Local<"i32">) => void,
): void {
  const first = f.local("i32");
  each(f, 0, n, (i) => {
    f.set(first, i);
    each(f, i32.add(i, i32.const(1)), n, (j) => f.if(comesFirst(j, first), () => f.set(first, j)));
    f.if(i32.ne(first, i), () => swap(i, first));
  });
}

/**
 * 1 for a scaled matrix of finite elements, else NaN, by which all results are multiplied: rotations compare, and what
 * compares false with NaN would come out as if it were diagonal.
 */
const soundness = (vectors: Problem["vectors"], matrix: Integer, length: number): Float =>
  f64.add(f64.const(1), f64.mul(f64.const(0), vectors.dot(matrix, matrix, integer(length))));

/** Rotates rows and columns of a symmetric matrix until it is diagonal. */
export function writeEigen({ f, vectors, dtype, rows: n, args, scratch }: Problem): void {
  const [a, v] = [scratch(0), scratch(n * n)];
  loadMatrix(f, dtype, args[0]!, a, [n, n]);
  const scale = f.let(vectors.magnitude(a, integer(n * n)));
  f.do(vectors.scale(a, f64.div(f64.const(1), scale), integer(n * n)));
  writeSymmetricPart(f, a, n);
  const sound = f.let(soundness(vectors, a, n * n));
  storeIdentity(f, v, n);
  const turn = rotationOf(f);
  const [first, coupling, last, shift] = f.locals("f64", 4) as [Local<"f64">, Local<"f64">, Local<"f64">, Local<"f64">];
  const [rowP, rowQ] = f.locals("i32", 2) as [Local<"i32">, Local<"i32">];
  const at = (i: Local<"i32">, j: Local<"i32">): Integer => element(a, i, n, j);
  sweeps(f, n, (p, q, turned) => {
    f.set(rowP, element(a, p, n));
    f.set(rowQ, element(a, q, n));
    f.set(first, f64.load(at(p, p)));
    f.set(coupling, f64.load(at(p, q)));
    f.set(last, f64.load(at(q, q)));
    const size = f64.max(f64.abs(f64.mul(first, last)), f64.const(EPSILON ** 2));
    f.if(f64.gt(f64.mul(coupling, coupling), f64.mul(f64.const(EPSILON ** 2), size)), () => {
      turned();
      turn.set(first, coupling, last);
      f.do(vectors.rotate(rowP, rowQ, turn.cos, turn.sin, integer(n)));
      // The columns are what the rows became, by symmetry, except where rows and columns cross.
      each(f, 0, n, (i) => {
        f.do(f64.store(at(i, p), f64.load(element(rowP, i, 1))), f64.store(at(i, q), f64.load(element(rowQ, i, 1))));
      });
      f.set(shift, f64.mul(turn.tan, coupling));
      f.do(f64.store(at(p, p), f64.sub(first, shift)), f64.store(at(q, q), f64.add(last, shift)));
      f.do(f64.store(at(p, q), f64.const(0)), f64.store(at(q, p), f64.const(0)));
      f.do(vectors.rotate(element(v, p, n), element(v, q, n), turn.cos, turn.sin, integer(n)));
    });
  });
  sortBy(
    f, n,
    (i, j) => f64.lt(f64.load(at(i, i)), f64.load(at(j, j))),
    (i, j) => {
      f.do(vectors.swap(at(i, i), at(j, j), integer(1)));
      f.do(vectors.swap(element(v, i, n), element(v, j, n), integer(n)));
    },
  );
  f.set(scale, f64.mul(scale, sound));
  f.do(vectors.scale(v, sound, integer(n * n)));
  const target = f.let(args[1]!);
  each(f, 0, n, (i) => {
    f.do(storeFloat(dtype, target, f64.mul(scale, f64.load(at(i, i)))));
    f.increase(target, bytesOf(dtype));
  });
  storeMatrix(f, dtype, target, v, [n, n], true);
}

/** One-sided rotations: makes the images of the right vectors, which begin as the columns, orthogonal. */
export function writeSingular({ f, vectors, dtype, rows: m, columns: n, args, scratch }: Problem): void {
  const [images, v, values, covered] = [scratch(0), scratch(m * n), scratch(m * n + n * n), scratch(m * n + n * n + n)];
  loadMatrix(f, dtype, args[0]!, images, [m, n], true);
  const scale = f.let(vectors.magnitude(images, integer(m * n)));
  f.do(vectors.scale(images, f64.div(f64.const(1), scale), integer(m * n)));
  const sound = f.let(soundness(vectors, images, m * n));
  storeIdentity(f, v, n);
  const image = (i: Local<"i32">): Integer => element(images, i, m);
  const right = (i: Local<"i32">): Integer => element(v, i, n);
  const turn = rotationOf(f);
  const [first, coupling, last] = f.locals("f64", 3) as [Local<"f64">, Local<"f64">, Local<"f64">];
  sweeps(f, n, (p, q, turned) => {
    f.set(first, vectors.dot(image(p), image(p), integer(m)));
    f.set(last, vectors.dot(image(q), image(q), integer(m)));
    f.set(coupling, vectors.dot(image(p), image(q), integer(m)));
    const limit = f64.mul(f64.const(EPSILON * Math.sqrt(m)), f64.sqrt(f64.mul(first, last)));
    const both = i32.and(f64.ge(first, f64.const(NOTHING)), f64.ge(last, f64.const(NOTHING)));
    f.if(i32.and(both, f64.gt(f64.abs(coupling), limit)), () => {
      turned();
      turn.set(first, coupling, last);
      f.do(vectors.rotate(image(p), image(q), turn.cos, turn.sin, integer(m)));
      f.do(vectors.rotate(right(p), right(q), turn.cos, turn.sin, integer(n)));
    });
  });
  const value = (i: Local<"i32">): Integer => element(values, i, 1);
  each(f, 0, n, (i) => {
    f.set(first, vectors.dot(image(i), image(i), integer(m)));
    f.do(f64.store(value(i), select(f64.lt(first, f64.const(NOTHING)), f64.const(0), f64.sqrt(first))));
  });
  sortBy(
    f, n,
    (i, j) => f64.gt(f64.load(value(i)), f64.load(value(j))),
    (i, j) => {
      f.do(vectors.swap(value(i), value(j), integer(1)));
      f.do(vectors.swap(image(i), image(j), integer(m)));
      f.do(vectors.swap(right(i), right(j), integer(n)));
    },
  );
  each(f, 0, n, (i) => {
    f.set(first, f64.load(value(i)));
    f.if(
      f64.ne(first, f64.const(0)),
      () => f.do(vectors.divide(image(i), first, integer(m))),
      () => writeComplement(f, vectors, images, i, m, covered),
    );
  });
  f.do(vectors.scale(values, f64.mul(scale, sound), integer(n)));
  f.do(vectors.scale(images, sound, integer(m * n)), vectors.scale(v, sound, integer(n * n)));
  const bytes = bytesOf(dtype);
  storeMatrix(f, dtype, args[1]!, images, [m, n], true);
  storeMatrix(f, dtype, i32.add(args[1]!, i32.const(m * n * bytes)), values, [1, n]);
  storeMatrix(f, dtype, i32.add(args[1]!, i32.const((m * n + n) * bytes)), v, [n, n], true);
}

/** Vector `i` at right angles to the vectors before it, from the coordinate axis that they cover least. */
function writeComplement(
  f: FunctionBuilder,
  vectors: Problem["vectors"],
  images: Integer,
  i: Local<"i32">,
  m: number,
  covered: Integer,
): void {
  const target = f.let(element(images, i, m));
  const least = f.let(i32.const(0));
  const share = f.local("f64");
  each(f, 0, m, (row) => {
    const sum = f.let(f64.const(0));
    each(f, 0, i, (other) => {
      f.set(share, f64.load(element(images, other, m, row)));
      f.set(sum, f64.add(sum, f64.mul(share, share)));
    });
    f.do(f64.store(element(covered, row, 1), sum), f64.store(element(target, row, 1), f64.const(0)));
    f.if(f64.lt(sum, f64.load(element(covered, least, 1))), () => f.set(least, row));
  });
  f.do(f64.store(element(target, least, 1), f64.const(1)));
  // Twice is enough (Kahan and Parlett).
  each(f, 0, 2, () =>
    each(f, 0, i, (other) => {
      f.set(share, vectors.dot(element(images, other, m), target, integer(m)));
      f.do(vectors.accumulate(target, element(images, other, m), f64.neg(share), integer(m)));
    }),
  );
  f.do(vectors.divide(target, f64.sqrt(vectors.dot(target, target, integer(m))), integer(m)));
}
