/**
 * The vocabulary of the tables: which inputs and attributes the cases name, and the type of a row. A row says how an
 * op of the cases is spelled with the public API; the tables of the groups are in `tables/`.
 */
import type { Tensor } from "@dormouse/tensor";

/** Inputs by the names that cases give them. A row reads those of its op, and the cases vouch for their presence. */
export interface Inputs {
  readonly x: Tensor;
  readonly y: Tensor;
  readonly t: Tensor;
  readonly a: Tensor;
  readonly b: Tensor;
  readonly c: Tensor;
  readonly w: Tensor;
  readonly i: Tensor;
  readonly j: Tensor;
  readonly p: Tensor;
  readonly n: Tensor;
  readonly q: Tensor;
  readonly r: Tensor;
  readonly s: Tensor;
  readonly v: Tensor;
  readonly A: Tensor;
  readonly w1: Tensor;
  readonly b1: Tensor;
  readonly w2: Tensor;
  readonly b2: Tensor;
  readonly cond: Tensor;
  readonly index: Tensor;
  readonly src: Tensor;
  readonly mask: Tensor;
  readonly sorted: Tensor;
  readonly beta: Tensor;
  readonly logp: Tensor;
  readonly logq: Tensor;
  readonly var: Tensor;
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly running_mean: Tensor;
  readonly running_var: Tensor;
  readonly pos_weight: Tensor;
}

/** Attributes by the names that cases give them, vouched for in the same way. */
export interface Attributes {
  readonly [name: string]: unknown;
  readonly axis: number | null;
  readonly axes: readonly number[];
  readonly keepdim: boolean;
  readonly correction: number;
  readonly p: number;
  readonly q: number;
  readonly min: number | null;
  readonly max: number | null;
  readonly exponent: number;
  readonly alpha: number;
  readonly beta: number;
  readonly gamma: number;
  readonly delta: number;
  readonly slope: number;
  readonly negative_slope: number;
  readonly divisor_override: number | undefined;
  readonly scale: number;
  readonly approximate: "none" | "tanh" | "sigmoid";
  readonly lambd: number;
  readonly threshold: number;
  readonly value: number;
  readonly pieces: number;
  readonly equation: string;
  readonly stride: number | readonly number[];
  readonly padding: number | readonly number[];
  readonly dilation: number | readonly number[];
  readonly groups: number;
  readonly output_padding: number;
  readonly kernel: number | readonly number[];
  readonly ceil_mode: boolean;
  readonly count_include_pad: boolean;
  readonly output: readonly number[];
  readonly slices: string | readonly (readonly [number | null, number | null, number | null])[];
  readonly index: number;
  readonly num_classes: number;
  readonly padding_idx: number;
  readonly repeat_first: boolean;
  readonly sizes: readonly number[];
  readonly chunks: number;
  readonly pad_last_first: readonly number[];
  readonly mode: "constant" | "reflect" | "replicate";
  readonly shape: readonly number[];
  readonly permute: readonly number[];
  readonly reps: readonly number[];
  readonly repeats: number;
  readonly start: number;
  readonly shifts: readonly number[];
  readonly diagonal: number;
  readonly offset?: number;
  readonly size: number;
  readonly step: number;
  readonly descending: boolean;
  readonly k: number;
  readonly largest: boolean;
  readonly right: boolean;
  readonly minlength: number;
  readonly bins: number;
  readonly training: boolean;
  readonly momentum: number;
  readonly eps: number;
  readonly normalized_shape: readonly number[];
  readonly reduction: "none" | "mean" | "sum" | "batchmean";
  readonly margin: number;
  readonly ignore_index: number;
  readonly label_smoothing: number;
  readonly soft: boolean;
  readonly layout: string;
  readonly log_target: boolean;
  readonly full: boolean;
  readonly log_input: boolean;
  readonly target: readonly number[];
}

/** Elements of the inputs on the host, for options that are numbers in the API and inputs in the cases. */
export type HostInputs = Readonly<Record<string, readonly number[]>>;

/** What a row returns: one tensor, which the cases call `y`, or several by name. */
export type Outputs = Tensor | Readonly<Record<string, Tensor>>;

/** How an op of the cases is spelled with the public API. */
export type Row = (inputs: Inputs, attributes: Attributes, host: HostInputs) => Outputs;

/** An op whose result has a shape that depends on values: it waits for them, and has no derivative. */
export interface WaitingRow {
  readonly waiting: (inputs: Inputs, attributes: Attributes) => Promise<Outputs>;
}

/** Rows by op. */
export type Table = Readonly<Record<string, Row | WaitingRow>>;

const isTensor = (outputs: Outputs): outputs is Tensor => "dtype" in outputs && typeof outputs.dtype === "string";

/** Outputs by name; a single one is `y`. */
export const named = (outputs: Outputs): Readonly<Record<string, Tensor>> =>
  isTensor(outputs) ? { y: outputs } : outputs;
