/**
 * Images that a trained model is given: a folder of IDX test files, one IDX or NPY file of many images, or image files,
 * one by one or in a folder. Whatever they come from, they are bytes of gray, as in training; no image is resized, as
 * how that is done would change what is predicted.
 */
import { readFileSync, readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { type ShapedArray, gunzip, isGzip, isPng, readImage, readNpy } from "@dormouse/formats";
import { Failure, readingData } from "../failure.ts";
import { readImages, testImages } from "./idx.ts";

/** Images as bytes. */
export interface GivenImages {
  readonly data: Uint8Array;
  /** [count, height, width]. */
  readonly shape: readonly [number, number, number];
  /** The file of each; null where all are in one. */
  readonly files: readonly string[] | null;
}

/** Height and width that a model takes. */
interface Size {
  readonly height: number;
  readonly width: number;
}

/** Reads the images of a folder or a file. */
export async function readGivenImages(path: string, size: Size): Promise<GivenImages> {
  if (!statSync(path).isDirectory()) {
    const bytes = readFileSync(path);
    return isImage(path, bytes) ? stacked([path], size) : readArray(path, bytes, size);
  }
  if (testImages(path) !== undefined) return sized(path, await readImages(path), size);
  const names = readdirSync(path).filter((name) => imageName.test(name)).sort();
  if (names.length === 0) throw new Failure("data", `${path}: there is no t10k-images-idx3-ubyte, and no PNG or JPEG file`);
  return stacked(names.map((name) => join(path, name)), size);
}

const imageName = /^[^.].*\.(png|jpe?g)$/i;
const isImage = (path: string, bytes: Uint8Array): boolean => isPng(bytes) || imageName.test(basename(path));

/** Many images in one file. */
async function readArray(path: string, bytes: Uint8Array, size: Size): Promise<GivenImages> {
  const plain = isGzip(bytes) ? await readingData(path, () => gunzip(bytes)) : bytes;
  const isNpy = String.fromCharCode(...plain.subarray(1, 6)) === "NUMPY";
  return sized(path, isNpy ? await readingData(path, () => readNpy(plain)) : await readImages(path), size);
}

/** Image files as one array; they need the same size. */
async function stacked(files: readonly string[], size: Size): Promise<GivenImages> {
  const data = new Uint8Array(files.length * size.height * size.width);
  for (const [i, file] of files.entries()) {
    const image = await readingData(file, () => readImage(readFileSync(file), { channels: 1 }));
    const [height, width] = image.shape;
    const one = sized(file, { data: image.data, shape: [1, height, width] }, size);
    data.set(one.data, i * one.data.length);
  }
  return { data, shape: [files.length, size.height, size.width], files: files.map((file) => basename(file)) };
}

/** Refuses what are no images of bytes, and images of another size. */
function sized(path: string, { data, shape }: Pick<ShapedArray, "data" | "shape">, { height, width }: Size): GivenImages {
  const [count = 0, rows = 0, columns = 0] = shape;
  if (shape.length !== 3 || !(data instanceof Uint8Array)) {
    throw new Failure("data", `${path}: ${data.constructor.name} of shape [${shape.join(", ")}] instead of images of bytes`);
  }
  if (count === 0) throw new Failure("data", `${path}: there are no images`);
  if (rows !== height || columns !== width) {
    throw new Failure("data", `${path}: images are ${rows} x ${columns}, the model was trained on ${height} x ${width}`);
  }
  return { data, shape: [count, height, width], files: null };
}
