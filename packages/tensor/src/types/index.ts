/** Shapes in the type system. A literal dimension is checked; `number` is known only at run time and always passes. */
export type { Agree, Join, Mismatch, Mutable, Show } from "./sentence.ts";
export type { Broadcast, BroadcastCheck, Combined, CombineCheck, Operand, OperandShape } from "./broadcast.ts";
export type { LinearCheck, LinearShape, MatmulCheck, MatmulShape } from "./matmul.ts";
export type { Axes, AxisCheck, InsertAt, PositionOf, ReducedShape, ReplaceAt } from "./axes.ts";
export type {
  ConcatCheck,
  ConcatenatedShape,
  ExpandedShape,
  PermutationCheck,
  PermutedShape,
  ReshapedShape,
  SameRank,
  ShapeOf,
  SqueezedShape,
  StackCheck,
  StackedShape,
  TransposedShape,
} from "./movement.ts";
export type { DataShape } from "./data.ts";
