/**
 * Products so small that packing them and calling functions takes as long as their arithmetic. Every size and stride is
 * a constant of the code: the left operand is read where it lies, the right one too where its columns are neighbors,
 * and tiles are cut to fit, so that none sticks out. Sums are those of gemm.ts, in the same order. Owns these loops;
 * what does not suit them is left to gemm.ts.
 */
import type { ContractKernel } from "@dormouse/tensor/graph";
import type { ContractPlan } from "./contract-plan.ts";
import { blockStore } from "./contract-store.ts";
import { range, roundUp, shareOf } from "./counting.ts";
import { i32, i32x4, v128 } from "./encoder.ts";
import type { Expression, Local } from "./encoder.ts";
import { kernelExport, kernelParameters } from "./generator.ts";
import type { GeneratorOptions } from "./generator.ts";
import { call } from "./module.ts";
import type { FunctionBuilder, ModuleBuilder } from "./module.ts";
import { operandPacker } from "./operand.ts";
import { runningEngine } from "./tile.ts";
import type { Arithmetic } from "./tile.ts";
import { operandView, startOf, uniformStride } from "./views.ts";
import type { OperandView } from "./views.ts";

type I32 = Expression<"i32">;

/** Largest product, in multiply-adds, and its longest side. */
const mostMultiplyAdds = 32 ** 3;
const longestSide = 128;
/** A tile of 4 rows and 2 vectors has as many sums as hide the latency of a multiply-add. */
const tileRows = 4;
const tileVectors = 2;

const signature = { name: kernelExport, parameters: kernelParameters, export: true } as const;

/** An operand read where it lies; strides in elements. */
interface Strided {
  readonly view: OperandView;
  readonly x: number;
  readonly k: number;
}

/** The operand with its strides, if it is a plain view that offsets without a sign can walk. */
function stridedOperand(kernel: ContractKernel, side: "m" | "n"): Strided | undefined {
  const view = operandView(kernel, side, side === "m" ? kernel.lhs : kernel.rhs, kernel.args);
  if (!view || view.conditions.length > 0) return undefined;
  const [x, k] = [uniformStride(view.at.x), uniformStride(view.at.k)];
  return x !== undefined && k !== undefined && x >= 0 && k >= 0 ? { view, x, k } : undefined;
}

/** How a tile walks its operands and where it leaves its sums; all in bytes but rows and columns. */
interface TileCode {
  readonly arithmetic: Arithmetic;
  readonly depth: number;
  /** Steps of k in one turn of a loop. */
  readonly unroll: number;
  readonly leftRow: number;
  readonly leftStep: number;
  readonly rightStep: number;
  readonly resultRow: number;
  /** Whether what lies behind the last column belongs to somebody else. */
  readonly exact: boolean;
}

/** Writes one tile: `rows` by `columns` sums, from pointers that it leaves as they are. */
function writeTile(
  f: FunctionBuilder,
  code: TileCode,
  [rows, columns]: readonly [number, number],
  at: { readonly left: Local<"i32">; readonly right: Local<"i32">; readonly result: Local<"i32"> },
): void {
  const { arithmetic, depth, unroll, leftRow, leftStep, rightStep } = code;
  const { lanes, splat, multiplyAdd } = arithmetic;
  const vectors = Math.ceil(columns / lanes);
  const sums = range(rows).map(() => f.locals("v128", vectors));
  const factors = f.locals("v128", vectors);
  const factor = f.local("v128");
  const [left, right, rest] = [f.let(at.left), f.let(at.right), f.local("i32")];
  for (const sum of sums.flat()) f.set(sum, i32x4.const(0));
  const steps = (count: number): void => {
    for (const step of range(count)) {
      factors.forEach((vector, j) => f.set(vector, v128.load(right, step * rightStep + 16 * j)));
      sums.forEach((row, i) => {
        f.set(factor, splat(left, i * leftRow + step * leftStep));
        row.forEach((sum, j) => f.set(sum, multiplyAdd(factor, factors[j]!, sum)));
      });
    }
  };
  const turns = Math.floor(depth / unroll);
  if (turns > 1) {
    f.set(rest, i32.const(turns));
    f.loop((again) => {
      steps(unroll);
      f.increase(left, unroll * leftStep);
      f.increase(right, unroll * rightStep);
      f.increase(rest, -1);
      f.branchIf(again, rest);
    });
    steps(depth - turns * unroll);
  } else {
    steps(depth);
  }
  sums.forEach((row, i) => row.forEach((sum, j) => storeSum(f, code, at.result, i, j, sum, columns - j * lanes)));
}

/** Stores a vector of sums, of which `valid` elements count. */
function storeSum(
  f: FunctionBuilder,
  { arithmetic: { lanes, bytes }, resultRow, exact }: TileCode,
  result: I32,
  row: number,
  vector: number,
  sum: Local<"v128">,
  valid: number,
): void {
  const offset = row * resultRow + 16 * vector;
  if (valid >= lanes || !exact) return f.do(v128.store(result, sum, offset));
  if (bytes === 8) return f.do(v128.store64_lane(result, sum, 0, offset));
  if (valid >= 2) f.do(v128.store64_lane(result, sum, 0, offset));
  if (valid % 2 === 1) f.do(v128.store32_lane(result, sum, valid - 1, offset + 4 * (valid - 1)));
}

/**
 * Writes the function of a small product. Returns the bytes of scratch memory that it needs; undefined where the
 * product is not small, or an operand is not a plain view.
 */
export function writeSmall(
  module: ModuleBuilder,
  plan: ContractPlan,
  arithmetic: Arithmetic,
  options: GeneratorOptions,
): { readonly shared: 0; readonly perThread: number } | undefined {
  const { kernel, m, n, k, direct } = plan;
  if (k === 0 || m * n * k > mostMultiplyAdds || Math.max(m, n, k) > longestSide) return undefined;
  const left = stridedOperand(kernel, "m");
  if (!left) return undefined;
  const right = stridedOperand(kernel, "n");
  const { lanes, bytes } = arithmetic;
  const width = tileVectors * lanes;
  const inPlace = right?.x === 1 ? right : undefined;
  const packer = inPlace ? undefined : operandPacker(module, kernel, "n", width, { x: roundUp(n, width), k }, options);
  const rowLength = roundUp(n, lanes);
  const store = direct ? undefined : blockStore(module, plan, rowLength, options);

  let scratchBytes = 0;
  const take = (size: number): number => (scratchBytes += roundUp(size, 64)) - roundUp(size, 64);
  const area = {
    product: take(direct ? 0 : m * rowLength * bytes),
    right: take(packer ? roundUp(n, width) * k * bytes : 0),
    rightTables: take(packer?.scratchBytes ?? 0),
    storeTables: take(store?.scratchBytes ?? 0),
  };
  const code: TileCode = {
    arithmetic,
    depth: k,
    unroll: runningEngine(options).hoistsLoads ? 1 : 4,
    leftRow: left.x * bytes,
    leftStep: left.k * bytes,
    rightStep: (inPlace ? inPlace.k : width) * bytes,
    resultRow: (direct ? direct.rowStride : rowLength) * bytes,
    exact: direct !== undefined,
  };
  /** From one panel of columns to the next. */
  const rightPanel = inPlace ? width * bytes : width * k * bytes;

  module.function(signature, (f, { arguments: args, scratch, threadIndex, threadCount }) => {
    f.increase(scratch, i32.mul(threadIndex, i32.const(scratchBytes)));
    const scratchAt = (name: keyof typeof area): I32 => i32.add(scratch, i32.const(area[name]));
    const startOfView = ({ view }: Strided, batch: I32): I32 =>
      i32.add(i32.load(args, 4 * view.arg), startOf(view.at, batch, bytes));
    const at = { left: f.local("i32"), right: f.local("i32"), result: f.local("i32") };
    const [rowsFrom, panel, panelResult, row] = f.locals("i32", 4) as [Local<"i32">, Local<"i32">, Local<"i32">, Local<"i32">];
    const panels = (columns: number): void => {
      f.set(at.left, rowsFrom);
      f.set(at.right, panel);
      f.set(at.result, panelResult);
      const [whole, rest] = [Math.floor(m / tileRows), m % tileRows];
      f.set(row, i32.const(0));
      f.count(row, i32.const(whole), 1, () => {
        writeTile(f, code, [tileRows, columns], at);
        f.increase(at.left, tileRows * code.leftRow);
        f.increase(at.result, tileRows * code.resultRow);
      });
      if (rest > 0) writeTile(f, code, [rest, columns], at);
    };
    eachBatch(f, plan.batch, threadIndex, threadCount, (batch) => {
      const zero = i32.const(0);
      const [rows, columns, depth] = [i32.const(m), i32.const(n), i32.const(k)];
      if (packer) {
        if (packer.reset) f.do(packer.reset(scratchAt("rightTables")));
        const tables = scratchAt("rightTables");
        f.do(call(packer.pack, args, batch, scratchAt("right"), zero, columns, zero, depth, depth, tables));
      }
      f.set(rowsFrom, startOfView(left, batch));
      f.set(panel, inPlace ? startOfView(inPlace, batch) : scratchAt("right"));
      f.set(panelResult, direct ? resultStart(direct, args, batch, bytes) : scratchAt("product"));
      const column = f.local("i32");
      const [whole, rest] = [Math.floor(n / width), n % width];
      f.set(column, zero);
      f.count(column, i32.const(whole), 1, () => {
        panels(width);
        f.increase(panel, rightPanel);
        f.increase(panelResult, width * bytes);
      });
      if (rest > 0) panels(rest);
      if (store) {
        const tables = scratchAt("storeTables");
        f.do(call(store.store, args, batch, scratchAt("product"), zero, rows, zero, columns, tables));
      }
    });
  });
  return { shared: 0, perThread: scratchBytes };
}

/** Address of the first element of a product that goes straight to the output. */
const resultStart = ({ arg, at }: NonNullable<ContractPlan["direct"]>, args: I32, batch: I32, bytes: number): I32 =>
  i32.add(i32.load(args, 4 * arg), startOf(at, batch, bytes));

/** Runs `body` for the products of a batch that belong to this thread. */
function eachBatch(
  f: FunctionBuilder,
  total: number,
  threadIndex: Local<"i32">,
  threadCount: Local<"i32">,
  body: (batch: Local<"i32">) => void,
): void {
  const batch = f.let(shareOf(total, threadIndex, threadCount));
  const end = f.let(shareOf(total, i32.add(threadIndex, i32.const(1)), threadCount));
  f.count(batch, end, 1, () => body(batch));
}
