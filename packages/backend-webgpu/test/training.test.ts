/**
 * Training on the GPU: what the processor reaches, the GPU reaches too; a step is one submission of few dispatches; a
 * loop holds no more memory at its end than at its start.
 */
import { valueAndGrad } from "@dormouse/autograd";
import { cpu } from "@dormouse/backend-cpu";
import { digits, loader } from "@dormouse/data";
import { crossEntropy } from "@dormouse/losses";
import { Conv2d, Linear } from "@dormouse/nn";
import { type State, adam } from "@dormouse/optim";
import {
  type Key, type Tensor, argmax, cast, compile, div, equal, key, mean, mul, oneHot, relu, reshape, setDevice, split, square, sub,
  tensor, zeros,
} from "@dormouse/tensor";
import type { Device } from "@dormouse/tensor/graph";
import { expect, test } from "vitest";
import type { WebGpuBackend } from "../src/backend.ts";
import { webgpu } from "../src/index.ts";
import { backend, describeOnGpu, device } from "./gpu.ts";

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

  test.each([
    ["a squared error: one submission of at most 12 dispatches", (y: Tensor, labels: Tensor) => mean(square(sub(y, oneHot(labels, 10)))), 1, 12],
    ["a cross-entropy: the same, its labels are checked on the way", (y: Tensor, labels: Tensor) => crossEntropy(y, labels), 1, 13],
  ] as const)("a step of Adam on %s", async (_, loss, submits, dispatches) => {
    setDevice(device);
    const { step, init } = makeStep<Mlp>(loss);
    let model = new Mlp(key(1));
    let state = init(model);
    const [x, y]: Tensor[] = [zeros([batch, 784]), zeros([batch], { dtype: "int32" })];
    const once = async (): Promise<void> => {
      let loss: Tensor;
      [model, state, loss] = step(model, state, x!, y!);
      await loss.item();
    };
    await once();
    await once();
    const before = backend.statistics;
    await once();
    const after = backend.statistics;
    expect(after.submits - before.submits).toBe(submits);
    expect(after.dispatches - before.dispatches).toBeLessThanOrEqual(dispatches);
    expect(after.pipelines).toBe(before.pipelines);
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
