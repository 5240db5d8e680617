/**
 * How good predictions are: the scores that fit each task, computed by `@dormouse/losses` and `@dormouse/metrics` in
 * float64, and a table of them for a person.
 */
import {
  accuracy, expectedCalibrationError, intervalCoverage, logLoss, meanAbsoluteError, meanSetSize, r2, rocAuc, rootMeanSquaredError,
  setCoverage,
} from "@dormouse/metrics";
import { type Tensor, select, tensor } from "@dormouse/tensor";
import type { Calibrated } from "./calibration.ts";
import type { Task } from "./schema.ts";
import { objectiveOf } from "./tasks.ts";

/** Scores by name: `loss` for every task, the others as the task has them. */
export type SplitScores = Readonly<Record<string, number>>;

/**
 * The scores of predictions against targets: class numbers, or standardized values. Errors of regression are in the
 * unit of the target, its loss in standard deviations; `rocAuc` is of the second of two classes, of more the mean of
 * each against the rest, and NaN where a class does not occur. `coverage` is the share of examples whose conformal set
 * or interval holds the truth; `setSize` and `width` say how large those are on average.
 */
export async function scoresOf(task: Task, predictions: Calibrated, targets: ArrayLike<number>): Promise<SplitScores> {
  const { outputs, probabilities, sets, interval } = predictions;
  const values = Array.from(targets);
  if (task.kind === "regression") {
    const { loss } = objectiveOf(task);
    const y = tensor(values, { shape: [values.length, 1], dtype: "float64" });
    return {
      loss: await loss(outputs, y).item(),
      r2: await r2(outputs, y).item(),
      rmse: (await rootMeanSquaredError(outputs, y).item()) * task.deviation,
      mae: (await meanAbsoluteError(outputs, y).item()) * task.deviation,
      ...(interval && (await intervalScores(interval, values.map((value) => value * task.deviation + task.mean)))),
    };
  }
  const y = tensor(values, { dtype: "int32" });
  return {
    loss: await logLoss(probabilities!, y).item(),
    accuracy: await accuracy(probabilities!, y).item(),
    rocAuc: await areaOf(task.classes.length, probabilities!, values),
    ece: await expectedCalibrationError(probabilities!, y, { bins: 15 }),
    ...(sets && { coverage: await setCoverage(sets, y).item(), setSize: await meanSetSize(sets).item() }),
  };
}

async function intervalScores({ lower, upper }: NonNullable<Calibrated["interval"]>, truth: readonly number[]): Promise<SplitScores> {
  const double = (numbers: readonly number[] | Float64Array): Tensor => tensor(Float64Array.from(numbers), { dtype: "float64" });
  const coverage = await intervalCoverage({ lower: double(lower), upper: double(upper) }, double(truth)).item();
  return { coverage, width: upper[0]! - lower[0]! };
}

async function areaOf(classes: number, probabilities: Tensor, labels: readonly number[]): Promise<number> {
  if (new Set(labels).size < classes) return NaN;
  return rocAuc(classes === 2 ? select(probabilities, 1, { axis: 1 }) : probabilities, labels);
}

/** A table: a row per part, a column per score. */
export function scoreTable(byPart: Readonly<Record<string, SplitScores>>): string {
  const names = Object.keys(Object.values(byPart)[0] ?? {});
  // Errors in the unit of the target can be of any length.
  const wide = (text: string): string => ` ${text.padStart(9)}`;
  const head = `${"".padEnd(12)}${names.map(wide).join("")}\n`;
  return head + Object.entries(byPart)
    .map(([part, scores]) => `${part.padEnd(12)}${names.map((name) => wide(scores[name]!.toFixed(4))).join("")}\n`)
    .join("");
}
