/**
 * A table of named columns as text, each with its kind, and the reader that makes one from a CSV file. Cells stay text:
 * numbers are parsed when features are fitted, by rules that then belong to the model and not to the file.
 */
import { ShapeError, ValueError } from "@dormouse/tensor";
import { rangeOf } from "../random.ts";
import { type Encoding, decodeText } from "./decode.ts";
import { type Delimiter, type Row, detectDelimiter, parseRows } from "./parse.ts";
import { type ColumnType, type Decimal, detectDecimal, inferType, parseNumber } from "./types.ts";

/** One column; a missing cell is null. */
export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  /** Why it has this type. */
  readonly reason: string;
  readonly cells: readonly (string | null)[];
}

/** How `readCsv` reads. What is not given is found out. */
export interface CsvOptions {
  readonly delimiter?: Delimiter;
  /** Whether the first row holds names, or the names. */
  readonly header?: boolean | readonly string[];
  readonly decimal?: Decimal;
  readonly encoding?: Encoding;
  /** Lines that begin with this are left out. */
  readonly comment?: string;
  /** Cells that mean "missing". Default: empty, NA, N/A, ?, NaN, nan, null, NULL. */
  readonly missing?: readonly string[];
  /** A row with too few or too many cells is an `"error"` (default) or is left out (`"skip"`). */
  readonly ragged?: "error" | "skip";
  /** Kinds of columns by name, in place of those found out. */
  readonly types?: Readonly<Record<string, ColumnType>>;
  /** More levels than this make text of a category. Default 100. */
  readonly categoryLimit?: number;
}

/** Cells that mean "missing" where nothing else is said. */
export const defaultMissing = ["", "NA", "N/A", "?", "NaN", "nan", "null", "NULL"];
const setAsideTypes: readonly ColumnType[] = ["id", "date", "text", "constant", "empty"];

/** Named columns of equal length. Immutable. */
export class Table {
  readonly columns: readonly Column[];
  readonly length: number;
  readonly decimal: Decimal;
  /** Lines that were left out because they were ragged. */
  readonly skippedLines: readonly number[];

  constructor(
    columns: readonly Column[],
    options: { readonly decimal?: Decimal; readonly skippedLines?: readonly number[] } = {},
  ) {
    this.columns = columns;
    this.length = columns[0]?.cells.length ?? 0;
    this.decimal = options.decimal ?? ".";
    this.skippedLines = options.skippedLines ?? [];
    for (const { name, cells } of columns) {
      if (cells.length !== this.length) {
        throw new ShapeError("table", `column ${name} has ${cells.length} rows, the first has ${this.length}`, {
          expected: this.length,
          received: cells.length,
          hint: "give every column one cell per row",
        });
      }
    }
  }

  /** Names of the columns, in order. */
  get names(): string[] {
    return this.columns.map(({ name }) => name);
  }

  /** The column of a name; throws where there is none. */
  column(name: string): Column {
    const column = this.columns.find((candidate) => candidate.name === name);
    if (!column) {
      throw new ValueError("table", `there is no column ${JSON.stringify(name)}`, {
        expected: this.names,
        received: name,
        hint: `columns are ${this.names.join(", ")}`,
      });
    }
    return column;
  }

  /** The numbers of a column, NaN where a cell is missing; throws where a cell is not a number. */
  numbers(name: string): Float64Array {
    return Float64Array.from(this.column(name).cells, (cell, row) => {
      if (cell === null) return NaN;
      const value = parseNumber(cell, this.decimal);
      if (Number.isNaN(value)) {
        throw new ValueError(
          "table",
          `column ${name} has ${JSON.stringify(cell)} at row ${row}, which is not a number`,
          { received: cell, hint: "treat it as a category" },
        );
      }
      return value;
    });
  }

  /** The rows at `indices`, in that order; kinds of columns stay. */
  subset(indices: ArrayLike<number>): Table {
    for (let i = 0; i < indices.length; i++) {
      if (!(indices[i]! >= 0 && indices[i]! < this.length)) {
        throw new ValueError("table", `row ${indices[i]} is not below the ${this.length} rows`, {
          expected: this.length,
          received: indices[i],
          hint: "rows count from 0",
        });
      }
    }
    const columns = this.columns.map((column) => ({
      ...column,
      cells: Array.from(indices, (row) => column.cells[row]!),
    }));
    return new Table(columns, this);
  }

  /** The table without the rows in which a cell of the named columns (default: any column) is missing. */
  dropMissing(...names: readonly string[]): Table {
    const checked = names.length > 0 ? names.map((name) => this.column(name)) : this.columns;
    return this.subset(rangeOf(this.length).filter((row) => checked.every(({ cells }) => cells[row] !== null)));
  }

  /** One line for each column that a model will not see, with the reason. */
  get setAside(): string[] {
    return this.columns
      .filter(({ type }) => setAsideTypes.includes(type))
      .map(({ name, type, reason }) => `${name}: ${type} (${reason})`);
  }
}

/**
 * Reads a CSV file from text or bytes. Delimiter (comma, semicolon, tab, bar or blanks), header, decimal comma and the
 * kinds of the columns are found out; options fix what is guessed wrong.
 *
 * ```ts
 * const table = readCsv("length;kind\n1,5;a\n2,5;b\nNA;a\n3,5;b\n");
 * console.log(table.columns.map(({ name, type }) => `${name}: ${type}`)); // [ 'length: number', 'kind: binary' ]
 * ```
 * @throws ValueError with the number of the line for ragged rows and broken quotes, and for bytes that are not text.
 */
export function readCsv(source: string | Uint8Array | ArrayBuffer, options: CsvOptions = {}): Table {
  const text =
    typeof source === "string" ? source : decodeText(new Uint8Array(source as ArrayBuffer), options.encoding);
  const body = text.startsWith("\ufeff") ? text.slice(1) : text;
  const delimiter = options.delimiter ?? detectDelimiter(body, options.comment) ?? ",";
  const rows = parseRows(body, delimiter, options.comment);
  if (rows.length === 0)
    throw new ValueError("readCsv", "the file has no rows", { hint: "check that it is the right file" });
  const missing = new Set(options.missing ?? defaultMissing);
  const decimal = options.decimal ?? (delimiter === "," ? "." : detectDecimal(rows.map(({ cells }) => cells)));
  const names = headerOf(rows, options.header, missing, decimal);
  const skippedLines = checkRagged(rows, names.length, options.ragged ?? "error");
  const limit = options.categoryLimit ?? 100;
  const columns = names.map((name, index): Column => {
    const cells = rows.map((row) => (missing.has(row.cells[index]!) ? null : row.cells[index]!));
    const given = options.types?.[name];
    return { name, cells, ...(given ? { type: given, reason: "as asked" } : inferType(name, cells, decimal, limit)) };
  });
  for (const name of Object.keys(options.types ?? {})) {
    if (!names.includes(name))
      throw new ValueError("readCsv", `types names the column ${JSON.stringify(name)}, which is not there`, {
        expected: names,
        received: name,
        hint: `columns are ${names.join(", ")}`,
      });
  }
  return new Table(columns, { decimal, skippedLines });
}

/** The names of the columns; takes the header out of `rows`. */
export function headerOf(
  rows: Row[],
  header: CsvOptions["header"],
  missing: ReadonlySet<string>,
  decimal: Decimal,
): string[] {
  const first = rows[0]!.cells;
  let names: readonly string[];
  if (Array.isArray(header)) names = header as readonly string[];
  else if (header ?? looksLikeHeader(rows, missing, decimal)) names = rows.shift()!.cells;
  else names = first.map((_, index) => `column${index + 1}`);
  const seen = new Set<string>();
  return names.map((name, index) => {
    const given = name === "" ? `column${index + 1}` : name;
    if (seen.has(given))
      throw new ValueError("readCsv", `two columns are named ${JSON.stringify(given)}`, {
        received: given,
        hint: "rename one, or pass { header: [names] }",
      });
    seen.add(given);
    return given;
  });
}

/** A header has no numbers, no name twice, and no name that is also a value of its column. */
function looksLikeHeader(rows: readonly Row[], missing: ReadonlySet<string>, decimal: Decimal): boolean {
  const first = rows[0]!.cells;
  if (rows.length < 2 || new Set(first).size < first.length) return false;
  return first.every((cell, index) => {
    // A first column without a name is how row numbers are often written.
    if (cell === "") return index === 0;
    if (missing.has(cell) || !Number.isNaN(parseNumber(cell, decimal))) return false;
    return !rows.slice(1, 1000).some(({ cells }) => cells[index] === cell);
  });
}

const counted = (count: number, thing: string): string => `${count} ${thing}${count === 1 ? "" : "s"}`;

/** Takes ragged rows out of `rows`, or throws; the lines taken out. */
function checkRagged(rows: Row[], columns: number, ragged: "error" | "skip"): number[] {
  const bad = rows.filter(({ cells }) => cells.length !== columns);
  const [first] = bad;
  const [top] = rows;
  if (first && ragged === "error" && top!.cells.length === columns && bad.length > rows.length / 2) {
    throw new ValueError(
      "readCsv",
      `line ${top!.line} has ${counted(columns, "cell")}, but ${bad.length} of ${rows.length} lines have another number`,
      {
        expected: columns,
        received: first.cells.length,
        hint: 'if it is a comment, name its "comment" sign, else the "delimiter" may be another',
      },
    );
  }
  if (first && ragged === "error") {
    throw new ValueError(
      "readCsv",
      `line ${first.line} has ${counted(first.cells.length, "cell")} instead of ${columns}${bad.length > 1 ? ` (and ${counted(bad.length - 1, "more line")})` : ""}`,
      {
        expected: columns,
        received: first.cells.length,
        hint: 'mend it, name its "comment" sign, or pass { ragged: "skip" }',
      },
    );
  }
  if (bad.length > 0) rows.splice(0, rows.length, ...rows.filter(({ cells }) => cells.length === columns));
  return bad.map(({ line }) => line);
}
