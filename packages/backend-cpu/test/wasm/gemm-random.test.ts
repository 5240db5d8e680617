import { expect, test } from "vitest";
import type { DType, TypedArray } from "@dormouse/tensor";
import { allocate } from "@dormouse/tensor/graph";
import type { Affine, Condition, ContractKernel, Scalar } from "@dormouse/tensor/graph";
import { naiveContract, runContract } from "./contract-support.ts";

/** A stream of reproducible whole numbers below a limit. */
function stream(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Strides of a layout with the axes in random order, some of them broadcast; 0 where `moves` is false. */
function layout(
  pick: (below: number) => number,
  sizes: readonly number[],
  moves: readonly boolean[],
  broadcast: boolean,
): number[] {
  const strides = sizes.map(() => 0);
  const order = sizes
    .map((_, axis) => axis)
    .filter((axis) => moves[axis])
    .sort(() => pick(3) - 1);
  let next = 1;
  for (const axis of order) {
    if (broadcast && pick(6) === 0) continue;
    strides[axis] = next;
    next *= sizes[axis]!;
  }
  return strides;
}

const extent = ({ offset, strides }: Affine, sizes: readonly number[]): number =>
  offset + strides.reduce((sum, stride, axis) => sum + stride * Math.max(0, sizes[axis]! - 1), 0) + 1;

/** A product with random axes, layouts, padding, operand expressions and stores. */
function randomContract(seed: number): [ContractKernel, TypedArray[]] {
  const pick = stream(seed);
  const dtype = (["float32", "float32", "float64", "int32"] as const)[pick(4)]!;
  const group = (): number[] => Array.from({ length: pick(4) }, () => [1, 2, 3, 4, 5, 7, 9, 13][pick(8)]!);
  const [batch, m, n, k] = [group().slice(0, 2), group(), group(), group()];
  const sizes = [...batch, ...m, ...n, ...k];
  const inGroup = (groups: string): boolean[] =>
    [batch, m, n, k].flatMap((axes, g) => axes.map(() => groups.includes("bmnk"[g]!)));
  const buffers: TypedArray[] = [];
  const args: ContractKernel["args"][number][] = [];
  const argument = (of: DType, length: number, access: "read" | "write"): number => {
    const buffer = allocate(of, length);
    for (let i = 0; i < length; i++) buffer[i] = of.startsWith("float") ? pick(2001) / 1000 - 1 : pick(50);
    args.push({ dtype: of, length, access });
    return buffers.push(buffer) - 1;
  };
  const load = (moves: readonly boolean[]): Scalar => {
    const at = { offset: pick(3), strides: layout(pick, sizes, moves, true) };
    const length = extent(at, sizes);
    if (pick(3) > 0) return { op: "load", dtype, arg: argument(dtype, length, "read"), at };
    // The view moved to the left by `shift`, guarded at both ends.
    const shift = pick(4);
    const moved = { offset: at.offset - shift, strides: at.strides };
    const valid: Condition[] = [{ ...moved, below: Math.max(1, length - pick(3)) }];
    return { op: "load", dtype, arg: argument(dtype, length, "read"), at: moved, valid, fill: pick(3) };
  };
  const operand = (moves: readonly boolean[]): Scalar => {
    switch (pick(4)) {
      case 0:
        return { op: "add", dtype, sources: [load(moves), load(moves)] };
      case 1:
        return { op: "neg", dtype, sources: [load(moves)] };
      default:
        return load(moves);
    }
  };
  const [lhs, rhs] = [operand(inGroup("bmk")), operand(inGroup("bnk"))];
  const result: Scalar = { op: "result", dtype, stage: 0 };
  const bodies: Scalar[] = [result];
  if (pick(3) === 0) bodies.push({ op: "mul", dtype, sources: [result, load(inGroup("bn"))] });
  if (pick(3) === 0) bodies[0] = { op: "max", dtype, sources: [result, load(inGroup("bmn"))] };
  const stores = bodies.map((body) => {
    const at = { offset: pick(3), strides: layout(pick, sizes, inGroup("bmn"), false) };
    return { arg: argument(dtype, extent(at, sizes), "write"), at, body };
  });
  return [{ kind: "contract", dtype, args, batch, m, n, k, lhs, rhs, stores }, buffers];
}

test.each(Array.from({ length: 12 }, (_, i) => i))("random products, batch %i", (part) => {
  for (let i = 0; i < 25; i++) {
    const seed = part * 1000 + i;
    const [kernel, buffers] = randomContract(seed);
    const work = [...kernel.batch, ...kernel.m, ...kernel.n, ...kernel.k].reduce((product, size) => product * size, 1);
    if (work > 200_000) continue;
    const [got, expected] = [runContract(kernel, buffers, 1 + (seed % 3)), naiveContract(kernel, buffers)];
    const unit = kernel.dtype === "float32" ? 2 ** -23 : kernel.dtype === "float64" ? 2 ** -52 : 0;
    const depth = kernel.k.reduce((product, size) => product * size, 1);
    got.forEach((buffer, b) =>
      buffer.forEach((value, j) => {
        const want = expected[b]![j]!;
        if (Math.abs(value - want) > unit * (8 + depth) * 20) {
          expect.fail(`seed ${seed}, argument ${b}, element ${j}: ${value}, not ${want}\n${JSON.stringify(kernel)}`);
        }
      }),
    );
  }
});
