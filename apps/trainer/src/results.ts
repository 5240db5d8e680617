/** What is known about a run that is over: what was predicted for each part of the data, and how good that is. */
import type { EpochReport } from "@dormouse/train";
import type { Calibrated, Calibration } from "./calibration.ts";
import type { Network } from "./models.ts";
import type { RunFolder } from "./runFolder.ts";
import type { SplitScores } from "./scores.ts";
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
