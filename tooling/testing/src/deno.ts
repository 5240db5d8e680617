/**
 * Runs a program of a test in Deno on the software GPU of Mesa, which has half precision and which only Deno finds. Owns
 * where both are looked for; a machine that lacks one gets a reason, with which a test is skipped by name.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env } from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";

/** Deno comes with the umbrella package; `DENO` may name another. */
const installed = fileURLToPath(new URL("../../../packages/ml/node_modules/.bin/deno", import.meta.url));
const deno = [env["DENO"] ?? "", installed].find((path) => path !== "" && existsSync(path));
const driver = ["x86_64", "aarch64"]
  .map((machine) => `/usr/share/vulkan/icd.d/lvp_icd.${machine}.json`)
  .find((path) => existsSync(path));

/** Why programs cannot run there; null where they can. */
export const whyNoHalfGpu = !deno ? "there is no deno on this machine" : !driver ? "there is no software GPU of Mesa on this machine" : null;

/** What `contents`, a module whose imports are relative to `folder`, prints as the last line of its output: JSON. */
export async function runOnHalfGpu<Report>(folder: string, contents: string): Promise<Report> {
  const place = await mkdtemp(join(tmpdir(), "dormouse-deno-"));
  try {
    const script = join(place, "program.mjs");
    const { outputFiles } = await build({
      stdin: { contents, resolveDir: folder, loader: "ts" },
      bundle: true, write: false, format: "esm", platform: "node", target: "es2023", conditions: ["@dormouse/source"],
      external: ["node:*", "webgpu"], logLevel: "silent",
    });
    await writeFile(script, outputFiles[0]!.contents);
    const environment = { ...env, VK_DRIVER_FILES: driver, XDG_RUNTIME_DIR: place };
    const flags = ["run", "--unstable-webgpu", "--allow-all", "--no-config", "--no-remote"];
    const options = { env: environment, timeout: 170_000, maxBuffer: 2 ** 26 };
    const { stdout } = await promisify(execFile)(deno!, [...flags, script], options);
    return JSON.parse(stdout.trim().split("\n").at(-1)!) as Report;
  } finally {
    await rm(place, { recursive: true });
  }
}
