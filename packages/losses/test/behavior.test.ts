/**
 * What PyTorch's tables do not show: extreme arguments in float32, closed forms, finite differences, penalties, errors.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { reference } from "@dormouse/backend-cpu/reference";
import { checkGrads, grad } from "@dormouse/autograd";
import {
  type Tensor, compile, key, neg, normal, relu, setDevice, sigmoid, square, sub, sum, tensor, uniform, zeros,
} from "@dormouse/tensor";
import {
  binaryCrossEntropy, binaryCrossEntropyWithLogits, contrastive, cosineEmbedding, crossEntropy, elasticNet, focal,
  gaussianNll, hinge, huber, klDivergence, l1Penalty, l2Penalty, logCosh, mae, mse, multiMargin, nll, pinball, poissonNll,
  smoothL1, softMargin, squaredHinge, tripletMargin,
} from "../src/index.ts";

beforeAll(async () => {
  setDevice(await reference());
});

const int = (labels: readonly number[]): Tensor => tensor(labels, { dtype: "int32" });
const numbersOf = async (x: Tensor): Promise<number[]> => Array.from(await x.data());

describe("extreme arguments in float32", () => {
  const logits = [1e4, -1e4, 100, -100, 20, -20, 0, 1e-20];

  it("gives binary cross-entropy and its slope to the last digits", async () => {
    for (const t of [0, 1, 0.25]) {
      const target = tensor(logits.map(() => t));
      const losses = (x: Tensor): Tensor => binaryCrossEntropyWithLogits(x, target, { reduction: "none" });
      const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
      const sigma = (x: number): number => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x)));
      const got = await losses(tensor(logits)).data();
      const slopes = await grad((x: Tensor) => sum(losses(x)))(tensor(logits)).data();
      logits.forEach((x, i) => {
        const wanted = t * softplus(-x) + (1 - t) * softplus(x);
        const slope = -t * sigma(-x) + (1 - t) * sigma(x);
        expect(Math.abs(got[i]! - wanted), `loss of ${x} for ${t}`).toBeLessThanOrEqual(1e-30 + 4e-7 * wanted);
        expect(Math.abs(slopes[i]! - slope), `slope at ${x} for ${t}`).toBeLessThanOrEqual(1e-30 + 4e-7 * Math.abs(slope));
      });
    }
  });

  it("gives cross-entropy with slopes softmax − target", async () => {
    const x = tensor([[1e4, -1e4, 0], [-1e4, 1e4, 1e4], [3, -Infinity, 3]]);
    const f = (z: Tensor): Tensor => crossEntropy(z, int([1, 1, 0]), { reduction: "sum" });
    expect(await f(x).item()).toBeCloseTo(20000 + 2 * Math.LN2, 2);
    expect(await grad(f)(x).array()).toEqual([[1, -1, 0], [0, -0.5, 0.5], [-0.5, 0, 0.5]]);
  });

  it("keeps robust losses finite", async () => {
    const x = tensor([1e20, -1e20, 0]);
    const zero = zeros([3]);
    const slopesOf = (loss: (a: Tensor, b: Tensor, options: { reduction: "sum" }) => Tensor): Promise<number[]> =>
      numbersOf(grad((z: Tensor) => loss(z, zero, { reduction: "sum" }))(x));
    for (const loss of [huber, smoothL1, logCosh, mae]) expect(await slopesOf(loss), loss.name).toEqual([1, -1, 0]);
    expect(await numbersOf(logCosh(x, zero, { reduction: "none" }))).toEqual([1e20, 1e20, 0].map(Math.fround));
    expect(await logCosh(tensor([1e-3]), zeros([1])).item()).toBeCloseTo(5e-7, 12);
    expect(await slopesOf((a, b, options) => softMargin(a, tensor([-1, 1, 1]), options))).toEqual([1, -1, -0.5]);
  });

  it("passes NaN on", async () => {
    for (const loss of [mse, mae, huber, smoothL1, logCosh, hinge, softMargin, binaryCrossEntropyWithLogits]) {
      expect(await loss(tensor([NaN, 0]), tensor([1, 1])).item(), loss.name).toBeNaN();
    }
    expect(await crossEntropy(tensor([[NaN, 0]]), int([1])).item()).toBeNaN();
  });

  it("gives probabilities of 0 and 1 a finite slope", async () => {
    const f = (p: Tensor): Tensor => binaryCrossEntropy(p, tensor([0, 1, 1, 0]), { reduction: "sum" });
    expect(await numbersOf(grad(f)(tensor([0, 1, 0, 1])))).toEqual([0, 0, -1e12, 1e12].map(Math.fround));
  });
});

describe("closed forms", () => {
  it("reads the likelihood of one class off its probability", async () => {
    expect(Math.exp(-(await nll(tensor([Math.log(0.2), Math.log(0.5), Math.log(0.3)]), tensor(1, { dtype: "int32" })).item()))).toBeCloseTo(0.5, 6);
  });

  it("has the slope (ŷ − y) ŷ (1 − ŷ) for squared error behind a sigmoid", async () => {
    const f = (x: Tensor): Tensor => sum(square(sub(sigmoid(x), 1)));
    const p = 1 / (1 + Math.exp(-0.5));
    expect(await grad((x: Tensor) => mse(sigmoid(x), tensor([1])))(tensor([0.5])).item()).toBeCloseTo(2 * (p - 1) * p * (1 - p), 6);
    expect(await f(tensor([0.5])).item()).toBeCloseTo((p - 1) ** 2, 6);
  });

  it("has its Gaussian minimum at the mean squared residual, and pinball at the quantile", async () => {
    const target = tensor([1, 2, 4, 8, 16], { dtype: "float64" });
    const zero = zeros([5], { dtype: "float64" });
    const byVariance = grad((v: Tensor) => gaussianNll(zero, target, v, { reduction: "sum" }));
    expect(await byVariance(tensor([341 / 5], { dtype: "float64" })).item()).toBeCloseTo(0, 12);
    const at = async (x: number): Promise<number> =>
      await pinball(tensor([x, x, x, x, x], { dtype: "float64" }), target, { quantile: 0.7 }).item();
    expect(await at(8)).toBeLessThan(Math.min(await at(7.9), await at(8.1)));
  });

  it("is cross-entropy for a focal loss of γ = 0, and flat where it is sure", async () => {
    const logits = tensor([[3, 1, 0], [0.5, -2, 4]]);
    expect(await focal(logits, int([0, 1]), { gamma: 0 }).item()).toBeCloseTo(await crossEntropy(logits, int([0, 1])).item(), 6);
    const slopes = grad((x: Tensor) => focal(x, int([0]), { gamma: 0.5 }))(tensor([[1e4, 0]]));
    expect(await slopes.array()).toEqual([[0, 0]]);
  });

  it("adds nothing to a divergence where the target is 0", async () => {
    const logs = tensor([-Infinity, Math.log(0.5), Math.log(0.5)]);
    expect(await klDivergence(logs, tensor([0, 0.5, 0.5]), { reduction: "sum" }).item()).toBe(0);
    expect(await klDivergence(logs, logs, { reduction: "sum", logTarget: true }).item()).toBe(0);
  });

  it("measures pairs", async () => {
    const a = tensor([[0, 0], [0, 0], [0, 0]]);
    const b = tensor([[3, 4], [0.3, 0.4], [3, 4]]);
    expect(await numbersOf(contrastive(a, b, int([1, 0, 0]), { reduction: "none" }))).toEqual([12.5, 0.125, 0]);
    expect(await poissonNll(tensor([2]), tensor([3]), { logInput: false, full: true }).item()).toBeCloseTo(
      2 - 3 * Math.log(2) + 3 * Math.log(3) - 3 + 0.5 * Math.log(6 * Math.PI), 5);
  });
});

/** Points away from kinks; every loss with two arguments of floats. */
const pairs: Readonly<Record<string, (a: Tensor, b: Tensor) => Tensor>> = {
  mse, mae, huber, smoothL1, logCosh, pinball, softMargin, hinge, squaredHinge, klDivergence, poissonNll,
  binaryCrossEntropy: (a, b) => binaryCrossEntropy(sigmoid(a), sigmoid(b)),
  binaryCrossEntropyWithLogits: (a, b) => binaryCrossEntropyWithLogits(a, sigmoid(b)),
  gaussianNll: (a, b) => gaussianNll(a, b, square(b), { full: true }),
  crossEntropy: (a, b) => crossEntropy(a, b, { labelSmoothing: 0.1 }),
  labels: (a) => crossEntropy(a, int([1, 0, 2]), { weight: [1, 2, 3, 4, 5], reduction: "none" }),
  focal: (a) => focal(a, int([1, 0, 2]), { gamma: 1.5 }),
  multiMargin: (a) => multiMargin(a, int([1, 0, 2]), { p: 2, weight: [1, 2, 3, 4, 5] }),
  cosineEmbedding: (a, b) => cosineEmbedding(a, b, int([1, -1, 1])),
  contrastive: (a, b) => contrastive(a, b, int([1, 0, 1]), { margin: 9 }),
  tripletMargin: (a, b) => tripletMargin(a, b, neg(b), { p: 3, margin: 5 }),
  l1Penalty: (a, b) => l1Penalty({ a, b }),
  elasticNet: (a, b) => elasticNet({ a, b }, { ratio: 0.3 }),
};

describe("finite differences", () => {
  it.each(Object.entries(pairs))("%s", async (_, loss) => {
    const a = normal(key(1), [3, 5], { dtype: "float64" });
    const b = uniform(key(2), [3, 5], { dtype: "float64", low: 0.1, high: 0.9 });
    const { checked } = await checkGrads(loss, [a, b]);
    expect(checked).toBe(30);
  });
});

describe("penalties", () => {
  const model = { hidden: { weight: tensor([3, -4]), bias: tensor([10]) }, steps: int([7]), output: { weight: tensor([0, 1]) } };
  const include = (path: string): boolean => path.endsWith("weight");

  it("sum over the parameters that are included", async () => {
    expect(await l1Penalty(model).item()).toBe(18);
    expect(await l1Penalty(model, { include, strength: 0.5 }).item()).toBe(4);
    expect(await l2Penalty(model, { include, strength: 2 }).item()).toBe(26);
    expect(await elasticNet(model, { include, ratio: 0.25, strength: 4 }).item()).toBe(8 + 39);
    const slope = grad((m: typeof model) => l2Penalty(m, { include, strength: 2 }))(model);
    expect(await slope.hidden.weight.array()).toEqual([6, -8]);
    expect(await slope.hidden.bias.array()).toEqual([0]);
  });

  it("refuse to be on nothing", () => {
    expect(() => l2Penalty(model, { include: (path) => path === "weights" })).toThrow("no parameter is included");
    expect(() => elasticNet(model, { ratio: 2 })).toThrow("ratio is 2");
  });
});

describe("errors", () => {
  it("name both shapes, both dtypes", () => {
    expect(() => mse(zeros([3, 1]), zeros([3]))).toThrow("mse: prediction [3, 1] and target [3] differ; give both one shape");
    expect(() => mae(zeros([3]), int([1, 2, 3]))).toThrow("mae: prediction is float32 and target is int32; cast one");
    expect(() => tripletMargin(zeros([2, 3]), zeros([2, 3]), zeros([3]))).toThrow("anchor [2, 3] and negative [3] differ");
    expect(() => cosineEmbedding(zeros([2, 3]), zeros([2, 3]), zeros([3]))).toThrow("embeddings [2, 3] and target [3] do not fit");
    expect(() => gaussianNll(zeros([2, 3]), zeros([2, 3]), zeros([2]))).toThrow("variance [2] does not broadcast to [2, 3]");
    expect(() => huber(zeros([2]), zeros([2]), { delta: 0 })).toThrow("delta is 0");
    expect(() => klDivergence(zeros([]), zeros([]), { reduction: "batchmean" })).toThrow("a scalar has no batch axis");
  });
});

it("compiles, and gives what it gives outside", async () => {
  const x = normal(key(3), [7, 5]);
  const labels = int([0, 4, 1, 2, 3, 0, 1]);
  const step = compile((a: Tensor, y: Tensor) => grad((z: Tensor) => crossEntropy(relu(z), y, { labelSmoothing: 0.2 }))(a));
  const outside = await numbersOf(grad((z: Tensor) => crossEntropy(relu(z), labels, { labelSmoothing: 0.2 }))(x));
  (await numbersOf(step(x, labels))).forEach((value, i) => expect(value).toBeCloseTo(outside[i]!, 6));
});
