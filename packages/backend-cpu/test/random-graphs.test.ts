/**
 * Random graphs on the WebAssembly backend: against an interpreter that knows nothing of lowering, fused and not,
 * evaluated and compiled, with one thread and several, run after run. DORMOUSE_GRAPHS sets how many, DORMOUSE_SEED
 * which.
 */
import { type TypedArray, compile, evaluate, setDevice, tensor } from "@dormouse/tensor";
import type { Device } from "@dormouse/tensor/graph";
import {
  type GraphCase, describeWrongKernel, differenceOf, forRandomGraphs, graphCount, interpret, randomFunction,
  randomGraph, runGraph,
} from "@dormouse/testing";
import { afterAll, expect, test } from "vitest";
import { cpu } from "../src/index.ts";
import { createReferenceBackend } from "../src/reference.ts";

const COUNT = graphCount(500);
const DEVICE_COUNT = graphCount(150);
const LONG = 3_600_000;
const oracle = createReferenceBackend();
const makeDevices = () => Promise.all([cpu({ threads: 1 }), cpu({ threads: 2 })]);
const dispose = (devices: readonly Device[]) => Promise.all(devices.map((device) => device[Symbol.asyncDispose]()));
let [one, several] = await makeDevices();
afterAll(() => dispose([one, several]));

/** New devices now and then: a device keeps the code of all its kernels, and V8 has room for some 20 000 of them. */
let cases = 0;
async function renewDevices(): Promise<void> {
  if (++cases % 500 !== 0) return;
  await dispose([one, several]);
  [one, several] = await makeDevices();
}

/** float64 differs by the order of sums and the last bits of functions; float32 by what its rounding has grown to. */
const toleranceOf = ({ dtype }: GraphCase) => {
  const most = dtype === "float64" ? 1e-9 : 2e-3;
  return { relative: most, absolute: most };
};

/** Fails with the first output that is not `wanted`, and with what `explain` finds out. */
async function expectOutputs(
  got: readonly TypedArray[],
  wanted: readonly ArrayLike<number>[],
  graph: GraphCase,
  what: string,
  explain: () => Promise<string>,
): Promise<void> {
  for (const [i, values] of wanted.entries()) {
    const difference = differenceOf(got[i]!, values, toleranceOf(graph));
    if (!difference) continue;
    const { first, count } = difference;
    expect.fail(
      `${what}: element ${first} of output ${i} is ${got[i]![first]} and should be ${values[first]} ` +
        `(${count} of ${values.length} differ): ${await explain()}`,
    );
  }
}

const sameBits = (a: readonly TypedArray[], b: readonly TypedArray[], what: string): void =>
  a.forEach((values, i) => {
    const [x, y] = [values, b[i]!].map(({ buffer }) => new Uint8Array(buffer));
    const at = x!.findIndex((byte, n) => byte !== y![n]);
    if (at < 0) return;
    const element = Math.floor(at / values.BYTES_PER_ELEMENT);
    expect.fail(`${what}: element ${element} of output ${i} is ${values[element]} and ${b[i]![element]}`);
  });

test(`${COUNT} random graphs, fused and not, run after run, with one thread and two`, async () => {
  await forRandomGraphs(COUNT, async (options) => {
    await renewDevices();
    const graph = randomGraph(options.seed, options);
    const wanted = interpret(graph.outputs);
    for (const fuse of options.seed % 2 === 0 ? [true, false] : [true]) {
      const [first, second] = await runGraph(one.backend, graph, { fuse, times: 2 });
      await expectOutputs(first!, wanted, options, fuse ? "fused" : "unfused", () =>
        describeWrongKernel(oracle, one.backend, graph, { fuse, ...toleranceOf(options) }),
      );
      sameBits(first!, second!, "a second run");
      if (!fuse) continue;
      const [threaded, again] = await runGraph(several.backend, graph, { times: 2 });
      sameBits(threaded!, first!, "two threads and one");
      sameBits(threaded!, again!, "a second run with two threads");
    }
  });
}, LONG);

test(`${DEVICE_COUNT} random graphs, evaluated and compiled`, async () => {
  await forRandomGraphs(DEVICE_COUNT, async (options) => {
    await renewDevices();
    setDevice(several);
    const { inputs, apply } = randomFunction(options.seed, options);
    const graph = randomGraph(options.seed, options);
    const wanted = interpret(graph.outputs);
    const fresh = () => inputs.map(({ shape, dtype, data }) => tensor(data.slice(), { shape, dtype }));
    const explain = () => describeWrongKernel(oracle, several.backend, graph, toleranceOf(options));

    const outputs = apply(...fresh());
    evaluate(outputs);
    const eager = outputs.map((output) => output.dataSync());
    await expectOutputs(eager, wanted, options, "evaluated", explain);

    // One output at a time: later ones build on what earlier ones left on the device.
    const single = apply(...fresh()).map((output) => output.dataSync());
    await expectOutputs(single, wanted, options, "evaluated one by one", explain);

    const donate = options.seed % 2 === 0 ? inputs.map((_, i) => i) : [];
    const compiled = compile(apply, { donate });
    for (const call of ["first", "second"]) {
      const results = compiled(...fresh()).map((output) => output.dataSync());
      await expectOutputs(results, wanted, options, `compiled, ${call} call`, explain);
    }
  });
}, LONG);
