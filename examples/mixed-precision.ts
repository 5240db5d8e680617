/** Mixed precision: forward and backward pass in float16, for GPUs that have it; weights and optimizer in float32. */
import { grad, valueAndGrad } from "@dormouse/autograd";
import { cpu } from "@dormouse/backend-cpu";
import { digits, loader } from "@dormouse/data";
import { crossEntropy } from "@dormouse/losses";
import { accuracy } from "@dormouse/metrics";
import { Linear, Sequential } from "@dormouse/nn";
import { type State, adam, dynamicLossScale, lossScaleOf, mixedPrecision, skippedStepsOf } from "@dormouse/optim";
import {
  type Tensor, cast, compile, div, foldIn, key, mean, mul, relu, reshape, setDevice, tensor,
} from "@dormouse/tensor";
import { fit } from "@dormouse/train";

setDevice(await cpu()); // or webgpu(), where the GPU has float16
const train = digits({ count: 512, seed: 0 }).map(({ x, y }) => ({
  x: reshape(div(cast(x, "float32"), 255), [-1, 784]),
  y,
}));
const mlp = () =>
  new Sequential<readonly (Linear | ((x: Tensor) => Tensor))[]>(
    new Linear(784, 64, { key: foldIn(key(0), 0) }),
    relu,
    new Linear(64, 10, { key: foldIn(key(0), 1) }),
  );

// What float16 cannot hold: a gradient of 2⁻²⁷ is 0, unless it is larger on its way.
const slope = (scale: number) =>
  grad((w: Tensor) => mul(mean(mixedPrecision((w: Tensor) => mul(w, 3), { scale })(w)), 2 ** -27));
console.log(await slope(1)(tensor([1])).item(), (await slope(2 ** 16)(tensor([1])).item()) === 3 * 2 ** -27); // 0 true

// In the loop that everybody writes, it is a word.
const run = await fit(mlp(), {
  data: { train }, loss: crossEntropy, metrics: { accuracy }, optimizer: adam({ learningRate: 3e-3 }),
  epochs: 8, batch: 64, precision: "mixed",
});
const { train: scores, lossScale, skippedSteps } = run.history.at(-1)!;
console.log(scores.accuracy! > 0.9, lossScale, skippedSteps); // true 65536 0

// In a step of one's own: the forward pass in float16, and an optimizer that owns the scale.
const optimizer = dynamicLossScale(adam({ learningRate: 3e-3 }), { initial: 2 ** 24 });
let model = mlp();
let state = optimizer.init(model);
const step = compile(
  (model: ReturnType<typeof mlp>, state: State, x: Tensor, y: Tensor) => {
    const forward = mixedPrecision((m: typeof model, x: Tensor) => m.forward(x) as Tensor, { scale: lossScaleOf(state) });
    const [loss, gradient] = valueAndGrad((m: typeof model) => crossEntropy(forward(m, x), y))(model);
    const [next, nextState] = optimizer.update(gradient, state, model); // changes nothing but the scale on overflow
    return [next, nextState, loss] as const;
  },
  { donate: [0, 1], name: "mixedStep" },
);
const losses: Tensor[] = [];
for (let epoch = 0; epoch < 4; epoch++) {
  for await (const { x, y } of loader(train, { batch: 64, shuffle: key(epoch) })) {
    let loss: Tensor;
    [model, state, loss] = step(model, state, x, y);
    losses.push(loss);
  }
}
console.log((await losses.at(-1)!.item()) < (await losses[0]!.item()) / 2, step.traces); // true 1
const [scale, done, skipped] = await Promise.all([lossScaleOf(state), state.step, skippedStepsOf(state)].map((x) => x.item()));
console.log(skipped! > 0, done! + skipped!, scale === 2 ** (24 - skipped!)); // true 32 true
