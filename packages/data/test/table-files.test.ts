/**
 * Tables of real data sets, whole and as streams in pieces: where the environment variable DORMOUSE_DATA names the
 * folder that holds them.
 */
import { existsSync, openAsBlob, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzip } from "@dormouse/formats";
import { describe, expect, test } from "vitest";
import { type StreamCsvOptions, readCsv, streamCsv } from "../src/index.ts";

const folder = process.env["DORMOUSE_DATA"] ?? "";
const here = (path: string): boolean => folder !== "" && existsSync(join(folder, path));

const files: readonly (readonly [path: string, rows: number, columns: number, options: StreamCsvOptions])[] = [
  ["california-housing/housing.csv", 20640, 10, {}],
  ["penguins/penguins.csv", 344, 8, {}],
  ["iris/iris.csv", 150, 5, {}],
  ["auto-mpg/auto-mpg.data", 398, 9, { header: false }],
  ["optdigits/optdigits.tes", 1797, 65, { header: false }],
  ["adult/adult.data.gz", 32561, 15, { header: false }],
  ["adult/adult.test.gz", 16281, 15, { header: false, comment: "|" }],
];

describe("tables of other people (DORMOUSE_DATA)", () => {
  for (const [path, rows, columns, options] of files) {
    test.skipIf(!here(path))(path, async () => {
      const gzipped = path.endsWith(".gz");
      const bytes = readFileSync(join(folder, path));
      const table = readCsv(gzipped ? await gunzip(bytes) : bytes, options);
      expect([table.length, table.columns.length]).toEqual([rows, columns]);
      const blob = await openAsBlob(join(folder, path));
      const records = streamCsv(
        gzipped
          ? () => blob.stream().pipeThrough(new DecompressionStream("gzip")) as unknown as AsyncIterable<Uint8Array>
          : blob,
        options,
      );
      let row = 0;
      for await (const record of records) {
        if (row % 97 === 0 || row === rows - 1) {
          for (const { name, cells } of table.columns) expect(record[name]).toBe(cells[row]);
        }
        row++;
      }
      expect(row).toBe(rows);
    });
  }
});
