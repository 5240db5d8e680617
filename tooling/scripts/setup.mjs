/**
 * Installs what the lock file says, and does nothing when that has been done: pnpm keeps a copy of the lock file it
 * installed in `node_modules/.pnpm/lock.yaml`, so that two equal files mean an installation that is up to date.
 *
 * pnpm comes through npx at the version that `package.json` names: corepack's signature check fails on the Node 20
 * line, and a global pnpm is not something to ask of a newcomer. Everything is written to stderr, because commands
 * whose output is read by programs call this first.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { argv, exit } from "node:process";
import { fileURLToPath } from "node:url";

/** The folder that holds the repository. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/**
 * @param {string} path relative to the root
 * @returns {string | undefined}
 */
function read(path) {
  try {
    return readFileSync(join(root, path), "utf8");
  } catch {
    return undefined;
  }
}

/** Whether `node_modules` holds what `pnpm-lock.yaml` asks for. */
export function isUpToDate() {
  const wanted = read("pnpm-lock.yaml");
  return wanted !== undefined && wanted === read("node_modules/.pnpm/lock.yaml");
}

/** Installs the dependencies if they are missing or out of date; exits with pnpm's status if that fails. */
export function setup() {
  if (isUpToDate()) return;
  const { packageManager } = JSON.parse(/** @type {string} */ (read("package.json")));
  process.stderr.write(`Installing dependencies with ${packageManager} …\n`);
  const result = spawnSync("npx", ["-y", packageManager, "install", "--frozen-lockfile", "--reporter=append-only"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (result.status !== 0) {
    process.stderr.write(
      `setup: pnpm install failed with ${result.error?.message ?? `status ${result.status}`}; ` +
        `after a change to a package.json run \`npx -y ${packageManager} install\` and commit pnpm-lock.yaml\n`,
    );
    exit(result.status || 1);
  }
}

if (argv[1] === fileURLToPath(import.meta.url)) setup();
