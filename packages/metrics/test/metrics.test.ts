/** Metrics against scikit-learn's, and what its tables do not show. */
import { beforeAll, describe, expect, it } from "vitest";
import { reference } from "@dormouse/backend-cpu/reference";
import { grad } from "@dormouse/autograd";
import { type Tensor, add, compile, evaluate, setDevice, softmax, tensor, zeros } from "@dormouse/tensor";
import {
  ConfusionMatrix, RunningAccuracy, RunningMean, accuracy, areaUnder, averagePrecision, balancedAccuracy, brierScore,
  confusionMatrix, explainedVariance, f1, logLoss, maxError, meanAbsoluteError, meanAbsolutePercentageError,
  meanPinballError, meanSquaredError, medianAbsoluteError, prCurve, precision, r2, recall, rocAuc, rocCurve,
  rootMeanSquaredError, topKAccuracy,
} from "../src/index.ts";
import { casesOf, double, expectClose, int } from "./expect.ts";

beforeAll(async () => {
  setDevice(await reference());
});

describe("labels", () => {
  it.each(casesOf("metrics", "classification"))("$id", async ({ in: { y_true, y_pred, sample_weight }, num_classes, expected, tol }) => {
    const options = { classes: num_classes as number, ...(sample_weight ? { weights: sample_weight as number[] } : {}) };
    const matrix = await confusionMatrix(y_pred as number[], int(y_true), options);
    expectClose(matrix.counts, expected.confusion.data, tol, "counts");
    expectClose(matrix.accuracy, expected.accuracy, tol, "accuracy");
    expectClose(await balancedAccuracy(y_pred as number[], y_true as number[], options), expected.balanced_accuracy, tol);
    expectClose(matrix.matthews, expected.mcc, tol, "matthews");
    if (expected.cohen_kappa === "NaN") expect(matrix.cohenKappa).toBeNaN();
    else expectClose(matrix.cohenKappa, expected.cohen_kappa, tol, "kappa");
    for (const average of ["macro", "micro", "weighted"] as const) {
      const all = { ...options, average };
      const wanted = expected[average];
      expectClose(await precision(y_pred as number[], y_true as number[], all), wanted.precision, tol, `${average} precision`);
      expectClose(await recall(y_pred as number[], y_true as number[], all), wanted.recall, tol, `${average} recall`);
      expectClose(await f1(y_pred as number[], y_true as number[], all), wanted.f1, tol, `${average} f1`);
      expectClose(matrix.fBeta(2, average), wanted.fbeta2, tol, `${average} f2`);
    }
    for (const name of ["precision", "recall", "f1", "support"] as const) {
      expectClose(matrix.perClass[name], expected.per_class[name].data, tol, name);
    }
    const weights = sample_weight ? { weights: double(sample_weight) } : {};
    expectClose(await accuracy(int(y_pred), int(y_true), weights).item(), expected.accuracy, { rtol: 1e-6, atol: 0 }, "tensor");
  });
});

describe("scores of yes or no", () => {
  it.each(casesOf("metrics", "binary_scores"))("$id", async ({ in: { y_true, score }, expected, tol }) => {
    expectClose(await rocAuc(score as number[], int(y_true)), expected.roc_auc, tol, "area");
    expectClose(await averagePrecision(double(score), y_true as number[]), expected.average_precision, tol, "average precision");
    if (!expected.roc_curve) return;
    const roc = await rocCurve(score as number[], y_true as number[]);
    expectClose(roc.falsePositiveRate, expected.roc_curve.fpr, tol, "fpr");
    expectClose(roc.truePositiveRate, expected.roc_curve.tpr, tol, "tpr");
    expect(roc.thresholds[0]).toBe(Infinity);
    expectClose(roc.thresholds.subarray(1), expected.roc_curve.thresholds, tol, "thresholds");
    const pr = await prCurve(score as number[], y_true as number[]);
    for (const name of ["precision", "recall", "thresholds"] as const) expectClose(pr[name], expected.pr_curve[name], tol, name);
    expectClose(-areaUnder(pr.recall, pr.precision), expected.pr_auc_trapezoid, tol, "area");
  });

  it("counts an example of weight 2 as two, and refuses what has no answer", async () => {
    const [scores, targets] = [[0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]];
    const doubled = await rocAuc([...scores, 0.35], [...targets, 1]);
    expect(await rocAuc(scores, targets, { weights: [1, 1, 2, 1] })).toBeCloseTo(doubled, 12);
    await expect(rocAuc([1, 2], [1, 1])).rejects.toThrow("rocAuc: all 2 targets are of one class");
    await expect(rocAuc([1, NaN], [1, 0])).rejects.toThrow("the score at row 1 is NaN");
    await expect(rocCurve([1, 2, 3], [1, 0])).rejects.toThrow("2 targets for 3 examples");
    await expect(rocCurve([1, 2, 3], [1, 0, 2])).rejects.toThrow("label 2 at row 2 is not one of the 2 classes");
    expect(await rocAuc([-Infinity, Infinity, 0], [0, 1, 0])).toBe(1);
  });
});

describe("probabilities", () => {
  it.each(casesOf("metrics", "multiclass_probabilities"))("$id", async ({ in: { y_true, logits }, expected, tol }) => {
    const [p, labels] = [softmax(double(logits)), int(y_true)];
    expectClose(await logLoss(p, labels).item(), expected.log_loss, tol, "log loss");
    expectClose(await brierScore(p, labels).item(), expected.brier_multiclass, tol, "Brier score");
    expectClose(await accuracy(p, labels).item(), expected.top1, tol, "accuracy");
    for (const k of [1, 2, 3]) {
      if (expected[`top${k}`] !== null) expectClose(await topKAccuracy(p, labels, { k }).item(), expected[`top${k}`], tol, `top ${k}`);
    }
    for (const [name, multiclass] of [["ovr", "one-vs-rest"], ["ovo", "one-vs-one"]] as const) {
      for (const average of ["macro", "weighted"] as const) {
        expectClose(await rocAuc(p, labels, { multiclass, average }), expected[`roc_auc_${name}_${average}`], tol, `${name} ${average}`);
      }
    }
  });

  it.each(casesOf("metrics", "binary_probabilities"))("$id", async ({ in: { y_true, p }, expected, tol }) => {
    expectClose(await logLoss(double(p), int(y_true)).item(), expected.log_loss, tol, "log loss");
    expectClose(await brierScore(double(p), int(y_true)).item(), expected.brier, tol, "Brier score");
    expectClose(await accuracy(double(p), int(y_true), { threshold: 0.5 }).item(), expected.accuracy_at_half, tol, "accuracy");
  });

  it("checks labels at the call, or when the graph runs", async () => {
    const p = tensor([[0.5, 0.5], [0.1, 0.9]]);
    expect(() => logLoss(p, int([0, 2]))).toThrow("logLoss: the label at row 1 is not one of the 2 classes");
    await expect(brierScore(p, add(int([0, 2]), 0)).data()).rejects.toThrow("brierScore: the label at row 1 is not one");
    expect(await logLoss(p, add(int([0, 1]), 0)).item()).toBeCloseTo(-(Math.log(0.5) + Math.log(0.9)) / 2, 6);
    expect(await logLoss(tensor([0, 1]), tensor([1, 1])).item()).toBeCloseTo(23 * Math.LN2 / 2, 4);
  });
});

describe("real values", () => {
  it.each(casesOf("metrics", "regression"))("$id", async ({ in: { y_true, y_pred, sample_weight }, expected, tol }) => {
    const [x, t] = [double(y_pred), double(y_true)];
    const options = sample_weight ? { weights: double(sample_weight) } : {};
    const rows: Record<string, Tensor> = {
      mae: meanAbsoluteError(x, t, options),
      mse: meanSquaredError(x, t, options),
      rmse: rootMeanSquaredError(x, t, options),
      r2: r2(x, t, options),
      r2_uniform: r2(x, t, options),
      r2_raw: r2(x, t, { ...options, columns: "none" }),
      r2_variance_weighted: r2(x, t, { ...options, columns: "variance" }),
      mape: meanAbsolutePercentageError(x, t, options),
      explained_variance: explainedVariance(x, t, options),
      max_error: maxError(x, t),
      median_ae: medianAbsoluteError(x, t),
      pinball_0_9: meanPinballError(x, t, { ...options, quantile: 0.9 }),
    };
    for (const [name, wanted] of Object.entries(expected)) {
      if (wanted !== null) expectClose(await rows[name]!.data(), typeof wanted === "number" ? [wanted] : wanted, tol, name);
    }
  });

  it("names what does not fit", () => {
    expect(() => meanSquaredError(zeros([3, 1]), zeros([3]))).toThrow("prediction [3, 1] and target [3] do not fit");
    expect(() => r2(zeros([3]), int([1, 2, 3]))).toThrow("prediction is float32 and target is int32");
    expect(() => meanSquaredError(zeros([3]), zeros([3]), { weights: zeros([2]) })).toThrow("weights [2] for examples [3]");
  });
});

describe("accuracy", () => {
  it("takes scores, one score, labels, and images of labels", async () => {
    expect(await accuracy(tensor([[2, 1], [0, 3]]), int([0, 0])).item()).toBe(0.5);
    expect(await accuracy(tensor([1, -1, 0]), tensor([1, 1, 0])).item()).toBeCloseTo(2 / 3, 6);
    expect(await accuracy(tensor([[1], [-1]]), int([1, 0])).item()).toBe(1);
    expect(await accuracy(int([1, 2, 3, 4]), int([1, 2, 3, 5])).item()).toBe(0.75);
    const segments = tensor([[[1, 0, 5], [0, 1, 4]]]);
    expect(await accuracy(segments, tensor([[0, 1, 1]], { dtype: "int32" })).item()).toBeCloseTo(2 / 3, 6);
    expect(await accuracy(tensor([[1, 1], [0, 0]]), int([0, 1])).item(), "the first of equals").toBe(0.5);
    expect(await topKAccuracy(tensor([[1, 1, 1], [1, 1, 1]]), int([1, 2]), { k: 2 }).item()).toBe(0.5);
  });

  it("is what it is outside when compiled", async () => {
    const step = compile((x: Tensor, y: Tensor) => [accuracy(x, y), topKAccuracy(x, y, { k: 2 })] as const);
    const [first, two] = step(tensor([[3, 2, 1], [3, 2, 1], [3, 2, 1], [3, 2, 1]]), int([0, 1, 2, 0]));
    expect([await first.item(), await two.item()]).toEqual([0.5, 0.75]);
  });

  it("refuses to be differentiated, and what does not fit", () => {
    expect(() => evaluate(grad((x: Tensor) => accuracy(x, int([0, 1])))(zeros([2, 3])))).toThrow("accuracy: it is constant almost everywhere");
    expect(() => accuracy(zeros([4, 3]), int([0, 1]))).toThrow("outputs [4, 3] and targets [2] do not fit");
    expect(() => accuracy(zeros([2, 3]), zeros([2]))).toThrow("targets are float32; make them integers");
    expect(() => topKAccuracy(zeros([2, 3]), int([0, 1]))).toThrow("k is 5 for 3 classes");
  });
});

describe("streams", () => {
  it("give over batches what the whole gives", async () => {
    const [predicted, labels] = [[0, 1, 2, 2, 1, 0, 0], [0, 2, 2, 1, 1, 0, 1]];
    const [first, second] = [new ConfusionMatrix(3), new ConfusionMatrix(3)];
    await first.update(predicted.slice(0, 4), labels.slice(0, 4));
    await second.update(int(predicted.slice(4)), int(labels.slice(4)));
    first.merge(second);
    expect(first.rows()).toEqual((await confusionMatrix(predicted, labels)).rows());
    expect(first.rows()).toEqual([[2, 0, 0], [1, 1, 1], [0, 1, 1]]);
    const [a, b] = [new RunningAccuracy(), new RunningAccuracy()];
    a.update(int(predicted.slice(0, 4)), int(labels.slice(0, 4)));
    b.update(int(predicted.slice(4)), int(labels.slice(4)));
    b.update(int([]), int([]));
    a.merge(b);
    expect(await a.compute()).toBe(4 / 7);
    const mean = new RunningMean();
    expect(await mean.compute()).toBeNaN();
    mean.update(tensor(2), 3);
    mean.update(NaN, 0);
    mean.update(6);
    expect([await mean.compute(), mean.count]).toEqual([3, 4]);
  });

  it("refuse what they cannot count", async () => {
    await expect(new ConfusionMatrix(2).update([0, 1], [0, 2])).rejects.toThrow("label 2 at row 1 is not one of the 2 classes");
    await expect(new ConfusionMatrix(2).update([0, 1], [0])).rejects.toThrow("1 targets for 2 examples");
    expect(() => new ConfusionMatrix(2).merge(new ConfusionMatrix(3))).toThrow("2 and 3 classes do not merge");
  });

  it("reads scores as their best class", async () => {
    const matrix = await confusionMatrix(tensor([[2, 1, 0], [0, 3, 1]]), [0, 2]);
    expect(matrix.rows()).toEqual([[1, 0, 0], [0, 0, 0], [0, 1, 0]]);
    expect(matrix.precision("micro")).toBe(0.5);
  });
});
