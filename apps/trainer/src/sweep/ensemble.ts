/**
 * The best runs of a search as one model, whose predictions are the averages of theirs: a run folder like any other,
 * which `evaluate` and `predict` take. The list of its members' models is in `members.json`.
 */
import { copyFileSync, mkdirSync } from "node:fs";
import { save } from "@dormouse/train";
import { stringify } from "yaml";
import { conclude } from "../conclusion.ts";
import type { Conclusion } from "../results.ts";
import { Failure } from "../failure.ts";
import { combined } from "../models.ts";
import { RunFolder } from "../runFolder.ts";
import { readProblem } from "../sources/source.ts";
import { type TrainedRun, loadModel, openRun } from "../trained.ts";

/** Makes the run folder of an ensemble of runs and judges it. Needs a device. */
export async function ensembleOf(
  runs: readonly string[], path: string,
): Promise<{ readonly folder: RunFolder; readonly conclusion: Conclusion }> {
  const members = await Promise.all(runs.map((run) => openRun(run, {})));
  const [first] = members;
  const examplesOf = ({ schema, settings }: TrainedRun): string => JSON.stringify([schema, settings.split, settings.seed]);
  const other = members.find((member) => examplesOf(member) !== examplesOf(first!));
  if (other) {
    const [one, two] = [other.folder.path, first!.folder.path];
    throw new Failure("usage", `${one} was trained on other rows or columns than ${two}; an ensemble needs the same`);
  }
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
