/**
 * What the functions of `linalg` share: which tensors they take, batches of matrices of one shape, and errors that are
 * known only once there are values. A matrix is the last two axes; all axes before them are a batch.
 */
import { ShapeError, ValueError } from "../core/errors.ts";
import { type CallRule, primitive } from "../core/primitives.ts";
import { type Shape, axesOf, showShape, stridesOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { diagonal } from "../ops/cumulative.ts";
import { commonShape, filledLike, requireFloat, requireSameDType, stretch } from "../ops/operands.ts";

/** Throws unless `a` is a float tensor of at least two axes. */
export function requireMatrix(op: string, a: Tensor, name = "a"): Tensor {
  if (requireFloat(op, a).rank >= 2) return a;
  throw new ShapeError(op, `${name} has shape ${showShape(a.shape)}`, {
    expected: "[.., rows, columns]",
    received: a.shape,
    hint: "reshape it to a matrix first",
  });
}

/** Throws unless the matrices are square. */
export function requireSquare(op: string, a: Tensor): Tensor {
  const [rows, columns] = requireMatrix(op, a).shape.slice(-2);
  if (rows === columns) return a;
  throw new ShapeError(op, `a has shape ${showShape(a.shape)}, which is not square`, {
    expected: "[.., n, n]",
    received: a.shape,
    hint: "give square matrices, or use lstsq or pinv",
  });
}

/** Matrices with rows and columns swapped. */
export const swapLast = (x: Tensor): Tensor =>
  primitive.permute(x, [...axesOf(x.rank - 2), x.rank - 1, x.rank - 2]);

/** The main diagonal of matrices: [.., n]. */
export const mainDiagonal = (x: Tensor): Tensor => diagonal(x, { axes: [-2, -1] });

/** The identity in the shape and dtype of square matrices. */
export function identityLike(a: Tensor): Tensor {
  const index = (axis: number): Tensor => primitive.broadcast(primitive.iota(a.shape[axis]!), a.shape, [axis]);
  return primitive.cast(primitive.equal(index(a.rank - 2), index(a.rank - 1)), a.dtype);
}

/**
 * A system [.., m, n] and its right sides [.., m, k], with one batch shape. A right side of one axis is a column, which
 * `restore` drops from the result.
 */
export function systemOf(
  op: string,
  a: Tensor,
  b: Tensor,
): { readonly a: Tensor; readonly b: Tensor; readonly restore: (x: Tensor) => Tensor } {
  requireSameDType(op, a, b);
  const isVector = b.rank === 1;
  const right = isVector ? primitive.reshape(b, [...b.shape, 1]) : requireMatrix(op, b, "b");
  if (a.shape.at(-2) !== right.shape.at(-2)) {
    throw new ShapeError(op, `a ${showShape(a.shape)} has ${a.shape.at(-2)} rows, b ${showShape(b.shape)} has ${right.shape.at(-2)}`, {
      expected: a.shape.at(-2),
      received: b.shape,
      hint: "give b [m], or [.., m, k] for several right sides",
    });
  }
  const batch = commonShape(op, [a.shape.slice(0, -2), right.shape.slice(0, -2)]);
  return {
    a: stretch(a, [...batch, ...a.shape.slice(-2)]),
    b: stretch(right, [...batch, ...right.shape.slice(-2)]),
    restore: (x) => (isVector ? primitive.reshape(x, x.shape.slice(0, -1)) : x),
  };
}

/**
 * `x`, which is refused when it is computed if a flag of `bad` [..batch, n] is true: the first one is the pivot that the
 * message names.
 */
export function guarded(x: Tensor, bad: Tensor, op: string, problem: string, hint: string): Tensor {
  const count = bad.size;
  if (count === 0) return x;
  const flat = primitive.reshape(bad, [count]);
  const int = (value: number, shape: Shape = []): Tensor => primitive.constant(value, shape, "int32");
  // The first flag has the largest distance to the end.
  const distance = primitive.add(int(count, [count]), primitive.neg(primitive.iota(count)));
  const first = primitive.reduce(primitive.where(flat, distance, int(0, [count])), "max", [0]);
  const at = primitive.where(primitive.equal(first, int(0)), int(-1), primitive.add(int(count), primitive.neg(first)));
  const batch = bad.shape.slice(0, -1);
  return primitive.check(x, at, (found) => {
    const pivots = bad.shape.at(-1)!;
    const { index, text } = nameOfMatrix(batch, Math.floor(found / pivots));
    return new ValueError(op, `${text} is ${problem} at pivot ${found % pivots}`, {
      received: { matrix: index, pivot: found % pivots },
      hint,
    });
  });
}

/** The distance from 1 to the next number. */
export const epsilon = (a: Tensor): number => (a.dtype === "float64" ? 2 ** -52 : 2 ** -23);

/** How the message of a check names one matrix of a batch. */
export function nameOfMatrix(batch: Shape, matrix: number): { readonly index: number[]; readonly text: string } {
  const strides = stridesOf(batch);
  const index = batch.map((length, axis) => Math.floor(matrix / strides[axis]!) % length);
  return { index, text: batch.length === 0 ? "the matrix" : `matrix ${showShape(index)} of ${showShape(batch)}` };
}

/** Flags of zeros. */
export const isZero = (x: Tensor): Tensor => primitive.equal(x, filledLike(x, 0));

/** Numbers [.., n] along the rows of matrices [.., m, n]. */
export const alongRows = (x: Tensor, m: number): Tensor => {
  const lead = x.rank - 1;
  return primitive.broadcast(x, [...x.shape.slice(0, lead), m, x.shape[lead]!], [...axesOf(lead), lead + 1]);
};

/** A function of some inputs with a derivative of its own. */
export function ruled(
  name: string,
  inputs: readonly Tensor[],
  compute: (...inputs: Tensor[]) => Tensor,
  rule: CallRule,
): Tensor {
  const holes = inputs.map((input) => primitive.placeholder(input.shape, input.dtype));
  return primitive.call(inputs, { name, body: { inputs: holes, output: compute(...holes) }, rule });
}
