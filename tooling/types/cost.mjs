/**
 * What the type system costs: how many types the compiler instantiates for each type test, against a budget that is
 * raised only on purpose. The count does not depend on the machine. Writing the budget leaves a tenth of room, so that
 * a change of a few lines is not a change of the budget.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../scripts/setup.mjs";
import { compile, typeTests } from "./program.mjs";

const budgetFile = "tooling/types/budget.json";

/**
 * @param {{ update?: boolean }} options `update` writes the budget instead of comparing with it
 * @returns {string[]} problems
 */
export function checkTypeCost({ update = false } = {}) {
  const counts = Object.fromEntries(typeTests().map((path) => [path, compile(join(root, path)).instantiations]));
  if (update) {
    const room = Object.entries(counts).map(([path, count]) => [path, Math.ceil((count * 1.1) / 100) * 100]);
    writeFileSync(join(root, budgetFile), `${JSON.stringify(Object.fromEntries(room), null, 2)}\n`);
    return [];
  }
  /** @type {Record<string, number>} */
  const budget = JSON.parse(readFileSync(join(root, budgetFile), "utf8"));
  const advice = "make the types cheaper, or raise the budget on purpose with `npm run check -- types --update`";
  const problems = [];
  for (const [path, count] of Object.entries(counts)) {
    const most = budget[path];
    if (most === undefined) problems.push(`${path} instantiates ${count} types and has no budget; ${advice}`);
    else if (count > most) problems.push(`${path} instantiates ${count} types, more than its budget of ${most}; ${advice}`);
  }
  for (const path of Object.keys(budget)) {
    if (!(path in counts)) problems.push(`${budgetFile} names ${path}, which does not exist; ${advice}`);
  }
  return problems;
}
