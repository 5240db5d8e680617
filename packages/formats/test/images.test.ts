/**
 * PNG files of every color type, depth, filter and interlacing, written by a program in Python from the standard's text
 * with zlib's own deflate (`fixtures/png.json`, with the pixels they must give), and what goes wrong.
 */
import { readFileSync } from "node:fs";
import { encode } from "jpeg-js";
import { afterEach, describe, expect, test, vi } from "vitest";
import { FormatError, isPng, readImage, readPng, writePng } from "../src/index.ts";
import { crc32 } from "../src/bytes.ts";

interface PngCase {
  readonly name: string;
  /** Base64. */
  readonly file: string;
  readonly shape: number[];
  readonly bits: 8 | 16;
  readonly data: number[];
}

const cases = JSON.parse(readFileSync(new URL("./fixtures/png.json", import.meta.url), "utf8")) as PngCase[];
const fileOf = (name: string): Uint8Array =>
  Uint8Array.from(Buffer.from(cases.find((item) => item.name === name)!.file, "base64"));

describe("readPng", () => {
  test.each(cases)("$name", async ({ file, shape, bits, data }) => {
    const image = await readPng(Buffer.from(file, "base64"));
    expect(image.shape).toEqual(shape);
    expect(image.data).toBeInstanceOf(bits === 16 ? Uint16Array : Uint8Array);
    expect([...image.data]).toEqual(data);
    expect(await readPng(await writePng(image))).toEqual(image);
  });
  test("a cut at any byte, and a flipped bit in any byte, is noticed", async () => {
    const file = fileOf("filter 4 only");
    for (let length = 0; length < file.length; length++) {
      await expect(readPng(file.subarray(0, length)), `cut at ${length}`).rejects.toThrow(FormatError);
    }
    for (let at = 0; at < file.length; at++) {
      const flipped = file.slice();
      flipped[at]! ^= 16;
      await expect(readPng(flipped), `byte ${at}`).rejects.toThrow(FormatError);
    }
  });
  test("a header that promises more than there is costs no memory", async () => {
    const file = fileOf("filter 0 only");
    const view = new DataView(file.buffer);
    view.setUint32(16, 2 ** 31 - 1);
    view.setUint32(20, 2 ** 31 - 1);
    view.setUint32(29, crc32(file.subarray(12, 29)));
    const before = process.memoryUsage().arrayBuffers;
    await expect(readPng(file)).rejects.toThrow(
      /^readPng: the pixels are 114 bytes, the header says \d+; the file is damaged/,
    );
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20);
  });
  test("more pixels than the header says are refused as they come", async () => {
    const file = fileOf("gray 8 bits");
    new DataView(file.buffer).setUint32(20, 2);
    new DataView(file.buffer).setUint32(29, crc32(file.subarray(12, 29)));
    await expect(readPng(file)).rejects.toThrow(/more than the 16 bytes it declares/);
  });
  test("shapes that are no images cannot be written", async () => {
    for (const shape of [[2, 2, 5], [2, 2, 2], [0, 1, 1], [4]]) {
      await expect(writePng({ data: new Uint8Array(4), shape: shape as unknown as [1, 1, 1] })).rejects.toThrow(
        /writePng: 4 values of shape .* are not an image/,
      );
    }
  });
});

describe("readImage", () => {
  afterEach(() => void vi.unstubAllGlobals());

  const rgba = { data: Uint8Array.of(255, 0, 0, 9, 10, 200, 30, 8), shape: [1, 2, 4] } as const;
  test.each([
    [1, [76, 124]],
    [3, [255, 0, 0, 10, 200, 30]],
    [4, [255, 0, 0, 9, 10, 200, 30, 8]],
  ] as const)("%i channels of RGBA", async (channels, expected) => {
    const { data, shape } = await readImage(await writePng(rgba), { channels });
    expect([...data]).toEqual(expected);
    expect(shape).toEqual([1, 2, channels]);
  });
  test.each([
    [[5, 65535], 1, 3, [5, 5, 5, 65535, 65535, 65535]],
    [[5, 6], 1, 4, [5, 5, 5, 65535, 6, 6, 6, 65535]],
    [[5, 6], 2, 4, [5, 5, 5, 6]],
    [[5, 6], 2, 1, [5]],
  ] as const)("%j of %i channels of 16 bits as %i", async (values, given, channels, expected) => {
    const file = await writePng({ data: Uint16Array.from(values), shape: [1, values.length / given, given] });
    expect([...(await readImage(file, { channels })).data]).toEqual(expected);
  });
  test("JPEG by jpeg-js: close to what was encoded", async () => {
    const [width, height] = [17, 9];
    const ramp = (i: number): number => (i % 4 === 3 ? 255 : 60 + ((i >> 2) % width) * 8);
    const pixels = Uint8Array.from({ length: width * height * 4 }, (_, i) => ramp(i));
    const file = new Uint8Array(encode({ width, height, data: pixels }, 95).data);
    expect(isPng(file)).toBe(false);
    const { data, shape } = await readImage(file, { channels: 1 });
    expect(shape).toEqual([height, width, 1]);
    data.forEach((value, i) => expect(Math.abs(value - pixels[4 * i]!)).toBeLessThanOrEqual(6));
    await expect(readImage(file.subarray(0, 200))).rejects.toThrow(/readImage: the JPEG is damaged/);
  });
  test("in a browser its own decoder reads what is not PNG", async () => {
    const image = { width: 2, height: 1, close: vi.fn() };
    const decode = vi.fn(() => Promise.resolve(image));
    vi.stubGlobal("createImageBitmap", decode);
    vi.stubGlobal(
      "OffscreenCanvas",
      class {
        getContext = () => ({
          drawImage: () => undefined,
          getImageData: () => ({ data: Uint8ClampedArray.of(1, 2, 3, 255, 4, 5, 6, 255) }),
        });
      },
    );
    const { data, shape } = await readImage(Uint8Array.of(0x52, 0x49, 0x46, 0x46), { channels: 3 });
    expect([...data]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(shape).toEqual([1, 2, 3]);
    expect(image.close).toHaveBeenCalled();
    decode.mockRejectedValueOnce(new Error("no image"));
    await expect(readImage(Uint8Array.of(1))).rejects.toThrow(/the browser cannot decode the image \(no image\)/);
  });
  test("other formats say what is missing", async () => {
    await expect(readImage(Uint8Array.of(0x47, 0x49, 0x46, 0x38))).rejects.toThrow(
      "readImage: nothing here decodes a file that begins with 47 49 46 38; save it as PNG, or decode it in a browser",
    );
  });
});
