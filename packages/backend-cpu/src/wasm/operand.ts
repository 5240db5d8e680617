/**
 * Operands of a product: views of memory are packed as they lie; anything else is computed into a staging block by the
 * scalar generator first and packed from there. Owns that choice.
 */
import { ValueError } from "@dormouse/tensor";
import type { ContractKernel } from "@dormouse/tensor/graph";
import type { GeneratorOptions } from "./generator.ts";
import type { ModuleBuilder } from "./module.ts";
import { viewPacker } from "./pack.ts";
import type { Packer } from "./pack.ts";
import { operandView } from "./views.ts";

/** The packer of the left ("m") or right ("n") operand into panels of `width`. */
export function operandPacker(
  module: ModuleBuilder,
  kernel: ContractKernel,
  side: "m" | "n",
  width: number,
  most: { readonly x: number; readonly k: number },
  options: GeneratorOptions,
): Packer {
  const body = side === "m" ? kernel.lhs : kernel.rhs;
  const view = operandView(kernel, side, body, kernel.args);
  if (view) return viewPacker(module, view, width, most);
  throw new ValueError("contract", `an operand is ${body.op} and cannot be packed`, { received: body.op });
}
