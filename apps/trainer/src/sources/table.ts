/**
 * Tables: rows to four parts, 70/10/10/10, stratified for classes, or as the settings say. Every statistic (means,
 * medians, levels) comes from the training rows alone and travels with the model, so that `predict` sees a column as
 * training did.
 */
import {
  type Dataset, type Features, type IssueKind, Random, Table, type TableIssue, featuresFromJSON, fitFeatures,
  inspectTable,
} from "@dormouse/data";
import type { Example } from "@dormouse/train";
import { Failure } from "../failure.ts";
import { didYouMean } from "../nearest.ts";
import { type Input, taskOf } from "../schema.ts";
import type { Settings } from "../settings.ts";
import { type PartName, divide, withoutUnseen } from "./division.ts";
import { counted, readTable, readingOf, readingTable, some } from "./reading.ts";
import type { Problem } from "./source.ts";

/** Fewer rows cannot be divided into four parts that mean anything. */
const fewestRows = 10;

/** Reads a file and divides it. */
export async function readTableParts(settings: Pick<Settings, "seed" | "data" | "split">): Promise<Problem> {
  const { data, split } = settings;
  const { table, notes, reading } = await readTarget(settings);
  const target = data.target!;
  const asked = data.task ? { task: data.task } : {};
  const exclude = excluded(table, settings);
  return readingTable(data.path!, () => {
    // What is found in all rows is told to the person. The kind of the target decides how rows are divided, and is no
    // statistic that could leak.
    const { target: found, issues } = inspectTable(omitted(table, exclude), { target, ...asked });
    requireInputs(table, target, issues);
    const { task, reason } = found!;
    const classes = task === "classification" ? (table.column(target).cells as readonly string[]) : null;
    const divided = divide(table, settings, classes);
    const division = classes ? withoutUnseen(divided, classes, split.by) : divided;
    const warnings = issues.filter(({ kind }) => worthSaying.includes(kind)).map(({ message }) => `note: ${message}`);
    const features = fitFeatures(table.subset(division.rows.train), { target, task, exclude });
    const part = (name: PartName): Dataset<Example> => features.dataset(table.subset(division.rows[name]));
    return {
      schema: {
        format: "dormouse-schema/1",
        task: taskOf(features.target!),
        input: { kind: "table", reading, features: features.toJSON() },
      } as const,
      parts: { train: part("train"), validation: part("validation"), calibration: part("calibration"), test: part("test") },
      notes: [
        `${target}: ${task} (${reason})`,
        ...warnings,
        ...features.setAside.map((line) => `set aside ${line}`),
        ...notes,
        ...division.notes,
      ],
    };
  });
}

/** What a person should know before trusting a model; `inspect` tells the rest. */
const worthSaying: readonly IssueKind[] = ["leak", "same columns", "almost numbers", "imbalance", "rare class", "few rows"];

/** Refuses a table of which a model would see nothing, with what is the matter with each column. */
function requireInputs({ columns }: Table, target: string, issues: readonly TableIssue[]): void {
  if (columns.length === 1) throw new Failure("data", `${target} is the only column; there is nothing to predict it from`);
  const aside = issues.filter(({ kind }) => kind === "set aside");
  if (aside.length < columns.length - 1) return;
  const reasons = issues.filter(({ kind }) => kind === "set aside" || kind === "almost numbers").map(({ message }) => message);
  throw new Failure("data", `no column is left to learn from: ${reasons.join("; ")}; --set "data.types={name: kind}" says otherwise`);
}

/** The table as the model sees it. */
export const omitted = (table: Table, names: readonly string[]): Table =>
  new Table(table.columns.filter(({ name }) => !names.includes(name)), table);

/** Columns that the model does not see; the one that divides rows says where they went and not what they are. */
export function excluded(table: Table, { data, split }: Pick<Settings, "data" | "split">): string[] {
  for (const name of data.exclude) requireColumn(table, name, "--exclude", data.path!);
  if (data.exclude.includes(data.target!)) throw new Failure("usage", `--exclude ${data.target}: this is the target`);
  if (split.column === data.target) throw new Failure("usage", `--split-column ${split.column}: this is the target`);
  const dividing = split.column !== null && table.names.includes(split.column) ? [split.column] : [];
  return [...new Set([...data.exclude, ...dividing])];
}

/** The rows of a file that have a target. */
export async function readTarget({ seed, data }: Pick<Settings, "seed" | "data">) {
  const { path, target, limit } = data;
  const { table: all, reading, notes: read } = await readTable(path!, readingOf(data), data.types);
  if (target === null) throw new Failure("usage", `${path}: which column is to be predicted? --target <column>, one of ${some(all.names)}${namelessHint(all)}`);
  requireColumn(all, target, "--target", path!);
  const complete = all.dropMissing(target);
  const without = all.length - complete.length;
  const notes = [...read, ...(without > 0 ? [`left out ${counted(without, "row")} without ${target}`] : [])];
  if (complete.length < fewestRows) {
    const rows = `${counted(complete.length, "row")} with ${target}`;
    throw new Failure("data", `${path}: ${rows} ${complete.length === 1 ? "is" : "are"} too few; at least ${fewestRows} are needed`);
  }
  if (limit === null || limit >= complete.length) return { table: complete, notes, reading };
  if (limit < fewestRows) throw new Failure("usage", `--limit ${limit}: at least ${fewestRows} rows are needed`);
  const chosen = new Random(seed, limit).permutation(complete.length).slice(0, limit).sort();
  return { table: complete.subset(chosen), notes: [...notes, `limited to ${limit} of ${counted(complete.length, "row")}`], reading };
}

export function requireColumn({ names }: Table, name: string, flag: string, path: string): void {
  if (names.includes(name)) return;
  const close = didYouMean(name, names);
  throw new Failure("usage", `${flag} ${name}: ${path} has no such column${close || `; it has ${some(names)}`}`);
}

/** What to do about columns without names. */
const namelessHint = ({ names }: Table): string =>
  names.every((name, i) => name === `column${i + 1}`) ? " (the file has no header; --columns <names> gives one)" : "";

/** A table for a trained model: rows as numbers, and the targets where the column is there. */
export interface Rows {
  readonly table: Table;
  readonly features: Features;
}

/** Reads a file for a model that was trained on one like it. */
export async function readRows(path: string, input: Extract<Input, { kind: "table" }>): Promise<Rows> {
  const { table } = await readTable(path, input.reading);
  if (table.length === 0) throw new Failure("data", `${path}: there are no rows`);
  return { table, features: featuresFromJSON(input.features) };
}
