/**
 * Work with an algorithm of its own: which generator makes which routine.
 */
import type { RoutineKernel } from "@dormouse/tensor/graph";
import { generateAxisRoutine } from "./axis.ts";
import { generateMatrixRoutine } from "./matrices.ts";
import type { GeneratedKernel, Layout } from "./shader.ts";

/** Makes the shaders of a routine. */
export const generateRoutine = (kernel: RoutineKernel, layout: Layout): GeneratedKernel =>
  "outer" in kernel ? generateAxisRoutine(kernel, layout) : generateMatrixRoutine(kernel, layout);
