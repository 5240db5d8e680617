/**
 * Index arithmetic: how movement operations turn the indices of a result into the indices of its source. Indices are
 * affine in the loop axes of the kernel that is being built. Where a reshape needs an index that is not, it asks for a
 * loop axis to be split (`SplitAxis`) or gives up (`null`), and the source gets a buffer of its own.
 */
import { type Shape, sizeOf, stridesOf } from "../core/shape.ts";
import type { Affine } from "./program.ts";

/** Thrown to have a loop axis replaced by two, the second of length `inner`. */
export class SplitAxis {
  readonly axis: number;
  readonly inner: number;
  constructor(axis: number, inner: number) {
    this.axis = axis;
    this.inner = inner;
  }
}

/** A number that does not depend on the loop axes. */
export const constantIndex = (offset: number, rank: number): Affine => ({
  offset,
  strides: new Array<number>(rank).fill(0),
});

/** Σ factors[i]·indices[i] + offset. */
export function combine(indices: readonly Affine[], factors: Shape, rank: number, offset = 0): Affine {
  const strides = new Array<number>(rank).fill(0);
  let total = offset;
  indices.forEach((index, i) => {
    const factor = factors[i]!;
    total += factor * index.offset;
    for (let axis = 0; axis < rank; axis++) strides[axis]! += factor * index.strides[axis]!;
  });
  return { offset: total, strides };
}

/** Smallest and largest value over loop axes of the given lengths (none of them 0). */
export function rangeOf(index: Affine, lengths: Shape): readonly [number, number] {
  let low = index.offset;
  let high = index.offset;
  index.strides.forEach((stride, axis) => {
    const reach = stride * (lengths[axis]! - 1);
    if (reach < 0) low += reach;
    else high += reach;
  });
  return [low, high];
}

/** The loop axes of a kernel, each original axis in one or more pieces. */
export class Nest {
  readonly #pieces: number[][];

  constructor(lengths: Shape) {
    this.#pieces = lengths.map((length) => [length]);
  }

  /** Lengths of the loop axes that stand for original axes [from, to). */
  lengths(from = 0, to = this.#pieces.length): number[] {
    return this.#pieces.slice(from, to).flat();
  }

  /** The index of every original axis, affine in the loop axes. */
  indices(): Affine[] {
    const rank = this.lengths().length;
    let first = 0;
    return this.#pieces.map((pieces) => {
      const strides = new Array<number>(rank).fill(0);
      stridesOf(pieces).forEach((stride, i) => (strides[first + i] = pieces[i] === 1 ? 0 : stride));
      first += pieces.length;
      return { offset: 0, strides };
    });
  }

  /** Does what a `SplitAxis` asks. */
  split({ axis, inner }: SplitAxis): void {
    let first = 0;
    for (const pieces of this.#pieces) {
      if (axis < first + pieces.length) {
        const at = axis - first;
        pieces.splice(at, 1, pieces[at]! / inner, inner);
        return;
      }
      first += pieces.length;
    }
  }
}

/** index = quotient·divisor + remainder, both affine; throws SplitAxis where a split would help; null where none can. */
function divide(index: Affine, divisor: number, lengths: Shape): readonly [Affine, Affine] | null {
  const quotient = index.strides.map((stride) => (stride % divisor === 0 ? stride / divisor : 0));
  const remainder = index.strides.map((stride) => (stride % divisor === 0 ? 0 : stride));
  const [low] = rangeOf({ offset: index.offset, strides: remainder }, lengths);
  const whole = Math.floor(low / divisor);
  const rest = { offset: index.offset - whole * divisor, strides: remainder };
  if (rangeOf(rest, lengths)[1] < divisor) return [{ offset: whole, strides: quotient }, rest];
  // The axis with the largest stride that steps over the divisor must be split there.
  let widest = -1;
  remainder.forEach((stride, axis) => {
    if (stride !== 0 && (widest < 0 || Math.abs(stride) > Math.abs(remainder[widest]!))) widest = axis;
  });
  const inner = divisor / Math.abs(remainder[widest]!);
  const length = lengths[widest]!;
  if (Number.isInteger(inner) && inner > 1 && inner < length && length % inner === 0) {
    throw new SplitAxis(widest, inner);
  }
  return null;
}

/** Indices into `from` that read the same elements as `indices` into its reshape `to`; null where they are not affine. */
export function reshapeIndices(
  indices: readonly Affine[],
  to: Shape,
  from: Shape,
  lengths: Shape,
): Affine[] | null {
  const rank = lengths.length;
  const result = from.map(() => constantIndex(0, rank));
  // Nothing is ever read from a tensor without elements.
  if (sizeOf(to) === 0) return result;
  let i = 0;
  let j = 0;
  while (i < to.length || j < from.length) {
    // One segment: the fewest axes on both sides with the same number of elements.
    const left = i < to.length ? [i++] : [];
    const right = j < from.length ? [j++] : [];
    let a = left.length > 0 ? to[left[0]!]! : 1;
    let b = right.length > 0 ? from[right[0]!]! : 1;
    while (a !== b) {
      if (a < b) {
        a *= to[i]!;
        left.push(i++);
      } else {
        b *= from[j]!;
        right.push(j++);
      }
    }
    const real = right.filter((axis) => from[axis] !== 1);
    const flat = combine(
      left.map((axis) => indices[axis]!),
      stridesOf(left.map((axis) => to[axis]!)),
      rank,
    );
    let rest = flat;
    for (const [n, axis] of real.entries()) {
      const below = sizeOf(real.slice(n + 1).map((inner) => from[inner]!));
      if (below === 1) {
        result[axis] = rest;
        break;
      }
      const parts = divide(rest, below, lengths);
      if (!parts) return null;
      result[axis] = parts[0];
      rest = parts[1];
    }
  }
  return result;
}
