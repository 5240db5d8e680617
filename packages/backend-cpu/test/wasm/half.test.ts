/** Conversion of half precision in vectors, over all patterns, against the definition in float64 on the host. */
import { float16Bits, float16Value } from "@dormouse/tensor/graph";
import { describe, expect, test } from "vitest";
import { v128 } from "../../src/wasm/encoder.ts";
import { narrowToHalves, widenHalves } from "../../src/wasm/half.ts";
import type { Vector } from "../../src/wasm/math.ts";
import { ModuleBuilder } from "../../src/wasm/module.ts";
import { Nest, integer, plus } from "../../src/wasm/nest.ts";
import { hasFma, random } from "./kernel-support.ts";

/** Runs a function of four lanes over 32-bit words. */
function convert(convertLanes: (nest: Nest, x: Vector) => Vector, words: Uint32Array): Uint32Array {
  const length = Math.ceil(words.length / 4) * 4;
  const pages = 1 + Math.ceil((8 * length) / 65536);
  const [from, to] = [65536, 65536 + 4 * length];
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", { initial: pages + 1, maximum: pages + 1, shared: false });
  module.function({ name: "main", parameters: { bytes: "i32" }, export: true }, (f, { bytes }) => {
    const nest = new Nest(f, hasFma);
    nest.loop(integer(0), bytes, 16, (i) =>
      nest.do(v128.store(plus(i, to), convertLanes(nest, nest.here(v128.load(plus(i, from)))))),
    );
    nest.finish();
  });
  const memory = new WebAssembly.Memory({ initial: pages + 1, maximum: pages + 1 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.bytes()), { env: { memory } });
  new Uint32Array(memory.buffer, from, words.length).set(words);
  (instance.exports["main"] as (bytes: number) => void)(4 * length);
  return new Uint32Array(memory.buffer, to, words.length).slice();
}

const signExtended = (bits: number): number => (bits << 16) >> 16;
const widen = (patterns: readonly number[]): Float32Array =>
  new Float32Array(convert(widenHalves, Uint32Array.from(patterns, signExtended)).buffer);
/** The patterns, which have to come sign-extended. */
function narrow(values: Float32Array): Uint32Array {
  const words = convert(narrowToHalves, new Uint32Array(values.buffer, values.byteOffset, values.length));
  for (const word of words) if (signExtended(word) !== (word | 0)) throw new Error(`${word} is not sign-extended`);
  return words.map((word) => word & 0xffff);
}

const patterns = Array.from({ length: 65536 }, (_, bits) => bits);
const isNaNPattern = (bits: number): boolean => (bits & 0x7fff) > 0x7c00;

/** Positions where two lists differ, with what is there: one expectation for many numbers. */
function differences(got: ArrayLike<number>, wanted: ArrayLike<number>): string[] {
  const found: string[] = [];
  for (let i = 0; i < wanted.length; i++) if (!Object.is(got[i], wanted[i])) found.push(`${i}: ${got[i]} for ${wanted[i]}`);
  return found.slice(0, 5);
}

describe("half precision in vectors", () => {
  test("every pattern widens to its number", () => {
    expect(differences(widen(patterns), patterns.map(float16Value))).toEqual([]);
  });

  test("every number narrows to its pattern, NaN to a quiet one", () => {
    const numbers = patterns.filter((bits) => !isNaNPattern(bits));
    expect(differences(narrow(Float32Array.from(numbers, float16Value)), numbers)).toEqual([]);
    expect([...narrow(Float32Array.of(NaN))].map((bits) => bits & 0x7fff)).toEqual([0x7e00]);
  });

  test("around every number, half way to its neighbor and beside that, it rounds as the host does", () => {
    const values: number[] = [];
    for (let bits = 0; bits < 0x7c00; bits++) {
      const low = float16Value(bits);
      const middle = (low + (bits === 0x7bff ? 65536 : float16Value(bits + 1))) / 2;
      const step = middle * 2 ** -23;
      values.push(middle, middle - step, middle + step, -middle, low + step, low - step);
    }
    const given = Float32Array.from(values);
    expect(differences(narrow(given), Array.from(given, float16Bits))).toEqual([]);
  });

  test("any float32 rounds as the host does", () => {
    const next = random(7);
    const words = Uint32Array.from({ length: 1 << 18 }, () => next() * 2 ** 32);
    const values = new Float32Array(words.buffer).map((value) => (Number.isNaN(value) ? 65519.996 : value));
    // Most words are far outside of float16, so half of them are brought near.
    const near = values.map((value, i) => (i % 2 ? value : (next() - 0.5) * 2 ** (34 * next() - 17)));
    expect(differences(narrow(near), Array.from(near, float16Bits))).toEqual([]);
    expect([...narrow(Float32Array.of(0, -0, Infinity, -Infinity, 65519.99, 65520, 2 ** -25, -(2 ** -149)))]).toEqual([
      0, 0x8000, 0x7c00, 0xfc00, 0x7bff, 0x7c00, 0, 0x8000,
    ]);
  });
});
