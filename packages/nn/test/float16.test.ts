/** Layers of float16: statistics, scores and their softmax are computed in float32, and rounded once. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { grad } from "@dormouse/autograd";
import { cpu } from "@dormouse/backend-cpu";
import { reference } from "@dormouse/backend-cpu/reference";
import { type Tensor, add, cast, key, mapTree, mul, normal, setDevice, square, sum } from "@dormouse/tensor";
import type { Device } from "@dormouse/tensor/graph";
import {
  BatchNorm, GroupNorm, InstanceNorm, LayerNorm, Linear, type Module, MultiHeadAttention, RMSNorm, attentionWeights, isParameter,
  parameterCount,
} from "../src/index.ts";

const devices: Record<string, Device> = {};
beforeAll(async () => Object.assign(devices, { reference: await reference(), cpu: await cpu({ threads: 1 }) }));
afterAll(() => Promise.all(Object.values(devices).map((device) => device[Symbol.asyncDispose]())));

const half = <T>(tree: T): T => mapTree((leaf) => (leaf.dtype === "float32" ? cast(leaf, "float16") : leaf), tree);
const wide = <T>(tree: T): T => mapTree((leaf) => (leaf.dtype === "float16" ? cast(leaf, "float32") : leaf), tree);
const numbers = async (x: Tensor): Promise<number[]> => Array.from(await x.data());

/** Within one ulp of float16: the last bit of float32 may decide a tie. */
const expectRounded = async (found: Tensor, exact: Tensor): Promise<void> => {
  expect(found.dtype).toBe("float16");
  const [got, wanted] = [await numbers(found), await numbers(exact)];
  got.forEach((each, i) => expect(Math.abs(each - wanted[i]!)).toBeLessThanOrEqual(Math.abs(wanted[i]!) * 2 ** -10 + 2 ** -23));
};

/** Images whose squares, up to 10⁷, float16 does not have. */
const images = (): Tensor => half(mul(add(normal(key(1), [3, 6, 5, 4]), 1), 700));

const norms = (): Record<string, Module> => ({
  LayerNorm: new LayerNorm([5, 4]),
  RMSNorm: new RMSNorm(4),
  GroupNorm: new GroupNorm(2, 6),
  InstanceNorm: new InstanceNorm(6, { affine: true }),
  BatchNorm: new BatchNorm(6),
});

describe.each(["reference", "cpu"])("%s", (name) => {
  beforeAll(() => void setDevice(devices[name]!));

  it.each(Object.keys(norms()))("%s of numbers whose squares overflow", async (title) => {
    const [layer, x] = [half(norms()[title]!), images()];
    await expectRounded(layer.forward(x) as Tensor, wide(layer).forward(wide(x)) as Tensor);
    const slope = (m: Module) => grad((x: Tensor) => sum(square(cast(m.forward(x) as Tensor, "float32"))));
    if (layer instanceof BatchNorm) return;
    // 0 but for eps: the output has the same squares whatever the input. What is left is rounding.
    (await numbers(slope(layer)(x))).forEach((each) => expect(Math.abs(each)).toBeLessThan(10));
  });

  it("batch statistics keep the dtype they are stored in, and take float32 beside float16", async () => {
    const [layer, x] = [new BatchNorm(6), images()];
    const mixed = Object.assign(half(layer), { runningMean: layer.runningMean, runningVariance: layer.runningVariance });
    const [y, next] = mixed.forward(x, { key: key(0) });
    const [wanted, wantedNext] = layer.forward(wide(x), { key: key(0) });
    await expectRounded(y, wanted);
    expect(await numbers(next.runningVariance)).toEqual(await numbers(wantedNext.runningVariance));
    expect(Math.max(...(await numbers(next.runningVariance)))).toBeGreaterThan(40000);
    expect(next.runningMean.dtype).toBe("float32");
    const [, narrow] = half(layer).forward(half(normal(key(3), [8, 6])), { key: key(0) });
    expect([narrow.runningMean.dtype, narrow.weight!.dtype]).toEqual(["float16", "float16"]);
  });

  it("attention of scores that overflow, with a mask of each kind", async () => {
    const [q, k] = [half(mul(normal(key(1), [2, 5, 16]), 60)), half(mul(normal(key(2), [2, 7, 16]), 60))];
    const added = half(normal(key(4), [5, 7]));
    for (const options of [{}, { causal: true }, { mask: added }, { scale: 1 }]) {
      const exact = attentionWeights(wide(q), wide(k), wide(options));
      await expectRounded(attentionWeights(q, k, options), exact);
    }
    const layer = new MultiHeadAttention(8, 2, { causal: true, key: key(5) });
    const x = normal(key(6), [2, 5, 8]);
    const y = half(layer).forward(half(x));
    const exact = await numbers(layer.forward(x));
    (await numbers(y)).forEach((each, i) => expect(Math.abs(each - exact[i]!)).toBeLessThan(0.01));
    expect(y.dtype).toBe("float16");
  });

  it("weights of float16 are parameters, and can be made", () => {
    const layer = new Linear(3, 5, { key: key(0), dtype: "float16" });
    expect(layer.weight.dtype).toBe("float16");
    expect(isParameter("weight", layer.weight as Tensor)).toBe(true);
    expect(parameterCount(layer)).toBe(20);
  });
});
