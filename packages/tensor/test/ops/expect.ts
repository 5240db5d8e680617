/** What op tests say: elements are close (NaN equals NaN, the sign of 0 is free), messages are exact. */
import { expect } from "vitest";
import { DormouseError, type Tensor } from "../../src/index.ts";

/** Fails where an element differs from what is wanted by more than `relative·|wanted| + absolute`. */
export async function expectClose(
  actual: Tensor,
  wanted: readonly number[],
  { relative = 1e-12, absolute = 0 }: { readonly relative?: number; readonly absolute?: number } = {},
): Promise<void> {
  const elements = [...(await actual.data())];
  expect(elements.length).toBe(wanted.length);
  const wrong = elements.flatMap((element, i) => {
    const target = wanted[i]!;
    const same = element === target || (Number.isNaN(element) && Number.isNaN(target));
    return same || Math.abs(element - target) <= relative * Math.abs(target) + absolute
      ? []
      : [`element ${i} is ${element}, not ${target}`];
  });
  expect(wrong).toEqual([]);
}

/** Fails unless `wrong` throws an error with exactly this message. */
export function expectMessage(wrong: () => unknown, message: string): void {
  let thrown: unknown;
  try {
    wrong();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(DormouseError);
  expect((thrown as DormouseError).message).toBe(message);
}
