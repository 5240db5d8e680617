/** Where a classifier is wrong and how sure it was, as the figures of a report take it. */
import { confusionMatrix, reliability } from "@dormouse/metrics";
import type { Predictions } from "./predictions.ts";
import type { ReliabilityBin } from "./report/figures.ts";

/** How often each class (row) was taken for each class (column). */
export async function confusionOf({ values }: Predictions, targets: ArrayLike<number>, classes: number): Promise<number[][]> {
  const { counts } = await confusionMatrix(values, Array.from(targets), { classes });
  return Array.from({ length: classes }, (_, row) => Array.from(counts.subarray(row * classes, (row + 1) * classes)));
}

/** Mean confidence and accuracy by bins of confidence of equal width. */
export async function reliabilityOf({ probabilities }: Predictions, targets: ArrayLike<number>): Promise<ReliabilityBin[]> {
  const { count, confidence, accuracy } = await reliability(probabilities!, Array.from(targets), { bins: 15 });
  return Array.from(count, (n, i) => ({
    low: i / count.length,
    high: (i + 1) / count.length,
    confidence: confidence[i]!,
    accuracy: accuracy[i]!,
    count: n,
  }));
}
