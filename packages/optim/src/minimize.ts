/**
 * Minimizing a function of all the data with L-BFGS: few, long steps whose lengths are searched for. The host decides
 * every step from numbers that it reads, so this is an async function and no `Optimizer`; only the function itself runs
 * on the device. Directions and sums are float64 on the host, whatever the dtype of the parameters.
 */
import {
  type Tensor, type TreeStructure, ShapeError, ValueError, compile, findMismatch, fitsStructure, flattenTree, scopeAsync,
  tensor, unflattenTree,
} from "@dormouse/tensor";
import { type Search, type LineSearchOptions, backtracking, strongWolfe } from "./line-search.ts";
import { requireWhole, requireWithin } from "./options.ts";
import { isFloat } from "./transform.ts";

export interface MinimizeOptions {
  /** Steps remembered for the direction; 0 is steepest descent. Default 10. */
  readonly history?: number;
  /** Default 1000. */
  readonly maxSteps?: number;
  /** Converged once no element of the gradient is larger. Default 1e-8, and 1e-4 where a parameter is float32. */
  readonly tolerance?: number;
  /** Converged once no element of a step is larger than this share of max(1, largest parameter). Default 1e-14 or 1e-7. */
  readonly stepTolerance?: number;
  /**
   * How the length of a step is found: `strongWolfe` also asks that the slope flattens, so that every step teaches
   * curvature; `backtracking` only that the value falls. Default `strongWolfe`.
   */
  readonly lineSearch?: "strongWolfe" | "backtracking";
}

/** Where `minimize` stopped, and why. */
export interface Minimum<P> {
  readonly params: P;
  readonly value: number;
  /** Largest element of the gradient. */
  readonly gradientNorm: number;
  readonly steps: number;
  /** How often the function was computed. */
  readonly evaluations: number;
  /** Whether a tolerance was met. */
  readonly converged: boolean;
  /** `gradient` and `step`: the tolerance met; `steps`: out of steps; `lineSearch`: no lower value found downhill. */
  readonly reason: "gradient" | "step" | "steps" | "lineSearch";
}

const searches = { strongWolfe, backtracking } as const;
/** The function at a place; along a search also the distance and the slope. */
interface Place {
  readonly x: Float64Array;
  readonly value: number;
  readonly gradient: Float64Array;
}
interface PlaceAlong extends Place {
  readonly t: number;
  readonly slope: number;
}

/** A step and how it changed the gradient. */
interface Pair {
  readonly s: Float64Array;
  readonly y: Float64Array;
  readonly sy: number;
  readonly yy: number;
}

/**
 * Minimizes a smooth function of a tree of parameters with L-BFGS (Nocedal and Wright 2006, algorithms 7.4 and 7.5).
 * `f` returns the value, a scalar, and the gradient, a tree like the parameters: what `valueAndGrad` of a loss makes. It
 * is compiled. Float tensors are varied, everything else is handed through. Throws `ValueError` where the value or the
 * gradient is not finite at the start, and where the gradient does not fit the parameters.
 *
 * ```ts
 * const { params, value, reason } = await minimize(valueAndGrad(loss), { w, b }, { tolerance: 1e-6 });
 * ```
 */
export async function minimize<P>(
  f: (params: P) => readonly [value: Tensor, gradient: P],
  params: P,
  options: MinimizeOptions = {},
): Promise<Minimum<P>> {
  const vector = vectorOf(params);
  const isSingle = vector.leaves.some(({ dtype }) => dtype === "float32");
  const { history = 10, maxSteps = 1000, tolerance = isSingle ? 1e-4 : 1e-8 } = options;
  const { stepTolerance = isSingle ? 1e-7 : 1e-14, lineSearch = "strongWolfe" } = options;
  requireWhole("minimize", "history", history, 0);
  requireWhole("minimize", "maxSteps", maxSteps, 0);
  requireWithin("minimize", "tolerance", tolerance, 0, Infinity);
  requireWithin("minimize", "stepTolerance", stepTolerance, 0, Infinity);
  const search: Search | undefined = searches[lineSearch];
  if (!search) {
    throw new ValueError("minimize", `lineSearch is ${JSON.stringify(lineSearch)}`, {
      expected: Object.keys(searches), received: lineSearch, hint: `use "strongWolfe" or "backtracking"`,
    });
  }
  const limits = { rounding: isSingle ? 2 ** -22 : 2 ** -51 };
  const compiled = compile(f, { name: "minimize" });
  let evaluations = 0;
  const evaluateAt = (x: Float64Array): Promise<Place> => {
    evaluations++;
    return scopeAsync(async (track) => placeOf(vector, x, track(() => compiled(treeAt(vector, x) as P))));
  };

  let place = await evaluateAt(await readVector(vector));
  if (!Number.isFinite(place.value) || !place.gradient.every(Number.isFinite)) {
    throw new ValueError("minimize", `the value is ${place.value} and the largest slope ${largest(place.gradient)} at the start`, {
      expected: "finite numbers", received: place.value, hint: "start where the function and its gradient are finite",
    });
  }
  let pairs: readonly Pair[] = [];
  let moved = Infinity;
  for (let steps = 0; ; steps++) {
    const gradientNorm = largest(place.gradient);
    const end = (reason: Minimum<P>["reason"]): Minimum<P> => ({
      params: treeAt(vector, place.x) as P,
      value: place.value,
      gradientNorm,
      steps,
      evaluations,
      converged: reason === "gradient" || reason === "step",
      reason,
    });
    if (gradientNorm <= tolerance) return end("gradient");
    if (moved <= stepTolerance * Math.max(1, largest(place.x))) return end("step");
    if (steps === maxSteps) return end("steps");
    let next = await stepFrom(place, pairs, search, limits, vector, evaluateAt);
    if (!next && pairs.length > 0) {
      // What was learnt far away may mislead: one more search straight downhill.
      pairs = [];
      next = await stepFrom(place, pairs, search, limits, vector, evaluateAt);
    }
    if (!next) return end("lineSearch");
    const [s, y] = [difference(next.x, place.x), difference(next.gradient, place.gradient)];
    const [sy, yy] = [dot(s, y), dot(y, y)];
    // A pair without positive curvature would make directions that climb.
    if (history > 0 && sy > Number.EPSILON * yy) pairs = [...pairs, { s, y, sy, yy }].slice(-history);
    moved = largest(s);
    place = next;
  }
}

/** Searches along the quasi-Newton direction. */
async function stepFrom(
  place: Place,
  pairs: readonly Pair[],
  search: Search,
  limits: LineSearchOptions<PlaceAlong>,
  vector: Vector,
  evaluateAt: (x: Float64Array) => Promise<Place>,
): Promise<PlaceAlong | null> {
  const direction = directionAt(place.gradient, pairs);
  const slope = dot(direction, place.gradient);
  if (!(slope < 0)) return null;
  const at = async (t: number): Promise<PlaceAlong> => {
    const there = await evaluateAt(rounded(vector, place.x.map((x, i) => x + t * direction[i]!)));
    return { ...there, t, slope: dot(direction, there.gradient) };
  };
  // Without curvature the gradient has the wrong unit: begin with a step of length 1 at most.
  const first = pairs.length > 0 ? 1 : Math.min(1, 1 / Math.sqrt(-slope));
  return search(at, { ...limits, start: { ...place, t: 0, slope }, first });
}

/** −H g by the two-loop recursion, H starting as s·y / y·y of the latest pair. */
function directionAt(gradient: Float64Array, pairs: readonly Pair[]): Float64Array {
  const direction = gradient.map((g) => -g);
  const weights = pairs.map(() => 0);
  for (let i = pairs.length - 1; i >= 0; i--) {
    const { s, y, sy } = pairs[i]!;
    weights[i] = dot(s, direction) / sy;
    addScaled(direction, y, -weights[i]!);
  }
  const latest = pairs.at(-1);
  if (latest) direction.forEach((d, i) => (direction[i] = (d * latest.sy) / latest.yy));
  pairs.forEach(({ s, y, sy }, i) => addScaled(direction, s, weights[i]! - dot(y, direction) / sy));
  return direction;
}

/** Where the float tensors of a tree go in one vector. */
interface Vector {
  readonly structure: TreeStructure;
  /** Every tensor of the tree. */
  readonly leaves: readonly Tensor[];
  /** Where each begins in the vector; null for one that is not varied. */
  readonly offsets: readonly (number | null)[];
  readonly length: number;
}

function vectorOf(params: unknown): Vector {
  const { leaves, structure } = flattenTree(params);
  let length = 0;
  const offsets = leaves.map((leaf) => {
    if (!isFloat(leaf)) return null;
    length += leaf.size;
    return length - leaf.size;
  });
  return { structure, leaves, offsets, length };
}

async function join({ offsets, length }: Vector, leaves: readonly Tensor[]): Promise<Float64Array> {
  const parts = await Promise.all(leaves.map(async (leaf, i) => (offsets[i] === null ? [] : leaf.data())));
  const x = new Float64Array(length);
  parts.forEach((part, i) => x.set(part as ArrayLike<number>, offsets[i] ?? 0));
  return x;
}

const readVector = (vector: Vector): Promise<Float64Array> => join(vector, vector.leaves);

/** The tree of new tensors that hold the numbers of a vector. */
const treeAt = ({ structure, leaves, offsets }: Vector, x: Float64Array): unknown =>
  unflattenTree(
    structure,
    leaves.map((leaf, i) => {
      const from = offsets[i]!;
      if (from === null) return leaf;
      const part = x.slice(from, from + leaf.size);
      return tensor(leaf.dtype === "float32" ? Float32Array.from(part) : part, { shape: leaf.shape });
    }),
  );

/** Rounds to the dtypes of the parameters, so that steps are measured between places where the function was computed. */
function rounded({ leaves, offsets }: Vector, x: Float64Array): Float64Array {
  leaves.forEach(({ dtype, size }, i) => {
    const from = offsets[i]!;
    if (from === null || dtype !== "float32") return;
    x.set(Float32Array.from(x.subarray(from, from + size)), from);
  });
  return x;
}

/** Reads a value and a gradient. */
async function placeOf(vector: Vector, x: Float64Array, result: readonly [Tensor, unknown]): Promise<Place> {
  const [value, gradient] = result;
  if (value.size !== 1) {
    throw new ShapeError("minimize", `the value has shape [${value.shape.join(", ")}]`, {
      expected: [], received: value.shape, hint: "return a scalar, such as the mean of the losses",
    });
  }
  const slopes: Tensor[] = [];
  const fits = fitsStructure(vector.structure, gradient, slopes);
  const odd = fits ? vector.leaves.findIndex((leaf, i) => vector.offsets[i] !== null && slopes[i]!.size !== leaf.size) : 0;
  if (!fits || odd >= 0) {
    const { path, expected, received } = findMismatch(vector.structure, gradient) ?? {
      path: "", expected: `${vector.leaves[odd]!.size} elements`, received: `${slopes[odd]!.size}`,
    };
    throw new ValueError("minimize", `the gradient differs from the parameters${path && ` at ${path}`}: expected ${expected}, received ${received}`, {
      expected, received, hint: "give a function that returns [value, gradient]: valueAndGrad(loss)",
    });
  }
  const [numbers, slope] = await Promise.all([value.data(), join(vector, slopes)]);
  return { x, value: Number(numbers[0]), gradient: slope };
}

/** Largest absolute value: NaN where one is, 0 of nothing. */
const largest = (x: Float64Array): number => x.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const difference = (a: Float64Array, b: Float64Array): Float64Array => a.map((value, i) => value - b[i]!);
const dot = (a: Float64Array, b: Float64Array): number => a.reduce((total, value, i) => total + value * b[i]!, 0);
const addScaled = (target: Float64Array, x: Float64Array, scale: number): void =>
  x.forEach((value, i) => void (target[i]! += scale * value));
