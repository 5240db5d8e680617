/**
 * Tables to numbers and back: what a model sees of each column, learned from the training rows alone and stored with
 * the model. Numbers are scaled and their gaps filled with the median, categories become one-hot with a level for
 * what was never seen, and the target becomes class numbers or a standardized value. Plain data inside, so that it
 * goes to JSON and back without loss.
 */
import { type Tensor, ValueError } from "@dormouse/tensor";
import { type Dataset, dataset } from "../dataset.ts";
import type { Column, Table } from "./table.ts";
import { parseNumber, sortLevels } from "./types.ts";

/**
 * How numbers are scaled: to mean 0 and standard deviation 1, to [0, 1], to median 0 and a distance of 1 between the
 * quartiles (`"robust"`: a few wild values change nothing), or not.
 */
export type Scaling = "standardize" | "minMax" | "robust" | "none";

/** How `fitFeatures` treats columns. */
export interface FeatureOptions {
  /** The column to be predicted. */
  readonly target?: string;
  /** Whether the target is a number or a class. Default: a class for text and for up to 20 different whole numbers. */
  readonly task?: "regression" | "classification";
  /** Default `"standardize"`. */
  readonly scale?: Scaling;
  /** Columns to leave out, besides those that the table sets aside. */
  readonly exclude?: readonly string[];
}

/** A number: (value − center) / scale, a gap becoming `fill`, with a column of its own where gaps were seen. */
interface NumberFeature {
  readonly kind: "number";
  readonly name: string;
  readonly center: number;
  readonly scale: number;
  readonly fill: number;
  readonly indicator: boolean;
}
/** A category: one column for each level, one for gaps where some were seen, one for anything else. */
interface CategoryFeature {
  readonly kind: "category";
  readonly name: string;
  readonly levels: readonly string[];
  readonly indicator: boolean;
}
/** Two values: 0 or 1, the training mean for anything else, and a column that says so. */
interface BinaryFeature {
  readonly kind: "binary";
  readonly name: string;
  readonly levels: readonly [string, string];
  readonly fill: number;
}
type Feature = NumberFeature | CategoryFeature | BinaryFeature;

/** How the target is encoded. */
export type Target =
  | {
      readonly task: "classification";
      readonly name: string;
      readonly levels: readonly string[];
      readonly reason: string;
    }
  | {
      readonly task: "regression";
      readonly name: string;
      readonly mean: number;
      readonly deviation: number;
      readonly reason: string;
    };

/** What `toJSON` gives and `featuresFromJSON` takes. */
export interface FeaturesJson {
  readonly format: "dormouse-features/1";
  readonly features: readonly Feature[];
  readonly target: Target | null;
  readonly setAside: readonly string[];
}

/** The features of one table as a matrix. */
export interface FeatureMatrix {
  /** Row-major, `shape` [rows, features]. */
  readonly data: Float32Array;
  readonly shape: readonly [number, number];
  readonly names: readonly string[];
}

/** A fitted preprocessor; made by `fitFeatures` or `featuresFromJSON`. */
export class Features {
  readonly target: Target | null;
  /** Columns that are not used, each with the reason. */
  readonly setAside: readonly string[];
  /** Names of the features, in order: `age`, `age is missing`, `color=red`, … */
  readonly names: readonly string[];
  readonly #features: readonly Feature[];

  /** @internal */
  constructor({ features, target, setAside }: Omit<FeaturesJson, "format">) {
    this.#features = features;
    this.target = target;
    this.setAside = setAside;
    this.names = features.flatMap(namesOf);
  }

  /**
   * The features of `table`, which needs the columns by name, in any order; others are ignored.
   * @throws ValueError for a column that is not there, and for a cell that should be a number and is not.
   */
  transform(table: Table): FeatureMatrix {
    const width = this.names.length;
    const data = new Float32Array(table.length * width);
    let offset = 0;
    for (const feature of this.#features) {
      writeFeature(feature, table, data, offset, width);
      offset += namesOf(feature).length;
    }
    return { data, shape: [table.length, width], names: this.names };
  }

  /** The target of every row: int32 class numbers, or float32 standardized values. */
  encodeTarget(table: Table): Int32Array | Float32Array {
    const target = this.#needTarget("encodeTarget");
    const { cells } = table.column(target.name);
    const gap = cells.indexOf(null);
    if (gap >= 0) {
      throw new ValueError("encodeTarget", `the target ${target.name} is missing at row ${gap}`, {
        received: null,
        hint: `table.dropMissing(${JSON.stringify(target.name)})`,
      });
    }
    if (target.task === "regression") {
      return Float32Array.from(table.numbers(target.name), (value) => (value - target.mean) / target.deviation);
    }
    const codes = new Map(target.levels.map((level, code) => [level, code]));
    return Int32Array.from(cells as readonly string[], (cell, row) => {
      const code = codes.get(cell);
      if (code === undefined) {
        throw new ValueError(
          "encodeTarget",
          `class ${JSON.stringify(cell)} at row ${row} was not seen when the features were fitted`,
          {
            expected: target.levels,
            received: cell,
            hint: `classes are ${target.levels.join(", ")}`,
          },
        );
      }
      return code;
    });
  }

  /** The inverse of `encodeTarget`: names of classes, or values in the unit of the column. */
  decodeTarget(values: ArrayLike<number>): string[] | Float64Array {
    const target = this.#needTarget("decodeTarget");
    if (target.task === "regression")
      return Float64Array.from(values, (value) => value * target.deviation + target.mean);
    return Array.from(values, (code, row) => {
      const level = target.levels[code];
      if (level === undefined) {
        throw new ValueError("decodeTarget", `class ${code} at row ${row} is not below ${target.levels.length}`, {
          received: code,
          hint: "pass class numbers, not scores",
        });
      }
      return level;
    });
  }

  /** Features as `x` and the encoded target as `y` ([n] int32, or [n, 1] float32). */
  dataset(table: Table): Dataset<{ readonly x: Tensor; readonly y: Tensor }> {
    const target = this.#needTarget("dataset");
    const y = this.encodeTarget(table);
    return dataset({
      x: this.transform(table),
      y: target.task === "regression" ? { data: y, shape: [table.length, 1] } : y,
    });
  }

  toJSON(): FeaturesJson {
    return { format: "dormouse-features/1", features: this.#features, target: this.target, setAside: this.setAside };
  }

  #needTarget(op: string): Target {
    if (!this.target)
      throw new ValueError(op, "the features were fitted without a target", { hint: "fitFeatures(table, { target })" });
    return this.target;
  }
}

/**
 * Learns from `table` how to turn such tables into numbers. Pass the training rows only (`table.subset(train)`):
 * what is learned from test rows leaks.
 *
 * ```ts
 * const table = readCsv("size,color,price\n1,red,10\n2,blue,20\n,red,12\n4,blue,41\n");
 * const features = fitFeatures(table, { target: "price", task: "regression" });
 * console.log(features.names); // [ 'size', 'size is missing', 'color=red', 'color is unknown' ]
 * ```
 * @throws ValueError for an unknown column, a target that cannot be learned, and where no feature is left.
 */
export function fitFeatures(table: Table, options: FeatureOptions = {}): Features {
  const { scale = "standardize", exclude = [] } = options;
  if (table.length === 0) throw new ValueError("fitFeatures", "the table has no rows", { hint: "check the split" });
  for (const name of exclude) table.column(name);
  const setAside: string[] = [];
  const features: Feature[] = [];
  for (const column of table.columns) {
    if (column.name === options.target) continue;
    if (exclude.includes(column.name)) setAside.push(`${column.name}: excluded`);
    else {
      const feature = fitColumn(column, table, scale);
      if (typeof feature === "string") setAside.push(`${column.name}: ${feature}`);
      else features.push(feature);
    }
  }
  if (features.length === 0) {
    throw new ValueError("fitFeatures", `no feature is left (${setAside.join("; ")})`, {
      hint: "name the kinds of columns: readCsv(text, { types })",
    });
  }
  const target = options.target === undefined ? null : fitTarget(table.column(options.target), table, options.task);
  return new Features({ features, target, setAside });
}

/** Features from what `toJSON` gave, as an object or after `JSON.parse`. */
export function featuresFromJSON(json: unknown): Features {
  const { format, features, target, setAside } = (json ?? {}) as Partial<FeaturesJson>;
  if (
    format !== "dormouse-features/1" ||
    !Array.isArray(features) ||
    !Array.isArray(setAside) ||
    target === undefined
  ) {
    throw new ValueError("featuresFromJSON", `format ${JSON.stringify(format)} is not known`, {
      expected: "dormouse-features/1",
      received: format,
      hint: "pass what features.toJSON() gave",
    });
  }
  return new Features({ features: features as Feature[], target, setAside: setAside as string[] });
}

const namesOf = (feature: Feature): string[] => {
  const { name } = feature;
  switch (feature.kind) {
    case "number":
      return feature.indicator ? [name, `${name} is missing`] : [name];
    case "binary":
      return [`${name}=${feature.levels[1]}`, `${name} is unknown`];
    case "category":
      return [
        ...feature.levels.map((level) => `${name}=${level}`),
        ...(feature.indicator ? [`${name} is missing`] : []),
        `${name} is unknown`,
      ];
  }
};

/** The feature of a column, or why it has none. */
function fitColumn(column: Column, table: Table, scaling: Scaling): Feature | string {
  const { name, type, reason, cells } = column;
  const present = cells.filter((cell) => cell !== null);
  const indicator = present.length < cells.length;
  switch (type) {
    case "number":
      return present.length === 0
        ? "all values are missing in the training rows"
        : fitNumber(name, table.numbers(name), scaling, indicator);
    case "binary":
    case "category": {
      const levels = sortLevels(new Set(present), table.decimal);
      if (levels.length === 0) return "all values are missing in the training rows";
      if (type === "category" || levels.length !== 2) return { kind: "category", name, levels, indicator };
      const ones = present.filter((cell) => cell === levels[1]).length;
      return { kind: "binary", name, levels: levels as [string, string], fill: ones / present.length };
    }
    default:
      return `${type} (${reason})`;
  }
}

function fitNumber(name: string, values: Float64Array, scaling: Scaling, indicator: boolean): NumberFeature {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort();
  const fill = quantile(sorted, 0.5);
  const base = { kind: "number", name, fill, indicator } as const;
  if (scaling === "none") return { ...base, center: 0, scale: 1 };
  if (scaling === "minMax") {
    const low = sorted[0]!;
    return { ...base, center: low, scale: sorted.at(-1)! - low || 1 };
  }
  if (scaling === "robust") {
    return { ...base, center: fill, scale: quantile(sorted, 0.75) - quantile(sorted, 0.25) || 1 };
  }
  const { mean, deviation } = moments(name, values.map((value) => (Number.isNaN(value) ? fill : value)));
  return { ...base, center: mean, scale: deviation };
}

/** A quantile of sorted values, interpolated linearly (method 7 of R. J. Hyndman and Y. Fan 1996, as NumPy's). */
function quantile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
  return low + (high - low) * (place - Math.floor(place));
}

/** How a target is encoded; `task` in place of what its values suggest. */
export function fitTarget(column: Column, table: Table, task: FeatureOptions["task"]): Target {
  const { name, type, cells } = column;
  const present = cells.filter((cell) => cell !== null);
  const levels = sortLevels(new Set(present), table.decimal);
  if (levels.length < 2) {
    throw new ValueError(
      "fitFeatures",
      `the target ${name} has ${levels.length === 0 ? "no values" : `only the value ${JSON.stringify(levels[0])}`}`,
      { received: levels, hint: "choose another target, or more rows" },
    );
  }
  const values = present.map((cell) => parseNumber(cell, table.decimal));
  const numeric = values.every((value) => !Number.isNaN(value));
  const few = levels.length <= 20 && levels.length <= Math.max(2, present.length / 2) && values.every(Number.isInteger);
  const chosen = task ?? (numeric && type !== "binary" && !few ? "regression" : "classification");
  const reason = task
    ? "as asked"
    : chosen === "regression"
      ? "many different numbers"
      : numeric
        ? `${levels.length} different whole numbers`
        : `${levels.length} different values`;
  if (chosen === "regression") {
    if (!numeric)
      throw new ValueError("fitFeatures", `the target ${name} is not a number everywhere`, {
        received: levels,
        hint: 'use task "classification"',
      });
    return { task: chosen, name, ...moments(name, Float64Array.from(values)), reason };
  }
  if (!task && levels.length > Math.max(2, present.length / 2)) {
    throw new ValueError("fitFeatures", `the target ${name} has ${levels.length} classes in ${present.length} rows`, {
      received: levels.length,
      hint: 'choose another target, or ask for task "classification"',
    });
  }
  return { task: chosen, name, levels, reason };
}

/** Mean and standard deviation (of the population, as scikit-learn's StandardScaler); 1 where all values are equal. */
function moments(name: string, values: Float64Array): { mean: number; deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  if (!Number.isFinite(variance)) {
    throw new ValueError("fitFeatures", `the squares of ${name} are too large to be added`, {
      received: values.reduce((most, value) => Math.max(most, Math.abs(value)), 0),
      hint: "mend extreme values, or write the column in another unit",
    });
  }
  // Equal values can leave a rounding error of the mean behind, which is not a spread.
  return { mean, deviation: Math.sqrt(variance) > 1e-12 * Math.abs(mean) ? Math.sqrt(variance) : 1 };
}

function writeFeature(feature: Feature, table: Table, data: Float32Array, offset: number, width: number): void {
  if (feature.kind === "number") {
    const values = table.numbers(feature.name);
    for (let row = 0, at = offset; row < values.length; row++, at += width) {
      const missing = Number.isNaN(values[row]);
      data[at] = ((missing ? feature.fill : values[row]!) - feature.center) / feature.scale;
      if (missing && feature.indicator) data[at + 1] = 1;
    }
    return;
  }
  const { cells } = table.column(feature.name);
  const codes = new Map(feature.levels.map((level, code) => [level, code]));
  const columns = namesOf(feature).length;
  for (let row = 0, at = offset; row < cells.length; row++, at += width) {
    const cell = cells[row] ?? null;
    const code = cell === null ? undefined : codes.get(cell);
    if (feature.kind === "binary") {
      data[at] = code ?? feature.fill;
      if (code === undefined) data[at + 1] = 1;
    } else if (code !== undefined) data[at + code] = 1;
    else data[at + columns - (cell === null && feature.indicator ? 2 : 1)] = 1;
  }
}
