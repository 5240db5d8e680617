/**
 * Packing: operands of a product copied block by block into panels, which is where every layout becomes the same one.
 * Owns the choice of the way in: x contiguous in memory, k contiguous, or anything else an affine padded view can say,
 * by tables of offsets. Refuses to compute operands.
 */
import { i32 } from "./encoder.ts";
import type { Expression } from "./encoder.ts";
import { gatherPanels, maskBytes } from "./gather.ts";
import type { TableLengths } from "./gather.ts";
import { call } from "./module.ts";
import type { ModuleBuilder, Procedure } from "./module.ts";
import { packAlongK, packAlongX } from "./panel.ts";
import type { Panel } from "./panel.ts";
import { fillTables, tableSlack } from "./tables.ts";
import { offsetAt, uniformStride } from "./views.ts";
import type { OperandSplit, OperandView } from "./views.ts";

type I32 = Expression<"i32">;

/** Packs one block of an operand; every number counts elements and `scratch` has `scratchBytes`. */
export interface Packer {
  readonly scratchBytes: number;
  /** `pack(args, batch, to, x, count, k, depth, padded, scratch)` */
  readonly pack: Procedure;
  /** To be done before the first block of a run: forgets what tables hold. */
  readonly reset?: (scratch: I32) => Expression<"void">;
}

export const packerShape = {
  args: "i32",
  batch: "i32",
  to: "i32",
  x: "i32",
  count: "i32",
  k: "i32",
  depth: "i32",
  padded: "i32",
  scratch: "i32",
} as const;

/** The packer of a view for blocks of at most `most.x` by `most.k`. */
export function viewPacker(module: ModuleBuilder, view: OperandView, width: number, most: TableLengths): Packer {
  const bytes = view.dtype === "float64" ? 8 : 4;
  const panel: Panel = { width, bytes };
  const [xStride, kStride] = [uniformStride(view.at.x), uniformStride(view.at.k)];
  const plain = view.conditions.length === 0 && xStride !== undefined && kStride !== undefined;
  if (plain && (xStride === 1 || kStride === 1)) {
    const way = xStride === 1 ? "along x" : "along k";
    const pack = module.function({ name: `pack ${way}`, parameters: packerShape }, (f, p) => {
      const base = i32.add(i32.load(p.args, 4 * view.arg), moved(view.at, p.batch, bytes));
      const start = i32.add(base, i32.add(offsetAt(view.at.x, p.x, bytes), offsetAt(view.at.k, p.k, bytes)));
      const stride = (xStride === 1 ? kStride : xStride) * bytes;
      const copy = (xStride === 1 ? packAlongX : packAlongK)(module, panel);
      f.do(call(copy, p.to, start, p.count, p.depth, p.padded, i32.const(stride)));
    });
    return { scratchBytes: 0, pack };
  }
  return tablePacker(module, view, panel, most);
}

const moved = (at: OperandSplit, batch: I32, scale: number): I32 =>
  i32.add(i32.const(at.offset * scale), offsetAt(at.batch, batch, scale));

/** Words at the start of the scratch memory: the batch and the k that the table of k was filled for. */
const tagBytes = 16;
const unknown = -1;

function tablePacker(module: ModuleBuilder, view: OperandView, panel: Panel, most: TableLengths): Packer {
  const { width, bytes } = panel;
  const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;
  // Tables are read in whole vectors and by whole panels.
  const lengths = { x: roundUp(roundUp(most.x, width), 4) + tableSlack, k: roundUp(most.k, 4) + tableSlack };
  const columns = 1 + view.conditions.length;
  const xAt = tagBytes;
  const kAt = xAt + 4 * columns * lengths.x;
  const masksAt = kAt + 4 * columns * lengths.k;
  const pack = module.function({ name: "pack by tables", parameters: packerShape }, (f, p) => {
    const area = (at: number): I32 => i32.add(p.scratch, i32.const(at));
    const safe = f.let(i32.load(p.args, 4 * view.arg));
    const base = f.let(i32.add(safe, moved(view.at, p.batch, bytes)));
    const wholePanels = i32.mul(i32.div_u(i32.add(p.count, i32.const(width - 1)), i32.const(width)), i32.const(width));
    fillTables(
      f,
      area(xAt),
      lengths.x,
      [{ linear: view.at.x, scale: bytes }, ...view.conditions.map(({ x }) => ({ linear: x, scale: 1 }))],
      p.x,
      p.count,
      f.let(wholePanels),
    );
    // Blocks that differ in x alone share the table of k.
    const known = i32.and(i32.eq(i32.load(p.scratch), p.batch), i32.eq(i32.load(p.scratch, 4), p.k));
    f.if(i32.eqz(known), () => {
      f.do(i32.store(p.scratch, p.batch), i32.store(p.scratch, p.k, 4));
      fillTables(
        f,
        area(kAt),
        lengths.k,
        [
          { linear: view.at.k, scale: bytes },
          ...view.conditions.map((condition) => ({ linear: condition.k, scale: 1, add: moved(condition, p.batch, 1) })),
        ],
        p.k,
        p.depth,
        p.depth,
      );
    });
    const gather = gatherPanels(module, panel, view, lengths);
    f.do(call(gather, p.to, base, p.count, p.depth, p.padded, area(xAt), area(kAt), area(masksAt), safe));
  });
  return {
    scratchBytes: masksAt + maskBytes(view, panel, lengths),
    pack,
    reset: (scratch) => i32.store(scratch, i32.const(unknown)),
  };
}
