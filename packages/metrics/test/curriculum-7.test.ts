/** Known answers of the curriculum on metrics and calibration: by hand, by closed form, by simulation. */
import { beforeAll, describe, expect, test } from "vitest";
import { reference } from "@dormouse/backend-cpu/reference";
import {
  type Key, type Tensor, abs, add, argmax, bernoulli, cast, clamp, concat, expandDims, eye, hostBits, key, linalg, matmul, mul,
  normal, reshape, seedWords, setDevice, sign, softmax, split, square, stack, sub, sum, take, tensor, transpose, uniform, zeros,
} from "@dormouse/tensor";
import {
  type ConformalScore, adaptiveCalibrationError, bestThreshold, biasVariance, brierDecomposition, brierScore,
  classConditionalConformal, classwiseCalibrationError, confidenceHistogram, conformalQuantile, conformalQuantiles,
  conformalRegression, costThreshold, decide, effectiveDegreesOfFreedom, ensembleAverage, ensembleError, ensembleVote,
  estimateDegreesOfFreedom, expectedCalibrationError, expectedCosts, expectedEnsembleError, expectedOptimism,
  generalizationGap, hatMatrix, intervalCoverage, maximumCalibrationError, meanCost, meanSetSize, meanSquaredError,
  posteriorWeights, predictiveUncertainty, reliability, ridgeDegreesOfFreedom, rocCurve, setCoverage, splitConformal,
  thresholdSets,
} from "../src/index.ts";
import * as everything from "../src/index.ts";
import { erf } from "../src/special.ts";
import { double, expectClose, int } from "./expect.ts";

beforeAll(async () => {
  setDevice(await reference());
});

const exactly = { rtol: 1e-12, atol: 1e-14 };

/** Uniform and normal numbers on the host, in order. */
function numbers(seed: number): { uniform(): number; normal(): number } {
  const bits = hostBits(seedWords(seed), 1 << 18);
  let at = 0;
  const next = (): number => {
    if (at === bits.length) throw new Error("out of random numbers");
    return (bits[at++]! + 0.5) / 2 ** 32;
  };
  return { uniform: next, normal: () => Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next()) };
}

describe("7.1 ECE by hand", () => {
  // Six of confidence 0.4 of which half are right, four of confidence 0.8 of which half are: gaps 0.1 and 0.3.
  const p = [0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.8, 0.8, 0.8, 0.8];
  const hits = [1, 1, 1, 0, 0, 0, 1, 1, 0, 0];

  test("7.1 ECE: two bins of sizes 6 and 4 with gaps 0.1 and 0.3 give 0.18", async () => {
    expect(await expectedCalibrationError(p, hits, { bins: 2 })).toBeCloseTo(0.18, 14);
    expect(await expectedCalibrationError(p, hits, { bins: 2, norm: "l2" })).toBeCloseTo(Math.sqrt(0.6 * 0.01 + 0.4 * 0.09), 14);
    expect(await expectedCalibrationError(p, hits, { bins: 2, norm: "max" })).toBeCloseTo(0.3, 14);
    expect(await maximumCalibrationError(p, hits, { bins: 2 })).toBeCloseTo(0.3, 14);
  });

  test("7.1 ECE: the noise taken off is acc (1 − acc) / (n − 1) of squares, by hand", async () => {
    const squares = 0.6 * (0.01 - 0.25 / 5) + 0.4 * (0.09 - 0.25 / 3);
    expect(squares).toBeLessThan(0);
    expect(await expectedCalibrationError(p, hits, { bins: 2, norm: "l2", debiased: true }), "not below 0").toBe(0);
    const many = [p, p, p, p].flat();
    const wanted = Math.sqrt(0.6 * (0.01 - 0.25 / 23) + 0.4 * (0.09 - 0.25 / 15));
    const got = await expectedCalibrationError(many, [hits, hits, hits, hits].flat(), { bins: 2, norm: "l2", debiased: true });
    expect(got).toBeCloseTo(wanted, 14);
    await expect(expectedCalibrationError(p, hits, { norm: "max", debiased: true })).rejects.toThrow("cannot be debiased");
  });

  test("7.1 ECE: debiasing leaves the truth on average, of both norms", async () => {
    // 5 bins of 12, probability 0.1, 0.3 …, outcomes off by 0.1: the true error is 0.1 in both norms.
    const draw = numbers(1);
    const levels = [0.1, 0.3, 0.5, 0.7, 0.9];
    const totals = { l1: 0, l2: 0, plain: 0, plainSquares: 0 };
    const trials = 600;
    for (let trial = 0; trial < trials; trial++) {
      const says = levels.flatMap((level) => new Array<number>(12).fill(level));
      const hit = says.map((level) => (draw.uniform() < level + (level < 0.5 ? 0.25 : -0.25) ? 1 : 0));
      const error = (norm: "l1" | "l2", debiased: boolean) => expectedCalibrationError(says, hit, { bins: 5, norm, debiased });
      totals.plain += await error("l1", false);
      totals.plainSquares += (await error("l2", false)) ** 2;
      totals.l1 += await error("l1", true);
      totals.l2 += (await error("l2", true)) ** 2;
    }
    // Standard error of a mean of 600: about 0.002 for l1 and 0.0012 for squares.
    expect(totals.l2 / trials).toBeCloseTo(0.0625, 2);
    expect(totals.plainSquares / trials - 0.0625).toBeGreaterThan(0.01);
    expect(Math.abs(totals.l1 / trials - 0.25)).toBeLessThan(0.01);
    expect(totals.plain / trials).toBeGreaterThan(totals.l1 / trials);
  });
});

describe("7.list calibration", () => {
  const rows = [[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.25, 0.5, 0.25], [0.1, 0.1, 0.8], [0.4, 0.35, 0.25]];
  const labels = [0, 1, 1, 1, 0, 0];
  const p = () => double(rows);

  test("7.list calibration: by predicted class, gaps of classes do not cancel", async () => {
    // Both classes say 0.75; class 0 is right 2 of 2 times, class 1 1 of 2: 0.75 altogether.
    const two = double([[0.75, 0.25], [0.75, 0.25], [0.25, 0.75], [0.25, 0.75]]);
    const y = [0, 0, 1, 0];
    expect(await expectedCalibrationError(two, y, { bins: 4 })).toBeCloseTo(0, 14);
    expect(await expectedCalibrationError(two, y, { bins: 4, topLabel: true })).toBeCloseTo(0.25, 14);
    await expect(expectedCalibrationError(two, y, { topLabel: true, classwise: true })).rejects.toThrow("exclude each other");
    await expect(expectedCalibrationError([0.5], [1], { topLabel: true })).rejects.toThrow("scores have shape [1]");
  });

  test("7.list calibration: class-wise is the mean over columns, in l2 the root of their mean square", async () => {
    const each = await classwiseCalibrationError(p(), labels, { bins: 5 });
    expect(await expectedCalibrationError(p(), labels, { bins: 5, classwise: true })).toBeCloseTo((each[0]! + each[1]! + each[2]!) / 3, 14);
    const roots = await Promise.all([0, 1, 2].map((k) =>
      expectedCalibrationError(rows.map((row) => row[k]!), labels.map((label) => (label === k ? 1 : 0)), { bins: 5, norm: "l2" })));
    const wanted = Math.sqrt(roots.reduce((total, root) => total + root * root, 0) / 3);
    expect(await expectedCalibrationError(p(), labels, { bins: 5, classwise: true, norm: "l2" })).toBeCloseTo(wanted, 14);
  });

  test("7.list calibration: the adaptive error is a plain mean over ranges of equal mass (Nixon et al.)", async () => {
    // Column 0 ascending: 0.1 (label 1), 0.1 (0), 0.25 (1) | 0.4 (0), 0.6 (1), 0.7 (0); other columns likewise.
    const gap = (says: number[], hit: number[]) => Math.abs(says.reduce((a, b) => a + b, 0) - hit.reduce((a, b) => a + b, 0)) / says.length;
    const wanted = (gap([0.1, 0.1, 0.25], [0, 1, 0]) + gap([0.4, 0.6, 0.7], [1, 0, 1])
      + gap([0.1, 0.2, 0.3], [0, 0, 1]) + gap([0.35, 0.5, 0.8], [0, 1, 1])
      + gap([0.1, 0.1, 0.1], [0, 0, 0]) + gap([0.25, 0.25, 0.8], [0, 0, 0])) / 6;
    expect(await adaptiveCalibrationError(p(), labels, { ranges: 2 })).toBeCloseTo(wanted, 14);
    // Above 0.5 only: column 0 has 0.6 and 0.7, column 1 0.8, column 2 0.8.
    const above = (gap([0.6], [0]) + gap([0.7], [1]) + gap([0.8], [1]) + gap([0.8], [0])) / 4;
    expect(await adaptiveCalibrationError(p(), labels, { ranges: 2, threshold: 0.5 })).toBeCloseTo(above, 14);
  });

  test("7.list calibration: bins of equal mass and their edges, ties in the order given", async () => {
    const got = await reliability([0.9, 0.1, 0.5, 0.5, 0.5], [1, 0, 1, 0, 1], { bins: 2, binning: "mass" });
    expect(Array.from(got.count)).toEqual([3, 2]);
    expectClose(got.edges, [0, 0.5, 1], exactly);
    expectClose(got.accuracy, [1 / 3, 1], exactly);
    const few = await reliability([0.2, 0.6], [0, 1], { bins: 4, binning: "mass" });
    expect(Array.from(few.count)).toEqual([1, 1, 0, 0]);
    expectClose(few.edges, [0, 0.4, 1, 1, 1], exactly);
    const none = await reliability([], [], { bins: 2 });
    expect(Array.from(none.count)).toEqual([0, 0]);
  });

  test("7.list calibration: equal width is closed on the right, as scikit-learn's calibration_curve", async () => {
    const got = await reliability([0, 0.2, 0.2000001, 0.4, 1], [0, 1, 1, 0, 1], { bins: 5 });
    expect(Array.from(got.count)).toEqual([2, 2, 0, 0, 1]);
    expectClose(got.edges, [0, 0.2, 0.4, 0.6, 0.8, 1], exactly);
  });

  test("7.list calibration: the confidence histogram", async () => {
    const { share, meanConfidence, accuracy, edges } = await confidenceHistogram(p(), labels, { bins: 4 });
    expectClose(share, [0, 2 / 6, 2 / 6, 2 / 6], exactly);
    expect(meanConfidence).toBeCloseTo((0.7 + 0.6 + 0.8 + 0.5 + 0.8 + 0.4) / 6, 14);
    expect(accuracy).toBeCloseTo(4 / 6, 14);
    expect(edges.length).toBe(5);
  });

  test("7.list Brier: reliability − resolution + uncertainty + within is the score, in any bins", async () => {
    const draw = numbers(2);
    const says = Array.from({ length: 203 }, () => draw.uniform());
    const hit = says.map((level) => (draw.uniform() < level ** 2 ? 1 : 0));
    const score = await brierScore(double(says), int(hit)).item();
    for (const debiased of [false, true]) {
      const parts = await brierDecomposition(says, hit, { bins: 7, debiased });
      expect(parts.reliability - parts.resolution + parts.uncertainty + parts.within).toBeCloseTo(score, 12);
    }
    const [plain, less] = [await brierDecomposition(says, hit, { bins: 7 }), await brierDecomposition(says, hit, { bins: 7, debiased: true })];
    expect(less.reliability).toBeLessThan(plain.reliability);
    const rate = hit.filter((each) => each === 1).length / 203;
    expect(less.uncertainty).toBeCloseTo((rate * (1 - rate) * 203) / 202, 12);
    expect((await brierDecomposition([0.25, 0.25, 0.75], [0, 1, 1], { bins: 2 })).within).toBeCloseTo(0, 14);
  });

  test("the error function is known to 15 digits", () => {
    const known = [[0.1, 0.1124629160182849], [0.5, 0.5204998778130465], [1, 0.8427007929497149], [2.4, 0.999311486103355], [2.6, 0.9997639655834707], [5, 0.9999999999984626], [7, 1]];
    for (const [x, wanted] of known) {
      expectClose([erf(x!), erf(-x!)], [wanted!, -wanted!], { rtol: 4e-16, atol: 0 }, `erf ${x}`);
    }
    expect(erf(0)).toBe(0);
    expect(erf(NaN)).toBeNaN();
  });
});

/** Share of new examples covered, over splits, with the band of theory and its Monte-Carlo error. */
function expectCoverage(covered: number, trials: number, alpha: number, n: number): void {
  const [low, high] = [1 - alpha, 1 - alpha + 1 / (n + 1)];
  // Four standard errors of a share.
  const margin = (share: number) => 4 * Math.sqrt((share * (1 - share)) / trials);
  expect(covered / trials).toBeGreaterThan(low - margin(low));
  expect(covered / trials).toBeLessThan(high + margin(high));
}

/** A key for a trial; made on the host, as `split` would need a program for every number of keys. */
const keyOf = (trial: number): Key => tensor(hostBits(seedWords(trial), 2), { dtype: "uint32" }) as Key;

describe("7.2 split conformal", () => {
  const splits = 1000;

  /** Probabilities of 3 classes and labels drawn from others: the model is wrong, the guarantee holds all the same. */
  function examples(seed: number, rows: number): { p: Float64Array; labels: Int32Array } {
    const draw = numbers(seed);
    const p = new Float64Array(3 * rows);
    const labels = Int32Array.from({ length: rows }, (_, row) => {
      const scores = [draw.normal(), draw.normal(), draw.normal()];
      const truth = scores.map((score) => Math.exp(score));
      const says = scores.map((score) => Math.exp(2 * score));
      const all = says[0]! + says[1]! + says[2]!;
      p.set(says.map((each) => each / all), 3 * row);
      let u = draw.uniform() * (truth[0]! + truth[1]! + truth[2]!);
      return Math.max(0, truth.findIndex((each) => (u -= each) < 0));
    });
    return { p, labels };
  }

  test.each<[ConformalScore, boolean]>([["lac", false], ["aps", true], ["raps", true]])(
    "7.2 split conformal: %s covers [1 − α, 1 − α + 1/(n + 1)] of new examples over 1000 splits",
    async (score, isRandom) => {
      const [n, alpha] = [19, 0.2];
      const { p, labels } = examples(3, splits * (n + 1));
      let covered = 0;
      for (let trial = 0; trial < splits; trial++) {
        const [from, last, to] = [trial * (n + 1), trial * (n + 1) + n, (trial + 1) * (n + 1)];
        const held = tensor(p.subarray(3 * from, 3 * last), { shape: [n, 3] });
        const options = { alpha, score, ...(isRandom ? { key: keyOf(trial) } : {}) };
        const conformal = await splitConformal(held, tensor(labels.subarray(from, last)), options);
        covered += Number((await conformal.sets(tensor(p.subarray(3 * last, 3 * to), { shape: [1, 3] })).data())[labels[last]!]);
      }
      expectCoverage(covered, splits, alpha, n);
    },
    120_000,
  );

  test("7.2 split conformal: coverage is a beta variable over calibration sets, whose mean is ⌈(n + 1)(1 − α)⌉/(n + 1)", async () => {
    // Scores are uniform, so that the coverage of a threshold is the threshold itself.
    const draw = numbers(4);
    const [n, alpha] = [25, 0.1];
    let total = 0;
    for (let trial = 0; trial < splits; trial++) total += await conformalQuantile(Array.from({ length: n }, () => draw.uniform()), { alpha });
    const wanted = 24 / 26;
    const deviation = Math.sqrt((wanted * (1 - wanted)) / (n + 2));
    expect(Math.abs(total / splits - wanted)).toBeLessThan(4 * deviation / Math.sqrt(splits));
    expect(wanted).toBeGreaterThanOrEqual(1 - alpha);
    expect(wanted).toBeLessThanOrEqual(1 - alpha + 1 / (n + 1));
  });

  test("7.2 split conformal: fewer than 1/α − 1 scores have no quantile", async () => {
    const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);
    expect(await conformalQuantile(upTo(9), { alpha: 0.1 })).toBe(9);
    expect(await conformalQuantile(upTo(8), { alpha: 0.1 })).toBe(Infinity);
    expect(await conformalQuantile(upTo(19), { alpha: 0.05 })).toBe(19);
    expect(await conformalQuantile(upTo(18), { alpha: 0.05 })).toBe(Infinity);
    expect(await conformalQuantile(upTo(99), { alpha: 0.1 })).toBe(90);
    expect(await conformalQuantile([], { alpha: 0.5 })).toBe(Infinity);
    await expect(conformalQuantile([1, NaN])).rejects.toThrow("a calibration score is NaN");
    await expect(conformalQuantile([1], { alpha: 0 })).rejects.toThrow("alpha is 0");
    const interval = (await conformalRegression(double([1]), double([2]))).interval(double([5]));
    expect([await interval.lower.array(), await interval.upper.array()]).toEqual([[-Infinity], [Infinity]]);
  });

  test("7.2 class-conditional: every class is covered, also the one that the model neglects", async () => {
    const { p, labels } = examples(5, 6000);
    // Class 2 is made to look unlikely.
    for (let row = 0; row < 6000; row++) {
      p[3 * row + 2]! *= 0.2;
      const total = p[3 * row]! + p[3 * row + 1]! + p[3 * row + 2]!;
      for (let k = 0; k < 3; k++) p[3 * row + k]! /= total;
    }
    const part = (from: number, to: number) => [tensor(p.subarray(3 * from, 3 * to), { shape: [to - from, 3] }), tensor(labels.subarray(from, to))] as const;
    const [held, fresh] = [part(0, 3000), part(3000, 6000)];
    const each = await classConditionalConformal(...held, { alpha: 0.1, score: "lac" });
    const all = await splitConformal(...held, { alpha: 0.1, score: "lac" });
    const coverageOf = async (sets: Tensor, k: number) => {
      const [inside, own] = [await sets.data(), Array.from(labels.subarray(3000)).flatMap((label, row) => (label === k ? [row] : []))];
      return own.filter((row) => inside[3 * row + k]).length / own.length;
    };
    for (const k of [0, 1, 2]) {
      // About 1000 calibration and 1000 new examples of each class: a standard error of 0.0134.
      expect(Math.abs((await coverageOf(each.sets(fresh[0]), k)) - 0.9), `class ${k}`).toBeLessThan(4 * 0.0134);
    }
    expect(await coverageOf(all.sets(fresh[0]), 2)).toBeLessThan(0.85);
    expect(each.count.reduce((a, b) => a + b, 0)).toBe(3000);
    const rare = await classConditionalConformal(double([[0.5, 0.5], [0.6, 0.4]]), int([0, 0]), { alpha: 0.4 });
    expect(Array.from(rare.thresholds, Number.isFinite)).toEqual([true, false]);
    expect(await rare.sets(double([[1, 0]])).array()).toEqual([[false, true]]);
  });

  test("7.2 threshold sets: a fixed threshold covers what calibration happens to give, the quantile what was asked", async () => {
    const { p, labels } = examples(6, 4000);
    const part = (from: number, to: number) => [tensor(p.subarray(3 * from, 3 * to), { shape: [to - from, 3] }), tensor(labels.subarray(from, to))] as const;
    const [held, [fresh, truth]] = [part(0, 2000), part(2000, 4000)];
    expect(await thresholdSets(double([[0.6, 0.3, 0.1]]), 0.3).array()).toEqual([[true, false, false]]);
    const naive = await setCoverage(thresholdSets(fresh, 0.1), truth).item();
    // 0.9 less 1.5 standard errors, of a model that is sure of itself.
    expect(naive).toBeLessThan(0.89);
    const { threshold, sets } = await splitConformal(...held, { alpha: 0.1, score: "lac" });
    const [own, same] = [sets(fresh), thresholdSets(fresh, 1 - threshold - 1e-12)];
    expect(await own.array()).toEqual(await same.array());
    expect(Math.abs((await setCoverage(own, truth).item()) - 0.9)).toBeLessThan(4 * 0.0095);
    expect(await meanSetSize(double([[1, 1, 0], [0, 0, 0]])).item()).toBe(1);
    expect(await setCoverage(tensor([[true, false], [true, false]]), int([0, 1])).item()).toBe(0.5);
  });

  test("7.2 random scores: sets draw from a key of their own, and never without", async () => {
    const { p, labels } = examples(7, 400);
    const [x, y] = [tensor(p, { shape: [400, 3] }), tensor(labels)];
    const random = await splitConformal(x, y, { alpha: 0.1, key: key(1) });
    expect(await random.sets(x).array(), "the same draws again").toEqual(await random.sets(x).array());
    expect(await random.sets(x, { key: key(2) }).array()).not.toEqual(await random.sets(x).array());
    const drawn = await splitConformal(x, y, { draws: uniform(key(3), [400], { dtype: "float64" }) });
    expect(() => drawn.sets(x)).toThrow("splitConformal: calibrated with random numbers; give sets a key or draws, too");
    const plain = await splitConformal(x, y, { alpha: 0.1 });
    expect(() => plain.sets(x, { key: key(2) })).toThrow("calibrated without random numbers");
    expect(await meanSetSize(random.sets(x)).item()).toBeLessThan(await meanSetSize(plain.sets(x)).item());
  });

  test("7.2 regression: absolute residuals, residuals by scale and quantiles cover as promised over 1000 splits", async () => {
    const draw = numbers(9);
    const [n, alpha, rows] = [19, 0.1, splits * 20];
    // y = noise whose deviation is 0.5 to 2; the model knows it up to a factor.
    const scale = Float64Array.from({ length: rows }, () => 0.5 + 1.5 * draw.uniform());
    const y = scale.map((each) => each * draw.normal());
    const covered = { absolute: 0, scaled: 0, quantiles: 0 };
    for (let trial = 0; trial < splits; trial++) {
      const [from, last] = [trial * 20, trial * 20 + n];
      const [s, t] = [tensor(scale.subarray(from, last)), tensor(y.subarray(from, last))];
      const [s1, zero, zero1] = [tensor(scale.subarray(last, last + 1)), zeros([n], { dtype: "float64" }), zeros([1], { dtype: "float64" })];
      const [low, high] = [(x: Tensor) => mul(x, -0.8), (x: Tensor) => mul(x, 0.8)];
      const intervals = {
        absolute: (await conformalRegression(zero, t, { alpha })).interval(zero1),
        scaled: (await conformalRegression(zero, t, { alpha, scale: s })).interval(zero1, { scale: s1 }),
        quantiles: (await conformalQuantiles(low(s), high(s), t, { alpha })).interval(low(s1), high(s1)),
      };
      for (const name of ["absolute", "scaled", "quantiles"] as const) {
        covered[name] += await intervalCoverage(intervals[name], tensor(y.subarray(last, last + 1))).item();
      }
    }
    for (const count of Object.values(covered)) expectCoverage(count, splits, alpha, n);
  }, 120_000);
});

describe("7.3 ensembles", () => {
  test("7.3 ensemble error: MSE = V/k + (k − 1)/k · C, exactly and by simulation", async () => {
    const draw = numbers(10);
    const [k, n] = [5, 8000];
    // Errors √c · common + √(v − c) · own: squares of mean v = 1, products of mean c = 0.3.
    const errors = new Float64Array(k * n);
    for (let row = 0; row < n; row++) {
      const common = draw.normal();
      for (let member = 0; member < k; member++) errors[member * n + row] = Math.sqrt(0.3) * common + Math.sqrt(0.7) * draw.normal();
    }
    const target = normal(key(1), [n], { dtype: "float64" });
    const predictions = add(tensor(errors, { shape: [k, n] }), expandDims(target, 0));
    const measured = await meanSquaredError(ensembleAverage(predictions), target).item();
    const { variance, covariance, error } = ensembleError(predictions, target);
    expect(await error.item()).toBeCloseTo(measured, 12);
    expect(await variance.item()).toBeCloseTo(1, 1);
    expect(await covariance.item()).toBeCloseTo(0.3, 1);
    const theory = 1 / k + ((k - 1) / k) * 0.3;
    expect(await expectedEnsembleError(tensor(1), tensor(0.3), k).item()).toBeCloseTo(theory, 6);
    // The squared error of a normal error of variance 0.44 has deviation √2 · 0.44.
    expect(Math.abs(measured - theory)).toBeLessThan(4 * Math.SQRT2 * theory / Math.sqrt(n));
    const one = ensembleError(double([[1, 2]]), double([0, 0]));
    expect([await one.variance.item(), await one.covariance.item(), await one.error.item()]).toEqual([2.5, 0, 2.5]);
    expect(() => ensembleError(double([[1, 2]]), double([0]))).toThrow("target [1] for predictions [1, 2]");
  });

  test("7.3 ensembles: average, by weight, and votes", async () => {
    expect(await ensembleAverage(double([[1, 2], [3, 6]])).array()).toEqual([2, 4]);
    expectClose(await ensembleAverage(double([[1, 2], [3, 6]]), { weights: double([1, 3]) }).data(), [2.5, 5], exactly);
    const votes = ensembleVote(int([[0, 1], [0, 2], [1, 2]]), { classes: 3 });
    expectClose(await votes.data(), [2 / 3, 1 / 3, 0, 0, 1 / 3, 2 / 3], { rtol: 1e-6, atol: 1e-7 });
    expect(await argmax(votes, { axis: 1 }).array()).toEqual([0, 2]);
    // Two mild votes beat a sure one; their average does not.
    const scores = double([[[0.55, 0.45]], [[0.55, 0.45]], [[0, 1]]]);
    expect(await argmax(ensembleVote(scores), { axis: 1 }).array()).toEqual([0]);
    expect(await argmax(ensembleAverage(scores), { axis: 1 }).array()).toEqual([1]);
    expectClose(await ensembleVote(scores, { weights: double([1, 1, 6]) }).data(), [0.25, 0.75], exactly);
    expect(() => ensembleVote(int([[0]]))).toThrow("the number of classes is not known");
    expect(() => ensembleAverage(double([[1]]), { weights: double([1, 2]) })).toThrow("weights [2] for members [1, 1]");
  });

  test("7.3 posterior weights: a coin of bias ½ or ¾ after 3 heads of 4 is ½ in 16 : 27", async () => {
    const likelihood = (p: number) => 3 * Math.log(p) + Math.log(1 - p);
    const weights = posteriorWeights(double([likelihood(0.5), likelihood(0.75)]));
    expectClose(await weights.data(), [16 / 43, 27 / 43], exactly);
    expectClose(await ensembleAverage(double([[0.5], [0.75]]), { weights }).data(), [(0.5 * 16 + 0.75 * 27) / 43], exactly);
    const prior = posteriorWeights(double([-1e4, -1e4]), { logPrior: double([Math.log(0.9), Math.log(0.1)]) });
    expectClose(await prior.data(), [0.9, 0.1], { rtol: 1e-11, atol: 0 });
  });

  test("7.list Monte-Carlo dropout: entropies split into what is noise and what samples disagree about", async () => {
    // Row 0: all samples say ½; row 1: half of them are sure of 0, half of 1; row 2: all are sure.
    const samples = double([[[0.5, 0.5], [1, 0], [1, 0]], [[0.5, 0.5], [0, 1], [1, 0]]]);
    const got = predictiveUncertainty(samples);
    expectClose(await got.mean.data(), [0.5, 0.5, 0.5, 0.5, 1, 0], exactly);
    expectClose(await got.predictiveEntropy.data(), [Math.LN2, Math.LN2, 0], exactly);
    expectClose(await got.expectedEntropy.data(), [Math.LN2, 0, 0], exactly);
    expectClose(await got.mutualInformation.data(), [0, Math.LN2, 0], exactly);
    expectClose(await got.variance.data(), [0, 0, 0.25, 0.25, 0, 0], exactly);
    expectClose(await got.variationRatio.data(), [0, 0.5, 0], exactly);
    expectClose(await predictiveUncertainty(samples, { weights: double([1, 0]) }).mutualInformation.data(), [0, 0, 0], exactly);
    expect(() => predictiveUncertainty(double([[0.5, 0.5]]))).toThrow("predictions have shape [1, 2]");
    // A network whose input is dropped at random: the mean over passes is what they say on average.
    const [x, w] = [double([[1, 2], [0.5, -1]]), double([[1, -1], [0.5, 2]])];
    const passes = stack(split(key(5), 64).map((each) => {
      const kept = mul(mul(x, 2), cast(bernoulli(each, 0.5, [2, 2]), "float64"));
      return softmax(matmul(kept, w));
    }));
    const { mean, predictiveEntropy, mutualInformation } = predictiveUncertainty(passes);
    expectClose(await sum(mean, { axis: 1 }).data(), [1, 1], exactly);
    const [whole, part] = [await predictiveEntropy.data(), await mutualInformation.data()];
    expect(part.every((value, row) => value > 0.01 && value < whole[row]!)).toBe(true);
  });
});

/** Columns T₀ … T_degree of Chebyshev's polynomials at x in [−1, 1]: a well-conditioned basis. */
function chebyshev(x: Float64Array, degree: number): Tensor {
  const rows = Array.from(x, (each) => Array.from({ length: degree + 1 }, (_, d) => Math.cos(d * Math.acos(Math.min(1, Math.max(-1, each))))));
  return tensor(rows.flat(), { shape: [x.length, degree + 1], dtype: "float64" });
}

describe("7.4 bias and variance", () => {
  test.each([1, 25])("7.4 bias–variance: degree %d: bias² + variance + σ² is the measured test error", async (degree) => {
    const draw = numbers(11);
    const [repeats, n, sigma] = [200, 40, 0.3];
    const x = Float64Array.from({ length: n }, (_, i) => -1 + (2 * i) / (n - 1));
    const at = Float64Array.from({ length: 25 }, (_, i) => -0.96 + (1.92 * i) / 24);
    const truthOf = (each: number) => Math.sin(Math.PI * each);
    const noisy = (points: Float64Array) => Array.from(points, (each) => truthOf(each) + sigma * draw.normal());
    // All fits at once: predictions = targets · (Z X⁺)ᵀ.
    const smoother = matmul(chebyshev(at, degree), linalg.pinv(chebyshev(x, degree)));
    const targets = tensor(Array.from({ length: repeats }, () => noisy(x)).flat(), { shape: [repeats, n], dtype: "float64" });
    const predictions = matmul(targets, transpose(smoother));
    const parts = biasVariance(predictions, double(Array.from(at, truthOf)), { noise: sigma ** 2 });
    const fresh = tensor(Array.from({ length: repeats }, () => noisy(at)).flat(), { shape: [repeats, 25], dtype: "float64" });
    const errors = Float64Array.from(await square(sub(fresh, predictions)).data());
    const measured = errors.reduce((a, b) => a + b, 0) / errors.length;
    const [bias, variance, error] = [await parts.biasSquared.item(), await parts.variance.item(), await parts.error.item()];
    expect(bias + variance + sigma ** 2).toBeCloseTo(error, 12);
    // 5000 fresh noises: the cross term and their squares have a standard error of about this.
    const margin = (4 * Math.sqrt(2 * sigma ** 4 + 4 * sigma ** 2 * (bias + variance))) / Math.sqrt(errors.length);
    expect(Math.abs(measured - error), `measured ${measured}, parts ${bias} + ${variance} + ${sigma ** 2}`).toBeLessThan(margin);
    if (degree === 1) expect(bias).toBeGreaterThan(5 * variance);
    else expect(variance).toBeGreaterThan(5 * bias);
    // The variance of a linear fit is known: σ² times the mean squared row of the smoother.
    const rows = await mul(sum(square(smoother)), sigma ** 2 / 25).item();
    // The ends of the interval dominate, so that it is known like one variance of 200 numbers: to √(2 / 199) = 0.1.
    expect(Math.abs(variance / rows - 1)).toBeLessThan(0.3);
  });

  test("7.4 bias–variance: by hand", async () => {
    const parts = biasVariance(double([[1, 2], [3, 2]]), double([1, 0]), { noise: 0.5 });
    expect(await parts.biasSquaredAt.array()).toEqual([1, 4]);
    expect(await parts.varianceAt.array()).toEqual([1, 0]);
    expect([await parts.biasSquared.item(), await parts.variance.item(), await parts.error.item()]).toEqual([2.5, 0.5, 3.5]);
    expect(() => biasVariance(double([[1, 2]]), double([1]))).toThrow("predictions [1, 2] and truth [1] do not fit");
  });
});

describe("7.5 generalization gap and complexity", () => {
  test("7.5 gap: training error falls with the degree, test error turns", async () => {
    const draw = numbers(12);
    const x = Float64Array.from({ length: 30 }, () => 2 * draw.uniform() - 1).sort();
    const at = Float64Array.from({ length: 400 }, () => 2 * draw.uniform() - 1);
    const noisy = (points: Float64Array) => double(Array.from(points, (each) => Math.sin(3 * each) + 0.3 * draw.normal()));
    const [y, fresh] = [noisy(x), noisy(at)];
    const errorsOf = async (degree: number) => {
      const design = chebyshev(x, degree);
      const weights = matmul(linalg.pinv(design), expandDims(y, 1));
      const error = (points: Tensor, target: Tensor) => meanSquaredError(reshape(matmul(points, weights), [-1]), target).item();
      return [await error(design, y), await error(chebyshev(at, degree), fresh)] as const;
    };
    const curve = await Promise.all([0, 1, 2, 3, 4, 6, 9, 13, 18].map(errorsOf));
    const [train, test] = [curve.map((each) => each[0]), curve.map((each) => each[1])];
    train.slice(1).forEach((error, i) => expect(error).toBeLessThanOrEqual(train[i]! + 1e-12));
    const { gap, best, overfits } = await generalizationGap(train, test);
    expect(best).toBeGreaterThan(0);
    expect(best).toBeLessThan(8);
    expect(overfits).toBe(true);
    expectClose(gap, test.map((error, i) => error - train[i]!), exactly);
    expect(gap[8]!).toBeGreaterThan(gap[best]!);
    expect(await generalizationGap([], [])).toMatchObject({ best: -1, overfits: false });
  });

  test("7.5 degrees of freedom: a regression on p columns has p, ridge Σ d²/(d² + λ)", async () => {
    const x = normal(key(2), [12, 4], { dtype: "float64" });
    expect(await effectiveDegreesOfFreedom(hatMatrix(x)).item()).toBeCloseTo(4, 10);
    const d = await linalg.singularValues(x).data();
    const wanted = Array.from(d).reduce((total, each) => total + each ** 2 / (each ** 2 + 3), 0);
    expect(await ridgeDegreesOfFreedom(linalg.singularValues(x), 3).item()).toBeCloseTo(wanted, 12);
    expect(await effectiveDegreesOfFreedom(hatMatrix(x, { ridge: 3 })).item()).toBeCloseTo(wanted, 10);
    // Against the normal equations, and with a column twice, which counts once.
    const hat = matmul(x, linalg.solve(add(matmul(transpose(x), x), mul(eye(4, { dtype: "float64" }), 3)), transpose(x)));
    expectClose(await hatMatrix(x, { ridge: 3 }).data(), Array.from(await hat.data()), { rtol: 1e-9, atol: 1e-12 });
    const twice = concat([x, take(x, [0], { axis: 1 })], { axis: 1 });
    expect(await effectiveDegreesOfFreedom(hatMatrix(twice)).item()).toBeCloseTo(4, 8);
    expect(await effectiveDegreesOfFreedom(hatMatrix(double([[1], [1], [1]]))).item()).toBeCloseTo(1, 12);
    expect(() => effectiveDegreesOfFreedom(zeros([2, 3]))).toThrow("the hat matrix has shape [2, 3]");
    expect(() => hatMatrix(x, { ridge: -1 })).toThrow("ridge is -1");
  });

  test("7.5 degrees of freedom: of any fit, target by target and at random signs (Ye)", async () => {
    const x = normal(key(2), [12, 4], { dtype: "float64" });
    const y = normal(key(3), [12], { dtype: "float64" });
    const hat = hatMatrix(x);
    const linear = (targets: Tensor) => reshape(matmul(hat, expandDims(targets, 1)), [12]);
    expect((await estimateDegreesOfFreedom(linear, y)).value).toBeCloseTo(4, 8);
    const { value, standardError } = await estimateDegreesOfFreedom(linear, y, { key: key(4), repeats: 64 });
    expect(standardError).toBeGreaterThan(0);
    expect(Math.abs(value - 4)).toBeLessThan(4 * standardError);
    // Soft thresholding has as many as there are targets that survive (Stein; Donoho and Johnstone, 1995).
    const [size, targets] = [0.5, await y.data()];
    const soft = (t: Tensor) => mul(sign(t), clamp(sub(abs(t), size), { min: 0 }));
    expect((await estimateDegreesOfFreedom(soft, y, { step: 1e-6 })).value).toBeCloseTo(targets.filter((t) => Math.abs(t) > size).length, 6);
    expect((await estimateDegreesOfFreedom((t) => mul(t, 0), y)).value).toBe(0);
    await expect(estimateDegreesOfFreedom(() => zeros([3]), y)).rejects.toThrow("fit gave [3] for targets [12]");
  });

  test("7.5 complexity penalty: the error on new targets is above the training error by 2 σ² df / n", async () => {
    const draw = numbers(13);
    const [n, degree, sigma, repeats] = [20, 5, 0.7, 2000];
    const x = Float64Array.from({ length: n }, (_, i) => -1 + (2 * i) / (n - 1));
    const hat = hatMatrix(chebyshev(x, degree));
    const noise = () => tensor(Float64Array.from({ length: repeats * n }, () => sigma * draw.normal()), { shape: [repeats, n] });
    const [seen, unseen] = [noise(), noise()];
    const fitted = matmul(seen, hat);
    const gap = (await meanSquaredError(fitted, unseen).item()) - (await meanSquaredError(fitted, seen).item());
    const wanted = expectedOptimism({ degreesOfFreedom: degree + 1, noise: sigma ** 2, count: n });
    expect(wanted).toBeCloseTo(2 * 0.49 * 6 / 20, 12);
    // 40 000 squares of deviation √2 σ² twice.
    expect(Math.abs(gap - wanted)).toBeLessThan(4 * 2 * sigma ** 2 / Math.sqrt(repeats * n));
  });
});

describe("7.list decisions", () => {
  test("7.list decisions: with costs [[0, 10], [1, 0]] class 1 is said once p(1) > 1/11", async () => {
    const costs = double([[0, 10], [1, 0]]);
    const p = double([[10 / 11 + 1e-9, 1 / 11 - 1e-9], [10 / 11 - 1e-9, 1 / 11 + 1e-9], [0.5, 0.5]]);
    expect(await decide(p, costs).array()).toEqual([0, 1, 1]);
    expect(costThreshold([[0, 10], [1, 0]])).toBeCloseTo(1 / 11, 15);
    expectClose(await expectedCosts(double([[0.9, 0.1]]), costs).data(), [1, 0.9], exactly);
    expect(await meanCost(int([0, 1, 0, 1]), int([0, 0, 1, 1]), costs).item()).toBeCloseTo((0 + 1 + 10 + 0) / 4, 12);
    expect(() => costThreshold([[0, 1], [2, 3]])).toThrow("do not make each decision the cheaper one");
    expect(() => expectedCosts(double([[1, 0, 0]]), costs)).toThrow("expectedCosts: costs [2, 2] for probabilities [1, 3]");
    // A third decision: asking somebody else, at a price of 0.3.
    expect(await decide(double([[0.9, 0.1], [0.5, 0.5]]), double([[0, 1], [1, 0], [0.3, 0.3]])).array()).toEqual([0, 2]);
  });

  test("7.list decisions: the best threshold of a curve, by trying all", async () => {
    const [scores, targets] = [[0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]];
    expect(await bestThreshold(scores, targets, { costs: [[0, 10], [1, 0]] })).toEqual({ threshold: 0.35, value: 0.25 });
    expect(await bestThreshold(scores, targets, { costs: [[0, 1], [10, 0]] })).toEqual({ threshold: 0.8, value: 0.25 });
    expect((await bestThreshold([0.9, 0.8], [0, 1], { costs: [[0, 1], [100, 0]] })).threshold).toBe(Infinity);
    const draw = numbers(14);
    const many = Array.from({ length: 101 }, () => Math.round(20 * draw.uniform()) / 20);
    const hits = many.map((score) => (draw.uniform() < score ? 1 : 0));
    const { thresholds, truePositiveRate, falsePositiveRate } = await rocCurve(many, hits);
    const youden = Array.from(thresholds, (_, i) => truePositiveRate[i]! - falsePositiveRate[i]!);
    const best = await bestThreshold(many, hits, { by: "youden" });
    expect(best.value).toBeCloseTo(Math.max(...youden), 12);
    expect(best.threshold).toBe(thresholds[youden.indexOf(Math.max(...youden))]);
    const f1Of = (threshold: number) => {
      const said = many.map((score) => score >= threshold);
      const both = said.filter((yes, i) => yes && hits[i] === 1).length;
      return (2 * both) / (said.filter(Boolean).length + hits.filter((hit) => hit === 1).length);
    };
    const f1 = await bestThreshold(many, hits, { by: "f1" });
    expect(f1.value).toBeCloseTo(Math.max(...many.map(f1Of)), 12);
    expect(f1Of(f1.threshold)).toBeCloseTo(f1.value, 12);
  });

  test("7.list: every metric the curriculum names is there", () => {
    const names = [
      "accuracy", "topKAccuracy", "confusionMatrix", "precision", "recall", "f1", "rocCurve", "prCurve", "rocAuc",
      "averagePrecision", "logLoss", "brierScore", "brierDecomposition", "meanAbsoluteError", "meanSquaredError",
      "rootMeanSquaredError", "r2", "explainedVariance", "RunningAccuracy", "RunningAverage", "RunningConfusion",
      "RunningRegression", "RunningReliability", "RunningRocAuc", "RunningMean", "confidenceHistogram", "reliability",
      "expectedCalibrationError", "classwiseCalibrationError", "maximumCalibrationError", "adaptiveCalibrationError",
      "temperatureScaling", "vectorScaling", "matrixScaling", "plattScaling", "isotonicRegression", "betaCalibration",
      "histogramBinning", "oneVsRest", "thresholdSets", "splitConformal", "classConditionalConformal",
      "conformalRegression", "conformalQuantiles", "decide", "ensembleAverage", "ensembleVote", "posteriorWeights",
      "predictiveUncertainty",
    ];
    expect(names.filter((name) => !(name in everything))).toEqual([]);
  });
});
