/**
 * Numbers for metrics that rank, count or bin: they are read once, wherever they are, and worked on in float64 on the
 * host. Owns what such a metric accepts and the checks of lengths and labels.
 */
import { type TypedArray, ShapeError, Tensor, ValueError } from "@dormouse/tensor";
import { type Shape, isFloat, showShape } from "@dormouse/tensor/graph";

/** A tensor on any device, or numbers on the host. */
export type Values = Tensor | TypedArray | readonly number[];

/** Numbers on the host, in float64. */
export interface Numbers {
  readonly data: Float64Array;
  readonly shape: Shape;
}

/** Reads the elements of `values`. */
export async function numbersOf(values: Values): Promise<Numbers> {
  if (values instanceof Tensor) return { data: Float64Array.from(await values.data()), shape: values.shape };
  return { data: Float64Array.from(values), shape: [values.length] };
}

/**
 * Labels as numbers: integers as they are, and the class of the greatest score, the first of equals, for [N, C] scores.
 */
export async function labelsOf(values: Values): Promise<Float64Array> {
  const { data, shape } = await numbersOf(values);
  const isScores = shape.length === 2 && values instanceof Tensor && isFloat(values.dtype);
  return isScores ? bestOf({ data, shape }) : data;
}

/** Column of the greatest element of each row, the first of equals. */
export function bestOf({ data, shape }: Numbers): Float64Array {
  const [rows, columns] = [shape[0]!, shape[1]!];
  return Float64Array.from({ length: rows }, (_, row) => {
    let best = 0;
    for (let column = 1; column < columns; column++) {
      if (data[row * columns + column]! > data[row * columns + best]!) best = column;
    }
    return best;
  });
}

/** Reads weights of `count` examples; ones where there are none. */
export async function weightsOf(op: string, weights: Values | undefined, count: number): Promise<Float64Array> {
  if (weights === undefined) return new Float64Array(count).fill(1);
  const { data } = await numbersOf(weights);
  requireCount(op, "weights", data.length, count);
  return data;
}

/** Throws `ShapeError` where there are not as many as there should be. */
export function requireCount(op: string, what: string, received: number, expected: number): void {
  if (received === expected) return;
  throw new ShapeError(op, `${received} ${what} for ${expected} examples`, { expected, received, hint: `give ${expected}` });
}

/** Throws `ValueError` for a label that is not an integer of 0..classes − 1. */
export function requireLabels(op: string, labels: Float64Array, classes: number): void {
  const row = labels.findIndex((label) => !(Number.isInteger(label) && label >= 0 && label < classes));
  if (row < 0) return;
  throw new ValueError(op, `label ${labels[row]} at row ${row} is not one of the ${classes} classes`, {
    expected: `0..${classes - 1}`,
    received: labels[row],
  });
}

/** Reads probabilities [N, C] and their labels [N], checked. */
export async function probabilitiesOf(
  op: string,
  probabilities: Values,
  targets: Values,
): Promise<{ scores: Numbers; labels: Float64Array; rows: number; classes: number }> {
  const [scores, { data: labels }] = await Promise.all([numbersOf(probabilities), numbersOf(targets)]);
  if (scores.shape.length !== 2) {
    throw new ShapeError(op, `scores have shape ${showShape(scores.shape)}`, {
      expected: "[N, C]",
      received: scores.shape,
      hint: "give one score per class",
    });
  }
  const [rows, classes] = [scores.shape[0]!, scores.shape[1]!];
  requireCount(op, "labels", labels.length, rows);
  requireLabels(op, labels, classes);
  return { scores, labels, rows, classes };
}
