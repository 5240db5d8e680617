/**
 * Symbolic differentiation made visible: the graph of a function and of its gradient as a list of expressions, in
 * which what is used twice has a name and is computed once. What is listed is the graph after the rewrites of
 * lowering, which is what runs. The spelling is in `notation.ts`; the evaluation step by step in
 * `evaluation-trace.ts`.
 */
import type { DType } from "@dormouse/tensor";
import { type Shape, type Tensor, type Value, isFloat, primitive, topologicalOrder, valuesOf } from "@dormouse/tensor/graph";
import { type TracedCall, callTraced, capturedNumber } from "./named.ts";
import { Notation, numberOf, showType, table } from "./notation.ts";
import { pull, record } from "./tape.ts";

/** A tensor with a name. */
export interface ExplainedName {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: DType;
}

/** One line of an explanation: `name = expression`. */
export interface ExplainedLine extends ExplainedName {
  /** Of the names of earlier lines, inputs and numbers. */
  readonly expression: string;
  /** How many later lines and results use the name. */
  readonly uses: number;
}

/** A function and its gradient as expressions; `toString()` is the listing. */
export interface Explanation {
  readonly title: string;
  /** Arguments, then tensors that the function uses without being given them. */
  readonly inputs: readonly ExplainedName[];
  /** Cotangents of the results that the gradient is for; none where the result is one scalar. */
  readonly cotangents: readonly ExplainedName[];
  /** The lines that compute the value. */
  readonly value: readonly ExplainedLine[];
  /** The further lines that the gradient needs. */
  readonly gradient: readonly ExplainedLine[];
  toString(): string;
}

/** Expressions longer than this get a name even if used once. */
const LONGEST_IN_PLACE = 48;

/**
 * The graph of `f` at arguments of these shapes, and of its gradient by every float argument, as an expression
 * listing: a subexpression that is used twice has one name, whether the value or the gradient uses it. Where the
 * result is not one float scalar, the gradient is the product of a cotangent (`df`) and the Jacobian, as in `vjp`.
 *
 * Computes nothing. Throws `TransformError` where the function returns no tensor.
 *
 * ```ts
 * console.log(String(explain((x: Tensor) => mul(x, sin(x)), tensor(2))));
 * // f(x: float32[])
 * //   v1 = sin(x)
 * //   f  = x * v1
 * // gradient
 * //   dx = v1 + x * cos(x)
 * ```
 */
export function explain<A extends readonly unknown[]>(f: (...args: A) => unknown, ...args: A): Explanation {
  const call = callTraced("explain", f as (...args: never[]) => unknown, args);
  const results = [...call.outputs.keys()];
  const floats = results.filter(({ dtype }) => isFloat(dtype));
  const scalar = results.length === 1 && floats[0]?.rank === 0;
  const seeds = floats.map((y) =>
    scalar ? primitive.constant(1, [], y.dtype) : primitive.placeholder(y.shape, y.dtype),
  );
  const inputs = new Map(call.inputs);
  const cotangents = new Map<Tensor, string>();
  if (!scalar) floats.forEach((y, i) => cotangents.set(seeds[i]!, call.fresh(`d${call.outputs.get(y)!}`)));

  const tracers = call.args.flatMap((arg) => arg.tracers);
  const sums = pull(record(floats, tracers), floats, seeds);
  const gradients = tracers.map((tracer) => {
    const zero = primitive.constant(0, tracer.shape, tracer.dtype);
    return { name: call.fresh(`d${call.inputs.get(tracer)!}`), tensor: sums.get(tracer) ?? zero };
  });
  const roots = [...results, ...gradients.map(({ tensor }) => tensor)];
  nameCaptured(roots, inputs, cotangents, call);

  const given = [...inputs, ...cotangents];
  const values = valuesOf({ inputs: given.map(([tensor]) => tensor), outputs: roots });
  const named = results.map((y, i) => ({ name: call.outputs.get(y)!, value: values[i]! }));
  const slopes = gradients.map(({ name }, i) => ({ name, value: values[results.length + i]! }));
  const lines = linesOf(named, slopes, given.map(([, name]) => name), call.fresh);
  const listed = (names: ReadonlyMap<Tensor, string>): ExplainedName[] =>
    [...names].map(([{ shape, dtype }, name]) => ({ name, shape, dtype }));
  const explanation = {
    title: call.title,
    inputs: listed(inputs),
    cotangents: listed(cotangents),
    ...lines,
  };
  return { ...explanation, toString: () => listing(explanation) };
}

/** Tensors that exist already become inputs, scalars that are on the host numbers. */
function nameCaptured(
  roots: readonly Tensor[],
  inputs: Map<Tensor, string>,
  cotangents: ReadonlyMap<Tensor, string>,
  { fresh }: TracedCall,
): void {
  for (const node of topologicalOrder(roots, (node) => inputs.has(node) || node.storage !== null)) {
    if (inputs.has(node) || cotangents.has(node)) continue;
    if (!node.storage && node.op !== "placeholder" && node.op !== "buffer") continue;
    inputs.set(node, fresh(capturedNumber(node) ?? "c1"));
  }
}

interface Root {
  readonly name: string;
  readonly value: Value;
}

/** Chooses what gets a line: results, what is used twice, and what would make a line too long. */
function linesOf(
  results: readonly Root[],
  gradients: readonly Root[],
  inputNames: readonly string[],
  fresh: (wanted: string) => string,
): Pick<Explanation, "value" | "gradient"> {
  const uses = new Map<Value, number>();
  const order: Value[] = [];
  const seen = new Set<Value>();
  const stack: { readonly value: Value; next: number }[] = [];
  const push = (value: Value): void => {
    if (seen.has(value)) return;
    seen.add(value);
    stack.push({ value, next: 0 });
  };
  for (const { value: root } of [...results, ...gradients]) {
    uses.set(root, (uses.get(root) ?? 0) + 1);
    push(root);
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const source = top.value.sources[top.next++];
      if (source) {
        uses.set(source, (uses.get(source) ?? 0) + 1);
        push(source);
      } else order.push(stack.pop()!.value);
    }
  }

  const names = new Map<Value, string>();
  const notation = new Notation((x) => names.get(x as Value));
  const lines = { value: [] as ExplainedLine[], gradient: [] as ExplainedLine[] };
  const add = (section: ExplainedLine[], name: string, { shape, dtype }: Value, expression: string, used: number) =>
    void section.push({ name, shape, dtype, expression, uses: used });

  const forward = new Set<Value>();
  const below = results.map(({ value }) => value);
  for (let value = below.pop(); value; value = below.pop()) {
    if (forward.has(value)) continue;
    forward.add(value);
    below.push(...value.sources);
  }
  // A gradient that the value computes anyway keeps the name it has there.
  const rootNames = new Map<Value, string>();
  for (const { name, value } of results) if (!rootNames.has(value)) rootNames.set(value, name);
  for (const { name, value } of gradients) {
    if (!forward.has(value) && !rootNames.has(value)) rootNames.set(value, name);
  }
  let serial = 1;
  for (const value of order) {
    if (value.op === "input") {
      names.set(value, inputNames[(value.params as { readonly index: number }).index]!);
      continue;
    }
    // Numbers are written in place.
    if (numberOf(value) !== null) continue;
    const root = rootNames.get(value);
    const expression = notation.definition(value);
    const shared = uses.get(value)! > 1 || expression.length > LONGEST_IN_PLACE;
    if (root === undefined && !shared) continue;
    const name = root ?? fresh(`v${serial++}`);
    add(forward.has(value) ? lines.value : lines.gradient, name, value, expression, uses.get(value)! - (root ? 1 : 0));
    names.set(value, name);
  }
  // A result that is an input, or that another result is too, is a line of its own.
  const alias = (section: ExplainedLine[], roots: readonly Root[]): void => {
    for (const { name, value } of roots) {
      if (names.get(value) !== name) add(section, name, value, notation.text(value), 0);
    }
  };
  alias(lines.value, results);
  alias(lines.gradient, gradients);
  return lines;
}

function listing({ title, inputs, cotangents, value, gradient }: Omit<Explanation, "toString">): string {
  const show = (names: readonly ExplainedName[]): string =>
    names.map((input) => `${input.name}: ${showType(input)}`).join(", ");
  const rows = (lines: readonly ExplainedLine[]): string[] =>
    table(lines.map(({ name, expression }) => [name, `= ${expression}`])).map((line) => line.replace(/ {2}= /, " = "));
  const heading = cotangents.length === 0 ? "gradient" : `gradient for ${show(cotangents)}`;
  return [`${title}(${show(inputs)})`, ...rows(value), heading, ...rows(gradient)].join("\n");
}
