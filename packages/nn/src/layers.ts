/** Layers that hold other layers, and those that hold almost nothing: `Sequential`, `Residual`, `Dropout`, `PRelu`. */
import { type Key, type Tensor, ValueError, add, bernoulli, full, mul, where } from "@dormouse/tensor";
import { prelu } from "./activations.ts";
import type { FloatType } from "./initializers.ts";
import { type ForwardContext, type Layer, type Module, advance, contextOf, replace } from "./module.ts";

type Shape = readonly number[];

/**
 * Layers and functions one after another. Every layer gets a key of its own in training. Returns the output, or
 * `[output, next]` where a layer has new state.
 *
 * ```ts
 * new Sequential(new Linear(784, 256, { key: k1 }), relu, new Dropout(0.5), new Linear(256, 10, { key: k2 }))
 * ```
 */
export class Sequential<L extends readonly Layer[] = readonly Layer[]> {
  readonly layers: L;

  constructor(...layers: L) {
    layers.forEach((layer: unknown, i) => {
      if (typeof layer === "function" || typeof (layer as Partial<Module> | null)?.forward === "function") return;
      throw new ValueError("Sequential", `layer ${i} is ${Array.isArray(layer) ? "a list" : `of type ${typeof layer}`}`, {
        expected: "a function, or an object with a method forward",
        received: layer,
        hint: "give layers one by one: new Sequential(first, second)",
      });
    });
    this.layers = layers;
  }

  forward(x: Tensor): Tensor;
  forward(x: Tensor, context?: ForwardContext): Tensor | readonly [output: Tensor, next: Sequential<L>];
  forward(x: Tensor, context: ForwardContext = {}): Tensor | readonly [Tensor, Sequential<L>] {
    let y = x;
    const layers = this.layers.map((layer, i) => {
      const [output, next] = advance(layer, y, contextOf(context, i));
      y = output;
      return next;
    });
    const isSame = layers.every((layer, i) => layer === this.layers[i]);
    return isSame ? y : [y, replace<Sequential<L>>(this, { layers: layers as unknown as L })];
  }
}

/** `x + block(x)` (He et al. 2016); the block keeps the shape, or one that broadcasts. */
export class Residual<B extends Module = Module> {
  readonly block: B;

  constructor(block: B) {
    this.block = block;
  }

  forward(x: Tensor): Tensor;
  forward(x: Tensor, context?: ForwardContext): Tensor | readonly [output: Tensor, next: Residual<B>];
  forward(x: Tensor, context: ForwardContext = {}): Tensor | readonly [Tensor, Residual<B>] {
    const [y, block] = advance(this.block, x, context);
    const sum = add(x, y);
    return block === this.block ? sum : [sum, replace<Residual<B>>(this, { block })];
  }
}

/**
 * `x` with elements set to 0 at random with probability `rate`, and the others divided by `1 - rate`, so that the mean
 * stays (Srivastava et al. 2014). Only with a key: without one it is the identity. One key drops one way:
 * Monte-Carlo dropout predicts with a key per sample.
 */
export function dropout<S extends Shape>(key: Key, x: Tensor<S>, rate: number): Tensor<S> {
  if (!(rate >= 0 && rate <= 1)) {
    throw new ValueError("dropout", `rate is ${rate}`, { received: rate, hint: "use a probability from 0 to 1" });
  }
  if (rate === 0) return x;
  const kept = rate === 1 ? full(x.shape, false) : bernoulli(key, 1 - rate, x.shape);
  return where(kept, mul(x as Tensor, rate === 1 ? 0 : 1 / (1 - rate)), 0) as Tensor<S>;
}

/** `dropout` as a layer: `forward(x, { key })` drops, `forward(x)` does nothing. */
export class Dropout {
  readonly rate: number;

  constructor(rate = 0.5) {
    if (!(rate >= 0 && rate <= 1)) {
      throw new ValueError("Dropout", `rate is ${rate}`, { received: rate, hint: "use a probability from 0 to 1" });
    }
    this.rate = rate;
  }

  forward<S extends Shape>(x: Tensor<S>, { key }: ForwardContext = {}): Tensor<S> {
    return key ? dropout(key, x, this.rate) : x;
  }
}

export interface PReluOptions {
  /** First slope. Default 0.25. */
  readonly slope?: number;
  /** Default float32. */
  readonly dtype?: FloatType;
}

/** `prelu` with slopes of its own: one for all channels (default), or as many as there are channels (axis 1). */
export class PRelu {
  readonly slope: Tensor;

  constructor(channels = 1, { slope = 0.25, dtype = "float32" }: PReluOptions = {}) {
    this.slope = full([channels], slope, { dtype });
  }

  forward<S extends Shape>(x: Tensor<S>): Tensor<S> {
    return prelu(x, this.slope);
  }
}
