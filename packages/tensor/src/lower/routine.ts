/**
 * Drafts of routines: kernels with an algorithm of their own, which read whole buffers and cannot be joined with
 * others.
 */
import { sizeOf } from "../core/shape.ts";
import type { RoutineDraft } from "./draft.ts";
import { NeedsBuffer } from "./trace.ts";
import { type Value, is } from "./value.ts";

type IsStored = (value: Value) => boolean;

/** The ids of the sources of a routine, which reads them from buffers. */
const storedSources = (value: Value, isStored: IsStored): number[] =>
  value.sources.map((source) => {
    if (!isStored(source)) throw new NeedsBuffer(source);
    return source.id;
  });

/** Running sums and sorting, along `axis`. */
export function axisRoutine(
  value: Value<"cumsum"> | Value<"argsort">,
  axis: number,
  reverse: boolean,
  isStored: IsStored,
): RoutineDraft {
  const { shape } = value.sources[0]!;
  return {
    kind: "routine",
    name: value.op,
    outer: sizeOf(shape.slice(0, axis)),
    length: shape[axis]!,
    inner: sizeOf(shape.slice(axis + 1)),
    reverse,
    inputs: storedSources(value, isStored),
    output: value.id,
  };
}

/** Factorizations and triangular solves: one problem for each index of the leading axes. */
export function matrixRoutine(value: Value<"factor"> | Value<"triangularSolve">, isStored: IsStored): RoutineDraft {
  const { shape } = value.sources.at(-1)!;
  const [rows, columns] = shape.slice(-2) as [number, number];
  const common = {
    kind: "routine",
    batch: sizeOf(shape.slice(0, -2)),
    rows,
    columns,
    inputs: storedSources(value, isStored),
    output: value.id,
  } as const;
  return is(value, "factor")
    ? { ...common, name: value.params.name }
    : { ...common, name: value.op, ...value.params };
}
