/**
 * What happens to operands before an elementwise primitive sees them: numbers become tensors of the dtype they meet,
 * shapes are broadcast, and dtypes that do not fit are refused in words. Every elementwise op goes through here.
 */
import { type DType, computedIn, dtypes, isFloat, roundTo } from "../core/dtype.ts";
import { DTypeError, ShapeError } from "../core/errors.ts";
import { type Body, type LinearMap, primitive } from "../core/primitives.ts";
import { type Shape, broadcastShapes, sameShape, showShape } from "../core/shape.ts";
import { Tensor } from "../core/tensor.ts";
import type { Operand } from "../types/index.ts";

/** Names the shape a builder's result has: builders know shapes only when they run. */
export const typed = <T extends Tensor>(x: Tensor): T => x as T;

/** A scalar in the dtype of `like`. */
export const scalarLike = (like: Tensor, value: number): Tensor => primitive.constant(value, [], like.dtype);

/** A constant of the shape and dtype of `like`. */
export const filledLike = (like: Tensor, value: number): Tensor =>
  primitive.constant(value, like.shape, like.dtype);

/** The error for something else where a tensor belongs, which only untyped code can pass. */
export function notATensor(op: string, received?: unknown): DTypeError {
  return new DTypeError(op, "an argument is not a tensor", {
    expected: "a tensor",
    received,
    hint: "make one: tensor([1, 2, 3])",
  });
}

/** Refuses a dtype that is none. */
export function requireDType(op: string, dtype: DType): DType {
  if (dtypes.includes(dtype)) return dtype;
  throw new DTypeError(op, `${JSON.stringify(dtype)} is not a dtype`, {
    expected: dtypes,
    received: dtype,
    hint: `use ${dtypes.slice(0, -1).join(", ")} or ${dtypes.at(-1)!}`,
  });
}

/** Makes a tensor of an operand; a number takes `dtype`, which it must fit exactly or round to. */
export function toTensor(op: string, operand: Operand, dtype: DType): Tensor {
  if (operand instanceof Tensor) return operand;
  if (typeof operand !== "number" && typeof operand !== "boolean") throw notATensor(op, operand);
  const value = Number(operand);
  if (!isFloat(dtype) && roundTo(dtype, value) !== value) {
    throw new DTypeError(op, `${value} is not a value of ${dtype}`, {
      expected: dtype,
      received: value,
      hint: `cast the tensor first: cast(x, "float32")`,
    });
  }
  return primitive.constant(value, [], dtype);
}

/** |x| of a signed dtype, with the derivative 0 at 0. */
export const absolute = (x: Tensor): Tensor => primitive.max(x, primitive.neg(x));

/** Refuses bool: truth values have logic, not arithmetic. */
export function requireNumeric(op: string, x: Tensor): Tensor {
  if (!(x instanceof Tensor)) throw notATensor(op, x);
  if (x.dtype !== "bool") return x;
  throw new DTypeError(op, "bool has no arithmetic", {
    received: "bool",
    hint: `cast it: cast(x, "float32"), or use logicalAnd, logicalOr`,
  });
}

/** Refuses anything but floats. */
export function requireFloat(op: string, x: Tensor): Tensor {
  if (!(x instanceof Tensor)) throw notATensor(op, x);
  if (isFloat(x.dtype)) return x;
  throw new DTypeError(op, `${x.dtype} is not a float dtype`, {
    expected: dtypes.filter(isFloat),
    received: x.dtype,
    hint: `cast it: cast(x, "float32")`,
  });
}

/**
 * `compute(x)`, in float32 where `x` is float16, and rounded once: for results whose steps may be stored between two
 * kernels, where sums and squares would overflow at 65504 and differences lose their digits.
 */
export const widely = (x: Tensor, compute: (wide: Tensor) => Tensor): Tensor =>
  primitive.cast(compute(primitive.cast(x, computedIn(x.dtype))), x.dtype);

/** Refuses two dtypes that differ. `name` is how the hint calls the second. */
export function requireSameDType(op: string, a: Tensor, b: Tensor, name = "b"): void {
  if (a.dtype === b.dtype) return;
  if (!(b instanceof Tensor)) throw notATensor(op, b);
  const toFirst = isFloat(a.dtype) || !isFloat(b.dtype);
  throw new DTypeError(op, `${a.dtype} and ${b.dtype} do not mix`, {
    expected: a.dtype,
    received: b.dtype,
    hint: toFirst ? `cast one: cast(${name}, "${a.dtype}")` : `cast one: cast(a, "${b.dtype}")`,
  });
}

/** Stretches `x` to `shape`, aligned on the right. The caller has checked that it broadcasts. */
export function stretch(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const lead = shape.length - x.rank;
  const kept = x.shape.flatMap((length, axis) => (length === shape[lead + axis] ? [axis] : []));
  const core = primitive.reshape(x, kept.map((axis) => x.shape[axis]!));
  return primitive.broadcast(core, shape, kept.map((axis) => lead + axis));
}

/** The shape all operands broadcast to. */
export function commonShape(op: string, shapes: readonly Shape[]): Shape {
  return shapes.reduce((sum, shape) => {
    const next = broadcastShapes(sum, shape);
    if (next) return next;
    throw new ShapeError(op, `${showShape(sum)} and ${showShape(shape)} do not broadcast`, {
      expected: sum,
      received: shape,
      hint: "align shapes from the right, with equal lengths or 1",
    });
  });
}

/** Two operands as tensors of one dtype and shape. */
export function pair(op: string, a: Operand, b: Operand): [Tensor, Tensor] {
  const scalarDType = typeof a === "boolean" && typeof b === "boolean" ? "bool" : "float32";
  const dtype = a instanceof Tensor ? a.dtype : b instanceof Tensor ? b.dtype : scalarDType;
  const left = toTensor(op, a, dtype);
  const right = toTensor(op, b, dtype);
  requireSameDType(op, left, right);
  const shape = commonShape(op, [left.shape, right.shape]);
  return [stretch(left, shape), stretch(right, shape)];
}

/** As `pair`, for arithmetic. */
export function numericPair(op: string, a: Operand, b: Operand): [Tensor, Tensor] {
  const operands = pair(op, a, b);
  requireNumeric(op, operands[0]);
  return operands;
}

/** As `pair`, for functions of real numbers. */
export function floatPair(op: string, a: Operand, b: Operand): [Tensor, Tensor] {
  const operands = pair(op, a, b);
  requireFloat(op, operands[0]);
  return operands;
}

/** ∂output/∂source, elementwise, made of ops so that it differentiates again. */
export type Partial = (sources: readonly Tensor[], output: Tensor) => Tensor;

/**
 * An elementwise function with its own partial derivatives: for functions whose graph, differentiated step by step,
 * would lose digits or meet 0·∞. All inputs have one shape and dtype.
 */
export function withPartials(
  name: string,
  inputs: readonly Tensor[],
  compute: (...inputs: Tensor[]) => Tensor,
  partials: readonly Partial[],
): Tensor {
  const placeholders = inputs.map((input) => primitive.placeholder(input.shape, input.dtype));
  const body: Body = { inputs: placeholders, output: compute(...placeholders) };
  const rule = (sources: readonly Tensor[], output: Tensor): LinearMap[] =>
    partials.map((partial) => {
      const scale = (direction: Tensor): Tensor => primitive.mul(direction, partial(sources, output));
      return { apply: scale, transpose: scale };
    });
  return primitive.call(inputs, { name, body, rule });
}
