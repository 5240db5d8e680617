/** Neurons and layers, idea by idea, as the curriculum lists them (3.1 to 3.11), with every answer that is known. */
import { beforeAll, describe, expect, test } from "vitest";
import { grad, valueAndGrad } from "@dormouse/autograd";
import { cpu } from "@dormouse/backend-cpu";
import { sgd } from "@dormouse/optim";
import {
  type Key, type Tensor, combine, compile, evaluate, key, matmul, mul, normal, ones, partition, relu, setDevice,
  sigmoid, softmax, softplus, split, square, stack, sub, sum, tanh, tensor, transpose, zeros,
} from "@dormouse/tensor";
import {
  AvgPool1d, AvgPool2d, BatchNorm, Bilinear, type Bit, Conv1d, Conv2d, Dropout, Embedding, Flatten, GaussianNoise,
  GroupNorm, InstanceNorm, LayerNorm, Linear, MaxPool1d, MaxPool2d, Maxout, type Module, MultiHeadAttention, PRelu,
  RMSNorm, Residual, Sequential, dropout, elu, foldLinear, freeze, gelu, gradientNorms, hardtanh, identity,
  initializers, isLora, layerStatistics, leakyRelu, logicGates, logistic, lora, maxout, mcCullochPitts, mergeLora,
  mish, monteCarlo, parameterCount, perceptron, power, prelu, relu6, selu, sigmoidNeuron, silu, softsign, step, swish,
  towers, truthTable, truthTableNetwork, unfreeze,
} from "../src/index.ts";

beforeAll(async () => {
  setDevice(await cpu({ threads: 1 }));
});

const or = (...inputs: Bit[]): boolean => inputs.some((bit) => bit === 1);
const and = (...inputs: Bit[]): boolean => inputs.every((bit) => bit === 1);

/** The boolean function number `n` of `inputs` inputs: bit r of n, from the left, is the output of row r. */
const tableOf = (n: number, inputs: number): Bit[] =>
  Array.from({ length: 2 ** inputs }, (_, row) => ((n >> (2 ** inputs - 1 - row)) & 1) as Bit);

describe("3.1 McCulloch–Pitts neuron", () => {
  test("3.1 McCulloch–Pitts neuron: AND of three inputs has θ = 3, OR has θ = 1", () => {
    expect([logicGates.and(3).threshold, logicGates.or(3).threshold]).toEqual([3, 1]);
    expect(logicGates.and(3).correctRows(and)).toBe(8);
    expect(logicGates.or(3).correctRows(or)).toBe(8);
    expect(mcCullochPitts({ inputs: 2, threshold: 1 }).fire([0, 1])).toBe(1);
  });

  test("3.1 McCulloch–Pitts neuron: correct rows of 3-input OR for θ = 0..5 are 7, 8, 5, 2, 1, 1", () => {
    const rows = [0, 1, 2, 3, 4, 5].map((threshold) => mcCullochPitts({ inputs: 3, threshold }).correctRows(or));
    expect(rows).toEqual([7, 8, 5, 2, 1, 1]);
  });

  test("3.1 McCulloch–Pitts neuron: NOR, NOT and NAND; any active inhibitory input forces 0; θ = n·w - p", () => {
    expect(logicGates.nor(3).correctRows((...inputs) => !or(...inputs))).toBe(8);
    expect(truthTable(logicGates.not()).map(({ output }) => output)).toEqual([1, 0]);
    expect(truthTable(logicGates.nand(2)).map(({ output }) => output)).toEqual([1, 1, 1, 0]);
    for (let p = 0; p <= 3; p++) {
      const inhibitory = [0, 1, 2].slice(0, p);
      const neuron = mcCullochPitts({ inputs: 3, inhibitory });
      expect(neuron.threshold).toBe(3 * 1 - p);
      for (const { inputs, output } of truthTable(neuron)) {
        if (inhibitory.some((at) => inputs[at] === 1)) expect(output).toBe(0);
      }
    }
  });
});

describe("3.2 perceptron", () => {
  test("3.2 perceptron: without bias, from zero, in order, the weights become (-1, -3)", () => {
    const p = perceptron({ inputs: 2, bias: false }).fit([[-1, 2], [0, -1], [2, 1]], [0, 1, 0]);
    expect(p.weights).toEqual([-1, -3]);
    expect(p.bias).toBeNull();
    expect(p.converged).toBe(true);
    expect(p.predict([-2, 0])).toBe(1);
    expect(p.halfSpace.distance([-2, 0])).toBeCloseTo(2 / Math.sqrt(10), 12);
  });

  test("3.2 perceptron: of the 16 boolean functions of two inputs exactly XOR and XNOR fail", () => {
    const points = [[0, 0], [0, 1], [1, 0], [1, 1]];
    const learned = Array.from({ length: 16 }, (_, n) =>
      perceptron({ inputs: 2 }).fit(points, tableOf(n, 2), { epochs: 100 }),
    );
    const failing = learned.flatMap(({ converged }, n) => (converged ? [] : [tableOf(n, 2).join("")]));
    expect(failing).toEqual(["0110", "1001"]);
    expect(learned[6]!.message).toContain("not separable within 100 epochs");
  });

  test("3.2 perceptron: errors per epoch, here 3, 1, 0", () => {
    expect(perceptron({ inputs: 2 }).fit([[1, 1], [0, -1], [-2, 1], [2, -2]], [1, 0, 0, 0]).errors).toEqual([3, 1, 0]);
  });
});

test("3.3 networks of perceptrons: all 256 functions of three inputs, each by 2³ hidden units", async () => {
  const rows = truthTable(() => 0, 3).map(({ inputs }) => inputs);
  const answers: Tensor[] = [];
  for (let n = 0; n < 256; n++) {
    const network = truthTableNetwork(tableOf(n, 3));
    expect(network.layers[0].weight.shape).toEqual([8, 3]);
    answers.push(network.forward(tensor(rows) as Tensor));
  }
  const wrong: number[] = [];
  for (const [n, answer] of answers.entries()) {
    const fired = Array.from(await answer.data());
    if (fired.join() !== tableOf(n, 3).join()) wrong.push(n);
  }
  expect(wrong).toEqual([]);
});

describe("3.4 sigmoid neuron", () => {
  test("3.4 sigmoid neuron: x = 0, y = 1, w = 2, b = 1, η = 10: one step gives the loss 0.0159", async () => {
    const neuron = sigmoidNeuron({ inputs: 1, weights: [2], bias: 1 });
    const loss = (n: typeof neuron): Tensor => mul(sum(square(sub(n.forward(tensor([0])), 1))), 0.5) as Tensor;
    const [before, gradient] = valueAndGrad(loss)(neuron);
    expect(await before.item()).toBeCloseTo(0.5 * (1 / (1 + Math.exp(-1)) - 1) ** 2, 6);
    const optimizer = sgd({ learningRate: 10 });
    const [next] = optimizer.update(gradient, optimizer.init(neuron), neuron);
    expect(await next.weight.array()).toEqual([2]);
    expect((await loss(next).item()).toFixed(4)).toBe("0.0159");
  });

  test("3.4 sigmoid neuron: σ(ax) becomes a step as a grows", async () => {
    const points = [-1, -0.1, 0.1, 1];
    const wanted = await step(tensor(points)).data();
    const distances = await Promise.all(
      [1, 10, 100, 1000].map(async (slope) => {
        const y = await logistic(tensor(points), { slope }).data();
        return Math.max(...Array.from(y, (value, i) => Math.abs(value - wanted[i]!)));
      }),
    );
    distances.forEach((each, i) => expect(each).toBeLessThan(i === 0 ? 1 : distances[i - 1]!));
    expect(distances.at(-1)).toBeLessThan(1e-12);
    expect(await logistic(tensor(0), { slope: 1e6 }).item()).toBe(0.5);
    expect(await sigmoidNeuron({ inputs: 1, weights: [1], slope: 1e5 }).forward(tensor([0.1])).item()).toBe(1);
  });
});

describe("3.5 universal approximation", () => {
  test("3.5 universal approximation: the error falls as towers of two sigmoids are added", () => {
    const f = (x: number): number => Math.sin(3 * x) + x / 2;
    const errors = [8, 16, 32, 64, 128].map((count) => towers(f, { range: [-2, 2], count }).error);
    errors.slice(1).forEach((error, i) => expect(error).toBeLessThan(0.7 * errors[i]!));
  });

  test("3.5 universal approximation: the error falls as towers of four sigmoids are added in the plane", () => {
    const f = (x: number, y: number): number => Math.sin(x) * Math.cos(y);
    const errors = [2, 4, 8, 16].map((count) => towers(f, { range: [[0, 3], [0, 3]], count }).error);
    errors.slice(1).forEach((error, i) => expect(error).toBeLessThan(0.75 * errors[i]!));
  });

  test("3.5 universal approximation: to a stated error", async () => {
    const { network, count, error } = towers(Math.sin, { range: [0, 6], error: 0.02 });
    expect(error).toBeLessThanOrEqual(0.02);
    expect(towers(Math.sin, { range: [0, 6], count: count / 2 }).error).toBeGreaterThan(0.02);
    const xs = Array.from({ length: 500 }, (_, i) => (6 * (i + 0.5)) / 500);
    const ys = await network.forward(tensor(xs.map((x) => [x]))).data();
    expect(xs.reduce((total, x, i) => total + Math.abs(ys[i]! - Math.sin(x)), 0) / 500).toBeLessThan(0.021);
  });
});

test("3.6 linear collapse: stacked linear layers are one", async () => {
  const layers = [[5, 9], [9, 2], [2, 7]].map(([i, o], at) => new Linear(i!, o!, { key: key(at), dtype: "float64" }));
  const x = normal(key(9), [4, 5], { dtype: "float64" }) as Tensor;
  const one = foldLinear(...layers);
  const [got, wanted] = [await one.forward(x).data(), await new Sequential(...layers).forward(x).data()];
  Array.from(got).forEach((value, i) => expect(value).toBeCloseTo(wanted[i]!, 12));
  expect(parameterCount(one)).toBe(6 * 7);
  const bent = await new Sequential(layers[0]!, relu, layers[1]!, layers[2]!).forward(x).data();
  expect(Math.max(...Array.from(bent, (value, i) => Math.abs(value - wanted[i]!)))).toBeGreaterThan(0.01);
});

describe("3.7 layers", () => {
  test("3.7 layers: a fully connected layer has (c′ + 1)·c parameters", () => {
    for (const [inputs, outputs] of [[1, 1], [7, 5], [784, 256]] as const) {
      expect(parameterCount(new Linear(inputs, outputs, { key: key(0) }))).toBe((inputs + 1) * outputs);
    }
  });

  test.each<[string, Module, readonly number[], readonly number[]]>([
    ["Linear", new Linear(4, 3, { key: key(0) }), [2, 4], [2, 3]],
    ["Conv1d", new Conv1d(2, 3, 3, { key: key(0) }), [1, 2, 7], [1, 3, 5]],
    ["Conv2d", new Conv2d(2, 3, 3, { key: key(0), padding: 1 }), [1, 2, 7, 5], [1, 3, 7, 5]],
    ["MaxPool1d", new MaxPool1d(2), [1, 2, 7], [1, 2, 3]],
    ["AvgPool1d", new AvgPool1d(2), [1, 2, 7], [1, 2, 3]],
    ["MaxPool2d", new MaxPool2d(2), [1, 2, 7, 4], [1, 2, 3, 2]],
    ["AvgPool2d", new AvgPool2d(2), [1, 2, 7, 4], [1, 2, 3, 2]],
    ["Dropout", new Dropout(0.5), [2, 3], [2, 3]],
    ["BatchNorm", new BatchNorm(3), [2, 3], [2, 3]],
    ["LayerNorm", new LayerNorm(3), [2, 3], [2, 3]],
    ["GroupNorm", new GroupNorm(2, 4), [2, 4, 3], [2, 4, 3]],
    ["InstanceNorm", new InstanceNorm(4), [2, 4, 3], [2, 4, 3]],
    ["RMSNorm", new RMSNorm(3), [2, 3], [2, 3]],
    ["Flatten", new Flatten(), [2, 3, 4], [2, 12]],
    ["Sequential", new Sequential(new Linear(4, 3, { key: key(0) }), relu), [2, 4], [2, 3]],
    ["Residual", new Residual(new Linear(4, 4, { key: key(0) })), [2, 4], [2, 4]],
    ["Maxout", new Maxout(4, 3, { pieces: 2, key: key(0) }), [2, 4], [2, 3]],
    ["PRelu per channel", new PRelu(3), [2, 3, 4], [2, 3, 4]],
    ["MultiHeadAttention", new MultiHeadAttention(6, 2, { key: key(0) }), [2, 5, 6], [2, 5, 6]],
  ])("3.7 layers: %s", async (_, layer, from, to) => {
    const y = layer.forward(normal(key(1), from)) as Tensor;
    expect(y.shape).toEqual(to);
    expect((await y.data()).every(Number.isFinite)).toBe(true);
  });

  test("3.7 layers: Bilinear, Embedding", () => {
    expect(new Bilinear(2, 3, 4, { key: key(0) }).forward(ones([5, 2]), ones([5, 3])).shape).toEqual([5, 4]);
    expect(new Embedding(5, 3, { key: key(0) }).forward(tensor([[0, 4]], { dtype: "int32" })).shape).toEqual([1, 2, 3]);
  });
});

describe("3.8 activations", () => {
  const x = tensor([-8, -1.5, -0.3, 0, 0.2, 1, 7.5], { dtype: "float64" }) as Tensor;
  const points = [-8, -1.5, -0.3, 0, 0.2, 1, 7.5];
  const s = (z: number): number => 1 / (1 + Math.exp(-z));

  test("3.8 activations: swish with β = 1.702 equals gelu 'sigmoid'", async () => {
    expect(await swish(x, { beta: 1.702 }).array()).toEqual(await gelu(x, { kind: "sigmoid" }).array());
  });

  test("3.8 activations: maxout of (0, x) is relu", async () => {
    const pairs = stack([zeros([7], { dtype: "float64" }), x], { axis: -1 }) as Tensor;
    expect(await maxout(pairs, 2).data()).toEqual(await relu(x).data());
  });

  test.each<[string, (z: Tensor) => Tensor, (z: number) => number]>([
    ["identity", identity, (z) => z],
    ["step", step, (z) => (z >= 0 ? 1 : 0)],
    ["sigmoid", sigmoid, s],
    ["sigmoid of slope 3", (z) => logistic(z, { slope: 3 }), (z) => s(3 * z)],
    ["tanh", tanh, Math.tanh],
    ["relu", relu, (z) => Math.max(z, 0)],
    ["relu6", relu6, (z) => Math.min(Math.max(z, 0), 6)],
    ["leakyRelu", leakyRelu, (z) => (z > 0 ? z : 0.01 * z)],
    ["leakyRelu of slope 0.2", (z) => leakyRelu(z, { slope: 0.2 }), (z) => (z > 0 ? z : 0.2 * z)],
    ["prelu", (z) => prelu(z, tensor([0.25], { dtype: "float64" }) as Tensor), (z) => (z > 0 ? z : 0.25 * z)],
    ["elu: α(eˣ - 1) below 0", (z) => elu(z, { alpha: 1.5 }), (z) => (z > 0 ? z : 1.5 * (Math.exp(z) - 1))],
    ["selu", selu, (z) => 1.0507009873554805 * (z > 0 ? z : 1.6732632423543772 * (Math.exp(z) - 1))],
    ["softplus", softplus, (z) => Math.log(1 + Math.exp(z))],
    [
      "gelu 'tanh'",
      (z) => gelu(z, { kind: "tanh" }),
      (z) => 0.5 * z * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3))),
    ],
    ["gelu 'sigmoid'", (z) => gelu(z, { kind: "sigmoid" }), (z) => z * s(1.702 * z)],
    ["silu", silu, (z) => z * s(z)],
    ["swish of β = 0.5", (z) => swish(z, { beta: 0.5 }), (z) => z * s(0.5 * z)],
    ["mish", mish, (z) => z * Math.tanh(Math.log(1 + Math.exp(z)))],
    ["hardtanh", hardtanh, (z) => Math.min(Math.max(z, -1), 1)],
    ["softsign", softsign, (z) => z / (1 + Math.abs(z))],
    ["power 3", (z) => power(z, 3), (z) => z ** 3],
  ])("3.8 activations: %s", async (_, f, wanted) => {
    Array.from(await f(x).data()).forEach((value, i) => expect(value).toBeCloseTo(wanted(points[i]!), 11));
  });

  test("3.8 activations: gelu 'exact' is x·Φ(x), softmax sums to 1", async () => {
    // Φ(1) from tables of the normal distribution.
    expect(await gelu(tensor(1, { dtype: "float64" })).item()).toBeCloseTo(0.841344746068543, 12);
    expect(await sum(softmax(x)).item()).toBeCloseTo(1, 14);
  });
});

describe("3.9 initializers", () => {
  /**
   * Variance before the activation after 20 layers of width 512, from a variance of 1. A layer of relu of width n
   * multiplies it by a random factor of deviation √(5/n), so that its logarithm after 20 layers has one of 0.44.
   */
  async function depthVariance(
    make: initializers.Initializer,
    activation: (x: Tensor) => Tensor,
    width = 512,
  ): Promise<number> {
    let x = normal(key(0), [32, width]) as Tensor;
    for (const k of split(key(1), 20)) x = matmul(activation(x), transpose(make(k, [width, width]))) as Tensor;
    const values = Array.from(await x.data());
    return values.reduce((total, value) => total + value ** 2, 0) / values.length;
  }
  const { gainOf } = initializers;

  test.each<[string, initializers.Initializer, (x: Tensor) => Tensor]>([
    ["Xavier, normal, and no activation", initializers.xavierNormal(), identity],
    ["Glorot, uniform, and no activation", initializers.glorotUniform(), identity],
    ["LeCun, uniform, and no activation", initializers.lecunUniform(), identity],
    ["Xavier with the gain of tanh, and tanh", initializers.xavierNormal({ gain: gainOf("tanh") }), tanh],
    ["He, normal, and relu", initializers.heNormal(), relu],
    ["Kaiming, uniform, by fan out, and relu", initializers.kaimingUniform({ mode: "fanOut" }), relu],
    [
      "Kaiming with the gain of leakyRelu, and leakyRelu",
      initializers.kaimingNormal({ gain: gainOf("leakyRelu", 0.2) }),
      (x) => leakyRelu(x, { slope: 0.2 }),
    ],
    ["LeCun, normal, and selu", initializers.lecunNormal(), selu],
  ])("3.9 initializers: the variance stays near 1 through 20 layers of %s", async (_, make, activation) => {
    const variance = await depthVariance(make, activation);
    expect(variance).toBeGreaterThan(0.4);
    expect(variance).toBeLessThan(2.5);
  });

  test("3.9 initializers: orthogonal weights keep the variance at any width", async () => {
    const before = Array.from(await normal(key(0), [32, 64]).data()).reduce((total, value) => total + value ** 2, 0) / (32 * 64);
    expect((await depthVariance(initializers.orthogonal(), identity, 64)) / before).toBeCloseTo(1, 4);
  });

  test("3.9 initializers: one that does not match loses or multiplies it", async () => {
    expect(await depthVariance(initializers.lecunNormal(), relu)).toBeLessThan(1e-4);
    expect(await depthVariance(initializers.kaimingNormal(), identity)).toBeGreaterThan(1e4);
    expect(await depthVariance(initializers.zeros, relu)).toBe(0);
  });

  test("3.9 initializers: constants, bounds and deviations", async () => {
    const draw = async (make: initializers.Initializer): Promise<number[]> => Array.from(await make(key(3), [50, 100]).data());
    const deviation = (values: readonly number[]): number =>
      Math.sqrt(values.reduce((total, value) => total + value ** 2, 0) / values.length);
    expect(new Set(await draw(initializers.zeros))).toEqual(new Set([0]));
    expect(new Set(await draw(initializers.constant(0.25)))).toEqual(new Set([0.25]));
    const flat = await draw(initializers.uniform({ low: -2, high: 1 }));
    expect([Math.min(...flat) >= -2, Math.max(...flat) < 1]).toEqual([true, true]);
    expect(deviation(await draw(initializers.normal({ std: 3 })))).toBeCloseTo(3, 0);
    expect(Math.max(...(await draw(initializers.truncatedNormal({ std: 0.5 }))).map(Math.abs))).toBeLessThanOrEqual(1);
  });

  test("3.9 initializers: orthogonal of 512 × 512 keeps lengths, at once", async () => {
    const weight = initializers.orthogonal()(key(0), [512, 512]) as Tensor;
    const x = normal(key(1), [8, 512]) as Tensor;
    const [before, after] = [x, matmul(x, transpose(weight)) as Tensor].map((each) => sum(square(each), { axis: -1 }) as Tensor);
    const [was, is] = [await before!.data(), await after!.data()];
    Array.from(is).forEach((value, i) => expect(value / was[i]!).toBeCloseTo(1, 4));
  });
});

describe("3.10 dropout", () => {
  test("3.10 dropout: with retention 0.8 a weight is updated with probability 0.64", async () => {
    const size = 32;
    // The weight between two units moves where both are kept.
    const slopes = compile((k: Key, w: Tensor) => {
      const [k1, k2] = split(k);
      return grad((weight: Tensor) => sum(dropout(k2, matmul(weight, dropout(k1, ones([size]), 0.2)) as Tensor, 0.2)))(w);
    });
    const draws = 300;
    let updated = 0;
    for (const k of split(key(0), draws)) {
      const slope = await slopes(k, ones([size, size]) as Tensor).data();
      updated += Array.from(slope).filter((value) => value !== 0).length;
    }
    // The two masks of a draw are shared by all weights: var ≈ 2·0.8²·0.8·0.2/32 + … per draw.
    const deviation = Math.sqrt((0.8 * 0.2 * (2 * 0.64 + (0.8 * 0.2) / size)) / size / draws);
    expect(Math.abs(updated / (draws * size * size) - 0.64)).toBeLessThan(4.5 * deviation);
  });

  test("3.10 dropout: inverted at train time, identity at evaluation", async () => {
    const layer = new Dropout(0.25);
    const x = ones([4096]);
    expect(layer.forward(x)).toBe(x);
    const values = Array.from(await layer.forward(x, { key: key(0) }).data());
    expect(new Set(values)).toEqual(new Set([0, Math.fround(4 / 3)]));
    expect(Math.abs(values.reduce((total, value) => total + value, 0) / 4096 - 1)).toBeLessThan(4.5 * Math.sqrt(1 / 3 / 4096));
  });

  test("3.10 dropout: Monte-Carlo prediction has a mean and a variance", async () => {
    const total = new Linear(10, 1, { key: key(0), initializer: initializers.ones, bias: false });
    const model = new Sequential(new Dropout(0.2), total);
    const { mean, variance } = monteCarlo(model, ones([1, 10]), { samples: 5000, key: key(1) });
    // A sum of 10 terms of variance 0.2 / 0.8.
    expect(Math.abs((await mean.item()) - 10)).toBeLessThan(4.5 * Math.sqrt(2.5 / 5000));
    expect(Math.abs((await variance.item()) / 2.5 - 1)).toBeLessThan(4.5 * Math.sqrt(2 / 5000));
  });
});

describe("3.11 fine-tuning", () => {
  const float64 = { dtype: "float64" } as const;
  const make = () => new Sequential(new Linear(6, 8, { key: key(0), ...float64 }), tanh, new Linear(8, 3, { key: key(1), ...float64 }));
  const x = normal(key(2), [5, 6], float64) as Tensor;

  test("3.11 fine-tuning: a merged low-rank adapter gives what the adapter gives, with few parameters", async () => {
    const model = make();
    const adapted = lora(model, { rank: 2, alpha: 4, key: key(3) });
    const [adapters, rest] = partition(adapted, isLora);
    expect(parameterCount(adapters)).toBe(2 * (6 + 8) + 2 * (8 + 3));
    const optimizer = sgd({ learningRate: 0.1 });
    const loss = (part: typeof adapted): Tensor => sum(square(combine(part, rest).forward(x)));
    let trained = adapters;
    for (let i = 0; i < 5; i++) [trained] = optimizer.update(grad(loss)(trained), optimizer.init(trained), trained);
    const tuned = combine(trained, rest);
    const [adapter, merged, before] = await Promise.all([tuned, mergeLora(tuned), model].map((each) => each.forward(x).data()));
    Array.from(merged!).forEach((value, i) => expect(value).toBeCloseTo(adapter![i]!, 12));
    expect(Math.max(...Array.from(merged!, (value, i) => Math.abs(value - before![i]!)))).toBeGreaterThan(0.01);
    expect(parameterCount(mergeLora(tuned))).toBe(parameterCount(model));
  });

  test("3.11 fine-tuning: freeze and unfreeze by path", async () => {
    const model = make();
    const [trainable, frozen] = freeze(model, "layers.0");
    expect(parameterCount(trainable)).toBe(9 * 3);
    const gradient = grad((part: typeof model) => sum(square(combine(part, frozen).forward(x))))(trainable);
    const optimizer = sgd({ learningRate: 0.1 });
    const [next] = optimizer.update(gradient, optimizer.init(trainable), trainable);
    const tuned = combine(next, frozen);
    expect(tuned.layers[0]!.weight).toBe(model.layers[0].weight);
    expect(await tuned.layers[2]!.weight.array()).not.toEqual(await model.layers[2].weight.array());
    expect(parameterCount(unfreeze(trainable, frozen, "layers.0.bias")[0])).toBe(9 * 3 + 8);
  });
});

describe("2.12 vanishing and exploding gradients", () => {
  const depth = 20;
  /** Layers with orthogonal weights, which keep the length of a gradient, so that all else comes from φ′. */
  function chain(activation: (x: Tensor) => Tensor): { readonly model: Sequential; readonly x: Tensor } {
    const weights = split(key(0), depth).map((k) => initializers.orthogonal()(k, [16, 16]));
    evaluate(weights);
    const layers = weights.flatMap((weight) => [Linear.of(weight, zeros([16])), activation]);
    return { model: new Sequential(...layers), x: normal(key(1), [1, 16]) };
  }

  /** Length of the gradient of each layer's bias, first layer first: for one example that is the error signal itself. */
  async function signals(activation: (x: Tensor) => Tensor): Promise<number[]> {
    const { model, x } = chain(activation);
    const norms = gradientNorms(grad((m: Sequential) => sum(m.forward(x)))(model));
    evaluate(norms);
    return Promise.all(Array.from({ length: depth }, (_, i) => norms[`layers.${2 * i}.bias`]!.item()));
  }

  test("2.12 vanishing and exploding gradients: behind 20 sigmoids gradients vanish, by a factor of at least 4 a layer", async () => {
    const lengths = await signals(sigmoid);
    lengths.slice(1).forEach((length, i) => expect(lengths[i]!).toBeLessThan(length / 4 + 1e-30));
    expect(lengths[0]! / lengths.at(-1)!).toBeLessThan(1e-11);
    expect(lengths[0]).toBeGreaterThan(0);
  });

  test("2.12 vanishing and exploding gradients: they explode only where |φ′| > 1", async () => {
    for (const slope of [0.5, 1, 2]) {
      const lengths = await signals((x) => mul(x, slope) as Tensor);
      lengths.forEach((length, i) => expect(length / (lengths.at(-1)! * slope ** (depth - 1 - i))).toBeCloseTo(1, 3));
    }
  });

  test("2.12 vanishing and exploding gradients: the table shows it, layer by layer", async () => {
    const { model, x } = chain(sigmoid);
    const gradient = grad((m: Sequential) => sum(m.forward(x)))(model);
    const { rows } = await layerStatistics(model, x, { gradient });
    expect(rows.map(({ layer }) => layer).slice(0, 2)).toEqual(["Linear", "sigmoid"]);
    const norms = rows.flatMap(({ gradientNorm }) => gradientNorm ?? []);
    expect(norms).toHaveLength(depth);
    expect(norms[0]! / norms.at(-1)!).toBeLessThan(1e-9);
  });

  test("2.12 vanishing and exploding gradients: units that are 0 for every example are counted", async () => {
    const layer = Linear.of(ones([4, 2]), tensor([1, 0, -10, -20]) as Tensor<[4]>);
    const { rows } = await layerStatistics(new Sequential(layer, relu), tensor([[1, 1], [2, 3]]) as Tensor);
    expect(rows.map(({ dead, units }) => [dead, units])).toEqual([[0, 4], [2, 4]]);
  });
});

test("4.list regularizers: noise on the inputs, in training only", async () => {
  const layer = new GaussianNoise(0.5);
  const x = zeros([20_000]);
  expect(layer.forward(x)).toBe(x);
  const values = Array.from(await layer.forward(x, { key: key(0) }).data());
  expect(Math.sqrt(values.reduce((total, value) => total + value ** 2, 0) / values.length)).toBeCloseTo(0.5, 1);
});
