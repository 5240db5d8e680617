/**
 * How a workgroup brings an operand of a product into its memory: a tile of a few steps of the sum, step after step, so
 * that an invocation reads neighboring results as a vector. Owns the tile's layout and who loads what; refuses to
 * multiply.
 *
 * Tiles of vectors are loaded in blocks of four results by four steps. What lies side by side in memory along either is
 * loaded four at a time; along the sum, the block is turned around in registers. A block is loaded long before it is
 * put into the tile, while the GPU multiplies what was there.
 */
import type { ContractKernel, Scalar } from "@dormouse/tensor/graph";
import { emitQuad, isQuadAlong, quadAlong, quadsLoaded } from "./quads.ts";
import { emitScalars, scalarOrder } from "./scalar.ts";
import { type Shader, indented, typeOf, unravel } from "./shader.ts";

/** One side of a product, as its tile has it. */
export interface Side {
  readonly axis: "m" | "n";
  readonly operand: "lhs" | "rhs";
  readonly body: Scalar;
  /** Results of the product, of a tile and of an invocation along this side. */
  readonly length: number;
  readonly extent: number;
  readonly each: number;
}

/** Invocations along a side. */
export const lanesAlong = ({ extent, each }: Side): number => extent / each;

/** Whether an invocation has whole vectors of results along a side. */
export const hasVectors = ({ each }: Side): boolean => each % 4 === 0;

/** Blocks of four by four in the tile of a side. */
export const blocksOf = ({ extent }: Side, depth: number): number => (extent / 4) * (depth / 4);

/**
 * The tile of a side. Vectors of step k lie at k·(extent/4) + (vector xor (k and 4)): so neither the writers of a block,
 * who are 4 steps apart, nor the readers of a step meet in a bank of memory. Single numbers have a row of one more than
 * the extent, for the same reason.
 */
export const declareTile = (side: Side, type: string, depth: number, pages: number): string =>
  hasVectors(side)
    ? `var<workgroup> tile_${side.operand}: array<vec4<${type}>, ${(pages * depth * side.extent) / 4}>;`
    : `var<workgroup> tile_${side.operand}: array<${type}, ${pages * depth * (side.extent + 1)}>;`;

/** Elements between the pages of a tile. */
export const pageOf = (side: Side, depth: number): number => (hasVectors(side) ? (depth * side.extent) / 4 : depth * (side.extent + 1));

/** Whether vectors of a tile change places with every fourth step. */
export const isTurned = (side: Side): boolean => lanesAlong(side) % 8 === 0;

/** Axes of a kernel in the order in which affine forms have them. */
const axesOf = ({ batch, m, n, k }: ContractKernel): readonly number[] => [...batch, ...m, ...n, ...k];

/** The innermost axis of a group that is longer than 1, among all axes; -1 where there is none. */
export function innermost({ batch, m, n, k }: ContractKernel, group: "m" | "n" | "k"): number {
  const before = { m: batch.length, n: batch.length + m.length, k: batch.length + m.length + n.length }[group];
  const within = { m, n, k }[group].findLastIndex((length) => length > 1);
  return within < 0 ? -1 : before + within;
}

/** Arguments of which an operand loads quads along a group of axes; none where its innermost axis is no number of quads. */
function quadsAlong(kernel: ContractKernel, body: Scalar, group: "m" | "n" | "k"): number[] {
  const axis = innermost(kernel, group);
  if (axis < 0 || axesOf(kernel)[axis]! % 4 !== 0) return [];
  return quadsLoaded([body], (_, at) => isQuadAlong(at, axis));
}

/** The group along which most of an operand lies in quads, and the arguments that do; null where none does. */
export function quadsOf(kernel: ContractKernel, { body, axis }: Side): { readonly group: "k" | "m" | "n"; readonly args: readonly number[] } | null {
  const [side, sum] = [quadsAlong(kernel, body, axis), quadsAlong(kernel, body, "k")];
  if (side.length === 0 && sum.length === 0) return null;
  return side.length >= sum.length ? { group: axis, args: side } : { group: "k", args: sum };
}

/** Whether neighbors in memory are steps of the sum rather than results. */
function runsAlongSum(kernel: ContractKernel, side: Side): boolean {
  const quads = quadsOf(kernel, side);
  if (quads !== null) return quads.group === "k";
  const [across, along] = [innermost(kernel, side.axis), innermost(kernel, "k")];
  let votes = 0;
  for (const scalar of scalarOrder([side.body])) {
    if (scalar.op !== "load") continue;
    votes += Number(Math.abs(scalar.at.strides[along] ?? 0) === 1) - Number(Math.abs(scalar.at.strides[across] ?? 0) === 1);
  }
  return votes > 0;
}

/**
 * Declares the function of an operand: of one element (`at` along the side, `step` of the sum), or of a vector, along the
 * sum or along the side. What is outside of the sum is 0; outside of the result it is any element, and never stored.
 */
export function declareOperand(shader: Shader, kernel: ContractKernel, side: Side, depth: number): void {
  const { axis, operand, body, length, extent } = side;
  const steps = kernel.k.reduce((product, each) => product * each, 1);
  const type = typeOf[kernel.dtype];
  const group = hasVectors(side) ? (quadsOf(kernel, side)?.group ?? null) : null;
  const of = { z: unravel("batch", kernel.batch, "z"), at: unravel("place", kernel[axis], axis), k: unravel("step", kernel.k, "k") };
  const nothing = (lengths: readonly number[]): null[] => lengths.map(() => null);
  const index = [
    ...of.z.names,
    ...(axis === "m" ? of.at.names : nothing(kernel.m)),
    ...(axis === "n" ? of.at.names : nothing(kernel.n)),
    ...of.k.names,
  ];
  const unit = group === axis ? 4 : 1;
  const place = length % extent === 0 ? "let place = at;" : `let place = min(at, ${length - unit}u);`;
  const isWhole = steps % depth === 0;
  const found = [place, ...of.z.lines, ...of.at.lines, ...of.k.lines];
  const define = (name: string, result: string, lines: readonly string[]): void =>
    shader.declare([`fn ${name}(batch: u32, at: u32, step: u32) -> ${result} {`, ...indented(lines), "}"].join("\n"));
  if (group !== null) {
    const { lines, values } = emitQuad(shader, [body], quadAlong(innermost(kernel, group), index), new Map());
    const bound = isWhole ? [] : [`if (step >= ${steps}u) { return vec4<${type}>(); }`];
    return define(operand, `vec4<${type}>`, [...bound, ...found, ...lines, `return ${values[0]!};`]);
  }
  const { lines, values } = emitScalars([body], { shader, index, results: new Map() });
  const bound = isWhole ? [] : [`if (step >= ${steps}u) { return ${type}(); }`];
  define(hasVectors(side) ? `${operand}_one` : operand, type, [...bound, ...found, ...lines, `return ${values[0]!};`]);
  if (!hasVectors(side)) return;
  const move = runsAlongSum(kernel, side) ? (i: number) => `at, step + ${i}u` : (i: number) => `at + ${i}u, step`;
  const four = [0, 1, 2, 3].map((i) => `${operand}_one(batch, ${move(i)})`);
  define(operand, `vec4<${type}>`, [`return vec4<${type}>(${four.join(", ")});`]);
}

/** Lines that load the block `block` of a side into `held`, from the step `start` of the sum on. */
export function loadBlock(kernel: ContractKernel, side: Side, held: readonly string[]): string[] {
  const { operand, axis } = side;
  const alongSum = runsAlongSum(kernel, side);
  return [
    ...placeOfBlock(kernel, side),
    ...held.map((name, i) =>
      alongSum
        ? `${name} = ${operand}(batch, ${axis}_start + vector * 4u + ${i}u, start + steps);`
        : `${name} = ${operand}(batch, ${axis}_start + vector * 4u, start + steps + ${i}u);`,
    ),
  ];
}

/** Lines that put a block into the tile. */
export function putBlock(kernel: ContractKernel, side: Side, held: readonly string[], type: string, page: string): string[] {
  const { operand, extent } = side;
  const turn = isTurned(side) ? "(vector ^ (steps & 4u))" : "vector";
  const value = (i: number): string =>
    runsAlongSum(kernel, side) ? `vec4<${type}>(${held.map((name) => `${name}[${i}]`).join(", ")})` : held[i]!;
  return [
    ...placeOfBlock(kernel, side),
    `let target_at = ${page}steps * ${extent / 4}u + ${turn};`,
    ...held.map((_, i) => `tile_${operand}[target_at + ${(i * extent) / 4}u] = ${value(i)};`),
  ];
}

/** The vector along the side and the first step of a block: neighbors in the order in which memory has them. */
function placeOfBlock(kernel: ContractKernel, side: Side): string[] {
  const vectors = side.extent / 4;
  return runsAlongSum(kernel, side)
    ? [`let vector = (block / 2u) % ${vectors}u;`, `let steps = 4u * (block % 2u + 2u * (block / ${2 * vectors}u));`]
    : [`let vector = block % ${vectors}u;`, `let steps = 4u * (block / ${vectors}u);`];
}

/** Lines that put single elements into a tile, each invocation every `lanes`-th. */
export function putElements(kernel: ContractKernel, side: Side, depth: number, lanes: number, page: string): string[] {
  const { operand, axis, extent } = side;
  const [at, step] = runsAlongSum(kernel, side) ? [`e / ${depth}u`, `e % ${depth}u`] : [`e % ${extent}u`, `e / ${extent}u`];
  return [
    `for (var e = lane; e < ${extent * depth}u; e += ${lanes}u) {`,
    `  let at = ${at};`,
    `  let step = ${step};`,
    `  tile_${operand}[${page}step * ${extent + 1}u + at] = ${operand}(batch, ${axis}_start + at, start + step);`,
    "}",
  ];
}
