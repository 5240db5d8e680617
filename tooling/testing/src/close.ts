/** Comparison of element lists, for tests. */
import { expect } from "vitest";

/** How far apart two numbers may be: absolute + relative · |wanted|. */
export interface Tolerance {
  readonly relative?: number;
  readonly absolute?: number;
}

/** Fails with the worst element unless |got − wanted| ≤ absolute + relative·|wanted|; NaN equals NaN, ∞ equals ∞. */
export function expectClose(
  got: ArrayLike<number>,
  wanted: ArrayLike<number>,
  { relative = 1e-10, absolute = 1e-12 }: Tolerance = {},
  what = "",
): void {
  expect(got.length, `${what}: number of elements`).toBe(wanted.length);
  let worst = { excess: 0, at: -1 };
  for (let i = 0; i < wanted.length; i++) {
    const [a, b] = [got[i]!, wanted[i]!];
    if (Object.is(a, b) || a === b) continue;
    const difference = Math.abs(a - b) / (absolute + relative * Math.abs(b));
    const excess = Number.isNaN(difference) ? Infinity : difference;
    if (excess > Math.max(1, worst.excess)) worst = { excess, at: i };
  }
  if (worst.at >= 0) {
    expect.fail(`${what}: element ${worst.at} is ${got[worst.at]}, expected ${wanted[worst.at]} (${worst.excess.toPrecision(3)}× the tolerance)`);
  }
}
