/**
 * The data of a run, ready for training: four parts, and what the numbers in them mean. Each kind of data has a file
 * of its own beside this one; here is what they share, and the choice among them.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, extname, join } from "node:path";
import type { Dataset } from "@dormouse/data";
import type { Example } from "@dormouse/train";
import { Failure } from "../failure.ts";
import { didYouMean } from "../nearest.ts";
import type { Schema } from "../schema.ts";
import type { PartialSettings, Settings } from "../settings.ts";
import type { PartName } from "./division.ts";
import { digitParts } from "./digits.ts";
import { readIdxParts } from "./idx.ts";
import { readTableParts } from "./table.ts";

export { type PartName, partNames } from "./division.ts";

/** `y` holds class numbers (int32 [n]), or standardized values (float32 [n, 1]). */
export type Parts = Readonly<Record<PartName, Dataset<Example>>>;

/** Data that is ready. */
export interface Problem {
  readonly schema: Schema;
  readonly parts: Parts;
  /** What a person should know about the data: columns set aside, rows dropped. */
  readonly notes: readonly string[];
}

/** Names of folders that only name the run. */
const idxNames = ["idx", "mnist", "fashion-mnist"];

/**
 * The settings of data that the first argument of a command stands for: nothing or `digits`, the name of a set of IDX
 * files together with `--data`, a folder, or a file with a table. What settings say of the kind and the name stays.
 */
export function sourceOf(word: string | undefined, { data: given = {} }: PartialSettings): NonNullable<PartialSettings["data"]> {
  const found = placeOf(word, given);
  if (given.source !== undefined && given.source !== found.source) {
    throw new Failure("usage", `data.source ${given.source}: ${found.path ?? word ?? "no data"} is ${found.source}`);
  }
  return { ...found, ...(given.name !== undefined && { name: given.name }) };
}

type Place = Pick<Settings["data"], "source" | "name" | "path">;

function placeOf(word: string | undefined, { path = null, source }: Partial<Settings["data"]>): Place {
  const digits: Place = { source: "digits", name: "digits", path: null };
  if (word === undefined && path === null) {
    if (source !== undefined && source !== "digits") throw new Failure("usage", `data.source ${source}: where is it? --data <path>`);
    return digits;
  }
  if (word === "digits") {
    if (path !== null) throw new Failure("usage", "digits are drawn; they take no --data");
    return digits;
  }
  if (word !== undefined && idxNames.includes(word)) {
    if (path === null) throw new Failure("usage", `${word} needs --data <folder>, where its four IDX files are`);
    return { source: "idx", name: word, path };
  }
  if (word !== undefined && path !== null && word !== path) {
    throw new Failure("usage", `${word} and data.path ${path} both name data; give one (--data <path> wins over files of settings)`);
  }
  const place = word ?? path!;
  if (!existsSync(place)) {
    // A single word is more likely a name than a file.
    if (word === undefined || /[./\\]/.test(place)) throw new Failure("data", `${place}: there is no such file or folder`);
    const known = ["digits", ...idxNames];
    throw new Failure("usage", `${place} is neither data that is known (${known.join(", ")}) nor a file or folder${didYouMean(place, known)}`);
  }
  if (statSync(place).isDirectory()) {
    const tables = readdirSync(place).filter((name) => /\.(csv|tsv|data|jsonl|ndjson|parquet)(\.gz)?$/i.test(name));
    const images = readdirSync(place).some((name) => /idx[13]-ubyte/.test(name));
    if (tables.length > 0 && !images) throw new Failure("data", `${place} is a folder; name a file in it, as ${join(place, tables[0]!)}`);
  }
  if (statSync(place).isDirectory()) return { source: "idx", name: basename(place) || "idx", path: place };
  const plain = basename(place).replace(/\.gz$/, "");
  return { source: "table", name: basename(plain, extname(plain)), path: place };
}

/** Reads or draws the data that the settings name. */
export function readProblem(settings: Settings): Problem | Promise<Problem> {
  switch (settings.data.source) {
    case "digits":
      return digitParts(settings);
    case "idx":
      return readIdxParts(settings);
    case "table":
      return readTableParts(settings);
  }
}
