import { test } from "vitest";
import { sizeOf, stridesOf } from "@dormouse/tensor/graph";
import type { DType } from "@dormouse/tensor";
import type { KernelArgument, LoopKernel, Scalar, Stage } from "@dormouse/tensor/graph";
import { generateLoop } from "../../src/wasm/loop.ts";
import { affine, check, constant, index, load, op, random, read, result, sample, write } from "./kernel-support.ts";

/** A random nest: permuted, broadcast, flipped, padded and gathered views, shared values, reductions and several stores. */
function randomKernel(seed: number): LoopKernel {
  const next = random(seed);
  const below = (n: number): number => Math.floor(next() * n);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;
  const extents = [1, 2, 3, 4, 5, 8, 17, 37];
  const outer = Array.from({ length: below(4) }, () => pick(extents));
  const inner = Array.from({ length: below(3) }, () => pick(extents));
  while (sizeOf(outer) * sizeOf(inner) > 20_000) outer[outer.indexOf(Math.max(...outer))] = 1;
  const shape = [...outer, ...inner];
  const dtype: DType = pick(["float32", "float32", "float64", "int32", "uint32"]);
  const float = dtype === "float32" || dtype === "float64";
  const args: KernelArgument[] = [];

  const view = (): Scalar => {
    const order = shape.map((_, axis) => axis).sort(() => next() - 0.5);
    const used = order.filter(() => next() < 0.8);
    const strides = shape.map(() => 0);
    const lengths = stridesOf(used.map((axis) => shape[axis]!));
    used.forEach((axis, i) => (strides[axis] = lengths[i]!));
    const length = sizeOf(used.map((axis) => shape[axis]!));
    let offset = 0;
    shape.forEach((extent, axis) => {
      if (next() > 0.15 || strides[axis] === 0) return;
      strides[axis] = -strides[axis]!;
      offset -= strides[axis]! * (extent - 1);
    });
    const padded = next() < 0.25 && used.length > 0 ? pick(used) : -1;
    args.push(read(dtype, length));
    const arg = args.length - 1;
    if (padded < 0) return load(dtype, arg, affine(offset, ...strides));
    // Moved by one along an axis: one element of it is outside.
    const move = shape.map((_, axis) => (axis === padded ? 1 : 0));
    return load(dtype, arg, affine(offset - strides[padded]!, ...strides), { valid: [{ ...affine(-1, ...move), below: shape[padded]! }], fill: 3 });
  };
  const pool: Scalar[] = [view(), view(), constant(dtype, 2), op("cast", dtype, index(affine(1, ...shape.map(() => below(3)))))];
  if (next() < 0.3) {
    args.push(read("int32", sizeOf(shape)), read(dtype, 11));
    const at = load("int32", args.length - 2, affine(0, ...stridesOf(shape)));
    pool.push(load(dtype, args.length - 1, affine(0, ...shape.map(() => 0)), { indirect: [{ index: at, stride: 1, size: 11 }] }));
  }
  const grow = (): Scalar => {
    for (let turn = 0; turn < 3 + below(5); turn++) {
      const [a, b] = [pick(pool), pick(pool)];
      const kind = below(float ? 7 : 5);
      if (kind < 3) pool.push(op(pick(["add", "sub", "mul"] as const), dtype, a, op("min", dtype, b, constant(dtype, 3))));
      else if (kind === 3) pool.push(op("max", dtype, a, b));
      else if (kind === 4) pool.push(op("where", dtype, op("less", "bool", a, b), a, constant(dtype, 1)));
      else pool.push(op(pick(["tanh", "sin", "atan"] as const), dtype, a));
    }
    const last = pool.at(-1)!;
    return float ? op("tanh", dtype, last) : last;
  };
  const stages: Stage[] = [];
  const still: Scalar[] = [];
  const strides = stridesOf(shape);
  const outerStrides = [...stridesOf(outer), ...inner.map(() => 0)];
  for (let count = 1 + below(3); count > 0; count--) {
    const body = grow();
    if (next() < 0.6) {
      const combine = pick(["sum", "max"] as const);
      stages.push({ kind: "reduce", combine, dtype, body });
      const value = result(dtype, stages.length - 1);
      still.push(value);
      pool.push(float ? op("tanh", dtype, value) : value);
    } else {
      args.push(write(dtype, sizeOf(shape)));
      stages.push({ kind: "store", level: "inner", arg: args.length - 1, at: affine(0, ...strides), body });
    }
  }
  still.push(constant(dtype, 5));
  args.push(write(dtype, sizeOf(outer)));
  stages.push({ kind: "store", level: "outer", arg: args.length - 1, at: affine(0, ...outerStrides), body: op("add", dtype, pick(still), pick(still)) });
  return { kind: "loop", args, outer, inner, stages };
}

for (let block = 0; block < 10; block++) {
  test(`random loop kernels ${block * 40} to ${block * 40 + 39}`, () => {
    for (let seed = block * 40; seed < block * 40 + 40; seed++) {
      const kernel = randomKernel(seed);
      const inputs = kernel.args.map(({ dtype, length }, i) => sample(dtype, length, seed * 100 + i));
      const double = kernel.args.some(({ dtype }) => dtype === "float64");
      try {
        check(generateLoop, kernel, inputs, double ? 1e-11 : 3e-4);
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
  });
}
