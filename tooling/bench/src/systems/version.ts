/** The version of an installed package, from its `package.json`, which exports need not offer. */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const { resolve } = createRequire(import.meta.url);

/** @param name as imported: `@tensorflow/tfjs` */
export function versionOf(name: string): string {
  for (let folder = dirname(resolve(name)); folder !== dirname(folder); folder = dirname(folder)) {
    const path = join(folder, "package.json");
    if (!existsSync(path)) continue;
    const manifest = JSON.parse(readFileSync(path, "utf8")) as { name?: string; version?: string };
    if (manifest.name === name) return manifest.version ?? "unknown";
  }
  throw new Error(`versionOf: ${name} has no package.json; install the dependencies of tooling/bench`);
}
