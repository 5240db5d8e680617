/**
 * Products. A workgroup makes a tile of the result: both operands are staged in workgroup memory, a few steps of the
 * sum at a time, and each invocation keeps a small block of sums in registers, as vectors along the side on which
 * neighboring results are neighbors in memory. Operands are expressions, so windows, padding and whatever else lowering
 * fused into them happen while they are staged.
 *
 * Few tiles with long sums share each sum among several workgroups, whose parts a second dispatch adds up, always in one
 * order. Few results, vectors among them, are rows, whose lanes share the sum.
 */
import type { Affine, ContractKernel, LoopKernel, Scalar } from "@dormouse/tensor/graph";
import { sizeOf } from "@dormouse/tensor/graph";
import { generateLoop, storePass } from "./loop.ts";
import { storeQuads } from "./map.ts";
import {
  type Side, blocksOf, declareOperand, declareTile, hasVectors, innermost, isTurned, lanesAlong, loadBlock, pageOf, putBlock,
  putElements, quadsOf,
} from "./operand.ts";
import { isQuadAlong, quadAlong, quadsLoaded } from "./quads.ts";
import { scalarOrder } from "./scalar.ts";
import {
  type Dispatch, type GeneratedKernel, type Layout, LANES, Shader, type Target, indented, plainTarget, typeOf, unravel,
} from "./shader.ts";
import { type Sizes, type Tile, type TileName, chooseTile, lanesOf, partsOf, tileCount, tiles } from "./tiles.ts";

/** Fewer results than this many of the smallest tiles, with long sums, are made as rows. */
const FEW_TILES = 4;

/** Makes the shaders of a product, with a given tile if it is tiled. */
export function generateContract(
  kernel: ContractKernel,
  layout: Layout,
  tile: TileName | null = null,
  target: Target = plainTarget,
): GeneratedKernel {
  const sizes = sizesOf(kernel);
  if (sizes.batch * sizes.m * sizes.n === 0) return { dispatches: [], clears: [], scratchBytes: 0 };
  if (!isTiled(kernel)) return generateLoop(asRows(kernel), layout, target);
  const plan = planOf(kernel, sizes, tiles[tile ?? chooseTile(sizes)], target);
  const made = product(kernel, layout, plan);
  if (plan.parts === 1) return { dispatches: [made], clears: [], scratchBytes: 0 };
  const results = sizes.batch * sizes.m * sizes.n;
  return { dispatches: [made, total(kernel, layout, plan)], clears: [], scratchBytes: 4 * plan.parts * results };
}

/** Whether a product is made in tiles; else it is made of rows. */
export function isTiled(kernel: ContractKernel): boolean {
  const sizes = sizesOf(kernel);
  const fewResults = sizes.k >= LANES && tileCount(sizes, tiles["16x16"]) < FEW_TILES;
  const isWord = kernel.dtype !== "bool" && kernel.dtype !== "uint8";
  return isWord && Math.min(sizes.m, sizes.n, sizes.k) > 1 && !fewResults && sizes.batch > 0;
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

/** The lengths of a product. */
export const sizesOf = ({ batch, m, n, k }: ContractKernel): Sizes => ({
  batch: sizeOf(batch),
  m: sizeOf(m),
  n: sizeOf(n),
  k: sizeOf(k),
});

/** How a product is made. */
interface Plan {
  readonly sizes: Sizes;
  readonly tile: Tile;
  readonly parts: number;
  /** Steps of the sum in a part, a multiple of the tile's depth. */
  readonly chunk: number;
  /** Copies of the tiles: with two, one is filled while the other is read. */
  readonly pages: 1 | 2;
  /** The side along which neighboring results are neighbors in memory, and the other one. */
  readonly fast: Side;
  readonly slow: Side;
  /** The axis along which all stores pass quads, or null. */
  readonly quads: number | null;
}

function planOf(kernel: ContractKernel, sizes: Sizes, tile: Tile, { workgroupBytes }: Target): Plan {
  const { args, batch, m, n, k, lhs, rhs, stores } = kernel;
  const sideM: Side = { axis: "m", operand: "lhs", body: lhs, length: sizes.m, extent: tile.m, each: tile.rows };
  const sideN: Side = { axis: "n", operand: "rhs", body: rhs, length: sizes.n, extent: tile.n, each: tile.columns };
  const stride = (group: "m" | "n"): number => Math.abs(stores[0]!.at.strides[innermost(kernel, group)] ?? 0);
  const isTransposed = stride("m") === 1 && stride("n") !== 1;
  const [slow, fast] = isTransposed ? [sideN, sideM] : [sideM, sideN];
  const axis = innermost(kernel, fast.axis);
  const inQuads = ({ at }: { readonly at: Affine }): boolean => isQuadAlong(at, axis);
  const isWhole = hasVectors(fast) && axis >= 0 && [...batch, ...m, ...n, ...k][axis]! % 4 === 0;
  const parts = partsOf(sizes, tile);
  const chunk = Math.ceil(Math.ceil(sizes.k / parts) / tile.depth) * tile.depth;
  const bytes = 4 * (pageOf(slow, tile.depth) * (hasVectors(slow) ? 4 : 1) + pageOf(fast, tile.depth) * (hasVectors(fast) ? 4 : 1));
  return {
    sizes, tile, chunk, slow, fast,
    parts: Math.ceil(sizes.k / chunk),
    pages: 2 * bytes <= workgroupBytes ? 2 : 1,
    quads: isWhole && stores.every(inQuads) && stores.every(({ arg }) => args[arg]!.length > 0) ? axis : null,
  };
}

/** Names of the results of an invocation: vectors along the fast side where it has them. */
const sumsOf = ({ slow, fast }: Plan): string[][] =>
  Array.from({ length: slow.each }, (_, i) =>
    Array.from({ length: hasVectors(fast) ? fast.each / 4 : fast.each }, (__, j) => `sum_${i}_${j}`),
  );

/** Multiplies, and stores the results or what a part of the sum comes to. */
function product(kernel: ContractKernel, layout: Layout, plan: Plan): Dispatch {
  const { dtype, stores } = kernel;
  const { sizes, tile, parts, chunk, pages, slow, fast, quads } = plan;
  const lanes = lanesOf(tile);
  const type = typeOf[dtype];
  const loaded = [slow, fast].flatMap((side) => (hasVectors(side) ? (quadsOf(kernel, side)?.args ?? []) : []));
  const stored = quads === null || parts > 1 ? [] : [
    ...stores.map(({ arg }) => arg),
    ...quadsLoaded(stores.map(({ body }) => body), (_, at) => isQuadAlong(at, quads)),
  ];
  const shader = new Shader(kernel.args, layout, { quads: [...loaded, ...stored] });
  for (const side of [slow, fast]) {
    declareOperand(shader, kernel, side, tile.depth);
    shader.declare(declareTile(side, type, tile.depth, pages));
  }
  if (parts > 1) declarePart(shader, plan, type);
  else declarePut(shader, kernel, plan, type);

  const sums = sumsOf(plan);
  const sumType = hasVectors(fast) ? `vec4<${type}>` : type;
  const counts = [fast, slow].map(({ length, extent }) => Math.ceil(length / extent)) as [number, number];
  const blocks = blockRounds(kernel, plan, lanes, type);
  const last = parts === 1 ? `${sizes.k}u` : `min(first + ${chunk}u, ${sizes.k}u)`;
  const page = (side: Side): string => (pages === 1 ? "" : `page * ${pageOf(side, tile.depth)}u + `);
  const elements = [slow, fast].filter((side) => !hasVectors(side)).flatMap((side) => putElements(kernel, side, tile.depth, lanes, page(side)));
  const body = [
    ...(parts === 1 ? [] : [`let part = group / ${sizes.batch * counts[0] * counts[1]}u;`]),
    `let batch = group / ${counts[0] * counts[1]}u${parts === 1 ? "" : ` % ${sizes.batch}u`};`,
    `let ${slow.axis}_start = (group / ${counts[0]}u) % ${counts[1]}u * ${slow.extent}u;`,
    `let ${fast.axis}_start = group % ${counts[0]}u * ${fast.extent}u;`,
    `let first = ${parts === 1 ? "0u" : `part * ${chunk}u`};`,
    `let last = ${last};`,
    ...lanePlaces(plan, lanes),
    ...sums.flat().map((name) => `var ${name} = ${sumType}();`),
    ...blocks.held.map((name) => `var ${name} = vec4<${type}>();`),
    ...(pages === 2 ? ["var page = 0u;"] : []),
    // The last round only multiplies: each tile is loaded one round before it is used.
    `for (var start = first; start < last + ${tile.depth}u; start += ${tile.depth}u) {`,
    ...indented([
      ...(blocks.held.length > 0 ? ["if (start < last) {", ...indented(blocks.load), "}"] : []),
      "if (start > first) {",
      ...indented(multiply(kernel, plan, sums)),
      "}",
      ...(pages === 1 ? ["workgroupBarrier();"] : ["page = 1u - page;"]),
      "if (start < last) {",
      ...indented([...blocks.put, ...elements]),
      "}",
      "workgroupBarrier();",
    ]),
    "}",
    ...store(kernel, plan, sums, sumType),
  ];
  return shader.finish(parts * sizes.batch * counts[0] * counts[1], body, lanes);
}

/** Which results of a tile are those of an invocation: `slow_lane` and `fast_lane`. */
function lanePlaces({ slow, fast }: Plan, lanes: number): string[] {
  const along = lanesAlong(fast);
  // The 32 that a GPU runs together are 8 by 4, which reads fewer vectors than a row of them.
  if (hasVectors(fast) && hasVectors(slow) && along % 8 === 0 && lanesAlong(slow) % 4 === 0 && lanes % 32 === 0) {
    const rows = along / 8;
    return [
      `let fast_lane = lane % 8u + lane / 32u % ${rows}u * 8u;`,
      `let slow_lane = lane / 8u % 4u + lane / ${32 * rows}u * 4u;`,
    ];
  }
  return [`let fast_lane = lane % ${along}u;`, `let slow_lane = lane / ${along}u;`];
}

/** Loading and putting the blocks of both tiles: the invocations take them in turn, as often as it needs. */
function blockRounds(kernel: ContractKernel, plan: Plan, lanes: number, type: string): { load: string[]; put: string[]; held: string[] } {
  const { slow, fast, tile, pages } = plan;
  const sides = [slow, fast].filter(hasVectors).map((side) => ({ side, count: blocksOf(side, tile.depth) }));
  const all = sides.reduce((sum, { count }) => sum + count, 0);
  const rounds = Math.ceil(all / lanes);
  const result = { load: [] as string[], put: [] as string[], held: [] as string[] };
  for (let round = 0; round < rounds; round++) {
    const held = [0, 1, 2, 3].map((i) => `held_${4 * round + i}`);
    result.held.push(...held);
    const each = (lines: (side: Side) => readonly string[]): string[] => {
      let begin = 0;
      const text: string[] = [];
      for (const { side, count } of sides) {
        const [from, to] = [round * lanes, (round + 1) * lanes];
        if (begin < to && begin + count > from) {
          const tests = [begin > from ? `taken >= ${begin}u` : "", begin + count < to ? `taken < ${begin + count}u` : ""];
          const test = tests.filter(Boolean).join(" && ");
          text.push(test ? `if (${test}) {` : "{", ...indented([`let block = taken${begin === 0 ? "" : ` - ${begin}u`};`, ...lines(side)]), "}");
        }
        begin += count;
      }
      return ["{", ...indented([`let taken = lane${round === 0 ? "" : ` + ${round * lanes}u`};`, ...text]), "}"];
    };
    const page = (side: Side): string => (pages === 1 ? "" : `page * ${pageOf(side, tile.depth)}u + `);
    result.load.push(...each((side) => loadBlock(kernel, side, held)));
    result.put.push(...each((side) => putBlock(kernel, side, held, type, page(side))));
  }
  return result;
}

/** Steps of the sum that are written out. */
const UNROLLED = 4;

/** Multiplies what the tiles hold. */
function multiply({ dtype }: ContractKernel, plan: Plan, sums: readonly (readonly string[])[]): string[] {
  const { slow, fast, tile, pages } = plan;
  const places = { slow: "slow_lane", fast: "fast_lane" };
  const start = (side: Side, name: "slow" | "fast"): string => {
    const page = pages === 1 ? "" : `page * ${pageOf(side, tile.depth)}u + `;
    const row = hasVectors(side) ? side.extent / 4 : side.extent + 1;
    const place = hasVectors(side) && isTurned(side) ? `(${places[name]} ^ (step & 4u))` : places[name];
    return `let ${name}_at = ${page}step * ${row}u + ${place};`;
  };
  /** Numbers of a side at a step: vectors, or single numbers. */
  const read = (side: Side, name: "slow" | "fast", step: number): string[] => {
    const row = hasVectors(side) ? side.extent / 4 : side.extent + 1;
    return Array.from({ length: hasVectors(side) ? side.each / 4 : side.each }, (_, i) => {
      const offset = step * row + i * lanesAlong(side);
      return `let ${name}_${step}_${i} = tile_${side.operand}[${name}_at${offset === 0 ? "" : ` + ${offset}u`}];`;
    });
  };
  const isFloat = dtype === "float32";
  const steps = Array.from({ length: UNROLLED }, (_, step) => [
    ...read(slow, "slow", step),
    ...read(fast, "fast", step),
    ...sums.flatMap((row, i) => {
      const l = hasVectors(slow) ? `slow_${step}_${Math.floor(i / 4)}[${i % 4}]` : `slow_${step}_${i}`;
      return row.map((sum, j) => {
        const r = `fast_${step}_${j}`;
        if (!isFloat) return `${sum} += ${l} * ${r};`;
        return `${sum} = fma(${hasVectors(fast) ? `vec4<f32>(${l})` : l}, ${r}, ${sum});`;
      });
    }),
  ]).flat();
  return [
    `for (var step = 0u; step < ${tile.depth}u; step += ${UNROLLED}u) {`,
    ...indented([start(slow, "slow"), start(fast, "fast"), ...steps]),
    "}",
  ];
}

/** Operations after a product up to which every result has its own copy of them. */
const LIGHT = 6;

/** Hands the sums to `put`. */
function store({ stores }: ContractKernel, plan: Plan, sums: readonly (readonly string[])[], sumType: string): string[] {
  const { slow, fast, parts } = plan;
  const [across, along] = [lanesAlong(slow), lanesAlong(fast)];
  const put = (i: string, j: string, sum: string, fixed: { readonly i: number; readonly j: number } | null): string => {
    const slowAt = hasVectors(slow)
      ? fixed ? `(slow_lane + ${Math.floor(fixed.i / 4) * across}u) * 4u + ${fixed.i % 4}u` : `(slow_lane + ${i} / 4u * ${across}u) * 4u + ${i} % 4u`
      : `slow_lane + ${fixed ? `${fixed.i * across}u` : `${i} * ${across}u`}`;
    const lane = `fast_lane + ${fixed ? `${fixed.j * along}u` : `${j} * ${along}u`}`;
    const fastAt = hasVectors(fast) ? `(${lane}) * 4u` : lane;
    const batch = parts === 1 ? "batch" : `part * ${plan.sizes.batch}u + batch`;
    return `put(${batch}, ${slow.axis}_start + ${slowAt}, ${fast.axis}_start + ${fastAt}, ${sum});`;
  };
  const work = scalarOrder(stores.map(({ body }) => body)).length;
  if (parts > 1 || work <= LIGHT) return sums.flatMap((row, i) => row.map((sum, j) => put("", "", sum, { i, j })));
  const each = sums[0]!.length;
  // A loop, so that what is done with a product is compiled once and not for every result of the block.
  return [
    `var sums = array<${sumType}, ${sums.length * each}>(${sums.flat().join(", ")});`,
    `for (var r = 0u; r < ${sums.length * each}u; r++) {`,
    `  ${put(`(r / ${each}u)`, `(r % ${each}u)`, "sums[r]", null)}`,
    "}",
  ];
}

/** Lines that leave where a result is outside; `unit` results are stored at once. */
function bounds({ slow, fast }: Plan, unit: number): string[] {
  const test = ({ length, extent }: Side, name: string): string => (length % extent === 0 ? "" : `${name} >= ${length}u`);
  const tests = [test(slow, "slow"), unit === 4 && fast.length % 4 !== 0 ? "" : test(fast, "fast")].filter(Boolean);
  return tests.length === 0 ? [] : [`if (${tests.join(" || ")}) { return; }`];
}

/** Declares `put`, which stores a vector or a number of results. */
function declarePut(shader: Shader, kernel: ContractKernel, plan: Plan, type: string): void {
  const { fast, slow, quads } = plan;
  const of = { z: unravel("batch", kernel.batch, "z"), m: unravel(slow.axis === "m" ? "slow" : "fast", kernel.m, "m"), n: unravel(slow.axis === "n" ? "slow" : "fast", kernel.n, "n") };
  const index = [...of.z.names, ...of.m.names, ...of.n.names, ...kernel.k.map(() => null)];
  const found = [...of.z.lines, ...of.m.lines, ...of.n.lines];
  const define = (name: string, result: string, lines: readonly string[]): void =>
    shader.declare([`fn ${name}(batch: u32, slow: u32, fast: u32, product: ${result}) {`, ...indented(lines), "}"].join("\n"));
  if (quads !== null) {
    const lines: string[] = [];
    const results = new Map([[0, { name: "product", type, isVector: true }]]);
    const writes = storeQuads(shader, kernel.stores, quadAlong(quads, index), results, lines);
    define("put", `vec4<${type}>`, [...bounds(plan, 4), ...found, ...lines, ...writes]);
    return;
  }
  const one = [...bounds(plan, 1), ...found, ...storePass(shader, kernel.stores, index, new Map([[0, "product"]]))];
  if (!hasVectors(fast)) return define("put", type, one);
  define("put_one", type, one);
  define("put", `vec4<${type}>`, [0, 1, 2, 3].map((i) => `put_one(batch, slow, fast + ${i}u, product[${i}]);`));
}

/** Elements of scratch memory that a dispatch reads or writes at once. */
const isQuadPart = ({ fast }: Plan): boolean => hasVectors(fast) && fast.length % 4 === 0;

/** Declares `put` for a part of the sum: to scratch memory, where parts and matrices of the batch follow each other. */
function declarePart(shader: Shader, plan: Plan, type: string): void {
  const { slow, fast } = plan;
  shader.useScratch(isQuadPart(plan) ? `vec4<${type}>` : type);
  const at = `(batch * ${slow.length}u + slow) * ${fast.length}u + fast`;
  const parameter = hasVectors(fast) ? `vec4<${type}>` : type;
  const lines = isQuadPart(plan)
    ? [...bounds(plan, 4), `scratch[(${at}) / 4u] = product;`]
    : hasVectors(fast)
      ? [...bounds(plan, 4), ...[0, 1, 2, 3].map((i) => `if (fast + ${i}u < ${fast.length}u) { scratch[${at} + ${i}u] = product[${i}]; }`)]
      : [...bounds(plan, 1), `scratch[${at}] = product;`];
  shader.declare([`fn put(batch: u32, slow: u32, fast: u32, product: ${parameter}) {`, ...indented(lines), "}"].join("\n"));
}

/** Adds up the parts of every sum, and stores: one invocation for each result. */
function total(kernel: ContractKernel, layout: Layout, plan: Plan): Dispatch {
  const { sizes, slow, fast, parts } = plan;
  const type = typeOf[kernel.dtype];
  const shader = new Shader(kernel.args, layout);
  shader.useScratch(type);
  const results = sizes.batch * sizes.m * sizes.n;
  const flat = unravel("row", [...kernel.batch, ...kernel[slow.axis], ...kernel[fast.axis]], "i");
  const [zs, ms] = [kernel.batch.length, kernel[slow.axis].length];
  const names = { z: flat.names.slice(0, zs), slow: flat.names.slice(zs, zs + ms), fast: flat.names.slice(zs + ms) };
  const [m, n] = slow.axis === "m" ? [names.slow, names.fast] : [names.fast, names.slow];
  return shader.finish(Math.ceil(results / LANES), [
    `let row = group * ${LANES}u + lane;`,
    `if (row >= ${results}u) { return; }`,
    ...flat.lines,
    `var product = ${type}();`,
    `for (var part = 0u; part < ${parts}u; part++) { product += scratch[part * ${results}u + row]; }`,
    ...storePass(shader, kernel.stores, [...names.z, ...m, ...n, ...kernel.k.map(() => null)], new Map([[0, "product"]])),
  ]);
}
