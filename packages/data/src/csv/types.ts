/**
 * What kind of values a column holds: numbers, two values, categories, or something a model cannot learn from (ids,
 * dates, free text, constants), which is set aside with a reason.
 */

/** Kinds of columns. The last five are set aside. */
export type ColumnType = "number" | "binary" | "category" | "id" | "date" | "text" | "constant" | "empty";

/** The decimal sign of numbers. */
export type Decimal = "." | ",";

const numbers: Record<Decimal, RegExp> = {
  ".": /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/,
  ",": /^[+-]?(?:\d+,?\d*|,\d+)(?:[eE][+-]?\d+)?$/,
};
const day = /\d{4}-\d{1,2}-\d{1,2}|\d{4}\/\d{1,2}\/\d{1,2}|\d{1,2}[./]\d{1,2}[./]\d{2,4}|\d{1,2}-\d{1,2}-\d{4}/;
const time = /\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?/;
const date = new RegExp(`^(?:${day.source})(?:[T ](?:${time.source}))?$`);
const idName = /^(?:id|ids|index|uuid|guid|key|row|rowid|unnamed: 0)$|[_ -](?:id|uuid|guid|key)$|[a-z]I[dD]$/i;

/** The number that `cell` writes, or NaN. */
export function parseNumber(cell: string, decimal: Decimal): number {
  if (!numbers[decimal].test(cell)) return NaN;
  const value = Number(decimal === "," ? cell.replace(",", ".") : cell);
  // 1e999 is written as a number is, and is too large for one.
  return Number.isFinite(value) ? value : NaN;
}

/** The decimal sign that most cells with one use. A comma cannot be one where it separates the cells. */
export function detectDecimal(rows: readonly (readonly string[])[]): Decimal {
  let commas = 0;
  let points = 0;
  for (const cells of rows.slice(0, 200)) {
    for (const cell of cells) {
      if (/^[+-]?\d*,\d+(?:[eE][+-]?\d+)?$/.test(cell)) commas++;
      else if (/^[+-]?\d*\.\d+(?:[eE][+-]?\d+)?$/.test(cell)) points++;
    }
  }
  return commas > points ? "," : ".";
}

/** Levels in order: by value where all are numbers, else by code unit, so that no locale changes a model. */
export function sortLevels(levels: Iterable<string>, decimal: Decimal): string[] {
  const list = [...levels];
  const values = new Map(list.map((level) => [level, parseNumber(level, decimal)]));
  const numeric = list.every((level) => !Number.isNaN(values.get(level)));
  return list.sort((a, b) => (numeric && values.get(a)! - values.get(b)!) || (a < b ? -1 : a > b ? 1 : 0));
}

/** The kind of a column and why, from its name and cells (null is missing). */
export function inferType(
  name: string,
  cells: readonly (string | null)[],
  decimal: Decimal,
  categoryLimit: number,
): { type: ColumnType; reason: string } {
  const present = cells.filter((cell) => cell !== null);
  const levels = new Set(present);
  const n = present.length;
  if (n === 0) return { type: "empty", reason: "all values are missing" };
  if (levels.size === 1) return { type: "constant", reason: `every value is ${JSON.stringify(present[0])}` };
  const distinct = levels.size === cells.length;
  if (present.every((cell) => !Number.isNaN(parseNumber(cell, decimal)))) {
    if (distinct && n > 2 && (idName.test(name) || (n >= 20 && isCount(present, decimal)))) {
      return { type: "id", reason: "every row has another number, counting up or named as an id" };
    }
    return levels.size === 2
      ? { type: "binary", reason: "two values" }
      : { type: "number", reason: "all values are numbers" };
  }
  if (present.every((cell) => date.test(cell))) return { type: "date", reason: "all values are dates" };
  if (levels.size === 2) return { type: "binary", reason: "two values" };
  if (distinct && n > 2 && idName.test(name))
    return { type: "id", reason: "every row has another value and the name is that of an id" };
  if (levels.size <= categoryLimit && levels.size <= 0.6 * n)
    return { type: "category", reason: `${levels.size} different values` };
  return { type: "text", reason: `${levels.size} different values in ${n} rows` };
}

/** Whether numbers go up by one from row to row. */
function isCount(cells: readonly string[], decimal: Decimal): boolean {
  const first = parseNumber(cells[0]!, decimal);
  return cells.every((cell, row) => parseNumber(cell, decimal) === first + row);
}
