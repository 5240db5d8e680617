/** Calibration from the command line: what is fitted, that `predict` and `evaluate` apply it, and that it keeps its promise. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Random } from "@dormouse/data";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Workplace } from "./support.ts";

let work: Workplace;
const runs: Record<string, string> = {};
const json = (text: string) => JSON.parse(text);

/** Rows whose classes and values two numbers decide only in part, so that probabilities matter. */
function hazy(rows: number, seed: number): string {
  const random = new Random(seed);
  const lines = Array.from({ length: rows }, () => {
    const [a, b] = [random.normal(), random.normal()];
    const said = random.uniform() < 1 / (1 + Math.exp(-2 * a)) ? "yes" : "no";
    const scores = [a, b, -a - b].map((score) => 1.5 * score - Math.log(-Math.log(random.uniform())));
    const side = ["left", "middle", "right"][scores.indexOf(Math.max(...scores))];
    return `${a.toFixed(4)},${b.toFixed(4)},${said},${side},${(20 + 5 * a - b + random.normal()).toFixed(3)}`;
  });
  return `a,b,said,side,price\n${lines.join("\n")}\n`;
}

beforeAll(async () => {
  work = new Workplace();
  const csv = work.write("hazy.csv", hazy(900, 5));
  work.write("more.csv", hazy(3000, 6));
  for (const target of ["said", "side", "price"]) {
    const leave = ["said", "side", "price"].filter((name) => name !== target).join(",");
    const words = ["train", csv, "--target", target, "--exclude", leave, "--epochs", "40", "--threads", "1", "--learning-rate", "0.01", "--json"];
    const { code, out, error } = await work.run(words);
    expect([target, code, error]).toEqual([target, 0, error]);
    runs[target] = json(out).runDir;
  }
});
afterAll(() => work.remove());

const fileOf = (target: string, name: string) => json(readFileSync(join(runs[target]!, name), "utf8"));

async function recalibrate(target: string, ...words: readonly string[]) {
  const { code, out, error } = await work.run(["calibrate", runs[target]!, "--threads", "1", "--json", ...words]);
  expect([code, error]).toEqual([0, error]);
  return { metrics: json(out).metrics, calibration: fileOf(target, "calibration.json"), error };
}

/** The columns of what `predict` says about a file, by name. */
async function predicted(target: string): Promise<Record<string, string[]>> {
  const { out } = await work.run(["predict", runs[target]!, work.at("more.csv"), "--threads", "1"]);
  const [head, ...lines] = out.trim().split("\n").map((line) => line.split(","));
  return Object.fromEntries(head!.map((name, i) => [name, lines.map((cells) => cells[i]!)]));
}
const numbers = (column: readonly string[]): number[] => column.map(Number);
const classes = ["left", "middle", "right"];

describe("maps of probabilities", () => {
  it("is platt for two classes: a line through log-odds", async () => {
    await recalibrate("said", "--calibration", "none");
    const before = numbers((await predicted("said"))["p(yes)"]!);
    const { calibration } = await recalibrate("said", "--calibration", "auto");
    expect(calibration).toMatchObject({ format: "dormouse-calibration/1", examples: 90, map: { method: "platt" } });
    const { slope, offset } = calibration.map;
    const after = numbers((await predicted("said"))["p(yes)"]!);
    before.forEach((p, i) => expect(after[i]).toBeCloseTo(1 / (1 + Math.exp(-(slope * Math.log(p / (1 - p)) + offset))), 3));
    expect(after).not.toEqual(before);
  });

  it("is a temperature for more: powers of probabilities", async () => {
    await recalibrate("side", "--calibration", "none");
    const before = await predicted("side");
    const { calibration, error } = await recalibrate("side", "--calibration", "temperature");
    expect(error).toMatch(/^temperature [\d.]+; sets for 90 % from 90 examples\n$/);
    const { temperature } = calibration.map;
    const after = await predicted("side");
    for (let row = 0; row < 50; row++) {
      const powers = classes.map((name) => Number(before[`p(${name})`]![row]) ** (1 / temperature));
      const sum = powers.reduce((total, power) => total + power);
      classes.forEach((name, k) => expect(Number(after[`p(${name})`]![row])).toBeCloseTo(powers[k]! / sum, 4));
    }
    expect(after["prediction"]).toEqual(before["prediction"]);
  });

  it.each([["said", "beta", 1], ["said", "isotonic", 1], ["said", "temperature", null], ["side", "beta", 3], ["side", "isotonic", 3]])(
    "fits %s with %s, and keeps probabilities",
    async (target, method, count) => {
      const { calibration, metrics } = await recalibrate(target, "--calibration", method);
      expect(calibration.map.method).toBe(method);
      if (count !== null) expect(calibration.map.maps).toHaveLength(count);
      const columns = await predicted(target);
      const names = Object.keys(columns).filter((name) => name.startsWith("p("));
      columns["prediction"]!.forEach((_, row) => {
        const p = names.map((name) => Number(columns[name]![row]));
        expect(p.every((value) => value >= 0 && value <= 1)).toBe(true);
        expect(p.reduce((sum, value) => sum + value)).toBeCloseTo(1, 4);
      });
      // A step of an isotonic curve may say 0, and an error there costs a lot.
      if (method !== "isotonic") expect(metrics.test.loss).toBeLessThan(target === "said" ? Math.LN2 : Math.log(3));
      expect(metrics.test.accuracy).toBeGreaterThan(0.6);
    },
  );

  it("mends probabilities that are too sure", async () => {
    const raw = (await recalibrate("side", "--calibration", "none")).metrics;
    const evaluate = async () => json((await work.run(["evaluate", runs["side"]!, work.at("more.csv"), "--threads", "1", "--json"])).out).metrics;
    const before = await evaluate();
    const mended = (await recalibrate("side", "--calibration", "auto")).metrics;
    const after = await evaluate();
    expect(mended.calibration.loss).toBeLessThanOrEqual(raw.calibration.loss + 1e-9);
    // The classes are drawn by a softmax of 1.5 × (a, b, −a − b), whose own calibration error on 3000 rows is about 0.02.
    expect(after.ece).toBeLessThan(0.06);
    expect(after.accuracy).toBe(before.accuracy);
  });

  it("is none, with the reason, where a temperature has no best value", async () => {
    const rows = Array.from({ length: 120 }, (_, i) => `${(i % 3) * 10 + (i % 7) / 10},${"pqr"[i % 3]}`);
    const csv = work.write("clear.csv", `x,kind\n${rows.join("\n")}\n`);
    const { out, error } = await work.run(["train", csv, "--target", "kind", "--epochs", "60", "--learning-rate", "0.02", "--threads", "1", "--json"]);
    const { map } = json(readFileSync(join(json(out).runDir, "calibration.json"), "utf8"));
    expect(map).toEqual({ method: "none", reason: expect.stringContaining("every label has the greatest logit") as string });
    expect(error).toContain("calibration: probabilities as they are (temperatureScaling: every label has the greatest logit");
  });
});

describe("conformal prediction", () => {
  it.each(["lac", "aps", "raps"])("holds the class as often as it promises, by %s", async (score) => {
    const { calibration, metrics } = await recalibrate("side", "--conformal", score, "--alpha", "0.2");
    expect(calibration.conformal).toMatchObject({ kind: "sets", score, alpha: 0.2, seed: 0 });
    const { metrics: { coverage, setSize } } = json((await work.run(["evaluate", runs["side"]!, work.at("more.csv"), "--threads", "1", "--json"])).out);
    // With 90 calibration examples the coverage of new ones is Beta(73, 18): 0.8 ± 0.042; five deviations.
    expect(Math.abs(coverage - 0.8)).toBeLessThan(0.21);
    expect(setSize).toBeGreaterThan(1);
    expect(setSize).toBeLessThan(3);
    expect(metrics.calibration.coverage).toBeCloseTo(0.8, score === "lac" ? 1 : 0);
    const sets = (await predicted("side"))["set"]!;
    expect(sets.every((set) => set === "" || set.split(" | ").every((name) => classes.includes(name)))).toBe(true);
  });

  it("has the classes in a set whose own probability is large enough, whatever the map", async () => {
    await recalibrate("side", "--calibration", "none", "--conformal", "lac", "--alpha", "0.1");
    const before = await predicted("side");
    const { calibration } = await recalibrate("side", "--calibration", "isotonic", "--conformal", "lac", "--alpha", "0.1");
    const { set } = await predicted("side");
    expect(set).toEqual(before["set"]);
    const least = 1 - calibration.conformal.threshold;
    before["set"]!.forEach((names, row) => {
      for (const name of classes) {
        const p = Number(before[`p(${name})`]![row]);
        if (Math.abs(p - least) > 1e-5) expect(names.split(" | ").includes(name)).toBe(p > least);
      }
    });
  });

  it("puts intervals around values", async () => {
    const { calibration, metrics } = await recalibrate("price", "--alpha", "0.1");
    const { threshold } = calibration.conformal;
    const columns = await predicted("price");
    expect(Object.keys(columns)).toEqual(["prediction", "lower", "upper"]);
    numbers(columns["prediction"]!).forEach((value, i) => {
      expect(Number(columns["lower"]![i])).toBeCloseTo(value - threshold, 3);
      expect(Number(columns["upper"]![i])).toBeCloseTo(value + threshold, 3);
    });
    expect(metrics.test.width).toBeCloseTo(2 * threshold, 8);
    // The noise has deviation 1: 90 % lie within 1.645.
    expect(threshold).toBeGreaterThan(1.2);
    expect(threshold).toBeLessThan(2.6);
    const { metrics: { coverage } } = json((await work.run(["evaluate", runs["price"]!, work.at("more.csv"), "--threads", "1", "--json"])).out);
    expect(Math.abs(coverage - 0.9)).toBeLessThan(0.16);
  });

  it("holds everything where examples are too few for alpha", async () => {
    const { calibration, metrics } = await recalibrate("said", "--alpha", "0.001");
    expect(calibration.conformal.threshold).toBeNull();
    expect(metrics.test).toMatchObject({ coverage: 1, setSize: 2 });
    expect(new Set((await predicted("said"))["set"])).toEqual(new Set(["no | yes"]));
    await recalibrate("said", "--alpha", "0.1");
  });
});

describe("decisions", () => {
  it("takes the one of least expected cost", async () => {
    await recalibrate("said", "--costs", "[[0, 10], [1, 0]]");
    const { decision, ...columns } = await predicted("said");
    const yes = numbers(columns["p(yes)"]!);
    yes.forEach((p, row) => {
      if (Math.abs(10 * p - (1 - p)) > 1e-4) expect(decision![row]).toBe(10 * p < 1 - p ? "no" : "yes");
    });
    expect(decision).not.toEqual(columns["prediction"]);
    await recalibrate("said", "--set", "calibration.costs=null");
    expect(Object.keys(await predicted("said"))).not.toContain("decision");
  });

  it("names decisions by number where they are not the classes", async () => {
    await recalibrate("said", "--costs", "[[0, 10], [1, 0], [0.4, 0.4]]");
    expect(new Set((await predicted("said"))["decision"])).toEqual(new Set(["decision 1", "decision 2", "decision 3"]));
    await recalibrate("said", "--set", "calibration.costs=null");
  });
});

describe("what is kept", () => {
  it("evaluates with the calibration, and gates on it", async () => {
    const { metrics } = await recalibrate("said", "--calibration", "auto");
    const own = json((await work.run(["evaluate", runs["said"]!, "--threads", "1", "--json"])).out);
    expect(own.metrics).toEqual(metrics.test);
    expect(fileOf("said", "scores.json").metrics).toEqual(metrics);
    expect((await work.run(["evaluate", runs["said"]!, "--min", "coverage=0.5", "--max", "ece=0.5"])).code).toBe(0);
    expect(await work.run(["evaluate", runs["said"]!, "--max", "ece=0.0001"])).toMatchObject({ code: 5, error: expect.stringContaining("ece") as string });
  });

  it("remembers the settings, and reports the same again", async () => {
    await recalibrate("side", "--calibration", "beta", "--alpha", "0.15");
    expect(readFileSync(join(runs["side"]!, "config.resolved.yaml"), "utf8")).toMatch(/calibration:\n {2}method: beta\n {2}alpha: 0.15\n/);
    const [calibration, scores] = [fileOf("side", "calibration.json"), fileOf("side", "scores.json")];
    const { code, out } = await work.run(["report", runs["side"]!, "--threads", "1", "--json"]);
    expect([code, json(out)]).toEqual([0, scores]);
    expect(fileOf("side", "calibration.json")).toEqual(calibration);
    const html = readFileSync(join(runs["side"]!, "report.html"), "utf8");
    expect(html).toContain(`--target side --exclude said,price --epochs 40 --threads 1 --learning-rate 0.01 --json`);
    expect(html).toContain("  method: beta\n  alpha: 0.15\n");
    expect(html).toContain(`dormouse calibrate ${runs["side"]!} --threads 1 --json --calibration beta --alpha 0.15`);
  });

  it("refuses a file that is no calibration", async () => {
    const path = join(runs["price"]!, "calibration.json");
    const before = readFileSync(path, "utf8");
    work.write(path.slice(work.path.length + 1), '{"format":"other"}');
    expect(await work.run(["predict", runs["price"]!, work.at("more.csv")])).toMatchObject({ code: 2, error: expect.stringContaining("make it again with dormouse calibrate") as string });
    work.write(path.slice(work.path.length + 1), before);
  });
});

describe("what goes wrong", () => {
  it.each([
    ["side", ["--calibration", "platt"], "--calibration platt: is for two classes; use temperature, beta or isotonic"],
    ["price", ["--calibration", "beta"], "--calibration beta: is for classes; price is a number"],
    ["price", ["--costs", "[[0, 1], [1, 0]]"], "--costs: are for classes; price is a number"],
    ["said", ["--costs", "[[0, 1, 2], [1, 0, 2]]"], "--costs: a row has 3 costs for 2 classes (no, yes)"],
    ["said", ["--costs", "cheap"], "--costs cheap: must be one list of costs for each decision, as [[0, 10], [1, 0]]"],
    ["said", ["--alpha", "1"], "--alpha 1: must be a number above 0 and below 1"],
    ["said", ["--conformal", "apps"], "--conformal apps: must be one of lac, aps, raps"],
  ])("%s %j", async (target, words, message) => {
    const outcome = await work.run(["calibrate", runs[target]!, ...words]);
    expect(outcome).toMatchObject({ code: 2, out: "" });
    expect(outcome.error).toContain(message);
  });

  it("says so before anything is trained", async () => {
    const outcome = await work.run(["train", work.at("hazy.csv"), "--target", "price", "--calibration", "beta"]);
    expect(outcome).toMatchObject({ code: 2, error: "dormouse: --calibration beta: is for classes; price is a number\n" });
  });
});
