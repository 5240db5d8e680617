import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readIdx, readImage, readNpz, readSafetensors, writeIdx, writeNpz, writePng, writeSafetensors } from "@dormouse/formats";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, describe, expect, test, vi } from "vitest";
import {
  channelsFirst,
  dataset,
  examples,
  fitFeatures,
  labeledFiles,
  loader,
  readParquet,
  resizeImage,
  streamParquet,
} from "../src/index.ts";
import { valuesOf } from "./values.ts";

const folder = mkdtempSync(join(tmpdir(), "dormouse-files-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("arrays of files", () => {
  const x = { data: Float32Array.of(1, 2, 3, 4), shape: [2, 2] };
  const y = { data: BigInt64Array.of(7n, -1n), shape: [2] };
  test("npz and safetensors as they were read", async () => {
    const { tensors } = readSafetensors(writeSafetensors({ x, y }));
    for (const arrays of [await readNpz(await writeNpz({ x, y })), tensors]) {
      const batch = dataset(arrays).batch([1, 0]);
      expect(valuesOf(batch["x"]!)).toEqual([3, 4, 1, 2]);
      expect([batch["y"]!.dtype, valuesOf(batch["y"]!)]).toEqual(["int32", [-1, 7]]);
    }
  });
  test("IDX by name; integers that int32 cannot hold", () => {
    const images = readIdx(writeIdx({ data: Uint8Array.of(1, 2, 3, 4), shape: [2, 1, 2] }));
    const data = dataset({ x: images, y: readIdx(writeIdx({ data: Uint8Array.of(5, 6), shape: [2] })) });
    expect([data.batch([1]).x.dtype, data.batch([1]).x.shape]).toEqual(["uint8", [1, 1, 2]]);
    const wide = new Map([["x", { data: BigInt64Array.of(2n ** 40n), shape: [1] }]]);
    expect(() => dataset(wide)).toThrow(/field x has the value 1099511627776 at position 0, which int32 cannot hold/);
    expect(() => dataset(new Map())).toThrow(/at least one field/);
  });
});

describe("Parquet", () => {
  const length = 25;
  const rows = Array.from({ length }, (_, i) => i);
  const file = parquetWriteBuffer({
    columnData: [
      { name: "size", data: rows.map((i) => i * i + 0.5), type: "DOUBLE" },
      { name: "kind", data: rows.map((i) => (i % 2 === 0 ? "a" : "b")), type: "STRING" },
      { name: "count", data: rows.map((i) => BigInt((i * 7) % 5)), type: "INT64" },
      { name: "gap", data: rows.map((i) => (i % 5 === 0 ? null : i % 3)), type: "INT32", nullable: true },
      { name: "at", data: rows.map((i) => new Date(Date.UTC(2020, 0, 1 + (i % 4)))), type: "TIMESTAMP" },
    ],
    rowGroupSize: [10],
  });
  test("a table: numbers, text, gaps, wide integers, times", async () => {
    const part = new Uint8Array([...new Uint8Array(9), ...new Uint8Array(file), 0]).subarray(9, -1);
    for (const source of [file, new Uint8Array(file), part, Buffer.from(part.buffer, 9, part.length), new Blob([file])]) {
      const table = await readParquet(source);
      expect(table.names).toEqual(["size", "kind", "count", "gap", "at"]);
      expect([...table.numbers("size")]).toEqual(rows.map((i) => i * i + 0.5));
      expect(table.column("count").cells.slice(0, 3)).toEqual(["0", "2", "4"]);
      expect(table.column("gap").cells.slice(0, 4)).toEqual([null, "1", "2", "0"]);
      expect(table.column("at").type).toBe("date");
    }
    const features = fitFeatures(await readParquet(file, { columns: ["size", "kind"] }), { target: "kind" });
    expect(features.names).toEqual(["size"]);
  });
  test("a stream reads groups of rows, and skips those before its start", async () => {
    const read: [number, number][] = [];
    const source = {
      byteLength: file.byteLength,
      slice(start: number, end = file.byteLength) {
        read.push([start, end]);
        return file.slice(start, end);
      },
    };
    const records = streamParquet<{ size: number; count: number }>(source, { columns: ["size", "count"] });
    expect((await records.toArray())[3]).toEqual({ size: 9.5, count: 1 });
    const whole = read.length;
    read.length = 0;
    const rest: number[] = [];
    for await (const { size } of records.epoch(1, 21)) rest.push(size);
    expect(rest).toEqual(rows.slice(21).map((i) => i * i + 0.5));
    expect(read.length).toBeLessThan(whole);
    const [batch] = await records.map(({ size, count }) => ({ x: [size], y: count })).batch(25).toArray();
    expect(batch!.x.shape).toEqual([25, 1]);
  });
  test("bytes that are not Parquet, columns that are not there", async () => {
    await expect(readParquet(new Uint8Array(40))).rejects.toThrow(/^readParquet: the file cannot be read \(/);
    await expect(readParquet(file, { columns: ["nowhere"] })).rejects.toThrow(/nowhere/);
  });
  test("without hyparquet the error names it", async () => {
    vi.resetModules();
    vi.doMock("hyparquet", () => {
      throw new Error("Cannot find package");
    });
    await expect(readParquet(file)).rejects.toThrow("readParquet: the package hyparquet is not installed; npm install hyparquet");
    vi.doUnmock("hyparquet");
  });
});

describe("images", () => {
  test("a smaller image has the means of its parts, as Pillow's BILINEAR with its wide triangle", () => {
    const line = { data: Float32Array.of(0, 100, 200, 100), shape: [1, 4, 1] };
    // Centers 1 and 3, reach 2: weights 1 3 3 1 over 8, those outside left out and the rest made to add up to 1.
    expect([...resizeImage(line, [1, 2]).data].map((value) => Math.round(value * 1e4) / 1e4)).toEqual([
      Math.round(((0 * 3 + 100 * 3 + 200) / 7) * 1e4) / 1e4,
      Math.round(((100 + 200 * 3 + 100 * 3) / 7) * 1e4) / 1e4,
    ]);
  });
  test("a larger one is interpolated between centers; the same size is the same", () => {
    const line = { data: Float32Array.of(0, 8), shape: [2, 1, 1] };
    expect([...resizeImage(line, [4, 1]).data]).toEqual([0, 2, 6, 8]);
    const image = { data: Uint8Array.from({ length: 5 * 7 * 3 }, (_, i) => (i * 37) % 256), shape: [5, 7, 3] };
    expect(resizeImage(image, [5, 7]).data).toEqual(image.data);
    const flat = resizeImage({ data: new Uint16Array(13 * 11 * 2).fill(40000), shape: [13, 11, 2] }, [5, 17]);
    expect([new Set(flat.data), flat.shape]).toEqual([new Set([40000]), [5, 17, 2]]);
    expect(() => resizeImage(image, [0, 3])).toThrow(/resizeImage: height 0/);
    expect(() => resizeImage({ ...image, shape: [5, 7] }, [1, 1])).toThrow(/are not an image/);
  });
  test("channels first", () => {
    const image = channelsFirst({ data: Uint8Array.of(1, 10, 2, 20, 3, 30), shape: [1, 3, 2] });
    expect(image).toEqual({ data: Uint8Array.of(1, 2, 3, 10, 20, 30), shape: [2, 1, 3] });
  });
  test("a folder of images: one folder for each class, decoded when drawn", async () => {
    const paint = (shade: number, size: number) =>
      writePng({ data: new Uint8Array(size * size).fill(shade), shape: [size, size, 1] });
    for (const [path, shade, size] of [["owl/b.png", 20, 3], ["owl/a.PNG", 10, 4], ["cat/deep/c.png", 30, 5]] as const) {
      mkdirSync(join(folder, "pets", path, ".."), { recursive: true });
      writeFileSync(join(folder, "pets", path), await paint(shade, size));
    }
    writeFileSync(join(folder, "pets", "owl", "notes.txt"), "hoo");
    writeFileSync(join(folder, "pets", "owl", ".hidden.png"), "");
    mkdirSync(join(folder, "pets", "empty"));
    const { paths, labels, classes } = await labeledFiles(join(folder, "pets"), { extensions: ["png"] });
    expect(paths.map((path) => path.slice(folder.length + 6))).toEqual(["cat/deep/c.png", "owl/a.PNG", "owl/b.png"]);
    expect([[...labels], classes]).toEqual([[0, 1, 1], ["cat", "owl"]]);
    const pets = examples(
      paths.length,
      async (row) => ({
        x: channelsFirst(resizeImage(await readImage(readFileSync(paths[row]!), { channels: 3 }), [2, 2])),
        y: labels[row]!,
      }),
      { dtypes: { y: "int32" } },
    );
    for await (const { x, y, indices } of loader(pets, { batch: 3, shuffle: 1, prefetch: 1 })) {
      expect([x.shape, x.dtype, y.dtype]).toEqual([[3, 3, 2, 2], "uint8", "int32"]);
      indices.forEach((row, i) => {
        expect(valuesOf(x)[12 * i]).toBe([30, 10, 20][row]);
        expect(valuesOf(y)[i]).toBe(labels[row]);
      });
    }
    await expect(labeledFiles(join(folder, "pets", "owl"))).rejects.toThrow(/labeledFiles: .* has no folder with files/);
    await expect(labeledFiles(join(folder, "nowhere"))).rejects.toThrow(/ENOENT/);
  });
});

describe("examples", () => {
  test("a loader shuffles and resumes without making what it does not draw", async () => {
    const made: number[] = [];
    const source = examples(10, (position, epoch) => {
      made.push(position);
      return { x: position + 100 * epoch };
    });
    const batches = loader(source, { batch: 3, shuffle: 4 });
    const whole: number[][] = [];
    for await (const { x } of batches.epoch(2)) whole.push(valuesOf(x));
    expect(made.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 10 }, (_, i) => i));
    made.length = 0;
    const rest: number[][] = [];
    for await (const { x } of batches.epoch(2, 2)) rest.push(valuesOf(x));
    expect(rest).toEqual(whole.slice(2));
    expect(made.map((position) => position + 200)).toEqual(whole.slice(2).flat());
  });
  test("a failing example says which it is", async () => {
    const source = examples(3, (position) => (position === 1 ? Promise.reject(new Error("torn")) : { x: position }));
    await expect(source.batch(Uint32Array.of(0, 1), 4)).rejects.toThrow(/example 1 of epoch 4 failed \(torn\)/);
  });
});
