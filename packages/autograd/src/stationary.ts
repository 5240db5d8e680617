/**
 * Second order at a point: the quadratic model of a function, what kind of stationary point it has there, and whether
 * it is convex along a segment. Reads values, so all but the model are asynchronous; searches for nothing.
 */
import { ShapeError, ValueError, add, linalg, mul, reshape, sqrt, square, stack, sub, sum } from "@dormouse/tensor";
import { type Tensor, sameShape, showShape } from "@dormouse/tensor/graph";
import { leavesOf } from "./arguments.ts";
import { hessian } from "./jacobian.ts";
import { linearize } from "./linearize.ts";
import { valueAndGrad } from "./vjp.ts";

/** A function near a point, to second order. */
export interface QuadraticModel<T> {
  /** f(x). */
  readonly value: Tensor;
  /** ∇f(x), like `x`. */
  readonly gradient: T;
  /** f(x) + ∇f(x)·d + ½ dᵀ H(x) d for a step `d` like `x`. */
  at(step: T): Tensor;
  /** H(x)·d for a step `d` like `x`. */
  curvature(step: T): T;
}

/** Σ a·b over the leaves of two trees. */
const inner = (a: unknown, b: unknown): Tensor =>
  leavesOf(a).leaves.map((leaf, k) => sum(mul(leaf, leavesOf(b).leaves[k]!))).reduce((total, next) => add(total, next));

/**
 * The second-order Taylor model of a scalar function at `x`, a tensor or a tree: f(x + d) ≈ f(x) + ∇f·d + ½ dᵀHd. The
 * gradient is computed once, each step costs one Hessian-vector product, and no Hessian is built. Its error is O(‖d‖³),
 * and zero for a quadratic function.
 *
 * Throws as `grad` and `jvp` do.
 *
 * @example
 * ```ts
 * const model = quadraticModel((x: Tensor) => sum(mul(square(x), x)), tensor([2]));
 * await model.at(tensor([0.1])).item();                      // 9.26, where the function is 9.261
 * ```
 */
export function quadraticModel<T>(f: (x: T) => Tensor, x: T): QuadraticModel<T> {
  const [[value, gradient], tangent] = linearize((at: T) => valueAndGrad(f)(at) as readonly [Tensor, T], x);
  const curvature = (step: T): T => tangent(step)[1];
  const at = (step: T): Tensor => add(add(value, inner(gradient, step)), mul(inner(step, curvature(step)), 0.5));
  return { value, gradient, at, curvature };
}

/** What a stationary point is, as far as second derivatives tell. */
export interface StationaryPoint {
  /**
   * `minimum`: all eigenvalues of the Hessian are positive; `maximum`: all are negative; `saddle`: some of both;
   * `degenerate`: some are zero and the others of one sign, so that higher derivatives decide.
   */
  readonly kind: "minimum" | "maximum" | "saddle" | "degenerate";
  /** Of the Hessian, ascending. */
  readonly eigenvalues: readonly number[];
}

/** Options of `classifyStationaryPoint`. */
export interface StationaryOptions {
  /**
   * Eigenvalues up to this part of the largest count as zero, and so does a gradient that would take a step of this
   * part of max(1, ‖x‖) to remove. Default 1e-6, for float32 1e-3.
   */
  readonly tolerance?: number;
}

/**
 * Classifies a stationary point of a scalar function of one tensor by the eigenvalues of its Hessian, which is built:
 * n² numbers for n elements.
 *
 * Throws `ValueError` where the gradient is not zero within the tolerance, or a derivative is not finite; otherwise as
 * `hessian` does.
 *
 * @example
 * ```ts
 * const saddle = (x: Tensor) => sum(mul(square(x), tensor([1, -1])));
 * (await classifyStationaryPoint(saddle, zeros([2]))).kind;  // "saddle"
 * ```
 */
export async function classifyStationaryPoint(
  f: (x: Tensor) => Tensor,
  x: Tensor,
  { tolerance = x.dtype === "float32" ? 1e-3 : 1e-6 }: StationaryOptions = {},
): Promise<StationaryPoint> {
  const op = "classifyStationaryPoint";
  const [, gradient] = valueAndGrad(f)(x);
  const matrix = reshape(hessian(f)(x) as Tensor, [x.size, x.size]);
  const size = (t: Tensor): Tensor => sqrt(sum(square(t)));
  const sizes = await numbers(stack([size(gradient), size(x), size(matrix)]));
  const [slope, distance, curvature] = sizes as [number, number, number];
  if (!sizes.every(Number.isFinite)) {
    throw new ValueError(op, `the gradient has norm ${slope} and the Hessian ${curvature}`, {
      received: [slope, curvature],
      hint: "choose a point where the function is twice differentiable",
    });
  }
  const eigenvalues = await numbers(linalg.eigh(matrix).values);
  const largest = Math.max(0, ...eigenvalues.map(Math.abs));
  if (slope > tolerance * largest * Math.max(1, distance)) {
    throw new ValueError(op, `the gradient has norm ${slope} beside curvature ${largest}: the point is not stationary`, {
      received: slope,
      hint: "move to where the gradient is zero first, or raise `tolerance`",
    });
  }
  const some = (sign: number): boolean => eigenvalues.some((each) => each * sign > tolerance * largest);
  const every = (sign: number): boolean => eigenvalues.every((each) => each * sign > tolerance * largest);
  const kind = some(1) && some(-1) ? "saddle" : every(1) ? "minimum" : every(-1) ? "maximum" : "degenerate";
  return { kind, eigenvalues };
}

/** Options of `isConvexOnSegment`. */
export interface SegmentOptions {
  /** Evenly spaced points of the segment, both ends among them: 3 or more. Default 33. */
  readonly points?: number;
  /**
   * How far a value may lie above the chord of its neighbors, as a part of the largest value. Default 1e-12, for
   * float32 1e-5.
   */
  readonly tolerance?: number;
}

/**
 * Whether a scalar function looks convex between two tensors: whether f lies nowhere above the chord of its neighbors,
 * f(½(p + q)) ≤ ½(f(p) + f(q)), on evenly spaced points. `false` disproves convexity; `true` holds for these points,
 * and says nothing of what happens between them. Uses values only, so that kinks count.
 *
 * Throws `ShapeError` where the ends differ in shape or the function is not scalar, `ValueError` for fewer than 3
 * points and values that are not finite.
 *
 * @example
 * ```ts
 * await isConvexOnSegment((x: Tensor) => sum(square(x)), tensor([-1, 2]), tensor([3, 0]));   // true
 * ```
 */
export async function isConvexOnSegment(
  f: (x: Tensor) => Tensor,
  from: Tensor,
  to: Tensor,
  { points = 33, tolerance = from.dtype === "float32" ? 1e-5 : 1e-12 }: SegmentOptions = {},
): Promise<boolean> {
  const op = "isConvexOnSegment";
  if (!Number.isInteger(points) || points < 3) {
    throw new ValueError(op, `points is ${points}`, { received: points, hint: "use an integer of at least 3" });
  }
  if (!sameShape(from.shape, to.shape)) {
    throw new ShapeError(op, `the ends are ${showShape(from.shape)} and ${showShape(to.shape)}`, {
      expected: from.shape,
      received: to.shape,
      hint: "give both ends one shape",
    });
  }
  const along = sub(to, from);
  const heights = Array.from({ length: points }, (_, i) => f(add(from, mul(along, i / (points - 1)))));
  if (heights[0]!.rank > 0) {
    throw new ShapeError(op, `the function returned shape ${showShape(heights[0]!.shape)}`, {
      expected: [],
      received: heights[0]!.shape,
      hint: "reduce it with sum or mean",
    });
  }
  const values = await numbers(stack(heights));
  const bad = values.find((value) => !Number.isFinite(value));
  if (bad !== undefined) {
    throw new ValueError(op, `the function is ${bad} on the segment`, { received: bad, hint: "choose ends in its domain" });
  }
  const slack = tolerance * Math.max(...values.map(Math.abs));
  return values.slice(1, -1).every((value, i) => value - (values[i]! + values[i + 2]!) / 2 <= slack);
}

const numbers = async (x: Tensor): Promise<number[]> => Array.from(await x.data(), Number);
