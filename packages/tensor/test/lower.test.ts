/** Random graphs: lowered programs on the reference backend against a naive interpreter of the graph itself. */
import { createReferenceBackend, reference } from "@dormouse/backend-cpu/reference";
import { differenceOf, forRandomGraphs, graphCount, interpret, randomGraph, runGraph } from "@dormouse/testing";
import { type Tensor, add, compile, div, setDevice, sum, tensor } from "@dormouse/tensor";
import {
  HostStorage, type Step, lower, primitive, topologicalOrder,
} from "@dormouse/tensor/graph";
import { expect, test } from "vitest";
import { referenceWith } from "./reference-device.ts";

const COUNT = graphCount(250);

test.each([
  ["fused", true],
  ["one kernel per operation", false],
])(`${COUNT} random graphs, %s`, async (_, fuse) => {
  const backend = createReferenceBackend();
  await forRandomGraphs(COUNT, async ({ seed, ...options }) => {
    const graph = randomGraph(seed, options);
    const wanted = interpret(graph.outputs);
    const [got] = await runGraph(backend, graph, { fuse });
    const tolerance = options.dtype === "float64" ? 1e-9 : 2e-3;
    graph.outputs.forEach(({ op, dtype, shape }, i) => {
      const difference = differenceOf(got![i]!, wanted[i]!, { relative: tolerance, absolute: tolerance });
      if (!difference) return;
      const { first, count } = difference;
      expect.fail(
        `output ${i} (${op} ${dtype}[${shape.join(", ")}]): element ${first} is ${got![i]![first]} instead of ` +
          `${wanted[i]![first]}, and ${count - 1} more differ`,
      );
    });
  });
}, 3_600_000);

/** Buffers that a step is given: scratch memory is one. */
const buffersOf = ({ slots }: Step): number =>
  new Set(slots.map((slot) => (slot.space === "temporary" ? "scratch" : `${slot.space} ${slot.index}`))).size;

test(`${COUNT} random graphs, no kernel of which takes more than 5 buffers`, async () => {
  const backend = referenceWith({ maxBindings: 5 });
  let most = 0;
  await forRandomGraphs(COUNT, async ({ seed, ...options }) => {
    const graph = randomGraph(seed, options);
    const { program } = lower(graph, { key: `few buffers ${seed}`, maxBindings: 5 });
    for (const step of program.steps) most = Math.max(most, buffersOf(step));
    expect(most).toBeLessThanOrEqual(5);
    const wanted = interpret(graph.outputs);
    const [got] = await runGraph(backend, graph);
    const tolerance = options.dtype === "float64" ? 1e-9 : 2e-3;
    graph.outputs.forEach((_, i) => {
      expect(differenceOf(got![i]!, wanted[i]!, { relative: tolerance, absolute: tolerance })).toBeNull();
    });
  });
  expect(most).toBe(5);
}, 3_600_000);

test("sums of many tensors take no more buffers than a kernel may have", async () => {
  setDevice(await reference());
  const parts = Array.from({ length: 61 }, (_, i): Tensor => tensor([i, 2 * i, 3 * i]));
  const total = parts.reduce((before, part) => add(before, part));
  const { program } = lower({ inputs: topologicalOrder([total]).filter(({ storage }) => storage), outputs: [total] }, { key: "sum", maxBindings: 9 });
  expect(Math.max(...program.steps.map(buffersOf))).toBe(9);
  // Each adds 7 parts or 8 to scratch memory, or to nothing.
  expect(program.steps).toHaveLength(Math.ceil(61 / 7));
});

test("a value without elements takes no kernel, and what is built around it reads nothing", async () => {
  const input = primitive.buffer([0, 2], "float64");
  input.storage = new HostStorage(new Float64Array(0));
  const nothing = primitive.cumsum(input, 0);
  const graph = {
    inputs: [input],
    outputs: [
      primitive.pad(nothing, [1, 0], [0, 1], [0, 0], 7),
      primitive.reduce(nothing, "sum", [0]),
      primitive.dot(primitive.permute(nothing, [1, 0]), nothing),
    ],
  };
  for (const fuse of [true, false]) {
    const [got] = await runGraph(createReferenceBackend(), graph, { fuse });
    expect(got!.map((values) => [...values])).toEqual([[7, 7, 7], [0, 0], [0, 0, 0, 0]]);
  }
});

test("a result does not take over a donated argument that a sum beside it still reads", async () => {
  setDevice(await reference());
  const f = compile((x: Tensor) => {
    const scaled = div(x, 2);
    return [scaled, sum(scaled)] as const;
  }, { donate: [0] });
  const [scaled, total] = f(tensor([2, 4, 6]));
  expect([await scaled.array(), await total.item()]).toEqual([[1, 2, 3], 6]);
});

/** An input of a graph, with some numbers in it. */
const inputOf = (shape: readonly number[]): Tensor => {
  const input = primitive.buffer(shape, "float32");
  const length = shape.reduce((product, each) => product * each, 1);
  input.storage = new HostStorage(Float32Array.from({ length }, (_, i) => Math.sin(i)));
  return input;
};

test("what costs little beside a stored value is computed again", () => {
  const x = inputOf([64, 64]);
  const t = primitive.tanh(x);
  const ones = primitive.constant(1, [64, 64]);
  const plus = primitive.add(t, ones);
  const minus = primitive.add(primitive.neg(t), ones);
  const outputs = [
    primitive.reduce(plus, "max", [0]), primitive.reduce(plus, "max", [1]), primitive.reduce(minus, "sum", [0, 1]),
  ];
  // tanh alone.
  expect(lower({ inputs: [x], outputs }, { key: "tanh" }).program.temporaryBytes).toBe(64 * 64 * 4);
});

test("of a sum of windows only the part that is read is computed", async () => {
  const windows = inputOf([2, 5, 6, 3, 3]);
  const image = primitive.fold(windows, [3, 3], [1, 1], [1, 1], [7, 8]);
  const graph = { inputs: [windows], outputs: [primitive.slice(image, [0, 1, 1], [1, 1, 2], [2, 5, 3])] };
  const { program } = lower(graph, { key: "crop" });
  expect(program.kernels).toMatchObject([{ kind: "loop", outer: [2, 5, 3], inner: [3, 3] }]);
  const [got] = await runGraph(createReferenceBackend(), graph);
  expect(differenceOf(got![0]!, interpret(graph.outputs)[0]!, { relative: 1e-6, absolute: 1e-6 })).toBeNull();
});
