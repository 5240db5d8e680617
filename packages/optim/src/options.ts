/** Checks of the numbers that optimizers and schedules take, so that a wrong one fails where it is written. */
import { ValueError } from "@dormouse/tensor";
import type { MomentumOptions } from "./rules.ts";

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

/** What the numbers among the options of optimizers and rules may be: at least, and below. */
const ranges: Readonly<Record<string, readonly [least: number, below: number]>> = {
  learningRate: [0, Infinity],
  weightDecay: [0, Infinity],
  momentum: [0, Infinity],
  betas: [0, 1],
  decay: [0, 1],
  eps: [0, Infinity],
  initialAccumulator: [0, Infinity],
  rateDecay: [0, Infinity],
  momentumDecay: [0, Infinity],
  initialStep: [0, Infinity],
  factors: [0, Infinity],
  shrink: [0, Infinity],
  power: [0, Infinity],
};

/** Refuses options out of range, under the name of the function that was called. Options of other kinds pass. */
export function requireOptions(op: string, options: object): void {
  for (const [name, value] of Object.entries(options) as [string, unknown][]) {
    if (!Object.hasOwn(ranges, name)) continue;
    const [least, below] = ranges[name]!;
    if (typeof value === "number") requireWithin(op, name, value, least, below);
    if (Array.isArray(value)) value.forEach((each, i) => requireWithin(op, `${name}[${i}]`, Number(each), least, below));
  }
}

/** Refuses a form of momentum that there is not, and two shares of the gradient at once. */
export function requireForm(op: string, { form = "sum", dampening = 0, momentum = 0 }: MomentumOptions): void {
  if (form !== "sum" && form !== "average") {
    throw new ValueError(op, `form is ${JSON.stringify(form)}`, {
      expected: ["sum", "average"], received: form, hint: `use "sum" or "average"`,
    });
  }
  if (form === "sum") return;
  requireWithin(op, "momentum", momentum, 0, 1);
  if (dampening === 0) return;
  throw new ValueError(op, `dampening is ${dampening} and form is "average"`, {
    expected: 0, received: dampening, hint: "leave dampening out: an average takes 1 - momentum of a gradient",
  });
}
