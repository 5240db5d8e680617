/**
 * Axes at compile time: negative ones, ones out of range, and the shapes that reductions and movements along literal
 * axes leave. Ranks above eight and axes that are not literals are not followed: the result is `Shape`.
 */
import type { Shape } from "../core/shape.ts";
import type { Mismatch, Show } from "./sentence.ts";

/** What `axis` takes where several axes are allowed. */
export type Axes = number | readonly number[];

/** Position from the front of every axis an axis may be named by, for each rank. */
interface Positions {
  0: Record<never, never>;
  1: { "0": 0; "-1": 0 };
  2: { "0": 0; "1": 1; "-1": 1; "-2": 0 };
  3: { "0": 0; "1": 1; "2": 2; "-1": 2; "-2": 1; "-3": 0 };
  4: { "0": 0; "1": 1; "2": 2; "3": 3; "-1": 3; "-2": 2; "-3": 1; "-4": 0 };
  5: { "0": 0; "1": 1; "2": 2; "3": 3; "4": 4; "-1": 4; "-2": 3; "-3": 2; "-4": 1; "-5": 0 };
  6: { "0": 0; "1": 1; "2": 2; "3": 3; "4": 4; "5": 5; "-1": 5; "-2": 4; "-3": 3; "-4": 2; "-5": 1; "-6": 0 };
  // prettier-ignore
  7: { "0": 0; "1": 1; "2": 2; "3": 3; "4": 4; "5": 5; "6": 6; "-1": 6; "-2": 5; "-3": 4; "-4": 3; "-5": 2; "-6": 1; "-7": 0 };
  // prettier-ignore
  8: { "0": 0; "1": 1; "2": 2; "3": 3; "4": 4; "5": 5; "6": 6; "7": 7; "-1": 7; "-2": 6; "-3": 5; "-4": 4; "-5": 3; "-6": 2; "-7": 1; "-8": 0 };
}

/** `-2..1`, as messages show the axes of a rank. */
interface Ranges {
  1: "-1..0";
  2: "-2..1";
  3: "-3..2";
  4: "-4..3";
  5: "-5..4";
  6: "-6..5";
  7: "-7..6";
  8: "-8..7";
}

/** The position `Axis` names in a shape of rank `Rank`; `number` where that cannot be told. */
export type PositionOf<Rank extends number, Axis extends number> = Rank extends keyof Positions
  ? `${Axis}` extends keyof Positions[Rank]
    ? Positions[Rank][`${Axis}`]
    : number
  : number;

/** Those literals among `Axis` that are not axes of `S`. */
type OutOfRange<S extends Shape, Axis extends number> = Axis extends number
  ? number extends Axis
    ? never
    : S["length"] extends keyof Positions
      ? `${Axis}` extends keyof Positions[S["length"]]
        ? never
        : Axis
      : never
  : never;

type Named<Axis> = Axis extends number ? Axis : Axis extends readonly number[] ? Axis[number] : never;

type AxesVerdict<S extends Shape, Axis> = S extends Shape
  ? Axis extends Axes
    ? [OutOfRange<S, Named<Axis>>] extends [never]
      ? "fits"
      : "differs"
    : "fits"
  : never;

/** `unknown` where every literal axis is one of `S`, else options whose `axis` asks for the sentence. */
export type AxisCheck<Op extends string, S extends Shape, Axis> = {
  fits: unknown;
  differs: { readonly axis: Mismatch<AxisSentence<Op, S, OutOfRange<S, Named<Axis>>>> };
}[AxesVerdict<S, Axis>];

type AxisSentence<Op extends string, S extends Shape, Axis extends number> = S["length"] extends keyof Ranges
  ? `${Op}: axis ${Axis} is out of range for shape ${Show<S>}; use ${Ranges[S["length"]]}`
  : `${Op}: axis ${Axis} is out of range for shape []; a scalar has no axes`;

/** The shape after reducing `Axis` (undefined: every axis) of `S`. */
export type ReducedShape<S extends Shape, Axis, Keep extends boolean> = number extends S["length"]
  ? Axis extends undefined
    ? Keep extends false
      ? []
      : Shape
    : Shape
  : boolean extends Keep
    ? Shape
    : [Axis] extends [undefined]
      ? Keep extends true
        ? { -readonly [I in keyof S]: 1 }
        : []
      : Axis extends number
        ? DropAt<S, PositionOf<S["length"], Axis>, Keep>
        : Axis extends readonly number[]
          ? DropAt<S, PositionOf<S["length"], Axis[number]>, Keep>
          : Shape;

type DropAt<S extends Shape, At extends number, Keep extends boolean> = number extends At
  ? Shape
  : DropEach<S, At, Keep>;

type DropEach<
  S extends Shape,
  At extends number,
  Keep extends boolean,
  Seen extends 0[] = [],
  Out extends number[] = [],
> = S extends readonly [infer Head extends number, ...infer Rest extends Shape]
  ? DropEach<
      Rest,
      At,
      Keep,
      [...Seen, 0],
      Seen["length"] extends At ? (Keep extends true ? [...Out, 1] : Out) : [...Out, Head]
    >
  : Out;

/** `S` with the length at `At` replaced. */
export type ReplaceAt<S extends Shape, At extends number, Length extends number> = number extends S["length"] | At
  ? Shape
  : { -readonly [I in keyof S]: I extends `${At}` ? Length : S[I] };

/** `S` with a new axis of `Length` in front of position `At` (which may be the rank). */
export type InsertAt<
  S extends Shape,
  At extends number,
  Length extends number,
  Front extends number[] = [],
> = number extends S["length"] | At
  ? Shape
  : Front["length"] extends At
    ? [...Front, Length, ...S]
    : S extends readonly [infer Head extends number, ...infer Rest extends Shape]
      ? InsertAt<Rest, At, Length, [...Front, Head]>
      : Shape;
