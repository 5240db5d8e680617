/**
 * Streams of records from text that need not fit in memory: lines, CSV rows and JSON Lines. Cells of CSV stay text, as
 * in a `Table`: `fitFeatures` on the rows of a sample learns what they mean, and `tableOf` takes them back.
 */
import { ValueError } from "@dormouse/tensor";
import { type Delimiter, type Row, detectDelimiter, parsePart } from "../csv/parse.ts";
import { type CsvOptions, defaultMissing, headerOf } from "../csv/table.ts";
import { detectDecimal } from "../csv/types.ts";
import { type Stream, stream } from "./stream.ts";
import { type TextOptions, type TextSource, checkLength, decoded, linesOf, openText } from "./text.ts";

/** A row of a CSV file: text by the name of its column, null where it is missing. */
export type CsvRecord = Readonly<Record<string, string | null>>;

/** The options of `readCsv` that concern rows and not columns. */
export type StreamCsvOptions = Pick<
  CsvOptions,
  "delimiter" | "header" | "encoding" | "comment" | "missing" | "ragged"
>;

/** Characters read before delimiter and header are chosen. */
const sampleLength = 1 << 16;

/**
 * The lines of a text, without line ends.
 *
 * @example
 * console.log(await streamLines("one\ntwo\n").toArray()); // [ 'one', 'two' ]
 */
export function streamLines(source: TextSource, options: TextOptions = {}): Stream<string> {
  const pieces = stream(openText(source));
  return stream(async function* (epoch) {
    for await (const { text } of linesOf("streamLines", decoded("streamLines", pieces.epoch(epoch), options))) yield text;
  });
}

/**
 * The objects of a text with one JSON object on each line; empty lines are left out.
 *
 * @example
 * const examples = streamJsonLines<{ x: number[]; y: number }>('{"x":[1,2],"y":0}\n{"x":[3,4],"y":1}\n');
 * const [batch] = await examples.batch(2, { dtypes: { y: "int32" } }).toArray();
 * console.log(batch.x.shape, batch.y.dtype); // [ 2, 2 ] int32
 * @throws ValueError with the number of the line for what is not a JSON object.
 */
export function streamJsonLines<T extends object = Readonly<Record<string, unknown>>>(
  source: TextSource,
  options: TextOptions = {},
): Stream<T> {
  const op = "streamJsonLines";
  const pieces = stream(openText(source));
  return stream(async function* (epoch) {
    for await (const { text, line } of linesOf(op, decoded(op, pieces.epoch(epoch), options))) {
      if (text.trim() === "") continue;
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch (cause) {
        throw new ValueError(op, `line ${line} is not JSON (${(cause as Error).message})`, {
          received: text,
          hint: "write one object on each line",
        });
      }
      if (typeof value !== "object" || value === null || Array.isArray(value)) {
        throw new ValueError(op, `line ${line} is not an object`, {
          received: value,
          hint: 'write objects such as {"age": 30}',
        });
      }
      yield value as T;
    }
  });
}

/**
 * The rows of a CSV file as records, in the dialects that `readCsv` reads; delimiter and header are found out from the
 * first 65 536 characters. A row may span lines and pieces.
 *
 * @example
 * const rows = streamCsv("size;color\n1;red\n2;blue\n3;red\n");
 * const features = fitFeatures(tableOf(await rows.take(1000).toArray()));
 * for await (const some of rows.shuffle({ buffer: 2, seed: 1 }).chunk(2)) {
 *   console.log(features.transform(tableOf(some)).shape); // [ 1, 3 ]
 * }
 * @throws ValueError with the number of the line for ragged rows and broken quotes, and for bytes that are not text.
 */
export function streamCsv(source: TextSource, options: StreamCsvOptions = {}): Stream<CsvRecord> {
  const missing = new Set(options.missing ?? defaultMissing);
  const pieces = stream(openText(source));
  return stream(async function* (epoch) {
    let names: readonly string[] | undefined;
    for await (const rows of csvRows(decoded("streamCsv", pieces.epoch(epoch), options), options)) {
      names ??= headerOf(rows, options.header, missing, detectDecimal(rows.map(({ cells }) => cells)));
      for (const { cells, line } of rows) {
        if (cells.length === names.length) {
          yield Object.fromEntries(names.map((name, i) => [name, missing.has(cells[i]!) ? null : cells[i]!]));
        } else if (options.ragged !== "skip") {
          throw new ValueError("streamCsv", `line ${line} has ${cells.length} cells instead of ${names.length}`, {
            expected: names.length,
            received: cells.length,
            hint: 'mend it, name its "comment" sign, or pass { ragged: "skip" }',
          });
        }
      }
    }
  });
}

/** Rows in groups: those that each piece of text completes. The first group is large enough to look for a header. */
async function* csvRows(
  text: AsyncIterable<string>,
  { delimiter: given, comment }: StreamCsvOptions,
): AsyncGenerator<Row[], void, undefined> {
  let delimiter: Delimiter | undefined;
  let rest = "";
  let line = 1;
  const parse = (goesOn: boolean): Row[] => {
    // A sample that ends within a row would make the last row look ragged.
    delimiter ??= given ?? detectDelimiter(goesOn ? rest.slice(0, rest.lastIndexOf("\n") + 1) : rest, comment) ?? ",";
    const part = parsePart(rest, delimiter, comment, { line, goesOn });
    rest = rest.slice(part.consumed);
    line = part.line;
    checkLength("streamCsv", rest, line);
    return part.rows;
  };
  for await (const piece of text) {
    rest += piece;
    if (!delimiter && rest.length < sampleLength) continue;
    const rows = parse(true);
    if (rows.length > 0) yield rows;
  }
  const rows = parse(false);
  if (rows.length > 0) yield rows;
}
