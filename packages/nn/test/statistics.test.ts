/** What is recorded inside models, against numbers by hand; Monte-Carlo prediction against its closed forms. */
import { beforeAll, describe, expect, it } from "vitest";
import { grad } from "@dormouse/autograd";
import { cpu } from "@dormouse/backend-cpu";
import {
  type Tensor, compile, key, mul, normal, ones, relu, setDevice, sigmoid, square, sum, tensor, zeros,
} from "@dormouse/tensor";
import {
  BatchNorm, Conv2d, Dropout, Embedding, Flatten, Linear, Residual, Sequential, gradientNorms, layerStatistics,
  monteCarlo, recordActivations,
} from "../src/index.ts";

beforeAll(async () => {
  setDevice(await cpu({ threads: 1 }));
});

/** Two inputs, three hidden units of which the last is dead for the batch, one output. */
const small = (): Sequential<readonly [Linear, typeof relu, Linear]> =>
  new Sequential(
    Linear.of(tensor([[1, 0], [0, 1], [-1, -1]]) as Tensor<[number, number]>, tensor([0, 1, 0]) as Tensor<[number]>),
    relu,
    Linear.of(tensor([[1, 2, 3]]) as Tensor<[number, number]>),
  );
const batch = tensor([[1, 2], [3, 4]]) as Tensor;

describe("recordActivations", () => {
  it("has every layer and function in order, and the output", async () => {
    const { output, activations } = recordActivations(small(), batch);
    expect(activations.map(({ path, layer }) => [path, layer])).toEqual([["layers.0", "Linear"], ["layers.1", "relu"], ["layers.2", "Linear"]]);
    expect(await activations[0]!.output.array()).toEqual([[1, 3, -3], [3, 5, -7]]);
    expect(await activations[1]!.output.array()).toEqual([[1, 3, 0], [3, 5, 0]]);
    expect(await output.array()).toEqual([[7], [13]]);
  });

  it("leaves the model as it was, and looks into models of any class", () => {
    class Own {
      readonly name = new Date(0);
      readonly table = new Float32Array(3);
      readonly act = sigmoid;
      readonly blocks = { first: new Residual(new Linear(2, 2, { key: key(0) })), second: [new Linear(2, 2, { key: key(1) })] };
      forward(x: Tensor): Tensor {
        return this.act(this.blocks.second[0]!.forward(this.blocks.first.forward(x)) as Tensor);
      }
    }
    const model = new Own();
    const before = { ...model };
    const { activations } = recordActivations(model, batch);
    expect(activations.map(({ path }) => path)).toEqual(["blocks.first.block", "blocks.second.0", "act"]);
    expect({ ...model }).toEqual(before);
    expect(Object.hasOwn(model, "forward")).toBe(false);
  });

  it("reports calls twice where a layer is called twice, and calls in training with a key", () => {
    const layer = new Linear(2, 2, { key: key(0) });
    expect(recordActivations(new Sequential(layer, layer), batch).activations).toHaveLength(2);
    const { output, activations } = recordActivations(new Sequential(new BatchNorm(2), new Dropout(0.5)), batch, { key: key(1) });
    expect(activations.map(({ layer: name }) => name)).toEqual(["BatchNorm", "Dropout"]);
    expect(output.shape).toEqual([2, 2]);
  });

  it("lets derivatives through", async () => {
    const model = small();
    const slope = grad((x: Tensor) => sum(square(recordActivations(model, x).activations[1]!.output)))(batch);
    expect(await slope.array()).toEqual([[2, 6], [6, 10]]);
  });
});

describe("layerStatistics", () => {
  it("has moments, dead units and norms of gradients", async () => {
    const model = small();
    const gradient = grad((m: typeof model) => sum(m.forward(batch)))(model);
    const { rows } = await layerStatistics(model, batch, { gradient });
    expect(rows.map(({ path, output, units, dead }) => [path, output, units, dead])).toEqual([
      ["layers.0", [2, 3], 3, 0], ["layers.1", [2, 3], 3, 1], ["layers.2", [2, 1], 1, 0],
    ]);
    const hidden = [1, 3, 0, 3, 5, 0];
    const average = hidden.reduce((total, each) => total + each, 0) / 6;
    expect(rows[1]!.mean).toBeCloseTo(average, 6);
    expect(rows[1]!.std).toBeCloseTo(Math.sqrt(hidden.reduce((total, each) => total + (each - average) ** 2, 0) / 6), 6);
    // ∂W₂ = Σ hidden = (4, 8, 0), no bias; ∂W₁ = W₂ᵀ·Σx for live units, ∂b₁ = 2·W₂: rows (4, 6), 2 and (8, 12), 4.
    expect(rows[2]!.gradientNorm).toBeCloseTo(Math.hypot(4, 8), 5);
    expect(rows[0]!.gradientNorm).toBeCloseTo(Math.hypot(4, 6, 2, 8, 12, 4), 5);
    expect(rows[1]!.gradientNorm).toBeNull();
    expect(String(await layerStatistics(model, batch, { gradient })).split("\n").map((line) => line.trimEnd())).toEqual([
      "layer              output     mean      std  dead  gradient",
      "-----------------  ------  -------  -------  ----  --------",
      "layers.0 (Linear)  [2, 3]  3.33e-1  4.11e+0   0/3   1.67e+1",
      "layers.1 (relu)    [2, 3]  2.00e+0  1.83e+0   1/3",
      "layers.2 (Linear)  [2, 1]  1.00e+1  3.00e+0   0/1   8.94e+0",
    ]);
  });

  it("knows images, integers, one example, nothing, and a bare layer", async () => {
    const images = new Sequential(new Conv2d(1, 2, 3, { key: key(0), padding: 1 }), relu, new Flatten());
    expect((await layerStatistics(images, normal(key(1), [4, 1, 5, 5]))).rows.map(({ units }) => units)).toEqual([50, 50, 50]);
    const words = await layerStatistics(new Embedding(3, 2, { key: key(0) }), tensor([0, 2], { dtype: "int32" }) as Tensor);
    expect(words.rows.map(({ path, output }) => [path, output])).toEqual([["", [2, 2]]]);
    expect((await layerStatistics(small(), batch)).rows.map(({ gradientNorm }) => gradientNorm)).toEqual([null, null, null]);
    const none = await layerStatistics(small(), zeros([0, 2]) as Tensor);
    expect(none.rows[0]!.units).toBe(3);
    expect(none.rows[0]!.mean).toBeNaN();
  });

  it("has norms of gradients whose squares are 0 in float32, and of both dtypes", async () => {
    const tiny = { a: tensor([3e-30, 4e-30]) as Tensor, b: tensor([3e30, 4e30], { dtype: "float64" }) as Tensor, none: zeros([0]), zero: zeros([2]) };
    const norms = gradientNorms(tiny);
    expect(Object.keys(norms)).toEqual(["a", "b", "none", "zero"]);
    expect(((await norms.a!.item()) / 5e-30).toFixed(5)).toBe("1.00000");
    expect((await norms.b!.item()) / 5e30).toBeCloseTo(1, 12);
    expect([await norms.none!.item(), await norms.zero!.item()]).toEqual([0, 0]);
  });

  it("leaves norms in the graph of a compiled step", async () => {
    const step = compile((m: ReturnType<typeof small>, x: Tensor) => gradientNorms(grad((z: typeof m) => sum(z.forward(x)))(m))["layers.2.weight"]!);
    expect(await step(small(), batch).item()).toBeCloseTo(Math.hypot(4, 8), 5);
  });
});

describe("monteCarlo", () => {
  const samples = 4000;

  it("has the mean and the variance of dropout", async () => {
    // y = Σ mask·x / 0.8 over 5 inputs of 2: mean 10, variance 5·4·0.2/0.8.
    const sumUp = {
      dropout: new Dropout(0.2),
      forward(x: Tensor, context = {}): Tensor {
        return sum(this.dropout.forward(x, context), { axis: -1 });
      },
    };
    const { mean, variance, samples: all } = monteCarlo(sumUp, mul(ones([1, 5]), 2) as Tensor, { samples, key: key(0) });
    expect([mean.shape, variance.shape, all.shape]).toEqual([[1], [1], [samples, 1]]);
    expect(Math.abs((await mean.item()) - 10)).toBeLessThan((4.5 * Math.sqrt(5)) / Math.sqrt(samples));
    expect(Math.abs((await variance.item()) / 5 - 1)).toBeLessThan(4.5 * Math.sqrt(2 / samples));
  });

  it("draws for every example and every sample apart", async () => {
    const { samples: all } = monteCarlo(new Sequential(new Dropout(0.5)), ones([6, 64]), { samples: 5, key: key(0) });
    const rows = ((await all.array()) as number[][][]).flat().map((row) => row.join(""));
    expect(all.shape).toEqual([5, 6, 64]);
    expect(new Set(rows).size).toBe(30);
  });

  it("is certain where nothing is random, and keeps normalization in evaluation", async () => {
    const model = new Sequential(new Linear(2, 3, { key: key(0) }), new BatchNorm(3), relu);
    const { mean, variance } = monteCarlo(model, batch, { samples: 3, key: key(1) });
    expect(await variance.array()).toEqual([[0, 0, 0], [0, 0, 0]]);
    const wanted = await (model.forward(batch)).data();
    (await mean.data()).forEach((value: number, i: number) => expect(value).toBeCloseTo(wanted[i]!, 6));
    expect(Array.isArray(model.layers[1].forward(normal(key(2), [4, 3]), { key: key(3) }))).toBe(true);
  });

  it("gives the same for the same key, and refuses none", async () => {
    const model = new Sequential(new Dropout(0.5));
    const draw = (seed: number): Promise<unknown> => monteCarlo(model, ones([8]), { samples: 4, key: key(seed) }).samples.array();
    expect(await draw(1)).toEqual(await draw(1));
    expect(await draw(1)).not.toEqual(await draw(2));
    expect(() => monteCarlo(model, batch, {} as never)).toThrow("monteCarlo: there is no key");
    const total = { forward: (x: Tensor): Tensor => sum(x) };
    expect(() => monteCarlo(total, batch, { key: key(0) })).toThrow("monteCarlo: the output is []");
    expect(() => monteCarlo(model, tensor(1) as Tensor, { key: key(0) })).toThrow("monteCarlo: the input is a scalar");
    expect(() => monteCarlo(model, batch, { key: key(0), samples: 0 })).toThrow("monteCarlo: samples is 0");
  });
});
