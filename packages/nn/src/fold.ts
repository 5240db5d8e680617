/** Linear collapse: stacked linear layers are one linear layer, which is why networks have activations. */
import { type Tensor, ShapeError, ValueError, linear, matmul } from "@dormouse/tensor";
import { Linear } from "./linear.ts";

/** Any layer that is an affine function of its input. */
type Affine = Pick<Linear, "weight" | "bias">;

/**
 * One linear layer that does what several do one after another: `W = Wₙ ⋯ W₁`, `b = Wₙ(⋯ W₂b₁ + b₂ ⋯) + bₙ`. Depth
 * without activations adds parameters and no functions. Throws `ValueError` where something is not a linear layer,
 * `ShapeError` where one does not take what the one before gives.
 *
 * ```ts
 * const one = foldLinear(first, second);        // one.forward(x) equals second.forward(first.forward(x))
 * foldLinear(...sequential.layers);             // all layers of a container
 * ```
 */
export function foldLinear(...layers: readonly unknown[]): Linear {
  const affine = layers.map((layer, i): Affine => {
    if (layer instanceof Linear) return layer;
    const name = typeof layer === "function" ? `the function ${layer.name || "(anonymous)"}` : describe(layer);
    throw new ValueError("foldLinear", `layer ${i} is ${name}`, { received: layer, hint: "fold layers of class Linear only" });
  });
  const [first, ...rest] = affine;
  if (!first) throw new ValueError("foldLinear", "there are no layers", { hint: "give at least one" });
  return rest.reduce<Linear>((done, next, i) => fold(done, next, i + 1), Linear.of(first.weight, first.bias));
}

const describe = (value: unknown): string =>
  typeof value === "object" && value !== null ? `of class ${value.constructor?.name ?? "(none)"}` : String(value);

function fold(done: Linear, { weight, bias }: Affine, at: number): Linear {
  const [given, taken] = [done.weight.shape[0], weight.shape[1]];
  if (given !== taken) {
    throw new ShapeError("foldLinear", `layer ${at} takes ${taken} features and the one before gives ${given}`, {
      expected: given,
      received: taken,
      hint: "give layers in the order in which they are called",
    });
  }
  const moved = done.bias ? linear(done.bias, weight, bias) : bias;
  return Linear.of(matmul(weight, done.weight), moved as Tensor<[number]> | null);
}
