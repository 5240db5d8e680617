/**
 * Scatters: elements added at computed places. Where it is cheap enough, every place looks through all indices for its
 * own and adds in their order, so that results have the same bits in every run. Elsewhere elements are added
 * atomically: exact for integers, and for float32 in an order, and so with a rounding, that is not determined.
 */
import type { DType } from "@dormouse/tensor";
import type { Scalar, ScatterKernel } from "@dormouse/tensor/graph";
import { sizeOf } from "@dormouse/tensor/graph";
import { arithmetic, emitScalars, literal, scalarOrder } from "./scalar.ts";
import { type GeneratedKernel, type Layout, LANES, Shader, affineText, indented, typeOf, unravel } from "./shader.ts";

/** Comparisons up to which every place looks for its elements: some tens of milliseconds of a slow GPU. */
const MOST_COMPARISONS = 2 ** 26;

/** Makes the shader of a scatter; the target is cleared before. */
export function generateScatter(kernel: ScatterKernel, layout: Layout): GeneratedKernel {
  const clears = [kernel.arg];
  if (sizeOf(kernel.axes) === 0 || kernel.args[kernel.arg]!.length === 0) return { dispatches: [], clears, scratchBytes: 0 };
  const search = planSearch(kernel);
  const shader = new Shader(kernel.args, layout, { atomic: search ? [] : [kernel.arg] });
  const { groups, body } = search ? searching(kernel, shader, search) : adding(kernel, shader);
  return { dispatches: [shader.finish(groups, body)], clears, scratchBytes: 0 };
}

/** The axes that choose places, through an index, and those that lie within a place. */
interface Search {
  readonly choosing: readonly number[];
  readonly within: readonly number[];
}

function planSearch({ axes, at, indirect }: ScatterKernel): Search | null {
  const chooses = new Set<number>();
  for (const scalar of scalarOrder(indirect.map(({ index }) => index))) {
    const affines = scalar.op === "valid" ? scalar.conditions : scalar.op === "load" ? [scalar.at, ...(scalar.valid ?? [])] : scalar.op === "index" ? [scalar.at] : [];
    for (const { strides } of affines) strides.forEach((stride, axis) => stride !== 0 && chooses.add(axis));
  }
  const all = axes.map((_, axis) => axis);
  // An axis that moves neither index nor address adds up, like one that chooses.
  const choosing = all.filter((axis) => chooses.has(axis) || at.strides[axis] === 0);
  const within = all.filter((axis) => !choosing.includes(axis));
  if (choosing.some((axis) => at.strides[axis] !== 0)) return null;
  const places = [...indirect.map(({ stride, size }) => [stride, size]), ...within.map((axis) => [at.strides[axis]!, axes[axis]!])] as [number, number][];
  const comparisons = places.reduce((product, [, size]) => product * size, sizeOf(choosing.map((axis) => axes[axis]!)));
  if (comparisons > MOST_COMPARISONS) return null;
  // No two places may have one address: each stride passes all that smaller strides reach.
  let reach = 0;
  for (const [stride, size] of places.filter(([, length]) => length > 1).sort(([a], [b]) => Math.abs(a) - Math.abs(b))) {
    if (Math.abs(stride) <= reach) return null;
    reach += Math.abs(stride) * (size - 1);
  }
  return { choosing, within };
}

interface Body {
  readonly groups: number;
  readonly body: readonly string[];
}

/** The index of an indirection as an i32; what is outside becomes negative or large. */
const asIndex = (dtype: DType, value: string): string => (dtype === "int32" ? value : `i32(${value})`);

/** One invocation for each place. */
function searching(kernel: ScatterKernel, shader: Shader, { choosing, within }: Search): Body {
  const { axes, at, indirect, arg } = kernel;
  const { dtype } = kernel.args[arg]!;
  const lengths = [...indirect.map(({ size }) => size), ...within.map((axis) => axes[axis]!)];
  const places = sizeOf(lengths);
  const place = unravel("place", lengths, "p");
  const steps = choosing.map((axis) => axes[axis]!);
  const step = unravel("step", steps, "s");
  const index = axes.map((_, axis) => {
    const inner = within.indexOf(axis);
    return inner >= 0 ? place.names[indirect.length + inner]! : step.names[choosing.indexOf(axis)]!;
  });
  const found = emitScalars(indirect.map((each) => each.index), { shader, index, results: new Map() });
  const element = emitScalars([kernel.body], { shader, index, results: new Map() });
  const matches = indirect.map((each, i) => `${asIndex(each.index.dtype, found.values[i]!)} == ${place.names[i] ?? "0"}`);
  const moved = indirect.map(({ stride }, i) => (place.names[i] ? ` + ${place.names[i]} * ${stride}` : ""));
  return {
    groups: Math.ceil(places / LANES),
    body: [
      `let place = group * ${LANES}u + lane;`,
      `if (place >= ${places}u) { return; }`,
      ...place.lines,
      `var sum = ${literal(shader, dtype, 0)};`,
      `for (var step = 0u; step < ${sizeOf(steps)}u; step++) {`,
      ...indented([
        ...step.lines,
        ...found.lines,
        `if (${matches.join(" && ") || "true"}) {`,
        ...indented([...element.lines, `sum = ${arithmetic(shader, "add", dtype, "sum", element.values[0]!)};`]),
        "}",
      ]),
      "}",
      shader.store(arg, affineText(at, index) + moved.join(""), "sum")!,
    ],
  };
}

/** One invocation for each element. */
function adding(kernel: ScatterKernel, shader: Shader): Body {
  const { axes, at, indirect, arg } = kernel;
  const { dtype } = kernel.args[arg]!;
  const points = sizeOf(axes);
  const point = unravel("point", axes, "i");
  const surroundings = { shader, index: point.names, results: new Map<number, string>() };
  const places = emitScalars(indirect.map(({ index }): Scalar => index), surroundings);
  const indices = indirect.map(({ index }, i) => asIndex(index.dtype, places.values[i]!));
  const element = emitScalars([kernel.body], surroundings);
  const address = affineText(at, point.names) + indirect.map(({ stride }, i) => ` + ${indices[i]} * ${stride}`).join("");
  const outside = indirect.map(({ size }, i) => `u32(${indices[i]}) >= ${size}u`);
  return {
    groups: Math.ceil(points / LANES),
    body: [
      `let point = group * ${LANES}u + lane;`,
      `if (point >= ${points}u) { return; }`,
      ...point.lines,
      ...places.lines,
      ...(outside.length > 0 ? [`if (${outside.join(" || ")}) { return; }`] : []),
      ...element.lines,
      `let target_at = ${address};`,
      ...atomicAdd(shader, shader.atomicWord(arg, "target_at"), dtype, element.values[0]!),
    ],
  };
}

/** Statements that add a value to the element at `target_at`, which lies in an atomic word. */
function atomicAdd(shader: Shader, word: string, dtype: DType, value: string): string[] {
  if (dtype === "int32" || dtype === "uint32") return [`atomicAdd(&${word}, bitcast<u32>(${value}));`];
  const isByte = dtype !== "float32";
  // The base of an argument is a whole number of words, so the place of a byte in its word is that of its address.
  const shift = "(u32(target_at) & 3u) * 8u";
  const held = isByte ? (dtype === "bool" ? `((old >> (${shift})) & 255u) != 0u` : `(old >> (${shift})) & 255u`) : "bitcast<f32>(old)";
  const sum = arithmetic(shader, "add", dtype, "held", value);
  const next = isByte ? `(old & ~(255u << (${shift}))) | (u32(next) << (${shift}))` : "bitcast<u32>(next)";
  return [
    `var old = atomicLoad(&${word});`,
    "loop {",
    `  let held: ${typeOf[dtype]} = ${held};`,
    `  let next = ${sum};`,
    `  let exchanged = atomicCompareExchangeWeak(&${word}, old, ${next});`,
    "  if (exchanged.exchanged) { break; }",
    "  old = exchanged.old_value;",
    "}",
  ];
}
