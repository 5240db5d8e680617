/**
 * `vmap`: a function of one example becomes a function of a batch. Owns the axes of arguments and results; the
 * batched graph itself is made by `batching.ts`.
 */
import { AxisError, ShapeError, TransformError, ValueError, treeLeaves } from "@dormouse/tensor";
import { Tensor, primitive, showShape, traced } from "@dormouse/tensor/graph";
import { leavesOf, resultOf } from "./arguments.ts";
import { type Batched, batch, full, moveAxis } from "./batching.ts";

/** An axis for every tensor of a tree, or null for none; or a tree of those, down to where they differ. */
export type Axes = number | null | readonly Axes[] | { readonly [property: string]: Axes };

/** Options of `vmap`. */
export interface VmapOptions {
  /** One axis for all arguments, or a list with the axes of each. Default 0. */
  readonly in?: number | readonly Axes[];
  /** Where results get their batch axis; null where a result is the same for all examples. Default 0. */
  readonly out?: Axes;
}

/** A tree type with the shapes of its tensors forgotten: a batch has another shape than an example. */
export type AnyShape<T> = T extends Tensor
  ? Tensor
  : T extends (...args: never) => unknown
    ? T
    : T extends object
      ? { [K in keyof T]: AnyShape<T[K]> }
      : T;

/**
 * Maps a function over an axis of its arguments, without a loop: the graph is built once, for one example, and every
 * primitive is replaced by its batched form. Tensors that the function closes over are shared by all examples.
 *
 * Throws `AxisError` for an axis that a tensor lacks, `ShapeError` where mapped axes have different lengths,
 * `ValueError` where axes do not fit the arguments, `TransformError` where the function returns no tensor.
 *
 * ```ts
 * const perExample = vmap(grad(loss), { in: [null, 0, 0] })(params, xs, ys);
 * ```
 */
export function vmap<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  options: VmapOptions = {},
): (...args: AnyShape<A> & readonly unknown[]) => AnyShape<R> {
  return (...args) => {
    const axesOfArguments = typeof options.in === "object" ? options.in : args.map(() => options.in ?? 0);
    if (axesOfArguments.length !== args.length) {
      throw new ValueError("vmap", `axes for ${axesOfArguments.length} arguments and ${args.length} arguments`, {
        expected: args.length,
        received: axesOfArguments.length,
        hint: "give one entry of `in` for each argument, null for one that is not mapped",
      });
    }
    const known = new Map<Tensor, Batched>();
    let size: number | null = null;
    const examples = args.map((arg, k) => {
      const axes = assignAxes(`argument ${k}`, arg, axesOfArguments[k]!);
      const { leaves, rebuild } = leavesOf(arg);
      const holes = leaves.map((leaf) => {
        const axis = axes.get(leaf)!;
        if (axis === null) return leaf;
        const from = normalize(axis, leaf.rank, `argument ${k} of shape ${showShape(leaf.shape)}`);
        const length = leaf.shape[from]!;
        size ??= length;
        if (length !== size) throw lengthsDiffer(k, leaf, axis, size);
        const hole = primitive.placeholder(leaf.shape.toSpliced(from, 1), leaf.dtype);
        known.set(hole, { tensor: moveAxis(leaf, from, 0), batched: true });
        return hole;
      });
      return rebuild(holes);
    });
    if (size === null) {
      throw new ValueError("vmap", "no argument is mapped", {
        received: options.in,
        hint: "give at least one tensor an axis",
      });
    }
    const length: number = size;
    const output = resultOf("vmap", traced(() => f(...(examples as unknown as A))));
    const axes = assignAxes("the result", output.tree, options.out === undefined ? 0 : options.out);
    const results = batch(output.leaves, known, length);
    return output.rebuild(
      results.map((result, at) => place(result, axes.get(output.leaves[at]!)!, length)),
    ) as AnyShape<R>;
  };
}

/** Puts the batch axis of a result where the caller wants it. */
function place(result: Batched, axis: number | null, size: number): Tensor {
  if (axis !== null) {
    const rank = result.tensor.rank + (result.batched ? 0 : 1);
    return moveAxis(full(result, size), 0, normalize(axis, rank, `a result of rank ${rank}`));
  }
  if (!result.batched) return result.tensor;
  throw new TransformError("vmap", "a result with out axis null depends on a mapped argument", {
    expected: "a result that is the same for all examples",
    hint: "give it an axis in `out`",
  });
}

const lengthsDiffer = (argument: number, leaf: Tensor, axis: number, size: number): ShapeError =>
  new ShapeError(
    "vmap",
    `axis ${axis} of argument ${argument} of shape ${showShape(leaf.shape)} is not of length ${size}, as mapped axes before it are`,
    { expected: size, received: leaf.shape, hint: "map axes of one length" },
  );

function normalize(axis: number, rank: number, of: string): number {
  if (Number.isInteger(axis) && axis >= -rank && axis < rank) return axis < 0 ? axis + rank : axis;
  const hint = rank === 0 ? "use null for a scalar that is shared" : `use ${-rank}..${rank - 1}`;
  throw new AxisError("vmap", `axis ${axis} is out of range for ${of}`, { received: axis, hint });
}

/** The axis of every tensor of a tree, from one axis for all or a tree of axes. */
function assignAxes(what: string, tree: unknown, axes: Axes): ReadonlyMap<Tensor, number | null> {
  const assigned = new Map<Tensor, number | null>();
  const assign = (part: unknown, of: Axes, path: string): void => {
    if (typeof of !== "object" || of === null) {
      for (const leaf of treeLeaves(part)) {
        if ((assigned.get(leaf) ?? of) !== of) throw doesNotFit(`a tensor at two places of ${what} has two axes`);
        assigned.set(leaf, of);
      }
      return;
    }
    for (const [key, inner] of Object.entries(of)) {
      const isTree = typeof part === "object" && part !== null && !(part instanceof Tensor) && key in part;
      if (!isTree) throw doesNotFit(`${what} has no ${path}${key}`);
      assign((part as Record<string, unknown>)[key], inner, `${path}${key}.`);
    }
  };
  assign(tree, axes, "");
  if (treeLeaves(tree).some((leaf) => !assigned.has(leaf))) throw doesNotFit(`some tensor of ${what} has no axis`);
  return assigned;
}

const doesNotFit = (problem: string): ValueError =>
  new ValueError("vmap", `${problem}`, { hint: "give axes as a number, null, or a tree of those with the same names" });
