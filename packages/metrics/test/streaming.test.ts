/** Metrics over batches: what they are over all at once, at odd batch sizes, merged, and without reading on the way. */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { reference } from "@dormouse/backend-cpu/reference";
import type { Device } from "@dormouse/tensor/graph";
import { type Tensor, cast, device, evaluate, key, slice, setDevice, softmax, normal, tensor, randint, split, greater, uniform } from "@dormouse/tensor";
import {
  RunningAccuracy, RunningAverage, RunningConfusion, RunningMean, RunningRegression, RunningReliability, RunningRocAuc, accuracy,
  brierScore, confusionMatrix, explainedVariance, logLoss, maxError, meanAbsoluteError, meanSquaredError, r2, reliability, rocAuc,
  topKAccuracy,
} from "../src/index.ts";
import { double, expectClose, int } from "./expect.ts";

beforeAll(async () => {
  setDevice(await reference());
});

/** The update of any running metric. */
interface Updating { update(outputs: Tensor, targets: Tensor): void }

/** Batches of 1, 16, 17, and what is left. */
function feed(metrics: readonly Updating[], outputs: Tensor, targets: Tensor): void {
  const rows = targets.shape[0]!;
  const cuts = [0, 0, 1, 17, 34, rows];
  cuts.slice(1).forEach((to, i) => {
    const part = (x: Tensor): Tensor => slice(x, [[cuts[i]!, to]]);
    metrics[i % metrics.length]!.update(part(outputs), part(targets));
  });
}

const [scoresKey, labelsKey] = split(key(3));
const scores = () => normal(scoresKey, [101, 5]);
const labels = () => randint(labelsKey, [101], 0, 5);

describe("classes", () => {
  it.each([
    ["accuracy", accuracy],
    ["top 2", (x: Tensor, y: Tensor) => topKAccuracy(x, y, { k: 2 })],
    ["log-loss", (x: Tensor, y: Tensor) => logLoss(softmax(x), y)],
    ["Brier score", (x: Tensor, y: Tensor) => brierScore(softmax(x), y)],
  ] as const)("%s over batches is that of all", async (_, metric) => {
    const [a, b] = [new RunningAverage(metric), new RunningAverage(metric)];
    expect(await a.compute()).toBeNaN();
    feed([a, b], scores(), labels());
    a.merge(b);
    expect(a.count).toBe(101);
    expect(await a.compute()).toBeCloseTo(await metric(scores(), labels()).item(), 6);
    expect(await a.compute(), "again").toBe(await a.compute());
    const c = new RunningAverage(metric);
    c.merge(a);
    c.update(slice(scores(), [[0, 3]]), slice(labels(), [[0, 3]]));
    expect([a.count, c.count]).toEqual([101, 104]);
    expect(await a.compute(), "the one merged stays").toBeCloseTo(await metric(scores(), labels()).item(), 6);
  });

  it("accuracy is exact", async () => {
    const running = new RunningAccuracy();
    feed([running], scores(), labels());
    const right = Math.round(101 * (await accuracy(scores(), labels()).item()));
    expect(await running.compute()).toBe(right / 101);
  });

  it("the confusion matrix, and precision, recall and F1 with it", async () => {
    const [a, b] = [new RunningConfusion(5), new RunningConfusion(5)];
    expect((await a.compute()).total).toBe(0);
    feed([a, b], scores(), labels());
    b.merge(a);
    const [got, wanted] = [await b.compute(), await confusionMatrix(scores(), labels())];
    expect(got.rows()).toEqual(wanted.rows());
    expect([got.f1("macro"), got.precision(), got.recall("weighted")]).toEqual([wanted.f1("macro"), wanted.precision(), wanted.recall("weighted")]);
    a.update(int([0, 4]), int([4, 4]));
    expect((await a.compute()).counts[24]).toBeGreaterThan(0);
    expect(() => a.update(int([0]), int([5]))).toThrow("RunningConfusion: the label at row 0 is not one of the 5 classes");
    expect(() => a.update(scores(), int([5]))).toThrow("outputs [101, 5] and targets [1] do not fit");
  });

  it("the reliability diagram, of many classes and of yes or no", async () => {
    const running = new RunningReliability({ bins: 10 });
    const p = softmax(scores());
    feed([running], p, labels());
    const [got, wanted] = [await running.compute(), await reliability(p, labels(), { bins: 10 })];
    expect(Array.from(got.count)).toEqual(Array.from(wanted.count));
    expectClose(got.accuracy, Array.from(wanted.accuracy), { rtol: 1e-12, atol: 0 });
    expectClose(got.expectedError, wanted.expectedError, { rtol: 1e-6, atol: 0 });
    expectClose(got.edges, Array.from(wanted.edges), { rtol: 0, atol: 0 });
    const yes = new RunningReliability({ bins: 2 });
    yes.update(double([0.4, 0.4, 0.5, 1]), int([1, 0, 1, 1]));
    expect(Array.from((await yes.compute()).count)).toEqual([3, 1]);
    const wrong = new RunningReliability();
    await expect((async () => {
      wrong.update(tensor([0.5, 1.5]), int([1, 0]));
      await wrong.compute();
    })()).rejects.toThrow("the probability at row 1 is not between 0 and 1");
  });

  it("the area under the curve, exact and in bins", async () => {
    const [a, b, c] = split(key(4), 3);
    const p = uniform(a!, [301]);
    const y = cast(greater(p, uniform(b!, [301])), "int32");
    const exact = await rocAuc(p, y);
    const [stored, other, binned] = [new RunningRocAuc(), new RunningRocAuc(), new RunningRocAuc({ bins: 200 })];
    feed([stored, other], p, y);
    feed([binned], p, y);
    stored.merge(other);
    expect(await stored.compute()).toBe(exact);
    expect(Math.abs((await binned.compute()) - exact)).toBeLessThan(1 / 200);
    expect(() => stored.merge(binned)).toThrow("no and 200 bins do not merge");
    const many = new RunningRocAuc();
    feed([many], scores(), labels());
    expect(await many.compute()).toBeCloseTo(await rocAuc(scores(), labels()), 12);
    const one = new RunningRocAuc({ bins: 4 });
    one.update(uniform(c!, [5]), int([1, 1, 1, 1, 1]));
    await expect(one.compute()).rejects.toThrow("all targets are of one class");
  });
});

describe("real values", () => {
  const { streaming } = JSON.parse(readFileSync(new URL("./fixtures/recalibration.json", import.meta.url), "utf8")) as {
    streaming: { prediction: number[]; target: number[]; scores: number[]; hits: number[]; mse: number; mae: number; r2: number; explained: number; auc: number; logLoss: number };
  };
  const pairs = (data: number[], dtype: "float32" | "float64") => tensor(data, { shape: [257, 2], dtype });

  it.each([["float64", 1e-12], ["float32", 2e-4]] as const)("errors in %s are scikit-learn's, far from 0", async (dtype, tolerance) => {
    const [a, b] = [new RunningRegression(), new RunningRegression()];
    expect((await a.compute()).r2).toBeNaN();
    const [x, t] = [pairs(streaming.prediction, dtype), pairs(streaming.target, dtype)];
    feed([a, b], x, t);
    a.merge(b);
    const got = await a.compute();
    const tol = { rtol: tolerance, atol: 0 };
    expectClose(got.meanSquaredError, streaming.mse, tol, "mse");
    expectClose(got.rootMeanSquaredError, Math.sqrt(streaming.mse), tol, "rmse");
    expectClose(got.meanAbsoluteError, streaming.mae, tol, "mae");
    expectClose(got.r2, streaming.r2, tol, "r2");
    expectClose(got.explainedVariance, streaming.explained, tol, "explained variance");
    expectClose(got.maxError, await maxError(x, t).item(), tol, "greatest");
    for (const [name, metric] of [["r2", r2], ["explainedVariance", explainedVariance], ["meanSquaredError", meanSquaredError], ["meanAbsoluteError", meanAbsoluteError]] as const) {
      expectClose(got[name], await metric(x, t).item(), { rtol: 10 * tolerance, atol: 0 }, name);
    }
  });

  it("of constant targets is 1 or 0, and NaN stays NaN", async () => {
    const run = async (x: number[], t: number[]) => {
      const running = new RunningRegression();
      running.update(double(x.slice(0, 1)), double(t.slice(0, 1)));
      running.update(double(x.slice(1)), double(t.slice(1)));
      return running.compute();
    };
    expect((await run([2, 2, 2], [2, 2, 2])).r2).toBe(1);
    expect((await run([2, 3, 2], [2, 2, 2])).r2).toBe(0);
    expect((await run([2, NaN, 2], [2, 1, 2])).meanSquaredError).toBeNaN();
  });

  it("areas and log-loss are scikit-learn's", async () => {
    const [area, loss] = [new RunningRocAuc(), new RunningAverage(logLoss)];
    feed([area], double(streaming.scores), int(streaming.hits));
    const p = streaming.scores.map((x) => Math.min(1 - 2 ** -52, Math.max(2 ** -52, x)));
    feed([loss], double(p), int(streaming.hits));
    expect(await area.compute()).toBeCloseTo(streaming.auc, 12);
    expect(streaming.scores.every((x, i) => (x !== 0 && x !== 1) || streaming.hits[i] === x), "no clamped error").toBe(true);
    expect(await loss.compute()).toBeCloseTo(streaming.logLoss, 10);
  });
});

describe("on the device", () => {
  it("reads nothing before it is asked, and keeps a constant number of buffers", async () => {
    const here = device() as Device;
    const metrics = [new RunningAverage(accuracy), new RunningConfusion(5), new RunningReliability()] as const;
    const p = softmax(scores());
    const y = labels();
    evaluate(p, y);
    let reads = 0;
    const backend = here.backend as unknown as Record<"read" | "readSync", (...all: unknown[]) => unknown>;
    const [read, readSync] = [backend.read.bind(backend), backend.readSync.bind(backend)];
    // Four bytes are the verdict of a check of labels.
    const counted = (f: typeof read): typeof read => (...all) => {
      if (Number(all[2]) > 4) reads++;
      return f(...all);
    };
    [backend.read, backend.readSync] = [counted(read), counted(readSync)];
    const live: number[] = [];
    const compiled = () => here.statistics.compiled;
    let programs = 0;
    for (let step = 0; step < 6; step++) {
      for (const metric of metrics) metric.update(p, y);
      if (step === 1) programs = compiled();
      live.push(here.statistics.buffers);
    }
    expect(reads, "reads").toBe(0);
    expect(compiled(), "programs after the second update").toBe(programs);
    expect((await metrics[1].compute()).accuracy).toBeCloseTo(await accuracy(p, y).item(), 6);
    [backend.read, backend.readSync] = [read, readSync];
    expect(reads).toBeGreaterThan(0);
    expect(new Set(live.slice(2)).size, `live buffers ${live.join()}`).toBe(1);
  });

  it("sums float32 with what rounding takes", async () => {
    const running = new RunningMean();
    running.update(tensor(1e8), 1);
    for (let i = 0; i < 100; i++) running.update(tensor(1), 1);
    running.update(tensor(-1e8), 1);
    expect(await running.compute()).toBeCloseTo(100 / 102, 6);
    const endless = new RunningMean();
    endless.update(tensor(Infinity));
    endless.update(tensor(1));
    expect(await endless.compute()).toBe(Infinity);
  });
});
