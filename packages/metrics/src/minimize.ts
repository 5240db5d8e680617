/**
 * The least value of a smooth convex function of many numbers, on the host in float64: what fits the maps that have no
 * closed form. Knows nothing of tensors, and gradients are given, not derived.
 */

/** A value, and its gradient written into the second argument. */
export type Objective = (x: Float64Array, gradient: Float64Array) => number;

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
  { tolerance = 1e-10, steps = 20_000, memory = 20 }: {
    readonly tolerance?: number; readonly steps?: number; readonly memory?: number;
  } = {},
): Minimum {
  let x: Float64Array = start.slice();
  let gradient: Float64Array = new Float64Array(x.length);
  let value = objective(x, gradient);
  const pairs: { s: Float64Array; y: Float64Array; rho: number }[] = [];
  for (let step = 0; step < steps && largest(gradient) > tolerance; step++) {
    const direction = descentOf(gradient, pairs);
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

/** −H·gradient with H built from the last steps: the two-loop recursion. */
function descentOf(gradient: Float64Array, pairs: readonly { s: Float64Array; y: Float64Array; rho: number }[]): Float64Array {
  let direction: Float64Array = gradient.map((value) => -value);
  const shares = pairs.map(() => 0);
  for (let i = pairs.length - 1; i >= 0; i--) {
    const { s, y, rho } = pairs[i]!;
    shares[i] = rho * dot(s, direction);
    direction = along(direction, -shares[i]!, y);
  }
  const last = pairs.at(-1);
  const scale = last ? 1 / (last.rho * dot(last.y, last.y)) : 1 / Math.max(1, largest(gradient));
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
