/**
 * Choices and their slopes: nothing comes from a branch that is not taken, be its slope infinite or NaN, in any order
 * of differentiation, compiled or not, on both backends. Expected values are closed forms.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { cpu } from "@dormouse/backend-cpu";
import { reference } from "@dormouse/backend-cpu/reference";
import {
  type Tensor, abs, add, clamp, compile, concat, cos, div, exp, expm1, greater, isNaN as isNotANumber, less, log,
  log1p, logicalNot, max, maximum, mean, minimum, mul, neg, notEqual, permute, pow, relu, reshape, rsqrt, setDevice, sin,
  slice, sqrt, square, sub, sum, tensor, where,
} from "@dormouse/tensor";
import { type Device, topologicalOrder } from "@dormouse/tensor/graph";
import { checkpoint, customVjp, grad, hessian, hvp, jacfwd, jacrev, jvp, valueAndGrad, vmap } from "../src/index.ts";
import { expectClose } from "@dormouse/testing";

const devices: Record<string, Device> = {};
beforeAll(async () => {
  devices["cpu"] = await cpu();
  devices["reference"] = await reference();
});

const f64 = (values: readonly number[], shape: readonly number[] = [values.length]): Tensor =>
  tensor(Float64Array.from(values), { shape });
const positive = (x: Tensor): Tensor => greater(x, 0);

/** f at points, elementwise, with its first and second derivatives there. */
interface Case {
  readonly f: (x: Tensor) => Tensor;
  readonly at: readonly number[];
  readonly first: readonly number[];
  readonly second: readonly number[];
}
const e = Math.exp;
const sinc = { first: (x: number) => (x * Math.cos(x) - Math.sin(x)) / x ** 2,
  second: (x: number) => ((2 - x * x) * Math.sin(x) - 2 * x * Math.cos(x)) / x ** 3 };

const cases: Record<string, Case> = {
  log: { f: (x) => where(positive(x), log(x), 0), at: [0, -1, -Infinity, 2], first: [0, 0, 0, 0.5], second: [0, 0, 0, -0.25] },
  "log in the second branch": {
    f: (x) => where(logicalNot(positive(x)), 7, log(x)), at: [0, -1, 2], first: [0, 0, 0.5], second: [0, 0, -0.25],
  },
  "log of log": {
    f: (x) => where(greater(x, 1), log(log(x)), 0), at: [0, 1, -2, Math.E],
    first: [0, 0, 0, 1 / Math.E], second: [0, 0, 0, -2 / Math.E ** 2],
  },
  sqrt: { f: (x) => where(positive(x), sqrt(x), 0), at: [0, -4, 4], first: [0, 0, 0.25], second: [0, 0, -1 / 32] },
  "sqrt of a maximum": {
    f: (x) => where(positive(x), sqrt(maximum(x, 0)), 0), at: [0, -4, 4], first: [0, 0, 0.25], second: [0, 0, -1 / 32],
  },
  "sqrt, then log, then a product": {
    f: (x) => where(positive(x), mul(log(sqrt(x)), x), 0), at: [0, -1, 1, 4],
    first: [0, 0, 0.5, (Math.log(4) + 1) / 2], second: [0, 0, 0.5, 1 / 8],
  },
  reciprocal: { f: (x) => where(notEqual(x, 0), div(1, x), 0), at: [0, 2], first: [0, -0.25], second: [0, 0.25] },
  "reciprocal root": { f: (x) => where(positive(x), rsqrt(x), 0), at: [0, -1, 4], first: [0, 0, -1 / 16], second: [0, 0, 3 / 128] },
  sinc: {
    f: (x) => where(notEqual(x, 0), div(sin(x), x), 1), at: [0, 1, -2],
    first: [0, sinc.first(1), sinc.first(-2)], second: [0, sinc.second(1), sinc.second(-2)],
  },
  "overflowing exp": {
    f: (x) => where(less(x, 1), exp(mul(x, 1000)), 0), at: [5, 0, -0.001],
    first: [0, 1000, 1000 * e(-1)], second: [0, 1e6, 1e6 * e(-1)],
  },
  "overflowing expm1 of a square": {
    f: (x) => where(less(x, 2), expm1(square(x)), x), at: [30, 1], first: [1, 2 * Math.E], second: [0, 6 * Math.E],
  },
  log1p: { f: (x) => where(greater(x, -1), log1p(x), 0), at: [-1, -3, 1], first: [0, 0, 0.5], second: [0, 0, -0.25] },
  "power of itself": {
    f: (x) => where(positive(x), pow(x, x), 1), at: [0, -1.5, 1], first: [0, 0, 1], second: [0, 0, 2],
  },
  "power of 0.5": { f: (x) => where(positive(x), pow(x, 0.75), 0), at: [0, -1, 1], first: [0, 0, 0.75], second: [0, 0, -0.1875] },
  "product with infinity": {
    f: (x) => where(positive(x), mul(x, exp(mul(neg(x), 800))), 0), at: [-1, -0.9, 0.001],
    first: [0, 0, e(-0.8) * 0.2], second: [0, 0, e(-0.8) * (-1600 + 640)],
  },
  "sine of infinity": { f: (x) => where(positive(x), sin(log(x)), 0), at: [0, 1], first: [0, 1], second: [0, -1] },
  "a number that is none": { f: (x) => where(isNotANumber(x), 0, mul(x, x)), at: [NaN, 3], first: [0, 6], second: [0, 2] },
  nested: {
    f: (x) => where(positive(x), where(greater(x, 1), log(sub(x, 1)), sqrt(sub(1, x))), neg(x)), at: [-1, 0, 1, 3, 0.75],
    first: [-1, -1, -Infinity, 0.5, -1], second: [0, 0, -Infinity, -0.25, -2],
  },
  "both branches": {
    f: (x) => where(positive(x), log(x), sqrt(neg(x))), at: [-4, 2], first: [-0.25, 0.5], second: [-1 / 32, -0.25],
  },
  "two choices that add up": {
    f: (x) => {
      const u = log(x);
      return add(where(positive(x), u, 0), where(greater(x, 1), square(u), 0));
    },
    at: [0, -1, Math.E], first: [0, 0, 3 / Math.E], second: [0, 0, -1 / Math.E ** 2],
  },
  "through movement": {
    f: (x) => {
      const rows = permute(reshape(concat([x, x], { axis: 0 }), [2, x.size]), [1, 0]);
      return where(positive(x), mul(sum(log(rows), { axis: 1 }), 0.5), 0);
    },
    at: [0, 2, -1], first: [0, 0.5, 0], second: [0, -0.25, 0],
  },
  "relu after log": { f: (x) => relu(log(x)), at: [0, 0.5, 1, 2], first: [0, 0, 0, 0.5], second: [0, 0, 0, -0.25] },
  "maximum after log": { f: (x) => maximum(log(x), -1), at: [0, 0.1, 2], first: [0, 0, 0.5], second: [0, 0, -0.25] },
  "clamped root": { f: (x) => clamp(sqrt(x), { min: 0.5 }), at: [0, 0.01, 4], first: [0, 0, 0.25], second: [0, 0, -1 / 32] },
};

const total = (f: (x: Tensor) => Tensor) => (x: Tensor): Tensor => sum(f(x));
/** The diagonal of the Hessian of an elementwise function. */
const secondOf = (f: (x: Tensor) => Tensor) => grad(total(grad(total(f))));

describe.each(["cpu", "reference"])("on %s", (device) => {
  beforeAll(() => void setDevice(devices[device]!));
  const near = async (got: Tensor, wanted: readonly number[], what: string): Promise<void> =>
    expectClose(await got.data(), wanted, { relative: 1e-12, absolute: 1e-13 }, what);

  describe.each(Object.entries(cases))("%s", (_, { f, at, first, second }) => {
    it("has its first derivative, in both modes", async () => {
      const x = f64(at);
      await near(grad(total(f))(x), first, "grad");
      await near(compile(grad(total(f)))(x), first, "compiled");
      await near(grad(total(checkpoint(f)))(x), first, "through a checkpoint");
      await near(jvp(f, [x], [f64(at.map(() => 1))])[1], first, "jvp");
      await near(vmap(grad(total((each: Tensor) => reshape(f(reshape(each, [1])), []))))(x), first, "vmap");
    });

    it("has its second derivative, reverse over either mode", async () => {
      const x = f64(at);
      const ones = f64(at.map(() => 1));
      await near(secondOf(f)(x), second, "grad of grad");
      await near(compile(secondOf(f))(x), second, "compiled");
      await near(hvp(total(f), [x], [ones])[0], second, "jvp of grad");
      await near(grad(total((z: Tensor) => jvp(f, [z], [ones])[1]))(x), second, "grad of jvp");
    });
  });

  it("norm at zero and elsewhere", async () => {
    const norm = (x: Tensor): Tensor => {
      const length = sqrt(sum(square(x)));
      return where(greater(length, 0), length, 0);
    };
    const zero = f64([0, 0, 0]);
    await near(grad(norm)(zero), [0, 0, 0], "zero");
    await near(hessian(norm)(zero), new Array<number>(9).fill(0), "hessian at zero");
    await near(grad(norm)(f64([3, 0, 4])), [0.6, 0, 0.8], "elsewhere");
    await near(compile(grad(norm))(zero), [0, 0, 0], "compiled");
  });

  it("unit vectors: the choice stands inside a broadcast", async () => {
    const unit = (x: Tensor): Tensor => {
      const length = sqrt(sum(square(x), { axis: 1, keepDims: true }));
      return where(greater(length, 0), div(x, length), 0);
    };
    const weights = f64([1, 2, 3, 4, 5, 6], [3, 2]);
    const loss = (x: Tensor): Tensor => sum(mul(unit(x), weights));
    const x = f64([0, 0, 3, 4, 0, 1], [3, 2]);
    // (w − u⟨u, w⟩)/‖x‖
    const [u, v] = [0.6, 0.8];
    const along = 3 * u + 4 * v;
    await near(grad(loss)(x), [0, 0, (3 - u * along) / 5, (4 - v * along) / 5, 5, 0], "eager");
    await near(compile(grad(loss))(x), [0, 0, (3 - u * along) / 5, (4 - v * along) / 5, 5, 0], "compiled");
    for (const mode of [jacrev, jacfwd]) {
      const jacobian = [...(await mode(unit)(x).data())];
      expect(jacobian.every(Number.isFinite)).toBe(true);
      expectClose(jacobian.slice(0, 12), new Array<number>(12).fill(0));
    }
    const rowLosses = (row: Tensor): Tensor => sum(unit(reshape(row, [1, 2])));
    await near(vmap(grad(rowLosses))(x), [0, 0, (1 - u * (u + v)) / 5, (1 - v * (u + v)) / 5, 1, 0], "vmap");
  });

  it("a maximum over an axis takes nothing from what did not attain it", async () => {
    const f = (x: Tensor): Tensor => max(log(x));
    await near(grad(f)(f64([0, 4, 1])), [0, 0.25, 0], "grad");
    await near(secondOf(f)(f64([0, 4, 1])), [0, -1 / 16, 0], "second");
    await near(grad((x: Tensor) => sum(max(sqrt(x), { axis: 1 })))(f64([0, 4, 1, 0], [2, 2])), [0, 0.25, 0.5, 0], "rows");
  });

  it("slices inside a choice", async () => {
    const f = (x: Tensor): Tensor => {
      const [head, tail] = [slice(x, [[0, 2]]), slice(x, [[1, 3]])];
      return sum(where(positive(head), mul(log(head), tail), 0));
    };
    await near(grad(f)(f64([0, 2, 3])), [0, 1.5, Math.log(2)], "grad");
  });

  it("a NaN of the branch that is taken stays", async () => {
    const f = (x: Tensor): Tensor => sum(where(greater(x, -1), log(x), 0));
    await near(grad(f)(f64([0, -0.5, -2])), [Infinity, -2, 0], "infinite slope");
    const g = (x: Tensor): Tensor => sum(where(less(x, 1), mul(sqrt(x), 0), x));
    await near(grad(g)(f64([0, 2])), [NaN, 1], "0 · ∞ that nobody chose away");
  });

  it("a rule of the user's gets the cotangent as it is, zeros included", async () => {
    const guarded = customVjp((x: Tensor) => log(x), (_, x) => (ct) => where(positive(x), div(ct, x), 5));
    await near(grad(total((x: Tensor) => where(positive(x), guarded(x), 0)))(f64([0, 2])), [5, 0.5], "custom");
  });

  it("kinks: relu and abs have slope 0 at 0, ties share", async () => {
    await near(grad(total(relu))(f64([-1, 0, 2])), [0, 0, 1], "relu");
    await near(grad(total(abs))(f64([-1, 0, -0, 2])), [-1, 0, 0, 1], "abs");
    await near(grad(total((x) => maximum(x, 0)))(f64([-1, 0, 2])), [0, 0.5, 1], "maximum");
    await near(grad(total((x) => minimum(x, 0)))(f64([-1, 0, 2])), [1, 0.5, 0], "minimum");
    await near(grad((x: Tensor) => max(x))(f64([3, 1, 3, 3])), [1 / 3, 0, 1 / 3, 1 / 3], "max");
  });
});

describe("what masks cost", () => {
  const count = (x: Tensor, op: string): number => topologicalOrder([x]).filter((node) => node.op === op).length;

  it("nothing where every factor on the way is a constant or there is no choice", () => {
    const x = f64([1, 2]);
    const scaled = grad((z: Tensor) => mean(relu(mul(z, 3))))(x);
    expect(count(scaled, "where")).toBe(1);
    const [, plain] = valueAndGrad((z: Tensor) => sum(mul(cos(z), log(z))))(x);
    expect(count(plain, "where")).toBe(0);
  });

  it("one choice for each factor that may be infinite", () => {
    const x = f64([1, 2]);
    const slope = grad((z: Tensor) => sum(where(positive(z), log(sqrt(z)), 0)))(x);
    // The cotangent of the branch, then one behind log and one behind sqrt.
    expect(count(slope, "where")).toBe(3);
  });
});
