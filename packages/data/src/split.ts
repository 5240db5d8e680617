/**
 * Which examples go where: parts for training and testing, folds, bootstrap samples. Everything here is a function of
 * counts, labels and a seed, and answers with row numbers; `splitDataset` is the one convenience on top.
 */
import { ShapeError, ValueError } from "@dormouse/tensor";
import type { Dataset } from "./dataset.ts";
import { Random, rangeOf } from "./random.ts";

/** Labels, group names or times, one per example. */
export type Labels = ArrayLike<number | bigint | string | boolean | null>;

/** How examples are told apart before they are dealt out. */
export interface DealOptions {
  /** Default 0. */
  readonly seed?: number;
  /** Keep the proportion of each label in every part. */
  readonly stratify?: Labels;
  /** Keep all examples of a group in one part: rows of one patient, frames of one film. */
  readonly groups?: Labels;
}

/** Parts by name with their share of the examples. `train` may be left out and is then what remains. */
export type Fractions = Readonly<Record<string, number>>;

/** How `splitIndices` divides. */
export interface SplitOptions<F extends Fractions = Fractions> extends DealOptions {
  /** Default `{ test: 0.2 }`. */
  readonly fractions?: F;
  /**
   * Put every example where a hash of its label (and the seed) says: examples with one label stay together, and where
   * they are does not change when others come or go. Shares are met on average over many labels.
   */
  readonly hash?: Labels;
  /** Divide by time: the earliest examples go to the first part of `fractions` (or to `train` if it is not named). */
  readonly time?: ArrayLike<number>;
}

/** Row numbers by the name of the part. */
export type Parts<F extends Fractions, T> = { readonly [K in keyof F | "train"]: T };

/**
 * Divides the rows 0 … n − 1 into named parts, each in rising order; every row is in exactly one.
 *
 * ```ts
 * const { train, test } = splitIndices(150, { fractions: { test: 0.2 }, seed: 1 });
 * console.log(train.length, test.length); // 120 30
 * ```
 * @throws ValueError for fractions that are negative or add up to more than 1, and where a part would get no row.
 */
export function splitIndices<F extends Fractions = { test: number }>(
  n: number,
  options: SplitOptions<F> = {},
): Parts<F, Uint32Array> {
  const fractions = withTrain(options.fractions ?? { test: 0.2 });
  const names = Object.keys(fractions);
  const shares = Object.values(fractions);
  let part: Int32Array;
  if (options.time) {
    if (options.stratify || options.groups || options.hash) {
      throw new ValueError("split", "time does not go with stratify, groups or hash", { hint: "choose one" });
    }
    checkLength("time", options.time, n);
    const { time } = options;
    part = inOrder(
      rangeOf(n).sort((a, b) => time[a]! - time[b]! || a - b),
      shares,
    );
  } else if (options.hash) {
    if (options.stratify || options.groups) {
      throw new ValueError("split", "hash does not go with stratify or groups", { hint: "choose one" });
    }
    checkLength("hash", options.hash, n);
    part = byHash(shares, options.hash, options.seed ?? 0);
  } else {
    part = deal(n, shares, options);
  }
  const parts = Object.fromEntries(names.map((name, i) => [name, rowsWhere(part, i)]));
  for (const name of names) {
    if (parts[name]!.length === 0) {
      throw new ValueError("split", `part ${name} (${fractions[name]}) of ${n} examples is empty`, {
        expected: fractions[name],
        received: n,
        hint: options.groups || options.hash ? "use more groups or a larger fraction" : "use more examples or a larger fraction",
      });
    }
  }
  return parts as Parts<F, Uint32Array>;
}

/** As `SplitOptions`, with the names of fields in place of labels. */
export interface SplitDatasetOptions<F extends Fractions = Fractions> {
  readonly fractions?: F;
  readonly seed?: number;
  readonly stratify?: string | Labels;
  readonly groups?: string | Labels;
  readonly time?: string | ArrayLike<number>;
}

/**
 * Divides a dataset into named ones. `stratify`, `groups` and `time` may name a field.
 *
 * ```ts
 * const { train, validation, test } = splitDataset(blobs({ count: 300 }), {
 *   fractions: { validation: 0.1, test: 0.2 }, stratify: "y",
 * });
 * console.log(train.length, validation.length, test.length); // 210 30 60
 * ```
 */
export function splitDataset<B extends object, F extends Fractions = { test: number }>(
  data: Dataset<B>,
  options: SplitDatasetOptions<F> = {},
): Parts<F, Dataset<B>> {
  const values = <L>(given: string | L | undefined): L | undefined =>
    typeof given === "string" ? (data.field(given).data as L) : given;
  const stratify = values<Labels>(options.stratify);
  const groups = values<Labels>(options.groups);
  const time = values<ArrayLike<number>>(options.time);
  const parts = splitIndices<F>(data.length, {
    ...(options.fractions && { fractions: options.fractions }),
    ...(options.seed !== undefined && { seed: options.seed }),
    ...(stratify && { stratify }),
    ...(groups && { groups }),
    ...(time && { time }),
  });
  return Object.fromEntries(
    Object.entries<Uint32Array>(parts).map(([name, rows]) => [name, data.subset(rows)]),
  ) as Parts<F, Dataset<B>>;
}

/** One turn of cross-validation. */
export interface Fold {
  readonly train: Uint32Array;
  readonly test: Uint32Array;
}

/**
 * Divides the rows 0 … n − 1 into `folds` parts of almost equal size; each is the test part of one turn.
 *
 * @throws ValueError for fewer than 2 folds, or more folds than examples (or groups).
 */
export function kFold(n: number, options: DealOptions & { readonly folds?: number } = {}): Fold[] {
  const { folds = 5 } = options;
  if (!Number.isSafeInteger(folds) || folds < 2 || folds > n) {
    throw new ValueError("kFold", `${folds} folds of ${n} examples`, { received: folds, hint: `use 2 to ${n}` });
  }
  const part = deal(n, new Array<number>(folds).fill(1 / folds), options);
  return Array.from({ length: folds }, (_, fold) => {
    const test = rowsWhere(part, fold);
    if (test.length === 0) {
      throw new ValueError("kFold", `fold ${fold} is empty`, {
        received: folds,
        hint: "use fewer folds: there are too few groups",
      });
    }
    return { train: rangeOf(n).filter((row) => part[row] !== fold), test };
  });
}

/** A bootstrap sample, and the rows it left out. */
export interface Bootstrap {
  readonly sample: Uint32Array;
  readonly outOfBag: Uint32Array;
}

/**
 * Draws `size` of n rows with replacement (B. Efron 1979). A sample of n leaves (1 − 1/n)ⁿ ≈ e⁻¹ ≈ 36.8 % of the rows
 * out: a test set that comes free with bagging.
 */
export function bootstrap(n: number, options: { readonly seed?: number; readonly size?: number } = {}): Bootstrap {
  const { seed = 0, size = n } = options;
  checkCount("bootstrap", n, size);
  const random = new Random(seed);
  const sample = new Uint32Array(size);
  const drawn = new Uint8Array(n);
  for (let i = 0; i < size; i++) {
    const row = random.below(n);
    sample[i] = row;
    drawn[row] = 1;
  }
  return { sample, outOfBag: rangeOf(n).filter((row) => drawn[row] === 0) };
}

/**
 * Draws `count` rows, each with probability proportional to its weight; `data.subset` of the result balances classes.
 * Without replacement a row is drawn at most once, and each draw is in proportion to the weights of the rows that are
 * left (P. S. Efraimidis and P. G. Spirakis 2006).
 *
 * ```ts
 * const rows = weightedSample([0, 1, 0, 3], { count: 2, replace: false });
 * console.log(rows.toSorted()); // Uint32Array(2) [ 1, 3 ]
 * ```
 * @throws ValueError for a weight that is negative or not finite, for weights that are all 0, and without replacement
 * for more rows than have a weight above 0.
 */
export function weightedSample(
  weights: ArrayLike<number>,
  options: {
    /** Default: as many as there are weights. */
    readonly count?: number;
    /** Default 0. */
    readonly seed?: number;
    /** Whether a row can be drawn again. Default true. */
    readonly replace?: boolean;
  } = {},
): Uint32Array {
  const { count = weights.length, seed = 0, replace = true } = options;
  checkCount("weightedSample", weights.length, count);
  const ends = new Float64Array(weights.length);
  let total = 0;
  for (let row = 0; row < ends.length; row++) {
    const weight = weights[row]!;
    if (!(weight >= 0 && weight < Infinity)) {
      throw new ValueError("weightedSample", `weight ${weight} at row ${row}`, {
        received: weight,
        hint: "weights are finite and not negative",
      });
    }
    total += weight;
    ends[row] = total;
  }
  if (total === 0)
    throw new ValueError("weightedSample", "all weights are 0", { hint: "give some row a positive weight" });
  const random = new Random(seed);
  if (!replace) return sampleOnce(weights, count, random);
  return Uint32Array.from({ length: count }, () => {
    const at = random.uniform(0, total);
    let low = 0;
    let high = ends.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ends[middle]! > at) high = middle;
      else low = middle + 1;
    }
    return low;
  });
}

/** The `count` rows that come first when each waits for a time that is exponential with its weight as rate. */
function sampleOnce(weights: ArrayLike<number>, count: number, random: Random): Uint32Array {
  const times = Float64Array.from(weights, (weight) => -Math.log(1 - random.uniform()) / weight);
  const rows = rangeOf(times.length).filter((row) => weights[row]! > 0);
  if (count > rows.length) {
    throw new ValueError("weightedSample", `${count} different rows of ${rows.length} with a weight above 0`, {
      expected: rows.length,
      received: count,
      hint: `draw at most ${rows.length}, or with replacement`,
    });
  }
  return rows.sort((a, b) => times[a]! - times[b]! || a - b).slice(0, count);
}

function withTrain(fractions: Fractions): Record<string, number> {
  const values = Object.values(fractions);
  const sum = values.reduce((total, fraction) => total + fraction, 0);
  const complete = Object.hasOwn(fractions, "train");
  if (values.some((fraction) => !(fraction > 0 && fraction <= 1)) || sum > 1 + 1e-9 || (complete && sum < 1 - 1e-9)) {
    throw new ValueError("split", `fractions ${JSON.stringify(fractions)} add up to ${sum}`, {
      expected: 1,
      received: sum,
      hint: complete
        ? "make them add up to 1, or leave train out"
        : "each is above 0, and together they leave something for train",
    });
  }
  if (complete) return { ...fractions };
  if (sum > 1 - 1e-9) {
    throw new ValueError("split", `fractions ${JSON.stringify(fractions)} leave nothing for train`, {
      received: sum,
      hint: "name train among them, or make them smaller",
    });
  }
  return { train: 1 - sum, ...fractions };
}

/** The part of every row: a random order, cut or dealt out. */
function deal(n: number, shares: readonly number[], { seed = 0, stratify, groups }: DealOptions): Int32Array {
  checkCount("split", n, n);
  const order = new Random(seed).permutation(n);
  if (groups) {
    if (stratify) throw new ValueError("split", "stratify does not go with groups", { hint: "choose one" });
    checkLength("groups", groups, n);
    return dealGroups(order, shares, groups);
  }
  if (!stratify) return dealRows(order, shares);
  checkLength("stratify", stratify, n);
  // Rows of one label stand together, in random order; whole labels are in order of first appearance in the data.
  const rank = new Map<unknown, number>();
  for (let row = 0; row < n; row++) if (!rank.has(stratify[row])) rank.set(stratify[row], rank.size);
  return dealRows(
    Uint32Array.from(Array.from(order).sort((a, b) => rank.get(stratify[a])! - rank.get(stratify[b])!)),
    shares,
  );
}

/**
 * Deals rows out one by one, each to the part that is furthest behind its share. Any run of consecutive rows is then
 * divided in proportion, up to one row per part: over all rows, and within each label where labels stand together.
 */
function dealRows(order: Uint32Array, shares: readonly number[]): Int32Array {
  const part = new Int32Array(order.length);
  const given = shares.map(() => 0);
  for (let i = 0; i < order.length; i++) {
    const to = furthestBehind(shares, given, i + 1);
    given[to]!++;
    part[order[i]!] = to;
  }
  return part;
}

/** As `dealRows` with whole groups, the largest first, so that small ones can even out the sizes. */
function dealGroups(order: Uint32Array, shares: readonly number[], groups: Labels): Int32Array {
  const rows = new Map<unknown, number[]>();
  for (const row of order) {
    const members = rows.get(groups[row]);
    if (members) members.push(row);
    else rows.set(groups[row], [row]);
  }
  const part = new Int32Array(order.length);
  const given = shares.map(() => 0);
  for (const members of [...rows.values()].sort((a, b) => b.length - a.length)) {
    const to = furthestBehind(shares, given, order.length);
    given[to]! += members.length;
    for (const row of members) part[row] = to;
  }
  return part;
}

/** The part of every label: a uniform number that its characters name, looked up in the shares. */
function byHash(shares: readonly number[], labels: Labels, seed: number): Int32Array {
  const known = new Map<unknown, number>();
  return Int32Array.from({ length: labels.length }, (_, row) => {
    const label = labels[row];
    let part = known.get(label);
    if (part === undefined) {
      const place = new Random(seed, ...Array.from(String(label), (letter) => letter.codePointAt(0)!)).uniform();
      let end = 0;
      part = shares.findIndex((share) => place < (end += share));
      // Shares add up to 1 but for rounding.
      if (part < 0) part = shares.length - 1;
      known.set(label, part);
    }
    return part;
  });
}

function furthestBehind(shares: readonly number[], given: readonly number[], total: number): number {
  let best = 0;
  let most = -Infinity;
  for (let i = 0; i < shares.length; i++) {
    const behind = shares[i]! * total - given[i]!;
    // Ties within rounding error go to the earlier part.
    if (behind > most + 1e-9) {
      most = behind;
      best = i;
    }
  }
  return best;
}

/** Cuts an order into consecutive parts. */
function inOrder(order: Uint32Array, shares: readonly number[]): Int32Array {
  const part = new Int32Array(order.length);
  let sum = 0;
  let start = 0;
  shares.forEach((share, i) => {
    sum += share;
    const end = i === shares.length - 1 ? order.length : Math.round(sum * order.length);
    for (let at = start; at < end; at++) part[order[at]!] = i;
    start = end;
  });
  return part;
}

function rowsWhere(part: Int32Array, value: number): Uint32Array {
  return rangeOf(part.length).filter((row) => part[row] === value);
}

function checkLength(name: string, labels: ArrayLike<unknown>, n: number): void {
  if (labels.length !== n) {
    throw new ShapeError("split", `${name} has ${labels.length} entries for ${n} examples`, {
      expected: n,
      received: labels.length,
      hint: "give one per example",
    });
  }
}

function checkCount(op: string, n: number, size: number): void {
  if (!Number.isSafeInteger(n) || n < 1 || !Number.isSafeInteger(size) || size < 0) {
    throw new ValueError(op, `${size} of ${n} examples`, {
      received: [size, n],
      hint: "the data is empty, or a count is not a whole number",
    });
  }
}
