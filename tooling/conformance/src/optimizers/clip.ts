/** Gradient clipping (`grad-clip`): by the joint norm of all gradients, and by value. */
import { chain, clipByGlobalNorm, clipByValue, globalNorm } from "@dormouse/optim";
import { type Tensor, neg, zerosLike } from "@dormouse/tensor";
import type { ArraySpec, Case } from "../case.ts";
import { Checks, type FloatType, specOf, toTensor } from "../checks.ts";

/** A list of gradients, and the list after clipping. */
export interface ClipCase extends Case {
  readonly in: readonly ArraySpec[];
  readonly out: readonly ArraySpec[];
  readonly max_norm?: number;
  readonly norm_type?: number | "inf";
  readonly total_norm?: number;
  readonly clip_value?: number;
}

/** Checks a case, or returns null for another way of clipping. */
export function checkClip(each: ClipCase, dtype: FloatType): Promise<readonly string[]> | null {
  const checks = new Checks(each.tol!, dtype);
  const gradients: Tensor[] = each.in.map((spec) => toTensor(spec, dtype));
  const p = each.norm_type === "inf" ? Infinity : (each.norm_type ?? 2);
  const clip =
    each.max_norm !== undefined
      ? clipByGlobalNorm(each.max_norm, { p })
      : each.clip_value !== undefined
        ? clipByValue(each.clip_value)
        : null;
  if (!clip) return null;
  if (each.total_norm !== undefined) {
    checks.add("norm", "out", globalNorm(gradients, { p }), specOf(each.total_norm));
  }
  // An optimizer subtracts its updates: from zeros, that leaves the clipped gradients with their sign turned.
  const origin = gradients.map((gradient) => zerosLike(gradient));
  const optimizer = chain(clip);
  const [moved] = optimizer.update(gradients, optimizer.init(origin), origin);
  moved.forEach((tensor, i) => checks.add(`gradient ${i}`, "out", neg(tensor), each.out[i]!));
  return checks.settle();
}
