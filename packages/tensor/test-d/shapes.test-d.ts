/** Shapes that the compiler follows, and the sentences it says where they do not fit. */
import {
  type DType, type NestedArray, type Tensor, add, broadcastTo, concat, einsum, exp, expandDims, flip, full, less, linear,
  matmul, max, mean, mul, ones, permute, reshape, squeeze, stack, sub, sum, tensor, transpose, variance, where, zeros,
} from "@dormouse/tensor";
import { expectType } from "../../../tooling/types/expect.ts";

declare const square: Tensor<[2, 2]>;
declare const row: Tensor<[1, 3]>;
declare const three: Tensor<[3]>;
declare const wide: Tensor<[2, 3]>;
declare const batch: Tensor<[number, 3]>;
declare const cube: Tensor<[2, 1, 3]>;
declare const images: Tensor<[8, 1, 2, 3]>;
declare const unknown: Tensor;
declare const numbers: number[];
declare const dtype: DType;

// data
expectType<Tensor<[2, 2]>>()(tensor([[1, 2], [3, 4]]));
expectType<Tensor<[1, 3]>>()(tensor([[1, 2, 3]], { dtype: "float64" }));
expectType<Tensor<[2]>>()(tensor([true, false]));
expectType<Tensor<[]>>()(tensor(1));
expectType<Tensor<[0]>>()(tensor([]));
expectType<Tensor<[number]>>()(tensor(numbers));
expectType<Tensor<[number]>>()(tensor(new Float32Array(4)));
expectType<Tensor<[2, 3]>>()(tensor(new Float32Array(6), { shape: [2, 3] }));
expectType<Tensor<[2, 3]>>()(zeros([2, 3], { dtype }));
expectType<Tensor<[2, number]>>()(ones([2, numbers.length]));
expectType<Tensor>()(full(numbers, 1));
const forgotten: Tensor = wide;

// elementwise
expectType<Tensor<[2, 2]>>()(add(square, square));
expectType<Tensor<[2, 2]>>()(add(square, 1));
expectType<Tensor<[2, 2]>>()(sub(1, square));
expectType<Tensor<[2, 3]>>()(mul(wide, three));
expectType<Tensor<[2, 3]>>()(mul(three, wide));
expectType<Tensor<[2, 3]>>()(mul(row, wide));
expectType<Tensor<[2, 2, 3]>>()(mul(cube, wide));
expectType<Tensor<[number, 3]>>()(add(batch, row));
expectType<Tensor>()(add(forgotten, wide));
expectType<Tensor<[2, 3]>>()(exp(wide));
expectType<Tensor<[2, 3]>>()(where(less(wide, 0), 0, wide));
// An outer op does not change what an inner one infers.
expectType<Tensor<[2, 2]>>()(matmul(add(square, 1), mul(2, add(square, square))));
// @ts-expect-error add: [2, 2] and [3] do not broadcast
add(square, three);
// @ts-expect-error less: [2, 3] and [2, 2] do not broadcast
less(wide, square);

// products
expectType<Tensor<[2, 3]>>()(matmul(square, wide));
expectType<Tensor<[2]>>()(matmul(wide, three));
expectType<Tensor<[3]>>()(matmul(tensor([1, 2]), wide));
expectType<Tensor<[]>>()(matmul(three, three));
expectType<Tensor<[8, 1, 2, 2]>>()(matmul(images, transpose(wide)));
expectType<Tensor<[number, 2]>>()(matmul(batch, transpose(wide)));
expectType<Tensor<[number, 2]>>()(linear(batch, wide, tensor([1, 2])));
expectType<Tensor>()(matmul(unknown, wide));
expectType<Tensor>()(einsum("ij,jk->ik", wide, unknown));
// @ts-expect-error matmul: [2, 2] x [1, 3]: inner dimensions differ (2 and 1); transpose one operand or reshape
matmul(square, row);
// @ts-expect-error matmul: batch dimensions [8, 1] and [3] do not broadcast
matmul(images, zeros([3, 3, 2]), matmul(images, zeros([4, 3, 3, 1])));
// @ts-expect-error linear: features differ
linear(square, wide);

// reductions
expectType<Tensor<[]>>()(sum(wide));
expectType<Tensor<[3]>>()(sum(wide, { axis: 0 }));
expectType<Tensor<[2]>>()(mean(wide, { axis: -1 }));
expectType<Tensor<[2, 1]>>()(max(wide, { axis: 1, keepDims: true }));
expectType<Tensor<[1, 1]>>()(max(wide, { keepDims: true }));
expectType<Tensor<[8, 3]>>()(variance(images, { axis: [1, -2], correction: 0 }));
expectType<Tensor>()(sum(wide, { axis: numbers }));
expectType<Tensor<[]>>()(sum(unknown));
// @ts-expect-error mean: axis 3 is out of range for shape [2, 3]; use -2..1
mean(wide, { axis: 3 });
// @ts-expect-error sum: axis -3 is out of range for shape [2, 3]; use -2..1
sum(wide, { axis: [0, -3] });
// @ts-expect-error a misspelled option
sum(wide, { axis: 0, keepDim: true });

// movement
expectType<Tensor<[3, 2]>>()(transpose(wide));
expectType<Tensor<[8, 1, 3, 2]>>()(transpose(images));
expectType<Tensor<[3, 2, 1]>>()(permute(cube, [2, 0, -2]));
expectType<Tensor<[6]>>()(reshape(wide, [6]));
expectType<Tensor<[number, 2]>>()(reshape(wide, [-1, 2]));
expectType<Tensor<[2, 3]>>()(squeeze(cube));
expectType<Tensor<[2, 1, 3]>>()(expandDims(wide, 1));
expectType<Tensor<[2, 3, 1]>>()(expandDims(wide, -1));
expectType<Tensor<[4, 2, 3]>>()(broadcastTo(wide, [4, 2, 3]));
expectType<Tensor<[2, 3]>>()(flip(wide, { axis: 0 }));
expectType<Tensor<[number, 3]>>()(concat([wide, row]));
expectType<Tensor<[2, number]>>()(concat([wide, square], { axis: -1 }));
expectType<Tensor<[2, 2, 3]>>()(stack([wide, wide]));
expectType<Tensor<[2, 3, 2]>>()(stack([wide, wide], { axis: -1 }));
// @ts-expect-error concat: [2, 3] and [2, 2] differ outside axis 0; make the other lengths equal
concat([wide, square]);
// @ts-expect-error stack: [2, 3] and [1, 3] differ; stack takes equal shapes
stack([wide, row]);
// @ts-expect-error permute: axes [0, 1] do not name each axis of shape [2, 1, 3] once; list all 3 axes
permute(cube, [0, 1]);

// data of unknown depth
declare const nested: NestedArray;
declare const table: number[][];
expectType<Tensor>()(tensor(nested));
expectType<Tensor>()(tensor(JSON.parse("[1]")));
expectType<Tensor<[number, number]>>()(tensor(table));
