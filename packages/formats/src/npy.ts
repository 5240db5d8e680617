/**
 * NumPy's array file: a magic string, a version, a header written as a Python dictionary, then raw values. Reads
 * versions 1 to 3, both byte orders and both storage orders; refuses types that are not numbers.
 * Source: NumPy Enhancement Proposal 1 and the `numpy.lib.format` documentation.
 */
import {
  type Bytes,
  type ElementCode,
  type NumberArray,
  type ShapedArray,
  bytesOf,
  checkCount,
  codeOf,
  countOf,
  decodeElements,
  elements,
  encodeElements,
} from "./array.ts";
import { swapBytes } from "./endian.ts";
import { FormatError } from "./errors.ts";

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/** Element codes by the part of `descr` after the byte order. */
const codes: Readonly<Record<string, ElementCode>> = {
  f2: "f16",
  f4: "f32",
  f8: "f64",
  i1: "i8",
  i2: "i16",
  i4: "i32",
  i8: "i64",
  u1: "u8",
  u2: "u16",
  u4: "u32",
  u8: "u64",
  b1: "bool",
};

/** An array as a NumPy file holds it; `descr` is NumPy's name of the stored type, such as `<f4`. */
export interface NpyArray extends ShapedArray {
  readonly descr: string;
}

/**
 * Reads a `.npy` file into row-major order. int64 and uint64 come as BigInt arrays, float16 as float32, bool as
 * `Uint8Array` of 0 and 1. The data is a view of `bytes` where no conversion is needed.
 *
 * ```ts
 * const bytes = writeNpy({ data: Float32Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3] });
 * console.log(readNpy(bytes).shape); // [ 2, 3 ]
 * ```
 * @throws FormatError for a wrong magic string or version, object or structured types, and files that are cut off.
 */
export function readNpy(bytes: Bytes): NpyArray {
  const op = "readNpy";
  const source = bytesOf(bytes);
  const { text, start } = headerText(op, source);
  const { descr, fortran, shape } = parseHeader(op, text);
  const code = codes[descr.slice(1)]!;
  const width = elements[code].bytes;
  const count = countOf(op, shape);
  if (source.length - start !== count * width) {
    throw new FormatError(
      op,
      `${descr} of shape [${shape.join(", ")}] needs ${count * width} bytes of data, the file has ${source.length - start}`,
      { expected: count * width, received: source.length - start, hint: "the file is cut off or damaged" },
    );
  }
  const values =
    descr[0] === ">"
      ? decodeElements(code, swapBytes(source.subarray(start), width), 0, count)
      : decodeElements(code, source, start, count);
  return { data: fortran ? fromFortran(values, shape) : values, shape, descr };
}

/** An array to be written; without `dtype` the typed array decides. */
export interface NpyInput extends ShapedArray {
  /** Rounds floats to half precision, which is read back as float32. */
  readonly dtype?: "float16";
}

/**
 * Writes a `.npy` file (version 1, little-endian, row-major).
 *
 * ```ts
 * const bytes = writeNpy({ data: Float32Array.of(0.1), shape: [1], dtype: "float16" });
 * console.log(readNpy(bytes).descr); // <f2
 * ```
 * @throws FormatError where data and shape disagree, or integers are to be written as float16.
 */
export function writeNpy(array: NpyInput): Uint8Array<ArrayBuffer> {
  const op = "writeNpy";
  checkCount(op, array);
  const code = array.dtype === "float16" ? "f16" : codeOf(op, array.data);
  const name = Object.keys(codes).find((key) => codes[key] === code)!;
  const tuple = array.shape.length === 1 ? `(${array.shape[0]},)` : `(${array.shape.join(", ")})`;
  const dictionary = `{'descr': '${elements[code].bytes === 1 ? "|" : "<"}${name}', 'fortran_order': False, 'shape': ${tuple}, }`;
  // NumPy pads with blanks so that the data begins at a multiple of 64, and ends the header with a line feed.
  const start = Math.ceil((magic.length + 4 + dictionary.length + 1) / 64) * 64;
  const header = `${dictionary.padEnd(start - magic.length - 5)}\n`;
  const stored = encodeElements(op, code, array.data);
  const file = new Uint8Array(start + stored.length);
  file.set(magic);
  file.set([1, 0, header.length & 255, header.length >> 8], magic.length);
  file.set(new TextEncoder().encode(header), magic.length + 4);
  file.set(stored, start);
  return file;
}

function headerText(op: string, source: Uint8Array): { text: string; start: number } {
  if (magic.some((byte, i) => source[i] !== byte)) {
    throw new FormatError(op, "the bytes do not begin with the magic string \\x93NUMPY", {
      hint: source[0] === 0x50 && source[1] === 0x4b ? "this is a zip archive: use readNpz" : "this is not a .npy file",
    });
  }
  const version = source[6];
  if (version !== undefined && version !== 1 && version !== 2 && version !== 3) {
    throw new FormatError(op, `format version ${version} is not known`, {
      expected: [1, 2, 3],
      received: version,
      hint: "save the array again with a current NumPy",
    });
  }
  const lengthBytes = version === 1 ? 2 : 4;
  const view = new DataView(source.buffer, source.byteOffset, source.byteLength);
  const headerStart = 8 + lengthBytes;
  const headerLength =
    source.length < headerStart ? Infinity : version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const start = headerStart + headerLength;
  if (start > source.length) {
    throw new FormatError(op, "the file ends inside its header", {
      received: source.length,
      hint: "the file is cut off",
    });
  }
  const decoder = new TextDecoder(version === 3 ? "utf-8" : "latin1");
  return { text: decoder.decode(source.subarray(headerStart, start)), start };
}

function parseHeader(op: string, text: string): { descr: string; fortran: boolean; shape: number[] } {
  const wrong = (problem: string, hint: string): FormatError =>
    new FormatError(op, problem, { received: text.trim(), hint });
  const fortran = /'fortran_order'\s*:\s*(True|False)\s*[,}]/.exec(text)?.[1];
  // Files of Python 2 write long integers as 3L.
  const tuple = /'shape'\s*:\s*\(((?:\s*\d+L?\s*,?)*)\)\s*[,}]/.exec(text)?.[1];
  const type = /'descr'\s*:\s*(?:'([^']*)'|(\[))/.exec(text);
  if (!type || fortran === undefined || tuple === undefined || !/^\s*\{[\s\S]*\}\s*$/.test(text)) {
    throw wrong(`the header is not a dictionary of descr, fortran_order and shape`, "the file is damaged");
  }
  const descr = type[1];
  if (descr === undefined) {
    throw wrong("the array has a structured type", "save its columns as separate arrays, or as an .npz archive");
  }
  if (/^[|<>=]?O/.test(descr)) {
    throw wrong("the array holds Python objects, which only unpickling could read", "save it as numbers");
  }
  const native = /^[|<>]/.test(descr) ? descr : `<${descr.replace(/^=/, "")}`;
  if (!(native.slice(1) in codes)) {
    throw wrong(
      `type ${JSON.stringify(descr)} is not a number that can be read`,
      `use one of ${Object.keys(codes).join(", ")}`,
    );
  }
  const shape = tuple
    .split(",")
    .filter((part) => part.trim() !== "")
    .map((part) => Number.parseInt(part, 10));
  return { descr: native, fortran: fortran === "True", shape };
}

/** Row-major copy of column-major `values`. */
function fromFortran(values: NumberArray, shape: readonly number[]): NumberArray {
  const strides: number[] = [];
  let stride = 1;
  for (const length of shape) {
    strides.push(stride);
    stride *= length;
  }
  const ordered = values.slice();
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < ordered.length; to++) {
    ordered[to] = values[from]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return ordered;
}
