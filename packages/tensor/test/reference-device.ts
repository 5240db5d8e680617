/** Sets the reference backend as the device of a test file, and reads values back for comparison. */
import { createReferenceBackend } from "@dormouse/backend-cpu/reference";
import { expect } from "vitest";
import { type Tensor, setDevice } from "../src/index.ts";
import type { Backend, Capabilities } from "../src/run/backend.ts";
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

/** The reference with other capabilities; it is read with patience only where `syncRead` is false. */
export function referenceWith(capabilities: Partial<Capabilities>): Backend {
  const backend = createReferenceBackend();
  const { syncRead = true } = capabilities;
  return {
    capabilities: { ...backend.capabilities, ...capabilities },
    alloc: (bytes) => backend.alloc(bytes),
    free: (buffer) => backend.free(buffer),
    write: (buffer, data, offset) => backend.write(buffer, data, offset),
    read: (buffer, offset, bytes) => backend.read(buffer, offset, bytes),
    ...(syncRead && { readSync: (buffer, offset, bytes) => backend.readSync!(buffer, offset, bytes) }),
    compile: (program) => backend.compile(program),
    run: (executable, buffers) => backend.run(executable, buffers),
    flush: () => backend.flush(),
    idle: () => backend.idle(),
    [Symbol.asyncDispose]: () => backend[Symbol.asyncDispose](),
  };
}
