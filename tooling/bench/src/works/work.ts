/**
 * What a work is: a computation described as data, once, which every system carries out in its own words. Owns the
 * units and the way from milliseconds to them; it runs nothing.
 */

/** The suites, in the order in which they run. */
export const suites = ["gemm", "elementwise", "reduce", "train", "cnn", "attention", "cold"] as const;
/** These and the one for GPUs, which runs where it is named. */
export const allSuites = [...suites, "gpu"] as const;
export type Suite = (typeof allSuites)[number];

export type Activation = "gelu" | "tanh" | "exp" | "sigmoid";
export type RowFunction =
  | "sum axis 0" | "sum axis 1" | "argmax" | "variance" | "softmax" | "logsumexp" | "layer norm";

/** C = op(A)·op(B), m×k by k×n; a transposed operand is stored the other way round. */
export interface Gemm {
  readonly kind: "gemm";
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transA: boolean;
  readonly transB: boolean;
}

/** A function of `length` floats; `gelu` is that of a·x + b, in its tanh form. */
export interface Elementwise {
  readonly kind: "elementwise";
  readonly activation: Activation;
  readonly length: number;
}

/** A function of the rows (or columns) of a matrix. */
export interface Rows {
  readonly kind: "rows";
  readonly name: RowFunction;
  readonly rows: number;
  readonly columns: number;
}

/** One step of a multilayer perceptron with relu: forward, softmax cross-entropy, backward, Adam. */
export interface Mlp {
  readonly kind: "mlp";
  readonly dims: readonly number[];
  readonly batch: number;
  /** Operation by operation, as a program that compiles nothing. */
  readonly eager?: boolean;
}

/** conv3×3, relu, pool, conv3×3, relu, pool, linear, on images of one channel; a training step ends with Adam. */
export interface Cnn {
  readonly kind: "cnn";
  readonly mode: "inference" | "training";
  readonly batch: number;
  /** Height and width, divisible by 4. */
  readonly side: number;
  readonly channels: readonly [number, number];
  readonly classes: number;
}

/** A transformer block, forward and backward: the gradient of a mean of squares by input and parameters. */
export interface Attention {
  readonly kind: "attention";
  readonly batch: number;
  readonly sequence: number;
  readonly width: number;
  readonly heads: number;
}

/** Multiply-adds of `vectors` independent registers and nothing else: what the engine makes of the processor. */
export interface Registers {
  readonly kind: "registers";
  readonly vectors: number;
  readonly turns: number;
}

/** The same on a GPU: `turns` multiply-adds of every register of every invocation. */
export interface MultiplyAdds {
  readonly kind: "multiply-adds";
  readonly invocations: number;
  readonly turns: number;
}

/** Bytes from one buffer of a GPU to another. */
export interface Copy {
  readonly kind: "copy";
  readonly by: "command" | "kernel";
  readonly bytes: number;
}

export type Task = Registers | MultiplyAdds | Copy | Gemm | Elementwise | Rows | Mlp | Cnn | Attention;

export type Unit = "GFLOP/s" | "GB/s" | "per step" | "ns/element" | "ms" | "steps/s" | "runs/s" | "MiB";

/** One line of a suite. */
export interface Work {
  readonly suite: Suite;
  readonly name: string;
  readonly task: Task;
  readonly unit: Unit;
  /** Floating-point operations or elements of one run: what the unit counts. 1 where it counts runs. */
  readonly amount: number;
  /** Largest difference between two systems, relative to the largest value of each result. */
  readonly tolerance: number;
}

/** A median time as a number of the unit. `MiB` and `per step` are no times. */
export function inUnit(milliseconds: number, { unit, amount }: Pick<Work, "unit" | "amount">): number {
  switch (unit) {
    case "GFLOP/s":
    case "GB/s":
      return amount / milliseconds / 1e6;
    case "ns/element":
      return (milliseconds * 1e6) / amount;
    case "steps/s":
    case "runs/s":
      return 1000 / milliseconds;
    case "ms":
      return milliseconds;
    case "MiB":
    case "per step":
      throw new Error(`inUnit: ${milliseconds} ms is not a number ${unit === "MiB" ? "of MiB" : unit}`);
  }
}

/** True where a larger number is the better one. */
export const moreIsBetter = (unit: Unit): boolean => unit.endsWith("/s");
