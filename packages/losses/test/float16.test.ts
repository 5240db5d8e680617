/** Losses of float16 predictions: those of the same numbers in float32, and gradients that are rounded once. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { valueAndGrad } from "@dormouse/autograd";
import { cpu } from "@dormouse/backend-cpu";
import { reference } from "@dormouse/backend-cpu/reference";
import { type Tensor, cast, full, ones, setDevice, tensor } from "@dormouse/tensor";
import type { Device } from "@dormouse/tensor/graph";
import {
  binaryCrossEntropy, binaryCrossEntropyWithLogits, contrastive, cosineEmbedding, crossEntropy, elasticNet, focal, gaussianNll, hinge, huber,
  klDivergence, l1Penalty, l2Penalty, logCosh, mae, margin, mse, multiMargin, nll, pinball, poissonNll, smoothL1, softMargin,
  squaredHinge, tripletMargin, zeroOneLoss,
} from "../src/index.ts";

const devices: Record<string, Device> = {};
beforeAll(async () => Object.assign(devices, { reference: await reference(), cpu: await cpu({ threads: 1 }) }));
afterAll(() => Promise.all(Object.values(devices).map((device) => device[Symbol.asyncDispose]())));

const [rows, columns] = [5, 7];
/** Multiples of 1/16 from −3 to 3: float16 has them all. */
const grid = (seed: number): Tensor =>
  tensor(Float32Array.from({ length: rows * columns }, (_, i) => (((i * 37 + seed * 11) % 97) - 48) / 16), { shape: [rows, columns] });
const tensors = () => ({
  scores: grid(1),
  others: grid(2),
  shares: full([rows, columns], 0.125),
  signs: tensor(Float32Array.from({ length: rows * columns }, (_, i) => (i % 3 === 0 ? 1 : -1)), { shape: [rows, columns] }),
  labels: tensor([0, 6, 3, 3, 1], { dtype: "int32" }),
  pairs: tensor([1, -1, 1, -1, 1], { dtype: "int32" }),
  weight: tensor([1, 2, 0.5, 1, 1, 1, 4]),
});

type Case = readonly [loss: (x: Tensor, ...rest: Tensor[]) => Tensor, x: Tensor, ...rest: Tensor[]];

/** Losses of a first tensor and of others of its dtype. */
const cases = ({ scores, others, shares, signs, labels, pairs, weight }: ReturnType<typeof tensors>): Record<string, Case> => ({
  crossEntropy: [(x) => crossEntropy(x, labels), scores],
  "crossEntropy with weights and smoothing": [(x, w) => crossEntropy(x, labels, { weight: w!, labelSmoothing: 0.1 }), scores, weight],
  "crossEntropy of probabilities": [(x, q) => crossEntropy(x, q!), scores, shares],
  nll: [(x) => nll(x, labels), scores],
  focal: [(x) => focal(x, labels), scores],
  klDivergence: [(x, q) => klDivergence(x, q!, { reduction: "batchmean" }), scores, shares],
  binaryCrossEntropy: [(p, t) => binaryCrossEntropy(p, t!), shares, full([rows, columns], 1)],
  binaryCrossEntropyWithLogits: [(x, t, w) => binaryCrossEntropyWithLogits(x, t!, { posWeight: w! }), scores, shares, full([columns], 3)],
  mse: [(x, y) => mse(x, y!), scores, others],
  "mse with weights": [(x, y, w) => mse(x, y!, { weight: w! }), scores, others, weight],
  mae: [(x, y) => mae(x, y!), scores, others],
  huber: [(x, y) => huber(x, y!), scores, others],
  smoothL1: [(x, y) => smoothL1(x, y!), scores, others],
  logCosh: [(x, y) => logCosh(x, y!), scores, others],
  pinball: [(x, y) => pinball(x, y!, { quantile: 0.1 }), scores, others],
  gaussianNll: [(x, y, v) => gaussianNll(x, y!, v!, { full: true }), scores, others, shares],
  poissonNll: [(x, y) => poissonNll(x, y!, { full: true }), scores, full([rows, columns], 3)],
  margin: [(x, y) => margin(x, y!), scores, signs],
  hinge: [(x, y) => hinge(x, y!), scores, signs],
  squaredHinge: [(x, y) => squaredHinge(x, y!), scores, signs],
  softMargin: [(x, y) => softMargin(x, y!), scores, signs],
  multiMargin: [(x) => multiMargin(x, labels), scores],
  cosineEmbedding: [(a, b) => cosineEmbedding(a, b!, pairs), scores, others],
  contrastive: [(a, b) => contrastive(a, b!, pairs), scores, others],
  tripletMargin: [(a, b, c) => tripletMargin(a, b!, c!), scores, others, signs],
  l1Penalty: [(x) => l1Penalty({ x }, { strength: 0.01 }), scores],
  l2Penalty: [(x) => l2Penalty({ x }, { strength: 0.01 }), scores],
  elasticNet: [(x) => elasticNet({ x }, { strength: 0.01 }), scores],
});

const half = <T extends Tensor>(x: T): T => cast(x, "float16") as T;
const numbers = async (x: Tensor): Promise<number[]> => Array.from(await x.data());

describe.each(["reference", "cpu"])("%s", (name) => {
  beforeAll(() => void setDevice(devices[name]!));

  test.each(Object.keys(cases(tensors())))("%s", async (title) => {
    const [loss, x, ...rest] = cases(tensors())[title]!;
    const [value, slope] = valueAndGrad((x: Tensor) => loss(x, ...rest))(x);
    const [narrow, narrowSlope] = valueAndGrad((x: Tensor) => loss(x, ...rest.map(half)))(half(x));
    expect([narrow.dtype, narrowSlope.dtype]).toEqual(["float32", "float16"]);
    expect(await narrow.item()).toBeCloseTo(await value.item(), 6);
    const [wanted, found] = [await numbers(half(slope)), await numbers(narrowSlope)];
    // One ulp of float16, where the last bits of float32 lie on the two sides of a tie.
    found.forEach((each, i) => expect(Math.abs(each - wanted[i]!)).toBeLessThanOrEqual(Math.abs(wanted[i]!) * 2 ** -10 + 2 ** -24));
  });

  test("targets may stay float32", async () => {
    const { scores, others } = tensors();
    expect(await mse(half(scores), others).item()).toBeCloseTo(await mse(scores, others).item(), 6);
  });

  test("numbers that leave the range of float16 on the way", async () => {
    const { scores, labels } = tensors();
    const wide = half(tensor([[60000, -60000], [0, 60000]]));
    // −log softmax is the distance to the largest logit.
    expect(await numbers(crossEntropy(wide, tensor([1, 0], { dtype: "int32" }), { reduction: "none" }))).toEqual([120000, 60000]);
    expect(await mse(half(full([3], 300)), half(full([3], -300))).item()).toBe(360000);
    // 70 000 losses of 1 add up to more than 65504, and eps = 1e-8 is not 0: −3 · log 1e-8.
    expect(await mae(ones([70000], { dtype: "float16" }), full([70000], 0, { dtype: "float16" }), { reduction: "sum" }).item()).toBe(70000);
    const rare = poissonNll(half(full([1], 0)), half(full([1], 3)), { logInput: false });
    expect(await rare.item()).toBeCloseTo(-3 * Math.log(1e-8), 4);
    expect(await zeroOneLoss(half(scores), labels, { reduction: "sum" }).item()).toBe(await zeroOneLoss(scores, labels, { reduction: "sum" }).item());
  });
});
