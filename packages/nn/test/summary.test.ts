/** Tables of models: paths, shapes and counts, with nothing computed and the model untouched. */
import { beforeAll, expect, it } from "vitest";
import { reference } from "@dormouse/backend-cpu/reference";
import { type Device } from "@dormouse/tensor/graph";
import { type Key, type Tensor, combine, key, mean, namedLeaves, partition, relu, setDevice, split } from "@dormouse/tensor";
import { BatchNorm, Conv2d, Embedding, Flatten, Linear, MaxPool2d, Residual, Sequential, isParameter, parameterCount, summary } from "../src/index.ts";

let device: Device;
beforeAll(async () => {
  device = await reference();
  setDevice(device);
});

class Mlp {
  hidden;
  output;
  scale: Tensor;
  constructor(k: Key) {
    const [k1, k2, k3] = split(k, 3);
    this.hidden = new Linear(784, 256, { key: k1 });
    this.output = new Linear(256, 10, { key: k2 });
    this.scale = new Linear(1, 1, { key: k3 }).bias!;
  }
  forward<N extends number>(x: Tensor<[N, 784]>) {
    return this.output.forward(relu(this.hidden.forward(x)));
  }
}

it("shows a class of one's own", () => {
  const model = new Mlp(key(0));
  const before = namedLeaves(model);
  const table = summary(model, [32, 784]);
  expect(table.rows).toEqual([
    { path: "hidden", layer: "Linear", output: [32, 256], parameters: 200_960 },
    { path: "output", layer: "Linear", output: [32, 10], parameters: 2_570 },
    { path: "", layer: "Mlp", output: [32, 10], parameters: 1 },
  ]);
  expect(table.parameters).toBe(203_531);
  expect(String(table).split("\n")).toEqual([
    "layer            output     parameters",
    "---------------  ---------  ----------",
    "hidden (Linear)  [32, 256]     200,960",
    "output (Linear)  [32, 10]        2,570",
    "Mlp              [32, 10]            1",
    "---------------  ---------  ----------",
    "total                          203,531",
  ]);
  expect(namedLeaves(model)).toEqual(before);
  expect(Object.hasOwn(model.hidden, "forward")).toBe(false);
  expect(device.statistics.runs).toBe(0);
});

it("shows containers, statistics and layers that are called twice", () => {
  const shared = new Linear(8, 8, { key: key(1) });
  const model = new Sequential(
    new Conv2d(1, 2, 3, { key: key(0), padding: 1 }), new BatchNorm(2), relu, new MaxPool2d(2), new Flatten(), new Residual(shared), shared,
  );
  const table = summary(model, [4, 1, 4, 4]);
  expect(table.rows.map(({ path, output, parameters }) => [path, output.join("×"), parameters])).toEqual([
    ["layers.0", "4×2×4×4", 20], ["layers.1", "4×2×4×4", 4], ["layers.3", "4×2×2×2", 0], ["layers.4", "4×8", 0],
    ["layers.5.block", "4×8", 72], ["layers.6", "4×8", 0],
  ]);
  expect(table.parameters).toBe(96);
  expect(parameterCount(model)).toBe(96);
});

it("takes integers for an embedding", () => {
  const model = new Sequential(new Embedding(10, 4, { key: key(0) }), (x: Tensor) => mean(x, { axis: 1 }) as Tensor, new Linear(4, 2, { key: key(1) }));
  expect(summary(model, [3, 7], { dtype: "int32" }).rows.map(({ output }) => output)).toEqual([[3, 7, 4], [3, 2]]);
});

it("freezes by path", () => {
  const model = new Sequential(new Linear(3, 4, { key: key(0) }), new BatchNorm(4), new Linear(4, 2, { key: key(1) }));
  const [head, frozen] = partition(model, (path, tensor) => isParameter(path, tensor) && path.startsWith("layers.2"));
  expect(namedLeaves(head).map(([path]) => path)).toEqual(["layers.2.weight", "layers.2.bias"]);
  expect(parameterCount(head)).toBe(10);
  expect(namedLeaves(combine(head, frozen)).map(([path]) => path)).toEqual(namedLeaves(model).map(([path]) => path));
});
