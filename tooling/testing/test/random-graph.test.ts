/** The generators themselves: a seed repeats its graph, everything is drawn, and a wrong kernel is found. */
import { createReferenceBackend } from "@dormouse/backend-cpu/reference";
import {
  type Backend, type Body, HostStorage, type Params, type Primitive, primitive, topologicalOrder,
} from "@dormouse/tensor/graph";
import { expect, test } from "vitest";
import {
  type RandomGraph, describeWrongKernel, firstWrongKernel, interpret, randomFunction, randomGraph, runGraph,
} from "../src/index.ts";

const describeBody = ({ output }: Body): string => describeGraph({ inputs: [], outputs: [output] });

const describeGraph = ({ inputs, outputs }: RandomGraph): string => {
  const order = topologicalOrder(outputs);
  const lines = order.map((node) => {
    const sources = node.sources.map((source) => order.indexOf(source)).join();
    const params = node.op === "call" ? describeBody((node.params as Params["call"]).body) : JSON.stringify(node.params);
    return `${node.op} ${sources} ${node.dtype}[${node.shape.join()}] ${params}`;
  });
  const data = inputs.map(({ storage }) => (storage as HostStorage).data.join());
  return [...lines, ...data, outputs.map((output) => order.indexOf(output)).join()].join("\n");
};

test("a seed gives the same graph every time, and another seed another", () => {
  for (let seed = 0; seed < 50; seed++) {
    const options = { extremes: seed % 2 === 0, wide: seed % 3 === 0 };
    expect(describeGraph(randomGraph(seed, options))).toBe(describeGraph(randomGraph(seed, options)));
  }
  expect(describeGraph(randomGraph(1))).not.toBe(describeGraph(randomGraph(2)));
});

test("a graph as a function is the graph", () => {
  for (let seed = 0; seed < 50; seed++) {
    const { inputs, apply } = randomFunction(seed);
    const holes = inputs.map(({ shape, dtype }) => primitive.placeholder(shape, dtype));
    const got = interpret(apply(...holes), new Map(holes.map((hole, i) => [hole, inputs[i]!.data])));
    expect(got).toEqual(interpret(randomGraph(seed).outputs));
  }
});

test("all primitives that make values are drawn, over all dtypes", () => {
  const drawn = new Set<string>();
  for (let seed = 0; seed < 600; seed++) {
    for (const { op, dtype } of topologicalOrder(randomGraph(seed, { wide: true }).outputs)) drawn.add(op).add(dtype);
  }
  const wanted: readonly Primitive[] = [
    "constant", "buffer", "iota", "random", "neg", "exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "atan", "erf",
    "sqrt", "floor", "cast", "add", "mul", "div", "max", "pow", "less", "lessEqual", "equal", "where", "reshape",
    "permute", "broadcast", "slice", "pad", "concat", "window", "fold", "reduce", "argmax", "cumsum", "argsort", "dot",
    "gather", "scatterAdd", "factor", "triangularSolve", "identity", "call", "check",
  ];
  expect([...wanted, "float64", "int32", "uint32", "uint8", "bool"].filter((name) => !drawn.has(name))).toEqual([]);
});

/** The reference, except that kernels that add up rows write 1 too much to element 2 of what they write. */
function faultyBackend(): Backend {
  const backend = createReferenceBackend();
  return {
    ...backend,
    run(executable, buffers) {
      backend.run(executable, buffers);
      const { kernels, steps, inputs } = executable.program;
      for (const { kernel, slots } of steps) {
        if (!JSON.stringify(kernels[kernel]).includes('"combine":"sum"')) continue;
        const slot = slots[kernels[kernel]!.args.findIndex(({ access }) => access === "write")]!;
        if (slot.space !== "output") continue;
        const buffer = buffers[inputs.length + slot.index]!;
        const before = new Float64Array(backend.readSync!(buffer, 0, 24));
        backend.write(buffer, Float64Array.of(before[2]! + 1), 16);
      }
    },
  };
}

test("the first wrong kernel is named, with its first wrong element", async () => {
  const x = primitive.buffer([4, 3], "float64");
  x.storage = new HostStorage(Float64Array.from({ length: 12 }, (_, i) => i));
  const sums = primitive.reduce(primitive.cumsum(x, 1), "sum", [1]);
  const graph = { inputs: [x], outputs: [primitive.cumsum(primitive.neg(sums), 0)] };
  const [right] = await runGraph(createReferenceBackend(), graph);
  // Row i holds 3i, 3i + 1, 3i + 2; its running sums add up to 18i + 4.
  expect([...right![0]!]).toEqual([-4, -26, -66, -124]);

  const wrong = await firstWrongKernel(createReferenceBackend(), faultyBackend(), graph);
  expect(wrong).toMatchObject({ step: 1, element: 2, differing: 1, length: 4 });
  expect(Math.abs(wrong!.actual - wrong!.expected)).toBe(1);
  expect(await describeWrongKernel(createReferenceBackend(), faultyBackend(), graph)).toMatch(
    /^step 1 \(loop\) writes \S+ to element 2 of its argument \d and should write \S+ \(1 of 4 differ\)\n\{"kind":"loop"/,
  );
  expect(await describeWrongKernel(createReferenceBackend(), createReferenceBackend(), graph)).toBe(
    "every kernel is right by itself",
  );
});
