/**
 * Links every package into the root's `node_modules/@dormouse` (pnpm runs this after each installation, as the root's
 * `prepare`), so that tests, type tests and examples find siblings that their package must not depend on: a backend,
 * or the private packages of `tooling` that tests share. Naming them as dependencies of the root would do the same, but then turbo takes every source file
 * for an input of every task. What a package's sources may import is checked by `tooling/edges`.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { root } from "./setup.mjs";

const folder = join(root, "node_modules/@dormouse");
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const group of ["packages", "tooling"]) {
  for (const name of readdirSync(join(root, group))) {
    if (!existsSync(join(root, group, name, "package.json"))) continue;
    // A junction needs no administrator on Windows, but an absolute target; elsewhere a relative one survives a move.
    if (process.platform === "win32") symlinkSync(join(root, group, name), join(folder, name), "junction");
    else symlinkSync(join("../..", group, name), join(folder, name));
  }
}
