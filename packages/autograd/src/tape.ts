/**
 * The two walks over a graph that the derivative table drives. `record` notes the part of a graph that depends on
 * some inputs, with its linear maps: the graph is the tape, but a node forgets its sources once it is evaluated, so
 * what a later walk needs is held here. `push` carries tangents forwards, `pull` carries cotangents backwards.
 * Knows nothing of trees, functions or errors.
 */
import { type NodeOf, type Tensor, primitive, topologicalOrder } from "@dormouse/tensor/graph";
import { type LinearMaps, linearMaps, recomputedTogether } from "./derivative.ts";
import { total, transpose } from "./mask.ts";

/** A node that depends on the inputs, with a map for each source that does. */
interface Step {
  readonly node: Tensor;
  readonly sources: readonly Tensor[];
  readonly maps: LinearMaps;
  /** For one of several results of a recomputed function. */
  readonly joint?: Joint;
}

/** Results of one recomputed function, in the order of the tape. */
interface Joint {
  readonly nodes: readonly Tensor[];
  /** Cotangents of the sources from those of the results. */
  readonly transpose: (cotangents: readonly (Tensor | null)[]) => (Tensor | null)[];
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
  const groups = new Map<object, NodeOf<"call">[][]>();
  for (const node of below) {
    if (active.has(node)) continue;
    const sources = node.sources;
    if (!sources.some((source) => active.has(source))) continue;
    const maps = linearMaps(node, walks).map((map, k) => (active.has(sources[k]!) ? map : null));
    if (maps.every((map) => map === null)) continue;
    active.add(node);
    tape.push({ node, sources, maps });
    if (isRecomputed(node)) joinGroup(groups, node);
  }
  return groups.size === 0 ? tape : joined(tape, groups);
}

const isRecomputed = (node: Tensor): node is NodeOf<"call"> =>
  node.op === "call" && (node as NodeOf<"call">).params.recompute !== undefined;

/** Puts a call with those that have its mark and its sources. */
function joinGroup(groups: Map<object, NodeOf<"call">[][]>, call: NodeOf<"call">): void {
  const mark = call.params.recompute!;
  const known = groups.get(mark) ?? [];
  groups.set(mark, known);
  const group = known.find(([first]) => first!.sources.every((source, k) => source === call.sources[k]));
  if (group) group.push(call);
  else known.push([call]);
}

/** The tape, with what belongs together joined. */
function joined(tape: Tape, groups: ReadonlyMap<object, readonly NodeOf<"call">[][]>): Tape {
  const joints = new Map<Tensor, Joint>();
  for (const nodes of [...groups.values()].flat()) {
    if (nodes.length < 2) continue;
    const joint = { nodes, transpose: recomputedTogether(nodes, walks) };
    for (const node of nodes) joints.set(node, joint);
  }
  return tape.map((step) => {
    const joint = joints.get(step.node);
    return joint ? { ...step, joint } : step;
  });
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
    const { node, sources, maps, joint } = tape[at]!;
    // What uses any of joined results comes after the first of them: by then all their cotangents are complete.
    if (joint && node !== joint.nodes[0]) continue;
    const from = joint ? joint.nodes.find((each) => sums.has(each)) : node;
    const ct = from && sums.get(from);
    if (!ct) continue;
    const parts = joint?.transpose(joint.nodes.map((each) => sums.get(each) ?? null));
    maps.forEach((map, k) => {
      if (!map) return;
      const part = parts ? parts[k] : transpose(map, ct);
      if (!part) return;
      observe?.({ node: from, ct, source: sources[k]!, part });
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
