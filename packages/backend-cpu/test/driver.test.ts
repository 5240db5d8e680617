/**
 * The driver, barriers and threads with generators made by hand, so that what is tested here does not depend on the
 * real ones: a loop kernel reverses its input and adds one, split among threads.
 */
import type { Kernel, LoopKernel, Program, Slot } from "@dormouse/tensor/graph";
import { DeviceError, ValueError } from "@dormouse/tensor";
import { describe, expect, test } from "vitest";
import { type CpuBackend, createCpuBackend } from "../src/backend.ts";
import { barriersOf } from "../src/barriers.ts";
import { f32, i32 } from "../src/wasm/encoder.ts";
import { type KernelGenerator, kernelExport, kernelParameters } from "../src/wasm/generator.ts";
import type { Generators } from "../src/wasm/kernel.ts";
import { call } from "../src/wasm/module.ts";
import { affine, argument, execute, load, mapKernel, singleKernel } from "./support.ts";

const signature = { name: kernelExport, parameters: kernelParameters, export: true } as const;

/** output[i] = input[length − 1 − i] + 1. */
const reverse: KernelGenerator<LoopKernel> = (module, kernel, { barrier }) => {
  const length = kernel.args[0]!.length;
  module.function(signature, (f, p) => {
    const share = (index: typeof p.threadIndex | ReturnType<typeof i32.add>) =>
      i32.div_u(i32.mul(i32.const(length), index), p.threadCount);
    const input = f.let(i32.load(p.arguments));
    const output = f.let(i32.load(p.arguments, 4));
    const i = f.let(share(p.threadIndex));
    const end = f.let(share(i32.add(p.threadIndex, i32.const(1))));
    f.count(i, end, 1, () => {
      const from = i32.add(input, i32.mul(i32.sub(i32.const(length - 1), i), i32.const(4)));
      const to = i32.add(output, i32.mul(i, i32.const(4)));
      f.do(f32.store(to, f32.add(f32.load(from), f32.const(1))));
    });
    f.do(call(barrier, p.threadCount) as ReturnType<typeof f32.store>);
  });
  return { scratchBytes: () => 0 };
};

/** Every thread adds its index + 1 to its word of the scratch memory; thread 0 then stores the sum. */
const countThreads: KernelGenerator<Kernel> = (module, _kernel, { barrier }) => {
  module.function(signature, (f, p) => {
    const mine = i32.add(p.scratch, i32.mul(p.threadIndex, i32.const(4)));
    f.do(i32.store(mine, i32.add(p.threadIndex, i32.const(1))));
    f.do(call(barrier, p.threadCount) as ReturnType<typeof i32.store>);
    f.if(i32.eqz(p.threadIndex), () => {
      const sum = f.local("i32");
      const i = f.local("i32");
      f.count(i, p.threadCount, 1, () => {
        f.set(sum, i32.add(sum, i32.load(i32.add(p.scratch, i32.mul(i, i32.const(4))))));
      });
      f.do(i32.store(i32.load(p.arguments, 4), sum));
    });
  });
  return { scratchBytes: (threads) => 4 * threads };
};

const trap: KernelGenerator<Kernel> = (module) => {
  module.function(signature, (f, p) => {
    f.if(i32.eq(p.threadIndex, i32.sub(p.threadCount, i32.const(1))), () => f.unreachable());
  });
  return { scratchBytes: () => 0 };
};

const generators: Generators = { loop: reverse, contract: countThreads, scatter: trap, routine: countThreads };
const open = (threads: number): Promise<CpuBackend> => createCpuBackend(generators, { threads });

const loopOf = (length: number): Kernel =>
  mapKernel([argument(length), argument(length, "write")], [length], load(0, affine([1])));

/** `count` kernels in a row, through two temporaries. */
function chain(length: number, count: number): Program {
  const bytes = Math.ceil((4 * length) / 256) * 256;
  const temporary = (i: number): Slot => ({ space: "temporary", offset: (i % 2) * bytes, bytes: 4 * length });
  return {
    key: `chain ${length} ${count}`,
    inputs: [{ dtype: "float32", length }],
    outputs: [{ dtype: "float32", length }],
    kernels: [loopOf(length)],
    steps: Array.from({ length: count }, (_, i) => ({
      kernel: 0,
      slots: [
        i === 0 ? { space: "input", index: 0 } : temporary(i - 1),
        i === count - 1 ? { space: "output", index: 0 } : temporary(i),
      ],
    })),
    temporaryBytes: 2 * bytes,
  };
}

const ramp = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => i);

describe.each([1, 2, 3])("%d threads", (threads) => {
  test.each([1, 7, 100_003])("a chain over %d elements, each step needing all of the last", async (length) => {
    await using backend = await open(threads);
    const program = chain(length, 21);
    const executable = await backend.compile(program);
    const [input, output] = [backend.alloc(4 * length), backend.alloc(4 * length)];
    for (let turn = 0; turn < 20; turn++) {
      backend.write(input, ramp(length).map((x) => x + turn));
      backend.run(executable, [input, output]);
      const result = new Float32Array(backend.readSync!(output, 0, 4 * length));
      expect(result.findIndex((x, i) => x !== length - 1 - i + turn + 21)).toBe(-1);
    }
  });

  test("all threads run a large kernel, thread 0 alone a small one", async () => {
    await using backend = await open(threads);
    const kernel = (size: number): Kernel => ({
      kind: "contract",
      args: [argument(1), argument(1, "write", "int32")],
      dtype: "float32",
      batch: [], m: [size], n: [size], k: [size],
      lhs: load(0, affine([0, 0, 0])),
      rhs: load(0, affine([0, 0, 0])),
      stores: [],
    });
    const [large] = await execute(backend, singleKernel(kernel(200)), [new Float32Array(1)]);
    const [small] = await execute(backend, singleKernel(kernel(2)), [new Float32Array(1)]);
    expect([...large!]).toEqual([(threads * (threads + 1)) / 2]);
    expect([...small!]).toEqual([1]);
  });

  test("200 programs come and go: kernels are instantiated before they run and memory stays flat", async () => {
    await using backend = await open(threads);
    let live = -1;
    for (let i = 0; i < 200; i++) {
      const length = 60_000 + i;
      const [output] = await execute(backend, chain(length, 3), [ramp(length)]);
      expect(output![5]).toBe(length - 6 + 3);
      if (live < 0) live = backend.statistics.liveBytes;
      expect(backend.statistics.liveBytes).toBe(live);
    }
  });
});

test("equal kernels of different programs share their code", async () => {
  let generated = 0;
  const counting: Generators = { ...generators, loop: (...given) => (generated++, reverse(...given)) };
  await using backend = await createCpuBackend(counting, { threads: 1 });
  const first = await backend.compile(chain(10, 2));
  const second = await backend.compile(chain(10, 3));
  expect(generated).toBe(1);
  first.dispose!();
  first.dispose!();
  const [input, output] = [backend.alloc(40), backend.alloc(40)];
  backend.write(input, ramp(10));
  backend.run(second, [input, output]);
  expect(new Float32Array(backend.readSync!(output, 0, 40))).toEqual(ramp(10).reverse().map((x) => x + 3));
  expect(() => backend.run(first, [input, output])).toThrow(DeviceError);
});

test("barriers only where a step meets what another thread did", () => {
  const length = 8;
  const kernels = [loopOf(length)];
  const slot = (space: "input" | "output", index: number): Slot => ({ space, index });
  const temporary = (offset: number): Slot => ({ space: "temporary", offset, bytes: 32 });
  const program: Program = {
    key: "barriers",
    inputs: [{ dtype: "float32", length }],
    outputs: [{ dtype: "float32", length }, { dtype: "float32", length, alias: 0 }],
    kernels,
    steps: [
      { kernel: 0, slots: [slot("input", 0), temporary(0)] },
      { kernel: 0, slots: [slot("input", 0), temporary(256)] }, // reads the same, writes elsewhere
      { kernel: 0, slots: [temporary(0), slot("output", 0)] }, // reads what step 0 wrote
      { kernel: 0, slots: [temporary(256), temporary(512)] }, // step 1 is behind a barrier already
      { kernel: 0, slots: [temporary(512), slot("output", 1)] }, // reads step 3
      { kernel: 0, slots: [slot("input", 0), temporary(0)] }, // reads the output that aliases input 0
    ],
    temporaryBytes: 1024,
  };
  const compiled = (parallel: boolean, scratch = 0) => [{ parallel, scratchBytes: () => scratch }];
  expect(barriersOf(program, compiled(true))).toEqual([false, false, true, false, true, true]);
  expect(barriersOf(program, compiled(false))).toEqual(new Array(6).fill(false));
  expect(barriersOf(program, compiled(true, 64))).toEqual([false, true, true, true, true, true]);
});

describe("mistakes", () => {
  test.each([1, 2])("a trap on the last of %d threads ends the run and the device", async (threads) => {
    await using backend = await open(threads);
    const kernel: Kernel = {
      kind: "scatter",
      args: [argument(1), argument(1, "write")],
      axes: [1_000_000], arg: 1, at: affine([0]), indirect: [], body: load(0, affine([0])),
    };
    await expect(execute(backend, singleKernel(kernel), [new Float32Array(1)])).rejects.toThrow(DeviceError);
    expect(() => backend.alloc(4)).toThrow("a program trapped or a thread of the device failed");
  });

  test("buffers are checked before anything runs", async () => {
    await using backend = await open(1);
    const executable = await backend.compile(chain(10, 2));
    const buffer = backend.alloc(40);
    expect(() => backend.run(executable, [buffer])).toThrow("run: 1 buffers for 2 inputs and outputs; give the inputs, then the outputs");
    expect(() => backend.run(executable, [buffer, backend.alloc(39)])).toThrow("buffer 1 has 39 bytes, 10 float32 need 40");
    const freed = backend.alloc(40);
    backend.free(freed);
    expect(() => backend.run(executable, [buffer, freed])).toThrow("was freed");
    expect(() => backend.free(freed)).toThrow("was freed");
    expect(() => backend.write(buffer, new Float32Array(11))).toThrow("write: bytes 0 to 44 of a buffer of 40");
  });

  test("a disposed device says so, and freeing its buffers is harmless", async () => {
    const backend = await open(2);
    const buffer = backend.alloc(4);
    await backend[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();
    expect(() => backend.alloc(4)).toThrow("alloc: the device was disposed of; make a new one with cpu()");
    backend.free(buffer);
  });

  test.each([0, 1.5, -1, 65])("threads: %d", async (threads) => {
    await expect(open(threads)).rejects.toThrow(ValueError);
  });
});
