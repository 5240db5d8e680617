/** Averages of weights over steps: models that are better than the last one. */
import { add, mapTree, mul } from "@dormouse/tensor";
import { requireWithin } from "./options.ts";
import { isFloat } from "./transform.ts";

/**
 * One step of an exponential moving average of parameters: `decay · average + (1 - decay) · params` at every float
 * tensor; other tensors are those of `params`. Start with the parameters themselves, `average = model`.
 *
 * ```ts
 * average = ema(average, model, { decay: 0.999 });
 * ```
 */
export function ema<P>(average: P, params: P, { decay = 0.999 }: { readonly decay?: number } = {}): P {
  requireWithin("ema", "decay", decay, 0, 1);
  return mapTree((a, p) => (isFloat(a) ? add(mul(a, decay), mul(p!, 1 - decay)) : p!), average, params);
}
