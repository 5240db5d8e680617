/**
 * The program: what `lower` makes of a graph and what every backend compiles. Plain data, nothing but kernels of
 * four kinds over buffers; fusion, views, memory and order are already decided. No backend sees a graph.
 */
import type { DType } from "../core/dtype.ts";
import type { Factorization } from "../core/factorization.ts";

/** Operations a backend's code generator must spell out, by number of operands. */
export type ScalarUnary =
  | "neg" | "exp" | "expm1" | "log" | "log1p" | "sin" | "cos" | "tanh" | "atan" | "erf" | "sqrt" | "floor"
  /** Nearest integer, halves to even. Float only. */
  | "round" | "abs" | "not" | "cast";
export type ScalarBinary =
  | "add" | "sub" | "mul" | "div" | "max" | "min" | "pow" | "less" | "lessEqual" | "equal" | "and" | "or";
/** `where(bool, a, b)`; `threefry(key0, key1, counter0, counter1)`: xor of the two output words of Threefry-2x32, 20 rounds. */
export type ScalarNary = "where" | "threefry";
export type ScalarOp = ScalarUnary | ScalarBinary | ScalarNary;

/** offset + Σ strides[axis]·index[axis], in elements; one stride per loop axis. */
export interface Affine {
  readonly offset: number;
  readonly strides: readonly number[];
}
/** Holds where 0 ≤ value < below. */
export interface Condition extends Affine {
  readonly below: number;
}
/** Adds clamp(value(index), 0, size - 1)·stride to an address. For scatters: an index outside [0, size) drops the element. */
export interface Indirect {
  readonly index: Scalar;
  readonly stride: number;
  readonly size: number;
}

/**
 * An expression evaluated at every point of a loop nest. A DAG: an object met twice is one value.
 *
 * Arithmetic is done in `dtype`. float32 rounds every operation to float32 except that a backend may fuse
 * multiply-add. int32 and uint32 wrap; their division truncates toward zero and x/0 is 0. `max`/`min` return NaN if
 * either operand is. `less`, `lessEqual`, `equal` take operands of one dtype and give bool. Casts: float → integer
 * truncates and saturates (NaN → 0), integer → uint8 keeps the low 8 bits, anything → bool is `≠ 0`.
 *
 * There is no arithmetic in float16. A scalar of that dtype is a `load`, or a `cast` of a float32 scalar, which rounds
 * to nearest even; it is used by a `cast` to float32 and by stores only. Only buffers are float16: reductions, products
 * and routines have float32 there, and no scatter target or routine argument is float16.
 */
export type Scalar =
  | { readonly op: "const"; readonly dtype: DType; readonly value: number }
  /** An int32 affine function of the loop indices. */
  | { readonly op: "index"; readonly dtype: "int32"; readonly at: Affine }
  /** True where every condition holds. */
  | { readonly op: "valid"; readonly dtype: "bool"; readonly conditions: readonly Condition[] }
  /** args[arg][at + Σ indirect]; where a condition of `valid` fails nothing is read and the value is `fill`. */
  | {
      readonly op: "load";
      readonly dtype: DType;
      readonly arg: number;
      readonly at: Affine;
      readonly indirect?: readonly Indirect[];
      readonly valid?: readonly Condition[];
      readonly fill?: number;
    }
  /** The value of an earlier reduce stage (loop kernels), or of the product (contract kernels, stage 0). */
  | { readonly op: "result"; readonly dtype: DType; readonly stage: number }
  | { readonly op: ScalarOp; readonly dtype: DType; readonly sources: readonly Scalar[] };

/** A buffer a kernel takes. */
export interface KernelArgument {
  readonly dtype: DType;
  /** Elements the kernel may touch. */
  readonly length: number;
  readonly access: "read" | "write" | "readwrite";
}

/** Reduces `body` over the inner axes. `argmax`: int32 row-major position of the first largest; NaN counts as largest. */
export interface ReduceStage {
  readonly kind: "reduce";
  readonly combine: "sum" | "max" | "argmax";
  /** dtype of the result; of `body` too, except for argmax (int32). */
  readonly dtype: DType;
  readonly body: Scalar;
}
/**
 * Writes `body` to args[arg][at]: once per outer index, or for every inner index too. Stores that follow each other at
 * one level are one pass: at every index all their bodies are evaluated before anything is written.
 */
export interface StoreStage {
  readonly kind: "store";
  readonly level: "outer" | "inner";
  readonly arg: number;
  readonly at: Affine;
  readonly body: Scalar;
}
export type Stage = ReduceStage | StoreStage;

/**
 * A nest of loops: for every outer index, the stages in order, each reduce or inner store being a loop over the
 * inner axes. No inner axes: an elementwise map. Views have strides for [..outer, ..inner]; a body at outer level has
 * zero inner strides. Different outer indices are independent and may run in any order or in parallel.
 */
export interface LoopKernel {
  readonly kind: "loop";
  readonly args: readonly KernelArgument[];
  readonly outer: readonly number[];
  readonly inner: readonly number[];
  readonly stages: readonly Stage[];
}

/**
 * A product: result[b, m, n] = Σ_k lhs[b, m, k] · rhs[b, k, n], then every store. Views have strides for
 * [..batch, ..m, ..n, ..k]; `lhs` does not move along n, `rhs` not along m, stores not along k. Operands may be
 * windowed, padded or computed while packed. `stores` read the product as `result` of stage 0 and are one pass.
 */
export interface ContractKernel {
  readonly kind: "contract";
  readonly args: readonly KernelArgument[];
  readonly dtype: DType;
  readonly batch: readonly number[];
  readonly m: readonly number[];
  readonly n: readonly number[];
  readonly k: readonly number[];
  readonly lhs: Scalar;
  readonly rhs: Scalar;
  readonly stores: readonly { readonly arg: number; readonly at: Affine; readonly body: Scalar }[];
}

/** Zeroes args[arg], then adds `body` at (at + Σ indirect) for every loop index, in order. */
export interface ScatterKernel {
  readonly kind: "scatter";
  readonly args: readonly KernelArgument[];
  readonly axes: readonly number[];
  readonly arg: number;
  readonly at: Affine;
  readonly indirect: readonly Indirect[];
  readonly body: Scalar;
}

/**
 * Work along the middle axis of contiguous row-major [outer, length, inner] buffers:
 * `cumsum` args [in, out] · `argsort` args [in, out int32], stable, NaN last when ascending and first when descending.
 */
export interface AxisRoutine {
  readonly kind: "routine";
  readonly name: "cumsum" | "argsort";
  readonly args: readonly KernelArgument[];
  readonly outer: number;
  readonly length: number;
  readonly inner: number;
  /** cumsum: from the far end; argsort: descending. */
  readonly reverse: boolean;
}

/** A factorization (see `Factorization`) of `batch` contiguous float matrices [rows, columns]: args [in, out]. */
export interface FactorRoutine {
  readonly kind: "routine";
  readonly name: Factorization;
  readonly args: readonly KernelArgument[];
  readonly batch: number;
  readonly rows: number;
  readonly columns: number;
}

/** x of a·x = b for triangles a [batch, rows, rows] and b [batch, rows, columns]: args [a, b, x]. */
export interface TriangularSolveRoutine {
  readonly kind: "routine";
  readonly name: "triangularSolve";
  readonly args: readonly KernelArgument[];
  readonly batch: number;
  readonly rows: number;
  readonly columns: number;
  readonly lower: boolean;
  /** The diagonal counts as ones. */
  readonly unit: boolean;
}

/** Work with an algorithm of its own: all arguments but the last are read, the last is written. */
export type RoutineKernel = AxisRoutine | FactorRoutine | TriangularSolveRoutine;

export type Kernel = LoopKernel | ContractKernel | ScatterKernel | RoutineKernel;

/** Memory a kernel argument is bound to. */
export type Slot =
  | { readonly space: "input"; readonly index: number }
  | { readonly space: "output"; readonly index: number }
  /** Bytes in the scratch memory of the run, placed by the plan; offset is a multiple of 256. */
  | { readonly space: "temporary"; readonly offset: number; readonly bytes: number };

export interface Step {
  /** Index into `kernels`. */
  readonly kernel: number;
  /** One slot per kernel argument. */
  readonly slots: readonly Slot[];
}

export interface BufferSpec {
  readonly dtype: DType;
  readonly length: number;
}

/** `run(executable, [...inputs, ...outputs])` executes the steps in order. */
export interface Program {
  /** Equal keys mean equal programs. */
  readonly key: string;
  readonly inputs: readonly BufferSpec[];
  /** `alias`: the run is given this input's buffer as the output too; the plan has made that safe. */
  readonly outputs: readonly (BufferSpec & { readonly alias?: number })[];
  readonly kernels: readonly Kernel[];
  readonly steps: readonly Step[];
  readonly temporaryBytes: number;
}
