/** Methods are the free functions, at run time and in types. */
import { beforeAll, expect, expectTypeOf, it } from "vitest";
import "../src/fluent.ts";
import { type Tensor, tensor } from "../src/index.ts";
import { useReference, valuesOf } from "./reference-device.ts";

beforeAll(useReference);

it("chains", async () => {
  const y = tensor([[1, 2], [3, 4]]).mul(2).add(tensor([1, 0])).transpose();
  expectTypeOf(y).toEqualTypeOf<Tensor<[2, 2]>>();
  expect(await valuesOf(y)).toEqual([3, 7, 4, 8]);
  const total = y.sum({ axis: 1, keepDims: true });
  expectTypeOf(total).toEqualTypeOf<Tensor<[2, 1]>>();
  expect(await valuesOf(total)).toEqual([10, 12]);
  expect(await valuesOf(y.matmul(tensor([1, -1])))).toEqual([-4, -4]);
  expect(await valuesOf(y.slice([0]).topK(1).values)).toEqual([7]);
});

it("keeps a tensor of known shape assignable to a tensor", () => {
  expectTypeOf<Tensor<[2, 3]>>().toExtend<Tensor>();
});

it("adds nothing that a walk over properties sees", () => {
  const seen: string[] = [];
  for (const name in tensor([1])) seen.push(name);
  expect(seen).not.toContain("add");
});
