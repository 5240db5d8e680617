/**
 * The least value of a smooth convex function of many numbers, on the host in float64: what fits the maps that have no
 * closed form. Knows nothing of tensors, and gradients are given, not derived.
 */

/** A value, and its gradient written into the second argument. */
export type Objective = (x: Float64Array, gradient: Float64Array) => number;

/** Options of `minimize`. */
export interface MinimizeOptions {
  /** Greatest entry of the gradient to stop at. Default 1e-10. */
  readonly tolerance?: number;
  /** Default 5000. */
  readonly steps?: number;
  /** How many steps are remembered. Default 20. */
  readonly memory?: number;
  /** Multiplies by a symmetric, positive guess at the inverse of the second derivatives. Default: by 1. */
  readonly precondition?: (gradient: Float64Array) => Float64Array;
}

/** Where a search ended. */
export interface Minimum {
  readonly x: Float64Array;
  readonly value: number;
  /** Whether rounding hides what is left to gain. False where values fall for ever, or for too long. */
  readonly converged: boolean;
}

const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
const largest = (values: Float64Array): number => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const along = (x: Float64Array, step: number, direction: Float64Array): Float64Array =>
  x.map((value, i) => value + step * direction[i]!);

/**
 * Minimizes by L-BFGS with a bracketing line search for the weak Wolfe conditions. Stops once no entry of the gradient
 * is above `tolerance`, or nothing is left to gain. Nocedal, 1980; line search: Lewis and Overton, 2013, algorithm 2.6.
 */
export function minimize(
  objective: Objective,
  start: Float64Array,
  { tolerance = 1e-10, steps = 5000, memory = 20, precondition = (gradient) => gradient }: MinimizeOptions = {},
): Minimum {
  let x: Float64Array = start.slice();
  let gradient: Float64Array = new Float64Array(x.length);
  let value = objective(x, gradient);
  const pairs: Pair[] = [];
  for (let step = 0; step < steps && largest(gradient) > tolerance; step++) {
    const direction = descentOf(gradient, pairs, precondition);
    // Twice what is left to gain, as far as the last steps tell.
    const gain = -dot(gradient, direction) / (1 + Math.abs(value));
    if (gain <= 1e-20) return { x, value, converged: true };
    const next = search(objective, x, value, gradient, direction);
    // Where no step improves the value, it should be because rounding hides what is left.
    if (!next) return { x, value, converged: gain <= 1e-10 };
    const [s, y] = [next.x.map((each, i) => each - x[i]!), next.gradient.map((each, i) => each - gradient[i]!)];
    const curvature = dot(s, y);
    if (curvature > 0) pairs.push({ s, y, rho: 1 / curvature });
    if (pairs.length > memory) pairs.shift();
    ({ x, value, gradient } = next);
  }
  return { x, value, converged: largest(gradient) <= tolerance };
}

interface Pair {
  readonly s: Float64Array;
  readonly y: Float64Array;
  readonly rho: number;
}

/** −H·gradient with H built from the last steps on top of the preconditioner: the two-loop recursion. */
function descentOf(
  gradient: Float64Array,
  pairs: readonly Pair[],
  precondition: (gradient: Float64Array) => Float64Array,
): Float64Array {
  let direction: Float64Array = gradient.map((value) => -value);
  const shares = pairs.map(() => 0);
  for (let i = pairs.length - 1; i >= 0; i--) {
    const { s, y, rho } = pairs[i]!;
    shares[i] = rho * dot(s, direction);
    direction = along(direction, -shares[i]!, y);
  }
  direction = precondition(direction);
  const last = pairs.at(-1);
  const scale = last ? 1 / (last.rho * dot(last.y, precondition(last.y))) : 1 / Math.max(1, largest(direction));
  direction = direction.map((value) => value * scale);
  pairs.forEach(({ s, y, rho }, i) => {
    direction = along(direction, shares[i]! - rho * dot(y, direction), s);
  });
  return direction;
}

interface Point {
  readonly x: Float64Array;
  readonly value: number;
  readonly gradient: Float64Array;
}

/** A point that lowers the value enough and flattens the slope; null where rounding hides any improvement. */
function search(
  objective: Objective,
  x: Float64Array,
  value: number,
  gradient: Float64Array,
  direction: Float64Array,
): Point | null {
  const slope = dot(gradient, direction);
  let [low, high, length] = [0, Infinity, 1];
  for (let round = 0; round < 60; round++) {
    const next = along(x, length, direction);
    const nextGradient = new Float64Array(x.length);
    const nextValue = objective(next, nextGradient);
    if (!(nextValue <= value + 1e-4 * length * slope)) high = length;
    else if (dot(nextGradient, direction) < 0.9 * slope) low = length;
    else return { x: next, value: nextValue, gradient: nextGradient };
    length = high === Infinity ? 2 * low : (low + high) / 2;
  }
  return null;
}

/**
 * Solves with a symmetric positive definite matrix [n, n], row-major: its Cholesky factor is computed once, the function
 * takes right-hand sides. Pivots of less than 1e-12 of the greatest diagonal entry are raised to it.
 */
export function solver(matrix: Float64Array, n: number): (b: ArrayLike<number>) => Float64Array {
  const lower = matrix.slice();
  const least = 1e-12 * Array.from({ length: n }, (_, i) => matrix[i * n + i]!).reduce((a, b) => Math.max(a, b), 0);
  for (let j = 0; j < n; j++) {
    for (let i = j; i < n; i++) {
      let value = lower[i * n + j]!;
      for (let k = 0; k < j; k++) value -= lower[i * n + k]! * lower[j * n + k]!;
      lower[i * n + j] = i === j ? Math.sqrt(Math.max(value, least)) : value / lower[j * n + j]!;
    }
  }
  return (b) => {
    const x = Float64Array.from(b);
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < i; k++) x[i]! -= lower[i * n + k]! * x[k]!;
      x[i]! /= lower[i * n + i]!;
    }
    for (let i = n - 1; i >= 0; i--) {
      for (let k = i + 1; k < n; k++) x[i]! -= lower[k * n + i]! * x[k]!;
      x[i]! /= lower[i * n + i]!;
    }
    return x;
  };
}
