/**
 * Reverse mode over trees: `vjp`, and its use that everybody knows, `grad`. One backwards walk costs a few times the
 * function, whatever the number of inputs. Rules live in `derivative.ts`, walks in `tape.ts`.
 */
import { TransformError } from "@dormouse/tensor";
import { type Tensor, primitive, traced } from "@dormouse/tensor/graph";
import { describe, resultOf, scalarOf, trace, traceAt, treesOf } from "./arguments.ts";
import { pull, record } from "./tape.ts";

/** Which arguments are differentiated: one position, or several. */
export type Positions = number | readonly number[];

/** The arguments at `N`: one type for one position, a tuple for several. */
export type Selected<A extends readonly unknown[], N extends Positions> = N extends number
  ? A[N & keyof A]
  : { -readonly [K in keyof N]: A[N[K] & keyof A] };

/** Options of `grad` and `valueAndGrad`. */
export interface GradOptions<N extends Positions | undefined = Positions | undefined> {
  /** Position of the argument to differentiate, or several. Default 0. */
  readonly argument?: N;
  /** The function returns `[scalar, aux]`; `aux` is any tree and is handed through. Default false. */
  readonly hasAux?: boolean;
}

type Loss<A extends readonly unknown[], R extends Tensor> = (...args: A) => R;
type LossWithAux<A extends readonly unknown[], R extends Tensor, X> = (...args: A) => readonly [R, X];
interface WithAux {
  readonly hasAux: true;
}
interface WithoutAux {
  readonly hasAux?: false;
}
/** The first argument, in overloads of its own: a type parameter with a default would be inferred from context. */
interface First {
  readonly argument?: undefined;
}
interface At<N extends Positions> {
  readonly argument: N;
}

/**
 * The value of a scalar function and its gradient, from one evaluation.
 *
 * The gradient is a tree of the type of the argument (a model gives a model of gradients); integer and bool leaves
 * are constants and get zeros of their own dtype; a tensor at two places of the tree is one leaf, with the total
 * derivative. With `hasAux` the function returns `[loss, aux]` and the result is `[loss, gradient, aux]`.
 *
 * Throws `TransformError` where the function does not return a float scalar or the argument holds no float tensor.
 *
 * ```ts
 * const [loss, gradient] = valueAndGrad((m: Mlp) => crossEntropy(m.forward(x), y))(model);
 * ```
 */
export function valueAndGrad<A extends readonly unknown[], R extends Tensor>(
  f: Loss<A, R>,
  options?: First & WithoutAux,
): (...args: A) => [value: R, gradient: A[0]];
export function valueAndGrad<A extends readonly unknown[], R extends Tensor, X>(
  f: LossWithAux<A, R, X>,
  options: First & WithAux,
): (...args: A) => [value: R, gradient: A[0], aux: X];
export function valueAndGrad<A extends readonly unknown[], R extends Tensor, const N extends Positions>(
  f: Loss<A, R>,
  options: At<N> & WithoutAux,
): (...args: A) => [value: R, gradient: Selected<A, N>];
export function valueAndGrad<A extends readonly unknown[], R extends Tensor, X, const N extends Positions>(
  f: LossWithAux<A, R, X>,
  options: At<N> & WithAux,
): (...args: A) => [value: R, gradient: Selected<A, N>, aux: X];
export function valueAndGrad(
  f: (...args: unknown[]) => unknown,
  options: GradOptions = {},
): (...args: unknown[]) => unknown[] {
  return (...args) => {
    const { value, gradient, aux } = differentiate("valueAndGrad", f, options, args);
    return options.hasAux ? [value, gradient, aux] : [value, gradient];
  };
}

/**
 * The gradient of a scalar function: `grad(f)(x)` has the tree, shapes and dtypes of `x`, with ∂f/∂xᵢ for every
 * element. With `hasAux` the result is `[gradient, aux]`. See `valueAndGrad` for the treatment of trees and errors.
 * Nests with itself and every other transform.
 *
 * ```ts
 * const slope = grad((x: Tensor) => sum(mul(x, sin(x))));
 * await slope(tensor([0, 1])).array();                       // sin x + x cos x
 * ```
 */
export function grad<A extends readonly unknown[], R extends Tensor>(
  f: Loss<A, R>,
  options?: First & WithoutAux,
): (...args: A) => A[0];
export function grad<A extends readonly unknown[], R extends Tensor, X>(
  f: LossWithAux<A, R, X>,
  options: First & WithAux,
): (...args: A) => [gradient: A[0], aux: X];
export function grad<A extends readonly unknown[], R extends Tensor, const N extends Positions>(
  f: Loss<A, R>,
  options: At<N> & WithoutAux,
): (...args: A) => Selected<A, N>;
export function grad<A extends readonly unknown[], R extends Tensor, X, const N extends Positions>(
  f: LossWithAux<A, R, X>,
  options: At<N> & WithAux,
): (...args: A) => [gradient: Selected<A, N>, aux: X];
export function grad(
  f: (...args: unknown[]) => unknown,
  options: GradOptions = {},
): (...args: unknown[]) => unknown {
  return (...args) => {
    const { gradient, aux } = differentiate("grad", f, options, args);
    return options.hasAux ? [gradient, aux] : gradient;
  };
}

/** What `grad`, `valueAndGrad` and `hessian` have in common; `op` is who is asked, for errors. */
export function differentiate(
  op: string,
  f: (...args: unknown[]) => unknown,
  { argument = 0, hasAux = false }: GradOptions,
  given: readonly unknown[],
): { value: Tensor; gradient: unknown; aux: unknown } {
  const positions = typeof argument === "number" ? [argument] : argument;
  const { args, chosen } = traceAt(op, given, positions);
  const result = traced(() => f(...args));
  if (hasAux && !(Array.isArray(result) && result.length === 2)) {
    throw new TransformError(op, `the function returned ${describe(result)} under { hasAux: true }`, {
      expected: "[scalar, aux]",
      received: result,
      hint: "return [loss, aux]",
    });
  }
  const [output, aux] = hasAux ? (result as [unknown, unknown]) : [result, undefined];
  const value = scalarOf(op, output);
  const tape = record([value], chosen.flatMap(({ tracers }) => tracers));
  const cotangents = pull(tape, [value], [primitive.constant(1, [], value.dtype)]);
  const gradients = chosen.map(({ fill }) => fill((tracer) => cotangents.get(tracer)));
  return { value, gradient: typeof argument === "number" ? gradients[0] : gradients, aux };
}

/**
 * The value of a function and its pullback, the transpose of its derivative: `pullback(ct)` is the list
 * `[ctᵀ ∂f/∂x₀, …]`, one tree for each primal, for a cotangent of the tree of the output. The function runs once, the
 * pullback as often as called.
 *
 * Throws `TransformError` where the function returns no tensor; the pullback throws `ValueError`, `ShapeError` or
 * `DTypeError` where the cotangent does not fit the output.
 *
 * ```ts
 * const [y, pullback] = vjp((x: Tensor, w: Tensor) => matmul(x, w), x, w);
 * const [dx, dw] = pullback(onesLike(y));                    // ct·wᵀ, xᵀ·ct
 * ```
 */
export function vjp<A extends readonly unknown[], R>(
  f: (...primals: A) => R,
  ...primals: A
): [output: R, pullback: (cotangent: R) => A] {
  const args = primals.map(trace);
  const output = resultOf("vjp", traced(() => f(...treesOf<A>(args))));
  const tape = record(output.leaves, args.flatMap(({ tracers }) => tracers));
  return [
    output.tree,
    (cotangent) => {
      const cotangents = pull(tape, output.leaves, output.match("vjp", "cotangent", cotangent));
      return args.map(({ fill }) => fill((tracer) => cotangents.get(tracer))) as unknown as A;
    },
  ];
}
