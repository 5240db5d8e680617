/** Attention against the formula in plain numbers (PyTorch's, float64), its masks, gradients and positions. */
import { beforeAll, describe, expect, it } from "vitest";
import { checkGrads, grad } from "@dormouse/autograd";
import { cpu } from "@dormouse/backend-cpu";
import {
  type Tensor, full, key, mul, namedLeaves, normal, ones, setDevice, split, sum, tensor, zeros,
} from "@dormouse/tensor";
import {
  MultiHeadAttention, Sequential, SinusoidalPositions, attentionWeights, causalMask, parameterCount, replace,
  scaledDotProductAttention, sinusoidalEncoding, summary,
} from "../src/index.ts";
import { expectClose } from "./expect.ts";

beforeAll(async () => {
  setDevice(await cpu({ threads: 1 }));
});

const exact = { rtol: 1e-11, atol: 1e-12 };
const float64 = { dtype: "float64" } as const;
type Matrix = readonly (readonly number[])[];
/** Of a query and a key. */
type Pairs<T> = (i: number, j: number) => T;

const product = (a: Matrix, b: Matrix): number[][] =>
  a.map((row) => b[0]!.map((_, j) => row.reduce((total, value, k) => total + value * b[k]![j]!, 0)));
const turned = (a: Matrix): number[][] => a[0]!.map((_, j) => a.map((row) => row[j]!));

/** softmax(q·kᵀ/√d + bias)·v by hand; a forbidden pair counts as -∞, a row of those as zeros. */
function attend(q: Matrix, k: Matrix, v: Matrix, allowed: Pairs<boolean>, bias: Pairs<number> = () => 0): number[][] {
  const weights = product(q, turned(k)).map((row, i) => {
    const shares = row.map((score, j) => (allowed(i, j) ? Math.exp(score / Math.sqrt(q[0]!.length) + bias(i, j)) : 0));
    const total = shares.reduce((sum, share) => sum + share, 0);
    return shares.map((share) => (total === 0 ? 0 : share / total));
  });
  return product(weights, v);
}

/** torch.nn.MultiheadAttention for one batch entry: projections, heads side by side, output projection. */
async function multiHead(
  layer: MultiHeadAttention,
  x: Matrix,
  memory: Matrix,
  allowed: Pairs<boolean>,
): Promise<number[][]> {
  const apply = async (part: { weight: Tensor; bias: Tensor | null }, input: Matrix): Promise<number[][]> => {
    const weight = (await part.weight.array()) as number[][];
    const bias = part.bias ? ((await part.bias.array()) as number[]) : weight.map(() => 0);
    return product(input, turned(weight)).map((row) => row.map((value, j) => value + bias[j]!));
  };
  const [q, k, v] = [await apply(layer.queries, x), await apply(layer.keys, memory), await apply(layer.values, memory)];
  const width = layer.features / layer.heads;
  const heads = Array.from({ length: layer.heads }, (_, h) => {
    const part = (m: Matrix): number[][] => m.map((row) => row.slice(h * width, (h + 1) * width));
    return attend(part(q), part(k), part(v), allowed);
  });
  return apply(layer.output, x.map((_, i) => heads.flatMap((head) => head[i]!)));
}

/** Biases that are not 0, so that a forgotten one shows. */
function awake(layer: MultiHeadAttention): MultiHeadAttention {
  const names = ["queries", "keys", "values", "output"] as const;
  const changes = names.map((name, i) => {
    const part = layer[name];
    return [name, replace(part, { bias: normal(key(20 + i), part.bias!.shape, float64) as Tensor<[number]> })] as const;
  });
  return replace(layer, Object.fromEntries(changes));
}

describe("scaledDotProductAttention", () => {
  const [k1, k2, k3, k4] = split(key(0), 4);
  const [q, k, v] = [normal(k1, [2, 5, 4], float64), normal(k2, [2, 7, 4], float64), normal(k3, [2, 7, 3], float64)] as Tensor[];
  const slope = normal(k4, [5, 7], float64) as Tensor;
  const seen = (i: number, j: number): boolean => (i + 2 * j) % 3 !== 0;
  const grid = Array.from({ length: 5 }, (_, i) => Array.from({ length: 7 }, (_, j) => seen(i, j)));

  it.each<[string, Parameters<typeof scaledDotProductAttention>[3], (i: number, j: number) => boolean, boolean?]>([
    ["plain", {}, () => true],
    ["causal", { causal: true }, (i, j) => j <= i],
    ["masked", { mask: tensor(grid) as Tensor }, seen],
    ["masked and causal", { mask: tensor(grid) as Tensor, causal: true }, (i, j) => seen(i, j) && j <= i],
    ["with added scores", { mask: slope }, () => true, true],
  ])("%s", async (_, options, allowed, isAdded) => {
    const [queries, keys, values] = (await Promise.all([q!, k!, v!].map((x) => x.array()))) as Matrix[][];
    const added = (await slope.array()) as number[][];
    const bias = isAdded ? (i: number, j: number): number => added[i]![j]! : () => 0;
    const wanted = [0, 1].flatMap((n) => attend(queries![n]!, keys![n]!, values![n]!, allowed, bias).flat());
    expectClose(await scaledDotProductAttention(q!, k!, v!, options).data(), wanted, exact, "output");
  });

  it("uses another scale, sums to one, and broadcasts leading axes", async () => {
    const weights = attentionWeights(q!, k!, { scale: 0 });
    expectClose(await weights.data(), Array.from({ length: 70 }, () => 1 / 7), exact, "uniform");
    const shared = scaledDotProductAttention(normal(k1, [3, 1, 5, 4]), normal(k2, [2, 7, 4]), normal(k3, [7, 6]));
    expect(shared.shape).toEqual([3, 2, 5, 6]);
  });

  it("gives zeros, and no NaN, where nothing may be seen, and for huge scores", async () => {
    const mask = tensor([[true, true], [false, false]]) as Tensor;
    const huge = full([2, 3], 1e4) as Tensor;
    const f = (x: Tensor): Tensor => scaledDotProductAttention(x, huge, tensor([[1, 2, 3], [4, 5, 6]]) as Tensor, { mask });
    expect(await f(huge).array()).toEqual([[2.5, 3.5, 4.5], [0, 0, 0]]);
    expect((await grad((x: Tensor) => sum(f(x)))(huge).data()).every(Number.isFinite)).toBe(true);
    expect(await causalMask(2, 3).array()).toEqual([[true, false, false], [true, true, false]]);
  });

  it("refuses widths that differ", () => {
    expect(() => attentionWeights(zeros([2, 3]), zeros([2, 4]))).toThrow("attention: queries [2, 3] and keys [2, 4] do not fit");
  });
});

describe("MultiHeadAttention", () => {
  const shapes = { batch: 2, length: 5, features: 6, heads: 3 };
  const x = normal(key(1), [2, 5, 6], float64);
  const memory = normal(key(2), [2, 4, 5], float64);
  const present = tensor([[true, true, true, false], [true, false, true, true]]) as Tensor;

  it.each([1, 2, 3, 6])("self-attention in %i heads", async (heads) => {
    const layer = awake(new MultiHeadAttention(shapes.features, heads, { key: key(3), ...float64 }));
    const rows = (await x.array()) as number[][][];
    const wanted = await Promise.all(rows.map((each) => multiHead(layer, each, each, () => true)));
    expectClose(await layer.forward(x).data(), wanted.flat(2), exact, "output");
  });

  it("causal self-attention does not see the future", async () => {
    const layer = awake(new MultiHeadAttention(6, 2, { key: key(3), causal: true, ...float64 }));
    const rows = (await x.array()) as number[][][];
    const wanted = await Promise.all(rows.map((each) => multiHead(layer, each, each, (i, j) => j <= i)));
    expectClose(await layer.forward(x).data(), wanted.flat(2), exact, "output");
    const early = tensor([1, 1, 0, 0, 0], { dtype: "float64", shape: [1, 5, 1] }) as Tensor;
    const slope = grad((z: Tensor) => sum(mul(layer.forward(z as typeof x) as Tensor, early)))(x as Tensor);
    const later = ((await slope.array()) as number[][][]).flatMap((each) => each.slice(2).flat());
    expect(later.every((value) => value === 0)).toBe(true);
  });

  it.each([true, false])("cross-attention to a padded memory of other features (bias: %s)", async (bias) => {
    const plain = new MultiHeadAttention(6, 2, { key: key(3), memoryFeatures: 5, bias, ...float64 });
    const layer = bias ? awake(plain) : plain;
    const [rows, others] = [await x.array(), await memory.array()] as number[][][][];
    const there = (await present.array()) as boolean[][];
    const wanted = await Promise.all(
      rows!.map((each, n) => multiHead(layer, each, others![n]!, (_, j) => there[n]![j]!)),
    );
    expectClose(await layer.forward(x, { memory, present }).data(), wanted.flat(2), exact, "output");
  });

  it("joins masks of both kinds with the padding", async () => {
    const layer = awake(new MultiHeadAttention(6, 2, { key: key(3), memoryFeatures: 5, ...float64 }));
    const [rows, others] = [await x.array(), await memory.array()] as number[][][][];
    const there = (await present.array()) as boolean[][];
    const seen = (i: number, j: number): boolean => j !== i % 4;
    const grid = Array.from({ length: 5 }, (_, i) => Array.from({ length: 4 }, (_, j) => seen(i, j)));
    const wanted = await Promise.all(
      rows!.map((each, n) => multiHead(layer, each, others![n]!, (i, j) => seen(i, j) && there[n]![j]!)),
    );
    const added = tensor(grid.map((row) => row.map((may) => (may ? 0 : -1e20))), float64) as Tensor;
    for (const mask of [tensor(grid) as Tensor, added]) {
      expectClose(await layer.forward(x, { memory, present, mask }).data(), wanted.flat(2), exact, mask.dtype);
    }
  });

  it("has the right gradients", async () => {
    const layer = awake(new MultiHeadAttention(4, 2, { key: key(5), causal: true, ...float64 }));
    const input = normal(key(6), [1, 3, 4], float64) as Tensor;
    const weights = normal(key(7), [1, 3, 4], float64) as Tensor;
    const f = (m: MultiHeadAttention, z: Tensor): Tensor => sum(mul(m.forward(z) as Tensor, weights));
    const report = await checkGrads(f, [layer, input]);
    expect(report.checked).toBe(parameterCount(layer) + 12);
  });

  it("begins as PyTorch's: Xavier's weights, biases of 0, 4·F·(F + 1) parameters", async () => {
    const layer = new MultiHeadAttention(32, 4, { key: key(0) });
    expect(parameterCount(layer)).toBe(4 * 32 * 33);
    expect(namedLeaves(layer).map(([path]) => path)).toEqual(
      ["queries", "keys", "values", "output"].flatMap((name) => [`${name}.weight`, `${name}.bias`]),
    );
    expect((await layer.queries.bias!.data()).every((value: number) => value === 0)).toBe(true);
    const bound = Math.sqrt(6 / 64);
    const largest = Math.max(...Array.from(await layer.values.weight.data(), Math.abs));
    expect(largest).toBeLessThanOrEqual(bound);
    expect(largest).toBeGreaterThan(0.98 * bound);
    expect(summary(layer, [2, 7, 32]).rows.map(({ path }) => path)).toEqual(["queries", "keys", "values", "output"]);
  });

  it("drops weights in training only, with its key", async () => {
    const layer = new MultiHeadAttention(6, 2, { key: key(3), dropout: 0.5, ...float64 });
    const still = await layer.forward(x).data();
    const [one, again, two] = await Promise.all([8, 8, 9].map((seed) => layer.forward(x, { key: key(seed) }).data()));
    expect(one).toEqual(again);
    expect(one).not.toEqual(two);
    expect(one).not.toEqual(still);
  });

  it("is a layer of a Sequential, with positions", async () => {
    const model = new Sequential(new SinusoidalPositions(), new MultiHeadAttention(6, 2, { key: key(3) }));
    const same = ones([1, 4, 6]);
    const rows = ((await model.forward(same).array()) as number[][][])[0]!;
    expect(rows[0]).not.toEqual(rows[1]);
    expect(model.forward(zeros([0, 4, 6])).shape).toEqual([0, 4, 6]);
  });

  it("refuses what does not fit", () => {
    const layer = new MultiHeadAttention(6, 2, { key: key(0) });
    expect(() => new MultiHeadAttention(6, 4, { key: key(0) })).toThrow("MultiHeadAttention: 4 heads do not divide 6 features");
    expect(() => new MultiHeadAttention(6, 2, { key: key(0), dropout: 2 })).toThrow("dropout is 2");
    expect(() => (layer as unknown as { forward(x: Tensor): Tensor }).forward(zeros([5, 6]))).toThrow("the input is [5, 6]");
    expect(() => layer.forward(zeros([2, 5, 6]), { memory: zeros([3, 5, 6]) })).toThrow("the memory is [3, 5, 6]");
    expect(() => layer.forward(zeros([2, 5, 6]), { present: zeros([2, 5]) })).toThrow("present is float32[2, 5]; give bool [2, 5]");
  });
});

describe("sinusoidalEncoding", () => {
  it.each([[7, 6], [5, 5], [1, 1], [0, 4]])("%i positions of %i features", async (length, features) => {
    const wanted = Array.from({ length }, (_, p) =>
      Array.from({ length: features }, (_, j) => {
        const angle = p / Math.pow(10_000, (2 * Math.floor(j / 2)) / features);
        return j % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
      }),
    );
    const table = sinusoidalEncoding(length, features, float64);
    expect(table.shape).toEqual([length, features]);
    expectClose(await table.data(), wanted.flat(), exact, "table");
  });

  it("is added in the dtype of the input", async () => {
    const x = zeros([2, 3, 4], float64);
    const y = new SinusoidalPositions({ base: 100 }).forward(x);
    expect(y.dtype).toBe("float64");
    const table = await sinusoidalEncoding(3, 4, { base: 100, ...float64 }).data();
    expectClose(await y.data(), [...table, ...table], exact, "sum");
    expect(() => new SinusoidalPositions().forward(zeros([4]))).toThrow("has no positions");
  });
});
