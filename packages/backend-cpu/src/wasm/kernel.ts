/**
 * From kernels to callable code: chooses the generator, compiles each distinct kernel once per device (those of a
 * program together), keeps it in the table that the driver calls through, and estimates what a kernel costs. Owns table slots; knows nothing about
 * programs, buffers or how threads wait.
 */
import type { AxisRoutine, ContractKernel, Kernel, LoopKernel, RoutineKernel, Scalar, ScatterKernel } from "@dormouse/tensor/graph";
import { bytesOf, kernelKey, sizeOf } from "@dormouse/tensor/graph";
import { scalarOrder } from "../scalar-order.ts";
import type { WorkerUpdate } from "../worker.ts";
import { type DriverExports, environmentImport } from "./driver.ts";
import { type GeneratedKernel, type GeneratorOptions, type KernelGenerator, kernelExport } from "./generator.ts";
import { type MemoryLimits, ModuleBuilder } from "./module.ts";

/** How vector code is written on a device. */
export type VectorOptions = Pick<GeneratorOptions, "fma" | "wide">;

/** One generator per kind of kernel. */
export interface Generators {
  readonly loop: KernelGenerator<LoopKernel>;
  readonly contract: KernelGenerator<ContractKernel>;
  readonly scatter: KernelGenerator<ScatterKernel>;
  readonly routine: KernelGenerator<RoutineKernel>;
}

/** Work that pays for meeting the other threads before and after: a barrier costs about a microsecond. */
const parallelNanoseconds = 8_000;

/** Compiled code and how to run it. */
export interface CompiledKernel {
  /** Where its function is in the table. */
  readonly slot: number;
  /** Worth running on all threads. */
  readonly parallel: boolean;
  /** Estimated time on one thread. */
  readonly nanoseconds: number;
  readonly scratchBytes: (threads: number) => number;
}

interface Entry extends CompiledKernel {
  readonly key: string;
  users: number;
}

/** The compiled kernels of one device. */
export class KernelTable {
  /** What the driver calls through. */
  readonly table = new WebAssembly.Table({ element: "anyfunc", initial: 64 });
  readonly #generators: Generators;
  readonly #memory: WebAssembly.Memory;
  readonly #limits: MemoryLimits;
  readonly #vectors: VectorOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #vacant: number[] = [];
  #next = 0;

  constructor(generators: Generators, memory: WebAssembly.Memory, limits: MemoryLimits, vectors: VectorOptions) {
    this.#generators = generators;
    this.#memory = memory;
    this.#limits = limits;
    this.#vectors = vectors;
  }

  /**
   * The code of each kernel, compiled where no other program uses an equal kernel. What the workers have to learn is
   * added to `update`. Every kernel taken has to be released.
   */
  take(
    kernels: readonly Kernel[],
    barrier: DriverExports["barrier"],
    update: WorkerUpdate[number][],
  ): CompiledKernel[] {
    const keys = kernels.map(kernelKey);
    const unknown = new Map<string, Kernel>();
    keys.forEach((key, i) => {
      if (!this.#entries.has(key)) unknown.set(key, kernels[i]!);
    });
    if (unknown.size > 0) this.#compile(unknown, barrier, update);
    return keys.map((key) => {
      const entry = this.#entries.get(key)!;
      entry.users++;
      return entry;
    });
  }

  /** Gives kernels back. Code that nobody uses any more is dropped, by the workers too when they get `update`. */
  release(kernels: readonly CompiledKernel[], update: WorkerUpdate[number][]): void {
    for (const entry of kernels as readonly Entry[]) {
      if (--entry.users > 0) continue;
      this.#entries.delete(entry.key);
      this.table.set(entry.slot, null);
      this.#vacant.push(entry.slot);
      if (entry.parallel) update.push([entry.slot, null, ""]);
    }
  }

  /**
   * Compiles kernels as one module, so that they share the code of tiles and packing: it is written once, and what the
   * engine learns of it in the first product (faster code, after some use) serves all others.
   */
  #compile(
    kernels: ReadonlyMap<string, Kernel>,
    barrier: DriverExports["barrier"],
    update: WorkerUpdate[number][],
  ): void {
    const { bytes, generated } = generate([...kernels.values()], this.#generators, this.#limits, this.#vectors);
    const module = new WebAssembly.Module(bytes);
    const imports = { [environmentImport]: { memory: this.#memory, barrier } };
    const { exports } = new WebAssembly.Instance(module, imports);
    let number = 0;
    for (const [key, kernel] of kernels) {
      const { scratchBytes } = generated[number]!;
      const name = exportName(number++);
      const slot = this.#vacant.pop() ?? this.#next++;
      if (slot >= this.table.length) this.table.grow(slot);
      this.table.set(slot, exports[name]);
      const nanoseconds = estimateNanoseconds(kernel);
      const parallel = nanoseconds >= parallelNanoseconds;
      if (parallel) update.push([slot, module, name]);
      this.#entries.set(key, { key, slot, parallel, nanoseconds, scratchBytes, users: 0 });
    }
  }
}

/** The name of the function of one of the kernels of a module. */
const exportName = (number: number): string => `${kernelExport}${number}`;

function generate(
  kernels: readonly Kernel[],
  generators: Generators,
  limits: MemoryLimits,
  vectors: VectorOptions,
): { readonly generated: readonly GeneratedKernel[]; readonly bytes: Uint8Array<ArrayBuffer> } {
  const module = new ModuleBuilder();
  module.importMemory(environmentImport, "memory", limits);
  const barrier = module.importFunction(environmentImport, "barrier", ["i32"]);
  const options = { ...vectors, barrier };
  const generated = kernels.map((kernel, number) => {
    module.exportSuffix = String(number);
    return (generators[kernel.kind] as KernelGenerator<Kernel>)(module, kernel, options);
  });
  return { generated, bytes: module.bytes() };
}

/** Nanoseconds per element of a float32 vector operation, where it is not an ordinary one. */
const costs: Partial<Record<Scalar["op"], number>> = {
  const: 0, result: 0, load: 0.2, div: 0.4, sqrt: 0.4, exp: 0.6, expm1: 0.8, log: 0.8, log1p: 1, sin: 1, cos: 1,
  tanh: 0.8, atan: 1, erf: 1, pow: 2, threefry: 6,
};
const ordinaryCost = 0.1;
/** An indirect or windowed address is computed element by element. */
const gatherCost = 2;

function scalarCost(roots: readonly Scalar[]): number {
  return scalarOrder(roots).reduce((sum, scalar) => {
    const lanes = bytesOf(scalar.dtype) === 8 ? 2 : 1;
    const gathers = scalar.op === "load" && scalar.indirect ? gatherCost : 0;
    return sum + lanes * (costs[scalar.op] ?? ordinaryCost) + gathers;
  }, 0);
}

/** About how long one thread needs, to within a factor of a few: decides only whether threads pay. */
export function estimateNanoseconds(kernel: Kernel): number {
  switch (kernel.kind) {
    case "loop": {
      const inner = sizeOf(kernel.inner);
      return kernel.stages.reduce((sum, stage) => {
        const turns = stage.kind === "store" && stage.level === "outer" ? 1 : inner;
        return sum + sizeOf(kernel.outer) * turns * (ordinaryCost + scalarCost([stage.body]));
      }, 0);
    }
    case "contract": {
      const results = sizeOf(kernel.batch) * sizeOf(kernel.m) * sizeOf(kernel.n);
      const lanes = bytesOf(kernel.dtype) === 8 ? 2 : 1;
      // 20 multiply-adds per nanosecond at best.
      const product = (results * sizeOf(kernel.k) * lanes) / 20;
      return product + results * scalarCost(kernel.stores.map(({ body }) => body));
    }
    case "scatter":
      return sizeOf(kernel.axes) * (gatherCost + scalarCost([kernel.body]));
    case "routine": {
      if (!("outer" in kernel)) return matrixNanoseconds(kernel);
      const elements = kernel.outer * kernel.length * kernel.inner;
      return elements * (kernel.name === "argsort" ? 5 * Math.log2(kernel.length + 2) : 1);
    }
  }
}

/** About 2 operations in a nanosecond; Jacobi's methods take about 8 sweeps. */
function matrixNanoseconds({ name, batch, rows, columns }: Exclude<RoutineKernel, AxisRoutine>): number {
  const operations = { triangularSolve: 1, cholesky: 1 / 3, lu: 2 / 3, qr: 4, eigh: 50, svd: 50 }[name];
  const steps = name === "triangularSolve" ? rows : columns;
  return (batch * rows * columns * (20 + operations * steps)) / 2;
}
