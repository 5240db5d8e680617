/** L-BFGS on functions with known minima, with both line searches; when it stops, what it refuses; interpolation. */
import { beforeAll, describe, expect, it } from "vitest";
import { valueAndGrad } from "@dormouse/autograd";
import { reference } from "@dormouse/backend-cpu/reference";
import { type Tensor, add, log, mul, setDevice, slice, square, sub, sum, tensor, zeros } from "@dormouse/tensor";
import { minimize } from "../src/index.ts";
import { between, strongWolfe } from "../src/line-search.ts";
import { expectClose } from "./expect.ts";

beforeAll(async () => {
  setDevice(await reference());
});

const double = (...data: number[]): Tensor => tensor(data, { dtype: "float64" });
const near = (atol: number) => ({ rtol: 0, atol });
const valley = (p: Tensor): Tensor => {
  const [x, y] = [slice(p, [0]), slice(p, [1])];
  return add(square(sub(1, x)), mul(square(sub(y, square(x))), 100));
};
const scales = Array.from({ length: 17 }, (_, i) => 10 ** (i / 4));
/** ½ Σ scale · (x − 1)², whose minimum is 1 everywhere; the condition number is 10⁴. */
const bowl = (x: Tensor): Tensor => mul(sum(mul(square(sub(x, 1)), double(...scales))), 0.5);

describe.each(["strongWolfe", "backtracking"] as const)("with %s", (lineSearch) => {
  it("runs down Rosenbrock's valley", async () => {
    const found = await minimize(valueAndGrad(valley), double(-1.2, 1), { lineSearch });
    expect(found).toMatchObject({ converged: true, reason: "gradient" });
    expectClose(await found.params.data(), [1, 1], near(1e-7), "x");
    expect(found.gradientNorm).toBeLessThanOrEqual(1e-8);
    expect(found.evaluations).toBeGreaterThan(found.steps);
    expect(found.evaluations).toBeLessThan(120);
  });

  it.each([1, 3, 10, 30])("finds the bottom of a quadratic with %i pairs", async (history) => {
    const found = await minimize(valueAndGrad(bowl), zeros([17], { dtype: "float64" }) as Tensor, { lineSearch, history, maxSteps: 5000 });
    expect(found.reason).toBe("gradient");
    expectClose(await found.params.data(), scales.map(() => 1), near(1e-7), "x");
  });

  it("bears a function that ends: x − log x, minimum at 1, from a first step beyond 0", async () => {
    const f = (x: Tensor): Tensor => sum(sub(x, log(x)));
    const found = await minimize(valueAndGrad(f), double(0.01, 40), { lineSearch });
    expect(found.converged).toBe(true);
    expectClose(await found.params.data(), [1, 1], near(1e-7), "x");
  });
});

it("descends steepest without history, and far slower", async () => {
  const options = { history: 0, maxSteps: 40 };
  const slow = await minimize(valueAndGrad(valley), double(-1.2, 1), options);
  const fast = await minimize(valueAndGrad(valley), double(-1.2, 1), { maxSteps: 40 });
  expect(slow).toMatchObject({ converged: false, reason: "steps", steps: 40 });
  expect(slow.value).toBeLessThan(24.2);
  expect(fast.value).toBeLessThan(1e-15);
});

it("reaches what float32 can tell apart", async () => {
  const found = await minimize(valueAndGrad(valley), tensor([-1.2, 1]) as Tensor);
  expect(found.converged).toBe(true);
  expect(found.params.dtype).toBe("float32");
  expectClose(await found.params.data(), [1, 1], near(1e-3), "x");
});

it("varies the float tensors of a tree, in their dtypes, and keeps ties and the rest", async () => {
  const shared: Tensor = tensor([3, -1]);
  const start = { a: shared, again: shared, b: double(5), count: tensor([7], { dtype: "int32" }) as Tensor, name: "model" };
  const f = (p: typeof start): Tensor =>
    add(sum(square(sub(p.b, 2))), sum(square(add(double(0.5, 0.25), mul(double(1, 1), slice(p.b, [[0, 1]]))))));
  const loss = valueAndGrad(f);
  const { params } = await minimize((p: typeof start) => loss(p), start);
  expect(params.a).toBe(params.again);
  expect(params.a.dtype).toBe("float32");
  expect(params.count).toBe(start.count);
  expect(params.name).toBe("model");
  // (b − 2)² + (b + ½)² + (b + ¼)² is least at b = (2 − ½ − ¼) / 3.
  expectClose(await params.b.data(), [1.25 / 3], near(1e-4), "b");
  expectClose(await params.a.data(), [3, -1], near(0), "a, which the function does not read");
});

describe("stops", () => {
  it("at once at a minimum, and without parameters", async () => {
    expect(await minimize(valueAndGrad(valley), double(1, 1))).toMatchObject({ steps: 0, evaluations: 1, reason: "gradient", value: 0 });
    const empty = await minimize(valueAndGrad((x: Tensor) => sum(x)), zeros([0], { dtype: "float64" }) as Tensor);
    expect(empty).toMatchObject({ steps: 0, reason: "gradient", gradientNorm: 0 });
  });

  it("at short steps", async () => {
    const found = await minimize(valueAndGrad(valley), double(-1.2, 1), { tolerance: 0, stepTolerance: 0.5 });
    expect(found).toMatchObject({ converged: true, reason: "step" });
    expect(found.gradientNorm).toBeGreaterThan(0);
  });

  it("where the gradient lies", async () => {
    const uphill = (x: Tensor) => [sum(square(x)), mul(x, -2)] as const;
    const found = await minimize(uphill, double(1));
    expect(found).toMatchObject({ converged: false, reason: "lineSearch", steps: 0, value: 1 });
  });
});

it("refuses", async () => {
  const f = valueAndGrad(valley);
  await expect(minimize(f, double(NaN, 1))).rejects.toThrow("minimize: the value is NaN");
  await expect(minimize(f, double(1, 2), { history: -1 })).rejects.toThrow("minimize: history is -1");
  await expect(minimize(f, double(1, 2), { lineSearch: "exact" as "backtracking" })).rejects.toThrow(`lineSearch is "exact"`);
  await expect(minimize((x: Tensor) => [x, x] as const, double(1, 2))).rejects.toThrow("minimize: the value has shape [2]");
  await expect(minimize((x: Tensor) => [sum(x), [x] as unknown as Tensor] as const, double(1))).rejects.toThrow("the gradient differs");
  await expect(minimize((x: Tensor) => [sum(x), sum(x) as Tensor] as const, double(1, 2))).rejects.toThrow("expected 2 elements, received 1");
});

describe("line search", () => {
  // The cubic (t − 1)² (t + 2) has its minimum at 1.
  const cubic = (t: number) => ({ t, value: (t - 1) ** 2 * (t + 2), slope: 3 * (t * t - 1) });

  it("finds the minimum of a cubic from either end, and halves what is not finite", () => {
    expect(between(cubic(0), cubic(3))).toBeCloseTo(1, 12);
    expect(between(cubic(3), cubic(0))).toBeCloseTo(1, 12);
    expect(between(cubic(0), { t: 3, value: NaN, slope: 1 })).toBe(1.5);
  });

  it.each([1e-4, 0.1, 1, 30, 1e5])("meets the strong Wolfe conditions from %d", async (first) => {
    const f = (t: number) => ({ t, value: (t - 20) ** 2 / (1 + t), slope: ((t - 20) * (t + 22)) / (1 + t) ** 2 });
    const start = f(0);
    const found = (await strongWolfe((t) => Promise.resolve(f(t)), { first }))!;
    expect(found.value).toBeLessThanOrEqual(start.value + 1e-4 * found.t * start.slope);
    expect(Math.abs(found.slope)).toBeLessThanOrEqual(-0.9 * start.slope);
  });
});
