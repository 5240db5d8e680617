/** Activations against PyTorch: values and gradients at ordinary, saturated and kinked points; extremes in float32. */
import { beforeAll, describe, expect, it } from "vitest";
import { vjp } from "@dormouse/autograd";
import { reference } from "@dormouse/backend-cpu/reference";
import { type Tensor, maximum, reshape, setDevice, stack, tensor, zeros } from "@dormouse/tensor";
import {
  celu, elu, gelu, glu, hardshrink, hardsigmoid, hardswish, hardtanh, identity, leakyRelu, logistic, maxout, mish, power, prelu, relu6, selu, silu,
  softshrink, softsign, step, swish, tanhshrink, threshold,
} from "../src/index.ts";
import { type OracleCase, expectTensor, fixture, toTensor } from "./expect.ts";

type Named = Record<string, Tensor>;
/** Any attribute of any fixture; a fixture has those that its function takes. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each function knows its own
type Attributes = Readonly<Record<string, any>>;

/** The functions of the fixtures; attributes have PyTorch's names. */
const functions: Readonly<Record<string, (inputs: Named, attributes: Attributes) => Tensor>> = {
  relu6: ({ x }) => relu6(x!),
  leaky_relu: ({ x }, { negative_slope, slope }) => leakyRelu(x!, { slope: negative_slope ?? slope }),
  elu: ({ x }, { alpha }) => elu(x!, { alpha }),
  celu: ({ x }, { alpha }) => celu(x!, { alpha }),
  selu: ({ x }) => selu(x!),
  gelu: ({ x }, { approximate }) => gelu(x!, { kind: approximate === "none" ? "exact" : approximate }),
  silu: ({ x }) => silu(x!),
  swish: ({ x }, { beta }) => swish(x!, { beta }),
  swish_beta: ({ x, beta }) => swish(x!, { beta: beta! }),
  hardtanh: ({ x }, attributes) => hardtanh(x!, attributes),
  softsign: ({ x }) => softsign(x!),
  mish: ({ x }) => mish(x!),
  hardsigmoid: ({ x }) => hardsigmoid(x!),
  hardswish: ({ x }) => hardswish(x!),
  tanhshrink: ({ x }) => tanhshrink(x!),
  softshrink: ({ x }, { lambd }) => softshrink(x!, { width: lambd }),
  hardshrink: ({ x }, { lambd }) => hardshrink(x!, { width: lambd }),
  threshold: ({ x }, attributes) => threshold(x!, attributes.threshold!, attributes.value!),
  prelu: ({ x, w }) => prelu(x!, w!),
  glu: ({ x }, { axis }) => glu(x!, { axis }),
  maxout: ({ x }, { pieces }) => maxout(x!, pieces!),
};

beforeAll(async () => {
  setDevice(await reference());
});

const activations = fixture<OracleCase>("activations");
const kinks = fixture<OracleCase>("kinks");

it("covers every function", () => {
  expect(new Set(activations.map(({ op }) => op))).toEqual(new Set(Object.keys(functions)));
});

describe.each([["ordinary points", activations], ["kinks", kinks]])("%s", (_, cases) => {
  it.each(cases)("$id $attrs", async (each) => {
    const inputs = Object.fromEntries(Object.entries(each.in).map(([name, array]) => [name, toTensor(array)]));
    const f = (moving: Named): Tensor => functions[each.op]!({ ...inputs, ...moving }, (each.attrs ?? {}) as Attributes);
    const [y, pullback] = vjp(f, Object.fromEntries(each.diff!.map((name) => [name, inputs[name]!])));
    await expectTensor(y, each.out.y!, each.tol, "value");
    const [gradient] = pullback(reshape(toTensor(each.cot!.y!), y.shape));
    for (const [name, wanted] of Object.entries(each.grad!)) await expectTensor(gradient[name]!, wanted, each.tol, `gradient of ${name}`);
  });
});

describe("extremes in float32", () => {
  const x = (): Tensor => tensor([-Infinity, -1e30, -100, 100, 1e30, Infinity, NaN]) as Tensor;
  it.each<[string, (x: Tensor) => Tensor, number[]]>([
    ["relu6", relu6, [0, 0, 0, 6, 6, 6, NaN]],
    ["elu", elu, [-1, -1, -1, 100, Math.fround(1e30), Infinity, NaN]],
    ["celu", (z) => celu(z, { alpha: 2 }), [-2, -2, -2, 100, Math.fround(1e30), Infinity, NaN]],
    ["leakyRelu", (z) => leakyRelu(z, { slope: 0.5 }), [-Infinity, Math.fround(-5e29), -50, 100, Math.fround(1e30), Infinity, NaN]],
    ["hardswish", hardswish, [0, 0, 0, 100, Math.fround(1e30), Infinity, NaN]],
    ["hardsigmoid", hardsigmoid, [0, 0, 0, 1, 1, 1, NaN]],
    ["step", step, [0, 0, 0, 1, 1, 1, 0]],
    ["identity", identity, [-Infinity, Math.fround(-1e30), -100, 100, Math.fround(1e30), Infinity, NaN]],
  ])("%s", async (_, f, wanted) => {
    expect(Array.from(await f(x()).data(), (value) => value + 0)).toEqual(wanted);
  });
});

describe("what the curriculum knows", () => {
  it("maxout of (0, x) is relu", async () => {
    const x = tensor([-1, 0, 2]);
    const pairs = stack([zeros([3]), x], { axis: -1 });
    expect(await maxout(pairs, 2).array()).toEqual((await maximum(x, 0).array() as number[]).map((value) => [value]));
  });

  it("swish with β = 1.702 is the sigmoid form of gelu", async () => {
    const x = tensor([-2, -0.5, 0, 1.5]);
    expect(await swish(x, { beta: 1.702 }).array()).toEqual(await gelu(x, { kind: "sigmoid" }).array());
  });

  it.each<[string, () => Tensor, RegExp]>([
    ["glu", () => glu(zeros([2, 3])), /glu: axis -1 of \[2, 3\] has an odd length/],
    ["maxout", () => maxout(zeros([2, 5]), 2), /maxout: 5 features in pieces of 2/],
    ["prelu", () => prelu(zeros([2, 3]), zeros([2])), /prelu: 2 slopes for shape \[2, 3\]/],
  ])("%s refuses what does not fit", (_, f, message) => {
    expect(f).toThrow(message);
  });
});

it("logistic has a slope, which PyTorch writes as sigmoid(a·x)", async () => {
  const x = tensor([-1e4, -1, 0, 0.5, 1e4], { dtype: "float64" });
  for (const slope of [1, 3, -0.5]) {
    const [y, pullback] = vjp((z: Tensor) => logistic(z, { slope }), x as Tensor);
    const [gradient] = pullback(tensor([1, 1, 1, 1, 1], { dtype: "float64" }));
    const wanted = [-1e4, -1, 0, 0.5, 1e4].map((z) => 1 / (1 + Math.exp(-slope * z)));
    Array.from(await y.data()).forEach((value, i) => expect(value).toBeCloseTo(wanted[i]!, 14));
    Array.from(await gradient.data()).forEach((value, i) => expect(value).toBeCloseTo(slope * wanted[i]! * (1 - wanted[i]!), 14));
  }
});

it("power is xᵖ", async () => {
  expect(await power(tensor([-2, 0, 3]), 3).array()).toEqual([-8, 0, 27]);
  expect(await power(tensor([4, 9]), 0.5).array()).toEqual([2, 3]);
  expect(await power(tensor([-1]), 1.5).array()).toEqual([NaN]);
  const [, pullback] = vjp((x: Tensor) => power(x, 2), tensor([-3, 5]) as Tensor);
  expect(await pullback(tensor([1, 1]))[0].array()).toEqual([-6, 10]);
});
