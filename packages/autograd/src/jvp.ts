/**
 * Forward mode over trees: directional derivatives beside the value, at about the cost of the function each. Rules
 * live in `derivative.ts`, walks in `tape.ts`; `linearize.ts` keeps the walk for many tangents.
 */
import { type Tensor, traced } from "@dormouse/tensor/graph";
import { resultOf, trace, treesOf } from "./arguments.ts";
import { push, record } from "./tape.ts";

/** A function's value, and the walk that carries tangents of its primals to tangents of its output. */
export function forward<A extends readonly unknown[], R>(
  op: string,
  f: (...primals: A) => R,
  primals: A,
): { readonly output: R; readonly apply: (tangents: A) => R } {
  const args = primals.map(trace);
  const output = resultOf(op, traced(() => f(...treesOf<A>(args))));
  const tape = record(output.leaves, args.flatMap(({ tracers }) => tracers));
  const apply = (tangents: A): R => {
    const known = new Map<Tensor, Tensor>();
    args.forEach(({ leaves, match }, k) =>
      match(op, `tangent of argument ${k}`, tangents[k]).forEach((t, at) => known.set(leaves[at]!, t)),
    );
    const reached = push(tape, known);
    return output.fill((leaf) => reached.get(leaf));
  };
  return { output: output.tree, apply };
}

/**
 * The value of a function and its derivative in a direction: `[f(x), Σₖ ∂f/∂xₖ · tₖ]`. Tangents have the trees of the
 * primals; those of integer and bool leaves are ignored, and such leaves of the output have zeros for a tangent.
 *
 * Throws `TransformError` where the function returns no tensor, `ValueError`, `ShapeError` or `DTypeError` where a
 * tangent does not fit its primal.
 *
 * ```ts
 * const [y, slope] = jvp(sin, [x], [v]);                     // sin x, v cos x
 * ```
 */
export function jvp<A extends readonly unknown[], R>(
  f: (...primals: A) => R,
  primals: NoInfer<A>,
  tangents: NoInfer<A>,
): [output: R, tangent: R] {
  const { output, apply } = forward("jvp", f, primals);
  return [output, apply(tangents)];
}
