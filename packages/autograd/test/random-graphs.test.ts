/**
 * Derivatives and batches of random graphs, in float64: reverse mode against forward mode against central differences,
 * the programs of gradients against an interpreter, and `vmap` against a loop. DORMOUSE_GRAPHS sets how many.
 */
import { cpu } from "@dormouse/backend-cpu";
import { createReferenceBackend } from "@dormouse/backend-cpu/reference";
import type { Tensor, TypedArray } from "@dormouse/tensor";
import { HostStorage, isFloat, primitive } from "@dormouse/tensor/graph";
import {
  type GraphInput, describeWrongKernel, differenceOf, expectClose, forRandomGraphs, graphCount, interpret,
  randomFunction, randomSource, runGraph,
} from "@dormouse/testing";
import { afterAll, expect, test } from "vitest";
import { jvp, vjp, vmap } from "../src/index.ts";

const LONG = 3_600_000;
const smooth = { dtype: "float64", smooth: true, extremes: false } as const;
const device = await cpu({ threads: 1 });
afterAll(() => device[Symbol.asyncDispose]());

const stored = ({ shape, dtype }: Pick<GraphInput, "shape" | "dtype">, data: TypedArray): Tensor => {
  const tensor = primitive.buffer(shape, dtype);
  tensor.storage = new HostStorage(data);
  return tensor;
};
const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a, (x, i) => x * b[i]!).reduce((total, x) => total + x, 0);
const total = (xs: readonly number[]): number => xs.reduce((sum, x) => sum + x, 0);
const pairwise = (as: readonly ArrayLike<number>[], bs: readonly ArrayLike<number>[]): number =>
  total(as.map((a, i) => dot(a, bs[i]!)));

const derivatives = graphCount(150);
test(`${derivatives} random graphs: reverse mode, forward mode and central differences agree`, async () => {
  await forRandomGraphs(derivatives, async (options) => {
    const { inputs, apply } = randomFunction(options.seed, options);
    const { next } = randomSource(options.seed + 1);
    const noise = (size: number): Float64Array => Float64Array.from({ length: size }, () => next() * 2 - 1);
    const tensors = inputs.map((input) => stored(input, input.data));
    const places = inputs.flatMap(({ dtype }, i) => (isFloat(dtype) ? [i] : []));
    const points = places.map((i) => tensors[i]!);
    // A function of the float inputs alone, that returns its float results alone.
    const f = (...floats: Tensor[]): Tensor[] => {
      const all = tensors.map((tensor, i) => floats[places.indexOf(i)] ?? tensor);
      return apply(...all).filter(({ dtype }) => isFloat(dtype));
    };
    const valueAt = (step: number): number => {
      const moved = points.map((point, k) => {
        const { data } = point.storage as HostStorage;
        return stored(point, Float64Array.from(data, (x, i) => x + step * along[k]![i]!));
      });
      return pairwise(interpret(f(...moved)), weights);
    };
    if (f(...points).length === 0) return;
    const [outputs, pullback] = vjp(f, ...points);
    const along = points.map(({ size }) => noise(size));
    const weights = outputs.map(({ size }) => noise(size));

    const cotangents = outputs.map((output, i) => stored(output, weights[i]!));
    const gradient = pullback(cotangents);
    const [, change] = jvp(f, points, points.map((point, k) => stored(point, along[k]!)));
    const reverse = interpret(gradient);
    const [backward, forward] = [pairwise(reverse, along), pairwise(interpret(change), weights)];
    const scale = 1 + total(reverse.map((g, k) => dot(g.map(Math.abs), along[k]!.map(Math.abs))));
    expect(Math.abs(backward - forward), `reverse ${backward}, forward ${forward}`).toBeLessThan(1e-10 * scale);

    // Two step lengths: their extrapolation is exact to h⁴, and their distance bounds its error.
    const slope = (h: number): number => (valueAt(h) - valueAt(-h)) / (2 * h);
    const [coarse, fine] = [slope(2e-4), slope(1e-4)];
    const numeric = fine + (fine - coarse) / 3;
    const allowed = 1e-8 * (scale + Math.abs(valueAt(0))) + Math.abs(fine - coarse);
    expect(Math.abs(backward - numeric), `reverse ${backward}, differences ${numeric}`).toBeLessThan(allowed);

    const graph = { inputs: [...tensors, ...cotangents], outputs: gradient };
    const tolerance = { relative: 1e-8, absolute: 1e-8 };
    const [got] = await runGraph(device.backend, graph);
    for (const [i, wanted] of reverse.entries()) {
      if (!differenceOf(got![i]!, wanted, tolerance)) continue;
      expect.fail(`gradient ${i}: ${await describeWrongKernel(createReferenceBackend(), device.backend, graph, tolerance)}`);
    }
  }, smooth);
}, LONG);

const batches = graphCount(150);
test(`${batches} random graphs: vmap equals a loop`, async () => {
  await forRandomGraphs(batches, async (options) => {
    const size = 3;
    const { inputs, apply } = randomFunction(options.seed, options);
    const { chance, below, shuffled } = randomSource(options.seed + 1);
    // Some inputs are shared by all examples; others are stacked along any axis. An example is a shuffled input.
    const axes = inputs.map(({ shape }, i) => (i > 0 && chance(0.3) ? null : below(shape.length + 1)));
    const examples = inputs.map(({ data }, i) =>
      Array.from({ length: size }, (_, n) => (axes[i] === null || n === 0 ? data : reordered(data, shuffled))),
    );
    const stacked = inputs.map((input, i) => {
      const axis = axes[i]!;
      if (axis === null) return stored(input, input.data);
      const lead = primitive.concat(
        examples[i]!.map((data) => primitive.reshape(stored(input, data), [1, ...input.shape])),
        0,
      );
      const order = [...input.shape.keys()].map((k) => k + 1);
      return primitive.permute(lead, order.toSpliced(axis, 0, 0));
    });
    const mapped = interpret(vmap(apply, { in: axes })(...stacked) as Tensor[]);
    for (let n = 0; n < size; n++) {
      const alone = interpret(apply(...inputs.map((input, i) => stored(input, examples[i]![n]!))));
      alone.forEach((wanted, i) => {
        const got = mapped[i]!.slice(n * wanted.length, (n + 1) * wanted.length);
        expectClose(got, wanted, { relative: 1e-11, absolute: 1e-11 }, `example ${n}, output ${i}`);
      });
    }
  }, { dtype: "float64" });
}, LONG);

const reordered = (data: TypedArray, shuffled: <T>(xs: readonly T[]) => T[]): TypedArray => {
  const copy = data.slice();
  copy.set(shuffled([...data]));
  return copy;
};
