/**
 * What a trained model takes in and what its outputs mean: the file `schema.json` beside the weights. Whoever has both
 * can predict; nothing about the training data is needed again.
 */
import { readFile } from "node:fs/promises";
import { type FeaturesJson, type Target, featuresFromJSON } from "@dormouse/data";
import { z } from "zod";
import { Failure } from "./failure.ts";
import { settingsSchema } from "./settings.ts";
import type { Reading } from "./sources/reading.ts";

/** What is predicted. Two classes have one output, the logit of the second. */
export type Task =
  | { readonly kind: "regression"; readonly name: string; readonly mean: number; readonly deviation: number }
  | { readonly kind: "binary" | "multiclass"; readonly name: string; readonly classes: readonly string[] };

/** What a model is given: grey images of bytes, or a row of numbers made by fitted features. */
export type Input =
  | { readonly kind: "image"; readonly height: number; readonly width: number }
  | { readonly kind: "table"; readonly reading: Reading; readonly features: FeaturesJson };

export interface Schema {
  readonly format: "dormouse-schema/1";
  readonly task: Task;
  readonly input: Input;
}

/** The task that fitted features lead to. */
export function taskOf(target: Target): Task {
  if (target.task === "regression") {
    return { kind: "regression", name: target.name, mean: target.mean, deviation: target.deviation };
  }
  return classification(target.name, target.levels);
}

/** Two classes are told apart by one logit, more by one each. */
export const classification = (name: string, classes: readonly string[]): Task => ({
  kind: classes.length === 2 ? "binary" : "multiclass",
  name,
  classes,
});

/** How many numbers a model gives for an example. */
export const outputsOf = (task: Task): number => (task.kind === "multiclass" ? task.classes.length : 1);

/** How many numbers a model is given for an example. */
export const inputsOf = (input: Input): number =>
  input.kind === "image" ? input.height * input.width : featuresFromJSON(input.features).names.length;

const { columns, header, delimiter, decimal, encoding, comment, missing, ragged } = settingsSchema.shape.data.shape;
const readingSettings = z.object({ columns, header, delimiter, decimal, encoding, comment, missing, ragged });
const names = z.array(z.string()).min(2);
const schemaFile = z.object({
  format: z.literal("dormouse-schema/1"),
  task: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("regression"), name: z.string(), mean: z.number(), deviation: z.number() }),
    z.object({ kind: z.enum(["binary", "multiclass"]), name: z.string(), classes: names }),
  ]),
  input: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("image"), height: z.int().min(1), width: z.int().min(1) }),
    z.object({ kind: z.literal("table"), reading: readingSettings, features: z.unknown() }),
  ]),
});

/** Reads a `schema.json`. */
export async function readSchema(path: string): Promise<Schema> {
  const text = await readFile(path, "utf8");
  try {
    const schema = schemaFile.parse(JSON.parse(text)) as Schema;
    if (schema.input.kind === "table") featuresFromJSON(schema.input.features);
    return schema;
  } catch (error) {
    throw new Failure("usage", `${path} is not the schema of a run: ${(error as Error).message.split("\n")[0]}`);
  }
}
