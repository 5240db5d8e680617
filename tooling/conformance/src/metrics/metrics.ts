/** Metrics (`metrics`): classification, scores, probabilities, regression, and the statistics of preprocessing. */
import {
  areaUnder, averagePrecision, balancedAccuracy, brierScore, confusionMatrix, explainedVariance, logLoss, maxError,
  meanAbsoluteError, meanAbsolutePercentageError, meanPinballError, meanSquaredError, medianAbsoluteError, prCurve, r2,
  rocAuc, rocCurve, rootMeanSquaredError, topKAccuracy,
} from "@dormouse/metrics";
import {
  type Tensor, div, matmul, max, mean, min, mul, quantile, softmax, std, sub, tensor, transpose,
} from "@dormouse/tensor";
import type { ArraySpec, Case } from "../case.ts";
import { Checks, toTensor } from "../checks.ts";
import type { Tolerance } from "../compare.ts";
import { refuseUnread, watch } from "../watch.ts";
import { type Computed, type Expected, compareTree } from "./tree.ts";

/** A case of a metric: plain arrays in, numbers by name out. */
export interface MetricCase extends Omit<Case, "tol"> {
  readonly num_classes?: number;
  readonly in: Readonly<Record<string, readonly number[] | readonly (readonly number[])[] | ArraySpec>>;
  readonly expected: Readonly<Record<string, Expected>>;
  readonly tol: Tolerance;
}

type Metric = (each: MetricCase) => Promise<Computed> | Computed;

const list = ({ in: inputs }: MetricCase, name: string): number[] => [...(inputs[name] as readonly number[])];
/** An input as a tensor: a vector, or a matrix. */
const values = ({ in: inputs }: MetricCase, name: string): Tensor =>
  tensor(inputs[name] as readonly number[], { dtype: "float64" });
const labels = ({ in: inputs }: MetricCase, name: string): Tensor =>
  tensor(inputs[name] as readonly number[], { dtype: "int32" });
const weightsOf = (each: MetricCase): { weights?: Tensor } =>
  each.in.sample_weight ? { weights: values(each, "sample_weight") } : {};

const metrics: Readonly<Record<string, Metric>> = {
  classification: async (each) => {
    const [predicted, targets] = [list(each, "y_pred"), list(each, "y_true")];
    const options = { classes: each.num_classes!, ...weightsOf(each) };
    const matrix = await confusionMatrix(predicted, targets, options);
    const averages = (average: "macro" | "micro" | "weighted"): Computed => ({
      precision: matrix.precision(average),
      recall: matrix.recall(average),
      f1: matrix.f1(average),
      fbeta2: matrix.fBeta(2, average),
    });
    return {
      accuracy: matrix.accuracy,
      confusion: matrix.rows(),
      balanced_accuracy: await balancedAccuracy(predicted, targets, options),
      mcc: matrix.matthews,
      cohen_kappa: matrix.cohenKappa,
      macro: averages("macro"),
      micro: averages("micro"),
      weighted: averages("weighted"),
      per_class: { ...matrix.perClass },
    };
  },

  binary_scores: async (each) => {
    const [scores, targets] = [list(each, "score"), list(each, "y_true")];
    const [roc, pr] = [await rocCurve(scores, targets), await prCurve(scores, targets)];
    return {
      roc_auc: await rocAuc(scores, targets),
      average_precision: await averagePrecision(scores, targets),
      // Recall falls along the curve, so the area comes out negative.
      pr_auc_trapezoid: -areaUnder(pr.recall, pr.precision),
      // The cases leave out the first threshold, which is infinite.
      roc_curve: { fpr: roc.falsePositiveRate, tpr: roc.truePositiveRate, thresholds: roc.thresholds.slice(1) },
      pr_curve: { ...pr },
    };
  },

  multiclass_probabilities: async (each) => {
    const [p, y] = [softmax(values(each, "logits")), labels(each, "y_true")];
    // Only where the case asks: there is none where a class is missing.
    const auc = (name: string, multiclass: "one-vs-rest" | "one-vs-one", average: "macro" | "weighted") =>
      each.expected[name] == null ? undefined : rocAuc(p, y, { multiclass, average });
    const classes = p.shape[1]!;
    const top = (k: number): Tensor | undefined => (k <= classes ? topKAccuracy(p, y, { k }) : undefined);
    return {
      log_loss: logLoss(p, y),
      brier_multiclass: brierScore(p, y),
      top1: top(1),
      top2: top(2),
      top3: top(3),
      roc_auc_ovr_macro: await auc("roc_auc_ovr_macro", "one-vs-rest", "macro"),
      roc_auc_ovr_weighted: await auc("roc_auc_ovr_weighted", "one-vs-rest", "weighted"),
      roc_auc_ovo_macro: await auc("roc_auc_ovo_macro", "one-vs-one", "macro"),
      roc_auc_ovo_weighted: await auc("roc_auc_ovo_weighted", "one-vs-one", "weighted"),
    };
  },

  binary_probabilities: async (each) => {
    const [p, y] = [values(each, "p"), labels(each, "y_true")];
    const guesses = list(each, "p").map((x) => (x >= 0.5 ? 1 : 0));
    return {
      log_loss: logLoss(p, y),
      brier: brierScore(p, y),
      accuracy_at_half: (await confusionMatrix(guesses, y)).accuracy,
    };
  },

  regression: (each) => {
    const [prediction, target] = [values(each, "y_pred"), values(each, "y_true")];
    const weights = weightsOf(each);
    return {
      mae: meanAbsoluteError(prediction, target, weights),
      mse: meanSquaredError(prediction, target, weights),
      rmse: rootMeanSquaredError(prediction, target, weights),
      mape: meanAbsolutePercentageError(prediction, target, weights),
      r2: r2(prediction, target, weights),
      r2_uniform: r2(prediction, target),
      r2_raw: r2(prediction, target, { columns: "none" }),
      r2_variance_weighted: r2(prediction, target, { columns: "variance" }),
      explained_variance: explainedVariance(prediction, target, weights),
      max_error: maxError(prediction, target),
      median_ae: medianAbsoluteError(prediction, target),
      pinball_0_9: meanPinballError(prediction, target, { ...weights, quantile: 0.9 }),
    };
  },

  preprocess: (each) => {
    const x = toTensor(each.in.X as ArraySpec, "float64");
    const [center, low, high] = [mean(x, { axis: 0 }), min(x, { axis: 0 }), max(x, { axis: 0 })];
    const standardized = div(sub(x, center), std(x, { axis: 0, correction: 0 }));
    const centered = sub(x, center);
    const count = x.shape[0]!;
    return {
      mean: center,
      std_population: std(x, { axis: 0, correction: 0 }),
      std_sample: std(x, { axis: 0, correction: 1 }),
      min: low,
      max: high,
      standardised: standardized,
      minmax01: div(sub(x, low), sub(high, low)),
      q: each.expected.q as readonly number[],
      quantiles_linear: quantile(x, each.expected.q as readonly number[], { axis: 0 }),
      correlation: mul(matmul(transpose(standardized), standardized), 1 / count),
      covariance_sample: mul(matmul(transpose(centered), centered), 1 / (count - 1)),
    };
  },
};

/** Checks a case, or returns null for a metric that there is not. */
export function checkMetric(each: MetricCase): Promise<readonly string[]> | null {
  const metric = metrics[each.op];
  if (!metric) return null;
  const checks = new Checks({ f64: each.tol }, "float64");
  const inputs = watch(each.in);
  return Promise.resolve(metric({ ...each, in: inputs.object }))
    .then((got) => compareTree(checks, "", got, each.expected))
    .then(() => refuseUnread(inputs))
    .then(() => checks.settle());
}
