/** Recalibration maps and conformal prediction against values computed in float64, and what they promise. */
import { beforeAll, describe, expect, it } from "vitest";
import { reference } from "@dormouse/backend-cpu/reference";
import { type Tensor, key, setDevice, slice, softmax, split, tensor, uniform, zeros } from "@dormouse/tensor";
import {
  betaCalibration, betaCalibrationOf, conformalQuantiles, conformalRegression, conformalRegressionOf, decide,
  expectedCalibrationError, histogramBinning, isotonicRegression, isotonicRegressionOf, logLoss, oneVsRest, oneVsRestOf,
  plattScaling, plattScalingOf, splitConformal, splitConformalOf, temperatureScaling, temperatureScalingOf,
} from "../src/index.ts";
import { casesOf, double, expectClose, int } from "./expect.ts";

beforeAll(async () => {
  setDevice(await reference());
});

describe("maps", () => {
  it.each(casesOf("calibration", "temperature"))("$id", async ({ in: { logits, y_true }, expected, tol }) => {
    const [x, labels] = [double(logits), int(y_true)];
    const scaled = await temperatureScaling(x, labels);
    const p = softmax(scaled.transform(x));
    expectClose(scaled.temperature, expected.T, { rtol: 1e-7, atol: 0 }, "temperature");
    expectClose(await logLoss(softmax(x), labels).item(), expected.nll_before, tol.nll, "before");
    expectClose(await logLoss(p, labels).item(), expected.nll_after, tol.nll, "after");
    expectClose(await expectedCalibrationError(softmax(x), labels), expected.ece15_before, tol.ece, "before");
    expectClose(await expectedCalibrationError(p, labels), expected.ece15_after, tol.ece, "after");
  });

  it("refuses a temperature that is not there", async () => {
    await expect(temperatureScaling(tensor([[2, 1], [0, 1]]), [0, 1])).rejects.toThrow("the best temperature is 0");
    await expect(temperatureScaling(tensor([[2, 1], [0, 1]]), [1, 0])).rejects.toThrow("the logits say nothing about the labels");
  });

  it.each(casesOf("calibration", "platt"))("$id", async ({ in: { score, y_true, new: points }, kind, expected, tol }) => {
    const map = await plattScaling(double(score), int(y_true), { smoothTargets: kind === "platt_targets" });
    expectClose([map.slope, map.offset], [expected.a, expected.b], tol, "line");
    expectClose(await map.transform(double(points)).data(), expected.p_new, tol, "probabilities");
  });

  it("refuses scores that separate", async () => {
    await expect(plattScaling([1, 2, 3, 4], [0, 0, 1, 1])).rejects.toThrow("the scores separate the targets");
    const { slope } = await plattScaling([1, 2, 3, 4], [0, 0, 1, 1], { smoothTargets: true });
    expect(slope).toBeGreaterThan(0);
  });

  it.each(casesOf("calibration", "isotonic"))("$id", async ({ in: { x, y, new: points, weight }, expected, tol }) => {
    const map = await isotonicRegression(x as number[], double(y), weight ? { weights: weight as number[] } : {});
    expectClose(await map.transform(double(x)).data(), expected.fitted, tol, "fitted");
    expectClose(await map.transform(double(points)).data(), expected.predict_new, tol, "new");
  });

  it("is level for one point", async () => {
    const map = await isotonicRegression([0.5], [0.25]);
    expect(await map.transform(tensor([0, 0.5, 1])).array()).toEqual([0.25, 0.25, 0.25]);
    await expect(isotonicRegression([], [])).rejects.toThrow("there are no points");
  });

  it.each(casesOf("calibration", "histogram_binning"))("$id", async ({ in: { p, y }, bins, expected, tol }) => {
    const map = await histogramBinning(double(p), int(y), { bins: bins as number });
    expectClose(map.values, expected.bin_value, tol, "values");
    expectClose(map.count, expected.count, tol, "count");
    const [a, b, c, d, e] = expected.bin_value as number[];
    expectClose(await map.transform(double([0, 0.2, 0.21, 0.5, 0.7, 1])).data(), [a, a, b, c, d, e], tol, "map");
  });
});

describe("conformal prediction of classes", () => {
  it.each(casesOf("calibration", "conformal_classification"))("$id", async (each) => {
    const { alpha, n_calibration, n_test, raps, expected, tol } = each;
    const p = softmax(double(each.in.logits));
    const [first, rest] = [(x: Tensor) => slice(x, [[0, n_calibration]]), (x: Tensor) => slice(x, [[n_calibration]])];
    const [labels, draws] = [int(each.in.y_true), double(each.in.u)];
    const truth = each.in.y_true.slice(n_calibration) as number[];
    const runs = {
      lac: { options: { score: "lac" }, random: {} },
      aps: { options: { score: "aps" }, random: {} },
      aps_randomised: { options: { score: "aps", draws: first(draws) }, random: { draws: rest(draws) } },
      raps: { options: { score: "raps", penalty: raps.lam, freeRanks: raps.k_reg }, random: {} },
    } as const;
    for (const [name, { options, random }] of Object.entries(runs)) {
      const conformal = await splitConformal(first(p), first(labels), { alpha, ...options });
      const wanted = expected[name];
      expectClose(conformal.threshold, wanted.qhat, tol, `${name} threshold`);
      const sets = (await conformal.sets(rest(p), random).array()) as boolean[][];
      expect(sets.map((row) => row.filter(Boolean).length), `${name} sizes`).toEqual(wanted.sizes);
      expectClose(sets.filter((row, i) => row[truth[i]!]).length / n_test, wanted.coverage, tol, `${name} coverage`);
    }
  });

  it("covers between 1 − α and 1 − α + 1/(n + 1) of new examples", async () => {
    // The truth is drawn from the probabilities themselves, so that nothing but the number of splits limits the estimate.
    const [splits, n, classes] = [200, 19, 3];
    let covered = 0;
    for (const each of split(key(5), splits)) {
      const [a, b, c] = split(each, 3);
      const p = softmax(uniform(a!, [n + 1, classes], { low: -2, high: 2, dtype: "float64" }));
      const [rows, u] = [(await p.array()) as number[][], await uniform(b!, [n + 1], { dtype: "float64" }).data()];
      const labels = rows.map(([first, second], row) => (u[row]! < first! ? 0 : u[row]! < first! + second! ? 1 : 2));
      const draws = uniform(c!, [n + 1], { dtype: "float64" });
      const conformal = await splitConformal(slice(p, [[0, n]]), int(labels.slice(0, n)), { alpha: 0.1, draws: slice(draws, [[0, n]]) });
      const set = await conformal.sets(slice(p, [[n]]), { draws: slice(draws, [[n]]) }).data();
      covered += set[labels[n]!]!;
    }
    // 0.9 to 0.95, with 4.5 standard errors of 200 trials to either side.
    expect(covered / splits).toBeGreaterThan(0.9 - 4.5 * Math.sqrt(0.09 / splits));
    expect(covered / splits).toBeLessThan(0.95 + 4.5 * Math.sqrt(0.0475 / splits));
  });

  it("says everything where the calibration set is too small", async () => {
    const conformal = await splitConformal(tensor([[0.9, 0.1]]), int([0]), { alpha: 0.1 });
    expect(conformal.threshold).toBe(Infinity);
    expect(await conformal.sets(tensor([[1, 0]])).array()).toEqual([[true, true]]);
    await expect(splitConformal(zeros([1, 2]), int([0]), { alpha: 1 })).rejects.toThrow("alpha is 1");
  });
});

it.each(casesOf("calibration", "conformal_regression"))("$id", async ({ alpha, n_calibration, in: data, expected, tol }) => {
  const [mu, sigma, y] = [double(data.mu), double(data.sigma), double(data.y)];
  const [first, rest] = [(x: Tensor) => slice(x, [[0, n_calibration]]), (x: Tensor) => slice(x, [[n_calibration]])];
  const minus = (a: readonly number[], b: readonly number[], sign: number): Tensor => double(a.map((x, i) => x + sign * b[i]!));
  const [low, high] = [minus(data.mu, data.sigma, -1), minus(data.mu, data.sigma, 1)];
  const plain = await conformalRegression(first(mu), first(y), { alpha });
  const scaled = await conformalRegression(first(mu), first(y), { alpha, scale: first(sigma) });
  const quantiles = await conformalQuantiles(first(low), first(high), first(y), { alpha });
  const runs = {
    absolute: [plain.threshold, plain.interval(rest(mu))],
    normalised: [scaled.threshold, scaled.interval(rest(mu), { scale: rest(sigma) })],
    cqr: [quantiles.threshold, quantiles.interval(rest(low), rest(high))],
  } as const;
  const truth = await rest(y).data();
  for (const [name, [threshold, { lower, upper }]] of Object.entries(runs)) {
    expectClose(threshold, expected[name].qhat, tol, `${name} threshold`);
    const [a, b] = [Array.from(await lower.data()), Array.from(await upper.data())];
    expectClose(truth.filter((t, i) => t >= a[i]! && t <= b[i]!).length / truth.length, expected[name].coverage, tol, `${name} coverage`);
    expectClose(b.reduce((sum, end, i) => sum + end - a[i]!, 0) / b.length, expected[name].mean_width, tol, `${name} width`);
  }
  expect(() => scaled.interval(mu)).toThrow("calibrated with a scale");
});

it("decides by expected cost", async () => {
  const costs = tensor([[0, 10], [1, 0]]);
  const p = (yes: number): Tensor => tensor([[1 - yes, yes]]);
  expect(await decide(p(1 / 11 - 0.001), costs).array()).toEqual([0]);
  expect(await decide(p(1 / 11 + 0.001), costs).array()).toEqual([1]);
  expect(() => decide(zeros([2, 3]), costs)).toThrow("costs [2, 2] for probabilities [2, 3]");
});

describe("maps from parameters that went through JSON", () => {
  const scores = [-2.5, -1, -0.25, 0.5, 0.75, 1.5, 3];
  const targets = [0, 0, 1, 0, 1, 1, 1];
  const copy = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
  const p = tensor(scores.map((z) => 1 / (1 + Math.exp(-z))), { dtype: "float64" });
  const asked = tensor([0.01, 0.2, 0.5, 0.66, 0.99], { dtype: "float64" });
  const logits = tensor([[2, 1, 0], [0, 3, 1], [1, 1, 2], [0.5, 0, 0.25]], { dtype: "float64" });
  const labels = int([0, 1, 0, 2]);

  it.each([
    ["temperature", logits, async () => {
      const { temperature, transform } = await temperatureScaling(logits, labels);
      return [transform, temperatureScalingOf(copy({ temperature })).transform];
    }],
    ["platt", asked, async () => {
      const { slope, offset, transform } = await plattScaling(scores, targets, { smoothTargets: true });
      return [transform, plattScalingOf(copy({ slope, offset })).transform];
    }],
    ["beta", asked, async () => {
      const { a, b, c, transform } = await betaCalibration(p, targets);
      return [transform, betaCalibrationOf(copy({ a, b, c })).transform];
    }],
    ["isotonic", asked, async () => {
      const { thresholds, values, transform } = await isotonicRegression(p, targets);
      const kept = copy({ thresholds: [...thresholds], values: [...values] });
      return [transform, isotonicRegressionOf({ thresholds: Float64Array.from(kept.thresholds), values: Float64Array.from(kept.values) }).transform];
    }],
    ["one map for each class", softmax(logits), async () => {
      const { maps, transform } = await oneVsRest(softmax(logits), labels, (x, y) => plattScaling(x, y, { smoothTargets: true }));
      return [transform, oneVsRestOf(maps.map(({ slope, offset }) => plattScalingOf(copy({ slope, offset })))).transform];
    }],
  ] as const)("%s", async (_name, x, both) => {
    const [fitted, kept] = await both();
    const values = await fitted!(x).data();
    expect(await kept!(x).data()).toEqual(values);
    expect(values.every(Number.isFinite)).toBe(true);
  });

  it("refuses a temperature that is none", () => {
    for (const temperature of [0, -1, NaN, Infinity]) {
      expect(() => temperatureScalingOf({ temperature })).toThrow(`the temperature is ${temperature}`);
    }
  });

  it.each(["lac", "aps", "raps"] as const)("sets by %s", async (score) => {
    const options = { score, alpha: 0.4, ...(score !== "lac" && { key: key(3) }) };
    const { threshold, sets } = await splitConformal(softmax(logits), labels, options);
    const again = splitConformalOf({ threshold, score, ...(score !== "lac" && { key: key(3) }) });
    expect(await again.sets(softmax(logits)).array()).toEqual(await sets(softmax(logits)).array());
  });

  it("intervals", async () => {
    const { threshold, interval } = await conformalRegression(double([1, 2, 3]), double([1.5, 2, 1]), { alpha: 0.5 });
    const again = conformalRegressionOf({ threshold });
    expect(await again.interval(asked).upper.data()).toEqual(await interval(asked).upper.data());
    expect(() => again.interval(asked, { scale: asked })).toThrow("calibrated without a scale");
    expect(await conformalRegressionOf({ threshold, scaled: true }).interval(asked, { scale: double([1, 1, 2, 1, 1]) }).lower.data())
      .toEqual((await asked.data()).map((x, i) => x - threshold * (i === 2 ? 2 : 1)));
  });
});
