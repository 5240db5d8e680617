/** The first-order Taylor model of a function at a point, kept for many directions. Built on `jvp.ts`. */
import { forward } from "./jvp.ts";

/**
 * The value of a function at a point and its derivative there as a function of the tangents: the function runs once,
 * `derivative` as often as called. f(x + d) ≈ output + derivative(d).
 *
 * Throws as `jvp` does.
 *
 * ```ts
 * const [y, derivative] = linearize((x: Tensor) => sub(mul(x, x), mul(x, 1.5)), tensor(0.5));
 * await derivative(tensor(0.01)).item();                     // -0.005
 * ```
 */
export function linearize<A extends readonly unknown[], R>(
  f: (...primals: A) => R,
  ...primals: A
): [output: R, derivative: (...tangents: A) => R] {
  const { output, apply } = forward("linearize", f, primals);
  return [output, (...tangents) => apply(tangents)];
}
