/** Shapes that are type parameters: user code with a batch of `N` checks without casts. */
import {
  type Shape, type Tensor, add, concat, div, linear, matmul, max, mean, mul, permute, stack, sub, sum, tensor, transpose,
} from "@dormouse/tensor";
import { expectType } from "../../../tooling/types/expect.ts";

/** Checks what generic code needs of a result: that it can be used and returned as `Wanted`. */
declare function assign<Wanted>(value: Wanted): void;

class Layer<In extends number, Out extends number> {
  declare readonly weight: Tensor<[Out, In]>;
  declare readonly bias: Tensor<[Out]>;
  forward<N extends number>(x: Tensor<[N, In]>): Tensor<[N, Out]> {
    return linear(x, this.weight, this.bias);
  }
}

class Mlp {
  declare readonly hidden: Layer<784, 256>;
  declare readonly output: Layer<256, 10>;
  forward<N extends number>(x: Tensor<[N, 784]>) {
    return this.output.forward(this.hidden.forward(x));
  }
}

declare const images: Tensor<[32, 784]>;
declare const some: Tensor<[number, 784]>;
declare const any: Tensor;
expectType<Tensor<[32, 10]>>()(new Mlp().forward(images));
expectType<Tensor<[number, 10]>>()(new Mlp().forward(some));

export function rows<N extends number>(x: Tensor<[N, 784]>, w: Tensor<[784, 10]>, b: Tensor<[10]>, column: Tensor<[N, 1]>) {
  assign<Tensor<[N, 10]>>(add(matmul(x, w), b));
  assign<Tensor<[N, 10]>>(mul(2, add(matmul(x, w), add(1, matmul(x, w)))));
  assign<Tensor<[N, 784]>>(sub(x, column));
  assign<Tensor<[N, 784]>>(sub(x, mean(x, { axis: 0 })));
  assign<Tensor<[N, 784]>>(div(x, tensor([[2]])));
  assign<Tensor<[N]>>(sum(x, { axis: -1 }));
  assign<Tensor<[N, 1]>>(max(x, { axis: 1, keepDims: true }));
  assign<Tensor<[784, N]>>(transpose(x));
  assign<Tensor<[784, N]>>(permute(x, [1, 0]));
  assign<Tensor<[N, N]>>(matmul(x, transpose(x)));
  assign<Tensor<[number, 784]>>(concat([x, x]));
  assign<Tensor<[2, N, 784]>>(stack([x, x]));
  // What the compiler cannot decide passes.
  matmul(transpose(x), tensor([[1, 2], [3, 4]]));
  add(transpose(x), tensor([1, 2, 3]));
  // @ts-expect-error matmul: inner dimensions differ (784 and 10)
  matmul(x, transpose(w));
  // @ts-expect-error add: the last lengths are 784 and 10
  add(x, b);
}

export function whole<S extends Shape>(x: Tensor<S>, y: Tensor<S>): Tensor<S> {
  matmul(x, any);
  mean(x, { axis: 0 });
  concat([x, y]);
  add(x, tensor([1, 2]));
  return mul(2, add(x, add(1, mul(y, x))));
}
