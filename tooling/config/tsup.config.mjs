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

/**
 * Everything outside ASCII, which only comments hold, is escaped: an engine keeps a file with one such character in
 * two bytes for each, and reads it twice as slowly (1.6 of 123 ms of a cold start).
 * @type {NonNullable<import("tsup").Options["plugins"]>[number]}
 */
const escapeComments = {
  name: "escape-comments",
  renderChunk(code, { map }) {
    const escape = (/** @type {string} */ unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
    return { code: code.replace(/[^\0-\x7f]/g, escape), ...(map ? { map } : {}) };
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
  plugins: [escapeComments],
  dts: false,
  // Old chunks go, declarations stay.
  clean: ["!**/*.d.ts"],
  sourcemap: true,
  treeshake: true,
  silent: true,
});
