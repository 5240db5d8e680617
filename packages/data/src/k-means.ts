/**
 * k-means: centers that cut the squared distance to their points. The device multiplies points and centers, the host
 * chooses and averages in float64. Sources: S. P. Lloyd 1982 (the two steps), D. Arthur and S. Vassilvitskii 2007
 * (k-means++, the start).
 */
import { ShapeError, ValueError } from "@dormouse/tensor";
import { type Field, gatherRows } from "./field.ts";
import { Random } from "./random.ts";
import { type Rows, meanOf, products, rowsOf, shifted, squaresOf } from "./rows.ts";
import { requireWhole } from "./whole.ts";

/** How `kMeans` searches. */
export interface KMeansOptions {
  /** Number of clusters. */
  readonly clusters: number;
  /** Default 0. */
  readonly seed?: number;
  /** Runs from different starts, of which the one with the least inertia is kept. Default 1. */
  readonly starts?: number;
  /** Most steps of a run. Default 100. */
  readonly iterations?: number;
  /** First centers [clusters, d] in place of k-means++. */
  readonly centers?: Rows;
}

/** What `kMeans` found. */
export interface KMeans {
  /** [clusters, d]. */
  readonly centers: { readonly data: Float64Array; readonly shape: readonly [clusters: number, d: number] };
  /** The cluster of every point: that of the nearest center. */
  readonly labels: Int32Array;
  /** Σ ‖x − center‖² over all points. */
  readonly inertia: number;
  readonly iterations: number;
  /** Whether the last step changed no label. */
  readonly converged: boolean;
}

/**
 * Groups points [n, d] (a tensor, nested arrays or a field) around `clusters` centers: assigns every point to the
 * nearest center, moves every center to the mean of its points, and stops when no label changes. A center that has no
 * points moves to the point that is farthest from its own center. New points are assigned by
 * `nearestNeighbors(points, centers)`. Needs a device.
 *
 * @example
 * const { centers, inertia } = await kMeans([[1], [2], [10], [11]], { clusters: 2 });
 * console.log(Array.from(centers.data).sort((a, b) => a - b), inertia); // [ 1.5, 10.5 ] 1
 * @throws ValueError for more clusters than points, and options that are not whole numbers in their range; ShapeError
 * for centers of another shape.
 */
export async function kMeans(points: Rows, options: KMeansOptions): Promise<KMeans> {
  const { clusters, seed = 0, starts = 1, iterations = 100 } = options;
  for (const [name, value] of Object.entries({ clusters, starts, iterations })) requireWhole("kMeans", name, value, 1);
  const given = await rowsOf("kMeans", "points", points);
  const [n, d] = given.shape as [number, number];
  if (clusters > n) {
    throw new ValueError("kMeans", `${clusters} clusters of ${n} points`, {
      expected: n,
      received: clusters,
      hint: `use at most ${n}`,
    });
  }
  const origin = meanOf(given);
  const set: Points = { given, origin, centered: shifted(given, origin) };
  const start = options.centers && (await rowsOf("kMeans", "centers", options.centers));
  if (start && (start.shape[0] !== clusters || start.shape[1] !== d)) {
    throw new ShapeError("kMeans", `centers have the shape [${start.shape.join(", ")}]`, {
      expected: [clusters, d],
      received: start.shape,
      hint: `give [${clusters}, ${d}]`,
    });
  }
  let best: KMeans | undefined;
  for (let run = 0; run < (start ? 1 : starts); run++) {
    const first = start ? Float64Array.from(start.data) : await plusPlus(set, clusters, new Random(seed, run));
    const found = await lloyd(set, first, clusters, iterations);
    if (!best || found.inertia < best.inertia) best = found;
  }
  return best!;
}

/** Points as they were given, which are averaged, and around their mean, which are multiplied. */
interface Points {
  readonly given: Field;
  readonly origin: Float64Array;
  readonly centered: Field;
}

/** First centers: points drawn one by one, with probability in proportion to the squared distance to those before. */
async function plusPlus({ given, centered }: Points, clusters: number, random: Random): Promise<Float64Array> {
  const [n, d] = given.shape as [number, number];
  const centers = new Float64Array(clusters * d);
  const squares = squaresOf(centered);
  const distances = new Float64Array(n).fill(Infinity);
  let chosen = random.below(n);
  for (let cluster = 0; ; cluster++) {
    centers.set(gatherRows(given, [chosen]).data, cluster * d);
    if (cluster + 1 === clusters) return centers;
    let total = 0;
    for await (const { first, count, values } of products(centered, gatherRows(centered, [chosen]))) {
      for (let row = 0; row < count; row++) {
        const i = first + row;
        const distance = Math.max(0, squares[i]! - 2 * values[row]! + squares[chosen]!);
        distances[i] = i === chosen ? 0 : Math.min(distances[i]!, distance);
        total += distances[i]!;
      }
    }
    // All points are where a center is already: any of them will do.
    if (total === 0) chosen = random.below(n);
    else {
      let left = random.uniform(0, total);
      chosen = distances.findLastIndex((distance) => distance > 0);
      for (let i = 0; i < n; i++) {
        left -= distances[i]!;
        if (left < 0) {
          chosen = i;
          break;
        }
      }
    }
  }
}

async function lloyd(points: Points, first: Float64Array, clusters: number, limit: number): Promise<KMeans> {
  const { given } = points;
  const [n, d] = given.shape as [number, number];
  const labels = new Int32Array(n).fill(-1);
  let centers = first;
  for (let iteration = 1; ; iteration++) {
    const changed = await assign(points, centers, labels);
    if (changed === 0 || iteration > limit) {
      return {
        centers: { data: centers, shape: [clusters, d] },
        labels,
        inertia: distancesOf(given, labels, centers).reduce((sum, distance) => sum + distance, 0),
        iterations: iteration - 1,
        converged: changed === 0,
      };
    }
    fillEmpty(given, labels, centers);
    centers = means(given, labels, centers);
  }
}

/** Gives every point the nearest center; how many points have another one than before. */
async function assign({ origin, centered }: Points, centers: Float64Array, labels: Int32Array): Promise<number> {
  const d = origin.length;
  const clusters = centers.length / d;
  const from = centers.map((value, i) => value - origin[i % d]!);
  const data = centered.dtype === "float64" ? from : Float32Array.from(from);
  const field: Field = { data, shape: [clusters, d], dtype: centered.dtype };
  const halves = squaresOf(field).map((square) => square / 2);
  let changed = 0;
  for await (const { first, count, values } of products(centered, field)) {
    for (let row = 0; row < count; row++) {
      let nearest = 0;
      let least = Infinity;
      for (let cluster = 0; cluster < clusters; cluster++) {
        const score = halves[cluster]! - values[row * clusters + cluster]!;
        if (score < least) {
          least = score;
          nearest = cluster;
        }
      }
      if (labels[first + row] !== nearest) changed++;
      labels[first + row] = nearest;
    }
  }
  return changed;
}

/**
 * Moves the point that is farthest from its center to each cluster that has none. A cluster stays empty where every
 * point is at its center: there are fewer different points than clusters.
 */
function fillEmpty(points: Field, labels: Int32Array, centers: Float64Array): void {
  const counts = new Uint32Array(centers.length / points.shape[1]!);
  for (const label of labels) counts[label]!++;
  if (!counts.includes(0)) return;
  const distances = distancesOf(points, labels, centers);
  counts.forEach((count, cluster) => {
    if (count > 0) return;
    const farthest = distances.indexOf(distances.reduce((most, distance) => Math.max(most, distance)));
    if (distances[farthest] === 0) return;
    labels[farthest] = cluster;
    distances[farthest] = 0;
  });
}

function means({ data, shape }: Field, labels: Int32Array, before: Float64Array): Float64Array {
  const [n, d] = shape as [number, number];
  const sums = new Float64Array(before.length);
  const counts = new Uint32Array(before.length / d);
  for (let i = 0; i < n; i++) {
    const label = labels[i]!;
    counts[label]!++;
    for (let j = 0; j < d; j++) sums[label * d + j]! += data[i * d + j]!;
  }
  return sums.map((sum, i) => {
    const count = counts[Math.floor(i / d)]!;
    return count === 0 ? before[i]! : sum / count;
  });
}

/** Squared distance of every point from the center of its cluster. */
function distancesOf({ data, shape }: Field, labels: Int32Array, centers: Float64Array): Float64Array {
  const d = shape[1]!;
  const distances = new Float64Array(labels.length);
  for (let i = 0; i < data.length; i++) {
    const row = Math.floor(i / d);
    distances[row]! += (data[i]! - centers[labels[row]! * d + (i % d)]!) ** 2;
  }
  return distances;
}
