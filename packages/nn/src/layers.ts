/** Layers that hold other layers, `Sequential` and `Residual`, and activations with weights, `PRelu` and `Maxout`. */
import { type Tensor, ValueError, add, full } from "@dormouse/tensor";
import { maxout, prelu } from "./activations.ts";
import type { FloatType } from "./initializers.ts";
import { type FeatureCheck, type WeightOptions, type WithLast, Linear, requireSizes, withKey } from "./linear.ts";
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
    if (typeof (block as Partial<Module> | undefined)?.forward !== "function") {
      throw new ValueError("Residual", `the block is of type ${typeof block}`, {
        expected: "an object with a method forward",
        received: block,
        hint: "wrap functions: new Residual(new Sequential(relu))",
      });
    }
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
    requireSizes("PRelu", { channels });
    this.slope = full([channels], slope, { dtype });
  }

  forward<S extends Shape>(x: Tensor<S>): Tensor<S> {
    return prelu(x, this.slope);
  }
}

export interface MaxoutOptions extends WeightOptions {
  /** Linear functions per output. Default 2. */
  readonly pieces?: number;
}

/**
 * The largest of several linear functions of the input: `y_o = max_p (W_op·x + b_op)`, inputs `[.., in]` to `[.., out]`
 * (Goodfellow et al. 2013). A convex activation that is learned; with the pieces 0 and x it is relu.
 *
 * ```ts
 * new Maxout(784, 256, { pieces: 3, key: key(0) }).forward(zeros([32, 784])).shape;   // [32, 256]
 * ```
 */
export class Maxout<const In extends number = number, const Out extends number = number> {
  /** All pieces; those of one output stand next to each other: `[out · pieces, in]`. */
  readonly linear: Linear<In>;
  readonly outputs: Out;
  readonly pieces: number;

  constructor(inputs: In, outputs: Out, options: MaxoutOptions) {
    const { pieces = 2, ...rest } = withKey("Maxout", options);
    requireSizes("Maxout", { inputs, outputs, pieces });
    this.linear = new Linear<In>(inputs, outputs * pieces, rest);
    this.outputs = outputs;
    this.pieces = pieces;
  }

  forward<N extends number>(x: Tensor<[N, In]>): Tensor<[N, Out]>;
  forward<S extends Shape>(x: Tensor<S> & FeatureCheck<S, In, "Maxout">): Tensor<WithLast<S, Out>>;
  forward(x: Tensor): Tensor {
    return maxout((this.linear as Linear).forward(x), this.pieces);
  }
}
