/**
 * What a trained model says about examples, in the units of a person: probabilities and class names, or values. The
 * numbers come from `@dormouse/train` and `@dormouse/tensor`; this file only names them.
 */
import { decide } from "@dormouse/metrics";
import { concat, sigmoid, softmax, sub, tensor, type Tensor } from "@dormouse/tensor";
import type { Source } from "@dormouse/data";
import { predict } from "@dormouse/train";
import type { Calibrated } from "./calibration.ts";
import { onAccelerator } from "./device.ts";
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

/** Predictions for every example, in order, as the model gives them. */
export async function predictAll(model: Network, task: Task, source: Source<{ readonly x: Tensor }>): Promise<Predictions> {
  const { data, shape } = await onAccelerator(model, (own) => predict(own, source, { forward }));
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
export function likeliest(rows: Float64Array, classes: number): Float64Array {
  return Float64Array.from({ length: rows.length / classes }, (_, row) => {
    const values = rows.subarray(row * classes, (row + 1) * classes);
    return values.indexOf(values.reduce((most, value) => Math.max(most, value), -Infinity));
  });
}

export interface TextOptions {
  /** What should have been predicted: class numbers, or standardized values. Stands first. */
  readonly actual?: ArrayLike<number>;
  /** The file of each example, where they come from many. */
  readonly files?: readonly string[] | null;
  /** What decisions cost; adds the one that costs least. */
  readonly costs?: readonly (readonly number[])[] | null;
}

/** Predictions as CSV, a line per example: the prediction, probabilities or an interval, the set of the promise. */
export async function predictionsCsv(task: Task, predictions: Calibrated, options: TextOptions = {}): Promise<string> {
  const columns = await columnsOf(task, predictions, options);
  const names = Object.keys(columns);
  const lines = Array.from(predictions.values, (_, row) => names.map((name) => written(columns[name]!(row))));
  return csv([names, ...lines]);
}

/** The same as lines of JSON; a number that is not finite is null. */
export async function predictionsJsonLines(task: Task, predictions: Calibrated, options: TextOptions = {}): Promise<string> {
  const columns = Object.entries(await columnsOf(task, predictions, options));
  return Array.from(predictions.values, (_, row) => `${JSON.stringify(Object.fromEntries(columns.map(([name, cell]) => [name, cell(row)])))}\n`).join("");
}

/** A list is a set of classes. */
type Cell = string | number | readonly string[];
/** The cell of a row by the name of its column. */
type Columns = Readonly<Record<string, (row: number) => Cell>>;

const written = (cell: Cell): string => (Array.isArray(cell) ? cell.join(" | ") : String(cell));

async function columnsOf(task: Task, predictions: Calibrated, options: TextOptions): Promise<Columns> {
  const { files } = options;
  const columns = task.kind === "regression" ? valueColumns(task, predictions, options) : await classColumns(task, predictions, options);
  return files ? { file: (row) => files[row]!, ...columns } : columns;
}

function valueColumns(task: Extract<Task, { kind: "regression" }>, { values, interval }: Calibrated, { actual }: TextOptions): Columns {
  return {
    ...(actual && { actual: (row) => show(actual[row]! * task.deviation + task.mean) }),
    prediction: (row) => show(values[row]!),
    ...(interval && { lower: (row) => show(interval.lower[row]!), upper: (row) => show(interval.upper[row]!) }),
  };
}

async function classColumns(
  { classes }: Exclude<Task, { kind: "regression" }>,
  { values, probabilities, sets }: Calibrated,
  { actual, costs }: TextOptions,
): Promise<Columns> {
  const rows = await probabilities!.data();
  const members = await sets?.data();
  const decisions = costs ? await decide(probabilities!, tensor(costs.map((row) => [...row]), { dtype: "float64" })).data() : null;
  return {
    ...(actual && { actual: (row) => classes[actual[row]!]! }),
    prediction: (row) => classes[values[row]!]!,
    ...(decisions && { decision: (row) => decisionName(costs!, classes, decisions[row]!) }),
    ...Object.fromEntries(classes.map((name, i) => [`p(${name})`, (row: number) => show(rows[row * classes.length + i]!)])),
    ...(members && { set: (row) => classes.filter((_, i) => members[row * classes.length + i]) }),
  };
}

/** With a row of costs for each class a decision is to act as if it were true. */
export const decisionName = (costs: readonly unknown[], classes: readonly string[], decision: number): string =>
  costs.length === classes.length ? classes[decision]! : `decision ${decision + 1}`;

/** Six significant digits: more than a float32 model knows about the world, and the same on every machine. */
const show = (value: number): number => Number(value.toPrecision(6));

const csv = (lines: readonly (readonly string[])[]): string =>
  lines.map((cells) => `${cells.map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(",")}\n`).join("");
