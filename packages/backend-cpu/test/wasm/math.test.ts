import { describe, expect, test } from "vitest";
import { v128 } from "../../src/wasm/encoder.ts";
import { ModuleBuilder } from "../../src/wasm/module.ts";
import { Nest, integer, plus } from "../../src/wasm/nest.ts";
import { Lanes } from "../../src/wasm/math.ts";
import type { Vector } from "../../src/wasm/math.ts";
import { sine32, sine64 } from "../../src/wasm/angle.ts";
import { pow32, pow64 } from "../../src/wasm/pow.ts";
import { exact, exactly, ulps } from "./exact.ts";
import type { Exact } from "./exact.ts";
import { hasFma, random } from "./kernel-support.ts";

const names = ["exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "atan", "erf", "pow"] as const;
type Name = (typeof names)[number];

function apply(nest: Nest, name: Name, bits: 32 | 64, x: Vector, y: Vector): Vector {
  const lanes = new Lanes(nest, bits);
  switch (name) {
    case "sin":
    case "cos":
      return (bits === 32 ? sine32 : sine64)(nest, x, name === "sin" ? 0 : 1);
    case "pow":
      return (bits === 32 ? pow32 : pow64)(nest, x, y);
    default:
      return lanes[name](x);
  }
}

const capacity = 1 << 17;
const addresses = { x: 1 << 16, y: (1 << 16) + 8 * capacity, result: (1 << 16) + 16 * capacity };

function evaluate(name: Name, bits: 32 | 64, xs: readonly number[], ys: readonly number[], fma: boolean): number[] {
  const module = new ModuleBuilder();
  const pages = 1 + Math.ceil((24 * capacity) / 65536);
  module.importMemory("env", "memory", { initial: pages, maximum: pages, shared: false });
  module.function({ name: "main", parameters: { bytes: "i32" }, export: true }, (f, { bytes }) => {
    const nest = new Nest(f, fma);
    nest.loop(integer(0), bytes, 16, (i) => {
      const at = (address: number) => plus(i, address);
      nest.do(v128.store(at(addresses.result), apply(nest, name, bits, nest.here(v128.load(at(addresses.x))), nest.here(v128.load(at(addresses.y))))));
    });
    nest.finish();
  });
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.bytes()), { env: { memory } });
  const array = bits === 32 ? Float32Array : Float64Array;
  new array(memory.buffer, addresses.x, xs.length).set(xs);
  new array(memory.buffer, addresses.y, ys.length).set(ys);
  (instance.exports["main"] as (bytes: number) => void)(Math.ceil((xs.length * bits) / 128) * 16);
  return Array.from(new array(memory.buffer, addresses.result, xs.length));
}

/**
 * Where each function is interesting: [low, high] intervals sampled evenly, "wide" sampled in the exponent, "turns" next
 * to multiples of π/2.
 */
const domains: Record<Name, readonly (readonly [number, number] | "wide" | "positive" | "turns")[]> = {
  exp: [[-104, 89], [-1, 1], [-746, 710], "wide"],
  expm1: [[-1, 1], [-104, 89], [-40, 710], "wide"],
  log: [[0.5, 2], [0, 100], "positive"],
  log1p: [[-0.999, 1], [0, 100], "positive", [-1, -0.99]],
  sin: [[-10, 10], [-2e6, 2e6], [-0.8, 0.8], "wide", "turns"],
  cos: [[-10, 10], [-2e6, 2e6], [-0.8, 0.8], "wide", "turns"],
  tanh: [[-2, 2], [-25, 25], "wide", [0.17, 0.6]],
  atan: [[-3, 3], [-100, 100], "wide"],
  erf: [[-1, 1], [-6, 6], "wide"],
  pow: [[0.5, 2], [0, 100], "positive"],
};

function sample(name: Name, bits: 32 | 64, count: number): number[] {
  const next = random(names.indexOf(name) + 1);
  const [lowest, highest] = bits === 32 ? [-146, 127] : [-1070, 1023];
  const round = bits === 32 ? Math.fround : (x: number) => x;
  return Array.from({ length: count }, (_, i) => {
    const domain = domains[name][i % domains[name].length]!;
    if (typeof domain === "object") return round(domain[0] + (domain[1] - domain[0]) * next());
    if (domain === "turns") return round(Math.floor(2 ** (21 * next())) * (Math.PI / 2));
    const size = (1 + next()) * 2 ** Math.floor(lowest + next() * (highest + 1 - lowest));
    return round(domain === "wide" && next() < 0.5 ? -size : size);
  });
}

/** A second operand that keeps x^y mostly finite. */
function exponents(xs: readonly number[], bits: 32 | 64): number[] {
  const next = random(7);
  const round = bits === 32 ? Math.fround : (x: number) => x;
  const limit = bits === 32 ? 104 : 745;
  return xs.map((x, i) => {
    if (i % 4 === 0) return Math.floor(next() * 9) - 4;
    const bound = Math.min(limit / Math.max(Math.abs(Math.log(Math.abs(x))), 1e-12), 1e15);
    return round((2 * next() - 1) * bound);
  });
}

/** Largest error allowed, in ulp. */
const limit = 2;

const float64: Partial<Record<Name, (x: number, y: number) => number>> = {
  exp: Math.exp, expm1: Math.expm1, log: Math.log, log1p: Math.log1p, sin: Math.sin, cos: Math.cos, tanh: Math.tanh,
  atan: Math.atan, pow: (x, y) => Math.abs(x) ** y,
};

function worst(name: Name, bits: 32 | 64, fma: boolean, count: number): { ulp: number; at: number; y: number } {
  const xs = sample(name, bits, count);
  const ys = name === "pow" ? exponents(xs, bits) : xs;
  const got = evaluate(name, bits, xs, ys, fma);
  const truth = (i: number): Exact => {
    const fast = bits === 32 ? float64[name] : undefined;
    if (!fast) return exact[name](xs[i]!, ys[i]!);
    const value = fast(xs[i]!, ys[i]!);
    return Number.isFinite(value) ? exactly(value) : { mantissa: 1n, exponent: 2000 };
  };
  let result = { ulp: 0, at: 0, y: 0 };
  got.forEach((value, i) => {
    const ulp = ulps(value, truth(i), bits);
    if (ulp > result.ulp || Number.isNaN(ulp)) result = { ulp, at: xs[i]!, y: ys[i]! };
  });
  return result;
}

describe("largest error in ulp", () => {
  for (const fma of hasFma ? [false, true] : [false]) {
    for (const bits of [32, 64] as const) {
      for (const name of names) {
        test(`${name} float${bits}${fma ? " with relaxed multiply-add" : ""}`, () => {
          const result = worst(name, bits, fma, bits === 32 && name !== "erf" ? 100_000 : 6_000);
          if (process.env["DORMOUSE_ULPS"]) console.log(`${name} ${bits} ${fma} ${result.ulp.toFixed(3)} at ${result.at} ${result.y}`);
          expect(result.ulp, `at ${result.at}`).toBeLessThanOrEqual(limit);
        });
      }
    }
  }
});

describe("angles nearest to a multiple of π/2", () => {
  // Of all numbers of the format beyond 2^20 (Muller, "Elementary functions", 3rd ed., section 11.3, for float64).
  const rows = [[32, 16367173 * 2 ** 72], [64, 6381956970095103 * 2 ** 797]] as const;
  for (const fma of hasFma ? [false, true] : [false]) {
    test.each(rows)(`float%i %d${fma ? " with relaxed multiply-add" : ""}`, (bits, x) => {
      for (const name of ["sin", "cos"] as const) {
        // Beside small lanes, a NaN and an infinity, which stay what they are.
        const others = [0.5, NaN, Infinity, 3];
        const got = evaluate(name, bits, [x, -x, ...others], others, fma);
        expect(ulps(got[0]!, exact[name](x), bits)).toBeLessThanOrEqual(2);
        expect(got[1]).toBe(name === "sin" ? -got[0]! : got[0]);
        expect(got.slice(2, 6)).toEqual(evaluate(name, bits, others, others, fma).slice(0, 4));
      }
    });
  }
});

const inf = Infinity, nan = NaN;
const specials: Record<Name, readonly (readonly [x: number, want: number, y?: number])[]> = {
  exp: [[0, 1], [-0, 1], [inf, inf], [-inf, 0], [nan, nan], [1e30, inf], [-1e30, 0]],
  expm1: [[0, 0], [-0, -0], [inf, inf], [-inf, -1], [nan, nan], [1e30, inf], [-1e30, -1]],
  log: [[0, -inf], [-0, -inf], [1, 0], [inf, inf], [-1, nan], [-inf, nan], [nan, nan]],
  log1p: [[0, 0], [-0, -0], [-1, -inf], [inf, inf], [-2, nan], [-inf, nan], [nan, nan]],
  sin: [[0, 0], [-0, -0], [inf, nan], [-inf, nan], [nan, nan]],
  cos: [[0, 1], [-0, 1], [inf, nan], [-inf, nan], [nan, nan]],
  tanh: [[0, 0], [-0, -0], [inf, 1], [-inf, -1], [nan, nan], [1e30, 1], [-50, -1]],
  atan: [[0, 0], [-0, -0], [inf, Math.PI / 2], [-inf, -Math.PI / 2], [nan, nan], [1, Math.PI / 4]],
  erf: [[0, 0], [-0, -0], [inf, 1], [-inf, -1], [nan, nan], [10, 1], [-10, -1]],
  pow: [
    [nan, 1, 0], [1, 1, nan], [0, 1, 0], [inf, 1, 0], [-inf, 1, -0], [nan, nan, 1], [2, nan, nan], [-1, nan, nan], [0, nan, nan],
    [-2, -8, 3], [-2, 4, 2], [-2, nan, 0.5], [-8, nan, 1 / 3], [-1, 1, inf], [-1, 1, -inf], [1, 1, inf],
    [0, 0, 3], [-0, -0, 3], [-0, 0, 2], [0, inf, -1], [-0, -inf, -1], [-0, inf, -2], [0, 0, inf], [0, inf, -inf], [-0, inf, -0.5],
    [inf, inf, 2], [inf, 0, -2], [-inf, -inf, 3], [-inf, inf, 2], [-inf, -0, -3], [-inf, inf, 0.5], [-inf, 0, -0.5],
    [2, inf, inf], [2, 0, -inf], [0.5, 0, inf], [0.5, inf, -inf], [-2, inf, inf], [-0.5, 0, inf], [inf, inf, inf], [inf, 0, -inf],
    [2, inf, 1e30], [0.5, 0, 1e30], [-2, inf, 1e30], [1, 1, 1e30], [10, 1000, 3], [3, 9, 2], [9, 3, 0.5],
  ],
};

describe("specials", () => {
  for (const bits of [32, 64] as const) {
    for (const name of names) {
      test(`${name} float${bits}`, () => {
        const rows = specials[name];
        const got = evaluate(name, bits, rows.map(([x]) => x), rows.map(([x, , y]) => y ?? x), false);
        const round = bits === 32 ? Math.fround : (x: number) => x;
        expect(got.map((value, i) => `${rows[i]![0]} ${rows[i]![2] ?? ""} → ${show(value)}`)).toEqual(
          rows.map(([x, want, y]) => `${x} ${y ?? ""} → ${show(round(want))}`),
        );
      });
    }
  }
});

const show = (x: number): string => (Object.is(x, -0) ? "-0" : String(x));
