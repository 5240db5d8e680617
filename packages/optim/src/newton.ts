/**
 * Newton's method for functions of few parameters, whose Hessian fits into memory. The host decides every step from
 * numbers that it reads, as in `minimize`; directions are made on the device. It finds no derivatives: they are given.
 */
import {
  type Tensor, DTypeError, ShapeError, ValueError, abs, compile, div, equal, greater, linalg, matmul, max, mul, neg, reshape,
  scopeAsync, tensor, transpose, where,
} from "@dormouse/tensor";
import { type SearchPoint, backtracking } from "./line-search.ts";
import type { MinimizeOptions, Minimum } from "./minimize.ts";
import { requireWhole, requireWithin } from "./options.ts";
import { isFloat } from "./transform.ts";

export type NewtonOptions = Omit<MinimizeOptions, "history" | "lineSearch">;

/** What Newton's method needs of a function at a place. */
export type SecondOrder = readonly [value: Tensor, gradient: Tensor, hessian: Tensor];

/** The function at a place. */
interface Place extends SearchPoint {
  readonly x: Float64Array;
  readonly gradient: Float64Array;
}

/**
 * Minimizes a smooth function of one float tensor with Newton's method: the step solves `H·d = -∇f`, and is halved until
 * the value falls enough (Armijo). Near a minimum with a regular Hessian every step doubles the digits. Where the Hessian has
 * negative curvature its eigenvalues count by their size, so that saddle points repel (Dauphin et al. 2014); flat
 * directions take a gradient step.
 *
 * `f` gives the value, the gradient and the Hessian, of the shapes [], s and [...s, ...s] for a tensor of shape s; it is
 * compiled. `maxSteps` is 100 by default, the tolerances are those of `minimize`. Throws `ShapeError` where the shapes
 * do not fit, `ValueError` where the value or the gradient is not finite at the start.
 *
 * @example
 * const { params } = await newton((x) => [f(x), grad(f)(x), hessian(f)(x)], tensor([1, 1], { dtype: "float64" }));
 */
export async function newton(
  f: (x: Tensor) => SecondOrder,
  start: Tensor,
  options: NewtonOptions = {},
): Promise<Minimum<Tensor>> {
  if (!isFloat(start)) {
    throw new DTypeError("newton", `the start is ${start.dtype}`, {
      expected: "float64", received: start.dtype, hint: `cast it: cast(x, "float64")`,
    });
  }
  const isSingle = start.dtype === "float32";
  const { maxSteps = 100, tolerance = isSingle ? 1e-4 : 1e-8, stepTolerance = isSingle ? 1e-7 : 1e-14 } = options;
  requireWhole("newton", "maxSteps", maxSteps, 0);
  requireWithin("newton", "tolerance", tolerance, 0, Infinity);
  requireWithin("newton", "stepTolerance", stepTolerance, 0, Infinity);
  const { shape, size } = start;
  const tensorOf = (x: Float64Array): Tensor => tensor(isSingle ? Float32Array.from(x) : x, { shape });
  const measured = compile((x: Tensor) => {
    const [value, gradient, hessian] = f(x);
    requireShapes(value, gradient, hessian, x);
    return [value, gradient] as const;
  }, { name: "newton" });
  const directed = compile((x: Tensor) => {
    const [, gradient, hessian] = f(x);
    return directionOf(reshape(gradient, [size]), reshape(hessian, [size, size]));
  }, { name: "newton" });
  let evaluations = 0;
  const evaluateAt = (x: Float64Array, t: number, direction: Float64Array | null): Promise<Place> => {
    evaluations++;
    return scopeAsync(async (track) => {
      const [value, slopes] = track(() => measured(tensorOf(x)));
      const [number, gradient] = [Number((await value.data())[0]), Float64Array.from(await slopes.data())];
      return { x, t, value: number, slope: direction ? dot(direction, gradient) : 0, gradient };
    });
  };

  let place = await evaluateAt(Float64Array.from(await start.data()), 0, null);
  if (!Number.isFinite(place.value) || !place.gradient.every(Number.isFinite)) {
    throw new ValueError("newton", `the value is ${place.value} and the largest slope ${largest(place.gradient)} at the start`, {
      expected: "finite numbers", received: place.value, hint: "start where the function and its gradient are finite",
    });
  }
  for (let [steps, moved] = [0, Infinity]; ; steps++) {
    const gradientNorm = largest(place.gradient);
    const end = (reason: Minimum<Tensor>["reason"]): Minimum<Tensor> => ({
      params: tensorOf(place.x), value: place.value, gradientNorm, steps, evaluations,
      converged: reason === "gradient" || reason === "step", reason,
    });
    if (gradientNorm <= tolerance) return end("gradient");
    if (moved <= stepTolerance * Math.max(1, largest(place.x))) return end("step");
    if (steps === maxSteps) return end("steps");
    const here = place.x;
    const direction = await scopeAsync(async (track) =>
      Float64Array.from(await track(() => directed(tensorOf(here))).data()),
    );
    const at = (t: number): Promise<Place> => {
      const there = here.map((x, i) => x + t * direction[i]!);
      return evaluateAt(isSingle ? Float64Array.from(Float32Array.from(there)) : there, t, direction);
    };
    const from = { ...place, t: 0, slope: dot(direction, place.gradient) };
    const next = await backtracking(at, { start: from, rounding: isSingle ? 2 ** -22 : 2 ** -51 });
    if (!next) return end("lineSearch");
    moved = largest(next.x.map((x, i) => x - here[i]!));
    place = next;
  }
}

/** `-|H|⁻¹·g`, |H| with the sizes of the eigenvalues; those that are rounding beside the largest count as the largest. */
function directionOf(gradient: Tensor, hessian: Tensor): Tensor {
  const { values, vectors } = linalg.eigh(hessian);
  const sizes = abs(values);
  const most = max(sizes);
  const noise = hessian.shape[0]! * (hessian.dtype === "float64" ? 2 ** -52 : 2 ** -23);
  const curvature = where(greater(sizes, mul(most, noise)), sizes, where(equal(most, 0), 1, most));
  return neg(matmul(vectors, div(matmul(transpose(vectors), gradient), curvature)));
}

function requireShapes(value: Tensor, gradient: Tensor, hessian: Tensor, { shape }: Tensor): void {
  const same = (a: readonly number[], b: readonly number[]): boolean =>
    a.length === b.length && a.every((length, i) => length === b[i]);
  if (value.size === 1 && same(gradient.shape, shape) && same(hessian.shape, [...shape, ...shape])) return;
  const show = (each: readonly number[]): string => `[${each.join(", ")}]`;
  const received = [value.shape, gradient.shape, hessian.shape];
  throw new ShapeError("newton", `value, gradient and Hessian have the shapes ${received.map(show).join(", ")}`, {
    expected: [[], shape, [...shape, ...shape]], received,
    hint: `return shapes [], ${show(shape)} and ${show([...shape, ...shape])}`,
  });
}

/** Largest absolute value: NaN where one is, 0 of nothing. */
const largest = (x: Float64Array): number => x.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const dot = (a: Float64Array, b: Float64Array): number => a.reduce((total, value, i) => total + value * b[i]!, 0);
