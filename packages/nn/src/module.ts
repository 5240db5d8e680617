/**
 * What layers have in common. A module is an object with tensors in it and a `forward`; its parameters are found by
 * walking its properties, so there is nothing to extend or to register. Randomness and training are explicit: a call
 * with a key trains, a call without one evaluates. A module whose state changes while it trains (`BatchNorm`) returns
 * the output and the module that comes next.
 */
import { type Key, type Tensor, cast, foldIn, namedLeaves } from "@dormouse/tensor";

/** What a forward pass is told. With a key it is training; the key is the source of all randomness in it. */
export interface ForwardContext {
  readonly key?: Key;
}

/** Anything with a forward pass: the output, or in training `[output, next module]`. */
export interface Module {
  forward(x: Tensor, context?: ForwardContext): Tensor | readonly [output: Tensor, next: object];
}

/** A module, or a function such as `relu`. */
export type Layer = Module | ((x: Tensor) => Tensor);

/**
 * Calls a layer and always returns `[output, next]`; `next` is the layer itself where nothing changed. For classes
 * that hold layers with state.
 *
 * ```ts
 * class Block {
 *   norm = new BatchNorm(16);
 *   forward(x: Tensor, context: ForwardContext = {}) {
 *     const [y, norm] = advance(this.norm, x, context);
 *     return norm === this.norm ? relu(y) : ([relu(y), replace(this, { norm })] as const);
 *   }
 * }
 * ```
 */
export function advance<L extends Layer>(layer: L, x: Tensor, context: ForwardContext = {}): readonly [output: Tensor, next: L] {
  const result = typeof layer === "function" ? layer(x) : layer.forward(x, context);
  return Array.isArray(result) ? (result as unknown as readonly [Tensor, L]) : [result as Tensor, layer];
}

/** A copy of an object, of the same class, with some properties replaced. */
export const replace = <M extends object>(module: M, changes: Partial<M>): M =>
  Object.assign(Object.create(Object.getPrototypeOf(module) as object) as M, module, changes);

/** A context of its own for the `index`-th layer of a container. */
export const contextOf = ({ key }: ForwardContext, index: number): ForwardContext => (key ? { key: foldIn(key, index) } : {});

/**
 * True for tensors that are learned: floats, except the statistics that a layer keeps, which are the properties whose
 * name begins with `running`. For `partition`, to freeze and to count.
 */
export const isParameter = (path: string, { dtype }: Tensor): boolean =>
  (dtype === "float16" || dtype === "float32" || dtype === "float64") && !/(^|\.)running[A-Z]\w*$/.test(path);

/** The number of learned numbers in a model; a tensor in two places counts once. */
export const parameterCount = (model: unknown): number =>
  namedLeaves(model).reduce((count, [path, tensor]) => count + (isParameter(path, tensor) ? tensor.size : 0), 0);

/** A float16 tensor as float32, for sums and exponentials that float16 cannot hold; others as they are. */
export const widened = (x: Tensor): Tensor => (x.dtype === "float16" ? cast(x, "float32") : x);
