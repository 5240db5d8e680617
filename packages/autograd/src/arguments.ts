/**
 * Arguments and results of transformed functions: trees in, flat lists of tensors for the walks, trees out, and the
 * sentences for what does not fit. Owns the rule that only float leaves are differentiated: the gradient or tangent
 * of an integer or bool leaf is zeros of its own dtype. Knows no derivative.
 */
import {
  DTypeError,
  ShapeError,
  TransformError,
  ValueError,
  findMismatch,
  fitsStructure,
  flattenTree,
  unflattenTree,
} from "@dormouse/tensor";
import { Tensor, isFloat, primitive, sameShape, showShape } from "@dormouse/tensor/graph";

/** Zeros like `x`, of its own dtype. */
export const zerosLike = (x: Tensor): Tensor => primitive.constant(0, x.shape, x.dtype);

/** A tree and its distinct tensors. */
export interface Leaves<T> {
  readonly tree: T;
  readonly leaves: readonly Tensor[];
  /** The tree with something else in place of each tensor. */
  rebuild(values: readonly unknown[]): T;
  /** The tree with another value for each float leaf, zeros where there is none. */
  fill(value: (leaf: Tensor, at: number) => Tensor | null | undefined): T;
  /** The tensors of a tree of the same structure, after checking them against the leaves. */
  match(op: string, what: string, other: unknown): Tensor[];
}

/** Takes a tree apart. */
export function leavesOf<T>(tree: T): Leaves<T> {
  const { leaves, structure } = flattenTree(tree);
  const rebuild = (values: readonly unknown[]): T => unflattenTree(structure, values) as T;
  return {
    tree,
    leaves,
    rebuild,
    fill: (value) =>
      rebuild(leaves.map((leaf, at) => (isFloat(leaf.dtype) ? value(leaf, at) : null) ?? zerosLike(leaf))),
    match(op, what, other) {
      const found: Tensor[] = [];
      if (!fitsStructure(structure, other, found)) {
        const { path, expected, received } = findMismatch(structure, other)!;
        const where = path === "" ? "" : ` at ${path}`;
        throw new ValueError(op, `the ${what} differs${where}: expected ${expected}, received ${received}`, {
          expected,
          received,
          hint: "give a tree of the same structure",
        });
      }
      found.forEach((tensor, at) => checkLike(op, what, leaves[at]!, tensor));
      return found;
    },
  };
}

/** A tangent or cotangent must have the shape and dtype of what it belongs to; of integers it is ignored. */
function checkLike(op: string, what: string, expected: Tensor, received: Tensor): void {
  if (!isFloat(expected.dtype)) return;
  if (!sameShape(expected.shape, received.shape)) {
    throw new ShapeError(op, `the ${what} is ${showShape(received.shape)} for a tensor ${showShape(expected.shape)}`, {
      expected: expected.shape,
      received: received.shape,
      hint: "give one of the same shape",
    });
  }
  if (expected.dtype !== received.dtype) {
    throw new DTypeError(op, `the ${what} is ${received.dtype} for a tensor of ${expected.dtype}`, {
      expected: expected.dtype,
      received: received.dtype,
      hint: `cast it: cast(x, "${expected.dtype}")`,
    });
  }
}

/** An argument whose float leaves are replaced by fresh tracers: nobody else can mean the same node. */
export interface Traced<T> extends Leaves<T> {
  /** The leaves of `tree` that are differentiated. */
  readonly tracers: readonly Tensor[];
}

/** Puts tracers in place of the float leaves of an argument. */
export function trace<T>(argument: T): Traced<T> {
  const original = leavesOf(argument);
  const leaves = original.leaves.map((leaf) =>
    isFloat(leaf.dtype) ? primitive.identity(leaf, "tracer") : leaf,
  );
  return {
    ...original,
    tree: original.rebuild(leaves),
    leaves,
    fill: (value) => original.fill((_, at) => value(leaves[at]!, at)),
    tracers: leaves.filter((leaf) => isFloat(leaf.dtype)),
  };
}

/** The traced arguments, as the function takes them. */
export const treesOf = <A extends readonly unknown[]>(args: readonly Traced<unknown>[]): A =>
  args.map(({ tree }) => tree) as unknown as A;

/** Traces the arguments at `positions`; the others pass as they are. */
export function traceAt(
  op: string,
  args: readonly unknown[],
  positions: readonly number[],
): { readonly args: readonly unknown[]; readonly chosen: readonly Traced<unknown>[] } {
  const chosen = positions.map((position) => {
    if (!Number.isInteger(position) || position < 0 || position >= args.length) {
      throw new ValueError(op, `argument ${position} was chosen and the function got ${args.length} in all`, {
        expected: args.length,
        received: position,
        hint: "count arguments from 0",
      });
    }
    const argument = trace(args[position]);
    if (argument.tracers.length === 0) throw notDifferentiable(op, args[position], position);
    return argument;
  });
  const given = [...args];
  positions.forEach((position, k) => (given[position] = chosen[k]!.tree));
  return { args: given, chosen };
}

function notDifferentiable(op: string, argument: unknown, position: number): TransformError {
  const { leaves } = leavesOf(argument);
  if (leaves.length === 0) {
    const kind = argument === null ? "null" : Array.isArray(argument) ? "an array" : `of type ${typeof argument}`;
    return new TransformError(op, `argument ${position} is ${kind} and holds no tensor`, {
      expected: "a tensor, or a tree of tensors",
      received: argument,
      hint: "wrap numbers: tensor(2)",
    });
  }
  const dtypes = [...new Set(leaves.map((leaf) => leaf.dtype))].join(" and ");
  return new TransformError(op, `argument ${position} is ${dtypes}, which has no derivative`, {
    expected: "float16, float32 or float64",
    received: dtypes,
    hint: 'cast it outside: cast(x, "float32"), or choose another argument',
  });
}

/** The result of a function as a tree with at least one tensor in it. */
export function resultOf<R>(op: string, result: R): Leaves<R> {
  const outputs = leavesOf(result);
  if (outputs.leaves.length > 0) return outputs;
  const promised = result instanceof Promise;
  throw new TransformError(op, `the function returned ${promised ? "a promise" : describe(result)} and not a tensor`, {
    expected: "a tensor, or a tree of tensors",
    received: result,
    hint: promised ? "give a function that is not async and reads no values" : "return the tensor it computes",
  });
}

/** What a function returned, in words. */
export const describe = (value: unknown): string => {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return typeof value === "object" ? "an object" : `the ${typeof value} ${String(value)}`;
};

/** The result of a function that must return one float scalar. */
export function scalarOf(op: string, result: unknown): Tensor {
  if (!(result instanceof Tensor)) {
    resultOf(op, result);
    throw new TransformError(op, `the function returned ${describe(result)} and not one tensor`, {
      expected: "a scalar tensor",
      received: result,
      hint: "return the loss alone, or [loss, rest] with { hasAux: true }",
    });
  }
  if (result.rank > 0) {
    throw new TransformError(op, `the function returned shape ${showShape(result.shape)} and only a scalar has a gradient`, {
      expected: [],
      received: result.shape,
      hint: "reduce it with sum or mean, or use vjp or jacrev",
    });
  }
  if (!isFloat(result.dtype)) {
    throw new TransformError(op, `the function returned ${result.dtype}, which has no derivative`, {
      expected: "float16, float32 or float64",
      received: result.dtype,
      hint: "return a float",
    });
  }
  return result;
}
