/** The one check that counts and options share. */
import { ValueError } from "@dormouse/tensor";

/** Throws unless `value` is a whole number from `least`. */
export function requireWhole(op: string, name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new ValueError(op, `${name} ${value} is not a whole number from ${least}`, {
      expected: least,
      received: value,
      hint: `give ${name} a whole number, at least ${least}`,
    });
  }
}
