/**
 * How much of the library a small program pulls in: each fixture is bundled with esbuild from source, minified and
 * gzipped, and compared with its ceiling; identifiers that the program does not use must not appear in the bundle.
 * The ceilings are kibibytes in `ceilings.json`, raised on purpose, in the change that needs it.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { root } from "../scripts/setup.mjs";

/**
 * @typedef {object} Fixture
 * @property {string} name
 * @property {string} code
 * @property {number} ceiling KiB, gzipped
 * @property {string[]} [absent] strings that must not appear in the minified bundle
 */

/**
 * Bundles a program and measures it.
 * @param {string} code
 * @returns {Promise<{ kibibytes: number, text: string }>}
 */
export async function bundle(code) {
  const result = await build({
    stdin: { contents: code, resolveDir: root, loader: "ts" },
    bundle: true,
    write: false,
    minify: true,
    keepNames: false,
    treeShaking: true,
    format: "esm",
    platform: "browser",
    target: "es2023",
    conditions: ["@dormouse/source"],
    external: ["node:*", "webgpu"],
    logLevel: "silent",
  });
  const text = result.outputFiles[0]?.text ?? "";
  return { kibibytes: gzipSync(text, { level: 9 }).length / 1024, text };
}

/**
 * What is wrong with one fixture.
 * @param {Fixture} fixture
 * @returns {Promise<string[]>}
 */
export async function checkFixture({ name, code, ceiling, absent = [] }) {
  const { kibibytes, text } = await bundle(code);
  const problems = absent.filter((word) => text.includes(word)).map((word) => `${name}: the bundle contains ${word}`);
  if (kibibytes > ceiling) problems.push(`${name}: ${kibibytes.toFixed(2)} KiB gzipped, above the ceiling of ${ceiling}`);
  return problems;
}

/** @returns {Fixture[]} */
export function fixtures() {
  return JSON.parse(readFileSync(join(root, "tooling/bundle/ceilings.json"), "utf8"));
}
