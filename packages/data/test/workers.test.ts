import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { type WorkerFunction, examples, inWorkers, loader, stream } from "../src/index.ts";
import { valuesOf } from "./values.ts";

const module = new URL("./fixtures/worker.mjs", import.meta.url);
const open: WorkerFunction<never, unknown>[] = [];
const workers = <I, O>(name: string, count = 2): WorkerFunction<I, O> => {
  const made = inWorkers<I, O>(module, name, { workers: count });
  open.push(made as WorkerFunction<never, unknown>);
  return made;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((made) => made.close()));
  vi.unstubAllGlobals();
});
const range = (length: number): number[] => Array.from({ length }, (_, i) => i);

describe("inWorkers", () => {
  test("results belong to their calls, and a stream keeps its order", async () => {
    const square = workers<number, number>("square", 3);
    expect(square.concurrency).toBe(6);
    expect(await Promise.all(range(20).map(square))).toEqual(range(20).map((n) => n * n));
    expect(await stream(range(30)).map(square).toArray()).toEqual(range(30).map((n) => n * n));
  });
  test("typed arrays and objects are copied, and the work is not on this thread", async () => {
    const data = Float32Array.of(1, 2);
    const { x, thread } = await workers<object, { x: Float32Array; thread: number }>("typed")({ data, factor: 3 });
    expect(x).toEqual(Float32Array.of(3, 6));
    expect(thread).toBeGreaterThan(0);
    expect(data).toEqual(Float32Array.of(1, 2));
  });
  test("calls are spread over as many threads as asked", async () => {
    const threads = await Promise.all(range(6).map(() => workers<number, number>("spin", 1)(5)));
    expect(new Set(threads).size).toBe(6);
    const two = workers<number, number>("spin", 2);
    expect(new Set(await Promise.all(range(8).map(() => two(10)))).size).toBe(2);
  });
  test("an error comes with its cause, and the worker goes on", async () => {
    const failing = workers<number, unknown>("failing", 1);
    const failure = (await failing(5).catch((error: unknown) => error)) as Error;
    expect(failure.message).toBe("inWorkers: failing failed (no 5); the cause is in `cause`");
    expect((failure.cause as Error).name).toBe("RangeError");
    expect((failure.cause as Error).stack).toContain("worker.mjs");
    expect(await failing(1)).toEqual({ x: [1, 2], y: 1 });
  });
  test("a loader and a stream say at which row it failed", async () => {
    const failing = workers<number, { x: number[]; y: number }>("failing");
    const source = examples(8, (position) => failing(position));
    const batches = loader(source, { batch: 2, prefetch: 2 });
    const seen: number[] = [];
    const walk = async (): Promise<void> => {
      for await (const { y } of batches) seen.push(...valuesOf(y));
    };
    await expect(walk()).rejects.toThrow(/examples: example 5 of epoch 0 failed \(inWorkers: failing failed \(no 5\)/);
    expect(seen).toEqual([0, 1, 2, 3]);
    await expect(stream(range(8)).map(failing).toArray()).rejects.toThrow(/stream: map failed at item 5 of epoch 0/);
  });
  test("a worker that ends takes its call with it; the others are answered", async () => {
    const exiting = workers<number, number>("exiting", 1);
    const results = await Promise.allSettled(range(5).map(exiting));
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled", "fulfilled"]);
    expect(String((results[2] as PromiseRejectedResult).reason)).toMatch(/the worker ended with code 3/);
  });
  test("what cannot be sent, loaded or found", async () => {
    const square = workers<unknown, number>("square", 1);
    await expect(square(() => 1)).rejects.toThrow(/inWorkers: square failed \(.*could not be cloned/);
    expect(await square(3)).toBe(9);
    await expect(workers("missing")(1 as never)).rejects.toThrow(/the module exports no function missing/);
    await expect(workers("notAFunction")(1 as never)).rejects.toThrow(/exports no function notAFunction/);
    const nowhere = inWorkers<number, number>(new URL("./nowhere.mjs", import.meta.url), "f", { workers: 1 });
    await expect(nowhere(1)).rejects.toThrow(/inWorkers: f failed \(Cannot find module/);
    await nowhere.close();
    expect(() => inWorkers(module, "square", { workers: 0 })).toThrow(/workers 0 is not a whole number from 1/);
  });
  test("closing ends calls under way and refuses later ones", async () => {
    const slow = workers<number, string>("slow", 1);
    const calls = [slow(10_000), slow(1)];
    await slow.close();
    for (const result of await Promise.allSettled([...calls, slow(1)])) {
      expect(String((result as PromiseRejectedResult).reason)).toMatch(/workers of slow were closed; make new ones/);
    }
  });
  test("in a page a module worker is started; without workers the error says so", async () => {
    const posted: unknown[] = [];
    let script = "";
    class PageWorker {
      onmessage: ((event: { data: unknown }) => void) | undefined;
      postMessage(message: { id: number; input: number }): void {
        posted.push(message);
        queueMicrotask(() => this.onmessage?.({ data: { id: message.id, output: message.input + 1 } }));
      }
      terminate(): void {}
    }
    vi.stubGlobal("process", { ...process, getBuiltinModule: undefined });
    vi.stubGlobal("URL", Object.assign(URL, {
      createObjectURL: (blob: Blob) => ((script = String(blob.size)), "blob:1"),
      revokeObjectURL: () => undefined,
    }));
    vi.stubGlobal("Worker", PageWorker);
    expect(await workers<number, number>("square")(4)).toBe(5);
    expect(posted).toEqual([{ id: 0, input: 4 }]);
    expect(Number(script)).toBeGreaterThan(100);
    vi.stubGlobal("Worker", undefined);
    await expect(workers<number, number>("square")(4)).rejects.toThrow(
      "inWorkers: this host has no workers; call the function itself in place of inWorkers",
    );
  });
});

describe("a process with workers", () => {
  let folder: string;
  const root = fileURLToPath(new URL("..", import.meta.url));
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "dormouse-workers-"));
    await build({
      entryPoints: [join(root, "src/index.ts")],
      outfile: join(folder, "data.mjs"),
      bundle: true,
      format: "esm",
      platform: "node",
      conditions: ["@dormouse/source"],
      external: ["hyparquet"],
      logLevel: "error",
    });
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const run = (code: string): { status: number | null; stdout: string; stderr: string } => {
    const file = join(folder, "run.mjs");
    writeFileSync(file, `import { inWorkers, stream } from "./data.mjs";\n${code}`);
    return spawnSync(process.execPath, [file], { encoding: "utf8", cwd: dirname(file), timeout: 30_000 });
  };
  const made = (name: string): string => `inWorkers(${JSON.stringify(module.href)}, ${JSON.stringify(name)}, { workers: 2 })`;

  test("ends by itself when nothing is under way, without closing them", () => {
    const { status, stdout, stderr } = run(`const square = ${made("square")};
      console.log(await Promise.all([1, 2, 3].map(square)));`);
    expect([status, stdout.trim(), stderr]).toEqual([0, "[ 1, 4, 9 ]", ""]);
  });
  test("waits for a call that something awaits", () => {
    const { status, stdout } = run(`console.log(await ${made("slow")}(300));`);
    expect([status, stdout.trim()]).toEqual([0, "slow"]);
  });
  test("leaves a stream early and ends", () => {
    const { status, stdout } = run(`const square = ${made("square")};
      for await (const n of stream([1, 2, 3, 4, 5, 6, 7]).map(square).prefetch(2)) { console.log(n); break; }`);
    expect([status, stdout.trim()]).toEqual([0, "1"]);
  });
});
