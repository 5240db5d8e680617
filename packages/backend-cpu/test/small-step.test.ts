/**
 * What a step of a small model costs besides its kernels, counted rather than timed: bytes that the garbage collector
 * has to look at, memory of the device, threads that are woken.
 */
import { GCProfiler, getHeapStatistics } from "node:v8";
import { valueAndGrad } from "@dormouse/autograd";
import { adam } from "@dormouse/optim";
import {
  type Tensor, compile, linear, logSoftmax, matmul, mean, mul, neg, relu, setDevice, sum, tensor, treeLeaves, zeros,
} from "@dormouse/tensor";
import type { Device } from "@dormouse/tensor/graph";
import { expect, test } from "vitest";
import type { CpuBackend } from "../src/backend.ts";
import { cpu } from "../src/index.ts";
import { random } from "./wasm/kernel-support.ts";

type Layers = readonly { readonly weight: Tensor; readonly bias: Tensor }[];

const uniform = (shape: readonly number[], seed: number): Tensor => {
  const next = random(seed);
  const size = shape.reduce((product, length) => product * length, 1);
  return tensor(Float32Array.from({ length: size }, () => 2 * next() - 1), { shape });
};

/** An Adam step of a network 2-16-16-2 on 32 examples; returns how to take one, and the last loss. */
function training(): { step: () => void; loss: () => Tensor; leaves: () => number } {
  const optimizer = adam({ learningRate: 1e-3 });
  const lossOf = (layers: Layers, x: Tensor, y: Tensor): Tensor => {
    const logits = layers.reduce((input, { weight, bias }, i) => {
      const output: Tensor = linear(input, weight, bias);
      return i + 1 < layers.length ? relu(output) : output;
    }, x);
    return neg(mean(sum(mul(y, logSoftmax(logits)), { axis: -1 })));
  };
  let layers: Layers = [[2, 16], [16, 16], [16, 2]].map(([inputs, outputs], i) => ({
    weight: uniform([outputs!, inputs!], i + 1),
    bias: zeros([outputs!]),
  }));
  let state = optimizer.init(layers);
  const compiled = compile(
    (before: Layers, stateBefore: typeof state, x: Tensor, y: Tensor) => {
      const [loss, gradient] = valueAndGrad((each: Layers) => lossOf(each, x, y))(before);
      return [...optimizer.update(gradient, stateBefore, before), loss] as const;
    },
    { donate: [0, 1] },
  );
  const examples = uniform([32, 2], 9);
  const labels = tensor(
    Float32Array.from({ length: 64 }, (_, i) => Number(i % 4 === 0 || i % 4 === 3)),
    { shape: [32, 2] },
  );
  let loss: Tensor;
  return {
    step: () => void ([layers, state, loss] = compiled(layers, state, examples, labels)),
    loss: () => loss,
    leaves: () => treeLeaves([layers, state]).length,
  };
}

const on = async (threads: number): Promise<{ device: Device; backend: CpuBackend }> => {
  const device = await cpu({ threads });
  setDevice(device);
  return { device, backend: device.backend as CpuBackend };
};

/** Bytes that the collector's heap was asked for while `f` ran: what is used more, and what was collected meanwhile. */
function allocatedBytes(f: () => void): number {
  const profiler = new GCProfiler();
  profiler.start();
  const before = getHeapStatistics().used_heap_size;
  f();
  const after = getHeapStatistics().used_heap_size;
  const used = ({ heapStatistics }: { heapStatistics: { usedHeapSize: number } }) => heapStatistics.usedHeapSize;
  const { statistics } = profiler.stop();
  return statistics.reduce((total, { beforeGC, afterGC }) => total + used(beforeGC) - used(afterGC), after - before);
}

test("20 000 steps make the 21 tensors that each returns and hardly anything else", async () => {
  const { device, backend } = await on(1);
  const { step, loss, leaves } = training();
  for (let i = 0; i < 20_000; i++) step();
  const first = await loss().item();
  const { buffers, bytes } = device.statistics;
  const { liveBytes, liveBlocks, memoryBytes } = backend.statistics;

  const perStep = allocatedBytes(() => {
    for (let i = 0; i < 20_000; i++) step();
  }) / 20_000;

  // Parameters, both moments of each, the count of steps, the rate, and the loss: a tensor is 13 words of 8 bytes, its
  // place in the trees about 8 more. The rest is for steps that are not yet compiled to machine code.
  const given = leaves() + 1;
  expect(given).toBe(21);
  expect(perStep).toBeLessThan(given * 256);
  // Less than the tensors alone would mean that the count is wrong.
  expect(perStep).toBeGreaterThan(given * 13 * 8);
  expect(device.statistics).toMatchObject({ buffers, bytes });
  expect(backend.statistics).toMatchObject({ liveBytes, liveBlocks, memoryBytes });
  expect(await loss().item()).toBeLessThan(first);
});

test("a small step wakes no thread, a large product wakes all", async () => {
  const { backend } = await on(2);
  const { step, loss } = training();
  for (let i = 0; i < 1000; i++) step();
  expect(Number.isFinite(await loss().item())).toBe(true);
  expect(backend.sharedRuns).toBe(0);

  const a = uniform([512, 512], 1);
  await matmul(a, a).data();
  expect(backend.sharedRuns).toBe(1);
  for (let i = 0; i < 1000; i++) step();
  expect(backend.sharedRuns).toBe(1);
});

test.each([1, 2])("elements are read into an array that exists, whatever their type (%d threads)", async (threads) => {
  const { backend } = await on(threads);
  const arrays = [
    Float32Array.of(1.5, -0, NaN, Infinity), Float64Array.of(Math.PI, -1e300), Int32Array.of(-7, 2 ** 31 - 1),
    Uint32Array.of(2 ** 32 - 1), Uint8Array.of(0, 1, 255), Uint16Array.of(65535, 3), new Float32Array(0),
  ];
  for (const array of arrays) {
    const buffer = backend.alloc(array.byteLength);
    backend.write(buffer, array);
    const copy = array.slice().fill(9);
    backend.readInto!(buffer, copy);
    expect(copy).toEqual(array);
    expect(() => backend.readInto!(buffer, new Float64Array(9))).toThrow("read: bytes 0 to 72 of a buffer of");
    backend.free(buffer);
    expect(() => backend.readInto!(buffer, copy)).toThrow(`read: the buffer of ${array.byteLength} bytes was freed`);
  }
  // Views into a larger array, and writes that start within the buffer.
  const buffer = backend.alloc(16);
  backend.write(buffer, Float32Array.of(9, 1, 2, 9).subarray(1, 3));
  backend.write(buffer, Float32Array.of(3, 4), 8);
  const copy = new Float32Array(4);
  backend.readInto!(buffer, copy);
  expect([...copy]).toEqual([1, 2, 3, 4]);
});
