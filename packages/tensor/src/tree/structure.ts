/**
 * Trees: anything that holds tensors (a tensor, an array, an object, an instance of a class) taken apart into its
 * tensors and a structure, put together again, and compared against a structure. Owns the rules of what a tree is;
 * refuses to look inside built-in containers (Map, Set, typed arrays, dates …), which are static values like numbers.
 */
import { ValueError } from "../core/errors.ts";
import { Tensor } from "../core/tensor.ts";

/** What is at one place of a tree. */
export type TreeNode =
  /** A tensor: the position in `leaves`. A tensor met twice has the same position twice. */
  | { readonly kind: "tensor"; readonly index: number }
  /** Everything else, kept by identity. */
  | { readonly kind: "static"; readonly value: unknown }
  | { readonly kind: "array"; readonly items: readonly TreeNode[] }
  /** Own enumerable properties, in insertion order; rebuilt with the same prototype. */
  | {
      readonly kind: "object";
      readonly prototype: object | null;
      readonly keys: readonly string[];
      readonly values: readonly TreeNode[];
    };

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
      let index = positions.get(value);
      if (index === undefined) {
        index = positions.size;
        positions.set(value, index);
        visit(value, path);
      }
      return { kind: "tensor", index };
    }
    if (!isContainer(value)) return { kind: "static", value };
    if (ancestors.includes(value)) throw cycleError(path, ancestors.indexOf(value));
    ancestors.push(value);
    let node: TreeNode;
    if (Array.isArray(value)) {
      node = { kind: "array", items: Array.from(value, (item, i) => walkAt(i, item)) };
    } else {
      const keys = Object.keys(value);
      node = {
        kind: "object",
        prototype: Object.getPrototypeOf(value) as object | null,
        keys,
        values: keys.map((key) => walkAt(key, value[key])),
      };
    }
    ancestors.pop();
    return node;
  };
  return walk(tree);
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

function build(node: TreeNode, leaves: readonly unknown[]): unknown {
  switch (node.kind) {
    case "tensor":
      return leaves[node.index];
    case "static":
      return node.value;
    case "array":
      return buildAll(node.items, leaves);
    case "object":
      return rebuildObject(node.prototype, node.keys, buildAll(node.values, leaves));
  }
}

// Loops: a compiled step of a small model builds its trees in microseconds, and a closure for each container shows.
function buildAll(nodes: readonly TreeNode[], leaves: readonly unknown[]): unknown[] {
  const values: unknown[] = [];
  for (const node of nodes) values.push(build(node, leaves));
  return values;
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
    const value = values[i];
    if (!(key in object)) object[key] = value;
    else Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  }
  return object;
}

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
  const from = leavesOut.length;
  return matches(structure.root, tree, leavesOut, from) && areDistinct(leavesOut, from);
}

/**
 * As `matchesStructure`, but one tensor may stand at several places that the structure keeps apart, as one zero does
 * in a gradient.
 */
export const fitsStructure = (
  structure: TreeStructure,
  tree: unknown,
  leavesOut: Tensor[] = [],
): boolean => matches(structure.root, tree, leavesOut, leavesOut.length);

function matches(node: TreeNode, value: unknown, leaves: Tensor[], from: number): boolean {
  switch (node.kind) {
    case "tensor": {
      if (!(value instanceof Tensor)) return false;
      const position = from + node.index;
      if (position < leaves.length) return leaves[position] === value;
      leaves.push(value);
      return true;
    }
    case "static":
      return Object.is(node.value, value);
    case "array":
      if (!Array.isArray(value) || value.length !== node.items.length) return false;
      for (let i = 0; i < value.length; i++) {
        if (!matches(node.items[i]!, value[i], leaves, from)) return false;
      }
      return true;
    case "object": {
      if (!isContainer(value) || Array.isArray(value) || value instanceof Tensor) return false;
      if (Object.getPrototypeOf(value) !== node.prototype) return false;
      let i = 0;
      // for…in reads V8's cached key list; Object.keys would make an array for every object of every step.
      for (const key in value) {
        if (!Object.hasOwn(value, key)) continue;
        if (key !== node.keys[i]) return false;
        if (!matches(node.values[i]!, value[key], leaves, from)) return false;
        i++;
      }
      return i === node.keys.length;
    }
  }
}

/** Leaves that the structure keeps apart must not be one tensor. Growing serial numbers prove it without a set. */
function areDistinct(leaves: readonly Tensor[], from: number): boolean {
  for (let i = from + 1; i < leaves.length; i++) {
    if (leaves[i]!.id <= leaves[i - 1]!.id) {
      return new Set(leaves.slice(from)).size === leaves.length - from;
    }
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
      return value.length === node.items.length
        ? firstOf(node.items, (item, i) => find(item, value[i], [...path, i]))
        : differs(`an array of ${node.items.length}`, `an array of ${value.length}`);
    }
    if (node.kind === "object" && isContainer(value) && Object.getPrototypeOf(value) === node.prototype) {
      const keys = Object.keys(value);
      return keys.length === node.keys.length && keys.every((key, i) => key === node.keys[i])
        ? firstOf(node.values, (child, i) => find(child, value[keys[i]!], [...path, keys[i]!]))
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
