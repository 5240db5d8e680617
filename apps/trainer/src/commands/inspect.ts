/** `dormouse inspect`: what data is like before anything is trained: columns, classes, and what is wrong with them. */
import { type ColumnSummary, type TableReport, inspectTable } from "@dormouse/data";
import { type ExitCode, exitCodes } from "../failure.ts";
import type { PartialSettings, Settings } from "../settings.ts";
import { resolveSettings } from "../settings.ts";
import { counted, readTable, readingOf, readingTable } from "../sources/reading.ts";
import { partNames, readProblem, sourceOf } from "../sources/source.ts";
import { omitted, requireColumn } from "../sources/table.ts";
import type { Context } from "./context.ts";

export interface InspectRequest {
  readonly source: string | undefined;
  readonly given: PartialSettings;
  readonly json: boolean;
}

/** Runs the command. */
export async function inspect({ source, given, json }: InspectRequest, { terminal }: Context): Promise<ExitCode> {
  const data = sourceOf(source, given);
  const settings = resolveSettings(data.source!, given, { data });
  const { text, result } = settings.data.source === "table" ? await inspectRows(settings.data) : await inspectImages(settings);
  terminal.out(json ? `${JSON.stringify(result)}\n` : text);
  return exitCodes.ok;
}

async function inspectRows(data: Settings["data"]) {
  const path = data.path!;
  const { table: all, notes } = await readTable(path, readingOf(data), data.types);
  for (const name of data.exclude) requireColumn(all, name, "--exclude", path);
  const table = omitted(all, data.exclude);
  if (data.target !== null) requireColumn(table, data.target, "--target", path);
  const asked = { ...(data.target !== null && { target: data.target }), ...(data.task && { task: data.task }) };
  const report = await readingTable(path, () => inspectTable(table, asked));
  return { text: describe(path, report, notes), result: { data: path, notes, ...report } };
}

function describe(path: string, { rows, columns, target, issues }: TableReport, notes: readonly string[]): string {
  const cells = columns.map((column) => [column.name, column.type, column.missing === 0 ? "" : String(column.missing), String(column.distinct), valuesOf(column)]);
  const about = [
    `${path}: ${counted(rows, "row")}, ${counted(columns.length, "column")}`,
    ...(target ? [`${target.name}: ${target.task} (${target.reason})`] : []),
    ...notes,
  ];
  const found = issues.length === 0 ? ["no issues"] : [`${counted(issues.length, "issue")}:`, ...issues.map(({ message }) => `- ${message}`)];
  return [...about, "", ...aligned([["column", "kind", "missing", "distinct", "values"], ...cells], [2, 3]), "", ...found, ""].join("\n");
}

/** A range for numbers, the most frequent values for others. */
function valuesOf({ numbers, frequent, distinct }: ColumnSummary): string {
  if (numbers && distinct > 5) {
    const { min, median, max, mean } = numbers;
    return `${short(min)} to ${short(max)}, median ${short(median)}, mean ${short(mean)}`;
  }
  const list = frequent.map(({ value, count }) => `${value.length > 24 ? `${value.slice(0, 23)}…` : value} ×${count}`);
  return `${list.join(", ")}${distinct > frequent.length ? ", …" : ""}`;
}

const short = (value: number): string => String(Number(value.toPrecision(5)));

/** Lines with columns one below the other; `right` are the numbers of those that end together. */
export function aligned(lines: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((cells) => cells[column]!.length)));
  return lines.map((cells) =>
    cells.map((cell, column) => (right.includes(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))).join("  ").trimEnd(),
  );
}

async function inspectImages(settings: Settings) {
  const { schema, parts } = await readProblem(settings);
  const { task, input } = schema;
  const classes = task.kind === "regression" ? [] : task.classes;
  const counts = partNames.map((name) => {
    const labels = parts[name].field("y").data;
    return classes.map((_, code) => Array.prototype.filter.call(labels, (label: number) => label === code).length);
  });
  const size = input.kind === "image" ? { height: input.height, width: input.width } : {};
  const total = partNames.reduce((sum, name) => sum + parts[name].length, 0);
  const lines = classes.map((label, code) => [label, ...counts.map((count) => String(count[code]))]);
  const sums = ["all", ...partNames.map((name) => String(parts[name].length))];
  const text = [
    `${settings.data.name}: ${counted(total, "image")} of ${size.height} x ${size.width}, ${classes.length} classes`,
    "",
    ...aligned([[task.name, ...partNames], ...lines, sums], [1, 2, 3, 4]),
    "",
  ].join("\n");
  const byPart = Object.fromEntries(
    partNames.map((name, i) => [name, { examples: parts[name].length, classes: counts[i] }]),
  );
  return { text, result: { data: settings.data.name, ...size, classes, parts: byPart } };
}
