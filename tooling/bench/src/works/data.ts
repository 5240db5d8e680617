/**
 * The numbers that every system is given: deterministic, so that results can be compared. Weights are stored
 * [in, out], images [N, C, H, W]; a system that wants another order calls `permuted`.
 */
import type { Attention, Cnn, Mlp } from "./work.ts";

/** Uniform floats in [low, high): the high 24 bits of a 32-bit congruential generator (Numerical Recipes). */
export function uniform(length: number, seed: number, low = 0, high = 1): Float32Array {
  const values = new Float32Array(length);
  let state = seed >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = low + ((high - low) * (state >>> 8)) / 2 ** 24;
  }
  return values;
}

/** A copy of `data` of the given shape with its axes in another order. */
export function permuted(data: Float32Array, shape: readonly number[], axes: readonly number[]): Float32Array {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, length) => product * length, 1));
  const lengths = axes.map((axis) => shape[axis]!);
  const steps = axes.map((axis) => strides[axis]!);
  const result = new Float32Array(data.length);
  const at = axes.map(() => 0);
  let from = 0;
  for (let to = 0; to < result.length; to++) {
    result[to] = data[from]!;
    for (let axis = axes.length - 1; axis >= 0; axis--) {
      from += steps[axis]!;
      if (++at[axis]! < lengths[axis]!) break;
      from -= steps[axis]! * lengths[axis]!;
      at[axis] = 0;
    }
  }
  return result;
}

/** An array with its shape. */
export interface Values {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

export interface Batch {
  readonly x: Values;
  /** One-hot labels, [batch, classes]. */
  readonly y: Values;
}

/** Batches that training goes round. */
const batchCount = 4;

function batches(count: number, features: readonly number[], classes: number): readonly Batch[] {
  const size = features.reduce((product, length) => product * length, count);
  return Array.from({ length: batchCount }, (_, i) => {
    const labels = new Float32Array(count * classes);
    uniform(count, 2000 + i).forEach((value, row) => (labels[row * classes + Math.floor(value * classes)] = 1));
    return {
      x: { data: uniform(size, 1000 + i), shape: [count, ...features] },
      y: { data: labels, shape: [count, classes] },
    };
  });
}

/** Uniform in ±1/√fanIn. */
function weight(shape: readonly number[], fanIn: number, seed: number): Values {
  const bound = 1 / Math.sqrt(fanIn);
  return { data: uniform(shape.reduce((product, length) => product * length, 1), seed, -bound, bound), shape };
}

const filled = (length: number, value: number): Values => ({
  data: new Float32Array(length).fill(value),
  shape: [length],
});

export interface Layer {
  /** [in, out]. */
  readonly weight: Values;
  readonly bias: Values;
}

export const mlpLayers = ({ dims }: Mlp): readonly Layer[] =>
  dims.slice(1).map((outputs, i) => ({
    weight: weight([dims[i]!, outputs], dims[i]!, 100 + i),
    bias: filled(outputs, 0),
  }));

export const mlpBatches = ({ dims, batch }: Mlp): readonly Batch[] => batches(batch, [dims[0]!], dims.at(-1)!);

export interface CnnParameters {
  /** [out, in, 3, 3]. */
  readonly filter1: Values;
  readonly bias1: Values;
  readonly filter2: Values;
  readonly bias2: Values;
  /** [channels · side/4 · side/4, classes]. */
  readonly weight: Values;
  readonly bias: Values;
}

export function cnnParameters({ side, channels: [first, second], classes }: Cnn): CnnParameters {
  const features = second * (side / 4) ** 2;
  return {
    filter1: weight([first, 1, 3, 3], 9, 100),
    bias1: filled(first, 0),
    filter2: weight([second, first, 3, 3], 9 * first, 101),
    bias2: filled(second, 0),
    weight: weight([features, classes], features, 102),
    bias: filled(classes, 0),
  };
}

export const cnnBatches = ({ batch, side, classes }: Cnn): readonly Batch[] => batches(batch, [1, side, side], classes);

/** The parameters of a transformer block; products are [in, out]. */
export interface BlockParameters {
  readonly gain1: Values;
  readonly shift1: Values;
  readonly query: Values;
  readonly key: Values;
  readonly value: Values;
  readonly output: Values;
  readonly gain2: Values;
  readonly shift2: Values;
  readonly widen: Values;
  readonly widenBias: Values;
  readonly narrow: Values;
  readonly narrowBias: Values;
}

export const blockParameters = ({ width }: Attention): BlockParameters => ({
  gain1: filled(width, 1),
  shift1: filled(width, 0),
  query: weight([width, width], width, 110),
  key: weight([width, width], width, 111),
  value: weight([width, width], width, 112),
  output: weight([width, width], width, 113),
  gain2: filled(width, 1),
  shift2: filled(width, 0),
  widen: weight([width, 4 * width], width, 114),
  widenBias: filled(4 * width, 0),
  narrow: weight([4 * width, width], 4 * width, 115),
  narrowBias: filled(width, 0),
});

export const blockInput = ({ batch, sequence, width }: Attention): Values => ({
  data: uniform(batch * sequence * width, 1000, -1, 1),
  shape: [batch, sequence, width],
});

/** What the layer norms add to a variance. */
export const epsilon = 1e-5;
/** Adam's numbers, PyTorch's defaults. */
export const adamOptions = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8 } as const;
/** a and b of gelu(a·x + b). */
export const affine = { a: 1.5, b: -0.25 } as const;
/** The tanh form: ½ z (1 + tanh(√(2/π) (z + 0.044715 z³))), Hendrycks and Gimpel 2016. */
export const geluConstants = { scale: Math.sqrt(2 / Math.PI), cubic: 0.044715 } as const;
