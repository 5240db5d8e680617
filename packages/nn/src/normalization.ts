/**
 * Normalization layers: mean 0 and variance 1 over some axes, then a learned scale and shift. Variances are those of
 * a population (divided by n), from the mean in a second pass. Inputs of float16 are normalized in float32, where their
 * squares have room, and rounded at the end. Only `BatchNorm` has state.
 */
import {
  type Key, type Tensor, ShapeError, ValueError, add, cast, lerp, mean, mul, ones, reshape, rsqrt, square, sub, variance,
  zeros,
} from "@dormouse/tensor";
import type { FloatType } from "./initializers.ts";
import { requireSizes } from "./linear.ts";
import { type ForwardContext, replace, widened } from "./module.ts";

type Shape = readonly number[];

export interface NormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** Whether scale and shift are learned. Default true. */
  readonly affine?: boolean;
  /** Default float32. */
  readonly dtype?: FloatType;
}

/** `(x - mean) / √(variance + eps)` over some axes. */
function standardized(x: Tensor, axis: readonly number[], eps: number): Tensor {
  const centered = sub(x, mean(x, { axis, keepDims: true }));
  return mul(centered, rsqrt(add(mean(square(centered), { axis, keepDims: true }), eps)));
}

/** `x · weight + bias`, in the dtype of the layer's input. */
const scaled = (x: Tensor, weight: Tensor | null, bias: Tensor | null, { dtype }: Tensor): Tensor => {
  const y = weight ? mul(x, widened(weight)) : x;
  return cast(bias ? add(y, widened(bias)) : y, dtype);
};

/** `count` numbers along axis 1 of a tensor of this rank. */
const perChannel = (x: Tensor | null, rank: number): Tensor | null =>
  x && reshape(x, [x.size, ...Array.from({ length: rank - 2 }, () => 1)]);

function requireChannels(op: string, x: Tensor, channels: number): void {
  if (x.rank >= 2 && x.shape[1] === channels) return;
  throw new ShapeError(op, `shape [${x.shape.join(", ")}] does not have ${channels} channels`, {
    expected: channels,
    received: x.shape,
    hint: `give [N, ${channels}, ...]`,
  });
}

function requireTail(op: string, x: Tensor, tail: Shape): void {
  if (tail.length <= x.rank && tail.every((length, i) => length === x.shape.at(i - tail.length))) return;
  throw new ShapeError(op, `shape [${x.shape.join(", ")}] does not end in [${tail.join(", ")}]`, {
    expected: tail,
    received: x.shape,
    hint: "make the layer with the last lengths of the input",
  });
}

const lastAxes = (count: number): number[] => Array.from({ length: count }, (_, i) => i - count);

/** Over the last axes of every example (Ba et al. 2016). `shape`: one length or the last lengths of the input. */
export class LayerNorm {
  readonly weight: Tensor | null;
  readonly bias: Tensor | null;
  readonly shape: Shape;
  readonly eps: number;

  constructor(shape: number | Shape, { eps = 1e-5, affine = true, dtype = "float32" }: NormOptions = {}) {
    const isList = Array.isArray(shape);
    const lengths = (isList ? [...shape] : [shape]) as number[];
    requireSizes("LayerNorm", Object.fromEntries(lengths.map((length, i) => [isList ? `shape[${i}]` : "shape", length])));
    this.shape = lengths;
    this.eps = eps;
    this.weight = affine ? ones(this.shape, { dtype }) : null;
    this.bias = affine ? zeros(this.shape, { dtype }) : null;
  }

  forward<S extends Shape>(x: Tensor<S>): Tensor<S> {
    requireTail("LayerNorm", x, this.shape);
    const y = standardized(widened(x), lastAxes(this.shape.length), this.eps);
    return scaled(y, this.weight, this.bias, x) as Tensor<S>;
  }
}

/** `x / √(mean(x²) + eps) · weight` over the last axis, without mean or shift (Zhang and Sennrich 2019). `eps`: 1e-6. */
export class RMSNorm {
  readonly weight: Tensor | null;
  readonly size: number;
  readonly eps: number;

  constructor(size: number, { eps = 1e-6, affine = true, dtype = "float32" }: NormOptions = {}) {
    requireSizes("RMSNorm", { size });
    this.size = size;
    this.eps = eps;
    this.weight = affine ? ones([size], { dtype }) : null;
  }

  forward<S extends Shape>(x: Tensor<S>): Tensor<S> {
    requireTail("RMSNorm", x, [this.size]);
    const wide = widened(x);
    const scale = rsqrt(add(mean(square(wide), { axis: -1, keepDims: true }), this.eps));
    return scaled(mul(wide, scale), this.weight, null, x) as Tensor<S>;
  }
}

/**
 * Over groups of channels of every example: `[N, C, ...]` (Wu and He 2018). As many groups as channels is
 * `InstanceNorm`. Throws `ValueError` where groups do not divide channels.
 */
export class GroupNorm {
  readonly weight: Tensor | null;
  readonly bias: Tensor | null;
  readonly groups: number;
  readonly channels: number;
  readonly eps: number;

  constructor(groups: number, channels: number, { eps = 1e-5, affine = true, dtype = "float32" }: NormOptions = {}) {
    requireSizes("GroupNorm", { groups, channels });
    if (channels % groups !== 0) {
      throw new ValueError("GroupNorm", `${groups} groups do not divide ${channels} channels`, {
        received: [groups, channels],
        hint: "use a divisor of the channels",
      });
    }
    this.groups = groups;
    this.channels = channels;
    this.eps = eps;
    this.weight = affine ? ones([channels], { dtype }) : null;
    this.bias = affine ? zeros([channels], { dtype }) : null;
  }

  forward<S extends Shape>(x: Tensor<S>): Tensor<S> {
    requireChannels("GroupNorm", x, this.channels);
    const [batch = 0, channels = 0, ...spatial] = x.shape;
    const grouped = reshape(widened(x), [batch, this.groups, channels / this.groups, ...spatial]);
    const axes = grouped.shape.map((_, axis) => axis).slice(2);
    const y = reshape(standardized(grouped, axes, this.eps), x.shape);
    return scaled(y, perChannel(this.weight, x.rank), perChannel(this.bias, x.rank), x) as Tensor<S>;
  }
}

export interface InstanceNormOptions extends NormOptions {
  /** Whether scale and shift are learned. Default false, as in PyTorch. */
  readonly affine?: boolean;
}

/**
 * Over every channel of every example: `[N, C, ...]` with at least one axis after the channels (Ulyanov et al. 2016).
 * The same in training and in evaluation.
 */
export class InstanceNorm {
  readonly weight: Tensor | null;
  readonly bias: Tensor | null;
  readonly channels: number;
  readonly eps: number;

  constructor(channels: number, { eps = 1e-5, affine = false, dtype = "float32" }: InstanceNormOptions = {}) {
    requireSizes("InstanceNorm", { channels });
    this.channels = channels;
    this.eps = eps;
    this.weight = affine ? ones([channels], { dtype }) : null;
    this.bias = affine ? zeros([channels], { dtype }) : null;
  }

  forward<S extends Shape>(x: Tensor<S>): Tensor<S> {
    requireChannels("InstanceNorm", x, this.channels);
    if (x.rank < 3) {
      const shape = `[${x.shape.join(", ")}]`;
      throw new ShapeError("InstanceNorm", `shape ${shape} has one value per channel, which has no variance`, {
        expected: 3,
        received: x.shape,
        hint: "give [N, C, L] or [N, C, H, W]",
      });
    }
    const axes = x.shape.map((_, axis) => axis).slice(2);
    const y = standardized(widened(x), axes, this.eps);
    return scaled(y, perChannel(this.weight, x.rank), perChannel(this.bias, x.rank), x) as Tensor<S>;
  }
}

export interface BatchNormOptions extends NormOptions {
  /** Share of the batch in the new running statistics. Default 0.1. */
  readonly momentum?: number;
}

/**
 * Over all examples of a batch, per channel: `[N, C]` or `[N, C, ...]` (Ioffe and Szegedy 2015).
 *
 * Evaluation uses the running statistics. In training, that is with a key, the statistics are those of the batch, and
 * the result is the output and the layer with new running statistics (of the unbiased variance, as in PyTorch):
 *
 * ```ts
 * const y = norm.forward(x);                          // evaluation
 * const [y, next] = norm.forward(x, { key });         // training; keep `next`
 * ```
 *
 * `advance` has one form for both, and `Sequential` passes new layers on. Gradients do not flow into the running
 * statistics, and optimizers leave them alone: `isParameter` is false for them.
 */
export class BatchNorm {
  readonly weight: Tensor | null;
  readonly bias: Tensor | null;
  readonly runningMean: Tensor;
  readonly runningVariance: Tensor;
  readonly channels: number;
  readonly eps: number;
  readonly momentum: number;

  constructor(channels: number, { eps = 1e-5, momentum = 0.1, affine = true, dtype = "float32" }: BatchNormOptions = {}) {
    requireSizes("BatchNorm", { channels });
    this.channels = channels;
    this.eps = eps;
    this.momentum = momentum;
    this.weight = affine ? ones([channels], { dtype }) : null;
    this.bias = affine ? zeros([channels], { dtype }) : null;
    this.runningMean = zeros([channels], { dtype });
    this.runningVariance = ones([channels], { dtype });
  }

  forward<S extends Shape>(x: Tensor<S>): Tensor<S>;
  forward<S extends Shape>(x: Tensor<S>, context: { readonly key: Key }): readonly [output: Tensor<S>, next: BatchNorm];
  forward<S extends Shape>(x: Tensor<S>, context?: ForwardContext): Tensor<S> | readonly [output: Tensor<S>, next: BatchNorm];
  forward(x: Tensor, { key }: ForwardContext = {}): Tensor | readonly [Tensor, BatchNorm] {
    requireChannels("BatchNorm", x, this.channels);
    const wide = widened(x);
    const along = (values: Tensor): Tensor => perChannel(widened(values), x.rank)!;
    const weight = perChannel(this.weight, x.rank);
    const bias = perChannel(this.bias, x.rank);
    if (!key) {
      const factor = rsqrt(add(widened(this.runningVariance), this.eps));
      return scaled(mul(sub(wide, along(this.runningMean)), along(factor)), weight, bias, x);
    }
    const count = x.size / this.channels;
    if (!(count > 1)) {
      throw new ShapeError("BatchNorm", `shape [${x.shape.join(", ")}] has ${count} value per channel, which has no variance`, {
        received: x.shape,
        hint: "train on batches of at least 2",
      });
    }
    const axis = x.shape.map((_, i) => i).filter((i) => i !== 1);
    const { momentum } = this;
    const after = (running: Tensor, now: Tensor): Tensor => cast(lerp(widened(running), now, momentum), running.dtype);
    const next = replace<BatchNorm>(this, {
      runningMean: after(this.runningMean, mean(wide, { axis })),
      runningVariance: after(this.runningVariance, variance(wide, { axis, correction: 1 })),
    });
    return [scaled(standardized(wide, axis, this.eps), weight, bias, x), next];
  }
}
