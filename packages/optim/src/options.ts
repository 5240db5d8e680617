/** Checks of the numbers that optimizers and schedules take, so that a wrong one fails where it is written. */
import { ValueError } from "@dormouse/tensor";

/** Refuses a number outside [least, below). */
export function requireWithin(op: string, name: string, value: number, least: number, below: number): number {
  if (value >= least && value < below) return value;
  throw new ValueError(op, `${name} is ${value}`, {
    expected: [least, below],
    received: value,
    hint: below === Infinity ? `use a finite number of at least ${least}` : `use a number of at least ${least} and below ${below}`,
  });
}

/** Refuses anything but a whole number of at least `least`. */
export function requireWhole(op: string, name: string, value: number, least: number): number {
  if (Number.isInteger(value) && value >= least) return value;
  throw new ValueError(op, `${name} is ${value}`, { expected: least, received: value, hint: `use a whole number of at least ${least}` });
}
