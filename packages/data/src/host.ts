/** The one crossing between host arrays and tensors: values in, and the words of a random key out. */
import type { Tensor, TypedArray } from "@dormouse/tensor";
import { HostStorage, primitive, roundTo } from "@dormouse/tensor/graph";
import type { Field } from "./field.ts";

/** A tensor that holds the values of `field`; nothing moves to a device before it is used. */
export function tensorOf({ data, shape, dtype }: Field): Tensor {
  const tensor = primitive.buffer(shape, dtype);
  // Resampled images and sums of rows have more digits than float16.
  tensor.storage = new HostStorage(dtype === "float16" ? halves(data) : data);
  return tensor;
}

/** Values rounded to float16. */
export const halves = (values: ArrayLike<number>): Float32Array =>
  Float32Array.from(values, (value) => roundTo("float16", value));

/** The words of a key that is on the host, or null where a device has to be asked. */
export const hostWords = (key: Tensor): TypedArray | null =>
  key.storage instanceof HostStorage ? key.storage.data : null;
