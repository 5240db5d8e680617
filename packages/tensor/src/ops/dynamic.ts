/**
 * Ops whose result has a shape that depends on values. A lazy graph cannot hold them, since every node knows its
 * shape; they wait for the values, work on the host and resolve to stored tensors. They have no derivative and
 * cannot stand inside `compile` or `vmap`: there, use a mask (`where`, `maskedFill`) of fixed shape.
 */
import { type TypedArray, allocate } from "../core/dtype.ts";
import { DTypeError, ShapeError } from "../core/errors.ts";
import { type Shape, broadcastShapes, sameShape, showShape, stridesOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { fromHost } from "./pieces.ts";
import { stretch } from "./operands.ts";

/** Coordinates of the elements that are not zero, in row-major order: int32 `[count, rank]`. */
export async function nonzero(x: Tensor): Promise<Tensor<[number, number]>> {
  const places = placesOf(await x.data(), (element) => element !== 0);
  const strides = stridesOf(x.shape);
  const coordinates = new Int32Array(places.length * x.rank);
  places.forEach((place, i) => {
    for (let axis = 0; axis < x.rank; axis++) {
      coordinates[i * x.rank + axis] = Math.floor(place / strides[axis]!) % x.shape[axis]!;
    }
  });
  return fromHost(coordinates, [places.length, x.rank], "int32") as Tensor<[number, number]>;
}

function placesOf(data: TypedArray, isWanted: (element: number) => boolean): number[] {
  const places: number[] = [];
  data.forEach((element, place) => {
    if (isWanted(element)) places.push(place);
  });
  return places;
}

/** The elements of `x` where `mask` (bool, broadcast to the shape of `x`) is true, in row-major order. */
export async function maskedSelect(x: Tensor, mask: Tensor): Promise<Tensor<[number]>> {
  if (mask.dtype !== "bool") {
    throw new DTypeError("maskedSelect", `the mask is ${mask.dtype}`, {
      expected: "bool",
      received: mask.dtype,
      hint: "compare first: notEqual(mask, 0)",
    });
  }
  const shape: Shape | null = broadcastShapes(mask.shape, x.shape);
  if (!shape || !sameShape(shape, x.shape)) {
    throw new ShapeError("maskedSelect", `mask ${showShape(mask.shape)} does not broadcast to ${showShape(x.shape)}`, {
      expected: x.shape,
      received: mask.shape,
      hint: "give the mask the shape of x, or lengths 1",
    });
  }
  const [elements, chosen] = await Promise.all([x.data(), stretch(mask, x.shape).data()]);
  const places = placesOf(chosen, (element) => element !== 0);
  const selected = allocate(x.dtype, places.length);
  places.forEach((place, i) => (selected[i] = elements[place]!));
  return fromHost(selected, [places.length], x.dtype) as Tensor<[number]>;
}

/** What `unique` finds. */
export interface Unique {
  /** The distinct elements, ascending; every NaN is one of its own, last. */
  readonly values: Tensor<[number]>;
  /** For every element of `x`, the position of its value: int32, the shape of `x`. */
  readonly inverse: Tensor;
  /** How often each value occurs: int32. */
  readonly counts: Tensor<[number]>;
}

/** The distinct elements of a tensor, ascending, with where each element went and how many there are. */
export async function unique(x: Tensor): Promise<Unique> {
  const data = await x.data();
  const order = Array.from(data.keys()).sort((a, b) => compare(data[a]!, data[b]!));
  const inverse = new Int32Array(data.length);
  const values: number[] = [];
  const counts: number[] = [];
  for (const place of order) {
    const element = data[place]!;
    if (values.length === 0 || values.at(-1) !== element) {
      values.push(element);
      counts.push(0);
    }
    counts[counts.length - 1]!++;
    inverse[place] = values.length - 1;
  }
  const elements = allocate(x.dtype, values.length);
  elements.set(values);
  return {
    values: fromHost(elements, [values.length], x.dtype) as Tensor<[number]>,
    inverse: fromHost(inverse, x.shape, "int32"),
    counts: fromHost(Int32Array.from(counts), [counts.length], "int32") as Tensor<[number]>,
  };
}

/** Ascending, NaN last. */
const compare = (a: number, b: number): number =>
  Number.isNaN(a) ? (Number.isNaN(b) ? 0 : 1) : Number.isNaN(b) ? -1 : a - b;
