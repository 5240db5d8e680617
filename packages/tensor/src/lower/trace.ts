/**
 * Turns a value at given indices into a scalar expression: elementwise operations become scalar operations, movement
 * becomes index arithmetic, values that have a buffer become loads (`arg` is the value's id until `finish` numbers
 * the arguments). A value that cannot be read in place asks for a buffer by `NeedsBuffer`.
 */
import { type DType, computedIn, roundTo } from "../core/dtype.ts";
import { type Shape, sizeOf, stridesOf } from "../core/shape.ts";
import { type Operation, type Value, is } from "./value.ts";
import type { Affine, Condition, Indirect, Scalar, ScalarOp } from "./program.ts";
import { combine, constantIndex, rangeOf, reshapeIndices } from "./views.ts";

/** Thrown where `value` must be stored before the kernel that is being built can read it. */
export class NeedsBuffer {
  readonly value: Value;
  constructor(value: Value) {
    this.value = value;
  }
}

const elementwise = new Set<Operation>([
  "neg", "exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "atan", "erf", "sqrt", "floor", "cast",
  "add", "mul", "div", "max", "pow", "less", "lessEqual", "equal", "where",
]);
const movement = new Set<Operation>(["reshape", "permute", "broadcast", "slice", "pad", "window", "barrier"]);

/** True for operations that combine elements at one index. */
export const isElementwise = (value: Value): boolean => elementwise.has(value.op);

/** True for a fold whose windows lie side by side: it only moves elements. */
export function isTiling(value: Value): boolean {
  if (!is(value, "fold")) return false;
  const { size, step, dilation, spatial } = value.params;
  const source = value.sources[0]!.shape;
  const counts = source.slice(-2 * size.length);
  return size.every((k, i) => step[i] === k && dilation[i] === 1 && counts[i]! * k === spatial[i]);
}

/** True for operations that only move elements, so that reading them costs index arithmetic and nothing else. */
export const isMovement = (value: Value): boolean =>
  (movement.has(value.op) && !(is(value, "pad") && value.params.interior.some((n) => n > 0))) || isTiling(value);

/** Where a value is read: indices per axis and the conditions under which they are inside. */
interface Frame {
  readonly indices: readonly Affine[];
  readonly valid: readonly Condition[];
  readonly known: Map<Value, Scalar>;
}

/** Traces values for one kernel with loop axes of the given lengths. */
export class Tracer {
  readonly #lengths: Shape;
  readonly #stored: (value: Value) => boolean;
  readonly #frames = new Map<string, Frame>();
  readonly #constants = new Map<string, Scalar>();

  constructor(lengths: Shape, stored: (value: Value) => boolean) {
    this.#lengths = lengths;
    this.#stored = stored;
  }

  /** The element of `value` at `indices`; `root` itself is computed even if it has a buffer. */
  trace(value: Value, indices: readonly Affine[], root?: Value): Scalar {
    return this.#read(value, this.#frame(indices, []), root);
  }

  /** As `trace` where every condition holds, and 0 elsewhere. */
  traceWhere(value: Value, indices: readonly Affine[], conditions: readonly Condition[]): Scalar {
    const real = conditions.filter((condition) => !this.#always(condition));
    return this.#where(value, { indices, valid: real }, real, 0);
  }

  /** A constant scalar. */
  constant(value: number, dtype: DType): Scalar {
    const rounded = roundTo(computedIn(dtype), value);
    const key = `${dtype}:${Object.is(rounded, -0) ? "-0" : rounded}`;
    let known = this.#constants.get(key);
    if (!known) this.#constants.set(key, (known = { op: "const", dtype, value: rounded }));
    return known;
  }

  #frame(indices: readonly Affine[], valid: readonly Condition[]): Frame {
    const key = JSON.stringify([indices, valid]);
    let frame = this.#frames.get(key);
    if (!frame) this.#frames.set(key, (frame = { indices, valid, known: new Map() }));
    return frame;
  }

  #read(value: Value, frame: Frame, root?: Value): Scalar {
    const known = frame.known.get(value);
    if (known) return known;
    const scalar =
      value !== root && this.#stored(value)
        ? this.#load(value, frame, value.shape)
        : this.#compute(value, frame);
    frame.known.set(value, scalar);
    return scalar;
  }

  #load(
    value: Value,
    { indices, valid }: Omit<Frame, "known">,
    shape: Shape,
    indirect: readonly Indirect[] = [],
  ): Scalar {
    // No kernel writes an empty buffer, and around one (a pad, a sum over no elements) no element of it is read.
    if (sizeOf(value.shape) === 0) return this.constant(0, value.dtype);
    return {
      op: "load",
      dtype: value.dtype,
      arg: value.id,
      at: combine(indices, stridesOf(shape), this.#lengths.length),
      ...(indirect.length > 0 ? { indirect } : {}),
      ...(valid.length > 0 ? { valid } : {}),
    };
  }

  #compute(value: Value, frame: Frame): Scalar {
    const [source] = value.sources;
    if (isElementwise(value)) {
      return arithmetic(
        value.op as ScalarOp,
        value.dtype,
        value.sources.map((operand) => this.#read(operand, frame)),
      );
    }
    if (isMovement(value)) return this.#move(value, source!, frame);
    if (is(value, "constant")) return this.constant(value.params.value, value.dtype);
    if (is(value, "iota")) return { op: "index", dtype: "int32", at: frame.indices[0]! };
    if (is(value, "random")) return this.#random(value, frame);
    if (is(value, "gather")) return this.#gather(value, frame);
    throw new NeedsBuffer(value);
  }

  #move(value: Value, source: Value, frame: Frame): Scalar {
    const { indices, valid } = frame;
    const rank = this.#lengths.length;
    if (is(value, "pad")) return this.#pad(value, source, { indices, valid });
    if (is(value, "reshape") && this.#stored(source)) {
      // Same elements in the same order: the source's buffer can be read as if it had this shape.
      return this.#load(source, { indices, valid }, value.shape);
    }
    const moved = ((): readonly Affine[] | null => {
      if (is(value, "permute")) {
        const result = new Array<Affine>(indices.length);
        value.params.permutation.forEach((from, to) => (result[from] = indices[to]!));
        return result;
      }
      if (is(value, "broadcast")) return value.params.axes.map((axis) => indices[axis]!);
      if (is(value, "slice")) {
        const { start, step } = value.params;
        return indices.map((index, axis) => combine([index], [step[axis]!], rank, start[axis]));
      }
      if (is(value, "window")) {
        const { size, step, dilation } = value.params;
        const lead = source.shape.length - size.length;
        const spatial = size.map((_, i) =>
          combine([indices[lead + i]!, indices[lead + size.length + i]!], [step[i]!, dilation[i]!], rank),
        );
        return [...indices.slice(0, lead), ...spatial];
      }
      if (is(value, "fold")) {
        // Side-by-side windows: position = window·size + offset, so the fold is a permuted reshape.
        const { size } = value.params;
        const lead = value.shape.length - size.length;
        const split = value.shape.flatMap((length, axis) =>
          axis < lead ? [length] : [length / size[axis - lead]!, size[axis - lead]!],
        );
        const parts = reshapeIndices(indices, value.shape, split, this.#lengths);
        if (!parts) return null;
        const of = (offset: number) => size.map((_, i) => parts[lead + 2 * i + offset]!);
        return [...parts.slice(0, lead), ...of(0), ...of(1)];
      }
      if (is(value, "reshape")) return reshapeIndices(indices, value.shape, source.shape, this.#lengths);
      return indices;
    })();
    if (moved) return this.#read(source, this.#frame(moved, valid));
    // Not affine in any loops: but a buffer can be read under any shape, and a fold can be stored as it is.
    if (is(value, "reshape") && this.#stored(source)) return this.#load(source, { indices, valid }, value.shape);
    throw new NeedsBuffer(is(value, "reshape") ? source : value);
  }

  #pad(value: Value<"pad">, source: Value, { indices, valid }: Omit<Frame, "known">): Scalar {
    const { low, value: fill } = value.params;
    const rank = this.#lengths.length;
    const moved = indices.map((index, axis) => combine([index], [1], rank, -low[axis]!));
    const conditions = moved
      .map((index, axis): Condition => ({ ...index, below: source.shape[axis]! }))
      .filter((condition) => !this.#always(condition));
    return this.#where(source, { indices: moved, valid: [...valid, ...conditions] }, conditions, fill);
  }

  /** `source` in a frame that includes `conditions`; `fill` where one of them fails. */
  #where(source: Value, frame: Omit<Frame, "known">, conditions: readonly Condition[], fill: number): Scalar {
    const inner = this.#read(source, this.#frame(frame.indices, frame.valid));
    const rounded = roundTo(source.dtype, fill);
    if (conditions.length === 0) return inner;
    if (inner.op === "load" && (inner.fill ?? rounded) === rounded) return { ...inner, fill: rounded };
    return arithmetic("where", source.dtype, [
      { op: "valid", dtype: "bool", conditions },
      inner,
      this.constant(rounded, source.dtype),
    ]);
  }

  #always(condition: Condition): boolean {
    const [low, high] = rangeOf(condition, this.#lengths);
    return low >= 0 && high < condition.below;
  }

  #gather(value: Value<"gather">, frame: Frame): Scalar {
    const [source, index] = value.sources as [Value, Value];
    if (!this.#stored(source)) throw new NeedsBuffer(source);
    const rank = index.shape.length;
    const row = this.#read(index, this.#frame(frame.indices.slice(0, rank), frame.valid));
    const at = [constantIndex(0, this.#lengths.length), ...frame.indices.slice(rank)];
    return this.#load(source, { ...frame, indices: at }, source.shape, [
      { index: toInt32(row), stride: stridesOf(source.shape)[0]!, size: source.shape[0]! },
    ]);
  }

  #random(value: Value<"random">, frame: Frame): Scalar {
    const { shape, stream } = value.params;
    const key = value.sources[0]!;
    const rank = this.#lengths.length;
    const batch = frame.indices.slice(0, key.shape.length - 1);
    const word = (n: number) => this.#read(key, this.#frame([...batch, constantIndex(n, rank)], frame.valid));
    const counter = combine(frame.indices.slice(batch.length), stridesOf(shape), rank);
    return arithmetic("threefry", "uint32", [
      word(0),
      word(1),
      this.constant(stream, "uint32"),
      arithmetic("cast", "uint32", [{ op: "index", dtype: "int32", at: counter }]),
    ]);
  }
}

const toInt32 = (scalar: Scalar): Scalar =>
  scalar.dtype === "int32" ? scalar : arithmetic("cast", "int32", [scalar]);

/** x where `scalar` is −x. */
const negated = (scalar: Scalar): Scalar | undefined => (scalar.op === "neg" ? scalar.sources[0] : undefined);

/** A scalar operation, in the form that code generators have an instruction for. */
export function arithmetic(op: ScalarOp, dtype: DType, sources: readonly Scalar[]): Scalar {
  const [a, b] = sources as [Scalar, Scalar];
  if (dtype === "bool" && op === "mul") return { op: "and", dtype, sources };
  if (dtype === "bool" && (op === "max" || op === "add")) return { op: "or", dtype, sources };
  if (op === "add") {
    const left = negated(a);
    const right = negated(b);
    if (right) return { op: "sub", dtype, sources: [a, right] };
    if (left) return { op: "sub", dtype, sources: [b, left] };
  }
  if (op === "max" && dtype !== "uint32") {
    if (negated(b) === a) return { op: "abs", dtype, sources: [a] };
    if (negated(a) === b) return { op: "abs", dtype, sources: [b] };
  }
  if (op === "neg" && a.op === "max" && dtype !== "uint32") {
    const lower = a.sources.map(negated);
    if (lower.every((source) => source !== undefined)) return { op: "min", dtype, sources: lower };
  }
  return { op, dtype, sources };
}
