/** The first program: two tensors, a product, and the moment at which something is computed. */
import { matmul, setDevice, tensor } from "@dormouse/tensor";
import { cpu } from "@dormouse/backend-cpu";

setDevice(await cpu());
const a = tensor([[1, 2], [3, 4]]); // Tensor<[2, 2]>, float32
const c = matmul(a, a); // nothing has run yet
console.log(c); // Tensor(float32[2, 2], pending)
console.log(await c.array(), c.shape); // [ [ 7, 10 ], [ 15, 22 ] ] [ 2, 2 ]

try {
  // @ts-expect-error the compiler says the same sentence
  matmul(a, tensor([[1, 2, 3]]));
} catch (error) {
  console.log((error as Error).message); // matmul: [2, 2] x [1, 3]: inner dimensions differ (2 and 1); …
}
