/**
 * Integer labels beside scores of classes: where the class axis is, which labels are out of range, and the mask that
 * picks the score of the label. Owns the check that names row and label, at the call where labels are on the host and
 * when the graph runs otherwise.
 */
import {
  AxisError, DTypeError, ShapeError, ValueError, add, clamp, equal, greaterEqual, less, logicalAnd, logicalNot,
  logicalOr, max, mul, neg, notEqual, reshape, sum, where,
} from "@dormouse/tensor";
import {
  HostStorage, type Shape, type Tensor, isInteger, otherAxes, primitive, sameShape, showShape, stridesOf,
} from "@dormouse/tensor/graph";

/** Where the classes are and which labels count. */
export interface LabelOptions {
  /** Axis of the classes. Default 1, as in [N, C] and [N, C, height, width]; 0 where the prediction has one axis. */
  readonly axis?: number;
  /** Label of examples that count for nothing. Default: none. */
  readonly ignoreIndex?: number;
}

/** Position of the class axis, from the front. */
export function classAxis(op: string, shape: Shape, axis = shape.length === 1 ? 0 : 1): number {
  const at = axis < 0 ? axis + shape.length : axis;
  if (Number.isInteger(at) && at >= 0 && at < shape.length) return at;
  throw new AxisError(op, `the prediction ${showShape(shape)} has no class axis ${axis}`, {
    expected: "[N, C] or [N, C, ..]",
    received: shape,
    hint: "give one score per class",
  });
}

/** Labels of a batch, checked, with what losses need of them. */
export interface Labels {
  /** int32, the shape of the prediction without its class axis. */
  readonly index: Tensor;
  /** bool, the shape of the prediction: true at the label. All false in an ignored row whose label is no class. */
  readonly mask: Tensor;
  /** bool, the shape of `index`: false for ignored examples. Null where none can be. */
  readonly counted: Tensor | null;
}

/** Checks dtype, shape and range of `labels` against a prediction of the given shape. */
export function labelsFor(
  op: string,
  labels: Tensor,
  shape: Shape,
  axis: number,
  { ignoreIndex }: LabelOptions = {},
): Labels {
  if (!isInteger(labels.dtype)) {
    throw new DTypeError(op, `labels are ${labels.dtype}`, {
      expected: "int32",
      received: labels.dtype,
      hint: `make them integers: tensor(labels, { dtype: "int32" }) or cast(labels, "int32")`,
    });
  }
  const rows = otherAxes(shape.length, [axis]).map((at) => shape[at]!);
  if (!sameShape(labels.shape, rows)) {
    throw new ShapeError(op, `prediction ${showShape(shape)} and labels ${showShape(labels.shape)} do not fit`, {
      expected: rows,
      received: labels.shape,
      hint: `labels for this prediction have shape ${showShape(rows)}`,
    });
  }
  const index = checked(op, labels, shape[axis]!, ignoreIndex);
  const classes = primitive.broadcast(primitive.iota(shape[axis]!), shape, [axis]);
  const mask = equal(classes, primitive.broadcast(index, shape, otherAxes(shape.length, [axis])));
  return { index, mask, counted: ignoreIndex === undefined ? null : notEqual(index, ignoreIndex) };
}

/** Along `axis`, the element that the mask marks; 0 where it marks none. */
export const picked = (scores: Tensor, mask: Tensor, axis: number): Tensor =>
  sum(where(mask, scores, 0), { axis });

/** The labels as int32, known or bound to be classes or `ignoreIndex`. */
function checked(op: string, labels: Tensor, classes: number, ignoreIndex: number | undefined): Tensor {
  const index = primitive.cast(labels, "int32");
  if (labels.size === 0) return index;
  const host = labels.storage instanceof HostStorage ? labels.storage.data : null;
  if (host) {
    const row = host.findIndex((label) => (label < 0 || label >= classes) && label !== ignoreIndex);
    if (row >= 0) throw labelError(op, String(host[row]), host[row]!, row, labels.shape, classes);
    return index;
  }
  const { at, decode } = firstBad(index, classes, ignoreIndex);
  return primitive.check(index, at, (code) => {
    const { row, label, text } = decode(code);
    return labelError(op, text, label, row, labels.shape, classes);
  });
}

/**
 * The first bad row and its label in one int32, or −1: row · span + (label + span/2), where span = ⌊(2³¹ − 1) / rows⌋.
 * A label beyond ± span/2 is named by that bound.
 */
function firstBad(
  index: Tensor,
  classes: number,
  ignoreIndex: number | undefined,
): { at: Tensor; decode: (code: number) => { row: number; label: number; text: string } } {
  const count = index.size;
  const span = Math.floor((2 ** 31 - 1) / count);
  const half = Math.floor(span / 2);
  const flat = reshape(index, [count]);
  const outside = logicalOr(less(flat, 0), greaterEqual(flat, classes));
  const bad = ignoreIndex === undefined ? outside : logicalAnd(outside, logicalNot(equal(flat, ignoreIndex)));
  const label = clamp(flat, { min: -half, max: span - 1 - half });
  const code = add(mul(primitive.iota(count), span), add(label, half));
  // The least code is the greatest of the negated ones; a good row has one below all of them.
  const none = -(2 ** 31);
  const first = max(where(bad, neg(code), none));
  const at = where(equal(first, none), -1, neg(first));
  const decode = (found: number): { row: number; label: number; text: string } => {
    const row = Math.floor(found / span);
    const value = (found % span) - half;
    const text = value === -half ? `${value} or less` : value === span - 1 - half ? `${value} or more` : String(value);
    return { row, label: value, text };
  };
  return { at, decode };
}

function labelError(op: string, text: string, label: number, row: number, shape: Shape, classes: number): ValueError {
  const place = stridesOf(shape).map((stride, axis) => Math.floor(row / stride) % shape[axis]!);
  const where = shape.length === 0 ? "" : shape.length === 1 ? ` at row ${row}` : ` at ${showShape(place)}`;
  const problem = label < 0 ? "is negative" : `is not below the ${classes} classes of the logits`;
  return new ValueError(op, `label ${text}${where} ${problem}`, { expected: `0..${classes - 1}`, received: label });
}
