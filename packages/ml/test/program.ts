/** A small program over the umbrella package, written once and run in Node and in a browser. */
import {
  type Key, type Tensor, Linear, adam, add, compile, crossEntropy, device, fit, key, moons, mul, picked, split, sum,
  tanh, tensor, valueAndGrad,
} from "@dormouse/ml";

/** What the program computed, as plain data that survives the way out of a page. */
export interface Report {
  readonly hello: unknown;
  readonly device: string;
  readonly reason: string;
  readonly step: readonly number[];
  readonly losses: readonly number[];
  /** Where several threads pay: a product large enough to be shared out. */
  readonly product: readonly number[];
}

class Mlp {
  readonly hidden;
  readonly output;
  constructor(k: Key) {
    const [first, second] = split(k);
    this.hidden = new Linear(2, 16, { key: first });
    this.output = new Linear(16, 2, { key: second });
  }
  forward<N extends number>(x: Tensor<[N, 2]>) {
    return this.output.forward(tanh(this.hidden.forward(x)));
  }
}

export async function program(): Promise<Report> {
  const hello = await tensor([1, 2, 3]).mul(2).add(1).array();

  const step = compile((w: Tensor, x: Tensor) => {
    const [loss, slope] = valueAndGrad((weight: Tensor) => sum(tanh(mul(weight, x))))(w);
    return [add(w, mul(slope, -0.1)), loss] as const;
  });
  const [next, loss] = step(tensor([0.5, -1, 2]) as Tensor, tensor([1, 2, 3]) as Tensor);

  const run = await fit(new Mlp(key(0)), {
    data: { train: moons({ count: 200, noise: 0.1, seed: 3 }) },
    loss: crossEntropy,
    optimizer: adam({ learningRate: 0.02 }),
    epochs: 5,
    batch: 50,
  });

  const elements = Float32Array.from({ length: 256 * 256 }, (_, i) => ((i * 37) % 101) / 101);
  const wide = tensor(elements, { shape: [256, 256] });
  const product = wide.matmul(wide).mean({ axis: 0 }).slice([[0, 4]]);
  return {
    hello,
    device: device().name,
    reason: picked.reason,
    step: [...(await next.data()), await loss.item()],
    losses: run.history.map(({ train }) => train.loss!),
    product: [...(await product.data())],
  };
}
