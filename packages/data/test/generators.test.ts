import { describe, expect, test } from "vitest";
import {
  type Gate,
  blobs,
  circles,
  digits,
  gate,
  linearSamples,
  moons,
  polynomialSamples,
  sineSamples,
  spirals,
} from "../src/index.ts";

const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

describe("points", () => {
  test.each<[Gate, number[]]>([
    ["and", [0, 0, 0, 1]],
    ["or", [0, 1, 1, 1]],
    ["xor", [0, 1, 1, 0]],
    ["nand", [1, 1, 1, 0]],
    ["nor", [1, 0, 0, 0]],
    ["xnor", [1, 0, 0, 1]],
  ])("%s", (name, outputs) => {
    expect([...gate(name).field("x").data]).toEqual([0, 0, 0, 1, 1, 0, 1, 1]);
    expect([...gate(name).field("y").data]).toEqual(outputs);
    expect(gate(name, { count: 7 }).length).toBe(7);
  });
  test.each([
    ["moons", moons, 2],
    ["circles", circles, 2],
    ["spirals", spirals, 2],
    ["blobs", blobs, 3],
  ] as const)("%s: seeded, balanced, and any count", (_, make, classes) => {
    for (const count of [0, 1, 2, 97]) {
      const data = make({ count, seed: 3 });
      expect(data.length).toBe(count);
      expect(data.field("x").shape).toEqual([count, 2]);
      const labels = [...data.field("y").data];
      for (let label = 0; label < classes; label++) {
        expect(labels.filter((y) => y === label).length).toBe(Math.max(0, Math.ceil((count - label) / classes)));
      }
    }
    expect(make({ seed: 3 }).field("x")).toEqual(make({ seed: 3 }).field("x"));
    expect(make({ seed: 3 }).field("x")).not.toEqual(make({ seed: 4 }).field("x"));
    expect(() => make({ count: -1 })).toThrow(/count -1/);
    expect(() => make({ noise: NaN })).toThrow(/noise NaN/);
  });
  test("without noise the points are on their curves", () => {
    const radius = (data: ReturnType<typeof circles>): number[] => {
      const { data: x } = data.field("x");
      return Array.from({ length: data.length }, (_, i) => Math.hypot(x[2 * i]!, x[2 * i + 1]!));
    };
    radius(circles({ noise: 0, factor: 0.3 })).forEach((r, i) => expect(r).toBeCloseTo(i % 2 === 0 ? 1 : 0.3, 5));
    const { data: x } = moons({ noise: 0 }).field("x");
    for (let i = 0; i < 200; i++) {
      const [a, b] = [x[2 * i]!, x[2 * i + 1]!];
      expect(i % 2 === 0 ? Math.hypot(a, b) : Math.hypot(a - 1, b - 0.5)).toBeCloseTo(1, 5);
      expect(i % 2 === 0 ? b >= 0 : b <= 0.5).toBe(true);
    }
  });
  test("blobs surround their centers", () => {
    const data = blobs({
      count: 4000,
      centers: [
        [0, 0, 10],
        [5, -5, 0],
      ],
      noise: 2,
    });
    const { data: x } = data.field("x");
    const coordinates = Array.from({ length: 2000 }, (_, i) => x[(2 * i + 1) * 3 + 1]!);
    expect(Math.abs(mean(coordinates) + 5)).toBeLessThan((5 * 2) / Math.sqrt(2000));
    expect(() => blobs({ centers: [[1, 2], [3]] })).toThrow(/different numbers of coordinates/);
  });
});

describe("samples", () => {
  test.each([
    ["linearSamples", linearSamples({ noise: 0, weights: [3], bias: -1 }), (x: number) => 3 * x - 1],
    ["sineSamples", sineSamples({ noise: 0, frequency: 2, range: [0, 1] }), (x: number) => Math.sin(4 * Math.PI * x)],
    [
      "polynomialSamples",
      polynomialSamples({ noise: 0, coefficients: [1, 2, 3] }),
      (x: number) => 1 + 2 * x + 3 * x * x,
    ],
  ])("%s follows its function", (_, data, f) => {
    const [x, y] = [data.field("x"), data.field("y")];
    expect(x.shape).toEqual([100, 1]);
    expect(y.shape).toEqual([100, 1]);
    x.data.forEach((value, i) => expect(y.data[i]).toBeCloseTo(f(value), 5));
  });
  test("noise has the standard deviation asked for", () => {
    const data = linearSamples({ count: 10_000, noise: 0.5, weights: [0, 0], bias: 0 });
    expect(Math.abs(mean([...data.field("y").data].map((y) => y * y)) - 0.25)).toBeLessThan(
      5 * 0.25 * Math.sqrt(2 / 10_000),
    );
  });
});

describe("digits", () => {
  test("bytes of 28 by 28 and labels, the same for the same seed, a prefix for a smaller count", () => {
    const data = digits({ count: 57, seed: 9 });
    expect(data.field("x").dtype).toBe("uint8");
    expect(data.field("x").shape).toEqual([57, 28, 28]);
    expect(data.field("y").dtype).toBe("int32");
    expect(digits({ count: 20, seed: 9 }).field("x")).toEqual(data.take(20).field("x"));
    expect(digits({ count: 57, seed: 8 }).field("x")).not.toEqual(data.field("x"));
    expect(digits({ count: 0 }).length).toBe(0);
  });
  test.each([8, 17, 28, 64])("at %i pixels ink is a small bright part of a dark image", (size) => {
    const { data } = digits({ count: 100, size }).field("x");
    const bright = data.filter((value) => value > 100).length / data.length;
    expect(bright).toBeGreaterThan(0.04);
    expect(bright).toBeLessThan(0.35);
  });
  test("all classes are equally likely", () => {
    const counts = new Array<number>(10).fill(0);
    for (const label of digits({ count: 3000, size: 8 }).field("y").data) counts[label]!++;
    // Chi-squared with 9 degrees of freedom: 27.9 has probability 0.001.
    expect(counts.reduce((sum, seen) => sum + (seen - 300) ** 2 / 300, 0)).toBeLessThan(27.9);
  });
  test("digits look like themselves: the nearest of 2000 images has the same label in most cases", () => {
    const data = digits({ count: 2200, size: 14 });
    const [x, y] = [data.field("x").data, data.field("y").data];
    const size = 14 * 14;
    let right = 0;
    for (let i = 2000; i < 2200; i++) {
      let [best, nearest] = [Infinity, -1];
      for (let j = 0; j < 2000; j++) {
        let distance = 0;
        for (let k = 0; k < size && distance < best; k++) distance += (x[i * size + k]! - x[j * size + k]!) ** 2;
        if (distance < best) [best, nearest] = [distance, j];
      }
      if (y[nearest] === y[i]) right++;
    }
    expect(right / 200).toBeGreaterThan(0.75);
  });
  test("refuses sizes it cannot draw", () => {
    expect(() => digits({ size: 7 })).toThrow(/size 7; use 8 to 256 pixels/);
    expect(() => digits({ count: 1.5 })).toThrow(/count 1.5/);
  });
});
