/**
 * Names for what a reader sees of a traced function: its arguments by the names of its parameters, its results, and
 * the tensors it uses without being given them. Owns names only.
 */
import { namedLeaves } from "@dormouse/tensor";
import { type Tensor, traced } from "@dormouse/tensor/graph";
import { type Leaves, type Traced, resultOf, trace, treesOf } from "./arguments.ts";
import { showNumber } from "./notation.ts";

/** A function, called once to see its graph. */
export interface TracedCall {
  readonly title: string;
  readonly args: readonly Traced<unknown>[];
  readonly result: Leaves<unknown>;
  /** Names of the leaves of arguments and results, as the function sees them. */
  readonly inputs: ReadonlyMap<Tensor, string>;
  readonly outputs: ReadonlyMap<Tensor, string>;
  /** A name nobody has yet. */
  readonly fresh: (wanted: string) => string;
}

/** Calls `f` on tracers and names what goes in and comes out. */
export function callTraced(op: string, f: (...args: never[]) => unknown, given: readonly unknown[]): TracedCall {
  const taken = new Set<string>();
  const fresh = (wanted: string): string => {
    let name = wanted;
    for (let n = 2; taken.has(name); n++) name = `${wanted}_${n}`;
    taken.add(name);
    return name;
  };
  const title = f.name || "f";
  const parameters = parametersOf(f, given.length);
  const args = given.map(trace);
  const inputs = new Map<Tensor, string>();
  args.forEach(({ tree }, k) => nameLeaves(tree, parameters[k]!, inputs, fresh));
  const result = resultOf(op, traced(() => f(...treesOf<never[]>(args))));
  const outputs = new Map<Tensor, string>();
  nameLeaves(result.tree, title, outputs, fresh);
  return { title, args, result, inputs, outputs, fresh };
}

function nameLeaves(tree: unknown, root: string, names: Map<Tensor, string>, fresh: (wanted: string) => string): void {
  for (const [path, leaf] of namedLeaves(tree)) {
    if (!names.has(leaf)) names.set(leaf, fresh(path === "" ? root : `${root}.${path}`));
  }
}

/**
 * The names of the parameters of a function, read from its source: `(x, w) => …` gives x and w. Where they are not
 * plain names (destructured, defaulted, built in) they are x, or x1, x2 ….
 */
function parametersOf(f: (...args: never[]) => unknown, count: number): string[] {
  const source = Function.prototype.toString.call(f);
  const list = /^(?:async\s+)?(?:function\b[^(]*|[\w$]+\s*(?=\())?(?:\(([^()]*)\)|([\w$]+))\s*(?:=>|\{)/.exec(source);
  const names = (list?.[1] ?? list?.[2] ?? "").split(",").map((name) => name.trim());
  return Array.from({ length: count }, (_, k) => {
    const name = names[k];
    return name && /^[A-Za-z_$][\w$]*$/.test(name) ? name : count === 1 ? "x" : `x${k + 1}`;
  });
}

/** The number a captured one-element tensor holds on the host. */
export function capturedNumber(node: Tensor): string | null {
  const data = (node.storage as { readonly data?: ArrayLike<number> } | null)?.data;
  return data && node.size === 1 ? showNumber(data[0]!, node.dtype) : null;
}
