/**
 * Same seed, same bits: kernels large enough to be shared among threads, and a training loop, over numbers of threads,
 * new devices and repeated runs. Random small graphs are compared in `random-graphs.test.ts`.
 */
import {
  type Tensor, add, argsort, compile, cumsum, indexAdd, key, matmul, mean, mul, normal, permute, setDevice, softmax,
  square, sub, sum, take, tanh, tensor, uniform,
} from "@dormouse/tensor";
import { valueAndGrad } from "@dormouse/autograd";
import { expect, test } from "vitest";
import { cpu } from "../src/index.ts";

const bytes = (x: Tensor): string => Buffer.from(x.dataSync().buffer).toString("base64");

/** What `compute` gives on a new device of some threads. */
async function bitsOf(threads: number, compute: () => readonly Tensor[]): Promise<string[]> {
  await using device = await cpu({ threads });
  setDevice(device);
  return compute().map(bytes);
}

const index = (): Tensor => tensor(Int32Array.from({ length: 40_000 }, (_, i) => (i * 7919) % 331));
const large: readonly [string, () => Tensor[]][] = [
  ["elementwise", () => [tanh(mul(normal(key(1), [200_003]), 1.7))]],
  ["a sum of all, of rows, of columns", () => {
    const x = normal(key(2), [517, 701]);
    return [sum(x), sum(x, { axis: 1 }), sum(x, { axis: 0 })];
  }],
  ["products", () => {
    const [a, b] = [normal(key(3), [257, 515]), normal(key(4), [515, 129])];
    return [matmul(a, b), matmul(permute(b, [1, 0]), permute(a, [1, 0])), matmul(a, normal(key(5), [515, 1]))];
  }],
  ["a product over a long axis", () => [matmul(normal(key(6), [3, 60_001]), normal(key(7), [60_001, 5]))]],
  ["rows of softmax", () => [softmax(normal(key(8), [1001, 65]))]],
  ["rows taken and added", () => {
    const rows = take(normal(key(9), [331, 9]), index());
    return [rows, indexAdd(normal(key(9), [331, 9]), index(), rows)];
  }],
  ["orders and running sums", () => [argsort(uniform(key(10), [64, 1025])), cumsum(normal(key(11), [64, 1025]))]],
];

test.each(large)("%s: one, two, three and four threads, twice each", async (_, compute) => {
  const wanted = await bitsOf(1, compute);
  for (const threads of [1, 2, 2, 3, 4, 4]) expect(await bitsOf(threads, compute)).toEqual(wanted);
});

test("a training loop gives the same parameters, whatever the number of threads", async () => {
  const train = (): Tensor[] => {
    const x = normal(key(20), [512, 96]);
    const y = sum(square(x), { axis: 1, keepDims: true });
    let model = [normal(key(21), [96, 128]), normal(key(22), [128, 1])] as [Tensor, Tensor];
    const loss = ([first, second]: [Tensor, Tensor]) =>
      mean(square(sub(add(matmul(tanh(matmul(x, mul(first, 0.1))), second), 0), mul(y, 0.01))));
    const step = compile((weights: [Tensor, Tensor]) => {
      const [, gradient] = valueAndGrad(loss)(weights);
      return weights.map((w, i) => sub(w, mul(gradient[i]!, 0.01))) as [Tensor, Tensor];
    }, { donate: [0] });
    for (let i = 0; i < 30; i++) model = step(model);
    return model;
  };
  const wanted = await bitsOf(1, train);
  for (const threads of [1, 2, 2, 3]) expect(await bitsOf(threads, train)).toEqual(wanted);
});
