/**
 * The shape of nested array literals, so that `tensor([[1, 2], [3, 4]])` is a `Tensor<[2, 2]>`.
 */
import type { Shape } from "../core/shape.ts";

/** Lengths along the first elements; an array whose length the compiler does not know gives `number`. */
export type DataShape<T, Out extends number[] = []> = T extends number | boolean
  ? Out
  : T extends readonly []
    ? [...Out, 0]
    : T extends readonly (infer Element)[]
      ? unknown extends Element
        ? Shape
        : T extends readonly [infer First, ...unknown[]]
          ? DataShape<First, [...Out, T["length"]]>
          : DataShape<Element, [...Out, number]>
      : Shape;
