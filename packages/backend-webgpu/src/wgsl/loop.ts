/**
 * Loop kernels: maps, reductions and rows. A workgroup takes some rows (outer indices) with some lanes each, from 256
 * rows of one lane to one row of 256 lanes; the lanes of a row share its reductions. Few very long rows are shared by
 * several workgroups and take a second dispatch. Refuses products and scatters.
 *
 * Nothing a row stores is read by another lane: lowering lets an output share memory with an input only where both are
 * touched at the same index of the same pass.
 */
import type { LoopKernel, ReduceStage, Scalar, Stage, StoreStage } from "@dormouse/tensor/graph";
import { sizeOf } from "@dormouse/tensor/graph";
import { generateMap, storeQuads } from "./map.ts";
import { type Quad, type Result, emitQuad, isQuadAlong, quadAlong, quadsLoaded } from "./quads.ts";
import { combinerOf } from "./reduce.ts";
import { emitScalars, scalarOrder } from "./scalar.ts";
import { type GeneratedKernel, type Layout, LANES, Shader, type Target, affineText, indented, plainTarget, typeOf, unravel } from "./shader.ts";

/** How a workgroup is shared out. */
export interface RowPlan {
  /** Invocations of a row: a power of two. */
  readonly lanes: number;
  /** Rows of a workgroup. */
  readonly rows: number;
  /** Whether neighboring invocations are of one row; else they are of neighboring rows. */
  readonly innerFirst: boolean;
}

/** Makes the shader of a loop kernel. */
export function generateLoop(kernel: LoopKernel, layout: Layout, target: Target = plainTarget): GeneratedKernel {
  const rows = sizeOf(kernel.outer);
  const length = sizeOf(kernel.inner);
  if (rows === 0) return { dispatches: [], clears: [], scratchBytes: 0 };
  const map = generateMap(kernel, layout);
  if (map) return map;
  const plan = planRows(kernel, rows, length);
  const groups = Math.ceil(rows / plan.rows);
  const parts = planParts(kernel, plan, groups, length);
  // A part starts with a quad.
  if (parts > 1) return inParts(kernel, layout, target, plan, { parts, chunk: 4 * Math.ceil(length / parts / 4) });
  const quads = quadsOf(kernel, plan);
  const shader = new Shader(kernel.args, layout, { quads: quads?.args ?? [] });
  const outer = unravel("row", kernel.outer, "i");
  const body = [...place(plan, "group"), `let inside = row < ${rows}u;`];
  if (plan.lanes === 1) body.push("if (!inside) { return; }");
  body.push(...outer.lines, ...stagesOf(kernel, shader, { plan, target, quads, part: null }, outer.names));
  return { dispatches: [shader.finish(groups, body)], clears: [], scratchBytes: 0 };
}

/** A row shared by several workgroups, each with some of its elements. */
interface Parts {
  readonly parts: number;
  readonly chunk: number;
}

/**
 * Workgroups from which on a GPU is busy, those that a sum is spread over at most, so that enough loads are under way to
 * fill the bandwidth of a large one, and elements of a row that are worth a workgroup.
 */
const BUSY = { groups: 64, most: 1024, elements: 4096 } as const;

/**
 * Workgroups that share a row. More than one where there are too few rows for a GPU, and where the sums or maxima of a
 * row need nothing but its elements, so that a second dispatch can bring the parts together.
 */
export function planParts({ stages }: LoopKernel, plan: RowPlan, groups: number, length: number): number {
  if (plan.lanes === 1 || groups >= BUSY.groups || length < 2 * BUSY.elements) return 1;
  const isPlain = stages.every((stage) =>
    stage.kind === "store"
      ? stage.level === "outer"
      : stage.combine !== "argmax" && stage.dtype === "float32" && scalarOrder([stage.body]).every(({ op }) => op !== "result"),
  );
  return isPlain ? Math.min(Math.ceil(length / BUSY.elements), Math.ceil(BUSY.most / groups)) : 1;
}

/** Lanes that bring the parts of a row together. */
const JOINING = 64;

/** Two dispatches: what each part of a row comes to, then the row. */
function inParts(kernel: LoopKernel, layout: Layout, target: Target, plan: RowPlan, part: Parts): GeneratedKernel {
  const { parts } = part;
  const quads = quadsOf(kernel, plan);
  const rows = sizeOf(kernel.outer);
  const outer = unravel("row", kernel.outer, "i");
  const first = new Shader(kernel.args, layout, { quads: quads?.args ?? [] });
  first.useScratch();
  const partial = [
    `let part = group % ${parts}u;`,
    ...place(plan, `(group / ${parts}u)`),
    `let inside = row < ${rows}u;`,
    ...outer.lines,
    ...stagesOf(kernel, first, { plan, target, quads, part }, outer.names),
  ];
  const second = new Shader(kernel.args, layout);
  second.useScratch();
  const final: RowPlan = { lanes: JOINING, rows: LANES / JOINING, innerFirst: true };
  const results = new Map<number, string>();
  const reduced = kernel.stages.flatMap((stage, number): string[] => {
    if (stage.kind !== "reduce") return [];
    const combiner = combinerOf(second, stage, stage.dtype, number, target);
    results.set(number, `result${number}`);
    const held = `scratch[(${number * rows}u + row) * ${parts}u + part]`;
    return [
      ...combiner.declare,
      `for (var part = member; part < select(0u, ${parts}u, inside); part += ${final.lanes}u) { ${combiner.take(held, "0")} }`,
      ...combiner.together(final.lanes, 1, "lane - member", "member"),
      `let result${number} = ${combiner.result};`,
    ];
  });
  const index = [...outer.names, ...kernel.inner.map(() => null)];
  const stores = kernel.stages.filter((stage) => stage.kind === "store");
  const joined = [
    ...place(final, "group"),
    `let inside = row < ${rows}u;`,
    ...outer.lines,
    ...reduced,
    "if (inside && member == 0u) {",
    ...indented(storePass(second, stores, index, results)),
    "}",
  ];
  return {
    dispatches: [first.finish(Math.ceil(rows / plan.rows) * parts, partial), second.finish(Math.ceil(rows / final.rows), joined)],
    clears: [],
    scratchBytes: 4 * kernel.stages.length * rows * parts,
  };
}

/** Lines that find the row and the position of a lane in it. */
function place({ lanes, rows, innerFirst }: RowPlan, group: string): string[] {
  if (lanes === 1) return [`let row = ${group} * ${LANES}u + lane;`];
  if (rows === 1) return [`let row = ${group};`, "let member = lane;"];
  return innerFirst
    ? [`let row = ${group} * ${rows}u + lane / ${lanes}u;`, `let member = lane % ${lanes}u;`]
    : [`let row = ${group} * ${rows}u + lane % ${rows}u;`, `let member = lane / ${rows}u;`];
}

/** Rows below this many elements go to one invocation each. */
const SHORT_ROW = 16;
/** Elements of a lane that pay for bringing the lanes of a row together. */
const LANE_WORK = 8;
/** From this many rows on, one invocation each keeps a GPU busy. */
const MANY_ROWS = 16384;

/** Chooses the lanes of a row: neighbors read neighboring elements, and long rows have many lanes. */
export function planRows(kernel: LoopKernel, rows: number, length: number): RowPlan {
  const reduces = kernel.stages.some(({ kind }) => kind === "reduce");
  const oneEach: RowPlan = { lanes: 1, rows: LANES, innerFirst: false };
  if (kernel.inner.length === 0 || length < SHORT_ROW) return oneEach;
  const innerFirst = movesFastestInside(kernel);
  if (!innerFirst && rows >= MANY_ROWS) return oneEach;
  let lanes = 1;
  while (lanes < LANES && lanes * (reduces ? LANE_WORK : 1) < length) lanes *= 2;
  // Neighboring rows are read together only if a workgroup has several.
  if (!innerFirst) while (lanes > 1 && LANES / lanes < Math.min(rows, 32)) lanes /= 2;
  return { lanes, rows: LANES / lanes, innerFirst };
}

/** Whether most loads are contiguous along the inner axes rather than along the outer ones. */
function movesFastestInside({ outer, inner, stages }: LoopKernel): boolean {
  const last = (from: number, lengths: readonly number[]): number => {
    for (let axis = lengths.length - 1; axis >= 0; axis--) if (lengths[axis]! > 1) return from + axis;
    return -1;
  };
  const innerAxis = last(outer.length, inner);
  const outerAxis = last(0, outer);
  let votes = 0;
  for (const scalar of scalarOrder(stages.map(({ body }) => body))) {
    if (scalar.op !== "load") continue;
    votes += Number(Math.abs(scalar.at.strides[innerAxis] ?? 0) === 1) - Number(Math.abs(scalar.at.strides[outerAxis] ?? 0) === 1);
  }
  return votes >= 0;
}

/** What the passes of a row do four elements at a time. */
interface RowQuads {
  /** The axis along which the quads lie. */
  readonly axis: number;
  /** Stages, of a pass the first, that take quads. */
  readonly stages: ReadonlySet<number>;
  /** Arguments that are read in quads, or written in nothing else. */
  readonly args: readonly number[];
}

/** Passes whose loads or stores lie side by side along a row; null where there are none. */
function quadsOf({ outer, inner, stages }: LoopKernel, plan: RowPlan): RowQuads | null {
  const last = inner.findLastIndex((length) => length > 1);
  if (!plan.innerFirst || plan.lanes === 1 || last < 0 || inner[last]! % 4 !== 0) return null;
  const axis = outer.length + last;
  const passes = stages.flatMap((stage, number): { number: number; read: number[]; stores: readonly StoreStage[] }[] => {
    const read = (bodies: readonly Scalar[]): number[] => quadsLoaded(bodies, (_, at) => isQuadAlong(at, axis));
    if (stage.kind === "reduce") {
      const loaded = read([stage.body]);
      return loaded.length > 0 ? [{ number, read: loaded, stores: [] }] : [];
    }
    if (stage.level === "outer" || !startsPass(stages, number)) return [];
    const stores = passAt(stages, number);
    return stores.every(({ at }) => isQuadAlong(at, axis)) ? [{ number, read: read(stores.map(({ body }) => body)), stores }] : [];
  });
  if (passes.length === 0) return null;
  const inQuads = passes.flatMap(({ stores }) => stores);
  const isWhole = (arg: number): boolean => stages.every((stage) => stage.kind !== "store" || stage.arg !== arg || inQuads.includes(stage));
  const args = passes.flatMap(({ read, stores }) => [...read, ...stores.map(({ arg }) => arg)]).filter(isWhole);
  return { axis, stages: new Set(passes.map(({ number }) => number)), args };
}

/** How the stages of a row are done. */
interface RowContext {
  readonly plan: RowPlan;
  readonly target: Target;
  readonly quads: RowQuads | null;
  readonly part: Parts | null;
}

function stagesOf(kernel: LoopKernel, shader: Shader, context: RowContext, outer: readonly (string | null)[]): string[] {
  const { plan, target, quads, part } = context;
  const { stages, inner } = kernel;
  const rows = sizeOf(kernel.outer);
  const length = sizeOf(inner);
  const lines: string[] = [];
  const results = new Map<number, string>();
  const typed = (): Map<number, Result> =>
    new Map([...results].map(([number, name]) => [number, { name, type: typeOf[(stages[number] as ReduceStage).dtype] }]));
  /** A loop over the inner positions of a lane; in quads if they are given. */
  const each = (
    number: number,
    one: (index: readonly (string | null)[]) => readonly string[],
    four: (quad: Quad) => readonly string[],
  ): void => {
    if (length === 0) return;
    const step = quads?.stages.has(number) ? 4 : 1;
    const position = unravel("position", inner, "j");
    const index = [...outer, ...position.names];
    const inside = step === 4 ? four(quadAlong(quads!.axis, index)) : one(index);
    // A row of one element is never shared.
    if (length === 1) return void lines.push("{", ...indented(inside), "}");
    const first = plan.lanes === 1 ? "0u" : step === 1 ? "member" : "member * 4u";
    const start = part ? `part * ${part.chunk}u + ${first}` : first;
    const last = part ? `min((part + 1u) * ${part.chunk}u, ${length}u)` : `${length}u`;
    const end = plan.lanes === 1 ? last : `select(0u, ${last}, inside)`;
    lines.push(`for (var position = ${start}; position < ${end}; position += ${step * plan.lanes}u) {`);
    lines.push(...indented([...position.lines, ...inside]), "}");
  };

  stages.forEach((stage, number) => {
    if (stage.kind === "reduce") {
      const combiner = combinerOf(shader, stage, stage.body.dtype, number, target);
      lines.push(...combiner.declare);
      each(
        number,
        (index) => {
          const { lines: computed, values } = emitScalars([stage.body], { shader, index, results });
          return [...computed, combiner.take(values[0]!, length === 1 ? "0" : "i32(position)")];
        },
        (quad) => {
          const { lines: computed, values } = emitQuad(shader, [stage.body], quad, typed());
          return [...computed, ...[0, 1, 2, 3].map((i) => combiner.take(`${values[0]!}[${i}]`, `i32(position) + ${i}`))];
        },
      );
      if (plan.lanes > 1) {
        const [stride, first] = plan.innerFirst ? [1, "lane - member"] : [plan.rows, `lane % ${plan.rows}u`];
        lines.push(...combiner.together(plan.lanes, stride, first, "member"));
      }
      if (part) {
        const held = `scratch[(${number * rows}u + row) * ${part.parts}u + part]`;
        return void lines.push(`if (inside && member == 0u) { ${held} = ${combiner.result}; }`);
      }
      const name = `result${number}`;
      lines.push(`let ${name} = ${combiner.result};`);
      results.set(number, name);
      return;
    }
    if (!part && startsPass(stages, number)) {
      const pass = passAt(stages, number);
      if (stage.level === "inner") {
        return each(
          number,
          (index) => storePass(shader, pass, index, results),
          (quad) => {
            const computed: string[] = [];
            const writes = storeQuads(shader, pass, quad, typed(), computed);
            return [...computed, ...writes];
          },
        );
      }
      const index = [...outer, ...inner.map(() => null)];
      const stores = storePass(shader, pass, index, results);
      lines.push(...(plan.lanes === 1 ? ["{", ...indented(stores), "}"] : ["if (inside && member == 0u) {", ...indented(stores), "}"]));
    }
  });
  return lines;
}

/** Neighbors of one level belong to the first of them. */
function startsPass(stages: readonly Stage[], number: number): boolean {
  const before = stages[number - 1];
  return !(before?.kind === "store" && before.level === (stages[number] as StoreStage).level);
}

function passAt(stages: readonly Stage[], number: number): StoreStage[] {
  const { level } = stages[number] as StoreStage;
  const pass: StoreStage[] = [];
  for (const stage of stages.slice(number)) {
    if (stage.kind !== "store" || stage.level !== level) break;
    pass.push(stage);
  }
  return pass;
}

/** Statements of stores that belong together: every body before the first store. */
export function storePass(
  shader: Shader,
  stores: readonly { readonly arg: number; readonly at: { readonly offset: number; readonly strides: readonly number[] }; readonly body: Scalar }[],
  index: readonly (string | null)[],
  results: ReadonlyMap<number, string>,
): string[] {
  const { lines, values } = emitScalars(stores.map(({ body }) => body), { shader, index, results });
  stores.forEach(({ arg, at }, i) => {
    const statement = shader.store(arg, affineText(at, index), values[i]!);
    if (statement) lines.push(statement);
  });
  return lines;
}
