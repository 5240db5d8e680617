/** Every program of the table of kernels, against the reference. What needs float64 is refused instead. */
import { createReferenceBackend } from "@dormouse/backend-cpu/reference";
import type { Program } from "@dormouse/tensor/graph";
import { expect, test } from "vitest";
import { type Case, cases } from "../../backend-cpu/test/programs.ts";
import { execute } from "../../backend-cpu/test/support.ts";
import { backend, describeOnGpu } from "./gpu.ts";

const oracle = createReferenceBackend();
const needsFloat64 = ({ program }: Case): boolean => JSON.stringify(program).includes("float64");

/** The first element that differs by more than the case allows, or null. NaN equals NaN. */
function difference({ tolerance }: Case, actual: ArrayLike<number>, expected: ArrayLike<number>): object | null {
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!];
    const close = a === e || (a !== a && e !== e) || Math.abs(a - e) <= tolerance * Math.max(1, Math.abs(e));
    if (!close) return { at: i, actual: a, expected: e };
  }
  return null;
}

describeOnGpu("programs", () => {
  test.each(cases.filter((each) => !needsFloat64(each)))("$name", async (given) => {
    const expected = await execute(oracle, given.program, given.inputs);
    const actual = await execute(backend, given.program, given.inputs);
    expected.forEach((output, i) => expect(difference(given, actual[i]!, output)).toBeNull());
  });

  test("float64 is refused by name", () => {
    const program: Program = cases.find(needsFloat64)!.program;
    expect(() => backend.compile(program)).toThrow(/^webgpu: float64 is not supported \(in loop/);
  });
});
