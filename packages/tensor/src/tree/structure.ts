/**
 * Trees: anything that holds tensors (a tensor, an array, an object, an instance of a class) taken apart into its
 * tensors and a structure, put together again, and compared against a structure. Owns the rules of what a tree is;
 * refuses to look inside built-in containers (Map, Set, typed arrays, dates …), which are static values like numbers.
 */
import { ValueError } from "../core/errors.ts";
import { Tensor } from "../core/tensor.ts";

/**
 * What is at one place of a tree. Every kind has every field, empty where it means nothing: a compiled step of a small
 * model walks its trees in half a microsecond, and four shapes of node would double that.
 */
export interface TreeNode {
  readonly kind: "tensor" | "static" | "array" | "object";
  /** Of a tensor: its position in `leaves`. A tensor met twice has the same position twice. */
  readonly index: number;
  /** Of a tensor: whether a walk meets it here first. */
  readonly first: boolean;
  /** Of everything that is not a tensor or a container: itself. */
  readonly value: unknown;
  /** Of an object. It is rebuilt with the same. */
  readonly prototype: object | null;
  /** Of an object: own enumerable properties, in insertion order. */
  readonly keys: readonly string[];
  /** Of an object: whether one of the keys, or any enumerable one, is found on its prototype too. */
  readonly inherits: boolean;
  /** The items of an array, the values of an object. */
  readonly parts: readonly TreeNode[];
  /** Of an array: as many nulls. A copy of it has room for the items and for no more. */
  readonly blank: readonly null[];
}

/** A tree without its tensors: where each goes, and everything that is not a tensor. */
export interface TreeStructure {
  readonly root: TreeNode;
  /** Number of distinct tensors. */
  readonly count: number;
}

/** A tree, taken apart. */
export interface FlatTree {
  /** Distinct tensors in the order in which a walk first meets them. */
  readonly leaves: Tensor[];
  readonly structure: TreeStructure;
}

/** A step of a path: a property name or a position in an array. */
export type PathStep = string | number;

/** `layers.0.bias`; the empty string is the tree itself. */
export const showPath = (steps: readonly PathStep[]): string => steps.join(".");

type Properties = Record<string, unknown>;

/** Built-in objects whose contents are not properties: a copy of the properties would not be a copy of them. */
const opaque = [
  Map, Set, WeakMap, WeakSet, WeakRef, Date, RegExp, Promise, Error, ArrayBuffer, DataView, URL,
] as const;

/** True for objects whose own properties a walk goes through. */
export function isContainer(value: unknown): value is Properties {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return true;
  return !ArrayBuffer.isView(value) && !opaque.some((type) => value instanceof type);
}

/**
 * Takes a tree apart into its distinct tensors and everything else. Tied weights (one tensor at two places) are one
 * leaf, and are one tensor again after `unflattenTree`. Throws `ValueError` where an object contains itself.
 *
 * ```ts
 * const { leaves, structure } = flattenTree({ weight: w, bias: b, name: "hidden" });   // leaves: [w, b]
 * ```
 */
export function flattenTree(tree: unknown): FlatTree {
  const leaves: Tensor[] = [];
  const root = walkTree(tree, (tensor) => void leaves.push(tensor));
  return { leaves, structure: { root, count: leaves.length } };
}

/**
 * Builds the structure of a tree, calling `visit` once for each distinct tensor with the path where it was first
 * met.
 */
export function walkTree(
  tree: unknown,
  visit: (tensor: Tensor, path: readonly PathStep[]) => void,
): TreeNode {
  const positions = new Map<Tensor, number>();
  const ancestors: unknown[] = [];
  const path: PathStep[] = [];

  const walkAt = (step: PathStep, value: unknown): TreeNode => {
    path.push(step);
    const node = walk(value);
    path.pop();
    return node;
  };

  const walk = (value: unknown): TreeNode => {
    if (value instanceof Tensor) {
      const known = positions.get(value);
      if (known !== undefined) return nodeOf({ kind: "tensor", index: known, first: false });
      const index = positions.size;
      positions.set(value, index);
      visit(value, path);
      return nodeOf({ kind: "tensor", index });
    }
    if (!isContainer(value)) return nodeOf({ kind: "static", value });
    if (ancestors.includes(value)) throw cycleError(path, ancestors.indexOf(value));
    ancestors.push(value);
    let node: TreeNode;
    if (Array.isArray(value)) {
      const parts = Array.from(value, (item, i) => walkAt(i, item));
      node = nodeOf({ kind: "array", parts, blank: parts.map(() => null) });
    } else {
      const keys = Object.keys(value);
      const prototype = Object.getPrototypeOf(value) as object | null;
      const parts = keys.map((key) => walkAt(key, value[key]));
      node = nodeOf({ kind: "object", prototype, keys, inherits: inheritsAny(prototype, keys), parts });
    }
    ancestors.pop();
    return node;
  };
  return walk(tree);
}

const none: readonly never[] = [];

/** One literal, so that all nodes have one shape. */
const nodeOf = ({
  kind,
  index = -1,
  first = true,
  value = undefined,
  prototype = null,
  keys = none,
  inherits = false,
  parts = none,
  blank = none,
}: Partial<TreeNode> & Pick<TreeNode, "kind">): TreeNode => ({
  kind, index, first, value, prototype, keys, inherits, parts, blank,
});

/** Whether a walk over the properties of an object could meet one of its prototype, or a store reach a setter there. */
function inheritsAny(prototype: object | null, keys: readonly string[]): boolean {
  if (prototype === null) return false;
  for (const _ in prototype) return true;
  return keys.some((key) => key in prototype);
}

function cycleError(path: readonly PathStep[], depth: number): ValueError {
  const ancestor = showPath(path.slice(0, depth)) || "the tree itself";
  return new ValueError("tree", `${showPath(path)} is ${ancestor} again: a tree cannot contain itself`, {
    received: showPath(path),
    hint: "keep the back reference out of the object, for example in a WeakMap or a private #field",
  });
}

/**
 * Puts a tree together: the inverse of `flattenTree`. Class instances get the prototype and the own properties of
 * the original without running their constructor (so private #fields do not survive). Throws `ValueError` where the
 * number of leaves is not that of the structure.
 */
export function unflattenTree(structure: TreeStructure, leaves: readonly unknown[]): unknown {
  if (leaves.length !== structure.count) {
    throw new ValueError(
      "unflattenTree",
      `the structure holds ${structure.count} tensors and ${leaves.length} were given`,
      {
        expected: structure.count,
        received: leaves.length,
        hint: "give one value per leaf of flattenTree",
      },
    );
  }
  return build(structure.root, leaves);
}

// Loops, here and in `matches`: a closure for each container would show.
function build(node: TreeNode, leaves: readonly unknown[]): unknown {
  const { kind, parts } = node;
  if (kind === "tensor") return leaves[node.index];
  if (kind === "static") return node.value;
  if (kind === "array") {
    const items: unknown[] = node.blank.slice();
    for (let i = 0; i < parts.length; i++) items[i] = build(parts[i]!, leaves);
    return items;
  }
  const { keys, prototype } = node;
  const object = Object.create(prototype) as Properties;
  for (let i = 0; i < keys.length; i++) {
    const value = build(parts[i]!, leaves);
    if (node.inherits) define(object, keys[i]!, value);
    else object[keys[i]!] = value;
  }
  return object;
}

/** An object of the given prototype and own properties, made without running a constructor or a setter. */
export function rebuildObject(
  prototype: object | null,
  keys: readonly string[],
  values: readonly unknown[],
): object {
  const object = Object.create(prototype) as Properties;
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    if (key in object) define(object, key, values[i]);
    else object[key] = values[i];
  }
  return object;
}

const define = (object: object, key: string, value: unknown): void =>
  void Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });

/**
 * True where `tree` has exactly this structure: same containers, prototypes, property names in the same order,
 * static values (`Object.is`) and sharing of tensors. Appends its distinct tensors to `leavesOut`, whose contents
 * past the original length mean nothing when the answer is false. Allocates nothing else while leaves are younger
 * the later they come, as those of a model that a compiled step returned are.
 */
export function matchesStructure(
  structure: TreeStructure,
  tree: unknown,
  leavesOut: Tensor[] = [],
): boolean {
  return matchesAt(structure, tree, leavesOut, leavesOut.length);
}

/** As `matchesStructure`, but the tensors are put into `leaves` from position `from` on, whatever was there before. */
export const matchesAt = (structure: TreeStructure, tree: unknown, leaves: (Tensor | null)[], from: number): boolean =>
  matches(structure.root, tree, leaves, from) && areDistinct(leaves, from, from + structure.count);

/**
 * As `matchesStructure`, but one tensor may stand at several places that the structure keeps apart, as one zero does
 * in a gradient.
 */
export const fitsStructure = (
  structure: TreeStructure,
  tree: unknown,
  leavesOut: Tensor[] = [],
): boolean => matches(structure.root, tree, leavesOut, leavesOut.length);

function matches(node: TreeNode, value: unknown, leaves: (Tensor | null)[], from: number): boolean {
  const { kind, parts } = node;
  if (kind === "tensor") return value instanceof Tensor && takeLeaf(node, value, leaves, from);
  if (kind === "static") return Object.is(node.value, value);
  if (kind === "array") {
    if (!Array.isArray(value) || value.length !== parts.length) return false;
    for (let i = 0; i < parts.length; i++) if (!matches(parts[i]!, value[i], leaves, from)) return false;
    return true;
  }
  // With the prototype of a container it is one.
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== node.prototype) return false;
  if (Array.isArray(value)) return false;
  const { keys, inherits } = node;
  let i = 0;
  // for…in reads V8's cached key list; Object.keys would make an array for every object of every step.
  for (const key in value) {
    if (inherits && !Object.hasOwn(value, key)) continue;
    if (key !== keys[i] || !matches(parts[i]!, (value as Properties)[key], leaves, from)) return false;
    i++;
  }
  return i === keys.length;
}

/** Notes a tensor where a walk meets it first; anywhere else it must be the one that was noted. */
function takeLeaf({ index, first }: TreeNode, tensor: Tensor, leaves: (Tensor | null)[], from: number): boolean {
  if (!first) return leaves[from + index] === tensor;
  leaves[from + index] = tensor;
  return true;
}

/** Leaves that the structure keeps apart must not be one tensor. Growing serial numbers prove it without a set. */
function areDistinct(leaves: readonly (Tensor | null)[], from: number, to: number): boolean {
  for (let i = from + 1; i < to; i++) {
    if (leaves[i]!.id <= leaves[i - 1]!.id) return new Set(leaves.slice(from, to)).size === to - from;
  }
  return true;
}

/** Where and how a tree departs from a structure, for error messages. */
export interface Mismatch {
  readonly path: string;
  readonly expected: string;
  readonly received: string;
}

/** The first place where `tree` does not fit `structure`; null where it fits (see `fitsStructure`). */
export function findMismatch(structure: TreeStructure, tree: unknown): Mismatch | null {
  const leaves = new Map<number, Tensor>();

  const find = (node: TreeNode, value: unknown, path: readonly PathStep[]): Mismatch | null => {
    const differs = (expected: string, received: string): Mismatch => ({
      path: showPath(path),
      expected,
      received,
    });
    if (node.kind === "tensor" && value instanceof Tensor) {
      const shared = leaves.get(node.index) ?? value;
      leaves.set(node.index, shared);
      return shared === value ? null : differs("the tensor of an earlier place", "another tensor");
    }
    if (node.kind === "array" && Array.isArray(value)) {
      return value.length === node.parts.length
        ? firstOf(node.parts, (item, i) => find(item, value[i], [...path, i]))
        : differs(`an array of ${node.parts.length}`, `an array of ${value.length}`);
    }
    if (node.kind === "object" && isContainer(value) && Object.getPrototypeOf(value) === node.prototype) {
      const keys = Object.keys(value);
      return keys.length === node.keys.length && keys.every((key, i) => key === node.keys[i])
        ? firstOf(node.parts, (child, i) => find(child, value[keys[i]!], [...path, keys[i]!]))
        : differs(`properties {${node.keys.join(", ")}}`, `{${keys.join(", ")}}`);
    }
    if (node.kind === "static" && Object.is(node.value, value)) return null;
    const expected = describeNode(node);
    const received = describe(value);
    return differs(expected, expected === received ? `another ${received.replace(/^an? /, "")}` : received);
  };
  return find(structure.root, tree, []);
}

function firstOf<T, R>(items: readonly T[], f: (item: T, i: number) => R | null): R | null {
  for (let i = 0; i < items.length; i++) {
    const found = f(items[i]!, i);
    if (found !== null) return found;
  }
  return null;
}

const describeNode = (node: TreeNode): string => {
  switch (node.kind) {
    case "tensor":
      return "a tensor";
    case "static":
      return describe(node.value);
    case "array":
      return "an array";
    case "object":
      return describePrototype(node.prototype);
  }
};

function describe(value: unknown): string {
  if (value instanceof Tensor) return "a tensor";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "function") return `function ${value.name || "(anonymous)"}`;
  if (typeof value === "object" && value !== null) return describePrototype(Object.getPrototypeOf(value) as object | null);
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

const describePrototype = (prototype: object | null): string =>
  prototype === null || prototype === Object.prototype
    ? "an object"
    : `an object of class ${(prototype as { constructor?: { name?: string } }).constructor?.name ?? "(anonymous)"}`;
