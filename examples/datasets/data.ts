/**
 * What the examples of this folder share: finding a file of data, the rows to judge by, and the line they print. The
 * files are not in the repository; docs/datasets.md says where they are from and how the folder is laid out.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Table } from "@dormouse/data";
import { gunzip, isGzip } from "@dormouse/formats";

/**
 * The bytes of a file of the folder that `--data FOLDER` or the environment variable DORMOUSE_DATA names, unzipped
 * where they are gzip. Where it is not there, says so and ends the process with status 2.
 */
export async function readData(path: string): Promise<Uint8Array> {
  const given = process.argv.indexOf("--data");
  const folder = given < 0 ? process.env["DORMOUSE_DATA"] : process.argv[given + 1];
  if (!folder || !existsSync(join(folder, path))) {
    const place = folder ? `is not in ${folder}` : "is needed, and no folder of data is given";
    console.error(`datasets: ${path} ${place}; use --data FOLDER or set DORMOUSE_DATA (see docs/datasets.md)`);
    process.exit(2);
  }
  const bytes = await readFile(join(folder, path));
  return isGzip(bytes) ? gunzip(bytes) : bytes;
}

/** Divides a table by `splits.json`, which lists the row numbers of a test part for each data set without one. */
export async function holdOut(name: string, table: Table): Promise<{ readonly train: Table; readonly test: Table }> {
  const text = new TextDecoder().decode(await readData("splits.json"));
  const splits = JSON.parse(text) as Readonly<Record<string, { readonly n: number; readonly test: readonly number[] }>>;
  const split = splits[name];
  if (split?.n !== table.length) {
    throw new Error(`holdOut: splits.json divides ${split?.n ?? "no"} rows of ${name}, and the table has ${table.length}`);
  }
  const judged = new Set(split.test);
  const rest = Array.from({ length: split.n }, (_, row) => row).filter((row) => !judged.has(row));
  return { train: table.subset(rest), test: table.subset(split.test) };
}

/** What was found, and what the same kind of model reached in another library, rounded. */
export type Score = readonly [found: number, reference: number];

/** Prints one line: `iris softmax regression accuracy 0.9667 (reference 0.967)`. */
export function report(name: string, metrics: Readonly<Record<string, Score>>): void {
  const parts = Object.entries(metrics).map(
    ([metric, [found, reference]]) => `${metric} ${found.toFixed(4)} (reference ${reference})`,
  );
  console.log(`${name} ${parts.join(" ")}`);
}
