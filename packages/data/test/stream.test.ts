import { createReadStream, mkdtempSync, openAsBlob, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, describe, expect, test } from "vitest";
import {
  type Stream,
  type TextSource,
  fitFeatures,
  readCsv,
  stream,
  streamCsv,
  streamJsonLines,
  streamLines,
  tableOf,
} from "../src/index.ts";
import { valuesOf } from "./values.ts";

const count = (length: number): number[] => Array.from({ length }, (_, i) => i);
const taken = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
};
const folder = mkdtempSync(join(tmpdir(), "dormouse-stream-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("sources", () => {
  test("what can be read again is, and what cannot says so", async () => {
    const again = stream([1, 2, 3]);
    expect(await taken(again)).toEqual([1, 2, 3]);
    expect(await taken(again)).toEqual([1, 2, 3]);
    const once = stream(
      (function* () {
        yield 1;
      })(),
    );
    expect(await taken(once)).toEqual([1]);
    await expect(taken(once)).rejects.toThrow(
      /stream: the source has been read and can be read only once; epoch 1 cannot begin; pass a function/,
    );
    const bytes = stream(new Blob(["ab"]).stream() as unknown as AsyncIterable<Uint8Array>);
    expect((await taken(bytes)).length).toBe(1);
    await expect(taken(bytes)).rejects.toThrow(/only once/);
  });
  test("a function opens the source for each epoch", async () => {
    const opened: number[] = [];
    const items = stream((epoch) => {
      opened.push(epoch);
      return Promise.resolve([epoch]);
    });
    expect([...(await taken(items)), ...(await taken(items)), ...(await items.toArray(7))]).toEqual([0, 1, 7]);
    expect(opened).toEqual([0, 1, 7]);
  });
  test("leaving the loop early ends the source, through every step", async () => {
    let ended = 0;
    const items = stream(async function* () {
      try {
        for (let i = 0; ; i++) yield i;
      } finally {
        ended++;
      }
    })
      .map((i) => Promise.resolve(i), { concurrency: 3 })
      .filter(() => true)
      .shuffle({ buffer: 4 })
      .chunk(2)
      .prefetch(2);
    for await (const chunk of items) if (chunk.length === 2) break;
    expect(ended).toBe(1);
    expect((await items.take(5).toArray()).length).toBe(5);
    expect(ended).toBe(2);
  });
  test("a failing source fails where its item is asked for", async () => {
    const items = stream(function* () {
      yield 1;
      throw new Error("disk");
    }).prefetch(3);
    const seen: number[] = [];
    await expect(
      (async () => {
        for await (const item of items) seen.push(item);
      })(),
    ).rejects.toThrow("disk");
    expect(seen).toEqual([1]);
  });
});

describe("steps", () => {
  test.each([0, 1, 2, 5, 6, 7])("chunks of 3 of %i items", async (length) => {
    const chunks = await stream(count(length)).chunk(3).toArray();
    expect(chunks.length).toBe(Math.ceil(length / 3));
    expect(chunks.flat()).toEqual(count(length));
    expect((await stream(count(length)).chunk(3, { dropLast: true }).toArray()).length).toBe(Math.floor(length / 3));
  });
  test("skip, take, filter", async () => {
    const items = stream(count(10));
    expect(await items.skip(3).take(4).toArray()).toEqual([3, 4, 5, 6]);
    expect(await items.take(0).toArray()).toEqual([]);
    expect(await items.skip(20).toArray()).toEqual([]);
    expect(await items.filter((i, { index }) => i === index && i % 3 === 0).toArray()).toEqual([0, 3, 6, 9]);
  });
  test("map keeps the order, whatever is ready first, and no more calls are under way than asked", async () => {
    let under = 0;
    let most = 0;
    const items = stream(count(20)).map(
      async (i) => {
        most = Math.max(most, ++under);
        await new Promise((resolve) => setTimeout(resolve, i % 3 === 0 ? 8 : 1));
        under--;
        return i * i;
      },
      { concurrency: 4 },
    );
    expect(await items.toArray()).toEqual(count(20).map((i) => i * i));
    expect(most).toBe(4);
  });
  test("an error of map has its item, after the results before it", async () => {
    const seen: number[] = [];
    const items = stream(count(9)).map(
      (i) => (i === 5 ? Promise.reject(new Error("torn")) : Promise.resolve(i)),
      { concurrency: 8 },
    );
    const failure = await (async () => {
      for await (const item of items.epoch(2)) seen.push(item);
    })().catch((error: unknown) => error as Error);
    expect(String(failure)).toMatch(/stream: map failed at item 5 of epoch 2 \(torn\)/);
    expect((failure as Error).cause).toEqual(new Error("torn"));
    expect(seen).toEqual([0, 1, 2, 3, 4]);
  });
  test("prefetch makes items while the program waits, and no more than asked", async () => {
    let made = 0;
    const items = stream(count(10))
      .map((i) => {
        made++;
        return i;
      })
      .prefetch(3);
    const seen: number[] = [];
    for await (const item of items) {
      seen.push(item);
      await new Promise((resolve) => setTimeout(resolve, 2));
      expect(made).toBeGreaterThanOrEqual(Math.min(10, seen.length + 3));
      expect(made).toBeLessThanOrEqual(seen.length + 4);
    }
    expect(seen).toEqual(count(10));
  });
  test("options that are not whole numbers", () => {
    expect(() => stream([1]).shuffle({ buffer: 0 })).toThrow(/stream: buffer 0 is not a whole number from 1/);
    expect(() => stream([1]).chunk(1.5)).toThrow(/chunk 1.5/);
    expect(() => stream([1]).prefetch(-1)).toThrow(/prefetch -1/);
  });
});

describe("shuffle", () => {
  const order = (buffer: number, seed: number, epoch: number): Promise<number[]> =>
    stream(count(50)).shuffle({ buffer, seed }).toArray(epoch);

  test("the order is a function of seed and epoch, and every item comes once", async () => {
    const first = await order(10, 1, 0);
    expect(await order(10, 1, 0)).toEqual(first);
    expect(await order(10, 1, 1)).not.toEqual(first);
    expect(await order(10, 2, 0)).not.toEqual(first);
    expect(first.toSorted((a, b) => a - b)).toEqual(count(50));
  });
  test("an item comes fewer places early than the buffer is long; a buffer of 1 changes nothing", async () => {
    (await order(10, 3, 0)).forEach((item, place) => expect(item - place).toBeLessThan(10));
    expect(await order(1, 3, 0)).toEqual(count(50));
  });
  test("a buffer as long as the stream: all 24 orders of 4 are equally likely", async () => {
    const seen = new Map<string, number>();
    const draws = 4800;
    const items = stream(count(4)).shuffle({ buffer: 4, seed: 5 });
    for (let epoch = 0; epoch < draws; epoch++) {
      const key = (await items.toArray(epoch)).join("");
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
    expect(seen.size).toBe(24);
    const chiSquare = [...seen.values()].reduce((sum, times) => sum + (times - draws / 24) ** 2 / (draws / 24), 0);
    // 23 degrees of freedom: 49.7 is passed once in a thousand times.
    expect(chiSquare).toBeLessThan(49.7);
  });
});

describe("resuming", () => {
  const build = (called: number[]): Stream<number[]> =>
    stream(count(23))
      .map((i) => i * 10)
      .filter((i) => i % 30 !== 0)
      .shuffle({ buffer: 5, seed: 1 })
      .map((i, { index, epoch }) => {
        called.push(index);
        return i + index + 1000 * epoch;
      })
      .chunk(4)
      .prefetch(2);

  test.each([0, 1, 2, 3, 4, 9])("from batch %i: the same batches, and the last map is not called before it", async (start) => {
    const whole = await build([]).toArray(3);
    const called: number[] = [];
    expect(await taken(build(called).epoch(3, start))).toEqual(whole.slice(start));
    expect(called.every((index) => index >= 4 * start)).toBe(true);
  });
  test("take and skip", async () => {
    const some = stream(count(10)).skip(2).take(6);
    expect(await taken(some.epoch(0, 4))).toEqual([6, 7]);
    expect(await taken(some.epoch(0, 6))).toEqual([]);
  });
});

describe("batch", () => {
  test("fields are stacked, with their types", async () => {
    const examples = stream(count(5)).map((i) => ({
      x: Float32Array.of(i, i + 1),
      image: { data: Uint8Array.of(i, 0, 0, i), shape: [2, 2] },
      rows: [[i], [2 * i]],
      y: i,
      even: i % 2 === 0,
    }));
    const batches = await examples.batch(3, { dtypes: { y: "int32" } }).toArray();
    expect(batches.map(({ y }) => valuesOf(y))).toEqual([[0, 1, 2], [3, 4]]);
    const [{ x, image, rows, y, even }] = batches as [(typeof batches)[0]];
    expect([x, image, rows, y, even].map(({ dtype }) => dtype)).toEqual(["float32", "uint8", "float32", "int32", "bool"]);
    expect([x, image, rows, y, even].map(({ shape }) => shape)).toEqual([[3, 2], [3, 2, 2], [3, 2, 1], [3], [3]]);
    expect(valuesOf(x)).toEqual([0, 1, 1, 2, 2, 3]);
    expect(valuesOf(rows)).toEqual([0, 0, 1, 2, 2, 4]);
  });
  test("examples that do not fit each other", async () => {
    const batch = (...examples: Record<string, number[] | Float32Array | number>[]) =>
      stream(examples).batch(9).toArray();
    await expect(batch({ x: 1 }, { x: 1, y: 2 })).rejects.toThrow(/example 1 has the fields x, y; the first has x/);
    await expect(batch({ x: [1] }, { x: [1, 2] })).rejects.toThrow(/ragged/);
    await expect(batch({ x: Float32Array.of(1) }, { x: new Float32Array(3) })).rejects.toThrow(
      /x of example 1 is Float32Array of shape \[3\] where the first is Float32Array of shape \[1\]/,
    );
    await expect(batch({ x: NaN })).rejects.toThrow(/NaN in field x at row 0/);
    expect((await stream([{ x: NaN }]).batch(1, { check: "none" }).toArray()).length).toBe(1);
  });
});

describe("memory", () => {
  test("a stream of 240 MB of examples is shuffled and batched in a few", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const bytesNow = async (): Promise<number> => {
      // What is found free is given back by another thread, some time later.
      for (let round = 0; round < 3; round++) {
        collect();
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      return heapUsed + arrayBuffers;
    };
    const size = 2048;
    const length = 30_000;
    let made = 0;
    let used = 0;
    let ahead = 0;
    const batches = stream(function* () {
      for (; made < length; made++) yield { x: new Float32Array(size).fill(made), y: made };
    })
      .shuffle({ buffer: 200, seed: 1 })
      .batch(50)
      .prefetch(2);
    const before = await bytesNow();
    let most = 0;
    let sum = 0;
    let number = 0;
    for await (const { y } of batches) {
      used += y.shape[0]!;
      ahead = Math.max(ahead, made - used);
      for (const value of valuesOf(y)) sum += value;
      if (number++ % 100 === 0) most = Math.max(most, (await bytesNow()) - before);
    }
    expect(size * 4 * length).toBeGreaterThan(240_000_000);
    expect(sum).toBe((length * (length - 1)) / 2);
    // The buffer, three batches ahead and the one that is being filled.
    expect(ahead).toBeLessThanOrEqual(200 + 4 * 50);
    // 400 examples of 8 KiB are 3.3 MB, batches hold a copy of theirs; the rest is room for the engine, which frees
    // arrays when it likes: 10 to 50 MB were seen.
    expect(most).toBeLessThan(120_000_000);
  });
});

describe("text", () => {
  const text = "größe;art\r\n1,5;\"a\nb\"\r\n;\"c\"\"d\"\r\n2,5;€\r\n";
  const rows = [
    { größe: "1,5", art: "a\nb" },
    { größe: null, art: 'c"d' },
    { größe: "2,5", art: "€" },
  ];
  const inPieces = (bytes: Uint8Array, size: number): Uint8Array[] =>
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.slice(i * size, (i + 1) * size));
  const utf16 = (bigEndian: boolean): Uint8Array => {
    const bytes = new Uint8Array(2 * text.length + 2);
    const view = new DataView(bytes.buffer);
    `\ufeff${text}`.split("").forEach((letter, i) => view.setUint16(2 * i, letter.charCodeAt(0), !bigEndian));
    return bytes;
  };
  const encodings: [string, Uint8Array, { encoding?: "latin1" }][] = [
    ["UTF-8", new TextEncoder().encode(text), {}],
    ["UTF-8 with a mark", new TextEncoder().encode(`\ufeff${text}`), {}],
    ["UTF-16LE with a mark", utf16(false), {}],
    ["UTF-16BE with a mark", utf16(true), {}],
    ["Windows-1252", Uint8Array.from(text, (letter) => (letter === "€" ? 0x80 : letter.charCodeAt(0))), { encoding: "latin1" }],
  ];
  test.each(encodings)("CSV in %s, cut into pieces of any size", async (_, bytes, options) => {
    for (const size of [1, 2, 3, 5, 7, 11, 1000]) {
      expect(await streamCsv(inPieces(bytes, size), { delimiter: ";", ...options }).toArray(), `${size}`).toEqual(rows);
    }
    expect(readCsv(bytes, { decimal: ",", ...options }).column("art").cells).toEqual(rows.map(({ art }) => art));
  });
  test("a long file in small pieces has the rows that readCsv finds", async () => {
    const lines = count(6000).map((i) => `${i},${i % 3 === 0 ? `"say ""${i}""\n,"` : "plain"},${i % 7 === 0 ? "NA" : i / 4}`);
    const csv = `id,say,size\n${lines.join("\n")}\n# end\n`;
    const table = readCsv(csv, { comment: "#" });
    const records = await streamCsv(inPieces(new TextEncoder().encode(csv), 1013), { comment: "#" }).toArray();
    expect(records.length).toBe(6000);
    for (const name of table.names) {
      expect(records.map((record) => record[name])).toEqual(table.column(name).cells);
    }
  });
  test("a header or none, names given, ragged rows", async () => {
    expect(await streamCsv("1,2\n3,4\n").toArray()).toEqual([
      { column1: "1", column2: "2" },
      { column1: "3", column2: "4" },
    ]);
    expect(await streamCsv("1,2\n", { header: ["a", "b"] }).toArray()).toEqual([{ a: "1", b: "2" }]);
    await expect(streamCsv("a,b\n1,2\n3\n").toArray()).rejects.toThrow(/streamCsv: line 3 has 1 cells instead of 2/);
    expect(await streamCsv("a,b\n1,2\n3\n4,5\n", { ragged: "skip" }).toArray()).toEqual([
      { a: "1", b: "2" },
      { a: "4", b: "5" },
    ]);
    expect(await streamCsv("").toArray()).toEqual([]);
    await expect(streamCsv('a,b\n1,"2\n').toArray()).rejects.toThrow(/line 2: a quote is opened and never closed/);
  });
  test("a quote that is never closed does not take the memory of the whole file", async () => {
    let pieces = 0;
    const endless = stream(function* () {
      yield 'a,b\n1,"';
      for (;;) {
        pieces++;
        yield "x".repeat(1 << 20);
      }
    });
    await expect(streamCsv(endless).toArray()).rejects.toThrow(/line 2 begins a row of more than 16777216 characters/);
    expect(pieces).toBe(16);
  });
  test("bytes that are not text", async () => {
    await expect(streamLines(Uint8Array.of(0x1f, 0x8b, 8, 0)).toArray()).rejects.toThrow(
      /streamLines: the bytes are gzip-compressed; decompress them on the way/,
    );
    await expect(streamLines(Uint8Array.of(97, 98, 99, 0xff, 100)).toArray()).rejects.toThrow(/are not text in utf-8/);
    await expect(streamLines(Uint8Array.of(97, 98, 99, 0xe2, 0x82)).toArray()).rejects.toThrow(/are not text in utf-8/);
  });
  test("lines", async () => {
    for (const size of [1, 2, 100]) {
      expect(await streamLines(inPieces(new TextEncoder().encode("a\r\n\nb€\nc"), size)).toArray()).toEqual(["a", "", "b€", "c"]);
    }
    expect(await streamLines("").toArray()).toEqual([]);
    expect(await streamLines("x\n").toArray()).toEqual(["x"]);
  });
  test("JSON lines", async () => {
    const lines = '{"x":[1,2],"y":0}\n\n{"x":[3,4],"y":1}';
    const [batch] = await streamJsonLines<{ x: number[]; y: number }>(lines).batch(4, { dtypes: { y: "int32" } }).toArray();
    expect(valuesOf(batch!.x)).toEqual([1, 2, 3, 4]);
    expect([batch!.y.dtype, valuesOf(batch!.y)]).toEqual(["int32", [0, 1]]);
    await expect(streamJsonLines("{}\n[1]").toArray()).rejects.toThrow(/line 2 is not an object/);
    await expect(streamJsonLines("{}\n{").toArray()).rejects.toThrow(/line 2 is not JSON/);
  });
  test("files: a blob, a Node stream opened for each epoch, gzip on the way", async () => {
    const path = join(folder, "rows.csv");
    writeFileSync(path, text);
    const blob = await openAsBlob(path);
    const gzipped = await new Response(blob.stream().pipeThrough(new CompressionStream("gzip"))).blob();
    const sources: TextSource[] = [
      blob,
      () => createReadStream(path, { highWaterMark: 4 }),
      () => gzipped.stream().pipeThrough(new DecompressionStream("gzip")) as unknown as AsyncIterable<Uint8Array>,
    ];
    for (const source of sources) {
      const records = streamCsv(source, { delimiter: ";" });
      expect(await taken(records)).toEqual(rows);
      expect(await taken(records)).toEqual(rows);
    }
  });
  test("records become features by what a sample taught", async () => {
    const csv = `size;color\n${count(40)
      .map((i) => `${i * i},5;${i % 2 === 0 ? "red" : "blue"}`)
      .join("\n")}\n`;
    const records = streamCsv(csv);
    const sample = tableOf(await records.take(20).toArray(), { decimal: "," });
    const features = fitFeatures(sample, { scale: "minMax" });
    const [first] = await records
      .skip(20)
      .chunk(2)
      .map((some) => features.transform(tableOf(some, { decimal: "," })))
      .toArray();
    expect(features.names).toEqual(["size", "color=red", "color is unknown"]);
    expect(Array.from(first!.data.subarray(0, 3), (value) => Math.round(value * 1e6) / 1e6)).toEqual([
      Math.round((20 / 19) ** 2 * 1e6) / 1e6, 1, 0,
    ]);
  });
});
