/**
 * Folders with the four files of the MNIST family, compressed or not: images and labels to train on, images and labels
 * to test on. Validation and calibration examples are taken from the training files, stratified.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Dataset, dataset, splitDataset } from "@dormouse/data";
import { type ShapedArray, gunzip, isGzip, readIdx } from "@dormouse/formats";
import type { Example } from "@dormouse/train";
import { Failure, readingData } from "../failure.ts";
import { classification } from "../schema.ts";
import type { Settings } from "../settings.ts";
import type { Problem } from "./source.ts";

/** Shares of the training files; the test files stay as they are. */
const fractions = { validation: 0.05, calibration: 0.05 };

/** Reads a folder of IDX files. */
export async function readIdxParts({ seed, data }: Pick<Settings, "seed" | "data">): Promise<Problem> {
  const folder = data.path!;
  const training = await readPair(folder, "train", data.limit);
  const test = await readPair(folder, "t10k", data.limit);
  const [, height, width] = training.images.shape as [number, number, number];
  if (test.images.shape[1] !== height || test.images.shape[2] !== width) {
    const sizes = `${height} x ${width} and ${test.images.shape.slice(1).join(" x ")}`;
    throw new Failure("data", `${folder}: images to train on and to test on differ in size (${sizes})`);
  }
  const classes = Math.max(2, 1 + Math.max(largest(training.labels), largest(test.labels)));
  const parts = await readingData(folder, () => splitDataset(training.examples, { fractions, stratify: "y", seed }));
  return {
    schema: {
      format: "dormouse-schema/1",
      task: classification("label", Array.from({ length: classes }, (_, label) => String(label))),
      input: { kind: "image", height, width },
    },
    parts: { ...parts, test: test.examples },
    notes: [],
  };
}

/** The images that `predict` and `evaluate` are given: a folder's test files, or one file of images. */
export async function readImages(path: string): Promise<ShapedArray> {
  return readImageFile(testImages(path) ?? path);
}

/** The file of test images of a folder, if it has one. */
export const testImages = (folder: string): string | undefined => findFile(folder, "t10k-images-idx3-ubyte");

/** The test part of a folder, for checking a model on it. */
export const readTestPair = async (folder: string): Promise<Dataset<Example>> => (await readPair(folder, "t10k", null)).examples;

async function readPair(folder: string, prefix: "train" | "t10k", limit: number | null) {
  const images = await readImageFile(requireFile(folder, `${prefix}-images-idx3-ubyte`));
  const labelFile = requireFile(folder, `${prefix}-labels-idx1-ubyte`);
  const labels = await readFileOf(labelFile);
  const [count = 0] = images.shape;
  if (labels.shape.length !== 1 || labels.shape[0] !== count) {
    throw new Failure("data", `${labelFile}: ${labels.shape.join(" x ")} labels for ${count} images`);
  }
  if (count === 0) throw new Failure("data", `${folder}: there are no images`);
  const y = Int32Array.from(labels.data as Uint8Array);
  const all = await readingData(folder, () => dataset({ x: images as { data: Uint8Array; shape: number[] }, y }));
  const examples = limit === null ? all : all.take(limit);
  return { images, labels: y, examples };
}

async function readImageFile(file: string): Promise<ShapedArray> {
  const images = await readFileOf(file);
  if (images.shape.length === 3 && images.data instanceof Uint8Array) return images;
  throw new Failure("data", `${file}: ${images.data.constructor.name} of shape [${images.shape.join(", ")}] instead of images of bytes`);
}

const readFileOf = (file: string): Promise<ShapedArray> =>
  readingData(file, async () => {
    const bytes = readFileSync(file);
    return readIdx(isGzip(bytes) ? await gunzip(bytes) : bytes);
  });

const findFile = (folder: string, name: string): string | undefined =>
  // Some collections write a dot before "idx".
  [name, `${name}.gz`, name.replace("-idx", ".idx"), `${name.replace("-idx", ".idx")}.gz`]
    .map((candidate) => join(folder, candidate))
    .find((candidate) => existsSync(candidate));

function requireFile(folder: string, name: string): string {
  const found = findFile(folder, name);
  if (found) return found;
  throw new Failure("data", `${folder}: there is no ${name} or ${name}.gz`);
}

const largest = (values: Int32Array): number => values.reduce((most, value) => Math.max(most, value), 0);
