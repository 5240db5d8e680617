/**
 * Fine-tuning: which parameters learn. A model is split in two halves of its own shape, so that `grad` and the
 * optimizer see one of them only; `combine` of `@dormouse/tensor` puts them together where the model is called.
 */
import { type Tensor, ValueError, combine, namedLeaves, partition } from "@dormouse/tensor";
import { isParameter } from "./module.ts";

/**
 * Parameters by path: a path such as `layers.0.weight`, or of what holds them, `layers.0`; several of those; a regular
 * expression that the path matches; or a function that is asked for each.
 */
export type Paths = string | readonly string[] | RegExp | ((path: string, parameter: Tensor) => boolean);

/** `Paths` as a function. */
export function pathMatcher(paths: Paths): (path: string, parameter: Tensor) => boolean {
  if (typeof paths === "function") return paths;
  // A copy without the flags that make `test` remember where it stopped.
  if (paths instanceof RegExp) {
    const pattern = new RegExp(paths.source, paths.flags.replace(/[gy]/g, ""));
    return (path) => pattern.test(path);
  }
  const list = typeof paths === "string" ? [paths] : paths;
  return (path) => list.some((each) => each === "" || path === each || path.startsWith(`${each}.`));
}

/** Throws `ValueError` where nothing is chosen, which is a misspelled path more often than it is meant. */
function requireSome(op: string, tree: unknown, paths: Paths): void {
  const isChosen = pathMatcher(paths);
  const parameters = namedLeaves(tree).filter(([path, leaf]) => isParameter(path, leaf));
  if (parameters.some(([path, leaf]) => isChosen(path, leaf))) return;
  const names = parameters.map(([path]) => path);
  const few = names.length > 8 ? `${names.slice(0, 8).join(", ")}, ...` : names.join(", ");
  const where = typeof paths === "function" ? "a path that the function chooses" : String(paths);
  throw new ValueError(op, `no parameter is at ${where}`, {
    expected: names,
    received: paths,
    hint: names.length === 0 ? "give a tree with parameters" : `the paths are ${few}`,
  });
}

/**
 * Splits a model in what learns and what does not: `trainable` has all parameters except those at `paths`, `frozen`
 * has those and all that is not learned, such as running statistics. Each half has null where the other has a tensor.
 * To train only a part, give a function: `freeze(model, (path) => !path.startsWith("head."))`.
 *
 * Throws `ValueError` where no parameter is at `paths`.
 *
 * ```ts
 * const [trainable, frozen] = freeze(model, "encoder");
 * const loss = (part: typeof model) => crossEntropy(combine(part, frozen).forward(x), y);
 * const [next] = optimizer.update(grad(loss)(trainable), optimizer.init(trainable), trainable);
 * const tuned = combine(next, frozen);
 * ```
 */
export function freeze<T>(model: T, paths: Paths): [trainable: T, frozen: T] {
  const isFrozen = pathMatcher(paths);
  requireSome("freeze", model, paths);
  return partition(model, (path, leaf) => isParameter(path, leaf) && !isFrozen(path, leaf));
}

/**
 * Moves the parameters at `paths` from the frozen half of a model to the one that learns: for unfreezing layer by
 * layer. The state of an optimizer belongs to the parameters it was made for: make a new one with `optimizer.init`.
 *
 * ```ts
 * let [trainable, frozen] = freeze(model, "encoder");
 * [trainable, frozen] = unfreeze(trainable, frozen, "encoder.layers.3");
 * ```
 */
export function unfreeze<T>(trainable: T, frozen: T, paths: Paths): [trainable: T, frozen: T] {
  const isChosen = pathMatcher(paths);
  requireSome("unfreeze", frozen, paths);
  const learned = new Set(namedLeaves(trainable).map(([, leaf]) => leaf));
  return partition(
    combine(trainable, frozen),
    (path, leaf) => learned.has(leaf) || (isParameter(path, leaf) && isChosen(path, leaf)),
  );
}
