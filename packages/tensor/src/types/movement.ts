/**
 * What moving elements does to literal shapes: reshape, permute, squeeze, concat, stack. Element counts are not
 * multiplied at compile time (type-level products cost sixty times the rest); run time checks them.
 */
import type { Shape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import type { InsertAt, PositionOf, ReplaceAt } from "./axes.ts";
import type { Mutable, Show } from "./sentence.ts";

/** The shape `reshape(x, S)` gives: -1 is found at run time. */
export type ReshapedShape<S extends Shape> = number extends S["length"]
  ? Shape
  : { -readonly [I in keyof S]: S[I] extends -1 ? number : S[I] };

/** The shape with its last two axes swapped. */
export type TransposedShape<S extends Shape> = number extends S["length"]
  ? Shape
  : S extends readonly [...infer Batch extends Shape, infer M extends number, infer N extends number]
    ? [...Batch, N, M]
    : Shape;

/** The shape whose axis i is axis `P[i]` of `S`. */
export type PermutedShape<S extends Shape, P extends Shape> = number extends S["length"] | P["length"]
  ? Shape
  : { -readonly [I in keyof P]: S[PositionOf<S["length"], P[I]>] };

type PermutationVerdict<S extends Shape, P extends Shape> = S extends Shape
  ? number extends S["length"] | P["length"]
    ? "fits"
    : P["length"] extends S["length"]
      ? "fits"
      : "differs"
  : never;

/** `unknown` where a permutation has as many axes as the shape, else the sentence. */
export type PermutationCheck<S extends Shape, P extends Shape> = {
  fits: unknown;
  differs: `permute: axes ${Show<P>} do not name each axis of shape ${Show<S>} once; list all ${S["length"]} axes`;
}[PermutationVerdict<S, P>];

/** `S` without its axes of length 1; a `number` might be one of them, so then the rank is unknown. */
export type SqueezedShape<S extends Shape, Out extends number[] = []> = number extends S["length"]
  ? Shape
  : S extends readonly [infer Head extends number, ...infer Rest extends Shape]
    ? number extends Head
      ? Shape
      : SqueezedShape<Rest, [Head] extends [1] ? Out : [...Out, Head]>
    : Out;

/** `S` with a new axis of length 1 where `Axis` says. */
export type ExpandedShape<S extends Shape, Axis extends number> = InsertAt<
  S,
  PositionOf<[...S, 1]["length"] & number, Axis>,
  1
>;

/** `S` with the lengths of every axis forgotten, the rank kept. */
export type SameRank<S extends Shape> = number extends S["length"] ? Shape : { -readonly [I in keyof S]: number };

/** Shape of a tensor type. */
export type ShapeOf<T> = T extends Tensor<infer S> ? S : Shape;

/** Concatenation: the first tensor's shape, its length along `Axis` left to run time. */
export type ConcatenatedShape<T extends readonly Tensor[], Axis extends number> = T[0] extends Tensor<infer S>
  ? ReplaceAt<S, PositionOf<S["length"], Axis>, number>
  : Shape;

/** Stacking: a new axis as long as the list. */
export type StackedShape<T extends readonly Tensor[], Axis extends number> =
  T[0] extends Tensor<infer S> ? InsertAt<Mutable<S>, PositionOf<[...S, 1]["length"] & number, Axis>, T["length"]> : Shape;

/** Whether `A` and `B`, of one rank, agree in every axis but that at `But`. */
type AgreeBut<
  A extends Shape,
  B extends Shape,
  But extends number,
  Seen extends 0[] = [],
> = A extends readonly [infer HeadA extends number, ...infer RestA extends Shape]
  ? B extends readonly [infer HeadB extends number, ...infer RestB extends Shape]
    ? Seen["length"] extends But
      ? AgreeBut<RestA, RestB, But, [...Seen, 0]>
      : AgreeAxis<HeadA, HeadB, RestA, RestB, But, [...Seen, 0]>
    : "fits"
  : "fits";

type AgreeAxis<
  A extends number,
  B extends number,
  RestA extends Shape,
  RestB extends Shape,
  But extends number,
  Seen extends 0[],
> = A extends number
  ? B extends number
    ? A extends B
      ? AgreeBut<RestA, RestB, But, Seen>
      : B extends A
        ? AgreeBut<RestA, RestB, But, Seen>
        : "differs"
    : never
  : never;

type PairVerdict<A extends Shape, B extends Shape, But extends number> = A extends Shape
  ? B extends Shape
    ? number extends A["length"] | B["length"]
      ? "fits"
      : A["length"] extends B["length"]
        ? AgreeBut<A, B, But>
        : "differs"
    : never
  : never;

/** For each tensor of a list: itself, or the sentence that says how it differs from the first. */
export type ConcatCheck<T extends readonly Tensor[], Axis extends number> = number extends T["length"]
  ? unknown
  : number extends Axis
    ? unknown
    : {
        [I in keyof T]: {
          fits: unknown;
          differs: `concat: ${Show<ShapeOf<T[0]>>} and ${Show<ShapeOf<T[I]>>} differ outside axis ${Axis}; make the other lengths equal`;
        }[PairVerdict<ShapeOf<T[0]>, ShapeOf<T[I]>, PositionOf<ShapeOf<T[0]>["length"], Axis>>];
      };

/** As `ConcatCheck`, with no axis left out. */
export type StackCheck<T extends readonly Tensor[]> = number extends T["length"]
  ? unknown
  : {
      [I in keyof T]: {
        fits: unknown;
        differs: `stack: ${Show<ShapeOf<T[0]>>} and ${Show<ShapeOf<T[I]>>} differ; stack takes equal shapes`;
      }[PairVerdict<ShapeOf<T[0]>, ShapeOf<T[I]>, never>];
    };
