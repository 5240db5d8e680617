/**
 * The file system of the host: Node's built-in modules, in Node, Deno and Bun. The few types are spelled out here,
 * because the package must compile for pages too. Knows no format.
 */
import { DormouseError } from "@dormouse/tensor";

interface FileHandle {
  writeFile(bytes: Uint8Array): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

interface FileModules {
  "node:fs": { existsSync(path: string): boolean };
  "node:fs/promises": {
    mkdir(path: string, options: { recursive: true }): Promise<unknown>;
    open(path: string, flags: "r" | "w"): Promise<FileHandle>;
    readFile(path: string): Promise<Uint8Array>;
    readdir(path: string): Promise<readonly string[]>;
    rm(path: string, options: { force: true }): Promise<void>;
    rename(from: string, to: string): Promise<void>;
  };
  "node:path": { dirname(path: string): string };
}

interface HostProcess {
  readonly pid: number;
  getBuiltinModule?<M extends keyof FileModules>(name: M): FileModules[M] | undefined;
}

const host = (globalThis as { process?: HostProcess }).process;

/** A built-in module of Node. Not an `import`, so that bundles for pages need no shim. */
export function builtin<M extends keyof FileModules>(op: string, name: M): FileModules[M] {
  const found = host?.getBuiltinModule?.(name);
  if (found) return found;
  throw new DormouseError(op, `this host has no ${name}`, {
    expected: name,
    hint: "run it in Node, Deno or Bun, or use encode and decode with bytes of your own",
  });
}

/** Where a file is written before it takes its place; two processes write to different ones. */
export const temporaryPath = (path: string): string => `${path}.${host?.pid ?? 0}.tmp`;

/** Removes what processes that were killed had begun to write. */
export async function removeLeftovers(folder: string): Promise<void> {
  const { readdir, rm } = builtin("checkpoint", "node:fs/promises");
  if (!builtin("checkpoint", "node:fs").existsSync(folder)) return;
  for (const name of await readdir(folder)) if (/\.\d+\.tmp$/.test(name)) await rm(`${folder}/${name}`, { force: true });
}
