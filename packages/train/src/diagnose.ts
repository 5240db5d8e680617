/**
 * Finds where numbers stop being finite: runs one step once more, from the weights before it, and looks at its tensors
 * in the order in which they come to be. Slow and only for a run that has failed.
 */
import { valueAndGrad } from "@dormouse/autograd";
import { observed } from "@dormouse/nn";
import { mixedPrecision } from "@dormouse/optim";
import { type Key, type Tensor, namedLeaves } from "@dormouse/tensor";
import { type Example, type Forward, outputsOf } from "./forward.ts";
import type { Score } from "./totals.ts";

/**
 * The first tensor of a step that holds NaN or an infinity, in words. `scale` is the loss scale of mixed precision,
 * null where the step was float32.
 */
export async function firstNotFinite<M extends object>(
  model: M, { x, y }: Example, key: Key, forward: Forward<M>, loss: Score, scale: number | null = null,
): Promise<string> {
  const inside = scale === null ? "" : " in float16";
  const asTrained = <R>(f: (m: M, x: Tensor) => R): ((m: M, x: Tensor) => R) =>
    scale === null ? f : mixedPrecision(f, { scale });
  const weight = await firstOf(namedLeaves(model));
  if (weight !== null) return `the weight ${weight}`;
  if (!(await allFinite(x))) return "the input x";
  if (!(await allFinite(y))) return "the target y";

  const layers: [string, Tensor][] = [];
  const watch = (m: M): M => observed(m, (path, _layer, output) => void layers.push([path, output]));
  const outputs = asTrained((m: M, x: Tensor) => outputsOf(forward(watch(m), x, { key })))(model, x);
  const layer = await firstOf(layers);
  if (layer !== null) return `the output of ${layer || "the model"}${inside}`;
  if (!(await allFinite(outputs))) return `the output of the model${inside}`;

  const through = asTrained((m: M, x: Tensor) => outputsOf(forward(m, x, { key })));
  const [value, gradient] = valueAndGrad((m: M) => loss(through(m, x), y))(model);
  if (!(await allFinite(value))) return "the loss";
  const slope = await firstOf(namedLeaves(gradient));
  return slope === null ? "the norm of the gradient" : `the gradient of ${slope}${inside}`;
}

/** The first weight of a model that is not finite, in words, or null. */
export async function weightNotFinite(model: object): Promise<string | null> {
  const weight = await firstOf(namedLeaves(model));
  return weight === null ? null : `the weight ${weight}`;
}

async function firstOf(tensors: readonly (readonly [string, Tensor])[]): Promise<string | null> {
  for (const [name, each] of tensors) if (!(await allFinite(each))) return name;
  return null;
}

async function allFinite(x: Tensor): Promise<boolean> {
  if (x.dtype !== "float16" && x.dtype !== "float32" && x.dtype !== "float64") return true;
  return (await x.data()).every((value) => Number.isFinite(value));
}
