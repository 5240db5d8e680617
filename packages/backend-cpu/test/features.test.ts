/** What the engine is asked, and that a process with live workers ends by itself. */
import { execFile } from "node:child_process";
import { writeFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "vite";
import { expect, test, vi } from "vitest";
import { detectFeatures } from "../src/features.ts";
import { workerSource } from "../src/worker.ts";

test("fused multiply-add is found on every Node from 20 on, and can be declined", () => {
  expect(detectFeatures(true)).toEqual({ fma: true, sharedMemory: true, maySleep: true });
  expect(detectFeatures(false).fma).toBe(false);
});

test("an engine without SIMD is refused by name of what is missing", () => {
  const validate = vi.spyOn(WebAssembly, "validate").mockReturnValue(false);
  expect(() => detectFeatures(true)).toThrow("cpu: this engine has no WebAssembly SIMD; use Node 20");
  validate.mockRestore();
});

test("a page that is not isolated gets no shared memory", () => {
  vi.stubGlobal("crossOriginIsolated", false);
  expect(detectFeatures(true)).toMatchObject({ sharedMemory: false, maySleep: false });
  vi.unstubAllGlobals();
});

test("the worker is a script by itself", () => {
  expect(() => new Function("port", workerSource)).not.toThrow();
  expect(workerSource).not.toContain("undefined");
});

test("bundled into one file, a process with waiting workers ends without being told", async () => {
  const folder = await mkdtemp(join(tmpdir(), "dormouse-"));
  try {
    const source = join(folder, "main.ts");
    const backend = new URL("../src/backend.ts", import.meta.url).pathname;
    await writeFile(
      source,
      `import { createCpuBackend } from ${JSON.stringify(backend)};
const { capabilities } = await createCpuBackend({}, { threads: 3 });
console.log(capabilities.name);`,
    );
    await build({
      logLevel: "silent",
      ssr: { noExternal: true, resolve: { conditions: ["@dormouse/source"] } },
      resolve: { conditions: ["@dormouse/source"] },
      build: {
        ssr: source,
        outDir: folder,
        emptyOutDir: false,
        minify: true,
        target: "es2022",
        rollupOptions: { output: { entryFileNames: "main.mjs" } },
      },
    });
    const { stdout } = await promisify(execFile)(process.execPath, [join(folder, "main.mjs")], { timeout: 20_000 });
    expect(stdout).toBe("cpu-simd128-fma:3\n");
  } finally {
    await rm(folder, { recursive: true });
  }
});
