/**
 * What a table is like before anything is learned from it: a summary of every column, and what will make a model bad
 * or good for the wrong reason. Looks at all rows, so what it finds is for people; a model learns from training rows.
 */
import { fitTarget } from "./features.ts";
import type { Column, Table } from "./table.ts";
import { type ColumnType, parseNumber } from "./types.ts";

/** Numbers of a column, without those that are missing. Standard deviation of the population. */
export interface NumberSummary {
  readonly min: number;
  readonly median: number;
  readonly max: number;
  readonly mean: number;
  readonly deviation: number;
}

export interface ColumnSummary {
  readonly name: string;
  readonly type: ColumnType;
  readonly reason: string;
  /** Cells that are missing. */
  readonly missing: number;
  /** Different values, of cells that are not missing. */
  readonly distinct: number;
  /** For columns of numbers. */
  readonly numbers: NumberSummary | null;
  /** The most frequent values, at most five, in falling order of their counts. */
  readonly frequent: readonly { readonly value: string; readonly count: number }[];
}

/** What can be wrong with a table. */
export type IssueKind =
  | "set aside"
  | "almost constant"
  | "almost numbers"
  | "mostly missing"
  | "same columns"
  | "same rows"
  | "leak"
  | "imbalance"
  | "rare class"
  | "few rows";

export interface TableIssue {
  readonly kind: IssueKind;
  /** The columns that it concerns. */
  readonly columns: readonly string[];
  /** One sentence without a full stop. */
  readonly message: string;
}

export interface TableReport {
  readonly rows: number;
  readonly columns: readonly ColumnSummary[];
  /** What the target would be learned as; null without a target. */
  readonly target: { readonly name: string; readonly task: "regression" | "classification"; readonly reason: string } | null;
  readonly issues: readonly TableIssue[];
}

/** How `inspectTable` looks at the target. */
export interface InspectOptions {
  readonly target?: string;
  readonly task?: "regression" | "classification";
}

/** A column that decides the target in this share of rows, or orders it as well as this, is suspected of knowing it. */
const leakLimit = 0.999;
/** Groups of equal size that numbers are cut into to see how well they tell classes apart. */
const mostGroups = 32;

/**
 * Summarizes columns and lists what is wrong: columns that a model will not see, columns and rows that are there twice,
 * classes that are rare, columns that alone tell the target (Kaufman, Rosset and Perlich 2012 call it leakage).
 *
 * For classes a column is suspected where the most frequent class in each of its values (numbers: in each of up to 32
 * groups of equal size) is right in 99.9 % of rows; for numbers where the rank correlation (Spearman 1904) is 0.999.
 *
 * ```ts
 * const lines = Array.from({ length: 60 }, (_, i) => `${i ** 2 % 61},${i % 2},${i % 2 ? "yes" : "no"}`);
 * const { issues } = inspectTable(readCsv(`size,receipt,paid\n${lines.join("\n")}`), { target: "paid" });
 * console.log(issues.map(({ message }) => message.split(":")[0])); // [ 'receipt alone tells paid in 100 % of rows' ]
 * ```
 * @throws ValueError for a target that is not there or cannot be learned.
 */
export function inspectTable(table: Table, options: InspectOptions = {}): TableReport {
  const { target: name } = options;
  const target = name === undefined ? null : fitTarget(table.column(name), table, options.task);
  const columns = table.columns.map((column) => summary(column, table));
  const inputs = table.columns.filter((column) => column.name !== name);
  const used = inputs.filter(isUsed);
  const issues = [
    ...table.columns.flatMap((column, i) => (column.name === name ? [] : columnIssues(column, columns[i]!, table))),
    ...sameColumns(used),
    ...(target ? leaks(used, table, table.column(target.name), target.task) : []),
    ...(target?.task === "classification" ? classIssues(table.column(target.name)) : []),
    ...sameRows(used, name === undefined ? null : table.column(name)),
    ...fewRows(table, used, name),
  ];
  return {
    rows: table.length,
    columns,
    target: target && { name: target.name, task: target.task, reason: target.reason },
    issues,
  };
}

const isUsed = ({ type }: Column): boolean => type === "number" || type === "binary" || type === "category";

const present = ({ cells }: Pick<Column, "cells">): string[] => cells.filter((cell) => cell !== null);

/** Counts of values, in order of first appearance. */
function countsOf(cells: readonly (string | null)[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const cell of cells) if (cell !== null) counts.set(cell, (counts.get(cell) ?? 0) + 1);
  return counts;
}

/** The most frequent values, at most `most`; equal ones in order of first appearance. */
function frequentOf(counts: ReadonlyMap<string, number>, most: number): { value: string; count: number }[] {
  const first: { value: string; count: number }[] = [];
  for (const [value, count] of counts) {
    // Columns can have as many values as rows: sorting them all would take longer than reading them.
    if (first.length === most && count <= first.at(-1)!.count) continue;
    const place = first.findIndex((other) => other.count < count);
    first.splice(place < 0 ? first.length : place, 0, { value, count });
    if (first.length > most) first.pop();
  }
  return first;
}

function summary(column: Column, { decimal }: Table): ColumnSummary {
  const { name, type, reason, cells } = column;
  const counts = countsOf(cells);
  const values = present(column).map((cell) => parseNumber(cell, decimal));
  const numeric = values.length > 0 && values.every((value) => !Number.isNaN(value));
  return {
    name,
    type,
    reason,
    missing: cells.length - values.length,
    distinct: counts.size,
    numbers: numeric ? numbersOf(Float64Array.from(values).sort()) : null,
    frequent: frequentOf(counts, 5),
  };
}

function numbersOf(sorted: Float64Array): NumberSummary {
  const n = sorted.length;
  const mean = sorted.reduce((sum, value) => sum + value, 0) / n;
  const variance = sorted.reduce((sum, value) => sum + (value - mean) ** 2, 0) / n;
  const median = (sorted[(n - 1) >> 1]! + sorted[n >> 1]!) / 2;
  return { min: sorted[0]!, median, max: sorted[n - 1]!, mean, deviation: Math.sqrt(variance) };
}

/** A number with a currency, a percent sign, separators of thousands or another decimal sign. */
const dressedNumber = /^[+-]?[$€£¥]?\s?[+-]?\d+(?:[., '’]\d{3})*(?:[.,]\d+)?\s?[%€$£¥]?$/;

function columnIssues(column: Column, { frequent }: ColumnSummary, { decimal, length }: Table): TableIssue[] {
  const { name, type, reason } = column;
  const cells = present(column);
  const columns = [name];
  const issues: TableIssue[] = [];
  if (!isUsed(column)) issues.push({ kind: "set aside", columns, message: `${name} is set aside: ${type} (${reason})` });
  const [most] = frequent;
  if (isUsed(column) && length >= 100 && most!.count >= 0.99 * length) {
    const message = `${name} is ${JSON.stringify(most!.value)} in ${percent(most!.count / length)} of rows`;
    issues.push({ kind: "almost constant", columns, message });
  }
  if (isUsed(column) && cells.length <= 0.5 * length) {
    issues.push({ kind: "mostly missing", columns, message: `${name} is missing in ${percent(1 - cells.length / length)} of rows` });
  }
  if (type === "category" || type === "text") {
    const others = cells.filter((cell) => Number.isNaN(parseNumber(cell, decimal)));
    const dressed = others.find((cell) => dressedNumber.test(cell));
    if (dressed !== undefined && others.filter((cell) => dressedNumber.test(cell)).length >= 0.9 * cells.length) {
      const message = `${name} looks like numbers with signs or separators, as ${JSON.stringify(dressed)}: write them plainly, or name the decimal sign`;
      issues.push({ kind: "almost numbers", columns, message });
    } else if (others.length > 0 && others.length <= 0.1 * cells.length) {
      const words = [...new Set(others)].slice(0, 3).map((cell) => JSON.stringify(cell));
      const message = `${name} holds numbers, but also ${words.join(", ")}: mend them, or say that they mean missing`;
      issues.push({ kind: "almost numbers", columns, message });
    }
  }
  return issues;
}

function sameColumns(columns: readonly Column[]): TableIssue[] {
  const first = new Map<string, Column>();
  return columns.flatMap((column): TableIssue[] => {
    const key = JSON.stringify(column.cells);
    const other = first.get(key);
    if (!other) {
      first.set(key, column);
      return [];
    }
    const message = `${column.name} is the same as ${other.name} in every row`;
    return [{ kind: "same columns", columns: [other.name, column.name], message }];
  });
}

/** Rows with the inputs of an earlier one, and how many of them have another target. */
function sameRows(inputs: readonly Column[], target: Column | null): TableIssue[] {
  const first = new Map<string, string | null>();
  let [same, contradicting] = [0, 0];
  const count = inputs[0]?.cells.length ?? 0;
  for (let row = 0; row < count; row++) {
    const key = JSON.stringify(inputs.map(({ cells }) => cells[row]));
    const value = target?.cells[row] ?? null;
    if (!first.has(key)) first.set(key, value);
    else if (first.get(key) === value) same++;
    else contradicting++;
  }
  if (same + contradicting === 0) return [];
  const other = contradicting > 0 ? `, ${contradicting} of them with another ${target!.name}` : "";
  const message = `${same + contradicting} rows repeat the inputs of an earlier row${other}: a test on rows seen in training flatters`;
  return [{ kind: "same rows", columns: [], message }];
}

/** Fewer rows than this, or than ten for each input, seldom make a model. */
const fewestRows = 50;

function fewRows({ length }: Table, inputs: readonly Column[], target: string | undefined): TableIssue[] {
  const needed = Math.max(fewestRows, 10 * inputs.length);
  if (length >= needed) return [];
  const parts = target === undefined ? "" : ": expect scores that depend on which rows are tested";
  const message = `${length} rows are few for ${inputs.length} inputs, ${needed} would be a start${parts}`;
  return [{ kind: "few rows", columns: [], message }];
}

function classIssues({ name, cells }: Column): TableIssue[] {
  const counts = countsOf(cells);
  const n = present({ cells }).length;
  const { value: label, count: most } = frequentOf(counts, 1)[0]!;
  const issues: TableIssue[] = [];
  // More than 9 to 1 between two classes, and as far from equal shares among more.
  if (most / n > 1 - 0.2 / counts.size) {
    const message = `${name} is ${JSON.stringify(label)} in ${percent(most / n)} of rows: accuracy says little, look at the rocAuc`;
    issues.push({ kind: "imbalance", columns: [name], message });
  }
  // Four parts need four rows, and a tenth of the rows one of each class.
  const rare = [...counts].filter(([, count]) => count < 10);
  if (rare.length > 0) {
    const list = rare.slice(0, 5).map(([value, count]) => `${JSON.stringify(value)} (${count})`);
    const more = rare.length > 5 ? ` and ${rare.length - 5} more` : "";
    issues.push({ kind: "rare class", columns: [name], message: `${name} has classes of fewer than 10 rows: ${list.join(", ")}${more}` });
  }
  return issues;
}

function leaks(inputs: readonly Column[], table: Table, target: Column, task: "regression" | "classification"): TableIssue[] {
  const rows = Array.from(target.cells.keys()).filter((row) => target.cells[row] !== null);
  // Small tables are told apart by chance.
  if (rows.length < 30) return [];
  const labels = rows.map((row) => target.cells[row]!);
  const share = frequentOf(countsOf(labels), 1)[0]!.count / labels.length;
  if (task === "classification" && share > leakLimit) return [];
  return inputs.flatMap((column): TableIssue[] => {
    const cells = rows.map((row) => column.cells[row]!);
    const strength = task === "classification" ? purity(groupsOf(cells, column, table), labels) : rankCorrelation(cells, labels, column, table);
    if (!(strength >= leakLimit)) return [];
    const what = task === "classification" ? `alone tells ${target.name} in ${percent(strength)} of rows` : `orders rows as ${target.name} does`;
    const message = `${column.name} ${what}: leave it out unless it is known before ${target.name} is`;
    return [{ kind: "leak", columns: [column.name], message }];
  });
}

/** A group for every row: its value, or the rank of its number in groups of equal size; missing is a group. */
function groupsOf(cells: readonly (string | null)[], { type }: Column, { decimal }: Table): (string | number | null)[] {
  if (type !== "number") return [...cells];
  const values = cells.map((cell) => (cell === null ? NaN : parseNumber(cell, decimal)));
  const sorted = Float64Array.from(values.filter((value) => !Number.isNaN(value))).sort();
  const groups = Math.min(mostGroups, Math.floor(sorted.length / 10));
  const endOf = (group: number): number => sorted[Math.floor(((group + 1) * sorted.length) / groups)]!;
  const ends = Array.from({ length: Math.max(0, groups - 1) }, (_, group) => endOf(group));
  return values.map((value) => (Number.isNaN(value) ? null : ends.filter((end) => value >= end).length));
}

/** Share of rows that the most frequent label of their group is right for; 0 where groups are too small to mean it. */
function purity(groups: readonly (string | number | null)[], labels: readonly string[]): number {
  const counts = new Map<string | number | null, Map<string, number>>();
  groups.forEach((group, row) => {
    const inside = counts.get(group) ?? new Map<string, number>();
    inside.set(labels[row]!, (inside.get(labels[row]!) ?? 0) + 1);
    counts.set(group, inside);
  });
  if (counts.size > labels.length / 4) return 0;
  const right = [...counts.values()].reduce((sum, inside) => sum + Math.max(...inside.values()), 0);
  return right / labels.length;
}

/** Spearman's rank correlation, without its sign, over rows where both are there; 0 for columns without numbers. */
function rankCorrelation(
  cells: readonly (string | null)[],
  labels: readonly string[],
  { type }: Column,
  { decimal }: Table,
): number {
  if (type !== "number") return 0;
  const rows = Array.from(cells.keys()).filter((row) => cells[row] !== null);
  if (rows.length < 0.5 * cells.length) return 0;
  const x = ranks(rows.map((row) => parseNumber(cells[row]!, decimal)));
  const y = ranks(rows.map((row) => parseNumber(labels[row]!, decimal)));
  const middle = (rows.length - 1) / 2;
  let [xx, yy, xy] = [0, 0, 0];
  x.forEach((rank, i) => {
    xx += (rank - middle) ** 2;
    yy += (y[i]! - middle) ** 2;
    xy += (rank - middle) * (y[i]! - middle);
  });
  return Math.abs(xy) / Math.sqrt(xx * yy);
}

/** Places in rising order from 0; equal values share the mean of theirs. */
function ranks(values: readonly number[]): number[] {
  const order = [...values.keys()].sort((a, b) => values[a]! - values[b]!);
  const result = new Array<number>(values.length);
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++;
    for (let at = start; at < end; at++) result[order[at]!] = (start + end - 1) / 2;
    start = end;
  }
  return result;
}

/** Rounded down, so that only all rows are 100 %. */
const percent = (share: number): string => `${Math.floor(share * 1000 + 1e-9) / 10} %`;
