/**
 * Every derivative of the library. A row lists, for each source of a primitive, the linear map that carries a small
 * change of that source to the change of the result, or null where there is none: `jvp` applies the maps, `vjp`
 * transposes them, so the two modes cannot disagree. A map also says what becomes of a mask (`mask.ts`). The table is a mapped type over the primitives: a missing row
 * does not compile. Rows read sources and parameters when they are asked for (a node may forget its sources once it is
 * evaluated) and build factors only when a map is used. The walks over a graph are in `tape.ts`.
 */
import {
  type Body,
  type LinearMap,
  type NodeOf,
  type Primitive,
  type Shape,
  type Tensor,
  inversePermutation,
  isFloat,
  otherAxes,
  primitive,
} from "@dormouse/tensor/graph";
import { factorMap, swapLast, triangle } from "./factorization.ts";
import { inline, inlineAll } from "./inline.ts";
import { lazy, remember } from "./lazy.ts";
import { type Mask, type MaskedMap, both, constantOf, not, withoutAxes } from "./mask.ts";

/** One linear map, or null, for each source of a node. */
export type LinearMaps = readonly (MaskedMap | null)[];

/** The walks of `tape.ts`, which this table drives: handed in, so that a call is differentiated through its body. */
export type Walks = Pick<typeof import("./tape.ts"), "record" | "pull" | "push">;

/** The derivative of one primitive. */
export type Rule<P extends Primitive> = (y: NodeOf<P>, walks: Walks) => LinearMaps;

const { add, mul, div, neg, where, constant } = primitive;
const subtract = (a: Tensor, b: Tensor): Tensor => add(a, neg(b));
const like = (x: Tensor, value: number): Tensor => constant(value, x.shape, x.dtype);

/** A map that is its own transpose: anything elementwise. */
const symmetric = (map: (t: Tensor) => Tensor, mask: MaskedMap["mask"] = "same"): MaskedMap =>
  ({ apply: map, transpose: map, mask });
const linear = (apply: LinearMap["apply"], transpose: LinearMap["transpose"], mask?: (given: Mask) => Mask): MaskedMap =>
  (mask ? { apply, transpose, mask } : { apply, transpose });
/** A map whose transpose copies elements and fills up with zeros: it does the same to a mask. */
const movement = (apply: LinearMap["apply"], transpose: LinearMap["transpose"]): MaskedMap =>
  linear(apply, transpose, (given) => given && transpose(given));
const same = symmetric((t) => t);
const negated = symmetric(neg);

function times(factor: () => Tensor): MaskedMap {
  const made = lazy(factor);
  return { ...symmetric((t) => mul(t, made())), risky: true };
}
function over(divisor: () => Tensor): MaskedMap {
  const made = lazy(divisor);
  return { ...symmetric((t) => div(t, made())), risky: true };
}
/** A product or quotient with an operand: a constant one, as a scale, is known to leave zero zero. */
const timesOperand = (factor: Tensor): MaskedMap =>
  Number.isFinite(constantOf(factor)) ? symmetric((t) => mul(t, factor)) : times(() => factor);
const overOperand = (divisor: Tensor): MaskedMap =>
  constantOf(divisor) ? symmetric((t) => div(t, divisor)) : over(() => divisor);

/** Rows of primitives that are constant, or step from constant to constant. */
const flat = (y: Tensor): LinearMaps => y.sources.map(() => null);
const one = (y: Tensor): Tensor => y.sources[0]!;
const two = (y: Tensor): readonly [Tensor, Tensor] => [y.sources[0]!, y.sources[1]!];

/** The transpose of `slice`: puts `ct` back where its elements came from, zero elsewhere. */
function unslice(ct: Tensor, source: Shape, start: Shape, step: Shape): Tensor {
  const last = ct.shape.map((length) => length - 1);
  const low: number[] = [];
  const high: number[] = [];
  source.forEach((length, axis) => {
    const first = Math.min(start[axis]!, start[axis]! + last[axis]! * step[axis]!);
    low.push(last[axis]! < 0 ? length : first);
    high.push(last[axis]! < 0 ? 0 : length - first - 1 - last[axis]! * Math.abs(step[axis]!));
  });
  const backwards = step.map((k, axis) => k < 0 && last[axis]! > 0);
  const ascending = primitive.slice(
    ct,
    last.map((at, axis) => (backwards[axis] ? at : 0)),
    backwards.map((flip) => (flip ? -1 : 1)),
    ct.shape,
  );
  return primitive.pad(ascending, low, high, step.map((k) => Math.abs(k) - 1));
}

/** `index` moved into [0, rows), as `gather` reads it. */
export function clampIndex(index: Tensor, rows: number): Tensor {
  const notTooLarge = where(primitive.less(index, like(index, rows)), index, like(index, rows - 1));
  return primitive.max(notTooLarge, like(index, 0));
}

/** True where `index` names a row, so that `scatterAdd` does not drop it. */
export const namesRow = (index: Tensor, rows: number): Tensor =>
  where(
    primitive.less(index, like(index, rows)),
    primitive.lessEqual(like(index, 0), index),
    constant(0, index.shape, "bool"),
  );

/** A call without a rule: walk the body. Both modes share one copy of it; `lower` merges that copy with the call's. */
function throughBody(y: Tensor, body: Body, recompute: boolean, { record, pull, push }: Walks): LinearMaps {
  const sources = y.sources;
  const differentiable = sources.map((source) => isFloat(source.dtype));
  const open = (tag: "tracer" | "barrier") => {
    const inputs = sources.map((source) => primitive.identity(source, tag));
    const outputs = [inline(body, inputs)];
    return { inputs, outputs, tape: record(outputs, inputs.filter((_, k) => differentiable[k])) };
  };
  const forward = lazy(() => open("tracer"));
  const reverse = recompute ? lazy(() => open("barrier")) : forward;
  // One reverse walk gives the cotangents of all sources; the walk over the caller asks for them one by one.
  const cotangents = remember((ct: Tensor) => pull(reverse().tape, reverse().outputs, [ct]));
  const transpose = (k: number) => (ct: Tensor): Tensor =>
    cotangents(ct).get(reverse().inputs[k]!) ?? like(sources[k]!, 0);
  const apply = (k: number) => (t: Tensor): Tensor => {
    const { inputs, outputs, tape } = forward();
    return push(tape, new Map([[inputs[k]!, t]])).get(outputs[0]!) ?? like(y, 0);
  };
  return sources.map((_, k) => (differentiable[k] ? linear(apply(k), transpose(k)) : null));
}

/**
 * Reverse mode through several results of one recomputed function: from their cotangents (null for zero) to those of
 * its sources. The function runs again once, and is walked once, for all of them.
 */
export function recomputedTogether(
  calls: readonly NodeOf<"call">[],
  { record, pull }: Walks,
): (cotangents: readonly (Tensor | null)[]) => (Tensor | null)[] {
  const bodies = calls.map(({ params }) => params.body);
  const { sources } = calls[0]!;
  const open = lazy(() => {
    const inputs = sources.map((source) => primitive.identity(source, "barrier"));
    const outputs = inlineAll(bodies, inputs);
    return { inputs, outputs, tape: record(outputs, inputs.filter(({ dtype }) => isFloat(dtype))) };
  });
  return (cotangents) => {
    const { inputs, outputs, tape } = open();
    const pulled = pull(tape, outputs, cotangents);
    return inputs.map((input) => pulled.get(input) ?? null);
  };
}

/** The derivative of every primitive. */
export const derivative: { readonly [P in Primitive]: Rule<P> } = {
  constant: flat,
  buffer: flat,
  placeholder: flat,
  iota: flat,
  random: flat,

  neg: () => [negated],
  exp: (y) => [times(() => y)],
  expm1: (y) => [times(() => add(y, like(y, 1)))],
  log: (y) => {
    const x = one(y);
    return [over(() => x)];
  },
  log1p: (y) => {
    const x = one(y);
    return [over(() => add(x, like(x, 1)))];
  },
  sin: (y) => {
    const x = one(y);
    return [times(() => primitive.cos(x))];
  },
  cos: (y) => {
    const x = one(y);
    return [times(() => neg(primitive.sin(x)))];
  },
  // (1 − y)(1 + y): 1 − y is exact near saturation, where 1 − y² would round y² first.
  tanh: (y) => [times(() => mul(subtract(like(y, 1), y), add(like(y, 1), y)))],
  atan: (y) => {
    const x = one(y);
    return [over(() => add(mul(x, x), like(x, 1)))];
  },
  erf: (y) => {
    const x = one(y);
    return [times(() => mul(primitive.exp(neg(mul(x, x))), like(x, 2 / Math.sqrt(Math.PI))))];
  },
  sqrt: (y) => [over(() => mul(y, like(y, 2)))],
  floor: flat,
  cast: (y) => {
    const from = one(y).dtype;
    if (!isFloat(from) || !isFloat(y.dtype)) return [null];
    const to = y.dtype;
    return [{ ...linear((t) => primitive.cast(t, to), (ct) => primitive.cast(ct, from)), mask: "same" }];
  },

  add: () => [same, same],
  mul: (y) => {
    const [a, b] = two(y);
    return [timesOperand(b), timesOperand(a)];
  },
  div: (y) => {
    const b = two(y)[1];
    return [overOperand(b), times(() => neg(div(y, b)))];
  },
  // Equal operands get half each. Selected, not multiplied: an infinite cotangent must not meet a zero.
  max: (y) => {
    const [a, b] = two(y);
    const tie = lazy(() => primitive.equal(a, b));
    const share = (mine: Tensor, other: Tensor): MaskedMap => {
      const loses = lazy(() => primitive.less(mine, other));
      const half = (t: Tensor): Tensor => where(loses(), like(t, 0), where(tie(), mul(t, like(t, 0.5)), t));
      return symmetric(half, (given) => both(given, not(loses())));
    };
    return [share(a, b), share(b, a)];
  },
  // b·a^(b−1) and a^b·log a, with 0 where the textbook forms read 0·∞: in the base at b = 0, in the exponent at a = 0
  // while b ≥ 0. The dangerous operand is replaced before it is used, so that higher orders are clean too.
  pow: (y) => {
    const [a, b] = two(y);
    const base = (): Tensor => {
      const safe = where(primitive.equal(b, like(b, 0)), like(b, 1), b);
      return mul(b, primitive.pow(a, subtract(safe, like(b, 1))));
    };
    const exponent = (): Tensor => {
      const vanishes = primitive.lessEqual(like(b, 0), b);
      const safe = where(primitive.equal(a, like(a, 0)), where(vanishes, like(a, 1), a), a);
      return mul(y, primitive.log(safe));
    };
    return [times(base), times(exponent)];
  },
  less: flat,
  lessEqual: flat,
  equal: flat,
  where: (y) => {
    const condition = one(y);
    return [
      null,
      symmetric((t) => where(condition, t, like(t, 0)), (given) => both(given, condition)),
      symmetric((t) => where(condition, like(t, 0), t), (given) => both(given, not(condition))),
    ];
  },

  reshape: (y) => {
    const [from, to] = [one(y).shape, y.shape];
    return [movement((t) => primitive.reshape(t, to), (ct) => primitive.reshape(ct, from))];
  },
  permute: (y) => {
    const { permutation } = y.params;
    const inverse = inversePermutation(permutation);
    return [movement((t) => primitive.permute(t, permutation), (ct) => primitive.permute(ct, inverse))];
  },
  broadcast: (y) => {
    const { shape, axes } = y.params;
    const added = otherAxes(shape.length, axes);
    // `reduce` leaves the kept axes in the order of the result; `axes` need not be ascending.
    const kept = axes.toSorted((i, j) => i - j);
    const back = axes.map((axis) => kept.indexOf(axis));
    return [
      linear(
        (t) => primitive.broadcast(t, shape, axes),
        (ct) => primitive.permute(primitive.reduce(ct, "sum", added), back),
        (given) => {
          const kept = withoutAxes(given, added);
          return kept && primitive.permute(kept, back);
        },
      ),
    ];
  },
  slice: (y) => {
    const { start, step, lengths } = y.params;
    const from = one(y).shape;
    return [
      movement(
        (t) => primitive.slice(t, start, step, lengths),
        (ct) => unslice(ct, from, start, step),
      ),
    ];
  },
  pad: (y) => {
    const { low, high, interior } = y.params;
    const from = one(y).shape;
    return [
      movement(
        (t) => primitive.pad(t, low, high, interior),
        (ct) => primitive.slice(ct, low, interior.map((gap) => gap + 1), from),
      ),
    ];
  },
  concat: (y) => {
    const { axis } = y.params;
    const zero = y.shape.map(() => 0);
    const unit = y.shape.map(() => 1);
    let offset = 0;
    return y.sources.map(({ shape }) => {
      const low = zero.with(axis, offset);
      offset += shape[axis]!;
      const high = zero.with(axis, y.shape[axis]! - offset);
      return movement(
        (t) => primitive.pad(t, low, high, zero),
        (ct) => primitive.slice(ct, low, unit, shape),
      );
    });
  },
  window: (y) => {
    const { size, step, dilation } = y.params;
    const spatial = one(y).shape.slice(-size.length);
    return [
      linear(
        (t) => primitive.window(t, size, step, dilation),
        (ct) => primitive.fold(ct, size, step, dilation, spatial),
      ),
    ];
  },
  fold: (y) => {
    const { size, step, dilation, spatial } = y.params;
    const from = one(y).shape;
    return [
      movement(
        (t) => primitive.fold(t, size, step, dilation, spatial),
        // `spatial` may have room for more windows than were folded.
        (ct) =>
          primitive.slice(
            primitive.window(ct, size, step, dilation),
            from.map(() => 0),
            from.map(() => 1),
            from,
          ),
      ),
    ];
  },

  reduce: (y) => {
    const { combine, axes } = y.params;
    const x = one(y);
    const kept = otherAxes(x.rank, axes);
    const sum = (t: Tensor): Tensor => primitive.reduce(t, "sum", axes);
    const spread = (t: Tensor): Tensor => primitive.broadcast(t, x.shape, kept);
    if (combine === "sum") return [movement(sum, spread)];
    // All elements that attain the maximum share equally.
    const attains = lazy(() => primitive.equal(x, spread(y)));
    const count = lazy(() => sum(primitive.cast(attains(), y.dtype)));
    const chosen = (t: Tensor): Tensor => where(attains(), t, like(t, 0));
    return [
      linear(
        (t) => div(sum(chosen(t)), count()),
        (ct) => chosen(spread(div(ct, count()))),
        (given) => both(given && spread(given), attains()),
      ),
    ];
  },
  argmax: flat,
  cumsum: (y) => {
    const { axis, reverse } = y.params;
    return [
      linear(
        (t) => primitive.cumsum(t, axis, reverse),
        (ct) => primitive.cumsum(ct, axis, !reverse),
      ),
    ];
  },
  argsort: flat,

  dot: (y) => {
    const [a, b] = two(y);
    return [
      linear((t) => primitive.dot(t, b), (ct) => primitive.dot(ct, swapLast(b))),
      linear((t) => primitive.dot(a, t), (ct) => primitive.dot(swapLast(a), ct)),
    ];
  },
  // `gather` clamps an index outside and `scatterAdd` drops it: each transpose says what the other would not.
  gather: (y) => {
    const [x, index] = two(y);
    const rows = x.shape[0]!;
    return [
      linear(
        (t) => primitive.gather(t, index),
        (ct) => primitive.scatterAdd(ct, clampIndex(index, rows), rows),
      ),
      null,
    ];
  },
  scatterAdd: (y) => {
    const { rows } = y.params;
    const [updates, index] = two(y);
    return [
      linear(
        (t) => primitive.scatterAdd(t, index, rows),
        (ct) => {
          if (rows === 0) return like(updates, 0);
          const kept = primitive.broadcast(namesRow(index, rows), updates.shape, [...index.shape.keys()]);
          return where(kept, primitive.gather(ct, index), like(updates, 0));
        },
      ),
      null,
    ];
  },

  factor: (y, walks) => [factorMap(y, walks)],
  // a·dx = db − da·x, where only the triangle of da counts.
  triangularSolve: (y) => {
    const { lower, unit } = y.params;
    const a = one(y);
    const solve = (right: Tensor): Tensor => primitive.triangularSolve(a, right, lower, unit);
    const solveTransposed = remember((ct: Tensor) => primitive.triangularSolve(swapLast(a), ct, !lower, unit));
    const side = (t: Tensor): Tensor => triangle(t, lower ? "lower" : "upper", unit ? "strict" : "whole");
    return [
      linear(
        (t) => neg(solve(primitive.dot(side(t), y))),
        (ct) => neg(side(primitive.dot(solveTransposed(ct), swapLast(y)))),
      ),
      linear(solve, solveTransposed),
    ];
  },

  identity: (y) => [y.params.tag === "stop" ? null : same],
  call: (y, walks) => {
    const { body, rule, recompute } = y.params;
    return rule ? rule(y.sources, y) : throughBody(y, body, recompute !== undefined, walks);
  },
  // What is checked stays checked: a gradient may be computed where the value is not.
  check: (y) => {
    const [position, { fail }] = [two(y)[1], y.params];
    return [symmetric((t) => primitive.check(t, position, fail)), null];
  },
};

/** The linear maps of a node, whatever its primitive. Integer and bool nodes have none. */
export const linearMaps = (node: Tensor, walks: Walks): LinearMaps =>
  isFloat(node.dtype)
    ? (derivative[node.op] as (y: Tensor, walks: Walks) => LinearMaps)(node, walks)
    : flat(node);
