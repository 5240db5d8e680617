/**
 * A change of a published package's sources comes with a changeset: compares the working branch with the base branch
 * (`BASE_REF`, or `main`, here or at the remote). Where there is nothing to compare with, it says why and lets go.
 */
import { execFileSync } from "node:child_process";

/**
 * @typedef {object} Outcome
 * @property {string[]} problems
 * @property {string} [skipped] why nothing was compared
 */

/**
 * @param {string} folder of the repository
 * @param {string | undefined} base a branch; by default the first of `origin/main`, `main` that exists
 * @returns {Outcome}
 */
export function checkChangesets(folder, base = process.env["BASE_REF"]) {
  /** @param {string[]} parameters */
  const git = (...parameters) => {
    return execFileSync("git", parameters, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  };
  /** @param {string[]} parameters */
  const attempt = (...parameters) => {
    try {
      return git(...parameters);
    } catch {
      return undefined;
    }
  };
  const head = attempt("rev-parse", "HEAD");
  if (!head) return { problems: [], skipped: "there is no commit" };
  if (git("rev-parse", "--is-shallow-repository") === "true") return { problems: [], skipped: "the clone is shallow" };
  const branch = (base ? [base] : ["origin/main", "main"]).find((name) => attempt("rev-parse", "--verify", name));
  if (!branch) return { problems: [], skipped: `there is no base branch ${base ?? "main"}` };
  const from = attempt("merge-base", branch, "HEAD");
  if (!from) return { problems: [], skipped: `${branch} and HEAD have no commit in common` };
  if (from === head) return { problems: [], skipped: `HEAD is part of ${branch}` };

  const changed = git("diff", "--name-only", from, "HEAD").split("\n");
  const packages = [...new Set(changed.flatMap((path) => /^packages\/([^/]+)\/src\//.exec(path)?.[1] ?? []))];
  const added = git("diff", "--name-only", "--diff-filter=AM", from, "HEAD", "--", ".changeset/*.md")
    .split("\n")
    .filter((path) => path !== "" && !path.endsWith("README.md"));
  const described = added.map((path) => git("show", `HEAD:${path}`)).join("\n");
  const missing = packages.filter((name) => !new RegExp(`["']@dormouse/${name}["']\\s*:`).test(described));
  return {
    problems: missing.map((name) => `packages/${name}/src changed since ${branch}; run \`npm run changeset\` and name it`),
  };
}
