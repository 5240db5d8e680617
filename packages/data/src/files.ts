/** Folders of files, one folder for each class: names and class numbers, and no bytes. */
import { ValueError } from "@dormouse/tensor";
import { builtin } from "./platform.ts";

/** Files and their classes. */
export interface LabeledFiles {
  /** Paths, below the folder that was given. */
  readonly paths: readonly string[];
  /** Class number of each path. */
  readonly labels: Int32Array;
  /** Names of the classes: the folders, in order of code units. */
  readonly classes: readonly string[];
}

/**
 * The files below `folder`, whose own folders are the classes (`folder/cat/7.png` is a cat), at any depth; names that
 * begin with a dot are left out. The order is the same on every machine. For Node, Deno and Bun.
 *
 * ```ts no-run
 * const { paths, labels, classes } = await labeledFiles("pets", { extensions: ["png"] });
 * const pets = examples(paths.length, async (row) => ({
 *   x: channelsFirst(resizeImage(await readImage(await readFile(paths[row]), { channels: 3 }), [64, 64])),
 *   y: labels[row],
 * }), { dtypes: { y: "int32" } });
 * for await (const { x, y } of loader(pets, { batch: 32, shuffle: 0, prefetch: 2 })) train(x, y);
 * ```
 * @throws ValueError where there are no folders with files, and outside Node, Deno and Bun.
 */
export async function labeledFiles(
  folder: string,
  options: { readonly extensions?: readonly string[] } = {},
): Promise<LabeledFiles> {
  const { readdir } = builtin("labeledFiles", "node:fs/promises");
  const { join } = builtin("labeledFiles", "node:path");
  const endings = options.extensions?.map((extension) => `.${extension.replace(/^\./, "").toLowerCase()}`);
  const wanted = (name: string): boolean =>
    !name.startsWith(".") && (!endings || endings.some((ending) => name.toLowerCase().endsWith(ending)));
  // By code units, which no locale changes.
  const entriesOf = async (path: string) =>
    (await readdir(path, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1));
  const below = async (path: string): Promise<string[]> => {
    const paths: string[] = [];
    for (const entry of await entriesOf(path)) {
      if (entry.isDirectory() && !entry.name.startsWith(".")) paths.push(...(await below(join(path, entry.name))));
      else if (entry.isFile() && wanted(entry.name)) paths.push(join(path, entry.name));
    }
    return paths;
  };
  const found: { name: string; paths: string[] }[] = [];
  for (const entry of await entriesOf(folder)) {
    if (!entry.isDirectory() || entry.name.startsWith(".")) continue;
    const paths = await below(join(folder, entry.name));
    if (paths.length > 0) found.push({ name: entry.name, paths });
  }
  if (found.length === 0) {
    throw new ValueError("labeledFiles", `${folder} has no folder with ${endings?.join(", ") ?? "files"}`, {
      expected: endings,
      received: folder,
      hint: "give the folder whose own folders are the classes",
    });
  }
  return {
    paths: found.flatMap(({ paths }) => paths),
    labels: Int32Array.from(found.flatMap(({ paths }, label) => paths.map(() => label))),
    classes: found.map(({ name }) => name),
  };
}
