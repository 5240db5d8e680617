/** Chains: clipping and averages against PyTorch, what is updated and what is not, rates from the host, errors. */
import { beforeAll, describe, expect, it } from "vitest";
import { valueAndGrad } from "@dormouse/autograd";
import { reference } from "@dormouse/backend-cpu/reference";
import { type Tensor, compile, mul, partition, setDevice, square, sum, tensor, zeros } from "@dormouse/tensor";
import {
  type AdamOptions, type Optimizer, type State, adadelta, adagrad, adam, adamW, addDecayedWeights, chain, clipByGlobalNorm,
  clipByValue, cosineDecay, ema, globalNorm, learningRateOf, lion, nadam, radam, rmsprop, rprop, scaleByAdam,
  scaleByLearningRate, sgd, withLearningRate,
} from "../src/index.ts";
import { type Tolerance, expectClose, fixture } from "./expect.ts";

interface Array64 {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}
interface ClipCase {
  readonly id: string;
  readonly op: string;
  readonly max_norm: number;
  readonly norm_type: number | "inf";
  readonly clip_value: number;
  readonly in: readonly Array64[];
  readonly out: readonly Array64[];
  readonly total_norm?: number;
}

beforeAll(async () => {
  setDevice(await reference());
});

const toTensor = ({ data, shape }: Array64): Tensor => tensor(data, { shape, dtype: "float64" });
const exact: Tolerance = { rtol: 1e-12, atol: 1e-14 };

describe("clipping", () => {
  it.each(fixture<{ readonly cases: readonly ClipCase[] }>("clipping").cases)("$id", async (each) => {
    const p = each.norm_type === "inf" ? Infinity : each.norm_type;
    const gradient = each.in.map(toTensor);
    const clip = each.op === "clip_grad_norm" ? clipByGlobalNorm(each.max_norm, { p }) : clipByValue(each.clip_value);
    if (each.total_norm !== undefined) expectClose(await globalNorm(gradient, { p }).data(), [each.total_norm], exact, "norm");
    const optimizer = chain(clip, sgd({ learningRate: 1 }));
    const start = gradient.map((g) => zeros(g.shape, { dtype: "float64" }));
    const [next] = optimizer.update(gradient, optimizer.init(start), start);
    for (const [i, wanted] of each.out.entries()) expectClose(await next[i]!.data(), wanted.data.map((x) => -x), exact, `tensor ${i}`);
  });

  it("leaves zeros and nothing alone", async () => {
    expect(await globalNorm({}).item()).toBe(0);
    expect(await globalNorm([zeros([0]), zeros([2])], { p: Infinity }).item()).toBe(0);
    const optimizer = chain(clipByGlobalNorm(1), sgd({ learningRate: 1 }));
    const [next] = optimizer.update(zeros([2]), optimizer.init(zeros([2])), zeros([2]));
    expect(Array.from(await next.data(), Math.abs)).toEqual([0, 0]);
  });
});

it("ema", async () => {
  const { ema: each } = fixture<{ readonly ema: { decay: number; init: Array64; values: Array64; expected: number[][] } }>("optimizers");
  let average = toTensor(each.init);
  for (const [t, wanted] of each.expected.entries()) {
    const value = tensor(each.values.data.slice(5 * t, 5 * t + 5), { dtype: "float64" });
    average = ema(average, value, { decay: each.decay });
    expectClose(await average.data(), wanted, { rtol: 1e-12, atol: 1e-13 }, `step ${t}`);
  }
});

describe("what is updated", () => {
  class Model {
    weight = tensor([1, 2]) as Tensor;
    twice = this.weight;
    exact = tensor([3], { dtype: "float64" }) as Tensor;
    count = tensor([7], { dtype: "int32" }) as Tensor;
    runningMean = tensor([5]) as Tensor;
    readonly name = "model";
  }

  it("float leaves, ties kept, the rest handed through, one shared zero taken for several slopes", async () => {
    const optimizer = sgd({ learningRate: 0.5, weightDecay: 0.1 });
    const model = new Model();
    const zero = tensor([0]) as Tensor;
    const gradient: Model = Object.assign(new Model(), { exact: tensor([2], { dtype: "float64" }), count: model.count, runningMean: zero });
    const [next] = optimizer.update(gradient, optimizer.init(model), model);
    expect(next).toBeInstanceOf(Model);
    expect(next.twice).toBe(next.weight);
    expect(next.count).toBe(model.count);
    expectClose(await next.weight.data(), [1 - 0.5 * 1.1, 2 - 0.5 * 2.2], { rtol: 1e-6, atol: 0 }, "weight");
    expectClose(await next.exact.data(), [3 - 0.5 * (2 + 0.1 * 3)], exact, "exact");
    expect(await next.runningMean.array()).toEqual([5]);
    const pair = { a: tensor([1]) as Tensor, b: tensor([2]) as Tensor };
    const [same] = optimizer.update({ a: zero, b: zero }, optimizer.init(pair), pair);
    expectClose([...(await same.a.data()), ...(await same.b.data())], [0.95, 1.9], { rtol: 1e-6, atol: 0 }, "shared zero");
  });

  it("the selected half of a partition", async () => {
    const [head] = partition({ head: tensor([1]) as Tensor, body: tensor([2]) as Tensor }, (path) => path === "head");
    const optimizer = adam();
    const [next, state] = optimizer.update(head, optimizer.init(head), head);
    expect(next.body).toBeNull();
    expect(Object.keys(state.links[0] as object)).toEqual(["head"]);
  });

  it("decays only what is asked", async () => {
    const params = { weight: tensor([1]) as Tensor, bias: tensor([1]) as Tensor };
    const optimizer = adamW({ learningRate: 0.1, weightDecay: 0.5, decays: (path) => path !== "bias" });
    const still = { weight: tensor([0]) as Tensor, bias: tensor([0]) as Tensor };
    const [next] = optimizer.update(still, optimizer.init(params), params);
    expectClose([...(await next.weight.data()), ...(await next.bias.data())], [0.95, 1], { rtol: 1e-6, atol: 0 }, "params");
  });
});

describe("known steps", () => {
  const square0 = (optimizer: Optimizer, g: number[], start = 0): Promise<number[]> => {
    let p: Tensor = tensor([start], { dtype: "float64" });
    let state = optimizer.init(p);
    for (const each of g) [p, state] = optimizer.update(tensor([each], { dtype: "float64" }) as Tensor, state, p);
    return p.array() as Promise<number[]>;
  };

  it.each<[string, Optimizer, number]>([
    ["adagrad", adagrad({ learningRate: 1, eps: 0.44, epsInsideSqrt: true }), -1 / 1.2],
    ["rmsprop", rmsprop({ learningRate: 1, decay: 0.5, eps: 0.94, epsInsideSqrt: true }), -1 / 1.2],
    ["adam", adam({ learningRate: 1, eps: 0.44, epsInsideSqrt: true }), -1 / 1.2],
    ["nadam", nadam({ learningRate: 1, betas: [0, 0.999], eps: 0.44, epsInsideSqrt: true }), -1 / 1.2],
  ])("%s with ε inside the root: 1 / √(1 + 0.44)", async (_, optimizer, wanted) => {
    expect((await square0(optimizer, [1]))[0]).toBeCloseTo(wanted, 12);
  });

  it("a gradient of zero after one: Adam's effective rate is 1.41", async () => {
    const [p1] = await square0(adam({ learningRate: 1, betas: [0, 0.999], eps: 0 }), [1]);
    expect(p1).toBeCloseTo(-1, 12);
    const v = (0.999 * 0.001) / (1 - 0.999 ** 2);
    expect(1 / Math.sqrt(v)).toBeCloseTo(1.4146, 3);
    const [p2] = await square0(adam({ learningRate: 1, betas: [0.9, 0.999], eps: 0 }), [1, 0]);
    expect(p2).toBeCloseTo(-1 - (0.09 / (1 - 0.81)) / Math.sqrt(v), 10);
  });

  it.each<[string, (options: AdamOptions) => Optimizer]>([
    ["adamW", adamW],
    ["nadam", (options) => nadam({ ...options, decoupled: true })],
    ["radam", (options) => radam({ ...options, decoupled: true })],
  ])("decay apart from the rule: %s shrinks a weight without a gradient by rate · decay", async (_, make) => {
    const [p] = await square0(make({ learningRate: 0.5, weightDecay: 0.1 }), [0, 0], 2);
    expect(p).toBeCloseTo(2 * 0.95 ** 2, 12);
    // With a gradient the rule sees nothing of it: what is left after the shrinking is the step without decay.
    const [plain] = await square0(make({ learningRate: 0.5, weightDecay: 0 }), [1], 2);
    const [decayed] = await square0(make({ learningRate: 0.5, weightDecay: 0.1 }), [1], 2);
    expect(decayed! - plain!).toBeCloseTo(-0.5 * 0.1 * 2, 12);
  });

  it("momentum is a sum of gradients that fade", async () => {
    const [p] = await square0(sgd({ learningRate: 1, momentum: 0.5 }), [1, 2, 4]);
    expect(p).toBe(-(1 + (2 + 0.5) + (4 + 1 + 0.25)));
  });
});

describe("rates", () => {
  it("follow a schedule in a compiled step that is traced once", async () => {
    const optimizer = chain(clipByGlobalNorm(1), adamW({ learningRate: cosineDecay(1e-3, 5), weightDecay: 1e-2 }));
    let params = { w: tensor([1, -2]) as Tensor };
    let state = optimizer.init(params);
    const step = compile((p: typeof params, s: State) => {
      const [loss, gradient] = valueAndGrad((q: typeof params) => sum(square(q.w)))(p);
      const [next, nextState] = optimizer.update(gradient, s, p);
      return [next, nextState, loss] as const;
    });
    for (let t = 0; t < 7; t++) {
      const wanted = t < 5 ? 5e-4 * (1 + Math.cos((Math.PI * t) / 5)) : 0;
      expectClose(await learningRateOf(state).data(), [wanted], { rtol: 1e-5, atol: 1e-10 }, `rate ${t}`);
      [params, state] = step(params, state);
    }
    expect(step.traces).toBe(1);
    expect(() => withLearningRate(state, 1)).toThrow("withLearningRate: a schedule decides the rate");
  });

  it("come from the host without another trace", async () => {
    const optimizer = sgd({ learningRate: 0.5 });
    let p = tensor([1]) as Tensor;
    let state = optimizer.init(p);
    const step = compile((q: Tensor, s: State) => optimizer.update(mul(q, 1), s, q));
    [p, state] = step(p, state);
    [p, state] = step(p, withLearningRate(state, 0.25));
    [p] = step(p, state);
    expect(await p.array()).toEqual([0.5 * 0.75 * 0.75]);
    expect(step.traces).toBe(1);
    expect(() => learningRateOf(rprop().init(p))).toThrow("learningRateOf: the optimizer has no learning rate");
  });
});

describe("errors name the place", () => {
  const optimizer = adam();
  const params = { w: tensor([1, 2]) as Tensor };
  it.each<[string, () => unknown, RegExp]>([
    ["another tree", () => optimizer.update({ v: params.w } as never, optimizer.init(params), params), /update: the gradient differs from the parameters/],
    ["another shape", () => optimizer.update({ w: zeros([3]) as Tensor }, optimizer.init(params), params), /update: the gradient at w is \[3\], the parameter \[2\]/],
    ["another dtype", () => optimizer.update({ w: zeros([2], { dtype: "float64" }) as Tensor }, optimizer.init(params), params), /at w is float64, the parameter float32/],
    ["state of others", () => optimizer.update(params, optimizer.init({ v: params.w }), params), /the state has nothing for w/],
    ["state of another chain", () => optimizer.update(params, rprop().init(params), params), /the state has 1 links and the optimizer 2/],
    ["a bad beta", () => adam({ betas: [0.9, 1] }), /adam: betas\[1\] is 1; use a number of at least 0 and below 1/],
    ["a momentum", () => sgd({ momentum: -1 }), /^ValueError: sgd: momentum is -1; use a finite number of at least 0/],
    ["a rate", () => adamW({ learningRate: -1 }), /^ValueError: adamW: learningRate is -1/],
    ["a rate that is none", () => nadam({ learningRate: NaN }), /^ValueError: nadam: learningRate is NaN/],
    ["a decay of weights", () => lion({ weightDecay: -0.1 }), /^ValueError: lion: weightDecay is -0.1/],
    ["a decay of averages", () => rmsprop({ decay: 1 }), /^ValueError: rmsprop: decay is 1; use a number of at least 0 and below 1/],
    ["a negative eps", () => adadelta({ eps: -1 }), /^ValueError: adadelta: eps is -1/],
    ["a sum below 0", () => adagrad({ initialAccumulator: -1 }), /^ValueError: adagrad: initialAccumulator is -1/],
    ["a decay of the rate", () => adagrad({ rateDecay: -1 }), /^ValueError: adagrad: rateDecay is -1/],
    ["a size of steps", () => rprop({ learningRate: -1 }), /^ValueError: rprop: learningRate is -1/],
    ["a link by itself", () => scaleByAdam({ betas: [2, 0] }), /^ValueError: scaleByAdam: betas\[0\] is 2/],
    ["an empty chain", () => chain(), /chain: there is no transform/],
    ["a negative decay", () => addDecayedWeights(-1), /decay is -1/],
    ["a negative rate", () => scaleByLearningRate(-1), /scaleByLearningRate: the rate is -1/],
  ])("%s", (_, act, message) => {
    let error: unknown;
    try {
      act();
    } catch (thrown) {
      error = thrown;
    }
    expect(String(error)).toMatch(message);
  });
});
