/**
 * Builds with turbo, which skips what has not changed: `npm run build` builds everything, `buildJavaScript` only the
 * JavaScript of some packages and of what they depend on, which is all that running a command needs.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { argv, env, exit } from "node:process";
import { fileURLToPath } from "node:url";
import { root, setup } from "./setup.mjs";

/**
 * @typedef {object} WorkspacePackage
 * @property {string} name as in its package.json
 * @property {string} folder relative to the root
 * @property {any} manifest
 */

/**
 * Every package of the workspace, by name.
 * @returns {Map<string, WorkspacePackage>}
 */
export function workspacePackages() {
  const packages = new Map();
  for (const group of ["packages", "apps", "tooling"].filter((name) => existsSync(join(root, name)))) {
    for (const name of readdirSync(join(root, group)).sort()) {
      const folder = `${group}/${name}`;
      if (!existsSync(join(root, folder, "package.json"))) continue;
      const manifest = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
      packages.set(manifest.name, { name: manifest.name, folder, manifest });
    }
  }
  return packages;
}

/**
 * Runs turbo with its output on stderr.
 * @param {string[]} parameters
 * @returns {number} turbo's status
 */
export function turbo(parameters) {
  const result = spawnSync("turbo", ["run", ...parameters, "--output-logs=errors-only", "--log-order=grouped"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
    env: {
      ...env,
      PATH: [join(root, "node_modules", ".bin"), env["PATH"] ?? ""].join(delimiter),
      TURBO_TELEMETRY_DISABLED: "1",
      TURBO_NO_UPDATE_NOTIFIER: "1",
    },
  });
  if (result.error) process.stderr.write(`build: turbo could not be started: ${result.error.message}\n`);
  return result.status ?? 1;
}

/**
 * Builds the JavaScript of the named packages and of everything they depend on; exits if that fails.
 * @param {readonly string[]} names
 */
export function buildJavaScript(names) {
  if (names.length === 0) return;
  const status = turbo(["build:js", ...names.map((name) => `--filter=${name}...`)]);
  if (status !== 0) exit(status);
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  setup();
  exit(turbo(["build", ...argv.slice(2)]));
}
