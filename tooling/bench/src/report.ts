/** Tables for people. The JSON is the rows as they are. */
import type { Row } from "./runner.ts";
import { isOurs } from "./systems/system.ts";

/** About three significant digits, as a person would write them. */
export function showNumber(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude >= 1000) return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, " ");
  return value.toFixed(magnitude >= 100 ? 0 : magnitude >= 10 ? 1 : 2);
}

/** The rows of one suite as a table, numbers to the right. */
export function table(rows: readonly Row[]): string {
  const hasPeaks = rows.some(({ ofPeak }) => ofPeak !== null);
  const header = ["work", "system", "threads", "median", "unit", "vs us", ...(hasPeaks ? ["of peak"] : [])];
  const isNumber = [false, false, true, true, false, true, true];
  const lines = rows.map(({ work, system, threads, median, unit, vsUs, ofPeak }, i) => [
    rows[i - 1]?.work === work ? "" : work,
    system,
    String(threads),
    median === null ? "–" : showNumber(median),
    unit,
    isOurs(system) || vsUs === null ? "" : `${showNumber(vsUs)}×`,
    ...(hasPeaks ? [ofPeak === null ? "" : `${(100 * ofPeak).toFixed(1)} %`] : []),
  ]);
  const widths = header.map((title, column) => Math.max(title.length, ...lines.map((line) => line[column]!.length)));
  return [header, widths.map((width) => "─".repeat(width)), ...lines]
    .map((line) =>
      line
        .map((cell, column) => (isNumber[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
