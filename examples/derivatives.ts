/** Derivatives are functions of functions: gradients, Hessians, forward over reverse, one gradient per example. */
import { grad, hessian, jvp, vmap } from "@dormouse/autograd";
import { cpu } from "@dormouse/backend-cpu";
import { type Tensor, mul, setDevice, sin, square, sub, sum, tensor } from "@dormouse/tensor";

setDevice(await cpu());
const f = (x: Tensor) => sum(mul(x, sin(x)));
const x = tensor([0, 1, Math.PI]);

const g = grad(f); // sin x + x cos x
console.log(await g(x).data()); // Float32Array(3) [ 0, 1.38177…, -3.14159… ]

const h = hessian(f); // 2 cos x - x sin x, on the diagonal
console.log(await h(x).array()); // [ [ 2, 0, 0 ], [ 0, 0.239133…, 0 ], [ 0, 0, -1.99999… ] ]

const v = tensor([1, 0, 0]);
const [, directional] = jvp(g, [x], [v]); // H·v without H: forward over reverse
console.log(await directional.array()); // [ 2, 0, 0 ]

const loss = (w: Tensor, input: Tensor, target: Tensor) => square(sub(sum(mul(w, input)), target));
const perExample = vmap(grad(loss), { in: [null, 0, 0] });
const w = tensor([1, -1]);
const inputs = tensor([[1, 2], [3, 4], [5, 6]]);
console.log(await perExample(w, inputs, tensor([0, 0, 1])).array()); // [ [ -2, -4 ], [ -6, -8 ], [ -20, -24 ] ]
