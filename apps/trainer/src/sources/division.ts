/**
 * Which rows of a table go to which part: in proportion to classes, at random, by groups, by time, or as a column says.
 * Dealing out is done by `@dormouse/data`; here settings and columns become its labels.
 */
import { type Labels, type Table, splitIndices } from "@dormouse/data";
import { Failure } from "../failure.ts";
import { didYouMean } from "../nearest.ts";
import type { Settings } from "../settings.ts";
import { counted, some } from "./reading.ts";

/** The parts of the data, by use: weights learn from `train` alone, `calibration` is for choices after training. */
export const partNames = ["train", "validation", "calibration", "test"] as const;
export type PartName = (typeof partNames)[number];

export interface Division {
  readonly rows: Readonly<Record<PartName, ArrayLike<number>>>;
  readonly notes: readonly string[];
}

/** Divides the rows; `classes` is the target where it is a class. */
export function divide(table: Table, { split, seed }: Pick<Settings, "split" | "seed">, classes: Labels | null): Division {
  const { train, validation, calibration, test } = split;
  const fractions = { train, validation, calibration, test };
  const n = table.length;
  switch (split.by) {
    case "random":
      return { rows: splitIndices(n, { fractions, seed }), notes: [] };
    case "auto":
    case "stratified": {
      if (classes) return { rows: splitIndices(n, { fractions, seed, stratify: classes }), notes: [] };
      if (split.by === "stratified") throw new Failure("usage", "--split stratified: the target is a number and has no classes; use random");
      return { rows: splitIndices(n, { fractions, seed }), notes: [] };
    }
    case "group": {
      const groups = cellsOf(table, split.column!);
      return { rows: splitIndices(n, { fractions, seed, hash: groups }), notes: [`divided by the groups of ${split.column}`] };
    }
    case "time": {
      const time = timesOf(table, split.column!);
      return { rows: splitIndices(n, { fractions, time }), notes: [`divided by ${split.column}: the latest rows are the test part`] };
    }
    case "column":
      return byColumn(cellsOf(table, split.column!), { split, seed }, classes);
  }
}

/** The cells of a column that has one in every row. */
function cellsOf(table: Table, name: string): readonly string[] {
  if (!table.names.includes(name)) {
    throw new Failure("usage", `--split-column ${name}: there is no such column${didYouMean(name, table.names)}; columns are ${some(table.names)}`);
  }
  const { cells } = table.column(name);
  const missing = cells.filter((cell) => cell === null).length;
  if (missing > 0) throw new Failure("data", `--split-column ${name}: the column is empty in ${counted(missing, "row")}`);
  return cells as readonly string[];
}

/** Times as numbers: the column's numbers, or its dates, of which only the order counts. */
function timesOf(table: Table, name: string): Float64Array {
  const cells = cellsOf(table, name);
  const numbers = cells.map((cell) => Number(table.decimal === "," ? cell.replace(",", ".") : cell));
  if (numbers.every(Number.isFinite)) return Float64Array.from(numbers);
  // Only dates that begin with the year can be read in one way.
  const dates = cells.map((cell) => Date.parse(inUniversalTime(cell)));
  const wrong = dates.findIndex(Number.isNaN);
  if (wrong < 0) return Float64Array.from(dates);
  throw new Failure("data", `--split-column ${name}: ${JSON.stringify(cells[wrong])} is neither a number nor a date that begins with the year, as 2024-05-31`);
}

/** ISO 8601 in full, so that a date means the same in every time zone. */
function inUniversalTime(cell: string): string {
  const [, year, month = "", day = "", time = ""] = /^(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[T ](.*))?$/.exec(cell) ?? [];
  if (year === undefined) return "";
  const zone = /(?:Z|[+-]\d{2}:?\d{2})$/.test(time) ? "" : "Z";
  const clock = time === "" ? "00:00" : /^\d:/.test(time) ? `0${time}` : time.replace(",", ".");
  return `${year}-${month.padStart(2, "0")}-${day.padStart(2, "0")}T${clock}${zone}`;
}

/** Other words for the parts. */
const words: Readonly<Record<string, PartName>> = {
  train: "train", training: "train", validation: "validation", valid: "validation", val: "validation", dev: "validation",
  calibration: "calibration", calib: "calibration", cal: "calibration", test: "test", testing: "test",
};

/** Parts as a column names them; parts that it does not name are taken from the rows to train on. */
function byColumn(cells: readonly string[], { split, seed }: Pick<Settings, "split" | "seed">, classes: Labels | null): Division {
  const rows: Record<PartName, number[]> = { train: [], validation: [], calibration: [], test: [] };
  cells.forEach((cell, row) => {
    const part = Object.hasOwn(words, cell.toLowerCase()) ? words[cell.toLowerCase()] : undefined;
    if (!part) throw new Failure("data", `--split-column ${split.column}: ${JSON.stringify(cell)} names no part; parts are ${partNames.join(", ")}`);
    rows[part].push(row);
  });
  if (rows.train.length === 0) throw new Failure("data", `--split-column ${split.column}: no row says train`);
  const absent = partNames.filter((name) => rows[name].length === 0);
  if (absent.length === 0) return { rows, notes: [`divided as ${split.column} says`] };
  // Shares of all rows become shares of the rows there are to take from.
  const share = absent.reduce((sum, name) => sum + split[name], split.train);
  const fractions = Object.fromEntries(absent.map((name) => [name, split[name] / share]));
  const from = rows.train;
  const stratify = classes && split.column !== null ? { stratify: from.map((row) => classes[row]!) } : {};
  const taken = splitIndices(from.length, { fractions, seed, ...stratify });
  for (const [name, places] of Object.entries<Uint32Array>(taken)) {
    rows[name as PartName] = Array.from(places, (place) => from[place]!);
  }
  return { rows, notes: [`divided as ${split.column} says, which names no ${absent.join(" and no ")}: taken from train`] };
}

/**
 * Rows whose class does not occur in the training rows cannot be learned or scored. Where rows were dealt out they go
 * to training; where the person said what goes where they are left out.
 */
export function withoutUnseen({ rows, notes }: Division, classes: Labels, by: Settings["split"]["by"]): Division {
  const known = new Set(Array.from(rows.train, (row) => classes[row]));
  const isUnseen = (row: number): boolean => !known.has(classes[row]!);
  const unseen = partNames.flatMap((name) => Array.from(rows[name]).filter(isUnseen));
  if (unseen.length === 0) return { rows, notes };
  const dealt = by === "auto" || by === "random" || by === "stratified";
  const learned = (name: PartName): number[] => Array.from(rows[name]).filter((row) => !isUnseen(row));
  const rest = { train: learned("train"), validation: learned("validation"), calibration: learned("calibration"), test: learned("test") };
  if (dealt) rest.train = [...rest.train, ...unseen].sort((a, b) => a - b);
  const empty = partNames.find((name) => rest[name].length === 0);
  if (empty) throw new Failure("data", `the part ${empty} would have no row of a class that training has`);
  const names = [...new Set(unseen.map((row) => String(classes[row])))];
  const what = `${counted(unseen.length, "row")} of ${counted(names.length, "class").replace("classs", "classes")} (${some(names)})`;
  return { rows: rest, notes: [...notes, dealt ? `${what} moved to training, which had none` : `left out ${what} that training does not have`] };
}
