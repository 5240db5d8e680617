/**
 * How far to go along a direction: the searches of `minimize`. A search sees the function only as φ(t), its value and
 * slope at a distance t, on the host in float64; it knows neither tensors nor where directions come from.
 */

/** The function along a direction at a distance. A value or a slope that is not finite means: too far. */
export interface Point {
  /** Distance, in lengths of the direction. */
  readonly t: number;
  readonly value: number;
  /** Derivative of the value by t. */
  readonly slope: number;
}

/** Looks for a distance, starting with `first`; null where nothing lower was found. */
export type Search<P extends Point> = (
  at: (t: number) => Promise<P>,
  start: P,
  first: number,
  limits: Limits,
) => Promise<P | null>;

/** What a search may do. */
export interface Limits {
  /** Evaluations in one search. */
  readonly evaluations: number;
  /**
   * How much of a value is rounding. Near a minimum values stop falling while slopes still tell the way, so that a
   * rise by this much counts as none (Hager and Zhang 2005, section 4, approximate Wolfe conditions).
   */
  readonly rounding: number;
}

/** Share of the first slope's promise that a step has to keep (Nocedal and Wright 2006, section 3.1). */
const decrease = 1e-4;
/** Largest share of the slope that may be left after a step: the value for quasi-Newton directions, same section. */
const curvature = 0.9;

const isFinitePoint = ({ value, slope }: Point): boolean => Number.isFinite(value) && Number.isFinite(slope);

/** φ(t) ≤ φ(0) + c₁ t φ′(0), up to rounding. */
const isLow = (start: Point, { rounding }: Limits, point: Point): boolean =>
  isFinitePoint(point) && point.value <= start.value + decrease * point.t * start.slope + rounding * Math.abs(start.value);

/** Halves the distance until the value has fallen enough (Armijo 1966; Nocedal and Wright, algorithm 3.1). */
export async function backtracking<P extends Point>(
  at: (t: number) => Promise<P>,
  start: P,
  first: number,
  limits: Limits,
): Promise<P | null> {
  for (let [t, count] = [first, 0]; count < limits.evaluations; t /= 2, count++) {
    const point = await at(t);
    if (isLow(start, limits, point)) return point;
  }
  return null;
}

/**
 * A distance at which the value has fallen enough and the slope has flattened, |φ′(t)| ≤ c₂ |φ′(0)|: the distance grows
 * until such points are bracketed, then the bracket shrinks (Nocedal and Wright, algorithms 3.5 and 3.6). Where
 * evaluations run out, the lowest point that has fallen enough.
 */
export async function strongWolfe<P extends Point>(
  at: (t: number) => Promise<P>,
  start: P,
  first: number,
  limits: Limits,
): Promise<P | null> {
  const isFlat = ({ slope }: P): boolean => Math.abs(slope) <= -curvature * start.slope;
  let before = start;
  let t = first;
  for (let count = 1; count <= limits.evaluations; count++) {
    const point = await at(t);
    const rest = { ...limits, evaluations: limits.evaluations - count };
    if (!isLow(start, limits, point)) return zoom(at, start, before, point, isFlat, rest);
    if (isFlat(point)) return point;
    if (point.slope >= 0 || (count > 1 && point.value >= before.value)) return zoom(at, start, point, before, isFlat, rest);
    before = point;
    // Algorithm 3.5 leaves the growth open; 4 crosses a bad scale of the first step in few evaluations.
    t *= 4;
  }
  return before === start ? null : before;
}

/** Shrinks the bracket between `low`, the lower end, and `high`. */
async function zoom<P extends Point>(
  at: (t: number) => Promise<P>,
  start: P,
  low: P,
  high: P,
  isFlat: (point: P) => boolean,
  limits: Limits,
): Promise<P | null> {
  for (let count = 0; count < limits.evaluations; count++) {
    const point = await at(between(low, high));
    if (!isLow(start, limits, point) || point.value > low.value + limits.rounding * Math.abs(start.value)) {
      high = point;
      continue;
    }
    if (isFlat(point)) return point;
    if (point.slope * (high.t - low.t) >= 0) high = low;
    low = point;
  }
  return low === start ? null : low;
}

/**
 * The minimum of the cubic through values and slopes at both ends (Nocedal and Wright, equation 3.59), kept a tenth of
 * the bracket from them; the middle where the cubic has none.
 */
export function between(a: Point, b: Point): number {
  const width = b.t - a.t;
  const middle = a.t + width / 2;
  if (!isFinitePoint(a) || !isFinitePoint(b)) return middle;
  const d1 = a.slope + b.slope - (3 * (a.value - b.value)) / (a.t - b.t);
  const d2 = Math.sign(width) * Math.sqrt(d1 * d1 - a.slope * b.slope);
  const share = 1 - (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2);
  return share >= 0.1 && share <= 0.9 ? a.t + share * width : middle;
}
