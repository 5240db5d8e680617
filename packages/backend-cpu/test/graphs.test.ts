/**
 * Small graphs of public ops through evaluation on the WebAssembly devices, against the same graphs on the reference.
 * What the ops compute is the business of their own tests; here the path from graph to memory and back is tested.
 */
import {
  type Tensor, add, argsort, conv2d, cumsum, indexAdd, key, logSoftmax, matmul, maxPool2d, mean, mul, normal, relu,
  scope, setDevice, softmax, square, sub, sum, take, tanh, tensor, transpose, uniform,
} from "@dormouse/tensor";
import { afterAll, describe, expect, test } from "vitest";
import { cpu } from "../src/index.ts";
import { reference } from "../src/reference.ts";

const oracle = await reference();
const devices = await Promise.all([1, 2].map((threads) => cpu({ threads })));
afterAll(() => Promise.all(devices.map((device) => device[Symbol.asyncDispose]())));

const ramp = (shape: readonly number[]): Tensor => {
  const length = shape.reduce((size, axis) => size * axis, 1);
  return tensor(Float32Array.from({ length }, (_, i) => Math.sin(1.7 * i)), { shape: [...shape] });
};

const graphs: [string, () => Tensor | Tensor[]][] = [
  ["matrix product", () => matmul(ramp([67, 45]), ramp([45, 31]))],
  ["transposed product", () => matmul(transpose(ramp([45, 67])), transpose(ramp([31, 45])))],
  ["a large product", () => matmul(ramp([129, 257]), ramp([257, 131]))],
  ["mlp", () => {
    const hidden = tanh(add(matmul(ramp([33, 70]), ramp([70, 50])), ramp([50])));
    return mean(square(sub(matmul(hidden, ramp([50, 3])), ramp([33, 3]))));
  }],
  ["a costly function of a product, of its slope too", () => {
    const z = add(matmul(ramp([263, 19]), ramp([19, 347])), ramp([347]));
    const t = tanh(z);
    return [z, t, mul(z, add(t, 1))];
  }],
  ["attention", () => {
    const [q, k, v] = [ramp([2, 3, 17, 8]), ramp([2, 3, 17, 8]), ramp([2, 3, 17, 8])];
    return matmul(softmax(mul(matmul(q, transpose(k)), 0.35)), v);
  }],
  ["log-softmax of many rows", () => logSoftmax(ramp([501, 130]))],
  ["convolution, relu, pooling", () => {
    const features = conv2d(ramp([2, 3, 12, 11]), ramp([5, 3, 3, 3]), { padding: 1 });
    return maxPool2d(relu(features), 2);
  }],
  ["random numbers", () => [uniform(key(7), [1001]), normal(key(8), [33, 7])]],
  ["rows taken and added", () => {
    const index = tensor(Int32Array.of(3, 0, 3, 5), { shape: [4] });
    const rows = take(ramp([6, 9]), index);
    return [rows, indexAdd(ramp([6, 9]), index, rows)];
  }],
  ["order and running sums", () => [argsort(ramp([5, 40])), cumsum(ramp([5, 40]), { axis: 0 })]],
  ["a long elementwise chain over 100 003 elements", () => {
    let x = ramp([100_003]);
    for (let i = 0; i < 30; i++) x = tanh(add(mul(x, 1.01), 0.01));
    return [x, sum(x)];
  }],
];

const compute = async (
  device: Parameters<typeof setDevice>[0],
  graph: () => Tensor | Tensor[],
): Promise<number[][]> => {
  setDevice(device);
  const results = [graph()].flat();
  return Promise.all(results.map(async (result) => [...(await result.data())]));
};

describe.each(devices)("$name", (device) => {
  test.each(graphs)("%s", async (_name, graph) => {
    const expected = await compute(oracle, graph);
    const actual = await compute(device, graph);
    expected.forEach((values, i) => {
      expect(actual[i]!.length).toBe(values.length);
      const close = (value: number, at: number): boolean =>
        Math.abs(actual[i]![at]! - value) <= 2e-5 * Math.max(1, Math.abs(value));
      const wrong = values.findIndex((value, at) => !close(value, at));
      expect(wrong < 0 ? null : { at: wrong, actual: actual[i]![wrong], expected: values[wrong] }).toBeNull();
    });
  });

  test("a loop of steps leaves as many buffers as it found", async () => {
    setDevice(device);
    let w = ramp([70, 50]);
    const x = ramp([33, 70]);
    await w.data();
    const counts = new Set<number>();
    for (let step = 0; step < 20; step++) {
      const next = scope(() => sub(w, mul(matmul(transpose(x), tanh(matmul(x, w))), 1e-3)));
      await next.data();
      w.dispose();
      w = next;
      if (step > 1) counts.add(device.statistics.buffers);
    }
    expect(counts.size).toBe(1);
  });
});
