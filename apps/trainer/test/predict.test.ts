/** `predict` on files of every form that a person may have. */
import { mkdirSync, readFileSync } from "node:fs";
import { gunzip, gzip, readIdx, writeIdx, writeNpy, writePng } from "@dormouse/formats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Workplace, flowers, idxFolder } from "./support.ts";

let work: Workplace;
let idx: string;
/** Runs of a table and of images. */
let kinds: string;
let prices: string;
let stripes: string;
let images: Uint8Array;
beforeAll(async () => {
  work = new Workplace();
  const csv = work.write("flowers.csv", flowers());
  idx = await idxFolder(work, "stripes");
  images = readIdx(await gunzip(readFileSync(`${idx}/t10k-images-idx3-ubyte.gz`))).data as Uint8Array;
  const train = async (...words: string[]): Promise<string> => {
    const { out, error } = await work.run(["train", ...words, "--epochs", "3", "--threads", "1", "--json"]);
    expect(out, error).not.toBe("");
    return (JSON.parse(out) as { runDir: string }).runDir;
  };
  kinds = await train(csv, "--target", "kind");
  prices = await train(csv, "--target", "price");
  stripes = await train("idx", "--data", idx);
});
afterAll(() => work.remove());

async function predicted(run: string, data: string): Promise<string[]> {
  const { code, out, error } = await work.run(["predict", run, data]);
  expect(code, error).toBe(0);
  return out.trim().split("\n");
}

const rows = [
  { length: 6.2, width: 2.1, color: "red", thorns: "no", price: 20.1 },
  { length: 0.1, width: null, color: null, thorns: "yes", price: 10.2 },
];
const csvOf = (separator: string, decimal: string): string =>
  [Object.keys(rows[0]!), ...rows.map((row) => Object.values(row).map((cell) => String(cell ?? "").replace(".", decimal)))].map((cells) => cells.join(separator)).join("\n");

describe("rows", () => {
  let expected: string[];
  beforeAll(async () => {
    expected = await predicted(kinds, work.write("rows.csv", csvOf(",", ".")));
  });

  it.each<[string, () => string | Uint8Array | Promise<Uint8Array>]>([
    ["tabs.tsv", () => csvOf("\t", ".")],
    ["bom.csv", () => `\ufeff${csvOf(",", ".").replaceAll("\n", "\r\n")}\r\n`],
    ["rows.csv.gz", () => gzip(new TextEncoder().encode(csvOf(",", ".")))],
    ["rows.jsonl", () => rows.map((row) => JSON.stringify(row)).join("\n")],
  ])("of %s are predicted as those of a plain file", async (name, content) => {
    expect(await predicted(kinds, work.write(name, await content()))).toEqual(expected);
  });

  it("are predicted alike one by one and together", async () => {
    const [head, ...lines] = csvOf(",", ".").split("\n");
    for (const [i, line] of lines.entries()) {
      expect(await predicted(kinds, work.write("one.csv", `${head}\n${line}\n`))).toEqual([expected[0], expected[i + 1]]);
    }
  });

  it("become lines of JSON where the file is named so", async () => {
    const file = work.at("kinds.jsonl");
    expect(await work.run(["predict", kinds, work.at("rows.csv"), "--out", file])).toMatchObject({ code: 0, out: "", error: `2 predictions in ${file}\n` });
    const lines = readFileSync(file, "utf8").trim().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toHaveLength(2);
    const names = expected[0]!.replaceAll(/"([^"]*)"/g, (_, name: string) => name.replace(",", ";")).split(",").map((name) => name.replace(";", ","));
    expect(Object.keys(lines[0]!)).toEqual(names);
    expect(typeof lines[0]!["p(rose)"]).toBe("number");
    expect(lines[0]!["set"]).toBeInstanceOf(Array);
  });

  it("have intervals where numbers are predicted", async () => {
    const file = work.at("prices.jsonl");
    const data = work.write("kinds.csv", csvOf(",", ".").split("\n").map((line, i) => `${line},${i === 0 ? "kind" : "rose"}`).join("\n"));
    await work.run(["predict", prices, data, "--out", file]);
    const [{ prediction, lower, upper }] = readFileSync(file, "utf8").trim().split("\n").map((line) => JSON.parse(line) as Record<string, number>) as [Record<string, number>];
    expect(upper! - prediction!).toBeCloseTo(prediction! - lower!, 3);
    expect(upper).toBeGreaterThan(lower!);
  });
});

describe("images", () => {
  const count = 31;
  const image = (i: number): Uint8Array => images.subarray(30 * i, 30 * (i + 1));

  it.each<[string, () => Uint8Array | Promise<Uint8Array>]>([
    ["images.npy", () => writeNpy({ data: images, shape: [count, 6, 5] })],
    ["images.npy.gz", () => gzip(writeNpy({ data: images, shape: [count, 6, 5] }))],
    ["images-idx3-ubyte", () => writeIdx({ data: images, shape: [count, 6, 5] })],
  ])("of %s are predicted as those of the folder", async (name, content) => {
    expect(await predicted(stripes, work.write(name, await content()))).toEqual(await predicted(stripes, idx));
  });

  it("of PNG files are predicted with their names", async () => {
    const expected = await predicted(stripes, idx);
    mkdirSync(work.at("pictures"));
    work.write("pictures/notes.txt", "no image");
    for (const i of [2, 0, 1]) work.write(`pictures/${i}.png`, await writePng({ data: image(i), shape: [6, 5, 1] }));
    expect(await predicted(stripes, work.at("pictures"))).toEqual([`file,${expected[0]}`, `0.png,${expected[1]}`, `1.png,${expected[2]}`, `2.png,${expected[3]}`]);
    expect(await predicted(stripes, work.at("pictures/1.png"))).toEqual([`file,${expected[0]}`, `1.png,${expected[2]}`]);
  });

  it.each<[string, () => Uint8Array | string | Promise<Uint8Array>, string]>([
    ["large.png", () => writePng({ data: new Uint8Array(64), shape: [8, 8, 1] }), "images are 8 x 8, the model was trained on 6 x 5"],
    ["torn.png", async () => (await writePng({ data: image(0), shape: [6, 5, 1] })).slice(0, 30), "torn.png"],
    ["real.npy", () => writeNpy({ data: new Float32Array(30), shape: [1, 6, 5] }), "Float32Array of shape [1, 6, 5] instead of images of bytes"],
    ["none.npy", () => writeNpy({ data: new Uint8Array(0), shape: [0, 6, 5] }), "there are no images"],
    ["text.txt", () => "hello", "text.txt"],
  ])("of %s are refused", async (name, content, message) => {
    const outcome = await work.run(["predict", stripes, work.write(name, await content())]);
    expect(outcome).toMatchObject({ code: 3, out: "" });
    expect(outcome.error).toMatch(/^dormouse: [^\n]*\n$/);
    expect(outcome.error).toContain(message);
  });

  it("are refused where a folder has none", async () => {
    mkdirSync(work.at("empty"));
    expect(await work.run(["predict", stripes, work.at("empty")])).toMatchObject({ code: 3, error: expect.stringContaining("no PNG or JPEG file") as string });
  });
});
