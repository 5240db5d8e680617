/**
 * How good predictions are: the scores that fit each task, computed by `@dormouse/losses` and `@dormouse/metrics` in
 * float64, and a table of them for a person.
 */
import { accuracy, expectedCalibrationError, meanAbsoluteError, r2, rocAuc, rootMeanSquaredError } from "@dormouse/metrics";
import { reshape, tensor } from "@dormouse/tensor";
import type { Predictions } from "./predictions.ts";
import type { Task } from "./schema.ts";
import { objectiveOf } from "./tasks.ts";

/** Scores by name: `loss` for every task, the others as the task has them. */
export type SplitScores = Readonly<Record<string, number>>;

/**
 * The scores of predictions against targets: class numbers, or standardized values. Errors of regression are in the
 * unit of the target; `rocAuc` is of the second of two classes, and NaN where only one class occurs.
 */
export async function scoresOf(task: Task, { outputs, probabilities }: Predictions, targets: ArrayLike<number>): Promise<SplitScores> {
  const values = Array.from(targets);
  const { loss } = objectiveOf(task);
  if (task.kind === "regression") {
    const y = tensor(values, { shape: [values.length, 1], dtype: "float64" });
    return {
      loss: await loss(outputs, y).item(),
      r2: await r2(outputs, y).item(),
      rmse: (await rootMeanSquaredError(outputs, y).item()) * task.deviation,
      mae: (await meanAbsoluteError(outputs, y).item()) * task.deviation,
    };
  }
  const y = tensor(values, { dtype: "int32" });
  const scores = {
    loss: await loss(outputs, y).item(),
    accuracy: await accuracy(outputs, y).item(),
    ece: await expectedCalibrationError(probabilities!, y, { bins: 15 }),
  };
  if (task.kind === "multiclass") return scores;
  const bothOccur = values.includes(0) && values.includes(1);
  return { ...scores, rocAuc: bothOccur ? await rocAuc(reshape(outputs, [values.length]), y) : NaN };
}

/** A table: a row per part, a column per score. */
export function scoreTable(byPart: Readonly<Record<string, SplitScores>>): string {
  const names = Object.keys(Object.values(byPart)[0] ?? {});
  const wide = (text: string): string => text.padStart(10);
  const head = `${"".padEnd(12)}${names.map(wide).join("")}\n`;
  return head + Object.entries(byPart)
    .map(([part, scores]) => `${part.padEnd(12)}${names.map((name) => wide(scores[name]!.toFixed(4))).join("")}\n`)
    .join("");
}
