/**
 * Layer-wise pre-training without labels: every layer learns to encode what the one below gives, so that a decoder can
 * restore it (Bengio et al. 2007). Then a head is put on top, and the few examples with labels train everything.
 */
import { valueAndGrad } from "@dormouse/autograd";
import { cpu } from "@dormouse/backend-cpu";
import { digits } from "@dormouse/data";
import { crossEntropy } from "@dormouse/losses";
import { accuracy } from "@dormouse/metrics";
import { Dropout, Linear, Sequential } from "@dormouse/nn";
import { adam } from "@dormouse/optim";
import {
  type Key, type Tensor, cast, compile, div, evaluate, foldIn, key, mean, reshape, setDevice, sigmoid, split, square, sub,
} from "@dormouse/tensor";

setDevice(await cpu());
const draw = (count: number, seed: number) => {
  const { x, y } = digits({ count, seed, size: 14 }).batch(Array.from({ length: count }, (_, i) => i));
  return { x: reshape(div(cast(x, "float32"), 255), [count, 196]) as Tensor, y };
};
const [unlabeled, labeled, test] = [draw(1000, 0), draw(60, 1), draw(500, 2)];

/** Runs Adam on a loss of a model, all data at once, and returns the model and its first and last loss. */
async function train<M extends object>(start: M, loss: (model: M, k: Key) => Tensor, steps: number) {
  const optimizer = adam({ learningRate: 3e-3 });
  let [model, state] = [start, optimizer.init(start)];
  const step = compile((m: M, s: typeof state, k: Key) => {
    const [value, gradient] = valueAndGrad((each: M) => loss(each, k))(m);
    return [...optimizer.update(gradient, s, m), value] as const;
  });
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) {
    let value: Tensor;
    [model, state, value] = step(model, state, foldIn(key(100), i));
    if (i === 0 || i === steps - 1) losses.push(await value.item());
  }
  return { model, losses };
}

// Each layer in turn: noise hides a part of its input, and it learns to restore the whole.
const [k1, k2, k3] = split(key(0), 3);
const encoders: Linear[] = [new Linear(196, 64, { key: k1 }), new Linear(64, 32, { key: k2 })];
let features = unlabeled.x;
for (const [i, encoder] of encoders.entries()) {
  const decoder = new Linear(encoder.weight.shape[0], encoder.weight.shape[1], { key: foldIn(k3, i) }) as Linear;
  const target = features;
  const hide = new Dropout(0.2);
  const restore = ({ up, down }: { up: Linear; down: Linear }, k: Key) => {
    const code = sigmoid(up.forward(hide.forward(target, { key: k })));
    return mean(square(sub(down.forward(code), target)));
  };
  const { model, losses } = await train({ up: encoder, down: decoder }, restore, 60);
  console.log(losses[1]! < 0.75 * losses[0]!); // true
  encoders[i] = model.up;
  features = sigmoid(model.up.forward(features));
  evaluate(features);
}

// Fine-tuning: the encoders with a head, on 60 labeled images. The same network from nothing learns from those alone.
const network = (...[first, second]: Linear[]) =>
  new Sequential(first!, sigmoid, second!, sigmoid, new Linear(32, 10, { key: k3 }) as Linear);
const fresh = [new Linear(196, 64, { key: k1 }), new Linear(64, 32, { key: k2 })] as Linear[];
const scores: number[] = [];
for (const start of [encoders, fresh]) {
  const { model } = await train(network(...start), (m) => crossEntropy(m.forward(labeled.x), labeled.y), 60);
  scores.push(await accuracy(model.forward(test.x), test.y).item());
}
console.log(scores[0]! > scores[1]!); // true
