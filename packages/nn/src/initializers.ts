/**
 * First values of parameters. An initializer is a function of a key and a shape; those with options are made by a
 * function of the options. Fans are those of weights `[out, in, ...kernel]`: `fanIn = in · |kernel|`.
 */
import {
  type FloatType, type Key, type Tensor, ShapeError, full, linalg, mul, normal as normals, reshape, transpose,
  truncatedNormal as truncatedNormals, uniform as uniforms,
} from "@dormouse/tensor";

export type { FloatType };

/** Makes the first values of a parameter. */
export type Initializer = <const S extends readonly number[]>(
  key: Key,
  shape: S,
  options?: { readonly dtype?: FloatType },
) => Tensor<S>;

type Fill = (key: Key, shape: readonly number[], dtype: FloatType) => Tensor;

const initializer =
  (fill: Fill): Initializer =>
  (key, shape, { dtype = "float32" } = {}) =>
    fill(key, shape, dtype) as Tensor<typeof shape>;

/** `value` everywhere. */
export const constant = (value: number): Initializer => initializer((_, shape, dtype) => full(shape, value, { dtype }));

/** 0 everywhere. */
export const zeros = constant(0);

/** 1 everywhere. */
export const ones = constant(1);

/** Uniform in [low, high), by default [0, 1). */
export const uniform = ({ low = 0, high = 1 }: { readonly low?: number; readonly high?: number } = {}): Initializer =>
  initializer((key, shape, dtype) => uniforms(key, shape, { low, high, dtype }));

/** Normal with `mean` 0 and `std` 1 unless told. */
export const normal = ({ mean = 0, std = 1 }: { readonly mean?: number; readonly std?: number } = {}): Initializer =>
  initializer((key, shape, dtype) => normals(key, shape, { mean, std, dtype }));

/** Normal, but nothing beyond `bound` (default 2) standard deviations. */
export const truncatedNormal = ({
  mean = 0,
  std = 1,
  bound = 2,
}: { readonly mean?: number; readonly std?: number; readonly bound?: number } = {}): Initializer =>
  initializer((key, shape, dtype) => truncatedNormals(key, shape, { mean, std, low: -bound, high: bound, dtype }));

/** Inputs and outputs that a weight of this shape connects. Throws `ShapeError` for fewer than two axes. */
export function fans(shape: readonly number[]): { readonly fanIn: number; readonly fanOut: number } {
  const [outputs, inputs, ...kernel] = shape;
  if (inputs === undefined || outputs === undefined) {
    throw new ShapeError("fans", `shape [${shape.join(", ")}] has no inputs and outputs`, {
      received: shape,
      hint: "a weight is [out, in, ...kernel]",
    });
  }
  const field = kernel.reduce((size, length) => size * length, 1);
  return { fanIn: inputs * field, fanOut: outputs * field };
}

/** Functions whose gain is known. */
export type Nonlinearity = "linear" | "sigmoid" | "tanh" | "relu" | "leakyRelu" | "selu";

/** What keeps the variance through a layer that is followed by this function: √2 for relu, 5/3 for tanh. */
export function gainOf(nonlinearity: Nonlinearity, slope = 0.01): number {
  switch (nonlinearity) {
    case "linear":
    case "sigmoid":
      return 1;
    case "tanh":
      return 5 / 3;
    case "relu":
      return Math.SQRT2;
    case "leakyRelu":
      return Math.sqrt(2 / (1 + slope ** 2));
    case "selu":
      return 3 / 4;
  }
}

/** Uniform of this standard deviation; nothing has a deviation where there are no inputs. */
const spreadUniform = (stdOf: (shape: readonly number[]) => number): Initializer =>
  initializer((key, shape, dtype) => {
    const bound = Math.sqrt(3) * stdOf(shape);
    return Number.isFinite(bound) && bound > 0 ? uniforms(key, shape, { low: -bound, high: bound, dtype }) : full(shape, 0, { dtype });
  });

const spreadNormal = (stdOf: (shape: readonly number[]) => number): Initializer =>
  initializer((key, shape, dtype) => {
    const std = stdOf(shape);
    return Number.isFinite(std) ? normals(key, shape, { std, dtype }) : full(shape, 0, { dtype });
  });

export interface GainOptions {
  /** Multiplies the deviation. */
  readonly gain?: number;
}

const xavier =
  ({ gain = 1 }: GainOptions) =>
  (shape: readonly number[]): number => {
    const { fanIn, fanOut } = fans(shape);
    return gain * Math.sqrt(2 / (fanIn + fanOut));
  };

/** Variance `gain² · 2 / (fanIn + fanOut)`, uniform (Glorot and Bengio 2010). `gain` is 1 by default. */
export const xavierUniform = (options: GainOptions = {}): Initializer => spreadUniform(xavier(options));
/** Variance `gain² · 2 / (fanIn + fanOut)`, normal. */
export const xavierNormal = (options: GainOptions = {}): Initializer => spreadNormal(xavier(options));
export const glorotUniform = xavierUniform;
export const glorotNormal = xavierNormal;

export interface KaimingOptions extends GainOptions {
  /** Keeps the variance of the values forward (default) or of the gradients backward. */
  readonly mode?: "fanIn" | "fanOut";
}

const kaiming =
  ({ gain = Math.SQRT2, mode = "fanIn" }: KaimingOptions) =>
  (shape: readonly number[]): number =>
    gain / Math.sqrt(fans(shape)[mode]);

/** Variance `gain² / fan`, uniform (He et al. 2015). `gain` is √2 by default, for relu. */
export const kaimingUniform = (options: KaimingOptions = {}): Initializer => spreadUniform(kaiming(options));
/** Variance `gain² / fan`, normal. */
export const kaimingNormal = (options: KaimingOptions = {}): Initializer => spreadNormal(kaiming(options));
export const heUniform = kaimingUniform;
export const heNormal = kaimingNormal;

/** Variance `1 / fanIn`, uniform (LeCun et al. 1998). */
export const lecunUniform = (): Initializer => kaimingUniform({ gain: 1 });
/** Variance `1 / fanIn`, normal. */
export const lecunNormal = (): Initializer => kaimingNormal({ gain: 1 });

/** PyTorch's default for linear and convolution layers: uniform in ±1/√fanIn. */
export const defaultWeight: Initializer = kaimingUniform({ gain: 1 / Math.sqrt(3) });

/**
 * Orthonormal rows, or columns if those are fewer, times `gain` (Saxe et al. 2014): the orthogonal factor of a random
 * normal matrix `[out, in · |kernel|]`, which is uniform among all orthogonal matrices because `linalg.qr` makes the
 * diagonal of the other factor positive (Mezzadri 2007).
 */
export const orthogonal = ({ gain = 1 }: GainOptions = {}): Initializer =>
  initializer((key, shape, dtype) => {
    const { fanIn } = fans(shape);
    const rows = shape[0]!;
    if (rows === 0 || fanIn === 0) return full(shape, 0, { dtype });
    const isTall = rows >= fanIn;
    const { q } = linalg.qr(normals(key, isTall ? [rows, fanIn] : [fanIn, rows], { dtype }));
    return reshape(mul(isTall ? q : transpose(q), gain), shape);
  });
