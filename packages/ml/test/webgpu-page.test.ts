/**
 * WebGPU in a browser: on a page of a headless Chromium with its software GPU, the umbrella says why it keeps the
 * processor, and a model that is moved to the GPU trains there as in Node. Without Chromium the tests are skipped and
 * say so.
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
  "--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader",
];

const entry = `
  import { program } from ${JSON.stringify(fileURLToPath(new URL("./program.ts", import.meta.url)))};
  import { picked, setDevice, webgpu } from "@dormouse/ml";
  const run = async () => {
    const device = await webgpu();
    setDevice(device);
    const report = { ...(await program()), device: device.name, reason: picked.reason };
    await device[Symbol.asyncDispose]();
    return report;
  };
  run().then((report) => (globalThis.report = report), (error) => (globalThis.failure = String(error)));
`;

async function bundle(): Promise<string> {
  const result = await build({
    stdin: { contents: entry, resolveDir: fileURLToPath(new URL(".", import.meta.url)), loader: "ts" },
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2023",
    conditions: ["@dormouse/source"],
    external: ["node:*"],
    logLevel: "silent",
  });
  return result.outputFiles[0]!.text;
}

function serve(script: string): Promise<Server> {
  const server = createServer((request, response) => {
    const isScript = request.url === "/program.js";
    response.writeHead(200, { "Content-Type": isScript ? "text/javascript" : "text/html" });
    response.end(isScript ? script : `<!doctype html><script type="module" src="/program.js"></script>`);
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

const title = isInstalled ? "WebGPU in Chromium" : `WebGPU in Chromium (skipped: there is no ${executablePath})`;
describe.skipIf(!isInstalled)(title, () => {
  let browser: Browser;
  let server: Server;
  beforeAll(async () => {
    [browser, server] = await Promise.all([chromium.launch({ executablePath, args: flags }), bundle().then(serve)]);
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    server?.close();
    server?.closeAllConnections();
  });

  test("a model on the GPU trains as it does in Node, and software is not picked by itself", async () => {
    const tab = await browser.newPage();
    await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await tab.waitForFunction("globalThis.report || globalThis.failure", undefined, { timeout: 100_000 });
    expect(await tab.evaluate("globalThis.failure")).toBeUndefined();
    const report = await tab.evaluate<Report>("globalThis.report");
    const inNode = await program();
    expect(report.device).toBe("webgpu:google-swiftshader");
    expect(report.reason).toContain("the only GPU is software (google-swiftshader)");
    expect(report.hello).toEqual(inNode.hello);
    for (const [got, wanted] of [[report.step, inNode.step], [report.product, inNode.product], [report.losses, inNode.losses]] as const) {
      expect(got).toHaveLength(wanted.length);
      got.forEach((value, i) => expect(value).toBeCloseTo(wanted[i]!, 3));
    }
  }, 120_000);
});
