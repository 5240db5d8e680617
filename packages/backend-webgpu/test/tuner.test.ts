/** Every tile that the tuner may choose gives the same product; choices are measured once and kept. */
import { createReferenceBackend } from "@dormouse/backend-cpu/reference";
import { type Tensor, matmul, setDevice, tensor } from "@dormouse/tensor";
import type { ContractKernel, Program, Scalar } from "@dormouse/tensor/graph";
import { expect, test } from "vitest";
import { affine, apply, argument, execute, load, singleKernel } from "../../backend-cpu/test/support.ts";
import { findAdapter, requestDevice } from "../src/adapter.ts";
import { type WebGpuBackend, createWebGpuBackend } from "../src/backend.ts";
import { type TuningStorage, webgpu } from "../src/index.ts";
import { planStep } from "../src/kernels.ts";
import { candidatesFor, shapeClass } from "../src/tuner.ts";
import { sizesOf } from "../src/wgsl/contract.ts";
import { plainTarget } from "../src/wgsl/shader.ts";
import { type TileName, chooseTile, tileNames } from "../src/wgsl/tiles.ts";
import { backend, describeOnGpu, device } from "./gpu.ts";

/** a [m, k] · b [k, n], or its transpose as the result. */
function product(m: number, n: number, k: number, isTransposed = false): ContractKernel {
  const at = isTransposed ? affine([1, m, 0]) : affine([n, 1, 0]);
  return {
    kind: "contract", dtype: "float32", batch: [], m: [m], n: [n], k: [k],
    args: [argument(m * k), argument(k * n), argument(m * n, "write")],
    lhs: load(0, affine([k, 0, 1])), rhs: load(1, affine([0, 1, n])),
    stores: [{ arg: 2, at, body: { op: "result", dtype: "float32", stage: 0 } }],
  };
}

const numbers = (length: number, seed: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => ((i * 37 + seed * 11) % 101) / 101 - 0.5);

/** A storage that forgets with the test. */
class Memory implements TuningStorage {
  readonly items = new Map<string, string>();
  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    this.items.set(key, value);
  }
}

test("products within a factor of two are of one class", () => {
  expect(shapeClass(product(100, 65, 128))).toBe(shapeClass(product(128, 128, 100)));
  expect(shapeClass(product(129, 65, 128))).not.toBe(shapeClass(product(128, 65, 128)));
  expect(shapeClass(product(100, 65, 128))).toBe("float32 0 7 7 7 plain plain");
});

test("candidates cover no more than they must, and the usual tile is always one", () => {
  expect(candidatesFor(product(16, 16, 8))).toEqual(["16x16"]);
  expect(candidatesFor(product(17, 5, 8))).toEqual(["32x16", "16x16"]);
  expect(candidatesFor(product(500, 500, 8))).toEqual(tileNames);
  for (const kernel of [product(16, 16, 8), product(33, 2000, 8), product(4096, 4096, 8)]) {
    expect(candidatesFor(kernel)).toContain(chooseTile(sizesOf(kernel)));
  }
});

test("a tile shows in the shader of a product", () => {
  const program = singleKernel(product(130, 70, 19));
  const textWith = (tile: TileName | null): string => JSON.stringify(planStep(program, program.steps[0]!, plainTarget, () => tile).actions);
  expect(textWith("32x32")).not.toBe(textWith("64x32"));
  expect(textWith(null)).toBe(textWith(chooseTile(sizesOf(product(130, 70, 19)))));
});

describeOnGpu("a tuner", () => {
  // In turn at lengths that no tile divides, at those of quads, and with a sum that is shared: software takes seconds each.
  const lengths = [[131, 67, 37, false], [132, 136, 40, true], [68, 72, 2051, false], [260, 67, 36, true]] as const;
  test.each(tileNames.map((tile, i) => [tile, ...lengths[i % lengths.length]!] as const))(
    "a tile of %s gives a product of [%i, %i] with %i steps (transposed: %s)",
    async (tile, m, n, k, isTransposed) => {
      const kernel = product(m, n, k, isTransposed);
      const program: Program = singleKernel(kernel);
      const inputs = [numbers(m * k, 1), numbers(k * n, 2)];
      const [wanted] = await execute(createReferenceBackend(), program, inputs);
      // A storage that knows the answer makes the device take this tile.
      const storage: TuningStorage = { getItem: () => tile, setItem: () => expect.unreachable() };
      const gpu = await requestDevice((await findAdapter()) as GPUAdapter);
      const own = createWebGpuBackend(gpu, { name: "webgpu:test", ownsDevice: true, tune: storage });
      const [got] = await execute(own, program, inputs);
      Array.from(got!).forEach((value, i) => expect(Math.abs(value - wanted![i]!)).toBeLessThan(2e-7 * k + 1e-5));
      await own[Symbol.asyncDispose]();
    },
    60_000,
  );

  // What is computed of the operands while they are loaded: quads along the results and along the sum, and repeated rows.
  test.each([[64, 64, 64], [67, 36, 44], [36, 67, 45]])("operands of a product [%i, %i] with %i steps may be computed", async (m, n, k) => {
    const plain = product(m, n, k);
    const kernel: ContractKernel = {
      ...plain,
      args: [...plain.args, argument(k), argument(k * n)],
      lhs: apply("mul", [plain.lhs, apply("exp", [load(3, affine([0, 0, 1]))])]),
      rhs: apply("max", [apply("sub", [plain.rhs, load(4, affine([0, 1, n]))]), plain.rhs]),
    };
    const program: Program = singleKernel(kernel);
    const inputs = [numbers(m * k, 1), numbers(k * n, 2), numbers(k, 3), numbers(k * n, 4)];
    const [wanted] = await execute(createReferenceBackend(), program, inputs);
    for (const tile of ["64x64", "16x16"]) {
      const storage: TuningStorage = { getItem: () => tile, setItem: () => expect.unreachable() };
      const gpu = await requestDevice((await findAdapter()) as GPUAdapter);
      const own = createWebGpuBackend(gpu, { name: "webgpu:test", ownsDevice: true, tune: storage });
      const [got] = await execute(own, program, inputs);
      Array.from(got!).forEach((value, i) => expect(Math.abs(value - wanted![i]!)).toBeLessThan(2e-5));
      await own[Symbol.asyncDispose]();
    }
  }, 60_000);

  const compute = async (on: NonNullable<typeof device>): Promise<readonly number[]> => {
    setDevice(on);
    const a = tensor(numbers(40 * 33, 1), { shape: [40, 33] });
    const b = tensor(numbers(33 * 20, 2), { shape: [33, 20] });
    const values = [...(await (matmul(a, b) as Tensor).data())];
    setDevice(device);
    return values;
  };

  test("measures a class once, and a storage keeps what was measured", async () => {
    const storage = new Memory();
    const wanted = await compute(device!);
    await using first = await webgpu({ tune: storage });
    expect(await compute(first)).toEqual(wanted);
    const measured = (first.backend as WebGpuBackend).statistics;
    expect(measured.pipelines).toBeGreaterThan(1);
    expect(measured.used).toBeLessThanOrEqual(3);
    const [[key, value]] = [...storage.items] as [[string, string]];
    expect(key).toBe(`dormouse tile ${first.name} float32 0 6 5 6 plain plain`);
    expect(value).toMatch(/^(64|32|16)x(32|16)$/);
    expect(storage.items.size).toBe(1);

    await using second = await webgpu({ tune: storage });
    expect(await compute(second)).toEqual(wanted);
    expect((second.backend as WebGpuBackend).statistics.pipelines).toBe(1);
  }, 120_000);

  test("measures anew what a storage has that is no candidate", async () => {
    const storage = new Memory();
    await using own = await webgpu({ tune: storage });
    storage.setItem(`dormouse tile ${own.name} float32 0 6 5 6 plain plain`, "64x64");
    await compute(own);
    expect([...storage.items.values()][0]).toMatch(/^(64|32|16)x(32|16)$/);
  }, 120_000);

  test("measures products of more arguments than there are bindings", async () => {
    const storage = new Memory();
    await using own = await webgpu({ tune: storage });
    const count = (own.backend as WebGpuBackend).capabilities.maxBindings;
    const alone = product(40, 20, 33);
    const terms = Array.from({ length: count }, (_, i): Scalar => load(3 + i, affine([20, 1, 0])));
    const body = terms.reduce((a, b) => apply("add", [a, b]), alone.stores[0]!.body);
    const kernel: ContractKernel = {
      ...alone, args: [...alone.args, ...terms.map(() => argument(800))], stores: [{ ...alone.stores[0]!, body }],
    };
    const program: Program = {
      key: "crowded", inputs: [{ dtype: "float32", length: 1320 }, { dtype: "float32", length: 660 }],
      outputs: [{ dtype: "float32", length: 800 }], kernels: [kernel], temporaryBytes: 3328 * count,
      steps: [{
        kernel: 0,
        slots: [
          { space: "input", index: 0 }, { space: "input", index: 1 }, { space: "output", index: 0 },
          ...terms.map((_, i) => ({ space: "temporary", offset: 3328 * i, bytes: 3328 }) as const),
        ],
      }],
    };
    await own.backend.compile(program);
    expect([...storage.items.values()][0]).toMatch(/^(64|32|16)x(32|16)$/);
  }, 120_000);

  test("does nothing unless it is asked for", async () => {
    expect(backend.compile(singleKernel(product(40, 20, 33)))).toBeDefined();
    const before = backend.statistics.submits;
    await backend.compile(singleKernel(product(41, 21, 34)));
    expect(backend.statistics.submits).toBe(before);
  });
});
