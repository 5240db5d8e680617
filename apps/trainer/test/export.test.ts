/** Exported models against `predict`: the files are run by others' code, or as the page runs them. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { runInNewContext } from "node:vm";
import { Random, readCsv } from "@dormouse/data";
import { readIdx, readSafetensors, gunzip } from "@dormouse/formats";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createPredictor, type PageExample, type PagePrediction } from "../src/export/page/predictor.ts";
import type { PortableModel, PortableTensor } from "../src/export/portable.ts";
import { Workplace, flowers, idxFolder } from "./support.ts";

let work: Workplace;
let idx: string;
/** Rows to predict: gaps, categories never seen, extreme numbers, a comma in a class. */
let rows: string;
const cells = [
  ["length", "width", "color", "thorns", "price", "kind"],
  ["6.2", "2.1", "red", "no", "20.1", "rose"],
  ["0.1", "", "", "yes", "10", "tulip"],
  ["", "1", "ultraviolet", "", "14.25", ""],
  ["-1e6", "3e5", "white", "perhaps", "", "oak"],
  ["3.1", "0.9", "white", "no", "15.2", "tulip"],
] as const;

/** Flowers with gaps and noise, so that indicators exist and no class is certain. */
function noisyFlowers(): string {
  const random = new Random(5);
  const [head, ...lines] = flowers(240).trim().split("\n");
  const noisy = lines.map((line) => {
    const [id, length, width, ...rest] = line.split(",");
    const gap = random.below(9) === 0;
    rest[rest.length - 1] = (Number(rest.at(-1)) + 4 * random.normal()).toFixed(2);
    if (random.below(6) === 0) rest[rest.length - 2] = rest.at(-2) === "no" ? "yes" : "no";
    return [id, (Number(length) + 2 * random.normal()).toFixed(3), gap ? "" : (Number(width) + random.normal()).toFixed(3), ...rest].join(",");
  });
  return [head, ...noisy].join("\n");
}

const trained = new Map<string, string>();
/** The folder of a run; the same words train once. */
async function run(...words: string[]): Promise<string> {
  const key = words.join(" ");
  const known = trained.get(key);
  if (known) return known;
  const { code, out, error } = await work.run(["train", ...words, "--threads", "1", "--json"]);
  expect(code, error).toBe(0);
  const { runDir } = JSON.parse(out) as { runDir: string };
  // A curve that could not be fitted would be none, and then its export would not be checked.
  const asked = words[words.indexOf("--calibration") + 1]!;
  const { map } = JSON.parse(readFileSync(join(runDir, "calibration.json"), "utf8")) as { map: { method: string } };
  if (words.includes("--calibration")) expect(map.method).toBe(asked);
  trained.set(key, runDir);
  return runDir;
}

const table = (...words: string[]): Promise<string> => run(work.at("flowers.csv"), "--epochs", "15", "--learning-rate", "0.01", "--hidden", "9", ...words);
const images = (...words: string[]): Promise<string> => run("idx", "--data", idx, "--epochs", "3", "--hidden", "8", "--batch", "16", "--learning-rate", "0.01", ...words);

beforeAll(async () => {
  work = new Workplace();
  work.write("flowers.csv", noisyFlowers());
  idx = await idxFolder(work, "stripes");
  rows = work.write("rows.csv", `${cells.map((row) => row.join(",")).join("\n")}\n`);
});
afterAll(() => work.remove());

/** What `predict` prints, by column. */
async function predicted(runDir: string, data: string): Promise<Record<string, string>[]> {
  const { code, out, error } = await work.run(["predict", runDir, data]);
  expect(code, error).toBe(0);
  const { columns, length } = readCsv(out, { header: true, missing: ["\0"] });
  return Array.from({ length }, (_, row) => Object.fromEntries(columns.map(({ name, cells: column }) => [name, column[row]!])));
}

async function exported(runDir: string, format?: string): Promise<string> {
  const { code, error } = await work.run(["export", runDir, ...(format ? ["--format", format] : [])]);
  expect(code, error).toBe(0);
  return join(runDir, "export");
}

/** One row as the CSV reader gives it to a page: columns by name. */
const asCells = (row: readonly string[]): Record<string, string> => Object.fromEntries(cells[0].map((name, i) => [name, row[i]!]));

async function stripes(): Promise<Uint8Array[]> {
  const { data } = readIdx(await gunzip(readFileSync(join(idx, "t10k-images-idx3-ubyte.gz"))));
  return Array.from({ length: data.length / 30 }, (_, i) => (data as Uint8Array).subarray(30 * i, 30 * (i + 1)));
}

/** The models whose exports are checked: of tables, then of images. */
const tables = [
  "--target kind",
  "--target kind --model softmax --calibration isotonic",
  "--target kind --calibration beta --activation gelu --norm batch",
  "--target kind --members 3 --activation elu --norm layer --dropout 0.2",
  "--target kind --activation silu --calibration none",
  "--target thorns",
  "--target thorns --model logistic --calibration temperature",
  "--target thorns --members 2 --activation leakyRelu --calibration isotonic",
  "--target thorns --activation sigmoid --calibration beta --conformal aps",
  "--target thorns --model perceptron --calibration none",
  "--target price",
  "--target price --model ridge --members 2",
  "--target price --activation tanh --members 2",
];
const pictures = [
  "",
  "--model cnn",
  "--model cnn --norm batch --activation tanh",
  "--model cnn --norm layer --members 2 --activation gelu",
];

/** Numbers of float32 networks, computed in another order. */
const agree = (received: number, expected: number): void => {
  expect(Math.abs(received - expected)).toBeLessThanOrEqual(2e-5 * Math.max(1, Math.abs(expected)));
};

describe("the page", () => {
  /** The predictor of an exported page, made by the page's own script with a document that only holds data. */
  async function pagePredictor(runDir: string): Promise<(example: PageExample) => PagePrediction> {
    const html = readFileSync(join(await exported(runDir, "html"), "predictor.html"), "utf8");
    expect(html).not.toMatch(/(src|href)=|https?:/);
    const texts = new Map([...html.matchAll(/<script type="application\/json" id="(\w+)">(.*?)<\/script>/gs)].map(([, id, text]) => [id!, text!]));
    const [, script] = /<script>\n(.*?)<\/script>/s.exec(html)!;
    const document = { getElementById: (id: string) => ({ textContent: texts.get(id) }) };
    return runInNewContext(`${script!.replace(/startPage\(model, predict\);\s*$/, "")}; predict`, { document, atob }) as (example: PageExample) => PagePrediction;
  }

  function same(page: PagePrediction, expected: Record<string, string>, classes: readonly string[] | null): void {
    if (classes === null) {
      agree(page.prediction as number, Number(expected["prediction"]));
      agree(page.interval![0], Number(expected["lower"]));
      agree(page.interval![1], Number(expected["upper"]));
      return;
    }
    page.probabilities!.forEach((p, i) => agree(p, Number(expected[`p(${classes[i]!})`])));
    expect(page.prediction).toBe(expected["prediction"]);
    if (page.set) expect(page.set.join(" | ")).toBe(expected["set"]);
  }

  const classesOf = (first: Record<string, string>): string[] | null => {
    const names = Object.keys(first).flatMap((name) => /^p\((.*)\)$/.exec(name)?.[1] ?? []);
    return names.length > 0 ? names : null;
  };

  it.each(tables)("says of rows what predict says: %s", async (words) => {
    const runDir = await table(...words.split(" ").filter((word) => word !== ""));
    const expected = await predicted(runDir, rows);
    const predict = await pagePredictor(runDir);
    cells.slice(1).forEach((row, i) => same(predict(asCells(row)), expected[i]!, classesOf(expected[0]!)));
  });

  it.each(pictures)("says of images what predict says: %s", async (words) => {
    const runDir = await images(...words.split(" ").filter((word) => word !== ""));
    const expected = await predicted(runDir, idx);
    const predict = await pagePredictor(runDir);
    (await stripes()).forEach((image, i) => same(predict(image), expected[i]!, classesOf(expected[0]!)));
  });

  it("can be made from model.json and model.safetensors alone", async () => {
    const runDir = await table("--target", "kind");
    const folder = await exported(runDir);
    expect(readdirSync(folder).sort()).toEqual(["model.json", "model.onnx", "model.safetensors", "predictor.html"]);
    const model = JSON.parse(readFileSync(join(folder, "model.json"), "utf8")) as PortableModel;
    const { tensors } = readSafetensors(readFileSync(join(folder, "model.safetensors")));
    const predict = createPredictor(model, Object.fromEntries(tensors) as unknown as Record<string, PortableTensor>);
    const expected = await predicted(runDir, rows);
    cells.slice(1).forEach((row, i) => same(predict(asCells(row)), expected[i]!, ["daisy, wild", "rose", "tulip"]));
  });

  it("says which cell is not a number", async () => {
    const predict = await pagePredictor(await table("--target", "kind"));
    expect(() => predict({ length: "long" })).toThrow("length: long is not a number");
  });
});

describe("ONNX", () => {
  async function session(runDir: string): Promise<InferenceSession> {
    return InferenceSession.create(join(await exported(runDir, "onnx"), "model.onnx"), { intraOpNumThreads: 1, logSeverityLevel: 3 });
  }

  /** Compares what the runtime gives with what `predict` prints. */
  function same(outputs: InferenceSession.ReturnType, expected: readonly Record<string, string>[]): void {
    const names = Object.keys(expected[0]!).flatMap((name) => /^p\((.*)\)$/.exec(name)?.[1] ?? []);
    expected.forEach((line, row) => {
      if (names.length === 0) {
        for (const name of ["prediction", "lower", "upper"]) agree(Number(outputs[name]!.data[row]), Number(line[name]));
        return;
      }
      names.forEach((name, k) => agree(Number(outputs["probabilities"]!.data[row * names.length + k]), Number(line[`p(${name})`])));
      expect(outputs["prediction"]!.data[row]).toBe(line["prediction"]);
      if (!outputs["set"]) return;
      expect(names.filter((_, k) => outputs["set"]!.data[row * names.length + k]).join(" | ")).toBe(line["set"]);
    });
  }

  it.each(tables)("says of columns what predict says: %s", async (words) => {
    const runDir = await table(...words.split(" ").filter((word) => word !== ""));
    const model = await session(runDir);
    const count = cells.length - 1;
    const feeds = Object.fromEntries(model.inputNames.map((name, i) => {
      const column = cells.slice(1).map((row) => row[cells[0].indexOf(name as "length")]!);
      const { type } = model.inputMetadata[i] as { readonly type: string };
      return [name, type === "string" ? new Tensor("string", column, [count, 1]) : new Tensor("float64", column.map((cell) => (cell === "" ? NaN : Number(cell))), [count, 1])];
    }));
    same(await model.run(feeds), await predicted(runDir, rows));
  });

  it.each(pictures)("says of images what predict says: %s", async (words) => {
    const runDir = await images(...words.split(" ").filter((word) => word !== ""));
    const model = await session(runDir);
    const all = await stripes();
    const x = new Tensor("uint8", Uint8Array.from(all.flatMap((image) => [...image])), [all.length, 6, 5]);
    same(await model.run({ x }), await predicted(runDir, idx));
  });
});

describe("what goes wrong", () => {
  it.each([
    [["export", "nowhere"], 2, "nowhere: there is no such run folder"],
    [["export", "RUN", "--format", "onx"], 2, "--format onx: must be one of safetensors, onnx, html; did you mean onnx?"],
    [["export", "RUN", "--fromat", "onnx"], 2, "unknown option '--fromat'"],
    [["export", "RUN", "--out", "FILE/inside"], 2, "a part of the path is a file"],
  ])("%j ends with %i", async (words, code, message) => {
    const known: Record<string, string> = { RUN: await table("--target", "kind"), "FILE/inside": join(rows, "inside") };
    const outcome = await work.run(words.map((word) => known[word] ?? word));
    expect(outcome).toMatchObject({ code, out: "" });
    expect(outcome.error).toContain(message);
  });
});
