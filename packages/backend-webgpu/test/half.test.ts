/**
 * Half precision on a GPU that has it. Mesa's software GPU does, which only Deno finds: what Node runs on does not, and
 * says so. Without Deno or Mesa these tests are skipped by name.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { env } from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { exp, setDevice, tensor } from "@dormouse/tensor";
import { build } from "esbuild";
import { beforeAll, describe, expect, test } from "vitest";
import { backend, describeOnGpu, device } from "./gpu.ts";
import type { HalfReport } from "./half-program.ts";

const here = dirname(fileURLToPath(import.meta.url));
/** Deno comes with the umbrella package; `DENO` may name another. */
const deno = [env["DENO"] ?? "", join(here, "../../ml/node_modules/.bin/deno")].find((path) => path !== "" && existsSync(path));
const driver = ["x86_64", "aarch64"].map((machine) => `/usr/share/vulkan/icd.d/lvp_icd.${machine}.json`).find((path) => existsSync(path));

async function runInDeno(): Promise<HalfReport> {
  const folder = await mkdtemp(join(tmpdir(), "dormouse-half-"));
  try {
    const script = join(folder, "program.mjs");
    const contents = `import { halfProgram } from "./half-program.ts"; console.log(JSON.stringify(await halfProgram(), (_, x) => typeof x === "number" && !Number.isFinite(x) ? String(x) : x));`;
    const { outputFiles } = await build({
      stdin: { contents, resolveDir: here, loader: "ts" },
      bundle: true, write: false, format: "esm", platform: "node", target: "es2023", conditions: ["@dormouse/source"],
      external: ["node:*"], logLevel: "silent",
    });
    await writeFile(script, outputFiles[0]!.contents);
    const environment = { ...env, VK_DRIVER_FILES: driver, XDG_RUNTIME_DIR: folder };
    const flags = ["run", "--unstable-webgpu", "--allow-all", "--no-config", "--no-remote"];
    const { stdout } = await promisify(execFile)(deno!, [...flags, script], { env: environment, timeout: 170_000, maxBuffer: 2 ** 26 });
    return JSON.parse(stdout.trim().split("\n").at(-1)!) as HalfReport;
  } finally {
    await rm(folder, { recursive: true });
  }
}

const missing = !deno ? "there is no deno on this machine" : !driver ? "there is no software GPU of Mesa on this machine" : null;
describe.skipIf(missing)(`half precision${missing ? ` (skipped: ${missing})` : ""}`, () => {
  let report: HalfReport;
  beforeAll(async () => {
    report = await runInDeno();
  }, 180_000);

  test("is a dtype of a GPU that has it", () => {
    expect(report.adapter).toMatch(/llvmpipe/);
    expect(report.dtypes).toContain("float16");
    expect(report.computed.length).toBeGreaterThan(20);
  });

  test("gives what the reference gives", () => {
    for (const { name, got, wanted, tolerance } of report.computed) {
      expect(got, name).toHaveLength(wanted.length);
      wanted.forEach((value, i) => {
        const [a, b] = [Number(got[i]), Number(value)];
        const isClose = Object.is(a, b) || Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b));
        if (!isClose) expect.fail(`${name}: element ${i} is ${a} and should be ${b}`);
      });
    }
  });
});

describeOnGpu("half precision", () => {
  test("is refused by a GPU that does not have it", async ({ skip }) => {
    if (backend.capabilities.dtypes.has("float16")) return skip("this GPU has it");
    setDevice(device);
    await expect(async () => exp(tensor([1, 2], { dtype: "float16" })).data()).rejects.toThrow(/has no float16; cast to float32/);
  });
});
