/**
 * How good predictions are: the scores that fit each task, computed by `@dormouse/losses` and `@dormouse/metrics` in
 * float64, and a table of them for a person.
 */
import { accuracy } from "@dormouse/metrics";
import { tensor } from "@dormouse/tensor";
import type { Predictions } from "./predictions.ts";
import type { Task } from "./schema.ts";
import { objectiveOf } from "./tasks.ts";

/** Scores by name: `loss` for every task, the others as the task has them. */
export type SplitScores = Readonly<Record<string, number>>;

/** The scores of predictions against targets: class numbers, or standardized values. */
export async function scoresOf(task: Task, { outputs }: Predictions, targets: ArrayLike<number>): Promise<SplitScores> {
  const values = Array.from(targets);
  const y =
    task.kind === "regression"
      ? tensor(values, { shape: [values.length, 1], dtype: "float64" })
      : tensor(values, { dtype: "int32" });
  const loss = await objectiveOf(task).loss(outputs, y).item();
  if (task.kind === "regression") return { loss };
  return { loss, accuracy: await accuracy(outputs, y).item() };
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
