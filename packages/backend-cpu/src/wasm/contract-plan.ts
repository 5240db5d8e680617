/**
 * How one product will be computed, decided before any code is written: which operand is the left one, which axes form
 * rows and columns, whether tiles go straight to the output, and the sizes of the blocks. Plain data, testable without
 * an engine.
 */
import { bytesOf } from "@dormouse/tensor/graph";
import type { ContractKernel } from "@dormouse/tensor/graph";
import { scalarOrder } from "../scalar-order.ts";
import { roundUp } from "./counting.ts";
import type { Tile } from "./tile.ts";
import { groupsOf, movesAlong, regroup, sizeOf, split, uniformStride } from "./views.ts";
import type { Split } from "./views.ts";

/** The single store of a product that tiles are written to directly: columns contiguous, rows evenly spaced. */
export interface DirectStore {
  readonly arg: number;
  readonly at: Split;
  /** In elements. */
  readonly rowStride: number;
}

/** Blocks in elements; rows, columns and depth are multiples of the tile's. */
export interface Blocks {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** The packed right operand of all depths is kept while rows pass. */
  readonly resident: boolean;
}

export interface ContractPlan {
  readonly kernel: ContractKernel;
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Undefined: the product of a block goes through scratch memory. */
  readonly direct: DirectStore | undefined;
  readonly blocks: Blocks;
  /** What threads divide among them. */
  readonly divide: "m" | "n";
  /** Threads pack the right operand together rather than each for itself. */
  readonly shared: boolean;
}

/** Bytes of packed right operand that stay in the outer cache. */
const residentBytes = 4 << 20;
/** KC, MC and NC: a right panel fits the first cache, a left block the second. Measured at 1024 cubed. */
const depthLimit = 256;
const rowLimit = 192;
const columnLimit = 2048;
/** The product of a block on its way through scratch memory shares the second cache with the left block. */
const blockColumnLimit = 512;

export function directStore(kernel: ContractKernel): DirectStore | undefined {
  const [store, ...others] = kernel.stores;
  if (!store || others.length > 0 || store.body.op !== "result" || sizeOf(kernel.k) === 0) return undefined;
  if (kernel.args[store.arg]!.dtype !== kernel.dtype) return undefined;
  const at = split(kernel, store.at);
  const rowStride = uniformStride(at.m);
  const columnStride = uniformStride(at.n);
  const contiguous = columnStride === 1 || sizeOf(kernel.n) === 1;
  return contiguous && rowStride !== undefined && rowStride >= 0 ? { arg: store.arg, at, rowStride } : undefined;
}

/** How well the stores of a kernel suit vectors along n. */
function storeRank(kernel: ContractKernel): number {
  if (directStore(kernel)) return 2;
  const inner = kernel.stores.map(({ at }) => split(kernel, at).n.strides.at(-1) ?? 1);
  return inner.filter((stride) => stride === 1).length / Math.max(1, inner.length);
}

/** Multiply-adds in the time that it takes to store one element that has no neighbors, rather than one of a vector. */
const scatteredStore = 60;

/** The time of tiles and stores, in multiply-adds. */
function timeOf(kernel: ContractKernel, tile: Tile): number {
  const width = (tile.vectors * 16) / bytesOf(kernel.dtype);
  const [batch, m, n, k] = [sizeOf(kernel.batch), sizeOf(kernel.m), sizeOf(kernel.n), sizeOf(kernel.k)];
  const stored = m * n * Math.max(1, kernel.stores.length) * (2 - storeRank(kernel)) * scatteredStore;
  return batch * (roundUp(m, tile.rows) * roundUp(n, width) * k + stored);
}

/**
 * The kernel with rows and columns exchanged if that suits its stores, or its tiles, better: 32×144 leaves a sixth of the
 * last 6 rows of tiles empty, 144×32 nothing. A single column becomes a single row.
 */
function oriented(kernel: ContractKernel, tile: Tile): ContractKernel {
  const groups = groupsOf(kernel);
  const exchanged = regroup(kernel, { ...groups, m: groups.n, n: groups.m }, true);
  const [m, n] = [sizeOf(kernel.m), sizeOf(kernel.n)];
  if (m === 1 || n === 1) return n === 1 && m > 1 ? exchanged : kernel;
  return timeOf(exchanged, tile) < timeOf(kernel, tile) ? exchanged : kernel;
}

/**
 * A batch axis along which one operand stands still is a row or column axis: the operand is then packed once. Worth it
 * where tiles still go straight to the output.
 */
function withoutSharedBatches(kernel: ContractKernel): ContractKernel {
  for (let axis = kernel.batch.length - 1; axis >= 0; axis--) {
    const groups = groupsOf(kernel);
    const [left, right] = [movesAlong(kernel.lhs, axis), movesAlong(kernel.rhs, axis)];
    if (left === right || kernel.batch[axis] === 1) continue;
    const batch = groups.batch.filter((other) => other !== axis);
    const moved = left ? { ...groups, batch, m: [axis, ...groups.m] } : { ...groups, batch, n: [axis, ...groups.n] };
    const candidate = regroup(kernel, moved, false);
    if (directStore(candidate)) return withoutSharedBatches(candidate);
  }
  return kernel;
}

/** Panels of rows that threads can share out evenly enough. */
const manyPanels = 16;

/**
 * Whether stores read other memory as the update of a weight does. Threads that each have part of every row then take
 * cache lines from each other: 256×784 of depth 128 with Adam takes two threads 0.68 ms by columns, 0.56 ms by rows.
 */
const updates = ({ stores }: ContractKernel): boolean =>
  scalarOrder(stores.map(({ body }) => body)).some(({ op }) => op === "load");

/** `total` cut into equal parts of at most `limit`, each a multiple of `multiple`. */
function part(total: number, limit: number, multiple: number): number {
  return roundUp(Math.ceil(total / Math.max(1, Math.ceil(total / limit))), multiple);
}

export function planContract(original: ContractKernel, tile: Tile): ContractPlan {
  const kernel = withoutSharedBatches(oriented(original, tile));
  const [batch, m, n, k] = [sizeOf(kernel.batch), sizeOf(kernel.m), sizeOf(kernel.n), sizeOf(kernel.k)];
  const bytes = bytesOf(kernel.dtype);
  const width = (tile.vectors * 16) / bytes;
  const direct = directStore(kernel);
  const depth = Math.max(
    tile.unroll,
    roundUp(Math.ceil(k / Math.max(1, Math.round((k * bytes) / (4 * depthLimit)))), tile.unroll),
  );
  const paddedDepth = Math.ceil(k / Math.max(1, depth)) * depth;
  const fitting = Math.floor(residentBytes / (Math.max(1, paddedDepth) * bytes));
  const resident = fitting >= 32 * width;
  const single = batch === 1 && resident;
  const divide = m > n || (single && updates(kernel) && m >= manyPanels * tile.rows) ? "m" : "n";
  const limit = Math.min(direct ? columnLimit : blockColumnLimit, resident ? fitting : columnLimit);
  return {
    kernel,
    batch,
    m,
    n,
    k,
    direct,
    blocks: {
      rows: part(m, rowLimit, tile.rows),
      columns: part(n, Math.floor(limit / width) * width, width),
      depth,
      resident,
    },
    divide,
    shared: single && divide === "m",
  };
}
