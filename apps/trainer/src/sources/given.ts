/** Data that a trained model is given: a file of rows for a model of tables, images for a model of images. */
import { existsSync } from "node:fs";
import { type Dataset, type Source, dataset } from "@dormouse/data";
import type { Tensor } from "@dormouse/tensor";
import type { Example } from "@dormouse/train";
import { Failure } from "../failure.ts";
import type { Schema } from "../schema.ts";
import { readingTable } from "./reading.ts";
import { readRows } from "./table.ts";
import { readTestPair } from "./idx.ts";
import { readGivenImages } from "./images.ts";

/** Examples with targets, to check a model on. */
export async function givenExamples(path: string, { input }: Schema): Promise<Dataset<Example>> {
  requirePlace(path);
  if (input.kind === "image") {
    const examples = await readTestPair(path);
    requireSize(path, input, examples.fields["x"]!.shape);
    return examples;
  }
  const { table, features } = await readRows(path, input);
  return readingTable(path, () => features.dataset(table));
}

/** Examples to predict. */
export interface Given {
  readonly examples: Source<{ readonly x: Tensor }>;
  /** The file of each, where they come from many. */
  readonly files: readonly string[] | null;
}

/** Examples without targets. */
export async function givenInputs(path: string, { input }: Schema): Promise<Given> {
  requirePlace(path);
  if (input.kind === "image") {
    const { data, shape, files } = await readGivenImages(path, input);
    return { examples: dataset({ x: { data, shape: [...shape] } }), files };
  }
  const { table, features } = await readRows(path, input);
  return { examples: await readingTable(path, () => dataset({ x: features.transform(table) })), files: null };
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
