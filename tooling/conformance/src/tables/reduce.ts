/** Reductions and scans (`ops-reduce`), softmax (`ops-softmax`), and both on special values (`ops-special`). */
import {
  type Tensor, all, any, argmax, argmin, countNonzero, cumprod, cumsum, logSoftmax, logcumsumexp, logsumexp, max, mean,
  min, norm, prod, softmax, softmin, std, sum, variance,
} from "@dormouse/tensor";
import type { Attributes, Row, Table } from "../table.ts";
import { binary, unary } from "./elementwise.ts";

interface Options {
  readonly axis: number | undefined;
  readonly keepDims: boolean;
}
const optionsOf = ({ axis, keepdim }: Attributes): Options => ({ axis: axis ?? undefined, keepDims: keepdim ?? false });

const reduction =
  (f: (x: Tensor, options: Options) => Tensor): Row =>
  ({ x }, attributes) =>
    f(x, optionsOf(attributes));
const along =
  (f: (x: Tensor, options: { readonly axis: number }) => Tensor): Row =>
  ({ x }, { axis }) =>
    f(x, { axis: axis! });

/** Reductions and scans. */
export const reduce: Table = {
  sum: reduction(sum),
  mean: reduction(mean),
  logsumexp: reduction(logsumexp),
  amax: reduction(max),
  amin: reduction(min),
  prod: reduction(prod),
  argmax: reduction(argmax),
  argmin: reduction(argmin),
  any: reduction(any),
  all: reduction(all),
  count_nonzero: reduction(countNonzero),
  var: ({ x }, attributes) => variance(x, { ...optionsOf(attributes), correction: attributes.correction }),
  std: ({ x }, attributes) => std(x, { ...optionsOf(attributes), correction: attributes.correction }),
  norm: ({ x }, attributes) => norm(x, { ...optionsOf(attributes), p: Number(attributes.p) }),
  max: ({ x }, attributes) => ({ values: max(x, optionsOf(attributes)), indices: argmax(x, optionsOf(attributes)) }),
  min: ({ x }, attributes) => ({ values: min(x, optionsOf(attributes)), indices: argmin(x, optionsOf(attributes)) }),
  cumsum: along(cumsum),
  cumprod: along(cumprod),
  logcumsumexp: along(logcumsumexp),
};

/** Softmax and its kin. */
export const normalizedExponentials: Table = {
  softmax: along(softmax),
  log_softmax: along(logSoftmax),
  softmin: along(softmin),
};

/** Rows that the cases of `ops-special` reduce along axis 1 without saying so. */
const alongRows = Object.fromEntries(
  Object.entries({ sum, mean, amax: max, amin: min, logsumexp, softmax, log_softmax: logSoftmax, argmax, cumsum }).map(
    ([op, f]): [string, Row] => [op, ({ x }) => (f as (x: Tensor, options: { axis: number }) => Tensor)(x, { axis: 1 })],
  ),
);

/** Everything that is tried on NaN, infinities, zeros with a sign, overflow and underflow. */
export const special: Table = { ...unary, ...binary, ...alongRows };
