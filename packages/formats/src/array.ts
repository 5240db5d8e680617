/**
 * What readers return and writers take: a flat typed array and a shape. Also owns the element codes that the formats
 * share, and the one place that turns bytes into typed arrays. Assumes a little-endian host, as every JavaScript
 * engine in use has.
 */
import { FormatError } from "./errors.ts";
import { type SmallFloat, decodeSmallFloats, encodeSmallFloats } from "./small-float.ts";

/** Typed arrays that can come out of a file. 64-bit integers keep all their bits as BigInt arrays. */
export type NumberArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

/** Values in row-major order, and the lengths of the axes (`[]` is a scalar). */
export interface ShapedArray {
  readonly data: NumberArray;
  readonly shape: readonly number[];
}

/** Bytes as callers have them: an `ArrayBuffer`, a typed array, a Node `Buffer`, a `DataView`. */
export type Bytes = ArrayBufferLike | ArrayBufferView;

/** The bytes of `source` as a `Uint8Array` over the same memory. */
export function bytesOf(source: Bytes): Uint8Array {
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  return new Uint8Array(source);
}

/** How elements of one kind are stored. */
export interface Elements {
  readonly bytes: 1 | 2 | 4 | 8;
  /** The array whose elements have the stored bit pattern. */
  readonly stored: new (buffer: ArrayBufferLike, byteOffset: number, length: number) => NumberArray;
  /** Set where JavaScript has no array of the type; values are then read to float32. */
  readonly small?: SmallFloat;
}

/** Storage of every element type, by a neutral code: kind and bits. */
export const elements = {
  f64: { bytes: 8, stored: Float64Array },
  f32: { bytes: 4, stored: Float32Array },
  f16: { bytes: 2, stored: Uint16Array, small: { exponent: 5, mantissa: 10, infinities: true } },
  bf16: { bytes: 2, stored: Uint16Array, small: { exponent: 8, mantissa: 7, infinities: true } },
  f8e5m2: { bytes: 1, stored: Uint8Array, small: { exponent: 5, mantissa: 2, infinities: true } },
  f8e4m3: { bytes: 1, stored: Uint8Array, small: { exponent: 4, mantissa: 3, infinities: false } },
  i64: { bytes: 8, stored: BigInt64Array },
  i32: { bytes: 4, stored: Int32Array },
  i16: { bytes: 2, stored: Int16Array },
  i8: { bytes: 1, stored: Int8Array },
  u64: { bytes: 8, stored: BigUint64Array },
  u32: { bytes: 4, stored: Uint32Array },
  u16: { bytes: 2, stored: Uint16Array },
  u8: { bytes: 1, stored: Uint8Array },
  bool: { bytes: 1, stored: Uint8Array },
} as const satisfies Record<string, Elements>;

/** Neutral code of an element type. */
export type ElementCode = keyof typeof elements;

/**
 * `length` elements of `bytes` from `offset`. A view where the memory is aligned (no copy), else a copy; types that
 * JavaScript lacks come as float32.
 */
export function decodeElements(code: ElementCode, bytes: Uint8Array, offset: number, length: number): NumberArray {
  const { bytes: width, stored, small }: Elements = elements[code];
  const start = bytes.byteOffset + offset;
  const aligned = start % width === 0;
  const buffer = aligned ? bytes.buffer : bytes.slice(offset, offset + length * width).buffer;
  const raw = new stored(buffer, aligned ? start : 0, length);
  return small ? decodeSmallFloats(raw as Uint16Array | Uint8Array, small) : raw;
}

/** The stored bytes of `data` as elements of `code`; `op` is named where the two do not fit. */
export function encodeElements(op: string, code: ElementCode, data: NumberArray): Uint8Array {
  const { stored, small }: Elements = elements[code];
  if (small) {
    if (!(data instanceof Float32Array || data instanceof Float64Array)) {
      throw new FormatError(op, `${data.constructor.name} cannot be stored as ${code}`, {
        received: data.constructor.name,
        hint: "pass a Float32Array",
      });
    }
    return bytesOf(encodeSmallFloats(data, small));
  }
  if (!(data instanceof stored)) {
    throw new FormatError(op, `${data.constructor.name} cannot be stored as ${code}`, {
      expected: stored.name,
      received: data.constructor.name,
      hint: `pass a ${stored.name}`,
    });
  }
  return bytesOf(data);
}

/** The code whose elements `data` holds as they are. */
export function codeOf(op: string, data: NumberArray): ElementCode {
  for (const code of ["f32", "f64", "i32", "u8", "i64", "u32", "i16", "u16", "i8", "u64"] as const) {
    if (data instanceof elements[code].stored) return code;
  }
  throw new FormatError(op, "the data is not a typed array of numbers", { hint: "pass a Float32Array" });
}

/** Number of elements of `shape`; throws where a length is not a whole number or the product is not exact. */
export function countOf(op: string, shape: readonly unknown[]): number {
  let count = 1;
  for (const length of shape) {
    if (typeof length !== "number" || !Number.isSafeInteger(length) || length < 0) {
      throw new FormatError(op, `${JSON.stringify(length)} is not a length in shape ${JSON.stringify(shape)}`, {
        received: shape,
        hint: "lengths are whole numbers from 0",
      });
    }
    count *= length;
    if (!Number.isSafeInteger(count)) {
      throw new FormatError(op, `shape ${JSON.stringify(shape)} has more elements than can be counted`, {
        received: shape,
        hint: "the file is damaged",
      });
    }
  }
  return count;
}

/** Throws unless `data` has as many elements as `shape` says. */
export function checkCount(op: string, { data, shape }: ShapedArray): void {
  const count = countOf(op, shape);
  if (data.length !== count) {
    throw new FormatError(op, `${data.length} values do not fill shape ${JSON.stringify(shape)} of ${count}`, {
      expected: count,
      received: data.length,
      hint: "give the shape of the data",
    });
  }
}
