/**
 * Functions over float64 vectors in memory, two lanes at a time, and the few shapes of code that dense linear algebra is
 * made of: counted loops, addresses of elements, a choice between rows. Everything that works on whole matrices
 * (matrices.ts, jacobi.ts) is written in these words. Pointers are bytes, lengths are elements.
 */
import { bytesOf } from "@dormouse/tensor/graph";
import type { DType } from "@dormouse/tensor";
import { call, type FunctionBuilder, type FunctionReference, type ModuleBuilder } from "./module.ts";
import { f32, f64, f64x2, i32, i64, select, v128 } from "./encoder.ts";
import type { Expression, Local } from "./encoder.ts";
import { type Integer, integer, plus, times } from "./nest.ts";

export type Float = Expression<"f64">;
/** A pointer or an index that does not change while it is used. */
export type Index = Local<"i32"> | number;

const asInteger = (index: Integer | number): Integer => (typeof index === "number" ? integer(index) : index);

/** base + 8 · (row · width + column). */
export const element = (base: Integer, row: Index, width: number, column: Index = 0): Integer =>
  plus(base, plus(times(asInteger(row), 8 * width), times(asInteger(column), 8)));

/** for (i = from; i < to; i++) body(i). */
export function each(f: FunctionBuilder, from: Integer | number, to: Integer | number, body: (i: Local<"i32">) => void): void {
  const i = f.let(asInteger(from));
  f.count(i, asInteger(to), 1, () => body(i));
}

/** for (i = count − 1; i >= 0; i--) body(i). */
export function eachBackwards(f: FunctionBuilder, count: number, body: (i: Local<"i32">) => void): void {
  each(f, 0, count, (done) => body(f.let(i32.sub(i32.const(count - 1), done))));
}

/** Calls of the functions of `defineVectors`. */
export interface Vectors {
  /** Σ x·y. */
  readonly dot: (x: Integer, y: Integer, length: Integer) => Float;
  /** y += factor · x. */
  readonly accumulate: (y: Integer, x: Integer, factor: Float, length: Integer) => Expression<"void">;
  /** (x, y) becomes (cos·x − sin·y, sin·x + cos·y). */
  readonly rotate: (x: Integer, y: Integer, cos: Float, sin: Float, length: Integer) => Expression<"void">;
  /** x *= factor. */
  readonly scale: (x: Integer, factor: Float, length: Integer) => Expression<"void">;
  /** x /= divisor. */
  readonly divide: (x: Integer, divisor: Float, length: Integer) => Expression<"void">;
  /** Exchanges x and y. */
  readonly swap: (x: Integer, y: Integer, length: Integer) => Expression<"void">;
  /** The largest power of two that is at most the largest |x|; 1 where that is zero, subnormal, infinite or NaN. */
  readonly magnitude: (x: Integer, length: Integer) => Float;
}

type Pointers = readonly Local<"i32">[];

/** Walks over vectors: pairs of lanes, then an odd last element. `move` advances the pointers by bytes. */
function walk(
  f: FunctionBuilder,
  length: Local<"i32">,
  pointers: Pointers,
  pair: () => void,
  single: () => void,
): void {
  const i = f.let(i32.const(0));
  f.count(i, i32.and(length, i32.const(-2)), 2, () => {
    pair();
    for (const pointer of pointers) f.increase(pointer, 16);
  });
  f.if(i32.and(length, i32.const(1)), single);
}

/** Adds the vector functions to a module. */
export function defineVectors(module: ModuleBuilder): Vectors {
  const xy = { x: "i32", y: "i32", length: "i32" } as const;
  const dot = module.function({ name: "dot", parameters: xy, result: "f64" }, (f, { x, y, length }) => {
    const pairs = f.local("v128");
    const total = f.local("f64");
    walk(f, length, [x, y], () => f.set(pairs, f64x2.add(pairs, f64x2.mul(v128.load(x), v128.load(y)))), () => {
      f.set(total, f64.mul(f64.load(x), f64.load(y)));
    });
    return f64.add(f64.add(f64x2.extract_lane(pairs, 0), f64x2.extract_lane(pairs, 1)), total);
  });
  const accumulate = module.function(
    { name: "accumulate", parameters: { y: "i32", x: "i32", factor: "f64", length: "i32" } },
    (f, { y, x, factor, length }) => {
      const factors = f.let(f64x2.splat(factor));
      walk(
        f, length, [x, y],
        () => f.do(v128.store(y, f64x2.add(v128.load(y), f64x2.mul(factors, v128.load(x))))),
        () => f.do(f64.store(y, f64.add(f64.load(y), f64.mul(factor, f64.load(x))))),
      );
    },
  );
  const rotate = module.function(
    { name: "rotate", parameters: { x: "i32", y: "i32", cos: "f64", sin: "f64", length: "i32" } },
    (f, { x, y, cos, sin, length }) => {
      const [cosines, sines] = [f.let(f64x2.splat(cos)), f.let(f64x2.splat(sin))];
      const [a, b] = [f.local("v128"), f.local("v128")];
      const [p, q] = [f.local("f64"), f.local("f64")];
      walk(
        f, length, [x, y],
        () => {
          f.set(a, v128.load(x));
          f.set(b, v128.load(y));
          f.do(v128.store(x, f64x2.sub(f64x2.mul(cosines, a), f64x2.mul(sines, b))));
          f.do(v128.store(y, f64x2.add(f64x2.mul(sines, a), f64x2.mul(cosines, b))));
        },
        () => {
          f.set(p, f64.load(x));
          f.set(q, f64.load(y));
          f.do(f64.store(x, f64.sub(f64.mul(cos, p), f64.mul(sin, q))));
          f.do(f64.store(y, f64.add(f64.mul(sin, p), f64.mul(cos, q))));
        },
      );
    },
  );
  const byFactor = (name: "mul" | "div"): FunctionReference<"void"> =>
    module.function({ name, parameters: { x: "i32", factor: "f64", length: "i32" } }, (f, { x, factor, length }) => {
      const factors = f.let(f64x2.splat(factor));
      walk(
        f, length, [x],
        () => f.do(v128.store(x, f64x2[name](v128.load(x), factors))),
        () => f.do(f64.store(x, f64[name](f64.load(x), factor))),
      );
    });
  const [scale, divide] = [byFactor("mul"), byFactor("div")];
  const swap = module.function({ name: "swap", parameters: xy }, (f, { x, y, length }) => {
    const pair = f.local("v128");
    const single = f.local("f64");
    walk(
      f, length, [x, y],
      () => {
        f.set(pair, v128.load(x));
        f.do(v128.store(x, v128.load(y)), v128.store(y, pair));
      },
      () => {
        f.set(single, f64.load(x));
        f.do(f64.store(x, f64.load(y)), f64.store(y, single));
      },
    );
  });
  const magnitude = module.function(
    { name: "magnitude", parameters: { x: "i32", length: "i32" }, result: "f64" },
    (f, { x, length }) => {
      const largest = f.local("f64");
      const exponent = f.local("i64");
      const take = (value: Float): void => f.set(largest, f64.max(largest, f64.abs(value)));
      walk(f, length, [x], () => (take(f64.load(x)), take(f64.load(x, 8))), () => take(f64.load(x)));
      const infinite = 0x7ff0_0000_0000_0000n;
      f.set(exponent, i64.and(i64.reinterpret_f64(largest), i64.const(infinite)));
      const ordinary = i32.and(i64.ne(exponent, i64.const(0n)), i64.ne(exponent, i64.const(infinite)));
      return select(ordinary, f64.reinterpret_i64(exponent), f64.const(1));
    },
  );
  return {
    dot: (x, y, length) => call(dot, x, y, length),
    accumulate: (y, x, factor, length) => call(accumulate, y, x, factor, length),
    rotate: (x, y, cos, sin, length) => call(rotate, x, y, cos, sin, length),
    scale: (x, factor, length) => call(scale, x, factor, length),
    divide: (x, divisor, length) => call(divide, x, divisor, length),
    swap: (x, y, length) => call(swap, x, y, length),
    magnitude: (x, length) => call(magnitude, x, length),
  };
}

/** The element of a float buffer at `address`, as float64. */
export const loadFloat = (dtype: DType, address: Integer): Float =>
  dtype === "float64" ? f64.load(address) : f64.promote_f32(f32.load(address));

/** Stores a float64 into a float buffer. */
export const storeFloat = (dtype: DType, address: Integer, value: Float): Expression<"void"> =>
  dtype === "float64" ? f64.store(address, value) : f32.store(address, f32.demote_f64(value));

/** Writes `matrix` [rows, columns] of float64 to `to` in `dtype`; `transposed` where it lies column by column. */
export function storeMatrix(
  f: FunctionBuilder,
  dtype: DType,
  to: Integer,
  matrix: Integer,
  [rows, columns]: readonly [number, number],
  transposed = false,
): void {
  const target = f.let(to);
  each(f, 0, rows, (i) =>
    each(f, 0, columns, (j) => {
      const from = transposed ? element(matrix, j, rows, i) : element(matrix, i, columns, j);
      f.do(storeFloat(dtype, target, f64.load(from)));
      f.increase(target, bytesOf(dtype));
    }),
  );
}

/** Reads a matrix [rows, columns] of `dtype` at `from` into float64; `transposed`: column by column. */
export function loadMatrix(
  f: FunctionBuilder,
  dtype: DType,
  from: Integer,
  matrix: Integer,
  [rows, columns]: readonly [number, number],
  transposed = false,
): void {
  const source = f.let(from);
  each(f, 0, rows, (i) =>
    each(f, 0, columns, (j) => {
      const to = transposed ? element(matrix, j, rows, i) : element(matrix, i, columns, j);
      f.do(f64.store(to, loadFloat(dtype, source)));
      f.increase(source, bytesOf(dtype));
    }),
  );
}

/** Writes the identity [n, n]. */
export function storeIdentity(f: FunctionBuilder, matrix: Integer, n: number): void {
  each(f, 0, n, (i) =>
    each(f, 0, n, (j) => f.do(f64.store(element(matrix, i, n, j), f64.convert_i32_s(i32.eq(i, j))))),
  );
}

/** (a + aᵀ)/2 of the matrix `a`, in place. */
export function writeSymmetricPart(f: FunctionBuilder, a: Integer, n: number): void {
  each(f, 0, n, (i) =>
    each(f, 0, i, (j) => {
      const [one, other] = [f.let(element(a, i, n, j)), f.let(element(a, j, n, i))];
      const half = (at: Integer): Float => f64.mul(f64.const(0.5), f64.load(at));
      const mean = f.let(f64.add(half(one), half(other)));
      f.do(f64.store(one, mean), f64.store(other, mean));
    }),
  );
}
