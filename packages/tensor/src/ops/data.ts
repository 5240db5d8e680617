/**
 * `tensor()`: nested arrays, typed arrays and numbers become tensors. Checks that rows have one length and that every
 * value is one of the dtype, and says where not.
 */
import { type DType, type Float16Elements, type TypedArray, allocate, isFloat, roundTo } from "../core/dtype.ts";
import { ShapeError, ValueError } from "../core/errors.ts";
import { primitive } from "../core/primitives.ts";
import { type Shape, showShape, sizeOf } from "../core/shape.ts";
import type { NestedArray, Tensor } from "../core/tensor.ts";
import { HostStorage } from "../run/storage.ts";
import type { DataShape, Mutable } from "../types/index.ts";
import { checkLengths } from "./movement.ts";
import { requireDType, typed } from "./operands.ts";

/** Typed arrays that `tensor` takes as they are. */
type FlatArray = TypedArray | Float16Elements;

/** How `tensor` reads data. */
export interface TensorOptions {
  /** Default: the typed array's own (float16 of a Float16Array); bool for booleans; else float32. */
  readonly dtype?: DType | undefined;
}

/** As `TensorOptions`, for flat data. */
export interface ShapedOptions<S extends Shape> extends TensorOptions {
  /** The elements fill it in row-major order. */
  readonly shape: S;
}

/**
 * A tensor of JavaScript data, which is copied. `tensor([[1, 2], [3, 4]])` is a float32 `Tensor<[2, 2]>`;
 * `tensor(new Float32Array(6), { shape: [2, 3] })` gives flat data a shape. Floats are rounded to a narrower float dtype.
 *
 * @throws ShapeError where rows differ in length or the shape has another number of elements.
 * @throws ValueError where a value is not one of the dtype.
 */
export function tensor<const S extends Shape>(
  data: FlatArray | readonly number[] | readonly boolean[],
  options: ShapedOptions<S>,
): Tensor<Mutable<S>>;
export function tensor(data: FlatArray, options?: TensorOptions): Tensor<[number]>;
export function tensor<const T extends NestedArray>(data: T, options?: TensorOptions): Tensor<DataShape<T>>;
export function tensor(
  data: NestedArray | FlatArray,
  { dtype, shape }: TensorOptions & { readonly shape?: Shape } = {},
): Tensor {
  const flat = ArrayBuffer.isView(data) ? data : flattenData(data);
  const lengths = ArrayBuffer.isView(data) ? [data.length] : shapeOfData(data);
  const target = shape ? checkLengths("tensor", shape) : lengths;
  if (flat.length !== sizeOf(target)) {
    throw new ShapeError("tensor", `${flat.length} elements do not fill shape ${showShape(target)}`, {
      expected: sizeOf(target),
      received: flat.length,
      hint: `give ${sizeOf(target)} elements`,
    });
  }
  return fromElements(flat, target, dtype ? requireDType("tensor", dtype) : dtypeOfData(flat));
}

/** A tensor over a copy of `elements`, converted to `dtype`. */
function fromElements(elements: FlatArray | readonly (number | boolean)[], shape: Shape, dtype: DType): Tensor {
  const copy = allocate(dtype, elements.length);
  if (dtype === "float16") {
    for (let i = 0; i < elements.length; i++) copy[i] = roundTo(dtype, Number(elements[i]));
  } else if (isFloat(dtype)) {
    copy.set(elements as ArrayLike<number>);
  } else {
    for (let i = 0; i < elements.length; i++) copy[i] = wholeValue(Number(elements[i]), i, shape, dtype);
  }
  const result = primitive.buffer(shape, dtype);
  result.storage = new HostStorage(copy);
  return typed(result);
}

function wholeValue(value: number, at: number, shape: Shape, dtype: DType): number {
  const stored = roundTo(dtype, value);
  if (stored === value) return stored;
  throw new ValueError("tensor", `${value} at ${showShape(placeOf(at, shape))} is not a value of ${dtype}`, {
    expected: dtype,
    received: value,
    hint: "choose another dtype, or round it first",
  });
}

/** Index along each axis of element number `at`. */
function placeOf(at: number, shape: Shape): number[] {
  const place: number[] = [];
  for (let axis = shape.length - 1, rest = at; axis >= 0; axis--) {
    place.unshift(rest % shape[axis]!);
    rest = Math.floor(rest / shape[axis]!);
  }
  return place;
}

function dtypeOfData(data: FlatArray | readonly (number | boolean)[]): DType {
  if (isFloat16(data)) return "float16";
  if (data instanceof Float64Array) return "float64";
  if (data instanceof Int32Array) return "int32";
  if (data instanceof Uint32Array) return "uint32";
  if (data instanceof Uint8Array) return "uint8";
  if (data instanceof Float32Array || data.length === 0) return "float32";
  if (!Array.isArray(data)) {
    throw new ValueError("tensor", `${data.constructor.name} has no dtype`, {
      hint: "use a Float32Array, Float64Array, Float16Array, Int32Array, Uint32Array or Uint8Array",
    });
  }
  const booleans = data.filter((value) => typeof value === "boolean").length;
  if (booleans === 0) return "float32";
  if (booleans === data.length) return "bool";
  throw new ValueError("tensor", "numbers and booleans are mixed", { hint: "give a dtype, or make them one kind" });
}

const isFloat16 = (data: FlatArray | readonly unknown[]): data is Float16Elements =>
  ArrayBuffer.isView(data) && data[Symbol.toStringTag] === "Float16Array";

/** Lengths along the first elements. `flattenData` checks that all others agree. */
function shapeOfData(data: NestedArray): number[] {
  const shape: number[] = [];
  for (let level: NestedArray | undefined = data; Array.isArray(level); level = level[0]) shape.push(level.length);
  return shape;
}

function flattenData(data: NestedArray): (number | boolean)[] {
  const shape = shapeOfData(data);
  const flat: (number | boolean)[] = [];
  const visit = (part: NestedArray, place: readonly number[]): void => {
    const axis = place.length;
    if (Array.isArray(part)) {
      if (axis < shape.length && part.length === shape[axis]) {
        for (let i = 0; i < part.length; i++) visit(part[i], [...place, i]);
        return;
      }
      throw axis < shape.length
        ? ragged(`has length ${part.length}`, place, `has ${shape[axis]!}`)
        : ragged("is an array", place, "is a number");
    }
    if (typeof part !== "number" && typeof part !== "boolean") {
      const text = typeof part === "string" ? JSON.stringify(part) : String(part);
      throw new ValueError("tensor", `${text}${place.length > 0 ? ` at ${showShape(place)}` : ""} is not a number`, {
        received: part,
        hint: "give numbers or booleans",
      });
    }
    if (axis !== shape.length) throw ragged("is a number", place, `is an array of ${shape[axis]!}`);
    flat.push(part);
  };
  visit(data, []);
  return flat;
}

const ragged = (problem: string, place: readonly number[], wanted: string): ShapeError =>
  new ShapeError("tensor", `row ${showShape(place)} ${problem} where the first ${wanted}`, {
    hint: "make all rows one length",
  });
