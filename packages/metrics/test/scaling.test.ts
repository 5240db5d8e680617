/** Maps of several numbers: vector, matrix and beta calibration against scikit-learn's and SciPy's optima. */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { reference } from "@dormouse/backend-cpu/reference";
import { type Tensor, log, setDevice, softmax, sum, tensor, zerosLike } from "@dormouse/tensor";
import {
  type BinaryMap, betaCalibration, histogramBinning, isotonicRegression, logLoss, matrixScaling, oneVsRest, plattScaling, temperatureScaling,
  vectorScaling,
} from "../src/index.ts";
import { minimize, solver } from "../src/minimize.ts";
import { double, expectClose, int } from "./expect.ts";

beforeAll(async () => {
  setDevice(await reference());
});

interface Fixture {
  logits: number[]; labels: number[]; classes: number;
  matrix: { nll: number; probabilities: number[] };
  vector: { weight: number[]; bias: number[]; nll: number };
  odir: { offDiagonal: number; intercept: number; weight: number[]; bias: number[] };
  ridge: { ridge: number; weight: number[]; bias: number[] };
  beta: { p: number[]; targets: number[]; a: number; b: number; c: number; bent: { targets: number[]; free: number[]; b: number; c: number } };
}
const fixture = JSON.parse(readFileSync(new URL("./fixtures/recalibration.json", import.meta.url), "utf8")) as Fixture;
const logits = () => tensor(fixture.logits, { shape: [fixture.labels.length, fixture.classes], dtype: "float64" });
const labels = () => int(fixture.labels);
/** Optima of others are known to about the root of the tolerance of their gradient. */
const near = { rtol: 1e-5, atol: 1e-5 };

describe("scaling by many numbers", () => {
  it("vector scaling is SciPy's optimum", async () => {
    const map = await vectorScaling(logits(), labels());
    expectClose(map.weight, fixture.vector.weight, near, "weight");
    expectClose(map.bias, fixture.vector.bias, near, "bias");
    expect(map.bias.reduce((total, b) => total + b, 0)).toBeCloseTo(0, 10);
    expect(await logLoss(softmax(map.transform(logits())), labels()).item()).toBeCloseTo(fixture.vector.nll, 9);
  });

  it("matrix scaling is scikit-learn's multinomial regression on logits", async () => {
    const map = await matrixScaling(logits(), labels());
    const p = softmax(map.transform(logits()));
    expect(await logLoss(p, labels()).item()).toBeCloseTo(fixture.matrix.nll, 9);
    expectClose((await p.data()).slice(0, 15), fixture.matrix.probabilities, near, "probabilities");
    // What likelihood does not determine stays: the columns of the matrix sum to 1.
    for (let j = 0; j < 3; j++) expect(map.weight[j]! + map.weight[3 + j]! + map.weight[6 + j]!).toBeCloseTo(1, 10);
  });

  it.each(["odir", "ridge"] as const)("matrix scaling with %s is SciPy's optimum", async (name) => {
    const { weight, bias, ...options } = fixture[name];
    const map = await matrixScaling(logits(), labels(), options);
    expectClose(map.weight, weight, near, "weight");
    expectClose(map.bias, bias, near, "bias");
  });

  it("nests: more numbers fit no worse, and a great ridge leaves everything as it is", async () => {
    const [t, v, m] = [await temperatureScaling(logits(), labels()), await vectorScaling(logits(), labels()), await matrixScaling(logits(), labels())];
    const losses = await Promise.all([t, v, m].map((map) => logLoss(softmax(map.transform(logits())), labels()).item()));
    expect(losses[0]!).toBeGreaterThan(losses[1]!);
    expect(losses[1]!).toBeGreaterThan(losses[2]!);
    const stiff = await matrixScaling(logits(), labels(), { ridge: 1e8 });
    expectClose(await stiff.transform(logits()).data(), fixture.logits, { rtol: 0, atol: 1e-6 });
  });

  it("refuses what has no optimum", async () => {
    const [sure, right] = [double([[2, 0], [0, 2], [3, 0], [0, 1]]), int([0, 1, 0, 1])];
    await expect(vectorScaling(sure, right)).rejects.toThrow("no finite map fits best");
    await expect(matrixScaling(sure, right)).rejects.toThrow("give matrixScaling a ridge");
    expect((await matrixScaling(sure, right, { ridge: 0.1 })).weight[0]!).toBeGreaterThan(1);
    await expect(matrixScaling(sure, right, { ridge: -1 })).rejects.toThrow("matrixScaling: ridge is -1");
    await expect(vectorScaling(log(double([[0, 1]])), int([0]))).rejects.toThrow("the logit -Infinity at row 0 is not finite");
    await expect(vectorScaling(sure, int([0, 1, 2, 0]))).rejects.toThrow("label 2 at row 2");
  });
});

describe("beta calibration", () => {
  const { p, targets, a, b, c, bent } = fixture.beta;

  it("is scikit-learn's regression on ln p and −ln(1 − p)", async () => {
    const map = await betaCalibration(p, targets);
    expectClose([map.a, map.b, map.c], [a, b, c], near, "parameters");
    const at = [0.1, 0.5, 0.9];
    const wanted = at.map((x) => 1 / (1 + Math.exp(-(a * Math.log(x) - b * Math.log1p(-x) + c))));
    expectClose(await map.transform(double(at)).data(), wanted, near, "map");
  });

  it("takes the factor 0 where the free fit has a negative one", async () => {
    expect(bent.free[0]!).toBeLessThan(0);
    const map = await betaCalibration(double(p), int(bent.targets));
    expectClose([map.a, map.b, map.c], [0, bent.b, bent.c], near, "parameters");
  });

  it("is the identity of calibrated probabilities, and finite at 0 and 1", async () => {
    // Frequencies that are what the probabilities say, exactly.
    const each = [0.1, 0.3, 0.5, 0.7, 0.9];
    const rows = each.flatMap((x) => new Array<number>(10).fill(x));
    const hits = each.flatMap((x) => Array.from({ length: 10 }, (_, i) => (i < Math.round(10 * x) ? 1 : 0)));
    const map = await betaCalibration(rows, hits);
    expectClose([map.a, map.b, map.c], [1, 1, 0], { rtol: 0, atol: 1e-6 }, "identity");
    const ends = await map.transform(tensor([0, 1])).data();
    expect(ends[0]! > 0 && ends[0]! < 1e-6 && ends[1]! <= 1 && ends[1]! > 1 - 1e-6).toBe(true);
  });

  it("refuses what has no optimum", async () => {
    await expect(betaCalibration([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1])).rejects.toThrow("the probabilities separate the targets");
    await expect(betaCalibration([0.1, 2], [0, 1])).rejects.toThrow("probability 2 at row 1");
  });
});

describe("one against the rest", () => {
  type Fit = (x: Float64Array, y: Float64Array) => Promise<BinaryMap>;
  it.each<[string, Fit]>([
    ["isotonic", (x: Float64Array, y: Float64Array) => isotonicRegression(x, y)],
    ["histogram", (x: Float64Array, y: Float64Array) => histogramBinning(x, y, { bins: 10 })],
    ["Platt", (x: Float64Array, y: Float64Array) => plattScaling(x, y)],
    ["beta", (x: Float64Array, y: Float64Array) => betaCalibration(x, y)],
  ])("%s: rows sum to 1, columns are the single maps'", async (_, fit) => {
    const p = softmax(logits());
    const map = await oneVsRest(p, labels(), fit);
    const got = (await map.transform(p).array()) as number[][];
    expectClose(await sum(map.transform(p), { axis: 1 }).data(), fixture.labels.map(() => 1), { rtol: 1e-12, atol: 0 });
    const rows = (await p.array()) as number[][];
    const alone = await Promise.all([0, 1, 2].map(async (k) => {
      const single = await fit(Float64Array.from(rows, (row) => row[k]!), Float64Array.from(fixture.labels, (label) => (label === k ? 1 : 0)));
      return Number((await single.transform(double([rows[4]![k]!])).data())[0]);
    }));
    const total = alone.reduce((a, b) => a + b, 0);
    expectClose(got[4]!, alone.map((value) => value / total), { rtol: 1e-12, atol: 1e-15 });
    expect(await logLoss(map.transform(p), labels()).item()).toBeLessThan(await logLoss(p, labels()).item());
  });

  it("says all alike where every map says 0", async () => {
    const map = await oneVsRest(double([[0.2, 0.8]]), [1], () => ({ transform: (x: Tensor) => zerosLike(x) }));
    expect(await map.transform(double([[0.2, 0.8]])).array()).toEqual([[0.5, 0.5]]);
  });
});

describe("the minimizer", () => {
  it("solves with a matrix, also one that is not quite definite", () => {
    const solve = solver(Float64Array.of(4, 0, 2, 3), 2);
    expectClose(solve([10, 11]), [1, 3], { rtol: 1e-14, atol: 0 });
    const flat = solver(Float64Array.of(1, 0, 1, 1), 2)([1, 1]);
    expect(flat.every(Number.isFinite)).toBe(true);
  });

  it("finds the least value of a badly scaled bowl, and says where there is none", () => {
    const scales = [1, 1e2, 1e4, 1e-2];
    const bowl = minimize((x, gradient) => scales.reduce((total, scale, i) => {
      gradient[i] = scale * (x[i]! - i);
      return total + 0.5 * scale * (x[i]! - i) ** 2;
    }, 0), new Float64Array(4));
    expect(bowl.converged).toBe(true);
    expectClose(bowl.x, [0, 1, 2, 3], { rtol: 0, atol: 1e-7 });
    const slope = minimize((x, gradient) => {
      gradient[0] = -1;
      return -x[0]!;
    }, new Float64Array(1), { steps: 50 });
    expect(slope.converged).toBe(false);
  });
});
