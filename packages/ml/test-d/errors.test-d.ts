/** Bad calls that the compiler refuses; `tooling/types/test/sentences.test.mjs` compares what it says about them. */
import {
  type Key, type Tensor, Linear, add, adam, cast, concat, cpu, dataset, fit, grad, key, linear, matmul,
  mean, normal, permute, setDevice, split, stack, sum, tensor,
} from "@dormouse/ml";

declare const images: Tensor<[32, 784]>;
declare const weights: Tensor<[100, 128]>;
declare const square: Tensor<[2, 2]>;
declare const three: Tensor<[3]>;
declare const layer: Linear<784, 10>;

// @ts-expect-error matmul: [32, 784] x [100, 128]: inner dimensions differ (784 and 100); transpose one operand or reshape
matmul(images, weights);
// @ts-expect-error matmul: [32, 784] x [100, 128]: inner dimensions differ (784 and 100); transpose one operand or reshape
images.matmul(weights);
// @ts-expect-error mean: axis 3 is out of range for shape [32, 784]; use -2..1
mean(images, { axis: 3 });
// @ts-expect-error mean: axis 3 is out of range for shape [32, 784]; use -2..1
images.mean({ axis: 3 });
// @ts-expect-error add: [2, 2] and [3] do not broadcast; align shapes from the right, with equal lengths or 1
add(square, three);
// @ts-expect-error less: [2, 2] and [3] do not broadcast; align shapes from the right, with equal lengths or 1
square.less(three);
// @ts-expect-error sum: axis -3 is out of range for shape [2, 2]; use -2..1
sum(square, { axis: -3 });
// @ts-expect-error linear: input [2, 2] and weight [100, 128]: features differ (2 and 128); the weight is [out, in]
linear(square, weights);
// @ts-expect-error concat: [2, 2] and [32, 784] differ outside axis 0; make the other lengths equal
concat([square, images]);
// @ts-expect-error stack: [2, 2] and [3] differ; stack takes equal shapes
stack([square, three]);
// @ts-expect-error permute: axes [0] do not name each axis of shape [2, 2] once; list all 2 axes
permute(square, [0]);
// @ts-expect-error Linear: the input has 2 features and the layer takes 784
layer.forward(square);

// Without a sentence of their own, but refused:
// @ts-expect-error an array is not a tensor
add(square, [1, 2]);
// @ts-expect-error a text is not a number
tensor(["1"]);
// @ts-expect-error a dtype that is none
cast(square, "bfloat16");
// @ts-expect-error a misspelled option
sum(square, { axes: 0 });
// @ts-expect-error a promise is not a device
setDevice(cpu());
// @ts-expect-error a number is not a key
normal(0, [2]);
// @ts-expect-error three keys of two
const [first, second, third]: [Key, Key, Key] = split(key(0));
// @ts-expect-error the gradient of something that is no tensor
grad((x: Tensor) => 3);
// @ts-expect-error a layer without a key
new Linear(3, 2, {});
// @ts-expect-error operators do not compute with tensors
square * square;
// @ts-expect-error a loss that is not there
void fit(layer, { data: { train: dataset({ x: [[1]], y: [[1]] }) }, optimizer: adam() });
