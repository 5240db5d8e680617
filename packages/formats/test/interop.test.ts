/**
 * Files written by NumPy 1.24 and hand-made safetensors files, valid and damaged, with their contents in
 * `fixtures/manifest.json`. 64-bit integers are strings there.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  FormatError,
  type NumberArray,
  type ShapedArray,
  readNpy,
  readNpz,
  readSafetensors,
  writeNpy,
  writeNpz,
  writeSafetensors,
} from "../src/index.ts";

interface Expected {
  readonly shape: number[];
  readonly data: (number | string)[];
  readonly dtype?: string;
  readonly numpy_dtype?: string;
}
interface Case extends Partial<Expected> {
  readonly file: string;
  readonly valid?: boolean;
  readonly members?: Record<string, Expected>;
  readonly tensors?: Record<string, Expected>;
  readonly metadata?: Record<string, string> | null;
}

const load = (file: string): Uint8Array => readFileSync(new URL(`./fixtures/${file}`, import.meta.url));
const { files } = JSON.parse(new TextDecoder().decode(load("manifest.json"))) as { files: Case[] };
const asText = (data: NumberArray): string[] =>
  Array.from(data as ArrayLike<number | bigint>, (value) => (Object.is(value, -0) ? "-0" : String(value)));
const wanted = (values: (number | string)[], data: NumberArray): string[] =>
  values.map((value) => {
    if (typeof value === "string" && /^-?\d/.test(value)) return value;
    const number = Number(value);
    return Object.is(number, -0) ? "-0" : String(data instanceof Float32Array ? Math.fround(number) : number);
  });
const same = (got: ShapedArray | undefined, want: Expected): void => {
  expect(got!.shape).toEqual(want.shape);
  expect(asText(got!.data)).toEqual(wanted(want.data, got!.data));
};

describe("npy", () => {
  for (const item of files.filter(({ file, valid }) => file.endsWith(".npy") && valid !== false)) {
    test(item.file, () => {
      const array = readNpy(load(item.file));
      same(array, item as Expected);
      expect(array.descr).toBe(item.numpy_dtype);
      same(readNpy(writeNpy(array)), item as Expected);
    });
  }
  test("int64 keeps every bit, at any alignment of the bytes", () => {
    const file = load("i8.npy");
    const moved = new Uint8Array(file.length + 3);
    moved.set(file, 3);
    expect(readNpy(moved.subarray(3)).data).toEqual(readNpy(file).data);
    expect(readNpy(file).data).toBeInstanceOf(BigInt64Array);
  });
});

describe("npz", () => {
  for (const item of files.filter(({ file }) => file.endsWith(".npz"))) {
    test(item.file, async () => {
      const arrays = await readNpz(load(item.file));
      expect([...arrays.keys()].sort()).toEqual(Object.keys(item.members!).sort());
      for (const [name, want] of Object.entries(item.members!)) same(arrays.get(name), want);
      for (const compress of [false, true]) {
        const again = await readNpz(await writeNpz(arrays, { compress }));
        for (const [name, want] of Object.entries(item.members!)) same(again.get(name), want);
      }
    });
    test(`${item.file}: a cut and a flipped byte inside a member are noticed`, async () => {
      const file = load(item.file);
      await expect(readNpz(file.subarray(0, file.length - 30))).rejects.toThrow(FormatError);
      const flipped = file.slice();
      flipped[100]! ^= 1;
      await expect(readNpz(flipped)).rejects.toThrow(FormatError);
    });
  }
  test("an archive without members is empty", async () => {
    expect((await readNpz(await writeNpz({}))).size).toBe(0);
  });
});

describe("safetensors", () => {
  for (const item of files.filter(({ file, valid }) => file.endsWith(".safetensors") && valid)) {
    test(item.file, () => {
      const { tensors, metadata } = readSafetensors(load(item.file));
      if (item.metadata !== undefined) expect(metadata).toEqual(item.metadata ?? {});
      expect([...tensors.keys()].sort()).toEqual(Object.keys(item.tensors!).sort());
      const again = readSafetensors(writeSafetensors(tensors, { metadata }));
      expect(again.metadata).toEqual(metadata);
      for (const [name, want] of Object.entries(item.tensors!)) {
        for (const got of [tensors.get(name), again.tensors.get(name)]) {
          same(got, want);
          expect(got!.dtype).toBe(want.dtype);
        }
      }
    });
  }
});

describe("damaged files are refused without memory", () => {
  for (const { file } of files.filter(({ valid }) => valid === false)) {
    test(file, () => {
      const read = file.endsWith(".npy") ? readNpy : readSafetensors;
      const before = process.memoryUsage().arrayBuffers;
      let error: unknown;
      try {
        read(load(file));
      } catch (caught) {
        error = caught;
      }
      expect(error).toBeInstanceOf(FormatError);
      expect((error as FormatError).message).toMatch(/^read(Npy|Safetensors): .+; .+/);
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20);
    });
  }
});
