/** Comparison of element lists and the reading of fixtures, shared by the tests of this package. */
import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { type Tensor, tensor } from "@dormouse/tensor";

export interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
}

export interface Array64 {
  readonly shape: readonly number[];
  readonly data: readonly (number | string)[];
}

/** A function at a point: inputs, outputs, cotangents and gradients by name. */
export interface OracleCase {
  readonly id: string;
  readonly op: string;
  readonly attrs?: Readonly<Record<string, unknown>>;
  readonly in: Readonly<Record<string, Array64>>;
  readonly out: Readonly<Record<string, Array64>>;
  readonly diff?: readonly string[];
  readonly cot?: Readonly<Record<string, Array64>>;
  readonly grad?: Readonly<Record<string, Array64>>;
  readonly tol: Tolerance;
}

export const fixture = <C>(name: string): readonly C[] =>
  (JSON.parse(readFileSync(new URL(`./fixtures/${name}.json`, import.meta.url), "utf8")) as { cases: readonly C[] }).cases;

const numbers = ({ data }: Array64): number[] => data.map(Number);

export const toTensor = (array: Array64): Tensor => tensor(Float64Array.from(numbers(array)), { shape: array.shape });

/** Fails at the first element with |got − wanted| > atol + rtol·|wanted|; NaN equals NaN, ∞ equals ∞. */
export function expectClose(got: ArrayLike<number>, wanted: ArrayLike<number>, { rtol, atol }: Tolerance, what: string): void {
  expect(got.length, `${what}: number of elements`).toBe(wanted.length);
  for (let i = 0; i < wanted.length; i++) {
    const [a, b] = [got[i]!, wanted[i]!];
    if (Object.is(a, b) || a === b) continue;
    if (!(Math.abs(a - b) <= atol + rtol * Math.abs(b))) expect.fail(`${what}: element ${i} is ${a}, expected ${b}`);
  }
}

/** Fails unless `got` has the shape and the elements of `wanted`. */
export async function expectTensor(got: Tensor, wanted: Array64, tolerance: Tolerance, what: string): Promise<void> {
  expect(got.shape, what).toEqual(wanted.shape);
  expectClose(await got.data(), numbers(wanted), tolerance, what);
}
