/** Data that a trained model is given: a CSV file for a model of tables, IDX images for a model of images. */
import { existsSync } from "node:fs";
import { type Dataset, type Source, dataset } from "@dormouse/data";
import type { Tensor } from "@dormouse/tensor";
import type { Example } from "@dormouse/train";
import { Failure, readingData } from "../failure.ts";
import type { Schema } from "../schema.ts";
import { readRows } from "./table.ts";
import { readImages, readTestPair } from "./idx.ts";

/** Examples with targets, to check a model on. */
export async function givenExamples(path: string, { input }: Schema): Promise<Dataset<Example>> {
  requirePlace(path);
  if (input.kind === "image") {
    const examples = await readTestPair(path);
    requireSize(path, input, examples.fields["x"]!.shape);
    return examples;
  }
  const { table, features } = await readRows(path, input);
  return readingData(path, () => features.dataset(table));
}

/** Examples without targets, to predict. */
export async function givenInputs(path: string, { input }: Schema): Promise<Source<{ readonly x: Tensor }>> {
  requirePlace(path);
  if (input.kind === "image") {
    const images = await readImages(path);
    requireSize(path, input, images.shape);
    return dataset({ x: images as { data: Uint8Array; shape: number[] } });
  }
  const { table, features } = await readRows(path, input);
  return readingData(path, () => dataset({ x: features.transform(table) }));
}

function requirePlace(path: string): void {
  if (!existsSync(path)) throw new Failure("data", `${path}: there is no such file or folder`);
}

function requireSize(path: string, { height, width }: { readonly height: number; readonly width: number }, shape: readonly number[]): void {
  const [count = 0, rows, columns] = shape;
  if (count === 0) throw new Failure("data", `${path}: there are no images`);
  if (rows === height && columns === width) return;
  throw new Failure("data", `${path}: images are ${rows} x ${columns}, the model was trained on ${height} x ${width}`);
}
