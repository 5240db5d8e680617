/**
 * `@dormouse/tensor/fluent`: ops as methods, `x.mul(2).add(1)`. Importing it adds them to every tensor; it is the only
 * file with side effects. A method is the free function of the same name with the tensor as its first argument.
 * Methods are typed by `this` and never mention the tensor's own shape parameter, so that `Tensor<[2, 3]>` stays
 * assignable to `Tensor`.
 */
import type { DType } from "./core/dtype.ts";
import type { Shape } from "./core/shape.ts";
import { Tensor } from "./core/tensor.ts";
import * as ops from "./ops/index.ts";
import type {
  Axes,
  Combined,
  CombineCheck,
  ExpandedShape,
  MatmulCheck,
  MatmulShape,
  Mutable,
  Operand,
  PermutationCheck,
  PermutedShape,
  ReducedShape,
  ReshapedShape,
  TransposedShape,
} from "./types/index.ts";

/** A function of every element. */
type Elementwise = <S extends Shape>(this: Tensor<S>) => Tensor<S>;

/** A function of pairs of elements, with broadcasting. */
type Pairwise<Op extends string> = <A extends Tensor, B extends Operand>(
  this: A,
  b: B & CombineCheck<Op, A, B>,
) => Combined<A, B>;

/** A reduction along axes. */
type Reduction<Op extends string> = <
  S extends Shape,
  const A extends Axes | undefined = undefined,
  K extends boolean = false,
>(
  this: Tensor<S>,
  options?: ops.ReduceOptions<Op, S, A, K>,
) => Tensor<ReducedShape<S, A, K>>;

/** As `Reduction`, along one axis. */
type Search<Op extends string> = <
  S extends Shape,
  const A extends number | undefined = undefined,
  K extends boolean = false,
>(
  this: Tensor<S>,
  options?: ops.ReduceOptions<Op, S, A, K>,
) => Tensor<ReducedShape<S, A, K>>;

/** A function along an axis that keeps the shape. */
type Along<Options> = <S extends Shape>(this: Tensor<S>, options?: Options) => Tensor<S>;

/** The methods that tensors get. */
export interface FluentMethods {
  add: Pairwise<"add">;
  sub: Pairwise<"sub">;
  mul: Pairwise<"mul">;
  div: Pairwise<"div">;
  pow: Pairwise<"pow">;
  maximum: Pairwise<"maximum">;
  minimum: Pairwise<"minimum">;
  equal: Pairwise<"equal">;
  notEqual: Pairwise<"notEqual">;
  less: Pairwise<"less">;
  lessEqual: Pairwise<"lessEqual">;
  greater: Pairwise<"greater">;
  greaterEqual: Pairwise<"greaterEqual">;
  logicalAnd: Pairwise<"logicalAnd">;
  logicalOr: Pairwise<"logicalOr">;
  logicalNot: Elementwise;

  neg: Elementwise;
  abs: Elementwise;
  sign: Elementwise;
  square: Elementwise;
  sqrt: Elementwise;
  rsqrt: Elementwise;
  reciprocal: Elementwise;
  exp: Elementwise;
  log: Elementwise;
  log1p: Elementwise;
  expm1: Elementwise;
  sin: Elementwise;
  cos: Elementwise;
  tanh: Elementwise;
  erf: Elementwise;
  sigmoid: Elementwise;
  relu: Elementwise;
  floor: Elementwise;
  ceil: Elementwise;
  round: Elementwise;
  clamp<S extends Shape>(this: Tensor<S>, bounds: Parameters<typeof ops.clamp>[1]): Tensor<S>;
  cast<S extends Shape>(this: Tensor<S>, dtype: DType): Tensor<S>;

  sum: Reduction<"sum">;
  mean: Reduction<"mean">;
  prod: Reduction<"prod">;
  max: Reduction<"max">;
  min: Reduction<"min">;
  variance: Reduction<"variance">;
  std: Reduction<"std">;
  norm: Reduction<"norm">;
  logsumexp: Reduction<"logsumexp">;
  all: Reduction<"all">;
  any: Reduction<"any">;
  argmax: Search<"argmax">;
  argmin: Search<"argmin">;

  softmax: Along<ops.SoftmaxOptions>;
  logSoftmax: Along<ops.SoftmaxOptions>;
  normalize: Along<ops.NormalizeOptions>;
  cumsum: Along<ops.CumulativeOptions>;
  cumprod: Along<ops.CumulativeOptions>;

  matmul<A extends Shape, B extends Shape>(
    this: Tensor<A>,
    b: Tensor<B> & MatmulCheck<A, B>,
  ): Tensor<MatmulShape<A, B>>;
  transpose<S extends Shape>(this: Tensor<S>): Tensor<TransposedShape<S>>;
  permute<S extends Shape, const P extends Shape>(
    this: Tensor<S>,
    axes: P & PermutationCheck<S, P>,
  ): Tensor<PermutedShape<S, P>>;
  reshape<const S extends Shape>(this: Tensor, shape: S): Tensor<ReshapedShape<S>>;
  broadcastTo<const S extends Shape>(this: Tensor, shape: S): Tensor<Mutable<S>>;
  expandDims<S extends Shape, const A extends number>(this: Tensor<S>, axis: A): Tensor<ExpandedShape<S, A>>;
  squeeze(this: Tensor, options?: { readonly axis?: Axes }): Tensor;
  flatten(this: Tensor, options?: Parameters<typeof ops.flatten>[1]): Tensor;

  slice(this: Tensor, ranges: readonly ops.Range[]): Tensor;
  select(this: Tensor, index: number, options?: ops.AxisOption): Tensor;
  take(this: Tensor, indices: ops.Indices, options?: ops.AxisOption): Tensor;
  takeAlongAxis(this: Tensor, indices: Tensor, options?: ops.AxisOption): Tensor;
  maskedFill<S extends Shape>(this: Tensor<S>, mask: Tensor, value: number): Tensor<S>;
  sort(this: Tensor, options?: ops.SortOptions): ops.Sorted;
  argsort(this: Tensor, options?: ops.SortOptions): Tensor;
  topK(this: Tensor, k: number, options?: ops.TopKOptions): ops.Sorted;
}

declare module "./core/tensor.ts" {
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- declarations merge only with equal parameters
  interface Tensor<S extends Shape = Shape> extends FluentMethods {}
}

/** One op for every method: a missing or a foreign row does not type-check. */
const methods: { readonly [Name in keyof FluentMethods]: (typeof ops)[Name] } = {
  add: ops.add, sub: ops.sub, mul: ops.mul, div: ops.div, pow: ops.pow, maximum: ops.maximum,
  minimum: ops.minimum, equal: ops.equal, notEqual: ops.notEqual, less: ops.less, lessEqual: ops.lessEqual,
  greater: ops.greater, greaterEqual: ops.greaterEqual, logicalAnd: ops.logicalAnd, logicalOr: ops.logicalOr,
  logicalNot: ops.logicalNot, neg: ops.neg, abs: ops.abs, sign: ops.sign, square: ops.square, sqrt: ops.sqrt,
  rsqrt: ops.rsqrt, reciprocal: ops.reciprocal, exp: ops.exp, log: ops.log, log1p: ops.log1p,
  expm1: ops.expm1, sin: ops.sin, cos: ops.cos, tanh: ops.tanh, erf: ops.erf, sigmoid: ops.sigmoid,
  relu: ops.relu, floor: ops.floor, ceil: ops.ceil, round: ops.round, clamp: ops.clamp, cast: ops.cast,
  sum: ops.sum, mean: ops.mean, prod: ops.prod, max: ops.max, min: ops.min, variance: ops.variance,
  std: ops.std, norm: ops.norm, logsumexp: ops.logsumexp, all: ops.all, any: ops.any, argmax: ops.argmax,
  argmin: ops.argmin, softmax: ops.softmax, logSoftmax: ops.logSoftmax, normalize: ops.normalize,
  cumsum: ops.cumsum, cumprod: ops.cumprod, matmul: ops.matmul, transpose: ops.transpose,
  permute: ops.permute, reshape: ops.reshape, broadcastTo: ops.broadcastTo, expandDims: ops.expandDims,
  squeeze: ops.squeeze, flatten: ops.flatten, slice: ops.slice, select: ops.select, take: ops.take,
  takeAlongAxis: ops.takeAlongAxis, maskedFill: ops.maskedFill, sort: ops.sort, argsort: ops.argsort,
  topK: ops.topK,
};

for (const [name, op] of Object.entries(methods)) {
  const apply = op as (x: Tensor, ...rest: unknown[]) => unknown;
  Object.defineProperty(Tensor.prototype, name, {
    value(this: Tensor, ...rest: unknown[]): unknown {
      return apply(this, ...rest);
    },
    writable: true,
    configurable: true,
  });
}
