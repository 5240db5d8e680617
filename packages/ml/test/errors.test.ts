/**
 * A user's first hour: bad calls, and word for word what they say. Every message names the op, the values and the next
 * step, and every error has the fields `op`, `expected`, `received` and `hint`. A row that is hard to write a good
 * message for is a reason to change the library.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { format } from "node:util";
import { runInThisContext } from "node:vm";
import { reference } from "@dormouse/backend-cpu/reference";
import * as ml from "@dormouse/ml";
import { type Tensor, dataset, key, ones, tensor, zeros } from "@dormouse/ml";
import { describe, expect, test, vi } from "vitest";

/** Zeros whose shape only run time knows, so that the compiler lets mistakes through. */
const of = (...shape: number[]): Tensor => zeros(shape);
const int = (...values: number[]): Tensor => tensor(values, { dtype: "int32" });
/** What untyped code passes. */
const untyped = (value: unknown): never => value as never;

const step = (): ml.Compiled<[Tensor], Tensor> => ml.compile((w: Tensor) => ml.add(w, 1), { donate: [0], name: "step" });
const total = (x: Tensor): Tensor => ml.sum(ml.square(x));
const squares = (x: Tensor): Tensor => ml.square(x);

class Line {
  readonly w = of(2, 1);
  forward(x: Tensor): Tensor {
    return ml.matmul(x, this.w);
  }
}
const examples = (x: number[][] = [[1, 1]], y: number[][] = [[1]]): never => untyped(dataset({ x, y }));
const train = (options: object, model: object = new Line()): Promise<unknown> =>
  ml.fit(model, { data: { train: examples() }, loss: ml.mse, optimizer: ml.adam(), epochs: 1, ...options });

/** Calls `f` while no device is set. */
async function without(f: () => unknown): Promise<unknown> {
  const before = ml.setDevice(null);
  try {
    return await f();
  } finally {
    ml.setDevice(before);
  }
}

/** Calls `f` with a tensor that is on another device. */
async function elsewhere(f: (there: Tensor) => unknown): Promise<unknown> {
  const before = ml.setDevice(await reference());
  const there = ml.add(of(2), 1);
  ml.evaluate(there);
  ml.setDevice(before);
  return f(there);
}

type Row = readonly [name: string, call: () => unknown, kind: string, message: string];

const shapes: Row[] = [
  ["a product of matrices that do not meet", () => ml.matmul(of(32, 784), of(100, 128)), "ShapeError",
    "matmul: [32, 784] x [100, 128]: inner dimensions differ (784 and 100); transpose one operand or reshape"],
  ["a product with a scalar", () => ml.matmul(of(), of(3)), "ShapeError",
    "matmul: [] x [3]: a scalar is not a matrix; use mul"],
  ["a product of batches that do not fit", () => ml.matmul(of(2, 3, 4), of(5, 4, 6)), "ShapeError",
    "matmul: [2, 3, 4] x [5, 4, 6]: batch dimensions [2] and [5] do not broadcast; make them equal or 1"],
  ["a sum of shapes that do not broadcast", () => ml.add(of(2, 2), of(3)), "ShapeError",
    "add: [2, 2] and [3] do not broadcast; align shapes from the right, with equal lengths or 1"],
  ["a reshape to another number of elements", () => ml.reshape(of(2, 3), [4, 2]), "ShapeError",
    "reshape: [2, 3] has 6 elements, [4, 2] has 8; keep the number of elements"],
  ["a reshape that does not divide", () => ml.reshape(of(2, 3), [-1, 4]), "ShapeError",
    "reshape: [2, 3] has 6 elements, not a multiple of 4; choose lengths whose product divides 6"],
  ["a reshape with two open lengths", () => ml.reshape(of(2, 3), [-1, -1]), "ShapeError",
    "reshape: [-1, -1] leaves more than one length open; give all lengths but one"],
  ["a vector transposed", () => ml.transpose(of(3)), "ShapeError",
    "transpose: [3] has no rows and columns; expandDims or reshape it to a matrix first"],
  ["a concatenation that does not fit", () => ml.concat([of(2, 3), of(2, 4)]), "ShapeError",
    "concat: [2, 3] and [2, 4] differ outside axis 0; make the other lengths equal"],
  ["a concatenation of nothing", () => ml.concat([]), "ValueError",
    "concat: the list is empty; give at least one tensor"],
  ["a stack of two shapes", () => ml.stack([of(2), of(3)]), "ShapeError",
    "stack: [2] and [3] differ; stack takes equal shapes"],
  ["a broadcast that does not fit", () => ml.broadcastTo(of(3), [2, 4]), "ShapeError",
    "broadcastTo: [3] does not broadcast to [2, 4]; align shapes from the right, with equal lengths or 1"],
  ["a squeeze of an axis that is longer", () => ml.squeeze(of(2, 3), { axis: 0 }), "ShapeError",
    "squeeze: axis 0 of [2, 3] has length 2; squeeze drops only axes of length 1"],
  ["a split that leaves something", () => ml.splitAlong(of(5), [2, 2]), "ShapeError",
    "splitAlong: lengths [2, 2] add up to 4, axis 0 has 5; make them add up to the axis"],
  ["a maximum of nothing", () => ml.max(of(0, 3), { axis: 0 }), "ShapeError",
    "max: axis 0 of [0, 3] is empty, and nothing has no max; check the size first"],
  ["a length below zero", () => zeros([-1]), "ShapeError",
    "zeros: -1 in [-1] is not a length; use whole numbers from 0"],
  ["a number for a shape", () => zeros(untyped(3)), "ShapeError",
    "zeros: 3 is not a shape; write a list of lengths: [2, 3]"],
  ["a weight that is [in, out]", () => ml.linear(of(2, 3), of(3, 5)), "ShapeError",
    "linear: input [2, 3] and weight [3, 5]: features differ (3 and 5); the weight is [out, in]"],
  ["a convolution of other channels", () => ml.conv2d(of(1, 3, 8, 8), of(4, 2, 3, 3)), "ShapeError",
    "conv2d: 3 channels and weight [4, 2, 3, 3] do not fit 1 group; the weight is [out, channels / groups, ...kernel] and out is a multiple of groups"],
  ["a convolution without a batch", () => ml.conv2d(of(3, 8, 8), of(4, 3, 3, 3)), "ShapeError",
    "conv2d: x [3, 8, 8] and weight [4, 3, 3, 3]; give x as [N, C, H, W] and weight as [O, C / groups, KH, KW]"],
  ["a window larger than the image", () => ml.maxPool2d(of(1, 3, 2, 2), 3), "ShapeError",
    "maxPool2d: a window of 3 does not fit 2 elements (axis 0 of [2, 2] with padding); use a smaller window or more padding"],
  ["an einsum of lengths that differ", () => ml.einsum("ij,jk->ik", of(2, 3), of(4, 5)), "ShapeError",
    'einsum: "j" of "ij,jk->ik" is 3 and 4; equal subscripts need equal lengths'],
  ["an einsum with an operand too few", () => ml.einsum("ij,jk->ik", of(2, 3)), "ValueError",
    'einsum: "ij,jk->ik" has 2 operands, 1 are given; write letters like "ij,jk->ik", one term for each operand'],
  ["an einsum with a result from nowhere", () => ml.einsum("ij->k", of(2, 3)), "ValueError",
    'einsum: "ij->k" has "k" only in the result; write letters like "ij,jk->ik", one term for each operand'],
  ["an einsum of signs", () => ml.einsum("i?->", of(2)), "ValueError",
    'einsum: "i?->" has the term "i?"; write letters like "ij,jk->ik", one term for each operand'],
];

const axes: Row[] = [
  ["an axis that is not there", () => ml.mean(of(32, 784), { axis: 3 }), "AxisError",
    "mean: axis 3 is out of range for shape [32, 784]; use -2..1"],
  ["an axis named twice", () => ml.mean(of(32, 784), { axis: [0, -2] }), "AxisError",
    "mean: axis -2 is named twice in [0, -2]; name each axis once"],
  ["an axis that is no integer", () => ml.mean(of(32, 784), { axis: 0.5 }), "AxisError",
    "mean: axis 0.5 is not an integer; use a whole number"],
  ["an axis of a scalar", () => ml.sum(of(), { axis: 0 }), "AxisError",
    "sum: axis 0 is out of range for shape []; a scalar has no axes"],
  ["an axis of a softmax", () => ml.softmax(of(2, 3), { axis: 2 }), "AxisError",
    "softmax: axis 2 is out of range for shape [2, 3]; use -2..1"],
  ["a permutation that repeats", () => ml.permute(of(2, 3), [0, 0] as number[]), "AxisError",
    "permute: axes [0, 0] do not name each axis of shape [2, 3] once; list all 2 axes"],
  ["an index beyond the end", () => ml.select(of(4), 4), "ValueError",
    "select: index 4 is out of range for axis 0 of shape [4]; use -4..3"],
  ["an index beyond the end, in a tensor", () => ml.take(of(4), int(7)).data(), "ValueError",
    "take: index 7 at [0] is out of range for 4 elements; use -4..3"],
  ["more of the largest than there are", () => ml.topK(of(3), 5), "ValueError",
    "topK: k is 5 and axis 0 of shape [3] has 3 elements; use a k of at most 3"],
];

const dtypes: Row[] = [
  ["two dtypes", () => ml.add(of(2), int(1, 2)), "DTypeError",
    'add: float32 and int32 do not mix; cast one: cast(b, "float32")'],
  ["a fraction beside integers", () => ml.add(int(1, 2), 0.5), "DTypeError",
    'add: 0.5 is not a value of int32; cast the tensor first: cast(x, "float32")'],
  ["arithmetic with truth values", () => ml.add(tensor([true]), tensor([false])), "DTypeError",
    'add: bool has no arithmetic; cast it: cast(x, "float32"), or use logicalAnd, logicalOr'],
  ["an exponential of integers", () => ml.exp(int(1)), "DTypeError",
    'exp: int32 is not a float dtype; cast it: cast(x, "float32")'],
  ["a mean of integers", () => ml.mean(int(1, 2)), "DTypeError",
    'mean: int32 is not a float dtype; cast it: cast(x, "float32")'],
  ["a condition that is a float", () => ml.where(of(2), 1, 0), "DTypeError",
    "where: the condition is float32; compare it: notEqual(condition, 0)"],
  ["indices that are floats", () => ml.take(of(4), tensor([1])), "DTypeError",
    'take: indices are float32; cast them: cast(indices, "int32")'],
  ["a dtype that is none", () => tensor([1], { dtype: untyped("bfloat16") }), "DTypeError",
    'tensor: "bfloat16" is not a dtype; use float16, float32, float64, int32, uint32, uint8 or bool'],
  ["a cast to a dtype that is none", () => ml.cast(of(2), untyped("float")), "DTypeError",
    'cast: "float" is not a dtype; use float16, float32, float64, int32, uint32, uint8 or bool'],
  ["an array for a tensor", () => ml.add(of(2), untyped([1, 2])), "DTypeError",
    "add: an argument is not a tensor; make one: tensor([1, 2, 3])"],
  ["nothing for a tensor", () => ml.add(of(2), untyped(undefined)), "DTypeError",
    "add: an argument is not a tensor; make one: tensor([1, 2, 3])"],
  ["an array to sum up", () => ml.sum(untyped([1, 2])), "DTypeError",
    "sum: an argument is not a tensor; make one: tensor([1, 2, 3])"],
  ["a number for a tensor", () => ml.exp(untyped(1)), "DTypeError",
    "exp: an argument is not a tensor; make one: tensor([1, 2, 3])"],
  ["an operator between tensors", () => untyped(of(2)) * untyped(of(2)), "DTypeError",
    "tensor: a tensor is not a number, and operators do not compute with it; use add, mul, less …, or read it first: await x.item()"],
  ["a comparison of tensors", () => of() < ones([]), "DTypeError",
    "tensor: a tensor is not a number, and operators do not compute with it; use add, mul, less …, or read it first: await x.item()"],
];

const values: Row[] = [
  ["ragged rows", () => tensor(untyped([[1, 2], [3]])), "ShapeError",
    "tensor: row [1] has length 1 where the first has 2; make all rows one length"],
  ["a number among rows", () => tensor(untyped([[1, 2], 3])), "ShapeError",
    "tensor: row [1] is a number where the first is an array of 2; make all rows one length"],
  ["a text for a number", () => tensor(untyped(["1"])), "ValueError",
    'tensor: "1" at [0] is not a number; give numbers or booleans'],
  ["null for data", () => tensor(untyped(null)), "ValueError",
    "tensor: null is not a number; give numbers or booleans"],
  ["a fraction in an integer dtype", () => tensor([1.5], { dtype: "int32" }), "ValueError",
    "tensor: 1.5 at [0] is not a value of int32; choose another dtype, or round it first"],
  ["a number too large for its dtype", () => tensor([300], { dtype: "uint8" }), "ValueError",
    "tensor: 300 at [0] is not a value of uint8; choose another dtype, or round it first"],
  ["too few elements for a shape", () => tensor([1, 2, 3], { shape: [2, 2] }), "ShapeError",
    "tensor: 3 elements do not fill shape [2, 2]; give 4 elements"],
  ["64-bit integers", () => tensor(untyped(new BigInt64Array(2))), "ValueError",
    "tensor: BigInt64Array has no dtype; use a Float32Array, Float64Array, Float16Array, Int32Array, Uint32Array or Uint8Array"],
  ["a range that does not end", () => ml.arange(0, 1, { step: 0 }), "ValueError",
    "arange: from 0 to 1 in steps of 0 does not end; use finite bounds and a step other than 0"],
  ["a stride of zero", () => ml.conv2d(of(1, 3, 8, 8), of(4, 3, 3, 3), { stride: 0 }), "ValueError",
    "conv2d: stride is 0; give an integer of at least 1"],
  ["a padding below zero", () => ml.pad(of(2), [[-3, 0]]), "ValueError",
    "pad: -3 is not a width; use whole numbers from 0; slice to crop"],
];

const devices: Row[] = [
  ["reading without a device", () => without(() => tensor([1]).data()), "DeviceError",
    "data: no device is set; setDevice(await cpu()) from @dormouse/backend-cpu"],
  ["evaluating without a device", () => without(() => ml.evaluate(total(of(2)))), "DeviceError",
    "evaluate: no device is set; setDevice(await cpu()) from @dormouse/backend-cpu"],
  ["a compiled function without a device", () => without(() => ml.compile(total)(of(2))), "DeviceError",
    "total: no device is set; setDevice(await cpu()) from @dormouse/backend-cpu"],
  ["a device that was not awaited", () => ml.setDevice(untyped(ml.cpu())), "DeviceError",
    "setDevice: a promise is not a device; setDevice(await cpu()) from @dormouse/backend-cpu"],
  ["no thread at all", () => ml.cpu({ threads: 0 }), "ValueError",
    "cpu: threads is 0; use an integer from 1 to 64"],
  ["two devices", () => elsewhere((x) => ml.add(x, own()).data()), "DeviceError",
    "evaluate: a tensor is on reference, the rest on cpu-simd128; make both on one device: tensor(await x.array()) after setDevice"],
  ["arguments on two devices", () => elsewhere((x) => ml.compile(ml.add as (a: Tensor, b: Tensor) => Tensor)(own(), x)), "DeviceError",
    "add: a tensor is on reference, the rest on cpu-simd128; make both on one device: tensor(await x.array()) after setDevice"],
  ["reading an element of many", () => of(2).item(), "ShapeError",
    "item: the tensor has 2 elements; use data() or array() for more than one"],
];

/** A tensor on the default device. */
function own(): Tensor {
  const here = ml.add(of(2), 2);
  ml.evaluate(here);
  return here;
}

const lives: Row[] = [
  ["a tensor that was disposed of", () => { const x = of(2); x.dispose(); return ml.add(x, 1); }, "SpentError",
    "add: tensor was disposed of at errors.test.ts:LINE; make a new one, or keep it alive longer"],
  ["a tensor of a scope that has ended", () => { const kept: Tensor[] = []; ml.scope(() => void kept.push(ml.add(of(2), 1))); return kept[0]!.data(); }, "SpentError",
    "data: tensor was made in a scope that has ended; make a new one, or keep it alive longer"],
  ["a tensor that was donated, passed again", () => { const f = step(); const w = ones([3]) as Tensor; f(w); return f(w); }, "SpentError",
    "step: tensor was donated to an earlier call (made at errors.test.ts:LINE) and its memory reused; keep the returned one"],
  ["a tensor that was donated, read", () => { const w = ones([3]) as Tensor; step()(w); return w.data(); }, "SpentError",
    "data: tensor was donated to an earlier call (made at errors.test.ts:LINE) and its memory reused; keep the returned one"],
  ["a model that was trained, trained again", async () => { const model = new Line(); await train({}, model); await train({}, model); }, "SpentError",
    "fit: tensor was donated to an earlier call (made at errors.test.ts:LINE) and its memory reused; keep the returned one"],
];

const tracing: Row[] = [
  ["a compiled function that is asynchronous", () => ml.compile(async (x: Tensor) => ml.add(x, await x.item()))(of()), "TransformError",
    "compiled function: a compiled function cannot be asynchronous; await values outside of the compiled function"],
  ["reading an argument that is traced", () => ml.compile((x: Tensor) => (x.dataSync()[0]! > 0 ? x : ml.neg(x)))(of(2)), "TransformError",
    "evaluate: the value depends on an argument of a function that is being traced; read values outside of compile and vmap"],
  ["reading an argument that is mapped", () => ml.vmap((x: Tensor) => (x.dataSync()[0]! > 0 ? x : ml.neg(x)))(of(2)), "TransformError",
    "evaluate: the value depends on an argument of a function that is being traced; read values outside of compile and vmap"],
  ["a traced value carried out", () => { const kept: Tensor[] = []; ml.compile(function net(x: Tensor) { kept.push(ml.exp(x)); return x; })(of(2)); return kept[0]!.data(); }, "SpentError",
    "data: tensor was made while net was being traced; make a new one, or keep it alive longer"],
  ["an argument to donate that is not there", () => ml.compile(total, { donate: [1] })(of(2)), "ValueError",
    "total: donate names argument 1 and the call has 1; count arguments from 0"],
  ["a gradient of something that is no scalar", () => ml.grad(squares)(of(3)), "TransformError",
    "grad: the function returned shape [3] and only a scalar has a gradient; reduce it with sum or mean, or use vjp or jacrev"],
  ["a gradient of a number", () => ml.grad(untyped(() => 3))(of(3)), "TransformError",
    "grad: the function returned the number 3 and not a tensor; return the tensor it computes"],
  ["a gradient of a promise", () => ml.grad(untyped(async (x: Tensor) => total(x)))(of(3)), "TransformError",
    "grad: the function returned a promise and not a tensor; give a function that is not async and reads no values"],
  ["a gradient by integers", () => ml.grad(total)(int(1, 2)), "TransformError",
    'grad: argument 0 is int32, which has no derivative; cast it outside: cast(x, "float32"), or choose another argument'],
  ["a gradient by a number", () => ml.grad(total)(untyped(3)), "TransformError",
    "grad: argument 0 is of type number and holds no tensor; wrap numbers: tensor(2)"],
  ["a gradient by an argument that is not there", () => ml.grad(total, { argument: untyped(1) })(of(3)), "ValueError",
    "grad: argument 1 was chosen and the function got 1 in all; count arguments from 0"],
  ["a Hessian of something that is no scalar", () => ml.hessian(squares)(of(3)), "TransformError",
    "hessian: the function returned shape [3] and only a scalar has a gradient; reduce it with sum or mean, or use vjp or jacrev"],
  ["a tangent of another shape", () => ml.jvp(total, [of(3)], [of(2)]), "ShapeError",
    "jvp: the tangent of argument 0 is [2] for a tensor [3]; give one of the same shape"],
  ["mapped axes of two lengths", () => ml.vmap((x: Tensor, y: Tensor) => ml.add(x, y))(of(3), of(4)), "ShapeError",
    "vmap: axis 0 of argument 1 of shape [4] is not of length 3, as mapped axes before it are; map axes of one length"],
  ["nothing mapped", () => ml.vmap(squares, { in: [null] })(of(3)), "ValueError",
    "vmap: no argument is mapped; give at least one tensor an axis"],
];

const randomness: Row[] = [
  ["a number for a key", () => ml.normal(untyped(0), [2]), "DTypeError",
    "normal: the key is the number 0; make one of it: key(0)"],
  ["floats for a key", () => ml.normal(untyped(of(2)), [2]), "DTypeError",
    "normal: the key is float32; make one with key(seed)"],
  ["a seed that is a fraction", () => key(1.5), "ValueError",
    "key: seed 1.5 is not a safe integer; use an integer, or a bigint of up to 64 bits"],
  ["an interval upside down", () => ml.uniform(key(0), [2], { low: 1, high: 0 }), "ValueError",
    "uniform: low 1 is not below high 0; give a low below the high"],
  ["a probability above 1", () => ml.bernoulli(key(0), 1.5, [2]), "ValueError",
    "bernoulli: p is 1.5; use a probability from 0 to 1"],
  ["a spread below zero", () => ml.normal(key(0), [2], { std: -1 }), "ValueError",
    "normal: std is -1; use a number of at least 0"],
];

const data: Row[] = [
  ["NaN in the data", () => dataset({ x: [[1, 2], [3, NaN]], y: [0, 1] }), "ValueError",
    'data: NaN in field x at row 1; drop the row, fill the gap, or pass { check: "none" }'],
  ["a gap in the data", () => dataset({ x: untyped([[1, 2], [3, null]]), y: [0, 1] }), "ValueError",
    "data: field x has null at row 1; values are numbers or booleans"],
  ["ragged data", () => dataset({ x: [[1, 2], [3]], y: [0, 1] }), "ShapeError",
    "data: field x is ragged: row 1 has 1 where 2 stood before; give every example the same shape"],
  ["fields of two lengths", () => dataset({ x: [1, 2], y: [0, 1, 2] }), "ShapeError",
    "data: field x has 2 examples and field y has 3; give every field one row per example"],
  ["a tensor for a field", () => dataset({ x: untyped(of(3)) }), "ValueError",
    "data: field x is a tensor; datasets live on the host: pass await x.array()"],
  ["a field that is not there", () => dataset({ x: [1, 2] }).field(untyped("z")), "ValueError",
    "data: there is no field z; fields are x"],
  ["a row that is not there", () => dataset({ x: [1, 2] }).subset([5]), "ValueError",
    "subset: index 5 is not below the 2 examples; indices count from 0"],
  ["an empty dataset", () => ml.loader(dataset({ x: [], y: [] })), "ValueError",
    "loader: the dataset is empty; check the split or the file it came from"],
  ["a batch of nothing", () => ml.loader(dataset({ x: [1, 2] }), { batch: 0 }), "ValueError",
    "loader: batch 0 is not a whole number from 1; give batch a whole number, at least 1"],
  ["more folds than examples", () => ml.kFold(3, { folds: 5 }), "ValueError",
    "kFold: 5 folds of 3 examples; use 2 to 3"],
  ["an empty table", () => ml.readCsv(""), "ValueError",
    "readCsv: the file has no rows; check that it is the right file"],
  ["a column that is not there", () => ml.fitFeatures(ml.readCsv("a,b\n1,2\n3,5\n4,9\n"), { target: "price" }), "ValueError",
    'table: there is no column "price"; columns are a, b'],
  ["a line that is too short", () => ml.readCsv("a,b\n1,2\n3\n"), "ValueError",
    'readCsv: line 3 has 1 cell instead of 2; mend it, name its "comment" sign, or pass { ragged: "skip" }'],
  ["a file that is cut off", () => ml.readSafetensors(new Uint8Array(4)), "FormatError",
    "readSafetensors: 4 bytes are too few for a header length of 8 bytes; the file is damaged or not safetensors"],
  ["a file of another kind", () => ml.readNpy(new Uint8Array(10)), "FormatError",
    "readNpy: the bytes do not begin with the magic string \\x93NUMPY; this is not a .npy file"],
];

const networks: Row[] = [
  ["a label that is no class", () => ml.crossEntropy(of(8, 10), int(0, 1, 2, 3, 4, 5, 6, 10)), "ValueError",
    "crossEntropy: label 10 at row 7 is not below the 10 classes of the logits"],
  ["labels that are floats", () => ml.crossEntropy(of(2, 10), of(2)), "DTypeError",
    'crossEntropy: labels are float32; make them integers: tensor(labels, { dtype: "int32" }) or cast(labels, "int32")'],
  ["labels too few", () => ml.crossEntropy(of(2, 10), int(1)), "ShapeError",
    "crossEntropy: prediction [2, 10] and labels [1] do not fit; labels for this prediction have shape [2]"],
  ["targets of another shape", () => ml.mse(of(2, 1), of(2)), "ShapeError",
    "mse: prediction [2, 1] and target [2] differ; give both one shape: reshape or squeeze one"],
  ["a reduction that is none", () => ml.mse(of(2), of(2), { reduction: untyped("average") }), "ValueError",
    'mse: reduction is "average"; use "none", "sum" or "mean"'],
  ["predictions and labels that do not fit", () => ml.accuracy(of(2, 10), int(1)), "ShapeError",
    "accuracy: outputs [2, 10] and targets [1] do not fit; give scores [N, C] with integer targets [N], or as many yes-or-no scores as targets"],
  ["an input of other features", () => new ml.Linear(3, 2, { key: key(0) }).forward(untyped(of(4, 5))), "ShapeError",
    "linear: input [4, 5] and weight [2, 3]: features differ (5 and 3); the weight is [out, in]"],
  ["a layer of no features", () => new ml.Linear(0, 2, { key: key(0) }), "ValueError",
    "Linear: inputs is 0; use a whole number of at least 1"],
  ["a layer without a key", () => new ml.Linear(3, 2, untyped({})), "ValueError",
    "Linear: there is no key for the first values; end the arguments with { key: key(0) }"],
  ["a dropout of everything and more", () => new ml.Dropout(1.5), "ValueError",
    "Dropout: rate is 1.5; use a probability from 0 to 1"],
  ["a summary of a shape that does not fit", () => ml.summary(new ml.Linear(3, 2, { key: key(0) }), [4, 5]), "ShapeError",
    "linear: input [4, 5] and weight [2, 3]: features differ (5 and 3); the weight is [out, in]"],
  ["a sequence with something that is no layer", () => new ml.Sequential(untyped([ml.relu])), "ValueError",
    "Sequential: layer 0 is a list; give layers one by one: new Sequential(first, second)"],
];

const optimizers: Row[] = [
  ["a learning rate below zero", () => ml.adam({ learningRate: -1 }), "ValueError",
    "adam: learningRate is -1; use a finite number of at least 0"],
  ["a learning rate that is NaN", () => ml.adam({ learningRate: NaN }), "ValueError",
    "adam: learningRate is NaN; use a finite number of at least 0"],
  ["a decay above 1", () => ml.adam({ betas: [1.5, 0.9] }), "ValueError",
    "adam: betas[0] is 1.5; use a number of at least 0 and below 1"],
  ["a momentum below zero", () => ml.sgd({ momentum: -1 }), "ValueError",
    "sgd: momentum is -1; use a finite number of at least 0"],
  ["a weight decay below zero", () => ml.adamW({ weightDecay: -0.1 }), "ValueError",
    "adamW: weightDecay is -0.1; use a finite number of at least 0"],
  ["a schedule of no steps", () => ml.cosineDecay(1e-3, 0), "ValueError",
    "cosineDecay: steps is 0; use a whole number of at least 1"],
  ["a gradient of something else", () => { const p = { w: of(2), b: of(1) }; const o = ml.adam(); return o.update(untyped({ w: of(2) }), o.init(p), p); }, "ValueError",
    "update: the gradient differs from the parameters: expected properties {w, b}, received {w}; give update the tree that grad was given"],
  ["a gradient of another shape", () => { const p = { w: of(2) }; const o = ml.adam(); return o.update({ w: of(3) }, o.init(p), p); }, "ShapeError",
    "update: the gradient at w is [3], the parameter [2]; give the gradient of these parameters"],
  ["the state of another optimizer", () => { const p = { w: of(2) }; return ml.adam().update(p, ml.chain(ml.clipByGlobalNorm(1), ml.adam()).init(p), p); }, "ValueError",
    "update: the state has 3 links and the optimizer 2; use the state that init or update of this optimizer gave"],
];

const training: Row[] = [
  ["nothing to train on", () => train({ data: { train: dataset({ x: [], y: [] }) } }), "ValueError",
    "loader: the dataset is empty; check the split or the file it came from"],
  ["a loss that is not finite", () => train({ data: { train: examples([[1e15, 1e15]]) }, optimizer: ml.sgd({ learningRate: 1e9 }), epochs: 3 }), "DivergedError",
    "fit: the output of the model is not finite at step 0 of epoch 1; lower the learning rate, clip gradients, or look for extreme values in the data"],
  ["a loss for every example", () => train({ loss: squaredDifferences }), "ShapeError",
    "fit: the loss has shape [1, 1]; reduce it to a scalar with mean or sum"],
  ["epochs below zero", () => train({ epochs: -1 }), "ValueError",
    "fit: epochs -1 is not a whole number from 0; give a whole number from 0"],
  ["a batch of nothing", () => train({ batch: 0 }), "ValueError",
    "loader: batch 0 is not a whole number from 1; give batch a whole number, at least 1"],
  ["a model without forward", () => train({}, { w: of(2) }), "ValueError",
    "fit: the model has no method forward; add one, or pass { forward: (model, x) => … }"],
  ["a model without tensors", () => train({}, {}), "ValueError",
    "fit: the model holds no tensors; keep parameters in own properties of the model"],
  ["data without x and y", () => train({ data: { train: dataset({ inputs: [[1, 1]], targets: [[1]] }) } }), "ValueError",
    "fit: the dataset has the fields inputs, targets and no x; name the inputs x and the targets y"],
  ["inputs of other features", () => train({ data: { train: examples([[1, 1, 1]]) } }), "ShapeError",
    "matmul: [1, 3] x [2, 1]: inner dimensions differ (3 and 2); transpose one operand or reshape"],
  ["a score to watch that is not there", () => train({ callbacks: [ml.earlyStopping({ monitor: "accuracy" })] }), "ValueError",
    "earlyStopping: there is no score accuracy; name the loss or one of the metrics"],
  ["a file of another model", async () => ml.decode(await ml.encode({ a: of(2) }), { b: of(2) }), "ValueError",
    "load: the file has no tensor b; load it into the model it was saved from"],
  ["a file of another shape", async () => ml.decode(await ml.encode({ a: of(2) }), { a: of(3) }), "ShapeError",
    "load: a is F32[2] in the file and F32[3] in the model; load it into the model it was saved from"],
  ["trees of two structures", () => ml.mapTree((x, y) => ml.add(x!, y!), { a: of(2) }, { b: of(2) }), "ValueError",
    "mapTree: tree 2 differs from tree 1: expected properties {a}, received {b}; give trees of one structure"],
];
const squaredDifferences = (p: Tensor, y: Tensor): Tensor => ml.square(ml.sub(p, y));

const groups = {
  shapes, axes, dtypes, values, devices, lives, tracing, randomness, data, networks, optimizers, training,
};


/** A message without what changes with this file and with the machine. */
const steady = (message: string): string =>
  message.replace(/errors\.test\.ts:\d+/g, "errors.test.ts:LINE").replace(/cpu-simd128(-fma)?:\d+/g, "cpu-simd128");

async function errorOf(call: () => unknown): Promise<ml.DormouseError> {
  try {
    await call();
  } catch (error) {
    return error as ml.DormouseError;
  }
  throw new Error("the call went through");
}

describe.each(Object.entries(groups))("%s", (_, rows) => {
  test.each(rows)("%s", async (_name, call, kind, message) => {
    const error = await errorOf(call);
    expect(steady(error.message)).toBe(message);
    expect(error.name).toBe(kind);
    for (const field of ["op", "expected", "received", "hint"]) expect(error).toHaveProperty(field);
    expect(error.message.startsWith(`${error.op}: `)).toBe(true);
    if (error.hint !== undefined) expect(error.message.endsWith(`; ${error.hint}`)).toBe(true);
  });
});

test("all but one say what to do next", async () => {
  const rows = Object.values(groups).flat();
  expect(rows.length).toBeGreaterThan(100);
  const withoutHint: string[] = [];
  for (const [name, call] of rows) if ((await errorOf(call)).hint === undefined) withoutHint.push(name);
  expect(withoutHint).toEqual(["a label that is no class"]);
});

describe("the sentences that were promised", () => {
  /** Calls `f` from line 41 of a file named train.ts. */
  const fromTrainFile = (f: () => unknown): unknown =>
    (runInThisContext("(f) => f()", { filename: "/app/train.ts", lineOffset: 40 }) as (f: () => unknown) => unknown)(f);

  test.each([
    [
      "matmul: [32, 784] x [100, 128]: inner dimensions differ (784 and 100); transpose one operand or reshape",
      () => ml.matmul(of(32, 784), of(100, 128)),
    ],
    ["mean: axis 3 is out of range for shape [32, 784]; use -2..1", () => ml.mean(of(32, 784), { axis: 3 })],
    ['add: float32 and int32 do not mix; cast one: cast(b, "float32")', () => ml.add(of(2), int(1, 2))],
    [
      "step: tensor was donated to an earlier call (made at train.ts:41) and its memory reused; keep the returned one",
      () => {
        const compiled = step();
        const w = ones([3]) as Tensor;
        fromTrainFile(compiled.bind(null, w));
        return compiled(w);
      },
    ],
    [
      "crossEntropy: label 10 at row 7 is not below the 10 classes of the logits",
      () => ml.crossEntropy(of(8, 10), int(0, 1, 2, 3, 4, 5, 6, 10)),
    ],
    [
      "crossEntropy: label 10 at row 7 is not below the 10 classes of the logits",
      // Labels that are computed are checked when they are there.
      () => ml.crossEntropy(of(8, 10), ml.add(int(0, 1, 2, 3, 4, 5, 6, 9), int(0, 0, 0, 0, 0, 0, 0, 1))).item(),
    ],
    [
      "data: no device is set; setDevice(await cpu()) from @dormouse/backend-cpu",
      () => without(() => tensor([1]).data()),
    ],
  ])("%s", async (sentence, call) => {
    expect((await errorOf(call)).message).toBe(sentence);
  });
});

describe("small things", () => {
  test("a tensor prints as one line, and its values are waited for", async () => {
    const x = ml.add(tensor([[1, 2], [3, 4]]), 1);
    expect(format(x)).toBe("Tensor(float32[2, 2], pending)");
    expect(`${x}`).toBe("Tensor(float32[2, 2], pending)");
    expect(await ml.format(x)).toBe("tensor([[2., 3.],\n        [4., 5.]], float32 [2, 2])");
    expect(format(x)).toBe("Tensor(float32[2, 2], stored)");
  });

  test("using disposes of a tensor at the end of its block", async () => {
    let kept: Tensor;
    {
      using x = tensor([1, 2]);
      kept = x;
      expect(await ml.sum(x).item()).toBe(3);
    }
    expect(kept.status).toBe("spent");
    expect((await errorOf(() => kept.data())).message).toMatch(/^data: tensor was disposed of/);
  });

  test("print shows a summary as its table", async () => {
    const lines: unknown[] = [];
    const log = vi.spyOn(console, "log").mockImplementation((text) => void lines.push(text));
    await ml.print(ml.summary(new ml.Linear(784, 10, { key: key(0) }), [32, 784]));
    log.mockRestore();
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("Linear  [32, 10]       7,850");
  });

  test("a model goes through a file and computes the same", async () => {
    const folder = await mkdtemp(join(tmpdir(), "dormouse-"));
    const path = join(folder, "model.safetensors");
    const saved = new ml.Linear(3, 2, { key: key(0) });
    const other = new ml.Linear(3, 2, { key: key(1) });
    await ml.save(path, saved);
    const loaded = await ml.load(path, other);
    const x = tensor([[1, -2, 0.5]]);
    expect(loaded).toBeInstanceOf(ml.Linear);
    expect(await loaded.forward(x).array()).toEqual(await saved.forward(x).array());
    expect(await other.forward(x).array()).not.toEqual(await saved.forward(x).array());
    await rm(folder, { recursive: true });
  });
});
