/**
 * What each task is trained on and judged by. Formulas are those of `@dormouse/losses` and `@dormouse/metrics`; this
 * file chooses among them and fits shapes.
 */
import { binaryCrossEntropyWithLogits, crossEntropy, mse } from "@dormouse/losses";
import { accuracy } from "@dormouse/metrics";
import { type Tensor, cast, concat, reshape } from "@dormouse/tensor";
import type { Score } from "@dormouse/train";
import type { Task } from "./schema.ts";

export interface Objective {
  readonly loss: Score;
  /** Scores that are means over examples, shown while training. */
  readonly metrics: Readonly<Record<string, Score>>;
}

/** Class numbers [n] as a column of zeros and ones beside the logits [n, 1]. */
const column = (labels: Tensor, logits: Tensor): Tensor => reshape(cast(labels, logits.dtype), [labels.shape[0]!, 1]);

/** The score where outputs are those of several models, one below the other: the targets are the same for each. */
const ofMembers = (score: Score): Score => (outputs, targets) => {
  const members = outputs.shape[0]! / targets.shape[0]!;
  return score(outputs, members === 1 ? targets : concat(Array.from({ length: members }, () => targets), { axis: 0 }));
};

/** The loss and the running scores of a task. */
export function objectiveOf(task: Task): Objective {
  const { loss, metrics } = ofOneModel(task);
  return { loss: ofMembers(loss), metrics: Object.fromEntries(Object.entries(metrics).map(([name, score]) => [name, ofMembers(score)])) };
}

function ofOneModel(task: Task): Objective {
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
