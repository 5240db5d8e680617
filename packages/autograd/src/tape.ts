/**
 * The two walks over a graph that the derivative table drives. `record` notes the part of a graph that depends on
 * some inputs, with its linear maps: the graph is the tape, but a node forgets its sources once it is evaluated, so
 * what a later walk needs is held here. `push` carries tangents forwards, `pull` carries cotangents backwards.
 * Knows nothing of trees, functions or errors.
 */
import { type Tensor, primitive, topologicalOrder } from "@dormouse/tensor/graph";
import { type LinearMaps, linearMaps } from "./derivative.ts";
import { total, transpose } from "./mask.ts";

/** A node that depends on the inputs, with a map for each source that does. */
interface Step {
  readonly node: Tensor;
  readonly sources: readonly Tensor[];
  readonly maps: LinearMaps;
}

/** Every step from the inputs to the outputs, sources first. */
export type Tape = readonly Step[];

/** Records how `outputs` depend, differentiably, on `inputs`. Integer and bool nodes carry no derivative. */
export function record(outputs: readonly Tensor[], inputs: readonly Tensor[]): Tape {
  const active = new Set(inputs);
  // A node is younger than all below it: nothing older than the oldest input depends on one.
  const oldest = inputs.reduce((least, input) => Math.min(least, input.id), Infinity);
  const below = topologicalOrder(outputs, (node) => node.id < oldest || active.has(node));
  const tape: Step[] = [];
  for (const node of below) {
    if (active.has(node)) continue;
    const sources = node.sources;
    if (!sources.some((source) => active.has(source))) continue;
    const maps = linearMaps(node, walks).map((map, k) => (active.has(sources[k]!) ? map : null));
    if (maps.every((map) => map === null)) continue;
    active.add(node);
    tape.push({ node, sources, maps });
  }
  return tape;
}

/** One product with a transposed Jacobian: what `node`, whose cotangent is `ct`, adds to the cotangent of `source`. */
export interface Contribution {
  readonly node: Tensor;
  readonly ct: Tensor;
  readonly source: Tensor;
  readonly part: Tensor;
}

/**
 * Reverse mode: cotangents of `outputs` (null for zero) to cotangents of every node they reach. `observe` is told of
 * every contribution, in order.
 */
export function pull(
  tape: Tape,
  outputs: readonly Tensor[],
  cotangents: readonly (Tensor | null)[],
  observe?: (contribution: Contribution) => void,
): ReadonlyMap<Tensor, Tensor> {
  const sums = new Map<Tensor, Tensor>();
  const accumulate = (node: Tensor, ct: Tensor): void => {
    const sum = sums.get(node);
    sums.set(node, sum ? total(sum, ct) : ct);
  };
  outputs.forEach((output, i) => {
    const ct = cotangents[i];
    if (ct) accumulate(output, ct);
  });
  for (let at = tape.length - 1; at >= 0; at--) {
    const { node, sources, maps } = tape[at]!;
    const ct = sums.get(node);
    if (!ct) continue;
    maps.forEach((map, k) => {
      if (!map) return;
      const part = transpose(map, ct);
      observe?.({ node, ct, source: sources[k]!, part });
      accumulate(sources[k]!, part);
    });
  }
  return sums;
}

/** Forward mode: tangents of inputs (absent for zero) to tangents of every node they reach. */
export function push(tape: Tape, tangents: ReadonlyMap<Tensor, Tensor>): ReadonlyMap<Tensor, Tensor> {
  const known = new Map(tangents);
  for (const { node, sources, maps } of tape) {
    let sum: Tensor | null = null;
    maps.forEach((map, k) => {
      const tangent = map && known.get(sources[k]!);
      if (!tangent) return;
      const change = map.apply(tangent);
      sum = sum ? primitive.add(sum, change) : change;
    });
    if (sum) known.set(node, sum);
  }
  return known;
}

/** What the derivative table needs to differentiate the body of a call. */
export const walks = { record, pull, push } as const;
