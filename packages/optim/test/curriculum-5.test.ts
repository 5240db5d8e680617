/**
 * The curriculum's section on optimization: its table row by row, and the methods that its prose names, each with the
 * known answer where there is one. How well each method works is the matter of the other files.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { grad, valueAndGrad } from "@dormouse/autograd";
import { reference } from "@dormouse/backend-cpu/reference";
import {
  type Tensor, add, compile, eye, full, key, linalg, log, mapTree, matmul, mean, mul, neg, normal, setDevice, sigmoid, slice, square, sub, sum, take, tensor,
  transpose, zeros,
} from "@dormouse/tensor";
import * as optim from "../src/index.ts";
import {
  type Optimizer, type Schedule, type State, accumulate, accumulateMomentum, adadelta, adagrad, adam, adamW, adamax, along,
  asgd, backtracking, byPath, chain, clipByGlobalNorm, clipByValue, constant, cosineDecay, cyclical, exponentialDecay,
  inverseTimeDecay, join, leastSquares, linearWarmup, lion, logSearch, logisticRegression, lookAheadPoint, maxprop, minimize,
  multiStep, nadam, newton, oneCycle, polynomialDecay, radam, reduceOnPlateau, ridge, rmsprop, rprop, scaleByLearningRate,
  sgd, sgdW, shrinkage, stepDecay, stepNorm, stopWhen, strongWolfe, swa, warmRestarts, weightEma,
} from "../src/index.ts";
import { type Tolerance, expectClose } from "./expect.ts";

beforeAll(async () => {
  setDevice(await reference());
});

const double = (...data: number[]): Tensor => tensor(data, { dtype: "float64" });
const exact: Tolerance = { rtol: 1e-12, atol: 1e-14 };

/** Weights of one element after each of the gradients, from `start`. */
async function follow(optimizer: Optimizer, gradients: readonly number[], start = 0): Promise<number[]> {
  let [p, state]: [Tensor, State] = [double(start), optimizer.init(double(start))];
  const seen: number[] = [];
  for (const g of gradients) {
    [p, state] = optimizer.update(double(g), state, p);
    seen.push((await p.data())[0]!);
  }
  return seen;
}

const stepsOf = (weights: readonly number[]): number[] => weights.map((w, i) => (weights[i - 1] ?? 0) - w);

test("5.1 momentum: the update expands to Σ β^(t−i) gᵢ, on a trace of 3 steps", async () => {
  const beta = 0.5;
  const gradients = [3, -2, 7];
  const updates = stepsOf(await follow(sgd({ learningRate: 1, momentum: beta }), gradients));
  expect(updates).toEqual([3, -2 + 0.5 * 3, 7 + 0.5 * -2 + 0.25 * 3]);
  // The form of the average is 1 - β times the sum.
  const averages = stepsOf(await follow(sgd({ learningRate: 1, momentum: beta, form: "average" }), gradients));
  expect(averages).toEqual(updates.map((update) => 0.5 * update));
});

describe("5.2 Nesterov's look-ahead", () => {
  const neuron = ({ w, b }: { w: Tensor; b: Tensor }): Tensor =>
    mul(square(sub(sigmoid(add(mul(w, 0.5), b)), 1)), 0.5);

  test("5.2 Nesterov: a sigmoid neuron with x = 0.5, y = 1, u = 0.8, w = 2.5, b = 0, β = 0.9 looks ahead to w = 1.78, b = −0.72, where ∂w = −0.0568", async () => {
    const ahead = lookAheadPoint({ w: full([], 2.5, { dtype: "float64" }), b: full([], 0, { dtype: "float64" }) }, { w: full([], 0.8, { dtype: "float64" }), b: full([], 0.8, { dtype: "float64" }) }, { momentum: 0.9 });
    expectClose([await ahead.w.item(), await ahead.b.item()], [1.78, -0.72], exact, "look-ahead");
    const gradient = grad(neuron)(ahead);
    expect(await gradient.w.item()).toBeCloseTo(-0.0568, 4);
    // (ŷ - y)·ŷ(1 - ŷ)·x with ŷ = σ(0.17).
    const y = 1 / (1 + Math.exp(-0.17));
    expectClose([await gradient.w.item(), await gradient.b.item()], [(y - 1) * y * (1 - y) * 0.5, (y - 1) * y * (1 - y)], exact, "slope");
  });

  test("5.2 Nesterov: sgd({ nesterov }) holds the points of look-ahead", async () => {
    const [rate, momentum] = [0.7, 0.9];
    const start = { w: double(2.5), b: double(0) };
    const loss = (p: typeof start): Tensor => sum(neuron(p));
    // By the book: slope at w - βu, u ← βu + η·slope, w ← w - u.
    let [w, u] = [start, mapTree((each) => mul(each, 0), start)];
    const optimizer = sgd({ learningRate: rate, momentum, nesterov: true });
    let [p, state] = [start, optimizer.init(start)];
    for (let t = 0; t < 5; t++) {
      const ahead = lookAheadPoint(w, u, { momentum });
      expectClose(await p.w.data(), await ahead.w.data(), exact, `w at ${t}`);
      expectClose(await p.b.data(), await ahead.b.data(), exact, `b at ${t}`);
      u = mapTree((each, g) => add(mul(each, momentum), mul(g!, rate)), u, grad(loss)(ahead));
      w = mapTree((each, step) => sub(each, step!), w, u);
      [p, state] = optimizer.update(grad(loss)(p), state, p);
    }
  });
});

describe("5.3 a gradient of 0 after one of 1", () => {
  test("5.3 Adam: β₂ = 0.999, v̂ = 0.499…, an effective rate of 1.41; AdaMax: 1.001", async () => {
    // With a momentum of m̂ = 1 at both steps an update is the effective rate: gradients (1, 0) leave m̂₂ = β₁(1 - β₁)/(1 - β₁²).
    const betas = [0.9, 0.999] as const;
    const share = (0.9 * 0.1) / (1 - 0.81);
    const [, adamStep] = stepsOf(await follow(adam({ learningRate: 1, betas, eps: 0 }), [1, 0]));
    const rate = adamStep! / share;
    expect(rate).toBeCloseTo(1.41, 2);
    const corrected = rate ** -2;
    expect(Math.trunc(corrected * 1000) / 1000).toBe(0.499);
    expectClose([corrected], [(0.999 * 0.001) / (1 - 0.999 ** 2)], { rtol: 1e-9, atol: 0 }, "v̂");
    const [, adamaxStep] = stepsOf(await follow(adamax({ learningRate: 1, betas, eps: 0 }), [1, 0]));
    expect(adamaxStep! / share).toBeCloseTo(1.001, 5);
    expectClose([adamaxStep! / share], [1 / 0.999], { rtol: 1e-9, atol: 0 }, "AdaMax");
  });

  test("5.3 MaxProp divides by the decaying largest gradient: 1 / 0.999 = 1.001 too", async () => {
    // A gradient of 2⁻³⁰ stands for 0: small enough to leave the largest one alone, and its step shows the rate.
    const [, step] = stepsOf(await follow(maxprop({ learningRate: 1, eps: 0 }), [1, 2 ** -30]));
    expectClose([step! * 2 ** 30], [1 / 0.999], { rtol: 1e-6, atol: 0 }, "MaxProp");
    expectClose(await follow(maxprop({ learningRate: 1, decay: 0.5, eps: 0.25 }), [4, 1, -8]), [-4 / 4.25, -4 / 4.25 - 1 / 2.25, -4 / 4.25 - 1 / 2.25 + 8 / 8.25], exact, "trace");
  });
});

describe("5.4 L2 shrinkage", () => {
  const q = [[0.6, -0.8, 0], [0.8, 0.6, 0], [0, 0, 1]];
  const curvatures = [0.5, 4, 10];
  const minimum = [3, -1, 2];
  const setting = (): { hessian: Tensor; best: Tensor; directions: Tensor } => {
    const directions: Tensor = tensor(q, { dtype: "float64" });
    return { directions, hessian: matmul(mul(directions, double(...curvatures)), transpose(directions)), best: double(...minimum) };
  };
  const sharesOf = (directions: Tensor, w: Tensor): Promise<ArrayLike<number>> => matmul(transpose(directions), w).data();

  test("5.4 a penalty ½α‖w‖² moves the minimum to Q diag(λᵢ/(λᵢ+α)) Qᵀ w*, where descent ends", async () => {
    const { hessian, best, directions } = setting();
    const alpha = 2;
    const loss = (w: Tensor): Tensor => {
      const error = sub(w, best);
      return add(mul(sum(mul(error, matmul(hessian, error))), 0.5), mul(sum(square(w)), alpha / 2));
    };
    const descended = await minimize(valueAndGrad(loss), zeros([3], { dtype: "float64" }) as Tensor, { tolerance: 1e-13 });
    const { apply, factors } = shrinkage(hessian, { l2: alpha });
    expectClose(await apply(best).data(), await descended.params.data(), { rtol: 1e-10, atol: 1e-11 }, "minimum");
    expectClose(await factors.data(), [0.2, 4 / 6, 10 / 12], exact, "factors");
    const [shrunk, whole] = [await sharesOf(directions, apply(best)), await sharesOf(directions, best)];
    curvatures.forEach((each, i) => expect(shrunk[i]! / whole[i]!).toBeCloseTo(each / (each + alpha), 12));
    // The weight decay of sgd is that penalty.
    const optimizer = sgd({ learningRate: 0.1, weightDecay: alpha });
    const step = compile((w: Tensor, s: State) => optimizer.update(matmul(hessian, sub(w, best)), s, w));
    let [w, state]: [Tensor, State] = [double(0, 0, 0), optimizer.init(double(0, 0, 0))];
    for (let t = 0; t < 200; t++) [w, state] = step(w, state);
    expectClose(await w.data(), await apply(best).data(), { rtol: 1e-10, atol: 1e-11 }, "weight decay");
  });

  test("5.4 early stopping shrinks in the same directions, by 1 − (1−ηλ)ᵗ", async () => {
    const { hessian, best, directions } = setting();
    const [learningRate, steps] = [0.15, 7];
    const optimizer = sgd({ learningRate });
    let [w, state]: [Tensor, State] = [double(0, 0, 0), optimizer.init(double(0, 0, 0))];
    for (let t = 0; t < steps; t++) [w, state] = optimizer.update(matmul(hessian, sub(w, best)), state, w);
    const stopped = shrinkage(hessian, { learningRate, steps });
    expectClose(await stopped.apply(best).data(), await w.data(), { rtol: 1e-12, atol: 1e-13 }, "descent");
    expectClose(await stopped.factors.data(), curvatures.map((each) => 1 - (1 - learningRate * each) ** steps), exact, "factors");
    const penalized = shrinkage(hessian, { l2: 1 / (learningRate * steps) });
    expect(await linalg.matrixNorm(sub(stopped.directions, penalized.directions)).item()).toBe(0);
    // Along flat directions both leave nearly the same: ηλt against λ/α.
    const [a, b] = [(await sharesOf(directions, stopped.apply(best)))[0]!, (await sharesOf(directions, penalized.apply(best)))[0]!];
    expect(Math.abs(a / b - 1)).toBeLessThan(0.3);
  });
});

describe("5.5 batch and stochastic gradient descent", () => {
  const setting = () => {
    const x = normal(key(5), [64, 3], { dtype: "float64" });
    const y = add(matmul(x, double(1, -2, 0.5)), mul(normal(key(6), [64], { dtype: "float64" }), 0.7));
    const gradientOf = (w: Tensor, from: number, to: number): Tensor => {
      const rows = slice(x, [[from, to]]);
      return mul(matmul(transpose(rows), sub(matmul(rows, w), slice(y, [[from, to]]))), 2 / (to - from));
    };
    const distance = compile((w: Tensor, best: Tensor) => stepNorm(best, w));
    /** Distances to the least-squares solution after every pass over the data, in batches of `size`. */
    const descend = async (size: number, passes: number): Promise<number[]> => {
      const best = leastSquares(x, y).weights;
      const optimizer = sgd({ learningRate: 0.1 });
      const pass = compile((w: Tensor, s: State) => {
        let [p, state] = [w, s];
        for (let from = 0; from < 64; from += size) [p, state] = optimizer.update(gradientOf(p, from, from + size), state, p);
        return [p, state] as const;
      });
      let [w, state]: [Tensor, State] = [double(0, 0, 0), optimizer.init(double(0, 0, 0))];
      const seen: number[] = [];
      for (let t = 0; t < passes; t++) {
        [w, state] = pass(w, state);
        seen.push(await distance(w, best).item());
      }
      return seen;
    };
    return { x, y, gradientOf, descend };
  };

  test("5.5 batch GD converges on a convex loss, and every step comes nearer; SGD at the same rate oscillates", async () => {
    const { descend } = setting();
    const batch = await descend(64, 200);
    batch.slice(1, 100).forEach((each, t) => expect(each).toBeLessThan(batch[t]!));
    expect(batch.at(-1)).toBeLessThan(1e-10);
    const stochastic = await descend(1, 60);
    expect(Math.min(...stochastic.slice(30))).toBeGreaterThan(1e-2);
    const mini = await descend(16, 60);
    expect(mini.at(-1)).toBeLessThan(stochastic.at(-1)!);
    expect(mini.at(-1)).toBeGreaterThan(1e-4);
  });

  test("5.5 within a pass SGD moves to and fro where the batch gradient stands still, and a rate η₀/(1+kt) calms it", async () => {
    const { x, y, gradientOf } = setting();
    const best = leastSquares(x, y).weights;
    expect(await stepNorm(best, sub(best, gradientOf(best, 0, 64))).item()).toBeLessThan(1e-12);
    const wander = async (learningRate: number | Schedule): Promise<number[]> => {
      const optimizer = sgd({ learningRate });
      const step = compile((p: Tensor, s: State, index: Tensor<[]>) => {
        const row: Tensor = take(x, index, { axis: 0 });
        const error = sub(sum(mul(row, p)), take(y, index, { axis: 0 }) as Tensor<[]>);
        return optimizer.update(mul(row, mul(error, 2)), s, p);
      });
      let [w, state]: [Tensor, State] = [add(best, 0), optimizer.init(best)];
      const seen: number[] = [];
      for (let t = 0; t < 640; t++) {
        [w, state] = step(w, state, tensor(t % 64, { dtype: "int32" }));
        seen.push(await stepNorm(best, w).item());
      }
      return seen;
    };
    const steady = await wander(0.1);
    const late = steady.slice(-64);
    const turns = late.filter((each, t) => t > 0 && t < 63 && (each - late[t - 1]!) * (late[t + 1]! - each) < 0).length;
    expect(turns).toBeGreaterThan(15);
    const fading = await wander(inverseTimeDecay(0.1, { decay: 0.1 }));
    expect(Math.max(...fading.slice(-64))).toBeLessThan(0.25 * Math.max(...late));
  });
});

describe("5.list", () => {
  test("5.list every optimizer and tool that is named has a public name", () => {
    const names = [
      "sgd", "accumulateMomentum", "lookAheadPoint", "adagrad", "rmsprop", "adadelta", "adam", "adamW", "adamax", "maxprop", "nadam", "radam",
      "lion", "sgdW", "minimize", "backtracking", "strongWolfe", "logSearch", "clipByGlobalNorm", "clipByValue", "accumulate", "byPath", "frozen",
      "ema", "weightEma", "swa", "constant", "stepDecay", "multiStep", "exponentialDecay", "inverseTimeDecay", "polynomialDecay", "cosineDecay",
      "warmRestarts", "cyclical", "oneCycle", "linearWarmup", "join", "reduceOnPlateau", "leastSquares", "ridge", "logisticRegression", "newton",
      "stopWhen", "shrinkage",
    ];
    const exported: Readonly<Record<string, unknown>> = optim;
    expect(names.filter((name) => typeof exported[name] !== "function")).toEqual([]);
  });

  const [mu, nextMu] = [0.9 * (1 - 0.5 * 0.96 ** 0.004), 0.9 * (1 - 0.5 * 0.96 ** 0.008)];
  test.each<[string, Optimizer, number]>([
    ["gradient descent", sgd({ learningRate: 0.1 }), 0.1 * 2],
    ["AdaGrad", adagrad(), (0.01 * 2) / (2 + 1e-10)],
    ["RMSProp", rmsprop(), (0.01 * 2) / (Math.sqrt(0.01 * 4) + 1e-8)],
    ["RMSProp, centered", rmsprop({ centered: true }), (0.01 * 2) / (Math.sqrt(0.01 * 4 - 0.02 ** 2) + 1e-8)],
    ["AdaDelta", adadelta(), (2 * Math.sqrt(1e-6)) / Math.sqrt(0.1 * 4 + 1e-6)],
    ["Adam", adam(), (1e-3 * 2) / (2 + 1e-8)],
    ["AdamW", adamW(), 1e-3 * 0.01 * 5 + (1e-3 * 2) / (2 + 1e-8)],
    ["AdaMax", adamax(), (2e-3 * 2) / (2 + 1e-8)],
    ["MaxProp", maxprop(), (0.01 * 2) / (2 + 1e-8)],
    ["NAdam", nadam(), (2e-3 * (2 + (nextMu * 0.1 * 2) / (1 - mu * nextMu))) / (2 + 1e-8)],
    ["RAdam, before it knows a variance", radam(), 1e-3 * 2],
    ["Lion", lion(), 1e-4],
    ["Rprop", rprop(), 0.01],
    ["ASGD", asgd(), 0.01 * (2 + 1e-4 * 5)],
  ])("5.list the first step of %s from 5 along a slope of 2, by its formula", async (_, optimizer, step) => {
    expectClose(await follow(optimizer, [2], 5), [5 - step], { rtol: 1e-12, atol: 0 }, "weight");
  });

  test("5.list AMSGrad divides by the largest average so far", async () => {
    const options = { learningRate: 1, betas: [0, 0.5], eps: 0 } as const;
    // v = 2, then 1.5; corrected by 1 - 0.5² = 0.75.
    expectClose(stepsOf(await follow(adam(options), [2, 1])), [1, 1 / Math.sqrt(1.5 / 0.75)], exact, "Adam");
    expectClose(stepsOf(await follow(adam({ ...options, amsgrad: true }), [2, 1])), [1, 1 / Math.sqrt(2 / 0.75)], exact, "AMSGrad");
  });

  test("5.list RMSProp with momentum adds the scaled gradients up", async () => {
    const options = { learningRate: 1, decay: 0, eps: 0, momentum: 0.5 };
    expectClose(stepsOf(await follow(rmsprop(options), [3, -4, 5])), [1, -0.5, 0.75], exact, "steps");
  });

  test("5.list L-BFGS: the bottom of a quadratic of n variables in few steps", async () => {
    const scales = double(1, 10, 100, 1000, 10_000);
    const { params, reason, steps } = await minimize(valueAndGrad((w: Tensor): Tensor => sum(mul(scales, square(sub(w, 2))))), zeros([5], { dtype: "float64" }) as Tensor);
    expectClose(await params.data(), [2, 2, 2, 2, 2], { rtol: 0, atol: 1e-7 }, "minimum");
    expect(reason).toBe("gradient");
    expect(steps).toBeLessThan(60);
  });

  test("5.list the forms of momentum: u = βu + g, its average, and the rate inside", async () => {
    const gradients = [1, 2, -1, 3];
    const rate = 0.25;
    const outside = await follow(sgd({ learningRate: rate, momentum: 0.5 }), gradients);
    const inside = (learningRate: number | Schedule): Optimizer => chain(scaleByLearningRate(learningRate), accumulateMomentum({ momentum: 0.5 }));
    expect(await follow(inside(rate), gradients)).toEqual(outside);
    const average = await follow(sgd({ learningRate: 2 * rate, momentum: 0.5, form: "average" }), gradients);
    expectClose(average, outside, exact, "average");
    // They part where the rate changes: u₂ = β·η₀g₁ + η₁g₂ against η₁(βg₁ + g₂).
    const halved = stepDecay(1, { every: 1, factor: 0.5 });
    expect(stepsOf(await follow(inside(halved), [1, 2]))).toEqual([1, 0.5 * 1 + 0.5 * 2]);
    expect(stepsOf(await follow(sgd({ learningRate: halved, momentum: 0.5 }), [1, 2]))).toEqual([1, 0.5 * (0.5 + 2)]);
    // Nesterov's with an average: β·m + (1 - β)·g.
    expect(stepsOf(await follow(sgd({ learningRate: 1, momentum: 0.5, form: "average", nesterov: true }), [4, 8]))).toEqual([3, 0.5 * 5 + 0.5 * 8]);
    expect(() => sgd({ form: "mean" as "sum" })).toThrow(`sgd: form is "mean"; use "sum" or "average"`);
    expect(() => sgd({ momentum: 0.9, dampening: 0.1, form: "average" })).toThrow(`sgd: dampening is 0.1 and form is "average"`);
  });

  test("5.list ε inside the root: g / √(1 + ε) on AdaGrad, RMSProp, Adam and NAdam", async () => {
    const options = { learningRate: 1, epsInsideSqrt: true };
    const makers: readonly Optimizer[] = [
      adagrad({ ...options, eps: 0.44 }), rmsprop({ ...options, decay: 0.5, eps: 0.94 }), adam({ ...options, eps: 0.44 }), nadam({ ...options, betas: [0, 0.999], eps: 0.44 }),
    ];
    for (const optimizer of makers) expectClose(await follow(optimizer, [1]), [-1 / 1.2], { rtol: 1e-9, atol: 0 }, "step");
    expectClose(await follow(adagrad({ learningRate: 1, eps: 0.25 }), [1]), [-1 / 1.25], exact, "outside");
  });

  test("5.list decay: sgd puts it into the momentum, sgdW beside it", async () => {
    const options = { learningRate: 0.5, momentum: 0.5, weightDecay: 0.1 };
    // u₁ = 1 + 0.1·2; w₁ = 2 - 0.6; u₂ = 0.6 + 1 + 0.14; and 2·(1 - 0.05) - 0.5 = 1.4, 1.4·0.95 - 0.5·1.5.
    expectClose(await follow(sgd(options), [1, 1], 2), [1.4, 1.4 - 0.5 * 1.74], exact, "penalty");
    expectClose(await follow(sgdW(options), [1, 1], 2), [1.4, 1.4 * 0.95 - 0.75], exact, "decoupled");
    // w ← w - η∇L - ηαw: without a gradient decay shrinks.
    expectClose(await follow(sgdW({ learningRate: 0.5, weightDecay: 0.1 }), [0, 0], 1), [0.95, 0.9025], exact, "shrinks");
  });

  test("5.list clipping by norm and by value", async () => {
    const start = double(0, 0);
    const clipped = async (link: ReturnType<typeof clipByValue>): Promise<ArrayLike<number>> => {
      const optimizer = chain(link, scaleByLearningRate(1));
      return optimizer.update(double(3, -4), optimizer.init(start), start)[0].data();
    };
    expectClose(await clipped(clipByGlobalNorm(1)), [-0.6, 0.8], { rtol: 1e-6, atol: 0 }, "norm");
    expectClose(await clipped(clipByValue(3.5)), [-3, 3.5], exact, "value");
  });

  test("5.list accumulation, groups and averages", async () => {
    expect(await follow(accumulate(sgd({ learningRate: 1 }), { steps: 2 }), [2, 4, 6, 8])).toEqual([0, -3, -3, -10]);
    const model = { hidden: { weight: double(1), bias: double(1) }, output: { weight: double(1) } };
    const optimizer = byPath({ "hidden.*": sgd({ learningRate: 0.5, weightDecay: 1 }), "*": sgd({ learningRate: 0.25 }) });
    const [next] = optimizer.update(mapTree((p) => mul(p, 2), model), optimizer.init(model), model);
    expect([await next.hidden.weight.array(), await next.hidden.bias.array(), await next.output.weight.array()]).toEqual([[-0.5], [-0.5], [0.5]]);
    const [plain, moving] = [swa({ start: 1 }), weightEma({ decay: 0.5, start: 1 })];
    let [a, b] = [plain.init(double(0)), moving.init(double(0))];
    for (const w of [9, 1, 2, 6]) [a, b] = [plain.update(a, double(w)), moving.update(b, double(w))];
    expect([await a.value.array(), await b.value.array()]).toEqual([[3], [3.75]]);
  });

  test.each<[string, Schedule, readonly [step: number, rate: number][]]>([
    ["constant", constant(0.3), [[0, 0.3], [99, 0.3]]],
    ["step decay", stepDecay(1, { every: 10, factor: 0.5 }), [[9, 1], [10, 0.5], [25, 0.25]]],
    ["multi-step", multiStep(1, [3, 7], { factor: 0.1 }), [[2, 1], [3, 0.1], [7, 0.01]]],
    ["exponential η₀e^(−kt)", exponentialDecay(0.5, { decay: 0.1 }), [[0, 0.5], [7, 0.5 * Math.exp(-0.7)], [50, 0.5 * Math.exp(-5)]]],
    ["exponential by a factor", exponentialDecay(0.5, { factor: Math.exp(-0.1) }), [[7, 0.5 * Math.exp(-0.7)]]],
    ["inverse time η₀/(1+kt)", inverseTimeDecay(0.5, { decay: 0.1 }), [[0, 0.5], [10, 0.25], [40, 0.1]]],
    ["polynomial", polynomialDecay(1, 10, { power: 2 }), [[0, 1], [5, 0.25], [10, 0], [20, 0]]],
    ["cosine", cosineDecay(1, 10), [[0, 1], [5, 0.5], [10, 0]]],
    ["warm restarts", warmRestarts(1, 4, { multiplier: 2 }), [[0, 1], [2, 0.5], [4, 1], [8, 0.5], [12, 1]]],
    ["cyclical (triangular)", cyclical(0.1, 0.5, { up: 4 }), [[0, 0.1], [2, 0.3], [4, 0.5], [6, 0.3], [8, 0.1]]],
    ["one-cycle", oneCycle(1, 11, { warmup: 5 / 11, divide: 10, finalDivide: 10 }), [[0, 0.1], [2, 0.55], [4, 1], [7, 0.505], [10, 0.01]]],
    ["linear warm-up", linearWarmup(1, 4), [[0, 0], [2, 0.5], [4, 1], [9, 1]]],
    ["one after another", join([linearWarmup(1, 4), exponentialDecay(1, { decay: 1 })], [4]), [[2, 0.5], [4, 1], [5, Math.exp(-1)]]],
  ])("5.list schedules: %s", async (_, schedule, points) => {
    for (const dtype of ["float64", "float32"] as const) {
      const compiled = compile(schedule);
      const rates = [];
      for (const [step] of points) rates.push(await compiled(full([], step, { dtype })).item());
      expectClose(rates, points.map(([, rate]) => rate), { rtol: dtype === "float64" ? 1e-12 : 1e-5, atol: dtype === "float64" ? 1e-15 : 1e-7 }, dtype);
      expect(compiled.traces).toBe(1);
    }
  });

  test("5.list schedules: halved where a validation loss stays", () => {
    const plateau = reduceOnPlateau({ factor: 0.5, patience: 1 });
    const losses = [3, 2, 2, 2, 1, 1, 1];
    const rates: number[] = [];
    losses.reduce((seen, loss) => {
      const next = plateau.update(seen, loss);
      rates.push(next.rate);
      return next;
    }, plateau.init(0.8));
    expect(rates).toEqual([0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2]);
  });

  test("5.list closed forms: least squares, ridge with a duplicate column, logistic regression by IRLS, against descent", async () => {
    const x: Tensor = tensor([[0, 1], [1, 1], [2, 1], [3, 1]], { dtype: "float64" });
    expectClose(await leastSquares(x, double(1, 3, 5, 7)).weights.data(), [2, 1], exact, "line");
    // (xᵀx + λ)⁻¹xᵀy for one column: 20 / (14 + λ), shared by two that are equal: 20 / (28 + λ).
    const column = (...names: number[]): Tensor => tensor([0, 1, 2, 3].map((each) => names.map(() => each)), { dtype: "float64" });
    expectClose(await ridge(column(0), double(0, 1, 2, 5), { lambda: 6 }).weights.data(), [20 / 20], exact, "ridge");
    expectClose(await ridge(column(0, 1), double(0, 1, 2, 5), { lambda: 12 }).weights.data(), [0.5, 0.5], exact, "duplicates");
    const labels = double(0, 1, 0, 1);
    const fit = await logisticRegression(x, labels, { l2: 0.5 });
    const loss = (w: Tensor): Tensor => {
      const z = matmul(x, w);
      return add(neg(sum(add(mul(labels, log(sigmoid(z))), mul(sub(1, labels), log(sigmoid(neg(z))))))), mul(sum(square(w)), 0.25));
    };
    const descended = await minimize(valueAndGrad(loss), double(0, 0), { tolerance: 1e-12 });
    expectClose(await fit.weights.data(), await descended.params.data(), { rtol: 1e-7, atol: 1e-8 }, "logistic");
    expect(fit.value).toBeCloseTo(descended.value, 12);
    const half = await newton((w) => [sum(square(sub(w, 3))), mul(sub(w, 3), 2), mul(eye(2, { dtype: "float64" }), 2)], double(0, 0));
    expect(await half.params.array()).toEqual([3, 3]);
  });

  test("5.list line searches: Armijo, strong Wolfe and a grid of rates find a step that descent takes", async () => {
    const loss = valueAndGrad((w: Tensor): Tensor => sum(mul(square(sub(w, 1)), double(1, 10))));
    const start = double(0, 0);
    const [value, gradient] = loss(start);
    const at = along(loss, start, mapTree(neg, gradient));
    const before = await value.item();
    // Along the gradient (2, 20) the quadratic is least at ‖g‖² / (gᵀHg) = 404 / (2·4 + 20·400).
    const best = 404 / 8008;
    const [armijo, wolfe] = [(await backtracking(at))!, (await strongWolfe(at, { curvature: 0.1 }))!];
    expect(armijo.value).toBeLessThan(before);
    expect(Math.abs(wolfe.t / best - 1)).toBeLessThan(0.1);
    const { rate } = await logSearch(async (t) => (await at(t)).value, { from: 1e-4, to: 1, steps: 41 });
    expect(Math.abs(Math.log10(rate / best))).toBeLessThan(0.05 + 1e-9);
  });

  test("5.list stopping: ‖Δw‖ < ε, max steps, patience", async () => {
    const optimizer = sgd({ learningRate: 0.25 });
    const run = async (options: Parameters<typeof stopWhen>[0], noise = 0): Promise<{ reason: string | null; steps: number }> => {
      const stopping = stopWhen(options);
      let [w, state]: [Tensor, State] = [double(1), optimizer.init(double(1))];
      let seen = stopping.init();
      while (seen.reason === null) {
        const [next, nextState] = optimizer.update(mul(w, 2), state, w);
        const [loss, length] = [await mean(square(next)).item(), await stepNorm(w, next).item()];
        seen = stopping.update(seen, { loss: loss + noise * seen.steps, stepNorm: length });
        [w, state] = [next, nextState];
      }
      return seen;
    };
    // w halves at every step, so that ‖Δw‖ = 2⁻ᵗ.
    expect(await run({ stepTolerance: 0.01 })).toMatchObject({ reason: "step", steps: 7 });
    expect(await run({ maxSteps: 5 })).toMatchObject({ reason: "steps", steps: 5 });
    expect(await run({ patience: 3 }, 1)).toMatchObject({ reason: "patience", steps: 4 });
  });
});
