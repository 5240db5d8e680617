/** Comparison of element lists and the reading of fixtures, shared by the tests of this package. */
import { readFileSync } from "node:fs";
import { expect } from "vitest";

/** How far apart two numbers may be: atol + rtol · |wanted|. */
export interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
}

/** Fails at the first element with |got − wanted| > atol + rtol·|wanted|. */
export function expectClose(got: ArrayLike<number>, wanted: ArrayLike<number>, { rtol, atol }: Tolerance, what: string): void {
  expect(got.length, `${what}: number of elements`).toBe(wanted.length);
  for (let i = 0; i < wanted.length; i++) {
    const [a, b] = [got[i]!, wanted[i]!];
    if (Object.is(a, b)) continue;
    if (!(Math.abs(a - b) <= atol + rtol * Math.abs(b))) expect.fail(`${what}: element ${i} is ${a}, expected ${b}`);
  }
}

export const fixture = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`./fixtures/${name}.json`, import.meta.url), "utf8")) as T;
