/**
 * Parquet files as records and tables, by the optional peer `hyparquet`. Reads one group of rows at a time, so that a
 * file need not fit in memory; owns nothing of the format.
 */
import { ValueError } from "@dormouse/tensor";
import { type TableOptions, type TableRecord, tableOf } from "./csv/records.ts";
import type { Table } from "./csv/table.ts";
import { Stream } from "./stream/stream.ts";

/** What part of a file is read: the whole file, a `Blob` (in Node: `await openAsBlob(path)`), or what reads ranges. */
export type ParquetSource =
  | Uint8Array
  | ArrayBuffer
  | Blob
  | { readonly byteLength: number; slice(start: number, end?: number): ArrayBuffer | Promise<ArrayBuffer> };

/** How a Parquet file is read. */
export interface ParquetOptions {
  /** Names of the columns to read. Default: all. */
  readonly columns?: readonly string[];
}

interface RangeReader {
  readonly byteLength: number;
  slice(start: number, end?: number): ArrayBuffer | Promise<ArrayBuffer>;
}
interface Metadata {
  readonly row_groups: readonly { readonly num_rows: bigint }[];
}
/** The part of `hyparquet` that is used. */
interface Hyparquet {
  parquetMetadataAsync(file: RangeReader): Promise<Metadata>;
  parquetReadObjects(options: {
    readonly file: RangeReader;
    readonly metadata: Metadata;
    readonly rowStart: number;
    readonly rowEnd: number;
    readonly columns?: readonly string[];
  }): Promise<Record<string, unknown>[]>;
}

/**
 * The rows of a Parquet file as records, one group of rows in memory at a time. 64-bit integers become numbers where
 * those hold them exactly, dates and times `Date`.
 *
 * ```ts no-run
 * const rows = streamParquet<{ size: number; kind: number }>(await openAsBlob("rows.parquet"));
 * const batches = rows.map(({ size, kind }) => ({ x: [size], y: kind })).shuffle({ buffer: 10_000 }).batch(32);
 * ```
 * @throws ValueError where `hyparquet` is not installed, and for bytes that are not Parquet.
 */
export function streamParquet<T extends object = Readonly<Record<string, unknown>>>(
  source: ParquetSource,
  options: ParquetOptions = {},
): Stream<T> {
  const file = readerOf(source);
  const { columns } = options;
  return new Stream(async function* (_epoch, skip) {
    const hyparquet = await load();
    try {
      const metadata = await hyparquet.parquetMetadataAsync(file);
      let rowStart = 0;
      for (const { num_rows: count } of metadata.row_groups) {
        const rowEnd = rowStart + Number(count);
        // Groups that are skipped as a whole are not read.
        if (rowEnd > skip) {
          const rows = await hyparquet.parquetReadObjects({
            file,
            metadata,
            rowStart: Math.max(rowStart, skip),
            rowEnd,
            ...(columns && { columns }),
          });
          for (const row of rows) yield plain(row) as T;
        }
        rowStart = rowEnd;
      }
    } catch (cause) {
      throw new ValueError("readParquet", `the file cannot be read (${(cause as Error).message})`, {
        received: cause,
        hint: "check that it is a Parquet file; for compression other than Snappy add hyparquet-compressors",
      });
    }
  });
}

/**
 * Reads a Parquet file into a `Table`, as `readCsv` does a CSV file.
 *
 * @throws ValueError as `streamParquet`, and for columns of lists and other nested values.
 */
export async function readParquet(
  source: ParquetSource,
  options: ParquetOptions & Omit<TableOptions, "decimal"> = {},
): Promise<Table> {
  const records = await streamParquet<Record<string, unknown>>(source, options).toArray();
  const texts = records.map(
    (record) =>
      Object.fromEntries(
        Object.entries(record).map(([name, value]) => [name, value instanceof Date ? value.toISOString() : value]),
      ) as TableRecord,
  );
  return tableOf(texts, options);
}

async function load(): Promise<Hyparquet> {
  try {
    return (await import("hyparquet")) as unknown as Hyparquet;
  } catch {
    throw new ValueError("readParquet", "the package hyparquet is not installed", {
      expected: "hyparquet",
      hint: "npm install hyparquet",
    });
  }
}

function readerOf(source: ParquetSource): RangeReader {
  if (source instanceof Blob) {
    return { byteLength: source.size, slice: (start, end) => source.slice(start, end).arrayBuffer() };
  }
  if (source instanceof Uint8Array) {
    return {
      byteLength: source.length,
      // `slice` of a Buffer of Node would not copy, and its `buffer` hold more than the file.
      slice: (start, end) => new Uint8Array(source.subarray(start, end)).buffer,
    };
  }
  return source;
}

function plain(row: Record<string, unknown>): Record<string, unknown> {
  for (const [name, value] of Object.entries(row)) {
    if (typeof value === "bigint" && BigInt.asIntN(54, value) === value) row[name] = Number(value);
  }
  return row;
}
