/**
 * One tsup configuration for every package: JavaScript only (declarations come from `tsc -b`). The entries are read
 * from the package's own `package.json`, so that what is exported and what is built cannot disagree: every
 * `@dormouse/source` export, and `src/NAME.ts` for every `bin` that points at `dist/NAME.js`.
 */
import { readFileSync } from "node:fs";
import { defineConfig } from "tsup";

const manifest = JSON.parse(readFileSync("package.json", "utf8"));

/** @type {string[]} */
const entry = [];
for (const target of Object.values(manifest.exports ?? {})) {
  if (target["@dormouse/source"]) entry.push(target["@dormouse/source"].replace("./", ""));
}
const bin = manifest.bin ?? {};
for (const target of typeof bin === "string" ? [bin] : Object.values(bin)) {
  entry.push(String(target).replace(/^(\.\/)?dist\//, "src/").replace(/\.js$/, ".ts"));
}

export default defineConfig({
  entry,
  format: "esm",
  target: "es2023",
  platform: "neutral",
  // Node's own modules stay imports; everything else that is not in the package is a dependency, and stays one too.
  external: [/^node:/],
  dts: false,
  // Old chunks go, declarations stay.
  clean: ["!**/*.d.ts"],
  sourcemap: true,
  treeshake: true,
  silent: true,
});
