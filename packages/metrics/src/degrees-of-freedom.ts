/**
 * How flexible a fit is, counted as parameters: Σᵢ ∂ŷᵢ/∂yᵢ, how much each prediction follows its own target. Of a
 * linear fit it is the trace of its hat matrix; of any other it is estimated by fitting again to targets moved a little.
 */
import {
  type Key, ShapeError, type Tensor, ValueError, add, div, greater, linalg, matmul, mul, square, sum, tensor, trace, transpose,
  uniform, where,
} from "@dormouse/tensor";
import { primitive, showShape } from "@dormouse/tensor/graph";

/**
 * Effective degrees of freedom of a linear fit ŷ = H y: the trace of its hat matrix [n, n], a scalar. A regression on p
 * independent columns has p, the mean has 1, ridge has `ridgeDegreesOfFreedom`. Hastie and Tibshirani, 1990, section
 * 3.5.
 *
 * ```ts
 * await effectiveDegreesOfFreedom(hatMatrix(tensor([[1, 0], [1, 1], [1, 2]]))).item();   // 2
 * ```
 */
export function effectiveDegreesOfFreedom(hat: Tensor): Tensor {
  if (hat.rank === 2 && hat.shape[0] === hat.shape[1]) return trace(hat);
  throw new ShapeError("effectiveDegreesOfFreedom", `the hat matrix has shape ${showShape(hat.shape)}`, {
    expected: "[n, n]", received: hat.shape, hint: "give the square matrix that takes targets to predictions",
  });
}

/**
 * The hat matrix X (XᵀX + λI)⁻¹ Xᵀ [n, n] of least squares on a design matrix [n, p], with `ridge` λ on all columns
 * (default 0). Columns that depend on each other are fine: it is U diag(d² / (d² + λ)) Uᵀ by the singular values d,
 * those below 2⁻⁴⁰ (float64) or 2⁻²⁰ (float32) of the greatest counting as 0. Hoaglin and Welsch, 1978.
 *
 * ```ts
 * matmul(hatMatrix(x), expandDims(y, 1));   // the fitted values
 * ```
 */
export function hatMatrix(design: Tensor, { ridge = 0 }: { readonly ridge?: number } = {}): Tensor {
  const op = "hatMatrix";
  if (design.rank !== 2) {
    throw new ShapeError(op, `the design matrix has shape ${showShape(design.shape)}`, {
      expected: "[n, p]", received: design.shape, hint: "give one row per example",
    });
  }
  requireRidge(op, ridge);
  const { u, s } = linalg.svd(design);
  return matmul(mul(u, shrinkage(s, ridge)), transpose(u));
}

/**
 * Effective degrees of freedom of ridge regression, Σ d² / (d² + λ) over the singular values d [p] of the design
 * matrix: the number of columns for λ = 0, falling to 0. Hastie, Tibshirani and Friedman, 2009, equation 3.50.
 *
 * ```ts
 * await ridgeDegreesOfFreedom(tensor([2, 1]), 1).item();   // 4/5 + 1/2
 * ```
 */
export function ridgeDegreesOfFreedom(singularValues: Tensor, ridge: number): Tensor {
  requireRidge("ridgeDegreesOfFreedom", ridge);
  return sum(shrinkage(singularValues, ridge));
}

/** d² / (d² + λ), and 0 for singular values that are nothing but rounding. */
function shrinkage(values: Tensor, ridge: number): Tensor {
  const squares = square(values);
  const least = mul(primitive.reduce(squares, "max", [0]), values.dtype === "float64" ? 2 ** -80 : 2 ** -40);
  const isReal = greater(squares, least);
  return where(isReal, div(squares, where(isReal, add(squares, ridge), 1)), 0);
}

function requireRidge(op: string, ridge: number): void {
  if (!(ridge >= 0)) throw new ValueError(op, `ridge is ${ridge}`, { received: ridge, hint: "give 0 or more" });
}

/** Options of `estimateDegreesOfFreedom`. */
export interface DegreesOfFreedomOptions {
  /** Moves all targets at once, at random signs from this key. Default: moves one target after the other, exactly. */
  readonly key?: Key;
  /** With a key: how many random moves are averaged. Default 32. */
  readonly repeats?: number;
  /** How far targets move, in their unit. Ye suggests about half their noise. Default 0.01 of their standard deviation. */
  readonly step?: number;
}

/** An estimate and how sure it is. */
export interface DegreesOfFreedom {
  readonly value: number;
  /** Standard error of the value; 0 where no random numbers were drawn. */
  readonly standardError: number;
}

/**
 * Effective degrees of freedom of any fit, Σᵢ ∂ŷᵢ/∂yᵢ: `fit` takes targets [n] to fitted values [n]. Without a key each
 * target is moved by ± step on its own: 2 n fits and no error but that of the step. With a key all move at once by
 * ± step at random signs s, and Σᵢ sᵢ (ŷᵢ(y + step s) − ŷᵢ(y − step s)) / (2 step) is averaged over `repeats` moves:
 * 2 fits each. Exact for linear fits up to the noise of the signs. Ye, On Measuring and Correcting the Effects of Data
 * Mining and Model Selection, 1998 (generalized degrees of freedom); signs: Girard, 1989, and Hutchinson, 1990.
 *
 * ```ts
 * const { value, standardError } = await estimateDegreesOfFreedom(fit, targets, { key: key(0) });
 * ```
 */
export async function estimateDegreesOfFreedom(
  fit: (targets: Tensor) => Tensor | Promise<Tensor>,
  targets: Tensor,
  { key, repeats = 32, step }: DegreesOfFreedomOptions = {},
): Promise<DegreesOfFreedom> {
  const op = "estimateDegreesOfFreedom";
  const y = Float64Array.from(await targets.data());
  const count = y.length;
  if (targets.rank !== 1 || count === 0) {
    throw new ShapeError(op, `targets have shape ${showShape(targets.shape)}`, { expected: "[n]", received: targets.shape });
  }
  const center = y.reduce((sum, value) => sum + value, 0) / count;
  const size = step ?? 0.01 * (Math.sqrt(y.reduce((sum, value) => sum + (value - center) ** 2, 0) / count) || 1);
  if (!(size > 0)) throw new ValueError(op, `step is ${size}`, { received: size, hint: "give a positive number" });
  const fitted = async (moved: Float64Array): Promise<Float64Array> => {
    const result = await fit(tensor(moved, { dtype: targets.dtype }));
    if (result.size === count) return Float64Array.from(await result.data());
    throw new ShapeError(op, `fit gave ${showShape(result.shape)} for targets ${showShape(targets.shape)}`, {
      expected: targets.shape, received: result.shape, hint: "return the fitted value of every target",
    });
  };
  /** How much the fitted values follow a move, along it. */
  const follow = async (direction: ArrayLike<number>): Promise<number> => {
    const up = await fitted(y.map((value, i) => value + size * direction[i]!));
    const down = await fitted(y.map((value, i) => value - size * direction[i]!));
    return up.reduce((sum, value, i) => sum + direction[i]! * (value - down[i]!), 0) / (2 * size);
  };
  if (!key) {
    let value = 0;
    for (let i = 0; i < count; i++) value += await follow(y.map((_, other) => (other === i ? 1 : 0)));
    return { value, standardError: 0 };
  }
  const draws = await uniform(key, [repeats, count]).data();
  const slopes: number[] = [];
  for (let r = 0; r < repeats; r++) {
    slopes.push(await follow(y.map((_, i) => (draws[r * count + i]! < 0.5 ? -1 : 1))));
  }
  const value = slopes.reduce((sum, slope) => sum + slope, 0) / repeats;
  const spread = slopes.reduce((sum, slope) => sum + (slope - value) ** 2, 0) / Math.max(1, repeats - 1);
  return { value, standardError: Math.sqrt(spread / repeats) };
}
