/**
 * Reverse mode made visible: the evaluation trace of a function forwards, then its adjoints backwards, one product
 * with a transposed Jacobian at a time, with the shape of the Jacobian that is never built. What is listed is the
 * tape itself (`tape.ts`); the spelling is in `notation.ts`.
 */
import type { DType, NestedArray } from "@dormouse/tensor";
import { evaluate } from "@dormouse/tensor";
import { type Shape, type Tensor, isFloat, primitive, showShape, topologicalOrder, valuesOf } from "@dormouse/tensor/graph";
import { callTraced, capturedNumber } from "./named.ts";
import { type Expression, Notation, numberOf, showNumber, showType, table } from "./notation.ts";
import { type Contribution, pull, record } from "./tape.ts";

/** One step of an evaluation trace. */
export interface TraceStep {
  readonly name: string;
  readonly expression: string;
  readonly shape: Shape;
  readonly dtype: DType;
  /** The elements; only after `evaluate()`, and only where there are few. */
  readonly value?: NestedArray;
}

/** One step backwards: what the adjoint of `of` gives the adjoint of a node it was computed from. */
export interface ReverseStep extends TraceStep {
  /** The node whose adjoint receives the product; null for the adjoints the walk starts from. */
  readonly receiver: string | null;
  /** The node whose adjoint is multiplied. */
  readonly of: string;
  /** True where the adjoint had a part already, so that this one is added. */
  readonly adds: boolean;
  /** Shape of the Jacobian ∂of/∂receiver that the product avoids; null for the adjoints the walk starts from. */
  readonly jacobian: Shape | null;
}

/** A function step by step, forwards and backwards; `toString()` is the listing. */
export interface EvaluationTrace {
  readonly title: string;
  readonly forward: readonly TraceStep[];
  readonly reverse: readonly ReverseStep[];
  /** The same trace with the elements of every step that has at most `most` of them (default 4). */
  evaluate(options?: { readonly most?: number }): Promise<EvaluationTrace>;
  toString(): string;
}

/**
 * The evaluation trace of `f` at `args`, and the reverse program: every intermediate value in the order of evaluation,
 * then every adjoint (`dv3` is the derivative of the result by `v3`) from the result back to the arguments. Each
 * reverse step is a product with a transposed Jacobian and says what shape that Jacobian would have. Where the result
 * is not one float scalar, the walk starts from a cotangent of ones, as for the sum of all results.
 *
 * Computes nothing until `evaluate()`. Throws `TransformError` where the function returns no tensor.
 *
 * ```ts
 * const steps = evaluationTrace((x: Tensor) => mul(x, sin(x)), tensor(2));
 * console.log(String(await steps.evaluate()));
 * ```
 */
export function evaluationTrace<A extends readonly unknown[]>(
  f: (...args: A) => unknown,
  ...args: A
): EvaluationTrace {
  const call = callTraced("evaluationTrace", f as (...args: never[]) => unknown, args);
  const results = [...call.outputs.keys()];
  const names = new Map<Expression, string>(call.inputs);
  const inputs = [...call.inputs].map(([tensor, name]) => ({ name, expression: "argument", tensor }));
  const notation = new Notation((x) => names.get(x));
  const forward: Placed<TraceStep>[] = inputs.map(({ name, expression, tensor }) => placed(name, expression, tensor));
  let serial = 1;
  for (const node of topologicalOrder(results, (node) => names.has(node) || node.storage !== null)) {
    if (names.has(node) || numberOf(node) !== null) continue;
    const isCaptured = node.storage !== null || node.op === "buffer" || node.op === "placeholder";
    const number = isCaptured ? capturedNumber(node) : null;
    const name = number ?? call.outputs.get(node) ?? call.fresh(isCaptured ? "c1" : `v${serial++}`);
    const expression = isCaptured ? "used from outside" : notation.definition(node);
    names.set(node, name);
    if (number === null) forward.push(placed(name, expression, node));
  }
  for (const [tensor, name] of call.outputs) {
    if (names.get(tensor) === name) continue;
    forward.push(placed(name, notation.text(tensor), tensor));
  }

  const tracers = call.args.flatMap((arg) => arg.tracers);
  const floats = results.filter(({ dtype }) => isFloat(dtype));
  const reverse: Placed<ReverseStep>[] = [];
  const adjoint = new Map<Tensor, string>();
  const adjointOf = (node: Tensor): string => {
    let name = adjoint.get(node);
    if (!name) adjoint.set(node, (name = call.fresh(`d${notation.text(node)}`)));
    return name;
  };
  const started = new Set<Tensor>();
  const seeds = floats.map((y) => primitive.constant(1, y.shape, y.dtype));
  const tape = record(floats, tracers);
  floats.forEach((y, i) => {
    const step = placed(adjointOf(y), "1", seeds[i]!);
    reverse.push({ ...step, receiver: null, of: notation.text(y), adds: false, jacobian: null });
    started.add(y);
  });
  pull(tape, floats, seeds, (contribution) => {
    const { node, source, part } = contribution;
    const step = placed(adjointOf(source), product(contribution, adjointOf(node), names), part);
    const jacobian = [...node.shape, ...source.shape];
    const adds = started.has(source);
    reverse.push({ ...step, receiver: notation.text(source), of: notation.text(node), adds, jacobian });
    started.add(source);
  });
  return traceOf(call.title, forward, reverse);
}

/** A step and the tensor it describes. */
type Placed<S extends TraceStep> = S & { readonly tensor: Tensor };

const placed = (name: string, expression: string, tensor: Tensor): Placed<TraceStep> => {
  const { shape, dtype } = tensor;
  return { name, expression, shape, dtype, tensor };
};

/** The text of one product, of the adjoint it multiplies and of the nodes around it. */
function product({ node, ct, part }: Contribution, adjoint: string, names: ReadonlyMap<Expression, string>): string {
  const around = [node, ...node.sources].filter((tensor) => names.has(tensor));
  const inputs = [...new Set([ct, ...around])];
  const [value] = valuesOf({ inputs: [...inputs, ...storedBelow(part, inputs)], outputs: [part] });
  const known = [adjoint, ...inputs.slice(1).map((tensor) => names.get(tensor)!)];
  const notation = new Notation((x) =>
    x.op === "input" ? (known[(x.params as { readonly index: number }).index] ?? "c1") : undefined,
  );
  return notation.text(value!);
}

/** Stored tensors and holes that an expression uses besides `inputs`. */
const storedBelow = (root: Tensor, inputs: readonly Tensor[]): Tensor[] =>
  topologicalOrder([root], (node) => inputs.includes(node) || node.storage !== null).filter(
    (node) =>
      !inputs.includes(node) && (node.storage !== null || node.op === "buffer" || node.op === "placeholder"),
  );

function traceOf(
  title: string,
  forward: readonly Placed<TraceStep>[],
  reverse: readonly Placed<ReverseStep>[],
): EvaluationTrace {
  const bare = <S extends TraceStep>({ tensor: _, ...step }: Placed<S>) => step;
  const trace = { title, forward: forward.map(bare), reverse: reverse.map(bare) as unknown as ReverseStep[] };
  return {
    ...trace,
    toString: () => listing(trace),
    async evaluate({ most = 4 } = {}) {
      const small = [...forward, ...reverse].filter(({ tensor }) => tensor.size <= most);
      evaluate(small.map(({ tensor }) => tensor));
      const read = small.map(async ({ tensor }) => [tensor, await tensor.array()] as const);
      const arrays = new Map(await Promise.all(read));
      const fill = <S extends TraceStep>(step: Placed<S>): Placed<S> =>
        arrays.has(step.tensor) ? { ...step, value: arrays.get(step.tensor)! } : step;
      return traceOf(title, forward.map(fill), reverse.map(fill));
    },
  };
}

const showElements = (value: NestedArray, dtype: DType): string =>
  Array.isArray(value)
    ? `[${(value as readonly NestedArray[]).map((element) => showElements(element, dtype)).join(", ")}]`
    : showNumber(Number(value), dtype);

function listing({ title, forward, reverse }: Pick<EvaluationTrace, "title" | "forward" | "reverse">): string {
  const valueOf = ({ value, dtype }: TraceStep): string => (value === undefined ? "" : showElements(value, dtype));
  const rows = [
    ...forward.map((step) => [step.name, `= ${step.expression}`, showType(step), valueOf(step)]),
    ...reverse.map((step) => {
      const avoided = step.jacobian ? `not ∂${step.of}/∂${step.receiver} ${showShape(step.jacobian)}` : "";
      return [step.name, `${step.adds ? "+=" : "="} ${step.expression}`, showType(step), valueOf(step), avoided];
    }),
  ];
  const lines = table(rows.map((row) => row.filter((_, i) => i !== 3 || rows.some((other) => other[3] !== ""))));
  return [title, ...lines.slice(0, forward.length), `reverse`, ...lines.slice(forward.length)].join("\n");
}
