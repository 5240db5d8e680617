/**
 * Routines along an axis of [outer, length, inner]: cumulative sums and sorting. Owns these two; refuses matrices.
 */
import type { AxisRoutine } from "@dormouse/tensor/graph";
import { arithmetic, literal } from "./scalar.ts";
import { type Dispatch, type GeneratedKernel, type Layout, LANES, Shader, indented, typeOf, unravel } from "./shader.ts";

/** Makes the shaders of a cumulative sum or of an argsort. */
export function generateAxisRoutine(kernel: AxisRoutine, layout: Layout): GeneratedKernel {
  const elements = kernel.outer * kernel.length * kernel.inner;
  if (elements === 0) return { dispatches: [], clears: [], scratchBytes: 0 };
  if (kernel.name === "argsort") return argsort(kernel, layout);
  const dispatch = kernel.length < LONG_SUM ? cumsum(kernel, layout) : sharedCumsum(kernel, layout);
  return { dispatches: [dispatch], clears: [], scratchBytes: 0 };
}

/** Sums from this length on are shared by a workgroup. */
const LONG_SUM = 1024;

/** Lines that add the elements of a column at the steps [first, last) to `sum`; `also` is done after each. */
function running({ length, inner, reverse, args }: AxisRoutine, shader: Shader, first: string, last: string, also: readonly string[]): string[] {
  return [
    `for (var step = ${first}; step < ${last}; step++) {`,
    ...indented([
      `let at = base + (${reverse ? `${length - 1} - i32(step)` : "i32(step)"}) * ${inner};`,
      `sum = ${arithmetic(shader, "add", args[1]!.dtype, "sum", shader.load(0, "at")!)};`,
      ...also,
    ]),
    "}",
  ];
}

/** The first element of a column. */
const baseOf = ({ length, inner }: AxisRoutine): string =>
  `let base = i32((column / ${inner}u) * ${length * inner}u + column % ${inner}u);`;

/** One invocation walks along each column. */
function cumsum(kernel: AxisRoutine, layout: Layout): Dispatch {
  const shader = new Shader(kernel.args, layout);
  const columns = kernel.outer * kernel.inner;
  return shader.finish(Math.ceil(columns / LANES), [
    `let column = group * ${LANES}u + lane;`,
    `if (column >= ${columns}u) { return; }`,
    baseOf(kernel),
    `var sum = ${literal(shader, kernel.args[1]!.dtype, 0)};`,
    ...running(kernel, shader, "0u", `${kernel.length}u`, [shader.store(1, "at", "sum")!]),
  ]);
}

/** A workgroup for each column: every lane adds up a stretch, then walks along it from the sum of those before. */
function sharedCumsum(kernel: AxisRoutine, layout: Layout): Dispatch {
  const shader = new Shader(kernel.args, layout);
  const { dtype } = kernel.args[1]!;
  const stretch = Math.ceil(kernel.length / LANES);
  shader.declare(`var<workgroup> stretches: array<${typeOf[dtype]}, ${LANES}>;`);
  const [first, last] = [`lane * ${stretch}u`, `min((lane + 1u) * ${stretch}u, ${kernel.length}u)`];
  return shader.finish(kernel.outer * kernel.inner, [
    "let column = group;",
    baseOf(kernel),
    `var sum = ${literal(shader, dtype, 0)};`,
    ...running(kernel, shader, first, last, []),
    "stretches[lane] = sum;",
    "workgroupBarrier();",
    `sum = ${literal(shader, dtype, 0)};`,
    `for (var before = 0u; before < lane; before++) { sum = ${arithmetic(shader, "add", dtype, "sum", "stretches[before]")}; }`,
    ...running(kernel, shader, first, last, [shader.store(1, "at", "sum")!]),
  ]);
}

/** Elements that are sorted by counting; longer axes are sorted in runs of this length, which are then merged. */
const RUN = 4096;

/**
 * Counting, then merging. Within a run every element counts those that come before it, which is where it goes. To merge
 * two runs, every element finds its place in the other one by bisection. Equal elements keep their order throughout, so
 * the sort is stable. Each pass writes what the next one reads: the result, or scratch memory, so that the last writes
 * the result.
 */
function argsort(kernel: AxisRoutine, layout: Layout): GeneratedKernel {
  const { outer, length, inner } = kernel;
  const elements = outer * length * inner;
  const merges = Math.max(0, Math.ceil(Math.log2(length / RUN)));
  const passes = Array.from({ length: merges + 1 }, (_, pass): Dispatch => {
    const shader = new Shader(kernel.args, layout);
    if (merges > 0) shader.useScratch("u32");
    const writesResult = (merges - pass) % 2 === 0;
    const put = (rank: string, value: string): string =>
      writesResult ? shader.store(1, `base + (${rank}) * ${inner}`, value)! : `scratch[base + (${rank}) * ${inner}] = u32(${value});`;
    const at = unravel("element", [outer, length, inner], "i");
    const [row, position, column] = at.names.map((name) => name ?? "0") as [string, string, string];
    const body = pass === 0 ? counting(kernel, shader, put, position) : merging(kernel, shader, put, position, RUN * 2 ** (pass - 1), writesResult);
    return shader.finish(Math.ceil(elements / LANES), [
      `let element = group * ${LANES}u + lane;`,
      `if (element >= ${elements}u) { return; }`,
      ...at.lines,
      `let base = ${row} * ${length * inner} + ${column};`,
      ...body,
    ]);
  });
  return { dispatches: passes, clears: [], scratchBytes: merges > 0 ? 4 * elements : 0 };
}

/** Whether the value `a` comes before the value `b`; NaN is the largest. */
function comesBefore({ args, reverse }: AxisRoutine, shader: Shader, a: string, b: string): string {
  const [x, y] = reverse ? [b, a] : [a, b];
  const { dtype } = args[0]!;
  if (dtype === "float32") return `((!${shader.call("is_nan", x)} && ${shader.call("is_nan", y)}) || ${shader.call("less_f32", x, y)})`;
  return dtype === "bool" ? `(!${x} && ${y})` : `(${x} < ${y})`;
}

type Put = (rank: string, value: string) => string;

function counting(kernel: AxisRoutine, shader: Shader, put: Put, position: string): string[] {
  const { length, inner } = kernel;
  const value = (at: string): string => shader.load(0, `base + (${at}) * ${inner}`)!;
  return [
    `let start = ${position} / ${RUN} * ${RUN};`,
    `let mine = ${value(position)};`,
    "var rank = start;",
    `for (var step = start; step < min(start + ${RUN}, ${length}); step++) {`,
    `  let other = ${value("step")};`,
    `  if (${comesBefore(kernel, shader, "other", "mine")} || (step < ${position} && !${comesBefore(kernel, shader, "mine", "other")})) { rank++; }`,
    "}",
    put("rank", position),
  ];
}

function merging(kernel: AxisRoutine, shader: Shader, put: Put, position: string, run: number, writesResult: boolean): string[] {
  const { length, inner } = kernel;
  const held = (at: string): string =>
    writesResult ? `i32(scratch[base + (${at}) * ${inner}])` : shader.load(1, `base + (${at}) * ${inner}`)!;
  const value = (index: string): string => shader.load(0, `base + ${index} * ${inner}`)!;
  return [
    `let isLeft = (${position} / ${run}) % 2 == 0;`,
    `let start = ${position} / ${2 * run} * ${2 * run};`,
    `let from_start = ${position} - select(start + ${run}, start, isLeft);`,
    `let mine = ${held(position)};`,
    `let value = ${value("mine")};`,
    // The other run, within the axis.
    `let other = min(select(start, start + ${run}, isLeft), ${length});`,
    "var low = other;",
    `var high = min(other + ${run}, ${length});`,
    "while (low < high) {",
    "  let middle = (low + high) / 2;",
    `  let theirs = ${value(`(${held("middle")})`)};`,
    // What is equal stays behind the left run and before the right one.
    `  let passes_by = select(!${comesBefore(kernel, shader, "value", "theirs")}, ${comesBefore(kernel, shader, "theirs", "value")}, isLeft);`,
    "  if (passes_by) { low = middle + 1; } else { high = middle; }",
    "}",
    put("start + from_start + low - other", "mine"),
  ];
}
