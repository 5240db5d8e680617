/**
 * Dense linear algebra: one workgroup for each matrix of a batch.
 */
import { DeviceError } from "@dormouse/tensor";
import type { FactorRoutine, TriangularSolveRoutine } from "@dormouse/tensor/graph";
import type { GeneratedKernel, Layout } from "./shader.ts";

/** Makes the shaders of a factorization or of a triangular solve. */
export function generateMatrixRoutine(kernel: FactorRoutine | TriangularSolveRoutine, _layout: Layout): GeneratedKernel {
  throw new DeviceError("webgpu", `${kernel.name} does not run on the GPU`, { hint: "use the CPU" });
}
