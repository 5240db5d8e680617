/** Times of kernels by the GPU's own clock: every dispatch is counted, and what cannot be timed is refused by name. */
import { cpu } from "@dormouse/backend-cpu";
import { type Tensor, add, compile, cumsum, exp, matmul, setDevice, sum, tensor } from "@dormouse/tensor";
import { expect, test } from "vitest";
import { findAdapter, requestDevice } from "../src/adapter.ts";
import type { WebGpuBackend } from "../src/backend.ts";
import { kernelTimes, webgpu } from "../src/index.ts";
import { adapter, describeOnGpu, device } from "./gpu.ts";

const hasClock = adapter.available && adapter.features.includes("timestamp-query");

describeOnGpu("a profile", () => {
  test.skipIf(!hasClock)("has the time of every kernel, and counts every dispatch", async () => {
    await using own = await webgpu({ profile: true });
    setDevice(own);
    expect(await kernelTimes(own)).toEqual([]);
    const step = compile((x: Tensor<[64, 64]>) => sum(exp(matmul(x, x))));
    const x = tensor(new Float32Array(64 * 64).fill(0.01), { shape: [64, 64] });
    for (let i = 0; i < 5; i++) await step(x).item();
    await cumsum(add(tensor([1, 2, 3]), 1), { axis: 0 }).data();
    setDevice(device);
    const times = await kernelTimes(own);
    expect(times.find(({ kernel }) => kernel === "contract [] [64] [64] [64]")!.dispatches).toBe(5);
    expect(times.some(({ kernel }) => kernel === "cumsum [1, 3, 1]")).toBe(true);
    const { dispatches } = (own.backend as WebGpuBackend).statistics;
    expect(times.reduce((total, each) => total + each.dispatches, 0)).toBe(dispatches);
    expect(times.map(({ milliseconds }) => milliseconds)).toEqual(
      times.map(({ milliseconds }) => milliseconds).toSorted((a, b) => b - a),
    );
    expect(times[0]!.milliseconds).toBeGreaterThan(0);
    expect(times[0]!.milliseconds).toBeLessThan(60_000);
  }, 120_000);

  test("is refused on a device without the clock", async () => {
    await using own = await webgpu();
    await expect(kernelTimes(own)).rejects.toThrow(
      `kernelTimes: kernels are not timed on ${own.name}; make the device with webgpu({ profile: true })`,
    );
    const gpu = await requestDevice((await findAdapter()) as GPUAdapter);
    await expect(webgpu({ device: gpu, profile: true })).rejects.toThrow(
      /^webgpu: kernels cannot be timed: the GPU has no timestamp-query; leave profile out/,
    );
    gpu.destroy();
  });
});

test("there are no times of kernels on the processor", async () => {
  await using processor = await cpu({ threads: 1 });
  await expect(kernelTimes(processor)).rejects.toThrow("kernelTimes: kernels are not timed on cpu");
});
