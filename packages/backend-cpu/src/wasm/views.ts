/**
 * Affine views of a product's operands, split the way packing wants them: address(batch, x, k) = offset + f(batch) +
 * g(x) + h(k), where x is the flattened index of all m axes (or all n axes) and k of all k axes. Because each condition
 * of a padded view splits in the same way, windows need no unfolding: a table of g and one of h address them. Owns the
 * algebra of axes; refuses code, except for the one expression that turns a flattened index into an offset.
 */
import type { DType } from "@dormouse/tensor";
import type { Affine, ContractKernel, KernelArgument, Scalar } from "@dormouse/tensor/graph";
import { i32 } from "./encoder.ts";
import type { Expression } from "./encoder.ts";

/** A linear function of one flattened row-major index; axes of size 1 are gone and mergeable neighbors are merged. */
export interface Linear {
  readonly sizes: readonly number[];
  readonly strides: readonly number[];
}

export const sizeOf = (sizes: readonly number[]): number => sizes.reduce((product, size) => product * size, 1);

export function linear(sizes: readonly number[], strides: readonly number[]): Linear {
  const merged: { size: number; stride: number }[] = [];
  sizes.forEach((size, axis) => {
    const stride = strides[axis]!;
    const last = merged.at(-1);
    if (size === 1) return;
    if (last && last.stride === size * stride) merged[merged.length - 1] = { size: last.size * size, stride };
    else merged.push({ size, stride });
  });
  return { sizes: merged.map(({ size }) => size), strides: merged.map(({ stride }) => stride) };
}

/** The stride between neighbors if it is the same everywhere, else undefined. One position has stride 0. */
export const uniformStride = ({ strides }: Linear): number | undefined =>
  strides.length < 2 ? (strides[0] ?? 0) : undefined;

/** `scale` times the function at the flattened index `at`, which must be cheap to repeat. */
export function offsetAt({ sizes, strides }: Linear, at: Expression<"i32">, scale = 1): Expression<"i32"> {
  let sum: Expression<"i32"> | undefined;
  let below = 1;
  for (let axis = sizes.length - 1; axis >= 0; axis--) {
    const outer = below === 1 ? at : i32.div_u(at, i32.const(below));
    const index = axis === 0 ? outer : i32.rem_u(outer, i32.const(sizes[axis]!));
    const stride = strides[axis]! * scale;
    const term = stride === 1 ? index : i32.mul(index, i32.const(stride));
    if (stride !== 0) sum = sum ? i32.add(sum, term) : term;
    below *= sizes[axis]!;
  }
  return sum ?? i32.const(0);
}

/** An affine function split by group. */
export interface Split {
  readonly offset: number;
  readonly batch: Linear;
  readonly m: Linear;
  readonly n: Linear;
  readonly k: Linear;
}

export function split(
  { batch, m, n, k }: Pick<ContractKernel, "batch" | "m" | "n" | "k">,
  { offset, strides }: Affine,
): Split {
  let start = 0;
  const take = (sizes: readonly number[]): Linear => linear(sizes, strides.slice(start, (start += sizes.length)));
  return { offset, batch: take(batch), m: take(m), n: take(n), k: take(k) };
}

/** An operand as packing sees it: x stands for m on the left and n on the right. */
export interface OperandView {
  readonly arg: number;
  readonly dtype: DType;
  readonly at: OperandSplit;
  readonly conditions: readonly (OperandSplit & { readonly below: number })[];
  readonly fill: number;
}
export interface OperandSplit {
  readonly offset: number;
  readonly batch: Linear;
  readonly x: Linear;
  readonly k: Linear;
}

/** `scale` times what the batch alone decides. */
export const startOf = (
  { offset, batch }: Pick<Split, "offset" | "batch">,
  at: Expression<"i32">,
  scale: number,
): Expression<"i32"> => i32.add(i32.const(offset * scale), offsetAt(batch, at, scale));

/** The operand as a view of memory, or undefined when it has to be computed. */
export function operandView(
  kernel: ContractKernel,
  side: "m" | "n",
  body: Scalar,
  args: readonly KernelArgument[],
): OperandView | undefined {
  if (body.op !== "load" || body.indirect?.length || args[body.arg]!.dtype !== body.dtype) return undefined;
  const part = (affine: Affine): OperandSplit => {
    const { offset, batch, k, [side]: x } = split(kernel, affine);
    return { offset, batch, x, k };
  };
  const conditions = (body.valid ?? []).map((condition) => ({ ...part(condition), below: condition.below }));
  return { arg: body.arg, dtype: body.dtype, at: part(body.at), conditions, fill: body.fill ?? 0 };
}

/** Axes of a kernel by number, counted over [..batch, ..m, ..n, ..k]. */
export interface AxisGroups {
  readonly batch: readonly number[];
  readonly m: readonly number[];
  readonly n: readonly number[];
  readonly k: readonly number[];
}

export function groupsOf({ batch, m, n, k }: ContractKernel): AxisGroups {
  let start = 0;
  const take = (axes: readonly number[]): number[] => axes.map(() => start++);
  return { batch: take(batch), m: take(m), n: take(n), k: take(k) };
}

/** `body` with every affine function replaced. */
export function mapAffine(body: Scalar, change: <A extends Affine>(at: A) => A): Scalar {
  const seen = new Map<Scalar, Scalar>();
  const visit = (node: Scalar): Scalar => {
    let result = seen.get(node);
    if (!result) seen.set(node, (result = rewrite(node)));
    return result;
  };
  const rewrite = (node: Scalar): Scalar => {
    switch (node.op) {
      case "const":
      case "result":
        return node;
      case "index":
        return { ...node, at: change(node.at) };
      case "valid":
        return { ...node, conditions: node.conditions.map((condition) => change(condition)) };
      case "load":
        return {
          ...node,
          at: change(node.at),
          ...(node.indirect && { indirect: node.indirect.map((hop) => ({ ...hop, index: visit(hop.index) })) }),
          ...(node.valid && { valid: node.valid.map((condition) => change(condition)) }),
        };
      default:
        return { ...node, sources: node.sources.map(visit) };
    }
  };
  return visit(body);
}

/** The same product with its axes grouped another way; `exchange` makes the right operand the left one. */
export function regroup(kernel: ContractKernel, { batch, m, n, k }: AxisGroups, exchange: boolean): ContractKernel {
  const sizes = [...kernel.batch, ...kernel.m, ...kernel.n, ...kernel.k];
  const order = [...batch, ...m, ...n, ...k];
  const change = <A extends Affine>(at: A): A => ({ ...at, strides: order.map((axis) => at.strides[axis]!) });
  const pick = (axes: readonly number[]): number[] => axes.map((axis) => sizes[axis]!);
  const [lhs, rhs] = [mapAffine(kernel.lhs, change), mapAffine(kernel.rhs, change)];
  return {
    ...kernel,
    batch: pick(batch),
    m: pick(m),
    n: pick(n),
    k: pick(k),
    lhs: exchange ? rhs : lhs,
    rhs: exchange ? lhs : rhs,
    stores: kernel.stores.map(({ arg, at, body }) => ({ arg, at: change(at), body: mapAffine(body, change) })),
  };
}

/** Whether the value of `body` can change along `axis`. */
export function movesAlong(body: Scalar, axis: number): boolean {
  let moves = false;
  mapAffine(body, (at) => {
    moves ||= at.strides[axis] !== 0;
    return at;
  });
  return moves;
}
