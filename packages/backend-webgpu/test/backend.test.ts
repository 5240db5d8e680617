/**
 * The backend below devices: memory, reads and writes, what is cached, and what goes wrong: each failure has a name, and
 * none is silent.
 */
import { type DType, type Tensor, DeviceError, add, compile, exp, mul, setDevice, sum, tensor } from "@dormouse/tensor";
import { type Kernel, type Program, type Scalar, Device } from "@dormouse/tensor/graph";
import { expect, test } from "vitest";
import { affine, apply, argument, execute, load, mapKernel, singleKernel } from "../../backend-cpu/test/support.ts";
import { findAdapter, nameOf, requestDevice } from "../src/adapter.ts";
import { createWebGpuBackend } from "../src/backend.ts";
import { type CompileProgress, DeviceLostError, OutOfMemoryError, describeAdapter, webgpu } from "../src/index.ts";
import { sizeClass } from "../src/pool.ts";
import { adapter, backend, describeOnGpu, device } from "./gpu.ts";

const flat = affine([1]);
const double = (length: number, dtype: DType = "float32"): Program =>
  singleKernel(
    mapKernel([argument(length, "read", dtype), argument(length, "write", dtype)], [length], apply("add", [load(0, flat, dtype), load(0, flat, dtype)])),
  );
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

test("a size class wastes at most a quarter and is a number of words", () => {
  for (const size of [0, 1, 255, 256, 257, 1000, 1024, 1025, 12_345_678, 2 ** 30 - 1]) {
    const capacity = sizeClass(size);
    expect(capacity).toBeGreaterThanOrEqual(Math.max(256, size));
    expect(capacity).toBeLessThanOrEqual(Math.max(256, Math.ceil(size * 1.25) + 64));
    expect(capacity % 4).toBe(0);
  }
});

test.each([
  [{ vendor: "nvidia", architecture: "ampere", description: "" }, "nvidia-ampere"],
  [{ vendor: "apple", architecture: "", description: "M2" }, "apple"],
  [{ vendor: "6880", architecture: "", description: "SwiftShader Device (Subzero)" }, "swiftshader-device-subzero"],
  [{ vendor: "", architecture: "", description: "" }, "unknown"],
])("%j is called %s", (info, name) => expect(nameOf(info)).toBe(name));

test("without a GPU there is an error that says what is missing, never another device", async () => {
  const description = await describeAdapter();
  if (description.available) expect(description.limits.maxStorageBuffersPerShaderStage).toBeGreaterThanOrEqual(8);
  else {
    expect(description.reason).toMatch(/install/);
    await expect(webgpu()).rejects.toThrow(description.reason);
  }
});

describeOnGpu("memory", () => {
  test("what is written is read, of any length and place", async () => {
    const buffer = backend.alloc(11);
    backend.write(buffer, bytes(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
    expect([...new Uint8Array(await backend.read(buffer, 0, 11))]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    backend.write(buffer, bytes(20, 21, 22, 23), 4);
    backend.write(buffer, bytes(30, 31, 32), 8);
    expect([...new Uint8Array(await backend.read(buffer, 3, 8))]).toEqual([4, 20, 21, 22, 23, 30, 31, 32]);
    expect((await backend.read(buffer, 5, 0)).byteLength).toBe(0);
    backend.write(buffer, new Uint8Array(new SharedArrayBuffer(4)), 0);
    expect([...new Uint8Array(await backend.read(buffer, 0, 4))]).toEqual([0, 0, 0, 0]);
    backend.free(buffer);
  });

  test("a read has what was there when it was asked for", async () => {
    const buffer = backend.alloc(4);
    backend.write(buffer, Float32Array.of(1));
    const before = backend.read(buffer, 0, 4);
    backend.write(buffer, Float32Array.of(2));
    backend.free(buffer);
    expect(new Float32Array(await before)[0]).toBe(1);
  });

  test("bad ranges, freed and foreign buffers are refused", async () => {
    const buffer = backend.alloc(10);
    expect(() => backend.write(buffer, bytes(1, 2, 3, 4), 8)).toThrow("write: bytes 8 to 12 of a buffer of 10");
    expect(() => backend.write(buffer, bytes(1, 2), 4)).toThrow("write: bytes 4 to 6 are not whole words");
    await expect(backend.read(buffer, 4, 7)).rejects.toThrow("read: bytes 4 to 11 of a buffer of 10");
    expect(() => backend.free({ bytes: 4 })).toThrow("another backend");
    backend.free(buffer);
    await expect(backend.read(buffer, 0, 4)).rejects.toThrow("was freed");
  });

  test("a freed buffer is given out again", () => {
    const first = backend.alloc(1000);
    backend.free(first);
    const { created } = backend.statistics;
    const second = backend.alloc(1010);
    expect(backend.statistics.created).toBe(created);
    backend.free(second);
  });

  test("a buffer above a limit names the limit", () => {
    const limit = backend.capabilities.maxBufferBytes;
    expect(() => backend.alloc(limit + 1)).toThrow(OutOfMemoryError);
    expect(() => backend.alloc(limit + 1)).toThrow(/^webgpu: a buffer of \d+ bytes is above max(BufferSize|StorageBufferBindingSize), \d+; use smaller tensors/);
  });
});

describeOnGpu("programs of bytes", () => {
  test.each([1, 2, 3, 4, 5, 67])("%i bytes leave their neighbors alone", async (length) => {
    const program = double(length, "uint8");
    const executable = await backend.compile(program);
    const [x, y] = [backend.alloc(length), backend.alloc(length + 5)];
    backend.write(x, Uint8Array.from({ length }, (_, i) => i * 3 + 100));
    backend.write(y, new Uint8Array(length + 5).fill(77));
    backend.run(executable, [x, y]);
    const wanted = [...Array(length).keys()].map((i) => ((i * 3 + 100) * 2) & 255);
    expect([...new Uint8Array(await backend.read(y, 0, length + 5))]).toEqual([...wanted, 77, 77, 77, 77, 77]);
    backend.free(x);
    backend.free(y);
  });
});

describeOnGpu("programs", () => {
  test("a kernel compiles once, whatever the number of programs", async () => {
    await execute(backend, double(129), [new Float32Array(129)]);
    const before = backend.statistics.pipelines;
    const executable = backend.compile(double(129));
    expect(executable).not.toBeInstanceOf(Promise);
    expect(backend.statistics.pipelines).toBe(before);
  });

  test("arguments in one buffer share a binding: x + x in place", async () => {
    const body = apply("add", [load(0, flat), load(1, flat)]);
    const kernel = mapKernel([argument(67), argument(67), argument(67, "write")], [67], body);
    const program: Program = {
      key: "in place", inputs: [{ dtype: "float32", length: 67 }], outputs: [{ dtype: "float32", length: 67, alias: 0 }],
      kernels: [kernel], temporaryBytes: 0,
      steps: [{ kernel: 0, slots: [{ space: "input", index: 0 }, { space: "input", index: 0 }, { space: "output", index: 0 }] }],
    };
    const [result] = await execute(backend, program, [Float32Array.from({ length: 67 }, (_, i) => i)]);
    expect([...result!]).toEqual([...Array(67).keys()].map((i) => 2 * i));
  });

  test("temporaries share a binding where there are not enough", async () => {
    const length = 37;
    const count = backend.capabilities.maxBindings + 5;
    const copies: Kernel = mapKernel([argument(length), argument(length, "write")], [length], apply("add", [load(0, flat), load(0, flat)]));
    const args = [...Array.from({ length: count }, () => argument(length)), argument(length, "write")];
    const total = args.slice(0, -1).map((_, i): Scalar => load(i, flat)).reduce((a, b) => apply("add", [a, b]));
    const places = Array.from({ length: count }, (_, i) => ({ space: "temporary", offset: 256 * i, bytes: 256 } as const));
    const program: Program = {
      key: "many temporaries", inputs: [{ dtype: "float32", length }], outputs: [{ dtype: "float32", length }],
      kernels: [copies, mapKernel(args, [length], total)],
      temporaryBytes: 256 * count,
      steps: [
        ...places.map((place, i) => ({ kernel: 0, slots: [i === 0 ? ({ space: "input", index: 0 } as const) : places[i - 1]!, place] })),
        { kernel: 1, slots: [...places, { space: "output", index: 0 } as const] },
      ],
    };
    const [result] = await execute(backend, program, [Float32Array.from({ length }, (_, i) => i)]);
    expect([...result!]).toEqual(Array.from({ length }, (_, i) => i * (2 ** (count + 1) - 2)));
  });

  test("a kernel of more buffers than the GPU allows is refused by name", () => {
    const most = backend.capabilities.maxBindings;
    const args = [...Array.from({ length: most }, () => argument(1)), argument(1, "write")];
    const total = args.slice(0, -1).map((_, i): Scalar => load(i, flat)).reduce((a, b) => apply("add", [a, b]));
    expect(() => backend.compile(singleKernel(mapKernel(args, [1], total)))).toThrow(
      `webgpu: a kernel takes ${most + 1} buffers, and the GPU allows ${most}; lower the program for the maxBindings of this backend`,
    );
  });

  test.each([8, 10])("sums of many tensors run with %i bindings", async (maxStorageBuffersPerShaderStage) => {
    const found = (await findAdapter()) as GPUAdapter;
    const gpu = await found.requestDevice({ requiredLimits: { maxStorageBuffersPerShaderStage } });
    await using own = await webgpu({ device: gpu });
    setDevice(own);
    const parts = Array.from({ length: 61 }, (_, i): Tensor => tensor([i, 2 * i, 3 * i]));
    expect(await parts.reduce((before, part) => add(before, part)).array()).toEqual([1830, 3660, 5490]);
    setDevice(device);
    gpu.destroy();
  });

  test("wrong buffers are refused before anything runs", async () => {
    const executable = await backend.compile(double(67));
    const [small, large] = [backend.alloc(4), backend.alloc(268)];
    expect(() => backend.run(executable, [large])).toThrow("run: 1 buffers for 2 inputs and outputs");
    expect(() => backend.run(executable, [large, small])).toThrow("run: buffer 1 has 4 bytes, 67 float32 need 268");
    expect(() => backend.run({ program: executable.program }, [large, large])).toThrow("another backend");
    backend.free(small);
    backend.free(large);
  });

  test("a grid of more workgroups than one dimension has", async () => {
    const length = 256 * 65535 + 300;
    const program = singleKernel(mapKernel([argument(1), argument(length, "write", "uint8")], [length], apply("cast", [load(0, affine([0]))], "uint8")));
    const [result] = await execute(backend, program, [Float32Array.of(7)]);
    expect(result!.every((value) => value === 7)).toBe(true);
  }, 120_000);
});

describeOnGpu("a device", () => {
  test("has no float64, and says so at the call", async () => {
    setDevice(device);
    const x = tensor([1, 2], { dtype: "float64" });
    await expect((async () => add(x, x).data())()).rejects.toThrow(/float64/);
    // The next call is none the worse for it.
    expect(await mul(tensor([1, 2]), 3).array()).toEqual([3, 6]);
  });

  test("counts what it compiles", async () => {
    const seen: CompileProgress[] = [];
    await using own = await webgpu({ onCompile: (progress) => seen.push(progress) });
    setDevice(own);
    expect(await sum(exp(tensor(new Float32Array(100)))).item()).toBeCloseTo(100, 4);
    setDevice(device);
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.at(-1)!.done).toBe(seen.at(-1)!.total);
  });

  test("can be shared with other code, which keeps it", async () => {
    const found = (await findAdapter()) as GPUAdapter;
    const shared = await requestDevice(found);
    const own = await webgpu({ device: shared });
    expect(own.name).toBe(`webgpu:${adapter.available ? adapter.name : ""}`);
    await own[Symbol.asyncDispose]();
    const buffer = shared.createBuffer({ size: 4, usage: 8 });
    expect(buffer.size).toBe(4);
    expect(() => own.backend.alloc(4)).toThrow("the device was disposed of");
    shared.destroy();
  });

  test("that is lost rejects what waits, and everything after", async () => {
    const found = (await findAdapter()) as GPUAdapter;
    const gpu = await requestDevice(found);
    const lost = new Device(createWebGpuBackend(gpu, { name: "webgpu:test", ownsDevice: false }));
    setDevice(lost);
    const step = compile((x: Tensor) => mul(x, 2));
    const y = step(tensor([1, 2, 3]));
    await y.data();
    const pending = step(y).data();
    gpu.destroy();
    await expect(pending).rejects.toThrow(DeviceLostError);
    await expect(pending).rejects.toThrow(/^webgpu: the GPU device was lost \(.*\); make a new device with webgpu\(\) and restore from a checkpoint$/);
    expect(() => lost.backend.alloc(4)).toThrow(DeviceLostError);
    setDevice(device);
  });

  test("hands its shaders to the GPU turn by turn, and never waits for one", async () => {
    const found = (await findAdapter()) as GPUAdapter;
    const gpu = await requestDevice(found);
    gpu.createComputePipeline = () => expect.unreachable("it blocks the thread");
    // A driver that takes 5 ms for each text, of which a turn of the thread may hold two.
    const create = gpu.createShaderModule.bind(gpu);
    let turn = 0;
    const turns: number[] = [];
    gpu.createShaderModule = (descriptor) => {
      turns.push(turn);
      const end = performance.now() + 5;
      while (performance.now() < end);
      return create(descriptor);
    };
    const own = createWebGpuBackend(gpu, { name: "webgpu:test", ownsDevice: true });
    const count = 12;
    const program: Program = {
      ...double(1), outputs: Array.from({ length: count }, (_, i) => ({ dtype: "float32", length: i + 1 })),
      kernels: Array.from({ length: count }, (_, i) =>
        mapKernel([argument(1), argument(i + 1, "write")], [i + 1], apply("add", [load(0, affine([0])), load(0, affine([0]))])),
      ),
      steps: Array.from({ length: count }, (_, i) => ({ kernel: i, slots: [{ space: "input", index: 0 }, { space: "output", index: i }] })),
    };
    const compiled = Promise.resolve(own.compile(program));
    const ticker = setInterval(() => turn++, 0);
    const outputs = await execute(own, (await compiled).program, [Float32Array.of(21)]);
    clearInterval(ticker);
    expect(outputs.map((output) => [...output])).toEqual(outputs.map((_, i) => Array.from({ length: i + 1 }, () => 42)));
    expect(turns).toHaveLength(count);
    for (const each of turns) expect(turns.filter((other) => other === each).length).toBeLessThanOrEqual(count / 2);
    expect(new Set(turns).size).toBeGreaterThanOrEqual(3);
    await own[Symbol.asyncDispose]();
  });

  test("that has no memory left says so with the next read, and how much was asked for", async () => {
    const gpu = await requestDevice((await findAdapter()) as GPUAdapter);
    const own = createWebGpuBackend(gpu, { name: "webgpu:test", ownsDevice: true });
    const first = own.alloc(1000);
    const answer = gpu.popErrorScope.bind(gpu);
    // A driver that is out of memory from here on.
    gpu.popErrorScope = async () => (await answer()) ?? ({ message: "no memory" } as GPUError);
    const second = own.alloc(123_456);
    const read = own.read(first, 0, 4);
    await expect(read).rejects.toThrow(OutOfMemoryError);
    await expect(read).rejects.toThrow(/^webgpu: the GPU has no \d+ bytes left \(no memory\); use a smaller batch, or dispose of tensors earlier$/);
    gpu.popErrorScope = answer;
    // Told once.
    expect((await own.read(first, 0, 4)).byteLength).toBe(4);
    own.free(second);
    await own[Symbol.asyncDispose]();
  });

  test("names the kernel whose shader does not compile", async () => {
    const found = (await findAdapter()) as GPUAdapter;
    const gpu = await requestDevice(found);
    // A driver that refuses everything.
    gpu.createComputePipelineAsync = () => Promise.reject(new Error("no"));
    const refusing = createWebGpuBackend(gpu, { name: "webgpu:test", ownsDevice: true });
    const failure = Promise.resolve(refusing.compile(double(67)));
    await expect(failure).rejects.toThrow(DeviceError);
    await expect(failure).rejects.toThrow("webgpu: the shader of loop [67] []: add does not compile (Error: no)");
    await refusing[Symbol.asyncDispose]();
  });
});
