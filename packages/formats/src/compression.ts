/**
 * Compressed bytes in and out, through the streams that browsers, Node, Deno and Bun share. Owns no algorithm.
 */
import { type Bytes, bytesOf } from "./array.ts";
import { FormatError } from "./errors.ts";

/** True where `bytes` begin as a gzip file does. */
export function isGzip(bytes: Bytes): boolean {
  const [first, second] = bytesOf(bytes);
  return first === 0x1f && second === 0x8b;
}

/**
 * Decompresses a gzip file.
 *
 * ```ts
 * console.log(await gunzip(await gzip(Uint8Array.of(1, 2)))); // Uint8Array(2) [ 1, 2 ]
 * ```
 * @throws FormatError where the bytes are not gzip, are cut off, or fail their checksum.
 */
export async function gunzip(bytes: Bytes): Promise<Uint8Array<ArrayBuffer>> {
  const source = bytesOf(bytes);
  if (!isGzip(source)) {
    throw new FormatError("gunzip", "the bytes are not a gzip file (it begins with 1f 8b)", {
      received: [...source.subarray(0, 2)],
      hint: "pass them to the reader as they are",
    });
  }
  return pipe("gunzip", source, new DecompressionStream("gzip"));
}

/** Compresses bytes as a gzip file. */
export const gzip = (bytes: Bytes): Promise<Uint8Array<ArrayBuffer>> =>
  pipe("gzip", bytesOf(bytes), new CompressionStream("gzip"));

/** Compresses to a bare deflate stream, as zip archives hold. */
export const deflateRaw = (op: string, bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> =>
  pipe(op, bytes, new CompressionStream("deflate-raw"));

/** Decompresses a bare deflate stream; gives up as soon as more than `limit` bytes came out. */
export const inflateRaw = (op: string, bytes: Uint8Array, limit: number): Promise<Uint8Array<ArrayBuffer>> =>
  pipe(op, bytes, new DecompressionStream("deflate-raw"), limit);

/** Compresses to a zlib stream, as PNG holds. */
export const deflate = (op: string, bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> =>
  pipe(op, bytes, new CompressionStream("deflate"));

/** Decompresses a zlib stream; gives up as soon as more than `limit` bytes came out. */
export const inflate = (op: string, bytes: Uint8Array, limit: number): Promise<Uint8Array<ArrayBuffer>> =>
  pipe(op, bytes, new DecompressionStream("deflate"), limit);

async function pipe(
  op: string,
  source: Uint8Array,
  stream: CompressionStream | DecompressionStream,
  limit = Infinity,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const writer = stream.writable.getWriter();
  // A write fails together with the read below, which reports it; here it only must not stay unhandled.
  const written = Promise.allSettled([writer.write(source as Uint8Array<ArrayBuffer>), writer.close()]);
  const reader = stream.readable.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      length += value.length;
      if (length > limit) break;
      chunks.push(value);
    }
  } catch (cause) {
    throw new FormatError(op, `the compressed data is damaged or cut off (${(cause as Error).message})`, {
      hint: "fetch the file again",
    });
  }
  if (length > limit) {
    await reader.cancel();
    throw new FormatError(op, `the compressed data holds more than the ${limit} bytes it declares`, {
      expected: limit,
      hint: "the file is damaged",
    });
  }
  await written;
  const joined = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.length;
  }
  return joined;
}
