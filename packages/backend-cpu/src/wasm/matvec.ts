/**
 * Products with one row: every element of the right operand is used once, so packing it would cost more than the
 * product. Reads it where it lies, in one of two orders: along columns, adding several scaled lines to the result at a
 * time, or along k, several dot products at a time. Owns these two loops; refuses views that need tables.
 */
import { bytesOf } from "@dormouse/tensor/graph";
import type { ContractKernel } from "@dormouse/tensor/graph";
import { i32, i32x4, memory, select, v128 } from "./encoder.ts";
import type { Expression, Local } from "./encoder.ts";
import type { FunctionBuilder, ModuleBuilder, Procedure } from "./module.ts";
import type { Arithmetic } from "./tile.ts";
import { offsetAt, operandView, sizeOf, uniformStride } from "./views.ts";
import type { OperandView } from "./views.ts";

type I32 = Expression<"i32">;

/** Strides of both operands in elements, if the loops below can read them. */
interface Operands {
  readonly left: OperandView;
  readonly right: OperandView;
  readonly leftDepth: number;
  readonly rightColumn: number;
  readonly rightDepth: number;
}

function operandsOf(kernel: ContractKernel): Operands | undefined {
  if (sizeOf(kernel.m) !== 1 || sizeOf(kernel.k) === 0) return undefined;
  const left = operandView(kernel, "m", kernel.lhs, kernel.args);
  const right = operandView(kernel, "n", kernel.rhs, kernel.args);
  if (!left || !right || left.conditions.length + right.conditions.length > 0) return undefined;
  const [leftDepth, rightColumn, rightDepth] = [
    uniformStride(left.at.k),
    uniformStride(right.at.x),
    uniformStride(right.at.k),
  ];
  if (leftDepth === undefined || rightColumn === undefined || rightDepth === undefined) return undefined;
  const readable = rightColumn === 1 || (rightDepth === 1 && leftDepth === 1);
  return readable ? { left, right, leftDepth, rightColumn, rightDepth } : undefined;
}

/** Lines added to the result per pass over it. */
const linesAtOnce = 8;
/** Dot products computed together; each has two accumulators. */
const dotsAtOnce = 4;

const shape = { args: "i32", batch: "i32", to: "i32", column: "i32", columns: "i32" } as const;

/**
 * `product(args, batch, to, column, columns)`: one row of the product, contiguous at `to`, which has room for the
 * columns rounded up to 4 vectors. Undefined if the operands have to be packed.
 */
export function matrixVector(
  module: ModuleBuilder,
  kernel: ContractKernel,
  arithmetic: Arithmetic,
): Procedure | undefined {
  const operands = operandsOf(kernel);
  if (!operands) return undefined;
  const bytes = bytesOf(kernel.dtype);
  const { left, right, rightColumn } = operands;
  return module.function({ name: "matrix by vector", parameters: shape }, (f, p) => {
    const start = ({ arg, at }: OperandView): I32 =>
      i32.add(
        i32.load(p.args, 4 * arg),
        i32.mul(i32.add(i32.const(at.offset), offsetAt(at.batch, p.batch)), i32.const(bytes)),
      );
    const vector = f.let(start(left));
    const matrix = f.let(i32.add(start(right), i32.mul(p.column, i32.const(rightColumn * bytes))));
    const write = rightColumn === 1 ? addLines : dotProducts;
    write(f, arithmetic, operands, sizeOf(kernel.k), vector, matrix, p.to, p.columns);
  });
}

type Writer = (
  f: FunctionBuilder,
  arithmetic: Arithmetic,
  operands: Operands,
  depth: number,
  vector: Local<"i32">,
  matrix: Local<"i32">,
  to: Local<"i32">,
  columns: Local<"i32">,
) => void;

/** Columns are contiguous: result += left[k] · line k, for `linesAtOnce` k per pass. */
const addLines: Writer = (
  f,
  { bytes, splat, multiplyAdd },
  { leftDepth, rightDepth },
  depth,
  vector,
  matrix,
  to,
  columns,
) => {
  const end = f.let(i32.mul(columns, i32.const(bytes)));
  const [k, x] = [f.local("i32"), f.local("i32")];
  const factors = f.locals("v128", linesAtOnce);
  const lines = f.locals("i32", linesAtOnce);
  const sum = f.local("v128");
  f.do(memory.fill(to, i32.const(0), i32.and(i32.add(end, i32.const(15)), i32.const(-16))));
  const pass = (count: number): void => {
    for (let line = 0; line < count; line++) {
      f.set(factors[line]!, splat(vector, 0));
      f.increase(vector, leftDepth * bytes);
      f.set(lines[line]!, matrix);
      f.increase(matrix, rightDepth * bytes);
    }
    f.set(x, i32.const(0));
    f.count(x, end, 16, () => {
      f.set(sum, v128.load(i32.add(to, x)));
      for (let line = 0; line < count; line++) {
        f.set(sum, multiplyAdd(factors[line]!, v128.load(i32.add(lines[line]!, x)), sum));
      }
      f.do(v128.store(i32.add(to, x), sum));
    });
  };
  const whole = depth - (depth % linesAtOnce);
  if (whole > 0) f.count(k, i32.const(whole), linesAtOnce, () => pass(linesAtOnce));
  if (depth > whole) pass(depth - whole);
};

/** k is contiguous in both operands: `dotsAtOnce` columns share the loads of the vector. */
const dotProducts: Writer = (
  f,
  { bytes, lanes, multiplyAdd, add },
  { rightColumn },
  depth,
  vector,
  matrix,
  to,
  columns,
) => {
  const [x, k, at, last] = [f.local("i32"), f.local("i32"), f.local("i32"), f.local("i32")];
  const pointers = f.locals("i32", dotsAtOnce);
  const sums = pointers.map(() => f.locals("v128", 2));
  const parts = f.locals("v128", 2);
  const zero = f.constant(i32x4.const(0));
  const step = (load: (address: I32, offset: number) => Expression<"v128">, unroll: number): void => {
    for (let u = 0; u < unroll; u++) f.set(parts[u]!, load(at, 16 * u));
    pointers.forEach((pointer, dot) => {
      for (let u = 0; u < unroll; u++)
        f.set(sums[dot]![u]!, multiplyAdd(parts[u]!, load(pointer, 16 * u), sums[dot]![u]!));
    });
  };
  const advance = (amount: number): void => {
    for (const pointer of [at, ...pointers]) f.increase(pointer, amount);
  };
  const whole = depth - (depth % (2 * lanes));
  f.count(x, columns, dotsAtOnce, () => {
    f.set(last, i32.sub(i32.sub(columns, x), i32.const(1)));
    pointers.forEach((pointer, dot) => {
      const column = dot === 0 ? i32.const(0) : select(i32.lt_s(last, i32.const(dot)), last, i32.const(dot));
      f.set(pointer, i32.add(matrix, i32.mul(column, i32.const(rightColumn * bytes))));
    });
    for (const sum of sums.flat()) f.set(sum, zero);
    f.set(at, vector);
    f.set(k, i32.const(0));
    f.count(k, i32.const(whole), 2 * lanes, () => {
      step(v128.load, 2);
      advance(32);
    });
    // What is left goes through lane 0; the other lanes are zero on both sides.
    f.count(k, i32.const(depth), 1, () => {
      step(bytes === 4 ? v128.load32_zero : v128.load64_zero, 1);
      advance(bytes);
    });
    sums.forEach(([a, b], dot) => {
      const sum = a!;
      f.set(sum, add(sum, b!));
      f.set(sum, add(sum, i32x4.shuffle(sum, sum, [2, 3, 0, 1])));
      if (lanes === 4) f.set(sum, add(sum, i32x4.shuffle(sum, sum, [1, 0, 3, 2])));
      f.do(bytes === 4 ? v128.store32_lane(to, sum, 0, 4 * dot) : v128.store64_lane(to, sum, 0, 8 * dot));
    });
    f.increase(to, dotsAtOnce * bytes);
    f.increase(matrix, dotsAtOnce * rightColumn * bytes);
  });
};
