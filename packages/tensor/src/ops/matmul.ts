/**
 * Products of matrices and vectors with NumPy's rules. A batch on the left with a plain matrix on the right becomes
 * one tall product, so that no operand is repeated and its gradient is one product too.
 */
import { ShapeError } from "../core/errors.ts";
import { primitive } from "../core/primitives.ts";
import { type Shape, broadcastShapes, showShape, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import type { LinearCheck, LinearShape, MatmulCheck, MatmulShape } from "../types/index.ts";
import { requireNumeric, requireSameDType, stretch, typed } from "./operands.ts";

/**
 * The matrix product [.., m, k] · [.., k, n] → [.., m, n]. Leading axes broadcast; a vector on the left is a row, on
 * the right a column, and its axis is dropped from the result.
 *
 * Example: `matmul(tensor([[1, 2], [3, 4]]), tensor([1, 1]))` is `[3, 7]`.
 */
export function matmul<A extends Shape, B extends Shape>(
  a: Tensor<A>,
  b: Tensor<B> & MatmulCheck<A, B>,
): Tensor<MatmulShape<A, B>> {
  return typed(multiply("matmul", a, b));
}

function multiply(op: string, a: Tensor, b: Tensor): Tensor {
  requireSameDType(op, requireNumeric(op, a), b);
  if (a.rank === 0 || b.rank === 0) {
    throw new ShapeError(op, `${showShape(a.shape)} x ${showShape(b.shape)}: a scalar is not a matrix`, {
      received: [a.shape, b.shape],
      hint: "use mul",
    });
  }
  const inner = a.shape.at(-1)!;
  const meets = b.shape.at(b.rank === 1 ? 0 : -2)!;
  if (inner !== meets) {
    throw new ShapeError(
      op,
      `${showShape(a.shape)} x ${showShape(b.shape)}: inner dimensions differ (${inner} and ${meets})`,
      { expected: inner, received: meets, hint: "transpose one operand or reshape" },
    );
  }
  const left = a.rank === 1 ? primitive.reshape(a, [1, inner]) : a;
  const right = b.rank === 1 ? primitive.reshape(b, [inner, 1]) : b;
  const batch = batchOf(op, a, b);
  const product =
    right.rank === 2 ? tall(left, right) : primitive.dot(withBatch(left, batch), withBatch(right, batch));
  const rows = a.rank === 1 ? [] : [a.shape.at(-2)!];
  const columns = b.rank === 1 ? [] : [b.shape.at(-1)!];
  return primitive.reshape(product, [...batch, ...rows, ...columns]);
}

/** [.., m, k] · [k, n] as one product of [..·m, k]. */
function tall(left: Tensor, right: Tensor): Tensor {
  const inner = left.shape.at(-1)!;
  const rows = sizeOf(left.shape.slice(0, -1));
  return primitive.dot(primitive.reshape(left, [rows, inner]), right);
}

const withBatch = (x: Tensor, batch: Shape): Tensor => stretch(x, [...batch, ...x.shape.slice(-2)]);

function batchOf(op: string, a: Tensor, b: Tensor): number[] {
  const [left, right] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const batch = broadcastShapes(left, right);
  if (batch) return batch;
  throw new ShapeError(
    op,
    `${showShape(a.shape)} x ${showShape(b.shape)}: batch dimensions ${showShape(left)} and ${showShape(right)} do not broadcast`,
    { expected: left, received: right, hint: "make them equal or 1" },
  );
}

/** The inner product Σ aᵢbᵢ of two vectors. */
export function dot(a: Tensor, b: Tensor): Tensor<[]> {
  requireVectors("dot", a, b);
  return typed(multiply("dot", a, b));
}

/** The matrix of all products aᵢbⱼ of two vectors. */
export function outer(a: Tensor, b: Tensor): Tensor<[number, number]> {
  requireVectors("outer", a, b);
  requireSameDType("outer", requireNumeric("outer", a), b);
  return typed(primitive.dot(primitive.reshape(a, [a.size, 1]), primitive.reshape(b, [1, b.size])));
}

function requireVectors(op: string, a: Tensor, b: Tensor): void {
  const other = [a, b].find((x) => x.rank !== 1);
  if (!other) return;
  throw new ShapeError(op, `${showShape(other.shape)} is not a vector`, {
    expected: 1,
    received: other.rank,
    hint: "use matmul or einsum",
  });
}

/**
 * x·weightᵀ + bias: inputs [.., in], a weight [out, in] as in PyTorch, an optional bias [out]; the result is
 * [.., out].
 */
export function linear<X extends Shape, W extends Shape>(
  x: Tensor<X>,
  weight: Tensor<W> & LinearCheck<X, W>,
  bias?: Tensor | null,
): Tensor<LinearShape<X, W>> {
  const matrix: Tensor = weight;
  if (matrix.rank !== 2) {
    throw new ShapeError("linear", `weight ${showShape(matrix.shape)} is not a matrix`, {
      expected: 2,
      received: matrix.rank,
      hint: "the weight is [out, in]",
    });
  }
  if (x.rank === 0 || x.shape.at(-1) !== matrix.shape[1]) {
    throw new ShapeError(
      "linear",
      `input ${showShape(x.shape)} and weight ${showShape(matrix.shape)}: features differ (${x.shape.at(-1) ?? 0} and ${matrix.shape[1]!})`,
      { expected: matrix.shape[1], received: x.shape.at(-1), hint: "the weight is [out, in]" },
    );
  }
  const product = multiply("linear", x, primitive.permute(matrix, [1, 0]));
  if (!bias) return typed(product);
  if (bias.rank !== 1 || bias.size !== matrix.shape[0]) {
    throw new ShapeError("linear", `bias ${showShape(bias.shape)} does not fit weight ${showShape(matrix.shape)}`, {
      expected: [matrix.shape[0]],
      received: bias.shape,
      hint: `use shape [${matrix.shape[0]!}]`,
    });
  }
  requireSameDType("linear", product, bias, "bias");
  return typed(primitive.add(product, stretch(bias, product.shape)));
}
