/** The training step, in full view: forward, loss, gradient and update are one compiled program. */
import { valueAndGrad } from "@dormouse/autograd";
import { cpu } from "@dormouse/backend-cpu";
import { digits, loader } from "@dormouse/data";
import { crossEntropy } from "@dormouse/losses";
import { Linear } from "@dormouse/nn";
import { type State, adamW, chain, clipByGlobalNorm, cosineDecay } from "@dormouse/optim";
import { type Key, type Tensor, cast, compile, div, key, relu, reshape, setDevice, split } from "@dormouse/tensor";

class Mlp {
  hidden;
  output;
  constructor(k: Key) {
    const [k1, k2] = split(k);
    this.hidden = new Linear(784, 64, { key: k1 });
    this.output = new Linear(64, 10, { key: k2 });
  }
  forward(x: Tensor<[number, 784]>) {
    return this.output.forward(relu(this.hidden.forward(x)));
  }
}

setDevice(await cpu());
const train = digits({ count: 512, seed: 0 }).map(({ x, y }) => ({
  x: reshape(div(cast(x, "float32"), 255), [-1, 784]),
  y,
}));

let model = new Mlp(key(0));
const optimizer = chain(
  clipByGlobalNorm(1),
  adamW({ learningRate: cosineDecay(5e-3, 40), weightDecay: 1e-2 }),
);
let state = optimizer.init(model);

const step = compile(
  (model: Mlp, state: State, x: Tensor<[number, 784]>, y: Tensor) => {
    const [loss, gradient] = valueAndGrad((m: Mlp) => crossEntropy(m.forward(x), y))(model);
    const [next, nextState] = optimizer.update(gradient, state, model);
    return [next, nextState, loss] as const;
  },
  { donate: [0, 1], name: "step" },
);

const losses: number[] = [];
for (let epoch = 0; epoch < 10; epoch++) {
  let loss: Tensor | undefined;
  for await (const { x, y } of loader(train, { batch: 128, shuffle: key(epoch) })) {
    [model, state, loss] = step(model, state, x, y);
  }
  losses.push(await loss!.item()); // reading a value is the only thing that waits
}
console.log(losses.length, losses.at(-1)! < losses[0]! / 2); // 10 true
console.log(step.traces); // 1
