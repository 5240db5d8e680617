/**
 * The region of a graph that is being lowered, as values made once each: calls are inlined, marks that only
 * transforms need are gone, equal expressions are one object. Owns the walk from tensors to values; the rewrites
 * applied while a value is made are in `simplify.ts`.
 */
import type { DType } from "../core/dtype.ts";
import { type Body, type Params, topologicalOrder } from "../core/primitives.ts";
import type { Shape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { simplify } from "./simplify.ts";
import { type Operation, type OperationParams, type Value, type ValueMaker, showParams } from "./value.ts";

/** Makes values, each once. */
export class Values implements ValueMaker {
  readonly #known = new Map<string, Value>();
  #next = 0;

  /** The value of an operation, after every rewrite that applies. */
  make<O extends Operation>(
    op: O,
    sources: readonly Value[],
    shape: Shape,
    dtype: DType,
    params: OperationParams[O],
  ): Value {
    return simplify(this, op, sources, shape, dtype, params) ?? this.intern(op, sources, shape, dtype, params);
  }

  /** The one value with these parts, without rewriting. */
  intern<O extends Operation>(
    op: O,
    sources: readonly Value[],
    shape: Shape,
    dtype: DType,
    params: OperationParams[O],
  ): Value<O> {
    const key = `${op}|${sources.map((source) => source.id).join()}|${shape.join()}|${dtype}|${showParams(params)}`;
    const known = this.#known.get(key);
    if (known) return known as Value<O>;
    const value: Value<O> = { id: this.#next++, op, sources, shape, dtype, params };
    this.#known.set(key, value);
    return value;
  }

  /** A constant of any shape. */
  constant(value: number, shape: Shape, dtype: DType): Value {
    const scalar = this.intern("constant", [], [], dtype, { value });
    return shape.length === 0 ? scalar : this.intern("broadcast", [scalar], shape, dtype, { shape, axes: [] });
  }
}

/** What to lower: the tensors whose elements are given, and those whose elements are wanted. */
export interface Region {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

/** A region as values. */
export interface RegionValues {
  /** `outputs[i]` is the value of `region.outputs[i]`. */
  readonly outputs: readonly Value[];
  /** The position that each check of the region reads, in the order of `failuresOf`. */
  readonly checks: readonly Value[];
}

/** The values of a region's outputs: see `regionValues`. */
export const valuesOf = (region: Region): Value[] => [...regionValues(region).outputs];

/** The region as values. Checks in the body of a call belong to the region, as all else in it does. */
export function regionValues(region: Region, values = new Values()): RegionValues {
  const checks: Value[] = [];
  const known = new Map<Tensor, Value>(
    region.inputs.map((tensor, index) => [
      tensor,
      values.intern("input", [], tensor.shape, tensor.dtype, { index }),
    ]),
  );
  let barriers = 0;
  const convert = (roots: readonly Tensor[], known: Map<Tensor, Value>): Value[] => {
    for (const tensor of topologicalOrder(roots, (node) => known.has(node))) {
      if (known.has(tensor)) continue;
      const sources = tensor.sources.map((source) => known.get(source)!);
      known.set(tensor, convertOne(tensor, sources));
    }
    return roots.map((root) => known.get(root)!);
  };
  const convertOne = (tensor: Tensor, sources: readonly Value[]): Value => {
    switch (tensor.op) {
      case "check":
        checks.push(sources[1]!);
        return sources[0]!;
      case "identity":
        return (tensor.params as Params["identity"]).tag === "barrier"
          ? values.intern("barrier", sources, tensor.shape, tensor.dtype, { serial: barriers++ })
          : sources[0]!;
      case "call": {
        const { body } = tensor.params as Params["call"];
        return convert([body.output], new Map(body.inputs.map((hole, i) => [hole, sources[i]!])))[0]!;
      }
      case "buffer":
      case "placeholder":
        throw new Error(`lower: a ${tensor.op} of shape [${tensor.shape.join(", ")}] is not among the inputs`);
      default:
        return values.make(
          tensor.op as Operation,
          sources,
          tensor.shape,
          tensor.dtype,
          tensor.params as OperationParams[Operation],
        );
    }
  };
  return { outputs: convert(region.outputs, known), checks };
}

/** Makes the error of a check from the position that it found. */
export type Fail = Params["check"]["fail"];

/** Bodies never change, so each is searched once. */
const failuresOfBodies = new WeakMap<Body, readonly Fail[]>();

/** The errors of all checks of nodes in topological order, those in the body of a call in its place. */
export function failuresOf(order: readonly Tensor[]): Fail[] {
  const failures: Fail[] = [];
  for (const { op, params } of order) {
    if (op === "check") failures.push((params as Params["check"]).fail);
    if (op !== "call") continue;
    const { body } = params as Params["call"];
    let within = failuresOfBodies.get(body);
    if (!within) {
      const holes = new Set(body.inputs);
      within = failuresOf(topologicalOrder([body.output], (node) => holes.has(node)));
      failuresOfBodies.set(body, within);
    }
    failures.push(...within);
  }
  return failures;
}

/**
 * Values under `roots`, every value after its sources; the deepest source first, so that a value recomputed for the
 * backward pass is made just before it is needed and not long before.
 */
export function orderOf(roots: readonly Value[]): Value[] {
  const depth = new Map<Value, number>();
  const visit = (values: readonly Value[], enter: (value: Value) => readonly Value[], leave: (value: Value) => void) => {
    const seen = new Set<Value>();
    const stack: { value: Value; rest: Value[] }[] = [];
    const push = (value: Value) => {
      if (seen.has(value)) return;
      seen.add(value);
      stack.push({ value, rest: enter(value).toReversed() as Value[] });
    };
    for (const root of values) {
      push(root);
      while (stack.length > 0) {
        const top = stack[stack.length - 1]!;
        const next = top.rest.pop();
        if (next) push(next);
        else leave(stack.pop()!.value);
      }
    }
  };
  visit(
    roots,
    (value) => value.sources,
    (value) => depth.set(value, 1 + Math.max(0, ...value.sources.map((source) => depth.get(source)!))),
  );
  const order: Value[] = [];
  visit(
    roots,
    (value) => value.sources.toSorted((a, b) => depth.get(b)! - depth.get(a)!),
    (value) => order.push(value),
  );
  return order;
}
