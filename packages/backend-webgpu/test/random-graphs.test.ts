/**
 * Random float32 graphs on the GPU: against an interpreter that knows nothing of lowering, fused and not, evaluated and
 * compiled with donated arguments. DORMOUSE_GRAPHS sets how many, DORMOUSE_SEED which. What needs float64 on the way is
 * left out: the GPU refuses it, and another test says so.
 */
import { type TypedArray, compile, evaluate, setDevice, tensor } from "@dormouse/tensor";
import { createReferenceBackend } from "@dormouse/backend-cpu/reference";
import { topologicalOrder } from "@dormouse/tensor/graph";
import {
  type GraphCase, type RandomGraph, describeWrongKernel, differenceOf, forRandomGraphs, graphCount, interpret,
  randomFunction, randomGraph, runGraph,
} from "@dormouse/testing";
import { expect, test } from "vitest";
import { backend, describeOnGpu, device } from "./gpu.ts";

const COUNT = graphCount(60);
const DEVICE_COUNT = graphCount(25);
const LONG = 3_600_000;
const oracle = createReferenceBackend();
const tolerance = { relative: 2e-3, absolute: 2e-3 };
const fits = ({ outputs }: RandomGraph): boolean => topologicalOrder(outputs).every(({ dtype }) => dtype !== "float64");

/** Fails with the first output that is not `wanted`, and with the kernel that is to blame. */
async function expectOutputs(
  got: readonly TypedArray[],
  wanted: readonly ArrayLike<number>[],
  graph: RandomGraph,
  what: string,
  fuse = true,
): Promise<void> {
  for (const [i, values] of wanted.entries()) {
    const difference = differenceOf(got[i]!, values, tolerance);
    if (!difference) continue;
    const { first, count } = difference;
    expect.fail(
      `${what}: element ${first} of output ${i} is ${got[i]![first]} and should be ${values[first]} ` +
        `(${count} of ${values.length} differ): ${await describeWrongKernel(oracle, backend, graph, { fuse, ...tolerance })}`,
    );
  }
}

describeOnGpu("random graphs", () => {
  test(`${COUNT} fused and not`, async () => {
    let tried = 0;
    await forRandomGraphs(COUNT, async (options: GraphCase) => {
      const graph = randomGraph(options.seed, options);
      if (!fits(graph)) return;
      tried++;
      const wanted = interpret(graph.outputs);
      for (const fuse of options.seed % 2 === 0 ? [true, false] : [true]) {
        const [got] = await runGraph(backend, graph, { fuse });
        await expectOutputs(got!, wanted, graph, fuse ? "fused" : "unfused", fuse);
      }
    }, { dtype: "float32" });
    expect(tried).toBeGreaterThan(COUNT / 4);
  }, LONG);

  test(`${DEVICE_COUNT} evaluated and compiled`, async () => {
    await forRandomGraphs(DEVICE_COUNT, async (options: GraphCase) => {
      const graph = randomGraph(options.seed, options);
      if (!fits(graph)) return;
      setDevice(device);
      const { inputs, apply } = randomFunction(options.seed, options);
      const wanted = interpret(graph.outputs);
      const fresh = () => inputs.map(({ shape, dtype, data }) => tensor(data.slice(), { shape, dtype }));

      const outputs = apply(...fresh());
      evaluate(outputs);
      await expectOutputs(await Promise.all(outputs.map((output) => output.data())), wanted, graph, "evaluated");

      const donate = options.seed % 2 === 0 ? inputs.map((_, i) => i) : [];
      const compiled = compile(apply, { donate });
      for (const call of ["first", "second"]) {
        const results = await Promise.all(compiled(...fresh()).map((output) => output.data()));
        await expectOutputs(results, wanted, graph, `compiled, ${call} call`);
      }
    }, { dtype: "float32" });
  }, LONG);
});
