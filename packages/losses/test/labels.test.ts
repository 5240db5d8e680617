/** Labels: which are refused, where, and with which words; which are ignored. */
import { beforeAll, describe, expect, it } from "vitest";
import { reference } from "@dormouse/backend-cpu/reference";
import { grad, valueAndGrad } from "@dormouse/autograd";
import {
  type Tensor, add, compile, evaluate, expandDims, mul, permute, setDevice, tensor, zeros,
} from "@dormouse/tensor";
import { crossEntropy, focal, multiMargin, nll, zeroOneLoss } from "../src/index.ts";

const int = (labels: readonly number[]): Tensor => tensor(labels, { dtype: "int32" });
/** Labels that no op can look at before the graph runs. */
const computed = (labels: readonly number[]): Tensor => add(int(labels), int(labels.map(() => 0)));

beforeAll(async () => {
  setDevice(await reference());
});

describe("labels out of range", () => {
  const bad = [0, 1, 2, 3, 4, 5, 6, 10, -3];

  it.each(Object.entries({ crossEntropy, nll, focal, multiMargin, zeroOneLoss }))("%s refuses them at the call", (op, loss) => {
    expect(() => loss(zeros([9, 10]), int(bad))).toThrow(`${op}: label 10 at row 7 is not below the 10 classes of the logits`);
  });

  it("refuses computed ones when the graph runs", async () => {
    const loss = crossEntropy(zeros([9, 10]), computed(bad));
    await expect(loss.data()).rejects.toThrow("crossEntropy: label 10 at row 7 is not below the 10 classes of the logits");
    await expect(nll(zeros([2, 3]), computed([0, -1])).data()).rejects.toThrow("nll: label -1 at row 1 is negative");
  });

  it("refuses arguments of a compiled step, and runs the step for good ones", async () => {
    const step = compile((w: Tensor, y: Tensor) => {
      const [loss, slope] = valueAndGrad((logits: Tensor) => crossEntropy(logits, y))(w);
      return [add(w, mul(slope, -1)), loss] as const;
    });
    const [, loss] = step(zeros([3, 4]), int([0, 3, 1]));
    expect(await loss.item()).toBeCloseTo(Math.log(4), 6);
    expect(() => step(zeros([3, 4]), int([0, 3, 4]))).toThrow("crossEntropy: label 4 at row 2 is not below the 4 classes");
    expect(() => step(zeros([3, 4]), int([-100, 9, 4]))).toThrow("crossEntropy: label -100 at row 0 is negative");
  });

  it("names places of several axes", async () => {
    const labels = tensor([[0, 1, 2], [1, 3, 0]], { dtype: "int32" });
    const message = "label 3 at [1, 1] is not below the 3 classes";
    expect(() => crossEntropy(zeros([2, 3, 3]), labels)).toThrow(message);
    await expect(crossEntropy(zeros([2, 3, 3]), add(labels, 0)).data()).rejects.toThrow(message);
    expect(() => crossEntropy(zeros([3]), tensor(5, { dtype: "int32" }))).toThrow("label 5 is not below the 3 classes");
  });

  it("names the bound of a label beyond what one int32 holds", async () => {
    const labels = computed([...new Array<number>(999).fill(0), 2_000_000_000]);
    await expect(crossEntropy(zeros([1000, 2]), labels).data()).rejects.toThrow("label 1073741 or more at row 999");
  });

  it("excepts ignored ones, by default none", async () => {
    const logits = tensor([[1, 2], [3, 4], [5, 7]]);
    for (const labels of [int([0, -100, 1]), computed([0, -100, 1])]) {
      const loss = crossEntropy(logits, labels, { ignoreIndex: -100 });
      expect(await loss.item()).toBeCloseTo((Math.log1p(Math.E) + Math.log1p(Math.exp(-2))) / 2, 6);
    }
    expect(() => crossEntropy(logits, int([0, -100, 1]))).toThrow("label -100 at row 1");
    expect(() => crossEntropy(logits, int([0, -100, 2]), { ignoreIndex: -100 })).toThrow("label 2 at row 2");
    expect(await crossEntropy(logits, int([9, 9, 9]), { ignoreIndex: 9 }).item()).toBeNaN();
    expect(await crossEntropy(logits, int([9, 9, 9]), { ignoreIndex: 9, reduction: "sum" }).item()).toBe(0);
  });
});

describe("shapes and dtypes", () => {
  it("names both in errors", () => {
    expect(() => crossEntropy(zeros([4, 3]), int([0, 1]))).toThrow("prediction [4, 3] and labels [2] do not fit");
    expect(() => crossEntropy(zeros([4, 3]), zeros([4, 2]))).toThrow("prediction [4, 3] and target [4, 2] differ");
    expect(() => crossEntropy(zeros([4, 3]), zeros([4]))).toThrow("labels are float32; make them integers");
    expect(() => crossEntropy(int([1, 2]), int([1]))).toThrow("prediction is int32");
    expect(() => crossEntropy(zeros([]), tensor(1, { dtype: "int32" }))).toThrow("the prediction [] has no class axis 1");
    expect(() => crossEntropy(zeros([4, 3]), int([0, 1, 2, 0]), { weight: [1, 2] })).toThrow("weight [2] for prediction [4, 3]");
    expect(() => crossEntropy(zeros([4, 3]), zeros([4, 3], { dtype: "float64" }))).toThrow("prediction is float32 and target is float64");
    expect(() => crossEntropy(zeros([1, 2]), int([0]), { labelSmoothing: 2 })).toThrow("labelSmoothing is 2");
    expect(() => crossEntropy(zeros([1, 2]), int([0]), { reduction: "average" as never })).toThrow('reduction is "average"');
  });

  it("takes labels of every integer dtype", async () => {
    const logits = tensor([[0, 1, 2], [2, 1, 0]]);
    const wanted = await crossEntropy(logits, int([2, 0])).item();
    for (const dtype of ["uint8", "uint32"] as const) {
      expect(await crossEntropy(logits, tensor([2, 0], { dtype })).item()).toBe(wanted);
    }
  });

  it("finds classes on another axis, and in a single example", async () => {
    const logits = tensor([[[0, 1, 2], [2, 1, 0]], [[3, 1, 2], [0, 1, 5]]]);
    const labels = tensor([[0, 1], [2, 2]], { dtype: "int32" });
    const last = await crossEntropy(logits, labels, { axis: -1, reduction: "none" }).array();
    const second = await crossEntropy(permute(logits, [0, 2, 1]), labels, { reduction: "none" }).array();
    expect(last).toEqual(second);
    const one = crossEntropy(tensor([0, 1, 2]), tensor(2, { dtype: "int32" }));
    expect(one.shape).toEqual([]);
    expect(await one.item()).toBe(await crossEntropy(expandDims(tensor([0, 1, 2]), 0), int([2])).item());
  });

  it("has losses of no examples", () => {
    expect(crossEntropy(zeros([0, 3]), int([]), { reduction: "none" }).shape).toEqual([0]);
    expect(crossEntropy(zeros([0, 3]), int([])).shape).toEqual([]);
  });
});

it("refuses to differentiate the zero-one loss", async () => {
  const logits = tensor([[1, 2], [3, 4], [5, 7]]);
  const f = (x: Tensor): Tensor => zeroOneLoss(x, int([0, 1, 1]));
  expect(await f(logits).item()).toBeCloseTo(1 / 3, 6);
  expect(() => evaluate(grad(f)(logits))).toThrow("zeroOneLoss: it is constant almost everywhere");
});
