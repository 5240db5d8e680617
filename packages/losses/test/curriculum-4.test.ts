/** Section 4 of the curriculum, losses: every loss with its options, and the known answers, in float64. */
import { beforeAll, describe, expect, test } from "vitest";
import { checkGrads, grad } from "@dormouse/autograd";
import { reference } from "@dormouse/backend-cpu/reference";
import { accuracy, decide } from "@dormouse/metrics";
import { expectClose } from "@dormouse/testing";
import {
  Tensor, add, broadcastTo, div, eye, key, linalg, log, logSoftmax, matmul, mean, mul, neg, normal, oneHot, prod,
  setDevice, sigmoid, slice, softmax, square, sub, sum, tensor, transpose,
} from "@dormouse/tensor";
import {
  bernoulliLikelihood, binaryCrossEntropy, binaryCrossEntropyWithLogits, contrastive, cosineEmbedding, crossEntropy,
  elasticNet, focal, gaussianNll, hinge, huber, inputNoise, klDivergence, l1Penalty, l2Penalty, labelNoise, logCosh,
  mae, margin, mse, multiMargin, multinomialLikelihood, nll, smoothL1, softMargin, squaredHinge, tripletMargin, zeroOneLoss,
} from "../src/index.ts";

beforeAll(async () => {
  setDevice(await reference());
});

const f64 = (values: readonly number[] | readonly (readonly number[])[]): Tensor => tensor(values, { dtype: "float64" });
const int = (values: readonly number[]): Tensor => tensor(values, { dtype: "int32" });
const scalar = (value: number): Tensor => tensor(value, { dtype: "float64" });
const random = (seed: number, shape: readonly number[]): Tensor => normal(key(seed), shape, { dtype: "float64" });
const values = async (x: Tensor): Promise<number[]> => [...(await x.data())].map(Number);
const same = async (got: Tensor, wanted: Tensor | readonly number[], relative = 1e-12): Promise<void> =>
  expectClose(await got.data(), wanted instanceof Tensor ? await wanted.data() : wanted, { relative, absolute: 1e-13 });

describe("4.list every loss at values that can be computed by hand", () => {
  const none = { reduction: "none" } as const;
  const [p, t] = [f64([1, -2, 0.5]), f64([0, 1, 0.5])]; // errors 1, −3, 0
  const [score, sign] = [f64([2, -0.5, 0.25]), f64([1, 1, -1])]; // margins 2, −0.5, −0.25
  const logits = f64([[2, 0, -1], [0, 1, 0]]);
  const labels = int([0, 2]);
  const logSum = (row: readonly number[]): number => Math.log(row.reduce((total, z) => total + Math.exp(z), 0));
  const [first, second] = [logSum([2, 0, -1]) - 2, logSum([0, 1, 0])];
  const [a, b] = [f64([[1, 0], [0, 2]]), f64([[0, 3], [0, 1]])];

  const rows: readonly (readonly [name: string, loss: () => Tensor, wanted: readonly number[]])[] = [
    ["margin", () => margin(score, sign, none), [2, -0.5, -0.25]],
    ["hinge", () => hinge(score, sign, none), [0, 1.5, 1.25]],
    ["squaredHinge", () => squaredHinge(score, sign, none), [0, 2.25, 1.5625]],
    ["mse", () => mse(p, t, none), [1, 9, 0]],
    ["mae", () => mae(p, t, none), [1, 3, 0]],
    ["huber", () => huber(p, t, { delta: 2, ...none }), [0.5, 2 * (3 - 1), 0]],
    ["smoothL1", () => smoothL1(p, t, { beta: 2, ...none }), [0.25, 3 - 1, 0]],
    ["logCosh", () => logCosh(p, t, none), [Math.log(Math.cosh(1)), Math.log(Math.cosh(3)), 0]],
    ["crossEntropy of labels", () => crossEntropy(logits, labels, none), [first, second]],
    ["crossEntropy of probabilities", () => crossEntropy(logits, oneHot(labels, 3, { dtype: "float64" }), none), [first, second]],
    ["nll", () => nll(logSoftmax(logits), labels, none), [first, second]],
    ["binaryCrossEntropy", () => binaryCrossEntropy(f64([0.5, 0.8]), f64([1, 0]), none), [Math.LN2, -Math.log(0.2)]],
    ["binaryCrossEntropyWithLogits", () => binaryCrossEntropyWithLogits(f64([0, Math.log(4)]), f64([1, 0]), none), [Math.LN2, -Math.log(0.2)]],
    ["klDivergence", () => klDivergence(log(f64([0.5, 0.5])), f64([0.25, 0.75]), { reduction: "sum" }), [0.25 * Math.log(0.5) + 0.75 * Math.log(1.5)]],
    ["gaussianNll", () => gaussianNll(p, t, f64([1, 4, 1]), { full: true, ...none }), [1, 9 / 4 + Math.log(4), 0].map((each) => (each + Math.log(2 * Math.PI)) / 2)],
    ["focal", () => focal(logits, labels, { gamma: 2, ...none }), [first, second].map((each) => (1 - Math.exp(-each)) ** 2 * each)],
    ["cosineEmbedding", () => cosineEmbedding(a, b, f64([-1, 1]), none), [0, 0]],
    ["contrastive", () => contrastive(a, b, f64([1, 0]), { margin: 3, ...none }), [5, 2]],
    ["tripletMargin", () => tripletMargin(f64([0, 0]), f64([3, 4]), f64([0, 2]), { eps: 0 }), [5 - 2 + 1]],
    ["multiMargin", () => multiMargin(logits, labels, none), [0, (1 + 2) / 3]],
    ["zeroOneLoss", () => zeroOneLoss(logits, labels, none), [0, 1]],
    ["l1Penalty", () => l1Penalty({ w: f64([3, -4]) }, { strength: 0.5 }), [3.5]],
    ["l2Penalty", () => l2Penalty({ w: f64([3, -4]) }, { strength: 0.5 }), [0.5 * 0.5 * 25]],
    ["elasticNet", () => elasticNet({ w: f64([3, -4]) }, { strength: 0.5, ratio: 0.2 }), [0.5 * (0.2 * 7 + 0.8 * 12.5)]],
  ];
  test.each(rows)("%s", async (_, loss, wanted) => same(loss(), wanted));

  const reducible = {
    margin: (o: object) => margin(score, sign, o), hinge: (o: object) => hinge(score, sign, o),
    squaredHinge: (o: object) => squaredHinge(score, sign, o), mse: (o: object) => mse(p, t, o),
    mae: (o: object) => mae(p, t, o), huber: (o: object) => huber(p, t, o), smoothL1: (o: object) => smoothL1(p, t, o),
    logCosh: (o: object) => logCosh(p, t, o),
    gaussianNll: (o: object) => gaussianNll(p, t, f64([1, 4, 1]), o),
    binaryCrossEntropyWithLogits: (o: object) => binaryCrossEntropyWithLogits(p, f64([1, 0, 1]), o),
  };
  test.each(Object.entries(reducible))("%s: sum, mean, and weights of elements", async (_, loss) => {
    const each = await values(loss(none));
    const total = each.reduce((x, y) => x + y, 0);
    await same(loss({ reduction: "sum" }), [total]);
    await same(loss({}), [total / 3]);
    await same(loss({ weight: f64([1, 2, 0]), ...none }), [each[0]!, 2 * each[1]!, 0]);
    await same(loss({ weight: f64([1, 2, 0]) }), [(each[0]! + 2 * each[1]!) / 3]);
  });

  test("cross-entropy: label smoothing, class weights, ignored labels", async () => {
    const smooth = (row: readonly number[], label: number): number =>
      row.reduce((total, z, k) => total + (0.1 / 3 + (k === label ? 0.9 : 0)) * (logSum(row) - z), 0);
    const wanted = [smooth([2, 0, -1], 0), smooth([0, 1, 0], 2)];
    await same(crossEntropy(logits, labels, { labelSmoothing: 0.1, ...none }), wanted);
    await same(crossEntropy(logits, labels, { weight: [1, 5, 3] }), [(first + 3 * second) / 4]);
    await same(crossEntropy(logits, int([0, -100]), { ignoreIndex: -100 }), [first]);
    expect(() => crossEntropy(logits, int([0, 3]))).toThrow("label 3 at row 1 is not below the 3 classes");
  });

  test("binary cross-entropy: the weight of positives", async () => {
    const [x, y] = [f64([0.3, -1]), f64([1, 0])];
    const plain = await values(binaryCrossEntropyWithLogits(x, y, none));
    await same(binaryCrossEntropyWithLogits(x, y, { posWeight: scalar(4), ...none }), [4 * plain[0]!, plain[1]!]);
  });

  test("penalties choose parameters by path: biases stay free", async () => {
    const model = { hidden: { weight: f64([[1, 2], [3, 4]]), bias: f64([100]) }, output: { weight: f64([5]) } };
    const include = (path: string): boolean => path.endsWith("weight");
    await same(l2Penalty(model, { strength: 0.2, include }), [0.5 * 0.2 * 55]);
    const gradient = grad((m: typeof model) => l2Penalty(m, { strength: 0.2, include }))(model);
    await same(gradient.hidden.weight, mul(model.hidden.weight, 0.2));
    await same(gradient.hidden.bias, [0]);
  });

  test("L2 shrinks: w ← w − η∇L − ηαw is a step on the penalized loss", async () => {
    const [w, rate, alpha] = [f64([2, -3]), 0.1, 0.5];
    const loss = (v: Tensor): Tensor => mse(v, f64([1, 1]));
    const stepped = sub(w, mul(grad((v: Tensor) => add(loss(v), l2Penalty(v, { strength: alpha })))(w), rate));
    await same(stepped, sub(sub(w, mul(grad(loss)(w), rate)), mul(w, rate * alpha)));
    // Where the loss is flat, every step multiplies by 1 − ηα.
    await same(sub(w, mul(grad((v: Tensor) => l2Penalty(v, { strength: alpha }))(w), rate)), mul(w, 1 - rate * alpha));
  });

  test("0/1 loss and accuracy refuse to be descended", async () => {
    await same(zeroOneLoss(logits, labels), [0.5]);
    expect(() => grad((z: Tensor) => zeroOneLoss(z, labels))(logits)).toThrow(
      "zeroOneLoss: it is constant almost everywhere and has no useful derivative; train with crossEntropy, hinge",
    );
    expect(() => grad((z: Tensor) => accuracy(z, labels))(logits)).toThrow("accuracy: it is constant almost everywhere");
    // Hinge and cross-entropy (in bits) bound it from above.
    const [x, y] = [random(1, [200]), f64(Array.from({ length: 200 }, (_, i) => (i % 2 ? 1 : -1)))];
    const wrong = (await values(mul(x, y))).map((m) => Number(m <= 0));
    const above = await values(hinge(x, y, none));
    const bits = await values(div(softMargin(x, y, none), Math.LN2));
    wrong.forEach((each, i) => expect(Math.min(above[i]!, bits[i]!)).toBeGreaterThanOrEqual(each));
  });

  test("squared error is smooth where absolute error has a kink", async () => {
    const slope = async (loss: typeof mse, at: number): Promise<number> =>
      grad((x: Tensor) => loss(x, scalar(0)))(scalar(at)).item();
    expect([await slope(mse, -1e-9), await slope(mse, 0), await slope(mse, 1e-9)]).toEqual([-2e-9, 0, 2e-9]);
    expect([await slope(mae, -1e-9), await slope(mae, 0), await slope(mae, 1e-9)]).toEqual([-1, 0, 1]);
    // Its gradient is 2 (f − y) ∇f / n.
    const [x, y, w] = [random(2, [7, 2]), random(3, [7]), f64([0.5, -1])];
    const residual = sub(matmul(x, w), y);
    await same(grad((v: Tensor) => mse(matmul(x, v), y))(w), mul(matmul(transpose(x), residual), 2 / 7));
  });

  test("every loss passes central differences", async () => {
    const smooth: Record<string, (x: Tensor) => Tensor> = {
      ...Object.fromEntries(Object.entries({ mse, mae, huber, smoothL1, logCosh, hinge, squaredHinge, margin }).map(
        ([name, loss]) => [name, (x: Tensor) => loss(x, f64([[1, -1, 1], [1, 1, -1]]))])),
      crossEntropy: (x) => crossEntropy(x, labels, { labelSmoothing: 0.1, weight: [1, 2, 3] }),
      focal: (x) => focal(x, labels),
      multiMargin: (x) => multiMargin(x, labels),
      binary: (x) => binaryCrossEntropyWithLogits(x, f64([[1, 0, 1], [0, 0.3, 1]]), { posWeight: scalar(2) }),
      kl: (x) => klDivergence(logSoftmax(x), f64([[0.2, 0.3, 0.5], [1, 0, 0]]), { reduction: "batchmean" }),
    };
    for (const [name, loss] of Object.entries(smooth)) {
      const report = await checkGrads(loss, [f64([[0.3, -0.6, 1.9], [0.2, 2.5, -0.4]])]);
      expect(report.checked, name).toBe(6);
    }
  });

  test("input noise is an L2 penalty on average: E mse = mse + scale² ‖w‖²", async () => {
    const [x, y, w] = [random(4, [11, 3]), random(5, [11]), f64([1, -2, 0.5])];
    const plain = await mse(matmul(x, w), y).item();
    const trials = 3000;
    const noisy = inputNoise(key(6), broadcastTo(x, [trials, 11, 3]), { scale: 0.3 });
    const seen = await values(mean(square(sub(matmul(noisy, w), y)), { axis: 1 }));
    const average = seen.reduce((total, each) => total + each, 0) / trials;
    const deviation = Math.sqrt(seen.reduce((total, each) => total + (each - average) ** 2, 0) / trials);
    expect(Math.abs(average - (plain + 0.09 * 5.25))).toBeLessThan((4 * deviation) / Math.sqrt(trials));
    expect(await values(inputNoise(key(0), x, { scale: 0 }))).toEqual(await values(x));
  });

  test("label noise is label smoothing on average, and leaves ignored labels alone", async () => {
    const many = int(Array.from({ length: 30_000 }, (_, i) => (i % 5 === 4 ? -100 : i % 3)));
    const noisy = await values(labelNoise(key(7), many, { classes: 3, rate: 0.2 }));
    const kept = await values(many);
    const real = kept.flatMap((label, i) => (label < 0 ? [] : [i]));
    expect(noisy.every((label, i) => (kept[i]! < 0 ? label === -100 : label >= 0 && label < 3))).toBe(true);
    const share = real.filter((i) => noisy[i] !== kept[i]).length / real.length;
    expect(Math.abs(share - 0.2)).toBeLessThan(4 * Math.sqrt(0.16 / real.length));
    // Two thirds of the smoothed part lands on other classes: ε = rate · C / (C − 1).
    const expected = await crossEntropy(slice(logits, [[0, 1]]), int([0]), { labelSmoothing: 0.2 * 1.5 }).item();
    const zeros = real.filter((i) => kept[i] === 0);
    const losses = [2, 0, -1].map((z) => logSum([2, 0, -1]) - z);
    const average = zeros.reduce((total, i) => total + losses[noisy[i]!]!, 0) / zeros.length;
    expect(Math.abs(average - expected)).toBeLessThan(0.06);
    expect(() => labelNoise(key(0), many, { classes: 1 })).toThrow("labelNoise: classes is 1; use an integer");
    expect(() => labelNoise(key(0), many, { classes: 3, rate: 2 })).toThrow("labelNoise: rate is 2; use a number");
    expect(() => inputNoise(key(0), logits, { scale: -1 })).toThrow("inputNoise: scale is -1");
  });
});

describe("4.1 likelihood of one class", () => {
  test("f(x) = [0.2, 0.5, 0.3] and class 2 of 1, 2, 3: 0.5", async () => {
    const f = f64([0.2, 0.5, 0.3]);
    expect(await multinomialLikelihood(f, tensor(1, { dtype: "int32" })).item()).toBe(0.5);
    await same(multinomialLikelihood(f, f64([0, 1, 0])), [0.5]);
    await same(nll(log(f), tensor(1, { dtype: "int32" })), [Math.LN2]);
  });

  test("cross-entropy is the negative log-likelihood, binary and of many classes", async () => {
    const [p, y] = [f64([0.9, 0.2, 0.6]), f64([1, 0, 0])];
    await same(bernoulliLikelihood(p, y), [0.9, 0.8, 0.4]);
    await same(neg(log(prod(bernoulliLikelihood(p, y)))), binaryCrossEntropy(p, y, { reduction: "sum" }));
    const logits = random(8, [5, 3]);
    const labels = int([2, 0, 1, 1, 2]);
    const likelihood = prod(multinomialLikelihood(softmax(logits), labels));
    await same(neg(log(likelihood)), crossEntropy(logits, labels, { reduction: "sum" }));
  });

  test("counts: the multinomial distribution sums to one, and its most likely p is the frequency", async () => {
    const p = [0.2, 0.5, 0.3];
    const outcomes: number[][] = [];
    for (let i = 0; i <= 4; i++) for (let j = 0; i + j <= 4; j++) outcomes.push([i, j, 4 - i - j]);
    await same(sum(multinomialLikelihood(f64(outcomes.map(() => p)), f64(outcomes))), [1]);
    await same(multinomialLikelihood(f64([0.5, 0.5]), f64([1, 1])), [0.5]);
    // At p = counts / n the gradient of the log-likelihood in logits is zero.
    const counts = f64([2, 5, 3]);
    const score = grad((z: Tensor) => log(multinomialLikelihood(softmax(z), counts)))(log(f64([0.2, 0.5, 0.3])));
    await same(score, [0, 0, 0]);
    expect(() => multinomialLikelihood(f64([0.5, 0.5]), f64([1, 1, 0]))).toThrow("probabilities [2] and counts [3] differ");
    expect(() => bernoulliLikelihood(f64([0.5]), int([1]))).toThrow("bernoulliLikelihood: probability is float64 and outcome");
  });

  test("the σ² that maximizes the Gaussian likelihood is the mean squared residual", async () => {
    const [prediction, target] = [random(9, [13]), random(10, [13])];
    const loss = (variance: Tensor): Tensor => gaussianNll(prediction, target, variance);
    const best = mse(prediction, target);
    expect(Math.abs(await grad(loss)(best).item())).toBeLessThan(1e-14);
    const least = await loss(best).item();
    for (const factor of [0.5, 0.99, 1.01, 2]) expect(await loss(mul(best, factor)).item()).toBeGreaterThan(least);
    const entropy = (1 + Math.log(2 * Math.PI * (await best.item()))) / 2;
    await same(gaussianNll(prediction, target, best, { full: true }), [entropy]);
  });
});

describe("4.2 gradients in closed form", () => {
  const x = random(11, [6, 4]);
  const y = f64([1, 0, 0, 1, 1, 0]);
  const w = random(12, [4]);

  test("cross-entropy with softmax: ŷ − y", async () => {
    const logits = random(13, [6, 3]);
    const labels = int([0, 2, 1, 1, 0, 2]);
    const gradient = grad((z: Tensor) => crossEntropy(z, labels, { reduction: "sum" }))(logits);
    await same(gradient, sub(softmax(logits), oneHot(labels, 3, { dtype: "float64" })));
    await same(sum(gradient, { axis: 1 }), [0, 0, 0, 0, 0, 0]);
  });

  test("binary cross-entropy with a sigmoid: (σ − y) x", async () => {
    const loss = (v: Tensor): Tensor => binaryCrossEntropyWithLogits(matmul(x, v), y, { reduction: "sum" });
    await same(grad(loss)(w), matmul(transpose(x), sub(sigmoid(matmul(x, w)), y)));
    const fromProbabilities = (v: Tensor): Tensor => binaryCrossEntropy(sigmoid(matmul(x, v)), y, { reduction: "sum" });
    await same(grad(fromProbabilities)(w), matmul(transpose(x), sub(sigmoid(matmul(x, w)), y)), 1e-10);
  });

  test("half the squared error with a sigmoid: (ŷ − y) ŷ (1 − ŷ) x", async () => {
    const loss = (v: Tensor): Tensor => mul(mse(sigmoid(matmul(x, v)), y, { reduction: "sum" }), 0.5);
    const guess = sigmoid(matmul(x, w));
    const factor = mul(sub(guess, y), mul(guess, sub(1, guess)));
    await same(grad(loss)(w), matmul(transpose(x), factor));
  });

  test("a confident mistake is corrected by cross-entropy and forgotten by squared error", async () => {
    const at = (loss: (z: Tensor) => Tensor): Promise<number> => grad(loss)(scalar(20)).item();
    const zero = scalar(0);
    expect(await at((z) => binaryCrossEntropyWithLogits(z, zero))).toBeCloseTo(1, 8);
    expect(await at((z) => mul(mse(sigmoid(z), zero), 0.5))).toBeLessThan(1e-8);
  });
});

test("4.3 expected cost: with C = [[0, 10], [1, 0]] class 1 is predicted once p(1) > 1/11", async () => {
  const costs = f64([[0, 10], [1, 0]]);
  const decision = async (p: number): Promise<number> => (await values(decide(f64([[1 - p, p]]), costs)))[0]!;
  for (const [p, wanted] of [[0, 0], [1 / 11 - 1e-9, 0], [1 / 11 + 1e-9, 1], [0.5, 1], [1, 1]] as const) {
    expect(await decision(p), `p(1) = ${p}`).toBe(wanted);
  }
  // Equal costs of all mistakes ask for the most probable class.
  const p = softmax(random(14, [20, 3]));
  const equal = sub(1, eye(3, { dtype: "float64" }));
  const rows = (await p.array()) as number[][];
  expect(await values(decide(p, equal))).toEqual(rows.map((row) => row.indexOf(Math.max(...row))));
});

describe("4.4 MAP = likelihood + prior", () => {
  const [x, truth] = [random(15, [19, 3]), f64([1, -2, 0])];
  const y = add(matmul(x, truth), mul(random(16, [19]), 0.5));
  const halfSquares = (w: Tensor): Tensor => mul(mse(matmul(x, w), y, { reduction: "sum" }), 0.5);

  test("ridge is a Gaussian prior of variance σ²/λ", async () => {
    const [noise, prior] = [0.25, 0.1]; // variances of y given x, and of w
    const logPosterior = (w: Tensor): Tensor => {
      const likelihood = gaussianNll(matmul(x, w), y, scalar(noise), { full: true, reduction: "sum" });
      const logPrior = gaussianNll(w, mul(w, 0), scalar(prior), { full: true, reduction: "sum" });
      return add(likelihood, logPrior);
    };
    const lambda = noise / prior;
    const ridge = linalg.solve(
      add(matmul(transpose(x), x), mul(eye(3, { dtype: "float64" }), lambda)), matmul(transpose(x), y));
    // The closed form (XᵀX + λI)⁻¹Xᵀy minimizes ‖y − Xw‖² + λ‖w‖² …
    const penalized = (w: Tensor): Tensor => add(halfSquares(w), l2Penalty(w, { strength: lambda }));
    await same(grad(penalized)(ridge), [0, 0, 0]);
    // … and is where the posterior is largest: the gradients differ by the factor σ² only.
    await same(grad(logPosterior)(ridge), [0, 0, 0], 1e-10);
    await same(grad(logPosterior)(truth), div(grad(penalized)(truth), noise));
  });

  test("L1 is a Laplace prior, and its solution has exact zeros", async () => {
    const [noise, scale] = [0.25, 0.05];
    const logLaplace = (w: Tensor): Tensor =>
      sum(add(div(mae(w, mul(w, 0), { reduction: "none" }), scale), Math.log(2 * scale)));
    const logPosterior = (w: Tensor): Tensor =>
      add(gaussianNll(matmul(x, w), y, scalar(noise), { full: true, reduction: "sum" }), logLaplace(w));
    const lasso = (w: Tensor): Tensor => add(halfSquares(w), l1Penalty(w, { strength: noise / scale }));
    const w = f64([0.3, -1, 0.2]);
    await same(grad(logPosterior)(w), div(grad(lasso)(w), noise));
    const gap = async (f: (v: Tensor) => Tensor): Promise<number> => sub(f(w), f(truth)).item();
    expect(await gap(logPosterior)).toBeCloseTo((await gap(lasso)) / noise, 10);
    // One parameter and unit curvature: the minimum of ½(w − c)² + λ|w| is c moved by λ towards zero, and stays there.
    const shrunk = (c: number, lambda: number): number => Math.sign(c) * Math.max(Math.abs(c) - lambda, 0);
    for (const c of [2, -1.5, 0.3]) {
      const best = shrunk(c, 0.5);
      const f = (v: Tensor): Tensor => add(mul(mse(v, scalar(c)), 0.5), l1Penalty(v, { strength: 0.5 }));
      const least = await f(scalar(best)).item();
      for (const step of [-0.1, -1e-3, 1e-3, 0.1]) expect(await f(scalar(best + step)).item()).toBeGreaterThan(least);
    }
  });
});
