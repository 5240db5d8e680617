/** Extending: a derivative of your own, and a layer that wraps any other. */
import { customVjp, grad } from "@dormouse/autograd";
import { cpu } from "@dormouse/backend-cpu";
import { Linear, summary } from "@dormouse/nn";
import { type Tensor, add, exp, key, minimum, mul, setDevice, sum, tensor } from "@dormouse/tensor";

setDevice(await cpu());

// The exponential, whose slope is cut at 10.
const clippedExp = customVjp((x: Tensor) => exp(x), (y) => (ct) => mul(ct, minimum(y, 10)));
console.log(await clippedExp(tensor([0, 5])).array()); // [ 1, 148.41…
console.log(await grad((x: Tensor) => sum(clippedExp(x)))(tensor([0, 5])).array()); // [ 1, 10 ]

// Anything with `forward` is a layer.
class Residual<B extends { forward(x: Tensor): Tensor }> {
  readonly block: B;
  constructor(block: B) {
    this.block = block;
  }
  forward(x: Tensor): Tensor {
    return add(x, this.block.forward(x));
  }
}
const model = new Residual(new Linear(8, 8, { key: key(0) }));
console.log(model.forward(tensor([[1, 2, 3, 4, 5, 6, 7, 8]])).shape, summary(model, [1, 8]).parameters); // [ 1, 8 ] 72
