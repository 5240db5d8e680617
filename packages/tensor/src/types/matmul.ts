/**
 * Matrix products at compile time, with NumPy's rules: vectors on either side, leading axes broadcast. Axes that do
 * not matter are matched as `unknown`, not `number`: a type parameter matches only the former at once.
 */
import type { Shape } from "../core/shape.ts";
import type { Broadcast, BroadcastVerdict } from "./broadcast.ts";
import type { Agree, Show } from "./sentence.ts";

/** The shape of `matmul(a, b)`. */
export type MatmulShape<A extends Shape, B extends Shape> = number extends A["length"] | B["length"]
  ? Shape
  : A extends readonly [...infer BatchA extends Shape, infer M extends number, unknown]
    ? B extends readonly [...infer BatchB extends Shape, unknown, infer N extends number]
      ? Broadcast<BatchA, BatchB> extends infer Batch extends Shape
        ? [...Batch, M, N]
        : never
      : [...BatchA, M]
    : B extends readonly [...infer BatchB extends Shape, unknown, infer N extends number]
      ? [...BatchB, N]
      : [];

/** The length of the axis of `B` that meets the last axis of `A`. */
export type InnerOf<B extends Shape> = B extends readonly [...unknown[], infer K extends number, unknown]
  ? K
  : B extends readonly [infer K extends number]
    ? K
    : number;

/** The last length of a shape. */
export type LastOf<S extends Shape> = S extends readonly [...unknown[], infer Last extends number] ? Last : number;

/** Whether the inner dimensions may agree. */
export type InnerVerdict<A extends Shape, B extends Shape> = Agree<LastOf<A>, InnerOf<B>>;

type BatchOf<S extends Shape> = number extends S["length"]
  ? Shape
  : S extends readonly [...infer Batch extends Shape, unknown, unknown]
    ? Batch
    : [];

/** The sentence for inner dimensions that differ; run time says the same. */
export type InnerSentence<
  Op extends string,
  A extends Shape,
  B extends Shape,
> = `${Op}: ${Show<A>} x ${Show<B>}: inner dimensions differ (${LastOf<A>} and ${InnerOf<B>}); transpose one operand or reshape`;

/** `unknown` where the shapes multiply, else the sentence. */
export type MatmulCheck<A extends Shape, B extends Shape> = {
  fits: unknown;
  differs: InnerSentence<"matmul", A, B>;
}[InnerVerdict<A, B>] & {
  fits: unknown;
  differs: `matmul: ${Show<A>} x ${Show<B>}: batch dimensions ${Show<BatchOf<A>>} and ${Show<BatchOf<B>>} do not broadcast; make them equal or 1`;
}[BroadcastVerdict<BatchOf<A>, BatchOf<B>>];

/** The shape of `linear(x, weight)`: the last axis becomes the rows of `weight`. */
export type LinearShape<X extends Shape, W extends Shape> = number extends X["length"]
  ? Shape
  : X extends readonly [...infer Batch extends Shape, unknown]
    ? [...Batch, W[0] & number]
    : Shape;

/** `unknown` where a weight [out, in] fits inputs [.., in], else the sentence. */
export type LinearCheck<X extends Shape, W extends Shape> = {
  fits: unknown;
  differs: `linear: input ${Show<X>} and weight ${Show<W>}: features differ (${LastOf<X>} and ${LastOf<W>}); the weight is [out, in]`;
}[Agree<LastOf<X>, LastOf<W>>];
