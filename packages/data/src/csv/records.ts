/** Tables from data that is already in JavaScript: a form filled in on a page, lines of JSON. */
import { ValueError } from "@dormouse/tensor";
import { type Column, type CsvOptions, Table } from "./table.ts";
import { inferType } from "./types.ts";

/** A row as an object. Null, undefined, NaN and a missing key are missing values. */
export type TableRecord = Readonly<Record<string, string | number | boolean | bigint | null | undefined>>;

/** The options of `readCsv` that concern columns and not text. Text of numbers has a decimal point by default. */
export type TableOptions = Pick<CsvOptions, "types" | "categoryLimit" | "decimal">;

/**
 * A table of records, with the columns of all of them in order of first appearance.
 *
 * ```ts
 * const table = tableOf([{ age: 30, city: "Lund" }, { age: 41, city: "Turku" }]);
 * console.log(table.names, table.length); // [ 'age', 'city' ] 2
 * ```
 * @throws ValueError for no records, and for values that are not text, numbers or truth values.
 */
export function tableOf(records: readonly TableRecord[], options: TableOptions = {}): Table {
  const names = [...new Set(records.flatMap((record) => Object.keys(record)))];
  const { decimal = "." } = options;
  if (names.length === 0) throw new ValueError("tableOf", "there are no records", { hint: "pass at least one object" });
  return new Table(
    names.map((name): Column => {
      const cells = records.map((record, row) => cellOf(Object.hasOwn(record, name) ? record[name] : null, name, row));
      const given = options.types?.[name];
      return {
        name,
        cells,
        ...(given ? { type: given, reason: "as asked" } : inferType(name, cells, decimal, options.categoryLimit ?? 100)),
      };
    }),
    { decimal },
  );
}

/**
 * Reads lines of JSON objects (JSON Lines); empty lines are left out.
 *
 * @throws ValueError with the number of the line for what is not a JSON object of plain values.
 */
export function readJsonLines(text: string, options: TableOptions = {}): Table {
  const records: TableRecord[] = [];
  text.split(/\r?\n/).forEach((line, index) => {
    if (line.trim() === "") return;
    let record: unknown;
    try {
      record = JSON.parse(line);
    } catch (cause) {
      throw new ValueError("readJsonLines", `line ${index + 1} is not JSON (${(cause as Error).message})`, {
        received: line,
        hint: "write one object on each line",
      });
    }
    if (typeof record !== "object" || record === null || Array.isArray(record)) {
      throw new ValueError("readJsonLines", `line ${index + 1} is not an object`, {
        received: record,
        hint: 'write objects such as {"age": 30}',
      });
    }
    records.push(record as TableRecord);
  });
  return tableOf(records, options);
}

function cellOf(value: unknown, name: string, row: number): string | null {
  if (value === null || value === undefined || Number.isNaN(value)) return null;
  if (typeof value === "object" || typeof value === "function" || typeof value === "symbol") {
    throw new ValueError("tableOf", `${name} at row ${row} is not a plain value`, {
      received: value,
      hint: "use text, numbers or truth values",
    });
  }
  return String(value as string | number | boolean | bigint);
}
