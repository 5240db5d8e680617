/** Numbers that say something about a matrix, and powers: composites of the other functions of `linalg`. */
import { ValueError } from "../core/errors.ts";
import { primitive } from "../core/primitives.ts";
import type { Shape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { absolute, filledLike, typed } from "../ops/operands.ts";
import { max, min, norm, sum } from "../ops/reduce.ts";
import { identityLike, isZero, mainDiagonal, requireMatrix, requireSquare } from "./matrices.ts";
import { lu, singularValues } from "./factorizations.ts";
import { quotient } from "./elimination.ts";
import { inv } from "./solve.ts";

/**
 * `fro`: √Σ|aᵢⱼ|² · `nuc`: Σ of the singular values · 2, −2: the largest, the smallest singular value · 1, −1: the largest,
 * the smallest sum of magnitudes of a column · Infinity, −Infinity: of a row.
 */
export type MatrixNorm = "fro" | "nuc" | 1 | -1 | 2 | -2 | typeof Infinity;

/** Which norm. */
export interface MatrixNormOptions {
  /** Default `fro`. */
  readonly p?: MatrixNorm;
}

/**
 * A norm of matrices [.., m, n]: [..batch]. Throws `ValueError` for a `p` that names no norm, or a largest or smallest of
 * nothing.
 *
 * Example: `matrixNorm(tensor([[1, -2], [3, 4]]), { p: 1 })` is 6.
 */
export function matrixNorm(a: Tensor, { p = "fro" }: MatrixNormOptions = {}): Tensor {
  requireMatrix("linalg.matrixNorm", a);
  switch (p) {
    case "fro":
      return norm(a, { axis: [-2, -1] });
    case "nuc":
      return sum(singularValues(a), { axis: -1 });
    case 2:
      return max(singularValues(a), { axis: -1 });
    case -2:
      return min(singularValues(a), { axis: -1 });
    case 1:
      return max(sum(absolute(a), { axis: -2 }), { axis: -1 });
    case -1:
      return min(sum(absolute(a), { axis: -2 }), { axis: -1 });
    case Infinity:
      return max(sum(absolute(a), { axis: -1 }), { axis: -1 });
    case -Infinity:
      return min(sum(absolute(a), { axis: -1 }), { axis: -1 });
    default:
      throw new ValueError("linalg.matrixNorm", `p is ${String(p)}`, {
        expected: ["fro", "nuc", 1, -1, 2, -2, Infinity, -Infinity],
        received: p,
        hint: 'use "fro", "nuc", 1, 2 or Infinity',
      });
  }
}

/**
 * The condition number ‖a‖·‖a⁻¹‖: [..batch]. About log₁₀ of it digits are lost when a system is solved. By default, and
 * for `p` ±2, the largest singular value over the smallest (or the inverse), of matrices [.., m, n] of any shape; in other
 * norms, of square ones. Infinity for a singular matrix.
 */
export function cond(a: Tensor, { p = 2 }: MatrixNormOptions = {}): Tensor {
  requireMatrix("linalg.cond", a);
  if (p === 2 || p === -2) {
    const s = singularValues(a);
    const [largest, smallest] = [max(s, { axis: -1 }), min(s, { axis: -1 })];
    return p === 2 ? primitive.div(largest, smallest) : primitive.div(smallest, largest);
  }
  requireSquare("linalg.cond", a);
  const product = primitive.mul(matrixNorm(a, { p }), matrixNorm(quotient(a, identityLike(a)), { p }));
  const zeros = sum(primitive.cast(isZero(mainDiagonal(lu(a).u)), "int32"), { axis: -1 });
  return primitive.where(isZero(zeros), product, filledLike(product, Infinity));
}

/**
 * aⁿ of square matrices [.., m, m] by repeated squaring; a negative exponent takes the inverse first, and then reading the
 * result throws where a matrix is singular. Throws `ValueError` for an exponent that is not an integer.
 */
export function matrixPower<S extends Shape>(a: Tensor<S>, exponent: number): Tensor<S> {
  requireSquare("linalg.matrixPower", a);
  if (!Number.isSafeInteger(exponent)) {
    throw new ValueError("linalg.matrixPower", `the exponent is ${exponent}`, {
      expected: "an integer",
      received: exponent,
      hint: "use eigh for other powers of symmetric matrices",
    });
  }
  let square: Tensor = exponent < 0 ? inv(a) : a;
  let result: Tensor | null = null;
  for (let rest = Math.abs(exponent); rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result = result ? primitive.dot(result, square) : square;
    if (rest > 1) square = primitive.dot(square, square);
  }
  return typed(result ?? identityLike(a));
}

/** The sum of the diagonal of matrices [.., m, n]: [..batch]. */
export const trace = (a: Tensor): Tensor => {
  const elements = mainDiagonal(a);
  return primitive.reduce(elements, "sum", [elements.rank - 1]);
};
