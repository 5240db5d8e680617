/**
 * Padding: more elements at the ends of axes, constant or taken from the tensor itself.
 */
import { ShapeError, ValueError } from "../core/errors.ts";
import { primitive } from "../core/primitives.ts";
import { showShape } from "../core/shape.ts";
import type { Shape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import type { SameRank } from "../types/index.ts";
import { cut } from "./movement.ts";
import { typed } from "./operands.ts";

/** How many elements to add: `n` at both ends of every axis, or `n` or `[before, after]` for each axis. */
export type PadWidths = number | readonly (number | readonly [before: number, after: number])[];

/** What the new elements are. */
export interface PadOptions {
  /**
   * `constant`: `value`. `edge`: the outermost element. `reflect`: mirrored at the outermost element, which is not
   * repeated. `circular`: the other end. Default: `constant`.
   */
  readonly mode?: "constant" | "edge" | "reflect" | "circular";
  /** For `constant`. Default: 0. */
  readonly value?: number;
}

/** `x` with elements added at the ends of its axes: `pad(x, [[0, 0], [1, 2]])` adds 1 + 2 columns of zeros. */
export function pad<S extends Shape>(
  x: Tensor<S>,
  widths: PadWidths,
  { mode = "constant", value = 0 }: PadOptions = {},
): Tensor<SameRank<S>> {
  const ends = endsOf(widths, x.shape);
  if (mode === "constant") {
    const [low, high] = [ends.map(([before]) => before), ends.map(([, after]) => after)];
    return typed(primitive.pad(x, low, high, low.map(() => 0), value));
  }
  return typed(
    ends.reduce<Tensor>((padded, [before, after], axis) => {
      if (before === 0 && after === 0) return padded;
      requireRoom(padded, axis, Math.max(before, after), mode);
      const length = padded.shape[axis]!;
      const [head, tail] = sides(padded, axis, before, after, length, mode);
      return primitive.concat([...head, padded, ...tail], axis);
    }, x),
  );
}

function sides(
  x: Tensor,
  axis: number,
  before: number,
  after: number,
  length: number,
  mode: "edge" | "reflect" | "circular",
): [Tensor[], Tensor[]] {
  const side = (count: number, make: () => Tensor): Tensor[] => (count === 0 ? [] : [make()]);
  switch (mode) {
    case "edge":
      return [
        side(before, () => repeated(cut(x, axis, 0, 1), axis, before)),
        side(after, () => repeated(cut(x, axis, length - 1, length), axis, after)),
      ];
    case "reflect":
      return [
        side(before, () => backwards(x, axis, before, before)),
        side(after, () => backwards(x, axis, length - 2, after)),
      ];
    case "circular":
      return [
        side(before, () => cut(x, axis, length - before, length)),
        side(after, () => cut(x, axis, 0, after)),
      ];
  }
}

function repeated(x: Tensor, axis: number, count: number): Tensor {
  const dropped = primitive.reshape(x, x.shape.toSpliced(axis, 1));
  const axes = x.shape.flatMap((_, i) => (i === axis ? [] : [i]));
  return primitive.broadcast(dropped, x.shape.with(axis, count), axes);
}

/** `count` elements from `from` down. */
const backwards = (x: Tensor, axis: number, from: number, count: number): Tensor =>
  primitive.slice(
    x,
    x.shape.map((_, i) => (i === axis ? from : 0)),
    x.shape.map((_, i) => (i === axis ? -1 : 1)),
    x.shape.with(axis, count),
  );

function requireRoom(x: Tensor, axis: number, width: number, mode: "edge" | "reflect" | "circular"): void {
  const length = x.shape[axis]!;
  const most = mode === "reflect" ? length - 1 : mode === "circular" ? length : length > 0 ? Infinity : 0;
  if (width <= most) return;
  throw new ShapeError("pad", `${mode} takes at most ${Math.max(0, most)} elements from axis ${axis} of ${showShape(x.shape)}, not ${width}`, {
    expected: most,
    received: width,
    hint: "pad less, or use another mode",
  });
}

function endsOf(widths: PadWidths, shape: Shape): (readonly [number, number])[] {
  const list = typeof widths === "number" ? shape.map(() => widths) : widths;
  if (list.length !== shape.length) {
    throw new ShapeError("pad", `${list.length} widths for the ${shape.length} axes of ${showShape(shape)}`, {
      expected: shape.length,
      received: list.length,
      hint: "give one for each axis; [0, 0] for none",
    });
  }
  const ends = list.map((width) => (typeof width === "number" ? ([width, width] as const) : width));
  const bad = ends.flat().find((width) => !Number.isInteger(width) || width < 0);
  if (bad === undefined) return ends;
  throw new ValueError("pad", `${bad} is not a width`, { received: bad, hint: "use whole numbers from 0; slice to crop" });
}
