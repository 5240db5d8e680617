/** Functions of elements: of one tensor (`ops-unary`), of several with broadcasting (`ops-binary`). */
import {
  type Tensor, abs, acos, acosh, add, addcmul, asin, asinh, atan, atan2, atanh, ceil, clamp, cos, cosh, digamma, div,
  equal, erf, erfc, exp, exp2, expm1, floor, fmod, frac, greater, greaterEqual, hypot, isFinite, isInf, isNaN, lerp,
  less, lessEqual, lgamma, log, log10, log1p, log2, logaddexp, logicalAnd, logicalNot, logicalOr, logicalXor, logit,
  maximum, minimum, mul, neg, notEqual, pow, reciprocal, relu, remainder, round, rsqrt, sigmoid, sign, sin, sinh, sqrt,
  square, sub, sum, tan, tanh, trunc, where,
} from "@dormouse/tensor";
import type { Row, Table } from "../table.ts";

const functions: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  neg, abs, sign, square, sqrt, rsqrt, reciprocal, exp, exp2, expm1, log, log2, log10, log1p, sin, cos, tan, asin, acos,
  atan, sinh, cosh, tanh, asinh, acosh, atanh, erf, erfc, sigmoid, relu, floor, ceil, round, trunc, frac, lgamma,
  digamma, logit, isnan: isNaN, isinf: isInf, isfinite: isFinite,
};
const operators: Readonly<Record<string, (a: Tensor, b: Tensor) => Tensor>> = {
  add, sub, mul, div, maximum, minimum, pow, atan2, hypot, logaddexp, fmod, remainder, eq: equal, ne: notEqual,
  lt: less, le: lessEqual, gt: greater, ge: greaterEqual, logical_and: logicalAnd, logical_or: logicalOr,
  logical_xor: logicalXor,
};

const rows = <F>(from: Readonly<Record<string, F>>, row: (f: F) => Row): Table =>
  Object.fromEntries(Object.entries(from).map(([op, f]) => [op, row(f)]));

/** Functions of one tensor. */
export const unary: Table = {
  ...rows(functions, (f) => ({ x }) => f(x)),
  pow_scalar: ({ x }, { exponent }) => pow(x, exponent),
  clamp: ({ x }, { min, max }) => clamp(x, { min: min ?? undefined, max: max ?? undefined }),
};

/** Functions of several tensors. */
export const binary: Table = {
  ...rows(operators, (f) => ({ a, b }) => f(a, b)),
  logical_not: ({ a }) => logicalNot(a),
  where: ({ cond, a, b }) => where(cond, a, b),
  lerp: ({ a, b, w }) => lerp(a, b, w),
  addcmul: ({ a, b, c }) => addcmul(a, b, c),
  fanout: ({ a, b }) => div(add(mul(a, b), sin(a)), add(mul(a, a), 1)),
  same_input: ({ x }) => add(mul(x, sum(x)), x),
};
