/**
 * CSV files: rows to four parts, 70/10/10/10, stratified for classes. Every statistic (means, medians, levels) comes
 * from the training rows alone and travels with the model, so that `predict` sees a column as training did.
 */
import { readFileSync } from "node:fs";
import { type Dataset, type Features, Random, type Table, featuresFromJSON, fitFeatures, readCsv, splitIndices } from "@dormouse/data";
import { gunzip, isGzip } from "@dormouse/formats";
import type { Example } from "@dormouse/train";
import { Failure, readingData } from "../failure.ts";
import { type Input, taskOf } from "../schema.ts";
import type { Settings } from "../settings.ts";
import type { Problem } from "./source.ts";

const fractions = { train: 0.7, validation: 0.1, calibration: 0.1, test: 0.1 };

/** Reads a CSV file and divides it. */
export async function readTableParts({ seed, data }: Pick<Settings, "seed" | "data">): Promise<Problem> {
  const { table, notes, header } = await readTarget(data, seed);
  const target = data.target!;
  const asked = data.task ? { task: data.task } : {};
  return readingData(data.path!, () => {
    // The kind of the target decides how rows are divided, and is no statistic that could leak.
    const { task, reason } = fitFeatures(table, { target, ...asked }).target!;
    const stratify = task === "classification" ? { stratify: table.column(target).cells } : {};
    const rows = splitIndices(table.length, { fractions, seed, ...stratify });
    const features = fitFeatures(table.subset(rows.train), { target, task });
    const part = (name: keyof typeof fractions): Dataset<Example> => features.dataset(table.subset(rows[name]));
    return {
      schema: {
        format: "dormouse-schema/1",
        task: taskOf(features.target!),
        input: { kind: "table", header, features: features.toJSON() },
      } as const,
      parts: { train: part("train"), validation: part("validation"), calibration: part("calibration"), test: part("test") },
      notes: [
        `${target}: ${task} (${reason})`,
        ...features.setAside.map((line) => `set aside ${line}`),
        ...notes,
      ],
    };
  });
}

/** The rows of a file that have a target. */
async function readTarget({ path, target, limit }: Settings["data"], seed: number) {
  const { table: all, header } = await readTable(path!);
  if (target === null) throw new Failure("usage", `${path}: which column is to be predicted? --target <column>, one of ${all.names.join(", ")}`);
  if (!all.names.includes(target)) {
    throw new Failure("usage", `--target ${target}: ${path} has no such column; it has ${all.names.join(", ")}`);
  }
  const complete = all.dropMissing(target);
  const notes = complete.length < all.length ? [`left out ${all.length - complete.length} rows without ${target}`] : [];
  if (complete.length < 10) throw new Failure("data", `${path}: ${complete.length} rows with ${target} are too few; at least 10 are needed`);
  if (limit === null || limit >= complete.length) return { table: complete, notes, header };
  const chosen = new Random(seed, limit).permutation(complete.length).slice(0, limit).sort();
  return { table: complete.subset(chosen), notes: [...notes, `limited to ${limit} of ${complete.length} rows`], header };
}

/** A CSV file as a table, and whether its first line held names. */
async function readTable(path: string, header?: boolean): Promise<{ table: Table; header: boolean }> {
  const table = await readingData(path, async () => {
    const bytes = readFileSync(path);
    return readCsv(isGzip(bytes) ? await gunzip(bytes) : bytes, header === undefined ? {} : { header });
  });
  return { table, header: header ?? !table.names.every((name, i) => name === `column${i + 1}`) };
}

/** A table for a trained model: rows as numbers, and the targets where the column is there. */
export interface Rows {
  readonly table: Table;
  readonly features: Features;
}

/** Reads a file for a model that was trained on one like it. */
export async function readRows(path: string, input: Extract<Input, { kind: "table" }>): Promise<Rows> {
  const { table } = await readTable(path, input.header);
  if (table.length === 0) throw new Failure("data", `${path}: there are no rows`);
  return { table, features: featuresFromJSON(input.features) };
}
