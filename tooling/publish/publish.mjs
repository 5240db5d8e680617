/**
 * What would be published: every package is packed as pnpm would upload it, and the archive is read by publint (strict)
 * and by "are the types wrong". Only ES modules are published, so what CommonJS resolution makes of them is not asked.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { workspacePackages } from "../scripts/build.mjs";
import { root } from "../scripts/setup.mjs";

/** Resolutions that an ESM-only package does not serve. */
const notServed = new Set(["node10", "node16-cjs"]);

/**
 * @param {string} name
 * @param {string} folder
 * @param {any} manifest
 * @returns {Promise<string[]>}
 */
async function checkPacked(name, folder, manifest) {
  const destination = mkdtempSync(join(tmpdir(), "dormouse-pack-"));
  try {
    execFileSync(join(root, "node_modules/.bin/pnpm"), ["pack", "--pack-destination", destination], {
      cwd: join(root, folder),
      stdio: ["ignore", "ignore", 2],
      shell: process.platform === "win32",
    });
    const archive = readFileSync(join(destination, /** @type {string} */ (readdirSync(destination)[0])));
    const tarball = archive.buffer.slice(archive.byteOffset, archive.byteOffset + archive.byteLength);
    const { messages, pkg } = await publint({ strict: true, pack: { tarball } });
    const problems = messages.map((message) => formatMessage(message, pkg ?? manifest) ?? message.code);

    const packed = createPackageFromTarballData(new Uint8Array(archive));
    const analysis = await checkPackage(packed);
    if (!analysis.types) problems.push("the archive contains no types");
    else {
      for (const problem of analysis.problems) {
        if ("resolutionKind" in problem && notServed.has(problem.resolutionKind)) continue;
        if (problem.kind === "CJSResolvesToESM") continue;
        problems.push(`types: ${JSON.stringify(problem)}`);
      }
    }
    for (const file of packed.listFiles()) {
      if (/\.tsbuildinfo$|\/(src|test|test-d)\//.test(file)) problems.push(`the archive contains ${file}`);
    }
    return problems.map((problem) => `${name}: ${problem}`);
  } finally {
    rmSync(destination, { recursive: true, force: true });
  }
}

/** @returns {Promise<string[]>} problems of every published package */
export async function checkPublished() {
  const problems = [];
  for (const { name, folder, manifest } of workspacePackages().values()) {
    if (!manifest.private) problems.push(...(await checkPacked(name, folder, manifest)));
  }
  return problems;
}
