/**
 * How a loop kernel is walked: neighboring axes that every view treats as one are merged, and the axis along which
 * vectors lie is the one where groups of four cost least. Owns decisions; writes no code.
 */
import { bytesOf, sizeOf } from "@dormouse/tensor/graph";
import type { Affine, LoopKernel, ReduceStage, Scalar } from "@dormouse/tensor/graph";
import { scalarOrder } from "../scalar-order.ts";

/** A loop over one or several merged axes of the kernel. */
export interface LoopAxis {
  /** The axis of the kernel whose strides the loop moves by. */
  readonly axis: number;
  readonly extent: number;
}

export interface LoopPlan {
  readonly outer: readonly LoopAxis[];
  readonly inner: readonly LoopAxis[];
  /** The axis with the lanes; -1: one position at a time. */
  readonly lane: LoopAxis;
  /** Whether the lanes lie along an inner axis. */
  readonly horizontal: boolean;
  /** Groups of four handled in one turn. */
  readonly unroll: number;
  /** Values of a row that one stage computes and later ones read from scratch memory: costly float32 expressions. */
  readonly kept: readonly Scalar[];
  /** Elements of a row, padded to whole cache lines. */
  readonly rowLength: number;
  /** Columns are reduced `rowsAtOnce` rows at a time. */
  readonly inRowBlocks: boolean;
}

/** Instructions from which on a value is kept rather than computed again. */
const worthKeeping = 15;
/** The longest row that is kept: half of a second cache. */
const longestKept = 1 << 17;

/** Rough cost of one vector operation that is more than an instruction or two, in instructions. */
const heavy: Partial<Record<Scalar["op"], number>> = {
  exp: 20, expm1: 25, log: 30, log1p: 35, sin: 35, cos: 35, tanh: 35, atan: 30, erf: 35, pow: 90, threefry: 110, div: 4, sqrt: 4,
};

/**
 * Positions for each instruction from which on costly functions are unrolled. Writing the code of one `gelu` more takes
 * half a millisecond in a process that has just started; over 2^16 elements, four side by side save 25 microseconds.
 */
export const worthUnrolling = 1 << 11;

/** Elements of a row from which on its largest value is searched for. */
const shortestSearch = 64;
/** Instructions that may be repeated by that. */
const longestWork = 6;

/** Rows that long columns are reduced by at a time: 16 take 0.28 ms for 4096 x 1000, 64 take 0.38 ms. */
export const rowsAtOnce = 16;
/** Rows, columns and elements from which on that pays. */
const fewestRows = 4 * rowsAtOnce;
const fewestColumns = 128;
const fewestElements = 1 << 16;
/** The most columns whose sums fit half of a second cache. */
const mostColumns = 1 << 15;

/** Strips of columns that should be left for the threads to share. */
const fewestStrips = 4;

export function planLoop(kernel: LoopKernel, wide: boolean): LoopPlan {
  const affines = affinesOf(kernel);
  const outer = merge(kernel.outer, 0, affines);
  const inner = merge(kernel.inner, kernel.outer.length, affines);
  const candidates = [...outer, ...inner].map((lane) => ({ lane, horizontal: inner.includes(lane) }));
  // Lanes of an inner axis that is not the last would meet positions out of order and miss the first of equals.
  const ordered = kernel.stages.some((stage) => stage.kind === "reduce" && stage.combine === "argmax");
  const hasReduce = kernel.stages.some(({ kind }) => kind === "reduce");
  let best = { lane: { axis: -1, extent: 1 }, horizontal: false, cost: Infinity };
  for (const candidate of candidates) {
    if (ordered && candidate.horizontal && candidate.lane !== inner.at(-1)) continue;
    const cost = costOf(kernel, candidate.lane, candidate.horizontal, outer, inner);
    // Of equals the last: its neighbors are most likely neighbors in memory.
    if (cost <= best.cost) best = { ...candidate, cost };
  }
  const instructions = Math.max(...kernel.stages.map(({ body }) => workOf(body)));
  // Columns are read a strip at a time: 256 bytes wide, a 4096 x 1000 sum down all rows at once takes 0.7 ms, 64 bytes
  // wide 1.6 ms.
  const light = hasReduce && !best.horizontal ? Math.max(4, Math.min(16, best.lane.extent / fewestStrips / 4)) : 4;
  const few = instructions < 30 || wide || (best.horizontal && hasReduce) ? 2 : 1;
  const many = sizeOf([...kernel.outer, ...kernel.inner]) >= worthUnrolling * instructions;
  const inRowBlocks = !best.horizontal && hasLongColumns(kernel, inner, best.lane);
  const most = instructions < 12 ? (inRowBlocks ? 8 : light) : many ? 4 : few;
  const unroll = 2 ** Math.floor(Math.log2(Math.max(1, Math.min(most, best.lane.extent / 4))));
  const rowLength = Math.ceil(inner.reduce((size, { extent }) => size * extent, 1) / 16) * 16;
  const keeps = best.horizontal && best.lane === inner.at(-1) && rowLength <= longestKept;
  const kept = keeps ? keptOf(kernel, best.lane) : [];
  return { outer, inner, lane: best.lane, horizontal: best.horizontal, unroll, kept, rowLength, inRowBlocks };
}

/** Whether one reduction goes over columns that lie side by side, longer than their strips should be walked. */
function hasLongColumns({ stages }: LoopKernel, inner: readonly LoopAxis[], lane: LoopAxis): boolean {
  const [first, ...rest] = stages;
  const [rows] = inner;
  if (first?.kind !== "reduce" || inner.length !== 1 || lane.axis < 0) return false;
  if (!rest.every((stage) => stage.kind === "store" && stage.level === "outer")) return false;
  if (rows!.extent < fewestRows || lane.extent < fewestColumns || lane.extent > mostColumns) return false;
  return rows!.extent * lane.extent >= fewestElements;
}

/** Expressions along the row that several stages share, each costly by itself, none below another. */
function keptOf(kernel: LoopKernel, lane: LoopAxis): Scalar[] {
  const rows = kernel.stages.filter((stage) => stage.kind === "reduce" || stage.level === "inner");
  const written = new Set(kernel.stages.flatMap((stage) => (stage.kind === "store" ? [stage.arg] : [])));
  const stages = new Map<Scalar, number>();
  for (const { body } of rows) for (const scalar of scalarOrder([body])) stages.set(scalar, (stages.get(scalar) ?? 0) + 1);
  const shared = [...stages].filter(([scalar, count]) => {
    if (count < 2 || scalar.dtype !== "float32" || (heavy[scalar.op] ?? 0) < worthKeeping) return false;
    const nodes = scalarOrder([scalar]);
    const steady = nodes.every((node) => node.op !== "load" || !written.has(node.arg));
    return steady && nodes.some((node) => node.op === "load" && node.at.strides[lane.axis] !== 0);
  }).map(([scalar]) => scalar);
  return shared.filter((scalar) => !shared.some((other) => other !== scalar && scalarOrder([other]).includes(scalar)));
}

/**
 * Whether the position of the largest value is found by computing the row again up to there, four lanes at a time even
 * where fewer are left: the body is cheap and its elements are neighbors in memory.
 */
export function searches(stage: ReduceStage, { horizontal, inner, lane }: LoopPlan): boolean {
  if (stage.combine !== "argmax" || !horizontal || inner.length > 1 || lane.extent < shortestSearch) return false;
  if (workOf(stage.body) > longestWork) return false;
  return scalarOrder([stage.body]).every((node) => {
    if (node.op !== "load") return true;
    const stride = node.at.strides[lane.axis]!;
    return (stride === 0 || stride === 1) && !node.valid?.length && !node.indirect?.length;
  });
}

/** Every affine function that the kernel evaluates. */
function affinesOf(kernel: LoopKernel): Affine[] {
  return kernel.stages.flatMap((stage) => [
    ...(stage.kind === "store" ? [stage.at] : []),
    ...scalarOrder([stage.body]).flatMap((scalar) => {
      switch (scalar.op) {
        case "index":
          return [scalar.at];
        case "valid":
          return [...scalar.conditions];
        case "load":
          return [scalar.at, ...(scalar.valid ?? [])];
        default:
          return [];
      }
    }),
  ]);
}

/** The axes `first`, `first + 1`, … without those of length 1, neighbors merged where no view tells them apart. */
function merge(lengths: readonly number[], first: number, affines: readonly Affine[]): LoopAxis[] {
  const loops: LoopAxis[] = [];
  lengths.forEach((extent, i) => {
    const axis = first + i;
    if (extent === 1) return;
    const last = loops.at(-1);
    if (last && affines.every(({ strides }) => strides[last.axis] === strides[axis]! * extent)) {
      loops[loops.length - 1] = { axis, extent: last.extent * extent };
    } else {
      loops.push({ axis, extent });
    }
  });
  return loops;
}

export const workOf = (body: Scalar): number =>
  scalarOrder([body]).reduce((sum, { op, dtype }) => sum + (op === "const" ? 0 : (heavy[op] ?? 1) * (dtype === "float64" ? 2 : 1)), 0);

/** Instructions for the whole kernel with lanes along `lane`. */
function costOf(kernel: LoopKernel, lane: LoopAxis, horizontal: boolean, outer: readonly LoopAxis[], inner: readonly LoopAxis[]): number {
  const turns = (loops: readonly LoopAxis[]): number =>
    loops.reduce((count, loop) => count * (loop === lane ? Math.ceil(loop.extent / 4) : loop.extent), 1);
  const access = ({ strides }: Affine, bytes: number): number => {
    const stride = strides[lane.axis]!;
    return stride === 0 ? 0.3 : stride === 1 ? bytes === 4 ? 1 : 2 : 6;
  };
  return kernel.stages.reduce((sum, stage) => {
    const once = stage.kind === "store" && stage.level === "outer";
    const count = turns(outer) * (once ? 1 : turns(inner));
    let instructions = 1 + workOf(stage.body);
    for (const scalar of scalarOrder([stage.body])) {
      if (scalar.op !== "load") continue;
      instructions += access(scalar.at, bytesOf(scalar.dtype));
      if (scalar.indirect) instructions += 6;
      for (const { strides } of scalar.valid ?? []) instructions += strides[lane.axis] === 0 ? 1 : 3;
    }
    if (stage.kind === "store") instructions += access(stage.at, 4);
    // Adding up the lanes of each row.
    const gather = stage.kind === "reduce" && horizontal ? turns(outer) * 12 : 0;
    return sum + count * instructions + gather;
  }, 0);
}
