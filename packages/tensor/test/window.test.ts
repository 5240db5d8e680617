/** Convolutions and pools against direct loops at odd sizes; softmax and special functions against closed forms. */
import { beforeAll, describe, expect, it } from "vitest";
import * as t from "../src/index.ts";
import type { Tensor } from "../src/index.ts";
import { expectValues, useReference, valuesOf } from "./reference-device.ts";

beforeAll(useReference);

/** Fixed numbers in [-1, 1] that repeat late. */
const numbers = (shape: readonly number[], seed = 1): Tensor => {
  const size = shape.reduce((a, b) => a * b, 1);
  const data = Float64Array.from({ length: size }, (_, i) => (((i + seed) * 7919) % 201) / 100 - 1);
  return t.tensor(data, { shape });
};

interface Case {
  readonly n: number; readonly c: number; readonly h: number; readonly w: number; readonly o: number;
  readonly kh: number; readonly kw: number; readonly stride: number; readonly padding: number;
  readonly dilation: number; readonly groups: number;
}

async function directConv(x: Tensor, weight: Tensor, bias: Tensor, k: Case): Promise<number[]> {
  const [xs, ws, bs] = [await valuesOf(x), await valuesOf(weight), await valuesOf(bias)];
  const oh = Math.floor((k.h + 2 * k.padding - (k.kh - 1) * k.dilation - 1) / k.stride) + 1;
  const ow = Math.floor((k.w + 2 * k.padding - (k.kw - 1) * k.dilation - 1) / k.stride) + 1;
  const each = k.c / k.groups;
  const result: number[] = [];
  for (let n = 0; n < k.n; n++) for (let o = 0; o < k.o; o++) for (let i = 0; i < oh; i++) for (let j = 0; j < ow; j++) {
    let sum = bs[o]!;
    const group = Math.floor(o / (k.o / k.groups));
    for (let c = 0; c < each; c++) for (let u = 0; u < k.kh; u++) for (let v = 0; v < k.kw; v++) {
      const row = i * k.stride + u * k.dilation - k.padding;
      const column = j * k.stride + v * k.dilation - k.padding;
      if (row < 0 || row >= k.h || column < 0 || column >= k.w) continue;
      sum += xs[((n * k.c + group * each + c) * k.h + row) * k.w + column]! * ws[((o * each + c) * k.kh + u) * k.kw + v]!;
    }
    result.push(sum);
  }
  return result;
}

describe("conv", () => {
  const cases: Case[] = [
    { n: 1, c: 1, h: 5, w: 7, o: 1, kh: 3, kw: 2, stride: 1, padding: 0, dilation: 1, groups: 1 },
    { n: 2, c: 3, h: 7, w: 5, o: 4, kh: 3, kw: 3, stride: 2, padding: 1, dilation: 1, groups: 1 },
    { n: 2, c: 4, h: 6, w: 6, o: 6, kh: 2, kw: 3, stride: 1, padding: 2, dilation: 2, groups: 2 },
    { n: 1, c: 3, h: 4, w: 4, o: 3, kh: 1, kw: 1, stride: 3, padding: 0, dilation: 1, groups: 3 },
  ];
  it.each(cases)("equals direct loops: %j", async (k) => {
    const x = numbers([k.n, k.c, k.h, k.w]);
    const weight = numbers([k.o, k.c / k.groups, k.kh, k.kw], 5);
    const bias = numbers([k.o], 3);
    const { stride, padding, dilation, groups } = k;
    await expectValues(t.conv2d(x, weight, { bias, stride, padding, dilation, groups }), await directConv(x, weight, bias, k), 1e-12);
  });

  it.each([[5, 3, 1], [6, 2, 2], [7, 4, 3], [1, 3, 2]])("keeps ⌈%i / stride⌉ with same padding, kernel %i, stride %i", (length, size, stride) => {
    const y = t.conv1d(numbers([1, 1, length]), numbers([2, 1, size]), { padding: "same", stride });
    expect(y.shape).toEqual([1, 2, Math.ceil(length / stride)]);
  });

  it("transposes: ⟨conv(x), y⟩ = ⟨x, convTranspose(y)⟩", async () => {
    const weight = numbers([4, 3, 3, 2], 2);
    const options = { stride: [2, 1], padding: [1, 0], dilation: 1 };
    const x = numbers([2, 3, 7, 5]);
    const forward = t.conv2d(x, weight, options);
    const y = numbers(forward.shape, 9);
    const back = t.convTranspose2d(y, weight, options);
    expect(back.shape).toEqual(x.shape);
    const [left, right] = [await t.sum(t.mul(forward, y)).item(), await t.sum(t.mul(x, back)).item()];
    expect(Math.abs(left - right)).toBeLessThan(1e-11);
    expect(t.convTranspose2d(y, weight, { ...options, outputPadding: [1, 0] }).shape).toEqual([2, 3, 8, 5]);
  });

  it("says what does not fit", () => {
    const x = numbers([1, 3, 5, 5]);
    expect(() => t.conv2d(x, numbers([2, 2, 3, 3]))).toThrow("conv2d: 3 channels and weight [2, 2, 3, 3] do not fit 1 group");
    expect(() => t.conv2d(x, numbers([2, 3, 6, 3]))).toThrow("conv2d: a window of 6 does not fit 5 elements");
    expect(() => t.conv2d(numbers([3, 5, 5]) as Tensor, numbers([2, 3, 3, 3]))).toThrow("give x as [N, C, H, W]");
    expect(() => t.conv2d(x, numbers([2, 3, 3, 3]), { bias: numbers([3]) })).toThrow("conv2d: bias [3] for 2 output channels");
    expect(() => t.maxPool2d(x, 2, { padding: 2 })).toThrow("maxPool2d: padding [2, 2] is more than half the window");
  });
});

describe("windows and pools", () => {
  it("slide along any axis", async () => {
    const y = t.windows(t.reshape(t.arange(8, { dtype: "float32" }), [4, 2]), 2, { axes: [0], stride: 2 });
    expect(y.shape).toEqual([2, 2, 2]);
    await expectValues(y, [0, 2, 1, 3, 4, 6, 5, 7]);
    expect(t.unfold(numbers([2, 3, 5, 4]), [2, 3], { padding: 1 }).shape).toEqual([2, 18, 24]);
  });

  it("take maxima, never of the padding", async () => {
    const x = t.tensor([[[-5, -3, -4, -1, -2]]]);
    await expectValues(t.maxPool1d(x, 3, { stride: 2, padding: 1 }), [-3, -1, -1]);
    await expectValues(t.maxPool1d(x, 2, { ceilMode: true }), [-3, -1, -2]);
    await expectValues(t.maxPool1d(t.tensor([[[1, NaN, 0, 2]]]), 2), [NaN, 2]);
  });

  it("take means, with and without the padding", async () => {
    const x = t.tensor([[[1, 2, 3, 4, 5]]]);
    await expectValues(t.avgPool1d(x, 2, { padding: 1 }), [0.5, 2.5, 4.5]);
    await expectValues(t.avgPool1d(x, 2, { padding: 1, countIncludePad: false }), [1, 2.5, 4.5]);
    await expectValues(t.avgPool1d(x, 2, { ceilMode: true }), [1.5, 3.5, 5]);
    await expectValues(t.avgPool1d(x, 2, { padding: 1, divisor: 4 }), [0.25, 1.25, 2.25]);
  });

  it("adapt to a grid and back", async () => {
    const x = t.reshape(t.arange(15, { dtype: "float64" }), [1, 1, 3, 5]);
    await expectValues(t.adaptiveAvgPool2d(x, [2, 2]), [3.5, 5.5, 8.5, 10.5], 1e-12);
    await expectValues(t.adaptiveAvgPool2d(x, [1, 5]), [5, 6, 7, 8, 9], 1e-12);
    await expectValues(t.upsampleNearest2d(t.tensor([[[[1, 2]]]]), [2, 3]), [1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2]);
  });
});

describe("softmax and activations", () => {
  it("stay finite at ±1e4 and propagate what is not finite", async () => {
    const x = t.tensor([[1e4, 0, -1e4], [-Infinity, 0, 0]], { dtype: "float64" });
    await expectValues(t.softmax(x), [1, 0, 0, 0, 0.5, 0.5], 1e-15);
    await expectValues(t.logSoftmax(x), [0, -1e4, -2e4, -Infinity, -Math.LN2, -Math.LN2], 1e-15);
    await expectValues(t.softmax(t.tensor([NaN, 0])), [NaN, NaN]);
    await expectValues(t.softmax(t.tensor([0, Math.LN2]), { temperature: 0.5 }), [0.2, 0.8], 1e-6);
    expect(() => t.softmax(x, { temperature: 0 })).toThrow("softmax: temperature is 0");
  });

  it("keep the digits of softplus on both sides", async () => {
    const x = t.tensor([-1e4, -40, 0, 40, 1e4, Infinity, -Infinity, NaN], { dtype: "float64" });
    const expected = [0, Math.exp(-40), Math.LN2, 40 + Math.exp(-40), 1e4, Infinity, 0, NaN];
    const values = await valuesOf(t.softplus(x));
    values.forEach((value, i) => {
      if (Object.is(value, expected[i])) return;
      expect(Math.abs(value / expected[i]! - 1)).toBeLessThan(1e-14);
    });
    await expectValues(t.relu(t.tensor([-1, 0, 2, NaN])), [0, 0, 2, NaN]);
    await expectValues(t.logSigmoid(t.tensor([-1e4, 0], { dtype: "float64" })), [-1e4, -Math.LN2], 1e-15);
    await expectValues(t.normalize(t.tensor([[3, 4], [0, 0]])), [0.6, 0.8, 0, 0], 1e-7);
    await expectValues(t.cosineSimilarity(t.tensor([[1, 0], [1, 1]]), t.tensor([[0, 2], [3, 3]])), [0, 1], 1e-6);
  });
});

describe("special functions", () => {
  // log((n - 1)!), √π and friends; SciPy 1.17 for the others.
  it("lgamma", async () => {
    const x = t.tensor([0.5, 5, 11, 0.1, -0.5, -2.5, 1e4, 0, -3, Infinity, -Infinity, NaN], { dtype: "float64" });
    await expectValues(t.lgamma(x), [
      Math.log(Math.PI) / 2, Math.log(24), Math.log(3628800), 2.252712651734206, Math.log(2 * Math.sqrt(Math.PI)),
      Math.log((8 / 15) * Math.sqrt(Math.PI)), 82099.71749644238, Infinity, Infinity, Infinity, Infinity, NaN,
    ], 2e-14);
  });

  it("digamma", async () => {
    const gamma = 0.5772156649015329;
    const x = t.tensor([1, 0.5, 6, 0.25, -0.5, 1e4, 0, -2, NaN], { dtype: "float64" });
    await expectValues(t.digamma(x), [
      -gamma, -gamma - 2 * Math.LN2, 137 / 60 - gamma, -gamma - Math.PI / 2 - 3 * Math.LN2,
      2 - gamma - 2 * Math.LN2, Math.log(1e4) - 0.5e-4 - 1e-8 / 12, -Infinity, NaN, NaN,
    ], 1e-13);
  });

  it("erfinv undoes erf", async () => {
    const x = [-3.9, -2, -0.7, -1e-9, 0, 1e-3, 0.5, 1, 2.5, 3.5];
    const back = await valuesOf(t.erfinv(t.erf(t.tensor(x, { dtype: "float64" }))));
    // Near ±1 a rounding of erf moves the argument by exp(x²)·1e-16.
    back.forEach((value, i) => expect(Math.abs(value - x[i]!)).toBeLessThan(3e-16 * Math.exp(x[i]! ** 2) + 1e-15));
    await expectValues(t.erfinv(t.tensor([1, -1, 1.5, NaN])), [Infinity, -Infinity, NaN, NaN]);
  });
});
