/**
 * What comes after training: the model is calibrated, every part of the data scored, the test part written down, the
 * report drawn. `train` ends with it, `calibrate` and `report` do it again.
 */
import { readFileSync } from "node:fs";
import type { EpochReport } from "@dormouse/train";
import { type Calibrated, type Calibration, calibrated, checkCalibration, fitCalibration } from "./calibration.ts";
import type { Network } from "./models.ts";
import { predictAll, predictionsCsv } from "./predictions.ts";
import { writeReport } from "./report/report.ts";
import type { RunFolder } from "./runFolder.ts";
import { type SplitScores, scoresOf } from "./scores.ts";
import type { Settings } from "./settings.ts";
import { type PartName, type Problem, partNames } from "./sources/source.ts";

/** A part of the data with what was predicted for it. */
export interface PartResult {
  readonly predictions: Calibrated;
  /** Class numbers, or standardized values. */
  readonly targets: ArrayLike<number>;
  readonly scores: SplitScores;
}

/** A run that is over and judged. */
export interface Conclusion {
  readonly calibration: Calibration;
  readonly parts: Readonly<Record<PartName, PartResult>>;
  readonly history: readonly EpochReport[];
}

/** What a conclusion is drawn from. */
export interface ConclusionInput {
  readonly settings: Settings;
  readonly problem: Problem;
  readonly model: Network;
  /** Null or left out: it is fitted. */
  readonly calibration?: Calibration | null;
  /** The command that asks for another calibration. */
  readonly command?: string;
}

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

/** Seconds of all epochs, those before a resumption among them. */
export const secondsOf = ({ history }: Pick<Conclusion, "history">): number => history.reduce((sum, { seconds }) => sum + seconds, 0);

/** The scores of every part, by name. */
export const scoresByPart = ({ parts }: Pick<Conclusion, "parts">): Record<PartName, SplitScores> =>
  Object.fromEntries(partNames.map((name) => [name, parts[name].scores])) as Record<PartName, SplitScores>;

/** The results of a run for other programs: what `--json` prints, and `scores.json` keeps. */
export const resultsOf = (folder: RunFolder, { schema }: Problem, conclusion: Pick<Conclusion, "parts" | "history">) => ({
  runDir: folder.path,
  task: schema.task.kind,
  seconds: secondsOf(conclusion),
  metrics: scoresByPart(conclusion),
});
