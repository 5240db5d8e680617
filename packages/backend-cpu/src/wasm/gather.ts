/**
 * Panels gathered by tables: any view that is affine and padded, windows above all. Owns the walk over a block: what
 * the conditions of a line let through is found once for all lines where it is the same, as for all channels of a
 * convolution, and four neighbors are moved at a time, along x or along k. Refuses to fill the tables.
 *
 * Where a condition fails nothing is used of the view (though up to 28 bytes beside a valid element may be read, or
 * `safe`) and the element is its fill.
 */
import { i32, i32x4, i64, select, v128 } from "./encoder.ts";
import type { Expression, Local } from "./encoder.ts";
import type { FunctionBuilder, ModuleBuilder, ParameterLocals, Procedure } from "./module.ts";
import { copyElement, copyLine, copyMasked, padDepth, storeTransposed } from "./panel.ts";
import type { Panel } from "./panel.ts";
import { sizeOf } from "./views.ts";
import type { Linear, OperandView } from "./views.ts";

type I32 = Expression<"i32">;
type V128 = Expression<"v128">;

/** Words of a table: offsets in bytes come first, then the values of each condition, one table each. */
export interface TableLengths {
  readonly x: number;
  readonly k: number;
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
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

/** More kinds of lines than this are not worth a table of masks. */
const periodLimit = 128;

/** What is known of four neighbors along k for one kind of line: a mask, and whether any of it is set. */
const recordBytes = 20;

const alongK = (view: OperandView, panel: Panel): boolean =>
  maskable(view, panel) && runOf(view.at.k) > runOf(view.at.x) && periodOf(view, "x") <= periodLimit;

const rowBytes = (lengths: TableLengths): number => recordBytes * Math.ceil(lengths.k / 4);

/** Bytes of the table of masks. */
export const maskBytes = (view: OperandView, panel: Panel, lengths: TableLengths): number =>
  view.conditions.length > 0 && alongK(view, panel) ? periodOf(view, "x") * rowBytes(lengths) : 0;

const shape = {
  to: "i32",
  from: "i32",
  count: "i32",
  depth: "i32",
  padded: "i32",
  xTable: "i32",
  kTable: "i32",
  maskTable: "i32",
  safe: "i32",
} as const;

/** `gather(to, from, count, depth, padded, xTable, kTable, maskTable, safe)`: packs a block of the view. */
export function gatherPanels(module: ModuleBuilder, panel: Panel, view: OperandView, lengths: TableLengths): Procedure {
  const name = `pack ${panel.width}x${panel.bytes} by tables`;
  return module.function({ name, parameters: shape }, (f, p) => {
    const gather = new Gather(f, p, panel, view, lengths);
    if (alongK(view, panel)) gather.alongK();
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

  /** Lines along x, all lines of one kind after each other. */
  alongX(): void {
    const [f, p, { width, bytes }] = [this.#f, this.#p, this.#panel];
    const period = periodOf(this.#view, "k");
    const [x, entry, line, contiguous] = [f.local("i32"), f.local("i32"), f.local("i32"), f.local("i32")];
    const end = f.let(i32.add(p.kTable, i32.shl(p.depth, i32.const(2))));
    const kinds = f.let(least(i32.add(p.kTable, i32.const(4 * period)), end));
    const kind = f.local("i32");
    const at = f.local("i32");
    const checks = this.#view.conditions.map(() => f.locals("v128", this.#masks.length));
    const eachLine = (body: () => void): void => {
      f.set(entry, kind);
      f.set(at, line);
      f.loop((again) => {
        body();
        f.increase(at, period * width * bytes);
        f.increase(entry, 4 * period);
        f.branchIf(again, i32.lt_s(entry, end));
      });
    };
    const scattered = (): void => eachLine(() => this.#scatter(at, i32.load(entry)));
    const copied = (): void =>
      eachLine(() => copyLine(f, at, i32.add(this.#pointers[0]!, i32.load(entry)), width * bytes));
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
      f.count(kind, kinds, 4, () => {
        if (!this.#conditional) {
          f.if(contiguous, copied, scattered);
        } else {
          this.#test(kind, (c, q) => checks[c]![q]!);
          const masked = (): void => {
            const start = f.let(select(this.#valid, this.#pointers[0]!, p.safe));
            const keep = f.let(select(this.#valid, i32.const(-1), i32.const(0)));
            eachLine(() => copyMasked(f, at, i32.add(start, i32.and(i32.load(entry), keep)), this.#masks, width));
          };
          const all = i32.eq(this.#valid, i32.const(2 ** width - 1));
          if (maskable(this.#view, this.#panel)) f.if(contiguous, masked, scattered);
          else f.if(i32.and(contiguous, all), copied, scattered);
        }
        f.increase(line, width * bytes);
      });
      this.#close();
    });
  }

  /** Four lines at a time where memory holds neighbors along k. Masks are found once for each kind of x. */
  alongK(): void {
    const [f, p, { width, bytes }] = [this.#f, this.#p, this.#panel];
    const { conditions } = this.#view;
    const period = periodOf(this.#view, "x");
    const vectorEnd = f.let(i32.and(p.depth, i32.const(-4)));
    if (this.#conditional) this.#fillMasks(period, vectorEnd);
    const [x, k, entry, last, shift, turn] = [
      f.local("i32"),
      f.local("i32"),
      f.local("i32"),
      f.local("i32"),
      f.local("i32"),
      f.local("i32"),
    ];
    const records = conditions.length > 0 ? f.locals("i32", width) : [];
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
        const kind = i32.rem_u(least(i32.add(x, i32.const(w)), last), i32.const(period));
        f.set(record, i32.add(p.maskTable, i32.mul(kind, i32.const(rowBytes(this.#lengths)))));
      });
      f.set(entry, p.kTable);
      f.set(turn, i32.const(0));
      f.set(k, i32.const(0));
      f.count(k, vectorEnd, 4, () => {
        f.set(shift, i32.load(entry));
        f.if(
          i32.eq(i32.sub(i32.load(entry, 12), shift), i32.const(12)),
          () => {
            rows.forEach((row, w) => {
              const at = i32.add(this.#pointers[w]!, shift);
              if (!this.#conditional) return f.set(row, v128.load(at));
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
        f.increase(turn, recordBytes);
      });
      f.set(last, i32.add(p.kTable, i32.shl(p.depth, i32.const(2))));
      eachLine();
      f.increase(p.to, i32.mul(p.depth, i32.const(-width * bytes)));
      this.#close();
    });
  }

  /** The masks of every kind of x, for all of k. */
  #fillMasks(period: number, vectorEnd: I32): void {
    const [f, p, { conditions }] = [this.#f, this.#p, this.#view];
    const [kind, kinds, end, xEntry, entry, row, record] = [
      f.local("i32"),
      f.let(least(i32.const(period), p.count)),
      f.let(i32.add(p.kTable, i32.shl(vectorEnd, i32.const(2)))),
      f.let(p.xTable),
      f.local("i32"),
      f.let(p.maskTable),
      f.local("i32"),
    ];
    const checks = conditions.map(() => f.local("v128"));
    const mask = f.local("v128");
    f.count(kind, kinds, 1, () => {
      checks.forEach((check, c) => f.set(check, v128.load32_splat(xEntry, 4 * this.#lengths.x * (c + 1))));
      f.set(record, row);
      f.set(entry, p.kTable);
      f.count(entry, end, 16, () => {
        const fits = checks.map((check, c) => this.#fits(c, check, v128.load(entry, 4 * this.#lengths.k * (c + 1))));
        f.set(mask, fits.reduce(both));
        f.do(v128.store(record, mask), i32.store(record, v128.any_true(mask), 16));
        f.increase(record, recordBytes);
      });
      f.increase(row, rowBytes(this.#lengths));
      f.increase(xEntry, 4);
    });
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

  #fits(c: number, x: V128, k: V128): V128 {
    return i32x4.lt_u(i32x4.add(x, k), this.#f.constant(i32x4.const(this.#view.conditions[c]!.below)));
  }

  /** Which elements of the line of `entry` are there. */
  #test(entry: I32, check: (c: number, q: number) => V128): void {
    const { width } = this.#panel;
    this.#masks.forEach((mask, q) => {
      const fits = this.#view.conditions.map((_, c) =>
        this.#fits(c, check(c, q), v128.load32_splat(entry, 4 * this.#lengths.k * (c + 1))),
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
