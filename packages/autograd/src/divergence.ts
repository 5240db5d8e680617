/**
 * The trace of a Jacobian, exactly or by random probes. Knows nothing of how derivatives are computed: `jacobian.ts`,
 * `jvp.ts` and `vmap.ts` do.
 */
import { type Key, ShapeError, ValueError, bernoulli, cast, linalg, mean, mul, reshape, sub, sum } from "@dormouse/tensor";
import { type Tensor, sameShape, showShape } from "@dormouse/tensor/graph";
import { jacfwd } from "./jacobian.ts";
import { jvp } from "./jvp.ts";
import { vmap } from "./vmap.ts";

/** Options of `divergence`. */
export interface DivergenceOptions {
  /** Estimates instead of computing: the randomness of the probes. Default: the exact trace. */
  readonly key?: Key;
  /** How many random directions an estimate averages over. Default 16; only with `key`. */
  readonly probes?: number;
}

/**
 * The divergence Σᵢ ∂fᵢ/∂xᵢ of a function from tensors to tensors of the same shape: the trace of its Jacobian, a
 * scalar. For a fitted model y ↦ ŷ it is the effective degrees of freedom, the number of parameters that the fit
 * spends on its targets (Efron, 2004); of a gradient it is the Laplacian.
 *
 * Without `key` it is exact and builds the Jacobian, n² numbers for n elements. With `key` it is the mean of vᵀJv over
 * `probes` vectors v of random signs: unbiased, with variance Σᵢ≠ⱼ (Jᵢⱼ² + JᵢⱼJⱼᵢ) / probes, exact where J is diagonal,
 * and in O(n) memory for each probe (Hutchinson, 1989).
 *
 * Throws `ShapeError` where result and argument differ in shape, `ValueError` for probes that are no positive integer
 * or come without a key, otherwise as `jvp` does.
 *
 * @example
 * ```ts
 * divergence((x: Tensor) => square(x), tensor([1, 2, 3]));                  // 12
 * divergence(denoise, image, { key: key(0), probes: 8 });
 * ```
 */
export function divergence(f: (x: Tensor) => Tensor, x: Tensor, options: DivergenceOptions = {}): Tensor {
  const field = (at: Tensor): Tensor => {
    const result = f(at);
    if (sameShape(result.shape, x.shape)) return result;
    throw new ShapeError("divergence", `the function takes ${showShape(x.shape)} to ${showShape(result.shape)}`, {
      expected: x.shape,
      received: result.shape,
      hint: "give a function whose result has the shape of its argument",
    });
  };
  const { key, probes } = options;
  if (probes !== undefined && (!key || !Number.isInteger(probes) || probes < 1)) {
    throw new ValueError("divergence", key ? `probes is ${probes}` : "probes come without a key", {
      received: probes,
      hint: key ? "use a positive integer" : "give { key: key(0) } too, or leave both away for the exact trace",
    });
  }
  if (!key) return linalg.trace(reshape(jacfwd(field)(x) as Tensor, [x.size, x.size]));
  const heads = bernoulli(key, 0.5, [probes ?? 16, ...x.shape]);
  const signs = sub(mul(cast(heads, x.dtype), 2), 1);
  const project = (v: Tensor): Tensor => sum(mul(v, jvp(field, [x], [v])[1]));
  return mean(vmap(project)(signs));
}
