/**
 * What a generator of kernel code is, so that generators, cache and driver agree. Types and the shared names only.
 *
 * A generator is given a module that already imports the memory (and, for `barrier`, the driver's function) and must
 * define the exported function
 *
 *     kernel(arguments: i32, scratch: i32, threadIndex: i32, threadCount: i32)
 *
 * `arguments` points to one i32 address per kernel argument; every address is a multiple of 64, and at least 64 bytes
 * beyond every buffer may be read. Addresses are below 2 GiB, so they may be compared as signed numbers. `scratch` is
 * the same for all threads, 64-byte aligned, holds what `scratchBytes(threadCount)` asked for and contains anything.
 * All threads call the kernel; together they do the work once, each its own part. The driver puts a barrier between
 * kernels that touch the same memory. A kernel may be run by one thread alone as (…, 0, 1), whatever the number of
 * threads.
 */
import type { Kernel } from "@dormouse/tensor/graph";
import type { FunctionReference, ModuleBuilder } from "./module.ts";

/** What code generation depends on besides the kernel. */
export interface GeneratorOptions {
  /** `f32x4.relaxed_madd` and its relatives may be used. */
  readonly fma: boolean;
  /** The engine fuses neighboring vectors into 256 bits (see wide.ts): write them in pairs. */
  readonly wide: boolean;
  /**
   * Waits until all `threadCount` (the operand) threads of the current kernel have arrived; returns at once for 1.
   * For kernels that share packed data.
   */
  readonly barrier: FunctionReference<"void">;
}

/** What the driver has to know about generated code. */
export interface GeneratedKernel {
  /** Bytes of scratch memory that a run by `threads` threads needs in all. */
  readonly scratchBytes: (threads: number) => number;
}

/** Writes the function `kernel` into `module`. */
export type KernelGenerator<K extends Kernel> = (
  module: ModuleBuilder,
  kernel: K,
  options: GeneratorOptions,
) => GeneratedKernel;

/** Name under which every kernel module exports its function. */
export const kernelExport = "kernel";

/** Names and types of the parameters of a kernel function. */
export const kernelParameters = {
  arguments: "i32",
  scratch: "i32",
  threadIndex: "i32",
  threadCount: "i32",
} as const;
