/**
 * Half precision on the WebAssembly backend: every kernel of random graphs against the reference backend from the same
 * memory, with one thread and two. Both accumulate in float32 or better and round once, so that they may differ by one
 * unit in the last place of float16, where the last bits of float32 decide it.
 */
import type { Device } from "@dormouse/tensor/graph";
import { type GraphCase, describeWrongKernel, firstWrongKernel, forRandomGraphs, graphCount, randomGraph } from "@dormouse/testing";
import { afterAll, expect, test } from "vitest";
import { cpu } from "../src/index.ts";
import { createReferenceBackend } from "../src/reference.ts";

const oracle = createReferenceBackend();
const devices: readonly Device[] = [await cpu({ threads: 1 }), await cpu({ threads: 2 })];
afterAll(() => Promise.all(devices.map((device) => device[Symbol.asyncDispose]())));

/** One unit in the last place is 2⁻¹⁰ of the number at most; beside zero sums of float32 leave their own error. */
const oneUnit = { relative: 2 ** -10, absolute: 1e-5 };

test(`kernels of ${graphCount(150)} random graphs of half precision, fused and not`, async () => {
  await forRandomGraphs(
    graphCount(150),
    async ({ seed, ...options }: GraphCase) => {
      const graph = randomGraph(seed, options);
      for (const { backend } of devices) {
        for (const fuse of [true, false]) {
          if (!(await firstWrongKernel(oracle, backend, graph, { fuse, ...oneUnit }))) continue;
          expect.fail(await describeWrongKernel(oracle, backend, graph, { fuse, ...oneUnit }));
        }
      }
    },
    { dtype: "float16" },
  );
}, 3_600_000);
