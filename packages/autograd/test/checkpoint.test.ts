/**
 * Checks of the data inside of functions that transforms take apart, and checkpointed functions with several results:
 * the same errors as outside, the same derivatives of every order, and one recomputation.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { cpu } from "@dormouse/backend-cpu";
import { reference } from "@dormouse/backend-cpu/reference";
import {
  type Tensor, add, argmax, cast, compile, cos, exp, linalg, matmul, mul, setDevice, sin, square, stack, sum, tanh, tensor,
  treeLeaves,
} from "@dormouse/tensor";
import { type Device, lower, primitive, valuesOf } from "@dormouse/tensor/graph";
import { checkpoint, customJvp, customVjp, grad, hessian, jvp, valueAndGrad, vjp, vmap } from "../src/index.ts";
import { expectClose } from "@dormouse/testing";

const devices: Record<string, Device> = {};
beforeAll(async () => {
  devices.reference = await reference();
  devices.cpu = await cpu({ threads: 1 });
  setDevice(devices.reference);
});

const f64 = (values: readonly number[], shape: readonly number[] = [values.length]): Tensor =>
  tensor(Float64Array.from(values), { shape });
const same = async (got: unknown, wanted: unknown): Promise<void> => {
  const [a, b] = [treeLeaves(got), treeLeaves(wanted)];
  expect(a.map(({ shape }) => shape)).toEqual(b.map(({ shape }) => shape));
  for (const [i, each] of a.entries()) {
    expectClose(await each.data(), await b[i]!.data(), { relative: 1e-11, absolute: 1e-11 }, `leaf ${i}`);
  }
};

describe.each(["reference", "cpu"])("checks of the data, on %s", (name) => {
  beforeAll(() => setDevice(devices[name]!));
  const singular = () => f64([1, 2, 2, 4], [2, 2]);
  const regular = () => f64([3, 1, 1, 2], [2, 2]);
  const right = f64([1, 1], [2, 1]);
  const solved = (a: Tensor): Tensor => sum(square(linalg.solve(a, right)));
  const read = (value: unknown): number[] => treeLeaves(value).flatMap((leaf) => [...leaf.dataSync()].map(Number));
  const singularError = "linalg.solve: the matrix is singular at pivot 1";

  const wrappers: readonly (readonly [string, (f: (a: Tensor) => Tensor) => (a: Tensor) => unknown])[] = [
    ["plain", (f) => f],
    ["checkpoint", (f) => checkpoint(f)],
    ["checkpoint of checkpoint", (f) => checkpoint(checkpoint(f))],
    ["several results", (f) => checkpoint((a: Tensor) => [f(a), sum(a)])],
    ["customVjp", (f) => customVjp(f, (y, a) => (ct) => mul(mul(ct, y), a))],
    ["grad of checkpoint", (f) => grad((a: Tensor) => checkpoint(f)(a))],
    ["valueAndGrad of checkpoint", (f) => valueAndGrad((a: Tensor) => checkpoint(f)(a))],
    ["vjp of checkpoint", (f) => (a) => vjp(checkpoint(f), a)[1](f64([1], []))],
    ["jvp of checkpoint", (f) => (a) => jvp(checkpoint(f), [a], [a])[1]],
    ["grad", (f) => grad(f)],
    ["jvp", (f) => (a) => jvp(f, [a], [a])[1]],
    ["hessian of checkpoint", (f) => hessian((a: Tensor) => checkpoint(f)(a))],
    ["vmap of checkpoint", (f) => (a) => vmap(checkpoint(f))(stack([regular(), a]))],
    ["checkpoint of vmap", (f) => (a) => checkpoint(vmap(f) as (b: Tensor) => Tensor)(stack([regular(), a]))],
    ["vmap of grad of checkpoint", (f) => (a) => vmap(grad((b: Tensor) => checkpoint(f)(b)))(stack([regular(), a]))],
  ];
  it.each(wrappers)("%s: eager, compiled and donated", (_, wrap) => {
    const f = wrap(solved);
    expect(() => read(f(singular()))).toThrow(singularError);
    expect(read(f(regular())).every(Number.isFinite)).toBe(true);
    for (const donate of [[], [0]]) {
      const compiled = compile((a: Tensor) => f(a) as Tensor, { donate });
      expect(read(compiled(regular()))).toEqual(read(f(regular())));
      const bad = singular();
      expect(() => read(compiled(bad))).toThrow(singularError);
      // Nothing was given out, and nothing overwritten or spent.
      expect(bad.spent).toBeNull();
      expect(read(bad)).toEqual([1, 2, 2, 4]);
      expect(read(compiled(regular()))).toEqual(read(f(regular())));
      expect(compiled.traces).toBe(1);
    }
  });

  it("a failed check that a donating step runs first leaves its arguments as they were", () => {
    const update = checkpoint((w: Tensor, label: Tensor) => {
      const at = primitive.reduce(label, "max", [0]);
      const checked = primitive.check(w, at, (found) => new Error(`label ${found} is bad`));
      return mul(checked, 2);
    });
    const step = compile(update, { donate: [0] });
    const labels = (...values: number[]): Tensor => tensor(values, { dtype: "int32" });
    const w = step(add(f64([1, 2]), 0), labels(-1, -3));
    expect(() => step(w, labels(-1, 7))).toThrow("label 7 is bad");
    expect(w.spent).toBeNull();
    expect(read(w)).toEqual([2, 4]);
    expect(read(step(w, labels(-2, -1)))).toEqual([4, 8]);
  });

  it("equal checks are one, and each error is that of its own graph", () => {
    const flagged = (message: string) => (x: Tensor): Tensor => {
      const at = cast(argmax(x), "int32");
      return primitive.check(x, at, (found) => new Error(`${message} ${found}`));
    };
    for (const message of ["first", "second"]) {
      const f = checkpoint(flagged(message));
      expect(() => read(f(f64([1, 3, 2])))).toThrow(`${message} 1`);
    }
    const hole = primitive.placeholder([3], "float64");
    const twice = add(checkpoint(flagged("a"))(hole), checkpoint(flagged("b"))(mul(hole, 1)));
    expect(lower({ inputs: [hole], outputs: [twice] }, { key: "checks" }).checks).toHaveLength(1);
  });

  it("a compiled function factors once for its value and its check", () => {
    const before = devices[name]!.statistics.runs;
    const solve = compile((a: Tensor) => linalg.solve(a, right));
    solve(regular());
    expect(devices[name]!.statistics.runs - before).toBe(1);
    // The right side may be taken over; factoring twice to check first would cost more than memory for the result.
    const donating = compile((a: Tensor, b: Tensor) => linalg.solve(a, b), { donate: [1] });
    const start = devices[name]!.statistics.runs;
    donating(regular(), add(right, 0));
    // One run for the argument that was pending, one for the solution.
    expect(devices[name]!.statistics.runs - start).toBe(2);
  });

  it("buffers of checks are freed", () => {
    const solve = compile((a: Tensor) => linalg.solve(a, right));
    const a = regular();
    // What is given twice stays on the device.
    for (let i = 0; i < 2; i++) solve(a).dispose();
    const { buffers } = devices[name]!.statistics;
    for (let i = 0; i < 3; i++) solve(a).dispose();
    expect(devices[name]!.statistics.buffers).toBe(buffers);
    const bad = singular();
    expect(() => solve(bad)).toThrow("singular");
    expect(devices[name]!.statistics.buffers).toBeLessThanOrEqual(buffers + 1);
  });
});

describe("several results", () => {
  beforeAll(() => setDevice(devices.reference!));
  const weight = f64([0.5, -0.3, 0.2, 0.9, 0.4, -0.6, 0.1, 0.7, -0.2], [3, 3]);
  const trunk = (h: Tensor): Tensor => tanh(matmul(exp(matmul(h, weight)), weight));
  const branches = (h: Tensor): { a: Tensor; b: Tensor; n: Tensor } => {
    const shared = trunk(h);
    return { a: sin(shared), b: matmul(shared, weight), n: argmax(shared) };
  };
  const total = (f: typeof branches) => (h: Tensor): Tensor => {
    const { a, b } = f(h);
    return add(sum(mul(a, cos(b))), sum(square(a)));
  };
  const x = f64([0.3, -0.5, 1.2], [1, 3]);
  const operations = (root: Tensor, op: string): number => {
    const seen = new Set(valuesOf({ inputs: [x, weight], outputs: [root] }));
    for (const value of seen) for (const source of value.sources) seen.add(source);
    return [...seen].filter((value) => value.op === op).length;
  };

  it("are recomputed once, and walked once", () => {
    const [plain, saved] = [grad(total(branches))(x), grad(total(checkpoint(branches)))(x)];
    // The value, behind which nothing is kept; and the same again.
    expect([operations(plain, "exp"), operations(saved, "exp")]).toEqual([1, 2]);
    // Products: three for the value. The recomputation needs two of them, and three go backwards.
    expect([operations(plain, "dot"), operations(saved, "dot")]).toEqual([6, 8]);
    // Mapped over examples, still.
    const mapped = (f: typeof branches): Tensor => vmap(grad(total(f)))(stack([x, x]));
    const outside = (f: typeof branches): Tensor =>
      grad((h: Tensor) => sum(vmap(total(f))(h)))(stack([x, x]));
    for (const build of [mapped, outside]) expect(operations(build(checkpoint(branches)), "exp")).toBe(2);
  });

  it("have the derivatives of the plain function, of every order and in every mode", async () => {
    const [plain, saved] = [total(branches), total(checkpoint(branches))];
    const third = (f: (h: Tensor) => Tensor) =>
      grad((h: Tensor) => sum(grad((g: Tensor) => sum(square(grad(f)(g))))(h)));
    const builds: ((f: (h: Tensor) => Tensor) => unknown)[] = [
      (f) => valueAndGrad(f)(x),
      (f) => jvp(f, [x], [f64([1, -2, 0.5], [1, 3])]),
      (f) => hessian(f)(x),
      (f) => third(f)(x),
      (f) => vmap(f)(stack([x, mul(x, 2)])),
      (f) => vmap(hessian(f))(stack([x, mul(x, 2)])),
      (f) => hessian((h: Tensor) => sum(vmap(f)(h)))(stack([x, mul(x, 2)])),
      (f) => jvp(grad(f), [x], [x]),
      (f) => compile(grad(f))(x),
    ];
    for (const build of builds) await same(build(saved), build(plain));
  });

  it.each(["a", "b"] as const)("reach the arguments where only %s has a cotangent", async (name) => {
    const only = (f: typeof branches) => grad((h: Tensor) => sum(f(h)[name]));
    await same(only(checkpoint(branches))(x), only(branches)(x));
  });

  it("nest, and keep captured tensors apart", async () => {
    const pair = (through: typeof checkpoint) => (h: Tensor, w: Tensor): Tensor => {
      const inner = through((z: Tensor) => [mul(z, w), sin(z)] as const);
      const outer = through((z: Tensor) => {
        const [p, q] = inner(exp(z));
        const [r, s] = inner(q);
        return [add(p, s), mul(r, q)] as const;
      });
      const [u, v] = outer(h);
      return sum(mul(u, square(v)));
    };
    const plain = ((f: unknown) => f) as typeof checkpoint;
    const [h, w] = [f64([0.2, -0.4]), f64([1.5, 0.5])];
    for (const argument of [0, 1]) {
      await same(grad(pair(checkpoint), { argument })(h, w), grad(pair(plain), { argument })(h, w));
      const curve = (f: typeof checkpoint) =>
        grad((a: Tensor) => sum(square(grad(pair(f), { argument })(a, w))))(h);
      await same(curve(checkpoint), curve(plain));
    }
  });
});

describe("custom rules, nested", () => {
  beforeAll(() => setDevice(devices.reference!));
  const cube = customVjp((x: Tensor) => mul(x, square(x)), (_, x) => (ct) => mul(ct, mul(square(x), 3)));
  const wave = customJvp((x: Tensor) => sin(x), (_, x) => (t) => mul(t, cos(x)));
  const xs = f64([0.5, -1, 2]);

  it("vmap of grad of customVjp, to third order", async () => {
    await same(vmap(grad((x: Tensor) => cube(x)))(xs), mul(square(xs), 3));
    await same(vmap(grad(grad((x: Tensor) => cube(x))))(xs), mul(xs, 6));
    await same(vmap(grad(grad(grad((x: Tensor) => cube(x)))))(xs), f64([6, 6, 6]));
    await same(grad((x: Tensor) => sum(vmap(grad((z: Tensor) => cube(z)))(x)))(xs), mul(xs, 6));
  });

  it("jvp of customVjp and grad of customJvp are the transposes, under vmap too", async () => {
    await same(jvp(cube, [xs], [f64([1, 2, 3])])[1], f64([0.75, 6, 36]));
    await same(vmap((x: Tensor) => jvp(cube, [x], [square(x)])[1])(xs), mul(square(square(xs)), 3));
    await same(grad((x: Tensor) => sum(wave(x)))(xs), cos(xs));
    await same(vmap(hessian((x: Tensor) => wave(x)))(xs), mul(sin(xs), -1));
    await same(jvp(grad((x: Tensor) => sum(cube(x))), [xs], [xs])[1], mul(square(xs), 6));
  });

  it("inside of one another and of checkpoint", async () => {
    const inner = customVjp((x: Tensor) => wave(cube(x)), (_, x) => (ct) => mul(ct, cos(mul(x, square(x)))));
    const f = (x: Tensor): Tensor => sum(checkpoint(inner)(square(x)));
    // The rule leaves out the slope of the cube: d/dx = cos(x⁶)·2x.
    const wanted = (x: Tensor): Tensor => mul(cos(mul(square(x), square(square(x)))), mul(x, 2));
    await same(grad(f)(xs), wanted(xs));
    await same(vmap(grad(f))(xs), wanted(xs));
    await same(jvp(f, [xs], [f64([1, 0, 0])])[1], sum(mul(wanted(xs), f64([1, 0, 0]))));
  });
});
