/**
 * `npm test`: installs, builds the commands that tests start as processes, runs every test, and ends with one line
 * `N passed, N failed`. A test file that does not load counts as one failure, and so does a run in which vitest itself
 * fails or finds nothing. Arguments are passed on to vitest: `npm test -- packages/tensor`.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { argv, execPath, exit } from "node:process";
import { buildJavaScript, workspacePackages } from "./build.mjs";
import { root, setup } from "./setup.mjs";

setup();
buildJavaScript([...workspacePackages().values()].filter(({ manifest }) => manifest.bin).map(({ name }) => name));

const folder = mkdtempSync(join(tmpdir(), "dormouse-test-"));
const report = join(folder, "report.json");
const vitest = spawnSync(
  execPath,
  [
    join(root, "node_modules/vitest/vitest.mjs"),
    "run",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
    ...argv.slice(2),
  ],
  { cwd: root, stdio: ["ignore", "inherit", "inherit"] },
);

let passed = 0;
let failed = 0;
try {
  for (const file of JSON.parse(readFileSync(report, "utf8")).testResults) {
    const of = (/** @type {string} */ status) =>
      file.assertionResults.filter((/** @type {{ status: string }} */ test) => test.status === status).length;
    passed += of("passed");
    failed += of("failed");
    if (file.status === "failed" && of("failed") === 0) failed += 1;
  }
} catch (error) {
  console.error(`test: vitest left no readable report: ${error instanceof Error ? error.message : error}`);
}
rmSync(folder, { recursive: true, force: true });
if (passed + failed === 0) {
  console.error("test: nothing ran");
  failed = 1;
} else if (vitest.status !== 0 && failed === 0) {
  console.error(`test: every test passed, but vitest ended with ${vitest.signal ?? `status ${vitest.status}`}`);
  failed = 1;
}
console.log(`${passed} passed, ${failed} failed`);
exit(failed === 0 ? 0 : 1);
