/**
 * Files of tables: CSV in its many forms, JSON lines and Parquet, compressed or not, as tables of `@dormouse/data`. How
 * a file was read belongs to the model, so that new rows are read alike. Messages of the readers, which speak to
 * programs, are put in terms of flags.
 */
import { readFileSync } from "node:fs";
import { type CsvOptions, Table, readCsv, readJsonLines, readParquet } from "@dormouse/data";
import { gunzip, isGzip } from "@dormouse/formats";
import { DormouseError } from "@dormouse/tensor";
import { Failure, exitCodes, readingData } from "../failure.ts";
import type { Settings } from "../settings.ts";

/** The settings that say how a file is read; null is found out. */
export const readingKeys = ["columns", "header", "delimiter", "decimal", "encoding", "comment", "missing", "ragged"] as const;
export type Reading = Pick<Settings["data"], (typeof readingKeys)[number]>;

/** The settings that concern reading. */
export const readingOf = (data: Reading): Reading =>
  Object.fromEntries(readingKeys.map((key) => [key, data[key]])) as unknown as Reading;

/** A file as a table. */
export interface ReadTable {
  readonly table: Table;
  /** How it was read: as asked, with what a file of few rows would not show again. */
  readonly reading: Reading;
  readonly notes: readonly string[];
}

/** Reads a file; `types` are kinds of columns in place of those found out. */
export async function readTable(path: string, reading: Reading, types: Settings["data"]["types"] = {}): Promise<ReadTable> {
  return readingTable(path, async () => {
    const file = readFileSync(path);
    const bytes = isGzip(file) ? await gunzip(file) : file;
    if (isParquet(bytes)) return { table: renamed(await readParquet(bytes, { types }), reading), reading, notes: [] };
    if (/\.(jsonl|ndjson)(\.gz)?$/i.test(path)) {
      return { table: renamed(readJsonLines(decoded(bytes, reading), { types }), reading), reading, notes: [] };
    }
    return readText(bytes, reading, types);
  });
}

/** `PAR1` at both ends. */
const isParquet = (bytes: Uint8Array): boolean => String.fromCharCode(...bytes.subarray(0, 4), ...bytes.subarray(-4)) === "PAR1PAR1";

function decoded(bytes: Uint8Array, { encoding }: Reading): string {
  try {
    return new TextDecoder(encoding ?? "utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Failure("data", `the bytes are not text in ${encoding ?? "utf-8"}; name the encoding: --encoding <name>`);
  }
}

function readText(bytes: Uint8Array, reading: Reading, types: Settings["data"]["types"]): ReadTable {
  const { encoding, notes } = encodingOf(bytes, reading);
  const { columns, delimiter, decimal, comment, missing, ragged } = reading;
  const options: CsvOptions = {
    ragged,
    ...(encoding !== null && { encoding }),
    ...(delimiter !== null && { delimiter: delimiter === "tab" ? "\t" : delimiter }),
    ...(decimal !== null && { decimal }),
    ...(comment !== null && { comment }),
    ...(missing !== null && { missing }),
    ...(reading.header !== null && { header: reading.header }),
  };
  const found = readCsv(bytes, columns === null ? { ...options, types } : options);
  const header = reading.header ?? !found.names.every((name, i) => name === `column${i + 1}`);
  const kept = { ...reading, encoding, header };
  const skipped = found.skippedLines.length === 0 ? [] : [`left out ${counted(found.skippedLines.length, "ragged line")}: ${some(found.skippedLines)}`];
  if (columns === null) return { table: found, reading: kept, notes: [...notes, ...skipped] };
  requireNames(columns, found.names.length);
  // A header that repeats the names is one, also where the first line was taken for values.
  const repeated = !header && columns.every((name, i) => found.columns[i]!.cells[0] === name);
  const oldTypes = underOldNames(types, columns, repeated ? columns : found.names);
  const table = renamed(readCsv(bytes, { ...options, header: header || repeated, types: oldTypes }), reading);
  return { table, reading: { ...kept, header: header || repeated }, notes: [...notes, ...skipped] };
}

/** Kinds of columns by the names that the file has for them. */
function underOldNames(
  types: Settings["data"]["types"],
  names: readonly string[],
  old: readonly string[],
): Settings["data"]["types"] {
  for (const name of Object.keys(types)) {
    if (!names.includes(name)) throw new Failure("usage", `data.types names the column ${name}; columns are ${some(names)}`);
  }
  return Object.fromEntries(Object.entries(types).map(([name, type]) => [old[names.indexOf(name)]!, type]));
}

/** The encoding: as asked, by byte-order mark, UTF-8, or Windows-1252 for bytes that are text in nothing else. */
function encodingOf(bytes: Uint8Array, { encoding }: Reading): { encoding: Reading["encoding"]; notes: string[] } {
  if (encoding !== null || (bytes[0]! >= 0xfe && bytes[1]! >= 0xfe)) return { encoding, notes: [] };
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return { encoding, notes: [] };
  } catch {
    // Zeros are not in text of either; the reader says what they may be.
    if (bytes.includes(0)) return { encoding, notes: [] };
    return { encoding: "latin1", notes: ["read as latin1 (Windows-1252), because the bytes are not UTF-8; --encoding sets another"] };
  }
}

function requireNames(names: readonly string[], columns: number): void {
  if (names.length !== columns) throw new Failure("usage", `--columns has ${counted(names.length, "name")}, the file ${counted(columns, "column")}`);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new Failure("usage", `--columns has the name ${twice} twice`);
}

/** The table with the names that were asked for. */
function renamed(table: Table, { columns: names }: Reading): Table {
  if (names === null) return table;
  requireNames(names, table.names.length);
  return new Table(table.columns.map((column, i) => ({ ...column, name: names[i]! })), table);
}

export const counted = (count: number, thing: string): string => `${count.toLocaleString("en-US")} ${thing}${count === 1 ? "" : "s"}`;

/** The first of many names. */
export const some = (names: readonly (string | number)[], most = 20): string =>
  names.length <= most ? names.join(", ") : `${names.slice(0, most).join(", ")} and ${names.length - most} more`;

/** Runs `read`; complaints of the readers become failures of the data, in terms of flags. */
export const readingTable = <T>(path: string, read: () => T | Promise<T>): Promise<T> =>
  readingData(path, async () => {
    try {
      return await read();
    } catch (error) {
      if (error instanceof Failure && error.code === exitCodes.data && !error.message.startsWith(path)) {
        throw new Failure("data", `${path}: ${error.message}`);
      }
      if (error instanceof DormouseError) throw new Failure("data", `${path}: ${inFlags(error)}`);
      throw error;
    }
  });

/** What the options of readers are called here. */
const flagsOfOptions: readonly (readonly [RegExp, string])[] = [
  [/pass the encoding: /, "name the encoding: "],
  [/mend it, name its "comment" sign, or pass /, "mend it, or pass --comment <sign> or "],
  [/name its "comment" sign, else the "delimiter"/, "pass --comment <sign>, else the --delimiter"],
  [/\{ header: \[names\] \}/, "--columns <names>"],
  [/\{ (\w+): "([^"]*)" \}/, "--$1 $2"],
  [/task "(\w+)"/, "--task $1"],
  [/readCsv\(text, --types .*?\)|readCsv\(text, \{ types \}\)/, '--set "data.types={name: kind}"'],
  [/treat it as a category/, 'take it for a category: --set "data.types={name: category}"'],
];

function inFlags({ op, message }: DormouseError): string {
  const plain = message.startsWith(`${op}: `) ? message.slice(op.length + 2) : message;
  return flagsOfOptions.reduce((text, [pattern, flag]) => text.replace(pattern, flag), plain);
}
