/**
 * How many buffers a kernel takes, and which values are stored so that none takes more than a device allows. An input
 * and an output have a buffer each; all other stored values lie in the scratch memory of the run, which is one.
 */
import { type Draft, readsOf, writesOf } from "./draft.ts";
import { isMovement } from "./trace.ts";
import type { Value } from "./value.ts";

/** Buffers of a draft. `apart`: ids of the values that have a buffer each. */
export function bindingsOf(draft: Draft, apart: ReadonlySet<number>): number {
  const values = new Set([...readsOf(draft), ...writesOf(draft)]);
  const own = [...values].filter((value) => apart.has(value)).length;
  return own + (own < values.size ? 1 : 0);
}

/** Stands for scratch memory among the buffers that a value is computed from. */
const SCRATCH = -1;

/**
 * Adds values to `wanted`, those that are stored, until none of them is computed from more than `most` buffers, the one
 * that it is written to counted. Where there are too many, the operand that reads most is stored: it is one buffer then.
 * `apart`: the values that have a buffer each.
 */
export function limitReads(
  order: readonly Value[],
  wanted: Set<Value>,
  apart: ReadonlySet<Value>,
  most: number,
): void {
  if (apart.size < most) return;
  const known = new Map<Value, ReadonlySet<number>>();
  const readsOfOperand = (value: Value): ReadonlySet<number> =>
    apart.has(value) ? new Set([value.id]) : wanted.has(value) ? new Set([SCRATCH]) : known.get(value)!;
  for (const value of order) {
    // The parts of a concatenation are copied one by one.
    const isTogether = value.op !== "concat";
    let reads = union(value.sources.map(readsOfOperand));
    while (isTogether && reads.size + 1 > most) {
      const [largest] = value.sources.toSorted((a, b) => readsOfOperand(b).size - readsOfOperand(a).size);
      if (readsOfOperand(largest!).size < 2) break;
      store(largest!, wanted, known);
      reads = union(value.sources.map(readsOfOperand));
    }
    known.set(value, reads);
  }
}

/** Stores a value, or what a view looks at: views stay views. */
function store(value: Value, wanted: Set<Value>, known: Map<Value, ReadonlySet<number>>): void {
  let under = value;
  for (; isMovement(under); under = under.sources[0]!) known.set(under, new Set([SCRATCH]));
  wanted.add(under);
}

const union = (sets: readonly ReadonlySet<number>[]): ReadonlySet<number> => new Set(sets.flatMap((set) => [...set]));
