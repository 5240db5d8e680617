/** Ops that move elements, on small tensors whose result can be read off, and their inverses at odd sizes. */
import { reference } from "@dormouse/backend-cpu/reference";
import { beforeAll, describe, expect, test } from "vitest";
import * as t from "../../src/index.ts";
import type { NestedArray, Tensor } from "../../src/index.ts";
import { expectMessage } from "./expect.ts";

beforeAll(async () => void t.setDevice(await reference()));

const counting = (shape: readonly number[]): Tensor =>
  t.reshape(t.arange(shape.reduce((a, b) => a * b, 1)), shape);
const grid = t.tensor([[1, 2, 3], [4, 5, 6]]);
const line = t.tensor([1, 2, 3, 4, 5]);

test.each([
  ["reshape", t.reshape(grid, [3, 2]), [[1, 2], [3, 4], [5, 6]]],
  ["reshape with -1", t.reshape(grid, [3, -1]), [[1, 2], [3, 4], [5, 6]]],
  ["reshape to a scalar", t.reshape(t.tensor([7]), []), 7],
  ["flatten", t.flatten(grid), [1, 2, 3, 4, 5, 6]],
  ["flatten some axes", t.flatten(t.tensor([[[1], [2]], [[3], [4]]]), { start: 1 }), [[1, 2], [3, 4]]],
  ["flatten a scalar", t.flatten(t.tensor(3)), [3]],
  ["ravel", t.ravel(grid), [1, 2, 3, 4, 5, 6]],
  ["transpose", t.transpose(grid), [[1, 4], [2, 5], [3, 6]]],
  ["squeeze", t.squeeze(t.tensor([[[1], [2]]])), [1, 2]],
  ["squeeze an axis", t.squeeze(t.tensor([[[1], [2]]]), { axis: -1 }), [[1, 2]]],
  ["expandDims", t.expandDims(line, -1), [[1], [2], [3], [4], [5]]],
  ["broadcastTo", t.broadcastTo(t.tensor([[1], [2]]), [2, 2, 3]), [[[1, 1, 1], [2, 2, 2]], [[1, 1, 1], [2, 2, 2]]]],
  ["concat", t.concat([grid, t.tensor([[7, 8, 9]])]), [[1, 2, 3], [4, 5, 6], [7, 8, 9]]],
  ["concat along the last axis", t.concat([grid, t.tensor([[0], [1]])], { axis: -1 }), [[1, 2, 3, 0], [4, 5, 6, 1]]],
  ["concat with nothing", t.concat([t.zeros([0, 3]), grid]), [[1, 2, 3], [4, 5, 6]]],
  ["stack", t.stack([t.tensor([1, 2]), t.tensor([3, 4])]), [[1, 2], [3, 4]]],
  ["stack along the last axis", t.stack([t.tensor([1, 2]), t.tensor([3, 4])], { axis: -1 }), [[1, 3], [2, 4]]],
  ["tile", t.tile(t.tensor([1, 2]), [2, 2]), [[1, 2, 1, 2], [1, 2, 1, 2]]],
  ["tile fewer axes than there are", t.tile(t.tensor([[1], [2]]), [2]), [[1, 1], [2, 2]]],
  ["repeat", t.repeat(t.tensor([1, 2]), 2), [1, 1, 2, 2]],
  ["repeat columns", t.repeat(grid, 2, { axis: 1 }), [[1, 1, 2, 2, 3, 3], [4, 4, 5, 5, 6, 6]]],
  ["flip", t.flip(grid), [[6, 5, 4], [3, 2, 1]]],
  ["flip an axis", t.flip(grid, { axis: 0 }), [[4, 5, 6], [1, 2, 3]]],
  ["roll", t.roll(line, 2), [4, 5, 1, 2, 3]],
  ["roll back", t.roll(line, -6), [2, 3, 4, 5, 1]],
  ["roll columns", t.roll(grid, 1, { axis: -1 }), [[3, 1, 2], [6, 4, 5]]],
  ["pad", t.pad(t.tensor([[1, 2]]), [[1, 0], [0, 2]], { value: 9 }), [[9, 9, 9, 9], [1, 2, 9, 9]]],
  ["pad both ends", t.pad(t.tensor([1]), 1), [0, 1, 0]],
  ["pad by the edge", t.pad(line, [[2, 1]], { mode: "edge" }), [1, 1, 1, 2, 3, 4, 5, 5]],
  ["pad by reflection", t.pad(line, [[2, 4]], { mode: "reflect" }), [3, 2, 1, 2, 3, 4, 5, 4, 3, 2, 1]],
  ["pad in a circle", t.pad(line, [[2, 1]], { mode: "circular" }), [4, 5, 1, 2, 3, 4, 5, 1]],
  [
    "pad two axes by reflection",
    t.pad(grid, 1, { mode: "reflect" }),
    [[5, 4, 5, 6, 5], [2, 1, 2, 3, 2], [5, 4, 5, 6, 5], [2, 1, 2, 3, 2]],
  ],
] as [string, Tensor, NestedArray][])("%s", async (_, result, wanted) => {
  expect(await result.array()).toEqual(wanted);
});

describe("shapes", () => {
  const x = counting([2, 3, 1, 5]);
  test.each([
    [t.permute(x, [3, 0, -2, 1]), [5, 2, 1, 3]],
    [t.swapAxes(x, 0, -1), [5, 3, 1, 2]],
    [t.moveAxis(x, 0, -1), [3, 1, 5, 2]],
    [t.moveAxis(x, -1, 1), [2, 5, 3, 1]],
    [t.transpose(x), [2, 3, 5, 1]],
    [t.expandDims(x, 2), [2, 3, 1, 1, 5]],
    [t.tile(x, [0]), [2, 3, 1, 0]],
  ] as [Tensor, number[]][])("%# has its shape", (result, shape) => expect(result.shape).toEqual(shape));
});

test("moving axes there and back changes nothing", async () => {
  const x = counting([2, 3, 1, 5]);
  const wanted = await x.array();
  expect(await t.permute(t.permute(x, [3, 1, 0, 2]), [2, 1, 3, 0]).array()).toEqual(wanted);
  expect(await t.moveAxis(t.moveAxis(x, 1, 3), 3, 1).array()).toEqual(wanted);
  expect(await t.concat(t.splitAlong(x, [2, 0, 3], { axis: -1 }), { axis: -1 }).array()).toEqual(wanted);
  expect(await t.concat(t.chunk(x, 2, { axis: 3 }), { axis: 3 }).array()).toEqual(wanted);
  expect(await t.stack(t.unstack(x, { axis: 1 }), { axis: 1 }).array()).toEqual(wanted);
  expect(await t.flip(t.flip(x, { axis: [0, 3] }), { axis: [3, 0] }).array()).toEqual(wanted);
});

test("chunk cuts equal pieces and a shorter last one", () => {
  const lengths = (length: number, count: number): number[] => t.chunk(t.arange(length), count).map((piece) => piece.size);
  expect(lengths(7, 3)).toEqual([3, 3, 1]);
  expect(lengths(4, 4)).toEqual([1, 1, 1, 1]);
  expect(lengths(2, 5)).toEqual([1, 1]);
  expect(lengths(0, 2)).toEqual([0]);
});

const matrix: Tensor = t.zeros([2, 3]);
test.each([
  [() => t.reshape(matrix, [4]), "reshape: [2, 3] has 6 elements, [4] has 4; keep the number of elements"],
  [() => t.reshape(matrix, [-1, 4]), "reshape: [2, 3] has 6 elements, not a multiple of 4; choose lengths whose product divides 6"],
  [() => t.reshape(matrix, [-1, -1]), "reshape: [-1, -1] leaves more than one length open; give all lengths but one"],
  [() => t.transpose(t.zeros([3])), "transpose: [3] has no rows and columns; expandDims or reshape it to a matrix first"],
  [() => t.permute(matrix, [0, 0]), "permute: axes [0, 0] do not name each axis of shape [2, 3] once; list all 2 axes"],
  [() => t.squeeze(matrix, { axis: 1 }), "squeeze: axis 1 of [2, 3] has length 3; squeeze drops only axes of length 1"],
  [() => t.expandDims(matrix, 3), "expandDims: axis 3 is out of range for shape [2, 3, 1]; use -3..2"],
  [
    () => t.broadcastTo(matrix, [2]),
    "broadcastTo: [2, 3] does not broadcast to [2]; align shapes from the right, with equal lengths or 1",
  ],
  [
    () => t.concat([matrix, t.zeros([2, 2]) as Tensor]),
    "concat: [2, 3] and [2, 2] differ outside axis 0; make the other lengths equal",
  ],
  [() => t.concat([]), "concat: the list is empty; give at least one tensor"],
  [() => t.stack([matrix, t.zeros([3, 2]) as Tensor]), "stack: [2, 3] and [3, 2] differ; stack takes equal shapes"],
  [() => t.splitAlong(matrix, [1, 2]), "splitAlong: lengths [1, 2] add up to 3, axis 0 has 2; make them add up to the axis"],
  [() => t.chunk(matrix, 0), "chunk: 0 is not a number of pieces; use 1 or more"],
  [() => t.moveAxis(matrix, 2, 0), "moveAxis: from 2 is out of range for shape [2, 3]; use -2..1"],
  [() => t.pad(matrix, [1]), "pad: 1 widths for the 2 axes of [2, 3]; give one for each axis; [0, 0] for none"],
  [
    () => t.pad(matrix, [2, 0], { mode: "reflect" }),
    "pad: reflect takes at most 1 elements from axis 0 of [2, 3], not 2; pad less, or use another mode",
  ],
] as [() => unknown, string][])("%# says what is wrong", expectMessage);
