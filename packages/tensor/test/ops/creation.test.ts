/** Tensors from JavaScript data and from formulas: values, dtypes, and what is refused. */
import { reference } from "@dormouse/backend-cpu/reference";
import { beforeAll, describe, expect, test } from "vitest";
import * as t from "../../src/index.ts";
import type { NestedArray, Tensor } from "../../src/index.ts";
import { expectClose, expectMessage } from "./expect.ts";

beforeAll(async () => void t.setDevice(await reference()));

describe("tensor", () => {
  test.each([
    ["a number", t.tensor(2.5), [], "float32", 2.5],
    ["rows", t.tensor([[1, 2], [3, 4]]), [2, 2], "float32", [[1, 2], [3, 4]]],
    ["booleans", t.tensor([true, false]), [2], "bool", [true, false]],
    ["NaN and infinities", t.tensor([NaN, -Infinity]), [2], "float32", [NaN, -Infinity]],
    ["nothing", t.tensor([]), [0], "float32", []],
    ["empty rows", t.tensor([[], []]), [2, 0], "float32", [[], []]],
    ["integers", t.tensor([-1, 2], { dtype: "int32" }), [2], "int32", [-1, 2]],
    ["booleans as numbers", t.tensor([true, false], { dtype: "int32" }), [2], "int32", [1, 0]],
    ["a Float64Array", t.tensor(new Float64Array([0.1])), [1], "float64", [0.1]],
    ["an Int32Array", t.tensor(new Int32Array([7])), [1], "int32", [7]],
    ["bytes as floats", t.tensor(new Uint8Array([255]), { dtype: "float32" }), [1], "float32", [255]],
    ["flat data with a shape", t.tensor(new Uint32Array([1, 2, 3, 4]), { shape: [2, 2] }), [2, 2], "uint32", [[1, 2], [3, 4]]],
    ["a list with a shape", t.tensor([1, 2, 3, 4], { shape: [2, 1, 2] }), [2, 1, 2], "float32", [[[1, 2]], [[3, 4]]]],
  ] as [string, Tensor, number[], string, NestedArray][])("of %s", async (_, x, shape, dtype, wanted) => {
    expect([x.shape, x.dtype, x.status]).toEqual([shape, dtype, "stored"]);
    expect(await x.array()).toEqual(wanted);
  });

  test("copies: later writes to the data change nothing", async () => {
    const data = new Float32Array([1, 2]);
    const x = t.tensor(data);
    data[0] = 9;
    expect(await x.array()).toEqual([1, 2]);
  });

  const loose = (data: unknown): NestedArray => data as NestedArray;
  test.each([
    [() => t.tensor([[1, 2], [3]]), "tensor: row [1] has length 1 where the first has 2; make all rows one length"],
    [() => t.tensor([[[1], [2]], [[3], [4, 5]]]), "tensor: row [1, 1] has length 2 where the first has 1; make all rows one length"],
    [() => t.tensor([1, [2]]), "tensor: row [1] is an array where the first is a number; make all rows one length"],
    [() => t.tensor([[1], 2]), "tensor: row [1] is a number where the first is an array of 1; make all rows one length"],
    [() => t.tensor([1, true]), "tensor: numbers and booleans are mixed; give a dtype, or make them one kind"],
    [() => t.tensor(loose([1, "2"])), "tensor: \"2\" at [1] is not a number; give numbers or booleans"],
    [() => t.tensor(loose([null])), "tensor: null at [0] is not a number; give numbers or booleans"],
    [
      () => t.tensor([[1, 2], [3, 0.5]], { dtype: "int32" }),
      "tensor: 0.5 at [1, 1] is not a value of int32; choose another dtype, or round it first",
    ],
    [() => t.tensor([256], { dtype: "uint8" }), "tensor: 256 at [0] is not a value of uint8; choose another dtype, or round it first"],
    [() => t.tensor([1, 2, 3], { shape: [2, 2] }), "tensor: 3 elements do not fill shape [2, 2]; give 4 elements"],
    [() => t.zeros([2, -1]), "zeros: -1 in [2, -1] is not a length; use whole numbers from 0"],
    [() => t.full([2], 0.5, { dtype: "int32" }), 'full: 0.5 is not a value of int32; cast the tensor first: cast(x, "float32")'],
    [
      () => t.arange(0, 5, { step: 0 }),
      "arange: from 0 to 5 in steps of 0 does not end; use finite bounds and a step other than 0",
    ],
    [() => t.oneHot(t.tensor([1]), 3), 'oneHot: the index is float32; cast it: cast(index, "int32")'],
    [() => t.tril(t.zeros([3])), "tril: [3] has no rows and columns; expandDims or reshape it to a matrix first"],
    [() => t.meshgrid([t.zeros([2, 2])]), "meshgrid: [2, 2] is not a vector; ravel it"],
  ] as [() => unknown, string][])("%# says what is wrong", expectMessage);
});

const m = t.tensor([[1, 2, 3], [4, 5, 6]]);
test.each([
  ["zeros", t.zeros([2]), [0, 0]],
  ["ones of bool", t.ones([2], { dtype: "bool" }), [true, true]],
  ["full", t.full([1, 2], 7), [[7, 7]]],
  ["full of truth", t.full([2], true), [true, true]],
  ["fullLike", t.fullLike(m, 2, { dtype: "int32" }), [[2, 2, 2], [2, 2, 2]]],
  ["zerosLike", t.zerosLike(t.tensor([true])), [false]],
  ["onesLike", t.onesLike(m), [[1, 1, 1], [1, 1, 1]]],
  ["arange", t.arange(3), [0, 1, 2]],
  ["arange from to", t.arange(2, 5, { dtype: "int32" }), [2, 3, 4]],
  ["arange down", t.arange(3, 0, { step: -2 }), [3, 1]],
  ["arange of nothing", t.arange(3, 3), []],
  ["linspace", t.linspace(-1, 1, 5), [-1, -0.5, 0, 0.5, 1]],
  ["linspace of one", t.linspace(3, 9, 1), [3]],
  ["eye", t.eye(2, { columns: 3 }), [[1, 0, 0], [0, 1, 0]]],
  ["tri", t.tri(2, { columns: 3, offset: 1 }), [[1, 1, 0], [1, 1, 1]]],
  ["tril", t.tril(m), [[1, 0, 0], [4, 5, 0]]],
  ["tril below", t.tril(m, { offset: -1 }), [[0, 0, 0], [4, 0, 0]]],
  ["triu", t.triu(m), [[1, 2, 3], [0, 5, 6]]],
  ["triu above", t.triu(m, { offset: 2 }), [[0, 0, 3], [0, 0, 0]]],
  ["diag of a vector", t.diag(t.tensor([1, 2])), [[1, 0], [0, 2]]],
  ["diag above", t.diag(t.tensor([1, 2]), { offset: 1 }), [[0, 1, 0], [0, 0, 2], [0, 0, 0]]],
  ["diag below", t.diag(t.tensor([1, 2]), { offset: -1 }), [[0, 0, 0], [1, 0, 0], [0, 2, 0]]],
  ["diag of one above by two", t.diag(t.tensor([5]), { offset: 2 }), [[0, 0, 5], [0, 0, 0], [0, 0, 0]]],
  ["diagonal of a matrix", t.diag(m), [1, 5]],
  ["diagonal above", t.diag(m, { offset: 1 }), [2, 6]],
  ["diagonal below", t.diag(m, { offset: -1 }), [4]],
  ["diagonal outside", t.diag(m, { offset: 3 }), []],
  ["oneHot", t.oneHot(t.tensor([2, 0], { dtype: "int32" }), 3), [[0, 0, 1], [1, 0, 0]]],
  ["oneHot outside", t.oneHot(t.tensor([-1, 3], { dtype: "int32" }), 3), [[0, 0, 0], [0, 0, 0]]],
  ["oneHot of a scalar", t.oneHot(t.tensor(1, { dtype: "int32" }), 2), [0, 1]],
] as [string, Tensor, NestedArray][])("%s", async (_, x, wanted) => {
  expect(await x.array()).toEqual(wanted);
});

test("linspace meets both ends exactly and keeps its distances", async () => {
  const ends = t.linspace(0.1, 0.7, 7, { dtype: "float64" });
  await expectClose(ends, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], { relative: 1e-15 });
  expect((await ends.data()).at(-1)).toBe(0.7);
});

test("meshgrid lays coordinates out", async () => {
  const [a, b] = [t.tensor([1, 2]), t.tensor([3, 4, 5])];
  const [rows, columns] = t.meshgrid([a, b]);
  expect(await rows!.array()).toEqual([[1, 1, 1], [2, 2, 2]]);
  expect(await columns!.array()).toEqual([[3, 4, 5], [3, 4, 5]]);
  const [x, y] = t.meshgrid([a, b], { indexing: "xy" });
  expect(await x!.array()).toEqual([[1, 2], [1, 2], [1, 2]]);
  expect(await y!.array()).toEqual([[3, 3], [4, 4], [5, 5]]);
});
