/**
 * Attention: averages of values, weighted by how well queries fit keys, and the positions that it does not see by
 * itself. Masks are booleans, true where a query may look; batches come first, features last. Scores and their softmax
 * are float32 where queries and keys are float16.
 */
import {
  type Key, type Tensor, ShapeError, ValueError, add, cast, logicalAnd, matmul, mul, permute, reshape, softmax, split,
  swapAxes, tensor, tri, where, zeros,
} from "@dormouse/tensor";
import { type FloatType, xavierUniform } from "./initializers.ts";
import { type FeatureCheck, type WeightOptions, Linear, requireSizes, withKey } from "./linear.ts";
import { type ForwardContext, widened } from "./module.ts";
import { dropout } from "./noise.ts";

type Shape = readonly number[];

export interface AttentionOptions {
  /**
   * Which keys a query may look at: bool, broadcasts to `[.., L, S]`, true where it may. Of floats, it is added to the
   * scores.
   */
  readonly mask?: Tensor;
  /** Query i looks at keys 0 … i only. Default false. */
  readonly causal?: boolean;
  /** Multiplies the scores. Default 1/√D. */
  readonly scale?: number;
}

/** What a forbidden score becomes: finite, so that no row is ∞ - ∞, and below every score that arises. */
const FORBIDDEN = -1e30;

/** `[length, keys]` of bool: true where key j is not after query i. For `mask` options. */
export const causalMask = (length: number, keys = length): Tensor<[number, number]> =>
  tri(length, { columns: keys, dtype: "bool" });

/**
 * How much every query looks at every key: `softmax(q·kᵀ·scale)` of queries `[.., L, D]` and keys `[.., S, D]`, as
 * `[.., L, S]`. Rows sum to 1, except those of queries that may look at nothing, which are 0.
 */
export function attentionWeights(query: Tensor, key: Tensor, options: AttentionOptions = {}): Tensor {
  const width = query.shape.at(-1);
  if (query.rank < 2 || key.rank < 2 || width !== key.shape.at(-1)) {
    throw new ShapeError("attention", `queries [${query.shape.join(", ")}] and keys [${key.shape.join(", ")}] do not fit`, {
      expected: width,
      received: key.shape,
      hint: "give [.., L, D] and [.., S, D]",
    });
  }
  const { mask, causal = false, scale = 1 / Math.sqrt(width ?? 1) } = options;
  const scores = mul(widened(matmul(query, swapAxes(key, -1, -2))), scale);
  const [length, keys] = scores.shape.slice(-2) as [number, number];
  const isBoolean = mask?.dtype === "bool";
  const shifted = mask && !isBoolean ? add(scores, widened(mask)) : scores;
  const triangle = causal ? causalMask(length, keys) : null;
  const allowed = mask && isBoolean ? (triangle ? logicalAnd(mask, triangle) : mask) : triangle;
  const weights = allowed ? where(allowed, softmax(where(allowed, shifted, FORBIDDEN)), 0) : softmax(shifted);
  return cast(weights, query.dtype);
}

/**
 * Averages of values weighted by attention: `softmax(q·kᵀ/√D)·v` (Vaswani et al. 2017) of queries `[.., L, D]`, keys
 * `[.., S, D]` and values `[.., S, V]`, as `[.., L, V]`. Leading axes broadcast. A query that may look at nothing gets
 * zeros.
 *
 * ```ts
 * scaledDotProductAttention(q, k, v, { causal: true });
 * ```
 */
export const scaledDotProductAttention = (
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions = {},
): Tensor => matmul(attentionWeights(query, key, options), value);

export interface MultiHeadAttentionOptions extends WeightOptions {
  /** Every position looks at itself and those before it only. Default false. */
  readonly causal?: boolean;
  /** Share of attention weights that training drops. Default 0. */
  readonly dropout?: number;
  /** Features of what cross-attention looks at. Default: those of the layer. */
  readonly memoryFeatures?: number;
}

/** What a forward pass of attention is told. */
export interface AttentionContext extends ForwardContext {
  /** What is looked at, `[batch, S, memoryFeatures]`. Default: the input itself, which is self-attention. */
  readonly memory?: Tensor;
  /** As in `AttentionOptions`; broadcasts to `[batch, heads, L, S]`. */
  readonly mask?: Tensor;
  /** `[batch, S]` of bool: true for what is there, false for padding, which nobody looks at. */
  readonly present?: Tensor;
}

/**
 * Attention in several heads: the features are projected to queries, keys and values, every head attends with its part
 * of them, and the results are joined and projected again (Vaswani et al. 2017). `[batch, L, features]` to the same
 * shape. `4·features·(features + 1)` parameters; weights begin as Xavier's and biases as 0.
 *
 * ```ts
 * const attention = new MultiHeadAttention(64, 8, { causal: true, key: key(0) });
 * attention.forward(x);                       // self-attention
 * attention.forward(x, { memory, present });  // cross-attention to a padded batch
 * ```
 *
 * Throws `ValueError` where the heads do not divide the features, `ShapeError` for other shapes.
 */
export class MultiHeadAttention<const F extends number = number> {
  readonly queries: Linear<F, F>;
  readonly keys: Linear;
  readonly values: Linear;
  readonly output: Linear<F, F>;
  readonly features: F;
  readonly heads: number;
  readonly causal: boolean;
  readonly dropout: number;

  constructor(features: F, heads: number, options: MultiHeadAttentionOptions) {
    const op = "MultiHeadAttention";
    const { key, causal = false, dropout: rate = 0, memoryFeatures = features, ...rest } = withKey(op, options);
    requireSizes(op, { features, heads, memoryFeatures });
    if (features % heads !== 0) {
      throw new ValueError(op, `${heads} heads do not divide ${features} features`, {
        received: heads,
        hint: "use a divisor of the features",
      });
    }
    if (!(rate >= 0 && rate <= 1)) {
      throw new ValueError(op, `dropout is ${rate}`, { received: rate, hint: "use a probability from 0 to 1" });
    }
    const projection = <In extends number, Out extends number>(inputs: In, outputs: Out, k: Key): Linear<In, Out> => {
      const layer = new Linear(inputs, outputs, { initializer: xavierUniform(), ...rest, key: k });
      if (!layer.bias) return layer;
      return Linear.of(layer.weight, zeros([outputs], { dtype: layer.bias.dtype }));
    };
    const [k1, k2, k3, k4] = split(key, 4);
    this.queries = projection(features, features, k1);
    this.keys = projection<number, number>(memoryFeatures, features, k2);
    this.values = projection<number, number>(memoryFeatures, features, k3);
    this.output = projection(features, features, k4);
    this.features = features;
    this.heads = heads;
    this.causal = causal;
    this.dropout = rate;
  }

  forward<N extends number, L extends number>(x: Tensor<[N, L, F]>, context?: AttentionContext): Tensor<[N, L, F]>;
  forward<S extends Shape>(x: Tensor<S> & FeatureCheck<S, F, "MultiHeadAttention">, context?: AttentionContext): Tensor<S>;
  forward(x: Tensor, { key, memory = x, mask, present }: AttentionContext = {}): Tensor {
    const { heads, features } = this;
    requireBatch(x, memory, present);
    const apart = (y: Tensor): Tensor =>
      permute(reshape(y, [...y.shape.slice(0, 2), heads, features / heads]), [0, 2, 1, 3]);
    const [query, source, value] = [this.queries as Linear, this.keys, this.values].map((layer, i) =>
      apart(layer.forward(i === 0 ? x : memory)),
    ) as [Tensor, Tensor, Tensor];
    const seen = joined(mask, present);
    const weights = attentionWeights(query, source, { causal: this.causal, ...(seen && { mask: seen }) });
    const kept = key && this.dropout > 0 ? dropout(key, weights, this.dropout) : weights;
    const together = reshape(permute(matmul(kept, value), [0, 2, 1, 3]), [...x.shape.slice(0, 2), features]);
    return (this.output as Linear).forward(together);
  }
}

function requireBatch(x: Tensor, memory: Tensor, present: Tensor | undefined): void {
  for (const [name, each] of [["input", x], ["memory", memory]] as const) {
    if (each.rank === 3 && each.shape[0] === x.shape[0]) continue;
    throw new ShapeError("MultiHeadAttention", `the ${name} is [${each.shape.join(", ")}]`, {
      expected: ["batch", "length", "features"],
      received: each.shape,
      hint: "give [batch, length, features], as many batches in both",
    });
  }
  if (!present) return;
  const [batch, length] = memory.shape;
  if (present.dtype === "bool" && present.rank === 2 && present.shape[0] === batch && present.shape[1] === length) return;
  throw new ShapeError("MultiHeadAttention", `present is ${present.dtype}[${present.shape.join(", ")}]`, {
    expected: [batch, length],
    received: present.shape,
    hint: `give bool [${batch}, ${length}], true where there is something`,
  });
}

/** A mask for all heads that is both masks; where the first is added to scores, the second turns into such a one. */
function joined(mask: Tensor | undefined, present: Tensor | undefined): Tensor | undefined {
  if (!present) return mask;
  const columns = reshape(present, [present.shape[0]!, 1, 1, present.shape[1]!]);
  if (!mask) return columns;
  return mask.dtype === "bool" ? logicalAnd(mask, columns) : where(columns, widened(mask), FORBIDDEN);
}

export interface SinusoidalOptions {
  /** The longest wave is 2π times this. Default 10 000. */
  readonly base?: number;
  /** Default float32. */
  readonly dtype?: FloatType;
}

/**
 * Positions as waves, `[length, features]` (Vaswani et al. 2017): feature 2i of position p is `sin(p / base^(2i/F))`,
 * and feature 2i + 1 the cosine of the same. A shift of positions is a rotation, the same at every position.
 */
export function sinusoidalEncoding(
  length: number,
  features: number,
  { base = 10_000, dtype = "float32" }: SinusoidalOptions = {},
): Tensor<[number, number]> {
  requireSizes("sinusoidalEncoding", { length }, 0);
  requireSizes("sinusoidalEncoding", { features });
  const values = new Float64Array(length * features).map((_, at) => {
    const [position, feature] = [Math.floor(at / features), at % features];
    const angle = position / base ** ((feature - (feature % 2)) / features);
    return feature % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
  });
  return tensor(values, { shape: [length, features], dtype }) as Tensor<[number, number]>;
}

/** Adds `sinusoidalEncoding` to sequences `[.., length, features]`: attention alone does not see the order. */
export class SinusoidalPositions {
  readonly base: number;

  constructor({ base = 10_000 }: Pick<SinusoidalOptions, "base"> = {}) {
    this.base = base;
  }

  forward<S extends Shape>(x: Tensor<S>): Tensor<S> {
    const [length, features] = x.shape.slice(-2);
    if (length === undefined || features === undefined) {
      throw new ShapeError("SinusoidalPositions", `shape [${x.shape.join(", ")}] has no positions`, {
        received: x.shape,
        hint: "give [.., length, features]",
      });
    }
    const positions = sinusoidalEncoding(length, features, { base: this.base, dtype: x.dtype as FloatType });
    return add(x, positions) as Tensor<S>;
  }
}
