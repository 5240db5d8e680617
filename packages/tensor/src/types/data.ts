/**
 * The shape of nested array literals, so that `tensor([[1, 2], [3, 4]])` is a `Tensor<[2, 2]>`.
 */
import type { Shape } from "../core/shape.ts";
import type { NestedArray } from "../core/tensor.ts";

/**
 * Lengths along the first elements; an array whose length the compiler does not know gives `number`, data of unknown
 * depth (`NestedArray`, `any`) gives `Shape`.
 */
export type DataShape<T, Out extends number[] = []> = NestedArray extends T
  ? Shape
  : T extends number | boolean
    ? Out
    : T extends readonly []
      ? [...Out, 0]
      : T extends readonly [infer First, ...unknown[]]
        ? DataShape<First, [...Out, T["length"]]>
        : T extends readonly (infer Element)[]
          ? DataShape<Element, [...Out, number]>
          : Shape;
