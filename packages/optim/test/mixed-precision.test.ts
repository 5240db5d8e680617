/** Mixed precision: the loss scale as a state machine, and what float16 does to gradients with and without it. */
import { beforeAll, describe, expect, it } from "vitest";
import { grad, jvp, valueAndGrad, vmap } from "@dormouse/autograd";
import { cpu } from "@dormouse/backend-cpu";
import { reference } from "@dormouse/backend-cpu/reference";
import {
  type Tensor, add, cast, compile, full, matmul, mean, mul, setDevice, square, sub, sum, tensor, treeLeaves,
} from "@dormouse/tensor";
import type { Device } from "@dormouse/tensor/graph";
import {
  type Optimizer, type State, accumulate, adamW, chain, clipByGlobalNorm, cosineDecay, dynamicLossScale, ema, globalNorm,
  learningRateOf, lossScaleOf, mixedPrecision, sgd, skippedStepsOf, withLearningRate,
} from "../src/index.ts";

let devices: Device[];
beforeAll(async () => {
  devices = [await reference(), await cpu({ threads: 1 })];
  setDevice(devices[0]!);
});

const bits = async (tree: unknown): Promise<string[]> =>
  Promise.all(treeLeaves(tree).map(async (leaf) => Buffer.from((await leaf.data()).slice().buffer).toString("hex")));

/** Scale, updates done and steps left out. */
const read = async (state: State): Promise<number[]> =>
  Promise.all([lossScaleOf(state), state.step, skippedStepsOf(state)].map((each) => each.item()));

const start = { w: tensor([1, -0, 3e-8]), b: tensor(2) };
const slope = (value: number) => ({ w: tensor([value, -1, 0.5]), b: tensor(0.25) });

describe("dynamicLossScale", () => {
  it("is the optimizer itself while gradients are finite, bit for bit", async () => {
    const plain = chain(clipByGlobalNorm(1), adamW({ learningRate: cosineDecay(0.1, 10) }));
    const scaled = dynamicLossScale(plain);
    let [a, b] = [start, start];
    let [s, t] = [plain.init(a), scaled.init(b)];
    for (let i = 0; i < 5; i++) {
      [a, s] = plain.update(slope(i), s, a);
      [b, t] = scaled.update(slope(i), t, b);
      expect(await bits(b)).toEqual(await bits(a));
    }
    expect(await read(t)).toEqual([65536, 5, 0]);
    expect(await learningRateOf(t).item()).toBe(await learningRateOf(s).item());
  });

  it.each([NaN, Infinity, -Infinity])("leaves a step with %d out, and halves", async (value) => {
    const optimizer = dynamicLossScale(adamW({ learningRate: cosineDecay(0.1, 10) }));
    const [params, before] = optimizer.update(slope(1), optimizer.init(start), start);
    const [same, after] = optimizer.update(slope(value), before, params);
    expect(await bits(same)).toEqual(await bits(params));
    expect(await read(after)).toEqual([32768, 1, 1]);
    // Moments, rate and counts as if the step had not been: the next step is the one that would have come.
    const [wanted, wantedState] = optimizer.update(slope(2), before, params);
    const [next, nextState] = optimizer.update(slope(2), after, same);
    expect(await bits(next)).toEqual(await bits(wanted));
    expect(await learningRateOf(nextState).item()).toBe(await learningRateOf(wantedState).item());
    expect(await read(nextState)).toEqual([32768, 2, 1]);
  });

  it("grows after so many finite steps in a row, falls at once, and stays in bounds", async () => {
    const optimizer = dynamicLossScale(sgd(), {
      initial: 8, growthInterval: 3, growth: 4, backoff: 0.5, least: 2, greatest: 100,
    });
    let [params, state] = [start, optimizer.init(start)];
    const scales: number[] = [];
    for (const isGood of [1, 1, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]) {
      [params, state] = optimizer.update(slope(isGood ? 1 : NaN), state, params);
      scales.push(await lossScaleOf(state).item());
    }
    // The list of states that the rule of Micikevicius et al. gives, written down by hand.
    expect(scales).toEqual([8, 8, 32, 32, 32, 16, 16, 16, 8, 8, 8, 32, 32, 32, 100, 50, 25, 12.5, 6.25, 3.125, 2, 2]);
    expect(await read(state)).toEqual([2, 13, 9]);
  });

  it("is found in chains, by the functions for rates too, and counts gathered gradients", async () => {
    const scaled = dynamicLossScale(sgd({ learningRate: 0.5 }));
    const optimizer = accumulate(chain(clipByGlobalNorm(1), scaled), { steps: 2 });
    let [params, state] = [start, optimizer.init(start)];
    state = withLearningRate(state, 0.25);
    expect(await learningRateOf(state).item()).toBe(0.25);
    for (let i = 0; i < 2; i++) [params, state] = optimizer.update(slope(NaN), state, params);
    expect(await bits(params)).toEqual(await bits(start));
    expect(await lossScaleOf(state).item()).toBe(32768);
    expect(await skippedStepsOf(state).item()).toBe(1);
  });

  it("compiles once, whatever happens", async () => {
    const optimizer = dynamicLossScale(sgd({ learningRate: 0.5 }), { growthInterval: 2 });
    const step = compile((params: typeof start, state: State, gradient: typeof start) =>
      optimizer.update(gradient, state, params),
    );
    let [params, state] = [start, optimizer.init(start)];
    for (const value of [1, 1, NaN, 1, Infinity, 1, 1]) [params, state] = step(params, state, slope(value));
    expect(step.traces).toBe(1);
    expect(await read(state)).toEqual([65536, 5, 2]);
  });

  it("refuses options out of range, and states without a scale", () => {
    expect(() => dynamicLossScale(sgd(), { initial: 0 })).toThrow("dynamicLossScale: initial is 0; use a number from least (1) to greatest (16777216)");
    expect(() => dynamicLossScale(sgd(), { growth: 0.5 })).toThrow("dynamicLossScale: growth is 0.5; use a finite number of at least 1");
    expect(() => dynamicLossScale(sgd(), { backoff: 1 })).toThrow("dynamicLossScale: backoff is 1");
    expect(() => dynamicLossScale(sgd(), { growthInterval: 0 })).toThrow("dynamicLossScale: growthInterval is 0; use a whole number of at least 1");
    expect(() => dynamicLossScale(sgd(), { greatest: 0.5 })).toThrow("dynamicLossScale: greatest is 0.5");
    const plain = sgd().init(start);
    expect(() => lossScaleOf(plain)).toThrow("lossScaleOf: the optimizer has no loss scale; make it with dynamicLossScale(optimizer)");
    expect(() => skippedStepsOf(plain)).toThrow("skippedStepsOf: the optimizer has no loss scale");
  });
});

/** Runs a test on both backends of the processor. */
const onEach = (name: string, run: () => Promise<void>): void =>
  void describe(name, () => {
    it.each([["reference", 0], ["cpu", 1]])("%s", async (_, i) => {
      setDevice(devices[i]!);
      try {
        await run();
      } finally {
        setDevice(devices[0]!);
      }
    });
  });

describe("mixedPrecision", () => {
  onEach("rounds arguments to float16, to even in ties, and gives float32 back", async () => {
    const f = mixedPrecision((p: { a: Tensor }, x: Tensor) => {
      expect([p.a.dtype, x.dtype]).toEqual(["float16", "float16"]);
      return mul(p.a, x);
    });
    const a = tensor([1 + 2 ** -11, 1 + 3 * 2 ** -11, 65519, 65520, 2 ** -25, 3 * 2 ** -26, NaN]);
    const y = f({ a }, tensor([1, 1, 1, 1, 1, 1, 1]));
    expect(y.dtype).toBe("float32");
    expect(Array.from(await y.data())).toEqual([1, 1 + 2 ** -9, 65504, Infinity, 0, 2 ** -24, NaN]);
  });

  onEach("gives gradients of float32 without the scale, however large it is", async () => {
    for (const scale of [1, 1024, full([], 2 ** 14)]) {
      const f = mixedPrecision((w: Tensor, x: Tensor) => mul(w, x), { scale });
      const [value, gradient] = valueAndGrad((w: Tensor) => sum(f(w, tensor([1, 0.5, -2]))))(tensor([1, 2, 3]));
      expect(await value.item()).toBe(-4);
      expect(gradient.dtype).toBe("float32");
      expect(Array.from(await gradient.data())).toEqual([1, 0.5, -2]);
    }
  });

  onEach("keeps gradients below 6e-8 only with a scale", async () => {
    const [w, x] = [tensor([1, 1]), tensor([1, 3])];
    const slopeOf = (scale: number) => {
      const f = mixedPrecision((w: Tensor, x: Tensor) => mul(w, x), { scale });
      return grad((w: Tensor) => mul(sum(f(w, x)), 2 ** -27))(w);
    };
    expect(Array.from(await slopeOf(1).data())).toEqual([0, 0]);
    expect(Array.from(await slopeOf(2 ** 16).data())).toEqual([2 ** -27, 3 * 2 ** -27]);
  });

  onEach("hands tensors through, keeps running statistics, ties and integers", async () => {
    const [shared, labels] = [tensor([0.1]), tensor([1], { dtype: "int32" })];
    const model = { a: shared, b: shared, runningMean: tensor([0.1]), labels };
    const f = mixedPrecision((m: typeof model) => {
      expect(m.a).toBe(m.b);
      expect([m.a, m.runningMean, m.labels].map(({ dtype }) => dtype)).toEqual(["float16", "float32", "int32"]);
      return { ...m, next: add(m.runningMean, 1) };
    }, { scale: 8 });
    const result = f(model);
    expect([result.a, result.b, result.runningMean, result.labels]).toEqual([shared, shared, model.runningMean, labels]);
    expect(Array.from(await result.next.data())).toEqual([Math.fround(Math.fround(0.1) + 1)]);
    const all = mixedPrecision((m: typeof model) => m.runningMean.dtype, { casts: () => true });
    expect(all(model)).toBe("float16");
  });

  onEach("agrees with itself in forward mode and over a batch", async () => {
    const f = mixedPrecision((w: Tensor) => mul(w, w), { scale: 4 });
    const [y, t] = jvp(f, [tensor([3, 5])], [tensor([1, 2])]);
    expect([Array.from(await y.data()), Array.from(await t.data())]).toEqual([[9, 25], [6, 20]]);
    const each = vmap(grad((w: Tensor) => sum(f(w))))(tensor([[1, 2], [3, 4]]));
    expect(Array.from(await each.data())).toEqual([2, 4, 6, 8]);
  });

  it("matches products of the values in float16, at odd sizes", async () => {
    for (const device of devices) {
      setDevice(device);
      for (const [rows, inner, columns] of [[1, 1, 1], [3, 5, 7], [17, 33, 9], [2, 130, 31]] as const) {
        const a = Float32Array.from({ length: rows * inner }, (_, i) => ((i * 37) % 65) / 64 - 0.5);
        const b = Float32Array.from({ length: inner * columns }, (_, i) => ((i * 11) % 33) / 32 - 0.5);
        const product = mixedPrecision((a: Tensor, b: Tensor) => matmul(a, b))(
          tensor(a, { shape: [rows, inner] }), tensor(b, { shape: [inner, columns] }),
        );
        const found = await product.data();
        for (let i = 0; i < rows * columns; i++) {
          let exact = 0;
          for (let k = 0; k < inner; k++) exact += a[Math.floor(i / columns) * inner + k]! * b[k * columns + (i % columns)]!;
          // Operands are halves exactly; the sum is float32 and rounded once, to 11 bits.
          expect(Math.abs(found[i]! - exact)).toBeLessThanOrEqual(Math.abs(exact) * 2 ** -11 + 2 ** -20);
        }
      }
    }
    setDevice(devices[0]!);
  });
});

describe("float16 parameters", () => {
  onEach("have moments in float32, and are rounded once", async () => {
    const wide = { w: tensor([1, 2, -0.5]) };
    const narrow = { w: cast(wide.w, "float16") };
    const gradient = { w: tensor([2 ** -10, 0.5, -4]) };
    const optimizer: Optimizer = chain(clipByGlobalNorm(1e3), adamW({ learningRate: 2 ** -6 }));
    const [a, s] = optimizer.update(gradient, optimizer.init(wide), wide);
    const [b, t] = optimizer.update({ w: cast(gradient.w, "float16") }, optimizer.init(narrow), narrow);
    expect(b.w.dtype).toBe("float16");
    expect(await bits(t)).toEqual(await bits(s));
    expect(Array.from(await b.w.data())).toEqual(Array.from(await cast(a.w, "float16").data()));
    expect(await globalNorm({ w: full([4], 300, { dtype: "float16" }) }).item()).toBe(600);
    const averaged = ema(narrow, b, { decay: 0.5 });
    expect(averaged.w.dtype).toBe("float16");
  });
});

describe("training", () => {
  /** Weights of a line through points, by squared errors. */
  const trained = async (optimizer: Optimizer, isMixed: boolean) => {
    const x = tensor(Float32Array.from({ length: 64 }, (_, i) => (i - 32) / 32), { shape: [64, 1] });
    const y = add(mul(x, 3), 0.5);
    const step = compile((params: { w: Tensor; b: Tensor }, state: State) => {
      const line = (p: typeof params, x: Tensor): Tensor => add(matmul(x, p.w), p.b);
      const forward = isMixed ? mixedPrecision(line, { scale: lossScaleOf(state) }) : line;
      const [loss, gradient] = valueAndGrad((p: typeof params) => mean(square(sub(forward(p, x), y))))(params);
      const [next, nextState] = optimizer.update(gradient, state, params);
      return [next, nextState, loss] as const;
    }, { donate: [0, 1] });
    let params: { w: Tensor; b: Tensor } = { w: tensor([[0]]), b: tensor([0]) };
    let [state, loss] = [optimizer.init(params), full([], 0) as Tensor];
    for (let i = 0; i < 120; i++) [params, state, loss] = step(params, state);
    expect(step.traces).toBe(1);
    return { w: await params.w.item(), b: await params.b.item(), loss: await loss.item(), state };
  };

  onEach("reaches what float32 reaches, recovering from a scale that is too large", async () => {
    const optimizer = sgd({ learningRate: 0.1 });
    const wide = await trained(optimizer, false);
    const mixed = await trained(dynamicLossScale(optimizer, { initial: 2 ** 24 }), true);
    const [scale, steps, skipped] = await read(mixed.state);
    // Gradients of the first outputs are up to 0.1, times 2²⁴ beyond 65504.
    expect(skipped).toBeGreaterThan(0);
    expect(steps! + skipped!).toBe(120);
    expect(scale).toBe(2 ** (24 - skipped!));
    expect(Math.abs(mixed.w - wide.w)).toBeLessThan(0.01);
    expect(Math.abs(mixed.b - wide.b)).toBeLessThan(0.01);
    expect(mixed.loss).toBeLessThan(1e-3);
  });
});
