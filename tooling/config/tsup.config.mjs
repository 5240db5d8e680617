/**
 * One tsup configuration for every package: JavaScript only (declarations come from `tsc -b`). The entries are read
 * from the package's own `package.json`, so that what is exported and what is built cannot disagree: every
 * `@dormouse/source` export, and `src/NAME.ts` for every `bin` that points at `dist/NAME.js`.
 */
import { readFileSync } from "node:fs";
import { relative, resolve } from "node:path";
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

/**
 * An entry that another entry imports stays a file of its own: `export * as linalg` of a copy becomes a call that fills
 * an object, which a bundler cannot drop where nobody uses it.
 * @type {import("esbuild").Plugin}
 */
const keepImportsOfEntries = {
  name: "keep-imports-of-entries",
  setup({ onResolve }) {
    const entries = new Set(entry.map((file) => resolve(file)));
    onResolve({ filter: /^\.\// }, ({ path, importer, resolveDir }) => {
      const target = resolve(resolveDir, path);
      if (!entries.has(importer) || !entries.has(target)) return undefined;
      return { path: `./${relative(resolveDir, target).replace(/\.ts$/, ".js")}`, external: true };
    });
  },
};

export default defineConfig({
  entry,
  format: "esm",
  target: "es2023",
  platform: "neutral",
  // Node's own modules stay imports; everything else that is not in the package is a dependency, and stays one too.
  external: [/^node:/],
  esbuildPlugins: [keepImportsOfEntries],
  dts: false,
  // Old chunks go, declarations stay.
  clean: ["!**/*.d.ts"],
  sourcemap: true,
  treeshake: true,
  silent: true,
});
