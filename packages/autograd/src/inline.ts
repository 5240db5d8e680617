/**
 * Bodies of calls: putting values into the holes of a graph (`substitute`, `inline`), and making a closed graph of a
 * function that may also use tensors from outside (`closeOver`). Owns no rule of differentiation or batching.
 */
import { type Body, type Tensor, primitive, rebuild, topologicalOrder, traced } from "@dormouse/tensor/graph";
import { type Leaves, leavesOf, resultOf } from "./arguments.ts";

/** Rebuilds what lies between `roots` and the replaced nodes; everything else is shared. */
export function substitute(
  roots: readonly Tensor[],
  replacements: ReadonlyMap<Tensor, Tensor>,
): Tensor[] {
  const replaced = new Map(replacements);
  let oldest = Infinity;
  for (const node of replacements.keys()) oldest = Math.min(oldest, node.id);
  const below = topologicalOrder(roots, (node) => node.id < oldest || replacements.has(node));
  for (const node of below) {
    if (replaced.has(node)) continue;
    if (!node.sources.some((source) => replaced.has(source))) continue;
    replaced.set(node, rebuild(node, node.sources.map((source) => replaced.get(source) ?? source)));
  }
  return roots.map((root) => replaced.get(root) ?? root);
}

/** The output of a body over other inputs. */
export const inline = (body: Body, inputs: readonly Tensor[]): Tensor =>
  substitute([body.output], new Map(body.inputs.map((hole, k) => [hole, inputs[k]!])))[0]!;

/** The outputs of several bodies over other inputs. What bodies with the same holes share stays shared. */
export function inlineAll(bodies: readonly Body[], inputs: readonly Tensor[]): Tensor[] {
  const [first] = bodies;
  if (bodies.some((body) => body.inputs !== first!.inputs)) return bodies.map((body) => inline(body, inputs));
  return substitute(
    bodies.map(({ output }) => output),
    new Map(first!.inputs.map((hole, k) => [hole, inputs[k]!])),
  );
}

/** A function's graph with nothing left open, and what it is a graph of. */
export interface Closed<R> {
  /** The arguments, taken apart. */
  readonly args: readonly Leaves<unknown>[];
  /** What the function returned, on holes. */
  readonly result: Leaves<R>;
  /** The leaves of all arguments, then the tensors that the function uses without taking them as arguments. */
  readonly sources: readonly Tensor[];
  /** One hole for each source. */
  readonly inputs: readonly Tensor[];
  /** The tensors of the result as functions of the holes. */
  readonly outputs: readonly Tensor[];
}

/** Runs `f` on holes in place of its arguments' tensors; tensors from outside that it uses become further inputs. */
export function closeOver<A extends readonly unknown[], R>(
  op: string,
  f: (...args: A) => R,
  given: A,
): Closed<R> {
  const hole = ({ shape, dtype }: Tensor): Tensor => primitive.placeholder(shape, dtype);
  const args = given.map((arg) => leavesOf(arg));
  // Serial numbers grow: what is older than this node was made before `f` ran. Elements never belong to a body either.
  const born = primitive.placeholder([], "float32").id;
  const holes: Tensor[] = [];
  const open = args.map(({ leaves, rebuild }) => {
    const own = leaves.map(hole);
    holes.push(...own);
    return rebuild(own);
  });
  const result = resultOf(op, traced(() => f(...(open as unknown as A))));
  const isOutside = ({ id, storage }: Tensor): boolean => id < born || storage !== null;
  const captured = topologicalOrder(result.leaves, isOutside).filter(isOutside);
  const captives = captured.map(hole);
  return {
    args,
    result,
    sources: [...args.flatMap(({ leaves }) => leaves), ...captured],
    inputs: [...holes, ...captives],
    outputs: substitute(result.leaves, new Map(captured.map((node, k) => [node, captives[k]!]))),
  };
}
