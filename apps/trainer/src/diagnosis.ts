/** Where a classifier is wrong and how sure it was: counts for the figures of a report. */
import type { ReliabilityBin } from "./report/figures.ts";
import type { Predictions } from "./predictions.ts";
import type { Task } from "./schema.ts";

/** How often each class (row) was taken for each class (column). */
export async function confusionOf(task: Exclude<Task, { kind: "regression" }>, { values }: Predictions, targets: ArrayLike<number>): Promise<number[][]> {
  const counts = task.classes.map(() => task.classes.map(() => 0));
  for (let i = 0; i < values.length; i++) counts[targets[i]!]![values[i]!]!++;
  return counts;
}

/** Bins of the confidence in the predicted class. */
const binCount = 15;

/** Confidence and accuracy by bin of equal width. */
export async function reliabilityOf({ probabilities, values }: Predictions, targets: ArrayLike<number>): Promise<ReliabilityBin[]> {
  const rows = await probabilities!.data();
  const classes = probabilities!.shape[1]!;
  const bins = Array.from({ length: binCount }, (_, i) => ({ low: i / binCount, high: (i + 1) / binCount, confidence: 0, accuracy: 0, count: 0 }));
  for (let i = 0; i < values.length; i++) {
    const confidence = rows[i * classes + values[i]!]!;
    const bin = bins[Math.max(0, Math.ceil(confidence * binCount) - 1)]!;
    bin.count++;
    bin.confidence += confidence;
    bin.accuracy += values[i] === targets[i] ? 1 : 0;
  }
  return bins.map((bin) => ({ ...bin, confidence: bin.confidence / (bin.count || 1), accuracy: bin.accuracy / (bin.count || 1) }));
}
