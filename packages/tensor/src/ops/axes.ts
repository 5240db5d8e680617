/**
 * Axis arguments as users write them (negative, single, listed or left out) turned into positions, with the errors
 * for those that a shape does not have.
 */
import { AxisError } from "../core/errors.ts";
import { type Shape, axesOf, showShape } from "../core/shape.ts";
import type { Axes } from "../types/index.ts";
import { notATensor } from "./operands.ts";

/** The position of `axis` in `shape`: -1 is the last. `what` names the argument in errors. */
export function positionOf(op: string, axis: number, shape: Shape, what = "axis"): number {
  requireShape(op, shape);
  const rank = shape.length;
  if (!Number.isInteger(axis)) {
    throw new AxisError(op, `${what} ${axis} is not an integer`, { received: axis, hint: "use a whole number" });
  }
  if (axis < -rank || axis >= rank) {
    throw new AxisError(op, `${what} ${axis} is out of range for shape ${showShape(shape)}`, {
      expected: [-rank, rank - 1],
      received: axis,
      hint: rank === 0 ? "a scalar has no axes" : `use ${-rank}..${rank - 1}`,
    });
  }
  return axis < 0 ? axis + rank : axis;
}

/** Positions of `axes`, ascending; every axis where `axes` is undefined. */
export function positionsOf(op: string, axes: Axes | undefined, shape: Shape): number[] {
  requireShape(op, shape);
  if (axes === undefined) return axesOf(shape.length);
  if (typeof axes === "number") return [positionOf(op, axes, shape)];
  const positions = axes.map((axis) => positionOf(op, axis, shape));
  positions.forEach((position, i) => {
    if (positions.indexOf(position) !== i) {
      throw new AxisError(op, `axis ${axes[i]!} is named twice in [${axes.join(", ")}]`, {
        received: axes,
        hint: "name each axis once",
      });
    }
  });
  return positions.sort((a, b) => a - b);
}

/** What is no tensor has no shape: the first thing that untyped code which passes an array trips over. */
function requireShape(op: string, shape: Shape | undefined): void {
  if (!shape) throw notATensor(op);
}
