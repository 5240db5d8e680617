/**
 * The umbrella in a browser: bundled for pages, served without and with cross-origin isolation, run in a headless
 * Chromium, compared with Node. Needs Debian's `chromium`; where there is none the tests are skipped and say so.
 */
import { existsSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Report, program } from "./program.ts";

const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const isInstalled = existsSync(executablePath);

const flags = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

const page = `<!doctype html>
<script type="module">
  import { program } from "/program.js";
  program().then((report) => (globalThis.report = report), (error) => (globalThis.failure = String(error)));
</script>`;

async function bundle(): Promise<string> {
  const result = await build({
    entryPoints: [fileURLToPath(new URL("./program.ts", import.meta.url))],
    bundle: true,
    write: false,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2023",
    conditions: ["@dormouse/source"],
    external: ["node:*"],
    logLevel: "silent",
  });
  return result.outputFiles[0]!.text;
}

function serve(script: string, isolated: boolean): Promise<Server> {
  const headers = isolated
    ? { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" }
    : {};
  const server = createServer((request, response) => {
    const isScript = request.url === "/program.js";
    response.writeHead(200, { ...headers, "Content-Type": isScript ? "text/javascript" : "text/html" });
    response.end(isScript ? script : page);
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

/** Relative to the largest: fused multiply-adds round differently from engine to engine. */
function expectClose(received: readonly number[], expected: readonly number[], tolerance: number): void {
  expect(received).toHaveLength(expected.length);
  received.forEach((value, i) => {
    const wanted = expected[i]!;
    expect(Math.abs(value - wanted)).toBeLessThan(tolerance * Math.max(1, Math.abs(wanted)));
  });
}

test("the program of the browser tests trains in Node", async () => {
  const { hello, device, reason, losses } = await program();
  expect(hello).toEqual([3, 5, 7]);
  expect(device).toMatch(/^cpu-simd128(-fma)?:\d+$/);
  expect(reason).toMatch(/^the processor computes, on /);
  expect(losses).toHaveLength(5);
  expect(losses.at(-1)).toBeLessThan(losses[0]! * 0.8);
});

const title = isInstalled ? "in Chromium" : `in Chromium (skipped: there is no ${executablePath})`;
describe.skipIf(!isInstalled)(title, () => {
  let browser: Browser;
  let script: string;
  let inNode: Report;
  beforeAll(async () => {
    const launched = chromium.launch({ executablePath, args: flags });
    [browser, script, inNode] = await Promise.all([launched, bundle(), program()]);
  }, 120_000);
  afterAll(() => browser?.close());

  test.each([
    ["on one thread, on a plain page", false],
    ["on several threads, on a cross-origin isolated page", true],
  ])("computes what Node computes, %s", async (_, isolated) => {
    const server = await serve(script, isolated);
    const tab = await browser.newPage();
    const complaints: string[] = [];
    tab.on("pageerror", (error) => complaints.push(String(error)));
    try {
      await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      await tab.waitForFunction("globalThis.report || globalThis.failure", undefined, { timeout: 90_000 }).catch((error: unknown) => {
        throw new Error(`the page gave no report: ${complaints.join("; ") || String(error)}`);
      });
      expect(await tab.evaluate("globalThis.failure")).toBeUndefined();
      const processors = await tab.evaluate<number>("navigator.hardwareConcurrency");
      const report = await tab.evaluate<Report>("globalThis.report");
      expect(report.hello).toEqual(inNode.hello);
      expectClose(report.step, inNode.step, 1e-6);
      expectClose(report.product, inNode.product, 1e-5);
      expectClose(report.losses, inNode.losses, 1e-3);
      const threads = isolated ? Math.min(processors, 8) : 1;
      expect(report.device).toMatch(new RegExp(`^cpu-simd128(-fma)?:${threads}$`));
      if (!isolated) expect(report.reason).toContain("the page is not cross-origin isolated");
      expect(complaints).toEqual([]);
    } finally {
      await tab.close();
      server.close();
      server.closeAllConnections();
    }
  }, 120_000);
});
