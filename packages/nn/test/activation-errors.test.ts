/** Errors of float32 activations that are made of several operations, in ulp, against the same in float64. */
import { beforeAll, expect, test } from "vitest";
import { cpu } from "@dormouse/backend-cpu";
import { type Tensor, setDevice, tensor } from "@dormouse/tensor";
import { gelu, silu } from "../src/index.ts";

beforeAll(async () => {
  setDevice(await cpu());
});

const spacing = (x: number): number => 2 ** (Math.floor(Math.log2(Math.max(Math.abs(x), 2 ** -126))) - 23);

/** The largest error on an interval, in ulp of the result and of the argument. */
async function errors(f: (x: Tensor) => Tensor, low: number, high: number): Promise<{ ofResult: number; ofArgument: number }> {
  const xs = Float32Array.from({ length: 50_000 }, (_, i) => low + ((high - low) * (i + 0.37)) / 50_000);
  const [got, wanted] = [await f(tensor(xs)).data(), await f(tensor(Float64Array.from(xs))).data()];
  const largest = (unit: (i: number) => number): number =>
    xs.reduce((most, _, i) => Math.max(most, Math.abs(got[i]! - wanted[i]!) / unit(i)), 0);
  return { ofResult: largest((i) => spacing(wanted[i]!)), ofArgument: largest((i) => spacing(xs[i]!)) };
}

test("gelu is right to 4 ulp from -1 on, and to 2 ulp of the argument where 1 + erf cancels", async () => {
  for (const f of [(x: Tensor) => gelu(x), (x: Tensor) => gelu(x, { kind: "tanh" })]) {
    expect((await errors(f, -1, 10)).ofResult).toBeLessThanOrEqual(4);
    expect((await errors(f, -10, 10)).ofArgument).toBeLessThanOrEqual(2);
  }
});

test("silu is right to 2.5 ulp on both sides", async () => {
  expect((await errors((x) => silu(x), -80, 80)).ofResult).toBeLessThanOrEqual(2.5);
  expect((await errors((x) => silu(x), -2, 2)).ofResult).toBeLessThanOrEqual(2.5);
});
