/** Searches: what is tried, in processes that may be killed, and what comes of the best. And the range test of rates. */
import { existsSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { draws, grid, parseAxis, rungs } from "../src/sweep/space.ts";
import { Dormouse } from "./process.ts";
import { Workplace, flowers } from "./support.ts";

describe("what is tried", () => {
  it("is all combinations of lists, of numbers, words and lists", () => {
    const axes = ["training.learningRate=1e-3,1e-2", "training.optimizer=adam,sgd", "model.hidden=[8],[16,8]"].map(parseAxis);
    const all = grid(axes);
    expect(all).toHaveLength(8);
    expect(all[0]).toEqual(["training.learningRate=0.001", "training.optimizer=adam", "model.hidden=[8]"]);
    expect(all[7]).toEqual(["training.learningRate=0.01", "training.optimizer=sgd", "model.hidden=[16,8]"]);
    expect(new Set(all.map(String)).size).toBe(8);
  });

  it("is drawn evenly from ranges and lists, and the same for the same seed", () => {
    const axes = ["training.learningRate=log:1e-4..1", "model.dropout=0..0.5", "training.batch=8..10", "training.optimizer=adam,sgd"].map(parseAxis);
    const all = draws(axes, 4000, 5);
    expect(all.slice(0, 50)).toEqual(draws(axes, 50, 5));
    expect(all).not.toEqual(draws(axes, 4000, 6));
    const column = (at: number) => all.map((trial) => trial[at]!.split("=")[1]!);
    const share = (values: readonly boolean[]) => values.filter(Boolean).length / values.length;
    // Decades of a logarithmic range are equally likely: a quarter each, to within five standard deviations, 0.035.
    for (const [low, high] of [[1e-4, 1e-3], [1e-3, 1e-2], [1e-2, 1e-1], [1e-1, 1]] as const) {
      expect(Math.abs(share(column(0).map((rate) => Number(rate) >= low && Number(rate) < high)) - 0.25)).toBeLessThan(0.035);
    }
    expect(Math.abs(share(column(1).map((rate) => Number(rate) < 0.1)) - 0.2)).toBeLessThan(0.035);
    for (const batch of ["8", "9", "10"]) expect(Math.abs(share(column(2).map((each) => each === batch)) - 1 / 3)).toBeLessThan(0.04);
    expect(Math.abs(share(column(3).map((each) => each === "adam")) - 0.5)).toBeLessThan(0.04);
  });

  it.each([
    ["training.learningRate", "--try training.learningRate: must be a setting and its values, as training.batch=16,32,64"],
    ["training.learningRat=1e-3", "there is no setting training.learningRat; did you mean training.learningRate?"],
    ["training.batch=16,0", "must be a whole number of at least 1"],
    ["training.batch=[16", "must be a list, as 16,32,64"],
    ["model.dropout=0.5..0.1", "the first end must be below the second"],
    ["model.dropout=log:0..0.1", "a logarithmic range begins above 0"],
    ["model.dropout=0..1", "must be a number from 0 and below 1"],
  ])("refuses %s", (text, message) => {
    expect(() => parseAxis(text)).toThrow(message);
  });

  it.each([
    [9, 27, [[9, 3], [3, 9], [1, 27]]],
    [10, 10, [[10, 1], [3, 3], [1, 10]]],
    [2, 5, [[2, 5]]],
    [1, 1, [[1, 1]]],
    [27, 2, [[27, 1], [9, 1], [3, 1], [1, 2]]],
  ])("halves %d trials of %d epochs", (trials, epochs, expected) => {
    expect(rungs(trials, epochs, 3).map((rung) => [rung.trials, rung.epochs])).toEqual(expected);
  });
});

let dormouse: Dormouse;
let work: Workplace;
let place: string;
let csv: string;
beforeAll(async () => {
  dormouse = await new Dormouse().build();
  work = new Workplace();
  csv = work.write("flowers.csv", flowers());
  place = mkdtempSync(join(tmpdir(), "dormouse-search-"));
});
afterAll(() => {
  dormouse.remove();
  work.remove();
  rmSync(place, { recursive: true });
});

interface Results {
  readonly sweepDir: string;
  readonly trials: readonly { readonly trial: number; readonly epochs: number; readonly runDir: string | null; readonly problem: string | null; readonly metrics: Readonly<Record<string, Readonly<Record<string, number>>>> | null }[];
  readonly best: string;
  readonly ensemble: { readonly runDir: string; readonly metrics: Readonly<Record<string, Readonly<Record<string, number>>>> } | null;
}

const sweepWords = (runs: string, ...more: readonly string[]): string[] =>
  ["sweep", csv, "--target", "kind", "--hidden", "8", "--threads", "1", "--workers", "2", "--runs", join(place, runs), "--json", ...more];

const losses = ({ trials }: Results): (number | undefined)[] => trials.map(({ metrics }) => metrics?.["validation"]!["loss"]);

describe("sweep", () => {
  it("ranks a grid, keeps failed trials, links the best, and makes an ensemble that predicts", { timeout: 240_000 }, async () => {
    const more = ["--epochs", "8", "--try", "training.optimizer=adam,sgd", "--try", "training.learningRate=1e-2,1e36", "--ensemble", "2", "--schedule", "constant"];
    const { code, out, error } = await dormouse.run(sweepWords("grid", ...more));
    expect(error).toContain("grid search over 2 settings: 4 trials, 2 at a time");
    expect(code).toBe(0);
    const results = JSON.parse(out) as Results;
    expect(results.trials).toHaveLength(4);
    const good = results.trials.filter(({ metrics }) => metrics);
    expect(losses(results).slice(0, good.length)).toEqual(losses(results).slice(0, good.length).toSorted((a, b) => a! - b!));
    const broken = results.trials.filter(({ problem }) => problem !== null);
    expect(broken.length).toBeGreaterThan(0);
    for (const { problem } of broken) expect(problem).toMatch(/^fit: .* is not finite at step \d+ of epoch \d+/);
    expect(results.best).toBe(good[0]!.runDir);
    expect(readlinkSync(join(results.sweepDir, "best"))).toMatch(/^trial-\d\/[\d-]+flowers-1$/);
    const lines = readFileSync(join(results.sweepDir, "results.csv"), "utf8").trim().split("\n");
    expect(lines[0]).toBe("trial,epochs,training.optimizer,training.learningRate,validation.loss,run,problem");
    expect(lines).toHaveLength(5);

    const { runDir, metrics } = results.ensemble!;
    const scored = await dormouse.run(["evaluate", runDir, "--json"]);
    expect((JSON.parse(scored.out) as { metrics: Record<string, number> }).metrics["loss"]).toBeCloseTo(metrics["test"]!["loss"]!, 6);
    // An average of probabilities is at least as likely as the members are on average: -log is convex.
    const members = (JSON.parse(readFileSync(join(runDir, "members.json"), "utf8")) as { run: string }[]).map(({ run }) => run);
    expect(members).toHaveLength(2);
    const predictions = await dormouse.run(["predict", runDir, csv]);
    expect(predictions.out.trim().split("\n")).toHaveLength(91);
  });

  it("goes on where it was killed, and does nothing twice", { timeout: 240_000 }, async () => {
    const more = ["--epochs", "60", "--patience", "60", "--search", "random", "--trials", "4", "--try", "training.learningRate=log:1e-3..3e-2", "--ensemble", "0"];
    const whole = JSON.parse((await dormouse.run(sweepWords("whole", ...more))).out) as Results;
    const started = dormouse.start(sweepWords("killed", ...more));
    await started.seen(/^trial \d /m);
    started.child.kill("SIGKILL");
    await started.ended;
    const folder = join(place, "killed", readdirSync(join(place, "killed"))[0]!);
    const kept = readdirSync(folder).filter((name) => /^trial-\d-epochs/.test(name));
    const times = kept.map((name) => readFileSync(join(folder, name), "utf8"));
    const { code, out } = await dormouse.run(["sweep", "--resume", folder, "--workers", "2", "--json"]);
    expect(code).toBe(0);
    const rest = JSON.parse(out) as Results;
    expect(rest.trials.map(({ trial }) => trial)).toEqual(whole.trials.map(({ trial }) => trial));
    expect(losses(rest)).toEqual(losses(whole));
    expect(kept.map((name) => readFileSync(join(folder, name), "utf8"))).toEqual(times);
    for (const { trial } of rest.trials) expect(readdirSync(join(folder, `trial-${trial}`)).filter((name) => /^\d/.test(name))).toHaveLength(1);
  });

  it("stops with its workers, and says how to go on", { timeout: 240_000 }, async () => {
    const started = dormouse.start(sweepWords("stopped", "--epochs", "3000", "--patience", "3000", "--try", "training.learningRate=1e-3,1e-2"));
    await started.seen(/trials, 2 at a time/);
    const trial = () => readdirSync(join(place, "stopped")).some((name) => existsSync(join(place, "stopped", name, "trial-1", "latest", "metrics.csv")));
    while (!trial()) await new Promise((resolve) => setTimeout(resolve, 50));
    const at = performance.now();
    started.child.kill("SIGINT");
    const { code, error } = await started.ended;
    expect(code).toBe(130);
    expect(performance.now() - at).toBeLessThan(4000);
    expect(error).toMatch(/go on with: dormouse sweep --resume \S+\n$/);
    const [name] = readdirSync(join(place, "stopped"));
    expect(existsSync(join(place, "stopped", name!, "trial-1", "latest", "checkpoints", "last.safetensors"))).toBe(true);
  });

  it("halves: few epochs for many, many epochs for few", { timeout: 240_000 }, async () => {
    const more = ["--epochs", "9", "--search", "halving", "--trials", "3", "--try", "training.learningRate=log:1e-4..1e-1", "--ensemble", "0"];
    const results = JSON.parse((await dormouse.run(sweepWords("halving", ...more))).out) as Results;
    expect(results.trials.map(({ epochs }) => epochs)).toEqual([9, 3, 3]);
    const history = readFileSync(join(results.best, "metrics.jsonl"), "utf8").trim().split("\n");
    expect(history).toHaveLength(9);
    // The one that went on is the best of the first round.
    const [winner] = results.trials;
    const first = (trial: number): number => (JSON.parse(readFileSync(join(results.sweepDir, `trial-${trial}-epochs-3.json`), "utf8")) as Results["trials"][number]).metrics!["validation"]!["loss"]!;
    for (const { trial } of results.trials) expect(first(winner!.trial)).toBeLessThanOrEqual(first(trial));
  });

  it.each([
    [[], "what is to be tried? --try <setting=values>"],
    [["--try", "training.batch=8..64"], "--try training.batch: a range cannot be searched as a grid"],
    [["--try", "training.batch=8", "--search", "bayes"], "--search bayes: must be one of grid, random, halving"],
    [["--try", "training.batch=8", "--search", "random"], "--search random: how many trials?"],
    [["--try", "training.batch=8", "--monitor", "validation.acuracy"], "--monitor validation.acuracy: must be a part and a score"],
    [["--try", "training.batch=8", "--workers", "0"], "--workers 0: must be a whole number of at least 1"],
    [["--try", "seed=1,2"], "--try seed=1,2: changes the rows or columns of a run, and an ensemble needs the same; add --ensemble 0"],
    [["--try", "training.bach=8"], "there is no setting training.bach"],
  ])("refuses %j", async (words, message) => {
    const outcome = await work.run(["sweep", csv, "--target", "kind", ...words, "--runs", work.at("none")]);
    expect(outcome).toMatchObject({ code: 2, out: "", error: expect.stringContaining(message) as string });
    expect(existsSync(work.at("none"))).toBe(false);
  });
});

describe("lr-find", () => {
  it("finds a rate at which a model learns, and draws the curve", async () => {
    const words = ["lr-find", csv, "--target", "kind", "--threads", "1"];
    const { code, out } = await work.run([...words, "--json", "--out", work.at("curve.csv")]);
    expect(code).toBe(0);
    const { suggestion, lowest, rates } = JSON.parse(out) as { suggestion: number; lowest: number; rates: number[] };
    expect(suggestion).toBeGreaterThan(1e-4);
    expect(lowest).toBeGreaterThan(suggestion);
    expect(readFileSync(work.at("curve.csv"), "utf8").trim().split("\n")).toHaveLength(rates.length + 1);
    const shown = await work.run(words);
    expect(shown.out).toMatch(/[\u2801-\u28ff]/);
    expect(shown.out).toContain(`suggestion  ${suggestion.toExponential(1)}`);
    const trained = await work.run(["train", csv, "--target", "kind", "--learning-rate", String(suggestion), "--epochs", "30", "--json"]);
    expect((JSON.parse(trained.out) as Results & { metrics: Record<string, Record<string, number>> }).metrics["test"]!["accuracy"]).toBeGreaterThan(0.85);
  });

  it.each([
    [["--from", "2"], "lr-find", "to is 1"],
    [["--steps", "one"], "--steps one", "must be a number"],
    [["--model", "ridge", "--target", "price"], "--model ridge", "is found without a learning rate"],
  ])("refuses %j", async (words, _, message) => {
    const outcome = await work.run(["lr-find", csv, "--target", "kind", ...words]);
    expect(outcome).toMatchObject({ code: 2, out: "", error: expect.stringContaining(message) as string });
  });
});
