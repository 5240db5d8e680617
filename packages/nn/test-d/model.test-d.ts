/** Shapes that the compiler follows through layers, and the program of a model class with inferred shapes. */
import { type Key, type Tensor, key, relu, split, zeros } from "@dormouse/tensor";
import {
  BatchNorm, Dropout, GaussianNoise, InstanceNorm, LayerNorm, Linear, Maxout, type Module, MultiHeadAttention, Sequential,
  SinusoidalPositions, freeze, gelu, lora, mergeLora, perceptron, summary, towers,
} from "@dormouse/nn";
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
expectType<Tensor<[2, 5, 784]>>()(new InstanceNorm(5).forward(sequence));
expectType<Tensor<[2, 5, 784]>>()(new GaussianNoise().forward(sequence, { key: k }));
expectType<Tensor<[2, 5, 784]>>()(new SinusoidalPositions().forward(sequence));
expectType<Tensor<[2, 5, 784]>>()(new MultiHeadAttention(784, 4, { key: k }).forward(sequence));
expectType<Tensor<[2, 5, 10]>>()(new Maxout(784, 10, { key: k }).forward(sequence));
expectType<Linear<3, 2>>()(Linear.of(zeros([2, 3])));
expectType<Mlp>()(mergeLora(lora(model, { key: k })));
expectType<[trainable: Mlp, frozen: Mlp]>()(freeze(model, "hidden"));
expectType<0 | 1>()(perceptron({ inputs: 2 }).predict([0, 1]));
expectType<(0 | 1)[]>()(perceptron({ inputs: 2 }).predict([[0, 1]]));
towers((x, y) => x * y, { range: [[0, 1], [0, 1]] });
const chained: Module = new Sequential(model.hidden, relu, new BatchNorm(256), model.output);
summary(chained, [32, 784]);
summary(model.hidden, [32, 784]);
// @ts-expect-error the input has 100 features
model.forward(zeros([32, 100]));
// @ts-expect-error Linear: the input has 100 features and the layer takes 784
model.hidden.forward(zeros([32, 100]));
// @ts-expect-error Maxout: the input has 100 features and the layer takes 784
new Maxout(784, 10, { key: k }).forward(zeros([32, 100]));
// @ts-expect-error MultiHeadAttention: the input has 784 features and the layer takes 64
new MultiHeadAttention(64, 4, { key: k }).forward(sequence);
// @ts-expect-error a function of two numbers needs two ranges
towers((x: number, y: number) => x * y, { range: [0, 1] });
// @ts-expect-error the key is missing
new Linear(3, 4);
summary(model, [32, 784]);
