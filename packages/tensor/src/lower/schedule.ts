/**
 * Decides which values get a buffer and drafts one kernel (or a few) for each of them. Everything else is computed
 * where it is read. Joining drafts that walk over the same elements is the business of `merge.ts`.
 */
import { axesOf, otherAxes, sizeOf, stridesOf } from "../core/shape.ts";
import { limitReads } from "./bindings.ts";
import type { Draft } from "./draft.ts";
import { orderOf } from "./ir.ts";
import { type Operation, type Value, is } from "./value.ts";
import type { Affine, Stage } from "./program.ts";
import { axisRoutine, matrixRoutine } from "./routine.ts";
import { NeedsBuffer, Tracer, isElementwise, isMovement } from "./trace.ts";
import { Nest, SplitAxis, combine, constantIndex } from "./views.ts";

/** Drafts in an order in which they can run, and the values that have buffers, by id. */
export interface Schedule {
  readonly drafts: readonly Draft[];
  readonly stored: ReadonlyMap<number, Value>;
}

/** Cost of computing one element again, in units of an addition. */
const flops: Partial<Record<Operation, number>> = {
  exp: 10, expm1: 14, log: 10, log1p: 14, sin: 14, cos: 14, tanh: 14, atan: 14, erf: 16, pow: 30,
  div: 4, sqrt: 4, random: 80, gather: 6, floor: 1,
};
/** An expression at least this costly is stored rather than computed in two kernels. */
const WORTH_STORING = 4;
/** An expression at least this costly is stored rather than computed again for every broadcast copy. */
const WORTH_STORING_BROADCAST = 4;
/** Inlining stops at this many different operations per element, so that no kernel grows without bound. */
const LARGEST_BODY = 400;

const isAnchor = (value: Value): boolean =>
  !isElementwise(value) &&
  !isMovement(value) &&
  !(is(value, "constant") || is(value, "iota") || is(value, "random") || is(value, "gather") || is(value, "input"));

export interface ScheduleOptions {
  /** `false` gives every value a buffer of its own. */
  readonly fuse: boolean;
  /** Buffers one kernel may take. */
  readonly maxBindings: number;
}

/** Schedules the kernels that compute `outputs`. */
export function schedule(outputs: readonly Value[], options: ScheduleOptions): Schedule {
  const order = orderOf(outputs);
  const wanted = new Set<Value>(outputs.filter((value) => value.op !== "input"));
  const apart = new Set([...wanted, ...order.filter((value) => value.op === "input")]);
  chooseStored(order, wanted, options.fuse);
  limitReads(order, wanted, apart, options.maxBindings);

  const drafts: Draft[] = [];
  const stored = new Map<number, Value>();
  const inputs = order.filter((value) => value.op === "input");
  for (const value of inputs) stored.set(value.id, value);
  const isStored = (value: Value) => stored.has(value.id);

  const store = (value: Value): void => {
    for (;;) {
      try {
        const made = draftsFor(value, isStored);
        stored.set(value.id, value);
        drafts.push(...made);
        return;
      } catch (request) {
        if (!(request instanceof NeedsBuffer)) throw request;
        store(request.value);
      }
    }
  };
  for (const value of order) if (wanted.has(value) && !isStored(value)) store(value);
  return { drafts, stored };
}

/** Adds to `wanted` every value that should have a buffer. */
function chooseStored(order: readonly Value[], wanted: Set<Value>, fuse: boolean): void {
  const consumers = new Map<Value, Value[]>(order.map((value) => [value, []]));
  for (const value of order) for (const source of value.sources) consumers.get(source)!.push(value);
  const cost = new Map<Value, number>();
  /** Cost where what is costly and read elsewhere too has a buffer, as it will if this value is computed twice. */
  const added = new Map<Value, number>();
  const bodies = new Map<Value, ReadonlySet<number>>();
  for (const value of order) {
    const crop = fuse && !wanted.has(value) ? cropOf(value, consumers.get(value)!) : undefined;
    if (crop) wanted.add(crop);
    else if (isAnchor(value) || (!fuse && isElementwise(value))) wanted.add(value);
    for (const source of value.sources.map((operand) => underViews(value, operand))) {
      if (mustRead(value, source)) wanted.add(source);
    }
    const inlined = value.sources.filter((source) => source.op !== "input" && !wanted.has(source));
    const own = isElementwise(value) ? (flops[value.op] ?? 1) : value.op === "random" || value.op === "gather" ? flops[value.op]! : 0;
    cost.set(value, own + sum(inlined.map((source) => cost.get(source)!)));
    const willBeRead = (source: Value): boolean =>
      cost.get(source)! >= WORTH_STORING && !isMovement(source) && consumers.get(source)!.some((each) => each !== value);
    added.set(value, own + sum(inlined.map((source) => (willBeRead(source) ? 0 : added.get(source)!))));
    const body = bodyOf(value, inlined, bodies);
    bodies.set(value, body);
    if (body.size > LARGEST_BODY && isElementwise(value)) wanted.add(value);
  }
  // Backwards: where does an unstored value end up being computed?
  const sinks = new Map<Value, Set<Value>>();
  for (const value of order.toReversed()) {
    const ends = new Set<Value>();
    let copied = false;
    for (const consumer of consumers.get(value)!) {
      if (isMovement(consumer)) {
        ends.add(consumer);
        copied ||= is(consumer, "broadcast") && sizeOf(consumer.shape) > sizeOf(value.shape);
      } else if (wanted.has(consumer)) ends.add(consumer);
      else for (const end of sinks.get(consumer)!) ends.add(end);
    }
    sinks.set(value, ends);
    if (value.op === "input" || wanted.has(value) || isMovement(value)) continue;
    if (ends.size > 1 && added.get(value)! >= WORTH_STORING) wanted.add(value);
    if (copied && cost.get(value)! >= WORTH_STORING_BROADCAST) wanted.add(value);
  }
}

/**
 * The scalar operations that computing one element of `value` takes, as hashes: an operation met twice at one index is
 * one, but each view reads at an index of its own.
 */
function bodyOf(value: Value, inlined: readonly Value[], bodies: ReadonlyMap<Value, ReadonlySet<number>>): Set<number> {
  const body = new Set([value.id]);
  const tag = isMovement(value) ? value.id + 1 : 0;
  for (const source of inlined) {
    for (const operation of bodies.get(source)!) body.add(tag === 0 ? operation : Math.imul(operation ^ tag, 0x9e3779b1) | 0);
  }
  return body;
}

/** What a product reads behind the views of its operand: the views stay views, only the arithmetic is stored. */
function underViews(value: Value, source: Value): Value {
  let under = source;
  while (value.op === "dot" && isMovement(under)) under = under.sources[0]!;
  return under;
}

/** True where `value` can only read `source` from a buffer. */
function mustRead(value: Value, source: Value): boolean {
  switch (value.op) {
    case "gather":
      return source === value.sources[0] && source.op !== "input";
    case "cumsum":
    case "argsort":
    case "factor":
    case "triangularSolve":
      return true;
    case "dot":
      // Operands are read in place through any view while they are packed; arithmetic is done once, before.
      return isElementwise(source) || source.op === "random" || source.op === "gather";
    default:
      return false;
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

type IsStored = (value: Value) => boolean;

/** A sum of overlapping windows that step by one, which can be computed at any of its positions alone. */
const isWindowSum = (value: Value<"fold">): boolean =>
  !isMovement(value) && value.params.step.every((step) => step === 1);

/** The part of a window sum that is all anybody reads, as where a convolution leaves the padding of its image. */
const cropOf = (value: Value, consumers: readonly Value[]): Value<"slice"> | undefined =>
  is(value, "fold") && isWindowSum(value) && consumers.length === 1 && is(consumers[0]!, "slice")
    ? consumers[0]
    : undefined;

/** Calls `build` with a nest of the given axes, splitting loop axes until every index is affine. */
function withNest<T>(lengths: readonly number[], build: (nest: Nest) => T): T {
  const nest = new Nest(lengths);
  for (;;) {
    try {
      return build(nest);
    } catch (request) {
      if (!(request instanceof SplitAxis)) throw request;
      nest.split(request);
    }
  }
}

/** The address of element `indices` of a row-major buffer. */
const address = (value: Value, indices: readonly Affine[], rank: number): Affine =>
  combine(indices, stridesOf(value.shape), rank);

/** Kernels that compute a value into its buffer. */
function draftsFor(value: Value, isStored: IsStored): Draft[] {
  if (sizeOf(value.shape) === 0) return [];
  if (is(value, "reduce")) return [reduction(value, value.params.combine, value.params.axes, isStored)];
  if (is(value, "argmax")) return [reduction(value, "argmax", [value.params.axis], isStored)];
  if (is(value, "dot")) return [contraction(value, isStored)];
  if (is(value, "scatterAdd")) return [scatter(value, isStored)];
  if (is(value, "slice")) {
    const source = value.sources[0]!;
    if (is(source, "fold") && isWindowSum(source) && !isStored(source)) {
      return [windowSum(value, source, value.params, isStored)];
    }
  }
  if (is(value, "fold") && !isMovement(value)) return [folding(value, isStored)];
  if (is(value, "concat")) return concatenation(value, isStored);
  if (is(value, "pad") && !isMovement(value)) return interiorPadding(value, isStored);
  if (is(value, "cumsum")) return [axisRoutine(value, value.params.axis, value.params.reverse, isStored)];
  if (is(value, "argsort")) return [axisRoutine(value, value.params.axis, value.params.descending, isStored)];
  if (is(value, "factor") || is(value, "triangularSolve")) return [matrixRoutine(value, isStored)];
  return [map(value, value, isStored)];
}

/** Writes `source` into `target`'s buffer; `place` turns indices of `source` into indices of `target`. */
function map(
  target: Value,
  source: Value,
  isStored: IsStored,
  place: (indices: readonly Affine[], rank: number) => readonly Affine[] = (same) => same,
): Draft {
  return withNest(source.shape, (nest) => {
    const outer = nest.lengths();
    const indices = nest.indices();
    const tracer = new Tracer(outer, isStored);
    const body = tracer.trace(source, indices, target);
    const at = address(target, place(indices, outer.length), outer.length);
    return { kind: "loop", outer, inner: [], stages: [{ kind: "store", level: "outer", arg: target.id, at, body }] };
  });
}

function reduction(
  value: Value,
  combine: "sum" | "max" | "argmax",
  axes: readonly number[],
  isStored: IsStored,
): Draft {
  const source = value.sources[0]!;
  const kept = otherAxes(source.shape.length, axes);
  const lengths = [...kept, ...axes].map((axis) => source.shape[axis]!);
  return withNest(lengths, (nest) => {
    const rank = nest.lengths().length;
    const loops = nest.indices();
    const indices = new Array<Affine>(source.shape.length);
    [...kept, ...axes].forEach((axis, i) => (indices[axis] = loops[i]!));
    const body = new Tracer(nest.lengths(), isStored).trace(source, indices);
    const stages: Stage[] = [
      { kind: "reduce", combine, dtype: value.dtype, body },
      {
        kind: "store",
        level: "outer",
        arg: value.id,
        at: address(value, loops.slice(0, kept.length), rank),
        body: { op: "result", dtype: value.dtype, stage: 0 },
      },
    ];
    return { kind: "loop", outer: nest.lengths(0, kept.length), inner: nest.lengths(kept.length), stages };
  });
}

function contraction(value: Value, isStored: IsStored): Draft {
  const [lhs, rhs] = value.sources as [Value, Value];
  const b = value.shape.length - 2;
  const [m, n, k] = [value.shape[b]!, value.shape[b + 1]!, lhs.shape[b + 1]!];
  return withNest([...value.shape.slice(0, b), m, n, k], (nest) => {
    const rank = nest.lengths().length;
    const loops = nest.indices();
    const batch = loops.slice(0, b);
    const [row, column, inner] = loops.slice(b) as [Affine, Affine, Affine];
    const tracer = new Tracer(nest.lengths(), isStored);
    return {
      kind: "contract",
      dtype: value.dtype,
      batch: nest.lengths(0, b),
      m: nest.lengths(b, b + 1),
      n: nest.lengths(b + 1, b + 2),
      k: nest.lengths(b + 2, b + 3),
      lhs: tracer.trace(lhs, [...batch, row, inner]),
      rhs: tracer.trace(rhs, [...batch, inner, column]),
      stores: [
        {
          arg: value.id,
          at: address(value, [...batch, row, column], rank),
          body: { op: "result", dtype: value.dtype, stage: 0 },
        },
      ],
    };
  });
}

function scatter(value: Value<"scatterAdd">, isStored: IsStored): Draft {
  const [updates, index] = value.sources as [Value, Value];
  const lead = index.shape.length;
  return withNest(updates.shape, (nest) => {
    const axes = nest.lengths();
    const indices = nest.indices();
    const tracer = new Tracer(axes, isStored);
    const row = tracer.trace(index, indices.slice(0, lead));
    return {
      kind: "scatter",
      axes,
      arg: value.id,
      at: address(value, [constantIndex(0, axes.length), ...indices.slice(lead)], axes.length),
      indirect: [{ index: row, stride: stridesOf(value.shape)[0]!, size: value.params.rows }],
      body: tracer.trace(updates, indices),
    };
  });
}

/** A window sum, or part of it: `target` has the element of `value` at start + step · index. */
function windowSum(
  target: Value,
  value: Value<"fold">,
  { start, step }: { readonly start: readonly number[]; readonly step: readonly number[] },
  isStored: IsStored,
): Draft {
  const { size, dilation } = value.params;
  const source = value.sources[0]!;
  const rank = value.shape.length;
  const lead = rank - size.length;
  const counts = source.shape.slice(lead, rank);
  return withNest([...target.shape, ...size], (nest) => {
    const lengths = nest.lengths();
    const loops = nest.indices();
    const places = value.shape.map((_, axis) => combine([loops[axis]!], [step[axis]!], lengths.length, start[axis]!));
    const offsets = loops.slice(rank);
    const windows = size.map((_, i) => combine([places[lead + i]!, offsets[i]!], [1, -dilation[i]!], lengths.length));
    const conditions = windows.map((window, i) => ({ ...window, below: counts[i]! }));
    const indices = [...places.slice(0, lead), ...windows, ...offsets];
    const body = new Tracer(lengths, isStored).traceWhere(source, indices, conditions);
    const at = address(target, loops.slice(0, rank), lengths.length);
    return {
      kind: "loop",
      outer: nest.lengths(0, rank),
      inner: nest.lengths(rank),
      stages: [
        { kind: "reduce", combine: "sum", dtype: value.dtype, body },
        { kind: "store", level: "outer", arg: target.id, at, body: { op: "result", dtype: value.dtype, stage: 0 } },
      ],
    };
  });
}

/** Overlapping windows: a sum over the windows that cover a position, if those are affine; else a scatter. */
function folding(value: Value<"fold">, isStored: IsStored): Draft {
  const { size, step, dilation } = value.params;
  const source = value.sources[0]!;
  const spatial = size.length;
  const lead = value.shape.length - spatial;
  if (isWindowSum(value)) {
    const whole = { start: value.shape.map(() => 0), step: value.shape.map(() => 1) };
    return windowSum(value, value, whole, isStored);
  }
  return withNest(source.shape, (nest) => {
    const axes = nest.lengths();
    const loops = nest.indices();
    const positions = size.map((_, i) =>
      combine([loops[lead + i]!, loops[lead + spatial + i]!], [step[i]!, dilation[i]!], axes.length),
    );
    return {
      kind: "scatter",
      axes,
      arg: value.id,
      at: address(value, [...loops.slice(0, lead), ...positions], axes.length),
      indirect: [],
      body: new Tracer(axes, isStored).trace(source, loops),
    };
  });
}

function concatenation(value: Value<"concat">, isStored: IsStored): Draft[] {
  const { axis } = value.params;
  let offset = 0;
  return value.sources.flatMap((source) => {
    const start = offset;
    offset += source.shape[axis]!;
    if (sizeOf(source.shape) === 0) return [];
    return [
      map(value, source, isStored, (indices, rank) =>
        indices.map((index, i) => (i === axis ? combine([index], [1], rank, start) : index)),
      ),
    ];
  });
}

/** Elements between neighbours: fill everything, then write every (interior + 1)-th element. */
function interiorPadding(value: Value<"pad">, isStored: IsStored): Draft[] {
  const { low, high, interior, value: fill } = value.params;
  const source = value.sources[0]!;
  const outer = [sizeOf(value.shape)];
  const background: Draft = {
    kind: "loop",
    outer,
    inner: [],
    stages: [
      {
        kind: "store",
        level: "outer",
        arg: value.id,
        at: { offset: 0, strides: [1] },
        body: new Tracer(outer, isStored).constant(fill, value.dtype),
      },
    ],
  };
  if (sizeOf(source.shape) === 0) return [background];
  const crop = axesOf(source.shape.length).map((axis) => {
    // Negative padding cuts elements off; only those that stay inside are written.
    const every = interior[axis]! + 1;
    const first = Math.max(0, Math.ceil(-low[axis]! / every));
    const last = Math.min(source.shape[axis]! - 1, Math.floor((value.shape[axis]! - 1 - low[axis]!) / every));
    return { first, length: Math.max(0, last - first + 1), every, cut: high[axis]! };
  });
  if (crop.some(({ length }) => length === 0)) return [background];
  const kept: Value = {
    ...source,
    id: -1,
    op: "slice",
    sources: [source],
    shape: crop.map(({ length }) => length),
    params: { start: crop.map(({ first }) => first), step: crop.map(() => 1), lengths: crop.map(({ length }) => length) },
  };
  return [
    background,
    map(value, kept, isStored, (indices, rank) =>
      indices.map((index, axis) =>
        combine([index], [crop[axis]!.every], rank, low[axis]! + crop[axis]!.first * crop[axis]!.every),
      ),
    ),
  ];
}
