/** Predicted normal distributions: closed forms, numerical integrals, and coverage counted by hand. */
import { beforeAll, describe, expect, it } from "vitest";
import { reference } from "@dormouse/backend-cpu/reference";
import { type Tensor, setDevice, tensor } from "@dormouse/tensor";
import {
  gaussianCrps, gaussianLogScore, gaussianPit, intervalCoverage, quantileCalibrationError, quantileCoverage,
} from "../src/index.ts";
import { double, expectClose } from "./expect.ts";

beforeAll(async () => {
  setDevice(await reference());
});

const tight = { rtol: 1e-12, atol: 1e-14 };
const one = (score: (m: Tensor, s: Tensor, y: Tensor) => Tensor, m: number, s: number, y: number): Promise<number> =>
  score(double([m]), double([s]), double([y])).data().then((values) => Number(values[0]));
const density = (z: number): number => Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI);

/** The integral of f from a to b by Simpson's rule. */
function integral(f: (x: number) => number, a: number, b: number, parts = 4000): number {
  const h = (b - a) / parts;
  let total = f(a) + f(b);
  for (let i = 1; i < parts; i++) total += (i % 2 ? 4 : 2) * f(a + i * h);
  return total * h / 3;
}

describe("a normal prediction", () => {
  it.each([[0, 1, 0], [1, 2, 4], [-3, 0.25, -2.5], [0, 1, -6]])("N(%d, %d²) at %d", async (m, s, y) => {
    const z = (y - m) / s;
    expectClose(await one(gaussianLogScore, m, s, y), -Math.log(density(z) / s), tight, "log score");
    // Φ by integrating the density, the score by its definition ∫ (F(x) − [x ≥ y])² dx.
    const cdf = (t: number): number => 0.5 + Math.sign(t) * integral(density, 0, Math.abs(t), 200);
    expectClose(await one(gaussianPit, m, s, y), cdf(z), { rtol: 0, atol: 1e-9 }, "transform");
    const score = s * (integral((t) => cdf(t) ** 2, -9, z, 800) + integral((t) => (1 - cdf(t)) ** 2, z, 9, 800));
    expectClose(await one(gaussianCrps, m, s, y), score, { rtol: 1e-6, atol: 1e-8 }, "ranked probability score");
  });

  it("has the closed values of the docstrings", async () => {
    expect(await one(gaussianLogScore, 0, 1, 0)).toBeCloseTo(0.5 * Math.log(2 * Math.PI), 14);
    expect(await one(gaussianCrps, 0, 1, 0)).toBeCloseTo((Math.SQRT2 - 1) / Math.sqrt(Math.PI), 14);
  });

  it("scores the absolute error where it is sure, and NaN where a number is NaN", async () => {
    expect(await one(gaussianCrps, 1, 1e-12, 3)).toBeCloseTo(2, 10);
    for (const score of [gaussianCrps, gaussianLogScore, gaussianPit]) expect(await one(score, 0, 1, NaN)).toBeNaN();
    expect(await one(gaussianPit, 0, 1, Infinity)).toBe(1);
    expect(await one(gaussianPit, 0, 1, -Infinity)).toBe(0);
  });

  it("weighs examples, and scores columns apart", async () => {
    const at = [double([[0, 0], [1, 1]]), double([[1, 2], [1, 2]]), double([[0, 1], [2, 5]])] as const;
    const [left, right] = [await one(gaussianCrps, 0, 1, 0), await one(gaussianCrps, 1, 1, 2)];
    const got = await gaussianCrps(...at, { weights: tensor([1, 3]) }).data();
    expect(got.length).toBe(2);
    expectClose(Number(got[0]), (left + 3 * right) / 4, tight);
  });

  it("refuses what does not fit", () => {
    const [two, three] = [double([1, 2]), double([1, 2, 3])];
    expect(() => gaussianCrps(two, three, two)).toThrow("gaussianCrps: the standard deviation has shape [3] and the target [2]");
    expect(() => gaussianCrps(two, tensor([1, 2]), two)).toThrow("the standard deviation is float32 and the target float64");
    expect(() => gaussianLogScore(two, two, three)).toThrow("gaussianLogScore: prediction [2] and target [3]");
  });
});

describe("coverage", () => {
  const transforms = double([0.05, 0.25, 0.6, 0.9, 0.25]);

  it("counts what is at or below a level", async () => {
    expectClose(await quantileCoverage(transforms, { levels: [0, 0.25, 0.5, 1] }).data(), [0, 0.6, 0.6, 1], tight);
    expectClose(await quantileCalibrationError(transforms, { levels: [0, 0.25, 0.5, 1] }).item(), (0.35 + 0.1) / 4, tight);
    expectClose(await quantileCoverage(transforms, { levels: [0.5], weights: double([1, 0, 2, 1, 0]) }).data(), [0.25], tight);
    expect(quantileCoverage(transforms).shape).toEqual([9]);
  });

  it("is exact for evenly spread transforms", async () => {
    const even = double(Array.from({ length: 100 }, (_, i) => (i + 0.5) / 100));
    expectClose(await quantileCalibrationError(even).item(), 0, { rtol: 0, atol: 1e-15 });
  });

  it("of intervals includes their ends", async () => {
    const interval = { lower: double([0, 0, 0, 0]), upper: double([1, 1, 1, 1]) };
    expect(await intervalCoverage(interval, double([0, 1, 1.5, NaN])).item()).toBe(0.5);
  });

  it("refuses other shapes and dtypes", () => {
    expect(() => quantileCoverage(double([[0.5]]))).toThrow("quantileCoverage: transforms have shape [1, 1]");
    expect(() => quantileCoverage(tensor([1], { dtype: "int32" }))).toThrow("transforms are int32");
  });
});
