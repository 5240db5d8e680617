/** Calibration errors against values computed in float64, and by hand. */
import { beforeAll, describe, expect, it } from "vitest";
import { reference } from "@dormouse/backend-cpu/reference";
import { setDevice, softmax, tensor } from "@dormouse/tensor";
import {
  type Reliability, brierDecomposition, brierScore, classwiseCalibrationError, expectedCalibrationError,
  kolmogorovSmirnovError, maximumCalibrationError, reliability,
} from "../src/index.ts";
import { type OracleCase, type Tolerance, casesOf, double, expectClose, int } from "./expect.ts";

beforeAll(async () => {
  setDevice(await reference());
});

function matches(got: Reliability, wanted: OracleCase["expected"], tol: Tolerance): void {
  expectClose(got.expectedError, wanted.ece, tol, "ece");
  expectClose(got.maximumError, wanted.mce, tol, "mce");
  expectClose(got.rootMeanSquareError, wanted.rmsce, tol, "rmsce");
  expectClose(got.overconfidence, wanted.overconfidence, tol, "overconfidence");
  for (const name of ["count", "confidence", "accuracy"] as const) expectClose(got[name], wanted.bins[name], tol, name);
}

describe("of many classes", () => {
  it.each(casesOf("calibration", "ece"))("$id", async ({ in: { logits, y_true }, expected, tol }) => {
    const [p, labels] = [softmax(double(logits)), int(y_true)];
    for (const bins of [10, 15]) {
      for (const binning of ["width", "mass"] as const) {
        const name = `equal_${binning}_${bins}`;
        matches(await reliability(p, labels, { bins, binning }), expected[name], tol);
        const { mean, per_class } = expected[`classwise_${name}`];
        expectClose(await classwiseCalibrationError(p, labels, { bins, binning }), per_class, tol, "by class");
        expectClose(await expectedCalibrationError(p, labels, { bins, binning, classwise: true }), mean, tol, "class-wise");
      }
    }
    expectClose(await kolmogorovSmirnovError(p, labels), expected.ks_error, tol, "Kolmogorov-Smirnov");
    expectClose(await brierScore(p, labels).item(), expected.brier, tol, "Brier score");
  });
});

describe("of yes or no", () => {
  it.each(casesOf("calibration", "ece_binary_edges"))("$id", async ({ in: { confidence, hit }, bins, expected, tol }) => {
    matches(await reliability(confidence as number[], hit as number[], { bins: bins as number }), expected, tol);
  });

  it.each(casesOf("calibration", "ece_binary"))("$id", async ({ in: { p, y_true }, expected, tol }) => {
    matches(await reliability(double(p), int(y_true)), expected, tol);
    expectClose(await brierScore(double(p), int(y_true)).item(), expected.brier, tol, "Brier score");
  });

  it("is 0.18 for bins of 6 and 4 that are off by 0.1 and 0.3", async () => {
    const p = [0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.8, 0.8, 0.8, 0.8];
    const hits = [1, 1, 1, 0, 0, 0, 1, 1, 0, 0];
    expect(await expectedCalibrationError(p, hits, { bins: 2 })).toBeCloseTo(0.18, 12);
    expect(await maximumCalibrationError(p, hits, { bins: 2 })).toBeCloseTo(0.3, 12);
  });

  it("splits the Brier score", async () => {
    const p = double([0.1, 0.1, 0.1, 0.5, 0.5, 0.9]);
    const y = int([0, 0, 1, 1, 0, 1]);
    const parts = await brierDecomposition(p, y, { bins: 5 });
    expect(parts.uncertainty).toBeCloseTo(0.25, 12);
    expect(parts.reliability - parts.resolution + parts.uncertainty).toBeCloseTo(await brierScore(p, y).item(), 12);
  });

  it("refuses what is no probability, and bins that are none", async () => {
    await expect(expectedCalibrationError([0.5, 1.5], [1, 0])).rejects.toThrow("probability 1.5 at row 1 is not between 0 and 1");
    await expect(expectedCalibrationError([NaN], [1])).rejects.toThrow("probability NaN at row 0");
    await expect(expectedCalibrationError([0.5], [1], { bins: 0 })).rejects.toThrow("bins is 0");
    await expect(reliability(tensor([[0.5, 0.5]]), [3])).rejects.toThrow("label 3 at row 0 is not one of the 2 classes");
  });
});
