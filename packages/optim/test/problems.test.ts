/**
 * What solves whole problems: closed forms against exact rational arithmetic, Newton's method and logistic regression
 * against SciPy, searches for a rate, when to stop, and how a quadratic's minimum shrinks.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { grad, hessian, valueAndGrad } from "@dormouse/autograd";
import { cpu } from "@dormouse/backend-cpu";
import {
  type Tensor, add, cast, compile, concat, cos, exp, log, mapTree, matmul, mean, mul, neg, setDevice, slice, square, sub, sum, tensor, transpose,
  zeros,
} from "@dormouse/tensor";
import {
  type SecondOrder, along, backtracking, leastSquares, logSearch, logisticRegression, newton, ridge, sgd, shrinkage, stepNorm, stopWhen,
  strongWolfe,
} from "../src/index.ts";
import { type Tolerance, expectClose, fixture } from "./expect.ts";

const file = fixture<{
  readonly x: number[][];
  readonly y: number[];
  readonly labels: number[];
  readonly ridge: readonly { readonly lambda: number; readonly intercept: boolean; readonly solution: number[] }[];
  readonly logistic: readonly { readonly l2: number; readonly intercept: boolean; readonly solution: number[]; readonly value: number }[];
}>("linear-models");
const double = (data: number[] | number[][]): Tensor => tensor(data, { dtype: "float64" });
const tight: Tolerance = { rtol: 1e-10, atol: 1e-12 };
let x: Tensor, y: Tensor, labels: Tensor;

beforeAll(async () => {
  setDevice(await cpu({ threads: 1 }));
  [x, y, labels] = [double(file.x), double(file.y), tensor(file.labels, { dtype: "int32" })];
});

const joined = async ({ weights, intercept }: { weights: Tensor; intercept: Tensor }, has: boolean): Promise<number[]> => [
  ...(await weights.data()),
  ...(has ? [await intercept.item()] : []),
];

describe("closed forms", () => {
  it.each(file.ridge)("ridge: λ = $lambda, intercept $intercept", async ({ lambda, intercept, solution }) => {
    expectClose(await joined(ridge(x, y, { lambda, intercept }), intercept), solution, tight, "float64");
    const single = ridge(cast(x, "float32"), cast(y, "float32"), { lambda, intercept });
    expect(single.weights.dtype).toBe("float32");
    expectClose(await joined(single, intercept), solution, { rtol: 1e-3, atol: 1e-4 }, "float32");
    if (lambda === 0) expectClose(await joined(leastSquares(x, y, { intercept }), intercept), solution, tight, "least squares");
  });

  it("fits several targets at once, compiled, and is differentiable", async () => {
    const targets = transpose(double([file.y, file.y.map((each) => 2 * each - 1)]));
    const both = compile((a: Tensor, b: Tensor) => ridge(a, b, { lambda: 0.5, intercept: true }))(x, targets);
    expect(both.weights.shape).toEqual([4, 2]);
    expect(both.intercept.shape).toEqual([2]);
    const { solution } = file.ridge.find((each) => each.lambda === 0.5 && each.intercept)!;
    expectClose(await slice(transpose(both.weights), [1]).data(), solution.slice(0, 4).map((w) => 2 * w), tight, "weights");
    expectClose(await slice(both.intercept, [1]).data(), [2 * solution[4]! - 1], tight, "intercept");
    // The prediction is linear in the targets, so that the derivative along y is the prediction itself.
    const f = (b: Tensor): Tensor => sum(matmul(x, ridge(x, b, { lambda: 0.5 }).weights));
    expectClose([await sum(mul(grad(f)(y), y)).item()], [await f(y).item()], { rtol: 1e-10, atol: 0 }, "derivative");
  });

  it("shares the weight of columns that are duplicates, and takes the shortest without a penalty", async () => {
    const twice = concat([x, slice(x, [null, [0, 1]])], { axis: 1 });
    const [a, b] = [await ridge(twice, y, { lambda: 0.5 }).weights.data(), await leastSquares(twice, y).weights.data()];
    const plain = file.ridge.find((each) => each.lambda === 0 && !each.intercept)!.solution;
    expectClose([a[0]!], [a[4]!], tight, "ridge");
    expectClose(b, [plain[0]! / 2, ...plain.slice(1), plain[0]! / 2], { rtol: 1e-9, atol: 1e-10 }, "least squares");
  });

  it("is the limit of gradient descent", async () => {
    const loss = (w: Tensor): Tensor => add(sum(square(sub(y, matmul(x, w)))), mul(sum(square(w)), 20));
    const optimizer = sgd({ learningRate: 1e-4, momentum: 0.9 });
    const step = compile((w: Tensor, s: ReturnType<typeof optimizer.init>) => optimizer.update(grad(loss)(w), s, w), { donate: [0, 1] });
    let [w, state] = [zeros([4], { dtype: "float64" }) as Tensor, optimizer.init(zeros([4], { dtype: "float64" }))];
    for (let t = 0; t < 4000; t++) [w, state] = step(w, state);
    expectClose(await w.data(), file.ridge.find((each) => each.lambda === 20 && !each.intercept)!.solution, { rtol: 1e-9, atol: 1e-10 }, "w");
  });

  it.each<[string, () => unknown, RegExp]>([
    ["other lengths", () => leastSquares(x, zeros([3], { dtype: "float64" })), /leastSquares: x has shape \[23, 4\] and y \[3\]/],
    ["a vector of examples", () => ridge(y, y, { lambda: 1 }), /ridge: x has shape \[23\]/],
    ["nothing", () => leastSquares(zeros([0, 2]), zeros([0])), /at least one example/],
    ["a negative penalty", () => ridge(x, y, { lambda: -1 }), /ridge: lambda is -1/],
  ])("refuses %s", (_, act, message) => {
    expect(act).toThrow(message);
  });
});

describe("logistic regression", () => {
  it.each(file.logistic)("l2 = $l2, intercept $intercept", async ({ l2, intercept, solution, value }) => {
    const fit = await logisticRegression(x, labels, { l2, intercept, tolerance: 1e-11 });
    expectClose(await joined(fit, intercept), solution, { rtol: 1e-9, atol: 1e-10 }, "float64");
    expect(fit.converged).toBe(true);
    expect(fit.value).toBeCloseTo(value, 10);
    expect(fit.steps).toBeLessThan(12);
    const single = await logisticRegression(cast(x, "float32"), labels, { l2, intercept });
    expectClose(await joined(single, intercept), solution, { rtol: 1e-3, atol: 1e-3 }, "float32");
  });

  it("takes bool labels, and says what it cannot do", async () => {
    const [few, truth] = [double([[-2], [-1], [1], [2]]), tensor([false, false, true, true])];
    expect((await logisticRegression(few, truth, { l2: 1 })).converged).toBe(true);
    await expect(logisticRegression(few, truth)).rejects.toThrow("logisticRegression: a plane separates the classes, so that no weights are best; give a penalty");
    await expect(logisticRegression(few, double([0, 1, 2, 1]))).rejects.toThrow("logisticRegression: label 2 at row 2 is neither 0 nor 1");
    await expect(logisticRegression(few, zeros([3]))).rejects.toThrow("logisticRegression: x has shape [4, 1] and y [3]");
    await expect(logisticRegression(few, truth, { l2: -1 })).rejects.toThrow("logisticRegression: l2 is -1");
  });
});

describe("newton", () => {
  const second = (f: (p: Tensor) => Tensor) => (p: Tensor): SecondOrder => [f(p), grad(f)(p), hessian(f)(p) as Tensor];
  const valley = (p: Tensor): Tensor => {
    const [a, b] = [slice(p, [0]), slice(p, [1])];
    return add(square(sub(1, a)), mul(square(sub(b, square(a))), 100));
  };

  it("solves a quadratic in one step, of any shape", async () => {
    const target = double([[1, -2], [3, 5]]);
    const { params, steps, reason } = await newton(second((p) => sum(mul(square(sub(p, target)), double([[1, 10], [100, 1000]])))), zeros([2, 2], { dtype: "float64" }));
    expectClose(await params.data(), [1, -2, 3, 5], tight, "params");
    expect({ steps, reason }).toEqual({ steps: 1, reason: "gradient" });
    expect(params.shape).toEqual([2, 2]);
  });

  it("runs down Rosenbrock's valley, doubling digits at the end", async () => {
    const found = await newton(second(valley), double([-1.2, 1]));
    expectClose(await found.params.data(), [1, 1], { rtol: 0, atol: 1e-9 }, "params");
    expect(found).toMatchObject({ converged: true, reason: "gradient" });
    expect(found.steps).toBeLessThan(30);
  });

  it("leaves a saddle, and a place of curvature 0", async () => {
    // cos a + cos b has a maximum at 0, saddles at (0, π), minima at (π, π).
    const found = await newton(second((p) => sum(cos(p))), double([0.01, 3]));
    expectClose((await found.params.data()).map((each) => Math.abs(each) % (2 * Math.PI)), [Math.PI, Math.PI], { rtol: 1e-7, atol: 0 }, "minimum");
    expect(found.value).toBeCloseTo(-2, 12);
    // x⁴ - x has no curvature at 0.
    const flat = await newton(second((p) => sum(sub(square(square(p)), p))), double([0]));
    expectClose(await flat.params.data(), [Math.cbrt(0.25)], { rtol: 1e-8, atol: 0 }, "flat");
  });

  it("bears a function that ends, and stops at its limits", async () => {
    const f = second((p) => sum(sub(p, log(p))));
    expectClose(await (await newton(f, double([0.01, 40]))).params.data(), [1, 1], { rtol: 1e-7, atol: 0 }, "params");
    expect(await newton(f, double([0.01]), { maxSteps: 2 })).toMatchObject({ converged: false, reason: "steps", steps: 2 });
    expect((await newton(second((p) => sum(exp(p))), double([0]), { tolerance: 0, stepTolerance: 2 })).reason).toBe("step");
    await expect(newton(f, double([-1]))).rejects.toThrow("newton: the value is NaN");
    await expect(newton(second((p) => sum(p)), tensor([1], { dtype: "int32" }))).rejects.toThrow("newton: the start is int32");
    await expect(newton((p) => [sum(p), p, p], double([1, 2]))).rejects.toThrow("newton: value, gradient and Hessian have the shapes [], [2], [2]");
    await expect(newton(f, double([1]), { maxSteps: -1 })).rejects.toThrow("newton: maxSteps is -1");
  });
});

describe("searches for a rate", () => {
  const phi = (t: number) => ({ t, value: (t - 3) ** 2, slope: 2 * (t - 3) });

  it("halves until Armijo's condition holds, and no longer", async () => {
    // From 16: (13)² > 9 - …, at 8: 25 > 9, at 4: 1 < 9.
    expect((await backtracking(phi, { first: 16 }))!.t).toBe(4);
    // A share of the promise that only shorter steps keep: φ(t) ≤ φ(0) + c·t·φ′(0) is t ≤ 6(1 - c).
    expect((await backtracking(phi, { first: 16, decrease: 0.5 }))!.t).toBe(2);
    expect(await backtracking(phi, { first: 64, evaluations: 3 })).toBeNull();
    expect(await backtracking((t) => ({ t, value: t, slope: 1 }))).toBeNull();
  });

  it("flattens the slope as far as it is asked", async () => {
    for (const curvature of [0.9, 0.1, 1e-3]) {
      const found = (await strongWolfe(phi, { curvature, first: 1e-3 }))!;
      expect(Math.abs(found.slope)).toBeLessThanOrEqual(curvature * 6);
    }
    await expect(strongWolfe(phi, { curvature: 1 })).rejects.toThrow("strongWolfe: curvature is 1");
    await expect(backtracking(phi, { first: 0 })).rejects.toThrow("backtracking: first is 0");
  });

  it("goes along a direction of a tree", async () => {
    const start = { a: double([3, 0]), b: tensor([1]) as Tensor, name: "model" };
    const f = valueAndGrad((p: typeof start): Tensor => add(sum(square(p.a)), cast(sum(square(p.b)), "float64")));
    const [, gradient] = f(start);
    const at = along(f, start, mapTree(neg, gradient));
    const here = await at(0);
    expect(here).toMatchObject({ t: 0, value: 10, slope: -40 });
    const found = (await strongWolfe(at, { curvature: 0.01 }))!;
    expect(found.t).toBeCloseTo(0.5, 6);
    expectClose([...(await found.params.a.data()), ...(await found.params.b.data())], [0, 0, 0], { rtol: 0, atol: 1e-6 }, "params");
    expect(found.params.name).toBe("model");
  });

  it("logSearch takes the best of a grid, and passes over what is not finite", async () => {
    const found = await logSearch((rate) => (rate > 0.5 ? NaN : Math.abs(Math.log10(rate) + 2)), { from: 1e-4, to: 1, steps: 5 });
    expect(found.rate).toBeCloseTo(1e-2, 12);
    expect(found.value).toBeCloseTo(0, 12);
    expectClose(found.rates, [1e-4, 1e-3, 1e-2, 1e-1, 1], { rtol: 1e-12, atol: 0 }, "rates");
    expect(found.values.map(Number.isNaN)).toEqual([false, false, false, false, true]);
    await expect(logSearch(() => Infinity)).rejects.toThrow("logSearch: no value is finite between the rates 0.000001 and 1");
    await expect(logSearch(() => 1, { steps: 1 })).rejects.toThrow("logSearch: steps is 1");
  });
});

describe("stopWhen", () => {
  const run = (stopping: ReturnType<typeof stopWhen>, reports: readonly { loss?: number; stepNorm?: number }[]) =>
    reports.reduce((seen, report) => (seen.reason ? seen : stopping.update(seen, report)), stopping.init());
  const losses = [5, 4, 4.5, 4, 3.9, 4, 4, 4].map((loss) => ({ loss }));

  it.each<[string, Parameters<typeof stopWhen>[0], readonly { loss?: number; stepNorm?: number }[], string | null, number]>([
    ["patience", { patience: 3 }, losses, "patience", 8],
    ["an improvement too small", { patience: 3, minDelta: 0.2 }, losses, "patience", 5],
    ["steps", { maxSteps: 4, patience: 9 }, losses, "steps", 4],
    ["a short step", { stepTolerance: 0.1 }, [0.3, 0.2, 0.1, 0.05].map((stepNorm) => ({ stepNorm })), "step", 4],
    ["NaN", {}, [{ loss: 1 }, { loss: NaN }], "diverged", 2],
    ["nothing", {}, losses, null, 8],
  ])("stops by %s", (_, options, reports, reason, steps) => {
    expect(run(stopWhen(options), reports)).toMatchObject({ reason, steps });
  });

  it("measures steps of trees, and asks for what it needs", async () => {
    const before = { w: double([1, 2]), count: tensor([1], { dtype: "int32" }) };
    expect(await stepNorm(before, { ...before, w: double([4, 6]) }).item()).toBe(5);
    expect(() => run(stopWhen({ stepTolerance: 1 }), [{ loss: 1 }])).toThrow("stopWhen: the report has no stepNorm, which stepTolerance needs");
    expect(() => stopWhen({ patience: 0 })).toThrow("stopWhen: patience is 0");
  });
});

describe("shrinkage", () => {
  it.each<[number, number, readonly number[]]>([
    [0.5, 0, [0, 0, 0]],
    [0.5, 1, [0.5, 1, 2]],
    [0.5, 3, [0.875, 1, 2]],
    [0.25, 2, [1 - 0.5625, 0.75, 1]],
    [0.75, 3, [1 - 1 / 64, 1.125, 9]],
  ])("η = %d after %i steps", async (learningRate, steps, wanted) => {
    const { factors, eigenvalues } = shrinkage(double([[1, 0, 0], [0, 2, 0], [0, 0, 4]]), { learningRate, steps });
    expectClose(await eigenvalues.data(), [1, 2, 4], tight, "curvatures");
    expectClose(await factors.data(), wanted, tight, "factors");
  });

  it("keeps the digits of slow directions, and the zeros of flat ones", async () => {
    const bowl = double([[1e-12, 0], [0, 0]]);
    expectClose(await shrinkage(bowl, { learningRate: 1e-3, steps: 10 }).factors.data(), [0, 1e-14], { rtol: 1e-10, atol: 0 }, "steps");
    expectClose(await shrinkage(bowl, { l2: 0 }).factors.data(), [0, 1], tight, "no penalty");
    expect(() => shrinkage(bowl, { l2: -1 })).toThrow("shrinkage: l2 is -1");
    expect(() => shrinkage(bowl, { learningRate: 1, steps: 0.5 })).toThrow("shrinkage: steps is 0.5");
    expect(await mean(shrinkage(bowl, { l2: 1 }).apply(double([0, 4]))).item()).toBeLessThan(1e-9);
  });
});
