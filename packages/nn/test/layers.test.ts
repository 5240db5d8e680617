/** Layers: normalization against PyTorch, the rest against ops; state and randomness are explicit. */
import { beforeAll, describe, expect, it } from "vitest";
import { grad, vjp } from "@dormouse/autograd";
import { reference } from "@dormouse/backend-cpu/reference";
import {
  type Tensor, add, compile, conv1d, conv2d, key, linear, mul, namedLeaves, normal, ones, relu, setDevice, square,
  sub, sum, tensor, zeros,
} from "@dormouse/tensor";
import {
  AvgPool1d, AvgPool2d, BatchNorm, Bilinear, Conv1d, Conv2d, Dropout, Embedding, Flatten, GaussianNoise,
  GlobalAvgPool, GlobalMaxPool, GroupNorm, InstanceNorm, LayerNorm, Linear, MaxPool1d, MaxPool2d, Maxout,
  MultiHeadAttention, PRelu, RMSNorm, Residual, Sequential, advance, dropout, gaussianNoise, parameterCount, replace,
} from "../src/index.ts";
import { type OracleCase, expectTensor, fixture, toTensor } from "./expect.ts";

beforeAll(async () => {
  setDevice(await reference());
});

type Named = Record<string, Tensor>;
interface Attributes {
  readonly training?: boolean;
  readonly momentum?: number;
  readonly eps: number;
  readonly groups?: number;
  readonly normalized_shape?: readonly number[];
}

/** The layer of a case, with its tensors in place, run: outputs by the fixture's names. */
function runNorm(op: string, { x, weight = null, bias = null, running_mean, running_var }: Record<string, Tensor | null>, attributes: Attributes): Named {
  const { eps, momentum = 0.1 } = attributes;
  const input = x!;
  const channels = input.shape[1]!;
  switch (op) {
    case "batch_norm": {
      const made = new BatchNorm(channels, { eps, momentum, affine: weight !== null, dtype: "float64" });
      const layer = replace(made, { weight, bias, ...(running_mean ? { runningMean: running_mean, runningVariance: running_var! } : {}) });
      if (!attributes.training) return { y: layer.forward(input) };
      const [y, next] = layer.forward(input, { key: key(0) });
      return { y, new_running_mean: next.runningMean, new_running_var: next.runningVariance };
    }
    case "layer_norm": {
      const layer = new LayerNorm(attributes.normalized_shape!, { eps, affine: false });
      return { y: replace(layer, { weight, bias }).forward(input) };
    }
    case "rms_norm":
      return { y: replace(new RMSNorm(input.shape.at(-1)!, { eps }), { weight }).forward(input) };
    default: {
      const layer = new GroupNorm(attributes.groups ?? channels, channels, { eps });
      return { y: replace(layer, { weight, bias }).forward(input) };
    }
  }
}

describe("normalization", () => {
  it.each(fixture<OracleCase>("normalization"))("$id $attrs", async (each) => {
    const inputs = Object.fromEntries(Object.entries(each.in).map(([name, array]) => [name, toTensor(array)]));
    const f = (moving: Named): Named => runNorm(each.op, { ...inputs, ...moving }, each.attrs as unknown as Attributes);
    const outputs = f({});
    for (const [name, wanted] of Object.entries(each.out)) await expectTensor(outputs[name]!, wanted, each.tol, name);
    const [, pullback] = vjp((moving: Named) => f(moving).y!, Object.fromEntries(each.diff!.map((name) => [name, inputs[name]!])));
    const [gradient] = pullback(toTensor(each.cot!.y!));
    for (const [name, wanted] of Object.entries(each.grad!)) await expectTensor(gradient[name]!, wanted, each.tol, `gradient of ${name}`);
  });

  it.each([[[2, 3, 5]], [[1, 4, 2, 3]]])("InstanceNorm is as many groups as channels: %j", async (shape) => {
    const [weight, bias] = [normal(key(1), [shape[1]!]), normal(key(2), [shape[1]!])] as Tensor[];
    const x = normal(key(3), shape) as Tensor;
    const instance = replace(new InstanceNorm(shape[1]!, { affine: true }), { weight: weight!, bias: bias! });
    const groups = replace(new GroupNorm(shape[1]!, shape[1]!), { weight: weight!, bias: bias! });
    const [got, wanted] = [await instance.forward(x).data(), await groups.forward(x).data()];
    Array.from(got).forEach((value, i) => expect(value).toBeCloseTo(wanted[i]!, 5));
    expect(parameterCount(instance)).toBe(2 * shape[1]!);
    expect(parameterCount(new InstanceNorm(3))).toBe(0);
    expect(() => new InstanceNorm(3).forward(zeros([2, 3]))).toThrow("InstanceNorm: shape [2, 3] has one value per channel");
  });

  it("refuses what does not fit", () => {
    expect(() => new LayerNorm(4).forward(zeros([2, 3]))).toThrow("LayerNorm: shape [2, 3] does not end in [4]");
    expect(() => new BatchNorm(4).forward(zeros([2, 3]))).toThrow("BatchNorm: shape [2, 3] does not have 4 channels");
    expect(() => new BatchNorm(3).forward(zeros([1, 3]), { key: key(0) })).toThrow("1 value per channel");
    expect(() => new GroupNorm(2, 3)).toThrow("GroupNorm: 2 groups do not divide 3 channels");
  });
});

const same = async (got: Tensor, wanted: Tensor): Promise<void> => {
  expect(got.shape).toEqual(wanted.shape);
  expect(await got.array()).toEqual(await wanted.array());
};

describe("layers are ops with tensors", () => {
  it("Linear", async () => {
    const layer = new Linear(5, 3, { key: key(1) });
    const x = normal(key(2), [2, 7, 5]);
    await same(layer.forward(x), linear(x, layer.weight, layer.bias) as Tensor);
    const plain = new Linear(5, 3, { key: key(1), bias: false, dtype: "float64" });
    expect(plain.bias).toBeNull();
    expect(plain.weight.dtype).toBe("float64");
    expect(plain.forward(zeros([0, 5], { dtype: "float64" })).shape).toEqual([0, 3]);
    expect(() => new Linear(0, 3, { key: key(1) })).toThrow("Linear: inputs is 0; use a whole number of at least 1");
  });

  it("Bilinear", async () => {
    const layer = new Bilinear(2, 3, 1, { key: key(0), bias: false });
    const [a, b] = [tensor([[1, 2]]), tensor([[3, 4, 5]])];
    const w = (await layer.weight.array()) as number[][][];
    const wanted = [1, 2].reduce((s, u, i) => s + [3, 4, 5].reduce((t, v, j) => t + u * v * w[0]![i]![j]!, 0), 0);
    expect(await layer.forward(a, b).item()).toBeCloseTo(wanted, 5);
  });

  it("Conv2d, Conv1d", async () => {
    const options = { key: key(3), stride: 2, padding: 1, groups: 2 } as const;
    const x = normal(key(4), [2, 4, 7, 5]);
    const two = new Conv2d(4, 6, [3, 2], options);
    expect(two.weight.shape).toEqual([6, 2, 3, 2]);
    await same(two.forward(x), conv2d(x, two.weight, { bias: two.bias, stride: 2, padding: 1, groups: 2 }));
    const one = new Conv1d(4, 6, 3, { key: key(5), bias: false });
    const sequence = normal(key(6), [1, 4, 9]);
    await same(one.forward(sequence), conv1d(sequence, one.weight));
    expect(() => new Conv2d(3, 6, 3, options)).toThrow("Conv2d: 2 groups do not divide 3 inputs and 6 outputs");
  });

  it("Embedding", async () => {
    const table = new Embedding(4, 2, { key: key(7) });
    const rows = (await table.weight.array()) as number[][];
    expect(await table.forward(tensor([[3, 0], [1, 1]], { dtype: "int32" })).array()).toEqual([[rows[3], rows[0]], [rows[1], rows[1]]]);
  });

  it("Linear.of", async () => {
    const layer = Linear.of(tensor([[1, 2, 3], [4, 5, 6]]) as Tensor<[2, 3]>, tensor([10, 20]) as Tensor<[2]>);
    expect(layer).toBeInstanceOf(Linear);
    expect(await layer.forward(tensor([[1, 1, 1]])).array()).toEqual([[16, 35]]);
    expect(namedLeaves(layer).map(([path]) => path)).toEqual(namedLeaves(new Linear(3, 2, { key: key(0) })).map(([path]) => path));
    expect(Linear.of(zeros([2, 3])).bias).toBeNull();
    expect(() => Linear.of(zeros([2, 3]), zeros([3]) as never)).toThrow("Linear.of: weight [2, 3] and bias [3] do not fit");
  });

  it("Maxout", async () => {
    const layer = new Maxout(3, 2, { pieces: 3, key: key(1) });
    const x = normal(key(2), [2, 5, 3]);
    const pieces = (await (layer.linear.forward(x as never) as Tensor).array()) as number[][][];
    const wanted = pieces.map((rows) => rows.map((row) => [Math.max(...row.slice(0, 3)), Math.max(...row.slice(3))]));
    expect(await layer.forward(x).array()).toEqual(wanted);
    expect(parameterCount(layer)).toBe(3 * 2 * (3 + 1));
    expect(new Maxout(3, 2, { key: key(0), bias: false }).linear.bias).toBeNull();
    expect(() => new Maxout(3, 2, { pieces: 0, key: key(0) })).toThrow("Maxout: pieces is 0");
  });

  it("MaxPool1d, AvgPool1d, global pools", async () => {
    const x = tensor([[[1, 5, 2, 4], [0, -1, -2, -3]]]) as Tensor;
    expect(await new MaxPool1d(2).forward(x).array()).toEqual([[[5, 4], [0, -2]]]);
    expect(await new AvgPool1d(2, { stride: 1 }).forward(x).array()).toEqual([[[3, 3.5, 3], [-0.5, -1.5, -2.5]]]);
    expect(await new GlobalAvgPool().forward(x).array()).toEqual([[3, -1.5]]);
    expect(await new GlobalMaxPool().forward(x).array()).toEqual([[5, 0]]);
    const images = normal(key(0), [2, 3, 4, 5]);
    expect(new GlobalAvgPool().forward(images).shape).toEqual([2, 3]);
    expect(() => new GlobalMaxPool().forward(zeros([2, 3]))).toThrow("GlobalMaxPool: shape [2, 3] has no spatial axes");
  });

  it("MaxPool2d, AvgPool2d, Flatten, PRelu", async () => {
    const x = tensor([[[[1, 2], [3, -4]]]]) as Tensor;
    expect(await new MaxPool2d(2).forward(x).array()).toEqual([[[[3]]]]);
    expect(await new AvgPool2d(2).forward(x).array()).toEqual([[[[0.5]]]]);
    expect(await new Flatten().forward(x).array()).toEqual([[1, 2, 3, -4]]);
    expect(await new PRelu().forward(tensor([[-4, 4]])).array()).toEqual([[-1, 4]]);
  });
});

describe("dropout", () => {
  it.each([0.1, 0.5])("keeps its share at rate %s, scaled", async (rate) => {
    const n = 100_000;
    const values = await new Dropout(rate).forward(ones([n]), { key: key(11) }).data();
    const scale = Math.fround(1 / (1 - rate));
    expect(new Set(values)).toEqual(new Set([0, scale]));
    const kept = values.filter((value: number) => value !== 0).length / n;
    expect(Math.abs(kept - (1 - rate))).toBeLessThan(4.5 * Math.sqrt((rate * (1 - rate)) / n));
  });

  it("is the identity without a key, and at rate 0", () => {
    const x = ones([3]);
    expect(new Dropout(0.5).forward(x)).toBe(x);
    expect(dropout(key(0), x, 0)).toBe(x);
    expect(() => new Dropout(1.5)).toThrow("Dropout: rate is 1.5");
  });

  it("drops everything at rate 1, without NaN", async () => {
    expect(await dropout(key(0), tensor([1, Infinity]), 1).array()).toEqual([0, 0]);
  });

  it("has the gradient of its mask", async () => {
    const layer = new Dropout(0.5);
    const x = ones([64]);
    const slope = grad((z: Tensor) => sum(layer.forward(z, { key: key(5) })))(x);
    await same(slope, layer.forward(x, { key: key(5) }));
  });
});

describe("gaussianNoise", () => {
  it("is of its deviation, in training only", async () => {
    const n = 50_000;
    const x = normal(key(0), [n]);
    const noise = Array.from(await sub(new GaussianNoise(0.3).forward(x, { key: key(1) }), x).data());
    const mean = noise.reduce((total, value) => total + value, 0) / n;
    const power = noise.reduce((total, value) => total + value ** 2, 0) / n;
    expect(Math.abs(mean)).toBeLessThan((4.5 * 0.3) / Math.sqrt(n));
    expect(Math.abs(Math.sqrt(power) / 0.3 - 1)).toBeLessThan(4.5 / Math.sqrt(2 * n));
    expect(new GaussianNoise(0.3).forward(x)).toBe(x);
    expect(gaussianNoise(key(0), x, 0)).toBe(x);
    expect(gaussianNoise(key(0), ones([2], { dtype: "float64" }), 1).dtype).toBe("float64");
    expect(() => new GaussianNoise(-1)).toThrow("GaussianNoise: std is -1; use a finite number of at least 0");
  });

  it("on inputs of a linear model is weight decay in the mean (Bishop 1995)", async () => {
    // E‖(x + z)·w - y‖² = ‖x·w - y‖² + N·std²·‖w‖² for N examples.
    const [x, w, y] = [normal(key(0), [4, 3]), normal(key(1), [1, 3]), normal(key(2), [4, 1])] as Tensor[];
    const loss = (input: Tensor): Tensor => sum(square(sub(linear(input, w!) as Tensor, y!) as Tensor)) as Tensor;
    const count = 400;
    const draws = Array.from({ length: count }, (_, i) => loss(gaussianNoise(key(100 + i), x!, 0.5)));
    const values: number[] = [];
    for (const draw of draws) values.push(await draw.item());
    const mean = values.reduce((total, each) => total + each, 0) / count;
    const deviation = Math.sqrt(values.reduce((total, each) => total + (each - mean) ** 2, 0) / (count - 1));
    const wanted = (await loss(x!).item()) + 4 * 0.25 * (await sum(square(w!)).item());
    expect(Math.abs(mean - wanted)).toBeLessThan((4.5 * deviation) / Math.sqrt(count));
  });
});

describe("arguments that are missing", () => {
  const hint = "there is no key for the first values; end the arguments with { key: key(0) }";
  const untyped = (make: new (...args: never[]) => object, ...args: unknown[]) => (): object =>
    new (make as new (...args: unknown[]) => object)(...args);

  it.each<[string, () => object]>([
    ["Linear", untyped(Linear, 3, 4)],
    ["Linear", untyped(Linear, 3, 4, {})],
    ["Bilinear", untyped(Bilinear, 3, 4, 5)],
    ["Embedding", untyped(Embedding, 3, 4)],
    ["Conv1d", untyped(Conv1d, 3, 4, 3)],
    ["Conv2d", untyped(Conv2d, 3, 4, 3, { stride: 2 })],
    ["Maxout", untyped(Maxout, 3, 4)],
    ["MultiHeadAttention", untyped(MultiHeadAttention, 4, 2)],
  ])("%s says that it needs a key", (name, make) => {
    expect(make).toThrow(`${name}: ${hint}`);
  });

  it.each<[string, () => object]>([
    ["Linear: inputs is undefined; use a whole number of at least 1", untyped(Linear)],
    ["Linear: the options are a tensor; end the arguments with { key: key(0) }", untyped(Linear, 3, 4, key(0))],
    ["split: the key is the number 7; make one of it: key(7)", untyped(Linear, 3, 4, { key: 7 })],
    ["Conv2d: the kernel is object; give one length for all axes, or 2", untyped(Conv2d, 3, 4, { key: key(0) })],
    ["Conv2d: the kernel is [3]; give one length for all axes, or 2", untyped(Conv2d, 3, 4, [3], { key: key(0) })],
    ["Conv1d: the kernel is undefined; give one length", untyped(Conv1d, 3, 4)],
    ["LayerNorm: shape is undefined; use a whole number of at least 1", untyped(LayerNorm)],
    ["LayerNorm: shape[1] is 0; use a whole number of at least 1", untyped(LayerNorm, [2, 0])],
    ["RMSNorm: size is undefined", untyped(RMSNorm)],
    ["GroupNorm: channels is undefined", untyped(GroupNorm, 2)],
    ["InstanceNorm: channels is undefined", untyped(InstanceNorm)],
    ["BatchNorm: channels is undefined", untyped(BatchNorm)],
    ["MaxPool1d: the size is undefined; give the length of the window, such as 2", untyped(MaxPool1d)],
    ["AvgPool2d: the size is [object Object]; give the length of the window, such as 2", untyped(AvgPool2d, { stride: 2 })],
    ["PRelu: channels is 0", untyped(PRelu, 0)],
    ["Residual: the block is of type function; wrap functions: new Residual(new Sequential(relu))", untyped(Residual, relu)],
    ["Residual: the block is of type undefined", untyped(Residual)],
    ["Sequential: layer 0 is a list; give layers one by one", untyped(Sequential, [relu])],
  ])("%s", (message, make) => {
    expect(make).toThrow(message);
  });
});

describe("containers", () => {
  const make = () => new Sequential(new Linear(3, 4, { key: key(0) }), new BatchNorm(4), relu, new Residual(new Sequential(new Linear(4, 4, { key: key(1) }), new BatchNorm(4))));

  it("call layers in order", async () => {
    const [first, second] = [new Linear(3, 4, { key: key(0) }), new Linear(4, 2, { key: key(1) })];
    const x = normal(key(2), [5, 3]);
    await same(new Sequential(first, relu, second).forward(x), second.forward(relu(first.forward(x))) as Tensor);
    await same(new Residual(new Linear(3, 3, { key: key(4) })).forward(x), add(x, new Linear(3, 3, { key: key(4) }).forward(x)) as Tensor);
    expect(await new Sequential().forward(x).array()).toEqual(await x.array());
  });

  it("pass on new state from layers inside layers", async () => {
    const model = make();
    const x = normal(key(2), [5, 3]);
    expect(Array.isArray(model.forward(x))).toBe(false);
    const [y, next] = advance(model, x, { key: key(3) });
    expect(y.shape).toEqual([5, 4]);
    expect(next).toBeInstanceOf(Sequential);
    expect(namedLeaves(next).map(([path]) => path)).toEqual(namedLeaves(model).map(([path]) => path));
    const changed = namedLeaves(next).filter(([, tensor], i) => tensor !== namedLeaves(model)[i]![1]).map(([path]) => path);
    expect(changed).toEqual([1, "3.block.layers.1"].flatMap((at) => [`layers.${at}.runningMean`, `layers.${at}.runningVariance`]));
  });

  it("give every layer a key of its own", async () => {
    const model = new Sequential(new Dropout(0.5), new Dropout(0.5));
    const values = await (model.forward(ones([4096]), { key: key(9) }) as Tensor).data();
    const kept = values.filter((value: number) => value === 4).length;
    expect(Math.abs(kept / 4096 - 0.25)).toBeLessThan(4.5 * Math.sqrt((0.25 * 0.75) / 4096));
  });

  it("train inside a compiled step that is traced once", async () => {
    let model = make();
    const step = compile((m: typeof model, x: Tensor) => {
      const slope = grad((z: typeof model) => {
        const [y, next] = advance(z, x, { key: key(3) });
        return [sum(square(y)), next] as const;
      }, { hasAux: true })(m);
      return slope;
    });
    for (let i = 0; i < 2; i++) {
      const [gradient, next] = step(model, normal(key(i), [5, 3]));
      expect(await (gradient.layers[1] as BatchNorm).runningMean.array()).toEqual([0, 0, 0, 0]);
      model = next;
    }
    expect(step.traces).toBe(1);
    expect(await sum(mul(model.layers[1].runningMean, model.layers[1].runningMean)).item()).toBeGreaterThan(0);
  });
});
