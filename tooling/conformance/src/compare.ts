/**
 * Comparing numbers with what a case expects: `|got - want| <= atol + rtol·|want|`, NaN equal to NaN, infinities equal
 * with their sign, zeros without. Owns tolerances and the sentence that reports the worst element.
 */
import type { ArraySpec, Number64 } from "./case.ts";

/** How far apart two numbers may be. */
export interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
}

/** Nothing but the same number will do: indices and truth values. */
export const EXACT: Tolerance = { rtol: 0, atol: 0 };

/** The element furthest outside its tolerance. */
export interface Mismatch {
  readonly index: number;
  readonly want: number;
  readonly got: number;
}

/** By how much `got` exceeds what is allowed; at most 0 where it passes. */
function excess(got: number, want: number, { rtol, atol }: Tolerance): number {
  if (Object.is(got, want) || got === want) return 0;
  if (!Number.isFinite(got) || !Number.isFinite(want)) return Infinity;
  return Math.abs(got - want) - (atol + rtol * Math.abs(want));
}

/** The worst element outside its tolerance, or null where all pass. Both have the same length. */
export function worstMismatch(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  tolerance: Tolerance,
): Mismatch | null {
  let worst: Mismatch | null = null;
  let most = 0;
  for (let index = 0; index < want.length; index++) {
    const over = excess(got[index]!, want[index]!, tolerance);
    if (over > most) {
      most = over;
      worst = { index, want: want[index]!, got: got[index]! };
    }
  }
  return worst;
}

/** `[1, 2]` for the element of a shape at a flat index; nothing for a scalar. */
function place(index: number, shape: readonly number[]): string {
  if (shape.length === 0) return "";
  const coordinates: number[] = [];
  for (let axis = shape.length - 1, rest = index; axis >= 0; axis--) {
    coordinates.unshift(rest % shape[axis]!);
    rest = Math.floor(rest / shape[axis]!);
  }
  return `[${coordinates.join(", ")}]`;
}

/** Other values that are as right as the expected one, by flat index. */
export type Alternatives = (index: number) => readonly number[];
const none: Alternatives = () => [];

const sentence = (what: string, want: unknown, got: unknown): string => `${what}: expected ${want}, got ${got}`;

/** Rounds what float64 gives to what float32 can hold, so that an overflow is expected to be one. */
const representable = (value: number, dtype: string): number => (dtype === "float32" ? Math.fround(value) : value);

/**
 * What is wrong with an array, or null. `dtype` is the one the case ran in.
 *
 * A summary is compared at its samples and by its sums. The sum of n errors is at most n·atol, and the sum of squares
 * is off by at most 2·atol·Σ|x| <= 2·atol·√(n·Σx²).
 */
export function compareArray(
  what: string,
  got: { readonly shape: readonly number[]; readonly data: ArrayLike<number> },
  want: ArraySpec,
  tolerance: Tolerance,
  dtype: string,
  alternatives: Alternatives = none,
): string | null {
  if (got.shape.join() !== want.shape.join()) {
    return sentence(`${what} shape`, `[${want.shape.join(", ")}]`, `[${got.shape.join(", ")}]`);
  }
  const report = (found: Mismatch | null, at: (index: number) => number): string | null =>
    found && sentence(`${what}${place(at(found.index), want.shape)}`, found.want, found.got);
  const wanted = (values: readonly Number64[]): number[] => values.map((value) => representable(Number(value), dtype));
  if (!want.sample) {
    const closest = wanted(numbersOf(want)).map((value, index) =>
      [value, ...alternatives(index)].reduce((best, other) =>
        Math.abs(got.data[index]! - other) < Math.abs(got.data[index]! - best) ? other : best,
      ),
    );
    return report(worstMismatch(got.data, closest, tolerance), (index) => index);
  }

  const { idx, val } = want.sample;
  const sampled = idx.map((index) => got.data[index]!);
  const wrong = report(worstMismatch(sampled, wanted(val), tolerance), (index) => idx[index]!);
  if (wrong) return wrong;
  const count = got.data.length;
  let [sum, squares] = [0, 0];
  for (let index = 0; index < count; index++) {
    sum += got.data[index]!;
    squares += got.data[index]! ** 2;
  }
  const [wantSum, wantSquares] = [Number(want.sum), Number(want.sumsq)];
  const { rtol, atol } = tolerance;
  if (excess(sum, wantSum, { rtol, atol: atol * count }) > 0) return sentence(`${what} sum`, wantSum, sum);
  const slack = 2 * atol * Math.sqrt(count * wantSquares);
  if (excess(squares, wantSquares, { rtol: 2 * rtol, atol: slack }) > 0) {
    return sentence(`${what} sum of squares`, wantSquares, squares);
  }
  return null;
}

/** The elements of an array that is written out or generated. */
export function numbersOf({ shape, data, gen }: ArraySpec): number[] {
  if (data) return data.map(Number);
  if (!gen) throw new Error("conformance: an array has neither data nor a formula; only its summary can be compared");
  const count = shape.reduce((size, length) => size * length, 1);
  return Array.from({ length: count }, (_, i) => (((i * gen.mul + gen.add) % gen.mod) - gen.sub) / gen.div);
}
