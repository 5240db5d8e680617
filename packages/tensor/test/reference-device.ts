/** Sets the reference backend as the device of a test file, and reads values back for comparison. */
import { createReferenceBackend } from "@dormouse/backend-cpu/reference";
import { expect } from "vitest";
import { type Tensor, setDevice } from "../src/index.ts";
import { Device } from "../src/run/device.ts";

export const useReference = (): void => void setDevice(new Device(createReferenceBackend()));

export const valuesOf = async (x: Tensor): Promise<number[]> => Array.from(await x.data());

/** Compares elementwise: relative or absolute error within `tolerance`, NaN equal to NaN, infinities exact. */
export async function expectValues(x: Tensor, expected: readonly number[], tolerance = 0): Promise<void> {
  const values = await valuesOf(x);
  expect(values).toHaveLength(expected.length);
  values.forEach((value, i) => {
    const wanted = expected[i]!;
    if (Object.is(value, wanted) || value === wanted) return;
    const error = Math.abs(value - wanted);
    expect(error, `element ${i}: ${value} for ${wanted}`).toBeLessThanOrEqual(tolerance * Math.max(1, Math.abs(wanted)));
  });
}
