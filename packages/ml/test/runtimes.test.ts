/**
 * The umbrella in Deno and in Bun: one bundle trains on the processor and, where there is a GPU, on it too, as in Node.
 * Deno comes with the repository, on processors for which npm has it; Bun is used where it is installed. `DENO` and
 * `BUN` may name other executables. What is missing skips its tests by name.
 */
import { execFile, execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { env } from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Report, program } from "./program.ts";

/** What a runtime prints; `onGpu` is null for a `reason`. */
interface Printed {
  readonly onProcessor: Report;
  readonly onGpu: Report | null;
  readonly reason: string;
}

const here = dirname(fileURLToPath(import.meta.url));
/** Chromium's software renderer, for machines without a GPU. */
const software = "/usr/lib/chromium/vk_swiftshader_icd.json";
const environment = !env["VK_DRIVER_FILES"] && existsSync(software) ? { ...env, VK_DRIVER_FILES: software } : env;

const entry = `
  import { program } from ${JSON.stringify(join(here, "program.ts"))};
  import { describeAdapter, setDevice, webgpu } from "@dormouse/ml";
  const onProcessor = await program();
  const found = await describeAdapter();
  let onGpu = null;
  if (found.available) {
    await using device = await webgpu();
    setDevice(device);
    onGpu = { ...(await program()), device: device.name };
  }
  console.log(JSON.stringify({ onProcessor, onGpu, reason: found.reason ?? "" }));
`;

/** An executable that starts; a package without a binary for this machine leaves one that does not. */
function find(name: string): string | null {
  const folders = [join(here, "../node_modules/.bin"), ...(env["PATH"] ?? "").split(delimiter)];
  const candidates = [env[name.toUpperCase()] ?? "", ...folders.map((folder) => join(folder, name))];
  return candidates.filter((path) => path !== "" && existsSync(path)).find(starts) ?? null;
}

function starts(path: string): boolean {
  try {
    execFileSync(path, ["--version"], { stdio: "ignore", timeout: 30_000 });
    return true;
  } catch {
    return false;
  }
}

// Bun would otherwise fetch packages that it does not find.
const runtimes = [
  { name: "deno", flags: ["run", "--allow-all", "--no-config", "--no-remote"] },
  { name: "bun", flags: ["--no-install"] },
].map((runtime) => ({ ...runtime, path: find(runtime.name) }));

let folder: string;
let script: string;
let inNode: Report;
beforeAll(async () => {
  // Beside the optional package `webgpu`, which Bun takes from here.
  folder = await mkdtemp(join(here, "../../backend-webgpu/node_modules/.runtimes-"));
  script = join(folder, "program.mjs");
  const bundled = build({
    stdin: { contents: entry, resolveDir: here, loader: "ts" },
    bundle: true,
    outfile: script,
    format: "esm",
    platform: "node",
    target: "es2023",
    conditions: ["@dormouse/source"],
    external: ["node:*"],
    logLevel: "silent",
  });
  [inNode] = await Promise.all([program(), bundled]);
}, 120_000);
afterAll(async () => {
  if (folder) await rm(folder, { recursive: true });
});

/** Losses after many steps differ by how sums are rounded. */
function expectLikeNode({ hello, step, losses, product }: Report): void {
  expect(hello).toEqual(inNode.hello);
  for (const [got, wanted] of [[step, inNode.step], [losses, inNode.losses], [product, inNode.product]] as const) {
    expect(got).toHaveLength(wanted.length);
    got.forEach((value, i) => expect(value).toBeCloseTo(wanted[i]!, 3));
  }
}

for (const { name, path, flags } of runtimes) {
  const title = path ? `in ${name}` : `in ${name} (skipped: there is no ${name} on this machine)`;
  describe.skipIf(!path)(title, () => {
    let printed: Printed;
    beforeAll(async () => {
      const { stdout } = await promisify(execFile)(path!, [...flags, script], { env: environment, timeout: 110_000 });
      printed = JSON.parse(stdout.trim().split("\n").at(-1)!) as Printed;
    }, 120_000);

    test("a model trains on the processor as in Node", () => {
      expect(printed.onProcessor.device).toMatch(/^cpu-simd128(-fma)?:\d+$/);
      expectLikeNode(printed.onProcessor);
    });

    test("a model trains on the GPU as in Node", ({ skip }) => {
      if (!printed.onGpu) return skip(printed.reason);
      expect(printed.onGpu.device).toMatch(/^webgpu:/);
      expectLikeNode(printed.onGpu);
    });
  });
}
