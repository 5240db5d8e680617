/** The transforms over functions of ops, against closed forms and each other, in float64 on the reference evaluator. */
import { beforeAll, describe, expect, it } from "vitest";
import { reference } from "@dormouse/backend-cpu/reference";
import {
  Tensor,
  add,
  cos,
  div,
  evaluate,
  exp,
  key,
  log,
  log1p,
  greater,
  matmul,
  max,
  maximum,
  minimum,
  mul,
  neg,
  normal,
  pow,
  setDevice,
  sin,
  select,
  slice,
  sqrt,
  square,
  stack,
  sub,
  sum,
  take,
  tanh,
  tensor,
  where,
} from "@dormouse/tensor";
import { topologicalOrder } from "@dormouse/tensor/graph";
import {
  checkpoint,
  customJvp,
  customVjp,
  grad,
  hessian,
  hvp,
  jacfwd,
  jacrev,
  jvp,
  linearize,
  stopGradient,
  valueAndGrad,
  vjp,
  vmap,
} from "../src/index.ts";
import { expectClose } from "@dormouse/testing";

beforeAll(async () => {
  setDevice(await reference());
});

const f64 = (values: readonly number[], shape: readonly number[] = [values.length]): Tensor =>
  tensor(Float64Array.from(values), { shape });
const scalar = (value: number): Tensor => f64([value], []);
const values = async (x: Tensor): Promise<number[]> => [...(await x.data())];

async function same(got: Tensor, wanted: Tensor | readonly number[], relative = 1e-12): Promise<void> {
  if (wanted instanceof Tensor) expect(got.shape).toEqual(wanted.shape);
  expectClose(await got.data(), wanted instanceof Tensor ? await wanted.data() : wanted, { relative, absolute: 1e-13 });
}

/** Σ x sin x: f′ = sin x + x cos x, f″ = 2 cos x − x sin x, f‴ = −3 sin x − x cos x. */
const wave = (x: Tensor): Tensor => sum(mul(x, sin(x)));
const points = [-1.5, 0, 0.25, 2];
const first = points.map((x) => Math.sin(x) + x * Math.cos(x));
const second = points.map((x) => 2 * Math.cos(x) - x * Math.sin(x));
const third = points.map((x) => -3 * Math.sin(x) - x * Math.cos(x));

describe("grad and valueAndGrad", () => {
  it("differentiates once, twice and three times", async () => {
    const x = f64(points);
    const total = (f: (x: Tensor) => Tensor) => (z: Tensor) => sum(f(z));
    await same(grad(wave)(x), first);
    await same(grad(total(grad(wave)))(x), second);
    await same(grad(total(grad(total(grad(wave)))))(x), third);
  });

  it("returns the value, the auxiliary result and gradients of chosen arguments", async () => {
    const f = (a: Tensor, b: Tensor) => sum(mul(a, square(b)));
    const [a, b] = [f64([1, 2]), f64([3, 4])];
    const [value, gradient] = valueAndGrad(f)(a, b);
    await same(value, [41]);
    await same(gradient, [9, 16]);
    await same(grad(f, { argument: 1 })(a, b), [6, 16]);
    const [db, da] = grad(f, { argument: [1, 0] })(a, b);
    await same(db, [6, 16]);
    await same(da, [9, 16]);
    const [loss, g, aux] = valueAndGrad((x: Tensor) => [sum(x), { twice: mul(x, 2), name: "n" }] as const, {
      hasAux: true,
    })(a);
    await same(loss, [3]);
    await same(g, [1, 1]);
    await same(aux.twice, [2, 4]);
    expect(aux.name).toBe("n");
  });

  it("returns models of gradients, with zeros for integers and one leaf for a shared tensor", async () => {
    class Net {
      readonly layers: readonly { weight: Tensor; step: Tensor }[];
      readonly tied: Tensor;
      readonly name = "net";
      constructor(weight: Tensor, step: Tensor) {
        this.layers = [{ weight, step }];
        this.tied = weight;
      }
      forward(x: Tensor): Tensor {
        return add(mul(this.layers[0]!.weight, x), square(this.tied));
      }
    }
    const net = new Net(f64([1, 2]), tensor([7, 8], { dtype: "int32" }));
    const [, gradient]: [Tensor, Net] = valueAndGrad((m: Net) => sum(m.forward(f64([10, 20]))))(net);
    expect(gradient).toBeInstanceOf(Net);
    expect(gradient.name).toBe("net");
    expect(gradient.tied).toBe(gradient.layers[0]!.weight);
    await same(gradient.tied, [12, 24]);
    expect(gradient.layers[0]!.step.dtype).toBe("int32");
    await same(gradient.layers[0]!.step, [0, 0]);
  });

  it("keeps dtypes through casts, and zeros what is not reached", async () => {
    const x = tensor([1, 2]);
    const g = grad((z: Tensor) => sum(square(sin(z))))(x);
    expect(g.dtype).toBe("float32");
    await same(grad((_: Tensor, b: Tensor) => sum(b))(x, f64([1])), [0, 0]);
  });

  it("treats the same tensor in two arguments apart", async () => {
    const x = f64([3]);
    const [da, db] = grad((a: Tensor, b: Tensor) => sum(mul(a, square(b))), { argument: [0, 1] })(x, x);
    await same(da, [9]);
    await same(db, [18]);
  });

  it("does not mind values read inside, or outputs read before the pullback", async () => {
    const x = f64(points);
    await same(
      grad((z: Tensor) => {
        const y = mul(z, sin(z));
        evaluate(y);
        return sum(y);
      })(x),
      first,
    );
    const [y, pullback] = vjp((z: Tensor) => exp(mul(z, z)), x);
    await y.data();
    const [dx] = pullback(f64([1, 1, 1, 1]));
    await same(dx, points.map((z) => 2 * z * Math.exp(z * z)));
  });

  it("does not confuse perturbations of nested functions", async () => {
    // d/dx (x · d/dy (x + y)) = 1, where a confused implementation gives 2.
    const outer = (x: Tensor): Tensor => mul(x, grad((y: Tensor) => add(x, y))(scalar(1)));
    await same(grad(outer)(scalar(3)), [1]);
    await same(jvp(outer, [scalar(3)], [scalar(1)])[1], [1]);
    // d/dx (x · d/dx' (x'·x)|x'=x) = d/dx x² = 2x.
    await same(grad((x: Tensor) => mul(x, grad((y: Tensor) => mul(y, x))(x)))(scalar(3)), [6]);
  });
});

describe("jvp, vjp and linearize", () => {
  it("agree on a matrix product, as vector-Jacobian products that build no Jacobian", async () => {
    const x = f64([1, 2, 3, 4, 5, 6], [2, 3]);
    const w = f64([1, -1, 0, 2, 1, 1], [3, 2]);
    const [y, pullback] = vjp((a: Tensor, b: Tensor) => matmul(a, b), x, w);
    const ct = f64([1, 2, 3, 4], [2, 2]);
    const [dx, dw] = pullback(ct);
    await same(dx, await values(matmul(ct, f64([1, 0, 1, -1, 2, 1], [2, 3]))));
    await same(dw, await values(matmul(f64([1, 4, 2, 5, 3, 6], [3, 2]), ct)));
    const tangents: [Tensor, Tensor] = [f64([1, 0, 0, 0, 1, 0], [2, 3]), f64([0, 1, 1, 0, 0, 0], [3, 2])];
    const [same1, tangent] = jvp((a: Tensor, b: Tensor) => matmul(a, b), [x, w], tangents);
    await same(same1, y);
    await same(sum(mul(tangent, ct)), await values(add(sum(mul(dx, tangents[0])), sum(mul(dw, tangents[1])))));
  });

  it("carry trees in and out", async () => {
    const f = ({ a, n }: { a: Tensor; n: Tensor }) => ({ y: mul(a, a), n, list: [sin(a)] });
    const primal = { a: f64([2]), n: tensor([1], { dtype: "int32" }) };
    const [output, tangent] = jvp(f, [primal], [{ a: f64([1]), n: primal.n }]);
    await same(output.y, [4]);
    await same(tangent.y, [4]);
    await same(tangent.list[0]!, [Math.cos(2)]);
    await same(tangent.n, [0]);
    const [, pullback] = vjp(f, primal);
    const [{ a, n }] = pullback({ y: f64([1]), n: primal.n, list: [f64([10])] });
    await same(a, [4 + 10 * Math.cos(2)]);
    await same(n, [0]);
  });

  it("linearize: f(x) = x² − 1.5x at 0.5", async () => {
    const f = (x: Tensor) => sub(mul(x, x), mul(x, 1.5));
    const [value, derivative] = linearize(f, scalar(0.5));
    await same(value, [-0.5]);
    await value.data();
    await same(add(value, derivative(scalar(0.01))), [-0.505]);
    await same(f(scalar(0.51)), [-0.5049]);
    await same(derivative(scalar(2)), [-1]);
  });
});

describe("Jacobians and Hessians", () => {
  const f = (x: Tensor): Tensor => mul(exp(sin(x)), sum(square(x)));
  const x = f64([0.3, -0.7, 1.1]);

  it("jacfwd and jacrev agree, and obey the chain rule", async () => {
    const g = (y: Tensor): Tensor => slice(mul(y, cos(y)), [[0, 2]]);
    await same(jacfwd(f)(x), jacrev(f)(x));
    await same(jacrev((z: Tensor) => g(f(z)))(x), matmul(jacfwd(g)(f(x)), jacrev(f)(x)));
    expect(jacrev((z: Tensor) => matmul(z, z))(f64([1, 2, 3, 4], [2, 2])).shape).toEqual([2, 2, 2, 2]);
  });

  it("take trees to trees of trees", async () => {
    const polar = ({ r, t }: { r: Tensor; t: Tensor }) => [mul(r, cos(t)), mul(r, sin(t))] as const;
    for (const jacobian of [jacfwd(polar), jacrev(polar)]) {
      const [dx, dy] = jacobian({ r: scalar(2), t: scalar(0.5) });
      await same(dx.r, [Math.cos(0.5)]);
      await same(dx.t, [-2 * Math.sin(0.5)]);
      await same(dy.r, [Math.sin(0.5)]);
      await same(dy.t, [2 * Math.cos(0.5)]);
    }
    const product = ({ a, b }: { a: Tensor; b: Tensor }): Tensor => sum(mul(square(a), b));
    const h = hessian(product)({ a: f64([2, 3]), b: f64([5, 7]) });
    await same(h.a.a, [10, 0, 0, 14]);
    await same(h.a.b, [4, 0, 0, 6]);
    await same(h.b.a, [4, 0, 0, 6]);
    await same(h.b.b, [0, 0, 0, 0]);
  });

  it("hvp is the Hessian times a vector, by three routes", async () => {
    const scalarF = (z: Tensor): Tensor => sum(mul(tanh(z), f(z)));
    const v = f64([1, -2, 0.5]);
    const wanted = matmul(hessian(scalarF)(x), v);
    await same(hvp(scalarF, [x], [v])[0], wanted);
    await same(jvp(grad(scalarF), [x], [v])[1], wanted);
    await same(grad((z: Tensor) => sum(mul(grad(scalarF)(z), v)))(x), wanted);
    await same(grad((z: Tensor) => jvp(scalarF, [z], [v])[1])(x), wanted);
    const [, pullback] = vjp(grad(scalarF), x);
    await same(pullback(v)[0], wanted);
  });

  it("hvp takes all primals jointly and lets integers be", async () => {
    const g = (a: Tensor, n: Tensor, b: Tensor): Tensor => mul(sum(mul(square(a), b)), n.rank + 1);
    const n = tensor([1], { dtype: "int32" });
    const [ha, hn, hb] = hvp(g, [f64([2]), n, f64([5])], [f64([1]), n, f64([10])]);
    await same(ha, [2 * (10 + 40)]);
    await same(hn, [0]);
    await same(hb, [2 * 4]);
  });
});

describe("vmap", () => {
  const loss = (w: Tensor, x: Tensor, y: Tensor): Tensor => square(sub(sum(mul(w, sin(x))), y));
  const w = f64([1, 2, 3]);
  const xs = f64([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [4, 3]);
  const ys = f64([1, 2, 3, 4]);
  const example = (k: number): [Tensor, Tensor] => [select(xs, k, { axis: 0 }), select(ys, k, { axis: 0 })];
  const loop = async (f: (x: Tensor, y: Tensor) => Tensor): Promise<number[]> =>
    (await Promise.all([0, 1, 2, 3].map((k) => values(f(...example(k)))))).flat();

  it("of grad gives gradients per example", async () => {
    const perExample = vmap(grad(loss), { in: [null, 0, 0] })(w, xs, ys);
    expect(perExample.shape).toEqual([4, 3]);
    await same(perExample, await loop((x, y) => grad(loss)(w, x, y)));
  });

  it("inside grad gives the gradient of the batch", async () => {
    const total = (v: Tensor): Tensor => sum(vmap(loss, { in: [null, 0, 0] })(v, xs, ys));
    await same(grad(total)(w), sum(vmap(grad(loss), { in: [null, 0, 0] })(w, xs, ys), { axis: 0 }));
    await same(hessian(total)(w), jacrev(grad(total))(w));
  });

  it("nests with itself and shares what it closes over", async () => {
    const outer = vmap((x: Tensor) => vmap((v: Tensor) => sum(mul(v, x)))(f64([1, 0, 0, 0, 2, 0], [2, 3])))(xs);
    await same(outer, [1, 4, 4, 10, 7, 16, 10, 22]);
    await same(vmap((_: Tensor) => w)(ys), [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]);
  });

  it("takes and gives any axis, and trees of axes", async () => {
    const f = ({ a, b }: { a: Tensor; b: Tensor }, c: Tensor) => ({ sum: add(mul(a, b), c), shared: b });
    const out = vmap(f, { in: [{ a: 1, b: null }, -1], out: { sum: 1, shared: null } })(
      { a: f64([1, 2, 3, 4, 5, 6], [3, 2]), b: w },
      f64([10, 20, 30, 40, 50, 60], [3, 2]),
    );
    expect(out.sum.shape).toEqual([3, 2]);
    await same(out.sum, [11, 22, 36, 48, 65, 78]);
    await same(out.shared, w);
  });

  it("draws with a key for each example", async () => {
    const keys = [key(1), key(2), key(3)];
    const batch = vmap((k: Tensor) => normal(k as never, [2], { dtype: "float64" }))(stackKeys(keys));
    const alone = await Promise.all(keys.map((k) => values(normal(k, [2], { dtype: "float64" }))));
    await same(batch, alone.flat());
  });

  it("gathers rows per example, and differentiates through it", async () => {
    const table = f64([1, 2, 3, 4, 5, 6, 7, 8], [2, 4]);
    const rows = tensor([[0, 0, 3], [1, 2, 1]], { dtype: "int32" });
    const f = (t: Tensor, i: Tensor): Tensor => square(take(t, i, { axis: 0 }));
    await same(vmap(f)(table, rows), [1, 1, 16, 36, 49, 36]);
    const g = vmap(grad((t: Tensor, i: Tensor) => sum(f(t, i))))(table, rows);
    await same(g, [4, 0, 0, 8, 0, 24, 14, 0]);
  });

  it("works on no examples", async () => {
    const none = vmap(grad(loss), { in: [null, 0, 0] })(w, f64([], [0, 3]), f64([]));
    expect(none.shape).toEqual([0, 3]);
    await same(none, []);
  });
});

const stackKeys = (keys: readonly Tensor[]): Tensor => stack(keys);

describe("checkpoint", () => {
  const weight = f64([0.5, -0.3, 0.2, 0.9, 0.4, -0.6, 0.1, 0.7, -0.2], [3, 3]);
  const layer = (h: Tensor): Tensor => tanh(matmul(h, weight));
  const x = f64([0.3, -0.5, 1.2], [1, 3]);
  const plain = (h: Tensor): Tensor => sum(exp(layer(layer(h))));
  const saved = (h: Tensor): Tensor => sum(exp(checkpoint(layer)(checkpoint(layer)(h))));

  it("changes no value and no derivative of any order", async () => {
    await same(saved(x), plain(x));
    await same(grad(saved)(x), grad(plain)(x));
    await same(hessian(saved)(x), hessian(plain)(x));
    await same(jvp(saved, [x], [x])[1], jvp(plain, [x], [x])[1]);
    const xs = f64([0.3, -0.5, 1.2, 1, 2, 3], [2, 1, 3]);
    await same(vmap(grad(saved))(xs), vmap(grad(plain))(xs));
    await same(grad((h: Tensor) => sum(vmap(saved)(h)))(xs), grad((h: Tensor) => sum(vmap(plain)(h)))(xs));
  });

  it("computes the body again behind barriers, and keeps nothing of the first run", () => {
    const slope = (f: (h: Tensor) => Tensor): Tensor[] => topologicalOrder([grad((h: Tensor) => sum(f(h)))(x)]);
    const barriers = (nodes: readonly Tensor[]): number =>
      nodes.filter(({ op, params }) => op === "identity" && (params as { tag: string }).tag === "barrier").length;
    const again = slope(checkpoint(layer));
    expect(barriers(again)).toBeGreaterThan(0);
    expect(again.some(({ op }) => op === "call")).toBe(false);
    expect(barriers(slope(layer))).toBe(0);
  });

  it("gives captured tensors their gradients, and takes trees", async () => {
    const run = (through: typeof checkpoint) => (w: Tensor, h: Tensor): Tensor => {
      const f = through(({ a }: { a: Tensor }) => ({ y: mul(sin(w), a), z: [square(w)] }));
      const { y, z } = f({ a: h });
      return sum(mul(y, z[0]!));
    };
    const identity = ((f: unknown) => f) as typeof checkpoint;
    const [w, h] = [f64([0.4, 2]), f64([3, -1])];
    for (const argument of [0, 1]) {
      await same(grad(run(checkpoint), { argument })(w, h), grad(run(identity), { argument })(w, h));
    }
  });

  it("nests, and closes over outer examples and tensors made inside", async () => {
    const f = (a: Tensor): Tensor =>
      sum(checkpoint((b: Tensor) => checkpoint((c: Tensor) => mul(mul(c, a), f64([1, 2, 3])))(sin(b)))(a));
    const g = (a: Tensor): Tensor => sum(mul(mul(sin(a), a), f64([1, 2, 3])));
    const xs = f64([1, 2, 3, 4, 5, 6], [2, 3]);
    await same(vmap(grad(f))(xs), vmap(grad(g))(xs));
  });
});

describe("custom rules", () => {
  const clippedExp = customVjp((x: Tensor) => exp(x), (y) => (ct) => mul(ct, minimum(y, 10)));

  it("customVjp replaces the derivative in every transform", async () => {
    const x = f64([0, 1, 3]);
    const wanted = [1, Math.E, 10];
    const total = (z: Tensor): Tensor => sum(clippedExp(z));
    await same(clippedExp(x), [1, Math.E, Math.exp(3)]);
    await same(grad(total)(x), wanted);
    await same(jvp(clippedExp, [x], [f64([1, 1, 1])])[1], wanted);
    await same(vmap(grad((z: Tensor) => clippedExp(z)))(x), wanted);
    await same(grad((z: Tensor) => sum(vmap(clippedExp)(z)))(x), wanted);
    await same(vmap((z: Tensor) => jvp(clippedExp, [z], [z])[1])(x), [0, Math.E, 30]);
    // Second order: the derivative of min(y, 10) is y′ where y < 10, by the rule again.
    await same(grad((z: Tensor) => sum(grad(total)(z)))(x), [1, Math.E, 0]);
    await same(grad((z: Tensor) => sum(checkpoint(clippedExp)(z)))(x), wanted);
  });

  it("customVjp with several arguments, trees and null", async () => {
    const f = customVjp(
      ({ a }: { a: Tensor }, b: Tensor, n: Tensor) => mul(mul(a, b), n.rank),
      (_, { a }, b) => (ct) => [{ a: mul(ct, mul(b, 100)) }, mul(ct, mul(a, 1000)), null],
    );
    const n = tensor([1], { dtype: "int32" });
    const [da, db] = grad((a: Tensor, b: Tensor) => sum(f({ a }, b, n)), { argument: [0, 1] })(f64([2]), f64([3]));
    await same(da, [300]);
    await same(db, [2000]);
    const x = f64([5]);
    await same(grad((z: Tensor) => sum(f({ a: z }, z, n)))(x), [5500]);
    const slope = grad((a: Tensor, b: Tensor) => f({ a }, b, n));
    await same(vmap(slope, { in: [0, null] })(f64([2, 3]), scalar(3)), [300, 300]);
    await same(
      grad((b: Tensor) => sum(vmap((a: Tensor) => f({ a }, b, n))(f64([2, 3]))))(scalar(3)),
      [5000],
    );
  });

  it("customJvp replaces the derivative in every transform", async () => {
    const f = customJvp((a: Tensor, b: Tensor) => mul(a, b), (y, a, b) => (s, t) => add(mul(mul(s, b), 10), mul(t, a)));
    const [a, b] = [f64([2, 3]), f64([5, 7])];
    await same(jvp(f, [a, b], [f64([1, 1]), f64([0, 1])])[1], [50, 73]);
    const [da, db] = grad((u: Tensor, v: Tensor) => sum(f(u, v)), { argument: [0, 1] })(a, b);
    await same(da, [50, 70]);
    await same(db, [2, 3]);
    await same(vmap(grad(f), { in: [0, null] })(a, scalar(5)), [50, 50]);
    await same(grad((v: Tensor) => sum(vmap(f, { in: [0, null] })(a, v)))(scalar(5)), [5]);
    // The gradient by the rule is 10u + u.
    await same(hessian((u: Tensor) => sum(f(u, u)))(a), [11, 0, 0, 11]);
  });

  it("refuse captured tensors and non-linear rules in the other mode, and say so", () => {
    const x = f64([1]);
    const closing = (w: Tensor): Tensor => sum(customVjp((z: Tensor) => mul(z, w), () => (ct) => ct)(x));
    expect(() => grad(closing)(x)).toThrow(/customVjp: a derivative is wanted of a tensor that the function uses/);
    const clip = customVjp((z: Tensor) => mul(z, 1), () => (ct) => minimum(ct, 1));
    expect(() => jvp(clip, [x], [x])).toThrow(/customVjp: backward is not linear/);
    expect(() => grad((z: Tensor) => sum(clip(z)))(x)).not.toThrow();
    const bent = customJvp((z: Tensor) => mul(z, 1), () => (t) => mul(t, t));
    expect(() => grad((z: Tensor) => sum(bent(z)))(x)).toThrow(/customJvp: rule is not linear/);
    const number = (() => 3) as unknown as (z: Tensor) => Tensor;
    expect(() => customVjp(number, () => (ct) => ct)(x)).toThrow(/customVjp: the function returned the number 3/);
  });

  it("stopGradient is a constant to every transform", async () => {
    const f = (x: Tensor): Tensor => sum(add(mul(stopGradient(x), x), square(x)));
    const x = f64([2, 3]);
    await same(grad(f)(x), [6, 9]);
    await same(jvp(f, [x], [f64([1, 0])])[1], [6]);
    await same(hessian(f)(x), [2, 0, 0, 2]);
    await same(vmap(grad(f))(f64([2, 3], [2, 1])), [6, 9]);
  });
});

describe("edges of the domain", () => {
  it("where selects, and no NaN comes from the branch not taken", async () => {
    const f = (x: Tensor): Tensor => sum(where(greater(x, 0), log(x), mul(x, 2)));
    await same(f(f64([-1, 4])), [Math.log(4) - 2]);
    await same(grad(f)(f64([-1, 4])), [2, 0.25]);
    const g = (x: Tensor): Tensor => sum(where(greater(x, 0), sqrt(maximum(x, 0)), 0));
    const slopes = await values(grad(g)(f64([4, -1])));
    expectClose(slopes, [0.25, 0]);
  });

  it("ties share", async () => {
    const larger = (a: Tensor, b: Tensor): Tensor => sum(maximum(a, b));
    const [da, db] = grad(larger, { argument: [0, 1] })(f64([1, 2, -1]), f64([1, 1, -1]));
    await same(da, [0.5, 1, 0.5]);
    await same(db, [0.5, 0, 0.5]);
    const rows = f64([1, 3, 3, 2, 2, 2], [2, 3]);
    await same(grad((x: Tensor) => sum(max(x, { axis: 1 })))(rows), [0, 1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3]);
  });

  it("pow at zero, to second order", async () => {
    const power = (n: number) => (x: Tensor): Tensor => sum(pow(x, n));
    await same(grad(power(2))(f64([0, -3])), [0, -6]);
    await same(grad(power(0))(f64([0, -3])), [0, 0]);
    await same(grad(power(1))(f64([0, -3])), [1, 1]);
    await same(hessian(power(2))(f64([0])), [2]);
    await same(hessian(power(0))(f64([0])), [0]);
    const both = (a: Tensor, b: Tensor): Tensor => sum(pow(a, b));
    const [da, db] = grad(both, { argument: [0, 1] })(f64([0, 0, 2]), f64([2, 0, 3]));
    await same(da, [0, 0, 12]);
    await same(db, [0, 0, 8 * Math.log(2)]);
    const [ha] = hvp(both, [f64([0]), f64([3])], [f64([1]), f64([1])]);
    await same(ha, [0]);
  });

  it("stays accurate where naive formulas cancel", async () => {
    const softplus = (x: Tensor): Tensor => sum(log1p(exp(neg(x))));
    await same(grad(softplus)(f64([700])), [-Math.exp(-700)]);
    await same(grad((x: Tensor) => sum(tanh(x)))(f64([15])), [1 / Math.cosh(15) ** 2], 1e-3);
    await same(grad((x: Tensor) => sum(div(1, x)))(f64([1e-150])), [-1e300]);
  });

  it("differentiates a deep graph without recursion", async () => {
    let depth = 0;
    const f = (x: Tensor): Tensor => {
      let y = x;
      for (depth = 0; depth < 20_000; depth++) y = add(y, 1);
      return y;
    };
    const g = grad(f)(scalar(1));
    await same(g, [1]);
  });
});

describe("errors", () => {
  const x = f64([1, 2]);
  it.each<[string, () => unknown, RegExp]>([
    ["non-scalar", () => grad((z: Tensor) => z)(x), /^grad: the function returned shape \[2\] and only a scalar has a gradient; reduce it/],
    ["integer result", () => grad((z: Tensor) => sum(tensor([1], { dtype: "int32" })) ?? z)(x), /^grad: the function returned int32, which has no derivative/],
    ["integer argument", () => grad((z: Tensor) => sum(z))(tensor([1], { dtype: "int32" })), /^grad: argument 0 is int32, which has no derivative/],
    ["no tensor in", () => grad((z: number) => scalar(z))(3), /^grad: argument 0 is of type number and holds no tensor; wrap numbers/],
    ["no tensor out", () => grad((() => 3) as unknown as (z: Tensor) => Tensor)(x), /^grad: the function returned the number 3 and not a tensor/],
    ["promise", () => valueAndGrad((async () => x) as unknown as (z: Tensor) => Tensor)(x), /^valueAndGrad: the function returned a promise/],
    ["tree out", () => grad(((z: Tensor) => ({ z })) as unknown as (z: Tensor) => Tensor)(x), /^grad: the function returned an object and not one tensor/],
    ["no such argument", () => grad((z: Tensor) => sum(z), { argument: 1 })(x), /^grad: argument 1 was chosen and the function got 1/],
    ["aux missing", () => grad(((z: Tensor) => sum(z)) as never, { hasAux: true })(x as never), /^grad: the function returned an object under/],
    ["cotangent shape", () => vjp((z: Tensor) => z, x)[1](scalar(1)), /^vjp: the cotangent is \[\] for a tensor \[2\]/],
    ["cotangent dtype", () => vjp((z: Tensor) => z, x)[1](tensor([1, 1])), /^vjp: the cotangent is float32 for a tensor of float64; cast it/],
    ["tangent structure", () => jvp((z: Tensor) => z, [x], [{} as Tensor]), /^jvp: the tangent of argument 0 differs: expected a tensor, received an object/],
    ["jacobian of integers", () => jacrev((_: Tensor) => tensor([1], { dtype: "int32" }))(x), /^jacrev: the function returned int32 \[1\], which has no derivative/],
    ["vmap lengths", () => vmap(add)(x, f64([1, 2, 3])), /^vmap: axis 0 of argument 1 of shape \[3\] is not of length 2/],
    ["vmap axis", () => vmap(sin, { in: 2 })(x), /^vmap: axis 2 is out of range for argument 0 of shape \[2\]; use -1..0/],
    ["vmap nothing", () => vmap(sin, { in: [null] })(x), /^vmap: no argument is mapped/],
    ["vmap number of axes", () => vmap(sin, { in: [0, 0] })(x), /^vmap: axes for 2 arguments and 1 arguments/],
    ["vmap names", () => vmap((z: { a: Tensor }) => z.a, { in: [{ b: 0 }] })({ a: x }), /^vmap: argument 0 has no b/],
    ["vmap out", () => vmap((z: Tensor) => z, { out: null })(x), /^vmap: a result with out axis null depends on a mapped argument/],
    ["vmap reads", () => vmap((z: Tensor) => (evaluate(z), z))(x), /^evaluate: the value depends on an argument of a function that is being traced/],
  ])("%s", (_, run, message) => {
    expect(run).toThrow(message);
  });
});
