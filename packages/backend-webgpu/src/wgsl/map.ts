/**
 * Maps whose results lie side by side: an invocation makes four neighbors, or two times four of large ones, and writes
 * them at once. Owns when that can be; what cannot is a loop of one element for each invocation.
 */
import type { Affine, LoopKernel, StoreStage } from "@dormouse/tensor/graph";
import { sizeOf, stridesOf } from "@dormouse/tensor/graph";
import { endsInQuad } from "./memory.ts";
import { type Quad, type Result, emitQuad, isQuadAlong, quadAlong, quadsLoaded } from "./quads.ts";
import { type GeneratedKernel, type Layout, LANES, Shader, affineText, unravel } from "./shader.ts";

/** Elements from which on quads pay. */
const SMALLEST = 16;
/** Elements from which on an invocation makes two quads: enough to fill the largest GPU with half of the invocations. */
const LARGE = 2 ** 21;

/** Makes the shader of a map in quads; null for a loop that is no map or whose results are scattered. */
export function generateMap(kernel: LoopKernel, layout: Layout): GeneratedKernel | null {
  const { args, outer, inner } = kernel;
  const elements = sizeOf(outer);
  const stores = kernel.stages.filter((stage) => stage.kind === "store");
  if (elements < SMALLEST || sizeOf(inner) !== 1 || stores.length !== kernel.stages.length) return null;
  const run = runsOf(kernel);
  if (!stores.every(({ at, arg }) => run.isQuad(arg, at))) return null;

  const written = stores.map(({ arg }) => arg);
  const read = quadsLoaded(stores.map(({ body }) => body), run.isQuad);
  const shader = new Shader(args, layout, { quads: [...written, ...read.filter((arg) => args[arg]!.access === "read")] });
  const each = elements >= LARGE && elements % (8 * LANES) === 0 ? 2 : 1;
  const groups = Math.ceil(elements / (4 * LANES * each));
  const isWhole = elements % 4 === 0;
  const lines: string[] = [];
  const writes: string[] = [];
  for (let i = 0; i < each; i++) {
    const row = shader.fresh("row");
    const start = each === 1 ? `(group * ${LANES}u + lane) * 4u` : `(group * ${2 * LANES}u + ${i * LANES}u + lane) * 4u`;
    lines.push(`let ${row} = ${start};`);
    if (groups * each * 4 * LANES !== elements) lines.push(`if (${row} >= ${elements}u) { return; }`);
    const quad = run.at(row, lines, shader);
    writes.push(...storeQuads(shader, stores, quad, new Map(), lines, isWhole ? null : `${elements}u - ${row}`));
  }
  return { dispatches: [shader.finish(groups, [...lines, ...writes])], clears: [], scratchBytes: 0 };
}

/** Statements that write stores of one pass at a quad; what they need before that is added to `lines`. */
export function storeQuads(
  shader: Shader,
  stores: readonly Pick<StoreStage, "arg" | "at" | "body">[],
  quad: Quad,
  results: ReadonlyMap<number, Result>,
  lines: string[],
  count: string | null = null,
): string[] {
  const emitted = emitQuad(shader, stores.map(({ body }) => body), quad, results);
  lines.push(...emitted.lines);
  return stores.map(({ arg, at }, i) => shader.storeQuad(arg, quad.address(at), emitted.values[i]!, count));
}

/** How the elements of a map run: along its last axis, or, where that is no number of quads, through all of its axes. */
interface Runs {
  isQuad(arg: number, at: Affine): boolean;
  /** The quad at a flat position; lines that it needs are added. */
  at(row: string, lines: string[], shader: Shader): Quad;
}

function runsOf({ args, outer }: LoopKernel): Runs {
  const axis = outer.findLastIndex((length) => length > 1);
  if (outer[axis]! % 4 === 0) {
    return {
      isQuad: (_, at) => isQuadAlong(at, axis),
      at(row, lines, shader) {
        const { lines: found, names } = unravel(row, outer, `${shader.fresh("i")}_`);
        lines.push(...found);
        return quadAlong(axis, names);
      },
    };
  }
  const dense = stridesOf(outer);
  const isQuad = (arg: number, { offset, strides }: Affine): boolean =>
    offset % 4 === 0 && endsInQuad(args[arg]!) && dense.every((stride, i) => outer[i] === 1 || strides[i] === stride);
  return {
    isQuad,
    at(row, lines, shader) {
      const indices = [0, 1, 2, 3].map((i) => {
        const { lines: found, names } = unravel(i === 0 ? row : `(${row} + ${i}u)`, outer, `${shader.fresh("i")}_`);
        lines.push(...found);
        return names;
      });
      const address = ({ offset }: Affine): string => affineText({ offset, strides: [1] }, [`i32(${row})`]);
      return { indices, isQuad, address, isOne: ({ strides }) => strides.every((stride) => stride === 0) };
    },
  };
}
