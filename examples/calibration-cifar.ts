/**
 * How far two real networks can be trusted: stored class probabilities of a wide residual network and of LeNet-5 on the
 * 10 000 test images of CIFAR-10. Fits every recalibration map on the first half and judges it on the second; then
 * checks the coverage of conformal sets over 100 random halves.
 *
 * This example needs data that is not in the repository: cifar10-wideresnet-16-4.npz and cifar10-lenet5.npz, from
 * `examples/classification/records/cifar10` of the EFS-OpenSource/calibration-framework repository (Apache-2.0). Without
 * them it says so and ends. Run it by name, with Node 22.18 or later:
 *
 *     node --conditions=@dormouse/source examples/calibration-cifar.ts --data FOLDER
 *
 * What it prints is in docs/calibration.md.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { cpu } from "@dormouse/backend-cpu";
import { readNpz } from "@dormouse/formats";
import {
  type ConformalScore, accuracy, betaCalibration, brierScore, expectedCalibrationError, histogramBinning,
  isotonicRegression, logLoss, matrixScaling, meanSetSize, oneVsRest, reliability, setCoverage, splitConformal,
  temperatureScaling, vectorScaling,
} from "@dormouse/metrics";
import { type Tensor, clamp, foldIn, key, log, permutation, setDevice, slice, softmax, take, tensor } from "@dormouse/tensor";

const half = 5000;
const first = (x: Tensor) => slice(x, [[0, half]]);
const second = (x: Tensor) => slice(x, [[half]]);

async function load(path: string): Promise<{ p: Tensor; labels: Tensor }> {
  const arrays = await readNpz(await readFile(path));
  const [predictions, truth] = [arrays.get("predictions")!, arrays.get("ground_truth")!];
  return {
    p: tensor(Array.from(predictions.data, Number), { shape: [...predictions.shape], dtype: "float64" }),
    labels: tensor(Array.from(truth.data, Number), { dtype: "int32" }),
  };
}

async function scoresOf(p: Tensor, labels: Tensor): Promise<string> {
  const errors = [
    {}, { binning: "mass" }, { norm: "l2" }, { norm: "l2", debiased: true }, { topLabel: true }, { classwise: true },
  ] as const;
  const values = [
    100 * (await accuracy(p, labels).item()), await logLoss(p, labels).item(), await brierScore(p, labels).item(),
    ...(await Promise.all(errors.map((options) => expectedCalibrationError(p, labels, { bins: 15, ...options })))),
  ];
  return values.map((value, i) => value.toFixed(i === 0 ? 2 : 4)).join(" | ");
}

async function recalibrate({ p, labels }: { p: Tensor; labels: Tensor }): Promise<void> {
  const logits = log(clamp(p, { min: 2 ** -149 }));
  const [x, y] = [first(logits), first(labels)];
  const temperature = await temperatureScaling(x, y);
  const vector = await vectorScaling(x, y);
  const matrix = await matrixScaling(x, y);
  const dirichlet = await matrixScaling(x, y, { offDiagonal: 0.1, intercept: 0.1 });
  const isotonic = await oneVsRest(first(p), y, isotonicRegression);
  const histogram = await oneVsRest(first(p), y, (column, targets) => histogramBinning(column, targets, { bins: 15 }));
  const beta = await oneVsRest(first(p), y, betaCalibration);
  const [fresh, z] = [second(p), second(logits)];
  const maps: Record<string, Tensor> = {
    "as stored": fresh,
    [`temperature, T = ${temperature.temperature.toFixed(4)}`]: softmax(temperature.transform(z)),
    "vector scaling": softmax(vector.transform(z)),
    "matrix scaling": softmax(matrix.transform(z)),
    "matrix scaling, ODIR 0.1": softmax(dirichlet.transform(z)),
    "isotonic, one-vs-rest": isotonic.transform(fresh),
    "histogram, one-vs-rest": histogram.transform(fresh),
    "beta, one-vs-rest": beta.transform(fresh),
  };
  console.log("map | accuracy % | NLL | Brier | ECE | equal mass | l2 | l2 debiased | top-label | class-wise");
  for (const [name, q] of Object.entries(maps)) console.log(name, "|", await scoresOf(q, second(labels)));
  for (const [name, q] of Object.entries(maps).slice(0, 2)) {
    const { edges, count, confidence, accuracy: right } = await reliability(q, second(labels), { bins: 15 });
    console.log(name, "| bin above | examples | confidence | accuracy");
    count.forEach((n, bin) => {
      if (n > 0) console.log(`${edges[bin]!.toFixed(3)} | ${n} | ${confidence[bin]!.toFixed(4)} | ${right[bin]!.toFixed(4)}`);
    });
  }
}

async function cover({ p, labels }: { p: Tensor; labels: Tensor }, splits: number): Promise<void> {
  console.log("score | 1 − α | mean coverage | least | greatest | mean size");
  const cases: [string, ConformalScore, boolean][] = [
    ["lac", "lac", false], ["aps", "aps", false], ["aps, random", "aps", true], ["raps, random", "raps", true],
  ];
  for (const alpha of [0.1, 0.05]) {
    for (const [name, score, isRandom] of cases) {
      const [coverage, size]: [number[], number[]] = [[], []];
      for (let i = 0; i < splits; i++) {
        const order = permutation(key(i), 2 * half);
        const [q, y] = [take(p, order), take(labels, order)];
        const options = { alpha, score, ...(isRandom ? { key: foldIn(key(i), 1) } : {}) };
        const sets = (await splitConformal(first(q), first(y), options)).sets(second(q));
        coverage.push(await setCoverage(sets, second(y)).item());
        size.push(await meanSetSize(sets).item());
      }
      const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
      const numbers = [mean(coverage), Math.min(...coverage), Math.max(...coverage), mean(size)];
      console.log(name, "|", 1 - alpha, "|", numbers.map((value) => value.toFixed(4)).join(" | "));
    }
  }
}

const given = process.argv.indexOf("--data");
const folder = given < 0 ? undefined : process.argv[given + 1];
const networks = ["cifar10-wideresnet-16-4.npz", "cifar10-lenet5.npz"];
if (folder && networks.every((name) => existsSync(join(folder, name)))) {
  setDevice(await cpu({ threads: 1 }));
  for (const name of networks) {
    console.log(name);
    const data = await load(join(folder, name));
    await recalibrate(data);
    await cover(data, 100);
  }
} else {
  console.log(`calibration-cifar: ${networks.join(" and ")} are not in ${folder ?? "any folder given"}; use --data FOLDER`);
}
