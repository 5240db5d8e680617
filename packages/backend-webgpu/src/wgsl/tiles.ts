/**
 * Tiles of products: what a workgroup makes, how its invocations share that, and which tile suits which lengths. Owns the
 * table and a model of cost; the tuner measures instead. Refuses text.
 */

/** Lengths of a product, its axes taken together. */
export interface Sizes {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** What a workgroup makes of a product. */
export interface Tile {
  /** Results of a workgroup along m and along n. */
  readonly m: number;
  readonly n: number;
  /** Results of an invocation along m and along n; four and more are vectors. */
  readonly rows: number;
  readonly columns: number;
  /** Steps of the sum that are staged together. */
  readonly depth: number;
}

/**
 * By name. For each step of the sum an invocation loads rows + columns numbers from workgroup memory and multiplies
 * rows × columns of them, so that large tiles are bound by arithmetic; small ones have the invocations that a small
 * product needs. All fit in the 16 KiB of workgroup memory that every GPU has.
 */
export const tiles = {
  "128x128": { m: 128, n: 128, rows: 8, columns: 8, depth: 16 },
  "128x64": { m: 128, n: 64, rows: 8, columns: 4, depth: 16 },
  "64x128": { m: 64, n: 128, rows: 4, columns: 8, depth: 16 },
  "64x64": { m: 64, n: 64, rows: 8, columns: 4, depth: 16 },
  "128x32": { m: 128, n: 32, rows: 4, columns: 4, depth: 16 },
  "32x128": { m: 32, n: 128, rows: 4, columns: 4, depth: 16 },
  "64x32": { m: 64, n: 32, rows: 4, columns: 4, depth: 16 },
  "32x64": { m: 32, n: 64, rows: 4, columns: 4, depth: 16 },
  "32x32": { m: 32, n: 32, rows: 4, columns: 4, depth: 16 },
  "128x16": { m: 128, n: 16, rows: 4, columns: 4, depth: 8 },
  "16x128": { m: 16, n: 128, rows: 4, columns: 4, depth: 8 },
  "32x16": { m: 32, n: 16, rows: 2, columns: 1, depth: 16 },
  "16x32": { m: 16, n: 32, rows: 1, columns: 2, depth: 16 },
  "16x16": { m: 16, n: 16, rows: 1, columns: 1, depth: 16 },
} as const satisfies Readonly<Record<string, Tile>>;

export type TileName = keyof typeof tiles;

export const tileNames = Object.keys(tiles) as readonly TileName[];

/** Invocations of a workgroup. */
export const lanesOf = ({ m, n, rows, columns }: Tile): number => (m / rows) * (n / columns);

/** Tiles of a product. */
export const tileCount = ({ batch, m, n }: Sizes, tile: Tile): number => batch * Math.ceil(m / tile.m) * Math.ceil(n / tile.n);

/** A large GPU: its processors, and invocations of which each multiplies at the same time. */
const GPU = { processors: 128, invocations: 128 } as const;
/** What a second dispatch costs, in multiplications of one invocation: some microseconds. */
const SECOND = 8192;
/** Steps of a sum that are worth a workgroup, parts of a sum, and bytes of what the parts come to. */
const PARTS = { steps: 256, most: 64, bytes: 2 ** 26 } as const;

/** What a number read from workgroup memory costs: a processor reads one for every four that it multiplies. */
const READ = { single: 4, inVector: 2 } as const;
/** What a part of a result costs that is written and read again, by bandwidth. */
const PART = 1 / 320;

/** What a product takes, in multiplications of one invocation. */
function costOf(sizes: Sizes, tile: Tile, parts: number): number {
  const { rows, columns } = tile;
  const invocations = Math.ceil((tileCount(sizes, tile) * parts) / GPU.processors) * lanesOf(tile);
  const read = (count: number): number => count * (count % 4 === 0 ? READ.inVector : READ.single);
  const step = rows * columns + read(rows) + read(columns);
  const product = Math.ceil(sizes.k / parts) * step * Math.max(1, invocations / GPU.invocations);
  return product + (parts === 1 ? 0 : SECOND + parts * sizes.batch * sizes.m * sizes.n * PART);
}

/**
 * Workgroups that share a sum: one, but more where there are too few tiles for a GPU and each has a long sum, as in
 * gradients of weights. Their sums are added in a second dispatch, always in one order.
 */
export function partsOf(sizes: Sizes, tile: Tile): number {
  const results = sizes.batch * sizes.m * sizes.n;
  const most = Math.min(Math.floor(sizes.k / PARTS.steps), PARTS.most, Math.floor(PARTS.bytes / (4 * results)));
  let best = 1;
  for (let parts = 2; parts <= most; parts *= 2) if (costOf(sizes, tile, parts) < costOf(sizes, tile, best)) best = parts;
  return best;
}

/** Whether a tile is not mostly outside of a product. */
export function fits({ m, n }: Sizes, tile: Tile): boolean {
  const along = (length: number, extent: number): boolean => extent === 16 || extent / 2 < length;
  return along(m, tile.m) && along(n, tile.n);
}

/** The tile of least cost, by the model. */
export function chooseTile(sizes: Sizes): TileName {
  const cost = (name: TileName): number => costOf(sizes, tiles[name], partsOf(sizes, tiles[name]));
  return tileNames.filter((name) => fits(sizes, tiles[name])).reduce((best, name) => (cost(name) < cost(best) ? name : best));
}
