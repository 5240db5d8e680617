/**
 * The innermost product: a register tile of rows × columns accumulators over packed panels, and the sweep of that tile
 * over one cache block. Owns the arithmetic per dtype and the measured tile of each engine; refuses packing, blocking
 * and everything that knows a kernel.
 *
 * A packed left panel holds, for every k, `rows` elements; a packed right panel `columns` elements. Both are padded with
 * zeros to a multiple of `unroll` along k. Padding rows and columns may hold anything: they only meet padding outputs.
 */
import { DTypeError } from "@dormouse/tensor";
import { isFloat } from "@dormouse/tensor/graph";
import type { DType } from "@dormouse/tensor";
import { range } from "./counting.ts";
import { f32, f32x4, f64, f64x2, i32, i32x4, select, v128 } from "./encoder.ts";
import type { Expression } from "./encoder.ts";
import { call } from "./module.ts";
import type { Procedure, ModuleBuilder } from "./module.ts";

type I32 = Expression<"i32">;
type V128 = Expression<"v128">;

/** What the running engine does with vector code. */
export interface Engine {
  /** Accepts `relaxed_madd`. */
  readonly fusedMultiplyAdd: boolean;
  /** V8 before 12 moves the loads of a block above its arithmetic, so that an unrolled tile spills. */
  readonly hoistsLoads: boolean;
  /** Fuses pairs of neighboring vectors. */
  readonly wide: boolean;
}

/** Shape of the register tile. */
export interface Tile {
  readonly rows: number;
  /** In vectors of 16 bytes. */
  readonly vectors: number;
  /** Steps of k per turn of the loop. */
  readonly unroll: number;
}

/** The engine this code runs in. */
export function runningEngine({ fma, wide }: { readonly fma: boolean; readonly wide: boolean }): Engine {
  const { process } = globalThis as { process?: { versions?: { v8?: string } } };
  const v8 = process?.versions?.v8;
  return { fusedMultiplyAdd: fma, hoistsLoads: v8 !== undefined && Number.parseInt(v8, 10) < 12, wide };
}

/** Elements of a dtype in vectors: the operations a product needs. */
export interface Arithmetic {
  readonly dtype: DType;
  readonly bytes: 4 | 8;
  /** Elements per vector. */
  readonly lanes: 4 | 2;
  readonly splat: (address: I32, offset: number) => V128;
  /** Whether `multiplyAdd` is one operation. */
  readonly fused: boolean;
  /** a·b + c */
  readonly multiplyAdd: (a: V128, b: V128, c: V128) => V128;
  readonly add: (a: V128, b: V128) => V128;
  /** Moves one element. */
  readonly copyOne: (to: I32, from: I32) => Expression<"void">;
  /** Adds one element to another in memory. */
  readonly addOne: (to: I32, from: I32) => Expression<"void">;
}

/** The arithmetic of a product in `dtype`; integers wrap. */
export function arithmeticOf(dtype: DType, engine: Engine): Arithmetic {
  const fused = engine.fusedMultiplyAdd && isFloat(dtype);
  switch (dtype) {
    case "float32":
      return {
        dtype,
        bytes: 4,
        lanes: 4,
        fused,
        add: f32x4.add,
        splat: (address, offset) => v128.load32_splat(address, offset),
        multiplyAdd: fused ? f32x4.relaxed_madd : (a, b, c) => f32x4.add(f32x4.mul(a, b), c),
        copyOne: (to, from) => f32.store(to, f32.load(from)),
        addOne: (to, from) => f32.store(to, f32.add(f32.load(to), f32.load(from))),
      };
    case "float64":
      return {
        dtype,
        bytes: 8,
        lanes: 2,
        fused,
        add: f64x2.add,
        splat: (address, offset) => v128.load64_splat(address, offset),
        multiplyAdd: fused ? f64x2.relaxed_madd : (a, b, c) => f64x2.add(f64x2.mul(a, b), c),
        copyOne: (to, from) => f64.store(to, f64.load(from)),
        addOne: (to, from) => f64.store(to, f64.add(f64.load(to), f64.load(from))),
      };
    case "int32":
    case "uint32":
      return {
        dtype,
        bytes: 4,
        lanes: 4,
        fused,
        add: i32x4.add,
        splat: (address, offset) => v128.load32_splat(address, offset),
        multiplyAdd: (a, b, c) => i32x4.add(i32x4.mul(a, b), c),
        copyOne: (to, from) => i32.store(to, i32.load(from)),
        addOne: (to, from) => i32.store(to, i32.add(i32.load(to), i32.load(from))),
      };
    default:
      throw new DTypeError("contract", `products of ${dtype} are not defined`, {
        received: dtype,
        hint: "cast to int32 or a float type",
      });
  }
}

/**
 * The fastest tile of an engine, by measurement. float32 at 1024 cubed on one thread of an AMD EPYC, in GFLOP/s: Node 24
 * 6×8 unrolled 8 times 55 (its 15 live vectors are all that V8 has registers for); Node 20 with relaxed multiply-add 3×12
 * 50, without it 4×8 40, which unrolling 2 and 4 times lowers to 29 and 26. float64 reaches half of it. In wide mode a
 * pair of vectors is one register, so that the same 15 hold 6×16.
 */
export function tileOf(dtype: DType, engine: Engine): Tile {
  const fused = engine.fusedMultiplyAdd && (dtype === "float32" || dtype === "float64");
  if (fused && engine.wide) return { rows: 6, vectors: 4, unroll: 8 };
  if (!fused) return { rows: 4, vectors: 2, unroll: engine.hoistsLoads ? 1 : 4 };
  return engine.hoistsLoads ? { rows: 3, vectors: 3, unroll: 1 } : { rows: 6, vectors: 2, unroll: 8 };
}

/** Depths below this are not padded by more than they need to be. */
const longDepth = 128;

/** The tile with the turn of its loop fitted to a short depth: 9 steps are one turn of 9, not two of 8. */
export function fittedTile(tile: Tile, depth: number): Tile {
  if (tile.unroll === 1 || depth >= longDepth) return tile;
  const turns = Array.from({ length: 9 }, (_, i) => i + Math.min(4, Math.max(1, depth)));
  const padded = (unroll: number): number => Math.ceil(depth / unroll) * unroll;
  const better = (a: number, b: number): number =>
    padded(a) - padded(b) || Math.abs(a - tile.unroll) - Math.abs(b - tile.unroll);
  return { ...tile, unroll: turns.toSorted(better)[0]! };
}

/**
 * `tile(count, depth, left, right, result, rowBytes, accumulate)`: `count` register tiles below each other, stored to or
 * added to `result`. One call for all of them: a call for each takes a tenth of the time of a product of depth 32.
 */
function tileFunction(module: ModuleBuilder, arithmetic: Arithmetic, { rows, vectors, unroll }: Tile): Procedure {
  const { bytes, splat, multiplyAdd, add } = arithmetic;
  const parameters = {
    count: "i32",
    depth: "i32",
    left: "i32",
    right: "i32",
    result: "i32",
    rowBytes: "i32",
    accumulate: "i32",
  } as const;
  const name = `tile ${arithmetic.dtype} ${rows}x${vectors}`;
  return module.function({ name, parameters, key: `${name}x${unroll} ${arithmetic.fused}` }, (f, p) => {
    const a = f.local("v128");
    const b = f.locals("v128", vectors);
    const sums = range(rows).map(() => f.locals("v128", vectors));
    const [k, right] = [f.local("i32"), f.local("i32")];
    f.loop((nextTile) => {
      // A constant of its own for each: a local that holds zero would take a register.
      for (const sum of sums.flat()) f.set(sum, i32x4.const(0));
      f.set(k, p.depth);
      f.set(right, p.right);
      f.loop((again) => {
        for (const step of range(unroll)) {
          b.forEach((vector, j) => f.set(vector, v128.load(right, 16 * (step * vectors + j))));
          sums.forEach((row, i) => {
            f.set(a, splat(p.left, bytes * (step * rows + i)));
            row.forEach((sum, j) => f.set(sum, multiplyAdd(a, b[j]!, sum)));
          });
        }
        f.increase(p.left, unroll * rows * bytes);
        f.increase(right, unroll * vectors * 16);
        f.increase(k, -unroll);
        f.branchIf(again, i32.gt_s(k, i32.const(0)));
      });
      // A row is added whole and then stored whole: the order that V8's revectorizer fuses into 256-bit operations.
      f.if(
        p.accumulate,
        () =>
          sums.forEach((row) => {
            row.forEach((sum, j) => f.set(b[j]!, add(v128.load(p.result, 16 * j), sum)));
            row.forEach((_, j) => f.do(v128.store(p.result, b[j]!, 16 * j)));
            f.increase(p.result, p.rowBytes);
          }),
        () =>
          sums.forEach((row) => {
            row.forEach((sum, j) => f.do(v128.store(p.result, sum, 16 * j)));
            f.increase(p.result, p.rowBytes);
          }),
      );
      f.increase(p.count, -1);
      f.branchIf(nextTile, i32.gt_s(p.count, i32.const(0)));
    });
  });
}

/** `corner(height, width, result, rowBytes, accumulate, spare)`: stores or adds the top left corner of a tile in `spare`. */
function cornerFunction(
  module: ModuleBuilder,
  { dtype, bytes, lanes, add, copyOne, addOne }: Arithmetic,
  tile: Tile,
): Procedure {
  const parameters = {
    height: "i32",
    width: "i32",
    result: "i32",
    rowBytes: "i32",
    accumulate: "i32",
    spare: "i32",
  } as const;
  return module.function(
    { name: `corner ${dtype}`, parameters, key: `corner ${dtype} ${tile.vectors}` },
    (f, { height, width, result, rowBytes, accumulate, spare }) => {
      const rowEnd = f.let(i32.mul(width, i32.const(bytes)));
      const vectorEnd = f.let(i32.and(rowEnd, i32.const(-lanes * bytes)));
      const [row, at] = [f.local("i32"), f.local("i32")];
      const [to, from] = [i32.add(result, at), i32.add(spare, at)];
      f.count(row, height, 1, () => {
        f.set(at, i32.const(0));
        f.if(
          accumulate,
          () => {
            f.count(at, vectorEnd, 16, () => f.do(v128.store(to, add(v128.load(to), v128.load(from)))));
            f.count(at, rowEnd, bytes, () => f.do(addOne(to, from)));
          },
          () => {
            f.count(at, vectorEnd, 16, () => f.do(v128.store(to, v128.load(from))));
            f.count(at, rowEnd, bytes, () => f.do(copyOne(to, from)));
          },
        );
        f.increase(result, rowBytes);
        f.increase(spare, 16 * tile.vectors);
      });
    },
  );
}

/**
 * `sweep(rows, columns, depth, left, right, result, rowBytes, accumulate, spare)`: the product of packed blocks. Tiles
 * that stick out of the block are computed into `spare` (one tile) and only their valid part is moved.
 */
export const sweepFunction = (module: ModuleBuilder, arithmetic: Arithmetic, tile: Tile): Procedure =>
  module.shared(`sweep ${arithmetic.dtype} ${tile.rows}x${tile.vectors}x${tile.unroll}`, () =>
    writeSweep(module, arithmetic, tile),
  );

function writeSweep(module: ModuleBuilder, arithmetic: Arithmetic, tile: Tile): Procedure {
  const { bytes, lanes } = arithmetic;
  const columns = tile.vectors * lanes;
  const product = tileFunction(module, arithmetic, tile);
  const corner = cornerFunction(module, arithmetic, tile);
  const parameters = {
    rows: "i32",
    columns: "i32",
    depth: "i32",
    left: "i32",
    right: "i32",
    result: "i32",
    rowBytes: "i32",
    accumulate: "i32",
    spare: "i32",
  } as const;
  return module.function({ name: `sweep ${arithmetic.dtype}`, parameters }, (f, p) => {
    const [row, column, whole] = [f.local("i32"), f.local("i32"), f.local("i32")];
    const [left, result, height, width] = [f.local("i32"), f.local("i32"), f.local("i32"), f.local("i32")];
    const least = (a: I32, b: number): I32 => select(i32.lt_s(a, i32.const(b)), a, i32.const(b));
    const panelBytes = f.let(i32.mul(p.depth, i32.const(tile.rows * bytes)));
    const tileBytes = f.let(i32.mul(p.rowBytes, i32.const(tile.rows)));
    f.count(column, p.columns, columns, () => {
      f.set(left, p.left);
      f.set(result, i32.add(p.result, i32.mul(column, i32.const(bytes))));
      f.set(width, least(i32.sub(p.columns, column), columns));
      f.set(whole, select(i32.eq(width, i32.const(columns)), i32.div_u(p.rows, i32.const(tile.rows)), i32.const(0)));
      f.if(whole, () => {
        f.do(call(product, whole, p.depth, left, p.right, result, p.rowBytes, p.accumulate));
        f.increase(left, i32.mul(whole, panelBytes));
        f.increase(result, i32.mul(whole, tileBytes));
      });
      f.set(row, i32.mul(whole, i32.const(tile.rows)));
      f.count(row, p.rows, tile.rows, () => {
        f.set(height, least(i32.sub(p.rows, row), tile.rows));
        const spareRow = i32.const(16 * tile.vectors);
        f.do(call(product, i32.const(1), p.depth, left, p.right, p.spare, spareRow, i32.const(0)));
        f.do(call(corner, height, width, result, p.rowBytes, p.accumulate, p.spare));
        f.increase(left, panelBytes);
        f.increase(result, tileBytes);
      });
      f.increase(p.right, i32.mul(p.depth, i32.const(16 * tile.vectors)));
    });
  });
}
