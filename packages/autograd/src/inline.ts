/**
 * Bodies of calls: putting values into the holes of a graph (`substitute`, `inline`), and making a closed graph of a
 * function that may also use tensors from outside (`close`). Owns no rule of differentiation or batching.
 */
import { type Body, type Shape, type Tensor, primitive, rebuild, topologicalOrder } from "@dormouse/tensor/graph";

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

/** The graph of a function with nothing left open. */
export interface Closed {
  /** One hole for each argument, then one for each captured tensor. */
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** Tensors made before the function ran that it uses without taking them as arguments. */
  readonly captured: readonly Tensor[];
}

/** Runs `f` on holes like `examples`; tensors from outside that it uses become further inputs. */
export function close(
  f: (...holes: Tensor[]) => readonly Tensor[],
  examples: readonly Tensor[],
): Closed {
  const hole = (example: { shape: Shape; dtype: Tensor["dtype"] }): Tensor =>
    primitive.placeholder(example.shape, example.dtype);
  // Serial numbers grow: what is older than this node was made before `f` ran.
  const born = primitive.placeholder([], "float32").id;
  const holes = examples.map(hole);
  const outputs = f(...holes);
  const captured = topologicalOrder(outputs, (node) => node.id < born).filter((node) => node.id < born);
  const captives = captured.map(hole);
  return {
    inputs: [...holes, ...captives],
    outputs: substitute(outputs, new Map(captured.map((node, k) => [node, captives[k]!]))),
    captured,
  };
}
