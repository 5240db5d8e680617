/**
 * Finds where numbers stop being finite: runs one step once more, from the weights before it, and looks at its tensors
 * in the order in which they come to be. Slow and only for a run that has failed.
 */
import { valueAndGrad } from "@dormouse/autograd";
import { observed } from "@dormouse/nn";
import { type Key, type Tensor, namedLeaves } from "@dormouse/tensor";
import { type Example, type Forward, outputsOf } from "./forward.ts";
import type { Score } from "./totals.ts";

/** The first tensor of a step that holds NaN or an infinity, in words. */
export async function firstNotFinite<M extends object>(
  model: M, { x, y }: Example, key: Key, forward: Forward<M>, loss: Score,
): Promise<string> {
  const weight = await firstOf(namedLeaves(model));
  if (weight !== null) return `the weight ${weight}`;
  if (!(await allFinite(x))) return "the input x";
  if (!(await allFinite(y))) return "the target y";

  const layers: [string, Tensor][] = [];
  const watched = observed(model, (path, _layer, output) => void layers.push([path, output]));
  const outputs = outputsOf(forward(watched, x, { key }));
  const layer = await firstOf(layers);
  if (layer !== null) return `the output of ${layer || "the model"}`;
  if (!(await allFinite(outputs))) return "the output of the model";

  const [value, gradient] = valueAndGrad((m: M) => loss(outputsOf(forward(m, x, { key })), y))(model);
  if (!(await allFinite(value))) return "the loss";
  const slope = await firstOf(namedLeaves(gradient));
  return slope === null ? "the norm of the gradient" : `the gradient of ${slope}`;
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
  if (x.dtype !== "float32" && x.dtype !== "float64") return true;
  return (await x.data()).every((value) => Number.isFinite(value));
}
