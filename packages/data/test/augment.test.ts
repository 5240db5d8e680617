import type { Tensor } from "@dormouse/tensor";
import type { HostStorage } from "@dormouse/tensor/graph";
import { describe, expect, test } from "vitest";
import { type AugmentationOptions, dataset, digits, imageAugmentation, loader } from "../src/index.ts";

const valuesOf = (tensor: Tensor): number[] => [...(tensor.storage as HostStorage).data];
const image = (height: number, width: number) => Float32Array.from({ length: height * width }, (_, i) => i + 1);
const changed = (options: AugmentationOptions, height = 3, width = 5, epoch = 0): number[] => {
  const data = dataset({ x: { data: image(height, width), shape: [1, height, width] } });
  return valuesOf(data.augment("x", imageAugmentation(options)).batch([0], epoch).x);
};

describe("imageAugmentation", () => {
  test("nothing asked for, nothing changed", () => {
    expect(changed({})).toEqual([...image(3, 5)]);
  });
  test("flip mirrors every row, about half of the time", () => {
    const mirrored = [5, 4, 3, 2, 1, 10, 9, 8, 7, 6, 15, 14, 13, 12, 11].join();
    let flips = 0;
    for (let epoch = 0; epoch < 400; epoch++) {
      const got = changed({ flip: true }, 3, 5, epoch).join();
      expect([mirrored, image(3, 5).join()]).toContain(got);
      if (got === mirrored) flips++;
    }
    expect(Math.abs(flips - 200)).toBeLessThan(50);
  });
  test("a flat image stays flat inside under shift, turn and zoom", () => {
    const data = dataset({ x: { data: new Uint8Array(21 * 21).fill(200), shape: [1, 21, 21] } });
    const augmented = data.augment("x", imageAugmentation({ shift: 2, rotate: 3, zoom: 0.2 }));
    for (let epoch = 0; epoch < 20; epoch++) {
      const values = valuesOf(augmented.batch([0], epoch).x);
      for (let y = 7; y < 14; y++) for (let x = 7; x < 14; x++) expect(values[y * 21 + x]).toBe(200);
    }
  });
  test("a shift moves the center of mass by no more than asked, in both directions", () => {
    const dot = new Float32Array(15 * 15);
    dot[7 * 15 + 7] = 1;
    const data = dataset({ x: { data: dot, shape: [1, 15, 15] } }).augment("x", imageAugmentation({ shift: 3 }));
    const moves: number[] = [];
    for (let epoch = 0; epoch < 200; epoch++) {
      const values = valuesOf(data.batch([0], epoch).x);
      const mass = values.reduce((sum, value) => sum + value, 0);
      expect(mass).toBeCloseTo(1, 5);
      moves.push(values.reduce((sum, value, i) => sum + value * ((i % 15) - 7), 0));
    }
    expect(Math.max(...moves)).toBeLessThanOrEqual(3);
    expect(Math.max(...moves)).toBeGreaterThan(2.5);
    expect(Math.min(...moves)).toBeLessThan(-2.5);
  });
  test("a square is cut out, no larger than asked", () => {
    const data = dataset({ x: { data: new Uint8Array(2 * 3 * 16 * 16).fill(9), shape: [2, 3, 16, 16] } });
    const values = valuesOf(data.augment("x", imageAugmentation({ cutout: 5 })).batch([1, 0]).x);
    for (let i = 0; i < 2; i++) {
      const planes = [0, 1, 2].map((c) => values.slice((3 * i + c) * 256, (3 * i + c + 1) * 256).join());
      expect(new Set(planes).size).toBe(1);
      const empty = planes[0]!.split(",").filter((value) => value === "0").length;
      expect(empty).toBeGreaterThan(0);
      expect(empty).toBeLessThanOrEqual(36);
    }
  });
  test("noise has its standard deviation and keeps bytes in range", () => {
    const data = dataset({ x: { data: new Float32Array(100 * 100), shape: [1, 100, 100] } });
    const values = valuesOf(data.augment("x", imageAugmentation({ noise: 2 })).batch([0]).x);
    const variance = values.reduce((sum, value) => sum + value * value, 0) / values.length;
    expect(Math.abs(variance - 4)).toBeLessThan(5 * 4 * Math.sqrt(2 / values.length));
    const bytes = valuesOf(digits({ count: 3 }).augment("x", imageAugmentation({ noise: 90 })).batch([0, 1, 2]).x);
    expect(Math.min(...bytes)).toBe(0);
    expect(Math.max(...bytes)).toBe(255);
  });
  test("an image's change depends on epoch and row only, not on its batch", () => {
    const data = digits({ count: 12, size: 9 }).augment("x", imageAugmentation({ rotate: 1, seed: 4 }));
    const byRow = (epoch: number, batch: number): Map<number, string> => {
      const seen = new Map<number, string>();
      for (const { x, indices } of loader(data, { batch, shuffle: 1 }).epoch(epoch)) {
        indices.forEach((row, i) => seen.set(row, valuesOf(x).slice(81 * i, 81 * (i + 1)).join()));
      }
      return seen;
    };
    expect(new Map([...byRow(0, 5)].sort())).toEqual(new Map([...byRow(0, 12)].sort()));
    expect(byRow(0, 12).get(3)).not.toBe(byRow(1, 12).get(3));
    expect(valuesOf(data.subset([3]).batch([0]).x).join()).toBe(byRow(0, 5).get(3));
  });
  test("changes follow each other, and come before map", () => {
    const data = dataset({ x: { data: image(1, 3), shape: [1, 1, 3] } })
      .augment("x", (field) => ({ ...field, data: field.data.map((value) => value + 1) }))
      .map(({ x }, { epoch, rows }) => ({ x, epoch, rows }))
      .augment("x", (field) => ({ ...field, data: field.data.map((value) => value * 10) }));
    const { x, epoch, rows } = data.batch([0], 6);
    expect(valuesOf(x)).toEqual([20, 30, 40]);
    expect([epoch, [...rows]]).toEqual([6, [0]]);
  });
  test("errors", () => {
    expect(() => imageAugmentation({ shift: -1 })).toThrow(/imageAugmentation: shift -1; use a number from 0/);
    expect(() => imageAugmentation({ zoom: 1 })).toThrow(/zoom 1; use a number from 0 to below 1/);
    expect(() => digits({ count: 1 }).augment("z", (field) => field)).toThrow(/no field z/);
    expect(() => digits({ count: 1 }).augment("y", imageAugmentation()).batch([0])).toThrow(/int32 .* are not images/);
  });
});
