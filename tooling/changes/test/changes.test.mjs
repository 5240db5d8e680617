import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkChangesets } from "../changes.mjs";

/** @type {string} */
let folder;

/** @param {string[]} parameters */
const git = (...parameters) =>
  execFileSync("git", ["-c", "user.name=Test", "-c", "user.email=test@example.org", ...parameters], { cwd: folder });

/** @param {string} path @param {string} text */
function commit(path, text) {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
  git("add", path);
  git("commit", "-q", "-m", path);
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "changes-"));
  git("init", "-q", "-b", "main");
  commit("packages/nn/src/a.ts", "1");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("nothing is compared on the base branch itself, or without one", () => {
  expect(checkChangesets(folder, "main")).toEqual({ problems: [], skipped: "HEAD is part of main" });
  expect(checkChangesets(folder, "next").skipped).toBe("there is no base branch next");
});

test("a source change asks for a changeset that names its package", () => {
  git("checkout", "-q", "-b", "topic");
  commit("packages/nn/README.md", "words");
  expect(checkChangesets(folder, "main")).toEqual({ problems: [] });
  commit("packages/nn/src/a.ts", "2");
  expect(checkChangesets(folder, "main").problems).toEqual([expect.stringContaining("packages/nn/src changed")]);
  commit(".changeset/quiet-mouse.md", '---\n"@dormouse/tensor": patch\n---\n\nWords.\n');
  expect(checkChangesets(folder, "main").problems).toHaveLength(1);
  commit(".changeset/loud-mouse.md", '---\n"@dormouse/nn": patch\n---\n\nWords.\n');
  expect(checkChangesets(folder, "main")).toEqual({ problems: [] });
});
