/**
 * Integer labels beside [N, C] scores in tensor metrics: the check of shape, dtype and range, and the mask at the
 * label.
 */
import {
  DTypeError, ShapeError, ValueError, argmax, cast, equal, greaterEqual, less, logicalOr, where,
} from "@dormouse/tensor";
import { HostStorage, type Tensor, isInteger, primitive, showShape } from "@dormouse/tensor/graph";

/**
 * bool [N, C], true at the label of each row. Throws `ShapeError` or `DTypeError` unless labels are integers [N], and
 * `ValueError` for a label that is no class: at the call where labels are on the host, else when the graph runs.
 */
export function labelMask(op: string, scores: Tensor, labels: Tensor): Tensor {
  if (scores.rank !== 2 || labels.rank !== 1 || scores.shape[0] !== labels.shape[0]) {
    throw new ShapeError(op, `scores ${showShape(scores.shape)} and labels ${showShape(labels.shape)} do not fit`, {
      expected: "[N, C] and [N]",
      received: [scores.shape, labels.shape],
      hint: "give scores [N, C] and one label for each row",
    });
  }
  if (!isInteger(labels.dtype)) {
    throw new DTypeError(op, `labels are ${labels.dtype}`, {
      expected: "int32",
      received: labels.dtype,
      hint: `make them integers: cast(labels, "int32")`,
    });
  }
  const { shape } = scores;
  const classes = shape[1]!;
  const index = inRange(op, labels, classes);
  return equal(primitive.broadcast(primitive.iota(classes), shape, [1]), primitive.broadcast(index, shape, [0]));
}

/** Labels as int32, with the check of their range that `labelMask` has. */
export function inRange(op: string, labels: Tensor, classes: number): Tensor {
  const index = cast(labels, "int32");
  const fail = (row: number): ValueError =>
    new ValueError(op, `the label at row ${row} is not one of the ${classes} classes`, { expected: `0..${classes - 1}` });
  if (labels.size === 0) return index;
  const host = labels.storage instanceof HostStorage ? labels.storage.data : null;
  if (host) {
    const row = host.findIndex((label) => label < 0 || label >= classes);
    if (row >= 0) throw fail(row);
    return index;
  }
  const bad = cast(logicalOr(less(index, 0), greaterEqual(index, classes)), "int32");
  const first = argmax(bad, { axis: 0 });
  const isBad = greaterEqual(primitive.reduce(bad, "max", [0]), 1);
  return primitive.check(index, where(isBad, first, -1), fail);
}
