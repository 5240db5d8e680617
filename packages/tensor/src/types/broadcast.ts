/**
 * NumPy broadcasting at compile time: shapes align on the right, equal lengths or 1 go together, `number` may be
 * anything. Owns the result shape of elementwise ops and their compile error.
 */
import type { Shape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Show } from "./sentence.ts";

/** What elementwise ops take. A number or boolean takes the dtype of the tensor it meets. */
export type Operand = Tensor | number | boolean;

/**
 * Shape of an operand: a number is a scalar. Read off as a property, because `T extends Tensor<infer S>` stays
 * undecided while the shape holds a type parameter.
 */
export type OperandShape<T extends Operand> = T extends number | boolean ? [] : T["shape" & keyof T];

/** Compares two types both ways. Unlike a tuple of both, the compiler decides it for equal type parameters. */
interface Both<A, B> {
  readonly first: A;
  readonly second: B;
}

/** The length two aligned axes broadcast to. Equal type parameters (`N` and `N`) stay themselves. */
type Stretch<A extends number, B extends number> = Both<A, B> extends Both<B, A>
  ? A
  : [B] extends [1]
    ? A
    : [A] extends [1]
      ? B
      : number extends A
        ? B
        : A;

/** The shape that elementwise ops give for operands of shapes `A` and `B`. */
export type Broadcast<A extends Shape, B extends Shape> = Both<A, B> extends Both<B, A>
  ? A
  : number extends A["length"]
    ? Shape
    : number extends B["length"]
      ? Shape
      : StretchAll<A, B>;

/** From the last axis to the first; stops where one side is used up, so that a leading `N` is never looked at. */
type StretchAll<A extends Shape, B extends Shape, Out extends number[] = []> = A extends readonly []
  ? [...B, ...Out]
  : B extends readonly [] | readonly [1]
    ? [...A, ...Out]
    : Both<A, B> extends Both<B, A>
      ? [...A, ...Out]
      : A extends readonly [...infer RestA extends Shape, infer LastA extends number]
        ? B extends readonly [...infer RestB extends Shape, infer LastB extends number]
          ? StretchAll<RestA, RestB, [Stretch<LastA, LastB>, ...Out]>
          : never
        : never;

/** Whether shapes broadcast; see `sentence.ts` for why it distributes over every dimension. */
export type BroadcastVerdict<A extends Shape, B extends Shape> = A extends Shape
  ? B extends Shape
    ? number extends A["length"] | B["length"]
      ? "fits"
      : A extends readonly [...infer RestA extends Shape, infer LastA extends number]
        ? B extends readonly [...infer RestB extends Shape, infer LastB extends number]
          ? AxisVerdict<LastA, LastB, RestA, RestB>
          : "fits"
        : "fits"
    : never
  : never;

type AxisVerdict<A extends number, B extends number, RestA extends Shape, RestB extends Shape> = A extends number
  ? B extends number
    ? A extends B | 1
      ? BroadcastVerdict<RestA, RestB>
      : B extends A | 1
        ? BroadcastVerdict<RestA, RestB>
        : "differs"
    : never
  : never;

/** The sentence for shapes that do not broadcast; run time says the same. */
export type BroadcastSentence<
  Op extends string,
  A extends Shape,
  B extends Shape,
> = `${Op}: ${Show<A>} and ${Show<B>} do not broadcast; align shapes from the right, with equal lengths or 1`;

/** `unknown` where the shapes broadcast, else the sentence. */
export type BroadcastCheck<Op extends string, A extends Shape, B extends Shape> = {
  fits: unknown;
  differs: BroadcastSentence<Op, A, B>;
}[BroadcastVerdict<A, B>];

/** The tensor that an elementwise op of two operands gives. */
export type Combined<A extends Operand, B extends Operand> = Tensor<
  [B] extends [number | boolean]
    ? OperandShape<A>
    : [A] extends [number | boolean]
      ? OperandShape<B>
      : Broadcast<OperandShape<A>, OperandShape<B>>
>;

/** `unknown` where operands broadcast, else the sentence. */
export type CombineCheck<Op extends string, A extends Operand, B extends Operand> = BroadcastCheck<
  Op,
  OperandShape<A>,
  OperandShape<B>
>;
