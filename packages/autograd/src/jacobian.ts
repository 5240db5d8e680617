/**
 * Derivatives as whole arrays: Jacobians by pushing or pulling every basis vector at once (a `vmap` of one walk), the
 * Hessian as the Jacobian of the gradient, and its product with a vector, which needs neither.
 */
import { TransformError } from "@dormouse/tensor";
import { type Tensor, axesOf, isFloat, primitive, showShape, sizeOf, traced } from "@dormouse/tensor/graph";
import { leavesOf, resultOf, traceAt } from "./arguments.ts";
import { type Batched, batch, full } from "./batching.ts";
import { forward } from "./jvp.ts";
import { type Tape, pull, push, record } from "./tape.ts";
import { type AnyShape } from "./vmap.ts";
import { differentiate, grad } from "./vjp.ts";

/**
 * The tree of a result, with a tree like the argument in place of each tensor: ∂(result leaf)/∂(argument leaf), of
 * shape [..result leaf, ..argument leaf].
 */
export type Jacobian<R, X> = R extends Tensor
  ? AnyShape<X>
  : { [K in keyof R]: Jacobian<R[K], X> };

/** Options of the functions that differentiate one argument. */
export interface ArgumentOption<N extends number = number> {
  /** Position of the argument to differentiate. Default 0. */
  readonly argument?: N;
}

/** Derivative of one result leaf by one argument leaf, [..result, ..argument], or null for zero. */
type Block = (output: Tensor, input: Tensor) => Tensor | null;

function jacobian(
  op: string,
  f: (...args: unknown[]) => unknown,
  position: number,
  given: readonly unknown[],
  blocks: (tape: Tape, outputs: readonly Tensor[], inputs: readonly Tensor[]) => Block,
): unknown {
  const { args, chosen } = traceAt(op, given, [position]);
  const argument = chosen[0]!;
  const result = resultOf(op, traced(() => f(...args)));
  for (const { dtype, shape } of result.leaves) {
    if (isFloat(dtype)) continue;
    throw new TransformError(op, `the function returned ${dtype} ${showShape(shape)}, which has no derivative`, {
      expected: "float16, float32 or float64",
      received: dtype,
      hint: "return floats only",
    });
  }
  const tape = record(result.leaves, argument.tracers);
  const block = blocks(tape, result.leaves, argument.tracers);
  return result.rebuild(
    result.leaves.map((output) =>
      argument.rebuild(
        argument.leaves.map(
          (input) =>
            (isFloat(input.dtype) ? block(output, input) : null) ??
            primitive.constant(0, [...output.shape, ...input.shape], output.dtype),
        ),
      ),
    ),
  );
}

/** All basis vectors of the space of `like`: [size, ..like.shape], as a batched value for a hole. */
function basis(like: Tensor): {
  readonly hole: Tensor;
  readonly known: ReadonlyMap<Tensor, Batched>;
  readonly size: number;
} {
  const size = sizeOf(like.shape);
  const index = primitive.iota(size);
  const [row, column] = [0, 1].map((axis) => primitive.broadcast(index, [size, size], [axis])) as [Tensor, Tensor];
  const eye = primitive.cast(primitive.equal(row, column), like.dtype);
  const hole = primitive.placeholder(like.shape, like.dtype);
  const tensor = primitive.reshape(eye, [size, ...like.shape]);
  return { hole, known: new Map([[hole, { tensor, batched: true }]]), size };
}

/**
 * The Jacobian of a function by reverse mode: one pullback for all elements of the result, batched. The cheaper one
 * where the result has fewer elements than the argument. For tensors the result is a tensor
 * [..f(x).shape, ..x.shape]; trees give trees of trees (see `Jacobian`).
 *
 * Throws `TransformError` where the function returns no tensor or integers, or the argument holds no float tensor.
 *
 * ```ts
 * const j = jacrev((x: Tensor) => softmax(x))(logits);       // [10, 10]
 * ```
 */
export function jacrev<A extends readonly unknown[], R, const N extends number = 0>(
  f: (...args: A) => R,
  options: ArgumentOption<N> = {},
): (...args: A) => Jacobian<R, A[N & keyof A]> {
  return (...args) =>
    jacobian("jacrev", f as never, options.argument ?? 0, args, (tape, outputs, inputs) => {
      const rows = new Map(
        outputs.map((output) => {
          const { hole, known, size } = basis(output);
          const cotangents = pull(tape, [output], [hole]);
          const reached = inputs.filter((input) => cotangents.has(input));
          const pulled = batch(reached.map((input) => cotangents.get(input)!), known, size);
          return [output, new Map(reached.map((input, k) => [input, full(pulled[k]!, size)]))];
        }),
      );
      return (output, input) => {
        const pulled = rows.get(output)!.get(input);
        return pulled ? primitive.reshape(pulled, [...output.shape, ...input.shape]) : null;
      };
    }) as Jacobian<R, A[N & keyof A]>;
}

/**
 * The Jacobian of a function by forward mode: one walk for all elements of the argument, batched. The cheaper one
 * where the argument has fewer elements than the result, and the better outer one in nests (`hessian`). Shapes, trees
 * and errors are those of `jacrev`.
 *
 * ```ts
 * const j = jacfwd((t: Tensor) => stack([cos(t), sin(t)]))(tensor(0));
 * ```
 */
export function jacfwd<A extends readonly unknown[], R, const N extends number = 0>(
  f: (...args: A) => R,
  options: ArgumentOption<N> = {},
): (...args: A) => Jacobian<R, A[N & keyof A]> {
  return (...args) => byColumns("jacfwd", f as never, options.argument ?? 0, args) as Jacobian<R, A[N & keyof A]>;
}

/** The Jacobian by forward mode. */
const byColumns = (
  op: string,
  f: (...args: unknown[]) => unknown,
  position: number,
  given: readonly unknown[],
): unknown =>
  jacobian(op, f, position, given, (tape, outputs, inputs) => {
    const columns = new Map(
      inputs.map((input) => {
        const { hole, known, size } = basis(input);
        const tangents = push(tape, new Map([[input, hole]]));
        const reached = outputs.filter((output) => tangents.has(output));
        const pushed = batch(reached.map((output) => tangents.get(output)!), known, size);
        return [input, new Map(reached.map((output, k) => [output, full(pushed[k]!, size)]))];
      }),
    );
    return (output, input) => {
      const pushed = columns.get(input)!.get(output);
      if (!pushed) return null;
      const last = primitive.permute(pushed, [...axesOf(output.rank).map((axis) => axis + 1), 0]);
      return primitive.reshape(last, [...output.shape, ...input.shape]);
    };
  });

/**
 * All second derivatives of a scalar function, forward over reverse: for a tensor argument [..x.shape, ..x.shape],
 * for a tree a tree of trees, `h.a.b` being ∂²f/∂a∂b.
 *
 * Throws as `grad` does.
 *
 * ```ts
 * const h = hessian((x: Tensor) => sum(mul(mul(x, x), x)))(x);   // diag(6x)
 * ```
 */
export function hessian<A extends readonly unknown[], R extends Tensor, const N extends number = 0>(
  f: (...args: A) => R,
  options: ArgumentOption<N> = {},
): (...args: A) => Jacobian<A[N & keyof A], A[N & keyof A]> {
  const argument = options.argument ?? 0;
  const gradient = (...args: unknown[]): unknown => differentiate("hessian", f as never, { argument }, args).gradient;
  return (...args) => byColumns("hessian", gradient, argument, args) as never;
}

/**
 * The Hessian of a scalar function times vectors, without the Hessian, at about the cost of two gradients: the tangent
 * of the gradient along `vectors`. All primals are differentiated jointly; the result lists one tree for each.
 *
 * Throws as `grad` and `jvp` do.
 *
 * ```ts
 * const [hv] = hvp(f, [x], [v]);                             // H(x)·v
 * ```
 */
export function hvp<A extends readonly unknown[], R extends Tensor>(
  f: (...primals: A) => R,
  primals: NoInfer<A>,
  vectors: NoInfer<A>,
): A {
  const moving = primals.flatMap((primal, k) =>
    leavesOf(primal).leaves.some(({ dtype }) => isFloat(dtype)) ? [k] : [],
  );
  if (moving.length === 0) traceAt("hvp", primals.length > 0 ? primals : [null], [0]);
  const { apply } = forward("hvp", grad(f, { argument: moving }) as (...args: A) => readonly unknown[], primals);
  const products = new Map(apply(vectors).map((product, k) => [moving[k]!, product]));
  return primals.map((primal, k) => products.get(k) ?? leavesOf(primal).fill(() => null)) as unknown as A;
}
