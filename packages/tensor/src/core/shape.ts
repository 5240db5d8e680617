/**
 * Shapes and axes as plain arrays of numbers, with the arithmetic that ops, derivatives and `lower` share.
 * Knows nothing about tensors.
 */

/** Lengths of the axes, outermost first. `[]` is a scalar. */
export type Shape = readonly number[];

/** Number of elements of a shape. */
export const sizeOf = (shape: Shape): number => shape.reduce((size, length) => size * length, 1);

/** True where both shapes have the same rank and lengths. */
export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((length, axis) => length === b[axis]);

/** Row-major strides in elements: the last axis moves fastest. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

/** `[0, 1, …, rank - 1]`. */
export const axesOf = (rank: number): number[] => Array.from({ length: rank }, (_, axis) => axis);

/** The axes of `rank` that are not in `axes`, in order. */
export const otherAxes = (rank: number, axes: Shape): number[] =>
  axesOf(rank).filter((axis) => !axes.includes(axis));

/** The permutation that undoes `permutation`. */
export const inversePermutation = (permutation: Shape): number[] => {
  const inverse = new Array<number>(permutation.length);
  permutation.forEach((from, to) => (inverse[from] = to));
  return inverse;
};

/** `[2, 3]`, as error messages and printing show a shape. */
export const showShape = (shape: Shape): string => `[${shape.join(", ")}]`;

/** The lengths broadcasting gives `a` and `b` (aligned right, 1 stretches), or null where they disagree. */
export function broadcastShapes(a: Shape, b: Shape): number[] | null {
  const rank = Math.max(a.length, b.length);
  const shape = new Array<number>(rank);
  for (let axis = 1; axis <= rank; axis++) {
    const left = a[a.length - axis] ?? 1;
    const right = b[b.length - axis] ?? 1;
    if (left !== right && left !== 1 && right !== 1) return null;
    shape[rank - axis] = left === 1 ? right : left;
  }
  return shape;
}
