/**
 * Calibration (`calibration`): reliability diagrams and the errors read off them, maps that recalibrate, and conformal
 * prediction.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readNpz } from "@dormouse/formats";
import { binaryCrossEntropy } from "@dormouse/losses";
import {
  type ConformalScore, type Interval, accuracy, brierScore, classwiseCalibrationError, conformalQuantiles,
  conformalRegression, expectedCalibrationError, gaussianCrps, gaussianLogScore, gaussianPit, histogramBinning,
  isotonicRegression, kolmogorovSmirnovError, logLoss, maximumCalibrationError, plattScaling, quantileCalibrationError,
  quantileCoverage, reliability, splitConformal, temperatureScaling,
} from "@dormouse/metrics";
import {
  type Tensor, add, cast, exp, expandDims, greaterEqual, lessEqual, log, logSoftmax, logicalAnd, max, maximum, mean, mul,
  neg, slice, softmax, sub, sum, takeAlongAxis, tensor,
} from "@dormouse/tensor";
import type { Case } from "../case.ts";
import { Checks } from "../checks.ts";
import type { Tolerance } from "../compare.ts";
import { refuseUnread, watch } from "../watch.ts";
import { type Computed, type Expected, compareTree } from "./tree.ts";

/** A case of a calibration measure. */
export interface CalibrationCase extends Omit<Case, "tol"> {
  readonly bins?: number;
  readonly alpha?: number;
  readonly n_calibration?: number;
  readonly raps?: { readonly lam: number; readonly k_reg: number };
  readonly file?: string;
  readonly fit_rows?: readonly [number, number];
  readonly test_rows?: readonly [number, number];
  readonly in: Readonly<Record<string, readonly number[] | readonly (readonly number[])[]>>;
  readonly expected: Readonly<Record<string, Expected>>;
  /** One for all numbers, or one for each kind of them. */
  readonly tol: Tolerance | Readonly<Record<string, Tolerance>>;
}

type Measure = (each: CalibrationCase, data: string | null) => Promise<Computed>;

const float64 = (values: readonly number[] | readonly (readonly number[])[]): Tensor =>
  tensor(values as readonly number[], { dtype: "float64" });
const int32 = (values: readonly number[] | readonly (readonly number[])[]): Tensor =>
  tensor(values as readonly number[], { dtype: "int32" });

type Binning = "width" | "mass";

async function diagram(probabilities: Tensor, hits: Tensor, bins: number, binning: Binning): Promise<Computed> {
  const found = await reliability(probabilities, hits, { bins, binning });
  return {
    ece: found.expectedError,
    mce: found.maximumError,
    rmsce: found.rootMeanSquareError,
    overconfidence: found.overconfidence,
    bins: { count: found.count, confidence: found.confidence, accuracy: found.accuracy },
  };
}

/** What a name such as `classwise_equal_mass_15` asks for. */
async function named(name: string, p: Tensor, y: Tensor): Promise<Computed> {
  const [, classwise, binning, bins] = /^(classwise_)?equal_(width|mass)_(\d+)$/.exec(name)!;
  const options = { bins: Number(bins), binning: binning as Binning };
  if (!classwise) return diagram(p, y, options.bins, options.binning);
  return {
    mean: await expectedCalibrationError(p, y, { ...options, classwise: true }),
    per_class: await classwiseCalibrationError(p, y, options),
  };
}

const measures: Readonly<Record<string, Measure>> = {
  ece: async ({ in: inputs, expected }) => {
    const [logits, y] = [float64(inputs.logits!), int32(inputs.y_true!)];
    const [p, logs] = [softmax(logits), logSoftmax(logits)];
    const diagrams: Record<string, Computed> = {};
    for (const name of Object.keys(expected)) {
      if (name.includes("equal_")) diagrams[name] = await named(name, p, y);
    }
    return {
      ...diagrams,
      ks_error: await kolmogorovSmirnovError(p, y),
      nll: logLoss(p, y),
      brier: brierScore(p, y),
      accuracy: accuracy(p, y),
      mean_confidence: mean(max(p, { axis: 1 })),
      mean_entropy: mean(neg(sum(mul(exp(logs), logs), { axis: 1 }))),
    };
  },
  ece_binary_edges: ({ in: inputs, bins }) => diagram(float64(inputs.confidence!), int32(inputs.hit!), bins!, "width"),
  ece_binary: async ({ in: inputs, bins }) => {
    const [p, y] = [float64(inputs.p!), int32(inputs.y_true!)];
    return { ...((await diagram(p, y, bins!, "width")) as object), brier: brierScore(p, y) };
  },
};

/** The measures of a network whose logits are known. */
async function network(logits: Tensor, y: Tensor): Promise<{ readonly [name: string]: Computed }> {
  const p = softmax(logits);
  return {
    nll: logLoss(p, y),
    accuracy: accuracy(p, y),
    ece15: await expectedCalibrationError(p, y, { bins: 15 }),
    ece15_mass: await expectedCalibrationError(p, y, { bins: 15, binning: "mass" }),
    mce15: await maximumCalibrationError(p, y, { bins: 15 }),
    classwise_ece15: await expectedCalibrationError(p, y, { bins: 15, classwise: true }),
    brier: brierScore(p, y),
  };
}

const rows = (x: Tensor, from: number, to: number | null): Tensor => slice(x, [[from, to]]);
const share = (hits: Tensor): Tensor => mean(cast(hits, "float64"));

async function conformalSets(each: CalibrationCase): Promise<Computed> {
  const { in: inputs, alpha, n_calibration: n, raps } = each;
  const [p, y, u] = [softmax(float64(inputs.logits!)), int32(inputs.y_true!), float64(inputs.u!)];
  const found = async (score: ConformalScore, isRandom: boolean): Promise<Computed> => {
    const drawn = (draws: Tensor) => (isRandom ? { draws } : {});
    const penalty = score === "raps" ? { penalty: raps!.lam, freeRanks: raps!.k_reg } : {};
    const conformal = await splitConformal(rows(p, 0, n!), rows(y, 0, n!), {
      alpha: alpha!, score, ...penalty, ...drawn(rows(u, 0, n!)),
    });
    const sets = conformal.sets(rows(p, n!, null), drawn(rows(u, n!, null)));
    const sizes = sum(cast(sets, "int32"), { axis: 1 });
    const covered = takeAlongAxis(cast(sets, "float64"), expandDims(rows(y, n!, null), 1), { axis: 1 });
    return {
      qhat: conformal.threshold,
      coverage: mean(covered),
      mean_size: mean(cast(sizes, "float64")),
      empty: sum(cast(lessEqual(sizes, 0), "int32")),
      sizes,
    };
  };
  return {
    lac: await found("lac", false),
    aps: await found("aps", false),
    aps_randomised: await found("aps", true),
    raps: await found("raps", false),
  };
}

const recalibration: Readonly<Record<string, Measure>> = {
  temperature: async ({ in: inputs }) => {
    const [logits, y] = [float64(inputs.logits!), int32(inputs.y_true!)];
    const scaled = await temperatureScaling(logits, y);
    const [before, after] = [await network(logits, y), await network(scaled.transform(logits), y)];
    return {
      T: scaled.temperature,
      nll_before: before.nll,
      nll_after: after.nll,
      ece15_before: before.ece15,
      ece15_after: after.ece15,
    };
  },
  platt: async ({ in: inputs, kind }) => {
    const [scores, y] = [float64(inputs.score!), int32(inputs.y_true!)];
    const isSmooth = kind === "platt_targets";
    const platt = await plattScaling(scores, y, { smoothTargets: isSmooth });
    const labels = inputs.y_true as readonly number[];
    const positives = labels.filter((label) => label === 1).length;
    const [yes, no] = isSmooth ? [(positives + 1) / (positives + 2), 1 / (labels.length - positives + 2)] : [1, 0];
    return {
      a: platt.slope,
      b: platt.offset,
      p_new: platt.transform(float64(inputs.new!)),
      // What was minimized: against the smoothed targets where they are.
      nll: binaryCrossEntropy(platt.transform(scores), float64(labels.map((label) => (label === 1 ? yes : no)))),
    };
  },
  isotonic: async ({ in: inputs }) => {
    const [x, y] = [float64(inputs.x!), float64(inputs.y!)];
    const isotonic = await isotonicRegression(x, y, inputs.weight ? { weights: float64(inputs.weight) } : {});
    return { fitted: isotonic.transform(x), predict_new: isotonic.transform(float64(inputs.new!)) };
  },
  histogram_binning: async ({ in: inputs, bins }) => {
    const binning = await histogramBinning(float64(inputs.p!), int32(inputs.y!), { bins: bins! });
    return { bin_value: binning.values, count: binning.count };
  },
  conformal_classification: conformalSets,
  conformal_regression: async ({ in: inputs, alpha, n_calibration: n }) => {
    const [mu, sigma, y] = [float64(inputs.mu!), float64(inputs.sigma!), float64(inputs.y!)];
    const fit = (x: Tensor): Tensor => rows(x, 0, n!);
    const test = (x: Tensor): Tensor => rows(x, n!, null);
    const report = (threshold: number, { lower, upper }: Interval): Computed => ({
      qhat: threshold,
      coverage: share(logicalAnd(greaterEqual(test(y), lower), lessEqual(test(y), upper))),
      mean_width: mean(sub(upper, lower)),
    });
    const absolute = await conformalRegression(fit(mu), fit(y), { alpha: alpha! });
    const scaled = await conformalRegression(fit(mu), fit(y), { alpha: alpha!, scale: fit(sigma) });
    const quantiles = await conformalQuantiles(fit(sub(mu, sigma)), fit(add(mu, sigma)), fit(y), { alpha: alpha! });
    return {
      absolute: report(absolute.threshold, absolute.interval(test(mu))),
      normalised: report(scaled.threshold, scaled.interval(test(mu), { scale: test(sigma) })),
      cqr: report(quantiles.threshold, quantiles.interval(test(sub(mu, sigma)), test(add(mu, sigma)))),
    };
  },
  gaussian_predictive: async ({ in: inputs }) => {
    const predicted = [float64(inputs.mu!), float64(inputs.sigma!), float64(inputs.y!)] as const;
    const transforms = gaussianPit(...predicted);
    const levels = inputs.levels as readonly number[];
    return {
      nll_full: gaussianLogScore(...predicted),
      crps: gaussianCrps(...predicted),
      pit_cdf: quantileCoverage(transforms, { levels }),
      quantile_calibration_error: quantileCalibrationError(transforms, { levels }),
    };
  },
  real_network: async ({ file, fit_rows, test_rows }, data) => {
    const arrays = await readNpz(new Uint8Array(readFileSync(join(data!, file!.replace(/^data\//, "")))));
    const { data: outputs, shape } = arrays.get("predictions")!;
    const predictions = tensor(Float64Array.from(outputs as ArrayLike<number>), { shape });
    const labels = tensor(Int32Array.from(arrays.get("ground_truth")!.data as ArrayLike<number | bigint>, Number));
    const logits = log(maximum(predictions, 1e-30));
    const part = (x: Tensor, [from, to]: readonly [number, number]): Tensor => rows(x, from, to);
    const scaled = await temperatureScaling(part(logits, fit_rows!), part(labels, fit_rows!));
    const [test, y] = [part(logits, test_rows!), part(labels, test_rows!)];
    return { T: scaled.temperature, before: await network(test, y), after: await network(scaled.transform(test), y) };
  },
};

/** The tolerance of a name where there are several: that of the kind it begins with, else the rest's. */
function toleranceOf(tol: CalibrationCase["tol"], name: string): Tolerance {
  if (typeof tol.rtol === "number") return tol as Tolerance;
  const kinds = tol as Readonly<Record<string, Tolerance>>;
  const kind = Object.keys(kinds).find((prefix) => name.startsWith(prefix)) ?? "rest";
  return kinds[kind]!;
}

/** Checks a case, or returns null for a measure that there is not, or without the data. */
export function checkCalibration(each: CalibrationCase, data: string | null): Promise<readonly string[]> | null {
  const measure = measures[each.op] ?? recalibration[each.op];
  return !measure || (each.file && !data) ? null : check(measure, each, data);
}

async function check(measure: Measure, each: CalibrationCase, data: string | null): Promise<readonly string[]> {
  const inputs = watch(each.in ?? {});
  const got = (await measure({ ...each, in: inputs.object }, data)) as Readonly<Record<string, Computed>>;
  refuseUnread(inputs);
  const failures: string[] = [];
  for (const [name, want] of Object.entries(each.expected)) {
    const checks = new Checks({ f64: toleranceOf(each.tol, name) }, "float64");
    await compareTree(checks, name, got[name], want);
    failures.push(...(await checks.settle()));
  }
  return failures;
}
