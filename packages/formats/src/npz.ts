/**
 * NumPy's archive of arrays: a zip file whose members are `.npy` files, stored or deflated. Reads what `numpy.savez`
 * and `numpy.savez_compressed` write, with the 64-bit extensions, and checks every length and checksum; no other use
 * of zip is intended (no encryption, no multiple disks). Source: PKWARE APPNOTE 6.3.
 */
import { type Bytes, bytesOf } from "./array.ts";
import { crc32, join } from "./bytes.ts";
import { deflateRaw, inflateRaw } from "./compression.ts";
import { FormatError } from "./errors.ts";
import { type NpyArray, type NpyInput, readNpy, writeNpy } from "./npy.ts";

const localSignature = 0x04034b50;
const centralSignature = 0x02014b50;
const endSignature = 0x06054b50;
const end64Signature = 0x06064b50;
const locator64Signature = 0x07064b50;

interface Member {
  readonly name: string;
  readonly method: number;
  readonly checksum: number;
  readonly packed: number;
  readonly size: number;
  readonly offset: number;
}

/**
 * Reads every array of an `.npz` archive, by name (without `.npy`).
 *
 * ```ts
 * const arrays = await readNpz(await writeNpz({ bias: { data: Float32Array.of(1, 2), shape: [2] } }));
 * console.log(arrays.get("bias")?.shape); // [ 2 ]
 * ```
 * @throws FormatError for an archive or a member that is damaged, or holds something other than numbers.
 */
export async function readNpz(bytes: Bytes): Promise<Map<string, NpyArray>> {
  const source = bytesOf(bytes);
  const view = new DataView(source.buffer, source.byteOffset, source.byteLength);
  const arrays = new Map<string, NpyArray>();
  for (const member of directory(source, view)) {
    const name = member.name.replace(/\.npy$/, "");
    if (arrays.has(name)) throw damaged(`two members are named ${JSON.stringify(member.name)}`);
    arrays.set(name, readNpy(await unpack(source, view, member)));
  }
  return arrays;
}

/** Writes arrays as an `.npz` archive; `compress` deflates the members. Member names follow the keys. */
export async function writeNpz(
  arrays: Readonly<Record<string, NpyInput>> | ReadonlyMap<string, NpyInput>,
  options: { readonly compress?: boolean } = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const entries = arrays instanceof Map ? [...arrays] : Object.entries(arrays);
  const parts: Uint8Array[] = [];
  const central: Uint8Array[] = [];
  let offset = 0;
  for (const [key, array] of entries) {
    const content = writeNpy(array);
    const packed = options.compress ? await deflateRaw("writeNpz", content) : content;
    const name = new TextEncoder().encode(`${key}.npy`);
    const fields = [
      20,
      0x0800,
      options.compress ? 8 : 0,
      0,
      0x21,
      crc32(content),
      packed.length,
      content.length,
      name.length,
      0,
    ];
    const local = record("IHHHHHIIIHH", [localSignature, ...fields], name);
    central.push(record("IHHHHHHIIIHHHHHII", [centralSignature, 20, ...fields, 0, 0, 0, 0, offset], name));
    parts.push(local, packed);
    offset += local.length + packed.length;
    if (offset > 0xffffffff) {
      throw new FormatError("writeNpz", "the archive is larger than 4 GiB", { hint: "write several archives" });
    }
  }
  const size = central.reduce((sum, entry) => sum + entry.length, 0);
  const tail = record("IHHHHIIH", [endSignature, 0, 0, central.length, central.length, size, offset, 0]);
  return join([...parts, ...central, tail]);
}

function* directory(source: Uint8Array, view: DataView): Generator<Member> {
  // The end record is 22 bytes, followed by a comment of at most 65535.
  let end = source.length - 22;
  while (end >= 0 && end >= source.length - 22 - 0xffff && view.getUint32(end, true) !== endSignature) end--;
  if (end < 0 || view.getUint32(end, true) !== endSignature) {
    throw damaged("there is no end-of-archive record", "this is not a zip archive, or it is cut off");
  }
  let count = view.getUint16(end + 10, true);
  let at = view.getUint32(end + 16, true);
  if ((count === 0xffff || at === 0xffffffff) && end >= 20 && view.getUint32(end - 20, true) === locator64Signature) {
    const end64 = Number(view.getBigUint64(end - 12, true));
    if (end64 + 56 > end || view.getUint32(end64, true) !== end64Signature)
      throw damaged("the 64-bit end record is missing");
    count = Number(view.getBigUint64(end64 + 32, true));
    at = Number(view.getBigUint64(end64 + 48, true));
  }
  for (let i = 0; i < count; i++) {
    if (at + 46 > end || view.getUint32(at, true) !== centralSignature)
      throw damaged(`directory entry ${i} is missing`);
    const nameLength = view.getUint16(at + 28, true);
    const extraLength = view.getUint16(at + 30, true);
    const next = at + 46 + nameLength + extraLength + view.getUint16(at + 32, true);
    if (next > end) throw damaged(`directory entry ${i} is cut off`);
    const name = new TextDecoder().decode(source.subarray(at + 46, at + 46 + nameLength));
    if ((view.getUint16(at + 8, true) & 1) !== 0) throw damaged(`member ${JSON.stringify(name)} is encrypted`);
    const wide = wideFields(view, at + 46 + nameLength, extraLength);
    const field = (position: number): number => {
      const value = view.getUint32(at + position, true);
      return value === 0xffffffff ? (wide.shift() ?? value) : value;
    };
    // The 64-bit field holds only those values that did not fit, in this order.
    const size = field(24);
    const packed = field(20);
    const offset = field(42);
    yield {
      name,
      method: view.getUint16(at + 10, true),
      checksum: view.getUint32(at + 16, true),
      packed,
      size,
      offset,
    };
    at = next;
  }
}

/** Values of the 64-bit extra field (id 1) of a directory entry. */
function wideFields(view: DataView, start: number, length: number): number[] {
  let at = start;
  while (at + 4 <= start + length) {
    const id = view.getUint16(at, true);
    const size = view.getUint16(at + 2, true);
    const content = at + 4;
    if (id === 1 && content + size <= start + length) {
      return Array.from({ length: size >> 3 }, (_, i) => Number(view.getBigUint64(content + 8 * i, true)));
    }
    at = content + size;
  }
  return [];
}

async function unpack(source: Uint8Array, view: DataView, member: Member): Promise<Uint8Array> {
  const { name, method, checksum, packed, size, offset } = member;
  const quoted = JSON.stringify(name);
  if (offset + 30 > source.length || view.getUint32(offset, true) !== localSignature) {
    throw damaged(`member ${quoted} does not begin where the directory says`);
  }
  const start = offset + 30 + view.getUint16(offset + 26, true) + view.getUint16(offset + 28, true);
  if (start + packed > source.length) throw damaged(`member ${quoted} is cut off`);
  if (method !== 0 && method !== 8) {
    throw damaged(`member ${quoted} uses compression method ${method}`, "save it with numpy.savez_compressed");
  }
  const stored = source.subarray(start, start + packed);
  const content = method === 0 ? stored : await inflateRaw("readNpz", stored, size);
  if (content.length !== size) throw damaged(`member ${quoted} has ${content.length} bytes instead of ${size}`);
  if (crc32(content) !== checksum) throw damaged(`the checksum of member ${quoted} is wrong`);
  return content;
}

const damaged = (problem: string, hint = "the file is damaged"): FormatError =>
  new FormatError("readNpz", problem, { hint });

/** Packs numbers little-endian (`H` 16 bits, `I` 32 bits), then `name`. */
function record(layout: string, values: readonly number[], name: Uint8Array = new Uint8Array(0)): Uint8Array {
  const bytes = [...layout].reduce((sum, letter) => sum + (letter === "I" ? 4 : 2), 0);
  const packed = new Uint8Array(bytes + name.length);
  const view = new DataView(packed.buffer);
  let at = 0;
  [...layout].forEach((letter, i) => {
    if (letter === "I") view.setUint32(at, values[i]!, true);
    else view.setUint16(at, values[i]!, true);
    at += letter === "I" ? 4 : 2;
  });
  packed.set(name, at);
  return packed;
}
