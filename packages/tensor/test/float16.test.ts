import { describe, expect, test } from "vitest";
import { float16Bits, float16Value, roundTo, toStored, viewOf } from "@dormouse/tensor/graph";
import { type Float16Elements, type Tensor, add, cast, compile, format, matmul, mul, sum, tensor } from "@dormouse/tensor";
import { useReference } from "./reference-device.ts";

const patterns = Array.from({ length: 65536 }, (_, bits) => bits);
const isNaNPattern = (bits: number): boolean => (bits & 0x7fff) > 0x7c00;

/** binary16 by its definition: (−1)ˢ · 2ᵉ⁻¹⁵ · (1 + f/2¹⁰), subnormal at e = 0, special at e = 31. */
function defined(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction === 0 ? (sign ? -Infinity : Infinity) : NaN;
  const size = exponent === 0 ? fraction / 1024 / 2 ** 14 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return sign ? -size : size;
}

describe("conversion of numbers to 16 bits and back", () => {
  test("every pattern stands for the number that the definition gives it", () => {
    for (const bits of patterns) expect(Object.is(float16Value(bits), defined(bits)), bits.toString(16)).toBe(true);
  });

  test("every pattern comes back from its number, NaN as the quiet one", () => {
    for (const bits of patterns) expect(float16Bits(float16Value(bits))).toBe(isNaNPattern(bits) ? 0x7e00 : bits);
  });

  test("a number between two neighbors goes to the nearer, a tie to the even pattern", () => {
    for (let bits = 0; bits < 0x7c00; bits++) {
      const [low, high] = [defined(bits), bits === 0x7bff ? 65536 : defined(bits + 1)];
      const middle = (low + high) / 2;
      const next = (high - low) * 2 ** -30;
      expect(float16Bits(middle - next), `below ${middle}`).toBe(bits);
      expect(float16Bits(middle + next), `above ${middle}`).toBe(bits + 1);
      expect(float16Bits(middle), `at ${middle}`).toBe(bits + (bits & 1));
      expect(float16Bits(-middle)).toBe(0x8000 | (bits + (bits & 1)));
    }
  });

  test("what is smaller than half of the smallest goes to zero and keeps its sign", () => {
    expect(float16Bits(2 ** -25)).toBe(0);
    expect(float16Bits(2 ** -25 * (1 + 2 ** -52))).toBe(1);
    expect(float16Bits(-(2 ** -1074))).toBe(0x8000);
    expect(float16Bits(-0)).toBe(0x8000);
  });

  test("a cast from float64 rounds once where rounding through float32 would round twice", () => {
    const justAboveTie = 1 + 2 ** -11 + 2 ** -40;
    expect(roundTo("float16", justAboveTie)).toBe(1 + 2 ** -10);
    expect(roundTo("float16", Math.fround(justAboveTie))).toBe(1);
  });

  test("bytes of a buffer are the patterns, its values a Float32Array", () => {
    const stored = toStored("float16", Float32Array.of(1, -2, 65504, 2 ** -24, Infinity));
    expect([...stored]).toEqual([0x3c00, 0xc000, 0x7bff, 1, 0x7c00]);
    const values = viewOf("float16", stored.buffer as ArrayBuffer);
    expect(values).toBeInstanceOf(Float32Array);
    expect([...values]).toEqual([1, -2, 65504, 2 ** -24, Infinity]);
  });
});

describe("float16 tensors", () => {
  useReference();

  test("hold what numbers round to", async () => {
    const x = tensor([0.1, 1 / 3, 1e5, NaN], { dtype: "float16" });
    expect(await x.data()).toEqual(Float32Array.of(0.0999755859375, 0.333251953125, Infinity, NaN));
  });

  test("come of typed arrays, rounded, and of a Float16Array as they are", async () => {
    const doubles = Float64Array.of(1 / 3, 65519, 65520);
    expect(await tensor(doubles, { dtype: "float16" }).data()).toEqual(Float32Array.of(0.333251953125, 65504, Infinity));
    expect(await tensor(Int32Array.of(2049), { dtype: "float16" }).data()).toEqual(Float32Array.of(2048));
    expect(await tensor([true, false], { dtype: "float16" }).array()).toEqual([1, 0]);
    // Older engines lack the class, so one of the same name stands for it.
    class Float16Array extends Float32Array {
      override get [Symbol.toStringTag]() {
        return "Float16Array" as never;
      }
    }
    const halves = Float16Array.of(0.5, -2) as unknown as Float16Elements;
    expect(tensor(halves).dtype).toBe("float16");
    expect(await tensor(halves, { shape: [2, 1] }).array()).toEqual([[0.5], [-2]]);
    const native = (globalThis as { Float16Array?: { of(...values: number[]): Float16Elements } }).Float16Array;
    if (native) expect(await tensor(native.of(0.1)).item()).toBe(0.0999755859375);
  });

  test("are inputs and results of a compiled function, and may be donated", async () => {
    const step = compile((x: Tensor) => mul(x, 0.5), { donate: [0] });
    let x: Tensor = tensor([1, 3, 5], { dtype: "float16" });
    for (let i = 0; i < 30; i++) x = step(x);
    // 2⁻³⁰ · 5 is below half of the smallest float16.
    expect(await x.data()).toEqual(Float32Array.of(0, 0, 0));
    expect(x.dtype).toBe("float16");
  });

  test("print as what they hold", async () => {
    expect(await format(tensor([0.1, 2], { dtype: "float16" }))).toBe("tensor([0.1000, 2.0000], float16 [2])");
  });

  test("compute in float32 and round when they are stored", async () => {
    const x = tensor([300, 2 ** -20], { dtype: "float16" });
    // 300² overflows float16, but nothing stores it.
    expect(await mul(mul(x, x), 2 ** -10).data()).toEqual(Float32Array.of(87.875, 0));
    const square = mul(x, x);
    expect(await square.data()).toEqual(Float32Array.of(Infinity, 0));
    expect(await mul(square, 2 ** -10).data()).toEqual(Float32Array.of(Infinity, 0));
    expect(await sum(tensor(Array<number>(4096).fill(1), { dtype: "float16" })).data()).toEqual(Float32Array.of(4096));
  });

  test("a product accumulates in float32", async () => {
    const row = tensor([[2048, 1, 1, 1]], { dtype: "float16" });
    const column = tensor([[1], [1], [1], [1]], { dtype: "float16" });
    // In float16 2048 + 1 is 2048.
    expect(await matmul(row, column).array()).toEqual([[2052]]);
  });

  test("a cast to float16 rounds, also where the next operation is in the same kernel", async () => {
    const x = tensor([0.1, 2049], { dtype: "float32" });
    expect(await cast(cast(x, "float16"), "float32").data()).toEqual(Float32Array.of(0.0999755859375, 2048));
    expect(await add(cast(x, "float16"), cast(x, "float16")).data()).toEqual(Float32Array.of(0.199951171875, 4096));
  });
});
