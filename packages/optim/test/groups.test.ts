/** Groups by path against PyTorch's, gathered gradients against large batches, averages of weights; all of them compiled. */
import { beforeAll, describe, expect, it } from "vitest";
import { valueAndGrad } from "@dormouse/autograd";
import { reference } from "@dormouse/backend-cpu/reference";
import {
  type Tensor, add, compile, linear, logSoftmax, matmul, mean, mul, neg, oneHot, setDevice, slice, square, sub, sum, tanh, tensor,
} from "@dormouse/tensor";
import {
  type Optimizer, type State, accumulate, adadelta, adagrad, adam, adamW, adamax, addDecayedWeights, asgd, byPath, chain,
  clipByGlobalNorm, cosineDecay, cyclical, ema, frozen, learningRateOf, lion, maxprop, nadam, radam, rmsprop, rprop, scaleByLearningRate,
  sgd, sgdW, stepDecay, swa, weightEma, withLearningRate,
} from "../src/index.ts";
import { type Tolerance, expectClose, fixture } from "./expect.ts";

interface Array64 {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}
type Named<T = Tensor> = Readonly<Record<string, T>>;

beforeAll(async () => {
  setDevice(await reference());
});

const double = (...data: number[]): Tensor => tensor(data, { dtype: "float64" });
const exact: Tolerance = { rtol: 1e-12, atol: 1e-14 };

describe("byPath", () => {
  it("follows PyTorch's parameter groups", async () => {
    const file = fixture<{
      problem: Named<Array64>; groups: { params: string[]; lr: number; momentum: number; weight_decay: number }[];
      loss: number[]; params_final: Named<Array64>; tol: { f64: Tolerance };
    }>("groups");
    const { X, t, ...start } = Object.fromEntries(
      ["X", "t", "w1", "b1", "w2", "b2"].map((name) => {
        const { data, shape } = file.problem[name]!;
        return [name, tensor(data, { shape, dtype: name === "t" ? "int32" : "float64" }) as Tensor];
      }),
    ) as Named;
    const wanted = oneHot(t!, 3, { dtype: "float64" });
    const loss = ({ w1, b1, w2, b2 }: Named): Tensor =>
      neg(mean(sum(mul(wanted, logSoftmax(linear(tanh(linear(X!, w1!, b1!)), w2!, b2!), { axis: 1 })), { axis: 1 })));
    const optimizer = byPath(
      Object.fromEntries(file.groups.map(({ params, lr, momentum, weight_decay }) =>
        [`*${params[0]!.slice(1)}`, sgd({ learningRate: lr, momentum, weightDecay: weight_decay })])),
    );
    const step = compile((params: Named, state: State) => {
      const [value, gradient] = valueAndGrad(loss)(params);
      return [value, ...optimizer.update(gradient, state, params)] as const;
    }, { donate: [0, 1] });
    let params: Named = Object.fromEntries(Object.entries(start).map(([name, each]) => [name, add(each, 0)]));
    let state = optimizer.init(params);
    for (const expected of file.loss) {
      let value: Tensor;
      [value, params, state] = step(params, state);
      expectClose([await value.item()], [expected], file.tol.f64, "loss");
    }
    for (const [name, { data }] of Object.entries(file.params_final)) expectClose(await params[name]!.data(), data, file.tol.f64, name);
    expect(step.traces).toBe(1);
  });

  const params = { embedding: { weight: double(1, 2) }, hidden: [{ weight: double(3), bias: double(4) }], bias: double(5) };
  const slopes = { embedding: { weight: double(1, NaN) }, hidden: [{ weight: double(1), bias: double(1) }], bias: double(1) };

  it("gives a parameter to the first pattern that fits, and leaves frozen ones alone, NaN and decay too", async () => {
    const optimizer = byPath({
      "embedding.*": frozen(),
      "*bias": sgd({ learningRate: 0.25, weightDecay: 0.1 }),
      "hidden.*": sgd({ learningRate: 0.5 }),
    });
    const [next, state] = optimizer.update(slopes, optimizer.init(params), params);
    expect(next.embedding.weight).toBe(params.embedding.weight);
    expect(await next.hidden[0]!.weight.array()).toEqual([2.5]);
    expectClose([await next.hidden[0]!.bias.item(), await next.bias.item()], [4 - 0.25 * 1.4, 5 - 0.25 * 1.5], exact, "bias");
    expect(await state.step.item()).toBe(1);
  });

  it("is a link of a chain, before and after others", async () => {
    const gradient = { a: double(3), b: double(4) };
    const optimizer = chain(clipByGlobalNorm(1), byPath({ a: frozen(), "*": addDecayedWeights(0) }), scaleByLearningRate(1));
    const start = { a: double(0), b: double(0) };
    const [next, state] = optimizer.update(gradient, optimizer.init(start), start);
    expect(next.a).toBe(start.a);
    // The norm of all groups is 5.
    expectClose(await next.b.data(), [-0.8], { rtol: 1e-6, atol: 0 }, "b");
    expect(await learningRateOf(state).item()).toBe(1);
  });

  it("has one structure for ever, where an optimizer follows a frozen group", () => {
    const start = { a: double(1), b: double(1) };
    const optimizer = chain(byPath({ a: frozen(), "*": addDecayedWeights(0) }), adam());
    const step = compile((p: typeof start, s: State) => optimizer.update(p, s, p));
    let [p, s] = step(start, optimizer.init(start));
    [p, s] = step(p, s);
    step(p, s);
    expect(step.traces).toBe(1);
  });

  it("keeps a rate for every group, scheduled or from the host", async () => {
    const optimizer = byPath({ a: sgd({ learningRate: stepDecay(1, { every: 1, factor: 0.5 }) }), "*": adam({ learningRate: 0.5 }) });
    const start = { a: double(1), b: double(1) };
    const step = compile((p: typeof start, s: State) => optimizer.update(p, s, p));
    const first = step(start, optimizer.init(start));
    let s = first[1];
    const of = (group: string): Promise<number> => learningRateOf(s, { group }).item();
    expect([await of("a"), await of("*")]).toEqual([0.5, 0.5]);
    s = withLearningRate(s, 0.125, { group: "*" });
    [, s] = step(first[0], s);
    expect([await of("a"), await of("*")]).toEqual([0.25, 0.125]);
    expect(step.traces).toBe(1);
    expect(() => learningRateOf(s)).toThrow(`learningRateOf: several groups have rates of their own; give { group } as one of "a", "*"`);
    expect(() => withLearningRate(s, 1, { group: "a" })).toThrow("a schedule decides the rate");
    expect(() => withLearningRate(s, 1, { group: "c" })).toThrow(`no group "c" has a rate`);
  });

  it.each<[string, () => unknown, RegExp]>([
    ["no group", () => byPath({}), /byPath: there is no group/],
    ["a parameter without one", () => byPath({ "hidden.*": sgd() }).init(params), /byPath: no pattern fits embedding.weight; add a group for it, or "\*"/],
    ["a name spelled wrong", () => byPath({ "hiden.*": sgd(), "*": sgd() }).init(params), /byPath: no parameter fits "hiden\.\*"; the parameters are embedding.weight, hidden.0.weight/],
    ["a dot that is none", () => byPath({ "hidden.0xweight": sgd(), "*": sgd() }).init(params), /no parameter fits/],
  ])("refuses %s", (_, act, message) => {
    expect(act).toThrow(message);
  });
});

describe("accumulate", () => {
  /** Everything with a state of another shape. */
  const optimizers: readonly [string, () => Optimizer][] = [
    ["sgd", () => sgd({ learningRate: 0.1, momentum: 0.9, nesterov: true, dampening: 0 })],
    ["dampened sgd", () => sgd({ learningRate: 0.1, momentum: 0.9, dampening: 0.5 })],
    ["adamW", () => adamW({ learningRate: cosineDecay(0.1, 5), amsgrad: true })],
    ["nadam", () => nadam({ learningRate: 0.1, weightDecay: 0.1 })],
    ["radam", () => radam({ betas: [0.9, 0.9] })],
    ["clipped", () => chain(clipByGlobalNorm(0.1), rmsprop({ centered: true, momentum: 0.5 }))],
    ["groups", () => byPath({ w: adagrad({ rateDecay: 0.1 }), "*": frozen() })],
    ["adadelta", () => adadelta()],
    ["adamax", () => adamax()],
    ["maxprop", () => maxprop()],
    ["lion", () => lion({ weightDecay: 0.1 })],
    ["rprop", () => rprop()],
    ["asgd", () => asgd()],
    ["sgdW", () => sgdW({ learningRate: 0.1, momentum: 0.5 })],
  ];
  // Dyadic numbers, whose sums are exact in any order.
  const x = tensor(Array.from({ length: 12 }, (_, i) => [((i * 7) % 16) / 8, ((i * 5) % 8) / 4 - 1]), { dtype: "float64" });
  const y = tensor(Array.from({ length: 12 }, (_, i) => ((i * 3) % 16) / 4 - 2), { dtype: "float64" });
  const start = { w: double(0.5, -0.25), b: double(0.125) };
  const lossOf = (rows: readonly [number, number]) => (p: typeof start): Tensor =>
    mean(square(sub(add(matmul(slice(x, [rows]), p.w), p.b), slice(y, [rows]))));

  it.each(optimizers)("%s: four batches of three are one of twelve, bit for bit", async (_, make) => {
    const [whole, gathered] = [make(), accumulate(make(), { steps: 4 })];
    // The gradient of the large batch as the mean of those of its parts: in other orders sums may round otherwise later on.
    const partOf = (p: typeof start, i: number): typeof start => valueAndGrad(lossOf([3 * i, 3 * i + 3]))(p)[1];
    const gather = compile((p: typeof start, s: State, g: typeof start) => gathered.update(g, s, p));
    let [large, largeState] = [start, whole.init(start)];
    let [small, smallState] = [start, gathered.init(start)];
    for (let round = 0; round < 3; round++) {
      const parts = [0, 1, 2, 3].map((i) => partOf(large, i));
      const total = (name: "w" | "b"): Tensor => mul(parts.map((part) => part[name]).reduce((a, b) => add(a, b)), 0.25);
      [large, largeState] = whole.update({ w: total("w"), b: total("b") }, largeState, large);
      for (let i = 0; i < 4; i++) {
        const before = await small.w.array();
        [small, smallState] = gather(small, smallState, partOf(small, i));
        if (i < 3) expect(await small.w.array()).toEqual(before);
      }
      expect(await small.w.array()).toEqual(await large.w.array());
      expect(await small.b.array()).toEqual(await large.b.array());
    }
    expect(await smallState.step.item()).toBe(12);
    expect(gather.traces).toBe(1);
  });

  it("is the gradient of the large batch itself", async () => {
    const gathered = accumulate(sgd({ learningRate: 0.5 }), { steps: 4 });
    let [p, state] = [start, gathered.init(start)];
    for (let i = 0; i < 4; i++) [p, state] = gathered.update(valueAndGrad(lossOf([3 * i, 3 * i + 3]))(start)[1], state, p);
    const [, gradient] = valueAndGrad(lossOf([0, 12]))(start);
    const [wanted] = sgd({ learningRate: 0.5 }).update(gradient, sgd({ learningRate: 0.5 }).init(start), start);
    expectClose(await p.w.data(), await wanted.w.data(), { rtol: 1e-15, atol: 1e-16 }, "w");
  });

  it("sums on demand, forgets what was used, and shows its rate", async () => {
    const optimizer = accumulate(sgd({ learningRate: 1 }), { steps: 2, reduction: "sum" });
    let [p, state]: [Tensor, State] = [double(0), optimizer.init(double(0))];
    for (const g of [1, 2, 4, 8]) [p, state] = optimizer.update(double(g), state, p);
    expect(await p.array()).toEqual([-15]);
    state = withLearningRate(state, 0.5);
    expect(await learningRateOf(state).item()).toBe(0.5);
    for (const g of [1, 1]) [p, state] = optimizer.update(double(g), state, p);
    expect(await p.array()).toEqual([-16]);
  });

  it("refuses no steps and another reduction", () => {
    expect(() => accumulate(sgd(), { steps: 0 })).toThrow("accumulate: steps is 0; use a whole number of at least 1");
    expect(() => accumulate(sgd(), { steps: 2, reduction: "max" as "sum" })).toThrow(`accumulate: reduction is "max"`);
  });
});

describe("averages", () => {
  const follow = async (averaging: ReturnType<typeof swa>, values: readonly number[]): Promise<number[]> => {
    const step = compile((average: ReturnType<typeof averaging.init<Tensor>>, p: Tensor) => averaging.update(average, p), { donate: [0] });
    let average = averaging.init(double(100));
    const seen: number[] = [];
    for (const value of values) {
      average = step(average, double(value));
      seen.push((await average.value.data())[0]!);
    }
    expect(step.traces).toBe(1);
    return seen;
  };

  it.each<[string, Parameters<typeof swa>[0], number[]]>([
    ["from the first on", {}, [1, 1.5, 7 / 3, 15 / 4, 31 / 5, 63 / 6]],
    ["from the third on: the last weights before", { start: 2 }, [1, 2, 4, 6, 28 / 3, 15]],
    ["every second", { every: 2 }, [1, 1, 2.5, 2.5, 7, 7]],
    ["every second from the second on", { start: 1, every: 2 }, [1, 2, 2, 5, 5, 14]],
  ])("swa is a mean, %s", async (_, options, wanted) => {
    expectClose(await follow(swa(options), [1, 2, 4, 8, 16, 32]), wanted, exact, "means");
  });

  it("weightEma is ema from its start on", async () => {
    const values = [3, -1, 4, 1, -5];
    let average: Tensor = double(4);
    const wanted = [3, -1, 4];
    for (const value of values.slice(3)) {
      average = ema(average, double(value), { decay: 0.75 });
      wanted.push((await average.data())[0]!);
    }
    expectClose(await follow(weightEma({ decay: 0.75, start: 2 }), values), wanted, exact, "averages");
  });

  it("takes the weights at the low points of a rate that cycles", async () => {
    const rate = cyclical(0.1, 0.5, { up: 1, down: 3 });
    const rates = await Promise.all([0, 1, 2, 3, 4, 5, 6, 7, 8].map((t) => rate(tensor(t, { dtype: "float64" }) as Tensor<[]>).item()));
    expect([0, 4, 8].every((t) => rates[t] === Math.min(...rates))).toBe(true);
    expectClose(await follow(swa({ start: 0, every: 4 }), [10, 1, 1, 1, 20, 1, 1, 1, 60]), [10, 10, 10, 10, 15, 15, 15, 15, 30], exact, "cycle");
  });

  it("outlives a model whose memory is donated, and takes other tensors as they are", async () => {
    const model = { w: double(1), count: tensor([1], { dtype: "int32" }) as Tensor, on: tensor([true]) as Tensor, name: "model" };
    const averaging = swa();
    let average = averaging.init(model);
    const step = compile((m: typeof model) => ({ ...m, w: mul(m.w, 3), count: add(m.count, 1) }), { donate: [0] });
    let next = model;
    for (let t = 0; t < 2; t++) {
      next = step(next);
      average = averaging.update(average, next);
    }
    expect(await average.value.w.array()).toEqual([6]);
    expect(await average.value.count.array()).toEqual([3]);
    expect(await average.value.on.array()).toEqual([true]);
    expect(average.value.name).toBe("model");
    expect([await average.calls.item(), await average.count.item()]).toEqual([2, 2]);
  });

  it("asgd with swa is PyTorch's ASGD", async () => {
    const [rate, lambda, alpha, start, decay] = [0.1, 0.01, 0.75, 3, 0.05];
    const optimizer = asgd({ learningRate: rate, shrink: lambda, power: alpha, weightDecay: decay });
    const averaging = swa({ start: start + 1 });
    let [p, state]: [Tensor, State] = [double(2), optimizer.init(double(2))];
    let average = averaging.init(p);
    // The documented algorithm, number by number.
    let [w, middle, eta, mu] = [2, 0, rate, 1];
    for (let t = 1; t <= 20; t++) {
      const g = w - 1 + decay * w;
      w = w * (1 - lambda * eta) - eta * g;
      middle = mu === 1 ? w : middle + (w - middle) * mu;
      eta = rate / (1 + lambda * rate * t) ** alpha;
      mu = 1 / Math.max(1, t - start);
      [p, state] = optimizer.update(sub(p, 1), state, p);
      average = averaging.update(average, p);
      expectClose(await p.data(), [w], exact, `w at ${t}`);
      expectClose(await average.value.data(), [middle], exact, `mean at ${t}`);
    }
  });

  it("refuses a start and a pace that are none", () => {
    expect(() => swa({ start: -1 })).toThrow("swa: start is -1; use a whole number of at least 0");
    expect(() => weightEma({ every: 0 })).toThrow("weightEma: every is 0");
    expect(() => weightEma({ decay: 1 })).toThrow("weightEma: decay is 1");
  });
});
