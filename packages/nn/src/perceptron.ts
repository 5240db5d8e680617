/**
 * Rosenblatt's perceptron: a half-space that is learned from labeled points, one mistake at a time. Synchronous, on
 * plain arrays; a network that learns by gradients is made of layers.
 */
import { Tensor, ValueError } from "@dormouse/tensor";
import { requireSizes } from "./linear.ts";
import type { Bit } from "./neurons.ts";

export interface PerceptronOptions {
  /** Number of inputs. */
  readonly inputs: number;
  /** Whether there is a weight w₀ for a constant input of 1. Default true; without it the boundary runs through 0. */
  readonly bias?: boolean;
  /** Weights before the first step. Default zeros. */
  readonly weights?: readonly number[];
}

export interface PerceptronFitOptions {
  /** Passes over the points at most. Default 1000. */
  readonly epochs?: number;
}

/** The points that a perceptron calls 1: those with `normal · x + offset ≥ 0`. */
export interface HalfSpace {
  /** The weights: they point into the half-space. */
  readonly normal: readonly number[];
  /** The bias. */
  readonly offset: number;
  /** How far a point is from the boundary, positive inside. NaN where all weights are 0, and there is no boundary. */
  distance(point: readonly number[]): number;
}

/** A list of points `[n, inputs]` and a list of labels `[n]`. */
type Points = readonly (readonly number[])[];
type Labels = readonly (number | boolean)[];

/** What `fit` has found out. */
interface Progress {
  readonly errors: readonly number[];
  readonly converged: boolean;
}

/** See `perceptron`. */
export class Perceptron {
  readonly inputs: number;
  /** One weight per input. */
  readonly weights: readonly number[];
  /** w₀, the weight of a constant 1; null where there is none. */
  readonly bias: number | null;
  /** Wrong points in every epoch of `fit`. Ends in 0 where the classes are separated. */
  readonly errors: readonly number[];
  /** Whether an epoch went by without an error. */
  readonly converged: boolean;

  constructor(weights: readonly number[], bias: number | null, { errors, converged }: Progress) {
    this.inputs = weights.length;
    this.weights = weights;
    this.bias = bias;
    this.errors = errors;
    this.converged = converged;
  }

  /** What came out of `fit`, in a sentence: `separated in 3 epochs`, or `not separable within 1000 epochs: …`. */
  get message(): string {
    const { length } = this.errors;
    const epochs = `${length} ${length === 1 ? "epoch" : "epochs"}`;
    if (length === 0) return "not fitted";
    if (this.converged) return `separated in ${epochs}`;
    return (
      `not separable within ${epochs}: ${this.errors.at(-1)} wrong in the last; ` +
      "allow more epochs, or the classes overlap and need a network"
    );
  }

  /** The half-space of the points called 1. */
  get halfSpace(): HalfSpace {
    const length = Math.hypot(...this.weights);
    return {
      normal: this.weights,
      offset: this.bias ?? 0,
      distance: (point) => this.activation(point) / length || (length > 0 ? 0 : NaN),
    };
  }

  /** `w · x + w₀`. Throws `ValueError` for another number of inputs. */
  activation(point: readonly number[]): number {
    requirePoint("perceptron", point, this.inputs, "the point");
    return this.weights.reduce((sum, weight, i) => sum + weight * point[i]!, this.bias ?? 0);
  }

  /** 1 where `w · x + w₀ ≥ 0`, else 0: of one point, or of each of a list. */
  predict(point: readonly number[]): Bit;
  predict(points: Points): Bit[];
  predict(of: readonly number[] | Points): Bit | Bit[] {
    const one = (point: readonly number[]): Bit => (this.activation(point) >= 0 ? 1 : 0);
    return isList(of) ? of.map(one) : one(of);
  }

  /**
   * Goes over the points, in order, until an epoch has no error: `w ← w + x` where a 1 was called 0, `w ← w - x` where
   * a 0 was called 1. Returns a new perceptron, which knows how it went; this one stays as it is.
   *
   * Where a boundary with margin γ exists and no point is farther from 0 than R, there are at most (R / γ)² errors
   * (Novikoff 1962). Where none exists the weights run around in a circle, and the result says `converged: false`.
   *
   * Throws `ValueError` for labels other than 0 and 1, and for points of another length.
   */
  fit(points: Points, labels: Labels, { epochs = 1000 }: PerceptronFitOptions = {}): Perceptron {
    requireSizes("perceptron", { epochs });
    const rows = rowsOf(points, this.inputs);
    const targets = targetsOf(labels, rows.length);
    const weights = [...this.weights];
    let bias = this.bias;
    const errors: number[] = [];
    do {
      let wrong = 0;
      rows.forEach((x, i) => {
        const sum = weights.reduce((total, weight, at) => total + weight * x[at]!, bias ?? 0);
        const miss = targets[i]! - (sum >= 0 ? 1 : 0);
        if (miss === 0) return;
        wrong++;
        weights.forEach((weight, at) => (weights[at] = weight + miss * x[at]!));
        if (bias !== null) bias += miss;
      });
      errors.push(wrong);
    } while (errors.at(-1)! > 0 && errors.length < epochs);
    return new Perceptron(weights, bias, { errors, converged: errors.at(-1) === 0 });
  }
}

/**
 * A perceptron (Rosenblatt 1958): `1` where `w · x + w₀ ≥ 0`, else `0`. Begins with zero weights and learns with
 * `fit`, which reports the number of errors of every epoch.
 *
 * ```ts
 * const p = perceptron({ inputs: 2 }).fit([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 1]);
 * p.predict([1, 0]);    // 1
 * p.errors.at(-1);      // 0: every point is on its side
 * perceptron({ inputs: 2 }).fit([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]).converged;   // false: that is xor
 * ```
 */
export function perceptron({ inputs, bias = true, weights }: PerceptronOptions): Perceptron {
  requireSizes("perceptron", { inputs });
  const start = weights ?? Array.from({ length: inputs }, () => 0);
  requirePoint("perceptron", start, inputs, "the list of weights");
  return new Perceptron([...start], bias ? 0 : null, { errors: [], converged: false });
}

const isList = (of: readonly number[] | Points): of is Points => typeof of[0] === "object";

function refuseTensor(of: unknown, name: string): void {
  if (!(of instanceof Tensor)) return;
  throw new ValueError("perceptron", `${name} are a tensor`, {
    expected: "arrays",
    received: of.shape,
    hint: `read it first: await ${name}.array()`,
  });
}

function requirePoint(op: string, point: readonly number[], inputs: number, name: string): void {
  if (Array.isArray(point) && point.length === inputs && point.every((value) => typeof value === "number")) return;
  const problem = Array.isArray(point) ? `[${point.join(", ")}]` : String(point);
  throw new ValueError(op, `${name} is ${problem}`, { expected: inputs, received: point, hint: `give ${inputs} numbers` });
}

function rowsOf(points: Points, inputs: number): Points {
  refuseTensor(points, "points");
  points.forEach((point, i) => requirePoint("perceptron", point, inputs, `point ${i}`));
  if (points.length > 0) return points;
  throw new ValueError("perceptron", "there are no points", { received: points, hint: "give at least one" });
}

function targetsOf(labels: Labels, count: number): Bit[] {
  refuseTensor(labels, "labels");
  if (labels.length !== count) {
    throw new ValueError("perceptron", `${labels.length} labels for ${count} points`, {
      expected: count,
      received: labels.length,
      hint: "give one label per point",
    });
  }
  return labels.map((label, i) => {
    if (label === 1 || label === true) return 1;
    if (label === 0 || label === false) return 0;
    throw new ValueError("perceptron", `label ${i} is ${label}`, { expected: [0, 1], received: label, hint: "use 0 and 1" });
  });
}
