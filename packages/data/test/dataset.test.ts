import { Tensor, key } from "@dormouse/tensor";
import type { HostStorage } from "@dormouse/tensor/graph";
import { describe, expect, test } from "vitest";
import { type FieldInput, type Source, dataset, loader } from "../src/index.ts";
import { tensorOf } from "../src/host.ts";

/** Values of a tensor that has not been on a device. */
const valuesOf = (tensor: Tensor): number[] => [...(tensor.storage as HostStorage).data];
const counting = (n: number) =>
  dataset({
    x: { data: Float32Array.from({ length: n * 3 }, (_, i) => i), shape: [n, 3] },
    y: Int32Array.from({ length: n }, (_, i) => 100 + i),
  });

describe("fields", () => {
  test.each<[string, FieldInput, string, number[], number[]]>([
    [
      "nested numbers",
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      "float32",
      [3, 2],
      [1, 2, 3, 4, 5, 6],
    ],
    ["plain numbers", [1.5, -2], "float32", [2], [1.5, -2]],
    ["booleans", [true, false, true], "bool", [3], [1, 0, 1]],
    [
      "bytes with a shape",
      { data: new Uint8Array(12).fill(255), shape: [3, 2, 2] },
      "uint8",
      [3, 2, 2],
      new Array<number>(12).fill(255),
    ],
    ["float64", Float64Array.of(0.1), "float64", [1], [0.1]],
    ["int64 becomes int32", BigInt64Array.of(-5n, 2147483647n), "int32", [2], [-5, 2147483647]],
    ["int16 becomes int32", Int16Array.of(-3), "int32", [1], [-3]],
    ["clamped bytes", Uint8ClampedArray.of(300), "uint8", [1], [255]],
    ["numbers rounded to float16", { data: [0.1, 2049], dtype: "float16" }, "float16", [2], [0.0999755859375, 2048]],
    ["floats rounded to float16", { data: Float32Array.of(0.1), dtype: "float16" }, "float16", [1], [0.0999755859375]],
    ["numbers of a named dtype", { data: [7, 0], dtype: "int32" }, "int32", [2], [7, 0]],
    ["nothing", { data: new Float32Array(0), shape: [0, 5] }, "float32", [0, 5], []],
  ])("%s", (_, input, dtype, shape, values) => {
    const field = dataset({ a: input }).field("a");
    expect(field.dtype).toBe(dtype);
    expect(field.shape).toEqual(shape);
    expect([...field.data]).toEqual(values);
  });

  test.each<[string, Record<string, FieldInput>, RegExp]>([
    [
      "NaN",
      { x: { data: Float32Array.from({ length: 24 }, (_, i) => (i === 22 ? NaN : i)), shape: [8, 3] } },
      /^data: NaN in field x at row 7; .*check: "none"/,
    ],
    ["infinity", { y: [0, -Infinity] }, /^data: -Infinity in field y at row 1;/],
    ["lengths", { x: [[1], [2]], y: [1, 2, 3] }, /field x has 2 examples and field y has 3/],
    ["ragged", { x: [[1, 2], [3]] }, /field x is ragged: row 1 has 1 where 2 stood/],
    ["text", { x: [["a"]] as unknown as FieldInput }, /field x has "a" at row 0/],
    ["shape", { x: { data: new Float32Array(7), shape: [2, 3] } }, /7 values, shape \[2, 3\] holds 6/],
    ["scalar shape", { x: { data: new Float32Array(1), shape: [] } }, /first axis counts the examples/],
    [
      "int64 out of range",
      { y: BigInt64Array.of(1n, 2n ** 40n) },
      /value 1099511627776 at position 1, which int32 cannot hold/,
    ],
    ["beyond float16", { y: { data: [1, 65520], dtype: "float16" } }, /Infinity/],
    ["fraction as integer", { y: { data: [0.5], dtype: "int32" } }, /value 0.5 at position 0/],
    ["no fields", {}, /at least one field/],
    ["reserved name", { indices: [1] }, /cannot be named indices/],
  ])("%s is an error", (_, fields, message) => {
    expect(() => dataset(fields)).toThrow(message);
  });

  test("check none lets NaN through", () => {
    expect(dataset({ x: [NaN, 1] }, { check: "none" }).length).toBe(2);
  });
});

describe("dataset", () => {
  test("subset, slice and take compose and keep the memory", () => {
    const all = counting(11);
    const some = all.subset([10, 0, 5, 5]).slice(1).subset([2, 0]);
    expect([...some.field("y").data]).toEqual([105, 100]);
    expect([...some.field("x").data]).toEqual([15, 16, 17, 0, 1, 2]);
    expect(some.fields.x!.data).toBe(all.fields.x!.data);
    expect(all.take(3).length).toBe(3);
    expect(all.slice(-2).length).toBe(2);
    expect(all.take(0).length).toBe(0);
  });
  test("errors name what there is", () => {
    expect(() => counting(3).subset([1, 3])).toThrow(/index 3 is not below the 3 examples/);
    expect(() => counting(3).field("z")).toThrow("data: there is no field z; fields are x, y");
    expect(() => counting(3).field("toString")).toThrow(/no field toString/);
  });
  test("batch without positions is everything, in order", () => {
    const some = counting(5).subset([4, 1, 1]);
    expect(valuesOf(some.batch().y)).toEqual([104, 101, 101]);
    expect(valuesOf(some.map(({ y }) => ({ label: y })).batch().label)).toEqual([104, 101, 101]);
    expect(counting(3).take(0).batch().x.shape).toEqual([0, 3]);
  });
  test("map runs once for each batch, on tensors, in order", () => {
    const sizes: number[] = [];
    const mapped = counting(5)
      .map(({ x, y }) => {
        sizes.push(x.shape[0]!);
        return { input: x, y };
      })
      .map(({ input, y }) => ({ pair: [input, y] as const }));
    const batches = [...loader(mapped, { batch: 2 })];
    expect(sizes).toEqual([2, 2, 1]);
    expect(valuesOf(batches[2]!.pair[1])).toEqual([104]);
  });
});

describe("loader", () => {
  test.each([
    [1, 1],
    [1, 7],
    [7, 7],
    [8, 7],
    [13, 4],
    [97, 32],
    [128, 128],
    [129, 128],
  ])("%i examples in batches of %i: every one once, ceil(n / r) batches", (n, batch) => {
    for (const shuffle of [undefined, 3]) {
      const loaded = loader(counting(n), { batch, ...(shuffle !== undefined && { shuffle }) });
      const batches = [...loaded];
      expect(batches.length).toBe(Math.ceil(n / batch));
      expect(loaded.length).toBe(batches.length);
      const labels = batches.flatMap(({ y }) => valuesOf(y));
      expect([...labels].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => 100 + i));
      for (const { x, y, indices } of batches) {
        expect(x.shape).toEqual([indices.length, 3]);
        expect(
          valuesOf(x)
            .filter((_, i) => i % 3 === 0)
            .map((value) => value / 3 + 100),
        ).toEqual(valuesOf(y));
        expect([...indices].map((index) => index + 100)).toEqual(valuesOf(y));
      }
      const dropped = [...loader(counting(n), { batch, dropLast: true })];
      expect(dropped.length).toBe(Math.floor(n / batch));
    }
  });

  const order = (data: Iterable<{ indices: Uint32Array }>): number[] =>
    [...data].flatMap(({ indices }) => [...indices]);
  test("the order is a function of seed and epoch", () => {
    const make = (options: object) => loader(counting(50), { batch: 8, ...options });
    const walking = make({ shuffle: 1 });
    const [first, second] = [order(walking), order(walking)];
    expect(first).not.toEqual(second);
    expect(order(make({ shuffle: 1 }))).toEqual(first);
    expect(order(make({ shuffle: 1, epoch: 1 }))).toEqual(second);
    expect(order(walking.epoch(0))).toEqual(first);
    expect(order(walking.epoch(1, 3))).toEqual(second.slice(24));
    expect(order(make({ shuffle: 2 }))).not.toEqual(first);
    expect(order(make({}))).toEqual(Array.from({ length: 50 }, (_, i) => i));
  });
  test("a key shuffles as its seed does, by both its words", () => {
    for (const seed of [0, 7, -1, 2 ** 40 + 3]) {
      expect(order(loader(counting(40), { shuffle: key(seed) }))).toEqual(
        order(loader(counting(40), { shuffle: seed })),
      );
    }
    const words = (...values: number[]) => tensorOf({ data: Uint32Array.from(values), shape: [2], dtype: "uint32" });
    const of = (...values: number[]) => order(loader(counting(40), { shuffle: words(...values) }));
    expect(of(0, 7)).toEqual(of(0, 7));
    expect(of(0, 7)).not.toEqual(of(7, 0));
    expect(of(0, 7)).not.toEqual(of(0, 8));
  });
  test.each([0, 1, 3, 100])("for await with prefetch %i gives the same batches", async (prefetch) => {
    const seen: number[] = [];
    for await (const { y, indices } of loader(counting(23), { batch: 4, shuffle: 5, prefetch })) {
      expect(valuesOf(y)).toEqual([...indices].map((index) => index + 100));
      seen.push(...indices);
      if (seen.length > 8) await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(seen).toEqual(order(loader(counting(23), { batch: 4, shuffle: 5 })));
  });
  test("prefetch makes batches while the program waits, and no more than asked", async () => {
    let made = 0;
    const source: Source<{ n: number }> = { length: 10, batch: async (rows) => (made++, { n: rows.length }) };
    const walk = loader(source, { batch: 1, prefetch: 2 })[Symbol.asyncIterator]();
    await walk.next();
    expect(made).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(made).toBe(3);
    expect(() => [...loader(source)]).toThrow(/use for await/);
  });
  test("leaving the loop early makes no more batches", async () => {
    let made = 0;
    const source: Source<object> = { length: 10, batch: async () => (made++, {}) };
    for await (const { indices } of loader(source, { batch: 1, prefetch: 4 })) if (indices[0] === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(made).toBe(1);
  });
  test("a failing source fails where its batch is asked for", async () => {
    const source: Source<object> = {
      length: 3,
      batch: async ([row]) => {
        if (row === 1) throw new Error("disk");
        return {};
      },
    };
    const walk = loader(source, { batch: 1, prefetch: 2 })[Symbol.asyncIterator]();
    await walk.next();
    await new Promise((resolve) => setTimeout(resolve, 20));
    await expect(walk.next()).rejects.toThrow("disk");
  });
  test("a batch is a tree of tensors: indices are not enumerable", () => {
    const [batch] = loader(counting(3));
    expect(Object.keys(batch!)).toEqual(["x", "y"]);
    expect(batch!.x).toBeInstanceOf(Tensor);
    expect(batch!.indices.length).toBe(3);
  });
  test.each([
    [{ batch: 0 }, /loader: batch 0 is not a whole number from 1/],
    [{ batch: -3 }, /batch -3/],
    [{ batch: 1.5 }, /batch 1.5/],
    [{ batch: NaN }, /batch NaN/],
    [{ shuffle: 0.5 }, /shuffle 0.5/],
    [{ epoch: -1 }, /epoch -1/],
    [{ prefetch: -1 }, /prefetch -1/],
  ])("%o is an error", (options, message) => {
    expect(() => loader(counting(3), options)).toThrow(message);
  });
  test("an empty dataset is an error", () => {
    expect(() => loader(counting(0))).toThrow("loader: the dataset is empty; check the split or the file it came from");
  });
});
