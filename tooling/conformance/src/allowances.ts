/**
 * Where the cases offer a choice, or their source is less accurate than its tolerance says. Each entry names its
 * reason; everything else is held to the numbers of the case.
 */
import type { OpCase, Tolerances } from "./case.ts";
import { numbersOf } from "./compare.ts";

/** What an op of a group is allowed beyond the numbers of its cases. */
export interface Allowance {
  /** The least relative tolerance in float64. */
  readonly rtol?: number;
  /** Other values that are as right as the expected one, at an index of an output or of a gradient. */
  readonly alternatives?: (each: OpCase, what: "forward" | "grad", name: string, index: number) => readonly number[];
}

const numberAt = (each: OpCase, from: "in" | "cot", name: string, index: number): number => {
  const values = numbersOf(each[from]![name]!);
  return values.length === 1 ? values[0]! : values[index]!;
};

/** By group and op. */
export const allowances: Readonly<Record<string, Allowance>> = {
  // The trigamma function of PyTorch 1.13 has a relative error of up to 5e-10: at 0.94921875 it is
  // 1.5262243846635974/cotangent, where Euler-Maclaurin summation from 40 up gives 1.5262243839390655/cotangent.
  "ops-unary/lgamma": { rtol: 1e-9 },
  "ops-unary/digamma": { rtol: 1e-9 },
  // PyTorch forms sinh from exp(x), which overflows before sinh does: sinh 710 = 1.117e308 is finite.
  "ops-special/sinh": {
    alternatives: (each, _, __, index) => [Math.sinh(numberAt(each, "in", "x", index))].filter(Number.isFinite),
  },
  // Both one-sided derivatives are in the notes of the case.
  "kinks/hardswish": {
    alternatives: (each, what, _, index) => {
      if (what === "forward") return [];
      const x = numberAt(each, "in", "x", index);
      const cotangent = numberAt(each, "cot", "y", index);
      return x === -3 ? [0] : x === 3 ? [cotangent] : [];
    },
  },
  // At a margin of exactly 1 the notes accept the slope of either side; of the right one it is 0.
  "kinks/hinge_loss": {
    alternatives: (each, what, _, index) =>
      what === "grad" && numberAt(each, "in", "s", index) * numberAt(each, "in", "y", index) === 1 ? [0] : [],
  },
};

/** Tolerances with an allowance made. */
export const loosened = (tolerances: Tolerances, { rtol = 0 }: Allowance): Tolerances =>
  tolerances.f64 && rtol > tolerances.f64.rtol
    ? { ...tolerances, f64: { rtol, atol: tolerances.f64.atol } }
    : tolerances;
