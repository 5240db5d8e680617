/**
 * The nearest rows of a collection: retrieval over embeddings. Exact search: the device multiplies all pairs, the host
 * keeps the best few of each row and measures those again in float64.
 */
import { ShapeError, ValueError } from "@dormouse/tensor";
import type { Field } from "./field.ts";
import { type Rows, meanOf, products, rowsOf, shifted, squaresOf } from "./rows.ts";
import { requireWhole } from "./whole.ts";

/** What `nearestNeighbors` looks for. */
export interface NeighborOptions {
  /** Neighbors of each query. Default 1. */
  readonly k?: number;
  /** `"euclidean"` (default): ‖q − x‖. `"cosine"`: 1 − q · x / (‖q‖ ‖x‖), which is 1 where one of them is 0. */
  readonly metric?: "euclidean" | "cosine";
}

/** The neighbors of n queries, row-major [n, k], nearest first. */
export interface Neighbors {
  /** Row numbers of the items. Equally near ones are in order of row number. */
  readonly indices: Uint32Array;
  readonly distances: Float64Array;
  readonly shape: readonly [queries: number, k: number];
}

/** Candidates kept beyond k, so that rounding of float32 products does not lose a neighbor. */
const spare = 8;

/**
 * The `k` items nearest to each query. Queries and items are tensors [n, d] (embeddings of a trained model), nested
 * arrays or fields. Needs a device; at most 16 MiB of products are held at a time.
 *
 * @example
 * const { indices, distances } = await nearestNeighbors([[0, 1]], [[0, 0], [5, 5], [0, 2]], { k: 2 });
 * console.log(indices, distances); // Uint32Array(2) [ 0, 2 ] Float64Array(2) [ 1, 1 ]
 * @throws ShapeError where queries and items differ in length; ValueError for a k that is larger than the items.
 */
export async function nearestNeighbors(query: Rows, items: Rows, options: NeighborOptions = {}): Promise<Neighbors> {
  const { k = 1, metric = "euclidean" } = options;
  requireWhole("nearestNeighbors", "k", k, 1);
  const given = {
    queries: await rowsOf("nearestNeighbors", "query", query),
    items: await rowsOf("nearestNeighbors", "items", items),
  };
  const [n, d] = given.queries.shape as [number, number];
  const [m, width] = given.items.shape as [number, number];
  if (d !== width) {
    throw new ShapeError("nearestNeighbors", `queries have ${d} numbers and items ${width}`, {
      expected: width,
      received: d,
      hint: "use embeddings of the same model",
    });
  }
  if (k > m) {
    throw new ValueError("nearestNeighbors", `${k} neighbors of ${m} items`, {
      expected: m,
      received: k,
      hint: `use a k of at most ${m}`,
    });
  }
  if (given.queries.dtype !== given.items.dtype) {
    // One type for both: the product takes no mixture.
    const which = given.queries.dtype === "float64" ? "items" : "queries";
    given[which] = { ...given[which], data: Float64Array.from(given[which].data), dtype: "float64" };
  }
  const euclidean = metric === "euclidean";
  const origin = euclidean ? meanOf(given.items) : new Float64Array(d);
  const prepare = (field: Field): Field => (euclidean ? shifted(field, origin) : normalized(field));
  const [queries, candidates] = [prepare(given.queries), prepare(given.items)];
  // Smaller is nearer: ‖x‖² / 2 − q · x orders as ‖q − x‖ does.
  const halves = euclidean ? squaresOf(candidates).map((square) => square / 2) : new Float64Array(m);
  const kept = Math.min(m, k + spare);
  const best = { indices: new Uint32Array(kept), scores: new Float64Array(kept) };
  const indices = new Uint32Array(n * k);
  const distances = new Float64Array(n * k);
  for await (const { first, count, values } of products(queries, candidates)) {
    for (let row = 0; row < count; row++) {
      smallest(best, m, (item) => halves[item]! - values[row * m + item]!);
      const exact = Array.from(best.indices, (item) => ({
        item,
        distance: (euclidean ? euclideanDistance : cosineDistance)(given.queries, first + row, given.items, item),
      })).sort((a, b) => a.distance - b.distance || a.item - b.item);
      for (let i = 0; i < k; i++) {
        indices[(first + row) * k + i] = exact[i]!.item;
        distances[(first + row) * k + i] = exact[i]!.distance;
      }
    }
  }
  return { indices, distances, shape: [n, k] };
}

/** Fills `best` with the positions below `count` of the smallest scores, by insertion; earlier ones win ties. */
function smallest(
  { indices, scores }: { readonly indices: Uint32Array; readonly scores: Float64Array },
  count: number,
  scoreOf: (position: number) => number,
): void {
  const last = scores.length - 1;
  scores.fill(Infinity);
  for (let position = 0; position < count; position++) {
    const score = scoreOf(position);
    if (score >= scores[last]!) continue;
    let at = last;
    for (; at > 0 && scores[at - 1]! > score; at--) {
      scores[at] = scores[at - 1]!;
      indices[at] = indices[at - 1]!;
    }
    scores[at] = score;
    indices[at] = position;
  }
}

function normalized(field: Field): Field {
  const d = field.shape[1]!;
  const lengths = squaresOf(field).map((square) => Math.sqrt(square) || 1);
  return { ...field, data: field.data.map((value, i) => value / lengths[Math.floor(i / d)]!) };
}

function euclideanDistance(a: Field, i: number, b: Field, j: number): number {
  const d = a.shape[1]!;
  let sum = 0;
  for (let at = 0; at < d; at++) sum += (a.data[i * d + at]! - b.data[j * d + at]!) ** 2;
  return Math.sqrt(sum);
}

function cosineDistance(a: Field, i: number, b: Field, j: number): number {
  const d = a.shape[1]!;
  let [product, left, right] = [0, 0, 0];
  for (let at = 0; at < d; at++) {
    const [x, y] = [a.data[i * d + at]!, b.data[j * d + at]!];
    product += x * y;
    left += x * x;
    right += y * y;
  }
  const lengths = Math.sqrt(left) * Math.sqrt(right);
  return lengths === 0 ? 1 : Math.max(0, 1 - product / lengths);
}
