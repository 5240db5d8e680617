/** What `half.test.ts` computes in half precision, on the reference and on the GPU of the runtime it runs in. */
import { grad } from "@dormouse/autograd";
import { reference } from "@dormouse/backend-cpu/reference";
import {
  type DType, type Tensor, add, argmax, cast, concat, exp, less, matmul, max, mean, mul, permute, relu, setDevice,
  softmax, square, sub, sum, take, tanh, tensor, where,
} from "@dormouse/tensor";
import { describeAdapter, webgpu } from "../src/index.ts";

/** Results of one computation. */
export interface Computed {
  readonly name: string;
  readonly got: readonly number[];
  readonly wanted: readonly number[];
  /** Largest difference allowed, relative to the larger of 1 and what is wanted; 0 means equal values. */
  readonly tolerance: number;
}

export interface HalfReport {
  readonly adapter: string;
  readonly dtypes: readonly DType[];
  readonly computed: readonly Computed[];
}

/** Reproducible numbers in [-1, 1). */
const numbers = (length: number, seed: number): number[] =>
  Array.from({ length }, (_, i) => (((i * 7919 + seed * 104_729) % 2003) / 2003) * 2 - 1);
const half = (seed: number, ...shape: number[]): Tensor =>
  tensor(numbers(shape.reduce((a, b) => a * b, 1), seed), { shape, dtype: "float16" });

/** float32 numbers where rounding to half precision is delicate: ties, subnormals, overflow, what is no number. */
const delicate = [0, -0, 1, 1 + 2 ** -11, 1 + 3 * 2 ** -11, 1 + 2 ** -11 + 2 ** -20, -1 - 2 ** -11, 65_504, 65_519.99, 65_520, -65_520, 1e30, Infinity, -Infinity, NaN, 2 ** -14, 2 ** -15 + 2 ** -25, 2 ** -24, 2 ** -25, 3 * 2 ** -25, 2 ** -26, 0.1, 1 / 3];

/** A rounding of the result; sums may be a rounding of an intermediate value away. */
const ONE = 2 ** -10;
const cases: Readonly<Record<string, readonly [tolerance: number, compute: () => Tensor]>> = {
  "a copy": [0, () => concat([half(1, 5), half(2, 8)], { axis: 0 })],
  "rounding": [0, () => cast(cast(tensor(delicate), "float16"), "float32")],
  "rounding in quads": [0, () => cast(tensor([...delicate, 5]), "float16")],
  "a cast to int32": [0, () => cast(mul(half(1, 67), 100), "int32")],
  "a cast to uint8": [0, () => cast(mul(half(1, 67), 100), "uint8")],
  "a cast from int32": [0, () => cast(tensor(numbers(67, 3).map((x) => Math.round(3000 * x)), { dtype: "int32" }), "float16")],
  "comparison and choice": [0, () => where(less(half(1, 4099), half(2, 4099)), half(1, 4099), half(2, 4099))],
  "a map of 1": [ONE, () => exp(half(1, 1))],
  "a map of 3": [ONE, () => add(half(1, 3), half(2, 3))],
  "a map of 4099": [ONE, () => tanh(mul(half(1, 4099), half(2, 4099)))],
  "rows and columns": [ONE, () => add(mul(half(1, 37, 24), half(2, 24)), half(3, 37, 1))],
  "rows of odd length": [ONE, () => add(mul(half(1, 37, 23), half(2, 23)), half(3, 37, 1))],
  "a transposed map": [ONE, () => add(permute(half(1, 36, 24), [1, 0]), half(2, 24, 36))],
  "sums of rows": [ONE, () => sum(half(1, 37, 129), { axis: 1 })],
  "sums of columns": [ONE, () => mean(half(1, 129, 36), { axis: 0 })],
  "a long sum": [ONE, () => mean(half(1, 100_003))],
  "maxima": [0, () => max(half(1, 37, 129), { axis: 1 })],
  "argmax": [0, () => argmax(half(1, 37, 129), { axis: 1 })],
  "softmax": [ONE, () => softmax(mul(half(1, 19, 67), 4), { axis: 1 })],
  "softmax of quads": [ONE, () => softmax(mul(half(1, 5, 1024), 4), { axis: 1 })],
  "rows by index": [0, () => take(half(1, 11, 6), tensor([3, 0, 10, 3], { dtype: "int32" }), { axis: 0 })],
  "a product": [ONE, () => matmul(half(1, 67, 45), half(2, 45, 31))],
  "a product of quads": [ONE, () => matmul(half(1, 64, 48), half(2, 48, 72))],
  "a product with a transposed operand": [ONE, () => matmul(half(1, 132, 64), permute(half(2, 136, 64), [1, 0]))],
  "products of a batch": [ONE, () => matmul(half(1, 3, 17, 20), half(2, 3, 20, 9))],
  "a product with a long sum": [4 * ONE, () => mul(matmul(half(1, 68, 2051), half(2, 2051, 72)), 0.01)],
  "a product and what follows": [ONE, () => relu(add(matmul(half(1, 33, 20), half(2, 20, 40)), half(3, 40)))],
  "a gradient": [4 * ONE, () => {
    const [x, y] = [half(1, 32, 20), half(2, 32, 8)];
    return grad((w: Tensor) => mean(square(sub(softmax(matmul(x, w), { axis: 1 }), y))))(half(3, 20, 8));
  }],
};

/** Computes every case on both devices; none where the GPU has no half precision. */
export async function halfProgram(): Promise<HalfReport> {
  const found = await describeAdapter();
  if (!found.available) return { adapter: found.reason, dtypes: [], computed: [] };
  await using gpu = await webgpu();
  const dtypes = [...gpu.backend.capabilities.dtypes];
  const oracle = await reference();
  const computed: Computed[] = [];
  if (dtypes.includes("float16")) {
    for (const [name, [tolerance, compute]] of Object.entries(cases)) {
      setDevice(oracle);
      const wanted = [...(await compute().data())];
      setDevice(gpu);
      computed.push({ name, wanted, got: [...(await compute().data())], tolerance });
    }
  }
  return { adapter: found.name, dtypes, computed };
}
