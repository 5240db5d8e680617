/** Every program of the table on the WebAssembly backend, with one thread and with two, against the reference. */
import { afterAll, describe, expect, test } from "vitest";
import { cpu } from "../src/index.ts";
import { createReferenceBackend } from "../src/reference.ts";
import { type Case, cases } from "./programs.ts";
import { execute } from "./support.ts";

const oracle = createReferenceBackend();
const devices = await Promise.all([1, 2].map((threads) => cpu({ threads })));
afterAll(() => Promise.all(devices.map((device) => device[Symbol.asyncDispose]())));

/** The first element that differs by more than the case allows, or null. NaN equals NaN. */
function difference({ tolerance }: Case, actual: ArrayLike<number>, expected: ArrayLike<number>): object | null {
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!];
    const close = a === e || (a !== a && e !== e) || Math.abs(a - e) <= tolerance * Math.max(1, Math.abs(e));
    if (!close) return { at: i, actual: a, expected: e };
  }
  return null;
}

describe.each(devices)("$name", ({ backend }) => {
  test.each(cases)("$name", async (given) => {
    const expected = await execute(oracle, given.program, given.inputs);
    const actual = await execute(backend, given.program, given.inputs);
    expected.forEach((output, i) => expect(difference(given, actual[i]!, output)).toBeNull());
  });
});
