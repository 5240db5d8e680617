/**
 * Packing: operands of a product copied block by block into panels, which is where every layout becomes the same one. A
 * panel holds `width` neighbors along x for each k; see tile.ts. Three ways in: x contiguous in memory, k contiguous
 * (a transpose in registers), and anything else an affine padded view can say, by tables of offsets. Owns panels;
 * refuses to compute operands.
 *
 * The last panel of a block may be partly padding: it repeats the last valid x, or holds what was there. Depth is padded with
 * zeros, on both operands, so padding never meets a value.
 */
import { i32, i32x4, i64, i64x2, memory, select, v128 } from "./encoder.ts";
import type { Expression, Local } from "./encoder.ts";
import { call } from "./module.ts";
import type { FunctionBuilder, Procedure, ModuleBuilder } from "./module.ts";
import { offsetAt, uniformStride } from "./views.ts";
import type { Linear, OperandSplit, OperandView } from "./views.ts";

type I32 = Expression<"i32">;

/** Elements of one size, moved as bits. */
export interface Panel {
  readonly width: number;
  readonly bytes: 4 | 8;
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const least = (a: I32, b: I32): I32 => select(i32.lt_s(a, b), a, b);

/** Copies a whole line of a panel from contiguous memory. */
function copyLine(f: FunctionBuilder, to: I32, from: I32, total: number): void {
  let at = 0;
  for (; at + 16 <= total; at += 16) f.do(v128.store(to, v128.load(from, at), at));
  for (; at + 8 <= total; at += 8) f.do(i64.store(to, i64.load(from, at), at));
  if (at < total) f.do(i32.store(to, i32.load(from, at), at));
}

/** Copies a line of words, zero where the masks are. */
function copyMasked(f: FunctionBuilder, to: I32, from: I32, masks: readonly Expression<"v128">[], width: number): void {
  const start = f.let(from);
  masks.forEach((mask, q) => {
    const rest = width - 4 * q;
    const part = v128.and(v128.load(start, 16 * q), mask);
    if (rest >= 4) return f.do(v128.store(to, part, 16 * q));
    const held = f.let(part);
    if (rest >= 2) f.do(v128.store64_lane(to, held, 0, 16 * q));
    if (rest % 2 === 1) f.do(v128.store32_lane(to, held, rest - 1, 16 * q + 4 * (rest - 1)));
  });
}

const copyElement = (bytes: 4 | 8, to: I32, from: I32, offset = 0): Expression<"void"> =>
  bytes === 4 ? i32.store(to, i32.load(from), offset) : i64.store(to, i64.load(from), offset);

/** Zeros the lines `depth..padded` of a panel at `to` and moves `to` past them. */
function padDepth(f: FunctionBuilder, to: Local<"i32">, depth: I32, padded: I32, { width, bytes }: Panel): void {
  const rest = f.let(i32.mul(i32.sub(padded, depth), i32.const(width * bytes)));
  f.if(rest, () => {
    f.do(memory.fill(to, i32.const(0), rest));
    f.increase(to, rest);
  });
}

const shape = { to: "i32", from: "i32", count: "i32", depth: "i32", padded: "i32", stride: "i32" } as const;

function writeAlongX(module: ModuleBuilder, panel: Panel): Procedure {
  const { width, bytes } = panel;
  return module.function(
    { name: `pack ${width}x${bytes} along x`, parameters: shape, key: `along x ${width}x${bytes}` },
    (f, { to, from, count, depth, padded, stride }) => {
      const [x, k, at, w, rest] = [f.local("i32"), f.local("i32"), f.local("i32"), f.local("i32"), f.local("i32")];
      const nextLine = (): void => {
        f.increase(to, width * bytes);
        f.increase(at, stride);
      };
      f.count(x, count, width, () => {
        f.set(at, from);
        f.set(k, i32.const(0));
        f.set(rest, i32.mul(i32.sub(count, x), i32.const(bytes)));
        f.if(
          i32.ge_s(rest, i32.const(width * bytes)),
          () => {
            f.count(k, depth, 1, () => {
              copyLine(f, to, at, width * bytes);
              nextLine();
            });
          },
          () => {
            f.count(k, depth, 1, () => {
              f.set(w, i32.const(0));
              f.count(w, rest, bytes, () => f.do(copyElement(bytes, i32.add(to, w), i32.add(at, w))));
              nextLine();
            });
          },
        );
        padDepth(f, to, depth, padded, panel);
        f.increase(from, width * bytes);
      });
    },
  );
}

/** Stores `rows`, vectors of neighbors along k, as lines of a panel: a transpose. */
function storeTransposed(
  f: FunctionBuilder,
  to: I32,
  rows: readonly Local<"v128">[],
  spare: readonly Local<"v128">[],
  { width, bytes }: Panel,
): void {
  const lanes = 16 / bytes;
  let x = 0;
  const at = (k: number): number => (k * width + x) * bytes;
  if (bytes === 8) {
    for (; x + 2 <= width; x += 2) {
      const [a, b] = [rows[x]!, rows[x + 1]!];
      f.do(v128.store(to, i64x2.shuffle(a, b, [0, 2]), at(0)), v128.store(to, i64x2.shuffle(a, b, [1, 3]), at(1)));
    }
    if (x < width) f.do(...range(lanes).map((k) => v128.store64_lane(to, rows[x]!, k, at(k))));
    return;
  }
  for (; x + 4 <= width; x += 4) {
    const [a, b, c, d] = [rows[x]!, rows[x + 1]!, rows[x + 2]!, rows[x + 3]!];
    const [ab, AB, cd, CD] = [spare[0]!, spare[1]!, spare[2]!, spare[3]!];
    f.set(ab, i32x4.shuffle(a, b, [0, 4, 1, 5]));
    f.set(AB, i32x4.shuffle(a, b, [2, 6, 3, 7]));
    f.set(cd, i32x4.shuffle(c, d, [0, 4, 1, 5]));
    f.set(CD, i32x4.shuffle(c, d, [2, 6, 3, 7]));
    f.do(
      v128.store(to, i64x2.shuffle(ab, cd, [0, 2]), at(0)),
      v128.store(to, i64x2.shuffle(ab, cd, [1, 3]), at(1)),
      v128.store(to, i64x2.shuffle(AB, CD, [0, 2]), at(2)),
      v128.store(to, i64x2.shuffle(AB, CD, [1, 3]), at(3)),
    );
  }
  if (x + 2 <= width) {
    const [a, b, low, high] = [rows[x]!, rows[x + 1]!, spare[0]!, spare[1]!];
    f.set(low, i32x4.shuffle(a, b, [0, 4, 1, 5]));
    f.set(high, i32x4.shuffle(a, b, [2, 6, 3, 7]));
    f.do(...range(4).map((k) => v128.store64_lane(to, k < 2 ? low : high, k % 2, at(k))));
    x += 2;
  }
  if (x < width) f.do(...range(4).map((k) => v128.store32_lane(to, rows[x]!, k, at(k))));
}

function writeAlongK(module: ModuleBuilder, panel: Panel): Procedure {
  const { width, bytes } = panel;
  const lanes = 16 / bytes;
  return module.function(
    { name: `pack ${width}x${bytes} along k`, parameters: shape, key: `along k ${width}x${bytes}` },
    (f, { to, from, count, depth, padded, stride }) => {
      const [x, k, last, vectorEnd] = [f.local("i32"), f.local("i32"), f.local("i32"), f.local("i32")];
      const pointers = f.locals("i32", width);
      const rows = f.locals("v128", width);
      const spare = f.locals("v128", 4);
      f.set(vectorEnd, i32.and(depth, i32.const(-lanes)));
      f.count(x, count, width, () => {
        f.set(last, i32.sub(i32.sub(count, x), i32.const(1)));
        pointers.forEach((pointer, w) => f.set(pointer, i32.add(from, i32.mul(stride, least(i32.const(w), last)))));
        f.set(k, i32.const(0));
        f.count(k, vectorEnd, lanes, () => {
          rows.forEach((row, w) => {
            f.set(row, v128.load(pointers[w]!));
            f.increase(pointers[w]!, 16);
          });
          storeTransposed(f, to, rows, spare, panel);
          f.increase(to, width * 16);
        });
        f.count(k, depth, 1, () => {
          pointers.forEach((pointer, w) => {
            f.do(copyElement(bytes, to, pointer, w * bytes));
            f.increase(pointer, bytes);
          });
          f.increase(to, width * bytes);
        });
        padDepth(f, to, depth, padded, panel);
        f.increase(from, i32.mul(stride, i32.const(width)));
      });
    },
  );
}

/** Bits of `fill` as an element of the view. */
function fillBits({ dtype, fill }: OperandView): { readonly word: I32; readonly long: Expression<"i64"> } {
  const data = new DataView(new ArrayBuffer(8));
  if (dtype === "float64") data.setFloat64(0, fill, true);
  else if (dtype === "float32") data.setFloat32(0, fill, true);
  else data.setInt32(0, fill, true);
  return { word: i32.const(data.getInt32(0, true)), long: i64.const(data.getBigInt64(0, true)) };
}

/** Offsets in bytes, then the values of each condition, one table each of `length` words. */
interface Tables {
  readonly x: number;
  readonly k: number;
}

/** Fills the tables of one group of axes for the indices from `start`, `count` of them, then repeating the last up to `padded`. */
export function fillTables(
  f: FunctionBuilder,
  to: I32,
  length: number,
  columns: readonly { readonly linear: Linear; readonly scale: number; readonly add?: I32 }[],
  start: I32,
  count: I32,
  padded: I32,
): void {
  const [i, index, entry] = [f.local("i32"), f.local("i32"), f.local("i32")];
  const last = f.let(i32.sub(count, i32.const(1)));
  const sums = columns.map(({ add }) => add && f.let(add));
  f.set(i, i32.const(0));
  f.set(entry, to);
  f.count(i, padded, 1, () => {
    f.set(index, i32.add(start, least(i, last)));
    columns.forEach(({ linear, scale }, column) => {
      const value = offsetAt(linear, index, scale);
      const sum = sums[column];
      f.do(i32.store(entry, sum ? i32.add(sum, value) : value, 4 * length * column));
    });
    f.increase(entry, 4);
  });
}

const gatherShape = {
  to: "i32",
  from: "i32",
  count: "i32",
  depth: "i32",
  padded: "i32",
  xTable: "i32",
  kTable: "i32",
  safe: "i32",
} as const;

/** Neighbors in memory that the innermost axis holds. */
const runOf = ({ sizes, strides }: Linear): number => (strides.at(-1) === 1 ? sizes.at(-1)! : 1);

/**
 * Packs by tables; where a condition fails nothing is used of the view (though up to 28 bytes beside a valid element may
 * be read, or `safe`) and the element is its fill. Four bytes at a time lie along x or along k, whichever has neighbors.
 */
function byTables(
  module: ModuleBuilder,
  panel: Panel,
  view: OperandView,
  lengths: Tables,
  along: "x" | "k",
): Procedure {
  const { width, bytes } = panel;
  const quads = Math.ceil(width / 4);
  const all = 2 ** width - 1;
  const fill = fillBits(view);
  // Vectors are masked to zero, so that is what the fill has to be.
  const maskable = bytes === 4 && (view.conditions.length === 0 || Object.is(view.fill, 0));
  return module.function({ name: `pack ${width}x${bytes} by tables`, parameters: gatherShape }, (f, p) => {
    const { to, from, count, depth, padded, xTable, kTable, safe } = p;
    const [x, k, entry, valid, contiguous, shift] = [
      f.local("i32"),
      f.local("i32"),
      f.local("i32"),
      f.local("i32"),
      f.local("i32"),
      f.local("i32"),
    ];
    const pointers = f.locals("i32", width);
    const checks = view.conditions.map(() => f.locals("v128", quads));
    const masks = f.locals("v128", quads);
    const [last, vectorEnd] = [f.local("i32"), f.local("i32")];
    const [rows, spare] = along === "k" ? [f.locals("v128", width), f.locals("v128", 4)] : [[], []];
    const steps = view.conditions.map(() => f.local("v128"));
    const scattered = (w: number): void => {
      const at = i32.add(pointers[w]!, shift);
      if (view.conditions.length === 0) return f.do(copyElement(bytes, to, at, w * bytes));
      const ok = i32.and(valid, i32.const(1 << w));
      const address = select(ok, at, safe);
      f.do(
        bytes === 4
          ? i32.store(to, select(ok, i32.load(address), fill.word), w * bytes)
          : i64.store(to, select(ok, i64.load(address), fill.long), w * bytes),
      );
    };
    /** Packs the line of `entry`, and moves \`to\` on. */
    const line = (): void => {
      f.set(shift, i32.load(entry));
      const copy = (): void => copyLine(f, to, i32.add(pointers[0]!, shift), width * bytes);
      const gather = (): void => range(width).forEach(scattered);
      if (checks.length === 0) {
        f.if(contiguous, copy, gather);
      } else {
        masks.forEach((mask, q) => {
          const fits = checks.map((vectors, c) =>
            i32x4.lt_u(
              i32x4.add(vectors[q]!, v128.load32_splat(entry, 4 * lengths.k * (c + 1))),
              f.constant(i32x4.const(view.conditions[c]!.below)),
            ),
          );
          f.set(mask, fits.reduce((both, one) => v128.and(both, one)));
        });
        const bits = masks.map((mask, q) => i32.shl(i32x4.bitmask(mask), i32.const(4 * q)));
        f.set(valid, i32.and(bits.reduce((both, one) => i32.or(both, one)), i32.const(all)));
        if (maskable) f.if(contiguous, () => copyMasked(f, to, select(valid, i32.add(pointers[0]!, shift), safe), masks, width), gather);
        else f.if(i32.and(contiguous, i32.eq(valid, i32.const(all))), copy, gather);
      }
      f.increase(to, width * bytes);
    };
    f.count(x, count, width, () => {
      pointers.forEach((pointer, w) => f.set(pointer, i32.add(from, i32.load(xTable, 4 * w))));
      checks.forEach((vectors, c) =>
        vectors.forEach((vector, q) => f.set(vector, v128.load(xTable, 4 * lengths.x * (c + 1) + 16 * q))),
      );
      f.set(
        contiguous,
        pointers
          .slice(1)
          .map((pointer, w) => i32.eq(i32.sub(pointer, pointers[0]!), i32.const((w + 1) * bytes)))
          .reduce<I32>((both, one) => i32.and(both, one), i32.const(1)),
      );
      f.set(entry, kTable);
      f.set(k, i32.const(0));
      if (along === "k" && maskable) {
        f.set(vectorEnd, i32.and(depth, i32.const(-4)));
        f.count(k, vectorEnd, 4, () => {
          f.set(shift, i32.load(entry));
          f.if(
            i32.eq(i32.sub(i32.load(entry, 12), shift), i32.const(12)),
            () => {
              steps.forEach((step, c) => f.set(step, v128.load(entry, 4 * lengths.k * (c + 1))));
              rows.forEach((row, w) => {
                const at = i32.add(pointers[w]!, shift);
                if (checks.length === 0) return f.set(row, v128.load(at));
                const fits = steps.map((step, c) =>
                  i32x4.lt_u(
                    i32x4.add(v128.load32_splat(xTable, 4 * (lengths.x * (c + 1) + w)), step),
                    f.constant(i32x4.const(view.conditions[c]!.below)),
                  ),
                );
                f.set(row, fits.reduce((both, one) => v128.and(both, one)));
                f.set(row, v128.and(v128.load(select(v128.any_true(row), at, safe)), row));
              });
              storeTransposed(f, to, rows, spare, panel);
              f.increase(to, 4 * width * bytes);
              f.increase(entry, 16);
            },
            () => {
              f.set(last, i32.add(entry, i32.const(16)));
              f.count(entry, last, 4, line);
            },
          );
        });
      }
      f.set(last, i32.add(kTable, i32.shl(depth, i32.const(2))));
      f.count(entry, last, 4, line);
      padDepth(f, to, depth, padded, panel);
      f.increase(xTable, 4 * width);
    });
  });
}

/** `packAlongX(…)(to, from, count, depth, padded, stride)`: x is contiguous, k moves by `stride` bytes. */
export const packAlongX = (module: ModuleBuilder, panel: Panel): Procedure =>
  module.shared(`along x ${panel.width} ${panel.bytes}`, () => writeAlongX(module, panel));

/** `packAlongK(…)(to, from, count, depth, padded, stride)`: k is contiguous, x moves by `stride` bytes. */
export const packAlongK = (module: ModuleBuilder, panel: Panel): Procedure =>
  module.shared(`along k ${panel.width} ${panel.bytes}`, () => writeAlongK(module, panel));

/** Packs one block of an operand; every number counts elements and `scratch` has `scratchBytes`. */
export interface Packer {
  readonly scratchBytes: number;
  /** `pack(args, batch, to, x, count, k, depth, padded, scratch)` */
  readonly pack: Procedure;
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
export function viewPacker(module: ModuleBuilder, view: OperandView, width: number, most: Tables): Packer {
  const bytes = view.dtype === "float64" ? 8 : 4;
  const panel: Panel = { width, bytes };
  const [xStride, kStride] = [uniformStride(view.at.x), uniformStride(view.at.k)];
  const plain = view.conditions.length === 0 && xStride !== undefined && kStride !== undefined;
  const way = plain && xStride === 1 ? "along x" : plain && kStride === 1 ? "along k" : "by tables";
  const along = runOf(view.at.k) > runOf(view.at.x) ? "k" : "x";
  // Tables are read in whole vectors and by whole panels.
  const lengths = { x: (Math.ceil(most.x / width) + 1) * width + 4, k: most.k };
  const columns = 1 + view.conditions.length;
  const scratchBytes = way === "by tables" ? 4 * columns * (lengths.x + lengths.k) : 0;
  const moved = (at: OperandSplit, batch: I32, scale: number): I32 =>
    i32.add(i32.const(at.offset * scale), offsetAt(at.batch, batch, scale));

  const pack = module.function({ name: `pack ${way}`, parameters: packerShape }, (f, p) => {
    const safe = f.let(i32.load(p.args, 4 * view.arg));
    const base = f.let(i32.add(safe, moved(view.at, p.batch, bytes)));
    if (way !== "by tables") {
      const stride = (way === "along x" ? kStride! : xStride!) * bytes;
      const start = i32.add(base, i32.add(offsetAt(view.at.x, p.x, bytes), offsetAt(view.at.k, p.k, bytes)));
      const copy = (way === "along x" ? packAlongX : packAlongK)(module, panel);
      f.do(call(copy, p.to, start, p.count, p.depth, p.padded, i32.const(stride)));
      return;
    }
    const kTable = f.let(i32.add(p.scratch, i32.const(4 * columns * lengths.x)));
    const wholePanels = f.let(
      i32.mul(i32.div_u(i32.add(p.count, i32.const(width - 1)), i32.const(width)), i32.const(width)),
    );
    fillTables(
      f,
      p.scratch,
      lengths.x,
      [{ linear: view.at.x, scale: bytes }, ...view.conditions.map(({ x }) => ({ linear: x, scale: 1 }))],
      p.x,
      p.count,
      wholePanels,
    );
    fillTables(
      f,
      kTable,
      lengths.k,
      [
        { linear: view.at.k, scale: bytes },
        ...view.conditions.map((condition) => ({ linear: condition.k, scale: 1, add: moved(condition, p.batch, 1) })),
      ],
      p.k,
      p.depth,
      p.depth,
    );
    f.do(call(byTables(module, panel, view, lengths, along), p.to, base, p.count, p.depth, p.padded, p.scratch, kTable, safe));
  });
  return { scratchBytes, pack };
}
