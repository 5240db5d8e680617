/* eslint-disable @typescript-eslint/no-explicit-any -- what a case holds depends on its op, and the tests say what they expect */
/** Reading the fixtures and comparing with them, shared by the tests of this package. */
import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { type Tensor, tensor } from "@dormouse/tensor";

/** Numbers of a case by name; each test knows what it finds. */
export interface OracleCase {
  readonly id: string;
  readonly op: string;
  readonly kind: string;
  readonly in: any;
  readonly expected: any;
  readonly tol: any;
  readonly [attribute: string]: any;
}

export const casesOf = (file: string, op?: string): readonly OracleCase[] => {
  const url = new URL(`./fixtures/${file}.json`, import.meta.url);
  const { cases } = JSON.parse(readFileSync(url, "utf8")) as { cases: OracleCase[] };
  return op === undefined ? cases : cases.filter((each) => each.op === op);
};

export const double = (data: any): Tensor => tensor(data as number[], { dtype: "float64" });
export const int = (data: any): Tensor => tensor(data as number[], { dtype: "int32" });

export interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
}

/** Fails unless every number is as near as the tolerance says. */
export function expectClose(got: ArrayLike<number> | number, wanted: any, { rtol, atol }: Tolerance, what = ""): void {
  const [a, b] = [typeof got === "number" ? [got] : Array.from(got), typeof wanted === "number" ? [wanted] : (wanted as number[])];
  expect(a.length, `${what}: how many`).toBe(b.length);
  b.forEach((value, i) => {
    if (!(Math.abs(a[i]! - value) <= atol + rtol * Math.abs(value))) expect.fail(`${what}[${i}] is ${a[i]}, expected ${value}`);
  });
}
