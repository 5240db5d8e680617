/**
 * Element types: their sizes, their JavaScript arrays and the few facts every layer asks of them.
 * Owns nothing about shapes or values.
 */

/** The type of every element of a tensor. `bool` and `uint8` are stored one byte per element. */
export type DType = "float32" | "float64" | "int32" | "uint32" | "uint8" | "bool";

/** The JavaScript array that carries elements of a tensor in and out. */
export type TypedArray = Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array;

interface Facts {
  readonly bytes: 1 | 4 | 8;
  readonly kind: "float" | "signed" | "unsigned" | "bool";
  readonly array: new (source: ArrayBuffer | number | ArrayLike<number>) => TypedArray;
}

const facts: Record<DType, Facts> = {
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
export const bytesOf = (dtype: DType): 1 | 4 | 8 => facts[dtype].bytes;

/** True for float32 and float64: the dtypes that have derivatives. */
export const isFloat = (dtype: DType): dtype is "float32" | "float64" =>
  facts[dtype].kind === "float";

/** True for int32, uint32 and uint8. */
export const isInteger = (dtype: DType): boolean =>
  facts[dtype].kind === "signed" || facts[dtype].kind === "unsigned";

/** A new zeroed typed array of `length` elements. */
export const allocate = (dtype: DType, length: number): TypedArray =>
  new facts[dtype].array(length);

/** A typed view of `buffer` (no copy). */
export const viewOf = (dtype: DType, buffer: ArrayBuffer): TypedArray =>
  new facts[dtype].array(buffer);

/** Rounds `value` the way storing it in `dtype` does: `fround`, wrap, or truth value. */
export function roundTo(dtype: DType, value: number): number {
  switch (dtype) {
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
