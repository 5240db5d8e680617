/**
 * Compiles the scalar expressions of a kernel to JavaScript closures, one per node of the DAG, so that an object met
 * twice is evaluated once per point. Owns the arithmetic of every dtype; loops and stores are the business of
 * `reference.ts`.
 */
import type { Affine, Condition, Indirect, Scalar, ScalarOp, StoredArray } from "@dormouse/tensor/graph";
import { float16Value, isFloat, roundTo } from "@dormouse/tensor/graph";
import { DormouseError, type DType } from "@dormouse/tensor";
import { scalarOrder } from "./scalar-order.ts";
import { erf, integerPower, power, roundHalfEven, threefry } from "./reference-math.ts";

/** What the expressions of a kernel read: its arguments, the current loop index and the results of its stages. */
export interface Environment {
  readonly views: readonly StoredArray[];
  /** Current position, one entry per loop axis. */
  readonly index: Int32Array;
  /** Value of each finished reduce stage. */
  readonly results: Float64Array;
}

/** A compiled expression: its value at the environment's current index. */
export type Evaluate = () => number;

/** The address (in elements) that an affine function has at the current index. */
export function compileAffine({ offset, strides }: Affine, { index }: Environment): Evaluate {
  // Most strides of most views are zero; these addresses are most of the time that the reference takes.
  const axes = strides.flatMap((stride, axis) => (stride === 0 ? [] : [axis]));
  const [first, second] = axes as [number, number];
  const [fast, slow] = [strides[first]!, strides[second]!];
  if (axes.length === 0) return () => offset;
  if (axes.length === 1) return () => offset + fast * index[first]!;
  if (axes.length === 2) return () => offset + fast * index[first]! + slow * index[second]!;
  return () => {
    let sum = offset;
    for (const axis of axes) sum += strides[axis]! * index[axis]!;
    return sum;
  };
}

/** True where every condition holds. */
export function compileConditions(
  conditions: readonly Condition[],
  environment: Environment,
): () => boolean {
  const tests = conditions.map((condition) => ({
    value: compileAffine(condition, environment),
    below: condition.below,
  }));
  return () =>
    tests.every((test) => {
      const value = test.value();
      return value >= 0 && value < test.below;
    });
}

/**
 * A function that evaluates `roots` at the current index and returns their values in order (in one reused array).
 */
export function compileScalars(
  roots: readonly Scalar[],
  environment: Environment,
): () => Float64Array {
  const order = scalarOrder(roots);
  const slotOf = new Map(order.map((scalar, slot) => [scalar, slot]));
  const values = new Float64Array(order.length);
  const read = (scalar: Scalar): Evaluate => {
    const slot = slotOf.get(scalar)!;
    return () => values[slot]!;
  };
  const nodes = order.map((scalar) => compileNode(scalar, environment, read));
  const slots = roots.map((root) => slotOf.get(root)!);
  const results = new Float64Array(roots.length);
  // A plain load, the operand of most products, needs no slots.
  if (nodes.length === 1 && roots.length === 1) {
    const [node] = nodes as [Evaluate];
    return () => {
      results[0] = node();
      return results;
    };
  }
  return () => {
    for (let slot = 0; slot < nodes.length; slot++) values[slot] = nodes[slot]!();
    for (let root = 0; root < slots.length; root++) results[root] = values[slots[root]!]!;
    return results;
  };
}

/** A function that evaluates one expression at the current index. */
export function compileScalar(root: Scalar, environment: Environment): Evaluate {
  const evaluate = compileScalars([root], environment);
  return () => evaluate()[0]!;
}

function compileNode(
  scalar: Scalar,
  environment: Environment,
  read: (scalar: Scalar) => Evaluate,
): Evaluate {
  switch (scalar.op) {
    case "const": {
      const value = constantOf(scalar.dtype, scalar.value);
      return () => value;
    }
    case "index": {
      const at = compileAffine(scalar.at, environment);
      return () => at() | 0;
    }
    case "valid": {
      const holds = compileConditions(scalar.conditions, environment);
      return () => Number(holds());
    }
    case "load": {
      const view = environment.views[scalar.arg]!;
      const at = compileAffine(scalar.at, environment);
      const holds = compileConditions(scalar.valid ?? [], environment);
      const fill = constantOf(scalar.dtype, scalar.fill ?? 0);
      const isHalf = scalar.dtype === "float16";
      const moves = (scalar.indirect ?? []).map((indirect) => compileGather(indirect, read));
      return () => {
        if (scalar.valid && !holds()) return fill;
        let address = at();
        for (const move of moves) address += move();
        const value = view[address];
        if (value === undefined) throw outside("load", address, view.length);
        return isHalf ? float16Value(value) : value;
      };
    }
    case "result": {
      const { stage } = scalar;
      return () => environment.results[stage]!;
    }
    default: {
      const operands = scalar.sources.map(read);
      return compileOperation(scalar.op, scalar.dtype, scalar.sources[0]!.dtype, operands);
    }
  }
}

const compileGather = (
  { index, stride, size }: Indirect,
  read: (scalar: Scalar) => Evaluate,
): Evaluate => {
  const value = read(index);
  return () => Math.min(size - 1, Math.max(0, value())) * stride;
};

/** The error of an address outside its argument: a program that `lower` should not have made. */
export const outside = (op: string, address: number, length: number): DormouseError =>
  new DormouseError("reference", `${op} at element ${address} of an argument of ${length}`, {
    expected: length,
    received: address,
    hint: "the program is malformed",
  });

/** A literal as `dtype` stores it; integers wrap, as in arithmetic. */
const constantOf = (dtype: DType, value: number): number =>
  Number.isInteger(value) ? wrapTo(dtype, value) : roundTo(dtype, value);

/** Brings the exact result of an integer operation back into `dtype` by wrapping; rounds floats. */
export function wrapTo(dtype: DType, value: number): number {
  switch (dtype) {
    case "int32":
      return value | 0;
    case "uint32":
      return value >>> 0;
    case "uint8":
      return value & 255;
    default:
      return roundTo(dtype, value);
  }
}

/** One operation on numbers that hold values of `operand`, giving a value of `dtype`. */
function compileOperation(
  op: ScalarOp,
  dtype: DType,
  operand: DType,
  [a, b, c, d]: readonly Evaluate[],
): Evaluate {
  const unary = (f: (x: number) => number): Evaluate => () => roundTo(dtype, f(a!()));
  const wrapping = (f: (x: number) => number): Evaluate => () => wrapTo(dtype, f(a!()));
  const binary = (f: (x: number, y: number) => number): Evaluate => () => wrapTo(dtype, f(a!(), b!()));
  const float = isFloat(dtype);
  switch (op) {
    case "neg":
      return wrapping((x) => -x);
    case "abs":
      return wrapping(Math.abs);
    case "exp":
      return unary(Math.exp);
    case "expm1":
      return unary(Math.expm1);
    case "log":
      return unary(Math.log);
    case "log1p":
      return unary(Math.log1p);
    case "sin":
      return unary(Math.sin);
    case "cos":
      return unary(Math.cos);
    case "tanh":
      return unary(Math.tanh);
    case "atan":
      return unary(Math.atan);
    case "erf":
      return unary(erf);
    case "sqrt":
      return unary(Math.sqrt);
    case "floor":
      return unary(Math.floor);
    case "round":
      return unary(roundHalfEven);
    case "not":
      return dtype === "bool" ? wrapping((x) => Number(x === 0)) : wrapping((x) => ~x);
    case "cast":
      return compileCast(operand, dtype, a!);
    case "add":
      return binary((x, y) => x + y);
    case "sub":
      return binary((x, y) => x - y);
    case "mul":
      return binary(float ? (x, y) => x * y : Math.imul);
    case "div":
      return binary(float ? (x, y) => x / y : (x, y) => (y === 0 ? 0 : Math.trunc(x / y)));
    case "max":
      return binary(Math.max);
    case "min":
      return binary(Math.min);
    case "pow":
      return binary(float ? power : (x, y) => integerPower(x, y, dtype === "int32"));
    case "less":
      return binary((x, y) => Number(x < y));
    case "lessEqual":
      return binary((x, y) => Number(x <= y));
    case "equal":
      return binary((x, y) => Number(x === y));
    case "and":
      return binary((x, y) => x & y);
    case "or":
      return binary((x, y) => x | y);
    case "where":
      return () => (a!() !== 0 ? b!() : c!());
    case "threefry":
      return () => threefry(a!(), b!(), c!(), d!());
  }
}

/** Float to integer saturates; between int32 and uint32 the bits are kept; to uint8 the low 8 bits are. */
const compileCast = (from: DType, to: DType, value: Evaluate): Evaluate =>
  isFloat(from) ? () => roundTo(to, value()) : () => wrapTo(to, value());
