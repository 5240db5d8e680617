/** Convolutions and pools as layers, channels first; see `conv2d` and `maxPool2d` of `@dormouse/tensor` for the sums. */
import {
  type AvgPoolOptions, type Key, type MaxPoolOptions, type Padding, type PerAxis, type Tensor, ValueError, avgPool2d, conv1d,
  conv2d, flatten, maxPool2d, split,
} from "@dormouse/tensor";
import { defaultWeight, fans } from "./initializers.ts";
import { type WeightOptions, biasOf, requireSizes } from "./linear.ts";

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
  const { key, bias = true, dtype = "float32", initializer = defaultWeight } = options;
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

const kernelOf = (size: PerAxis, rank: number): number[] =>
  typeof size === "number" ? Array.from({ length: rank }, () => size) : [...size];

/** Convolution of images: `[N, in, H, W]` to `[N, out, H′, W′]`. The weight is `[out, in / groups, KH, KW]`. */
export class Conv2d {
  readonly weight: Tensor;
  readonly bias: Tensor | null;
  readonly geometry: Geometry;

  constructor(inputs: number, outputs: number, kernel: PerAxis, options: ConvLayerOptions) {
    const { weight, bias, geometry } = partsOf("Conv2d", inputs, outputs, kernelOf(kernel, 2), options);
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
    const { weight, bias, geometry } = partsOf("Conv1d", inputs, outputs, kernelOf(kernel, 1), options);
    this.weight = weight;
    this.bias = bias;
    this.geometry = geometry;
  }

  forward(x: Tensor): Tensor {
    return conv1d(x, this.weight, { bias: this.bias, ...this.geometry });
  }
}

/** The largest element of every window; the stride is the size of the window unless told. */
export class MaxPool2d {
  readonly size: PerAxis;
  readonly options: MaxPoolOptions;

  constructor(size: PerAxis, options: MaxPoolOptions = {}) {
    this.size = size;
    this.options = options;
  }

  forward(x: Tensor): Tensor {
    return maxPool2d(x, this.size, this.options);
  }
}

/** The mean of every window; the stride is the size of the window unless told. */
export class AvgPool2d {
  readonly size: PerAxis;
  readonly options: AvgPoolOptions;

  constructor(size: PerAxis, options: AvgPoolOptions = {}) {
    this.size = size;
    this.options = options;
  }

  forward(x: Tensor): Tensor {
    return avgPool2d(x, this.size, this.options);
  }
}

/** Joins all axes but the first: `[N, C, H, W]` to `[N, C·H·W]`. */
export class Flatten {
  forward(x: Tensor): Tensor {
    return flatten(x, { start: 1 });
  }
}
