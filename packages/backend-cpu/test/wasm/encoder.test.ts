import { describe, expect, test } from "vitest";
import {
  CodeError, atomic, choose, f32, f32x4, f64, f64x2, i16x8, i32, i32x4, i64, i64x2, i8x16, memory, select, tee, v128,
} from "../../src/wasm/encoder.ts";
import type { Expression, ValueType } from "../../src/wasm/encoder.ts";
import { instructions } from "../../src/wasm/instructions.ts";
import type { Row } from "../../src/wasm/instructions.ts";
import * as encoder from "../../src/wasm/encoder.ts";
import { ModuleBuilder, call } from "../../src/wasm/module.ts";

type Env = WebAssembly.Memory;

function build(define: (module: ModuleBuilder) => void, shared = false): { exports: Record<string, Function>; memory: Env } {
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", { initial: 1, maximum: 4, shared });
  define(module);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 4, shared });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.bytes()), { env: { memory } });
  return { exports: instance.exports as Record<string, Function>, memory };
}

/** The value of one scalar expression. */
function value(expression: Expression<ValueType>): unknown {
  const { exports } = build((module) => {
    module.function({ name: "main", parameters: {}, result: expression.type, export: true }, () => expression);
  });
  return exports["main"]!();
}

/** The 16 bytes of one vector expression, as lanes. */
function lanes<A>(expression: Expression<"v128">, array: new (buffer: ArrayBuffer, offset: number, length: number) => A, count: number): number[] {
  const { exports, memory } = build((module) => {
    module.function({ name: "main", parameters: {}, export: true }, (f) => f.do(v128.store(i32.const(64), expression)));
  });
  exports["main"]!();
  return Array.from(new array(memory.buffer, 64, count) as Iterable<number>, Number);
}

const i = i32.const, l = i64.const, f = f32.const, d = f64.const;

const scalars: readonly [string, Expression<ValueType>, number | bigint][] = [
  ["i32.add wraps", i32.add(i(0x7fffffff), i(1)), -0x80000000],
  ["i32.const unsigned", i32.shr_u(i(0xffffffff), i(4)), 0x0fffffff],
  ["i32.const -64", i(-64), -64],
  ["i32.const 64", i(64), 64],
  ["i32.const 8191", i(8191), 8191],
  ["i32.div_s", i32.div_s(i(-7), i(2)), -3],
  ["i32.div_u", i32.div_u(i(-7), i(2)), 2147483644],
  ["i32.rem_s", i32.rem_s(i(-7), i(4)), -3],
  ["i32.rem_u", i32.rem_u(i(7), i(4)), 3],
  ["i32.clz", i32.clz(i(1)), 31],
  ["i32.ctz", i32.ctz(i(8)), 3],
  ["i32.popcnt", i32.popcnt(i(255)), 8],
  ["i32.rotl", i32.rotl(i(0x80000001), i(1)), 3],
  ["i32.lt_u", i32.lt_u(i(-1), i(1)), 0],
  ["i32.lt_s", i32.lt_s(i(-1), i(1)), 1],
  ["i32.trunc_sat_f32_s", i32.trunc_sat_f32_s(f(3e10)), 2147483647],
  ["i32.trunc_sat_f64_s of NaN", i32.trunc_sat_f64_s(d(Number.NaN)), 0],
  ["i32.reinterpret_f32", i32.reinterpret_f32(f(1)), 0x3f800000],
  ["i32.extend8_s", i32.extend8_s(i(0xff)), -1],
  ["i32.wrap_i64", i32.wrap_i64(l(0x1_0000_0005n)), 5],
  ["i64.mul", i64.mul(l(0x1_0000_0000n), l(-3n)), -0x3_0000_0000n],
  ["i64.shr_u", i64.shr_u(l(-1n), l(60n)), 15n],
  ["i64.const 2^63-1", l(0x7fff_ffff_ffff_ffffn), 0x7fff_ffff_ffff_ffffn],
  ["i64.extend_i32_u", i64.extend_i32_u(i(-1)), 0xffff_ffffn],
  ["i64.reinterpret_f64", i64.reinterpret_f64(d(1)), 0x3ff0_0000_0000_0000n],
  ["f32.add", f32.add(f(0.1), f(0.2)), Math.fround(Math.fround(0.1) + Math.fround(0.2))],
  ["f32.nearest", f32.nearest(f(2.5)), 2],
  ["f32.copysign", f32.copysign(f(3), f(-0)), -3],
  ["f32.min of NaN", f32.min(f(1), f(Number.NaN)), Number.NaN],
  ["f32.demote_f64", f32.demote_f64(d(0.1)), Math.fround(0.1)],
  ["f32.convert_i32_u", f32.convert_i32_u(i(-1)), 4294967296],
  ["f64.sqrt", f64.sqrt(d(2)), Math.SQRT2],
  ["f64.div", f64.div(d(1), d(-0)), -Infinity],
  ["f64.floor", f64.floor(d(-1.5)), -2],
  ["f64.promote_f32", f64.promote_f32(f(0.1)), Math.fround(0.1)],
  ["f64.convert_i64_s", f64.convert_i64_s(l(-5n)), -5],
  ["f64.reinterpret_i64", f64.reinterpret_i64(l(0x4000_0000_0000_0000n)), 2],
  ["select", select(i(0), f(1), f(2)), 2],
  ["choose", choose(i(1), d(1), d(2)), 1],
  ["choose skips the other side", choose(i(0), i32.div_s(i(1), i(0)), i(9)), 9],
  ["i32x4.extract_lane", i32x4.extract_lane(i32x4.const(1, 2, 3, 4), 2), 3],
  ["f32x4.extract_lane", f32x4.extract_lane(f32x4.const(1.5, 2.5, 3.5, 4.5), 3), 4.5],
  ["f64x2.extract_lane", f64x2.extract_lane(f64x2.const(1.5, 2.5), 1), 2.5],
  ["i64x2.extract_lane", i64x2.extract_lane(i64x2.const(7n), 1), 7n],
  ["i8x16.extract_lane_s", i8x16.extract_lane_s(i8x16.const(200), 15), -56],
  ["i8x16.extract_lane_u", i8x16.extract_lane_u(i8x16.const(200), 0), 200],
  ["i16x8.extract_lane_u", i16x8.extract_lane_u(i16x8.const(65535), 7), 65535],
  ["i32x4.bitmask", i32x4.bitmask(i32x4.const(-1, 0, -1, 0)), 5],
  ["i8x16.bitmask", i8x16.bitmask(i8x16.const(128)), 65535],
  ["i32x4.all_true", i32x4.all_true(i32x4.const(1, 1, 0, 1)), 0],
  ["v128.any_true", v128.any_true(i32x4.const(0, 0, 1, 0)), 1],
  ["memory.size", memory.size(), 1],
];

const F = (...values: number[]) => f32x4.const(...values);
const D = (...values: number[]) => f64x2.const(...values);
const I = (...values: number[]) => i32x4.const(...values);
const vectors: readonly [string, Expression<"v128">, new (buffer: ArrayBuffer, offset: number, length: number) => unknown, number[]][] = [
  ["f32x4.add", f32x4.add(F(1, 2, 3, 4), F(10)), Float32Array, [11, 12, 13, 14]],
  ["f32x4.sub", f32x4.sub(F(1, 2, 3, 4), F(10)), Float32Array, [-9, -8, -7, -6]],
  ["f32x4.mul", f32x4.mul(F(1, 2, 3, 4), F(3)), Float32Array, [3, 6, 9, 12]],
  ["f32x4.div", f32x4.div(F(1, 2, 3, 0), F(2, 0, -2, 0)), Float32Array, [0.5, Infinity, -1.5, NaN]],
  ["f32x4.sqrt", f32x4.sqrt(F(4, 9, 16, -1)), Float32Array, [2, 3, 4, NaN]],
  ["f32x4.abs", f32x4.abs(F(-1, 2, -0, -Infinity)), Float32Array, [1, 2, 0, Infinity]],
  ["f32x4.neg", f32x4.neg(F(-1, 2, 3, 4)), Float32Array, [1, -2, -3, -4]],
  ["f32x4.min", f32x4.min(F(1, 5, NaN, 4), F(2)), Float32Array, [1, 2, NaN, 2]],
  ["f32x4.max", f32x4.max(F(1, 5, NaN, 4), F(2)), Float32Array, [2, 5, NaN, 4]],
  ["f32x4.pmin keeps a unless b < a", f32x4.pmin(F(1, 5, NaN, 4), F(2)), Float32Array, [1, 2, NaN, 2]],
  ["f32x4.pmax keeps a unless a < b", f32x4.pmax(F(1, 5, NaN, 4), F(2)), Float32Array, [2, 5, NaN, 4]],
  ["f32x4.ceil", f32x4.ceil(F(1.5, -1.5, 0, 2)), Float32Array, [2, -1, 0, 2]],
  ["f32x4.floor", f32x4.floor(F(1.5, -1.5, 0, 2)), Float32Array, [1, -2, 0, 2]],
  ["f32x4.trunc", f32x4.trunc(F(1.5, -1.5, 0, 2)), Float32Array, [1, -1, 0, 2]],
  ["f32x4.nearest", f32x4.nearest(F(0.5, 1.5, 2.5, -2.5)), Float32Array, [0, 2, 2, -2]],
  ["f32x4.splat", f32x4.splat(f(7)), Float32Array, [7, 7, 7, 7]],
  ["f32x4.replace_lane", f32x4.replace_lane(F(1), f(9), 2), Float32Array, [1, 1, 9, 1]],
  ["f32x4.lt", f32x4.lt(F(1, 2, 3, NaN), F(2)), Int32Array, [-1, 0, 0, 0]],
  ["f32x4.ge", f32x4.ge(F(1, 2, 3, NaN), F(2)), Int32Array, [0, -1, -1, 0]],
  ["f32x4.ne", f32x4.ne(F(1, 2, 3, NaN), F(2)), Int32Array, [-1, 0, -1, -1]],
  ["f32x4.eq", f32x4.eq(F(1, 2, 3, NaN), F(2)), Int32Array, [0, -1, 0, 0]],
  ["f32x4.gt", f32x4.gt(F(1, 2, 3, NaN), F(2)), Int32Array, [0, 0, -1, 0]],
  ["f32x4.le", f32x4.le(F(1, 2, 3, NaN), F(2)), Int32Array, [-1, -1, 0, 0]],
  ["f32x4.convert_i32x4_s", f32x4.convert_i32x4_s(I(-1, 2, 3, 4)), Float32Array, [-1, 2, 3, 4]],
  ["f32x4.convert_i32x4_u", f32x4.convert_i32x4_u(I(-1, 2, 3, 4)), Float32Array, [4294967296, 2, 3, 4]],
  ["f32x4.demote_f64x2_zero", f32x4.demote_f64x2_zero(D(1.5, -2)), Float32Array, [1.5, -2, 0, 0]],
  ["f64x2.add", f64x2.add(D(1, 2), D(0.25)), Float64Array, [1.25, 2.25]],
  ["f64x2.sub", f64x2.sub(D(1, 2), D(0.25)), Float64Array, [0.75, 1.75]],
  ["f64x2.mul", f64x2.mul(D(1, 2), D(3)), Float64Array, [3, 6]],
  ["f64x2.div", f64x2.div(D(1, 2), D(4)), Float64Array, [0.25, 0.5]],
  ["f64x2.sqrt", f64x2.sqrt(D(4, 2)), Float64Array, [2, Math.SQRT2]],
  ["f64x2.min", f64x2.min(D(4, NaN), D(3)), Float64Array, [3, NaN]],
  ["f64x2.max", f64x2.max(D(4, 2), D(3)), Float64Array, [4, 3]],
  ["f64x2.pmin", f64x2.pmin(D(4, 2), D(3)), Float64Array, [3, 2]],
  ["f64x2.pmax", f64x2.pmax(D(4, 2), D(3)), Float64Array, [4, 3]],
  ["f64x2.floor", f64x2.floor(D(-0.5, 2.5)), Float64Array, [-1, 2]],
  ["f64x2.ceil", f64x2.ceil(D(0.5, 2.5)), Float64Array, [1, 3]],
  ["f64x2.trunc", f64x2.trunc(D(-1.5, 2.5)), Float64Array, [-1, 2]],
  ["f64x2.nearest", f64x2.nearest(D(1.5, 2.5)), Float64Array, [2, 2]],
  ["f64x2.lt", f64x2.lt(D(1, 2), D(2)), Int32Array, [-1, -1, 0, 0]],
  ["f64x2.promote_low_f32x4", f64x2.promote_low_f32x4(F(1.5, 2.5, 3, 4)), Float64Array, [1.5, 2.5]],
  ["f64x2.convert_low_i32x4_s", f64x2.convert_low_i32x4_s(I(-7, 8, 0, 0)), Float64Array, [-7, 8]],
  ["f64x2.convert_low_i32x4_u", f64x2.convert_low_i32x4_u(I(-1, 8, 0, 0)), Float64Array, [4294967295, 8]],
  ["f64x2.splat", f64x2.splat(d(7)), Float64Array, [7, 7]],
  ["i32x4.add", i32x4.add(I(1, 2, 3, 4), I(-5)), Int32Array, [-4, -3, -2, -1]],
  ["i32x4.sub", i32x4.sub(I(1, 2, 3, 4), I(-5)), Int32Array, [6, 7, 8, 9]],
  ["i32x4.mul", i32x4.mul(I(1, 2, 3, 0x10000), I(0x10000)), Int32Array, [65536, 131072, 196608, 0]],
  ["i32x4.shl", i32x4.shl(I(1, 2, 3, 4), i(3)), Int32Array, [8, 16, 24, 32]],
  ["i32x4.shr_s", i32x4.shr_s(I(-8, 8, 0, 1), i(1)), Int32Array, [-4, 4, 0, 0]],
  ["i32x4.shr_u", i32x4.shr_u(I(-8, 8, 0, 1), i(1)), Int32Array, [0x7ffffffc, 4, 0, 0]],
  ["i32x4.min_s", i32x4.min_s(I(-8, 8, 0, 1), I(0)), Int32Array, [-8, 0, 0, 0]],
  ["i32x4.min_u", i32x4.min_u(I(-8, 8, 0, 1), I(4)), Int32Array, [4, 4, 0, 1]],
  ["i32x4.max_s", i32x4.max_s(I(-8, 8, 0, 1), I(0)), Int32Array, [0, 8, 0, 1]],
  ["i32x4.max_u", i32x4.max_u(I(-8, 8, 0, 1), I(4)), Int32Array, [-8, 8, 4, 4]],
  ["i32x4.lt_s", i32x4.lt_s(I(-8, 8, 0, 1), I(1)), Int32Array, [-1, 0, -1, 0]],
  ["i32x4.gt_u", i32x4.gt_u(I(-8, 8, 0, 1), I(1)), Int32Array, [-1, -1, 0, 0]],
  ["i32x4.ge_s", i32x4.ge_s(I(-8, 8, 0, 1), I(1)), Int32Array, [0, -1, 0, -1]],
  ["i32x4.trunc_sat_f32x4_s", i32x4.trunc_sat_f32x4_s(F(-1.5, NaN, 3e10, 2.9)), Int32Array, [-1, 0, 2147483647, 2]],
  ["i32x4.trunc_sat_f64x2_s_zero", i32x4.trunc_sat_f64x2_s_zero(D(-1.5, NaN)), Int32Array, [-1, 0, 0, 0]],
  ["i32x4.extend_low_i16x8_u", i32x4.extend_low_i16x8_u(i16x8.const(65535)), Int32Array, [65535, 65535, 65535, 65535]],
  ["i32x4.extend_high_i16x8_s", i32x4.extend_high_i16x8_s(i16x8.const(65535)), Int32Array, [-1, -1, -1, -1]],
  ["i32x4.dot_i16x8_s", i32x4.dot_i16x8_s(i16x8.const(2), i16x8.const(3)), Int32Array, [12, 12, 12, 12]],
  ["i32x4.shuffle", i32x4.shuffle(I(0, 1, 2, 3), I(4, 5, 6, 7), [0, 4, 1, 5]), Int32Array, [0, 4, 1, 5]],
  ["i64x2.shuffle", i64x2.shuffle(I(0, 1, 2, 3), I(4, 5, 6, 7), [1, 2]), Int32Array, [2, 3, 4, 5]],
  ["i32x4.splat", i32x4.splat(i(-3)), Int32Array, [-3, -3, -3, -3]],
  ["i64x2.add", i64x2.add(i64x2.const(1n), i64x2.const(-2n, 4n)), BigInt64Array, [-1, 5]],
  ["i64x2.mul", i64x2.mul(i64x2.const(3n), i64x2.const(-2n, 4n)), BigInt64Array, [-6, 12]],
  ["i64x2.shl", i64x2.shl(i64x2.const(3n), i(40)), BigInt64Array, [3 * 2 ** 40, 3 * 2 ** 40]],
  ["i64x2.eq", i64x2.eq(i64x2.const(3n), i64x2.const(3n, 4n)), BigInt64Array, [-1, 0]],
  ["i64x2.extend_low_i32x4_u", i64x2.extend_low_i32x4_u(I(-1, 2, 3, 4)), BigInt64Array, [4294967295, 2]],
  ["i64x2.extmul_low_i32x4_u", i64x2.extmul_low_i32x4_u(I(-1, 2, 0, 0), I(2)), BigInt64Array, [8589934590, 4]],
  ["i16x8.mul", i16x8.mul(i16x8.const(3), i16x8.const(5)), Int16Array, [15, 15, 15, 15, 15, 15, 15, 15]],
  ["i16x8.narrow_i32x4_s", i16x8.narrow_i32x4_s(I(70000), I(-3)), Int16Array, [32767, 32767, 32767, 32767, -3, -3, -3, -3]],
  ["i16x8.extend_low_i8x16_u", i16x8.extend_low_i8x16_u(i8x16.const(255)), Int16Array, Array(8).fill(255)],
  ["i8x16.narrow_i16x8_u", i8x16.narrow_i16x8_u(i16x8.const(300), i16x8.const(7)), Uint8Array, [...Array(8).fill(255), ...Array(8).fill(7)]],
  ["i8x16.add", i8x16.add(i8x16.const(250), i8x16.const(7)), Uint8Array, Array(16).fill(1)],
  ["i8x16.eq", i8x16.eq(i8x16.const(7), i8x16.const(7)), Uint8Array, Array(16).fill(255)],
  ["i8x16.swizzle", i8x16.swizzle(i8x16.const(9), i8x16.const(16)), Uint8Array, Array(16).fill(0)],
  ["v128.and", v128.and(I(12), I(10)), Int32Array, [8, 8, 8, 8]],
  ["v128.andnot", v128.andnot(I(12), I(10)), Int32Array, [4, 4, 4, 4]],
  ["v128.or", v128.or(I(12), I(10)), Int32Array, [14, 14, 14, 14]],
  ["v128.xor", v128.xor(I(12), I(10)), Int32Array, [6, 6, 6, 6]],
  ["v128.not", v128.not(I(0)), Int32Array, [-1, -1, -1, -1]],
  ["v128.bitselect", v128.bitselect(I(1), I(2), I(-1, 0, -1, 0)), Int32Array, [1, 2, 1, 2]],
];

describe("instructions give the values of the specification", () => {
  test.each(scalars)("%s", (_, expression, expected) => expect(value(expression)).toBe(expected));
  test.each(vectors)("%s", (_, expression, array, expected) =>
    expect(lanes(expression, array, expected.length)).toEqual(expected));
});

test("every instruction of the table is accepted by the engine's validator", () => {
  const groups = encoder as unknown as Record<string, Record<string, (...operands: unknown[]) => Expression>>;
  const operand = { i: i(0), l: l(0n), f: f(0), d: d(0), v: I(0) };
  const relaxed = (name: string) => name.includes("relaxed");
  for (const [name, [, signature, immediate]] of Object.entries<Row>(instructions)) {
    if (relaxed(name) && !relaxedSimd) continue;
    const [group, method] = [name.slice(0, name.indexOf(".")), name.slice(name.indexOf(".") + 1)];
    const operands: unknown[] = [...signature.split(">")[0]!].map((letter) => operand[letter as "i"]);
    if (immediate === "lane" || immediate === "memoryLane") operands.push(1);
    if (immediate === "shuffle") operands.push([...Array(16).keys()]);
    if (immediate === "memory" || immediate === "memoryLane") operands.push(300);
    const expression = groups[group]![method]!(...operands);
    const module = new ModuleBuilder();
    module.importMemory("env", "memory", { initial: 1, maximum: 1, shared: true });
    module.function({ name, parameters: {}, result: expression.type }, () => expression);
    expect(WebAssembly.validate(module.bytes()), name).toBe(true);
  }
});

const relaxedSimd = (() => {
  const module = new ModuleBuilder();
  module.function({ name: "madd", parameters: {} }, (g) => g.drop(f32x4.relaxed_madd(F(1), F(1), F(1))));
  return WebAssembly.validate(module.bytes());
})();

describe("memory", () => {
  test("lanes, splats, widening loads and offsets", () => {
    const { exports, memory } = build((module) => {
      module.function({ name: "main", parameters: { at: "i32" }, export: true }, (g, { at }) => {
        g.do(
          v128.store(at, v128.load32_splat(at, 4), 16),
          v128.store(at, v128.load8x8_u(at), 32),
          v128.store(at, v128.load32_lane(at, I(-1), 2, 8), 48),
          v128.store64_lane(at, F(1, 2, 3, 4), 1, 64),
          v128.store(at, v128.load64_zero(at), 80),
          v128.store(at, v128.load64_splat(at, 8), 300),
          i32.store8(at, i(511), 96),
        );
        return g.return();
      });
    });
    const floats = new Float32Array(memory.buffer);
    const bytes = new Uint8Array(memory.buffer);
    bytes.set([1, 2, 3, 250, 0, 0, 128, 63, 9, 0, 0, 0, 7, 0, 0, 0], 1024);
    exports["main"]!(1024);
    expect([...floats.slice(260, 264)]).toEqual([1, 1, 1, 1]);
    expect([...new Uint16Array(memory.buffer, 1056, 8)]).toEqual([1, 2, 3, 250, 0, 0, 128, 63]);
    expect([...new Int32Array(memory.buffer, 1072, 4)]).toEqual([-1, -1, 9, -1]);
    expect([...new Float32Array(memory.buffer, 1088, 2)]).toEqual([3, 4]);
    expect([...new Int32Array(memory.buffer, 1104, 4)]).toEqual([0xfa030201 | 0, 1065353216, 0, 0]);
    expect([...new Int32Array(memory.buffer, 1324, 4)]).toEqual([9, 7, 9, 7]);
    expect(bytes[1120]).toBe(255);
  });

  test("fill, copy and grow", () => {
    const { exports, memory: env } = build((module) => {
      module.function({ name: "main", parameters: {}, result: "i32", export: true }, (g) => {
        g.do(memory.fill(i(8), i(7), i(5)), memory.copy(i(32), i(10), i(3)));
        return memory.grow(i(1));
      });
    });
    expect(exports["main"]!()).toBe(1);
    expect([...new Uint8Array(env.buffer, 6, 9)]).toEqual([0, 0, 7, 7, 7, 7, 7, 0, 0]);
    expect([...new Uint8Array(env.buffer, 31, 5)]).toEqual([0, 7, 7, 7, 0]);
  });

  test("functions of one key are one function; several generators export under names of their own", () => {
    let written = 0;
    const { exports } = build((module) => {
      const twice = () =>
        module.function({ name: "twice", parameters: { x: "i32" }, result: "i32", key: "test: twice" }, (_, { x }) => {
          written++;
          return i32.add(x, x);
        });
      [3, 4].forEach((number) => {
        module.exportSuffix = String(number);
        const target = twice();
        expect(target.index).toBe(0);
        module.function({ name: "main", parameters: {}, result: "i32", export: true }, () => call(target, i(number)));
      });
    });
    expect(Object.keys(exports)).toEqual(["main3", "main4"]);
    expect([exports["main3"]!(), exports["main4"]!()]).toEqual([6, 8]);
    expect(written).toBe(1);
  });

  test("atomics on shared memory", () => {
    const { exports, memory: env } = build((module) => {
      module.function({ name: "add", parameters: {}, result: "i32", export: true }, () => atomic.add(i(0), i(5), 8));
      module.function({ name: "swap", parameters: {}, result: "i32", export: true }, () => atomic.compare_exchange(i(8), i(5), i(9)));
      module.function({ name: "wait", parameters: {}, result: "i32", export: true }, () => atomic.wait32(i(8), i(1), l(1000n)));
      module.function({ name: "notify", parameters: {}, result: "i32", export: true }, (g) => (g.do(atomic.fence()), atomic.notify(i(8), i(1))));
    }, true);
    const words = new Int32Array(env.buffer);
    expect([exports["add"]!(), words[2]]).toEqual([0, 5]);
    expect([exports["swap"]!(), words[2]]).toEqual([5, 9]);
    expect(exports["wait"]!()).toBe(1);
    expect(exports["notify"]!()).toBe(0);
  });
});

describe("control flow", () => {
  test("loops, branches, calls, tee and recursion", () => {
    const { exports } = build((module) => {
      const factorial = module.function({ name: "factorial", parameters: { n: "f64" }, result: "f64", export: true }, (_, { n }, self) =>
        choose(f64.le(n, d(1)), d(1), f64.mul(n, call(self, f64.sub(n, d(1))))));
      module.function({ name: "sum", parameters: { n: "i32" }, result: "i32", export: true }, (g, { n }) => {
        const [k, total] = [g.local("i32"), g.local("i32")];
        g.count(k, n, 1, (exit) => {
          g.branchIf(exit, i32.eq(k, i(10)));
          g.if(i32.and(k, i(1)), () => g.increase(total, k), () => g.increase(total, 1000));
        });
        return total;
      });
      module.function({ name: "binomial", parameters: { n: "f64", k: "f64" }, result: "f64", export: true }, (g, { n, k }) => {
        const all = g.let(call(factorial, n));
        return f64.div(all, f64.mul(call(factorial, k), call(factorial, f64.sub(n, k))));
      });
      module.function({ name: "bits", parameters: { n: "i32" }, result: "i32", export: true }, (g, { n }) => {
        const total = g.local("i32");
        g.block((done) => g.loop((again) => {
          g.branchIf(done, i32.eqz(n));
          g.increase(total, i32.and(n, i(1)));
          g.branchIf(again, tee(n, i32.shr_u(n, i(1))));
        }));
        return total;
      });
    });
    expect(exports["sum"]!(0)).toBe(0);
    expect(exports["sum"]!(5)).toBe(3004);
    expect(exports["sum"]!(100)).toBe(5025);
    expect(exports["binomial"]!(10, 4)).toBe(210);
    expect(exports["bits"]!(-1)).toBe(32);
  });

  test("imports and indirect calls", () => {
    const module = new ModuleBuilder();
    const log = module.importFunction("env", "log", ["i32", "f64"]);
    module.importTable("env", "table", 2);
    const twice = module.function({ name: "twice", parameters: { x: "f64" }, result: "f64", export: true }, (_, { x }) => f64.add(x, x));
    module.function({ name: "main", parameters: { slot: "i32" }, export: true }, (g, { slot }) => {
      g.do(call(log, slot, module.callIndirect(slot, [call(twice, d(4))], "f64")));
    });
    const seen: unknown[] = [];
    const table = new WebAssembly.Table({ initial: 2, element: "anyfunc" });
    const instance = new WebAssembly.Instance(new WebAssembly.Module(module.bytes()), {
      env: { table, log: (...values: unknown[]) => seen.push(values) },
    });
    table.set(1, instance.exports["twice"] as Function);
    (instance.exports["main"] as Function)(1);
    expect(seen).toEqual([[1, 16]]);
  });

  test("constants are set once, before the body", () => {
    const { exports } = build((module) => {
      module.function({ name: "main", parameters: {}, result: "f32", export: true }, (g) => {
        const [k, total] = [g.local("i32"), g.local("v128")];
        g.count(k, i(3), 1, () => g.set(total, f32x4.add(total, g.constant(F(1.5)))));
        expect(g.constant(F(1.5))).toBe(g.constant(f32x4.const(1.5, 1.5, 1.5, 1.5)));
        return f32x4.extract_lane(total, 0);
      });
    });
    expect(exports["main"]!()).toBe(4.5);
  });
});

test("instructions can be passed to map", () => {
  expect([f(1), f(2)].map(f32.neg).map(value)).toEqual([-1, -2]);
});

describe("the verifier names the instruction", () => {
  const inFunction = (body: (module: ModuleBuilder) => void) => () => body(new ModuleBuilder());
  const any = (expression: Expression) => expression as never;
  test.each<[string, () => unknown, string]>([
    ["operand type", () => f32x4.add(F(1), any(f(1))), "f32x4.add: operands are (v128, f32), not (v128, v128)"],
    ["missing operand", () => (i32.add as Function)(i(1)), "i32.add: operands are (i32), not (i32, i32)"],
    ["lane", () => f64x2.extract_lane(D(1), 2), "f64x2.extract_lane: lane is 2"],
    ["offset", () => f32.load(i(0), -4), "f32.load: offset is -4"],
    ["shuffle", () => i8x16.shuffle(I(0), I(0), [1]), "i8x16.shuffle: number of lanes is 1"],
    ["vector constant", () => F(1, 2), "v128.const: has 8 bytes, not 16"],
    ["set", inFunction((m) => m.function({ name: "t", parameters: {} }, (g) => g.set(g.local("i32"), any(f(1))))), "local.set: operands are (f32), not (i32)"],
    ["result", inFunction((m) => m.function({ name: "t", parameters: {}, result: "i32" }, () => f(1))), "end of t: operands are (f32), not (i32)"],
    ["return", inFunction((m) => m.function({ name: "t", parameters: {} }, (g) => g.return(f(1)))), "return: operands are (f32), not ()"],
    ["closed label", inFunction((m) => m.function({ name: "t", parameters: {} }, (g) => {
      let label: never;
      g.block((exit) => void (label = exit as never));
      g.block(() => g.branch(label));
    })), "br: the label is not open in t; branch only from inside its block"],
    ["foreign local", inFunction((m) => {
      let local: Expression<"i32">;
      m.function({ name: "a", parameters: { x: "i32" } }, (_, { x }) => void (local = x));
      m.function({ name: "b", parameters: {} }, (g) => g.drop(local));
    }), "local.get: the local belongs to another function; pass the value as a parameter"],
    ["call", inFunction((m) => {
      const a = m.function({ name: "a", parameters: { x: "i32" } }, () => {});
      call(a, f(1));
    }), "call a: operands are (f32), not (i32)"],
    ["late import", inFunction((m) => {
      m.function({ name: "a", parameters: {} }, () => {});
      m.importFunction("env", "late", []);
    }), "import: late comes after a function; import first"],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(CodeError);
    expect(build).toThrow(message);
  });
});
