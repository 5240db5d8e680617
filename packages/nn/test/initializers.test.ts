/** Initializers: scales against PyTorch's formulas, moments of samples, orthogonality, and that depth keeps variance. */
import { beforeAll, describe, expect, it } from "vitest";
import { cpu } from "@dormouse/backend-cpu";
import { type Tensor, key, matmul, normal, relu, setDevice, split, transpose } from "@dormouse/tensor";
import { Linear, type Nonlinearity, initializers } from "../src/index.ts";
import { fixture } from "./expect.ts";

beforeAll(async () => {
  setDevice(await cpu({ threads: 1 }));
});

interface GainCase {
  readonly op: "gain";
  readonly nonlinearity: string;
  readonly param: number | null;
  readonly expected: { readonly gain: number };
}
interface ScaleCase {
  readonly op: "scale";
  readonly shape: readonly number[];
  readonly gain: number;
  readonly expected: Readonly<Record<string, number>>;
}
const cases = fixture<GainCase | ScaleCase>("initializers");

describe("gains", () => {
  it.each(cases.filter((each): each is GainCase => each.op === "gain"))("$nonlinearity $param", ({ nonlinearity, param, expected }) => {
    const name = nonlinearity.replace("leaky_relu", "leakyRelu") as Nonlinearity;
    expect(initializers.gainOf(name, param ?? undefined)).toBeCloseTo(expected.gain, 12);
  });
});

/** Values of a weight with at least `count` numbers, drawn many times. */
async function sample(make: initializers.Initializer, shape: readonly number[], count: number): Promise<number[]> {
  const size = shape.reduce((a, b) => a * b, 1);
  const keys = split(key(17), Math.ceil(count / size));
  // One after another: each is the same small program, compiled once.
  const values: number[] = [];
  for (const each of keys) values.push(...(await make(each, shape, { dtype: "float64" }).data()));
  return values;
}
const deviation = (values: readonly number[]): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);

describe("scales", () => {
  const n = 4000;
  describe.each(cases.filter((each): each is ScaleCase => each.op === "scale"))("$shape", ({ shape, gain, expected }) => {
    it("fans", () => {
      expect(initializers.fans(shape)).toEqual({ fanIn: expected.fan_in, fanOut: expected.fan_out });
    });

    it.each<[string, initializers.Initializer]>([
      ["xavier_uniform_bound", initializers.xavierUniform({ gain })],
      ["kaiming_uniform_bound_fan_in", initializers.kaimingUniform({ gain })],
      ["kaiming_uniform_bound_fan_out", initializers.kaimingUniform({ gain, mode: "fanOut" })],
      ["lecun_uniform_bound", initializers.lecunUniform()],
      ["torch_linear_default_weight_bound", initializers.defaultWeight],
    ])("%s", async (name, make) => {
      const values = await sample(make, shape, n);
      const bound = expected[name]!;
      const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      // All below the bound, and one near it: the probability that none is in the last hundredth is e^-40.
      expect(largest).toBeLessThanOrEqual(bound);
      expect(largest).toBeGreaterThan(0.99 * bound);
    });

    it.each<[string, initializers.Initializer]>([
      ["xavier_normal_std", initializers.xavierNormal({ gain })],
      ["kaiming_normal_std_fan_in", initializers.kaimingNormal({ gain })],
      ["kaiming_normal_std_fan_out", initializers.kaimingNormal({ gain, mode: "fanOut" })],
      ["lecun_normal_std", initializers.lecunNormal()],
    ])("%s", async (name, make) => {
      const values = await sample(make, shape, n);
      expect(Math.abs(deviation(values) / expected[name]! - 1)).toBeLessThan(4.5 / Math.sqrt(2 * n));
    });
  });

  it("truncated normal stays inside its bounds", async () => {
    const values = await sample(initializers.truncatedNormal({ std: 0.5 }), [100], n);
    expect(values.every((value) => Math.abs(value) <= 1)).toBe(true);
    expect(Math.abs((deviation(values) / 0.5) ** 2 - 0.7737413035499232)).toBeLessThan(0.06);
  });

  it("constants, and empty weights", async () => {
    expect(await initializers.constant(3)(key(0), [2]).array()).toEqual([3, 3]);
    expect(await initializers.ones(key(0), [1, 2]).array()).toEqual([[1, 1]]);
    expect(initializers.kaimingNormal()(key(0), [3, 0]).shape).toEqual([3, 0]);
    expect(() => initializers.xavierUniform()(key(0), [3])).toThrow("fans: shape [3] has no inputs and outputs");
  });
});

it("Linear begins as PyTorch's does", async () => {
  const layer = new Linear(16, 4000, { key: key(3) });
  for (const tensor of [layer.weight, layer.bias!] as Tensor[]) {
    const values = await tensor.data();
    expect(Math.max(...values)).toBeLessThanOrEqual(0.25);
    expect(Math.abs(deviation(Array.from(values)) / (0.25 / Math.sqrt(3)) - 1)).toBeLessThan(0.05);
  }
});

describe("orthogonal", () => {
  it.each([[[5, 5]], [[3, 7]], [[7, 3]], [[1, 4]], [[6, 2, 3, 3]], [[32, 32]]])("%s", async (shape) => {
    const gain = 2;
    const weight = initializers.orthogonal({ gain })(key(5), shape);
    expect(weight.shape).toEqual(shape);
    const flat = await weight.data();
    const width = flat.length / shape[0]!;
    const rows = Array.from({ length: shape[0]! }, (_, i) => Array.from(flat.slice(i * width, (i + 1) * width)));
    const vectors = rows.length <= width ? rows : Array.from({ length: width }, (_, j) => rows.map((row) => row[j]!));
    vectors.forEach((a, i) =>
      vectors.forEach((b, j) => {
        const product = a.reduce((sum, value, at) => sum + value * b[at]!, 0) / gain ** 2;
        expect(Math.abs(product - (i === j ? 1 : 0))).toBeLessThan(1e-6);
      }),
    );
  });
});

it("relu keeps its variance through 20 layers of Kaiming's weights", async () => {
  const make = initializers.kaimingNormal();
  let x = normal(key(0), [64, 128]) as Tensor;
  for (const k of split(key(1), 20)) x = matmul(relu(x), transpose(make(k, [128, 128]) as Tensor)) as Tensor;
  const variance = deviation(Array.from(await x.data())) ** 2;
  expect(variance).toBeGreaterThan(0.3);
  expect(variance).toBeLessThan(3);
});
