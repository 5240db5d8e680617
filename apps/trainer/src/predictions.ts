/**
 * What a trained model says about examples, in the units of a person: probabilities and class names, or values. The
 * numbers come from `@dormouse/train` and `@dormouse/tensor`; this file only names them.
 */
import { concat, sigmoid, softmax, sub, tensor, type Tensor } from "@dormouse/tensor";
import type { Source } from "@dormouse/data";
import { predict } from "@dormouse/train";
import { type Network, forward } from "./models.ts";
import type { Task } from "./schema.ts";

export interface Predictions {
  /** Outputs of the model: logits [n, c] or [n, 1], or standardized values [n, 1]. Float64. */
  readonly outputs: Tensor;
  /** Probabilities of the classes, [n, classes]; null for regression. */
  readonly probabilities: Tensor | null;
  /** Class numbers, or values in the unit of the target. */
  readonly values: Float64Array;
}

/** Predictions for every example, in order. */
export async function predictAll(model: Network, task: Task, source: Source<{ readonly x: Tensor }>): Promise<Predictions> {
  const { data, shape } = await predict(model, source, { forward });
  const outputs = tensor(data, { shape: [...shape], dtype: "float64" });
  if (task.kind === "regression") {
    return { outputs, probabilities: null, values: data.map((value) => value * task.deviation + task.mean) };
  }
  const probabilities = task.kind === "multiclass" ? softmax(outputs, { axis: -1 }) : bothProbabilities(outputs);
  const rows = (await probabilities.data()) as Float64Array;
  return { outputs, probabilities, values: likeliest(rows, task.classes.length) };
}

function bothProbabilities(logits: Tensor): Tensor {
  const second = sigmoid(logits);
  return concat([sub(1, second), second], { axis: 1 });
}

/** The class of highest probability in each row; the earlier one of equals. */
function likeliest(rows: Float64Array, classes: number): Float64Array {
  return Float64Array.from({ length: rows.length / classes }, (_, row) => {
    const values = rows.subarray(row * classes, (row + 1) * classes);
    return values.indexOf(values.reduce((most, value) => Math.max(most, value), -Infinity));
  });
}

/** Predictions as CSV: a line per example; with `actual`, what it should have been stands first. */
export async function predictionsCsv(task: Task, predictions: Predictions, actual?: ArrayLike<number>): Promise<string> {
  const head = actual ? ["actual"] : [];
  if (task.kind === "regression") {
    const lines = Array.from(predictions.values, (value, row) => [...(actual ? [show(actual[row]! * task.deviation + task.mean)] : []), show(value)]);
    return csv([[...head, "prediction"], ...lines]);
  }
  const { classes } = task;
  const rows = await predictions.probabilities!.data();
  const lines = Array.from(predictions.values, (code, row) => [
    ...(actual ? [classes[actual[row]!]!] : []),
    classes[code]!,
    ...classes.map((_, i) => show(rows[row * classes.length + i]!)),
  ]);
  return csv([[...head, "prediction", ...classes.map((name) => `p(${name})`)], ...lines]);
}

/** Six significant digits: more than a float32 model knows about the world, and the same on every machine. */
const show = (value: number): string => String(Number(value.toPrecision(6)));

const csv = (lines: readonly (readonly string[])[]): string =>
  lines.map((cells) => `${cells.map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(",")}\n`).join("");
