import { describe, expect, test } from "vitest";
import {
  FormatError,
  type NumberArray,
  gunzip,
  gzip,
  isGzip,
  readIdx,
  readNpy,
  readNpz,
  readSafetensors,
  writeIdx,
  writeNpy,
  writeNpz,
  writeSafetensors,
} from "../src/index.ts";
import { crc32 } from "../src/bytes.ts";
import { decodeSmallFloats, encodeSmallFloats } from "../src/small-float.ts";

const half = { exponent: 5, mantissa: 10, infinities: true };
const bfloat = { exponent: 8, mantissa: 7, infinities: true };
const e5m2 = { exponent: 5, mantissa: 2, infinities: true };
const e4m3 = { exponent: 4, mantissa: 3, infinities: false };

describe("idx", () => {
  const arrays: [string, NumberArray, number[]][] = [
    ["labels", Uint8Array.of(7, 2, 1), [3]],
    ["images", Uint8Array.from({ length: 3 * 5 * 7 }, (_, i) => i), [3, 5, 7]],
    ["empty", new Uint8Array(0), [0, 28, 28]],
    ["int8", Int8Array.of(-128, 127), [2, 1]],
    ["int16", Int16Array.of(-32768, 513), [2]],
    ["int32", Int32Array.of(-2147483648, 66051), [1, 2]],
    ["float32", Float32Array.of(NaN, -0, 1.5), [3]],
    ["float64", Float64Array.of(Math.PI), [1]],
    ["scalar", Uint8Array.of(9), []],
  ];
  test.each(arrays)("%s round trip", (_, data, shape) => {
    const read = readIdx(writeIdx({ data, shape }));
    expect(read.data).toEqual(data);
    expect(read.shape).toEqual(shape);
  });
  test("values are big-endian", () => {
    expect(readIdx(Uint8Array.of(0, 0, 0x0b, 1, 0, 0, 0, 2, 1, 2, 0xff, 0xfe)).data).toEqual(Int16Array.of(258, -2));
  });
  test("through gzip", async () => {
    const packed = await gzip(writeIdx({ data: Uint8Array.of(1, 2), shape: [2] }));
    expect(isGzip(packed)).toBe(true);
    expect(readIdx(await gunzip(packed)).data).toEqual(Uint8Array.of(1, 2));
    expect(() => readIdx(packed)).toThrow("readIdx: the bytes are gzip-compressed; readIdx(await gunzip(bytes))");
    await expect(gunzip(packed.subarray(0, packed.length - 9))).rejects.toThrow(FormatError);
    const flipped = packed.slice();
    flipped[packed.length - 6]! ^= 1;
    await expect(gunzip(flipped)).rejects.toThrow(/damaged or cut off/);
    await expect(gunzip(Uint8Array.of(1, 2, 3))).rejects.toThrow(/not a gzip file/);
  });
  const file = writeIdx({ data: new Uint8Array(6), shape: [2, 3] });
  test.each([
    ["no header", file.subarray(0, 3), /too few for a header/],
    ["wrong magic", Uint8Array.of(0x89, 0x50, 0x4e, 0x47), /89 50 4e 47 is not the magic number/],
    ["unknown type", Uint8Array.of(0, 0, 0x0a, 1, 0, 0, 0, 0), /magic number/],
    ["cut header", file.subarray(0, 9), /ends inside its header/],
    ["cut data", file.subarray(0, 17), /needs 6 bytes of data, the file has 5/],
    ["too long", Uint8Array.of(...file, 0), /needs 6 bytes of data, the file has 7/],
    ["huge shape", Uint8Array.of(0, 0, 8, 3, ...new Array<number>(12).fill(255)), /more elements than can be counted/],
  ])("%s", (_, bytes, message) => {
    expect(() => readIdx(bytes)).toThrow(message);
  });
  test("refuses what the format cannot hold", () => {
    expect(() => writeIdx({ data: new BigInt64Array(1), shape: [1] })).toThrow(/IDX cannot hold BigInt64Array/);
    expect(() => writeIdx({ data: new Uint8Array(5), shape: [2, 3] })).toThrow(
      /5 values do not fill shape \[2,3\] of 6/,
    );
  });
});

describe("small floats", () => {
  // Closed forms: largest, smallest normal, smallest subnormal.
  test.each([
    ["half", half, 65504, 2 ** -14, 2 ** -24],
    ["bfloat16", bfloat, (2 - 2 ** -7) * 2 ** 127, 2 ** -126, 2 ** -133],
    ["E5M2", e5m2, 57344, 2 ** -14, 2 ** -16],
    ["E4M3", e4m3, 448, 2 ** -6, 2 ** -9],
  ])("%s limits", (_, format, largest, normal, subnormal) => {
    const back = (values: number[]): number[] => [...decodeSmallFloats(encodeSmallFloats(values, format), format)];
    const exact = [largest, -largest, normal, subnormal, -subnormal, 0, -0, 1, -1.5];
    expect(back(exact)).toEqual(exact);
    expect(back([subnormal / 2, subnormal * 0.51, subnormal * 1.5])).toEqual([0, subnormal, subnormal * 2]);
    const over = format.infinities ? Infinity : NaN;
    expect(back([largest * 1.1, Infinity, NaN])).toEqual([over, over, NaN]);
  });
  test.each([
    ["half", half, 1 << 16],
    ["bfloat16", bfloat, 1 << 16],
    ["E5M2", e5m2, 256],
    ["E4M3", e4m3, 256],
  ])("%s: every pattern survives decoding and encoding", (_, format, count) => {
    const bits =
      count === 256
        ? Uint8Array.from({ length: count }, (_, i) => i)
        : Uint16Array.from({ length: count }, (_, i) => i);
    const values = decodeSmallFloats(bits, format);
    const again = encodeSmallFloats(values, format);
    let finite = 0;
    for (let i = 0; i < count; i++) {
      if (Number.isNaN(values[i])) continue;
      finite++;
      if (again[i] !== bits[i]) expect([i, again[i]]).toEqual([i, bits[i]]);
    }
    expect(finite).toBeGreaterThan(count * 0.9);
    // Rising patterns are rising numbers: neighbours halve to a tie, which goes to the even pattern.
    for (let i = 0; i + 1 < count >> 1; i++) {
      const middle = (values[i]! + values[i + 1]!) / 2;
      if (!Number.isFinite(middle)) break;
      expect(encodeSmallFloats([middle], format)[0]).toBe(i % 2 === 0 ? i : i + 1);
    }
  });
});

describe("safetensors", () => {
  test("all written types come back, aligned, in any mixture", () => {
    const input = {
      "a.u8": { data: Uint8Array.of(1, 2, 3), shape: [3] },
      "b.f64": { data: Float64Array.of(Math.E), shape: [] },
      "c.f32": { data: Float32Array.of(1, NaN, -Infinity), shape: [3, 1] },
      "d.i64": { data: BigInt64Array.of(-(2n ** 63n)), shape: [1] },
      "e.u64": { data: BigUint64Array.of(2n ** 64n - 1n), shape: [1] },
      "f.u16": { data: Uint16Array.of(65535), shape: [1] },
      "g.u32": { data: Uint32Array.of(4294967295), shape: [1] },
      "h.empty": { data: new Float32Array(0), shape: [0, 7] },
      "i.bool": { data: Uint8Array.of(0, 1), shape: [2], dtype: "BOOL" as const },
      "j.bf16": { data: Float32Array.of(1, 3.390625), shape: [2], dtype: "BF16" as const },
      "k.f8": { data: Float32Array.of(0.5, 448), shape: [2], dtype: "F8_E4M3" as const },
    };
    const { tensors } = readSafetensors(writeSafetensors(input, { metadata: { format: "pt" } }));
    expect(tensors.size).toBe(11);
    for (const [name, { data, shape }] of Object.entries(input)) {
      expect(tensors.get(name)!.data).toEqual(name === "j.bf16" ? Float32Array.of(1, 3.390625) : data);
      expect(tensors.get(name)!.shape).toEqual(shape);
    }
    expect(tensors.get("i.bool")!.dtype).toBe("BOOL");
  });
  test("names that an object would trip over", () => {
    const names = ["__proto__", "constructor", "grüß", 'quo"te', ""];
    const bytes = writeSafetensors(new Map(names.map((name, i) => [name, { data: Float32Array.of(i), shape: [1] }])));
    const { tensors } = readSafetensors(bytes);
    for (const [i, name] of names.entries()) expect(tensors.get(name)!.data[0]).toBe(i);
  });
  test("what cannot be written", () => {
    expect(() => writeSafetensors({ w: { data: new Float32Array(3), shape: [2] } })).toThrow(
      /tensor "w": 3 values do not fill/,
    );
    expect(() => writeSafetensors({ w: { data: new Int32Array(1), shape: [1], dtype: "F32" } })).toThrow(
      /Int32Array cannot be stored as f32; pass a Float32Array/,
    );
    expect(() => writeSafetensors({ __metadata__: { data: new Float32Array(1), shape: [1] } })).toThrow(
      /cannot be named/,
    );
  });
  test("keys repeated inside an entry are found too", () => {
    const header = '{"a":{"dtype":"F32","shape":[0],"shape":[0],"data_offsets":[0,0]}}';
    const bytes = new Uint8Array(8 + header.length);
    bytes[0] = header.length;
    bytes.set(new TextEncoder().encode(header), 8);
    expect(() => readSafetensors(bytes)).toThrow('the header has the key "shape" twice');
  });
});

describe("npy and npz", () => {
  test("the header is padded as NumPy does", () => {
    const bytes = writeNpy({ data: new Float32Array(3), shape: [3] });
    expect(bytes.length).toBe(128 + 12);
    expect(bytes[127]).toBe(10);
  });
  test("floats are written as float16 when that is asked for, rounded to even, alone and in an archive", async () => {
    const array = { data: Float64Array.of(1 + 2 ** -11, 1 + 3 * 2 ** -11, 65520, -(2 ** -25), NaN), shape: [5], dtype: "float16" } as const;
    const bytes = writeNpy(array);
    expect(bytes.length).toBe(128 + 10);
    expect([...new Uint16Array(bytes.buffer, 128)]).toEqual([0x3c00, 0x3c02, 0x7c00, 0x8000, 0x7e00]);
    const archive = await readNpz(await writeNpz({ a: array }));
    for (const read of [readNpy(bytes), archive.get("a")!]) {
      expect(read).toEqual({ data: Float32Array.of(1, 1 + 2 ** -9, Infinity, -0, NaN), shape: [5], descr: "<f2" });
    }
    expect(() => writeNpy({ data: Int32Array.of(1), shape: [1], dtype: "float16" })).toThrow(/Int32Array cannot be stored as f16/);
  });
  test("messages say what to use instead", async () => {
    expect(() => readNpy(Uint8Array.of(0x50, 0x4b, 3, 4))).toThrow(/use readNpz/);
    await expect(readNpz(new Uint8Array(100))).rejects.toThrow(/no end-of-archive record/);
    await expect(readNpz(new Uint8Array(0))).rejects.toThrow(FormatError);
  });
  test.each(["<U5", "|S3", "<c8", "<M8[ns]", "<f16"])("type %s is refused", (descr) => {
    const bytes = writeNpy({ data: new Float32Array(1), shape: [1] });
    const text =
      new TextDecoder("latin1").decode(bytes.subarray(10, 128)).replace("<f4", descr).trim().padEnd(117) + "\n";
    bytes.set(new TextEncoder().encode(text), 10);
    expect(() => readNpy(bytes)).toThrow(`type ${JSON.stringify(descr)} is not a number that can be read`);
  });
  test("a structured type is refused", () => {
    const bytes = writeNpy({ data: new Float32Array(1), shape: [1] });
    const text = "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }".padEnd(117) + "\n";
    bytes.set(new TextEncoder().encode(text), 10);
    expect(() => readNpy(bytes)).toThrow(/structured type/);
  });
  test("crc32 of the check string", () => {
    expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
  });
  test("a member that inflates beyond its declared size is stopped", async () => {
    const bytes = await writeNpz({ zeros: { data: new Uint8Array(100_000), shape: [100_000] } }, { compress: true });
    const view = new DataView(bytes.buffer);
    const central = view.getUint32(bytes.length - 6, true);
    view.setUint32(central + 24, 1000, true);
    await expect(readNpz(bytes)).rejects.toThrow(/more than the 1000 bytes it declares/);
  });
});
