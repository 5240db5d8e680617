/**
 * Low-rank adapters: a linear layer that stays as it is, plus a product of two thin matrices that learns. Owns putting
 * them into a model and merging them again.
 */
import { type Key, type Tensor, ValueError, add, foldIn, linear, matmul, mul, zeros } from "@dormouse/tensor";
import { type Paths, pathMatcher } from "./freeze.ts";
import { type FloatType, defaultWeight } from "./initializers.ts";
import { type FeatureCheck, type WithLast, Linear, requireSizes, withKey } from "./linear.ts";
import { mapLayers } from "./modules.ts";

type Shape = readonly number[];

export interface LoraOptions {
  /** Where the first values come from. */
  readonly key: Key;
  /** Columns of the thin matrices, at most the smaller side of a weight. Default 8. */
  readonly rank?: number;
  /** The product is multiplied by `alpha / rank`. Default: the rank, so that the factor is 1. */
  readonly alpha?: number;
  /** Which linear layers, by the paths of their weights. Default all. */
  readonly paths?: Paths;
}

/** A linear layer with an adapter: `x·Wᵀ + b + scale · x·downᵀ·upᵀ`. Has the properties of `Linear`. */
export class LoraLinear<const In extends number = number, const Out extends number = number>
  implements Linear<In, Out>
{
  readonly base: Linear<In, Out>;
  /** `[rank, in]`. */
  readonly loraDown: Tensor<[number, In]>;
  /** `[out, rank]`, zeros at first, so that the model begins as it was. */
  readonly loraUp: Tensor<[Out, number]>;
  readonly scale: number;

  constructor(base: Linear<In, Out>, { key, rank = 8, alpha = rank }: Omit<LoraOptions, "paths">) {
    const [outputs, inputs] = base.weight.shape;
    requireSizes("lora", { rank });
    if (rank > Math.min(inputs, outputs)) {
      throw new ValueError("lora", `rank ${rank} for a weight [${outputs}, ${inputs}]`, {
        expected: Math.min(inputs, outputs),
        received: rank,
        hint: "use at most the smaller side",
      });
    }
    const dtype = base.weight.dtype as FloatType;
    this.base = base;
    this.loraDown = defaultWeight(key, [rank, inputs], { dtype }) as Tensor<[number, In]>;
    this.loraUp = zeros([outputs, rank], { dtype }) as Tensor<[Out, number]>;
    this.scale = alpha / rank;
  }

  /** The weight with the adapter in it, `[out, in]`. */
  get weight(): Tensor<[Out, In]> {
    const change = mul(matmul(this.loraUp, this.loraDown), this.scale);
    return add(this.base.weight, change) as Tensor<[Out, In]>;
  }

  get bias(): Tensor<[Out]> | null {
    return this.base.bias;
  }

  forward<N extends number>(x: Tensor<[N, In]>): Tensor<[N, Out]>;
  forward<S extends Shape>(x: Tensor<S> & FeatureCheck<S, In>): Tensor<WithLast<S, Out>>;
  forward(x: Tensor): Tensor {
    const change = linear(linear(x, this.loraDown), this.loraUp);
    return add((this.base as Linear).forward(x), mul(change, this.scale));
  }
}

/**
 * A copy of a model in which linear layers have low-rank adapters (Hu et al. 2022): `rank·(in + out)` new parameters
 * for each, where the weight has `in·out`. It gives what the model gave until the adapters learn. Train only those
 * with `partition` and `isLora`; make plain layers of the result with `mergeLora`.
 *
 * Throws `ValueError` where there is no linear layer at `paths`, or where the rank exceeds a side of a weight.
 *
 * ```ts
 * const adapted = lora(model, { rank: 4, key: key(0) });
 * const [adapters, rest] = partition(adapted, isLora);      // the gradient of `adapters` is all that is needed
 * const tuned = mergeLora(combine(trained, rest));
 * ```
 */
export function lora<T>(model: T, options: LoraOptions): T {
  const { key, paths, ...rest } = withKey("lora", options);
  const isChosen = paths === undefined ? () => true : pathMatcher(paths);
  // A layer that stands at two places gets one adapter: its tensors are the same, though the copy has two objects.
  const made = new Map<Tensor, LoraLinear>();
  const adapted = mapLayers(model, (layer, path) => {
    if (!(layer instanceof Linear)) return layer;
    const base: Linear = layer;
    if (!isChosen(path === "" ? "weight" : `${path}.weight`, base.weight)) return layer;
    const adapter = made.get(base.weight) ?? new LoraLinear(base, { ...rest, key: foldIn(key, made.size) });
    made.set(base.weight, adapter);
    return adapter;
  });
  if (made.size > 0) return adapted;
  throw new ValueError("lora", `there is no linear layer${paths === undefined ? "" : ` at ${String(paths)}`}`, {
    received: paths,
    hint: "namedLeaves(model) lists the paths",
  });
}

/** True for the tensors that `lora` adds. For `partition`, and to save adapters alone. */
export const isLora = (path: string): boolean => /(^|\.)lora(Down|Up)$/.test(path);

/** A copy of a model in which every adapter has become part of the weight of its layer: what `lora` added is gone. */
export function mergeLora<T>(model: T): T {
  const made = new Map<Tensor, Linear>();
  return mapLayers(model, (layer) => {
    if (!(layer instanceof LoraLinear)) return layer;
    const adapter: LoraLinear = layer;
    const merged = made.get(adapter.base.weight) ?? Linear.of(adapter.weight, adapter.bias);
    made.set(adapter.base.weight, merged);
    return merged;
  });
}
