/** Losses against PyTorch's in float64: values, gradients and Hessian-vector products, with every option. */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { reference } from "@dormouse/backend-cpu/reference";
import { type DType, type Tensor, reshape, setDevice, sum, mul, tensor } from "@dormouse/tensor";
import { grad, jvp, vjp } from "@dormouse/autograd";
import {
  type Reduction, binaryCrossEntropy, binaryCrossEntropyWithLogits, cosineEmbedding, crossEntropy, focal, gaussianNll,
  hinge, huber, klDivergence, logCosh, mae, mse, multiMargin, nll, pinball, poissonNll, smoothL1, softMargin,
  squaredHinge, tripletMargin,
} from "../src/index.ts";

interface Elements {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly data: readonly (number | string)[];
}
type Arrays = Readonly<Record<string, Elements>>;
type Named = Readonly<Record<string, Tensor>>;
interface Attributes {
  readonly reduction?: Reduction | "batchmean";
  readonly [name: string]: unknown;
}
interface LossCase {
  readonly id: string;
  readonly op: string;
  readonly expr: string;
  readonly attrs: Attributes;
  readonly in: Arrays;
  readonly out: { readonly y: Elements };
  readonly diff?: readonly string[];
  readonly cot?: { readonly y: Elements };
  readonly grad?: Arrays;
  readonly tan?: Arrays;
  readonly hvp?: Arrays | "zero";
  readonly tol: { readonly rtol: number; readonly atol: number };
}

const fixture = new URL("./fixtures/losses.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(fixture, "utf8")) as { cases: LossCase[] };

/** PyTorch's attribute names, as options of this package. */
const optionNames: Readonly<Record<string, string>> = {
  reduction: "reduction", beta: "beta", delta: "delta", q: "quantile", p: "p", margin: "margin", gamma: "gamma",
  ignore_index: "ignoreIndex", label_smoothing: "labelSmoothing", log_target: "logTarget", log_input: "logInput",
  full: "full", eps: "eps",
};
const withoutOption = new Set(["layout", "soft"]);

function optionsOf(attrs: Attributes): Record<string, unknown> {
  const entries = Object.entries(attrs).filter(([name]) => !withoutOption.has(name));
  return Object.fromEntries(entries.map(([name, value]) => [optionNames[name] ?? expect.fail(`unknown attribute ${name}`), value]));
}

type Loss = (inputs: Named, options: never) => Tensor;
const weightOf = ({ w }: Named): { weight?: Tensor } => (w ? { weight: w } : {});
const two = (loss: (a: Tensor, b: Tensor, options: never) => Tensor, first: string, second: string): Loss =>
  (inputs, options) => loss(inputs[first]!, inputs[second]!, { ...weightOf(inputs), ...(options as object) } as never);

const losses: Readonly<Record<string, Loss>> = {
  mse_loss: two(mse, "x", "t"),
  l1_loss: two(mae, "x", "t"),
  smooth_l1_loss: two(smoothL1, "x", "t"),
  huber_loss: two(huber, "x", "t"),
  log_cosh_loss: two(logCosh, "x", "t"),
  pinball_loss: two(pinball, "x", "t"),
  hinge_loss: two(hinge, "s", "y"),
  squared_hinge_loss: two(squaredHinge, "s", "y"),
  soft_margin_loss: two(softMargin, "s", "y"),
  multi_margin_loss: two(multiMargin, "x", "t"),
  cross_entropy: two(crossEntropy, "x", "t"),
  nll_loss: two(nll, "logp", "t"),
  focal_loss: two(focal, "x", "t"),
  bce_loss: two(binaryCrossEntropy, "p", "t"),
  bce_with_logits: (inputs, options) =>
    binaryCrossEntropyWithLogits(inputs.x!, inputs.t!, {
      ...weightOf(inputs),
      ...(inputs.pos_weight ? { posWeight: inputs.pos_weight } : {}),
      ...(options as object),
    }),
  kl_div: (inputs, options) => klDivergence(inputs.logp!, (inputs.q ?? inputs.logq)!, options),
  gaussian_nll: (inputs, options) => gaussianNll(inputs.x!, inputs.t!, inputs.var!, options),
  poisson_nll: two(poissonNll, "x", "t"),
  cosine_embedding: (inputs, options) => cosineEmbedding(inputs.a!, inputs.b!, inputs.y!, options),
  triplet_margin: (inputs, options) => tripletMargin(inputs.a!, inputs.p!, inputs.n!, options),
};

const dtypes: Readonly<Record<string, DType>> = { float64: "float64", int64: "int32" };
const numbers = ({ data }: Elements): number[] => data.map(Number);
const toTensor = (elements: Elements): Tensor =>
  reshape(tensor(numbers(elements), { dtype: dtypes[elements.dtype]! }), elements.shape);
const toTensors = (arrays: Arrays): Named =>
  Object.fromEntries(Object.entries(arrays).map(([name, elements]) => [name, toTensor(elements)]));

async function matches(got: Tensor, wanted: Elements, { tol }: LossCase, what: string): Promise<void> {
  expect(got.shape, what).toEqual(wanted.shape);
  const data = await got.data();
  numbers(wanted).forEach((value, i) => {
    const isClose = data[i] === value || Math.abs(data[i]! - value) <= tol.atol + tol.rtol * Math.abs(value);
    if (!isClose) expect.fail(`${what}[${i}] is ${data[i]}, expected ${value}`);
  });
}

beforeAll(async () => {
  setDevice(await reference());
});

describe("losses against PyTorch", () => {
  it("has a loss for every case", () => {
    expect(new Set(cases.map(({ op }) => op))).toEqual(new Set(Object.keys(losses)));
  });

  it.each(cases)("$id $expr", async (each) => {
    const inputs = toTensors(each.in);
    const f = (moving: Named): Tensor => losses[each.op]!({ ...inputs, ...moving }, optionsOf(each.attrs) as never);
    await matches(f({}), each.out.y, each, "value");
    if (!each.diff) return;
    const point = Object.fromEntries(each.diff.map((name) => [name, inputs[name]!]));
    const cotangent = toTensor(each.cot!.y);
    const [, pullback] = vjp(f, point);
    const [gradient] = pullback(cotangent);
    for (const name of each.diff) await matches(gradient[name]!, each.grad![name]!, each, `gradient of ${name}`);
    if (!each.hvp) return;
    const value = (moving: Named): Tensor => sum(mul(f(moving), cotangent));
    const [, product] = jvp(grad(value), [point], [toTensors(each.tan!)]);
    for (const name of each.diff) {
      const { shape, dtype } = each.in[name]!;
      const zeros = { shape, dtype, data: new Array<number>(product[name]!.size).fill(0) };
      await matches(product[name]!, each.hvp === "zero" ? zeros : each.hvp[name]!, each, `Hessian product of ${name}`);
    }
  });
});
