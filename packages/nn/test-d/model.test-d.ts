/** Shapes that the compiler follows through layers, and the program of a model class with inferred shapes. */
import { type Key, type Tensor, key, relu, split, zeros } from "@dormouse/tensor";
import { BatchNorm, Dropout, LayerNorm, Linear, type Module, Sequential, gelu, summary } from "@dormouse/nn";
import { expectType } from "../../../tooling/types/expect.ts";

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
const model = new Mlp(key(0));
expectType<Tensor<[32, 10]>>()(model.forward(zeros([32, 784])));

declare const batch: Tensor<[number, 784]>;
declare const sequence: Tensor<[2, 5, 784]>;
declare const unknown: Tensor;
declare const size: number;
declare const k: Key;
expectType<Tensor<[number, 10]>>()(model.forward(batch));
expectType<Tensor<[2, 5, 256]>>()(model.hidden.forward(sequence));
expectType<Tensor>()(model.hidden.forward(unknown));
expectType<Tensor<[32, number]>>()(new Linear(size, size, { key: k }).forward(zeros([32, 7])));
expectType<Tensor<[256, 784]>>()(model.hidden.weight);
expectType<Tensor<[32, 784]>>()(gelu(zeros([32, 784])));
expectType<Tensor<[2, 5, 784]>>()(new LayerNorm(784).forward(sequence));
expectType<Tensor<[2, 5, 784]>>()(new Dropout().forward(sequence, { key: k }));
expectType<Tensor<[2, 5, 784]>>()(new BatchNorm(5).forward(sequence));
expectType<readonly [output: Tensor<[2, 5, 784]>, next: BatchNorm]>()(new BatchNorm(5).forward(sequence, { key: k }));
const chained: Module = new Sequential(model.hidden, relu, new BatchNorm(256), model.output);
summary(chained, [32, 784]);
summary(model.hidden, [32, 784]);
// @ts-expect-error the input has 100 features
model.forward(zeros([32, 100]));
// @ts-expect-error Linear: the input has 100 features and the layer takes 784
model.hidden.forward(zeros([32, 100]));
summary(model, [32, 784]);
