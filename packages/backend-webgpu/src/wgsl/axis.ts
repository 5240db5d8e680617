/**
 * Routines along an axis of [outer, length, inner]: cumulative sums and sorting. Owns these two; refuses matrices.
 */
import type { AxisRoutine } from "@dormouse/tensor/graph";
import { arithmetic, literal } from "./scalar.ts";
import { type GeneratedKernel, type Layout, LANES, Shader, unravel } from "./shader.ts";

/** Makes the shader of a cumulative sum or of an argsort. */
export function generateAxisRoutine(kernel: AxisRoutine, layout: Layout): GeneratedKernel {
  const elements = kernel.outer * kernel.length * kernel.inner;
  if (elements === 0) return { dispatches: [], clears: [], scratchBytes: 0 };
  const shader = new Shader(kernel.args, layout);
  const made = kernel.name === "cumsum" ? cumsum(kernel, shader) : argsort(kernel, shader);
  return { dispatches: [shader.finish(Math.ceil(made.invocations / LANES), made.body)], clears: [], scratchBytes: 0 };
}

interface Body {
  readonly invocations: number;
  readonly body: readonly string[];
}

/** One invocation walks along each column. */
function cumsum({ outer, length, inner, reverse, args }: AxisRoutine, shader: Shader): Body {
  const { dtype } = args[1]!;
  const columns = outer * inner;
  const at = reverse ? `${length - 1} - i32(step)` : "i32(step)";
  return {
    invocations: columns,
    body: [
      `let column = group * ${LANES}u + lane;`,
      `if (column >= ${columns}u) { return; }`,
      `let base = i32((column / ${inner}u) * ${length * inner}u + column % ${inner}u);`,
      `var sum = ${literal(shader, dtype, 0)};`,
      `for (var step = 0u; step < ${length}u; step++) {`,
      `  let at = base + (${at}) * ${inner};`,
      `  sum = ${arithmetic(shader, "add", dtype, "sum", shader.load(0, "at")!)};`,
      `  ${shader.store(1, "at", "sum")!}`,
      "}",
    ],
  };
}

/**
 * One invocation for each element counts those that come before it, which is where it goes: n² comparisons, but all of
 * them at once. Equal elements keep their order, so the sort is stable.
 */
function argsort({ outer, length, inner, reverse, args }: AxisRoutine, shader: Shader): Body {
  const { dtype } = args[0]!;
  const elements = outer * length * inner;
  const at = unravel("element", [outer, length, inner], "i");
  const [row, position, column] = at.names.map((name) => name ?? "0") as [string, string, string];
  // Nothing comes before NaN where the largest is first; elsewhere it comes last.
  const less = (a: string, b: string): string => {
    if (dtype === "float32") return `((!${shader.call("is_nan", a)} && ${shader.call("is_nan", b)}) || ${shader.call("less_f32", a, b)})`;
    return dtype === "bool" ? `(!${a} && ${b})` : `(${a} < ${b})`;
  };
  const [before, after] = reverse ? [less("mine", "other"), less("other", "mine")] : [less("other", "mine"), less("mine", "other")];
  return {
    invocations: elements,
    body: [
      `let element = group * ${LANES}u + lane;`,
      `if (element >= ${elements}u) { return; }`,
      ...at.lines,
      `let base = ${row} * ${length * inner} + ${column};`,
      `let mine = ${shader.load(0, `base + ${position} * ${inner}`)!};`,
      "var rank = 0;",
      `for (var step = 0; step < ${length}; step++) {`,
      `  let other = ${shader.load(0, `base + step * ${inner}`)!};`,
      `  if (${before} || (step < ${position} && !${after})) { rank++; }`,
      "}",
      shader.store(1, `base + rank * ${inner}`, position)!,
    ],
  };
}
