/**
 * Panels of a product's packed operands: `width` neighbors along x for each k (see tile.ts), written line by line or
 * four lines at a time. Owns panels and the two ways to fill them from evenly spaced memory, x contiguous and k
 * contiguous (a transpose in registers); anything else is gathered (gather.ts).
 *
 * The last panel of a block may be partly padding: it repeats the last valid x, or holds what was there. Depth is
 * padded with zeros, on both operands, so padding never meets a value.
 */
import { range } from "./counting.ts";
import { i32, i32x4, i64, i64x2, memory, select, v128 } from "./encoder.ts";
import type { Expression, Local } from "./encoder.ts";
import type { FunctionBuilder, Procedure, ModuleBuilder } from "./module.ts";

type I32 = Expression<"i32">;

/** Elements of one size, moved as bits. */
export interface Panel {
  readonly width: number;
  readonly bytes: 4 | 8;
}

const least = (a: I32, b: I32): I32 => select(i32.lt_s(a, b), a, b);

/** Copies a whole line of a panel from contiguous memory. */
export function copyLine(f: FunctionBuilder, to: I32, from: I32, total: number): void {
  let at = 0;
  for (; at + 16 <= total; at += 16) f.do(v128.store(to, v128.load(from, at), at));
  for (; at + 8 <= total; at += 8) f.do(i64.store(to, i64.load(from, at), at));
  if (at < total) f.do(i32.store(to, i32.load(from, at), at));
}

/** Copies a line of words, zero where the masks are. */
export function copyMasked(
  f: FunctionBuilder,
  to: I32,
  from: I32,
  masks: readonly Expression<"v128">[],
  width: number,
): void {
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

export const copyElement = (bytes: 4 | 8, to: I32, from: I32, offset = 0): Expression<"void"> =>
  bytes === 4 ? i32.store(to, i32.load(from), offset) : i64.store(to, i64.load(from), offset);

/** Zeros the lines `depth..padded` of a panel at `to` and moves `to` past them. */
export function padDepth(f: FunctionBuilder, to: Local<"i32">, depth: I32, padded: I32, { width, bytes }: Panel): void {
  const rest = f.let(i32.mul(i32.sub(padded, depth), i32.const(width * bytes)));
  f.if(rest, () => {
    f.do(memory.fill(to, i32.const(0), rest));
    f.increase(to, rest);
  });
}

const shape = { to: "i32", from: "i32", count: "i32", depth: "i32", padded: "i32", stride: "i32" } as const;

/**
 * Lines copied per turn, into two panels each, because a line of memory holds neighbors of both: 0.11 instead of
 * 0.20 ns for an element of 784 lines of 1 KiB.
 */
const linesPerTurn = 2;

function writeAlongX(module: ModuleBuilder, panel: Panel): Procedure {
  const { width, bytes } = panel;
  const line = width * bytes;
  return module.function(
    { name: `pack ${width}x${bytes} along x`, parameters: shape, key: `along x ${width}x${bytes}` },
    (f, { to, from, count, depth, padded, stride }) => {
      const [x, k, at, w, rest] = [f.local("i32"), f.local("i32"), f.local("i32"), f.local("i32"), f.local("i32")];
      const [turns, panelBytes] = [
        f.let(i32.and(depth, i32.const(-linesPerTurn))),
        f.let(i32.mul(padded, i32.const(line))),
      ];
      const second = f.local("i32");
      /** Copies the next line of two panels. */
      const copyPair = (): void => {
        copyLine(f, to, at, line);
        copyLine(f, second, i32.add(at, i32.const(line)), line);
      };
      const nextLine = (): void => {
        f.increase(to, line);
        f.increase(second, line);
        f.increase(at, stride);
      };
      const start = (): void => {
        f.set(at, from);
        f.set(k, i32.const(0));
        f.set(rest, i32.mul(i32.sub(count, x), i32.const(bytes)));
      };
      const twice = f.let(i32.sub(count, i32.const(2 * width - 1)));
      f.count(x, twice, 2 * width, () => {
        start();
        f.set(second, i32.add(to, panelBytes));
        f.count(k, turns, linesPerTurn, () => {
          for (let i = 0; i < linesPerTurn; i++) {
            copyPair();
            nextLine();
          }
        });
        f.count(k, depth, 1, () => {
          copyPair();
          nextLine();
        });
        padDepth(f, to, depth, padded, panel);
        padDepth(f, second, depth, padded, panel);
        f.set(to, second);
        f.increase(from, 2 * line);
      });
      f.count(x, count, width, () => {
        start();
        f.if(
          i32.ge_s(rest, i32.const(line)),
          () => {
            f.count(k, depth, 1, () => {
              copyLine(f, to, at, line);
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
        f.increase(from, line);
      });
    },
  );
}

/** Stores `rows`, vectors of neighbors along k, as lines of a panel, or part of them from x `first` on: a transpose. */
export function storeTransposed(
  f: FunctionBuilder,
  to: I32,
  rows: readonly Local<"v128">[],
  spare: readonly Local<"v128">[],
  { width, bytes }: Panel,
  first = 0,
): void {
  const lanes = 16 / bytes;
  let x = 0;
  const at = (k: number): number => (k * width + first + x) * bytes;
  if (bytes === 8) {
    for (; x + 2 <= rows.length; x += 2) {
      const [a, b] = [rows[x]!, rows[x + 1]!];
      f.do(v128.store(to, i64x2.shuffle(a, b, [0, 2]), at(0)), v128.store(to, i64x2.shuffle(a, b, [1, 3]), at(1)));
    }
    if (x < rows.length) f.do(...range(lanes).map((k) => v128.store64_lane(to, rows[x]!, k, at(k))));
    return;
  }
  for (; x + 4 <= rows.length; x += 4) {
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
  if (x + 2 <= rows.length) {
    const [a, b, low, high] = [rows[x]!, rows[x + 1]!, spare[0]!, spare[1]!];
    f.set(low, i32x4.shuffle(a, b, [0, 4, 1, 5]));
    f.set(high, i32x4.shuffle(a, b, [2, 6, 3, 7]));
    f.do(...range(4).map((k) => v128.store64_lane(to, k < 2 ? low : high, k % 2, at(k))));
    x += 2;
  }
  if (x < rows.length) f.do(...range(4).map((k) => v128.store32_lane(to, rows[x]!, k, at(k))));
}

/**
 * Rows of memory read together: more of them, thousands of bytes apart, would share the ways of one set of the cache.
 * Rows of 4 KiB take 0.14 instead of 0.24 ns for an element where 8 of them make a panel.
 */
const rowsTogether = 4;

function writeAlongK(module: ModuleBuilder, panel: Panel): Procedure {
  const { width, bytes } = panel;
  const lanes = 16 / bytes;
  return module.function(
    { name: `pack ${width}x${bytes} along k`, parameters: shape, key: `along k ${width}x${bytes}` },
    (f, { to, from, count, depth, padded, stride }) => {
      const [x, k, last, vectorEnd, line] = [
        f.local("i32"),
        f.local("i32"),
        f.local("i32"),
        f.local("i32"),
        f.local("i32"),
      ];
      const pointers = f.locals("i32", rowsTogether);
      const rows = f.locals("v128", rowsTogether);
      const spare = f.locals("v128", 4);
      f.set(vectorEnd, i32.and(depth, i32.const(-lanes)));
      f.count(x, count, width, () => {
        f.set(last, i32.sub(i32.sub(count, x), i32.const(1)));
        for (let first = 0; first < width; first += rowsTogether) {
          const some = pointers.slice(0, width - first);
          some.forEach((pointer, w) =>
            f.set(pointer, i32.add(from, i32.mul(stride, least(i32.const(first + w), last)))),
          );
          f.set(line, to);
          f.set(k, i32.const(0));
          f.count(k, vectorEnd, lanes, () => {
            some.forEach((pointer, w) => {
              f.set(rows[w]!, v128.load(pointer));
              f.increase(pointer, 16);
            });
            storeTransposed(f, line, rows.slice(0, some.length), spare, panel, first);
            f.increase(line, width * 16);
          });
          f.count(k, depth, 1, () => {
            some.forEach((pointer, w) => {
              f.do(copyElement(bytes, line, pointer, (first + w) * bytes));
              f.increase(pointer, bytes);
            });
            f.increase(line, width * bytes);
          });
        }
        f.set(to, line);
        padDepth(f, to, depth, padded, panel);
        f.increase(from, i32.mul(stride, i32.const(width)));
      });
    },
  );
}

/** `packAlongX(…)(to, from, count, depth, padded, stride)`: x is contiguous, k moves by `stride` bytes. */
export const packAlongX = (module: ModuleBuilder, panel: Panel): Procedure =>
  module.shared(`along x ${panel.width} ${panel.bytes}`, () => writeAlongX(module, panel));

/** `packAlongK(…)(to, from, count, depth, padded, stride)`: k is contiguous, x moves by `stride` bytes. */
export const packAlongK = (module: ModuleBuilder, panel: Panel): Procedure =>
  module.shared(`along k ${panel.width} ${panel.bytes}`, () => writeAlongK(module, panel));
