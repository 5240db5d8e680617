/**
 * Rows of numbers from tensors, arrays or fields, and the product of two sets of them by the device, in bounded blocks.
 */
import { ShapeError, Tensor, matmul, scope, transpose } from "@dormouse/tensor";
import { type Field, type FieldInput, fieldOf, gatherRows } from "./field.ts";
import { tensorOf } from "./host.ts";

/** Rows of equal length: a tensor [n, d], nested arrays, or `{ data, shape }`; n numbers are n rows of one. */
export type Rows = Tensor | FieldInput;

/** The rows as a float field [n, d]; more axes after the first are taken as one. */
export async function rowsOf(op: string, name: string, rows: Rows): Promise<Field> {
  const field =
    rows instanceof Tensor
      ? fieldOf(name, { data: await rows.data(), shape: rows.shape }, "finite")
      : fieldOf(name, rows, "finite");
  const [n = 0] = field.shape;
  if (n === 0) {
    throw new ShapeError(op, `${name} has no rows`, { received: field.shape, hint: "give at least one row" });
  }
  const shape = [n, field.data.length / n];
  if (field.dtype === "float32" || field.dtype === "float64") return { ...field, shape };
  return { data: Float32Array.from(field.data), shape, dtype: "float32" };
}

/** Rows of `a` for one product: few enough that the block of products stays below 16 MiB. */
const blockElements = 1 << 22;

/** The products of every row of `a` with every row of `b`, some rows of `a` at a time, row-major. */
export async function* products(
  a: Field,
  b: Field,
): AsyncGenerator<{ readonly first: number; readonly count: number; readonly values: ArrayLike<number> }> {
  const [n = 0] = a.shape;
  const [m = 1] = b.shape;
  const size = Math.max(1, Math.min(n, Math.floor(blockElements / m)));
  const right = tensorOf(b);
  try {
    for (let first = 0; first < n; first += size) {
      const count = Math.min(size, n - first);
      const rows = gatherRows(a, Uint32Array.from({ length: count }, (_, i) => first + i));
      const block = scope(() => matmul(tensorOf(rows), transpose(right)));
      yield { first, count, values: await block.data() };
      block.dispose();
    }
  } finally {
    right.dispose();
  }
}

/** Mean of every column, in float64. */
export function meanOf({ data, shape }: Field): Float64Array {
  const [n = 0, d = 0] = shape;
  const mean = new Float64Array(d);
  for (let i = 0, at = 0; i < n; i++) for (let j = 0; j < d; j++) mean[j]! += data[at++]!;
  return mean.map((sum) => sum / n);
}

/** `row − origin` for every row. Distances stay the same, and products no longer cancel far from the origin. */
export function shifted({ data, shape, dtype }: Field, origin: ArrayLike<number>): Field {
  const d = origin.length;
  return { data: data.map((value, i) => value - origin[i % d]!), shape, dtype };
}

/** Squared length of every row, in float64. */
export function squaresOf({ data, shape }: Field): Float64Array {
  const [n = 0, d = 0] = shape;
  return Float64Array.from({ length: n }, (_, i) => {
    let sum = 0;
    for (let at = i * d; at < (i + 1) * d; at++) sum += data[at]! ** 2;
    return sum;
  });
}
