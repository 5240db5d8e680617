/**
 * Comparisons, logic and choice. Results are `bool`; NaN compares false with everything, itself included. None of
 * these has a derivative except `where`, which passes it to the chosen operand.
 */
import type { DType } from "../core/dtype.ts";
import { DTypeError } from "../core/errors.ts";
import { primitive } from "../core/primitives.ts";
import type { Shape } from "../core/shape.ts";
import { Tensor } from "../core/tensor.ts";
import type { Broadcast, Combined, CombineCheck, Operand, OperandShape } from "../types/index.ts";
import { absolute, commonShape, filledLike, pair, requireDType, requireSameDType, stretch, toTensor, typed } from "./operands.ts";

/** `a == b`, elementwise. `equal(tensor([1, 2]), 2)` is `[false, true]`. */
export const equal = <A extends Operand, B extends Operand>(
  a: A,
  b: B & CombineCheck<"equal", A, B>,
): Combined<A, B> => typed(primitive.equal(...pair("equal", a, b)));

/** `a != b`, elementwise; NaN differs from NaN. */
export const notEqual = <A extends Operand, B extends Operand>(
  a: A,
  b: B & CombineCheck<"notEqual", A, B>,
): Combined<A, B> => typed(not(primitive.equal(...pair("notEqual", a, b))));

/** `a < b`, elementwise. */
export const less = <A extends Operand, B extends Operand>(
  a: A,
  b: B & CombineCheck<"less", A, B>,
): Combined<A, B> => typed(primitive.less(...pair("less", a, b)));

/** `a <= b`, elementwise. */
export const lessEqual = <A extends Operand, B extends Operand>(
  a: A,
  b: B & CombineCheck<"lessEqual", A, B>,
): Combined<A, B> => typed(primitive.lessEqual(...pair("lessEqual", a, b)));

/** `a > b`, elementwise. */
export function greater<A extends Operand, B extends Operand>(
  a: A,
  b: B & CombineCheck<"greater", A, B>,
): Combined<A, B> {
  const [left, right] = pair("greater", a, b);
  return typed(primitive.less(right, left));
}

/** `a >= b`, elementwise. */
export function greaterEqual<A extends Operand, B extends Operand>(
  a: A,
  b: B & CombineCheck<"greaterEqual", A, B>,
): Combined<A, B> {
  const [left, right] = pair("greaterEqual", a, b);
  return typed(primitive.lessEqual(right, left));
}

/** Truth of both, elementwise; a number is true where it is not 0. */
export function logicalAnd<A extends Operand, B extends Operand>(
  a: A,
  b: B & CombineCheck<"logicalAnd", A, B>,
): Combined<A, B> {
  const [left, right] = truthPair("logicalAnd", a, b);
  return typed(primitive.where(left, right, filledLike(left, 0)));
}

/** Truth of either, elementwise. */
export function logicalOr<A extends Operand, B extends Operand>(
  a: A,
  b: B & CombineCheck<"logicalOr", A, B>,
): Combined<A, B> {
  const [left, right] = truthPair("logicalOr", a, b);
  return typed(primitive.where(left, filledLike(left, 1), right));
}

/** Truth of exactly one, elementwise. */
export const logicalXor = <A extends Operand, B extends Operand>(
  a: A,
  b: B & CombineCheck<"logicalXor", A, B>,
): Combined<A, B> => typed(not(primitive.equal(...truthPair("logicalXor", a, b))));

/** Truth of the opposite: true where `x` is 0 or false. */
export const logicalNot = <S extends Shape>(x: Tensor<S>): Tensor<S> => typed(not(truth(x)));

/**
 * `a` where `condition` holds, else `b`; all three broadcast. The derivative goes to the chosen operand only.
 * `where(less(x, 0), 0, x)` is relu.
 */
export function where<C extends Tensor | boolean, A extends Operand, B extends Operand>(
  condition: C & CombineCheck<"where", C, A>,
  a: A,
  b: B & CombineCheck<"where", A, B>,
): Tensor<Broadcast<OperandShape<C>, Broadcast<OperandShape<A>, OperandShape<B>>>> {
  const choice = toTensor("where", condition, "bool");
  if (choice.dtype !== "bool") {
    throw new DTypeError("where", `the condition is ${choice.dtype}`, {
      expected: "bool",
      received: choice.dtype,
      hint: "compare it: notEqual(condition, 0)",
    });
  }
  const dtype = a instanceof Tensor ? a.dtype : b instanceof Tensor ? b.dtype : scalarDType(a, b);
  const left = toTensor("where", a, dtype);
  const right = toTensor("where", b, dtype);
  requireSameDType("where", left, right);
  const shape = commonShape("where", [choice.shape, left.shape, right.shape]);
  return typed(primitive.where(stretch(choice, shape), stretch(left, shape), stretch(right, shape)));
}

const scalarDType = (a: Operand, b: Operand): DType =>
  typeof a === "boolean" && typeof b === "boolean" ? "bool" : "float32";

/**
 * `x` in another dtype. Float to integer truncates and saturates (NaN becomes 0); to bool is `!= 0`. The derivative
 * passes between float dtypes only.
 */
export const cast = <S extends Shape>(x: Tensor<S>, dtype: DType): Tensor<S> =>
  typed(primitive.cast(x, requireDType("cast", dtype)));

/** True where `x` is NaN. */
export const isNaN = <S extends Shape>(x: Tensor<S>): Tensor<S> => typed(not(primitive.equal(x, x)));

/** True where `x` is Infinity or -Infinity. */
export const isInf = <S extends Shape>(x: Tensor<S>): Tensor<S> =>
  typed(primitive.equal(absolute(x), filledLike(x, Infinity)));

/** True where `x` is neither infinite nor NaN. */
export const isFinite = <S extends Shape>(x: Tensor<S>): Tensor<S> =>
  typed(primitive.less(absolute(x), filledLike(x, Infinity)));

const not = (x: Tensor): Tensor => primitive.equal(x, filledLike(x, 0));
const truth = (x: Tensor): Tensor => primitive.cast(x, "bool");

function truthPair(op: string, a: Operand, b: Operand): [Tensor, Tensor] {
  const left = a instanceof Tensor ? truth(a) : Boolean(a);
  const right = b instanceof Tensor ? truth(b) : Boolean(b);
  return pair(op, left, right);
}
