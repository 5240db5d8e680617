/**
 * Rewrites applied to every value as it is made: named rules, each of which answers with a simpler equal value or with
 * nothing, and a table of those that each operation may meet. A rule may not change a result, not even NaN or an infinity; only the sign of a zero may change.
 */
import { type DType, computedIn, isFloat, roundTo } from "../core/dtype.ts";
import { type Shape, axesOf, otherAxes, sameShape, sizeOf } from "../core/shape.ts";
import { type Operation, type OperationParams, type Value, type ValueMaker, is } from "./value.ts";

interface Candidate {
  readonly values: ValueMaker;
  readonly op: Operation;
  readonly sources: readonly Value[];
  readonly shape: Shape;
  readonly dtype: DType;
  readonly params: OperationParams[Operation];
}

type Rule = (candidate: Candidate) => Value | undefined;

/** The number every element of a value has, if that is known. */
export function splat(value: Value): number | undefined {
  if (is(value, "constant")) return value.params.value;
  return is(value, "broadcast") || is(value, "reshape") ? splat(value.sources[0]!) : undefined;
}

const folds: Partial<Record<Operation, (...xs: number[]) => number>> = {
  neg: (x) => -x,
  sqrt: Math.sqrt,
  floor: Math.floor,
  exp: Math.exp,
  log: Math.log,
  cast: (x) => x,
  add: (a, b) => a + b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  max: Math.max,
  less: (a, b) => Number(a < b),
  lessEqual: (a, b) => Number(a <= b),
  equal: (a, b) => Number(a === b),
};

const rules = {
  /** An elementwise function of constants is a constant (integers excepted: they wrap). */
  foldConstants({ values, op, sources, shape, dtype }) {
    const fold = folds[op];
    if (!fold || !sources.every((source) => isFloat(source.dtype) || op === "cast")) return undefined;
    const known = sources.map(splat);
    if (known.some((number) => number === undefined)) return undefined;
    return values.constant(roundTo(op === "cast" ? dtype : computedIn(dtype), fold(...(known as number[]))), shape, dtype);
  },

  /** x·1, 1·x and x/1 are x. */
  multiplyByOne({ op, sources }) {
    const [a, b] = sources as [Value, Value];
    if (op === "mul" && splat(a) === 1) return b;
    return (op === "mul" || op === "div") && splat(b) === 1 ? a : undefined;
  },

  /** x + 0 is x, up to the sign of a zero. */
  addZero({ sources }) {
    const [a, b] = sources as [Value, Value];
    if (splat(a) === 0) return b;
    return splat(b) === 0 ? a : undefined;
  },

  /** −(−x) is x. */
  negateTwice({ sources }) {
    return is(sources[0]!, "neg") ? sources[0].sources[0] : undefined;
  },

  /** A reshape of a reshape needs only the last shape. */
  reshapeTwice({ values, sources, shape, dtype }) {
    const source = sources[0]!;
    if (sameShape(source.shape, shape)) return source;
    return is(source, "reshape") ? values.make("reshape", source.sources, shape, dtype, { shape }) : undefined;
  },

  /** A reshape of a constant is a constant. */
  reshapeConstant({ values, sources, shape, dtype }) {
    const number = splat(sources[0]!);
    return number === undefined ? undefined : values.constant(number, shape, dtype);
  },

  /** A permutation of a permutation is one permutation, of a constant the constant. */
  permuteTwice({ values, sources, shape, dtype, params }) {
    const { permutation } = params as OperationParams["permute"];
    if (permutation.every((from, to) => from === to)) return sources[0];
    const source = sources[0]!;
    if (is(source, "permute")) {
      const both = permutation.map((axis) => source.params.permutation[axis]!);
      return values.make("permute", source.sources, shape, dtype, { permutation: both });
    }
    const number = splat(source);
    return number === undefined ? undefined : values.constant(number, shape, dtype);
  },

  /** A broadcast of a broadcast goes straight to the last shape. */
  broadcastTwice({ values, sources, shape, dtype, params }) {
    const { axes } = params as OperationParams["broadcast"];
    const source = sources[0]!;
    if (sameShape(source.shape, shape) && axes.every((axis, i) => axis === i)) return source;
    if (!is(source, "broadcast")) return undefined;
    const through = source.params.axes.map((axis) => axes[axis]!);
    return values.make("broadcast", source.sources, shape, dtype, { shape, axes: through });
  },

  /** Reducing axes of length 1 only drops them. */
  reduceUnitAxes({ values, sources, shape, dtype, params }) {
    const { axes, combine } = params as OperationParams["reduce"];
    const source = sources[0]!;
    const real = axes.filter((axis) => source.shape[axis] !== 1);
    if (real.length === axes.length) return undefined;
    const dropped = axes.filter((axis) => source.shape[axis] === 1);
    const kept = otherAxes(source.shape.length, dropped);
    const squeezed = kept.map((axis) => source.shape[axis]!);
    const flat = values.make("reshape", [source], squeezed, dtype, { shape: squeezed });
    if (real.length === 0) return flat;
    return values.make("reduce", [flat], shape, dtype, { combine, axes: real.map((axis) => kept.indexOf(axis)) });
  },

  /** The sum of a constant is its multiple; a maximum of a constant is itself. */
  reduceConstant({ values, sources, shape, dtype, params }) {
    const number = splat(sources[0]!);
    if (number === undefined || !isFloat(dtype) || sizeOf(sources[0]!.shape) === 0) return undefined;
    const { combine } = params as OperationParams["reduce"];
    const count = sizeOf(sources[0]!.shape) / Math.max(1, sizeOf(shape));
    return values.constant(roundTo(computedIn(dtype), combine === "sum" ? number * count : number), shape, dtype);
  },

  /** Summing what was broadcast along the same axes multiplies by the count. */
  reduceBroadcast({ values, sources, shape, dtype, params }) {
    const source = sources[0]!;
    if (!is(source, "broadcast") || !isFloat(dtype)) return undefined;
    const { axes, combine } = params as OperationParams["reduce"];
    const added = otherAxes(source.shape.length, source.params.axes);
    if (sizeOf(source.shape) === 0 || !axes.every((axis) => added.includes(axis))) return undefined;
    const kept = otherAxes(source.shape.length, axes);
    const inner = values.make("broadcast", source.sources, shape, dtype, {
      shape,
      axes: source.params.axes.map((axis) => kept.indexOf(axis)),
    });
    if (combine === "max") return inner;
    const count = axes.reduce((product, axis) => product * source.shape[axis]!, 1);
    return values.make("mul", [inner, values.constant(count, shape, dtype)], shape, dtype, {});
  },

  /** A window or fold that covers everything once is a reshape. */
  trivialWindow({ values, op, sources, shape, dtype, params }) {
    const { size } = params as OperationParams["window"];
    const source = sources[0]!;
    const spatial = (op === "window" ? source : { shape }).shape.slice(-size.length);
    const ones = size.every((k, axis) => k === spatial[axis]);
    return ones && sizeOf(source.shape) === sizeOf(shape)
      ? values.make("reshape", [source], shape, dtype, { shape })
      : undefined;
  },

  /** A choice by a constant condition is one of the two. */
  whereConstant({ sources }) {
    const condition = splat(sources[0]!);
    return condition === undefined ? undefined : sources[condition ? 1 : 2];
  },

  /** A product over one inner element is an outer product: elementwise, no contraction. */
  dotOfOne({ values, sources, shape, dtype }) {
    const [a, b] = sources as [Value, Value];
    if (a.shape.at(-1) !== 1) return undefined;
    const rank = shape.length;
    const lead = axesOf(rank - 2);
    const spread = (x: Value, drop: number, axes: readonly number[]) => {
      const squeezed = x.shape.toSpliced(drop, 1);
      const flat = values.make("reshape", [x], squeezed, dtype, { shape: squeezed });
      return values.make("broadcast", [flat], shape, dtype, { shape, axes });
    };
    return values.make(
      "mul",
      [spread(a, rank - 1, [...lead, rank - 2]), spread(b, rank - 2, [...lead, rank - 1])],
      shape,
      dtype,
      {},
    );
  },
} satisfies Readonly<Record<string, Rule>>;

/** The rules that an operation may meet, in the order in which they are tried. */
const rulesOf: Partial<Record<Operation, readonly Rule[]>> = {
  neg: [rules.foldConstants, rules.negateTwice],
  sqrt: [rules.foldConstants],
  floor: [rules.foldConstants],
  exp: [rules.foldConstants],
  log: [rules.foldConstants],
  cast: [rules.foldConstants],
  add: [rules.foldConstants, rules.addZero],
  mul: [rules.foldConstants, rules.multiplyByOne],
  div: [rules.foldConstants, rules.multiplyByOne],
  max: [rules.foldConstants],
  less: [rules.foldConstants],
  lessEqual: [rules.foldConstants],
  equal: [rules.foldConstants],
  where: [rules.whereConstant],
  reshape: [rules.reshapeTwice, rules.reshapeConstant],
  permute: [rules.permuteTwice],
  broadcast: [rules.broadcastTwice],
  reduce: [rules.reduceUnitAxes, rules.reduceConstant, rules.reduceBroadcast],
  window: [rules.trivialWindow],
  fold: [rules.trivialWindow],
  dot: [rules.dotOfOne],
};

/** The simpler value, or undefined where no rule applies. */
export function simplify(
  values: ValueMaker,
  op: Operation,
  sources: readonly Value[],
  shape: Shape,
  dtype: DType,
  params: OperationParams[Operation],
): Value | undefined {
  const candidates = rulesOf[op];
  if (!candidates) return undefined;
  const candidate: Candidate = { values, op, sources, shape, dtype, params };
  for (const rule of candidates) {
    const simpler = rule(candidate);
    if (simpler) return simpler;
  }
  return undefined;
}
