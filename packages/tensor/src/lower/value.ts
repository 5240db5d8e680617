/** The vocabulary of lowering: values, each made once by an operation on other values. */
import type { DType } from "../core/dtype.ts";
import type { Params, Primitive } from "../core/primitives.ts";
import type { Shape } from "../core/shape.ts";

/** Primitives that survive into the region, and its inputs. `barrier` equals no other value, not even a twin. */
export type Operation =
  | Exclude<Primitive, "buffer" | "placeholder" | "identity" | "call" | "check">
  | "input"
  | "barrier";

/** Parameters of an operation. */
export type OperationParams = {
  [O in Operation]: O extends Primitive
    ? Params[O]
    : O extends "input"
      ? { readonly index: number }
      : { readonly serial: number };
};

/** One value of the region. Equal values are the same object. */
export interface Value<O extends Operation = Operation> {
  readonly id: number;
  readonly op: O;
  readonly sources: readonly Value[];
  readonly shape: Shape;
  readonly dtype: DType;
  readonly params: OperationParams[O];
}

/** True where `value` is made by `op`; narrows its parameters. */
export const is = <O extends Operation>(value: Value, op: O): value is Value<O> => value.op === op;

/** Makes values; `make` applies every rewrite, `constant` is a constant of any shape. */
export interface ValueMaker {
  make<O extends Operation>(
    op: O,
    sources: readonly Value[],
    shape: Shape,
    dtype: DType,
    params: OperationParams[O],
  ): Value;
  constant(value: number, shape: Shape, dtype: DType): Value;
}

/** Parameters as text that is equal for equal parameters: −0, NaN and infinities keep their identity. */
export function showParams(params: object): string {
  let text = "";
  for (const key in params) text += `${key}:${show((params as Readonly<Record<string, unknown>>)[key])};`;
  return text;
}

// Written out, because JSON.stringify calls back for every number where it may not make null of NaN.
function show(value: unknown): string {
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (Array.isArray(value)) return `[${value.map(show).join()}]`;
  return typeof value === "object" && value !== null ? `{${showParams(value)}}` : JSON.stringify(value);
}
