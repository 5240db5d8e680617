/**
 * How far a computed solution can be trusted: an estimate of the condition of matrices from a few solutions of the
 * same system, and a warning where it is beyond the dtype. The estimate is Hager's, "Condition estimates" (SIAM J. Sci.
 * Stat. Comput. 5, 1984), with the second starting vector of Higham, "FORTRAN codes for estimating the one-norm" (ACM Trans.
 * Math. Softw. 14, 1988); LAPACK's gecon repeats its step until nothing changes, which a graph cannot, so here it is
 * taken once. It is never more than the condition, and rarely less than a third of it.
 */
import { primitive } from "../core/primitives.ts";
import { axesOf, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { NumericalWarning } from "../core/warnings.ts";
import { absolute, filledLike } from "../ops/operands.ts";
import { stopped } from "../ops/pieces.ts";
import { quotient } from "./elimination.ts";
import { epsilon, nameOfMatrix } from "./matrices.ts";

const { broadcast, constant, div, less, max, mul, reduce, where } = primitive;

/** Sums of magnitudes of columns: [.., n, k] to [.., k]. */
const columnSums = (x: Tensor): Tensor => reduce(absolute(x), "sum", [x.rank - 2]);

/** An estimate of 1 / (‖a‖·‖a⁻¹‖) in the norm of column sums, for square matrices [.., n, n]: [..batch]. */
export function reciprocalCondition(a: Tensor): Tensor {
  const matrix = stopped(a);
  const n = a.shape.at(-1)!;
  const last = a.rank - 2;
  const column = [...a.shape.slice(0, -1), 1];
  const of = (value: number): Tensor => constant(value, column, a.dtype);
  const rows = broadcast(primitive.iota(n, a.dtype), column, [last]);
  // (−1)ⁱ·(1 + i/(n − 1)): no matrix that occurs in practice maps both this and the mean to something small.
  const even = primitive.equal(rows, mul(primitive.floor(mul(rows, of(0.5))), of(2)));
  const wave = mul(where(even, of(1), of(-1)), primitive.add(of(1), mul(rows, of(1 / Math.max(1, n - 1)))));
  const first = quotient(matrix, primitive.concat([of(1 / n), wave], last + 1));
  const pick = (x: Tensor, k: number): Tensor => {
    const start = x.shape.map((_, axis) => (axis === x.rank - 1 ? k : 0));
    return primitive.slice(x, start, x.shape.map(() => 1), [...x.shape.slice(0, -1), 1]);
  };
  const norm = (x: Tensor): Tensor => primitive.reshape(x, a.shape.slice(0, -2));
  const sums = columnSums(first);
  const fromMean = norm(pick(sums, 0));
  const fromWave = norm(pick(sums, 1));
  // The gradient of ‖a⁻¹·x‖ by x points at the unit vector that gives most.
  const signs = where(less(pick(first, 0), of(0)), of(-1), of(1));
  const slopes = primitive.reshape(absolute(quotient(matrix, signs, true)), column.slice(0, -1));
  const steepest = broadcast(primitive.argmax(slopes, last), column, axesOf(last));
  const unit = primitive.cast(primitive.equal(primitive.cast(rows, "int32"), steepest), a.dtype);
  const fromUnit = norm(columnSums(quotient(matrix, unit)));
  const scaledWave = mul(fromWave, filledLike(fromWave, 2 / (3 * n)));
  const inverse = max(max(fromMean, scaledWave), fromUnit);
  // Two divisions: the product of the norms may overflow.
  return div(div(filledLike(inverse, 1), reduce(columnSums(matrix), "max", [last])), inverse);
}

/** Digits that a position can name, beside the number of a matrix. */
const DIGITS = 512;

/** `x`, with a warning when it is computed from a matrix whose reciprocal condition is below ε. */
export function doubted(x: Tensor, a: Tensor, op: string): Tensor {
  const [n, batch] = [a.shape.at(-1)!, a.shape.slice(0, -2)];
  const count = sizeOf(batch);
  // A single number has the condition 1.
  if (n < 2 || count === 0) return x;
  const rcond = primitive.reshape(reciprocalCondition(a), [count]);
  const fill = (value: number): Tensor => filledLike(rcond, value);
  const isBad = less(rcond, fill(epsilon(a)));
  const exponent = mul(primitive.log(where(isBad, rcond, fill(1))), fill(-1 / Math.LN10));
  const digits = primitive.cast(where(less(exponent, fill(DIGITS - 1)), exponent, fill(DIGITS - 1)), "int32");
  const int = (value: number): Tensor => constant(value, [count], "int32");
  const code = primitive.add(mul(primitive.iota(count), int(DIGITS)), digits);
  const at = reduce(where(isBad, code, int(-1)), "max", [0]);
  return primitive.check(x, at, (found) => {
    const { index, text } = nameOfMatrix(batch, Math.floor(found / DIGITS));
    const power = found % DIGITS;
    return new NumericalWarning(
      op,
      `${text} is nearly singular: its reciprocal condition is about 1e-${power}, below the ε of ${a.dtype}, so no digit of the result need be right`,
      {
        expected: epsilon(a),
        received: { matrix: index, reciprocalCondition: 10 ** -power },
        hint: "use lstsq or pinv, more precision, or add a small multiple of the identity",
      },
    );
  });
}
