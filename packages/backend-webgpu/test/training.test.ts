/**
 * Training on the GPU: what the processor reaches, the GPU reaches too; a step is one submission of few dispatches; a
 * loop holds no more memory at its end than at its start.
 */
import { memoryUsage } from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { grad, valueAndGrad } from "@dormouse/autograd";
import { cpu } from "@dormouse/backend-cpu";
import { digits, loader } from "@dormouse/data";
import { crossEntropy } from "@dormouse/losses";
import { Conv2d, Linear } from "@dormouse/nn";
import { type State, adam } from "@dormouse/optim";
import {
  type Key, type Tensor, add, argmax, cast, compile, div, equal, key, mean, mul, oneHot, relu, reshape, setDevice, split,
  square, sub, tensor, zeros,
} from "@dormouse/tensor";
import type { Device } from "@dormouse/tensor/graph";
import { expect, test } from "vitest";
import { findAdapter, requestDevice } from "../src/adapter.ts";
import type { WebGpuBackend } from "../src/backend.ts";
import { webgpu } from "../src/index.ts";
import { describeOnGpu, device } from "./gpu.ts";

class Mlp {
  hidden;
  output;
  constructor(k: Key) {
    const [k1, k2] = split(k);
    this.hidden = new Linear(784, 32, { key: k1 });
    this.output = new Linear(32, 10, { key: k2 });
  }
  forward(x: Tensor): Tensor {
    return this.output.forward(relu(this.hidden.forward(reshape(x, [-1, 784]))));
  }
}

class Cnn {
  first;
  second;
  output;
  constructor(k: Key) {
    const [k1, k2, k3] = split(k, 3) as [Key, Key, Key];
    this.first = new Conv2d(1, 4, 3, { stride: 2, padding: 1, key: k1 });
    this.second = new Conv2d(4, 6, 3, { stride: 2, padding: 1, key: k2 });
    this.output = new Linear(6 * 7 * 7, 10, { key: k3 });
  }
  forward(x: Tensor): Tensor {
    const hidden = relu(this.second.forward(relu(this.first.forward(reshape(x, [-1, 1, 28, 28])))));
    return this.output.forward(reshape(hidden, [-1, 294]));
  }
}

interface Model {
  forward(x: Tensor): Tensor;
}

const [count, batch] = [256, 64];

/** A step that takes over the memory of the model and of the optimizer's state. */
function makeStep<M extends Model>(lossOf: (y: Tensor, labels: Tensor) => Tensor = (y, labels) => crossEntropy(y, labels)) {
  const optimizer = adam({ learningRate: 5e-3 });
  const step = compile(
    (model: M, state: State, x: Tensor, y: Tensor) => {
      const [loss, gradient] = valueAndGrad((m: M) => lossOf(m.forward(x), y))(model);
      const [next, nextState] = optimizer.update(gradient, state, model);
      return [next, nextState, loss] as const;
    },
    { donate: [0, 1], name: "step" },
  );
  return { step, init: (model: M): State => optimizer.init(model) };
}

/** Trains on drawn digits; the losses of the steps and the accuracy on what was learned from. */
async function train(on: Device, make: (k: Key) => Model, epochs: number): Promise<{ losses: number[]; accuracy: number }> {
  setDevice(on);
  const batches: [Tensor, Tensor][] = [];
  for await (const { x, y } of loader(digits({ count, seed: 0 }), { batch })) batches.push([div(cast(x, "float32"), 255), y]);
  let model = make(key(0));
  const { step, init } = makeStep<Model>();
  let state = init(model);
  const losses: Tensor[] = [];
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (const [x, y] of batches) {
      let loss: Tensor;
      [model, state, loss] = step(model, state, x, y);
      losses.push(loss);
    }
  }
  const hits: number[] = [];
  for (const [x, y] of batches) {
    hits.push(await mean(cast(equal(argmax(model.forward(x), { axis: 1 }), y), "float32")).item());
  }
  return { losses: await Promise.all(losses.map((loss) => loss.item())), accuracy: hits.reduce((a, b) => a + b) / hits.length };
}

describeOnGpu("training", () => {
  test.each([
    ["a network of two layers", (k: Key) => new Mlp(k), 6],
    ["a convolutional network", (k: Key) => new Cnn(k), 4],
  ] as const)("%s learns what it learns on the processor", async (_, make, epochs) => {
    await using processor = await cpu({ threads: 1 });
    const wanted = await train(processor, make, epochs);
    const got = await train(device!, make, epochs);
    got.losses.slice(0, 8).forEach((loss, i) => expect(loss).toBeCloseTo(wanted.losses[i]!, 3));
    expect(wanted.accuracy).toBeGreaterThan(0.5);
    expect(Math.abs(got.accuracy - wanted.accuracy)).toBeLessThan(0.02);
  }, 300_000);

  const losses = {
    "a squared error": (y: Tensor, labels: Tensor) => mean(square(sub(y, oneHot(labels, 10)))),
    // Whose labels are checked on the way.
    "a cross-entropy": (y: Tensor, labels: Tensor) => crossEntropy(y, labels),
  } as const;

  test.each(
    Object.keys(losses).flatMap((name) => [[name, "all"], [name, 10]] as [keyof typeof losses, "all" | 10][]),
  )("a step of Adam on %s is one submission of at most 12 dispatches (%s bindings)", async (name, bindings) => {
    const adapter = (await findAdapter()) as GPUAdapter;
    const gpu = await (bindings === "all"
      ? requestDevice(adapter)
      : adapter.requestDevice({ requiredLimits: { maxStorageBuffersPerShaderStage: bindings } }));
    let submits = 0;
    const submit = gpu.queue.submit.bind(gpu.queue);
    gpu.queue.submit = (buffers) => {
      submits++;
      return submit(buffers);
    };
    await using own = await webgpu({ device: gpu });
    setDevice(own);
    const { backend } = own as unknown as { readonly backend: WebGpuBackend };
    const { step, init } = makeStep<Mlp>(losses[name]);
    let model = new Mlp(key(1));
    let state = init(model);
    const [x, y]: Tensor[] = [zeros([batch, 784]), zeros([batch], { dtype: "int32" })];
    const once = (): Tensor => {
      let loss: Tensor;
      [model, state, loss] = step(model, state, x!, y!);
      return loss;
    };
    for (let i = 0; i < 2; i++) await once().item();
    const before = backend.statistics;
    submits = 0;
    for (let i = 0; i < 5; i++) once();
    const after = backend.statistics;
    expect(submits).toBe(5);
    expect((after.dispatches - before.dispatches) / 5).toBeLessThanOrEqual(12);
    expect(after.pipelines).toBe(before.pipelines);
    await own.idle();
    setDevice(device);
    gpu.destroy();
  }, 120_000);

  test("a bad label fails with the next read, and names the loss", async () => {
    setDevice(device);
    const step = compile((w: Tensor, labels: Tensor) => crossEntropy(w, labels));
    const good = tensor([0, 1, 2], { dtype: "int32" });
    const w = zeros([3, 4]);
    const loss = step(w, add(good, 2));
    await expect(loss.item()).rejects.toThrow("crossEntropy: label 4 at row 2 is not below the 4 classes of the logits");
    expect(await step(w, good).item()).toBeCloseTo(Math.log(4), 6);
  }, 60_000);

  test("10 000 steps that check labels and read nothing hold no more memory than 500", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    await using own = await webgpu();
    setDevice(own);
    const { backend } = own as unknown as { readonly backend: WebGpuBackend };
    const step = compile(
      (w: Tensor, labels: Tensor) => sub(w, mul(grad((z: Tensor) => crossEntropy(z, labels))(w), 0.1)),
      { donate: [0] },
    );
    let w: Tensor = zeros([3, 4]);
    const labels = add(tensor([0, 1, 2], { dtype: "int32" }), 0);
    const run = async (steps: number) => {
      for (let i = 0; i < steps; i++) {
        w = step(w, labels);
        // The thread lives on, and nobody asks the GPU for anything.
        if (i % 100 === 99) await new Promise((resolve) => setTimeout(resolve, 0));
      }
      collect();
      const { buffers, bytes } = own.statistics;
      const { created, used } = backend.statistics;
      return { heap: memoryUsage().heapUsed, held: { buffers, bytes, created, used } };
    };
    await run(100);
    await own.idle();
    const early = await run(500);
    const late = await run(10_000);
    expect(late.held).toEqual(early.held);
    expect(late.heap - early.heap).toBeLessThan(2 ** 20);
    expect(await w.array()).toHaveLength(3);
    setDevice(device);
  }, 120_000);

  test("10 000 steps hold no more buffers than 200", async () => {
    // A device of its own: on the shared one the collector may free what other tests left.
    await using own = await webgpu();
    setDevice(own);
    const { backend } = own as unknown as { readonly backend: WebGpuBackend };
    const step = compile((w: Tensor, x: Tensor) => mul(w, x), { donate: [0] });
    let w: Tensor = tensor(new Float32Array(67).fill(1));
    const x = tensor(new Float32Array(67).fill(0.9999));
    const run = async (steps: number) => {
      for (let i = 0; i < steps; i++) {
        w = step(w, x);
        if (i % 100 === 99) await own.idle();
      }
      await w.data();
      const { buffers, bytes } = own.statistics;
      const { created, used } = backend.statistics;
      return { buffers, bytes, created, used };
    };
    const early = await run(200);
    expect(await run(10_000)).toEqual(early);
    expect((await w.data())[66]).toBeCloseTo(0.9999 ** 10_200, 3);
    setDevice(device);
  }, 120_000);
});
