/**
 * Safetensors: eight bytes of header length, a JSON header, then the values of all tensors without gaps. A header is
 * believed only after every offset, shape and type has been checked against the bytes that are there, so that a
 * damaged or hostile file costs no memory. Nothing is ever executed.
 * Source: the format section of the safetensors README.
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
  encodeElements,
} from "./array.ts";
import { FormatError } from "./errors.ts";
import { repeatedKey } from "./json-keys.ts";

const codes = {
  F64: "f64",
  F32: "f32",
  F16: "f16",
  BF16: "bf16",
  F8_E5M2: "f8e5m2",
  F8_E4M3: "f8e4m3",
  I64: "i64",
  I32: "i32",
  I16: "i16",
  I8: "i8",
  U64: "u64",
  U32: "u32",
  U16: "u16",
  U8: "u8",
  BOOL: "bool",
} as const satisfies Record<string, ElementCode>;

/** Element types of the format. */
export type SafetensorsDType = keyof typeof codes;

/** One tensor of a file. Types that JavaScript has no arrays for (F16, BF16, F8_*) come as float32. */
export interface SafeTensor extends ShapedArray {
  readonly dtype: SafetensorsDType;
}

/** What a safetensors file holds: tensors by name, in the order of the data, and free text. */
export interface Safetensors {
  readonly tensors: Map<string, SafeTensor>;
  readonly metadata: Record<string, string>;
}

/** The reference implementation refuses larger headers too. */
const headerLimit = 100_000_000;
const metadataKey = "__metadata__";

/**
 * Reads a safetensors file. The data are views of `bytes` where alignment and type allow, so keep `bytes` unchanged.
 *
 * ```ts
 * const bytes = writeSafetensors({ bias: { data: Float32Array.of(0.5), shape: [1] } });
 * console.log(readSafetensors(bytes).tensors.get("bias")?.data[0]); // 0.5
 * ```
 * @throws FormatError for a file that is cut off, a header that is not what the format says, or offsets that leave
 * holes, overlap, or disagree with shape and type.
 */
export function readSafetensors(bytes: Bytes): Safetensors {
  const source = bytesOf(bytes);
  const { header, start } = parseHeader(source);
  const metadata = readMetadata(header[metadataKey]);
  const entries = Object.keys(header)
    .filter((name) => name !== metadataKey)
    .map((name) => checkEntry(name, header[name]))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== at) {
      const problem = begin < at ? "overlaps the one before" : `leaves a hole of ${begin - at} bytes before it`;
      throw damaged(`tensor ${JSON.stringify(name)} at bytes ${begin} to ${end} ${problem}`, at, begin);
    }
    at = end;
  }
  const available = source.length - start;
  if (at !== available) {
    const problem = at > available ? `only ${available} are there` : `${available - at} more follow`;
    throw damaged(`the tensors need ${at} bytes of data, ${problem}`, at, available);
  }
  const tensors = new Map<string, SafeTensor>();
  for (const { name, dtype, shape, count, begin } of entries) {
    tensors.set(name, { dtype, shape, data: decodeElements(codes[dtype], source, start + begin, count) });
  }
  return { tensors, metadata };
}

/**
 * Writes a safetensors file, largest element types first so that all data is aligned. The type follows the array
 * (Float32Array → F32, BigInt64Array → I64 …) unless `dtype` names another: F16, BF16 and F8_* round a float array.
 * BOOL takes a `Uint8Array`.
 *
 * @throws FormatError where data and shape disagree, or a type cannot hold the data.
 */
export function writeSafetensors(
  tensors: Readonly<Record<string, SafeTensorInput>> | ReadonlyMap<string, SafeTensorInput>,
  options: { readonly metadata?: Readonly<Record<string, string>> } = {},
): Uint8Array<ArrayBuffer> {
  const op = "writeSafetensors";
  const entries = (tensors instanceof Map ? [...tensors] : Object.entries(tensors)) as [string, SafeTensorInput][];
  const parts = entries.map(([name, tensor]) => {
    if (name === metadataKey)
      throw new FormatError(op, `a tensor cannot be named ${metadataKey}`, { hint: "rename it" });
    const where = `${op}: tensor ${JSON.stringify(name)}`;
    checkCount(where, tensor);
    const dtype = tensor.dtype ?? dtypeOf(codeOf(where, tensor.data));
    return { name, dtype, shape: tensor.shape, stored: encodeElements(where, codes[dtype], tensor.data) };
  });
  parts.sort((a, b) => elements[codes[b.dtype]].bytes - elements[codes[a.dtype]].bytes || compare(a.name, b.name));
  const lines: string[] = [];
  if (options.metadata && Object.keys(options.metadata).length > 0) {
    lines.push(`${JSON.stringify(metadataKey)}:${JSON.stringify(readMetadata(options.metadata, op))}`);
  }
  let at = 0;
  for (const { name, dtype, shape, stored } of parts) {
    lines.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [at, at + stored.length] })}`);
    at += stored.length;
  }
  const text = new TextEncoder().encode(`{${lines.join(",")}}`);
  const headerLength = Math.ceil(text.length / 8) * 8;
  const file = new Uint8Array(8 + headerLength + at);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerLength), true);
  file.fill(0x20, 8, 8 + headerLength);
  file.set(text, 8);
  let to = 8 + headerLength;
  for (const { stored } of parts) {
    file.set(stored, to);
    to += stored.length;
  }
  return file;
}

/** A tensor to be written; without `dtype` the array decides. */
export interface SafeTensorInput extends ShapedArray {
  readonly dtype?: SafetensorsDType;
}

interface Entry {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: number[];
  readonly count: number;
  readonly begin: number;
  readonly end: number;
}

function parseHeader(source: Uint8Array): { header: Record<string, unknown>; start: number } {
  if (source.length < 8)
    throw damaged(`${source.length} bytes are too few for a header length of 8 bytes`, 8, source.length);
  const declared = new DataView(source.buffer, source.byteOffset, source.byteLength).getBigUint64(0, true);
  if (declared > headerLimit) {
    throw damaged(
      `a header of ${declared} bytes is declared, at most ${headerLimit} are accepted`,
      headerLimit,
      declared,
    );
  }
  const start = 8 + Number(declared);
  if (start > source.length) {
    throw damaged(
      `the header needs ${declared} bytes, ${source.length - 8} are there`,
      Number(declared),
      source.length - 8,
    );
  }
  let header: unknown;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(source.subarray(8, start));
    header = JSON.parse(text);
  } catch (cause) {
    throw damaged(`the header is not JSON in UTF-8 (${(cause as Error).message})`);
  }
  if (!isRecord(header)) throw damaged("the header is not a JSON object");
  const repeated = repeatedKey(text);
  if (repeated !== null) throw damaged(`the header has the key ${JSON.stringify(repeated)} twice`);
  return { header, start };
}

function checkEntry(name: string, value: unknown): Entry {
  const what = `tensor ${JSON.stringify(name)}`;
  if (!isRecord(value)) throw damaged(`${what} is not described by an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== "string" || !Object.hasOwn(codes, dtype)) {
    throw new FormatError("readSafetensors", `${what} has the unknown dtype ${JSON.stringify(dtype)}`, {
      expected: Object.keys(codes),
      received: dtype,
      hint: `use one of ${Object.keys(codes).join(", ")}`,
    });
  }
  if (!Array.isArray(shape)) throw damaged(`${what} has no shape`);
  if (
    !Array.isArray(offsets) ||
    offsets.length !== 2 ||
    !offsets.every((offset) => Number.isSafeInteger(offset) && offset >= 0)
  ) {
    throw damaged(`${what} has the data offsets ${JSON.stringify(offsets)} instead of two whole numbers`);
  }
  const [begin, end] = offsets as [number, number];
  const known = dtype as SafetensorsDType;
  const count = countOf(`readSafetensors: ${what}`, shape);
  const bytes = count * elements[codes[known]].bytes;
  if (end - begin !== bytes) {
    throw damaged(
      `${what} is ${dtype} of shape ${JSON.stringify(shape)} (${bytes} bytes), its offsets ${begin} to ${end} span ${end - begin}`,
      bytes,
      end - begin,
    );
  }
  return { name, dtype: known, shape: shape as number[], count, begin, end };
}

function readMetadata(value: unknown, op = "readSafetensors"): Record<string, string> {
  if (value === undefined) return {};
  if (!isRecord(value)) throw damaged(`${metadataKey} is not an object`);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") {
      throw new FormatError(op, `metadata ${JSON.stringify(key)} is ${JSON.stringify(text)}`, {
        expected: "a string",
        received: text,
        hint: "metadata are strings: write JSON.stringify(value)",
      });
    }
  }
  return value as Record<string, string>;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const dtypeOf = (code: ElementCode): SafetensorsDType =>
  (Object.keys(codes) as SafetensorsDType[]).find((dtype) => codes[dtype] === code)!;

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const damaged = (problem: string, expected?: unknown, received?: unknown): FormatError =>
  new FormatError("readSafetensors", problem, { expected, received, hint: "the file is damaged or not safetensors" });
