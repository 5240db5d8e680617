/**
 * Labels that are made rather than given: pseudo-labels from the predictions of a model (D.-H. Lee 2013), and labels
 * with a known share of errors, to measure what those do.
 */
import { DTypeError, ShapeError, ValueError } from "@dormouse/tensor";
import type { FieldChange } from "./dataset.ts";
import { Random } from "./random.ts";
import { type Rows, rowsOf } from "./rows.ts";
import { requireWhole } from "./whole.ts";

/** Which predictions become labels. */
export interface PseudoLabelOptions {
  /** Least probability of a label. Default 0.95. */
  readonly threshold?: number;
  /** Weight of a label: its probability (`"confidence"`, default) or 1 (`"equal"`). */
  readonly weights?: "confidence" | "equal";
}

/** Labels for the rows that a model is sure of. */
export interface PseudoLabels {
  /** Numbers of those rows, rising: for `subset`. */
  readonly indices: Uint32Array;
  /** The most probable class of each. */
  readonly labels: Int32Array;
  /** For a weighted loss. */
  readonly weights: Float32Array;
}

/**
 * Labels unlabelled rows by what a model predicts: those whose most probable class reaches the threshold. Takes
 * probabilities [n, classes] (a tensor, nested arrays or a field), not logits.
 *
 * @example
 * const { indices, labels } = await pseudoLabels([[0.98, 0.02], [0.6, 0.4], [0.01, 0.99]], { threshold: 0.9 });
 * console.log(indices, labels); // Uint32Array(2) [ 0, 2 ] Int32Array(2) [ 0, 1 ]
 * @throws ValueError for a threshold outside [0, 1], and for rows that are not probabilities.
 */
export async function pseudoLabels(probabilities: Rows, options: PseudoLabelOptions = {}): Promise<PseudoLabels> {
  const { threshold = 0.95, weights: weighting = "confidence" } = options;
  if (!(threshold >= 0 && threshold <= 1)) {
    throw new ValueError("pseudoLabels", `threshold ${threshold}`, { received: threshold, hint: "use 0 to 1" });
  }
  const { data, shape, dtype } = await rowsOf("pseudoLabels", "probabilities", probabilities);
  // 0.9 in float32 is a little less than 0.9, and reaches it.
  const least = dtype === "float32" ? Math.fround(threshold) : threshold;
  const [n, classes] = shape as [number, number];
  const indices: number[] = [];
  const labels: number[] = [];
  const weights: number[] = [];
  for (let row = 0; row < n; row++) {
    let sum = 0;
    let label = 0;
    let most = -Infinity;
    for (let c = 0; c < classes; c++) {
      const probability = data[row * classes + c]!;
      if (probability < 0) sum = NaN;
      sum += probability;
      if (probability > most) {
        most = probability;
        label = c;
      }
    }
    // Wide enough for probabilities that were rounded to three digits.
    if (!(Math.abs(sum - 1) < 1e-2)) {
      throw new ValueError("pseudoLabels", `row ${row} holds no probabilities (sum ${sum})`, {
        received: sum,
        hint: "pass softmax(logits)",
      });
    }
    if (most < least) continue;
    indices.push(row);
    labels.push(label);
    weights.push(weighting === "equal" ? 1 : most);
  }
  return {
    indices: Uint32Array.from(indices),
    labels: Int32Array.from(labels),
    weights: Float32Array.from(weights),
  };
}

/** How labels are made wrong: at a rate, or by probabilities. */
export type CorruptLabelsOptions = {
  /** Default 0. */
  readonly seed?: number;
} & (
  | {
      /** Share of labels that become another class, each of the others equally likely. */
      readonly rate: number;
      readonly classes: number;
    }
  | {
      /** Probability of becoming class j of an example of class i, in row i. */
      readonly transition: readonly (readonly number[])[];
    }
);

/**
 * A change for `Dataset.augment` that makes labels wrong. A label depends on seed and row only: it stays the same in
 * every epoch, as a wrong label in a file does.
 *
 * ```ts
 * const noisy = moons({ count: 100 }).augment("y", corruptLabels({ rate: 0.2, classes: 2, seed: 1 }));
 * console.log(noisy.length); // 100
 * ```
 * @throws ValueError for a rate outside [0, 1], rows of probabilities that do not add up to 1, and unknown classes.
 */
export function corruptLabels(options: CorruptLabelsOptions): FieldChange {
  const { seed = 0 } = options;
  const transition = "transition" in options ? options.transition : symmetric(options.rate, options.classes);
  const classes = transition.length;
  transition.forEach((row, label) => {
    const sum = row.reduce((total, probability) => total + probability, 0);
    if (row.length !== classes || row.some((probability) => !(probability >= 0)) || Math.abs(sum - 1) > 1e-6) {
      throw new ValueError("corruptLabels", `the probabilities of class ${label} are ${row.join(", ")}`, {
        received: row,
        hint: `give ${classes} that add up to 1`,
      });
    }
  });
  return (field, { rows }) => {
    if (field.dtype !== "int32" && field.dtype !== "uint32" && field.dtype !== "uint8") {
      throw new DTypeError("corruptLabels", `labels are ${field.dtype}`, { received: field.dtype, hint: "use int32" });
    }
    if (field.shape.length !== 1) {
      throw new ShapeError("corruptLabels", `labels have the shape [${field.shape.join(", ")}]`, {
        received: field.shape,
        hint: "give one class number for each example",
      });
    }
    const data = field.data.map((label, i) => {
      const row = transition[label];
      if (!row) {
        throw new ValueError("corruptLabels", `label ${label} at row ${rows[i]} is not below the ${classes} classes`, {
          expected: classes,
          received: label,
          hint: "give the number of classes",
        });
      }
      let left = new Random(seed, rows[i]!).uniform();
      const drawn = row.findIndex((probability) => (left -= probability) < 0);
      // Rounding can leave a little over: that belongs to the last class that is possible.
      return drawn >= 0 ? drawn : row.findLastIndex((probability) => probability > 0);
    });
    return { ...field, data };
  };
}

function symmetric(rate: number, classes: number): number[][] {
  requireWhole("corruptLabels", "classes", classes, 2);
  if (!(rate >= 0 && rate <= 1)) {
    throw new ValueError("corruptLabels", `rate ${rate}`, { received: rate, hint: "use a share from 0 to 1" });
  }
  return Array.from({ length: classes }, (_, from) =>
    Array.from({ length: classes }, (__, to) => (to === from ? 1 - rate : rate / (classes - 1))),
  );
}
