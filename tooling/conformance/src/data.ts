/** Reading the data sets that some cases name, from the folder given by `--data`. Plain comma-separated tables only. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The lines of a file of comma-separated fields without quotes; empty ones left out. */
export function readTable(folder: string, file: string): string[][] {
  // The cases write paths from the folder above.
  const text = readFileSync(join(folder, file.replace(/^data\//, "")), "utf8");
  return text.split(/\r?\n/).filter((line) => line !== "").map((line) => line.split(","));
}
