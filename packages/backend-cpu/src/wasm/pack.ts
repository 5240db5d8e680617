/**
 * Packing: operands of a product copied block by block into panels, which is where every layout becomes the same one.
 * Owns the choice of the way in: x contiguous in memory, k contiguous, or anything else an affine padded view can say,
 * by tables of offsets. Refuses to compute operands.
 */
import { roundUp } from "./counting.ts";
import { i32, i32x4, v128 } from "./encoder.ts";
import type { Expression } from "./encoder.ts";
import { gatherPanels, maskBytes, maskFiller, maskTableOf } from "./gather.ts";
import type { TableLengths } from "./gather.ts";
import { call } from "./module.ts";
import type { ModuleBuilder, Procedure } from "./module.ts";
import { packAlongK, packAlongX } from "./panel.ts";
import type { Panel } from "./panel.ts";
import { fillTables, tableSlack } from "./tables.ts";
import { offsetAt, startOf, uniformStride } from "./views.ts";
import type { OperandView } from "./views.ts";

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
      const base = i32.add(i32.load(p.args, 4 * view.arg), startOf(view.at, p.batch, bytes));
      const start = i32.add(base, i32.add(offsetAt(view.at.x, p.x, bytes), offsetAt(view.at.k, p.k, bytes)));
      const stride = (xStride === 1 ? kStride : xStride) * bytes;
      const copy = (xStride === 1 ? packAlongX : packAlongK)(module, panel);
      f.do(call(copy, p.to, start, p.count, p.depth, p.padded, i32.const(stride)));
    });
    return { scratchBytes: 0, pack };
  }
  return tablePacker(module, view, panel, most);
}

/** Words at the start of the scratch memory: batch and k of the table of k, batch and x of the masks. */
const tags = { k: 0, masks: 8, bytes: 16 } as const;
const unknown = -1;

function tablePacker(module: ModuleBuilder, view: OperandView, panel: Panel, most: TableLengths): Packer {
  const { width, bytes } = panel;
  // Tables are read in whole vectors and by whole panels.
  const lengths = { x: roundUp(roundUp(most.x, width), 4) + tableSlack, k: roundUp(most.k, 4) + tableSlack };
  const masks = maskTableOf(view, panel, most.k);
  const columns = 1 + view.conditions.length;
  const xAt = tags.bytes;
  const kAt = xAt + 4 * columns * lengths.x;
  const masksAt = kAt + 4 * columns * lengths.k;
  // One period of k, from which periodic masks are made.
  const period = { ...lengths, k: masks?.periodic ? masks.span + tableSlack : 0 };
  const periodAt = masksAt + (masks ? maskBytes(masks) : 0);
  const pack = module.function({ name: "pack by tables", parameters: packerShape }, (f, p) => {
    const area = (at: number): I32 => i32.add(p.scratch, i32.const(at));
    /** Runs `body` unless it was last run for the same two numbers. */
    const unlessKnown = (tag: number, a: I32, b: I32, body: () => void): void => {
      const known = i32.and(i32.eq(i32.load(p.scratch, tag), a), i32.eq(i32.load(p.scratch, tag + 4), b));
      f.if(i32.eqz(known), () => {
        f.do(i32.store(p.scratch, a, tag), i32.store(p.scratch, b, tag + 4));
        body();
      });
    };
    const fillDepth = (at: number, length: number, from: I32, count: I32): void =>
      fillTables(
        f,
        area(at),
        length,
        [
          { linear: view.at.k, scale: bytes },
          ...view.conditions.map((each) => ({ linear: each.k, scale: 1, add: startOf(each, p.batch, 1) })),
        ],
        from,
        count,
        count,
      );
    const safe = f.let(i32.load(p.args, 4 * view.arg));
    const base = f.let(i32.add(safe, startOf(view.at, p.batch, bytes)));
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
    // Blocks that differ in x alone share the table of k, blocks that differ in k alone share periodic masks.
    unlessKnown(tags.k, p.batch, p.k, () => fillDepth(kAt, lengths.k, p.k, p.depth));
    if (masks) {
      const known = masks.periodic ? period : lengths;
      const [from, depth] = masks.periodic ? [area(periodAt), i32.const(masks.span)] : [area(kAt), p.depth];
      const find = (): void =>
        f.do(call(maskFiller(module, view, known, masks), p.count, depth, area(xAt), from, area(masksAt)));
      if (!masks.periodic) find();
      else
        unlessKnown(tags.masks, p.batch, p.x, () => {
          fillDepth(periodAt, period.k, i32.const(0), i32.const(masks.span));
          find();
        });
    }
    const gather = gatherPanels(module, panel, view, lengths, masks);
    const tables = [area(xAt), area(kAt), area(masksAt)];
    f.do(call(gather, p.to, base, p.batch, p.count, p.k, p.depth, p.padded, ...tables, safe));
  });
  return {
    scratchBytes: periodAt + 4 * columns * period.k,
    pack,
    reset: (scratch) => v128.store(scratch, i32x4.const(unknown)),
  };
}
