/**
 * What people do with trees of tensors: list, name, map, split in two and join. Built on `structure.ts`, which alone
 * knows what a tree is. Every function is pure: trees go in, new trees come out, and what is not a tensor is kept.
 */
import { ValueError } from "../core/errors.ts";
import { Tensor } from "../core/tensor.ts";
import {
  type PathStep,
  type TreeStructure,
  findMismatch,
  fitsStructure,
  flattenTree,
  isContainer,
  matchesStructure,
  rebuildObject,
  showPath,
  unflattenTree,
  walkTree,
} from "./structure.ts";

/** The distinct tensors of a tree, in the order in which a walk meets them. */
export const treeLeaves = (tree: unknown): Tensor[] => flattenTree(tree).leaves;

/**
 * The distinct tensors of a tree with their paths, `hidden.weight` or `layers.0.bias`. A shared tensor has the path
 * where it was met first; the path of a tree that is one tensor is the empty string.
 */
export function namedLeaves(tree: unknown): [path: string, tensor: Tensor][] {
  const named: [string, Tensor][] = [];
  walkTree(tree, (tensor, path) => void named.push([showPath(path), tensor]));
  return named;
}

/** True where both trees have the same containers, classes, static values (`Object.is`) and sharing of tensors. */
export const sameStructure = (a: unknown, b: unknown): boolean =>
  matchesStructure(flattenTree(a).structure, b);

/**
 * Replaces every tensor of a tree by `f` of it and of the tensors at the same place of the other trees. Shared
 * tensors are mapped once and stay shared. The result has the type of the tree, so `f` should keep shapes where the
 * type fixes them. Throws `ValueError` with the path where the trees differ.
 *
 * ```ts
 * const averaged = mapTree((e, p) => add(mul(e, 0.99), mul(p, 0.01)), ema, model);
 * ```
 */
export function mapTree<T>(
  f: (tensor: Tensor, ...others: Tensor[]) => Tensor,
  tree: T,
  ...rest: readonly unknown[]
): T {
  const { leaves, structure } = flattenTree(tree);
  const others = rest.map((other, i) => leavesLike("mapTree", structure, other, i + 2));
  const mapped = leaves.map((leaf, i) => f(leaf, ...others.map((each) => each[i]!)));
  return unflattenTree(structure, mapped) as T;
}

/** As `mapTree`, with the path of each tensor first. */
export function mapTreeWithPath<T>(
  f: (path: string, tensor: Tensor, ...others: Tensor[]) => Tensor,
  tree: T,
  ...rest: readonly unknown[]
): T {
  const { structure } = flattenTree(tree);
  const others = rest.map((other, i) => leavesLike("mapTreeWithPath", structure, other, i + 2));
  const mapped = namedLeaves(tree).map(([path, leaf], i) =>
    f(path, leaf, ...others.map((each) => each[i]!)),
  );
  return unflattenTree(structure, mapped) as T;
}

/** The tensors of `other` at the places of `structure`. */
function leavesLike(op: string, structure: TreeStructure, other: unknown, position: number): Tensor[] {
  const leaves: Tensor[] = [];
  if (fitsStructure(structure, other, leaves)) return leaves;
  const { path, expected, received } = findMismatch(structure, other)!;
  const where = path === "" ? "" : ` at ${path}`;
  throw new ValueError(op, `tree ${position} differs from tree 1${where}: expected ${expected}, received ${received}`, {
    expected,
    received,
    hint: "give trees of one structure",
  });
}

/**
 * Splits a tree in two of the same shape: `selected` has the tensors for which `predicate` is true, `rest` the
 * others, and each has null where the other has a tensor. Everything that is not a tensor is in both. A shared
 * tensor goes to one side, chosen by the path where it was met first. The halves are typed as the tree itself, so
 * that transforms take them; `combine` puts them together.
 *
 * ```ts
 * const [weights, rest] = partition(model, (path) => path.endsWith("weight"));
 * const gradient = grad((w) => loss(combine(w, rest), x, y))(weights);
 * ```
 */
export function partition<T>(
  tree: T,
  predicate: (path: string, tensor: Tensor) => boolean,
): [selected: T, rest: T] {
  const { structure } = flattenTree(tree);
  const named = namedLeaves(tree);
  const chosen = named.map(([path, tensor]) => predicate(path, tensor));
  const half = (side: boolean): T =>
    unflattenTree(structure, named.map(([, tensor], i) => (chosen[i] === side ? tensor : null))) as T;
  return [half(true), half(false)];
}

/**
 * Joins the halves of `partition`: at each place the tensor of whichever tree has one, null where none has. Throws
 * `ValueError` with the path where two trees have a tensor at one place, or where they differ in anything else.
 */
export function combine<T>(first: T, ...rest: readonly T[]): T {
  return rest.reduce<T>((joined, next) => join(joined, next, []) as T, first);
}

function join(a: unknown, b: unknown, path: readonly PathStep[]): unknown {
  const differ = (problem: string): ValueError =>
    new ValueError("combine", `${problem}${path.length > 0 ? ` at ${showPath(path)}` : ""}`, {
      hint: "join the two halves that partition gave",
    });
  if (a instanceof Tensor || b instanceof Tensor) {
    if (a === null) return b;
    if (b === null) return a;
    throw differ(a instanceof Tensor && b instanceof Tensor ? "both trees have a tensor" : "the trees differ");
  }
  if (!isContainer(a) || !isContainer(b)) {
    if (Object.is(a, b)) return a;
    throw differ("the trees differ");
  }
  const keys = Object.keys(a);
  const others = Object.keys(b);
  if (
    Object.getPrototypeOf(a) !== Object.getPrototypeOf(b) ||
    keys.length !== others.length ||
    keys.some((key, i) => key !== others[i])
  ) {
    throw differ("the trees differ");
  }
  const values = keys.map((key) => join(a[key], b[key], [...path, key]));
  return Array.isArray(a) ? values : rebuildObject(Object.getPrototypeOf(a) as object | null, keys, values);
}
