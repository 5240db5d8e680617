/**
 * How a shape mismatch becomes a compile error: the parameter's type turns into the sentence that the run-time error
 * says. Owns the wording helpers and the brand; knows no op.
 *
 * The rule that keeps generic code compiling: a check is an indexed access
 * `{ fits: unknown; differs: Sentence }[Verdict]`, and every verdict distributes over the dimensions it compares. Where
 * a dimension is still a type parameter (`N extends number`) the compiler cannot decide the verdict and relates by its
 * constraint, which is the verdict for `number`: "fits". A plain `Verdict extends true ? unknown : Sentence` would fail.
 */
import type { Shape } from "../core/shape.ts";

declare const mismatch: unique symbol;

/** A number that does not fit. (A number and a sentence intersect to `never`, which says nothing.) */
export interface Mismatch<Sentence extends string> {
  readonly [mismatch]: Sentence;
}

/** The two outcomes of a check. */
export type Verdict = "fits" | "differs";

/** `[2, 3]`, as messages show a shape. */
export type Show<S extends Shape> = `[${Join<S>}]`;

/** `2, 3`. */
export type Join<S extends Shape, Text extends string = ""> = S extends readonly [
  infer Head extends number,
  ...infer Rest extends Shape,
]
  ? Join<Rest, Text extends "" ? `${Head}` : `${Text}, ${Head}`>
  : Text;

/** A tuple without `readonly`, so that `Tensor<[2, 2]>` shows as just that. */
export type Mutable<S extends Shape> = number extends S["length"] ? Shape : { -readonly [I in keyof S]: S[I] };

/** Whether two lengths may be equal: literals must be, `number` always may. */
export type Agree<A extends number, B extends number> = A extends number
  ? B extends number
    ? A extends B
      ? "fits"
      : B extends A
        ? "fits"
        : "differs"
    : never
  : never;
