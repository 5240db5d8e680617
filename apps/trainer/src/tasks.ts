/**
 * What each task is trained on and judged by. Formulas are those of `@dormouse/losses` and `@dormouse/metrics`; this
 * file chooses among them and fits shapes.
 */
import { binaryCrossEntropyWithLogits, crossEntropy, mse } from "@dormouse/losses";
import { accuracy } from "@dormouse/metrics";
import { type Tensor, cast, reshape } from "@dormouse/tensor";
import type { Score } from "@dormouse/train";
import type { Task } from "./schema.ts";

export interface Objective {
  readonly loss: Score;
  /** Scores that are means over examples, shown while training. */
  readonly metrics: Readonly<Record<string, Score>>;
}

/** Class numbers [n] as a column of zeros and ones beside the logits [n, 1]. */
const column = (labels: Tensor, logits: Tensor): Tensor => reshape(cast(labels, logits.dtype), [labels.shape[0]!, 1]);

/** The loss and the running scores of a task. */
export function objectiveOf(task: Task): Objective {
  switch (task.kind) {
    case "regression":
      return { loss: mse, metrics: {} };
    case "binary":
      return {
        loss: (logits, labels) => binaryCrossEntropyWithLogits(logits, column(labels, logits)),
        metrics: { accuracy },
      };
    case "multiclass":
      return { loss: crossEntropy, metrics: { accuracy } };
  }
}
