/** Convolutions as layers, channels first; see `conv2d` of `@dormouse/tensor` for the sums. */
import {
  type Key, type Padding, type PerAxis, type Tensor, ShapeError, ValueError, conv1d, conv2d, split,
} from "@dormouse/tensor";
import { defaultWeight, fans } from "./initializers.ts";
import { type WeightOptions, biasOf, requireSizes, withKey } from "./linear.ts";

export interface ConvLayerOptions extends WeightOptions {
  /** Step between windows. Default 1. */
  readonly stride?: PerAxis;
  /** Zeros around the image, "same" or "valid". Default 0. */
  readonly padding?: Padding;
  /** Distance between the elements of a window. Default 1. */
  readonly dilation?: PerAxis;
  /** Groups of channels that do not see each other. Default 1. */
  readonly groups?: number;
}

interface Geometry {
  readonly stride: PerAxis;
  readonly padding: Padding;
  readonly dilation: PerAxis;
  readonly groups: number;
}

interface Parts {
  readonly weight: Tensor;
  readonly bias: Tensor | null;
  readonly geometry: Geometry;
}

function partsOf(op: string, inputs: number, outputs: number, kernel: readonly number[], options: ConvLayerOptions): Parts {
  const { key, bias = true, dtype = "float32", initializer = defaultWeight } = withKey(op, options);
  const { stride = 1, padding = 0, dilation = 1, groups = 1 } = options;
  requireSizes(op, { inputs, outputs, groups, ...Object.fromEntries(kernel.map((length, i) => [`kernel[${i}]`, length])) });
  if (inputs % groups !== 0 || outputs % groups !== 0) {
    throw new ValueError(op, `${groups} groups do not divide ${inputs} inputs and ${outputs} outputs`, {
      received: groups,
      hint: "use a common divisor of both",
    });
  }
  const shape = [outputs, inputs / groups, ...kernel];
  const [k1, k2]: Key[] = split(key);
  return {
    weight: initializer(k1!, shape, { dtype }),
    bias: bias ? biasOf(k2!, outputs, fans(shape).fanIn, dtype) : null,
    geometry: { stride, padding, dilation, groups },
  };
}

function kernelOf(op: string, size: PerAxis, rank: number): number[] {
  if (typeof size === "number") return Array.from({ length: rank }, () => size);
  if (Array.isArray(size) && size.length === rank) return [...(size as readonly number[])];
  throw new ShapeError(op, `the kernel is ${Array.isArray(size) ? `[${size.join(", ")}]` : typeof size}`, {
    expected: rank,
    received: size,
    hint: rank === 1 ? "give one length" : `give one length for all axes, or ${rank}`,
  });
}

/** Convolution of images: `[N, in, H, W]` to `[N, out, H′, W′]`. The weight is `[out, in / groups, KH, KW]`. */
export class Conv2d {
  readonly weight: Tensor;
  readonly bias: Tensor | null;
  readonly geometry: Geometry;

  constructor(inputs: number, outputs: number, kernel: PerAxis, options: ConvLayerOptions) {
    const { weight, bias, geometry } = partsOf("Conv2d", inputs, outputs, kernelOf("Conv2d", kernel, 2), options);
    this.weight = weight;
    this.bias = bias;
    this.geometry = geometry;
  }

  forward(x: Tensor): Tensor {
    return conv2d(x, this.weight, { bias: this.bias, ...this.geometry });
  }
}

/** Convolution of sequences: `[N, in, L]` to `[N, out, L′]`. The weight is `[out, in / groups, K]`. */
export class Conv1d {
  readonly weight: Tensor;
  readonly bias: Tensor | null;
  readonly geometry: Geometry;

  constructor(inputs: number, outputs: number, kernel: PerAxis, options: ConvLayerOptions) {
    const { weight, bias, geometry } = partsOf("Conv1d", inputs, outputs, kernelOf("Conv1d", kernel, 1), options);
    this.weight = weight;
    this.bias = bias;
    this.geometry = geometry;
  }

  forward(x: Tensor): Tensor {
    return conv1d(x, this.weight, { bias: this.bias, ...this.geometry });
  }
}
