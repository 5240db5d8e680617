/**
 * The closed set of primitives, and one builder for each that derives the result's shape and dtype. Operands of
 * n-ary primitives have one shape: ops insert `broadcast`, so no derivative rule ever un-broadcasts. A builder
 * refuses only what would make a malformed graph; friendly messages are the business of `ops/`.
 */
import { type DType, isFloat } from "./dtype.ts";
import { DTypeError, ShapeError } from "./errors.ts";
import { type Shape, otherAxes, sameShape, showShape, sizeOf } from "./shape.ts";
import { type Factorization, factorLength } from "./factorization.ts";
import { Tensor, noSources } from "./tensor.ts";

type None = Readonly<Record<never, never>>;
const none: None = Object.freeze({});

/** A linear map in one input of a node: `apply` for forward mode, `transpose` for reverse mode. */
export interface LinearMap {
  apply(tangent: Tensor): Tensor;
  transpose(cotangent: Tensor): Tensor;
}

/** How a `call` is differentiated, if not through its body: one linear map (or null) per source. */
export type CallRule = (
  sources: readonly Tensor[],
  output: Tensor,
) => readonly (LinearMap | null)[];

/** A function's graph. Closed: everything in it is made of its own placeholders and constants. */
export interface Body {
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
}

/** What each primitive carries besides its sources. */
export interface Params {
  // sources
  /** A scalar known when the graph is built. */
  constant: { readonly value: number };
  /** A tensor that has its elements (see `storage`). */
  buffer: None;
  /** A hole that `compile`, `vmap` or a `call` body fills. */
  placeholder: None;
  /** 0, 1, 2 … along one axis. */
  iota: None;
  /** Threefry-2x32 bits: source is a key [..batch, 2], result [..batch, ..shape] of uint32. */
  random: { readonly shape: Shape; readonly stream: number };
  // unary
  neg: None;
  exp: None;
  expm1: None;
  log: None;
  log1p: None;
  sin: None;
  cos: None;
  tanh: None;
  atan: None;
  erf: None;
  sqrt: None;
  floor: None;
  cast: { readonly dtype: DType };
  // binary
  add: None;
  mul: None;
  div: None;
  max: None;
  pow: None;
  less: None;
  lessEqual: None;
  equal: None;
  // choice: where(condition, a, b)
  where: None;
  // movement
  reshape: { readonly shape: Shape };
  /** Axis i of the result is axis permutation[i] of the source. */
  permute: { readonly permutation: Shape };
  /** Axis i of the source becomes axis axes[i] of the result; all other result axes are new. */
  broadcast: { readonly shape: Shape; readonly axes: Shape };
  /** Elements start + i·step, `lengths` of them; a negative step walks backwards. */
  slice: { readonly start: Shape; readonly step: Shape; readonly lengths: Shape };
  /** Adds low and high elements at the ends, and `interior` between neighbours; new elements are `value`. */
  pad: { readonly low: Shape; readonly high: Shape; readonly interior: Shape; readonly value: number };
  concat: { readonly axis: number };
  /** [.., d0, d1] → [.., n0, n1, k0, k1]: overlapping windows of the trailing `size.length` axes. */
  window: { readonly size: Shape; readonly step: Shape; readonly dilation: Shape };
  /** The transpose of `window`: sums overlapping windows into [.., d0, d1] of lengths `spatial`. */
  fold: {
    readonly size: Shape;
    readonly step: Shape;
    readonly dilation: Shape;
    readonly spatial: Shape;
  };
  // reductions
  reduce: { readonly combine: "sum" | "max"; readonly axes: Shape };
  /** int32 position of the largest element (the first of equals; NaN counts as largest). Drops the axis. */
  argmax: { readonly axis: number };
  /** Running sum along an axis, from the far end where `reverse`. */
  cumsum: { readonly axis: number; readonly reverse: boolean };
  /** int32 positions that sort the axis, stable; NaN sorts as largest. */
  argsort: { readonly axis: number; readonly descending: boolean };
  // products
  /** [..batch, m, k] · [..batch, k, n] → [..batch, m, n]. */
  dot: None;
  /** Rows of the source: result [..index.shape, ..source.shape[1..]]; an index outside is clamped. */
  gather: None;
  /** Sums rows of (updates, index) into a zero tensor with `rows` rows; an index outside is dropped. */
  scatterAdd: { readonly rows: number };
  // dense matrices [..batch, rows, columns]; the parts of a factorization lie one after the other (factorization.ts)
  /** A factorization of every matrix of a float tensor: [..batch, length of all parts]. */
  factor: { readonly name: Factorization };
  /** x of a·x = b, for a triangular a [..batch, n, n] (the other triangle is not read) and b [..batch, n, k]. */
  triangularSolve: {
    readonly lower: boolean;
    /** The diagonal of `a` is not read and counts as ones. */
    readonly unit: boolean;
  };
  // structure
  /** `tracer`: what a transform differentiates; `stop`: no derivative; `barrier`: never merged with a twin. */
  identity: { readonly tag: "tracer" | "stop" | "barrier" };
  /** A named function of its sources, inlined when lowered; may carry a derivative of its own. */
  call: {
    readonly name: string;
    readonly body: Body;
    readonly rule?: CallRule;
    /**
     * Recompute the body in the backward pass instead of keeping its intermediate values. Calls with one mark are
     * results of one function and are recomputed together.
     */
    readonly recompute?: object;
  };
  /**
   * Second source is an int32 scalar: if it is not negative when the graph runs, `fail` makes the error. A
   * `NumericalWarning` is told to the handler of `onWarning` instead of being thrown.
   */
  check: { readonly fail: (at: number) => Error };
}

/** Name of a primitive. */
export type Primitive = keyof Params;

/** A tensor whose primitive is known. */
export type NodeOf<P extends Primitive> = Tensor & { readonly op: P; readonly params: Params[P] };

/** Names of elementwise primitives by number of operands. */
export type Unary =
  | "neg" | "exp" | "expm1" | "log" | "log1p" | "sin" | "cos" | "tanh" | "atan" | "erf" | "sqrt" | "floor";
export type Binary = "add" | "mul" | "div" | "max" | "pow";
export type Comparison = "less" | "lessEqual" | "equal";

function node<P extends Primitive>(
  op: P,
  sources: readonly Tensor[],
  shape: Shape,
  dtype: DType,
  params: Params[P],
): Tensor {
  return new Tensor(op, sources, shape, dtype, params);
}

const unary =
  (op: Unary, floatOnly = true) =>
  (x: Tensor): Tensor => {
    if (floatOnly && !isFloat(x.dtype)) throw wrongDType(op, x.dtype, "cast it to float32 first");
    return node(op, [x], x.shape, x.dtype, none);
  };

const binary =
  (op: Binary | Comparison, dtype?: DType) =>
  (a: Tensor, b: Tensor): Tensor => {
    checkPair(op, a, b);
    return node(op, [a, b], a.shape, dtype ?? a.dtype, none);
  };

function checkPair(op: string, a: Tensor, b: Tensor): void {
  if (a.dtype !== b.dtype) {
    throw new DTypeError(op, `${a.dtype} and ${b.dtype} do not mix`, {
      expected: a.dtype,
      received: b.dtype,
      hint: `cast one: cast(b, "${a.dtype}")`,
    });
  }
  if (!sameShape(a.shape, b.shape)) {
    throw new ShapeError(op, `operands ${showShape(a.shape)} and ${showShape(b.shape)} differ`, {
      expected: a.shape,
      received: b.shape,
      hint: "broadcast one first",
    });
  }
}

const wrongDType = (op: string, dtype: DType, hint: string): DTypeError =>
  new DTypeError(op, `${dtype} is not supported`, { received: dtype, hint });

const isRange = (xs: Shape): boolean => xs.every((x, i) => x === i);
const allZero = (xs: Shape): boolean => xs.every((x) => x === 0);

/** Refuses what has no factorization: eleven bits would leave nothing of a solution. */
function requireMatrixFloat(op: string, { dtype }: Tensor): void {
  if (!isFloat(dtype) || dtype === "float16") throw wrongDType(op, dtype, "cast it to float32 first");
}

/** A float16 tensor as float32, any other as it is. */
const widened = (x: Tensor): Tensor => (x.dtype === "float16" ? primitive.cast(x, "float32") : x);

/** What adds up in memory needs float32 there: the result is rounded to float16 once, at the end. */
const inFloat32 = (x: Tensor, compute: (wide: Tensor) => Tensor): Tensor =>
  primitive.cast(compute(widened(x)), x.dtype);

/** Builders of the primitives. The only place that makes nodes. */
export const primitive = {
  constant(value: number, shape: Shape = [], dtype: DType = "float32"): Tensor {
    return primitive.broadcast(node("constant", [], [], dtype, { value }), shape, []);
  },
  placeholder: (shape: Shape, dtype: DType): Tensor => node("placeholder", [], shape, dtype, none),
  /** A node that will be given its storage by the caller. */
  buffer: (shape: Shape, dtype: DType): Tensor => node("buffer", noSources, shape, dtype, none),
  iota: (length: number, dtype: DType = "int32"): Tensor => {
    const indices = node("iota", [], [length], "int32", none);
    return primitive.cast(indices, dtype);
  },
  random: (key: Tensor, shape: Shape, stream = 0): Tensor =>
    node("random", [key], [...key.shape.slice(0, -1), ...shape], "uint32", { shape, stream }),

  neg: unary("neg", false),
  exp: unary("exp"),
  expm1: unary("expm1"),
  log: unary("log"),
  log1p: unary("log1p"),
  sin: unary("sin"),
  cos: unary("cos"),
  tanh: unary("tanh"),
  atan: unary("atan"),
  erf: unary("erf"),
  sqrt: unary("sqrt"),
  floor: unary("floor"),
  cast: (x: Tensor, dtype: DType): Tensor =>
    x.dtype === dtype ? x : node("cast", [x], x.shape, dtype, { dtype }),

  add: binary("add"),
  mul: binary("mul"),
  div: binary("div"),
  max: binary("max"),
  pow: binary("pow"),
  less: binary("less", "bool"),
  lessEqual: binary("lessEqual", "bool"),
  equal: binary("equal", "bool"),
  where(condition: Tensor, a: Tensor, b: Tensor): Tensor {
    checkPair("where", a, b);
    if (condition.dtype !== "bool") throw wrongDType("where", condition.dtype, "the condition is bool");
    if (!sameShape(condition.shape, a.shape)) {
      throw new ShapeError("where", `condition ${showShape(condition.shape)} and values ${showShape(a.shape)} differ`, {
        expected: a.shape,
        received: condition.shape,
        hint: "broadcast one first",
      });
    }
    return node("where", [condition, a, b], a.shape, a.dtype, none);
  },

  reshape(x: Tensor, shape: Shape): Tensor {
    if (sameShape(x.shape, shape)) return x;
    if (sizeOf(x.shape) !== sizeOf(shape)) {
      throw new ShapeError(
        "reshape",
        `${showShape(x.shape)} has ${sizeOf(x.shape)} elements, ${showShape(shape)} has ${sizeOf(shape)}`,
        { expected: sizeOf(x.shape), received: sizeOf(shape), hint: "keep the number of elements" },
      );
    }
    return node("reshape", [x], shape, x.dtype, { shape });
  },
  permute: (x: Tensor, permutation: Shape): Tensor =>
    isRange(permutation)
      ? x
      : node("permute", [x], permutation.map((axis) => x.shape[axis]!), x.dtype, { permutation }),
  broadcast: (x: Tensor, shape: Shape, axes: Shape): Tensor =>
    sameShape(x.shape, shape) && isRange(axes)
      ? x
      : node("broadcast", [x], shape, x.dtype, { shape, axes }),
  slice: (x: Tensor, start: Shape, step: Shape, lengths: Shape): Tensor =>
    allZero(start) && step.every((s) => s === 1) && sameShape(lengths, x.shape)
      ? x
      : node("slice", [x], lengths, x.dtype, { start, step, lengths }),
  pad: (x: Tensor, low: Shape, high: Shape, interior: Shape, value = 0): Tensor =>
    allZero(low) && allZero(high) && allZero(interior)
      ? x
      : node(
          "pad",
          [x],
          x.shape.map((d, i) => low[i]! + high[i]! + d + Math.max(0, d - 1) * interior[i]!),
          x.dtype,
          { low, high, interior, value },
        ),
  concat(xs: readonly Tensor[], axis: number): Tensor {
    const first = xs[0]!;
    if (xs.length === 1) return first;
    const length = xs.reduce((sum, x) => sum + x.shape[axis]!, 0);
    return node("concat", xs, first.shape.with(axis, length), first.dtype, { axis });
  },
  window(x: Tensor, size: Shape, step: Shape, dilation: Shape = size.map(() => 1)): Tensor {
    const lead = x.rank - size.length;
    const counts = size.map(
      (k, i) => Math.floor((x.shape[lead + i]! - (k - 1) * dilation[i]! - 1) / step[i]!) + 1,
    );
    return node("window", [x], [...x.shape.slice(0, lead), ...counts, ...size], x.dtype, {
      size,
      step,
      dilation,
    });
  },
  fold: (x: Tensor, size: Shape, step: Shape, dilation: Shape, spatial: Shape): Tensor =>
    inFloat32(x, (wide) =>
      node("fold", [wide], [...x.shape.slice(0, x.rank - 2 * size.length), ...spatial], wide.dtype, {
        size,
        step,
        dilation,
        spatial,
      }),
    ),

  reduce: (x: Tensor, combine: "sum" | "max", axes: Shape): Tensor =>
    axes.length === 0
      ? x
      : node("reduce", [x], otherAxes(x.rank, axes).map((axis) => x.shape[axis]!), x.dtype, {
          combine,
          axes,
        }),
  argmax: (x: Tensor, axis: number): Tensor =>
    node("argmax", [x], x.shape.toSpliced(axis, 1), "int32", { axis }),
  cumsum: (x: Tensor, axis: number, reverse = false): Tensor =>
    inFloat32(x, (wide) => node("cumsum", [wide], x.shape, wide.dtype, { axis, reverse })),
  argsort: (x: Tensor, axis: number, descending = false): Tensor =>
    node("argsort", [widened(x)], x.shape, "int32", { axis, descending }),

  dot(a: Tensor, b: Tensor): Tensor {
    const rank = a.rank;
    if (a.dtype !== b.dtype) checkPair("dot", a, b);
    if (
      rank < 2 ||
      rank !== b.rank ||
      a.shape[rank - 1] !== b.shape[rank - 2] ||
      !sameShape(a.shape.slice(0, -2), b.shape.slice(0, -2))
    ) {
      throw new ShapeError("dot", `${showShape(a.shape)} x ${showShape(b.shape)}: inner or batch dimensions differ`, {
        expected: a.shape,
        received: b.shape,
        hint: "broadcast and transpose first",
      });
    }
    return node("dot", [a, b], [...a.shape.slice(0, -1), b.shape[rank - 1]!], a.dtype, none);
  },
  gather: (x: Tensor, index: Tensor): Tensor =>
    node("gather", [x, index], [...index.shape, ...x.shape.slice(1)], x.dtype, none),
  scatterAdd: (updates: Tensor, index: Tensor, rows: number): Tensor =>
    inFloat32(updates, (wide) =>
      node("scatterAdd", [wide, index], [rows, ...updates.shape.slice(index.rank)], wide.dtype, { rows }),
    ),

  factor(x: Tensor, name: Factorization): Tensor {
    const [m, n] = x.shape.slice(-2) as [number, number];
    const isTall = name === "qr" || name === "svd";
    requireMatrixFloat(name, x);
    if (x.rank < 2 || (isTall ? m < n : m !== n)) {
      throw new ShapeError(name, `a matrix cannot be ${showShape(x.shape)}`, {
        expected: isTall ? "[.., m, n] with m ≥ n" : "[.., n, n]",
        received: x.shape,
        hint: isTall ? "transpose it first" : "give square matrices",
      });
    }
    return node("factor", [x], [...x.shape.slice(0, -2), factorLength(name, m, n)], x.dtype, { name });
  },
  triangularSolve(a: Tensor, b: Tensor, lower: boolean, unit = false): Tensor {
    if (a.dtype !== b.dtype) checkPair("triangularSolve", a, b);
    requireMatrixFloat("triangularSolve", a);
    const n = a.shape[a.rank - 1]!;
    if (a.rank < 2 || !sameShape(a.shape, [...b.shape.slice(0, -1), n]) || a.shape[a.rank - 2] !== n) {
      throw new ShapeError("triangularSolve", `${showShape(a.shape)} does not divide ${showShape(b.shape)}`, {
        expected: "[.., n, n] and [.., n, k]",
        received: [a.shape, b.shape],
        hint: "broadcast first",
      });
    }
    return node("triangularSolve", [a, b], b.shape, b.dtype, { lower, unit });
  },

  identity: (x: Tensor, tag: Params["identity"]["tag"]): Tensor =>
    node("identity", [x], x.shape, x.dtype, { tag }),
  call: (sources: readonly Tensor[], params: Params["call"]): Tensor =>
    node("call", sources, params.body.output.shape, params.body.output.dtype, params),
  check: (x: Tensor, at: Tensor, fail: (at: number) => Error): Tensor =>
    node("check", [x, at], x.shape, x.dtype, { fail }),
} as const;

/** Rebuilds a node over other sources of the same shapes and dtypes. */
export const rebuild = (tensor: Tensor, sources: readonly Tensor[]): Tensor =>
  new Tensor(tensor.op, sources, tensor.shape, tensor.dtype, tensor.params);

/**
 * Nodes under `roots`, every node after its sources. `stop` keeps a node but not what is below it.
 * Iterative: a training loop's graph can be deeper than the call stack.
 */
export function topologicalOrder(
  roots: readonly Tensor[],
  stop?: (node: Tensor) => boolean,
): Tensor[] {
  const order: Tensor[] = [];
  const state = new Map<Tensor, number>();
  const stack: Tensor[] = [];
  for (const root of roots) {
    if (state.has(root)) continue;
    stack.push(root);
    state.set(root, 0);
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const next = state.get(top)!;
      if (next < top.sources.length && !(next === 0 && stop?.(top))) {
        state.set(top, next + 1);
        const source = top.sources[next]!;
        if (!state.has(source)) {
          state.set(source, 0);
          stack.push(source);
        }
      } else {
        stack.pop();
        order.push(top);
      }
    }
  }
  return order;
}
