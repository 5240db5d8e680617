/**
 * Networks whose weights are written down instead of learned, which shows what networks can express: any truth table
 * by perceptrons, any continuous function by towers of steep sigmoids.
 */
import { type Tensor, ValueError, sigmoid, tensor } from "@dormouse/tensor";
import { step } from "./activations.ts";
import { Linear, requireSizes } from "./linear.ts";
import { Sequential } from "./layers.ts";
import { type Bit, bitRows } from "./neurons.ts";

type Step = typeof step;

const matrix = (rows: readonly (readonly number[])[]): Tensor<[number, number]> =>
  tensor(rows) as Tensor<[number, number]>;
const vector = (values: readonly number[]): Tensor<[number]> => tensor(values) as Tensor<[number]>;

/**
 * A network of perceptrons for any boolean function of n inputs: 2ⁿ hidden units, of which unit r fires for row r of
 * the truth table only, and one output unit that fires where a hidden one does whose row has a 1. `outputs` are those
 * of the table, rows in the order of `truthTable`; inputs are `[N, n]` of 0 and 1, and the result is `[N, 1]`.
 *
 * Hidden unit r has weights +1 for the inputs that are 1 in its row and -1 for the others, and a bias that leaves ½
 * on both sides of the boundary. Throws `ValueError` where the number of rows is not a power of two.
 *
 * ```ts
 * const xor = truthTableNetwork([0, 1, 1, 0]);
 * await xor.forward(tensor([[0, 1], [1, 1]])).array();   // [[1], [0]]
 * ```
 */
export function truthTableNetwork(
  outputs: readonly (number | boolean)[],
): Sequential<readonly [Linear, Step, Linear, Step]> {
  const inputs = Math.log2(outputs.length);
  if (!Number.isInteger(inputs) || inputs < 1) {
    throw new ValueError("truthTableNetwork", `${outputs.length} rows are not a truth table`, {
      received: outputs.length,
      hint: "give 2, 4, 8, ... outputs: one per row",
    });
  }
  const wanted = outputs.map((output, row): Bit => {
    if (output === 1 || output === true) return 1;
    if (output === 0 || output === false) return 0;
    throw new ValueError("truthTableNetwork", `output ${row} is ${output}`, { received: output, hint: "use 0 and 1" });
  });
  const rows = bitRows("truthTableNetwork", inputs);
  const hidden = Linear.of(
    matrix(rows.map((row) => row.map((bit) => 2 * bit - 1))),
    vector(rows.map((row) => 0.5 - row.reduce<number>((sum, bit) => sum + bit, 0))),
  );
  const output = Linear.of(matrix([wanted]), vector([-0.5]));
  return new Sequential(hidden, step, output, step);
}

/** An interval of the real line. */
export type Interval1d = readonly [low: number, high: number];
/** A rectangle: one interval for each axis. */
export type Interval2d = readonly [Interval1d, Interval1d];

export interface TowersOptions<R> {
  /** Where the function is approximated: `[low, high]`, or one interval for each of two axes. */
  readonly range: R;
  /** Towers along each axis. Default 16; where `error` is given, the number to begin with, by default 4. */
  readonly count?: number;
  /** Doubles `count` until the mean absolute error is at most this. */
  readonly error?: number;
  /** Steepness of the sigmoids, in units of one over the width of a tower. Default 100. */
  readonly slope?: number;
}

/** A network of towers, and how good it is. */
export interface Towers {
  /** Layers of sigmoids: `[N, 1]` or `[N, 2]` to `[N, 1]`, with weights that can be trained further. */
  readonly network: Sequential;
  /** Towers along each axis. */
  readonly count: number;
  /** Mean absolute difference from the function over a grid of 8 points per tower and axis. */
  readonly error: number;
}

/** Above this many hidden sigmoids a network is refused: they would not fit into memory. */
const MOST_SIGMOIDS = 2 ** 12;

/**
 * A network of steep sigmoids that approximates a function of one or two numbers, built and not trained: the range is
 * cut into cells, and every cell has a tower of the height that the function has in its middle.
 *
 * In one dimension a tower is the difference of two sigmoids, `σ(a(x - l)) - σ(a(x - r))`. In two dimensions it takes
 * four, two per axis, whose sum is 2 inside of the cell and at most 1 outside, and a fifth that asks whether the sum
 * exceeds 1½. With enough towers the error becomes as small as one likes (Cybenko 1989; Hornik et al. 1989).
 *
 * Throws `ValueError` where the function is not finite, or where a given error would need too many towers.
 *
 * ```ts
 * const { network, count } = towers(Math.sin, { range: [0, 6], error: 0.02 });
 * const bumps = towers((x, y) => Math.exp(-x * x - y * y), { range: [[-2, 2], [-2, 2]], count: 20 });
 * ```
 */
export function towers(f: (x: number) => number, options: TowersOptions<Interval1d>): Towers;
export function towers(f: (x: number, y: number) => number, options: TowersOptions<Interval2d>): Towers;
export function towers(f: Surface, options: TowersOptions<Interval1d | Interval2d>): Towers {
  const { range, error, count = error === undefined ? 16 : 4, slope = 100 } = options;
  requireSizes("towers", { count });
  const axes = (typeof range[0] === "number" ? [range] : range) as readonly Interval1d[];
  for (const [low, high] of axes) {
    if (Number.isFinite(low) && Number.isFinite(high) && low < high) continue;
    throw new ValueError("towers", `range [${low}, ${high}]`, { received: range, hint: "give a low below the high" });
  }
  if (!(slope > 0)) {
    throw new ValueError("towers", `slope is ${slope}`, { received: slope, hint: "give a positive number" });
  }
  for (let towersPerAxis = count; ; towersPerAxis *= 2) {
    if (2 * axes.length * towersPerAxis ** axes.length > MOST_SIGMOIDS) {
      const where = axes.length === 1 ? "the axis" : "each axis";
      throw new ValueError("towers", `${towersPerAxis} towers along ${where} are too many`, {
        received: error ?? count,
        hint: "allow a larger error or a smaller range",
      });
    }
    const built = axes.length === 1 ? line(f, axes[0]!, towersPerAxis, slope) : plane(f, axes, towersPerAxis, slope);
    if (error === undefined || built.error <= error) return built;
  }
}

/** A function of a place; functions of one number ignore the second. */
type Surface = (x: number, y: number) => number;

const PROBES_PER_CELL = 8;

/** One cell of an axis: where its tower stands and where its sigmoids are steep. */
interface Cell {
  readonly left: number;
  readonly right: number;
  readonly middle: number;
}

/** Cells of equal width. The outer edges stand one width further out, so that the range ends inside of a tower. */
function cellsOf([low, high]: Interval1d, count: number): Cell[] {
  const width = (high - low) / count;
  return Array.from({ length: count }, (_, i) => ({
    left: low + (i === 0 ? -1 : i) * width,
    right: low + (i === count - 1 ? count + 1 : i + 1) * width,
    middle: low + (i + 0.5) * width,
  }));
}

function probesOf([low, high]: Interval1d, count: number): number[] {
  const length = count * PROBES_PER_CELL;
  return Array.from({ length }, (_, i) => low + ((i + 0.5) / length) * (high - low));
}

function heightOf(f: Surface, x: number, y: number): number {
  const height = f(x, y);
  if (Number.isFinite(height)) return height;
  throw new ValueError("towers", `the function is ${height} at ${Number.isNaN(y) ? x : `(${x}, ${y})`}`, {
    received: height,
    hint: "give a range in which the function is finite",
  });
}

const logisticOf = (x: number): number => 1 / (1 + Math.exp(-x));

/** The difference of two sigmoids: near 1 inside of a cell, near 0 outside. */
const inside = (at: number, { left, right }: Cell, steepness: number): number =>
  logisticOf(steepness * (at - left)) - logisticOf(steepness * (at - right));

function line(f: Surface, range: Interval1d, count: number, slope: number): Towers {
  const cells = cellsOf(range, count);
  const a = (slope * count) / (range[1] - range[0]);
  const heights = cells.map(({ middle }) => heightOf(f, middle, NaN));
  const edges = cells.flatMap(({ left, right }) => [left, right]);
  const network = new Sequential(
    Linear.of(matrix(edges.map(() => [a])), vector(edges.map((edge) => -a * edge))),
    sigmoid,
    Linear.of(matrix([heights.flatMap((height) => [height, -height])])),
  );
  const probes = probesOf(range, count);
  const valueAt = (x: number): number =>
    cells.reduce((sum, cell, i) => sum + heights[i]! * inside(x, cell, a), 0);
  const total = probes.reduce((sum, x) => sum + Math.abs(valueAt(x) - heightOf(f, x, NaN)), 0);
  return { network, count, error: total / probes.length };
}

function plane(f: Surface, ranges: readonly Interval1d[], count: number, slope: number): Towers {
  const [across, up] = ranges.map((range) => cellsOf(range, count)) as [Cell[], Cell[]];
  const [a, b] = ranges.map(([low, high]) => (slope * count) / (high - low)) as [number, number];
  const cells = across.flatMap((x) => up.map((y) => ({ x, y, height: heightOf(f, x.middle, y.middle) })));
  const sigmoids = cells.flatMap(({ x, y }) => [
    { weight: [a, 0], bias: -a * x.left },
    { weight: [a, 0], bias: -a * x.right },
    { weight: [0, b], bias: -b * y.left },
    { weight: [0, b], bias: -b * y.right },
  ]);
  const own = (cell: number): number[] =>
    sigmoids.map((_, i) => (Math.floor(i / 4) === cell ? (i % 2 === 0 ? slope : -slope) : 0));
  const network = new Sequential(
    Linear.of(matrix(sigmoids.map(({ weight }) => weight)), vector(sigmoids.map(({ bias }) => bias))),
    sigmoid,
    Linear.of(matrix(cells.map((_, i) => own(i))), vector(cells.map(() => -1.5 * slope))),
    sigmoid,
    Linear.of(matrix([cells.map(({ height }) => height)])),
  );
  const [xs, ys] = ranges.map((range) => probesOf(range, count)) as [number[], number[]];
  const columns = xs.map((x) => across.map((cell) => inside(x, cell, a)));
  const rows = ys.map((y) => up.map((cell) => inside(y, cell, b)));
  const valueAt = (i: number, j: number): number =>
    cells.reduce((sum, { height }, at) => {
      const z = slope * (columns[i]![Math.floor(at / count)]! + rows[j]![at % count]! - 1.5);
      // Below that the sigmoid is less than 10⁻¹⁷; almost all cells are, and their exponentials would take the time.
      return z < -40 ? sum : sum + height * logisticOf(z);
    }, 0);
  const errorAt = (i: number, j: number): number => Math.abs(valueAt(i, j) - heightOf(f, xs[i]!, ys[j]!));
  const total = xs.reduce((sum, _, i) => sum + ys.reduce((part, _y, j) => part + errorAt(i, j), 0), 0);
  return { network, count, error: total / (xs.length * ys.length) };
}
