/** The parts of a factorization, cut out of the one tensor that the primitive gives. */
import { type Factorization, factorParts } from "../core/factorization.ts";
import { primitive } from "../core/primitives.ts";
import { sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";

/** The parts of a factorization of [..batch, m, n] as tensors [..batch, ..part]. */
export function partsOf(factored: Tensor, name: Factorization, m: number, n: number): Tensor[] {
  const batch = factored.shape.slice(0, -1);
  const ones = factored.shape.map(() => 1);
  let start = 0;
  return factorParts(name, m, n).map((part) => {
    const length = sizeOf(part);
    const flat = primitive.slice(factored, [...batch.map(() => 0), start], ones, [...batch, length]);
    start += length;
    return primitive.reshape(flat, [...batch, ...part]);
  });
}
