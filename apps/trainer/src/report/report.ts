/** to be replaced within the hour */
import type { RunFolder } from "../runFolder.ts";
export function writeReport(folder: RunFolder, _: unknown): void { folder.write("report.html", "x"); }
