/** Makes maps of many classes out of maps of yes or no: one for each class, then rows that sum to 1 again. */
import { type Tensor, div, equal, select, stack, sum, where } from "@dormouse/tensor";
import { type Values, probabilitiesOf } from "./values.ts";

/** A fitted map of numbers to probabilities, element by element. */
export interface BinaryMap {
  transform(x: Tensor): Tensor;
}

/** One map for each class. */
export interface OneVsRest<M extends BinaryMap> {
  readonly maps: readonly M[];
  /** Scores or probabilities [N, C] to probabilities [N, C] whose rows sum to 1; all alike where every map says 0. */
  transform(scores: Tensor): Tensor;
}

/**
 * Fits a map of yes or no to every column of [N, C] against the rest of the classes, labels being [N]: `fit` is called
 * with a column and with 1 where the label is its class, 0 elsewhere. Rows of the mapped values are divided by their
 * sums. Zadrozny and Elkan, 2002, section 5. Fits `plattScaling`, `isotonicRegression`, `histogramBinning` and
 * `betaCalibration`, and whatever else has a `transform`.
 *
 * ```ts
 * const map = await oneVsRest(validationProbabilities, validationLabels, isotonicRegression);
 * map.transform(probabilities);
 * const coarse = await oneVsRest(p, labels, (x, y) => histogramBinning(x, y, { bins: 10 }));
 * ```
 */
export async function oneVsRest<M extends BinaryMap>(
  scores: Tensor,
  labels: Values,
  fit: (column: Float64Array, targets: Float64Array) => Promise<M> | M,
): Promise<OneVsRest<M>> {
  const { scores: { data }, labels: targets, rows, classes } = await probabilitiesOf("oneVsRest", scores, labels);
  const maps = await Promise.all(Array.from({ length: classes }, async (_, k) => fit(
    Float64Array.from({ length: rows }, (_, row) => data[row * classes + k]!),
    targets.map((label) => (label === k ? 1 : 0)),
  )));
  return oneVsRestOf(maps);
}

/** The map of many classes from maps of each that were fitted before. */
export const oneVsRestOf = <M extends BinaryMap>(maps: readonly M[]): OneVsRest<M> => ({
  maps,
  transform(x) {
    const columns = stack(maps.map((map, k) => map.transform(select(x, k, { axis: 1 }))), { axis: 1 });
    const total = sum(columns, { axis: 1, keepDims: true });
    const isEmpty = equal(total, 0);
    return where(isEmpty, 1 / maps.length, div(columns, where(isEmpty, 1, total)));
  },
});
