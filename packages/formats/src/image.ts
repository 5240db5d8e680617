/**
 * Images of any format that the host or an optional decoder reads: PNG by our own reader everywhere; JPEG, WebP and
 * what else the browser knows by the browser; JPEG elsewhere by `jpeg-js` where it is installed. Also owns the choice
 * of channels.
 */
import { type Bytes, bytesOf } from "./array.ts";
import { FormatError } from "./errors.ts";
import { type DecodedImage, isPng, readPng } from "./png.ts";

/** What `readImage` gives. */
export interface ReadImageOptions {
  /**
   * 1 for gray (0.299 R + 0.587 G + 0.114 B, ITU-R BT.601), 3 for RGB (alpha is left out), 4 for RGBA. Default: what
   * the file has, which for a decoder of the browser is 4.
   */
  readonly channels?: 1 | 3 | 4;
}

/** The part of `jpeg-js` that is used. */
interface JpegDecoder {
  decode(
    bytes: Uint8Array,
    options: { readonly useTArray: true; readonly formatAsRGBA: false },
  ): { readonly width: number; readonly height: number; readonly data: Uint8Array };
}

/**
 * Reads an image file: PNG everywhere, other formats where the browser decodes them, and JPEG in Node, Deno and Bun
 * with the package `jpeg-js` installed. Decoders of JPEG differ: `jpeg-js` does not smooth colors between blocks, as
 * browsers do, so that a pixel at the edge of a strong color can be far from theirs.
 *
 * @example
 * const file = await writePng({ data: Uint8Array.of(255, 0, 0, 0, 0, 255), shape: [1, 2, 3] });
 * console.log((await readImage(file, { channels: 1 })).data); // Uint8Array(2) [ 76, 29 ]
 * @throws FormatError for damaged files, and where nothing on this host decodes the format.
 */
export async function readImage(bytes: Bytes, options: ReadImageOptions = {}): Promise<DecodedImage> {
  const source = bytesOf(bytes);
  const image = isPng(source) ? await readPng(source) : await readOther(source);
  return options.channels === undefined ? image : withChannels(image, options.channels);
}

const isJpeg = (source: Uint8Array): boolean => source[0] === 0xff && source[1] === 0xd8 && source[2] === 0xff;

async function readOther(source: Uint8Array): Promise<DecodedImage> {
  if (typeof createImageBitmap === "function" && typeof OffscreenCanvas === "function") return readByBrowser(source);
  if (isJpeg(source)) return readJpeg(source);
  const start = [...source.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  throw new FormatError("readImage", `nothing here decodes a file that begins with ${start || "no bytes"}`, {
    expected: "PNG or JPEG",
    received: start,
    hint: "save it as PNG, or decode it in a browser",
  });
}

async function readByBrowser(source: Uint8Array): Promise<DecodedImage> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(new Blob([source as Uint8Array<ArrayBuffer>]), {
      colorSpaceConversion: "none",
      premultiplyAlpha: "none",
    });
  } catch (cause) {
    throw new FormatError("readImage", `the browser cannot decode the image (${(cause as Error).message})`, {
      hint: "check that the file is a whole image",
    });
  }
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d")!;
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  return { data: new Uint8Array(data.buffer, data.byteOffset, data.length), shape: [height, width, 4] };
}

async function readJpeg(source: Uint8Array): Promise<DecodedImage> {
  let decoder: JpegDecoder;
  try {
    const module = (await import("jpeg-js")) as unknown as JpegDecoder & { readonly default?: JpegDecoder };
    decoder = module.default ?? module;
  } catch {
    throw new FormatError("readImage", "this host has no decoder of JPEG", {
      expected: "jpeg-js",
      hint: "npm install jpeg-js",
    });
  }
  let decoded: ReturnType<JpegDecoder["decode"]>;
  try {
    decoded = decoder.decode(source, { useTArray: true, formatAsRGBA: false });
  } catch (cause) {
    throw new FormatError("readImage", `the JPEG is damaged (${(cause as Error).message})`, {
      hint: "fetch the file again",
    });
  }
  const { width, height, data } = decoded;
  return { data, shape: [height, width, 3] };
}

/** The image with 1, 3 or 4 channels. */
function withChannels({ data, shape }: DecodedImage, channels: 1 | 3 | 4): DecodedImage {
  const [height, width, given] = shape;
  if (given === channels) return { data, shape };
  const full = data instanceof Uint16Array ? 65535 : 255;
  const out = new (data instanceof Uint16Array ? Uint16Array : Uint8Array)(height * width * channels);
  const isGray = given <= 2;
  for (let i = 0; i < height * width; i++) {
    const from = i * given;
    const [red, green, blue] = isGray
      ? [data[from]!, data[from]!, data[from]!]
      : [data[from]!, data[from + 1]!, data[from + 2]!];
    if (channels === 1) {
      out[i] = isGray ? red : Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
      continue;
    }
    out.set([red, green, blue], i * channels);
    if (channels === 4) out[i * 4 + 3] = given === 2 ? data[from + 1]! : full;
  }
  return { data: out, shape: [height, width, channels] };
}
