/** What tests of `linalg` share: random batches of matrices, products on the host, and a loop over the devices. */
import { cpu } from "@dormouse/backend-cpu";
import { reference } from "@dormouse/backend-cpu/reference";
import { afterAll, describe, expect } from "vitest";
import { type Shape, type Tensor, add, matmul, mul, setDevice, tensor, transpose } from "../../src/index.ts";
import { sizeOf } from "../../src/core/shape.ts";

export type Float = "float32" | "float64";
/** What is left of ε·size after a reconstruction. */
export const tolerances = { float64: 1e-12, float32: 1e-5 } as const;
export const sizes = [0, 1, 2, 3, 5, 17, 33] as const;

const devices = { reference: await reference(), cpu: await cpu({ threads: 2 }) };

/** Declares tests once for each device. */
export function onDevices(tests: (name: "reference" | "cpu") => void): void {
  afterAll(() => devices.cpu[Symbol.asyncDispose]());
  describe.each(["reference", "cpu"] as const)("%s", tests);
}
/** To be called at the start of a test. */
export const use = (name: "reference" | "cpu"): void => void setDevice(devices[name]);

/** A reproducible tensor of numbers in [-1, 1). */
export function random(shape: Shape, dtype: Float = "float64", seed = 1): Tensor {
  let state = (seed * 7919 + sizeOf(shape)) >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 31 - 1;
  };
  return tensor(Float64Array.from({ length: sizeOf(shape) }, next), { shape: [...shape], dtype });
}

/** The identity as rows, in a shape [.., n, n]. */
export function identity(shape: Shape, dtype: Float = "float64"): Tensor {
  const n = shape.at(-1)!;
  const elements = Float64Array.from({ length: sizeOf(shape) }, (_, at) => (Math.floor(at / n) % n === at % n ? 1 : 0));
  return tensor(elements, { shape: [...shape], dtype });
}

/** Symmetric matrices with eigenvalues of at least `least`. */
export const positive = (shape: Shape, dtype: Float = "float64", least = 1): Tensor => {
  const x = random(shape, dtype, 3);
  return add(matmul(x, transpose(x)), mul(identity(shape, dtype), least));
};

/** Fails where two tensors differ by more than `tolerance` of the largest element, or 1. */
export async function expectSame(actual: Tensor, wanted: Tensor, tolerance: number): Promise<void> {
  expect(actual.shape).toEqual(wanted.shape);
  expect(actual.dtype).toBe(wanted.dtype);
  const [got, want] = [await actual.data(), await wanted.data()];
  const size = Math.max(1, ...want.map(Math.abs));
  let worst = 0;
  got.forEach((x, i) => (worst = Math.max(worst, Math.abs(x - want[i]!) / size, Number.isNaN(x) ? Infinity : 0)));
  expect(worst).toBeLessThanOrEqual(tolerance);
}

/** Fails unless the columns of x are orthonormal. */
export const expectOrthonormal = (x: Tensor, tolerance: number): Promise<void> => {
  const gram = matmul(transpose(x), x);
  return expectSame(gram, identity(gram.shape, x.dtype as Float), tolerance);
};

