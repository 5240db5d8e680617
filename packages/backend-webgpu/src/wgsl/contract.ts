/**
 * Products. A workgroup makes a tile of the result: both operands are staged in workgroup memory, a few steps of the
 * sum at a time, and each invocation keeps a small block of sums in registers. Operands are expressions, so windows,
 * padding and whatever else lowering fused into them happen while they are staged.
 *
 * Few results with long sums, vectors among them, have too few tiles to fill a GPU: they are rows, whose lanes share
 * the sum.
 */
import type { ContractKernel, LoopKernel, Scalar } from "@dormouse/tensor/graph";
import { sizeOf } from "@dormouse/tensor/graph";
import { generateLoop, storePass } from "./loop.ts";
import { emitScalars } from "./scalar.ts";
import { type GeneratedKernel, type Layout, LANES, Shader, indented, typeOf, unravel } from "./shader.ts";

/** Invocations along each side of a tile. */
export const SIDE = 16;
/** Steps of the sum that are staged together. */
const DEPTH = 16;
/** Fewer tiles than this leave a GPU idle, and so do a few more where each result is this many times as long a sum. */
const FEW = { tiles: 4, sum: 16 } as const;
/** Tiles that keep a GPU busy; blocks shrink to reach it. */
const ENOUGH_TILES = 64;

/** Makes the shader of a product, with a given block if it is tiled. */
export function generateContract(kernel: ContractKernel, layout: Layout, block: Block | null = null): GeneratedKernel {
  const sizes = sizesOf(kernel);
  if (sizes.batch * sizes.m * sizes.n === 0) return { dispatches: [], clears: [], scratchBytes: 0 };
  if (!isTiled(kernel)) return generateLoop(asRows(kernel), layout);
  return tiled(kernel, layout, sizes, block ?? chooseBlock(sizes));
}

/** Whether a product is made in tiles; else it is made of rows. */
export function isTiled(kernel: ContractKernel): boolean {
  const { batch, m, n, k } = sizesOf(kernel);
  const results = batch * m * n;
  const tiles = batch * Math.ceil(m / SIDE) * Math.ceil(n / SIDE);
  const fewResults = k >= LANES && (tiles < FEW.tiles || k >= FEW.sum * results);
  const isWord = kernel.dtype !== "bool" && kernel.dtype !== "uint8";
  return isWord && Math.min(m, n, k) > 1 && !fewResults && batch > 0;
}

/** The same product as a reduction of each row. */
function asRows({ args, batch, m, n, k, dtype, lhs, rhs, stores }: ContractKernel): LoopKernel {
  const body: Scalar = { op: "mul", dtype, sources: [lhs, rhs] };
  return {
    kind: "loop",
    args,
    outer: [...batch, ...m, ...n],
    inner: k,
    stages: [
      { kind: "reduce", combine: "sum", dtype, body },
      ...stores.map((store) => ({ kind: "store", level: "outer", ...store }) as const),
    ],
  };
}

interface Sizes {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

const sizesOf = ({ batch, m, n, k }: ContractKernel): Sizes => ({
  batch: sizeOf(batch),
  m: sizeOf(m),
  n: sizeOf(n),
  k: sizeOf(k),
});

/** Results of an invocation along m and along n. */
export type Block = readonly [m: number, n: number];

/** The block of a product that nobody measured. */
export const blockOf = (kernel: ContractKernel): Block => chooseBlock(sizesOf(kernel));

/** A block that gives a GPU enough tiles to work on. */
export function chooseBlock({ batch, m, n }: Sizes): Block {
  const fitting = (length: number): number => (length > 2 * SIDE ? 4 : length > SIDE ? 2 : 1);
  let block: [number, number] = [fitting(m), fitting(n)];
  const tiles = (): number => batch * Math.ceil(m / (SIDE * block[0])) * Math.ceil(n / (SIDE * block[1]));
  while (tiles() < ENOUGH_TILES && Math.max(...block) > 1) {
    block = block[0] >= block[1] ? [block[0] / 2, block[1]] : [block[0], block[1] / 2];
  }
  return block;
}

function tiled(kernel: ContractKernel, layout: Layout, sizes: Sizes, [blockM, blockN]: Block): GeneratedKernel {
  const { dtype, batch, m, n, k, stores } = kernel;
  const shader = new Shader(kernel.args, layout);
  const type = typeOf[dtype];
  const strideAlong = (strides: readonly number[], before: readonly (readonly number[])[], lengths: readonly number[]): number => {
    const axis = before.reduce((sum, each) => sum + each.length, 0) + lengths.findLastIndex((length) => length > 1);
    return Math.abs(strides[axis] ?? 0);
  };
  /** Neighboring invocations write neighboring results: along n, or along m where those are contiguous. */
  const store = stores[0]!.at.strides;
  const isTransposed = strideAlong(store, [batch], m) === 1 && strideAlong(store, [batch, m], n) !== 1;
  const [tileM, tileN] = [SIDE * blockM, SIDE * blockN];
  const [tilesM, tilesN] = [Math.ceil(sizes.m / tileM), Math.ceil(sizes.n / tileN)];

  const operand = (name: string, body: Scalar, side: "m" | "n"): void => {
    const of = { z: unravel("batch", batch, "z"), m: unravel("at", m, "m"), n: unravel("at", n, "n"), k: unravel("step", k, "k") };
    const nothing = (lengths: readonly number[]): null[] => lengths.map(() => null);
    const index = [...of.z.names, ...(side === "m" ? of.m.names : nothing(m)), ...(side === "n" ? of.n.names : nothing(n)), ...of.k.names];
    const { lines, values } = emitScalars([body], { shader, index, results: new Map() });
    shader.declare([
      `fn ${name}(batch: u32, at: u32, step: u32) -> ${type} {`,
      ...indented([...of.z.lines, ...of[side].lines, ...of.k.lines, ...lines, `return ${values[0]!};`]),
      "}",
    ].join("\n"));
  };
  operand("lhs", kernel.lhs, "m");
  operand("rhs", kernel.rhs, "n");
  const of = { z: unravel("batch", batch, "z"), m: unravel("m", m, "m"), n: unravel("n", n, "n") };
  const index = [...of.z.names, ...of.m.names, ...of.n.names, ...k.map(() => null)];
  shader.declare([
    `fn put(batch: u32, m: u32, n: u32, product: ${type}) {`,
    `  if (m >= ${sizes.m}u || n >= ${sizes.n}u) { return; }`,
    ...indented([...of.z.lines, ...of.m.lines, ...of.n.lines, ...storePass(shader, stores, index, new Map([[0, "product"]]))]),
    "}",
  ].join("\n"));
  // One column more than the tile, so that lanes that write along the sum meet different banks.
  shader.declare(`var<workgroup> tile_lhs: array<${type}, ${DEPTH * (tileM + 1)}>;`);
  shader.declare(`var<workgroup> tile_rhs: array<${type}, ${DEPTH * (tileN + 1)}>;`);

  const stage = (name: "lhs" | "rhs", body: Scalar, tile: number, origin: string, length: number): string[] => {
    const isAlongSum = body.op !== "load" || strideAlong(body.at.strides, [batch, m, n], k) === 1;
    const [at, step] = isAlongSum ? [`e / ${DEPTH}u`, `e % ${DEPTH}u`] : [`e % ${tile}u`, `e / ${tile}u`];
    return [
      `for (var e = lane; e < ${tile * DEPTH}u; e += ${LANES}u) {`,
      `  let at = ${at};`,
      `  let step = ${step};`,
      `  var value = ${type}(0);`,
      `  if (${origin} + at < ${length}u && start + step < ${sizes.k}u) { value = ${name}(batch, ${origin} + at, start + step); }`,
      `  tile_${name}[step * ${tile + 1}u + at] = value;`,
      "}",
    ];
  };
  const rows = [...Array(blockM).keys()];
  const columns = [...Array(blockN).keys()];
  // Along the side of neighboring invocations the results of one are 16 apart, along the other they are neighbors.
  const [x, y] = ["(lane % 16u)", "(lane / 16u)"];
  const placeM = (i: number): string => (isTransposed ? `${x} + ${SIDE * i}u` : `${y} * ${blockM}u + ${i}u`);
  const placeN = (j: number): string => (isTransposed ? `${y} * ${blockN}u + ${j}u` : `${x} + ${SIDE * j}u`);
  const body = [
    `let batch = group / ${tilesM * tilesN}u;`,
    `let m_start = (group / ${tilesN}u) % ${tilesM}u * ${tileM}u;`,
    `let n_start = group % ${tilesN}u * ${tileN}u;`,
    ...rows.flatMap((i) => columns.map((j) => `var sum_${i}_${j} = ${type}(0);`)),
    `for (var start = 0u; start < ${sizes.k}u; start += ${DEPTH}u) {`,
    ...indented([
      ...stage("lhs", kernel.lhs, tileM, "m_start", sizes.m),
      ...stage("rhs", kernel.rhs, tileN, "n_start", sizes.n),
      "workgroupBarrier();",
      `for (var step = 0u; step < ${DEPTH}u; step++) {`,
      ...rows.map((i) => `  let l${i} = tile_lhs[step * ${tileM + 1}u + ${placeM(i)}];`),
      ...columns.map((j) => `  let r${j} = tile_rhs[step * ${tileN + 1}u + ${placeN(j)}];`),
      ...rows.flatMap((i) =>
        columns.map((j) => {
          const sum = `sum_${i}_${j}`;
          return dtype === "float32" ? `  ${sum} = fma(l${i}, r${j}, ${sum});` : `  ${sum} += l${i} * r${j};`;
        }),
      ),
      "}",
      "workgroupBarrier();",
    ]),
    "}",
    // A loop, so that what is done with a product is compiled once and not for every result of the block.
    `var sums = array<${type}, ${blockM * blockN}>(${rows.flatMap((i) => columns.map((j) => `sum_${i}_${j}`)).join(", ")});`,
    `for (var r = 0u; r < ${blockM * blockN}u; r++) {`,
    ...indented([
      `let i = r / ${blockN}u;`,
      `let j = r % ${blockN}u;`,
      isTransposed
        ? `put(batch, m_start + ${x} + ${SIDE}u * i, n_start + ${y} * ${blockN}u + j, sums[r]);`
        : `put(batch, m_start + ${y} * ${blockM}u + i, n_start + ${x} + ${SIDE}u * j, sums[r]);`,
    ]),
    "}",
  ];
  return { dispatches: [shader.finish(sizes.batch * tilesM * tilesN, body)], clears: [], scratchBytes: 0 };
}
