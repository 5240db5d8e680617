/** Halves of a model that learn and that do not, and low-rank adapters: what moves, what stays, what it costs. */
import { beforeAll, describe, expect, it } from "vitest";
import { grad } from "@dormouse/autograd";
import { cpu } from "@dormouse/backend-cpu";
import { type State, adam } from "@dormouse/optim";
import {
  type Tensor, add, combine, compile, key, mapTree, mean, namedLeaves, normal, partition, relu, setDevice, split, square, sub,
  sum, tensor,
} from "@dormouse/tensor";
import {
  BatchNorm, Linear, LoraLinear, MultiHeadAttention, Sequential, advance, freeze, isLora, isParameter, lora,
  mergeLora, parameterCount, summary, unfreeze,
} from "../src/index.ts";
import { expectClose } from "./expect.ts";

beforeAll(async () => {
  setDevice(await cpu({ threads: 1 }));
});

const paths = (tree: unknown): string[] => namedLeaves(tree).map(([path]) => path);
const exact = { rtol: 1e-11, atol: 1e-12 };

class Model {
  readonly encoder: Sequential<readonly [Linear, BatchNorm, typeof relu]>;
  readonly head: Linear;
  constructor() {
    const [k1, k2] = split(key(0));
    this.encoder = new Sequential(new Linear(3, 4, { key: k1 }), new BatchNorm(4), relu);
    this.head = new Linear(4, 2, { key: k2 });
  }
  forward(x: Tensor): Tensor {
    return this.head.forward(advance(this.encoder, x)[0]);
  }
}
const parameters = ["encoder.layers.0", "encoder.layers.1", "head"].flatMap((at) => [`${at}.weight`, `${at}.bias`]);
const running = ["encoder.layers.1.runningMean", "encoder.layers.1.runningVariance"];

describe("freeze", () => {
  it.each<[string, Parameters<typeof freeze>[1], readonly number[]]>([
    ["a holder", "encoder", [4, 5]],
    ["a path", "head.bias", [0, 1, 2, 3, 4]],
    ["several", ["encoder.layers.0", "head.weight"], [2, 3, 5]],
    ["a pattern", /weight$/, [1, 3, 5]],
    ["a pattern with a memory", /bias$/g, [0, 2, 4]],
    ["a function", (path) => !path.startsWith("head."), [4, 5]],
    ["all", /./, []],
  ])("%s", (_, at, learned) => {
    const model = new Model();
    const [trainable, frozen] = freeze(model, at);
    expect(paths(trainable)).toEqual(learned.map((i) => parameters[i]));
    expect(paths(frozen)).toEqual(paths(model).filter((path) => !paths(trainable).includes(path)));
    expect(paths(frozen)).toEqual(expect.arrayContaining(running));
    expect(namedLeaves(combine(trainable, frozen))).toEqual(namedLeaves(model));
  });

  it("does not take a prefix of a name for a holder", () => {
    expect(() => freeze(new Model(), "enc")).toThrow("freeze: no parameter is at enc; the paths are encoder.layers.0.weight, ");
    expect(() => freeze({ a: 1 }, "a")).toThrow("freeze: no parameter is at a; give a tree with parameters");
  });

  it("keeps what is frozen still, and gives the optimizer the rest only", async () => {
    const model = new Model();
    const [trainable, frozen] = freeze(model, "encoder");
    const [x, y] = [normal(key(1), [8, 3]) as Tensor, normal(key(2), [8, 2]) as Tensor];
    const loss = (part: Model): Tensor => sum(square(sub(combine(part, frozen).forward(x), y)));
    const optimizer = adam({ learningRate: 0.1 });
    const step = compile((part: Model, state: State) => optimizer.update(grad(loss)(part), state, part));
    let part = trainable;
    let state = optimizer.init(part);
    const moments = namedLeaves(state.links).map(([path]) => path).filter((path) => path.includes("encoder") || path.includes("head"));
    expect(moments.length).toBeGreaterThan(0);
    expect(moments.filter((path) => path.includes("encoder"))).toEqual([]);
    for (let i = 0; i < 3; i++) [part, state] = step(part, state);
    expect(step.traces).toBe(1);
    const tuned = combine(part, frozen);
    expect(tuned).toBeInstanceOf(Model);
    const [before, after] = [new Map(namedLeaves(model)), new Map(namedLeaves(tuned))];
    for (const path of paths(model)) {
      const isSame = after.get(path) === before.get(path);
      expect(isSame, path).toBe(!path.startsWith("head"));
    }
    expect(await loss(part).item()).toBeLessThan(await loss(trainable).item());
  });
});

it("keeps running statistics moving while parameters are frozen", async () => {
  const make = () => new Sequential(new BatchNorm(3), new Linear(3, 2, { key: key(0) }));
  let model = make();
  const x = add(normal(key(1), [16, 3]), 5) as Tensor;
  const optimizer = adam({ learningRate: 0.1 });
  let [trainable, frozen] = freeze(model, "layers.0");
  let state = optimizer.init(trainable);
  for (let i = 0; i < 3; i++) {
    const [gradient, next] = grad((part: typeof model) => {
      const [y, after] = advance(combine(part, frozen), x, { key: key(2 + i) });
      return [sum(square(y)), after] as const;
    }, { hasAux: true })(trainable);
    [trainable, state] = optimizer.update(gradient, state, trainable);
    [, frozen] = freeze(next, "layers.0");
    model = combine(trainable, frozen);
  }
  expect(await model.layers[0].weight!.array()).toEqual([1, 1, 1]);
  const means = (await model.layers[0].runningMean.array()) as number[];
  const batch = (await mean(x, { axis: 0 }).array()) as number[];
  means.forEach((value, i) => expect(value).toBeCloseTo(batch[i]! * (1 - 0.9 ** 3), 4));
  expect(await model.layers[1].weight.array()).not.toEqual(await make().layers[1].weight.array());
});

describe("unfreeze", () => {
  it("moves parameters back, layer by layer", () => {
    const model = new Model();
    let [trainable, frozen] = freeze(model, "encoder");
    [trainable, frozen] = unfreeze(trainable, frozen, "encoder.layers.1");
    expect(paths(trainable)).toEqual(parameters.slice(2));
    [trainable, frozen] = unfreeze(trainable, frozen, "encoder");
    expect(paths(trainable)).toEqual(parameters);
    expect(paths(frozen)).toEqual(running);
    expect(() => unfreeze(trainable, frozen, "encoder")).toThrow("unfreeze: no parameter is at encoder");
  });
});

/** A model whose adapters have learned something. */
function stirred<T>(model: T): T {
  const [adapters, rest] = partition(model, isLora);
  let seed = 50;
  return combine(mapTree((leaf) => normal(key(seed++), leaf.shape, { dtype: "float64" }), adapters), rest);
}

describe("lora", () => {
  const float64 = { dtype: "float64" } as const;
  const x = normal(key(1), [5, 6], float64);
  const layer = new Linear(6, 4, { key: key(0), ...float64 });
  const model = new Sequential(new Linear(6, 8, { key: key(2), ...float64 }), relu, new Linear(8, 3, { key: key(3), ...float64 }));

  it("begins as the model was, with few new parameters", async () => {
    const adapted = lora(model, { rank: 2, key: key(4) });
    const names = ["base.weight", "base.bias", "loraDown", "loraUp"];
    expect(paths(adapted)).toEqual([0, 2].flatMap((at) => names.map((name) => `layers.${at}.${name}`)));
    expectClose(await adapted.forward(x).data(), await model.forward(x).data(), exact, "output");
    expect(parameterCount(adapted) - parameterCount(model)).toBe(2 * (6 + 8) + 2 * (8 + 3));
    const [adapters] = partition(adapted, isLora);
    expect(paths(adapters).every(isLora)).toBe(true);
    expect(model.layers[0]).toBeInstanceOf(Linear);
    expect(summary(adapted, [1, 6], float64).rows.map(({ layer: name, parameters: count }) => [name, count])).toEqual([
      ["Linear", 56], ["LoraLinear", 28], ["Linear", 27], ["LoraLinear", 22],
    ]);
  });

  it.each([[1, undefined], [3, 6], [4, 1]])("of rank %i and alpha %s is scale · up · down on the weight", async (rank, alpha) => {
    const options = { rank, key: key(4), ...(alpha !== undefined && { alpha }) };
    const adapted = stirred(lora(layer, options)) as unknown as LoraLinear;
    const tensors: Tensor[] = [layer.weight, adapted.loraDown, adapted.loraUp];
    const [w, down, up] = (await Promise.all(tensors.map((each) => each.array()))) as number[][][];
    const change = (o: number, i: number): number => down!.reduce((total, each, r) => total + up![o]![r]! * each[i]!, 0);
    const wanted = w!.map((row, o) => row.map((value, i) => value + ((alpha ?? rank) / rank) * change(o, i)));
    expect(adapted).toBeInstanceOf(LoraLinear);
    expectClose(await adapted.weight.data(), wanted.flat(), exact, "weight");
    const merged = mergeLora<Linear>(adapted);
    expect(merged).toBeInstanceOf(Linear);
    expectClose(await merged.forward(x as Tensor).data(), await (adapted as LoraLinear).forward(x as Tensor).data(), exact, "output");
  });

  it("merges into layers of the same paths and shapes", async () => {
    const adapted = stirred(lora(model, { rank: 2, alpha: 4, key: key(4) }));
    const merged = mergeLora(adapted);
    const shapes = (tree: unknown): unknown => namedLeaves(tree).map(([path, leaf]) => [path, leaf.shape]);
    expect(shapes(merged)).toEqual(shapes(model));
    expectClose(await merged.forward(x).data(), await adapted.forward(x).data(), exact, "output");
    const [was, is] = [await model.forward(x).data(), await merged.forward(x).data()];
    expect(was).not.toEqual(is);
  });

  it("adapts what paths choose, in models of any class", () => {
    const attention = new MultiHeadAttention(8, 2, { key: key(0) });
    const adapted = lora({ attention, head: new Linear(8, 2, { key: key(1) }) }, { rank: 2, key: key(2), paths: /queries|values/ });
    expect(adapted.attention).toBeInstanceOf(MultiHeadAttention);
    const wanted = ["queries", "values"].flatMap((name) => ["loraDown", "loraUp"].map((part) => `attention.${name}.${part}`));
    expect(paths(adapted).filter(isLora)).toEqual(wanted);
    expect(adapted.attention.forward(normal(key(3), [1, 2, 8])).shape).toEqual([1, 2, 8]);
  });

  it("gives a layer that stands at two places one adapter", () => {
    const shared = new Linear(4, 4, { key: key(0) });
    const tied = lora(new Sequential(shared, relu, shared), { rank: 1, key: key(1) });
    expect(parameterCount(tied)).toBe(20 + 8);
    expect(parameterCount(mergeLora(tied))).toBe(20);
  });

  it("learns what the rank allows, with the base frozen", async () => {
    const base = new Linear(4, 4, { key: key(0), bias: false });
    const change = tensor([[1, 2, 0, 1], [2, 4, 0, 2], [0, 0, 0, 0], [-1, -2, 0, -1]]);
    const target = Linear.of(sub(base.weight, change));
    const inputs = normal(key(5), [16, 4]);
    const [adapters, rest] = partition(lora(base, { rank: 1, key: key(1) }), isLora);
    const wanted = target.forward(inputs);
    const loss = (part: typeof base): Tensor => sum(square(sub(combine(part, rest).forward(inputs), wanted)));
    const optimizer = adam({ learningRate: 0.1 });
    const step = compile((part: typeof base, state: State) => optimizer.update(grad(loss)(part), state, part));
    let [part, state] = [adapters, optimizer.init(adapters)];
    const first = await loss(part).item();
    for (let i = 0; i < 400; i++) [part, state] = step(part, state);
    expect(await loss(part).item()).toBeLessThan(1e-4 * first);
  });

  it("refuses what has no adapter", () => {
    expect(() => lora(layer, { rank: 5, key: key(0) })).toThrow("lora: rank 5 for a weight [4, 6]; use at most the smaller side");
    expect(() => lora({ norm: new BatchNorm(3) }, { key: key(0) })).toThrow("lora: there is no linear layer");
    expect(() => lora(model, { key: key(0), paths: "layers.7" })).toThrow("there is no linear layer at layers.7");
    expect(() => lora(layer, {} as never)).toThrow("lora: there is no key");
    expect(isParameter("loraDown", layer.weight)).toBe(true);
  });
});
