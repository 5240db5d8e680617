/**
 * Makers of nodes with structure: factorizations and triangular systems of well-conditioned matrices, checks that hold,
 * calls with and without recomputation, pools. What a factorization leaves open (signs of vectors, orders of pivots) is
 * cut off, so that two ways to compute it must agree.
 */
import type { Tensor } from "@dormouse/tensor";
import { type Factorization, axesOf, partsOf, primitive as p } from "@dormouse/tensor/graph";
import type { Maker, Pool } from "./random-graph.ts";

const constantLike = (x: Tensor, value: number): Tensor => p.constant(value, x.shape, x.dtype);
const scaled = (x: Tensor, factor: number): Tensor => p.mul(x, constantLike(x, factor));
const bounded = (x: Tensor): Tensor => p.sin(x);
const swapLast = (x: Tensor): Tensor => p.permute(x, [...axesOf(x.rank - 2), x.rank - 1, x.rank - 2]);

/** Matrices beyond this are left to tests of their own: the interpreter takes n³ steps or more. */
const LARGEST = 7;

/**
 * Square matrices: 3, 6, 9 … on the diagonal, and in every row at most one unit beside it. They need no pivoting, their
 * eigenvalues and singular values are apart, and no digits are lost.
 */
function squareMatrices({ float, dtype }: Pool): Tensor | null {
  // No factorization takes half precision.
  if (dtype === "float16") return null;
  const x = float(2);
  const n = x.shape.at(-1)!;
  if (n > LARGEST || x.size > 300) return null;
  const product = bounded(p.dot(swapLast(x), x));
  // What is not finite does not stay.
  const entries = p.where(p.equal(product, product), product, constantLike(product, 0));
  const index = (axis: number): Tensor => p.broadcast(p.iota(n), entries.shape, [axis]);
  const [row, column] = [index(entries.rank - 2), index(entries.rank - 1)];
  const steps = scaled(p.cast(p.add(row, constantLike(row, 1)), x.dtype), 3);
  return p.add(scaled(entries, 1 / (2 * n)), p.where(p.equal(row, column), steps, constantLike(steps, 0)));
}

/** The parts of a factorization that are unique. */
const uniqueParts: Readonly<Record<Factorization, readonly number[]>> = {
  cholesky: [0], lu: [0], qr: [0, 1], eigh: [0], svd: [1],
};

const factor: Maker = (pool) => {
  const square = squareMatrices(pool);
  if (!square) return null;
  const { below, pick } = pool.random;
  const name = pick(["cholesky", "lu", "qr", "eigh", "svd"] as const);
  const n = square.shape.at(-1)!;
  const more = name === "qr" || name === "svd" ? below(3) : 0;
  // More rows, but so small that they move no singular value past another.
  const extra = pool.input([...square.shape.slice(0, -2), more, n], square.dtype, () => pool.random.next() / n);
  const matrix = more > 0 ? p.concat([square, extra], square.rank - 2) : square;
  const parts = partsOf(p.factor(matrix, name), name, n + more, n);
  return scaled(parts[pick(uniqueParts[name])]!, 0.1);
};

const triangularSolve: Maker = (pool) => {
  const square = squareMatrices(pool);
  if (!square) return null;
  const { below, chance } = pool.random;
  const right = pool.input([...square.shape.slice(0, -1), 1 + below(4)]);
  return p.triangularSolve(square, right, chance(0.5), chance(0.3));
};

/** A check that finds a negative position whatever the elements are. */
const check: Maker = ({ float, integer, random: { chance } }) => {
  const x = chance(0.7) ? float() : integer(0, ["int32"]);
  if (x.size === 0) return null;
  const at = p.argmax(p.reshape(x, [x.size]), 0);
  return p.check(x, p.neg(p.add(at, p.constant(1, [], "int32"))), (found) => new Error(`found ${found}`));
};

/** A function of two tensors of one shape, with two results that share most of their work. */
function body([x, y]: readonly Tensor[], checks: boolean): readonly Tensor[] {
  const shared = bounded(p.mul(x!, p.exp(bounded(y!))));
  const at = p.constant(-1, [], "int32");
  const sure = checks ? p.check(shared, at, (found) => new Error(`found ${found}`)) : shared;
  return [p.add(sure, x!), p.mul(sure, p.cos(y!))];
}

const call: Maker = ({ float, like, random: { chance } }) => {
  const sources = [float()];
  sources.push(like(sources[0]!));
  const holes = sources.map(({ shape, dtype }) => p.placeholder(shape, dtype));
  const [isNested, recomputes, recompute] = [chance(0.3), chance(0.6), {}];
  const calls = (given: readonly Tensor[], inputs: readonly Tensor[], outputs: readonly Tensor[]): Tensor[] =>
    outputs.map((output) =>
      p.call(given, { name: "random", body: { inputs, output }, ...(recomputes && { recompute }) }),
    );
  let outputs = body(holes, chance(0.5));
  if (isNested) {
    const inner = holes.map(({ shape, dtype }) => p.placeholder(shape, dtype));
    outputs = calls(outputs, inner, body(inner, chance(0.5)));
  }
  const [a, b] = calls(sources, holes, outputs) as [Tensor, Tensor];
  return chance(0.7) ? bounded(p.add(a, b)) : bounded(b);
};

const pool: Maker = ({ float, smooth, random: { below, pick } }) => {
  const x = float(2);
  if (x.size > 300) return null;
  const spatial = x.shape.slice(-2);
  const size = spatial.map((d) => 1 + below(Math.min(3, d)));
  const windows = p.window(x, size, spatial.map(() => 1 + below(2)));
  const axes = [windows.rank - 2, windows.rank - 1];
  return smooth ? bounded(p.reduce(windows, "sum", axes)) : p.reduce(windows, pick(["max", "sum"] as const), axes);
};

/** Rows added to few others, so that most of them meet. */
const crowdedScatter: Maker = ({ float, input, random: { below } }) => {
  const x = float(1);
  const count = 1 + below(2);
  return bounded(p.scatterAdd(x, input(x.shape.slice(0, 1), "int32", () => below(count)), count));
};

export const structure: readonly Maker[] = [factor, factor, triangularSolve, check, call, call, pool, crowdedScatter];
