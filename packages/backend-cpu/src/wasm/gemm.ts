/**
 * Code for contract kernels: blocks of packed panels, swept by a register tile, then the stores. Owns the loops over
 * blocks, the division among threads and the layout of scratch memory; packing, tiles and decisions live in pack.ts,
 * tile.ts and contract-plan.ts.
 *
 * The order is that of Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (ACM TOMS 34, 2008),
 * with two changes: the right operand is packed for all depths at once if that fits the outer cache, so that the product
 * of a block is finished while it is still near and its stores can be fused; and threads that divide the rows pack
 * it together, each its part, and meet before anybody reads it.
 */
import type { ContractKernel } from "@dormouse/tensor/graph";
import { planContract } from "./contract-plan.ts";
import type { ContractPlan, DirectStore } from "./contract-plan.ts";
import { blockStore } from "./contract-store.ts";
import { roundUp, shareOf } from "./counting.ts";
import { i32, memory, select } from "./encoder.ts";
import type { Expression, Local } from "./encoder.ts";
import { kernelExport, kernelParameters } from "./generator.ts";
import type { GeneratedKernel, GeneratorOptions } from "./generator.ts";
import { call } from "./module.ts";
import type { FunctionBuilder, ModuleBuilder, Procedure } from "./module.ts";
import { matrixVector } from "./matvec.ts";
import { operandPacker } from "./operand.ts";
import type { Packer } from "./pack.ts";
import { writeSmall } from "./small-product.ts";
import { arithmeticOf, runningEngine, fittedTile, sweepFunction, tileOf } from "./tile.ts";
import type { Arithmetic, Tile } from "./tile.ts";
import { offsetAt, sizeOf } from "./views.ts";

type I32 = Expression<"i32">;

const least = (a: I32, b: I32): I32 => select(i32.lt_s(a, b), a, b);
const roundedUp = (value: I32, multiple: number): I32 =>
  i32.mul(i32.div_u(i32.add(value, i32.const(multiple - 1)), i32.const(multiple)), i32.const(multiple));

/** Offsets into the scratch memory of one thread. */
class Layout {
  bytes = 0;

  take(bytes: number): number {
    const at = this.bytes;
    this.bytes += roundUp(bytes, 64);
    return at;
  }
}

const signature = { name: kernelExport, parameters: kernelParameters, export: true } as const;

/** Writes the function of a contract kernel. */
export function generateContract(
  module: ModuleBuilder,
  kernel: ContractKernel,
  options: GeneratorOptions,
): GeneratedKernel {
  const engine = runningEngine(options);
  const arithmetic = arithmeticOf(kernel.dtype, engine);
  const tile = fittedTile(tileOf(kernel.dtype, engine), sizeOf(kernel.k));
  const plan = planContract(kernel, tile);
  if (plan.batch * plan.m * plan.n === 0) {
    module.function(signature, () => {});
    return { scratchBytes: () => 0 };
  }
  const row = matrixVector(module, plan.kernel, arithmetic);
  const memory = row
    ? writeRows(module, plan, arithmetic, tile, row, options)
    : writeSmall(module, plan, arithmetic, options) ?? writeBlocks(module, plan, arithmetic, tile, options);
  return { scratchBytes: (threads) => memory.shared + memory.perThread * threads };
}

/** Bytes of scratch memory: what all threads share comes first. */
interface ScratchBytes {
  readonly shared: number;
  readonly perThread: number;
}

/** Where an element of the product lies in the output. */
function directAddress(
  { arg, at, rowStride }: DirectStore,
  args: I32,
  batch: I32,
  row: I32,
  column: I32,
  bytes: number,
): I32 {
  const inBatch = i32.add(i32.mul(row, i32.const(rowStride)), column);
  const element = i32.add(inBatch, i32.add(i32.const(at.offset), offsetAt(at.batch, batch)));
  return i32.add(i32.load(args, 4 * arg), i32.mul(element, i32.const(bytes)));
}

/** The product of packed blocks. */
function writeBlocks(
  module: ModuleBuilder,
  plan: ContractPlan,
  arithmetic: Arithmetic,
  tile: Tile,
  options: GeneratorOptions,
): ScratchBytes {
  const { blocks, direct } = plan;
  const { bytes, lanes } = arithmetic;
  const width = tile.vectors * lanes;
  const left = operandPacker(module, plan.kernel, "m", tile.rows, { x: blocks.rows, k: blocks.depth }, options);
  const right = operandPacker(module, plan.kernel, "n", width, { x: blocks.columns, k: blocks.depth }, options);
  const store = direct ? undefined : blockStore(module, plan, blocks.columns, options);
  const sweep = sweepFunction(module, arithmetic, tile);

  const layout = new Layout();
  const common = new Layout();
  const at = {
    left: layout.take(blocks.rows * blocks.depth * bytes),
    right: (plan.shared ? common : layout).take(
      blocks.columns * (blocks.resident ? roundUp(plan.k, blocks.depth) : blocks.depth) * bytes,
    ),
    product: layout.take(direct ? 0 : blocks.rows * blocks.columns * bytes),
    spare: layout.take(tile.rows * width * bytes),
    leftTables: layout.take(left.scratchBytes),
    rightTables: layout.take(right.scratchBytes),
    storeTables: layout.take(store?.scratchBytes ?? 0),
  };

  module.function(signature, (f, { arguments: args, scratch, threadIndex, threadCount }) => {
    const start = f.let(scratch);
    f.increase(scratch, i32.add(i32.const(common.bytes), i32.mul(threadIndex, i32.const(layout.bytes))));
    const area = (name: keyof typeof at): I32 =>
      i32.add(plan.shared && name === "right" ? start : scratch, i32.const(at[name]));
    const rowBlock = { at: f.local("i32"), count: f.local("i32") };
    const columnBlock = { at: f.local("i32"), count: f.local("i32"), padded: f.local("i32") };
    const depthBlock = { at: f.local("i32"), count: f.local("i32"), padded: f.local("i32") };
    const eachDepth = (body: () => void): void => {
      f.set(depthBlock.at, i32.const(0));
      f.count(depthBlock.at, i32.const(plan.k), blocks.depth, () => {
        f.set(depthBlock.count, least(i32.sub(i32.const(plan.k), depthBlock.at), i32.const(blocks.depth)));
        f.set(depthBlock.padded, roundedUp(depthBlock.count, tile.unroll));
        body();
      });
    };
    if (left.reset) f.do(left.reset(area("leftTables")));
    if (right.reset) f.do(right.reset(area("rightTables")));
    const inRegions = plan.shared ? inRows : eachRegion;
    inRegions(f, plan, tile.rows, width, threadIndex, threadCount, (batch, rows, columns) => {
      const rightAt = (): I32 =>
        blocks.resident
          ? i32.add(area("right"), i32.mul(i32.mul(depthBlock.at, columnBlock.padded), i32.const(bytes)))
          : area("right");
      const pack = (packer: Packer, to: I32, x: { readonly at: I32; readonly count: I32 }, tables: I32): void => {
        const { at: k, count, padded } = depthBlock;
        f.do(call(packer.pack, args, batch, to, x.at, x.count, k, count, padded, tables));
      };

      f.set(columnBlock.at, columns.from);
      f.count(columnBlock.at, columns.to, blocks.columns, () => {
        f.set(columnBlock.count, least(i32.sub(columns.to, columnBlock.at), i32.const(blocks.columns)));
        f.set(columnBlock.padded, roundedUp(columnBlock.count, width));
        if (plan.shared) {
          // Until then others may read the block before.
          if (plan.n > blocks.columns) f.if(columnBlock.at, () => f.do(call(options.barrier, threadCount)));
          const panels = f.let(i32.div_u(columnBlock.padded, i32.const(width)));
          const edge = (thread: I32): I32 =>
            i32.mul(i32.div_u(i32.mul(panels, thread), threadCount), i32.const(width));
          const first = f.let(edge(threadIndex));
          const own = {
            at: f.let(i32.add(columnBlock.at, first)),
            count: f.let(i32.sub(least(edge(i32.add(threadIndex, i32.const(1))), columnBlock.count), first)),
          };
          f.if(i32.gt_s(own.count, i32.const(0)), () =>
            eachDepth(() => {
              const before = i32.mul(i32.mul(first, depthBlock.padded), i32.const(bytes));
              pack(right, i32.add(rightAt(), before), own, area("rightTables"));
            }),
          );
          f.do(call(options.barrier, threadCount));
        } else if (blocks.resident) eachDepth(() => pack(right, rightAt(), columnBlock, area("rightTables")));

        f.set(rowBlock.at, rows.from);
        f.count(rowBlock.at, rows.to, blocks.rows, () => {
          f.set(rowBlock.count, least(i32.sub(rows.to, rowBlock.at), i32.const(blocks.rows)));
          if (plan.k === 0)
            f.do(memory.fill(area("product"), i32.const(0), i32.const(blocks.rows * blocks.columns * bytes)));
          eachDepth(() => {
            if (!blocks.resident) pack(right, rightAt(), columnBlock, area("rightTables"));
            pack(left, area("left"), rowBlock, area("leftTables"));
            const result = direct
              ? [
                  directAddress(direct, args, batch, rowBlock.at, columnBlock.at, bytes),
                  i32.const(direct.rowStride * bytes),
                ]
              : [area("product"), i32.const(blocks.columns * bytes)];
            const size = direct
              ? [rowBlock.count, columnBlock.count]
              : [roundedUp(rowBlock.count, tile.rows), columnBlock.padded];
            f.do(
              call(sweep, ...size, depthBlock.padded, area("left"), rightAt(), ...result, depthBlock.at, area("spare")),
            );
          });
          if (store) {
            f.do(
              call(
                store.store,
                args,
                batch,
                area("product"),
                rowBlock.at,
                rowBlock.count,
                columnBlock.at,
                columnBlock.count,
                area("storeTables"),
              ),
            );
          }
        });
      });
    });
  });
  return { shared: common.bytes, perThread: layout.bytes };
}

/** The product of one row by a matrix that is not packed. */
function writeRows(
  module: ModuleBuilder,
  plan: ContractPlan,
  { bytes, lanes }: Arithmetic,
  tile: Tile,
  product: Procedure,
  options: GeneratorOptions,
): ScratchBytes {
  const { blocks, direct } = plan;
  const store = direct ? undefined : blockStore(module, plan, blocks.columns, options);
  const layout = new Layout();
  const at = { row: layout.take(blocks.columns * bytes), tables: layout.take(store?.scratchBytes ?? 0) };
  module.function(signature, (f, { arguments: args, scratch, threadIndex, threadCount }) => {
    f.increase(scratch, i32.mul(threadIndex, i32.const(layout.bytes)));
    const row = i32.add(scratch, i32.const(at.row));
    const column = f.local("i32"),
      count = f.local("i32");
    eachRegion(f, plan, tile.rows, tile.vectors * lanes, threadIndex, threadCount, (batch, _, columns) => {
      f.set(column, columns.from);
      f.count(column, columns.to, blocks.columns, () => {
        f.set(count, least(i32.sub(columns.to, column), i32.const(blocks.columns)));
        f.do(call(product, args, batch, row, column, count));
        f.do(
          store
            ? call(
                store.store,
                args,
                batch,
                row,
                i32.const(0),
                i32.const(1),
                column,
                count,
                i32.add(scratch, i32.const(at.tables)),
              )
            : memory.copy(
                directAddress(direct!, args, batch, i32.const(0), column, bytes),
                row,
                i32.mul(count, i32.const(bytes)),
              ),
        );
      });
    });
  });
  return { shared: 0, perThread: layout.bytes };
}

interface Span {
  readonly from: I32;
  readonly to: I32;
}

type Regions = (
  f: FunctionBuilder,
  plan: ContractPlan,
  tileRows: number,
  tileColumns: number,
  threadIndex: Local<"i32">,
  threadCount: Local<"i32">,
  body: (batch: I32, rows: Span, columns: Span) => void,
) => void;

/** Runs `body` once on every thread, for its stretch of the rows, which may be empty, and all columns of the only batch. */
const inRows: Regions = (f, plan, tileRows, _, threadIndex, threadCount, body) => {
  const edge = (thread: I32): I32 =>
    i32.mul(shareOf(Math.ceil(plan.m / tileRows), thread, threadCount), i32.const(tileRows));
  const rows = {
    from: f.let(edge(threadIndex)),
    to: f.let(least(edge(i32.add(threadIndex, i32.const(1))), i32.const(plan.m))),
  };
  body(i32.const(0), rows, { from: i32.const(0), to: i32.const(plan.n) });
};

/**
 * Runs `body` for the parts of the product that belong to this thread: all batches in order, each cut into panels along
 * `plan.divide`, are one line of panels of which every thread takes an equal stretch.
 */
const eachRegion: Regions = (f, plan, tileRows, tileColumns, threadIndex, threadCount, body) => {
  const [size, panel] = plan.divide === "m" ? [plan.m, tileRows] : [plan.n, tileColumns];
  const perBatch = Math.ceil(size / panel);
  const total = plan.batch * perBatch;
  const position = f.local("i32"),
    end = f.local("i32"),
    batch = f.local("i32"),
    panels = f.local("i32"),
    first = f.local("i32");
  const span = { from: f.local("i32"), to: f.local("i32") };
  f.set(position, shareOf(total, threadIndex, threadCount));
  f.set(end, shareOf(total, i32.add(threadIndex, i32.const(1)), threadCount));
  f.count(position, end, panels, () => {
    f.set(batch, i32.div_u(position, i32.const(perBatch)));
    f.set(first, i32.rem_u(position, i32.const(perBatch)));
    f.set(panels, least(i32.sub(end, position), i32.sub(i32.const(perBatch), first)));
    f.set(span.from, i32.mul(first, i32.const(panel)));
    f.set(span.to, least(i32.mul(i32.add(first, panels), i32.const(panel)), i32.const(size)));
    const whole = (to: number): Span => ({ from: i32.const(0), to: i32.const(to) });
    if (plan.divide === "m") body(batch, span, whole(plan.n));
    else body(batch, whole(plan.m), span);
  });
};
