/**
 * The report in a browser: drawn whole, without scripts, network or errors, and legible to those who cannot see it, in
 * light, in dark, on paper and on a telephone. Needs Debian's `chromium`; where there is none these tests are skipped
 * and say so.
 */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, type Page, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Workplace, flowers, idxFolder } from "./support.ts";

const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const isInstalled = existsSync(executablePath);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let work: Workplace;
const reports: Record<string, string> = {};
beforeAll(async () => {
  work = new Workplace();
  const csv = work.write("flowers.csv", flowers());
  // A name that would break out of HTML, and a target that is hard to learn.
  const odd = work.write("odd.csv", flowers(120).replace("thorns", '"<b>&""thorns"""'));
  const idx = await idxFolder(work, "stripes");
  const quick = ["--threads", "1", "--epochs", "3", "--json"];
  const commands: Record<string, readonly string[]> = {
    multiclass: ["train", csv, "--target", "kind", ...quick],
    binary: ["train", odd, "--target", '<b>&"thorns"', "--costs", "[[0, 5], [1, 0]]", ...quick],
    // Without columns that stand in for length.
    regression: ["train", csv, "--target", "price", "--exclude", "kind,thorns", "--threads", "1", "--epochs", "40", "--learning-rate", "0.01", "--json"],
    images: ["train", idx, "--hidden", "8", ...quick],
    "one epoch, nothing calibrated": ["train", csv, "--target", "kind", ...quick.slice(0, 2), "--epochs", "1", "--calibration", "none", "--alpha", "0.01", "--costs", "[[0, 1, 2], [1, 0, 1], [2, 1, 0], [0.5, 0.5, 0.5]]", "--json"],
  };
  for (const [name, words] of Object.entries(commands)) {
    const { code, out, error } = await work.run(words);
    expect([name, code, error]).toEqual([name, 0, error]);
    reports[name] = join((JSON.parse(out) as { runDir: string }).runDir, "report.html");
  }
});
afterAll(() => work.remove());

const names = ["multiclass", "binary", "regression", "images", "one epoch, nothing calibrated"];
const classSections = ["How good it is", "Where it is wrong", "How well it tells classes apart", "How far its probabilities can be trusted", "What sets promise", "How training went"];
const withCosts = [...classSections.slice(0, -1), "What its errors cost", "How training went"];
const wanted: Record<string, readonly string[]> = {
  multiclass: [...classSections, "What decides kind", "How to do it again"],
  binary: [...withCosts, 'What decides <b>&"thorns"', "How to do it again"],
  regression: ["How good it is", "How far it is off", "What intervals promise", "How training went", "What decides price", "How to do it again"],
  images: [...classSections, "How to do it again"],
  "one epoch, nothing calibrated": [...withCosts, "What decides kind", "How to do it again"],
};

describe("report.html as text", () => {
  it.each(names)("is whole, and asks nothing of others: %s", (name) => {
    const html = readFileSync(reports[name]!, "utf8");
    expect(html).not.toMatch(/https?:|<script|<link|<img|@import|url\(|NaN|undefined|Infinity/);
    expect(html).toContain("dormouse train ");
  });
});

const title = isInstalled ? "report.html in Chromium" : `report.html in Chromium (skipped: there is no ${executablePath})`;
describe.skipIf(!isInstalled)(title, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"] });
  });
  afterAll(() => browser.close());

  /** Opens a report; whatever it says on the console or asks of the network is kept. */
  async function open(name: string, options: Parameters<Browser["newPage"]>[0] = {}): Promise<{ page: Page; complaints: string[]; requests: string[] }> {
    const page = await browser.newPage(options);
    const [complaints, requests]: [string[], string[]] = [[], []];
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("request", (request) => requests.push(request.url()));
    await page.goto(pathToFileURL(reports[name]!).href);
    return { page, complaints, requests };
  }

  it.each(names)("shows every section, without a word on the console or to the network: %s", async (name) => {
    const { page, complaints, requests } = await open(name);
    expect(await page.locator("h2").allTextContents()).toEqual(wanted[name]);
    // Every entry of the contents leads to a heading.
    for (const target of await page.locator("nav a").evaluateAll((links) => links.map((link) => link.getAttribute("href")!))) {
      expect(await page.locator(`h2${target}`).count()).toBe(1);
    }
    const drawings = await page.locator("svg").evaluateAll((all) => all.map((svg) => [svg.getBoundingClientRect().width, svg.getBoundingClientRect().height, svg.querySelectorAll("path, rect, circle").length]));
    expect(drawings.length).toBeGreaterThan(3);
    for (const [width, height, marks] of drawings) expect(Math.min(width!, height!, marks!)).toBeGreaterThan(0);
    expect(complaints).toEqual([]);
    expect(requests).toEqual([pathToFileURL(reports[name]!).href]);
    await page.close();
  });

  it.each([
    ["multiclass", "light", 1200], ["multiclass", "dark", 1200], ["binary", "dark", 390], ["regression", "light", 390], ["images", "dark", 1200],
  ] as const)("has nothing that axe objects to: %s, %s, %i wide", async (name, colorScheme, width) => {
    const { page } = await open(name, { colorScheme, viewport: { width, height: 900 } });
    // What is folded is judged, too.
    await page.locator("details").evaluateAll((all) => all.forEach((each) => ((each as HTMLDetailsElement).open = true)));
    await page.evaluate(axe);
    const found = await page.evaluate(async () => {
      const { violations } = await (globalThis as unknown as { axe: { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> } }).axe.run();
      return violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes[0]!.html}`);
    });
    expect(found).toEqual([]);
    await page.close();
  });

  it("fits a telephone without scrolling sideways", async () => {
    for (const name of names) {
      const { page } = await open(name, { viewport: { width: 360, height: 700 } });
      expect([name, await page.evaluate(() => document.documentElement.scrollWidth)]).toEqual([name, 360]);
      await page.close();
    }
  });

  it("is dark where dark is preferred, and black on white on paper", async () => {
    const { page } = await open("binary", { colorScheme: "dark" });
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    expect(await ground()).toBe("rgb(18, 22, 28)");
    await page.emulateMedia({ media: "print" });
    expect(await ground()).toBe("rgb(255, 255, 255)");
    expect(await page.locator("nav").isVisible()).toBe(false);
    expect((await page.pdf({ format: "A4" })).subarray(0, 5).toString()).toBe("%PDF-");
    await page.close();
  });

  it.each(["multiclass", "regression"])("shows the scores that were written down: %s", async (name) => {
    const { page } = await open(name);
    const [head, ...rows] = await page.locator("table").first().locator("tr").evaluateAll((lines) => lines.map((line) => Array.from(line.children, (cell) => cell.textContent)));
    const { metrics } = JSON.parse(readFileSync(join(dirname(reports[name]!), "scores.json"), "utf8")) as { metrics: Record<string, Record<string, number>> };
    expect(rows.map(([part]) => part)).toEqual(Object.keys(metrics));
    for (const [part, , ...cells] of rows) {
      const scores = Object.values(metrics[part!]!);
      expect(cells).toHaveLength(scores.length);
      cells.forEach((cell, i) => expect(Math.abs(Number(cell!.replaceAll(",", "").replace("−", "-")) - scores[i]!), `${part} ${head![i + 2]}`).toBeLessThan(6e-4 * Math.max(1, Math.abs(scores[i]!))));
    }
    await page.close();
  });

  it("counts every test example once in the confusion matrix", async () => {
    const { page } = await open("images");
    const counts = (await page.locator("text.count").allTextContents()).map(Number);
    expect(counts.reduce((sum, n) => sum + n)).toBe(31);
    await page.close();
  });

  it("puts the column first that decides most", async () => {
    const { page } = await open("regression");
    const columns = page.getByRole("region", { name: "Columns of the data" });
    // The price is 2 × length − width; the color says nothing.
    expect(await columns.locator("tbody th").first().textContent()).toBe("length");
    const growth = (await columns.locator("td.bar").allTextContents()).map((text) => Number(text.replace("−", "-")));
    expect(growth).toEqual([...growth].sort((a, b) => b - a));
    expect(growth[0]).toBeGreaterThan(0.1);
    await page.close();
  });

  it("shows names as they are", async () => {
    const { page } = await open("binary");
    expect(await page.locator("h1").textContent()).toBe("odd");
    expect(await page.locator("header").textContent()).toContain('Classification of <b>&"thorns": no, yes');
    expect(await page.locator("b").count()).toBe(0);
    await page.close();
  });
});
