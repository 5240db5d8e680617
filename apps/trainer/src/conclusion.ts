/**
 * What comes after training: the model is calibrated, every part of the data scored, the test part written down, the
 * report drawn. `train` ends with it, `calibrate` and `report` do it again.
 */
import { readFileSync } from "node:fs";
import type { EpochReport } from "@dormouse/train";
import { calibrated, checkCalibration, fitCalibration } from "./calibration.ts";
import { predictAll, predictionsCsv } from "./predictions.ts";
import { writeReport } from "./report/report.ts";
import { type Conclusion, type ConclusionInput, type PartResult, resultsOf } from "./results.ts";
import type { RunFolder } from "./runFolder.ts";
import { scoresOf } from "./scores.ts";
import { type PartName, type Problem, partNames } from "./sources/source.ts";

/** Calibrates, scores and reports; writes the files that hold the results. */
export async function conclude(folder: RunFolder, input: ConclusionInput): Promise<Conclusion> {
  const { settings, problem, model } = input;
  const { task } = problem.schema;
  checkCalibration(task, settings.calibration);
  const predict = (name: PartName) => predictAll(model, task, problem.parts[name]);
  const held = await predict("calibration");
  const calibration = input.calibration ?? {
    ...(await fitCalibration(task, settings, held, targetsOf(problem, "calibration"))),
    ...(input.command !== undefined && { command: input.command }),
  };
  const parts = {} as Record<PartName, PartResult>;
  for (const name of partNames) {
    const targets = targetsOf(problem, name);
    const predictions = await calibrated(task, name === "calibration" ? held : await predict(name), calibration);
    parts[name] = { predictions, targets, scores: await scoresOf(task, predictions, targets) };
  }
  const { test } = parts;
  folder.write("calibration.json", calibration);
  folder.write("predictions.csv", await predictionsCsv(task, test.predictions, { actual: test.targets, costs: settings.calibration.costs }));
  const conclusion = { calibration, parts, history: readHistory(folder) };
  folder.write("scores.json", resultsOf(folder, problem, conclusion));
  await writeReport(folder, { ...input, ...conclusion });
  return conclusion;
}

const targetsOf = ({ parts }: Problem, name: PartName): ArrayLike<number> => parts[name].field("y").data;

/** The epochs of a run; a score that was not finite comes back as NaN. */
function readHistory(folder: RunFolder): EpochReport[] {
  if (!folder.has("metrics.jsonl")) return [];
  const lines = readFileSync(folder.at("metrics.jsonl"), "utf8").split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line, (key, value: unknown) => (value === null && key !== "validation" ? NaN : value)) as EpochReport);
}
