/**
 * The stores of a product whose tiles do not go straight to the output: they read a finished block from scratch memory
 * while it is still in cache. A store of the product itself only moves elements, to wherever its view says; any other
 * body is a loop nest of the scalar generator over rows and columns of the block.
 */
import { bytesOf } from "@dormouse/tensor/graph";
import type { ContractPlan } from "./contract-plan.ts";
import { i32, i32x4, i64, v128 } from "./encoder.ts";
import type { GeneratorOptions } from "./generator.ts";
import { workOf, worthUnrolling } from "./loop-plan.ts";
import type { ModuleBuilder, Procedure } from "./module.ts";
import { Nest, integer, plus, times } from "./nest.ts";
import { eachNeighbors, indicesAt } from "./region.ts";
import { ScalarCode } from "./scalar.ts";
import type { Place } from "./scalar.ts";
import { fillTables, tableSlack } from "./tables.ts";
import { groupsOf, offsetAt, split } from "./views.ts";

type Store = ContractPlan["kernel"]["stores"][number];

export interface BlockStore {
  readonly scratchBytes: number;
  /** `store(args, batch, product, row, rows, column, columns, scratch)` */
  readonly store: Procedure;
}

/** Instructions of a body from which on that is worth the code: gelu and its slope, 524288 of each, 2.92 instead of 3.14 ms. */
const costly = 30;

const blockShape = {
  args: "i32",
  batch: "i32",
  product: "i32",
  row: "i32",
  rows: "i32",
  column: "i32",
  columns: "i32",
  scratch: "i32",
} as const;

/** All stores of a block whose rows lie `rowLength` elements apart. */
export function blockStore(
  module: ModuleBuilder,
  plan: ContractPlan,
  rowLength: number,
  options: GeneratorOptions,
): BlockStore {
  const { stores, args, dtype } = plan.kernel;
  const moved = stores.length === 1 && stores[0]!.body.op === "result" && args[stores[0]!.arg]!.dtype === dtype;
  if (moved) return { scratchBytes: 4 * (rowLength + tableSlack), store: moveStore(module, plan, stores[0]!, rowLength) };
  return { scratchBytes: 0, store: computedStores(module, plan, rowLength, options) };
}

/** Groups of four columns that are computed side by side: more of them where that hides the chains of costly functions. */
function sideBySide({ batch, m, n, stores }: ContractPlan["kernel"], wide: boolean): number {
  const work = Math.max(...stores.map(({ body }) => workOf(body)));
  const elements = [...batch, ...m, ...n].reduce((product, size) => product * size, 1);
  return work >= costly && elements >= worthUnrolling * work ? 4 : wide ? 2 : 1;
}

/** Evaluates the bodies row by row, some groups of four columns at a time. All values of a group are known before the first is stored. */
function computedStores(
  module: ModuleBuilder,
  { kernel }: ContractPlan,
  rowLength: number,
  options: GeneratorOptions,
): Procedure {
  const bytes = bytesOf(kernel.dtype);
  const groups = groupsOf(kernel);
  return module.function({ name: "compute block", parameters: blockShape }, (f, p) => {
    const nest = new Nest(f, options.fma);
    const code = new ScalarCode(
      nest,
      kernel.args,
      p.args,
      kernel.stores.map(({ body }) => body),
    );
    const batch = indicesAt(nest, kernel.batch, p.batch);
    nest.loop(p.row, nest.hold(plus(p.row, p.rows)), 1, (row) => {
      const rows = indicesAt(nest, kernel.m, row);
      const from = nest.hold(plus(p.product, times(i32.sub(row, p.row), rowLength * bytes)));
      eachNeighbors(nest, kernel.n, p.column, p.columns, sideBySide(kernel, options.wide), (neighbors) => {
        const { indices, lane, active, shifts, position } = neighbors;
        const address = nest.here(plus(from, times(position, bytes)));
        const parts = bytes === 8 && active > 1 ? [0, 16] : [0];
        const places = shifts.map((shift): Place => {
          const product = parts.map((offset) => nest.here(v128.load(address, shift * bytes + offset)));
          return {
            index: [...batch, ...rows, ...indices, ...groups.k.map(() => integer(0))],
            lane: lane < 0 ? -1 : groups.n[lane]!,
            shift,
            active,
            resultsVary: true,
            values: new Map([[0, bytes === 8 ? [product[0]!, product.at(-1)!] : product]]),
          };
        });
        const values = nest.interleave(
          places.map((place) => () => kernel.stores.map(({ body }) => code.value(body, place).map((part) => nest.here(part)))),
        );
        kernel.stores.forEach(({ arg, at }, i) =>
          places.forEach((place, group) => code.store(arg, at, values[group]![i]!, place)),
        );
      });
    });
    nest.finish();
  });
}

/** Moves the product itself: whole vectors where the view is contiguous, lane by lane elsewhere. */
function moveStore(module: ModuleBuilder, { kernel }: ContractPlan, { arg, at }: Store, rowLength: number): Procedure {
  const bytes = kernel.dtype === "float64" ? 8 : 4;
  const lanes = 16 / bytes;
  const view = split(kernel, at);
  return module.function({ name: "move block", parameters: blockShape }, (f, p) => {
    const base = f.let(
      i32.add(
        i32.load(p.args, 4 * arg),
        i32.mul(i32.add(i32.const(view.offset), offsetAt(view.batch, p.batch)), i32.const(bytes)),
      ),
    );
    fillTables(f, p.scratch, rowLength + tableSlack, [{ linear: view.n, scale: bytes }], p.column, p.columns, p.columns);
    const [i, j, from, entry, to, vectorEnd] = [
      f.local("i32"),
      f.local("i32"),
      f.local("i32"),
      f.local("i32"),
      f.local("i32"),
      f.local("i32"),
    ];
    const offsets = f.locals("i32", lanes);
    const steps = f.constant(i32x4.const(...[0, 1, 2, 3].map((lane) => (lane % lanes) * bytes)));
    const vector = f.local("v128");
    f.set(vectorEnd, i32.and(p.columns, i32.const(-lanes)));
    f.count(i, p.rows, 1, () => {
      const index = f.let(i32.add(p.row, i));
      const row = f.let(i32.add(base, offsetAt(view.m, index, bytes)));
      f.set(from, p.product);
      f.set(entry, p.scratch);
      f.set(j, i32.const(0));
      const next = (elements: number): void => {
        f.increase(from, elements * bytes);
        f.increase(entry, 4 * elements);
      };
      f.count(j, vectorEnd, lanes, () => {
        f.set(vector, v128.load(from));
        offsets.forEach((offset, lane) => f.set(offset, i32.add(row, i32.load(entry, 4 * lane))));
        const positions = lanes === 4 ? v128.load(entry) : v128.load64_splat(entry);
        const first = f.let(i32x4.splat(i32.load(entry)));
        const contiguous = i32x4.all_true(i32x4.eq(i32x4.sub(positions, first), steps));
        f.if(
          contiguous,
          () => f.do(v128.store(offsets[0]!, vector)),
          () =>
            offsets.forEach((offset, lane) =>
              f.do(lanes === 4 ? v128.store32_lane(offset, vector, lane) : v128.store64_lane(offset, vector, lane)),
            ),
        );
        next(lanes);
      });
      f.count(j, p.columns, 1, () => {
        f.set(to, i32.add(row, i32.load(entry)));
        f.do(bytes === 4 ? i32.store(to, i32.load(from)) : i64.store(to, i64.load(from)));
        next(1);
      });
      f.increase(p.product, rowLength * bytes);
    });
  });
}
