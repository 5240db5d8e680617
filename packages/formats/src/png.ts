/**
 * PNG (ISO/IEC 15948, W3C Recommendation of 2003): all color types and depths, with or without interlacing, checked by
 * their sums. Pixels come as they are stored: no gamma, no color profile, no blending with a background.
 */
import { type Bytes, bytesOf } from "./array.ts";
import { crc32, join } from "./bytes.ts";
import { deflate, inflate } from "./compression.ts";
import { FormatError } from "./errors.ts";

/** Pixels in rows from the top, the channels of a pixel together. */
export interface DecodedImage {
  /** 0 to 255, or 0 to 65 535 in a file of 16 bits. */
  readonly data: Uint8Array | Uint16Array;
  /** [height, width, channels]: 1 is gray, 2 gray and alpha, 3 RGB, 4 RGBA. */
  readonly shape: readonly [height: number, width: number, channels: number];
}

const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** Samples of a pixel, and the depths that a color type may have. */
const colorTypes: Readonly<Record<number, { readonly samples: number; readonly depths: readonly number[] }>> = {
  0: { samples: 1, depths: [1, 2, 4, 8, 16] },
  2: { samples: 3, depths: [8, 16] },
  3: { samples: 1, depths: [1, 2, 4, 8] },
  4: { samples: 2, depths: [8, 16] },
  6: { samples: 4, depths: [8, 16] },
};

/** Which pixels the passes of an interlaced image hold (Adam7): first column and row, then the steps. */
const interlaced = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;
const sequential = [[0, 0, 1, 1]] as const;

interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colorType: number;
  readonly samples: number;
  readonly passes: readonly (readonly [column: number, row: number, columnStep: number, rowStep: number])[];
}

/** True where `bytes` begin as a PNG file does. */
export const isPng = (bytes: Bytes): boolean => {
  const start = bytesOf(bytes).subarray(0, 8);
  return start.length === 8 && signature.every((byte, i) => start[i] === byte);
};

/**
 * Reads a PNG file. A palette becomes RGB, gray of 1, 2 or 4 bits becomes 0 to 255, and a transparent color becomes a
 * channel of alpha.
 *
 * @example
 * const file = await writePng({ data: Uint8Array.of(0, 255, 128, 64), shape: [2, 2, 1] });
 * console.log((await readPng(file)).shape); // [ 2, 2, 1 ]
 * @throws FormatError where the bytes are not a whole PNG file, or a sum does not hold.
 */
export async function readPng(bytes: Bytes): Promise<DecodedImage> {
  const source = bytesOf(bytes);
  if (!isPng(source)) {
    throw new FormatError("readPng", "the bytes do not begin as a PNG file does", {
      expected: signature,
      received: [...source.subarray(0, 8)],
      hint: "readImage reads other formats where the host can",
    });
  }
  const chunks = chunksOf(source);
  const header = headerOf(chunks.get("IHDR")?.[0]);
  const expected = header.passes.reduce((sum, pass) => {
    const { columns, rows } = sizeOf(header, pass);
    return sum + (columns > 0 ? rows * (1 + lineBytes(header, columns)) : 0);
  }, 0);
  const raw = await inflate("readPng", join(chunks.get("IDAT") ?? []), expected);
  if (raw.length !== expected) {
    throw new FormatError("readPng", `the pixels are ${raw.length} bytes, the header says ${expected}`, {
      expected,
      received: raw.length,
      hint: "the file is damaged",
    });
  }
  const samples = samplesOf(header, raw);
  return colored(header, samples, chunks.get("PLTE")?.[0], chunks.get("tRNS")?.[0]);
}

/**
 * Writes a PNG file of 8 or 16 bits, not interlaced.
 *
 * @throws FormatError for a shape that is not [height, width, 1 to 4], or does not fit the data.
 */
export async function writePng({ data, shape }: DecodedImage): Promise<Uint8Array<ArrayBuffer>> {
  const [height, width, channels] = shape;
  const colorType = { 1: 0, 2: 4, 3: 2, 4: 6 }[channels];
  const whole = [height, width].every((length) => Number.isSafeInteger(length) && length >= 1 && length < 2 ** 31);
  if (shape.length !== 3 || colorType === undefined || !whole || height * width * channels !== data.length) {
    throw new FormatError("writePng", `${data.length} values of shape ${JSON.stringify(shape)} are not an image`, {
      expected: "[height, width, 1 to 4]",
      received: shape,
      hint: "give the shape [height, width, channels]",
    });
  }
  const depth = data instanceof Uint16Array ? 16 : 8;
  const line = width * channels * (depth / 8);
  const raw = new Uint8Array(height * (1 + line));
  const pixel = channels * (depth / 8);
  for (let y = 0; y < height; y++) {
    const start = y * (1 + line) + 1;
    // Filter 1, the difference to the pixel on the left, is good for most images and simple to write.
    raw[start - 1] = 1;
    const stored = (i: number): number =>
      depth === 8 ? data[y * line + i]! : (data[(y * line + i) >> 1]! >> (i % 2 === 0 ? 8 : 0)) & 255;
    for (let i = 0; i < line; i++) raw[start + i] = stored(i) - (i >= pixel ? stored(i - pixel) : 0);
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([depth, colorType], 8);
  return join([
    Uint8Array.from(signature),
    chunk("IHDR", header),
    chunk("IDAT", await deflate("writePng", raw)),
    chunk("IEND", new Uint8Array(0)),
  ]);
}

function chunk(name: string, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(content.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  bytes.set(new TextEncoder().encode(name), 4);
  bytes.set(content, 8);
  view.setUint32(content.length + 8, crc32(bytes.subarray(4, content.length + 8)));
  return bytes;
}

/** The contents of the chunks that matter, by name; the rest is checked and left. */
function chunksOf(source: Uint8Array): Map<string, Uint8Array[]> {
  const view = new DataView(source.buffer, source.byteOffset, source.byteLength);
  const chunks = new Map<string, Uint8Array[]>();
  for (let at = 8; ; ) {
    const length = at + 12 <= source.length ? view.getUint32(at) : Infinity;
    if (at + 12 + length > source.length) {
      throw new FormatError("readPng", `the file is cut off in the chunk at byte ${at}`, {
        received: source.length,
        hint: "fetch the file again",
      });
    }
    const name = String.fromCharCode(...source.subarray(at + 4, at + 8));
    if (crc32(source.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length)) {
      throw new FormatError("readPng", `the checksum of chunk ${JSON.stringify(name)} at byte ${at} is wrong`, {
        hint: "the file is damaged; fetch it again",
      });
    }
    const content = source.subarray(at + 8, at + 8 + length);
    at += 12 + length;
    if (name === "IEND") return chunks;
    if (["IHDR", "PLTE", "IDAT", "tRNS"].includes(name)) {
      const held = chunks.get(name);
      if (held) held.push(content);
      else chunks.set(name, [content]);
    } else if (name.charCodeAt(0) < 97) {
      // A capital first letter: the image cannot be understood without this chunk.
      throw new FormatError("readPng", `the chunk ${JSON.stringify(name)} is not known`, {
        received: name,
        hint: "save the image as a plain PNG",
      });
    }
  }
}

function headerOf(content: Uint8Array | undefined): Header {
  if (content?.length !== 13) throw new FormatError("readPng", "there is no header", { hint: "the file is damaged" });
  const view = new DataView(content.buffer, content.byteOffset, 13);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [depth, colorType, compression, filter, interlace] = content.subarray(8) as unknown as [
    number,
    number,
    number,
    number,
    number,
  ];
  const kind = colorTypes[colorType];
  const valid = kind?.depths.includes(depth) && compression === 0 && filter === 0 && interlace <= 1;
  if (!kind || !valid || width === 0 || height === 0 || width >= 2 ** 31 || height >= 2 ** 31) {
    throw new FormatError("readPng", `the header ${JSON.stringify([width, height, ...content.subarray(8)])} is invalid`, {
      expected: "[width, height, depth, color type, 0, 0, 0 or 1]",
      received: [width, height, ...content.subarray(8)],
      hint: "the file is damaged",
    });
  }
  return { width, height, depth, colorType, samples: kind.samples, passes: interlace ? interlaced : sequential };
}

const sizeOf = ({ width, height }: Header, [column, row, columnStep, rowStep]: Header["passes"][number]) => ({
  columns: Math.max(0, Math.ceil((width - column) / columnStep)),
  rows: Math.max(0, Math.ceil((height - row) / rowStep)),
});

const lineBytes = ({ samples, depth }: Header, columns: number): number => Math.ceil((columns * samples * depth) / 8);

/** All samples in the order of the image, in the range of their depth. */
function samplesOf(header: Header, raw: Uint8Array): Uint8Array | Uint16Array {
  const { width, height, depth, samples } = header;
  const image = new (depth === 16 ? Uint16Array : Uint8Array)(height * width * samples);
  const distance = Math.max(1, (samples * depth) / 8);
  let at = 0;
  for (const pass of header.passes) {
    const [column, row, columnStep, rowStep] = pass;
    const { columns, rows } = sizeOf(header, pass);
    if (columns === 0) continue;
    const length = lineBytes(header, columns);
    let above: Uint8Array = new Uint8Array(length);
    for (let y = 0; y < rows; y++) {
      const line = raw.subarray(at + 1, at + 1 + length);
      unfilter(raw[at]!, line, above, distance);
      above = line;
      at += 1 + length;
      for (let i = 0; i < columns * samples; i++) {
        const x = column + columnStep * Math.floor(i / samples);
        image[((row + rowStep * y) * width + x) * samples + (i % samples)] = sampleAt(line, i, depth);
      }
    }
  }
  return image;
}

function sampleAt(line: Uint8Array, i: number, depth: number): number {
  if (depth === 8) return line[i]!;
  if (depth === 16) return line[2 * i]! * 256 + line[2 * i + 1]!;
  const bit = i * depth;
  return (line[bit >> 3]! >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
}

/** Undoes the filter of a line, in place. Bytes wrap around by themselves. */
function unfilter(filter: number, line: Uint8Array, above: Uint8Array, distance: number): void {
  switch (filter) {
    case 0:
      return;
    case 1:
      for (let i = distance; i < line.length; i++) line[i]! += line[i - distance]!;
      return;
    case 2:
      for (let i = 0; i < line.length; i++) line[i]! += above[i]!;
      return;
    case 3:
      for (let i = 0; i < line.length; i++) line[i]! += ((i >= distance ? line[i - distance]! : 0) + above[i]!) >> 1;
      return;
    case 4:
      for (let i = 0; i < line.length; i++) {
        const [left, corner] = i >= distance ? [line[i - distance]!, above[i - distance]!] : [0, 0];
        const up = above[i]!;
        const guess = left + up - corner;
        const [toLeft, toUp, toCorner] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
        line[i]! += toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner;
      }
      return;
    default:
      throw new FormatError("readPng", `filter ${filter} is not known`, { received: filter, hint: "the file is damaged" });
  }
}

/** Samples to pixels: palettes looked up, small depths spread to bytes, transparent colors to alpha. */
function colored(
  { width, height, depth, colorType, samples }: Header,
  stored: Uint8Array | Uint16Array,
  palette: Uint8Array | undefined,
  transparent: Uint8Array | undefined,
): DecodedImage {
  const pixels = width * height;
  const full = depth === 16 ? 65535 : 255;
  if (colorType === 3) {
    const colors = (palette?.length ?? 0) / 3;
    const channels = transparent ? 4 : 3;
    const data = new Uint8Array(pixels * channels);
    for (let i = 0; i < pixels; i++) {
      const color = stored[i]!;
      if (!palette || color >= colors) {
        throw new FormatError("readPng", `pixel ${i} has color ${color} of a palette of ${colors}`, {
          expected: colors,
          received: color,
          hint: "the file is damaged",
        });
      }
      for (let c = 0; c < 3; c++) data[i * channels + c] = palette[3 * color + c]!;
      if (transparent) data[i * 4 + 3] = transparent[color] ?? 255;
    }
    return { data, shape: [height, width, channels] };
  }
  const spread = depth < 8 ? 255 / (2 ** depth - 1) : 1;
  if (!transparent || colorType >= 4) {
    return { data: spread === 1 ? stored : stored.map((value) => value * spread), shape: [height, width, samples] };
  }
  const clear = new DataView(transparent.buffer, transparent.byteOffset, transparent.byteLength);
  if (transparent.length !== 2 * samples) {
    throw new FormatError("readPng", `the transparent color has ${transparent.length} bytes`, {
      expected: 2 * samples,
      received: transparent.length,
      hint: "the file is damaged",
    });
  }
  const data = new (depth === 16 ? Uint16Array : Uint8Array)(pixels * (samples + 1));
  for (let i = 0; i < pixels; i++) {
    let same = true;
    for (let c = 0; c < samples; c++) {
      const value = stored[i * samples + c]!;
      same &&= value === clear.getUint16(2 * c);
      data[i * (samples + 1) + c] = value * spread;
    }
    data[i * (samples + 1) + samples] = same ? 0 : full;
  }
  return { data, shape: [height, width, samples + 1] };
}
