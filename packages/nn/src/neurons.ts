/**
 * The neuron of McCulloch and Pitts, and the gates made of it: booleans in, one boolean out, nothing to learn. Plain
 * JavaScript numbers, no tensors; owns truth tables of boolean functions.
 */
import { ValueError } from "@dormouse/tensor";
import { requireSizes } from "./linear.ts";

/** 0 or 1. */
export type Bit = 0 | 1;

/** Anything that reads booleans and fires or not. */
export interface BooleanUnit {
  /** Number of inputs. */
  readonly inputs: number;
  /** 1 where the unit fires. Inputs are 0 or 1, or booleans. */
  fire(x: readonly (number | boolean)[]): Bit;
}

/** A row of a truth table. */
export interface TruthRow {
  readonly inputs: readonly Bit[];
  readonly output: Bit;
}

/** Refuses a number of inputs whose truth table would not fit into memory. */
const MOST_TABLE_INPUTS = 20;

/** All rows of `count` bits in the order of binary numbers, the first input the most significant. */
export function bitRows(op: string, count: number): Bit[][] {
  requireSizes(op, { inputs: count }, 0);
  if (count > MOST_TABLE_INPUTS) {
    throw new ValueError(op, `a table of ${count} inputs has 2^${count} rows`, {
      expected: MOST_TABLE_INPUTS,
      received: count,
      hint: `use at most ${MOST_TABLE_INPUTS} inputs`,
    });
  }
  return Array.from({ length: 2 ** count }, (_, row) =>
    Array.from({ length: count }, (_, i) => ((row >> (count - 1 - i)) & 1) as Bit),
  );
}

/**
 * All rows of a boolean function: of a unit, or of a function of `inputs` bits. Rows are in the order of binary
 * numbers, the first input the most significant: 00, 01, 10, 11.
 *
 * ```ts
 * truthTable(mcCullochPitts({ inputs: 2 })).map(({ output }) => output);   // [0, 0, 0, 1]
 * truthTable((a, b) => a !== b, 2).map(({ output }) => output);            // [0, 1, 1, 0]
 * ```
 */
export function truthTable(unit: BooleanUnit): TruthRow[];
export function truthTable(f: (...inputs: Bit[]) => number | boolean, inputs: number): TruthRow[];
export function truthTable(of: BooleanUnit | ((...inputs: Bit[]) => number | boolean), count?: number): TruthRow[] {
  const fire = (row: readonly Bit[]): Bit => (typeof of === "function" ? (of(...row) ? 1 : 0) : of.fire(row));
  const inputs = typeof of === "function" ? count ?? of.length : of.inputs;
  return bitRows("truthTable", inputs).map((row) => ({ inputs: row, output: fire(row) }));
}

/** The bits of the inputs of a unit. Throws `ValueError` for another number of them, and for other values. */
function bitsOf(op: string, x: readonly (number | boolean)[], count: number): Bit[] {
  if (x.length !== count) {
    throw new ValueError(op, `${x.length} inputs where there are ${count}`, {
      expected: count,
      received: x.length,
      hint: "give one value per input",
    });
  }
  return x.map((value, i) => {
    if (value === true || value === 1) return 1;
    if (value === false || value === 0) return 0;
    throw new ValueError(op, `input ${i} is ${value}`, { expected: [0, 1], received: value, hint: "give 0 or 1" });
  });
}

export interface McCullochPittsOptions {
  /** Number of inputs. */
  readonly inputs: number;
  /**
   * The neuron fires where at least so many excitatory inputs are active. Default: all of them,
   * `n·w - p = inputs - inhibitory.length`.
   */
  readonly threshold?: number;
  /** Positions of the inputs that forbid firing, from 0. Default none. */
  readonly inhibitory?: readonly number[];
}

/** See `mcCullochPitts`. */
export class McCullochPitts implements BooleanUnit {
  readonly inputs: number;
  readonly threshold: number;
  readonly inhibitory: readonly number[];

  constructor({ inputs, threshold, inhibitory = [] }: McCullochPittsOptions) {
    requireSizes("mcCullochPitts", { inputs });
    const isInput = (at: number): boolean => Number.isInteger(at) && at >= 0 && at < inputs;
    const wrong = inhibitory.find((at, i) => !isInput(at) || inhibitory.indexOf(at) < i);
    if (wrong !== undefined) {
      throw new ValueError("mcCullochPitts", `inhibitory input ${wrong} is not one of ${inputs}, or there twice`, {
        received: inhibitory,
        hint: `give different positions from 0 to ${inputs - 1}`,
      });
    }
    if (threshold !== undefined && !Number.isFinite(threshold)) {
      const hint = "give a finite number";
      throw new ValueError("mcCullochPitts", `threshold is ${threshold}`, { received: threshold, hint });
    }
    this.inputs = inputs;
    this.threshold = threshold ?? inputs - inhibitory.length;
    this.inhibitory = inhibitory;
  }

  /**
   * 1 where no inhibitory input is active and the sum of the others reaches the threshold. Throws `ValueError` for
   * other than 0 and 1, and for another number of inputs.
   */
  fire(x: readonly (number | boolean)[]): Bit {
    const bits = bitsOf("mcCullochPitts", x, this.inputs);
    if (this.inhibitory.some((at) => bits[at] === 1)) return 0;
    const active = bits.reduce<number>((sum, bit) => sum + bit, 0);
    return active >= this.threshold ? 1 : 0;
  }

  /** In how many rows of the truth table the neuron does what a boolean function does. */
  correctRows(f: (...inputs: Bit[]) => number | boolean): number {
    return truthTable(this).filter(({ inputs, output }) => output === (f(...inputs) ? 1 : 0)).length;
  }
}

/**
 * The neuron of McCulloch and Pitts (1943): boolean inputs of weight 1, a threshold θ, absolute inhibition. It fires
 * where the number of active excitatory inputs is at least θ and no inhibitory input is active.
 *
 * By default `θ = n·w - p` for n inputs of weight w = 1, p of which inhibit: the neuron fires in exactly one row of
 * its truth table, that in which every excitatory input is active and no inhibitory one is.
 *
 * ```ts
 * const or = mcCullochPitts({ inputs: 2, threshold: 1 });
 * or.fire([0, 1]);                                             // 1
 * mcCullochPitts({ inputs: 2, inhibitory: [1] }).fire([1, 0]); // 1: the first and not the second
 * ```
 */
export const mcCullochPitts = (options: McCullochPittsOptions): McCullochPitts => new McCullochPitts(options);

const positions = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/**
 * Gates as neurons: `and(n)` has θ = n, `or(n)` θ = 1, `nor(n)` and `not()` only inhibitory inputs and θ = 0.
 * `nand(n)` is two neurons, not after and: no single one fires for (0, 1), (1, 0) and (0, 0) but not for (1, 1), since
 * an input that inhibits does so alone.
 *
 * ```ts
 * logicGates.nand(2).fire([1, 1]);   // 0
 * ```
 */
export const logicGates = {
  and: (inputs: number): McCullochPitts => mcCullochPitts({ inputs }),
  or: (inputs: number): McCullochPitts => mcCullochPitts({ inputs, threshold: 1 }),
  nor: (inputs: number): McCullochPitts => mcCullochPitts({ inputs, inhibitory: positions(inputs) }),
  not: (): McCullochPitts => mcCullochPitts({ inputs: 1, inhibitory: [0] }),
  nand: (inputs: number): BooleanUnit => {
    const [and, not] = [logicGates.and(inputs), logicGates.not()];
    return { inputs, fire: (x) => not.fire([and.fire(x)]) };
  },
} as const;
