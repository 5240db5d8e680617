/** Calibration (`calibration`): reliability diagrams and the errors read off them. */
import {
  accuracy, brierScore, classwiseCalibrationError, expectedCalibrationError, kolmogorovSmirnovError, logLoss, reliability,
} from "@dormouse/metrics";
import { type Tensor, exp, logSoftmax, max, mean, mul, neg, softmax, sum, tensor } from "@dormouse/tensor";
import type { Case } from "../case.ts";
import { Checks } from "../checks.ts";
import type { Tolerance } from "../compare.ts";
import { type Computed, type Expected, compareTree } from "./tree.ts";

/** A case of a calibration measure. */
export interface CalibrationCase extends Omit<Case, "tol"> {
  readonly bins?: number;
  readonly in: Readonly<Record<string, readonly number[] | readonly (readonly number[])[]>>;
  readonly expected: Readonly<Record<string, Expected>>;
  readonly tol: Tolerance;
}

type Measure = (each: CalibrationCase) => Promise<Computed>;

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

/** Checks a case, or returns null for a measure that there is not. */
export function checkCalibration(each: CalibrationCase): Promise<readonly string[]> | null {
  const measure = measures[each.op];
  if (!measure) return null;
  const checks = new Checks({ f64: each.tol }, "float64");
  return measure(each)
    .then((got) => compareTree(checks, "", got, each.expected))
    .then(() => checks.settle());
}
