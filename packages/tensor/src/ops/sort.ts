/**
 * Order: sorting, the largest few, medians and quantiles, places in a sorted list, counts per value. Everything
 * comes from one stable `argsort`; NaN counts as the largest value.
 */
import { DTypeError, ShapeError, ValueError } from "../core/errors.ts";
import { isFloat, isInteger } from "../core/dtype.ts";
import { primitive } from "../core/primitives.ts";
import { axesOf, sameShape, showShape, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { clampedIndex, flat, flatPositions } from "./indices.ts";
import { type AxisOption, takeAlongAxis } from "./indexing.ts";
import { minus, requireCount, scaled, shifted, stopped } from "./pieces.ts";
import { positionOf } from "./axes.ts";
import { cut } from "./movement.ts";
import { filledLike, requireFloat } from "./operands.ts";

/** Sorted or selected elements and where they were. */
export interface Sorted {
  readonly values: Tensor;
  /** int32 positions along the axis. */
  readonly indices: Tensor;
}

export interface SortOptions extends AxisOption {
  /** Largest first. Default false. */
  readonly descending?: boolean;
}

/** int32 positions that sort `axis` (default -1). Equal elements keep their order, in both directions. */
export const argsort = (x: Tensor, { axis = -1, descending = false }: SortOptions = {}): Tensor =>
  primitive.argsort(x, positionOf("argsort", axis, x.shape), descending);

/** `x` sorted along `axis` (default -1), with the positions. Stable; NaN last, or first where descending. */
export function sort(x: Tensor, { axis = -1, descending = false }: SortOptions = {}): Sorted {
  const at = positionOf("sort", axis, x.shape);
  const indices = primitive.argsort(x, at, descending);
  return { values: takeAlongAxis(x, indices, { axis: at }), indices };
}

export interface TopKOptions extends AxisOption {
  /** False for the k smallest. Default true. */
  readonly largest?: boolean;
}

/** The `k` largest (or smallest) elements along `axis` (default -1), in order, with their positions. */
export function topK(x: Tensor, k: number, { axis = -1, largest = true }: TopKOptions = {}): Sorted {
  const at = positionOf("topK", axis, x.shape);
  const length = x.shape[at]!;
  requireCount("topK", "k", k, 0);
  if (k > length) {
    throw new ValueError("topK", `k is ${k} and axis ${at} of shape ${showShape(x.shape)} has ${length} elements`, {
      expected: length,
      received: k,
      hint: `use a k of at most ${length}`,
    });
  }
  const indices = cut(primitive.argsort(x, at, largest), at, 0, k);
  return { values: takeAlongAxis(x, indices, { axis: at }), indices };
}

export interface SelectionOptions {
  /** The axis that goes away; null (default) for all elements. */
  readonly axis?: number | null;
  /** Keeps the axis with length 1. */
  readonly keepDims?: boolean;
}

/** Sorted lanes of `x` with the axis last, NaN everywhere in a lane that holds one, and the shape of a result. */
function sortedLanes(
  op: string,
  x: Tensor,
  { axis = null, keepDims = false }: SelectionOptions,
): { lanes: Tensor; shape: number[] } {
  const at = axis === null ? 0 : positionOf(op, axis, x.shape);
  const source = axis === null ? flat(x) : x;
  const length = source.shape[at]!;
  if (length === 0) {
    throw new ShapeError(
      op,
      `no elements along ${axis === null ? "any axis" : `axis ${at}`} of shape ${showShape(x.shape)}`,
      {
        received: x.shape,
        hint: "give at least one element",
      },
    );
  }
  const rest = axesOf(source.rank).filter((other) => other !== at);
  const last = primitive.permute(source, [...rest, at]);
  const { values } = sort(last);
  const shape = keepDims
    ? axis === null ? x.shape.map(() => 1) : x.shape.with(at, 1)
    : rest.map((other) => source.shape[other]!);
  if (!isFloat(x.dtype)) return { lanes: values, shape };
  const greatest = cut(values, last.rank - 1, length - 1, length);
  const isNumber = primitive.equal(greatest, greatest);
  const lengths = axesOf(last.rank - 1);
  const everywhere = primitive.broadcast(
    primitive.reshape(isNumber, last.shape.slice(0, -1)),
    last.shape,
    lengths,
  );
  return { lanes: primitive.where(everywhere, values, filledLike(values, NaN)), shape };
}

/**
 * The median along `axis` (default: of all elements), the lower of the two middle ones where their number is even,
 * as PyTorch has it. NaN where any element is. `quantile(x, 0.5)` is the mean of the middle two.
 */
export function median(x: Tensor, options: SelectionOptions = {}): Tensor {
  const { lanes, shape } = sortedLanes("median", x, options);
  const middle = (lanes.shape.at(-1)! - 1) >> 1;
  return primitive.reshape(cut(lanes, lanes.rank - 1, middle, middle + 1), shape);
}

/**
 * The value below which a share `q` of the elements along `axis` (default: of all) lies, linear between neighbors:
 * position `q·(n - 1)` of the sorted elements. Several shares give a new first axis. NaN where any element is.
 */
export function quantile(x: Tensor, q: number | readonly number[], options: SelectionOptions = {}): Tensor {
  requireFloat("quantile", x);
  const { lanes, shape } = sortedLanes("quantile", x, options);
  const one = (share: number): Tensor => {
    if (!(share >= 0 && share <= 1)) {
      throw new ValueError("quantile", `q is ${share}`, {
        expected: "0..1",
        received: share,
        hint: "use shares from 0 to 1",
      });
    }
    const place = share * (lanes.shape.at(-1)! - 1);
    const low = Math.floor(place);
    const at = (k: number): Tensor => primitive.reshape(cut(lanes, lanes.rank - 1, k, k + 1), shape);
    const below = at(low);
    return place === low ? below : primitive.add(below, scaled(minus(at(low + 1), below), place - low));
  };
  if (typeof q === "number") return one(q);
  if (q.length === 0) throw new ValueError("quantile", "q is empty", { received: q, hint: "give at least one share" });
  return primitive.concat(q.map((share) => primitive.reshape(one(share), [1, ...shape])), 0);
}

export interface SearchOptions {
  /** `left` (default): first place that keeps the order; `right`: the last one. */
  readonly side?: "left" | "right";
}

/**
 * Where `values` would be inserted into `sorted`, whose last axis ascends: int32 in 0..n. `sorted` has one axis, or
 * the leading axes of `values`. NaN goes to the end. A binary search of ⌈log2(n + 1)⌉ gathers.
 */
export function searchSorted(sorted: Tensor, values: Tensor, { side = "left" }: SearchOptions = {}): Tensor {
  if (sorted.dtype !== values.dtype) {
    throw new DTypeError("searchSorted", `${sorted.dtype} and ${values.dtype} do not mix`, {
      expected: sorted.dtype,
      received: values.dtype,
      hint: `cast one: cast(values, "${sorted.dtype}")`,
    });
  }
  const lead = sorted.shape.slice(0, -1);
  if (sorted.rank === 0 || (sorted.rank > 1 && !sameShape(lead, values.shape.slice(0, -1)))) {
    throw new ShapeError(
      "searchSorted",
      `sorted ${showShape(sorted.shape)} and values ${showShape(values.shape)} do not fit`,
      {
        expected: [...lead, "n"],
        received: values.shape,
        hint: "give one sorted axis, or equal leading axes",
      },
    );
  }
  const length = sorted.shape.at(-1)!;
  const elements = flat(sorted);
  const elementAt = (place: Tensor): Tensor => {
    const inside = clampedIndex(place, length);
    const isOne = sorted.rank === 1;
    return primitive.gather(elements, isOne ? inside : flatPositions(inside, sorted.rank - 1, sorted.shape));
  };
  // `base` is how many elements are known to come before; each round tries to skip `stride` more.
  let base = primitive.constant(0, values.shape, "int32");
  for (let stride = 2 ** Math.floor(Math.log2(Math.max(1, length))); length > 0 && stride >= 1; stride /= 2) {
    const next = shifted(base, stride);
    const element = elementAt(shifted(next, -1));
    // The negations send NaN to the end.
    const staysBefore = side === "left" ? primitive.lessEqual(values, element) : primitive.less(values, element);
    const kept = primitive.where(staysBefore, base, next);
    base = primitive.where(primitive.less(filledLike(next, length), next), base, kept);
  }
  return base;
}

export interface CountOptions {
  /** Adds these instead of ones; the counts take their dtype. */
  readonly weights?: Tensor;
}

/**
 * How often each of 0 … length - 1 occurs in an integer tensor: int32 `[length]`. The length is an argument because
 * a shape cannot depend on values; elements outside are not counted.
 */
export function bincount(x: Tensor, length: number, { weights }: CountOptions = {}): Tensor {
  requireCount("bincount", "length", length, 0);
  if (!isInteger(x.dtype)) {
    throw new DTypeError("bincount", `${x.dtype} is not supported`, {
      expected: "int32",
      received: x.dtype,
      hint: `cast it: cast(x, "int32")`,
    });
  }
  if (weights && !sameShape(weights.shape, x.shape)) {
    throw new ShapeError("bincount", `weights ${showShape(weights.shape)} for elements ${showShape(x.shape)}`, {
      expected: x.shape,
      received: weights.shape,
      hint: "give one weight per element",
    });
  }
  const index = flat(primitive.cast(x, "int32"));
  const updates = weights ? flat(weights) : primitive.constant(1, [sizeOf(x.shape)], "int32");
  return primitive.scatterAdd(updates, index, length);
}

export interface HistogramOptions {
  /** Ends of the first and the last bin. Default: the least and the greatest element. */
  readonly min?: number;
  readonly max?: number;
}

/**
 * Counts of elements in `bins` bins of equal width: int32 counts and the `bins + 1` edges. A bin holds its left edge,
 * the last one its right edge too; elements outside and NaN are not counted.
 */
export function histogram(
  x: Tensor,
  bins: number,
  { min, max }: HistogramOptions = {},
): { counts: Tensor; edges: Tensor } {
  requireFloat("histogram", x);
  requireCount("histogram", "bins", bins, 1);
  if (min !== undefined && max !== undefined && !(min < max)) {
    throw new ValueError("histogram", `min ${min} is not below max ${max}`, {
      received: [min, max],
      hint: "give a min below the max",
    });
  }
  const elements = flat(x);
  const greatest = (values: Tensor): Tensor => stopped(primitive.reduce(values, "max", [0]));
  const least = (values: Tensor): Tensor => primitive.neg(greatest(primitive.neg(values)));
  const low = min === undefined ? least(elements) : primitive.constant(min, [], x.dtype);
  const high = max === undefined ? greatest(elements) : primitive.constant(max, [], x.dtype);
  const everywhere = (value: Tensor): Tensor => primitive.broadcast(value, elements.shape, []);
  const width = minus(high, low);
  // One value only: a bin of width one around it, so that it is counted.
  const span = primitive.where(primitive.equal(width, filledLike(width, 0)), filledLike(width, 1), width);
  const place = scaled(primitive.div(minus(elements, everywhere(low)), everywhere(span)), bins);
  const isInside = primitive.where(
    primitive.lessEqual(everywhere(low), elements),
    primitive.lessEqual(elements, everywhere(high)),
    primitive.constant(0, elements.shape, "bool"),
  );
  const bin = primitive.cast(primitive.floor(place), "int32");
  const last = filledLike(bin, bins - 1);
  const atMostLast = primitive.where(primitive.less(bin, last), bin, last);
  const index = primitive.where(isInside, atMostLast, filledLike(bin, -1));
  const steps = scaled(primitive.iota(bins + 1, x.dtype), 1 / bins);
  const spread = (value: Tensor): Tensor => primitive.broadcast(value, steps.shape, []);
  return {
    counts: primitive.scatterAdd(primitive.constant(1, elements.shape, "int32"), index, bins),
    edges: primitive.add(spread(low), primitive.mul(steps, spread(span))),
  };
}
