/** Layers that are one product or one lookup: `Linear`, `Bilinear`, `Embedding`; and the checks of their arguments. */
import { type Key, ShapeError, Tensor, ValueError, add, einsum, linear, normal, split, take } from "@dormouse/tensor";
import { type FloatType, type Initializer, defaultWeight, uniform } from "./initializers.ts";

type Shape = readonly number[];

/** Options of layers with a weight and a bias. */
export interface WeightOptions {
  /** Where the first values come from. */
  readonly key: Key;
  /** Whether there is a bias. Default true. */
  readonly bias?: boolean;
  /** Default float32. */
  readonly dtype?: FloatType;
  /** First values of the weight. Default: uniform in ±1/√fanIn, as in PyTorch, which the bias always has. */
  readonly initializer?: Initializer;
}

/** Refuses sizes that are not whole numbers of at least `least`. */
export function requireSizes(op: string, sizes: Readonly<Record<string, number>>, least = 1): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (Number.isInteger(size) && size >= least) continue;
    throw new ValueError(op, `${name} is ${size}`, { expected: least, received: size, hint: `use a whole number of at least ${least}` });
  }
}

/** The options of a layer that has first values, which come from a key. Throws `ValueError` where there is none. */
export function withKey<O extends { readonly key: Key }>(op: string, options: O): O {
  const given: { readonly key?: unknown } | null | undefined = options;
  if (given?.key != null) return options;
  throw new ValueError(op, given instanceof Tensor ? "the options are a tensor" : "there is no key for the first values", {
    expected: "options with a key",
    received: given,
    hint: "end the arguments with { key: key(0) }",
  });
}

/** A bias uniform in ±1/√fanIn. */
export function biasOf(key: Key, size: number, fanIn: number, dtype: FloatType): Tensor {
  const bound = 1 / Math.sqrt(fanIn);
  return uniform({ low: -bound, high: bound })(key, [size], { dtype });
}

type LastOf<S extends Shape> = S extends readonly [...unknown[], infer Last extends number] ? Last : number;

/** Two lengths fit unless both are literal and differ. Distributes, so that type parameters pass. */
type Agrees<A extends number, B extends number> = A extends number
  ? B extends number
    ? number extends A
      ? "fits"
      : number extends B
        ? "fits"
        : A extends B
          ? "fits"
          : "differs"
    : never
  : never;

/** `unknown` where inputs [.., In] have the features of the layer, else the sentence. */
export type FeatureCheck<S extends Shape, In extends number, Op extends string = "Linear"> = {
  fits: unknown;
  differs: `${Op}: the input has ${LastOf<S>} features and the layer takes ${In}`;
}[Agrees<LastOf<S>, In>];

/** `[.., In]` to `[.., Out]`. */
export type WithLast<S extends Shape, Out extends number> = number extends S["length"]
  ? Shape
  : S extends readonly [...infer Batch extends Shape, unknown]
    ? [...Batch, Out]
    : Shape;

/**
 * `y = x·Wᵀ + b`: inputs `[.., in]` to `[.., out]`, with a weight `[out, in]` and a bias `[out]`, that is
 * `(in + 1)·out` parameters. Throws `ShapeError` where the last axis of the input is not `in`.
 *
 * ```ts
 * const layer = new Linear(784, 256, { key: key(0) });
 * layer.forward(zeros([32, 784])).shape;               // [32, 256], known to the compiler
 * ```
 */
export class Linear<const In extends number = number, const Out extends number = number> {
  readonly weight: Tensor<[Out, In]>;
  readonly bias: Tensor<[Out]> | null;

  constructor(inputs: In, outputs: Out, options: WeightOptions) {
    requireSizes("Linear", { inputs, outputs });
    const { key, bias = true, dtype = "float32", initializer = defaultWeight } = withKey("Linear", options);
    const [k1, k2] = split(key);
    this.weight = initializer(k1, [outputs, inputs], { dtype }) as Tensor<[Out, In]>;
    this.bias = bias ? (biasOf(k2, outputs, inputs, dtype) as Tensor<[Out]>) : null;
  }

  /**
   * The layer with these tensors as weight `[out, in]` and bias `[out]`, which is none unless given. Throws
   * `ShapeError` for other shapes.
   */
  static of<Out extends number, In extends number>(
    weight: Tensor<readonly [Out, In]>,
    bias: Tensor<readonly [Out]> | null = null,
  ): Linear<In, Out> {
    const isFit = weight.rank === 2 && (bias === null || (bias.rank === 1 && bias.shape[0] === weight.shape[0]));
    if (isFit) return Object.assign(Object.create(Linear.prototype) as Linear<In, Out>, { weight, bias });
    const problem = `weight [${weight.shape.join(", ")}]${bias ? ` and bias [${bias.shape.join(", ")}]` : ""} do not fit`;
    throw new ShapeError("Linear.of", problem, { received: weight.shape, hint: "give a weight [out, in] and a bias [out]" });
  }

  forward<N extends number>(x: Tensor<[N, In]>): Tensor<[N, Out]>;
  forward<S extends Shape>(x: Tensor<S> & FeatureCheck<S, In>): Tensor<WithLast<S, Out>>;
  forward(x: Tensor): Tensor {
    return linear(x, this.weight as Tensor, this.bias);
  }
}

/** `y_o = Σ a_i W_oij b_j + c_o` of two inputs `[.., first]` and `[.., second]`, to `[.., out]`. */
export class Bilinear {
  /** `[out, first, second]`. */
  readonly weight: Tensor;
  readonly bias: Tensor | null;

  constructor(first: number, second: number, outputs: number, options: WeightOptions) {
    requireSizes("Bilinear", { first, second, outputs });
    const { key, bias = true, dtype = "float32", initializer } = withKey("Bilinear", options);
    const [k1, k2] = split(key);
    const bound = 1 / Math.sqrt(first);
    this.weight = (initializer ?? uniform({ low: -bound, high: bound }))(k1, [outputs, first, second], { dtype });
    this.bias = bias ? biasOf(k2, outputs, first, dtype) : null;
  }

  forward(a: Tensor, b: Tensor): Tensor {
    const y = einsum("...i,oij,...j->...o", a, this.weight, b);
    return this.bias ? add(y, this.bias) : y;
  }
}

export interface EmbeddingOptions {
  readonly key: Key;
  readonly dtype?: FloatType;
  /** Default: normal with deviation 1, as in PyTorch. */
  readonly initializer?: Initializer;
}

/** A table of vectors, looked up by integer: `[..]` to `[.., width]`. */
export class Embedding {
  /** `[count, width]`. */
  readonly weight: Tensor;

  constructor(count: number, width: number, options: EmbeddingOptions) {
    requireSizes("Embedding", { count, width });
    const { key, dtype = "float32", initializer } = withKey("Embedding", options);
    this.weight = initializer ? initializer(key, [count, width], { dtype }) : normal(key, [count, width], { dtype });
  }

  /** Known indices out of range throw `ValueError`; computed ones are clamped. */
  forward(indices: Tensor): Tensor {
    return take(this.weight, indices);
  }
}
