/**
 * The best runs of a search as one model, whose predictions are the averages of theirs: a run folder like any other,
 * which `evaluate` and `predict` take. The list of its members' models is in `members.json`.
 */
import { copyFileSync, mkdirSync } from "node:fs";
import { save } from "@dormouse/train";
import { stringify } from "yaml";
import { type Conclusion, conclude } from "../conclusion.ts";
import { Failure } from "../failure.ts";
import { combined } from "../models.ts";
import { RunFolder } from "../runFolder.ts";
import { readProblem } from "../sources/source.ts";
import { loadModel, openRun } from "../trained.ts";

/** Makes the run folder of an ensemble of runs and judges it. Needs a device. */
export async function ensembleOf(runs: readonly string[], path: string): Promise<{ readonly folder: RunFolder; readonly conclusion: Conclusion }> {
  const members = await Promise.all(runs.map((run) => openRun(run, {})));
  const [first] = members;
  const same = (value: unknown): string => JSON.stringify(value);
  const other = members.find(({ schema, settings }) => same([schema, settings.split, settings.seed]) !== same([first!.schema, first!.settings.split, first!.settings.seed]));
  if (other) throw new Failure("usage", `${other.folder.path} was trained on other rows or columns than ${first!.folder.path}; an ensemble needs the same`);
  const model = combined(await Promise.all(members.map(loadModel)));
  const folder = new RunFolder(path);
  mkdirSync(folder.checkpoints, { recursive: true });
  folder.write("members.json", members.map(({ folder: { path: run }, settings }) => ({ run, model: settings.model })));
  folder.write("config.resolved.yaml", stringify(first!.settings));
  for (const file of ["schema.json", "env.json"]) copyFileSync(first!.folder.at(file), folder.at(file));
  await save(folder.best, { model });
  const problem = await readProblem(first!.settings);
  return { folder, conclusion: await conclude(folder, { settings: first!.settings, problem, model }) };
}
