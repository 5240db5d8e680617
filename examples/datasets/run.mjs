/**
 * Runs examples of this folder one after another, each in a process of its own, and prints their results with the time
 * they took:
 *
 *     node examples/datasets/run.mjs --data FOLDER [NAME …]
 *
 * Without names it runs all of them; without `--data`, the environment variable DORMOUSE_DATA names the folder. The
 * status is 1 where an example failed. Bundling makes them run on Node 20 and 22; Node 24 reads the sources as they are.
 */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { argv, execPath, exit } from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildSync } from "esbuild";

const folder = dirname(fileURLToPath(import.meta.url));
const all = readdirSync(folder).flatMap((file) => (/^[^.]+\.ts$/.test(file) && file !== "data.ts" ? [file.slice(0, -3)] : []));
const { values, positionals } = parseArgs({
  args: argv.slice(2),
  options: { data: { type: "string" } },
  allowPositionals: true,
});
const unknown = positionals.filter((name) => !all.includes(name));
if (unknown.length > 0) {
  console.error(`datasets: there is no example ${unknown.join(", ")}; there is ${all.join(", ")}`);
  exit(2);
}

const bundles = join(folder, "../../node_modules/.cache/dormouse/datasets");
let failed = false;
for (const name of positionals.length > 0 ? positionals : all) {
  const outfile = join(bundles, `${name}.mjs`);
  buildSync({
    entryPoints: [join(folder, `${name}.ts`)],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    conditions: ["@dormouse/source"],
    logLevel: "error",
  });
  const started = performance.now();
  const parameters = values.data === undefined ? [] : ["--data", values.data];
  const { status, stdout } = spawnSync(execPath, [outfile, ...parameters], {
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (status === 0) console.log(`${stdout.trim()} in ${seconds} s`);
  else failed = true;
}
exit(failed ? 1 : 0);
