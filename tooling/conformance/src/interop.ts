/**
 * Files written by other programs (`interop/` beside the cases): a valid one has to be read as its manifest says, bit
 * for bit; a damaged one has to be refused with an error of the reader.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { FormatError, type ShapedArray, readNpy, readNpz, readSafetensors } from "@dormouse/formats";
import type { Case, CaseFile, Number64 } from "./case.ts";
import { messageOf } from "./checks.ts";
import { EXACT, worstMismatch } from "./compare.ts";

/** An array as the manifest lists it; 64-bit integers are strings of digits. */
interface Listed {
  readonly shape: readonly number[];
  readonly data: readonly (Number64 | string)[];
  readonly dtype?: string;
  readonly numpy_dtype?: string;
}

interface ListedFile extends Partial<Listed> {
  readonly file: string;
  readonly valid?: boolean;
  readonly members?: Readonly<Record<string, Listed>>;
  readonly tensors?: Readonly<Record<string, Listed>>;
  readonly metadata?: Readonly<Record<string, string>> | null;
}

/** A file of the manifest as a case. */
export interface InteropCase extends Case {
  readonly folder: string;
  readonly listed: ListedFile;
}

/** The files beside the cases as a group, if there are any. */
export function readInterop(folder: string): CaseFile[] {
  const manifest = join(folder, "interop", "manifest.json");
  if (!existsSync(manifest)) return [];
  const { format, files } = JSON.parse(readFileSync(manifest, "utf8")) as { format: string; files: readonly ListedFile[] };
  const cases = files.map((listed): InteropCase => ({
    id: `interop/${listed.file}`,
    op: listed.file.split(".").at(-1)!,
    kind: "file",
    // Files have nothing to do with the dtypes of tensors: each is read once.
    tol: { f64: EXACT },
    folder: join(folder, "interop"),
    listed,
  }));
  return [{ format, group: "interop", cases }];
}

/** What a file holds: arrays by name, and text. */
interface Contents {
  readonly arrays: ReadonlyMap<string, ShapedArray>;
  readonly dtypes: ReadonlyMap<string, string>;
  readonly metadata?: Readonly<Record<string, string>>;
}

const readers: Readonly<Record<string, (bytes: Uint8Array) => Contents | Promise<Contents>>> = {
  npy: (bytes) => {
    const array = readNpy(bytes);
    return { arrays: new Map([["", array]]), dtypes: new Map([["", array.descr]]) };
  },
  npz: async (bytes) => {
    const arrays = await readNpz(bytes);
    return { arrays, dtypes: new Map([...arrays].map(([name, array]) => [name, array.descr])) };
  },
  safetensors: (bytes) => {
    const { tensors, metadata } = readSafetensors(bytes);
    return { arrays: tensors, dtypes: new Map([...tensors].map(([name, array]) => [name, array.dtype])), metadata };
  },
};

/** Checks a file, or returns null for a kind of file that has no reader. */
export function checkInterop({ op, folder, listed }: InteropCase): Promise<readonly string[]> | null {
  const read = readers[op];
  return read ? check(read, new Uint8Array(readFileSync(join(folder, listed.file))), listed) : null;
}

async function check(read: (typeof readers)[string], bytes: Uint8Array, listed: ListedFile): Promise<readonly string[]> {
  let contents: Contents;
  try {
    contents = await read(bytes);
  } catch (error) {
    if (listed.valid !== false) return [`expected to be read, threw ${messageOf(error)}`];
    return error instanceof FormatError ? [] : [`expected a FormatError, threw ${messageOf(error)}`];
  }
  if (listed.valid === false) return ["expected a FormatError, got contents"];
  const wanted = listed.members ?? listed.tensors ?? { "": listed as Listed };
  const names = Object.keys(wanted).sort().join();
  const found = [...contents.arrays.keys()].sort().join();
  if (names !== found) return [`names: expected ${names}, got ${found}`];
  const metadata = JSON.stringify(Object.entries(contents.metadata ?? {}).sort());
  const text = JSON.stringify(Object.entries(listed.metadata ?? {}).sort());
  return [
    ...(metadata === text ? [] : [`metadata: expected ${text}, got ${metadata}`]),
    ...Object.entries(wanted).flatMap(([name, want]) =>
      compare(name, contents.arrays.get(name)!, contents.dtypes.get(name)!, want),
    ),
  ];
}

function compare(name: string, { shape, data }: ShapedArray, dtype: string, want: Listed): string[] {
  const wanted = want.dtype ?? want.numpy_dtype;
  if (wanted !== undefined && wanted !== dtype) return [`${name} dtype: expected ${wanted}, got ${dtype}`];
  if (shape.join() !== want.shape.join()) return [`${name} shape: expected [${want.shape}], got [${shape}]`];
  if (data.length !== want.data.length) return [`${name}: expected ${want.data.length} elements, got ${data.length}`];
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    const index = want.data.findIndex((value, i) => String(value) !== String(data[i]));
    return index < 0 ? [] : [`${name}[${index}]: expected ${want.data[index]}, got ${data[index]}`];
  }
  const numbers = want.data.map((value) => (data instanceof Float32Array ? Math.fround(Number(value)) : Number(value)));
  const worst = worstMismatch(data, numbers, EXACT);
  return worst ? [`${name}[${worst.index}]: expected ${worst.want}, got ${worst.got}`] : [];
}
