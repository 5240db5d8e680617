/** The exported page in Chromium: a person's way through it. Where there is no Chromium the tests are skipped and say so. */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { writePng } from "@dormouse/formats";
import { type Browser, type Page, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Workplace, flowers } from "./support.ts";

const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const isInstalled = existsSync(executablePath);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let work: Workplace;
let browser: Browser;
beforeAll(async () => {
  work = new Workplace();
  if (isInstalled) browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
});
afterAll(async () => {
  await browser?.close();
  work.remove();
});

/** Trains, exports and opens the page; what goes wrong in it, and what it asks the network for, is kept. */
async function opened(...words: string[]): Promise<{ runDir: string; page: Page; complaints: string[] }> {
  const { out, error } = await work.run(["train", ...words, "--threads", "1", "--json"]);
  expect(out, error).not.toBe("");
  const { runDir } = JSON.parse(out) as { runDir: string };
  expect(await work.run(["export", runDir, "--format", "html"])).toMatchObject({ code: 0 });
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (problem) => complaints.push(problem.message));
  page.on("request", (request) => {
    if (!/^(file|data|blob):/.test(request.url())) complaints.push(request.url());
  });
  await page.goto(pathToFileURL(join(runDir, "export/predictor.html")).href);
  return { runDir, page, complaints };
}

/** The part of axe-core that is used. */
interface Axe {
  readonly axe: { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> };
}

/** Serious findings of axe in light or dark. */
async function findings(page: Page): Promise<string[]> {
  const found: string[] = [];
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    // The policy of the page lets no script in from outside, so that axe comes through the debugger.
    await page.evaluate(axe);
    const serious = await page.evaluate(async () => {
      const { violations } = await (globalThis as unknown as Axe).axe.run();
      return violations.filter(({ impact }) => impact === "serious" || impact === "critical").map(({ id, nodes }) => `${id}: ${nodes[0]!.html}`);
    });
    found.push(...serious.map((text) => `${colorScheme}: ${text}`));
  }
  return found;
}

const columnsOf = async (page: Page): Promise<number[]> => (await page.locator("td.p").allTextContents()).map(Number);

describe.runIf(isInstalled)(isInstalled ? "in Chromium" : `in Chromium (skipped: there is no ${executablePath})`, () => {
  it("fills in a form, and reads what predict prints", async () => {
    const { runDir, page, complaints } = await opened(work.write("flowers.csv", flowers()), "--target", "kind", "--epochs", "10");
    await page.getByLabel("length").fill("2.7");
    await page.getByLabel("width").fill("");
    await page.getByLabel("color").selectOption("white");
    await page.getByLabel("thorns").selectOption("(missing)");
    await page.getByLabel("price").fill("13.5");
    const { out } = await work.run(["predict", runDir, work.write("row.csv", "length,width,color,thorns,price\n2.7,,white,,13.5\n")]);
    const [, name, numbers] = /\n("[^"]*"|[^,]*),([\d.e,-]+)/.exec(out)!;
    expect(await page.locator("#prediction").textContent()).toBe(name!.replaceAll('"', ""));
    const expected = numbers!.split(",").slice(0, 3).map(Number);
    (await columnsOf(page)).forEach((p, i) => expect(p).toBeCloseTo(expected[i]!, 5));
    expect(await findings(page)).toEqual([]);
    expect(complaints).toEqual([]);
  });

  it("draws on the pad, clears it, and takes an image", async () => {
    const { runDir, page, complaints } = await opened("--limit", "600", "--epochs", "2", "--hidden", "32");
    const empty = await columnsOf(page);
    const pad = (await page.locator("#pad").boundingBox())!;
    await page.mouse.move(pad.x + pad.width / 2, pad.y + pad.height / 5);
    await page.mouse.down();
    await page.mouse.move(pad.x + pad.width / 2, pad.y + (4 * pad.height) / 5, { steps: 8 });
    await page.mouse.up();
    expect(await columnsOf(page)).not.toEqual(empty);
    await page.getByRole("button", { name: "Clear" }).click();
    expect(await columnsOf(page)).toEqual(empty);

    const image = work.write("stroke.png", await writePng({ data: Uint8Array.from({ length: 784 }, (_, i) => (i % 28 > 12 && i % 28 < 16 ? 250 : 0)), shape: [28, 28, 1] }));
    await page.getByLabel("or an image:").setInputFiles(image);
    const { out } = await work.run(["predict", runDir, image]);
    const [, row] = out.trim().split("\n");
    const expected = row!.split(",").slice(2, 12).map(Number);
    await expect.poll(async () => (await columnsOf(page)).every((p, i) => Math.abs(p - expected[i]!) < 2e-5)).toBe(true);
    expect(await findings(page)).toEqual([]);
    expect(complaints).toEqual([]);
  });
});
