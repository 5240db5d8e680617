/**
 * Derivatives that a user knows better than the table: a function becomes a `call` with a rule of its own. One mode is
 * given, the other is derived: both are linear, so the transpose of one is the other. Also `stopGradient`, the rule
 * that there is none.
 */
import { TransformError, mapTree } from "@dormouse/tensor";
import {
  type CallRule,
  type LinearMap,
  Tensor,
  isFloat,
  primitive,
  topologicalOrder,
} from "@dormouse/tensor/graph";
import { type Leaves, describe, leavesOf, zerosLike } from "./arguments.ts";
import { closeOver } from "./inline.ts";
import { lazy, remember } from "./lazy.ts";
import { pull, record } from "./tape.ts";

/** What the backward of a function of several arguments returns: a cotangent for each, null for zero. */
export type Cotangents<A extends readonly unknown[]> = { readonly [K in keyof A]: NoInfer<A[K]> | null };

/**
 * Gives a function a reverse-mode derivative: `backward(output, ...inputs)` returns the function from the cotangent of
 * the output to the cotangent of the only input, or to a list with one (null: zero) for each. Forward mode, where asked
 * for, is its transpose, which exists if `backward` is linear in the cotangent. Arguments are tensors or trees; the
 * result is one tensor.
 *
 * Throws `TransformError` where the function does not return a tensor, where a derivative is wanted of a tensor that it
 * only closes over, and in forward mode where `backward` is not linear.
 *
 * ```ts
 * const clippedExp = customVjp((x: Tensor) => exp(x), (y) => (ct) => mul(ct, minimum(y, 10)));
 * ```
 */
export function customVjp<X, R extends Tensor>(
  f: (x: X) => R,
  backward: (output: R, x: NoInfer<X>) => (cotangent: R) => NoInfer<X>,
): (x: X) => R;
export function customVjp<A extends readonly unknown[], R extends Tensor>(
  f: (...args: A) => R,
  backward: (output: R, ...inputs: A) => (cotangent: R) => Cotangents<A>,
): (...args: A) => R;
export function customVjp(
  f: (...args: readonly unknown[]) => Tensor,
  backward: (output: Tensor, ...inputs: readonly unknown[]) => (cotangent: Tensor) => unknown,
): (...args: readonly unknown[]) => Tensor {
  return customCall("customVjp", f, (args, inputs, output) => {
    const pullback = lazy(() => backward(output, ...inputs()));
    const cotangents = remember((ct: Tensor) => {
      const given = pullback()(ct);
      const list = args.length === 1 ? [given] : (given as readonly unknown[]);
      return args.flatMap(({ leaves, match }, k) =>
        list[k] === null ? leaves.map(zerosLike) : match("customVjp", `cotangent of argument ${k}`, list[k]),
      );
    });
    const hole = lazy(() => primitive.placeholder(output.shape, output.dtype));
    return (k) => ({
      transpose: (ct) => cotangents(ct)[k]!,
      apply: (t) => transposed("customVjp", "backward", [cotangents(hole())[k]!], [hole()], [t])[0]!,
    });
  });
}

/**
 * Gives a function a forward-mode derivative: `rule(output, ...inputs)` returns the function from the tangents of the
 * inputs to the tangent of the output, linear in them. Reverse mode is its transpose. Arguments are tensors or trees;
 * the result is one tensor.
 *
 * Throws `TransformError` where the function does not return a tensor, where a derivative is wanted of a tensor that it
 * only closes over, and in reverse mode where `rule` is not linear.
 *
 * ```ts
 * const straightThrough = customJvp((x: Tensor) => round(x), () => (t) => t);
 * ```
 */
export function customJvp<A extends readonly unknown[], R extends Tensor>(
  f: (...args: A) => R,
  rule: (output: R, ...inputs: A) => (...tangents: A) => Tensor,
): (...args: A) => R {
  return customCall("customJvp", f, (args, inputs, output) => {
    const pushforward = lazy(() => rule(output as R, ...inputs()));
    const along = (values: readonly Tensor[]): Tensor => {
      const tangents = split(args, values) as unknown as A;
      return leavesOf(output).match("customJvp", "tangent of the output", pushforward()(...tangents))[0]!;
    };
    const leaves = args.flatMap((arg) => arg.leaves);
    const holes = lazy(() => leaves.map(({ shape, dtype }) => primitive.placeholder(shape, dtype)));
    const cotangents = remember((ct: Tensor) =>
      transposed("customJvp", "rule", [along(holes())], holes(), [ct]),
    );
    return (k) => ({
      apply: (t) => along(leaves.map((leaf, at) => (at === k ? t : zerosLike(leaf)))),
      transpose: (ct) => cotangents(ct)[k]!,
    });
  });
}

/**
 * The same values with no derivative: a constant to every transform. Trees are taken leaf by leaf.
 *
 * ```ts
 * const target = stopGradient(teacher.forward(x));
 * ```
 */
export const stopGradient = <T>(tree: T): T =>
  mapTree((leaf) => (isFloat(leaf.dtype) ? primitive.identity(leaf, "stop") : leaf), tree);

/** The linear maps of a custom function's leaves, from its arguments (taken apart), their values and the output. */
type CustomRule<A> = (
  args: readonly Leaves<unknown>[],
  inputs: () => A,
  output: Tensor,
) => (leaf: number) => LinearMap;

function customCall<A extends readonly unknown[], R extends Tensor>(
  op: string,
  f: (...args: A) => R,
  custom: CustomRule<A>,
): (...args: A) => R {
  return (...given) => {
    const { args, result, sources, inputs, outputs } = closeOver(op, f, given);
    if (!(result.tree instanceof Tensor)) {
      throw new TransformError(op, `the function returned ${describe(result.tree)} and not one tensor`, {
        expected: "a tensor",
        received: result.tree,
        hint: "make one custom function for each tensor",
      });
    }
    const rule: CallRule = (actual, output) => {
      const own = args.reduce((count, { leaves }) => count + leaves.length, 0);
      const map = custom(args, lazy(() => split(args, actual.slice(0, own)) as unknown as A), output);
      return actual.map(({ dtype }, k) => (!isFloat(dtype) ? null : k < own ? map(k) : notAnArgument(op)));
    };
    return primitive.call(sources, { name: op, body: { inputs, output: outputs[0]! }, rule }) as R;
  };
}

/** Trees like the arguments, from one value for each of their leaves. */
function split(args: readonly Leaves<unknown>[], values: readonly Tensor[]): unknown[] {
  let from = 0;
  return args.map(({ leaves, rebuild }) => rebuild(values.slice(from, (from += leaves.length))));
}

/** In place of a linear map: a custom rule says nothing about tensors that are not arguments. */
function notAnArgument(op: string): LinearMap {
  const refuse = (): never => {
    throw new TransformError(op, "a derivative is wanted of a tensor that the function uses without taking it as an argument", {
      expected: "every differentiated tensor as an argument",
      hint: "pass it as an argument, or through stopGradient",
    });
  };
  return { apply: refuse, transpose: refuse };
}

/** Transposes the linear map from `holes` to `results`, which must not depend on where it is transposed. */
function transposed(
  op: string,
  rule: string,
  results: readonly Tensor[],
  holes: readonly Tensor[],
  cotangents: readonly Tensor[],
): Tensor[] {
  const pulled = pull(record(results, holes), results, cotangents);
  const transposes = holes.map((hole) => pulled.get(hole) ?? zerosLike(hole));
  const oldest = Math.min(...holes.map(({ id }) => id));
  const below = new Set(topologicalOrder(transposes, ({ id }) => id < oldest));
  if (holes.some((hole) => below.has(hole))) {
    throw new TransformError(op, `${rule} is not linear, so the other mode cannot be derived from it`, {
      expected: "a linear function",
      hint: `multiply by factors made of the inputs and the output only, or use ${op === "customVjp" ? "reverse" : "forward"} mode`,
    });
  }
  return transposes;
}
