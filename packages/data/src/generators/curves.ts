/**
 * Regression problems whose true function is known: `x` float32 [count, axes] and `y` float32 [count, 1], y = f(x) +
 * noise. With the noise known, bias and variance of a model can be measured.
 */
import { type Tensor, ValueError } from "@dormouse/tensor";
import { type Dataset, dataset } from "../dataset.ts";
import { Random } from "../random.ts";
import { checkGenerator } from "./options.ts";

/** Inputs and their noisy values. */
export type Samples = Dataset<{ readonly x: Tensor; readonly y: Tensor }>;

/** What all generators of samples take. */
export interface SamplesOptions {
  /** Number of samples. Default 100. */
  readonly count?: number;
  /** Standard deviation of the normal noise on y. Default 0.1. */
  readonly noise?: number;
  /** Inputs are uniform between these. Default [−1, 1]. */
  readonly range?: readonly [low: number, high: number];
  /** Default 0. */
  readonly seed?: number;
}

/** Samples of any function of `axes` numbers (default 1). */
export function samples(
  f: (...x: number[]) => number,
  options: SamplesOptions & { readonly axes?: number } = {},
): Samples {
  return sample("samples", (x) => f(...x), options, options.axes ?? 1);
}

/**
 * y = x · weights + bias + noise. The default is one weight of 2 and a bias of 1.
 */
export function linearSamples(
  options: SamplesOptions & { readonly weights?: readonly number[]; readonly bias?: number } = {},
): Samples {
  const { weights = [2], bias = 1 } = options;
  return sample(
    "linearSamples",
    (x) => x.reduce((sum, value, axis) => sum + value * weights[axis]!, bias),
    options,
    weights.length,
  );
}

/** y = sin(2π · frequency · x) + noise; the default frequency is 1. */
export function sineSamples(options: SamplesOptions & { readonly frequency?: number } = {}): Samples {
  const { frequency = 1 } = options;
  return sample("sineSamples", ([x]) => Math.sin(2 * Math.PI * frequency * x!), options, 1);
}

/** y = Σ coefficients[i] · xⁱ + noise; the default is x³ − x, which a straight line underfits. */
export function polynomialSamples(
  options: SamplesOptions & { readonly coefficients?: readonly number[] } = {},
): Samples {
  const { coefficients = [0, -1, 0, 1] } = options;
  return sample(
    "polynomialSamples",
    ([x]) => coefficients.reduceRight((sum, coefficient) => sum * x! + coefficient, 0),
    options,
    1,
  );
}

function sample(op: string, f: (x: number[]) => number, options: SamplesOptions, axes: number): Samples {
  const { count = 100, noise = 0.1, range = [-1, 1], seed = 0 } = options;
  checkGenerator(op, count, noise);
  if (!Number.isSafeInteger(axes) || axes < 1) {
    throw new ValueError(op, `${axes} inputs`, { received: axes, hint: "use at least one" });
  }
  const random = new Random(seed);
  const x = new Float32Array(count * axes);
  const y = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    for (let axis = 0; axis < axes; axis++) x[i * axes + axis] = random.uniform(...range);
    y[i] = f(Array.from(x.subarray(i * axes, (i + 1) * axes))) + noise * random.normal();
  }
  return dataset({ x: { data: x, shape: [count, axes] }, y: { data: y, shape: [count, 1] } });
}
