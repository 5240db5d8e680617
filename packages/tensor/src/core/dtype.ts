/**
 * Element types: their sizes, their JavaScript arrays and the few facts every layer asks of them. Owns the two forms
 * that elements have outside a device: the values people see, and the bytes that a device stores. They differ for
 * float16 only, whose values come in a Float32Array. Owns nothing about shapes.
 */
import { decodeFloat16, encodeFloat16, roundToFloat16 } from "./float16.ts";

/**
 * The type of every element of a tensor. `bool` and `uint8` are stored one byte per element, `float16` two: a value is
 * rounded to it when it is stored, and arithmetic is that of float32.
 */
export type DType = "float16" | "float32" | "float64" | "int32" | "uint32" | "uint8" | "bool";

/** The dtypes that have derivatives. */
export type FloatType = "float16" | "float32" | "float64";

/** The JavaScript array that carries elements of a tensor in and out; a Float32Array for float16. */
export type TypedArray = Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array;

/** A `Float16Array`, which not every engine has, by its name. */
export interface Float16Elements extends ArrayBufferView, ArrayLike<number> {
  readonly [Symbol.toStringTag]: "Float16Array";
}

/** An array over elements as a device stores them: the 16-bit patterns for float16, else the values. */
export type StoredArray = TypedArray | Uint16Array;

interface Facts {
  readonly bytes: 1 | 2 | 4 | 8;
  readonly kind: "float" | "signed" | "unsigned" | "bool";
  readonly array: new (source: ArrayBuffer | number | ArrayLike<number>) => TypedArray;
}

const facts: Record<DType, Facts> = {
  float16: { bytes: 2, kind: "float", array: Float32Array },
  float32: { bytes: 4, kind: "float", array: Float32Array },
  float64: { bytes: 8, kind: "float", array: Float64Array },
  int32: { bytes: 4, kind: "signed", array: Int32Array },
  uint32: { bytes: 4, kind: "unsigned", array: Uint32Array },
  uint8: { bytes: 1, kind: "unsigned", array: Uint8Array },
  bool: { bytes: 1, kind: "bool", array: Uint8Array },
};

/** Every dtype, in the order in which documentation lists them. */
export const dtypes = Object.keys(facts) as readonly DType[];

/** Bytes of one stored element. */
export const bytesOf = (dtype: DType): 1 | 2 | 4 | 8 => facts[dtype].bytes;

/** True for float16, float32 and float64: the dtypes that have derivatives. */
export const isFloat = (dtype: DType): dtype is FloatType => facts[dtype].kind === "float";

/** True for int32, uint32 and uint8. */
export const isInteger = (dtype: DType): boolean =>
  facts[dtype].kind === "signed" || facts[dtype].kind === "unsigned";

/** The dtype of arithmetic on elements of `dtype`: constants and intermediate values are of it. */
export const computedIn = (dtype: DType): DType => (dtype === "float16" ? "float32" : dtype);

/** A new zeroed typed array for `length` values. */
export const allocate = (dtype: DType, length: number): TypedArray => new facts[dtype].array(length);

/** The values of the elements that `buffer` stores: a view, or a copy for float16. */
export const viewOf = (dtype: DType, buffer: ArrayBuffer): TypedArray =>
  dtype === "float16" ? decodeFloat16(new Uint16Array(buffer)) : new facts[dtype].array(buffer);

/** A view of the elements as `buffer` stores them (no copy). */
export const storedView = (dtype: DType, buffer: ArrayBuffer): StoredArray =>
  dtype === "float16" ? new Uint16Array(buffer) : new facts[dtype].array(buffer);

/** Values as a device stores them: the same array, or the 16-bit patterns. */
export const toStored = (dtype: DType, values: TypedArray): StoredArray =>
  dtype === "float16" ? encodeFloat16(values) : values;

/** Rounds `value` the way storing it in `dtype` does: to the nearest float, wrap, or truth value. */
export function roundTo(dtype: DType, value: number): number {
  switch (dtype) {
    case "float16":
      return roundToFloat16(value);
    case "float32":
      return Math.fround(value);
    case "float64":
      return value;
    case "int32":
      return saturate(value, -2147483648, 2147483647);
    case "uint32":
      return saturate(value, 0, 4294967295);
    case "uint8":
      return saturate(value, -2147483648, 2147483647) & 255;
    case "bool":
      return value === 0 ? 0 : 1;
  }
}

/** Truncates toward zero and clamps, as WebAssembly's saturating conversions do; NaN becomes 0. */
const saturate = (value: number, low: number, high: number): number =>
  Number.isNaN(value) ? 0 : Math.min(high, Math.max(low, Math.trunc(value)));
