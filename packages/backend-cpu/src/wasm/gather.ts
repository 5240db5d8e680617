/**
 * Panels gathered by tables: any view that is affine and padded, windows above all. Owns the walk over a block: what
 * the conditions of a line let through is found once for all lines where it is the same, as for all channels of a
 * convolution, and four neighbors are moved at a time, along x or along k. Refuses to fill the tables.
 *
 * Where a condition fails nothing is used of the view (though up to 28 bytes beside a valid element may be read, or
 * `safe`) and the element is its fill.
 */
import { range } from "./counting.ts";
import { i32, i32x4, i64, select, v128 } from "./encoder.ts";
import type { Expression, Local } from "./encoder.ts";
import type { FunctionBuilder, ModuleBuilder, ParameterLocals, Procedure } from "./module.ts";
import { copyElement, copyLine, copyMasked, padDepth, storeTransposed } from "./panel.ts";
import type { Panel } from "./panel.ts";
import { sizeOf, startOf } from "./views.ts";
import type { Linear, OperandView } from "./views.ts";

type I32 = Expression<"i32">;
type V128 = Expression<"v128">;

/** Words of a table: offsets in bytes come first, then the values of each condition, one table each. */
export interface TableLengths {
  readonly x: number;
  readonly k: number;
}

const least = (a: I32, b: I32): I32 => select(i32.lt_s(a, b), a, b);
const both = (a: V128, b: V128): V128 => v128.and(a, b);

/** Bits of `fill` as an element of the view. */
function fillBits({ dtype, fill }: OperandView): { readonly word: I32; readonly long: Expression<"i64"> } {
  const data = new DataView(new ArrayBuffer(8));
  if (dtype === "float64") data.setFloat64(0, fill, true);
  else if (dtype === "float32") data.setFloat32(0, fill, true);
  else data.setInt32(0, fill, true);
  return { word: i32.const(data.getInt32(0, true)), long: i64.const(data.getBigInt64(0, true)) };
}

/** Neighbors in memory that the innermost axis holds. */
const runOf = ({ sizes, strides }: Linear): number => (strides.at(-1) === 1 ? sizes.at(-1)! : 1);

/** After how many indices the conditions repeat: what moves nothing outside does not count. */
function periodOf(view: OperandView, side: "x" | "k"): number {
  const periods = view.conditions.map(({ [side]: { sizes, strides } }) =>
    sizeOf(strides[0] === 0 ? sizes.slice(1) : sizes),
  );
  return Math.max(1, ...periods);
}

/** Vectors are masked to zero, so that is what the fill has to be. */
const maskable = (view: OperandView, { bytes }: Panel): boolean =>
  bytes === 4 && (view.conditions.length === 0 || Object.is(view.fill, 0));

/** The largest value of a function that never falls, counted from index 0. */
const reachOf = ({ sizes, strides }: Linear): number =>
  sizes.reduce((sum, size, axis) => sum + (size - 1) * strides[axis]!, 0);

/** Whether some x meets its conditions for all k. */
const mayBeInside = ({ conditions }: OperandView): boolean =>
  conditions.length > 0 &&
  conditions.every(({ k, below }) => k.strides.every((stride) => stride >= 0) && reachOf(k) < below);

/** More kinds of lines than this are not worth a table of masks. */
const periodLimit = 128;

/** What is known of four neighbors along k for one kind of line: a mask, and whether any of it is set. */
const recordBytes = 20;

const alongK = (view: OperandView, panel: Panel): boolean =>
  maskable(view, panel) && runOf(view.at.k) > runOf(view.at.x) && periodOf(view, "x") <= periodLimit;

/** A table of masks, one row for each kind of x. */
export interface MaskTable {
  readonly kinds: number;
  /** Indices of k that a row knows. */
  readonly span: number;
  /** Whether the rows repeat along k, so that one table does for all blocks. */
  readonly periodic: boolean;
}

/** A table of masks that stays near. */
const largestMasks = 1 << 17;

const rowBytes = ({ span }: MaskTable): number => recordBytes * Math.ceil(span / 4);
export const maskBytes = (masks: MaskTable): number => masks.kinds * rowBytes(masks);

/** The table of masks that packing blocks of `depth` needs, if any. */
export function maskTableOf(view: OperandView, panel: Panel, depth: number): MaskTable | undefined {
  if (view.conditions.length === 0 || !alongK(view, panel)) return undefined;
  const period = periodOf(view, "k");
  const kinds = periodOf(view, "x");
  const whole = { kinds, span: period, periodic: true };
  const repeats = period % 4 === 0 && depth % 4 === 0 && maskBytes(whole) <= largestMasks;
  return repeats ? whole : { kinds, span: depth, periodic: false };
}

const maskShape = { count: "i32", depth: "i32", xTable: "i32", kTable: "i32", maskTable: "i32" } as const;

/** `fill(count, depth, xTable, kTable, maskTable)`: the masks of every kind of x, for four k at a time. */
export function maskFiller(
  module: ModuleBuilder,
  view: OperandView,
  lengths: TableLengths,
  masks: MaskTable,
): Procedure {
  return module.function({ name: "find masks", parameters: maskShape }, (f, p) => {
    const [kind, kinds, end, entry, record] = [
      f.local("i32"),
      f.let(least(i32.const(masks.kinds), p.count)),
      f.let(i32.add(p.kTable, i32.shl(i32.and(p.depth, i32.const(-4)), i32.const(2)))),
      f.local("i32"),
      f.local("i32"),
    ];
    const checks = view.conditions.map(() => f.local("v128"));
    const mask = f.local("v128");
    f.count(kind, kinds, 1, () => {
      checks.forEach((check, c) => f.set(check, v128.load32_splat(p.xTable, 4 * lengths.x * (c + 1))));
      f.set(record, p.maskTable);
      f.set(entry, p.kTable);
      f.count(entry, end, 16, () => {
        const fits = checks.map((check, c) => fitting(f, view, c, check, v128.load(entry, 4 * lengths.k * (c + 1))));
        f.set(mask, fits.reduce(both));
        f.do(v128.store(record, mask), i32.store(record, v128.any_true(mask), 16));
        f.increase(record, recordBytes);
      });
      f.increase(p.maskTable, rowBytes(masks));
      f.increase(p.xTable, 4);
    });
  });
}

/** Where condition `c` holds, given the parts of x and k. */
const fitting = (f: FunctionBuilder, view: OperandView, c: number, x: V128, k: V128): V128 =>
  i32x4.lt_u(i32x4.add(x, k), f.constant(i32x4.const(view.conditions[c]!.below)));

const shape = {
  to: "i32",
  from: "i32",
  batch: "i32",
  count: "i32",
  k: "i32",
  depth: "i32",
  padded: "i32",
  xTable: "i32",
  kTable: "i32",
  maskTable: "i32",
  safe: "i32",
} as const;

/** `gather(to, from, batch, count, k, depth, padded, xTable, kTable, maskTable, safe)`: packs a block of the view. */
export function gatherPanels(
  module: ModuleBuilder,
  panel: Panel,
  view: OperandView,
  lengths: TableLengths,
  masks: MaskTable | undefined,
): Procedure {
  const name = `pack ${panel.width}x${panel.bytes} by tables`;
  return module.function({ name, parameters: shape }, (f, p) => {
    const gather = new Gather(f, p, panel, view, lengths);
    if (alongK(view, panel)) gather.alongK(masks);
    else gather.alongX();
  });
}

class Gather {
  readonly #f: FunctionBuilder;
  readonly #p: ParameterLocals<typeof shape>;
  readonly #panel: Panel;
  readonly #view: OperandView;
  readonly #lengths: TableLengths;
  /** Where each x of the panel starts. */
  readonly #pointers: readonly Local<"i32">[];
  readonly #masks: readonly Local<"v128">[];
  /** Bit by bit, which elements of a line are there. */
  readonly #valid: Local<"i32">;
  readonly #fill: ReturnType<typeof fillBits>;

  constructor(
    f: FunctionBuilder,
    p: ParameterLocals<typeof shape>,
    panel: Panel,
    view: OperandView,
    lengths: TableLengths,
  ) {
    this.#f = f;
    this.#p = p;
    this.#panel = panel;
    this.#view = view;
    this.#lengths = lengths;
    this.#pointers = f.locals("i32", panel.width);
    this.#masks = f.locals("v128", Math.ceil(panel.width / 4));
    this.#valid = f.local("i32");
    this.#fill = fillBits(view);
  }

  get #conditional(): boolean {
    return this.#view.conditions.length > 0;
  }

  /** Lines along x: all at once where every condition holds in the whole panel, else all of one kind after each other. */
  alongX(): void {
    const [f, p, { width, bytes }] = [this.#f, this.#p, this.#panel];
    const period = periodOf(this.#view, "k");
    const [x, entry, line, contiguous] = [f.local("i32"), f.local("i32"), f.local("i32"), f.local("i32")];
    const end = f.let(i32.add(p.kTable, i32.shl(p.depth, i32.const(2))));
    const kinds = f.let(least(i32.add(p.kTable, i32.const(4 * period)), end));
    const kind = f.local("i32");
    const at = f.local("i32");
    const checks = this.#view.conditions.map(() => f.locals("v128", this.#masks.length));
    const starts = mayBeInside(this.#view)
      ? this.#view.conditions.map((condition) => f.let(i32x4.splat(startOf(condition, p.batch, 1))))
      : [];
    const eachLine = (body: () => void, step: number): void => {
      f.set(entry, kind);
      f.set(at, line);
      f.loop((again) => {
        body();
        f.increase(at, step * width * bytes);
        f.increase(entry, 4 * step);
        f.branchIf(again, i32.lt_s(entry, end));
      });
    };
    const scattered = (): void => eachLine(() => this.#scatter(at, i32.load(entry)), period);
    const copied = (step: number): void =>
      eachLine(() => copyLine(f, at, i32.add(this.#pointers[0]!, i32.load(entry)), width * bytes), step);
    f.count(x, p.count, width, () => {
      this.#open();
      checks.forEach((vectors, c) => vectors.forEach((vector, q) => f.set(vector, this.#check(c, q))));
      f.set(
        contiguous,
        this.#pointers
          .slice(1)
          .map((pointer, w) => i32.eq(i32.sub(pointer, this.#pointers[0]!), i32.const((w + 1) * bytes)))
          .reduce<I32>((all, one) => i32.and(all, one), i32.const(1)),
      );
      f.set(kind, p.kTable);
      f.set(line, p.to);
      if (mayBeInside(this.#view)) {
        f.if(i32.and(contiguous, this.#isInside(checks, starts)), () => {
          copied(1);
          f.set(kind, kinds);
        });
      }
      f.count(kind, kinds, 4, () => {
        if (!this.#conditional) {
          f.if(contiguous, () => copied(period), scattered);
        } else {
          this.#test(kind, (c, q) => checks[c]![q]!);
          const masked = (): void => {
            const start = f.let(select(this.#valid, this.#pointers[0]!, p.safe));
            const keep = f.let(select(this.#valid, i32.const(-1), i32.const(0)));
            const from = i32.add(start, i32.and(i32.load(entry), keep));
            eachLine(() => copyMasked(f, at, from, this.#masks, width), period);
          };
          const all = i32.eq(this.#valid, i32.const(2 ** width - 1));
          if (maskable(this.#view, this.#panel)) f.if(contiguous, masked, scattered);
          else f.if(i32.and(contiguous, all), () => copied(period), scattered);
        }
        f.increase(line, width * bytes);
      });
      this.#close();
    });
  }

  /** Four lines at a time where memory holds neighbors along k. */
  alongK(masks: MaskTable | undefined): void {
    const [f, p, { width, bytes }] = [this.#f, this.#p, this.#panel];
    const vectorEnd = f.let(i32.and(p.depth, i32.const(-4)));
    const [x, k, entry, last, shift, turn] = [
      f.local("i32"),
      f.local("i32"),
      f.local("i32"),
      f.local("i32"),
      f.local("i32"),
      f.local("i32"),
    ];
    const records = masks ? f.locals("i32", width) : [];
    const firstTurn = masks?.periodic
      ? f.let(i32.mul(i32.shr_u(i32.rem_u(p.k, i32.const(masks.span)), i32.const(2)), i32.const(recordBytes)))
      : i32.const(0);
    const rows = f.locals("v128", width);
    const spare = f.locals("v128", 4);
    const eachLine = (): void =>
      f.count(entry, last, 4, () => {
        if (this.#conditional) this.#test(entry, (c, q) => this.#check(c, q));
        this.#scatter(p.to, i32.load(entry));
        f.increase(p.to, width * bytes);
      });
    f.count(x, p.count, width, () => {
      this.#open();
      f.set(last, i32.sub(p.count, i32.const(1)));
      records.forEach((record, w) => {
        const kind = i32.rem_u(least(i32.add(x, i32.const(w)), last), i32.const(masks!.kinds));
        f.set(record, i32.add(p.maskTable, i32.mul(kind, i32.const(rowBytes(masks!)))));
      });
      f.set(entry, p.kTable);
      f.set(turn, firstTurn);
      f.set(k, i32.const(0));
      f.count(k, vectorEnd, 4, () => {
        f.set(shift, i32.load(entry));
        f.if(
          i32.eq(i32.sub(i32.load(entry, 12), shift), i32.const(12)),
          () => {
            rows.forEach((row, w) => {
              const at = i32.add(this.#pointers[w]!, shift);
              if (!masks) return f.set(row, v128.load(at));
              const record = i32.add(records[w]!, turn);
              f.set(row, v128.and(v128.load(select(i32.load(record, 16), at, p.safe)), v128.load(record)));
            });
            storeTransposed(f, p.to, rows, spare, this.#panel);
            f.increase(p.to, 4 * width * bytes);
            f.increase(entry, 16);
          },
          () => {
            f.set(last, i32.add(entry, i32.const(16)));
            eachLine();
          },
        );
        if (masks) f.increase(turn, recordBytes);
        if (masks?.periodic) f.if(i32.eq(turn, i32.const(rowBytes(masks))), () => f.set(turn, i32.const(0)));
      });
      f.set(last, i32.add(p.kTable, i32.shl(p.depth, i32.const(2))));
      eachLine();
      f.increase(p.to, i32.mul(p.depth, i32.const(-width * bytes)));
      this.#close();
    });
  }

  /** Whether every condition holds for all x of the panel and all k. */
  #isInside(checks: readonly (readonly Local<"v128">[])[], starts: readonly V128[]): I32 {
    const { width } = this.#panel;
    const inside = this.#view.conditions.map((condition, c) => {
      const below = this.#f.constant(i32x4.const(condition.below - reachOf(condition.k)));
      return checks[c]!.map((x) => i32x4.lt_u(i32x4.add(x, starts[c]!), below));
    });
    const bits = range(Math.ceil(width / 4)).map((q) =>
      i32.shl(i32x4.bitmask(inside.map((fits) => fits[q]!).reduce(both)), i32.const(4 * q)),
    );
    const all = i32.const(2 ** width - 1);
    return i32.eq(i32.and(bits.reduce((some, more) => i32.or(some, more)), all), all);
  }

  #open(): void {
    const { from, xTable } = this.#p;
    this.#pointers.forEach((pointer, w) => this.#f.set(pointer, i32.add(from, i32.load(xTable, 4 * w))));
  }

  /** Moves on to the next panel. */
  #close(): void {
    const [f, { to, depth, padded, xTable }, { width, bytes }] = [this.#f, this.#p, this.#panel];
    f.increase(to, i32.mul(depth, i32.const(width * bytes)));
    padDepth(f, to, depth, padded, this.#panel);
    f.increase(xTable, 4 * width);
  }

  /** The part of condition `c` that four neighbors along x, the `q`-th of the panel, contribute. */
  #check(c: number, q: number): V128 {
    return v128.load(this.#p.xTable, 4 * this.#lengths.x * (c + 1) + 16 * q);
  }

  /** Which elements of the line of `entry` are there. */
  #test(entry: I32, check: (c: number, q: number) => V128): void {
    const { width } = this.#panel;
    this.#masks.forEach((mask, q) => {
      const fits = this.#view.conditions.map((_, c) =>
        fitting(this.#f, this.#view, c, check(c, q), v128.load32_splat(entry, 4 * this.#lengths.k * (c + 1))),
      );
      this.#f.set(mask, fits.reduce(both));
    });
    const bits = this.#masks.map((mask, q) => i32.shl(i32x4.bitmask(mask), i32.const(4 * q)));
    this.#f.set(this.#valid, i32.and(bits.reduce((some, more) => i32.or(some, more)), i32.const(2 ** width - 1)));
  }

  /** A line, element by element. */
  #scatter(to: I32, from: I32): void {
    const [f, { bytes, width }] = [this.#f, this.#panel];
    const shift = f.let(from);
    for (const w of range(width)) {
      const at = i32.add(this.#pointers[w]!, shift);
      if (!this.#conditional) {
        f.do(copyElement(bytes, to, at, w * bytes));
        continue;
      }
      const there = i32.and(this.#valid, i32.const(1 << w));
      const address = select(there, at, this.#p.safe);
      f.do(
        bytes === 4
          ? i32.store(to, select(there, i32.load(address), this.#fill.word), w * bytes)
          : i64.store(to, select(there, i64.load(address), this.#fill.long), w * bytes),
      );
    }
  }
}
