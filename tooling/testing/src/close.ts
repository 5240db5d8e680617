/** Comparison of element lists, for tests. */
import { expect } from "vitest";

/** How far apart two numbers may be: absolute + relative · |wanted|. */
export interface Tolerance {
  readonly relative?: number;
  readonly absolute?: number;
}

/** Where two lists differ: the first and the worst element, and how many differ. */
export interface Difference {
  readonly first: number;
  readonly worst: number;
  /** Distance of the worst element, in tolerances. */
  readonly excess: number;
  readonly count: number;
}

/**
 * What differs by more than absolute + relative·|wanted|, or null for nothing; NaN equals NaN, ∞ equals ∞, −0 equals 0.
 */
export function differenceOf(
  got: ArrayLike<number>,
  wanted: ArrayLike<number>,
  { relative = 1e-10, absolute = 1e-12 }: Tolerance = {},
): Difference | null {
  let [first, worst, most, count] = [-1, -1, 0, 0];
  for (let i = 0; i < wanted.length; i++) {
    const [a, b] = [got[i]!, wanted[i]!];
    if (Object.is(a, b) || a === b) continue;
    const ratio = Math.abs(a - b) / (absolute + relative * Math.abs(b));
    const excess = Number.isNaN(ratio) ? Infinity : ratio;
    if (excess <= 1) continue;
    if (count++ === 0) first = i;
    if (excess > most) [worst, most] = [i, excess];
  }
  return count === 0 ? null : { first, worst, excess: most, count };
}

/** Fails with the worst element unless |got − wanted| ≤ absolute + relative·|wanted|; NaN equals NaN, ∞ equals ∞. */
export function expectClose(
  got: ArrayLike<number>,
  wanted: ArrayLike<number>,
  tolerance: Tolerance = {},
  what = "",
): void {
  expect(got.length, `${what}: number of elements`).toBe(wanted.length);
  const difference = differenceOf(got, wanted, tolerance);
  if (!difference) return;
  const { worst, excess } = difference;
  expect.fail(`${what}: element ${worst} is ${got[worst]}, expected ${wanted[worst]} (${excess.toPrecision(3)}× the tolerance)`);
}
