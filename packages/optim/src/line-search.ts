/**
 * How far to go along a direction. A search sees the function only as φ(t), its value and slope at a distance t, on the
 * host in float64; it knows no tensors, except in `along`, which makes φ of a loss, parameters and a direction.
 */
import { type Tensor, ValueError, add, cast, compile, full, mapTree, mul, sum, treeLeaves } from "@dormouse/tensor";
import { requireWhole, requireWithin } from "./options.ts";
import { isFloat, perDType, sharedDType } from "./transform.ts";

/** The function along a direction at a distance. A value or a slope that is not finite means: too far. */
export interface SearchPoint {
  /** Distance, in lengths of the direction. */
  readonly t: number;
  readonly value: number;
  /** Derivative of the value by t. */
  readonly slope: number;
}

/** The function along a direction. */
export type Along<P extends SearchPoint> = (t: number) => P | Promise<P>;

/** Looks for a distance; null where nothing lower was found. */
export type Search = <P extends SearchPoint>(at: Along<P>, options?: LineSearchOptions<P>) => Promise<P | null>;

export interface LineSearchOptions<P extends SearchPoint = SearchPoint> {
  /** The point at 0, where it is known already. */
  readonly start?: P;
  /** The distance tried first. Default 1. */
  readonly first?: number;
  /** Share of the first slope's promise that a step has to keep. Default 1e-4 (Nocedal and Wright 2006, section 3.1). */
  readonly decrease?: number;
  /** Evaluations at most. Default 50: halves by then leave no digit of the first distance. */
  readonly evaluations?: number;
  /**
   * How much of a value is rounding. Near a minimum values stop falling while slopes still tell the way, so that a
   * rise by this much counts as none (Hager and Zhang 2005, section 4, approximate Wolfe conditions). Default 0.
   */
  readonly rounding?: number;
}

export interface WolfeOptions<P extends SearchPoint = SearchPoint> extends LineSearchOptions<P> {
  /** Largest share of the slope that may be left. Default 0.9, the value for quasi-Newton directions (same section). */
  readonly curvature?: number;
}

const isFinitePoint = ({ value, slope }: SearchPoint): boolean => Number.isFinite(value) && Number.isFinite(slope);

/** A search that has begun. */
interface Begun<P extends SearchPoint> {
  readonly start: P;
  readonly first: number;
  readonly evaluations: number;
  readonly rise: number;
  /** φ(t) ≤ φ(0) + c₁ t φ′(0), up to rounding. */
  readonly isLow: (point: P) => boolean;
}

async function begin<P extends SearchPoint>(
  op: string,
  at: Along<P>,
  options: LineSearchOptions<P>,
): Promise<Begun<P> | null> {
  const { first = 1, decrease = 1e-4, evaluations = 50, rounding = 0 } = options;
  requireWithin(op, "first", first, Number.MIN_VALUE, Infinity);
  requireWithin(op, "decrease", decrease, 0, 1);
  requireWhole(op, "evaluations", evaluations, 1);
  requireWithin(op, "rounding", rounding, 0, 1);
  const start = options.start ?? (await at(0));
  if (!(isFinitePoint(start) && start.slope < 0)) return null;
  const rise = rounding * Math.abs(start.value);
  const isLow = (point: P): boolean =>
    isFinitePoint(point) && point.value <= start.value + decrease * point.t * start.slope + rise;
  return { start, first, evaluations, rise, isLow };
}

/**
 * Halves the distance until the value has fallen enough, φ(t) ≤ φ(0) + decrease·t·φ′(0) (Armijo 1966; Nocedal and
 * Wright, algorithm 3.1). Null where that never happens, and where the slope at 0 does not fall.
 *
 * @example
 * const found = await backtracking((t) => ({ t, value: (t - 3) ** 2, slope: 2 * (t - 3) }), { first: 16 });
 * console.log(found?.t); // 4
 */
export async function backtracking<P extends SearchPoint>(
  at: Along<P>,
  options: LineSearchOptions<P> = {},
): Promise<P | null> {
  const begun = await begin("backtracking", at, options);
  if (!begun) return null;
  for (let [t, count] = [begun.first, 0]; count < begun.evaluations; t /= 2, count++) {
    const point = await at(t);
    if (begun.isLow(point)) return point;
  }
  return null;
}

/**
 * A distance at which the value has fallen enough and the slope has flattened, |φ′(t)| ≤ curvature·|φ′(0)|: the distance
 * grows until such points are bracketed, then the bracket shrinks (Nocedal and Wright, algorithms 3.5 and 3.6). Where
 * evaluations run out, the lowest point that has fallen enough; null where there is none.
 *
 * @example
 * const found = await strongWolfe((t) => ({ t, value: (t - 3) ** 2, slope: 2 * (t - 3) }), { curvature: 0.1 });
 * console.log(Math.abs(found!.t - 3) < 0.3); // true
 */
export async function strongWolfe<P extends SearchPoint>(
  at: Along<P>,
  options: WolfeOptions<P> = {},
): Promise<P | null> {
  const { curvature = 0.9 } = options;
  requireWithin("strongWolfe", "curvature", curvature, 0, 1);
  const begun = await begin("strongWolfe", at, options);
  if (!begun) return null;
  const { start, first, evaluations, isLow } = begun;
  const isFlat = ({ slope }: P): boolean => Math.abs(slope) <= -curvature * start.slope;
  let before = start;
  let t = first;
  for (let count = 1; count <= evaluations; count++) {
    const point = await at(t);
    const rest = { ...begun, evaluations: evaluations - count };
    if (!isLow(point)) return zoom(at, before, point, isFlat, rest);
    if (isFlat(point)) return point;
    if (point.slope >= 0 || (count > 1 && point.value >= before.value)) return zoom(at, point, before, isFlat, rest);
    before = point;
    // Algorithm 3.5 leaves the growth open; 4 crosses a bad scale of the first step in few evaluations.
    t *= 4;
  }
  return before === start ? null : before;
}

/** Shrinks the bracket between `low`, the lower end, and `high`. */
async function zoom<P extends SearchPoint>(
  at: Along<P>,
  low: P,
  high: P,
  isFlat: (point: P) => boolean,
  { start, evaluations, rise, isLow }: Begun<P>,
): Promise<P | null> {
  for (let count = 0; count < evaluations; count++) {
    const point = await at(between(low, high));
    if (!isLow(point) || point.value > low.value + rise) {
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
export function between(a: SearchPoint, b: SearchPoint): number {
  const width = b.t - a.t;
  const middle = a.t + width / 2;
  if (!isFinitePoint(a) || !isFinitePoint(b)) return middle;
  const d1 = a.slope + b.slope - (3 * (a.value - b.value)) / (a.t - b.t);
  const d2 = Math.sign(width) * Math.sqrt(d1 * d1 - a.slope * b.slope);
  const share = 1 - (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2);
  return share >= 0.1 && share <= 0.9 ? a.t + share * width : middle;
}

export interface LogSearchOptions {
  /** The smallest and the largest rate. Default 1e-6 and 1. */
  readonly from?: number;
  readonly to?: number;
  /** Rates, both ends included. Default 7: one for every power of ten. */
  readonly steps?: number;
}

/** The best of a grid of rates, and the grid. */
export interface LogSearch {
  readonly rate: number;
  readonly value: number;
  readonly rates: readonly number[];
  readonly values: readonly number[];
}

/**
 * Tries rates that are spaced evenly in their logarithm, and takes the one of least value. A value that is not finite
 * loses. Needs no slope, so that a value may be anything: φ(t), or the loss after some epochs. Throws `ValueError` where
 * no value is finite.
 *
 * @example
 * const { rate } = await logSearch((rate) => (rate - 0.01) ** 2, { from: 1e-4, to: 1, steps: 5 });
 * console.log(rate.toFixed(4)); // 0.0100
 */
export async function logSearch(
  valueOf: (rate: number) => number | Promise<number>,
  { from = 1e-6, to = 1, steps = 7 }: LogSearchOptions = {},
): Promise<LogSearch> {
  requireWithin("logSearch", "from", from, Number.MIN_VALUE, Infinity);
  requireWithin("logSearch", "to", to, from, Infinity);
  requireWhole("logSearch", "steps", steps, 2);
  const rates = Array.from({ length: steps }, (_, i) => (i === steps - 1 ? to : from * (to / from) ** (i / (steps - 1))));
  const values: number[] = [];
  for (const rate of rates) values.push(await valueOf(rate));
  const ranks = values.map((value) => (Number.isFinite(value) ? value : Infinity));
  const value = Math.min(...ranks);
  if (value === Infinity) {
    throw new ValueError("logSearch", `no value is finite between the rates ${from} and ${to}`, {
      received: values, hint: "try smaller rates, or look at the function",
    });
  }
  return { rate: rates[ranks.indexOf(value)]!, value, rates, values };
}

/** A point along a direction, with the parameters there. */
export interface PlaceAlong<P> extends SearchPoint {
  readonly params: P;
}

/**
 * φ(t) = f(params + t·direction), for a search: `f` gives a value and a gradient, as `valueAndGrad` of a loss does, and
 * is compiled. Only float tensors are moved.
 *
 * @example
 * const f = valueAndGrad(loss);
 * const [, gradient] = f(params);
 * const found = await backtracking(along(f, params, mapTree(neg, gradient)));
 */
export function along<P>(
  f: (params: P) => readonly [value: Tensor, gradient: P],
  params: P,
  direction: P,
): (t: number) => Promise<PlaceAlong<P>> {
  const step = compile(
    (from: P, towards: P, t: Tensor<[]>) => {
      const distance = perDType((dtype) => cast(t, dtype));
      const there = mapTree((p, d) => (isFloat(p) ? add(p, mul(d!, distance(p.dtype))) : p), from, towards);
      const [value, gradient] = f(there);
      const shares = treeLeaves(mapTree((d, g) => (isFloat(d) ? cast(sum(mul(d, g!)), t.dtype) : d), towards, gradient));
      return [there, value, shares.filter(isFloat).reduce<Tensor>((a, b) => add(a, b), mul(t, 0))] as const;
    },
    { name: "along" },
  );
  const dtype = sharedDType(Object.fromEntries(treeLeaves(params).entries()));
  return async (t) => {
    const [there, value, slope] = step(params, direction, full([], t, { dtype }));
    return { t, value: await value.item(), slope: await slope.item(), params: there };
  };
}
