/** Neurons and networks with weights that are written down: truth tables, half-spaces, towers, collapse. */
import { beforeAll, describe, expect, it } from "vitest";
import { cpu } from "@dormouse/backend-cpu";
import { type Tensor, key, normal, relu, setDevice, tensor } from "@dormouse/tensor";
import {
  type Bit, Linear, Sequential, foldLinear, logicGates, mcCullochPitts, parameterCount, perceptron, sigmoidNeuron,
  towers, truthTable, truthTableNetwork,
} from "../src/index.ts";

beforeAll(async () => {
  setDevice(await cpu({ threads: 1 }));
});

const outputs = (rows: readonly { readonly output: Bit }[]): string => rows.map(({ output }) => output).join("");

describe("mcCullochPitts", () => {
  it("fires from the threshold on, unless inhibited", () => {
    const neuron = mcCullochPitts({ inputs: 3, threshold: 1, inhibitory: [2] });
    expect(outputs(truthTable(neuron))).toBe("00101010");
    expect(neuron.fire([true, false, false])).toBe(1);
    expect(neuron.fire([true, true, true])).toBe(0);
  });

  it("fires in one row by default: n - p inputs are active, p are not", () => {
    for (const inhibitory of [[], [0], [1, 2], [0, 1, 2]]) {
      const neuron = mcCullochPitts({ inputs: 3, inhibitory });
      expect(neuron.threshold).toBe(3 - inhibitory.length);
      const firing = truthTable(neuron).filter(({ output }) => output === 1);
      expect(firing.map(({ inputs }) => inputs)).toEqual([[0, 1, 2].map((at) => (inhibitory.includes(at) ? 0 : 1))]);
    }
  });

  it.each([1, 2, 3, 5])("gates of %i inputs", (n) => {
    const count = (row: readonly Bit[]): number => row.reduce<number>((sum, bit) => sum + bit, 0);
    for (const { inputs } of truthTable(logicGates.and(n))) {
      expect(logicGates.and(n).fire(inputs)).toBe(count(inputs) === n ? 1 : 0);
      expect(logicGates.or(n).fire(inputs)).toBe(count(inputs) > 0 ? 1 : 0);
      expect(logicGates.nor(n).fire(inputs)).toBe(count(inputs) === 0 ? 1 : 0);
      expect(logicGates.nand(n).fire(inputs)).toBe(count(inputs) < n ? 1 : 0);
    }
    expect(outputs(truthTable(logicGates.not()))).toBe("10");
  });

  it("has no neuron for nand and for xor of two inputs, whatever the threshold and the inhibition", () => {
    const possible = [[], [0], [1], [0, 1]].flatMap((inhibitory) =>
      [0, 1, 2, 3].map((threshold) => outputs(truthTable(mcCullochPitts({ inputs: 2, inhibitory, threshold })))),
    );
    expect(possible).not.toContain("1110");
    expect(possible).not.toContain("0110");
    expect(possible).toContain("0111");
  });

  it("refuses what is not a neuron or an input", () => {
    expect(() => mcCullochPitts({ inputs: 0 })).toThrow("mcCullochPitts: inputs is 0; use a whole number of at least 1");
    expect(() => mcCullochPitts({ inputs: 2, inhibitory: [2] })).toThrow("inhibitory input 2 is not one of 2");
    expect(() => mcCullochPitts({ inputs: 2, inhibitory: [0, 0] })).toThrow("inhibitory input 0");
    expect(() => mcCullochPitts({ inputs: 2, threshold: NaN })).toThrow("threshold is NaN");
    expect(() => logicGates.or(2).fire([0, 2])).toThrow("mcCullochPitts: input 1 is 2; give 0 or 1");
    expect(() => logicGates.or(2).fire([0])).toThrow("1 inputs where there are 2");
    expect(() => truthTable(() => 0, 40)).toThrow("2^40 rows");
  });
});

describe("perceptron", () => {
  const points = [[1, 1], [0, -1], [-2, 1], [2, -2]];
  const labels = [1, 0, 0, 0];

  it("learns, and tells how", () => {
    const fresh = perceptron({ inputs: 2 });
    const p = fresh.fit(points, labels);
    expect([p.errors, p.converged, p.message]).toEqual([[3, 1, 0], true, "separated in 3 epochs"]);
    expect([p.weights, p.bias]).toEqual([[1, 3], -2]);
    expect(p.predict(points)).toEqual(labels);
    expect(p.predict([1, 1])).toBe(1);
    expect([fresh.errors, fresh.message, fresh.weights]).toEqual([[], "not fitted", [0, 0]]);
    expect(p.fit(points, [true, false, false, false]).errors).toEqual([0]);
  });

  it("says what its half-space is", () => {
    const { halfSpace } = perceptron({ inputs: 2, weights: [3, 4] }).fit([[5, 0]], [1]);
    expect([halfSpace.normal, halfSpace.offset]).toEqual([[3, 4], 0]);
    expect(halfSpace.distance([3, 4])).toBe(5);
    expect(halfSpace.distance([-4, 3])).toBe(0);
    expect(halfSpace.distance([0, -5])).toBe(-4);
    expect(perceptron({ inputs: 2 }).halfSpace.distance([1, 2])).toBeNaN();
  });

  it("makes at most (R / γ)² errors", () => {
    // Points of the unit circle, those near the boundary left out: R = 1, and γ = sin 10° for a boundary through 0.
    const angles = Array.from({ length: 36 }, (_, i) => i * 10 + 5).filter((at) => Math.abs((at % 180) - 90) > 10);
    const circle = angles.map((at) => [Math.cos((at * Math.PI) / 180), Math.sin((at * Math.PI) / 180)]);
    const p = perceptron({ inputs: 2, bias: false }).fit(circle, circle.map(([x]) => x! > 0));
    expect(p.converged).toBe(true);
    expect(p.errors.reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(1 / Math.sin((10 * Math.PI) / 180) ** 2);
  });

  it("gives up at the limit, with a sentence", () => {
    const square = [[0, 0], [0, 1], [1, 0], [1, 1]];
    const p = perceptron({ inputs: 2 }).fit(square, [0, 1, 1, 0], { epochs: 7 });
    expect([p.converged, p.errors.length]).toEqual([false, 7]);
    expect(p.message).toMatch(/^not separable within 7 epochs: \d wrong in the last; /);
  });

  it("refuses what does not fit", () => {
    const p = perceptron({ inputs: 2 });
    expect(() => p.fit([[1, 2, 3]], [1])).toThrow("perceptron: point 0 is [1, 2, 3]; give 2 numbers");
    expect(() => p.fit([[1, 2]], [-1])).toThrow("perceptron: label 0 is -1; use 0 and 1");
    expect(() => p.fit([[1, 2]], [])).toThrow("0 labels for 1 points");
    expect(() => p.fit([], [])).toThrow("there are no points");
    expect(() => p.fit(tensor([[1, 2]]) as unknown as number[][], [1])).toThrow("read it first: await points.array()");
    expect(() => p.fit([[1, 2]], [1], { epochs: 0 })).toThrow("epochs is 0");
    expect(() => p.predict([1])).toThrow("the point is [1]");
    expect(() => perceptron({ inputs: 2, weights: [1] })).toThrow("the list of weights is [1]");
  });
});

describe("truthTableNetwork", () => {
  it("has 2ⁿ hidden units and the table in its output weights", async () => {
    const xor = truthTableNetwork([0, true, 1, false]);
    expect(xor.layers[0].weight.shape).toEqual([4, 2]);
    expect(await xor.layers[2].weight.array()).toEqual([[0, 1, 1, 0]]);
    expect(await xor.forward(tensor([[0, 0], [0, 1], [1, 0], [1, 1]])).array()).toEqual([[0], [1], [1], [0]]);
    expect(await truthTableNetwork([1, 0]).forward(tensor([[0], [1]])).array()).toEqual([[1], [0]]);
  });

  it("is right for inputs that are a little off", async () => {
    const and = truthTableNetwork([0, 0, 0, 1]);
    expect(await and.forward(tensor([[0.8, 0.8], [0.2, 0.8], [0.1, -0.2]])).array()).toEqual([[1], [0], [0]]);
  });

  it.each([[[]], [[1]], [[0, 1, 1]]])("refuses %j", (table) => {
    expect(() => truthTableNetwork(table)).toThrow("are not a truth table; give 2, 4, 8, ... outputs");
  });
});

describe("towers", () => {
  const f = (x: number): number => Math.sin(x) + x / 3;

  it("have the error that they state, as the network itself computes it", async () => {
    const { network, error } = towers(f, { range: [-1, 5], count: 12 });
    const xs = Array.from({ length: 96 }, (_, i) => -1 + ((i + 0.5) / 96) * 6);
    const ys = await network.forward(tensor(xs.map((x) => [x]))).data();
    const measured = xs.reduce((sum, x, i) => sum + Math.abs(ys[i]! - f(x)), 0) / xs.length;
    expect(Math.abs(measured - error)).toBeLessThan(1e-4);
  });

  it("are two sigmoids each in one dimension, four in two", () => {
    expect((towers(f, { range: [0, 1], count: 5 }).network.layers[0] as Linear).weight.shape).toEqual([10, 1]);
    const plane = towers((x, y) => x * y, { range: [[0, 1], [0, 2]], count: 3 });
    expect((plane.network.layers[0] as Linear).weight.shape).toEqual([36, 2]);
    expect((plane.network.layers[2] as Linear).weight.shape).toEqual([9, 36]);
  });

  it("state their error in two dimensions too", async () => {
    const g = (x: number, y: number): number => Math.exp(-x * x - y * y);
    const { network, error } = towers(g, { range: [[-2, 2], [-1, 1]], count: 6 });
    const axis = (low: number, high: number): number[] => Array.from({ length: 48 }, (_, i) => low + ((i + 0.5) / 48) * (high - low));
    const points = axis(-2, 2).flatMap((x) => axis(-1, 1).map((y) => [x, y] as const));
    const values = await network.forward(tensor(points) as Tensor).data();
    const measured = points.reduce((sum, [x, y], i) => sum + Math.abs(values[i]! - g(x, y)), 0) / points.length;
    expect(Math.abs(measured - error)).toBeLessThan(1e-4);
  });

  it("refuse what cannot be built", () => {
    expect(() => towers(f, { range: [1, 0] })).toThrow("towers: range [1, 0]; give a low below the high");
    expect(() => towers((x) => 1 / x, { range: [-1, 1], count: 1 })).toThrow("the function is Infinity at 0");
    expect(() => towers(f, { range: [0, 1], error: 1e-12 })).toThrow("towers along the axis are too many");
    expect(() => towers(f, { range: [0, 1], slope: 0 })).toThrow("slope is 0");
  });
});

describe("sigmoidNeuron", () => {
  it("is logistic in a weighted sum", async () => {
    const neuron = sigmoidNeuron({ inputs: 2, weights: [1, -2], bias: 0.5, slope: 3 });
    const y = await neuron.forward(tensor([[1, 0], [0.5, 0.5]])).data();
    [1.5, 0].forEach((z, i) => expect(y[i]).toBeCloseTo(1 / (1 + Math.exp(-3 * z)), 6));
    expect(await sigmoidNeuron({ inputs: 3 }).forward(tensor([1, 2, 3])).item()).toBe(0.5);
    expect(parameterCount(neuron)).toBe(3);
    expect(() => sigmoidNeuron({ inputs: 2, weights: [1] })).toThrow("1 weights for 2 inputs");
  });
});

describe("foldLinear", () => {
  const options = { dtype: "float64" } as const;

  it.each([true, false])("does what the layers do (bias: %s)", async (bias) => {
    const layers = [[4, 7], [7, 3], [3, 5]].map(([i, o], at) => new Linear(i!, o!, { key: key(at), bias, ...options }));
    const x = normal(key(9), [6, 4], options);
    const folded = foldLinear(...layers);
    expect(folded.weight.shape).toEqual([5, 4]);
    expect(folded.bias === null).toBe(!bias);
    const wanted = await new Sequential(...layers).forward(x).data();
    (await folded.forward(x as Tensor).data()).forEach((value: number, i: number) => expect(value).toBeCloseTo(wanted[i]!, 12));
  });

  it("mixes layers with and without bias", async () => {
    const [a, b] = [new Linear(2, 3, { key: key(0), ...options }), new Linear(3, 2, { key: key(1), bias: false, ...options })];
    const x = normal(key(2), [1, 2], options) as Tensor<[1, 2]>;
    for (const layers of [[a, b], [b, a]]) {
      const z = layers[0] === a ? x : (normal(key(3), [1, 3], options) as Tensor);
      const wanted = await new Sequential(...layers).forward(z).data();
      (await foldLinear(...layers).forward(z as Tensor).data()).forEach((value: number, i: number) => expect(value).toBeCloseTo(wanted[i]!, 12));
    }
  });

  it("refuses what is not linear, and what does not follow", () => {
    const layer = new Linear(2, 3, { key: key(0) });
    expect(() => foldLinear(layer, relu)).toThrow("foldLinear: layer 1 is the function relu");
    expect(() => foldLinear(layer, new Sequential())).toThrow("layer 1 is of class Sequential");
    expect(() => foldLinear(layer, layer)).toThrow("foldLinear: layer 1 takes 2 features and the one before gives 3");
    expect(() => foldLinear()).toThrow("there are no layers");
  });
});
