/** Section 2 of the curriculum, differentiation: one known answer or more for each row, in float64 on the reference. */
import { beforeAll, describe, expect, test } from "vitest";
import { createReferenceBackend, reference } from "@dormouse/backend-cpu/reference";
import {
  Tensor, abs, add, clamp, cos, div, exp, eye, key, linalg, linear, matmul, max, maximum, mul, neg, norm, normal,
  ones, outer, pow, relu, reshape, setDevice, sigmoid, sin, square, stack, sub, sum, tanh, tensor, transpose, zeros,
} from "@dormouse/tensor";
import { Device, topologicalOrder } from "@dormouse/tensor/graph";
import { expectClose } from "@dormouse/testing";
import {
  checkGrads, checkpoint, classifyStationaryPoint, customJvp, customVjp, divergence, evaluationTrace, explain, grad,
  hessian, hvp, isConvexOnSegment, jacfwd, jacrev, jvp, linearize, quadraticModel, stopGradient, valueAndGrad,
  vjp, vmap,
} from "../src/index.ts";

beforeAll(async () => {
  setDevice(await reference());
});

const f64 = (values: readonly number[], shape: readonly number[] = [values.length]): Tensor =>
  tensor(Float64Array.from(values), { shape });
const scalar = (value: number): Tensor => f64([value], []);
const random = (seed: number, shape: readonly number[]): Tensor => normal(key(seed), shape, { dtype: "float64" });
const values = async (x: Tensor): Promise<number[]> => [...(await x.data())].map(Number);
const same = async (got: Tensor, wanted: Tensor | readonly number[], relative = 1e-12): Promise<void> => {
  const elements = wanted instanceof Tensor ? await wanted.data() : wanted;
  expectClose(await got.data(), elements, { relative, absolute: 1e-13 });
};

/** [x₀² x₁, sin x₁, x₀ + x₂]: three outputs of three inputs, with a Jacobian that is easy to write down. */
const field = (x: Tensor): Tensor => {
  const [a, b, c] = [0, 1, 2].map((at) => sum(mul(x, f64([0, 1, 2].map((i) => Number(i === at))))));
  return stack([mul(square(a!), b!), sin(b!), add(a!, c!)]);
};
const jacobianOfField = ([a, b]: readonly number[]): number[] => [2 * a! * b!, a! ** 2, 0, 0, Math.cos(b!), 0, 1, 0, 1];
const parabola = (x: Tensor): Tensor => sub(square(x), mul(x, 1.5));

test("2.1 the directional derivative is the gradient times the direction", async () => {
  const f = (x: Tensor): Tensor => sum(mul(exp(x), sin(x)));
  const [x, v] = [f64([0.3, -1, 2]), f64([1, -2, 0.5])];
  const [, along] = jvp(f, [x], [v]);
  await same(along, sum(mul(grad(f)(x), v)));
  const wanted = [0.3, -1, 2].map((at) => Math.exp(at) * (Math.sin(at) + Math.cos(at)));
  await same(grad(f)(x), wanted);
  const [value, gradient] = valueAndGrad(f)(x);
  await same(value, f(x));
  await same(gradient, wanted);
  const h = 1e-6;
  const [ahead, behind] = [await f(add(x, mul(v, h))).item(), await f(sub(x, mul(v, h))).item()];
  expect((ahead - behind) / (2 * h)).toBeCloseTo(await along.item(), 7);
});

test("2.1 of all unit directions the gradient is the steepest", async () => {
  const f = (x: Tensor): Tensor => sum(mul(square(x), f64([1, 3])));
  const x = f64([2, 1]);
  const steepest = await norm(grad(f)(x)).item();
  const slopes = await Promise.all(
    Array.from({ length: 36 }, (_, i) => (2 * Math.PI * i) / 36).map(async (angle) =>
      jvp(f, [x], [f64([Math.cos(angle), Math.sin(angle)])])[1].item()),
  );
  expect(Math.max(...slopes)).toBeLessThanOrEqual(steepest);
  await same(jvp(f, [x], [div(grad(f)(x), steepest)])[1], [steepest]);
});

test("2.2 both modes give the Jacobian, and the Hessian is symmetric", async () => {
  const at = [1.5, 0.4, -2];
  await same(jacrev(field)(f64(at)) as Tensor, jacobianOfField(at));
  await same(jacfwd(field)(f64(at)) as Tensor, jacobianOfField(at));
  const f = (x: Tensor): Tensor => sum(mul(field(x), f64([1, 2, 3])));
  const h = hessian(f)(f64(at)) as Tensor;
  // f = a² b + 2 sin b + 3 (a + c)
  await same(h, [2 * 0.4, 3, 0, 3, -2 * Math.sin(0.4), 0, 0, 0, 0]);
  await same(h, transpose(h));
  const v = f64([1, -1, 2]);
  await same(hvp(f, [f64(at)], [v])[0], matmul(h, v));
});

test("2.2 the chain rule is the product of Jacobians", async () => {
  const g = (y: Tensor): Tensor => tanh(matmul(random(1, [4, 3]), y));
  const x = f64([0.2, -0.7, 1.1]);
  const whole = jacrev((z: Tensor) => g(field(z)))(x) as Tensor;
  await same(whole, matmul(jacrev(g)(field(x)) as Tensor, jacrev(field)(x) as Tensor));
});

describe("2.2 divergence: the trace of the Jacobian", () => {
  test("is exact, for tensors of any shape", async () => {
    const at = [1.5, 0.4, -2];
    await same(divergence(field, f64(at)), [2 * 1.5 * 0.4 + Math.cos(0.4) + 1]);
    await same(divergence((x: Tensor) => mul(square(x), x), f64([1, 2, 3, 4], [2, 2])), [3 * (1 + 4 + 9 + 16)]);
    await same(divergence(grad((x: Tensor) => sum(sin(x))), f64([0.5])), [-Math.sin(0.5)]);
    expect(await divergence((x: Tensor) => square(x), tensor(new Float64Array(0))).item()).toBe(0);
    await same(divergence((x: Tensor) => square(x), scalar(3)), [6]);
  });

  test("counts the effective degrees of freedom of ridge regression, Σ λ / (λ + α)", async () => {
    const x = random(3, [17, 5]);
    const normalMatrix = matmul(transpose(x), x);
    const eigenvalues = await values(linalg.eigh(normalMatrix).values);
    for (const alpha of [0, 1, 30]) {
      const ridge = add(normalMatrix, mul(eye(5, { dtype: "float64" }), alpha));
      const fit = (y: Tensor): Tensor => matmul(x, linalg.solve(ridge, matmul(transpose(x), y)));
      const wanted = eigenvalues.reduce((total, each) => total + each / (each + alpha), 0);
      await same(divergence(fit, random(4, [17])), [wanted], 1e-10);
      if (alpha === 0) expect(wanted).toBe(5);
    }
  });

  test("is estimated without bias, with the variance that is stated", async () => {
    const matrix = random(5, [6, 6]);
    const origin = zeros([6], { dtype: "float64" });
    const f = (x: Tensor): Tensor => matmul(matrix, x);
    const exact = await linalg.trace(matrix).item();
    const entries = (await matrix.array()) as number[][];
    let variance = 0;
    entries.forEach((row, i) =>
      row.forEach((each, j) => (variance += i === j ? 0 : each * each + each * entries[j]![i]!)));
    const trials = 200;
    const estimates: number[] = [];
    for (let i = 0; i < trials; i++) {
      estimates.push(await divergence(f, origin, { key: key(i), probes: 8 }).item());
    }
    const mean = estimates.reduce((a, b) => a + b, 0) / trials;
    const spread = estimates.reduce((a, b) => a + (b - mean) ** 2, 0) / (trials - 1);
    expect(Math.abs(mean - exact)).toBeLessThan(4 * Math.sqrt(variance / 8 / trials));
    // The standard error of a variance from 200 draws is about 10 %.
    expect(spread / (variance / 8)).toBeGreaterThan(0.6);
    expect(spread / (variance / 8)).toBeLessThan(1.4);
  });

  test("is exact with one probe where the Jacobian is diagonal, and says what does not fit", async () => {
    const x = f64([1, 2, 3]);
    await same(divergence((z: Tensor) => square(z), x, { key: key(9), probes: 1 }), [12]);
    expect(() => divergence((z: Tensor) => sum(z), x)).toThrow("divergence: the function takes [3] to []; give");
    expect(() => divergence(square, x, { probes: 4 })).toThrow("divergence: probes come without a key");
    expect(() => divergence(square, x, { key: key(0), probes: 0 })).toThrow("divergence: probes is 0; use a positive");
  });
});

describe("2.3 linearization", () => {
  test("f(x) = x² − 1.5x at 0.5: f(0.51) = −0.5049, the line says −0.5050", async () => {
    const [value, derivative] = linearize(parabola, scalar(0.5));
    expect(await value.item()).toBe(-0.5);
    expect(await parabola(scalar(0.51)).item()).toBeCloseTo(-0.5049, 12);
    expect((await value.item()) + (await derivative(scalar(0.01)).item())).toBeCloseTo(-0.505, 12);
  });

  test("the quadratic model is exact for a parabola, and its error is of third order elsewhere", async () => {
    const model = quadraticModel(parabola, scalar(0.5));
    expect(await model.at(scalar(0.01)).item()).toBeCloseTo(-0.5049, 14);
    const f = (x: Tensor): Tensor => sum(mul(exp(x), cos(x)));
    const [x, d] = [f64([0.3, -0.2]), f64([1, 2])];
    const errors = async (t: number): Promise<[line: number, parabola: number]> => {
      const step = mul(d, t);
      const truth = await f(add(x, step)).item();
      const [value, derivative] = linearize(f, x);
      const line = (await value.item()) + (await derivative(step).item());
      return [Math.abs(line - truth), Math.abs((await quadraticModel(f, x).at(step).item()) - truth)];
    };
    const [[line1, second1], [line2, second2]] = [await errors(0.02), await errors(0.01)];
    expect(line1 / line2).toBeCloseTo(4, 0);
    expect(second1 / second2).toBeCloseTo(8, 0);
  });

  test("the quadratic model takes trees and gives curvature", async () => {
    const f = ({ a, b }: { a: Tensor; b: Tensor }): Tensor => sum(mul(square(a), b));
    const model = quadraticModel(f, { a: f64([1, 2]), b: f64([3, -1]) });
    await same(model.value, [3 - 4]);
    await same(model.gradient.a, [6, -4]);
    const step = { a: f64([0.5, 0]), b: f64([0, 1]) };
    const { a, b } = model.curvature(step);
    await same(a, [2 * 3 * 0.5, 2 * 2 * 1]);
    await same(b, [2 * 1 * 0.5, 0]);
    await same(model.at(step), [-1 + 6 * 0.5 + 4 * 1 + 0.5 * (0.5 * 3)]);
  });
});

test("2.4 numerical differentiation: central differences agree, and the worst entry is named", async () => {
  const smooth = (x: Tensor): Tensor => div(x, add(abs(x), 1));
  const report = await checkGrads(smooth, [tensor([-1, 0.5, 2])]);
  expect(report.checked).toBe(3);
  expect(report.worst!.excess).toBeLessThan(1);
  const wrong = customVjp((x: Tensor) => square(x), (_, x) => (ct) => mul(ct, mul(x, f64([2, 2, 2.1]))));
  await expect(checkGrads(wrong, [f64([1, 2, 3])])).rejects.toThrow(/argument 0\[2\]/);
  // Central differences are of second order: a step ten times smaller has an error a hundred times smaller.
  const error = (h: number): number => Math.abs((Math.sin(1 + h) - Math.sin(1 - h)) / (2 * h) - Math.cos(1));
  expect(error(1e-2) / error(1e-3)).toBeCloseTo(100, 1);
});

test("2.5 symbolic differentiation: sin(x) is computed once for the function and its derivative", () => {
  const text = String(explain((x: Tensor) => mul(x, sin(x)), tensor(2)));
  expect(text).toContain("v1 = sin(x)");
  expect(text).toContain("dx = v1 + x * cos(x)");
  expect(text.match(/sin\(x\)/g)).toHaveLength(1);
});

describe("2.6 forward mode", () => {
  test("one pass gives one column of the Jacobian", async () => {
    const at = [1.5, 0.4, -2];
    const columns = await Promise.all([0, 1, 2].map(async (i) =>
      values(jvp(field, [f64(at)], [f64([0, 1, 2].map((j) => Number(i === j)))])[1])));
    const wanted = jacobianOfField(at);
    columns.forEach((column, j) => expectClose(column, [0, 1, 2].map((i) => wanted[3 * i + j]!)));
  });

  test("the cost grows with the inputs, that of reverse mode with the outputs", () => {
    const work = (outputs: Tensor): number => topologicalOrder([outputs]).reduce((total, { size }) => total + size, 0);
    const narrow = (n: number): [forward: number, reverse: number] => {
      const f = (x: Tensor): Tensor => sum(sin(x));
      return [work(jacfwd(f)(ones([n])) as Tensor), work(jacrev(f)(ones([n])) as Tensor)];
    };
    const [[forward1, reverse1], [forward2, reverse2]] = [narrow(20), narrow(40)];
    // One scalar output: forward mode carries n tangents of n numbers, reverse mode one cotangent of n.
    expect(forward2 / forward1).toBeGreaterThan(3.5);
    expect(reverse2 / reverse1).toBeLessThan(2.1);
  });
});

describe("2.7 reverse mode", () => {
  test("a linear layer: the VJP by the input is a product with W, that by the weight an outer product", async () => {
    const [x, w, ct] = [random(1, [1, 3]), random(2, [2, 3]), random(3, [1, 2])];
    const [, pullback] = vjp((a: Tensor, b: Tensor) => linear(a, b), x, w);
    const [dx, dw] = pullback(ct);
    await same(dx, matmul(ct, w));
    await same(dw, outer(reshape(ct, [2]), reshape(x, [3])));
  });

  test("no step of a linear layer makes a tensor of rank three, whatever Jacobians it stands for", () => {
    const { forward, reverse } = evaluationTrace((x: Tensor, w: Tensor) => linear(x, w), ones([4, 3]), ones([2, 3]));
    expect(reverse.map(({ jacobian }) => jacobian?.length ?? 0)).toContain(4);
    expect([...forward, ...reverse].filter(({ shape }) => shape.length > 2)).toEqual([]);
    const [, pullback] = vjp((x: Tensor, w: Tensor) => linear(x, w), ones([4, 3]), ones([2, 3]));
    expect(topologicalOrder(pullback(ones([4, 2]))).filter(({ rank }) => rank > 2)).toEqual([]);
  });

  test("adjoints are listed from the result back: x₁x₂ + sin x₁ at (2, 5)", async () => {
    const trace = evaluationTrace((x1: Tensor, x2: Tensor) => add(mul(x1, x2), sin(x1)), scalar(2), scalar(5));
    const { reverse } = await trace.evaluate();
    const last = (name: string): number =>
      reverse.filter((step) => step.receiver === name).reduce((total, { value }) => total + (value as number), 0);
    expect(last("x1")).toBeCloseTo(5 + Math.cos(2), 14);
    expect(last("x2")).toBe(2);
  });
});

test("2.8 checkpointing: same gradients, O(√L) activations in place of O(L), for one more forward pass", async () => {
  const planned: number[] = [];
  const kernels: number[] = [];
  const backend = createReferenceBackend();
  setDevice(new Device({
    ...backend,
    compile(program) {
      planned.push(program.temporaryBytes);
      kernels.push(program.steps.length);
      return backend.compile(program);
    },
  }));
  const width = 512;
  const layers = 64;
  // A product with a matrix between layers keeps the activations from being fused away.
  const weight = mul(random(1, [8, 8]), 0.2);
  const layer = (h: Tensor): Tensor => tanh(matmul(h, weight));
  const chain = (count: number) => (h: Tensor): Tensor =>
    Array.from({ length: count }).reduce<Tensor>((z) => layer(z), h);
  const segmented = (h: Tensor): Tensor =>
    Array.from({ length: 8 }).reduce<Tensor>((z) => checkpoint(chain(8))(z), h);
  const x = random(2, [width / 8, 8]);
  const run = async (f: (h: Tensor) => Tensor): Promise<{ gradient: number[]; activations: number; steps: number }> => {
    planned.length = kernels.length = 0;
    const gradient = await values(grad((h: Tensor) => sum(square(f(h))))(x));
    const largest = planned.indexOf(Math.max(...planned));
    return { gradient, activations: planned[largest]! / (width * 8), steps: kernels[largest]! };
  };
  const plain = await run(chain(layers));
  const saved = await run(segmented);
  setDevice(await reference());
  expectClose(saved.gradient, plain.gradient, { relative: 1e-10 });
  // All 64 activations are kept by the one, 8 borders and the 8 of one segment (and few beside them) by the other.
  expect(plain.activations).toBeGreaterThanOrEqual(layers - 1);
  expect(saved.activations).toBeLessThanOrEqual(2 * Math.sqrt(layers) + 6);
  expect(saved.activations).toBeGreaterThanOrEqual(Math.sqrt(layers));
  expect(saved.steps).toBeGreaterThan(plain.steps);
  expect(saved.steps).toBeLessThan(1.6 * plain.steps);
});

test("2.9 subgradients: relu′(0) = 0, |·|′(0) = 0, ties of a maximum share", async () => {
  expect(await grad((x: Tensor) => relu(x))(scalar(0)).item()).toBe(0);
  expect(await grad((x: Tensor) => abs(x))(scalar(0)).item()).toBe(0);
  await same(grad((x: Tensor) => max(x))(f64([2, 5, 5, 1])), [0, 0.5, 0.5, 0]);
  await same(grad((x: Tensor) => maximum(x, 3))(scalar(3)), [0.5]);
  // Any slope between those of the two sides is a subgradient: f(y) ≥ f(0) + g·y.
  for (const y of [-2, -0.1, 0.3, 4]) {
    for (const [f, slope] of [[relu, 0], [abs, 0]] as const) {
      expect(await f(scalar(y)).item()).toBeGreaterThanOrEqual(slope * y);
    }
  }
});

describe("2.10 custom rules and stopGradient", () => {
  test("a rule of one's own replaces the derivative in both modes", async () => {
    const straightThrough = customJvp((x: Tensor) => clamp(x, { min: 0, max: 1 }), () => (t) => t);
    await same(grad((x: Tensor) => sum(straightThrough(x)))(f64([-1, 0.5, 2])), [1, 1, 1]);
    const halved = customVjp((x: Tensor) => exp(x), (y) => (ct) => mul(mul(ct, y), 0.5));
    await same(grad((x: Tensor) => halved(x))(scalar(1)), [Math.E / 2]);
    await same(jvp(halved, [scalar(1)], [scalar(2)])[1], [Math.E]);
  });

  test("what stops is a constant: d(x · stop(x)) = x", async () => {
    await same(grad((x: Tensor) => mul(x, stopGradient(x)))(scalar(3)), [3]);
    await same(grad((x: Tensor) => mul(x, x))(scalar(3)), [6]);
  });
});

test("2.11 transforms nest: grad of grad, jvp of grad, grad of vjp; vmap is a loop", async () => {
  const f = (x: Tensor): Tensor => mul(square(x), x);
  const x = scalar(2);
  await same(grad(grad(f))(x), [12]);
  await same(grad(grad(grad(f)))(x), [6]);
  await same(jvp(grad(f), [x], [scalar(0.5)])[1], [6]);
  await same(grad((z: Tensor) => vjp(f, z)[1](scalar(1))[0])(x), [12]);
  const points = f64([1, 2, 3]);
  await same(vmap(grad(f))(points), [3, 12, 27]);
  await same(vmap(grad(grad(f)))(points), [6, 12, 18]);
});

test("2.12 vanishing and exploding gradients: each layer multiplies by w·φ′", async () => {
  const through = (phi: (x: Tensor) => Tensor, w: number, depth: number) => (x: Tensor): Tensor =>
    Array.from({ length: depth }).reduce<Tensor>((h) => phi(mul(h, w)), x);
  const slope = async (phi: (x: Tensor) => Tensor, w: number, depth: number, at: number): Promise<number> =>
    grad(through(phi, w, depth))(scalar(at)).item();
  // σ′ ≤ 1/4: with weights of one the gradient falls at least by 4 with every layer.
  for (const depth of [1, 5, 20]) expect(await slope(sigmoid, 1, depth, 0.3)).toBeLessThanOrEqual(0.25 ** depth);
  // It explodes where |w·φ′| is above one, exactly by w with every layer for relu.
  expect(await slope(relu, 1.5, 20, 1)).toBeCloseTo(1.5 ** 20, 6);
  expect(await slope(relu, 1, 20, 1)).toBe(1);
  // Through tanh the product is Π w (1 − h²).
  let [h, wanted] = [0.5, 1];
  for (let i = 0; i < 10; i++) {
    h = Math.tanh(1.2 * h);
    wanted *= 1.2 * (1 - h * h);
  }
  expect(await slope(tanh, 1.2, 10, 0.5)).toBeCloseTo(wanted, 12);
});

describe("2.13 convexity and stationary points", () => {
  const quadratic = (...signs: readonly number[]) => (x: Tensor): Tensor => sum(mul(square(x), f64(signs)));
  const origin = (n: number): Tensor => f64(new Array<number>(n).fill(0));

  test.each([
    ["minimum", [1, 3, 0.5]],
    ["maximum", [-1, -3, -0.5]],
    ["saddle", [1, -1]],
    ["saddle", [1, -1, 0]],
    ["degenerate", [1, 0]],
    ["degenerate", [-1, 0]],
    ["degenerate", [0, 0]],
  ] as const)("%s where the eigenvalues are twice %j", async (kind, signs) => {
    const found = await classifyStationaryPoint(quadratic(...signs), origin(signs.length));
    expect(found.kind).toBe(kind);
    expectClose(found.eigenvalues, signs.map((sign) => 2 * sign).sort((a, b) => a - b));
  });

  test("sees what only the whole Hessian shows: xy has a saddle, and its diagonal is zero", async () => {
    const product = (x: Tensor): Tensor => sum(mul(mul(sum(mul(x, f64([1, 0]))), sum(mul(x, f64([0, 1])))), 1));
    const { kind, eigenvalues } = await classifyStationaryPoint(product, origin(2));
    expect(kind).toBe("saddle");
    expectClose(eigenvalues, [-1, 1]);
  });

  test("finds the three stationary points of a double well", async () => {
    const well = (x: Tensor): Tensor => square(sub(square(x), 1));
    const found = await Promise.all([-1, 0, 1].map((at) => classifyStationaryPoint(well, scalar(at))));
    expect(found.map(({ kind }) => kind)).toEqual(["minimum", "maximum", "minimum"]);
    expect((await classifyStationaryPoint((x: Tensor) => square(square(x)), scalar(0))).kind).toBe("degenerate");
  });

  test("works in float32, on any shape, and not away from a stationary point", async () => {
    const target = tensor([[1, 2, 3], [4, 5, 6]]);
    const distance = (x: Tensor): Tensor => sum(square(sub(x, target)));
    expect((await classifyStationaryPoint(distance, target)).kind).toBe("minimum");
    await expect(classifyStationaryPoint(distance, add(target, 1))).rejects.toThrow(
      /^classifyStationaryPoint: the gradient has norm 4\.89\d+ beside curvature 2: the point is not stationary; move/,
    );
    await expect(classifyStationaryPoint((x: Tensor) => pow(x, 0.5), scalar(0))).rejects.toThrow(
      "choose a point where the function is twice differentiable",
    );
  });

  test("convexity on a segment: the chord lies above the function", async () => {
    const [from, to] = [f64([-2, 1]), f64([3, -1])];
    const cases: readonly (readonly [(x: Tensor) => Tensor, boolean])[] = [
      [(x) => sum(square(x)), true],
      [(x) => sum(abs(x)), true],
      [(x) => sum(exp(x)), true],
      [(x) => sum(mul(x, 3)), true],
      [(x) => neg(sum(square(x))), false],
      [(x) => neg(sum(abs(x))), false],
      [(x) => sum(sin(x)), false],
      [(x) => sum(square(sub(square(x), 1))), false],
    ];
    for (const [f, wanted] of cases) expect(await isConvexOnSegment(f, from, to), f.toString()).toBe(wanted);
    // Between 1 and 2 the double well curves upwards.
    expect(await isConvexOnSegment((x: Tensor) => sum(square(sub(square(x), 1))), f64([1]), f64([2]))).toBe(true);
    expect(await isConvexOnSegment((x: Tensor) => sum(square(x)), tensor([-2, 1]), tensor([3, -1]))).toBe(true);
  });

  test("convexity says what does not fit", async () => {
    const x = f64([1, 2]);
    await expect(isConvexOnSegment(square, x, x)).rejects.toThrow("isConvexOnSegment: the function returned shape [2]");
    await expect(isConvexOnSegment(sum, x, f64([1]))).rejects.toThrow("isConvexOnSegment: the ends are [2] and [1]");
    await expect(isConvexOnSegment(sum, x, x, { points: 2 })).rejects.toThrow("isConvexOnSegment: points is 2");
    const pole = (z: Tensor): Tensor => sum(div(1, z));
    await expect(isConvexOnSegment(pole, f64([-1]), f64([1]))).rejects.toThrow("is Infinity on the segment");
  });
});
