/**
 * Derivatives against somebody else's: PyTorch's in float64 for gradients, Jacobians, Hessians, Hessian-vector products
 * and third derivatives (`higher-order.json`) and for its choices at kinks (`kinks.json`). Tolerances are the files'.
 */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { reference } from "@dormouse/backend-cpu/reference";
import {
  type Tensor, abs, add, clamp, conv1d, cos, cumprod, div, erf, exp, linear, logSoftmax, log1p, logsumexp, matmul, max,
  maximum, mean, min, minimum, mul, neg, norm, oneHot, pow, prod, relu, reshape, setDevice, sign, sin, slice, softmax,
  sqrt, square, stack, sub, sum, tanh, tensor, where, greater,
} from "@dormouse/tensor";
import { grad, hessian, hvp, jacfwd, jacrev, jvp, stopGradient, vjp } from "../src/index.ts";
import { expectClose } from "@dormouse/testing";

interface Array64 {
  readonly shape: readonly number[];
  readonly data: readonly (number | string)[];
}
type Arrays = Readonly<Record<string, Array64>>;
type Named = Record<string, Tensor>;
interface OracleCase {
  readonly id: string;
  readonly op: string;
  readonly kind: string;
  readonly attrs?: Readonly<Record<string, number>>;
  readonly in: Arrays;
  readonly out: Arrays;
  readonly diff?: readonly string[];
  readonly cot?: Arrays;
  readonly grad?: Arrays;
  readonly hess?: Readonly<Record<string, Arrays>>;
  readonly third?: Arrays;
  readonly jac?: Arrays;
  readonly v?: Arrays;
  readonly jvp?: Arrays;
  readonly hvp?: Arrays;
  readonly u?: Array64;
  readonly vjp?: Arrays;
  readonly tol: { readonly f64: { readonly rtol: number; readonly atol: number } };
}

const casesOf = (file: string): readonly OracleCase[] =>
  (JSON.parse(readFileSync(new URL(`./fixtures/${file}.json`, import.meta.url), "utf8")) as { cases: OracleCase[] }).cases;
const numbers = (array: Array64): number[] => array.data.map(Number);
const toTensor = (array: Array64): Tensor => tensor(Float64Array.from(numbers(array)), { shape: array.shape });
const toTensors = (arrays: Arrays): Named =>
  Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, toTensor(array)]));

beforeAll(async () => {
  setDevice(await reference());
});

async function matches(got: Tensor, wanted: Array64, { tol }: OracleCase, what: string): Promise<void> {
  expect(got.shape, what).toEqual(wanted.shape);
  expectClose(await got.data(), numbers(wanted), { relative: tol.f64.rtol, absolute: tol.f64.atol }, what);
}

async function allMatch(got: Named, wanted: Arrays, each: OracleCase, what: string): Promise<void> {
  for (const [name, array] of Object.entries(wanted)) await matches(got[name]!, array, each, `${what} ${name}`);
}

type Activation = (x: Tensor) => Tensor;
const perceptron =
  (activation: Activation) =>
  ({ x, w1, b1, w2, b2 }: Named): Tensor => {
    const logits = linear(activation(linear(x!, w1!, b1!)), w2!, b2!);
    const target = oneHot(tensor([1, 0, 0, 1], { dtype: "int32" }), 2, { dtype: "float64" });
    return neg(mean(sum(mul(target, logSoftmax(logits, { axis: 1 })), { axis: 1 })));
  };
const softplus: Activation = (x) => add(maximum(x, 0), log1p(exp(neg(abs(x)))));
const gelu: Activation = (x) => mul(mul(x, 0.5), add(erf(mul(x, Math.SQRT1_2)), 1));

/** The functions of `higher-order.json`, as its `expr` spells them. */
const functions: Readonly<Record<string, (inputs: Named) => Tensor>> = {
  rosenbrock: ({ x }) => {
    const [head, tail] = [slice(x!, [[0, -1]]), slice(x!, [[1]])];
    return sum(add(mul(100, square(sub(tail, square(head)))), square(sub(1, head))));
  },
  sin_product: ({ x, y }) => sum(sin(mul(x!, y!))),
  logsumexp: ({ x }) => logsumexp(x!),
  quadratic_form: ({ x, A }) => mul(0.5, sum(mul(x!, matmul(A!, x!)))),
  tanh_sum: ({ x }) => sum(pow(tanh(x!), 3)),
  exp_sin_chain: ({ x }) => sum(mul(exp(sin(x!)), cos(square(x!)))),
  division: ({ a, b }) => sum(div(a!, add(square(b!), 1))),
  norm: ({ x }) => sqrt(sum(square(x!))),
  mlp_tanh_ce: perceptron(tanh),
  mlp_softplus_ce: perceptron(softplus),
  mlp_gelu_ce: perceptron(gelu),
  softmax: ({ x }) => softmax(x!),
  polar: ({ r, t }) => stack([mul(r!, cos(t!)), mul(r!, sin(t!))]),
  matvec_tanh: ({ A, x }) => tanh(matmul(A!, x!)),
  cumprod: ({ x }) => cumprod(x!),
  layer_norm: ({ x }) => {
    const centered = sub(x!, mean(x!));
    return div(centered, sqrt(add(mean(square(centered)), 1e-5)));
  },
  conv1d_tanh: ({ x, w }) => tanh(conv1d(x!, w!)),
};

/** A function of the differentiated inputs only, as a tree; the others are constants. */
function partial(each: OracleCase): { f: (inputs: Named) => Tensor; inputs: Named } {
  const all = toTensors(each.in);
  const inputs = Object.fromEntries(each.diff!.map((name) => [name, all[name]!]));
  return { f: (moving) => functions[each.op]!({ ...all, ...moving }), inputs };
}

describe("higher order", () => {
  const cases = casesOf("higher-order");

  it("covers the file", () => {
    const own = new Set([...Object.keys(functions), "gradient_penalty", "stop_gradient"]);
    expect(cases.map(({ op }) => op).filter((op) => !own.has(op))).toEqual([]);
  });

  it.each(cases.filter(({ kind }) => kind === "scalar"))("$id", async (each) => {
    const { f, inputs } = partial(each);
    const v = toTensors(each.v!);
    await matches(f(inputs), each.out.y!, each, "value");
    await allMatch(grad(f)(inputs), each.grad!, each, "gradient");
    await matches(jvp(f, [inputs], [v])[1], each.jvp!.y!, each, "jvp");
    const overReverse = (products: Named): Promise<void> => allMatch(products, each.hvp!, each, "hvp");
    await overReverse(hvp(f, [inputs], [v])[0]);
    const along = (z: Named): Tensor => jvp(f, [z], [v])[1];
    await overReverse(grad(along)(inputs));
    const inner = (z: Named): Tensor =>
      Object.entries(grad(f)(z)).map(([name, g]) => sum(mul(g, v[name]!))).reduce((a, b) => add(a, b));
    await overReverse(grad(inner)(inputs));
    const h = hessian(f)(inputs);
    for (const [a, row] of Object.entries(each.hess!)) await allMatch(h[a] as Named, row, each, `hessian ${a}`);
    if (!each.third) return;
    const curvature = (z: Named): Tensor =>
      Object.entries(hvp(f, [z], [v])[0]).map(([name, g]) => sum(mul(g, v[name]!))).reduce((a, b) => add(a, b));
    await allMatch(grad(curvature)(inputs), each.third, each, "third derivative");
  });

  it.each(cases.filter(({ kind }) => kind === "jacobian"))("$id", async (each) => {
    const { f, inputs } = partial(each);
    await matches(f(inputs), each.out.y!, each, "value");
    await allMatch(jacfwd(f)(inputs), each.jac!, each, "jacfwd");
    await allMatch(jacrev(f)(inputs), each.jac!, each, "jacrev");
    await matches(jvp(f, [inputs], [toTensors(each.v!)])[1], each.jvp!.y!, each, "jvp");
    const [, pullback] = vjp(f, inputs);
    await allMatch(pullback(toTensor(each.u!))[0], each.vjp!, each, "vjp");
  });

  it("gradient penalty", async () => {
    const each = cases.find(({ op }) => op === "gradient_penalty")!;
    const { x, ...weights } = toTensors(each.in);
    const network = (z: Tensor, { w1, b1, w2 }: Named): Tensor => sum(linear(tanh(linear(z, w1!, b1!)), w2!));
    const slopes = (w: Named): Tensor => grad((z: Tensor) => network(z, w))(x!);
    const penalty = (w: Named): Tensor => mean(square(sub(sqrt(sum(square(slopes(w)), { axis: 1 })), 1)));
    await matches(slopes(weights), each.out.gx!, each, "gradient");
    await matches(penalty(weights), each.out.penalty!, each, "penalty");
    await allMatch(grad(penalty)(weights), each.grad!, each, "gradient of the penalty");
  });

  it("stop gradient", async () => {
    const each = cases.find(({ op }) => op === "stop_gradient")!;
    const f = (x: Tensor): Tensor => sum(add(mul(stopGradient(x), x), square(x)));
    await matches(grad(f)(toTensor(each.in.x!)), each.grad!.x!, each, "gradient");
  });
});

type Kink = (inputs: Named, attrs: Readonly<Record<string, number>>) => Tensor;
const kinks: Readonly<Record<string, Kink>> = {
  relu: ({ x }) => relu(x!),
  abs: ({ x }) => abs(x!),
  sign: ({ x }) => sign(x!),
  clamp: ({ x }, attrs) => clamp(x!, attrs),
  maximum: ({ a, b }) => maximum(a!, b!),
  minimum: ({ a, b }) => minimum(a!, b!),
  amax: ({ x }, { axis }) => max(x!, { axis: axis! }),
  amin: ({ x }, { axis }) => min(x!, { axis: axis! }),
  norm: ({ x }, { p }) => norm(x!, { p: p! }),
  sqrt: ({ x }) => sqrt(x!),
  pow_scalar: ({ x }, { exponent }) => pow(x!, exponent!),
  prod: ({ x }) => prod(x!),
  // At 0, where sqrt has an infinite slope, nothing comes from the branch that is not taken.
  where: ({ x }) => where(greater(x!, 0), sqrt(clamp(x!, { min: 0 })), 0),
  mse_loss: ({ x, t }) => mean(square(sub(x!, t!))),
};

describe("kinks", () => {
  const cases = casesOf("kinks").filter(({ op }) => op in kinks);

  it("covers every function that is an op", () => {
    expect(new Set(cases.map(({ op }) => op))).toEqual(new Set(Object.keys(kinks)));
  });

  it.each(cases)("$id", async (each) => {
    const inputs = toTensors(each.in);
    const f = (moving: Named): Tensor => kinks[each.op]!({ ...inputs, ...moving }, each.attrs ?? {});
    const [y, pullback] = vjp(f, Object.fromEntries(each.diff!.map((name) => [name, inputs[name]!])));
    await matches(y, each.out.y!, each, "value");
    await allMatch(pullback(reshape(toTensor(each.cot!.y!), y.shape))[0], each.grad!, each, "gradient");
  });
});
