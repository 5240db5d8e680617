/**
 * IDX, the format of the MNIST family: two zero bytes, a type code, the number of axes, one big-endian uint32 per axis,
 * then the values in row-major, big-endian order. Compressed files go through `gunzip` first.
 * Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", file format section.
 */
import {
  type Bytes,
  type ElementCode,
  type ShapedArray,
  bytesOf,
  checkCount,
  codeOf,
  countOf,
  decodeElements,
  elements,
} from "./array.ts";
import { isGzip } from "./compression.ts";
import { swapBytes } from "./endian.ts";
import { FormatError } from "./errors.ts";

const codes: Record<number, ElementCode> = {
  0x08: "u8",
  0x09: "i8",
  0x0b: "i16",
  0x0c: "i32",
  0x0d: "f32",
  0x0e: "f64",
};

/**
 * Reads an IDX file: images come as a `Uint8Array` of shape [count, rows, columns], labels as [count].
 *
 * ```ts
 * const { data, shape } = readIdx(Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 7, 9));
 * console.log(data, shape); // Uint8Array(2) [ 7, 9 ] [ 2 ]
 * ```
 * @throws FormatError for a wrong magic number, an unknown type, or a file that is cut off or too long.
 */
export function readIdx(bytes: Bytes): ShapedArray {
  const op = "readIdx";
  const source = bytesOf(bytes);
  if (isGzip(source)) {
    throw new FormatError(op, "the bytes are gzip-compressed", { hint: "readIdx(await gunzip(bytes))" });
  }
  if (source.length < 4) {
    throw new FormatError(op, `${source.length} bytes are too few for a header`, { hint: "the file is cut off" });
  }
  const [zero, zeroToo, type, rank] = source as unknown as [number, number, number, number];
  const code = codes[type];
  if (zero !== 0 || zeroToo !== 0 || code === undefined) {
    const magic = [zero, zeroToo, type, rank].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    throw new FormatError(op, `${magic} is not the magic number of an IDX file`, {
      expected: "00 00, a type of 08 09 0b 0c 0d 0e, the number of axes",
      received: magic,
      hint: "images begin with 00 00 08 03, labels with 00 00 08 01",
    });
  }
  const start = 4 + 4 * rank;
  if (source.length < start) {
    throw new FormatError(op, `the file ends inside its header of ${start} bytes`, {
      expected: start,
      received: source.length,
      hint: "the file is cut off",
    });
  }
  const view = new DataView(source.buffer, source.byteOffset, source.byteLength);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const count = countOf(op, shape);
  const width = elements[code].bytes;
  if (source.length - start !== count * width) {
    throw new FormatError(
      op,
      `shape [${shape.join(", ")}] needs ${count * width} bytes of data, the file has ${source.length - start}`,
      { expected: count * width, received: source.length - start, hint: "the file is cut off or damaged" },
    );
  }
  const values = width === 1 ? source.slice(start) : swapBytes(source.subarray(start), width);
  return { data: decodeElements(code, values, 0, count), shape };
}

/** Writes an IDX file; the type follows the array (8- to 32-bit signed integers, uint8, float32, float64). */
export function writeIdx(array: ShapedArray): Uint8Array<ArrayBuffer> {
  const op = "writeIdx";
  checkCount(op, array);
  const code = codeOf(op, array.data);
  const type = Object.keys(codes).find((key) => codes[Number(key)] === code);
  if (type === undefined || array.shape.length > 255 || array.shape.some((length) => length > 0xffffffff)) {
    throw new FormatError(op, `IDX cannot hold ${array.data.constructor.name} of shape [${array.shape.join(", ")}]`, {
      hint: "use writeNpy or writeSafetensors",
    });
  }
  const stored = bytesOf(array.data);
  const start = 4 + 4 * array.shape.length;
  const file = new Uint8Array(start + stored.length);
  file.set([0, 0, Number(type), array.shape.length]);
  const view = new DataView(file.buffer);
  array.shape.forEach((length, axis) => view.setUint32(4 + 4 * axis, length));
  file.set(swapBytes(stored, elements[code].bytes), start);
  return file;
}
