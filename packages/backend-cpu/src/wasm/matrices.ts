/**
 * Code for direct factorizations and triangular solves (Golub and Van Loan, "Matrix Computations", 4th ed.). A matrix is
 * the work of one thread, in scratch memory, in float64 whatever the dtype of the buffers: small problems spend little
 * on that, and float32 results are correct to the last digits that the input allows.
 */
import { bytesOf, factorLength } from "@dormouse/tensor/graph";
import type { FactorRoutine, TriangularSolveRoutine } from "@dormouse/tensor/graph";
import type { ParameterLocals, FunctionBuilder, ModuleBuilder } from "./module.ts";
import { f64, i32, select } from "./encoder.ts";
import type { Local } from "./encoder.ts";
import { kernelExport, kernelParameters } from "./generator.ts";
import type { GeneratedKernel } from "./generator.ts";
import { writeEigen, writeSingular } from "./jacobi.ts";
import { type Integer, integer } from "./nest.ts";
import {
  type Vectors, defineVectors, each, eachBackwards, element, loadMatrix, storeFloat, storeMatrix, writeSymmetricPart,
} from "./vectors.ts";

/** What the code of one problem is written with. */
export interface Problem {
  readonly f: FunctionBuilder;
  readonly vectors: Vectors;
  readonly dtype: FactorRoutine["args"][number]["dtype"];
  readonly rows: number;
  readonly columns: number;
  /** Where each argument of this problem begins. */
  readonly args: readonly Local<"i32">[];
  /** A pointer to float64 elements of scratch memory. */
  readonly scratch: (offset: number) => Local<"i32">;
}

type Parameters = ParameterLocals<typeof kernelParameters>;

/** Writes a kernel that runs an algorithm on each matrix of a batch. */
export function generateMatrixRoutine(
  module: ModuleBuilder,
  kernel: FactorRoutine | TriangularSolveRoutine,
): GeneratedKernel {
  const { batch, rows, columns, args } = kernel;
  const vectors = defineVectors(module);
  const dtype = args[0]!.dtype;
  const each = kernel.name === "triangularSolve"
    ? [rows * rows, rows * columns, rows * columns]
    : [rows * columns, factorLength(kernel.name, rows, columns)];
  const bytes = 8 * scratchElements(kernel);
  const empty = args.at(-1)!.length === 0;
  module.function({ name: kernelExport, parameters: kernelParameters, export: true }, (f, parameters) => {
    if (empty) return;
    const home = f.let(i32.add(parameters.scratch, i32.mul(parameters.threadIndex, i32.const(bytes))));
    const [at, end] = share(f, batch, parameters);
    f.count(at, end, 1, () => {
      const problem: Problem = {
        f, vectors, dtype, rows, columns,
        args: each.map((length, arg) =>
          f.let(i32.add(i32.load(parameters.arguments, 4 * arg), i32.mul(at, i32.const(length * bytesOf(dtype))))),
        ),
        scratch: (offset) => f.let(i32.add(home, i32.const(8 * offset))),
      };
      if (kernel.name === "triangularSolve") writeTriangularSolve(problem, kernel);
      else writers[kernel.name](problem);
    });
  });
  return { scratchBytes: (threads) => (empty ? 0 : threads * bytes) };
}

/** This thread's part of the batch, as a counter and its end. */
function share(f: FunctionBuilder, batch: number, { threadIndex, threadCount }: Parameters): [Local<"i32">, Local<"i32">] {
  const each = f.let(i32.div_u(i32.add(threadCount, i32.const(batch - 1)), threadCount));
  const bound = (thread: Integer): Local<"i32"> => {
    const start = f.let(i32.mul(thread, each));
    return f.let(select(i32.lt_u(start, i32.const(batch)), start, i32.const(batch)));
  };
  return [bound(threadIndex), bound(i32.add(threadIndex, i32.const(1)))];
}

/** float64 elements of scratch memory that one problem needs. */
function scratchElements(kernel: FactorRoutine | TriangularSolveRoutine): number {
  const { rows: m, columns: n } = kernel;
  switch (kernel.name) {
    case "triangularSolve":
      return m * m + m * n;
    case "cholesky":
      return 2 * n * n;
    case "lu":
      return n * n + n;
    case "qr":
      return 2 * m * n + 2 * n;
    case "eigh":
      return 2 * n * n;
    case "svd":
      return m * n + n * n + n + m;
  }
}

const writers: { readonly [N in FactorRoutine["name"]]: (problem: Problem) => void } = {
  cholesky: writeCholesky,
  lu: writeElimination,
  qr: writeReflections,
  eigh: writeEigen,
  svd: writeSingular,
};

/** Substitution (3.1): whole rows of x at a time, or products of rows where x is one column. */
function writeTriangularSolve(
  { f, vectors, dtype, rows: n, columns: k, args, scratch }: Problem,
  { lower, unit }: TriangularSolveRoutine,
): void {
  const [a, x] = [scratch(0), scratch(n * n)];
  loadMatrix(f, dtype, args[0]!, a, [n, n]);
  loadMatrix(f, dtype, args[1]!, x, [n, k]);
  const solveRow = (i: Local<"i32">): void => {
    const row = f.let(element(x, i, k));
    const [from, to] = lower ? [integer(0), i] : [i32.add(i, i32.const(1)), integer(n)];
    if (k === 1) {
      const start = f.let(from);
      const known = vectors.dot(element(a, i, n, start), element(x, start, 1), i32.sub(to, start));
      f.do(f64.store(row, f64.sub(f64.load(row), known)));
    } else {
      each(f, from, to, (j) => {
        f.do(vectors.accumulate(row, element(x, j, k), f64.neg(f64.load(element(a, i, n, j))), integer(k)));
      });
    }
    if (!unit) f.do(vectors.divide(row, f64.load(element(a, i, n, i)), integer(k)));
  };
  if (lower) each(f, 0, n, solveRow);
  else eachBackwards(f, n, solveRow);
  storeMatrix(f, dtype, args[2]!, x, [n, k]);
}

/** By rows (4.2), so that every sum is a product of two rows. */
function writeCholesky({ f, vectors, dtype, rows: n, args, scratch }: Problem): void {
  const [a, l] = [scratch(0), scratch(n * n)];
  loadMatrix(f, dtype, args[0]!, a, [n, n]);
  writeSymmetricPart(f, a, n);
  const rest = f.local("f64");
  const setRest = (i: Local<"i32">, j: Local<"i32">): void =>
    f.set(rest, f64.sub(f64.load(element(a, i, n, j)), vectors.dot(element(l, i, n), element(l, j, n), j)));
  each(f, 0, n, (i) => {
    each(f, 0, n, (j) => f.do(f64.store(element(l, i, n, j), f64.const(0))));
    each(f, 0, i, (j) => {
      setRest(i, j);
      f.do(f64.store(element(l, i, n, j), f64.div(rest, f64.load(element(l, j, n, j)))));
    });
    setRest(i, i);
    const root = select(f64.gt(rest, f64.const(0)), f64.sqrt(rest), f64.const(Number.NaN));
    f.do(f64.store(element(l, i, n, i), root));
  });
  storeMatrix(f, dtype, args[1]!, l, [n, n]);
}

/** Gaussian elimination with partial pivoting (3.4). A column of zeros is left as it is. */
function writeElimination({ f, vectors, dtype, rows: n, args, scratch }: Problem): void {
  const [a, order] = [scratch(0), scratch(n * n)];
  loadMatrix(f, dtype, args[0]!, a, [n, n]);
  each(f, 0, n, (i) => f.do(f64.store(element(order, i, 1), f64.convert_i32_s(i))));
  const best = f.local("f64");
  const candidate = f.local("f64");
  const pivot = f.local("i32");
  const factor = f.local("f64");
  each(f, 0, n, (k) => {
    const next = f.let(i32.add(k, i32.const(1)));
    const length = f.let(i32.sub(i32.const(n), next));
    f.set(pivot, k);
    f.set(best, f64.abs(f64.load(element(a, k, n, k))));
    each(f, next, n, (i) => {
      f.set(candidate, f64.abs(f64.load(element(a, i, n, k))));
      f.if(f64.gt(candidate, best), () => {
        f.set(best, candidate);
        f.set(pivot, i);
      });
    });
    f.if(i32.ne(pivot, k), () => {
      f.do(vectors.swap(element(a, k, n), element(a, pivot, n), integer(n)));
      f.do(vectors.swap(element(order, k, 1), element(order, pivot, 1), integer(1)));
    });
    f.if(f64.ne(best, f64.const(0)), () => {
      each(f, next, n, (i) => {
        const head = f.let(element(a, i, n, k));
        f.set(factor, f64.div(f64.load(head), f64.load(element(a, k, n, k))));
        f.do(f64.store(head, factor));
        f.do(vectors.accumulate(i32.add(head, i32.const(8)), element(a, k, n, next), f64.neg(factor), length));
      });
    });
  });
  storeMatrix(f, dtype, args[1]!, a, [n, n]);
  storeMatrix(f, dtype, i32.add(args[1]!, i32.const(n * n * bytesOf(dtype))), order, [1, n]);
}

/**
 * Householder reflections (5.2). Columns lie one after the other; below the diagonal each keeps the vector of its
 * reflection. At the end the rows of r are given the sign that makes the diagonal positive.
 */
function writeReflections({ f, vectors, dtype, rows: m, columns: n, args, scratch }: Problem): void {
  const [a, q, diagonal, factors] = [scratch(0), scratch(m * n), scratch(2 * m * n), scratch(2 * m * n + n)];
  loadMatrix(f, dtype, args[0]!, a, [m, n], true);
  const scale = f.let(vectors.magnitude(a, integer(m * n)));
  f.do(vectors.scale(a, f64.div(f64.const(1), scale), integer(m * n)));
  const length = f.local("i32");
  const vector = f.local("i32");
  /** Reflects the part of column `j` of `of` that the current reflection touches. */
  const reflect = (of: Integer, j: Local<"i32">, k: Local<"i32">): void => {
    const column = f.let(element(of, j, m, k));
    const share = f64.mul(f64.load(element(factors, k, 1)), vectors.dot(vector, column, length));
    f.do(vectors.accumulate(column, vector, f64.neg(share), length));
  };
  const chooseReflection = (k: Local<"i32">): void => {
    f.set(vector, element(a, k, m, k));
    f.set(length, i32.sub(i32.const(m), k));
  };
  const size = f.local("f64");
  const head = f.local("f64");
  each(f, 0, n, (k) => {
    chooseReflection(k);
    f.set(size, f64.sqrt(vectors.dot(vector, vector, length)));
    f.set(head, f64.load(vector));
    f.set(size, select(f64.gt(head, f64.const(0)), f64.neg(size), size));
    f.do(f64.store(element(diagonal, k, 1), size));
    f.do(f64.store(vector, f64.sub(head, size)));
    // vᵀv = 2·size·(size − head).
    const square = f.let(f64.mul(size, f64.sub(size, head)));
    const factor = select(f64.eq(square, f64.const(0)), f64.const(0), f64.div(f64.const(1), square));
    f.do(f64.store(element(factors, k, 1), factor));
    each(f, i32.add(k, i32.const(1)), n, (j) => reflect(a, j, k));
  });
  each(f, 0, n, (j) =>
    each(f, 0, m, (i) => f.do(f64.store(element(q, j, m, i), f64.convert_i32_s(i32.eq(i, j))))),
  );
  eachBackwards(f, n, (k) => {
    chooseReflection(k);
    each(f, k, n, (j) => reflect(q, j, k));
  });
  const sign = f.local("f64");
  const bytes = bytesOf(dtype);
  const target = f.let(i32.add(args[1]!, i32.const(m * n * bytes)));
  each(f, 0, n, (i) => {
    f.set(sign, select(f64.lt(f64.load(element(diagonal, i, 1)), f64.const(0)), f64.const(-1), f64.const(1)));
    f.do(vectors.scale(element(q, i, m), sign, integer(m)));
    f.set(sign, f64.mul(sign, scale));
    each(f, 0, n, (j) => {
      const above = select(i32.gt_s(i, j), f64.const(0), f64.mul(sign, f64.load(element(a, j, m, i))));
      const value = select(i32.eq(i, j), f64.mul(sign, f64.load(element(diagonal, i, 1))), above);
      f.do(storeFloat(dtype, target, value));
      f.increase(target, bytes);
    });
  });
  storeMatrix(f, dtype, args[1]!, q, [m, n], true);
}
