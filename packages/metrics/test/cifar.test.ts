/**
 * Two real networks: stored class probabilities on the test images of CIFAR-10, which are not in this repository. Run
 * where DORMOUSE_DATA names the folder that holds `calibration/cifar10-*.npz`; examples/calibration-cifar.ts says where
 * they are from. Reference values of the wide network were computed with NumPy.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { cpu } from "@dormouse/backend-cpu";
import { readNpz } from "@dormouse/formats";
import { type Tensor, clamp, foldIn, key, log, permutation, setDevice, slice, softmax, take, tensor } from "@dormouse/tensor";
import {
  accuracy, expectedCalibrationError, logLoss, matrixScaling, meanSetSize, reliability, setCoverage, splitConformal,
  temperatureScaling, vectorScaling,
} from "../src/index.ts";

const folder = process.env["DORMOUSE_DATA"] ?? "";
const pathOf = (name: string): string => join(folder, "calibration", `cifar10-${name}.npz`);
const isThere = folder !== "" && ["wideresnet-16-4", "lenet5"].every((name) => existsSync(pathOf(name)));

const half = 5000;
const first = (x: Tensor): Tensor => slice(x, [[0, half]]);
const second = (x: Tensor): Tensor => slice(x, [[half]]);

async function load(name: string): Promise<{ p: Tensor; labels: Tensor }> {
  const arrays = await readNpz(readFileSync(pathOf(name)));
  const [predictions, truth] = [arrays.get("predictions")!, arrays.get("ground_truth")!];
  return {
    p: tensor(Array.from(predictions.data, Number), { shape: [10_000, 10], dtype: "float64" }),
    labels: tensor(Array.from(truth.data, Number), { dtype: "int32" }),
  };
}

describe.skipIf(!isThere)("networks on CIFAR-10 (DORMOUSE_DATA)", () => {
  beforeAll(async () => {
    setDevice(await cpu({ threads: 1 }));
  });

  test("7.list calibration: temperature scaling of the wide network gives the reference values", async () => {
    const { p, labels } = await load("wideresnet-16-4");
    const logits = log(clamp(p, { min: 2 ** -149 }));
    const scaled = await temperatureScaling(first(logits), first(labels));
    const [before, after, y] = [second(p), softmax(scaled.transform(second(logits))), second(labels)];
    expect(scaled.temperature).toBeCloseTo(2.0592, 4);
    expect(await accuracy(before, y).item()).toBeCloseTo(0.9112, 10);
    expect(await logLoss(before, y).item()).toBeCloseTo(0.3737, 4);
    expect(await logLoss(after, y).item()).toBeCloseTo(0.2704, 4);
    expect(await expectedCalibrationError(before, y, { bins: 15 })).toBeCloseTo(0.0552, 4);
    expect(await expectedCalibrationError(after, y, { bins: 15 })).toBeCloseTo(0.0069, 4);
    const [unsure, diagram] = [await reliability(after, y), await reliability(before, y)];
    expect(diagram.count.reduce((a, b) => a + b, 0)).toBe(half);
    expect(diagram.overconfidence).toBeGreaterThan(0.05);
    expect(unsure.overconfidence).toBeLessThan(0.01);
  }, 120_000);

  test.each(["wideresnet-16-4", "lenet5"])("7.list calibration: more numbers fit %s better, and hold on new examples", async (name) => {
    const { p, labels } = await load(name);
    const logits = log(clamp(p, { min: 2 ** -149 }));
    const [x, y] = [first(logits), first(labels)];
    const maps = [await temperatureScaling(x, y), await vectorScaling(x, y), await matrixScaling(x, y)];
    const fit = await Promise.all(maps.map((map) => logLoss(softmax(map.transform(x)), y).item()));
    expect(fit[0]!).toBeGreaterThan(fit[1]!);
    expect(fit[1]!).toBeGreaterThan(fit[2]!);
    const stored = await logLoss(second(p), second(labels)).item();
    for (const map of maps) {
      expect(await logLoss(softmax(map.transform(second(logits))), second(labels)).item()).toBeLessThan(stored - 0.06);
    }
  }, 300_000);

  test.each([["aps", 0.1], ["aps", 0.05], ["raps", 0.1], ["raps", 0.05]] as const)(
    "7.2 split conformal: %s at α = %d covers what theory says over 100 random halves",
    async (score, alpha) => {
      const { p, labels } = await load("wideresnet-16-4");
      const splits = 100;
      let [coverage, size] = [0, 0];
      for (let i = 0; i < splits; i++) {
        const order = permutation(key(i), 2 * half);
        const [q, y] = [take(p, order), take(labels, order)];
        const conformal = await splitConformal(first(q), first(y), { alpha, score, key: foldIn(key(i), 1) });
        const sets = conformal.sets(second(q));
        coverage += (await setCoverage(sets, second(y)).item()) / splits;
        size += (await meanSetSize(sets).item()) / splits;
      }
      // Coverage of one split deviates by √(α (1 − α) (1/n + 1/m)); four standard errors of the mean of all.
      const margin = 4 * Math.sqrt((alpha * (1 - alpha) * 2) / half / splits);
      expect(coverage).toBeGreaterThan(1 - alpha - margin);
      expect(coverage).toBeLessThan(1 - alpha + 1 / (half + 1) + margin);
      expect(size).toBeLessThan(1.3);
    },
    300_000,
  );
});
