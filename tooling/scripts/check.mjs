/**
 * `npm run check`: everything that is checked without running the library. Without arguments all checks run, and all
 * of them run even if one fails; `npm run check -- lint edges` runs some; `--update` rewrites what a check compares
 * with (`api`, `types`) instead of comparing.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { argv, execPath, exit } from "node:process";
import { turbo } from "./build.mjs";
import { root, setup } from "./setup.mjs";

/**
 * Runs a command of a dependency; a status other than 0 is a problem.
 * @param {string} path of a script below node_modules
 * @param {string[]} parameters
 */
function command(path, ...parameters) {
  const { status } = spawnSync(execPath, [join(root, "node_modules", path), ...parameters], {
    cwd: root,
    stdio: "inherit",
  });
  return status === 0 ? [] : [`${path} ended with status ${status}`];
}

/**
 * Each check returns its problems. They import what they need when they run, because `setup` installs it.
 * @type {Record<string, (update: boolean) => Promise<string[]>>}
 */
const checks = {
  lint: async () => command("eslint/bin/eslint.js", "."),
  // The declarations of every package, with the types a library may use; then tests, tools and examples as well.
  build: async () => (turbo(["build", "--continue"]) === 0 ? [] : ["the build failed"]),
  tsc: async () => command("typescript/bin/tsc", "-p", "tsconfig.json"),
  edges: async () => {
    const { badArrows, importCycles } = await import("../edges/graph.mjs");
    return [...badArrows(root), ...importCycles(root).map((cycle) => `import cycle: ${cycle.join(" → ")}`)];
  },
  api: async (update) => (await import("../api/report.mjs")).checkApi({ update }),
  bundle: async () => {
    const { bundle, checkFixture, fixtures } = await import("../bundle/bundle.mjs");
    const problems = [];
    for (const fixture of fixtures()) {
      const { kibibytes } = await bundle(fixture.code);
      console.log(`  ${kibibytes.toFixed(2).padStart(7)} KiB of ${fixture.ceiling}: ${fixture.name}`);
      problems.push(...(await checkFixture(fixture)));
    }
    return problems;
  },
  publish: async () => (await import("../publish/publish.mjs")).checkPublished(),
  types: async (update) => (await import("../types/cost.mjs")).checkTypeCost({ update }),
  changes: async () => {
    const { problems, skipped } = (await import("../changes/changes.mjs")).checkChangesets(root);
    if (skipped) console.log(`  not compared: ${skipped}`);
    return problems;
  },
};

const update = argv.includes("--update");
const named = argv.slice(2).filter((word) => word !== "--update");
const unknown = named.filter((name) => !(name in checks));
if (unknown.length > 0) {
  console.error(`check: there is no check '${unknown[0]}'; the checks are ${Object.keys(checks).join(", ")}`);
  exit(2);
}
setup();
const needsBuild = ["api", "publish"];
const chosen = named.length > 0 ? named : Object.keys(checks);
if (chosen.some((name) => needsBuild.includes(name)) && !chosen.includes("build")) chosen.unshift("build");

let failed = 0;
for (const name of chosen) {
  const start = Date.now();
  console.log(`${name} …`);
  /** @type {string[]} */
  let problems;
  try {
    problems = (await checks[name]?.(update)) ?? [];
  } catch (error) {
    problems = [error instanceof Error ? (error.stack ?? error.message) : String(error)];
  }
  for (const problem of problems) console.log(`  ${problem}`);
  console.log(`${name}: ${problems.length === 0 ? "ok" : "failed"} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
  if (problems.length > 0) failed += 1;
}
console.log(failed === 0 ? "check: ok" : `check: ${failed} of ${chosen.length} failed`);
exit(failed === 0 ? 0 : 1);
