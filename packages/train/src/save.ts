/**
 * Trees of tensors as safetensors files: names are the paths in the tree, so that a file can be read back into any
 * model with the same paths. Files are written to the side, synced and renamed: a crash leaves the old file or the
 * new one.
 */
import { readSafetensors, writeSafetensors } from "@dormouse/formats";
import { type DType, ShapeError, ValueError, mapTreeWithPath, namedLeaves, tensor } from "@dormouse/tensor";
import { builtin, temporaryPath } from "./files.ts";

const names: Readonly<Record<DType, string>> = {
  float16: "F16", float32: "F32", float64: "F64", int32: "I32", uint32: "U32", uint8: "U8", bool: "BOOL",
};

/** The tensors of a tree as the bytes of a safetensors file. */
export async function encode(tree: unknown, metadata: Readonly<Record<string, string>> = {}): Promise<Uint8Array> {
  const entries = await Promise.all(
    namedLeaves(tree).map(async ([path, leaf]) => {
      const data = await leaf.data();
      return [path, { data, shape: leaf.shape, dtype: names[leaf.dtype] }] as const;
    }),
  );
  return writeSafetensors(new Map(entries) as never, { metadata });
}

/**
 * A tree like `like` with the tensors of a safetensors file. Throws where a tensor is missing or has another shape or
 * dtype.
 */
export function decode<T>(bytes: Uint8Array, like: T): { readonly tree: T; readonly metadata: Readonly<Record<string, string>> } {
  const { tensors, metadata } = readSafetensors(bytes);
  const tree = mapTreeWithPath((path, leaf) => {
    const found = tensors.get(path);
    if (!found) {
      throw new ValueError("load", `the file has no tensor ${path}`, {
        expected: path,
        received: [...tensors.keys()],
        hint: "load it into the model it was saved from",
      });
    }
    if (found.shape.join() !== leaf.shape.join() || found.dtype !== names[leaf.dtype]) {
      throw new ShapeError("load", `${path} is ${found.dtype}[${found.shape.join(", ")}] in the file and ${names[leaf.dtype]}[${leaf.shape.join(", ")}] in the model`, {
        expected: leaf.shape,
        received: found.shape,
        hint: "load it into the model it was saved from",
      });
    }
    return tensor(found.data as never, { shape: [...leaf.shape], dtype: leaf.dtype });
  }, like);
  return { tree, metadata: metadata ?? {} };
}

/** Writes the tensors of a tree to a file. Needs a file system: Node, Deno or Bun. */
export async function save(path: string, tree: unknown, metadata: Readonly<Record<string, string>> = {}): Promise<void> {
  await writeSafely(path, await encode(tree, metadata));
}

/** Reads a file written by `save` into a tree like `like`. */
export async function load<T>(path: string, like: T): Promise<T> {
  return (await loadWithMetadata(path, like)).tree;
}

/** As `load`, with the strings that were saved beside the tensors. */
export async function loadWithMetadata<T>(path: string, like: T): Promise<ReturnType<typeof decode<T>>> {
  return decode(await builtin("load", "node:fs/promises").readFile(path), like);
}

/** Writes a file so that a crash at any moment leaves either the old one or the new one. */
export async function writeSafely(path: string, bytes: Uint8Array): Promise<void> {
  const { mkdir, open, rename } = builtin("save", "node:fs/promises");
  const folder = builtin("save", "node:path").dirname(path);
  await mkdir(folder, { recursive: true });
  const temporary = temporaryPath(path);
  const file = await open(temporary, "w");
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  const directory = await open(folder, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
