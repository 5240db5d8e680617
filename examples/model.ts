/** A model is a class with tensors in it: nothing to extend, nothing to register. */
import { cpu } from "@dormouse/backend-cpu";
import { Linear, summary } from "@dormouse/nn";
import { type Key, type Tensor, key, namedLeaves, print, relu, setDevice, split, zeros } from "@dormouse/tensor";

class Mlp {
  hidden;
  output;
  constructor(k: Key) {
    const [k1, k2] = split(k);
    this.hidden = new Linear(784, 256, { key: k1 });
    this.output = new Linear(256, 10, { key: k2 });
  }
  forward<N extends number>(x: Tensor<[N, 784]>) {
    return this.output.forward(relu(this.hidden.forward(x)));
  }
}

setDevice(await cpu());
const model = new Mlp(key(0));
await print(summary(model, [32, 784])); // a table: layer, output shape, parameters
console.log(summary(model, [32, 784]).parameters); // 203530
console.log(namedLeaves(model).map(([path]) => path).join(" ")); // hidden.weight hidden.bias output.weight output.bias

const logits: Tensor<[32, 10]> = model.forward(zeros([32, 784])); // the compiler knows the shape
console.log(logits.shape); // [ 32, 10 ]
