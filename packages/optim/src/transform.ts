/**
 * Optimizers as chains of transforms. A transform turns the gradient of every parameter into another update and may
 * keep state; an optimizer runs a chain of them and subtracts what comes out. This file owns the bookkeeping: which
 * tensors of a tree are parameters, their names, the step count. It knows no update rule.
 */
import {
  type DType, type Tensor, type TreeStructure, DTypeError, ShapeError, ValueError, add, cast, findMismatch, fitsStructure,
  flattenTree, namedLeaves, sub, unflattenTree, zeros,
} from "@dormouse/tensor";

/** Tensors by the path of the parameter they belong to, such as `hidden.weight`. */
export type ByPath<T = Tensor> = Readonly<Record<string, T>>;

/** What a transform is told besides the updates. */
export interface Moment {
  readonly params: ByPath;
  /** Updates done before this one, as a scalar of a float dtype: 0 at the first. */
  readonly step: (dtype: DType) => Tensor<[]>;
  /** float64 if a parameter is, else float32: the dtype for numbers that all parameters share. */
  readonly dtype: DType;
}

/**
 * One link of a chain. `init` makes its state from the parameters; `update` turns updates into updates and its state
 * into the next. Both are pure, and the state is a tree of one structure for ever, so that a compiled step is traced
 * once. Updates point up the gradient: the optimizer subtracts them. A parameter whose update is left out stays as it is.
 */
export interface Transform<S = unknown> {
  init(params: ByPath): S;
  update(updates: ByPath, state: S, at: Moment): readonly [updates: ByPath, state: S];
}

/** The state of an optimizer: a tree of tensors, to be passed on, donated or saved, and not to be looked into. */
export interface State {
  /** Updates done so far, int32. */
  readonly step: Tensor<[]>;
  /** One state per link. */
  readonly links: readonly unknown[];
}

/** A chain of transforms that updates parameters. Made by `chain`, `adam`, `sgd` and so on. */
export interface Optimizer {
  readonly links: readonly Transform[];
  /** The state before the first step. */
  init(params: unknown): State;
  /**
   * The parameters and the state after a step along `gradient`, a tree like `params`. Only float tensors are updated,
   * everything else is handed through. Of float16 tensors the state is float32, and only the new value is rounded.
   * Throws `ValueError` where gradient and parameters, or state and parameters, do not fit.
   */
  update<P>(gradient: P, state: State, params: P): [params: P, state: State];
}

/**
 * Runs transforms one after another, and subtracts what the last one gives. Optimizers may be links: their transforms
 * join the chain.
 *
 * ```ts
 * const optimizer = chain(clipByGlobalNorm(1), adamW({ learningRate: cosineDecay(1e-3, 5_000) }));
 * let state = optimizer.init(model);
 * [model, state] = optimizer.update(gradient, state, model);
 * ```
 */
export function chain(...parts: readonly (Transform | Optimizer)[]): Optimizer {
  const links = parts.flatMap(linksOf);
  if (links.length === 0) throw new ValueError("chain", "there is no transform", { hint: "give at least one, such as sgd()" });
  return {
    links,
    init(params) {
      const { byPath } = parametersOf(params);
      return { step: zeros([], { dtype: "int32" }), links: links.map((link) => link.init(byPath)) };
    },
    update(gradient, state, params) {
      const parameters = parametersOf(params);
      requireState(links, state);
      const at = momentOf(parameters.byPath, state.step);
      const [updates, next] = runLinks(links, updatesOf(parameters, gradient), state.links, at);
      return [subtract(parameters, updates) as typeof params, { step: add(state.step, 1), links: next }];
    },
  };
}

/** Runs links one after another: the updates that the last one gives, and the next states. */
export function runLinks(
  links: readonly Transform[],
  updates: ByPath,
  states: readonly unknown[],
  at: Moment,
): readonly [updates: ByPath, states: readonly unknown[]] {
  let current = updates;
  const next = links.map((link, i) => {
    const [changed, state] = link.update(current, states[i], at);
    current = changed;
    return state;
  });
  return [current, next];
}

/** The transforms of a link or of an optimizer. */
export const linksOf = (part: Transform | Optimizer): readonly Transform[] => ("links" in part ? part.links : [part]);

/** The state of a transform that holds links of its own, so that what looks for a link finds those too. */
export interface Nested {
  /** The same state with every list of links mapped; `group` names those of a group. */
  mapLinks(f: (states: readonly unknown[], group?: string) => readonly unknown[]): Nested;
}

export const isNested = (state: unknown): state is Nested =>
  typeof state === "object" && state !== null && "mapLinks" in state;

interface Parameters {
  readonly structure: TreeStructure;
  readonly leaves: readonly Tensor[];
  /** For every leaf its path, or null for a leaf that is not updated. */
  readonly paths: readonly (string | null)[];
  readonly byPath: ByPath;
}

export const isFloat = ({ dtype }: Tensor): boolean => dtype === "float16" || dtype === "float32" || dtype === "float64";

/** A float16 tensor as float32, which is what transforms see of it; others as they are. */
export const widened = (x: Tensor): Tensor => (x.dtype === "float16" ? cast(x, "float32") : x);

function parametersOf(tree: unknown): Parameters {
  const { leaves, structure } = flattenTree(tree);
  const paths = namedLeaves(tree).map(([path, tensor]) => (isFloat(tensor) ? path : null));
  const byPath = Object.fromEntries(paths.flatMap((path, i) => (path === null ? [] : [[path, widened(leaves[i]!)]])));
  return { structure, leaves, paths, byPath };
}

function updatesOf({ structure, leaves, paths }: Parameters, gradient: unknown): ByPath {
  const slopes: Tensor[] = [];
  if (!fitsStructure(structure, gradient, slopes)) {
    const { path, expected, received } = findMismatch(structure, gradient)!;
    throw new ValueError("update", `the gradient differs from the parameters${path && ` at ${path}`}: expected ${expected}, received ${received}`, {
      expected,
      received,
      hint: "give update the tree that grad was given",
    });
  }
  const entries: [string, Tensor][] = [];
  paths.forEach((path, i) => {
    if (path === null) return;
    requireFit(path, leaves[i]!, slopes[i]!);
    entries.push([path, widened(slopes[i]!)]);
  });
  return Object.fromEntries(entries);
}

function requireFit(path: string, parameter: Tensor, slope: Tensor): void {
  const where = path === "" ? "" : ` at ${path}`;
  if (slope.dtype !== parameter.dtype) {
    throw new DTypeError("update", `the gradient${where} is ${slope.dtype}, the parameter ${parameter.dtype}`, {
      expected: parameter.dtype,
      received: slope.dtype,
      hint: `cast one: cast(x, "${parameter.dtype}")`,
    });
  }
  if (slope.rank === parameter.rank && slope.shape.every((length, axis) => length === parameter.shape[axis])) return;
  throw new ShapeError("update", `the gradient${where} is [${slope.shape.join(", ")}], the parameter [${parameter.shape.join(", ")}]`, {
    expected: parameter.shape,
    received: slope.shape,
    hint: "give the gradient of these parameters",
  });
}

function requireState(links: readonly Transform[], state: State): void {
  if (state.links.length === links.length) return;
  throw new ValueError("update", `the state has ${state.links.length} links and the optimizer ${links.length}`, {
    expected: links.length,
    received: state.links.length,
    hint: "use the state that init or update of this optimizer gave",
  });
}

/** The dtype of numbers that all parameters share. */
export const sharedDType = (params: ByPath): DType =>
  Object.values(params).some(({ dtype }) => dtype === "float64") ? "float64" : "float32";

/** What transforms are told, where `count` updates were done before. */
export function momentOf(params: ByPath, count: Tensor<[]>): Moment {
  return { params, dtype: sharedDType(params), step: perDType((dtype) => cast(count, dtype)) };
}

/** Calls `make` once for every dtype asked for: a number shared by many parameters is one node of the graph. */
export function perDType<T>(make: (dtype: DType) => T): (dtype: DType) => T {
  const made = new Map<DType, T>();
  return (dtype) => {
    if (!made.has(dtype)) made.set(dtype, make(dtype));
    return made.get(dtype)!;
  };
}

function subtract({ structure, leaves, paths }: Parameters, updates: ByPath): unknown {
  return unflattenTree(
    structure,
    leaves.map((leaf, i) => {
      const update = paths[i] === null ? undefined : updates[paths[i]!];
      return update ? cast(sub(widened(leaf), update), leaf.dtype) : leaf;
    }),
  );
}

/** Maps updates one by one; the path tells which. */
export const mapUpdates = (
  updates: ByPath,
  f: (update: Tensor, path: string) => Tensor,
): ByPath => Object.fromEntries(Object.entries(updates).map(([path, update]) => [path, f(update, path)]));

/** How one parameter is updated: its gradient and its state give its update and its next state. */
export type Rule<S> = (gradient: Tensor, state: S, parameter: Tensor) => readonly [update: Tensor, state: S];

/** Applies a rule to every parameter that has an update; the states of the others stay. */
export function updateEach<S>(updates: ByPath, states: ByPath<S>, params: ByPath, rule: Rule<S>): readonly [ByPath, ByPath<S>] {
  const next: Record<string, S> = { ...states };
  const changed = mapUpdates(updates, (gradient, path) => {
    const state = states[path];
    if (state === undefined) {
      throw new ValueError("update", `the state has nothing for ${path || "the parameter"}`, {
        expected: Object.keys(states),
        received: path,
        hint: "init the optimizer with the parameters that it updates",
      });
    }
    const [update, after] = rule(gradient, state, params[path]!);
    next[path] = after;
    return update;
  });
  return [changed, next];
}

/**
 * A transform that treats every parameter alike: `init` makes the state of one, and `rule`, called once per step with
 * what all parameters share, gives the formula.
 *
 * ```ts
 * const momentum = perParameter(zerosLike, () => (g, m) => {
 *   const next = add(mul(m, 0.9), g);
 *   return [next, next];
 * });
 * ```
 */
export const perParameter = <S>(init: (parameter: Tensor) => S, rule: (at: Moment) => Rule<S>): Transform =>
  erased<ByPath<S>>({
    init: (params) => Object.fromEntries(Object.entries(params).map(([path, each]) => [path, init(each)])),
    update: (updates, states, at) => updateEach(updates, states, at.params, rule(at)),
  });

/** Forgets the type of a transform's state, which only the transform itself looks into. */
export const erased = <S>(transform: Transform<S>): Transform => transform as Transform;
