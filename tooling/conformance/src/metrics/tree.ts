/**
 * Comparing a tree of computed numbers with the tree that a case expects: by name, through arrays of any depth. What
 * the case leaves open (null) is not compared; what it names has to be there.
 */
import { Tensor } from "@dormouse/tensor";
import type { ArraySpec } from "../case.ts";
import type { Checks } from "../checks.ts";
import { numbersOf } from "../compare.ts";

/** What a case expects of a name. */
export type Expected = number | string | null | ArraySpec | readonly Expected[] | { readonly [name: string]: Expected };

/** What was computed: numbers, arrays and tensors by name. */
export type Computed =
  | number
  | Tensor
  | ArrayLike<number>
  | readonly (readonly number[])[]
  | { readonly [name: string]: Computed }
  | undefined;

const isSpec = (want: object): want is ArraySpec => "shape" in want && "data" in want;
const flatten = (want: Expected): number[] =>
  Array.isArray(want) ? want.flatMap((part: Expected) => flatten(part)) : [Number(want)];

/** Adds a check for everything that is expected. Tensors are read. */
export async function compareTree(checks: Checks, what: string, got: Computed, want: Expected): Promise<void> {
  if (want === null) return;
  if (got === undefined) return checks.fail(`${what}: expected a value, got none`);
  if (typeof want === "object" && !Array.isArray(want) && !isSpec(want)) {
    for (const [name, part] of Object.entries(want)) {
      await compareTree(checks, what ? `${what}.${name}` : name, (got as Readonly<Record<string, Computed>>)[name], part);
    }
    return;
  }
  const numbers = Array.isArray(want) ? flatten(want) : typeof want === "object" ? numbersOf(want as ArraySpec) : [Number(want)];
  checks.addNumbers(what, await hostNumbers(got), { shape: [numbers.length], dtype: "float64", data: numbers });
}

async function hostNumbers(got: Exclude<Computed, undefined>): Promise<ArrayLike<number>> {
  if (typeof got === "number") return [got];
  if (got instanceof Tensor) return got.data();
  return Array.from(got as ArrayLike<number | readonly number[]>).flat();
}
